/* pair.c: the same bytes on both sides of a NAT.
 *
 * A query or an answer that is captured twice, once with an inside and once with an outside endpoint, shows the
 * mapping. In one capture both copies are there within a fraction of a round trip, and before the first one is
 * answered: a host that moves to another address and repeats its query is no NAT. Captures of two machines may have
 * clocks that differ.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_PAYLOADS 8192
#define GROUP        4 /* both powers of two */
#define NEAR_NS      (SECOND / 5)
#define FAR_NS       (10 * SECOND) /* between captures of different machines */

/* payload_seen is a payload that may be seen again on the other side. */
typedef struct payload_seen {
    uint64_t key;
    int64_t ns;
    krpc_endpoint local;
    uint32_t frame; /* 0: free, or it was seen on both sides already */
    uint16_t source;
} payload_seen;

void pairs_clear(tracker *t)
{
    table_free(t->pairs.seen);
}

uint64_t pair_key(const tracker *t, const krpc_message *m, const uint8_t *data)
{
    return hash_bytes(&t->key, data, m->len, 12);
}

static uint64_t with_remote(const tracker *t, uint64_t payload, uint64_t remote, bool out)
{
    return hash_fold(payload ^ t->key.k[out], remote ^ t->key.k[3]);
}

static payload_seen *group_of(const tracker *t, uint64_t key)
{
    return &((payload_seen *)t->pairs.seen)[(uint32_t)(key >> 32) & (NUM_PAYLOADS - GROUP)];
}

/* Was the first copy answered before the second one existed? */
static bool was_answered(const tracker *t, const krpc_endpoint *local, const krpc_endpoint *remote, int64_t from_ns,
                         int64_t to_ns)
{
    uint32_t one = facts_find(&t->facts, local);
    uint32_t other = facts_find(&t->facts, remote);
    uint32_t index = one == NONE || other == NONE ? NONE : facts_contact(&t->facts, one, other);
    const fact_contact *c = index == NONE ? NULL : facts_contact_at(&t->facts, index);

    return c != NULL && c->last_answer_ns[fact_side(c, other)] >= from_ns &&
           c->last_answer_ns[fact_side(c, other)] < to_ns;
}

static void observe(tracker *t, const tracker_packet *p, const payload_seen *first, const krpc_endpoint *local,
                    const krpc_endpoint *remote, bool out, bool asks)
{
    krpc_addr_scope was = krpc_endpoint_scope(&first->local);
    krpc_addr_scope is = krpc_endpoint_scope(local);
    bool now_inside = is != KRPC_ADDR_GLOBAL && was == KRPC_ADDR_GLOBAL;
    const krpc_endpoint *inside, *outside;
    fact_moment at = {p->time_ns, fact_place(p->source, p->frame)};
    uint32_t socket, witness;

    /* a private address is inside a carrier's NAT; otherwise the copy that comes first is nearer to its sender */
    now_inside |= is == KRPC_ADDR_PRIVATE && was == KRPC_ADDR_CGNAT;
    now_inside |= !out && is == was;
    inside = now_inside ? local : &first->local;
    outside = now_inside ? &first->local : local;
    if (now_inside) {
        at.place = fact_place(first->source, first->frame);
    } else {
        at.ns = first->ns; /* times are those of the inside */
    }
    /* within one LAN there is no NAT, and a router that turns packets round shows its own addresses */
    if (krpc_endpoint_scope(inside) == KRPC_ADDR_GLOBAL || fact_network(inside) == fact_network(outside) ||
        fact_network(remote) == fact_network(inside) || krpc_endpoint_same_addr(remote, outside)) {
        return;
    }
    socket = facts_endpoint(&t->facts, inside, hash_endpoint(&t->key, inside));
    witness = facts_endpoint(&t->facts, remote, hash_endpoint(&t->key, remote));
    if (socket != NONE && witness != NONE) {
        facts_sight(&t->facts,
                    out != asks ? FACT_ENTRY
                    : out       ? FACT_PAIR
                                : FACT_PAIR_IN,
                    socket, witness, outside, at.ns, &at, p->time_ns);
        node_is_translated(t, inside);
    }
}

static void look(tracker *t, const tracker_packet *p, uint64_t key, const krpc_endpoint *local,
                 const krpc_endpoint *remote, bool out, bool asks)
{
    payload_seen *group = group_of(t, key);
    payload_seen *place = group;

    for (unsigned i = 0; i < GROUP; i++) {
        payload_seen *seen = &group[i];

        if (seen->key == key && seen->frame != 0) {
            bool far = seen->source != p->source;
            int64_t apart = p->time_ns - seen->ns;

            if (ABS(apart) <= (far ? FAR_NS : NEAR_NS) && !krpc_endpoint_same_addr(&seen->local, local) &&
                (far || !out || !was_answered(t, &seen->local, remote, seen->ns, p->time_ns))) {
                observe(t, p, seen, local, remote, out, asks);
                seen->frame = 0;
                return;
            }
            place = seen;
            break;
        }
        if (place->frame != 0 && (seen->frame == 0 || seen->ns < place->ns)) {
            place = seen;
        }
    }
    *place = (payload_seen){key, p->time_ns, *local, p->frame, p->source};
}

void pairs_note(tracker *t, const tracker_packet *p, uint64_t payload, const tracker_keys *keys, bool asks)
{
    if (t->pairs.seen == NULL) {
        t->pairs.seen = table_alloc(&t->stats.memory, NUM_PAYLOADS, sizeof(payload_seen));
    }
    look(t, p, with_remote(t, payload, keys->dst, true), &p->src, &p->dst, true, asks);
    look(t, p, with_remote(t, payload, keys->src, false), &p->dst, &p->src, false, asks);
}

void pairs_fetch(const tracker *t, const tracker_keys *keys)
{
    if (t->pairs.seen != NULL && keys->payload != 0) {
        __builtin_prefetch(group_of(t, with_remote(t, keys->payload, keys->dst, true)), 1);
        __builtin_prefetch(group_of(t, with_remote(t, keys->payload, keys->src, false)), 1);
    }
}
