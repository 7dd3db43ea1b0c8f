/* socks.c: the endpoints of a datagram that a SOCKS5 proxy relays (RFC 1928, section 7).
 *
 * Between a node and its proxy, each payload follows a header with the address and port of the remote side: the
 * destination in what the node sends, the source in what it receives. Wireshark's SOCKS dissector removes the header
 * and puts the remote port, but not the remote address, in the place of the proxy's; without a protocol tree it reads
 * the port as 0. So the headers are read again here, from the bytes that precede the payload.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

enum { UDP_HEADER_LEN = 8, SOCKS_BEFORE_ADDRESS = 4, ADDRESS_IPV4 = 1, ADDRESS_IPV6 = 4 };

static int proto_socks = -1;

void socks_handoff(void)
{
    proto_socks = proto_get_id_by_filter_name("socks");
}

bool socks_is_proxied(packet_info *pinfo)
{
    wmem_list_frame_t *own = wmem_list_tail(pinfo->layers);
    wmem_list_frame_t *before = own != NULL ? wmem_list_frame_prev(own) : NULL;

    return before != NULL && proto_socks != -1 && GPOINTER_TO_INT(wmem_list_frame_data(before)) == proto_socks;
}

/* Reads the SOCKS header that ends at off, with an address of addr_len bytes, and the ports of the UDP header before
 * it. */
static bool header_read(krpc_endpoint *remote, uint16_t *src_port, uint16_t *dst_port, tvbuff_t *source, uint32_t off,
                        uint32_t addr_len, uint32_t payload_len)
{
    uint32_t header_len = SOCKS_BEFORE_ADDRESS + addr_len + 2;
    uint8_t bytes[18];

    if (off < UDP_HEADER_LEN + header_len) {
        return false;
    }

    int socks = (int)(off - header_len), udp = socks - UDP_HEADER_LEN;

    if (tvb_get_uint8(source, socks + 3) != (addr_len == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6) ||
        tvb_get_ntohs(source, udp + 4) != UDP_HEADER_LEN + header_len + payload_len) {
        return false;
    }
    tvb_memcpy(source, bytes, socks + SOCKS_BEFORE_ADDRESS, addr_len + 2);
    krpc_endpoint_get(remote, bytes, addr_len + 2);
    *src_port = tvb_get_ntohs(source, udp);
    *dst_port = tvb_get_ntohs(source, udp + 2);
    return true;
}

void socks_endpoints_set(tracker_packet *packet, packet_info *pinfo, tvbuff_t *tvb)
{
    tvbuff_t *source = tvb_get_ds_tvb(tvb);
    uint32_t off = (uint32_t)tvb_raw_offset(tvb), len = tvb_reported_length(tvb);
    uint16_t src_port = 0, dst_port = 0;
    krpc_endpoint remote;

    if (!header_read(&remote, &src_port, &dst_port, source, off, 4, len) &&
        !header_read(&remote, &src_port, &dst_port, source, off, 16, len)) {
        return; /* a domain name: the remote address is not known, and the tracker does not receive the message */
    }
    /* The port that Wireshark has replaced is the proxy's. */
    if (pinfo->srcport == src_port && (pinfo->destport != dst_port || remote.port == dst_port)) {
        tracking_endpoint_set(&packet->src, &pinfo->src, src_port);
        packet->dst = remote;
    } else {
        packet->src = remote;
        tracking_endpoint_set(&packet->dst, &pinfo->dst, dst_port);
    }
}
