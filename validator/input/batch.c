/* batch.c: see batch.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/batch.h"

#include <stddef.h>
#include <string.h>

#include <glib.h>

/* Large segments can fill a batch's memory before its number of packets does. */
#define ENOUGH_BYTES ((size_t)256 << 10)

#define FETCH_VALUES 8 /* an item's values are prefetched this many items ahead */
#define MAX_FETCHED  512

static void release_block(gpointer block)
{
    capture_block_unref(block);
}

batch *batch_new(uint32_t cap)
{
    batch *b = g_new0(batch, 1);

    b->cap = cap;
    b->items = g_new0(batch_item, cap);
    b->messages = g_new0(krpc_message, cap);
    b->blocks = g_ptr_array_new_with_free_func(release_block);
    return b;
}

void batch_free(batch *b)
{
    if (b == NULL) {
        return;
    }
    g_ptr_array_free(b->blocks, TRUE);
    g_free(b->items);
    g_free(b->messages);
    g_free(b->bytes);
    strbuf_free(&b->bodies);
    g_free(b->findings);
    g_free(b);
}

void batch_reset(batch *b)
{
    g_ptr_array_set_size(b->blocks, 0);
    b->num_items = 0;
    b->is_live = b->is_due = b->is_due_file = false;
    b->num_bytes = 0;
    b->num_findings = 0;
    b->bodies.len = 0;
    b->ends_file = false;
    b->counts = (run_counts){0};
}

bool batch_is_full(const batch *b)
{
    return b->num_items == b->cap || b->num_bytes >= ENOUGH_BYTES;
}

static size_t put_bytes(batch *b, const uint8_t *bytes, uint32_t len)
{
    if (b->cap_bytes - b->num_bytes < len) {
        size_t cap = b->cap_bytes < 8192 ? 8192 : b->cap_bytes;
        while (cap - b->num_bytes < len) {
            cap *= 2;
        }
        b->bytes = g_realloc(b->bytes, cap);
        b->cap_bytes = cap;
    }
    size_t at = b->num_bytes;
    if (len > 0) {
        memcpy(b->bytes + at, bytes, len);
    }
    b->num_bytes += len;
    return at;
}

/* A reference to each block that packets of the batch point into, once in a row. */
static void hold_block(batch *b, capture_block *block)
{
    if (b->blocks->len == 0 || g_ptr_array_index(b->blocks, b->blocks->len - 1) != block) {
        g_ptr_array_add(b->blocks, capture_block_ref(block));
    }
}

batch_item *batch_add(batch *b, const uint8_t *data, uint32_t len, const uint8_t *raw, uint32_t raw_len,
                      capture_block *block)
{
    batch_item *item = &b->items[b->num_items++];

    item->is_copied = block == NULL;
    if (item->is_copied) {
        item->data_at = put_bytes(b, data, len);
        item->raw_at = raw_len > 0 ? put_bytes(b, raw, raw_len) : 0;
    } else {
        hold_block(b, block);
        item->packet.data = data;
        item->packet.raw = raw_len > 0 ? raw : NULL;
    }
    item->packet.len = len;
    item->packet.raw_len = raw_len;
    item->packet.body = NULL;
    item->maybe_krpc = false;
    item->num_findings = 0;
    return item;
}

static void keep_finding(void *ctx, const krpc_finding *finding)
{
    batch *b = ctx;

    if (b->num_findings == b->cap_findings) {
        b->cap_findings = b->cap_findings == 0 ? 64 : b->cap_findings * 2;
        b->findings = g_renew(krpc_finding, b->findings, b->cap_findings);
    }
    b->findings[b->num_findings++] = *finding;
}

/* What tracker_decode does, without the findings. */
static bool decode_only(krpc_message *out, const run_packet *packet)
{
    if (packet->len == 0 || packet->data[0] != 'd') {
        return false;
    }
    krpc_message_decode(out, packet->data, packet->len, packet->wire_len, NULL);
    return true;
}

void batch_decode(batch *b, bool wants_findings)
{
    const krpc_sink sink = {keep_finding, b};

    for (uint32_t i = 0; i < b->num_items; i++) {
        batch_item *item = &b->items[i];
        run_packet *packet = &item->packet;

        if (item->is_copied) {
            packet->data = b->bytes + item->data_at;
            packet->raw = packet->raw_len > 0 ? b->bytes + item->raw_at : NULL;
        }
        item->first_finding = b->num_findings;
        item->maybe_krpc =
            packet->protocol == FRAME_UDP &&
            (wants_findings ? tracker_decode(&b->messages[i], packet->data, packet->len, packet->wire_len, &sink)
                            : decode_only(&b->messages[i], packet));
        if (!item->maybe_krpc) {
            continue;
        }
        tracker_keys_make(b->tracker, &packet->where, &b->messages[i], packet->data, &item->keys);
        item->num_findings = b->num_findings - item->first_finding;
    }
}

void batch_write_bodies(batch *b, const run_visitor *visitor)
{
    for (uint32_t i = 0; i < b->num_items; i++) {
        batch_item *item = &b->items[i];
        item->body_at = b->bodies.len;
        if (item->maybe_krpc) {
            visitor->body(&b->bodies, &b->messages[i], item->packet.data, item->packet.len);
        }
        item->packet.body_len = b->bodies.len - item->body_at;
    }
    for (uint32_t i = 0; i < b->num_items; i++) {
        if (b->items[i].maybe_krpc) {
            b->items[i].packet.body = b->bodies.data + b->items[i].body_at;
        }
    }
}

static void fetch(const void *from, size_t size)
{
    for (size_t at = 0; at < size; at += 64) {
        __builtin_prefetch((const char *)from + at);
    }
}

void batch_fetch(const batch *b, uint32_t index)
{
    if (index < b->num_items) {
        const batch_item *item = &b->items[index];
        fetch(item, sizeof *item);
        fetch(&b->messages[index], offsetof(krpc_message, value));
    }
    if (index >= FETCH_VALUES && index - FETCH_VALUES < b->num_items) {
        const batch_item *item = &b->items[index - FETCH_VALUES];
        const krpc_message *message = &b->messages[index - FETCH_VALUES];
        fetch(item->packet.data, MIN(item->packet.len, MAX_FETCHED));
        unsigned end = item->maybe_krpc ? KRPC_NUM_FIELDS : 0;
        for (unsigned f = krpc_message_next(message, 0, end); f < end; f = krpc_message_next(message, f + 1, end)) {
            fetch(&message->value[f], 1);
        }
    }
}
