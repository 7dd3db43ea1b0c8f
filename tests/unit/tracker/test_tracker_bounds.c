/* test_tracker_bounds.c: memory is bounded, dropped records are counted, and no attacker can make the tracker slow.
 *
 * The attacker here is stronger than a real one: the key of the hash is fixed, and the test chooses endpoints by their
 * effect on the tables.
 *
 * SPDX-License-Identifier: MIT
 */
#include <time.h>

#include "scene.h"

static tracker_options small(void)
{
    tracker_options o;

    memset(&o, 0, sizeof o);
    o.max_nodes = 4096;
    o.max_transactions = 4096;
    o.max_adverts = 1024;
    o.max_memory = 1 << 20;
    test_key_set(&o, 7);
    return o;
}

typedef struct feed {
    tracker *t;
    krpc_message query;
    uint8_t packet[256];
    size_t len;
    tracker_packet p;
} feed;

static void feed_begin(feed *f, tracker *t)
{
    uint8_t room[256];
    krpc_builder b;

    memset(f, 0, sizeof *f);
    f->t = t;
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, "aaaa", 4);
    krpc_builder_method(&b, KRPC_METHOD_PING);
    krpc_builder_bytes(&b, KRPC_A_ID, "abcdefghijklmnopqrst", 20);
    f->len = krpc_builder_encode(&b, f->packet, sizeof f->packet);
    krpc_message_decode(&f->query, f->packet, f->len, f->len, NULL);
    f->p.src = ep("198.51.100.1:1000");
    f->p.dst = ep("192.0.2.1:6881");
    f->p.time_ns = INT64_C(1700000000) * SECONDS;
}

