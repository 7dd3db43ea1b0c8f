/* nodes.c: the endpoints that sent KRPC, up to a bound.
 *
 * Records are stored in the order of the first message. An index finds them: sets of 16 places, each set one cache
 * line. When a set is full, or all records are in use, a new node replaces the least recently heard node of the set.
 *
 * SPDX-License-Identifier: MIT
 */
#include "table/lanes.h"
#include "tracker_private.h"

#include <krpc/node_id.h>

#define WAYS        16
#define NUM_ASKED   16384
#define MAX_NODES   ((UINT32_C(1) << 24) - 2)
#define NUMBER_BITS UINT32_C(0x00ffffff) /* of an entry of the index: the number of a record, + 1 */
#define HASH_BITS   UINT32_C(0xff000000)

void nodes_init(tracker *t)
{
    nodes *n = &t->nodes;
    uint64_t *memory = &t->stats.memory;
    uint32_t max = MIN(t->options.max_nodes, MAX_NODES);

    pool_init(&n->records, max, sizeof(node), memory);
    n->num_sets = power_of_two((max + WAYS / 2 - 1) / (WAYS / 2));
    n->index = table_alloc(memory, (size_t)n->num_sets * WAYS, sizeof *n->index);
    n->num_heads = power_of_two(MAX(max / 2, 16));
    n->addr_heads = table_alloc(memory, n->num_heads, sizeof *n->addr_heads);
    memset(n->addr_heads, 0xff, (size_t)n->num_heads * sizeof *n->addr_heads);
    pool_init(&n->histories, MAX(max / 32, 16), sizeof(history), memory);
    ways_init(&n->ids, max, memory);
    n->id_nodes = table_alloc(memory, (size_t)n->ids.num_sets * 8, sizeof *n->id_nodes);
    ways_init(&n->asked, NUM_ASKED, memory);
    n->num_asked = table_alloc(memory, (size_t)n->asked.num_sets * 8, sizeof *n->num_asked);
}

void nodes_clear(tracker *t)
{
    nodes *n = &t->nodes;

    pool_clear(&n->records);
    pool_clear(&n->histories);
    ways_clear(&n->ids);
    ways_clear(&n->asked);
    table_free(n->num_asked);
    table_free(n->index);
    table_free(n->addr_heads);
    table_free(n->id_nodes);
    g_free(n->sorted);
}

static uint32_t *set_of(const nodes *n, uint32_t hash)
{
    return n->index + (size_t)(hash & (n->num_sets - 1)) * WAYS;
}

static uint32_t entry_of(uint32_t hash, uint32_t index)
{
    return (hash & HASH_BITS) | (index + 1);
}

/* The places whose entries may have that hash; including free ones when its bits are all zero. */
static uint32_t candidates(const uint32_t *set, uint32_t hash)
{
    return lanes_16x32(set, HASH_BITS, hash & HASH_BITS);
}

static uint32_t find(const nodes *n, const krpc_endpoint *endpoint, uint32_t hash)
{
    const uint32_t *set = set_of(n, hash);

    for (uint32_t left = candidates(set, hash); left != 0; left &= left - 1) {
        uint32_t entry = set[lanes_first(left)];
        uint32_t index = (entry & NUMBER_BITS) - 1;

        if (entry != 0 && memcmp(&node_at(n, index)->endpoint, endpoint, sizeof *endpoint) == 0) {
            return index;
        }
    }
    return NONE;
}

uint32_t nodes_find(const tracker *t, const krpc_endpoint *endpoint)
{
    return find(&t->nodes, endpoint, (uint32_t)hash_endpoint(&t->key, endpoint));
}

uint32_t nodes_find_hashed(const tracker *t, const krpc_endpoint *endpoint, uint64_t hash, uint32_t hint)
{
    const nodes *n = &t->nodes;

    if (hint < n->records.used && memcmp(&node_at(n, hint)->endpoint, endpoint, sizeof *endpoint) == 0) {
        return hint;
    }
    return find(n, endpoint, (uint32_t)hash);
}

/* ---- chains of one address ---- */

static uint32_t *head_of(const tracker *t, const krpc_endpoint *addr)
{
    return &t->nodes.addr_heads[(uint32_t)hash_addr(&t->key, addr) & (t->nodes.num_heads - 1)];
}

/* Several addresses may share a chain. */
static void chain_add(tracker *t, uint32_t index)
{
    node *n = node_at(&t->nodes, index);
    uint32_t *head = head_of(t, &n->endpoint);

    n->next = *head;
    n->previous = NONE;
    if (*head != NONE) {
        node_at(&t->nodes, *head)->previous = index;
    }
    *head = index;
}

