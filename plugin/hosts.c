/* hosts.c: the nodes, grouped by host: endpoints with a node id in common, at one address or in one network.
 *
 * A host that changes its port, or whose NAT gives it several, has a node for each endpoint. Nodes are joined as sets,
 * by keys of an id and a place: the first node with a key owns it, and all others with that key join the owner's set.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

typedef struct place_key {
    uint8_t id[20];
    uint8_t addr[16];
} place_key;

static uint32_t set_of(GArray *sets, uint32_t node)
{
    uint32_t *of = (uint32_t *)(void *)sets->data;

    while (of[node] != node) {
        of[node] = of[of[node]];
        node = of[node];
    }
    return node;
}

/* The place is the network for a global address, /24 or /48: the outside addresses of one NAT are neighbours. */
static GBytes *key_new(const uint8_t id[20], const krpc_endpoint *endpoint)
{
    size_t len = endpoint->addr_len;
    place_key key;

    if (krpc_endpoint_scope(endpoint) == KRPC_ADDR_GLOBAL) {
        len = len == 4 ? 3 : 6;
    }
    memset(&key, 0, sizeof key);
    memcpy(key.id, id, sizeof key.id);
    memcpy(key.addr, endpoint->addr, len);
    return g_bytes_new(&key, sizeof key.id + (endpoint->addr_len == 4 ? 4 : 16));
}

static void place_join(GArray *sets, GHashTable *owners, uint32_t index, const tracker_node *node,
                       const krpc_endpoint *endpoint)
{
    for (unsigned i = 0; i < node->num_ids && i < TRACKER_MAX_IDS; i++) {
        GBytes *key = key_new(node->ids[i], endpoint);
        const void *owner = g_hash_table_lookup(owners, key);

        if (owner == NULL) {
            g_hash_table_insert(owners, key, GUINT_TO_POINTER(index + 1));
            continue;
        }
        uint32_t a = set_of(sets, index), b = set_of(sets, GPOINTER_TO_UINT(owner) - 1);

        g_array_index(sets, uint32_t, MAX(a, b)) = MIN(a, b);
        g_bytes_unref(key);
    }
}

/* The set of each node: the index of its first node. */
static GArray *sets_new(tracker *t, uint32_t num_nodes)
{
    GArray *sets = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GHashTable *owners = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    tracker_node node;

    for (uint32_t i = 0; i < num_nodes; i++) {
        g_array_append_val(sets, i);
        if (!tracker_node_get(t, i, &node)) {
            continue;
        }
        place_join(sets, owners, i, &node, &node.endpoint);
        for (unsigned k = 0; k < node.nat.num_kept; k++) {
            if (!krpc_endpoint_same_addr(&node.nat.external[k].endpoint, &node.endpoint)) {
                place_join(sets, owners, i, &node, &node.nat.external[k].endpoint);
            }
        }
    }
    g_hash_table_destroy(owners);
    return sets;
}

/* Open with a port says most. */
static unsigned reach_rank(const tracker_reachability *reach)
{
    switch (reach->verdict) {
    case TRACKER_REACH_OPEN:
        return reach->num_open > 0 ? 3 : 2;
    case TRACKER_REACH_REPLIES_ONLY:
        return 1;
    default:
        return 0;
    }
}

static uint64_t num_sent(const tracker_node *node)
{
    return (uint64_t)node->queries + node->responses + node->errors;
}

/* A host is known under its own address, or else where it is reached or where it sent most. */
static bool is_better_name(const tracker_node *node, const tracker_node *other)
{
    bool is_own = krpc_endpoint_scope(&node->endpoint) != KRPC_ADDR_GLOBAL;
    bool other_is_own = krpc_endpoint_scope(&other->endpoint) != KRPC_ADDR_GLOBAL;

    if (is_own != other_is_own) {
        return other_is_own;
    }
    if (reach_rank(&node->reach) != reach_rank(&other->reach)) {
        return reach_rank(&other->reach) > reach_rank(&node->reach);
    }
    return num_sent(other) > num_sent(node);
}

static void external_join(tracker_nat *nat, const tracker_external *external)
{
    for (unsigned i = 0; i < nat->num_kept; i++) {
        if (krpc_endpoint_equal(&nat->external[i].endpoint, &external->endpoint)) {
            return;
        }
    }
    if (nat->num_kept < TRACKER_MAX_EXTERNAL) {
        nat->external[nat->num_kept++] = *external;
    }
    nat->num_external = MAX(nat->num_external, nat->num_kept);
}

