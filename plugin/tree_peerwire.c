/* tree_peerwire.c: peer wire messages and the ports in them, as a separate tree beside that of Wireshark's own
 * dissectors.
 *
 * The tracker reassembles streams over TCP and uTP and finds the messages in them, also after encrypted handshakes. It
 * does not depend on what Wireshark's own dissectors find. A packet shows the messages that it completes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#define MAX_PEERS    200 /* shown of one ut_pex message */
#define MAX_MESSAGES 64  /* shown of one packet */

/* piece is where a message's bytes can be selected: in the packet, or in a separate data source. */
typedef struct piece {
    tvbuff_t *tvb;
    uint32_t off;
} piece;

/* A message that began in an earlier packet gets a tvbuff with its whole bytes. */
static piece piece_find(packet_info *pinfo, tvbuff_t *source, const tracking_packet *packet,
                        const tracking_peerwire *peer)
{
    piece at = {.tvb = source, .off = packet->off};

    if (peer->off >= 0 && (uint32_t)peer->off <= packet->len && peer->len <= packet->len - (uint32_t)peer->off) {
        at.off += (uint32_t)peer->off;
        return at;
    }
    at.tvb = tvb_new_child_real_data(source, peer->data, peer->len, (int)peer->len);
    at.off = 0;
    add_new_data_source(pinfo, at.tvb, "Peer wire message");
    return at;
}

static void handshake_add(proto_tree *tree, piece at, const tracking_peerwire *peer, const peerwire_message *m)
{
    const int reserved = (int)at.off + 20;
    proto_item *item = proto_tree_add_uint64(tree, HF(PEER_RESERVED), at.tvb, reserved, 8, m->reserved);
    proto_tree *bits = proto_item_add_subtree(item, ETT(PEERWIRE_LIST));

    proto_tree_add_boolean(bits, HF(PEER_DHT), at.tvb, reserved + 7, 1, (m->reserved & PEERWIRE_RESERVED_DHT) != 0);
    proto_tree_add_boolean(bits, HF(PEER_EXTENDED), at.tvb, reserved + 5, 1,
                           (m->reserved & PEERWIRE_RESERVED_EXTENDED) != 0);
    proto_tree_add_boolean(bits, HF(PEER_FAST), at.tvb, reserved + 7, 1, (m->reserved & PEERWIRE_RESERVED_FAST) != 0);
    proto_tree_add_boolean(bits, HF(PEER_V2), at.tvb, reserved + 7, 1, (m->reserved & PEERWIRE_RESERVED_V2) != 0);
    if (peer->len < PEERWIRE_HANDSHAKE_LEN) {
        return;
    }
    proto_tree_add_item(tree, HF(PEER_INFO_HASH), at.tvb, (int)at.off + PEERWIRE_INFO_HASH_OFF, 20, ENC_NA);
    proto_tree_add_item(tree, HF(PEER_ID), at.tvb, (int)at.off + PEERWIRE_PEER_ID_OFF, 20, ENC_NA);
}

/* hf4 or hf6 is -1 where the key cannot hold such an address. */
static void address_add(proto_item *item, int hf4, int hf6, piece at, uint32_t off, uint32_t len, const uint8_t *bytes)
{
    krpc_endpoint endpoint;

    if ((len == 4 && hf4 != -1) || (len == 16 && hf6 != -1)) {
        krpc_endpoint_set(&endpoint, bytes, len, 0);
        tree_item_addr(proto_item_add_subtree(item, ETT(VALUE)), hf4, hf6, at.tvb, at.off + off, len, &endpoint);
    }
}

static void key_add(packet_info *pinfo, proto_tree *tree, piece at, const tracking_peerwire *peer, peerwire_key key,
                    const krpc_value *value)
{
    uint32_t off = MIN(value->off, peer->len);
    uint32_t len = MIN(value->len, peer->len - off);
    const uint8_t *bytes = peer->data + off;
    proto_item *item;

    if (peerwire_key_get(key)->type == BENCODE_INT) {
        proto_tree_add_int64(tree, hf_peer_key[key], at.tvb, (int)(at.off + off), (int)len, value->num);
        return;
    }
    switch (key) {
    case PEERWIRE_KEY_V:
        proto_tree_add_bytes_format_value(tree, hf_peer_key[key], at.tvb, (int)(at.off + off), (int)len, bytes, "%s",
                                          tree_item_text(pinfo, bytes, len, 80));
        item = proto_tree_add_string(tree, HF(PEER_CLIENT), at.tvb, (int)(at.off + off), (int)len,
                                     tree_item_text(pinfo, bytes, len, 80));
        proto_item_set_generated(item);
        proto_item_set_hidden(item);
        return;
    case PEERWIRE_KEY_M:
        proto_tree_add_bytes_format_value(tree, hf_peer_key[key], at.tvb, (int)(at.off + off), (int)len, bytes, "%s",
                                          tree_item_bencode(pinfo, bytes, len));
        return;
    default:
        break;
    }
    item = proto_tree_add_item(tree, hf_peer_key[key], at.tvb, (int)(at.off + off), (int)len, ENC_NA);
    switch (key) {
    case PEERWIRE_KEY_YOURIP:
        address_add(item, HF(PEER_YOURIP_ADDR), HF(PEER_YOURIP_ADDR6), at, off, len, bytes);
        break;
    case PEERWIRE_KEY_IPV4:
        address_add(item, HF(PEER_IPV4_ADDR), -1, at, off, len, bytes);
        break;
    case PEERWIRE_KEY_IPV6:
        address_add(item, -1, HF(PEER_IPV6_ADDR6), at, off, len, bytes);
        break;
    default:
        break;
    }
}

