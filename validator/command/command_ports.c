/* command_ports.c: a table of all advertised ports, with their verdicts.
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

typedef struct ports {
    const options *with;
    const run *run;
    output *output;
    advert_groups *groups;
    participants *about; /* for --info-hash */
    const char *name;
    bool headed;
} ports;

static void ports_begin(void *ctx, run *from, const char *name)
{
    ports *p = ctx;

    p->run = from;
    p->name = name;
    p->groups = advert_groups_new();
    p->about = participants_new(&p->with->selection);
}

static void ports_message(void *ctx, const run_packet *packet, const krpc_message *message,
                          const tracker_result *result)
{
    ports *p = ctx;

    participants_note(p->about, packet, message, result);
}

static void ports_advert(void *ctx, const tracker_advert *advert)
{
    ports *p = ctx;

    if (!selection_advert(&p->with->selection, advert)) {
        return;
    }
    if (p->with->format == FORMAT_NDJSON) {
        json_record_advert(output_text(p->output), p->run, advert);
        output_record(p->output);
    } else {
        advert_groups_add(p->groups, advert);
    }
}

static const char *verdict_style(const advert_group *entry)
{
    switch ((tracker_verdict)entry->verdict) {
    case TRACKER_VERDICT_MATCH:
        return COLOR_GREEN;
    case TRACKER_VERDICT_MISMATCH:
    case TRACKER_VERDICT_INVALID:
    case TRACKER_VERDICT_SWAPPED:
        return COLOR_RED;
    case TRACKER_VERDICT_CONTRADICTS:
        return COLOR_YELLOW;
    default:
        return NULL;
    }
}

static const char *later_style(const advert_group *entry)
{
    return entry->later == TRACKER_LATER_DEAD || entry->later == TRACKER_LATER_OTHER_NODE ? COLOR_RED : NULL;
}

/* row is one line of the table: the advertisements of one host that differ at most in the outside port of the host. */
typedef struct row {
    advert_group sum;
    uint32_t number; /* hosts_find; UINT32_MAX: only this endpoint */
    unsigned num_endpoints;
    bool has_one_addr;
    bool is_seen_on_several;
} row;

static guint row_hash(gconstpointer at)
{
    const row *r = at;

    return r->number * 2654435761u ^ (guint)r->sum.advertised_port * 16777619u ^
           (guint)(r->sum.channel << 16 | r->sum.verdict << 8 | r->sum.later);
}

static gboolean row_equal(gconstpointer a, gconstpointer b)
{
    const row *x = a;
    const row *y = b;

    return x->number != UINT32_MAX && x->number == y->number && x->sum.advertised_port == y->sum.advertised_port &&
           x->sum.channel == y->sum.channel && x->sum.verdict == y->sum.verdict && x->sum.later == y->sum.later &&
           x->sum.implied_port == y->sum.implied_port;
}

static void join_frames(advert_group *sum, const advert_group *entry)
{
    for (uint32_t i = 0; i < entry->num_frames; i++) {
        uint32_t at = MIN(sum->num_frames, ADVERT_GROUP_FRAMES - 1);
        if (sum->num_frames == ADVERT_GROUP_FRAMES && sum->frames[at] < entry->frames[i]) {
            break;
        }
        for (; at > 0 && sum->frames[at - 1] > entry->frames[i]; at--) {
            sum->frames[at] = sum->frames[at - 1];
        }
        sum->frames[at] = entry->frames[i];
        sum->num_frames = MIN(sum->num_frames + 1, ADVERT_GROUP_FRAMES);
    }
}

static void join_row(row *to, const advert_group *entry)
{
    to->num_endpoints++;
    to->has_one_addr = to->has_one_addr && krpc_endpoint_same_addr(&to->sum.host, &entry->host);
    to->sum.count += entry->count;
    join_frames(&to->sum, entry);
    if (to->sum.observed.port == 0) {
        to->sum.observed = entry->observed;
    } else if (entry->observed.port != 0 && entry->observed.port != to->sum.observed.port) {
        to->is_seen_on_several = true;
    }
}

/* The rows of the table, in the order of the groups. Inside a NAT, and with --verbose, each endpoint has its own. */
static GPtrArray *make_rows(const ports *p)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func(g_free);
    GHashTable *known = g_hash_table_new(row_hash, row_equal);
    hosts *all = hosts_new(p->run, NULL, NULL);
    unsigned num_entries = advert_groups_sort(p->groups);

    for (unsigned i = 0; i < num_entries; i++) {
        const advert_group *entry = advert_groups_get(p->groups, i);
        row one = {*entry, UINT32_MAX, 1, true, false};
        if (!p->with->verbose && entry->host.port != 0 && krpc_endpoint_scope(&entry->host) == KRPC_ADDR_GLOBAL) {
            one.number = hosts_find(all, &entry->host);
        }
        row *same = g_hash_table_lookup(known, &one);
        if (same != NULL) {
            join_row(same, entry);
            continue;
        }
        row *copy = g_memdup2(&one, sizeof one);
        g_ptr_array_add(rows, copy);
        g_hash_table_add(known, copy);
    }
    hosts_free(all);
    g_hash_table_destroy(known);
    return rows;
}

/* A host is identified by its DHT port; for some hosts only the address is known. */
static void put_endpoint(strbuf *out, const krpc_endpoint *endpoint)
{
    if (endpoint->port != 0) {
        strbuf_endpoint(out, endpoint);
    } else {
        strbuf_addr(out, endpoint);
    }
}

