/* selection.c: see selection.h. A node must match every option that was given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/selection.h"

#include <glib.h>

#include "input/client_name.h"

bool selection_all(const selection *which)
{
    return which->endpoint.addr_len == 0 && !which->has_id && !which->has_info_hash && which->port < 0 &&
           which->client == NULL;
}

static bool is_endpoint(const selection *which, const krpc_endpoint *endpoint)
{
    return krpc_endpoint_same_addr(&which->endpoint, endpoint) &&
           (which->endpoint.port == 0 || which->endpoint.port == endpoint->port);
}

static bool is_client(const selection *which, const uint8_t *version, size_t len)
{
    const char *name = client_name(version, len);
    size_t want = strlen(which->client);

    for (; *name != 0; name++) {
        if (g_ascii_strncasecmp(name, which->client, want) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_id(const uint8_t *id, const uint8_t *wanted)
{
    return id != NULL && memcmp(id, wanted, 20) == 0;
}

static bool names_port(const krpc_message *message, int32_t port)
{
    static const krpc_field fields[] = {KRPC_P, KRPC_A_PORT, KRPC_R_P};

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (krpc_has(message, fields[i]) && message->value[fields[i]].num == port) {
            return true;
        }
    }
    return false;
}

static bool is_about(const selection *which, const krpc_message *message, const uint8_t *data,
                     const tracker_result *result)
{
    return is_id(krpc_message_target(message, data), which->info_hash) ||
           (result->has_target && is_id(result->target, which->info_hash));
}

bool selection_message(const selection *which, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result)
{
    const tracker_packet *where = &packet->where;
    const uint8_t *data = packet->data;

    if (selection_all(which)) {
        return true;
    }
    if (which->endpoint.addr_len != 0 && !is_endpoint(which, &where->src) && !is_endpoint(which, &where->dst)) {
        return false;
    }
    if (which->has_id && !is_id(krpc_message_id(message, data), which->id)) {
        return false;
    }
    if (which->has_info_hash && !is_about(which, message, data, result)) {
        return false;
    }
    if (which->port >= 0 && where->src.port != which->port && where->dst.port != which->port &&
        !names_port(message, which->port)) {
        return false;
    }
    if (which->client == NULL) {
        return true;
    }
    const krpc_value *v = &message->value[KRPC_V];
    return is_client(which, data + (krpc_has(message, KRPC_V) ? v->off : 0), krpc_has(message, KRPC_V) ? v->len : 0);
}

bool selection_packet(const selection *which, const tracker_packet *where)
{
    bool is_asked = which->endpoint.addr_len != 0;

    return !which->has_id && !which->has_info_hash && which->client == NULL &&
           (!is_asked || is_endpoint(which, &where->src) || is_endpoint(which, &where->dst)) &&
           (which->port < 0 || where->src.port == which->port || where->dst.port == which->port);
}

bool selection_advert(const selection *which, const tracker_advert *advert)
{
    if (selection_all(which)) {
        return true;
    }
    if (which->endpoint.addr_len != 0 && !is_endpoint(which, &advert->sender) &&
        !is_endpoint(which, &advert->receiver) && !is_endpoint(which, &advert->observed)) {
        return false;
    }
    if (which->has_id && !(advert->has_node_id && is_id(advert->node_id, which->id))) {
        return false;
    }
    if (which->has_info_hash && !(advert->has_info_hash && is_id(advert->info_hash, which->info_hash))) {
        return false;
    }
    if (which->port >= 0 && advert->sender.port != which->port && advert->advertised_port != which->port &&
        advert->observed.port != which->port && advert->dht_port != which->port) {
        return false;
    }
    return which->client == NULL || is_client(which, advert->version, advert->version_len);
}

static bool node_is_endpoint(const selection *which, const tracker_node *node)
{
    if (is_endpoint(which, &node->endpoint)) {
        return true;
    }
    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        if (is_endpoint(which, &node->nat.external[i].endpoint)) {
            return true;
        }
    }
    return false;
}

static bool node_has_port(const tracker_node *node, int32_t port)
{
    if (node->endpoint.port == port) {
        return true;
    }
    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        if (node->nat.external[i].endpoint.port == port) {
            return true;
        }
    }
    return false;
}

bool selection_node(const selection *which, const tracker_node *node)
{
    if (selection_all(which)) {
        return true;
    }
    if (which->endpoint.addr_len != 0 && !node_is_endpoint(which, node)) {
        return false;
    }
    if (which->has_id) {
        bool found = false;
        for (uint32_t i = 0; i < MIN(node->num_ids, TRACKER_MAX_IDS) && !found; i++) {
            found = is_id(node->ids[i], which->id);
        }
        if (!found) {
            return false;
        }
    }
    if (which->port >= 0 && !node_has_port(node, which->port)) {
        return false;
    }
    return which->client == NULL || is_client(which, node->version, node->version_len);
}

/* ---- participants in a torrent ---- */

#define MAX_PARTICIPANTS 131072

struct participants {
    const selection *which;
    GHashTable *endpoints;
};

static guint endpoint_hash(gconstpointer key)
{
    return (guint)krpc_endpoint_hash(key);
}

static gboolean endpoint_equal(gconstpointer a, gconstpointer b)
{
    return krpc_endpoint_equal(a, b);
}

participants *participants_new(const selection *which)
{
    if (!which->has_info_hash) {
        return NULL;
    }
    participants *all = g_new(participants, 1);
    *all = (participants){which, g_hash_table_new_full(endpoint_hash, endpoint_equal, g_free, NULL)};
    return all;
}

void participants_free(participants *all)
{
    if (all != NULL) {
        g_hash_table_destroy(all->endpoints);
    }
    g_free(all);
}

void participants_note(participants *all, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result)
{
    const krpc_endpoint *from = &packet->where.src;

    if (is_about(all->which, message, packet->data, result) && !g_hash_table_contains(all->endpoints, from) &&
        g_hash_table_size(all->endpoints) < MAX_PARTICIPANTS) {
        g_hash_table_add(all->endpoints, g_memdup2(from, sizeof *from));
    }
}

bool participants_has(void *all, const tracker_node *node)
{
    const participants *of = all;

    return of == NULL || g_hash_table_contains(of->endpoints, &node->endpoint);
}
