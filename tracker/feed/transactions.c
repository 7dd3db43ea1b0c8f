/* transactions.c: finds the query of a response.
 *
 * The key of a query is its transaction id, the querier's endpoint and the responder's address. The responder's port is
 * not part of it: a response from another port is evidence about NATs. If no query is found and the id is long enough,
 * a query to another address is searched for.
 *
 * SPDX-License-Identifier: MIT
 */
#include "table/lanes.h"
#include "tracker_private.h"

#define WAYS      8
#define ALT_GROUP 4                                /* a power of two */
#define WAITED    ((uint32_t)(FORGET_NS / SECOND)) /* for a response, in seconds */

void transactions_init(tracker *t)
{
    transactions *x = &t->transactions;

    x->num_sets = power_of_two((t->options.max_transactions + WAYS - 1) / WAYS);
    x->num_alts = x->num_sets * WAYS / 2; /* responses from another address come soon */
    x->sets = table_alloc(&t->stats.memory, x->num_sets, sizeof *x->sets);
    x->records = table_alloc(&t->stats.memory, (size_t)x->num_sets * WAYS, sizeof *x->records);
    x->alts = table_alloc(&t->stats.memory, x->num_alts, sizeof *x->alts);
    x->last_drop_ns = INT64_MIN;
}

void transactions_clear(tracker *t)
{
    table_free(t->transactions.sets);
    table_free(t->transactions.records);
    table_free(t->transactions.alts);
}

/* ---- keys ---- */

static uint64_t hash_t(const tracker *t, const uint8_t *id, uint32_t len)
{
    uint64_t word = 0;

    if (len > 7) {
        return hash_bytes(&t->key, id, len, 3);
    }
    memcpy(&word, id, len);
    return word | (uint64_t)len << 56;
}

/* querier is the hash of its endpoint. */
static uint64_t alt_key(const tracker *t, uint64_t querier, const uint8_t *id, uint32_t len)
{
    uint64_t once = hash_fold(querier ^ t->key.k[1], hash_t(t, id, len) ^ t->key.k[0]);

    return hash_fold(once ^ t->key.k[2], t->key.k[1]); /* consecutive ids differ too little after one */
}

static uint64_t full_key(const tracker *t, uint64_t alt, const krpc_endpoint *responder)
{
    return hash_fold(alt ^ t->key.k[2], hash_addr(&t->key, responder) ^ t->key.k[3]);
}

static transaction_set *set_of(const transactions *x, uint64_t key)
{
    return &x->sets[(uint32_t)(key >> 32) & (x->num_sets - 1)];
}

static uint16_t tag_of(uint64_t key)
{
    return (uint16_t)((key & 0xffff) | 1);
}

/* The second set of a key, used when the first is full: eight waiting queries in one set are rare, and in two sets they
 * do not happen by chance. */
static transaction_set *other_set(const transactions *x, uint64_t key)
{
    return &x->sets[((uint32_t)(key >> 32) ^ (uint32_t)(key >> 16) ^ 1) & (x->num_sets - 1)];
}

static transaction *record_of(const transactions *x, const transaction_set *set, uint32_t way)
{
    return &x->records[(size_t)(set - x->sets) * WAYS + way];
}

/* The query with this key to this port; else those to other ports, of which the last is in *other and their number in
 * *num_others. */
static transaction *lookup_in(const transactions *x, const transaction_set *set, uint64_t key, uint16_t port,
                              transaction **other, unsigned *num_others)
{
    for (uint32_t left = lanes_8x16(set->tag, tag_of(key)); left != 0; left &= left - 1) {
        transaction *r = record_of(x, set, lanes_first(left));

        if (r->key == key && r->port == port) {
            return r;
        }
        if (r->key == key && r->answered == 0) {
            *other = r;
            ++*num_others;
        }
    }
    return NULL;
}

/* The query with this key to this port; without one, the only one with this key. NULL: none, or several. */
static transaction *lookup(const tracker *t, uint64_t key, uint16_t port)
{
    const transactions *x = &t->transactions;
    const transaction_set *set = set_of(x, key);
    const transaction_set *spill = other_set(x, key);
    transaction *other = NULL;
    unsigned num_others = 0;
    transaction *r = lookup_in(x, set, key, port, &other, &num_others);

    if (r == NULL && set->spilled != 0 && tracker_second(t) - set->spilled <= FORGET_NS / SECOND && spill != set) {
        r = lookup_in(x, spill, key, port, &other, &num_others);
    }
    return r != NULL ? r : num_others == 1 ? other : NULL;
}

