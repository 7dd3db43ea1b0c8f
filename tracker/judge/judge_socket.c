/* judge_socket.c: gathers what witnesses saw of a socket.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge.h"

#define START_NS      (10 * SECOND) /* a node that runs already is asked within this time, or gets a stray answer */
#define IDLE_NS       (30 * SECOND) /* and asks other nodes within this time */
#define ANSWER_NS     (2 * SECOND)  /* and answers within this time */
#define LATER_NS      (60 * SECOND) /* a NAT that keeps mappings longer is rare where the start is only likely */
/* What a packet shows, a witness cannot make up: hosts of one network count each. */
#define BY_PACKET     (UINT64_C(1) << 62)
#define SOON_NS       (5 * SECOND) /* no NAT forgets a mapping in this time */
#define MAX_VIEWS     8192
#define MAX_SIBLINGS  64
#define MAX_AT        64 /* endpoints of one address that are looked at */
#define MAX_SESSIONS  64
#define LOSSY_PERCENT 5

/* ---- how a session began ---- */

/* Does the capture show the socket from its start? It does where a query came before the socket sent anything, and got
 * no answer, or where the socket was silent for a long time. Else it seems so where nothing that it received in its
 * first seconds answers an older query, or comes from a host that it did not ask. */
static judge_start start_of(const facts *f, const fact_endpoint *e)
{
    int64_t start = e->sent_ns;

    if (start == INT64_MAX || e->own_ns == INT64_MAX || (e->stray_ns != INT64_MAX && e->stray_ns <= start + START_NS)) {
        return JUDGE_START_UNKNOWN;
    }
    if (start - f->begin_ns >= IDLE_NS || (e->knock_ns != INT64_MAX && start - e->knock_ns >= ANSWER_NS)) {
        return JUDGE_START_SEEN;
    }
    return e->knock_ns == INT64_MAX || e->knock_ns > start + START_NS ? JUDGE_START_LIKELY : JUDGE_START_UNKNOWN;
}

static bool is_lossy(const facts *f, const fact_endpoint *e)
{
    uint64_t all = (uint64_t)e->num_strays + e->num_answers;

    return facts_are_lossy(f) || (e->num_strays >= 3 && (uint64_t)e->num_strays * 100 > all * LOSSY_PERCENT);
}

/* Did the socket send to that endpoint by itself before a time, through a mapping that may still be in use? */
static bool has_sent_to(const judge_socket *s, uint32_t other, int64_t before_ns)
{
    unsigned left = MAX_SESSIONS;

    for (uint32_t i = facts_contact(s->facts, s->index, other); i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(s->facts, i);
        unsigned mine = fact_side(c, s->index);
        bool sent =
            (c->query[mine].place != 0 && c->query[mine].ns < before_ns) || (c->stray && c->first.ns < before_ns);

        if (sent && before_ns - c->last.ns <= FACT_LIFE_NS) {
            return true;
        }
        i = c->older;
    }
    return false;
}

/* The same for all ports of an address. */
static bool has_sent(const judge_socket *s, const krpc_endpoint *addr, int64_t before_ns)
{
    unsigned left = MAX_AT;

    for (uint32_t i = facts_first_at(s->facts, addr); i != NONE && left-- > 0;
         i = facts_endpoint_at(s->facts, i)->next_at) {
        if (has_sent_to(s, i, before_ns)) {
            return true;
        }
    }
    return false;
}

judge_stranger judge_is_stranger(const judge_socket *s, const fact_contact *c, judge_proof *proof)
{
    unsigned mine = fact_side(c, s->index);
    const fact_endpoint *other = facts_endpoint_at(s->facts, c->end[!mine]);

    if (c->began == mine || c->stray || c->query[!mine].place == 0 || other->scope != KRPC_ADDR_GLOBAL ||
        krpc_endpoint_same_addr(&other->endpoint, &s->self->endpoint) || has_sent_to(s, c->end[!mine], c->first.ns)) {
        return JUDGE_KNOWN;
    }
    *proof = c->first.ns - s->facts->begin_ns >= FACT_LIFE_NS                                 ? JUDGE_PROVEN
             : s->start == JUDGE_START_SEEN                                                   ? JUDGE_LIKELY
             : s->start == JUDGE_START_LIKELY && c->first.ns - s->facts->begin_ns >= LATER_NS ? JUDGE_LIKELY
                                                                                              : JUDGE_UNPROVEN;
    return has_sent(s, &other->endpoint, c->first.ns) ? JUDGE_OTHER_PORT : JUDGE_STRANGER;
}

