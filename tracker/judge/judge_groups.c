/* judge_groups.c: the views of a socket, by outside endpoint, without those that contradict themselves.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge_groups.h"

#define ROTATING 3 /* different endpoints that one witness named */

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
void groups_drop_rotating(const mapping *m)
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

void groups_drop_network(const mapping *m, uint64_t network)
{
    for (unsigned i = 0; i < m->s->views->len; i++) {
        judge_view *v = view_at(m, i);

        v->dropped |= v->network == network && (v->kind == FACT_TOLD || !group_is_paired(m, v->outside));
    }
}

/* ---- groups ---- */

void groups_clear(mapping *m)
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
    if (g->num_frames < TRACKER_MAX_FRAMES && (g->num_frames == 0 || g->places[g->num_frames - 1] != v->first_place)) {
        g->places[g->num_frames++] = v->first_place;
    }
}

void groups_make(mapping *m)
{
    GHashTable *by_outside = g_hash_table_new(NULL, NULL);

    groups_clear(m);
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

bool group_is_paired(const mapping *m, uint32_t outside)
{
    for (unsigned i = 0; i < m->groups->len; i++) {
        if (group_at(m, i)->outside == outside) {
            return group_at(m, i)->paired;
        }
    }
    return false;
}

/* ---- the port ---- */

tally groups_count_port(const mapping *m, bool equal)
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
