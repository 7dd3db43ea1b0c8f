/* krpc/trackerwire.h: what a peer tells a tracker over UDP (BEP 15) or HTTP (BEP 3), and its local network (BEP 14), as
 * far as its port goes.
 *
 *     trackerwire_message m;
 *     krpc_advert a;
 *     if (trackerwire_udp_parse(&m, data, len) == TRACKERWIRE_ANNOUNCE && trackerwire_advert(&a, &m))
 *         ...
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_TRACKERWIRE_H
#define KRPC_TRACKERWIRE_H

#include <krpc/advert.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The ports of local service discovery, to 239.192.152.143 and [ff15::efc0:988f]. */
#define TRACKERWIRE_LSD_PORT 6771

typedef enum trackerwire_kind {
    TRACKERWIRE_NONE,
    TRACKERWIRE_CONNECT,   /* to a UDP tracker; certain by its 64-bit magic number */
    TRACKERWIRE_CONNECTED, /* looks like the answer: take it only for a connect with the same transaction id */
    TRACKERWIRE_ANNOUNCE,  /* to a UDP tracker; plausible, and proved where a CONNECTED gave its connection id */
    TRACKERWIRE_LSD,       /* to the local network */
    TRACKERWIRE_HTTP       /* an announce to a tracker over HTTP */
} trackerwire_kind;

/* trackerwire_kind_name is "none", "connect", "connected", "announce", "lsd" or "http". */
KRPC_EXPORT const char *trackerwire_kind_name(trackerwire_kind kind);

/* trackerwire_message is one datagram or request: a plain value, without pointers. */
typedef struct trackerwire_message {
    uint8_t kind;  /* trackerwire_kind */
    uint8_t event; /* announce, HTTP: 0 none, 1 completed, 2 started, 3 stopped, 4 paused */
    bool has_port;
    bool has_info_hash;
    bool has_peer_id;
    uint32_t transaction_id; /* connect, connected, announce */
    uint64_t connection_id;  /* connected, announce */
    uint8_t info_hash[20];   /* announce, LSD, HTTP: the first one */
    uint8_t peer_id[20];     /* announce, HTTP */
    uint32_t num_info_hashes;
    int64_t port;      /* announce, LSD, HTTP: as sent; 0 and 70000 are possible in LSD and HTTP */
    uint32_t port_off; /* announce: 2 bytes; LSD, HTTP: the digits */
    uint32_t port_len;
    krpc_endpoint endpoint; /* announce, HTTP: the address that it asks the tracker to take, "none" when it asks for
                               none. Of HTTP's only an IPv4 address is read. */
} trackerwire_message;

/* trackerwire_udp_parse recognises connect, connected and announce (98 bytes or, with BEP 41's options, more). It is
 * strict, because any UDP packet comes here: an announce has a port, an event of BEP 15, sane numbers, an info-hash,
 * followed by nothing but options. Returns out->kind. */
KRPC_EXPORT trackerwire_kind trackerwire_udp_parse(trackerwire_message *out, const uint8_t *data, size_t len);

/* trackerwire_lsd_parse recognises "BT-SEARCH * HTTP/1.1" and reads Port and Infohash (upper and lower case alike), up
 * to the empty line or the end of what is there. Returns out->kind. */
KRPC_EXPORT trackerwire_kind trackerwire_lsd_parse(trackerwire_message *out, const uint8_t *data, size_t len);

/* trackerwire_http_parse recognises a request whose parameters are those of an announce: "GET ", an info_hash of 20
 * bytes, and a port of digits. It reads up to the end of the request's first line or of what is there; a parameter that
 * may go on after that is not read. Returns out->kind. */
KRPC_EXPORT trackerwire_kind trackerwire_http_parse(trackerwire_message *out, const uint8_t *data, size_t len);

/* trackerwire_advert is the one statement of an announce or an LSD message; false for others, and without a port. */
KRPC_EXPORT bool trackerwire_advert(krpc_advert *out, const trackerwire_message *message);

#ifdef __cplusplus
}
#endif

#endif
