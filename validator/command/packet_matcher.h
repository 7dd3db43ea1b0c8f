/* packet_matcher.h: finds the same packet on the two sides of a NAT.
 *
 * Two packets are one if they have the same payload, for TCP the same sequence number, and the same remote endpoint
 * (the destination of outgoing packets, the source of incoming ones), at the same time. The difference of the clocks is
 * estimated. All packets are stored; the pairs are found at the end. Where several hosts sent or received the same
 * bytes at one time, only flows that other packets connect make pairs. Payloads below 40 bytes are not distinctive
 * enough and are skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PAIRING_H
#define VALIDATOR_PAIRING_H

#include "input/run.h"

#define PACKET_MATCHER_MIN_LEN 40
#define PACKET_MATCHER_MAX     4194304u /* stored packets */

/* packet_matcher_packet is what the matcher stores of a packet. */
typedef struct packet_matcher_packet {
    tracker_packet where;
    uint64_t hash;
    uint8_t protocol;
    bool is_outside;
    bool goes_out;
    uint32_t other; /* its pair: index + 1; 0 if it has none */
} packet_matcher_packet;

typedef struct packet_pair {
    const packet_matcher_packet *inside;
    const packet_matcher_packet *outside;
    bool goes_out;
} packet_pair;

typedef struct packet_matcher packet_matcher;

/* packet_matcher_visitor is called for each pair, and then for each packet that found no pair. */
typedef struct packet_matcher_visitor {
    void (*found)(void *ctx, const packet_pair *found);
    void (*alone)(void *ctx, const packet_matcher_packet *packet);
    void *ctx;
} packet_matcher_visitor;

packet_matcher *packet_matcher_new(const packet_matcher_visitor *visitor);
void packet_matcher_add(packet_matcher *with, const run_packet *packet, bool is_outside);
/* packet_matcher_finish finds and reports the pairs, in the order of the inside packets. */
void packet_matcher_finish(packet_matcher *with);
void packet_matcher_free(packet_matcher *with);
uint64_t packet_matcher_too_short(const packet_matcher *with);
/* packet_matcher_num_dropped is how many packets came after the first PACKET_MATCHER_MAX. */
uint64_t packet_matcher_num_dropped(const packet_matcher *with);

#endif
