/* command_compare.c: the two sides of one NAT: which packets are the same, and what the NAT rewrote.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>

#include <glib.h>

#include "command/command_visit.h"
#include "command/commands.h"
#include "command/packet_matcher.h"
#include "input/run.h"
#include "input/selection.h"
#include "output/color.h"
#include "output/columns.h"
#include "output/output.h"
#include "report/advert_groups.h"
#include "report/host_text.h"
#include "report/json_record.h"

#define MAX_MAPPINGS 16384
#define MAX_REMOTES  64
#define INSIDE       0
#define OUTSIDE      1

/* mapping is an inside endpoint and its outside endpoint. */
typedef struct mapping {
    krpc_endpoint inside;
    krpc_endpoint outside;
    uint8_t protocol;
    uint64_t num_out;
    uint64_t num_in;
    uint32_t inside_frame; /* of the first pair */
    uint32_t outside_frame;
    int64_t first_ns;
    int64_t last_ns;
    uint32_t num_remotes;
    krpc_endpoint remotes[MAX_REMOTES];
} mapping;

typedef struct compare {
    const options *with;
    const run *run;
    output *output;
    packet_matcher *pairs;
    advert_groups *groups;
    GHashTable *mappings; /* each mapping maps to itself */
    uint64_t num_pairs;
    uint64_t num_dropped;
    uint64_t num_alone[2]; /* packets without a pair, by side */
} compare;

static guint mapping_hash(gconstpointer key)
{
    const mapping *m = key;

    return (guint)(krpc_endpoint_hash(&m->inside) * 3 + krpc_endpoint_hash(&m->outside) + m->protocol);
}

static gboolean mapping_equal(gconstpointer a, gconstpointer b)
{
    const mapping *x = a;
    const mapping *y = b;

    return x->protocol == y->protocol && krpc_endpoint_equal(&x->inside, &y->inside) &&
           krpc_endpoint_equal(&x->outside, &y->outside);
}

static bool is_selected(const compare *c, const mapping *m)
{
    const selection *which = &c->with->selection;
    const krpc_endpoint *wanted = &which->endpoint;

    if (wanted->addr_len != 0 &&
        !(krpc_endpoint_same_addr(wanted, &m->inside) && (wanted->port == 0 || wanted->port == m->inside.port)) &&
        !(krpc_endpoint_same_addr(wanted, &m->outside) && (wanted->port == 0 || wanted->port == m->outside.port))) {
        return false;
    }
    return which->port < 0 || which->port == m->inside.port || which->port == m->outside.port;
}

static void put_pair(compare *c, const packet_pair *found, const mapping *m)
{
    strbuf *out = output_text(c->output);
    const krpc_endpoint *remote = found->goes_out ? &found->inside->where.dst : &found->inside->where.src;
    int64_t delay = found->outside->where.time_ns - found->inside->where.time_ns;

    strbuf_puts(out, "{\"type\":\"pair\",\"inside_frame\":");
    strbuf_uint(out, run_frame(c->run, found->inside->where.frame, NULL));
    strbuf_puts(out, ",\"outside_frame\":");
    strbuf_uint(out, run_frame(c->run, found->outside->where.frame, NULL));
    strbuf_puts(out, ",\"timestamp\":\"");
    strbuf_time(out, found->inside->where.time_ns);
    strbuf_printf(out, "\",\"proto\":\"%s\",\"direction\":\"%s\",\"inside_ip\":\"",
                  m->protocol == FRAME_UDP ? "UDP" : "TCP", found->goes_out ? "out" : "in");
    strbuf_addr(out, &m->inside);
    strbuf_printf(out, "\",\"inside_port\":%u,\"outside_ip\":\"", m->inside.port);
    strbuf_addr(out, &m->outside);
    strbuf_printf(out, "\",\"outside_port\":%u,\"remote_ip\":\"", m->outside.port);
    strbuf_addr(out, remote);
    strbuf_printf(out, "\",\"remote_port\":%u,\"rewritten\":[%s%s%s],\"delay_ms\":%.3f}\n", remote->port,
                  krpc_endpoint_same_addr(&m->inside, &m->outside) ? "" : "\"ip\"",
                  !krpc_endpoint_same_addr(&m->inside, &m->outside) && m->inside.port != m->outside.port ? "," : "",
                  m->inside.port == m->outside.port ? "" : "\"port\"",
                  (double)(found->goes_out ? delay : -delay) / 1e6);
    output_record(c->output);
}

