/* tracking.c: the tracker of the open file, and what it said about each packet.
 *
 * The tracker gets each packet once, when Wireshark dissects it for the first time, in the order of the file. What it says
 * is kept in a tracking_record, which is all that later passes look at; only how a verdict or a NAT turned out is asked for
 * again whenever it is drawn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <cfile.h>
#include <epan/plugin_if.h>

static tracker *state;
static bool finished;

/* Advertisements that the tracker let go of, by serial number, from 0. */
static GArray *done;

/* What the tracker reports about the packet that it is being given. */
static wmem_allocator_t *findings_pool;
static wmem_array_t *findings;
static tracking_peerwire *first_peer;
static tracking_peerwire **last_peer;

static void on_finding(void *ctx _U_, const krpc_finding *finding)
{
    tracking_finding kept = {
        .off = finding->off,
        .len = (uint16_t)MIN(finding->len, UINT16_MAX),
        .rule = (uint16_t)finding->rule,
        .field = (uint16_t)finding->field,
        .a = finding->a,
        .b = finding->b,
    };

    if (findings == NULL) {
        findings = wmem_array_new(findings_pool, sizeof kept);
    }
    wmem_array_append_one(findings, kept);
}

static const krpc_sink sink = {on_finding, NULL};

/* Pushed out by newer ones; those that are left at the end stay where they are. */
static void on_advert_done(void *ctx _U_, const tracker_advert *advert)
{
    if (!finished) {
        g_array_append_vals(done, advert, 1);
    }
}

static bool peer_is_shown(const peerwire_message *message)
{
    switch (message->kind) {
    case PEERWIRE_HANDSHAKE:
    case PEERWIRE_PORT:
        return true;
    case PEERWIRE_EXTENDED:
        return message->extension == PEERWIRE_EXT_HANDSHAKE || message->extension == PEERWIRE_EXT_UT_PEX ||
               message->extension == PEERWIRE_EXT_UT_HOLEPUNCH;
    default:
        return false;
    }
}

static void on_peerwire(void *ctx _U_, const tracker_packet *packet _U_, const peerwire_message *message,
                        const uint8_t *data, int64_t off)
{
    if (!prefs_krpc_peerwire || !peer_is_shown(message)) {
        return;
    }

    uint32_t len = MIN(message->len, PEERWIRE_MAX_WHOLE);
    tracking_peerwire *peer = wmem_alloc(wmem_file_scope(), sizeof *peer + len);

    peer->next = NULL;
    peer->len = len;
    peer->off = (int32_t)MAX(off, -1);
    peer->kind = message->kind;
    peer->extension = message->extension;
    peer->ext_id = message->ext_id;
    memcpy(peer->data, data, len);
    *last_peer = peer;
    last_peer = &peer->next;
}

static void tracking_init(void)
{
    tracker_options options = {
        .max_nodes = prefs_krpc_max_nodes,
        .max_transactions = prefs_krpc_max_transactions,
        .max_adverts = prefs_krpc_max_adverts,
        .max_streams = prefs_krpc_max_streams,
        .advert_done = on_advert_done,
        .peerwire = on_peerwire,
    };

    state = tracker_new(&options);
    record_store_init();
    done = g_array_new(FALSE, FALSE, sizeof(tracker_advert));
    finished = false;
}

static void tracking_cleanup(void)
{
    tracker_free(state);
    state = NULL;
    record_store_clear();
    if (done != NULL) {
        g_array_free(done, TRUE);
    }
    done = NULL;
}

/* After the first pass: what is still open gets its last verdict. */
static void tracking_complete(void)
{
    if (state == NULL || finished) {
        return;
    }
    finished = true;
    tracker_finish(state);
}

static void *file_if_read(capture_file *file, void *unused _U_)
{
    return file->state == FILE_READ_DONE && !file->redissecting ? file : NULL;
}

/* Wireshark runs the routines for the end of a file when it has read one, but not when it has dissected the open file anew,
 * for another preference or profile. Its window can be asked whether it is through. */
static void complete_if_read(void)
{
    if (!finished && plugin_if_get_capture_file(file_if_read, NULL) != NULL) {
        tracking_complete();
    }
}

