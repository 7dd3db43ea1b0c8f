/* message_encode.c: a typed message back into bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bencode_put.h"
#include "field_lookup.h"
#include "message_private.h"

/* The fields of each scope; the order of fields.def is that of their keys. */
static const uint64_t scopes[] = {KRPC_BIT(KRPC_A_CAS) - 1, KRPC_ALL_A, KRPC_ALL_R};

/* Each key as it is written. */
static const struct {
    uint8_t bytes[16];
    uint8_t len;
} keys[] = {
#define BYTE(KEY, i) (uint8_t)KEY_BYTE(KEY, i)
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING)                                         \
    {{BYTE(KEY, 0), BYTE(KEY, 1), BYTE(KEY, 2), BYTE(KEY, 3), BYTE(KEY, 4), BYTE(KEY, 5), BYTE(KEY, 6), BYTE(KEY, 7),  \
      BYTE(KEY, 8), BYTE(KEY, 9), BYTE(KEY, 10), BYTE(KEY, 11), BYTE(KEY, 12), BYTE(KEY, 13), BYTE(KEY, 14),           \
      BYTE(KEY, 15)},                                                                                                  \
     HEAD_LEN(KEY) + sizeof(KEY) - 1},
#include <krpc/fields.def>
};

/* An entry that the table does not know, while the table's own are merged with it. */
typedef struct pending {
    krpc_unknown walk;
    krpc_span key;
    krpc_span value;
    bool any;
} pending;

static void advance(pending *p)
{
    p->any = krpc_unknown_next(&p->walk, &p->key, &p->value);
}

static RARE void begin_unknown(pending *p, const krpc_message *m, const uint8_t *data, krpc_scope scope)
{
    krpc_unknown_init(&p->walk, m, data, scope);
    advance(p);
}

static bool unknown_first(const pending *p, const uint8_t *data, const char *key)
{
    size_t len = strlen(key);
    size_t shorter = p->key.len < len ? p->key.len : len;
    int order = memcmp(data + p->key.off, key, shorter);

    return order < 0 || (order == 0 && p->key.len < len);
}

/* Those in front of key, or all that are left when it is NULL. */
static RARE bencode_writer put_unknown(bencode_writer w, pending *p, const uint8_t *data, const char *key)
{
    for (; p->any && (key == NULL || unknown_first(p, data, key)); advance(p)) {
        bencode_put_string(&w, data + p->key.off, p->key.len);
        bencode_put_raw(&w, data + p->value.off, p->value.len);
    }
    return w;
}

static APART void put_int(bencode_writer *w, const krpc_value *v, const uint8_t *data)
{
    if ((v->flags & BENCODE_OVERFLOW) != 0) {
        bencode_put_raw(w, "i", 1);
        bencode_put_raw(w, data + v->off, v->len);
        bencode_put_raw(w, "e", 1);
    } else {
        bencode_put_int(w, v->num);
    }
}

/* By what is there, not by what the table wants: a message with a value of the wrong type is written as it was. */
static inline HOT void put_value(bencode_writer *w, const krpc_value *v, const uint8_t *data)
{
    if (v->type == BENCODE_STRING) {
        bencode_add_string(w, data + v->off, v->len);
    } else if (v->type == BENCODE_INT) {
        bencode_writer copy = *w;

        put_int(&copy, v, data);
        *w = copy;
    } else {
        bencode_add_raw(w, data + v->off, v->len);
    }
}

static inline HOT void put_key(bencode_writer *w, pending *p, const uint8_t *data, unsigned field)
{
    if (!LIKELY(!p->any)) {
        *w = put_unknown(*w, p, data, krpc_field_get((krpc_field)field)->key);
    }
    bencode_add_raw(w, keys[field].bytes, keys[field].len);
}

static inline HOT void put_end(bencode_writer *w, pending *p, const uint8_t *data)
{
    if (!LIKELY(!p->any)) {
        *w = put_unknown(*w, p, data, NULL);
    }
    bencode_add_raw(w, "e", 1);
}

/* a or r. */
static inline HOT void put_body(bencode_writer *w, const krpc_message *m, const uint8_t *data, krpc_scope scope)
{
    uint64_t left = (m->present | m->wrong) & scopes[scope];
    pending p;

    p.any = false;
    if (!LIKELY(m->num_unknown[scope] == 0)) {
        begin_unknown(&p, m, data, scope);
    }
    bencode_add_raw(w, "d", 1);
    for (; left != 0; left &= left - 1) {
        unsigned f = lowest_bit(left);

        put_key(w, &p, data, f);
        put_value(w, &m->value[f], data);
    }
    put_end(w, &p, data);
}

size_t krpc_message_encode(void *out, size_t cap, const krpc_message *message, const uint8_t *data)
{
    uint64_t left = (message->present | message->wrong) & scopes[KRPC_SCOPE_TOP];
    uint64_t bodies = message->present & (KRPC_BIT(KRPC_A) | KRPC_BIT(KRPC_R));
    bencode_writer w = {(uint8_t *)out, cap, 0};
    pending p;

    if (message->status != BENCODE_DONE) {
        return 0;
    }
    p.any = false;
    if (!LIKELY(message->num_unknown[KRPC_SCOPE_TOP] == 0)) {
        begin_unknown(&p, message, data, KRPC_SCOPE_TOP);
    }
    bencode_add_raw(&w, "d", 1);
    for (; left != 0; left &= left - 1) {
        unsigned f = lowest_bit(left);

        put_key(&w, &p, data, f);
        if ((bodies & KRPC_BIT(f)) != 0) {
            put_body(&w, message, data, f == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
        } else {
            put_value(&w, &message->value[f], data);
        }
    }
    put_end(&w, &p, data);
    return w.len;
}
