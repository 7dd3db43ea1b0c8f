/* message_private.h: what the sources of krpc/message.h share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef MESSAGE_PRIVATE_H
#define MESSAGE_PRIVATE_H

#include "compiler.h"

#include <krpc/message.h>

#include <string.h>

/* What each kind of field is on the wire: a bit per bencode_type. */
#define S (1 << BENCODE_STRING)
#define I (1 << BENCODE_INT)
#define L (1 << BENCODE_LIST)
#define D (1 << BENCODE_DICT)
enum kind_types {
    TYPES_INT = I,
    TYPES_FLAG = I,
    TYPES_PORT = I,
    TYPES_BYTES = S,
    TYPES_TEXT = S,
    TYPES_METHOD = S,
    TYPES_TYPE = S,
    TYPES_VERSION = S,
    TYPES_ENDPOINT = S,
    TYPES_NODES = S,
    TYPES_NODES6 = S,
    TYPES_HASHES = S,
    TYPES_BLOOM = S,
    TYPES_PEERS = L,
    TYPES_NODE_LIST = L,
    TYPES_TEXTS = L,
    TYPES_ERROR = L,
    TYPES_DICT = D,
    TYPES_ANY = S | I | L | D
};

#undef S
#undef I
#undef L
#undef D

/* load_word is eight bytes as a big-endian number. */
static inline uint64_t load_word(const uint8_t *p)
{
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
           (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

/* FIRST_BYTES keeps the first n bytes of such a number, 1 to 8 of them. */
#define FIRST_BYTES(n) (~(UINT64_MAX >> 8 * ((n) - 1) >> 8))

/* word_at is the eight bytes from off on, with zeros after the end; len is the size of data. */
static inline uint64_t word_at(const uint8_t *data, uint32_t len, uint32_t off)
{
    uint64_t word = 0;

    if (LIKELY(len - off >= 8)) {
        return load_word(data + off);
    }
    if (len >= 8 && off < len) { /* the last eight, without those before off */
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

/* krpc_decoder_count_mangled is how often EF BF BD (U+FFFD) comes in len bytes. Random bytes of a message's size have
 * two of them once in 10^9. */
#define MIN_MANGLED 2
uint32_t krpc_decoder_count_mangled(const uint8_t *data, uint32_t len);

#endif
