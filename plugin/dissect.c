/* dissect.c: the KRPC dissector: accepts or refuses a payload, sets the Info column, adds the tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <krpc/client.h>
#include <krpc/compact.h>

dissector_handle_t krpc_handle; /* for Decode As and the port preference: the user says that it is KRPC */
static dissector_handle_t conversation_handle; /* for the rest of a conversation; still checks each packet */
static heur_dtbl_entry_t *heuristic;
static heur_dtbl_entry_t *built_in; /* the heuristic of Wireshark's own BT-DHT dissector; NULL: there is none */
static int proto_built_in = -1;
static dissector_table_t udp_ports;

#define HEURISTIC_NAME          "krpc_udp"
#define BUILT_IN_HEURISTIC_NAME "bittorrent_dht_udp"
#define BUILT_IN_PREFIX_LEN     5

enum { UDP_HEADER_LEN = 8 };

/* Text. */

static const char *node_text(packet_info *pinfo, const tracking_packet *packet)
{
    const uint8_t *id = krpc_message_id(packet->message, packet->data);

    return id != NULL ? tree_item_hex(pinfo, id, 20, 4) : NULL;
}

static const char *method_text(packet_info *pinfo, const tracking_packet *packet)
{
    const krpc_message *m = packet->message;

    if (m->method != KRPC_METHOD_NONE && m->method != KRPC_METHOD_UNKNOWN) {
        return krpc_method_name((krpc_method)m->method);
    }
    if (krpc_has(m, KRPC_Q) && m->value[KRPC_Q].len != 0) {
        return tree_item_text(pinfo, packet->data + m->value[KRPC_Q].off, m->value[KRPC_Q].len, 40);
    }
    return "query";
}

static void append_after(wmem_strbuf_t *out, const char *before, const char *text)
{
    wmem_strbuf_append(out, before);
    wmem_strbuf_append(out, text);
}

static void query_text(packet_info *pinfo, wmem_strbuf_t *out, const tracking_packet *packet)
{
    const uint8_t *target = krpc_message_target(packet->message, packet->data);

    wmem_strbuf_append(out, method_text(pinfo, packet));
    if (target != NULL) {
        append_after(out, " ", tree_item_hex(pinfo, target, 20, 4));
    }
}

static void count_text(wmem_strbuf_t *out, const char **separator, uint32_t count, const char *one, const char *many)
{
    char decimal[TREE_ITEM_DECIMAL];

    if (count == 0) {
        return;
    }
    append_after(out, *separator, tree_item_decimal(decimal, count));
    append_after(out, " ", count == 1 ? one : many);
    *separator = ", ";
}

/* ": 8 nodes, token" */
static void response_text(wmem_strbuf_t *out, const tracking_packet *packet)
{
    static const krpc_field brought[] = {KRPC_R_TOKEN, KRPC_R_V, KRPC_R_BFSD, KRPC_R_BFPE};
    const krpc_message *m = packet->message;
    const char *separator = ": ";
    uint32_t nodes = krpc_nodes_count(m, packet->data, KRPC_R_NODES) + krpc_nodes_count(m, packet->data, KRPC_R_NODES6);

    count_text(out, &separator, nodes, "node", "nodes");
    count_text(out, &separator, krpc_peers_count(m, packet->data), "peer", "peers");
    if (krpc_has(m, KRPC_R_SAMPLES)) {
        count_text(out, &separator, m->value[KRPC_R_SAMPLES].len / 20, "info-hash", "info-hashes");
    }
    for (unsigned i = 0; i < array_length(brought); i++) {
        if (!krpc_has(m, brought[i])) {
            continue;
        }
        append_after(out, separator, brought[i] == KRPC_R_V ? "item" : krpc_field_get(brought[i])->key);
        separator = ", ";
    }
}

static void error_text(packet_info *pinfo, wmem_strbuf_t *out, const tracking_packet *packet)
{
    const krpc_message *m = packet->message;

    if (krpc_has(m, KRPC_E_CODE)) {
        wmem_strbuf_append_printf(out, " %" PRId64, m->value[KRPC_E_CODE].num);
    }
    if (krpc_has(m, KRPC_E_MESSAGE)) {
        wmem_strbuf_append_printf(
            out, " \"%s\"",
            tree_item_text(pinfo, packet->data + m->value[KRPC_E_MESSAGE].off, m->value[KRPC_E_MESSAGE].len, 80));
    }
}

