/* frame_layer.h: what the files of the frame reader share. Each step reads one header, moves the cursor past it and
 * returns the layer that follows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_FRAME_LAYER_H
#define VALIDATOR_FRAME_LAYER_H

#include "frame/frame.h"

typedef enum frame_layer {
    LAYER_DONE, /* cursor.status holds the result */
    LAYER_ETHERNET,
    LAYER_ETHERTYPE, /* cursor.type is an Ethertype */
    LAYER_LLC,
    LAYER_NULL,
    LAYER_SLL,
    LAYER_SLL2,
    LAYER_PPP,
    LAYER_PPPOE,
    LAYER_MPLS,
    LAYER_80211,
    LAYER_RADIOTAP,
    LAYER_NFLOG,
    LAYER_PFLOG,
    LAYER_ENC,
    LAYER_PKTAP,
    LAYER_PPI,
    LAYER_NETANALYZER,
    LAYER_IP,
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_PROTOCOL /* cursor.type is an IP protocol number */
} frame_layer;

/* The layer at the cursor is data[off, end); on the wire it ended at wire_end. off <= end <= wire_end. */
typedef struct frame_cursor {
    const uint8_t *data;
    uint32_t off;
    uint32_t end;
    uint32_t wire_end;
    uint16_t type;
    frame_status status;
    frame_datagram *out;
} frame_cursor;

static inline uint16_t frame_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t frame_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline bool cursor_has(const frame_cursor *c, uint32_t len)
{
    return len <= c->end - c->off;
}

static inline const uint8_t *cursor_at(const frame_cursor *c)
{
    return c->data + c->off;
}

static inline frame_layer cursor_done(frame_cursor *c, frame_status status)
{
    c->status = status;
    return LAYER_DONE;
}

static inline frame_layer cursor_unread(frame_cursor *c, frame_unread unread)
{
    c->out->unread = unread;
    return cursor_done(c, FRAME_UNSUPPORTED);
}

/* A header of len bytes is not there: the capture cut it, or the frame never had it. */
static inline frame_layer cursor_short(frame_cursor *c, uint32_t len)
{
    return cursor_done(c, len <= c->wire_end - c->off ? FRAME_CUT : FRAME_MALFORMED);
}

/* The layer at the cursor has len bytes: the rest is padding or a checksum. */
static inline void cursor_limit(frame_cursor *c, uint32_t len)
{
    if (len < c->wire_end - c->off) {
        c->wire_end = c->off + len;
    }
    if (c->end > c->wire_end) {
        c->end = c->wire_end;
    }
}

/* frame_link_layer is the layer that a frame of that link begins with. */
frame_layer frame_link_layer(frame_link link);

/* frame_link_step reads one header of a link layer (frame_link.c); frame_protocol_step what an IP header announced:
 * transport, tunnel or IPv6 extension header (frame_transport.c). */
frame_layer frame_link_step(frame_layer layer, frame_cursor *c);
frame_layer frame_protocol_step(frame_cursor *c);

/* frame_tunnel_udp opens what a UDP datagram between these ports carries; LAYER_DONE: it is no tunnel, and the cursor
 * did not move. frame_tunnel_erspan and frame_tunnel_pbb read one header, as the steps do. (frame_tunnel.c) */
frame_layer frame_tunnel_udp(frame_cursor *c, uint16_t src_port, uint16_t dst_port);
frame_layer frame_tunnel_erspan(frame_cursor *c, bool has_sequence);
frame_layer frame_tunnel_pbb(frame_cursor *c);

#endif
