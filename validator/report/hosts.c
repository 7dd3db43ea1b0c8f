/* hosts.c: see hosts.h.
 *
 * Records are joined as sets, by keys of an id and a place: the first record with a key owns it, and all others with
 * that key join the owner's set.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/hosts.h"

#include <string.h>

#include <glib.h>

typedef struct place_key {
    uint8_t id[20];
    uint8_t addr[16];
    uint8_t len;
} place_key;

typedef struct record {
    uint32_t index; /* for run_node_get */
    uint32_t set;   /* a record of the same set; itself: the record that the set is named after */
    krpc_endpoint endpoint;
    uint64_t num_messages;
    unsigned flags;
} record;

typedef struct group {
    uint32_t first; /* in members */
    uint32_t num;
    uint64_t num_messages;
    unsigned flags;
} group;

struct hosts {
    const run *run;
    GArray *records;
    GHashTable *owners;       /* place_key -> number of a record + 1 */
    GHashTable *by_endpoints; /* krpc_endpoint of a record -> its number + 1; NULL: not needed yet */
    GArray *groups;
    uint32_t *members;
};

static guint key_hash(gconstpointer at)
{
    const place_key *key = at;
    uint32_t words[9];
    guint hash = key->len;

    memcpy(words, key, sizeof words);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        hash = (hash ^ words[i]) * 2654435761u;
        hash ^= hash >> 15;
    }
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(place_key)) == 0;
}

/* The place is the network for a global address, /24 or /48: the outside addresses of one NAT are neighbours. */
static place_key key_of(const uint8_t id[20], const krpc_endpoint *endpoint)
{
    place_key key = {.len = endpoint->addr_len};
    size_t len = endpoint->addr_len;

    if (krpc_endpoint_scope(endpoint) == KRPC_ADDR_GLOBAL) {
        len = endpoint->addr_len == 4 ? 3 : 6;
    }
    memcpy(key.id, id, sizeof key.id);
    memcpy(key.addr, endpoint->addr, len);
    return key;
}

static uint32_t set_of(const hosts *all, uint32_t number)
{
    record *records = (record *)(void *)all->records->data;

    while (records[number].set != number) {
        records[number].set = records[records[number].set].set;
        number = records[number].set;
    }
    return number;
}

static void join_at(hosts *all, uint32_t number, const tracker_node *node, const krpc_endpoint *endpoint)
{
    for (uint32_t i = 0; i < MIN(node->num_ids, TRACKER_MAX_IDS); i++) {
        place_key key = key_of(node->ids[i], endpoint);
        gpointer owner = g_hash_table_lookup(all->owners, &key);
        if (owner == NULL) {
            g_hash_table_insert(all->owners, g_memdup2(&key, sizeof key), GUINT_TO_POINTER(number + 1));
            continue;
        }
        uint32_t a = set_of(all, number);
        uint32_t b = set_of(all, GPOINTER_TO_UINT(owner) - 1);
        g_array_index(all->records, record, MAX(a, b)).set = MIN(a, b);
    }
}

static void add_record(hosts *all, uint32_t index, const tracker_node *node, unsigned flags)
{
    uint32_t number = all->records->len;
    record one = {index, number, node->endpoint, (uint64_t)node->queries + node->responses + node->errors, flags};

    g_array_append_val(all->records, one);
    join_at(all, number, node, &node->endpoint);
    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        if (!krpc_endpoint_same_addr(&node->nat.external[i].endpoint, &node->endpoint)) {
            join_at(all, number, node, &node->nat.external[i].endpoint);
        }
    }
}

/* A set is named after its first record. */
static void make_groups(hosts *all)
{
    uint32_t num = all->records->len;
    uint32_t *group_of = g_new(uint32_t, num + 1);
    uint32_t *filled;
    uint32_t first = 0;

    for (uint32_t i = 0; i < num; i++) {
        const record *one = &g_array_index(all->records, record, i);
        uint32_t set = set_of(all, i);
        if (set == i) {
            const group empty = {0};
            group_of[i] = all->groups->len;
            g_array_append_val(all->groups, empty);
        }
        group_of[i] = group_of[set];
        group *to = &g_array_index(all->groups, group, group_of[i]);
        to->num++;
        to->num_messages += one->num_messages;
        to->flags |= one->flags;
    }
    filled = g_new0(uint32_t, all->groups->len + 1);
    for (uint32_t i = 0; i < all->groups->len; i++) {
        group *at = &g_array_index(all->groups, group, i);
        at->first = first;
        first += at->num;
    }
    all->members = g_new(uint32_t, num + 1);
    for (uint32_t i = 0; i < num; i++) {
        uint32_t to = group_of[i];
        all->members[g_array_index(all->groups, group, to).first + filled[to]++] =
            g_array_index(all->records, record, i).index;
    }
    g_free(filled);
    g_free(group_of);
}

