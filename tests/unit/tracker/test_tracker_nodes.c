/* test_tracker_nodes.c: the counters of a node and of the tracker, and the order of the nodes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

static void each_message_counts_for_its_sender(void)
{
    scene s;
    tracker_node n;
    tracker_stats stats;
    int64_t first, last;

    scene_begin(&s);
    first = s.now + s.step;
    SAY(&s, "10.0.0.1:6881", "10.0.0.2:6881", PING, .t = "a1", .v = "LT"); /* 1 */
    SAY(&s, "10.0.0.2:6881", "10.0.0.1:6881", .t = "a1", .id = 'b');       /* 2 */
    SAY(&s, "10.0.0.1:6881", "10.0.0.2:6881", FIND_NODE, .t = "a2", .target = "x", .v = "LT");
    SAY(&s, "10.0.0.2:6881", "10.0.0.1:6881", .t = "a2", .id = 'b', .nodes = "10.0.0.9:1");
    SAY(&s, "10.0.0.1:6881", "10.0.0.2:6881", PING, .t = "a3", .v = "LT");
    SAY(&s, "10.0.0.2:6881", "10.0.0.1:6881", .t = "a3", .error = 203); /* 6 */
    SAY(&s, "10.0.0.2:6881", "10.0.0.1:6881", PING, .t = "b1", .id = 'b');
    last = s.now;

    n = node_of(&s, "10.0.0.1:6881");
    CU_ASSERT_EQUAL(n.queries, 3);
    CU_ASSERT_EQUAL(n.responses, 0);
    CU_ASSERT_EQUAL(n.errors, 0);
    CU_ASSERT_EQUAL(n.queries_received, 1);
    CU_ASSERT_EQUAL(n.first_frame, 1);
    CU_ASSERT_EQUAL(n.last_frame, 5);
    CU_ASSERT_EQUAL(n.first_ns, first);
    CU_ASSERT_EQUAL(n.last_ns, first + 4 * s.step);
    CU_ASSERT_EQUAL(n.num_ids, 1);
    CU_ASSERT_EQUAL(n.version_len, 4);
    CU_ASSERT_EQUAL(memcmp(n.version, "LT", 2), 0);

    n = node_of(&s, "10.0.0.2:6881");
    CU_ASSERT_EQUAL(n.queries, 1);
    CU_ASSERT_EQUAL(n.responses, 2);
    CU_ASSERT_EQUAL(n.errors, 1);
    CU_ASSERT_EQUAL(n.queries_received, 3); /* at the first query it had not sent anything yet */
    CU_ASSERT_EQUAL(n.first_frame, 2);
    CU_ASSERT_EQUAL(n.last_frame, 7);
    CU_ASSERT_EQUAL(n.last_ns, last);
    CU_ASSERT_EQUAL(n.version_len, 0);

    stats = stats_of(&s);
    CU_ASSERT_EQUAL(stats.packets, 7);
    CU_ASSERT_EQUAL(stats.queries[KRPC_METHOD_PING], 3);
    CU_ASSERT_EQUAL(stats.queries[KRPC_METHOD_FIND_NODE], 1);
    CU_ASSERT_EQUAL(stats.responses, 2);
    CU_ASSERT_EQUAL(stats.errors, 1);
    CU_ASSERT_EQUAL(stats.others, 0);
    CU_ASSERT_EQUAL(stats.matched, 3);
    CU_ASSERT_EQUAL(stats.dropped_nodes, 0);
    scene_end(&s);
}

