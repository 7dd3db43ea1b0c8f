/* compact.c: entries of compact node info and compact peer info, out of strings and lists.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/compact.h>

#define ID_LEN    20
#define PEER4_LEN 6
#define PEER6_LEN 18

/* The string at off is cut into entries of size bytes. */
static void open_string(krpc_compact_iter *it, uint32_t off, uint32_t len, uint32_t size)
{
    it->pos = off;
    it->end = off + len;
    it->size = size;
}

static void init(krpc_compact_iter *out, const krpc_message *message, const uint8_t *data, krpc_field field,
                 uint32_t id_len)
{
    const krpc_value *v = &message->value[field];
    krpc_kind kind = krpc_field_get(field)->kind;
    bool is_string = kind == KRPC_KIND_NODES || kind == KRPC_KIND_NODES6;
    bool is_joined = id_len == 0 && krpc_has_any(message, field) && v->type == BENCODE_STRING;

    krpc_list_init(&out->list, message, data, field);
    if (is_string || (!krpc_has(message, field) && !is_joined)) {
        out->list.has_single = false;
        out->list.reader.depth = 0;
    }
    out->data = data;
    out->id_len = id_len;
    open_string(out, 0, 0, 0);
    if (is_string && krpc_has(message, field)) {
        open_string(out, v->off, v->len, ID_LEN + (kind == KRPC_KIND_NODES ? PEER4_LEN : PEER6_LEN));
    }
}

/* The next entry of the open string; what is left of it may be too short. */
static bool cut(krpc_compact_iter *it, krpc_compact *out)
{
    out->off = it->pos;
    out->len = it->end - it->pos < it->size ? it->end - it->pos : it->size;
    it->pos += out->len;
    if (out->len < it->id_len ||
        !krpc_endpoint_get(&out->endpoint, it->data + out->off + it->id_len, out->len - it->id_len)) {
        out->endpoint = (krpc_endpoint){.addr_len = 0};
    }
    return true;
}

static bool next(krpc_compact_iter *it, krpc_compact *out, bool peers)
{
    bencode_token item;

    out->joined = peers && it->size == PEER4_LEN && it->pos < it->end;
    if (it->pos < it->end) {
        return cut(it, out);
    }
    if (!krpc_list_next(&it->list, &item)) {
        return false;
    }
    if (item.type != BENCODE_STRING) {
        *out = (krpc_compact){.off = item.off, .len = item.end - item.off};
        return true;
    }
    open_string(it, item.body_off, item.body_len, item.body_len);
    if (peers && item.body_len > PEER4_LEN && item.body_len % PEER4_LEN == 0 && item.body_len != PEER6_LEN) {
        it->size = PEER4_LEN;
        out->joined = true;
    }
    return cut(it, out);
}

void krpc_nodes_init(krpc_compact_iter *out, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    init(out, message, data, field, ID_LEN);
}

bool krpc_nodes_next(krpc_compact_iter *iter, krpc_compact *out)
{
    return next(iter, out, false);
}

void krpc_peers_init(krpc_compact_iter *out, const krpc_message *message, const uint8_t *data)
{
    init(out, message, data, KRPC_R_VALUES, 0);
}

bool krpc_peers_next(krpc_compact_iter *iter, krpc_compact *out)
{
    bencode_reader *reader = &iter->list.reader;

    /* Nearly all items are strings of 6 bytes. */
    if (iter->pos == iter->end && reader->depth == 1 && reader->len - reader->pos >= 2 + PEER4_LEN &&
        iter->data[reader->pos] == '6' && iter->data[reader->pos + 1] == ':') {
        open_string(iter, reader->pos + 2, PEER4_LEN, PEER4_LEN);
        reader->pos += 2 + PEER4_LEN;
        out->joined = false;
        return cut(iter, out);
    }
    return next(iter, out, true);
}

static uint32_t count(krpc_compact_iter *it, bool peers)
{
    krpc_compact entry;
    uint32_t num = 0;

    while (peers ? krpc_peers_next(it, &entry) : krpc_nodes_next(it, &entry)) {
        num += entry.endpoint.addr_len != 0;
    }
    return num;
}

uint32_t krpc_nodes_count(const krpc_message *message, const uint8_t *data, krpc_field field)
{
    krpc_compact_iter it;

    krpc_nodes_init(&it, message, data, field);
    return count(&it, false);
}

uint32_t krpc_peers_count(const krpc_message *message, const uint8_t *data)
{
    krpc_compact_iter it;

    krpc_peers_init(&it, message, data);
    return count(&it, true);
}