static void count_remote(mapping *m, const krpc_endpoint *remote)
{
    for (uint32_t i = 0; i < MIN(m->num_remotes, MAX_REMOTES); i++) {
        if (krpc_endpoint_equal(&m->remotes[i], remote)) {
            return;
        }
    }
    if (m->num_remotes < MAX_REMOTES) {
        m->remotes[m->num_remotes] = *remote;
    }
    if (m->num_remotes <= MAX_REMOTES) {
        m->num_remotes++;
    }
}

static mapping mapping_of(const packet_pair *found)
{
    const tracker_packet *inside = &found->inside->where;
    const tracker_packet *outside = &found->outside->where;

    return (mapping){.inside = found->goes_out ? inside->src : inside->dst,
                     .outside = found->goes_out ? outside->src : outside->dst,
                     .protocol = found->inside->protocol};
}

static void pair_found(void *ctx, const packet_pair *found)
{
    compare *c = ctx;
    const tracker_packet *inside = &found->inside->where;
    const tracker_packet *outside = &found->outside->where;
    mapping key = mapping_of(found);

    if (!is_selected(c, &key)) {
        return;
    }
    c->num_pairs++;
    mapping *m = g_hash_table_lookup(c->mappings, &key);
    if (m == NULL && g_hash_table_size(c->mappings) < MAX_MAPPINGS) {
        m = g_memdup2(&key, sizeof key);
        m->inside_frame = inside->frame;
        m->outside_frame = outside->frame;
        m->first_ns = inside->time_ns;
        g_hash_table_add(c->mappings, m);
    }
    if (m == NULL) {
        c->num_dropped++;
    } else {
        *(found->goes_out ? &m->num_out : &m->num_in) += 1;
        m->last_ns = inside->time_ns;
        count_remote(m, found->goes_out ? &inside->dst : &inside->src);
    }
    if (c->with->format == FORMAT_NDJSON) {
        put_pair(c, found, &key);
    }
}

static void packet_alone(void *ctx, const packet_matcher_packet *packet)
{
    compare *c = ctx;

    c->num_alone[packet->is_outside ? OUTSIDE : INSIDE]++;
}

static void compare_begin(void *ctx, run *from, const char *name)
{
    compare *c = ctx;

    (void)name;
    c->run = from;
}

static void compare_packet(void *ctx, const run_packet *packet)
{
    compare *c = ctx;
    unsigned file;

    run_frame(c->run, packet->where.frame, &file);
    if (packet->protocol == FRAME_UDP || (packet->protocol == FRAME_TCP && packet->len > 0)) {
        packet_matcher_add(c->pairs, packet, file == OUTSIDE);
    }
}

static void compare_advert(void *ctx, const tracker_advert *advert)
{
    compare *c = ctx;

    if (selection_advert(&c->with->selection, advert)) {
        advert_groups_add(c->groups, advert);
    }
}

static gint mapping_compare(gconstpointer a, gconstpointer b)
{
    const mapping *x = *(mapping *const *)a;
    const mapping *y = *(mapping *const *)b;
    int order = x->protocol - y->protocol;

    if (order == 0) {
        order = krpc_endpoint_compare(&x->inside, &y->inside);
    }
    return order != 0 ? order : krpc_endpoint_compare(&x->outside, &y->outside);
}

/* Clients, ids and torrents of a node are complete only at the end. */
static bool is_of_selected_node(const compare *c, const mapping *m)
{
    const selection *which = &c->with->selection;
    const advert_group *said = advert_groups_get(c->groups, advert_groups_find(c->groups, &m->inside));
    tracker_node node;

    if (which->has_info_hash && (said == NULL || !krpc_endpoint_equal(&said->host, &m->inside))) {
        return false;
    }
    if (which->client == NULL && !which->has_id) {
        return true;
    }
    return tracker_node_find(run_get_tracker(c->run), &m->inside, &node) && selection_node(which, &node);
}