bool judge_got_in(const fact_contact *c, unsigned mine)
{
    return c->answer[mine].place != 0 && (c->query[mine].place == 0 || c->answer[mine].ns < c->query[mine].ns);
}

judge_class judge_class_at(const judge_socket *s, uint32_t witness, int64_t ns)
{
    const fact_contact *now = NULL;
    bool came_in = false; /* the witness began an earlier session, whose mapping may still be in use */
    bool asked = false;
    unsigned left = MAX_SESSIONS;
    judge_proof proof;
    unsigned mine;

    for (uint32_t i = facts_contact(s->facts, s->index, witness); i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(s->facts, i);

        mine = fact_side(c, s->index);
        asked |= c->query[!mine].place != 0;
        if (now == NULL && ns >= c->first.ns && ns <= c->last.ns) {
            now = c;
        } else if (now != NULL && c->began != mine && !c->stray && now->first.ns - c->last.ns <= FACT_LIFE_NS) {
            came_in = true;
        }
        i = c->older;
    }
    if (now == NULL) {
        return JUDGE_DOUBTFUL;
    }
    mine = fact_side(now, s->index);
    if (now->began != mine && !now->stray && (!s->global || judge_got_in(now, mine))) {
        /* later on, another mapping may have taken over */
        return ns - now->first.ns <= SOON_NS && judge_is_stranger(s, now, &proof) != JUDGE_KNOWN &&
                       proof != JUDGE_UNPROVEN
                   ? JUDGE_FORWARDED
                   : JUDGE_DOUBTFUL;
    }
    if ((now->began != mine) != now->stray) {
        return JUDGE_DOUBTFUL; /* the other end began: an answer comes after a query */
    }
    if (s->visited && now->query[!mine].place != 0 && now->query[!mine].ns <= ns) {
        return JUDGE_DOUBTFUL; /* it may have come in through a forwarded port meanwhile */
    }
    if (came_in || (s->start == JUDGE_START_UNKNOWN && asked && now->first.ns - s->facts->begin_ns < FACT_LIFE_NS)) {
        return JUDGE_DOUBTFUL;
    }
    return JUDGE_MAPPED;
}

/* ---- views ---- */

bool judge_is_another_node(const facts *f, const fact_endpoint *a, const fact_endpoint *b)
{
    unsigned left = 16;

    for (uint32_t i = a->identities; i != NONE && left-- > 0; i = facts_identity_at(f, i)->next) {
        for (uint32_t j = b->identities; j != NONE && left-- > 0; j = facts_identity_at(f, j)->next) {
            if (memcmp(facts_identity_at(f, i)->id, facts_identity_at(f, j)->id, FACT_ID_LEN) == 0) {
                return false;
            }
        }
    }
    return a->identities != NONE && b->identities != NONE;
}

/* Is it seen in the network between two NATs, by a host there? */
static bool is_between(const fact_endpoint *self, const fact_endpoint *witness, const fact_endpoint *outside)
{
    uint64_t network = fact_network(&self->endpoint);

    return witness->scope == outside->scope && fact_network(&witness->endpoint) != network &&
           fact_network(&outside->endpoint) != network;
}

static void add_view(judge_socket *s, const fact_sighting *seen)
{
    const fact_endpoint *witness = facts_endpoint_at(s->facts, seen->witness);
    const fact_endpoint *outside = facts_endpoint_at(s->facts, seen->outside);
    const fact_endpoint *own = s->self->outside == NONE ? NULL : facts_endpoint_at(s->facts, s->self->outside);
    judge_view v = {seen->witness,
                    seen->outside,
                    fact_network(&witness->endpoint),
                    seen->first.ns,
                    seen->last.ns,
                    seen->first.place,
                    seen->shown_ns,
                    seen->count,
                    seen->kind,
                    0,
                    false,
                    NONE};

    if (outside->scope != KRPC_ADDR_GLOBAL && seen->kind == FACT_TOLD && !is_between(s->self, witness, outside)) {
        /* a global host that names a private address is reached through the router, or names the router */
        s->hairpin |= witness->scope == KRPC_ADDR_GLOBAL && !s->global;
        return;
    }
    if ((own != NULL && own != s->self && krpc_endpoint_same_addr(&witness->endpoint, &own->endpoint)) ||
        (seen->kind != FACT_TOLD && judge_is_another_node(s->facts, s->self, outside))) {
        s->hairpin |= seen->kind == FACT_TOLD;
        return; /* a neighbour, through the router; or the same bytes by chance */
    }
    if ((witness->scope != KRPC_ADDR_GLOBAL && outside->scope == KRPC_ADDR_GLOBAL) ||
        krpc_endpoint_same_addr(&witness->endpoint, &outside->endpoint) ||
        krpc_endpoint_same_addr(&witness->endpoint, &s->self->endpoint)) {
        s->hairpin |= krpc_endpoint_same_addr(&witness->endpoint, &outside->endpoint);
        return;
    }
    v.class = (uint8_t)judge_class_at(s, seen->witness, seen->first.ns);
    if (seen->kind == FACT_ENTRY && v.class == JUDGE_MAPPED) {
        v.class = JUDGE_DOUBTFUL;
    }
    g_array_append_val(s->views, v);
}

