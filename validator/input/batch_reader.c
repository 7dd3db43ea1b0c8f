/* batch_reader.c: see batch_reader.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/batch_reader.h"

#include <glib.h>
#include <krpc/socks5.h>

#include "frame/frame_fragment.h"
#include "input/capture_filter.h"
#include "input/capture_list.h"
#include "input/snapshot.h"

#define METRICS_NS         (INT64_C(60) * 1000000000) /* between two writings of --metrics without --every */
#define LIVE_US            100                        /* packets this far apart leave time to poll after each one */
#define POLL_MS            200                        /* how soon a signal is noticed while no packet arrives */
#define STALL_MS           20                         /* a faster capture that stops is judged as far as it came */
#define MAX_FRAGMENTED     256
#define MAX_FRAGMENT_BYTES (4u << 20)

/* period is a time of --every or --rotate. */
typedef struct period {
    int64_t ns;    /* 0: not asked for */
    int64_t begin; /* of the one that goes on; INT64_MIN: there was no packet with a time */
} period;

struct batch_reader {
    capture_list *captures;
    capture_filter *filter;
    frame_fragments *fragments;
    krpc_socks5 relays;
    unsigned num_files;
    bool merged;
    bool keep_frames;
    bool wants_progress;
    bool between_files; /* the next batch begins a file */
    bool live;          /* packets arrive slowly: a batch does not wait until it is full */
    bool has_held;      /* held is the next packet: it begins another period */
    unsigned held_file;
    capture_packet held;
    period every;
    period rotate;
    gint stop;
};

batch_reader *batch_reader_new(const options *with, bool keep_frames, bool wants_progress)
{
    batch_reader *r = g_new0(batch_reader, 1);

    r->num_files = with->num_args;
    r->merged = with->merge && with->num_args > 1;
    r->keep_frames = keep_frames;
    r->wants_progress = wants_progress;
    r->between_files = true;
    r->live = true;
    r->every.ns = with->every_ns;
    if (with->every_ns == 0 && with->metrics != NULL) {
        r->every.ns = METRICS_NS;
    }
    r->rotate.ns = with->rotate_ns;
    r->every.begin = r->rotate.begin = INT64_MIN;
    r->captures = capture_list_new(with->args, with->num_args, r->merged, with->is_repeat);
    for (unsigned i = 0; i < with->num_args; i++) {
        int64_t shift_ns;
        if (options_shift(with, with->args[i], &shift_ns)) {
            capture_list_shift(r->captures, i, shift_ns);
        }
    }
    if (with->filter != NULL) {
        r->filter = capture_filter_new(with->filter, NULL);
    }
    return r;
}

void batch_reader_free(batch_reader *r)
{
    if (r == NULL) {
        return;
    }
    capture_filter_free(r->filter);
    frame_fragments_free(r->fragments);
    capture_list_free(r->captures);
    g_free(r);
}

void batch_reader_stop(batch_reader *r)
{
    g_atomic_int_set(&r->stop, 1);
}

bool batch_reader_is_stopped(const batch_reader *r)
{
    return g_atomic_int_get(&r->stop) != 0;
}

const char *batch_reader_file_name(const batch_reader *r, unsigned file)
{
    return capture_list_name(r->captures, file);
}

unsigned batch_reader_num_failed(const batch_reader *r)
{
    return capture_list_num_failed(r->captures);
}

static void count_status(run_counts *counts, frame_status status, const frame_datagram *datagram)
{
    frame_protocol protocol = datagram->protocol;

    switch (status) {
    case FRAME_DATAGRAM:
        counts->udp += protocol == FRAME_UDP;
        counts->tcp += protocol == FRAME_TCP;
        counts->icmp += protocol == FRAME_ICMP;
        break;
    case FRAME_FRAGMENT:
        counts->fragments++;
        break;
    case FRAME_OTHER:
        counts->other++;
        break;
    case FRAME_UNSUPPORTED:
        counts->unread[datagram->unread]++;
        break;
    case FRAME_CUT:
        counts->cut++;
        break;
    case FRAME_MALFORMED:
        counts->malformed++;
        break;
    }
}

