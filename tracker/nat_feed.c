/* nat_feed.c: observations of outside endpoints, from packets.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define BOTH_NS    (2 * SECOND)
#define ENOUGH     3
#define WARM_UP_NS (120 * SECOND) /* mappings older than the capture have expired by then (RFC 4787 REQ-5) */

static nat *nat_of_local(tracker *t, const krpc_endpoint *local)
{
    nat *n = nat_make(t, hash_endpoint(&t->key, local));
    uint32_t index = nodes_find(t, local);

    n->inside = *local;
    if (index != NONE) {
        node_at(&t->nodes, index)->flags |= NODE_TRANSLATED;
    }
    return n;
}

uint64_t place_key(const tracker *t, const krpc_endpoint *local)
{
    return ~hash_endpoint(&t->key, local);
}

static nat *make_place(tracker *t, const krpc_endpoint *local)
{
    nat *n = nat_make(t, place_key(t, local));
    uint32_t index = nodes_find(t, local);

    n->inside = *local;
    if (index != NONE) {
        node_at(&t->nodes, index)->flags |= NODE_PAIRED;
    }
    return n;
}

nat *nat_of_place(const tracker *t, const node *n)
{
    return (n->flags & NODE_PAIRED) == 0 ? NULL : nat_find(t, place_key(t, &n->endpoint));
}

/* ---- outside: one id on several ports of one address ---- */

uint64_t group_key(const tracker *t, const uint8_t id[20], const krpc_endpoint *addr)
{
    uint64_t first;

    memcpy(&first, id, sizeof first);
    return hash_fold(hash_addr(&t->key, addr) ^ t->key.k[1], first ^ t->key.k[2]);
}

void group_make(tracker *t, const uint8_t id[20], node *a, node *b)
{
    nat *n = nat_make(t, group_key(t, id, &a->endpoint));

    n->group = true;
    n->inside = a->endpoint;
    n->inside.port = 0;
    a->flags |= NODE_GROUPED;
    b->flags |= NODE_GROUPED;
}

nat *nat_of_node(const tracker *t, const node *n)
{
    nat *found = NULL;

    if ((n->flags & NODE_TRANSLATED) != 0) {
        found = nat_find(t, hash_endpoint(&t->key, &n->endpoint));
    }
    if (found == NULL && (n->flags & NODE_GROUPED) != 0) {
        tracker_node ids;

        memset(&ids, 0, sizeof ids);
        node_ids(t, n, &ids);
        for (unsigned i = 0; found == NULL && i < MIN(ids.num_ids, TRACKER_MAX_IDS); i++) {
            found = nat_find(t, group_key(t, ids.ids[i], &n->endpoint));
        }
    }
    return found;
}

bool nat_outside(const tracker *t, const node *n, krpc_endpoint *out)
{
    const nat *r = (n->flags & NODE_TRANSLATED) != 0 ? nat_of_node(t, n) : NULL;

    if (r != NULL && r->num_kept > 0) {
        const external *e = nat_current(r);

        if (e->observers >= 2 || (e->kinds & TRACKER_FROM_BOTH) != 0) {
            *out = e->endpoint;
            return true;
        }
    }
    *out = n->endpoint;
    return (n->flags & NODE_PRIVATE) == 0;
}

/* ---- queries ---- */

