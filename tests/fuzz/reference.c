/* reference.c: see reference.h. One byte after another, keys by strcmp, no hash, no word, no shortcut.
 *
 * SPDX-License-Identifier: MIT
 */
#include "reference.h"

#include <string.h>

#define MAX_BAD_INT 40 /* bytes of a damaged integer among which its e is looked for */
#define MAX_DEPTH   64 /* nesting in which keys are told from values */

typedef struct decoder {
    const uint8_t *data;
    uint32_t len;
    uint32_t pos;
    krpc_message *out;
} decoder;

static bool is_digit(const decoder *d, uint32_t pos)
{
    return pos < d->len && d->data[pos] >= '0' && d->data[pos] <= '9';
}

static void set_flags(decoder *d, krpc_value *v, unsigned flags)
{
    v->flags = (uint8_t)flags;
    d->out->canonical = flags != 0 ? 0 : d->out->canonical;
}

static bencode_status read_string(decoder *d, krpc_value *v)
{
    uint32_t pos = d->pos;
    uint64_t n = 0;

    for (; is_digit(d, pos); pos++) {
        n = n * 10 + d->data[pos] - '0';
        if (n > UINT32_MAX) {
            return BENCODE_BAD_LENGTH;
        }
    }
    if (pos == d->len) {
        return BENCODE_CUT;
    }
    if (d->data[pos] != ':') {
        return BENCODE_BAD_LENGTH;
    }
    if (n > d->len - pos - 1) {
        return BENCODE_CUT;
    }
    v->type = BENCODE_STRING;
    v->off = pos + 1;
    v->len = (uint32_t)n;
    v->num = 0;
    set_flags(d, v, d->data[d->pos] == '0' && pos > d->pos + 1 ? BENCODE_LEADING_ZERO : 0);
    d->pos = v->off + v->len;
    return BENCODE_OK;
}

static bencode_status read_int(decoder *d, krpc_value *v)
{
    uint32_t pos = d->pos + 1;
    bool minus = pos < d->len && d->data[pos] == '-';
    uint32_t first = pos + minus;
    uint64_t limit = (uint64_t)INT64_MAX + minus;
    uint64_t n = 0;
    unsigned flags = 0;

    for (pos = first; is_digit(d, pos); pos++) {
        uint64_t digit = (uint64_t)(d->data[pos] - '0');

        flags |= n > (limit - digit) / 10 ? BENCODE_OVERFLOW : 0;
        n = (flags & BENCODE_OVERFLOW) != 0 ? limit : n * 10 + digit;
    }
    if (pos == d->len) {
        return BENCODE_CUT;
    }
    if (d->data[pos] != 'e') {
        while (pos < d->len && pos < d->pos + MAX_BAD_INT && d->data[pos] != 'e') {
            pos++;
        }
        if (pos == d->len && d->len - d->pos <= MAX_BAD_INT) {
            return BENCODE_CUT;
        }
        if (pos >= d->pos + MAX_BAD_INT) {
            return BENCODE_BAD_BYTE;
        }
        flags = BENCODE_BAD_INT;
        n = 0;
    } else if (pos == first) {
        flags = BENCODE_EMPTY_INT;
    } else if (d->data[first] == '0') {
        flags |= pos > first + 1 ? BENCODE_LEADING_ZERO : minus ? BENCODE_MINUS_ZERO : 0u;
    }
    v->type = BENCODE_INT;
    v->off = d->pos + 1;
    v->len = pos - v->off;
    v->num = minus ? (int64_t)(0 - n) : (int64_t)n;
    set_flags(d, v, flags);
    d->pos = pos + 1;
    return BENCODE_OK;
}

/* Keys must rise; the message is not canonical where they do not. */
static void check_order(decoder *d, const krpc_value *last, const krpc_value *key)
{
    uint32_t shorter = last->len < key->len ? last->len : key->len;
    int order = memcmp(d->data + last->off, d->data + key->off, shorter);

    if (order > 0 || (order == 0 && last->len >= key->len)) {
        d->out->canonical = 0;
    }
}

