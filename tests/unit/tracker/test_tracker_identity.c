/* test_tracker_identity.c: node ids, shared ids, and bogus entries.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/node_id.h>

#include "scene.h"

#define A "198.51.100.1:6881"
#define B "198.51.100.2:7000"

static void an_id_changes_once(void)
{
    scene s;
    tracker_node n;

    scene_begin(&s);
    SAY(&s, A, B, PING, .id = 'a', .t = "t1");
    SAY(&s, A, B, PING, .id = 'b', .t = "t2");
    CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED), 1);
    CU_ASSERT_EQUAL(LAST(&s, ID_CHANGED).a, 1);
    SAY(&s, A, B, PING, .id = 'a', .t = "t3"); /* changing back is not another event */
    SAY(&s, A, B, PING, .id = 'b', .t = "t4");
    CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED), 1);
    n = node_of(&s, A);
    CU_ASSERT_EQUAL(n.num_ids, 2);
    CU_ASSERT(n.ids[0][0] == 'b' && n.ids[1][0] == 'a');
    s.now += 1000 * SECONDS; /* after this silence it is another host */
    SAY(&s, A, B, PING, .id = 'c', .t = "t5");
    CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED), 1);
    scene_end(&s);
}

static void the_newest_four_are_kept(void)
{
    scene s;
    tracker_node n;
    char t[3] = "t0";

    scene_begin(&s);
    for (int i = 0; i < 6; i++) {
        t[1] = (char)('0' + i);
        SAY(&s, A, B, PING, .id = (char)('a' + i), .t = t);
    }
    n = node_of(&s, A);
    CU_ASSERT_EQUAL(n.num_ids, 6);
    CU_ASSERT(n.ids[0][0] == 'f' && n.ids[1][0] == 'e' && n.ids[2][0] == 'd' && n.ids[3][0] == 'c');
    scene_end(&s);
}

/* An id that returns becomes the newest; the others keep their order. */
static void an_id_that_comes_back(void)
{
    static const char order[] = "abcdbaaebd";
    static const char kept[][5] = {"a", "ba", "cba", "dcba", "bdca", "abdc", "abdc", "eabd", "bead", "dbea"};
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 10; i++) {
        char t[3] = {'t', (char)('0' + i), 0};
        tracker_node n;
        int num = (int)strlen(kept[i]);

        SAY(&s, A, B, PING, .id = order[i], .t = t);
        n = node_of(&s, A);
        CU_ASSERT_EQUAL(n.num_ids, i < 3 ? (uint32_t)(i + 1) : i < 7 ? 4 : 5);
        for (int k = 0; k < 4; k++) {
            CU_ASSERT_EQUAL(n.ids[k][0], k < num ? kept[i][k] : 0);
            CU_ASSERT_EQUAL(n.ids[k][19], k < num ? kept[i][k] : 0);
        }
    }
    CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED), 4);
    scene_end(&s);
}

/* Only this many nodes have room for older ids; the next one takes the room of the first, then of the second. */
static void older_ids_are_few(void)
{
    tracker_options options;
    scene s;
    char node[32];

    memset(&options, 0, sizeof options);
    options.max_nodes = 64;
    scene_begin_with(&s, &options);
    for (int i = 0; i < 18; i++) {
        snprintf(node, sizeof node, "198.51.100.%d:6881", 10 + i);
        SAY(&s, node, B, PING, .id = (char)('a' + i), .t = "t1");
        SAY(&s, node, B, PING, .id = (char)('A' + i), .t = "t2");
        for (int k = 0; k <= i; k++) {
            snprintf(node, sizeof node, "198.51.100.%d:6881", 10 + k);
            CU_ASSERT_EQUAL(node_of(&s, node).ids[0][0], 'A' + k);
            CU_ASSERT_EQUAL(node_of(&s, node).ids[1][0], k >= i - 15 ? 'a' + k : 0);
        }
    }
    scene_end(&s);
}

