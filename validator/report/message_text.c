/* message_text.c: see message_text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/message_text.h"

#include <glib.h>

#include "output/color.h"
#include "report/json_record.h"

#define SHORT_ID        4  /* bytes of an id that are shown */
#define SHORT_TEXT      60 /* bytes of a string that are shown */
#define NUM_SHOWN_ITEMS 40 /* of a list, in the details */

void message_text_id(strbuf *out, const uint8_t *id)
{
    strbuf_hex(out, id, SHORT_ID);
}

static void put_id_of(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_field field, const char *name)
{
    if (krpc_has(message, field) && message->value[field].len == 20) {
        strbuf_puts(out, name);
        message_text_id(out, data + message->value[field].off);
    }
}

static void put_port(strbuf *out, bool color, const char *name, int64_t port, uint16_t source)
{
    strbuf_puts(out, name);
    bool differs = source != 0 && port != source;
    color_begin(out, color && differs, COLOR_RED);
    strbuf_int(out, port);
    if (differs) {
        strbuf_puts(out, " (sent from ");
        strbuf_uint(out, source);
        strbuf_char(out, ')');
    }
    color_end(out, color && differs);
}

static void put_query(strbuf *out, const krpc_message *message, const uint8_t *data, uint16_t source, bool color)
{
    bool is_announce = message->method == KRPC_METHOD_ANNOUNCE_PEER;

    put_id_of(out, message, data, KRPC_A_TARGET, "  target ");
    put_id_of(out, message, data, KRPC_A_INFO_HASH, "  info_hash ");
    if (krpc_has(message, KRPC_A_PORT)) {
        put_port(out, color, is_announce ? "  peer port " : "  port ", message->value[KRPC_A_PORT].num, source);
    }
    if (krpc_has(message, KRPC_A_IMPLIED_PORT) && message->value[KRPC_A_IMPLIED_PORT].num != 0) {
        strbuf_puts(out, "  implied_port");
    }
}

static void put_count(strbuf *out, uint64_t count, const char *one, const char *many)
{
    strbuf_puts(out, "  ");
    strbuf_uint(out, count);
    strbuf_puts(out, count == 1 ? one : many);
}

static void put_response(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    const krpc_value *value = message->value;

    if (krpc_has_any(message, KRPC_R_VALUES)) {
        put_count(out, krpc_peers_count(message, data), " peer", " peers");
    }
    if (krpc_has(message, KRPC_R_NODES)) {
        put_count(out, krpc_nodes_count(message, data, KRPC_R_NODES), " node", " nodes");
    }
    if (krpc_has(message, KRPC_R_NODES6)) {
        put_count(out, krpc_nodes_count(message, data, KRPC_R_NODES6), " IPv6 node", " IPv6 nodes");
    }
    if (krpc_has(message, KRPC_R_SAMPLES)) {
        put_count(out, value[KRPC_R_SAMPLES].len / 20, " sample", " samples");
    }
    if (krpc_has(message, KRPC_R_V)) {
        strbuf_puts(out, "  item");
    }
    if (krpc_has(message, KRPC_R_TOKEN)) {
        strbuf_puts(out, "  token");
    }
}

static void put_error(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    if (krpc_has(message, KRPC_E_CODE)) {
        strbuf_char(out, ' ');
        strbuf_int(out, message->value[KRPC_E_CODE].num);
    }
    if (krpc_has(message, KRPC_E_MESSAGE)) {
        const krpc_value *value = &message->value[KRPC_E_MESSAGE];
        strbuf_puts(out, " \"");
        strbuf_printable(out, data + value->off, MIN(value->len, SHORT_TEXT));
        strbuf_char(out, '"');
    }
}

/* The receiver's endpoint as the sender reports it. dst is the destination of the packet, with address length 0 if
 * unknown. */
