/* message_decode.c: one pass over a datagram, from bytes to a typed message.
 *
 * This file walks the dictionaries that the tables describe (the message, a, r) in one loop. message_decode_values.c
 * skips every other container and checks its encoding only.
 *
 * SPDX-License-Identifier: MIT
 */
#include "message_decode.h"
#include "bencode_scan.h"
#include "field_table.h"

/* libtorrent's limits for a DHT message (bdecode of dht_tracker.cpp): what is beyond is refused by most of the network.
 * */
#define LT_MAX_DEPTH  10
#define LT_MAX_TOKENS 500

/* A string whose length is in [low, low + range], and a multiple of what the field holds many of, is right without a
 * second look; anything else is looked at again. Where no string is wanted low is beyond any length. */
static const struct shape {
    uint64_t inverse; /* n is a multiple of m when n * (2^64 / m, rounded up) mod 2^64 is less than that; 0 for 1 */
    uint32_t low;
    uint16_t range;
} shapes[] = {
#define INVERSE(m) (UINT64_MAX / (m) + 1)
#define MULTIPLE(KIND)                                                                                                 \
    (KIND == KRPC_KIND_NODES    ? INVERSE(26)                                                                          \
     : KIND == KRPC_KIND_NODES6 ? INVERSE(38)                                                                          \
     : KIND == KRPC_KIND_HASHES ? INVERSE(20)                                                                          \
                                : INVERSE(UINT64_C(1)))
#define LOW(KIND, MIN)  (KIND == KRPC_KIND_ENDPOINT ? 6 : (MIN) & UINT16_MAX)
#define HIGH(KIND, MAX) (KIND == KRPC_KIND_ENDPOINT ? 6 : (MAX) & UINT16_MAX)
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, ...)                                                                 \
    {MULTIPLE(KRPC_KIND_##KIND), TYPES_##KIND != TYPES_BYTES ? UINT32_MAX - UINT16_MAX : LOW(KRPC_KIND_##KIND, MIN),   \
     TYPES_##KIND != TYPES_BYTES ? 0 : HIGH(KRPC_KIND_##KIND, MAX) - LOW(KRPC_KIND_##KIND, MIN)},
#include <krpc/fields.def>
    {0, UINT32_MAX - UINT16_MAX, 0}, /* a key that is not known */
};

/* ---- the dictionaries of the tables ---- */

static void count_unknown(krpc_decoder *d, krpc_scope scope)
{
    if (d->out->num_unknown[scope] < UINT16_MAX) {
        d->out->num_unknown[scope]++;
    }
}

static uint32_t depth_of(krpc_scope scope)
{
    return scope == KRPC_SCOPE_TOP ? 1 : 2;
}

static krpc_field dict_of(krpc_scope scope)
{
    return scope == KRPC_SCOPE_A ? KRPC_A : scope == KRPC_SCOPE_R ? KRPC_R : KRPC_NUM_FIELDS;
}

/* A key that is no string: skips it and its value. */
static bencode_status skip_odd_key(krpc_decoder *d)
{
    krpc_value key, value;
    uint32_t off = d->pos;
    bencode_status status = krpc_decoder_read_value(d, &key, depth_of(d->scope));

    if (status != BENCODE_OK) {
        return status;
    }
    krpc_decoder_report_flags(d, BENCODE_KEY_NOT_STRING, off, d->pos, 0, false);
    count_unknown(d, d->scope);
    if (d->pos < d->len && d->data[d->pos] == 'e') {
        krpc_decoder_report_flags(d, BENCODE_MISSING_VALUE, off, d->pos + 1, 0, false);
        return BENCODE_OK;
    }
    return krpc_decoder_read_value(d, &value, depth_of(d->scope));
}

/* A key that usual_key does not find: its length has two digits, it is out of order, or the table does not have it. One
 * that is no string is skipped together with its value. last_off is the entry before it, 0 for none. */
static RARE bencode_status read_odd_key(krpc_decoder *d, uint32_t last_off)
{
    bencode_scanned s, last;
    uint8_t byte = d->data[d->pos];
    bencode_status status;

    d->no_key = byte == 'i' || byte == 'l' || byte == 'd';
    if (d->no_key) {
        return skip_odd_key(d);
    }
    if ((unsigned)(byte - '0') > 9) {
        return BENCODE_BAD_BYTE;
    }
    status = bencode_scan_string(&s, d->data, d->len, d->pos);
    if (status != BENCODE_OK) {
        return status;
    }
    krpc_decoder_report_flags(d, s.flags, d->pos, s.end, s.body_len, true);
    if (s.body_len == 0) {
        krpc_decoder_report_empty_key(d, s.body_off);
    }
    d->key = (krpc_span){s.body_off, s.body_len};
    if (last_off != 0 && bencode_scan_string(&last, d->data, d->len, last_off) == BENCODE_OK) {
        krpc_decoder_report_order(d, (krpc_span){last.body_off, last.body_len}, d->key);
    }
    d->field = krpc_field_find(d->scope, d->data + s.body_off, s.body_len);
    d->pos = s.end;
    return BENCODE_OK;
}

/* A value that is not just a string of the right length. */
static bencode_status read_other_value(krpc_decoder *d, krpc_field field, uint32_t key_off)
{
    krpc_value unused;
    /* of a key that comes twice the first counts */
    bool fresh = field != KRPC_NUM_FIELDS && !krpc_has_any(d->out, field);
    krpc_value *v = fresh ? &d->out->value[field] : &unused;
    bencode_status status;

    if (d->pos < d->len && d->data[d->pos] == 'e') {
        krpc_decoder_report_flags(d, BENCODE_MISSING_VALUE, key_off, d->pos + 1, 0, false);
        return BENCODE_OK;
    }
    v->key_off = key_off;
    d->about = field;
    status = krpc_decoder_read_value(d, v, depth_of(d->scope));
    d->about = dict_of(d->scope);
    if (status != BENCODE_OK) {
        return status;
    }
    if (fresh) {
        krpc_decoder_judge_value(d, field, v);
    } else if (field == KRPC_NUM_FIELDS) {
        count_unknown(d, d->scope);
        krpc_emit(d->sink, KRPC_RULE_KRPC_UNKNOWN_KEY, d->key.off, d->key.len, 0, 0);
    }
    return BENCODE_OK;
}

/* A string that its field allows. */
static inline bool usual_value(uint32_t field, const uint8_t *data, uint32_t len, uint32_t pos, uint32_t *body,
                               uint32_t *size)
{
    const struct shape *shape = &shapes[field];

    return bencode_scan_usual(body, size, data, len, pos) && *size - shape->low <= shape->range &&
           *size * shape->inverse <= shape->inverse - 1;
}

/* The field whose key begins at pos with a length of one digit. False for a key that takes a closer look. */
static inline bool key_of(uint32_t *field, const uint16_t *slots, const uint8_t *data, uint32_t len, uint32_t pos,
                          unsigned digit)
{
    static const uint64_t first_bytes[16] = {0, /* by the digit: as far as the key reaches in its word */
                                             FIRST_BYTES(3),
                                             FIRST_BYTES(4),
                                             FIRST_BYTES(5),
                                             FIRST_BYTES(6),
                                             FIRST_BYTES(7),
                                             UINT64_MAX,
                                             UINT64_MAX,
                                             UINT64_MAX,
                                             UINT64_MAX};
    uint64_t word = word_at(data, len, pos) & first_bytes[digit];

    *field = field_of_word(slots, word);
    return field_entries[*field].word == word &&
           (digit <= 6 || text_word(data, len, pos + 8, digit - 6) == field_entries[*field].rest);
}

/* *end is the first byte after the key. Most keys have one byte; then the processor need not wait for its length. */
static inline bool usual_key(uint32_t *field, uint32_t *end, const uint16_t *slots, const uint8_t *data, uint32_t len,
                             uint32_t pos)
{
    unsigned digit = data[pos] & 15;

    if (digit == 1) {
        *end = pos + 3;
        return key_of(field, slots, data, len, pos, 1);
    }
    *end = pos + 2 + digit;
    return key_of(field, slots, data, len, pos, digit);
}

/* A value without a fault. Member by member, so that it takes no more than five stores. */
static inline void take_value(krpc_message *out, uint32_t field, bencode_type type, uint32_t key_off, uint32_t off,
                              uint32_t len)
{
    krpc_value *v = &out->value[field];

    v->key_off = key_off;
    v->off = off;
    v->len = len;
    v->type = (uint8_t)type;
    v->flags = 0;
    v->num = 0;
    krpc_fields_add(&out->present, field);
}

/* Where a walk over a dictionary's entries is. It stays in registers: nothing but inline functions is given its
 * address. */
typedef struct walk {
    const uint16_t *slots; /* the scope's, see field_table.h */
    uint32_t pos;
    uint32_t last_off; /* the last entry whose key was a string; 0 for none */
    uint32_t next;     /* the first field that would be in order; KRPC_NUM_FIELDS when only the keys' bytes can tell */
    uint32_t tokens;   /* of this dictionary, counted when it is complete */
    uint32_t outer_tokens;
} walk;

static inline void open_scope(walk *w, krpc_decoder *d, krpc_scope scope)
{
    d->scope = scope;
    d->about = dict_of(scope);
    d->out->body[scope].off = w->pos;
    d->out->body[scope].len = d->len - w->pos;
    w->slots = field_slots[scope];
    w->outer_tokens = w->tokens;
    w->tokens = 0;
    w->last_off = 0;
    w->next = 0;
}

/* The dictionary of a or of r. Every one should begin with the sender's id. */
static inline void open_body(walk *w, krpc_decoder *d, uint32_t field, uint32_t key_off)
{
    uint32_t id_field = field == KRPC_A ? KRPC_A_ID : KRPC_R_ID;

    take_value(d->out, field, BENCODE_DICT, key_off, w->pos, d->len - w->pos);
    krpc_decoder_note_depth(d, 2, w->pos);
    d->tokens++;
    w->pos++;
    open_scope(w, d, field == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
    if (d->len - w->pos >= 27 && memcmp(d->data + w->pos, "2:id20:", 7) == 0) {
        take_value(d->out, id_field, BENCODE_STRING, w->pos, w->pos + 7, 20);
        w->last_off = w->pos;
        w->next = id_field + 1;
        w->tokens = 2;
        w->pos += 27;
    }
}

/* At its e. True when that was the message's own. */
static inline bool close_scope(walk *w, krpc_decoder *d)
{
    krpc_scope scope = d->scope;
    krpc_value *v = &d->out->value[scope == KRPC_SCOPE_A ? KRPC_A : KRPC_R];

    d->out->body[scope].len = w->pos - d->out->body[scope].off;
    d->tokens += w->tokens + 1;
    w->pos++;
    if (scope == KRPC_SCOPE_TOP) {
        return true;
    }
    v->len = w->pos - v->off;
    d->scope = KRPC_SCOPE_TOP;
    d->about = KRPC_NUM_FIELDS;
    w->slots = field_slots[KRPC_SCOPE_TOP];
    w->tokens = w->outer_tokens;
    w->last_off = v->key_off;
    w->next = (scope == KRPC_SCOPE_A ? KRPC_A : KRPC_R) + 1;
    return false;
}

/* Every message should end with y: "1:y1:q" and its e are the last seven bytes. */
static inline bool take_last(walk *w, const krpc_decoder *d)
{
    const uint8_t *at = d->data + w->pos;

    if (d->len - w->pos != 7 || d->scope != KRPC_SCOPE_TOP || w->next > KRPC_Y || krpc_has_any(d->out, KRPC_Y) ||
        memcmp(at, "1:y1:", 5) != 0 || at[6] != 'e') {
        return false;
    }
    take_value(d->out, KRPC_Y, BENCODE_STRING, w->pos, w->pos + 5, 1);
    w->tokens += 2;
    w->pos += 6;
    return true;
}

/* The message's dictionary, and those of a and r in it, from after its d to after its e. The loop itself handles the
 * usual keys and values; for all others it calls functions that work on *d. */
static bencode_status walk_entries(krpc_decoder *d)
{
    const uint8_t *const data = d->data;
    const uint32_t len = d->len;
    walk w = {.pos = d->pos};

    open_scope(&w, d, KRPC_SCOPE_TOP);
    while (w.pos < len) {
        uint32_t key_off = w.pos;
        uint32_t field, value, value_len;
        bencode_status status;

        if (data[w.pos] == 'e') {
            if (close_scope(&w, d)) {
                d->pos = w.pos;
                return BENCODE_OK;
            }
            continue;
        }
        if (take_last(&w, d)) {
            continue;
        }
        if (LIKELY(usual_key(&field, &w.pos, w.slots, data, len, key_off)) && LIKELY(field >= w.next)) {
            w.next = field + 1;
        } else {
            d->pos = key_off;
            status = read_odd_key(d, w.last_off);
            if (status != BENCODE_OK) {
                return status;
            }
            w.pos = d->pos;
            if (d->no_key) {
                continue;
            }
            field = d->field;
            w.next = field < KRPC_NUM_FIELDS ? field + 1 : KRPC_NUM_FIELDS;
        }
        w.last_off = key_off;
        w.tokens++;
        if (LIKELY(!krpc_has_any(d->out, (krpc_field)field))) {
            if (usual_value(field, data, len, w.pos, &value, &value_len)) {
                take_value(d->out, field, BENCODE_STRING, key_off, value, value_len);
                w.tokens++;
                w.pos = value + value_len;
                continue;
            }
            if ((field == KRPC_A || field == KRPC_R) && w.pos < len && data[w.pos] == 'd') {
                open_body(&w, d, field, key_off);
                continue;
            }
        }
        d->pos = w.pos;
        status = read_other_value(d, (krpc_field)field, key_off);
        if (status != BENCODE_OK) {
            return status;
        }
        w.pos = d->pos;
    }
    d->pos = w.pos;
    return BENCODE_CUT;
}

/* ---- the whole datagram ---- */

static void report_stop(krpc_decoder *d, size_t wire_len)
{
    uint32_t pos = d->pos;

    d->out->canonical = 0;
    switch (d->out->status) {
    case BENCODE_CUT:
        if (wire_len > d->len) {
            krpc_emit(d->sink, KRPC_RULE_BENCODE_SNAPPED, pos, d->len - pos, d->len, (int64_t)wire_len);
        } else {
            krpc_emit(d->sink, KRPC_RULE_BENCODE_CUT, pos, d->len - pos, pos, 0);
        }
        break;
    case BENCODE_BAD_LENGTH:
        krpc_emit(d->sink, KRPC_RULE_BENCODE_BAD_LENGTH, pos, d->len - pos, pos, 0);
        break;
    default:
        krpc_emit(d->sink, KRPC_RULE_BENCODE_BAD_BYTE, pos, pos < d->len ? 1 : 0, pos,
                  pos < d->len ? d->data[pos] : -1);
    }
}

static void report_trailing(krpc_decoder *d, size_t wire_len)
{
    bool padding = true;

    if (d->pos == d->len) { /* what follows was not captured */
        krpc_emit(d->sink, KRPC_RULE_BENCODE_SNAPPED, d->pos, 0, d->len, (int64_t)wire_len);
        return;
    }
    for (uint32_t i = d->pos; i < d->len && padding; i++) {
        padding = d->data[i] == 0 || d->data[i] == '\r' || d->data[i] == '\n' || d->data[i] == ' ';
    }
    krpc_emit(d->sink, padding ? KRPC_RULE_BENCODE_PADDING : KRPC_RULE_BENCODE_TRAILING, d->pos, d->len - d->pos,
              (int64_t)wire_len - d->pos, 0);
}

static krpc_type type_of(const krpc_message *m, const uint8_t *data)
{
    if (!krpc_has(m, KRPC_Y) || m->value[KRPC_Y].len != 1) {
        return KRPC_TYPE_UNKNOWN;
    }
    switch (data[m->value[KRPC_Y].off]) {
    case 'q':
        return KRPC_QUERY;
    case 'r':
        return KRPC_RESPONSE;
    case 'e':
        return KRPC_ERROR;
    default:
        return KRPC_TYPE_UNKNOWN;
    }
}

static void finish(krpc_decoder *d, size_t wire_len)
{
    krpc_message *m = d->out;

    m->len = d->pos;
    m->stop = d->pos;
    if (m->status != BENCODE_DONE) {
        report_stop(d, wire_len);
        m->len = d->len;
    } else if (wire_len > d->pos) {
        report_trailing(d, wire_len);
    }
    if (d->depth > LT_MAX_DEPTH) {
        krpc_emit(d->sink, KRPC_RULE_BENCODE_DEEP, d->deep_off, 1, d->depth, 0);
    }
    if (d->tokens > LT_MAX_TOKENS) {
        krpc_emit(d->sink, KRPC_RULE_BENCODE_MANY, 0, 0, d->tokens, 0);
    }
    m->type = (uint8_t)type_of(m, d->data);
    m->method = (uint8_t)(krpc_has(m, KRPC_Q) ? krpc_method_find(d->data + m->value[KRPC_Q].off, m->value[KRPC_Q].len)
                                              : KRPC_METHOD_NONE);
}

void krpc_message_decode(krpc_message *out, const uint8_t *data, size_t len, size_t wire_len, const krpc_sink *sink)
{
    krpc_decoder d = {.data = data,
                      .len = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len,
                      .sink = sink,
                      .out = out,
                      .about = KRPC_NUM_FIELDS};

    memset(&out->present, 0, sizeof out->present);
    memset(&out->wrong, 0, sizeof out->wrong);
    out->len = d.len;
    out->canonical = 1;
    for (int i = 0; i < KRPC_SCOPE_E; i++) {
        out->body[i] = (krpc_span){0, 0};
        out->num_unknown[i] = 0;
    }
    if (d.len == 0 || data[0] != 'd') {
        out->status = d.len == 0 ? BENCODE_CUT : BENCODE_BAD_BYTE;
    } else {
        bencode_status status;

        d.pos = 1;
        d.depth = 1;
        d.tokens = 1;
        status = walk_entries(&d);
        out->status = (uint8_t)(status == BENCODE_OK ? BENCODE_DONE : status);
    }
    finish(&d, wire_len);
}