static bool is_visited(const judge_socket *s)
{
    unsigned left = MAX_VIEWS;

    for (uint32_t i = s->self->contacts; i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(s->facts, i);
        unsigned mine = fact_side(c, s->index);
        judge_proof proof;

        if (judge_got_in(c, mine) && judge_is_stranger(s, c, &proof) == JUDGE_STRANGER) {
            return true;
        }
        i = c->next[mine];
    }
    return false;
}

void judge_socket_of(judge_socket *out, const judge_socket *socket, uint32_t endpoint)
{
    *out = *socket;
    out->index = endpoint;
    out->self = facts_endpoint_at(socket->facts, endpoint);
    out->start = start_of(socket->facts, out->self);
    out->visited = is_visited(out);
}

/* A global endpoint in a capture from outside: every host that answered it, or whose answer it got, saw it there. */
static void add_contacts(judge_socket *s, uint32_t endpoint)
{
    judge_socket of;

    judge_socket_of(&of, s, endpoint);
    for (uint32_t i = of.self->contacts; i != NONE && s->views->len < MAX_VIEWS;) {
        const fact_contact *c = facts_contact_at(s->facts, i);
        unsigned mine = fact_side(c, endpoint);
        const fact_endpoint *witness = facts_endpoint_at(s->facts, c->end[!mine]);

        if (witness->scope == KRPC_ADDR_GLOBAL && c->last_sent_ns[mine] != INT64_MIN &&
            (c->answer[!mine].place != 0 || c->answer[mine].place != 0) &&
            !krpc_endpoint_same_addr(&witness->endpoint, &of.self->endpoint)) {
            judge_view v = {c->end[!mine],
                            endpoint,
                            BY_PACKET | facts_first_at(s->facts, &witness->endpoint),
                            c->first_sent_ns[mine],
                            c->last_sent_ns[mine],
                            c->first.place,
                            c->first.ns,
                            1,
                            JUDGE_BY_ID,
                            (uint8_t)judge_class_at(&of, c->end[!mine], c->first.ns),
                            false,
                            NONE};

            g_array_append_val(s->views, v);
        }
        i = c->next[mine];
    }
}

static bool has_sibling(const judge_socket *s, uint32_t endpoint)
{
    for (unsigned i = 0; i < s->siblings->len; i++) {
        if (g_array_index(s->siblings, uint32_t, i) == endpoint) {
            return true;
        }
    }
    return false;
}

static bool same_client(const fact_identity *a, const fact_identity *b)
{
    return a->version[0] == 0 || b->version[0] == 0 || memcmp(a->version, b->version, sizeof a->version) == 0;
}

bool judge_may_be_same(const facts *f, const fact_endpoint *a, const fact_endpoint *b)
{
    return a->identities == NONE || b->identities == NONE ||
           same_client(facts_identity_at(f, a->identities), facts_identity_at(f, b->identities));
}

/* The endpoints with one of its ids, at its address or in the network of a pool. */
static void find_siblings(judge_socket *s)
{
    uint64_t network = fact_network(&s->self->endpoint);
    unsigned ids = 4;

    g_array_append_val(s->siblings, s->index);
    for (uint32_t i = s->self->identities; i != NONE && ids-- > 0; i = facts_identity_at(s->facts, i)->next) {
        const fact_identity *mine = facts_identity_at(s->facts, i);
        unsigned left = 4 * MAX_SIBLINGS;

        for (uint32_t j = facts_first_with(s->facts, mine->id); j != NONE && left-- > 0;
             j = facts_identity_at(s->facts, j)->next_of) {
            const fact_identity *other = facts_identity_at(s->facts, j);
            const fact_endpoint *e = facts_endpoint_at(s->facts, other->endpoint);

            if (fact_network(&e->endpoint) == network && e->scope == s->self->scope && same_client(mine, other) &&
                s->siblings->len < MAX_SIBLINGS && !has_sibling(s, other->endpoint)) {
                g_array_append_val(s->siblings, other->endpoint);
            }
        }
    }
}