static void fill_item(const batch_reader *r, batch_item *item, const capture_packet *packet,
                      const frame_datagram *datagram, unsigned file)
{
    run_packet *out = &item->packet;

    /* Several files in one tracker: the number holds frame and file, and run_frame separates them without a table. */
    out->where.frame = r->merged ? packet->frame * r->num_files + file : packet->frame;
    out->where.time_ns = packet->time_ns;
    out->where.src = datagram->src;
    out->where.dst = datagram->dst;
    out->wire_len = datagram->payload_wire_len;
    out->raw_wire_len = packet->wirelen;
    out->tcp_seq = datagram->tcp_seq;
    out->tcp_ack = datagram->tcp_ack;
    out->tcp_flags = datagram->tcp_flags;
    out->protocol = (uint8_t)datagram->protocol;
    out->link = (uint8_t)packet->link;
    out->has_time = packet->has_time;
    item->has_quote = false;
    if (datagram->protocol == FRAME_ICMP && datagram->has_quote) {
        item->has_quote = true;
        item->quote_src = datagram->quote.src;
        item->quote_dst = datagram->quote.dst;
        item->is_port_unreachable = frame_is_port_unreachable(datagram);
    }
}

/* Finds the payload that the tracker reads. False: the tracker does not use this datagram. */
static bool interesting(const frame_datagram *datagram, uint32_t *off, uint32_t *len)
{
    *off = datagram->payload_off;
    *len = datagram->payload_len;
    switch (datagram->protocol) {
    case FRAME_UDP:
        return true;
    case FRAME_TCP:
        return datagram->payload_wire_len > 0 ||
               (datagram->tcp_flags & (FRAME_TCP_SYN | FRAME_TCP_FIN | FRAME_TCP_RST)) != 0;
    case FRAME_ICMP:
        *off = datagram->quote.payload_off;
        *len = datagram->quote.payload_len;
        return datagram->has_quote && datagram->quote.protocol == FRAME_UDP;
    default:
        return false;
    }
}

/* A datagram that a SOCKS5 proxy relays counts as one between its client and the third party. */
static frame_status open_relayed(batch_reader *r, frame_datagram *datagram)
{
    const uint8_t *payload = datagram->data + datagram->payload_off;
    uint32_t header_len = 0;

    if (datagram->protocol == FRAME_TCP) {
        krpc_socks5_segment(&r->relays, &datagram->src, &datagram->dst, payload, datagram->payload_len);
    } else if (datagram->protocol == FRAME_UDP) {
        switch (krpc_socks5_datagram(&r->relays, &datagram->src, &datagram->dst, &header_len, payload,
                                     datagram->payload_len, datagram->payload_wire_len)) {
        case KRPC_SOCKS5_OPENED:
            datagram->payload_off += header_len;
            datagram->payload_len -= header_len;
            datagram->payload_wire_len -= header_len;
            break;
        case KRPC_SOCKS5_UNREAD:
            datagram->unread = FRAME_UNREAD_SOCKS5;
            return FRAME_UNSUPPORTED;
        case KRPC_SOCKS5_NONE:
            break;
        }
    }
    return FRAME_DATAGRAM;
}

static void read_packet(batch_reader *r, batch *b, const capture_packet *packet, unsigned file)
{
    frame_datagram datagram;
    run_counts *counts = &b->counts;
    uint32_t off, len;

    counts->packets++;
    if (packet->has_time) {
        if (counts->first_ns == 0) {
            counts->first_ns = packet->time_ns;
        }
        counts->last_ns = packet->time_ns;
    }
    if (r->filter != NULL && !capture_filter_match(r->filter, packet)) {
        counts->filtered++;
        return;
    }
    frame_status status = frame_fragments_parse(r->fragments, &datagram, packet->link, packet->data, packet->caplen,
                                                packet->wirelen, packet->time_ns);
    if (status == FRAME_DATAGRAM) {
        status = open_relayed(r, &datagram);
    }
    count_status(counts, status, &datagram);
    if (status != FRAME_DATAGRAM || !interesting(&datagram, &off, &len)) {
        return;
    }
    bool is_whole = datagram.data == packet->data; /* else put together from fragments */
    batch_item *item = batch_add(b, datagram.data + off, len, packet->data, r->keep_frames ? packet->caplen : 0,
                                 is_whole ? packet->block : NULL);
    fill_item(r, item, packet, &datagram, file);
    item->packet.byte_offset = is_whole && packet->data_offset >= 0 ? packet->data_offset + off : -1;
}

