/* values.c: checks the nodes and peers in responses, and finds announced ports in them.
 *
 * rTorrent up to 0.16 stores the ports of announces in host order, and returns them byte-swapped. That is reported only
 * for a port that this address announced for this torrent.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_ANNOUNCED 16384
#define FILTER_BITS   (UINT32_C(1) << 18)

void values_init(tracker *t)
{
    announcements *a = &t->announcements;

    ways_init(&a->ways, NUM_ANNOUNCED, &t->stats.memory);
    a->records = table_alloc(&t->stats.memory, (size_t)a->ways.num_sets * 8, sizeof *a->records);
    for (unsigned i = 0; i < NUM_GENERATIONS; i++) {
        a->filters[i] = table_alloc(&t->stats.memory, FILTER_BITS / 64, sizeof *a->filters[i]);
    }
}

void values_clear(tracker *t)
{
    ways_clear(&t->announcements.ways);
    table_free(t->announcements.records);
    for (unsigned i = 0; i < NUM_GENERATIONS; i++) {
        table_free(t->announcements.filters[i]);
    }
}

/* ---- what was announced ---- */

/* Only announces to this responder count: it returns the port that it was told, or swaps its bytes. */
static uint64_t key_of(const tracker *t, const krpc_endpoint *peer, uint64_t told)
{
    return hash_fold(hash_endpoint(&t->key, peer) ^ t->key.k[1], told ^ t->key.k[2]);
}

/* A hash of the node that received an announce, and of the torrent. */
static uint64_t told_of(const tracker *t, const krpc_endpoint *responder, const uint8_t info_hash[20])
{
    uint64_t first;

    memcpy(&first, info_hash, sizeof first);
    return hash_fold(hash_addr(&t->key, responder) ^ t->key.k[3], first ^ t->key.k[0]);
}

/* The source port of an announce is stored in addition to the announced one, with a different key. */
static uint64_t source_of(uint64_t told)
{
    return ~told;
}

static uint16_t swapped(uint16_t port)
{
    return (uint16_t)(port << 8 | port >> 8);
}

/* The same hash for a port and for its swapped form: one lookup in a filter is enough for nearly every peer. */
static uint64_t either_way(const tracker *t, const krpc_endpoint *peer)
{
    krpc_endpoint either = *peer;

    either.port = MIN(peer->port, swapped(peer->port));
    return hash_endpoint(&t->key, &either);
}