/* Queries before its first message are counted too, separately for each endpoint. */
static void asked_before_it_speaks(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "192.0.2.1:6881", "198.51.100.7:6881", PING, .t = "a1");
    SAY(&s, "192.0.2.1:6881", "198.51.100.7:6882", PING, .t = "a2");
    SAY(&s, "192.0.2.2:6881", "198.51.100.7:6881", PING, .t = "a3", .id = 'b');
    SAY(&s, "192.0.2.1:6881", "198.51.100.7:6881", PING, .t = "a1"); /* again */
    SAY(&s, "198.51.100.7:6881", "192.0.2.1:6881", .t = "a1", .id = 'c');
    CU_ASSERT_EQUAL(node_of(&s, "198.51.100.7:6881").queries_received, 3);
    SAY(&s, "192.0.2.2:6881", "198.51.100.7:6881", PING, .t = "a4", .id = 'b');
    SAY(&s, "198.51.100.7:6882", "192.0.2.1:6881", PING, .t = "d1", .id = 'd');
    CU_ASSERT_EQUAL(node_of(&s, "198.51.100.7:6881").queries_received, 4);
    CU_ASSERT_EQUAL(node_of(&s, "198.51.100.7:6882").queries_received, 1);
    CU_ASSERT_EQUAL(node_of(&s, "192.0.2.1:6881").queries_received, 1);
    CU_ASSERT_EQUAL(node_of(&s, "192.0.2.2:6881").queries_received, 0);
    scene_end(&s);
}

