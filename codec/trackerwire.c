/* trackerwire.c: announces to trackers over UDP and HTTP, and local service discovery.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/trackerwire.h>

#include <string.h>

#include "advert_fill.h"

#define CONNECT_LEN   16
#define CONNECT_MAGIC UINT64_C(0x41727101980)
#define ANNOUNCE_LEN  98

/* More than the size of any torrent, and more peers than any client asks for. */
#define MAX_SIZE      (UINT64_C(1) << 56)
#define MAX_WANT      10000

static uint32_t get_u32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static uint64_t get_u64(const uint8_t *data)
{
    return (uint64_t)get_u32(data) << 32 | get_u32(data + 4);
}

const char *trackerwire_kind_name(trackerwire_kind kind)
{
    static const char *const names[] = {"none", "connect", "connected", "announce", "lsd", "http"};

    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* -1 means "unknown"; some programs send the largest signed number instead. */
static bool is_size(uint64_t num)
{
    return num <= MAX_SIZE || num == UINT64_MAX || num == INT64_MAX;
}

/* BEP 41: 0 ends the options, 1 does nothing, any other has a length. */
static bool are_options(const uint8_t *data, size_t len)
{
    size_t at = 0;

    while (at < len && data[at] != 0) {
        if (data[at] == 1) {
            at++;
        } else if (len - at < 2 || data[at + 1] > len - at - 2) {
            return false;
        } else {
            at += 2u + data[at + 1];
        }
    }
    return true;
}

static bool is_announce(const uint8_t *data, size_t len)
{
    static const uint8_t zero[20];
    uint32_t want = get_u32(data + 92);

    return get_u32(data + 8) == 1 && get_u32(data + 80) <= 4 && (data[96] | data[97]) != 0 &&
           (want <= MAX_WANT || want == UINT32_MAX) && is_size(get_u64(data + 56)) && is_size(get_u64(data + 64)) &&
           is_size(get_u64(data + 72)) && memcmp(data + 16, zero, 20) != 0 && memcmp(data + 36, zero, 20) != 0 &&
           are_options(data + ANNOUNCE_LEN, len - ANNOUNCE_LEN);
}

static void parse_announce(trackerwire_message *out, const uint8_t *data)
{
    out->connection_id = get_u64(data);
    out->transaction_id = get_u32(data + 12);
    out->event = (uint8_t)get_u32(data + 80);
    memcpy(out->info_hash, data + 16, 20);
    memcpy(out->peer_id, data + 36, 20);
    out->has_info_hash = out->has_peer_id = true;
    out->num_info_hashes = 1;
    out->has_port = true;
    out->port = data[96] << 8 | data[97];
    out->port_off = 96;
    out->port_len = 2;
    if (get_u32(data + 84) != 0) {
        krpc_endpoint_set(&out->endpoint, data + 84, 4, (uint16_t)out->port);
    }
}

trackerwire_kind trackerwire_udp_parse(trackerwire_message *out, const uint8_t *data, size_t len)
{
    memset(out, 0, sizeof *out);
    if (len >= CONNECT_LEN && get_u64(data) == CONNECT_MAGIC && get_u32(data + 8) == 0) {
        out->kind = TRACKERWIRE_CONNECT;
        out->transaction_id = get_u32(data + 12);
    } else if (len == CONNECT_LEN && get_u32(data) == 0) {
        out->kind = TRACKERWIRE_CONNECTED;
        out->transaction_id = get_u32(data + 4);
        out->connection_id = get_u64(data + 8);
    } else if (len >= ANNOUNCE_LEN && is_announce(data, len)) {
        out->kind = TRACKERWIRE_ANNOUNCE;
        parse_announce(out, data);
    }
    return (trackerwire_kind)out->kind;
}

/* ---- local service discovery ---- */

static const char lsd_begin[] = "BT-SEARCH * HTTP/1.1";

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool is_name(const uint8_t *line, size_t len, const char *name)
{
    size_t i = 0;

    for (; name[i] != '\0'; i++) {
        if (i >= len || lower(line[i]) != (uint8_t)name[i]) {
            return false;
        }
    }
    return i < len && line[i] == ':';
}

/* The value of a header line, without the blanks around it. */
static krpc_span value_of(const uint8_t *data, uint32_t off, uint32_t len)
{
    krpc_span value;
    uint32_t end = off + len;

    while (data[off] != ':') {
        off++;
    }
    off++;
    while (off < end && (data[off] == ' ' || data[off] == '\t')) {
        off++;
    }
    while (end > off && (data[end - 1] == ' ' || data[end - 1] == '\t' || data[end - 1] == '\r')) {
        end--;
    }
    value.off = off;
    value.len = end - off;
    return value;
}

/* Nine digits hold every wrong port that programs send; more are not read as a number. */
static void take_port(trackerwire_message *out, const uint8_t *data, krpc_span value)
{
    int64_t port = 0;

    if (out->has_port || value.len < 1 || value.len > 9) {
        return;
    }
    for (uint32_t i = 0; i < value.len; i++) {
        uint8_t byte = data[value.off + i];

        if (byte < '0' || byte > '9') {
            return;
        }
        port = port * 10 + (byte - '0');
    }
    out->has_port = true;
    out->port = port;
    out->port_off = value.off;
    out->port_len = value.len;
}

static int nibble(uint8_t byte)
{
    byte = lower(byte);
    return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void take_info_hash(trackerwire_message *out, const uint8_t *data, krpc_span value)
{
    uint8_t hash[20];

    if (value.len != 40) {
        return;
    }
    for (uint32_t i = 0; i < 20; i++) {
        int high = nibble(data[value.off + 2 * i]);
        int low = nibble(data[value.off + 2 * i + 1]);

        if (high < 0 || low < 0) {
            return;
        }
        hash[i] = (uint8_t)(high << 4 | low);
    }
    if (!out->has_info_hash) {
        memcpy(out->info_hash, hash, sizeof hash);
        out->has_info_hash = true;
    }
    out->num_info_hashes++;
}

static uint32_t line_end(const uint8_t *data, uint32_t off, uint32_t len)
{
    while (off < len && data[off] != '\n') {
        off++;
    }
    return off;
}

trackerwire_kind trackerwire_lsd_parse(trackerwire_message *out, const uint8_t *data, size_t size)
{
    uint32_t len = size > UINT16_MAX ? UINT16_MAX : (uint32_t)size;
    uint32_t off = sizeof lsd_begin - 1;

    memset(out, 0, sizeof *out);
    if (len < off || memcmp(data, lsd_begin, off) != 0 || (len > off && data[off] != '\r' && data[off] != '\n')) {
        return TRACKERWIRE_NONE;
    }
    out->kind = TRACKERWIRE_LSD;
    off = line_end(data, off, len);
    while (off < len) {
        uint32_t begin = ++off;
        uint32_t line;

        off = line_end(data, off, len);
        line = off - begin;
        if (line == 0 || (line == 1 && data[begin] == '\r')) {
            break;
        }
        if (off < len && is_name(data + begin, line, "port")) {
            take_port(out, data, value_of(data, begin, line));
        } else if (off < len && is_name(data + begin, line, "infohash")) {
            take_info_hash(out, data, value_of(data, begin, line));
        }
    }
    return TRACKERWIRE_LSD;
}

/* ---- HTTP ---- */

static const char http_begin[] = "GET ";

static bool span_is(const uint8_t *data, krpc_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(data + span.off, text, span.len) == 0;
}

/* Decodes %xx; false where the value does not have 20 bytes. */
static bool take_20(uint8_t out[20], const uint8_t *data, krpc_span value)
{
    const uint8_t *p = data + value.off;
    uint32_t left = value.len;

    for (uint32_t i = 0; i < 20; i++) {
        if (left == 0) {
            return false;
        }
        if (*p != '%') {
            out[i] = *p++;
            left--;
            continue;
        }
        int high = left < 3 ? -1 : nibble(p[1]);
        int low = left < 3 ? -1 : nibble(p[2]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
        p += 3;
        left -= 3;
    }
    return left == 0;
}

/* An IPv4 address in decimal; a name or an IPv6 address is not read. */
static void take_ip(trackerwire_message *out, const uint8_t *data, krpc_span value)
{
    uint8_t addr[4];
    uint32_t num = 0, num_digits = 0, num_parts = 0;

    for (uint32_t i = 0; i <= value.len; i++) {
        uint8_t byte = i < value.len ? data[value.off + i] : '.';

        if (byte == '.' && num_digits > 0 && num_digits <= 3 && num <= 255 && num_parts < 4) {
            addr[num_parts++] = (uint8_t)num;
            num = num_digits = 0;
        } else if (byte >= '0' && byte <= '9' && num_digits < 4) {
            num = num * 10 + (byte - '0');
            num_digits++;
        } else {
            return;
        }
    }
    if (num_parts == 4) {
        krpc_endpoint_set(&out->endpoint, addr, 4, 0);
    }
}

static void take_event(trackerwire_message *out, const uint8_t *data, krpc_span value)
{
    static const char *const events[] = {"empty", "completed", "started", "stopped", "paused"};

    for (uint8_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (span_is(data, value, events[i])) {
            out->event = i;
        }
    }
}

static void take_parameter(trackerwire_message *out, const uint8_t *data, krpc_span name, krpc_span value)
{
    if (span_is(data, name, "info_hash")) {
        if (!out->has_info_hash && take_20(out->info_hash, data, value)) {
            out->has_info_hash = true;
            out->num_info_hashes = 1;
        }
    } else if (span_is(data, name, "peer_id")) {
        out->has_peer_id = out->has_peer_id || take_20(out->peer_id, data, value);
    } else if (span_is(data, name, "port")) {
        take_port(out, data, value);
    } else if (span_is(data, name, "ip") || span_is(data, name, "ipv4")) {
        take_ip(out, data, value);
    } else if (span_is(data, name, "event")) {
        take_event(out, data, value);
    }
}

static bool ends_url(uint8_t byte)
{
    return byte <= ' ' || byte == '#';
}

trackerwire_kind trackerwire_http_parse(trackerwire_message *out, const uint8_t *data, size_t size)
{
    uint32_t len = size > UINT16_MAX ? UINT16_MAX : (uint32_t)size;
    uint32_t off = sizeof http_begin - 1;

    memset(out, 0, sizeof *out);
    if (len < off || memcmp(data, http_begin, off) != 0) {
        return TRACKERWIRE_NONE;
    }
    while (off < len && data[off] != '?' && !ends_url(data[off])) {
        off++;
    }
    while (off < len && !ends_url(data[off])) { /* data[off] is '?' or '&' */
        krpc_span name = {++off, 0}, value;

        while (off < len && data[off] != '=' && data[off] != '&' && !ends_url(data[off])) {
            off++;
        }
        name.len = off - name.off;
        if (off < len && data[off] == '=') {
            off++;
        }
        value.off = off;
        while (off < len && data[off] != '&' && !ends_url(data[off])) {
            off++;
        }
        value.len = off - value.off;
        if (off < len) {
            take_parameter(out, data, name, value);
        }
    }
    if (!out->has_info_hash || !out->has_port) {
        memset(out, 0, sizeof *out);
        return TRACKERWIRE_NONE;
    }
    out->kind = TRACKERWIRE_HTTP;
    return TRACKERWIRE_HTTP;
}

bool trackerwire_advert(krpc_advert *out, const trackerwire_message *message)
{
    krpc_channel channel = KRPC_CHANNEL_UDP_TRACKER;

    if (!message->has_port) {
        return false;
    }
    if (message->kind == TRACKERWIRE_LSD) {
        channel = KRPC_CHANNEL_LSD;
    } else if (message->kind == TRACKERWIRE_HTTP) {
        channel = KRPC_CHANNEL_HTTP_TRACKER;
    }
    advert_fill(out, channel, message->port_off, message->port_len);
    if (message->endpoint.addr_len > 0) {
        advert_addr(out, message->endpoint.addr, message->endpoint.addr_len);
    }
    advert_port(out, message->port);
    return true;
}
