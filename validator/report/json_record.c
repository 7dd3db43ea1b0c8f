/* record.c: the records of packets, findings, advertisements and nodes. The inside of messages is in record_body.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/json_record.h"

#include <glib.h>
#include <krpc/client.h>
#include <krpc/node_id.h>

#include "frame/frame.h"

#define NS_PER_MS      INT64_C(1000000)
#define CACHED_CLIENTS 64

const char *record_client(const uint8_t *version, size_t len)
{
    static struct {
        uint8_t version[4];
        bool used;
        char text[KRPC_CLIENT_TEXT];
    } cache[CACHED_CLIENTS];
    static char other[KRPC_CLIENT_TEXT];

    if (len == 0) {
        return "unknown";
    }
    if (len != 4) {
        krpc_client_text(other, sizeof other, version, len);
        return other;
    }
    unsigned slot = (version[0] * 7u + version[1] * 31u + version[2] * 3u + version[3]) % CACHED_CLIENTS;
    if (!cache[slot].used || memcmp(cache[slot].version, version, 4) != 0) {
        memcpy(cache[slot].version, version, 4);
        krpc_client_text(cache[slot].text, sizeof cache[slot].text, version, len);
        cache[slot].used = true;
    }
    return cache[slot].text;
}

static void put_string(text *out, const char *key, const char *value)
{
    text_puts(out, key);
    text_json(out, value, strlen(value));
}

static void put_file(text *out, const char *key, const char *name)
{
    text_puts(out, key);
    text_json_name(out, name);
}

static void put_frame(text *out, const run *from, uint32_t frame)
{
    unsigned file;
    uint32_t own = run_frame(from, frame, &file);

    if (run_num_files(from) > 1) {
        put_file(out, ",\"file\":", run_file_name(from, file));
    }
    text_puts(out, ",\"frame\":");
    text_uint(out, own);
}

void record_packet_head(text *out, const run *from, const tracker_packet *where, bool has_time)
{
    put_frame(out, from, where->frame);
    if (has_time) {
        text_puts(out, ",\"timestamp\":\"");
        text_time(out, where->time_ns);
        text_char(out, '"');
    }
    char *at = text_room(out, 2 * KRPC_ENDPOINT_TEXT + 80);
    char *begin = at;
    at = TEXT_AT(at, ",\"src_ip\":\"");
    at = text_addr_at(at, where->src.addr, where->src.addr_len);
    at = TEXT_AT(at, "\",\"src_port\":");
    at = text_uint_at(at, where->src.port);
    at = TEXT_AT(at, ",\"dest_ip\":\"");
    at = text_addr_at(at, where->dst.addr, where->dst.addr_len);
    at = TEXT_AT(at, "\",\"dest_port\":");
    at = text_uint_at(at, where->dst.port);
    out->len += (size_t)(at - begin);
}

static const char *protocol_name(uint8_t protocol)
{
    return protocol == FRAME_UDP ? "UDP" : protocol == FRAME_TCP ? "TCP" : "ICMP";
}

/* Milliseconds with three decimals: enough to be lossless for captures in microseconds. */
static void put_ms(text *out, int64_t ns)
{
    if (ns < 0) {
        text_char(out, '-');
        ns = -ns;
    }
    text_uint(out, (uint64_t)(ns / NS_PER_MS));
    uint32_t micros = (uint32_t)(ns % NS_PER_MS / 1000);
    char *at = text_room(out, 4);
    at[0] = '.';
    at[1] = (char)('0' + micros / 100);
    at[2] = (char)('0' + micros / 10 % 10);
    at[3] = (char)('0' + micros % 10);
    out->len += 4;
}

static void put_result(text *out, const run *from, const run_packet *packet, const tracker_result *result)
{
    if (result->request_frame != 0) {
        unsigned file, own_file;
        run_frame(from, packet->where.frame, &own_file);
        text_puts(out, ",\"request_frame\":");
        text_uint(out, run_frame(from, result->request_frame, &file));
        if (file != own_file) {
            put_file(out, ",\"request_file\":", run_file_name(from, file));
        }
        text_puts(out, ",\"request_q\":\"");
        text_puts(out, krpc_method_name(result->method));
        text_puts(out, "\",\"rtt_ms\":");
        put_ms(out, result->rtt_ns);
    }
}

