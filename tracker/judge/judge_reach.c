/* judge_reach.c: can hosts reach a socket that has sent nothing to them? (RFC 4787, section 5)
 *
 * A stranger is a host whose address got no packet from the socket before it sent a query: within the longest life of a
 * mapping, or ever, where the capture has the socket from its start. A stranger that gets an answer proves that the
 * port is open. That none does is an absence: it needs queries that were seen outside, or many hosts and a long time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge.h"

#define ENOUGH_NETWORKS 2
#define ANSWER_NS       (15 * SECOND)  /* libtorrent's rpc_manager waits this long */
#define ALIVE_NS        (30 * SECOND)  /* every NAT keeps a mapping open for this time after its use */
#define LONG_NS         (600 * SECOND) /* in this time, a node that sends to ENOUGH_ASKED hosts is asked by others */
#define ENOUGH_ASKED    100
#define MAX_NETWORKS    64
#define MAX_SESSIONS    100000

typedef struct knocks {
    uint64_t networks[MAX_NETWORKS];
    unsigned num_networks;
    unsigned num_frames;
    uint64_t places[TRACKER_MAX_FRAMES];
} knocks;

typedef struct reach {
    judge_socket *s;
    knocks in;       /* strangers that got an answer */
    knocks unproven; /* they may have got in through a mapping that is older than the capture */
    knocks refused;
    uint32_t num_asked;    /* addresses that it sent to */
    uint32_t num_answered; /* sessions in which it answered */
    uint32_t num_unheard;  /* sessions with queries to it, and nothing from it */
} reach;

static void add_place(knocks *k, uint64_t place)
{
    unsigned i = k->num_frames;

    /* the earliest ones, in order */
    if (i == TRACKER_MAX_FRAMES) {
        if (place >= k->places[i - 1]) {
            return;
        }
        i--;
    } else {
        k->num_frames++;
    }
    for (; i > 0 && k->places[i - 1] > place; i--) {
        k->places[i] = k->places[i - 1];
    }
    k->places[i] = place;
}

static void add_knock(knocks *k, const krpc_endpoint *from, uint64_t place)
{
    uint64_t network = fact_network(from);
    unsigned i = 0;

    while (i < k->num_networks && k->networks[i] != network) {
        i++;
    }
    if (i == k->num_networks && i < MAX_NETWORKS) {
        k->networks[k->num_networks++] = network;
    }
    add_place(k, place);
}

/* ---- what came in ---- */

static bool is_own_address(const judge_socket *s, const krpc_endpoint *addr)
{
    return s->self->outside != NONE &&
           krpc_endpoint_same_addr(&facts_endpoint_at(s->facts, s->self->outside)->endpoint, addr);
}

static void read_sessions(reach *r)
{
    judge_socket *s = r->s;
    unsigned left = MAX_SESSIONS;

    for (uint32_t i = s->self->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(s->facts, i);
        unsigned mine = fact_side(c, s->index);
        const fact_endpoint *other = facts_endpoint_at(s->facts, c->end[!mine]);
        bool proven;

        if (is_own_address(s, &other->endpoint)) {
            s->hairpin |= !s->global;
        } else if (other->scope == KRPC_ADDR_GLOBAL) {
            r->num_asked += c->began == mine;
            r->num_answered += c->answer[mine].place != 0;
            r->num_unheard += c->query[!mine].place != 0 && c->answer[mine].place == 0 && c->query[mine].place == 0;
            if (judge_is_stranger(s, c, &proven) && c->answer[mine].place != 0) {
                add_knock(proven ? &r->in : &r->unproven, &other->endpoint, c->query[!mine].place);
            }
        }
        i = c->next[mine];
    }
}

/* ---- what did not come in ---- */

static bool is_alive(const facts *f, const fact_endpoint *e, uint32_t index, int64_t ns)
{
    bool before = false, after = false;
    unsigned left = 4096;

    for (uint32_t i = e->contacts; i != NONE && left-- > 0 && !(before && after);) {
        const fact_contact *c = facts_contact_at(f, i);
        unsigned mine = fact_side(c, index);

        if (c->began == mine || c->answer[mine].place != 0) {
            before |= c->first.ns <= ns && ns - MIN(c->last.ns, ns) <= ALIVE_NS;
            after |= c->last.ns >= ns;
        }
        i = c->next[mine];
    }
    return before && after;
}

