/* message_text.c: see message_text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/message_text.h"

#include <glib.h>

#include "output/color.h"
#include "report/json_record.h"

#define SHORT_ID        4  /* bytes of an id that are shown */
#define SHORT_TEXT      60 /* bytes of a text */
#define NUM_SHOWN_ITEMS 40 /* of a list, in the details */

void message_text_id(text *out, const uint8_t *id)
{
    text_hex(out, id, SHORT_ID);
}

static void put_id_of(text *out, const krpc_message *message, const uint8_t *data, krpc_field field, const char *name)
{
    if (krpc_has(message, field) && message->value[field].len == 20) {
        text_puts(out, name);
        message_text_id(out, data + message->value[field].off);
    }
}

static void put_port(text *out, bool color, const char *name, int64_t port, uint16_t source)
{
    text_puts(out, name);
    bool differs = source != 0 && port != source;
    style_begin(out, color && differs, STYLE_RED);
    text_int(out, port);
    if (differs) {
        text_puts(out, " (sent from ");
        text_uint(out, source);
        text_char(out, ')');
    }
    style_end(out, color && differs);
}

static void put_query(text *out, const krpc_message *message, const uint8_t *data, uint16_t source, bool color)
{
    bool is_announce = message->method == KRPC_METHOD_ANNOUNCE_PEER;

    put_id_of(out, message, data, KRPC_A_TARGET, "  target ");
    put_id_of(out, message, data, KRPC_A_INFO_HASH, "  info_hash ");
    if (krpc_has(message, KRPC_A_PORT)) {
        put_port(out, color, is_announce ? "  peer port " : "  port ", message->value[KRPC_A_PORT].num, source);
    }
    if (krpc_has(message, KRPC_A_IMPLIED_PORT) && message->value[KRPC_A_IMPLIED_PORT].num != 0) {
        text_puts(out, "  implied_port");
    }
}

static void put_count(text *out, uint64_t count, const char *one, const char *many)
{
    text_puts(out, "  ");
    text_uint(out, count);
    text_puts(out, count == 1 ? one : many);
}

static void put_response(text *out, const krpc_message *message)
{
    const krpc_value *value = message->value;

    if (krpc_has(message, KRPC_R_VALUES)) {
        put_count(out, (uint64_t)value[KRPC_R_VALUES].num, " peer", " peers");
    }
    if (krpc_has(message, KRPC_R_NODES)) {
        put_count(out, value[KRPC_R_NODES].len / 26, " node", " nodes");
    }
    if (krpc_has(message, KRPC_R_NODES6)) {
        put_count(out, value[KRPC_R_NODES6].len / 38, " IPv6 node", " IPv6 nodes");
    }
    if (krpc_has(message, KRPC_R_SAMPLES)) {
        put_count(out, value[KRPC_R_SAMPLES].len / 20, " sample", " samples");
    }
    if (krpc_has(message, KRPC_R_V)) {
        text_puts(out, "  item");
    }
    if (krpc_has(message, KRPC_R_TOKEN)) {
        text_puts(out, "  token");
    }
}

static void put_error(text *out, const krpc_message *message, const uint8_t *data)
{
    if (krpc_has(message, KRPC_E_CODE)) {
        text_char(out, ' ');
        text_int(out, message->value[KRPC_E_CODE].num);
    }
    if (krpc_has(message, KRPC_E_MESSAGE)) {
        const krpc_value *value = &message->value[KRPC_E_MESSAGE];
        text_puts(out, " \"");
        text_printable(out, data + value->off, MIN(value->len, SHORT_TEXT));
        text_char(out, '"');
    }
}

/* What the sender says of the receiver's endpoint. dst: the one that the packet goes to, "none" when unknown. */
static void put_observed(text *out, const krpc_message *message, const uint8_t *data, const krpc_endpoint *dst,
                         bool color)
{
    krpc_endpoint seen;

    if (krpc_message_ip(&seen, message, data) && krpc_endpoint_equal(&seen, dst)) {
        text_puts(out, "  sees you there");
    } else if (krpc_message_ip(&seen, message, data)) {
        bool differs = dst->addr_len != 0;
        text_puts(out, "  sees you at ");
        style_begin(out, color && differs, STYLE_RED);
        text_endpoint(out, &seen);
        if (differs) {
            text_puts(out, seen.port != dst->port ? " (another port)" : " (another address)");
        }
        style_end(out, color && differs);
    } else if (krpc_has(message, KRPC_R_P)) {
        int64_t port = message->value[KRPC_R_P].num;
        bool differs = dst->addr_len != 0 && port != dst->port;
        text_puts(out, "  sees you at port ");
        style_begin(out, color && differs, STYLE_RED);
        text_int(out, port);
        style_end(out, color && differs);
    }
}