static void renumbering_to_fit_the_address(void)
{
    scene s;
    krpc_endpoint e = ep(A);
    uint8_t id[20];

    memset(id, 'z', sizeof id);
    CU_ASSERT_FATAL(krpc_node_id_fit(id, &e));
    scene_begin(&s);
    SAY(&s, A, B, PING, .id = 'a', .t = "t1");
    CU_ASSERT_EQUAL(FOUND(&s, BEP42_INVALID), 1);
    SAY(&s, A, B, PING, .id = 'a', .t = "t2");
    CU_ASSERT_EQUAL(FOUND(&s, BEP42_INVALID), 1);
    SAY(&s, A, B, PING, .raw_id = id, .t = "t3");
    CU_ASSERT_EQUAL(FOUND(&s, ID_RENUMBERED), 1);
    CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED), 0);
    CU_ASSERT_EQUAL(FOUND(&s, BEP42_INVALID), 1);
    CU_ASSERT_EQUAL(node_of(&s, A).bep42, KRPC_NODE_ID_VALID);
    scene_end(&s);
}

/* Inside a NAT, BEP 42 is about the outside address, once two remotes of different networks agree about it. */
static void bep42_inside_a_nat_once_known(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, "192.168.1.2:6881", "198.51.100.10:1000", "203.0.113.9:40001");
    ping_seen(&s, "192.168.1.2:6881", "198.52.100.11:1000", "203.0.113.9:40001");
    CU_ASSERT_EQUAL(FOUND(&s, BEP42_INVALID), 2);
    ping_seen(&s, "192.168.1.2:6881", "198.53.100.12:1000", "203.0.113.9:40001");
    CU_ASSERT_EQUAL(FOUND(&s, BEP42_INVALID), 4); /* that remote's, and this node's */
    ping_seen(&s, "192.168.1.2:6881", "198.53.100.12:1000", "203.0.113.9:40001");
    CU_ASSERT_EQUAL(FOUND(&s, BEP42_INVALID), 4);
    CU_ASSERT_EQUAL(node_of(&s, "192.168.1.2:6881").bep42, KRPC_NODE_ID_INVALID);
    scene_end(&s);
}

static void one_id_on_two_addresses(void)
{
    scene s;
    uint32_t other;

    scene_begin(&s);
    SAY(&s, A, B, PING, .id = 'a', .t = "t1");
    other = SAY(&s, "198.51.100.9:6881", B, PING, .id = 'a', .t = "t1");
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), 0); /* the node may have moved */
    SAY(&s, A, B, PING, .id = 'a', .t = "t2");
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), 1);
    CU_ASSERT_EQUAL(LAST(&s, ID_SHARED).a, other);
    SAY(&s, A, B, PING, .id = 'a', .t = "t3");
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), 1);
    scene_end(&s);
}

/* Both families of one node, the two sides of a NAT, all zeros. */
static void what_is_no_shared_id(void)
{
    static const uint8_t zero[20];
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING, .id = 'a', .t = "t1");
    SAY(&s, "6:7:6881", "6:8:6881", PING, .id = 'a', .t = "t1");
    SAY(&s, "192.168.1.2:6881", B, PING, .id = 'a', .t = "t1");
    SAY(&s, A, B, PING, .id = 'a', .t = "t2");
    SAY(&s, "198.51.100.3:1", B, PING, .raw_id = zero, .t = "t1");
    SAY(&s, "198.51.100.4:1", B, PING, .raw_id = zero, .t = "t1");
    SAY(&s, "198.51.100.3:1", B, PING, .raw_id = zero, .t = "t2");
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), 0);
    scene_end(&s);
}

