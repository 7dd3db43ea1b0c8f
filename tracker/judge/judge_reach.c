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
#define MAX_AT          64
#define MAX_REFUSED     256 /* more queries without an answer prove nothing more */

#define ENOUGH_HOSTS    3 /* where it is only likely that the capture shows the socket from its start */

typedef struct knocks {
    uint64_t networks[MAX_NETWORKS];
    unsigned num_networks;
    unsigned num_frames;
    uint64_t places[TRACKER_MAX_FRAMES];
} knocks;

typedef struct reach {
    judge_socket *s;
    knocks in;          /* strangers that got an answer, also from another port of an address that it sent to */
    unsigned num_hosts; /* of these */
    bool any_stranger;  /* of an address that it had not sent to */
    knocks proven;      /* those for which the capture is long enough */
    bool proven_stranger;
    unsigned num_ports;
    struct {
        uint32_t endpoint;
        knocks knocks;
    } ports[TRACKER_MAX_OPEN]; /* outside endpoints on which strangers were seen to get in */
    knocks unproven;           /* they may have got in through a mapping that is older than the capture */
    knocks refused;
    unsigned num_refused;
    GHashTable *asked;     /* addresses that it sent to */
    uint32_t num_asked;    /* of these, up to ENOUGH_ASKED */
    uint32_t num_tried;    /* sessions that strangers began */
    uint32_t num_sent;     /* sessions in which it sent something */
    uint32_t num_received; /* and in which the other end did */
    uint32_t num_answered; /* sessions in which it answered */
} reach;

static void add_place(knocks *k, uint64_t place)
{
    unsigned i = k->num_frames;

    for (unsigned j = 0; j < i; j++) {
        if (k->places[j] == place) {
            return;
        }
    }
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

/* Is that an outside endpoint of a host of the socket's own network? */
static bool is_hairpin(const judge_socket *s, const fact_endpoint *other)
{
    unsigned left = MAX_AT;

    for (uint32_t i = other->seen_as; i != NONE && left-- > 0; i = facts_sighting_at(s->facts, i)->next_seen) {
        const fact_endpoint *socket = facts_endpoint_at(s->facts, facts_sighting_at(s->facts, i)->socket);

        if (socket->scope == s->self->scope && fact_network(&socket->endpoint) == fact_network(&s->self->endpoint)) {
            return true;
        }
    }
    return false;
}

static bool is_own_address(const judge_socket *s, const krpc_endpoint *addr)
{
    return s->self->outside != NONE &&
           krpc_endpoint_same_addr(&facts_endpoint_at(s->facts, s->self->outside)->endpoint, addr);
}

/* port is the outside endpoint that the query went to, if it was captured there. */
static void add_port(reach *r, uint32_t port, const fact_endpoint *from, uint64_t place)
{
    unsigned i = 0;

    while (i < r->num_ports && r->ports[i].endpoint != port) {
        i++;
    }
    if (i == r->num_ports) {
        if (i == TRACKER_MAX_OPEN) {
            return;
        }
        r->ports[r->num_ports++].endpoint = port;
    }
    add_knock(&r->ports[i].knocks, &from->endpoint, place);
}

static void add_stranger(reach *r, judge_stranger stranger, judge_proof proof, uint32_t port, const fact_endpoint *from,
                         uint64_t place)
{
    if (proof == JUDGE_UNPROVEN) {
        add_knock(&r->unproven, &from->endpoint, place);
        return;
    }
    if (port != NONE) {
        add_port(r, port, from, place);
    }
    add_knock(&r->in, &from->endpoint, place);
    r->num_hosts++;
    r->any_stranger |= stranger == JUDGE_STRANGER;
    if (proof == JUDGE_PROVEN) {
        add_knock(&r->proven, &from->endpoint, place);
        r->proven_stranger |= stranger == JUDGE_STRANGER;
    }
}

/* Two networks, one of them with a host of an address that got nothing: a NAT may let in every port of an address. */
static bool is_open(const reach *r)
{
    return (r->proven.num_networks >= ENOUGH_NETWORKS && r->proven_stranger) ||
           (r->in.num_networks >= ENOUGH_NETWORKS && r->num_hosts >= ENOUGH_HOSTS && r->any_stranger);
}

static void read_sessions(reach *r, const judge_socket *s)
{
    unsigned left = MAX_SESSIONS;

    for (uint32_t i = s->self->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(s->facts, i);
        unsigned mine = fact_side(c, s->index);
        const fact_endpoint *other = facts_endpoint_at(s->facts, c->end[!mine]);
        judge_proof proof;
        judge_stranger stranger;

        if (is_own_address(s, &other->endpoint)) {
            r->s->hairpin |= !s->global && is_hairpin(s, other);
        } else if (other->scope == KRPC_ADDR_GLOBAL) {
            if (c->began == mine && r->num_asked < ENOUGH_ASKED) {
                r->num_asked +=
                    g_hash_table_add(r->asked, GUINT_TO_POINTER(facts_first_at(s->facts, &other->endpoint) + 1)) ? 1u
                                                                                                                 : 0u;
            }
            r->num_sent += c->last_sent_ns[mine] != INT64_MIN;
            r->num_received += c->last_sent_ns[!mine] != INT64_MIN;
            r->num_answered += c->answer[mine].place != 0;
            stranger = judge_is_stranger(s, c, &proof);
            r->num_tried += stranger != JUDGE_KNOWN;
            if (stranger != JUDGE_KNOWN && judge_got_in(c, mine)) {
                add_stranger(r, stranger, proof, s->global ? s->index : NONE, other, c->query[!mine].place);
            }
        }
        i = c->next[mine];
    }
}

/* ---- what did not come in ---- */

/* When an endpoint sent something: sorted by the begin, each with the latest end of those up to it. */
typedef struct activity {
    int64_t first_ns, last_ns;
} activity;

static gint by_activity(gconstpointer a, gconstpointer b)
{
    const activity *x = a, *y = b;

    return x->first_ns < y->first_ns ? -1 : x->first_ns > y->first_ns;
}

static GArray *activity_of(const facts *f, const fact_endpoint *e, uint32_t index)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(activity));
    unsigned left = MAX_SESSIONS;

    for (uint32_t i = e->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(f, i);
        unsigned mine = fact_side(c, index);
        activity a = {c->first_sent_ns[mine], c->last_sent_ns[mine]};

        if (a.last_ns != INT64_MIN) {
            g_array_append_val(all, a);
        }
        i = c->next[mine];
    }
    g_array_sort(all, by_activity);
    for (unsigned i = 1; i < all->len; i++) {
        activity *a = &g_array_index(all, activity, i);

        a->last_ns = MAX(a->last_ns, g_array_index(all, activity, i - 1).last_ns);
    }
    return all;
}

