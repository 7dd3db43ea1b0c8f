/* conclude.c: what follows from all facts: verdicts and advice for each node, and findings that later packets may
 * change.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge/judge.h"
#include "tracker_private.h"

#define BLOCK_PORTS  1024 /* RFC 7422's examples are smaller */
#define ENOUGH_PORTS 5    /* by chance, five of 64,000 ports are in such a range once in a million cases */

/* ---- verdicts that were reached for these packets ---- */

static void free_socket(gpointer socket)
{
    judge_socket_clear(socket);
    g_free(socket);
}

void verdicts_clear(tracker *t)
{
    if (t->verdicts.sockets != NULL) {
        g_hash_table_destroy(t->verdicts.sockets);
        g_hash_table_destroy(t->verdicts.wrong);
        g_hash_table_destroy(t->verdicts.says);
        t->verdicts.sockets = NULL;
    }
}

/* The caches are no part of the tracker's state: they hold what a pure function returned. */
static verdicts *current(const tracker *t)
{
    tracker *own = (tracker *)(uintptr_t)t;

    if (own->verdicts.sockets != NULL && own->verdicts.packets != t->stats.packets) {
        verdicts_clear(own);
    }
    if (own->verdicts.sockets == NULL) {
        own->verdicts.sockets = g_hash_table_new_full(NULL, NULL, NULL, free_socket);
        own->verdicts.wrong = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        own->verdicts.packets = t->stats.packets;
        own->verdicts.says = g_hash_table_new(NULL, NULL);
        own->verdicts.has_wrong = false;
    }
    return &own->verdicts;
}

const judge_socket *judged(const tracker *t, const krpc_endpoint *endpoint)
{
    verdicts *v = current(t);
    uint32_t index = facts_find(&t->facts, endpoint);
    judge_socket *s;

    if (index == NONE) {
        return NULL;
    }
    s = g_hash_table_lookup(v->sockets, GUINT_TO_POINTER(index + 1));
    if (s == NULL) {
        s = g_new(judge_socket, 1);
        judge_socket_init(s, &t->facts, index);
        g_hash_table_insert(v->sockets, GUINT_TO_POINTER(index + 1), s);
    }
    return s;
}

/* ---- advice ---- */

/* wrong_claim is a port that a socket's host advertises and on which a receiver does not see it. */
typedef struct wrong_claim {
    uint16_t port;
    uint8_t channel;
    uint32_t num_frames;
    uint32_t frames[TRACKER_MAX_FRAMES];
} wrong_claim;

static void gather_wrong(const tracker *t, verdicts *v)
{
    v->has_wrong = true;
    for (uint64_t serial = t->adverts.oldest; serial < t->adverts.next; serial++) {
        tracker_advert a;
        krpc_endpoint socket;
        uint32_t index;
        wrong_claim *w;

        advert_judge(t, advert_at(t, serial), &a);
        socket = a.sender;
        socket.port = a.dht_port;
        index = a.dht_port == 0 ? NONE : facts_find(&t->facts, &socket);
        if (index == NONE) {
            continue;
        }
        if (a.service == KRPC_SERVICE_DHT) {
            g_hash_table_add(v->says, GUINT_TO_POINTER(index + 1));
        }
        if (a.verdict != TRACKER_VERDICT_MISMATCH) {
            continue;
        }
        w = g_hash_table_lookup(v->wrong, GUINT_TO_POINTER(index + 1));
        if (w == NULL) {
            w = g_new0(wrong_claim, 1);
            w->port = (uint16_t)a.advertised_port;
            w->channel = a.channel;
            g_hash_table_insert(v->wrong, GUINT_TO_POINTER(index + 1), w);
        }
        if (w->port == a.advertised_port && w->num_frames < TRACKER_MAX_FRAMES) {
            w->frames[w->num_frames++] = a.frame;
        }
    }
}

static const wrong_claim *wrong_of(const tracker *t, uint32_t index)
{
    verdicts *v = current(t);

    if (!v->has_wrong) {
        gather_wrong(t, v);
    }
    return g_hash_table_lookup(v->wrong, GUINT_TO_POINTER(index + 1));
}

/* Does it advertise a DHT port at all? */
static bool says_port(const tracker *t, const tracker_node *n)
{
    uint32_t index = facts_find(&t->facts, &n->endpoint);

    return index != NONE && g_hash_table_contains(current(t)->says, GUINT_TO_POINTER(index + 1));
}

