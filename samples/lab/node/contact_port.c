/* contact_port.c: what docs/port-advertisement.rst adds to a node.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/advert.h>
#include <string.h>

#include "node.h"

#define VERIFY_MS     60000  /* an address is tried at most once in this time because of what it said */
#define FAILED_MS     900000 /* an endpoint that did not answer is not tried again for so long */
#define VERIFY_BURST  10     /* and all addresses together so often in a second */
#define VERIFY_LOWEST 1024   /* below are other services */
#define ENOUGH        3      /* so many networks must see us on a port; and so many nodes are not yet the DHT */
#define RECENT_MS     60000 /* a node asked in this time may use our NAT's mapping, one that answered may get contact */
#define CONTACT_MS    600000 /* contact is sent at most CONTACT_MAX times in this time */
#define CONTACT_MAX   10

static int64_t contact_ms[CONTACT_MAX]; /* a ring: when the last ones were sent */

static bool same_network(const krpc_endpoint *a, const krpc_endpoint *b, size_t v4_bytes, size_t v6_bytes)
{
    return a->addr_len == b->addr_len && memcmp(a->addr, b->addr, a->addr_len == 4 ? v4_bytes : v6_bytes) == 0;
}

/* The only thing that a claim leads to: one ping, to the claimant's own address, at a bounded rate. */
static void try_port(const uint8_t *id, const krpc_endpoint *from, int64_t port)
{
    krpc_addr_scope scope = krpc_endpoint_scope(from);
    int64_t now = now_ms(), age;
    const node *known = find_node(id);
    krpc_endpoint to = *from;
    const query *q;
    int burst = 0;

    to.port = (uint16_t)port;
    if (self.ignore || port < VERIFY_LOWEST || port > 65535 || port == from->port ||
        (scope != KRPC_ADDR_GLOBAL && scope != krpc_endpoint_scope(&self.bind)) ||
        (known != NULL && krpc_endpoint_equal(&known->endpoint, &to))) {
        return;
    }
    for (uint64_t i = 0; (q = newest_query(i)) != NULL && (age = now - q->sent_ms) < FAILED_MS; i++) {
        if (q->method == KRPC_METHOD_PING &&
            ((age < 1000 && ++burst == VERIFY_BURST) || (age < VERIFY_MS && same_network(&q->to, &to, 4, 8)) ||
             (!q->answered && krpc_endpoint_equal(&q->to, &to)))) {
            return;
        }
    }
    self.tried++;
    ask(KRPC_METHOD_PING, &to, id);
}

/* Only an answer may tell of our port and of other nodes: a sender that was not asked can forge its address, and then
 * vote or hand us nodes under any address. */
void read_ports(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id, node *n)
{
    krpc_advert_iter it;
    krpc_advert a;

    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        if (a.channel == KRPC_CHANNEL_P || a.channel == KRPC_CHANNEL_CONTACT) {
            try_port(id, from, a.port);
        } else if (n != NULL && (a.channel == KRPC_CHANNEL_NODES || a.channel == KRPC_CHANNEL_NODES6)) {
            hear_of(data + a.id_off, &a.endpoint);
        } else if (n != NULL && a.whose == KRPC_WHOSE_RECEIVER && a.has_port && a.port > 0 && a.port <= 65535) {
            n->sees_port = (uint16_t)a.port; /* ip or r.p */
        }
    }
}

/* What we send opens a NAT for the one endpoint that it goes to, and the table's get something all the time: queries
 * from there prove nothing. One that came in by a forwarded port may show a source port of the NAT's; it is
 * unsolicited, too. */
void count_query(const uint8_t *id, const krpc_endpoint *from)
{
    const node *known = find_node(id);
    const query *q;
    int64_t now = now_ms();
    bool solicited = known != NULL && krpc_endpoint_equal(&known->endpoint, from);

    for (uint64_t i = 0; (q = newest_query(i)) != NULL && now - q->sent_ms < RECENT_MS && !solicited; i++) {
        solicited = krpc_endpoint_equal(&q->to, from);
    }
    if (!solicited) {
        self.unsolicited++;
        self.unsolicited_ms = now;
    }
}

/* Whether others reach us on the port that they see is known in two ways: they tell us another one than the forwarded,
 * where each network counts once, or no node asks us anything but those that we have just written to. That some see the
 * forwarded port later on is no reason to stop: a NAT may use it for what we send to nodes that came in by it.
 * While no node comes, contact goes to a node that has just answered, at random: most programs do not know it. */
bool notice(int64_t now, node *n)
{
    bool silence = self.num_nodes > ENOUGH && now - self.unsolicited_ms >= self.silence * INT64_C(1000);
    int64_t *oldest = &contact_ms[self.contacts % CONTACT_MAX];
    int forwarded = 0, another = 0;

    if (self.contact_port == 0 || now - self.start_ms < self.after * INT64_C(1000)) {
        return false;
    }
    for (const node *a = self.nodes; a < self.nodes + self.num_nodes; a++) {
        bool counts = a->sees_port != 0;

        for (const node *b = self.nodes; b < a && counts; b++) {
            counts = b->sees_port == 0 || !same_network(&a->endpoint, &b->endpoint, 3, 6);
        }
        forwarded += counts && a->sees_port == self.contact_port;
        another += counts && a->sees_port != self.contact_port;
    }
    if (!self.no_p &&
        ((another >= ENOUGH && another > forwarded) || (silence && (forwarded < ENOUGH || forwarded <= another)))) {
        self.saying_p = true;
    }
    if (self.no_contact || !silence || n->contacted || n->unanswered > 0 || now - n->answered_ms > RECENT_MS ||
        (*oldest != 0 && now - *oldest < CONTACT_MS)) {
        return false;
    }
    n->contacted = true;
    *oldest = now;
    self.contacts++;
    return true;
}
