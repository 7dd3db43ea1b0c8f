/* run.c: see run.h.
 *
 * The fill stage reads, parses frames and decodes; the judge stage runs the tracker and the visitor. pipeline.c
 * alternates them, or runs them in two threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/run.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "input/anonymize.h"
#include "input/pipeline.h"
#include "input/run_private.h"
#include "input/snapshot.h"
#include "output/progress.h"

#define FETCH        64 /* records are prefetched this many packets ahead, in two steps FETCH_AFTER packets apart */
#define FETCH_AFTER  6
#define MAX_FINDINGS 64 /* room for the findings of one packet; it grows */

static atomic_int interrupted; /* other threads read what a signal sets */

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

bool run_interrupted(void)
{
    return interrupted != 0;
}

/* The first interrupt ends the run; the second one ends the program at once. */
static void watch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

const run_counts *run_get_counts(const run *from)
{
    return &from->counts;
}

tracker *run_get_tracker(const run *from)
{
    return from->tracker;
}

unsigned run_num_files(const run *from)
{
    return from != NULL ? from->num_files : 1;
}

const char *run_file_name(const run *from, unsigned file)
{
    return batch_reader_file_name(from->reader, file);
}

uint32_t run_frame(const run *from, uint32_t frame, unsigned *file_out)
{
    bool merged = from != NULL && from->merged;
    unsigned file = merged ? frame % from->num_files : from != NULL ? from->file : 0;

    if (file_out != NULL) {
        *file_out = file;
    }
    return merged ? frame / from->num_files : frame;
}

void run_put_frame(strbuf *out, const run *from, uint32_t frame)
{
    unsigned file;
    uint32_t own = run_frame(from, frame, &file);

    if (from != NULL && from->merged) {
        /* compare names its two files by their sides. */
        const char *name = run_file_name(from, file);
        const char *slash = strrchr(name, '/');
        if (from->options->inside != NULL) {
            name = file == 0 ? "inside" : "outside";
        } else if (slash != NULL) {
            name = slash + 1;
        }
        strbuf_printable(out, name, strlen(name));
        strbuf_char(out, ':');
    }
    strbuf_uint(out, own);
}

static size_t frame_text(void *ctx, char *out, size_t cap, int64_t frame)
{
    strbuf name = {0};

    run_put_frame(&name, ctx, (uint32_t)frame);
    strbuf_char(&name, '\0');
    size_t len = MIN(g_strlcpy(out, name.data, cap), cap - 1);
    strbuf_free(&name);
    return len;
}

size_t run_finding_text(const run *from, char *out, size_t cap, const krpc_finding *finding, const uint8_t *data,
                        uint32_t len)
{
    bool merged = from != NULL && from->merged;

    return krpc_finding_text_with(out, cap, finding, data, len, merged ? frame_text : NULL, (void *)(uintptr_t)from);
}

bool run_node_get(const run *from, uint32_t index, tracker_node *out)
{
    if (!tracker_node_get(from->tracker, index, out)) {
        return false;
    }
    if (from->anonymizer != NULL) {
        anonymize_node(from->anonymizer, out);
    }
    return true;
}

/* ---- the judge stage ---- */

static void keep_finding(void *ctx, const krpc_finding *finding)
{
    run *r = ctx;

    if (r->num_findings == r->cap_findings) {
        r->cap_findings = r->cap_findings == 0 ? MAX_FINDINGS : r->cap_findings * 2;
        r->findings = g_renew(krpc_finding, r->findings, r->cap_findings);
    }
    r->findings[r->num_findings++] = *finding;
}

static void ignore_finding(void *ctx, const krpc_finding *finding)
{
    (void)ctx;
    (void)finding;
}

/* Findings that are not shown need not be looked for. */
static bool wants_findings(const run *r)
{
    return r->visitor->findings != NULL || r->visitor->conclusion != NULL || r->options->metrics != NULL;
}

static void give_advert(void *ctx, const tracker_advert *advert)
{
    run *r = ctx;

    if (r->anonymizer == NULL) {
        r->visitor->advert(r->visitor->ctx, advert);
    } else {
        tracker_advert anonymous = *advert;
        anonymize_advert(r->anonymizer, &anonymous);
        r->visitor->advert(r->visitor->ctx, &anonymous);
    }
}

static tracker *make_tracker(run *r)
{
    const options *with = r->options;
    tracker_options bounds = {
        .max_nodes = with->max_nodes, .ctx = r, .peer_ports = with->tcp_ports, .num_peer_ports = with->num_tcp_ports};

    if (!wants_findings(r)) {
        bounds.max_items = 1; /* to verify a signature takes as long as dozens of packets */
    }
    if (r->visitor->advert != NULL) {
        bounds.advert_done = give_advert; /* verdicts are worked out only for this visitor */
    }
    return tracker_new(&bounds);
}