/* Did it send something shortly before that time, and also after it? */
static bool is_alive(const GArray *all, int64_t ns)
{
    unsigned low = 0, high = all->len;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (g_array_index(all, activity, mid).first_ns <= ns) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low > 0 && ns - g_array_index(all, activity, low - 1).last_ns <= ALIVE_NS &&
           g_array_index(all, activity, all->len - 1).last_ns >= ns;
}

/* Has any socket at the outside address sent to that host before? Then the host knows the NAT, and may have another
 * reason to send there. */
static bool knows_nat(const facts *f, const fact_endpoint *outside, const krpc_endpoint *host, int64_t ns)
{
    unsigned left = 256;

    for (uint32_t i = facts_first_at(f, host); i != NONE && left-- > 0; i = facts_endpoint_at(f, i)->next_at) {
        for (uint32_t j = facts_endpoint_at(f, i)->contacts; j != NONE && left-- > 0;) {
            const fact_contact *c = facts_contact_at(f, j);
            unsigned its = fact_side(c, i);
            const krpc_endpoint *other = &facts_endpoint_at(f, c->end[!its])->endpoint;

            if (c->first_sent_ns[!its] < ns && krpc_endpoint_same_addr(other, &outside->endpoint)) {
                return true;
            }
            j = c->next[its];
        }
    }
    return false;
}

/* Queries of strangers to an outside endpoint that uses its mapping, and answers the hosts that it asked. */
static void read_refused(reach *r, uint32_t outside)
{
    const facts *f = r->s->facts;
    judge_socket at = *r->s;
    unsigned left = MAX_SESSIONS;
    GArray *busy = NULL; /* made when it is needed */

    at.index = outside;
    at.self = facts_endpoint_at(f, outside);
    for (uint32_t i = at.self->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(f, i);
        unsigned mine = fact_side(c, outside);
        const fact_endpoint *other = facts_endpoint_at(f, c->end[!mine]);
        judge_proof proof;
        judge_stranger stranger =
            c->began == mine || c->query[mine].place != 0 ? JUDGE_KNOWN : judge_is_stranger(&at, c, &proof);

        if (stranger != JUDGE_KNOWN) {
            if (c->answer[mine].place != 0) {
                if (!r->s->global) {
                    add_stranger(r, stranger, proof, outside, other, c->query[!mine].place);
                }
            } else if (f->end_ns - c->first.ns > ANSWER_NS && r->num_refused < MAX_REFUSED) {
                busy = busy != NULL ? busy : activity_of(f, at.self, outside);
                if (is_alive(busy, c->first.ns) && !knows_nat(f, at.self, &other->endpoint, c->first.ns)) {
                    add_knock(&r->refused, &other->endpoint, c->query[!mine].place);
                    r->num_refused++;
                }
            }
        }
        i = c->next[mine];
    }
    if (busy != NULL) {
        g_array_free(busy, TRUE);
    }
}

