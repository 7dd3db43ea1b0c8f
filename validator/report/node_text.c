/* node_text.c: see node_text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/node_text.h"

#include <glib.h>

#include "input/selection.h"
#include "output/wrap.h"
#include "report/json_record.h"
#include "report/message_text.h"

#define LINE_WIDTH     100
#define SHOWN_EXTERNAL 3
#define SHOWN_PORTS    4

/* The ports that a host advertises for its DHT. */
typedef struct dht_claims {
    struct {
        int32_t port;
        uint8_t channel;
        uint32_t count;
        uint32_t frame;
        struct {
            uint32_t count;
            uint32_t frame;
        } later[TRACKER_NUM_LATER];
    } claims[SHOWN_PORTS];
    unsigned num_claims;
    bool more;
} dht_claims;

static void collect_entry(dht_claims *out, const advert_group *entry)
{
    unsigned n = 0;

    if (entry->service != KRPC_SERVICE_DHT) {
        return;
    }
    while (n < out->num_claims &&
           (out->claims[n].port != entry->advertised_port || out->claims[n].channel != entry->channel)) {
        n++;
    }
    if (n == SHOWN_PORTS) {
        out->more = true;
        return;
    }
    if (n == out->num_claims) {
        out->num_claims++;
        out->claims[n].port = entry->advertised_port;
        out->claims[n].channel = entry->channel;
        out->claims[n].frame = entry->frames[0];
    }
    out->claims[n].count += entry->count;
    out->claims[n].frame = MIN(out->claims[n].frame, entry->frames[0]);
    if (entry->later < TRACKER_NUM_LATER) {
        uint32_t *frame = &out->claims[n].later[entry->later].frame;
        if (*frame == 0 || (entry->later_frame != 0 && entry->later_frame < *frame)) {
            *frame = entry->later_frame;
        }
        out->claims[n].later[entry->later].count += entry->count;
    }
}

static void collect_from(dht_claims *out, const advert_groups *groups, const krpc_endpoint *host)
{
    const advert_group *entry;

    for (unsigned i = advert_groups_find(groups, host); (entry = advert_groups_get(groups, i)) != NULL; i++) {
        if (!krpc_endpoint_equal(&entry->host, host)) {
            break;
        }
        collect_entry(out, entry);
    }
}

/* The advertisements from the endpoints of a node that the tracker keeps. */
static void collect(dht_claims *out, const advert_groups *groups, const tracker_node *node)
{
    *out = (dht_claims){0};
    collect_from(out, groups, &node->endpoint);
    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        const krpc_endpoint *outside = &node->nat.external[i].endpoint;
        if (krpc_endpoint_same_addr(outside, &node->endpoint) && outside->port != node->endpoint.port) {
            collect_from(out, groups, outside);
        }
    }
}

static bool is_collected(const tracker_node *node, const krpc_endpoint *host)
{
    bool found = krpc_endpoint_equal(host, &node->endpoint);

    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        found = found || krpc_endpoint_equal(host, &node->nat.external[i].endpoint);
    }
    return found;
}

/* From outside, one node behind a NAT is many endpoints with one address and one id. */
static GBytes *identity(const krpc_endpoint *endpoint, const uint8_t id[20])
{
    uint8_t key[36];

    memcpy(key, endpoint->addr, 16);
    memcpy(key + 16, id, 20);
    return g_bytes_new(key, sizeof key);
}

/* The entries by identity, for advertisements from endpoints that the tracker does not keep. */
static GHashTable *by_identity(const advert_groups *groups)
{
    GHashTable *said = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                                             (GDestroyNotify)g_ptr_array_unref);
    const advert_group *entry;

    for (unsigned i = 0; (entry = advert_groups_get(groups, i)) != NULL; i++) {
        if (!entry->has_node_id) {
            continue;
        }
        GBytes *key = identity(&entry->host, entry->node_id);
        GPtrArray *entries = g_hash_table_lookup(said, key);
        if (entries == NULL) {
            entries = g_ptr_array_new();
            g_hash_table_insert(said, g_bytes_ref(key), entries);
        }
        g_bytes_unref(key);
        g_ptr_array_add(entries, (gpointer)entry);
    }
    return said;
}

