/* message_decode_values.c: values other than strings of the right length, and the findings about encodings.
 *
 * Containers that the tables do not describe are skipped here; only their encoding is checked.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bencode_scan.h"
#include "message_decode.h"

typedef struct key_state {
    uint64_t word;
    krpc_span key;
    bool any;
} key_state;

/* ---- encoding ---- */

/* What the scanner noticed about a token. */
void krpc_decoder_report_flags(krpc_decoder *d, uint32_t flags, uint32_t off, uint32_t end, int64_t num, bool is_string)
{
    static const struct {
        uint32_t flag;
        krpc_rule rule;
    } rules[] = {{BENCODE_MINUS_ZERO, KRPC_RULE_BENCODE_MINUS_ZERO},
                 {BENCODE_OVERFLOW, KRPC_RULE_BENCODE_OVERFLOW},
                 {BENCODE_EMPTY_INT, KRPC_RULE_BENCODE_EMPTY_INT},
                 {BENCODE_BAD_INT, KRPC_RULE_BENCODE_BAD_INT},
                 {BENCODE_KEY_NOT_STRING, KRPC_RULE_BENCODE_KEY_NOT_STRING},
                 {BENCODE_MISSING_VALUE, KRPC_RULE_BENCODE_MISSING_VALUE}};

    if ((flags & ~((uint32_t)BENCODE_KEY | BENCODE_DEEP)) == 0) {
        return;
    }
    d->out->canonical = 0;
    if ((flags & BENCODE_LEADING_ZERO) != 0) {
        krpc_emit_at(d->sink, is_string ? KRPC_RULE_BENCODE_LENGTH_ZERO : KRPC_RULE_BENCODE_LEADING_ZERO, d->about, off,
                     end - off, num, 0);
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if ((flags & rules[i].flag) != 0) {
            krpc_emit_at(d->sink, rules[i].rule, d->about, off, end - off, num, 0);
        }
    }
}

/* Compares a key with the one before it. */
RARE void krpc_decoder_report_order(krpc_decoder *d, krpc_span last, krpc_span key)
{
    uint32_t shorter = last.len < key.len ? last.len : key.len;
    int order = memcmp(d->data + last.off, d->data + key.off, shorter);

    if (order == 0 && last.len == key.len) {
        d->out->canonical = 0;
        krpc_emit_at(d->sink, KRPC_RULE_BENCODE_DUPLICATE, d->about, key.off, key.len, 0, 0);
    } else if (order > 0 || (order == 0 && last.len > key.len)) {
        d->out->canonical = 0;
        krpc_emit_at(d->sink, KRPC_RULE_BENCODE_UNSORTED, d->about, key.off, key.len, 0, 0);
    }
}

RARE void krpc_decoder_report_empty_key(krpc_decoder *d, uint32_t off)
{
    krpc_emit_at(d->sink, KRPC_RULE_BENCODE_EMPTY_KEY, d->about, off, 0, 0, 0);
}

/* Words compare as the keys do, except where the first eight bytes are equal. */
static inline void check_order(krpc_decoder *d, key_state *last, uint64_t word, uint32_t off, uint32_t len)
{
    if (len == 0) {
        krpc_decoder_report_empty_key(d, off);
    }
    if (last->any && word <= last->word) { /* or both are the first eight bytes of longer ones */
        krpc_decoder_report_order(d, last->key, (krpc_span){off, len});
    }
    last->word = word;
    last->key = (krpc_span){off, len};
    last->any = true;
}

/* ---- containers that the tables do not look into ---- */

