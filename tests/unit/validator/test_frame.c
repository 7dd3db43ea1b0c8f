/* test_frame.c: the frame reader on the smallest frame of each kind, and on all that is cut or false.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guard.h"

#include <arpa/inet.h>

#include "frame/frame.h"
#include "frame/frame_fragment.h"
#include "unit.h"

#define MAX_FRAME             4096

/* Pieces of frames. Every datagram here goes from 192.0.2.1 or 2001:db8::1, port 6881, to 198.51.100.2 or
 * 2001:db8::2, port 51413, and carries PAYLOAD. Lengths are written out where they matter. */
#define PAYLOAD               "d1:y1:qe"
#define MACS                  "\x02\0\0\0\0\x02\x02\0\0\0\0\x01"
#define ETH4                  MACS "\x08\x00"
#define ETH6                  MACS "\x86\xdd"
#define ADDR4                 "\xc0\x00\x02\x01\xc6\x33\x64\x02"
#define OUTER4                "\xcb\x00\x71\x01\xcb\x00\x71\x02"
#define A6                    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define B6                    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define C6                    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x03"
#define IP4(l, p)             "\x45\0\0" l "\0\x07\0\0\x40" p "\0\0" ADDR4
#define OUT4(l, p)            "\x45\0\0" l "\0\x07\0\0\x40" p "\0\0" OUTER4
#define IP6(l, p)             "\x60\0\0\0\0" l p "\x40" A6 B6
#define OUT6(l, p)            "\x60\0\0\0\0" l p "\x40" C6 C6
#define UDP                   "\x1a\xe1\xc8\xd5\0\x10\0\0"
#define TCP(l)                "\x1a\xe1\xc8\xd5\0\0\0\x64\0\0\0\xc8" l "\x18\xff\xff\0\0\0\0"
#define UDP4                  IP4("\x24", "\x11") UDP PAYLOAD
#define UDP6                  IP6("\x10", "\x11") UDP PAYLOAD
#define SNAP4                 "\xaa\xaa\x03\0\0\0\x08\x00"
#define WLAN(c)               c "\0\0" MACS "\x02\0\0\0\0\x02\x10\0"
#define FRAGMENT4(l, f)       "\x45\0\0" l "\0\x07" f "\x40\x11\0\0" ADDR4

/* A literal with its length; the final NUL is none of it. */
#define BYTES(literal)        (const uint8_t *)(literal), sizeof(literal) - 1
#define CUT(literal, num_cut) (const uint8_t *)(literal), sizeof(literal) - 1 - (num_cut)

typedef struct frame_case {
    const char *name;
    frame_link link;
    const uint8_t *bytes;
    size_t len;
    const char *src;
    const char *dst;
    frame_protocol protocol;
    unsigned num_outer;
} frame_case;

/* clang-format off */
#define V4(name, link, literal, outer) {name, link, BYTES(literal), "192.0.2.1", "198.51.100.2", FRAME_UDP, outer}
#define V6(name, link, literal, outer) {name, link, BYTES(literal), "2001:db8::1", "2001:db8::2", FRAME_UDP, outer}
#define T4(name, link, literal, outer) {name, link, BYTES(literal), "192.0.2.1", "198.51.100.2", FRAME_TCP, outer}
/* clang-format on */