static void begin_tracker(run *r, const batch *b)
{
    r->counts = (run_counts){0};
    r->tracker = b->tracker;
    if (r->visitor->begin != NULL) {
        r->visitor->begin(r->visitor->ctx, r, r->merged ? NULL : batch_reader_file_name(r->reader, b->file));
    }
}

static void give_conclusion(void *ctx, const tracker_conclusion *conclusion)
{
    run *r = ctx;
    run_packet packet = {.where = conclusion->packet,
                         .data = (const uint8_t *)"",
                         .byte_offset = -1,
                         .protocol = conclusion->over_tcp ? FRAME_TCP : FRAME_UDP,
                         .has_time = conclusion->packet.time_ns != 0};

    if (r->anonymizer != NULL) {
        anonymize_packet(r->anonymizer, &packet.where);
    }
    r->metrics.findings[conclusion->finding.rule]++;
    if (r->visitor->conclusion != NULL) {
        r->conclusion = conclusion;
        r->visitor->conclusion(r->visitor->ctx, &packet, &conclusion->finding);
        r->conclusion = NULL;
    }
}

unsigned run_client(const run *from, uint8_t out[4])
{
    tracker_node sender;

    if (from->conclusion == NULL || !tracker_node_find(from->tracker, &from->conclusion->packet.src, &sender)) {
        return 0;
    }
    memcpy(out, sender.version, sizeof sender.version);
    return sender.version_len;
}

void run_end_tracker(run *r)
{
    if (r->has_snapshots) {
        run_snapshot_heading(r);
    }
    tracker_finish(r->tracker);
    if (r->options->metrics != NULL) {
        metrics_add(&r->metrics, r->tracker, &r->counts);
    }
    if (r->visitor->conclusion != NULL || r->options->metrics != NULL) {
        tracker_conclude(r->tracker, give_conclusion, r);
    }
    if (r->visitor->end != NULL) {
        r->visitor->end(r->visitor->ctx, r);
    }
    tracker_free(r->tracker);
    r->tracker = NULL;
}

uint64_t run_counts_unread(const run_counts *counts)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < FRAME_NUM_UNREAD; i++) {
        sum += counts->unread[i];
    }
    return sum;
}

void run_counts_add(run_counts *sum, const run_counts *more)
{
    sum->packets += more->packets;
    sum->filtered += more->filtered;
    sum->udp += more->udp;
    sum->tcp += more->tcp;
    sum->icmp += more->icmp;
    sum->other += more->other;
    for (unsigned i = 0; i < FRAME_NUM_UNREAD; i++) {
        sum->unread[i] += more->unread[i];
    }
    sum->cut += more->cut;
    sum->malformed += more->malformed;
    sum->fragments += more->fragments;
    sum->fragments_lost += more->fragments_lost;
    sum->krpc += more->krpc;
    if (sum->first_ns == 0) {
        sum->first_ns = more->first_ns;
    }
    if (more->last_ns != 0) {
        sum->last_ns = more->last_ns;
    }
}

static bool has_port(const uint16_t *ports, unsigned num_ports, const tracker_packet *where)
{
    for (unsigned i = 0; i < num_ports; i++) {
        if (where->src.port == ports[i] || where->dst.port == ports[i]) {
            return true;
        }
    }
    return false;
}

static bool admit(const run *r, const run_packet *packet, const krpc_message *message)
{
    bool forced = has_port(r->options->udp_ports, r->options->num_udp_ports, &packet->where);

    return tracker_admit(r->tracker, &packet->where, message, packet->data,
                         forced ? TRACKER_ACCEPT_ALL : TRACKER_ACCEPT_KNOWN);
}