static void collect_elsewhere(dht_claims *out, GHashTable *said, const tracker_node *node)
{
    if (node->num_ids == 0) {
        return;
    }
    GBytes *key = identity(&node->endpoint, node->ids[0]);
    const GPtrArray *entries = g_hash_table_lookup(said, key);
    g_bytes_unref(key);
    for (guint i = 0; entries != NULL && i < entries->len; i++) {
        const advert_group *entry = g_ptr_array_index(entries, i);
        if (!is_collected(node, &entry->host)) {
            collect_entry(out, entry);
        }
    }
}

/* The number of endpoints before the first global one: between two NATs in a row, only the outer NAT sees them. 0 if no
 * endpoint is global. */
static uint32_t num_between(const tracker_node *node)
{
    uint32_t num = 0;

    while (num < node->nat.num_kept && krpc_endpoint_scope(&node->nat.external[num].endpoint) != KRPC_ADDR_GLOBAL) {
        num++;
    }
    return num < node->nat.num_kept ? num : 0;
}

static bool is_seen_elsewhere(const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;

    for (uint32_t i = 0; i < nat->num_kept; i++) {
        if (!krpc_endpoint_equal(&nat->external[i].endpoint, &node->endpoint)) {
            return true;
        }
    }
    return nat->num_external > 1 || nat->port == TRACKER_PORT_REWRITTEN || nat->port == TRACKER_PORT_MIXED;
}

static bool needs_text(const advert_groups *groups, const tracker_node *node)
{
    dht_claims claims;

    if (is_seen_elsewhere(node)) {
        return true;
    }
    collect(&claims, groups, node);
    for (unsigned i = 0; i < claims.num_claims; i++) {
        if (claims.claims[i].port != node->endpoint.port) {
            return true;
        }
    }
    return false;
}

static void put_frames(strbuf *out, const run *from, const uint32_t *frames, uint32_t num_frames)
{
    strbuf_puts(out, num_frames == 1 ? " (frame " : " (frames ");
    for (uint32_t i = 0; i < num_frames; i++) {
        if (i > 0) {
            strbuf_puts(out, ", ");
        }
        run_put_frame(out, from, frames[i]);
    }
    strbuf_char(out, ')');
}

static const char *claim_text(uint8_t channel)
{
    switch ((krpc_channel)channel) {
    case KRPC_CHANNEL_PORT_MESSAGE:
        return "PORT messages";
    case KRPC_CHANNEL_P:
        return "the key p";
    case KRPC_CHANNEL_CONTACT:
        return "contact queries";
    default:
        return krpc_channel_get((krpc_channel)channel)->name;
    }
}

/* From outside, a node on many ports is identified by its id and address. */
static void put_who(strbuf *out, const tracker_node *node)
{
    bool is_many = node->nat.num_external > 1 && node->num_ids > 0 &&
                   krpc_endpoint_same_addr(&node->nat.external[0].endpoint, &node->endpoint);

    if (is_many) {
        strbuf_puts(out, "Node ");
        message_text_id(out, node->ids[0]);
        strbuf_puts(out, " at ");
        strbuf_addr(out, &node->endpoint);
    } else {
        strbuf_endpoint(out, &node->endpoint);
    }
    if (node->version_len > 0) {
        strbuf_printf(out, " (%s)", client_name(node->version, node->version_len));
    }
}

static void put_externals(strbuf *out, const run *from, const tracker_node *node, uint32_t first, uint32_t end)
{
    const tracker_nat *nat = &node->nat;
    uint32_t shown = MIN(end, first + SHOWN_EXTERNAL);

    for (uint32_t i = first; i < shown; i++) {
        const tracker_external *external = &nat->external[i];
        if (i > first) {
            strbuf_puts(out, i + 1 == shown && (end < nat->num_kept || nat->num_external == shown) ? " and " : ", ");
        }
        if (krpc_endpoint_same_addr(&external->endpoint, &node->endpoint)) {
            strbuf_uint(out, external->endpoint.port);
        } else {
            strbuf_endpoint(out, &external->endpoint);
        }
        put_frames(out, from, external->frames, MIN(external->num_frames, 2));
    }
}

