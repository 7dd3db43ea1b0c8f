/* message.c: what can be asked of a decoded message.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bencode_scan.h"
#include "message_private.h"

const char *krpc_type_name(krpc_type type)
{
    static const char *const names[] = {"unknown", "query", "response", "error"};

    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "?";
}

const char *krpc_error_text(int64_t code)
{
    switch (code) {
    case 201:
        return "generic error";
    case 202:
        return "server error";
    case 203:
        return "protocol error: malformed message, invalid argument or bad token";
    case 204:
        return "method unknown";
    case 205:
        return "item too big";
    case 206:
        return "invalid signature";
    case 207:
        return "salt too big";
    case 301:
        return "compare-and-swap mismatch: read the item again";
    case 302:
        return "sequence number less than the current one";
    default:
        return NULL;
    }
}

static bool starts_with(const krpc_message *message, const uint8_t *data, uint32_t off, const char *text, uint32_t len)
{
    return off <= message->len && len <= message->len - off && memcmp(data + off, text, len) == 0;
}

/* The body's first key is a node id of the right length: what is left of a message that was cut or damaged later. */
static bool begins_with_id(const krpc_message *message, const uint8_t *data)
{
    static const char id[] = "2:id20:";

    return (krpc_has(message, KRPC_A) &&
            starts_with(message, data, message->body[KRPC_SCOPE_A].off, id, sizeof id - 1)) ||
           (krpc_has(message, KRPC_R) &&
            starts_with(message, data, message->body[KRPC_SCOPE_R].off, id, sizeof id - 1));
}

krpc_probe krpc_message_probe(const krpc_message *message, const uint8_t *data)
{
    const krpc_message *m = message;
    bool whole_query = m->type == KRPC_QUERY && krpc_has(m, KRPC_Q) && krpc_has(m, KRPC_A);
    bool whole_response = m->type == KRPC_RESPONSE && krpc_has(m, KRPC_R);
    bool whole_error = m->type == KRPC_ERROR && krpc_has_any(m, KRPC_E);

    if (whole_query || whole_response || whole_error || begins_with_id(m, data) || krpc_message_id(m, data) != NULL ||
        (krpc_has(m, KRPC_E_CODE) && krpc_error_text(m->value[KRPC_E_CODE].num) != NULL)) {
        return KRPC_PROBE_YES;
    }
    for (unsigned field = 0; field < KRPC_FIRST_A; field++) {
        if (krpc_has(m, (krpc_field)field)) {
            return KRPC_PROBE_MAYBE;
        }
    }
    return m->status == BENCODE_DONE && m->len == 2 ? KRPC_PROBE_MAYBE : KRPC_PROBE_NO;
}

krpc_span krpc_value_encoding(const krpc_message *message, const uint8_t *data, krpc_field field)
{
    const krpc_value *v = &message->value[field];
    uint32_t off = v->off;
    bencode_scanned key;

    if (!krpc_has_any(message, field)) {
        return (krpc_span){0, 0};
    }
    if (v->type == BENCODE_INT) {
        return (krpc_span){off - 1, v->len + 2};
    }
    if (v->type == BENCODE_STRING && field >= KRPC_FIRST_E) {
        off = v->key_off;
    } else if (v->type == BENCODE_STRING && bencode_scan_string(&key, data, message->len, v->key_off) == BENCODE_OK) {
        off = key.end;
    }
    return (krpc_span){off, v->off + v->len - off};
}

krpc_type krpc_message_guess_type(const krpc_message *message)
{
    if (message->type != KRPC_TYPE_UNKNOWN) {
        return (krpc_type)message->type;
    }
    if (krpc_has(message, KRPC_A) || krpc_has(message, KRPC_Q)) {
        return KRPC_QUERY;
    }
    if (krpc_has(message, KRPC_R)) {
        return KRPC_RESPONSE;
    }
    return krpc_has(message, KRPC_E) ? KRPC_ERROR : KRPC_TYPE_UNKNOWN;
}

static const uint8_t *bytes20(const krpc_message *message, const uint8_t *data, krpc_field field)
{
    return krpc_has(message, field) && message->value[field].len == 20 ? data + message->value[field].off : NULL;
}

