/* test_tracker_nat.c: what observations prove about a NAT, and what they do not.
 *
 * The false positives are those of section 3.4 of the wire reference: liars, a responder in the same network, an
 * address without a port, stale replies, swapped bytes, expiry and reallocation, cloned ids, forwarded ports, tiny
 * payloads.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L    "192.168.1.2:6881"
#define R1   "198.51.100.1:7001" /* each in another network */
#define R2   "198.52.100.2:7002"
#define R3   "192.0.2.3:7003"
#define R4   "198.54.100.4:7004"
#define R5   "198.55.100.5:7005"
#define SAME "203.0.113.9:6881"
#define OUT1 "203.0.113.9:40001"
#define OUT2 "203.0.113.9:40002"
#define OUT3 "203.0.113.9:40003"
#define OUT4 "203.0.113.9:40004"

static void expect_nat(scene *s, const char *node, tracker_port port, tracker_mapping mapping)
{
    tracker_node n = node_of(s, node);

    UNIT_TEXT(tracker_port_name(n.nat.port), tracker_port_name(port));
    UNIT_TEXT(tracker_mapping_name(n.nat.mapping), tracker_mapping_name(mapping));
}

/* The capture shows L from its start: it was idle before, and no host has a reason to know it. */
static void scene_from_the_start(scene *s)
{
    scene_begin(s);
    SAY(s, "192.168.1.77:1", "192.0.2.250:1", PING, .t = "be", .id = 'b');
    s->now += 6 * SECONDS;
}

/* ---- (a) from inside ---- */

static void three_agree_that_it_is_rewritten(void)
{
    scene s;
    tracker_node n;

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN), 0);
    ping_seen(&s, L, R2, OUT1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping_reason, TRACKER_REASON_FEW_WITNESSES);
    ping_seen(&s, L, R3, OUT1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping_reason, TRACKER_REASON_AGREED);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN), 1);
    CU_ASSERT_EQUAL(LAST_FRAME(&s, NAT_REWRITTEN), 2); /* the first packet that shows it */
    CU_ASSERT_EQUAL(LAST(&s, NAT_REWRITTEN).a, 6881);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REWRITTEN).b, 40001);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED), 3);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED_ADDR), 3);
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.evidence, TRACKER_FROM_INSIDE);
    CU_ASSERT_EQUAL_FATAL(n.nat.num_kept, 1);
    CU_ASSERT_EQUAL(n.nat.external[0].endpoint.port, 40001);
    CU_ASSERT_EQUAL(n.nat.external[0].observers, 3);
    CU_ASSERT_EQUAL(n.nat.external[0].num_frames, 3);
    CU_ASSERT_EQUAL(n.nat.external[0].frames[0], 2);
    CU_ASSERT_EQUAL(n.nat.external[0].frames[2], 6);
    ping_seen(&s, L, R4, OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN), 1);
    scene_end(&s);
}

static void three_agree_that_it_is_preserved(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, R1, SAME);
    ping_seen(&s, L, R2, SAME);
    ping_seen(&s, L, R3, SAME);
    expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED), 0);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED_ADDR), 3);
    scene_end(&s);
}

/* One address is one witness, however many messages it sends from however many ports. */
static void one_address_is_one_witness(void)
{
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 5; i++) {
        ping_seen(&s, L, R1, OUT1);
        ping_seen(&s, L, "198.51.100.1:8001", OUT1);
        ping_seen(&s, L, "198.51.100.1:8002", OUT1);
    }
    expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
}

/* So is one network, a /24, however many addresses a remote has in it. */
static void one_network_is_not_enough(void)
{
    scene s;
    char remote[32];

    scene_begin(&s);
    for (int i = 0; i < 10; i++) {
        snprintf(remote, sizeof remote, "198.51.100.%d:7000", 1 + i);
        ping_seen(&s, L, remote, OUT1);
    }
    expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.port_reason, TRACKER_REASON_ONE_WITNESS);
    ping_seen(&s, L, "198.51.101.1:7000", OUT1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    scene_end(&s);
}

