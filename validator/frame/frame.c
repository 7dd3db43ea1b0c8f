/* frame.c: the entry of the frame reader, and the IP headers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "frame/frame.h"

#include <string.h>

#include "frame/frame_layer.h"

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40

static const uint8_t first_layer[] = {
    [FRAME_LINK_UNKNOWN] = LAYER_DONE, [FRAME_LINK_ETHERNET] = LAYER_ETHERNET,
    [FRAME_LINK_IP] = LAYER_IP,        [FRAME_LINK_NULL] = LAYER_NULL,
    [FRAME_LINK_SLL] = LAYER_SLL,      [FRAME_LINK_SLL2] = LAYER_SLL2,
    [FRAME_LINK_PPP] = LAYER_PPP,      [FRAME_LINK_PPPOE] = LAYER_PPPOE,
    [FRAME_LINK_80211] = LAYER_80211,  [FRAME_LINK_RADIOTAP] = LAYER_RADIOTAP,
    [FRAME_LINK_NFLOG] = LAYER_NFLOG,  [FRAME_LINK_PFLOG] = LAYER_PFLOG,
    [FRAME_LINK_ENC] = LAYER_ENC,      [FRAME_LINK_PKTAP] = LAYER_PKTAP,
    [FRAME_LINK_PPI] = LAYER_PPI,      [FRAME_LINK_NETANALYZER] = LAYER_NETANALYZER,
};

frame_layer frame_link_layer(frame_link link)
{
    return (frame_layer)first_layer[link];
}

frame_link frame_link_of(uint32_t linktype)
{
    switch (linktype) {
    case 0:   /* NULL */
    case 108: /* LOOP */
        return FRAME_LINK_NULL;
    case 1:
        return FRAME_LINK_ETHERNET;
    case 9:   /* PPP */
    case 50:  /* PPP_HDLC */
    case 104: /* C_HDLC */
        return FRAME_LINK_PPP;
    case 51:
        return FRAME_LINK_PPPOE;
    case 12:  /* DLT_RAW of most systems, of which some write it into files */
    case 101: /* RAW */
    case 228: /* IPV4 */
    case 229: /* IPV6 */
        return FRAME_LINK_IP;
    case 105:
        return FRAME_LINK_80211;
    case 109:
        return FRAME_LINK_ENC;
    case 113:
        return FRAME_LINK_SLL;
    case 117:
        return FRAME_LINK_PFLOG;
    case 127:
        return FRAME_LINK_RADIOTAP;
    case 192:
        return FRAME_LINK_PPI;
    case 239:
        return FRAME_LINK_NFLOG;
    case 240:
        return FRAME_LINK_NETANALYZER;
    case 258:
        return FRAME_LINK_PKTAP;
    case 276:
        return FRAME_LINK_SLL2;
    default:
        return FRAME_LINK_UNKNOWN;
    }
}

/* No byte of a krpc_endpoint that its family does not use may differ from zero. */
static void addresses_set(frame_datagram *out, const uint8_t *src, const uint8_t *dst, uint8_t addr_len)
{
    out->src = (krpc_endpoint){.addr_len = addr_len};
    out->dst = (krpc_endpoint){.addr_len = addr_len};
    if (addr_len == 4) {
        memcpy(out->src.addr, src, 4);
        memcpy(out->dst.addr, dst, 4);
    } else {
        memcpy(out->src.addr, src, 16);
        memcpy(out->dst.addr, dst, 16);
    }
}

static frame_layer step_ipv4(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, IPV4_HEADER_LEN)) {
        return cursor_short(c, IPV4_HEADER_LEN);
    }
    uint32_t header_len = (uint32_t)(p[0] & 0x0f) * 4;
    uint32_t total_len = frame_get16(p + 2);
    if (p[0] >> 4 != 4 || header_len < IPV4_HEADER_LEN) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    /* Segmentation offload leaves the total length at 0: then the datagram reaches to the end of the frame. */
    if (total_len != 0) {
        if (total_len < header_len) {
            return cursor_done(c, FRAME_MALFORMED);
        }
        cursor_limit(c, total_len);
    }
    if (!cursor_has(c, header_len)) {
        return cursor_short(c, header_len);
    }

    addresses_set(c->out, p + 12, p + 16, 4);
    c->out->num_outer++;
    c->off += header_len;
    c->type = p[9];
    uint16_t fragment = frame_get16(p + 6);
    if ((fragment & 0x3fff) == 0) {
        return LAYER_PROTOCOL;
    }
    c->out->fragment = (frame_fragment){
        .src = c->out->src,
        .dst = c->out->dst,
        .id = frame_get16(p + 4),
        .data_off = c->off,
        .data_len = c->end - c->off,
        .data_wire_len = c->wire_end - c->off,
        .offset = (uint32_t)(fragment & 0x1fff) * 8,
        .protocol = p[9],
        .more = (fragment & 0x2000) != 0,
    };
    return cursor_done(c, FRAME_FRAGMENT);
}