static void many_nodes_behind_one_address(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "198.51.100.1:1001", B, PING, .id = 'a', .v = "LT");
    SAY(&s, "198.51.100.1:1002", B, PING, .id = 'b', .v = "UT");
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 0);
    SAY(&s, "198.51.100.1:1003", B, PING, .id = 'c', .v = "LT");
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 1);
    CU_ASSERT_EQUAL(LAST(&s, ID_MANY_AT_ADDRESS).a, 3);
    SAY(&s, "198.51.100.1:1004", B, PING, .id = 'd', .v = "TR");
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 1);
    scene_end(&s);
}

/* One after the other may be one host; a node that sent within ten minutes still counts. */
static void nodes_that_were_there_before(void)
{
    for (int late = 0; late < 2; late++) {
        scene s;

        scene_begin(&s);
        s.step = 0;
        SAY(&s, "198.51.100.1:1001", B, PING, .id = 'a', .v = "LT");
        SAY(&s, "198.51.100.1:1002", B, PING, .id = 'b', .v = "UT");
        s.now += 300 * SECONDS;
        SAY(&s, "198.51.100.1:1002", B, PING, .id = 'b', .v = "UT", .t = "ab");
        s.now += 300 * SECONDS + late;
        SAY(&s, "198.51.100.1:1003", B, PING, .id = 'c', .v = "LT");
        CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), late == 0);
        scene_end(&s);
    }
}

static void who_comes_back_is_there(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "198.51.100.1:1003", B, PING, .id = 'c', .v = "LT");
    s.now += 700 * SECONDS;
    SAY(&s, "198.51.100.1:1001", B, PING, .id = 'a', .v = "LT");
    SAY(&s, "198.51.100.1:1002", B, PING, .id = 'b', .v = "UT");
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 0);
    SAY(&s, "198.51.100.1:1003", B, PING, .id = 'd', .v = "LT");
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 1);
    scene_end(&s);
}

/* One node on many ports, or one program run many times. */
static void what_is_no_crowd(void)
{
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 6; i++) {
        char one[32], same[32];

        snprintf(one, sizeof one, "198.51.100.1:%d", 1001 + i);
        snprintf(same, sizeof same, "198.51.100.3:%d", 1001 + i);
        SAY(&s, one, B, PING, .id = 'a', .v = i % 2 == 0 ? "LT" : "UT");
        SAY(&s, same, B, PING, .id = (char)('b' + i), .v = "LT");
    }
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 0);
    scene_end(&s);
}

/* Ids near to each other were made up; such an address is no household. */
static void a_crowd_that_was_made_up(void)
{
    uint8_t id[20] = "same beginning";
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 6; i++) {
        char one[32];

        snprintf(one, sizeof one, "198.51.100.1:%d", 1001 + i);
        id[19] = (uint8_t)i;
        SAY(&s, one, B, PING, .raw_id = id, .v = i % 2 == 0 ? "LT" : "UT");
    }
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 0);
    scene_end(&s);
}

/* Findings for ids that share bits, from several networks; in each network several hosts have each of them. */
static uint32_t clusters_found(int ids, int bits, int networks)
{
    uint32_t found;
    scene s;

    scene_begin(&s);
    for (int i = 0; i < ids; i++) {
        uint8_t id[20] = "same beginning";
        char one[32];

        id[bits / 8] = (uint8_t)(id[bits / 8] ^ (i % 2 == 0 ? 0 : 0x80 >> bits % 8));
        id[19] = (uint8_t)i;
        for (int host = 0; host < 3; host++) {
            snprintf(one, sizeof one, "198.51.%d.%d:7000", 100 + i % networks, 1 + 3 * i + host);
            SAY(&s, one, B, PING, .raw_id = id);
        }
    }
    found = FOUND(&s, ID_CLUSTER);
    if (found != 0) {
        CU_ASSERT_EQUAL(LAST(&s, ID_CLUSTER).a, 8);
        CU_ASSERT_EQUAL(LAST(&s, ID_CLUSTER).b, networks);
    }
    scene_end(&s);
    return found;
}

