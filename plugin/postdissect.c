/* postdissect.c: reads what other dissectors have taken: TCP, uTP, ICMP errors, KRPC on ports of other protocols.
 *
 * A heuristic sees only datagrams that no other dissector has taken. The tracker needs more: TCP segments and uTP, for
 * the ports in peer wire messages; ICMP errors; datagrams that show that a port is in use. A postdissector sees each
 * frame after all other dissectors. This one reads the places of the UDP, TCP and ICMP headers from the protocol tree,
 * which Wireshark makes on the first pass over a file because the postdissector wants the items of these protocols. It
 * reads the rest from the packet's bytes. What it finds is stored with the frame. It shows what is stored, in the first
 * pass and in later ones, which may have no tree.
 *
 * IPv4's item is not wanted: with it, Wireshark would also look up the names of all hosts, and take 7 % more time. An
 * IPv4 header is found by its place before the header of UDP, TCP or ICMP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

enum {
    UDP_HEADER_LEN = 8,
    TCP_HEADER_LEN = 20,
    ICMP_HEADER_LEN = 8,
    IPV4_HEADER_LEN = 20,
    IPV4_MAX_HEADER_LEN = 60,
    IPV6_HEADER_LEN = 40,
    IPV6_FRAGMENT = 44, /* numbers of protocols in IP headers */
    IP_ICMP = 1,
    IP_TCP = 6,
    IP_UDP = 17,
    IP_ICMPV6 = 58,
    IPV6_MAX_HEADERS = 8,
    MAX_DATAGRAMS = 32 /* of one frame */
};

static dissector_handle_t postdissector;
static int proto_ipv6, proto_udp, proto_tcp, proto_icmp, proto_icmpv6;

/* ip_header is what the IP header before a transport header says. */
typedef struct ip_header {
    uint32_t end;           /* of the payload in its data source, as sent: it may not be captured */
    bool is_fragment;       /* and not put together */
    krpc_endpoint src, dst; /* the ports are 0 */
} ip_header;

/* datagram is a UDP datagram of the frame. */
typedef struct datagram {
    tvbuff_t *source;
    uint32_t off; /* of its payload */
    uint32_t end;
    tracking_packet *packet;
    bool is_tunnel; /* it has another packet in it */
} datagram;

typedef struct datagrams {
    unsigned num;
    datagram list[MAX_DATAGRAMS];
} datagrams;

static bool has_bytes(tvbuff_t *source, uint32_t off, uint32_t len)
{
    uint32_t captured = tvb_captured_length(source);

    return off <= captured && len <= captured - off;
}

static void addresses_set(ip_header *ip, tvbuff_t *source, uint32_t off, uint32_t addr_len)
{
    krpc_endpoint_set(&ip->src, tvb_get_ptr(source, (int)off, (int)addr_len), addr_len, 0);
    krpc_endpoint_set(&ip->dst, tvb_get_ptr(source, (int)(off + addr_len), (int)addr_len), addr_len, 0);
}

/* Do the IPv6 header at off and its extension headers end at the transport header? A length of 0 is a jumbogram's (RFC
 * 2675), or left to the network card. */
static bool ipv6_read(ip_header *ip, tvbuff_t *source, uint32_t off, uint32_t transport)
{
    uint32_t at = off + IPV6_HEADER_LEN, len;
    unsigned next;

    if (!has_bytes(source, off, IPV6_HEADER_LEN)) {
        return false;
    }
    next = tvb_get_uint8(source, (int)off + 6);
    for (unsigned i = 0; i < IPV6_MAX_HEADERS && at < transport && has_bytes(source, at, 8); i++) {
        bool is_fragment_header = next == IPV6_FRAGMENT;

        if (is_fragment_header) { /* an atomic fragment is whole */
            ip->is_fragment = (tvb_get_ntohs(source, (int)at + 2) & 0xfff9) != 0;
        }
        next = tvb_get_uint8(source, (int)at);
        at += 8 + (is_fragment_header ? 0 : 8 * (uint32_t)tvb_get_uint8(source, (int)at + 1));
    }
    if (at != transport) {
        return false;
    }
    len = tvb_get_ntohs(source, (int)off + 4);
    if (len != 0) {
        ip->end = MIN(ip->end, off + IPV6_HEADER_LEN + len);
    }
    addresses_set(ip, source, off + 8, 16);
    return true;
}