static const frame_case cases[] = {
    V4("Ethernet, IPv4", FRAME_LINK_ETHERNET, ETH4 UDP4, 0),
    V6("Ethernet, IPv6", FRAME_LINK_ETHERNET, ETH6 UDP6, 0),
    V4("Ethernet padding", FRAME_LINK_ETHERNET, ETH4 UDP4 "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa", 0),
    V4("802.1Q", FRAME_LINK_ETHERNET, MACS "\x81\0\0\x07\x08\0" UDP4, 0),
    V4("Q-in-Q", FRAME_LINK_ETHERNET, MACS "\x88\xa8\0\x05\x81\0\0\x07\x08\0" UDP4, 0),
    V4("802.3, LLC/SNAP, padding", FRAME_LINK_ETHERNET, MACS "\0\x2c" SNAP4 UDP4 "\xaa\xaa\xaa", 0),
    V4("LLC/SNAP, OUI of the bridge tunnel", FRAME_LINK_ETHERNET, MACS "\0\x2c\xaa\xaa\x03\0\0\xf8\x08\0" UDP4, 0),
    V4("LLC, IPv4's own", FRAME_LINK_ETHERNET, MACS "\0\x27\x06\x06\x03" UDP4, 0),
    V4("MPLS, two labels", FRAME_LINK_ETHERNET, MACS "\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40" UDP4, 0),
    V4("PPPoE, padding", FRAME_LINK_ETHERNET, MACS "\x88\x64\x11\0\0\x01\0\x26\0\x21" UDP4 "\xaa\xaa", 0),
    V6("PPPoE alone", FRAME_LINK_PPPOE, "\x11\0\0\x01\0\x3a\0\x57" UDP6, 0),
    V4("Linux cooked", FRAME_LINK_SLL, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\0" UDP4, 0),
    V4("Linux cooked, 802.2", FRAME_LINK_SLL, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\0\x04" SNAP4 UDP4, 0),
    V6("Linux cooked v2", FRAME_LINK_SLL2, "\x86\xdd\0\0\0\0\0\x02\0\x01\x04\x06\x02\0\0\0\0\x01\0\0" UDP6, 0),
    V4("raw IPv4", FRAME_LINK_IP, UDP4, 0),
    V6("raw IPv6", FRAME_LINK_IP, UDP6, 0),
    V6("jumbogram", FRAME_LINK_IP, IP6("\x10", "\x11") "\x1a\xe1\xc8\xd5\0\0\0\0" PAYLOAD, 0),
    V4("null, little endian", FRAME_LINK_NULL, "\x02\0\0\0" UDP4, 0),
    V6("null, big endian", FRAME_LINK_NULL, "\0\0\0\x18" UDP6, 0),
    V6("null, macOS", FRAME_LINK_NULL, "\x1e\0\0\0" UDP6, 0),
    V4("PPP", FRAME_LINK_PPP, "\0\x21" UDP4, 0),
    V4("PPP, compressed", FRAME_LINK_PPP, "\x21" UDP4, 0),
    V6("PPP, HDLC framing", FRAME_LINK_PPP, "\xff\x03\0\x57" UDP6, 0),
    V4("PPP, MPLS", FRAME_LINK_PPP, "\x02\x81\x00\x01\x00\x40\x00\x02\x01\x40" UDP4, 0),
    V4("Cisco HDLC", FRAME_LINK_PPP, "\x0f\0\x08\0" UDP4, 0),
    V4("802.11", FRAME_LINK_80211, WLAN("\x08\x01") SNAP4 UDP4, 0),
    V4("802.11, QoS, four addresses", FRAME_LINK_80211, WLAN("\x88\x03") "\x02\0\0\0\0\x01\0\0" SNAP4 UDP4, 0),
    V4("802.11, HT control", FRAME_LINK_80211, WLAN("\x88\x81") "\0\0\0\0\0\0" SNAP4 UDP4, 0),
    V4("radiotap", FRAME_LINK_RADIOTAP, "\0\0\x08\0\0\0\0\0" WLAN("\x08\x01") SNAP4 UDP4, 0),
    V4("radiotap, checksum at the end", FRAME_LINK_RADIOTAP,
       "\0\0\x11\0\x03\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x10" WLAN("\x08\x01") SNAP4 UDP4 "\xff\xff\xff\xff", 0),
    V4("radiotap, two words, padded header", FRAME_LINK_RADIOTAP,
       "\0\0\x0d\0\x02\0\0\x80\0\0\0\0\x20" WLAN("\x88\x01") "\0\0\0\0" SNAP4 UDP4, 0),

    V4("IPv4 options", FRAME_LINK_IP, "\x46\0\0\x28\0\x07\0\0\x40\x11\0\0" ADDR4 "\x94\x04\0\0" UDP PAYLOAD, 0),
    V4("IPv4, total length left to the card", FRAME_LINK_IP, IP4("\0", "\x11") UDP PAYLOAD, 0),
    V6("IPv6 extension headers", FRAME_LINK_IP,
       IP6("\x28", "\0") "\x3c\0\x01\x04\0\0\0\0"
                         "\x2b\0\x01\x04\0\0\0\0"
                         "\x11\0\0\0\0\0\0\0" UDP PAYLOAD,
       0),
    V6("IPv6, AH", FRAME_LINK_IP, IP6("\x1c", "\x33") "\x11\x01\0\0\0\0\0\x01\0\0\0\x01" UDP PAYLOAD, 0),
    V6("IPv6, atomic fragment", FRAME_LINK_IP, IP6("\x18", "\x2c") "\x11\0\0\0\0\0\0\x09" UDP PAYLOAD, 0),
    V4("GRE", FRAME_LINK_IP, OUT4("\x3c", "\x2f") "\0\0\x08\0" UDP4, 1),
    V4("GRE with key, Ethernet", FRAME_LINK_IP, OUT4("\x4e", "\x2f") "\x20\0\x65\x58\0\0\0\x05" ETH4 UDP4, 1),
    V4("GRE of PPTP", FRAME_LINK_IP,
       OUT4("\x4a", "\x2f") "\x30\x81\x88\x0b\0\x26\0\x01\0\0\0\x01\0\0\0\x01"
                            "\0\x21" UDP4,
       1),
    V4("MPLS in IPv4", FRAME_LINK_IP, OUT4("\x3c", "\x89") "\x00\x02\x01\x40" UDP4, 1),
    V4("4in4", FRAME_LINK_IP, OUT4("\x38", "\x04") UDP4, 1),
    V6("6in4", FRAME_LINK_IP, OUT4("\x4c", "\x29") UDP6, 1),
    V4("4in6", FRAME_LINK_IP, OUT6("\x24", "\x04") UDP4, 1),
    V6("6in6", FRAME_LINK_IP, OUT6("\x38", "\x29") UDP6, 1),
    V4("4in6in4", FRAME_LINK_IP, OUT4("\x60", "\x29") OUT6("\x24", "\x04") UDP4, 2),
    V6("NFLOG", FRAME_LINK_NFLOG, "\x0a\0\0\x05\x08\0\x01\0\0\0\0\0\x3c\0\x09\0" UDP6, 0),
    V4("PFLOG", FRAME_LINK_PFLOG, "\x06\x02\0\0\0\0\0\0" UDP4, 0),
    V4("ENC", FRAME_LINK_ENC, "\x02\0\0\0\0\0\0\0\0\0\0\0" UDP4, 0),
    V4("PKTAP", FRAME_LINK_PKTAP, "\x0c\0\0\0\x01\0\0\0\x65\0\0\0" UDP4, 0),
    V4("PPI", FRAME_LINK_PPI, "\0\0\x08\0\x01\0\0\0" ETH4 UDP4, 0),
    V4("netANALYZER", FRAME_LINK_NETANALYZER, "\0\x04\x42\0" ETH4 UDP4, 0),
    V4("802.1ah", FRAME_LINK_ETHERNET, MACS "\x88\xe7\0\0\0\x05" ETH4 UDP4, 0),
    V4("ERSPAN I", FRAME_LINK_IP, OUT4("\x4a", "\x2f") "\0\0\x88\xbe" ETH4 UDP4, 1),
    V4("VXLAN", FRAME_LINK_IP,
       OUT4("\x56", "\x11") "\x9c\x40\x12\xb5\0\x42\0\0"
                            "\x08\0\0\0\0\0\x2a\0" ETH4 UDP4,
       1),
    V6("Teredo", FRAME_LINK_IP, OUT4("\x54", "\x11") "\x0d\xd8\x9c\x40\0\x40\0\0" UDP6, 1),
    V6("Teredo, authentication and origin", FRAME_LINK_IP,
       OUT4("\x69", "\x11") "\x9c\x40\x0d\xd8\0\x55\0\0"
                            "\0\x01\0\0\0\0\0\0\0\0\0\0\0"
                            "\0\0\x11\x22\x33\x44\x55\x66" UDP6,
       1),
    V6("Teredo, long authentication", FRAME_LINK_IP,
       OUT4("\x66", "\x11") "\x9c\x40\x0d\xd8\0\x52\0\0"
                            "\0\x01\x03\x02"
                            "client"
                            "\0\0\0\0\0\0\0\0" UDP6,
       1),
    V4("UDP longer than its datagram", FRAME_LINK_IP, IP4("\x24", "\x11") "\x1a\xe1\xc8\xd5\0\x11\0\0" PAYLOAD, 0),
    V6("UDP of 65535 bytes", FRAME_LINK_IP, IP6("\x10", "\x11") "\x1a\xe1\xc8\xd5\xff\xff\0\0" PAYLOAD, 0),
    V4("UDP-Lite, all covered", FRAME_LINK_IP, IP4("\x24", "\x88") "\x1a\xe1\xc8\xd5\0\0\0\0" PAYLOAD, 0),
    V6("UDP-Lite, header covered", FRAME_LINK_IP, IP6("\x10", "\x88") "\x1a\xe1\xc8\xd5\0\x08\0\0" PAYLOAD, 0),
    T4("TCP", FRAME_LINK_IP, IP4("\x30", "\x06") TCP("\x50") PAYLOAD, 0),
    /* Without a total length nothing but radiotap's flag tells that the last four bytes are the checksum. */
    T4("radiotap, checksum and no length", FRAME_LINK_RADIOTAP,
       "\0\0\x11\0\x03\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x10" WLAN("\x08\x01") SNAP4 IP4("\0", "\x06") TCP("\x50")
           PAYLOAD "\xff\xff\xff\xff",
       0),
    T4("radiotap, the same with two words", FRAME_LINK_RADIOTAP,
       "\0\0\x19\0\x03\0\0\x80\0\0\0\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x10" WLAN("\x08\x01")
           SNAP4 IP4("\0", "\x06") TCP("\x50") PAYLOAD "\xff\xff\xff\xff",
       0),
    T4("TCP options", FRAME_LINK_IP, IP4("\x34", "\x06") TCP("\x60") "\x01\x01\x01\x01" PAYLOAD, 0),
};

static guard guarded;

static frame_status parse(frame_datagram *out, frame_link link, const uint8_t *bytes, size_t len, size_t wirelen)
{
    return frame_parse(out, link, guard_copy(&guarded, bytes, len), (uint32_t)len, (uint32_t)wirelen);
}

static void check_endpoint(const char *name, const krpc_endpoint *endpoint, const char *text, unsigned port)
{
    krpc_endpoint expected = {.port = (uint16_t)port, .addr_len = strchr(text, ':') != NULL ? 16 : 4};

    inet_pton(expected.addr_len == 16 ? AF_INET6 : AF_INET, text, expected.addr);
    if (memcmp(endpoint, &expected, sizeof expected) != 0) {
        printf("\n%s: not from %s port %u", name, text, port);
    }
    CU_ASSERT(memcmp(endpoint, &expected, sizeof expected) == 0);
}

/* The offsets lie in the bytes, and a cut payload is shorter than it was. */
static bool is_consistent(const frame_datagram *d, frame_status status, size_t len)
{
    if (status == FRAME_FRAGMENT) {
        const frame_fragment *f = &d->fragment;
        return f->data_off <= len && f->data_len <= len - f->data_off && f->data_len <= f->data_wire_len;
    }
    if (status != FRAME_DATAGRAM) {
        return true;
    }
    if (d->payload_off > len || d->payload_len > len - d->payload_off || d->payload_len > d->payload_wire_len) {
        return false;
    }
    if (d->protocol != FRAME_ICMP || !d->has_quote) {
        return true;
    }
    const frame_quote *q = &d->quote;
    return q->payload_off <= len && q->payload_len <= len - q->payload_off && q->payload_len <= q->payload_wire_len;
}

static void test_kinds(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const frame_case *c = &cases[i];
        frame_datagram d;
        frame_status status = parse(&d, c->link, c->bytes, c->len, c->len);
        bool good = status == FRAME_DATAGRAM && d.protocol == c->protocol && d.payload_len == 8 &&
                    d.payload_wire_len == 8 && memcmp(d.data + d.payload_off, PAYLOAD, 8) == 0 &&
                    d.num_outer == c->num_outer;
        if (!good) {
            printf("\n%s: status %d, protocol %d", c->name, (int)status, (int)d.protocol);
        }
        CU_ASSERT(good);
        if (!good) {
            continue;
        }
        check_endpoint(c->name, &d.src, c->src, 6881);
        check_endpoint(c->name, &d.dst, c->dst, 51413);
        if (c->protocol == FRAME_TCP) {
            CU_ASSERT(d.tcp_seq == 100 && d.tcp_ack == 200 && d.tcp_flags == 0x18);
        }
    }
}

/* A strict prefix that says how long the frame was is cut, never false. One that does not say is either. */
static void test_prefixes(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const frame_case *c = &cases[i];
        for (size_t n = 0; n < c->len; n++) {
            frame_datagram d;
            frame_status status = parse(&d, c->link, c->bytes, n, c->len);
            bool good = (status == FRAME_CUT || status == FRAME_DATAGRAM) && is_consistent(&d, status, n);
            if (!good) {
                printf("\n%s: the first %zu bytes are status %d", c->name, n, (int)status);
            }
            CU_ASSERT(good);
            status = parse(&d, c->link, c->bytes, n, n);
            CU_ASSERT(is_consistent(&d, status, n));
        }
    }
}

