/* fuzz_encode: the laws of the builder. The input is a program for it: the type, a size for its room, then one
 * operation after another.
 *
 *   - a dry run gives the size, and what has room is written and nothing else
 *   - what was built decodes completely, with every field as it was set last, and the unknown keys beside them
 *   - what was built of canonical pieces is canonical
 *   - a full builder says so, and encodes to nothing
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <krpc/message.h>

/* input hands out the program's bytes; behind its end are zeros. */
typedef struct input {
    const uint8_t *data;
    size_t left;
} input;

static uint8_t take(input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

static const uint8_t *take_bytes(input *in, size_t *len, size_t want)
{
    const uint8_t *bytes = in->data;

    *len = want < in->left ? want : in->left;
    in->data += *len;
    in->left -= *len;
    return bytes;
}

/* What the message must hold: the last that was set. */
typedef struct expected {
    enum { ABSENT, BYTES, INT, RAW } what;
    int64_t num;
    const uint8_t *bytes;
    size_t len;
} expected;

typedef struct program {
    krpc_builder builder;
    expected fields[KRPC_NUM_FIELDS];
    bool canonical;
    uint8_t last_key[KRPC_SCOPE_E][16]; /* unknown keys must come sorted */
    size_t last_len[KRPC_SCOPE_E];
    unsigned num_unknown[KRPC_SCOPE_E];
    int scope;          /* scope by scope */
    uint32_t room_used; /* and one after another */
} program;

/* Is one whole value with one encoding: sorted keys without a fault, to the depth that is looked at. */
static bool is_canonical(const uint8_t *bytes, size_t len)
{
    static const uint8_t begin[] = "d1:ad1:v";
    uint8_t *wrapped = malloc(len + sizeof begin + 1);
    krpc_message m;
    bool canonical;

    LAW(wrapped != NULL, "memory");
    memcpy(wrapped, begin, sizeof begin - 1);
    memcpy(wrapped + sizeof begin - 1, bytes, len);
    memcpy(wrapped + sizeof begin - 1 + len, "ee", 2);
    krpc_message_decode(&m, wrapped, len + sizeof begin + 1, len + sizeof begin + 1, NULL);
    canonical = m.status == BENCODE_DONE && m.canonical;
    free(wrapped);
    return canonical;
}

static void set_field(program *p, input *in)
{
    krpc_field field = (krpc_field)(take(in) % KRPC_NUM_FIELDS);
    unsigned how = take(in) % 3;
    expected e = {ABSENT, 0, NULL, 0};

    if (krpc_field_get(field)->scope == KRPC_SCOPE_E || field == KRPC_A || field == KRPC_R) {
        return; /* these are made by what is inside of them */
    }
    if (how == 0) {
        e.what = BYTES;
        e.bytes = take_bytes(in, &e.len, take(in));
        krpc_builder_bytes(&p->builder, field, e.bytes, e.len);
    } else if (how == 1) {
        uint64_t num = 0;

        for (unsigned n = take(in) % 9; n > 0; n--) {
            num = num << 8 | take(in);
        }
        e.what = INT;
        e.num = (int64_t)num;
        krpc_builder_int(&p->builder, field, e.num);
    } else {
        uint32_t size;
        bool whole;

        e.what = RAW;
        e.bytes = take_bytes(in, &e.len, take(in));
        whole = bencode_check(&size, e.bytes, e.len) == BENCODE_DONE && size == e.len;
        LAW(krpc_builder_raw(&p->builder, field, e.bytes, e.len) == whole, "raw takes one whole value");
        if (!whole) {
            return;
        }
        p->canonical = p->canonical && is_canonical(e.bytes, e.len);
    }
    if (!p->builder.full) {
        p->fields[field] = e;
    }
}

static bool sorts_behind(const program *p, krpc_scope scope, const uint8_t *key, size_t len)
{
    size_t shorter = p->last_len[scope] < len ? p->last_len[scope] : len;
    int order = memcmp(p->last_key[scope], key, shorter);

    return p->num_unknown[scope] == 0 || order < 0 || (order == 0 && p->last_len[scope] < len);
}

static void add_unknown(program *p, input *in)
{
    krpc_scope scope = (krpc_scope)(take(in) % KRPC_SCOPE_E);
    size_t key_len, len;
    const uint8_t *key = take_bytes(in, &key_len, take(in) % 16);
    const uint8_t *value = take_bytes(in, &len, take(in));
    uint32_t size;
    bool whole = bencode_check(&size, value, len) == BENCODE_DONE && size == len;

    if ((int)scope < p->scope || (p->num_unknown[scope] > 0 && p->room_used != p->builder.len) ||
        krpc_field_find(scope, key, key_len) != KRPC_NUM_FIELDS || !sorts_behind(p, scope, key, key_len)) {
        return; /* what the header forbids */
    }
    LAW(krpc_builder_unknown(&p->builder, scope, key, key_len, value, len) == whole, "unknown takes one whole value");
    if (!whole || p->builder.full) {
        return;
    }
    p->canonical = p->canonical && is_canonical(value, len);
    p->scope = (int)scope;
    memcpy(p->last_key[scope], key, key_len);
    p->last_len[scope] = key_len;
    p->num_unknown[scope]++;
    p->room_used = p->builder.len;
}

static void set_error(program *p, input *in)
{
    char text[64];
    size_t len;
    int64_t code = (int64_t)(take(in) << 8 | take(in)) - 1000;
    const uint8_t *bytes = take_bytes(in, &len, take(in) % (sizeof text - 1));

    memcpy(text, bytes, len);
    text[len] = '\0';
    krpc_builder_error(&p->builder, code, text);
    if (!p->builder.full) {
        p->fields[KRPC_E] = (expected){ABSENT, 0, NULL, 0}; /* its own form: see check_error */
        p->fields[KRPC_E_CODE] = (expected){INT, code, NULL, 0};
    }
}

static void check_field(const program *p, const krpc_message *m, const uint8_t *data, krpc_field f)
{
    const expected *e = &p->fields[f];
    const krpc_value *v = &m->value[f];
    bool there = krpc_has_any(m, f);

    if (e->what == ABSENT) {
        LAW(!there || f == KRPC_A || f == KRPC_R || krpc_field_get(f)->scope == KRPC_SCOPE_E || f == KRPC_E,
            "nothing comes of its own");
        return;
    }
    if (f == KRPC_E_CODE) {
        LAW(p->fields[KRPC_E].what != ABSENT || (there && v->num == e->num), "an error has its code");
        return;
    }
    LAW(there, "what was set is there");
    if (e->what == BYTES) {
        LAW(v->type == BENCODE_STRING && v->len == e->len &&
                (e->len == 0 || memcmp(data + v->off, e->bytes, e->len) == 0),
            "a string is as it was set");
    } else if (e->what == INT) {
        LAW(v->type == BENCODE_INT && v->num == e->num, "an integer is as it was set");
    } else {
        LAW(v->type == BENCODE_LIST || v->type == BENCODE_DICT || v->type == BENCODE_INT || v->type == BENCODE_STRING,
            "a raw value has a type");
        LAW((v->type != BENCODE_LIST && v->type != BENCODE_DICT) ||
                (v->len == e->len && memcmp(data + v->off, e->bytes, e->len) == 0),
            "a raw container is as it was set");
    }
}

static void check_result(const program *p, const uint8_t *data, size_t len)
{
    krpc_message m;

    krpc_message_decode(&m, data, len, len, NULL);
    LAW(m.status == BENCODE_DONE && m.len == len, "what was built is complete");
    LAW(!p->canonical || m.canonical, "of canonical pieces comes a canonical message");
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        check_field(p, &m, data, f);
    }
    for (krpc_scope scope = KRPC_SCOPE_TOP; scope < KRPC_SCOPE_E; scope++) {
        LAW(m.num_unknown[scope] == p->num_unknown[scope], "the unknown keys are there");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    program *p = calloc(1, sizeof *p);
    krpc_type type = (krpc_type)(take(&in) % 4);
    size_t cap = (size_t)take(&in) * 8;
    uint8_t *room = malloc(cap > 0 ? cap : 1);
    size_t t_len, len;
    const uint8_t *t = take_bytes(&in, &t_len, take(&in) % 20);

    LAW(p != NULL && room != NULL, "memory");
    p->canonical = true;
    krpc_builder_init(&p->builder, room, cap, type, t, t_len);
    p->fields[KRPC_T] = (expected){BYTES, 0, t, t_len};
    p->fields[KRPC_Y] = (expected){BYTES, 0, (const uint8_t *)"?qre" + type, 1};
    while (in.left > 0) {
        unsigned op = take(&in) % 8;

        if (op < 5) {
            set_field(p, &in);
        } else if (op < 7) {
            add_unknown(p, &in);
        } else {
            set_error(p, &in);
        }
    }
    len = krpc_builder_encode(&p->builder, NULL, 0);
    LAW((len == 0) == p->builder.full, "a full builder encodes to nothing");
    if (len > 0) {
        uint8_t *out = malloc(len);
        uint8_t *part = malloc(len / 2 + 1);

        LAW(krpc_builder_encode(&p->builder, out, len) == len, "a dry run gives the size");
        LAW(krpc_builder_encode(&p->builder, part, len / 2) == len && memcmp(part, out, len / 2) == 0,
            "what has room is written");
        check_result(p, out, len);
        free(part);
        free(out);
    }
    free(room);
    free(p);
    return 0;
}
