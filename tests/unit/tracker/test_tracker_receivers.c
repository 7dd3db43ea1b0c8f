/* test_tracker_receivers.c: the port on which a receiver sees a sender, and what it does after an advertisement.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L      "192.168.1.2:6881"
#define R1     "198.51.100.1:7001"
#define R1_TCP "198.51.100.1:6890"
#define R2     "198.52.100.2:7002"
#define R2_TCP "198.52.100.2:6890"
#define R3     "198.53.100.3:7003"
#define KEPT   "203.0.113.9:6881"
#define X      "203.0.113.9:40001"
#define X_TCP  "203.0.113.9:55555"
#define LT_ID  "-LT20B0-abcdefghijkl"
#define A2_ID  "A2-1-36-0-abcdefghij"
#define XX_ID  "-XX0000-abcdefghijkl" /* an unknown client */

/* The table of source ports starts with the first stream. */
static void scene_with_streams(scene *s)
{
    scene_begin(s);
    speak(s, "192.0.2.77:1000", "192.0.2.78:1000", LT_ID, 0, 0, 1);
}

static void ask(scene *s, const char *src, const char *dst, char id, const char *v)
{
    static uint32_t number;
    char t[3] = {(char)('a' + number % 26), (char)('a' + number / 26 % 26), 0};

    number++;
    SAY(s, src, dst, PING, .t = t, .id = id, .v = v);
}

static void answer(scene *s, const char *src, const char *dst, char id, const char *v)
{
    SAY(s, dst, src, PING, .t = "an", .id = 'r');
    SAY(s, src, dst, .t = "an", .id = id, .v = v);
}

/* A node that was seen on two ports: from now on its source port towards each receiver matters. */
static void scene_with_two_ports(scene *s)
{
    scene_with_streams(s);
    ask(s, KEPT, "198.51.100.200:1", 'q', "LT");
    ask(s, X, "198.51.100.200:1", 'q', "LT");
}

/* ---- on which port this receiver sees that sender ---- */

