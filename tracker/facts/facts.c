/* facts.c: the stores of facts.
 *
 * A table finds a record by a keyed hash of 64 bits of its key. Two different keys with the same hash are not expected
 * in any capture: a stranger does not know the secret key.
 *
 * SPDX-License-Identifier: MIT
 */
#include "facts.h"

#define FIRST_SLOTS 1024

/* ---- tables ---- */

static void table_init(fact_table *t, uint32_t max, size_t size, uint64_t *memory)
{
    memset(t, 0, sizeof *t);
    pool_init(&t->records, max, size, memory);
    t->num_slots = FIRST_SLOTS;
    t->slots = table_alloc(memory, t->num_slots, sizeof *t->slots);
}

static void table_clear(fact_table *t)
{
    pool_clear(&t->records);
    table_free(t->slots);
}

static uint64_t *home_of(const fact_table *t, uint64_t key)
{
    return &t->slots[(uint32_t)key & (t->num_slots - 1)];
}

/* The slot of a key, or the free one where it belongs. Every record begins with its key. */
static uint64_t *slot_of(const fact_table *t, uint64_t key)
{
    uint32_t i = (uint32_t)key & (t->num_slots - 1);

    for (;; i = (i + 1) & (t->num_slots - 1)) {
        uint64_t slot = t->slots[i];

        if (slot == 0 || (slot >> 32 == key >> 32 && *(uint64_t *)fact_at(t, (uint32_t)slot - 1) == key)) {
            return &t->slots[i];
        }
    }
}

static uint32_t table_find(const fact_table *t, uint64_t key)
{
    return (uint32_t)*slot_of(t, key) - 1; /* NONE for a free slot */
}

static void grow(fact_table *t)
{
    uint64_t *old = t->slots;
    uint32_t num_old = t->num_slots;

    t->num_slots *= 2;
    t->slots = table_alloc(t->records.memory, t->num_slots, sizeof *t->slots);
    for (uint32_t i = 0; i < num_old; i++) {
        if (old[i] != 0) {
            *slot_of(t, *(uint64_t *)fact_at(t, (uint32_t)old[i] - 1)) = old[i];
        }
    }
    *t->records.memory -= (uint64_t)num_old * sizeof *old;
    table_free(old);
}

/* A new record, which is all zero but for its key, and becomes the one that the key finds. NONE: the table is full. */
static uint32_t table_add(fact_table *t, uint64_t key)
{
    uint32_t index = t->records.used;
    uint64_t *slot;

    if (index == t->records.max) {
        t->num_dropped++;
        return NONE;
    }
    if (t->num_keys >= t->num_slots / 4 * 3) {
        grow(t);
    }
    slot = slot_of(t, key);
    t->num_keys += *slot == 0;
    pool_grow(&t->records, index);
    *(uint64_t *)fact_at(t, index) = key;
    *slot = key >> 32 << 32 | (index + 1);
    return index;
}

static void table_fetch(const fact_table *t, uint64_t key)
{
    __builtin_prefetch(home_of(t, key), 0);
}

static void table_fetch_record(const fact_table *t, uint64_t key)
{
    uint64_t slot = *home_of(t, key);

    if (slot >> 32 == key >> 32 && slot != 0) {
        const char *record = fact_at(t, (uint32_t)slot - 1);

        __builtin_prefetch(record, 1);
        __builtin_prefetch(record + 64, 1);
    }
}

void facts_init(facts *out, const hash_key *key, uint64_t max_bytes, uint64_t *memory)
{
    /* of the bound, five eighths are for contacts, one for sightings, one for endpoints */
    uint64_t part = max_bytes / 8;
    uint32_t max_endpoints = (uint32_t)MIN(part / (sizeof(fact_endpoint) + 16 + sizeof(fact_address)), NONE / 2);

    memset(out, 0, sizeof *out);
    out->key = *key;
    out->memory = memory;
    table_init(&out->endpoints, MAX(max_endpoints, 64), sizeof(fact_endpoint), memory);
    table_init(&out->addresses, MAX(max_endpoints, 64), sizeof(fact_address), memory);
    table_init(&out->identities,
               (uint32_t)MIN(MAX(part / (sizeof(fact_identity) + 16 + sizeof(fact_id)), 64), NONE / 2),
               sizeof(fact_identity), memory);
    table_init(&out->ids, out->identities.records.max, sizeof(fact_id), memory);
    table_init(&out->contacts, (uint32_t)MIN(MAX(5 * part / (sizeof(fact_contact) + 16), 64), NONE / 2),
               sizeof(fact_contact), memory);
    table_init(&out->sightings, (uint32_t)MIN(MAX(part / (sizeof(fact_sighting) + 16), 64), NONE / 2),
               sizeof(fact_sighting), memory);
}

