/* metrics.c: see metrics.h. Names and units are those of https://prometheus.io/docs/practices/naming/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/metrics.h"

#include <inttypes.h>

#include "output/output.h"

void metrics_add(metrics *to, tracker *from, const run_counts *counts)
{
    uint32_t num_nodes = tracker_num_nodes(from);
    tracker_stats stats;
    tracker_node node;

    tracker_stats_get(from, &stats);
    run_counts_add(&to->counts, counts);
    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        to->queries[i] += stats.queries[i];
    }
    for (unsigned i = 0; i < KRPC_NUM_CHANNELS; i++) {
        to->adverts[i] += stats.adverts[i];
    }
    to->responses += stats.responses;
    to->errors += stats.errors;
    to->matched += stats.matched;
    to->unanswered += stats.unanswered;
    to->dropped_nodes += stats.dropped_nodes;
    to->dropped_transactions += stats.dropped_transactions;
    to->dropped_facts += stats.dropped_facts;
    to->dropped_adverts += stats.dropped_adverts;
    to->dropped_streams += stats.dropped_streams;
    to->dropped_items += stats.dropped_items;
    to->memory = stats.memory;
    for (uint32_t i = 0; i < num_nodes; i++) {
        if (tracker_node_get(from, i, &node)) {
            to->port[node.nat.port]++;
            to->mapping[node.nat.mapping]++;
            to->filtering[node.nat.filtering]++;
            to->reach[node.reach.verdict]++;
        }
    }
}

static void put_head(strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_printf(out, "# HELP krpcscope_%s %s\n# TYPE krpcscope_%s %s\n", name, help, name, type);
}

static void put_value(strbuf *out, const char *name, const char *label, const char *value, uint64_t number)
{
    strbuf_printf(out, "krpcscope_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, number);
}

static void put_single(strbuf *out, const char *name, const char *type, const char *help, uint64_t number)
{
    put_head(out, name, type, help);
    strbuf_printf(out, "krpcscope_%s %" PRIu64 "\n", name, number);
}

static void put_packets(strbuf *out, const metrics *m)
{
    const run_counts *c = &m->counts;

    put_single(out, "packets_total", "counter", "Packets that were read.", c->packets);
    put_head(out, "packets_by_kind_total", "counter", "Packets that were read, by what they carry.");
    put_value(out, "packets_by_kind_total", "kind", "udp", c->udp);
    put_value(out, "packets_by_kind_total", "kind", "tcp", c->tcp);
    put_value(out, "packets_by_kind_total", "kind", "icmp", c->icmp);
    put_value(out, "packets_by_kind_total", "kind", "fragment", c->fragments);
    put_value(out, "packets_by_kind_total", "kind", "other", c->other);
    put_value(out, "packets_by_kind_total", "kind", "unread", run_counts_unread(c));
    put_value(out, "packets_by_kind_total", "kind", "cut", c->cut);
    put_value(out, "packets_by_kind_total", "kind", "malformed", c->malformed);
    put_value(out, "packets_by_kind_total", "kind", "filtered", c->filtered);
    put_head(out, "unread_packets_total", "counter", "Packets in an encapsulation that is not read.");
    for (unsigned i = 0; i < FRAME_NUM_UNREAD; i++) {
        put_value(out, "unread_packets_total", "encapsulation", frame_unread_name((frame_unread)i), c->unread[i]);
    }
    put_head(out, "last_packet_timestamp_seconds", "gauge", "Time of the last packet.");
    strbuf_printf(out, "krpcscope_last_packet_timestamp_seconds %.6f\n", (double)c->last_ns / 1e9);
}

static void put_messages(strbuf *out, const metrics *m)
{
    put_single(out, "messages_total", "counter", "KRPC messages.", m->counts.krpc);
    put_head(out, "queries_total", "counter", "Queries, by method.");
    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        put_value(out, "queries_total", "method", i == KRPC_METHOD_NONE ? "none" : krpc_method_name((krpc_method)i),
                  m->queries[i]);
    }
    put_single(out, "responses_total", "counter", "Responses.", m->responses);
    put_single(out, "errors_total", "counter", "Error messages.", m->errors);
    put_single(out, "matched_total", "counter", "Responses and errors whose query was captured.", m->matched);
    put_single(out, "unanswered_total", "counter", "Queries without a response within 15 seconds.", m->unanswered);
    put_head(out, "adverts_total", "counter", "Ports that nodes advertised for themselves, by channel.");
    for (unsigned i = 0; i < KRPC_NUM_CHANNELS; i++) {
        const krpc_channel_info *info = krpc_channel_get((krpc_channel)i);
        if (info->whose == KRPC_WHOSE_SENDER) {
            put_value(out, "adverts_total", "channel", info->name, m->adverts[i]);
        }
    }
    put_head(out, "findings_total", "counter", "Findings, by rule.");
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        const krpc_rule_info *info = krpc_rule_get((krpc_rule)i);
        strbuf_printf(out, "krpcscope_findings_total{rule=\"%s\",severity=\"%s\"} %" PRIu64 "\n", info->slug,
                      krpc_severity_name(info->severity), m->findings[i]);
    }
}

static void put_nodes(strbuf *out, const metrics *m)
{
    put_head(out, "nodes", "gauge", "Nodes, by what a NAT does to their port.");
    for (unsigned i = 0; i < TRACKER_NUM_PORT; i++) {
        put_value(out, "nodes", "port", tracker_port_name((tracker_port)i), m->port[i]);
    }
    put_head(out, "nodes_by_mapping", "gauge", "Nodes, by the mapping of their NAT.");
    for (unsigned i = 0; i < TRACKER_NUM_MAPPING; i++) {
        put_value(out, "nodes_by_mapping", "mapping", tracker_mapping_name((tracker_mapping)i), m->mapping[i]);
    }
    put_head(out, "nodes_by_filtering", "gauge", "Nodes, by the filtering of their NAT.");
    for (unsigned i = 0; i < TRACKER_NUM_FILTERING; i++) {
        put_value(out, "nodes_by_filtering", "filtering", tracker_filtering_name((tracker_filtering)i),
                  m->filtering[i]);
    }
    put_head(out, "nodes_by_reachability", "gauge", "Nodes, by whether others can reach them.");
    for (unsigned i = 0; i < TRACKER_NUM_REACH; i++) {
        put_value(out, "nodes_by_reachability", "reachability", tracker_reach_name((tracker_reach)i), m->reach[i]);
    }
}

static void put_dropped(strbuf *out, const metrics *m)
{
    put_head(out, "dropped_total", "counter", "Records that were dropped because a table was full.");
    put_value(out, "dropped_total", "table", "nodes", m->dropped_nodes);
    put_value(out, "dropped_total", "table", "transactions", m->dropped_transactions);
    put_value(out, "dropped_total", "table", "facts", m->dropped_facts);
    put_value(out, "dropped_total", "table", "adverts", m->dropped_adverts);
    put_value(out, "dropped_total", "table", "streams", m->dropped_streams);
    put_value(out, "dropped_total", "table", "items", m->dropped_items);
    put_value(out, "dropped_total", "table", "fragments", m->counts.fragments_lost);
    put_single(out, "tables_bytes", "gauge", "Memory of the tables.", m->memory);
}

bool metrics_write(const metrics *of, const char *path)
{
    output *to = output_new(path);

    if (to == NULL) {
        return false;
    }
    put_packets(output_text(to), of);
    put_messages(output_text(to), of);
    put_nodes(output_text(to), of);
    put_dropped(output_text(to), of);
    return output_close(to);
}
