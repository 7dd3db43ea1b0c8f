/* stats.c: the taps, and statistics as trees.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <krpc/advert.h>

#define MENU(NAME) "BitTorrent DHT" COMPAT_MENU_SEPARATOR NAME

static int tap_krpc;
static int tap_adverts;

void stats_tap(packet_info *pinfo, const tracking_packet *packet)
{
    bool has_adverts = packet->record->num_adverts != 0;
    bool is_message = packet->record->kind == TRACKING_MESSAGE;
    stats_packet *tapped;

    if (!(is_message && have_tap_listener(tap_krpc)) && !(has_adverts && have_tap_listener(tap_adverts))) {
        return;
    }
    tapped = wmem_new(pinfo->pool, stats_packet);
    tapped->packet = packet;
    tapped->client = is_message ? dissect_client(pinfo, packet) : NULL;
    if (is_message) {
        tap_queue_packet(tap_krpc, pinfo, tapped);
    }
    if (has_adverts) {
        tap_queue_packet(tap_adverts, pinfo, tapped);
    }
}

/* krpc,tree: messages, queries, responses, errors, clients and findings. */

static int node_types, node_queries, node_answers, node_errors, node_clients, node_rules;

static void messages_init(stats_tree *st)
{
    node_types = stats_tree_create_pivot(st, "Messages", 0);
    node_queries = stats_tree_create_pivot(st, "Queries", 0);
    node_answers = stats_tree_create_pivot(st, "Responses to", 0);
    node_errors = stats_tree_create_pivot(st, "Errors", 0);
    node_clients = stats_tree_create_pivot(st, "Clients", 0);
    node_rules = stats_tree_create_pivot(st, "Findings in messages", 0);
}

static void tick_error(stats_tree *st, packet_info *pinfo, const krpc_message *m)
{
    const char *meaning;
    int64_t code;

    if (!krpc_has(m, KRPC_E_CODE)) {
        stats_tree_tick_pivot(st, node_errors, "no code");
        return;
    }
    code = m->value[KRPC_E_CODE].num;
    meaning = krpc_error_text(code);
    stats_tree_tick_pivot(st, node_errors,
                          wmem_strdup_printf(pinfo->pool, "%" PRId64 " %s", code, meaning != NULL ? meaning : ""));
}

static void tick_rule(stats_tree *st, krpc_rule rule)
{
    if (prefs_krpc_shows(rule)) {
        stats_tree_tick_pivot(st, node_rules, krpc_rule_get(rule)->slug);
    }
}

static void tick_rules(stats_tree *st, packet_info *pinfo, const tracking_packet *packet)
{
    const tracker_conclusion *conclusions;
    unsigned num = 0;

    for (unsigned i = 0; i < packet->record->num_findings; i++) {
        tick_rule(st, (krpc_rule)packet->record->findings[i].rule);
    }
    if (!packet->is_visited) {
        tick_stat_node(st, "Without findings that follow from all packets (use tshark -2, or -z krpc,findings)", 0,
                       false);
        return;
    }
    conclusions = conclusions_of(packet->packet.frame, &num);
    for (unsigned i = 0; i < num; i++) {
        if (conclusions_packet(pinfo, &conclusions[i]) == packet) {
            tick_rule(st, conclusions[i].finding.rule);
        }
    }
}

static const char *query_name(krpc_method method)
{
    return method == KRPC_METHOD_NONE ? "no method name" : krpc_method_name(method);
}

static tap_packet_status messages_packet(stats_tree *st, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
                                         tap_flags_t flags _U_)
{
    const stats_packet *tapped = data;
    const tracking_record *record = tapped->packet->record;
    const krpc_message *m = tapped->packet->message;

    stats_tree_tick_pivot(st, node_types, krpc_type_name((krpc_type)m->type));
    if (m->type == KRPC_QUERY) {
        stats_tree_tick_pivot(st, node_queries, query_name((krpc_method)m->method));
    }
    if (m->type == KRPC_RESPONSE) {
        stats_tree_tick_pivot(st, node_answers,
                              record->request_frame != 0 ? query_name((krpc_method)record->method)
                                                         : "a query that was not captured");
    }
    if (m->type == KRPC_ERROR) {
        tick_error(st, pinfo, m);
    }
    stats_tree_tick_pivot(st, node_clients, tapped->client != NULL ? tapped->client : "unknown");
    tick_rules(st, pinfo, tapped->packet);
    return TAP_PACKET_REDRAW;
}

