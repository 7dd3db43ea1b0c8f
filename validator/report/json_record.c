/* json_record.c: the records of packets, findings, advertisements and nodes. json_record_body.c writes the keys of
 * messages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/json_record.h"

#include <glib.h>
#include <krpc/node_id.h>

#include "frame/frame.h"
#include "report/advice_text.h"

#define NS_PER_MS INT64_C(1000000)

static void put_string(strbuf *out, const char *key, const char *value)
{
    strbuf_puts(out, key);
    strbuf_json(out, value, strlen(value));
}

static void put_file(strbuf *out, const char *key, const char *name)
{
    strbuf_puts(out, key);
    strbuf_json_name(out, name);
}

static void put_frame(strbuf *out, const run *from, uint32_t frame)
{
    unsigned file;
    uint32_t own = run_frame(from, frame, &file);

    if (run_num_files(from) > 1) {
        put_file(out, ",\"file\":", run_file_name(from, file));
    }
    strbuf_puts(out, ",\"frame\":");
    strbuf_uint(out, own);
}

void json_record_packet_head(strbuf *out, const run *from, const tracker_packet *where, bool has_time)
{
    put_frame(out, from, where->frame);
    if (has_time) {
        strbuf_puts(out, ",\"timestamp\":\"");
        strbuf_time(out, where->time_ns);
        strbuf_char(out, '"');
    }
    char *at = strbuf_room(out, 2 * KRPC_ENDPOINT_TEXT + 80);
    char *begin = at;
    at = STRBUF_AT(at, ",\"src_ip\":\"");
    at = strbuf_addr_at(at, where->src.addr, where->src.addr_len);
    at = STRBUF_AT(at, "\",\"src_port\":");
    at = strbuf_uint_at(at, where->src.port);
    at = STRBUF_AT(at, ",\"dest_ip\":\"");
    at = strbuf_addr_at(at, where->dst.addr, where->dst.addr_len);
    at = STRBUF_AT(at, "\",\"dest_port\":");
    at = strbuf_uint_at(at, where->dst.port);
    out->len += (size_t)(at - begin);
}

static const char *protocol_name(uint8_t protocol)
{
    return protocol == FRAME_UDP ? "UDP" : protocol == FRAME_TCP ? "TCP" : "ICMP";
}

/* Milliseconds with three decimals: lossless for captures with microseconds. */
static void put_ms(strbuf *out, int64_t ns)
{
    if (ns < 0) {
        strbuf_char(out, '-');
        ns = -ns;
    }
    strbuf_uint(out, (uint64_t)(ns / NS_PER_MS));
    uint32_t micros = (uint32_t)(ns % NS_PER_MS / 1000);
    char *at = strbuf_room(out, 4);
    at[0] = '.';
    at[1] = (char)('0' + micros / 100);
    at[2] = (char)('0' + micros / 10 % 10);
    at[3] = (char)('0' + micros % 10);
    out->len += 4;
}

static void put_result(strbuf *out, const run *from, const run_packet *packet, const tracker_result *result)
{
    if (result->request_frame != 0) {
        unsigned file, own_file;
        run_frame(from, packet->where.frame, &own_file);
        strbuf_puts(out, ",\"request_frame\":");
        strbuf_uint(out, run_frame(from, result->request_frame, &file));
        if (file != own_file) {
            put_file(out, ",\"request_file\":", run_file_name(from, file));
        }
        strbuf_puts(out, ",\"request_q\":\"");
        strbuf_puts(out, krpc_method_name(result->method));
        strbuf_puts(out, "\",\"rtt_ms\":");
        put_ms(out, result->rtt_ns);
    }
}

void json_record_message(strbuf *out, const run *from, const run_packet *packet, const krpc_message *message,
                         const uint8_t *data, uint32_t len, const tracker_result *result)
{
    strbuf_puts(out, "{\"type\":\"message\"");
    if (packet != NULL) {
        json_record_packet_head(out, from, &packet->where, packet->has_time);
        strbuf_puts(out, ",\"proto\":\"UDP\"");
    }
    if (krpc_has(message, KRPC_V)) {
        const krpc_value *v = &message->value[KRPC_V];
        put_string(out, ",\"client\":", client_name(data + v->off, v->len));
    }
    if (result != NULL) {
        put_result(out, from, packet, result);
    }
    if (packet != NULL && packet->body != NULL) {
        strbuf_put(out, packet->body, packet->body_len);
    } else {
        json_record_body(out, message, data, len);
    }
    strbuf_puts(out, "}\n");
}

