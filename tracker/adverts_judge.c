/* adverts_judge.c: what an advertised port is worth, as far as is known now.
 *
 * The port is held against the one on which the receiver sees the sender's DHT socket: what that very receiver said, else
 * what all others see, else the source port where the capture is taken outside. A sender inside a NAT towards a receiver
 * outside, of which nobody said anything, stays unknown.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define HOST_NODES 16

/* ---- which node is that? ---- */

/* Transmission stopped sending v; these always send it. */
static bool always_says(const uint8_t family[2])
{
    static const char codes[][3] = {"LT", "UT", "A2", "lt", "ml"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (memcmp(family, codes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_be(const node *n, const uint8_t family[2])
{
    if (family[0] == 0) {
        return true;
    }
    if (node_version_len(n) < 2) {
        return !always_says(family);
    }
    return memcmp(n->version, family, 2) == 0;
}

/* A port that only ever answers, of a node that asks from another port of that address, is a forwarded one: the source
 * port is that of the queries. */
static uint32_t asking_port(const tracker *t, const krpc_endpoint *addr, uint32_t found)
{
    const node *answering = node_at(&t->nodes, found);
    addr_walk walk;
    uint32_t index;
    unsigned steps = 0;

    if (answering->queries > 0 || (answering->flags & NODE_HAS_ID) == 0) {
        return found;
    }
    nodes_at_init(&walk, t, addr);
    while (steps++ < HOST_NODES && (index = nodes_at_next(&walk, t, addr)) != NONE) {
        const node *n = node_at(&t->nodes, index);

        if (n->queries > 0 && node_had_id(t, n, answering->id)) {
            return index;
        }
    }
    return found;
}

unsigned advert_host_nodes(const tracker *t, const krpc_endpoint *addr, const uint8_t family[2], uint16_t port,
                           uint32_t *out)
{
    const node *kept[HOST_NODES];
    unsigned num = 0;
    addr_walk walk;
    uint32_t index;

    *out = NONE;
    nodes_at_init(&walk, t, addr);
    while (num < HOST_NODES && (index = nodes_at_next(&walk, t, addr)) != NONE) {
        const node *n = node_at(&t->nodes, index);
        bool is_new = may_be(n, family);

        for (unsigned i = 0; is_new && i < num; i++) {
            is_new = (n->flags & NODE_HAS_ID) == 0 || !node_had_id(t, kept[i], n->id);
        }
        if (is_new) {
            kept[num++] = n;
        }
        if (may_be(n, family) && (*out == NONE || n->endpoint.port == port)) {
            *out = index;
        }
    }
    if (*out != NONE) {
        *out = asking_port(t, addr, *out);
    }
    return num;
}

/* ---- where is it seen? ---- */

typedef struct sighting {
    enum { SEEN_NOWHERE, SEEN_AT, SEEN_NEVER_INSIDE } how;
    krpc_endpoint endpoint;
    uint32_t frame;
} sighting;

static const external *external_at(const nat *n, int64_t ns)
{
    const external *best = nat_current(n);

    for (unsigned i = 0; i < n->num_kept; i++) {
        const external *e = &n->externals[i];

        if (e->observers >= 2 && ns >= e->first_ns && ns <= e->last_ns) {
            return e;
        }
        if (e->observers >= 2 && e->last_ns <= ns && (best->first_ns > ns || best->last_ns < e->last_ns)) {
            best = e;
        }
    }
    return best;
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

/* What the receiver said of that local endpoint; over a stream, any of the nodes on his address. */
static bool said_by(const tracker *t, const nat *n, const krpc_endpoint *receiver, bool stream, sighting *out)
{
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
        e = f == NULL || f->value == 0 || f->inbound != 0 ? NULL : external_with(n, f->value);
        if (e != NULL) {
            out->how = SEEN_AT;
            out->endpoint = e->endpoint;
            out->frame = f->seen_frame;
            return true;
        }
    } while (stream && ++steps < HOST_NODES);
    return false;
}

static sighting where_seen(const tracker *t, const advert *a, const krpc_endpoint *local)
{
    sighting s = {SEEN_NOWHERE, *local, a->said.frame};
    uint32_t index = nodes_find(t, local);
    const node *n = index == NONE ? NULL : node_at(&t->nodes, index);
    const nat *r = n != NULL && (n->flags & NODE_TRANSLATED) != 0 ? nat_find(t, hash_endpoint(&t->key, local)) : NULL;

    if (addr_is_private(local) && addr_is_private(&a->said.receiver)) {
        s.how = SEEN_AT; /* within one network there is no NAT in between */
        return s;
    }
    if (r != NULL && r->num_kept > 0) {
        if (said_by(t, r, &a->said.receiver, (a->flags & ADVERT_STREAM) != 0, &s)) {
            return s;
        }
        if (nat_mapping(r) == TRACKER_MAPPING_INDEPENDENT) {
            const external *e = external_at(r, a->said.time_ns);

            s.how = SEEN_AT;
            s.endpoint = e->endpoint;
            s.frame = e->frames[0];
            return s;
        }
        if (nat_port(r) == TRACKER_PORT_REWRITTEN && a->said.advertised_port == local->port) {
            s.how = SEEN_NEVER_INSIDE;
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
    if (s->how == SEEN_AT && s->frame != out->frame && out->observed_frame == 0) {
        out->observed = s->endpoint;
        out->observed_frame = s->frame;
    }
}

static void take_node(const tracker *t, uint32_t index, tracker_advert *out)
{
    const node *n = node_at(&t->nodes, index);

    out->dht_port = n->endpoint.port;
    if (out->version_len == 0) {
        out->version_len = node_version_len(n);
        memcpy(out->version, n->version, sizeof out->version);
    }
    if (out->has_node_id == 0 && (n->flags & NODE_HAS_ID) != 0) {
        out->has_node_id = 1;
        memcpy(out->node_id, n->id, sizeof out->node_id);
    }
}

/* Over a stream: which of the nodes on the sender's address it is, must be found out. With several that it may be, the
 * port that it names decides when one of them has it; else it is a mismatch with every one of them. */
static void judge_stream(const tracker *t, const advert *a, tracker_advert *out)
{
    krpc_endpoint local = a->said.sender;
    uint32_t index;
    unsigned num = advert_host_nodes(t, &a->said.sender, a->family, (uint16_t)a->said.advertised_port, &index);
    bool listens = a->said.service == KRPC_SERVICE_PEER && a->said.sender.port == a->said.advertised_port;
    sighting s;

    if (index != NONE && (num == 1 || node_at(&t->nodes, index)->endpoint.port == a->said.advertised_port)) {
        take_node(t, index, out);
        local.port = out->dht_port;
    } else if ((a->flags & ADVERT_UTP) != 0) {
        out->dht_port = a->said.sender.port; /* clients with uTP have one UDP socket for both */
    } else if (num > 1 && a->family[0] != 0 && !addr_is_private(&local)) {
        out->dht_port = 0;
        out->verdict = TRACKER_VERDICT_MISMATCH;
        out->verdict_frame = node_at(&t->nodes, index)->last_frame;
        return;
    } else {
        out->dht_port = 0;
        out->verdict = listens ? TRACKER_VERDICT_MATCH : TRACKER_VERDICT_UNKNOWN;
        out->verdict_frame = listens ? out->frame : 0;
        return;
    }
    s = where_seen(t, a, &local);
    if (listens) {
        s.how = addr_is_private(&local) ? s.how : SEEN_AT;
        s.endpoint = addr_is_private(&local) ? s.endpoint : a->said.sender;
    }
    hold_against(out, &s);
    if (out->verdict_frame == out->frame && index != NONE && !listens) {
        out->verdict_frame = node_at(&t->nodes, index)->last_frame;
    }
}

static void judge_verdict(const tracker *t, const advert *a, tracker_advert *out)
{
    sighting s;

    if (out->implied_port != 0) {
        out->verdict = TRACKER_VERDICT_IMPLIED;
        out->verdict_frame = out->frame;
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
        s.how = SEEN_AT;
        s.endpoint = out->observed;
        s.frame = out->observed_frame;
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

/* ---- what became of it ---- */

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
    if (a->family[0] != 0 && node_version_len(n) >= 2 && !may_be(n, a->family)) {
        return true;
    }
    if ((n->flags & NODE_HAS_ID) == 0) {
        return false;
    }
    if (a->said.has_node_id != 0) {
        return !node_had_id(t, n, a->said.node_id);
    }
    source.port = a->said.dht_port;
    mine = a->said.dht_port == 0 ? NONE : nodes_find(t, &source);
    return mine != NONE && mine != index && !node_had_id(t, n, node_at(&t->nodes, mine)->id);
}

/* A port that was tried in vain, that never sent anything, while its address lives. */
bool advert_is_dead(const tracker *t, const advert *a)
{
    krpc_endpoint named = advert_named(a);
    addr_walk walk;

    if (a->dead_frame != 0) {
        return true;
    }
    if (a->tried_frame == 0 || t->now_ns - a->tried_ns <= ANSWER_NS || nodes_find(t, &named) != NONE ||
        lives_frame(t, &named, false) != 0) {
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

    if (out->verdict == TRACKER_VERDICT_INVALID) {
        return;
    }
    if ((a->flags & ADVERT_TESTABLE) != 0 && advert_other_node(t, a, &frame)) {
        bool used = a->used_frame != 0;

        set_later(out, TRACKER_LATER_OTHER_NODE, used ? a->used_frame : frame, used ? a->used_ns : out->time_ns);
    } else if (out->service == KRPC_SERVICE_DHT && advert_is_dead(t, a)) {
        bool told = a->dead_frame != 0;

        set_later(out, TRACKER_LATER_DEAD, told ? a->dead_frame : a->tried_frame, told ? a->dead_ns : a->tried_ns);
    } else if (a->used_frame != 0) {
        set_later(out, TRACKER_LATER_HONOURED, a->used_frame, a->used_ns);
    } else if (a->kept_frame != 0) {
        set_later(out, TRACKER_LATER_NOT_HONOURED, a->kept_frame, a->kept_ns);
    }
}

void advert_judge(const tracker *t, const advert *a, tracker_advert *out)
{
    *out = a->said;
    judge_verdict(t, a, out);
    judge_later(t, a, out);
}
