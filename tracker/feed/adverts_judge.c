/* adverts_judge.c: the verdict on an advertised port.
 *
 * The port is compared with the port on which the receiver sees the sender's DHT socket (judge_seen_by). Over a stream
 * the socket is that of the node at the sender's address; captured outside, the one from which this node sends to the
 * receiver's address.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/client.h>

#include "judge/judge.h"
#include "tracker_private.h"

#define MAX_AT       64
#define MAX_SESSIONS 64
#define MAX_IDS      4

/* ---- where is it seen? ---- */

/* A global endpoint that no host names elsewhere needs no judge: a receiver sees its source port. */
static bool is_in_place(const tracker *t, const krpc_endpoint *socket)
{
    uint32_t index = addr_is_private(socket) ? NONE : facts_find(&t->facts, socket);
    unsigned left = 64;

    for (uint32_t i = index == NONE ? NONE : facts_endpoint_at(&t->facts, index)->sightings; i != NONE;
         i = facts_sighting_at(&t->facts, i)->next) {
        if (facts_sighting_at(&t->facts, i)->outside != index || left-- == 0) {
            return false;
        }
    }
    return !addr_is_private(socket);
}

static judge_seen where_seen(const tracker *t, const advert *a, const krpc_endpoint *socket)
{
    const judge_socket *s = is_in_place(t, socket) ? NULL : judged(t, socket);
    judge_seen seen = {JUDGE_AT, false, *socket, a->said.frame};

    if (s != NULL) {
        judge_seen_by(&seen, s, &a->said.receiver, (a->flags & ADVERT_STREAM) != 0, (a->flags & ADVERT_ANSWER) != 0,
                      a->said.time_ns);
        seen.place = seen.place == 0 ? a->said.frame : seen.place;
    } else if (addr_is_private(socket) && !addr_is_private(&a->said.receiver)) {
        seen.how = JUDGE_NOWHERE;
    }
    return seen;
}

static void compare(tracker_advert *out, const judge_seen *seen)
{
    if (seen->how == JUDGE_NOWHERE) {
        return;
    }
    if (seen->how == JUDGE_AT) {
        out->verdict = out->advertised_port == seen->endpoint.port ? TRACKER_VERDICT_MATCH : TRACKER_VERDICT_MISMATCH;
    } else if (out->advertised_port == out->dht_port) {
        out->verdict = TRACKER_VERDICT_MISMATCH;
    } else {
        return;
    }
    out->verdict_frame = (uint32_t)fact_frame(seen->place);
    if (seen->told && out->observed_frame == 0) {
        out->observed = seen->endpoint;
        out->observed_frame = out->verdict_frame;
    }
}

/* ---- over a stream ---- */

static void take_node(const node *n, tracker_advert *out)
{
    out->version_len = n->version_len;
    memcpy(out->version, n->version, sizeof out->version);
    if ((n->flags & NODE_HAS_ID) != 0) {
        out->has_node_id = 1;
        memcpy(out->node_id, n->id, sizeof out->node_id);
    }
}

/* Of several nodes at one address, it is unknown which one is the receiver of a TCP stream. */
static bool knows_receiver(const tracker *t, const advert *a)
{
    static const uint8_t any[2];
    uint32_t index;

    return (a->flags & (ADVERT_STREAM | ADVERT_UTP)) != ADVERT_STREAM ||
           advert_host_nodes(t, &a->said.receiver, any, 0, &index) <= 1;
}

/* source is what the sessions of a node with the receiver's address say: the endpoint of those around a time. */
typedef struct source {
    uint32_t endpoint; /* NONE: there is none */
    bool differ;       /* several endpoints are in use at that time */
    bool live;         /* the session is at that time; else no two sessions differ */
    bool sure;         /* the receiver asked it there first, and got an answer */
    uint64_t place;
    uint32_t identity;
} source;

#define LIVE_NS (30 * SECOND)

