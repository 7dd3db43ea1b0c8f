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
    pcapng_writer *writer;
} checking;

static const report_format report_nothing;

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
    if (s->writer != NULL) {
        pcapng_writer_put(s->writer, s->report.run, packet, findings, num_findings);
    }
}

/* --quiet needs only the worst severity. */
static void quiet_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                           const krpc_finding *findings, size_t num_findings)
{
    checking *s = ctx;

    (void)message;
    for (size_t i = 0; i < num_findings; i++) {
        s->report.sum.findings[krpc_rule_get(findings[i].rule)->severity]++;
    }
    if (s->writer != NULL) {
        pcapng_writer_put(s->writer, s->report.run, packet, findings, num_findings);
    }
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

static void quiet_begin(void *ctx, run *from, const char *name)
{
    checking *s = ctx;

    (void)name;
    s->report.run = from;
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
                           .end = check_end,
                           .finish = check_finish,
                           .keep_frames = with->write != NULL};

    if (with->quiet) {
        visitor = (run_visitor){
            .ctx = &s, .begin = quiet_begin, .findings = quiet_findings, .keep_frames = with->write != NULL};
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
    bool complete = run_captures(with, &visitor, s.report.output);
    s.report.partial = run_interrupted();
    if (s.report.partial) {
        say("interrupted: the result covers only the packets read so far");
    }
    finish_report(&s);
    bool found = has_failed(&s.report.sum, with->fail_on);
    bool written = output_close(s.report.output);
    if (s.writer != NULL && !pcapng_writer_close(s.writer)) {
        written = false;
    }
    totals_free(&s.report.sum);
    if (!complete || !written || s.report.partial) {
        return EXIT_TROUBLE;
    }
    return found ? EXIT_FOUND : EXIT_NOTHING;
}