static void observe_pair(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                         const payload_seen *first, const krpc_sink *sink)
{
    krpc_addr_scope scope_first = krpc_endpoint_scope(&first->src);
    krpc_addr_scope scope_now = krpc_endpoint_scope(&p->src);
    bool now_inside = scope_now != KRPC_ADDR_GLOBAL && scope_first == KRPC_ADDR_GLOBAL;
    const krpc_endpoint *inside;
    observation seen;
    const flow *f;
    const transaction *query;

    /* a private address is inside a carrier's NAT; otherwise the packet that comes first is nearer to the sender */
    now_inside |= scope_now == KRPC_ADDR_PRIVATE && scope_first == KRPC_ADDR_CGNAT;
    inside = now_inside ? &p->src : &first->src;
    seen.remote = &p->dst;
    seen.outside = now_inside ? &first->src : &p->src;
    seen.ns = MIN(first->ns, p->time_ns);
    seen.frame = now_inside ? first->frame : p->frame;
    seen.kind = TRACKER_FROM_BOTH;
    f = flow_find(t, hash_endpoint(&t->key, inside), &p->dst);
    if (krpc_endpoint_same_addr(&p->dst, seen.outside) || krpc_endpoint_same_addr(&p->dst, inside) ||
        (f != NULL && f->inbound != 0)) {
        return;
    }
    filtering_opened(t, inside, seen.outside, seen.ns);
    if (krpc_endpoint_scope(seen.outside) != KRPC_ADDR_GLOBAL &&
        krpc_endpoint_scope(seen.outside) != krpc_endpoint_scope(&p->dst)) {
        nat_observe(t, make_place(t, inside), &seen, sink); /* there is another NAT further outside */
        return;
    }
    query = transactions_find(t, inside, &p->dst, m, data);
    if (query != NULL) {
        adverts_observed(t, query, seen.outside, seen.frame);
    }
    nat_observe(t, nat_of_local(t, inside), &seen, sink);
}

static void look_for_pair(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                          const tracker_keys *keys, const krpc_sink *sink)
{
    uint64_t key = keys->payload != 0 ? keys->payload : payload_key(t, m, data, keys->dst);
    payload_seen *first = payload_seen_at(t, key);

    if (first->key == key && first->frame != 0 && ABS(p->time_ns - first->ns) <= BOTH_NS &&
        !krpc_endpoint_equal(&first->src, &p->src)) {
        if (!krpc_endpoint_same_addr(&first->src, &p->src)) {
            observe_pair(t, p, m, data, first, sink);
        }
        first->frame = 0;
        return;
    }
    first->key = key;
    first->ns = p->time_ns;
    first->src = p->src;
    first->frame = p->frame;
}

void nat_datagram(tracker *t, const tracker_packet *p, bool opens)
{
    if (addr_is_private(&p->src)) {
        flow_touch(t, &p->src, &p->dst, FLOW_OUT, p->time_ns);
    }
    if (addr_is_private(&p->dst)) {
        uint32_t index = nodes_find(t, &p->dst);
        node *n = index == NONE ? NULL : node_at(&t->nodes, index);

        if (opens && n != NULL && !addr_is_private(&p->src) &&
            flow_find(t, hash_endpoint(&t->key, &p->dst), &p->src) == NULL) {
            n->flags |= NODE_OPEN;
        }
        flow_touch(t, &p->dst, &p->src, n != NULL && (n->flags & NODE_OPEN) != 0 ? FLOW_IN_OPEN : FLOW_IN, p->time_ns);
    }
}

static void note_passed(tracker *t, const tracker_packet *p, uint32_t dst)
{
    uint64_t key = hash_endpoint(&t->key, &p->dst);
    uint32_t remote = (uint32_t)hash_addr(&t->key, &p->src) | 1;
    nat *n;

    if (p->time_ns - t->begin_ns <= WARM_UP_NS || (node_at(&t->nodes, dst)->flags & NODE_TRANSLATED) == 0 ||
        addr_is_private(&p->src) || vote_known(t, key, remote, VOTE_CONTACTED) || !votes_are_complete(t)) {
        return;
    }
    n = nat_find(t, key);
    if (n != NULL && vote_new(t, key, remote, VOTE_PASSED)) {
        n->passed++;
    }
}

void nat_query(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const tracker_keys *keys, uint32_t src, uint32_t dst, transaction *query, const krpc_sink *sink)
{
    const node *from = node_at(&t->nodes, src);

    if ((from->flags & NODE_PRIVATE) != 0) {
        g_atomic_int_set(&t->flows.has_private, 1);
        filtering_contacted(t, p);
    }
    if (flows_has_private(t)) {
        if (dst != NONE && (node_at(&t->nodes, dst)->flags & NODE_PRIVATE) != 0) {
            note_passed(t, p, dst);
        }
        nat_datagram(t, p, true);
        filtering_knocked(t, p);
        if (m->len >= BOTH_LEN) {
            look_for_pair(t, p, m, data, keys, sink);
        }
    }
    if (query != NULL && (from->flags & NODE_GROUPED) != 0 && nat_find(t, group_key(t, from->id, &p->src)) != NULL) {
        query->flags |= TRANSACTION_GROUP;
    }
}

