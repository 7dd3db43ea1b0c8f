/* field_table.h: a key's field, by the first sixteen bytes of its entry. The numbers come from field_table.cmake.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef FIELD_TABLE_H
#define FIELD_TABLE_H

#include "message_private.h"

#include "field_table.inc"

/* field_entries holds each key as it is encoded, and that entry's first 16 bytes as two big-endian numbers. */
typedef struct field_entry {
    uint64_t word;
    uint64_t rest;
    const char *text; /* "2:id" */
    size_t len;
} field_entry;

static const field_entry field_entries[KRPC_NUM_FIELDS + 1] = {
#define ENTRY(SYMBOL, WORD, REST, TEXT) [KRPC_##SYMBOL] = {WORD, REST, TEXT, sizeof(TEXT) - 1},
#include "field_table.inc"
    [KRPC_NUM_FIELDS] = {UINT64_MAX, UINT64_MAX, "", 0}, /* no entry begins so */
};

/* A slot holds the field's distance from KRPC_NUM_FIELDS; 0 for no field. */
static const uint16_t field_slots[KRPC_SCOPE_E][1 << FIELD_HASH_BITS] = {
#define SLOT(SCOPE, HASH, SYMBOL) [KRPC_SCOPE_##SCOPE][HASH] = KRPC_NUM_FIELDS - KRPC_##SYMBOL,
#include "field_table.inc"
};

/* field_of_word is the one field of a scope whose entry may begin with word; KRPC_NUM_FIELDS when there is none.
 * Compare word with the entry's. */
static inline uint32_t field_of_word(const uint16_t *slots, uint64_t word)
{
    uint32_t folded = (uint32_t)(word >> 32 ^ word) & INT32_MAX;

    return KRPC_NUM_FIELDS - slots[(folded * FIELD_HASH_MULTIPLIER & INT32_MAX) >> (31 - FIELD_HASH_BITS)];
}

#endif