/* r.p is as good as ip for the port. */
static void observed_port_without_address(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, PING, .id = 'q');
    SAY(&s, R1, L, .id = 'r', .r_p = 40001);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_OBSERVED).a, 40001);
    CU_ASSERT_EQUAL(LAST(&s, PORT_OBSERVED).b, 6881);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED_ADDR), 0);
    scene_end(&s);
}

/* ---- false positives of (a) ---- */

static void a_liar_decides_nothing(void)
{
    scene s;
    char remote[32];

    scene_begin(&s);
    ping_seen(&s, L, R1, SAME);
    ping_seen(&s, L, R5, OUT4);
    ping_seen(&s, L, R2, SAME);
    ping_seen(&s, L, R5, OUT4);
    ping_seen(&s, L, R3, SAME);
    ping_seen(&s, L, R5, OUT4);
    ping_seen(&s, L, R1, SAME);
    /* without any one of them, the others agree, or contradict only this one */
    expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    for (int i = 10; i < 30; i++) { /* one against a crowd */
        snprintf(remote, sizeof remote, "198.51.100.%d:7000", i);
        ping_seen(&s, L, remote, SAME);
    }
    ping_seen(&s, L, R5, OUT4);
    ping_seen(&s, L, R1, SAME);
    expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

/* A node that was not queried does not count: anyone can send a response. */
static void strangers_are_no_witnesses(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, PING, .id = 'q');
    SAY(&s, R2, L, .t = "zz", .id = 'r', .ip = OUT1);
    SAY(&s, R3, L, .t = "zz", .id = 'r', .ip = OUT1);
    SAY(&s, R4, L, .t = "zz", .id = 'r', .ip = OUT1);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 0);
    scene_end(&s);
}

static void responder_in_the_same_network(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, "192.168.1.3:6881", L);
    ping_seen(&s, L, "192.168.1.4:6881", L);
    ping_seen(&s, L, "192.168.1.5:6881", L);
    expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 0);
    scene_end(&s);
}

/* A late response reports where the node was when it sent the query. */
static void stale_replies(void)
{
    static const char *const remotes[] = {R1, R2, R3};
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 3; i++) {
        ping_seen(&s, L, remotes[i], OUT1);
    }
    SAY(&s, L, R1, PING, .t = "x1", .id = 'q');
    SAY(&s, L, R2, PING, .t = "x2", .id = 'q');
    for (int i = 0; i < 3; i++) { /* the NAT has restarted */
        ping_seen(&s, L, remotes[i], OUT2);
    }
    SAY(&s, R1, L, .t = "x1", .id = 'r', .ip = OUT1);
    ping_seen(&s, L, R3, OUT2);
    SAY(&s, R2, L, .t = "x2", .id = 'r', .ip = OUT1);
    ping_seen(&s, L, R2, OUT2);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    scene_end(&s);
}

/* A responder that swaps the bytes of ports does not make a NAT. */
static void swapped_bytes_are_no_nat(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, R1, "203.0.113.9:57626"); /* 6881 is 0x1ae1 */
    ping_seen(&s, L, R2, "203.0.113.9:57626");
    ping_seen(&s, L, R3, "203.0.113.9:57626");
    expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 3);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED), 0);
    scene_end(&s);
}

/* Sending to itself through the NAT's own address. */
static void own_address(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    ping_seen(&s, L, R2, OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_OWN_ADDRESS), 0);
    ping_seen(&s, L, "203.0.113.9:50000", L); /* never translated: seen from inside at its own endpoint */
    CU_ASSERT_EQUAL(FOUND(&s, NAT_OWN_ADDRESS), 1);
    ping_seen(&s, L, "203.0.113.9:50000", SAME);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 1);
    scene_end(&s);
}