void nat_own_address(const tracker *t, const tracker_packet *p, uint32_t src, const krpc_sink *sink)
{
    krpc_endpoint outside;
    const node *n = node_at(&t->nodes, src);

    if ((n->flags & NODE_TRANSLATED) != 0 && nat_outside(t, n, &outside) &&
        krpc_endpoint_same_addr(&outside, &p->dst)) {
        krpc_emit(sink, KRPC_RULE_NAT_OWN_ADDRESS, 0, 0, 0, 0);
    }
}

/* ---- replies ---- */

static uint16_t swapped(uint16_t port)
{
    return (uint16_t)(port << 8 | port >> 8);
}

static bool what_is_seen(krpc_endpoint *out, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                         krpc_field *field_out)
{
    *field_out = KRPC_IP;
    if (krpc_message_ip(out, m, data)) {
        return out->addr_len == p->dst.addr_len && out->port != 0;
    }
    *field_out = KRPC_R_P;
    if (krpc_has(m, KRPC_R_P) && m->value[KRPC_R_P].num >= 1 && m->value[KRPC_R_P].num <= 65535) {
        *out = p->dst;
        out->port = (uint16_t)m->value[KRPC_R_P].num;
        return true;
    }
    return false;
}

static bool is_witness(const node *n, unsigned num, uint32_t addr)
{
    return (num > 0 && n->witness[0] == addr) || (num > 1 && n->witness[1] == addr);
}

/* Counts, up to three, the addresses that answered this node, and those of them that see it at its own endpoint. The
 * first two are stored. */
static void answered_by(node *n, uint32_t addr)
{
    unsigned num = node_talked(n);

    if (!is_witness(n, num, addr)) {
        if (num < 2) {
            n->witness[num] = addr;
        }
        n->counts = (uint8_t)(n->counts + 4);
    }
}

/* An address that sees the node has answered it: it is stored already, or three have answered and the places are only
 * needed here. */
static void seen_in_place(tracker *t, node *n, const tracker_packet *p)
{
    uint32_t addr = (uint32_t)hash_addr(&t->key, &p->src);
    unsigned num = node_seen(n);

    if (num >= ENOUGH || is_witness(n, num, addr)) {
        return;
    }
    if (num == 0) {
        n->seen_frame = p->frame;
        if (n->witness[1] == addr) {
            n->witness[1] = n->witness[0];
        }
    }
    if (num < 2) {
        n->witness[num] = addr;
    }
    n->counts++;
}

/* A global endpoint that was seen at itself before another node reported a different endpoint. */
static void take_over(nat *n, const node *from)
{
    external *e = &n->externals[0];

    if (n->num_kept > 0 || node_seen(from) == 0) {
        return;
    }
    n->num_kept = 1;
    n->num_external = 1;
    n->observers = n->observers_eq = n->frames_eq = node_seen(from);
    n->kinds = TRACKER_FROM_INSIDE;
    e->endpoint = from->endpoint;
    e->observers = node_seen(from);
    e->num_frames = 1;
    e->frames[0] = from->seen_frame;
    e->first_ns = from->first_ns;
    e->last_ns = from->last_ns;
    e->kinds = TRACKER_FROM_INSIDE;
}

static void observe_inside(tracker *t, const tracker_packet *p, const krpc_endpoint *outside, const transaction *query,
                           node *n, const krpc_sink *sink)
{
    const flow *f = flow_find(t, hash_endpoint(&t->key, &p->dst), &p->src);
    bool was_translated = (n->flags & NODE_TRANSLATED) != 0;
    observation seen = {&p->src, outside, query->time_ns, p->frame, TRACKER_FROM_INSIDE};
    nat *r;

    if (krpc_endpoint_same_addr(&p->src, outside) || (f != NULL && f->inbound != 0)) {
        return; /* at its own address, or through a forwarded port */
    }
    r = nat_of_local(t, &p->dst);
    if (!was_translated && (n->flags & NODE_PRIVATE) == 0) {
        take_over(r, n);
        if (r->num_kept > 0) {
            r->externals[0].value = (uint32_t)hash_endpoint(&t->key, &n->endpoint) | 1;
        }
    }
    nat_observe(t, r, &seen, sink);
}