void record_message(text *out, const run *from, const run_packet *packet, const krpc_message *message,
                    const uint8_t *data, uint32_t len, const tracker_result *result)
{
    text_puts(out, "{\"type\":\"message\"");
    if (packet != NULL) {
        record_packet_head(out, from, &packet->where, packet->has_time);
        text_puts(out, ",\"proto\":\"UDP\"");
    }
    if (krpc_has(message, KRPC_V)) {
        const krpc_value *v = &message->value[KRPC_V];
        put_string(out, ",\"client\":", record_client(data + v->off, v->len));
    }
    if (result != NULL) {
        put_result(out, from, packet, result);
    }
    if (packet != NULL && packet->body != NULL) {
        text_put(out, packet->body, packet->body_len);
    } else {
        record_body(out, message, data, len);
    }
    text_puts(out, "}\n");
}

void record_finding(text *out, const run *from, const run_packet *packet, const krpc_finding *finding,
                    const uint8_t *data, uint32_t len)
{
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];

    text_puts(out, "{\"type\":\"finding\"");
    if (packet != NULL) {
        record_packet_head(out, from, &packet->where, packet->has_time);
        text_puts(out, ",\"proto\":\"");
        text_puts(out, protocol_name(packet->protocol));
        text_char(out, '"');
    }
    text_puts(out, ",\"rule\":\"");
    text_puts(out, info->slug);
    text_puts(out, "\",\"severity\":\"");
    text_puts(out, krpc_severity_name(info->severity));
    put_string(out, "\",\"spec\":", info->spec);
    run_finding_text(from, line, sizeof line, finding, data, len);
    put_string(out, ",\"message\":", line);
    text_puts(out, ",\"offset\":");
    text_uint(out, finding->off);
    text_puts(out, ",\"length\":");
    text_uint(out, finding->len);
    text_puts(out, "}\n");
}

static void put_later(text *out, const run *from, const tracker_advert *advert)
{
    put_string(out, ",\"verdict\":", tracker_verdict_name((tracker_verdict)advert->verdict));
    if (advert->verdict_frame != 0) {
        text_puts(out, ",\"verdict_frame\":");
        text_uint(out, run_frame(from, advert->verdict_frame, NULL));
    }
    put_string(out, ",\"honoured\":", tracker_later_name((tracker_later)advert->later));
    if (advert->later_frame != 0) {
        text_puts(out, ",\"honoured_frame\":");
        text_uint(out, run_frame(from, advert->later_frame, NULL));
        text_puts(out, ",\"honoured_ms\":");
        put_ms(out, advert->later_ns);
    }
}

void record_advert(text *out, const run *from, const tracker_advert *advert)
{
    const krpc_channel_info *channel = krpc_channel_get((krpc_channel)advert->channel);
    const tracker_packet where = {advert->frame, advert->time_ns, advert->sender, advert->receiver};

    text_puts(out, "{\"type\":\"advert\"");
    record_packet_head(out, from, &where, advert->time_ns != 0);
    text_puts(out, advert->over_tcp ? ",\"proto\":\"TCP\"" : ",\"proto\":\"UDP\"");
    put_string(out, ",\"channel\":", channel->name);
    put_string(out, ",\"service\":", krpc_service_name((krpc_service)advert->service));
    if (advert->advertised_port >= 0 || advert->channel != KRPC_CHANNEL_IMPLIED_PORT) {
        text_puts(out, ",\"advertised_port\":");
        text_int(out, advert->advertised_port);
    }
    text_puts(out, ",\"source_port\":");
    text_uint(out, advert->sender.port);
    if (advert->dht_port != 0) {
        text_puts(out, ",\"dht_port\":");
        text_uint(out, advert->dht_port);
    }
    if (advert->observed.port != 0) {
        text_puts(out, ",\"observed_ip\":\"");
        text_addr(out, &advert->observed);
        text_puts(out, "\",\"observed_port\":");
        text_uint(out, advert->observed.port);
        text_puts(out, ",\"observed_frame\":");
        text_uint(out, run_frame(from, advert->observed_frame, NULL));
    }
    text_puts(out, advert->implied_port ? ",\"implied_port\":true" : ",\"implied_port\":false");
    if (advert->effective_port != 0) {
        text_puts(out, ",\"effective_port\":");
        text_uint(out, advert->effective_port);
    }
    put_later(out, from, advert);
    if (advert->has_node_id) {
        text_puts(out, ",\"node_id\":\"");
        text_hex(out, advert->node_id, 20);
        text_char(out, '"');
    }
    if (advert->has_info_hash) {
        text_puts(out, ",\"info_hash\":\"");
        text_hex(out, advert->info_hash, 20);
        text_char(out, '"');
    }
    if (advert->version_len > 0) {
        put_string(out, ",\"client\":", record_client(advert->version, advert->version_len));
    }
    text_puts(out, "}\n");
}

