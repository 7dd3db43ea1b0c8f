/* judge_mapping.c: port, addresses and mapping of a NAT (RFC 4787, sections 4.1 and 4.2), from the views of witnesses.
 *
 * Mapping depends on the destination where two outside endpoints exist at the same time: one network saw A before and
 * after another network saw B. A NAT that restarts, or forgets a mapping, gives A for all, then B for all. One network
 * alone proves nothing: a verdict must also follow without what any single network says.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge.h"

#define ENOUGH          3 /* witness addresses that agree */
#define ENOUGH_NETWORKS 2
#define MAX_SPANS       768
#define MAX_NETWORKS    32 /* that are left out in turn */
#define CROWD           10 /* networks that agree; a fifth of them may say something else */
#define BURST           3  /* hosts that see as many outside ports within FACT_SILENCE_NS */
#define SCATTERED       3  /* changes of the outside port without a silence, without those that one network saw */
#define ROTATING        3  /* different endpoints that one witness named */

/* group is one outside endpoint. */
typedef struct group {
    uint32_t outside;
    GHashTable *networks;   /* that saw it through a mapping */
    uint64_t first_network; /* of these */
    GHashTable *witnesses;  /* addresses, as facts_first_at numbers them; of any class */
    int64_t first_ns, last_ns;
    uint64_t first_place;
    uint32_t num_views;
    uint32_t num_frames;
    uint64_t places[TRACKER_MAX_FRAMES];
    bool paired; /* a packet was captured on both sides, with an answer, or for two networks */
    bool pair_in, pair_out;
    bool forwarded; /* only seen by those who got in first */
    bool dropped;
} group;

typedef struct mapping {
    judge_socket *s;
    GArray *groups; /* in the order of first_ns */
    bool inner;     /* the verdict is about a NAT that is inside another one */
    bool told;      /* a global endpoint that hosts of two networks see elsewhere, and none in its place */
    bool explained; /* strangers came in through a forwarded port, which doubtful views may show */
} mapping;

static bool add_unique_64(GArray *to, uint64_t value)
{
    for (unsigned i = 0; i < to->len; i++) {
        if (g_array_index(to, uint64_t, i) == value) {
            return false;
        }
    }
    g_array_append_val(to, value);
    return true;
}

static bool add_unique_32(GArray *to, uint32_t value)
{
    for (unsigned i = 0; i < to->len; i++) {
        if (g_array_index(to, uint32_t, i) == value) {
            return false;
        }
    }
    g_array_append_val(to, value);
    return true;
}

/* A set of numbers. Two networks that fold to one count as one. */
static void set_add(GHashTable *set, uint64_t value)
{
    g_hash_table_add(set, GUINT_TO_POINTER((guint)(value ^ value >> 32) + 1));
}

static unsigned set_size(GHashTable *set)
{
    return g_hash_table_size(set);
}

static judge_view *view_at(const mapping *m, unsigned i)
{
    return &g_array_index(m->s->views, judge_view, i);
}

static group *group_at(const mapping *m, unsigned i)
{
    return &g_array_index(m->groups, group, i);
}

static const fact_endpoint *endpoint_at(const mapping *m, uint32_t index)
{
    return facts_endpoint_at(m->s->facts, index);
}

static uint32_t address_of(const mapping *m, uint32_t endpoint)
{
    return facts_first_at(m->s->facts, &endpoint_at(m, endpoint)->endpoint);
}

/* Does this view count for the verdicts? Those of the other side of an inner NAT do not, and for a global endpoint what
 * others tell does not: a host that is reached through a forwarded port sees source ports that its own NAT makes up. */
static bool counts(const mapping *m, const judge_view *v)
{
    bool global = endpoint_at(m, v->outside)->scope == KRPC_ADDR_GLOBAL;

    return !v->dropped && (m->s->global ? (v->kind == JUDGE_BY_ID) != m->told : global != m->inner);
}

static bool is_mapped(const judge_view *v)
{
    return v->class == JUDGE_MAPPED;
}

/* ---- witnesses that contradict themselves ---- */

typedef struct witness {
    uint32_t address;
    uint64_t network;
    uint32_t num_views;
    GArray *named; /* of uint32_t: outside endpoints */
} witness;

static void drop_witness(const mapping *m, uint32_t address)
{
    for (unsigned i = 0; i < m->s->views->len; i++) {
        judge_view *v = view_at(m, i);

        v->dropped |= v->kind == FACT_TOLD && address_of(m, v->witness) == address;
    }
}

