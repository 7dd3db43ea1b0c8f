/* test_tracker_adverts.c: verdicts on advertised ports, and their outcomes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L      "192.168.1.2:6881"
#define R1     "198.51.100.1:7001"
#define R2     "198.52.100.2:7002"
#define R3     "198.53.100.3:7003"
#define X      "203.0.113.9:40001"
#define X_TCP  "203.0.113.9:55555"
#define R1_TCP "198.51.100.1:6890"

/* ---- the verdict ---- */

static void outside_the_source_port_is_seen(void)
{
    scene s;
    tracker_advert a;

    scene_begin(&s);
    SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 40001, .v = "LT", .id = 'q');
    CU_ASSERT_EQUAL(s.result.num_adverts, 1);
    expect_verdict(&s, s.result.first_advert, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    a = advert_of(&s, s.result.first_advert);
    CU_ASSERT_EQUAL(a.channel, KRPC_CHANNEL_ANNOUNCE_PEER);
    CU_ASSERT_EQUAL(a.service, KRPC_SERVICE_PEER);
    CU_ASSERT_EQUAL(a.advertised_port, 40001);
    CU_ASSERT_EQUAL(a.effective_port, 40001);
    CU_ASSERT_EQUAL(a.dht_port, 40001);
    CU_ASSERT(a.has_node_id && a.node_id[0] == 'q' && a.has_info_hash && a.info_hash[0] == 'h');
    CU_ASSERT(a.version_len == 4 && memcmp(a.version, "LT", 2) == 0);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_PEER_DIFFERS), 0);
    SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .t = "ab", .id = 'q');
    expect_verdict(&s, s.result.first_advert, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_PEER_DIFFERS), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_PEER_DIFFERS).a, 6881);
    CU_ASSERT_EQUAL(LAST(&s, PORT_PEER_DIFFERS).b, 40001);
    scene_end(&s);
}

static void inside_it_takes_a_witness(void)
{
    scene s;
    uint64_t first;

    scene_begin(&s);
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .id = 'q', .v = "LT");
    first = s.result.first_advert;
    expect_verdict(&s, first, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    SAY(&s, R1, L, .id = 'r', .ip = X);
    expect_verdict(&s, first, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, first).observed.port, 40001);
    CU_ASSERT_EQUAL(advert_of(&s, first).observed_frame, 2);
    CU_ASSERT_EQUAL(advert_of(&s, first).verdict_frame, 2);
    /* another receiver, which reports nothing, when hosts of two networks agree that the port is rewritten */
    SAY(&s, L, "198.51.100.77:1", ANNOUNCE, .target = "h", .token = "t", .port = 6881, .id = 'q', .v = "LT", .t = "zz");
    first = s.result.first_advert;
    expect_verdict(&s, first, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    ping_seen(&s, L, R2, X);
    expect_verdict(&s, first, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

static void within_one_network(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, L, "192.168.1.3:6881", ANNOUNCE, .target = "h", .token = "t", .port = 6881);
    expect_verdict(&s, s.result.first_advert, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

static void implied_port_defers(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .implied = 1);
    expect_verdict(&s, s.result.first_advert, TRACKER_VERDICT_IMPLIED, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, s.result.first_advert).effective_port, 40001);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_IMPLIED), 1);
    SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .implied = 1, .t = "ab");
    CU_ASSERT_EQUAL(advert_of(&s, s.result.first_advert).advertised_port, -1);
    CU_ASSERT_EQUAL(advert_of(&s, s.result.first_advert).channel, KRPC_CHANNEL_IMPLIED_PORT);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_IMPLIED), 1);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_PEER_DIFFERS), 0);
    scene_end(&s);
}

/* Captured inside a NAT: the receiver stores the outside port, once any node has reported it. */
static void implied_port_inside(void)
{
    scene s;
    uint64_t serial;
    tracker_advert a;

    scene_begin(&s);
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .implied = 1);
    serial = s.result.first_advert;
    ping_seen(&s, L, R2, X);
    ping_seen(&s, L, "192.0.2.4:7004", X);
    CU_ASSERT_EQUAL(advert_of(&s, serial).effective_port, 0);
    ping_seen(&s, L, "192.0.2.5:7005", X);
    a = advert_of(&s, serial);
    CU_ASSERT_EQUAL(a.verdict, TRACKER_VERDICT_IMPLIED);
    CU_ASSERT_EQUAL(a.effective_port, 40001);
    CU_ASSERT_EQUAL(a.observed.port, 40001);
    CU_ASSERT_EQUAL(a.observed_frame, 3);
    scene_end(&s);
}

