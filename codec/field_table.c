/* field_table.c: the tables of keys and queries.
 *
 * SPDX-License-Identifier: MIT
 */
#include "field_table.h"

static const krpc_field_info fields[] = {
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING)                                         \
    {KEY, FILTER, TITLE, BEP, MEANING, KRPC_SCOPE_##SCOPE, KRPC_KIND_##KIND, TYPES_##KIND, MIN, MAX},
#include <krpc/fields.def>
};

static const krpc_method_info methods[] = {
    {"", "", {0}, {0}},
#define NONE                                          {0}
#define F(...)                                        {__VA_ARGS__}
#define METHOD(SYMBOL, NAME, BEP, REQUIRED, EXPECTED) {NAME, BEP, REQUIRED, EXPECTED},
#include <krpc/methods.def>
    {"unknown", "", {0}, {0}},
};

static const uint8_t method_lens[] = {
    0,
#define METHOD(SYMBOL, NAME, ...) sizeof(NAME) - 1,
#include <krpc/methods.def>
};

const krpc_field_info *krpc_field_get(krpc_field field)
{
    return (unsigned)field < KRPC_NUM_FIELDS ? &fields[field] : NULL;
}

krpc_field krpc_field_find(krpc_scope scope, const void *key, size_t len)
{
    uint8_t entry[24] = {0};
    bencode_writer writer;
    uint32_t field;

    if ((unsigned)scope >= KRPC_SCOPE_E) {
        return KRPC_NUM_FIELDS;
    }
    bencode_writer_init(&writer, entry, sizeof entry);
    bencode_put_string(&writer, key, len);
    field = field_of_word(field_slots[scope], load_word(entry));
    return field < KRPC_NUM_FIELDS && strlen(fields[field].key) == len &&
                   (len == 0 || memcmp(fields[field].key, key, len) == 0)
               ? (krpc_field)field
               : KRPC_NUM_FIELDS;
}

const krpc_method_info *krpc_method_get(krpc_method method)
{
    return (unsigned)method < KRPC_NUM_METHODS ? &methods[method] : NULL;
}

const char *krpc_method_name(krpc_method method)
{
    return (unsigned)method < KRPC_NUM_METHODS ? methods[method].name : "?";
}

krpc_method krpc_method_find(const void *name, size_t len)
{
    for (unsigned i = KRPC_METHOD_NONE + 1; i < KRPC_METHOD_UNKNOWN; i++) {
        if (method_lens[i] == len && memcmp(methods[i].name, name, len) == 0) {
            return (krpc_method)i;
        }
    }
    return KRPC_METHOD_UNKNOWN;
}
