/* test_tracker_values.c: peers and tokens in responses, compared with the announces that the responder received.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L    "192.168.1.2:6881"
#define R1   "198.51.100.1:7001"
#define R2   "198.52.100.2:7002"
#define R3   "192.0.2.3:7003"
#define R4   "198.53.100.4:7004"
#define PEER "97.98.99.100:12354" /* abcd, port 0x3042: "0B" */
#define OUT1 "203.0.113.9:40001"
#define OUT2 "203.0.113.9:40002"
#define OUT3 "203.0.113.9:40003"

/* ---- the forms of values ---- */

static uint32_t hand_out(scene *s, const char *responder, const char *target, const char *values)
{
    SAY(s, R2, responder, GET_PEERS, .target = target, .t = "gp", .id = 'x');
    return SAY(s, responder, R2, .t = "gp", .id = 'r', .values = values);
}

static uint32_t place_of(const scene *s, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i + len <= s->len; i++) {
        if (memcmp(s->packet + i, text, len) == 0) {
            return (uint32_t)i;
        }
    }
    return 0;
}

/* A bogus address is found in each form, with its position: 10.1.1.1, port "0B". */
static void shapes_of_values(void)
{
    static const struct {
        const char *values;
        unsigned bogus;
        const char *place;
        uint32_t len;
    } rows[] = {
        {"l6:\b\b\b\b0Be", 0, NULL, 0},
        {"l6:\n\1\1\1"
         "0Be",
         1, "\n\1\1\1", 6},
        {"l6:\b\b\b\b0B6:\n\1\1\1"
         "0Be",
         1, "\n\1\1\1", 6},
        {"l12:\b\b\b\b0B\n\1\1\1"
         "0Be",
         1, "\n\1\1\1", 6}, /* several in one string */
        {"l6:\b\b\b\b0B12:\b\b\b\b0B\n\1\1\1"
         "0Be",
         1, "\n\1\1\1", 6},
        {"l6:\n\1\1\1"
         "0B6:\n\2\2\2"
         "0Be",
         1, "\n\1\1\1", 6}, /* the first one is reported */
        {"l5:\n\1\1\1"
         "0e",
         0, NULL, 0}, /* no peer */
        {"l7:\n\1\1\1"
         "0BBe",
         0, NULL, 0},
        {"l6:\b\b\b\b0Bi7e6:\n\1\1\1"
         "0Be",
         1, "\n\1\1\1", 6},
        {"l18:\xfe\x80"
         "aaaaaaaaaaaaaa0Be",
         1, "\xfe\x80", 18}, /* IPv6, link-local */
        {"l18: aaaaaaaaaaaaaaa0Be", 0, NULL, 0},
        {"l17:\xfe\x80"
         "aaaaaaaaaaaaaa0e",
         0, NULL, 0},
        {"l60:\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B\b\b\b\b0B"
         "\n\1\1\1"
         "0Be",
         1, "\n\1\1\1", 6},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        hand_out(&s, R1, "h", rows[i].values);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_BOGUS_ADDRESS), rows[i].bogus);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_ZERO_ENTRY), 0);
        if (rows[i].bogus != 0) {
            CU_ASSERT_EQUAL(LAST(&s, PORT_BOGUS_ADDRESS).off, place_of(&s, rows[i].place));
            CU_ASSERT_EQUAL(LAST(&s, PORT_BOGUS_ADDRESS).len, rows[i].len);
        }
        scene_end(&s);
    }
}

/* BEP 32: over IPv4 peers have 6 bytes, over IPv6 18. One finding for a message, and none for a mapped address. */
static void peers_of_the_other_family(void)
{
    static const char mapped[] = "l18:\0\0\0\0\0\0\0\0\0\0\xff\xff\b\b\b\b0Be";
    scene s;

    scene_begin(&s);
    hand_out(&s, R1, "h", "l18: aaaaaaaaaaaaaaa0B18: aaaaaaaaaaaaaab0Be");
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_VALUES_FAMILY), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_VALUES_FAMILY).off, place_of(&s, " aaaaaaaaaaaaaaa0B"));
    CU_ASSERT_EQUAL(LAST(&s, KRPC_VALUES_FAMILY).field, KRPC_R_VALUES);
    hand_out(&s, R1, "h", "l6:\b\b\b\b0Be");
    SAY(&s, R2, R1, GET_PEERS, .target = "h");
    SAY(&s, R1, R2, .id = 'b', .values = mapped, .values_len = sizeof mapped - 1);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_VALUES_FAMILY), 1);
    scene_end(&s);
}

