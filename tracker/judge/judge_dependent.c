/* judge_dependent.c: does the outside endpoint depend on the destination (RFC 4787, section 4.1)?
 *
 * It does where two outside endpoints exist at the same time. One network alone proves nothing: what it says is left
 * out in turn.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge_groups.h"

#define MAX_SPANS    768
#define MAX_NETWORKS 32 /* that are left out in turn */
#define CROWD        10 /* networks that agree; a fifth of them may say something else */
#define BURST        3  /* hosts that see as many outside ports within FACT_SILENCE_NS */
#define SCATTERED    3  /* changes of the outside port without a silence, without those that one network saw */

/* ---- at the same time ---- */

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

bool views_interleave(const mapping *m, unlike how, bool packets)
{
    return is_interleaved(m, 0, how, packets, NULL);
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
bool views_interleave_for_all(const mapping *m, unlike how, uint64_t *outlier)
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
bool views_drop_few(mapping *m)
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
    groups_make(m);
    return true;
}

/* Do hosts get packets from two endpoints of one id at once? A NAT would use one of them: they are two nodes. */
bool views_are_clones(const mapping *m)
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

bool views_are_scattered(const mapping *m)
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

/* ---- a neighbour with the same port ---- */

/* Do hosts of two networks see that socket on its own port? */
static bool keeps_port(const mapping *m, const fact_endpoint *socket)
{
    uint64_t network = 0;
    unsigned left = 256;

    if (socket->sightings == NONE) {
        /* unknown; but the NAT keeps ports, if two networks say so of the socket */
        return groups_count_port(m, true).networks >= ENOUGH_NETWORKS;
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

bool views_collide(mapping *m)
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
