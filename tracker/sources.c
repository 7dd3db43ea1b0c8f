/* sources.c: from which port a node sends to whom.
 *
 * Behind a NAT that is another port for another receiver, or a forwarded one where the receiver asked first. What a node
 * says over a stream is held against the port of its own queries to that receiver; where it never asked him, against
 * that of its answers. Only nodes on several ports matter, and only where there are streams: the table comes into being
 * with the first of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_SOURCES 16384 /* a power of two */

void sources_clear(tracker *t)
{
    table_free(t->sources);
}

void sources_begin(tracker *t)
{
    t->sources = table_alloc(&t->stats.memory, NUM_SOURCES, sizeof *t->sources);
}

static uint64_t key_of(const tracker *t, const krpc_endpoint *sender, const uint8_t id[20], const krpc_endpoint *receiver)
{
    return hash_fold(group_key(t, id, sender) ^ t->key.k[0], hash_addr(&t->key, receiver) ^ t->key.k[3]);
}

static sent_from *place_of(const tracker *t, uint64_t key)
{
    return &t->sources[(uint32_t)(key >> 32) & (NUM_SOURCES - 1)];
}

void sources_note(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data)
{
    uint64_t key = key_of(t, &p->src, krpc_message_id(m, data), &p->dst);
    bool asks = m->type == KRPC_QUERY;
    sent_from *s = place_of(t, key);

    if (s->key != key) {
        memset(s, 0, sizeof *s);
        s->key = key;
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
    const sent_from *s = t->sources == NULL ? NULL : place_of(t, key);

    return s != NULL && s->key == key ? s : NULL;
}