static void put_kind(text *out, const run *from, const krpc_message *message, const uint8_t *data,
                     const tracker_result *result, bool color)
{
    style_begin(out, color, STYLE_BOLD);
    if (message->type == KRPC_QUERY && krpc_has(message, KRPC_Q)) {
        const krpc_value *q = &message->value[KRPC_Q];
        text_printable(out, data + q->off, MIN(q->len, SHORT_TEXT));
        text_char(out, '?');
    } else {
        text_puts(out, krpc_type_name((krpc_type)message->type));
    }
    style_end(out, color);
    if (message->type == KRPC_ERROR) {
        put_error(out, message, data);
    }
    if (result != NULL && result->request_frame != 0) {
        text_printf(out, " to %s of frame %u, %.1f ms", krpc_method_name(result->method),
                    run_frame(from, result->request_frame, NULL), (double)result->rtt_ns / 1e6);
    }
}

static void put_summary(text *out, const run *from, const krpc_message *message, const uint8_t *data,
                        const krpc_endpoint *src, const krpc_endpoint *dst, const tracker_result *result, bool color)
{
    const uint8_t *id = krpc_message_id(message, data);

    put_kind(out, from, message, data, result, color);
    if (message->type == KRPC_QUERY) {
        put_query(out, message, data, src->port, color);
    }
    if (message->type == KRPC_RESPONSE) {
        put_response(out, message);
    }
    if (krpc_has(message, KRPC_P)) {
        put_port(out, color, "  contact port ", message->value[KRPC_P].num, src->port);
    }
    put_observed(out, message, data, dst, color);
    if (id != NULL) {
        text_puts(out, "  id ");
        message_text_id(out, id);
    }
    if (krpc_has(message, KRPC_V)) {
        text_puts(out, "  ");
        text_puts(out, record_client(data + message->value[KRPC_V].off, message->value[KRPC_V].len));
    }
    if (krpc_has(message, KRPC_RO) && message->value[KRPC_RO].num != 0) {
        text_puts(out, "  read-only");
    }
    if (message->status != BENCODE_DONE) {
        text_puts(out, "  ");
        style_puts(out, color, STYLE_RED, message->status == BENCODE_CUT ? "[cut]" : "[damaged]");
    }
    text_char(out, '\n');
}

void message_text_line(text *out, const run *from, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result, bool color)
{
    unsigned file;
    uint32_t frame = run_frame(from, packet->where.frame, &file);
    style_begin(out, color, STYLE_DIM);
    if (run_num_files(from) > 1) {
        text_printf(out, "%c:", 'A' + (int)(file % 26));
    }
    text_printf(out, "%6u  ", frame);
    if (packet->has_time) {
        text_clock(out, packet->where.time_ns);
    } else {
        text_puts(out, "-              ");
    }
    style_end(out, color);
    text_puts(out, "  ");
    size_t addresses = out->len;
    text_endpoint(out, &packet->where.src);
    text_pad(out, addresses, 21);
    text_puts(out, " -> ");
    size_t second = out->len;
    text_endpoint(out, &packet->where.dst);
    text_pad(out, second, 21);
    text_puts(out, "  ");
    put_summary(out, from, message, packet->data, &packet->where.src, &packet->where.dst, result, color);
}

void message_text_summary(text *out, const krpc_message *message, const uint8_t *data, bool color)
{
    static const krpc_endpoint none;

    put_summary(out, NULL, message, data, &none, &none, NULL, color);
}

/* --- details --- */

static void put_compact(text *out, const uint8_t *bytes, uint32_t len)
{
    krpc_endpoint endpoint;

    if (krpc_endpoint_get(&endpoint, bytes, len)) {
        text_endpoint(out, &endpoint);
    } else if (len == 4 || len == 16) {
        krpc_endpoint_set(&endpoint, bytes, len, 0);
        text_addr(out, &endpoint);
    } else {
        text_hex(out, bytes, len);
    }
}

static void next_item(text *out)
{
    text_puts(out, "\n                      ");
}

static void put_node(text *out, const uint8_t *bytes, uint32_t len)
{
    text_hex(out, bytes, 20);
    text_char(out, ' ');
    put_compact(out, bytes + 20, len - 20);
}

static void put_nodes(text *out, const uint8_t *bytes, uint32_t len, uint32_t size)
{
    for (uint32_t i = 0; len - i >= size; i += size) {
        if (i > 0) {
            next_item(out);
        }
        put_node(out, bytes + i, size);
    }
    if (len % size != 0) {
        text_printf(out, " (and %u bytes that are no node)", len % size);
    }
}

static void put_items(text *out, const krpc_message *message, const uint8_t *data, krpc_field field, krpc_kind kind)
{
    bool one_a_line = kind == KRPC_KIND_NODE_LIST;
    krpc_list list;
    bencode_token item;
    unsigned n = 0;

    krpc_list_init(&list, message, data, field);
    for (; krpc_list_next(&list, &item); n++) {
        if (n >= NUM_SHOWN_ITEMS) {
            continue;
        }
        if (n > 0) {
            text_puts(out, one_a_line || n % 3 == 0 ? "\n                      " : "  ");
        }
        if (item.type != BENCODE_STRING) {
            text_hex(out, data + item.off, item.end - item.off);
        } else if (kind == KRPC_KIND_PEERS) {
            put_compact(out, data + item.body_off, item.body_len);
        } else if (kind == KRPC_KIND_NODE_LIST && (item.body_len == 26 || item.body_len == 38)) {
            put_node(out, data + item.body_off, item.body_len);
        } else {
            text_printable(out, data + item.body_off, item.body_len);
        }
    }
    if (n > NUM_SHOWN_ITEMS) {
        text_printf(out, " and %u more", n - NUM_SHOWN_ITEMS);
    }
}