/* A verdict comes with its reason. */
static void nat_join(tracker_nat *nat, const tracker_nat *other)
{
    if (nat->port == TRACKER_PORT_UNKNOWN && other->port != TRACKER_PORT_UNKNOWN) {
        nat->port = other->port;
        nat->port_reason = other->port_reason;
    }
    if (nat->mapping == TRACKER_MAPPING_UNKNOWN && nat->addresses == TRACKER_ADDRESSES_UNKNOWN) {
        nat->mapping = other->mapping;
        nat->addresses = other->addresses;
        nat->mapping_reason = other->mapping_reason;
    }
    if (nat->filtering == TRACKER_FILTERING_UNKNOWN) {
        nat->filtering = other->filtering;
    }
    nat->num_external = MAX(nat->num_external, other->num_external);
    for (unsigned i = 0; i < other->num_kept; i++) {
        external_join(nat, &other->external[i]);
    }
}

/* Advice belongs to the verdict about reachability: that of another node could contradict it. */
static void node_join(tracker_node *node, const tracker_node *other)
{
    if (reach_rank(&other->reach) > reach_rank(&node->reach)) {
        node->reach = other->reach;
        node->num_advice = other->num_advice;
        memcpy(node->advice, other->advice, sizeof node->advice);
    }
    nat_join(&node->nat, &other->nat);
    node->queries += other->queries;
    node->responses += other->responses;
    node->errors += other->errors;
    if (node->version_len == 0) {
        node->version_len = other->version_len;
        memcpy(node->version, other->version, sizeof node->version);
    }
}

/* A global endpoint from which the capture shows queries is an outside endpoint of a host with several. */
static void endpoint_join(tracker_nat *nat, const tracker_node *node)
{
    const tracker_external seen = {.endpoint = node->endpoint, .num_frames = 1, .frames = {node->first_frame}};

    if (node->queries > 0 && krpc_endpoint_scope(&node->endpoint) == KRPC_ADDR_GLOBAL) {
        external_join(nat, &seen);
    }
}

/* Reads the nodes of a set, which are linked by next. */
static void host_read(tracker *t, uint32_t first, const uint32_t *next, tracker_node *out)
{
    uint32_t best = first;
    tracker_node node;

    tracker_node_get(t, first, out);
    for (uint32_t i = next[first]; i != UINT32_MAX; i = next[i]) {
        if (tracker_node_get(t, i, &node) && is_better_name(out, &node)) {
            *out = node;
            best = i;
        }
    }
    if (next[first] == UINT32_MAX) {
        return;
    }
    endpoint_join(&out->nat, out);
    for (uint32_t i = first; i != UINT32_MAX; i = next[i]) {
        if (i != best && tracker_node_get(t, i, &node)) {
            node_join(out, &node);
            endpoint_join(&out->nat, &node);
        }
    }
}

static bool is_any_wanted(tracker *t, uint32_t first, const uint32_t *next,
                          bool (*is_wanted)(void *ctx, const krpc_endpoint *endpoint), void *ctx, unsigned *num_out)
{
    bool is_any = false;
    tracker_node node;

    *num_out = 0;
    for (uint32_t i = first; i != UINT32_MAX; i = next[i]) {
        ++*num_out;
        is_any = is_any || (tracker_node_get(t, i, &node) && is_wanted(ctx, &node.endpoint));
    }
    return is_any;
}

void hosts_visit(bool (*is_wanted)(void *ctx, const krpc_endpoint *endpoint),
                 void (*visit)(void *ctx, const tracker_node *node, unsigned num_nodes), void *ctx)
{
    tracker *t = tracking_tracker();
    uint32_t num_nodes = t != NULL ? tracker_num_nodes(t) : 0;
    GArray *sets = sets_new(t, num_nodes);
    uint32_t *next = g_new(uint32_t, num_nodes + 1), *last = g_new(uint32_t, num_nodes + 1);
    tracker_node node;
    unsigned num;

    for (uint32_t i = 0; i < num_nodes; i++) {
        uint32_t set = set_of(sets, i);

        next[i] = UINT32_MAX;
        if (set != i) {
            next[last[set]] = i;
        }
        last[set] = i;
    }
    for (uint32_t i = 0; i < num_nodes; i++) {
        if (set_of(sets, i) == i && is_any_wanted(t, i, next, is_wanted, ctx, &num)) {
            host_read(t, i, next, &node);
            visit(ctx, &node, num);
        }
    }
    g_array_free(sets, TRUE);
    g_free(next);
    g_free(last);
}