static void test_snap_length(void)
{
    frame_datagram d;

    CU_ASSERT(parse(&d, FRAME_LINK_ETHERNET, CUT(ETH4 UDP4, 3), sizeof(ETH4 UDP4) - 1) == FRAME_DATAGRAM);
    CU_ASSERT(d.payload_len == 5 && d.payload_wire_len == 8);
    CU_ASSERT(!d.is_beyond);
    /* A frame that claims to be whole, and is shorter than its headers say. */
    CU_ASSERT(parse(&d, FRAME_LINK_ETHERNET, CUT(ETH4 UDP4, 3), sizeof(ETH4 UDP4) - 4) == FRAME_DATAGRAM);
    CU_ASSERT(d.payload_len == 5 && d.payload_wire_len == 5 && d.is_beyond);
    /* TCP cut in its options: no payload, but its length and place are known. */
    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(IP4("\x34", "\x06") TCP("\x60") "\x01\x01"), 52) == FRAME_DATAGRAM);
    CU_ASSERT(d.payload_len == 0 && d.payload_wire_len == 8 && d.tcp_seq == 100);
}

/* A DHT node may have chosen a port that a tunnel uses. */
static void test_tunnel_ports(void)
{
    static const uint16_t ports[] = {1701, 2152, 3544, 4789, 4790, 6081, 37008};
    static const uint8_t frame[] = IP4("\x53", "\x11") "\x1a\xe1\x1a\xe1\0\x3f\0\0"
                                                       "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t1:a1:y1:qe";

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        for (size_t side = 20; side <= 22; side += 2) {
            uint8_t bytes[sizeof frame];
            frame_datagram d;

            memcpy(bytes, frame, sizeof bytes);
            bytes[side] = (uint8_t)(ports[i] >> 8);
            bytes[side + 1] = (uint8_t)ports[i];
            CU_ASSERT(parse(&d, FRAME_LINK_IP, bytes, sizeof bytes - 1, sizeof bytes - 1) == FRAME_DATAGRAM);
            CU_ASSERT(d.protocol == FRAME_UDP && d.payload_len == 55 && d.num_outer == 0);
        }
    }
}

