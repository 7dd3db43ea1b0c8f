/* field_lookup.h: a key's line in fields.def, a name's in methods.def, by their first sixteen bytes.
 *
 * A key is found by a hash of the eight bytes that its entry begins with, such as "2:id" or "9:info_h". The compiler
 * makes the tables out of fields.def. A new key that falls into another one's slot is not found, and a test says so:
 * then take another odd number for FIELD_HASH.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef FIELD_LOOKUP_H
#define FIELD_LOOKUP_H

#include "message_private.h"

/* Eight bytes from byte i of a text on, i being a multiple of eight; zeros behind its end. */
#define EIGHT(BYTE, TEXT, i)                                                                                           \
    (BYTE(TEXT, i) << 56 | BYTE(TEXT, (i) + 1) << 48 | BYTE(TEXT, (i) + 2) << 40 | BYTE(TEXT, (i) + 3) << 32 |         \
     BYTE(TEXT, (i) + 4) << 24 | BYTE(TEXT, (i) + 5) << 16 | BYTE(TEXT, (i) + 6) << 8 | BYTE(TEXT, (i) + 7))
#define TEXT_BYTE(TEXT, i) ((uint64_t)(uint8_t)(TEXT)[(size_t)(i) < sizeof(TEXT) ? (size_t)(i) : sizeof(TEXT) - 1])
#define TEXT_WORD(TEXT, i) EIGHT(TEXT_BYTE, TEXT, i)

/* The same of a key's entry: its length in one or two digits, a colon, and the key. */
#define HEAD_LEN(KEY)      (sizeof(KEY) <= 10 ? 2 : 3)
#define HEAD_BYTE(KEY, i)                                                                                              \
    ((uint64_t)((i) == HEAD_LEN(KEY) - 1         ? ':'                                                                 \
                : (i) == 0 && HEAD_LEN(KEY) == 3 ? '0' + (sizeof(KEY) - 1) / 10                                        \
                                                 : '0' + (sizeof(KEY) - 1) % 10))
#define KEY_BYTE(KEY, i)                                                                                               \
    ((i) < HEAD_LEN(KEY) ? HEAD_BYTE(KEY, i) : TEXT_BYTE(KEY, (i) < HEAD_LEN(KEY) ? 0 : (i) - HEAD_LEN(KEY)))
#define KEY_WORD(KEY, i) EIGHT(KEY_BYTE, KEY, i)

static const struct {
    uint64_t word;
    uint64_t rest;
} field_words[KRPC_NUM_FIELDS + 1] = {
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING) {KEY_WORD(KEY, 0), KEY_WORD(KEY, 8)},
#include <krpc/fields.def>
    {UINT64_MAX, UINT64_MAX}, /* an empty slot's: no entry begins so */
};

/* 64 slots a scope, eight in a row, a byte each: the field's distance from KRPC_NUM_FIELDS. */
#define FIELD_HASH(word) ((word) * UINT64_C(0x15b8901a31a55749))
#define HASH_ROW(hash)   ((hash) >> 61)
#define HASH_SHIFT(hash) ((hash) >> 55 & 56)
#define IN_ROW(ROW, SYMBOL, SCOPE, KEY)                                                                                \
    | (KRPC_SCOPE_##SCOPE == ROW_SCOPE && HASH_ROW(FIELD_HASH(KEY_WORD(KEY, 0))) == (ROW)                              \
           ? (uint64_t)(KRPC_NUM_FIELDS - KRPC_##SYMBOL) << HASH_SHIFT(FIELD_HASH(KEY_WORD(KEY, 0)))                   \
           : 0)

static const uint64_t field_rows[KRPC_SCOPE_E][8] = {
#define ROW_SCOPE KRPC_SCOPE_TOP
#include "field_rows.h"
#define ROW_SCOPE KRPC_SCOPE_A
#include "field_rows.h"
#define ROW_SCOPE KRPC_SCOPE_R
#include "field_rows.h"
};

/* field_of_word is the one field of a scope whose entry may begin with word: compare it with field_words. */
static inline uint32_t field_of_word(const uint64_t rows[8], uint64_t word)
{
    uint64_t hash = FIELD_HASH(word);

    return KRPC_NUM_FIELDS - (uint32_t)(rows[HASH_ROW(hash)] >> HASH_SHIFT(hash) & 0xff);
}

/* method_at is krpc_method_find for the name at off in data, whose size is data_len. */
static inline krpc_method method_at(const uint8_t *data, uint32_t data_len, uint32_t off, uint32_t len)
{
    uint64_t word = text_word(data, data_len, off, len);
    uint64_t rest = len > 8 ? text_word(data, data_len, off + 8, len - 8) : 0;

#define METHOD(SYMBOL, NAME, BEP, REQUIRED, EXPECTED)                                                                  \
    if (word == TEXT_WORD(NAME, 0) && rest == TEXT_WORD(NAME, 8) && len == sizeof(NAME) - 1) {                         \
        return sizeof(NAME) <= 17 || memcmp(data + off, NAME, sizeof(NAME) - 1) == 0 ? KRPC_METHOD_##SYMBOL            \
                                                                                     : KRPC_METHOD_UNKNOWN;            \
    }
#include <krpc/methods.def>
    return KRPC_METHOD_UNKNOWN;
}

#endif
