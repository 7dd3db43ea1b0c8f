/* adverts_later.c: the outcome of advertisements: later packets to the advertised port, and responses that contain it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define MAX_OTHERS 64
#define STRANGER   8 /* recognising a stranger costs as much as skipping this many others */
#define FOLLOW_NS  (30 * SECOND)

void adverts_observed(tracker *t, const transaction *query, const krpc_endpoint *outside, uint32_t frame)
{
    for (uint32_t i = 0; i < query->num_adverts; i++) {
        advert *a = advert_at_low(t, query->adverts + i);

        if (a != NULL && a->said.frame == query->frame && a->said.observed_frame == 0) {
            a->said.observed = *outside;
            a->said.observed_frame = frame;
        }
    }
}

/* later is a packet that may have to do with advertisements. */
typedef struct later {
    const tracker_packet *p;
    const krpc_endpoint *where; /* its destination, or the endpoint that an ICMP error reports unreachable */
    const krpc_message *m;
    uint32_t repeats; /* the frame of the query that it repeats; a query older than the advertisement is no use of it */
} later;

static void note_use(advert_use *out, const tracker_packet *p, bool is_query)
{
    *out = (advert_use){p->frame, is_query, p->time_ns, p->src, p->dst};
}

/* Is who the receiver of the advertisement: the same endpoint, or another port of its address with one of its ids? One
 * address may have several nodes. */
static bool is_told(const tracker *t, const advert *a, const krpc_endpoint *who)
{
    uint32_t i, j;

    if (!krpc_endpoint_same_addr(&a->said.receiver, who) || a->said.receiver.port == who->port) {
        return krpc_endpoint_equal(&a->said.receiver, who);
    }
    i = nodes_find(t, &a->said.receiver);
    j = nodes_find(t, who);
    if (i == NONE || j == NONE || (node_at(&t->nodes, i)->flags & node_at(&t->nodes, j)->flags & NODE_HAS_ID) == 0) {
        return false;
    }
    return node_had_id(t, node_at(&t->nodes, i), node_at(&t->nodes, j)->id) ||
           node_had_id(t, node_at(&t->nodes, j), node_at(&t->nodes, i)->id);
}

/* Over TCP, any node of the receiver's address may be the receiver. */
static bool is_stranger(const tracker *t, const advert *a, const krpc_endpoint *who)
{
    return (a->flags & (ADVERT_STREAM | ADVERT_UTP)) != ADVERT_STREAM && !is_told(t, a, who);
}

/* Visits the advertisements of a chain that the packet concerns, until visit returns false: it has visited the older
 * ones before. So each is visited only a few times. Others that share the chain are skipped, up to a limit. */
static void visit_chain(tracker *t, later *l, advert_chain chain, bool (*visit)(tracker *t, later *l, advert *a))
{
    uint32_t low = *adverts_head(t, chain, l->where, &l->p->src);
    unsigned others = 0;
    advert *a;

    for (; low != 0 && others < MAX_OTHERS && (a = advert_at_low(t, low - 1)) != NULL; low = a->next[chain]) {
        krpc_endpoint endpoint = chain == CHAIN_SOURCE ? advert_source(a) : advert_named(a);
        int64_t age = l->p->time_ns - a->said.time_ns;

        if (!krpc_endpoint_equal(&endpoint, l->where) ||
            (chain != CHAIN_NAMED && !krpc_endpoint_same_addr(&a->said.receiver, &l->p->src))) {
            others++; /* of any age: chance decides which ones share the chain */
        } else if ((chain == CHAIN_TOLD || chain == CHAIN_SOURCE) && is_stranger(t, a, &l->p->src)) {
            others += STRANGER;
        } else if (age > WINDOW_NS || (age >= 0 && !visit(t, l, a))) {
            return;
        }
    }
}

/* Notes the first query to the advertised port from another address. */
static bool visit_tried(tracker *t, later *l, advert *a)
{
    (void)t;
    if (a->tried.frame != 0) {
        return false;
    }
    if (!krpc_endpoint_same_addr(&a->said.sender, &l->p->src)) {
        note_use(&a->tried, l->p, true);
    }
    return true;
}

