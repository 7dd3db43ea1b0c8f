/* packet_matcher.c: see packet_matcher.h.
 *
 * Each packet has two keys, one for each direction: its payload and its destination, or its payload and its source. The
 * packets of one key at about one time are a cluster. A cluster with one inside endpoint and one outside endpoint is a
 * vote for the link of the two towards this remote endpoint. Where packets are lost, weak and contradictory links are
 * rejected. The packets of the other links are paired.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "command/packet_matcher.h"

#include <stdlib.h>

#include <glib.h>

#define MIN_SAMPLES 8u
#define MAX_CLUSTER 256u /* more packets with the same bytes at one time are not paired */
#define MIN_GAP     INT64_C(1000000)
#define NS_PER_S    INT64_C(1000000000)
#define MAX_GAP     (2 * NS_PER_S)
#define MAX_TIME    (INT64_C(1) << 61) /* sums fit into 64 bits */

/* place is a packet with one of its two keys. */
typedef struct place {
    uint64_t key;
    int64_t time_ns; /* by the inside clock */
    uint32_t packet;
    bool goes_out;
} place;

/* link is an inside endpoint and its outside endpoint, towards a remote endpoint. */
typedef struct link {
    krpc_endpoint ends[2]; /* inside, outside */
    krpc_endpoint remote;
    uint8_t protocol;
    uint32_t num_votes;
    uint32_t num_row_votes; /* of its two ends, towards all remote endpoints */
    int64_t first_ns;
    int64_t last_ns;
    bool is_rejected;
} link;