/* Drops what a host says that names one endpoint after the other, if hosts of other networks do not. */
static void drop_rotating(const mapping *m)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(witness));
    GHashTable *by_address = g_hash_table_new(NULL, NULL);
    uint64_t rotating_network = 0;
    unsigned num_networks = 0;
    unsigned num_stable = 0;

    for (unsigned i = 0; i < m->s->views->len; i++) {
        const judge_view *v = view_at(m, i);
        uint32_t address = address_of(m, v->witness);
        guint at = GPOINTER_TO_UINT(g_hash_table_lookup(by_address, GUINT_TO_POINTER(address + 1)));
        witness *w;

        if (v->kind != FACT_TOLD) {
            continue;
        }
        if (at == 0) {
            witness fresh = {address, v->network, 0, g_array_new(FALSE, FALSE, sizeof(uint32_t))};

            g_array_append_val(all, fresh);
            at = all->len;
            g_hash_table_insert(by_address, GUINT_TO_POINTER(address + 1), GUINT_TO_POINTER(at));
        }
        w = &g_array_index(all, witness, at - 1);
        w->num_views += v->count;
        if (w->named->len < ROTATING) {
            add_unique_32(w->named, v->outside);
        }
    }
    for (unsigned i = 0; i < all->len; i++) {
        const witness *w = &g_array_index(all, witness, i);

        if (w->named->len >= ROTATING && w->network != rotating_network) {
            rotating_network = w->network;
            num_networks++;
        }
    }
    for (unsigned i = 0; i < all->len; i++) {
        const witness *w = &g_array_index(all, witness, i);

        num_stable += w->network != rotating_network && w->named->len == 1 && w->num_views >= 2;
    }
    for (unsigned i = 0; i < all->len; i++) {
        const witness *w = &g_array_index(all, witness, i);

        if (num_networks == 1 && num_stable > 0 && w->named->len >= ROTATING) {
            drop_witness(m, w->address);
        }
        g_array_free(w->named, TRUE);
    }
    g_array_free(all, TRUE);
    g_hash_table_destroy(by_address);
}

/* ---- groups and spans ---- */

static void clear_groups(mapping *m)
{
    for (unsigned i = 0; i < m->groups->len; i++) {
        g_hash_table_destroy(group_at(m, i)->networks);
        g_hash_table_destroy(group_at(m, i)->witnesses);
    }
    g_array_set_size(m->groups, 0);
}

static void add_to_group(const mapping *m, group *g, const judge_view *v)
{
    if (is_mapped(v) || (v->class == JUDGE_DOUBTFUL && !m->explained)) {
        if (set_size(g->networks) == 0) {
            g->first_network = v->network;
        }
        set_add(g->networks, v->network);
        g->forwarded = false;
        g->first_ns = MIN(g->first_ns, v->first_ns);
        g->last_ns = MAX(g->last_ns, v->last_ns);
    }
    set_add(g->witnesses, address_of(m, v->witness));
    g->pair_out |= v->kind == FACT_PAIR;
    g->pair_in |= v->kind == FACT_PAIR_IN;
    g->num_views += v->count;
    if (g->num_frames < TRACKER_MAX_FRAMES && (g->num_frames == 0 || g->places[g->num_frames - 1] != v->first_place)) {
        g->places[g->num_frames++] = v->first_place;
    }
}

static void make_groups(mapping *m)
{
    GHashTable *by_outside = g_hash_table_new(NULL, NULL);

    clear_groups(m);
    for (unsigned i = 0; i < m->s->views->len; i++) {
        const judge_view *v = view_at(m, i);
        guint at = GPOINTER_TO_UINT(g_hash_table_lookup(by_outside, GUINT_TO_POINTER(v->outside + 1)));

        if (!counts(m, v)) {
            continue;
        }
        if (at == 0) {
            group g = {.outside = v->outside,
                       .networks = g_hash_table_new(NULL, NULL),
                       .witnesses = g_hash_table_new(NULL, NULL),
                       .first_ns = INT64_MAX,
                       .last_ns = INT64_MIN,
                       .first_place = v->first_place,
                       .forwarded = true};

            g_array_append_val(m->groups, g);
            at = m->groups->len;
            g_hash_table_insert(by_outside, GUINT_TO_POINTER(v->outside + 1), GUINT_TO_POINTER(at));
        }
        add_to_group(m, group_at(m, at - 1), v);
    }
    for (unsigned i = 0; i < m->groups->len; i++) {
        group *g = group_at(m, i);

        g->paired = g->pair_out && (g->pair_in || set_size(g->networks) >= ENOUGH_NETWORKS);
    }
    g_hash_table_destroy(by_outside);
}

/* ---- at the same time ---- */

static bool group_is_paired(const mapping *m, uint32_t outside)
{
    for (unsigned i = 0; i < m->groups->len; i++) {
        if (group_at(m, i)->outside == outside) {
            return group_at(m, i)->paired;
        }
    }
    return false;
}

/* What counts as different: outside endpoints, or only their addresses; with all views, or with captured packets
 * only. */
