/* ledger.c: see ledger.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/advert_groups.h"

#include <string.h>

#include <glib.h>

#define MAX_ENTRIES 16384

struct ledger {
    GHashTable *index; /* entry -> itself */
    GPtrArray *entries;
    uint64_t dropped;
};

static guint entry_hash(gconstpointer key)
{
    const ledger_entry *entry = key;
    guint hash = 2166136261u;

    for (unsigned i = 0; i < 16; i++) {
        hash = (hash ^ entry->host.addr[i]) * 16777619u;
    }
    hash = (hash ^ entry->host.port) * 16777619u;
    hash = (hash ^ (guint)entry->advertised_port) * 16777619u;
    return (hash ^ (guint)(entry->channel << 16 | entry->verdict << 8 | entry->later)) * 16777619u;
}

static gboolean entry_equal(gconstpointer a, gconstpointer b)
{
    const ledger_entry *x = a;
    const ledger_entry *y = b;

    return krpc_endpoint_equal(&x->host, &y->host) && x->advertised_port == y->advertised_port &&
           x->channel == y->channel && x->verdict == y->verdict && x->later == y->later &&
           x->implied_port == y->implied_port;
}

ledger *ledger_new(void)
{
    ledger *book = g_new0(ledger, 1);

    book->index = g_hash_table_new(entry_hash, entry_equal);
    book->entries = g_ptr_array_new_with_free_func(g_free);
    return book;
}

void ledger_free(ledger *book)
{
    if (book == NULL) {
        return;
    }
    g_hash_table_destroy(book->index);
    g_ptr_array_unref(book->entries);
    g_free(book);
}

/* The host of a TCP or uTP stream is known by its DHT port: the stream's own says nothing of it. */
static krpc_endpoint host_of(const tracker_advert *advert)
{
    krpc_endpoint host = advert->sender;

    host.port = advert->dht_port;
    return host;
}

void ledger_add(ledger *book, const tracker_advert *advert)
{
    ledger_entry key = {
        .host = host_of(advert),
        .advertised_port = advert->advertised_port,
        .channel = advert->channel,
        .service = advert->service,
        .verdict = advert->verdict,
        .later = advert->later,
        .implied_port = advert->implied_port,
    };
    ledger_entry *entry = g_hash_table_lookup(book->index, &key);

    if (entry == NULL) {
        if (book->entries->len == MAX_ENTRIES) {
            book->dropped++;
            return;
        }
        entry = g_memdup2(&key, sizeof key);
        entry->receiver = advert->receiver;
        g_ptr_array_add(book->entries, entry);
        g_hash_table_add(book->index, entry);
    }
    entry->count++;
    if (advert->observed.port != 0) {
        entry->observed = advert->observed;
    }
    if (entry->num_frames < LEDGER_FRAMES) {
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
    const ledger_entry *x = *(ledger_entry *const *)a;
    const ledger_entry *y = *(ledger_entry *const *)b;
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

unsigned ledger_sort(ledger *book)
{
    g_ptr_array_sort(book->entries, entry_compare);
    return book->entries->len;
}

const ledger_entry *ledger_get(const ledger *book, unsigned index)
{
    return index < book->entries->len ? g_ptr_array_index(book->entries, index) : NULL;
}

unsigned ledger_find(const ledger *book, const krpc_endpoint *host)
{
    unsigned low = 0;
    unsigned high = book->entries->len;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (krpc_endpoint_compare(&ledger_get(book, middle)->host, host) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const ledger_entry *entry = ledger_get(book, low);
    return entry != NULL && krpc_endpoint_equal(&entry->host, host) ? low : book->entries->len;
}

uint64_t ledger_dropped(const ledger *book)
{
    return book->dropped;
}