static transaction *lookup_hinted(const tracker *t, const tracker_keys *keys, uint16_t port)
{
    transaction *r = keys->query == NONE ? NULL : &t->transactions.records[keys->query];

    return r != NULL && r->key == keys->transaction && r->port == port ? r : lookup(t, keys->transaction, port);
}

/* ---- queries ---- */

/* Counts unanswered queries when their records are dropped. If one could still have been answered in time, it was
 * dropped for lack of memory; from then on a response without a query is not reported as unsolicited. */
static void forget(tracker *t, const transaction *r, bool for_room)
{
    if (r->key == 0 || (r->flags & TRANSACTION_IN_TIME) != 0) {
        return;
    }
    t->transactions.live--;
    if (for_room && r->answered == 0 && t->now_ns - r->time_ns <= ANSWER_NS) {
        t->stats.dropped_transactions++;
        t->transactions.last_drop_ns = t->now_ns;
    } else {
        t->stats.unanswered++;
    }
}

static bool is_waiting(const transaction_set *set, uint32_t way, uint32_t second)
{
    return set->until[way] >= second;
}

/* A record for a new query: the least recently used one; from both sets of the key if all in the first are waiting. */
static transaction *make_room(tracker *t, uint64_t key)
{
    transactions *x = &t->transactions;
    uint32_t second = tracker_second(t);
    transaction_set *set = set_of(x, key);
    uint32_t way = lanes_least(set->until);

    if (is_waiting(set, way, second)) {
        transaction_set *spill = other_set(x, key);
        uint32_t spill_way = lanes_least(spill->until);

        if (!is_waiting(spill, spill_way, second) || spill->until[spill_way] < set->until[way]) {
            set->spilled = second;
            set = spill;
            way = spill_way;
        }
    }
    return record_of(x, set, way);
}

/* The place for a query by its transaction id and querier: the place that has them, else the least recently used
 * one. */
static alt_query *alt_at(const tracker *t, uint64_t alt)
{
    const transactions *x = &t->transactions;
    alt_query *group = &x->alts[(uint32_t)(alt >> 32) & (x->num_alts - ALT_GROUP)];
    alt_query *best = group;

    for (uint32_t i = 0; i < ALT_GROUP; i++) {
        if (group[i].tag == (uint32_t)alt) {
            return &group[i];
        }
        if (group[i].time < best->time) {
            best = &group[i];
        }
    }
    return best;
}

static void note_alt(tracker *t, uint64_t alt, const transaction *r, const krpc_endpoint *asked)
{
    transactions *x = &t->transactions;
    alt_query *entry = alt_at(t, alt);
    uint32_t slot = (uint32_t)(r - x->records);
    const transaction *old = &x->records[entry->slot];
    bool several = entry->tag == (uint32_t)alt && entry->slot != slot && old->alt == (uint32_t)alt &&
                   old->answered == 0 && r->time_ns - old->time_ns <= ANSWER_NS;

    entry->tag = (uint32_t)alt;
    entry->slot = slot & INT32_MAX;
    entry->several = several ? 1 : 0;
    entry->time = tracker_second(t);
    entry->asked = *asked;
}

static bool same_question(const transaction *r, const krpc_message *m, const uint8_t *target)
{
    return r->method == m->method && (target == NULL) == ((r->flags & TRANSACTION_TARGET) == 0) &&
           (target == NULL || memcmp(r->target, target, sizeof r->target) == 0);
}

static void fill(tracker *t, transaction *r, const tracker_packet *p, const krpc_message *m, const uint8_t *data)
{
    const uint8_t *target = krpc_message_target(m, data);
    const uint8_t *id = krpc_message_id(m, data);

    r->time_ns = p->time_ns;
    r->port = p->dst.port;
    r->frame = p->frame;
    r->answered = 0;
    r->token = krpc_has(m, KRPC_A_TOKEN) ? token_hash(t, m, data, KRPC_A_TOKEN) : 0;
    r->adverts = 0;
    r->num_adverts = 0;
    r->method = m->method;
    r->t_len = (uint8_t)MIN(m->value[KRPC_T].len, UINT8_MAX);
    r->flags = 0;
    if (target != NULL) {
        memcpy(r->target, target, sizeof r->target);
        r->flags |= TRANSACTION_TARGET;
    }
    if (krpc_has(m, KRPC_A_SCRAPE) && m->value[KRPC_A_SCRAPE].num != 0) {
        r->flags |= TRANSACTION_SCRAPE;
    }
    if (id != NULL) {
        memcpy(r->id, id, sizeof r->id);
    }
}

