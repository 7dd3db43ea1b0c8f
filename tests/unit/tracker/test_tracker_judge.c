/* test_tracker_judge.c: the number of witnesses that each verdict needs, and one less.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L    "192.168.1.2:6881"
#define R1   "198.51.100.1:7001"
#define R2   "198.52.100.2:7002"
#define R3   "198.53.100.3:7003"
#define R4   "198.54.100.4:7004"
#define R5   "198.55.100.5:7005"
#define SAME "203.0.113.9:6881"
#define OUT1 "203.0.113.9:40001"
#define OUT2 "203.0.113.9:40002"

static void expect_nat(scene *s, const char *node, tracker_port port, tracker_mapping mapping)
{
    tracker_node n = node_of(s, node);

    UNIT_TEXT(tracker_port_name(n.nat.port), tracker_port_name(port));
    UNIT_TEXT(tracker_mapping_name(n.nat.mapping), tracker_mapping_name(mapping));
}

/* Remote number i, each in another network. */
static const char *remote_of(int i)
{
    static char text[32];

    snprintf(text, sizeof text, "198.%d.7.1:7000", 20 + i);
    return text;
}

/* ---- does the NAT keep the port? ---- */

static void witnesses_of_the_port(void)
{
    static const struct {
        int same;  /* remotes that saw the inside port */
        int other; /* remotes that saw another port */
        int again; /* reports in all of the last one of the first */
        tracker_port port;
        tracker_mapping mapping;
    } rows[] = {
        {1, 0, 1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN},
        {2, 0, 1, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_UNKNOWN},
        {3, 0, 1, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT},
        {0, 1, 1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN},
        {0, 2, 1, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN},
        {0, 3, 1, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT},
        {1, 1, 1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN},
        {2, 2, 1, TRACKER_PORT_MIXED, TRACKER_MAPPING_UNKNOWN},
        {2, 3, 1, TRACKER_PORT_MIXED, TRACKER_MAPPING_INDEPENDENT},
        {3, 2, 1, TRACKER_PORT_MIXED, TRACKER_MAPPING_INDEPENDENT},
        {1, 3, 1, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT},
        {1, 3, 2, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT},
        {3, 1, 1, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT},
        {20, 1, 1, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT},
        {1, 20, 1, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        for (int k = 0; k < rows[i].same; k++) {
            for (int n = k + 1 == rows[i].same ? 0 : rows[i].again - 1; n < rows[i].again; n++) {
                ping_seen(&s, L, remote_of(k), SAME);
            }
        }
        for (int k = 0; k < rows[i].other; k++) {
            ping_seen(&s, L, remote_of(100 + k), OUT1);
        }
        expect_nat(&s, L, rows[i].port, rows[i].mapping);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
        scene_end(&s);
    }
}

/* Witnesses in two networks are needed, for either verdict. */
static void witnesses_of_one_network(void)
{
    static const char *const seen[] = {SAME, OUT1};

    for (int i = 0; i < 2; i++) {
        scene s;

        scene_begin(&s);
        ping_seen(&s, L, "198.51.1.1:7000", seen[i]);
        ping_seen(&s, L, "198.51.1.2:7000", seen[i]);
        ping_seen(&s, L, "198.51.1.3:7000", seen[i]);
        expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
        ping_seen(&s, L, "198.51.2.1:7000", seen[i]);
        expect_nat(&s, L, i == 0 ? TRACKER_PORT_PRESERVED : TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
        scene_end(&s);
    }
}

/* ---- does the port depend on the destination? ---- */

/* One remote contradicts others, after and between their reports: it is left out, and three others are enough. */
static void one_against_a_crowd(void)
{
    for (int crowd = 2; crowd <= 3; crowd++) {
        scene s;

        scene_begin(&s);
        for (int i = 0; i < crowd; i++) {
            ping_seen(&s, L, remote_of(i), OUT1);
        }
        ping_seen(&s, L, R5, OUT2);
        expect_nat(&s, L, TRACKER_PORT_REWRITTEN, crowd == 3 ? TRACKER_MAPPING_INDEPENDENT : TRACKER_MAPPING_UNKNOWN);
        for (int i = 0; i < 2; i++) {
            ping_seen(&s, L, remote_of(i), OUT1); /* R5 is alone with its port, so it is the one that is wrong */
            expect_nat(&s, L, TRACKER_PORT_REWRITTEN,
                       crowd == 3 ? TRACKER_MAPPING_INDEPENDENT : TRACKER_MAPPING_UNKNOWN);
        }
        scene_end(&s);
    }
}

/* Ten networks that agree outweigh a fifth of them that each name another port. */
static void a_few_against_a_crowd(void)
{
    static const struct {
        int crowd, few;
        tracker_mapping mapping;
    } rows[] = {{9, 1, TRACKER_MAPPING_INDEPENDENT},  {9, 2, TRACKER_MAPPING_DEPENDENT},
                {10, 2, TRACKER_MAPPING_INDEPENDENT}, {10, 3, TRACKER_MAPPING_DEPENDENT},
                {15, 3, TRACKER_MAPPING_INDEPENDENT}, {15, 4, TRACKER_MAPPING_DEPENDENT}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char seen[32];
        scene s;

        scene_begin(&s);
        for (int k = 0; k < rows[i].crowd; k++) {
            ping_seen(&s, L, remote_of(k), OUT1);
            if (k > 0 && k <= rows[i].few) {
                snprintf(seen, sizeof seen, "203.0.113.9:%d", 40001 + k);
                ping_seen(&s, L, remote_of(100 + k), seen);
            }
        }
        expect_nat(&s, L, TRACKER_PORT_REWRITTEN, rows[i].mapping);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), rows[i].mapping == TRACKER_MAPPING_DEPENDENT);
        scene_end(&s);
    }
}