static void pex_add(proto_tree *tree, piece at, const tracking_peerwire *peer, const peerwire_message *m)
{
    peerwire_peer entry;
    peerwire_pex pex;
    uint32_t count = 0;

    peerwire_pex_init(&pex, m, peer->data);
    while (peerwire_pex_next(&pex, &entry)) {
        char text[KRPC_ENDPOINT_TEXT] = "";

        if (count++ >= MAX_PEERS || entry.len > peer->len || entry.off > peer->len - entry.len) {
            continue;
        }
        uint32_t off = at.off + entry.off;
        proto_item *item = proto_tree_add_item(tree, HF(PEX_PEER), at.tvb, (int)off, (int)entry.len, ENC_NA);
        proto_tree *sub = proto_item_add_subtree(item, ETT(NODE));

        proto_item_append_text(item, " %s%s", krpc_endpoint_text(text, &entry.endpoint),
                               entry.dropped ? ", dropped" : "");
        tree_item_addr(sub, HF(PEX_ADDR), HF(PEX_ADDR6), at.tvb, off, entry.endpoint.addr_len, &entry.endpoint);
        proto_tree_add_item(sub, HF(PEX_PORT), at.tvb, (int)(off + entry.len - 2), 2, ENC_BIG_ENDIAN);
        proto_item_set_generated(proto_tree_add_uint(sub, HF(PEX_FLAGS), at.tvb, 0, 0, entry.flags));
        if (entry.dropped) {
            tree_item_flag(sub, HF(PEX_DROPPED), at.tvb, true);
        }
    }
    if (count > MAX_PEERS) {
        tree_item_uint(tree, HF(PEER_MORE), at.tvb, count - MAX_PEERS);
    }
}

/* The name of a number; the number itself where it has none. */
static const char *name_get(packet_info *pinfo, const char *const *names, size_t num_names, uint32_t num)
{
    return num < num_names ? names[num] : wmem_strdup_printf(pinfo->pool, "%u", num);
}

/* After the message's prefix, its id and its extended id: type, family, address, port, error. */
static void holepunch_add(packet_info *pinfo, proto_tree *tree, piece at, const peerwire_message *m)
{
    static const char *const types[] = {"rendezvous", "connect", "error"};
    static const char *const errors[] = {"none", "no such peer", "not connected", "no support", "no self"};
    const uint32_t begin = at.off + PEERWIRE_HEAD;
    const uint32_t addr_len = m->endpoint.addr_len;

    if (!m->has_holepunch) {
        return;
    }
    proto_tree_add_string(tree, HF(HOLEPUNCH), at.tvb, (int)begin, 1,
                          name_get(pinfo, types, array_length(types), m->holepunch));
    tree_item_addr(tree, HF(HOLEPUNCH_ADDR), HF(HOLEPUNCH_ADDR6), at.tvb, begin + 2, addr_len, &m->endpoint);
    proto_tree_add_uint(tree, HF(HOLEPUNCH_PORT), at.tvb, (int)(begin + 2 + addr_len), 2, m->endpoint.port);
    if (m->holepunch == PEERWIRE_HOLEPUNCH_ERROR) {
        tree_item_word(tree, HF(HOLEPUNCH_ERROR), at.tvb,
                       name_get(pinfo, errors, array_length(errors), m->holepunch_error));
    }
}

static const char *message_name(const tracking_peerwire *peer)
{
    if (peer->kind == PEERWIRE_PORT) {
        return "PORT";
    }
    if (peer->kind != PEERWIRE_EXTENDED) {
        return peerwire_kind_name((peerwire_kind)peer->kind);
    }
    if (peer->extension == PEERWIRE_EXT_HANDSHAKE) {
        return "extension handshake";
    }
    return peerwire_extension_name((peerwire_extension)peer->extension);
}