static void feed_one(feed *f, const krpc_endpoint *src, const krpc_endpoint *dst, uint32_t t, uint32_t id)
{
    tracker_result result;

    memcpy(f->packet + f->query.value[KRPC_T].off, &t, 4);
    memcpy(f->packet + f->query.value[KRPC_A_ID].off, &id, 4);
    f->p.frame++;
    f->p.time_ns += 50000;
    f->p.src = *src;
    f->p.dst = *dst;
    tracker_message(f->t, &f->p, &f->query, f->packet, NULL, &result, NULL);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static krpc_endpoint numbered(uint32_t n)
{
    uint8_t addr[4] = {(uint8_t)(20 + (n >> 24) % 60), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    krpc_endpoint e;

    krpc_endpoint_set(&e, addr, 4, (uint16_t)(1024 + n % 60000));
    return e;
}

/* The usual traffic of a few thousand nodes: attacks are compared with this. */
static double usual(uint32_t num)
{
    tracker_options o = small();
    tracker *t = tracker_new(&o);
    krpc_endpoint to = ep("192.0.2.1:6881");
    feed f;
    double begin;

    feed_begin(&f, t);
    begin = cpu_seconds();
    for (uint32_t i = 0; i < num; i++) {
        krpc_endpoint from = numbered(i * UINT32_C(2654435761) % 3000);

        feed_one(&f, &from, &to, i, i % 3000);
    }
    begin = cpu_seconds() - begin;
    tracker_free(t);
    return begin;
}

#define NUM 30000

/* Prints the time of an attack compared with usual traffic, for a person to read. The test does not depend on it. */
static void compare(const char *name, double (*attack)(uint32_t num))
{
    double a = usual(NUM);
    double b = attack(NUM);

    printf("\n    %s: %.0f ns a packet, usual %.0f\n", name, b / NUM * 1e9, a / NUM * 1e9);
}

static double new_nodes_run(uint32_t num)
{
    tracker_options o = small();
    tracker *t = tracker_new(&o);
    krpc_endpoint to = ep("192.0.2.1:6881");
    tracker_stats half, stats;
    double begin;
    feed f;

    feed_begin(&f, t);
    begin = cpu_seconds();
    for (uint32_t i = 0; i < num; i++) {
        krpc_endpoint from = numbered(i);

        feed_one(&f, &from, &to, i, i);
        if (i == num / 2) {
            tracker_stats_get(t, &half);
        }
    }
    begin = cpu_seconds() - begin;
    tracker_stats_get(t, &stats);
    CU_ASSERT_EQUAL(stats.memory, half.memory);
    CU_ASSERT(tracker_num_nodes(t) <= o.max_nodes);
    CU_ASSERT(tracker_num_nodes(t) > o.max_nodes / 2);
    CU_ASSERT_EQUAL(stats.dropped_nodes + tracker_num_nodes(t), num);
    for (uint32_t i = 0; i < tracker_num_nodes(t); i++) {
        tracker_node n, found;

        CU_ASSERT(tracker_node_get(t, i, &n) && tracker_node_find(t, &n.endpoint, &found));
        CU_ASSERT_EQUAL(n.first_frame, found.first_frame);
    }
    tracker_free(t);
    return begin;
}

/* All nodes at one address, as inside a huge NAT, or made by an attacker with one host; each with another id, or all
 * with the same. */
static double one_address(uint32_t num, bool one_id)
{
    tracker_options o = small();
    tracker *t = tracker_new(&o);
    krpc_endpoint to = ep("192.0.2.1:6881");
    krpc_endpoint from = ep("198.51.100.1:0");
    double begin;
    feed f;

    feed_begin(&f, t);
    begin = cpu_seconds();
    for (uint32_t i = 0; i < num; i++) {
        from.port = (uint16_t)(1 + i % 65000);
        feed_one(&f, &from, &to, i, one_id ? 1 : i);
    }
    begin = cpu_seconds() - begin;
    tracker_free(t);
    return begin;
}

static double one_address_run(uint32_t num)
{
    return one_address(num, false);
}

static double one_id_run(uint32_t num)
{
    return one_address(num, true);
}

static void endless_new_nodes(void)
{
    compare("endless new nodes", new_nodes_run);
}

static void endless_ports_of_one_address(void)
{
    compare("endless ports of one address", one_address_run);
}

static void one_id_everywhere(void)
{
    compare("one id on all ports", one_id_run);
}

/* With very small tables, all records fall into one or two sets, as if an attacker had chosen them. */
static double crowded(bool one_querier, uint32_t num)
{
    tracker_options o = small();
    tracker *t;
    feed f;
    double begin;

    o.max_nodes = 16;
    o.max_transactions = 64;
    t = tracker_new(&o);
    feed_begin(&f, t);
    begin = cpu_seconds();
    for (uint32_t i = 0; i < num; i++) {
        krpc_endpoint to = numbered(i * UINT32_C(2654435761) % 3000);
        krpc_endpoint from = one_querier ? numbered(7) : numbered(i % 3000);

        feed_one(&f, &from, &to, one_querier ? 5 : i, i % 3000); /* one transaction id for all, or one bucket */
    }
    begin = cpu_seconds() - begin;
    CU_ASSERT(tracker_num_nodes(t) <= 16);
    tracker_free(t);
    return begin;
}

static double one_bucket_run(uint32_t num)
{
    return crowded(false, num);
}

static double one_transaction_id_run(uint32_t num)
{
    return crowded(true, num);
}

static void one_bucket(void)
{
    compare("one bucket", one_bucket_run);
}

static void one_transaction_id(void)
{
    compare("one transaction id", one_transaction_id_run);
}

/* An endpoint that sends one query needs at most 600 bytes, with its facts and all records that belong to it. */
static void memory_for_each_endpoint(void)
{
    tracker_options o = small();
    krpc_endpoint to = ep("192.0.2.1:6881");
    tracker_stats before, after;
    tracker *t;
    feed f;

    o.max_nodes = 131072;
    o.max_memory = 0;
    t = tracker_new(&o);
    feed_begin(&f, t);
    tracker_stats_get(t, &before);
    for (uint32_t i = 0; i < 44000; i++) {
        krpc_endpoint from = numbered(i);

        feed_one(&f, &from, &to, i, i);
    }
    tracker_stats_get(t, &after);
    CU_ASSERT(tracker_num_nodes(t) == 44000);
    CU_ASSERT((after.memory - before.memory) / 44000 <= 600);
    tracker_free(t);
    o.max_transactions = 0;
    o.max_adverts = 0;
    t = tracker_new(&o);
    feed_begin(&f, t);
    for (uint32_t i = 0; i < 44000; i++) {
        krpc_endpoint from = numbered(i);

        feed_one(&f, &from, &to, i, i);
    }
    tracker_stats_get(t, &after);
    CU_ASSERT(after.memory <= 36u << 20);
    CU_ASSERT_EQUAL(after.dropped_nodes, 0);
    tracker_free(t);
}

static void transactions_are_dropped_and_counted(void)
{
    tracker_options o = small();
    krpc_endpoint from = ep("198.51.100.1:1000");
    krpc_endpoint to = ep("192.0.2.1:6881");
    tracker_stats stats;
    tracker *t;
    feed f;

    o.max_transactions = 64;
    t = tracker_new(&o);
    feed_begin(&f, t);
    for (uint32_t i = 0; i < 1000; i++) {
        feed_one(&f, &from, &to, i, 1);
    }
    tracker_stats_get(t, &stats);
    CU_ASSERT(stats.dropped_transactions >= 1000 - 64);
    tracker_finish(t);
    tracker_stats_get(t, &stats);
    CU_ASSERT_EQUAL(stats.dropped_transactions + stats.unanswered, 1000);
    tracker_free(t);
}

/* ---- replacing records ---- */

#define ROOM 20 /* nodes: four sets of sixteen places */

static tracker *room_for_few(feed *f)
{
    tracker_options o = small();
    tracker *t;

    o.max_nodes = ROOM;
    t = tracker_new(&o);
    feed_begin(f, t);
    return t;
}

static void speak_as(feed *f, uint32_t n)
{
    krpc_endpoint from = numbered(n);
    krpc_endpoint to = ep("192.0.2.1:6881");

    feed_one(f, &from, &to, f->p.frame, n);
}

static bool is_there(const feed *f, uint32_t n)
{
    krpc_endpoint e = numbered(n);
    tracker_node found;

    return tracker_node_find(f->t, &e, &found);
}

/* share_a_set returns whether b, as a new node, evicts a, which is silent for longer than any other node. Where the set
 * of b is empty, the first record of all is evicted: that is another one. */
static bool share_a_set(uint32_t a, uint32_t b)
{
    feed f;
    tracker *t = room_for_few(&f);
    bool gone;

    speak_as(&f, 100000);
    speak_as(&f, a);
    for (uint32_t i = 1; i < ROOM - 1; i++) {
        speak_as(&f, 100000 + i);
    }
    speak_as(&f, 100000);
    speak_as(&f, b);
    gone = !is_there(&f, a);
    tracker_free(t);
    return gone;
}

static void expect_all_found(feed *f)
{
    CU_ASSERT_EQUAL(tracker_num_nodes(f->t), ROOM);
    for (uint32_t i = 0; i < ROOM; i++) {
        tracker_node n, found;

        CU_ASSERT(tracker_node_get(f->t, i, &n) && tracker_node_find(f->t, &n.endpoint, &found));
        CU_ASSERT_EQUAL(n.first_frame, found.first_frame);
    }
}

/* All records are in use, and none is in the set of a new node: a node of another set is dropped, and its place in that
 * set stays free. */
static void another_set_gives_way(void)
{
    uint32_t others[ROOM + 1];
    uint32_t num = 0;
    uint32_t second = 2;
    tracker_stats stats;
    feed f;
    tracker *t;

    for (uint32_t n = 2; num < ROOM + 1; n++) {
        if (!share_a_set(1, n)) {
            others[num++] = n;
        }
    }
    while (!share_a_set(1, second)) {
        second++;
    }
    t = room_for_few(&f);
    for (uint32_t i = 0; i < ROOM; i++) {
        speak_as(&f, others[i]);
    }
    expect_all_found(&f);
    speak_as(&f, 1);
    CU_ASSERT(is_there(&f, 1) && !is_there(&f, others[0]));
    expect_all_found(&f);
    for (uint32_t i = 1; i <= ROOM;
         i++) { /* now this one is the least recently heard of all, but in none of their sets */
        speak_as(&f, others[i]);
    }
    speak_as(&f, others[0]);
    CU_ASSERT(is_there(&f, 1));
    expect_all_found(&f);
    speak_as(&f, second);
    CU_ASSERT(is_there(&f, second) && !is_there(&f, 1));
    expect_all_found(&f);
    tracker_stats_get(t, &stats);
    CU_ASSERT_EQUAL(stats.dropped_nodes, 4);
    tracker_free(t);
}

/* When any node is dropped, the others of its address are still found. */
static void the_rest_of_an_address_stays(void)
{
    static const char *const nodes[] = {"198.51.100.1:1001", "198.51.100.1:1002", "198.51.100.1:1003",
                                        "198.51.100.1:1004"};
    static const char to[] = "192.0.2.1:6881";

    for (int gone = 0; gone < 4; gone++) {
        krpc_endpoint e = ep(nodes[gone]);
        tracker_node found;
        bool pushed = false;

        for (int n = 1; n < 100 && !pushed; n++) { /* until a node comes that replaces this one */
            tracker_options o = small();
            char other[32];
            scene s;

            o.max_nodes = ROOM;
            scene_begin_with(&s, &o);
            for (int i = 0; i < 4; i++) {
                SAY(&s, nodes[i], to, PING, .id = (char)('a' + i), .v = "LT");
            }
            for (int i = 4; i < ROOM; i++) {
                snprintf(other, sizeof other, "198.18.%d.1:1000", i);
                SAY(&s, other, to, PING, .id = (char)('a' + i));
            }
            for (int i = 0; i < 4; i++) {
                if (i != gone) {
                    SAY(&s, nodes[i], to, PING, .id = (char)('a' + i), .v = "LT", .t = "ab");
                }
            }
            snprintf(other, sizeof other, "198.19.%d.1:1000", n);
            SAY(&s, other, to, PING, .id = 'Z');
            CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 0);
            pushed = !tracker_node_find(s.t, &e, &found);
            if (pushed) { /* three are left, with two clients */
                SAY(&s, nodes[gone == 3 ? 0 : 3], to, PING, .id = 'Y', .v = "UT", .t = "ac");
                CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 1);
                CU_ASSERT_EQUAL(LAST(&s, ID_MANY_AT_ADDRESS).a, 3);
            }
            scene_end(&s);
        }
        CU_ASSERT(pushed);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(endless_new_nodes),
        UNIT_TEST(endless_ports_of_one_address),
        UNIT_TEST(one_id_everywhere),
        UNIT_TEST(one_bucket),
        UNIT_TEST(one_transaction_id),
        UNIT_TEST(memory_for_each_endpoint),
        UNIT_TEST(transactions_are_dropped_and_counted),
        UNIT_TEST(another_set_gives_way),
        UNIT_TEST(the_rest_of_an_address_stays),
    };

    return UNIT_RUN("tracker bounds", tests);
}
