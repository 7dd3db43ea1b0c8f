/* report_junit.c: JUnit's XML: a test case is a rule, and it fails where it was broken at or above --fail-on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

static void put_xml(text *out, const char *before, const char *string)
{
    text_puts(out, before);
    text_xml(out, string, strlen(string));
}

/* An area is the part of a slug before the dot: a class of test cases. */
static void put_area(text *out, const char *slug)
{
    text_puts(out, "krpcscope.");
    text_xml(out, slug, strcspn(slug, "."));
}

static void put_failure(check *c, const krpc_rule_info *info, const tally_rule *rule)
{
    text *out = output_text(c->output);

    put_xml(out, "      <failure message=\"", rule->example);
    put_xml(out, "\" type=\"", krpc_severity_name(info->severity));
    text_printf(out, "\">%" G_GUINT64_FORMAT " in %s ", rule->count, rule->num_frames == 1 ? "frame" : "frames");
    text frames = {0};
    report_frames(&frames, c, rule);
    text_xml(out, frames.data, frames.len);
    text_free(&frames);
    put_xml(out, " (", info->spec);
    text_puts(out, ")</failure>\n");
}

static void put_case(check *c, krpc_rule which)
{
    text *out = output_text(c->output);
    const krpc_rule_info *info = krpc_rule_get(which);
    const tally_rule *rule = c->sum.rules[which];

    text_puts(out, "    <testcase classname=\"");
    put_area(out, info->slug);
    put_xml(out, "\" name=\"", info->slug);
    if (rule == NULL) {
        text_puts(out, "\"/>\n");
        return;
    }
    text_puts(out, "\">\n");
    if (info->severity >= c->with->fail_on) {
        put_failure(c, info, rule);
    } else {
        text_printf(out, "      <system-out>%" G_GUINT64_FORMAT " time%s</system-out>\n", rule->count,
                    rule->count == 1 ? "" : "s");
    }
    text_puts(out, "    </testcase>\n");
}

static void junit_end(check *c)
{
    text *out = output_text(c->output);
    unsigned num_failures = 0;
    /* A capture that could not be read is a case that could not be run. */
    unsigned expected = c->with->merge ? 1 : c->with->num_args;
    unsigned num_errors = c->partial || c->sum.num_files < expected ? 1 : 0;

    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        num_failures += c->sum.rules[i] != NULL && krpc_rule_get((krpc_rule)i)->severity >= c->with->fail_on;
    }
    text_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text_printf(out, "<testsuites tests=\"%d\" failures=\"%u\" errors=\"%u\">\n", KRPC_NUM_RULES + (int)num_errors,
                num_failures, num_errors);
    put_xml(out, "  <testsuite name=\"", c->with->num_args == 1 ? c->with->args[0] : "captures");
    text_printf(out, "\" tests=\"%d\" failures=\"%u\" errors=\"%u\" time=\"%.3f\">\n", KRPC_NUM_RULES + (int)num_errors,
                num_failures, num_errors, (double)c->sum.duration_ns / 1e9);
    if (num_errors > 0) {
        text_puts(
            out, "    <testcase classname=\"krpcscope\" name=\"read\">\n      <error message=\"not everything could be "
                 "read\"/>\n    </testcase>\n");
    }
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        put_case(c, (krpc_rule)i);
    }
    text_puts(out, "  </testsuite>\n</testsuites>\n");
}

const report report_junit = {.end = junit_end};