/* Is there an IPv4 header that ends at the transport header? A length of 0 is left to the network card. */
static bool ipv4_read(ip_header *ip, tvbuff_t *source, uint32_t transport, unsigned protocol)
{
    for (uint32_t header_len = IPV4_HEADER_LEN; header_len <= IPV4_MAX_HEADER_LEN && header_len <= transport;
         header_len += 4) {
        int off = (int)(transport - header_len);
        uint32_t len;

        if (tvb_get_uint8(source, off) != (0x40 | header_len / 4) || tvb_get_uint8(source, off + 9) != protocol) {
            continue;
        }
        len = tvb_get_ntohs(source, off + 2);
        if (len != 0) {
            ip->end = MIN(ip->end, (uint32_t)off + len);
        }
        ip->is_fragment = (tvb_get_ntohs(source, off + 6) & 0x3fff) != 0;
        addresses_set(ip, source, (uint32_t)off + 12, 4);
        return true;
    }
    return false;
}

/* Reads the IP header of a transport header of which at least header_len bytes were captured. ipv6 is the last IPv6
 * item before it, or NULL; end is where the header ends that they are in. Without an IP header before it in its data
 * source, which then was put together from fragments, or decrypted, the addresses are those of the frame. */
static bool ip_read(ip_header *ip, packet_info *pinfo, const field_info *ipv6, const field_info *fi,
                    uint32_t header_len, unsigned protocol, uint32_t end)
{
    tvbuff_t *source = fi->ds_tvb;

    *ip = (ip_header){.end = end};
    if (source == NULL || !has_bytes(source, (uint32_t)fi->start, header_len)) {
        return false;
    }
    if (!(ipv6 != NULL && ipv6->ds_tvb == source &&
          ipv6_read(ip, source, (uint32_t)ipv6->start, (uint32_t)fi->start))) {
        *ip = (ip_header){.end = end};
        if (!ipv4_read(ip, source, (uint32_t)fi->start, protocol)) {
            tracking_endpoint_set(&ip->src, &pinfo->src, 0);
            tracking_endpoint_set(&ip->dst, &pinfo->dst, 0);
        }
    }
    return !ip->is_fragment && ip->end >= (uint32_t)fi->start + header_len;
}

static uint32_t source_end(const field_info *fi)
{
    return fi->ds_tvb != NULL ? tvb_reported_length(fi->ds_tvb) : 0;
}

/* The payload of a transport header. off may be past the captured bytes. */
static tracking_packet *packet_new(packet_info *pinfo, const ip_header *ip, tvbuff_t *source, uint32_t header,
                                   uint32_t off, uint32_t end)
{
    tracking_packet *packet = tracking_packet_new(pinfo, source, off, end > off ? end - off : 0);

    packet->packet.src = ip->src;
    packet->packet.dst = ip->dst;
    packet->packet.src.port = tvb_get_ntohs(source, (int)header);
    packet->packet.dst.port = tvb_get_ntohs(source, (int)header + 2);
    return packet;
}

/* The payload of a UDP header; NULL where its length is impossible, except in a quote, which may be cut. */
static tracking_packet *udp_read(packet_info *pinfo, const field_info *ipv6, const field_info *fi, uint32_t end,
                                 bool quoted)
{
    uint32_t off = (uint32_t)fi->start, len;
    tracking_packet *packet = fi->ds_tvb != NULL ? tracking_packet_find(pinfo, fi->ds_tvb, off + UDP_HEADER_LEN) : NULL;
    ip_header ip;

    if (packet != NULL) {
        return packet;
    }
    if (!ip_read(&ip, pinfo, ipv6, fi, UDP_HEADER_LEN, IP_UDP, end)) {
        return NULL;
    }
    len = tvb_get_ntohs(fi->ds_tvb, (int)off + 4);
    if (len == 0 && ip.src.addr_len == 16) { /* a jumbogram */
        len = ip.end - off;
    }
    if (len < UDP_HEADER_LEN || (!quoted && len > ip.end - off)) {
        return NULL;
    }
    return packet_new(pinfo, &ip, fi->ds_tvb, off, off + UDP_HEADER_LEN, off + len);
}

/* The tracker learns nothing from a bare acknowledgment; the command skips these, too. */
static void tcp_read(packet_info *pinfo, const field_info *ipv6, const field_info *fi)
{
    tvbuff_t *source = fi->ds_tvb;
    uint32_t off = (uint32_t)fi->start, header_len;
    tracking_packet *packet;
    ip_header ip;
    unsigned flags;

    if (!prefs_krpc_peerwire || !ip_read(&ip, pinfo, ipv6, fi, TCP_HEADER_LEN, IP_TCP, source_end(fi))) {
        return;
    }
    header_len = 4 * (uint32_t)(tvb_get_uint8(source, (int)off + 12) >> 4);
    flags = tvb_get_uint8(source, (int)off + 13);
    if (header_len < TCP_HEADER_LEN || header_len > ip.end - off ||
        (header_len == ip.end - off && (flags & (TRACKER_TCP_FIN | TRACKER_TCP_SYN | TRACKER_TCP_RST)) == 0)) {
        return;
    }
    packet = packet_new(pinfo, &ip, source, off, off + header_len, ip.end);
    tracking_put_segment(pinfo, packet, tvb_get_ntohl(source, (int)off + 4), tvb_get_ntohl(source, (int)off + 8),
                         flags);
}