void facts_clear(facts *f)
{
    table_clear(&f->endpoints);
    table_clear(&f->addresses);
    table_clear(&f->identities);
    table_clear(&f->ids);
    table_clear(&f->contacts);
    table_clear(&f->sightings);
}

#define LOSSY_PERCENT 5

bool facts_are_lossy(const facts *f)
{
    return facts_num_dropped(f) > 0 ||
           (f->num_strays >= 10 && f->num_strays * 100 > (f->num_strays + f->num_answers) * LOSSY_PERCENT);
}

uint64_t facts_num_dropped(const facts *f)
{
    return f->endpoints.num_dropped + f->identities.num_dropped + f->contacts.num_dropped + f->sightings.num_dropped;
}

/* ---- endpoints ---- */

uint64_t fact_network(const krpc_endpoint *e)
{
    uint64_t net = e->addr_len;

    for (unsigned i = 0; i < (e->addr_len == 4 ? 3u : 6u); i++) {
        net = net << 8 | e->addr[i];
    }
    return net;
}

uint32_t facts_find(const facts *f, const krpc_endpoint *endpoint)
{
    return table_find(&f->endpoints, hash_endpoint(&f->key, endpoint));
}

uint32_t facts_first_at(const facts *f, const krpc_endpoint *addr)
{
    uint32_t index = table_find(&f->addresses, hash_addr(&f->key, addr));

    return index == NONE ? NONE : ((const fact_address *)fact_at(&f->addresses, index))->endpoints;
}

static void chain_at_address(facts *f, fact_endpoint *e, uint32_t index)
{
    uint64_t key = hash_addr(&f->key, &e->endpoint);
    uint32_t at = table_find(&f->addresses, key);

    e->next_at = NONE;
    if (at != NONE) {
        e->next_at = ((fact_address *)fact_at(&f->addresses, at))->endpoints;
    } else if ((at = table_add(&f->addresses, key)) == NONE) {
        return;
    }
    ((fact_address *)fact_at(&f->addresses, at))->endpoints = index;
}

uint32_t facts_endpoint(facts *f, const krpc_endpoint *endpoint, uint64_t hash)
{
    uint32_t index = table_find(&f->endpoints, hash);
    fact_endpoint *e;

    if (index != NONE || (index = table_add(&f->endpoints, hash)) == NONE) {
        return index;
    }
    e = facts_endpoint_at(f, index);
    e->endpoint = *endpoint;
    e->scope = (uint8_t)krpc_endpoint_scope(endpoint);
    e->contacts = e->sightings = e->seen_as = e->identities = e->outside = NONE;
    e->stray_ns = e->knock_ns = e->own_ns = e->sent_ns = INT64_MAX;
    chain_at_address(f, e, index);
    return index;
}

/* ---- contacts ---- */

static uint64_t contact_key(const facts *f, uint64_t one, uint64_t other)
{
    return hash_fold(MIN(one, other) ^ f->key.k[1], MAX(one, other) ^ f->key.k[2]);
}

void facts_touch_fetch(const facts *f, uint64_t src_hash, uint64_t dst_hash)
{
    table_fetch(&f->contacts, contact_key(f, src_hash, dst_hash));
}

void facts_touch_fetch_record(const facts *f, uint64_t src_hash, uint64_t dst_hash)
{
    table_fetch_record(&f->contacts, contact_key(f, src_hash, dst_hash));
}

uint32_t facts_contact(const facts *f, uint32_t one, uint32_t other)
{
    return table_find(&f->contacts, contact_key(f, facts_endpoint_at(f, one)->key, facts_endpoint_at(f, other)->key));
}