void tracking_register(void)
{
    register_init_routine(tracking_init);
    register_cleanup_routine(tracking_cleanup);
    register_postseq_cleanup_routine(tracking_complete);
}

tracker *tracking_tracker(void)
{
    return state;
}

bool tracking_finished(void)
{
    return finished;
}

void tracking_endpoint_set(krpc_endpoint *out, const address *addr, uint16_t port)
{
    memset(out, 0, sizeof *out);
    if ((addr->type == AT_IPv4 && addr->len == 4) || (addr->type == AT_IPv6 && addr->len == 16)) {
        krpc_endpoint_set(out, addr->data, (size_t)addr->len, port);
    }
}

tracking_packet *tracking_packet_new(packet_info *pinfo, tvbuff_t *tvb, uint32_t off, uint32_t wire_len,
                                     uint16_t src_port, uint16_t dst_port)
{
    tracking_packet *packet = wmem_new0(pinfo->pool, tracking_packet);
    uint32_t captured = tvb_captured_length(tvb);

    packet->len = off < captured ? MIN(captured - off, wire_len) : 0;
    packet->wire_len = wire_len;
    packet->data = packet->len != 0 ? tvb_get_ptr(tvb, (int)off, (int)packet->len) : (const uint8_t *)"";
    packet->key = (uint32_t)tvb_raw_offset(tvb) + off;
    packet->packet.frame = pinfo->num;
    if ((pinfo->presence_flags & PINFO_HAS_TS) != 0) {
        packet->packet.time_ns = (int64_t)pinfo->abs_ts.secs * 1000000000 + pinfo->abs_ts.nsecs;
    }
    tracking_endpoint_set(&packet->packet.src, &pinfo->src, src_port);
    tracking_endpoint_set(&packet->packet.dst, &pinfo->dst, dst_port);
    packet->quoted = pinfo->flags.in_error_pkt;
    return packet;
}

const krpc_message *tracking_decode(packet_info *pinfo, tracking_packet *packet)
{
    if (packet->message == NULL) {
        packet->message = wmem_new(pinfo->pool, krpc_message);
        krpc_message_decode(packet->message, packet->data, packet->len, packet->wire_len, NULL);
    }
    return packet->message;
}

/* Is this packet to be given to the tracker now? If not, what was kept about it is in packet->record. */
static bool begin(packet_info *pinfo, tracking_packet *packet)
{
    if (packet->given || state == NULL) {
        return false;
    }
    if (PINFO_FD_VISITED(pinfo)) {
        complete_if_read();
    }
    if (PINFO_FD_VISITED(pinfo) || finished || packet->packet.src.addr_len == 0) {
        packet->given = true;
        packet->record = record_store_get(pinfo, packet->packet.frame, packet->key);
        return false;
    }
    findings_pool = pinfo->pool;
    findings = NULL;
    first_peer = NULL;
    last_peer = &first_peer;
    return true;
}

static tracking_record *keep(packet_info *pinfo, tracking_packet *packet, tracking_kind kind,
                             const tracker_result *result)
{
    tracking_record *record = wmem_new0(pinfo->pool, tracking_record);
    unsigned count = findings != NULL ? wmem_array_get_count(findings) : 0;

    record->kind = (uint8_t)kind;
    record->peers = first_peer;
    record->num_findings = (uint16_t)MIN(count, UINT16_MAX);
    if (count != 0) {
        record->findings = wmem_array_get_raw(findings);
    }
    if (result != NULL) {
        record->method = (uint8_t)result->method;
        record->request_frame = result->request_frame;
        record->repeats = result->repeats;
        record->rtt_ns = result->rtt_ns;
        record->first_advert = result->first_advert;
        record->num_adverts = (uint16_t)MIN(result->num_adverts, UINT16_MAX);
        if (result->request_frame != 0 && !krpc_endpoint_equal(&result->asked, &packet->packet.src)) {
            record->asked_port = result->asked.port;
            record->asked_elsewhere = !krpc_endpoint_same_addr(&result->asked, &packet->packet.src);
        }
        if (result->has_target && result->request_frame != 0) {
            record->target = wmem_memdup(pinfo->pool, result->target, sizeof result->target);
        }
    }
    packet->record = record;
    packet->given = true;
    return record;
}

