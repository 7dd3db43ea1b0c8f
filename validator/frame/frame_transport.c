/* frame_transport.c: what follows an IP header: UDP, TCP, ICMP with its quotes, tunnels, IPv6 extension headers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "frame/frame_layer.h"

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_IPV4 = 4,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_IPV6 = 41,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_GRE = 47,
    PROTOCOL_ESP = 50,
    PROTOCOL_AH = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION_OPTIONS = 60,
    PROTOCOL_ETHERIP = 97,
    PROTOCOL_IPCOMP = 108,
    PROTOCOL_L2TPV3 = 115,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_UDP_LITE = 136,
    PROTOCOL_MPLS = 137
};

#define UDP_HEADER_LEN  8
#define TCP_HEADER_LEN  20
#define ICMP_HEADER_LEN 8
#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40

static void payload_set(frame_cursor *c, frame_protocol protocol)
{
    c->out->protocol = protocol;
    c->out->payload_off = c->off;
    c->out->payload_len = c->end - c->off;
    c->out->payload_wire_len = c->wire_end - c->off;
}

/* UDP-Lite (RFC 3828) has a checksum coverage in place of the length: 0 for all, or at least the header. */
static frame_layer step_udp(frame_cursor *c, bool is_lite)
{
    const uint8_t *p = cursor_at(c);
    frame_datagram *out = c->out;

    if (!cursor_has(c, UDP_HEADER_LEN)) {
        return cursor_short(c, UDP_HEADER_LEN);
    }
    uint32_t len = frame_get16(p + 4);
    /* 0 is a jumbogram of IPv6 (RFC 2675), in Wireshark as well. */
    if (len < UDP_HEADER_LEN && (len != 0 || (!is_lite && out->src.addr_len != 16))) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    /* A length beyond the IP datagram is wrong. What is there is read nevertheless, as Wireshark does. */
    out->is_beyond = !is_lite && len > c->wire_end - c->off;
    if (!is_lite && len != 0) {
        cursor_limit(c, len);
    }
    out->src.port = frame_get16(p);
    out->dst.port = frame_get16(p + 2);
    c->off += UDP_HEADER_LEN;
    frame_layer inside = frame_tunnel_udp(c, out->src.port, out->dst.port);
    if (inside != LAYER_DONE) {
        return inside;
    }
    payload_set(c, FRAME_UDP);
    return cursor_done(c, FRAME_DATAGRAM);
}

/* If the snap length cut the options, the sequence numbers are still valid: the captured payload is empty. */
static frame_layer step_tcp(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);
    frame_datagram *out = c->out;

    if (!cursor_has(c, TCP_HEADER_LEN)) {
        return cursor_short(c, TCP_HEADER_LEN);
    }
    uint32_t header_len = (uint32_t)(p[12] >> 4) * 4;
    if (header_len < TCP_HEADER_LEN || header_len > c->wire_end - c->off) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    out->src.port = frame_get16(p);
    out->dst.port = frame_get16(p + 2);
    out->tcp_seq = frame_get32(p + 4);
    out->tcp_ack = frame_get32(p + 8);
    out->tcp_flags = p[13];
    out->protocol = FRAME_TCP;
    out->payload_wire_len = c->wire_end - c->off - header_len;
    c->off = cursor_has(c, header_len) ? c->off + header_len : c->end;
    out->payload_off = c->off;
    out->payload_len = c->end - c->off;
    return cursor_done(c, FRAME_DATAGRAM);
}

/* Reads the quoted IPv4 header; *off and *wire_end become those of the transport header. -1 if there is none. */
static int quote_ipv4(frame_quote *quote, const uint8_t *data, uint32_t *off, uint32_t *wire_end, uint32_t end)
{
    const uint8_t *p = data + *off;

    if (end - *off < IPV4_HEADER_LEN) {
        return -1;
    }
    uint32_t header_len = (uint32_t)(p[0] & 0x0f) * 4;
    if (header_len < IPV4_HEADER_LEN || header_len > end - *off || (frame_get16(p + 6) & 0x1fff) != 0) {
        return -1;
    }
    quote->src.addr_len = quote->dst.addr_len = 4;
    memcpy(quote->src.addr, p + 12, 4);
    memcpy(quote->dst.addr, p + 16, 4);
    *wire_end = *off + frame_get16(p + 2);
    *off += header_len;
    return p[9];
}