typedef enum unlike { UNLIKE_ENDPOINT, UNLIKE_ADDRESS } unlike;

/* span is a time in which an outside endpoint was seen without a silence. */
typedef struct span {
    uint32_t outside; /* endpoint, or address as facts_first_at numbers it */
    int64_t first_ns, last_ns;
    uint64_t first_network, last_network; /* of the witnesses of both times */
} span;

static gint by_span(gconstpointer a, gconstpointer b)
{
    const span *x = a, *y = b;

    return x->first_ns < y->first_ns ? -1 : x->first_ns > y->first_ns;
}

static bool is_packet(const mapping *m, const judge_view *v)
{
    return v->kind == FACT_PAIR && group_is_paired(m, v->outside);
}

static void add_to_spans(GArray *spans, GHashTable *by_outside, const judge_view *v, uint32_t outside)
{
    guint at = GPOINTER_TO_UINT(g_hash_table_lookup(by_outside, GUINT_TO_POINTER(outside + 1)));
    span *last = at == 0 ? NULL : &g_array_index(spans, span, at - 1);

    if (last != NULL && v->first_ns <= last->last_ns + FACT_SILENCE_NS) {
        if (v->last_ns > last->last_ns) {
            last->last_ns = v->last_ns;
            last->last_network = v->network;
        }
    } else {
        span p = {outside, v->first_ns, v->last_ns, v->network, v->network};

        g_array_append_val(spans, p);
        g_hash_table_insert(by_outside, GUINT_TO_POINTER(outside + 1), GUINT_TO_POINTER(spans->len));
    }
}

/* Without what one network saw: was one outside endpoint seen before and after another one, without a silence between?
 * networks_out (may be NULL) has the three that show it. */
static bool is_interleaved(const mapping *m, uint64_t without, unlike how, bool packets, uint64_t networks_out[3])
{
    GHashTable *by_outside = g_hash_table_new(NULL, NULL);
    GArray *spans = g_array_new(FALSE, FALSE, sizeof(span));
    const span *longest = NULL;
    bool found = false;

    for (unsigned i = 0; i < m->s->views->len; i++) { /* in the order of first_ns */
        const judge_view *v = view_at(m, i);

        if (counts(m, v) && is_mapped(v) && v->network != without && (!packets || is_packet(m, v))) {
            add_to_spans(spans, by_outside, v, how == UNLIKE_ENDPOINT ? v->outside : address_of(m, v->outside));
        }
    }
    g_array_sort(spans, by_span);
    for (unsigned i = 0; i < spans->len && !found; i++) {
        const span *p = &g_array_index(spans, span, i);

        found = longest != NULL && p->first_ns < longest->last_ns && p->outside != longest->outside;
        if (found && networks_out != NULL) {
            networks_out[0] = longest->first_network;
            networks_out[1] = longest->last_network;
            networks_out[2] = p->first_network;
        }
        longest = longest == NULL || p->last_ns > longest->last_ns ? p : longest;
    }
    g_array_free(spans, TRUE);
    g_hash_table_destroy(by_outside);
    return found;
}

static GArray *networks_of(const mapping *m)
{
    GArray *networks = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (unsigned i = 0; i < m->s->views->len; i++) {
        const judge_view *v = view_at(m, i);

        if (counts(m, v) && is_mapped(v) && networks->len < MAX_NETWORKS) {
            add_unique_64(networks, v->network);
        }
    }
    return networks;
}

/* Does a network name an outside endpoint that no other one names? */
static bool is_lone(const mapping *m, uint64_t network)
{
    for (unsigned i = 0; i < m->groups->len; i++) {
        const group *g = group_at(m, i);

        if (set_size(g->networks) == 1 && !g->paired && g->first_network == network) {
            return true;
        }
    }
    return false;
}

/* Is it interleaved without any one network? Only the three that show it can make it up. *outlier is the one that does;
 * 0: there is none, or it cannot be told which one. */
static bool is_interleaved_for_all(const mapping *m, unlike how, uint64_t *outlier)
{
    uint64_t shown[3];
    unsigned num_without = 0;
    unsigned num_lone = 0;
    uint64_t lone = 0;
    GArray *networks;

    *outlier = 0;
    if (!is_interleaved(m, 0, how, false, shown)) {
        return false;
    }
    networks = networks_of(m);
    for (unsigned i = 0; i < 3; i++) {
        bool again = (i > 0 && shown[i] == shown[0]) || (i > 1 && shown[i] == shown[1]);

        if (again || is_interleaved(m, shown[i], how, false, NULL)) {
            continue;
        }
        num_without++;
        *outlier = shown[i];
        if (is_lone(m, shown[i])) {
            num_lone++;
            lone = shown[i];
        }
    }
    if (num_without > 1) {
        *outlier = num_lone == 1 ? lone : 0; /* what two networks name is not made up by one */
    }
    if (networks->len <= ENOUGH_NETWORKS) {
        *outlier = 0; /* without it, one network would decide */
        num_without += networks->len < ENOUGH_NETWORKS;
    }
    g_array_free(networks, TRUE);
    return num_without == 0;
}