static void filter_add(tracker *t, uint64_t hash)
{
    announcements *a = &t->announcements;
    uint32_t bit = (uint32_t)hash & (FILTER_BITS - 1);

    if (a->num_filtered++ == NUM_ANNOUNCED) {
        uint64_t *old = a->filters[1];

        a->filters[1] = a->filters[0];
        a->filters[0] = old;
        memset(old, 0, FILTER_BITS / 8);
        a->num_filtered = 1;
    }
    a->filters[0][bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool filter_has(const tracker *t, uint64_t hash)
{
    const announcements *a = &t->announcements;
    uint32_t bit = (uint32_t)hash & (FILTER_BITS - 1);

    return ((a->filters[0][bit / 64] | a->filters[1][bit / 64]) >> bit % 64 & 1) != 0;
}

static void remember(tracker *t, const krpc_endpoint *peer, uint64_t told, const tracker_advert *said, uint64_t serial)
{
    announcements *a = &t->announcements;
    uint64_t key = key_of(t, peer, told);
    uint32_t slot = ways_find(&a->ways, key);

    filter_add(t, either_way(t, peer));
    if (slot == NONE) {
        slot = ways_insert(&a->ways, key, tracker_second(t));
    }
    a->ways.sets[slot / 8].time[slot % 8] = tracker_second(t);
    a->records[slot].frame = said->frame;
    a->records[slot].serial = (uint32_t)serial;
}

void values_announced(tracker *t, const tracker_advert *said, uint64_t serial)
{
    krpc_endpoint peer = said->sender;
    uint64_t told = told_of(t, &said->receiver, said->info_hash);
    uint32_t index;
    krpc_endpoint outside;

    if (said->advertised_port < 1 || said->advertised_port > 65535) {
        return;
    }
    if (said->advertised_port != said->sender.port && !addr_is_private(&peer)) {
        remember(t, &peer, source_of(told), said, serial);
    }
    filter_add(t, told);
    peer.port = (uint16_t)said->advertised_port;
    remember(t, &peer, told, said, serial);
    index = nodes_find(t, &said->sender);
    if (index != NONE && nat_outside(t, node_at(&t->nodes, index), &outside) &&
        !krpc_endpoint_same_addr(&outside, &peer)) {
        outside.port = peer.port;
        remember(t, &outside, told, said, serial);
    }
}

static const announced *recall(const tracker *t, const krpc_endpoint *peer, uint64_t told)
{
    uint32_t slot = ways_find(&t->announcements.ways, key_of(t, peer, told));

    return slot == NONE ? NULL : &t->announcements.records[slot];
}

/* ---- what comes back ---- */

typedef struct checker {
    tracker *t;
    const tracker_packet *p;
    const krpc_sink *sink;
    uint64_t told; /* hash of responder and torrent; 0: unknown, or no announce to this responder was captured */
    bool said_bogus;
    bool said_zero;
    bool said_family;
} checker;

static void check_entry(checker *c, const krpc_compact *entry, krpc_field field)
{
    const krpc_endpoint *e = &entry->endpoint;

    if (e->addr_len == 0) {
        return;
    }
    if (e->port <= 1 && !c->said_zero) {
        c->said_zero = true;
        krpc_emit_at(c->sink, KRPC_RULE_PORT_ZERO_ENTRY, field, entry->off, entry->len, e->port, 0);
    }
    if (!c->said_bogus && addr_may_be_special(e->addr, e->addr_len) && krpc_endpoint_scope(e) != KRPC_ADDR_GLOBAL) {
        c->said_bogus = true;
        krpc_emit_at(c->sink, KRPC_RULE_PORT_BOGUS_ADDRESS, field, entry->off, entry->len, 0, 0);
    }
}

static void check_announced(checker *c, const krpc_endpoint *e, uint32_t off, uint32_t len)
{
    krpc_endpoint turned = *e;
    const announced *a;

    if (!filter_has(c->t, either_way(c->t, e))) {
        return;
    }
    a = recall(c->t, e, c->told);
    if (a != NULL) {
        adverts_returned(c->t, c->p, a->serial, a->frame, RETURNED_AS_SAID);
        return;
    }
    a = recall(c->t, e, source_of(c->told));
    if (a != NULL) {
        adverts_returned(c->t, c->p, a->serial, a->frame, RETURNED_SOURCE);
        return;
    }
    turned.port = swapped(e->port);
    a = turned.port == e->port ? NULL : recall(c->t, &turned, c->told);
    if (a != NULL) {
        adverts_returned(c->t, c->p, a->serial, a->frame, RETURNED_SWAPPED);
        krpc_emit_at(c->sink, KRPC_RULE_PORT_SWAPPED, KRPC_R_VALUES, off, len, e->port, turned.port);
    }
}

static void check_nodes(checker *c, const krpc_message *m, const uint8_t *data, krpc_field field)
{
    krpc_compact_iter it;
    krpc_compact entry;

    krpc_nodes_init(&it, m, data, field);
    while (krpc_nodes_next(&it, &entry)) {
        entry.off += 20; /* findings mark the endpoint */
        entry.len -= 20;
        check_entry(c, &entry, field);
    }
}

static void check_values(checker *c, const krpc_message *m, const uint8_t *data)
{
    krpc_compact_iter it;
    krpc_compact entry;

    krpc_peers_init(&it, m, data);
    while (krpc_peers_next(&it, &entry)) {
        check_entry(c, &entry, KRPC_R_VALUES);
        if (!c->said_family && entry.endpoint.addr_len != 0 && entry.endpoint.addr_len != c->p->src.addr_len) {
            c->said_family = true;
            krpc_emit_at(c->sink, KRPC_RULE_KRPC_VALUES_FAMILY, KRPC_R_VALUES, entry.off, entry.len, entry.len,
                         c->p->src.addr_len);
        }
        if (c->told != 0 && entry.endpoint.addr_len != 0) {
            check_announced(c, &entry.endpoint, entry.off, entry.len);
        }
    }
}

void values_check(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                  const tracker_result *result, const krpc_sink *sink)
{
    checker c = {.t = t, .p = p, .sink = sink};

    if (result->has_target && result->method == KRPC_METHOD_GET_PEERS && krpc_has(m, KRPC_R_VALUES)) {
        uint64_t told = told_of(t, &p->src, result->target);

        c.told = filter_has(t, told) ? told : 0;
    }

    check_nodes(&c, m, data, KRPC_R_NODES);
    check_nodes(&c, m, data, KRPC_R_NODES6);
    check_values(&c, m, data);
}