/* Queries of strangers to an outside endpoint that uses its mapping, and answers the hosts that it asked. */
static void read_refused(reach *r, uint32_t outside)
{
    const facts *f = r->s->facts;
    judge_socket at = *r->s;
    unsigned left = MAX_SESSIONS;

    at.index = outside;
    at.self = facts_endpoint_at(f, outside);
    for (uint32_t i = at.self->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(f, i);
        unsigned mine = fact_side(c, outside);
        const fact_endpoint *other = facts_endpoint_at(f, c->end[!mine]);
        bool proven;

        if (judge_is_stranger(&at, c, &proven) && c->query[mine].place == 0) {
            if (c->answer[mine].place != 0) {
                if (outside != r->s->index && proven) {
                    add_knock(&r->in, &other->endpoint, c->query[!mine].place);
                }
            } else if (f->end_ns - c->first.ns > ANSWER_NS && is_alive(f, at.self, outside, c->first.ns)) {
                add_knock(&r->refused, &other->endpoint, c->query[!mine].place);
            }
        }
        i = c->next[mine];
    }
}

/* ---- on which port ---- */

static unsigned count_networks(const judge_socket *s, uint32_t outside, tracker_reachability *to, uint32_t at)
{
    uint64_t networks[MAX_NETWORKS];
    unsigned num = 0;

    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        unsigned k = 0;

        if (v->outside != outside || v->class != JUDGE_FORWARDED || v->dropped) {
            continue;
        }
        while (k < num && networks[k] != v->network) {
            k++;
        }
        if (k == num && num < MAX_NETWORKS) {
            networks[num++] = v->network;
        }
        if (to != NULL && to->open[at].num_frames < TRACKER_MAX_FRAMES) {
            to->open[at].frames[to->open[at].num_frames++] = (uint32_t)fact_frame(v->first_place);
        }
    }
    return num;
}

static void add_open(reach *r, const krpc_endpoint *endpoint, unsigned num_sites)
{
    tracker_reachability *out = &r->s->reach;

    for (unsigned i = 0; i < out->num_open; i++) {
        if (krpc_endpoint_equal(&out->open[i].endpoint, endpoint)) {
            return;
        }
    }
    if (out->num_open < TRACKER_MAX_OPEN) {
        out->open[out->num_open].endpoint = *endpoint;
        out->open[out->num_open].num_sites = num_sites;
        out->num_open++;
    }
}

static void use_frames(reach *r, uint32_t at)
{
    tracker_reachability *out = &r->s->reach;

    for (unsigned i = 0; i < r->in.num_frames && out->open[at].num_frames < TRACKER_MAX_FRAMES; i++) {
        out->open[at].frames[out->open[at].num_frames++] = (uint32_t)fact_frame(r->in.places[i]);
    }
}

/* The outside endpoints through which strangers came in: those that they named, or where their packets were captured
 * outside. Without these, the mapping's own endpoint if the NAT keeps the port. */
static void list_open(reach *r)
{
    judge_socket *s = r->s;
    tracker_reachability *out = &s->reach;

    if (s->global) {
        add_open(r, &s->self->endpoint, r->in.num_networks);
        use_frames(r, 0);
        return;
    }
    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        const fact_endpoint *outside = facts_endpoint_at(s->facts, v->outside);

        if (v->class == JUDGE_FORWARDED && !v->dropped && outside->scope == KRPC_ADDR_GLOBAL) {
            unsigned sites = count_networks(s, v->outside, NULL, 0);

            if (sites >= ENOUGH_NETWORKS || v->kind == FACT_PAIR_IN) {
                uint32_t before = out->num_open;

                add_open(r, &outside->endpoint, sites);
                if (out->num_open > before) {
                    count_networks(s, v->outside, out, before);
                }
            }
        }
    }
    if (out->num_open == 0 && s->nat.mapping == TRACKER_MAPPING_INDEPENDENT && s->nat.port == TRACKER_PORT_PRESERVED &&
        s->self->outside != NONE) {
        add_open(r, &facts_endpoint_at(s->facts, s->self->outside)->endpoint, r->in.num_networks);
        use_frames(r, 0);
    }
    if (out->num_open == 0) {
        out->missing |= 1u << TRACKER_MISSING_PORT;
    }
}

static void use_knocks(tracker_reachability *out, const knocks *k)
{
    out->num_sites = k->num_networks;
    out->num_frames = k->num_frames;
    for (unsigned i = 0; i < k->num_frames; i++) {
        out->frames[i] = (uint32_t)fact_frame(k->places[i]);
    }
}

static void set_unknown(reach *r)
{
    judge_socket *s = r->s;
    unsigned missing = 0;

    if (r->in.num_networks == 1) {
        missing |= 1u << TRACKER_MISSING_ONE_NETWORK;
    } else if (r->unproven.num_networks == 0 && r->refused.num_networks == 0) {
        missing |= 1u << TRACKER_MISSING_NOBODY_TRIED;
    } else if (r->refused.num_networks == 1) {
        missing |= 1u << TRACKER_MISSING_ONE_NETWORK;
    }
    if (r->unproven.num_networks > 0) {
        missing |= 1u << TRACKER_MISSING_TOO_SHORT;
    }
    if (r->num_answered == 0 && r->num_unheard > 0) {
        missing |= 1u << TRACKER_MISSING_ONE_SIDED;
    }
    if (s->lossy) {
        missing |= 1u << TRACKER_MISSING_INCOMPLETE;
    }
    s->reach.missing = missing;
}

