/* report_html.c: one page that needs nothing else, to be handed on.
 *
 * It is the text report, in tables; each rule can be opened for its explanation.
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

static void put_xml(text *out, const char *string)
{
    text_xml(out, string, strlen(string));
}

static void put_count_row(text *out, const char *label, uint64_t count)
{
    if (count == 0) {
        return;
    }
    text_puts(out, "<tr><td>");
    put_xml(out, label);
    text_puts(out, "</td><td class=\"number\">");
    text_count(out, count);
    text_puts(out, "</td></tr>\n");
}

static void put_overview(check *c)
{
    text *out = output_text(c->output);
    const tally *sum = &c->sum;
    uint64_t queries = 0;

    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        queries += sum->stats.queries[i];
    }
    text_puts(out, "<h2>Overview</h2>\n<table>\n");
    put_count_row(out, "packets", sum->counts.packets);
    put_count_row(out, "DHT messages", sum->counts.krpc);
    put_count_row(out, "queries", queries);
    put_count_row(out, "responses", sum->stats.responses);
    put_count_row(out, "errors", sum->stats.errors);
    put_count_row(out, "queries without an answer", sum->stats.unanswered);
    put_count_row(out, "nodes", sum->num_nodes);
    put_count_row(out, "nodes that are not where they seem", sum->num_natted);
    put_count_row(out, "PORT messages over TCP", sum->stats.port_messages_tcp);
    put_count_row(out, "PORT messages over uTP", sum->stats.port_messages_utp);
    put_count_row(out, "dropped for lack of memory",
                  sum->stats.dropped_nodes + sum->stats.dropped_transactions + sum->stats.dropped_adverts +
                      sum->stats.dropped_streams);
    text_puts(out, "</table>\n");
}

static void put_rule(check *c, krpc_rule which)
{
    text *out = output_text(c->output);
    const krpc_rule_info *info = krpc_rule_get(which);
    const tally_rule *rule = c->sum.rules[which];
    const char *severity = krpc_severity_name(info->severity);

    text_printf(out, "<tr><td class=\"%s\">%s</td><td><details><summary><code>%s</code> ", severity, severity,
                info->slug);
    put_xml(out, rule->example);
    text_puts(out, "</summary>");
    put_xml(out, info->explanation);
    if (report_knows_clients(rule)) {
        text clients = {0};
        report_clients(&clients, rule);
        text_puts(out, "<p>Sent by ");
        text_xml(out, clients.data, clients.len);
        text_puts(out, "</p>");
        text_free(&clients);
    }
    text_puts(out, "</details></td><td>");
    put_xml(out, info->spec);
    text_puts(out, "</td><td class=\"number\">");
    text_count(out, rule->count);
    text_puts(out, "</td><td>");
    text frames = {0};
    report_frames(&frames, c, rule);
    text_xml(out, frames.data, frames.len);
    text_free(&frames);
    text_puts(out, "</td></tr>\n");
}

static void put_findings(check *c)
{
    krpc_rule order[KRPC_NUM_RULES];
    unsigned num_rules = tally_order(&c->sum, order);
    text *out = output_text(c->output);

    text_puts(out, "<h2>Findings</h2>\n");
    if (num_rules == 0) {
        text_puts(out, "<p>None.</p>\n");
        return;
    }
    text_puts(out,
              "<table>\n<tr><th></th><th>Rule</th><th>Specification</th><th class=\"number\">Times</th><th>Frames</th>"
              "</tr>\n");
    for (unsigned i = 0; i < num_rules; i++) {
        put_rule(c, order[i]);
    }
    text_puts(out, "</table>\n");
}

static void put_adverts(check *c)
{
    text *out = output_text(c->output);

    text_puts(out, "<h2>Ports that were advertised</h2>\n<table>\n<tr><th>Channel</th>");
    for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
        text_printf(out, "<th class=\"number\" title=\"%s\">%s</th>", tracker_verdict_meaning((tracker_verdict)i),
                    tracker_verdict_name((tracker_verdict)i));
    }
    text_puts(out, "</tr>\n");
    for (unsigned channel = 0; channel < KRPC_NUM_CHANNELS; channel++) {
        const uint64_t *verdicts = c->sum.adverts[channel];
        uint64_t sum = 0;
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            sum += verdicts[i];
        }
        if (sum == 0) {
            continue;
        }
        text_printf(out, "<tr><td>%s</td>", krpc_channel_get((krpc_channel)channel)->name);
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            text_puts(out, "<td class=\"number\">");
            text_count(out, verdicts[i]);
            text_puts(out, "</td>");
        }
        text_puts(out, "</tr>\n");
    }
    text_puts(out, "</table>\n");
}

static void put_nodes(check *c)
{
    text *out = output_text(c->output);
    text stories = {0};

    report_stories(&stories, c);
    if (stories.len > 0) {
        text_puts(out, "<h2>Nodes</h2>\n<pre>");
        text_xml(out, stories.data, stories.len);
        text_puts(out, "</pre>\n");
    }
    text_free(&stories);
}

static void html_end(check *c)
{
    text *out = output_text(c->output);

    const char *name = c->with->num_args > 1                ? "Several captures"
                       : strcmp(c->with->args[0], "-") == 0 ? "Standard input"
                                                            : c->with->args[0];
    text_puts(out, head);
    put_xml(out, name);
    text_puts(out, " - krpcscope</title>\n</head>\n<body>\n<h1>");
    put_xml(out, name);
    text_puts(out, "</h1>\n");
    if (c->partial) {
        text_puts(out, "<p class=\"warn\">Of a part: reading was interrupted.</p>\n");
    }
    if (c->sum.num_files < (c->with->merge ? 1 : c->with->num_args)) {
        text_puts(out, "<p class=\"error\">Not every capture could be read.</p>\n");
    }
    put_overview(c);
    put_nodes(c);
    put_adverts(c);
    put_findings(c);
    text_puts(out, "<p>krpcscope " KRPCSCOPE_VERSION "</p>\n</body>\n</html>\n");
}

const report report_html = {.end = html_end};