static void put_observed(strbuf *out, const krpc_message *message, const uint8_t *data, const krpc_endpoint *dst,
                         bool color)
{
    const krpc_value *ip = &message->value[KRPC_IP];
    krpc_endpoint seen;

    if (krpc_message_ip(&seen, message, data) && krpc_endpoint_equal(&seen, dst)) {
        strbuf_puts(out, "  sees you there");
    } else if (krpc_message_ip(&seen, message, data)) {
        bool differs = dst->addr_len != 0;
        strbuf_puts(out, "  sees you at ");
        color_begin(out, color && differs, COLOR_RED);
        strbuf_endpoint(out, &seen);
        if (differs) {
            strbuf_puts(out, seen.port == 0           ? " (invalid port)"
                             : seen.port != dst->port ? " (another port)"
                                                      : " (another address)");
        }
        color_end(out, color && differs);
    } else if (krpc_has(message, KRPC_IP) && (ip->len == 4 || ip->len == 16)) {
        strbuf_puts(out, "  sees you at ");
        krpc_endpoint_set(&seen, data + ip->off, ip->len, 0);
        strbuf_addr(out, &seen);
        strbuf_puts(out, " (no port)");
    } else if (krpc_has(message, KRPC_R_P)) {
        int64_t port = message->value[KRPC_R_P].num;
        bool differs = dst->addr_len != 0 && port != dst->port;
        strbuf_puts(out, "  sees you at port ");
        color_begin(out, color && differs, COLOR_RED);
        strbuf_int(out, port);
        color_end(out, color && differs);
    }
}

static void put_kind(strbuf *out, const run *from, const krpc_message *message, const uint8_t *data,
                     const tracker_result *result, bool color)
{
    krpc_type type = krpc_message_guess_type(message);

    color_begin(out, color, COLOR_BOLD);
    if (type == KRPC_QUERY && krpc_has(message, KRPC_Q)) {
        const krpc_value *q = &message->value[KRPC_Q];
        strbuf_printable(out, data + q->off, MIN(q->len, SHORT_TEXT));
        strbuf_char(out, '?');
    } else {
        strbuf_puts(out, krpc_type_name(type));
    }
    color_end(out, color);
    if (type == KRPC_ERROR) {
        put_error(out, message, data);
    }
    if (result != NULL && result->request_frame != 0) {
        strbuf_printf(out, " to %s of frame %u, %.1f ms", krpc_method_name(result->method),
                      run_frame(from, result->request_frame, NULL), (double)result->rtt_ns / 1e6);
    }
}

static void put_summary(strbuf *out, const run *from, const krpc_message *message, const uint8_t *data,
                        const krpc_endpoint *src, const krpc_endpoint *dst, const tracker_result *result, bool color)
{
    const uint8_t *id = krpc_message_id(message, data);

    put_kind(out, from, message, data, result, color);
    if (krpc_message_guess_type(message) == KRPC_QUERY) {
        put_query(out, message, data, src->port, color);
    }
    if (krpc_message_guess_type(message) == KRPC_RESPONSE) {
        put_response(out, message, data);
    }
    if (krpc_has(message, KRPC_P)) {
        put_port(out, color, "  contact port ", message->value[KRPC_P].num, src->port);
    }
    put_observed(out, message, data, dst, color);
    if (id != NULL) {
        strbuf_puts(out, "  id ");
        message_text_id(out, id);
    }
    if (krpc_has(message, KRPC_V)) {
        strbuf_puts(out, "  ");
        strbuf_puts(out, client_name(data + message->value[KRPC_V].off, message->value[KRPC_V].len));
    }
    if (krpc_has(message, KRPC_RO) && message->value[KRPC_RO].num != 0) {
        strbuf_puts(out, "  read-only");
    }
    if (message->status != BENCODE_DONE) {
        strbuf_puts(out, "  ");
        color_puts(out, color, COLOR_RED, message->status == BENCODE_CUT ? "[cut]" : "[damaged]");
    }
    strbuf_char(out, '\n');
}

void message_text_line(strbuf *out, const run *from, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result, bool color)
{
    unsigned file;
    uint32_t frame = run_frame(from, packet->where.frame, &file);
    color_begin(out, color, COLOR_DIM);
    if (run_num_files(from) > 1) {
        strbuf_printf(out, "%c:", 'A' + (int)(file % 26));
    }
    strbuf_printf(out, "%6u  ", frame);
    if (packet->has_time) {
        strbuf_clock(out, packet->where.time_ns);
    } else {
        strbuf_puts(out, "-              ");
    }
    color_end(out, color);
    strbuf_puts(out, "  ");
    size_t addresses = out->len;
    strbuf_endpoint(out, &packet->where.src);
    strbuf_pad(out, addresses, 21);
    strbuf_puts(out, " -> ");
    size_t second = out->len;
    strbuf_endpoint(out, &packet->where.dst);
    strbuf_pad(out, second, 21);
    strbuf_puts(out, "  ");
    put_summary(out, from, message, packet->data, &packet->where.src, &packet->where.dst, result, color);
}