/* A node that many hosts know, and that nobody asks first. */
static bool is_shunned(const reach *r)
{
    const judge_socket *s = r->s;

    return r->num_asked >= ENOUGH_ASKED && s->facts->end_ns - s->self->first.ns >= LONG_NS && !s->lossy &&
           r->num_answered > 0 && r->in.num_networks + r->unproven.num_networks == 0 && !s->global;
}

void judge_reach(judge_socket *s)
{
    reach r = {.s = s};

    read_sessions(&r);
    if (s->global) {
        read_refused(&r, s->index);
    }
    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        bool seen = false;

        for (unsigned j = 0; j < i && !seen; j++) {
            seen = g_array_index(s->views, judge_view, j).outside == v->outside &&
                   g_array_index(s->views, judge_view, j).kind == v->kind;
        }
        if ((v->kind == FACT_PAIR || v->kind == FACT_PAIR_IN) && !seen) {
            read_refused(&r, v->outside);
        }
    }
    if (!s->lossy && r.in.num_networks >= ENOUGH_NETWORKS) {
        s->reach.verdict = TRACKER_REACH_OPEN;
        s->nat.filtering = TRACKER_FILTERING_INDEPENDENT;
        use_knocks(&s->reach, &r.in);
        list_open(&r);
    } else if (r.in.num_networks == 0 && r.unproven.num_networks == 0 &&
               ((!s->lossy && r.refused.num_networks >= ENOUGH_NETWORKS) || is_shunned(&r))) {
        s->reach.verdict = TRACKER_REACH_REPLIES_ONLY;
        s->nat.filtering = TRACKER_FILTERING_DEPENDENT;
        use_knocks(&s->reach, &r.refused);
    } else {
        set_unknown(&r);
    }
}

/* ---- where a receiver sees it ---- */

static const judge_view *view_of(const judge_socket *s, const krpc_endpoint *receiver, bool any_port, int64_t ns)
{
    const judge_view *best = NULL;
    int64_t best_off = INT64_MAX;

    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        const krpc_endpoint *witness = &facts_endpoint_at(s->facts, v->witness)->endpoint;
        int64_t off = ns < v->first_ns ? v->first_ns - ns : ns > v->last_ns ? ns - v->last_ns : 0;

        if (v->dropped || v->kind == JUDGE_BY_ID ||
            !(any_port ? krpc_endpoint_same_addr(witness, receiver) : krpc_endpoint_equal(witness, receiver)) ||
            facts_endpoint_at(s->facts, v->outside)->scope != KRPC_ADDR_GLOBAL) {
            continue;
        }
        if (off < best_off) {
            best = v;
            best_off = off;
        }
    }
    return best_off <= FACT_SILENCE_NS ? best : NULL;
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

        if (v->dropped || v->class == JUDGE_FORWARDED || v->kind == JUDGE_BY_ID ||
            facts_endpoint_at(s->facts, v->outside)->scope != KRPC_ADDR_GLOBAL) {
            continue;
        }
        if (v->first_ns <= ns) {
            before = before == NULL || v->last_ns > before->last_ns ? v : before;
        } else {
            after = after == NULL ? v : after;
        }
    }
    if (before != NULL && after != NULL && before->outside != after->outside) {
        return ns - before->last_ns <= 0 ? before : NULL; /* between two different ones */
    }
    return before != NULL ? before : after;
}

void judge_seen_by(judge_seen *out, const judge_socket *s, const krpc_endpoint *receiver, bool any_port, int64_t ns)
{
    uint32_t witness = facts_find(s->facts, receiver);
    const judge_view *v;

    memset(out, 0, sizeof *out);
    out->endpoint = s->self->endpoint;
    if (krpc_endpoint_scope(receiver) != KRPC_ADDR_GLOBAL && !s->global) {
        out->how = JUDGE_AT; /* no NAT between hosts of one network */
        return;
    }
    v = view_of(s, receiver, any_port, ns);
    if (s->global) {
        out->how = JUDGE_AT; /* its source port; a receiver that says something else made it up */
        out->made_up = v != NULL && v->outside != s->index;
        return;
    }
    if (v == NULL) {
        bool came_in = witness != NONE && !any_port && judge_class_at(s, witness, ns) != JUDGE_MAPPED;

        if (came_in && s->reach.verdict == TRACKER_REACH_OPEN) {
            return; /* it sees the forwarded port */
        }
        v = common_view(s, ns);
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