static tracker_advice_item *add_advice(tracker_node *out, tracker_advice advice, uint16_t port, const uint32_t *frames,
                                       uint32_t num_frames)
{
    tracker_advice_item *item;

    if (out->num_advice == TRACKER_MAX_ADVICE) {
        return NULL;
    }
    item = &out->advice[out->num_advice++];
    item->advice = advice;
    item->port = port;
    item->num_frames = MIN(num_frames, TRACKER_MAX_FRAMES);
    for (uint32_t i = 0; i < item->num_frames; i++) {
        item->frames[i] = frames[i];
    }
    return item;
}

static bool is_open_at(const tracker_node *n, uint16_t port)
{
    for (uint32_t i = 0; i < n->reach.num_open; i++) {
        if (n->reach.open[i].endpoint.port == port) {
            return true;
        }
    }
    return false;
}

static const tracker_external *first_external(const tracker_node *n)
{
    return n->nat.num_kept == 0 ? NULL : &n->nat.external[0];
}

/* The outside endpoint of its mapping that is not open. */
static const tracker_external *closed_external(const tracker_node *n)
{
    for (uint32_t i = 0; i < n->nat.num_kept; i++) {
        if (!is_open_at(n, n->nat.external[i].endpoint.port)) {
            return &n->nat.external[i];
        }
    }
    return NULL;
}

static bool has_carrier(const tracker_node *n)
{
    bool carrier = krpc_endpoint_scope(&n->endpoint) == KRPC_ADDR_CGNAT;

    for (uint32_t i = 0; i < n->nat.num_kept; i++) {
        carrier |= krpc_endpoint_scope(&n->nat.external[i].endpoint) == KRPC_ADDR_CGNAT;
    }
    return carrier;
}

static void advise_open(const tracker *t, tracker_node *out, const wrong_claim *wrong)
{
    uint16_t port = out->reach.num_open > 0 ? out->reach.open[0].endpoint.port : 0;
    const tracker_external *closed = closed_external(out);
    bool said_right = wrong == NULL || is_open_at(out, wrong->port);

    if (!said_right && port != 0) {
        tracker_advice_item *item =
            add_advice(out, TRACKER_ADVICE_ANNOUNCES_WRONG_PORT, port, wrong->frames, wrong->num_frames);

        item->said = wrong->port;
        item->channel = wrong->channel;
    } else if (port != 0 && closed != NULL && out->nat.mapping == TRACKER_MAPPING_INDEPENDENT) {
        add_advice(out, TRACKER_ADVICE_FORWARDED_BUT_REWRITTEN, port, out->reach.open[0].frames,
                   out->reach.open[0].num_frames);
    } else if (port != 0 || !says_port(t, out)) {
        add_advice(out, TRACKER_ADVICE_NOTHING_TO_DO, port, out->reach.frames, out->reach.num_frames);
    } else {
        add_advice(out, TRACKER_ADVICE_NOT_ENOUGH_SEEN, 0, NULL, 0);
    }
}

static void advise_closed(tracker_node *out, const judge_socket *s)
{
    const tracker_external *e = first_external(out);
    bool closed = out->reach.verdict == TRACKER_REACH_REPLIES_ONLY;

    if (closed) {
        add_advice(out, s->global ? TRACKER_ADVICE_CLOSED_TO_STRANGERS : TRACKER_ADVICE_FORWARD_PORT,
                   out->endpoint.port, out->reach.frames, out->reach.num_frames);
    }
    if (out->nat.mapping == TRACKER_MAPPING_DEPENDENT && out->nat.mapping_reason != TRACKER_REASON_COLLISION &&
        out->nat.port != TRACKER_PORT_PRESERVED) {
        add_advice(out, TRACKER_ADVICE_DEPENDS_ON_DESTINATION, 0, e == NULL ? NULL : e->frames,
                   e == NULL ? 0 : e->num_frames);
    }
    if (!closed) {
        add_advice(out, TRACKER_ADVICE_NOT_ENOUGH_SEEN, 0, NULL, 0);
    }
}

