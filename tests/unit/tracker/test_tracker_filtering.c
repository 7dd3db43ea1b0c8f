/* test_tracker_filtering.c: filtering behaviour of NATs, and signs of carriers' NATs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L    "192.168.1.2:6881"
#define R1   "198.51.100.1:7001"
#define OUT1 "203.0.113.9:40001"

static void expect_filtering(scene *s, const char *node, tracker_filtering filtering)
{
    UNIT_TEXT(tracker_filtering_name(node_of(s, node).nat.filtering), tracker_filtering_name(filtering));
}

/* A query sent through the mapping, captured on both sides. */
static void leave(scene *s, const char *remote)
{
    static uint32_t number;
    char t[3] = {(char)('a' + number % 26), (char)('a' + number / 26 % 26), 0};

    number++;
    SAY(s, L, remote, GET_PEERS, .target = "h", .t = t, .id = 'q');
    say_again(s, OUT1, remote);
}

/* Three responses arrive: the capture shows this direction, too. */
static void hear(scene *s)
{
    for (int i = 0; i < 3; i++) {
        char remote[32];
        char t[3] = {'h', (char)('a' + i), 0};

        snprintf(remote, sizeof remote, "192.0.2.%d:7000", 1 + i);
        SAY(s, L, remote, GET_PEERS, .target = "h", .t = t, .id = 'q');
        say_again(s, OUT1, remote);
        SAY(s, remote, OUT1, .t = t, .id = 'r', .token = "t");
        say_again(s, remote, L);
    }
}

/* After this, earlier queries have had their 15 seconds, and the mapping was in use meanwhile. */
static void wait_for_answers(scene *s)
{
    s->now += 16 * SECONDS;
    leave(s, R1);
}

static void knock(scene *s, const char *remote, bool gets_in)
{
    static uint32_t number;
    char t[3] = {(char)('A' + number % 26), (char)('a' + number / 26 % 26), 0};

    number++;
    SAY(s, remote, OUT1, PING, .t = t, .id = 'r');
    if (gets_in) {
        say_again(s, remote, L);
        SAY(s, L, remote, .t = t, .id = 'q');
    }
}

/* ---- from both sides ---- */

static void strangers_are_kept_out(void)
{
    scene s;

    scene_begin(&s);
    hear(&s);
    leave(&s, R1);
    knock(&s, "198.52.100.10:7000", false);
    knock(&s, "198.52.100.10:7000", false);
    knock(&s, "198.52.100.11:7000", false);
    wait_for_answers(&s);
    expect_filtering(&s, L, TRACKER_FILTERING_UNKNOWN); /* one network */
    CU_ASSERT_EQUAL(node_of(&s, L).reach.missing, 1u << TRACKER_MISSING_ONE_NETWORK);
    knock(&s, "198.53.100.10:7000", false);
    expect_filtering(&s, L, TRACKER_FILTERING_UNKNOWN); /* the capture may have ended before the answer */
    wait_for_answers(&s);
    expect_filtering(&s, L, TRACKER_FILTERING_DEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).reach.verdict, TRACKER_REACH_REPLIES_ONLY);
    CU_ASSERT_EQUAL(node_of(&s, L).reach.num_sites, 2);
    scene_end(&s);
}

/* With a carrier's NAT outside, the first NAT is the one that filters. */
static void the_first_of_two_nats_keeps_out(void)
{
    scene s;
    char remote[32];

    scene_begin(&s);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            snprintf(remote, sizeof remote, "192.0.%d.1:7000", 10 + i);
            SAY(&s, L, remote, GET_PEERS, .target = "h", .t = "ab", .id = 'q');
            say_again(&s, "100.64.7.2:7777", remote);
            SAY(&s, remote, "100.64.7.2:7777", .t = "ab", .id = 'r', .token = "t", .nodes = "192.0.2.99:1000");
            say_again(&s, remote, L);
        }
        for (int i = 0; i < 5 && round == 0; i++) {
            expect_filtering(&s, L, TRACKER_FILTERING_UNKNOWN);
            snprintf(remote, sizeof remote, "198.51.%d.1:7000", 10 + i);
            SAY(&s, remote, "100.64.7.2:7777", PING, .t = "kn", .id = 'r');
        }
        s.now += 16 * SECONDS;
    }
    expect_filtering(&s, L, TRACKER_FILTERING_DEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.evidence, TRACKER_FROM_BOTH);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.port, TRACKER_PORT_REWRITTEN);
    scene_end(&s);
}