static void chain_remove(tracker *t, uint32_t index)
{
    const node *gone = node_at(&t->nodes, index);

    if (gone->next != NONE) {
        node_at(&t->nodes, gone->next)->previous = gone->previous;
    }
    if (gone->previous != NONE) {
        node_at(&t->nodes, gone->previous)->next = gone->next;
    } else {
        *head_of(t, &gone->endpoint) = gone->next;
    }
}

/* ---- ahead of time ---- */

void nodes_fetch_index(const tracker *t, uint64_t hash)
{
    __builtin_prefetch(set_of(&t->nodes, (uint32_t)hash), 0);
}

static void fetch_record(const node *n)
{
    __builtin_prefetch(n, 1);
    __builtin_prefetch((const char *)n + 64, 1);
}

/* Prefetches for a new node: the next record, and the head of the chain of its address. */
static void fetch_new(const tracker *t, const krpc_endpoint *endpoint)
{
    const pool *records = &t->nodes.records;
    uint32_t next = records->used + 1;

    if (next < records->max && records->chunks[next >> POOL_SHIFT] != NULL) {
        fetch_record(node_at(&t->nodes, next));
    }
    __builtin_prefetch(head_of(t, endpoint), 1);
}

uint32_t nodes_fetch(const tracker *t, const krpc_endpoint *endpoint, uint64_t hash)
{
    const nodes *n = &t->nodes;
    const uint32_t *set = set_of(n, (uint32_t)hash);
    uint32_t found = NONE;

    for (uint32_t left = candidates(set, (uint32_t)hash); left != 0; left &= left - 1) {
        uint32_t entry = set[lanes_first(left)];

        if (entry != 0) {
            found = (entry & NUMBER_BITS) - 1;
            fetch_record(node_at(n, found));
        }
    }
    if (found == NONE) {
        fetch_new(t, endpoint);
    }
    return found;
}

/* ---- all nodes of one address ---- */

void nodes_at_init(addr_walk *out, const tracker *t, const krpc_endpoint *addr)
{
    out->next = *head_of(t, addr);
    out->steps = out->others = 0;
}

uint32_t nodes_at_next(addr_walk *walk, const tracker *t, const krpc_endpoint *addr)
{
    while (walk->next != NONE && walk->steps < NODES_AT_ADDRESS && walk->others < NODES_BETWEEN) {
        uint32_t index = walk->next;
        const node *n = node_at(&t->nodes, index);

        walk->next = n->next;
        if (krpc_endpoint_same_addr(&n->endpoint, addr)) {
            walk->steps++;
            return index;
        }
        walk->others++;
    }
    return NONE;
}

/* ---- making ---- */

/* The place in the set for a new node: the first free one, else that of the least recently heard node, which is
 * dropped. */
static uint32_t *make_room(tracker *t, uint32_t *set, uint32_t *index_out)
{
    nodes *n = &t->nodes;
    uint32_t *oldest = NULL;
    uint32_t free = lanes_16x32(set, UINT32_MAX, 0);

    if (free != 0 && n->records.used < n->records.max) {
        *index_out = n->records.used;
        pool_grow(&n->records, *index_out);
        return &set[lanes_first(free)];
    }
    for (uint32_t i = 0; i < WAYS && set[i] != 0; i++) {
        if (oldest == NULL ||
            node_at(n, (set[i] & NUMBER_BITS) - 1)->last_ns < node_at(n, (*oldest & NUMBER_BITS) - 1)->last_ns) {
            oldest = &set[i];
        }
    }
    if (oldest == NULL) {
        return NULL;
    }
    *index_out = (*oldest & NUMBER_BITS) - 1;
    chain_remove(t, *index_out);
    t->stats.dropped_nodes++;
    return oldest;
}

/* All records are in use, and the set has no node to replace: drops a node of another set. */
static uint32_t take_any(tracker *t)
{
    nodes *n = &t->nodes;
    uint32_t index = (uint32_t)(t->stats.dropped_nodes++ % n->records.max);
    uint32_t hash = (uint32_t)hash_endpoint(&t->key, &node_at(n, index)->endpoint);
    uint32_t *set = set_of(n, hash);
    uint32_t entry = entry_of(hash, index);
    uint32_t last = 0;
    uint32_t place = WAYS;

    for (uint32_t i = 0; i < WAYS && set[i] != 0; i++) {
        last = i;
        place = set[i] == entry ? i : place;
    }
    if (place < WAYS) {
        set[place] = set[last];
        set[last] = 0;
    }
    chain_remove(t, index);
    return index;
}