/* KRPC on the ports of Teredo and VXLAN: its first byte has the first bits of IPv6, but the lengths do not agree. */
static void test_lookalikes(void)
{
    frame_datagram d;

    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(IP4("\x24", "\x11") "\x0d\xd8\x0d\xd8\0\x10\0\0" PAYLOAD), 36) ==
              FRAME_DATAGRAM);
    CU_ASSERT(d.protocol == FRAME_UDP && d.dst.port == 3544 && d.payload_len == 8 && d.num_outer == 0);
    CU_ASSERT(parse(&d, FRAME_LINK_IP,
                    BYTES(IP4("\x4b", "\x11") "\x12\xb5\x12\xb5\0\x37\0\0"
                                              "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t1:"),
                    75) == FRAME_DATAGRAM);
    CU_ASSERT(d.protocol == FRAME_UDP && d.dst.port == 4789 && d.payload_len == 47);
    CU_ASSERT(parse(&d, FRAME_LINK_IP,
                    BYTES(IP4("\x4b", "\x11") "\x12\xb5\x0d\xd8\0\x37\0\0"
                                              "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t1:"),
                    75) == FRAME_DATAGRAM);
    CU_ASSERT(d.protocol == FRAME_UDP && d.dst.port == 3544 && d.payload_len == 47);
}