void message_text_summary(strbuf *out, const krpc_message *message, const uint8_t *data, bool color)
{
    static const krpc_endpoint none;

    put_summary(out, NULL, message, data, &none, &none, NULL, color);
}

/* ---- details ---- */

static void put_compact(strbuf *out, const uint8_t *bytes, uint32_t len)
{
    krpc_endpoint endpoint;

    if (krpc_endpoint_get(&endpoint, bytes, len)) {
        strbuf_endpoint(out, &endpoint);
    } else if (len == 4 || len == 16) {
        krpc_endpoint_set(&endpoint, bytes, len, 0);
        strbuf_addr(out, &endpoint);
    } else {
        strbuf_hex(out, bytes, len);
    }
}

static void next_item(strbuf *out)
{
    strbuf_puts(out, "\n                      ");
}

static void put_node(strbuf *out, const uint8_t *bytes, uint32_t len)
{
    strbuf_hex(out, bytes, 20);
    strbuf_char(out, ' ');
    put_compact(out, bytes + 20, len - 20);
}

static void put_nodes(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    krpc_compact_iter it;
    krpc_compact entry;
    unsigned n = 0;

    krpc_nodes_init(&it, message, data, field);
    while (krpc_nodes_next(&it, &entry)) {
        bool is_node = entry.endpoint.addr_len != 0;
        if (!is_node && field != KRPC_R_NODES2) {
            strbuf_printf(out, " (and %u bytes left over)", entry.len);
            continue;
        }
        if (n++ > 0) {
            next_item(out);
        }
        if (is_node) {
            put_node(out, data + entry.off, entry.len);
        } else {
            strbuf_printable(out, data + entry.off, entry.len);
        }
    }
}

/* Before item n of a list; false where enough are shown. */
static bool begin_item(strbuf *out, unsigned n)
{
    if (n > 0 && n < NUM_SHOWN_ITEMS) {
        strbuf_puts(out, n % 3 == 0 ? "\n                      " : "  ");
    }
    return n < NUM_SHOWN_ITEMS;
}

static void end_items(strbuf *out, unsigned n)
{
    if (n > NUM_SHOWN_ITEMS) {
        strbuf_printf(out, " and %u more", n - NUM_SHOWN_ITEMS);
    }
}

static void put_peers(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    krpc_compact_iter it;
    krpc_compact entry;
    unsigned n = 0;

    krpc_peers_init(&it, message, data);
    for (; krpc_peers_next(&it, &entry); n++) {
        if (begin_item(out, n)) {
            put_compact(out, data + entry.off, entry.len);
        }
    }
    end_items(out, n);
}

static void put_texts(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    krpc_list list;
    bencode_token item;
    unsigned n = 0;

    krpc_list_init(&list, message, data, field);
    for (; krpc_list_next(&list, &item); n++) {
        if (!begin_item(out, n)) {
            continue;
        }
        if (item.type == BENCODE_STRING) {
            strbuf_printable(out, data + item.body_off, item.body_len);
        } else {
            strbuf_hex(out, data + item.off, item.end - item.off);
        }
    }
    end_items(out, n);
}

