/* tracking.c: hands each packet to the tracker once, and stores the result for as long as the file is open.
 *
 * The tracker receives each packet when Wireshark dissects it for the first time, in the order of the file. The result
 * is stored with the frame, as a tracking_record, which later passes use. Verdicts and NAT behaviours may change until
 * the end of the file: they are read from the tracker whenever they are shown.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <cfile.h>
#include <epan/plugin_if.h>

/* Keys of proto_krpc's data of a frame: in the file's scope the first record, in the packet's scope the first
 * packet. */
enum { KEY_RECORDS, KEY_PACKETS };

static tracker *state;
static bool finished;

/* Advertisements that the tracker has dropped, indexed by serial number. */
static GArray *done;

/* The frame of the first response to a query; link_key makes the keys. */
static wmem_map_t *responses;

/* What the tracker reports during the current call. */
static wmem_allocator_t *findings_pool;
static wmem_array_t *findings;
static tracking_peerwire *first_peer;
static tracking_peerwire **last_peer;

static void on_finding(void *ctx _U_, const krpc_finding *finding)
{
    tracking_finding kept = tracking_finding_of(finding);

    if (findings == NULL) {
        findings = wmem_array_new(findings_pool, sizeof kept);
    }
    wmem_array_append_one(findings, kept);
}

static const krpc_sink sink = {on_finding, NULL};

/* Keeps advertisements that newer ones replace. After tracker_finish, the rest can still be read from the tracker. */
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

static unsigned link_hash(const void *key)
{
    uint64_t bits = (uintptr_t)key;

    return (unsigned)(bits ^ bits >> 32);
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
    responses = wmem_map_new(wmem_file_scope(), link_hash, g_direct_equal);
    done = g_array_new(FALSE, FALSE, sizeof(tracker_advert));
    finished = false;
}

static void tracking_cleanup(void)
{
    tracker_free(state);
    state = NULL;
    responses = NULL; /* freed with wmem_file_scope */
    if (done != NULL) {
        g_array_free(done, TRUE);
    }
    done = NULL;
    conclusions_clear();
}

/* Ends the first pass: advertisements that are still open get their last verdict. */
static void tracking_complete(void)
{
    if (state == NULL || finished) {
        return;
    }
    finished = true;
    tracker_finish(state);
    conclusions_clear();
}

static void *file_if_read(capture_file *file, void *unused _U_)
{
    return file->state == FILE_READ_DONE && !file->redissecting ? file : NULL;
}

/* Wireshark calls the postseq cleanup routines when it has read a file, but not when it has dissected the open file
 * again after a change of preferences or profile. In its window, the state of the capture file shows that it has. */
void tracking_complete_if_read(void)
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

/* The first data source is the frame. A tvbuff of another one has other offsets. */
static bool is_in_frame(packet_info *pinfo, tvbuff_t *tvb)
{
    return pinfo->data_src != NULL && get_data_source_tvb(pinfo->data_src->data) == tvb_get_ds_tvb(tvb);
}

tracking_packet *tracking_packet_first(packet_info *pinfo)
{
    return p_get_proto_data(pinfo->pool, pinfo, proto_krpc, KEY_PACKETS);
}

tracking_packet *tracking_packet_find(packet_info *pinfo, tvbuff_t *tvb, uint32_t off)
{
    tracking_packet *packet = tracking_packet_first(pinfo);
    bool in_frame = is_in_frame(pinfo, tvb);

    off += (uint32_t)tvb_raw_offset(tvb);
    while (packet != NULL && (packet->off != off || packet->is_in_frame != in_frame)) {
        packet = packet->next;
    }
    return packet;
}

static void packet_append(packet_info *pinfo, tracking_packet *packet)
{
    tracking_packet *last = tracking_packet_first(pinfo);

    if (last == NULL) {
        p_add_proto_data(pinfo->pool, pinfo, proto_krpc, KEY_PACKETS, packet);
        return;
    }
    while (last->next != NULL) {
        last = last->next;
    }
    last->next = packet;
}