static void note_t_len(node *n, uint32_t len)
{
    uint8_t clamped = (uint8_t)MIN(len, UINT8_MAX);

    if (n->t_len == 0) {
        n->t_len = clamped;
    } else if (n->t_len != clamped) {
        n->flags |= NODE_T_MIXED;
    }
}

transaction *transactions_query(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                                const tracker_keys *keys, uint32_t src, tracker_result *out, const krpc_sink *sink)
{
    transactions *x = &t->transactions;
    transaction_set *set;
    transaction *r;
    size_t slot;

    if (!keys->has_t) {
        return NULL;
    }
    note_t_len(node_at(&t->nodes, src), m->value[KRPC_T].len);
    r = lookup(t, keys->transaction, p->dst.port);
    if (r != NULL && r->port == p->dst.port) {
        if (r->answered == 0 && p->time_ns - r->time_ns <= ANSWER_NS &&
            same_question(r, m, krpc_message_target(m, data))) {
            out->repeats = r->frame;
            krpc_emit(sink, KRPC_RULE_KRPC_RETRANSMISSION, 0, 0, r->frame, 0);
            return NULL;
        }
    } else {
        r = make_room(t, keys->transaction);
    }
    forget(t, r, r->key != keys->transaction);
    fill(t, r, p, m, data);
    r->key = keys->transaction;
    r->alt = (uint32_t)keys->alt;
    slot = (size_t)(r - x->records);
    set = &x->sets[slot / WAYS];
    set->tag[slot % WAYS] = tag_of(keys->transaction);
    set->until[slot % WAYS] = tracker_second(t) + WAITED;
    x->live++;
    note_alt(t, keys->alt, r, &p->dst);
    return r;
}

/* ---- replies ---- */

/* The query to another address that has this transaction id, if there is only one. */
static transaction *lookup_elsewhere(tracker *t, const tracker_packet *p, uint64_t alt, uint32_t id_len,
                                     krpc_endpoint *asked_out)
{
    transactions *x = &t->transactions;
    const alt_query *entry = alt_at(t, alt);
    transaction *r = &x->records[entry->slot];

    if (id_len < 2 || entry->tag != (uint32_t)alt || entry->several || r->alt != (uint32_t)alt || r->answered != 0 ||
        p->time_ns - r->time_ns > ANSWER_NS || krpc_endpoint_same_addr(&entry->asked, &p->src)) {
        return NULL;
    }
    *asked_out = entry->asked;
    return r;
}

/* Reports a response whose query was not captured. No report if the query may be older than the capture, or may have
 * been dropped for lack of memory, or if this capture has no packets that the receiver sends. */
static void report_stray(const tracker *t, const tracker_packet *p, const krpc_message *m, uint32_t dst,
                         const krpc_sink *sink)
{
    const krpc_value *v = &m->value[KRPC_T];
    const node *n = dst == NONE ? NULL : node_at(&t->nodes, dst);
    int64_t drop = t->transactions.last_drop_ns;

    if (n == NULL || n->queries == 0 || p->time_ns - t->begin_ns <= ANSWER_NS ||
        (drop != INT64_MIN && p->time_ns - drop <= FORGET_NS)) {
        return;
    }
    if ((n->flags & NODE_T_MIXED) == 0 && n->t_len != MIN(v->len, UINT8_MAX)) {
        krpc_emit_at(sink, KRPC_RULE_KRPC_WRONG_T_LENGTH, KRPC_T, v->off, v->len, v->len, n->t_len);
    } else {
        krpc_emit(sink, KRPC_RULE_KRPC_UNSOLICITED, 0, 0, 0, 0);
    }
}

static void settle(tracker *t, transaction *r, const tracker_packet *p, tracker_result *out, const krpc_sink *sink)
{
    int64_t age = p->time_ns - r->time_ns;
    size_t slot = (size_t)(r - t->transactions.records);
    transaction_set *set = &t->transactions.sets[slot / WAYS];

    if (r->answered != 0) {
        out->repeats = r->answered;
        krpc_emit(sink, KRPC_RULE_KRPC_DUPLICATE_RESPONSE, 0, 0, r->answered, 0);
        return;
    }
    r->answered = p->frame;
    set->until[slot % WAYS] -= WAITED + 1; /* from now on only needed to recognise duplicates */
    if (age > ANSWER_NS) {
        krpc_emit(sink, KRPC_RULE_KRPC_LATE_RESPONSE, 0, 0, age / 1000000, r->frame);
    } else {
        r->flags |= TRANSACTION_IN_TIME;
        t->transactions.live--;
    }
    if (!krpc_endpoint_same_addr(&out->asked, &p->src)) {
        krpc_emit(sink, KRPC_RULE_NAT_REPLY_OTHER_ADDR, 0, 0, r->frame, 0);
    } else if (r->port != p->src.port) {
        krpc_emit(sink, KRPC_RULE_NAT_REPLY_OTHER_PORT, 0, 0, r->frame, r->port);
    }
}

