/* adverts_judge.c: the verdict on an advertised port, from the evidence so far.
 *
 * The port is compared with the port on which the receiver sees the sender's DHT socket: the port that this receiver
 * has reported, else the port that all others see, else the source port, where the capture was taken outside. For a
 * sender inside a NAT and a receiver outside, without any report, the verdict is unknown.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define HOST_NODES 16
#define SILENCE_NS (25 * SECOND)

/* ---- where is it seen? ---- */

typedef struct sighting {
    enum { SEEN_NOWHERE, SEEN_AT, SEEN_ELSEWHERE } how; /* elsewhere: anywhere but on the advertised port */
    bool told;                                          /* reported by others */
    krpc_endpoint endpoint;
    uint32_t frame;
} sighting;

/* The outside endpoint at that time, for a NAT that has one for all remotes: the one that was seen before and after
 * that time, else the one seen before or after it. NULL when it is unknown: the time is between two different ones, in
 * a silence in which the mapping may have expired. */
static const external *external_at(const nat *n, int64_t ns)
{
    const external *before = NULL;
    const external *after = NULL;

    for (unsigned i = 0; i < n->num_kept; i++) {
        const external *e = &n->externals[i];

        if (e->observers < 2) {
            continue;
        }
        if (ns >= e->first_ns && ns <= e->last_ns) {
            return e;
        }
        if (e->last_ns < ns) {
            before = before == NULL || e->last_ns > before->last_ns ? e : before;
        } else {
            after = after == NULL || e->first_ns < after->first_ns ? e : after;
        }
    }
    if (before != NULL && after != NULL) {
        return ns - before->last_ns <= SILENCE_NS ? before : NULL;
    }
    return before != NULL ? before : after != NULL ? after : nat_current(n);
}

static const external *external_with(const nat *n, uint32_t value)
{
    for (unsigned i = 0; i < n->num_kept; i++) {
        if (n->externals[i].value == value) {
            return &n->externals[i];
        }
    }
    return NULL;
}

/* Has this outside endpoint replaced, after that time, one that had been seen before? */
static bool came_later(const nat *n, const external *e, int64_t ns)
{
    for (unsigned k = 0; k < n->num_kept; k++) {
        if ((e->after >> k & 1) != 0 && n->externals[k].first_ns <= ns && e->first_ns > ns) {
            return true;
        }
    }
    return false;
}

/* The endpoint that the receiver has reported for that local endpoint; over a stream, any of the nodes at its address.
 * *came_in: one of them sent the first packet, to an outside port that is not visible from inside. */
static bool said_by(const tracker *t, const nat *n, const advert *a, sighting *out, bool *came_in)
{
    const krpc_endpoint *receiver = &a->said.receiver;
    bool stream = (a->flags & ADVERT_STREAM) != 0;
    addr_walk walk;
    uint32_t index = NONE;
    unsigned steps = 0;

    nodes_at_init(&walk, t, receiver);
    do {
        const krpc_endpoint *who = stream ? NULL : receiver;
        const flow *f;
        const external *e;

        if (stream && (index = nodes_at_next(&walk, t, receiver)) != NONE) {
            who = &node_at(&t->nodes, index)->endpoint;
        }
        if (who == NULL) {
            return false;
        }
        f = flow_find(t, n->key, who);
        *came_in |= f != NULL && f->inbound == FLOW_CAME_IN;
        e = f == NULL || f->value == 0 || f->inbound != 0 ? NULL : external_with(n, f->value);
        if (e != NULL && !nat_is_made_up(n, e) && !came_later(n, e, a->said.time_ns)) {
            out->how = SEEN_AT;
            out->told = true;
            out->endpoint = e->endpoint;
            out->frame = f->seen_frame;
            return true;
        }
    } while (stream && ++steps < HOST_NODES);
    return false;
}

static sighting where_seen(const tracker *t, const advert *a, const krpc_endpoint *local)
{
    sighting s = {SEEN_NOWHERE, false, *local, a->said.frame};
    uint32_t index = nodes_find(t, local);
    const node *n = index == NONE ? NULL : node_at(&t->nodes, index);
    const nat *r = n != NULL && (n->flags & NODE_TRANSLATED) != 0 ? nat_find(t, hash_endpoint(&t->key, local)) : NULL;

    if (addr_is_private(local) && addr_is_private(&a->said.receiver)) {
        s.how = SEEN_AT; /* no NAT between hosts of one network */
        return s;
    }
    if (r != NULL && r->num_kept > 0) {
        bool came_in = false;
        const external *e;

        if (said_by(t, r, a, &s, &came_in) || (came_in && (n->flags & NODE_OPEN) != 0)) {
            return s;
        }
        e = nat_mapping(r) == TRACKER_MAPPING_INDEPENDENT ? external_at(r, a->said.time_ns) : NULL;
        if (e != NULL && !nat_is_made_up(r, e)) {
            s.how = SEEN_AT;
            s.told = true;
            s.endpoint = e->endpoint;
            s.frame = e->frames[0];
            return s;
        }
        if (nat_port(r) == TRACKER_PORT_REWRITTEN && a->said.advertised_port == local->port) {
            s.how = SEEN_ELSEWHERE;
            s.frame = nat_current(r)->frames[0];
            return s;
        }
    }
    s.how = addr_is_private(local) ? SEEN_NOWHERE : SEEN_AT;
    return s;
}