static gint by_time(gconstpointer a, gconstpointer b)
{
    const judge_view *x = a, *y = b;

    if (x->first_ns != y->first_ns) {
        return x->first_ns < y->first_ns ? -1 : 1;
    }
    return x->first_place < y->first_place ? -1 : x->first_place > y->first_place;
}

static bool is_translated_endpoint(const facts *f, const fact_endpoint *e)
{
    unsigned left = MAX_AT;

    for (uint32_t i = e->seen_as; i != NONE && left-- > 0; i = facts_sighting_at(f, i)->next_seen) {
        const fact_endpoint *socket = facts_endpoint_at(f, facts_sighting_at(f, i)->socket);

        if (socket != e && socket->scope != KRPC_ADDR_GLOBAL) {
            return true;
        }
    }
    return false;
}

bool judge_is_ours(const facts *f, uint32_t endpoint)
{
    const fact_endpoint *e = facts_endpoint_at(f, endpoint);
    unsigned ids = 4;

    if (e->scope == KRPC_ADDR_PRIVATE || e->scope == KRPC_ADDR_CGNAT || e->scope == KRPC_ADDR_LINK_LOCAL) {
        return e->speaks;
    }
    if (e->scope != KRPC_ADDR_GLOBAL || is_translated_endpoint(f, e)) {
        return false;
    }
    /* IPv6 without a NAT: the same client has an inside address too (BEP 32: both have one id) */
    for (uint32_t i = e->identities; i != NONE && ids-- > 0; i = facts_identity_at(f, i)->next) {
        const fact_identity *mine = facts_identity_at(f, i);
        unsigned left = MAX_AT;

        for (uint32_t j = facts_first_with(f, mine->id); j != NONE && left-- > 0;
             j = facts_identity_at(f, j)->next_of) {
            const fact_endpoint *other = facts_endpoint_at(f, facts_identity_at(f, j)->endpoint);

            if (other->scope == KRPC_ADDR_PRIVATE && other->endpoint.addr_len != e->endpoint.addr_len) {
                return true;
            }
        }
    }
    return false;
}

static void chain_views(judge_socket *s)
{
    s->by_witness = g_hash_table_new(NULL, NULL);
    for (uint32_t i = s->views->len; i-- > 0;) {
        judge_view *v = &g_array_index(s->views, judge_view, i);
        uint32_t address = facts_first_at(s->facts, &facts_endpoint_at(s->facts, v->witness)->endpoint);

        v->next = GPOINTER_TO_UINT(g_hash_table_lookup(s->by_witness, GUINT_TO_POINTER(address + 1))) - 1;
        g_hash_table_insert(s->by_witness, GUINT_TO_POINTER(address + 1), GUINT_TO_POINTER(i + 1));
    }
}

uint32_t judge_views_of(const judge_socket *s, const krpc_endpoint *witness)
{
    uint32_t address = facts_first_at(s->facts, witness);

    return address == NONE ? NONE
                           : GPOINTER_TO_UINT(g_hash_table_lookup(s->by_witness, GUINT_TO_POINTER(address + 1))) - 1;
}

void judge_socket_init(judge_socket *out, const facts *f, uint32_t endpoint)
{
    memset(out, 0, sizeof *out);
    out->facts = f;
    out->index = endpoint;
    out->self = facts_endpoint_at(f, endpoint);
    out->collides = NONE;
    out->start = start_of(f, out->self);
    out->lossy = is_lossy(f, out->self);
    out->global = out->self->scope == KRPC_ADDR_GLOBAL;
    out->visited = is_visited(out);
    out->views = g_array_new(FALSE, FALSE, sizeof(judge_view));
    out->siblings = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (uint32_t i = out->self->sightings; i != NONE && out->views->len < MAX_VIEWS;
         i = facts_sighting_at(f, i)->next) {
        add_view(out, facts_sighting_at(f, i));
    }
    if (out->global) {
        find_siblings(out);
        for (unsigned i = 0; i < out->siblings->len; i++) {
            add_contacts(out, g_array_index(out->siblings, uint32_t, i));
        }
    }
    g_array_sort(out->views, by_time);
    chain_views(out);
    judge_mapping(out);
    judge_reach(out);
}

void judge_socket_clear(judge_socket *s)
{
    g_array_free(s->views, TRUE);
    g_hash_table_destroy(s->by_witness);
    g_array_free(s->siblings, TRUE);
}