/* Other ports of hosts to which a host of the NAT has sent: they know the NAT, and may have another reason. */
static void other_ports_of_known_hosts(void)
{
    scene s;
    char remote[32];

    scene_begin(&s);
    hear(&s);
    leave(&s, R1);
    leave(&s, "198.52.100.1:7001");
    for (int i = 0; i < 5; i++) {
        snprintf(remote, sizeof remote, "198.5%d.100.1:%d", 1 + i % 2, 8000 + i);
        knock(&s, remote, false);
    }
    wait_for_answers(&s);
    expect_filtering(&s, L, TRACKER_FILTERING_UNKNOWN);
    scene_end(&s);
}

typedef enum difference {
    NO_DIFFERENCE,
    SOME_GET_IN,
    SENT_TO,
    LONG_AGO,
    ANOTHER_PORT,
    OWN_ADDRESS,
    ONE_NETWORK,
    NUM_DIFFERENCES
} difference;

static void what_is_no_filter(void)
{
    for (int d = 0; d < NUM_DIFFERENCES; d++) {
        scene s;
        char remote[32];

        scene_begin(&s);
        hear(&s);
        leave(&s, R1);
        for (int i = 0; i < 8; i++) {
            snprintf(remote, sizeof remote, "198.%d.100.%d:7000", d == ONE_NETWORK ? 52 : 60 + i, 10 + i);
            if (d == OWN_ADDRESS) {
                snprintf(remote, sizeof remote, "203.0.113.9:%d", 7000 + i);
            }
            if (d == SENT_TO) {
                leave(&s, remote);
            }
            if (d == LONG_AGO) {
                s.now += 61 * SECONDS;
            }
            if (d == ANOTHER_PORT) {
                SAY(&s, remote, "203.0.113.9:40002", PING, .t = "zz", .id = 'r');
            } else {
                knock(&s, remote, d == SENT_TO || (d == SOME_GET_IN && i == 7));
            }
        }
        wait_for_answers(&s);
        expect_filtering(&s, L, d == NO_DIFFERENCE ? TRACKER_FILTERING_DEPENDENT : TRACKER_FILTERING_UNKNOWN);
        scene_end(&s);
    }
}

/* ---- from inside ---- */

static tracker_filtering after_contacts(int contacts, int64_t seconds, bool stranger)
{
    tracker_filtering found;
    scene s;
    char remote[32];

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    SAY(&s, R1, L, PING, .t = "ok", .id = 'r');
    SAY(&s, L, R1, .t = "ok", .id = 'q'); /* it answers */
    if (stranger) {
        SAY(&s, "192.0.2.77:1", L, PING, .t = "in", .id = 'r');
    }
    for (int i = 0; i < contacts; i++) {
        snprintf(remote, sizeof remote, "198.51.%d.%d:7000", 101 + i / 200, 1 + i % 200);
        ping_seen(&s, L, remote, OUT1);
        SAY(&s, remote, L, PING, .t = "in", .id = 'r'); /* not a stranger */
    }
    s.now += seconds * SECONDS;
    SAY(&s, L, R1, PING, .t = "zz", .id = 'q');
    found = node_of(&s, L).nat.filtering;
    scene_end(&s);
    return found;
}