/* One outside endpoint that many networks name, against a few that each name another one. */
static bool drop_few(mapping *m)
{
    const group *most = NULL;
    unsigned num_lone = 0;

    for (unsigned i = 0; i < m->groups->len; i++) {
        const group *g = group_at(m, i);

        most = most == NULL || set_size(g->networks) > set_size(most->networks) ? g : most;
        num_lone += set_size(g->networks) == 1 && !g->paired;
    }
    if (most == NULL || set_size(most->networks) < CROWD || num_lone == 0 || num_lone * 5 > set_size(most->networks)) {
        return false;
    }
    for (unsigned i = 0; i < m->s->views->len; i++) {
        judge_view *v = view_at(m, i);

        for (unsigned k = 0; k < m->groups->len; k++) {
            const group *g = group_at(m, k);

            v->dropped |= g->outside == v->outside && set_size(g->networks) == 1 && !g->paired && v->kind == FACT_TOLD;
        }
    }
    make_groups(m);
    return true;
}

/* ---- every host another port ---- */

/* Was the socket silent for so long between two times that a mapping may have expired? busy has its sessions. */
static bool was_silent(const GArray *busy, int64_t from, int64_t to)
{
    int64_t until = from;

    for (unsigned i = 0; i < busy->len && until < to; i++) {
        const fact_contact *c = g_array_index(busy, const fact_contact *, i);

        if (c->first.ns > until + FACT_SILENCE_NS) {
            return true;
        }
        until = MAX(until, c->last.ns);
    }
    return until + FACT_SILENCE_NS < to;
}

static gint by_begin(gconstpointer a, gconstpointer b)
{
    const fact_contact *x = *(const fact_contact *const *)a, *y = *(const fact_contact *const *)b;

    return x->first.ns < y->first.ns ? -1 : x->first.ns > y->first.ns;
}

static GArray *busy_times(const mapping *m)
{
    GArray *busy = g_array_new(FALSE, FALSE, sizeof(fact_contact *));

    for (uint32_t i = m->s->self->contacts; i != NONE && busy->len < MAX_SPANS;) {
        const fact_contact *c = facts_contact_at(m->s->facts, i);

        g_array_append_val(busy, c);
        i = c->next[fact_side(c, m->s->index)];
    }
    g_array_sort(busy, by_begin);
    return busy;
}

/* The views without those of one network, if no two different hosts agree: how often did the outside endpoint change
 * without a silence in which a mapping could have expired? */
static unsigned count_scattered(const mapping *m, uint64_t without, const GArray *busy)
{
    GArray *outsides = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GArray *witnesses = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GArray *kept = g_array_new(FALSE, FALSE, sizeof(judge_view));
    unsigned num = 0;
    bool agree = false;

    for (unsigned i = 0; i < m->s->views->len && outsides->len < MAX_SPANS; i++) {
        const judge_view *v = view_at(m, i);
        bool is_new;

        if (!counts(m, v) || !is_mapped(v) || v->network == without) {
            continue;
        }
        is_new = add_unique_32(witnesses, address_of(m, v->witness));
        if (!add_unique_32(outsides, v->outside)) {
            agree |= is_new; /* another host saw it already */
        } else if (is_new) {
            const judge_view *last = kept->len == 0 ? NULL : &g_array_index(kept, judge_view, kept->len - 1);

            num += last != NULL && !was_silent(busy, last->first_ns, v->first_ns);
            g_array_append_val(kept, *v);
            if (kept->len >= BURST &&
                v->first_ns - g_array_index(kept, judge_view, kept->len - BURST).first_ns <= FACT_SILENCE_NS) {
                num = MAX(num, SCATTERED);
            }
        }
    }
    g_array_free(kept, TRUE);
    g_array_free(outsides, TRUE);
    g_array_free(witnesses, TRUE);
    return agree ? 0 : num;
}

static bool is_scattered(const mapping *m)
{
    GArray *networks = networks_of(m);
    GArray *busy = busy_times(m);
    bool scattered = networks->len >= ENOUGH_NETWORKS;

    for (unsigned i = 0; i < networks->len && scattered; i++) {
        scattered = count_scattered(m, g_array_index(networks, uint64_t, i), busy) >= SCATTERED;
    }
    g_array_free(networks, TRUE);
    g_array_free(busy, TRUE);
    return scattered;
}

/* ---- the port ---- */