static void check_token(krpc_decoder *d, const bencode_token *t, key_state *keys, uint32_t base, uint32_t depth)
{
    uint32_t level = depth - 1;

    d->tokens++;
    krpc_decoder_report_flags(d, t->flags, t->off, t->end, t->type == BENCODE_STRING ? t->body_len : t->num,
                              t->type == BENCODE_STRING);
    if (t->type == BENCODE_LIST || t->type == BENCODE_DICT) {
        krpc_decoder_note_depth(d, depth + base, t->off);
        if (level < BENCODE_MAX_DEPTH) {
            keys[level] = (key_state){.any = false};
        }
    } else if (t->type == BENCODE_STRING && (t->flags & BENCODE_KEY) != 0 && level < BENCODE_MAX_DEPTH) {
        check_order(d, &keys[level], text_word(d->data, d->len, t->body_off, t->body_len), t->body_off, t->body_len);
    }
}

/* Any container, whole: its tokens' own faults and its dictionaries' order. Counts the items of a list. */
static bencode_status skip_nested(krpc_decoder *d, uint32_t base, int64_t *items_out)
{
    key_state keys[BENCODE_MAX_DEPTH];
    bencode_reader reader;
    bencode_token t;
    bencode_status status;
    int64_t items = 0;

    bencode_reader_init(&reader, d->data, d->len);
    reader.pos = d->pos;
    while ((status = bencode_next(&reader, &t)) == BENCODE_OK) {
        if (reader.depth == 1 && t.type != BENCODE_LIST && t.type != BENCODE_DICT) {
            items++; /* a scalar item, or the END of a container item */
        }
        check_token(d, &t, keys, base, reader.depth);
    }
    d->pos = reader.pos;
    *items_out = items;
    return status == BENCODE_DONE ? BENCODE_OK : status;
}

/* A list of strings and integers, the usual case, is walked without a stack; anything else goes to skip_nested. */
static bencode_status skip_container(krpc_decoder *d, uint32_t base, int64_t *items_out)
{
    const uint8_t *data = d->data;
    uint32_t pos = d->pos + 1;
    uint32_t items = 0;
    bool even = true;

    d->list_even = false;
    if (data[d->pos] != 'l') {
        return skip_nested(d, base, items_out);
    }
    while (pos < d->len && data[pos] != 'e') {
        bencode_scanned s;

        if (data[pos] == '6' && d->len - pos >= 8 && data[pos + 1] == ':') {
            pos += 8; /* a peer */
        } else if ((unsigned)(data[pos] - '0') <= 9 && bencode_scan_string(&s, data, d->len, pos) == BENCODE_OK &&
                   s.flags == 0) {
            even = even && (s.body_len == 6 || s.body_len == 18);
            pos = s.end;
        } else if (data[pos] == 'i' && bencode_scan_int(&s, data, d->len, pos) == BENCODE_OK && s.flags == 0) {
            even = false;
            pos = s.end;
        } else {
            return skip_nested(d, base, items_out);
        }
        items++;
    }
    if (pos >= d->len) {
        return skip_nested(d, base, items_out);
    }
    d->tokens += items + 2;
    krpc_decoder_note_depth(d, base + 1, d->pos);
    d->pos = pos + 1;
    d->list_even = even;
    *items_out = items;
    return BENCODE_OK;
}

/* ---- values ---- */

static void report(krpc_decoder *d, krpc_rule rule, krpc_field field, const krpc_value *v, int64_t a, int64_t b)
{
    krpc_emit_at(d->sink, rule, field, v->off, v->len, a, b);
}

static void check_values(krpc_decoder *d, krpc_field field, krpc_rule rule, uint32_t v4, uint32_t v6)
{
    krpc_list list;
    bencode_token item;

    krpc_list_init(&list, d->out, d->data, field);
    while (krpc_list_next(&list, &item)) {
        if (item.type == BENCODE_STRING && (item.body_len == v4 || item.body_len == v6)) {
            continue;
        }
        if (field == KRPC_R_VALUES && item.type == BENCODE_STRING && item.body_len > 0 && item.body_len % v4 == 0) {
            krpc_emit_at(d->sink, KRPC_RULE_KRPC_VALUES_JOINED, field, item.body_off, item.body_len, item.body_len / v4,
                         0);
            continue;
        }
        if (field == KRPC_R_VALUES && item.type == BENCODE_STRING && item.body_len == 8 &&
            memcmp(d->data + item.body_off, "6:", 2) == 0) {
            krpc_emit_at(d->sink, KRPC_RULE_KRPC_VALUES_PREFIXED, field, item.body_off, item.body_len, 0, 0);
            continue;
        }
        krpc_emit_at(d->sink, rule, field, item.off, item.end - item.off,
                     item.type == BENCODE_STRING ? item.body_len : 0, v4);
    }
}

