/* test_tracker_later.c: advertisements over uTP, with several ids, in one packet; dead ports, other nodes, and
 * contradictions.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L      "192.168.1.2:6881"
#define R1     "198.51.100.1:7001"
#define R1_TCP "198.51.100.1:6890"
#define R2     "198.51.100.2:7002"
#define NAMED  "203.0.113.9:6881"
#define X      "203.0.113.9:40001"
#define X_TCP  "203.0.113.9:55555"
#define LT_ID  "-LT20B0-abcdefghijkl"
#define XX_ID  "-XX0000-abcdefghijkl" /* an unknown client */

/* ---- dead ports ---- */

static void unreachable(scene *s)
{
    krpc_endpoint from = ep(R1);
    krpc_endpoint to = ep(NAMED);
    tracker_packet p = scene_packet(s, "203.0.113.9:0", "198.51.100.1:0");

    tracker_unreachable(s->t, &p, &from, &to, s->packet, s->len, true, &s->sink);
}

static void silence_is_said_once(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881);
    SAY(&s, R2, NAMED, PING, .t = "b1");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 0);
    s.now += 20 * SECONDS;
    SAY(&s, R2, NAMED, PING, .t = "b2");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_DEAD).a, 1);
    SAY(&s, R2, NAMED, PING, .t = "b3");
    unreachable(&s);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 1);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_DEAD);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 5); /* an ICMP error is stronger evidence than silence */
    scene_end(&s);
}

static void an_error_is_said_once(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881, .t = "a1");
    SAY(&s, X, R1, PING, .p = 6881, .t = "a2");
    SAY(&s, R2, NAMED, PING, .t = "b1");
    unreachable(&s);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 1); /* for the newest */
    CU_ASSERT_EQUAL(LAST(&s, PORT_DEAD).a, 2);
    for (uint64_t i = 0; i < 2; i++) {
        expect_verdict(&s, i, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_DEAD);
        CU_ASSERT_EQUAL(advert_of(&s, i).later_frame, 4);
    }
    s.now += 20 * SECONDS;
    SAY(&s, R2, NAMED, PING, .t = "b2");
    unreachable(&s);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 1);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 4);
    scene_end(&s);
}

/* Another node at the receiver's address did not receive the advertisement: its queries have other reasons. The
 * receiver itself may use another port of its NAT. */
static void another_node_of_the_receiver_was_not_told(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, R1, NAMED, PING, .t = "a1", .id = 'r');
    SAY(&s, X, R1, PING, .p = 6881, .t = "a2", .id = 'x');
    SAY(&s, "198.51.100.1:7009", NAMED, PING, .t = "b1", .id = 'o');
    SAY(&s, "198.51.100.1:7009", X, PING, .t = "b2", .id = 'o');
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 0);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_NOT_HONOURED), 0);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    SAY(&s, "198.51.100.1:7010", NAMED, PING, .t = "c1", .id = 'r');
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 1);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 5);
    scene_end(&s);
}

static void who_was_told_without_an_id(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881, .t = "a2", .id = 'x');
    SAY(&s, "198.51.100.1:7009", NAMED, PING, .t = "b1", .id = 'o');
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 0); /* it may be another host of that address */
    SAY(&s, R1, NAMED, PING, .t = "b2", .id = 'o');
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 1);
    scene_end(&s);
}

/* A node that sends to its own port proves nothing. */
static void his_own_port(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881);
    SAY(&s, "203.0.113.9:40009", NAMED, PING, .t = "b1", .id = 'q');
    s.now += 20 * SECONDS;
    SAY(&s, R1, R2, PING, .t = "b2");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* ---- at what time ---- */

static void what_came_before_does_not_follow(void)
{
    for (int before = 0; before < 2; before++) {
        scene s;

        scene_begin(&s);
        s.step = 0;
        SAY(&s, X, R1, PING, .p = 6881);
        s.now -= before;
        SAY(&s, R1, NAMED, PING, .t = "bb");
        CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), !before);
        scene_end(&s);
    }
}

/* ---- several in one packet ---- */