/* No two remotes saw the same. Of three, two must see their port before and after another one does: without any one of
 * them, the ports of the others overlap. Of four, any three saw three ports within 25 s. */
static void each_sees_another(void)
{
    for (int num = 3; num <= 4; num++) {
        scene s;
        char seen[32];

        scene_begin(&s);
        s.step = 2 * SECONDS;
        for (int i = 0; i < num + 2; i++) {
            CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), num == 4 && i >= 4);
            snprintf(seen, sizeof seen, "203.0.113.9:%d", 40001 + i % num);
            ping_seen(&s, L, remote_of(i % num), seen);
        }
        expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_DEPENDENT);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 1);
        CU_ASSERT_EQUAL(LAST_FRAME(&s, NAT_DEPENDENT), 4); /* the first packet that shows another port */
        CU_ASSERT_EQUAL(LAST(&s, NAT_DEPENDENT).a, 40002);
        CU_ASSERT_EQUAL(LAST(&s, NAT_DEPENDENT).b, 40001);
        scene_end(&s);
    }
}

/* One remote reports the inside port twice, between two that agree about another port, or before a single other one: a
 * verdict that needs this one remote is none. */
static void the_inside_port_can_be_made_up(void)
{
    for (unsigned agree = 0; agree < 2; agree++) {
        scene s;

        scene_begin(&s);
        s.step = 2 * SECONDS;
        ping_seen(&s, L, R2, OUT1);
        ping_seen(&s, L, R1, SAME);
        if (agree != 0) {
            ping_seen(&s, L, R3, OUT1);
        }
        ping_seen(&s, L, R2, OUT1);
        CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_UNKNOWN);
        ping_seen(&s, L, R1, SAME);
        CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_UNKNOWN);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
        scene_end(&s);
    }
}

/* Two remotes see each of two ports twice: without any one of them both ports remain. With a single remote for the
 * second port, that one may lie. */