static void message_add(packet_info *pinfo, proto_tree *tree, piece at, const tracking_peerwire *peer)
{
    proto_item *item = proto_tree_add_item(tree, HF(PEER_MESSAGE), at.tvb, (int)at.off, (int)peer->len, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(PEERWIRE_MESSAGE));
    peerwire_side receiver;
    peerwire_message m;

    /* The tracker has found which extension the id means; it is stored with the message. */
    memset(&receiver, 0, sizeof receiver);
    receiver.extension_handshake = true;
    receiver.ext_id[peer->extension] = peer->ext_id;
    peerwire_message_parse(&m, peer->data, peer->len, NULL, &receiver, NULL);

    proto_item_append_text(item, ": %s", message_name(peer));
    tree_item_hidden(sub, HF(PEER_KIND), at.tvb, peerwire_kind_name((peerwire_kind)peer->kind));
    if (peer->kind == PEERWIRE_EXTENDED) {
        tree_item_hidden(sub, HF(PEER_EXTENSION), at.tvb, peerwire_extension_name((peerwire_extension)peer->extension));
    }
    if (peer->kind == PEERWIRE_HANDSHAKE) {
        handshake_add(sub, at, peer, &m);
    }
    if (m.has_port && peer->len >= 7) {
        proto_tree_add_uint(sub, HF(PEER_PORT_MESSAGE), at.tvb, (int)at.off + 5, 2, m.port);
        proto_item_append_text(item, " %u", m.port);
    }
    for (unsigned i = 0; i < PEERWIRE_NUM_KEYS; i++) {
        if (peerwire_has(&m, (peerwire_key)i)) {
            key_add(pinfo, sub, at, peer, (peerwire_key)i, &m.value[i]);
        }
    }
    if (peer->extension == PEERWIRE_EXT_UT_PEX) {
        pex_add(sub, at, peer, &m);
    }
    holepunch_add(pinfo, sub, at, &m);
}

static const tracking_peerwire *peers_of(const tracking_record *record)
{
    return record->rare != NULL ? record->rare->peers : NULL;
}

/* Prepended, because the text of the built-in dissector is often longer than the column. */
static void column_prepend(packet_info *pinfo, const tracking_packet *packet)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");

    tree_advert_info_text(out, packet);
    if (wmem_strbuf_get_len(out) != 0) {
        col_prepend_fstr(pinfo->cinfo, COL_INFO, "%s  ", wmem_strbuf_get_str(out) + 1);
    }
}

static void contents_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *source, const tracking_packet *packet)
{
    const tracking_record *record = packet->record;
    unsigned count = 0;

    for (unsigned i = 0; i < record->num_adverts && i < MAX_MESSAGES; i++) {
        tracker_advert advert;

        if (tracking_advert_get(record->first_advert + i, &advert)) {
            tree_advert_add(pinfo, tree, source, &advert, packet->off);
        }
    }
    for (const tracking_peerwire *peer = peers_of(record); peer != NULL && count < MAX_MESSAGES;
         peer = peer->next, count++) {
        message_add(pinfo, tree, piece_find(pinfo, source, packet, peer), peer);
    }
}

static void summary_set(packet_info *pinfo, proto_item *item, const tracking_packet *packet)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");
    const char *separator = ": ";
    unsigned count = 0;

    for (const tracking_peerwire *peer = peers_of(packet->record); peer != NULL && count < MAX_MESSAGES;
         peer = peer->next, count++) {
        if (peer->kind != PEERWIRE_PORT || packet->record->num_adverts == 0) { /* the advertisement names PORT */
            wmem_strbuf_append_printf(out, "%s%s", separator, message_name(peer));
            separator = ", ";
        }
    }
    if (packet->record->num_adverts != 0) {
        wmem_strbuf_append(out, *separator == ',' ? "," : ":");
        tree_advert_info_text(out, packet);
    }
    proto_item_append_text(item, "%s", wmem_strbuf_get_str(out));
}

/* Where the tree is not displayed, the item is only for filters and columns. It is not added as a layer of the frame
 * then, which statistics would count. */
void tree_peerwire_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *source, tracking_packet *packet)
{
    proto_item *item = NULL;

    packet->is_shown = true;
    if (pinfo->cinfo != NULL && packet->record->num_adverts != 0) {
        column_prepend(pinfo, packet);
    }
    if (compat_is_wanted(tree, proto_peerwire) || compat_is_wanted(tree, proto_krpc) || findings_are_wanted(tree)) {
        proto_tree *parent = compat_is_visible(tree) ? tree : postdissect_parent(tree, source, packet->off);

        item = proto_tree_add_item(parent, proto_peerwire, source, (int)packet->off, (int)packet->len, ENC_NA);
        if (compat_is_visible(tree)) {
            summary_set(pinfo, item, packet);
        }
        contents_add(pinfo, proto_item_add_subtree(item, ETT(PEERWIRE)), source, packet);
    }
    packet->item = item;
    findings_add(pinfo, packet);
    stats_tap(pinfo, packet);
}
