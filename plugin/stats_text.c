/* stats_text.c: the tables of tshark -z krpc,findings, krpc,ports, krpc,nat and krpc,nodes.
 *
 * A verdict may change until the end of the file, so these remember advertisements and nodes, and count when they
 * print. The trees of stats.c count packet by packet. In Wireshark's window that is right, because the file has been
 * read before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <stdio.h>

#include <krpc/advert.h>
#include <krpc/client.h>

#define RULER "==================================================================================================="

/* The packets that match the filter of one -z option. */
typedef struct report {
    char *filter;
    GArray *serials;    /* uint64_t, of advertisements */
    GHashTable *nodes;  /* krpc_endpoint -> itself */
    GArray *rules;      /* uint8_t, of findings about one packet */
    GHashTable *frames; /* with messages */
    unsigned num_hosts[TRACKER_NUM_PORT];
} report;

static unsigned endpoint_hash(const void *key)
{
    return (unsigned)krpc_endpoint_hash(key);
}

static gboolean endpoint_is_equal(const void *a, const void *b)
{
    return krpc_endpoint_equal(a, b);
}

static void report_reset(void *context)
{
    report *r = context;

    g_array_set_size(r->serials, 0);
    g_hash_table_remove_all(r->nodes);
    g_array_set_size(r->rules, 0);
    g_hash_table_remove_all(r->frames);
}

static void report_finish(void *context)
{
    report *r = context;

    g_free(r->filter);
    g_array_free(r->serials, TRUE);
    g_hash_table_destroy(r->nodes);
    g_array_free(r->rules, TRUE);
    g_hash_table_destroy(r->frames);
    g_free(r);
}

static tap_packet_status ports_packet(void *context, packet_info *pinfo _U_, epan_dissect_t *edt _U_, const void *data,
                                      tap_flags_t flags _U_)
{
    const tracking_record *record = ((const stats_packet *)data)->packet->record;
    report *r = context;

    for (unsigned i = 0; i < record->num_adverts; i++) {
        uint64_t serial = record->first_advert + i;

        g_array_append_val(r->serials, serial);
    }
    return TAP_PACKET_REDRAW;
}

static tap_packet_status findings_packet(void *context, packet_info *pinfo _U_, epan_dissect_t *edt _U_,
                                         const void *data, tap_flags_t flags _U_)
{
    const tracking_packet *packet = ((const stats_packet *)data)->packet;
    report *r = context;

    for (unsigned i = 0; i < packet->record->num_findings; i++) {
        g_array_append_val(r->rules, packet->record->findings[i].rule);
    }
    g_hash_table_add(r->frames, GUINT_TO_POINTER(packet->packet.frame));
    return TAP_PACKET_REDRAW;
}

static void head_print(const report *r, const char *title)
{
    printf("\n" RULER "\n%s%s%s\n\n", title, r->filter != NULL ? ", filter: " : "", r->filter != NULL ? r->filter : "");
}

/* Prints a name and a count unless it is 0. Returns the separator for the next one. */
static const char *count_print(const char *before, const char *name, unsigned count)
{
    if (count == 0) {
        return before;
    }
    printf("%s%s %u", before, name, count);
    return ", ";
}

static void ports_print(void *context)
{
    static unsigned count[KRPC_NUM_CHANNELS][TRACKER_NUM_VERDICTS];
    static unsigned later[KRPC_NUM_CHANNELS][TRACKER_NUM_LATER];
    const report *r = context;
    tracker_advert advert;

    memset(count, 0, sizeof count);
    memset(later, 0, sizeof later);
    for (unsigned i = 0; i < r->serials->len; i++) {
        if (!tracking_advert_get(g_array_index(r->serials, uint64_t, i), &advert)) {
            continue;
        }
        if (advert.channel < KRPC_NUM_CHANNELS && advert.verdict < TRACKER_NUM_VERDICTS &&
            advert.later < TRACKER_NUM_LATER) {
            count[advert.channel][advert.verdict]++;
            later[advert.channel][advert.later]++;
        }
    }
    head_print(r, "Port advertisements (KRPC and peer wire), by channel");
    printf("%-14s %8s  %s\n", "channel", "adverts", "verdicts; outcomes");
    for (unsigned channel = 0; channel < KRPC_NUM_CHANNELS; channel++) {
        unsigned sum = 0;

        for (unsigned verdict = 0; verdict < TRACKER_NUM_VERDICTS; verdict++) {
            sum += count[channel][verdict];
        }
        if (sum == 0) {
            continue;
        }
        printf("%-14s %8u  ", krpc_channel_get((krpc_channel)channel)->name, sum);
        const char *before = "";
        for (unsigned verdict = 0; verdict < TRACKER_NUM_VERDICTS; verdict++) {
            before = count_print(before, tracker_verdict_name((tracker_verdict)verdict), count[channel][verdict]);
        }
        before = "; ";
        for (unsigned i = 1; i < TRACKER_NUM_LATER; i++) {
            before = count_print(before, tracker_later_name((tracker_later)i), later[channel][i]);
        }
        printf("\n");
    }
    printf(RULER "\n");
}