static void ids_that_lie_together(void)
{
    CU_ASSERT_EQUAL(clusters_found(8, 28, 1), 1);
    CU_ASSERT_EQUAL(clusters_found(20, 40, 2), 1);
    CU_ASSERT_EQUAL(clusters_found(7, 28, 1), 0);
    CU_ASSERT_EQUAL(clusters_found(8, 28, 3), 0);
    CU_ASSERT_EQUAL(clusters_found(8, 27, 1), 0);
    CU_ASSERT_EQUAL(clusters_found(8, 23, 1), 0);
    CU_ASSERT_EQUAL(clusters_found(8, 15, 1), 0);
    CU_ASSERT_EQUAL(clusters_found(8, 7, 1), 0);
}

static uint32_t many_on_port_found(int ids, int64_t every)
{
    uint32_t found;
    scene s;

    scene_begin(&s);
    s.step = every;
    for (int i = 0; i < ids; i++) {
        SAY(&s, A, B, PING, .id = (char)('a' + i), .t = "t1");
    }
    found = FOUND(&s, ID_MANY_ON_PORT);
    scene_end(&s);
    return found;
}

static void one_id_after_the_other(void)
{
    CU_ASSERT_EQUAL(many_on_port_found(8, 100 * SECONDS), 1);
    CU_ASSERT_EQUAL(many_on_port_found(20, 100 * SECONDS), 1);
    CU_ASSERT_EQUAL(many_on_port_found(7, SECONDS), 0);
    CU_ASSERT_EQUAL(many_on_port_found(20, 130 * SECONDS), 0); /* slowly: hosts that change */
}

static void echoing_the_receivers_id(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING, .id = 'a', .t = "t1");
    SAY(&s, B, A, .id = 'a', .t = "t1");
    CU_ASSERT_EQUAL(FOUND(&s, ID_ECHO), 1);
    CU_ASSERT_EQUAL(LAST(&s, ID_ECHO).a, 1);
    SAY(&s, B, A, PING, .id = 'a', .t = "t2");
    CU_ASSERT_EQUAL(FOUND(&s, ID_ECHO), 1);
    SAY(&s, "198.51.100.1:9999", A, PING, .id = 'a', .t = "t3"); /* the same host, through another path */
    CU_ASSERT_EQUAL(FOUND(&s, ID_ECHO), 1);
    scene_end(&s);
}

/* A reflector may be one of several nodes at an address. */
static void an_echo_in_a_crowd(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, B, A, PING, .id = 'a', .t = "t1");
    SAY(&s, A, B, .id = 'a', .t = "t1");
    CU_ASSERT_EQUAL(FOUND(&s, ID_ECHO), 1);
    SAY(&s, "198.51.100.1:1002", B, PING, .id = 'b', .v = "UT");
    SAY(&s, "198.51.100.1:1003", B, PING, .id = 'c', .v = "LT");
    CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_AT_ADDRESS), 1);
    scene_end(&s);
}

/* An id made up for each target is near to all of them. */
static void ids_made_up_for_the_target(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, FIND_NODE, .target = "x", .t = "t1");
    SAY(&s, B, A, .id = 'x', .t = "t1", .nodes = "203.0.113.7:1000");
    CU_ASSERT_EQUAL(FOUND(&s, ID_NEAR_TARGET), 0);
    SAY(&s, A, B, FIND_NODE, .target = "y", .t = "t2");
    SAY(&s, B, A, .id = 'y', .t = "t2", .nodes = "203.0.113.7:1000");
    CU_ASSERT_EQUAL(FOUND(&s, ID_NEAR_TARGET), 1);
    CU_ASSERT_EQUAL(LAST(&s, ID_NEAR_TARGET).b, 2);
    scene_end(&s);
}