static void report_seen(const tracker_packet *p, const krpc_message *m, krpc_field field, const krpc_endpoint *seen,
                        const krpc_sink *sink)
{
    const krpc_value *v = &m->value[field];

    if (seen->port != p->dst.port) {
        krpc_emit_at(sink, seen->port == swapped(p->dst.port) ? KRPC_RULE_PORT_SWAPPED : KRPC_RULE_PORT_OBSERVED, field,
                     v->off, v->len, seen->port, p->dst.port);
    }
    if (field == KRPC_IP && !krpc_endpoint_same_addr(seen, &p->dst)) {
        krpc_emit_at(sink, KRPC_RULE_PORT_OBSERVED_ADDR, field, v->off, v->len, 0, 0);
    }
}

/* A reply that came through a forwarded port shows no mapping: neither that port is one, nor the port that the
 * responder's own NAT made up for the querier, if the responder has a forwarded port. */
static void observe_group(tracker *t, const tracker_packet *p, const transaction *query, const node *local,
                          const node *responder, const krpc_sink *sink)
{
    observation seen = {&p->src, &p->dst, query->time_ns, p->frame, TRACKER_FROM_OUTSIDE};
    const flow *f = flow_find(t, hash_endpoint(&t->key, &p->src), &p->dst);
    tracker_node ids;

    if ((local->flags & NODE_ANSWERED_FIRST) != 0 || (responder->flags & NODE_OPEN) != 0 ||
        (f != NULL && f->inbound != 0)) {
        return;
    }
    memset(&ids, 0, sizeof ids);
    node_ids(t, local, &ids);
    for (unsigned i = 0; i < MIN(ids.num_ids, TRACKER_MAX_IDS); i++) {
        nat *n = memcmp(ids.ids[i], query->id, sizeof query->id) != 0 ? NULL
                                                                      : nat_find(t, group_key(t, ids.ids[i], &p->dst));

        if (n != NULL) {
            nat_observe(t, n, &seen, sink);
            return;
        }
    }
}

void nat_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const transaction *query, const tracker_result *result, uint32_t src, uint32_t dst,
               const krpc_sink *sink)
{
    krpc_endpoint seen;
    krpc_field field;
    node *n = dst == NONE ? NULL : node_at(&t->nodes, dst);
    /* only a node that was queried is a witness */
    bool valid = query != NULL && result->repeats == 0 && n != NULL && krpc_endpoint_equal(&result->asked, &p->src);

    if (flows_has_private(t)) {
        nat_datagram(t, p, false);
    }
    if (valid) {
        if (node_talked(n) < ENOUGH) {
            answered_by(n, (uint32_t)hash_addr(&t->key, &p->src));
        }
        if ((query->flags & TRANSACTION_GROUP) != 0) {
            observe_group(t, p, query, n, node_at(&t->nodes, src), sink);
        }
    }
    if (!what_is_seen(&seen, p, m, data, &field) || seen.port == 0) { /* port.invalid */
        return;
    }
    report_seen(p, m, field, &seen, sink);
    if (!valid || (seen.port != p->dst.port && seen.port == swapped(p->dst.port))) {
        return;
    }
    if (krpc_endpoint_equal(&seen, &p->dst) && (n->flags & NODE_TRANSLATED) == 0) {
        if ((n->flags & NODE_PRIVATE) == 0) {
            seen_in_place(t, n, p);
        }
    } else if (!krpc_endpoint_equal(&seen, &p->dst) || (n->flags & NODE_PRIVATE) == 0) {
        observe_inside(t, p, &seen, query, n, sink);
    }
    adverts_observed(t, query, &seen, p->frame);
}

/* ---- results ---- */

