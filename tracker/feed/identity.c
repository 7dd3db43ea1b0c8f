/* identity.c: node ids, and other endpoints with the same id.
 *
 * An id is checked when it is new at an endpoint. A node that keeps its id costs one comparison for each message.
 *
 * SPDX-License-Identifier: MIT
 */
#include "table/lanes.h"
#include "tracker_private.h"

#include <krpc/node_id.h>

#define ID_LEN      20
#define NEAR_BITS   32 /* no honest node is so near to two targets: the whole network has about 2^23 nodes */
#define MANY_NODES  3
#define MANY_STEPS  8
#define ID_PLACES   4
#define TOGETHER_NS (600 * SECOND)

/* ---- the ids of one endpoint ---- */

static history *history_at(const tracker *t, const node *n)
{
    return n->history == NONE ? NULL
                              : (history *)(void *)t->nodes.histories.chunks[n->history >> POOL_SHIFT] +
                                    (n->history & (POOL_CHUNK - 1));
}

/* There are few histories. When all are in use, they are reused in turn, and the owner loses its older ids. */
static history *history_make(tracker *t, node *n, uint32_t owner)
{
    pool *all = &t->nodes.histories;
    uint32_t index = all->used < all->max ? all->used : t->nodes.history_hand++ % all->max;
    bool reused = index < all->used;
    history *h;

    pool_grow(all, index);
    n->history = index;
    h = history_at(t, n);
    if (reused && node_at(&t->nodes, h->owner)->history == index && h->owner != owner) {
        node_at(&t->nodes, h->owner)->history = NONE;
    }
    memset(h, 0, sizeof *h);
    h->owner = owner;
    return h;
}

static unsigned num_older(const node *n)
{
    return MIN(MAX(n->num_ids, 1u), TRACKER_MAX_IDS) - 1u;
}

bool node_had_id(const tracker *t, const node *n, const uint8_t id[20])
{
    const history *h = history_at(t, n);

    if ((n->flags & NODE_HAS_ID) != 0 && memcmp(n->id, id, ID_LEN) == 0) {
        return true;
    }
    for (unsigned i = 0; h != NULL && i < num_older(n); i++) {
        if (memcmp(h->ids[i], id, ID_LEN) == 0) {
            return true;
        }
    }
    return false;
}

void node_ids(const tracker *t, const node *n, tracker_node *out)
{
    const history *h = history_at(t, n);

    if ((n->flags & NODE_HAS_ID) == 0) {
        return;
    }
    out->num_ids = n->num_ids;
    memcpy(out->ids[0], n->id, ID_LEN);
    for (unsigned i = 0; h != NULL && i < num_older(n); i++) {
        memcpy(out->ids[i + 1], h->ids[i], ID_LEN);
    }
}

/* Makes the id the newest one. An id that returns is not counted again. */
static void keep_id(tracker *t, uint32_t index, const uint8_t id[ID_LEN])
{
    node *n = node_at(&t->nodes, index);
    history *h = history_at(t, n);
    unsigned last = TRACKER_MAX_IDS - 2;

    if ((n->flags & NODE_HAS_ID) != 0) {
        if (h == NULL) {
            h = history_make(t, n, index);
        }
        for (unsigned i = 0; i < TRACKER_MAX_IDS - 1; i++) {
            if (memcmp(h->ids[i], id, ID_LEN) == 0) {
                last = i;
                break;
            }
        }
        if (memcmp(h->ids[last], id, ID_LEN) != 0) {
            n->num_ids++;
        }
        memmove(h->ids[1], h->ids[0], last * ID_LEN);
        memcpy(h->ids[0], n->id, ID_LEN);
    } else {
        n->num_ids = 1;
        n->flags |= NODE_HAS_ID;
    }
    memcpy(n->id, id, ID_LEN);
}

/* ---- the same id elsewhere ---- */

/* Two endpoints have the same id. At one address: two mappings of one node, or two hosts; the facts decide. At two
 * addresses of the same family: the id is shared if the first one still sends, else the node has moved. The IPv4 and
 * IPv6 endpoints of one node have the same id (BEP 32), and so have the inside and outside endpoint of a node inside a
 * NAT. */
static void meet(const tracker_packet *p, const node *mine, node *other)
{
    if (!krpc_endpoint_same_addr(&mine->endpoint, &other->endpoint) &&
        mine->endpoint.addr_len == other->endpoint.addr_len &&
        krpc_endpoint_scope(&mine->endpoint) == krpc_endpoint_scope(&other->endpoint) &&
        p->time_ns - other->last_ns <= WINDOW_NS) {
        other->flags |= NODE_ELSEWHERE;
        other->noted_frame = p->frame;
    }
}