transaction *transactions_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const tracker_keys *keys,
                                uint32_t dst, tracker_result *out, const krpc_sink *sink)
{
    uint32_t id_len = m->value[KRPC_T].len;
    transaction *r;

    if (!keys->has_t) {
        return NULL;
    }
    r = lookup_hinted(t, keys, p->src.port);
    if (r != NULL && (p->time_ns - r->time_ns > FORGET_NS || (id_len < 2 && r->port != p->src.port))) {
        r = NULL; /* an id of one byte is too short to identify the query */
    }
    out->asked = p->src;
    if (r == NULL) {
        r = lookup_elsewhere(t, p, keys->alt, id_len, &out->asked);
    }
    if (r == NULL) {
        memset(&out->asked, 0, sizeof out->asked);
        report_stray(t, p, m, dst, sink);
        return NULL;
    }
    out->request_frame = r->frame;
    out->rtt_ns = MAX(p->time_ns - r->time_ns, 0);
    out->method = (krpc_method)r->method;
    out->asked.port = r->port;
    if ((r->flags & TRANSACTION_TARGET) != 0) {
        out->has_target = true;
        memcpy(out->target, r->target, sizeof out->target);
    }
    t->stats.matched++;
    settle(t, r, p, out, sink);
    return r;
}

transaction *transactions_find(tracker *t, const krpc_endpoint *querier, const krpc_endpoint *responder,
                               const krpc_message *m, const uint8_t *data)
{
    const krpc_value *v = &m->value[KRPC_T];
    uint64_t alt;
    transaction *r;

    if (!krpc_has(m, KRPC_T)) {
        return NULL;
    }
    alt = alt_key(t, hash_endpoint(&t->key, querier), data + v->off, v->len);
    r = lookup(t, full_key(t, alt, responder), responder->port);
    return r != NULL && r->port == responder->port ? r : NULL;
}

void transactions_keys(const tracker *t, const krpc_message *m, const uint8_t *data, uint64_t querier,
                       const krpc_endpoint *responder, tracker_keys *out)
{
    const krpc_value *v = &m->value[KRPC_T];

    out->alt = alt_key(t, querier, data + v->off, v->len);
    out->transaction = full_key(t, out->alt, responder);
}

void transactions_fetch_set(const tracker *t, const tracker_keys *keys)
{
    __builtin_prefetch(set_of(&t->transactions, keys->transaction), 1);
}

void transactions_fetch(const tracker *t, tracker_keys *keys, bool asks)
{
    const transactions *x = &t->transactions;
    const transaction_set *set = set_of(x, keys->transaction);

    if (asks) {
        const char *record = (const char *)record_of(x, set, lanes_least(set->until));
        const alt_query *alts = &x->alts[(uint32_t)(keys->alt >> 32) & (x->num_alts - ALT_GROUP)];

        __builtin_prefetch(record, 1);
        __builtin_prefetch(alts, 1);
        __builtin_prefetch(alts + ALT_GROUP / 2, 1);
        return;
    }
    for (uint32_t left = lanes_8x16(set->tag, tag_of(keys->transaction)); left != 0; left &= left - 1) {
        keys->query = (uint32_t)(record_of(x, set, lanes_first(left)) - x->records);
        __builtin_prefetch(&x->records[keys->query], 1);
    }
}

/* The number of queries without a response that are not older than that. */
uint64_t transactions_pending(const tracker *t, int64_t younger_than)
{
    const transactions *x = &t->transactions;
    uint64_t num = 0;

    if (x->live == 0) {
        return 0;
    }
    for (size_t i = 0; i < (size_t)x->num_sets * WAYS; i++) {
        const transaction *r = &x->records[i];

        num += r->key != 0 && (r->flags & TRANSACTION_IN_TIME) == 0 && t->now_ns - r->time_ns <= younger_than;
    }
    return num;
}