/* A list or dictionary, whole. */
static bencode_status read_container(decoder *d, krpc_value *v)
{
    bool is_dict[MAX_DEPTH], in_value[MAX_DEPTH], any[MAX_DEPTH];
    krpc_value last[MAX_DEPTH];
    uint32_t begin = d->pos;
    uint32_t depth = 0;
    int64_t items = 0;

    do {
        uint32_t level = depth - 1;
        bool known = depth > 0 && level < MAX_DEPTH;
        bool is_key = known && is_dict[level] && !in_value[level];
        bencode_status status;
        krpc_value token;
        uint8_t byte;

        if (d->pos == d->len) {
            return BENCODE_CUT;
        }
        byte = d->data[d->pos];
        if (byte == 'l' || byte == 'd') {
            d->out->canonical = is_key ? 0 : d->out->canonical;
            d->pos++;
            if (depth++ < MAX_DEPTH) {
                is_dict[depth - 1] = byte == 'd';
                in_value[depth - 1] = any[depth - 1] = false;
            }
            continue;
        }
        if (byte == 'e') {
            if (known && is_dict[level] && in_value[level]) {
                d->out->canonical = 0; /* a key without a value */
            }
            d->pos++;
            depth--;
        } else {
            status = is_digit(d, d->pos) ? read_string(d, &token)
                     : byte == 'i'       ? read_int(d, &token)
                                         : BENCODE_BAD_BYTE;
            if (status != BENCODE_OK) {
                return status;
            }
            if (is_key && token.type != BENCODE_STRING) {
                d->out->canonical = 0;
            } else if (is_key) {
                if (any[level]) {
                    check_order(d, &last[level], &token);
                }
                any[level] = true;
                last[level] = token;
            }
        }
        items += depth == 1;
        if (depth > 0 && depth <= MAX_DEPTH) {
            in_value[depth - 1] = is_dict[depth - 1] && !in_value[depth - 1];
        }
    } while (depth > 0);
    *v = (krpc_value){
        .off = begin, .len = d->pos - begin, .type = d->data[begin] == 'l' ? BENCODE_LIST : BENCODE_DICT, .num = items};
    return BENCODE_OK;
}

static bencode_status read_value(decoder *d, krpc_value *v)
{
    if (d->pos == d->len) {
        return BENCODE_CUT;
    }
    switch (d->data[d->pos]) {
    case 'i':
        return read_int(d, v);
    case 'l':
    case 'd':
        return read_container(d, v);
    default:
        return is_digit(d, d->pos) ? read_string(d, v) : BENCODE_BAD_BYTE;
    }
}

static krpc_field find(const decoder *d, krpc_scope scope, const krpc_value *key)
{
    krpc_field f = 0;

    for (; f < KRPC_NUM_FIELDS; f++) {
        const krpc_field_info *info = krpc_field_get(f);

        if (info->scope == scope && strlen(info->key) == key->len &&
            memcmp(info->key, d->data + key->off, key->len) == 0) {
            break;
        }
    }
    return f;
}

/* The items of an error, or the text that stands for it. */
static void read_error(decoder *d)
{
    decoder inner = *d;
    const krpc_value e = d->out->value[KRPC_E];
    uint8_t canonical = d->out->canonical;
    krpc_value v;

    inner.pos = e.off + (e.type == BENCODE_LIST);
    if (e.type == BENCODE_STRING) {
        krpc_fields_add(&d->out->present, KRPC_E_MESSAGE);
        d->out->value[KRPC_E_MESSAGE] = e;
        d->out->value[KRPC_E_MESSAGE].key_off = krpc_value_encoding(d->out, d->data, KRPC_E).off;
    }
    for (unsigned n = 0; e.type == BENCODE_LIST && d->data[inner.pos] != 'e'; n++) {
        uint32_t off = inner.pos;
        krpc_field field = n == 0 ? KRPC_E_CODE : KRPC_E_MESSAGE;

        read_value(&inner, &v);
        if (n < 2 && v.type == (n == 0 ? BENCODE_INT : BENCODE_STRING)) {
            v.key_off = off;
            krpc_fields_add(&d->out->present, field);
            d->out->value[field] = v;
        }
    }
    d->out->canonical = canonical;
}