/* The session that a time belongs to: the newest one, or an older one for a packet that is out of order. */
static fact_contact *session_of(const facts *f, uint32_t newest, int64_t ns)
{
    for (uint32_t i = newest; i != NONE;) {
        fact_contact *c = facts_contact_at(f, i);

        if (ns > c->last.ns + FACT_SILENCE_NS) {
            return NULL;
        }
        if (ns >= c->first.ns - FACT_SILENCE_NS) {
            return c;
        }
        i = c->older;
    }
    return NULL;
}

/* The key leads to the newest session, and each session to the one before it, also where packets are out of order. */
static void put_in_order(facts *f, uint64_t key, fact_contact *c, uint32_t index, uint32_t newest, int64_t ns)
{
    fact_contact *after = newest == NONE ? NULL : facts_contact_at(f, newest);

    c->older = newest;
    if (after == NULL || ns >= after->first.ns) {
        return;
    }
    while (after->older != NONE && facts_contact_at(f, after->older)->first.ns > ns) {
        after = facts_contact_at(f, after->older);
    }
    c->older = after->older;
    after->older = index;
    *slot_of(&f->contacts, key) = key >> 32 << 32 | (newest + 1);
}

static fact_contact *contact_add(facts *f, uint64_t key, uint32_t newest, const fact_moment *at,
                                 const krpc_endpoint *src, const krpc_endpoint *dst, uint64_t src_hash,
                                 uint64_t dst_hash)
{
    uint32_t from = facts_endpoint(f, src, src_hash);
    uint32_t to = facts_endpoint(f, dst, dst_hash);
    uint32_t index = from == NONE || to == NONE ? NONE : table_add(&f->contacts, key);
    fact_contact *c;

    if (index == NONE) {
        return NULL;
    }
    c = facts_contact_at(f, index);
    put_in_order(f, key, c, index, newest, at->ns);
    c->end[src_hash >= dst_hash] = from;
    c->end[src_hash < dst_hash] = to;
    c->first.ns = INT64_MAX;
    c->last.ns = INT64_MIN;
    for (unsigned i = 0; i < 2; i++) {
        c->last_answer_ns[i] = c->last_sent_ns[i] = INT64_MIN;
        c->first_sent_ns[i] = INT64_MAX;
    }
    for (unsigned i = 0; i < 2; i++) {
        fact_endpoint *e = facts_endpoint_at(f, c->end[i]);

        if (i == 1 && c->end[1] == c->end[0]) {
            c->next[1] = c->next[0]; /* an endpoint that sends to itself is in its chain once */
            break;
        }
        c->next[i] = e->contacts;
        e->contacts = index;
        if (e->first.place == 0 || at->ns < e->first.ns) {
            e->first = *at;
        }
    }
    return c;
}

static void note_first(fact_moment *first, const fact_moment *at)
{
    if (first->place == 0 || at->ns < first->ns) {
        *first = *at;
    }
}

static void unchain(facts *f, uint32_t endpoint, uint32_t index)
{
    uint32_t *link = &facts_endpoint_at(f, endpoint)->contacts;
    fact_contact *c;

    while (*link != index) {
        c = facts_contact_at(f, *link);
        link = &c->next[fact_side(c, endpoint)];
    }
    c = facts_contact_at(f, index);
    *link = c->next[fact_side(c, endpoint)];
}

/* Joins a session with the one before it, after a late packet that is less than FACT_SILENCE_NS from both. The older
 * record stays; nothing leads to the newer one any more, but it keeps its room in the table. */
static fact_contact *join_older(facts *f, uint64_t key, const fact_contact *c, uint32_t newest)
{
    fact_contact *o = facts_contact_at(f, c->older);
    uint32_t index = newest;

    if (facts_contact_at(f, newest) == c) {
        *slot_of(&f->contacts, key) = key >> 32 << 32 | (c->older + 1);
    } else {
        fact_contact *after = facts_contact_at(f, newest);

        while (facts_contact_at(f, after->older) != c) {
            after = facts_contact_at(f, after->older);
        }
        index = after->older;
        after->older = c->older;
    }
    o->last = c->last;
    for (unsigned i = 0; i < 2; i++) {
        if (o->query[i].place == 0) {
            o->query[i] = c->query[i];
        }
        if (o->answer[i].place == 0) {
            o->answer[i] = c->answer[i];
        }
        o->last_answer_ns[i] = MAX(o->last_answer_ns[i], c->last_answer_ns[i]);
        o->first_sent_ns[i] = MIN(o->first_sent_ns[i], c->first_sent_ns[i]);
        o->last_sent_ns[i] = MAX(o->last_sent_ns[i], c->last_sent_ns[i]);
        if (i == 0 || c->end[1] != c->end[0]) {
            unchain(f, c->end[i], index);
        }
    }
    return o;
}

