/* report_text.c: findings by rule and a summary, as text; and one line for each finding, for editors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

#include "output/color.h"
#include "output/wrap.h"
#include "report/json_record.h"

#define SHOWN_CLIENTS 6
#define LABEL_WIDTH   12
#define INDENT        6 /* of the lines below a rule */
#define WIDTH         100

/* Reports are written after the run has ended, so its file names are gone. */
static void put_name(strbuf *out, const report *r, unsigned file)
{
    const char *name = r->with->args[file];

    if (strcmp(name, "-") == 0) {
        name = "standard input";
    }
    strbuf_printable(out, name, strlen(name));
}

void report_frames(strbuf *out, const report *r, const totals_rule *rule)
{
    for (unsigned i = 0; i < rule->num_frames; i++) {
        totals_frame frame = rule->frames[i];
        if (i > 0) {
            strbuf_puts(out, ", ");
        }
        if (r->with->num_args > 1 && (i == 0 || frame.file != rule->frames[i - 1].file)) {
            put_name(out, r, frame.file);
            strbuf_char(out, ':');
        }
        strbuf_uint(out, frame.frame);
    }
    if (rule->more_frames) {
        strbuf_puts(out, ", ...");
    }
}

/* The width on a terminal: colour sequences have none. */
static size_t num_columns(const char *at, size_t len)
{
    size_t num = 0;
    bool in_color = false;

    for (size_t i = 0; i < len; i++) {
        in_color = in_color || at[i] == '\033';
        num += !in_color && (at[i] & 0xc0) != 0x80;
        in_color = in_color && at[i] != 'm';
    }
    return num;
}

/* The length up to the next allowed line break: after the blank that follows a comma or a semicolon. */
static size_t part_len(const char *at, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (at[i] == ' ' && (at[i - 1] == ',' || at[i - 1] == ';')) {
            return i + 1;
        }
    }
    return len;
}

/* Ends a line; breaks it if it is too long, and indents the rest. */
static void end_line(strbuf *out, size_t indent)
{
    size_t start = out->len;
    size_t column = 0;

    while (start > 0 && out->data[start - 1] != '\n') {
        start--;
    }
    size_t len = out->len - start;
    char *line = g_strndup(out->data + start, len);
    out->len = start;
    for (size_t at = 0, part; at < len; at += part) {
        part = part_len(line + at, len - at);
        size_t width = num_columns(line + at, part);
        if (column > indent && column + width > WIDTH) {
            out->len -= out->data[out->len - 1] == ' ';
            strbuf_char(out, '\n');
            strbuf_pad(out, out->len, indent);
            column = indent;
        }
        strbuf_put(out, line + at, part);
        column += width;
    }
    strbuf_char(out, '\n');
    g_free(line);
}

bool report_knows_clients(const totals_rule *rule)
{
    return rule->num_clients > 1 || rule->clients[0].len > 0;
}

void report_clients(strbuf *out, const totals_rule *rule)
{
    totals_client by_count[TOTALS_CLIENTS];

    for (unsigned i = 0; i < rule->num_clients; i++) {
        unsigned at = i;
        for (; at > 0 && by_count[at - 1].count < rule->clients[i].count; at--) {
            by_count[at] = by_count[at - 1];
        }
        by_count[at] = rule->clients[i];
    }
    for (unsigned i = 0; i < rule->num_clients; i++) {
        strbuf_printf(out, "%s%s (", i > 0 ? ", " : "", client_name(by_count[i].version, by_count[i].len));
        strbuf_count(out, by_count[i].count);
        strbuf_char(out, ')');
    }
    if (rule->other_clients > 0) {
        strbuf_puts(out, ", others (");
        strbuf_count(out, rule->other_clients);
        strbuf_char(out, ')');
    }
}

