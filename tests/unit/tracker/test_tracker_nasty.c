/* test_tracker_nasty.c: unusual captures, of which no report may be wrong.
 *
 * A NAT that rebinds in the middle, hosts with equal ports, ports that are used again, captures that start in the
 * middle or have one direction only, mirrored packets, clocks that are set back, and nodes with several addresses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L      "192.168.1.2:6881"
#define L2     "192.168.1.3:6881"
#define R1     "198.51.100.1:7001"
#define R2     "192.0.2.2:7002"
#define R3     "198.18.100.3:7003"
#define R4     "198.19.100.4:7004"
#define R1_TCP "198.51.100.1:6890"
#define L_TCP  "192.168.1.2:50000"
#define SAME   "203.0.113.9:6881"
#define OUT1   "203.0.113.9:40001"
#define OUT2   "203.0.113.9:40002"
#define LT_ID  "-LT20B0-abcdefghijkl"

static const char *const remotes[] = {R1, R2, R3, R4};

static void expect_nat(scene *s, const char *node, tracker_port port, tracker_mapping mapping)
{
    tracker_node n = node_of(s, node);

    UNIT_TEXT(tracker_port_name(n.nat.port), tracker_port_name(port));
    UNIT_TEXT(tracker_mapping_name(n.nat.mapping), tracker_mapping_name(mapping));
}

static void expect_no_finding_about_nat(scene *s)
{
    CU_ASSERT_EQUAL(FOUND(s, NAT_REWRITTEN) + FOUND(s, NAT_DEPENDENT) + FOUND(s, NAT_REMAPPED) + FOUND(s, NAT_TOKEN) +
                        FOUND(s, NAT_CARRIER) + FOUND(s, NAT_PORT_BLOCK),
                    0);
}

/* ---- the NAT rebinds in the middle ---- */