/* A node that came in through a forwarded port sees that port, and no mapping. */
static void forwarded_port(void)
{
    static const char *const remotes[] = {R1, R2, R3};

    for (int whole = 0; whole < 2; whole++) { /* does the capture show L from its start? */
        scene s;

        if (whole != 0) {
            scene_from_the_start(&s);
        } else {
            scene_begin(&s);
        }
        for (int i = 0; i < 3; i++) {
            ping_seen(&s, L, remotes[i], OUT1);
        }
        s.now += 11 * SECONDS;
        for (int i = 0; i < 2; i++) {
            SAY(&s, R4, L, PING, .t = "in", .id = 'r');
            SAY(&s, L, R4, .t = "in", .id = 'q');
            ping_seen(&s, L, R4, SAME);
            ping_seen(&s, L, R1, OUT1);
            SAY(&s, R5, L, PING, .t = "in", .id = 'r');
            SAY(&s, L, R5, .t = "in", .id = 'q');
            ping_seen(&s, L, R5, SAME);
            ping_seen(&s, L, R2, OUT1);
        }
        if (whole != 0) {
            expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
        } else {
            CU_ASSERT_NOT_EQUAL(node_of(&s, L).nat.port, TRACKER_PORT_MIXED);
            CU_ASSERT_NOT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_DEPENDENT);
        }
        scene_end(&s);
    }
}

/* The NAT of a node with a forwarded port may make up the source ports of strangers. */
static void ghosts_of_a_forwarded_port(void)
{
    static const char *const remotes[] = {R1, R2, R3};
    scene s;
    tracker_node n;

    scene_begin(&s);
    s.step = SECONDS;
    for (int i = 0; i < 9; i++) {
        ping_seen(&s, SAME, remotes[i % 3], SAME);
        if (i % 3 == 1) {
            ping_seen(&s, SAME, R4, "203.0.113.9:20001");
            ping_seen(&s, SAME, R5, "203.0.113.9:20002");
        }
    }
    expect_nat(&s, SAME, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_INDEPENDENT); /* it is seen in place */
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN) + FOUND(&s, NAT_DEPENDENT), 0);
    CU_ASSERT_EQUAL(node_of(&s, SAME).nat.num_external, 1);
    CU_ASSERT_EQUAL(node_of(&s, SAME).nat.external[0].endpoint.port, 6881);
    scene_end(&s);
    scene_begin(&s);
    ping_seen(&s, SAME, R4, "203.0.113.9:20001");
    ping_seen(&s, SAME, R1, SAME);
    ping_seen(&s, SAME, R4, SAME);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REMAPPED), 0);
    scene_end(&s);
    scene_begin(&s);
    for (int i = 0; i < 60; i++) { /* one against many, between their reports: ignored */
        char remote[32];

        snprintf(remote, sizeof remote, "198.%d.7.1:7000", 51 + i % 30);
        ping_seen(&s, L, remote, OUT1);
        if (i == 30) {
            ping_seen(&s, L, R4, OUT4);
        }
    }
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.num_external, 1);
    CU_ASSERT_EQUAL(n.nat.num_kept, 1);
    CU_ASSERT_EQUAL(n.nat.external[0].endpoint.port, 40001);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    scene_end(&s);
}

/* ---- (a) from both sides ---- */

/* A query and its answer, each captured on both sides of the NAT: four frames. */
static void both(scene *s, const char *remote, const char *outside, const char *t)
{
    SAY(s, L, remote, GET_PEERS, .target = "h", .t = t, .id = 'q');
    say_again(s, outside, remote);
    SAY(s, remote, outside, .id = 'r', .token = "t", .nodes = "192.0.2.99:1000", .t = t);
    say_again(s, remote, L);
}

/* A stranger can forge the source address of a query, so a pair without an answer proves nothing. */
static void both_sides_prove_it_at_once(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, GET_PEERS, .target = "h", .t = "zz", .id = 'q');
    say_again(&s, OUT1, R1);
    expect_nat(&s, L, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
    scene_begin(&s);
    both(&s, R1, OUT1, "aa");
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.evidence, TRACKER_FROM_BOTH);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.external[0].frames[0], 2);
    both(&s, R2, OUT1, "ab");
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), 0);
    /* the port that the receiver sees is known before it reports anything */
    SAY(&s, L, R3, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .t = "an", .id = 'q');
    say_again(&s, OUT1, R3);
    CU_ASSERT_EQUAL(advert_of(&s, 0).observed_frame, s.frame);
    CU_ASSERT_EQUAL(advert_of(&s, 0).observed.port, 40001);
    scene_end(&s);
}