/* ---- the verdict ---- */

static void hold_against(tracker_advert *out, const sighting *s)
{
    if (s->how == SEEN_NOWHERE) {
        return;
    }
    if (s->how == SEEN_AT && out->advertised_port == s->endpoint.port) {
        out->verdict = TRACKER_VERDICT_MATCH;
    } else {
        out->verdict = TRACKER_VERDICT_MISMATCH;
    }
    out->verdict_frame = s->frame;
    if (s->told && out->observed_frame == 0) {
        out->observed = s->endpoint;
        out->observed_frame = s->frame;
    }
}

static void take_node(const node *n, tracker_advert *out)
{
    out->version_len = node_version_len(n);
    memcpy(out->version, n->version, sizeof out->version);
    if ((n->flags & NODE_HAS_ID) != 0) {
        out->has_node_id = 1;
        memcpy(out->node_id, n->id, sizeof out->node_id);
    }
}

/* Captured outside: the port from which that node sends to the receiver's address. Two nodes can have had the same
 * endpoint: then the client decides which id is meant. */
static const sent_from *source_for(const tracker *t, const advert *a, const node *n, uint8_t id_out[20])
{
    const sent_from *found = NULL;
    tracker_node ids;

    memset(&ids, 0, sizeof ids);
    node_ids(t, n, &ids);
    for (unsigned i = 0; i < MIN(ids.num_ids, TRACKER_MAX_IDS); i++) {
        const sent_from *s = sources_find(t, &a->said.sender, ids.ids[i], &a->said.receiver);

        if (s != NULL && advert_is_client(s->family, a->family) &&
            (found == NULL || s->asks > found->asks || (s->asks == found->asks && s->frame > found->frame))) {
            found = s;
            memcpy(id_out, ids.ids[i], sizeof ids.ids[i]);
        }
    }
    return found;
}

/* Was one id of this node seen on several ports of its address? */
static bool has_several(const tracker *t, const node *n)
{
    addr_walk walk;
    uint32_t index;

    nodes_at_init(&walk, t, &n->endpoint);
    while ((index = nodes_at_next(&walk, t, &n->endpoint)) != NONE) {
        const node *other = node_at(&t->nodes, index);

        if (other != n && (n->flags & NODE_HAS_ID) != 0 && node_had_id(t, other, n->id)) {
            return true;
        }
    }
    return false;
}

/* The node at the sender's address that a stream belongs to; where there are several, the one whose port it
 * advertises. */
static const node *stream_node(const tracker *t, const advert *a, bool *several_out)
{
    uint32_t index;
    uint16_t port = (uint16_t)a->said.advertised_port;
    unsigned num = advert_host_nodes(t, &a->said.sender, a->family, port, &index);
    const node *n = index == NONE ? NULL : node_at(&t->nodes, index);

    *several_out = num > 1 && n->endpoint.port != port;
    return n;
}

uint32_t advert_seen_frame(const tracker *t, const advert *a)
{
    bool several;
    const node *n = stream_node(t, a, &several);
    uint8_t id[20];
    const sent_from *from = n == NULL || several || (a->flags & ADVERT_UTP) != 0 ? NULL : source_for(t, a, n, id);

    return from == NULL ? 0 : from->frame;
}

/* The port of that node that the receiver saw at that time, or sees later. For a node on several ports it is unknown
 * unless the node has sent to this receiver. */
static sighting seen_by_receiver(const tracker *t, const advert *a, const node *n, tracker_advert *out)
{
    sighting s = {SEEN_AT, false, n->endpoint, n->last_frame};
    uint8_t id[20];
    const sent_from *from = source_for(t, a, n, id);

    if (a->seen_frame != 0 && node_had_id(t, n, a->said.node_id)) {
        s.endpoint.port = a->said.dht_port;
        s.frame = a->seen_frame;
        memcpy(out->node_id, a->said.node_id, sizeof out->node_id);
    } else if (from != NULL) {
        s.endpoint.port = from->port;
        s.frame = from->frame;
        memcpy(out->node_id, id, sizeof out->node_id);
    } else if (has_several(t, n)) {
        s.how = n->endpoint.port == out->advertised_port ? SEEN_NOWHERE : SEEN_ELSEWHERE;
        s.endpoint.port = 0;
    }
    out->dht_port = s.endpoint.port;
    return s;
}

