/* sources.c: the source port of a node towards each receiver.
 *
 * Outside a NAT that may be another port for each receiver, or a forwarded port where the receiver has sent the first
 * packet. A port that a node advertises over a stream is compared with the source port of its queries to that receiver,
 * or of its responses where it has sent no query. Only nodes on several ports matter, and only if there are streams:
 * the table is allocated with the first stream.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_SOURCES 16384

void sources_clear(tracker *t)
{
    if (t->sources.records != NULL) {
        ways_clear(&t->sources.ways);
        table_free(t->sources.records);
    }
}

void sources_begin(tracker *t)
{
    sources *s = &t->sources;

    ways_init(&s->ways, NUM_SOURCES, &t->stats.memory);
    s->records = table_alloc(&t->stats.memory, (size_t)s->ways.num_sets * 8, sizeof *s->records);
}

static uint64_t key_of(const tracker *t, const krpc_endpoint *sender, const uint8_t id[20],
                       const krpc_endpoint *receiver)
{
    return hash_fold(group_key(t, id, sender) ^ t->key.k[0], hash_addr(&t->key, receiver) ^ t->key.k[3]);
}

void sources_note(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data)
{
    uint64_t key = key_of(t, &p->src, krpc_message_id(m, data), &p->dst);
    bool asks = m->type == KRPC_QUERY;
    bool made;
    sent_from *s = &t->sources.records[ways_take(&t->sources.ways, key, tracker_second(t), &made)];

    if (made) {
        memset(s, 0, sizeof *s);
    }
    if (asks || s->asks == 0) {
        s->port = p->src.port;
        s->frame = p->frame;
        s->asks = asks;
    }
    if (krpc_has(m, KRPC_V) && m->value[KRPC_V].len >= sizeof s->family) {
        memcpy(s->family, data + m->value[KRPC_V].off, sizeof s->family);
    }
}

const sent_from *sources_find(const tracker *t, const krpc_endpoint *sender, const uint8_t id[20],
                              const krpc_endpoint *receiver)
{
    uint64_t key = key_of(t, sender, id, receiver);
    uint32_t slot = t->sources.records == NULL ? NONE : ways_find(&t->sources.ways, key);

    return slot == NONE ? NULL : &t->sources.records[slot];
}