/* An advertisement that was right when it was sent stays right: the receiver saw it so. */
static void what_was_said_before(void)
{
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 8; i++) {
        ping_seen(&s, L, remotes[i % 4], OUT1);
    }
    SAY(&s, L, R2, PING, .p = 40001, .id = 'q', .t = "pp", .v = "LT");
    SAY(&s, R2, L, .id = 'r', .t = "pp", .ip = OUT1);
    speak(&s, L_TCP, R1_TCP, LT_ID, 40001, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    expect_verdict(&s, 1, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    s.now += 200 * SECONDS;
    for (int i = 0; i < 8; i++) {
        ping_seen(&s, L, remotes[i % 4], OUT2);
    }
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    expect_verdict(&s, 1, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.remapped, 1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

static void seen_by_all(scene *s, const char *outside)
{
    for (int i = 0; i < 4; i++) {
        ping_seen(s, L, remotes[i], outside);
    }
}

/* A port advertised to a node that reports nothing: before any report, at the first of two outside ports, in the
 * silence between them, and at the second. */
static void what_was_said_in_between(void)
{
    static const struct {
        int after; /* this many of the two */
        int64_t silence;
        int64_t rest;
        int port;
        tracker_verdict verdict;
    } rows[] = {{0, 0, 1, 40001, TRACKER_VERDICT_MATCH},      {0, 0, 1, 40002, TRACKER_VERDICT_MISMATCH},
                {1, 25, 200, 40001, TRACKER_VERDICT_UNKNOWN}, /* it changed at some time in between */
                {1, 200, 5, 40001, TRACKER_VERDICT_UNKNOWN},  {1, 200, 5, 40002, TRACKER_VERDICT_UNKNOWN},
                {1, 200, 5, 6881, TRACKER_VERDICT_MISMATCH},  {2, 200, 1, 40002, TRACKER_VERDICT_MATCH},
                {2, 200, 1, 40001, TRACKER_VERDICT_MISMATCH}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        s.step = 0;
        for (int k = 0; k < 3; k++) {
            if (k == rows[i].after) {
                s.now += rows[i].silence * SECONDS;
                SAY(&s, L, "203.0.113.77:1", PING, .p = rows[i].port, .id = 'q', .t = "pp");
                s.now += rows[i].rest * SECONDS;
            }
            if (k < 2) {
                seen_by_all(&s, k == 0 ? OUT1 : OUT2);
                s.now += rows[i].after == 1 ? 0 : 100 * SECONDS;
            }
        }
        expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
        UNIT_TEXT(tracker_verdict_name(advert_of(&s, 0).verdict), tracker_verdict_name(rows[i].verdict));
        scene_end(&s);
    }
}

/* Captured outside, with queries still open: each port is used for some time, and the first one does not return. */
static void rebinding_seen_from_outside(void)
{
    scene s;

    scene_begin(&s);
    s.step = SECONDS;
    for (int i = 0; i < 12; i++) {
        const char *from = i < 6 ? OUT1 : OUT2;
        char t[3] = {'a', (char)('a' + i), 0};

        SAY(&s, from, remotes[i % 3], PING, .t = t, .id = 'q');
        if (i == 6) { /* a response that is still on the way to the old port */
            SAY(&s, remotes[2], OUT1, .t = "af", .id = 't');
        }
        if (i != 5) {
            SAY(&s, remotes[i % 3], from, .t = t, .id = (char)('r' + i % 3));
        }
    }
    CU_ASSERT_NOT_EQUAL(node_of(&s, OUT1).nat.mapping, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), 0);
    scene_end(&s);
}

/* ---- two hosts ---- */

/* Inside one NAT with the same inside port: each keeps its own results, captured inside and on both sides. */
static void two_with_the_same_inside_port(void)
{
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 8; i++) {
        ping_seen(&s, L, remotes[i % 4], SAME);
        ping_seen(&s, L2, remotes[i % 4], OUT1);
    }
    expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT);
    expect_nat(&s, L2, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_PORT_BLOCK), 0);
    SAY(&s, L, R1, PING, .p = 6881, .id = 'q', .t = "p1");
    SAY(&s, L2, R1, PING, .p = 6881, .id = 'u', .t = "p2");
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* Both send the same bytes, as programs that count from one do: the packets cannot be assigned to them. */
static void two_with_the_same_bytes(void)
{
    scene s;

    scene_begin(&s);
    s.step = 100 * MS;
    for (int i = 0; i < 6; i++) {
        SAY(&s, L, remotes[i % 3], GET_PEERS, .target = "h", .t = (char[]){'a', (char)('a' + i), 0}, .id = 'q');
        say_again(&s, L2, remotes[i % 3]);
        say_again(&s, SAME, remotes[i % 3]);
        say_again(&s, OUT1, remotes[i % 3]);
    }
    CU_ASSERT_NOT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_NOT_EQUAL(node_of(&s, L2).nat.mapping, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

/* A port that expired is used by another host, with another client and id. */
static void a_port_that_is_used_again(void)
{
    scene s;

    scene_begin(&s);
    s.step = SECONDS;
    for (int i = 0; i < 4; i++) {
        ping_seen(&s, OUT1, remotes[i], OUT1);
    }
    SAY(&s, OUT1, R1, PING, .p = 40001, .id = 'q', .v = "LT", .t = "pp");
    s.now += 1000 * SECONDS;
    for (int i = 0; i < 4; i++) {
        SAY(&s, OUT1, remotes[i], PING, .id = 'z', .v = "UT", .t = (char[]){'z', (char)('a' + i), 0});
        SAY(&s, remotes[i], OUT1, .id = 'r', .t = (char[]){'z', (char)('a' + i), 0}, .ip = OUT1);
    }
    SAY(&s, R1, OUT1, PING, .id = 'r', .t = "bb");
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED) + FOUND(&s, ID_MANY_AT_ADDRESS), 0);
    expect_no_finding_about_nat(&s);
    scene_end(&s);
}

/* ---- incomplete captures ---- */

static void it_begins_in_the_middle(void)
{
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 4; i++) { /* responses to queries before the capture */
        SAY(&s, remotes[i], L, .t = (char[]){'o', (char)('a' + i), 0}, .id = 'r', .ip = OUT2);
    }
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), 0);
    for (int i = 0; i < 4; i++) {
        ping_seen(&s, L, remotes[i], OUT1);
    }
    SAY(&s, R1, L, .error = 203,
        .t = "oe"); /* a token from before the capture is not known to belong to another port */
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN) + FOUND(&s, NAT_DEPENDENT) + FOUND(&s, NAT_REMAPPED), 0);
    scene_end(&s);
}

