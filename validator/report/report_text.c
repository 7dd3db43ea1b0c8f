/* report_text.c: findings by rule and a summary, for people; and a line a finding, for editors.
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
#define INDENT        6 /* of what is said about a rule */
#define WIDTH         100

/* The run is over when reports are written. */
static void put_name(text *out, const check *c, unsigned file)
{
    const char *name = c->with->args[file];

    if (strcmp(name, "-") == 0) {
        name = "standard input";
    }
    text_printable(out, name, strlen(name));
}

void report_frames(text *out, const check *c, const tally_rule *rule)
{
    for (unsigned i = 0; i < rule->num_frames; i++) {
        tally_frame frame = rule->frames[i];
        if (i > 0) {
            text_puts(out, ", ");
        }
        if (c->with->num_args > 1 && (i == 0 || frame.file != rule->frames[i - 1].file)) {
            put_name(out, c, frame.file);
            text_char(out, ':');
        }
        text_uint(out, frame.frame);
    }
    if (rule->more_frames) {
        text_puts(out, ", ...");
    }
}

/* As a terminal counts them: colours take no room. */
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

/* Up to the next place where a line may be broken: behind the blank that follows a comma or a semicolon. */
static size_t part_len(const char *at, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (at[i] == ' ' && (at[i - 1] == ',' || at[i - 1] == ';')) {
            return i + 1;
        }
    }
    return len;
}

/* Ends a line. Where it is too long, the rest goes to lines of its own, behind indent blanks. */
static void end_line(text *out, size_t indent)
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
            text_char(out, '\n');
            text_pad(out, out->len, indent);
            column = indent;
        }
        text_put(out, line + at, part);
        column += width;
    }
    text_char(out, '\n');
    g_free(line);
}

bool report_knows_clients(const tally_rule *rule)
{
    return rule->num_clients > 1 || rule->clients[0].len > 0;
}

void report_clients(text *out, const tally_rule *rule)
{
    tally_client by_count[TALLY_CLIENTS];

    for (unsigned i = 0; i < rule->num_clients; i++) {
        unsigned at = i;
        for (; at > 0 && by_count[at - 1].count < rule->clients[i].count; at--) {
            by_count[at] = by_count[at - 1];
        }
        by_count[at] = rule->clients[i];
    }
    for (unsigned i = 0; i < rule->num_clients; i++) {
        text_printf(out, "%s%s (", i > 0 ? ", " : "", record_client(by_count[i].version, by_count[i].len));
        text_count(out, by_count[i].count);
        text_char(out, ')');
    }
    if (rule->other_clients > 0) {
        text_puts(out, ", others (");
        text_count(out, rule->other_clients);
        text_char(out, ')');
    }
}

static void put_rule(check *c, krpc_rule which)
{
    text *out = output_text(c->output);
    bool color = c->with->color;
    const krpc_rule_info *info = krpc_rule_get(which);
    const tally_rule *rule = c->sum.rules[which];

    const char *severity = krpc_severity_name(info->severity);
    style_puts(out, color, style_of_severity(info->severity), severity);
    text_printf(out, "%*s", (int)(6 - strlen(severity)), "");
    size_t slug = out->len;
    style_puts(out, color, STYLE_BOLD, info->slug);
    text_pad(out, slug, 34 + (color ? strlen("\033[1m\033[0m") : 0));
    text_count(out, rule->count);
    text_printf(out, rule->count == 1 ? " time   %s\n" : " times  %s\n", info->spec);
    text_printf(out, "      %s%s\n", rule->count > 1 ? "such as: " : "", rule->example);
    text_puts(out, rule->num_frames == 1 ? "      frame " : "      frames ");
    report_frames(out, c, rule);
    if (report_knows_clients(rule)) {
        if (rule->num_clients > 1) {
            end_line(out, INDENT);
        }
        text_puts(out, rule->num_clients > 1 ? "      sent by " : "; sent by ");
        report_clients(out, rule);
    }
    end_line(out, INDENT);
    if (c->with->verbose) {
        size_t start = out->len;
        text_puts(out, info->explanation);
        wrap(out, start, "        ", WIDTH);
    }
}

static text *put_label(check *c, const char *label)
{
    text *out = output_text(c->output);
    size_t start = out->len;

    text_puts(out, "  ");
    text_puts(out, label);
    text_pad(out, start, 2 + LABEL_WIDTH);
    return out;
}

static void put_part(text *out, bool *first, uint64_t count, const char *what)
{
    if (count == 0) {
        return;
    }
    if (!*first) {
        text_puts(out, ", ");
    }
    *first = false;
    text_count(out, count);
    text_char(out, ' ');
    /* "queries", "errors": one of them is less. The names of queries, get_peers, stay what they are. */
    size_t len = strcspn(what, " ");
    bool is_name = memchr(what, '_', len) != NULL;
    if (count == 1 && len > 3 && !is_name && memcmp(what + len - 3, "ies", 3) == 0) {
        text_put(out, what, len - 3);
        text_char(out, 'y');
        text_puts(out, what + len);
    } else if (count == 1 && len > 3 && !is_name && what[len - 1] == 's' && what[len - 2] != 's') {
        text_put(out, what, len - 1);
        text_puts(out, what + len);
    } else {
        text_puts(out, what);
    }
}

