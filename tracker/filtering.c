/* filtering.c: which packets from outside a NAT lets through to a mapping (RFC 4787 section 5).
 *
 * Captured inside: a node that queries many hosts for a long time, and gets no query from a stranger, is filtered. A
 * stranger is a host to which the node has sent nothing. Captured on both sides: queries of strangers to an open
 * mapping are seen outside and not inside. The node must be seen inside afterwards, because one capture may end before
 * the other.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_OPENINGS    4096
#define OPEN_NS         (30 * SECOND) /* every NAT keeps a mapping open for this time after its use */
#define ENOUGH_KNOCKS   5
#define ENOUGH_CONTACTS 100
#define LONG_NS         (600 * SECOND)
#define ENOUGH_PASSED   3
#define ENOUGH_ANSWERS  3

/* opening is a mapping that was seen on both sides. */
typedef struct opening {
    krpc_endpoint outside;
    krpc_endpoint inside;
    int64_t sent_ns;
} opening;

void filtering_clear(tracker *t)
{
    if (t->openings.records != NULL) {
        ways_clear(&t->openings.ways);
        table_free(t->openings.records);
    }
}

static const opening *opening_find(const tracker *t, const krpc_endpoint *outside)
{
    const openings *all = &t->openings;
    uint32_t slot = all->records == NULL ? NONE : ways_find(&all->ways, hash_endpoint(&t->key, outside));

    return slot == NONE ? NULL : &all->records[slot];
}

void filtering_opened(tracker *t, const krpc_endpoint *inside, const krpc_endpoint *outside, int64_t ns)
{
    openings *all = &t->openings;
    bool made;
    opening *o;

    if (all->records == NULL) {
        ways_init(&all->ways, NUM_OPENINGS, &t->stats.memory);
        all->records = table_alloc(&t->stats.memory, (size_t)all->ways.num_sets * 8, sizeof *all->records);
    }
    o = &all->records[ways_take(&all->ways, hash_endpoint(&t->key, outside), tracker_second(t), &made)];
    o->outside = *outside;
    o->inside = *inside;
    o->sent_ns = ns;
}

void filtering_knocked(tracker *t, const tracker_packet *p)
{
    const opening *o = opening_find(t, &p->dst);
    uint64_t key;
    uint32_t remote = (uint32_t)hash_addr(&t->key, &p->src) | 1;
    uint32_t index;
    bool port_only;
    nat *n;

    if (o == NULL || !krpc_endpoint_equal(&o->outside, &p->dst) || p->time_ns - o->sent_ns > OPEN_NS ||
        krpc_endpoint_same_addr(&p->src, &p->dst) || addr_is_private(&p->src)) {
        return;
    }
    key = hash_endpoint(&t->key, &o->inside);
    n = nat_find(t, key);
    n = n != NULL ? n : nat_find(t, place_key(t, &o->inside));
    index = nodes_find(t, &o->inside);
    if (n == NULL || index == NONE || flow_find(t, key, &p->src) != NULL) {
        return;
    }
    if (node_at(&t->nodes, index)->last_ns > n->knock_ns) {
        n->knocks[0] += n->late_knocks[0];
        n->knocks[1] += n->late_knocks[1];
        n->late_knocks[0] = n->late_knocks[1] = 0;
    }
    port_only = vote_known(t, key, remote, VOTE_CONTACTED); /* another port of an address that was sent to */
    if (vote_new(t, key, (uint32_t)hash_endpoint(&t->key, &p->src) | 1, VOTE_KNOCKED)) {
        n->late_knocks[port_only]++;
        n->knock_ns = p->time_ns;
    }
}

void filtering_contacted(tracker *t, const tracker_packet *p)
{
    uint64_t key = hash_endpoint(&t->key, &p->src);
    nat *n;

    if (vote_new(t, key, (uint32_t)hash_addr(&t->key, &p->dst) | 1, VOTE_CONTACTED) && (n = nat_find(t, key)) != NULL) {
        n->contacts_ns = n->contacts++ == 0 ? p->time_ns : n->contacts_ns;
    }
}

/* Queries of strangers that would have been seen inside: the node was seen inside after them. */
static uint32_t num_knocks(const node *local, const nat *n, unsigned i)
{
    return n->knocks[i] + (local->last_ns > n->knock_ns ? n->late_knocks[i] : 0);
}

tracker_filtering filtering_of(const tracker *t, const node *local, const nat *n)
{
    bool knocked = num_knocks(local, n, false) >= ENOUGH_KNOCKS || num_knocks(local, n, true) >= ENOUGH_KNOCKS;
    bool alone = n->contacts >= ENOUGH_CONTACTS && t->now_ns - n->contacts_ns >= LONG_NS &&
                 (local->flags & NODE_READ_ONLY) == 0; /* a read-only node is not queried */

    if (n->group) {
        return TRACKER_FILTERING_UNKNOWN;
    }
    if (n->passed >= ENOUGH_PASSED) {
        return TRACKER_FILTERING_INDEPENDENT;
    }
    /* only where the capture shows what comes in */
    return (local->flags & NODE_OPEN) == 0 && node_talked(local) >= ENOUGH_ANSWERS && (knocked || alone)
               ? TRACKER_FILTERING_DEPENDENT
               : TRACKER_FILTERING_UNKNOWN;
}