static void advise(const tracker *t, tracker_node *out, const judge_socket *s)
{
    const tracker_external *e = first_external(out);
    uint32_t frame = (uint32_t)fact_frame(s->collides_place);

    if (out->reach.verdict == TRACKER_REACH_OPEN) {
        advise_open(t, out, wrong_of(t, s->index));
    } else {
        advise_closed(out, s);
    }
    if (out->nat.mapping_reason == TRACKER_REASON_COLLISION) {
        add_advice(out, TRACKER_ADVICE_PORT_COLLISION, out->endpoint.port, &frame, 1);
    }
    if (out->nat.addresses == TRACKER_ADDRESSES_SEVERAL) {
        add_advice(out, TRACKER_ADVICE_SEVERAL_ADDRESSES, 0, e == NULL ? NULL : e->frames,
                   e == NULL ? 0 : e->num_frames);
    } else if (out->nat.addresses == TRACKER_ADDRESSES_CHANGED) {
        add_advice(out, TRACKER_ADVICE_ADDRESS_CHANGED, 0, &out->nat.changed_frame, 1);
    }
    if (has_carrier(out)) {
        add_advice(out, TRACKER_ADVICE_CARRIER_NAT, 0, e == NULL ? NULL : e->frames, e == NULL ? 0 : e->num_frames);
    }
    if (s->hairpin && out->ours) {
        add_advice(out, TRACKER_ADVICE_HAIRPIN, 0, NULL, 0);
    }
}

void nat_describe(const tracker *t, const node *n, tracker_node *out)
{
    const judge_socket *s = judged(t, &n->endpoint);

    if (s == NULL) {
        return;
    }
    out->nat = s->nat;
    out->reach = s->reach;
    out->ours = judge_is_ours(&t->facts, s->index);
    advise(t, out, s);
}

/* ---- conclusions ---- */

static tracker_conclusion *add(GArray *to, uint64_t place, int64_t ns, const krpc_endpoint *src,
                               const krpc_endpoint *dst, krpc_rule rule, int64_t a, int64_t b)
{
    tracker_conclusion c;

    memset(&c, 0, sizeof c);
    c.packet.frame = (uint32_t)fact_frame(place);
    c.packet.source = (uint16_t)(place >> 48);
    c.packet.time_ns = ns;
    c.packet.src = *src;
    c.packet.dst = *dst;
    c.finding.rule = rule;
    c.finding.field = KRPC_NUM_FIELDS;
    c.finding.a = a;
    c.finding.b = b;
    g_array_append_val(to, c);
    return &g_array_index(to, tracker_conclusion, to->len - 1);
}

static void add_for_view(const facts *f, GArray *to, const judge_socket *s, const judge_view *v, krpc_rule rule,
                         int64_t a, int64_t b)
{
    const krpc_endpoint *witness = &facts_endpoint_at(f, v->witness)->endpoint;
    const krpc_endpoint *outside = &facts_endpoint_at(f, v->outside)->endpoint;

    switch (v->kind) {
    case FACT_TOLD:
        add(to, v->first_place, v->shown_ns, witness, &s->self->endpoint, rule, a, b);
        break;
    case FACT_PAIR_IN:
        add(to, v->first_place, v->shown_ns, witness, outside, rule, a, b);
        break;
    default:
        add(to, v->first_place, v->shown_ns, v->class == JUDGE_MAPPED ? outside : witness,
            v->class == JUDGE_MAPPED ? witness : outside, rule, a, b);
    }
}

static const judge_view *first_view(const judge_socket *s, const krpc_endpoint *outside, bool same)
{
    const judge_view *best = NULL;

    for (unsigned i = 0; i < s->views->len; i++) {
        const judge_view *v = &g_array_index(s->views, judge_view, i);
        const krpc_endpoint *e = &facts_endpoint_at(s->facts, v->outside)->endpoint;

        if (!v->dropped && v->class != JUDGE_FORWARDED &&
            !(s->global && v->kind == FACT_TOLD && s->nat.port == TRACKER_PORT_UNKNOWN) &&
            krpc_endpoint_equal(e, outside) == same && (best == NULL || v->first_place < best->first_place)) {
            best = v;
        }
    }
    return best;
}