static void put_rule(report *r, krpc_rule which)
{
    strbuf *out = output_text(r->output);
    bool color = r->with->color;
    const krpc_rule_info *info = krpc_rule_get(which);
    const totals_rule *rule = r->sum.rules[which];

    const char *severity = krpc_severity_name(info->severity);
    color_puts(out, color, color_of_severity(info->severity), severity);
    strbuf_printf(out, "%*s", (int)(6 - strlen(severity)), "");
    size_t slug = out->len;
    color_puts(out, color, COLOR_BOLD, info->slug);
    strbuf_pad(out, slug, 34 + (color ? strlen("\033[1m\033[0m") : 0));
    strbuf_count(out, rule->count);
    strbuf_printf(out, rule->count == 1 ? " time   %s\n" : " times  %s\n", info->spec);
    strbuf_printf(out, "      %s%s\n", rule->count > 1 ? "such as: " : "", rule->example);
    strbuf_puts(out, rule->num_frames == 1 ? "      frame " : "      frames ");
    report_frames(out, r, rule);
    if (report_knows_clients(rule)) {
        if (rule->num_clients > 1) {
            end_line(out, INDENT);
        }
        strbuf_puts(out, rule->num_clients > 1 ? "      sent by " : "; sent by ");
        report_clients(out, rule);
    }
    end_line(out, INDENT);
    if (r->with->verbose) {
        size_t start = out->len;
        strbuf_puts(out, info->explanation);
        wrap(out, start, "        ", WIDTH);
    }
}

static strbuf *put_label(report *r, const char *label)
{
    strbuf *out = output_text(r->output);
    size_t start = out->len;

    strbuf_puts(out, "  ");
    strbuf_puts(out, label);
    strbuf_pad(out, start, 2 + LABEL_WIDTH);
    return out;
}

static void put_part(strbuf *out, bool *first, uint64_t count, const char *what)
{
    if (count == 0) {
        return;
    }
    if (!*first) {
        strbuf_puts(out, ", ");
    }
    *first = false;
    strbuf_count(out, count);
    strbuf_char(out, ' ');
    /* The singular of "queries" or "errors" for a count of 1. Method names such as get_peers stay unchanged. */
    size_t len = strcspn(what, " ");
    bool is_name = memchr(what, '_', len) != NULL;
    if (count == 1 && len > 3 && !is_name && memcmp(what + len - 3, "ies", 3) == 0) {
        strbuf_put(out, what, len - 3);
        strbuf_char(out, 'y');
        strbuf_puts(out, what + len);
    } else if (count == 1 && len > 3 && !is_name && what[len - 1] == 's' && what[len - 2] != 's') {
        strbuf_put(out, what, len - 1);
        strbuf_puts(out, what + len);
    } else {
        strbuf_puts(out, what);
    }
}

/* "2 in an encapsulation that is not read (ESP)" */
static void put_unread(strbuf *out, bool *first, const run_counts *counts)
{
    uint64_t num_unread = run_counts_unread(counts);
    const char *separator = " (";

    if (num_unread == 0) {
        return;
    }
    put_part(out, first, num_unread, "in an encapsulation that is not read");
    for (unsigned i = 0; i < FRAME_NUM_UNREAD; i++) {
        if (counts->unread[i] > 0) {
            strbuf_puts(out, separator);
            strbuf_puts(out, frame_unread_text((frame_unread)i));
            separator = ", ";
        }
    }
    strbuf_char(out, ')');
}