struct packet_matcher {
    packet_matcher_visitor visitor;
    GArray *packets;       /* packet_matcher_packet */
    GArray *places;        /* place */
    GArray *links;         /* link */
    GHashTable *flows[2];  /* source and destination, by side */
    GHashTable *unchanged; /* addresses that are the same on both sides: krpc_endpoint with port 0 */
    int64_t gap_ns;        /* times of one packet differ less */
    bool is_coarse;        /* all times are whole seconds */
    uint64_t too_short;
    uint64_t num_dropped;
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static guint endpoint_hash(gconstpointer key)
{
    return (guint)(mix(0, krpc_endpoint_hash(key)) >> 32);
}

static gboolean endpoint_equal(gconstpointer a, gconstpointer b)
{
    return krpc_endpoint_equal(a, b);
}

static guint flow_hash(gconstpointer key)
{
    const krpc_endpoint *ends = key;

    return (guint)(mix(krpc_endpoint_hash(&ends[0]), krpc_endpoint_hash(&ends[1])) >> 32);
}

static gboolean flow_equal(gconstpointer a, gconstpointer b)
{
    const krpc_endpoint *x = a, *y = b;

    return krpc_endpoint_equal(&x[0], &y[0]) && krpc_endpoint_equal(&x[1], &y[1]);
}

packet_matcher *packet_matcher_new(const packet_matcher_visitor *visitor)
{
    packet_matcher *with = g_new0(packet_matcher, 1);

    with->visitor = *visitor;
    with->is_coarse = true;
    with->packets = g_array_new(FALSE, FALSE, sizeof(packet_matcher_packet));
    with->places = g_array_new(FALSE, FALSE, sizeof(place));
    with->links = g_array_new(FALSE, FALSE, sizeof(link));
    with->flows[0] = g_hash_table_new_full(flow_hash, flow_equal, g_free, NULL);
    with->flows[1] = g_hash_table_new_full(flow_hash, flow_equal, g_free, NULL);
    with->unchanged = g_hash_table_new_full(endpoint_hash, endpoint_equal, g_free, NULL);
    return with;
}

void packet_matcher_free(packet_matcher *with)
{
    if (with == NULL) {
        return;
    }
    g_array_free(with->packets, TRUE);
    g_array_free(with->places, TRUE);
    g_array_free(with->links, TRUE);
    g_hash_table_destroy(with->flows[0]);
    g_hash_table_destroy(with->flows[1]);
    g_hash_table_destroy(with->unchanged);
    g_free(with);
}

uint64_t packet_matcher_too_short(const packet_matcher *with)
{
    return with->too_short;
}

uint64_t packet_matcher_num_dropped(const packet_matcher *with)
{
    return with->num_dropped;
}

static uint64_t hash_of(const uint8_t *bytes, uint32_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ len;

    for (uint32_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static void add_address(GHashTable *set, krpc_endpoint endpoint)
{
    endpoint.port = 0;
    if (!g_hash_table_contains(set, &endpoint)) {
        g_hash_table_add(set, g_memdup2(&endpoint, sizeof endpoint));
    }
}

static void note_flow(packet_matcher *with, const tracker_packet *where, bool is_outside)
{
    const krpc_endpoint flow[2] = {where->src, where->dst};

    if (g_hash_table_contains(with->flows[is_outside], flow)) {
        return;
    }
    g_hash_table_add(with->flows[is_outside], g_memdup2(flow, sizeof flow));
    if (g_hash_table_contains(with->flows[!is_outside], flow)) {
        add_address(with->unchanged, flow[0]);
        add_address(with->unchanged, flow[1]);
    }
}

void packet_matcher_add(packet_matcher *with, const run_packet *packet, bool is_outside)
{
    packet_matcher_packet own = {.where = packet->where, .protocol = packet->protocol, .is_outside = is_outside};

    if (packet->len < PACKET_MATCHER_MIN_LEN) {
        with->too_short++;
        return;
    }
    if (with->packets->len == PACKET_MATCHER_MAX) {
        with->num_dropped++;
        return;
    }
    own.where.time_ns = CLAMP(own.where.time_ns, -MAX_TIME, MAX_TIME);
    with->is_coarse &= own.where.time_ns % NS_PER_S == 0;
    own.hash = mix(mix(hash_of(packet->data, packet->len), packet->wire_len), packet->protocol);
    own.hash = packet->protocol == FRAME_TCP ? mix(own.hash, packet->tcp_seq) : own.hash;
    g_array_append_val(with->packets, own);
    note_flow(with, &packet->where, is_outside);
}

/* ---- clusters ---- */

static packet_matcher_packet *packet_of(const packet_matcher *with, const place *at)
{
    return &g_array_index(with->packets, packet_matcher_packet, at->packet);
}

/* The endpoint that a NAT may translate, and the other one. */
static const krpc_endpoint *end_of(const packet_matcher *with, const place *at)
{
    const tracker_packet *where = &packet_of(with, at)->where;

    return at->goes_out ? &where->src : &where->dst;
}

static const krpc_endpoint *remote_of(const packet_matcher *with, const place *at)
{
    const tracker_packet *where = &packet_of(with, at)->where;

    return at->goes_out ? &where->dst : &where->src;
}

static bool is_unchanged(const packet_matcher *with, const place *at)
{
    krpc_endpoint addr = *end_of(with, at);

    addr.port = 0;
    return g_hash_table_contains(with->unchanged, &addr);
}

static int by_key_and_time(const void *a, const void *b)
{
    const place *x = a, *y = b;

    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return (x->packet > y->packet) - (x->packet < y->packet);
}

static void sort_places(packet_matcher *with)
{
    if (with->places->len > 0) {
        qsort(with->places->data, with->places->len, sizeof(place), by_key_and_time);
    }
}

static void add_places(packet_matcher *with)
{
    for (uint32_t i = 0; i < with->packets->len; i++) {
        const packet_matcher_packet *p = &g_array_index(with->packets, packet_matcher_packet, i);
        const place out = {mix(p->hash, krpc_endpoint_hash(&p->where.dst) ^ 1), p->where.time_ns, i, true};
        const place in = {mix(p->hash, krpc_endpoint_hash(&p->where.src) ^ 2), p->where.time_ns, i, false};
        g_array_append_val(with->places, out);
        g_array_append_val(with->places, in);
    }
}

/* Calls visit for the places of each cluster. */
static void each_cluster(packet_matcher *with, void (*visit)(packet_matcher *with, const place *first, uint32_t num))
{
    const place *all = (const place *)(void *)with->places->data;

    for (uint32_t begin = 0, end = 0; begin < with->places->len; begin = end) {
        do {
            end++;
        } while (end < with->places->len && all[end].key == all[begin].key &&
                 all[end].time_ns - all[end - 1].time_ns <= with->gap_ns);
        if (end - begin > 1 && end - begin <= MAX_CLUSTER) {
            visit(with, all + begin, end - begin);
        }
    }
}

/* ---- clocks ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Estimates the difference of the clocks, and how much it varies, from payloads that came once on each side. */
static void adjust_clocks(packet_matcher *with)
{
    GArray *differences = g_array_new(FALSE, FALSE, sizeof(int64_t));
    place *all = (place *)(void *)with->places->data;
    int64_t shift = 0;

    for (uint32_t begin = 0, end = 0; begin < with->places->len; begin = end) {
        while (end < with->places->len && all[end].key == all[begin].key) {
            end++;
        }
        bool outside = packet_of(with, &all[begin])->is_outside;
        if (end - begin == 2 && packet_of(with, &all[begin + 1])->is_outside != outside) {
            int64_t ns = all[begin + 1].time_ns - all[begin].time_ns;
            ns = outside ? -ns : ns;
            g_array_append_val(differences, ns);
        }
    }
    uint32_t num = differences->len;
    with->gap_ns = MAX_GAP;
    if (num >= MIN_SAMPLES) {
        int64_t *d = (int64_t *)(void *)differences->data;
        qsort(d, num, sizeof *d, by_value);
        shift = d[num / 2];
        int64_t spread = MAX(d[num - 1 - num / 100] - shift, shift - d[num / 100]);
        with->gap_ns = CLAMP(2 * MIN(spread, MAX_GAP), with->is_coarse ? NS_PER_S : MIN_GAP, MAX_GAP);
    }
    g_array_free(differences, TRUE);
    for (uint32_t i = 0; i < with->places->len; i++) {
        all[i].time_ns -= packet_of(with, &all[i])->is_outside ? shift : 0;
    }
}

/* ---- links ---- */

static void vote(packet_matcher *with, const place *first, uint32_t num)
{
    const place *found[2] = {NULL, NULL}; /* what is translated, by side */
    const place *same[2] = {NULL, NULL};  /* what is not */

    for (uint32_t i = 0; i < num; i++) {
        bool side = packet_of(with, &first[i])->is_outside;
        const place **seen = is_unchanged(with, &first[i]) ? &same[side] : &found[side];
        if (*seen != NULL && !krpc_endpoint_equal(end_of(with, *seen), end_of(with, &first[i]))) {
            return;
        }
        *seen = &first[i];
    }
    bool is_same = found[0] == NULL && found[1] == NULL;
    const place **ends = is_same ? same : found;
    if (ends[0] == NULL || ends[1] == NULL ||
        (is_same && (!first->goes_out || !krpc_endpoint_equal(end_of(with, same[0]), end_of(with, same[1]))))) {
        return;
    }
    const link own = {{*end_of(with, ends[0]), *end_of(with, ends[1])},
                      *remote_of(with, first),
                      packet_of(with, first)->protocol,
                      1,
                      0,
                      first->time_ns,
                      first->time_ns,
                      false};
    g_array_append_val(with->links, own);
}

static int compare_links(const link *x, const link *y, unsigned side)
{
    int order = x->protocol - y->protocol;

    if (order == 0) {
        order = krpc_endpoint_compare(&x->remote, &y->remote);
    }
    if (order == 0) {
        order = krpc_endpoint_compare(&x->ends[side], &y->ends[side]);
    }
    return order;
}

static int by_inside(const void *a, const void *b)
{
    int order = compare_links(a, b, 0);

    return order != 0 ? order : krpc_endpoint_compare(&((const link *)a)->ends[1], &((const link *)b)->ends[1]);
}

static int by_outside(const void *a, const void *b)
{
    int order = compare_links(a, b, 1);

    return order != 0 ? order : krpc_endpoint_compare(&((const link *)a)->ends[0], &((const link *)b)->ends[0]);
}

static void join_votes(packet_matcher *with)
{
    link *all = (link *)(void *)with->links->data;
    uint32_t num = 0;

    if (with->links->len == 0) {
        return;
    }
    qsort(all, with->links->len, sizeof *all, by_inside);
    for (uint32_t i = 0; i < with->links->len; i++) {
        if (num > 0 && by_inside(&all[num - 1], &all[i]) == 0) {
            link *known = &all[num - 1];
            known->num_votes++;
            known->first_ns = MIN(known->first_ns, all[i].first_ns);
            known->last_ns = MAX(known->last_ns, all[i].last_ns);
        } else {
            all[num++] = all[i];
        }
    }
    g_array_set_size(with->links, num);
}

/* One flow has one other side at a time. Of two the one with fewer votes is wrong, and any may be with as many. */
static void reject(packet_matcher *with, unsigned side)
{
    link *all = (link *)(void *)with->links->data;

    if (with->links->len == 0) {
        return;
    }
    qsort(all, with->links->len, sizeof *all, side == 0 ? by_inside : by_outside);
    for (uint32_t i = 0; i < with->links->len; i++) {
        for (uint32_t k = i + 1; k < with->links->len && compare_links(&all[i], &all[k], side) == 0; k++) {
            if (all[i].first_ns <= all[k].last_ns && all[k].first_ns <= all[i].last_ns) {
                all[i].is_rejected |= all[i].num_votes <= all[k].num_votes;
                all[k].is_rejected |= all[k].num_votes <= all[i].num_votes;
            }
        }
    }
}

static int by_row(const void *a, const void *b)
{
    const link *x = a, *y = b;
    int order = x->protocol - y->protocol;

    if (order == 0) {
        order = krpc_endpoint_compare(&x->ends[1], &y->ends[1]);
    }
    return order != 0 ? order : krpc_endpoint_compare(&x->ends[0], &y->ends[0]);
}

/* Where packets are lost, a cluster may have lost the packets that make it ambiguous. So one vote is not enough for a
 * pair of endpoints, nor a few where another pair with the same outside endpoint has many. */
static void reject_weak_rows(packet_matcher *with)
{
    link *all = (link *)(void *)with->links->data;
    uint32_t num = with->links->len;

    if (num > 0) {
        qsort(all, num, sizeof *all, by_row);
    }
    for (uint32_t begin = 0, end = 0; begin < num; begin = end) {
        uint32_t most = 0;
        while (end < num && all[end].protocol == all[begin].protocol &&
               krpc_endpoint_equal(&all[end].ends[1], &all[begin].ends[1])) {
            uint32_t first = end, votes = 0;
            for (; end < num && by_row(&all[first], &all[end]) == 0; end++) {
                votes += all[end].num_votes;
            }
            for (uint32_t i = first; i < end; i++) {
                all[i].num_row_votes = votes;
            }
            most = MAX(most, votes);
        }
        for (uint32_t i = begin; i < end; i++) {
            all[i].is_rejected |= all[i].protocol == FRAME_UDP &&
                                  !krpc_endpoint_equal(&all[i].ends[0], &all[i].ends[1]) &&
                                  (all[i].num_row_votes < 2 || all[i].num_row_votes < most / 4);
        }
    }
}

/* Whether more than 1 of 20 packets of the flows with a link came on one side only. */
static bool has_losses(packet_matcher *with)
{
    GHashTable *linked = g_hash_table_new_full(flow_hash, flow_equal, g_free, NULL);
    uint64_t num = 0, num_alone = 0;

    for (uint32_t i = 0; i < with->links->len; i++) {
        const link *l = &g_array_index(with->links, link, i);
        for (unsigned side = 0; side < 2; side++) {
            const krpc_endpoint out[2] = {l->ends[side], l->remote}, in[2] = {l->remote, l->ends[side]};
            g_hash_table_add(linked, g_memdup2(out, sizeof out));
            g_hash_table_add(linked, g_memdup2(in, sizeof in));
        }
    }
    for (uint32_t i = 0; i < with->packets->len; i++) {
        const packet_matcher_packet *p = &g_array_index(with->packets, packet_matcher_packet, i);
        const krpc_endpoint flow[2] = {p->where.src, p->where.dst};
        bool is_linked = g_hash_table_contains(linked, flow);
        num += is_linked;
        num_alone += is_linked && p->other == 0;
    }
    g_hash_table_destroy(linked);
    return num_alone > num / 20;
}

/* ---- pairs ---- */

static bool has_link(const packet_matcher *with, const place *inside, const place *outside)
{
    if (!inside->goes_out && krpc_endpoint_equal(end_of(with, inside), end_of(with, outside))) {
        return false; /* it is the pair of the other key */
    }
    const link wanted = {.ends = {*end_of(with, inside), *end_of(with, outside)},
                         .remote = *remote_of(with, inside),
                         .protocol = packet_of(with, inside)->protocol};
    const link *found =
        with->links->len == 0 ? NULL : bsearch(&wanted, with->links->data, with->links->len, sizeof(link), by_inside);

    return found != NULL && !found->is_rejected;
}

static void pair_cluster(packet_matcher *with, const place *first, uint32_t num)
{
    for (uint32_t i = 0; i < num; i++) {
        packet_matcher_packet *inside = packet_of(with, &first[i]);
        for (uint32_t k = 0; k < num && !inside->is_outside && inside->other == 0; k++) {
            packet_matcher_packet *outside = packet_of(with, &first[k]);
            if (outside->is_outside && outside->other == 0 && has_link(with, &first[i], &first[k])) {
                inside->other = first[k].packet + 1;
                inside->goes_out = first->goes_out;
                outside->other = first[i].packet + 1;
            }
        }
    }
}

void packet_matcher_finish(packet_matcher *with)
{
    add_places(with);
    sort_places(with);
    adjust_clocks(with);
    sort_places(with);
    each_cluster(with, vote);
    join_votes(with);
    each_cluster(with, pair_cluster);
    if (has_losses(with)) {
        for (uint32_t i = 0; i < with->packets->len; i++) {
            g_array_index(with->packets, packet_matcher_packet, i).other = 0;
        }
        reject_weak_rows(with);
        reject(with, 1);
        reject(with, 0); /* leaves them in the order of has_link */
        each_cluster(with, pair_cluster);
    }
    for (uint32_t i = 0; i < with->packets->len; i++) {
        const packet_matcher_packet *p = &g_array_index(with->packets, packet_matcher_packet, i);
        if (p->other == 0) {
            with->visitor.alone(with->visitor.ctx, p);
        } else if (!p->is_outside) {
            const packet_pair found = {p, &g_array_index(with->packets, packet_matcher_packet, p->other - 1),
                                       p->goes_out};
            with->visitor.found(with->visitor.ctx, &found);
        }
    }
}