static void outside_may_come_first(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "192.168.1.7:1", R1, PING, .t = "zz", .id = 'z'); /* there is an inside here */
    SAY(&s, SAME, R1, GET_PEERS, .target = "h", .id = 'q');
    say_again(&s, L, R1);
    SAY(&s, R1, L, .id = 'r', .token = "t", .nodes = "192.0.2.99:1000");
    say_again(&s, R1, SAME);
    expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
}

/* Two NATs in a row, captured between them. What hosts of three networks see is the work of both, and the verdict is
 * about this whole path. From two networks it is not known, so the verdict is about the inner NAT. */
static void the_first_of_two_nats(void)
{
    static const char *const remotes[] = {R1, R2, R3};
    scene s;
    tracker_node n;

    scene_begin(&s);
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            expect_nat(&s, L, TRACKER_PORT_PRESERVED, TRACKER_MAPPING_INDEPENDENT);
        }
        char t[3] = {'a', (char)('0' + i), 0};

        SAY(&s, L, remotes[i], GET_PEERS, .target = "h", .t = t, .id = 'q');
        say_again(&s, "100.64.7.2:6881", remotes[i]);
        SAY(&s, remotes[i], "100.64.7.2:6881", .t = t, .id = 'r', .ip = OUT1);
        say_again(&s, remotes[i], L);
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    expect_nat(&s, "100.64.7.2:6881", TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.evidence, TRACKER_FROM_BOTH | TRACKER_FROM_INSIDE);
    CU_ASSERT_EQUAL_FATAL(n.nat.num_kept, 2);
    CU_ASSERT_EQUAL(n.nat.external[0].endpoint.port, 6881);
    CU_ASSERT_EQUAL(n.nat.external[1].endpoint.port, 40001);
    CU_ASSERT_EQUAL(n.nat.remapped, 0);
    /* the receiver sees the outermost endpoint */
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .t = "an", .id = 'q', .v = "LT");
    say_again(&s, "100.64.7.2:6881", R1);
    CU_ASSERT_EQUAL(advert_of(&s, 0).verdict, TRACKER_VERDICT_MISMATCH);
    CU_ASSERT_EQUAL(advert_of(&s, 1).verdict, TRACKER_VERDICT_MISMATCH);
    scene_end(&s);
}

/* An endpoint that both NATs and a neighbour between them show is listed once. */
static void one_endpoint_is_told_once(void)
{
    static const char *const remotes[] = {R1, R2, "100.64.9.9:7000"};
    scene s;
    tracker_node n;

    scene_begin(&s);
    for (int i = 0; i < 3; i++) {
        SAY(&s, L, remotes[i], GET_PEERS, .target = "h", .t = (char[]){'a', (char)('0' + i), 0}, .id = 'q');
        say_again(&s, "100.64.7.2:6881", remotes[i]);
    }
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.num_kept, 1);
    CU_ASSERT_EQUAL(n.nat.num_external, 1);
    CU_ASSERT_EQUAL(n.nat.external[0].observers, 3);
    scene_end(&s);
}

/* There is room for eight, from both sources; all are counted. */
static void more_endpoints_than_are_told(void)
{
    scene s;
    tracker_node n;

    scene_begin(&s);
    SAY(&s, L, R1, GET_PEERS, .target = "h", .t = "aa", .id = 'q');
    say_again(&s, "100.64.7.2:6881", R1);
    for (int i = 0; i < 8; i++) {
        char remote[32];
        char seen[32];

        snprintf(remote, sizeof remote, "198.51.100.%d:7000", 10 + i);
        snprintf(seen, sizeof seen, "203.0.113.9:%d", 40001 + i);
        ping_seen(&s, L, remote, seen);
    }
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.num_kept, 8);
    CU_ASSERT_EQUAL(n.nat.num_external, 9);
    CU_ASSERT_EQUAL(n.nat.external[0].endpoint.port, 6881);
    CU_ASSERT_EQUAL(n.nat.external[7].endpoint.port, 40007);
    scene_end(&s);
}

/* A NAT with a short timeout: a host that asks back may come in through the forwarded port. Three networks saw the
 * mapping when the socket had sent to them first, from its start; the forwarded port that strangers use explains the
 * rest. */
