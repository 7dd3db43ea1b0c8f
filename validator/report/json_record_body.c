/* json_record_body.c: the inside of a message as JSON.
 *
 * Keys are those on the wire. A value whose form JSON cannot hold (a string that is not what its key wants, a list with
 * other items) is written as KEY_hex, or with its whole encoding under "unknown"; a message that is not canonical has
 * its bytes under "raw" as well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/json_record.h"

#include <glib.h>
#include <krpc/compact.h>

typedef struct field_text {
    char key[32]; /* ,"key": */
    uint8_t len;
    uint8_t kind;
} field_text;

static field_text fields[KRPC_NUM_FIELDS];

static void need_fields(void)
{
    if (fields[0].len != 0) {
        return;
    }
    for (unsigned i = KRPC_NUM_FIELDS; i-- > 0;) {
        const krpc_field_info *info = krpc_field_get((krpc_field)i);
        int len = g_snprintf(fields[i].key, sizeof fields[i].key, ",\"%s\":", info->key);
        fields[i].len = (uint8_t)len;
        fields[i].kind = (uint8_t)info->kind;
    }
}

/* All of the room for a key is copied, which takes no call; what is behind the key is overwritten. */
static inline void put_key(strbuf *out, unsigned field)
{
    memcpy(strbuf_room(out, sizeof fields[field].key), fields[field].key, sizeof fields[field].key);
    out->len += fields[field].len;
}

static void put_hex_string(strbuf *out, const uint8_t *bytes, uint32_t len)
{
    char *at = strbuf_room(out, 2 * (size_t)len + 2);

    *at = '"';
    at = strbuf_hex_at(at + 1, bytes, len);
    *at = '"';
    out->len += 2 * (size_t)len + 2;
}

/* A string that is not of the form that its key wants: "key_hex". */
static void put_odd_string(strbuf *out, unsigned field, const uint8_t *bytes, uint32_t len)
{
    put_key(out, field);
    out->len -= 2; /* the quote and the colon */
    strbuf_puts(out, "_hex\":");
    put_hex_string(out, bytes, len);
}

static void put_text_value(strbuf *out, unsigned field, const uint8_t *bytes, uint32_t len)
{
    if (strbuf_is_json(bytes, len)) {
        put_key(out, field);
        strbuf_json(out, bytes, len);
    } else {
        put_odd_string(out, field, bytes, len);
    }
}

/* Compact peer info of 6 or 18 bytes, or an address of 4 or 16. */
static char *endpoint_at(char *at, const uint8_t *bytes, uint32_t len)
{
    uint32_t addr_len = len & ~(uint32_t)2;

    at = STRBUF_AT(at, "{\"ip\":\"");
    at = strbuf_addr_at(at, bytes, addr_len);
    if (len != addr_len) {
        at = STRBUF_AT(at, "\",\"port\":");
        at = strbuf_uint_at(at, (unsigned)bytes[len - 2] << 8 | bytes[len - 1]);
    } else {
        *at++ = '"';
    }
    *at++ = '}';
    return at;
}

#define ENDPOINT_ROOM (KRPC_ENDPOINT_TEXT + 32)
#define NODE_ROOM     (ENDPOINT_ROOM + 60)

static char *node_at(char *at, const uint8_t *bytes, uint32_t addr_len)
{
    const uint8_t *port = bytes + 20 + addr_len;

    at = STRBUF_AT(at, "{\"id\":\"");
    at = strbuf_hex_at(at, bytes, 20);
    at = STRBUF_AT(at, "\",\"ip\":\"");
    at = strbuf_addr_at(at, bytes + 20, addr_len);
    at = STRBUF_AT(at, "\",\"port\":");
    at = strbuf_uint_at(at, (unsigned)port[0] << 8 | port[1]);
    *at++ = '}';
    return at;
}

static void put_endpoint_value(strbuf *out, unsigned field, const uint8_t *bytes, uint32_t len)
{
    if (len != 6 && len != 18 && len != 4 && len != 16) {
        put_odd_string(out, field, bytes, len);
        return;
    }
    put_key(out, field);
    char *at = strbuf_room(out, ENDPOINT_ROOM);
    out->len += (size_t)(endpoint_at(at, bytes, len) - at);
}

