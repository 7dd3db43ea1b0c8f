/* packet_matcher.c: see packet_matcher.h. Waiting packets are in a ring in order of time, and in the chains of a hash
 * table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "command/packet_matcher.h"

#include <glib.h>

#define RING_SIZE 65536u /* packets in two seconds; a power of two */
#define NONE      UINT32_MAX

typedef struct waiting {
    packet_matcher_packet packet;
    uint32_t next; /* next older packet of the same chain */
} waiting;

struct packet_matcher {
    packet_matcher_visitor visitor;
    waiting *ring;
    uint32_t *chains;
    uint32_t first; /* number of the oldest packet; its low bits are the index in the ring */
    uint32_t end;
    uint64_t too_short;
};

packet_matcher *packet_matcher_new(const packet_matcher_visitor *visitor)
{
    packet_matcher *with = g_new0(packet_matcher, 1);

    with->visitor = *visitor;
    with->ring = g_new0(waiting, RING_SIZE);
    with->chains = g_new(uint32_t, RING_SIZE);
    for (uint32_t i = 0; i < RING_SIZE; i++) {
        with->chains[i] = NONE;
    }
    return with;
}

void packet_matcher_free(packet_matcher *with)
{
    if (with == NULL) {
        return;
    }
    g_free(with->ring);
    g_free(with->chains);
    g_free(with);
}

uint64_t packet_matcher_too_short(const packet_matcher *with)
{
    return with->too_short;
}

static uint64_t hash_of(const uint8_t *bytes, uint32_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ len;

    for (uint32_t i = 0; i < len; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static uint32_t *chain_of(const packet_matcher *with, uint64_t hash)
{
    return &with->chains[(hash ^ hash >> 32) % RING_SIZE];
}

/* Removes the oldest packet, which is the last one of its chain. */
static void drop_first(packet_matcher *with)
{
    waiting *oldest = &with->ring[with->first % RING_SIZE];
    uint32_t *link = chain_of(with, oldest->packet.hash);

    while (*link != with->first) {
        link = &with->ring[*link % RING_SIZE].next;
    }
    *link = NONE;
    if (!oldest->packet.used) {
        with->visitor.alone(with->visitor.ctx, &oldest->packet);
    }
    with->first++;
}

static bool fits(packet_pair *out, const packet_matcher_packet *a, const packet_matcher_packet *b)
{
    if (a->hash != b->hash || a->len != b->len || a->protocol != b->protocol || a->is_outside == b->is_outside ||
        b->used) {
        return false;
    }
    out->inside = a->is_outside ? b : a;
    out->outside = a->is_outside ? a : b;
    out->goes_out = krpc_endpoint_equal(&a->where.dst, &b->where.dst);
    return out->goes_out || krpc_endpoint_equal(&a->where.src, &b->where.src);
}

void packet_matcher_add(packet_matcher *with, const run_packet *packet, bool is_outside)
{
    packet_matcher_packet own = {
        .where = packet->where, .len = packet->wire_len, .protocol = packet->protocol, .is_outside = is_outside};
    waiting *best = NULL;
    bool best_is_likely = false;
    packet_pair found;

    if (packet->len < PACKET_MATCHER_MIN_LEN) {
        with->too_short++;
        return;
    }
    own.hash = hash_of(packet->data, packet->len);
    while (with->first != with->end &&
           own.where.time_ns - with->ring[with->first % RING_SIZE].packet.where.time_ns > PACKET_MATCHER_WINDOW_NS) {
        drop_first(with);
    }
    /* The same payload may have been sent to two hosts, or twice: prefer endpoints that are known to be one, then the
     * oldest. */
    for (uint32_t i = *chain_of(with, own.hash); i != NONE; i = with->ring[i % RING_SIZE].next) {
        waiting *candidate = &with->ring[i % RING_SIZE];
        if (!fits(&found, &own, &candidate->packet)) {
            continue;
        }
        bool is_likely = with->visitor.is_likely(with->visitor.ctx, &found);
        if (best == NULL || is_likely || !best_is_likely) {
            best = candidate;
            best_is_likely = is_likely;
        }
    }
    if (best != NULL) {
        fits(&found, &own, &best->packet);
        best->packet.used = true;
        with->visitor.found(with->visitor.ctx, &found);
        return;
    }
    if (with->end - with->first == RING_SIZE) {
        drop_first(with);
    }
    uint32_t *chain = chain_of(with, own.hash);
    with->ring[with->end % RING_SIZE] = (waiting){own, *chain};
    *chain = with->end++;
}

void packet_matcher_finish(packet_matcher *with)
{
    while (with->first != with->end) {
        drop_first(with);
    }
}
