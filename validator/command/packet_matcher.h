/* packet_matcher.h: finds the same packet on the two sides of a NAT.
 *
 * Two packets are one if they have the same payload, the same untranslated endpoint (the destination of outgoing
 * packets, the source of incoming ones), and are at most two seconds apart. Payloads below 40 bytes are not distinctive
 * enough and are skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PAIRING_H
#define VALIDATOR_PAIRING_H

#include "input/run.h"

#define PACKET_MATCHER_MIN_LEN   40
#define PACKET_MATCHER_WINDOW_NS INT64_C(2000000000)

/* packet_matcher_packet is what the matcher stores of a packet until the other side's packet comes. */
typedef struct packet_matcher_packet {
    tracker_packet where;
    uint64_t hash;
    uint32_t len;
    uint8_t protocol;
    bool is_outside;
    bool used;
} packet_matcher_packet;

typedef struct packet_pair {
    const packet_matcher_packet *inside;
    const packet_matcher_packet *outside;
    bool goes_out;
} packet_pair;

typedef struct packet_matcher packet_matcher;

/* packet_matcher_visitor is called for each pair, and for each packet that found no pair. is_likely resolves the case
 * that the same bytes came more than once: are these two endpoints known to be one? */
typedef struct packet_matcher_visitor {
    void (*found)(void *ctx, const packet_pair *found);
    void (*alone)(void *ctx, const packet_matcher_packet *packet);
    bool (*is_likely)(void *ctx, const packet_pair *candidate);
    void *ctx;
} packet_matcher_visitor;

packet_matcher *packet_matcher_new(const packet_matcher_visitor *visitor);
void packet_matcher_add(packet_matcher *with, const run_packet *packet, bool is_outside);
/* packet_matcher_finish reports the packets that still wait as unpaired. */
void packet_matcher_finish(packet_matcher *with);
void packet_matcher_free(packet_matcher *with);
uint64_t packet_matcher_too_short(const packet_matcher *with);

#endif
