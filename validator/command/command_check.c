/* command_check.c: findings, then a summary.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

#include "command/commands.h"
#include "report/json_record.h"
#include "report/pcapng_writer.h"

typedef struct checking {
    report report;
    const report_format *format;
    /* for --write */
    pcapng_writer *writer;
    const krpc_finding *findings; /* of the packet that is judged */
    size_t num_findings;
    GHashTable *conclusions; /* packet_key -> GArray of krpc_finding */
} checking;

static const report_format report_nothing;

/* ---- the packets of --write ----
 *
 * They are written as they pass. A conclusion comes when its packet is gone: if there are any, the captures are read
 * and written a second time. */

static guint64 packet_key(const run *from, uint32_t frame)
{
    unsigned file;
    uint32_t own = run_frame(from, frame, &file);

    return (guint64)file << 32 | own;
}

static void keep_conclusion(checking *s, const run_packet *packet, const krpc_finding *finding)
{
    if (s->writer == NULL) {
        return;
    }
    guint64 key = packet_key(s->report.run, packet->where.frame);
    GArray *findings = g_hash_table_lookup(s->conclusions, &key);
    if (findings == NULL) {
        findings = g_array_new(FALSE, FALSE, sizeof *finding);
        g_hash_table_insert(s->conclusions, g_memdup2(&key, sizeof key), findings);
    }
    g_array_append_vals(findings, finding, 1);
}

static void write_packet(void *ctx, const run_packet *packet)
{
    checking *s = ctx;
    guint64 key = packet_key(s->report.run, packet->where.frame);
    const GArray *conclusions = g_hash_table_lookup(s->conclusions, &key);

    if (conclusions == NULL && s->num_findings > 0) {
        pcapng_writer_put(s->writer, s->report.run, packet, s->findings, s->num_findings);
    } else if (conclusions != NULL) {
        GArray *all = g_array_new(FALSE, FALSE, sizeof *s->findings);
        g_array_append_vals(all, s->findings, (guint)s->num_findings);
        g_array_append_vals(all, conclusions->data, conclusions->len);
        pcapng_writer_put(s->writer, s->report.run, packet, (const krpc_finding *)(void *)all->data, all->len);
        g_array_unref(all);
    }
    s->num_findings = 0;
}

static void note_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                          const krpc_finding *findings, size_t num_findings)
{
    checking *s = ctx;

    (void)packet;
    (void)message;
    s->findings = findings;
    s->num_findings = num_findings;
}

static void write_begin(void *ctx, run *from, const char *name)
{
    checking *s = ctx;

    (void)name;
    s->report.run = from;
}

/* False: a pipe, which is read or written only once. */
static bool can_repeat(const options *with)
{
    for (unsigned i = 0; i < with->num_args; i++) {
        if (!g_file_test(with->args[i], G_FILE_TEST_IS_REGULAR)) {
            return false;
        }
    }
    return g_file_test(with->write, G_FILE_TEST_IS_REGULAR);
}

/* Closes the file of --write. False: it could not be written. */
static bool finish_writing(checking *s, output *to)
{
    const options *with = s->report.with;
    bool written = pcapng_writer_close(s->writer);

    if (!written || g_hash_table_size(s->conclusions) == 0 || run_interrupted() || !can_repeat(with)) {
        return written;
    }
    s->writer = pcapng_writer_new(with->write, with->anonymize != NULL);
    if (s->writer == NULL) {
        return false;
    }
    options again = *with;
    again.is_repeat = true;
    again.every_ns = again.rotate_ns = 0;
    again.metrics = NULL;
    const run_visitor visitor = {
        .ctx = s, .begin = write_begin, .findings = note_findings, .packet = write_packet, .keep_frames = true};
    run_captures(&again, &visitor, to);
    if (run_interrupted()) {
        say("interrupted: %s holds only the packets read so far", with->write);
    }
    return pcapng_writer_close(s->writer) && !run_interrupted();
}

/* ---- the report ---- */

static const report_format *choose_format(const options *with)
{
    static const report_format *const reports[NUM_FORMATS] = {
        [FORMAT_TEXT] = &report_text,   [FORMAT_NDJSON] = &report_ndjson, [FORMAT_SARIF] = &report_sarif,
        [FORMAT_JUNIT] = &report_junit, [FORMAT_HTML] = &report_html,     [FORMAT_EVE] = &report_eve,
    };

    if (with->quiet) {
        return &report_nothing;
    }
    return with->each ? &report_each : reports[with->format];
}

static void check_begin(void *ctx, run *from, const char *name)
{
    checking *s = ctx;

    (void)name;
    if (s->report.run == NULL && s->format->begin != NULL) {
        s->report.run = from;
        s->format->begin(&s->report);
    }
    s->report.run = from;
    totals_begin(&s->report.sum);
}