typedef struct refused_case {
    const char *name;
    frame_link link;
    const uint8_t *bytes;
    size_t len;
    frame_status status;
} refused_case;

/* clang-format off */
#define REFUSED(name, link, literal, status) {name, link, BYTES(literal), status}
/* clang-format on */

static const refused_case refused[] = {
    REFUSED("nothing", FRAME_LINK_ETHERNET, "", FRAME_MALFORMED),
    REFUSED("link type unknown", FRAME_LINK_UNKNOWN, ETH4 UDP4, FRAME_UNSUPPORTED),
    REFUSED("ARP", FRAME_LINK_ETHERNET, MACS "\x08\x06\0\x01\x08\0", FRAME_OTHER),
    REFUSED("LLC that is no SNAP", FRAME_LINK_ETHERNET, MACS "\0\x03\x42\x42\x03", FRAME_OTHER),
    REFUSED("LLC/SNAP of Cisco", FRAME_LINK_ETHERNET, MACS "\0\x2c\xaa\xaa\x03\0\0\x0c\x08\0" UDP4, FRAME_OTHER),
    REFUSED("half of SNAP", FRAME_LINK_ETHERNET, MACS "\0\x2c\xaa\xab\x03\0\0\0\x08\0" UDP4, FRAME_OTHER),
    REFUSED("half of HDLC framing", FRAME_LINK_PPP, "\xff\x04\0\x21" UDP4, FRAME_OTHER),
    REFUSED("Ethertype of IPv4, header of IPv6", FRAME_LINK_ETHERNET, ETH4 UDP6, FRAME_MALFORMED),
    REFUSED("IPv4 header of 16 bytes", FRAME_LINK_IP, "\x44\0\0\x24\0\x07\0\0\x40\x11\0\0" ADDR4 UDP PAYLOAD,
            FRAME_MALFORMED),
    REFUSED("IPv4 shorter than its header", FRAME_LINK_IP, IP4("\x13", "\x11") UDP PAYLOAD, FRAME_MALFORMED),
    REFUSED("IPv4 options beyond the datagram", FRAME_LINK_IP, "\x4f\0\0\x24\0\x07\0\0\x40\x11\0\0" ADDR4 UDP PAYLOAD,
            FRAME_MALFORMED),
    REFUSED("UDP of 0 bytes in IPv4", FRAME_LINK_IP, IP4("\x24", "\x11") "\x1a\xe1\xc8\xd5\0\0\0\0" PAYLOAD,
            FRAME_MALFORMED),
    REFUSED("UDP of 7 bytes", FRAME_LINK_IP, IP4("\x24", "\x11") "\x1a\xe1\xc8\xd5\0\x07\0\0" PAYLOAD, FRAME_MALFORMED),
    REFUSED("UDP-Lite, coverage of 7 bytes", FRAME_LINK_IP, IP4("\x24", "\x88") "\x1a\xe1\xc8\xd5\0\x07\0\0" PAYLOAD,
            FRAME_MALFORMED),
    REFUSED("UDP header beyond the datagram", FRAME_LINK_IP, IP4("\x1b", "\x11") UDP PAYLOAD, FRAME_MALFORMED),
    REFUSED("TCP header of 16 bytes", FRAME_LINK_IP, IP4("\x30", "\x06") TCP("\x40") PAYLOAD, FRAME_MALFORMED),
    REFUSED("TCP options beyond the segment", FRAME_LINK_IP, IP4("\x30", "\x06") TCP("\x80") PAYLOAD, FRAME_MALFORMED),
    REFUSED("ESP", FRAME_LINK_IP, IP4("\x1c", "\x32") "\0\0\0\x01\0\0\0\x01", FRAME_UNSUPPORTED),
    REFUSED("IPv6 without next header", FRAME_LINK_IP, IP6("\0", "\x3b"), FRAME_OTHER),
    REFUSED("IPv6 extension header beyond the datagram", FRAME_LINK_IP,
            IP6("\x10", "\0") "\x11\xff\x01\x04\0\0\0\0" PAYLOAD, FRAME_MALFORMED),
    REFUSED("hop-by-hop options in IPv4", FRAME_LINK_IP, IP4("\x1c", "\0") "\x11\0\x01\x04\0\0\0\0", FRAME_OTHER),
    REFUSED("ICMPv6 in IPv4", FRAME_LINK_IP, IP4("\x1c", "\x3a") "\x80\0\0\0\0\0\0\0", FRAME_OTHER),
    REFUSED("GRE with source routing", FRAME_LINK_IP, OUT4("\x3c", "\x2f") "\x40\0\x08\0" UDP4, FRAME_UNSUPPORTED),
    REFUSED("GRE of version 7", FRAME_LINK_IP, OUT4("\x3c", "\x2f") "\0\x07\x08\0" UDP4, FRAME_UNSUPPORTED),
    REFUSED("PPPoE discovery", FRAME_LINK_PPPOE, "\x11\x09\0\0\0\0", FRAME_OTHER),
    REFUSED("PPP, LCP", FRAME_LINK_PPP, "\xc0\x21\x01\x01", FRAME_OTHER),
    REFUSED("null, family unknown", FRAME_LINK_NULL, "\x07\0\0\0" UDP4, FRAME_OTHER),
    REFUSED("null, family in neither order", FRAME_LINK_NULL, "\x02\0\x01\0" UDP4, FRAME_OTHER),
    REFUSED("netlink in Linux cooked", FRAME_LINK_SLL, "\0\0\x03\x38\0\0\0\0\0\0\0\0\0\0\x08\0" UDP4, FRAME_OTHER),
    REFUSED("802.11 beacon", FRAME_LINK_80211, WLAN("\x80\0"), FRAME_OTHER),
    REFUSED("802.11 without body", FRAME_LINK_80211, WLAN("\x48\x01"), FRAME_OTHER),
    REFUSED("802.11 encrypted", FRAME_LINK_80211, WLAN("\x08\x41") SNAP4 UDP4, FRAME_UNSUPPORTED),
    REFUSED("802.11 fragment", FRAME_LINK_80211, WLAN("\x08\x05") SNAP4 UDP4, FRAME_OTHER),
    REFUSED("802.11 A-MSDU", FRAME_LINK_80211, WLAN("\x88\x01") "\x80\0" SNAP4 UDP4, FRAME_UNSUPPORTED),
    REFUSED("radiotap of version 1", FRAME_LINK_RADIOTAP, "\x01\0\x08\0\0\0\0\0", FRAME_MALFORMED),
    REFUSED("radiotap of 7 bytes", FRAME_LINK_RADIOTAP, "\0\0\x07\0\0\0\0\0", FRAME_MALFORMED),
    REFUSED("radiotap beyond the frame", FRAME_LINK_RADIOTAP, "\0\0\xff\xff\0\0\0\0", FRAME_MALFORMED),
    REFUSED("radiotap, words without end", FRAME_LINK_RADIOTAP, "\0\0\x0c\0\0\0\0\x80\0\0\0\x80", FRAME_MALFORMED),
    REFUSED("radiotap, flags beyond its end", FRAME_LINK_RADIOTAP, "\0\0\x08\0\x02\0\0\0", FRAME_MALFORMED),
};

