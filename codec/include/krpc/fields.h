/* krpc/fields.h: the keys and the queries of KRPC, by number: the tables fields.def and methods.def as C.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_FIELDS_H
#define KRPC_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <krpc/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* krpc_scope is the dictionary that holds a key. */
typedef enum krpc_scope { KRPC_SCOPE_TOP, KRPC_SCOPE_A, KRPC_SCOPE_R, KRPC_SCOPE_E, KRPC_NUM_SCOPES } krpc_scope;

/* krpc_kind is what a key holds: the type on the wire and how to read and show it. */
typedef enum krpc_kind {
    KRPC_KIND_INT,       /* integer */
    KRPC_KIND_FLAG,      /* integer, 0 or 1 */
    KRPC_KIND_PORT,      /* integer, 1 to 65535 */
    KRPC_KIND_BYTES,     /* string, shown as hex */
    KRPC_KIND_TEXT,      /* string, shown as text when it is UTF-8 */
    KRPC_KIND_METHOD,    /* string, a query's name */
    KRPC_KIND_TYPE,      /* string, q, r or e */
    KRPC_KIND_VERSION,   /* string, see krpc/client.h */
    KRPC_KIND_ENDPOINT,  /* string, compact peer info of 6 or 18 bytes (4 or 16: an address without a port) */
    KRPC_KIND_NODES,     /* string, compact node info of 26 bytes each */
    KRPC_KIND_NODES6,    /* string, compact node info of 38 bytes each */
    KRPC_KIND_HASHES,    /* string, ids of 20 bytes each */
    KRPC_KIND_BLOOM,     /* string, 256 bytes, see krpc/bloom.h */
    KRPC_KIND_PEERS,     /* list of compact peer infos */
    KRPC_KIND_NODE_LIST, /* list of compact node infos */
    KRPC_KIND_TEXTS,     /* list of strings */
    KRPC_KIND_ERROR,     /* list of an integer and a string */
    KRPC_KIND_DICT,      /* dictionary */
    KRPC_KIND_ANY        /* any value */
} krpc_kind;

/* krpc_field is a key in its scope. KRPC_FIRST_A, KRPC_FIRST_R and KRPC_FIRST_E are the first fields of their scopes;
 * TOP begins at 0, and each scope ends where the next one begins. */
typedef enum krpc_field {
#define FIELD(SYMBOL, ...) KRPC_##SYMBOL,
#include <krpc/fields.def>
    KRPC_NUM_FIELDS, /* also: no field */
#define FIELD(SYMBOL, SCOPE, ...) +(KRPC_SCOPE_##SCOPE < KRPC_SCOPE_A)
    KRPC_FIRST_A = 0
#include <krpc/fields.def>
    ,
#define FIELD(SYMBOL, SCOPE, ...) +(KRPC_SCOPE_##SCOPE < KRPC_SCOPE_R)
    KRPC_FIRST_R = 0
#include <krpc/fields.def>
    ,
#define FIELD(SYMBOL, SCOPE, ...) +(KRPC_SCOPE_##SCOPE < KRPC_SCOPE_E)
    KRPC_FIRST_E = 0
#include <krpc/fields.def>
} krpc_field;

/* krpc_scope_first is the first field of a scope; that of KRPC_NUM_SCOPES is KRPC_NUM_FIELDS. */
static inline unsigned krpc_scope_first(unsigned scope)
{
    return scope == KRPC_SCOPE_TOP ? 0u
           : scope == KRPC_SCOPE_A ? (unsigned)KRPC_FIRST_A
           : scope == KRPC_SCOPE_R ? (unsigned)KRPC_FIRST_R
           : scope == KRPC_SCOPE_E ? (unsigned)KRPC_FIRST_E
                                   : (unsigned)KRPC_NUM_FIELDS;
}

/* krpc_field_info is one line of fields.def. */
typedef struct krpc_field_info {
    const char *key;
    const char *filter;
    const char *title;
    const char *bep;
    const char *meaning;
    krpc_scope scope;
    krpc_kind kind;
    uint8_t types; /* of the kind: bit n for bencode_type n */
    int64_t min;
    int64_t max;
} krpc_field_info;

/* krpc_field_get returns the table's line; NULL for anything else than a field. */
KRPC_EXPORT const krpc_field_info *krpc_field_get(krpc_field field);

/* krpc_field_find looks a key of TOP, A or R up; KRPC_NUM_FIELDS when the table does not have it. */
KRPC_EXPORT krpc_field krpc_field_find(krpc_scope scope, const void *key, size_t len);

/* krpc_fields is a set of fields; all zero is the empty one. KRPC_NUM_FIELDS may be asked for and is in none. */
#define KRPC_FIELD_WORDS (KRPC_NUM_FIELDS / 64 + 1)
typedef struct krpc_fields {
    uint64_t words[KRPC_FIELD_WORDS];
} krpc_fields;

static inline bool krpc_fields_have(const krpc_fields *fields, unsigned field)
{
    return (fields->words[field / 64] & UINT64_C(1) << field % 64) != 0;
}

static inline void krpc_fields_add(krpc_fields *fields, unsigned field)
{
    fields->words[field / 64] |= UINT64_C(1) << field % 64;
}

typedef enum krpc_method {
    KRPC_METHOD_NONE, /* not a query */
#define METHOD(SYMBOL, ...) KRPC_METHOD_##SYMBOL,
#include <krpc/methods.def>
    KRPC_METHOD_UNKNOWN, /* a query whose name the table does not have */
    KRPC_NUM_METHODS
} krpc_method;

/* krpc_method_info is one line of methods.def. Its lists of fields end with KRPC_A, which is in none of them. */
#define KRPC_METHOD_FIELDS 8
typedef struct krpc_method_info {
    const char *name; /* on the wire; "" for NONE, "unknown" for UNKNOWN */
    const char *bep;
    uint8_t required[KRPC_METHOD_FIELDS]; /* without these beside A_ID a receiver answers 203 */
    uint8_t expected[KRPC_METHOD_FIELDS]; /* a good response has one of these; empty: the id is all of it */
} krpc_method_info;

/* krpc_method_get returns the table's line; NULL for anything else than a method. */
KRPC_EXPORT const krpc_method_info *krpc_method_get(krpc_method method);

/* krpc_method_name is the line's name, "?" without one. krpc_method_find is UNKNOWN for a name that no line has. */
KRPC_EXPORT const char *krpc_method_name(krpc_method method);
KRPC_EXPORT krpc_method krpc_method_find(const void *name, size_t len);

#ifdef __cplusplus
}
#endif

#endif