static void forwarded_port_and_short_mappings(void)
{
    static const char *const remotes[] = {R1, R2, R3};
    scene s;

    scene_from_the_start(&s);
    for (int i = 0; i < 3; i++) {
        ping_seen(&s, L, remotes[i], OUT1);
    }
    s.now += 11 * SECONDS;
    SAY(&s, "203.0.112.77:1", L, PING, .t = "st", .id = 's'); /* a stranger */
    SAY(&s, L, "203.0.112.77:1", .t = "st", .id = 'q');
    for (int i = 0; i < 6; i++) {
        s.now += 5 * SECONDS;
        SAY(&s, remotes[i % 2], L, PING, .t = "in", .id = 'r');
        ping_seen(&s, L, remotes[i % 2], SAME);
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping_reason, TRACKER_REASON_AGREED);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REMAPPED) + FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

static void what_is_no_pair(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, GET_PEERS, .target = "h", .id = 'q'); /* another payload: a relay */
    SAY(&s, OUT1, R1, GET_PEERS, .target = "h", .id = 'q', .scrape = 1);
    SAY(&s, L, R1, GET_PEERS, .target = "i", .id = 'q'); /* another destination */
    say_again(&s, OUT1, R2);
    SAY(&s, L, R1, GET_PEERS, .target = "j", .id = 'q'); /* too late */
    s.now += 3 * SECONDS;
    say_again(&s, OUT1, R1);
    SAY(&s, L, "203.0.113.9:5000", GET_PEERS, .target = "k", .id = 'q'); /* to the NAT's own address */
    say_again(&s, OUT1, "203.0.113.9:5000");
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 0);
    scene_end(&s);
}

/* Identical repetitions: the first packet inside belongs to the first outside. */
static void pairs_in_order(void)
{
    scene s;

    scene_begin(&s);
    both(&s, R1, OUT1, "aa");
    say_again(&s, OUT1, R1);
    say_again(&s, OUT2, R1); /* another node copies the bytes, but no inside packet is left for it */
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 1);
    scene_end(&s);
}

/* ---- (b) ---- */

static void interleaving_proves_dependence(void)
{
    scene s;

    scene_begin(&s);
    s.step = 2 * SECONDS;
    ping_seen(&s, L, R1, OUT1);
    ping_seen(&s, L, R2, OUT2);
    ping_seen(&s, L, R3, OUT3);
    ping_seen(&s, L, R1, OUT1);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN);
    ping_seen(&s, L, R2, OUT2); /* without any one of the three, two ports overlap */
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping_reason, TRACKER_REASON_OVERLAP);
    ping_seen(&s, L, R3, OUT3);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 1);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, 3);
    ping_seen(&s, L, R1, OUT1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 1); /* each is reported once */
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN), 1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REMAPPED), 0);
    scene_end(&s);
}

/* No mapping has such a short lifetime. One of three may lie; without any one of four, three remain. */
static void four_ports_at_once(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    ping_seen(&s, L, R2, OUT2);
    ping_seen(&s, L, R3, OUT3);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_UNKNOWN);
    ping_seen(&s, L, R4, OUT4);
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping_reason, TRACKER_REASON_SCATTERED);
    scene_end(&s);
}

/* If the clock stops or runs backwards, nothing is simultaneous and nothing is in between. */
static void clocks_that_prove_nothing(void)
{
    static const int64_t steps[] = {0, -10 * MS, -5 * SECONDS};
    static const char *const remotes[] = {R1, R2, R3};
    static const char *const seen[] = {OUT1, OUT2, OUT3};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        scene s;

        scene_begin(&s);
        s.step = steps[i];
        for (int round = 0; round < 3; round++) { /* a NAT that restarts sometimes */
            for (int k = 0; k < 6; k++) {
                ping_seen(&s, L, remotes[k % 3], seen[round]);
            }
        }
        CU_ASSERT_EQUAL(node_of(&s, L).nat.port, TRACKER_PORT_REWRITTEN);
        CU_ASSERT_NOT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_DEPENDENT);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
        scene_end(&s);
        scene_begin(&s);
        s.step = steps[i];
        for (int k = 0; k < 3; k++) {
            ping_seen(&s, L, remotes[k], seen[k]);
        }
        CU_ASSERT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_UNKNOWN);
        scene_end(&s);
    }
}

