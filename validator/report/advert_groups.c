/* advert_groups.c: see advert_groups.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/advert_groups.h"

#include <string.h>

#include <glib.h>

#define MAX_ENTRIES 16384

struct advert_groups {
    GHashTable *index; /* each entry maps to itself */
    GPtrArray *entries;
    uint64_t dropped;
};

static guint entry_hash(gconstpointer key)
{
    const advert_group *entry = key;
    guint hash = (guint)krpc_endpoint_hash(&entry->host) ^ (guint)entry->advertised_port;

    return (hash * 16777619u) ^ (guint)(entry->channel << 16 | entry->verdict << 8 | entry->later);
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
    const advert_group *x = a;
    const advert_group *y = b;

    return krpc_endpoint_equal(&x->host, &y->host) && x->advertised_port == y->advertised_port &&
           x->channel == y->channel && x->verdict == y->verdict && x->later == y->later &&
           x->implied_port == y->implied_port;
}

advert_groups *advert_groups_new(void)
{
    advert_groups *groups = g_new0(advert_groups, 1);

    groups->index = g_hash_table_new(entry_hash, entry_equal);
    groups->entries = g_ptr_array_new_with_free_func(g_free);
    return groups;
}

void advert_groups_free(advert_groups *groups)
{
    if (groups == NULL) {
        return;
    }
    g_hash_table_destroy(groups->index);
    g_ptr_array_unref(groups->entries);
    g_free(groups);
}

/* The host of a TCP or uTP stream is identified by its DHT port: the port of the stream says nothing about the DHT. */
static krpc_endpoint host_of(const tracker_advert *advert)
{
    krpc_endpoint host = advert->sender;

    host.port = advert->dht_port;
    return host;
}

void advert_groups_add(advert_groups *groups, const tracker_advert *advert)
{
    advert_group key = {
        .host = host_of(advert),
        .advertised_port = advert->advertised_port,
        .channel = advert->channel,
        .service = advert->service,
        .verdict = advert->verdict,
        .later = advert->later,
        .implied_port = advert->implied_port,
    };
    advert_group *entry = g_hash_table_lookup(groups->index, &key);

    if (entry == NULL) {
        if (groups->entries->len == MAX_ENTRIES) {
            groups->dropped++;
            return;
        }
        entry = g_memdup2(&key, sizeof key);
        entry->receiver = advert->receiver;
        g_ptr_array_add(groups->entries, entry);
        g_hash_table_add(groups->index, entry);
    }
    entry->count++;
    if (advert->observed.port != 0) {
        entry->observed = advert->observed;
    } else if (advert->verdict == TRACKER_VERDICT_MISMATCH && advert->dht_port != 0) {
        entry->observed = advert->sender; /* the source port itself */
        entry->observed.port = advert->dht_port;
    }
    if (entry->num_frames < ADVERT_GROUP_FRAMES) {
        entry->frames[entry->num_frames++] = advert->frame;
    }
    if (entry->proof_frame == 0) {
        entry->proof_frame = advert->verdict_frame;
    }
    if (entry->later_frame == 0) {
        entry->later_frame = advert->later_frame;
    }
    if (advert->has_node_id && !entry->has_node_id) {
        entry->has_node_id = true;
        memcpy(entry->node_id, advert->node_id, sizeof entry->node_id);
    }
    if (advert->version_len > 0) {
        entry->version_len = advert->version_len;
        memcpy(entry->version, advert->version, 4);
    }
}

static gint entry_compare(gconstpointer a, gconstpointer b)
{
    const advert_group *x = *(advert_group *const *)a;
    const advert_group *y = *(advert_group *const *)b;
    int order = krpc_endpoint_compare(&x->host, &y->host);

    if (order == 0) {
        order = x->service - y->service;
    }
    if (order == 0) {
        order = x->channel - y->channel;
    }
    if (order == 0) {
        order = x->advertised_port < y->advertised_port ? -1 : x->advertised_port > y->advertised_port;
    }
    if (order == 0) {
        order = x->frames[0] < y->frames[0] ? -1 : x->frames[0] > y->frames[0];
    }
    return order;
}

unsigned advert_groups_sort(advert_groups *groups)
{
    g_ptr_array_sort(groups->entries, entry_compare);
    return groups->entries->len;
}

const advert_group *advert_groups_get(const advert_groups *groups, unsigned index)
{
    return index < groups->entries->len ? g_ptr_array_index(groups->entries, index) : NULL;
}

unsigned advert_groups_find(const advert_groups *groups, const krpc_endpoint *host)
{
    unsigned low = 0;
    unsigned high = groups->entries->len;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (krpc_endpoint_compare(&advert_groups_get(groups, middle)->host, host) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const advert_group *entry = advert_groups_get(groups, low);
    return entry != NULL && krpc_endpoint_equal(&entry->host, host) ? low : groups->entries->len;
}

uint64_t advert_groups_dropped(const advert_groups *groups)
{
    return groups->dropped;
}