/* Of more than the table holds some are dropped, but no node gets the count of another one. */
static void asked_are_very_many(void)
{
    const uint32_t num = 50000;
    unsigned kept = 0, wrong = 0;
    scene s;
    krpc_message m;

    scene_begin(&s);
    SAY(&s, "192.0.2.1:6881", "198.51.100.7:6881", PING);
    krpc_message_decode(&m, s.packet, s.len, s.len, NULL);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = round * (num - 2000); i < num; i++) {
            tracker_packet p = scene_packet(&s, "192.0.2.1:6881", "203.0.0.0:6881");
            krpc_endpoint *other = round == 0 ? &p.dst : &p.src;

            p.src.addr[0] = round == 0 ? 192 : 203;
            other->addr[1] = (uint8_t)(i >> 16);
            other->addr[2] = (uint8_t)(i >> 8);
            other->addr[3] = (uint8_t)i;
            tracker_message(s.t, &p, &m, s.packet, NULL, NULL, NULL);
            if (round == 1) {
                tracker_node n;

                CU_ASSERT_TRUE(tracker_node_find(s.t, &p.src, &n));
                kept += n.queries_received == 1;
                wrong += n.queries_received > 1;
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(kept > 1500);
    scene_end(&s);
}

/* A node that was dropped and returns starts again. */
static void who_comes_back_begins_anew(void)
{
    tracker_options o;
    scene s;
    char endpoint[32];

    memset(&o, 0, sizeof o);
    o.max_nodes = 16;
    scene_begin_with(&s, &o);
    SAY(&s, "192.0.2.1:6881", "198.51.100.7:6881", PING, .t = "a1");
    SAY(&s, "198.51.100.7:6881", "192.0.2.1:6881", .t = "a1", .id = 'c');
    for (int i = 1; i <= 200; i++) {
        snprintf(endpoint, sizeof endpoint, "203.0.113.%d:6881", i);
        SAY(&s, endpoint, "192.0.2.99:1", PING, .t = "x1", .id = 'x');
    }
    SAY(&s, "198.51.100.7:6881", "192.0.2.99:1", PING, .t = "b1", .id = 'c');
    CU_ASSERT_EQUAL(node_of(&s, "198.51.100.7:6881").queries, 1);
    CU_ASSERT_EQUAL(node_of(&s, "198.51.100.7:6881").queries_received, 0);
    scene_end(&s);
}

/* Sorted by address and port, including those that came after nodes were read. */
static void nodes_are_given_in_order(void)
{
    static const char *const arrivals[] = {"10.0.0.2:6881", "10.0.0.1:7000", "192.0.2.1:5", "6:1:6881",
                                           "10.0.0.1:6881"};
    static const char *const sorted[] = {"10.0.0.1:6881", "10.0.0.1:7000", "10.0.0.2:6881", "192.0.2.1:5", "6:1:6881"};
    scene s;
    tracker_node n;

    scene_begin(&s);
    CU_ASSERT_EQUAL(tracker_num_nodes(s.t), 0);
    CU_ASSERT_FALSE(tracker_node_get(s.t, 0, &n));
    for (uint32_t i = 0; i < 5; i++) {
        SAY(&s, arrivals[i], arrivals[i][0] == '6' ? "6:9:1" : "203.0.113.1:6881", PING, .id = (char)('a' + i));
        CU_ASSERT_EQUAL(tracker_num_nodes(s.t), i + 1);
        for (uint32_t j = 0; j <= i; j++) {
            krpc_endpoint before = n.endpoint;

            memset(&n, 0x5a, sizeof n); /* no member keeps its old value */
            CU_ASSERT_TRUE(tracker_node_get(s.t, j, &n));
            CU_ASSERT(j == 0 || krpc_endpoint_compare(&before, &n.endpoint) < 0);
            CU_ASSERT_EQUAL(n.queries, 1);
            CU_ASSERT_EQUAL(n.responses, 0);
            CU_ASSERT_EQUAL(n.queries_received, 0);
            CU_ASSERT_EQUAL(n.nat.num_external, 0);
            CU_ASSERT_EQUAL(n.nat.evidence, 0);
        }
        CU_ASSERT_FALSE(tracker_node_get(s.t, i + 1, &n));
    }
    for (uint32_t i = 0; i < 5; i++) {
        krpc_endpoint want = ep(sorted[i]);

        CU_ASSERT_TRUE(tracker_node_get(s.t, i, &n));
        CU_ASSERT_TRUE(krpc_endpoint_equal(&n.endpoint, &want));
    }
    scene_end(&s);
}

/* With room for sixteen: a node that has sent is there, a node that was replaced is not, and each is found by its own
 * endpoint. */
static void whoever_is_longest_silent_gives_way(void)
{
    tracker_options options;
    scene s;
    tracker_node n, found;
    char one[32];

    memset(&options, 0, sizeof options);
    test_key_set(&options, 7);
    options.max_nodes = 16;
    scene_begin_with(&s, &options);
    for (int i = 0; i < 200; i++) {
        SAY(&s, "198.51.100.1:6881", "203.0.113.1:6881", PING, .t = "k1"); /* it sends all the time */
        snprintf(one, sizeof one, "198.51.100.%d:%d", 2 + i % 50, 1000 + i);
        SAY(&s, one, "203.0.113.1:6881", PING, .id = (char)('b' + i % 20));
        CU_ASSERT_EQUAL(node_of(&s, one).first_frame, s.frame);
        CU_ASSERT_EQUAL(node_of(&s, "198.51.100.1:6881").first_frame, 1);
        CU_ASSERT_EQUAL(node_of(&s, "198.51.100.1:6881").queries, (uint32_t)(i + 1));
        CU_ASSERT_EQUAL(tracker_num_nodes(s.t), (uint32_t)(i < 14 ? i + 2 : 16));
        CU_ASSERT_EQUAL(stats_of(&s).dropped_nodes, (uint64_t)(i < 15 ? 0 : i - 14));
        for (uint32_t k = 0; k < tracker_num_nodes(s.t); k++) {
            CU_ASSERT_TRUE(tracker_node_get(s.t, k, &n));
            CU_ASSERT_TRUE(tracker_node_find(s.t, &n.endpoint, &found));
            CU_ASSERT_EQUAL(n.first_frame, found.first_frame);
        }
    }
    scene_end(&s);
}

/* The newest version counts, up to four bytes; other members of the node do not change. */
static void a_version_that_changes(void)
{
    scene s;
    tracker_node n;

    scene_begin(&s);
    SAY(&s, "198.51.100.1:6881", "203.0.113.1:6881", PING, .v = "LT");
    n = node_of(&s, "198.51.100.1:6881");
    CU_ASSERT_EQUAL(n.nat.num_external, 0);
    CU_ASSERT_EQUAL(n.nat.evidence, 0);
    SAY(&s, "203.0.113.1:6881", "198.51.100.1:6881", .id = 'b', .ip = "198.51.100.1:6881", .v = "UT");
    SAY(&s, "198.51.100.1:6881", "203.0.113.1:6881", PING, .t = "ab", .v = "TR");
    SAY(&s, "198.51.100.1:6881", "203.0.113.1:6881", PING, .t = "ac");
    n = node_of(&s, "198.51.100.1:6881");
    CU_ASSERT_EQUAL(n.version_len, 4);
    CU_ASSERT_EQUAL(memcmp(n.version, "TR\1\2", 4), 0);
    CU_ASSERT_EQUAL(n.nat.num_external, 1);
    CU_ASSERT_EQUAL(n.nat.external[0].observers, 1);
    CU_ASSERT_EQUAL(n.nat.mapping, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
}

/* A node that sent ro=1 and responds is reported once. */
static void a_read_only_node_that_answers_is_told_once(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "10.0.0.1:6881", "10.0.0.2:6881", PING, .t = "a1", .ro = 1);
    for (int i = 0; i < 3; i++) {
        SAY(&s, "10.0.0.2:6881", "10.0.0.1:6881", PING, .t = "b1", .id = 'b');
        SAY(&s, "10.0.0.1:6881", "10.0.0.2:6881", .t = "b1");
    }
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_READ_ONLY_ANSWERS), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_READ_ONLY_ANSWERS).a, 1);
    CU_ASSERT_EQUAL(node_of(&s, "10.0.0.1:6881").read_only, 1);
    CU_ASSERT_EQUAL(node_of(&s, "10.0.0.2:6881").read_only, 0);
    scene_end(&s);
}