static void ports_that_nobody_can_use(void)
{
    static const int ports[] = {1, 70000, -1};
    scene s;

    scene_begin(&s);
    for (int i = 0; i < 3; i++) {
        char t[3] = {'a', (char)('0' + i), 0};

        SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = ports[i], .t = t);
        expect_verdict(&s, s.result.first_advert, TRACKER_VERDICT_INVALID, TRACKER_LATER_UNKNOWN);
        CU_ASSERT_EQUAL(advert_of(&s, s.result.first_advert).effective_port, 0);
    }
    scene_end(&s);
}

/* ---- contact and p: the proposal of 2007 ---- */

static void contact_is_pinged(void)
{
    scene s;
    uint64_t serial;

    scene_begin(&s);
    SAY(&s, X, R1, .method = KRPC_METHOD_CONTACT, .port = 6881);
    serial = s.result.first_advert;
    expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 1);
    SAY(&s, R2, "203.0.113.9:6881", PING, .t = "zz"); /* another node */
    expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bb");
    expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    CU_ASSERT_EQUAL(advert_of(&s, serial).later_frame, 3);
    CU_ASSERT_EQUAL(advert_of(&s, serial).later_ns, 20 * MS);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_HONOURED).a, 1);
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bc");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 1);
    scene_end(&s);
}

static void p_is_passed_over(void)
{
    scene s;
    uint64_t serial;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881);
    serial = s.result.first_advert;
    SAY(&s, R1, X, .id = 'r'); /* a response goes to the source port in any case */
    expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    SAY(&s, R1, X, FIND_NODE, .target = "x", .t = "bb", .id = 'r');
    expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_NOT_HONOURED);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_NOT_HONOURED), 1);
    s.now += 1000 * SECONDS;
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bc", .id = 'r'); /* too late to be a consequence */
    expect_verdict(&s, serial, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_NOT_HONOURED);
    scene_end(&s);
}

/* If both ports are the same, there is nothing to test. */
static void p_that_is_the_source_port(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 40001);
    SAY(&s, R1, X, PING, .t = "bb");
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED) + FOUND(&s, PORT_NOT_HONOURED), 0);
    scene_end(&s);
}

/* ---- dead, and another node's ---- */

static void dead_by_icmp(void)
{
    scene s;
    tracker_packet p;
    krpc_endpoint from = ep(R1);
    krpc_endpoint to = ep("203.0.113.9:6881");

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881);
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bb");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    p = scene_packet(&s, "203.0.113.9:0", "198.51.100.1:0");
    CU_ASSERT_EQUAL(tracker_unreachable(s.t, &p, &from, &to, s.packet, s.len, true, &s.sink), 2);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_DEAD);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_DEAD).a, 1);
    scene_end(&s);
}

static void dead_by_silence(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881);
    SAY(&s, R2, "203.0.113.9:6881", PING, .t = "bb");
    s.now += 10 * SECONDS;
    SAY(&s, R1, R2, PING, .t = "cc");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN); /* a response may still come */
    s.now += 10 * SECONDS;
    SAY(&s, R1, R2, PING, .t = "cd");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_DEAD);
    SAY(&s, R2, "203.0.113.9:6881", PING, .t = "be");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_DEAD), 1);
    scene_end(&s);
}

/* Near miss: the port does not answer DHT queries, but it is in use. */
static void silence_of_the_living(void)
{
    static const uint8_t bytes[] = "something else";
    scene s;
    tracker_packet p;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .p = 6881);
    SAY(&s, R2, "203.0.113.9:6881", PING, .t = "bb");
    p = scene_packet(&s, "203.0.113.9:6881", R2);
    tracker_datagram(s.t, &p, bytes, sizeof bytes, NULL, &s.sink);
    s.now += 20 * SECONDS;
    SAY(&s, R1, R2, PING, .t = "cd");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