/* The networks and hosts that saw an outside endpoint with, or without, the socket's own port. */
typedef struct tally {
    unsigned networks, witnesses;
    bool paired;
} tally;

static tally count_port(const mapping *m, bool equal)
{
    GHashTable *networks = g_hash_table_new(NULL, NULL);
    GHashTable *witnesses = g_hash_table_new(NULL, NULL);
    tally t = {0, 0, false};

    for (unsigned i = 0; i < m->s->views->len; i++) {
        const judge_view *v = view_at(m, i);

        if (counts(m, v) && (is_mapped(v) || (v->class == JUDGE_DOUBTFUL && !m->explained)) &&
            (endpoint_at(m, v->outside)->endpoint.port == m->s->self->endpoint.port) == equal) {
            set_add(networks, v->network);
            set_add(witnesses, address_of(m, v->witness));
            t.paired |= v->kind == FACT_PAIR && group_is_paired(m, v->outside);
        }
    }
    t.networks = set_size(networks);
    t.witnesses = set_size(witnesses);
    g_hash_table_destroy(networks);
    g_hash_table_destroy(witnesses);
    return t;
}

/* ---- a neighbour with the same port ---- */

/* Do hosts of two networks see that socket on its own port? */
static bool keeps_port(const mapping *m, const fact_endpoint *socket)
{
    uint64_t network = 0;
    unsigned left = 256;

    if (socket->sightings == NONE) {
        /* unknown; but the NAT keeps ports, if two networks say so of the socket */
        return count_port(m, true).networks >= ENOUGH_NETWORKS;
    }
    for (uint32_t i = socket->sightings; i != NONE && left-- > 0; i = facts_sighting_at(m->s->facts, i)->next) {
        const fact_sighting *seen = facts_sighting_at(m->s->facts, i);
        const fact_endpoint *outside = endpoint_at(m, seen->outside);
        uint64_t from = fact_network(&endpoint_at(m, seen->witness)->endpoint);

        if (outside->scope == KRPC_ADDR_GLOBAL && outside->endpoint.port == socket->endpoint.port) {
            if (seen->kind != FACT_TOLD || (network != 0 && network != from)) {
                return true;
            }
            network = from;
        }
    }
    return false;
}

/* Another inside host with the same port that talked to this witness, and for which the NAT keeps the port: it must
 * give the socket another one there. */
static uint32_t find_neighbour(const mapping *m, uint32_t with)
{
    const facts *f = m->s->facts;
    const fact_endpoint *self = m->s->self;
    unsigned left = 4096;

    for (uint32_t i = endpoint_at(m, with)->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(f, i);
        unsigned side = fact_side(c, with);
        const fact_endpoint *other = facts_endpoint_at(f, c->end[!side]);

        if (other->scope != KRPC_ADDR_GLOBAL && fact_network(&other->endpoint) == fact_network(&self->endpoint) &&
            other->endpoint.port == self->endpoint.port && other->endpoint.addr_len == self->endpoint.addr_len &&
            !krpc_endpoint_same_addr(&other->endpoint, &self->endpoint) && keeps_port(m, other)) {
            return c->end[!side];
        }
        i = c->next[side];
    }
    return NONE;
}

static bool collides(mapping *m)
{
    for (unsigned i = 0; i < m->s->views->len && !m->s->global; i++) {
        const judge_view *v = view_at(m, i);

        if (counts(m, v) && v->class != JUDGE_FORWARDED &&
            endpoint_at(m, v->outside)->endpoint.port != m->s->self->endpoint.port) {
            m->s->collides = find_neighbour(m, v->witness);
            if (m->s->collides != NONE) {
                m->s->collides_place = v->first_place;
                return true;
            }
        }
    }
    return false;
}

/* ---- verdicts ---- */

static void drop_network(const mapping *m, uint64_t network)
{
    for (unsigned i = 0; i < m->s->views->len; i++) {
        judge_view *v = view_at(m, i);

        v->dropped |= v->network == network && (v->kind == FACT_TOLD || !group_is_paired(m, v->outside));
    }
}

/* Do some witnesses of whom it is unknown who sent first see another endpoint than the others? */
static bool doubts_differ(const mapping *m)
{
    GArray *sure = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool differ = false;
    bool any = false;

    for (unsigned i = 0; i < m->s->views->len; i++) {
        if (counts(m, view_at(m, i)) && is_mapped(view_at(m, i))) {
            add_unique_32(sure, view_at(m, i)->outside);
        }
    }
    any = sure->len > 0;
    for (unsigned i = 0; i < m->s->views->len; i++) {
        const judge_view *v = view_at(m, i);

        if (counts(m, v) && v->class == JUDGE_DOUBTFUL && add_unique_32(sure, v->outside)) {
            differ |= any;
            any = true;
        }
    }
    g_array_free(sure, TRUE);
    return differ;
}