static void put_field_value(text *out, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    const krpc_field_info *info = krpc_field_get(field);
    const krpc_value *value = &message->value[field];
    const uint8_t *bytes = data + value->off;

    if ((message->wrong & KRPC_BIT(field)) != 0) {
        text_puts(out, "of the wrong type: ");
        text_printable(out, bytes, MIN(value->len, SHORT_TEXT));
        return;
    }
    switch (info->kind) {
    case KRPC_KIND_INT:
    case KRPC_KIND_FLAG:
    case KRPC_KIND_PORT:
        text_int(out, value->num);
        break;
    case KRPC_KIND_TEXT:
    case KRPC_KIND_METHOD:
    case KRPC_KIND_TYPE:
        text_printable(out, bytes, value->len);
        break;
    case KRPC_KIND_VERSION:
        text_hex(out, bytes, value->len);
        text_printf(out, " (%s)", record_client(bytes, value->len));
        break;
    case KRPC_KIND_ENDPOINT:
        put_compact(out, bytes, value->len);
        break;
    case KRPC_KIND_NODES:
        put_nodes(out, bytes, value->len, 26);
        break;
    case KRPC_KIND_NODES6:
        put_nodes(out, bytes, value->len, 38);
        break;
    case KRPC_KIND_HASHES:
        for (uint32_t i = 0; value->len - i >= 20; i += 20) {
            if (i > 0) {
                next_item(out);
            }
            text_hex(out, bytes + i, 20);
        }
        break;
    case KRPC_KIND_PEERS:
    case KRPC_KIND_NODE_LIST:
    case KRPC_KIND_TEXTS:
        put_items(out, message, data, field, info->kind);
        break;
    case KRPC_KIND_ANY:
        text_printable(out, bytes, MIN(value->len, 8 * SHORT_TEXT));
        break;
    default:
        text_hex(out, bytes, value->len);
        break;
    }
}

static void put_unknown_keys(text *out, const krpc_message *message, const uint8_t *data, krpc_scope scope,
                             const char *prefix)
{
    krpc_unknown walk;
    krpc_span key, value;

    krpc_unknown_init(&walk, message, data, scope);
    while (krpc_unknown_next(&walk, &key, &value)) {
        size_t start = out->len;
        text_puts(out, "        ");
        text_puts(out, prefix);
        text_printable(out, data + key.off, key.len);
        text_pad(out, start, 21);
        text_puts(out, " (unknown key) ");
        text_printable(out, data + value.off, MIN(value.len, 2 * SHORT_TEXT));
        text_char(out, '\n');
    }
}

void message_text_details(text *out, const krpc_message *message, const uint8_t *data, bool color)
{
    static const char *const prefixes[KRPC_NUM_SCOPES] = {"", "a.", "r.", "e."};

    for (unsigned i = 0; i < KRPC_NUM_FIELDS; i++) {
        const krpc_field_info *info = krpc_field_get((krpc_field)i);
        if (((message->present | message->wrong) & KRPC_BIT(i)) == 0) {
            continue;
        }
        if ((info->kind == KRPC_KIND_DICT || info->kind == KRPC_KIND_ERROR) && krpc_has(message, (krpc_field)i)) {
            continue;
        }
        size_t start = out->len;
        text_puts(out, "        ");
        text_puts(out, prefixes[info->scope]);
        text_puts(out, info->key);
        text_pad(out, start, 21);
        text_char(out, ' ');
        put_field_value(out, message, data, (krpc_field)i);
        style_begin(out, color, STYLE_DIM);
        text_puts(out, info->kind == KRPC_KIND_PORT || info->kind == KRPC_KIND_ENDPOINT ? "  : " : "");
        if (info->kind == KRPC_KIND_PORT || info->kind == KRPC_KIND_ENDPOINT) {
            text_puts(out, info->meaning);
        }
        style_end(out, color);
        text_char(out, '\n');
    }
    for (int scope = KRPC_SCOPE_TOP; scope < KRPC_SCOPE_E; scope++) {
        if (message->num_unknown[scope] > 0) {
            put_unknown_keys(out, message, data, (krpc_scope)scope, prefixes[scope]);
        }
    }
}

void message_text_finding(text *out, const run *from, const krpc_finding *finding, const uint8_t *data, uint32_t len,
                          bool color)
{
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];

    run_finding_text(from, line, sizeof line, finding, data, len);
    text_puts(out, "      ! ");
    style_puts(out, color, style_of_severity(info->severity), krpc_severity_name(info->severity));
    text_printf(out, " %s: %s", info->slug, line);
    if (finding->len > 0) {
        text_printf(out, " (bytes %u to %u)", finding->off, finding->off + finding->len - 1);
    }
    text_char(out, '\n');
}