static void two_for_each_port(void)
{
    for (int two = 0; two < 2; two++) {
        scene s;

        scene_begin(&s);
        s.step = 2 * SECONDS;
        for (int i = 0; i < 2; i++) {
            ping_seen(&s, L, R1, OUT1);
            ping_seen(&s, L, R2, OUT1);
            ping_seen(&s, L, R3, OUT2);
            if (two != 0) {
                ping_seen(&s, L, R4, OUT2);
            }
        }
        CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping, two != 0 ? TRACKER_MAPPING_DEPENDENT : TRACKER_MAPPING_UNKNOWN);
        scene_end(&s);
    }
}

/* A query and its answer, each captured on both sides of the NAT. */
static void both(scene *s, const char *remote, const char *outside, const char *t)
{
    SAY(s, L, remote, GET_PEERS, .target = "h", .t = t, .id = 'q');
    say_again(s, outside, remote);
    SAY(s, remote, outside, .id = 'r', .token = "t", .nodes = "192.0.2.99:1000", .t = t);
    say_again(s, remote, L);
}

/* An observation on both sides is a proof; a report of a remote is believed only when others agree. */
static void trusted_and_told(void)
{
    for (int told = 0; told < 2; told++) {
        scene s;
        char t[3] = "a0";

        scene_begin(&s);
        for (int i = 0; i < 2; i++) {
            t[1] = (char)('0' + i);
            both(&s, R1, OUT1, t);
            if (told != 0) {
                ping_seen(&s, L, R2, OUT2);
            } else {
                both(&s, R2, OUT2, t);
            }
        }
        expect_nat(&s, L, TRACKER_PORT_REWRITTEN, told != 0 ? TRACKER_MAPPING_UNKNOWN : TRACKER_MAPPING_DEPENDENT);
        scene_end(&s);
    }
}

/* Captured on both sides, two are enough: one may be a report. */
static void two_are_enough_with_both_sides(void)
{
    scene s;

    scene_begin(&s);
    both(&s, R1, OUT1, "aa");
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN);
    ping_seen(&s, L, R2, OUT1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.evidence, TRACKER_FROM_INSIDE | TRACKER_FROM_BOTH);
    scene_end(&s);
}

/* Preserved for one, rewritten for another: on both sides, one of each is enough. */
static void mixed_on_both_sides(void)
{
    scene s;

    scene_begin(&s);
    both(&s, R1, SAME, "aa");
    expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_UNKNOWN);
    both(&s, R2, OUT1, "ab");
    expect_nat(&s, L, TRACKER_PORT_MIXED, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
}

