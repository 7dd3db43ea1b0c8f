/* endpoint.c: addresses with ports.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/endpoint.h>

#include <string.h>

void krpc_endpoint_set(krpc_endpoint *out, const void *addr, size_t addr_len, uint16_t port)
{
    memset(out, 0, sizeof *out);
    if (addr_len == 4 || addr_len == 16) {
        memcpy(out->addr, addr, addr_len);
        out->addr_len = (uint8_t)addr_len;
        out->port = port;
    }
}

bool krpc_addr_is_mapped(const uint8_t addr[16])
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return memcmp(addr, prefix, sizeof prefix) == 0;
}

bool krpc_endpoint_get(krpc_endpoint *out, const uint8_t *compact, size_t len)
{
    if (len != 6 && len != 18) {
        return false;
    }
    if (len == 18 && krpc_addr_is_mapped(compact)) {
        compact += 12;
        len = 6;
    }
    krpc_endpoint_set(out, compact, len - 2, (uint16_t)(compact[len - 2] << 8 | compact[len - 1]));
    return true;
}

static uint64_t mix(uint64_t hash, const uint8_t *bytes)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < 8; i++) {
        word |= (uint64_t)bytes[i] << 8 * i;
    }
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

uint64_t krpc_endpoint_hash(const krpc_endpoint *endpoint)
{
    return mix(mix((uint64_t)endpoint->port << 8 | endpoint->addr_len, endpoint->addr), endpoint->addr + 8);
}

size_t krpc_endpoint_put(uint8_t *out, const krpc_endpoint *endpoint)
{
    size_t len = endpoint->addr_len;

    if (len == 0) {
        return 0;
    }
    memcpy(out, endpoint->addr, len);
    out[len] = (uint8_t)(endpoint->port >> 8);
    out[len + 1] = (uint8_t)(endpoint->port & 0xff);
    return len + 2;
}

bool krpc_endpoint_equal(const krpc_endpoint *a, const krpc_endpoint *b)
{
    return a->port == b->port && krpc_endpoint_same_addr(a, b);
}

bool krpc_endpoint_same_addr(const krpc_endpoint *a, const krpc_endpoint *b)
{
    return a->addr_len == b->addr_len && memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

int krpc_endpoint_compare(const krpc_endpoint *a, const krpc_endpoint *b)
{
    int order = (int)a->addr_len - (int)b->addr_len;

    if (order == 0) {
        order = memcmp(a->addr, b->addr, sizeof a->addr);
    }
    return order != 0 ? order : (int)a->port - (int)b->port;
}

static char *put_decimal(char *out, unsigned num)
{
    char digits[5];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + num % 10);
        num /= 10;
    } while (num > 0);
    memcpy(out, digits + at, sizeof digits - at);
    return out + (sizeof digits - at);
}

/* Lower case, no leading zeros (RFC 5952, 4.1 and 4.3). */
static char *put_group(char *out, unsigned group)
{
    int shift = group > 0xfff ? 12 : group > 0xff ? 8 : group > 0xf ? 4 : 0;

    for (; shift >= 0; shift -= 4) {
        *out++ = "0123456789abcdef"[group >> shift & 15];
    }
    return out;
}

static char *put_ipv4(char *out, const uint8_t addr[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            *out++ = '.';
        }
        out = put_decimal(out, addr[i]);
    }
    return out;
}

/* The longest run of zero groups, the first of equals, none of a single group (RFC 5952, 4.2). */
static void longest_zeros(int *begin_out, int *len_out, const uint8_t addr[16])
{
    int run = 0;

    *begin_out = 8;
    *len_out = 1;
    for (int i = 0; i < 8; i++) {
        run = (addr[2 * i] | addr[2 * i + 1]) == 0 ? run + 1 : 0;
        if (run > *len_out) {
            *len_out = run;
            *begin_out = i - run + 1;
        }
    }
}

