/* report_html.c: one self-contained page.
 *
 * It is the text report in tables; each rule opens to show its explanation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

#include "options/version.h"
#include "report/json_record.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    "body { font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222; "
    "background: #fff; }\n"
    "table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3em .8em .3em 0; "
    "vertical-align: top; border-bottom: 1px solid #ddd; }\n"
    ".number { text-align: right; font-variant-numeric: tabular-nums; } code, pre { font: 14px/1.4 monospace; }\n"
    "pre { white-space: pre-wrap; background: #f6f6f6; padding: 1em; } .error { color: #a40000; font-weight: bold; }\n"
    ".warn { color: #8a5a00; font-weight: bold; } .note { color: #004a87; }\n"
    "@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } pre { background: #242424; }\n"
    "th, td { border-color: #444; } .error { color: #ff8080; } .warn { color: #e0b050; } .note { color: #80b8ff; } }\n"
    "td:first-child { white-space: nowrap; }\n</style>\n<title>";

static void put_xml(strbuf *out, const char *string)
{
    strbuf_xml(out, string, strlen(string));
}

static void put_count_row(strbuf *out, const char *label, uint64_t count)
{
    if (count == 0) {
        return;
    }
    strbuf_puts(out, "<tr><td>");
    put_xml(out, label);
    strbuf_puts(out, "</td><td class=\"number\">");
    strbuf_count(out, count);
    strbuf_puts(out, "</td></tr>\n");
}

static void put_overview(report *r)
{
    strbuf *out = output_text(r->output);
    const totals *sum = &r->sum;
    uint64_t queries = 0;

    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        queries += sum->stats.queries[i];
    }
    strbuf_puts(out, "<h2>Overview</h2>\n<table>\n");
    put_count_row(out, "packets", sum->counts.packets);
    put_count_row(out, "DHT messages", sum->counts.krpc);
    put_count_row(out, "queries", queries);
    put_count_row(out, "responses", sum->stats.responses);
    put_count_row(out, "errors", sum->stats.errors);
    put_count_row(out, "unanswered queries", sum->stats.unanswered);
    put_count_row(out, "nodes", sum->num_nodes);
    put_count_row(out, "nodes behind a NAT or advertising another port", sum->num_natted);
    put_count_row(out, "PORT messages over TCP", sum->stats.port_messages_tcp);
    put_count_row(out, "PORT messages over uTP", sum->stats.port_messages_utp);
    put_count_row(out, "dropped for lack of memory", totals_dropped(sum));
    strbuf_puts(out, "</table>\n");
}

static void put_rule(report *r, krpc_rule which)
{
    strbuf *out = output_text(r->output);
    const krpc_rule_info *info = krpc_rule_get(which);
    const totals_rule *rule = r->sum.rules[which];
    const char *severity = krpc_severity_name(info->severity);

    strbuf_printf(out, "<tr><td class=\"%s\">%s</td><td><details><summary><code>%s</code> ", severity, severity,
                  info->slug);
    put_xml(out, rule->example);
    strbuf_puts(out, "</summary>");
    put_xml(out, info->explanation);
    if (report_knows_clients(rule)) {
        strbuf clients = {0};
        report_clients(&clients, rule);
        strbuf_puts(out, "<p>Sent by ");
        strbuf_xml(out, clients.data, clients.len);
        strbuf_puts(out, "</p>");
        strbuf_free(&clients);
    }
    strbuf_puts(out, "</details></td><td>");
    put_xml(out, info->spec);
    strbuf_puts(out, "</td><td class=\"number\">");
    strbuf_count(out, rule->count);
    strbuf_puts(out, "</td><td>");
    strbuf frames = {0};
    report_frames(&frames, r, rule);
    strbuf_xml(out, frames.data, frames.len);
    strbuf_free(&frames);
    strbuf_puts(out, "</td></tr>\n");
}

static void put_findings(report *r)
{
    krpc_rule order[KRPC_NUM_RULES];
    unsigned num_rules = totals_order(&r->sum, order);
    strbuf *out = output_text(r->output);

    strbuf_puts(out, "<h2>Findings</h2>\n");
    if (num_rules == 0) {
        strbuf_puts(out, "<p>None.</p>\n");
        return;
    }
    strbuf_puts(
        out, "<table>\n<tr><th></th><th>Rule</th><th>Specification</th><th class=\"number\">Times</th><th>Frames</th>"
             "</tr>\n");
    for (unsigned i = 0; i < num_rules; i++) {
        put_rule(r, order[i]);
    }
    strbuf_puts(out, "</table>\n");
}

static void put_adverts(report *r)
{
    strbuf *out = output_text(r->output);

    strbuf_puts(out, "<h2>Advertised ports</h2>\n<table>\n<tr><th>Channel</th>");
    for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
        strbuf_printf(out, "<th class=\"number\" title=\"%s\">%s</th>", tracker_verdict_meaning((tracker_verdict)i),
                      tracker_verdict_name((tracker_verdict)i));
    }
    strbuf_puts(out, "</tr>\n");
    for (unsigned channel = 0; channel < KRPC_NUM_CHANNELS; channel++) {
        const uint64_t *verdicts = r->sum.adverts[channel];
        uint64_t sum = 0;
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            sum += verdicts[i];
        }
        if (sum == 0) {
            continue;
        }
        strbuf_printf(out, "<tr><td>%s</td>", krpc_channel_get((krpc_channel)channel)->name);
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            strbuf_puts(out, "<td class=\"number\">");
            strbuf_count(out, verdicts[i]);
            strbuf_puts(out, "</td>");
        }
        strbuf_puts(out, "</tr>\n");
    }
    strbuf_puts(out, "</table>\n");
}

static void put_node_totals(report *r)
{
    strbuf *out = output_text(r->output);
    strbuf node_texts = {0};

    report_node_texts(&node_texts, r);
    if (node_texts.len > 0) {
        strbuf_puts(out, "<h2>Nodes</h2>\n<pre>");
        strbuf_xml(out, node_texts.data, node_texts.len);
        strbuf_puts(out, "</pre>\n");
    }
    strbuf_free(&node_texts);
}

static void html_end(report *r)
{
    strbuf *out = output_text(r->output);

    const char *name = r->with->num_args > 1                ? "Several captures"
                       : strcmp(r->with->args[0], "-") == 0 ? "Standard input"
                                                            : r->with->args[0];
    strbuf_puts(out, head);
    put_xml(out, name);
    strbuf_puts(out, " - krpcscope</title>\n</head>\n<body>\n<h1>");
    put_xml(out, name);
    strbuf_puts(out, "</h1>\n");
    if (r->partial) {
        strbuf_puts(out, "<p class=\"warn\">Incomplete: reading was interrupted.</p>\n");
    }
    if (r->sum.num_files < (r->with->merge ? 1 : r->with->num_args)) {
        strbuf_puts(out, "<p class=\"error\">Some captures could not be read.</p>\n");
    }
    put_overview(r);
    put_node_totals(r);
    put_adverts(r);
    put_findings(r);
    strbuf_puts(out, "<p>krpcscope " KRPCSCOPE_VERSION "</p>\n</body>\n</html>\n");
}

const report_format report_html = {.end = html_end};
