/* test_tracker_chance.c: results do not depend on which records share a place in a table.
 *
 * Each scene runs with many keys of the hash: with some of them, records of strangers share the place that the test
 * needs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define A  "198.51.100.1:6881"
#define R1 "192.0.2.1:7001"
#define R2 "192.0.2.2:7002"

static void begin(scene *s, tracker_options *o, unsigned key)
{
    test_key_set(o, key);
    scene_begin_with(s, o);
}

/* After the clock was set back, old advertisements of strangers come before a new one in the chain. */
static void old_advertisements_of_others(void)
{
    int honoured = 0;

    for (unsigned key = 0; key < 10; key++) {
        tracker_options o;
        scene s;
        char other[32];

        memset(&o, 0, sizeof o);
        begin(&s, &o, key);
        s.step = 0;
        SAY(&s, A, R1, PING, .p = 7881, .t = "me", .id = 'm');
        s.now -= 1000 * SECONDS;
        for (int i = 0; i < 6000; i++) {
            snprintf(other, sizeof other, "198.18.%d.%d:6881", i / 250, 1 + i % 250);
            SAY(&s, other, R2, PING, .p = 7881, .t = "ot", .id = 'o');
        }
        s.now += 1001 * SECONDS;
        SAY(&s, R1, "198.51.100.1:7881", PING, .t = "ba", .id = 'r');
        honoured += (int)FOUND(&s, PORT_HONOURED);
        scene_end(&s);
    }
    CU_ASSERT_EQUAL(honoured, 10);
}

/* Nodes of another address come before those of this address in the chain. */
static void nodes_of_another_address(void)
{
    int many = 0;

    for (unsigned key = 0; key < 100; key++) {
        tracker_options o;
        scene s;
        char other[32];

        memset(&o, 0, sizeof o);
        o.max_nodes = 32;
        begin(&s, &o, key);
        SAY(&s, "198.51.100.1:1001", R1, PING, .id = 'a', .v = "LT");
        SAY(&s, "198.51.100.1:1002", R1, PING, .id = 'b', .v = "LT");
        for (int i = 0; i < 8; i++) {
            snprintf(other, sizeof other, "198.18.0.1:%d", 1000 + i);
            SAY(&s, other, R1, PING, .id = 'o', .v = "LT");
        }
        SAY(&s, "198.51.100.1:1003", R1, PING, .id = 'c', .v = "UT");
        CU_ASSERT_EQUAL(stats_of(&s).dropped_nodes, 0);
        many += (int)FOUND(&s, ID_MANY_AT_ADDRESS);
        scene_end(&s);
    }
    CU_ASSERT_EQUAL(many, 100);
}

/* An id on more and more ports, as through a NAT with endpoint-dependent mapping. */
static void an_id_on_many_ports(void)
{
    int shared = 0;

    for (unsigned key = 0; key < 50; key++) {
        tracker_options o;
        scene s;
        char other[32];

        memset(&o, 0, sizeof o);
        o.max_nodes = 64;
        begin(&s, &o, key);
        SAY(&s, A, R1, PING, .id = 'a');
        for (int i = 0; i < 20; i++) {
            s.now += SECONDS;
            snprintf(other, sizeof other, "198.18.0.1:%d", 1000 + i);
            SAY(&s, other, R1, PING, .id = 'o');
        }
        SAY(&s, "198.51.100.2:6881", R1, PING, .id = 'a');
        SAY(&s, A, R1, PING, .id = 'a', .t = "ag");
        CU_ASSERT_EQUAL(stats_of(&s).dropped_nodes, 0);
        shared += (int)FOUND(&s, ID_SHARED);
        scene_end(&s);
    }
    CU_ASSERT_EQUAL(shared, 50);
}

/* Half of its set is for other ids, in any order. */
static void ids_beside_one_on_many_ports(void)
{
    int shared = 0;

    for (unsigned key = 0; key < 200; key++) {
        tracker_options o;
        scene s;
        char other[32];

        memset(&o, 0, sizeof o);
        o.max_nodes = 16; /* two sets of eight ids */
        begin(&s, &o, key);
        s.step = SECONDS;
        for (int i = 0; i < 4; i++) {
            snprintf(other, sizeof other, "198.51.100.%d:6881", 1 + i);
            SAY(&s, other, R1, PING, .id = (char)('a' + i));
        }
        for (int i = 0; i < 7; i++) {
            snprintf(other, sizeof other, "198.18.0.1:%d", 1000 + i);
            SAY(&s, other, R1, PING, .id = 'o');
        }
        for (int i = 0; i < 8; i++) {
            snprintf(other, sizeof other, "198.51.100.%d:6881", i < 4 ? 11 + i : 1 + i - 4);
            SAY(&s, other, R1, PING, .id = (char)('a' + i % 4), .t = "ag");
        }
        CU_ASSERT_EQUAL(stats_of(&s).dropped_nodes, 0);
        shared += (int)FOUND(&s, ID_SHARED);
        scene_end(&s);
    }
    CU_ASSERT_EQUAL(shared, 4 * 200);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(old_advertisements_of_others),
        UNIT_TEST(nodes_of_another_address),
        UNIT_TEST(an_id_on_many_ports),
        UNIT_TEST(ids_beside_one_on_many_ports),
    };

    return UNIT_RUN("tracker chance", tests);
}