static int quote_ipv6(frame_quote *quote, const uint8_t *data, uint32_t *off, uint32_t *wire_end, uint32_t end)
{
    const uint8_t *p = data + *off;

    if (end - *off < IPV6_HEADER_LEN) {
        return -1;
    }
    quote->src.addr_len = quote->dst.addr_len = 16;
    memcpy(quote->src.addr, p + 8, 16);
    memcpy(quote->dst.addr, p + 24, 16);
    *off += IPV6_HEADER_LEN;
    *wire_end = *off + frame_get16(p + 4);
    int protocol = p[6];
    for (unsigned i = 0; i < 8; i++) {
        if (protocol != PROTOCOL_HOP_BY_HOP && protocol != PROTOCOL_ROUTING && protocol != PROTOCOL_FRAGMENT &&
            protocol != PROTOCOL_DESTINATION_OPTIONS) {
            return protocol;
        }
        if (end - *off < 8) {
            return -1;
        }
        p = data + *off;
        bool is_fragment = protocol == PROTOCOL_FRAGMENT;
        if (is_fragment && (frame_get16(p + 2) & 0xfff8) != 0) {
            return -1;
        }
        uint32_t header_len = is_fragment ? 8 : ((uint32_t)p[1] + 1) * 8;
        if (header_len > end - *off) {
            return -1;
        }
        protocol = p[0];
        *off += header_len;
    }
    return -1;
}

/* An error quotes the start of a datagram, at data[off, end). At least eight bytes of its transport header are present
 * (RFC 792): all of UDP's, and the ports of TCP's. */
static bool quote_parse(frame_quote *quote, const uint8_t *data, uint32_t off, uint32_t end)
{
    uint32_t wire_end = 0;
    int protocol = -1;

    *quote = (frame_quote){.protocol = FRAME_PROTOCOL_OTHER};
    if (off < end && data[off] >> 4 == 4) {
        protocol = quote_ipv4(quote, data, &off, &wire_end, end);
    } else if (off < end && data[off] >> 4 == 6) {
        protocol = quote_ipv6(quote, data, &off, &wire_end, end);
    }
    if ((protocol != PROTOCOL_UDP && protocol != PROTOCOL_TCP) || end - off < 4) {
        return false;
    }

    const uint8_t *p = data + off;
    uint32_t header_len = UDP_HEADER_LEN;
    quote->protocol = protocol == PROTOCOL_UDP ? FRAME_UDP : FRAME_TCP;
    quote->src.port = frame_get16(p);
    quote->dst.port = frame_get16(p + 2);
    if (protocol == PROTOCOL_TCP) {
        header_len = end - off > 12 && p[12] >> 4 > 5 ? (uint32_t)(p[12] >> 4) * 4 : TCP_HEADER_LEN;
    }
    quote->payload_off = header_len <= end - off ? off + header_len : end;
    if (wire_end >= off && wire_end - off >= header_len) {
        quote->payload_wire_len = wire_end - off - header_len;
    }
    quote->payload_len = end - quote->payload_off;
    if (quote->payload_len > quote->payload_wire_len) {
        quote->payload_len = quote->payload_wire_len;
    }
    return true;
}

/* RFC 4884: some errors give the length of the quote, because extensions follow it. 0 is "up to the end". */
static uint32_t quote_limit(const uint8_t *icmp, bool is_v6)
{
    if (!is_v6) {
        return icmp[0] == 3 || icmp[0] == 11 || icmp[0] == 12 ? (uint32_t)icmp[5] * 4 : 0;
    }
    return icmp[0] == 1 || icmp[0] == 3 ? (uint32_t)icmp[4] * 8 : 0;
}

