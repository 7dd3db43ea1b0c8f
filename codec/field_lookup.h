/* field_lookup.h: a key's line in fields.def, by its first eight bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef FIELD_LOOKUP_H
#define FIELD_LOOKUP_H

#include <krpc/message.h>

#include <string.h>

/* A key's word against each one of its scope, which a compiler turns into a search tree. No two keys of a scope share
 * their first eight bytes, so that the rest need only be compared with one. */
#define BYTE_AT(key, i) ((uint64_t)(uint8_t)(key)[(i) < sizeof(key) ? (i) : sizeof(key) - 1] << (56 - 8 * (i)))
#define WORD_OF(key)                                                                                             \
    (BYTE_AT(key, 0) | BYTE_AT(key, 1) | BYTE_AT(key, 2) | BYTE_AT(key, 3) | BYTE_AT(key, 4) | BYTE_AT(key, 5) | \
     BYTE_AT(key, 6) | BYTE_AT(key, 7))
#define SAME_REST(key) (len == sizeof(key) - 1 && (sizeof(key) <= 9 || memcmp(bytes, key, sizeof(key) - 1) == 0))

static inline krpc_field lookup_top(uint64_t word, const uint8_t *bytes, uint32_t len)
{
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING) \
    if (KRPC_SCOPE_##SCOPE == KRPC_SCOPE_TOP && word == WORD_OF(KEY)) {        \
        return SAME_REST(KEY) ? KRPC_##SYMBOL : KRPC_NUM_FIELDS;               \
    }
#include <krpc/fields.def>
    return KRPC_NUM_FIELDS;
}

static inline krpc_field lookup_a(uint64_t word, const uint8_t *bytes, uint32_t len)
{
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING) \
    if (KRPC_SCOPE_##SCOPE == KRPC_SCOPE_A && word == WORD_OF(KEY)) {          \
        return SAME_REST(KEY) ? KRPC_##SYMBOL : KRPC_NUM_FIELDS;               \
    }
#include <krpc/fields.def>
    return KRPC_NUM_FIELDS;
}

static inline krpc_field lookup_r(uint64_t word, const uint8_t *bytes, uint32_t len)
{
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING) \
    if (KRPC_SCOPE_##SCOPE == KRPC_SCOPE_R && word == WORD_OF(KEY)) {          \
        return SAME_REST(KEY) ? KRPC_##SYMBOL : KRPC_NUM_FIELDS;               \
    }
#include <krpc/fields.def>
    return KRPC_NUM_FIELDS;
}

/* field_lookup is krpc_field_find with the key's word at hand. */
static inline krpc_field field_lookup(krpc_scope scope, uint64_t word, const uint8_t *bytes, uint32_t len)
{
    switch (scope) {
    case KRPC_SCOPE_TOP:
        return lookup_top(word, bytes, len);
    case KRPC_SCOPE_A:
        return lookup_a(word, bytes, len);
    case KRPC_SCOPE_R:
        return lookup_r(word, bytes, len);
    case KRPC_SCOPE_E:
    case KRPC_NUM_SCOPES:
    default:
        return KRPC_NUM_FIELDS;
    }
}

#endif
