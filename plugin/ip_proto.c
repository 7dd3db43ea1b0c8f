/* ip_proto.c: receives every UDP datagram, TCP segment and ICMP error before Wireshark's own dissectors.
 *
 * The tracker needs all of them: KRPC on ports of other protocols, peer wire messages after encrypted handshakes and
 * inside uTP, and any datagram that shows that a port is in use. A heuristic sees only packets that no other dissector
 * has taken. A postdissector has to ask for a protocol tree and to find addresses and payload in it again. So this file
 * replaces the entries for UDP, TCP and ICMP in the table "ip.proto", and calls the dissectors that it replaced. It
 * adds no layer. Its entries are registered as part of these protocols: where one is disabled, its entry here is
 * disabled, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

enum { UDP, TCP, ICMP, ICMPV6, NUM_OBSERVED };

enum { UDP_HEADER_LEN = 8, TCP_HEADER_LEN = 20, ICMP_HEADER_LEN = 8 };

static const struct observed_info {
    const char *parent;
    const char *name;
    const char *short_name;
    const char *filter;
    uint32_t number; /* in "ip.proto" */
} observed_info[NUM_OBSERVED] = {
    {"udp", "UDP, also read by KRPC", "UDP (KRPC)", "krpc_udp", 17},
    {"tcp", "TCP, also read by KRPC", "TCP (KRPC)", "krpc_tcp", 6},
    {"icmp", "ICMP, also read by KRPC", "ICMP (KRPC)", "krpc_icmp", 1},
    {"icmpv6", "ICMPv6, also read by KRPC", "ICMPv6 (KRPC)", "krpc_icmpv6", 58},
};

static int proto_observed[NUM_OBSERVED];
static dissector_handle_t observed_handle[NUM_OBSERVED]; /* of Wireshark's own dissectors */

static tracking_packet *current;   /* the innermost datagram that is being dissected */
static const tracker_packet *icmp; /* the ICMP error that is being dissected */
static bool icmp_is_port_unreachable;

tracking_packet *ip_proto_current(tvbuff_t *tvb)
{
    if (current != NULL && current->key == (uint32_t)tvb_raw_offset(tvb)) {
        return current;
    }
    return NULL;
}

static bool is_wanted(packet_info *pinfo)
{
    return tracking_tracker() != NULL && !pinfo->fragmented &&
           proto_is_protocol_enabled(find_protocol_by_id(proto_krpc));
}

/* A datagram that has another one inside of it belongs to a tunnel, and is not handed to the tracker. */
static void enter(tracking_packet *packet)
{
    packet->outer = current;
    for (tracking_packet *outer = current; outer != NULL; outer = outer->outer) {
        outer->has_inner = true;
    }
    current = packet;
}

static void leave(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet)
{
    current = packet->outer;
    if (packet->quoted) {
        if (packet->record != NULL && !packet->is_shown) {
            dissect_quote(pinfo, tree, tvb, packet);
        }
        return;
    }
    tracking_put_datagram(pinfo, packet);
    if (prefs_krpc_peerwire && packet->record != NULL && packet->record->kind == TRACKING_OTHER) {
        tree_peerwire_add(pinfo, tree, tvb, packet);
    }
}

/* Reads the header of a datagram; NULL where its length is impossible. */
static tracking_packet *read_udp(packet_info *pinfo, tvbuff_t *tvb)
{
    if (tvb_captured_length(tvb) < UDP_HEADER_LEN) {
        return NULL;
    }

    uint32_t len = tvb_get_ntohs(tvb, 4);
    uint32_t there = tvb_reported_length(tvb);

    if (len == 0 && pinfo->src.type == AT_IPv6) { /* a jumbogram (RFC 2675) */
        len = there;
    }
    if (len < UDP_HEADER_LEN || (len > there && !pinfo->flags.in_error_pkt)) {
        return NULL;
    }
    return tracking_packet_new(pinfo, tvb, UDP_HEADER_LEN, len - UDP_HEADER_LEN, tvb_get_ntohs(tvb, 0),
                               tvb_get_ntohs(tvb, 2));
}

static int ip_proto_udp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    tracking_packet *const packet = is_wanted(pinfo) ? read_udp(pinfo, tvb) : NULL;
    volatile int ret = 0;

    if (packet == NULL) {
        return call_dissector_only(observed_handle[UDP], tvb, pinfo, tree, data);
    }
    if (packet->quoted) {
        if (icmp == NULL) {
            return call_dissector_only(observed_handle[UDP], tvb, pinfo, tree, data);
        }
        tracking_put_quote(pinfo, packet, icmp, icmp_is_port_unreachable);
    } else {
        tracking_put_message(pinfo, packet, false);
        if (packet->record != NULL && packet->record->kind == TRACKING_MESSAGE) {
            dissect_bind(pinfo, packet);
        }
    }
    enter(packet);
    TRY
    {
        ret = call_dissector_only(observed_handle[UDP], tvb, pinfo, tree, data);
    }
    FINALLY
    {
        leave(pinfo, tree, tvb, packet);
    }
    ENDTRY;
    return ret;
}

