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

/* A field of a or r makes its dictionary. */
static inline HOT void set(krpc_builder *b, krpc_field field, bencode_type type, uint32_t flags, uint32_t off,
                           uint32_t len, int64_t num)
{
    krpc_message *m = &b->message;

    if (b->full || (unsigned)field >= KRPC_NUM_FIELDS) {
        return;
    }
    m->value[field].key_off = 0;
    m->value[field].off = off;
    m->value[field].len = len;
    m->value[field].type = (uint8_t)type;
    m->value[field].flags = (uint8_t)flags;
    m->value[field].reserved = 0;
    m->value[field].num = num;
    m->wrong &= ~KRPC_BIT(field);
    m->present |= KRPC_BIT(field) | ((KRPC_BIT(field) & KRPC_ALL_A) != 0 ? KRPC_BIT(KRPC_A) : 0) |
                  ((KRPC_BIT(field) & KRPC_ALL_R) != 0 ? KRPC_BIT(KRPC_R) : 0);
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
    krpc_builder_bytes(builder, KRPC_T, t, t_len);
    krpc_builder_bytes(builder, KRPC_Y, types + index, 1);
    if (type == KRPC_QUERY) {
        builder->message.present |= KRPC_BIT(KRPC_A);
    } else if (type == KRPC_RESPONSE) {
        builder->message.present |= KRPC_BIT(KRPC_R);
    }
}

void krpc_builder_method(krpc_builder *builder, krpc_method method)
{
    const char *name = krpc_method_name(method);

    builder->message.method = (uint8_t)method;
    krpc_builder_bytes(builder, KRPC_Q, name, strlen(name));
}

void krpc_builder_bytes(krpc_builder *builder, krpc_field field, const void *bytes, size_t len)
{
    uint32_t off = keep(builder, bytes, len);

    set(builder, field, BENCODE_STRING, 0, off, (uint32_t)len, 0);
}

void krpc_builder_int(krpc_builder *builder, krpc_field field, int64_t num)
{
    set(builder, field, BENCODE_INT, 0, 0, 0, num);
}

/* One whole value, and nothing behind it. */
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
        set(builder, field, t.type, t.flags, off + t.body_off, t.body_len, t.num);
    } else {
        set(builder, field, t.type, t.flags, off, (uint32_t)len, 0);
    }
    return true;
}

void krpc_builder_error(krpc_builder *builder, int64_t code, const char *text)
{
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
    set(builder, KRPC_E, BENCODE_LIST, 0, off, (uint32_t)w.len, 2);
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
    m->present |= scope == KRPC_SCOPE_A ? KRPC_BIT(KRPC_A) : scope == KRPC_SCOPE_R ? KRPC_BIT(KRPC_R) : 0;
    return true;
}

size_t krpc_builder_encode(const krpc_builder *builder, void *out, size_t cap)
{
    return builder->full ? 0 : krpc_message_encode(out, cap, &builder->message, builder->room);
}
