/* flows.c: pairs of a local endpoint, which may be inside a NAT, and a remote one.
 *
 * Only endpoints whose address is not global, and those that others see at another endpoint, have flows. The tables are
 * allocated with the first flow.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_FLOWS     16384
#define NUM_VOTES     32768
#define NUM_PAYLOADS  2048 /* both powers of two */
#define PAYLOAD_GROUP 4

/* In practice a NAT keeps a UDP mapping for at least 30 s (RFC 4787 requires 120). A packet from a remote after a
 * longer silence may have come through a forwarded port; then the remote sees that port and no mapping. Where strangers
 * get through there is such a port, and a shorter silence is enough to doubt what the remote sees. A packet that the
 * local side sends after FLOW_OVER_NS makes a new mapping in any case. */
#define FLOW_QUIET_NS (25 * SECOND)
#define FLOW_DOUBT_NS (4 * SECOND)
#define FLOW_OVER_NS  (300 * SECOND)

static void make_tables(tracker *t)
{
    flows *f = &t->flows;

    ways_init(&f->ways, NUM_FLOWS, &t->stats.memory);
    f->records = table_alloc(&t->stats.memory, (size_t)f->ways.num_sets * 8, sizeof *f->records);
    ways_init(&f->votes, NUM_VOTES, &t->stats.memory);
}

void flows_clear(tracker *t)
{
    flows *f = &t->flows;

    if (f->records != NULL) {
        ways_clear(&f->ways);
        ways_clear(&f->votes);
        table_free(f->records);
    }
    table_free(f->seen);
}

static uint64_t flow_key(const tracker *t, uint64_t local, const krpc_endpoint *remote)
{
    return hash_fold(local ^ t->key.k[3], hash_endpoint(&t->key, remote) ^ t->key.k[0]);
}

const flow *flow_find(const tracker *t, uint64_t local, const krpc_endpoint *remote)
{
    const flows *f = &t->flows;
    uint64_t key = flow_key(t, local, remote);
    uint32_t slot = f->records == NULL ? NONE : ways_find(&f->ways, key);

    return slot != NONE && f->records[slot].key == key ? &f->records[slot] : NULL;
}

flow *flow_get(tracker *t, uint64_t local, const krpc_endpoint *remote)
{
    flows *f = &t->flows;
    uint64_t key = flow_key(t, local, remote);
    uint32_t slot;

    if (f->records == NULL) {
        make_tables(t);
    }
    slot = ways_find(&f->ways, key);
    if (slot != NONE && f->records[slot].key == key) {
        return &f->records[slot];
    }
    if (slot == NONE) {
        slot = ways_insert(&f->ways, key, tracker_second(t));
    }
    memset(&f->records[slot], 0, sizeof f->records[slot]);
    f->records[slot].key = key;
    f->records[slot].last_ns = INT64_MIN;
    return &f->records[slot];
}

void flow_touch(tracker *t, const krpc_endpoint *local, const krpc_endpoint *remote, flow_way way, int64_t now)
{
    flow *f = flow_get(t, hash_endpoint(&t->key, local), remote);
    uint32_t slot = (uint32_t)(f - t->flows.records);
    int64_t quiet = f->last_ns == INT64_MIN ? INT64_MAX : now - f->last_ns;

    if (way != FLOW_OUT && quiet > FLOW_QUIET_NS) {
        f->inbound = FLOW_CAME_IN;
    } else if (way == FLOW_IN_OPEN && quiet > FLOW_DOUBT_NS && f->inbound == 0) {
        f->inbound = FLOW_DOUBTFUL;
    } else if (way == FLOW_OUT && quiet > FLOW_OVER_NS) {
        f->inbound = 0;
    }
    f->last_ns = MAX(f->last_ns, now);
    t->flows.ways.sets[slot / 8].time[slot % 8] = tracker_second(t);
}

static uint64_t vote_key(const tracker *t, uint64_t local, uint32_t remote, uint32_t value)
{
    return hash_words(&t->key, local, (uint64_t)remote << 32 | value, 5);
}

bool vote_known(const tracker *t, uint64_t local, uint32_t remote, uint32_t value)
{
    return t->flows.records != NULL && ways_find(&t->flows.votes, vote_key(t, local, remote, value)) != NONE;
}

static void note_crowd(tracker *t, uint64_t key)
{
    flows *f = &t->flows;
    const way_set *s = &f->votes.sets[ways_set(&f->votes, key)];
    uint32_t now = tracker_second(t);
    uint32_t oldest = now;

    for (uint32_t i = 0; i < 8; i++) { /* that of a free place is 0 */
        oldest = MIN(oldest, s->time[i]);
    }
    if (oldest != 0 && now - oldest < VOTES_KEPT) {
        f->crowded = now;
    }
}

bool votes_are_complete(const tracker *t)
{
    return t->flows.crowded == 0 || tracker_second(t) - t->flows.crowded >= VOTES_KEPT;
}

bool vote_new(tracker *t, uint64_t local, uint32_t remote, uint32_t value)
{
    flows *f = &t->flows;
    uint64_t key = vote_key(t, local, remote, value);
    uint32_t slot;

    if (f->records == NULL) {
        make_tables(t);
    }
    slot = ways_find(&f->votes, key);
    if (slot != NONE) {
        f->votes.sets[slot / 8].time[slot % 8] = tracker_second(t);
        return false;
    }
    note_crowd(t, key);
    ways_insert(&f->votes, key, tracker_second(t));
    return true;
}

/* ---- the same bytes on both sides ---- */

uint64_t payload_key(const tracker *t, const krpc_message *m, const uint8_t *data, uint64_t dst_hash)
{
    return hash_bytes(&t->key, data, m->len, dst_hash);
}

/* The places for a key: a few, so that two pairs of captured packets seldom need the same one. */
static payload_seen *payload_group(const tracker *t, uint64_t key)
{
    return &t->flows.seen[(uint32_t)(key >> 32) & (NUM_PAYLOADS - PAYLOAD_GROUP)];
}

void payload_fetch(const tracker *t, uint64_t key)
{
    if (t->flows.seen != NULL) {
        const payload_seen *group = payload_group(t, key);

        __builtin_prefetch(&group[0], 1);
        __builtin_prefetch(&group[PAYLOAD_GROUP / 2], 1);
    }
}

payload_seen *payload_seen_at(tracker *t, uint64_t key)
{
    payload_seen *group, *best;

    if (t->flows.seen == NULL) {
        t->flows.seen = table_alloc(&t->stats.memory, NUM_PAYLOADS, sizeof *t->flows.seen);
    }
    group = best = payload_group(t, key);
    for (unsigned i = 0; i < PAYLOAD_GROUP; i++) {
        if (group[i].key == key) {
            return &group[i];
        }
        if (best->frame != 0 && (group[i].frame == 0 || group[i].ns < best->ns)) {
            best = &group[i];
        }
    }
    return best;
}