void json_record_finding(strbuf *out, const run *from, const run_packet *packet, const krpc_finding *finding,
                         const uint8_t *data, uint32_t len)
{
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];

    strbuf_puts(out, "{\"type\":\"finding\"");
    if (packet != NULL) {
        json_record_packet_head(out, from, &packet->where, packet->has_time);
        strbuf_puts(out, ",\"proto\":\"");
        strbuf_puts(out, protocol_name(packet->protocol));
        strbuf_char(out, '"');
    }
    strbuf_puts(out, ",\"rule\":\"");
    strbuf_puts(out, info->slug);
    strbuf_puts(out, "\",\"severity\":\"");
    strbuf_puts(out, krpc_severity_name(info->severity));
    put_string(out, "\",\"spec\":", info->spec);
    run_finding_text(from, line, sizeof line, finding, data, len);
    put_string(out, ",\"message\":", line);
    strbuf_puts(out, ",\"offset\":");
    strbuf_uint(out, finding->off);
    strbuf_puts(out, ",\"length\":");
    strbuf_uint(out, finding->len);
    strbuf_puts(out, "}\n");
}

static void put_later(strbuf *out, const run *from, const tracker_advert *advert)
{
    put_string(out, ",\"verdict\":", tracker_verdict_name((tracker_verdict)advert->verdict));
    if (advert->verdict_frame != 0) {
        strbuf_puts(out, ",\"verdict_frame\":");
        strbuf_uint(out, run_frame(from, advert->verdict_frame, NULL));
    }
    put_string(out, ",\"honoured\":", tracker_later_name((tracker_later)advert->later));
    if (advert->later_frame != 0) {
        strbuf_puts(out, ",\"honoured_frame\":");
        strbuf_uint(out, run_frame(from, advert->later_frame, NULL));
        strbuf_puts(out, ",\"honoured_ms\":");
        put_ms(out, advert->later_ns);
    }
}

void json_record_advert(strbuf *out, const run *from, const tracker_advert *advert)
{
    const krpc_channel_info *channel = krpc_channel_get((krpc_channel)advert->channel);
    const tracker_packet where = {
        .frame = advert->frame, .time_ns = advert->time_ns, .src = advert->sender, .dst = advert->receiver};

    strbuf_puts(out, "{\"type\":\"advert\"");
    json_record_packet_head(out, from, &where, advert->time_ns != 0);
    strbuf_puts(out, advert->over_tcp ? ",\"proto\":\"TCP\"" : ",\"proto\":\"UDP\"");
    put_string(out, ",\"channel\":", channel->name);
    put_string(out, ",\"service\":", krpc_service_name((krpc_service)advert->service));
    if (advert->advertised_port >= 0 || advert->channel != KRPC_CHANNEL_IMPLIED_PORT) {
        strbuf_puts(out, ",\"advertised_port\":");
        strbuf_int(out, advert->advertised_port);
    }
    strbuf_puts(out, ",\"source_port\":");
    strbuf_uint(out, advert->sender.port);
    if (advert->dht_port != 0) {
        strbuf_puts(out, ",\"dht_port\":");
        strbuf_uint(out, advert->dht_port);
    }
    if (advert->observed.port != 0) {
        strbuf_puts(out, ",\"observed_ip\":\"");
        strbuf_addr(out, &advert->observed);
        strbuf_puts(out, "\",\"observed_port\":");
        strbuf_uint(out, advert->observed.port);
        strbuf_puts(out, ",\"observed_frame\":");
        strbuf_uint(out, run_frame(from, advert->observed_frame, NULL));
    }
    strbuf_puts(out, advert->implied_port ? ",\"implied_port\":true" : ",\"implied_port\":false");
    if (advert->effective_port != 0) {
        strbuf_puts(out, ",\"effective_port\":");
        strbuf_uint(out, advert->effective_port);
    }
    put_later(out, from, advert);
    if (advert->has_node_id) {
        strbuf_puts(out, ",\"node_id\":\"");
        strbuf_hex(out, advert->node_id, 20);
        strbuf_char(out, '"');
    }
    if (advert->has_info_hash) {
        strbuf_puts(out, ",\"info_hash\":\"");
        strbuf_hex(out, advert->info_hash, 20);
        strbuf_char(out, '"');
    }
    if (advert->version_len > 0) {
        put_string(out, ",\"client\":", client_name(advert->version, advert->version_len));
    }
    strbuf_puts(out, "}\n");
}