static void put_packets(check *c)
{
    const run_counts *counts = &c->sum.counts;
    text *out = put_label(c, "packets");
    bool first = true;

    if (counts->packets == 0) {
        text_puts(out, "none\n");
        return;
    }
    text_count(out, counts->packets);
    if (c->sum.duration_ns > 0) {
        text_printf(out, " in %.1f s", (double)c->sum.duration_ns / 1e9);
    }
    if (c->with->merge && c->with->num_args > 1) {
        text_puts(out, " of the captures, taken as one");
    } else if (c->with->num_args > 1) {
        text_printf(out, " of %u capture%s", c->sum.num_files, c->sum.num_files == 1 ? "" : "s");
    }
    text_puts(out, ": ");
    put_part(out, &first, counts->udp, "UDP");
    put_part(out, &first, counts->tcp, "TCP");
    put_part(out, &first, counts->icmp, "ICMP");
    put_part(out, &first, counts->fragments, "fragments");
    put_part(out, &first, counts->other, "other");
    put_part(out, &first, counts->filtered, "filtered out");
    put_part(out, &first, counts->unsupported, "of a link type that is not supported");
    put_part(out, &first, counts->cut, "cut too short");
    put_part(out, &first, counts->malformed, "malformed");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_messages(check *c)
{
    const tracker_stats *stats = &c->sum.stats;
    uint64_t queries = 0;
    bool first = true;

    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        queries += stats->queries[i];
    }
    text *out = put_label(c, "DHT");
    if (c->sum.counts.krpc == 0) {
        text_puts(out, "no messages\n");
        return;
    }
    text_count(out, c->sum.counts.krpc);
    text_puts(out, c->sum.counts.krpc == 1 ? " message: " : " messages: ");
    put_part(out, &first, queries, "queries");
    put_part(out, &first, stats->responses, "responses");
    put_part(out, &first, stats->errors, "errors");
    put_part(out, &first, stats->others, "of no type");
    put_part(out, &first, stats->unanswered, "queries unanswered");
    end_line(out, 2 + LABEL_WIDTH);
    if (queries == 0) {
        return;
    }
    out = put_label(c, "queries");
    first = true;
    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        put_part(out, &first, stats->queries[i],
                 i == KRPC_METHOD_NONE ? "without a name" : krpc_method_name((krpc_method)i));
    }
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_peers(check *c)
{
    const tracker_stats *stats = &c->sum.stats;
    bool first = true;

    if (stats->peerwire_messages == 0) {
        return;
    }
    text *out = put_label(c, "peers");
    put_part(out, &first, stats->peerwire_messages, "peer wire messages");
    put_part(out, &first, stats->port_messages_tcp, "PORT over TCP");
    put_part(out, &first, stats->port_messages_utp, "PORT over uTP");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_clients(check *c)
{
    tally_client clients[TALLY_VERSIONS];
    unsigned num_clients = tally_clients(&c->sum, clients);

    if (num_clients == 0) {
        return;
    }
    text *out = put_label(c, "clients");
    text_puts(out, "messages from ");
    for (unsigned i = 0; i < MIN(num_clients, SHOWN_CLIENTS); i++) {
        if (i > 0) {
            text_puts(out, ", ");
        }
        text_puts(out, clients[i].len > 0 ? record_client(clients[i].version, clients[i].len) : "unknown");
        text_puts(out, " (");
        text_count(out, clients[i].count);
        text_char(out, ')');
    }
    if (num_clients > SHOWN_CLIENTS) {
        text_printf(out, " and %u more", num_clients - SHOWN_CLIENTS);
    }
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_nodes(check *c)
{
    const tally *sum = &c->sum;
    text *out = put_label(c, "nodes");
    bool first = true;

    if (sum->num_nodes == 0) {
        text_puts(out, "none");
    } else {
        text_count(out, sum->num_nodes);
    }
    if (sum->num_natted > 0) {
        text_puts(out, ", of which ");
        text_count(out, sum->num_natted);
        text_puts(out, sum->num_natted == 1 ? " is not where it seems" : " are not where they seem");
    }
    if (sum->nat_port[TRACKER_PORT_UNKNOWN] < sum->num_nodes) {
        text_puts(out, "; source port ");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_PRESERVED], "preserved");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_REWRITTEN], "rewritten");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_MIXED], "mixed");
        put_part(out, &first, sum->nat_port[TRACKER_PORT_UNKNOWN], "unknown");
    }
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_adverts(check *c)
{
    bool labelled = false;

    for (unsigned channel = 0; channel < KRPC_NUM_CHANNELS; channel++) {
        const uint64_t *verdicts = c->sum.adverts[channel];
        uint64_t sum = 0;
        bool first = true;

        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            sum += verdicts[i];
        }
        if (sum == 0) {
            continue;
        }
        text *out = put_label(c, labelled ? "" : "ports said");
        size_t start = out->len;
        labelled = true;
        text_puts(out, krpc_channel_get((krpc_channel)channel)->name);
        text_pad(out, start, 14);
        text_count(out, sum);
        text_pad(out, start, 21);
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            bool bad = i == TRACKER_VERDICT_MISMATCH || i == TRACKER_VERDICT_SWAPPED || i == TRACKER_VERDICT_INVALID;
            style_begin(out, c->with->color && bad && verdicts[i] > 0, STYLE_RED);
            put_part(out, &first, verdicts[i], tracker_verdict_name((tracker_verdict)i));
            style_end(out, c->with->color && bad && verdicts[i] > 0);
        }
        end_line(out, 2 + LABEL_WIDTH);
    }
    if (!labelled) {
        return;
    }
    text *out = put_label(c, "and then");
    bool first = true;
    put_part(out, &first, c->sum.later[TRACKER_LATER_HONOURED], "honoured");
    put_part(out, &first, c->sum.later[TRACKER_LATER_NOT_HONOURED], "not honoured");
    put_part(out, &first, c->sum.later[TRACKER_LATER_DEAD], "led to a dead port");
    put_part(out, &first, c->sum.later[TRACKER_LATER_OTHER_NODE], "led to another node");
    put_part(out, &first, c->sum.later[TRACKER_LATER_UNKNOWN], "not seen in use");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_dropped(check *c)
{
    const tracker_stats *stats = &c->sum.stats;
    uint64_t sum = stats->dropped_nodes + stats->dropped_transactions + stats->dropped_adverts +
                   stats->dropped_streams + c->sum.counts.fragments_lost;
    bool first = true;

    if (sum == 0) {
        return;
    }
    text *out = put_label(c, "dropped");
    put_part(out, &first, stats->dropped_nodes, "nodes (see --max-nodes)");
    put_part(out, &first, stats->dropped_transactions, "queries");
    put_part(out, &first, stats->dropped_adverts, "advertisements");
    put_part(out, &first, stats->dropped_streams, "streams");
    put_part(out, &first, c->sum.counts.fragments_lost, "datagrams whose fragments are incomplete");
    end_line(out, 2 + LABEL_WIDTH);
}