static void put_seen(strbuf *out, const run *from, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;

    if (nat->num_kept == 0 ||
        (nat->num_external == 1 && krpc_endpoint_equal(&nat->external[0].endpoint, &node->endpoint))) {
        strbuf_printf(out, " sends from port %u", node->endpoint.port);
        if (nat->num_kept > 0) {
            strbuf_puts(out, ", and is seen there");
            put_frames(out, from, nat->external[0].frames, MIN(nat->external[0].num_frames, 2));
        }
        strbuf_char(out, '.');
        return;
    }
    uint32_t between = num_between(node);
    if (between > 0) {
        strbuf_puts(out, " leaves its own NAT as ");
        put_externals(out, from, node, 0, between);
        strbuf_puts(out, "; after a second NAT it");
    }
    strbuf_puts(out, krpc_endpoint_same_addr(&nat->external[between].endpoint, &node->endpoint)
                         ? " is seen on port "
                         : " is seen by others at ");
    put_externals(out, from, node, between, nat->num_kept);
    uint32_t shown = MIN(nat->num_kept - between, SHOWN_EXTERNAL);
    if (nat->num_external - between > shown) {
        strbuf_printf(out, " and on %u more port%s", nat->num_external - between - shown,
                      nat->num_external - between - shown == 1 ? "" : "s");
    }
    strbuf_char(out, '.');
}

static void put_behaviour(strbuf *out, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;

    if (nat->mapping == TRACKER_MAPPING_DEPENDENT) {
        strbuf_puts(out, nat->port == TRACKER_PORT_MIXED
                             ? " Its NAT keeps the port for some destinations and changes it for others:"
                             : " Its NAT uses different outside ports for different destinations:");
    } else if (nat->port == TRACKER_PORT_REWRITTEN && nat->mapping == TRACKER_MAPPING_INDEPENDENT) {
        strbuf_puts(out, " Its NAT rewrites the port, and uses the same one for every destination:");
    } else if (nat->port == TRACKER_PORT_REWRITTEN) {
        strbuf_puts(out, " Its NAT rewrites the port:");
    } else if (nat->port == TRACKER_PORT_MIXED) {
        strbuf_puts(out, " Its NAT sometimes keeps the port and sometimes changes it:");
    } else if (nat->port == TRACKER_PORT_PRESERVED) {
        strbuf_puts(out, " Its NAT keeps the port:");
    } else {
        return;
    }
    if (nat->mapping == TRACKER_MAPPING_DEPENDENT) {
        strbuf_puts(out, " no port that it could advertise is right for all nodes.");
    } else if (num_between(node) > 0) {
        strbuf_puts(out, " others must send to the second NAT's port.");
    } else if (nat->port == TRACKER_PORT_PRESERVED) {
        strbuf_puts(out, " others must send to that port.");
    } else if (nat->num_kept == 1) {
        strbuf_printf(out, " %u is the port to send to, %u is not.", nat->external[0].endpoint.port,
                      node->endpoint.port);
    } else {
        strbuf_puts(out, " others must send to that port, not to its own.");
    }
}

static bool is_outside_port(const tracker_node *node, int32_t port)
{
    if (node->nat.num_kept == 0) {
        return port == node->endpoint.port;
    }
    for (uint32_t i = num_between(node); i < node->nat.num_kept; i++) {
        if (node->nat.external[i].endpoint.port == port) {
            return true;
        }
    }
    return false;
}

static void put_later(strbuf *out, const run *from, tracker_later later, uint32_t count, uint32_t frame, uint32_t all)
{
    static const char *const written[TRACKER_NUM_LATER] = {
        [TRACKER_LATER_HONOURED] = "the receiver sent a query to the advertised port",
        [TRACKER_LATER_NOT_HONOURED] = "the receiver kept sending to the source port",
        [TRACKER_LATER_DEAD] = "a query to the advertised port got no answer",
        [TRACKER_LATER_OTHER_NODE] = "another node answers on the advertised port",
    };

    if (written[later] == NULL || count == 0) {
        return;
    }
    strbuf_printf(out, "; %s", written[later]);
    if (count != all) {
        strbuf_printf(out, " %u time%s", count, count == 1 ? "" : "s");
    }
    if (frame != 0) {
        put_frames(out, from, &frame, 1);
    }
}

