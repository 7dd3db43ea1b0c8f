/* message_private.h: what the sources of krpc/message.h share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef MESSAGE_PRIVATE_H
#define MESSAGE_PRIVATE_H

#include "compiler.h"

#include <krpc/message.h>

#include <string.h>

/* load_word is eight bytes as a big-endian number. */
static inline uint64_t load_word(const uint8_t *p)
{
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
           (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

/* FIRST_BYTES keeps the first n bytes of such a number, 1 to 8 of them. */
#define FIRST_BYTES(n) (~(UINT64_MAX >> 8 * ((n) - 1) >> 8))

/* word_at is the eight bytes from off on, with zeros for those behind the end; len is the size of data. */
static inline uint64_t word_at(const uint8_t *data, uint32_t len, uint32_t off)
{
    uint64_t word = 0;

    if (LIKELY(len - off >= 8)) {
        return load_word(data + off);
    }
    if (len >= 8 && off < len) { /* the last eight, without those in front of off */
        return load_word(data + len - 8) << (64 - 8 * (len - off));
    }
    for (uint32_t i = 0; i < len - off; i++) {
        word |= (uint64_t)data[off + i] << (56 - 8 * i);
    }
    return word;
}

/* text_word is the first eight bytes of a string as a big-endian number: keys sort as these numbers do, as far as eight
 * bytes tell. */
static inline uint64_t text_word(const uint8_t *data, uint32_t len, uint32_t off, uint32_t text_len)
{
    return text_len == 0 ? 0 : word_at(data, len, off) & (text_len < 8 ? FIRST_BYTES(text_len) : UINT64_MAX);
}

/* lowest_bit is the number of the lowest bit that is set; there must be one. */
static inline unsigned lowest_bit(uint64_t bits)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned n = 0;

    while ((bits >> n & 1) == 0) {
        n++;
    }
    return n;
#endif
}

/* value_end is the first byte after a value's encoding. */
static inline uint32_t value_end(const krpc_value *value)
{
    return value->off + value->len + (value->type == BENCODE_INT ? 1u : 0u);
}

#define KRPC_ALL_A ((KRPC_BIT(KRPC_A_WANT) << 1) - KRPC_BIT(KRPC_A_CAS))
#define KRPC_ALL_R ((KRPC_BIT(KRPC_R_VALUES) << 1) - KRPC_BIT(KRPC_R_BFPE))

#endif