/* The packet for a visitor under --anonymize: other addresses and payload, everything else unchanged. */
static void visit_anonymous(run *r, const run_packet *packet, const krpc_message *message, const tracker_result *result)
{
    const run_visitor *visitor = r->visitor;
    run_packet own = *packet;
    tracker_result own_result;
    krpc_message *own_message = NULL;

    anonymize_packet(r->anonymizer, &own.where);
    r->anonymous_bytes.len = 0;
    strbuf_put(&r->anonymous_bytes, (const char *)packet->data, packet->len);
    uint8_t *bytes = (uint8_t *)r->anonymous_bytes.data;
    own.data = bytes;
    if (message != NULL) {
        anonymize_message(r->anonymizer, message, bytes, packet->len);
        own_message = &r->anonymous_message;
        krpc_message_decode(own_message, bytes, packet->len, packet->wire_len, NULL);
    } else {
        anonymize_other(r->anonymizer, bytes, packet->len);
    }
    if (visitor->message != NULL && message != NULL) {
        own_result = *result;
        anonymize_result(r->anonymizer, &own_result);
        visitor->message(visitor->ctx, &own, own_message, &own_result);
    }
    if (visitor->findings != NULL && r->num_findings > 0) {
        visitor->findings(visitor->ctx, &own, own_message, r->findings, r->num_findings);
    }
    if (visitor->packet != NULL) {
        visitor->packet(visitor->ctx, &own);
    }
}

static void visit(run *r, const run_packet *packet, const krpc_message *message, const tracker_result *result)
{
    const run_visitor *visitor = r->visitor;

    if (r->anonymizer != NULL) {
        visit_anonymous(r, packet, message, result);
        return;
    }
    if (visitor->message != NULL && message != NULL) {
        visitor->message(visitor->ctx, packet, message, result);
    }
    if (visitor->findings != NULL && r->num_findings > 0) {
        visitor->findings(visitor->ctx, packet, message, r->findings, r->num_findings);
    }
    if (visitor->packet != NULL) {
        visitor->packet(visitor->ctx, packet);
    }
}

static void judge_udp(run *r, batch *b, uint32_t index, const krpc_sink *sink)
{
    const batch_item *item = &b->items[index];
    const run_packet *packet = &item->packet;
    const krpc_message *message = &b->messages[index];
    tracker_result result;

    if (!item->maybe_krpc || !admit(r, packet, message)) {
        tracker_datagram(r->tracker, &packet->where, packet->data, packet->len, NULL, sink);
        visit(r, packet, NULL, NULL);
        return;
    }
    r->counts.krpc++;
    for (uint32_t i = 0; i < item->num_findings; i++) {
        keep_finding(r, &b->findings[item->first_finding + i]);
    }
    tracker_message(r->tracker, &packet->where, message, packet->data, &item->keys, &result, sink);
    visit(r, packet, message, &result);
}

static void count_findings(run *r)
{
    for (size_t i = 0; i < r->num_findings; i++) {
        r->metrics.findings[r->findings[i].rule]++;
    }
}

static void judge_item(run *r, batch *b, uint32_t index)
{
    const krpc_sink sink = {wants_findings(r) ? keep_finding : ignore_finding, r};
    const batch_item *item = &b->items[index];
    const run_packet *packet = &item->packet;

    r->num_findings = 0;
    if (r->clocks != NULL) {
        clock_shift_add(r->clocks, packet, packet->where.frame % r->num_files);
    }
    switch ((frame_protocol)packet->protocol) {
    case FRAME_UDP:
        judge_udp(r, b, index, &sink);
        break;
    case FRAME_TCP:
        tracker_segment(r->tracker, &packet->where, packet->tcp_seq, packet->tcp_ack, packet->tcp_flags, packet->data,
                        packet->len, packet->wire_len, NULL, &sink);
        visit(r, packet, NULL, NULL);
        break;
    case FRAME_ICMP:
        if (item->has_quote) {
            tracker_unreachable(r->tracker, &packet->where, &item->quote_src, &item->quote_dst, packet->data,
                                packet->len, item->is_port_unreachable, &sink);
        }
        visit(r, packet, NULL, NULL);
        break;
    default:
        break;
    }
    if (r->options->metrics != NULL) {
        count_findings(r);
    }
}

/* Prefetches for a packet that is judged soon: what the other thread wrote, then the tracker's records. index goes
 * FETCH_AFTER beyond the end. */
static void fetch(run *r, batch *b, uint32_t index)
{
    if (b->is_foreign) {
        batch_fetch(b, index + BATCH_FETCH_AHEAD);
    }
    if (index < b->num_items) {
        batch_item *item = &b->items[index];
        if (item->maybe_krpc) {
            tracker_fetch_indexes(r->tracker, &item->keys);
        } else if (item->packet.protocol == FRAME_UDP) {
            tracker_fetch_datagram(r->tracker, &item->packet.where);
        }
    }
    if (index >= FETCH_AFTER && b->items[index - FETCH_AFTER].maybe_krpc) {
        batch_item *item = &b->items[index - FETCH_AFTER];
        tracker_fetch_records(r->tracker, &item->packet.where, &b->messages[index - FETCH_AFTER], &item->keys);
    }
}