/* The receiver of PORT or contact queries that port soon: with a ping after contact; with get_peers after PORT, as
 * libtorrent does. A first query that comes later has other reasons. */
static bool is_following(const later *l, const advert *a)
{
    bool soon = l->p->time_ns - a->said.time_ns <= FOLLOW_NS;
    bool pings = l->m->method == KRPC_METHOD_PING || l->m->method == KRPC_METHOD_FIND_NODE;

    switch (a->said.channel) {
    case KRPC_CHANNEL_PORT_MESSAGE:
        return soon;
    case KRPC_CHANNEL_CONTACT:
        return soon && pings;
    default:
        return true;
    }
}

/* The receiver sends a query to the advertised port: it honoured the advertisement. */
static bool visit_used(tracker *t, later *l, advert *a)
{
    (void)t;
    if (a->used.frame != 0 || (a->flags & ADVERT_OTHER_REASON) != 0) {
        return false;
    }
    if (l->repeats != 0 && l->repeats <= a->said.frame) {
        return true;
    }
    if (!is_following(l, a)) {
        a->flags |= ADVERT_OTHER_REASON;
        return true;
    }
    note_use(&a->used, l->p, true);
    return true;
}

/* The receiver sends a query to the source port: it did not honour the advertisement. */
static bool visit_kept(tracker *t, later *l, advert *a)
{
    (void)t;
    if (a->kept.frame != 0) {
        return false;
    }
    if (l->repeats != 0 && l->repeats <= a->said.frame) {
        return true;
    }
    note_use(&a->kept, l->p, true);
    return true;
}

void adverts_sent(tracker *t, const tracker_packet *p, const krpc_message *m, uint32_t repeats)
{
    later l = {p, &p->dst, m, repeats};

    if (t->adverts.num_dht != 0) {
        visit_chain(t, &l, CHAIN_NAMED, visit_tried);
        visit_chain(t, &l, CHAIN_TOLD, visit_used);
        visit_chain(t, &l, CHAIN_SOURCE, visit_kept);
    }
}

/* Of several hosts at one address, it is unknown which one connects. */
static bool visit_connected(tracker *t, later *l, advert *a)
{
    static const uint8_t any[2];
    uint32_t index;

    if (a->used.frame == 0 && advert_host_nodes(t, &l->p->src, any, 0, &index) <= 1) {
        note_use(&a->used, l->p, false);
        return true;
    }
    return false;
}

void adverts_connected(tracker *t, const tracker_packet *p)
{
    later l = {p, &p->dst, NULL, 0};

    visit_chain(t, &l, CHAIN_PEERS, visit_connected);
}

static bool visit_unreachable(tracker *t, later *l, advert *a)
{
    (void)t;
    if (a->dead.frame != 0) {
        return false;
    }
    note_use(&a->dead, l->p, true);
    return true;
}

void adverts_unreachable(tracker *t, const tracker_packet *p, const krpc_endpoint *where)
{
    later l = {p, where, NULL, 0};

    if (t->adverts.num_dht != 0) {
        visit_chain(t, &l, CHAIN_NAMED, visit_unreachable);
    }
}

void adverts_returned(tracker *t, const tracker_packet *p, uint32_t serial, uint32_t frame, int kind)
{
    advert *a = advert_at_low(t, serial);

    if (a == NULL || a->said.frame != frame || !is_told(t, a, &p->src)) {
        return;
    }
    if (kind == RETURNED_SWAPPED) {
        a->swapped_frame = a->swapped_frame == 0 ? p->frame : a->swapped_frame;
    } else if ((a->flags & ADVERT_TESTABLE) != 0) {
        bool followed = (kind == RETURNED_SOURCE) == (a->said.implied_port != 0);
        advert_use *first = followed ? &a->used : &a->kept;

        if (first->frame == 0) {
            note_use(first, p, false);
        }
    }
}
