/* tree_list.c: values with many entries: nodes, peers, info-hashes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <krpc/compact.h>
#include <krpc/node_id.h>

#define ID_LEN KRPC_NODE_ID_LEN

/* The fields of an entry. nodes6 has its own: a field is at one place of a message's tree, so that each key of the
 * output as JSON is there once. */
typedef struct row_fields {
    int node, id, addr, addr6, port, distance;
} row_fields;

static row_fields row_fields_get(krpc_field field)
{
    if (field == KRPC_R_NODES6) {
        return (row_fields){HF(NODE6), HF(NODE6_ID), -1, HF(NODE6_ADDR6), HF(NODE6_PORT), HF(NODE6_DISTANCE)};
    }
    return (row_fields){HF(NODE), HF(NODE_ID), HF(NODE_ADDR), HF(NODE_ADDR6), HF(NODE_PORT), HF(NODE_DISTANCE)};
}

static proto_item *row_add(tree_context *c, proto_tree *tree, int hf, krpc_span span, const krpc_endpoint *endpoint,
                           unsigned bits)
{
    char text[KRPC_ENDPOINT_TEXT] = "";
    const char *id, *line;

    if (!compat_is_visible(tree)) {
        return proto_tree_add_item(tree, hf, c->tvb, (int)span.off, (int)span.len, ENC_NA);
    }
    id = tree_item_hex(c->pinfo, c->data + span.off, ID_LEN, 4);
    line = wmem_strconcat(c->pinfo->pool, "Node ", id, ", ", krpc_endpoint_text(text, endpoint),
                          c->target != NULL ? tree_common_text(c->pinfo, bits) : "", NULL);
    return proto_tree_add_none_format(tree, hf, c->tvb, (int)span.off, (int)span.len, "%s", line);
}

/* One entry of compact node info: 20 bytes of id, then a compact endpoint. */
static void node_add(tree_context *c, proto_tree *tree, const row_fields *hf, uint32_t off, uint32_t len)
{
    const uint8_t *id = c->data + off;
    krpc_endpoint endpoint;

    if (!krpc_endpoint_get(&endpoint, id + ID_LEN, len - ID_LEN)) {
        return;
    }

    unsigned bits = c->target != NULL ? krpc_node_id_common_bits(id, c->target) : 0;
    proto_item *row = row_add(c, tree, hf->node, (krpc_span){off, len}, &endpoint, bits);
    proto_tree *sub = proto_item_add_subtree(row, ETT(NODE));

    proto_tree_add_item(sub, hf->id, c->tvb, (int)off, ID_LEN, ENC_NA);
    tree_item_addr(sub, hf->addr, hf->addr6, c->tvb, off + ID_LEN, endpoint.addr_len, &endpoint);
    proto_tree_add_item(sub, hf->port, c->tvb, (int)(off + len - 2), 2, ENC_BIG_ENDIAN);
    if (c->target != NULL) {
        tree_distance_add(c, sub, hf->distance, bits);
    }
    c->num_items += 4;
}

static void nodes_add(tree_context *c, proto_tree *tree, proto_item *item, krpc_field field)
{
    const row_fields fields = row_fields_get(field);
    krpc_compact_iter it;
    krpc_compact entry;
    uint32_t count = 0, more = 0;

    krpc_nodes_init(&it, c->message, c->data, field);
    while (krpc_nodes_next(&it, &entry)) {
        bool is_node = entry.endpoint.addr_len != 0;

        count += is_node;
        if (!is_node) {
            tree_remainder_add(c, tree, entry.off, entry.len);
        } else if (tree_has_room(c)) {
            node_add(c, tree, &fields, entry.off, entry.len);
        } else {
            more++;
        }
    }
    proto_item_append_text(item, ": %u", count);
    tree_more_add(c, tree, more);
}

static void peer_add(tree_context *c, proto_tree *tree, uint32_t off, uint32_t len)
{
    char text[KRPC_ENDPOINT_TEXT] = "";
    krpc_endpoint endpoint;

    if (!krpc_endpoint_get(&endpoint, c->data + off, len)) {
        tree_remainder_add(c, tree, off, len);
        return;
    }
    proto_item *row = compat_is_visible(tree)
                          ? proto_tree_add_none_format(tree, HF(PEER), c->tvb, (int)off, (int)len, "Peer %s",
                                                       krpc_endpoint_text(text, &endpoint))
                          : proto_tree_add_item(tree, HF(PEER), c->tvb, (int)off, (int)len, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(row, ETT(NODE));

    tree_item_addr(sub, HF(PEER_ADDR), HF(PEER_ADDR6), c->tvb, off, endpoint.addr_len, &endpoint);
    proto_tree_add_item(sub, HF(PEER_PORT), c->tvb, (int)(off + len - 2), 2, ENC_BIG_ENDIAN);
    c->num_items += 2;
}

/* Several peers may be joined in one string; each is shown as an entry. */
static void peers_add(tree_context *c, proto_tree *tree, proto_item *item)
{
    krpc_compact_iter it;
    krpc_compact entry;
    uint32_t count = 0, more = 0;

    krpc_peers_init(&it, c->message, c->data);
    while (krpc_peers_next(&it, &entry)) {
        count += entry.endpoint.addr_len != 0;
        if (tree_has_room(c)) {
            peer_add(c, tree, entry.off, entry.len);
        } else {
            more++;
        }
    }
    proto_item_append_text(item, ": %u", count);
    tree_more_add(c, tree, more);
}

static void hashes_add(tree_context *c, proto_tree *tree, proto_item *item, krpc_span span)
{
    uint32_t count = span.len / ID_LEN;
    uint32_t i = 0;

    proto_item_append_text(item, ": %u", count);
    for (i = 0; i < count && tree_has_room(c); i++) {
        proto_tree_add_item(tree, HF(SAMPLE), c->tvb, (int)(span.off + i * ID_LEN), ID_LEN, ENC_NA);
    }
    tree_more_add(c, tree, count - i);
    tree_remainder_add(c, tree, span.off + count * ID_LEN, span.len % ID_LEN);
}

proto_item *tree_list_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span)
{
    proto_item *item = proto_tree_add_item(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(VALUE));

    switch (krpc_field_get(field)->kind) {
    case KRPC_KIND_NODES:
    case KRPC_KIND_NODES6:
    case KRPC_KIND_NODE_LIST:
        nodes_add(c, sub, item, field);
        break;
    case KRPC_KIND_PEERS:
        peers_add(c, sub, item);
        break;
    default:
        hashes_add(c, sub, item, span);
        break;
    }
    return item;
}