/* These statistics count when they receive a packet. In a single pass over a file, verdicts are not final then. */
static void tick_not_final(stats_tree *st)
{
    if (!tracking_finished()) {
        tick_stat_node(st, "Counted before the end of the file (use tshark -2)", 0, false);
    }
}

/* krpc_ports,tree: port advertisements by channel and verdict, and by outcome. */

static int node_channels, node_laters;

static void ports_init(stats_tree *st)
{
    node_channels = stats_tree_create_node(st, "Advertisements", 0, STAT_DT_INT, true);
    node_laters = stats_tree_create_pivot(st, "Outcomes", 0);
}

static tap_packet_status ports_packet(stats_tree *st, packet_info *pinfo _U_, epan_dissect_t *edt _U_, const void *data,
                                      tap_flags_t flags _U_)
{
    const tracking_record *record = ((const stats_packet *)data)->packet->record;
    tracker_advert advert;

    tick_not_final(st);
    for (unsigned i = 0; i < record->num_adverts; i++) {
        if (!tracking_advert_get(record->first_advert + i, &advert) ||
            krpc_channel_get((krpc_channel)advert.channel) == NULL) {
            continue;
        }
        tick_stat_node(st, "Advertisements", 0, true);
        int channel = tick_stat_node(st, krpc_channel_get((krpc_channel)advert.channel)->name, node_channels, true);
        tick_stat_node(st, tracker_verdict_name((tracker_verdict)advert.verdict), channel, false);
        stats_tree_tick_pivot(st, node_laters, tracker_later_name((tracker_later)advert.later));
    }
    return TAP_PACKET_REDRAW;
}

/* krpc_nat,tree: messages by what their senders' NAT does to the source port, and by its mapping. */

static int node_nat_port, node_nat_mapping;

static void nat_init(stats_tree *st)
{
    node_nat_port = stats_tree_create_node(st, "Source port", 0, STAT_DT_INT, true);
    node_nat_mapping = stats_tree_create_pivot(st, "Mapping", 0);
}

static tap_packet_status nat_packet(stats_tree *st, packet_info *pinfo _U_, epan_dissect_t *edt _U_, const void *data,
                                    tap_flags_t flags _U_)
{
    const tracking_packet *packet = ((const stats_packet *)data)->packet;
    char text[KRPC_ENDPOINT_TEXT];
    tracker_node node;

    if (!conclusions_node_find(&packet->packet.src, &node)) {
        return TAP_PACKET_DONT_REDRAW;
    }
    tick_not_final(st);
    tick_stat_node(st, "Source port", 0, true);
    int behaviour = tick_stat_node(st, tracker_port_name(node.nat.port), node_nat_port, true);
    if (node.nat.port != TRACKER_PORT_UNKNOWN) {
        tick_stat_node(st, krpc_endpoint_text(text, &node.endpoint), behaviour, false);
    }
    stats_tree_tick_pivot(st, node_nat_mapping, tracker_mapping_name(node.nat.mapping));
    return TAP_PACKET_REDRAW;
}

void stats_register(void)
{
    tap_krpc = register_tap(STATS_TAP);
    tap_adverts = register_tap(STATS_TAP_ADVERTS);
    stats_tree_register_plugin(STATS_TAP, "krpc", MENU("Messages"), 0, messages_packet, messages_init, NULL);
    stats_tree_register_plugin(STATS_TAP_ADVERTS, "krpc_ports", MENU("Port Advertisements"), 0, ports_packet,
                               ports_init, NULL);
    stats_tree_register_plugin(STATS_TAP, "krpc_nat", MENU("NAT of the Senders"), 0, nat_packet, nat_init, NULL);
}