static void put_external(text *out, const run *from, const tracker_nat *nat)
{
    text_puts(out, ",\"external\":[");
    for (uint32_t i = 0; i < nat->num_kept; i++) {
        const tracker_external *external = &nat->external[i];
        text_puts(out, i > 0 ? ",{\"ip\":\"" : "{\"ip\":\"");
        text_addr(out, &external->endpoint);
        text_puts(out, "\",\"port\":");
        text_uint(out, external->endpoint.port);
        text_puts(out, ",\"observers\":");
        text_uint(out, external->observers);
        text_puts(out, ",\"frames\":[");
        for (uint32_t j = 0; j < MIN(external->num_frames, TRACKER_MAX_FRAMES); j++) {
            if (j > 0) {
                text_char(out, ',');
            }
            text_uint(out, run_frame(from, external->frames[j], NULL));
        }
        text_puts(out, "]}");
    }
    text_char(out, ']');
}

static void put_nat(text *out, const run *from, const tracker_nat *nat)
{
    static const char *const evidence[] = {"inside", "outside", "both"};
    bool any = false;

    put_string(out, ",\"nat\":{\"port\":", tracker_port_name(nat->port));
    put_string(out, ",\"mapping\":", tracker_mapping_name(nat->mapping));
    put_string(out, ",\"filtering\":", tracker_filtering_name(nat->filtering));
    text_puts(out, ",\"evidence\":[");
    for (unsigned i = 0; i < G_N_ELEMENTS(evidence); i++) {
        if ((nat->evidence >> i & 1) != 0) {
            put_string(out, any ? "," : "", evidence[i]);
            any = true;
        }
    }
    text_puts(out, "],\"remapped\":");
    text_uint(out, nat->remapped);
    text_puts(out, ",\"num_external\":");
    text_uint(out, nat->num_external);
    put_external(out, from, nat);
    text_char(out, '}');
}

static void put_seen(text *out, const run *from, const tracker_node *node)
{
    text_puts(out, ",\"first_seen\":\"");
    text_time(out, node->first_ns);
    text_puts(out, "\",\"last_seen\":\"");
    text_time(out, node->last_ns);
    text_puts(out, "\",\"first_frame\":");
    text_uint(out, run_frame(from, node->first_frame, NULL));
    text_puts(out, ",\"last_frame\":");
    text_uint(out, run_frame(from, node->last_frame, NULL));
}

static void put_node_file(text *out, const run *from, const tracker_node *node)
{
    unsigned file;

    run_frame(from, node->first_frame, &file);
    if (run_num_files(from) > 1) {
        put_file(out, ",\"file\":", run_file_name(from, file));
    }
}

void record_node(text *out, const run *from, const tracker_node *node)
{
    text_puts(out, "{\"type\":\"node\"");
    put_node_file(out, from, node);
    text_puts(out, ",\"ip\":\"");
    text_addr(out, &node->endpoint);
    text_puts(out, "\",\"port\":");
    text_uint(out, node->endpoint.port);
    text_puts(out, ",\"node_ids\":[");
    for (uint32_t i = 0; i < MIN(node->num_ids, TRACKER_MAX_IDS); i++) {
        text_puts(out, i > 0 ? ",\"" : "\"");
        text_hex(out, node->ids[i], 20);
        text_char(out, '"');
    }
    text_puts(out, "],\"num_node_ids\":");
    text_uint(out, node->num_ids);
    if (node->version_len > 0) {
        put_string(out, ",\"client\":", record_client(node->version, node->version_len));
    }
    text_puts(out, node->read_only ? ",\"read_only\":true" : ",\"read_only\":false");
    put_string(out, ",\"bep42\":", krpc_node_id_verdict_name((krpc_node_id_verdict)node->bep42));
    text_puts(out, ",\"messages\":{\"queries\":");
    text_uint(out, node->queries);
    text_puts(out, ",\"responses\":");
    text_uint(out, node->responses);
    text_puts(out, ",\"errors\":");
    text_uint(out, node->errors);
    text_puts(out, ",\"queries_received\":");
    text_uint(out, node->queries_received);
    text_char(out, '}');
    put_seen(out, from, node);
    put_nat(out, from, &node->nat);
    text_puts(out, "}\n");
}