static void put_host(strbuf *out, const row *of)
{
    if (of->num_endpoints == 1) {
        put_endpoint(out, &of->sum.host);
    } else {
        strbuf_addr(out, &of->sum.host);
        strbuf_printf(out, of->has_one_addr ? " (%u ports)" : " (%u endpoints)", of->num_endpoints);
    }
}

static void put_observed(strbuf *out, const row *of, bool whole)
{
    const advert_group *entry = &of->sum;

    if (of->is_seen_on_several) {
        strbuf_puts(out, "several");
    } else if (entry->observed.port == 0) {
        strbuf_char(out, '-');
    } else if (whole && !krpc_endpoint_same_addr(&entry->observed, &entry->host)) {
        strbuf_endpoint(out, &entry->observed);
    } else {
        strbuf_uint(out, entry->observed.port);
    }
}

static void put_row(const ports *p, columns *rows, const row *of)
{
    bool verbose = p->with->verbose;
    const advert_group *entry = &of->sum;

    put_host(columns_cell(rows), of);
    if (verbose) {
        strbuf_puts(columns_cell(rows), client_name(entry->version, entry->version_len));
    }
    strbuf_puts(columns_cell(rows), krpc_channel_get((krpc_channel)entry->channel)->name);
    strbuf *out = columns_cell(rows);
    if (entry->advertised_port >= 0 || entry->channel != KRPC_CHANNEL_IMPLIED_PORT) {
        strbuf_int(out, entry->advertised_port);
    } else {
        strbuf_char(out, '-');
    }
    put_observed(columns_cell(rows), of, verbose);
    strbuf_puts(columns_cell(rows), tracker_verdict_name((tracker_verdict)entry->verdict));
    columns_color(rows, verdict_style(entry));
    strbuf_puts(columns_cell(rows),
                entry->later == TRACKER_LATER_UNKNOWN ? "-" : tracker_later_name((tracker_later)entry->later));
    columns_color(rows, later_style(entry));
    strbuf_uint(columns_cell(rows), entry->count);
    out = columns_cell(rows);
    for (uint32_t i = 0; i < MIN(entry->num_frames, verbose ? ADVERT_GROUP_FRAMES : 2); i++) {
        if (i > 0) {
            strbuf_puts(out, ", ");
        }
        run_put_frame(out, p->run, entry->frames[i]);
    }
}

/* The verdict is about the host that announced the port, but the one that swapped its bytes is another. */
static void put_swaps(const ports *p)
{
    strbuf *out = output_text(p->output);
    const advert_group *entry;
    bool headed = false;

    for (unsigned i = 0; (entry = advert_groups_get(p->groups, i)) != NULL; i++) {
        if (entry->verdict != TRACKER_VERDICT_SWAPPED) {
            continue;
        }
        strbuf_puts(
            out,
            headed ? "" : "\nByte-swapped by the node that passed the port on, not by the one that advertised it:\n");
        headed = true;
        strbuf_puts(out, "  ");
        strbuf_endpoint(out, &entry->receiver);
        strbuf_printf(out, " passes on port %d of ", entry->advertised_port);
        put_endpoint(out, &entry->host);
        strbuf_puts(out, " (frame ");
        run_put_frame(out, p->run, entry->proof_frame);
        strbuf_puts(out, ")\n");
    }
}

static void ports_end(void *ctx, run *from)
{
    static const char *const headings[] = {"node",    "channel", ">port",  ">seen on",
                                           "verdict", "outcome", ">times", "frames"};
    static const char *const long_headings[] = {"node",    "client",  "channel", ">port", "seen on",
                                                "verdict", "outcome", ">times",  "frames"};
    ports *p = ctx;
    strbuf *out = output_text(p->output);

    (void)from;
    if (p->with->format == FORMAT_TEXT) {
        if (p->with->num_args > 1 && p->name != NULL) {
            strbuf_heading(out, !p->headed, p->name);
        }
        p->headed = true;
        columns *rows = p->with->verbose ? columns_new(long_headings, G_N_ELEMENTS(long_headings))
                                         : columns_new(headings, G_N_ELEMENTS(headings));
        GPtrArray *all = make_rows(p);
        for (guint i = 0; i < all->len; i++) {
            put_row(p, rows, g_ptr_array_index(all, i));
        }
        if (all->len == 0) {
            strbuf_puts(out, selection_all(&p->with->selection) ? "No port was advertised.\n"
                                                                : "No advertised port matches.\n");
        }
        columns_put(out, rows, p->with->color);
        g_ptr_array_unref(all);
        if (advert_groups_dropped(p->groups) > 0) {
            strbuf_printf(out,
                          "... and %" G_GUINT64_FORMAT " more advertisements; --format ndjson prints all of them.\n",
                          advert_groups_dropped(p->groups));
        }
        put_swaps(p);
        const host_text_filter only = {&p->with->selection, participants_has, p->about};
        host_text_put_natted(out, p->run, p->groups, &only, HOST_TEXT_SHORT, UINT64_MAX);
    }
    advert_groups_free(p->groups);
    participants_free(p->about);
    output_record(p->output);
}

int command_ports(const options *with)
{
    ports p = {.with = with};
    run_visitor visitor = {.ctx = &p, .begin = ports_begin, .advert = ports_advert, .end = ports_end};

    if (with->selection.has_info_hash) {
        visitor.message = ports_message;
    }
    return command_visit(with, &visitor, &p.output);
}
