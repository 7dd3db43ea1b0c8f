/* krpc/endpoint.h: an IP address with a port, as packets and compact node info carry it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_ENDPOINT_H
#define KRPC_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <krpc/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* krpc_endpoint is an address and a port. Every byte that the family does not use is zero, so two endpoints are
 * equal exactly where memcmp over the whole struct says so. An all-zero struct means "none". */
typedef struct krpc_endpoint {
    uint8_t addr[16]; /* network order; an IPv4 address in the first 4 bytes */
    uint16_t port;    /* host order */
    uint8_t addr_len; /* 4, 16, or 0 for "none" */
    uint8_t reserved; /* zero */
} krpc_endpoint;

/* KRPC_ENDPOINT_TEXT is the size of a buffer that holds any endpoint as text, with the final NUL. */
#define KRPC_ENDPOINT_TEXT 56

/* krpc_endpoint_set fills *out from addr_len bytes (4 or 16, network order) and a port. */
KRPC_EXPORT void krpc_endpoint_set(krpc_endpoint *out, const void *addr, size_t addr_len, uint16_t port);

/* krpc_addr_is_mapped: an IPv4 address written as IPv6, ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
KRPC_EXPORT bool krpc_addr_is_mapped(const uint8_t addr[16]);

/* krpc_endpoint_get reads compact form (BEP 5, BEP 32): 4 or 16 bytes of address, two of port, both big endian. An
 * IPv4-mapped address is read as IPv4. len is 6 or 18; any other length gives false and leaves *out as it was. */
KRPC_EXPORT bool krpc_endpoint_get(krpc_endpoint *out, const uint8_t *compact, size_t len);

/* krpc_endpoint_put writes compact form into out (room for 18 bytes) and returns 6 or 18, or 0 for "none". */
KRPC_EXPORT size_t krpc_endpoint_put(uint8_t *out, const krpc_endpoint *endpoint);

/* krpc_endpoint_equal compares address and port; krpc_endpoint_same_addr only the address. */
KRPC_EXPORT bool krpc_endpoint_equal(const krpc_endpoint *a, const krpc_endpoint *b);
KRPC_EXPORT bool krpc_endpoint_same_addr(const krpc_endpoint *a, const krpc_endpoint *b);

/* krpc_endpoint_compare orders by family, address, port: negative, 0 or positive, as memcmp. */
KRPC_EXPORT int krpc_endpoint_compare(const krpc_endpoint *a, const krpc_endpoint *b);

/* krpc_endpoint_hash is the same for equal endpoints, on every machine. It has no key: where others
 * choose the endpoints, they can choose collisions. */
KRPC_EXPORT uint64_t krpc_endpoint_hash(const krpc_endpoint *endpoint);

/* krpc_endpoint_text writes "192.0.2.1:6881" or "[2001:db8::1]:6881" (RFC 5952) and returns out;
 * krpc_endpoint_addr_text writes only the address. "none" becomes "". */
KRPC_EXPORT char *krpc_endpoint_text(char out[KRPC_ENDPOINT_TEXT], const krpc_endpoint *endpoint);
KRPC_EXPORT char *krpc_endpoint_addr_text(char out[KRPC_ENDPOINT_TEXT], const krpc_endpoint *endpoint);

/* krpc_addr_scope says where an address is good for. Sources: IANA special-purpose registries (RFC 6890). */
typedef enum krpc_addr_scope {
    KRPC_ADDR_GLOBAL,
    KRPC_ADDR_PRIVATE,    /* 10/8, 172.16/12, 192.168/16, fc00::/7, fec0::/10 */
    KRPC_ADDR_CGNAT,      /* 100.64/10 (RFC 6598) */
    KRPC_ADDR_LINK_LOCAL, /* 169.254/16, fe80::/10 */
    KRPC_ADDR_LOOPBACK,   /* 127/8, ::1 */
    KRPC_ADDR_BOGUS       /* 0/8, 240/4, multicast, broadcast, ::, v4-mapped, none: no node's unicast address */
} krpc_addr_scope;

KRPC_EXPORT krpc_addr_scope krpc_endpoint_scope(const krpc_endpoint *endpoint);

#ifdef __cplusplus
}
#endif

#endif
