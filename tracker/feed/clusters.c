/* clusters.c: ids that are too near to each other to be random, and ports that use many ids.
 *
 * In a network of eight million nodes the nearest two ids share about 45 bits. Eight that share 28 bits are chosen on
 * purpose: their owner wants to be asked about the targets there. Each new id is checked once.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_CLUSTERS 4096
#define ENOUGH_IDS   8
#define MAX_NETWORKS 2
#define MANY_IDS     8

/* cluster holds the ids that start with the same 28 bits. */
typedef struct cluster {
    uint32_t ids[ENOUGH_IDS]; /* hashes */
    uint32_t networks[MAX_NETWORKS + 1];
    uint8_t num_ids;
    uint8_t num_networks;
} cluster;

void clusters_init(tracker *t)
{
    ways_init(&t->clusters.ways, NUM_CLUSTERS, &t->stats.memory);
    t->clusters.records =
        table_alloc(&t->stats.memory, (size_t)t->clusters.ways.num_sets * 8, sizeof *t->clusters.records);
}

void clusters_clear(tracker *t)
{
    ways_clear(&t->clusters.ways);
    table_free(t->clusters.records);
}

/* Adds a value; true when it is new and there is room for it. */
static bool add(uint32_t *kept, uint8_t *num, unsigned max, uint32_t value)
{
    for (unsigned i = 0; i < *num; i++) {
        if (kept[i] == value) {
            return false;
        }
    }
    if (*num == max) {
        return false;
    }
    kept[(*num)++] = value;
    return true;
}

static uint32_t network_of(const tracker *t, const krpc_endpoint *e)
{
    return (uint32_t)hash_bytes(&t->key, e->addr, e->addr_len == 4 ? 3 : 6, 8);
}

static cluster *cluster_of(tracker *t, const uint8_t id[20])
{
    uint8_t begin[4] = {id[0], id[1], id[2], id[3] & 0xf0};
    ways *w = &t->clusters.ways;
    uint64_t key = hash_bytes(&t->key, begin, sizeof begin, 9);
    uint32_t slot = ways_find(w, key);

    if (slot == NONE) {
        slot = ways_insert(w, key, tracker_second(t));
        memset(&t->clusters.records[slot], 0, sizeof t->clusters.records[slot]);
    }
    w->sets[slot / 8].time[slot % 8] = tracker_second(t);
    return &t->clusters.records[slot];
}

void clusters_take(tracker *t, node *n, uint32_t off, const krpc_sink *sink)
{
    cluster *c = cluster_of(t, n->id);
    uint32_t id = (uint32_t)hash_bytes(&t->key, n->id, sizeof n->id, 10);

    add(c->networks, &c->num_networks, MAX_NETWORKS + 1, network_of(t, &n->endpoint));
    if (add(c->ids, &c->num_ids, ENOUGH_IDS, id) && c->num_ids == ENOUGH_IDS && c->num_networks <= MAX_NETWORKS) {
        krpc_emit(sink, KRPC_RULE_ID_CLUSTER, off, sizeof n->id, c->num_ids, c->num_networks);
    }
    /* eight in a quarter of an hour, or as many in proportion */
    if (n->num_ids >= MANY_IDS && (n->flags & NODE_SWARM_REPORTED) == 0 &&
        t->now_ns - n->first_ns <= n->num_ids * (WINDOW_NS / MANY_IDS)) {
        n->flags |= NODE_SWARM_REPORTED;
        krpc_emit(sink, KRPC_RULE_ID_MANY_ON_PORT, off, sizeof n->id, n->num_ids, 0);
    }
}
