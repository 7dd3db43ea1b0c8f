/* frame_tunnel.c: tunnels that begin after a UDP, GRE or Ethernet header.
 *
 * A UDP port alone proves nothing, a DHT node can have chosen it: each tunnel over UDP is opened only where its header
 * is valid, and none is where the payload begins with KRPC's 'd' and a digit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "frame/frame_layer.h"

enum { ETHERTYPE_TEB = 0x6558, ETHERTYPE_ERSPAN = 0x88be, ETHERTYPE_ERSPAN_III = 0x22eb };

#define IPV6_HEADER_LEN     40
#define ETHERNET_HEADER_LEN 14

/* ---- over UDP: LAYER_DONE where the payload is none of the tunnel's ---- */

/* VXLAN (RFC 7348): the flag for a valid id is set, and the header ends in a zero byte. */
static frame_layer open_vxlan(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8 + ETHERNET_HEADER_LEN) || (p[0] & 0x08) == 0 || p[7] != 0) {
        return LAYER_DONE;
    }
    c->off += 8;
    return LAYER_ETHERNET;
}

/* VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): the flags for a valid id and for a next protocol are set. */
static frame_layer open_vxlan_gpe(frame_cursor *c)
{
    static const frame_layer next[] = {LAYER_DONE, LAYER_IPV4, LAYER_IPV6, LAYER_ETHERNET, LAYER_DONE, LAYER_MPLS};
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8) || (p[0] & 0xcc) != 0x0c || p[7] != 0 || p[3] >= sizeof next / sizeof next[0] ||
        next[p[3]] == LAYER_DONE) {
        return LAYER_DONE;
    }
    c->off += 8;
    return next[p[3]];
}

/* Geneve (RFC 8926): version 0, the length of the options in units of 4 bytes, an Ethertype. */
static frame_layer open_geneve(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8) || p[0] >> 6 != 0 || (p[1] & 0x3f) != 0 || p[7] != 0) {
        return LAYER_DONE;
    }
    uint32_t header_len = 8 + (uint32_t)(p[0] & 0x3f) * 4;
    uint16_t type = frame_get16(p + 2);
    if (!cursor_has(c, header_len) || (type != ETHERTYPE_TEB && type != 0x0800 && type != 0x86dd)) {
        return LAYER_DONE;
    }
    c->type = type;
    c->off += header_len;
    return LAYER_ETHERTYPE;
}

/* GTP-U (3GPP TS 29.281): version 1, a T-PDU, extension headers whose lengths are in units of 4 bytes. */
static frame_layer open_gtp_u(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8) || (p[0] & 0xf0) != 0x30 || p[1] != 0xff || frame_get16(p + 2) > c->wire_end - c->off - 8) {
        return LAYER_DONE;
    }
    uint32_t off = 8;
    if ((p[0] & 0x07) != 0) {
        off += 4;
        uint8_t next = cursor_has(c, off) ? p[11] : 0;
        while ((p[0] & 0x04) != 0 && next != 0) {
            if (!cursor_has(c, off + 4) || p[off] == 0 || !cursor_has(c, off + (uint32_t)p[off] * 4)) {
                return LAYER_DONE;
            }
            off += (uint32_t)p[off] * 4;
            next = p[off - 1];
        }
    }
    if (!cursor_has(c, off + 1) || frame_get16(p + 2) <= off - 8) {
        return LAYER_DONE;
    }
    cursor_limit(c, 8 + (uint32_t)frame_get16(p + 2));
    c->off += off;
    return LAYER_IP;
}

/* L2TP version 2 (RFC 2661): a data message carries PPP. Flags tell which fields of the header are there. */
static frame_layer open_l2tp(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 6)) {
        return LAYER_DONE;
    }
    uint16_t flags = frame_get16(p);
    bool has_len = (flags & 0x4000) != 0, has_sequence = (flags & 0x0800) != 0, has_offset = (flags & 0x0200) != 0;
    if ((flags & 0x8000) != 0 || (flags & 0x34ff) != 0x0002) { /* a control message, a reserved bit, another version */
        return LAYER_DONE;
    }
    uint32_t header_len = 6 + (has_len ? UINT32_C(2) : 0) + (has_sequence ? UINT32_C(4) : 0);
    if (has_offset) {
        if (!cursor_has(c, header_len + 2)) {
            return LAYER_DONE;
        }
        header_len += 2 + (uint32_t)frame_get16(p + header_len);
    }
    if (!cursor_has(c, header_len + 4) || (has_len && frame_get16(p + 2) > c->wire_end - c->off)) {
        return LAYER_DONE;
    }
    if (has_len) {
        cursor_limit(c, frame_get16(p + 2));
    }
    if (!cursor_has(c, header_len)) {
        return LAYER_DONE;
    }
    c->off += header_len;
    return LAYER_PPP;
}