/* What an endpoint received: does the capture have its queries, and who came without having been asked? */
static void note_receiver(facts *f, const fact_contact *c, unsigned to, fact_what what, int64_t ns)
{
    fact_endpoint *e = facts_endpoint_at(f, c->end[to]);

    if (what == FACT_ANSWER) {
        e->num_answers++;
        f->num_answers++;
    } else if (what == FACT_STRAY) {
        e->num_strays++;
        f->num_strays++;
        e->stray_ns = MIN(e->stray_ns, ns);
    } else if (what == FACT_QUERY && c->began != to && c->older == NONE) {
        e->knock_ns = MIN(e->knock_ns, ns);
    }
}

fact_contact *facts_touch(facts *f, const fact_moment *at, const krpc_endpoint *src, const krpc_endpoint *dst,
                          uint64_t src_hash, uint64_t dst_hash, fact_what what)
{
    uint64_t key = contact_key(f, src_hash, dst_hash);
    uint32_t newest = table_find(&f->contacts, key);
    fact_contact *c = session_of(f, newest, at->ns);
    unsigned from = src_hash >= dst_hash;
    fact_endpoint *sender;

    if (c == NULL) {
        c = contact_add(f, key, newest, at, src, dst, src_hash, dst_hash);
        if (c == NULL) {
            return NULL;
        }
    } else if (at->ns < c->first.ns && c->older != NONE &&
               at->ns <= facts_contact_at(f, c->older)->last.ns + FACT_SILENCE_NS) {
        c = join_older(f, key, c, newest);
    }
    if (at->ns < c->first.ns) {
        c->first = *at;
        c->began = (uint8_t)from;
        c->stray = what == FACT_STRAY;
        sender = facts_endpoint_at(f, c->end[from]);
        if (what == FACT_QUERY || what == FACT_DATAGRAM) {
            sender->own_ns = MIN(sender->own_ns, at->ns);
        }
    }
    if (at->ns > c->last.ns) {
        c->last = *at;
    }
    sender = facts_endpoint_at(f, c->end[from]);
    sender->sent_ns = MIN(sender->sent_ns, at->ns);
    c->first_sent_ns[from] = MIN(c->first_sent_ns[from], at->ns);
    c->last_sent_ns[from] = MAX(c->last_sent_ns[from], at->ns);
    if (what == FACT_ANSWER) {
        note_first(&c->answer[from], at);
        c->last_answer_ns[from] = MAX(c->last_answer_ns[from], at->ns);
    } else if (what != FACT_STRAY) {
        note_first(&c->query[from], at);
    }
    if (what != FACT_DATAGRAM) {
        facts_endpoint_at(f, c->end[from])->speaks = true;
        note_receiver(f, c, !from, what, at->ns);
    }
    return c;
}

/* ---- sightings ---- */

/* The outside endpoint of a socket that hosts of two networks told, or that packets show. Only a new sighting can
 * change it. */
static void note_outside(facts *f, const fact_sighting *s)
{
    fact_endpoint *socket = facts_endpoint_at(f, s->socket);
    uint64_t network = fact_network(&facts_endpoint_at(f, s->witness)->endpoint);
    unsigned steps = 64;

    if (facts_endpoint_at(f, s->outside)->scope != KRPC_ADDR_GLOBAL ||
        facts_endpoint_at(f, s->witness)->scope != KRPC_ADDR_GLOBAL || socket->outside == s->outside) {
        return;
    }
    if (s->kind != FACT_TOLD) {
        socket->outside = s->outside;
        return;
    }
    for (uint32_t i = s->next; i != NONE && steps-- > 0; i = facts_sighting_at(f, i)->next) {
        const fact_sighting *other = facts_sighting_at(f, i);

        if (other->outside == s->outside && fact_network(&facts_endpoint_at(f, other->witness)->endpoint) != network) {
            socket->outside = s->outside;
            return;
        }
    }
}

