/* pairing.h: the same packet on the two sides of a NAT.
 *
 * Two packets are one when their payload is the same, the endpoint that is not translated is the same (the destination of
 * what goes out, the source of what comes in), and they are at most two seconds apart. Payloads below 40 bytes are too
 * alike to be told apart and are left out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PAIRING_H
#define VALIDATOR_PAIRING_H

#include "input/run.h"

#define PAIRING_MIN_LEN   40
#define PAIRING_WINDOW_NS INT64_C(2000000000)

/* pairing_packet is what is kept of a packet until its other half comes. */
typedef struct pairing_packet {
    tracker_packet where;
    uint64_t hash;
    uint32_t len;
    uint8_t protocol;
    bool is_outside;
    bool used;
} pairing_packet;

typedef struct pair {
    const pairing_packet *inside;
    const pairing_packet *outside;
    bool goes_out;
} pair;

typedef struct pairing pairing;

/* pairing_visitor is told of each pair, and of each packet whose other half did not come. is_likely decides where the same
 * bytes came more than once: is it known that these two endpoints are one? */
typedef struct pairing_visitor {
    void (*found)(void *ctx, const pair *found);
    void (*alone)(void *ctx, const pairing_packet *packet);
    bool (*is_likely)(void *ctx, const pair *candidate);
    void *ctx;
} pairing_visitor;

pairing *pairing_new(const pairing_visitor *visitor);
void pairing_add(pairing *with, const run_packet *packet, bool is_outside);
/* pairing_finish gives up what still waits. */
void pairing_finish(pairing *with);
void pairing_free(pairing *with);
uint64_t pairing_too_short(const pairing *with);

#endif
