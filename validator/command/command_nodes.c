/* command_nodes.c: a table of all nodes: ids, client, and what a NAT does to their port.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "command/command_visit.h"
#include "command/commands.h"
#include "input/run.h"
#include "input/selection.h"
#include "output/color.h"
#include "output/columns.h"
#include "output/output.h"
#include "report/advert_groups.h"
#include "report/host_text.h"
#include "report/json_record.h"
#include "report/message_text.h"

#define SHORT_CLIENT 20

typedef struct nodes {
    const options *with;
    output *output;
    advert_groups *groups;
    participants *about; /* for --info-hash */
    const char *name;
    bool headed;
} nodes;

static void nodes_begin(void *ctx, run *from, const char *name)
{
    nodes *n = ctx;

    (void)from;
    n->name = name;
    n->groups = advert_groups_new();
    n->about = participants_new(&n->with->selection);
}

static void nodes_message(void *ctx, const run_packet *packet, const krpc_message *message,
                          const tracker_result *result)
{
    nodes *n = ctx;

    participants_note(n->about, packet, message, result);
}

static void nodes_advert(void *ctx, const tracker_advert *advert)
{
    nodes *n = ctx;

    advert_groups_add(n->groups, advert);
}

/* The number of mappings: one for all destinations, or many. */
static const char *mapping_text(tracker_mapping mapping)
{
    switch (mapping) {
    case TRACKER_MAPPING_INDEPENDENT:
        return "one";
    case TRACKER_MAPPING_DEPENDENT:
        return "many";
    default:
        return "-";
    }
}

static void put_external(strbuf *out, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;

    if (nat->num_kept == 0) {
        strbuf_char(out, '-');
        return;
    }
    strbuf_endpoint(out, &nat->external[0].endpoint);
    if (nat->num_external > 1) {
        strbuf_printf(out, " +%u", nat->num_external - 1);
    }
}

/* Cuts between words only: a cut version would read as another version. */
static size_t short_len(const char *client)
{
    size_t len = strlen(client);

    if (len > SHORT_CLIENT) {
        for (len = SHORT_CLIENT; len > 0 && client[len] != ' '; len--) {
            continue;
        }
    }
    return len > 0 ? len : SHORT_CLIENT;
}

static void put_row(columns *rows, const tracker_node *node, bool verbose)
{
    const tracker_nat *nat = &node->nat;

    strbuf_endpoint(columns_cell(rows), &node->endpoint);
    const char *client = client_name(node->version, node->version_len);
    strbuf_put(columns_cell(rows), client, verbose ? strlen(client) : short_len(client));
    strbuf *out = columns_cell(rows);
    if (node->num_ids > 0) {
        message_text_id(out, node->ids[0]);
    } else {
        strbuf_char(out, '-');
    }
    if (node->num_ids > 1) {
        strbuf_printf(out, " +%u", node->num_ids - 1);
    }
    strbuf_uint(columns_cell(rows), (uint64_t)node->queries + node->responses + node->errors);
    if (verbose) {
        strbuf_uint(columns_cell(rows), node->queries);
        strbuf_uint(columns_cell(rows), (uint64_t)node->responses + node->errors);
        strbuf_uint(columns_cell(rows), node->queries_received);
    }
    strbuf_puts(columns_cell(rows), nat->port == TRACKER_PORT_UNKNOWN ? "-" : tracker_port_name(nat->port));
    columns_color(rows, nat->port == TRACKER_PORT_REWRITTEN || nat->port == TRACKER_PORT_MIXED ? COLOR_RED : NULL);
    strbuf_puts(columns_cell(rows), mapping_text(nat->mapping));
    columns_color(rows, nat->mapping == TRACKER_MAPPING_DEPENDENT ? COLOR_RED : NULL);
    strbuf_puts(columns_cell(rows),
                nat->addresses == TRACKER_ADDRESSES_UNKNOWN ? "-" : tracker_addresses_name(nat->addresses));
    columns_color(rows, nat->addresses == TRACKER_ADDRESSES_SEVERAL ? COLOR_RED : NULL);
    host_text_reach(columns_cell(rows), node);
    columns_color(rows, node->reach.verdict == TRACKER_REACH_REPLIES_ONLY ? COLOR_RED : NULL);
    put_external(columns_cell(rows), node);
}

static bool is_wanted(const nodes *n, const tracker_node *node)
{
    return selection_node(&n->with->selection, node) && participants_has(n->about, node);
}

static void put_text(nodes *n, const run *from)
{
    static const char *const headings[] = {"node",  "client",           "id", ">sent", "port", "mappings", "addresses",
                                           "reach", "seen by others at"};
    static const char *const long_headings[] = {"node",     "client",    "id",         ">sent",
                                                ">asked",   ">answered", ">was asked", "port",
                                                "mappings", "addresses", "reach",      "seen by others at"};
    bool verbose = n->with->verbose;
    strbuf *out = output_text(n->output);
    uint32_t num_nodes = tracker_num_nodes(run_get_tracker(from));
    tracker_node node;

    if (n->with->num_args > 1 && n->name != NULL) {
        strbuf_heading(out, !n->headed, n->name);
    }
    n->headed = true;
    advert_groups_sort(n->groups);
    columns *rows = verbose ? columns_new(long_headings, G_N_ELEMENTS(long_headings))
                            : columns_new(headings, G_N_ELEMENTS(headings));
    for (uint32_t i = 0; i < num_nodes; i++) {
        if (run_node_get(from, i, &node) && is_wanted(n, &node)) {
            put_row(rows, &node, verbose);
        }
    }
    bool none = columns_num_rows(rows) == 0;
    columns_put(out, rows, n->with->color);
    if (none) {
        strbuf_puts(out, num_nodes == 0 ? "No DHT nodes found.\n" : "No node matches.\n");
    }
    const host_text_filter only = {&n->with->selection, participants_has, n->about};
    host_text_put_natted(out, from, n->groups, &only, verbose ? HOST_TEXT_WITH_REASONS : HOST_TEXT_LONG, UINT64_MAX);
}

static void nodes_end(void *ctx, run *from)
{
    nodes *n = ctx;
    uint32_t num_nodes = tracker_num_nodes(run_get_tracker(from));
    tracker_node node;

    if (n->with->format == FORMAT_TEXT) {
        put_text(n, from);
    } else {
        for (uint32_t i = 0; i < num_nodes; i++) {
            if (run_node_get(from, i, &node) && is_wanted(n, &node)) {
                json_record_node(output_text(n->output), from, &node);
                output_record(n->output);
            }
        }
    }
    advert_groups_free(n->groups);
    participants_free(n->about);
    output_record(n->output);
}

int command_nodes(const options *with)
{
    nodes n = {.with = with};
    run_visitor visitor = {.ctx = &n, .begin = nodes_begin, .advert = nodes_advert, .end = nodes_end};

    if (with->selection.has_info_hash) {
        visitor.message = nodes_message;
    }
    return command_visit(with, &visitor, &n.output);
}
