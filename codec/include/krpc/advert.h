/* krpc/advert.h: every statement that a message makes about a port.
 *
 * The meaning of a port is its position. Top-level p: mine. contact's a.port: mine. announce_peer's a.port: mine, but
 * the peer service and not the DHT. implied_port: take what you see. r.p and top-level ip: yours, as I see you. punch's
 * a.ip, nodes and values: a third party's.
 *
 *     krpc_advert_iter it;
 *     krpc_advert a;
 *     krpc_advert_init(&it, &m, data);
 *     while (krpc_advert_next(&it, &a))
 *         ...
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_ADVERT_H
#define KRPC_ADVERT_H

#include <krpc/compact.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whose port a statement is about. */
typedef enum krpc_whose { KRPC_WHOSE_SENDER, KRPC_WHOSE_RECEIVER, KRPC_WHOSE_THIRD } krpc_whose;

typedef enum krpc_service { KRPC_SERVICE_DHT, KRPC_SERVICE_PEER } krpc_service;

/* What a statement rests on: what a node says of itself or was told of others, what it saw, or "take what you see". */
typedef enum krpc_basis { KRPC_BASIS_CLAIMED, KRPC_BASIS_OBSERVED, KRPC_BASIS_DEFERRED } krpc_basis;

typedef enum krpc_channel {
#define CHANNEL(SYMBOL, NAME, WHOSE, SERVICE, BASIS, SPEC, MEANING) KRPC_CHANNEL_##SYMBOL,
#include <krpc/channels.def>
    KRPC_NUM_CHANNELS
} krpc_channel;

typedef struct krpc_channel_info {
    const char *name;
    const char *spec;
    const char *meaning;
    krpc_whose whose;
    krpc_service service;
    krpc_basis basis;
} krpc_channel_info;

/* krpc_channel_get returns the line of channels.def; NULL for anything else than a channel. */
KRPC_EXPORT const krpc_channel_info *krpc_channel_get(krpc_channel channel);
KRPC_EXPORT const char *krpc_whose_name(krpc_whose whose);       /* "sender", "receiver", "third party" */
KRPC_EXPORT const char *krpc_service_name(krpc_service service); /* "dht", "peer" */
KRPC_EXPORT const char *krpc_basis_name(krpc_basis basis);       /* "claimed", "observed", "deferred" */

/* krpc_advert is one statement. */
typedef struct krpc_advert {
    krpc_channel channel;
    krpc_whose whose;
    krpc_service service;
    krpc_basis basis;
    bool has_port;          /* false for yourip and a 4-byte ip, which have no port */
    bool has_addr;          /* endpoint.addr_len is not 0 */
    int64_t port;           /* as sent: may be -1 or 70000 */
    krpc_endpoint endpoint; /* the address where one is named; its port only where that fits 16 bits */
    uint32_t off;           /* of the value, in the message */
    uint32_t len;
    uint32_t id_off; /* nodes, nodes6, nodes2: where the entry's node id begins; 0 elsewhere */
} krpc_advert;

typedef struct krpc_advert_iter {
    const krpc_message *message;
    const uint8_t *data;
    uint32_t step; /* which channel is looked at */
    uint32_t pos;  /* 0: its first statement is still to come */
    krpc_compact_iter entries;
} krpc_advert_iter;

KRPC_EXPORT void krpc_advert_init(krpc_advert_iter *out, const krpc_message *message, const uint8_t *data);

/* krpc_advert_next gives the next statement, in the order: p, contact, announce_peer, implied_port, ip, r.p, punch,
 * nodes, nodes6, nodes2, values. Values of the wrong type are left out; entries of nodes and values with a wrong length
 * too. An entry of nodes2 comes as one of nodes or nodes6, by its length. */
KRPC_EXPORT bool krpc_advert_next(krpc_advert_iter *iter, krpc_advert *out);

#ifdef __cplusplus
}
#endif

#endif