static void two_in_one_packet(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6999, .p = 6881, .id = 'q', .v = "LT");
    CU_ASSERT_EQUAL(s.result.num_adverts, 2);
    CU_ASSERT_EQUAL(s.result.first_advert, 0);
    CU_ASSERT_EQUAL(advert_of(&s, 0).channel, KRPC_CHANNEL_P);
    CU_ASSERT_EQUAL(advert_of(&s, 1).channel, KRPC_CHANNEL_ANNOUNCE_PEER);
    SAY(&s, R1, L, .id = 'r', .ip = X);
    for (uint64_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(advert_of(&s, i).observed.port, 40001);
        CU_ASSERT_EQUAL(advert_of(&s, i).observed_frame, 2);
        CU_ASSERT_EQUAL(advert_of(&s, i).verdict, TRACKER_VERDICT_MISMATCH);
        CU_ASSERT_EQUAL(advert_of(&s, i).verdict_frame, 2);
    }
    CU_ASSERT_EQUAL(stats_of(&s).adverts[KRPC_CHANNEL_P], 1);
    CU_ASSERT_EQUAL(stats_of(&s).adverts[KRPC_CHANNEL_ANNOUNCE_PEER], 1);
    /* a response also has an advertisement of its sender */
    SAY(&s, L, R1, PING, .t = "ab", .id = 'q');
    CU_ASSERT_EQUAL(s.result.num_adverts, 0);
    SAY(&s, R1, L, .t = "ab", .id = 'r', .p = 7001);
    CU_ASSERT_EQUAL(s.result.num_adverts, 1);
    CU_ASSERT_EQUAL(s.result.first_advert, 2);
    expect_verdict(&s, 2, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* ---- another node ---- */

/* A node that never sent its id is unknown. */
static void a_node_without_an_id(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, NAMED, R2, .error = 203);
    SAY(&s, X, R1, PING, .p = 6881, .id = 'q');
    SAY(&s, R1, NAMED, PING, .t = "bb");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OTHER_NODE), 0);
    scene_end(&s);
}

/* Until the receiver sends there, the evidence is the last frame of the other node. */
static void the_frame_that_tells_of_another_node(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, NAMED, R2, PING, .id = 'o', .t = "a1");
    SAY(&s, NAMED, R2, PING, .id = 'o', .t = "a2");
    SAY(&s, X, R1, PING, .p = 6881, .id = 'q');
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_OTHER_NODE);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 2);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_ns, 0);
    SAY(&s, R1, NAMED, PING, .t = "bb");
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 4);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_ns, 10 * MS);
    scene_end(&s);
}

/* With implied_port it is the port on which the receiver saw the sender at that time, even if it sees another port
 * later. */
static void an_implied_port_that_changes(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .implied = 1, .id = 'q');
    SAY(&s, R1, L, .id = 'r', .ip = X);
    ping_seen(&s, L, R1, "203.0.113.9:40002");
    expect_verdict(&s, 0, TRACKER_VERDICT_IMPLIED, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 0).effective_port, 40001);
    CU_ASSERT_EQUAL(advert_of(&s, 0).observed.port, 40001);
    CU_ASSERT_EQUAL(advert_of(&s, 0).observed_frame, 2);
    CU_ASSERT_EQUAL(advert_of(&s, 0).verdict_frame, 1);
    scene_end(&s);
}

/* ---- uTP: one socket for peers and the DHT ---- */

typedef struct utp_side {
    const char *src;
    const char *dst;
    uint16_t seq;
} utp_side;

static void utp(scene *s, utp_side *from, uint8_t type, uint16_t id, const uint8_t *payload, size_t len)
{
    tracker_packet p = scene_packet(s, from->src, from->dst);
    uint32_t us = (uint32_t)(p.time_ns / 1000) + 7;
    uint8_t bytes[256] = {(uint8_t)(type << 4 | 1),
                          0,
                          (uint8_t)(id >> 8),
                          (uint8_t)id,
                          (uint8_t)(us >> 24),
                          (uint8_t)(us >> 16),
                          (uint8_t)(us >> 8),
                          (uint8_t)us,
                          0,
                          0,
                          0,
                          0,
                          0,
                          0,
                          4,
                          0,
                          (uint8_t)(from->seq >> 8),
                          (uint8_t)from->seq,
                          0,
                          type == 4 ? 0 : 1};

    memcpy(bytes + 20, payload, len);
    tracker_datagram(s->t, &p, bytes, 20 + len, &s->result, &s->sink);
    from->seq++;
}

static void speak_utp(scene *s, const char *src, const char *dst, const char *peer_id, uint16_t port)
{
    utp_side a = {src, dst, 1};
    utp_side b = {dst, src, 50};
    uint8_t bytes[128];
    uint8_t info_hash[20];
    size_t len;

    memset(info_hash, 'h', sizeof info_hash);
    len = peerwire_handshake_put(bytes, sizeof bytes, PEERWIRE_RESERVED_DHT, info_hash, (const uint8_t *)peer_id);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, port);
    utp(s, &a, 4, 1000, bytes, 0);
    utp(s, &b, 2, 1000, bytes, 0);
    utp(s, &a, 0, 1001, bytes, len);
}