static sighting stream_seen(const tracker *t, const advert *a, tracker_advert *out)
{
    krpc_endpoint local = a->said.sender;
    bool outside = !addr_is_private(&local);
    bool several;
    const node *n = stream_node(t, a, &several);
    sighting s = {SEEN_NOWHERE, false, local, 0};

    if (n != NULL && !several) {
        take_node(n, out);
    }
    if ((a->flags & ADVERT_UTP) != 0) {
        out->dht_port = local.port; /* clients with uTP have one UDP socket for both */
        s = where_seen(t, a, &local);
    } else if (n == NULL) {
        out->dht_port = 0;
    } else if (several) { /* a mismatch for each of them */
        s.how = a->family[0] != 0 && outside ? SEEN_ELSEWHERE : SEEN_NOWHERE;
        s.frame = n->last_frame;
        out->dht_port = 0;
    } else if (outside && (n->flags & NODE_TRANSLATED) == 0) {
        s = seen_by_receiver(t, a, n, out);
    } else {
        local.port = out->dht_port = n->endpoint.port;
        s = where_seen(t, a, &local);
        s.frame = s.frame == out->frame ? n->last_frame : s.frame;
    }
    if (s.how == SEEN_AT && s.endpoint.port == out->advertised_port && (a->flags & ADVERT_UTP) == 0 &&
        advert_may_be_another(t, a, n)) {
        s.how = SEEN_NOWHERE;
    }
    return s;
}

static void judge_stream(const tracker *t, const advert *a, tracker_advert *out)
{
    bool listens = a->said.service == KRPC_SERVICE_PEER && a->said.sender.port == a->said.advertised_port;
    sighting s;

    out->has_node_id = 0; /* a has the id at the time of the advertisement */
    out->version_len = 0;
    s = stream_seen(t, a, out);
    if (listens && !addr_is_private(&a->said.sender)) { /* the receiver sees this port */
        s.how = SEEN_AT;
        s.endpoint = a->said.sender;
        s.frame = out->frame;
    } else if (listens && (a->flags & ADVERT_UTP) == 0 && !addr_is_private(&a->said.receiver)) {
        s.how = SEEN_NOWHERE; /* it came in through an outside port that is not visible inside */
    }
    hold_against(out, &s);
}

/* The NAT of a receiver with a forwarded port may rewrite the source port of incoming packets. The port that such a
 * receiver sees is no evidence against the advertised port. */
static void drop_made_up(const tracker *t, tracker_advert *out)
{
    const nat *n = out->observed_frame == 0 ? NULL : nat_find(t, hash_endpoint(&t->key, &out->sender));

    for (unsigned i = 0; n != NULL && i < n->num_kept; i++) {
        if (krpc_endpoint_equal(&n->externals[i].endpoint, &out->observed) && nat_is_made_up(n, &n->externals[i])) {
            memset(&out->observed, 0, sizeof out->observed);
            out->observed_frame = 0;
            return;
        }
    }
}

/* With implied_port the receiver stores the port on which it sees the sender; captured inside a NAT, that is not the
 * source port. */
static void judge_implied(const tracker *t, const advert *a, tracker_advert *out)
{
    sighting s = {SEEN_AT, false, out->observed, out->observed_frame};

    if (out->observed_frame == 0) {
        s = where_seen(t, a, &out->sender);
    }
    out->verdict = TRACKER_VERDICT_IMPLIED;
    out->verdict_frame = out->frame;
    out->effective_port = s.how == SEEN_AT ? s.endpoint.port : 0;
    if (s.told) {
        out->observed = s.endpoint;
        out->observed_frame = s.frame;
    }
}

static void judge_verdict(const tracker *t, const advert *a, tracker_advert *out)
{
    sighting s = {SEEN_AT, false, out->observed, out->observed_frame};

    if (out->implied_port != 0) {
        judge_implied(t, a, out);
        if (a->swapped_frame == 0) {
            return;
        }
    } else if (out->advertised_port < 2 || out->advertised_port > 65535) {
        out->verdict = TRACKER_VERDICT_INVALID;
        out->verdict_frame = out->frame;
        return;
    }
    if (a->swapped_frame != 0) {
        out->verdict = TRACKER_VERDICT_SWAPPED;
        out->verdict_frame = a->swapped_frame;
        return;
    }
    if ((a->flags & ADVERT_STREAM) != 0) {
        judge_stream(t, a, out);
    } else if (out->observed_frame != 0) {
        hold_against(out, &s);
    } else {
        s = where_seen(t, a, &out->sender);
        hold_against(out, &s);
    }
    if (out->verdict == TRACKER_VERDICT_UNKNOWN && a->contradicts_frame != 0) {
        out->verdict = TRACKER_VERDICT_CONTRADICTS;
        out->verdict_frame = a->contradicts_frame;
    }
}