static void preserved_for_some(void)
{
    scene s;

    scene_begin(&s);
    s.step = 2 * SECONDS;
    for (int i = 0; i < 2; i++) {
        ping_seen(&s, L, R1, SAME);
        ping_seen(&s, L, R3, OUT1);
        ping_seen(&s, L, R2, SAME);
        ping_seen(&s, L, R4, OUT1);
        ping_seen(&s, L, R5, SAME);
    }
    expect_nat(&s, L, TRACKER_PORT_MIXED, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REWRITTEN), 1); /* it is rewritten for some */
    scene_end(&s);
}

/* A, A, A, B, B, B: the mapping expired and was replaced. */
static void expiry_is_no_dependence(void)
{
    static const char *const remotes[] = {R1, R2, R3};
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 6; i++) {
        ping_seen(&s, L, remotes[i % 3], OUT1);
    }
    s.now += 200 * SECONDS;
    for (int i = 0; i < 6; i++) {
        ping_seen(&s, L, remotes[i % 3], OUT2);
    }
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_INDEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REMAPPED), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REMAPPED).a, 40001);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REMAPPED).b, 40002);
    CU_ASSERT_EQUAL(node_of(&s, L).nat.remapped, 1);
    scene_end(&s);
}

/* A, B, A: a NAT that prefers the inside port uses it again. */
static void coming_back_is_no_dependence(void)
{
    static const char *const remotes[] = {R1, R2, R3};
    static const char *const seen[] = {SAME, OUT1, SAME};
    scene s;

    scene_begin(&s);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 6; i++) {
            ping_seen(&s, L, remotes[i % 3], seen[round]);
        }
        s.now += 200 * SECONDS;
    }
    CU_ASSERT_NOT_EQUAL(node_of(&s, L).nat.mapping, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

static void both_sides_prove_dependence(void)
{
    scene s;

    scene_begin(&s);
    both(&s, R1, OUT1, "a1");
    both(&s, R2, OUT2, "a2");
    both(&s, R1, OUT1, "a3");
    both(&s, R2, OUT2, "a4");
    expect_nat(&s, L, TRACKER_PORT_REWRITTEN, TRACKER_MAPPING_DEPENDENT);
    scene_end(&s);
}

/* ---- from outside ---- */

static void exchange(scene *s, const char *node, const char *remote, char id, const char *t)
{
    SAY(s, node, remote, PING, .t = t, .id = id);
    SAY(s, remote, node, .t = t, .id = (char)(id + 1));
}

static void one_id_on_two_ports(void)
{
    scene s;

    scene_begin(&s);
    s.step = 2 * SECONDS;
    for (int i = 0; i < 2; i++) { /* without what one of two remotes sees, one port remains */
        exchange(&s, OUT1, R1, 'q', "aa");
        exchange(&s, OUT2, R2, 'q', "ab");
    }
    CU_ASSERT_EQUAL(node_of(&s, OUT1).nat.mapping, TRACKER_MAPPING_UNKNOWN);
    for (int i = 0; i < 2; i++) {
        exchange(&s, OUT1, R3, 'q', "ac");
        exchange(&s, OUT2, R4, 'q', "ad");
        exchange(&s, OUT1, R1, 'q', "ae");
        exchange(&s, OUT2, R2, 'q', "af");
    }
    expect_nat(&s, OUT1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_DEPENDENT);
    expect_nat(&s, OUT2, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_DEPENDENT);
    CU_ASSERT_EQUAL(node_of(&s, OUT1).nat.evidence, TRACKER_FROM_OUTSIDE);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 1);
    scene_end(&s);
}

/* A program that was restarted on another port. */
static void a_restart_is_no_dependence(void)
{
    scene s;

    scene_begin(&s);
    s.step = SECONDS;
    exchange(&s, OUT1, R1, 'q', "aa");
    exchange(&s, OUT1, R2, 'q', "ab");
    exchange(&s, OUT1, R1, 'q', "ac");
    exchange(&s, OUT2, R1, 'q', "ad");
    exchange(&s, OUT2, R2, 'q', "ae");
    exchange(&s, OUT2, R1, 'q', "af");
    exchange(&s, OUT2, R2, 'q', "ag");
    CU_ASSERT_NOT_EQUAL(node_of(&s, OUT2).nat.mapping, TRACKER_MAPPING_DEPENDENT);
    scene_end(&s);
}

