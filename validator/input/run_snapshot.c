/* run_snapshot.c: results while a run goes on: --every and SIGUSR1, --rotate, --metrics.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>

#include <glib.h>

#include "input/run_private.h"
#include "input/snapshot.h"

#define NS_PER_S INT64_C(1000000000)

/* Results that follow one another need a line between them. */
void run_snapshot_heading(run *r)
{
    strbuf *out = output_text(r->output);

    if (r->visitor->end == NULL) {
        return;
    }
    if (r->options->format == FORMAT_NDJSON) {
        strbuf_puts(out, "{\"type\":\"snapshot\",\"timestamp\":\"");
        strbuf_time(out, r->counts.last_ns);
        strbuf_printf(out, "\",\"packets\":%" PRIu64 "}\n", r->num_packets);
    } else if (r->options->format == FORMAT_TEXT) {
        strbuf_puts(out, r->num_shown > 0 ? "\n=== " : "=== ");
        strbuf_time(out, r->counts.last_ns);
        strbuf_puts(out, ", after ");
        strbuf_count(out, r->num_packets);
        strbuf_printf(out, " packet%s\n\n", r->num_packets == 1 ? "" : "s");
    }
}

/* The name of the output file whose time began at time_ns. */
static char *file_name(const char *pattern, int64_t time_ns)
{
    GDateTime *time = g_date_time_new_from_unix_utc(time_ns / NS_PER_S - (time_ns % NS_PER_S < 0));
    char *name = time != NULL ? g_date_time_format(time, pattern) : NULL;

    if (time != NULL) {
        g_date_time_unref(time);
    }
    return name != NULL ? name : g_strdup(pattern);
}

void run_snapshot_name(run *r, int64_t time_ns)
{
    char *name = file_name(r->options->output, time_ns);

    output_rename(r->output, name);
    r->file_ns = time_ns;
    g_free(name);
}

/* What a copy of the process could not write. */
enum { NO_RESULT = 1, NO_METRICS = 2 };

/* The following functions run in a copy of the process, which ends after them. */

static unsigned write_file(void *ctx)
{
    run *r = ctx;

    run_end_tracker(r);
    if (r->visitor->finish != NULL) {
        r->visitor->finish(r->visitor->ctx, r);
    }
    unsigned missing = output_close(r->output) ? 0 : NO_RESULT;
    if (r->options->metrics != NULL && !metrics_write(&r->metrics, r->options->metrics)) {
        missing |= NO_METRICS;
    }
    return missing;
}

static unsigned write_snapshot(void *ctx)
{
    run *r = ctx;

    r->has_snapshots = true;
    output_copy(r->output);
    return output_ok(r->output) ? write_file(r) : NO_RESULT;
}

static unsigned write_metrics(void *ctx)
{
    run *r = ctx;

    tracker_finish(r->tracker);
    metrics_add(&r->metrics, r->tracker, &r->counts);
    return metrics_write(&r->metrics, r->options->metrics) ? 0 : NO_METRICS;
}

void run_snapshot_show(run *r, const batch *b)
{
    const options *with = r->options;
    bool is_shown = (b->is_due && with->every_ns != 0) || snapshot_is_wanted();
    unsigned missing = 0;

    snapshot_clear();
    if (is_shown && with->output == NULL && !options_can_append(with)) {
        say("no snapshot: standard output cannot hold several documents; use -o");
        is_shown = false;
    }
    output_flush(r->output);
    r->has_snapshots = r->has_snapshots || (is_shown && with->output == NULL);
    if (is_shown && output_ok(r->output)) {
        missing = snapshot_run(write_snapshot, r);
        r->num_shown += with->output == NULL;
    } else if (b->is_due && with->metrics != NULL) {
        missing = snapshot_run(write_metrics, r);
    }
    if (b->is_due_file && output_ok(r->output)) {
        missing |= snapshot_run(write_file, r);
        output_renew(r->output);
    }
    if ((missing & NO_RESULT) != 0) {
        output_fail(r->output);
    }
}

void run_say_clocks(const run *r)
{
    clock_shift_pair pair;

    for (unsigned at = 0; r->clocks != NULL && clock_shift_next(r->clocks, &at, &pair);) {
        const char *later = run_file_name(r, pair.later_file);
        say("%s has the packets of %s %.3f s later (median of %u): the clocks differ, and --shift %s=-%.3f corrects it",
            later, run_file_name(r, pair.file), (double)pair.shift_ns / 1e9, pair.num_packets, later,
            (double)pair.shift_ns / 1e9);
    }
}