/* From outside: the node answers on a port that its own queries do not come from. */
static bool is_forwarded(const run *from, const tracker_node *node, int32_t port)
{
    krpc_endpoint named = node->endpoint;
    tracker_node there;

    if (port < 1 || port > 65535 || krpc_endpoint_scope(&named) != KRPC_ADDR_GLOBAL) {
        return false;
    }
    named.port = (uint16_t)port;
    if (!tracker_node_find(run_get_tracker(from), &named, &there) || there.responses == 0) {
        return false;
    }
    for (uint32_t i = 0; i < MIN(there.num_ids, TRACKER_MAX_IDS); i++) {
        if (node->num_ids > 0 && memcmp(there.ids[i], node->ids[0], sizeof node->ids[0]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_claims(strbuf *out, const run *from, const dht_claims *claims, const tracker_node *node)
{
    for (unsigned i = 0; i < claims->num_claims; i++) {
        bool is_right = is_outside_port(node, claims->claims[i].port);
        strbuf_printf(out, " In %s it advertises port %d", claim_text(claims->claims[i].channel),
                      claims->claims[i].port);
        strbuf_printf(out, " (%u time%s, first in frame ", claims->claims[i].count,
                      claims->claims[i].count == 1 ? "" : "s");
        run_put_frame(out, from, claims->claims[i].frame);
        strbuf_char(out, ')');
        strbuf_puts(out, is_right ? node->nat.mapping == TRACKER_MAPPING_DEPENDENT
                                        ? ", which is right for some nodes only"
                                        : ", which is right"
                                  : ", but is seen on another port");
        for (unsigned later = 0; later < TRACKER_NUM_LATER; later++) {
            put_later(out, from, (tracker_later)later, claims->claims[i].later[later].count,
                      claims->claims[i].later[later].frame, claims->claims[i].count);
        }
        if (!is_right && is_forwarded(from, node, claims->claims[i].port)) {
            strbuf_puts(out, "; it answers on the advertised port, so that port is forwarded");
        }
        strbuf_char(out, '.');
    }
    if (claims->num_claims == 0) {
        strbuf_puts(out, " It advertises no DHT port.");
    }
}

static void put_filtering(strbuf *out, const tracker_node *node)
{
    if (node->nat.filtering == TRACKER_FILTERING_DEPENDENT) {
        strbuf_puts(out, " Its NAT lets in only hosts that it has sent to.");
    } else if (node->nat.filtering == TRACKER_FILTERING_INDEPENDENT) {
        strbuf_puts(out, " Its NAT lets in any host.");
    }
}

static void put_node(strbuf *out, const run *from, const advert_groups *groups, GHashTable *said,
                     const tracker_node *node)
{
    size_t start = out->len;
    dht_claims claims;

    collect(&claims, groups, node);
    collect_elsewhere(&claims, said, node);
    put_who(out, node);
    put_seen(out, from, node);
    put_behaviour(out, node);
    put_filtering(out, node);
    put_claims(out, from, &claims, node);
    wrap(out, start, "  ", LINE_WIDTH);
}

static bool is_written(GHashTable *written, const tracker_node *node)
{
    return node->num_ids > 0 && !g_hash_table_add(written, identity(&node->endpoint, node->ids[0]));
}

uint64_t node_text_put_all(strbuf *out, const run *from, const advert_groups *groups, const selection *which,
                           const node_text_filter *only, uint32_t max_nodes)
{
    GHashTable *written = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    GHashTable *said = by_identity(groups);
    uint32_t num_nodes = tracker_num_nodes(run_get_tracker(from));
    uint64_t num_written = 0;
    tracker_node node;

    for (uint32_t i = 0; i < num_nodes; i++) {
        if (!run_node_get(from, i, &node) || !selection_node(which, &node) || !needs_text(groups, &node) ||
            (only != NULL && !only->takes(only->ctx, &node)) || is_written(written, &node)) {
            continue;
        }
        if (num_written == 0 && max_nodes > 0) {
            strbuf_puts(out, "\nNodes behind a NAT, or advertising another port:\n");
        }
        if (num_written++ < max_nodes) {
            put_node(out, from, groups, said, &node);
        }
    }
    g_hash_table_destroy(written);
    g_hash_table_destroy(said);
    return num_written;
}