static void judge_port(const mapping *m, bool collision, bool doubted)
{
    tally equal = count_port(m, true);
    tally other = count_port(m, false);
    bool is_equal = equal.paired || equal.networks >= ENOUGH_NETWORKS;
    bool is_other = other.paired || other.networks >= ENOUGH_NETWORKS;
    tracker_nat *nat = &m->s->nat;

    if (m->s->global && !m->told) {
        nat->port_reason = TRACKER_REASON_OUTSIDE;
        return;
    }
    nat->port_reason = equal.paired || other.paired ? TRACKER_REASON_PAIRED : TRACKER_REASON_AGREED;
    if (collision && equal.networks > 0) {
        nat->port = TRACKER_PORT_MIXED;
        nat->port_reason = TRACKER_REASON_COLLISION;
    } else if (doubted && equal.networks > 0 && other.networks > 0) {
        nat->port_reason = TRACKER_REASON_MID_CONVERSATION;
    } else if (is_equal && is_other) {
        nat->port = TRACKER_PORT_MIXED;
    } else if (is_equal && (equal.paired || other.networks <= 1)) {
        nat->port = TRACKER_PORT_PRESERVED;
    } else if (is_other && (other.paired || equal.networks <= 1)) {
        nat->port = TRACKER_PORT_REWRITTEN;
    } else if (equal.networks + other.networks == 0) {
        nat->port_reason = TRACKER_REASON_NONE;
    } else {
        nat->port_reason =
            equal.networks > 0 && other.networks > 0 ? TRACKER_REASON_DISPUTED : TRACKER_REASON_ONE_WITNESS;
    }
}

static void set_mapping(const mapping *m, tracker_mapping verdict, tracker_reason reason)
{
    m->s->nat.mapping = verdict;
    m->s->nat.mapping_reason = reason;
}

static bool is_enough(const group *g)
{
    return g->paired ? set_size(g->witnesses) >= ENOUGH_NETWORKS
                     : set_size(g->networks) >= ENOUGH_NETWORKS && set_size(g->witnesses) >= ENOUGH;
}

static gint by_first(gconstpointer a, gconstpointer b)
{
    const group *x = a, *y = b;

    return x->first_ns < y->first_ns ? -1 : x->first_ns > y->first_ns;
}

/* One outside endpoint after the other, for all. */
static void judge_sequence(const mapping *m)
{
    const group *last = NULL;
    bool enough = false;
    bool clean = true;
    bool changed = false;
    unsigned lone = 0; /* networks that name what no other one names */
    tracker_nat *nat = &m->s->nat;
    GArray *alone = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    g_array_sort(m->groups, by_first);
    for (unsigned i = 0; i < m->groups->len; i++) {
        const group *g = group_at(m, i);

        if (set_size(g->networks) == 0) {
            continue;
        }
        enough |= is_enough(g);
        if (set_size(g->networks) < ENOUGH_NETWORKS && !g->paired) {
            lone += add_unique_64(alone, g->first_network);
            continue;
        }
        if (last != NULL) {
            clean &= g->first_ns >= last->last_ns;
            if (!krpc_endpoint_same_addr(&endpoint_at(m, last->outside)->endpoint,
                                         &endpoint_at(m, g->outside)->endpoint)) {
                changed = true;
                nat->changed_frame = (uint32_t)fact_frame(g->first_place);
            }
            nat->remapped++;
        }
        last = g;
    }
    g_array_free(alone, TRUE);
    if (last == NULL) {
        set_mapping(m, TRACKER_MAPPING_UNKNOWN,
                    lone == 0   ? TRACKER_REASON_NONE
                    : lone == 1 ? TRACKER_REASON_ONE_WITNESS
                                : TRACKER_REASON_DISPUTED);
    } else if (!clean || lone > 1) {
        set_mapping(m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_DISPUTED);
        nat->remapped = 0;
        nat->changed_frame = 0;
        return;
    } else {
        set_mapping(m, enough ? TRACKER_MAPPING_INDEPENDENT : TRACKER_MAPPING_UNKNOWN,
                    !enough             ? TRACKER_REASON_FEW_WITNESSES
                    : nat->remapped > 0 ? TRACKER_REASON_CHANGED
                    : last->paired      ? TRACKER_REASON_PAIRED
                    : m->s->global      ? TRACKER_REASON_IN_PLACE
                                        : TRACKER_REASON_AGREED);
    }
    if (last != NULL && (!m->s->lossy || m->s->facts->end_ns - last->last_ns <= FACT_SILENCE_NS)) {
        nat->addresses = changed ? TRACKER_ADDRESSES_CHANGED : TRACKER_ADDRESSES_ONE;
    }
}

