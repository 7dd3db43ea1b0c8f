/* postdissect.c: reads what other dissectors have taken: TCP, uTP, ICMP errors, KRPC on ports of other protocols.
 *
 * A heuristic sees only datagrams that no other dissector has taken. The tracker needs more: TCP segments and uTP, for
 * the ports in peer wire messages; ICMP errors; datagrams that show that a port is in use. A postdissector sees each
 * frame after all other dissectors. This one reads the places of the IP, UDP, TCP and ICMP headers from the protocol
 * tree, which Wireshark makes on the first pass over a file because the postdissector wants the items of these
 * protocols. It reads the rest from the packet's bytes. What it finds is stored with the frame. It shows what is
 * stored, in the first pass and in later ones, which may have no tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

enum {
    UDP_HEADER_LEN = 8,
    TCP_HEADER_LEN = 20,
    ICMP_HEADER_LEN = 8,
    IPV4_HEADER_LEN = 20,
    IPV6_HEADER_LEN = 40,
    IPV6_FRAGMENT = 44,
    IPV6_MAX_HEADERS = 8,
    MAX_DATAGRAMS = 32 /* of one frame */
};

static dissector_handle_t postdissector;
static int proto_ip, proto_ipv6, proto_udp, proto_tcp, proto_icmp, proto_icmpv6;