/* "get_peers 4a533d47... from 1f2e3d4c..." */
static void kind_text(packet_info *pinfo, wmem_strbuf_t *out, const tracking_packet *packet)
{
    const tracking_record *record = packet->record;
    const char *node = node_text(pinfo, packet);
    krpc_method method = record != NULL ? (krpc_method)record->method : KRPC_METHOD_NONE;
    bool is_known = method != KRPC_METHOD_NONE && method != KRPC_METHOD_UNKNOWN;
    krpc_type type = krpc_message_guess_type(packet->message);

    switch (type) {
    case KRPC_QUERY:
        query_text(pinfo, out, packet);
        break;
    case KRPC_RESPONSE:
        append_after(out, is_known ? krpc_method_name(method) : "", is_known ? " response" : "response");
        break;
    case KRPC_ERROR:
        append_after(out, is_known ? krpc_method_name(method) : "", is_known ? " error" : "error");
        error_text(pinfo, out, packet);
        break;
    default:
        wmem_strbuf_append(out, packet->len == 2 ? "punch probe (\"de\")" : "message without a type");
        break;
    }
    if (node != NULL) {
        append_after(out, " from ", node);
    }
    if (type == KRPC_RESPONSE) {
        response_text(out, packet);
    }
}

static void status_text(wmem_strbuf_t *out, const tracking_packet *packet)
{
    const krpc_message *m = packet->message;

    switch (m->status) {
    case BENCODE_DONE:
        break;
    case BENCODE_CUT:
        wmem_strbuf_append(out, packet->len < packet->wire_len || packet->quoted ? " [cut by the capture]" : " [cut]");
        break;
    default:
        wmem_strbuf_append_printf(out, " [malformed at byte %u]", m->stop);
        break;
    }
}

static void column_set(packet_info *pinfo, const tracking_packet *packet)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");

    if (packet->quoted) {
        wmem_strbuf_append(out, "quoted: ");
    }
    kind_text(pinfo, out, packet);
    if (!packet->quoted) {
        tree_advert_info_text(out, packet);
    }
    status_text(out, packet);
    col_set_str(pinfo->cinfo, COL_PROTOCOL, "KRPC");
    col_add_str(pinfo->cinfo, COL_INFO, wmem_strbuf_get_str(out));
}

const char *dissect_client(packet_info *pinfo, const tracking_packet *packet)
{
    const krpc_value *v = &packet->message->value[KRPC_V];
    char *text;

    if (!krpc_has(packet->message, KRPC_V) || v->len == 0) {
        return NULL;
    }
    text = wmem_alloc(pinfo->pool, KRPC_CLIENT_TEXT);
    krpc_client_text(text, KRPC_CLIENT_TEXT, packet->data + v->off, v->len);
    return text;
}

/* The tree. */

static void transaction_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracking_packet *packet)
{
    const tracking_record *record = packet->record;
    bool is_query = packet->message->type == KRPC_QUERY;

    if (record->method != KRPC_METHOD_NONE) {
        const char *name =
            record->method != KRPC_METHOD_UNKNOWN ? krpc_method_name((krpc_method)record->method) : "unknown";

        /* A query has its own name, q, in the tree. */
        (is_query ? tree_item_hidden : tree_item_word)(tree, HF(METHOD), tvb, name);
        tree_item_filter(tree, HF(METHOD_NUMBER), tvb, record->method);
    }
    if (is_query) {
        uint32_t response = tracking_response_frame(packet);

        tree_item_frame(tree, HF(RESPONSE_IN), tvb, response);
        if (response == 0 && PINFO_FD_VISITED(pinfo) && tracking_finished()) {
            tree_item_flag(tree, HF(UNANSWERED), tvb, true);
        }
    } else if (record->request_frame != 0) {
        tree_item_frame(tree, HF(RESPONSE_TO), tvb, record->request_frame);
        tree_item_time(tree, HF(TIME), tvb, record->rtt_ns);
        if (record->asked_port != 0) {
            tree_item_uint(tree, HF(ASKED_PORT), tvb, record->asked_port);
        }
    } else if (packet->message->type == KRPC_RESPONSE || packet->message->type == KRPC_ERROR) {
        tree_item_flag(tree, HF(UNSOLICITED), tvb, true);
    }
    if (record->repeats != 0) {
        tree_item_flag(tree, HF(RETRANSMISSION), tvb, true);
        tree_item_frame(tree, is_query ? HF(REPEATS_REQUEST) : HF(REPEATS_RESPONSE), tvb, record->repeats);
    }
}

static void summary_set(packet_info *pinfo, proto_item *item, const tracking_packet *packet)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, ": ");
    const char *client = dissect_client(pinfo, packet);

    kind_text(pinfo, out, packet);
    if (client != NULL) {
        append_after(out, ", ", client);
    }
    if (!packet->quoted) {
        tree_advert_info_text(out, packet);
    }
    status_text(out, packet);
    proto_item_append_text(item, "%s%s", packet->quoted ? ", quoted" : "", wmem_strbuf_get_str(out));
}