static void judge_dependent(const mapping *m, tracker_reason reason)
{
    uint64_t outlier;
    bool one = true;

    set_mapping(m, TRACKER_MAPPING_DEPENDENT, reason);
    if (is_interleaved_for_all(m, UNLIKE_ADDRESS, &outlier) || is_interleaved(m, 0, UNLIKE_ADDRESS, true, NULL)) {
        m->s->nat.addresses = TRACKER_ADDRESSES_SEVERAL;
        return;
    }
    for (unsigned i = 1; i < m->groups->len; i++) {
        one &= address_of(m, group_at(m, 0)->outside) == address_of(m, group_at(m, i)->outside);
    }
    m->s->nat.addresses = one ? TRACKER_ADDRESSES_ONE : TRACKER_ADDRESSES_UNKNOWN;
}

static gint by_evidence(gconstpointer a, gconstpointer b)
{
    const group *x = a, *y = b;

    return x->first_place < y->first_place ? -1 : x->first_place > y->first_place;
}

/* Do hosts get packets from two endpoints of one id at once? A NAT would use one of them: they are two nodes. */
static bool are_clones(const mapping *m)
{
    unsigned num = 0;

    for (uint32_t i = 0; i < m->s->views->len && m->s->global; i++) {
        const judge_view *v = view_at(m, i);

        for (uint32_t j = v->next; j != NONE && counts(m, v) && is_mapped(v); j = view_at(m, j)->next) {
            const judge_view *w = view_at(m, j);

            num += counts(m, w) && is_mapped(w) && w->witness == v->witness && w->outside != v->outside &&
                   w->first_ns < v->last_ns && v->first_ns < w->last_ns;
        }
    }
    return num >= ENOUGH_NETWORKS;
}

/* Is it seen between two NATs too? */
static bool has_inner(const mapping *m)
{
    for (unsigned i = 0; i < m->s->views->len && !m->s->global; i++) {
        const judge_view *v = view_at(m, i);

        if (endpoint_at(m, v->outside)->scope != KRPC_ADDR_GLOBAL) {
            return true;
        }
    }
    return false;
}

/* The outside endpoints, in the order of their first frames. What a single network says, against several others, is
 * left out. */
static void list_externals(mapping *m)
{
    tracker_nat *nat = &m->s->nat;
    bool confirmed = false;
    bool inner = has_inner(m);
    bool was = m->inner;

    for (unsigned round = 0; round < (inner ? 2u : 1u); round++) {
        m->inner = inner && round == 0;
        make_groups(m);
        g_array_sort(m->groups, by_evidence);
        for (unsigned i = 0; i < m->groups->len; i++) {
            confirmed |= group_at(m, i)->paired || set_size(group_at(m, i)->networks) >= ENOUGH_NETWORKS;
        }
        for (unsigned i = 0; i < m->groups->len; i++) {
            const group *g = group_at(m, i);
            tracker_external *e = &nat->external[nat->num_kept];

            bool lone =
                g->forwarded ? set_size(g->witnesses) < ENOUGH_NETWORKS : set_size(g->networks) < ENOUGH_NETWORKS;

            if (nat->mapping != TRACKER_MAPPING_DEPENDENT && confirmed && lone && !g->paired && !m->s->global) {
                continue;
            }
            nat->num_external++;
            if (nat->num_kept == TRACKER_MAX_EXTERNAL) {
                continue;
            }
            e->endpoint = endpoint_at(m, g->outside)->endpoint;
            e->observers = set_size(g->witnesses);
            e->num_frames = g->num_frames;
            for (unsigned k = 0; k < g->num_frames; k++) {
                e->frames[k] = (uint32_t)fact_frame(g->places[k]);
            }
            nat->num_kept++;
        }
    }
    m->inner = was;
}

static void note_evidence(const mapping *m)
{
    static const unsigned bits[] = {[FACT_TOLD] = TRACKER_FROM_INSIDE,
                                    [FACT_PAIR] = TRACKER_FROM_BOTH,
                                    [FACT_PAIR_IN] = TRACKER_FROM_BOTH,
                                    [FACT_ENTRY] = TRACKER_FROM_BOTH,
                                    [JUDGE_BY_ID] = TRACKER_FROM_OUTSIDE};

    for (unsigned i = 0; i < m->s->views->len; i++) {
        m->s->nat.evidence |= bits[view_at(m, i)->kind];
    }
}

/* A global endpoint on the inside of the capture: no NAT changes its port, if hosts of two networks see it there. */
static void judge_in_place(const mapping *m)
{
    GArray *networks = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (unsigned i = 0; i < m->s->views->len; i++) {
        if (view_at(m, i)->kind == FACT_TOLD && view_at(m, i)->outside == m->s->index) {
            add_unique_64(networks, view_at(m, i)->network);
        }
    }
    if (networks->len >= ENOUGH_NETWORKS && judge_is_ours(m->s->facts, m->s->index)) {
        m->s->nat.port = TRACKER_PORT_PRESERVED;
        m->s->nat.port_reason = TRACKER_REASON_IN_PLACE;
    }
    g_array_free(networks, TRUE);
}