static void conclude_socket(const facts *f, GArray *to, const judge_socket *s)
{
    const tracker_nat *nat = &s->nat;
    const judge_view *v;

    for (uint32_t i = 0; i < nat->num_kept && (nat->port == TRACKER_PORT_REWRITTEN || nat->port == TRACKER_PORT_MIXED);
         i++) {
        if (nat->external[i].endpoint.port != s->self->endpoint.port &&
            (v = first_view(s, &nat->external[i].endpoint, true)) != NULL) {
            add_for_view(f, to, s, v, KRPC_RULE_NAT_REWRITTEN, s->self->endpoint.port, nat->external[i].endpoint.port);
            break;
        }
    }
    if (nat->mapping == TRACKER_MAPPING_DEPENDENT && nat->num_kept > 1 &&
        (v = first_view(s, &nat->external[1].endpoint, true)) != NULL) {
        add_for_view(f, to, s, v, KRPC_RULE_NAT_DEPENDENT, nat->external[1].endpoint.port,
                     nat->external[0].endpoint.port);
    }
    for (uint32_t i = 1; nat->mapping == TRACKER_MAPPING_INDEPENDENT && nat->remapped > 0 && i < nat->num_kept; i++) {
        if ((v = first_view(s, &nat->external[i].endpoint, true)) != NULL) {
            add_for_view(f, to, s, v, KRPC_RULE_NAT_REMAPPED, nat->external[i - 1].endpoint.port,
                         nat->external[i].endpoint.port);
        }
    }
    for (uint32_t i = 0; i < nat->num_kept; i++) {
        bool carrier =
            (s->self->scope == KRPC_ADDR_CGNAT || krpc_endpoint_scope(&nat->external[i].endpoint) == KRPC_ADDR_CGNAT) &&
            (nat->external[i].observers >= 2 || (nat->evidence & TRACKER_FROM_BOTH) != 0);

        if (carrier && (v = first_view(s, &nat->external[i].endpoint, true)) != NULL) {
            add_for_view(f, to, s, v, KRPC_RULE_NAT_CARRIER, s->self->endpoint.port, nat->external[i].endpoint.port);
            break;
        }
    }
}

/* ---- blocks of ports (RFC 7422) ---- */

typedef struct block_port {
    krpc_endpoint outside;
    const judge_socket *socket;
    const judge_view *view;
} block_port;

static gint by_address_and_place(gconstpointer a, gconstpointer b)
{
    const block_port *x = a, *y = b;
    int addr = memcmp(x->outside.addr, y->outside.addr, sizeof x->outside.addr);

    return addr != 0                                      ? addr
           : x->view->first_place != y->view->first_place ? (x->view->first_place < y->view->first_place ? -1 : 1)
                                                          : 0;
}

static void collect_ports(const facts *f, GArray *ports, const judge_socket *s)
{
    for (uint32_t i = 0; i < s->nat.num_kept && !s->global; i++) {
        const tracker_external *e = &s->nat.external[i];
        const judge_view *v = first_view(s, &e->endpoint, true);

        (void)f;
        if (v != NULL && (e->observers >= 2 || v->kind != FACT_TOLD) && e->endpoint.port != s->self->endpoint.port) {
            block_port p = {e->endpoint, s, v};

            g_array_append_val(ports, p);
        }
    }
}

/* The first five different ports of an address. */
static void conclude_blocks(const facts *f, GArray *to, GArray *ports)
{
    g_array_sort(ports, by_address_and_place);
    for (unsigned i = 0; i < ports->len;) {
        const block_port *first = &g_array_index(ports, block_port, i);
        uint16_t seen[ENOUGH_PORTS];
        unsigned num = 0;
        uint16_t low = UINT16_MAX, high = 0;
        unsigned j = i;

        for (; j < ports->len; j++) {
            const block_port *p = &g_array_index(ports, block_port, j);
            bool is_new = num < ENOUGH_PORTS;

            if (!krpc_endpoint_same_addr(&p->outside, &first->outside)) {
                break;
            }
            for (unsigned k = 0; k < num && is_new; k++) {
                is_new = seen[k] != p->outside.port;
            }
            if (!is_new) {
                continue;
            }
            seen[num++] = p->outside.port;
            low = MIN(low, p->outside.port);
            high = MAX(high, p->outside.port);
            if (num == ENOUGH_PORTS && high - low < BLOCK_PORTS) {
                add_for_view(f, to, p->socket, p->view, KRPC_RULE_NAT_PORT_BLOCK, low, high);
            }
        }
        i = j;
    }
}

/* ---- advertisements ---- */

static krpc_field field_of(const tracker_advert *a)
{
    switch (a->channel) {
    case KRPC_CHANNEL_P:
        return KRPC_P;
    case KRPC_CHANNEL_CONTACT:
    case KRPC_CHANNEL_ANNOUNCE_PEER:
        return KRPC_A_PORT;
    case KRPC_CHANNEL_IMPLIED_PORT:
        return KRPC_A_IMPLIED_PORT;
    default:
        return KRPC_NUM_FIELDS;
    }
}

