/* test_tracker_facts.c: facts: their tables, sessions and bound.
 *
 * SPDX-License-Identifier: MIT
 */
#include "facts/facts.h"

#include "scene.h"

typedef struct store {
    facts f;
    uint64_t memory;
} store;

static void store_begin(store *s, uint64_t max_bytes)
{
    const uint8_t bytes[16] = {1, 2, 3};
    hash_key key;

    s->memory = 0;
    hash_key_init(&key, bytes);
    facts_init(&s->f, &key, max_bytes, &s->memory);
}

static krpc_endpoint numbered(uint32_t i)
{
    krpc_endpoint e;
    const uint8_t addr[4] = {198, 18, (uint8_t)(i >> 8), (uint8_t)i};

    krpc_endpoint_set(&e, addr, 4, (uint16_t)(1024 + (i >> 16)));
    return e;
}

static fact_contact *touch(store *s, uint32_t from, uint32_t to, int64_t ns, uint64_t frame, fact_what what)
{
    krpc_endpoint src = numbered(from), dst = numbered(to);
    fact_moment at = {ns, fact_place(0, frame)};

    facts_time(&s->f, ns);
    return facts_touch(&s->f, &at, &src, &dst, hash_endpoint(&s->f.key, &src), hash_endpoint(&s->f.key, &dst), what);
}

static uint32_t index_of(store *s, uint32_t number)
{
    krpc_endpoint e = numbered(number);

    return facts_find(&s->f, &e);
}

static unsigned num_sessions(store *s, uint32_t one, uint32_t other)
{
    unsigned num = 0;

    for (uint32_t i = facts_contact(&s->f, index_of(s, one), index_of(s, other)); i != NONE;
         i = facts_contact_at(&s->f, i)->older) {
        num++;
    }
    return num;
}

/* Far more than the first slots of a table: all are found again, and their records have not moved. */
static void tables_grow(void)
{
    enum { NUM = 50000 };
    store s;
    fact_contact *first;
    uint64_t small;

    store_begin(&s, UINT64_C(512) << 20);
    first = touch(&s, 0, 1, SECOND, 1, FACT_QUERY);
    small = s.memory;
    for (uint32_t i = 2; i < NUM; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(touch(&s, 0, i, SECOND + i, i, FACT_QUERY));
    }
    CU_ASSERT(s.memory > small);
    for (uint32_t i = 1; i < NUM; i++) {
        uint32_t contact = facts_contact(&s.f, index_of(&s, 0), index_of(&s, i));

        CU_ASSERT_NOT_EQUAL_FATAL(contact, NONE);
        CU_ASSERT_EQUAL(facts_contact_at(&s.f, contact)->first.ns, SECOND + (i == 1 ? 0 : i));
    }
    CU_ASSERT_PTR_EQUAL(facts_contact_at(&s.f, facts_contact(&s.f, index_of(&s, 0), index_of(&s, 1))), first);
    CU_ASSERT_EQUAL(index_of(&s, NUM), NONE);
    CU_ASSERT_EQUAL(facts_num_dropped(&s.f), 0);
    facts_clear(&s.f);
}

static void a_session_ends_with_25_seconds_of_silence(void)
{
    for (int late = 0; late < 2; late++) {
        store s;

        store_begin(&s, 1 << 20);
        touch(&s, 1, 2, 0, 1, FACT_QUERY);
        touch(&s, 2, 1, 25 * SECOND + late, 2, FACT_ANSWER);
        CU_ASSERT_EQUAL(num_sessions(&s, 1, 2), 1u + (unsigned)late);
        facts_clear(&s.f);
    }
}

static void sightings_have_sessions(void)
{
    for (int late = 0; late < 2; late++) {
        krpc_endpoint outside = numbered(9);
        fact_moment at[2] = {{SECOND, fact_place(0, 2)}, {28 * SECOND, fact_place(0, 4)}};
        const fact_sighting *seen;
        store s;

        store_begin(&s, 1 << 20);
        touch(&s, 1, 2, 0, 1, FACT_QUERY);
        facts_sight(&s.f, FACT_TOLD, index_of(&s, 1), index_of(&s, 2), &outside, 0, &at[0], at[0].ns);
        /* the query counts, not the answer */
        facts_sight(&s.f, FACT_TOLD, index_of(&s, 1), index_of(&s, 2), &outside, 25 * SECOND + late, &at[1], at[1].ns);
        seen = facts_sighting_at(&s.f, facts_endpoint_at(&s.f, index_of(&s, 1))->sightings);
        CU_ASSERT_EQUAL(seen->count, late ? 1 : 2);
        CU_ASSERT_EQUAL(seen->first.ns, late ? 25 * SECOND + 1 : 0);
        CU_ASSERT_EQUAL(seen->first.place, fact_place(0, late ? 4 : 2));
        CU_ASSERT_EQUAL(seen->last.ns, 25 * SECOND + late);
        CU_ASSERT_EQUAL(seen->last.place, fact_place(0, 4));
        CU_ASSERT_EQUAL(seen->older == NONE, !late);
        CU_ASSERT_EQUAL(seen->outside, index_of(&s, 9));
        facts_clear(&s.f);
    }
}