tracking_packet *tracking_packet_new(packet_info *pinfo, tvbuff_t *tvb, uint32_t off, uint32_t wire_len)
{
    tracking_packet *packet = wmem_new0(pinfo->pool, tracking_packet);
    uint32_t captured = tvb_captured_length(tvb);

    packet->len = off < captured ? MIN(captured - off, wire_len) : 0;
    packet->wire_len = wire_len;
    packet->data = packet->len != 0 ? tvb_get_ptr(tvb, (int)off, (int)packet->len) : (const uint8_t *)"";
    packet->off = (uint32_t)tvb_raw_offset(tvb) + off;
    packet->is_in_frame = is_in_frame(pinfo, tvb);
    packet->packet.frame = pinfo->num;
    packet->is_visited = PINFO_FD_VISITED(pinfo);
    if ((pinfo->presence_flags & PINFO_HAS_TS) != 0) {
        packet->packet.time_ns = (int64_t)pinfo->abs_ts.secs * 1000000000 + pinfo->abs_ts.nsecs;
    }
    packet_append(pinfo, packet);
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

/* Records. */

const tracking_record *tracking_records(packet_info *pinfo)
{
    return p_get_proto_data(wmem_file_scope(), pinfo, proto_krpc, KEY_RECORDS);
}

static const tracking_record *record_find(packet_info *pinfo, const tracking_packet *packet)
{
    const tracking_record *record = tracking_records(pinfo);

    while (record != NULL && (record->off != packet->off || record->is_in_frame != packet->is_in_frame)) {
        record = record->next;
    }
    return record;
}

static void record_append(packet_info *pinfo, tracking_record *record)
{
    tracking_record *last = p_get_proto_data(wmem_file_scope(), pinfo, proto_krpc, KEY_RECORDS);

    if (last == NULL) {
        p_add_proto_data(wmem_file_scope(), pinfo, proto_krpc, KEY_RECORDS, record);
        return;
    }
    while (last->next != NULL) {
        last = last->next;
    }
    last->next = record;
}

static tracking_rare *rare_new(const tracking_packet *packet, bool found)
{
    tracking_rare *rare = NULL;

    if (first_peer != NULL || found) {
        rare = wmem_new(wmem_file_scope(), tracking_rare);
        *rare = (tracking_rare){first_peer, found, packet->wire_len, packet->packet};
    }
    return rare;
}

static tracking_record *record_new(packet_info *pinfo, tracking_packet *packet, tracking_kind kind,
                                   const tracker_result *result, bool found)
{
    unsigned num_findings = findings != NULL ? MIN(wmem_array_get_count(findings), UINT16_MAX) : 0;
    size_t findings_len = num_findings * sizeof(tracking_finding);
    bool has_target = result != NULL && result->has_target && result->request_frame != 0;
    tracking_record *record =
        wmem_alloc(wmem_file_scope(), sizeof *record + findings_len + (has_target ? sizeof result->target : 0));

    memset(record, 0, sizeof *record);
    record->off = packet->off;
    record->len = packet->len;
    record->is_in_frame = packet->is_in_frame;
    record->kind = kind;
    record->rare = rare_new(packet, found);
    record->num_findings = (uint16_t)num_findings;
    if (num_findings != 0) {
        memcpy(record->findings, wmem_array_get_raw(findings), findings_len);
    }
    if (has_target) {
        record->has_target = true;
        memcpy((uint8_t *)record->findings + findings_len, result->target, sizeof result->target);
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
    }
    record_append(pinfo, record);
    packet->record = record;
    return record;
}

/* A message that has nothing to store is described by itself. */
static void record_derive(packet_info *pinfo, tracking_packet *packet)
{
    tracking_record *record = wmem_new0(pinfo->pool, tracking_record);

    record->kind = TRACKING_MESSAGE;
    record->method = packet->message->type == KRPC_QUERY ? packet->message->method : KRPC_METHOD_NONE;
    packet->record = record;
}

/* Links. */

/* The frame of a query, and a hash of its transaction id and destination, which distinguishes the queries of one frame.
 * It can be computed from the query and from its response. */
static void *link_key(const tracking_packet *packet, uint32_t query_frame, const krpc_endpoint *asked)
{
    const unsigned hash_bits = sizeof(void *) > 4 ? 32 : 8;
    const krpc_value *t = &packet->message->value[KRPC_T];
    uint32_t hash = asked->port;

    for (unsigned i = 0; i < asked->addr_len; i++) {
        hash = hash * 31 + asked->addr[i];
    }
    for (uint32_t i = 0; krpc_has(packet->message, KRPC_T) && i < t->len; i++) {
        hash = hash * 31 + packet->data[t->off + i];
    }
    return (void *)(uintptr_t)((uint64_t)query_frame << hash_bits | hash >> (32 - hash_bits));
}

/* As in packet-dns.c: the link to the response is known when the response is dissected, and shown from the second pass
 * on. The first response is kept. */
static void link_put(const tracking_packet *response, const tracker_result *result)
{
    void *key = link_key(response, result->request_frame, &result->asked);
    void *earlier = wmem_map_insert(responses, key, GUINT_TO_POINTER(response->packet.frame));

    if (earlier != NULL) {
        wmem_map_insert(responses, key, earlier);
    }
}

uint32_t tracking_response_frame(const tracking_packet *query)
{
    return responses != NULL
               ? GPOINTER_TO_UINT(wmem_map_lookup(responses, link_key(query, query->packet.frame, &query->packet.dst)))
               : 0;
}

/* Packets. */

/* True when the packet is to be handed to the tracker now. Otherwise packet->record is what is stored about it. */
static bool put_begin(packet_info *pinfo, tracking_packet *packet)
{
    if (packet->is_tracked) {
        return false;
    }
    packet->is_tracked = true;
    if (PINFO_FD_VISITED(pinfo)) {
        tracking_complete_if_read();
    }
    if (state == NULL || PINFO_FD_VISITED(pinfo) || finished || packet->packet.src.addr_len == 0) {
        packet->record = record_find(pinfo, packet);
        return false;
    }
    findings_pool = pinfo->pool;
    findings = NULL;
    first_peer = NULL;
    last_peer = &first_peer;
    return true;
}

/* Without a record, a payload is a message if that is certain, or if the user says so. */
static bool message_is_known(packet_info *pinfo, tracking_packet *packet, bool forced)
{
    if (packet->record != NULL) {
        tracking_decode(pinfo, packet);
        return packet->record->kind == TRACKING_MESSAGE;
    }
    if (!forced && krpc_message_probe(tracking_decode(pinfo, packet), packet->data) != KRPC_PROBE_YES) {
        return false;
    }
    tracking_decode(pinfo, packet);
    record_derive(pinfo, packet);
    return true;
}

bool tracking_put_message(packet_info *pinfo, tracking_packet *packet, bool forced, bool found)
{
    tracker_result result;
    krpc_message *message;

    if (packet->len == 0 || packet->data[0] != 'd' || packet->is_refused) {
        return false;
    }
    if (!put_begin(pinfo, packet)) {
        packet->is_refused = !message_is_known(pinfo, packet, forced);
        return !packet->is_refused;
    }
    message = wmem_new(pinfo->pool, krpc_message);
    if (!tracker_decode(message, packet->data, packet->len, packet->wire_len, &sink) ||
        !tracker_admit(state, &packet->packet, message, packet->data,
                       forced ? TRACKER_ACCEPT_ALL : (tracker_accept)prefs_krpc_accept)) {
        packet->is_tracked = false; /* it is another datagram */
        packet->is_refused = true;
        return false;
    }
    packet->message = message;
    memset(&result, 0, sizeof result);
    tracker_message(state, &packet->packet, message, packet->data, NULL, &result, &sink);
    if (result.request_frame != 0) {
        link_put(packet, &result);
    }
    if (!found && findings == NULL && result.num_adverts == 0 && result.request_frame == 0 && result.repeats == 0 &&
        krpc_message_probe(message, packet->data) == KRPC_PROBE_YES) {
        record_derive(pinfo, packet);
        return true;
    }
    record_new(pinfo, packet, TRACKING_MESSAGE, &result, found);
    return true;
}

static void put_other(packet_info *pinfo, tracking_packet *packet, const tracker_result *result)
{
    if (findings != NULL || first_peer != NULL || result->num_adverts != 0) {
        record_new(pinfo, packet, TRACKING_OTHER, result, false);
    }
}

void tracking_put_datagram(packet_info *pinfo, tracking_packet *packet)
{
    tracker_result result;

    if (!put_begin(pinfo, packet)) {
        return;
    }
    memset(&result, 0, sizeof result);
    tracker_datagram(state, &packet->packet, packet->data, packet->len, &result, &sink);
    put_other(pinfo, packet, &result);
}

void tracking_put_segment(packet_info *pinfo, tracking_packet *packet, uint32_t seq, uint32_t ack, unsigned flags)
{
    tracker_result result;

    if (!put_begin(pinfo, packet)) {
        return;
    }
    memset(&result, 0, sizeof result);
    tracker_segment(state, &packet->packet, seq, ack, flags, packet->data, packet->len, packet->wire_len, &result,
                    &sink);
    put_other(pinfo, packet, &result);
}

bool tracking_quote_is_message(packet_info *pinfo, tracking_packet *packet)
{
    const krpc_message *message;

    if (packet->len == 0 || packet->data[0] != 'd') {
        return false;
    }
    message = tracking_decode(pinfo, packet);
    packet->record = record_find(pinfo, packet);
    if (packet->record != NULL || krpc_message_probe(message, packet->data) == KRPC_PROBE_YES) {
        return true;
    }
    return state != NULL && !PINFO_FD_VISITED(pinfo) &&
           tracker_admit(state, &packet->packet, message, packet->data, TRACKER_ACCEPT_KNOWN);
}

void tracking_put_quote(packet_info *pinfo, tracking_packet *packet, const tracker_packet *icmp, bool port_unreachable)
{
    if (!put_begin(pinfo, packet)) {
        return;
    }

    uint32_t query = tracker_unreachable(state, icmp, &packet->packet.src, &packet->packet.dst, packet->data,
                                         packet->len, port_unreachable, &sink);

    if (query != 0 || findings != NULL || packet->is_shown) {
        record_new(pinfo, packet, TRACKING_QUOTE, NULL, false)->request_frame = query;
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