/* One of the two ports is seen only in responses: it is a forwarded port, and is used for queries during a flow. */
static void a_forwarded_port_is_no_dependence(void)
{
    scene s;

    scene_begin(&s);
    s.step = 2 * SECONDS;
    exchange(&s, OUT1, R1, 'q', "aa");
    SAY(&s, R2, OUT2, PING, .t = "in", .id = 'r');
    SAY(&s, OUT2, R2, .t = "in", .id = 'q');
    for (int i = 0; i < 4; i++) {
        exchange(&s, OUT1, R1, 'q', "ab");
        exchange(&s, OUT2, R2, 'q', "ac");
    }
    expect_nat(&s, OUT1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
    scene_end(&s);
}

/* Captured inside, with a forwarded port: the NAT makes up source ports of incoming packets, whether their receivers
 * were heard before or not. */
static void made_up_ports_are_no_dependence(void)
{
    static const char *const heard[] = {L, "192.168.1.9:6881"};

    for (int k = 0; k < 2; k++) {
        scene s;

        scene_begin(&s);
        s.step = 2 * SECONDS;
        SAY(&s, heard[k], R5, PING, .t = "zz", .id = 'z'); /* there is an inside here */
        exchange(&s, OUT1, L, 'q', "aa");
        exchange(&s, OUT2, "192.168.1.3:6881", 'q', "ab");
        for (int i = 0; i < 4; i++) {
            exchange(&s, OUT1, L, 'q', "ac");
            exchange(&s, OUT2, "192.168.1.3:6881", 'q', "ad");
        }
        CU_ASSERT_EQUAL(FOUND(&s, NAT_DEPENDENT), 0);
        CU_ASSERT_EQUAL(node_of(&s, OUT1).nat.mapping, TRACKER_MAPPING_UNKNOWN);
        scene_end(&s);
    }
}

/* Two hosts inside one NAT with a copied id: the same remote gets both ports. */
static void a_cloned_id_is_no_dependence(void)
{
    scene s;
    char t[3] = "a0";

    scene_begin(&s);
    s.step = 500 * MS;
    for (int i = 0; i < 4; i++) {
        t[1] = (char)('0' + i);
        exchange(&s, OUT1, R1, 'q', t);
        exchange(&s, OUT2, R1, 'q', t);
        exchange(&s, OUT1, R2, 'q', t);
        exchange(&s, OUT2, R2, 'q', t);
    }
    expect_nat(&s, OUT1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    scene_end(&s);
}

static void one_port_for_all(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, OUT1, R1, OUT1);
    ping_seen(&s, OUT1, R2, OUT1);
    expect_nat(&s, OUT1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_UNKNOWN);
    ping_seen(&s, OUT1, R3, OUT1);
    /* it is unknown whether there is a NAT, but one port serves three destinations */
    expect_nat(&s, OUT1, TRACKER_PORT_UNKNOWN, TRACKER_MAPPING_INDEPENDENT);
    scene_end(&s);
}

/* ---- (c), tokens ---- */

static void answered(scene *s, const char *remote, const char *t)
{
    SAY(s, remote, L, PING, .t = t, .id = 'r');
    SAY(s, L, remote, .t = t, .id = 'q');
}

static void strangers_get_through(void)
{
    scene s;
    tracker_node n;

    scene_begin(&s);
    ping_seen(&s, L, R1, OUT1);
    s.now += 200 * SECONDS;
    ping_seen(&s, L, R1, OUT1);
    s.now += 101 * SECONDS; /* the longest life of a mapping, since the capture began */
    answered(&s, R1, "b1"); /* no stranger */
    answered(&s, R2, "b2");
    SAY(&s, R3, L, PING, .t = "b3", .id = 'r'); /* an answer proves that it got in */
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.filtering, TRACKER_FILTERING_UNKNOWN);
    CU_ASSERT_EQUAL(n.reach.verdict, TRACKER_REACH_UNKNOWN);
    CU_ASSERT_EQUAL(n.reach.missing, 1u << TRACKER_MISSING_ONE_NETWORK);
    answered(&s, R4, "b4");
    n = node_of(&s, L);
    CU_ASSERT_EQUAL(n.nat.filtering, TRACKER_FILTERING_INDEPENDENT);
    CU_ASSERT_EQUAL(n.reach.verdict, TRACKER_REACH_OPEN);
    CU_ASSERT_EQUAL(n.reach.num_sites, 2);
    scene_end(&s);
}

