/* totals.c: see totals.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/totals.h"

#include <stdlib.h>

#include "report/host_text.h"
#include "report/json_record.h"

void totals_init(totals *sum)
{
    *sum = (totals){0};
}

void totals_free(totals *sum)
{
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        g_free(sum->rules[i]);
    }
    strbuf_free(&sum->node_texts);
    advert_groups_free(sum->groups);
}

void totals_begin(totals *sum)
{
    sum->groups = advert_groups_new();
}

static totals_client client_of(const run_packet *packet, const krpc_message *message)
{
    totals_client client = {.used = true};

    if (message != NULL && krpc_has(message, KRPC_V) && message->value[KRPC_V].len == 4) {
        client.len = 4;
        memcpy(client.version, packet->data + message->value[KRPC_V].off, 4);
    }
    return client;
}

static bool same_client(const totals_client *a, const totals_client *b)
{
    return a->len == b->len && memcmp(a->version, b->version, 4) == 0;
}

void totals_message(totals *sum, const run_packet *packet, const krpc_message *message)
{
    totals_client client = client_of(packet, message);
    uint32_t word;

    memcpy(&word, client.version, 4);
    unsigned slot = (word * 2654435761u) >> 16;
    for (unsigned tries = 0; tries < 16; tries++, slot++) {
        totals_client *at = &sum->messages[slot % TOTALS_VERSIONS];
        if (!at->used) {
            *at = client;
        } else if (!same_client(at, &client)) {
            continue;
        }
        at->count++;
        return;
    }
    sum->other_messages++;
}

static void count_client(totals_rule *rule, totals_client client)
{
    for (unsigned i = 0; i < rule->num_clients; i++) {
        if (same_client(&rule->clients[i], &client)) {
            rule->clients[i].count++;
            return;
        }
    }
    if (rule->num_clients == TOTALS_CLIENTS) {
        rule->other_clients++;
        return;
    }
    client.count = 1;
    rule->clients[rule->num_clients++] = client;
}

static void add_frame(totals_rule *rule, const run *from, uint32_t number)
{
    totals_frame frame;

    frame.frame = run_frame(from, number, &frame.file);
    for (unsigned i = 0; i < rule->num_frames; i++) { /* one packet can break a rule twice; it is listed once */
        if (rule->frames[i].frame == frame.frame && rule->frames[i].file == frame.file) {
            return;
        }
    }
    if (rule->num_frames < TOTALS_FRAMES) {
        rule->frames[rule->num_frames++] = frame;
    } else {
        rule->more_frames = true;
    }
}

static void count_finding(totals *sum, const run *from, const run_packet *packet, totals_client client,
                          const krpc_finding *finding)
{
    totals_rule *rule = sum->rules[finding->rule];

    sum->findings[krpc_rule_get(finding->rule)->severity]++;
    if (rule == NULL) {
        rule = sum->rules[finding->rule] = g_new0(totals_rule, 1);
        run_finding_text(from, rule->example, sizeof rule->example, finding, packet->data, packet->len);
    }
    rule->count++;
    count_client(rule, client);
    add_frame(rule, from, packet->where.frame);
}

void totals_finding(totals *sum, const run *from, const run_packet *packet, const krpc_message *message,
                    const krpc_finding *finding)
{
    count_finding(sum, from, packet, client_of(packet, message), finding);
}

void totals_conclusion(totals *sum, const run *from, const run_packet *packet, const krpc_finding *finding)
{
    totals_client client = {.used = true};

    client.len = packet->protocol == FRAME_UDP ? (uint8_t)run_client(from, client.version) : 0;
    count_finding(sum, from, packet, client, finding);
}

void totals_advert(totals *sum, const tracker_advert *advert)
{
    sum->adverts[advert->channel][advert->verdict]++;
    sum->later[advert->later]++;
    advert_groups_add(sum->groups, advert);
}

