/* frame_link.c: link layers, down to the Ethertype or the IP header.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "frame/frame_layer.h"

enum {
    ETHERTYPE_MIN = 0x0600, /* smaller values are a length (IEEE 802.3) */
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_TEB = 0x6558, /* Ethernet in a tunnel */
    ETHERTYPE_8021Q = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_PPP = 0x880b,
    ETHERTYPE_TRILL = 0x22f3,
    ETHERTYPE_MPLS = 0x8847,
    ETHERTYPE_MPLS_MULTICAST = 0x8848,
    ETHERTYPE_PPPOE = 0x8864,
    ETHERTYPE_8021AD = 0x88a8,
    ETHERTYPE_MACSEC = 0x88e5,
    ETHERTYPE_8021AH = 0x88e7,
    ETHERTYPE_NSH = 0x894f,
    ETHERTYPE_QINQ_OLD = 0x9100
};

static frame_layer step_ethernet(frame_cursor *c)
{
    if (!cursor_has(c, 14)) {
        return cursor_short(c, 14);
    }
    c->type = frame_get16(cursor_at(c) + 12);
    c->off += 14;
    return LAYER_ETHERTYPE;
}

static frame_layer step_vlan(frame_cursor *c)
{
    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    c->type = frame_get16(cursor_at(c) + 2);
    c->off += 4;
    return LAYER_ETHERTYPE;
}

static frame_layer step_ethertype(frame_cursor *c)
{
    switch (c->type) {
    case ETHERTYPE_IPV4:
        return LAYER_IPV4;
    case ETHERTYPE_IPV6:
        return LAYER_IPV6;
    case ETHERTYPE_8021Q:
    case ETHERTYPE_8021AD:
    case ETHERTYPE_QINQ_OLD:
        return step_vlan(c);
    case ETHERTYPE_MPLS:
    case ETHERTYPE_MPLS_MULTICAST:
        return LAYER_MPLS;
    case ETHERTYPE_PPPOE:
        return LAYER_PPPOE;
    case ETHERTYPE_PPP:
        return LAYER_PPP;
    case ETHERTYPE_TEB:
        return LAYER_ETHERNET;
    case ETHERTYPE_8021AH:
        return frame_tunnel_pbb(c);
    case ETHERTYPE_TRILL:
        return cursor_unread(c, FRAME_UNREAD_TRILL);
    case ETHERTYPE_MACSEC:
        return cursor_unread(c, FRAME_UNREAD_MACSEC);
    case ETHERTYPE_NSH:
        return cursor_unread(c, FRAME_UNREAD_NSH);
    default:
        if (c->type >= ETHERTYPE_MIN) {
            return cursor_done(c, FRAME_OTHER);
        }
        cursor_limit(c, c->type);
        return LAYER_LLC;
    }
}

/* LLC with a SNAP header; for these two OUIs the type is an Ethertype (RFC 1042, bridge tunnel). */
static frame_layer step_llc(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 3)) {
        return cursor_short(c, 3);
    }
    if (p[0] == 0x06 && p[1] == 0x06 && p[2] == 0x03) {
        c->off += 3;
        return LAYER_IPV4;
    }
    if (p[0] != 0xaa || p[1] != 0xaa || p[2] != 0x03) {
        return cursor_done(c, FRAME_OTHER);
    }
    if (!cursor_has(c, 8)) {
        return cursor_short(c, 8);
    }
    uint32_t oui = frame_get32(p + 2) & 0xffffff;
    c->type = frame_get16(p + 6);
    c->off += 8;
    if ((oui != 0 && oui != 0x0000f8) || c->type < ETHERTYPE_MIN) {
        return cursor_done(c, FRAME_OTHER);
    }
    return LAYER_ETHERTYPE;
}

static frame_layer step_mpls(frame_cursor *c)
{
    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    bool bottom = (cursor_at(c)[2] & 1) != 0;
    c->off += 4;
    return bottom ? LAYER_IP : LAYER_MPLS;
}

/* The address family is in the byte order of the capturing host, or in network order (OpenBSD). AF_INET is 2
 * everywhere; AF_INET6 depends on the system. */
static frame_layer step_null(frame_cursor *c)
{
    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    uint32_t family = frame_get32(cursor_at(c));
    if ((family & 0xffff0000) != 0) {
        family = family >> 24 | (family >> 8 & 0xff00) | (family << 8 & 0xff0000) | family << 24;
    }
    c->off += 4;
    switch (family) {
    case 2:
        return LAYER_IPV4;
    case 10: /* Linux */
    case 23: /* Windows */
    case 24: /* NetBSD, OpenBSD */
    case 26: /* illumos */
    case 28: /* FreeBSD */
    case 30: /* macOS */
        return LAYER_IPV6;
    default:
        return cursor_done(c, FRAME_OTHER);
    }
}