static void put_nodes_value(strbuf *out, unsigned field, const krpc_message *message, const uint8_t *data,
                            uint32_t size)
{
    const krpc_value *value = &message->value[field];
    krpc_compact_iter it;
    krpc_compact entry;

    if (value->len % size != 0) {
        put_odd_string(out, field, data + value->off, value->len);
        return;
    }
    put_key(out, field);
    char *at = strbuf_room(out, 2 + (size_t)(value->len / size) * NODE_ROOM);
    char *begin = at;
    *at++ = '[';
    krpc_nodes_init(&it, message, data, (krpc_field)field);
    while (krpc_nodes_next(&it, &entry)) {
        if (at > begin + 1) {
            *at++ = ',';
        }
        at = node_at(at, data + entry.off, entry.len - 22);
    }
    *at++ = ']';
    out->len += (size_t)(at - begin);
}

static void put_hashes_value(strbuf *out, unsigned field, const uint8_t *bytes, uint32_t len)
{
    if (len % 20 != 0) {
        put_odd_string(out, field, bytes, len);
        return;
    }
    put_key(out, field);
    strbuf_char(out, '[');
    for (uint32_t i = 0; i < len; i += 20) {
        if (i > 0) {
            strbuf_char(out, ',');
        }
        put_hex_string(out, bytes + i, 20);
    }
    strbuf_char(out, ']');
}

/* What an item of a list looks like; false: JSON cannot hold it. */
static bool put_item(strbuf *out, krpc_kind kind, const uint8_t *data, const bencode_token *item)
{
    const uint8_t *bytes = data + item->body_off;
    uint32_t len = item->body_len;

    if (item->type != BENCODE_STRING) {
        return false;
    }
    if (kind == KRPC_KIND_TEXTS) {
        if (!strbuf_is_json(bytes, len)) {
            return false;
        }
        strbuf_json(out, bytes, len);
        return true;
    }
    char *at = strbuf_room(out, NODE_ROOM);
    if (kind == KRPC_KIND_PEERS && (len == 6 || len == 18)) {
        out->len += (size_t)(endpoint_at(at, bytes, len) - at);
    } else if (kind == KRPC_KIND_NODE_LIST && (len == 26 || len == 38)) {
        out->len += (size_t)(node_at(at, bytes, len - 22) - at);
    } else {
        put_hex_string(out, bytes, len);
    }
    return true;
}

/* False: nothing was written, the list goes under "unknown". */
static bool put_list_value(strbuf *out, unsigned field, const krpc_message *message, const uint8_t *data)
{
    size_t before = out->len;
    krpc_list list;
    bencode_token item;
    bool first = true;

    put_key(out, field);
    strbuf_char(out, '[');
    krpc_list_init(&list, message, data, (krpc_field)field);
    while (krpc_list_next(&list, &item)) {
        if (!first) {
            strbuf_char(out, ',');
        }
        first = false;
        if (!put_item(out, (krpc_kind)fields[field].kind, data, &item)) {
            out->len = before;
            return false;
        }
    }
    strbuf_char(out, ']');
    return true;
}

static void put_encoding(strbuf *out, unsigned field, const krpc_message *message, const uint8_t *data)
{
    krpc_span whole = krpc_value_encoding(message, data, (krpc_field)field);

    put_hex_string(out, data + whole.off, whole.len);
}

static void put_scope(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_scope scope);
static bool put_error(strbuf *out, const krpc_message *message, const uint8_t *data);
static void put_object(strbuf *out, unsigned field, const krpc_message *message, const uint8_t *data, krpc_scope scope);