/* Only packets to the node, or only packets from it. */
static void one_direction(void)
{
    for (int out = 0; out < 2; out++) {
        scene s;

        scene_begin(&s);
        s.step = SECONDS;
        for (int i = 0; i < 200; i++) {
            char remote[32];
            char t[3] = {(char)('a' + i / 20), (char)('a' + i % 20), 0};

            snprintf(remote, sizeof remote, "198.%d.7.1:7000", 20 + i);
            if (out != 0) {
                SAY(&s, L, remote, GET_PEERS, .target = "h", .t = t, .id = 'q', .p = 6881);
                SAY(&s, L, remote, .t = "zz", .id = 'q'); /* and responses */
            } else {
                SAY(&s, remote, L, .t = t, .id = 'r', .ip = OUT1, .token = "t");
                SAY(&s, remote, L, PING, .t = "in", .id = 'r');
            }
        }
        s.now += 700 * SECONDS;
        SAY(&s, out != 0 ? L : R1, out != 0 ? R1 : L, PING, .t = "en", .id = 'q');
        tracker_finish(s.t);
        if (out != 0) {
            expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
            CU_ASSERT_EQUAL(node_of(&s, L).nat.filtering, TRACKER_FILTERING_UNKNOWN);
            expect_verdict(&s, 0, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
        } else {
            CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED) + FOUND(&s, KRPC_WRONG_T_LENGTH), 0);
        }
        expect_no_finding_about_nat(&s);
        scene_end(&s);
    }
}

/* A port that does not answer is not dead if the capture has no packets at all from its address. */
static void answers_that_are_not_shown(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, R1, "198.51.100.77:9", PING, .t = "aa", .id = 'r', .p = 7881);
    SAY(&s, R2, "198.51.100.1:7881", PING, .t = "bb", .id = 's');
    s.now += 100 * SECONDS;
    SAY(&s, R2, "198.51.100.1:7881", PING, .t = "bc", .id = 's');
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later, TRACKER_LATER_DEAD); /* this one was captured, on its source port */
    scene_end(&s);
    scene_begin(&s);
    SAY(&s, R1, "198.51.100.77:9", PING, .t = "aa", .id = 'r', .p = 7001);
    SAY(&s, R2, R1, PING, .t = "bb", .id = 's');
    s.now += 100 * SECONDS;
    SAY(&s, R2, R1, PING, .t = "bc", .id = 's');
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 0);
    scene_end(&s);
}

/* ---- each packet twice ---- */

static void twice(scene *s, const char *src, const char *dst, content c)
{
    say(s, src, dst, c);
    say_again(s, src, dst);
}

#define TWICE(scene, src, dst, ...) twice(scene, src, dst, (content){__VA_ARGS__})

/* By a mirror port: no witness counts twice, and two packets are not two flows. */
static void mirrored(void)
{
    scene s;

    scene_begin(&s);
    s.step = MS;
    for (int i = 0; i < 4; i++) {
        char t[3] = {'a', (char)('a' + i), 0};

        TWICE(&s, L, remotes[i % 2], PING, .t = t, .id = 'q');
        TWICE(&s, remotes[i % 2], L, .t = t, .id = 'r', .ip = OUT1);
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN); /* two remotes are not three */
    CU_ASSERT_EQUAL(node_of(&s, L).nat.external[0].observers, 2);
    TWICE(&s, L, R3, PING, .t = "cc", .id = 'q');
    TWICE(&s, R3, L, .t = "cc", .id = 'r', .ip = OUT1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN), 1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT) + FOUND(&s, NAT_REMAPPED), 0);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 0);
    scene_end(&s);
}

/* The mirror shows both sides of the NAT, each packet twice. */
static void mirrored_on_both_sides(void)
{
    scene s;

    scene_begin(&s);
    s.step = MS;
    for (int i = 0; i < 6; i++) {
        char t[3] = {'a', (char)('a' + i), 0};

        TWICE(&s, L, remotes[i % 3], GET_PEERS, .target = "h", .t = t, .id = 'q');
        say_again(&s, OUT1, remotes[i % 3]);
        say_again(&s, OUT1, remotes[i % 3]);
        TWICE(&s, remotes[i % 3], OUT1, .t = t, .id = (char)('r' + i % 3), .token = "t");
        say_again(&s, remotes[i % 3], L);
        say_again(&s, remotes[i % 3], L);
        s.now += 100 * MS;
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT) + FOUND(&s, NAT_REMAPPED) + FOUND(&s, ID_SHARED) + FOUND(&s, ID_ECHO), 0);
    scene_end(&s);
}

/* ---- times ---- */