hosts *hosts_new(const run *from, unsigned (*flags_of)(void *ctx, const tracker_node *node), void *ctx)
{
    hosts *all = g_new0(hosts, 1);
    uint32_t num_nodes = tracker_num_nodes(run_get_tracker(from));
    tracker_node node;

    all->run = from;
    all->records = g_array_new(FALSE, FALSE, sizeof(record));
    all->groups = g_array_new(FALSE, FALSE, sizeof(group));
    all->owners = g_hash_table_new_full(key_hash, key_equal, g_free, NULL);
    for (uint32_t i = 0; i < num_nodes; i++) {
        if (run_node_get(from, i, &node)) {
            add_record(all, i, &node, flags_of != NULL ? flags_of(ctx, &node) : 0);
        }
    }
    make_groups(all);
    g_clear_pointer(&all->owners, g_hash_table_destroy);
    return all;
}

void hosts_free(hosts *all)
{
    if (all->by_endpoints != NULL) {
        g_hash_table_destroy(all->by_endpoints);
    }
    g_array_unref(all->records);
    g_array_unref(all->groups);
    g_free(all->members);
    g_free(all);
}

static guint endpoint_hash(gconstpointer at)
{
    return (guint)krpc_endpoint_hash(at);
}

static gboolean endpoint_equal(gconstpointer a, gconstpointer b)
{
    return krpc_endpoint_equal(a, b);
}

uint32_t hosts_find(hosts *all, const krpc_endpoint *endpoint)
{
    if (all->by_endpoints == NULL) {
        all->by_endpoints = g_hash_table_new(endpoint_hash, endpoint_equal);
        for (uint32_t i = 0; i < all->records->len; i++) {
            record *one = &g_array_index(all->records, record, i);
            g_hash_table_insert(all->by_endpoints, &one->endpoint, GUINT_TO_POINTER(i + 1));
        }
    }
    gpointer number = g_hash_table_lookup(all->by_endpoints, endpoint);
    return number != NULL ? set_of(all, GPOINTER_TO_UINT(number) - 1) : UINT32_MAX;
}

unsigned hosts_num(const hosts *all)
{
    return all->groups->len;
}

