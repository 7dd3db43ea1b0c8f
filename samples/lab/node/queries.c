/* queries.c: what we asked, and whom we wrote to.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "node.h"

#define MAX_PENDING  256
#define MAX_SENT     512
#define SOLICITED_MS 60000 /* a query from an endpoint that we wrote to in this time may use our mapping */

typedef struct sent {
    krpc_endpoint to;
    int64_t at_ms;
} sent;

static pending pendings[MAX_PENDING];
static sent sents[MAX_SENT];

static sent *find_sent(const krpc_endpoint *to)
{
    for (int i = 0; i < MAX_SENT; i++) {
        if (krpc_endpoint_equal(&sents[i].to, to)) {
            return &sents[i];
        }
    }
    return NULL;
}

void wrote_to(const krpc_endpoint *to)
{
    sent *s = find_sent(to);

    if (s == NULL) {
        s = &sents[0];
        for (int i = 1; i < MAX_SENT; i++) {
            s = sents[i].at_ms < s->at_ms ? &sents[i] : s;
        }
    }
    *s = (sent){*to, now_ms()};
}

/* What we send opens the NAT for the one endpoint that it goes to, so the queries from there prove nothing. A NAT with a
 * forwarded port may show us a query that came in by it from another source port than it had; that is unsolicited, too. */
bool solicited(const krpc_endpoint *from, int64_t now)
{
    const sent *s = find_sent(from);

    return s != NULL && now - s->at_ms < SOLICITED_MS;
}

/* A query's record; the oldest is given up when all are in use. */
static pending *remember(purpose why, const krpc_endpoint *to)
{
    pending *p = &pendings[0];

    for (int i = 0; i < MAX_PENDING && p->purpose != FREE; i++) {
        if (pendings[i].purpose == FREE || pendings[i].sent_ms < p->sent_ms) {
            p = &pendings[i];
        }
    }
    *p = (pending){.purpose = why, .to = *to, .sent_ms = now_ms()};
    fill_random(&p->t, sizeof p->t); /* nobody may guess it */
    return p;
}

void ask(purpose why, const krpc_endpoint *to, krpc_method method, const uint8_t *id, const uint8_t *target)
{
    uint8_t room[256];
    krpc_builder b;
    pending *p = remember(why, to);
    uint8_t t[2] = {(uint8_t)(p->t >> 8), (uint8_t)p->t};

    if (id != NULL) {
        memcpy(p->id, id, 20);
    }
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, t, sizeof t);
    krpc_builder_method(&b, method);
    krpc_builder_bytes(&b, KRPC_A_ID, self.id, 20);
    if (target != NULL) {
        krpc_builder_bytes(&b, KRPC_A_TARGET, target, 20);
    }
    if (method == KRPC_METHOD_CONTACT) {
        krpc_builder_int(&b, KRPC_A_PORT, self.opt.contact_port);
    }
    krpc_builder_bytes(&b, KRPC_V, "KS\0\1", 4);
    add_p(&b);
    net_send(&b, to);
}

/* The answer must come from the address that was asked; its port may differ, that is what this is all about. */
pending *asked(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const uint8_t *t = data + m->value[KRPC_T].off;

    if (!krpc_has(m, KRPC_T) || m->value[KRPC_T].len != 2) {
        return NULL;
    }
    for (int i = 0; i < MAX_PENDING; i++) {
        pending *p = &pendings[i];

        if (p->purpose != FREE && p->t == (t[0] << 8 | t[1]) && krpc_endpoint_same_addr(&p->to, from)) {
            return p;
        }
    }
    return NULL;
}

void expire(int64_t now)
{
    for (int i = 0; i < MAX_PENDING; i++) {
        pending *p = &pendings[i];

        if (p->purpose == FREE || now - p->sent_ms <= ANSWER_MS) {
            continue;
        }
        self.count.failed += p->purpose == VERIFY;
        if (p->purpose == REFRESH) {
            table_failed(p->id);
        }
        p->purpose = FREE;
    }
}
