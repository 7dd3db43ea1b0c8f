/* message_builder.c: a message out of values.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bencode_put.h"
#include "message_private.h"

/* Copies bytes into the room; 0 and full when there is none left. */
static inline HOT uint32_t keep(krpc_builder *b, const void *bytes, size_t len)
{
    uint32_t off = b->len;

    if (len > b->cap - b->len) {
        b->full = true;
        return 0;
    }
    if (len > 0) {
        bencode_copy(b->room + off, (const uint8_t *)bytes, len);
    }
    b->len += (uint32_t)len;
    return off;
}

static inline HOT void add(krpc_message *m, krpc_field field, bool fits)
{
    krpc_fields *to = fits ? &m->present : &m->wrong;
    krpc_fields *from = fits ? &m->wrong : &m->present;

    krpc_fields_add(to, field);
    from->words[field / 64] &= ~(UINT64_C(1) << field % 64);
}

/* A field of a or r makes its dictionary. A dictionary that is given as bytes is "wrong", so that it is copied. */
static inline HOT void set(krpc_builder *b, krpc_field field, const bencode_token *t, uint32_t off, uint32_t len)
{
    krpc_value *v = &b->message.value[field];

    if (b->full || (unsigned)field >= KRPC_NUM_FIELDS) {
        return;
    }
    v->key_off = 0;
    v->off = off;
    v->len = len;
    v->type = (uint8_t)t->type;
    v->flags = (uint8_t)t->flags;
    v->num = t->num;
    add(&b->message, field, (krpc_field_get(field)->types & 1u << t->type) != 0 && field != KRPC_A && field != KRPC_R);
    if (field >= KRPC_FIRST_A && field < KRPC_FIRST_E) {
        krpc_builder_dict(b, field < KRPC_FIRST_R ? KRPC_A : KRPC_R);
    }
}

void krpc_builder_init(krpc_builder *builder, void *room, size_t cap, krpc_type type, const void *t, size_t t_len)
{
    static const char types[] = "?qre";
    unsigned index = (unsigned)type <= KRPC_ERROR ? (unsigned)type : 0;

    memset(&builder->message, 0, offsetof(krpc_message, value)); /* a value counts where its bit is set */
    builder->room = (uint8_t *)room;
    builder->cap = cap > UINT32_MAX ? UINT32_MAX : (uint32_t)cap;
    builder->len = 0;
    builder->full = false;
    builder->message.status = BENCODE_DONE;
    builder->message.type = (uint8_t)index;
    builder->message.canonical = 1;
    if (t != NULL) {
        krpc_builder_bytes(builder, KRPC_T, t, t_len);
    }
    if (index != KRPC_TYPE_UNKNOWN) {
        krpc_builder_bytes(builder, KRPC_Y, types + index, 1);
    }
    if (type == KRPC_QUERY || type == KRPC_RESPONSE) {
        krpc_builder_dict(builder, type == KRPC_QUERY ? KRPC_A : KRPC_R);
    }
}

void krpc_builder_dict(krpc_builder *builder, krpc_field field)
{
    add(&builder->message, field, true);
}

void krpc_builder_method(krpc_builder *builder, krpc_method method)
{
    const char *name = krpc_method_name(method);

    builder->message.method = (uint8_t)method;
    krpc_builder_bytes(builder, KRPC_Q, name, strlen(name));
}

void krpc_builder_bytes(krpc_builder *builder, krpc_field field, const void *bytes, size_t len)
{
    static const bencode_token string = {.type = BENCODE_STRING};
    uint32_t off = keep(builder, bytes, len);

    set(builder, field, &string, off, (uint32_t)len);
}

void krpc_builder_int(krpc_builder *builder, krpc_field field, int64_t num)
{
    bencode_token t = {.type = BENCODE_INT, .num = num};

    set(builder, field, &t, 0, 0);
}

/* The bytes are one whole value, and nothing follows it. */
static bool whole(bencode_token *out, const void *bencode, size_t len)
{
    bencode_reader reader;
    uint32_t size;

    if (bencode_check(&size, bencode, len) != BENCODE_DONE || size != len) {
        return false;
    }
    bencode_reader_init(&reader, bencode, len);
    return bencode_next(&reader, out) == BENCODE_OK;
}

bool krpc_builder_raw(krpc_builder *builder, krpc_field field, const void *bencode, size_t len)
{
    bencode_token t;
    uint32_t off;

    if (!whole(&t, bencode, len)) {
        return false;
    }
    off = keep(builder, bencode, len);
    if (t.type == BENCODE_STRING || t.type == BENCODE_INT) {
        set(builder, field, &t, off + t.body_off, t.body_len);
    } else {
        set(builder, field, &t, off, (uint32_t)len);
    }
    return true;
}

void krpc_builder_error(krpc_builder *builder, int64_t code, const char *text)
{
    static const bencode_token list = {.type = BENCODE_LIST, .num = 2};
    bencode_writer w;
    uint32_t off = builder->len;

    bencode_writer_init(&w, builder->room + builder->len, builder->cap - builder->len);
    bencode_put_list(&w);
    bencode_put_int(&w, code);
    bencode_put_string(&w, text, strlen(text));
    bencode_put_end(&w);
    if (!bencode_writer_ok(&w)) {
        builder->full = true;
        return;
    }
    builder->len += (uint32_t)w.len;
    set(builder, KRPC_E, &list, off, (uint32_t)w.len);
}

void krpc_builder_endpoint(krpc_builder *builder, krpc_field field, const krpc_endpoint *endpoint)
{
    uint8_t compact[18];

    krpc_builder_bytes(builder, field, compact, krpc_endpoint_put(compact, endpoint));
}

bool krpc_builder_unknown(krpc_builder *builder, krpc_scope scope, const void *key, size_t key_len, const void *bencode,
                          size_t len)
{
    krpc_message *m = &builder->message;
    bencode_writer w;
    bencode_token t;

    if ((unsigned)scope >= KRPC_SCOPE_E || !whole(&t, bencode, len)) {
        return false;
    }
    bencode_writer_init(&w, builder->room + builder->len, builder->cap - builder->len);
    bencode_put_string(&w, key, key_len);
    bencode_put_raw(&w, bencode, len);
    if (!bencode_writer_ok(&w)) {
        builder->full = true;
        return true;
    }
    if (m->num_unknown[scope] == 0) {
        m->body[scope].off = builder->len;
        m->body[scope].len = 0;
    }
    m->num_unknown[scope]++;
    m->body[scope].len += (uint32_t)w.len;
    builder->len += (uint32_t)w.len;
    if (scope != KRPC_SCOPE_TOP) {
        krpc_builder_dict(builder, scope == KRPC_SCOPE_A ? KRPC_A : KRPC_R);
    }
    return true;
}

size_t krpc_builder_encode(const krpc_builder *builder, void *out, size_t cap)
{
    return builder->full ? 0 : krpc_message_encode(out, cap, &builder->message, builder->room);
}