static gint group_compare(gconstpointer a, gconstpointer b)
{
    const group *x = a;
    const group *y = b;

    if (x->num_messages != y->num_messages) {
        return x->num_messages > y->num_messages ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

void hosts_sort(hosts *all)
{
    g_array_sort(all->groups, group_compare);
}

unsigned hosts_flags(const hosts *all, unsigned index)
{
    return g_array_index(all->groups, group, index).flags;
}

/* ---- one record for a host ---- */

static bool has_external(const tracker_nat *nat, const krpc_endpoint *endpoint)
{
    for (uint32_t i = 0; i < nat->num_kept; i++) {
        if (krpc_endpoint_equal(&nat->external[i].endpoint, endpoint)) {
            return true;
        }
    }
    return false;
}

static void join_externals(tracker_nat *nat, const tracker_nat *other)
{
    for (uint32_t i = 0; i < other->num_kept; i++) {
        if (nat->num_kept < TRACKER_MAX_EXTERNAL && !has_external(nat, &other->external[i].endpoint)) {
            nat->external[nat->num_kept++] = other->external[i];
        }
    }
    nat->num_external = MAX(MAX(nat->num_external, other->num_external), nat->num_kept);
}

/* A verdict comes with its reason. */
static void join_nat(tracker_nat *nat, const tracker_nat *other)
{
    if (nat->port == TRACKER_PORT_UNKNOWN && other->port != TRACKER_PORT_UNKNOWN) {
        nat->port = other->port;
        nat->port_reason = other->port_reason;
    }
    if (nat->mapping == TRACKER_MAPPING_UNKNOWN && nat->addresses == TRACKER_ADDRESSES_UNKNOWN &&
        (other->mapping != TRACKER_MAPPING_UNKNOWN || other->addresses != TRACKER_ADDRESSES_UNKNOWN)) {
        nat->mapping = other->mapping;
        nat->addresses = other->addresses;
        nat->mapping_reason = other->mapping_reason;
        nat->changed_frame = other->changed_frame;
    }
    if (nat->filtering == TRACKER_FILTERING_UNKNOWN) {
        nat->filtering = other->filtering;
    }
    nat->evidence |= other->evidence;
    nat->remapped = MAX(nat->remapped, other->remapped);
    join_externals(nat, other);
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

static void join_open(tracker_reachability *reach, const tracker_reachability *other)
{
    for (uint32_t i = 0; i < other->num_open; i++) {
        bool is_there = reach->num_open == TRACKER_MAX_OPEN;
        for (uint32_t j = 0; j < reach->num_open; j++) {
            is_there = is_there || krpc_endpoint_equal(&reach->open[j].endpoint, &other->open[i].endpoint);
        }
        if (!is_there) {
            reach->open[reach->num_open++] = other->open[i];
        }
    }
}

static void join_ids(tracker_node *node, const tracker_node *other)
{
    for (uint32_t i = 0; i < MIN(other->num_ids, TRACKER_MAX_IDS); i++) {
        bool is_there = node->num_ids >= TRACKER_MAX_IDS;
        for (uint32_t j = 0; j < MIN(node->num_ids, TRACKER_MAX_IDS); j++) {
            is_there = is_there || memcmp(node->ids[j], other->ids[i], sizeof node->ids[j]) == 0;
        }
        if (!is_there) {
            memcpy(node->ids[node->num_ids++], other->ids[i], sizeof node->ids[0]);
        }
    }
}

static void join_counts(tracker_node *node, const tracker_node *other)
{
    node->queries += other->queries;
    node->responses += other->responses;
    node->errors += other->errors;
    node->queries_received += other->queries_received;
    node->first_frame = MIN(node->first_frame, other->first_frame);
    node->last_frame = MAX(node->last_frame, other->last_frame);
    node->first_ns = MIN(node->first_ns, other->first_ns);
    node->last_ns = MAX(node->last_ns, other->last_ns);
    node->ours = node->ours || other->ours;
}

static uint64_t num_sent(const tracker_node *node)
{
    return (uint64_t)node->queries + node->responses + node->errors;
}

/* The endpoint that people know: the host's own, or else the one that is reached or that sent most. */
static bool is_better_name(const tracker_node *node, const tracker_node *other)
{
    bool is_own = krpc_endpoint_scope(&node->endpoint) != KRPC_ADDR_GLOBAL;
    bool other_is_own = krpc_endpoint_scope(&other->endpoint) != KRPC_ADDR_GLOBAL;
    unsigned rank = reach_rank(&node->reach), other_rank = reach_rank(&other->reach);

    if (is_own != other_is_own) {
        return other_is_own;
    }
    return rank != other_rank ? other_rank > rank : num_sent(other) > num_sent(node);
}

/* Advice belongs to the verdict about reachability: that of another record could contradict it. */
static void join_reach(tracker_node *node, const tracker_node *other)
{
    if (reach_rank(&other->reach) <= reach_rank(&node->reach)) {
        join_open(&node->reach, &other->reach);
        return;
    }
    tracker_reachability reach = other->reach;
    join_open(&reach, &node->reach);
    node->reach = reach;
    node->num_advice = other->num_advice;
    memcpy(node->advice, other->advice, sizeof node->advice);
}

void host_join(tracker_node *node, const tracker_node *other)
{
    join_nat(&node->nat, &other->nat);
    join_reach(node, other);
    join_ids(node, other);
    join_counts(node, other);
    if (node->version_len == 0) {
        node->version_len = other->version_len;
        memcpy(node->version, other->version, sizeof node->version);
    }
}

/* An outside endpoint of a host: the capture shows queries from there. */
static bool is_outside(const tracker_node *node)
{
    return node->queries > 0 && krpc_endpoint_scope(&node->endpoint) == KRPC_ADDR_GLOBAL;
}

static void join_endpoint(tracker_nat *nat, const tracker_node *other)
{
    tracker_nat there = {.num_kept = 1, .num_external = 1};

    if (is_outside(other)) {
        there.external[0] =
            (tracker_external){.endpoint = other->endpoint, .num_frames = 1, .frames = {other->first_frame}};
        join_externals(nat, &there);
    }
}

const uint32_t *hosts_members(const hosts *all, unsigned index, uint32_t *num_out)
{
    const group *from = &g_array_index(all->groups, group, index);

    *num_out = from->num;
    return all->members + from->first;
}

void hosts_get(const hosts *all, unsigned index, host_group *out)
{
    const group *from = &g_array_index(all->groups, group, index);
    uint32_t best = 0;
    tracker_node node;

    *out = (host_group){.members = all->members + from->first, .num_members = from->num, .flags = from->flags};
    run_node_get(all->run, out->members[0], &out->node);
    for (uint32_t i = 1; i < from->num; i++) {
        if (run_node_get(all->run, out->members[i], &node) && is_better_name(&out->node, &node)) {
            out->node = node;
            best = i;
        }
    }
    if (from->num == 1) {
        return;
    }
    uint32_t num_outside = is_outside(&out->node) ? 1 : 0;
    join_endpoint(&out->node.nat, &out->node);
    for (uint32_t i = 0; i < from->num; i++) {
        if (i != best && run_node_get(all->run, out->members[i], &node)) {
            num_outside += is_outside(&node) ? 1 : 0;
            host_join(&out->node, &node);
            join_endpoint(&out->node.nat, &node);
        }
    }
    out->node.nat.num_external = MAX(out->node.nat.num_external, num_outside);
}