void facts_sight(facts *f, fact_kind kind, uint32_t socket, uint32_t witness, const krpc_endpoint *outside,
                 int64_t query_ns, const fact_moment *at, int64_t shown_ns)
{
    uint32_t seen = facts_endpoint(f, outside, hash_endpoint(&f->key, outside));
    uint64_t key = hash_words(&f->key, (uint64_t)socket << 32 | witness, seen, (uint64_t)kind + 7);
    uint32_t newest = table_find(&f->sightings, key);
    uint32_t index = newest;
    int64_t begin = MIN(query_ns, at->ns);
    fact_sighting *s;

    if (seen == NONE) {
        return;
    }
    while (index != NONE && (s = facts_sighting_at(f, index), begin < s->first.ns - FACT_SILENCE_NS)) {
        index = s->older;
    }
    if (index == NONE || begin > facts_sighting_at(f, index)->last.ns + FACT_SILENCE_NS) {
        index = table_add(&f->sightings, key);
        if (index == NONE) {
            return;
        }
        s = facts_sighting_at(f, index);
        s->older = newest;
        s->socket = socket;
        s->witness = witness;
        s->outside = seen;
        s->kind = (uint8_t)kind;
        s->first = (fact_moment){begin, at->place};
        s->last = (fact_moment){begin, at->place};
        s->shown_ns = shown_ns;
        s->next = facts_endpoint_at(f, socket)->sightings;
        facts_endpoint_at(f, socket)->sightings = index;
        s->next_seen = facts_endpoint_at(f, seen)->seen_as;
        facts_endpoint_at(f, seen)->seen_as = index;
        note_outside(f, s);
    }
    s = facts_sighting_at(f, index);
    s->count++;
    if (begin < s->first.ns) {
        s->first = (fact_moment){begin, at->place};
        s->shown_ns = shown_ns;
    }
    if (begin > s->last.ns) {
        s->last = (fact_moment){begin, at->place};
    }
}

/* ---- identities ---- */

static uint64_t id_key(const facts *f, const uint8_t id[FACT_ID_LEN])
{
    return hash_bytes(&f->key, id, FACT_ID_LEN, 6);
}

uint32_t facts_first_with(const facts *f, const uint8_t id[FACT_ID_LEN])
{
    uint32_t index = table_find(&f->ids, id_key(f, id));

    return index == NONE ? NONE : ((const fact_id *)fact_at(&f->ids, index))->identities;
}

void facts_identity(facts *f, uint32_t endpoint, const uint8_t id[FACT_ID_LEN], const uint8_t version[2],
                    const fact_moment *at)
{
    uint64_t key_of_id = id_key(f, id);
    uint64_t key = hash_fold(key_of_id ^ f->key.k[0], endpoint ^ f->key.k[3]);
    uint32_t index = table_find(&f->identities, key);
    uint32_t with = table_find(&f->ids, key_of_id);
    static const uint8_t zero[FACT_ID_LEN];
    fact_identity *i;
    fact_id *of;

    if (memcmp(id, zero, sizeof zero) == 0) {
        return; /* no node's own id */
    }

    if (index != NONE) {
        i = facts_identity_at(f, index);
        if (at->ns < i->first.ns) {
            i->first = *at;
        }
        if (version[0] != 0) {
            memcpy(i->version, version, sizeof i->version);
        }
        return;
    }
    index = table_add(&f->identities, key);
    if (index == NONE) {
        return;
    }
    i = facts_identity_at(f, index);
    i->endpoint = endpoint;
    memcpy(i->id, id, FACT_ID_LEN);
    memcpy(i->version, version, sizeof i->version);
    i->first = *at;
    i->next = facts_endpoint_at(f, endpoint)->identities;
    facts_endpoint_at(f, endpoint)->identities = index;
    i->next_of = NONE;
    if (with != NONE) {
        i->next_of = ((fact_id *)fact_at(&f->ids, with))->identities;
    } else if ((with = table_add(&f->ids, key_of_id)) == NONE) {
        return;
    }
    of = fact_at(&f->ids, with);
    of->identities = index;
}