/* BEP 5 has a token in every answer to get_peers, and in no other. */
static void answers_without_a_token(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, R2, R1, GET_PEERS, .target = "h", .t = "g1");
    SAY(&s, R1, R2, .t = "g1", .id = 'b', .nodes = "8.8.8.8:9", .token = "tt");
    SAY(&s, R2, R1, FIND_NODE, .target = "h", .t = "g2");
    SAY(&s, R1, R2, .t = "g2", .id = 'b', .nodes = "8.8.8.8:9");
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_MISSING_TOKEN), 0);
    uint32_t asked = SAY(&s, R2, R1, GET_PEERS, .target = "h", .t = "g3");
    SAY(&s, R1, R2, .t = "g3", .id = 'b', .nodes = "8.8.8.8:9");
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_MISSING_TOKEN), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_MISSING_TOKEN).a, asked);
    scene_end(&s);
}

/* Of several peers on port 1, the first one is reported. */
static void several_on_port_1(void)
{
    static const char values[] = "l6:\b\b\b\b\0\0016:\b\b\b\t\0\001e";
    scene s;

    scene_begin(&s);
    SAY(&s, R2, R1, GET_PEERS, .target = "h");
    SAY(&s, R1, R2, .id = 'b', .values = values, .values_len = sizeof values - 1);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_ZERO_ENTRY), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_ZERO_ENTRY).off, place_of(&s, "\b\b\b\b"));
    scene_end(&s);
}

/* Each kind is reported once for a message, and port 2 is valid. */
static void what_is_told_of_nodes(void)
{
    static const struct {
        const char *nodes;
        unsigned zero;
        unsigned bogus;
    } rows[] = {{"192.168.1.7:2", 0, 1}, {"192.168.1.7:1", 1, 1}, {"192.168.1.7:0", 1, 1}, {"240.0.0.1:9", 0, 1},
                {"239.1.1.1:9", 0, 1},   {"223.1.1.1:9", 0, 0},   {"101.1.1.1:9", 0, 0},   {"248.0.0.1:9", 0, 1},
                {"232.0.0.1:9", 0, 1},   {"172.31.0.1:9", 0, 1},  {"173.16.0.1:9", 0, 0},  {"1.0.0.1:9", 0, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        SAY(&s, R2, R1, FIND_NODE, .target = "x");
        SAY(&s, R1, R2, .id = 'b', .nodes = rows[i].nodes);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_ZERO_ENTRY), rows[i].zero);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_BOGUS_ADDRESS), rows[i].bogus);
        if (rows[i].zero != 0) {
            CU_ASSERT_EQUAL(LAST(&s, PORT_ZERO_ENTRY).off, place_of(&s, "nnnnnnnnnnnnnnnnnnnn") + 20);
            CU_ASSERT_EQUAL(LAST(&s, PORT_ZERO_ENTRY).len, 6);
        }
        if (rows[i].bogus != 0) {
            CU_ASSERT_EQUAL(LAST(&s, PORT_BOGUS_ADDRESS).off, place_of(&s, "nnnnnnnnnnnnnnnnnnnn") + 20);
            CU_ASSERT_EQUAL(LAST(&s, PORT_BOGUS_ADDRESS).len, 6);
        }
        scene_end(&s);
    }
}

/* ---- what was announced ---- */