/* A clock that is set back by an hour, and one packet from tomorrow. */
static void a_clock_that_jumps(void)
{
    static const int64_t jumps[] = {-3600, 86400};

    for (int i = 0; i < 2; i++) {
        scene s;

        scene_begin(&s);
        for (int k = 0; k < 12; k++) {
            if (k == 6 || (k == 7 && jumps[i] > 0)) {
                s.now += (k == 6 ? jumps[i] : -jumps[i]) * SECONDS;
            }
            ping_seen(&s, L, remotes[k % 3], k < 6 ? OUT1 : OUT2);
        }
        CU_ASSERT_EQUAL(node_of(&s, L).nat.port, TRACKER_PORT_REWRITTEN);
        CU_ASSERT_NOT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_DEPENDENT);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
        CU_ASSERT_EQUAL(stats_of(&s).matched, 12);
        scene_end(&s);
    }
}

/* ---- several addresses ---- */

/* One node with one id, IPv4 and IPv6: this is no shared id, and each family has its own port. */
static void dual_stack(void)
{
    scene s;

    scene_begin(&s);
    s.step = SECONDS;
    for (int i = 0; i < 4; i++) {
        char t[3] = {'a', (char)('a' + i), 0};
        char remote6[16];

        snprintf(remote6, sizeof remote6, "6:%d:7000", 20 + i);
        ping_seen(&s, L, remotes[i], OUT1);
        SAY(&s, "6:5:6881", remote6, PING, .t = t, .id = 'q');
        SAY(&s, remote6, "6:5:6881", .t = t, .id = 'r', .ip = "6:5:6881");
    }
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED) + FOUND(&s, NAT_DEPENDENT) + FOUND(&s, NAT_REMAPPED), 0);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_NOT_EQUAL(node_of(&s, "6:5:6881").nat.port, TRACKER_PORT_REWRITTEN);
    SAY(&s, "6:5:6881", "6:20:7000", PING, .p = 6881, .id = 'q', .t = "p6");
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* It is queried at one address and responds from another; and sends from both. */
static void multi_homed(void)
{
    scene s;

    scene_begin(&s);
    s.step = SECONDS;
    for (int i = 0; i < 6; i++) {
        char t[3] = {'m', (char)('a' + i), 0};

        SAY(&s, R1, "198.51.100.50:6881", PING, .t = t, .id = 'r');
        SAY(&s, "198.51.100.60:6881", R1, .t = t, .id = 'q', .ip = R1);
        SAY(&s, i % 2 == 0 ? "198.51.100.50:6881" : "198.51.100.60:6881", R2, PING, .t = t, .id = 'q');
    }
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), 6);
    CU_ASSERT_EQUAL(node_of(&s, R1).nat.num_external, 0); /* a node that was not queried is no witness */
    CU_ASSERT_EQUAL(node_of(&s, "198.51.100.50:6881").nat.mapping, TRACKER_MAPPING_UNKNOWN);
    expect_no_finding_about_nat(&s);
    scene_end(&s);
}

/* Two hosts inside one NAT communicate through its outside address; the NAT rewrites both. */
static void hairpin(void)
{
    scene s;

    scene_begin(&s);
    s.step = 100 * MS;
    for (int i = 0; i < 6; i++) {
        char t[3] = {'h', (char)('a' + i), 0};

        ping_seen(&s, L, remotes[i % 3], OUT1);
        ping_seen(&s, L2, remotes[i % 3], OUT2);
        SAY(&s, L, OUT2, PING, .t = t, .id = 'q'); /* to the neighbour */
        say_again(&s, i % 2 == 0 ? OUT1 : "203.0.113.9:50505", L2);
        SAY(&s, L2, i % 2 == 0 ? OUT1 : "203.0.113.9:50505", .t = t, .id = 'u',
            .ip = i % 2 == 0 ? OUT1 : "203.0.113.9:50505");
        say_again(&s, OUT2, L);
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    expect_nat(&s, L2, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(what_was_said_before),
        UNIT_TEST(what_was_said_in_between),
        UNIT_TEST(rebinding_seen_from_outside),
        UNIT_TEST(two_with_the_same_inside_port),
        UNIT_TEST(two_with_the_same_bytes),
        UNIT_TEST(a_port_that_is_used_again),
        UNIT_TEST(it_begins_in_the_middle),
        UNIT_TEST(one_direction),
        UNIT_TEST(answers_that_are_not_shown),
        UNIT_TEST(mirrored),
        UNIT_TEST(mirrored_on_both_sides),
        UNIT_TEST(a_clock_that_jumps),
        UNIT_TEST(dual_stack),
        UNIT_TEST(multi_homed),
        UNIT_TEST(hairpin),
    };

    return UNIT_RUN("tracker nasty", tests);
}