/* ---- replacing nodes ---- */

#define ROOM 20 /* nodes: four sets of sixteen places */
#define TO   "203.0.113.1:6881"

static void begin_with_room(scene *s, unsigned key, uint32_t max)
{
    tracker_options options;

    memset(&options, 0, sizeof options);
    test_key_set(&options, key);
    options.max_nodes = max;
    scene_begin_with(s, &options);
}

static const char *numbered(int n)
{
    static char text[32];

    snprintf(text, sizeof text, "198.18.%d.%d:1000", n / 250, 1 + n % 250);
    return text;
}

static bool is_there(const scene *s, const char *endpoint)
{
    krpc_endpoint e = ep(endpoint);
    tracker_node found;

    return tracker_node_find(s->t, &e, &found);
}

/* share_a_set returns whether b, as a new node, evicts a, which is silent for longer than any other node. Where the set
 * of b is empty, the first record of all is evicted: that is another one. */
static bool share_a_set(int a, int b)
{
    scene s;
    bool gone;

    begin_with_room(&s, 7, ROOM);
    SAY(&s, numbered(1000), TO, PING);
    SAY(&s, numbered(a), TO, PING);
    for (int i = 1; i < ROOM - 1; i++) {
        SAY(&s, numbered(1000 + i), TO, PING);
    }
    SAY(&s, numbered(1000), TO, PING, .t = "ab");
    SAY(&s, numbered(b), TO, PING);
    gone = !is_there(&s, numbered(a));
    scene_end(&s);
    return gone;
}

/* A node with an empty set replaces a node of another set. If that was the only one of its set and returns, its set is
 * empty again: no node of that set can be replaced, and not the node that came instead. */