static void token_lost_with_the_mapping(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, OUT1, R1, GET_PEERS, .target = "h", .id = 'q');
    SAY(&s, R1, OUT1, .id = 'r', .token = "secret", .nodes = "203.0.113.77:1000");
    SAY(&s, OUT2, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "secret", .port = 6881, .t = "ab");
    SAY(&s, R1, OUT2, .error = 203, .t = "ab");
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).a, 40001);
    CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).b, 40002);
    /* near misses: the same port, another error, another token */
    SAY(&s, OUT1, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "secret", .port = 6881, .t = "ac");
    SAY(&s, R1, OUT1, .error = 203, .t = "ac");
    SAY(&s, OUT2, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "secret", .port = 6881, .t = "ad");
    SAY(&s, R1, OUT2, .error = 202, .t = "ad");
    SAY(&s, OUT2, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "other", .port = 6881, .t = "ae");
    SAY(&s, R1, OUT2, .error = 203, .t = "ae");
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 1);
    scene_end(&s);
}

/* Captured inside, the source port never changes, but the port that others see does. */
static void token_lost_seen_from_inside(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, GET_PEERS, .target = "h", .id = 'q');
    SAY(&s, R1, L, .id = 'r', .token = "secret", .nodes = "203.0.113.77:1000", .ip = OUT1);
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "secret", .port = 6881, .t = "ab");
    SAY(&s, R1, L, .error = 203, .t = "ab", .ip = OUT2);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 1);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(three_agree_that_it_is_rewritten),
        UNIT_TEST(three_agree_that_it_is_preserved),
        UNIT_TEST(one_address_is_one_witness),
        UNIT_TEST(one_network_is_not_enough),
        UNIT_TEST(observed_port_without_address),
        UNIT_TEST(a_liar_decides_nothing),
        UNIT_TEST(strangers_are_no_witnesses),
        UNIT_TEST(responder_in_the_same_network),
        UNIT_TEST(stale_replies),
        UNIT_TEST(swapped_bytes_are_no_nat),
        UNIT_TEST(own_address),
        UNIT_TEST(forwarded_port),
        UNIT_TEST(forwarded_port_and_short_mappings),
        UNIT_TEST(ghosts_of_a_forwarded_port),
        UNIT_TEST(both_sides_prove_it_at_once),
        UNIT_TEST(outside_may_come_first),
        UNIT_TEST(the_first_of_two_nats),
        UNIT_TEST(one_endpoint_is_told_once),
        UNIT_TEST(more_endpoints_than_are_told),
        UNIT_TEST(what_is_no_pair),
        UNIT_TEST(pairs_in_order),
        UNIT_TEST(interleaving_proves_dependence),
        UNIT_TEST(four_ports_at_once),
        UNIT_TEST(clocks_that_prove_nothing),
        UNIT_TEST(preserved_for_some),
        UNIT_TEST(expiry_is_no_dependence),
        UNIT_TEST(coming_back_is_no_dependence),
        UNIT_TEST(both_sides_prove_dependence),
        UNIT_TEST(one_id_on_two_ports),
        UNIT_TEST(a_restart_is_no_dependence),
        UNIT_TEST(a_forwarded_port_is_no_dependence),
        UNIT_TEST(made_up_ports_are_no_dependence),
        UNIT_TEST(a_cloned_id_is_no_dependence),
        UNIT_TEST(one_port_for_all),
        UNIT_TEST(strangers_get_through),
        UNIT_TEST(token_lost_with_the_mapping),
        UNIT_TEST(token_lost_seen_from_inside),
    };

    return UNIT_RUN("tracker nat", tests);
}