/* ---- on which port ---- */

static void add_open(reach *r, uint32_t endpoint, const knocks *k)
{
    tracker_reachability *out = &r->s->reach;

    if (out->num_open < TRACKER_MAX_OPEN) {
        out->open[out->num_open].endpoint = facts_endpoint_at(r->s->facts, endpoint)->endpoint;
        out->open[out->num_open].num_sites = k->num_networks;
        out->open[out->num_open].num_frames = k->num_frames;
        for (unsigned i = 0; i < k->num_frames; i++) {
            out->open[out->num_open].frames[i] = (uint32_t)fact_frame(k->places[i]);
        }
        out->num_open++;
    }
}

static bool is_listed(const reach *r, uint32_t endpoint)
{
    for (uint32_t i = 0; i < r->s->reach.num_open; i++) {
        if (krpc_endpoint_equal(&r->s->reach.open[i].endpoint, &facts_endpoint_at(r->s->facts, endpoint)->endpoint)) {
            return true;
        }
    }
    return false;
}

/* Do hosts of two networks that the socket asked see another port than its own? */
static bool hides_port(const judge_socket *s)
{
    uint64_t network = 0;

    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);

        if (v->class == JUDGE_MAPPED && !v->dropped &&
            facts_endpoint_at(s->facts, v->outside)->endpoint.port != s->self->endpoint.port) {
            if (network != 0 && network != v->network) {
                return true;
            }
            network = v->network;
        }
    }
    return false;
}

/* Did this witness begin a session before it saw the socket there? */
static bool came_first(const judge_socket *s, const judge_view *v)
{
    judge_proof proof;

    for (uint32_t i = facts_contact(s->facts, s->index, v->witness); i != NONE;
         i = facts_contact_at(s->facts, i)->older) {
        const fact_contact *c = facts_contact_at(s->facts, i);

        if (c->first.ns <= v->first_ns && judge_is_stranger(s, c, &proof) != JUDGE_KNOWN && proof != JUDGE_UNPROVEN) {
            return true;
        }
    }
    return false;
}

/* Who got in first, and names an outside endpoint in a later answer, names the one that it used. One network is enough
 * if it names the socket's own port, which it cannot know where the NAT rewrites it. */
static void list_named(reach *r)
{
    judge_socket *s = r->s;
    bool hidden = hides_port(s);

    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        const fact_endpoint *outside = facts_endpoint_at(s->facts, v->outside);
        knocks k = {.num_networks = 0};

        bool own = hidden && outside->endpoint.port == s->self->endpoint.port && came_first(s, v);

        if ((v->class != JUDGE_FORWARDED && !own) || v->dropped || outside->scope != KRPC_ADDR_GLOBAL ||
            is_listed(r, v->outside)) {
            continue;
        }
        for (unsigned j = i; j < s->views->len; j++) {
            const judge_view *other = &g_array_index(s->views, judge_view, j);

            if (other->outside == v->outside && (other->class == JUDGE_FORWARDED || own) && !other->dropped) {
                add_knock(&k, &facts_endpoint_at(s->facts, other->witness)->endpoint, other->first_place);
            }
        }
        if (k.num_networks >= ENOUGH_NETWORKS || v->kind == FACT_ENTRY || own) {
            add_open(r, v->outside, &k);
        }
    }
}

static void list_open(reach *r)
{
    for (unsigned i = 0; i < r->num_ports; i++) {
        add_open(r, r->ports[i].endpoint, &r->ports[i].knocks);
    }
    if (!r->s->global) {
        list_named(r);
    }
    if (r->s->reach.num_open == 0) {
        r->s->reach.missing |= 1u << TRACKER_MISSING_PORT;
    }
}

static bool has_visitors(const judge_socket *s, uint32_t endpoint)
{
    judge_socket of;

    judge_socket_of(&of, s, endpoint);
    return of.visited;
}

/* Where the NAT rewrites ports, the queries that got no answer went to the mapping. Another port may be forwarded, in a
 * home that forwards ports at all. */
