/* message_encode.c: a typed message back into bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bencode_put.h"
#include "field_table.h"

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

/* Writes those that sort before key, or all that are left when it is NULL. */
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
    bencode_add_raw(w, field_entries[field].text, field_entries[field].len);
}

static inline HOT void put_end(bencode_writer *w, pending *p, const uint8_t *data)
{
    if (!LIKELY(!p->any)) {
        *w = put_unknown(*w, p, data, NULL);
    }
    bencode_add_raw(w, "e", 1);
}

static inline HOT void begin_dict(bencode_writer *w, pending *p, const krpc_message *m, const uint8_t *data,
                                  krpc_scope scope)
{
    p->any = false;
    if (!LIKELY(m->num_unknown[scope] == 0)) {
        begin_unknown(p, m, data, scope);
    }
    bencode_add_raw(w, "d", 1);
}

/* The fields of one dictionary are those from first on and before end. */
static inline HOT void put_body(bencode_writer *w, const krpc_message *m, const uint8_t *data, krpc_scope scope,
                                unsigned first, unsigned end)
{
    pending p;

    begin_dict(w, &p, m, data, scope);
    for (unsigned f = krpc_message_next(m, first, end); f < end; f = krpc_message_next(m, f + 1, end)) {
        put_key(w, &p, data, f);
        put_value(w, &m->value[f], data);
    }
    put_end(w, &p, data);
}

size_t krpc_message_encode(void *out, size_t cap, const krpc_message *message, const uint8_t *data)
{
    const krpc_message *m = message;
    bencode_writer w = {(uint8_t *)out, cap, 0};
    pending p;

    if (m->status != BENCODE_DONE) {
        return 0;
    }
    begin_dict(&w, &p, m, data, KRPC_SCOPE_TOP);
    for (unsigned f = krpc_message_next(m, 0, KRPC_FIRST_A); f < KRPC_FIRST_A;
         f = krpc_message_next(m, f + 1, KRPC_FIRST_A)) {
        put_key(&w, &p, data, f);
        if (f == KRPC_A && krpc_has(m, KRPC_A)) {
            put_body(&w, m, data, KRPC_SCOPE_A, KRPC_FIRST_A, KRPC_FIRST_R);
        } else if (f == KRPC_R && krpc_has(m, KRPC_R)) {
            put_body(&w, m, data, KRPC_SCOPE_R, KRPC_FIRST_R, KRPC_FIRST_E);
        } else {
            put_value(&w, &m->value[f], data);
        }
    }
    put_end(&w, &p, data);
    return w.len;
}