static GPtrArray *sorted_mappings(const compare *c)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, c->mappings);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (is_selected(c, key) && is_of_selected_node(c, key)) {
            g_ptr_array_add(all, key);
        }
    }
    g_ptr_array_sort(all, mapping_compare);
    return all;
}

static void put_record(compare *c, const mapping *m)
{
    strbuf *out = output_text(c->output);

    strbuf_printf(out, "{\"type\":\"mapping\",\"proto\":\"%s\",\"inside_ip\":\"",
                  m->protocol == FRAME_UDP ? "UDP" : "TCP");
    strbuf_addr(out, &m->inside);
    strbuf_printf(out, "\",\"inside_port\":%u,\"outside_ip\":\"", m->inside.port);
    strbuf_addr(out, &m->outside);
    strbuf_printf(out,
                  "\",\"outside_port\":%u,\"port\":\"%s\",\"remotes\":%u,\"packets_out\":%" G_GUINT64_FORMAT
                  ",\"packets_in\":%" G_GUINT64_FORMAT ",\"inside_frame\":%u,\"outside_frame\":%u,\"first_seen\":\"",
                  m->outside.port, m->inside.port == m->outside.port ? "preserved" : "rewritten", m->num_remotes,
                  m->num_out, m->num_in, run_frame(c->run, m->inside_frame, NULL),
                  run_frame(c->run, m->outside_frame, NULL));
    strbuf_time(out, m->first_ns);
    strbuf_puts(out, "\",\"last_seen\":\"");
    strbuf_time(out, m->last_ns);
    strbuf_puts(out, "\"}\n");
    output_record(c->output);
}

static void put_row(const compare *c, columns *rows, const mapping *m)
{
    bool kept = m->inside.port == m->outside.port;

    strbuf_puts(columns_cell(rows), m->protocol == FRAME_UDP ? "UDP" : "TCP");
    strbuf_endpoint(columns_cell(rows), &m->inside);
    strbuf_endpoint(columns_cell(rows), &m->outside);
    strbuf_puts(columns_cell(rows), kept ? "preserved" : "rewritten");
    columns_color(rows, kept ? COLOR_GREEN : COLOR_RED);
    strbuf *out = columns_cell(rows);
    strbuf_uint(out, MIN(m->num_remotes, MAX_REMOTES));
    if (m->num_remotes > MAX_REMOTES) {
        strbuf_char(out, '+');
    }
    strbuf_uint(columns_cell(rows), m->num_out);
    strbuf_uint(columns_cell(rows), m->num_in);
    strbuf_printf(columns_cell(rows), "%u -> %u", run_frame(c->run, m->inside_frame, NULL),
                  run_frame(c->run, m->outside_frame, NULL));
}

static bool is_translated(const mapping *m)
{
    return !krpc_endpoint_equal(&m->inside, &m->outside);
}

/* TCP uses a new port for each connection, so one line of text summarizes all of them. An unchanged endpoint has no
 * mapping. */
static bool is_shown(const compare *c, const mapping *m)
{
    return (m->protocol == FRAME_UDP && is_translated(m)) || c->with->verbose;
}