static tap_packet_status nat_packet(void *context, packet_info *pinfo _U_, epan_dissect_t *edt _U_, const void *data,
                                    tap_flags_t flags _U_)
{
    const krpc_endpoint *src = &((const stats_packet *)data)->packet->packet.src;
    report *r = context;

    if (!g_hash_table_contains(r->nodes, src)) {
        g_hash_table_add(r->nodes, g_memdup2(src, sizeof *src));
    }
    return TAP_PACKET_REDRAW;
}

static bool is_wanted(void *ctx, const krpc_endpoint *endpoint)
{
    return g_hash_table_contains(((const report *)ctx)->nodes, endpoint);
}

static void frames_print(const uint32_t *frames, uint32_t num_frames)
{
    uint32_t num = MIN(num_frames, TRACKER_MAX_FRAMES);

    for (unsigned i = 0; i < num; i++) {
        printf("%s %u", i > 0 ? "," : num > 1 ? ", frames" : ", frame", frames[i]);
    }
    printf("\n");
}

static const char *client_text(char out[KRPC_CLIENT_TEXT], const tracker_node *node)
{
    g_strlcpy(out, "unknown client", KRPC_CLIENT_TEXT);
    if (node->version_len != 0) {
        krpc_client_text(out, KRPC_CLIENT_TEXT, node->version, node->version_len);
    }
    return out;
}

/* "open 6881,7000": with the ports on which hosts get in. */
static const char *reach_text(char *out, size_t size, const tracker_reachability *reach)
{
    g_strlcpy(out, tracker_reach_name(reach->verdict), size);
    for (unsigned i = 0; i < reach->num_open && i < TRACKER_MAX_OPEN; i++) {
        size_t len = strlen(out);

        snprintf(out + len, size - len, "%s%u", i == 0 ? " " : ",", reach->open[i].endpoint.port);
    }
    return out;
}

static void reach_print(const tracker_node *node)
{
    const tracker_reachability *reach = &node->reach;
    char text[KRPC_ENDPOINT_TEXT];

    for (unsigned i = 0; i < reach->num_open && i < TRACKER_MAX_OPEN; i++) {
        printf("    open on %s", krpc_endpoint_text(text, &reach->open[i].endpoint));
        frames_print(reach->open[i].frames, reach->open[i].num_frames);
    }
    if (reach->num_open == 0 && reach->verdict != TRACKER_REACH_UNKNOWN) {
        printf("    %s", tracker_reach_name(reach->verdict));
        frames_print(reach->frames, reach->num_frames);
    }
    for (unsigned i = 0; i < node->num_advice && i < TRACKER_MAX_ADVICE; i++) {
        printf("    advice %s", tracker_advice_slug(node->advice[i].advice));
        frames_print(node->advice[i].frames, node->advice[i].num_frames);
    }
}

static void nat_host_print(void *ctx, const tracker_node *node, unsigned num_nodes _U_)
{
    char text[KRPC_ENDPOINT_TEXT], client[KRPC_CLIENT_TEXT], reach[40];
    const tracker_nat *nat = &node->nat;

    ((report *)ctx)->num_hosts[nat->port]++;
    if (!tree_reach_is_behind_nat(node)) {
        return;
    }
    printf("%-24s %-28s %-10s %-20s %-9s %-20s %s\n", krpc_endpoint_text(text, &node->endpoint),
           client_text(client, node), tracker_port_name(nat->port), tracker_mapping_name(nat->mapping),
           tracker_addresses_name(nat->addresses), tracker_filtering_name(nat->filtering),
           reach_text(reach, sizeof reach, &node->reach));
    for (unsigned i = 0; i < nat->num_kept && i < TRACKER_MAX_EXTERNAL; i++) {
        const tracker_external *external = &nat->external[i];

        printf("    seen as %s by %u observer%s", krpc_endpoint_text(text, &external->endpoint), external->observers,
               external->observers != 1 ? "s" : "");
        frames_print(external->frames, external->num_frames);
    }
    if (nat->num_external > nat->num_kept) {
        printf("    and as %u other endpoints\n", nat->num_external - nat->num_kept);
    }
    reach_print(node);
}

static void nat_print(void *context)
{
    report *r = context;
    const char *before = "";

    memset(r->num_hosts, 0, sizeof r->num_hosts);
    head_print(r, "Hosts with evidence of a NAT (KRPC)");
    printf("%-24s %-28s %-10s %-20s %-9s %-20s %s\n", "host", "client", "port", "mapping", "addresses", "filtering",
           "reach");
    hosts_visit(is_wanted, nat_host_print, r);
    printf("\nall hosts, by source port: ");
    for (unsigned i = 0; i < TRACKER_NUM_PORT; i++) {
        before = count_print(before, tracker_port_name((tracker_port)i), r->num_hosts[i]);
    }
    if (*before == '\0') {
        printf("none");
    }
    printf("\n" RULER "\n");
}