/* The private address is inside, also when the other side comes first: for a carrier's NAT, and for the Internet. */
static void which_side_is_inside(void)
{
    static const char *const inside[] = {L, L, "100.64.7.2:6881"};
    static const char *const outside[] = {SAME, "100.64.7.2:6881", SAME};

    for (int i = 0; i < 3; i++) {
        for (int first = 0; first < 2; first++) {
            scene s;

            scene_begin(&s);
            SAY(&s, "192.168.1.7:1", R1, PING, .t = "zz", .id = 'z'); /* the capture has an inside */
            SAY(&s, first != 0 ? outside[i] : inside[i], R1, GET_PEERS, .target = "h", .id = 'q');
            say_again(&s, first != 0 ? inside[i] : outside[i], R1);
            SAY(&s, R1, outside[i], .id = 'r', .token = "t", .nodes = "192.0.2.99:1000");
            say_again(&s, R1, inside[i]);
            expect_nat(&s, inside[i], TRACKER_PORT_PRESERVED, TRACKER_MAPPING_UNKNOWN);
            CU_ASSERT_EQUAL(node_of(&s, inside[i]).nat.external[0].frames[0], first != 0 ? 2 : 3);
            expect_nat(&s, outside[i], TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
            scene_end(&s);
        }
    }
}

/* Many queries wait for their other side at once. Where a place has no room, one that has found its other side is
 * evicted first, then the oldest. There are 512 places of four, so hardly any of the hundred that matter share a place
 * with three others of them, and only those can be lost: about one place in thirty runs. Without that order nearly all
 * of them are. */
static void many_wait_for_their_other_side(void)
{
    for (int found = 0; found < 2; found++) {
        scene s;
        uint8_t kept[100][sizeof s.packet];
        size_t len[100];
        char remote[32];
        char t[3] = "aa";

        scene_begin(&s);
        s.step = MS / 50;
        for (int i = 0; i < 1500; i++) {
            int waits = found != 0 ? i : i - 1400; /* the first ones, or the last ones */

            t[0] = (char)('a' + i % 64);
            t[1] = (char)('a' + i / 64);
            snprintf(remote, sizeof remote, "198.%d.%d.1:7000", 20 + i / 200, i % 200);
            SAY(&s, waits >= 0 && waits < 100 ? L : "192.168.1.3:6881", remote, GET_PEERS, .target = "h", .t = t,
                .id = 'q');
            if (waits >= 0 && waits < 100) {
                memcpy(kept[waits], s.packet, s.len);
                len[waits] = s.len;
            } else if (found != 0) {
                say_again(&s, OUT2, remote);
            }
        }
        for (int i = 0; i < 100; i++) {
            int number = found != 0 ? i : i + 1400;

            snprintf(remote, sizeof remote, "198.%d.%d.1:7000", 20 + number / 200, number % 200);
            memcpy(s.packet, kept[i], len[i]);
            s.len = len[i];
            say_again(&s, OUT1, remote);
        }
        CU_ASSERT_EQUAL(node_of(&s, L).nat.num_kept, 1);
        CU_ASSERT(node_of(&s, L).nat.external[0].observers >= 80);
        scene_end(&s);
    }
}

/* A repeated response, or one from another port than the query went to, is no further witness. */
static void replies_that_do_not_count(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    say_again(&s, R1, L);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_DUPLICATE_RESPONSE), 1);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.external[0].num_frames, 1);
    SAY(&s, L, R2, PING, .t = "zz", .id = 'q');
    SAY(&s, "198.52.100.2:8002", L, .t = "zz", .id = 'r', .ip = OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_PORT), 1);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.external[0].observers, 1);
    scene_end(&s);
}

/* What a single host names was made up by its own NAT; what two networks name, while none sees the endpoint in its
 * place, is the outside of a NAT. */
static void never_seen_in_place(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, SAME, R1, OUT1);
    CU_ASSERT_EQUAL(node_of(&s, SAME).nat.external[0].endpoint.port, 6881);
    ping_seen(&s, SAME, R2, OUT1);
    CU_ASSERT_EQUAL(node_of(&s, SAME).nat.num_external, 1);
    CU_ASSERT_EQUAL(node_of(&s, SAME).nat.external[0].endpoint.port, 40001);
    scene_end(&s);
}

/* r.p contains a port, or is ignored. */
static void a_port_in_r_p(void)
{
    static const struct {
        int port;
        unsigned seen;
    } rows[] = {{1, 1}, {65535, 1}, {65536, 0}, {-1, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        SAY(&s, L, R1, PING, .id = 'q');
        SAY(&s, R1, L, .id = 'r', .r_p = rows[i].port);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED), rows[i].seen);
        CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 0); /* the address is unknown */
        scene_end(&s);
    }
}

/* ---- ignored outside endpoints ---- */

