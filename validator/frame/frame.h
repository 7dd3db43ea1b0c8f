/* frame.h: finds the datagram in a captured frame: source, destination, and the offset of its payload.
 *
 * A small reader of link, network and transport headers; tests/cli/frame_differential.py compares it with tshark.
 * Links: Ethernet (802.1Q, Q-in-Q, 802.1ah, LLC/SNAP, PPPoE, MPLS), Linux cooked v1 and v2, raw IP, null/loopback, PPP,
 * Cisco HDLC, 802.11 data frames with and without radiotap, NFLOG, PFLOG, ENC, PKTAP, PPI, netANALYZER.
 * Networks: IPv4, IPv6 with extension headers. Transports: UDP, UDP-Lite, TCP, ICMP. Tunnels: IP in IP, GRE, PPTP,
 * ERSPAN I to III, VXLAN, VXLAN-GPE, Geneve, GTP-U, L2TP, Teredo, TZSP: the innermost datagram counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_FRAME_H
#define VALIDATOR_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <krpc/endpoint.h>

/* frame_link is the first header of a frame. */
typedef enum frame_link {
    FRAME_LINK_UNKNOWN,
    FRAME_LINK_ETHERNET,
    FRAME_LINK_IP,          /* IPv4 or IPv6, told apart by the first four bits */
    FRAME_LINK_NULL,        /* BSD null and loopback: an address family of 4 bytes, in either byte order */
    FRAME_LINK_SLL,         /* Linux cooked, version 1 */
    FRAME_LINK_SLL2,        /* Linux cooked, version 2 */
    FRAME_LINK_PPP,         /* with or without HDLC framing; Cisco HDLC */
    FRAME_LINK_PPPOE,       /* PPPoE without the Ethernet header */
    FRAME_LINK_80211,       /* IEEE 802.11 */
    FRAME_LINK_RADIOTAP,    /* IEEE 802.11 after a radiotap header */
    FRAME_LINK_NFLOG,       /* Linux's netfilter log */
    FRAME_LINK_PFLOG,       /* the packet filter log of the BSDs */
    FRAME_LINK_ENC,         /* OpenBSD: decapsulated IPsec */
    FRAME_LINK_PKTAP,       /* macOS */
    FRAME_LINK_PPI,         /* per-packet information */
    FRAME_LINK_NETANALYZER, /* Hilscher netANALYZER: Ethernet */
    FRAME_NUM_LINKS
} frame_link;

/* frame_protocol is the payload of an IP datagram. */
typedef enum frame_protocol {
    FRAME_PROTOCOL_OTHER,
    FRAME_UDP,
    FRAME_TCP,
    FRAME_ICMP /* ICMP or ICMPv6, by the address family */
} frame_protocol;

/* frame_status is the result of frame_parse. */
typedef enum frame_status {
    FRAME_DATAGRAM,    /* UDP, TCP or ICMP: *out is filled in */
    FRAME_FRAGMENT,    /* a piece of an IP datagram: out->fragment is filled in, for frame_fragment.h */
    FRAME_OTHER,       /* nothing of that kind inside: ARP, ESP, 802.11 management, ... */
    FRAME_UNSUPPORTED, /* it cannot be told: out->unread says what is not read */
    FRAME_CUT,         /* the captured bytes end before the transport header does */
    FRAME_MALFORMED    /* a header contradicts the length of the frame */
} frame_status;

/* frame_unread is an encapsulation that is not read. */
typedef enum frame_unread {
#define UNREAD(SYMBOL, NAME, TEXT) FRAME_UNREAD_##SYMBOL,
#include "frame/frame_unread.def"
    FRAME_NUM_UNREAD
} frame_unread;

/* frame_unread_name is its name in records, frame_unread_text its name in a sentence. */
const char *frame_unread_name(frame_unread unread);
const char *frame_unread_text(frame_unread unread);

/* TCP flags, as in the header. */
#define FRAME_TCP_FIN 0x01
#define FRAME_TCP_SYN 0x02
#define FRAME_TCP_RST 0x04
#define FRAME_TCP_ACK 0x10

/* frame_link_of is the link of a LINKTYPE_ number of tcpdump.org; FRAME_LINK_UNKNOWN for others than the above. */
frame_link frame_link_of(uint32_t linktype);

/* FRAME_MAX_LAYERS bounds the headers of one frame, tags, labels and extension headers included. */
#define FRAME_MAX_LAYERS 32

/* frame_quote is the datagram that an ICMP error quotes, in the direction in which it was sent: src is the host that
 * receives the error. Quotes are usually cut: payload_len is what was captured, payload_wire_len is what the quoted
 * header claims. */
typedef struct frame_quote {
    krpc_endpoint src;
    krpc_endpoint dst;
    uint32_t payload_off;
    uint32_t payload_len;
    uint32_t payload_wire_len;
    frame_protocol protocol; /* FRAME_UDP or FRAME_TCP; other protocols are not quoted */
} frame_quote;

/* frame_fragment is one fragment of an IP datagram. */
typedef struct frame_fragment {
    krpc_endpoint src; /* port 0 */
    krpc_endpoint dst;
    uint32_t id;
    uint32_t data_off;      /* in the frame */
    uint32_t data_len;      /* captured */
    uint32_t data_wire_len; /* as sent */
    uint32_t offset;        /* of the data in the datagram, in bytes */
    uint8_t protocol;       /* IP protocol number of the datagram */
    bool more;              /* more fragments follow */
} frame_fragment;

/* frame_datagram is the result. Offsets count from data, which is the given frame, or the reassembled datagram. Members
 * that status and protocol do not name are undefined. */
typedef struct frame_datagram {
    const uint8_t *data;
    krpc_endpoint src; /* of the innermost IP header; port 0 for ICMP */
    krpc_endpoint dst;
    uint32_t payload_off;
    uint32_t payload_len;      /* captured */
    uint32_t payload_wire_len; /* as sent, from the headers: more than payload_len if the capture cut it */
    frame_protocol protocol;
    uint8_t num_outer; /* number of IP headers around the innermost */
    bool is_beyond; /* UDP: its length field reaches beyond the IP datagram; the payload is what the IP datagram has */

    uint8_t tcp_flags;
    uint32_t tcp_seq;
    uint32_t tcp_ack;

    uint8_t icmp_type;
    uint8_t icmp_code;
    bool has_quote; /* an ICMP error that quotes a UDP datagram or TCP segment */
    frame_quote quote;

    frame_fragment fragment; /* only with FRAME_FRAGMENT */
    frame_unread unread;     /* only with FRAME_UNSUPPORTED */
} frame_datagram;

/* frame_parse reads caplen bytes at data; the frame had wirelen bytes (at least caplen) before the snap length cut it.
 * It reads no other bytes, keeps no state, and takes about 15 ns for UDP over IPv4 over Ethernet. */
frame_status frame_parse(frame_datagram *out, frame_link link, const uint8_t *data, uint32_t caplen, uint32_t wirelen);

/* frame_is_port_unreachable is true for an ICMP error "port unreachable" about the quoted port. */
bool frame_is_port_unreachable(const frame_datagram *datagram);

#endif