static void a_set_whose_only_node_gave_way(void)
{
    enum { FIRST = 1 };
    int second = FIRST;
    int others[ROOM - 1];
    int num_in[2] = {0};
    int num = 0;
    scene s;

    while (second == FIRST || share_a_set(FIRST, second)) {
        second++;
    }
    /* half of them in each of the other two sets, so that none is full */
    for (int n = second + 1; num < ROOM - 1; n++) {
        int which = num > 0 && !share_a_set(others[0], n);

        if (num_in[which] < ROOM / 2 && !share_a_set(FIRST, n) && !share_a_set(second, n)) {
            num_in[which]++;
            others[num++] = n;
        }
    }
    begin_with_room(&s, 7, ROOM);
    SAY(&s, numbered(FIRST), TO, PING);
    for (int i = 0; i < ROOM - 1; i++) {
        SAY(&s, numbered(others[i]), TO, PING);
    }
    SAY(&s, numbered(second), TO, PING);
    CU_ASSERT(is_there(&s, numbered(second)) && !is_there(&s, numbered(FIRST)));
    SAY(&s, numbered(FIRST), TO, PING);
    CU_ASSERT(is_there(&s, numbered(FIRST)) && is_there(&s, numbered(second)));
    CU_ASSERT_FALSE(is_there(&s, numbered(others[0])));
    CU_ASSERT_EQUAL(stats_of(&s).dropped_nodes, 2);
    CU_ASSERT_EQUAL(tracker_num_nodes(s.t), ROOM);
    scene_end(&s);
}

#define HOMES      20
#define NEIGHBOURS 6 /* of each home */

static const char *at_home(int home, int neighbour)
{
    static char text[32];

    snprintf(text, sizeof text, "198.51.100.%d:%d", 1 + home, 1001 + neighbour);
    return text;
}

/* Those of one home that are still there are all found as neighbours. Returns their number. */
static unsigned expect_neighbours(scene *s, int home)
{
    unsigned found = FOUND(s, ID_MANY_AT_ADDRESS);
    unsigned left = 0;
    int last = 0;

    for (int i = 0; i < NEIGHBOURS; i++) {
        if (is_there(s, at_home(home, i))) {
            last = i;
            left++;
        }
    }
    if (left >= 3) { /* with two clients, once this one is another */
        SAY(s, at_home(home, last), TO, PING, .id = 'Y', .v = "UT", .t = "ab");
        CU_ASSERT_EQUAL(FOUND(s, ID_MANY_AT_ADDRESS), found + 1);
        CU_ASSERT_EQUAL(LAST(s, ID_MANY_AT_ADDRESS).a, left);
    }
    return left;
}

/* Any number of strangers, and any nodes that they replace: of the same set, or of another one. */
static void neighbours_are_found_whoever_gave_way(void)
{
    unsigned seen[NEIGHBOURS + 1] = {0};

    for (unsigned key = 1; key <= 40; key++) {
        scene s;

        begin_with_room(&s, key, 257);
        for (int i = 0; i < NEIGHBOURS * HOMES; i++) {
            SAY(&s, at_home(i % HOMES, i / HOMES), TO, PING, .id = (char)('a' + i / HOMES), .v = "LT");
        }
        for (int i = 0; i < 257 - NEIGHBOURS * HOMES + 60; i++) {
            SAY(&s, numbered(i), TO, PING, .id = 'z', .v = "LT");
        }
        CU_ASSERT_EQUAL(stats_of(&s).dropped_nodes, 60);
        for (int i = 0; i < HOMES; i++) {
            seen[expect_neighbours(&s, i)]++;
        }
        scene_end(&s);
    }
    CU_ASSERT(seen[3] > 0 && seen[4] > 0 && seen[5] > 0 && seen[6] > 0);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(each_message_counts_for_its_sender),
        UNIT_TEST(asked_before_it_speaks),
        UNIT_TEST(asked_are_very_many),
        UNIT_TEST(who_comes_back_begins_anew),
        UNIT_TEST(nodes_are_given_in_order),
        UNIT_TEST(whoever_is_longest_silent_gives_way),
        UNIT_TEST(a_version_that_changes),
        UNIT_TEST(a_read_only_node_that_answers_is_told_once),
        UNIT_TEST(a_set_whose_only_node_gave_way),
        UNIT_TEST(neighbours_are_found_whoever_gave_way),
    };

    return UNIT_RUN("tracker nodes", tests);
}
