/* report_ndjson.c: one record for each finding, and a summary at the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include "report/json_record.h"

static void ndjson_finding(report *r, const run_packet *packet, const krpc_finding *finding)
{
    json_record_finding(output_text(r->output), r->run, packet, finding, packet->data, packet->len);
}

/* A member of an object, after a comma unless it is the first. */
static void put_count(strbuf *out, bool *first, const char *key, uint64_t count)
{
    if (!*first) {
        strbuf_char(out, ',');
    }
    *first = false;
    strbuf_json(out, key, strlen(key));
    strbuf_char(out, ':');
    strbuf_uint(out, count);
}

static void put_packets(strbuf *out, const run_counts *counts)
{
    bool first = true;

    strbuf_puts(out, ",\"packets\":{");
    put_count(out, &first, "total", counts->packets);
    put_count(out, &first, "udp", counts->udp);
    put_count(out, &first, "tcp", counts->tcp);
    put_count(out, &first, "icmp", counts->icmp);
    put_count(out, &first, "fragments", counts->fragments);
    put_count(out, &first, "other", counts->other);
    put_count(out, &first, "filtered", counts->filtered);
    put_count(out, &first, "unsupported", run_counts_unread(counts));
    put_count(out, &first, "cut", counts->cut);
    put_count(out, &first, "malformed", counts->malformed);
    strbuf_puts(out, "},\"unread\":{");
    first = true;
    for (unsigned i = 0; i < FRAME_NUM_UNREAD; i++) {
        if (counts->unread[i] > 0) {
            put_count(out, &first, frame_unread_name((frame_unread)i), counts->unread[i]);
        }
    }
    strbuf_char(out, '}');
}

static void put_messages(strbuf *out, const totals *sum)
{
    const tracker_stats *stats = &sum->stats;
    uint64_t queries = 0;
    bool first = true;

    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        queries += stats->queries[i];
    }
    strbuf_puts(out, ",\"messages\":{");
    put_count(out, &first, "total", sum->counts.krpc);
    put_count(out, &first, "queries", queries);
    put_count(out, &first, "responses", stats->responses);
    put_count(out, &first, "errors", stats->errors);
    put_count(out, &first, "others", stats->others);
    put_count(out, &first, "matched", stats->matched);
    put_count(out, &first, "unanswered", stats->unanswered);
    put_count(out, &first, "peerwire", stats->peerwire_messages);
    put_count(out, &first, "port_messages_tcp", stats->port_messages_tcp);
    put_count(out, &first, "port_messages_utp", stats->port_messages_utp);
    put_count(out, &first, "quoted", stats->quoted);
    strbuf_puts(out, "},\"queries\":{");
    first = true;
    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        if (stats->queries[i] > 0) {
            put_count(out, &first, i == KRPC_METHOD_NONE ? "none" : krpc_method_name((krpc_method)i),
                      stats->queries[i]);
        }
    }
    strbuf_char(out, '}');
}

static void put_clients(strbuf *out, const totals *sum)
{
    totals_client clients[TOTALS_VERSIONS];
    unsigned num_clients = totals_clients(sum, clients);
    bool first = true;

    strbuf_puts(out, ",\"clients\":{");
    for (unsigned i = 0; i < num_clients; i++) {
        put_count(out, &first, client_name(clients[i].version, clients[i].len), clients[i].count);
    }
    if (sum->other_messages > 0) {
        put_count(out, &first, "others", sum->other_messages);
    }
    strbuf_char(out, '}');
}

static void put_findings(strbuf *out, const totals *sum)
{
    krpc_rule order[KRPC_NUM_RULES];
    unsigned num_rules = totals_order(sum, order);
    bool first = true;

    strbuf_puts(out, ",\"findings\":{");
    for (unsigned i = 0; i < num_rules; i++) {
        put_count(out, &first, krpc_rule_get(order[i])->slug, sum->rules[order[i]]->count);
    }
    strbuf_puts(out, "},\"severities\":{");
    first = true;
    for (int i = KRPC_SEVERITY_NOTE; i <= (int)KRPC_SEVERITY_ERROR; i++) {
        put_count(out, &first, krpc_severity_name((krpc_severity)i), sum->findings[i]);
    }
    strbuf_char(out, '}');
}