/* After the addresses both versions of Linux's cooked header have an Ethertype, or a protocol number of Linux's own. */
static frame_layer step_cooked(frame_cursor *c, uint32_t header_len, uint32_t type_off, uint32_t arphrd_off)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    c->type = frame_get16(p + type_off);
    c->off += header_len;
    if (frame_get16(p + arphrd_off) == 824) { /* ARPHRD_NETLINK: the type is a netlink family */
        return cursor_done(c, FRAME_OTHER);
    }
    if (c->type == 0x0004) { /* LINUX_SLL_P_802_2 */
        return LAYER_LLC;
    }
    return c->type < ETHERTYPE_MIN ? cursor_done(c, FRAME_OTHER) : LAYER_ETHERTYPE;
}

static frame_layer step_pppoe(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 6)) {
        return cursor_short(c, 6);
    }
    if (p[0] != 0x11 || p[1] != 0) {
        return cursor_done(c, FRAME_OTHER);
    }
    c->off += 6;
    cursor_limit(c, frame_get16(p + 4));
    return LAYER_PPP;
}

/* PPP (RFC 1661) with or without address and control bytes, with a protocol of one byte or two; or Cisco HDLC, which
 * has other address bytes and then an Ethertype. */
static frame_layer step_ppp(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    if (p[0] == 0x0f || p[0] == 0x8f) {
        c->type = frame_get16(p + 2);
        c->off += 4;
        return c->type < ETHERTYPE_MIN ? cursor_done(c, FRAME_OTHER) : LAYER_ETHERTYPE;
    }
    if (p[0] == 0xff && p[1] == 0x03) {
        c->off += 2;
        p += 2;
    }
    bool compressed = (p[0] & 1) != 0;
    c->type = compressed ? p[0] : frame_get16(p);
    c->off += compressed ? 1 : 2;
    switch (c->type) {
    case 0x0021:
        return LAYER_IPV4;
    case 0x0057:
        return LAYER_IPV6;
    case 0x0281:
        return LAYER_MPLS;
    default:
        return cursor_done(c, FRAME_OTHER);
    }
}

/* Only data frames; fragmented and encrypted ones are not read. */
static frame_layer step_80211(frame_cursor *c, bool padded)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 24)) {
        return cursor_short(c, 24);
    }
    bool is_data = (p[0] & 0x0f) == 0x08;
    bool has_body = (p[0] & 0x40) == 0;
    bool is_qos = (p[0] & 0x80) != 0;
    bool is_fragment = (p[1] & 0x04) != 0 || (p[22] & 0x0f) != 0;
    if (!is_data || !has_body || is_fragment) {
        return cursor_done(c, FRAME_OTHER);
    }
    if ((p[1] & 0x40) != 0) {
        return cursor_unread(c, FRAME_UNREAD_WLAN_ENCRYPTED);
    }

    uint32_t header_len = (p[1] & 0x03) == 0x03 ? 30 : 24; /* to and from a distribution system: a fourth address */
    uint32_t qos_off = header_len;
    if (is_qos) {
        header_len += (p[1] & 0x80) != 0 ? 6 : 2; /* QoS control, and HT control where the order bit is set */
    }
    if (padded) {
        header_len = (header_len + 3) & ~UINT32_C(3);
    }
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    if (is_qos && (p[qos_off] & 0x80) != 0) {
        return cursor_unread(c, FRAME_UNREAD_WLAN_AMSDU);
    }
    c->off += header_len;
    return LAYER_LLC;
}

/* Radiotap is little-endian. The flags, which announce padding and a checksum at the end, follow the time stamp. */
static frame_layer step_radiotap(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);
    uint32_t fields_off = 8;
    uint8_t flags = 0;

    if (!cursor_has(c, 8)) {
        return cursor_short(c, 8);
    }
    uint32_t header_len = (uint32_t)(p[3] << 8 | p[2]);
    if (p[0] != 0 || header_len < 8) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }
    for (uint32_t word = 4; (p[word + 3] & 0x80) != 0; word += 4, fields_off += 4) {
        if (header_len - fields_off < 4) {
            return cursor_done(c, FRAME_MALFORMED);
        }
    }
    if ((p[4] & 0x01) != 0) { /* TSFT: 8 bytes, aligned to 8 */
        fields_off = ((fields_off + 7) & ~UINT32_C(7)) + 8;
    }
    if ((p[4] & 0x02) != 0) {
        if (fields_off >= header_len) {
            return cursor_done(c, FRAME_MALFORMED);
        }
        flags = p[fields_off];
    }
    c->off += header_len;
    if ((flags & 0x10) != 0 && c->wire_end - c->off >= 4) {
        cursor_limit(c, c->wire_end - c->off - 4);
    }
    return step_80211(c, (flags & 0x20) != 0);
}