static void check_message(void *ctx, const run_packet *packet, const krpc_message *message,
                          const tracker_result *result)
{
    checking *s = ctx;

    totals_message(&s->report.sum, packet, message);
    if (s->format->message != NULL) {
        s->format->message(&s->report, packet, message, result);
        output_record(s->report.output);
    }
}

static void check_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                           const krpc_finding *findings, size_t num_findings)
{
    checking *s = ctx;

    for (size_t i = 0; i < num_findings; i++) {
        totals_finding(&s->report.sum, s->report.run, packet, message, &findings[i]);
        if (s->format->finding != NULL) {
            s->format->finding(&s->report, packet, &findings[i]);
            output_record(s->report.output);
        }
    }
    note_findings(s, packet, message, findings, num_findings);
}

static void check_conclusion(void *ctx, const run_packet *packet, const krpc_finding *finding)
{
    checking *s = ctx;

    totals_conclusion(&s->report.sum, s->report.run, packet, finding);
    if (s->format->finding != NULL) {
        s->format->finding(&s->report, packet, finding);
        output_record(s->report.output);
    }
    keep_conclusion(s, packet, finding);
}

/* --quiet needs only the worst severity. */
static void quiet_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                           const krpc_finding *findings, size_t num_findings)
{
    checking *s = ctx;

    for (size_t i = 0; i < num_findings; i++) {
        s->report.sum.findings[krpc_rule_get(findings[i].rule)->severity]++;
    }
    note_findings(s, packet, message, findings, num_findings);
}

static void quiet_conclusion(void *ctx, const run_packet *packet, const krpc_finding *finding)
{
    checking *s = ctx;

    s->report.sum.findings[krpc_rule_get(finding->rule)->severity]++;
    keep_conclusion(s, packet, finding);
}

static void check_advert(void *ctx, const tracker_advert *advert)
{
    checking *s = ctx;

    totals_advert(&s->report.sum, advert);
}

static void check_end(void *ctx, run *from)
{
    checking *s = ctx;

    totals_end(&s->report.sum, from);
}

static bool has_failed(const totals *sum, krpc_severity fail_on)
{
    for (int i = (int)fail_on; i <= (int)KRPC_SEVERITY_ERROR; i++) {
        if (sum->findings[i] > 0) {
            return true;
        }
    }
    return false;
}

/* A report for programs is complete even if no file could be opened: it then has an empty list. */
static void finish_report(checking *s)
{
    if (s->report.run == NULL && s->format == &report_text) {
        return;
    }
    if (s->report.run == NULL && s->format->begin != NULL) {
        s->format->begin(&s->report);
    }
    if (s->format->end != NULL) {
        s->format->end(&s->report);
    }
}

static void check_finish(void *ctx, run *from)
{
    (void)from;
    finish_report(ctx);
}

int command_check(const options *with)
{
    checking s = {.report.with = with, .format = choose_format(with)};
    run_visitor visitor = {.ctx = &s,
                           .begin = check_begin,
                           .message = check_message,
                           .findings = check_findings,
                           .advert = check_advert,
                           .conclusion = check_conclusion,
                           .end = check_end,
                           .finish = check_finish};

    if (with->quiet) {
        visitor =
            (run_visitor){.ctx = &s, .begin = write_begin, .findings = quiet_findings, .conclusion = quiet_conclusion};
    }
    if (with->write != NULL) {
        visitor.packet = write_packet;
        visitor.keep_frames = true;
    }
    totals_init(&s.report.sum);
    s.report.output = output_new(with->output);
    if (s.report.output == NULL) {
        return EXIT_TROUBLE;
    }
    if (with->write != NULL && (s.writer = pcapng_writer_new(with->write, with->anonymize != NULL)) == NULL) {
        output_close(s.report.output);
        return EXIT_TROUBLE;
    }
    s.conclusions =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)(void (*)(void))g_array_unref);
    bool complete = run_captures(with, &visitor, s.report.output);
    s.report.partial = run_interrupted();
    if (s.report.partial) {
        say("interrupted: the result covers only the packets read so far");
    }
    finish_report(&s);
    bool found = has_failed(&s.report.sum, with->fail_on);
    bool written = s.writer == NULL || finish_writing(&s, s.report.output);
    written = output_close(s.report.output) && written;
    g_hash_table_destroy(s.conclusions);
    totals_free(&s.report.sum);
    if (!complete || !written || s.report.partial) {
        return EXIT_TROUBLE;
    }
    return found ? EXIT_FOUND : EXIT_NOTHING;
}
