/* outside.c: what answers say about the outside endpoint of their receiver, and what the modules need to know of it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

void node_is_translated(tracker *t, const krpc_endpoint *endpoint)
{
    uint32_t index = nodes_find(t, endpoint);

    if (index != NONE) {
        node_at(&t->nodes, index)->flags |= NODE_TRANSLATED;
    }
}

bool nat_outside(const tracker *t, const node *n, krpc_endpoint *out)
{
    if ((n->flags & NODE_TRANSLATED) != 0) {
        uint32_t index = facts_find(&t->facts, &n->endpoint);
        uint32_t outside = index == NONE ? NONE : facts_endpoint_at(&t->facts, index)->outside;

        if (outside != NONE) {
            *out = facts_endpoint_at(&t->facts, outside)->endpoint;
            return true;
        }
    }
    *out = n->endpoint;
    return (n->flags & NODE_PRIVATE) == 0;
}

uint16_t nat_seen_port(const tracker *t, uint32_t index, const krpc_endpoint *local, const krpc_endpoint *remote)
{
    const facts *f = &t->facts;
    uint32_t socket = index == NONE ? NONE : facts_find(f, local);
    uint32_t witness = facts_find(f, remote);
    unsigned left = 256;

    if (index == NONE || !addr_is_private(local) || addr_is_private(remote)) {
        return addr_is_private(local) && !addr_is_private(remote) ? 0 : local->port;
    }
    for (uint32_t i = socket == NONE ? NONE : facts_endpoint_at(f, socket)->sightings; i != NONE && left-- > 0;
         i = facts_sighting_at(f, i)->next) {
        const fact_sighting *s = facts_sighting_at(f, i);

        if (s->witness == witness && t->now_ns - s->last.ns <= FORGET_NS) {
            return facts_endpoint_at(f, s->outside)->endpoint.port;
        }
    }
    return 0;
}

void nat_own_address(const tracker *t, const tracker_packet *p, uint32_t src, const krpc_sink *sink)
{
    krpc_endpoint outside;
    const node *n = node_at(&t->nodes, src);

    if ((n->flags & (NODE_TRANSLATED | NODE_PRIVATE)) == (NODE_TRANSLATED | NODE_PRIVATE) &&
        nat_outside(t, n, &outside) && krpc_endpoint_same_addr(&outside, &p->dst)) {
        krpc_emit(sink, KRPC_RULE_NAT_OWN_ADDRESS, 0, 0, 0, 0);
    }
}

static uint16_t swapped(uint16_t port)
{
    return (uint16_t)(port << 8 | port >> 8);
}

static bool what_is_seen(krpc_endpoint *out, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                         krpc_field *field_out)
{
    *field_out = KRPC_IP;
    if (krpc_message_ip(out, m, data)) {
        return out->addr_len == p->dst.addr_len && out->port != 0;
    }
    *field_out = KRPC_R_P;
    if (krpc_has(m, KRPC_R_P) && m->value[KRPC_R_P].num >= 1 && m->value[KRPC_R_P].num <= 65535) {
        *out = p->dst;
        out->port = (uint16_t)m->value[KRPC_R_P].num;
        return true;
    }
    return false;
}

static void report_seen(const tracker_packet *p, const krpc_message *m, krpc_field field, const krpc_endpoint *seen,
                        const krpc_sink *sink)
{
    const krpc_value *v = &m->value[field];

    if (seen->port != p->dst.port) {
        krpc_emit_at(sink, seen->port == swapped(p->dst.port) ? KRPC_RULE_PORT_SWAPPED : KRPC_RULE_PORT_OBSERVED, field,
                     v->off, v->len, seen->port, p->dst.port);
    }
    if (field == KRPC_IP && !krpc_endpoint_same_addr(seen, &p->dst)) {
        krpc_emit_at(sink, KRPC_RULE_PORT_OBSERVED_ADDR, field, v->off, v->len, 0, 0);
    }
}

/* A node that was not queried is no witness; its port must be the one that was asked. r.p names only the port: for an
 * inside node the address is unknown, and nothing is seen outside. */
static bool is_witness(const tracker_packet *p, const transaction *query, const tracker_result *result,
                       const krpc_endpoint *seen, krpc_field field)
{
    return query != NULL && result->repeats == 0 && krpc_endpoint_equal(&result->asked, &p->src) &&
           (seen->port == p->dst.port || seen->port != swapped(p->dst.port)) &&
           (field == KRPC_IP || !addr_is_private(&p->dst));
}

void nat_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const transaction *query, const tracker_result *result, const fact_contact *contact, uint32_t dst,
               const krpc_sink *sink)
{
    krpc_endpoint seen;
    krpc_field field;
    fact_moment at = {p->time_ns, fact_place(p->source, p->frame)};

    if (!what_is_seen(&seen, p, m, data, &field) || seen.port == 0) { /* port.invalid */
        return;
    }
    report_seen(p, m, field, &seen, sink);
    if (!is_witness(p, query, result, &seen, field)) {
        return;
    }
    if (contact != NULL && dst != NONE) {
        unsigned mine = contact->end[1] == facts_find(&t->facts, &p->dst);

        facts_sight(&t->facts, FACT_TOLD, contact->end[mine], contact->end[!mine], &seen, query->time_ns, &at,
                    p->time_ns);
        if (addr_is_private(&p->dst) && facts_endpoint_at(&t->facts, contact->end[mine])->outside != NONE) {
            node_at(&t->nodes, dst)->flags |= NODE_TRANSLATED;
        }
    }
    adverts_observed(t, query, &seen, p->frame);
}
