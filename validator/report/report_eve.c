/* report_eve.c: Suricata's bittorrent_dht events, so that dashboards made for them work.
 *
 * The members and their types are Suricata's. It writes an IPv6 address in full; a short one is the same address.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

static void put_hex(text *out, const char *key, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    if (!krpc_has(message, field)) {
        return;
    }
    text_puts(out, key);
    text_char(out, '"');
    text_hex(out, data + message->value[field].off, message->value[field].len);
    text_char(out, '"');
}

static void put_int(text *out, const char *key, const krpc_message *message, krpc_field field)
{
    if (!krpc_has(message, field)) {
        return;
    }
    text_puts(out, key);
    text_int(out, message->value[field].num);
}

static void put_text(text *out, const char *key, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    if (!krpc_has(message, field)) {
        return;
    }
    const krpc_value *value = &message->value[field];
    text_puts(out, key);
    if (text_is_json(data + value->off, value->len)) {
        text_json(out, data + value->off, value->len);
    } else {
        char *valid = g_utf8_make_valid((const char *)data + value->off, (gssize)value->len);
        text_json(out, valid, strlen(valid));
        g_free(valid);
    }
}

static void put_endpoint(text *out, const uint8_t *compact, uint32_t len)
{
    krpc_endpoint endpoint;

    if (!krpc_endpoint_get(&endpoint, compact, len)) {
        return;
    }
    text_puts(out, "\"ip\":\"");
    text_addr(out, &endpoint);
    text_puts(out, "\",\"port\":");
    text_uint(out, endpoint.port);
    text_char(out, '}');
}

static void put_nodes(text *out, const char *key, const krpc_message *message, const uint8_t *data, krpc_field field,
                      uint32_t size)
{
    const krpc_value *value = &message->value[field];

    if (!krpc_has(message, field) || value->len < size) {
        return;
    }
    text_puts(out, key);
    for (uint32_t i = 0; value->len - i >= size; i += size) {
        text_puts(out, i > 0 ? ",{\"id\":\"" : "{\"id\":\"");
        text_hex(out, data + value->off + i, 20);
        text_puts(out, "\",");
        put_endpoint(out, data + value->off + i + 20, size - 20);
    }
    text_char(out, ']');
}

static void put_values(text *out, const krpc_message *message, const uint8_t *data)
{
    krpc_list list;
    bencode_token item;
    bool first = true;

    if (!krpc_has(message, KRPC_R_VALUES)) {
        return;
    }
    text_puts(out, ",\"values\":[");
    krpc_list_init(&list, message, data, KRPC_R_VALUES);
    while (krpc_list_next(&list, &item)) {
        if (item.type != BENCODE_STRING || (item.body_len != 6 && item.body_len != 18)) {
            continue;
        }
        text_puts(out, first ? "{" : ",{");
        first = false;
        put_endpoint(out, data + item.body_off, item.body_len);
    }
    text_char(out, ']');
}

static void put_request(text *out, const krpc_message *message, const uint8_t *data)
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
        text_char(out, '{');
    }
    text_char(out, '}');
}

static void put_response(text *out, const krpc_message *message, const uint8_t *data)
{
    size_t begin = out->len;

    put_hex(out, ",\"id\":", message, data, KRPC_R_ID);
    put_nodes(out, ",\"nodes\":[", message, data, KRPC_R_NODES, 26);
    put_nodes(out, ",\"nodes6\":[", message, data, KRPC_R_NODES6, 38);
    put_values(out, message, data);
    put_hex(out, ",\"token\":", message, data, KRPC_R_TOKEN);
    if (out->len > begin) {
        out->data[begin] = '{';
    } else {
        text_char(out, '{');
    }
    text_char(out, '}');
}

/* One number for both directions of a flow, so that events can be put together as Suricata's can. */
static uint64_t flow_id(const tracker_packet *where)
{
    bool swap = krpc_endpoint_compare(&where->src, &where->dst) > 0;
    const krpc_endpoint *ends[2] = {swap ? &where->dst : &where->src, swap ? &where->src : &where->dst};
    uint64_t hash = UINT64_C(14695981039346656037);

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; j < 16; j++) {
            hash = (hash ^ ends[i]->addr[j]) * UINT64_C(1099511628211);
        }
        hash = (hash ^ ends[i]->port) * UINT64_C(1099511628211);
    }
    return hash >> 13; /* as there, a number that JavaScript can hold */
}

static void put_head(text *out, const check *c, const run_packet *packet)
{
    const tracker_packet *where = &packet->where;
    unsigned file;

    text_puts(out, "{\"timestamp\":\"");
    text_time(out, where->time_ns);
    text_puts(out, "\",\"flow_id\":");
    text_uint(out, flow_id(where));
    text_puts(out, ",\"pcap_cnt\":");
    text_uint(out, run_frame(c->run, where->frame, &file));
    if (c->with->num_args > 1) {
        text_puts(out, ",\"pcap_filename\":");
        text_json_name(out, run_file_name(c->run, file));
    }
    text_puts(out, ",\"event_type\":\"bittorrent_dht\",\"src_ip\":\"");
    text_addr(out, &where->src);
    text_printf(out, "\",\"src_port\":%u,\"dest_ip\":\"", where->src.port);
    text_addr(out, &where->dst);
    text_printf(out, "\",\"dest_port\":%u,\"proto\":\"UDP\"", where->dst.port);
}

static void eve_message(check *c, const run_packet *packet, const krpc_message *message, const tracker_result *result)
{
    text *out = output_text(c->output);
    const uint8_t *data = packet->data;

    (void)result;
    put_head(out, c, packet);
    text_puts(out, ",\"bittorrent_dht\":{\"transaction_id\":\"");
    if (krpc_has(message, KRPC_T)) {
        text_hex(out, data + message->value[KRPC_T].off, message->value[KRPC_T].len);
    }
    text_char(out, '"');
    put_hex(out, ",\"client_version\":", message, data, KRPC_V);
    put_text(out, ",\"request_type\":", message, data, KRPC_Q);
    if (krpc_has(message, KRPC_E_CODE)) {
        put_int(out, ",\"error\":{\"num\":", message, KRPC_E_CODE);
        put_text(out, ",\"msg\":", message, data, KRPC_E_MESSAGE);
        text_char(out, '}');
    }
    if (krpc_has(message, KRPC_A)) {
        text_puts(out, ",\"request\":");
        put_request(out, message, data);
    }
    if (krpc_has(message, KRPC_R)) {
        text_puts(out, ",\"response\":");
        put_response(out, message, data);
    }
    text_puts(out, "}}\n");
}

const report report_eve = {.message = eve_message};