static void put_frames(strbuf *out, const run *from, const uint32_t *frames, uint32_t num_frames)
{
    strbuf_puts(out, ",\"frames\":[");
    for (uint32_t i = 0; i < MIN(num_frames, TRACKER_MAX_FRAMES); i++) {
        if (i > 0) {
            strbuf_char(out, ',');
        }
        strbuf_uint(out, run_frame(from, frames[i], NULL));
    }
    strbuf_char(out, ']');
}

/* The first members of an object in a list. */
static void put_endpoint(strbuf *out, const krpc_endpoint *endpoint, bool first)
{
    strbuf_puts(out, first ? "{\"ip\":\"" : ",{\"ip\":\"");
    strbuf_addr(out, endpoint);
    strbuf_puts(out, "\",\"port\":");
    strbuf_uint(out, endpoint->port);
}

static void put_external(strbuf *out, const run *from, const tracker_nat *nat)
{
    strbuf_puts(out, ",\"external\":[");
    for (uint32_t i = 0; i < nat->num_kept; i++) {
        const tracker_external *external = &nat->external[i];
        put_endpoint(out, &external->endpoint, i == 0);
        strbuf_puts(out, ",\"observers\":");
        strbuf_uint(out, external->observers);
        put_frames(out, from, external->frames, external->num_frames);
        strbuf_char(out, '}');
    }
    strbuf_char(out, ']');
}

static void put_nat(strbuf *out, const run *from, const tracker_nat *nat)
{
    static const char *const evidence[] = {"inside", "outside", "both"};
    tracker_reason reason = nat->mapping_reason != TRACKER_REASON_NONE ? nat->mapping_reason : nat->port_reason;
    bool any = false;

    put_string(out, ",\"nat\":{\"port\":", tracker_port_name(nat->port));
    put_string(out, ",\"addresses\":", tracker_addresses_name(nat->addresses));
    put_string(out, ",\"mapping\":", tracker_mapping_name(nat->mapping));
    put_string(out, ",\"filtering\":", tracker_filtering_name(nat->filtering));
    put_string(out, ",\"reason\":", tracker_reason_name(reason));
    if (nat->changed_frame != 0) {
        strbuf_puts(out, ",\"changed_frame\":");
        strbuf_uint(out, run_frame(from, nat->changed_frame, NULL));
    }
    strbuf_puts(out, ",\"evidence\":[");
    for (unsigned i = 0; i < G_N_ELEMENTS(evidence); i++) {
        if ((nat->evidence >> i & 1) != 0) {
            put_string(out, any ? "," : "", evidence[i]);
            any = true;
        }
    }
    strbuf_puts(out, "],\"remapped\":");
    strbuf_uint(out, nat->remapped);
    strbuf_puts(out, ",\"num_external\":");
    strbuf_uint(out, nat->num_external);
    put_external(out, from, nat);
    strbuf_char(out, '}');
}

static void put_reach(strbuf *out, const run *from, const tracker_reachability *reach)
{
    put_string(out, ",\"reach\":{\"verdict\":", tracker_reach_name(reach->verdict));
    strbuf_puts(out, ",\"open\":[");
    for (uint32_t i = 0; i < reach->num_open; i++) {
        put_endpoint(out, &reach->open[i].endpoint, i == 0);
        strbuf_puts(out, ",\"from_sites\":");
        strbuf_uint(out, reach->open[i].num_sites);
        put_frames(out, from, reach->open[i].frames, reach->open[i].num_frames);
        strbuf_char(out, '}');
    }
    strbuf_puts(out, "],\"missing\":[");
    const char *separator = "";
    for (unsigned left = reach->missing; left != 0; separator = ",") {
        put_string(out, separator, tracker_missing_name(advice_next(&left)));
    }
    strbuf_puts(out, "],\"from_sites\":");
    strbuf_uint(out, reach->num_sites);
    put_frames(out, from, reach->frames, reach->num_frames);
    strbuf_char(out, '}');
}

