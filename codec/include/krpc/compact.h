/* krpc/compact.h: the entries of nodes, nodes6, nodes2 and values: compact node info and compact peer info (BEP 5, BEP
 * 32).
 *
 *     krpc_compact_iter it;
 *     krpc_compact entry;
 *     krpc_nodes_init(&it, &m, data, KRPC_R_NODES);
 *     while (krpc_nodes_next(&it, &entry))
 *         if (entry.endpoint.addr_len != 0)
 *             use(data + entry.off, &entry.endpoint);      (a node's id is its first 20 bytes)
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_COMPACT_H
#define KRPC_COMPACT_H

#include <krpc/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* krpc_compact is one entry. Entries of another size than the family's come too, with endpoint "none": the rest of
 * nodes and nodes6, and odd items of the lists. */
typedef struct krpc_compact {
    uint32_t off; /* of its bytes in the message: an id of 20 bytes for a node, then the compact endpoint */
    uint32_t len;
    bool joined;            /* one of several peers in one string */
    krpc_endpoint endpoint; /* an IPv4-mapped address is read as IPv4 */
} krpc_compact;

typedef struct krpc_compact_iter {
    krpc_list list;
    const uint8_t *data;
    uint32_t pos; /* in the string that is cut into entries */
    uint32_t end;
    uint32_t size; /* of an entry */
    uint32_t id_len;
} krpc_compact_iter;

/* krpc_nodes_init begins with KRPC_R_NODES, KRPC_R_NODES6 or KRPC_R_NODES2; there are no entries when the field is
 * absent. */
KRPC_EXPORT void krpc_nodes_init(krpc_compact_iter *out, const krpc_message *message, const uint8_t *data,
                                 krpc_field field);
KRPC_EXPORT bool krpc_nodes_next(krpc_compact_iter *iter, krpc_compact *out);

/* krpc_peers_init begins with values, also where they are one string instead of a list. A string of several peers,
 * which is a multiple of 6 and neither 6 nor 18 bytes, gives them one by one. */
KRPC_EXPORT void krpc_peers_init(krpc_compact_iter *out, const krpc_message *message, const uint8_t *data);
KRPC_EXPORT bool krpc_peers_next(krpc_compact_iter *iter, krpc_compact *out);

/* krpc_nodes_count and krpc_peers_count are the numbers of entries that have an endpoint. */
KRPC_EXPORT uint32_t krpc_nodes_count(const krpc_message *message, const uint8_t *data, krpc_field field);
KRPC_EXPORT uint32_t krpc_peers_count(const krpc_message *message, const uint8_t *data);

#ifdef __cplusplus
}
#endif

#endif