static bool has_open_neighbour(const judge_socket *s)
{
    uint64_t network = fact_network(&s->self->endpoint);

    for (uint32_t i = 0; i < s->facts->endpoints.records.used && s->nat.port != TRACKER_PORT_PRESERVED; i++) {
        const fact_endpoint *e = facts_endpoint_at(s->facts, i);

        if (e->speaks && e->scope == s->self->scope && i != s->index && fact_network(&e->endpoint) == network &&
            has_visitors(s, i)) {
            return true;
        }
    }
    return false;
}

/* Is another endpoint of the address open that may be the same client? */
static bool has_open_twin(const judge_socket *s)
{
    unsigned left = MAX_AT;

    for (uint32_t i = facts_first_at(s->facts, &s->self->endpoint); i != NONE && left-- > 0;
         i = facts_endpoint_at(s->facts, i)->next_at) {
        const fact_endpoint *e = facts_endpoint_at(s->facts, i);

        if (i != s->index && e->speaks && judge_may_be_same(s->facts, s->self, e) && has_visitors(s, i)) {
            return true;
        }
    }
    return false;
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
    bool one_sided = (r->num_sent == 0) != (r->num_received == 0);
    unsigned missing = 0;

    if (one_sided) {
        missing |= 1u << TRACKER_MISSING_ONE_SIDED;
    } else if (r->in.num_networks == 1 || r->refused.num_networks == 1) {
        missing |= 1u << TRACKER_MISSING_ONE_NETWORK;
    } else if (r->in.num_networks > 1) {
        missing |= 1u << TRACKER_MISSING_TOO_SHORT;
    } else if (r->num_tried == 0 && !s->lossy) {
        missing |= 1u << TRACKER_MISSING_NOBODY_TRIED;
    }
    if (r->unproven.num_networks > 0) {
        missing |= 1u << TRACKER_MISSING_TOO_SHORT;
    }
    if (s->lossy && !one_sided) {
        missing = 1u << TRACKER_MISSING_INCOMPLETE; /* what else is missing is unknown */
    } else if (missing == 0) {
        missing = 1u << TRACKER_MISSING_INCOMPLETE;
    }
    s->reach.missing = missing;
}

/* A node that many hosts know, and that nobody asks first. */
static bool is_shunned(const reach *r)
{
    const judge_socket *s = r->s;

    return r->num_asked >= ENOUGH_ASKED && s->facts->end_ns - s->self->first.ns >= LONG_NS && !s->lossy &&
           r->num_answered > 0 && r->num_tried == 0 && !s->global;
}

/* A global endpoint is judged together with those of the same id. */
static void read_siblings(reach *r)
{
    for (unsigned i = 0; i < r->s->siblings->len; i++) {
        judge_socket of;

        judge_socket_of(&of, r->s, g_array_index(r->s->siblings, uint32_t, i));
        read_sessions(r, &of);
        read_refused(r, of.index);
    }
}

/* The outside endpoints at which packets of the socket were captured. */
static void read_paired(reach *r)
{
    GHashTable *done = g_hash_table_new(NULL, NULL);

    for (unsigned i = 0; i < r->s->views->len; i++) {
        const judge_view *v = &g_array_index(r->s->views, judge_view, i);

        if (v->kind != FACT_TOLD && v->kind != JUDGE_BY_ID &&
            g_hash_table_add(done, GUINT_TO_POINTER(v->outside + 1))) {
            read_refused(r, v->outside);
        }
    }
    g_hash_table_destroy(done);
}

void judge_reach(judge_socket *s)
{
    reach r = {.s = s, .asked = g_hash_table_new(NULL, NULL)};

    if (s->global) {
        read_siblings(&r);
    } else {
        read_sessions(&r, s);
    }
    read_paired(&r);
    if (!s->lossy && is_open(&r)) {
        s->reach.verdict = TRACKER_REACH_OPEN;
        s->nat.filtering = TRACKER_FILTERING_INDEPENDENT;
        use_knocks(&s->reach, &r.in);
        list_open(&r);
    } else if (r.in.num_networks == 0 && r.unproven.num_networks == 0 &&
               ((!s->lossy && r.refused.num_networks >= ENOUGH_NETWORKS &&
                 !(s->global ? has_open_twin(s) : has_open_neighbour(s))) ||
                is_shunned(&r))) {
        s->reach.verdict = TRACKER_REACH_REPLIES_ONLY;
        s->nat.filtering = TRACKER_FILTERING_DEPENDENT;
        use_knocks(&s->reach, &r.refused);
    } else {
        set_unknown(&r);
    }
    g_hash_table_destroy(r.asked);
}