static tracking_packet *read_tcp(packet_info *pinfo, tvbuff_t *tvb)
{
    if (tvb_captured_length(tvb) < TCP_HEADER_LEN) {
        return NULL;
    }

    uint32_t header_len = (uint32_t)(tvb_get_uint8(tvb, 12) >> 4) * 4;
    uint32_t there = tvb_reported_length(tvb);

    if (header_len < TCP_HEADER_LEN || header_len > there) {
        return NULL;
    }
    /* The tracker learns nothing from a bare acknowledgment; the validator skips these, too. */
    if (header_len == there && (tvb_get_uint8(tvb, 13) & (TRACKER_TCP_FIN | TRACKER_TCP_SYN | TRACKER_TCP_RST)) == 0) {
        return NULL;
    }
    return tracking_packet_new(pinfo, tvb, header_len, there - header_len, tvb_get_ntohs(tvb, 0),
                               tvb_get_ntohs(tvb, 2));
}

static int ip_proto_tcp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    tracking_packet *const packet =
        is_wanted(pinfo) && prefs_krpc_peerwire && !pinfo->flags.in_error_pkt ? read_tcp(pinfo, tvb) : NULL;
    volatile int ret = 0;

    if (packet == NULL) {
        return call_dissector_only(observed_handle[TCP], tvb, pinfo, tree, data);
    }
    TRY
    {
        ret = call_dissector_only(observed_handle[TCP], tvb, pinfo, tree, data);
    }
    FINALLY
    {
        tracking_put_segment(pinfo, packet, tvb_get_ntohl(tvb, 4), tvb_get_ntohl(tvb, 8), tvb_get_uint8(tvb, 13));
        if (packet->record != NULL) {
            tree_peerwire_add(pinfo, tree, tvb, packet);
        }
    }
    ENDTRY;
    return ret;
}

static int ip_proto_error(dissector_handle_t handle, bool port_unreachable, tvbuff_t *tvb, packet_info *pinfo,
                          proto_tree *tree, void *data)
{
    const tracker_packet *const outer = icmp;
    const bool outer_is_port_unreachable = icmp_is_port_unreachable;
    volatile int ret = 0;

    if (pinfo->flags.in_error_pkt || !is_wanted(pinfo)) {
        return call_dissector_only(handle, tvb, pinfo, tree, data);
    }
    icmp = &tracking_packet_new(pinfo, tvb, 0, 0, 0, 0)->packet;
    icmp_is_port_unreachable = port_unreachable;
    TRY
    {
        ret = call_dissector_only(handle, tvb, pinfo, tree, data);
    }
    FINALLY
    {
        icmp = outer;
        icmp_is_port_unreachable = outer_is_port_unreachable;
    }
    ENDTRY;
    return ret;
}

static int ip_proto_icmp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    bool port = tvb_captured_length(tvb) >= ICMP_HEADER_LEN && tvb_get_ntohs(tvb, 0) == 0x0303;

    return ip_proto_error(observed_handle[ICMP], port, tvb, pinfo, tree, data);
}

static int ip_proto_icmpv6(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    bool port = tvb_captured_length(tvb) >= ICMP_HEADER_LEN && tvb_get_ntohs(tvb, 0) == 0x0104;

    return ip_proto_error(observed_handle[ICMPV6], port, tvb, pinfo, tree, data);
}

void ip_proto_register(void)
{
    for (unsigned i = 0; i < NUM_OBSERVED; i++) {
        const struct observed_info *info = &observed_info[i];

        proto_observed[i] = proto_register_protocol_in_name_only(
            info->name, info->short_name, info->filter, proto_get_id_by_filter_name(info->parent), FT_PROTOCOL);
    }
}

void ip_proto_handoff(void)
{
    static const dissector_t observers[NUM_OBSERVED] = {ip_proto_udp, ip_proto_tcp, ip_proto_icmp, ip_proto_icmpv6};
    dissector_table_t table = find_dissector_table("ip.proto");

    for (unsigned i = 0; table != NULL && i < NUM_OBSERVED; i++) {
        observed_handle[i] = dissector_get_uint_handle(table, observed_info[i].number);
        if (observed_handle[i] != NULL) {
            dissector_add_uint("ip.proto", observed_info[i].number,
                               create_dissector_handle(observers[i], proto_observed[i]));
        }
    }
}
