/* tokens.c: write tokens that a NAT breaks.
 *
 * uTorrent, jech/dht, aria2 and mlDHT bind a token to the source port of get_peers. When the mapping changes before
 * announce_peer, they refuse the token with error 203 or do not respond.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_TOKENS    16384
#define TOKEN_SECONDS 300 /* an older token may be refused for its age */

void tokens_init(tracker *t)
{
    ways_init(&t->tokens.ways, NUM_TOKENS, &t->stats.memory);
    t->tokens.records = table_alloc(&t->stats.memory, (size_t)t->tokens.ways.num_sets * 8, sizeof *t->tokens.records);
}

void tokens_clear(tracker *t)
{
    ways_clear(&t->tokens.ways);
    table_free(t->tokens.records);
}

uint32_t token_hash(const tracker *t, const krpc_message *m, const uint8_t *data, krpc_field field)
{
    return (uint32_t)hash_bytes(&t->key, data + m->value[field].off, m->value[field].len, 4) | 1;
}

static uint64_t key_of(const tracker *t, uint32_t hash, const krpc_endpoint *responder, const krpc_endpoint *querier)
{
    return hash_words(&t->key, hash_addr(&t->key, responder), hash_addr(&t->key, querier), hash);
}

uint64_t tokens_key(const tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data)
{
    return key_of(t, token_hash(t, m, data, KRPC_R_TOKEN), &p->src, &p->dst);
}

void tokens_fetch(const tracker *t, uint64_t key)
{
    ways_fetch(&t->tokens.ways, key, t->tokens.records, sizeof *t->tokens.records);
}

void tokens_given(tracker *t, uint64_t key, uint32_t frame, uint16_t port)
{
    tokens *k = &t->tokens;
    uint32_t slot = ways_find(&k->ways, key);

    if (slot == NONE) {
        slot = ways_insert(&k->ways, key, tracker_second(t));
    } else if (k->records[slot].port != port) {
        port = 0; /* the same token for two ports: this responder does not bind it to the port */
    }
    k->ways.sets[slot / 8].time[slot % 8] = tracker_second(t);
    k->records[slot].port = port;
    k->records[slot].frame = frame;
}

void tokens_refused(tracker *t, const tracker_packet *p, const transaction *query, uint16_t port, const krpc_sink *sink)
{
    const tokens *k = &t->tokens;
    uint32_t slot;

    if (query->token == 0 || port == 0) {
        return;
    }
    slot = ways_find(&k->ways, key_of(t, query->token, &p->src, &p->dst));
    if (slot != NONE && k->records[slot].port != 0 && k->records[slot].port != port &&
        tracker_second(t) - k->ways.sets[slot / 8].time[slot % 8] <= TOKEN_SECONDS) {
        krpc_emit(sink, KRPC_RULE_NAT_TOKEN, 0, 0, k->records[slot].port, port);
    }
}