/* Byte-swapped, in each form: reported with its position, once for each. */
static void swapped_in_each_shape(void)
{
    static const struct {
        const char *values;
        uint32_t swapped;
    } rows[] = {{"l6:abcdB1e", 1},
                {"l6:abcdB16:efgh0Be", 1},
                {"l6:efgh0B6:abcdB1e", 1},
                {"l6:abcdB112:efgh0Befgh0Be", 1},
                {"l12:efgh0BabcdB1e", 1},
                {"l6:abcdB16:abcdB1e", 2},
                {"l6:abcdB112:abcdB1efgh0Be", 2},
                {"l6:abceB1e", 0},
                {"l6:abcdB2e", 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142); /* "1B" */
        hand_out(&s, R1, "h", rows[i].values);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), rows[i].swapped);
        if (rows[i].swapped == 1) {
            CU_ASSERT_EQUAL(LAST(&s, PORT_SWAPPED).off, place_of(&s, "abcdB1"));
            CU_ASSERT_EQUAL(LAST(&s, PORT_SWAPPED).len, 6);
            CU_ASSERT_EQUAL(LAST(&s, PORT_SWAPPED).a, 0x4231);
            CU_ASSERT_EQUAL(LAST(&s, PORT_SWAPPED).b, 0x3142);
        }
        expect_verdict(&s, 0, rows[i].swapped != 0 ? TRACKER_VERDICT_SWAPPED : TRACKER_VERDICT_PEER_PORT,
                       TRACKER_LATER_UNKNOWN);
        CU_ASSERT_EQUAL(advert_of(&s, 0).verdict_frame, rows[i].swapped != 0 ? 3 : 1);
        scene_end(&s);
    }
}

/* In a response of the node that received the announce, about that torrent, to get_peers. */
static void whose_announcement_it_is(void)
{
    typedef enum how { SO, ANOTHER_RESPONDER, ANOTHER_TORRENT, NOT_ASKED_FOR_PEERS, NUM_HOWS } how;

    for (how h = SO; h < NUM_HOWS; h++) {
        scene s;

        scene_begin(&s);
        SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142);
        if (h == NOT_ASKED_FOR_PEERS) {
            SAY(&s, R2, R1, FIND_NODE, .target = "h", .t = "gp", .id = 'x');
            SAY(&s, R1, R2, .t = "gp", .id = 'r', .values = "l6:abcd1Be");
        } else {
            hand_out(&s, h == ANOTHER_RESPONDER ? R3 : R1, h == ANOTHER_TORRENT ? "i" : "h", "l6:abcd1Be");
        }
        expect_verdict(&s, 0, TRACKER_VERDICT_PEER_PORT, h == SO ? TRACKER_LATER_HONOURED : TRACKER_LATER_UNKNOWN);
        CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, h == SO ? 3 : 0);
        CU_ASSERT_EQUAL(advert_of(&s, 0).later_ns, h == SO ? 20 * MS : 0);
        scene_end(&s);
    }
}

/* Of several nodes at one address, the one that received the announce, on any port that it responds from. */
static void one_of_several_behind_an_address(void)
{
    static const struct {
        char id;
        const char *values;
        tracker_verdict verdict;
        tracker_later later;
        bool silent; /* that node has never sent its id */
    } rows[] = {{'r', "l6:abcdB1e", TRACKER_VERDICT_SWAPPED, TRACKER_LATER_UNKNOWN, false},
                {'s', "l6:abcdB1e", TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_UNKNOWN, false},
                {'r', "l6:abcd1Be", TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_HONOURED, false},
                {'s', "l6:abcd1Be", TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_UNKNOWN, false},
                {'s', "l6:abcd0Be", TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_UNKNOWN, false},
                {'r', "l6:abcd1Be", TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_UNKNOWN, true}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_begin(&s);
        if (!rows[i].silent) {
            SAY(&s, R1, R2, PING, .id = 'r');
        }
        SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142);
        SAY(&s, R2, "198.51.100.1:7009", GET_PEERS, .target = "h", .t = "gp", .id = 'x');
        SAY(&s, "198.51.100.1:7009", R2, .t = "gp", .id = rows[i].id, .values = rows[i].values);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), strstr(rows[i].values, "B1") != NULL);
        expect_verdict(&s, 0, rows[i].verdict, rows[i].later);
        scene_end(&s);
    }
}