/* False: the output failed. */
static bool judge_batch(void *ctx, batch *b)
{
    run *r = ctx;

    r->file = b->file;
    if (b->file_ns != INT64_MIN && b->file_ns != r->file_ns) {
        run_snapshot_name(r, b->file_ns);
    }
    if (r->tracker == NULL) {
        begin_tracker(r, b);
    }
    run_counts_add(&r->counts, &b->counts);
    r->num_packets += b->counts.packets;
    for (uint32_t i = 0; b->is_foreign && i < BATCH_FETCH_AHEAD; i++) {
        batch_fetch(b, i);
    }
    for (uint32_t first = 0, fetched = 0; first < b->num_items; first += FETCH) {
        uint32_t end = MIN(first + FETCH, b->num_items);
        for (; fetched < end + FETCH_AFTER; fetched++) {
            fetch(r, b, fetched);
        }
        for (uint32_t i = first; i < end; i++) {
            judge_item(r, b, i);
        }
    }
    if (r->tracker != NULL && (b->is_due || b->is_due_file || snapshot_is_wanted()) && !b->ends_file) {
        run_snapshot_show(r, b);
    }
    if (b->ends_file) {
        run_end_tracker(r);
    }
    if (b->is_live) {
        output_flush(r->output);
    }
    if (r->shows_progress) {
        progress_show(batch_reader_file_name(r->reader, r->file), b->progress, r->num_packets);
    }
    return output_ok(r->output);
}

/* ---- the fill stage ---- */

static bool fill_batch(void *ctx, batch *b)
{
    run *r = ctx;

    if (interrupted || batch_reader_is_stopped(r->reader) || !batch_reader_fill(r->reader, b)) {
        return false;
    }
    if (r->next_tracker == NULL) {
        r->next_tracker = make_tracker(r);
    }
    b->tracker = r->next_tracker;
    if (b->ends_file) {
        r->next_tracker = NULL;
    }
    batch_decode(b, wants_findings(r));
    if (b->is_foreign && r->visitor->body != NULL && r->anonymizer == NULL) {
        batch_write_bodies(b, r->visitor);
    }
    return true;
}

static void stop_filling(void *ctx)
{
    run *r = ctx;

    batch_reader_stop(r->reader);
}

/* The tracker of a file is freed with its last batch. */
static void discard_batch(void *ctx, const batch *b)
{
    const run *r = ctx;

    if (b->ends_file && b->tracker != r->tracker) {
        tracker_free(b->tracker);
    }
}

/* Every FILE of --shift is one of the captures. */
static bool shifts_are_known(const options *with)
{
    bool good = true;

    for (char **shift = with->shifts; shift != NULL && *shift != NULL; shift++) {
        options one = {.shifts = (char *[]){*shift, NULL}};
        bool known = false;
        for (unsigned i = 0; i < with->num_args && !known; i++) {
            int64_t ns;
            known = options_shift(&one, with->args[i], &ns);
        }
        if (!known) {
            say("--shift %s: no capture has this name", *shift);
            good = false;
        }
    }
    return good;
}

bool run_captures(const options *with, const run_visitor *visitor, output *to)
{
    run r = {.options = with, .visitor = visitor, .output = to, .num_files = with->num_args};
    const pipeline_stages ends = {fill_batch, judge_batch, stop_filling, discard_batch, &r};

    if (!shifts_are_known(with)) {
        return false;
    }
    watch_interrupt();
    snapshot_watch();
    r.file_ns = INT64_MIN;
    r.merged = with->merge && with->num_args > 1;
    r.shows_progress = !with->quiet && isatty(STDERR_FILENO);
    r.reader = batch_reader_new(with, visitor->keep_frames, r.shows_progress);
    if (r.merged && !with->is_repeat) {
        r.clocks = clock_shift_new();
    }
    if (with->anonymize != NULL) {
        r.anonymizer = anonymizer_new(with->anonymize);
    }
    progress_begin();
    pipeline_run(&ends, with->threads > 1);
    if (r.next_tracker != r.tracker) {
        tracker_free(r.next_tracker);
    }
    if (r.tracker != NULL) {
        run_end_tracker(&r);
    }
    progress_clear();
    bool ok = with->metrics == NULL || metrics_write(&r.metrics, with->metrics);
    run_say_clocks(&r);
    clock_shift_free(r.clocks);
    ok = ok && batch_reader_num_failed(r.reader) == 0 && with->num_missing == 0;
    anonymizer_free(r.anonymizer);
    batch_reader_free(r.reader);
    strbuf_free(&r.anonymous_bytes);
    g_free(r.findings);
    return ok;
}
