/* nat.c: outside endpoints, and what they prove about a NAT (RFC 4787).
 *
 * An observation: a remote address saw a local endpoint as an outside endpoint, when a query was sent at a time. Its
 * source is inside (ip and r.p in a reply), both sides (the same bytes before and after the NAT) or outside (one node
 * id on several ports of one address).
 *
 * Two outside ports exist at the same time if they straddle: one remote saw A before and after another remote saw B. A
 * mapping that expired and was replaced gives A, A, B, B. A single lying remote can also produce straddling. So
 * conclusions that are only from inside must still hold when any single remote address is ignored.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define BURST_NS SECOND
#define CLONE_NS (20 * SECOND) /* no NAT replaces a mapping towards one remote within this time */

void nats_init(tracker *t)
{
    pool_init(&t->nats.records, MAX(t->options.max_nodes / 16, 64), sizeof(nat), &t->stats.memory);
    t->nats.by_key = g_hash_table_new(g_int64_hash, g_int64_equal);
}

void nats_clear(tracker *t)
{
    g_hash_table_destroy(t->nats.by_key);
    pool_clear(&t->nats.records);
}

static nat *nat_at(const tracker *t, uint32_t index)
{
    return (nat *)(void *)t->nats.records.chunks[index >> POOL_SHIFT] + (index & (POOL_CHUNK - 1));
}

nat *nat_find(const tracker *t, uint64_t key)
{
    gint64 wanted = (gint64)key;
    gpointer number = g_hash_table_lookup(t->nats.by_key, &wanted);

    return number == NULL ? NULL : nat_at(t, GPOINTER_TO_UINT(number) - 1);
}

/* When all records are in use, they are reused in turn; a node that still sends gets a new one. */
nat *nat_make(tracker *t, uint64_t key)
{
    nats *n = &t->nats;
    nat *made = nat_find(t, key);
    uint32_t index;

    if (made != NULL) {
        return made;
    }
    index = n->records.used < n->records.max ? n->records.used : n->hand++ % n->records.max;
    if (index < n->records.used) {
        g_hash_table_remove(n->by_key, &nat_at(t, index)->key);
        t->stats.dropped_mappings++;
    }
    pool_grow(&n->records, index);
    made = nat_at(t, index);
    memset(made, 0, sizeof *made);
    made->key = key;
    g_hash_table_insert(n->by_key, &made->key, GUINT_TO_POINTER(index + 1));
    return made;
}

/* ---- observations ---- */

static void forget_external(nat *n, unsigned i)
{
    for (unsigned j = 0; j < n->num_kept; j++) {
        n->externals[j].over &= (uint8_t)~(1u << i);
        n->externals[j].after &= (uint8_t)~(1u << i);
    }
    memset(&n->externals[i], 0, sizeof n->externals[i]);
}

/* The index of the outside endpoint in externals. A new one replaces the least recently seen one, but never the one
 * that most remotes saw. */
static unsigned external_of(nat *n, uint32_t value, const observation *seen)
{
    unsigned oldest = TRACKER_MAX_EXTERNAL;
    unsigned top = 0;
    unsigned i;

    for (i = 0; i < n->num_kept; i++) {
        if (n->externals[i].value == value) {
            return i;
        }
        top = n->externals[i].observers > n->externals[top].observers ? i : top;
    }
    if (n->num_kept < TRACKER_MAX_EXTERNAL) {
        n->num_kept++;
    } else {
        for (i = 0; i < n->num_kept; i++) {
            if (i != top &&
                (oldest == TRACKER_MAX_EXTERNAL || n->externals[i].last_ns < n->externals[oldest].last_ns)) {
                oldest = i;
            }
        }
        i = oldest;
        forget_external(n, i);
    }
    n->num_external++;
    n->externals[i].endpoint = *seen->outside;
    n->externals[i].value = value;
    n->externals[i].first_ns = seen->ns;
    n->externals[i].last_ns = seen->ns;
    return i;
}

/* Two remotes for each value are enough: the conclusion then holds without any single one. */
static void add_straddle(nat *n, uint32_t remote, uint32_t value)
{
    unsigned same = 0;

    for (unsigned i = 0; i < n->num_straddles; i++) {
        if (n->straddles[i].value == value) {
            if (n->straddles[i].remote == remote || ++same == 2) {
                return;
            }
        }
    }
    if (n->num_straddles < NUM_STRADDLES) {
        n->straddles[n->num_straddles].remote = remote;
        n->straddles[n->num_straddles].value = value;
        n->num_straddles++;
    }
}

/* The remote saw the same endpoint as at the time before. Notes which other endpoints were seen in between. */
static void note_straddle(nat *n, unsigned i, int64_t before, const observation *seen, uint32_t remote)
{
    for (unsigned j = 0; j < n->num_kept; j++) {
        const external *other = &n->externals[j];

        if (j != i && other->last_ns > before && other->last_ns < seen->ns) {
            n->externals[i].over |= (uint8_t)(1u << j);
            n->straddle_kinds |= seen->kind;
            add_straddle(n, remote, n->externals[i].value);
        }
    }
}

/* Notes different outside ports for different remotes within a time that is much shorter than the lifetime of any
 * mapping. Even if one of the remotes lies, the others differ. */