/* The two items of an error. Any other content of the list is a finding. */
static void read_error(krpc_decoder *d, const krpc_value *value)
{
    krpc_list list;
    bencode_token item;
    uint32_t n = 0;
    bool good = true;

    krpc_list_init(&list, d->out, d->data, KRPC_E);
    for (; krpc_list_next(&list, &item); n++) {
        krpc_field field = item.type == BENCODE_INT && n == 0      ? KRPC_E_CODE
                           : item.type == BENCODE_STRING && n == 1 ? KRPC_E_MESSAGE
                                                                   : KRPC_NUM_FIELDS;

        if (field == KRPC_NUM_FIELDS) {
            good = false;
            continue;
        }
        krpc_fields_add(&d->out->present, field);
        d->out->value[field] = (krpc_value){.key_off = item.off,
                                            .off = item.body_off,
                                            .len = item.body_len,
                                            .type = (uint8_t)item.type,
                                            .flags = (uint8_t)item.flags,
                                            .num = item.num};
    }
    if (!good || n != 2) {
        report(d, KRPC_RULE_KRPC_ERROR_FORM, KRPC_E, value, n, 0);
    }
}

uint32_t krpc_decoder_count_mangled(const uint8_t *data, uint32_t len)
{
    uint32_t num = 0;

    for (uint32_t i = 0; len - i >= 3; i++) {
        num += data[i] == 0xef && data[i + 1] == 0xbf && data[i + 2] == 0xbd;
    }
    return num;
}

/* A string of a length that its field does not allow. */
static void report_length(krpc_decoder *d, krpc_rule rule, krpc_field field, const krpc_value *v, int64_t size)
{
    uint32_t num = v->len < 3 ? 0 : krpc_decoder_count_mangled(d->data + v->off, v->len);

    if (num >= MIN_MANGLED) {
        report(d, KRPC_RULE_KRPC_MANGLED, field, v, num, 0);
    } else {
        report(d, rule, field, v, v->len, size);
    }
}

static void check_multiple(krpc_decoder *d, krpc_rule rule, krpc_field field, const krpc_value *v, uint32_t size)
{
    if (v->len % size != 0) {
        report_length(d, rule, field, v, size);
    }
}

static void check_string(krpc_decoder *d, krpc_field field, const krpc_field_info *info, const krpc_value *v)
{
    switch (info->kind) {
    case KRPC_KIND_ENDPOINT:
        if (v->len == 6 || (v->len == 18 && info->max >= 18)) {
            return;
        }
        report(d, v->len == 4 || v->len == 16 ? KRPC_RULE_KRPC_IP_WITHOUT_PORT : KRPC_RULE_KRPC_WRONG_LENGTH, field, v,
               v->len, 0);
        return;
    case KRPC_KIND_NODES:
        check_multiple(d, KRPC_RULE_KRPC_NODES_REMAINDER, field, v, 26);
        return;
    case KRPC_KIND_NODES6:
        check_multiple(d, KRPC_RULE_KRPC_NODES_REMAINDER, field, v, 38);
        return;
    case KRPC_KIND_HASHES:
        check_multiple(d, KRPC_RULE_BEP51_REMAINDER, field, v, 20);
        return;
    default:
        if ((v->len < info->min || v->len > info->max) && field != KRPC_A_V && field != KRPC_R_V) {
            report_length(d, KRPC_RULE_KRPC_WRONG_LENGTH, field, v, info->min);
        }
    }
}