static void add(decoder *d, krpc_field field, const krpc_value *v)
{
    bool right = (krpc_field_get(field)->types & 1u << v->type) != 0;

    krpc_fields_add(right ? &d->out->present : &d->out->wrong, field);
    d->out->value[field] = *v;
    if (field == KRPC_E) {
        read_error(d);
    }
}

static void count_unknown(decoder *d, krpc_scope scope)
{
    if (d->out->num_unknown[scope] < UINT16_MAX) {
        d->out->num_unknown[scope]++;
    }
}

static bencode_status read_dict(decoder *d, krpc_scope scope);

static bencode_status read_entry(decoder *d, krpc_scope scope, krpc_value *last, bool *any)
{
    uint32_t key_off = d->pos;
    krpc_field field = KRPC_NUM_FIELDS;
    krpc_value key, v;
    bencode_status status = read_value(d, &key);
    bool is_string = status == BENCODE_OK && key.type == BENCODE_STRING;

    if (status != BENCODE_OK) {
        return status;
    }
    if (is_string) {
        if (*any) {
            check_order(d, last, &key);
        }
        *last = key;
        *any = true;
        field = find(d, scope, &key);
    } else {
        d->out->canonical = 0;
        count_unknown(d, scope);
    }
    if (d->pos < d->len && d->data[d->pos] == 'e') {
        d->out->canonical = 0;
        return BENCODE_OK;
    }
    bool is_new = field != KRPC_NUM_FIELDS && !krpc_has_any(d->out, field);
    if (is_new && (field == KRPC_A || field == KRPC_R) && d->pos < d->len && d->data[d->pos] == 'd') {
        krpc_value *body = &d->out->value[field];

        *body = (krpc_value){.key_off = key_off, .off = d->pos, .len = d->len - d->pos, .type = BENCODE_DICT};
        krpc_fields_add(&d->out->present, field);
        status = read_dict(d, field == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
        body->len = status == BENCODE_OK ? d->pos - body->off : body->len;
        return status;
    }
    status = read_value(d, &v);
    v.key_off = key_off;
    if (status == BENCODE_OK && is_new) {
        add(d, field, &v);
    } else if (status == BENCODE_OK && is_string && field == KRPC_NUM_FIELDS) {
        count_unknown(d, scope);
    }
    return status;
}

static bencode_status read_dict(decoder *d, krpc_scope scope)
{
    krpc_span *body = &d->out->body[scope];
    krpc_value last;
    bool any = false;

    d->pos++;
    *body = (krpc_span){d->pos, d->len - d->pos};
    while (d->pos < d->len && d->data[d->pos] != 'e') {
        bencode_status status = read_entry(d, scope, &last, &any);

        if (status != BENCODE_OK) {
            return status;
        }
    }
    if (d->pos == d->len) {
        return BENCODE_CUT;
    }
    body->len = d->pos - body->off;
    d->pos++;
    return BENCODE_OK;
}

void reference_decode(krpc_message *out, const uint8_t *data, uint32_t len)
{
    decoder d = {data, len, 0, out};
    bencode_status status = len == 0 ? BENCODE_CUT : BENCODE_BAD_BYTE;

    memset(out, 0, offsetof(krpc_message, value));
    out->canonical = 1;
    out->len = len;
    if (len > 0 && data[0] == 'd') {
        status = read_dict(&d, KRPC_SCOPE_TOP);
    }
    out->status = (uint8_t)(status == BENCODE_OK ? BENCODE_DONE : status);
    out->len = status == BENCODE_OK ? d.pos : len;
    out->stop = d.pos;
    out->canonical = status == BENCODE_OK ? out->canonical : 0;
    if (krpc_has(out, KRPC_Y) && out->value[KRPC_Y].len == 1) {
        uint8_t y = data[out->value[KRPC_Y].off];

        out->type = (uint8_t)(y == 'q' ? KRPC_QUERY : y == 'r' ? KRPC_RESPONSE : y == 'e' ? KRPC_ERROR : 0);
    }
    if (krpc_has(out, KRPC_Q)) {
        out->method = (uint8_t)krpc_method_find(data + out->value[KRPC_Q].off, out->value[KRPC_Q].len);
    }
}
