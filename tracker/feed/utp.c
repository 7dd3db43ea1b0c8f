/* utp.c: the header of a uTP packet.
 *
 * SPDX-License-Identifier: MIT
 */
#include "utp.h"

#define HEADER_LEN     20
#define MAX_EXTENSIONS 8

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool extension_is_good(uint8_t type, uint8_t len)
{
    switch (type) {
    case 1: /* selective acknowledgment: a bit field in units of 32 bits */
        return len >= 4 && len % 4 == 0;
    case 2: /* extension bits */
        return len == 8;
    case 3: /* close reason (libtorrent) */
        return len == 4;
    default:
        return false;
    }
}

/* Returns the end of the extensions; 0 where they are invalid. Each one starts with the type of the next one and its
 * own length. */
static uint32_t extensions_end(const uint8_t *data, uint32_t len)
{
    uint8_t type = data[1];
    uint32_t off = HEADER_LEN;

    for (unsigned i = 0; type != 0; i++) {
        if (i == MAX_EXTENSIONS || len - off < 2 || !extension_is_good(type, data[off + 1]) ||
            data[off + 1] > len - off - 2) {
            return 0;
        }
        type = data[off];
        off += 2 + (uint32_t)data[off + 1];
    }
    return off;
}

bool utp_header_get(utp_header *out, const uint8_t *data, uint32_t len, uint32_t wire_len)
{
    if (len < HEADER_LEN || (data[0] & 0x0f) != 1 || data[0] >> 4 > UTP_SYN || data[1] > 3) {
        return false;
    }
    out->type = (utp_type)(data[0] >> 4);
    out->id = get16(data + 2);
    out->time_us = get32(data + 4);
    out->seq = get16(data + 16);
    out->ack = get16(data + 18);
    out->header_len = extensions_end(data, len);
    if (out->header_len == 0) {
        return false;
    }
    bool has_payload = wire_len > out->header_len;
    switch (out->type) {
    case UTP_DATA:
        return has_payload;
    case UTP_FIN:
        return true;
    case UTP_SYN:
        return !has_payload && out->ack == 0 && get32(data + 8) == 0;
    default:
        return !has_payload;
    }
}