static void message_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet)
{
    tree_context *context = wmem_new(pinfo->pool, tree_context);
    proto_item *item = proto_tree_add_item(tree, proto_krpc, tvb, 0, -1, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(KRPC));

    packet->item = item;
    *context = (tree_context){
        .pinfo = pinfo,
        .tvb = tvb,
        .data = packet->data,
        .len = packet->len,
        .message = packet->message,
        .packet = packet,
        .target = tracking_target(packet->record),
    };
    if (compat_is_visible(tree)) {
        summary_set(pinfo, item, packet);
    }
    if (packet->quoted) {
        tree_item_flag(sub, HF(QUOTED), tvb, true);
        tree_message(context, sub);
        return; /* dissect_quote adds what is known about it */
    }
    packet->context = context;
    transaction_add(pinfo, sub, tvb, packet);
    tree_message(context, sub);
    tree_advert_add_all(pinfo, sub, tvb, packet);
    tree_reach_add(pinfo, sub, tvb, &packet->packet.src);
    findings_add(pinfo, packet);
}

void dissect_message(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet)
{
    packet->is_shown = true;
    if (pinfo->cinfo != NULL && col_get_writable(pinfo->cinfo, -1)) {
        column_set(pinfo, packet);
    }
    if (compat_is_wanted(tree, proto_krpc)) {
        message_add(pinfo, tree, tvb, packet);
    } else {
        packet->item = proto_tree_add_item(tree, proto_krpc, tvb, 0, -1, ENC_NA);
        if (!packet->quoted) {
            findings_add(pinfo, packet);
        }
    }
    if (!packet->quoted) {
        stats_tap(pinfo, packet);
    }
}

void dissect_quote(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet)
{
    if (!packet->is_shown) {
        packet->is_shown = true;
        packet->item = proto_tree_add_item(postdissect_parent(tree, tvb, packet->off), proto_krpc, tvb,
                                           (int)packet->off, 0, ENC_NA);
        proto_item_append_text(packet->item, ", quoted");
        tree_item_flag(proto_item_add_subtree(packet->item, ETT(KRPC)), HF(QUOTED), tvb, true);
    }
    tree_item_frame(proto_item_add_subtree(packet->item, ETT(KRPC)), HF(QUOTED_QUERY), tvb,
                    packet->record->request_frame);
    findings_add(pinfo, packet);
}

/* The description of a payload, at the first call for it. */
static tracking_packet *packet_get(packet_info *pinfo, tvbuff_t *tvb)
{
    tracking_packet *packet = tracking_packet_find(pinfo, tvb, 0);

    if (packet != NULL) {
        return packet;
    }
    packet = tracking_packet_new(pinfo, tvb, 0, tvb_reported_length(tvb));
    packet->quoted = pinfo->flags.in_error_pkt;
    packet->is_proxied = socks_is_proxied(pinfo);
    if (packet->is_proxied) {
        socks_endpoints_set(&packet->packet, pinfo, tvb);
    } else {
        tracking_endpoint_set(&packet->packet.src, &pinfo->src, (uint16_t)pinfo->srcport);
        tracking_endpoint_set(&packet->packet.dst, &pinfo->dst, (uint16_t)pinfo->destport);
    }
    return packet;
}

/* Does the payload's UDP header promise more bytes than the IP packet has? The tracker does not receive such a
 * datagram, and it is left to BT-DHT. */
static bool is_too_short(tvbuff_t *tvb, packet_info *pinfo)
{
    tvbuff_t *source = tvb_get_ds_tvb(tvb);
    int header = tvb_raw_offset(tvb) - UDP_HEADER_LEN;

    return !pinfo->flags.in_error_pkt && header >= 0 && tvb_get_ntohs(source, header) == pinfo->srcport &&
           tvb_get_ntohs(source, header + 2) == pinfo->destport &&
           tvb_get_ntohs(source, header + 4) > UDP_HEADER_LEN + tvb_reported_length(tvb);
}

static int dissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, bool forced)
{
    tracking_packet *packet;

    if (tvb_captured_length(tvb) == 0 || tvb_get_uint8(tvb, 0) != 'd') {
        return 0;
    }
    packet = packet_get(pinfo, tvb);
    /* A conversation's dissector is asked before those that the user has assigned to its ports. */
    if (packet->is_shown || (!forced && !dissect_is_wanted(packet))) {
        return 0;
    }
    if (!forced && is_too_short(tvb, pinfo)) {
        packet->is_refused = packet->is_tracked = true;
        return 0;
    }
    if (!(packet->quoted ? tracking_quote_is_message(pinfo, packet)
                         : tracking_put_message(pinfo, packet, forced, false))) {
        return 0;
    }
    dissect_message(pinfo, tree, tvb, packet);
    return (int)packet->len;
}