static void another_node_lives_there(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "203.0.113.9:6881", R2, PING, .id = 'o', .v = "A2");
    SAY(&s, X, R1, PING, .p = 6881, .id = 'q', .v = "LT");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_OTHER_NODE);
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bb");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_OTHER_NODE), 1);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), 0);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 3);
    scene_end(&s);
}

/* Near miss: the other port belongs to the same node. */
static void the_same_node_lives_there(void)
{
    scene s;

    for (int old = 0; old < 3; old++) { /* and has another id now, on both ports or only on one of them */
        scene_begin(&s);
        SAY(&s, X, R1, PING, .p = 6881, .id = 'q', .v = "LT");
        SAY(&s, X, R1, PING, .id = 'n', .v = "LT", .t = "nn");
        if (old == 1) {
            SAY(&s, "203.0.113.9:6881", R2, PING, .id = 'q', .v = "LT");
        }
        SAY(&s, "203.0.113.9:6881", R2, PING, .id = old == 2 ? 'o' : 'n', .v = "LT", .t = "nm");
        SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bb");
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, old == 2 ? TRACKER_LATER_OTHER_NODE : TRACKER_LATER_HONOURED);
        scene_end(&s);
    }

    scene_begin(&s);
    SAY(&s, "203.0.113.9:6881", R2, PING, .id = 'q', .v = "LT");
    SAY(&s, X, R1, PING, .p = 6881, .id = 'q', .v = "LT");
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bb");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    scene_end(&s);
}

/* ---- values ---- */

static void byte_swapped_values(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "97.98.99.100:40001", R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x6262);            /* "bb" */
    SAY(&s, "97.98.99.100:40001", R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142, .t = "ab"); /* "1B" */
    SAY(&s, R2, R1, GET_PEERS, .target = "h", .t = "gp");
    SAY(&s, R1, R2, .t = "gp", .id = 'r', .values = "l6:abcdB16:abcdbbe");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_SWAPPED).a, 0x4231);
    CU_ASSERT_EQUAL(LAST(&s, PORT_SWAPPED).b, 0x3142);
    expect_verdict(&s, 0, TRACKER_VERDICT_PEER_PORT, TRACKER_LATER_HONOURED);
    expect_verdict(&s, 1, TRACKER_VERDICT_SWAPPED, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 1).verdict_frame, 4);
    scene_end(&s);
}

/* Near miss: both forms were announced; and the response is about another torrent. */
static void not_swapped(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, "97.98.99.100:40001", R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x3142);
    SAY(&s, R2, R1, GET_PEERS, .target = "i", .t = "gp");
    SAY(&s, R1, R2, .t = "gp", .id = 'r', .values = "l6:abcdB1e");
    SAY(&s, "97.98.99.100:40001", R1, ANNOUNCE, .target = "h", .token = "t", .port = 0x4231, .t = "ab");
    SAY(&s, R2, R1, GET_PEERS, .target = "h", .t = "gq");
    SAY(&s, R1, R2, .t = "gq", .id = 'r', .values = "l6:abcdB1e");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_SWAPPED), 0);
    scene_end(&s);
}

/* ---- the peer wire ---- */

/* libtorrent has one port for the DHT and its peers, so its peer port in the handshake is wrong as well. */
static void port_message_of_the_same_host(void)
{
    scene s;
    tracker_advert a;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    speak(&s, X_TCP, R1_TCP, "-LT20B0-abcdefghijkl", 6881, 6881, 1000);
    CU_ASSERT_EQUAL(s.result.num_adverts, 2);
    CU_ASSERT_EQUAL(stats_of(&s).port_messages_tcp, 1);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    a = advert_of(&s, 0);
    CU_ASSERT_EQUAL(a.channel, KRPC_CHANNEL_PORT_MESSAGE);
    CU_ASSERT_EQUAL(a.dht_port, 40001);
    CU_ASSERT(a.has_node_id && a.node_id[0] == 'q' && a.has_info_hash);
    expect_verdict(&s, 1, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(advert_of(&s, 1).service, KRPC_SERVICE_PEER);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 2);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).b, 40001);
    SAY(&s, R1, "203.0.113.9:6881", PING, .t = "bb");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    scene_end(&s);
}