static void put_field_value(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    const krpc_field_info *info = krpc_field_get(field);
    const krpc_value *value = &message->value[field];
    const uint8_t *bytes = data + value->off;

    if (!krpc_has(message, field) && (field != KRPC_R_VALUES || value->type != BENCODE_STRING)) {
        strbuf_puts(out, "of the wrong type: ");
        strbuf_printable(out, bytes, MIN(value->len, SHORT_TEXT));
        return;
    }
    switch (info->kind) {
    case KRPC_KIND_INT:
    case KRPC_KIND_FLAG:
    case KRPC_KIND_PORT:
        strbuf_int(out, value->num);
        break;
    case KRPC_KIND_TEXT:
    case KRPC_KIND_METHOD:
    case KRPC_KIND_TYPE:
        strbuf_printable(out, bytes, value->len);
        break;
    case KRPC_KIND_VERSION:
        strbuf_hex(out, bytes, value->len);
        strbuf_printf(out, " (%s)", client_name(bytes, value->len));
        break;
    case KRPC_KIND_ENDPOINT:
        put_compact(out, bytes, value->len);
        break;
    case KRPC_KIND_NODES:
    case KRPC_KIND_NODES6:
    case KRPC_KIND_NODE_LIST:
        put_nodes(out, message, data, field);
        break;
    case KRPC_KIND_HASHES:
        for (uint32_t i = 0; value->len - i >= 20; i += 20) {
            if (i > 0) {
                next_item(out);
            }
            strbuf_hex(out, bytes + i, 20);
        }
        break;
    case KRPC_KIND_PEERS:
        put_peers(out, message, data);
        break;
    case KRPC_KIND_TEXTS:
        put_texts(out, message, data, field);
        break;
    case KRPC_KIND_ANY:
        strbuf_printable(out, bytes, MIN(value->len, 8 * SHORT_TEXT));
        break;
    default:
        strbuf_hex(out, bytes, value->len);
        break;
    }
}

static void put_unknown_keys(strbuf *out, const krpc_message *message, const uint8_t *data, krpc_scope scope,
                             const char *prefix)
{
    krpc_unknown walk;
    krpc_span key, value;

    krpc_unknown_init(&walk, message, data, scope);
    while (krpc_unknown_next(&walk, &key, &value)) {
        size_t start = out->len;
        strbuf_puts(out, "        ");
        strbuf_puts(out, prefix);
        strbuf_printable(out, data + key.off, key.len);
        strbuf_pad(out, start, 21);
        strbuf_puts(out, " (unknown key) ");
        strbuf_printable(out, data + value.off, MIN(value.len, 2 * SHORT_TEXT));
        strbuf_char(out, '\n');
    }
}

void message_text_details(strbuf *out, const krpc_message *message, const uint8_t *data, bool color)
{
    static const char *const prefixes[KRPC_NUM_SCOPES] = {"", "a.", "r.", "e."};

    for (unsigned i = 0; i < KRPC_NUM_FIELDS; i++) {
        const krpc_field_info *info = krpc_field_get((krpc_field)i);
        if (!krpc_has_any(message, (krpc_field)i)) {
            continue;
        }
        if ((info->kind == KRPC_KIND_DICT || info->kind == KRPC_KIND_ERROR) && krpc_has(message, (krpc_field)i)) {
            continue;
        }
        size_t start = out->len;
        strbuf_puts(out, "        ");
        strbuf_puts(out, prefixes[info->scope]);
        strbuf_puts(out, info->key);
        strbuf_pad(out, start, 21);
        strbuf_char(out, ' ');
        put_field_value(out, message, data, (krpc_field)i);
        color_begin(out, color, COLOR_DIM);
        strbuf_puts(out, info->kind == KRPC_KIND_PORT || info->kind == KRPC_KIND_ENDPOINT ? "  : " : "");
        if (info->kind == KRPC_KIND_PORT || info->kind == KRPC_KIND_ENDPOINT) {
            strbuf_puts(out, info->meaning);
        }
        color_end(out, color);
        strbuf_char(out, '\n');
    }
    for (int scope = KRPC_SCOPE_TOP; scope < KRPC_SCOPE_E; scope++) {
        if (message->num_unknown[scope] > 0) {
            put_unknown_keys(out, message, data, (krpc_scope)scope, prefixes[scope]);
        }
    }
}

void message_text_finding(strbuf *out, const run *from, const krpc_finding *finding, const uint8_t *data, uint32_t len,
                          bool color)
{
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];

    run_finding_text(from, line, sizeof line, finding, data, len);
    strbuf_puts(out, "      ! ");
    color_puts(out, color, color_of_severity(info->severity), krpc_severity_name(info->severity));
    strbuf_printf(out, " %s: %s", info->slug, line);
    if (finding->len > 0) {
        strbuf_printf(out, " (bytes %u to %u)", finding->off, finding->off + finding->len - 1);
    }
    strbuf_char(out, '\n');
}