/* False: it goes under "unknown". */
static bool put_value(strbuf *out, unsigned field, const krpc_message *message, const uint8_t *data)
{
    const krpc_value *value = &message->value[field];
    const uint8_t *bytes = data + value->off;

    switch ((krpc_kind)fields[field].kind) {
    case KRPC_KIND_INT:
    case KRPC_KIND_FLAG:
    case KRPC_KIND_PORT:
        put_key(out, field);
        strbuf_int(out, value->num);
        return true;
    case KRPC_KIND_BYTES:
    case KRPC_KIND_VERSION:
    case KRPC_KIND_BLOOM:
        put_key(out, field);
        put_hex_string(out, bytes, value->len);
        return true;
    case KRPC_KIND_TEXT:
    case KRPC_KIND_METHOD:
    case KRPC_KIND_TYPE:
        put_text_value(out, field, bytes, value->len);
        return true;
    case KRPC_KIND_ENDPOINT:
        put_endpoint_value(out, field, bytes, value->len);
        return true;
    case KRPC_KIND_NODES:
        put_nodes_value(out, field, message, data, 26);
        return true;
    case KRPC_KIND_NODES6:
        put_nodes_value(out, field, message, data, 38);
        return true;
    case KRPC_KIND_HASHES:
        put_hashes_value(out, field, bytes, value->len);
        return true;
    case KRPC_KIND_PEERS:
    case KRPC_KIND_NODE_LIST:
    case KRPC_KIND_TEXTS:
        return put_list_value(out, field, message, data);
    case KRPC_KIND_ERROR:
        return put_error(out, message, data);
    case KRPC_KIND_DICT:
        put_object(out, field, message, data, field == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
        return true;
    case KRPC_KIND_ANY:
        put_key(out, field);
        put_encoding(out, field, message, data);
        return true;
    }
    return false;
}

static void begin_unknown(strbuf *out, bool first, const uint8_t *key, uint32_t len)
{
    strbuf_puts(out, first ? ",\"unknown\":[{\"key\":" : ",{\"key\":");
    put_hex_string(out, key, len);
    strbuf_puts(out, ",\"value\":");
}

/* The members of one dictionary, each with a comma in front. Known keys whose value JSON cannot hold are among the
 * unknown. */
static void put_scope(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_scope scope)
{
    unsigned end = krpc_scope_first(scope + 1u);
    krpc_fields odd = {0};
    bool first = true;
    krpc_unknown walk;
    krpc_span key, value;

    for (unsigned field = krpc_message_next(message, krpc_scope_first(scope), end); field < end;
         field = krpc_message_next(message, field + 1, end)) {
        if (!krpc_has(message, (krpc_field)field) || !put_value(out, field, message, data)) {
            krpc_fields_add(&odd, field);
        }
    }
    for (unsigned field = krpc_scope_first(scope); field < end; field++) {
        if (krpc_fields_have(&odd, field)) {
            const char *name = krpc_field_get((krpc_field)field)->key;
            begin_unknown(out, first, (const uint8_t *)name, (uint32_t)strlen(name));
            first = false;
            put_encoding(out, field, message, data);
            strbuf_char(out, '}');
        }
    }
    krpc_unknown_init(&walk, message, data, scope);
    while (krpc_unknown_next(&walk, &key, &value)) {
        begin_unknown(out, first, data + key.off, key.len);
        first = false;
        put_hex_string(out, data + value.off, value.len);
        strbuf_char(out, '}');
    }
    if (!first) {
        strbuf_char(out, ']');
    }
}

/* The first member's comma becomes the brace. */
static void put_object(strbuf *out, unsigned field, const krpc_message *message, const uint8_t *data, krpc_scope scope)
{
    put_key(out, field);
    size_t begin = out->len;
    put_scope(out, message, data, scope);
    if (out->len == begin) {
        strbuf_char(out, '{');
    } else {
        out->data[begin] = '{';
    }
    strbuf_char(out, '}');
}

/* The code and the text; false when the list holds more or less than that. */
static bool put_error(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    const krpc_value *list = &message->value[KRPC_E];

    put_key(out, KRPC_E);
    size_t begin = out->len;
    if (krpc_has(message, KRPC_E_CODE)) {
        strbuf_puts(out, ",\"code\":");
        strbuf_int(out, message->value[KRPC_E_CODE].num);
    }
    if (krpc_has(message, KRPC_E_MESSAGE)) {
        const krpc_value *value = &message->value[KRPC_E_MESSAGE];
        put_text_value(out, KRPC_E_MESSAGE, data + value->off, value->len);
    }
    if (out->len == begin) {
        strbuf_char(out, '{');
    } else {
        out->data[begin] = '{';
    }
    strbuf_char(out, '}');
    return list->type == BENCODE_LIST && list->num == 2 && krpc_has(message, KRPC_E_CODE) &&
           krpc_has(message, KRPC_E_MESSAGE);
}

void json_record_body(strbuf *out, const krpc_message *message, const uint8_t *data, uint32_t len)
{
    need_fields();
    /* An error that is a bare string is readable all the same. */
    if (!krpc_has(message, KRPC_E) && krpc_has(message, KRPC_E_MESSAGE)) {
        put_error(out, message, data);
    }
    put_scope(out, message, data, KRPC_SCOPE_TOP);
    if (!message->canonical || message->status != BENCODE_DONE || message->len != len) {
        strbuf_puts(out, ",\"raw\":");
        put_hex_string(out, data, len);
    }
}