static void look_at_sessions(const facts *f, source *best, uint32_t endpoint, uint32_t receiver, int64_t ns,
                             uint32_t identity, bool one_host, bool named)
{
    unsigned left = MAX_SESSIONS;

    for (uint32_t i = facts_contact(f, endpoint, receiver); i != NONE && left-- > 0;) {
        const fact_contact *c = facts_contact_at(f, i);
        unsigned mine = fact_side(c, endpoint);
        bool live = !one_host || (ns >= c->first.ns - LIVE_NS && ns <= c->last.ns + LIVE_NS);
        bool sure = c->began != mine && c->query[!mine].place != 0 && c->answer[mine].place != 0;
        uint64_t place = c->query[mine].place != 0 ? c->query[mine].place : c->answer[mine].place;

        if (c->last_sent_ns[mine] == INT64_MIN || (named && one_host && c->began != mine && c->first.ns >= ns)) {
            i = c->older;
            continue; /* asked and never heard of; or asked because of the advertisement */
        }
        if (best->endpoint == NONE || live > best->live) {
            *best = (source){endpoint, false, live, sure, place != 0 ? place : c->first.place, identity};
        } else if (live == best->live && best->endpoint != endpoint) {
            best->differ = true;
        } else if (live == best->live) {
            best->sure |= sure;
        }
        i = c->older;
    }
}

static bool shares_id(const tracker *t, const node *n, const facts *f, uint32_t endpoint, uint32_t *identity_out)
{
    unsigned left = MAX_IDS;

    for (uint32_t i = facts_endpoint_at(f, endpoint)->identities; i != NONE && left-- > 0;
         i = facts_identity_at(f, i)->next) {
        if (node_had_id(t, n, facts_identity_at(f, i)->id)) {
            *identity_out = i;
            return true;
        }
    }
    return false;
}

/* Captured outside: the endpoint from which that node sends to the receiver's address. *several: it has more than one
 * endpoint. Two nodes can have had the same endpoint: then the client decides which id is meant. */