/* The same for a query and what answers it: its transaction id, and where it went. */
static uint16_t mark_of(const tracking_packet *packet, const krpc_endpoint *asked)
{
    const krpc_value *t = &packet->message->value[KRPC_T];
    uint32_t hash = wmem_strong_hash(asked->addr, asked->addr_len) + asked->port;

    if (krpc_has(packet->message, KRPC_T)) {
        hash += wmem_strong_hash(packet->data + t->off, t->len);
    }
    return (uint16_t)(hash ^ hash >> 16);
}

void tracking_put_message(packet_info *pinfo, tracking_packet *packet, bool forced)
{
    tracker_result result;

    if (packet->quoted || !begin(pinfo, packet)) {
        return;
    }
    krpc_message *message = packet->message != NULL ? packet->message : wmem_new(pinfo->pool, krpc_message);
    if (!tracker_decode(message, packet->data, packet->len, packet->wire_len, &sink)) {
        return;
    }
    packet->message = message;
    if (!tracker_admit(state, &packet->packet, message, packet->data,
                       forced ? TRACKER_ACCEPT_ALL : (tracker_accept)prefs_krpc_accept)) {
        return;
    }
    memset(&result, 0, sizeof result);
    tracker_message(state, &packet->packet, packet->message, packet->data, NULL, &result, &sink);
    keep(pinfo, packet, TRACKING_MESSAGE, &result);
    packet->record->mark = mark_of(packet, &packet->packet.dst);
    record_store_put(packet, packet->record);
    /* packet-dns does the same: the query is told of its response when that comes, and shows it from the second pass on. */
    if (result.request_frame != 0) {
        record_store_link(result.request_frame, mark_of(packet, &result.asked), packet->packet.frame);
    }
}

static void keep_other(packet_info *pinfo, tracking_packet *packet, const tracker_result *result)
{
    packet->given = true;
    if (findings != NULL || first_peer != NULL || result->num_adverts != 0) {
        record_store_put(packet, keep(pinfo, packet, TRACKING_OTHER, result));
    }
}

void tracking_put_datagram(packet_info *pinfo, tracking_packet *packet)
{
    tracker_result result;

    if (packet->quoted || packet->has_inner || !begin(pinfo, packet)) {
        return;
    }
    memset(&result, 0, sizeof result);
    tracker_datagram(state, &packet->packet, packet->data, packet->len, &result, &sink);
    keep_other(pinfo, packet, &result);
}

void tracking_put_segment(packet_info *pinfo, tracking_packet *packet, uint32_t seq, uint32_t ack, unsigned flags)
{
    tracker_result result;

    if (packet->quoted || !prefs_krpc_peerwire || !begin(pinfo, packet)) {
        return;
    }
    memset(&result, 0, sizeof result);
    tracker_segment(state, &packet->packet, seq, ack, flags, packet->data, packet->len, packet->wire_len, &result,
                    &sink);
    keep_other(pinfo, packet, &result);
}

void tracking_put_quote(packet_info *pinfo, tracking_packet *packet, const tracker_packet *icmp, bool port_unreachable)
{
    if (!begin(pinfo, packet)) {
        return;
    }

    uint32_t query = tracker_unreachable(state, icmp, &packet->packet.src, &packet->packet.dst, packet->data,
                                         packet->len, port_unreachable, &sink);
    bool shown = query != 0 || findings != NULL;

    if (!shown && packet->len != 0 && packet->data[0] == 'd') {
        shown = krpc_message_probe(tracking_decode(pinfo, packet), packet->data) == KRPC_PROBE_YES;
    }
    packet->given = true;
    if (shown) {
        keep(pinfo, packet, TRACKING_QUOTE, NULL)->request_frame = query;
        record_store_put(packet, packet->record);
    }
}

bool tracking_advert_get(uint64_t serial, tracker_advert *out)
{
    if (state != NULL && tracker_advert_get(state, serial, out)) {
        return true;
    }
    if (done == NULL || serial >= done->len) {
        return false;
    }
    *out = g_array_index(done, tracker_advert, (guint)serial);
    return true;
}