static void note_burst(nat *n, const observation *seen, uint32_t value, uint32_t remote)
{
    memmove(&n->bursts[1], &n->bursts[0], sizeof n->bursts - sizeof n->bursts[0]);
    n->bursts[0].ns = seen->ns;
    n->bursts[0].value = value;
    n->bursts[0].remote = remote;
    for (unsigned i = 0; i < NUM_BURST; i++) {
        if (n->bursts[i].value == 0 || ABS(n->bursts[i].ns - seen->ns) > BURST_NS ||
            (i > 0 && n->bursts[i].ns >= n->bursts[i - 1].ns)) { /* packets may have equal times */
            return;
        }
        for (unsigned j = 0; j < i; j++) {
            if (n->bursts[j].value == n->bursts[i].value || n->bursts[j].remote == n->bursts[i].remote) {
                return;
            }
        }
    }
    n->burst = true;
}

/* The outside endpoint has changed if no remote saw the old one after the new one appeared, two remotes see the new
 * one, and one of them saw the old one before. */
static void follow(nat *n, unsigned i, uint32_t before, const krpc_sink *sink)
{
    external *e = &n->externals[i];

    for (unsigned k = 0; k < n->num_kept; k++) {
        if (k != i && n->externals[k].value == before) {
            e->after |= (uint8_t)(1u << k);
        }
    }
    for (unsigned k = 0; k < n->num_kept && !e->said_remapped && e->observers >= 2; k++) {
        const external *old = &n->externals[k];

        if ((e->after >> k & 1) != 0 && old->last_ns < e->first_ns && !nat_is_made_up(n, old) &&
            nat_mapping(n) != TRACKER_MAPPING_DEPENDENT) {
            e->said_remapped = true;
            n->remapped++;
            krpc_emit(sink, KRPC_RULE_NAT_REMAPPED, 0, 0, old->endpoint.port, e->endpoint.port);
        }
    }
}

const external *nat_current(const nat *n)
{
    const external *best = &n->externals[0];

    for (unsigned i = 1; i < n->num_kept; i++) {
        const external *e = &n->externals[i];

        if (e->observers >= 2 ? best->observers < 2 || e->last_ns > best->last_ns : e->observers > best->observers) {
            best = e;
        }
    }
    return best;
}

/* The network of a remote, /16 or /32 of IPv6: an attacker with one address of a network may have many of them. */
static uint32_t network_of(const tracker *t, const krpc_endpoint *remote)
{
    return (uint32_t)hash_bytes(&t->key, remote->addr, remote->addr_len == 4 ? 2 : 4, 11) | 1;
}

static void count_votes(tracker *t, nat *n, unsigned i, const observation *seen, uint32_t remote)
{
    external *e = &n->externals[i];
    bool equal = e->endpoint.port == n->inside.port;

    if (vote_new(t, n->key, remote, e->value)) {
        e->observers++;
    }
    if (vote_new(t, n->key, remote, VOTE_ANY)) {
        n->observers++;
    }
    if (equal) {
        n->frames_eq++;
    }
    if (vote_new(t, n->key, remote, equal ? VOTE_EQUAL : VOTE_OTHER)) {
        *(equal ? &n->observers_eq : &n->observers_ne) += 1;
    }
    if (vote_new(t, n->key, network_of(t, seen->remote), equal ? VOTE_NET_EQUAL : VOTE_NET_OTHER)) {
        *(equal ? &n->networks_eq : &n->networks_ne) += 1;
    }
    if (e->num_frames < TRACKER_MAX_FRAMES) {
        e->frames[e->num_frames] = seen->frame;
    }
    e->num_frames++;
    e->first_ns = MIN(e->first_ns, seen->ns);
    e->last_ns = MAX(e->last_ns, seen->ns);
    e->kinds |= seen->kind;
    n->kinds |= seen->kind;
}

static unsigned other_than(const nat *n, unsigned i)
{
    for (unsigned j = 0; j < n->num_kept; j++) {
        if (n->externals[j].endpoint.port != n->externals[i].endpoint.port) {
            return j;
        }
    }
    return i;
}

static void report(nat *n, unsigned i, const krpc_sink *sink)
{
    if ((n->reported & NAT_SAID_REWRITTEN) == 0 && nat_port(n) == TRACKER_PORT_REWRITTEN) {
        n->reported |= NAT_SAID_REWRITTEN;
        krpc_emit(sink, KRPC_RULE_NAT_REWRITTEN, 0, 0, n->inside.port, n->externals[i].endpoint.port);
    }
    if ((n->reported & NAT_SAID_DEPENDENT) == 0 && nat_mapping(n) == TRACKER_MAPPING_DEPENDENT) {
        n->reported |= NAT_SAID_DEPENDENT;
        krpc_emit(sink, KRPC_RULE_NAT_DEPENDENT, 0, 0, n->externals[i].endpoint.port,
                  n->externals[other_than(n, i)].endpoint.port);
    }
}

void nat_observe(tracker *t, nat *n, const observation *seen, const krpc_sink *sink)
{
    uint32_t value = (uint32_t)hash_endpoint(&t->key, seen->outside) | 1;
    uint32_t remote = (uint32_t)hash_addr(&t->key, seen->remote) | 1;
    flow *f = flow_get(t, n->key, seen->remote);
    unsigned i = external_of(n, value, seen);
    uint32_t before = f->value;

    if (f->value == value && seen->ns > f->seen_ns) {
        note_straddle(n, i, f->seen_ns, seen, remote);
    } else if (f->value != 0 && f->value != value && seen->kind == TRACKER_FROM_OUTSIDE &&
               seen->ns - f->seen_ns < CLONE_NS) {
        n->clones = true; /* one remote gets both: a NAT would use one of them */
    }
    f->value = value;
    f->seen_ns = seen->ns;
    f->seen_frame = seen->frame;
    f->port = seen->outside->port;
    count_votes(t, n, i, seen, remote);
    note_burst(n, seen, value, remote);
    follow(n, i, before == value ? 0 : before, sink);
    report(n, i, sink);
    blocks_observe(t, n, &n->externals[i], sink);
}
