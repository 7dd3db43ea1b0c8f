/* message_private.h: what the sources of krpc/message.h share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef MESSAGE_PRIVATE_H
#define MESSAGE_PRIVATE_H

#include <krpc/message.h>

#include <string.h>

/* key_word is a key's first eight bytes as a big-endian number: keys sort as these numbers do, as far as eight bytes
 * tell. off must be inside data, len is the size of data. */
static inline uint64_t key_word(const uint8_t *data, uint32_t len, uint32_t off, uint32_t key_len)
{
    uint64_t word = 0;

    if (key_len == 0) {
        return 0;
    }
    if (len - off >= 8) {
        const uint8_t *p = data + off;

        word = (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
               (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
        return key_len >= 8 ? word : word & ~(UINT64_MAX >> (8 * key_len));
    }
    for (uint32_t i = 0; i < key_len && i < 8; i++) {
        word |= (uint64_t)data[off + i] << (56 - 8 * i);
    }
    return word;
}

/* value_end is the first byte after a value's encoding. */
static inline uint32_t value_end(const krpc_value *value)
{
    return value->off + value->len + (value->type == BENCODE_INT ? 1u : 0u);
}

#define KRPC_ALL_A ((KRPC_BIT(KRPC_A_WANT) << 1) - KRPC_BIT(KRPC_A_CAS))
#define KRPC_ALL_R ((KRPC_BIT(KRPC_R_VALUES) << 1) - KRPC_BIT(KRPC_R_BFPE))

#endif