/* ---- headers that a capture's maker puts before the packet ---- */

/* A header of len bytes, then the next layer. */
static frame_layer skip_to(frame_cursor *c, uint32_t len, frame_layer next)
{
    if (!cursor_has(c, len)) {
        return cursor_short(c, len);
    }
    c->off += len;
    return next;
}

static uint32_t get32_le(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* Linux's netfilter log: type-length-value fields in the byte order of the machine, nearly always little endian; the
 * packet is the value of NFULA_PAYLOAD (9). */
static frame_layer step_nflog(frame_cursor *c)
{
    if (!cursor_has(c, 4)) {
        return cursor_short(c, 4);
    }
    c->off += 4;
    while (cursor_has(c, 4)) {
        const uint8_t *p = cursor_at(c);
        uint32_t len = (uint32_t)(p[1] << 8 | p[0]);
        if (len < 4) {
            return cursor_done(c, FRAME_MALFORMED);
        }
        if ((p[3] << 8 | p[2]) == 9) {
            cursor_limit(c, len);
            c->off += 4;
            return LAYER_IP;
        }
        len = (len + 3) & ~UINT32_C(3);
        if (!cursor_has(c, len)) {
            return cursor_short(c, len);
        }
        c->off += len;
    }
    return c->end < c->wire_end ? cursor_short(c, 4) : cursor_done(c, FRAME_OTHER);
}

/* OpenBSD's packet filter log: the first byte is the length of the header, which is aligned to 4. */
static frame_layer step_pflog(frame_cursor *c)
{
    if (!cursor_has(c, 1)) {
        return cursor_short(c, 1);
    }
    return skip_to(c, ((uint32_t)*cursor_at(c) + 3) & ~UINT32_C(3), LAYER_IP);
}

static frame_layer layer_of(uint32_t linktype)
{
    frame_link link = frame_link_of(linktype);

    return link == FRAME_LINK_PKTAP || link == FRAME_LINK_PPI ? LAYER_DONE : frame_link_layer(link);
}

/* macOS: the header's length, the kind of record, the link type of what follows; little endian. */
static frame_layer step_pktap(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 12)) {
        return cursor_short(c, 12);
    }
    uint32_t len = get32_le(p);
    frame_layer next = layer_of(get32_le(p + 8));
    if (len < 12) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    if (next == LAYER_DONE || get32_le(p + 4) != 1) { /* PKT_REC_PACKET */
        return cursor_unread(c, FRAME_UNREAD_LINK);
    }
    return skip_to(c, len, next);
}

/* Per-packet information: version, flags, the header's length, the link type of what follows; little endian. */
static frame_layer step_ppi(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, 8)) {
        return cursor_short(c, 8);
    }
    uint32_t len = (uint32_t)(p[3] << 8 | p[2]);
    frame_layer next = layer_of(get32_le(p + 4));
    if (p[0] != 0 || len < 8) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    return next == LAYER_DONE ? cursor_unread(c, FRAME_UNREAD_LINK) : skip_to(c, len, next);
}

/* The second byte has a flag for packets that are no frames, but events on a pin. */
static frame_layer step_netanalyzer(frame_cursor *c)
{
    if (cursor_has(c, 4) && (cursor_at(c)[1] & 1) != 0) {
        return cursor_done(c, FRAME_OTHER);
    }
    return skip_to(c, 4, LAYER_ETHERNET);
}

frame_layer frame_link_step(frame_layer layer, frame_cursor *c)
{
    switch (layer) {
    case LAYER_ETHERNET:
        return step_ethernet(c);
    case LAYER_ETHERTYPE:
        return step_ethertype(c);
    case LAYER_LLC:
        return step_llc(c);
    case LAYER_NULL:
        return step_null(c);
    case LAYER_SLL:
        return step_cooked(c, 16, 14, 2);
    case LAYER_SLL2:
        return step_cooked(c, 20, 0, 8);
    case LAYER_PPP:
        return step_ppp(c);
    case LAYER_PPPOE:
        return step_pppoe(c);
    case LAYER_MPLS:
        return step_mpls(c);
    case LAYER_80211:
        return step_80211(c, false);
    case LAYER_RADIOTAP:
        return step_radiotap(c);
    case LAYER_NFLOG:
        return step_nflog(c);
    case LAYER_PFLOG:
        return step_pflog(c);
    case LAYER_ENC:
        return skip_to(c, 12, LAYER_IP);
    case LAYER_PKTAP:
        return step_pktap(c);
    case LAYER_PPI:
        return step_ppi(c);
    case LAYER_NETANALYZER:
        return step_netanalyzer(c);
    default:
        return cursor_done(c, FRAME_UNSUPPORTED);
    }
}