uint16_t advert_seen_port(const tracker *t, const tracker_advert *judged)
{
    krpc_endpoint local = judged->sender;
    const nat *n;

    if (judged->observed.port != 0) {
        return judged->observed.port;
    }
    local.port = judged->dht_port;
    n = nat_find(t, hash_endpoint(&t->key, &local));
    return n == NULL || n->num_kept == 0 ? judged->dht_port : nat_current(n)->endpoint.port;
}

/* ---- the outcome ---- */

bool advert_other_node(const tracker *t, const advert *a, uint32_t *frame_out)
{
    krpc_endpoint named = advert_named(a);
    krpc_endpoint source = a->said.sender;
    uint32_t index = nodes_find(t, &named);
    uint32_t mine;
    const node *n;

    if (index == NONE || a->said.service != KRPC_SERVICE_DHT || a->said.implied_port != 0) {
        return false;
    }
    n = node_at(&t->nodes, index);
    *frame_out = n->last_frame;
    if (a->family[0] != 0 && node_version_len(n) >= 2 && !advert_may_be(n, a->family)) {
        return true;
    }
    if ((n->flags & NODE_HAS_ID) == 0) {
        return false;
    }
    if (a->said.has_node_id != 0 && node_had_id(t, n, a->said.node_id)) {
        return false;
    }
    source.port = a->said.dht_port;
    mine = a->said.dht_port == 0 ? NONE : nodes_find(t, &source);
    if (mine != NONE &&
        (node_had_id(t, n, node_at(&t->nodes, mine)->id) || node_had_id(t, node_at(&t->nodes, mine), n->id))) {
        return false; /* it has another id now, on both ports */
    }
    return a->said.has_node_id != 0 || (mine != NONE && mine != index);
}

/* Dead: queries to the port had no response, the port never sent anything, and its address did; or an ICMP error
 * reported the port unreachable. If the port has sent something since the advertisement, or sent the advertisement,
 * such an error means that the node has left, or that a firewall sent it. */
bool advert_is_dead(const tracker *t, const advert *a)
{
    krpc_endpoint named = advert_named(a);
    uint32_t index = nodes_find(t, &named);
    addr_walk walk;

    if (a->dead_frame != 0) {
        return a->said.dht_port != named.port &&
               (index == NONE || node_at(&t->nodes, index)->last_frame < a->said.frame);
    }
    if (a->tried_frame == 0 || t->now_ns - a->tried_ns <= ANSWER_NS || index != NONE || lives_frame(t, &named) != 0) {
        return false;
    }
    nodes_at_init(&walk, t, &named);
    return nodes_at_next(&walk, t, &named) != NONE;
}

static void set_later(tracker_advert *out, tracker_later later, uint32_t frame, int64_t ns)
{
    out->later = (uint8_t)later;
    out->later_frame = frame;
    out->later_ns = MAX(ns - out->time_ns, 0);
}

static void judge_later(const tracker *t, const advert *a, tracker_advert *out)
{
    uint32_t frame = 0;
    bool same = out->service == KRPC_SERVICE_DHT && out->dht_port == out->advertised_port;

    if (out->verdict == TRACKER_VERDICT_INVALID) {
        return;
    }
    if ((a->flags & ADVERT_TESTABLE) != 0 && !same && advert_other_node(t, a, &frame)) {
        bool used = a->used_frame != 0;

        set_later(out, TRACKER_LATER_OTHER_NODE, used ? a->used_frame : frame, used ? a->used_ns : out->time_ns);
    } else if (out->service == KRPC_SERVICE_DHT && advert_is_dead(t, a)) {
        bool told = a->dead_frame != 0;

        set_later(out, TRACKER_LATER_DEAD, told ? a->dead_frame : a->tried_frame, told ? a->dead_ns : a->tried_ns);
    } else if (same && out->channel != KRPC_CHANNEL_CONTACT) {
        return; /* both ports are the same: its use shows nothing */
    } else if (a->used_frame != 0) {
        set_later(out, TRACKER_LATER_HONOURED, a->used_frame, a->used_ns);
    } else if (a->kept_frame != 0 && (a->flags & ADVERT_OTHER_REASON) == 0) {
        set_later(out, TRACKER_LATER_NOT_HONOURED, a->kept_frame, a->kept_ns);
    }
}

void advert_judge(const tracker *t, const advert *a, tracker_advert *out)
{
    *out = a->said;
    drop_made_up(t, out);
    judge_verdict(t, a, out);
    judge_later(t, a, out);
}