static void over_utp_the_port_is_the_same(void)
{
    static const struct {
        uint16_t port;
        tracker_verdict verdict;
    } rows[] = {{40001, TRACKER_VERDICT_MATCH}, {6881, TRACKER_VERDICT_MISMATCH}};

    for (size_t i = 0; i < 2; i++) {
        scene s;

        scene_begin(&s);
        SAY(&s, "203.0.113.9:40009", R1, PING, .id = 'q', .v = "LT"); /* another node there */
        speak_utp(&s, X, R1, LT_ID, rows[i].port);
        CU_ASSERT_EQUAL(s.result.num_adverts, 1);
        expect_verdict(&s, 0, rows[i].verdict, TRACKER_LATER_UNKNOWN);
        CU_ASSERT_EQUAL(advert_of(&s, 0).dht_port, 40001);
        CU_ASSERT_EQUAL(stats_of(&s).port_messages_utp, 1);
        CU_ASSERT_EQUAL(stats_of(&s).port_messages_tcp, 0);
        scene_end(&s);
    }
}

/* The node on the advertised port does not send v: then its id is compared with the id at the source port. */
static void over_utp_another_node(void)
{
    for (int same = 0; same < 2; same++) {
        scene s;

        scene_begin(&s);
        SAY(&s, X, R2, PING, .id = 'q', .v = "A2");
        SAY(&s, NAMED, R2, PING, .id = same != 0 ? 'q' : 'o', .t = "ab");
        speak_utp(&s, X, R1, LT_ID, 6881);
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, same != 0 ? TRACKER_LATER_UNKNOWN : TRACKER_LATER_OTHER_NODE);
        CU_ASSERT_EQUAL(advert_of(&s, 0).has_node_id, 0);
        scene_end(&s);
    }
}

/* ---- several ids ---- */

/* A node on two ports that has had two ids: queries are stronger evidence than responses. */
static void from_which_port_it_sends(void)
{
    typedef enum how { LAST_FROM_X, ANSWERED_LAST, NUM_HOWS } how;

    for (how h = LAST_FROM_X; h < NUM_HOWS; h++) {
        scene s;

        scene_begin(&s);
        speak(&s, "192.0.2.77:1000", "192.0.2.78:1000", LT_ID, 0, 0, 1);
        SAY(&s, NAMED, "198.51.100.200:1", PING, .id = 'q', .v = "LT", .t = "a1");
        SAY(&s, X, "198.51.100.200:1", PING, .id = 'q', .v = "LT", .t = "a1");
        if (h == LAST_FROM_X) {
            SAY(&s, NAMED, R1, PING, .id = 'q', .v = "LT", .t = "a2");
        }
        SAY(&s, X, R1, PING, .id = 'p', .v = "LT", .t = "a3");
        if (h == ANSWERED_LAST) {
            SAY(&s, R1, NAMED, PING, .id = 'r', .t = "a5");
            SAY(&s, NAMED, R1, .id = 'q', .v = "LT", .t = "a5");
        }
        SAY(&s, NAMED, "198.51.100.200:1", PING, .id = 'p', .v = "LT", .t = "a6");
        speak(&s, X_TCP, R1_TCP, LT_ID, 6999, 0, 1000);
        CU_ASSERT_EQUAL(advert_of(&s, 0).dht_port, 40001);
        CU_ASSERT_EQUAL(advert_of(&s, 0).node_id[0], 'p');
        scene_end(&s);
    }
}

/* A node that sent v once is still that client in messages without v. */
static void who_does_not_say_it_again(void)
{
    scene s;

    scene_begin(&s);
    speak(&s, "192.0.2.77:1000", "192.0.2.78:1000", LT_ID, 0, 0, 1);
    SAY(&s, NAMED, "198.51.100.200:1", PING, .id = 'q', .v = "LT", .t = "a1");
    SAY(&s, X, "198.51.100.200:1", PING, .id = 'q', .v = "LT", .t = "a1");
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT", .t = "a2");
    SAY(&s, X, R1, PING, .id = 'q', .t = "a3");
    speak(&s, X_TCP, R1_TCP, LT_ID, 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 0).dht_port, 40001);
    scene_end(&s);
}

/* ---- the port of the stream itself ---- */

/* It is not the DHT's port; and a peer that sends from the port that it advertises is seen on it, with any client. */
static void the_port_of_the_stream(void)
{
    scene s;

    scene_begin(&s);
    speak(&s, "203.0.113.9:6999", R1_TCP, XX_ID, 0, 6999, 1);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    speak(&s, X_TCP, R1_TCP, XX_ID, 55555, 0, 1000); /* the client is unknown, and one node is there */
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 1).dht_port, 40001);
    SAY(&s, R1, X_TCP, PING, .t = "bb");
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    scene_end(&s);
}