/* A NAT that preserves the port for some: a port that is right for one receiver is wrong for another. */
static void each_receiver_sees_his_own(void)
{
    scene s;

    scene_with_two_ports(&s);
    ask(&s, KEPT, R1, 'q', "LT");
    ask(&s, X, R2, 'q', "LT");
    speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 0).dht_port, 6881);
    CU_ASSERT_EQUAL(advert_of(&s, 0).verdict_frame, 5);
    speak(&s, X_TCP, R2_TCP, LT_ID, 6881, 0, 2000);
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 1).dht_port, 40001);
    CU_ASSERT_EQUAL(advert_of(&s, 1).verdict_frame, 6);
    /* it sent nothing to this receiver, so it is unknown what the receiver sees */
    speak(&s, X_TCP, "198.53.100.3:6890", LT_ID, 6881, 0, 3000);
    expect_verdict(&s, 2, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    speak(&s, X_TCP, "198.53.100.3:6890", LT_ID, 6999, 0, 3500);
    expect_verdict(&s, 3, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    ask(&s, KEPT, R3, 'q', "LT"); /* later evidence */
    expect_verdict(&s, 2, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* The port that the receiver saw at that time counts. */
static void what_holds_at_that_moment(void)
{
    scene s;

    scene_with_two_ports(&s);
    ask(&s, KEPT, R1, 'q', "LT");
    speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
    s.now += 400 * SECONDS;
    ask(&s, X, R1, 'q', "LT"); /* remapped */
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    speak(&s, "203.0.113.9:55556", R1_TCP, LT_ID, 6881, 0, 1000);
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* A forwarded port answers any query; the node is seen on the port of its own queries. */
static void a_forwarded_port_is_where_it_answers(void)
{
    scene s;

    scene_with_two_ports(&s);
    ask(&s, X, R1, 'q', "LT");
    answer(&s, KEPT, R1, 'q', "LT");
    speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN); /* the receiver knows both ports */
    /* it never sent a query to this receiver, which knows only its responses */
    answer(&s, KEPT, R2, 'q', "LT");
    speak(&s, X_TCP, R2_TCP, LT_ID, 6881, 0, 1000);
    expect_verdict(&s, 1, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* Two clients of one home had the same outside port, one after the other. */
static void a_port_that_two_nodes_had(void)
{
    scene s;

    scene_with_streams(&s);
    ask(&s, "203.0.113.9:5695", R1, 'o', "lt");
    ask(&s, KEPT, R1, 'q', "A2");
    ask(&s, KEPT, R2, 'o', "lt");
    ask(&s, "203.0.113.9:5695", R1, 'o', "lt");
    ask(&s, KEPT, R2, 'q', "A2");
    speak(&s, X_TCP, R1_TCP, A2_ID, 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 0).node_id[0], 'q');
    scene_end(&s);
}

/* A peer that sends from the port that it advertises is seen on that port, captured outside. */
static void a_listening_port(void)
{
    scene s;

    scene_with_streams(&s);
    ask(&s, X, R1, 'q', "LT");
    speak(&s, "203.0.113.9:6999", R1_TCP, LT_ID, 0, 6999, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    ping_seen(&s, L, R1, X);
    ping_seen(&s, L, R2, X);
    ping_seen(&s, L, R3, X);
    speak(&s, "192.168.1.2:6999", R1_TCP, XX_ID, 0, 6999,
          1000); /* captured inside, the port through which it came is unknown */
    expect_verdict(&s, 1, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    speak(&s, "192.168.1.2:5000", R1_TCP, XX_ID, 0, 6999, 1000);
    expect_verdict(&s, 2, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* Captured inside: a node that sent the first packet, where strangers get through, may have used a forwarded port. */
static void who_came_in_by_an_unknown_port(void)
{
    scene s;

    scene_with_streams(&s);
    s.now += 100 * SECONDS;
    ping_seen(&s, L, R1, X);
    ping_seen(&s, L, R2, X);
    ping_seen(&s, L, R3, X);
    SAY(&s, "198.51.100.9:1", L, PING, .t = "in", .id = 'r');
    SAY(&s, L, "198.51.100.9:1", .t = "in", .id = 'q');
    speak(&s, "192.168.1.2:5000", "198.51.100.9:6890", XX_ID, 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    speak(&s, "192.168.1.2:5001", R1_TCP, XX_ID, 6881, 0, 1000);
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* ---- what the receiver does after it ---- */

/* After PORT, the receiver queries that port soon. */
static void following_port_is_soon(void)
{
    static const struct {
        int seconds;
        krpc_method method;
        tracker_later later;
    } rows[] = {
        {29, KRPC_METHOD_PING, TRACKER_LATER_HONOURED},
        {29, KRPC_METHOD_FIND_NODE, TRACKER_LATER_HONOURED},
        {29, KRPC_METHOD_GET_PEERS, TRACKER_LATER_HONOURED},
        {31, KRPC_METHOD_PING, TRACKER_LATER_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;

        scene_with_two_ports(&s);
        ask(&s, X, R1, 'q', "LT");
        ask(&s, KEPT, R2, 'q', "LT");
        speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
        s.now += rows[i].seconds * SECONDS;
        SAY(&s, R1, KEPT, .method = rows[i].method, .target = "x", .t = "p1", .id = 'r');
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, rows[i].later);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), rows[i].later == TRACKER_LATER_HONOURED);
        SAY(&s, R1, KEPT, PING, .t = "p2", .id = 'r'); /* the first one decides */
        SAY(&s, R1, X, PING, .t = "p3", .id = 'r');    /* and it went to the advertised port */
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, rows[i].later);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_NOT_HONOURED), 0);
        scene_end(&s);
    }
}

/* After contact, the receiver pings that port soon. */
static void following_contact_is_a_ping_and_soon(void)
{
    static const struct {
        int seconds;
        krpc_method method;
        tracker_later later;
    } rows[] = {
        {29, KRPC_METHOD_PING, TRACKER_LATER_HONOURED},
        {29, KRPC_METHOD_FIND_NODE, TRACKER_LATER_HONOURED},
        {29, KRPC_METHOD_GET_PEERS, TRACKER_LATER_UNKNOWN},
        {31, KRPC_METHOD_PING, TRACKER_LATER_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        uint64_t serial;

        scene_begin(&s);
        SAY(&s, X, R1, .method = KRPC_METHOD_CONTACT, .port = 6881);
        serial = s.result.first_advert;
        s.now += rows[i].seconds * SECONDS;
        SAY(&s, R1, KEPT, .method = rows[i].method, .target = "x", .t = "p1", .id = 'r');
        expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, rows[i].later);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), rows[i].later == TRACKER_LATER_HONOURED);
        scene_end(&s);
    }
}

/* A receiver that repeats a query from before the advertisement does not follow it; but the repetition still shows that
 * no node answers. */
static void repeated_queries(void)
{
    scene s;

    scene_with_streams(&s);
    ask(&s, X, R1, 'q', "LT");
    SAY(&s, R1, KEPT, PING, .t = "pn", .id = 'r');
    SAY(&s, R1, X, PING, .t = "pm", .id = 'r');
    speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
    SAY(&s, R1, KEPT, PING, .t = "pn", .id = 'r');
    SAY(&s, R1, X, PING, .t = "pm", .id = 'r');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_RETRANSMISSION), 2);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED) + FOUND(&s, PORT_NOT_HONOURED), 0);
    s.now += 20 * SECONDS;
    SAY(&s, R1, R2, PING, .t = "cd", .id = 'r');
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_DEAD);
    scene_end(&s);
}

