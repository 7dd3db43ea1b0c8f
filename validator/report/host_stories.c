/* host_stories.c: which hosts have a story (host_text.h), and in which order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/host_text.h"

#include <glib.h>

enum {
    HOST_SELECTED = 1, /* by the filter */
    HOST_NATTED = 2,   /* needs a story in nodes and check */
    HOST_OURS = 4
};

typedef struct classes {
    const host_text_filter *only;
    const host_advertisers *by;
} classes;

static bool is_selected(const host_text_filter *only, const tracker_node *node)
{
    return only == NULL || ((only->which == NULL || selection_node(only->which, node)) &&
                            (only->takes == NULL || only->takes(only->ctx, node)));
}

static bool is_natted(const host_advertisers *by, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;

    for (uint32_t i = 0; i < nat->num_kept; i++) {
        if (!krpc_endpoint_equal(&nat->external[i].endpoint, &node->endpoint)) {
            return true;
        }
    }
    return nat->num_external > 1 || nat->port == TRACKER_PORT_REWRITTEN || nat->port == TRACKER_PORT_MIXED ||
           (node->ours && node->reach.verdict != TRACKER_REACH_UNKNOWN) || host_claims_differ(by, node);
}

static unsigned flags_of(void *ctx, const tracker_node *node)
{
    const classes *c = ctx;
    unsigned flags = node->ours ? HOST_OURS : 0;

    if (is_selected(c->only, node)) {
        flags |= HOST_SELECTED;
    }
    if (c->by != NULL && is_natted(c->by, node)) {
        flags |= HOST_NATTED;
    }
    return flags;
}

static bool has_flags(const hosts *all, unsigned index, unsigned flags)
{
    return (hosts_flags(all, index) & flags) == flags;
}

static void put_one(strbuf *out, const run *from, const hosts *all, unsigned index, const host_advertisers *by,
                    host_text_length length)
{
    host_claims claims;
    host_group one;

    hosts_get(all, index, &one);
    host_claims_get(&claims, by, from, &one);
    host_text_put(out, from, &one.node, &claims, length);
}

uint64_t host_text_put_natted(strbuf *out, const run *from, const advert_groups *groups, const host_text_filter *only,
                              host_text_length length, uint64_t max_hosts)
{
    host_advertisers *by = host_advertisers_new(groups);
    classes c = {only, by};
    hosts *all = hosts_new(from, flags_of, &c);
    uint64_t num = 0;

    for (unsigned ours = 0; ours < 2; ours++) {
        for (unsigned i = 0; i < hosts_num(all); i++) {
            if (!has_flags(all, i, HOST_SELECTED | HOST_NATTED) || has_flags(all, i, HOST_OURS) != (ours == 0)) {
                continue;
            }
            if (num == 0 && max_hosts > 0) {
                strbuf_puts(out, "\nNodes behind a NAT, or advertising another port:\n");
            }
            if (num++ < max_hosts) {
                put_one(out, from, all, i, by, length);
            }
        }
    }
    hosts_free(all);
    host_advertisers_free(by);
    return num;
}

/* The flags of the hosts that reach writes. */
static unsigned reach_flags(const hosts *all)
{
    for (unsigned i = 0; i < hosts_num(all); i++) {
        if (has_flags(all, i, HOST_OURS)) {
            return HOST_SELECTED | HOST_OURS;
        }
    }
    return HOST_SELECTED;
}

void host_text_put_reach(strbuf *out, const run *from, const advert_groups *groups, const host_text_filter *only,
                         host_text_length length, uint64_t max_hosts)
{
    host_advertisers *by = host_advertisers_new(groups);
    classes c = {only, NULL};
    hosts *all = hosts_new(from, flags_of, &c);
    unsigned flags = reach_flags(all);
    uint64_t num = 0;

    if (flags == (HOST_SELECTED | HOST_OURS)) {
        max_hosts = UINT64_MAX;
    }
    hosts_sort(all);
    for (unsigned i = 0; i < hosts_num(all); i++) {
        if (!has_flags(all, i, flags)) {
            continue;
        }
        if (num == 0 && flags == HOST_SELECTED) {
            strbuf_puts(out, "No host is on the inside of the capture. All hosts, those with most messages first:\n");
        }
        if (num++ < max_hosts) {
            put_one(out, from, all, i, by, length);
        }
    }
    if (num == 0) {
        strbuf_puts(out, hosts_num(all) == 0 ? "No DHT nodes found.\n" : "No host matches.\n");
    } else if (num > max_hosts) {
        strbuf_printf(out, "  ... and %" G_GUINT64_FORMAT " more hosts; --verbose shows all\n", num - max_hosts);
    }
    hosts_free(all);
    host_advertisers_free(by);
}

static gint index_compare(gconstpointer a, gconstpointer b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

void host_text_visit_reach(const run *from, const host_text_filter *only,
                           void (*visit)(void *ctx, const tracker_node *node), void *ctx)
{
    classes c = {only, NULL};
    hosts *all = hosts_new(from, flags_of, &c);
    GArray *indexes = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    unsigned flags = reach_flags(all);
    tracker_node node;

    for (unsigned i = 0; i < hosts_num(all); i++) {
        if (has_flags(all, i, flags)) {
            uint32_t num;
            const uint32_t *members = hosts_members(all, i, &num);
            g_array_append_vals(indexes, members, num);
        }
    }
    g_array_sort(indexes, index_compare);
    for (guint i = 0; i < indexes->len; i++) {
        if (run_node_get(from, g_array_index(indexes, uint32_t, i), &node)) {
            visit(ctx, &node);
        }
    }
    g_array_unref(indexes);
    hosts_free(all);
}