static bool is_described(const tracker_nat *out, const krpc_endpoint *endpoint)
{
    for (uint32_t i = 0; i < out->num_kept; i++) {
        if (krpc_endpoint_equal(&out->external[i].endpoint, endpoint)) {
            return true;
        }
    }
    return false;
}

static void describe_externals(const nat *n, tracker_nat *out)
{
    bool used[TRACKER_MAX_EXTERNAL] = {false};

    out->num_external += n->num_external;
    for (unsigned k = 0; k < n->num_kept; k++) { /* in the order of their first sighting */
        unsigned first = TRACKER_MAX_EXTERNAL;
        tracker_external *e;

        for (unsigned i = 0; i < n->num_kept; i++) {
            if (!used[i] &&
                (first == TRACKER_MAX_EXTERNAL || n->externals[i].first_ns < n->externals[first].first_ns)) {
                first = i;
            }
        }
        used[first] = true;
        if ((out->mapping == TRACKER_MAPPING_INDEPENDENT && nat_is_lone(n, first)) ||
            nat_is_made_up(n, &n->externals[first]) || is_described(out, &n->externals[first].endpoint)) {
            out->num_external--;
            continue;
        }
        if (out->num_kept == TRACKER_MAX_EXTERNAL) {
            continue;
        }
        e = &out->external[out->num_kept];
        e->endpoint = n->externals[first].endpoint;
        e->observers = n->externals[first].observers;
        e->num_frames = MIN(n->externals[first].num_frames, TRACKER_MAX_FRAMES);
        memcpy(e->frames, n->externals[first].frames, sizeof e->frames);
        out->num_kept++;
    }
}

static void describe_nat(const nat *n, tracker_nat *out)
{
    out->port = nat_port(n);
    out->mapping = nat_mapping(n);
    out->remapped = out->mapping == TRACKER_MAPPING_DEPENDENT ? 0 : n->remapped;
}

void nat_describe(const tracker *t, const node *n, tracker_nat *out)
{
    const nat *place = nat_of_place(t, n);
    const nat *r = nat_of_node(t, n);

    memset(out, 0, sizeof *out);
    if (r != NULL && r->num_kept > 0) {
        describe_nat(r, out);
    }
    if (place != NULL) { /* seen on both sides: the verdicts are about that NAT */
        describe_nat(place, out);
        out->evidence |= place->kinds;
        describe_externals(place, out);
    }
    if (r != NULL && r->num_kept > 0) {
        out->evidence |= r->kinds;
        describe_externals(r, out);
    }
    if (out->num_kept > 0) {
        out->filtering = filtering_of(t, n, r != NULL ? r : place);
        return;
    }
    if (node_seen(n) == 0) {
        return;
    }
    out->evidence = TRACKER_FROM_INSIDE;
    out->num_external = 1;
    out->num_kept = 1;
    out->external[0].endpoint = n->endpoint;
    out->external[0].observers = node_seen(n);
    out->external[0].num_frames = 1;
    out->external[0].frames[0] = n->seen_frame;
    if (node_talked(n) >= ENOUGH && (n->flags & (NODE_PRIVATE | NODE_GROUPED)) == 0) {
        out->mapping = TRACKER_MAPPING_INDEPENDENT; /* one outside port for all nodes that answered it */
        out->evidence |= TRACKER_FROM_OUTSIDE;
    }
}

uint16_t nat_seen_port(const tracker *t, uint32_t index, const krpc_endpoint *local, const krpc_endpoint *remote)
{
    uint64_t key;
    const nat *n;
    const flow *f;

    if (index == NONE || (node_at(&t->nodes, index)->flags & NODE_TRANSLATED) == 0) {
        return addr_is_private(local) && !addr_is_private(remote) ? 0 : local->port;
    }
    key = hash_endpoint(&t->key, local);
    f = flow_find(t, key, remote);
    if (f != NULL && f->value != 0 && t->now_ns - f->seen_ns <= FORGET_NS) {
        return f->port;
    }
    n = nat_find(t, key);
    if (n != NULL && n->num_kept > 0 && nat_mapping(n) == TRACKER_MAPPING_INDEPENDENT) {
        return nat_current(n)->endpoint.port;
    }
    return 0;
}
