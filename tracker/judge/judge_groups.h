/* judge/judge_groups.h: the views of a socket, by outside endpoint.
 *
 * For judge_mapping.c, judge_dependent.c and judge_groups.c only.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_JUDGE_GROUPS_H
#define TRACKER_JUDGE_GROUPS_H

#include "judge.h"

#define ENOUGH_NETWORKS 2

/* group is one outside endpoint. */
typedef struct group {
    uint32_t outside;
    GHashTable *networks;   /* that saw it through a mapping */
    uint64_t first_network; /* of these */
    GHashTable *witnesses;  /* addresses, as facts_first_at numbers them; of any class */
    int64_t first_ns, last_ns;
    uint64_t first_place;
    uint32_t num_frames;
    uint64_t places[TRACKER_MAX_FRAMES];
    bool paired; /* a packet was captured on both sides, with an answer, or for two networks */
    bool pair_in, pair_out;
    bool forwarded; /* only seen by those who got in first */
} group;

typedef struct mapping {
    judge_socket *s;
    GArray *groups; /* in the order of first_ns */
    bool inner;     /* the verdict is about a NAT that is inside another one */
    bool told;      /* a global endpoint that hosts of two networks see elsewhere, and none in its place */
    bool explained; /* strangers came in through a forwarded port, which doubtful views may show */
} mapping;

static inline bool add_unique_64(GArray *to, uint64_t value)
{
    for (unsigned i = 0; i < to->len; i++) {
        if (g_array_index(to, uint64_t, i) == value) {
            return false;
        }
    }
    g_array_append_val(to, value);
    return true;
}

static inline bool add_unique_32(GArray *to, uint32_t value)
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
static inline void set_add(GHashTable *set, uint64_t value)
{
    g_hash_table_add(set, GUINT_TO_POINTER((guint)(value ^ value >> 32) + 1));
}

static inline unsigned set_size(GHashTable *set)
{
    return g_hash_table_size(set);
}

static inline judge_view *view_at(const mapping *m, unsigned i)
{
    return &g_array_index(m->s->views, judge_view, i);
}

static inline group *group_at(const mapping *m, unsigned i)
{
    return &g_array_index(m->groups, group, i);
}

static inline const fact_endpoint *endpoint_at(const mapping *m, uint32_t index)
{
    return facts_endpoint_at(m->s->facts, index);
}

static inline uint32_t address_of(const mapping *m, uint32_t endpoint)
{
    return facts_first_at(m->s->facts, &endpoint_at(m, endpoint)->endpoint);
}

/* Does this view count for the verdicts? Those of the other side of an inner NAT do not, and for a global endpoint what
 * others tell does not: a host that is reached through a forwarded port sees source ports that its own NAT makes up. */
static inline bool counts(const mapping *m, const judge_view *v)
{
    bool global = endpoint_at(m, v->outside)->scope == KRPC_ADDR_GLOBAL;

    return !v->dropped && (m->s->global ? (v->kind == JUDGE_BY_ID) != m->told : global != m->inner);
}

static inline bool is_mapped(const judge_view *v)
{
    return v->class == JUDGE_MAPPED;
}

/* groups_make makes the groups of the views that count; groups_clear removes them. */
void groups_make(mapping *m);
void groups_clear(mapping *m);
/* group_is_paired: was a packet captured on both sides at that outside endpoint, with an answer or for two networks? */
bool group_is_paired(const mapping *m, uint32_t outside);
/* groups_drop_rotating drops what a host says that names one endpoint after the other, if hosts of other networks do
 * not. groups_drop_network drops what the hosts of one network say. */
void groups_drop_rotating(const mapping *m);
void groups_drop_network(const mapping *m, uint64_t network);

/* The networks and hosts that saw an outside endpoint with, or without, the socket's own port. */
typedef struct tally {
    unsigned networks, witnesses;
    bool paired;
} tally;
tally groups_count_port(const mapping *m, bool equal);

/* ---- judge_dependent.c ---- */

/* What counts as different: outside endpoints, or only their addresses; with all views, or with captured packets
 * only. */
typedef enum unlike { UNLIKE_ENDPOINT, UNLIKE_ADDRESS } unlike;
/* views_interleave: was one outside endpoint seen before and after another one, without a silence between? packets:
 * only by what was captured on both sides. */
bool views_interleave(const mapping *m, unlike how, bool packets);
/* views_interleave_for_all: also without what any one network saw? If not, *outlier is the network that makes it so; 0:
 * there is none, or it cannot be told which one. */
bool views_interleave_for_all(const mapping *m, unlike how, uint64_t *outlier);
/* views_are_scattered: does every host see another outside port? */
bool views_are_scattered(const mapping *m);
/* views_are_clones: do hosts get packets from two endpoints of one id at once? A NAT would use one of them. */
bool views_are_clones(const mapping *m);
/* views_collide: does a neighbour with the same port explain another outside port? It is judge_socket.collides. */
bool views_collide(mapping *m);
/* views_drop_few drops what a few networks say, each something else, against many that agree. */
bool views_drop_few(mapping *m);

#endif