/* An ICMP error for a port that had answered in between: the node has left, and its advertisement was right. */
static void who_left_was_not_dead(void)
{
    krpc_endpoint from = ep(R1);
    krpc_endpoint to = ep(KEPT);

    for (int speaks = 0; speaks < 2; speaks++) {
        scene s;
        tracker_packet p;

        scene_with_streams(&s);
        ask(&s, X, R1, 'q', "LT");
        speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
        if (speaks != 0) {
            answer(&s, KEPT, R2, 'q', "LT");
            ask(&s, X, R1, 'q', "LT");
        }
        SAY(&s, R1, KEPT, PING, .t = "pn", .id = 'r');
        p = scene_packet(&s, "203.0.113.9:0", "198.51.100.1:0");
        tracker_unreachable(s.t, &p, &from, &to, s.packet, s.len, true, &s.sink);
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, speaks != 0 ? TRACKER_LATER_HONOURED : TRACKER_LATER_DEAD);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), speaks == 0);
        scene_end(&s);
    }
}

/* Neither was a node dead that sent the advertisement from this port. */
static void who_left_his_source_port(void)
{
    krpc_endpoint from = ep(R1);
    krpc_endpoint to = ep(X);
    tracker_packet p;
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 40001, .id = 'q');
    SAY(&s, R1, X, PING, .t = "pn", .id = 'r');
    p = scene_packet(&s, "203.0.113.9:0", "198.51.100.1:0");
    tracker_unreachable(s.t, &p, &from, &to, s.packet, s.len, true, &s.sink);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 0);
    scene_end(&s);
}

/* If two advertisements name the same port, it is unknown which one was used. */
static void one_port_is_no_test(void)
{
    scene s;

    scene_with_streams(&s);
    speak(&s, X_TCP, R1_TCP, LT_ID, 40001, 0, 1000); /* not known yet */
    SAY(&s, R1, X, PING, .t = "pn", .id = 'r');
    ask(&s, X, R1, 'q', "LT");
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* ---- values: the announced port, the source port, or the one with its bytes swapped ---- */

#define PEER "97.98.99.100:12354" /* abcd, port 0x3042: "0B" */

static void hand_out(scene *s, const char *values)
{
    SAY(s, R2, R1, GET_PEERS, .target = "h", .t = "gp", .id = 'x');
    SAY(s, R1, R2, .t = "gp", .id = 'r', .values = values);
}

static void the_source_port_is_handed_out(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142);
    hand_out(&s, "l6:abcd0Be");
    expect_verdict(&s, 0, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_NOT_HONOURED);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 3);
    scene_end(&s);
}

static void implied_port_is_followed_or_not(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142, .implied = 1);
    hand_out(&s, "l6:abcd0Be");
    expect_verdict(&s, 0, TRACKER_VERDICT_IMPLIED, TRACKER_LATER_HONOURED);
    scene_end(&s);
    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142, .implied = 1);
    hand_out(&s, "l6:abcd1Be");
    expect_verdict(&s, 0, TRACKER_VERDICT_IMPLIED, TRACKER_LATER_NOT_HONOURED);
    scene_end(&s);
}

/* Near miss: the source port happens to be the announced port with its bytes swapped. */
static void a_source_port_that_looks_swapped(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, PEER, R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x4230);
    hand_out(&s, "l6:abcd0Be");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 0);
    expect_verdict(&s, 0, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_NOT_HONOURED);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(each_receiver_sees_his_own),
        UNIT_TEST(what_holds_at_that_moment),
        UNIT_TEST(a_forwarded_port_is_where_it_answers),
        UNIT_TEST(a_port_that_two_nodes_had),
        UNIT_TEST(a_listening_port),
        UNIT_TEST(who_came_in_by_an_unknown_port),
        UNIT_TEST(following_port_is_soon),
        UNIT_TEST(following_contact_is_a_ping_and_soon),
        UNIT_TEST(repeated_queries),
        UNIT_TEST(who_left_was_not_dead),
        UNIT_TEST(who_left_his_source_port),
        UNIT_TEST(one_port_is_no_test),
        UNIT_TEST(the_source_port_is_handed_out),
        UNIT_TEST(implied_port_is_followed_or_not),
        UNIT_TEST(a_source_port_that_looks_swapped),
    };

    return UNIT_RUN("tracker receivers", tests);
}
