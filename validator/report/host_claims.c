/* host_claims.c: see host_claims.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/host_claims.h"

#include <string.h>

#include <glib.h>

struct host_advertisers {
    const advert_groups *groups;
    GHashTable *by_identity; /* address and id -> GPtrArray of advert_group */
};

/* Outside a NAT, one node is many endpoints with one address and one id. */
static GBytes *identity(const krpc_endpoint *endpoint, const uint8_t id[20])
{
    uint8_t key[36];

    memcpy(key, endpoint->addr, 16);
    memcpy(key + 16, id, 20);
    return g_bytes_new(key, sizeof key);
}

host_advertisers *host_advertisers_new(const advert_groups *groups)
{
    host_advertisers *by = g_new0(host_advertisers, 1);
    const advert_group *entry;

    by->groups = groups;
    by->by_identity = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                                            (GDestroyNotify)g_ptr_array_unref);
    for (unsigned i = 0; (entry = advert_groups_get(groups, i)) != NULL; i++) {
        if (!entry->has_node_id) {
            continue;
        }
        GBytes *key = identity(&entry->host, entry->node_id);
        GPtrArray *entries = g_hash_table_lookup(by->by_identity, key);
        if (entries == NULL) {
            entries = g_ptr_array_new();
            g_hash_table_insert(by->by_identity, g_bytes_ref(key), entries);
        }
        g_bytes_unref(key);
        g_ptr_array_add(entries, (gpointer)entry);
    }
    return by;
}

void host_advertisers_free(host_advertisers *by)
{
    g_hash_table_destroy(by->by_identity);
    g_free(by);
}

static bool is_bad(uint8_t verdict)
{
    return verdict == TRACKER_VERDICT_MISMATCH || verdict == TRACKER_VERDICT_INVALID ||
           verdict == TRACKER_VERDICT_SWAPPED || verdict == TRACKER_VERDICT_CONTRADICTS;
}

bool host_claim_is_wrong(const host_claim *claim)
{
    for (uint8_t i = 0; i < TRACKER_NUM_VERDICTS; i++) {
        if (is_bad(i) && claim->verdicts[i] > 0) {
            return true;
        }
    }
    return false;
}

static host_claim *need_claim(host_claims *out, const advert_group *entry)
{
    for (unsigned i = 0; i < out->num_claims; i++) {
        if (out->claims[i].port == entry->advertised_port && out->claims[i].channel == entry->channel) {
            return &out->claims[i];
        }
    }
    if (out->num_claims == HOST_CLAIMS) {
        out->num_more++;
        return NULL;
    }
    host_claim *claim = &out->claims[out->num_claims++];
    claim->port = entry->advertised_port;
    claim->channel = entry->channel;
    claim->service = entry->service;
    claim->frame = entry->frames[0];
    return claim;
}

/* The port that the receiver of a wrong one sees: what others reported, or the source port. */
static void note_seen(host_claim *claim, const advert_group *entry, bool first)
{
    uint16_t port = entry->observed.port != 0 ? entry->observed.port : entry->host.port;

    claim->seen_port = first || claim->seen_port == port ? port : 0;
}

static void add_entry(host_claims *out, const advert_group *entry)
{
    bool is_mismatch = entry->verdict == TRACKER_VERDICT_MISMATCH;

    if (entry->service != KRPC_SERVICE_DHT && !is_bad(entry->verdict)) {
        return;
    }
    host_claim *claim = need_claim(out, entry);
    if (claim == NULL) {
        return;
    }
    if (is_mismatch) {
        note_seen(claim, entry, claim->verdicts[TRACKER_VERDICT_MISMATCH] == 0);
        claim->proof_frame = claim->proof_frame == 0 ? entry->proof_frame : claim->proof_frame;
    }
    claim->count += entry->count;
    claim->frame = MIN(claim->frame, entry->frames[0]);
    claim->verdicts[entry->verdict] += entry->count;
    uint32_t *frame = &claim->later[entry->later].frame;
    if (*frame == 0 || (entry->later_frame != 0 && entry->later_frame < *frame)) {
        *frame = entry->later_frame;
    }
    claim->later[entry->later].count += entry->count;
}

static void add_once(host_claims *out, GHashTable *added, const advert_group *entry)
{
    if (g_hash_table_add(added, (gpointer)entry)) {
        add_entry(out, entry);
    }
}

static void add_from(host_claims *out, GHashTable *added, const host_advertisers *by, const krpc_endpoint *endpoint)
{
    const advert_group *entry;

    for (unsigned i = advert_groups_find(by->groups, endpoint); (entry = advert_groups_get(by->groups, i)) != NULL;
         i++) {
        if (!krpc_endpoint_equal(&entry->host, endpoint)) {
            break;
        }
        add_once(out, added, entry);
    }
}

static void add_record(host_claims *out, GHashTable *added, const host_advertisers *by, const tracker_node *node)
{
    add_from(out, added, by, &node->endpoint);
    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        if (krpc_endpoint_same_addr(&node->nat.external[i].endpoint, &node->endpoint)) {
            add_from(out, added, by, &node->nat.external[i].endpoint);
        }
    }
    if (node->num_ids == 0) {
        return;
    }
    GBytes *key = identity(&node->endpoint, node->ids[0]);
    const GPtrArray *entries = g_hash_table_lookup(by->by_identity, key);
    g_bytes_unref(key);
    for (guint i = 0; entries != NULL && i < entries->len; i++) {
        add_once(out, added, g_ptr_array_index(entries, i));
    }
}

void host_claims_get(host_claims *out, const host_advertisers *by, const run *from, const host_group *of)
{
    GHashTable *added = g_hash_table_new(NULL, NULL);
    tracker_node node;

    *out = (host_claims){0};
    for (uint32_t i = 0; i < of->num_members; i++) {
        if (run_node_get(from, of->members[i], &node)) {
            add_record(out, added, by, &node);
        }
    }
    g_hash_table_destroy(added);
}

bool host_claims_differ(const host_advertisers *by, const tracker_node *node)
{
    const advert_group *entry;

    for (unsigned i = advert_groups_find(by->groups, &node->endpoint);
         (entry = advert_groups_get(by->groups, i)) != NULL && krpc_endpoint_equal(&entry->host, &node->endpoint);
         i++) {
        if (entry->service == KRPC_SERVICE_DHT && entry->advertised_port != node->endpoint.port) {
            return true;
        }
    }
    return false;
}