static frame_layer step_ipv6(frame_cursor *c)
{
    const uint8_t *p = cursor_at(c);

    if (!cursor_has(c, IPV6_HEADER_LEN)) {
        return cursor_short(c, IPV6_HEADER_LEN);
    }
    if (p[0] >> 4 != 6) {
        return cursor_done(c, FRAME_MALFORMED);
    }
    addresses_set(c->out, p + 8, p + 24, 16);
    c->out->num_outer++;
    c->off += IPV6_HEADER_LEN;
    c->type = p[6];
    /* 0 is a jumbogram or segmentation offload: the packet reaches to the end of the frame. */
    uint32_t payload_len = frame_get16(p + 4);
    if (payload_len != 0) {
        cursor_limit(c, payload_len);
    }
    return LAYER_PROTOCOL;
}

static frame_layer step_ip(frame_cursor *c)
{
    if (!cursor_has(c, 1)) {
        return cursor_short(c, 1);
    }
    switch (*cursor_at(c) >> 4) {
    case 4:
        return LAYER_IPV4;
    case 6:
        return LAYER_IPV6;
    default:
        return cursor_done(c, FRAME_OTHER);
    }
}

/* Fast path: nearly every frame is IP directly after an Ethernet header. */
static frame_layer ethernet_shortcut(frame_cursor *c)
{
    if (!cursor_has(c, 14)) {
        return LAYER_ETHERNET;
    }
    c->type = frame_get16(c->data + 12);
    c->off = 14;
    if (c->type == 0x0800) {
        return step_ipv4(c);
    }
    return c->type == 0x86dd ? step_ipv6(c) : LAYER_ETHERTYPE;
}

frame_status frame_parse(frame_datagram *out, frame_link link, const uint8_t *data, uint32_t caplen, uint32_t wirelen)
{
    frame_cursor c = {
        .data = data,
        .end = caplen,
        .wire_end = wirelen > caplen ? wirelen : caplen,
        .status = FRAME_UNSUPPORTED,
        .out = out,
    };
    frame_layer layer = frame_link_layer(link);

    out->data = data;
    out->num_outer = 0;
    out->unread = FRAME_UNREAD_LINK;
    if (layer == LAYER_ETHERNET) {
        layer = ethernet_shortcut(&c);
    }
    for (unsigned num_layers = 0; layer != LAYER_DONE; num_layers++) {
        if (num_layers == FRAME_MAX_LAYERS) {
            out->unread = FRAME_UNREAD_NESTED;
            return FRAME_UNSUPPORTED;
        }
        switch (layer) {
        case LAYER_IP:
            layer = step_ip(&c);
            break;
        case LAYER_IPV4:
            layer = step_ipv4(&c);
            break;
        case LAYER_IPV6:
            layer = step_ipv6(&c);
            break;
        case LAYER_PROTOCOL:
            layer = frame_protocol_step(&c);
            break;
        default:
            layer = frame_link_step(layer, &c);
            break;
        }
    }
    /* num_outer counted the innermost header as well. */
    if (out->num_outer > 0) {
        out->num_outer--;
    }
    return c.status;
}

const char *frame_unread_name(frame_unread unread)
{
    static const char *const names[] = {
#define UNREAD(SYMBOL, NAME, TEXT) NAME,
#include "frame/frame_unread.def"
    };

    return names[unread];
}

const char *frame_unread_text(frame_unread unread)
{
    static const char *const texts[] = {
#define UNREAD(SYMBOL, NAME, TEXT) TEXT,
#include "frame/frame_unread.def"
    };

    return texts[unread];
}

bool frame_is_port_unreachable(const frame_datagram *datagram)
{
    if (datagram->protocol != FRAME_ICMP) {
        return false;
    }
    if (datagram->src.addr_len == 4) {
        return datagram->icmp_type == 3 && datagram->icmp_code == 3;
    }
    return datagram->icmp_type == 1 && datagram->icmp_code == 4;
}