/* The place of an id at one more endpoint. An id at many endpoints, for example through a NAT with endpoint-dependent
 * mapping, gets half of its set: then its own oldest place is reused, and not the place of another id. */
static uint32_t place_of_id(ways *ids, uint64_t key, uint32_t now)
{
    uint32_t set = ways_set(ids, key);
    way_set *s = &ids->sets[set];
    uint32_t oldest = 0;
    unsigned num = 0;

    for (uint32_t left = lanes_8x32(s->tag, ways_tag(key)); left != 0; left &= left - 1) {
        uint32_t i = lanes_first(left);

        oldest = num++ == 0 || s->time[i] < s->time[oldest] ? i : oldest;
    }
    if (num < ID_PLACES) {
        return ways_insert(ids, key, now);
    }
    s->time[oldest] = now;
    return set * 8 + oldest;
}

static void register_id(tracker *t, const tracker_packet *p, uint32_t index)
{
    nodes *n = &t->nodes;
    node *mine = node_at(n, index);
    uint64_t key = hash_bytes(&t->key, mine->id, ID_LEN, 1);
    uint32_t set = ways_set(&n->ids, key);
    uint32_t same = lanes_8x32(n->ids.sets[set].tag, ways_tag(key));

    for (; same != 0; same &= same - 1) {
        uint32_t slot = set * 8 + lanes_first(same);

        if (n->id_nodes[slot] != index && n->id_nodes[slot] < n->records.used) {
            node *other = node_at(n, n->id_nodes[slot]);

            if (node_had_id(t, other, mine->id)) {
                meet(p, mine, other);
            }
        }
    }
    n->id_nodes[place_of_id(&n->ids, key, tracker_second(t))] = index;
}

/* Several nodes at one address, each with another port and id: a carrier's NAT, a household, or an exit of a VPN. At
 * least two clients, since one host can run one client many times, and ids that were not chosen near to each other. All
 * of them have sent recently, since one host can run one client after the other. Reported once for an address: its
 * newest node has the flag. */
static void count_neighbours(tracker *t, const tracker_packet *p, uint32_t index, const krpc_sink *sink)
{
    node *mine = node_at(&t->nodes, index);
    const node *kept[MANY_STEPS];
    unsigned num = 0;
    bool versions_differ = false;
    addr_walk walk;
    uint32_t i;

    nodes_at_init(&walk, t, &mine->endpoint);
    while (num < MANY_STEPS && walk.steps < MANY_STEPS && (i = nodes_at_next(&walk, t, &mine->endpoint)) != NONE) {
        const node *n = node_at(&t->nodes, i);
        bool is_new = (n->flags & NODE_HAS_ID) != 0 && (n == mine || p->time_ns - n->last_ns <= TOGETHER_NS);

        if ((n->flags & NODE_MANY_REPORTED) != 0) {
            mine->flags |= NODE_MANY_REPORTED;
            return;
        }
        for (unsigned j = 0; is_new && j < num; j++) {
            is_new = krpc_node_id_common_bits(kept[j]->id, n->id) < CLUSTER_BITS;
            versions_differ |= n->version_len != kept[j]->version_len || memcmp(n->version, kept[j]->version, 2) != 0;
        }
        if (is_new) {
            kept[num++] = n;
        }
    }
    if (num >= MANY_NODES && versions_differ) {
        mine->flags |= NODE_MANY_REPORTED;
        krpc_emit(sink, KRPC_RULE_ID_MANY_AT_ADDRESS, 0, 0, num, 0);
    }
}

/* ---- one message ---- */

static void note_identity(tracker *t, const tracker_packet *p, const node *n)
{
    uint32_t endpoint = facts_find(&t->facts, &n->endpoint);
    static const uint8_t none[2];

    if (endpoint != NONE && !krpc_node_id_is_zero(n->id)) {
        fact_moment at = {p->time_ns, fact_place(p->source, p->frame)};

        facts_identity(&t->facts, endpoint, n->id, n->version_len >= 2 ? n->version : none, &at);
    }
}