/* ---- contradictions ---- */

static const char lsd[] = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6999\r\n"
                          "Infohash: 0123456789abcdef0123456789abcdef01234567\r\n\r\n\r\n";

/* An announce to a UDP tracker (BEP 15). */
static void announce_to_tracker(scene *s, const char *src, const char *dst, uint16_t port)
{
    uint8_t bytes[98] = {1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1};
    tracker_packet p = scene_packet(s, src, dst);

    memset(bytes + 16, 'h', 20);
    memcpy(bytes + 36, XX_ID, 20);
    bytes[96] = (uint8_t)(port >> 8);
    bytes[97] = (uint8_t)port;
    tracker_datagram(s->t, &p, bytes, sizeof bytes, &s->result, &s->sink);
    CU_ASSERT_EQUAL(s->result.num_adverts, 1);
}

typedef enum second { OTHER_PORT, SAME_PORT, LOCAL, IMPLIED, INVALID, OTHER_HOST, TWO_NODES, NUM_SECONDS } second;

/* The client is unknown; the same service, on another channel. */
static void what_contradicts(void)
{
    for (second how = OTHER_PORT; how < NUM_SECONDS; how++) {
        scene s;
        tracker_packet p;

        scene_begin(&s);
        speak(&s, X_TCP, R1_TCP, XX_ID, 0, 6881, 1000);
        if (how == TWO_NODES) {
            SAY(&s, "203.0.113.9:40009", R1, PING, .id = 'o');
        }
        if (how == LOCAL) {
            p = scene_packet(&s, "203.0.113.9:6771", "239.192.152.143:6771");
            tracker_datagram(s.t, &p, (const uint8_t *)lsd, sizeof lsd - 1, &s.result, &s.sink);
        } else {
            SAY(&s, how == OTHER_HOST ? "203.0.113.8:40001" : X, R1, ANNOUNCE, .target = "h", .token = "t", .id = 'q',
                .port = how == SAME_PORT ? 6881
                        : how == INVALID ? 1
                                         : 6999,
                .implied = how == IMPLIED);
        }
        CU_ASSERT_EQUAL(s.result.num_adverts, 1);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_CONTRADICTS), how == OTHER_PORT);
        if (how == OTHER_PORT) {
            CU_ASSERT_EQUAL(LAST(&s, PORT_CONTRADICTS).a, 6999);
            CU_ASSERT_EQUAL(LAST(&s, PORT_CONTRADICTS).b, 2);
        }
        scene_end(&s);
    }
}

/* If nothing shows on which port the sender is seen, the verdict is the contradiction, and its proof is the frame of
 * the other advertisement. */
static void the_verdict_is_that_it_contradicts(void)
{
    for (int same = 0; same < 2; same++) {
        scene s;

        scene_begin(&s);
        speak(&s, X_TCP, R1_TCP, XX_ID, 0, 6881, 1000);
        announce_to_tracker(&s, "203.0.113.9:5000", "192.0.2.80:80", same != 0 ? 6881 : 6999);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_CONTRADICTS), !same);
        expect_verdict(&s, 0, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
        expect_verdict(&s, 1, same != 0 ? TRACKER_VERDICT_UNKNOWN : TRACKER_VERDICT_CONTRADICTS, TRACKER_LATER_UNKNOWN);
        CU_ASSERT_EQUAL(advert_of(&s, 1).verdict_frame, same != 0 ? 0 : 2);
        SAY(&s, X, R1, PING, .id = 'q', .t = "zz"); /* and now there is evidence */
        expect_verdict(&s, 1, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_UNKNOWN);
        scene_end(&s);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(another_node_of_the_receiver_was_not_told),
        UNIT_TEST(who_was_told_without_an_id),
        UNIT_TEST(silence_is_said_once),
        UNIT_TEST(an_error_is_said_once),
        UNIT_TEST(his_own_port),
        UNIT_TEST(what_came_before_does_not_follow),
        UNIT_TEST(two_in_one_packet),
        UNIT_TEST(a_node_without_an_id),
        UNIT_TEST(the_frame_that_tells_of_another_node),
        UNIT_TEST(an_implied_port_that_changes),
        UNIT_TEST(over_utp_the_port_is_the_same),
        UNIT_TEST(over_utp_another_node),
        UNIT_TEST(from_which_port_it_sends),
        UNIT_TEST(who_does_not_say_it_again),
        UNIT_TEST(the_port_of_the_stream),
        UNIT_TEST(what_contradicts),
        UNIT_TEST(the_verdict_is_that_it_contradicts),
    };

    return UNIT_RUN("tracker later", tests);
}