void nodes_asked(tracker *t, uint64_t hash)
{
    bool made;
    uint32_t slot = ways_take(&t->nodes.asked, hash, tracker_second(t), &made);

    t->nodes.num_asked[slot] = made ? 1 : t->nodes.num_asked[slot] + 1;
}

/* The number of queries to a new node before its first message; its record counts the later ones. */
static uint32_t asked_before(tracker *t, uint64_t hash)
{
    uint32_t slot = ways_find(&t->nodes.asked, hash);
    uint32_t num = slot == NONE ? 0 : t->nodes.num_asked[slot];

    if (slot != NONE) {
        t->nodes.num_asked[slot] = 0;
    }
    return num;
}

static uint32_t make(tracker *t, const krpc_endpoint *endpoint, uint64_t hash, const tracker_packet *p)
{
    nodes *n = &t->nodes;
    uint32_t index = 0;
    uint32_t *place = make_room(t, set_of(n, (uint32_t)hash), &index);
    node *made;

    if (place == NULL) {
        index = take_any(t);
        place = set_of(n, (uint32_t)hash);
    }
    *place = entry_of((uint32_t)hash, index);
    made = node_at(n, index);
    memset(made, 0, sizeof *made);
    made->endpoint = *endpoint;
    made->history = NONE;
    made->first_ns = p->time_ns;
    made->last_ns = p->time_ns;
    made->first_frame = p->frame;
    made->flags = addr_is_private(endpoint) ? NODE_PRIVATE : 0;
    made->queries_received = asked_before(t, hash);
    chain_add(t, index);
    n->is_sorted = false;
    return index;
}

uint32_t nodes_touch(tracker *t, const tracker_packet *packet, uint64_t hash, uint32_t hint)
{
    uint32_t index = nodes_find_hashed(t, &packet->src, hash, hint);

    if (index == NONE) {
        index = make(t, &packet->src, hash, packet);
    }
    return index;
}

/* ---- results ---- */

static int compare_nodes(const void *a, const void *b, void *ctx)
{
    const nodes *n = ctx;

    return krpc_endpoint_compare(&node_at(n, *(const uint32_t *)a)->endpoint,
                                 &node_at(n, *(const uint32_t *)b)->endpoint);
}

uint32_t tracker_num_nodes(tracker *t)
{
    nodes *n = &t->nodes;

    if (!n->is_sorted) {
        g_free(n->sorted);
        n->num_sorted = n->records.used;
        n->sorted = g_new(uint32_t, MAX(n->num_sorted, 1));
        for (uint32_t i = 0; i < n->num_sorted; i++) {
            n->sorted[i] = i;
        }
        if (n->num_sorted > 1) {
            g_qsort_with_data(n->sorted, (gint)n->num_sorted, sizeof *n->sorted, compare_nodes, n);
        }
        n->is_sorted = true;
    }
    return n->num_sorted;
}

static void describe(const tracker *t, const node *n, tracker_node *out)
{
    krpc_endpoint outside;

    memset(out, 0, sizeof *out);
    out->endpoint = n->endpoint;
    node_ids(t, n, out);
    memcpy(out->version, n->version, sizeof out->version);
    out->version_len = n->version_len;
    out->read_only = (n->flags & NODE_READ_ONLY) != 0;
    out->bep42 = KRPC_NODE_ID_EXEMPT;
    if ((n->flags & NODE_HAS_ID) != 0 && nat_outside(t, n, &outside)) {
        out->bep42 = (uint8_t)krpc_node_id_check(n->id, &outside);
    }
    out->queries = n->queries;
    out->responses = n->responses;
    out->errors = n->errors;
    out->queries_received = n->queries_received;
    out->first_frame = n->first_frame;
    out->last_frame = n->last_frame;
    out->first_ns = n->first_ns;
    out->last_ns = n->last_ns;
    nat_describe(t, n, out);
}

bool tracker_node_get(tracker *t, uint32_t index, tracker_node *out)
{
    if (index >= tracker_num_nodes(t)) {
        return false;
    }
    describe(t, node_at(&t->nodes, t->nodes.sorted[index]), out);
    return true;
}

bool tracker_node_find(const tracker *t, const krpc_endpoint *endpoint, tracker_node *out)
{
    uint32_t index = nodes_find(t, endpoint);

    if (index == NONE) {
        return false;
    }
    describe(t, node_at(&t->nodes, index), out);
    return true;
}
