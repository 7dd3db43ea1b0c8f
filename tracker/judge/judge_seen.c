/* judge_seen.c: where a receiver sees a socket at a time.
 *
 * A receiver may have seen the mapping and the forwarded port, one after the other: then it is unknown which one
 * counts, unless it says so at that time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge.h"

#define NEAR_NS      (5 * SECOND)  /* no mapping is known that is replaced in this time */
#define LIVE_NS      (30 * SECOND) /* a session may go on for so long without a packet */
#define MAX_AT       64
#define MAX_SESSIONS 256

static int64_t distance(int64_t ns, int64_t first, int64_t last)
{
    return ns < first ? first - ns : ns > last ? ns - last : 0;
}

/* The view of the receiver that is nearest in time, if all that are near agree. */
static const judge_view *view_of(const judge_socket *s, const krpc_endpoint *receiver, bool any_port, int64_t ns)
{
    const judge_view *best = NULL;
    int64_t best_off = NEAR_NS + 1;

    for (uint32_t i = judge_views_of(s, receiver); i != NONE; i = g_array_index(s->views, judge_view, i).next) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        const krpc_endpoint *witness = &facts_endpoint_at(s->facts, v->witness)->endpoint;
        int64_t off = distance(ns, v->first_ns, v->last_ns);

        if (v->dropped || v->kind == JUDGE_BY_ID || off > NEAR_NS ||
            !(any_port || krpc_endpoint_equal(witness, receiver)) ||
            facts_endpoint_at(s->facts, v->outside)->scope != KRPC_ADDR_GLOBAL) {
            continue;
        }
        if (best != NULL && best->outside != v->outside) {
            return NULL;
        }
        if (off < best_off) {
            best = v;
            best_off = off;
        }
    }
    return best;
}

bool judge_is_dropped(const judge_socket *s, const krpc_endpoint *witness)
{
    for (uint32_t i = judge_views_of(s, witness); i != NONE; i = g_array_index(s->views, judge_view, i).next) {
        if (g_array_index(s->views, judge_view, i).dropped) {
            return true;
        }
    }
    return false;
}

/* The outside endpoint that all hosts see at that time, for a mapping that does not depend on the destination. */
static const judge_view *common_view(const judge_socket *s, int64_t ns)
{
    const judge_view *before = NULL;
    const judge_view *after = NULL;

    if (s->nat.mapping != TRACKER_MAPPING_INDEPENDENT) {
        return NULL;
    }
    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);

        if (v->dropped || v->class != JUDGE_MAPPED || v->kind == JUDGE_BY_ID ||
            facts_endpoint_at(s->facts, v->outside)->scope != KRPC_ADDR_GLOBAL) {
            continue;
        }
        if (s->nat.num_external == 1) {
            return v; /* there is only one */
        }
        if (v->first_ns <= ns) {
            before = before == NULL || v->last_ns > before->last_ns ? v : before;
        } else {
            after = after == NULL ? v : after;
        }
    }
    if (before != NULL && after != NULL && before->outside != after->outside) {
        return ns <= before->last_ns ? before : NULL; /* between two different ones */
    }
    return before != NULL ? before : after;
}

/* Did the receiver, in its sessions around that time, only learn the mapping? A receiver that also sends queries may
 * have come in through a forwarded port in between, if there is one. */
static bool sees_mapping(const judge_socket *s, const krpc_endpoint *receiver, bool any_port, int64_t ns)
{
    unsigned left = MAX_SESSIONS;

    for (uint32_t i = any_port ? facts_first_at(s->facts, receiver) : facts_find(s->facts, receiver);
         i != NONE && left-- > 0; i = any_port ? facts_endpoint_at(s->facts, i)->next_at : NONE) {
        for (uint32_t j = facts_contact(s->facts, s->index, i); j != NONE && left-- > 0;) {
            const fact_contact *c = facts_contact_at(s->facts, j);
            bool asked = c->query[!fact_side(c, s->index)].place != 0;

            if (distance(ns, c->first.ns, c->last.ns) <= LIVE_NS &&
                ((asked && s->visited) || judge_class_at(s, i, CLAMP(ns, c->first.ns, c->last.ns)) != JUDGE_MAPPED)) {
                return false;
            }
            j = c->older;
        }
    }
    return true;
}

/* If the mapping has one outside port, and the forwarded port is the same, it does not matter through which it came. */
static bool is_one_port(const judge_socket *s, const judge_view *v)
{
    for (uint32_t i = 0; i < s->reach.num_open; i++) {
        if (s->reach.open[i].endpoint.port != facts_endpoint_at(s->facts, v->outside)->endpoint.port) {
            return false;
        }
    }
    return s->reach.num_open > 0;
}

void judge_seen_by(judge_seen *out, const judge_socket *s, const krpc_endpoint *receiver, bool any_port, bool answers,
                   int64_t ns)
{
    const judge_view *v;

    memset(out, 0, sizeof *out);
    out->endpoint = s->self->endpoint;
    if (krpc_endpoint_scope(receiver) != KRPC_ADDR_GLOBAL && !s->global) {
        out->how = JUDGE_AT; /* no NAT between hosts of one network */
        return;
    }
    if (s->global) {
        out->how = JUDGE_AT; /* its source port; a receiver that says something else made it up */
        return;
    }
    v = view_of(s, receiver, any_port, ns);
    if (v == NULL) {
        v = common_view(s, ns);
    }
    if (s->lossy && s->reach.verdict != TRACKER_REACH_REPLIES_ONLY && (v == NULL || !is_one_port(s, v))) {
        return; /* how the receiver came to see it may be lost */
    }
    if ((s->visited && answers) || !sees_mapping(s, receiver, any_port, ns)) {
        if (v == NULL || !is_one_port(s, v)) {
            return;
        }
    }
    if (v != NULL) {
        out->how = JUDGE_AT;
        out->told = true;
        out->endpoint = facts_endpoint_at(s->facts, v->outside)->endpoint;
        out->place = v->first_place;
    } else if (s->nat.port == TRACKER_PORT_REWRITTEN && s->nat.num_kept > 0) {
        out->how = JUDGE_ELSEWHERE;
        out->place = s->nat.external[0].num_frames > 0 ? s->nat.external[0].frames[0] : 0;
    }
}