static void check_value(krpc_decoder *d, krpc_field field, const krpc_field_info *info, const krpc_value *v)
{
    if (v->type == BENCODE_STRING) {
        check_string(d, field, info, v);
    } else if (v->type == BENCODE_INT) {
        if (info->kind != KRPC_KIND_ANY && info->kind != KRPC_KIND_PORT && (v->num < info->min || v->num > info->max)) {
            report(d, KRPC_RULE_KRPC_OUT_OF_RANGE, field, v, v->num, 0);
        }
    } else if (field == KRPC_R_VALUES) {
        if (!d->list_even) {
            check_values(d, field, KRPC_RULE_KRPC_VALUES_LENGTH, 6, 18);
        }
    } else if (field == KRPC_R_NODES2) {
        check_values(d, field, KRPC_RULE_KRPC_NODES_REMAINDER, 26, 38);
    } else if (field == KRPC_E) {
        read_error(d, v);
    }
}

/* The wrong type, but a meaning that several programs give it. */
static void accept_wrong(krpc_decoder *d, krpc_field field, const krpc_value *v)
{
    if (field == KRPC_E && v->type == BENCODE_STRING) {
        krpc_fields_add(&d->out->present, KRPC_E_MESSAGE);
        d->out->value[KRPC_E_MESSAGE] = *v;
        d->out->value[KRPC_E_MESSAGE].key_off = krpc_value_encoding(d->out, d->data, KRPC_E).off;
        report(d, KRPC_RULE_KRPC_ERROR_STRING, field, v, 0, 0);
    } else if (field == KRPC_R_VALUES && v->type == BENCODE_STRING && v->len % 6 == 0) {
        report(d, KRPC_RULE_KRPC_VALUES_JOINED, field, v, v->len / 6, 0);
    } else {
        report(d, KRPC_RULE_KRPC_WRONG_TYPE, field, v, 0, 0);
    }
}

void krpc_decoder_judge_value(krpc_decoder *d, krpc_field field, const krpc_value *v)
{
    if ((krpc_field_get(field)->types & 1u << v->type) != 0) {
        krpc_fields_add(&d->out->present, field);
        check_value(d, field, krpc_field_get(field), v);
    } else {
        krpc_fields_add(&d->out->wrong, field);
        accept_wrong(d, field, v);
    }
}

/* One value of any type at pos. The caller opens the dictionaries that the tables describe. */
bencode_status krpc_decoder_read_value(krpc_decoder *d, krpc_value *v, uint32_t base)
{
    bencode_scanned s;
    bencode_status status;
    uint32_t pos = d->pos;
    uint8_t byte;

    if (pos >= d->len) {
        return BENCODE_CUT;
    }
    byte = d->data[pos];
    v->num = 0;
    if ((unsigned)(byte - '0') <= 9) {
        status = bencode_scan_string(&s, d->data, d->len, pos);
        v->type = BENCODE_STRING;
    } else if (byte == 'i') {
        status = bencode_scan_int(&s, d->data, d->len, pos);
        v->type = BENCODE_INT;
    } else if (byte == 'l' || byte == 'd') {
        v->type = byte == 'l' ? BENCODE_LIST : BENCODE_DICT;
        v->flags = 0;
        v->off = pos;
        status = skip_container(d, base, &v->num);
        v->len = d->pos - pos;
        return status;
    } else {
        return BENCODE_BAD_BYTE;
    }
    if (status != BENCODE_OK) {
        return status;
    }
    d->tokens++;
    v->flags = (uint8_t)s.flags;
    v->off = s.body_off;
    v->len = s.body_len;
    if (v->type == BENCODE_INT) {
        v->num = s.num;
    }
    if (s.flags != 0) {
        krpc_decoder_report_flags(d, s.flags, pos, s.end, v->type == BENCODE_STRING ? s.body_len : s.num,
                                  v->type == BENCODE_STRING);
    }
    d->pos = s.end;
    return BENCODE_OK;
}