static char *put_ipv6(char *out, const uint8_t addr[16])
{
    bool mapped = krpc_addr_is_mapped(addr);
    int groups = mapped ? 6 : 8;
    int zeros, num_zeros;

    longest_zeros(&zeros, &num_zeros, addr);
    for (int i = 0; i < groups; i++) {
        if (i == zeros) {
            *out++ = ':';
            *out++ = ':';
            i += num_zeros - 1;
            continue;
        }
        out = put_group(out, (unsigned)(addr[2 * i] << 8 | addr[2 * i + 1]));
        if (i < 7 && i + 1 != zeros) {
            *out++ = ':';
        }
    }
    return mapped ? put_ipv4(out, addr + 12) : out;
}

static char *put_addr(char *out, const krpc_endpoint *endpoint)
{
    if (endpoint->addr_len == 4) {
        return put_ipv4(out, endpoint->addr);
    }
    return endpoint->addr_len == 16 ? put_ipv6(out, endpoint->addr) : out;
}

char *krpc_endpoint_text(char out[KRPC_ENDPOINT_TEXT], const krpc_endpoint *endpoint)
{
    char *at = out;

    if (endpoint->addr_len != 0) {
        if (endpoint->addr_len == 16) {
            *at++ = '[';
        }
        at = put_addr(at, endpoint);
        if (endpoint->addr_len == 16) {
            *at++ = ']';
        }
        *at++ = ':';
        at = put_decimal(at, endpoint->port);
    }
    *at = '\0';
    return out;
}

char *krpc_endpoint_addr_text(char out[KRPC_ENDPOINT_TEXT], const krpc_endpoint *endpoint)
{
    *put_addr(out, endpoint) = '\0';
    return out;
}

static krpc_addr_scope scope4(const uint8_t addr[4])
{
    switch (addr[0]) {
    case 0:
        return KRPC_ADDR_BOGUS;
    case 10:
        return KRPC_ADDR_PRIVATE;
    case 100:
        return (addr[1] & 0xc0) == 64 ? KRPC_ADDR_CGNAT : KRPC_ADDR_GLOBAL;
    case 127:
        return KRPC_ADDR_LOOPBACK;
    case 169:
        return addr[1] == 254 ? KRPC_ADDR_LINK_LOCAL : KRPC_ADDR_GLOBAL;
    case 172:
        return (addr[1] & 0xf0) == 16 ? KRPC_ADDR_PRIVATE : KRPC_ADDR_GLOBAL;
    case 192:
        return addr[1] == 168 ? KRPC_ADDR_PRIVATE : KRPC_ADDR_GLOBAL;
    default: /* multicast, reserved, broadcast */
        return addr[0] >= 224 ? KRPC_ADDR_BOGUS : KRPC_ADDR_GLOBAL;
    }
}

/* One row per special range; the first that fits counts. */
typedef struct range6 {
    uint8_t addr[16];
    uint8_t bits;
    krpc_addr_scope scope;
} range6;

static const range6 ranges6[] = {
    {{0}, 128, KRPC_ADDR_BOGUS},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, KRPC_ADDR_LOOPBACK},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, KRPC_ADDR_BOGUS},
    {{0xfc}, 7, KRPC_ADDR_PRIVATE},
    {{0xfe, 0x80}, 10, KRPC_ADDR_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, KRPC_ADDR_PRIVATE}, /* site-local, deprecated by RFC 3879 */
    {{0xff}, 8, KRPC_ADDR_BOGUS},
};

static bool in_range6(const range6 *row, const uint8_t addr[16])
{
    size_t bytes = row->bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> row->bits % 8);

    return memcmp(addr, row->addr, bytes) == 0 && (mask == 0 || ((addr[bytes] ^ row->addr[bytes]) & mask) == 0);
}

static krpc_addr_scope scope6(const uint8_t addr[16])
{
    if ((addr[0] & 0xe0) == 0x20) { /* 2000::/3, nearly all there is */
        return KRPC_ADDR_GLOBAL;
    }
    for (size_t i = 0; i < sizeof ranges6 / sizeof ranges6[0]; i++) {
        if (in_range6(&ranges6[i], addr)) {
            return ranges6[i].scope;
        }
    }
    return KRPC_ADDR_GLOBAL;
}

krpc_addr_scope krpc_endpoint_scope(const krpc_endpoint *endpoint)
{
    if (endpoint->addr_len == 4) {
        return scope4(endpoint->addr);
    }
    return endpoint->addr_len == 16 ? scope6(endpoint->addr) : KRPC_ADDR_BOGUS;
}