/* NAT a of the lab: libtorrent advertises 6881; 6881 is in use, but by aria2. */
static void port_message_naming_another_client(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    SAY(&s, "203.0.113.9:6881", R1, PING, .id = 'o', .v = "A2", .t = "ab");
    speak(&s, X_TCP, R1_TCP, "-LT20B0-abcdefghijkl", 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_OTHER_NODE);
    speak(&s, "203.0.113.9:55556", R1_TCP, "A2-1-36-0-abcdefghij", 6881, 0, 1000);
    expect_verdict(&s, 1, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

/* Two nodes may be the sender: the port is that of neither, or that of one. */
static void port_message_of_one_of_two(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    SAY(&s, "203.0.113.9:8999", R1, PING, .id = 'p', .v = "LT", .t = "ab");
    speak(&s, X_TCP, R1_TCP, "-qB4520-abcdefghijkl", 8999, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN); /* the other may have the same port inside */
    speak(&s, "203.0.113.9:55557", R1_TCP, "-LT20B0-abcdefghijkl", 40001, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN); /* the other one has another port */
    expect_verdict(&s, 1, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    speak(&s, "203.0.113.9:55556", R1_TCP, "-LT20B0-abcdefghijkl", 6881, 0, 1000);
    expect_verdict(&s, 2, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN); /* a third one may be there */
    CU_ASSERT_EQUAL(advert_of(&s, 2).dht_port, 0);
    scene_end(&s);
}

/* Two hosts run the same client on the same port, and the NAT preserves only one: the advertisement is right for one of
 * them. */
static void port_message_of_two_that_chose_alike(void)
{
    static const char *const clients[] = {"LT", "UT"};

    for (int i = 0; i < 2; i++) {
        scene s;

        scene_begin(&s);
        SAY(&s, "203.0.113.9:6881", R1, PING, .id = 'p', .v = "LT");
        SAY(&s, X, R1, PING, .id = 'q', .v = clients[i], .t = "ab");
        speak(&s, X_TCP, R1_TCP, "-LT20B0-abcdefghijkl", 6881, 0, 1000);
        speak(&s, "203.0.113.9:55556", R1_TCP, "-LT20B0-lkjihgfedcba", 6881, 0, 1000);
        expect_verdict(&s, 0, i == 0 ? TRACKER_VERDICT_UNKNOWN : TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
        expect_verdict(&s, 1, i == 0 ? TRACKER_VERDICT_UNKNOWN : TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
        scene_end(&s);
    }
}

static void nobody_there_nothing_known(void)
{
    scene s;

    scene_begin(&s);
    speak(&s, X_TCP, R1_TCP, "-LT20B0-abcdefghijkl", 6881, 0, 1000);
    expect_verdict(&s, 0, TRACKER_VERDICT_UNKNOWN, TRACKER_LATER_UNKNOWN);
    SAY(&s, "203.0.113.9:6881", R1, PING, .id = 'q', .v = "LT"); /* later evidence */
    expect_verdict(&s, 0, TRACKER_VERDICT_MATCH, TRACKER_LATER_UNKNOWN);
    scene_end(&s);
}

static void channels_that_contradict(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .id = 'q', .v = "LT");
    speak(&s, X_TCP, R1_TCP, "-LT20B0-abcdefghijkl", 0, 6881, 1000);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_CONTRADICTS), 0);
    speak(&s, X_TCP, "198.51.100.7:6890", "-LT20B0-abcdefghijkl", 0, 6999, 1000);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_CONTRADICTS), 0); /* the same channel as before: the port may have changed */
    SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .id = 'q', .v = "LT", .t = "ab");
    CU_ASSERT_EQUAL(FOUND(&s, PORT_CONTRADICTS), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_CONTRADICTS).a, 6881);
    CU_ASSERT_EQUAL(LAST(&s, PORT_CONTRADICTS).b, 5);
    scene_end(&s);
}