static void ids_lead_to_their_endpoints(void)
{
    static const uint8_t id[2][FACT_ID_LEN] = {"one", "two"};
    static const uint8_t lt[2] = {'L', 'T'}, unknown[2];
    fact_moment early = {SECOND, fact_place(0, 1)}, later = {9 * SECOND, fact_place(0, 2)};
    const fact_identity *i;
    store s;

    store_begin(&s, 1 << 20);
    touch(&s, 1, 2, SECOND, 1, FACT_QUERY);
    CU_ASSERT_EQUAL(facts_first_with(&s.f, id[0]), NONE);
    facts_identity(&s.f, index_of(&s, 1), id[0], lt, &later);
    facts_identity(&s.f, index_of(&s, 1), id[0], unknown, &early); /* the earliest moment, the known client */
    facts_identity(&s.f, index_of(&s, 2), id[0], unknown, &later);
    facts_identity(&s.f, index_of(&s, 1), id[1], unknown, &later);
    i = facts_identity_at(&s.f, facts_first_with(&s.f, id[0]));
    CU_ASSERT_EQUAL(i->endpoint, index_of(&s, 2));
    CU_ASSERT_NOT_EQUAL_FATAL(i->next_of, NONE);
    i = facts_identity_at(&s.f, i->next_of);
    CU_ASSERT_EQUAL(i->endpoint, index_of(&s, 1));
    CU_ASSERT_EQUAL(i->next_of, NONE);
    CU_ASSERT_EQUAL(i->first.ns, SECOND);
    CU_ASSERT_EQUAL(memcmp(i->version, lt, sizeof lt), 0);
    CU_ASSERT_EQUAL(s.f.identities.records.used, 3);
    facts_clear(&s.f);
}

/* ---- order ---- */

typedef struct event {
    bool back;
    fact_what what;
    int64_t ns;
    uint64_t frame;
} event;

static uint32_t random_below(uint32_t *state, uint32_t bound)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % bound;
}

static void shuffle(event *events, unsigned num, uint32_t *state)
{
    for (unsigned i = num; i > 1; i--) {
        unsigned k = random_below(state, i);
        event e = events[i - 1];

        events[i - 1] = events[k];
        events[k] = e;
    }
}

static bool is_same(const fact_contact *a, const fact_contact *b)
{
    return a->began == b->began && a->stray == b->stray && memcmp(&a->first, &b->first, sizeof a->first) == 0 &&
           memcmp(&a->last, &b->last, sizeof a->last) == 0 && memcmp(a->query, b->query, sizeof a->query) == 0 &&
           memcmp(a->answer, b->answer, sizeof a->answer) == 0 &&
           memcmp(a->last_answer_ns, b->last_answer_ns, sizeof a->last_answer_ns) == 0 &&
           memcmp(a->first_sent_ns, b->first_sent_ns, sizeof a->first_sent_ns) == 0 &&
           memcmp(a->last_sent_ns, b->last_sent_ns, sizeof a->last_sent_ns) == 0;
}

static void take(store *s, const event *events, unsigned num)
{
    for (unsigned i = 0; i < num; i++) {
        touch(s, events[i].back ? 2 : 1, events[i].back ? 1 : 2, events[i].ns, events[i].frame, events[i].what);
    }
}