/* A DHT port in the same packet was not announced for any torrent. */
static void a_dht_port_is_not_announced(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142, .p = 0x3242);
    CU_ASSERT_EQUAL(s.result.num_adverts, 2);
    hand_out(&s, R1, "h", "l6:abcd2Be");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    hand_out(&s, R1, "h", "l6:abcdB2e");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 0);
    hand_out(&s, R1, "h", "l6:abcdB1e");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 1);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    expect_verdict(&s, 1, TRACKER_VERDICT_SWAPPED, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* A number that is no port is not converted to one. */
static void a_number_that_is_no_port(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x13142);
    hand_out(&s, R1, "h", "l6:abcdB1e");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 0);
    expect_verdict(&s, 0, TRACKER_VERDICT_INVALID, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* The first one counts, of either kind. */
static void handed_out_again(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142);
    hand_out(&s, R1, "h", "l6:abcd0Be");
    expect_verdict(&s, 0, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_NOT_HONOURED);
    hand_out(&s, R1, "h", "l6:abcd0Be");
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 3);
    hand_out(&s, R1, "h", "l6:abcd1Be");
    expect_verdict(&s, 0, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_HONOURED);
    hand_out(&s, R1, "h", "l6:abcd1Be");
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 7);
    hand_out(&s, R1, "h", "l6:abcdB1e");
    hand_out(&s, R1, "h", "l6:abcdB1e");
    CU_ASSERT_EQUAL(advert_of(&s, 0).verdict_frame, 11);
    scene_end(&s);
}

/* Captured inside a NAT: the returned endpoint is the outside address, once two remotes have reported it. */
static void announced_from_inside(void)
{
    for (int told = 1; told <= 2; told++) {
        scene s;

        scene_begin(&s);
        ping_seen(&s, L, R3, PEER);
        if (told == 2) {
            ping_seen(&s, L, R4, PEER);
        }
        SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142, .id = 'q');
        hand_out(&s, R1, "h", "l6:abcd1Be");
        CU_ASSERT_EQUAL(advert_of(&s, 0).later, told == 2 ? TRACKER_LATER_HONOURED : TRACKER_LATER_UNKNOWN);
        scene_end(&s);
    }
}

/* A filter of two generations, 16384 notes each, remembers what was announced; each announcement makes two notes, so
 * 17000 others are more than both hold. The records are in 2048 sets of eight: an old one is still there when fewer
 * than eight others came to its set, which is the case for 61 of 64 after 8000 others and for 48 after 12000, give or
 * take four. */
static void remembered_for_long(void)
{
    enum { NUM = 64 };
    static const struct {
        int others;
        uint32_t at_least, at_most;
    } rows[] = {{8000, 48, NUM}, {12000, 24, NUM}, {17000, 0, 8}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        char peer[32];
        char torrent[2] = "i";

        scene_begin(&s);
        s.step = 0;
        for (int k = 0; k < NUM; k++) {
            snprintf(peer, sizeof peer, "97.98.99.%d:9000", 100 + k);
            SAY(&s, peer, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142);
        }
        for (int k = 0; k < rows[i].others; k++) {
            snprintf(peer, sizeof peer, "80.81.%d.%d:9000", k / 250, 1 + k % 250);
            torrent[0] = (char)(1 + k % 100);
            SAY(&s, peer, R1, ANNOUNCE, .target = torrent, .token = "t", .port = 9000);
        }
        for (int k = 0; k < NUM; k++) {
            char swapped[] = "l6:abc.B1e"; /* 97.98.99.k, port 0x4231 */

            swapped[6] = (char)(100 + k);
            hand_out(&s, R1, "h", swapped);
        }
        CU_ASSERT(FOUND(&s, PORT_SWAPPED) >= rows[i].at_least && FOUND(&s, PORT_SWAPPED) <= rows[i].at_most);
        scene_end(&s);
    }
}

/* ---- tokens ---- */

static void give(scene *s, const char *node, const char *remote, const char *token, const char *t, const char *seen)
{
    SAY(s, node, remote, GET_PEERS, .target = "h", .id = 'q', .t = t);
    SAY(s, remote, node, .id = 'r', .token = token, .nodes = "203.0.113.77:1000", .t = t, .ip = seen);
}