static void put_adverts(strbuf *out, const totals *sum)
{
    bool first_channel = true;
    bool first = true;

    strbuf_puts(out, ",\"adverts\":{");
    for (unsigned channel = 0; channel < KRPC_NUM_CHANNELS; channel++) {
        bool any = false;
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            any = any || sum->adverts[channel][i] > 0;
        }
        if (!any) {
            continue;
        }
        strbuf_puts(out, first_channel ? "\"" : ",\"");
        first_channel = false;
        strbuf_puts(out, krpc_channel_get((krpc_channel)channel)->name);
        strbuf_puts(out, "\":{");
        first = true;
        for (unsigned i = 0; i < TRACKER_NUM_VERDICTS; i++) {
            if (sum->adverts[channel][i] > 0) {
                put_count(out, &first, tracker_verdict_name((tracker_verdict)i), sum->adverts[channel][i]);
            }
        }
        strbuf_char(out, '}');
    }
    strbuf_puts(out, "},\"honoured\":{");
    first = true;
    for (unsigned i = 0; i < TRACKER_NUM_LATER; i++) {
        put_count(out, &first, tracker_later_name((tracker_later)i), sum->later[i]);
    }
    strbuf_char(out, '}');
}

static void put_node_totals(strbuf *out, const totals *sum)
{
    bool first = true;

    strbuf_puts(out, ",\"nodes\":{");
    put_count(out, &first, "total", sum->num_nodes);
    put_count(out, &first, "natted", sum->num_natted);
    strbuf_puts(out, ",\"port\":{");
    first = true;
    for (unsigned i = 0; i < TRACKER_NUM_PORT; i++) {
        put_count(out, &first, tracker_port_name((tracker_port)i), sum->nat_port[i]);
    }
    strbuf_puts(out, "},\"mapping\":{");
    first = true;
    for (unsigned i = 0; i < TRACKER_NUM_MAPPING; i++) {
        put_count(out, &first, tracker_mapping_name((tracker_mapping)i), sum->nat_mapping[i]);
    }
    strbuf_puts(out, "}}");
}

static void put_dropped(strbuf *out, const totals *sum)
{
    bool first = true;

    strbuf_puts(out, totals_dropped(sum) == 0 ? ",\"exact\":true" : ",\"exact\":false");
    strbuf_puts(out, ",\"dropped\":{");
    put_count(out, &first, "nodes", sum->stats.dropped_nodes);
    put_count(out, &first, "transactions", sum->stats.dropped_transactions);
    put_count(out, &first, "facts", sum->stats.dropped_facts);
    put_count(out, &first, "adverts", sum->stats.dropped_adverts);
    put_count(out, &first, "streams", sum->stats.dropped_streams);
    put_count(out, &first, "items", sum->stats.dropped_items);
    put_count(out, &first, "fragmented", sum->counts.fragments_lost);
    strbuf_char(out, '}');
}

static void ndjson_end(report *r)
{
    strbuf *out = output_text(r->output);
    const totals *sum = &r->sum;

    strbuf_puts(out, "{\"type\":\"summary\",\"files\":[");
    for (unsigned i = 0; i < r->with->num_args; i++) {
        if (i > 0) {
            strbuf_char(out, ',');
        }
        strbuf_json_name(out, r->with->args[i]);
    }
    strbuf_printf(out, "],\"files_read\":%u,\"partial\":%s,\"duration_s\":%.6f", sum->num_files,
                  r->partial ? "true" : "false", (double)sum->duration_ns / 1e9);
    put_packets(out, &sum->counts);
    put_messages(out, sum);
    put_clients(out, sum);
    put_findings(out, sum);
    put_node_totals(out, sum);
    put_adverts(out, sum);
    put_dropped(out, sum);
    strbuf_puts(out, "}\n");
}

const report_format report_ndjson = {.finding = ndjson_finding, .end = ndjson_end};