static void conclude_advert(const tracker *t, GArray *to, const advert *a)
{
    tracker_advert now;
    tracker_conclusion *c;
    const advert_use *use = NULL;
    krpc_rule rule = KRPC_RULE_PORT_HONOURED;

    advert_judge(t, a, &now);
    if (now.verdict == TRACKER_VERDICT_MISMATCH) {
        c = add(to, fact_place(0, now.frame), now.time_ns, &now.sender, &now.receiver, KRPC_RULE_PORT_MISMATCH,
                now.advertised_port, advert_seen_port(t, &now));
        c->over_tcp = now.over_tcp != 0;
        c->finding.field = now.len > 0 ? field_of(&now) : KRPC_NUM_FIELDS;
        c->finding.off = now.off;
        c->finding.len = now.len;
    }
    switch ((tracker_later)now.later) {
    case TRACKER_LATER_HONOURED:
        use = &a->used;
        break;
    case TRACKER_LATER_OTHER_NODE:
        use = &a->used;
        rule = KRPC_RULE_PORT_OTHER_NODE;
        break;
    case TRACKER_LATER_NOT_HONOURED:
        use = &a->kept;
        rule = KRPC_RULE_PORT_NOT_HONOURED;
        break;
    case TRACKER_LATER_DEAD:
        use = a->dead.frame != 0 ? &a->dead : &a->tried;
        rule = KRPC_RULE_PORT_DEAD;
        break;
    default:
        break;
    }
    if (use != NULL && use->frame != 0 && use->is_query && now.service == KRPC_SERVICE_DHT) {
        add(to, fact_place(0, use->frame), use->ns, &use->src, &use->dst, rule, now.frame, 0);
    }
}

static gint by_frame(gconstpointer a, gconstpointer b)
{
    const tracker_conclusion *x = a, *y = b;

    if (x->packet.frame != y->packet.frame) {
        return x->packet.frame < y->packet.frame ? -1 : 1;
    }
    if (x->finding.rule != y->finding.rule) {
        return x->finding.rule < y->finding.rule ? -1 : 1;
    }
    return x->finding.a != y->finding.a ? (x->finding.a > y->finding.a ? -1 : 1) : 0;
}

/* One packet may use several advertisements: the newest one is reported. */
static bool is_repeated(const tracker_conclusion *c, const tracker_conclusion *before)
{
    return before != NULL && before->packet.frame == c->packet.frame && before->finding.rule == c->finding.rule &&
           c->finding.rule != KRPC_RULE_PORT_MISMATCH;
}

/* A global endpoint has something to conclude if its id is elsewhere in its network too. The endpoint that was seen
 * first concludes for all of them. */
static bool may_conclude(const facts *f, const fact_endpoint *e, uint32_t index)
{
    unsigned ids = 4;
    bool several = false;

    if (e->scope != KRPC_ADDR_GLOBAL) {
        return e->sightings != NONE;
    }
    for (uint32_t i = e->identities; i != NONE && ids-- > 0; i = facts_identity_at(f, i)->next) {
        unsigned left = 64;

        for (uint32_t j = facts_first_with(f, facts_identity_at(f, i)->id); j != NONE && left-- > 0;
             j = facts_identity_at(f, j)->next_of) {
            uint32_t other = facts_identity_at(f, j)->endpoint;
            bool near = fact_network(&facts_endpoint_at(f, other)->endpoint) == fact_network(&e->endpoint);

            if (other < index && near) {
                return false;
            }
            several |= other != index && near;
        }
    }
    return several || (e->outside != NONE && e->outside != index); /* or hosts see it elsewhere */
}

void tracker_conclude(tracker *t, void (*emit)(void *ctx, const tracker_conclusion *conclusion), void *ctx)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(tracker_conclusion));
    GArray *ports = g_array_new(FALSE, FALSE, sizeof(block_port));
    const facts *f = &t->facts;

    for (uint32_t i = 0; i < f->endpoints.records.used; i++) {
        const fact_endpoint *e = facts_endpoint_at(f, i);
        const judge_socket *s = e->speaks && may_conclude(f, e, i) ? judged(t, &e->endpoint) : NULL;

        if (s != NULL) {
            conclude_socket(f, all, s);
            collect_ports(f, ports, s);
        }
    }
    conclude_blocks(f, all, ports);
    for (uint64_t serial = t->adverts.oldest; serial < t->adverts.next; serial++) {
        conclude_advert(t, all, advert_at(t, serial));
    }
    g_array_sort(all, by_frame);
    for (unsigned i = 0; i < all->len; i++) {
        const tracker_conclusion *c = &g_array_index(all, tracker_conclusion, i);

        if (!is_repeated(c, i == 0 ? NULL : c - 1)) {
            emit(ctx, c);
        }
    }
    g_array_free(all, TRUE);
    g_array_free(ports, TRUE);
}
