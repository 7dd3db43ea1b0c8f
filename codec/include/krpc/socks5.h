/* krpc/socks5.h: datagrams that a SOCKS5 proxy relays (RFC 1928).
 *
 * A client asks on a TCP connection for a relay, and the proxy's reply names the relay's endpoint. Each datagram
 * between client and relay then starts with a header that names the third party: the destination of what the client
 * sends, the source of what it receives.
 *
 *     krpc_socks5 relays;
 *     krpc_socks5_init(&relays);
 *     krpc_socks5_segment(&relays, &src, &dst, data, len);              (every TCP payload)
 *     if (krpc_socks5_datagram(&relays, &src, &dst, &header_len, data, len, wire_len) == KRPC_SOCKS5_OPENED)
 *         ... src and dst are client and third party, and the payload begins at data + header_len
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_SOCKS5_H
#define KRPC_SOCKS5_H

#include <krpc/endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* krpc_socks5_header is the header of a relayed datagram. */
typedef struct krpc_socks5_header {
    krpc_endpoint endpoint; /* the third party; the address is "none" where the header has a host name */
    uint32_t len;
    uint8_t fragment; /* 0: the datagram is whole */
} krpc_socks5_header;

/* krpc_socks5_header_parse reads the header at data: two zero bytes, the fragment number, an address type of RFC 1928,
 * the address, and a port. False: it is none. */
KRPC_EXPORT bool krpc_socks5_header_parse(krpc_socks5_header *out, const uint8_t *data, size_t len);

#define KRPC_SOCKS5_MAX_REQUESTS 16
#define KRPC_SOCKS5_MAX_RELAYS   64

/* krpc_socks5 is the relays of a capture, for the functions below. New ones replace the oldest. */
typedef struct krpc_socks5 {
    struct {
        krpc_endpoint client;
        krpc_endpoint proxy;
    } requests[KRPC_SOCKS5_MAX_REQUESTS]; /* without a reply yet */
    krpc_endpoint relays[KRPC_SOCKS5_MAX_RELAYS];
    uint32_t next_request;
    uint32_t next_relay;
} krpc_socks5;

KRPC_EXPORT void krpc_socks5_init(krpc_socks5 *out);

/* krpc_socks5_segment takes the payload of a TCP segment. It uses a request for a relay (UDP ASSOCIATE), and the reply,
 * where each is a segment by itself. */
KRPC_EXPORT void krpc_socks5_segment(krpc_socks5 *relays, const krpc_endpoint *src, const krpc_endpoint *dst,
                                     const uint8_t *data, size_t len);

typedef enum krpc_socks5_status {
    KRPC_SOCKS5_NONE,   /* not relayed */
    KRPC_SOCKS5_OPENED, /* *src or *dst is the third party, and *header_len is set */
    KRPC_SOCKS5_UNREAD  /* relayed, but to or from a host name, or a fragment */
} krpc_socks5_status;

/* krpc_socks5_datagram takes the payload of a UDP datagram: len bytes were captured of wire_len. Where the capture has
 * not the reply that names the relay, the datagram is opened if what follows the header is certainly KRPC. Then the
 * relay is the side with the public address, else the one on port 1080, else the destination, because a client sends
 * first. */
KRPC_EXPORT krpc_socks5_status krpc_socks5_datagram(krpc_socks5 *relays, krpc_endpoint *src, krpc_endpoint *dst,
                                                    uint32_t *header_len, const uint8_t *data, size_t len,
                                                    size_t wire_len);

#ifdef __cplusplus
}
#endif

#endif