static void test_refused(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const refused_case *c = &refused[i];
        frame_datagram d;
        frame_status status = parse(&d, c->link, c->bytes, c->len, c->len);
        if (status != c->status) {
            printf("\n%s: status %d, not %d", c->name, (int)status, (int)c->status);
        }
        CU_ASSERT(status == c->status);
    }
}

/* Headers inside of headers, each of them good: it ends, and it ends at the bound. */
static void test_nesting(void)
{
    uint8_t bytes[MAX_FRAME];
    frame_datagram d;
    size_t len = 0;

    for (unsigned i = 0; i < 40; i++, len += 20) {
        memcpy(bytes + len, OUT4("\0", "\x04"), 20);
        bytes[len + 2] = (uint8_t)((40 - i) * 20 >> 8);
        bytes[len + 3] = (uint8_t)((40 - i) * 20);
    }
    CU_ASSERT(parse(&d, FRAME_LINK_IP, bytes, len, len) == FRAME_UNSUPPORTED);

    memcpy(bytes, MACS "\x81\0", 14);
    for (len = 14; len < 400; len += 4) {
        memcpy(bytes + len, "\0\x07\x81\0", 4);
    }
    CU_ASSERT(parse(&d, FRAME_LINK_ETHERNET, bytes, len, len) == FRAME_UNSUPPORTED);

    memcpy(bytes, IP6("\0", "\x3c"), 40);
    for (len = 40; len < 2000; len += 8) {
        memcpy(bytes + len, "\x3c\0\x01\x04\0\0\0\0", 8);
    }
    CU_ASSERT(parse(&d, FRAME_LINK_IP, bytes, len, len) == FRAME_UNSUPPORTED);
}

