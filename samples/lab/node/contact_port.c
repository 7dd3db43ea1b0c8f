/* contact_port.c: what codec/port-advertisement.rst adds to a node.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "node.h"

#define VERIFY_MS     60000  /* an address is tried at most once in this time because of what it said */
#define FAILED_MS     900000 /* an endpoint that did not answer is not tried again for so long */
#define VERIFY_BURST  10     /* and all addresses together so often in a second */
#define VERIFY_LOWEST 1024   /* below are other services */
#define MAX_CLAIMS    (VERIFY_BURST * FAILED_MS / 1000) /* so none is forgotten before its time */
#define MAX_VOTES     16
#define RECENT_MS     60000  /* contact goes to those who have answered in this time */
#define CONTACT_MS    600000 /* and to CONTACT_MAX of them in this time, CONTACT_ROUND at once */
#define CONTACT_MAX   10
#define CONTACT_ROUND 5

typedef struct claim { /* an advertised endpoint that was tried */
    krpc_endpoint endpoint;
    int64_t tried_ms;
    bool answered;
} claim;

typedef struct vote {
    krpc_endpoint by;
    uint16_t port;
} vote;

static claim claims[MAX_CLAIMS]; /* a ring: the newest is num_claims - 1 */
static uint64_t num_claims;
static vote votes[MAX_VOTES]; /* a ring as well */
static uint64_t num_votes;
static bool unreachable; /* not on the port that others see: time to say p */
static int64_t contact_window, contact_next;
static int contact_count;

static bool same_prefix(const krpc_endpoint *a, const krpc_endpoint *b, unsigned v4_bytes, unsigned v6_bytes)
{
    return a->addr_len == b->addr_len && memcmp(a->addr, b->addr, a->addr_len == 4 ? v4_bytes : v6_bytes) == 0;
}

/* ---- receiving: what others say about their ports ---- */

static claim *newest(uint64_t n)
{
    return n < num_claims && n < MAX_CLAIMS ? &claims[(num_claims - 1 - n) % MAX_CLAIMS] : NULL;
}

/* Whether an endpoint may be tried now; remembers that it was. */
static bool may_try(const krpc_endpoint *to, int64_t now)
{
    const claim *c = newest(VERIFY_BURST - 1);

    if (c != NULL && now - c->tried_ms < 1000) {
        return false;
    }
    for (uint64_t n = 0; (c = newest(n)) != NULL && now - c->tried_ms < FAILED_MS; n++) {
        if ((same_prefix(&c->endpoint, to, 4, 8) && now - c->tried_ms < VERIFY_MS) ||
            (krpc_endpoint_equal(&c->endpoint, to) && !c->answered)) {
            return false;
        }
    }
    claims[num_claims++ % MAX_CLAIMS] = (claim){.endpoint = *to, .tried_ms = now};
    return true;
}

/* The only thing that a claim leads to: one ping, to the claimant's own address, at a bounded rate. */
static void verify(const krpc_endpoint *from, int64_t port, const uint8_t *id)
{
    krpc_endpoint to = *from;
    krpc_addr_scope scope = krpc_endpoint_scope(from);
    const node *known = table_find(id);

    if (self.opt.ignore || port < VERIFY_LOWEST || port > 65535 || port == from->port ||
        (scope != KRPC_ADDR_GLOBAL && scope != krpc_endpoint_scope(&self.opt.bind))) {
        return;
    }
    to.port = (uint16_t)port;
    if ((known != NULL && known->advertised && krpc_endpoint_equal(&known->endpoint, &to)) || !may_try(&to, now_ms())) {
        return;
    }
    ask(VERIFY, &to, KRPC_METHOD_PING, id, NULL);
}

void port_verified(const krpc_endpoint *from, const uint8_t *id)
{
    claim *c;

    table_verified(id, from);
    for (uint64_t n = 0; (c = newest(n)) != NULL; n++) {
        c->answered |= krpc_endpoint_equal(&c->endpoint, from);
    }
    self.count.verified++;
    say("verified", from, "");
}

/* ---- what others say about our port ---- */