static void refuse(scene *s, const char *node, const char *remote, const char *token, const char *t, const char *seen)
{
    SAY(s, node, remote, ANNOUNCE, .target = "h", .id = 'q', .token = token, .port = 6881, .t = t);
    SAY(s, remote, node, .error = 203, .t = t, .ip = seen);
}

/* A responder that gives the same token to two ports does not check the port. */
static void a_token_for_two_ports(void)
{
    for (int again = 0; again < 2; again++) {
        scene s;

        scene_begin(&s);
        give(&s, OUT1, R1, "secret", "aa", NULL);
        give(&s, OUT2, R1, "secret", "ab", NULL);
        if (again != 0) {
            give(&s, OUT1, R1, "secret", "ac", NULL);
        }
        refuse(&s, OUT2, R1, "secret", "ad", NULL);
        refuse(&s, OUT3, R1, "secret", "ae", NULL);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 0);
        give(&s, OUT1, R1, "another", "af", NULL);
        refuse(&s, OUT2, R1, "another", "ag", NULL);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 1);
        scene_end(&s);
    }
}

/* A token that is given again is new again. */
static void a_token_that_is_given_again(void)
{
    for (unsigned again = 0; again < 2; again++) {
        scene s;

        scene_begin(&s);
        give(&s, OUT1, R1, "secret", "aa", NULL);
        s.now += 200 * SECONDS;
        if (again != 0) {
            give(&s, OUT1, R1, "secret", "ab", NULL);
        }
        s.now += 200 * SECONDS;
        refuse(&s, OUT2, R1, "secret", "ac", NULL);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), again);
        scene_end(&s);
    }
}

/* Another responder, another host, or another token. */
static void whose_token_it_is(void)
{
    scene s;

    scene_begin(&s);
    give(&s, OUT1, R1, "secret", "aa", NULL);
    refuse(&s, OUT2, R2, "secret", "ab", NULL);
    refuse(&s, "203.0.113.8:40002", R1, "secret", "ac", NULL);
    refuse(&s, OUT2, R1, "public", "ae", NULL);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 0);
    refuse(&s, OUT2, R1, "secret", "ad", NULL);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 1);
    scene_end(&s);
}

/* Captured inside: what others see is no proof of what this responder sees; its own report is. */
static void on_which_port_it_was_given(void)
{
    static const char *const others[] = {R2, R3, R4};

    for (int own = 0; own < 2; own++) {
        scene s;

        scene_begin(&s);
        for (int i = 0; i < 3; i++) {
            ping_seen(&s, L, others[i], OUT1);
        }
        give(&s, L, R1, "secret", "aa", own != 0 ? OUT1 : NULL);
        refuse(&s, L, R1, "secret", "ab", OUT2);
        CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), (uint32_t)own);
        if (own != 0) {
            CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).a, 40001);
            CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).b, 40002);
        }
        scene_end(&s);
    }
}

/* Within one network there is no NAT: the port is the inside port. */
static void given_within_one_network(void)
{
    scene s;

    scene_begin(&s);
    give(&s, L, "192.168.1.3:6881", "secret", "aa", NULL);
    refuse(&s, "192.168.1.2:6882", "192.168.1.3:6881", "secret", "ab", NULL);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).a, 6881);
    CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).b, 6882);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(shapes_of_values),
        UNIT_TEST(several_on_port_1),
        UNIT_TEST(peers_of_the_other_family),
        UNIT_TEST(answers_without_a_token),
        UNIT_TEST(what_is_told_of_nodes),
        UNIT_TEST(swapped_in_each_shape),
        UNIT_TEST(whose_announcement_it_is),
        UNIT_TEST(one_of_several_behind_an_address),
        UNIT_TEST(a_dht_port_is_not_announced),
        UNIT_TEST(a_number_that_is_no_port),
        UNIT_TEST(handed_out_again),
        UNIT_TEST(announced_from_inside),
        UNIT_TEST(remembered_for_long),
        UNIT_TEST(a_token_for_two_ports),
        UNIT_TEST(a_token_that_is_given_again),
        UNIT_TEST(whose_token_it_is),
        UNIT_TEST(on_which_port_it_was_given),
        UNIT_TEST(given_within_one_network),
    };

    return UNIT_RUN("tracker values", tests);
}