/* A packet that a period ends before. Periods begin at multiples of their length; time that goes back begins none. */
static bool ends_period(period *p, int64_t time_ns)
{
    if (p->ns == 0 || (p->begin != INT64_MIN && time_ns < p->begin + p->ns) || time_ns > INT64_MAX - p->ns ||
        time_ns < INT64_MIN + p->ns) {
        return false;
    }
    int64_t rest = time_ns % p->ns;
    bool is_first = p->begin == INT64_MIN;
    p->begin = time_ns - rest - (rest < 0 ? p->ns : 0);
    return !is_first;
}

/* The next packet, or false where the batch ends before it. */
static bool next_packet(batch_reader *r, batch *b, capture_packet *packet, unsigned *file)
{
    if (r->has_held) {
        *packet = r->held;
        *file = r->held_file;
        r->has_held = false;
        return true;
    }
    /* While no packet arrives, a signal may ask for a snapshot, or to end. */
    while (b->counts.packets == 0 && capture_list_would_wait(r->captures, POLL_MS)) {
        if (run_interrupted() || g_atomic_int_get(&r->stop)) {
            break;
        }
        if (snapshot_is_wanted()) {
            b->is_live = true;
            return false;
        }
    }
    if (run_interrupted() || g_atomic_int_get(&r->stop) || !capture_list_next(r->captures, packet, file)) {
        b->ends_file = true;
        r->between_files = true;
        return false;
    }
    if (packet->has_time) {
        int64_t file_ns = r->rotate.begin;
        b->is_due = ends_period(&r->every, packet->time_ns);
        b->is_due_file = ends_period(&r->rotate, packet->time_ns);
        if (file_ns == INT64_MIN) {
            b->file_ns = r->rotate.begin;
        }
    }
    r->has_held = b->is_due || b->is_due_file;
    r->held = *packet;
    r->held_file = *file;
    return !r->has_held;
}

bool batch_reader_fill(batch_reader *r, batch *b)
{
    capture_packet packet;
    unsigned file;

    batch_reset(b);
    if (r->between_files) {
        if (!capture_list_advance(r->captures)) {
            return false;
        }
        r->between_files = false;
        frame_fragments_free(r->fragments);
        r->fragments = frame_fragments_new(MAX_FRAGMENTED, MAX_FRAGMENT_BYTES);
        krpc_socks5_init(&r->relays);
    }
    b->file = capture_list_current(r->captures);
    b->file_ns = r->rotate.begin;
    int64_t began_us = g_get_monotonic_time();
    /* Stops after a while even if no packet is kept. */
    while (!batch_is_full(b) && b->counts.packets < 4 * b->cap && !b->is_live) {
        if (!next_packet(r, b, &packet, &file)) {
            break;
        }
        read_packet(r, b, &packet, file);
        b->is_live = capture_list_would_wait(r->captures, r->live ? 0 : STALL_MS);
    }
    r->live = b->is_live || g_get_monotonic_time() - began_us > (int64_t)b->counts.packets * LIVE_US;
    if (r->wants_progress) {
        b->progress = capture_list_progress(r->captures);
    }
    if (b->ends_file) {
        frame_fragments_finish(r->fragments);
        const frame_fragment_stats *stats = frame_fragments_stats(r->fragments);
        b->counts.fragments_lost = stats->overlapping + stats->expired + stats->evicted + stats->cut + stats->malformed;
    }
    return true;
}