static void add_stats(tracker_stats *sum, const tracker_stats *more)
{
    sum->packets += more->packets;
    for (unsigned i = 0; i < KRPC_NUM_METHODS; i++) {
        sum->queries[i] += more->queries[i];
    }
    sum->responses += more->responses;
    sum->errors += more->errors;
    sum->others += more->others;
    sum->matched += more->matched;
    sum->unanswered += more->unanswered;
    for (unsigned i = 0; i < KRPC_NUM_CHANNELS; i++) {
        sum->adverts[i] += more->adverts[i];
    }
    sum->peerwire_messages += more->peerwire_messages;
    sum->port_messages_tcp += more->port_messages_tcp;
    sum->port_messages_utp += more->port_messages_utp;
    sum->quoted += more->quoted;
    sum->dropped_nodes += more->dropped_nodes;
    sum->dropped_transactions += more->dropped_transactions;
    sum->dropped_adverts += more->dropped_adverts;
    sum->dropped_streams += more->dropped_streams;
    sum->dropped_facts += more->dropped_facts;
    sum->dropped_items += more->dropped_items;
    sum->memory = MAX(sum->memory, more->memory);
}

uint64_t totals_dropped(const totals *sum)
{
    const tracker_stats *stats = &sum->stats;

    return stats->dropped_nodes + stats->dropped_transactions + stats->dropped_facts + stats->dropped_adverts +
           stats->dropped_streams + stats->dropped_items;
}

/* A filter sees each record once. */
static bool count_node(void *ctx, const tracker_node *node)
{
    totals *sum = ctx;

    sum->num_nodes++;
    sum->nat_port[node->nat.port]++;
    sum->nat_mapping[node->nat.mapping]++;
    return true;
}

static void totals_nodes(totals *sum, const run *from)
{
    const host_text_filter all = {NULL, count_node, sum};

    advert_groups_sort(sum->groups);
    uint32_t room = sum->num_natted < TOTALS_NODE_TEXTS ? (uint32_t)(TOTALS_NODE_TEXTS - sum->num_natted) : 0;
    sum->num_natted += host_text_put_natted(&sum->node_texts, from, sum->groups, &all, HOST_TEXT_SHORT, room);
}

void totals_end(totals *sum, const run *from)
{
    const run_counts *counts = run_get_counts(from);
    tracker_stats stats;

    tracker_stats_get(run_get_tracker(from), &stats);
    add_stats(&sum->stats, &stats);
    run_counts_add(&sum->counts, counts);
    if (counts->last_ns > counts->first_ns) {
        sum->duration_ns += counts->last_ns - counts->first_ns;
    }
    sum->num_files++;
    totals_nodes(sum, from);
    sum->advert_groups_dropped += advert_groups_dropped(sum->groups);
    g_clear_pointer(&sum->groups, advert_groups_free);
}

static const totals *ordered; /* qsort passes no context */

static int rule_compare(const void *a, const void *b)
{
    const krpc_rule x = *(const krpc_rule *)a;
    const krpc_rule y = *(const krpc_rule *)b;
    int order = (int)krpc_rule_get(y)->severity - (int)krpc_rule_get(x)->severity;

    if (order == 0) {
        order = ordered->rules[x]->count > ordered->rules[y]->count
                    ? -1
                    : ordered->rules[x]->count < ordered->rules[y]->count;
    }
    return order != 0 ? order : (int)x - (int)y;
}

unsigned totals_order(const totals *sum, krpc_rule out[KRPC_NUM_RULES])
{
    unsigned n = 0;

    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        if (sum->rules[i] != NULL) {
            out[n++] = (krpc_rule)i;
        }
    }
    ordered = sum;
    qsort(out, n, sizeof *out, rule_compare);
    return n;
}

static int client_compare(const void *a, const void *b)
{
    const totals_client *x = a;
    const totals_client *y = b;

    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return memcmp(x->version, y->version, 4);
}

unsigned totals_clients(const totals *sum, totals_client out[TOTALS_VERSIONS])
{
    GHashTable *indices =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL); /* by name: a client can have several versions */
    unsigned n = 0;

    for (unsigned i = 0; i < TOTALS_VERSIONS; i++) {
        const totals_client *client = &sum->messages[i];
        gpointer index;
        if (!client->used) {
            continue;
        }
        const char *name = client_name(client->version, client->len);
        if (g_hash_table_lookup_extended(indices, name, NULL, &index)) {
            out[GPOINTER_TO_UINT(index)].count += client->count;
        } else {
            g_hash_table_insert(indices, g_strdup(name), GUINT_TO_POINTER(n));
            out[n++] = *client;
        }
    }
    g_hash_table_destroy(indices);
    qsort(out, n, sizeof *out, client_compare);
    return n;
}