static void host_print(void *ctx _U_, const tracker_node *node, unsigned num_nodes)
{
    char text[KRPC_ENDPOINT_TEXT], client[KRPC_CLIENT_TEXT], reach[40];

    printf("%-24s %-28s %9u %8" PRIu64 " %-20s %s\n", krpc_endpoint_text(text, &node->endpoint),
           client_text(client, node), num_nodes, (uint64_t)node->queries + node->responses + node->errors,
           tracker_mapping_name(node->nat.mapping), reach_text(reach, sizeof reach, &node->reach));
    if (node->ours || node->reach.verdict != TRACKER_REACH_UNKNOWN) {
        reach_print(node);
    }
}

static void nodes_print(void *context)
{
    head_print(context, "Hosts (KRPC)");
    printf("%-24s %-28s %9s %8s %-20s %s\n", "host", "client", "endpoints", "messages", "mapping", "reach");
    hosts_visit(is_wanted, host_print, context);
    printf(RULER "\n");
}

static void report_start(const char *argument, const char *name, const char *tap, tap_packet_cb packet,
                         tap_draw_cb draw)
{
    size_t len = strlen(name);
    report *r = g_new0(report, 1);
    GString *error;

    if (strncmp(argument, name, len) == 0 && argument[len] == ',') {
        r->filter = g_strdup(argument + len + 1);
    }
    r->serials = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    r->nodes = g_hash_table_new_full(endpoint_hash, endpoint_is_equal, g_free, NULL);
    r->rules = g_array_new(FALSE, FALSE, sizeof(uint8_t));
    r->frames = g_hash_table_new(NULL, NULL);
    error = register_tap_listener(tap, r, r->filter, TL_REQUIRES_NOTHING, report_reset, packet, draw, report_finish);
    if (error != NULL) {
        fprintf(stderr, "-z %s: %s\n", argument, error->str);
        g_string_free(error, TRUE);
        report_finish(r);
        exit(1);
    }
}

static void findings_print(void *context)
{
    static unsigned count[KRPC_NUM_RULES];
    const report *r = context;
    unsigned num;
    const tracker_conclusion *conclusions = conclusions_get(&num);

    memset(count, 0, sizeof count);
    for (unsigned i = 0; i < r->rules->len; i++) {
        count[g_array_index(r->rules, uint8_t, i)]++;
    }
    for (unsigned i = 0; i < num; i++) {
        if (g_hash_table_contains(r->frames, GUINT_TO_POINTER(conclusions[i].packet.frame))) {
            count[conclusions[i].finding.rule]++;
        }
    }
    head_print(r, "Findings in messages (KRPC), with those that follow from all packets");
    printf("%-36s %-8s %8s\n", "rule", "severity", "findings");
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        const krpc_rule_info *rule = krpc_rule_get((krpc_rule)i);

        if (count[i] != 0 && prefs_krpc_shows((krpc_rule)i)) {
            printf("%-36s %-8s %8u\n", rule->slug, krpc_severity_name(rule->severity), count[i]);
        }
    }
    printf(RULER "\n");
}

static compat_tap_init findings_start(const char *argument, void *userdata _U_)
{
    report_start(argument, "krpc,findings", STATS_TAP, findings_packet, findings_print);
    COMPAT_TAP_INIT_RETURN(true);
}

static compat_tap_init ports_start(const char *argument, void *userdata _U_)
{
    report_start(argument, "krpc,ports", STATS_TAP_ADVERTS, ports_packet, ports_print);
    COMPAT_TAP_INIT_RETURN(true);
}

static compat_tap_init nat_start(const char *argument, void *userdata _U_)
{
    report_start(argument, "krpc,nat", STATS_TAP, nat_packet, nat_print);
    COMPAT_TAP_INIT_RETURN(true);
}

static compat_tap_init nodes_start(const char *argument, void *userdata _U_)
{
    report_start(argument, "krpc,nodes", STATS_TAP, nat_packet, nodes_print);
    COMPAT_TAP_INIT_RETURN(true);
}

void stats_text_register(void)
{
    static tap_param parameters[] = {{PARAM_FILTER, "filter", "Filter", NULL, true}};
    static stat_tap_ui found = {
        REGISTER_PACKET_STAT_GROUP_UNSORTED, "KRPC findings", "krpc,findings", findings_start, 1, parameters};
    static stat_tap_ui ports = {
        REGISTER_PACKET_STAT_GROUP_UNSORTED, "KRPC port advertisements", "krpc,ports", ports_start, 1, parameters};
    static stat_tap_ui nat = {
        REGISTER_PACKET_STAT_GROUP_UNSORTED, "KRPC hosts with evidence of a NAT", "krpc,nat", nat_start, 1, parameters};
    static stat_tap_ui nodes = {
        REGISTER_PACKET_STAT_GROUP_UNSORTED, "KRPC hosts", "krpc,nodes", nodes_start, 1, parameters};

    register_stat_tap_ui(&found, NULL);
    register_stat_tap_ui(&ports, NULL);
    register_stat_tap_ui(&nat, NULL);
    register_stat_tap_ui(&nodes, NULL);
}