static void put_advice(strbuf *out, const run *from, const tracker_node *node)
{
    strbuf text = {0};

    strbuf_puts(out, ",\"advice\":[");
    for (uint32_t i = 0; i < node->num_advice; i++) {
        const tracker_advice_item *item = &node->advice[i];
        put_string(out, i == 0 ? "{\"slug\":" : ",{\"slug\":", tracker_advice_slug(item->advice));
        if (item->port != 0) {
            strbuf_puts(out, ",\"port\":");
            strbuf_uint(out, item->port);
        }
        text.len = 0;
        advice_text_line(&text, node, item);
        strbuf_char(&text, ' ');
        advice_text(&text, node, item);
        strbuf_puts(out, ",\"text\":");
        strbuf_json(out, text.data, text.len);
        put_frames(out, from, item->frames, item->num_frames);
        strbuf_char(out, '}');
    }
    strbuf_char(out, ']');
    strbuf_free(&text);
}

static void put_seen(strbuf *out, const run *from, const tracker_node *node)
{
    strbuf_puts(out, ",\"first_seen\":\"");
    strbuf_time(out, node->first_ns);
    strbuf_puts(out, "\",\"last_seen\":\"");
    strbuf_time(out, node->last_ns);
    strbuf_puts(out, "\",\"first_frame\":");
    strbuf_uint(out, run_frame(from, node->first_frame, NULL));
    strbuf_puts(out, ",\"last_frame\":");
    strbuf_uint(out, run_frame(from, node->last_frame, NULL));
}

static void put_node_file(strbuf *out, const run *from, const tracker_node *node)
{
    unsigned file;

    run_frame(from, node->first_frame, &file);
    if (run_num_files(from) > 1) {
        put_file(out, ",\"file\":", run_file_name(from, file));
    }
}

void json_record_node(strbuf *out, const run *from, const tracker_node *node)
{
    strbuf_puts(out, "{\"type\":\"node\"");
    put_node_file(out, from, node);
    strbuf_puts(out, ",\"ip\":\"");
    strbuf_addr(out, &node->endpoint);
    strbuf_puts(out, "\",\"port\":");
    strbuf_uint(out, node->endpoint.port);
    strbuf_puts(out, ",\"node_ids\":[");
    for (uint32_t i = 0; i < MIN(node->num_ids, TRACKER_MAX_IDS); i++) {
        strbuf_puts(out, i > 0 ? ",\"" : "\"");
        strbuf_hex(out, node->ids[i], 20);
        strbuf_char(out, '"');
    }
    strbuf_puts(out, "],\"num_node_ids\":");
    strbuf_uint(out, node->num_ids);
    if (node->version_len > 0) {
        put_string(out, ",\"client\":", client_name(node->version, node->version_len));
    }
    strbuf_puts(out, node->read_only ? ",\"read_only\":true" : ",\"read_only\":false");
    put_string(out, ",\"bep42\":", krpc_node_id_verdict_name((krpc_node_id_verdict)node->bep42));
    strbuf_puts(out, ",\"messages\":{\"queries\":");
    strbuf_uint(out, node->queries);
    strbuf_puts(out, ",\"responses\":");
    strbuf_uint(out, node->responses);
    strbuf_puts(out, ",\"errors\":");
    strbuf_uint(out, node->errors);
    strbuf_puts(out, ",\"queries_received\":");
    strbuf_uint(out, node->queries_received);
    strbuf_char(out, '}');
    put_seen(out, from, node);
    put_nat(out, from, &node->nat);
    put_reach(out, from, &node->reach);
    put_advice(out, from, node);
    strbuf_puts(out, "}\n");
}

void json_record_rule_members(strbuf *out, krpc_rule rule)
{
    const krpc_rule_info *info = krpc_rule_get(rule);
    char line[200];

    krpc_rule_text(line, sizeof line, rule);
    put_string(out, "{\"type\":\"rule\",\"rule\":", info->slug);
    put_string(out, ",\"severity\":", krpc_severity_name(info->severity));
    put_string(out, ",\"spec\":", info->spec);
    put_string(out, ",\"message\":", line);
    put_string(out, ",\"explanation\":", info->explanation);
}