/* One remote reports another port: before all others, among them, after them; or two report it. */
static void who_is_alone(void)
{
    static const struct {
        int place; /* after this many others */
        int claim;
        uint32_t listed;
        tracker_mapping mapping;
    } rows[] = {{0, 1, 1, TRACKER_MAPPING_INDEPENDENT},
                {1, 1, 1, TRACKER_MAPPING_INDEPENDENT},
                {2, 1, 1, TRACKER_MAPPING_INDEPENDENT},
                {3, 1, 1, TRACKER_MAPPING_INDEPENDENT},
                {1, 2, 2, TRACKER_MAPPING_UNKNOWN}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        tracker_node n;

        scene_begin(&s);
        for (int k = 0; k <= 3; k++) {
            for (int c = 0; k == rows[i].place && c < rows[i].claim; c++) {
                ping_seen(&s, L, remote_of(100 + c), OUT2);
            }
            if (k < 3) {
                ping_seen(&s, L, remote_of(k), OUT1);
            }
        }
        n = node_of(&s, L);
        CU_ASSERT_EQUAL(n.nat.mapping, rows[i].mapping);
        CU_ASSERT_EQUAL(n.nat.num_external, rows[i].listed);
        CU_ASSERT_EQUAL(n.nat.num_kept, rows[i].listed);
        CU_ASSERT(rows[i].listed == 2 || n.nat.external[0].endpoint.port == 40001);
        scene_end(&s);
    }
}

/* Two others of different networks are enough to leave it out, but not to say that there is one port for all. */
static void two_others(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    ping_seen(&s, L, R5, OUT2);
    ping_seen(&s, L, R2, OUT1);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
}

/* For a global endpoint, another endpoint that remotes report is made up, however many they are. */
static void made_up_by_others(void)
{
    for (int num = 1; num <= 2; num++) {
        scene s;
        tracker_node n;

        scene_begin(&s);
        ping_seen(&s, SAME, R1, SAME);
        for (int i = 0; i < num; i++) {
            ping_seen(&s, SAME, remote_of(i), OUT1);
        }
        n = node_of(&s, SAME);
        CU_ASSERT_EQUAL(n.nat.num_external, 1);
        CU_ASSERT_EQUAL(n.nat.num_kept, 1);
        CU_ASSERT_EQUAL(n.nat.external[0].endpoint.port, 6881);
        CU_ASSERT_EQUAL(n.nat.external[0].observers, (uint32_t)num + 1);
        CU_ASSERT_EQUAL(n.nat.external[0].num_frames, (uint32_t)num + 1);
        CU_ASSERT_EQUAL(n.nat.external[0].frames[0], 1);
        scene_end(&s);
    }
}

/* ---- the current outside endpoint ---- */

/* Eight are listed, in the order of their first packets; all are counted. */
static void the_ninth_outside_endpoint(void)
{
    scene s;
    tracker_node n;
    char seen[32];

    scene_begin(&s);
    s.step = 2 * SECONDS;
    for (int i = 0; i < 9; i++) {
        snprintf(seen, sizeof seen, "203.0.113.9:%d", 40001 + i);
        ping_seen(&s, L, remote_of(i), seen);
    }
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.mapping, TRACKER_MAPPING_DEPENDENT); /* nine ports at nine remotes */
    CU_ASSERT_EQUAL(n.nat.mapping_reason, TRACKER_REASON_SCATTERED);
    CU_ASSERT_EQUAL(n.nat.num_external, 9);
    CU_ASSERT_EQUAL_FATAL(n.nat.num_kept, 8);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(n.nat.external[i].endpoint.port, 40001 + i);
        CU_ASSERT_EQUAL(n.nat.external[i].observers, 1);
    }
    scene_end(&s);
}

/* The first frame of each witness, of the first four. */
static void frames_that_prove_it(void)
{
    scene s;
    tracker_node n;

    scene_begin(&s);
    for (int i = 0; i < 6; i++) {
        ping_seen(&s, L, remote_of(i), OUT1);
    }
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.external[0].num_frames, 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(n.nat.external[0].frames[i], (uint32_t)(2 * i + 2));
    }
    scene_end(&s);
}

