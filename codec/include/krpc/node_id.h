/* krpc/node_id.h: node ids: do they fit the address (BEP 42), and how near are two of them.
 *
 * An id is 20 bytes, big endian. BEP 42 ties its first 21 bits to the node's outside address and to the low 3 bits of
 * its last byte, so that a node cannot choose its place in the DHT freely.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_NODE_ID_H
#define KRPC_NODE_ID_H

#include <krpc/endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* KRPC_NODE_ID_LEN is the size of an id in bytes, KRPC_NODE_ID_BITS in bits. */
#define KRPC_NODE_ID_LEN  20
#define KRPC_NODE_ID_BITS 160

typedef enum krpc_node_id_verdict {
    KRPC_NODE_ID_INVALID, /* a public address, and the id does not fit it: no error, many nodes are older than BEP 42 */
    KRPC_NODE_ID_VALID,   /* the id fits the address (one random id in two million does) */
    KRPC_NODE_ID_EXEMPT   /* the rule does not hold for this address, and the id does not fit it either */
} krpc_node_id_verdict;

/* krpc_node_id_verdict_name is "invalid", "valid" or "exempt". */
KRPC_EXPORT const char *krpc_node_id_verdict_name(krpc_node_id_verdict verdict);

/* krpc_node_id_check says whether an id fits the address of its node, as others see it; the port has no part in it.
 * Exempt is every address that is not globally reachable (krpc_endpoint_scope): BEP 42's own list, libtorrent's
 * additions (100.64/10, fc00::/7, link-local, multicast), and "none". Cost: a few nanoseconds. */
KRPC_EXPORT krpc_node_id_verdict krpc_node_id_check(const uint8_t id[KRPC_NODE_ID_LEN], const krpc_endpoint *endpoint);

/* krpc_node_id_prefix is the CRC32C that an id must begin with, in its upper 21 bits: of the masked address with r
 * (only its low 3 bits count) in the top bits. An address has 8 of them. 0 for "none". */
KRPC_EXPORT uint32_t krpc_node_id_prefix(const krpc_endpoint *endpoint, unsigned r);

/* krpc_node_id_fit makes an id fit an address: it keeps the last byte (BEP 42's rand) and all other bits than the first
 * 21. Fill the id with random bytes before. False, and the id as it was, for "none". */
KRPC_EXPORT bool krpc_node_id_fit(uint8_t id[KRPC_NODE_ID_LEN], const krpc_endpoint *endpoint);

/* krpc_node_id_common_bits is the length of the prefix that two ids share, 0 to 160. The XOR distance (BEP 5) is below
 * 2^(160 - that). */
KRPC_EXPORT unsigned krpc_node_id_common_bits(const uint8_t a[KRPC_NODE_ID_LEN], const uint8_t b[KRPC_NODE_ID_LEN]);

/* krpc_node_id_nearer orders a and b by their distance from target: negative when a is nearer, positive when b is, 0
 * when they are equal. */
KRPC_EXPORT int krpc_node_id_nearer(const uint8_t a[KRPC_NODE_ID_LEN], const uint8_t b[KRPC_NODE_ID_LEN],
                                    const uint8_t target[KRPC_NODE_ID_LEN]);

/* krpc_node_id_is_zero: all 20 bytes are zero, which several nodes send for want of an id. */
KRPC_EXPORT bool krpc_node_id_is_zero(const uint8_t id[KRPC_NODE_ID_LEN]);

#ifdef __cplusplus
}
#endif

#endif