/* TZSP, of wireless sensors and Mikrotik's sniffer: version 1, a type, what is inside, then tags up to tag 1. */
static frame_layer open_tzsp(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);
    uint32_t off = 4;

    if (!cursor_has(c, 5) || p[0] != 1 || p[1] > 1) {
        return LAYER_DONE;
    }
    while (cursor_has(c, off + 1) && p[off] != 1) {
        if (p[off] != 0 && !cursor_has(c, off + 2)) {
            return LAYER_DONE;
        }
        off += p[off] == 0 ? 1 : 2 + (uint32_t)p[off + 1];
    }
    if (!cursor_has(c, off + 1)) {
        return LAYER_DONE;
    }
    frame_layer inside = LAYER_DONE;
    switch (frame_get16(p + 2)) {
    case 1:
        inside = LAYER_ETHERNET;
        break;
    case 4:
        inside = LAYER_PPP;
        break;
    case 7:
        inside = LAYER_IP;
        break;
    case 18:
        inside = LAYER_80211;
        break;
    default:
        return LAYER_DONE;
    }
    c->off += off + 1;
    return inside;
}

/* Teredo (RFC 4380): an optional authentication header, an optional origin, an IPv6 packet, whose length has to
 * agree. */
static frame_layer open_teredo(frame_cursor *c)
{
    frame_cursor inner = *c;

    if (cursor_has(&inner, 4) && frame_get16(cursor_at(&inner)) == 0x0001) {
        uint32_t auth_len = 4 + (uint32_t)cursor_at(&inner)[2] + cursor_at(&inner)[3] + 9;
        if (!cursor_has(&inner, auth_len)) {
            return LAYER_DONE;
        }
        inner.off += auth_len;
    }
    if (cursor_has(&inner, 8) && frame_get16(cursor_at(&inner)) == 0x0000) {
        inner.off += 8;
    }
    if (!cursor_has(&inner, IPV6_HEADER_LEN) || *cursor_at(&inner) >> 4 != 6 ||
        frame_get16(cursor_at(&inner) + 4) + UINT32_C(40) != inner.wire_end - inner.off) {
        return LAYER_DONE;
    }
    c->off = inner.off;
    return LAYER_IPV6;
}

static frame_layer open_port(frame_cursor *c, uint16_t port)
{
    switch (port) {
    case 1701:
        return open_l2tp(c);
    case 2152:
        return open_gtp_u(c);
    case 3544:
        return open_teredo(c);
    case 4789:
        return open_vxlan(c);
    case 4790:
        return open_vxlan_gpe(c);
    case 6081:
        return open_geneve(c);
    case 37008:
        return open_tzsp(c);
    default:
        return LAYER_DONE;
    }
}

frame_layer frame_tunnel_udp(frame_cursor *c, uint16_t src_port, uint16_t dst_port)
{
    frame_layer inside = open_port(c, dst_port);

    return inside != LAYER_DONE ? inside : open_port(c, src_port);
}

/* ---- over GRE and Ethernet ---- */

/* ERSPAN (draft-foschiano-erspan): type I is a bare Ethernet frame, type II has 8 bytes, type III 12 and perhaps 8
 * more. */
frame_layer frame_tunnel_erspan(frame_cursor *c, bool has_sequence)
{
    const uint8_t *p = cursor_at(c);
    uint32_t header_len = 0;

    if (c->type == ETHERTYPE_ERSPAN && !has_sequence) {
        return LAYER_ETHERNET;
    }
    header_len = c->type == ETHERTYPE_ERSPAN ? 8 : 12;
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    if (p[0] >> 4 != (c->type == ETHERTYPE_ERSPAN ? 1 : 2)) {
        return cursor_done(c, FRAME_OTHER);
    }
    frame_layer inside = LAYER_ETHERNET;
    if (c->type == ETHERTYPE_ERSPAN_III) {
        uint8_t frame_type = p[10] >> 2 & 0x1f;
        header_len += (p[11] & 1) * UINT32_C(8);
        inside = frame_type == 2 ? LAYER_IP : LAYER_ETHERNET;
        if (frame_type != 0 && frame_type != 2) {
            return cursor_done(c, FRAME_OTHER);
        }
    }
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    c->off += header_len;
    return inside;
}

/* IEEE 802.1ah, provider backbone bridges: a service tag of 4 bytes, then the customer's frame. */
frame_layer frame_tunnel_pbb(frame_cursor *c)
{
    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    c->off += 4;
    return LAYER_ETHERNET;
}