static void changed(tracker *t, const tracker_packet *p, uint32_t index, const uint8_t id[ID_LEN], uint32_t off,
                    const krpc_sink *sink)
{
    node *n = node_at(&t->nodes, index);
    bool is_back = node_had_id(t, n, id);
    krpc_endpoint outside;
    bool known = nat_outside(t, n, &outside);
    bool fits = known && krpc_node_id_check(id, &outside) == KRPC_NODE_ID_VALID;

    if ((n->flags & NODE_HAS_ID) != 0 && !is_back && p->time_ns - n->last_ns <= WINDOW_NS) {
        bool fitted = known && krpc_node_id_check(n->id, &outside) == KRPC_NODE_ID_VALID;

        krpc_emit(sink, fits && !fitted ? KRPC_RULE_ID_RENUMBERED : KRPC_RULE_ID_CHANGED, off, ID_LEN, n->id_frame, 0);
    }
    keep_id(t, index, id);
    note_identity(t, p, n);
    if (is_back || krpc_node_id_is_zero(id)) {
        return;
    }
    n->flags = (uint16_t)(n->flags & ~(NODE_ECHO_REPORTED | NODE_ID_CHECKED));
    register_id(t, p, index);
    count_neighbours(t, p, index, sink);
    clusters_take(t, n, off, sink);
}

/* BEP 42 is about the outside address; that of a node inside a NAT may become known later. Checked once for each id. */
static void check_bep42(tracker *t, node *n, uint32_t off, const krpc_sink *sink)
{
    krpc_endpoint outside;

    if (nat_outside(t, n, &outside)) {
        n->flags |= NODE_ID_CHECKED;
        if (krpc_node_id_check(n->id, &outside) == KRPC_NODE_ID_INVALID && !krpc_node_id_is_zero(n->id)) {
            krpc_emit(sink, KRPC_RULE_BEP42_INVALID, off, ID_LEN, 0, 0);
        }
    }
}

/* A node that sends the id of its receiver is a reflector, or sends to itself through its NAT. */
static void check_echo(tracker *t, node *mine, const node *other, const krpc_endpoint *dst, uint32_t off,
                       const krpc_sink *sink)
{
    krpc_endpoint outside;

    if ((mine->flags & NODE_ECHO_REPORTED) != 0 || memcmp(mine->id, other->id, ID_LEN) != 0 ||
        krpc_node_id_is_zero(mine->id) || krpc_endpoint_same_addr(&mine->endpoint, dst) ||
        (nat_outside(t, mine, &outside) && krpc_endpoint_same_addr(&outside, dst)) ||
        (nat_outside(t, other, &outside) && krpc_endpoint_same_addr(&outside, &mine->endpoint))) {
        return;
    }
    mine->flags |= NODE_ECHO_REPORTED;
    krpc_emit(sink, KRPC_RULE_ID_ECHO, off, ID_LEN, other->id_frame, 0);
}

void identity_take(tracker *t, const tracker_packet *p, uint32_t src, uint32_t dst, const uint8_t *id, uint32_t off,
                   const krpc_sink *sink)
{
    node *n = node_at(&t->nodes, src);

    if ((n->flags & NODE_HAS_ID) == 0 || memcmp(n->id, id, ID_LEN) != 0) {
        changed(t, p, src, id, off, sink);
    } else if ((n->flags & NODE_ELSEWHERE) != 0) {
        n->flags = (uint16_t)(n->flags & ~NODE_ELSEWHERE);
        krpc_emit(sink, KRPC_RULE_ID_SHARED, off, ID_LEN, n->noted_frame, 0);
    }
    n->id_frame = p->frame;
    if ((n->flags & NODE_ID_CHECKED) == 0) {
        check_bep42(t, n, off, sink);
    }
    if (dst != NONE && (node_at(&t->nodes, dst)->flags & NODE_HAS_ID) != 0) {
        check_echo(t, n, node_at(&t->nodes, dst), &p->dst, off, sink);
    }
}

/* A fixed id can be near two targets only if these are near each other, which the querier chooses. A node that is near
 * two other targets makes up an id for each target. */
void identity_near(tracker *t, node *n, const uint8_t target[20], uint32_t off, const krpc_sink *sink)
{
    uint32_t prefix;

    if ((n->flags & NODE_NEAR_REPORTED) != 0 || memcmp(n->id, target, NEAR_BITS / 8) != 0) {
        return;
    }
    prefix = (uint32_t)hash_bytes(&t->key, target, NEAR_BITS / 8, 2) | 1;
    if (n->near_target == 0) {
        n->near_target = prefix;
    } else if (n->near_target != prefix) {
        n->flags |= NODE_NEAR_REPORTED;
        krpc_emit(sink, KRPC_RULE_ID_NEAR_TARGET, off, ID_LEN, krpc_node_id_common_bits(n->id, target), 2);
    }
}