const uint8_t *krpc_message_id(const krpc_message *message, const uint8_t *data)
{
    const uint8_t *a = bytes20(message, data, KRPC_A_ID);
    const uint8_t *r = bytes20(message, data, KRPC_R_ID);

    return message->type == KRPC_QUERY ? (a != NULL ? a : r) : (r != NULL ? r : a);
}

const uint8_t *krpc_message_target(const krpc_message *message, const uint8_t *data)
{
    const uint8_t *target = bytes20(message, data, KRPC_A_TARGET);

    return target != NULL ? target : bytes20(message, data, KRPC_A_INFO_HASH);
}

bool krpc_message_ip(krpc_endpoint *out, const krpc_message *message, const uint8_t *data)
{
    return krpc_has(message, KRPC_IP) &&
           krpc_endpoint_get(out, data + message->value[KRPC_IP].off, message->value[KRPC_IP].len);
}

/* A reader inside a dictionary or a list, after its opening byte. The reader takes both for a list: that changes only
 * the tokens' flags, which the callers do not use. */
static void reader_inside(bencode_reader *out, const uint8_t *data, uint32_t off, uint32_t len)
{
    bencode_reader_init(out, data, (size_t)off + len);
    out->pos = off;
    out->depth = 1;
    out->started = 1;
}

void krpc_list_init(krpc_list *out, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    const krpc_value *value = &message->value[field];
    bool there = krpc_has_any(message, field);

    out->has_single = there && value->type == BENCODE_STRING;
    if (out->has_single) {
        memset(&out->single, 0, sizeof out->single);
        out->single.type = BENCODE_STRING;
        out->single.off = value->off;
        out->single.end = value->off + value->len;
        out->single.body_off = value->off;
        out->single.body_len = value->len;
    }
    if (there && value->type == BENCODE_LIST && value->len > 0) {
        reader_inside(&out->reader, data, value->off + 1, value->len - 1);
    } else {
        reader_inside(&out->reader, data, 0, 0);
    }
}

bool krpc_list_next(krpc_list *list, bencode_token *out)
{
    uint32_t end;

    if (list->has_single) {
        *out = list->single;
        list->has_single = false;
        return true;
    }
    if (list->reader.depth == 0 || bencode_next(&list->reader, out) != BENCODE_OK || out->type == BENCODE_END) {
        list->reader.depth = 0;
        return false;
    }
    if (bencode_skip(&list->reader, &end, out) != BENCODE_OK) {
        list->reader.depth = 0;
        return false;
    }
    out->end = end;
    return true;
}

void krpc_unknown_init(krpc_unknown *out, const krpc_message *message, const uint8_t *data, krpc_scope scope)
{
    out->scope = scope;
    if ((unsigned)scope < KRPC_SCOPE_E && message->num_unknown[scope] > 0) {
        reader_inside(&out->reader, data, message->body[scope].off, message->body[scope].len);
    } else {
        reader_inside(&out->reader, data, 0, 0);
    }
}

bool krpc_unknown_next(krpc_unknown *unknown, krpc_span *key_out, krpc_span *value_out)
{
    bencode_reader *reader = &unknown->reader;
    bencode_token key, value;
    uint32_t key_end, end;

    while (reader->depth > 0 && bencode_next(reader, &key) == BENCODE_OK && key.type != BENCODE_END) {
        bool is_string = key.type == BENCODE_STRING;

        if (bencode_skip(reader, &key_end, &key) != BENCODE_OK || bencode_next(reader, &value) != BENCODE_OK ||
            value.type == BENCODE_END || bencode_skip(reader, &end, &value) != BENCODE_OK) {
            break;
        }
        if (!is_string ||
            krpc_field_find(unknown->scope, reader->data + key.body_off, key.body_len) == KRPC_NUM_FIELDS) {
            key_out->off = is_string ? key.body_off : key.off;
            key_out->len = is_string ? key.body_len : key_end - key.off;
            value_out->off = value.off;
            value_out->len = end - value.off;
            return true;
        }
    }
    reader->depth = 0;
    return false;
}