/* Three sessions, each with its packets in any order: the same sessions as in order. Packets are at most gap apart. */
static bool order_is_nothing(int64_t gap)
{
    enum { NUM = 8 };
    uint32_t state = 7;

    for (int round = 0; round < 500; round++) {
        event events[3][NUM];
        int64_t ns = SECOND;
        store in_order, any_order;
        uint32_t i, k;

        store_begin(&in_order, 1 << 20);
        store_begin(&any_order, 1 << 20);
        for (unsigned session = 0; session < 3; session++) {
            for (unsigned e = 0; e < NUM; e++) {
                ns += 1 + (int64_t)random_below(&state, (uint32_t)(gap / 1000)) * 1000;
                events[session][e] = (event){random_below(&state, 2) != 0, (fact_what)random_below(&state, 4), ns,
                                             session * NUM + e + 1};
            }
            ns += 26 * SECOND;
            take(&in_order, events[session], NUM);
            shuffle(events[session], NUM, &state);
            take(&any_order, events[session], NUM);
        }
        i = facts_contact(&in_order.f, index_of(&in_order, 1), index_of(&in_order, 2));
        k = facts_contact(&any_order.f, index_of(&any_order, 1), index_of(&any_order, 2));
        while (i != NONE && k != NONE && is_same(facts_contact_at(&in_order.f, i), facts_contact_at(&any_order.f, k))) {
            i = facts_contact_at(&in_order.f, i)->older;
            k = facts_contact_at(&any_order.f, k)->older;
        }
        CU_ASSERT_EQUAL(num_sessions(&in_order, 1, 2), 3);
        facts_clear(&in_order.f);
        facts_clear(&any_order.f);
        if (i != NONE || k != NONE) {
            return false;
        }
    }
    return true;
}

static void short_sessions_in_any_order(void)
{
    CU_ASSERT(order_is_nothing(3 * SECOND)); /* 8 packets in less than 25 seconds */
}

/* A packet may come that lies between two sessions and makes them one. */
static void long_sessions_in_any_order(void)
{
    CU_ASSERT(order_is_nothing(24 * SECOND));
}

static unsigned num_in_chain(store *s, uint32_t number)
{
    uint32_t endpoint = index_of(s, number);
    unsigned num = 0;

    for (uint32_t i = facts_endpoint_at(&s->f, endpoint)->contacts; i != NONE; num++) {
        const fact_contact *c = facts_contact_at(&s->f, i);

        i = c->next[fact_side(c, endpoint)];
    }
    return num;
}

/* The late packet joins the newest two of three sessions, or the oldest two; other sessions of both ends lie between
 * them in the chains, and stay. */
static void a_late_packet_joins_two_sessions(void)
{
    for (int oldest = 0; oldest < 2; oldest++) {
        int64_t late = oldest != 0 ? 20 * SECOND : 60 * SECOND;
        const fact_contact *c;
        store s;

        store_begin(&s, 1 << 20);
        for (int i = 0; i < 3; i++) {
            touch(&s, 1, 2, 40 * i * SECOND, (uint64_t)(10 * i + 1), FACT_QUERY);
            touch(&s, 2, 1, 40 * i * SECOND + 1, (uint64_t)(10 * i + 2), i == 0 ? FACT_STRAY : FACT_ANSWER);
            touch(&s, 1, 3, 40 * i * SECOND + 2, (uint64_t)(10 * i + 3), FACT_QUERY);
            touch(&s, 4, 2, 40 * i * SECOND + 3, (uint64_t)(10 * i + 4), FACT_QUERY);
        }
        CU_ASSERT_EQUAL(num_sessions(&s, 1, 2), 3);
        CU_ASSERT_EQUAL(num_in_chain(&s, 1), 6);
        CU_ASSERT_EQUAL(num_in_chain(&s, 2), 6);
        touch(&s, 2, 1, late, 99, FACT_QUERY);
        CU_ASSERT_EQUAL(num_sessions(&s, 1, 2), 2);
        CU_ASSERT_EQUAL(num_in_chain(&s, 1), 5);
        CU_ASSERT_EQUAL(num_in_chain(&s, 2), 5);
        CU_ASSERT_EQUAL(num_sessions(&s, 1, 3), 3);
        CU_ASSERT_EQUAL(num_sessions(&s, 4, 2), 3);
        c = facts_contact_at(&s.f, facts_contact(&s.f, index_of(&s, 1), index_of(&s, 2)));
        c = oldest != 0 ? facts_contact_at(&s.f, c->older) : c;
        CU_ASSERT_EQUAL(c->first.ns, oldest != 0 ? 0 : 40 * SECOND);
        CU_ASSERT_EQUAL(c->last.ns, (oldest != 0 ? 40 : 80) * SECOND + 1);
        CU_ASSERT_EQUAL(c->end[c->began], index_of(&s, 1));
        CU_ASSERT_EQUAL(c->query[fact_side(c, index_of(&s, 2))].ns, late);
        CU_ASSERT_EQUAL(c->answer[fact_side(c, index_of(&s, 2))].ns, 40 * SECOND + 1);
        facts_clear(&s.f);
    }
}