/* Captured between two NATs: the outside of all of them is not known from three networks, but that of the inner one
 * is. */
static bool is_inner(const mapping *m)
{
    GArray *networks = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    bool inner = false;
    bool whole;

    for (unsigned i = 0; i < m->s->views->len && !m->s->global; i++) {
        const judge_view *v = view_at(m, i);

        if (endpoint_at(m, v->outside)->scope != KRPC_ADDR_GLOBAL) {
            inner = true;
        } else if (is_mapped(v)) {
            add_unique_64(networks, v->network);
        }
    }
    whole = networks->len > ENOUGH_NETWORKS;
    g_array_free(networks, TRUE);
    return inner && !whole;
}

/* A global endpoint may be inside a NAT too: hosts of two networks name one other endpoint, and none names its own.
 * What a single host names, its own NAT may have made up. */
static bool is_elsewhere(const mapping *m)
{
    uint32_t outside = NONE;
    uint64_t network = 0;
    bool agreed = false;

    for (unsigned i = 0; i < m->s->views->len && m->s->global; i++) {
        const judge_view *v = view_at(m, i);

        if (v->kind != FACT_TOLD) {
            continue;
        }
        if (v->outside == m->s->index || (outside != NONE && v->outside != outside)) {
            return false;
        }
        agreed |= outside != NONE && network != v->network;
        outside = v->outside;
        network = v->network;
    }
    return agreed;
}

/* Only two outside endpoints of one address, in a capture that begins in mid-conversation: one of them may be a
 * forwarded port, through which the other end came in before. */
static bool may_be_forwarded(const mapping *m)
{
    const facts *f = m->s->facts;
    unsigned num = 0;

    if (!m->s->lossy && (m->s->start != JUDGE_START_UNKNOWN || f->end_ns - f->begin_ns >= FACT_LIFE_NS)) {
        return false;
    }
    for (unsigned i = 0; i < m->groups->len; i++) {
        num += set_size(group_at(m, i)->networks) > 0;
        if (address_of(m, group_at(m, i)->outside) != address_of(m, group_at(m, 0)->outside)) {
            return false;
        }
    }
    return num <= 2;
}

void judge_mapping(judge_socket *s)
{
    mapping m = {s, g_array_new(FALSE, FALSE, sizeof(group)), false, false, false};
    bool collision, doubted, dependent, paired, scattered;
    uint64_t outlier;

    m.inner = is_inner(&m);
    m.told = is_elsewhere(&m);
    m.explained = s->visited && s->start != JUDGE_START_UNKNOWN;
    drop_rotating(&m);
    make_groups(&m);
    drop_few(&m);
    collision = collides(&m);
    paired = is_interleaved(&m, 0, UNLIKE_ENDPOINT, true, NULL);
    dependent = is_interleaved_for_all(&m, UNLIKE_ENDPOINT, &outlier);
    scattered = !dependent && !paired && is_scattered(&m); /* holds without the outlier already */
    if (!dependent && !paired && !collision && !scattered && outlier != 0 &&
        is_interleaved(&m, 0, UNLIKE_ENDPOINT, false, NULL)) {
        drop_network(&m, outlier);
        make_groups(&m);
        scattered = is_scattered(&m);
    }
    doubted = !m.explained && doubts_differ(&m);
    judge_port(&m, collision, doubted);
    if (collision && s->nat.port == TRACKER_PORT_MIXED) {
        judge_dependent(&m, TRACKER_REASON_COLLISION);
    } else if (are_clones(&m)) {
        set_mapping(&m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_DISPUTED);
    } else if ((dependent || paired) && may_be_forwarded(&m)) {
        set_mapping(&m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_MID_CONVERSATION);
    } else if (dependent || paired) {
        judge_dependent(&m, paired ? TRACKER_REASON_PAIRED : TRACKER_REASON_OVERLAP);
    } else if (scattered) {
        judge_dependent(&m, TRACKER_REASON_SCATTERED);
    } else if (is_interleaved(&m, 0, UNLIKE_ENDPOINT, false, NULL)) {
        set_mapping(&m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_DISPUTED);
    } else if (doubted) {
        set_mapping(&m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_MID_CONVERSATION);
    } else {
        judge_sequence(&m);
    }
    if (s->global) {
        judge_in_place(&m);
    }
    list_externals(&m);
    note_evidence(&m);
    clear_groups(&m);
    g_array_free(m.groups, TRUE);
}