static void test_icmp(void)
{
    frame_datagram d;

    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(OUT4("\x40", "\x01") "\x03\x03\0\0\0\0\0\0" UDP4), 64) == FRAME_DATAGRAM);
    CU_ASSERT(d.protocol == FRAME_ICMP && d.icmp_type == 3 && d.icmp_code == 3 && frame_is_port_unreachable(&d));
    check_endpoint("ICMP", &d.src, "203.0.113.1", 0);
    CU_ASSERT_FATAL(d.has_quote);
    CU_ASSERT(d.quote.protocol == FRAME_UDP && d.quote.payload_len == 8 && d.quote.payload_wire_len == 8);
    CU_ASSERT(memcmp(d.data + d.quote.payload_off, PAYLOAD, 8) == 0);
    check_endpoint("quote", &d.quote.src, "192.0.2.1", 6881);
    check_endpoint("quote", &d.quote.dst, "198.51.100.2", 51413);

    /* The eight bytes that RFC 792 asks for, and no more: ports, but no payload. */
    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(OUT4("\x38", "\x01") "\x03\x01\0\0\0\0\0\0" IP4("\x24", "\x11") UDP),
                    56) == FRAME_DATAGRAM);
    CU_ASSERT(d.has_quote && d.quote.payload_len == 0 && d.quote.payload_wire_len == 8 && d.quote.dst.port == 51413);
    CU_ASSERT(!frame_is_port_unreachable(&d));

    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(OUT6("\x40", "\x3a") "\x01\x04\0\0\0\0\0\0" UDP6), 104) == FRAME_DATAGRAM);
    CU_ASSERT(frame_is_port_unreachable(&d) && d.has_quote && d.quote.payload_len == 8);
    check_endpoint("quote", &d.quote.dst, "2001:db8::2", 51413);

    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(OUT6("\x40", "\x3a") "\x01\x01\0\0\0\0\0\0" UDP6), 104) == FRAME_DATAGRAM);
    CU_ASSERT(!frame_is_port_unreachable(&d) && d.has_quote);
    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(UDP4), 36) == FRAME_DATAGRAM && !frame_is_port_unreachable(&d));
    /* A TCP segment, an echo, a later fragment, something else: no quote of ports that are not there. */
    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(OUT4("\x38", "\x01") "\x0b\0\0\0\0\0\0\0" IP4("\x30", "\x06") TCP("\x50")),
                    68) == FRAME_DATAGRAM);
    CU_ASSERT(d.has_quote && d.quote.protocol == FRAME_TCP && d.quote.src.port == 6881);
    CU_ASSERT(parse(&d, FRAME_LINK_IP, BYTES(OUT4("\x40", "\x01") "\x08\0\0\0\0\x01\0\x01" UDP4), 64) ==
              FRAME_DATAGRAM);
    CU_ASSERT(!d.has_quote && !frame_is_port_unreachable(&d) && d.payload_len == 36);
    CU_ASSERT(parse(&d, FRAME_LINK_IP,
                    BYTES(OUT4("\x40", "\x01") "\x03\x03\0\0\0\0\0\0" FRAGMENT4("\x24", "\0\x08") UDP PAYLOAD),
                    64) == FRAME_DATAGRAM);
    CU_ASSERT(!d.has_quote);
}

static bool quotes(const uint8_t *bytes, size_t len, uint32_t payload_len)
{
    frame_datagram d;

    CU_ASSERT(parse(&d, FRAME_LINK_IP, bytes, len, len) == FRAME_DATAGRAM && d.protocol == FRAME_ICMP);
    return d.has_quote && d.quote.src.port == 6881 && d.quote.payload_len == payload_len;
}