/* The quoted datagram's items are in the subtree of the error. */
static void icmp_read(packet_info *pinfo, const field_info *ipv6, const proto_node *node)
{
    const field_info *icmp = PNODE_FINFO(node), *quoted_ipv6 = NULL;
    bool is_v6 = icmp->hfinfo->id == proto_icmpv6;
    ip_header outer;

    if (!ip_read(&outer, pinfo, ipv6, icmp, ICMP_HEADER_LEN, is_v6 ? IP_ICMPV6 : IP_ICMP, source_end(icmp))) {
        return;
    }

    unsigned port_unreachable = is_v6 ? 0x0104 : 0x0303; /* type and code */
    tracker_packet error = {.frame = pinfo->num, .src = outer.src, .dst = outer.dst};

    for (const proto_node *child = node->first_child; child != NULL; child = child->next) {
        const field_info *fi = PNODE_FINFO(child);
        tracking_packet *packet;

        if (fi != NULL && fi->hfinfo->id == proto_ipv6) {
            quoted_ipv6 = fi;
        } else if (fi != NULL && fi->hfinfo->id == proto_udp &&
                   (packet = udp_read(pinfo, quoted_ipv6, fi, outer.end, true)) != NULL) {
            error.time_ns = packet->packet.time_ns;
            packet->quoted = true;
            tracking_put_quote(pinfo, packet, &error, tvb_get_ntohs(icmp->ds_tvb, icmp->start) == port_unreachable);
        }
    }
}

static void datagram_add(datagrams *all, tvbuff_t *source, tracking_packet *packet)
{
    if (packet != NULL && all->num < MAX_DATAGRAMS) {
        all->list[all->num++] = (datagram){source, packet->off, packet->off + packet->wire_len, packet, false};
    }
}

/* An IP header in a datagram, or in a buffer that was made from one, makes it a tunnel's. */
static void tunnels_mark(datagrams *all, const field_info *ip)
{
    for (unsigned i = 0; i < all->num; i++) {
        datagram *d = &all->list[i];

        d->is_tunnel =
            d->is_tunnel || d->source != ip->ds_tvb || ((uint32_t)ip->start >= d->off && (uint32_t)ip->start < d->end);
    }
}

/* Is a message shown from inside of the payload: in a SOCKS5 datagram? */
static bool has_message(packet_info *pinfo, const datagram *d)
{
    for (const tracking_packet *p = tracking_packet_first(pinfo); p != NULL; p = p->next) {
        if (p != d->packet && p->is_shown && !p->quoted && p->is_in_frame == d->packet->is_in_frame &&
            p->off > d->off && p->off < d->end) {
            return true;
        }
    }
    return false;
}

/* A message that another dissector has taken is shown after it. The next ones of its conversation are not taken. */
static void datagram_put(packet_info *pinfo, const datagram *d)
{
    if (d->packet->is_shown || d->is_tunnel || has_message(pinfo, d)) {
        return;
    }
    if (dissect_is_wanted(d->packet) && tracking_put_message(pinfo, d->packet, false, true)) {
        dissect_bind(pinfo, d->packet);
        return;
    }
    tracking_put_datagram(pinfo, d->packet);
}

static void frame_read(packet_info *pinfo, const proto_tree *tree)
{
    const field_info *ipv6 = NULL;
    datagrams all;

    all.num = 0;
    for (const proto_node *node = tree->first_child; node != NULL; node = node->next) {
        const field_info *fi = PNODE_FINFO(node);
        int proto = fi != NULL ? fi->hfinfo->id : -1;

        if (proto == proto_udp) {
            tunnels_mark(&all, fi);
            datagram_add(&all, fi->ds_tvb, udp_read(pinfo, ipv6, fi, source_end(fi), false));
        } else if (proto == proto_tcp) {
            tunnels_mark(&all, fi);
            tcp_read(pinfo, ipv6, fi);
        } else if (proto == proto_icmp || proto == proto_icmpv6) {
            tunnels_mark(&all, fi);
            icmp_read(pinfo, ipv6, node);
        } else if (proto == proto_ipv6) {
            ipv6 = fi;
        }
    }
    for (unsigned i = 0; i < all.num; i++) {
        datagram_put(pinfo, &all.list[i]);
    }
}

