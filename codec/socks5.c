/* socks5.c: datagrams that a SOCKS5 proxy relays.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/socks5.h>

#include <string.h>

#include <krpc/message.h>

#define VERSION        5
#define UDP_ASSOCIATE  3
#define SUCCEEDED      0
#define SOCKS_PORT     1080

#define ADDRESS_IPV4   1
#define ADDRESS_DOMAIN 3
#define ADDRESS_IPV6   4

/* Reads address type, address and port; 0 where they are not whole. */
static uint32_t address_parse(krpc_endpoint *out, const uint8_t *data, size_t len)
{
    uint32_t addr_len = 0, off = 1;

    if (len < 2) {
        return 0;
    }
    switch (data[0]) {
    case ADDRESS_IPV4:
        addr_len = 4;
        break;
    case ADDRESS_IPV6:
        addr_len = 16;
        break;
    case ADDRESS_DOMAIN:
        off = 2;
        addr_len = data[1];
        break;
    default:
        return 0;
    }
    if (addr_len == 0 || len - off < addr_len + 2) {
        return 0;
    }
    uint16_t port = (uint16_t)(data[off + addr_len] << 8 | data[off + addr_len + 1]);
    krpc_endpoint_set(out, data + off, data[0] == ADDRESS_DOMAIN ? 0 : addr_len, port);
    out->port = port;
    return off + addr_len + 2;
}

bool krpc_socks5_header_parse(krpc_socks5_header *out, const uint8_t *data, size_t len)
{
    if (len < 4 || data[0] != 0 || data[1] != 0) {
        return false;
    }
    uint32_t address_len = address_parse(&out->endpoint, data + 3, len - 3);
    out->len = 3 + address_len;
    out->fragment = data[2];
    return address_len > 0;
}

void krpc_socks5_init(krpc_socks5 *out)
{
    memset(out, 0, sizeof *out);
}

/* ---- relays ---- */

static bool is_relay(const krpc_socks5 *relays, const krpc_endpoint *endpoint)
{
    uint32_t num = relays->next_relay < KRPC_SOCKS5_MAX_RELAYS ? relays->next_relay : KRPC_SOCKS5_MAX_RELAYS;

    for (uint32_t i = 0; i < num; i++) {
        if (krpc_endpoint_equal(&relays->relays[i], endpoint)) {
            return true;
        }
    }
    return false;
}

static void relay_put(krpc_socks5 *relays, const krpc_endpoint *endpoint)
{
    if (!is_relay(relays, endpoint)) {
        uint32_t index = relays->next_relay % KRPC_SOCKS5_MAX_RELAYS;

        relays->relays[index] = *endpoint;
        relays->next_relay = relays->next_relay < UINT32_MAX ? relays->next_relay + 1 : KRPC_SOCKS5_MAX_RELAYS;
    }
}

static void request_put(krpc_socks5 *relays, const krpc_endpoint *client, const krpc_endpoint *proxy)
{
    uint32_t index = relays->next_request++ % KRPC_SOCKS5_MAX_REQUESTS;

    relays->requests[index].client = *client;
    relays->requests[index].proxy = *proxy;
}

/* Removes the request that a reply answers; false: there is none. */
static bool request_remove(krpc_socks5 *relays, const krpc_endpoint *client, const krpc_endpoint *proxy)
{
    for (uint32_t i = 0; i < KRPC_SOCKS5_MAX_REQUESTS; i++) {
        if (krpc_endpoint_equal(&relays->requests[i].client, client) &&
            krpc_endpoint_equal(&relays->requests[i].proxy, proxy)) {
            memset(&relays->requests[i], 0, sizeof relays->requests[i]);
            return true;
        }
    }
    return false;
}

void krpc_socks5_segment(krpc_socks5 *relays, const krpc_endpoint *src, const krpc_endpoint *dst, const uint8_t *data,
                         size_t len)
{
    krpc_endpoint relay;

    if (len < 4 || data[0] != VERSION || data[2] != 0 || address_parse(&relay, data + 3, len - 3) != len - 3) {
        return;
    }
    if (data[1] == SUCCEEDED && request_remove(relays, dst, src)) {
        relay_put(relays, &relay);
        /* The address in the reply may be 0.0.0.0, or one that is valid only on the proxy's side of a NAT. */
        krpc_endpoint_set(&relay, src->addr, src->addr_len, relay.port);
        relay_put(relays, &relay);
    } else if (data[1] == UDP_ASSOCIATE) {
        request_put(relays, src, dst);
    }
}

/* ---- datagrams ---- */

static bool is_krpc(const uint8_t *data, size_t len, size_t wire_len)
{
    krpc_message message;

    if (len == 0 || data[0] != 'd') {
        return false;
    }
    krpc_message_decode(&message, data, len, wire_len, NULL);
    return krpc_message_probe(&message, data) == KRPC_PROBE_YES;
}

static bool is_public(const krpc_endpoint *endpoint)
{
    return krpc_endpoint_scope(endpoint) == KRPC_ADDR_GLOBAL;
}

/* Where no reply was captured. */
static bool comes_from_relay(const krpc_endpoint *src, const krpc_endpoint *dst)
{
    if (is_public(src) != is_public(dst)) {
        return is_public(src);
    }
    return src->port == SOCKS_PORT && dst->port != SOCKS_PORT;
}

krpc_socks5_status krpc_socks5_datagram(krpc_socks5 *relays, krpc_endpoint *src, krpc_endpoint *dst,
                                        uint32_t *header_len, const uint8_t *data, size_t len, size_t wire_len)
{
    krpc_socks5_header header;

    if (len < 4 || (data[0] | data[1]) != 0 || !krpc_socks5_header_parse(&header, data, len)) {
        return KRPC_SOCKS5_NONE;
    }
    bool from_relay = is_relay(relays, src);
    if (!from_relay && !is_relay(relays, dst)) {
        if (header.fragment != 0 || !is_krpc(data + header.len, len - header.len, wire_len - header.len)) {
            return KRPC_SOCKS5_NONE;
        }
        from_relay = comes_from_relay(src, dst);
        relay_put(relays, from_relay ? src : dst);
    }
    if (header.endpoint.addr_len == 0 || header.fragment != 0) {
        return KRPC_SOCKS5_UNREAD;
    }
    *(from_relay ? src : dst) = header.endpoint;
    *header_len = header.len;
    return KRPC_SOCKS5_OPENED;
}
