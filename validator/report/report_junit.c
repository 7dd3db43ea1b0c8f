/* report_junit.c: JUnit XML. Each rule is a test case; it fails if a finding at or above --fail-on breaks it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

static void put_xml(strbuf *out, const char *before, const char *string)
{
    strbuf_puts(out, before);
    strbuf_xml(out, string, strlen(string));
}

/* The area of a slug, the part before the dot, is a class of test cases. */
static void put_area(strbuf *out, const char *slug)
{
    strbuf_puts(out, "krpcscope.");
    strbuf_xml(out, slug, strcspn(slug, "."));
}

static void put_failure(report *r, const krpc_rule_info *info, const totals_rule *rule)
{
    strbuf *out = output_text(r->output);

    put_xml(out, "      <failure message=\"", rule->example);
    put_xml(out, "\" type=\"", krpc_severity_name(info->severity));
    strbuf_printf(out, "\">%" G_GUINT64_FORMAT " in %s ", rule->count, rule->num_frames == 1 ? "frame" : "frames");
    strbuf frames = {0};
    report_frames(&frames, r, rule);
    strbuf_xml(out, frames.data, frames.len);
    strbuf_free(&frames);
    put_xml(out, " (", info->spec);
    strbuf_puts(out, ")</failure>\n");
}

static void put_case(report *r, krpc_rule which)
{
    strbuf *out = output_text(r->output);
    const krpc_rule_info *info = krpc_rule_get(which);
    const totals_rule *rule = r->sum.rules[which];

    strbuf_puts(out, "    <testcase classname=\"");
    put_area(out, info->slug);
    put_xml(out, "\" name=\"", info->slug);
    if (rule == NULL) {
        strbuf_puts(out, "\"/>\n");
        return;
    }
    strbuf_puts(out, "\">\n");
    if (info->severity >= r->with->fail_on) {
        put_failure(r, info, rule);
    } else {
        strbuf_printf(out, "      <system-out>%" G_GUINT64_FORMAT " time%s</system-out>\n", rule->count,
                      rule->count == 1 ? "" : "s");
    }
    strbuf_puts(out, "    </testcase>\n");
}

static void junit_end(report *r)
{
    strbuf *out = output_text(r->output);
    unsigned num_failures = 0;
    /* A capture that could not be read is a test case with an error. */
    unsigned expected = r->with->merge ? 1 : r->with->num_args;
    unsigned num_errors = r->partial || r->sum.num_files < expected ? 1 : 0;

    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        num_failures += r->sum.rules[i] != NULL && krpc_rule_get((krpc_rule)i)->severity >= r->with->fail_on;
    }
    strbuf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    strbuf_printf(out, "<testsuites tests=\"%d\" failures=\"%u\" errors=\"%u\">\n", KRPC_NUM_RULES + (int)num_errors,
                  num_failures, num_errors);
    put_xml(out, "  <testsuite name=\"", r->with->num_args == 1 ? r->with->args[0] : "captures");
    strbuf_printf(out, "\" tests=\"%d\" failures=\"%u\" errors=\"%u\" time=\"%.3f\">\n",
                  KRPC_NUM_RULES + (int)num_errors, num_failures, num_errors, (double)r->sum.duration_ns / 1e9);
    if (num_errors > 0) {
        strbuf_puts(out,
                    "    <testcase classname=\"krpcscope\" name=\"read\">\n      <error message=\"a capture could not "
                    "be read to its end\"/>\n    </testcase>\n");
    }
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        put_case(r, (krpc_rule)i);
    }
    strbuf_puts(out, "  </testsuite>\n</testsuites>\n");
}

const report_format report_junit = {.end = junit_end};