/* Showing. */

proto_tree *postdissect_parent(proto_tree *tree, tvbuff_t *source, uint32_t off)
{
    proto_node *found = NULL;

    for (proto_node *node = tree != NULL ? tree->first_child : NULL; node != NULL; node = node->next) {
        const field_info *fi = PNODE_FINFO(node);
        int proto = fi != NULL ? fi->hfinfo->id : -1;

        if ((proto == proto_udp || proto == proto_tcp || proto == proto_icmp || proto == proto_icmpv6) &&
            fi->ds_tvb == source && (uint32_t)fi->start < off) {
            found = node;
        }
    }
    return found != NULL ? proto_item_add_subtree(found, ETT(PEERWIRE)) : tree;
}

/* The data source that a record's payload is in: the frame, or another one; NULL where this pass has not made it. */
static tvbuff_t *source_find(packet_info *pinfo, tvbuff_t *frame, const tracking_record *record)
{
    if (record->is_in_frame) {
        return frame;
    }
    for (const GSList *item = pinfo->data_src; item != NULL; item = item->next) {
        tvbuff_t *source = get_data_source_tvb(item->data);

        if (source != frame && has_bytes(source, record->off, record->len)) {
            return source;
        }
    }
    return NULL;
}

static void message_show(packet_info *pinfo, proto_tree *tree, tvbuff_t *source, tracking_packet *packet,
                         const tracking_rare *found)
{
    packet->packet = found->packet;
    packet->wire_len = found->wire_len;
    tracking_decode(pinfo, packet);
    dissect_message(pinfo, tree,
                    tvb_new_subset_length_caplen(source, (int)packet->off, (int)packet->len, (int)packet->wire_len),
                    packet);
}

static void record_show(packet_info *pinfo, proto_tree *tree, tvbuff_t *frame, const tracking_record *record)
{
    tvbuff_t *source = source_find(pinfo, frame, record);
    tracking_packet *packet;

    if (source == NULL || !has_bytes(source, record->off, record->len)) {
        return;
    }
    packet = tracking_packet_find(pinfo, source, record->off);
    if (packet == NULL) {
        packet = tracking_packet_new(pinfo, source, record->off, record->len);
    }
    packet->record = record;
    switch (record->kind) {
    case TRACKING_QUOTE:
        packet->quoted = true;
        dissect_quote(pinfo, tree, source, packet);
        break;
    case TRACKING_MESSAGE:
        if (!packet->is_shown) {
            message_show(pinfo, tree, source, packet, record->rare);
        }
        break;
    default:
        if (!packet->is_shown && prefs_krpc_peerwire) {
            tree_peerwire_add(pinfo, tree, source, packet);
        }
        break;
    }
}

static void frame_show(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree)
{
    for (const tracking_record *record = tracking_records(pinfo); record != NULL; record = record->next) {
        if (record->kind != TRACKING_MESSAGE || (record->rare != NULL && record->rare->is_found)) {
            record_show(pinfo, tree, tvb, record);
        }
    }
}

static int postdissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    if (prefs_krpc_supersede && tracking_tracker() != NULL) {
        if (!PINFO_FD_VISITED(pinfo) && tree != NULL) {
            frame_read(pinfo, tree);
        }
        frame_show(tvb, pinfo, tree);
    }
    findings_add_conclusions(pinfo, tree);
    return 0; /* so that Wireshark does not name it as a layer of the frame */
}

void postdissect_apply(void)
{
    const int wanted[] = {proto_ipv6, proto_udp, proto_icmp, proto_icmpv6, proto_tcp};
    GArray *fields = NULL;

    if (prefs_krpc_supersede) {
        fields = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_append_vals(fields, wanted, (guint)(array_length(wanted) - (prefs_krpc_peerwire ? 0 : 1)));
    }
    set_postdissector_wanted_hfids(postdissector, fields);
}

void postdissect_register(void)
{
    postdissector = create_dissector_handle(postdissect, proto_krpc);
    register_postdissector(postdissector);
    proto_ipv6 = proto_get_id_by_filter_name("ipv6");
    proto_udp = proto_get_id_by_filter_name("udp");
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_icmp = proto_get_id_by_filter_name("icmp");
    proto_icmpv6 = proto_get_id_by_filter_name("icmpv6");
}