/* Quotes behind extension headers; quotes that end where RFC 4884 says, here before the ports or in the payload. */
static void test_icmp_quotes(void)
{
    CU_ASSERT(quotes(
        BYTES(OUT6("\x50", "\x3a") "\x01\x04\0\0\0\0\0\0" IP6("\x20", "\0") "\x2c\0\x01\x04\0\0\0\0"
                                                                            "\x11\0\0\x01\0\0\0\x09" UDP PAYLOAD),
        8));
    CU_ASSERT(!quotes(
        BYTES(OUT6("\x50", "\x3a") "\x01\x04\0\0\0\0\0\0" IP6("\x20", "\0") "\x2c\0\x01\x04\0\0\0\0"
                                                                            "\x11\0\0\x09\0\0\0\x09" UDP PAYLOAD),
        8));
    CU_ASSERT(!quotes(
        BYTES(OUT6("\x48", "\x3a") "\x01\x04\0\0\0\0\0\0" IP6("\x18", "\0") "\x11\xff\x01\x04\0\0\0\0" UDP PAYLOAD),
        8));
    CU_ASSERT(!quotes(BYTES(OUT6("\x30", "\x3a") "\x01\x04\0\0\0\0\0\0" IP6("\x18", "\0")), 0)); /* cut */
    CU_ASSERT(!quotes(
        BYTES(OUT6("\x48", "\x3a") "\x01\x04\0\0\0\0\0\0" IP6("\x18", "\0") "\x11\x02\x01\x04\0\0\0\0" UDP), 0));
    CU_ASSERT(
        quotes(BYTES(OUT4("\x44", "\x01") "\x03\x03\0\0\0\0\0\0" UDP4 "more"), 8)); /* what follows is none of it */
    CU_ASSERT(!quotes(BYTES(OUT4("\x40", "\x01") "\x03\x03\0\0\0\x05\0\0" UDP4), 8));
    CU_ASSERT(quotes(BYTES(OUT4("\x40", "\x01") "\x0b\0\0\0\0\x08\0\0" UDP4), 4));
    CU_ASSERT(quotes(BYTES(OUT4("\x40", "\x01") "\x0c\0\0\0\0\x08\0\0" UDP4), 4));
    CU_ASSERT(quotes(BYTES(OUT4("\x40", "\x01") "\x05\0\0\0\xc0\x08\0\0" UDP4), 8)); /* a redirect: an address there */
    CU_ASSERT(quotes(BYTES(OUT6("\x40", "\x3a") "\x03\0\0\0\x07\0\0\0" UDP6), 8));
    CU_ASSERT(!quotes(BYTES(OUT6("\x40", "\x3a") "\x03\0\0\0\x05\0\0\0" UDP6), 8));
}

static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Bytes changed at random: nothing is read outside, and what comes out lies inside. */
static void test_hostile(void)
{
    static const uint8_t favourites[] = {0, 1, 4, 6, 8, 0x11, 0x29, 0x2c, 0x2f, 0x45, 0x60, 0x7f, 0x80, 0xff};
    frame_fragments *fragments = frame_fragments_new(16, 1 << 16);
    uint32_t random = 2463534242U;

    for (unsigned round = 0; round < 300000; round++) {
        const frame_case *c = &cases[round % (sizeof cases / sizeof cases[0])];
        uint8_t bytes[MAX_FRAME];
        size_t len = random_next(&random) % 4 != 0 ? c->len : random_next(&random) % (c->len + 1);
        memcpy(bytes, c->bytes, c->len);
        for (unsigned i = random_next(&random) % 6; i > 0 && len > 0; i--) {
            uint32_t value = random_next(&random);
            bytes[value % len] =
                (value >> 16) % 2 != 0 ? favourites[(value >> 20) % sizeof favourites] : (uint8_t)(value >> 24);
        }
        frame_datagram d;
        size_t wirelen = random_next(&random) % 2 != 0 ? len : c->len;
        frame_status status = parse(&d, c->link, bytes, len, wirelen);
        CU_ASSERT(is_consistent(&d, status, len));
        (void)frame_fragments_parse(fragments, &d, c->link, guard_copy(&guarded, bytes, len), (uint32_t)len,
                                    (uint32_t)wirelen, (int64_t)round * 1000000);
    }
    frame_fragments_free(fragments);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(test_kinds),        UNIT_TEST(test_prefixes), UNIT_TEST(test_snap_length), UNIT_TEST(test_lookalikes),
        UNIT_TEST(test_tunnel_ports), UNIT_TEST(test_refused),  UNIT_TEST(test_nesting),     UNIT_TEST(test_icmp),
        UNIT_TEST(test_icmp_quotes),  UNIT_TEST(test_hostile),
    };
    int failed;

    guard_init(&guarded, MAX_FRAME);
    failed = UNIT_RUN("frame", tests);
    guard_free(&guarded);
    return failed;
}