static void put_packets(report *r)
{
    const run_counts *counts = &r->sum.counts;
    strbuf *out = put_label(r, "packets");
    bool first = true;

    if (counts->packets == 0) {
        strbuf_puts(out, "none\n");
        return;
    }
    strbuf_count(out, counts->packets);
    if (r->sum.duration_ns > 0) {
        strbuf_printf(out, " in %.1f s", (double)r->sum.duration_ns / 1e9);
    }
    if (r->with->merge && r->with->num_args > 1) {
        strbuf_puts(out, " of the merged captures");
    } else if (r->with->num_args > 1) {
        strbuf_printf(out, " of %u capture%s", r->sum.num_files, r->sum.num_files == 1 ? "" : "s");
    }
    strbuf_puts(out, ": ");
    put_part(out, &first, counts->udp, "UDP");
    put_part(out, &first, counts->tcp, "TCP");
    put_part(out, &first, counts->icmp, "ICMP");
    put_part(out, &first, counts->fragments, "fragments");
    put_part(out, &first, counts->other, "other");
    put_part(out, &first, counts->filtered, "filtered out");
    put_unread(out, &first, counts);
    put_part(out, &first, counts->cut, "cut too short");
    put_part(out, &first, counts->malformed, "malformed");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_messages(report *r)
{
    const tracker_stats *stats = &r->sum.stats;
    uint64_t queries = 0;
    bool first = true;

    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        queries += stats->queries[i];
    }
    strbuf *out = put_label(r, "DHT");
    if (r->sum.counts.krpc == 0) {
        strbuf_puts(out, "no messages\n");
        return;
    }
    strbuf_count(out, r->sum.counts.krpc);
    strbuf_puts(out, r->sum.counts.krpc == 1 ? " message: " : " messages: ");
    put_part(out, &first, queries, "queries");
    put_part(out, &first, stats->responses, "responses");
    put_part(out, &first, stats->errors, "errors");
    put_part(out, &first, stats->others, "without a type");
    put_part(out, &first, stats->unanswered, "queries unanswered");
    end_line(out, 2 + LABEL_WIDTH);
    if (queries == 0) {
        return;
    }
    out = put_label(r, "queries");
    first = true;
    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        put_part(out, &first, stats->queries[i],
                 i == KRPC_METHOD_NONE ? "without a name" : krpc_method_name((krpc_method)i));
    }
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_peers(report *r)
{
    const tracker_stats *stats = &r->sum.stats;
    bool first = true;

    if (stats->peerwire_messages == 0) {
        return;
    }
    strbuf *out = put_label(r, "peers");
    put_part(out, &first, stats->peerwire_messages, "peer wire messages");
    put_part(out, &first, stats->port_messages_tcp, "PORT over TCP");
    put_part(out, &first, stats->port_messages_utp, "PORT over uTP");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_clients(report *r)
{
    totals_client clients[TOTALS_VERSIONS];
    unsigned num_clients = totals_clients(&r->sum, clients);

    if (num_clients == 0) {
        return;
    }
    strbuf *out = put_label(r, "clients");
    strbuf_puts(out, "messages from ");
    for (unsigned i = 0; i < MIN(num_clients, SHOWN_CLIENTS); i++) {
        if (i > 0) {
            strbuf_puts(out, ", ");
        }
        strbuf_puts(out, clients[i].len > 0 ? client_name(clients[i].version, clients[i].len) : "unknown");
        strbuf_puts(out, " (");
        strbuf_count(out, clients[i].count);
        strbuf_char(out, ')');
    }
    if (num_clients > SHOWN_CLIENTS) {
        strbuf_printf(out, " and %u more", num_clients - SHOWN_CLIENTS);
    }
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_node_totals(report *r)
{
    const totals *sum = &r->sum;
    strbuf *out = put_label(r, "nodes");
    bool first = true;

    if (sum->num_nodes == 0) {
        strbuf_puts(out, "none");
    } else {
        strbuf_count(out, sum->num_nodes);
    }
    if (sum->num_natted > 0) {
        strbuf_puts(out, ", ");
        strbuf_count(out, sum->num_natted);
        strbuf_puts(out, " behind a NAT or advertising another port");
    }
    if (sum->nat_port[TRACKER_PORT_UNKNOWN] < sum->num_nodes) {
        strbuf_puts(out, "; source port ");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_PRESERVED], "preserved");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_REWRITTEN], "rewritten");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_MIXED], "mixed");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_UNKNOWN], "unknown");
    }
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_adverts(report *r)
{
    bool labelled = false;

    for (unsigned channel = 0; channel < KRPC_NUM_CHANNELS; channel++) {
        const uint64_t *verdicts = r->sum.adverts[channel];
        uint64_t sum = 0;
        bool first = true;

        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            sum += verdicts[i];
        }
        if (sum == 0) {
            continue;
        }
        strbuf *out = put_label(r, labelled ? "" : "advertised");
        size_t start = out->len;
        labelled = true;
        strbuf_puts(out, krpc_channel_get((krpc_channel)channel)->name);
        strbuf_pad(out, start, 14);
        strbuf_count(out, sum);
        strbuf_pad(out, start, 21);
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            bool bad = i == TRACKER_VERDICT_MISMATCH || i == TRACKER_VERDICT_SWAPPED || i == TRACKER_VERDICT_INVALID;
            color_begin(out, r->with->color && bad && verdicts[i] > 0, COLOR_RED);
            put_part(out, &first, verdicts[i], tracker_verdict_name((tracker_verdict)i));
            color_end(out, r->with->color && bad && verdicts[i] > 0);
        }
        end_line(out, 2 + LABEL_WIDTH);
    }
    if (!labelled) {
        return;
    }
    strbuf *out = put_label(r, "outcome");
    bool first = true;
    put_part(out, &first, r->sum.later[TRACKER_LATER_HONOURED], "honoured");
    put_part(out, &first, r->sum.later[TRACKER_LATER_NOT_HONOURED], "not honoured");
    put_part(out, &first, r->sum.later[TRACKER_LATER_DEAD], "not answered");
    put_part(out, &first, r->sum.later[TRACKER_LATER_OTHER_NODE], "answered by another node");
    put_part(out, &first, r->sum.later[TRACKER_LATER_UNKNOWN], "not used");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_dropped(report *r)
{
    const tracker_stats *stats = &r->sum.stats;
    uint64_t sum = totals_dropped(&r->sum) + r->sum.counts.fragments_lost;
    bool first = true;

    if (sum == 0) {
        return;
    }
    strbuf *out = put_label(r, "dropped");
    put_part(out, &first, stats->dropped_nodes, "nodes (see --max-nodes)");
    put_part(out, &first, stats->dropped_transactions, "queries");
    put_part(out, &first, stats->dropped_facts, "nodes' outside ports");
    put_part(out, &first, stats->dropped_adverts, "advertisements");
    put_part(out, &first, stats->dropped_streams, "streams");
    put_part(out, &first, stats->dropped_items, "BEP 44 items");
    put_part(out, &first, r->sum.counts.fragments_lost, "datagrams whose fragments are incomplete");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_found(report *r)
{
    strbuf *out = put_label(r, "findings");
    bool first = true;

    put_part(out, &first, r->sum.findings[KRPC_SEVERITY_ERROR], "errors");
    put_part(out, &first, r->sum.findings[KRPC_SEVERITY_WARN], "warnings");
    put_part(out, &first, r->sum.findings[KRPC_SEVERITY_NOTE], "notes");
    strbuf_puts(out, first ? "none\n" : "\n");
}

void report_node_texts(strbuf *out, const report *r)
{
    if (r->sum.node_texts.len == 0) {
        return;
    }
    strbuf_put(out, r->sum.node_texts.data, r->sum.node_texts.len);
    if (r->sum.num_natted > TOTALS_NODE_TEXTS) {
        strbuf_printf(out, "  ... and %" G_GUINT64_FORMAT " more: krpcscope nodes\n",
                      r->sum.num_natted - TOTALS_NODE_TEXTS);
    }
}

static void text_end(report *r)
{
    krpc_rule order[KRPC_NUM_RULES];
    unsigned num_rules = totals_order(&r->sum, order);
    strbuf *out = output_text(r->output);

    for (unsigned i = 0; i < num_rules; i++) {
        put_rule(r, order[i]);
    }
    if (num_rules > 0) {
        strbuf_puts(out, "\n");
    }
    color_puts(out, r->with->color, COLOR_BOLD, "Summary");
    if (r->with->num_args == 1) {
        strbuf_puts(out, " of ");
        put_name(out, r, 0);
    }
    strbuf_puts(out, r->partial ? " (incomplete: interrupted)\n" : "\n");
    put_packets(r);
    put_messages(r);
    put_peers(r);
    put_clients(r);
    put_node_totals(r);
    put_adverts(r);
    put_dropped(r);
    put_found(r);
    report_node_texts(output_text(r->output), r);
}

const report_format report_text = {.end = text_end};

static void each_finding(report *r, const run_packet *packet, const krpc_finding *finding)
{
    strbuf *out = output_text(r->output);
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];
    unsigned file;

    uint32_t frame = run_frame(r->run, packet->where.frame, &file);
    run_finding_text(r->run, line, sizeof line, finding, packet->data, packet->len);
    const char *name = run_file_name(r->run, file);
    strbuf_printable(out, name, strlen(name));
    strbuf_printf(out, ":%u:%u: ", frame, finding->off);
    color_puts(out, r->with->color, color_of_severity(info->severity), krpc_severity_name(info->severity));
    strbuf_printf(out, ": %s: %s\n", info->slug, line);
}

const report_format report_each = {.finding = each_finding};
