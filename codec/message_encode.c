/* message_encode.c: a typed message back into bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "message_private.h"

/* The fields of each scope, in the order of their keys (the order of fields.def). */
static const struct {
    krpc_field first;
    krpc_field end;
} scopes[] = {{KRPC_A, KRPC_A_CAS}, {KRPC_A_CAS, KRPC_R_BFPE}, {KRPC_R_BFPE, KRPC_E_CODE}};

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

static bool unknown_first(const pending *p, const uint8_t *data, const char *key)
{
    size_t len = strlen(key);
    size_t shorter = p->key.len < len ? p->key.len : len;
    int order = memcmp(data + p->key.off, key, shorter);

    return order < 0 || (order == 0 && p->key.len < len);
}

static void put_unknown(bencode_writer *w, const pending *p, const uint8_t *data)
{
    bencode_put_string(w, data + p->key.off, p->key.len);
    bencode_put_raw(w, data + p->value.off, p->value.len);
}

/* By what is there, not by what the table wants: a message with a value of the wrong type is written as it was. */
static void put_value(bencode_writer *w, const krpc_value *v, const uint8_t *data)
{
    switch (v->type) {
    case BENCODE_STRING:
        bencode_put_string(w, data + v->off, v->len);
        break;
    case BENCODE_INT:
        if ((v->flags & BENCODE_OVERFLOW) != 0) {
            bencode_put_raw(w, "i", 1);
            bencode_put_raw(w, data + v->off, v->len);
            bencode_put_raw(w, "e", 1);
        } else {
            bencode_put_int(w, v->num);
        }
        break;
    default:
        bencode_put_raw(w, data + v->off, v->len);
    }
}

static void put_entries(bencode_writer *w, const krpc_message *m, const uint8_t *data, krpc_scope scope);

static void put_body(bencode_writer *w, const krpc_message *m, const uint8_t *data, krpc_scope scope)
{
    bencode_put_dict(w);
    put_entries(w, m, data, scope);
    bencode_put_end(w);
}

/* One level deep at most: TOP holds A and R, and those hold none. */
static void put_entries(bencode_writer *w, const krpc_message *m, const uint8_t *data, krpc_scope scope)
{
    pending p = {.any = false};
    uint64_t there = m->present | m->wrong;

    if (m->num_unknown[scope] > 0) {
        krpc_unknown_init(&p.walk, m, data, scope);
        advance(&p);
    }
    for (krpc_field f = scopes[scope].first; f < scopes[scope].end; f++) {
        const char *key = krpc_field_get(f)->key;

        if ((there & KRPC_BIT(f)) == 0) {
            continue;
        }
        for (; p.any && unknown_first(&p, data, key); advance(&p)) {
            put_unknown(w, &p, data);
        }
        bencode_put_key(w, key);
        if (krpc_has(m, f) && (f == KRPC_A || f == KRPC_R)) {
            put_body(w, m, data, f == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
        } else {
            put_value(w, &m->value[f], data);
        }
    }
    for (; p.any; advance(&p)) {
        put_unknown(w, &p, data);
    }
}

size_t krpc_message_encode(void *out, size_t cap, const krpc_message *message, const uint8_t *data)
{
    bencode_writer w;

    if (message->status != BENCODE_DONE) {
        return 0;
    }
    bencode_writer_init(&w, out, cap);
    put_body(&w, message, data, KRPC_SCOPE_TOP);
    return w.len;
}
