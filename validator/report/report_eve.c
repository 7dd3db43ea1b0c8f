/* report_eve.c: Suricata's bittorrent_dht events, for dashboards made for them.
 *
 * The members and their types are Suricata's. Suricata writes all digits of an IPv6 address; the short form here is the
 * same address.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>
#include <krpc/compact.h>

static void put_hex(strbuf *out, const char *key, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    if (!krpc_has(message, field)) {
        return;
    }
    strbuf_puts(out, key);
    strbuf_char(out, '"');
    strbuf_hex(out, data + message->value[field].off, message->value[field].len);
    strbuf_char(out, '"');
}

static void put_int(strbuf *out, const char *key, const krpc_message *message, krpc_field field)
{
    if (!krpc_has(message, field)) {
        return;
    }
    strbuf_puts(out, key);
    strbuf_int(out, message->value[field].num);
}

static void put_text(strbuf *out, const char *key, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    if (!krpc_has(message, field)) {
        return;
    }
    const krpc_value *value = &message->value[field];
    strbuf_puts(out, key);
    if (strbuf_is_json(data + value->off, value->len)) {
        strbuf_json(out, data + value->off, value->len);
    } else {
        char *valid = g_utf8_make_valid((const char *)data + value->off, (gssize)value->len);
        strbuf_json(out, valid, strlen(valid));
        g_free(valid);
    }
}

static void put_endpoint(strbuf *out, const uint8_t *compact, uint32_t len)
{
    krpc_endpoint endpoint;

    if (!krpc_endpoint_get(&endpoint, compact, len)) {
        return;
    }
    strbuf_puts(out, "\"ip\":\"");
    strbuf_addr(out, &endpoint);
    strbuf_puts(out, "\",\"port\":");
    strbuf_uint(out, endpoint.port);
    strbuf_char(out, '}');
}

static void put_nodes(strbuf *out, const char *key, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    krpc_compact_iter it;
    krpc_compact entry;
    size_t begin = out->len;

    krpc_nodes_init(&it, message, data, field);
    while (krpc_nodes_next(&it, &entry)) {
        if (entry.endpoint.addr_len == 0) {
            continue;
        }
        strbuf_puts(out, out->len == begin ? key : ",");
        strbuf_puts(out, "{\"id\":\"");
        strbuf_hex(out, data + entry.off, 20);
        strbuf_puts(out, "\",");
        put_endpoint(out, data + entry.off + 20, entry.len - 20);
    }
    strbuf_puts(out, out->len == begin ? "" : "]");
}

static void put_values(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    krpc_compact_iter it;
    krpc_compact entry;
    bool first = true;

    if (!krpc_has_any(message, KRPC_R_VALUES)) {
        return;
    }
    strbuf_puts(out, ",\"values\":[");
    krpc_peers_init(&it, message, data);
    while (krpc_peers_next(&it, &entry)) {
        if (entry.endpoint.addr_len != 0) {
            strbuf_puts(out, first ? "{" : ",{");
            first = false;
            put_endpoint(out, data + entry.off, entry.len);
        }
    }
    strbuf_char(out, ']');
}

static void put_request(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    size_t begin = out->len;

    put_hex(out, ",\"id\":", message, data, KRPC_A_ID);
    put_hex(out, ",\"target\":", message, data, KRPC_A_TARGET);
    put_hex(out, ",\"info_hash\":", message, data, KRPC_A_INFO_HASH);
    put_hex(out, ",\"token\":", message, data, KRPC_A_TOKEN);
    put_int(out, ",\"implied_port\":", message, KRPC_A_IMPLIED_PORT);
    put_int(out, ",\"port\":", message, KRPC_A_PORT);
    if (out->len > begin) {
        out->data[begin] = '{';
    } else {
        strbuf_char(out, '{');
    }
    strbuf_char(out, '}');
}

static void put_response(strbuf *out, const krpc_message *message, const uint8_t *data)
{
    size_t begin = out->len;

    put_hex(out, ",\"id\":", message, data, KRPC_R_ID);
    put_nodes(out, ",\"nodes\":[", message, data, KRPC_R_NODES);
    put_nodes(out, ",\"nodes6\":[", message, data, KRPC_R_NODES6);
    put_values(out, message, data);
    put_hex(out, ",\"token\":", message, data, KRPC_R_TOKEN);
    if (out->len > begin) {
        out->data[begin] = '{';
    } else {
        strbuf_char(out, '{');
    }
    strbuf_char(out, '}');
}

/* One id for both directions of a flow, as in Suricata. */
static uint64_t flow_id(const tracker_packet *where)
{
    /* like Suricata's, at most the largest integer that JavaScript can represent */
    return (krpc_endpoint_hash(&where->src) + krpc_endpoint_hash(&where->dst)) >> 13;
}

static void put_head(strbuf *out, const report *r, const run_packet *packet)
{
    const tracker_packet *where = &packet->where;
    unsigned file;

    strbuf_puts(out, "{\"timestamp\":\"");
    strbuf_time(out, where->time_ns);
    strbuf_puts(out, "\",\"flow_id\":");
    strbuf_uint(out, flow_id(where));
    strbuf_puts(out, ",\"pcap_cnt\":");
    strbuf_uint(out, run_frame(r->run, where->frame, &file));
    if (r->with->num_args > 1) {
        strbuf_puts(out, ",\"pcap_filename\":");
        strbuf_json_name(out, run_file_name(r->run, file));
    }
    strbuf_puts(out, ",\"event_type\":\"bittorrent_dht\",\"src_ip\":\"");
    strbuf_addr(out, &where->src);
    strbuf_printf(out, "\",\"src_port\":%u,\"dest_ip\":\"", where->src.port);
    strbuf_addr(out, &where->dst);
    strbuf_printf(out, "\",\"dest_port\":%u,\"proto\":\"UDP\"", where->dst.port);
}

static void eve_message(report *r, const run_packet *packet, const krpc_message *message, const tracker_result *result)
{
    strbuf *out = output_text(r->output);
    const uint8_t *data = packet->data;

    (void)result;
    put_head(out, r, packet);
    strbuf_puts(out, ",\"bittorrent_dht\":{\"transaction_id\":\"");
    if (krpc_has(message, KRPC_T)) {
        strbuf_hex(out, data + message->value[KRPC_T].off, message->value[KRPC_T].len);
    }
    strbuf_char(out, '"');
    put_hex(out, ",\"client_version\":", message, data, KRPC_V);
    put_text(out, ",\"request_type\":", message, data, KRPC_Q);
    if (krpc_has(message, KRPC_E_CODE)) {
        put_int(out, ",\"error\":{\"num\":", message, KRPC_E_CODE);
        put_text(out, ",\"msg\":", message, data, KRPC_E_MESSAGE);
        strbuf_char(out, '}');
    }
    if (krpc_has(message, KRPC_A)) {
        strbuf_puts(out, ",\"request\":");
        put_request(out, message, data);
    }
    if (krpc_has(message, KRPC_R)) {
        strbuf_puts(out, ",\"response\":");
        put_response(out, message, data);
    }
    strbuf_puts(out, "}}\n");
}

const report_format report_eve = {.message = eve_message};