/* The mapping has changed when remotes of two networks see the new endpoint, and none sees the old one any more. */
static void what_is_remapped(void)
{
    typedef enum how { MOVED, ONE_ALONE, OTHERS, STILL_SEEN, NUM_HOWS } how;

    for (how h = MOVED; h < NUM_HOWS; h++) {
        scene s;

        scene_begin(&s);
        s.step = 2 * SECONDS;
        ping_seen(&s, L, R1, OUT1);
        ping_seen(&s, L, R2, OUT1);
        ping_seen(&s, L, R3, OUT1);
        if (h == STILL_SEEN) {
            ping_seen(&s, L, R4, OUT2);
            ping_seen(&s, L, R2, OUT1);
        }
        ping_seen(&s, L, h == OTHERS ? R4 : R1, OUT2);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_REMAPPED), 0);
        if (h != ONE_ALONE) {
            ping_seen(&s, L, R5, OUT2);
        }
        CU_ASSERT_EQUAL(FOUND(&s, NAT_REMAPPED), h == MOVED || h == OTHERS);
        CU_ASSERT_EQUAL(node_of(&s, L).nat.remapped, h == MOVED || h == OTHERS);
        scene_end(&s);
    }
}

/* An advertisement is compared with the endpoint at its time; between two endpoints, it is unknown
 * which one. */
static void the_endpoint_of_that_time(void)
{
    static const uint16_t seen[] = {40001, 0, 0, 40002, 40002}; /* the port changed at an unknown time */
    static const char *const ports[] = {OUT1, OUT2};
    scene s;

    scene_begin(&s);
    s.step = 2 * SECONDS;
    for (int era = 0; era < 2; era++) {
        ping_seen(&s, L, R1, ports[era]);
        ping_seen(&s, L, R2, ports[era]);
        SAY(&s, L, "192.0.2.9:1", PING, .p = 6881, .t = era == 0 ? "p1" : "p4", .id = 'q');
        ping_seen(&s, L, R3, ports[era]);
        ping_seen(&s, L, R1, ports[era]);
        SAY(&s, L, "192.0.2.9:1", PING, .p = 6881, .t = era == 0 ? "p2" : "p5", .id = 'q');
        if (era == 0) {
            s.now += 200 * SECONDS;
            SAY(&s, L, "192.0.2.9:1", PING, .p = 6881, .t = "p3", .id = 'q');
        }
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(advert_of(&s, (uint64_t)i).verdict, TRACKER_VERDICT_MISMATCH);
        CU_ASSERT_EQUAL(advert_of(&s, (uint64_t)i).observed.port, seen[i]);
        CU_ASSERT_EQUAL(advert_of(&s, (uint64_t)i).observed_frame, seen[i] == 40001 ? 2 : seen[i] == 0 ? 0 : 13);
        CU_ASSERT_EQUAL(advert_of(&s, (uint64_t)i).verdict_frame, seen[i] == 40002 ? 13 : 2);
    }
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 5);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).a, 6881);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).b, 40002);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(witnesses_of_the_port),
        UNIT_TEST(witnesses_of_one_network),
        UNIT_TEST(one_against_a_crowd),
        UNIT_TEST(a_few_against_a_crowd),
        UNIT_TEST(each_sees_another),
        UNIT_TEST(the_inside_port_can_be_made_up),
        UNIT_TEST(two_for_each_port),
        UNIT_TEST(trusted_and_told),
        UNIT_TEST(two_are_enough_with_both_sides),
        UNIT_TEST(mixed_on_both_sides),
        UNIT_TEST(which_side_is_inside),
        UNIT_TEST(many_wait_for_their_other_side),
        UNIT_TEST(replies_that_do_not_count),
        UNIT_TEST(never_seen_in_place),
        UNIT_TEST(a_port_in_r_p),
        UNIT_TEST(who_is_alone),
        UNIT_TEST(two_others),
        UNIT_TEST(made_up_by_others),
        UNIT_TEST(the_ninth_outside_endpoint),
        UNIT_TEST(frames_that_prove_it),
        UNIT_TEST(what_is_remapped),
        UNIT_TEST(the_endpoint_of_that_time),
    };

    return UNIT_RUN("tracker judge", tests);
}
