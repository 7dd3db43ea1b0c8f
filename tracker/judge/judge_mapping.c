/* judge_mapping.c: port, addresses and mapping of a NAT (RFC 4787, sections 4.1 and 4.2), from the views of witnesses.
 *
 * Mapping depends on the destination where two outside endpoints exist at the same time: one network saw A before and
 * after another network saw B. A NAT that restarts, or forgets a mapping, gives A for all, then B for all. One network
 * alone proves nothing: a verdict must also follow without what any single network says.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge_groups.h"

#define ENOUGH 3 /* witness addresses that agree */

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
    tally equal = groups_count_port(m, true);
    tally other = groups_count_port(m, false);
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
    if (views_interleave_for_all(m, UNLIKE_ADDRESS, &outlier) || views_interleave(m, UNLIKE_ADDRESS, true)) {
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
        groups_make(m);
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
    groups_drop_rotating(&m);
    groups_make(&m);
    views_drop_few(&m);
    collision = views_collide(&m);
    paired = views_interleave(&m, UNLIKE_ENDPOINT, true);
    dependent = views_interleave_for_all(&m, UNLIKE_ENDPOINT, &outlier);
    scattered = !dependent && !paired && views_are_scattered(&m); /* holds without the outlier already */
    if (!dependent && !paired && !collision && !scattered && outlier != 0 &&
        views_interleave(&m, UNLIKE_ENDPOINT, false)) {
        groups_drop_network(&m, outlier);
        groups_make(&m);
        scattered = views_are_scattered(&m);
    }
    doubted = !m.explained && doubts_differ(&m);
    judge_port(&m, collision, doubted);
    if (collision && s->nat.port == TRACKER_PORT_MIXED) {
        judge_dependent(&m, TRACKER_REASON_COLLISION);
    } else if (views_are_clones(&m)) {
        set_mapping(&m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_DISPUTED);
    } else if ((dependent || paired) && may_be_forwarded(&m)) {
        set_mapping(&m, TRACKER_MAPPING_UNKNOWN, TRACKER_REASON_MID_CONVERSATION);
    } else if (dependent || paired) {
        judge_dependent(&m, paired ? TRACKER_REASON_PAIRED : TRACKER_REASON_OVERLAP);
    } else if (scattered) {
        judge_dependent(&m, TRACKER_REASON_SCATTERED);
    } else if (views_interleave(&m, UNLIKE_ENDPOINT, false)) {
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
    groups_clear(&m);
    g_array_free(m.groups, TRUE);
}
