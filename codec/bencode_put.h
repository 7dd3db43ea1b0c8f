/* bencode_put.h: the writer, to be inlined where the codec writes much.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCODE_PUT_H
#define BENCODE_PUT_H

#include "compiler.h"

#include <krpc/bencode.h>

#include <string.h>

/* bencode_copy is memcpy for short strings: up to 32 bytes are two moves that may overlap, and no call. */
static inline HOT void bencode_copy(uint8_t *to, const uint8_t *from, size_t len)
{
#define TWO(TYPE)                                                                                                      \
    do {                                                                                                               \
        TYPE first, last;                                                                                              \
        memcpy(&first, from, sizeof first);                                                                            \
        memcpy(&last, from + len - sizeof last, sizeof last);                                                          \
        memcpy(to, &first, sizeof first);                                                                              \
        memcpy(to + len - sizeof last, &last, sizeof last);                                                            \
    } while (0)
    typedef struct sixteen {
        uint64_t half[2];
    } sixteen;

    if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        TWO(sixteen);
    } else if (len >= 8) {
        TWO(uint64_t);
    } else if (len >= 4) {
        TWO(uint32_t);
    } else if (len >= 2) {
        TWO(uint16_t);
    } else if (len == 1) {
        *to = *from;
    }
#undef TWO
}

/* bencode_has_room: len bytes more can be put without a look at cap. */
static inline HOT bool bencode_has_room(const bencode_writer *writer, size_t len)
{
    return LIKELY(writer->len <= writer->cap && len <= writer->cap - writer->len);
}

/* bencode_add_raw is bencode_put_raw; what it does seldom it does with a copy, so that *writer can stay in registers.
 * */
static inline HOT void bencode_add_raw(bencode_writer *writer, const void *bytes, size_t len)
{
    if (bencode_has_room(writer, len)) {
        bencode_copy(writer->out + writer->len, (const uint8_t *)bytes, len);
        writer->len += len;
    } else {
        bencode_writer copy = *writer;

        bencode_put_raw(&copy, bytes, len);
        *writer = copy;
    }
}

/* bencode_add_string is bencode_put_string. */
static inline HOT void bencode_add_string(bencode_writer *writer, const void *bytes, size_t len)
{
    if (len < 100 && bencode_has_room(writer, len + 3)) {
        uint8_t *at = writer->out + writer->len;

        if (len >= 10) {
            *at++ = (uint8_t)('0' + len / 10);
        }
        *at++ = (uint8_t)('0' + len % 10);
        *at++ = ':';
        bencode_copy(at, (const uint8_t *)bytes, len);
        writer->len = (size_t)(at - writer->out) + len;
    } else {
        bencode_writer copy = *writer;

        bencode_put_string(&copy, bytes, len);
        *writer = copy;
    }
}

#endif