static void put_text(compare *c, const GPtrArray *all)
{
    static const char *const headings[] = {"",         "inside", "outside", "port",
                                           ">remotes", ">out",   ">in",     "frames, inside -> outside"};
    strbuf *out = output_text(c->output);
    columns *rows = columns_new(headings, G_N_ELEMENTS(headings));
    unsigned num_tcp = 0, num_tcp_kept = 0, num_unchanged = 0;

    for (guint i = 0; i < all->len; i++) {
        const mapping *m = g_ptr_array_index(all, i);
        if (is_shown(c, m)) {
            put_row(c, rows, m);
        }
        num_unchanged += m->protocol == FRAME_UDP && !is_translated(m);
        num_tcp += m->protocol == FRAME_TCP;
        num_tcp_kept += m->protocol == FRAME_TCP && m->inside.port == m->outside.port;
    }
    bool any = columns_num_rows(rows) > 0;
    columns_put(out, rows, c->with->color);
    strbuf_puts(out, any ? "\n  " : "  ");
    strbuf_count(out, c->num_pairs);
    strbuf_printf(out, " packet%s found on both sides.\n  ", c->num_pairs == 1 ? "" : "s");
    if (num_tcp + num_unchanged > 0) {
        const char *and = num_tcp > 0 && num_unchanged > 0 ? "; " : "";
        if (num_tcp > 0) {
            strbuf_printf(out, "%u TCP endpoint%s, %u of which kept the port", num_tcp, num_tcp == 1 ? "" : "s",
                          num_tcp_kept);
        }
        if (num_unchanged > 0) {
            strbuf_printf(out, "%s%u UDP endpoint%s passed unchanged", and, num_unchanged,
                          num_unchanged == 1 ? "" : "s");
        }
        strbuf_printf(out, "%s.\n  ", c->with->verbose ? "" : " (-v lists them)");
    }
    strbuf_count(out, c->num_alone[INSIDE]);
    strbuf_puts(out, " only inside (stayed in the network, or did not get out), ");
    strbuf_count(out, c->num_alone[OUTSIDE]);
    strbuf_puts(out, " only outside (for other hosts,\n  or did not get in); ");
    strbuf_count(out, packet_matcher_too_short(c->pairs));
    strbuf_printf(out, " shorter than %d bytes were not compared.\n", PACKET_MATCHER_MIN_LEN);
    if (c->num_pairs == 0) {
        strbuf_puts(
            out,
            "  No packet matches: check that the files are the two sides of one NAT, captured at the same time.\n");
    }
}

/* The outside capture has each of these nodes a second time. */
static bool is_inside(void *ctx, const tracker_node *node)
{
    const GPtrArray *all = ctx;

    for (guint i = 0; i < all->len; i++) {
        if (krpc_endpoint_equal(&((const mapping *)g_ptr_array_index(all, i))->inside, &node->endpoint)) {
            return true;
        }
    }
    return false;
}

static void compare_end(void *ctx, run *from)
{
    compare *c = ctx;

    packet_matcher_finish(c->pairs);
    advert_groups_sort(c->groups);
    GPtrArray *all = sorted_mappings(c);
    const host_text_filter only = {&c->with->selection, is_inside, all};
    if (c->with->format == FORMAT_NDJSON) {
        for (guint i = 0; i < all->len; i++) {
            put_record(c, g_ptr_array_index(all, i));
        }
    } else {
        put_text(c, all);
        host_text_put_natted(output_text(c->output), from, c->groups, &only, HOST_TEXT_SHORT, UINT64_MAX);
    }
    g_ptr_array_unref(all);
}

int command_compare(const options *with)
{
    options both = *with;
    char *args[] = {with->inside, with->outside, NULL};
    compare c = {.with = with};
    const run_visitor visitor = {
        .ctx = &c, .begin = compare_begin, .packet = compare_packet, .advert = compare_advert, .end = compare_end};

    both.args = args;
    both.num_args = 2;
    both.merge = true;
    const packet_matcher_visitor pairs = {pair_found, packet_alone, &c};
    c.pairs = packet_matcher_new(&pairs);
    c.groups = advert_groups_new();
    c.mappings = g_hash_table_new_full(mapping_hash, mapping_equal, g_free, NULL);
    int status = command_visit(&both, &visitor, &c.output);
    if (c.num_dropped > 0) {
        say("more than %u mappings: %" PRIu64 " packet%s of other mappings are not in the result", MAX_MAPPINGS,
            c.num_dropped, c.num_dropped == 1 ? "" : "s");
    }
    if (packet_matcher_num_dropped(c.pairs) > 0) {
        say("more than %u packets: the last %" PRIu64 " are not compared; select fewer with --filter",
            PACKET_MATCHER_MAX, packet_matcher_num_dropped(c.pairs));
    }
    g_hash_table_destroy(c.mappings);
    advert_groups_free(c.groups);
    packet_matcher_free(c.pairs);
    return status;
}
