/* queries.c: what we asked, and whom we wrote to.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "node.h"

#define MAX_PENDING  512 /* more than can be asked in ANSWER_MS */
#define MAX_SENT     512
#define SOLICITED_MS 60000 /* a query from an endpoint that we wrote to in this time may use our mapping */

typedef struct sent {
    krpc_endpoint to;
    int64_t at_ms;
} sent;

static pending pendings[MAX_PENDING]; /* a ring */
static uint64_t num_asked;
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

void ask(purpose why, const krpc_endpoint *to, krpc_method method, const uint8_t *id, const uint8_t *target)
{
    uint8_t room[256];
    krpc_builder b;
    pending *p = &pendings[num_asked++ % MAX_PENDING];

    *p = (pending){.purpose = why, .to = *to, .sent_ms = now_ms()};
    fill_random(p->t, sizeof p->t); /* nobody may guess it */
    if (id != NULL) {
        memcpy(p->id, id, 20);
    }
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, p->t, sizeof p->t);
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
bool asked(pending *out, const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const krpc_value *t = &m->value[KRPC_T];

    for (int i = 0; krpc_has(m, KRPC_T) && t->len == sizeof out->t && i < MAX_PENDING; i++) {
        pending *p = &pendings[i];

        if (p->purpose != FREE && memcmp(p->t, data + t->off, t->len) == 0 && krpc_endpoint_same_addr(&p->to, from)) {
            *out = *p;
            p->purpose = FREE;
            return true;
        }
    }
    return false;
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