static int dissect_forced(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    return dissect(tvb, pinfo, tree, true);
}

static int dissect_conversation(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    return dissect(tvb, pinfo, tree, false);
}

/* The whole test of Wireshark's BT-DHT heuristic. */
static bool is_for_built_in(tvbuff_t *tvb)
{
    static const char prefixes[][BUILT_IN_PREFIX_LEN + 1] = {"d1:ad", "d1:rd", "d2:ip", "d1:el"};

    if (built_in == NULL || !built_in->enabled || !proto_is_protocol_enabled(built_in->protocol) ||
        tvb_captured_length(tvb) < BUILT_IN_PREFIX_LEN) {
        return false;
    }
    for (unsigned i = 0; i < array_length(prefixes); i++) {
        if (tvb_memeql(tvb, 0, (const uint8_t *)prefixes[i], BUILT_IN_PREFIX_LEN) == 0) {
            return true;
        }
    }
    return false;
}

/* Wireshark moves the heuristic that has accepted a packet to the front of the list. If BT-DHT's were there, it would
 * be asked before this one from then on. So a packet that only BT-DHT accepts is handed to it from here. It is a layer
 * of the frame then, and this one is not. In each pass it binds the conversation to itself, which is undone. */
static void built_in_call(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    wmem_list_frame_t *last = wmem_list_tail(pinfo->layers);

    if (last != NULL && GPOINTER_TO_INT(wmem_list_frame_data(last)) == proto_krpc) {
        wmem_list_remove_frame(pinfo->layers, last);
    }
    TRY
    {
        call_heur_dissector_direct(built_in, tvb, pinfo, tree, data);
    }
    FINALLY
    {
        dissect_bind(pinfo, packet_get(pinfo, tvb));
    }
    ENDTRY;
}

static ws_bool dissect_heuristic(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    if (!prefs_krpc_supersede) {
        return false;
    }
    if (!pinfo->fragmented && dissect(tvb, pinfo, tree, false) != 0) {
        if (!PINFO_FD_VISITED(pinfo)) {
            dissect_bind(pinfo, packet_get(pinfo, tvb));
        }
        return true;
    }
    if (!is_for_built_in(tvb)) {
        return false;
    }
    built_in_call(tvb, pinfo, tree, data);
    return true;
}

bool dissect_is_wanted(const tracking_packet *packet)
{
    return prefs_krpc_supersede && heuristic != NULL && heuristic->enabled &&
           !dissector_is_uint_changed(udp_ports, packet->packet.src.port) &&
           !dissector_is_uint_changed(udp_ports, packet->packet.dst.port);
}

/* May another dissector be replaced by this one? */
static bool is_replaceable(dissector_handle_t handle)
{
    return handle == NULL || dissector_handle_get_protocol_index(handle) == proto_built_in;
}

void dissect_bind(packet_info *pinfo, const tracking_packet *packet)
{
    const krpc_endpoint *src = &packet->packet.src, *dst = &packet->packet.dst;
    conversation_t *conversation;
    address from, to;

    if (packet->quoted || packet->is_proxied || src->addr_len == 0) {
        return;
    }
    set_address(&from, src->addr_len == 4 ? AT_IPv4 : AT_IPv6, src->addr_len, src->addr);
    set_address(&to, dst->addr_len == 4 ? AT_IPv4 : AT_IPv6, dst->addr_len, dst->addr);
    conversation = find_conversation(pinfo->num, &from, &to, CONVERSATION_UDP, src->port, dst->port, 0);
    if (conversation != NULL && is_replaceable(conversation_get_dissector(conversation, pinfo->num))) {
        conversation_set_dissector_from_frame_number(conversation, pinfo->num, conversation_handle);
    }
}

void dissect_register(void)
{
    krpc_handle = register_dissector("krpc", dissect_forced, proto_krpc);
    conversation_handle = create_dissector_handle(dissect_conversation, proto_krpc);
}

void dissect_handoff(void)
{
    udp_ports = find_dissector_table("udp.port");
    heur_dissector_add("udp", dissect_heuristic, "KRPC over UDP", HEURISTIC_NAME, proto_krpc, HEURISTIC_ENABLE);
    heuristic = find_heur_dissector_by_unique_short_name(HEURISTIC_NAME);
    built_in = find_heur_dissector_by_unique_short_name(BUILT_IN_HEURISTIC_NAME);
    if (built_in != NULL) {
        proto_built_in = proto_get_id(built_in->protocol);
    }
    dissector_add_for_decode_as_with_preference("udp.port", krpc_handle);
}