static source source_of(const tracker *t, const advert *a, const node *n, bool *several)
{
    const facts *f = &t->facts;
    source best = {NONE, false, false, false, 0, NONE};
    unsigned left = MAX_AT;
    unsigned num = 0;
    bool one_host = knows_receiver(t, a);

    for (uint32_t i = facts_first_at(f, &a->said.sender); i != NONE && left-- > 0;
         i = facts_endpoint_at(f, i)->next_at) {
        unsigned receivers = MAX_AT;
        uint32_t identity;

        if (!shares_id(t, n, f, i, &identity) ||
            !advert_is_client(facts_identity_at(f, identity)->version, a->family)) {
            continue;
        }
        num++;
        for (uint32_t r = facts_first_at(f, &a->said.receiver); r != NONE && receivers-- > 0;
             r = facts_endpoint_at(f, r)->next_at) {
            look_at_sessions(f, &best, i, r, a->said.time_ns, identity, one_host,
                             facts_endpoint_at(f, i)->endpoint.port == a->said.advertised_port);
        }
    }
    *several = num > 1;
    return best;
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

static judge_seen seen_outside(const tracker *t, const advert *a, const node *n, tracker_advert *out)
{
    bool several;
    source from = source_of(t, a, n, &several);
    judge_seen s = {JUDGE_AT, false, n->endpoint, n->last_frame};

    /* a receiver inside a NAT may see a port that its own NAT made up for a query; not so for an answer */
    if (from.endpoint != NONE &&
        (from.differ || (several && !from.live) ||
         (!from.sure && addr_is_private(&a->said.receiver) &&
          facts_endpoint_at(&t->facts, from.endpoint)->endpoint.port != a->said.advertised_port))) {
        s.how = JUDGE_NOWHERE;
    } else if (from.endpoint != NONE) {
        s.endpoint = facts_endpoint_at(&t->facts, from.endpoint)->endpoint;
        s.place = from.place;
        memcpy(out->node_id, facts_identity_at(&t->facts, from.identity)->id, sizeof out->node_id);
    } else if (several) {
        s.how = JUDGE_NOWHERE;
        s.endpoint.port = 0;
    }
    out->dht_port = s.endpoint.port;
    return s;
}

/* A host that came in through a port forwarded to the receiver may have a source port that the receiver's NAT made up.
 * Where it answers on the advertised port, that one is right; else it is unknown. */
static void undo_receiver_nat(const tracker *t, const advert *a, judge_seen *seen)
{
    const facts *f = &t->facts;
    krpc_endpoint named = advert_named(a);
    uint32_t from = facts_find(f, &a->said.sender);
    uint32_t to = facts_find(f, &a->said.receiver);
    uint32_t at = facts_find(f, &named);
    uint32_t session = at == NONE || to == NONE ? NONE : facts_contact(f, at, to);
    const judge_socket *receiver = judged(t, &a->said.receiver);
    bool makes_up = receiver != NULL && (receiver->nat.port == TRACKER_PORT_REWRITTEN ||
                                         receiver->nat.mapping == TRACKER_MAPPING_DEPENDENT);
    uint32_t index;

    if (a->said.sender.port == named.port || from == NONE) {
        return;
    }
    if (at != NONE && judge_is_another_node(f, facts_endpoint_at(f, from), facts_endpoint_at(f, at))) {
        return; /* another host of the sender's address */
    }
    if (receiver != NULL && receiver->nat.port == TRACKER_PORT_PRESERVED) {
        return; /* its NAT does not make up ports */
    }
    if (facts_endpoint_at(f, from)->identities == NONE &&
        advert_host_nodes(t, &a->said.sender, a->family, named.port, &index) > 1) {
        seen->how = JUDGE_NOWHERE; /* it may be any of them */
        return;
    }
    for (; session != NONE; session = facts_contact_at(f, session)->older) {
        const fact_contact *c = facts_contact_at(f, session);

        if (c->answer[fact_side(c, at)].place != 0 && makes_up) {
            seen->endpoint = named;
            seen->place = c->answer[fact_side(c, at)].place;
            return;
        }
    }
    session = from == NONE || to == NONE ? NONE : facts_contact(f, from, to);
    if (session == NONE || facts_contact_at(f, session)->began == fact_side(facts_contact_at(f, session), from)) {
        seen->how = JUDGE_NOWHERE;
    }
}

static judge_seen stream_seen(const tracker *t, const advert *a, tracker_advert *out)
{
    krpc_endpoint local = a->said.sender;
    bool outside = !addr_is_private(&local);
    bool several;
    const node *n = stream_node(t, a, &several);
    judge_seen s = {JUDGE_NOWHERE, false, local, 0};

    if (n != NULL && !several) {
        take_node(n, out);
    }
    if ((a->flags & ADVERT_UTP) != 0) {
        out->dht_port = local.port; /* clients with uTP have one UDP socket for both */
        s = where_seen(t, a, &local);
        if (outside && addr_is_private(&a->said.receiver)) {
            undo_receiver_nat(t, a, &s);
        }
    } else if (n == NULL || several) {
        out->dht_port = 0; /* unknown which of them it is */
    } else if (outside && (n->flags & NODE_TRANSLATED) == 0) {
        s = seen_outside(t, a, n, out);
    } else {
        local.port = out->dht_port = n->endpoint.port;
        s = where_seen(t, a, &local);
        s.place = s.place == out->frame ? n->last_frame : s.place;
    }
    if (s.how == JUDGE_AT && s.endpoint.port == out->advertised_port && (a->flags & ADVERT_UTP) == 0 &&
        advert_may_be_another(t, a, n)) {
        s.how = JUDGE_NOWHERE;
    }
    return s;
}

static void judge_stream(const tracker *t, const advert *a, tracker_advert *out)
{
    bool listens = a->said.service == KRPC_SERVICE_PEER && a->said.sender.port == a->said.advertised_port;
    judge_seen s;

    out->has_node_id = 0; /* a has the id at the time of the advertisement */
    out->version_len = 0;
    s = stream_seen(t, a, out);
    if (listens && !addr_is_private(&a->said.sender)) { /* the receiver sees this port */
        s = (judge_seen){JUDGE_AT, false, a->said.sender, out->frame};
    } else if (listens && (a->flags & ADVERT_UTP) == 0 && !addr_is_private(&a->said.receiver)) {
        s.how = JUDGE_NOWHERE; /* it came in through an outside port that is not visible inside */
    }
    compare(out, &s);
}

/* ---- the verdict ---- */

/* What the receiver itself said is dropped where its own NAT made it up, or where it contradicts the others. */
static void check_observed(const tracker *t, tracker_advert *out)
{
    const judge_socket *s = out->observed_frame == 0 || is_in_place(t, &out->sender) ? NULL : judged(t, &out->sender);

    if (s != NULL && (addr_is_private(&out->observed) || judge_is_dropped(s, &out->receiver) ||
                      (s->global && !krpc_endpoint_equal(&out->observed, &out->sender)))) {
        memset(&out->observed, 0, sizeof out->observed);
        out->observed_frame = 0;
    }
}

static void judge_datagram(const tracker *t, const advert *a, tracker_advert *out)
{
    judge_seen s = where_seen(t, a, &a->said.sender);

    check_observed(t, out);
    if (out->observed_frame != 0) {
        s = (judge_seen){JUDGE_AT, true, out->observed, out->observed_frame};
    }
    if (out->implied_port != 0) {
        out->verdict = TRACKER_VERDICT_IMPLIED;
        out->verdict_frame = out->frame;
        out->effective_port = s.how == JUDGE_AT ? s.endpoint.port : 0;
        if (s.told) {
            out->observed = s.endpoint;
            out->observed_frame = (uint32_t)fact_frame(s.place);
        }
    } else {
        compare(out, &s);
    }
}

/* Is it known that the sender uses one port for the DHT and for its peer service? */
static bool has_one_port(const tracker *t, const advert *a, const tracker_advert *out)
{
    if (a->family[0] != 0) {
        return krpc_client_has_one_port(a->family);
    }
    if (out->version_len < 2) { /* another message may name it */
        krpc_endpoint socket = out->sender;
        uint32_t index;

        socket.port = out->dht_port;
        index = nodes_find(t, &socket);
        return index != NONE && node_at(&t->nodes, index)->version_len >= 2 &&
               krpc_client_has_one_port(node_at(&t->nodes, index)->version);
    }
    return krpc_client_has_one_port(out->version);
}

static void judge_verdict(const tracker *t, const advert *a, tracker_advert *out)
{
    bool usable = out->advertised_port > 1 && out->advertised_port <= 65535;

    if (out->implied_port == 0 && !usable) {
        out->verdict = TRACKER_VERDICT_INVALID;
        out->verdict_frame = out->frame;
        return;
    }
    if ((a->flags & ADVERT_STREAM) != 0) {
        judge_stream(t, a, out);
    } else {
        judge_datagram(t, a, out);
    }
    if (a->swapped_frame != 0) {
        out->verdict = TRACKER_VERDICT_SWAPPED;
        out->verdict_frame = a->swapped_frame;
    } else if (out->service == KRPC_SERVICE_PEER && out->implied_port == 0 &&
               out->verdict == TRACKER_VERDICT_MISMATCH && !has_one_port(t, a, out)) {
        out->verdict = TRACKER_VERDICT_PEER_PORT;
    } else if (out->verdict == TRACKER_VERDICT_UNKNOWN && a->contradicts_frame != 0) {
        out->verdict = TRACKER_VERDICT_CONTRADICTS;
        out->verdict_frame = a->contradicts_frame;
    }
}

uint16_t advert_seen_port(const tracker *t, const tracker_advert *said)
{
    krpc_endpoint local = said->sender;
    const judge_socket *s;

    if (said->observed.port != 0) {
        return said->observed.port;
    }
    local.port = said->dht_port;
    s = judged(t, &local);
    return s == NULL || s->global || s->nat.num_kept == 0 ? said->dht_port : s->nat.external[0].endpoint.port;
}

/* ---- the outcome ---- */

bool advert_other_node(const tracker *t, const advert *a, uint32_t *frame_out)
{
    krpc_endpoint named = advert_named(a);
    krpc_endpoint socket = a->said.sender;
    uint32_t index = nodes_find(t, &named);
    uint32_t mine;
    const node *n;

    if (index == NONE || a->said.service != KRPC_SERVICE_DHT || a->said.implied_port != 0) {
        return false;
    }
    n = node_at(&t->nodes, index);
    *frame_out = n->last_frame;
    if (a->family[0] != 0 && n->version_len >= 2 && !advert_may_be(n, a->family)) {
        return true;
    }
    if ((n->flags & NODE_HAS_ID) == 0) {
        return false;
    }
    if (a->said.has_node_id != 0 && node_had_id(t, n, a->said.node_id)) {
        return false;
    }
    socket.port = a->said.dht_port;
    mine = a->said.dht_port == 0 ? NONE : nodes_find(t, &socket);
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

    if (facts_are_lossy(&t->facts)) {
        return false; /* an answer may have been lost */
    }
    if (a->dead.frame != 0) {
        return a->said.dht_port != named.port &&
               (index == NONE || node_at(&t->nodes, index)->last_frame < a->said.frame);
    }
    if (a->tried.frame == 0 || t->facts.end_ns - a->tried.ns <= ANSWER_NS || index != NONE ||
        lives_frame(t, &named) != 0) {
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

/* Inside a NAT, a query to the source port may have been sent to any outside port that is forwarded to it. */
static bool shows_port(const tracker *t, const advert *a)
{
    const judge_socket *s = addr_is_private(&a->said.sender) && !addr_is_private(&a->said.receiver) && a->kept.is_query
                                ? judged(t, &a->kept.dst)
                                : NULL;

    return s == NULL || s->reach.verdict == TRACKER_REACH_REPLIES_ONLY;
}

/* Did a host of the receiver's address talk to the advertised port in any case? Then it may have two reasons to use the
 * other one. */
static bool knew_port(const tracker *t, const advert *a)
{
    krpc_endpoint named = advert_named(a);
    uint32_t at = facts_find(&t->facts, &named);
    unsigned left = MAX_AT;

    if (a->said.over_tcp != 0 && a->said.sender.port == named.port) {
        return true; /* the receiver called it there */
    }

    for (uint32_t i = facts_first_at(&t->facts, &a->said.receiver); i != NONE && at != NONE && left-- > 0;
         i = facts_endpoint_at(&t->facts, i)->next_at) {
        for (uint32_t j = facts_contact(&t->facts, at, i); j != NONE; j = facts_contact_at(&t->facts, j)->older) {
            if (facts_contact_at(&t->facts, j)->first.ns <= a->kept.ns) {
                return true;
            }
        }
    }
    return false;
}

/* Of a node with several addresses, it is unknown which one the receiver asks. */
static bool has_pool(const tracker *t, const tracker_advert *out)
{
    krpc_endpoint socket = out->sender;
    const judge_socket *s;

    socket.port = out->dht_port;
    s = judged(t, &socket);
    return s != NULL && s->nat.addresses != TRACKER_ADDRESSES_ONE && s->nat.addresses != TRACKER_ADDRESSES_UNKNOWN;
}

static void judge_later(const tracker *t, const advert *a, tracker_advert *out)
{
    uint32_t frame = 0;
    bool same = out->service == KRPC_SERVICE_DHT && out->dht_port == out->advertised_port;

    if (out->verdict == TRACKER_VERDICT_INVALID) {
        return;
    }
    if ((a->flags & ADVERT_TESTABLE) != 0 && !same && advert_other_node(t, a, &frame)) {
        bool used = a->used.frame != 0;

        set_later(out, TRACKER_LATER_OTHER_NODE, used ? a->used.frame : frame, used ? a->used.ns : out->time_ns);
    } else if (out->service == KRPC_SERVICE_DHT && out->dht_port != 0 && out->verdict != TRACKER_VERDICT_MATCH &&
               advert_is_dead(t, a) && !has_pool(t, out)) {
        bool told = a->dead.frame != 0;

        set_later(out, TRACKER_LATER_DEAD, told ? a->dead.frame : a->tried.frame, told ? a->dead.ns : a->tried.ns);
    } else if ((same && out->channel != KRPC_CHANNEL_CONTACT) || !knows_receiver(t, a)) {
        return; /* both ports are the same, so its use shows nothing; or it is unknown who used it */
    } else if (a->used.frame != 0) {
        set_later(out, TRACKER_LATER_HONOURED, a->used.frame, a->used.ns);
    } else if (a->kept.frame != 0 && !facts_are_lossy(&t->facts) && (a->flags & ADVERT_OTHER_REASON) == 0 &&
               shows_port(t, a) && !knew_port(t, a)) {
        set_later(out, TRACKER_LATER_NOT_HONOURED, a->kept.frame, a->kept.ns);
    }
}

void advert_judge(const tracker *t, const advert *a, tracker_advert *out)
{
    *out = a->said;
    judge_verdict(t, a, out);
    judge_later(t, a, out);
}
