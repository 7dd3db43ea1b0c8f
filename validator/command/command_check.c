/* check.c: findings, then a summary.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

#include "command/commands.h"
#include "report/json_record.h"
#include "report/pcapng_writer.h"

typedef struct checking {
    check c;
    const report *report;
    capture_writer *writer;
} checking;

static const report report_nothing;

static const report *choose_report(const options *with)
{
    static const report *const reports[NUM_FORMATS] = {
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
    if (s->c.run == NULL && s->report->begin != NULL) {
        s->c.run = from;
        s->report->begin(&s->c);
    }
    s->c.run = from;
    tally_begin(&s->c.sum);
}

static void check_message(void *ctx, const run_packet *packet, const krpc_message *message,
                          const tracker_result *result)
{
    checking *s = ctx;

    tally_message(&s->c.sum, packet, message);
    if (s->report->message != NULL) {
        s->report->message(&s->c, packet, message, result);
        output_record(s->c.output);
    }
}

static void check_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                           const krpc_finding *findings, size_t num_findings)
{
    checking *s = ctx;

    for (size_t i = 0; i < num_findings; i++) {
        tally_finding(&s->c.sum, s->c.run, packet, message, &findings[i]);
        if (s->report->finding != NULL) {
            s->report->finding(&s->c, packet, &findings[i]);
            output_record(s->c.output);
        }
    }
    if (s->writer != NULL) {
        capture_writer_put(s->writer, s->c.run, packet, findings, num_findings);
    }
}

/* With --quiet only the worst severity is wanted. */
static void quiet_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                           const krpc_finding *findings, size_t num_findings)
{
    checking *s = ctx;

    (void)message;
    for (size_t i = 0; i < num_findings; i++) {
        s->c.sum.findings[krpc_rule_get(findings[i].rule)->severity]++;
    }
    if (s->writer != NULL) {
        capture_writer_put(s->writer, s->c.run, packet, findings, num_findings);
    }
}

static void check_advert(void *ctx, const tracker_advert *advert)
{
    checking *s = ctx;

    tally_advert(&s->c.sum, advert);
}

static void check_end(void *ctx, run *from)
{
    checking *s = ctx;

    tally_end(&s->c.sum, from);
}

static void quiet_begin(void *ctx, run *from, const char *name)
{
    checking *s = ctx;

    (void)name;
    s->c.run = from;
}

static bool has_failed(const tally *sum, krpc_severity fail_on)
{
    for (int i = (int)fail_on; i <= (int)KRPC_SEVERITY_ERROR; i++) {
        if (sum->findings[i] > 0) {
            return true;
        }
    }
    return false;
}

/* A report for programs must be whole even where no file could be opened: an empty list is a list. */
static void finish_report(checking *s)
{
    if (s->c.run == NULL && s->report == &report_text) {
        return;
    }
    if (s->c.run == NULL && s->report->begin != NULL) {
        s->report->begin(&s->c);
    }
    if (s->report->end != NULL) {
        s->report->end(&s->c);
    }
}

int check_main(const options *with)
{
    checking s = {.c.with = with, .report = choose_report(with)};
    run_visitor visitor = {.ctx = &s,
                           .begin = check_begin,
                           .message = check_message,
                           .findings = check_findings,
                           .advert = check_advert,
                           .end = check_end,
                           .keep_frames = with->write != NULL};

    if (with->quiet) {
        visitor = (run_visitor){
            .ctx = &s, .begin = quiet_begin, .findings = quiet_findings, .keep_frames = with->write != NULL};
    }
    tally_init(&s.c.sum);
    s.c.output = output_new(with->output);
    if (s.c.output == NULL) {
        return EXIT_TROUBLE;
    }
    if (with->write != NULL && (s.writer = capture_writer_new(with->write, with->anonymize != NULL)) == NULL) {
        output_close(s.c.output);
        return EXIT_TROUBLE;
    }
    bool complete = run_captures(with, &visitor, s.c.output);
    s.c.partial = run_interrupted();
    if (s.c.partial) {
        say("interrupted: the result is that of a part");
    }
    finish_report(&s);
    bool found = has_failed(&s.c.sum, with->fail_on);
    bool written = output_close(s.c.output);
    if (s.writer != NULL && !capture_writer_close(s.writer)) {
        written = false;
    }
    tally_free(&s.c.sum);
    if (!complete || !written || s.c.partial) {
        return EXIT_TROUBLE;
    }
    return found ? EXIT_FOUND : EXIT_NOTHING;
}