/* A stranger forges a packet from an endpoint to itself: the endpoint's other sessions are still found. */
static void a_packet_to_its_own_sender(void)
{
    store s;

    store_begin(&s, 1 << 20);
    touch(&s, 1, 2, 0, 1, FACT_QUERY);
    touch(&s, 1, 1, SECOND, 2, FACT_QUERY);
    CU_ASSERT_EQUAL(num_in_chain(&s, 1), 2);
    touch(&s, 1, 1, 41 * SECOND, 3, FACT_QUERY);
    CU_ASSERT_EQUAL(num_in_chain(&s, 1), 3);
    touch(&s, 1, 1, 20 * SECOND, 4, FACT_QUERY);
    CU_ASSERT_EQUAL(num_in_chain(&s, 1), 2);
    CU_ASSERT_EQUAL(num_sessions(&s, 1, 1), 1);
    facts_clear(&s.f);
}

/* ---- the bound ---- */

static void a_full_table_counts_what_it_drops(void)
{
    store s;
    unsigned num = 0;
    uint64_t full;

    store_begin(&s, 256 << 10);
    while (touch(&s, 0, num + 1, SECOND, num + 1, FACT_QUERY) != NULL) {
        num++;
        CU_ASSERT_FATAL(num < 10000);
    }
    CU_ASSERT(num >= 63);
    CU_ASSERT_EQUAL(facts_num_dropped(&s.f), 1);
    full = s.memory;
    for (uint32_t i = 0; i < 10000; i++) {
        CU_ASSERT_PTR_NULL(touch(&s, 0, num + 1 + i, SECOND, num + 1 + i, FACT_QUERY));
    }
    CU_ASSERT_EQUAL(facts_num_dropped(&s.f), 10001);
    CU_ASSERT_EQUAL(s.memory, full);
    for (uint32_t i = 0; i < num; i++) { /* those that are there stay */
        CU_ASSERT_NOT_EQUAL(facts_contact(&s.f, index_of(&s, 0), index_of(&s, i + 1)), NONE);
    }
    facts_clear(&s.f);
}

/* Two strangers get in. Whether facts were dropped, too, decides whether that is known. */
static void dropped_facts_make_verdicts_unknown(void)
{
    for (int full = 0; full < 2; full++) {
        tracker_options o = {0};
        char remote[32];
        tracker_node n;
        scene s;

        o.max_memory = full != 0 ? 64 << 10 : 0;
        scene_begin_with(&s, &o);
        SAY(&s, "192.0.2.77:1", "192.168.1.2:6881", PING, .t = "aa", .id = 'r');
        s.now += 301 * SECONDS;
        for (int i = 0; i < 2; i++) {
            snprintf(remote, sizeof remote, "198.5%d.100.1:7000", 1 + i);
            SAY(&s, remote, "192.168.1.2:6881", PING, .t = "ab", .id = 'r');
            SAY(&s, "192.168.1.2:6881", remote, .t = "ab", .id = 'q');
        }
        for (int i = 0; i < 5000; i++) { /* a stranger's spoofed queries */
            snprintf(remote, sizeof remote, "198.%d.%d.1:7000", 18 + i / 200, i % 200);
            SAY(&s, remote, "192.168.1.9:6881", PING, .t = "fl", .id = 'f');
        }
        n = node_of(&s, "192.168.1.2:6881");
        CU_ASSERT_EQUAL(stats_of(&s).dropped_facts != 0, full != 0);
        UNIT_TEXT(tracker_reach_name(n.reach.verdict),
                  tracker_reach_name(full != 0 ? TRACKER_REACH_UNKNOWN : TRACKER_REACH_OPEN));
        CU_ASSERT_EQUAL((n.reach.missing & 1u << TRACKER_MISSING_INCOMPLETE) != 0, full != 0);
        scene_end(&s);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(tables_grow),
        UNIT_TEST(a_session_ends_with_25_seconds_of_silence),
        UNIT_TEST(sightings_have_sessions),
        UNIT_TEST(ids_lead_to_their_endpoints),
        UNIT_TEST(short_sessions_in_any_order),
        UNIT_TEST(long_sessions_in_any_order),
        UNIT_TEST(a_late_packet_joins_two_sessions),
        UNIT_TEST(a_packet_to_its_own_sender),
        UNIT_TEST(a_full_table_counts_what_it_drops),
        UNIT_TEST(dropped_facts_make_verdicts_unknown),
    };

    return UNIT_RUN("tracker facts", tests);
}