static bool icmp_is_error(uint8_t type, bool is_v6)
{
    if (is_v6) {
        return type >= 1 && type <= 4;
    }
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static frame_layer step_icmp(frame_cursor *c, bool is_v6)
{
    const uint8_t *p = cursor_at(c);
    frame_datagram *out = c->out;

    if (out->src.addr_len != (is_v6 ? 16 : 4)) {
        return cursor_done(c, FRAME_OTHER);
    }
    if (!cursor_has(c, ICMP_HEADER_LEN)) {
        return cursor_short(c, ICMP_HEADER_LEN);
    }
    out->icmp_type = p[0];
    out->icmp_code = p[1];
    out->has_quote = false;
    c->off += ICMP_HEADER_LEN;
    payload_set(c, FRAME_ICMP);
    if (icmp_is_error(p[0], is_v6)) {
        uint32_t limit = quote_limit(p, is_v6);
        uint32_t end = limit != 0 && limit < c->end - c->off ? c->off + limit : c->end;
        out->has_quote = quote_parse(&out->quote, c->data, c->off, end);
    }
    return cursor_done(c, FRAME_DATAGRAM);
}

/* GRE version 0 (RFC 2784, RFC 2890) and version 1 of PPTP (RFC 2637). */
static frame_layer step_gre(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    uint16_t flags = frame_get16(p);
    unsigned version = flags & 0x07;
    bool is_pptp = version == 1;
    if (version > 1 || (flags & 0x4000) != 0 || (is_pptp && (flags & 0x2000) == 0)) {
        return cursor_unread(c, FRAME_UNREAD_GRE);
    }
    uint32_t num_words = 1; /* checksum, key, sequence number, acknowledgment: each only if its flag is set */
    for (uint16_t rest = flags & (is_pptp ? 0xb080 : 0xb000); rest != 0; rest &= (uint16_t)(rest - 1)) {
        num_words++;
    }
    uint32_t header_len = num_words * 4;
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    c->type = frame_get16(p + 2);
    c->off += header_len;
    if (is_pptp) { /* the upper half of the key is the payload length */
        cursor_limit(c, frame_get16(p + 4));
    }
    if (c->type == 0x88be || c->type == 0x22eb) {
        return frame_tunnel_erspan(c, (flags & 0x1000) != 0);
    }
    return c->type < 0x0600 || c->off == c->wire_end ? cursor_done(c, FRAME_OTHER) : LAYER_ETHERTYPE;
}

/* Hop-by-hop, routing, destination options, mobility: next header, and the length in units of 8 bytes minus one. AH
 * counts in units of 4 bytes minus two. */
static frame_layer step_extension(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8)) {
        return cursor_short(c, 8);
    }
    uint32_t header_len = c->type == PROTOCOL_AH ? ((uint32_t)p[1] + 2) * 4 : ((uint32_t)p[1] + 1) * 8;
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    c->type = p[0];
    c->off += header_len;
    return LAYER_PROTOCOL;
}

static frame_layer step_fragment(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8)) {
        return cursor_short(c, 8);
    }
    uint16_t fragment = frame_get16(p + 2);
    c->type = p[0];
    c->off += 8;
    if ((fragment & 0xfff9) == 0) {
        return LAYER_PROTOCOL; /* an atomic fragment (RFC 6946) is a whole datagram */
    }
    c->out->fragment = (frame_fragment){
        .src = c->out->src,
        .dst = c->out->dst,
        .id = frame_get32(p + 4),
        .data_off = c->off,
        .data_len = c->end - c->off,
        .data_wire_len = c->wire_end - c->off,
        .offset = fragment & 0xfff8,
        .protocol = p[0],
        .more = (fragment & 1) != 0,
    };
    return cursor_done(c, FRAME_FRAGMENT);
}

frame_layer frame_protocol_step(frame_cursor *c)
{
    bool is_v6 = c->out->src.addr_len == 16;

    switch (c->type) {
    case PROTOCOL_UDP:
        return step_udp(c, false);
    case PROTOCOL_UDP_LITE:
        return step_udp(c, true);
    case PROTOCOL_TCP:
        return step_tcp(c);
    case PROTOCOL_ICMP:
        return step_icmp(c, false);
    case PROTOCOL_ICMPV6:
        return step_icmp(c, true);
    case PROTOCOL_IPV4:
        return LAYER_IPV4;
    case PROTOCOL_IPV6:
        return LAYER_IPV6;
    case PROTOCOL_GRE:
        return step_gre(c);
    case PROTOCOL_MPLS:
        return LAYER_MPLS;
    case PROTOCOL_AH:
        return step_extension(c);
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_DESTINATION_OPTIONS:
    case PROTOCOL_MOBILITY:
        return is_v6 ? step_extension(c) : cursor_done(c, FRAME_OTHER);
    case PROTOCOL_ESP:
        return cursor_unread(c, FRAME_UNREAD_ESP);
    case PROTOCOL_ETHERIP:
        return cursor_unread(c, FRAME_UNREAD_ETHERIP);
    case PROTOCOL_IPCOMP:
        return cursor_unread(c, FRAME_UNREAD_IPCOMP);
    case PROTOCOL_L2TPV3:
        return cursor_unread(c, FRAME_UNREAD_L2TPV3);
    case PROTOCOL_FRAGMENT:
        return is_v6 ? step_fragment(c) : cursor_done(c, FRAME_OTHER);
    default:
        return cursor_done(c, FRAME_OTHER);
    }
}