static void local_discovery(void)
{
    static const char text[] = "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6999\r\n"
                               "Infohash: 0123456789abcdef0123456789abcdef01234567\r\n\r\n\r\n";
    scene s;
    tracker_packet p;

    scene_begin(&s);
    SAY(&s, L, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6881, .id = 'q', .v = "LT");
    p = scene_packet(&s, "192.168.1.2:6771", "239.192.152.143:6771");
    tracker_datagram(s.t, &p, (const uint8_t *)text, sizeof text - 1, &s.result, &s.sink);
    CU_ASSERT_EQUAL(s.result.num_adverts, 1);
    CU_ASSERT_EQUAL(advert_of(&s, s.result.first_advert).channel, KRPC_CHANNEL_LSD);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_CONTRADICTS), 0);
    scene_end(&s);
}

/* ---- the ring ---- */

static void oldest_go_first_and_in_order(void)
{
    tracker_options options;
    scene s;
    char t[16];

    memset(&options, 0, sizeof options);
    options.max_adverts = 16;
    scene_begin_with(&s, &options);
    for (int i = 0; i < 40; i++) {
        snprintf(t, sizeof t, "%04d", i);
        SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 1000 + i, .t = t);
        CU_ASSERT_EQUAL(s.result.first_advert, (uint64_t)i);
    }
    CU_ASSERT_EQUAL(s.num_done, 24);
    CU_ASSERT_EQUAL(stats_of(&s).dropped_adverts, 24);
    CU_ASSERT(!tracker_advert_get(s.t, 23, &(tracker_advert){0}));
    CU_ASSERT_EQUAL(advert_of(&s, 24).advertised_port, 1024);
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(s.num_done, 40);
    CU_ASSERT(s.done_in_order);
    scene_end(&s);
}

/* Reading verdicts changes nothing: the final result is the same whether they are read after each packet or never. */
static void asking_changes_nothing(void)
{
    tracker_advert ends[2];

    for (int asking = 0; asking < 2; asking++) {
        static const char *const remotes[] = {R1, R2, R3};
        scene s;
        tracker_node n;

        scene_begin(&s);
        SAY(&s, L, "198.51.100.9:1", ANNOUNCE, .target = "h", .token = "t", .port = 6881, .id = 'q');
        for (int i = 0; i < 12; i++) {
            SAY(&s, L, remotes[i % 3], PING, .id = 'q', .t = i % 2 == 0 ? "aa" : "bb");
            SAY(&s, remotes[i % 3], L, .id = 'r', .ip = X, .t = i % 2 == 0 ? "aa" : "bb");
            if (asking != 0) {
                advert_of(&s, 0);
                CU_ASSERT(tracker_num_nodes(s.t) > 0 && tracker_node_get(s.t, 0, &n));
            }
        }
        ends[asking] = advert_of(&s, 0);
        scene_end(&s);
    }
    CU_ASSERT_EQUAL(memcmp(&ends[0], &ends[1], sizeof ends[0]), 0);
    CU_ASSERT_EQUAL(ends[0].verdict, TRACKER_VERDICT_PEER_PORT);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(outside_the_source_port_is_seen),
        UNIT_TEST(inside_it_takes_a_witness),
        UNIT_TEST(within_one_network),
        UNIT_TEST(implied_port_defers),
        UNIT_TEST(implied_port_inside),
        UNIT_TEST(ports_that_nobody_can_use),
        UNIT_TEST(contact_is_pinged),
        UNIT_TEST(p_is_passed_over),
        UNIT_TEST(p_that_is_the_source_port),
        UNIT_TEST(dead_by_icmp),
        UNIT_TEST(dead_by_silence),
        UNIT_TEST(silence_of_the_living),
        UNIT_TEST(another_node_lives_there),
        UNIT_TEST(the_same_node_lives_there),
        UNIT_TEST(byte_swapped_values),
        UNIT_TEST(not_swapped),
        UNIT_TEST(port_message_of_the_same_host),
        UNIT_TEST(port_message_naming_another_client),
        UNIT_TEST(port_message_of_one_of_two),
        UNIT_TEST(port_message_of_two_that_chose_alike),
        UNIT_TEST(nobody_there_nothing_known),
        UNIT_TEST(channels_that_contradict),
        UNIT_TEST(local_discovery),
        UNIT_TEST(oldest_go_first_and_in_order),
        UNIT_TEST(asking_changes_nothing),
    };

    return UNIT_RUN("tracker adverts", tests);
}