static void put_found(check *c)
{
    text *out = put_label(c, "findings");
    bool first = true;

    put_part(out, &first, c->sum.findings[KRPC_SEVERITY_ERROR], "errors");
    put_part(out, &first, c->sum.findings[KRPC_SEVERITY_WARN], "warnings");
    put_part(out, &first, c->sum.findings[KRPC_SEVERITY_NOTE], "notes");
    text_puts(out, first ? "none\n" : "\n");
}

void report_stories(text *out, const check *c)
{
    if (c->sum.stories.len == 0) {
        return;
    }
    text_put(out, c->sum.stories.data, c->sum.stories.len);
    if (c->sum.num_natted > TALLY_STORIES) {
        text_printf(out, "  ... and %" G_GUINT64_FORMAT " more: krpcscope nodes\n", c->sum.num_natted - TALLY_STORIES);
    }
}

static void text_end(check *c)
{
    krpc_rule order[KRPC_NUM_RULES];
    unsigned num_rules = tally_order(&c->sum, order);
    text *out = output_text(c->output);

    for (unsigned i = 0; i < num_rules; i++) {
        put_rule(c, order[i]);
    }
    if (num_rules > 0) {
        text_puts(out, "\n");
    }
    style_puts(out, c->with->color, STYLE_BOLD, "Summary");
    if (c->with->num_args == 1) {
        text_puts(out, " of ");
        put_name(out, c, 0);
    }
    text_puts(out, c->partial ? " (of a part: interrupted)\n" : "\n");
    put_packets(c);
    put_messages(c);
    put_peers(c);
    put_clients(c);
    put_nodes(c);
    put_adverts(c);
    put_dropped(c);
    put_found(c);
    report_stories(output_text(c->output), c);
}

const report report_text = {.end = text_end};

static void each_finding(check *c, const run_packet *packet, const krpc_finding *finding)
{
    text *out = output_text(c->output);
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];
    unsigned file;

    uint32_t frame = run_frame(c->run, packet->where.frame, &file);
    run_finding_text(c->run, line, sizeof line, finding, packet->data, packet->len);
    const char *name = run_file_name(c->run, file);
    text_printable(out, name, strlen(name));
    text_printf(out, ":%u:%u: ", frame, finding->off);
    style_puts(out, c->with->color, style_of_severity(info->severity), krpc_severity_name(info->severity));
    text_printf(out, ": %s: %s\n", info->slug, line);
}

const report report_each = {.finding = each_finding};