/* ip and r.p: our port as another sees it. Each network has one vote. */
static void count_vote(const krpc_endpoint *by, uint16_t port)
{
    for (unsigned i = 0; i < num_votes && i < MAX_VOTES; i++) {
        if (same_prefix(&votes[i].by, by, 3, 8)) {
            votes[i].port = port;
            return;
        }
    }
    votes[num_votes++ % MAX_VOTES] = (vote){*by, port};
}

/* Whether enough networks see us on the forwarded port (true), or on another one (false), and more than the contrary. */
static bool seen_on_it(bool on_it)
{
    int yes = 0, no = 0;

    for (unsigned i = 0; i < num_votes && i < MAX_VOTES; i++) {
        *((votes[i].port == self.opt.contact_port) == on_it ? &yes : &no) += 1;
    }
    return yes >= ENOUGH && yes > no;
}

void read_adverts(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id,
                  bool is_answer)
{
    bool read_only = krpc_has(m, KRPC_RO) && m->value[KRPC_RO].num != 0;
    krpc_advert_iter it;
    krpc_advert a;

    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        if (a.channel == KRPC_CHANNEL_P || a.channel == KRPC_CHANNEL_CONTACT) {
            if (!read_only) {
                verify(from, a.port, id);
            }
        } else if (!is_answer) {
            continue; /* whom we did not ask can forge his address, and then vote or hand us nodes as anybody */
        } else if ((a.channel == KRPC_CHANNEL_IP || a.channel == KRPC_CHANNEL_R_P) && a.has_port && a.port > 0 &&
                   a.port <= 65535) {
            count_vote(from, (uint16_t)a.port);
        } else if (a.channel == KRPC_CHANNEL_NODES || a.channel == KRPC_CHANNEL_NODES6) {
            table_note(data + a.id_off, &a.endpoint, HEARD_OF);
        }
    }
}

/* ---- sending ---- */

void add_p(krpc_builder *b)
{
    if (unreachable && !self.opt.no_p) {
        krpc_builder_int(b, KRPC_P, self.opt.contact_port);
    }
}

static bool asked_to_help(const node *n, int64_t now)
{
    return n->contacted_ms != 0 && now - n->contacted_ms < CONTACT_MS;
}

/* Most programs do not know contact, so of those who have just answered it goes to the program that got fewest. */
static node *next_helper(int64_t now)
{
    node *best = NULL;
    int fewest = CONTACT_MAX;

    for (unsigned i = 0; i < table_size(); i++) {
        node *n = table_at(i);
        int same = 0;

        if (n->answered_ms == 0 || now - n->answered_ms > RECENT_MS || asked_to_help(n, now)) {
            continue;
        }
        for (unsigned j = 0; j < table_size(); j++) {
            same += asked_to_help(table_at(j), now) && memcmp(table_at(j)->program, n->program, 2) == 0;
        }
        if (same < fewest) {
            fewest = same;
            best = n;
        }
    }
    return best;
}

static void send_contacts(int64_t now)
{
    node *n;

    if (now < contact_next) {
        return;
    }
    contact_next = now + ANSWER_MS;
    if (now - contact_window >= CONTACT_MS || contact_window == 0) {
        contact_window = now;
        contact_count = 0;
    }
    for (int i = 0; i < CONTACT_ROUND && contact_count < CONTACT_MAX && (n = next_helper(now)) != NULL; i++) {
        n->contacted_ms = now;
        contact_count++;
        self.count.contacts++;
        say("contact to", &n->endpoint, "");
        ask(CONTACT, &n->endpoint, KRPC_METHOD_CONTACT, n->id, NULL);
    }
}

/* Whether others reach us on the port that they see is known in two ways: they tell us another one than the forwarded,
 * or nobody asks us anything but those whom we have just asked ourselves. That some see the forwarded port later on is no
 * reason to stop: a NAT may use it for what we send to those who came in by it. */
void notice(int64_t now)
{
    bool silence = table_size() >= 4 && now - self.unsolicited_ms >= self.opt.silence * INT64_C(1000);

    if (self.opt.contact_port == 0 || now - self.start_ms < self.opt.after * INT64_C(1000)) {
        return;
    }
    if (!unreachable && ((silence && !seen_on_it(true)) || seen_on_it(false))) {
        unreachable = true;
        say("self", &self.opt.bind, silence ? " nobody asks us anything" : " is seen on another port");
    }
    if (!self.opt.no_contact && silence) {
        send_contacts(now);
    }
}