/* ip_header is what an IP header says of the bytes that follow it. Offsets are those of its data source. */
typedef struct ip_header {
    const field_info *item; /* NULL: there is no such header */
    bool is_read;           /* the rest is set */
    tvbuff_t *source;       /* NULL: the header is not whole */
    uint32_t end;           /* of its payload as sent, which may not be captured */
    uint32_t outer_end;     /* of what it is in */
    bool is_fragment;
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

/* Is one of the IPv6 extension headers between off and end a fragment header? */
static bool has_fragment_header(tvbuff_t *source, uint32_t off)
{
    unsigned next = tvb_get_uint8(source, (int)off + 6);

    off += IPV6_HEADER_LEN;
    for (unsigned i = 0; i < IPV6_MAX_HEADERS && has_bytes(source, off, 8); i++) {
        switch (next) {
        case 0:  /* hop-by-hop options */
        case 43: /* routing */
        case 60: /* destination options */
            next = tvb_get_uint8(source, (int)off);
            off += 8 + 8 * (uint32_t)tvb_get_uint8(source, (int)off + 1);
            break;
        case IPV6_FRAGMENT:
            return (tvb_get_ntohs(source, (int)off + 2) & 0xfff9) != 0; /* an atomic fragment is whole */
        default:
            return false;
        }
    }
    return false;
}

static void addresses_set(ip_header *ip, tvbuff_t *source, uint32_t off, uint32_t addr_len)
{
    krpc_endpoint_set(&ip->src, tvb_get_ptr(source, (int)off, (int)addr_len), addr_len, 0);
    krpc_endpoint_set(&ip->dst, tvb_get_ptr(source, (int)(off + addr_len), (int)addr_len), addr_len, 0);
}

static void ip_set(ip_header *ip, const field_info *fi, uint32_t outer_end)
{
    ip->item = fi;
    ip->is_read = false;
    ip->outer_end = outer_end;
}

/* The header is read when a packet in it needs it: most datagrams are messages that have been dissected already. A
 * length of 0 is left to the network card, or a jumbogram's (RFC 2675). */
static void ip_read(ip_header *ip)
{
    const field_info *fi = ip->item;
    bool is_v4 = fi != NULL && fi->hfinfo->id == proto_ip;
    uint32_t off, len;

    if (ip->is_read) {
        return;
    }
    ip->is_read = true;
    ip->source = fi != NULL ? fi->ds_tvb : NULL;
    off = fi != NULL ? (uint32_t)fi->start : 0;
    if (ip->source == NULL || !has_bytes(ip->source, off, is_v4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN)) {
        ip->source = NULL;
        return;
    }
    if (is_v4) {
        len = tvb_get_ntohs(ip->source, (int)off + 2);
        ip->is_fragment = (tvb_get_ntohs(ip->source, (int)off + 6) & 0x3fff) != 0;
        addresses_set(ip, ip->source, off + 12, 4);
    } else {
        len = tvb_get_ntohs(ip->source, (int)off + 4);
        len += len != 0 ? IPV6_HEADER_LEN : 0;
        ip->is_fragment = has_fragment_header(ip->source, off);
        addresses_set(ip, ip->source, off + 8, 16);
    }
    ip->end = len != 0 ? MIN(off + len, ip->outer_end) : ip->outer_end;
}

/* Where the payload of a transport header ends. A header that is not in the data source of its IP header is in a buffer
 * that was put together from fragments, or decrypted: that ends where the buffer does. */
static uint32_t end_get(const ip_header *ip, tvbuff_t *source)
{
    return ip->source == source ? ip->end : tvb_reported_length(source);
}

static bool is_readable(ip_header *ip, const field_info *fi, uint32_t header_len)
{
    ip_read(ip);
    return ip->source != NULL && fi->ds_tvb != NULL && !(ip->source == fi->ds_tvb && ip->is_fragment) &&
           has_bytes(fi->ds_tvb, (uint32_t)fi->start, header_len);
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
static tracking_packet *udp_read(packet_info *pinfo, ip_header *ip, const field_info *fi, bool quoted)
{
    tvbuff_t *source = fi->ds_tvb;
    uint32_t off = (uint32_t)fi->start, end, len;
    tracking_packet *packet = source != NULL ? tracking_packet_find(pinfo, source, off + UDP_HEADER_LEN) : NULL;

    if (packet != NULL) {
        return packet;
    }
    if (!is_readable(ip, fi, UDP_HEADER_LEN)) {
        return NULL;
    }
    end = end_get(ip, source);
    len = tvb_get_ntohs(source, (int)off + 4);
    if (len == 0 && ip->src.addr_len == 16) { /* a jumbogram */
        len = end > off ? end - off : 0;
    }
    if (len < UDP_HEADER_LEN || (!quoted && (end < off || len > end - off))) {
        return NULL;
    }
    return packet_new(pinfo, ip, source, off, off + UDP_HEADER_LEN, off + len);
}

static void tcp_read(packet_info *pinfo, ip_header *ip, const field_info *fi)
{
    tvbuff_t *source = fi->ds_tvb;
    uint32_t off = (uint32_t)fi->start, end, header_len;
    tracking_packet *packet;

    if (!prefs_krpc_peerwire || !is_readable(ip, fi, TCP_HEADER_LEN)) {
        return;
    }
    end = end_get(ip, source);
    header_len = 4 * (uint32_t)(tvb_get_uint8(source, (int)off + 12) >> 4);
    if (header_len < TCP_HEADER_LEN || end < off || header_len > end - off) {
        return;
    }
    packet = packet_new(pinfo, ip, source, off, off + header_len, end);
    tracking_put_segment(pinfo, packet, tvb_get_ntohl(source, (int)off + 4), tvb_get_ntohl(source, (int)off + 8),
                         tvb_get_uint8(source, (int)off + 13));
}

/* The quoted datagram's items are in the subtree of the error. */
static void icmp_read(packet_info *pinfo, ip_header *outer, const proto_node *node)
{
    const field_info *icmp = PNODE_FINFO(node);
    ip_header quoted = {0};
    tracking_packet *packet;

    if (!is_readable(outer, icmp, ICMP_HEADER_LEN)) {
        return;
    }

    unsigned port_unreachable = icmp->hfinfo->id == proto_icmp ? 0x0303 : 0x0104; /* type and code */
    tracker_packet error = {.frame = pinfo->num, .src = outer->src, .dst = outer->dst};

    for (const proto_node *child = node->first_child; child != NULL; child = child->next) {
        const field_info *fi = PNODE_FINFO(child);

        if (fi == NULL) {
            continue;
        }
        if (fi->hfinfo->id == proto_ip || fi->hfinfo->id == proto_ipv6) {
            ip_set(&quoted, fi, end_get(outer, icmp->ds_tvb));
        } else if (fi->hfinfo->id == proto_udp && (packet = udp_read(pinfo, &quoted, fi, true)) != NULL) {
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
    datagrams all;
    ip_header ip = {0};

    all.num = 0;
    for (const proto_node *node = tree->first_child; node != NULL; node = node->next) {
        const field_info *fi = PNODE_FINFO(node);
        int proto = fi != NULL ? fi->hfinfo->id : -1;

        if (proto == proto_udp) {
            datagram_add(&all, fi->ds_tvb, udp_read(pinfo, &ip, fi, false));
        } else if (proto == proto_tcp) {
            tcp_read(pinfo, &ip, fi);
        } else if (proto == proto_icmp || proto == proto_icmpv6) {
            icmp_read(pinfo, &ip, node);
        } else if ((proto == proto_ip || proto == proto_ipv6) && fi->ds_tvb != NULL) {
            tunnels_mark(&all, fi);
            ip_set(&ip, fi, tvb_reported_length(fi->ds_tvb));
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

static int postdissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    if (!prefs_krpc_supersede || tracking_tracker() == NULL) {
        return 0;
    }
    if (!PINFO_FD_VISITED(pinfo) && tree != NULL) {
        frame_read(pinfo, tree);
    }
    for (const tracking_record *record = tracking_records(pinfo); record != NULL; record = record->next) {
        if (record->kind != TRACKING_MESSAGE || (record->rare != NULL && record->rare->is_found)) {
            record_show(pinfo, tree, tvb, record);
        }
    }
    return 0; /* so that Wireshark does not name it as a layer of the frame */
}

void postdissect_apply(void)
{
    const int wanted[] = {proto_ip, proto_ipv6, proto_udp, proto_icmp, proto_icmpv6, proto_tcp};
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
    proto_ip = proto_get_id_by_filter_name("ip");
    proto_ipv6 = proto_get_id_by_filter_name("ipv6");
    proto_udp = proto_get_id_by_filter_name("udp");
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_icmp = proto_get_id_by_filter_name("icmp");
    proto_icmpv6 = proto_get_id_by_filter_name("icmpv6");
}