static void never_asked_by_strangers(void)
{
    CU_ASSERT_EQUAL(after_contacts(100, 600, false), TRACKER_FILTERING_DEPENDENT);
    CU_ASSERT_EQUAL(after_contacts(100, 590, false), TRACKER_FILTERING_UNKNOWN);
    CU_ASSERT_EQUAL(after_contacts(98, 600, false), TRACKER_FILTERING_UNKNOWN);
    CU_ASSERT_EQUAL(after_contacts(100, 600, true), TRACKER_FILTERING_UNKNOWN);
}

/* ---- carriers ---- */

static void an_address_of_a_carrier(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, "100.64.7.2:6881", R1, OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_CARRIER), 0); /* a single one can be wrong */
    ping_seen(&s, "100.64.7.2:6881", "198.52.100.2:7002", OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_CARRIER), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_CARRIER).a, 6881);
    CU_ASSERT_EQUAL(LAST(&s, NAT_CARRIER).b, 40001);
    ping_seen(&s, "100.64.7.2:6881", "198.51.100.3:7003", OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_CARRIER), 1);
    /* the NAT of a home inside it */
    SAY(&s, L, R1, GET_PEERS, .target = "h", .t = "ho", .id = 'q');
    say_again(&s, "100.64.7.2:7777", R1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_CARRIER), 2);
    /* near misses: a NAT at home, and an address next to the carriers' range */
    ping_seen(&s, "192.168.1.3:6881", R1, OUT1);
    ping_seen(&s, "192.168.1.3:6881", "198.52.100.2:7002", OUT1);
    ping_seen(&s, "100.128.0.1:6881", R1, OUT1);
    ping_seen(&s, "100.128.0.1:6881", "198.52.100.2:7002", OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_CARRIER), 2);
    scene_end(&s);
}

/* Findings for num clients of one address; two remotes report the port of each. */
static uint32_t blocks_found(const int *ports, int num, int inside)
{
    uint32_t found;
    scene s;

    scene_begin(&s);
    for (int i = 0; i < num; i++) {
        char local[32];
        char seen[32];

        snprintf(local, sizeof local, "192.168.1.%d:%d", 2 + i, inside == 0 ? ports[i] : inside);
        snprintf(seen, sizeof seen, "203.0.113.9:%d", ports[i]);
        ping_seen(&s, local, R1, seen);
        ping_seen(&s, local, "198.51.100.2:7002", seen);
        ping_seen(&s, local, "198.51.100.2:7002", seen);
    }
    found = FOUND(&s, NAT_PORT_BLOCK);
    scene_end(&s);
    return found;
}

static void blocks_of_ports(void)
{
    static const int block[] = {20999, 20000, 20500, 20123, 20456, 20001};
    static const int wide[] = {20000, 20500, 21024, 20123, 20456, 20001};
    static const int many[] = {20000, 20100, 20200, 20300, 20400, 20500, 20600, 20700, 20800, 20900, 20950, 20999};
    static const int edge[] = {20000, 20500, 21023, 20123, 20456, 20001};

    CU_ASSERT_EQUAL(blocks_found(block, 6, 6881), 1);
    CU_ASSERT_EQUAL(blocks_found(edge, 6, 6881), 1);
    CU_ASSERT_EQUAL(blocks_found(many, 12, 6881), 1);
    CU_ASSERT_EQUAL(blocks_found(many, 5, 6881), 1);
    CU_ASSERT_EQUAL(blocks_found(block, 4, 6881), 0);
    CU_ASSERT_EQUAL(blocks_found(wide, 6, 6881), 0);
    CU_ASSERT_EQUAL(blocks_found(block, 6, 0), 0); /* preserved ports are the clients' own choice */
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(strangers_are_kept_out),
        UNIT_TEST(the_first_of_two_nats_keeps_out),
        UNIT_TEST(other_ports_of_known_hosts),
        UNIT_TEST(what_is_no_filter),
        UNIT_TEST(never_asked_by_strangers),
        UNIT_TEST(an_address_of_a_carrier),
        UNIT_TEST(blocks_of_ports),
    };

    return UNIT_RUN("tracker filtering", tests);
}
