/* lives.c: UDP ports that are in use, for any protocol.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_LIVES 32768

void lives_init(tracker *t)
{
    ways_init(&t->lives.ways, NUM_LIVES, &t->stats.memory);
    t->lives.frames = table_alloc(&t->stats.memory, (size_t)t->lives.ways.num_sets * 8, sizeof *t->lives.frames);
}

void lives_clear(tracker *t)
{
    ways_clear(&t->lives.ways);
    table_free(t->lives.frames);
}

void lives_fetch(const tracker *t, const krpc_endpoint *endpoint)
{
    ways_fetch(&t->lives.ways, hash_endpoint(&t->key, endpoint), t->lives.frames, sizeof *t->lives.frames);
}

void lives_note(tracker *t, const krpc_endpoint *endpoint, uint32_t frame)
{
    uint64_t key = hash_endpoint(&t->key, endpoint);
    uint32_t slot = ways_find(&t->lives.ways, key);

    if (slot == NONE) {
        slot = ways_insert(&t->lives.ways, key, tracker_second(t));
        t->lives.frames[slot] = frame;
    }
    t->lives.ways.sets[slot / 8].time[slot % 8] = tracker_second(t);
}

uint32_t lives_frame(const tracker *t, const krpc_endpoint *endpoint)
{
    uint32_t slot = ways_find(&t->lives.ways, hash_endpoint(&t->key, endpoint));

    return slot == NONE ? 0 : t->lives.frames[slot];
}