/* A ping has no target, not even the id of all zeros. */
static void a_ping_has_no_target(void)
{
    static const uint8_t near_zero[20] = {0, 0, 0, 0, 'b', 'b', 'b', 'b'};
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING, .t = "t1");
    SAY(&s, B, A, .raw_id = near_zero, .t = "t1");
    SAY(&s, A, B, FIND_NODE, .target = "x", .t = "t2");
    SAY(&s, B, A, .id = 'x', .t = "t2", .nodes = "203.0.113.7:1000");
    CU_ASSERT_EQUAL(FOUND(&s, ID_NEAR_TARGET), 0);
    scene_end(&s);
}

/* A crawler that asks each node for its own neighbourhood. */
static void targets_near_the_responder(void)
{
    scene s;
    char t[3] = "t0";

    scene_begin(&s);
    for (int i = 0; i < 4; i++) {
        t[1] = (char)('0' + i);
        SAY(&s, A, B, FIND_NODE, .target = "x", .t = t);
        SAY(&s, B, A, .id = 'x', .t = t, .nodes = "203.0.113.7:1000");
    }
    CU_ASSERT_EQUAL(FOUND(&s, ID_NEAR_TARGET), 0);
    scene_end(&s);
}

static void entries_that_lead_nowhere(void)
{
    static const struct {
        const char *nodes;
        unsigned zero;
        unsigned bogus;
    } rows[] = {
        {"203.0.113.7:1000", 0, 0},
        {"203.0.113.7:0", 1, 0},
        {"203.0.113.7:1", 1, 0},
        {"203.0.113.7:2", 0, 0},
        {"192.168.1.7:1000", 0, 1},
        {"10.1.2.3:1000", 0, 1},
        {"11.1.2.3:1000", 0, 0},
        {"172.16.0.1:1000", 0, 1},
        {"172.32.0.1:1000", 0, 0},
        {"100.64.0.1:1000", 0, 1},
        {"100.128.0.1:1000", 0, 0},
        {"127.0.0.1:1000", 0, 1},
        {"169.254.1.1:1000", 0, 1},
        {"224.0.0.1:1000", 0, 1},
        {"0.1.2.3:1000", 0, 1},
        {"255.255.255.255:9", 0, 1},
        {"192.169.0.1:1000", 0, 0},
        {"6:7:1000", 0, 0},
        {"6:7:0", 1, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        SAY(&s, A, B, FIND_NODE, .target = "x");
        SAY(&s, B, A, .id = 'b', .nodes = rows[i].nodes);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_ZERO_ENTRY), rows[i].zero);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_BOGUS_ADDRESS), rows[i].bogus);
        scene_end(&s);
    }
}

static void source_port_zero(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "198.51.100.1:0", B, PING);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SOURCE_ZERO), 1);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(an_id_changes_once),
        UNIT_TEST(the_newest_four_are_kept),
        UNIT_TEST(an_id_that_comes_back),
        UNIT_TEST(older_ids_are_few),
        UNIT_TEST(renumbering_to_fit_the_address),
        UNIT_TEST(bep42_inside_a_nat_once_known),
        UNIT_TEST(one_id_on_two_addresses),
        UNIT_TEST(what_is_no_shared_id),
        UNIT_TEST(many_nodes_behind_one_address),
        UNIT_TEST(nodes_that_were_there_before),
        UNIT_TEST(who_comes_back_is_there),
        UNIT_TEST(what_is_no_crowd),
        UNIT_TEST(a_crowd_that_was_made_up),
        UNIT_TEST(ids_that_lie_together),
        UNIT_TEST(one_id_after_the_other),
        UNIT_TEST(echoing_the_receivers_id),
        UNIT_TEST(an_echo_in_a_crowd),
        UNIT_TEST(ids_made_up_for_the_target),
        UNIT_TEST(a_ping_has_no_target),
        UNIT_TEST(targets_near_the_responder),
        UNIT_TEST(entries_that_lead_nowhere),
        UNIT_TEST(source_port_zero),
    };

    return UNIT_RUN("tracker identity", tests);
}
