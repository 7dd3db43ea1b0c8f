/* test_tracker_peers.c: ports in peer wire messages, in announces to trackers and in local service discovery: their
 * positions in the packet, and connections to them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define L         "192.168.1.2:6881"
#define R1        "198.51.100.1:7001"
#define R1_TCP    "198.51.100.1:6890"
#define R2        "198.51.100.2:7002"
#define R2_TCP    "198.51.100.2:6890"
#define X         "203.0.113.9:40001"
#define X_TCP     "203.0.113.9:55555"
#define PEER_PORT "203.0.113.9:6999"
#define LT_ID     "-LT20B0-abcdefghijkl"
#define XX_ID     "-XX0000-abcdefghijkl" /* an unknown client */
#define SYN       TRACKER_TCP_SYN
#define ACK       TRACKER_TCP_ACK

static void segment(scene *s, const char *src, const char *dst, uint32_t seq, unsigned flags, const uint8_t *bytes,
                    size_t len)
{
    tracker_packet p = scene_packet(s, src, dst);

    tracker_segment(s->t, &p, seq, 1, flags, bytes, len, len, &s->result, &s->sink);
}

static size_t handshake(uint8_t *out, size_t cap, const char *peer_id)
{
    uint8_t info_hash[20];

    memset(info_hash, 'h', sizeof info_hash);
    return peerwire_handshake_put(out, cap, PEERWIRE_RESERVED_DHT | PEERWIRE_RESERVED_EXTENDED, info_hash,
                                  (const uint8_t *)peer_id);
}

/* ---- connections to an announced port ---- */

static void announce(scene *s)
{
    scene_begin(s);
    SAY(s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 6999, .id = 'q', .v = "LT");
    expect_verdict(s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
}

static void the_receiver_connects(void)
{
    scene s;

    announce(&s);
    segment(&s, R2_TCP, PEER_PORT, 1, SYN, NULL, 0);          /* another receiver */
    segment(&s, R1_TCP, "203.0.113.9:6998", 1, SYN, NULL, 0); /* to another port */
    segment(&s, R1_TCP, PEER_PORT, 1, SYN | ACK, NULL, 0);    /* not the start of a connection */
    segment(&s, R1_TCP, PEER_PORT, 2, ACK, NULL, 0);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    segment(&s, R1_TCP, PEER_PORT, 1, SYN, NULL, 0);
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_HONOURED);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 6);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_ns, 50 * MS);
    segment(&s, R1_TCP, PEER_PORT, 1, SYN, NULL, 0);
    CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 6); /* the first one counts */
    scene_end(&s);
}

static void the_receiver_connects_over_utp(void)
{
    static const struct {
        uint8_t type;
        tracker_later later;
    } rows[] = {{0x41, TRACKER_LATER_HONOURED}, {0x21, TRACKER_LATER_UNKNOWN}, {0x42, TRACKER_LATER_UNKNOWN}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t packet[20] = {rows[i].type, 0, 3, 232, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0};
        scene s;
        tracker_packet p;

        announce(&s);
        p = scene_packet(&s, R1, PEER_PORT);
        tracker_datagram(s.t, &p, packet, sizeof packet, &s.result, &s.sink);
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, rows[i].later);
        scene_end(&s);
    }
}

/* An announced peer port is no DHT port: queries to it show nothing. */
static void queries_to_a_peer_port(void)
{
    scene s;

    announce(&s);
    SAY(&s, R1, PEER_PORT, PING, .t = "bb");
    SAY(&s, R1, X, PING, .t = "bc");
    expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, TRACKER_LATER_UNKNOWN);
    CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED) + FOUND(&s, PORT_NOT_HONOURED), 0);
    scene_end(&s);
}

/* ---- positions ---- */

/* A position is in the packet where the message starts, after the bytes before it; there is none if it started in an
 * earlier packet. */
static void places_in_the_packet(void)
{
    uint8_t bytes[256];
    scene s;
    size_t hand = handshake(bytes, sizeof bytes, LT_ID);
    size_t len = hand + peerwire_port_put(bytes + hand, sizeof bytes - hand, 6881);

    CU_ASSERT_EQUAL_FATAL(len, 68 + 7);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, 6882);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, 6883);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, 6884);
    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    segment(&s, X_TCP, R1_TCP, 99, SYN, NULL, 0);
    segment(&s, X_TCP, R1_TCP, 100, ACK, bytes, 75); /* up to the first */
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).off, 73);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).len, 2);
    segment(&s, X_TCP, R1_TCP, 175, ACK, bytes + 75, 10); /* the second, and half of the third */
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 2);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).a, 6882);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).off, 5);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).len, 2);
    segment(&s, X_TCP, R1_TCP, 185, ACK, bytes + 85, 11); /* the other half, and the fourth */
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 4);
    CU_ASSERT_EQUAL(advert_of(&s, 3).advertised_port, 6884);
    CU_ASSERT_EQUAL(advert_of(&s, 3).off, 9);
    CU_ASSERT_EQUAL(s.result.num_adverts, 2);
    CU_ASSERT_EQUAL(s.result.first_advert, 2);
    CU_ASSERT_EQUAL(stats_of(&s).port_messages_tcp, 4);
    CU_ASSERT_EQUAL(stats_of(&s).port_messages_utp, 0);
    CU_ASSERT_EQUAL(stats_of(&s).peerwire_messages, 5);
    scene_end(&s);
    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    segment(&s, X_TCP, R1_TCP, 99, SYN, NULL, 0);
    segment(&s, X_TCP, R1_TCP, 100, ACK, bytes, 71);
    segment(&s, X_TCP, R1_TCP, 171, ACK, bytes + 71, 4); /* it started in the packet before */
    CU_ASSERT_EQUAL(FOUND(&s, PORT_MISMATCH), 1);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).off, 0);
    CU_ASSERT_EQUAL(LAST(&s, PORT_MISMATCH).len, 0);
    CU_ASSERT_EQUAL(advert_of(&s, 0).frame, 4);
    scene_end(&s);
}

/* Bytes of a piece message that are missing from the capture are skipped, and the next message is read. */
static void bytes_that_are_missing(void)
{
    static const uint8_t piece[] = {0, 0, 0x40, 9, 7}; /* 16,392 bytes more */
    uint8_t bytes[20000] = {0};
    scene s;
    size_t hand = handshake(bytes, sizeof bytes, LT_ID);
    size_t end = hand + sizeof piece + 16392;
    size_t len = end + peerwire_port_put(bytes + end, sizeof bytes - end, 6881);
    tracker_packet p;

    memcpy(bytes + hand, piece, sizeof piece);
    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    segment(&s, X_TCP, R1_TCP, 99, SYN, NULL, 0);
    segment(&s, R1_TCP, X_TCP, 499, SYN | ACK, NULL, 0);
    segment(&s, X_TCP, R1_TCP, 100, ACK, bytes, hand + 105);
    segment(&s, X_TCP, R1_TCP, (uint32_t)(100 + hand + 9000), ACK, bytes + hand + 9000, len - hand - 9000);
    CU_ASSERT_EQUAL(stats_of(&s).port_messages_tcp, 0);
    s.now += 30 * MS;
    p = scene_packet(&s, R1_TCP, X_TCP); /* all of it has arrived */
    tracker_segment(s.t, &p, 500, (uint32_t)(100 + len), ACK, NULL, 0, 0, &s.result, &s.sink);
    CU_ASSERT_EQUAL(stats_of(&s).port_messages_tcp, 1);
    CU_ASSERT_EQUAL(advert_of(&s, 0).advertised_port, 6881);
    CU_ASSERT_EQUAL(FOUND(&s, PEERWIRE_LOST), 0);
    scene_end(&s);
}

/* The members of a PORT message's advertisement. */
static void what_port_says(void)
{
    static const struct {
        uint16_t port;
        uint16_t effective;
        tracker_verdict verdict;
    } rows[] = {{0, 0, TRACKER_VERDICT_INVALID},
                {1, 0, TRACKER_VERDICT_INVALID},
                {2, 2, TRACKER_VERDICT_MISMATCH},
                {40001, 40001, TRACKER_VERDICT_MATCH},
                {65535, 65535, TRACKER_VERDICT_MISMATCH}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[256];
        size_t len = handshake(bytes, sizeof bytes, LT_ID);
        scene s;
        tracker_advert a;

        len += peerwire_port_put(bytes + len, sizeof bytes - len, rows[i].port);
        scene_begin(&s);
        SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
        segment(&s, X_TCP, R1_TCP, 99, SYN, NULL, 0);
        segment(&s, X_TCP, R1_TCP, 100, ACK, bytes, len);
        a = advert_of(&s, 0);
        CU_ASSERT_EQUAL(a.advertised_port, rows[i].port);
        CU_ASSERT_EQUAL(a.effective_port, rows[i].effective);
        CU_ASSERT_EQUAL(a.verdict, rows[i].verdict);
        CU_ASSERT_EQUAL(a.sender.port, 55555);
        CU_ASSERT_EQUAL(a.receiver.port, 6890);
        CU_ASSERT_EQUAL(a.dht_port, 40001);
        CU_ASSERT_EQUAL(a.service, KRPC_SERVICE_DHT);
        CU_ASSERT_EQUAL(a.time_ns, s.now);
        CU_ASSERT(a.has_info_hash && a.info_hash[19] == 'h');
        scene_end(&s);
    }
}

/* ---- which client ---- */

static void offer(scene *s, const char *peer_id, const peerwire_offer *o, uint32_t seq)
{
    uint8_t bytes[512];
    size_t len = handshake(bytes, sizeof bytes, peer_id);

    len += peerwire_offer_put(bytes + len, sizeof bytes - len, o);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, 6881);
    segment(s, X_TCP, R1_TCP, seq - 1, SYN, NULL, 0);
    segment(s, X_TCP, R1_TCP, seq, ACK, bytes, len);
}

/* Two nodes with two clients are there: the peer id shows which one sends, else the name; else it may be either. */
static void the_client_that_speaks(void)
{
    static const struct {
        const char *peer_id;
        const char *name;
        uint16_t port; /* of its node; 0: it may be either */
    } rows[] = {
        {LT_ID, NULL, 40001},
        {"-qB4520-abcdefghijkl", NULL, 40001},
        {"-lt0D70-abcdefghijkl", NULL, 0}, /* no node of that client is there */
        {"-UT355S-abcdefghijkl", NULL, 40002},
        {"-UW1234-abcdefghijkl", NULL, 40002},
        {LT_ID, "\xc2\xb5Torrent 3.5", 40001}, /* the peer id counts more than the name */
        {XX_ID, "libtorrent/2.0.8", 40001},
        {XX_ID, "qBittorrent/4.5.2", 40001},
        {XX_ID, "\xc2\xb5Torrent 3.5", 40002},
        {XX_ID, "BitTorrent 7.10", 40002},
        {XX_ID, "Torrent", 0},
        {XX_ID, "libtorren", 0},
        {XX_ID, NULL, 0},
    };

    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) { /* two bytes of the version are enough */
        size_t v_len = i < sizeof rows / sizeof rows[0] ? 4 : 2;
        peerwire_offer o;
        scene s;
        tracker_advert a;
        bool one;

        memset(&o, 0, sizeof o);
        o.v = rows[i % (sizeof rows / sizeof rows[0])].name;
        o.v_len = o.v == NULL ? 0 : strlen(o.v);
        scene_begin(&s);
        SAY(&s, X, R1, PING, .id = 'q', .v = "LT", .v_len = v_len);
        SAY(&s, "203.0.113.9:40002", R1, PING, .id = 'u', .v = "UT", .v_len = v_len, .t = "ab");
        offer(&s, rows[i % (sizeof rows / sizeof rows[0])].peer_id, &o, 1000);
        a = advert_of(&s, 0);
        CU_ASSERT_EQUAL(a.dht_port, rows[i % (sizeof rows / sizeof rows[0])].port);
        one = a.dht_port != 0;
        CU_ASSERT_EQUAL(a.verdict, one ? TRACKER_VERDICT_MISMATCH : TRACKER_VERDICT_UNKNOWN);
        CU_ASSERT_EQUAL(a.has_node_id, one);
        CU_ASSERT_EQUAL(a.node_id[0], !one ? 0 : a.dht_port == 40001 ? 'q' : 'u');
        CU_ASSERT_EQUAL(a.version_len, one ? v_len : 0);
        scene_end(&s);
    }
}

/* A node without v may be Transmission, and none of the clients that always send v. A v of one letter and a zero is a
 * v. */
static void a_client_that_does_not_say(void)
{
    static const struct {
        const char *peer_id;
        const char *v;
        uint16_t port;
    } rows[] = {{"-TR2940-abcdefghijkl", NULL, 40001},
                {LT_ID, NULL, 0},
                {"-UT355S-abcdefghijkl", NULL, 40002},
                {"-TR2940-abcdefghijkl", "T", 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peerwire_offer o;
        scene s;

        memset(&o, 0, sizeof o);
        scene_begin(&s);
        SAY(&s, X, R1, PING, .id = 'q', .v = rows[i].v);
        SAY(&s, "203.0.113.9:40002", R1, PING, .id = 'u', .v = "UT", .t = "ab");
        offer(&s, rows[i].peer_id, &o, 1000);
        CU_ASSERT_EQUAL(advert_of(&s, 0).dht_port, rows[i].port);
        CU_ASSERT_EQUAL(advert_of(&s, 0).verdict,
                        rows[i].port != 0 ? TRACKER_VERDICT_MISMATCH : TRACKER_VERDICT_UNKNOWN);
        scene_end(&s);
    }
}

/* At an address with very many nodes, only the newest are checked: an attacker that opens ports makes nothing slow. */
static void a_client_among_very_many(void)
{
    for (int newer = 63; newer <= 64; newer++) {
        peerwire_offer o;
        scene s;

        memset(&o, 0, sizeof o);
        scene_begin(&s);
        SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
        for (int i = 0; i < newer; i++) {
            char other[32];

            snprintf(other, sizeof other, "203.0.113.9:%d", 50001 + i);
            SAY(&s, other, R1, PING, .id = 'u', .v = "UT");
        }
        offer(&s, LT_ID, &o, 1000);
        CU_ASSERT_EQUAL(advert_of(&s, 0).dht_port, newer == 63 ? 40001 : 0);
        scene_end(&s);
    }
}

/* yourip: the address at which the receiver is seen. */
static void an_address_that_is_seen_elsewhere(void)
{
    static const struct {
        const char *seen;
        unsigned found;
    } rows[] = {{"198.51.100.1:0", 0}, {"198.51.100.7:0", 1}, {"6:7:0", 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peerwire_offer o;
        scene s;

        memset(&o, 0, sizeof o);
        o.yourip = ep(rows[i].seen);
        scene_begin(&s);
        offer(&s, LT_ID, &o, 1000);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_OBSERVED_ADDR), rows[i].found);
        scene_end(&s);
    }
}

/* ---- other protocols, and ports that the user names ---- */

static void a_port_on_which_it_is_certain(void)
{
    static const uint16_t ports[] = {1234, 6890};

    for (uint32_t num = 0; num <= 2; num++) {
        for (int back = 0; back < 2; back++) {
            tracker_options options;
            scene s;
            uint8_t bytes[64];
            size_t len = peerwire_port_put(bytes, sizeof bytes, 6881); /* in the middle of a connection */

            memset(&options, 0, sizeof options);
            options.peer_ports = ports;
            options.num_peer_ports = num;
            scene_begin_with(&s, &options);
            segment(&s, back != 0 ? R1_TCP : X_TCP, back != 0 ? X_TCP : R1_TCP, 100, ACK, bytes, len);
            CU_ASSERT_EQUAL(stats_of(&s).port_messages_tcp, num == 2);
            scene_end(&s);
        }
    }
}

/* ---- trackers and the local network ---- */

/* connection id, action, transaction id, info-hash, peer id, downloaded, left, uploaded, event, IP, key, want; port */
static const char tracker_announce[] = "\x11\x22\x33\x44\x55\x66\x77\x88"
                                       "\0\0\0\x01"
                                       "\xca\xfe\xba\xbe"
                                       "abcdefghij0123456789" LT_ID "\0\0\0\0\0\0\0\0"
                                       "\0\0\0\0\0\x10\0\0"
                                       "\0\0\0\0\0\0\0\0"
                                       "\0\0\0\x02"
                                       "\0\0\0\0"
                                       "\x12\x34\x56\x78"
                                       "\xff\xff\xff\xff";

static void what_a_tracker_is_told(void)
{
    static const struct {
        uint16_t port;
        uint16_t effective;
        tracker_verdict verdict;
    } rows[] = {{1, 0, TRACKER_VERDICT_INVALID},
                {2, 2, TRACKER_VERDICT_MISMATCH},
                {5000, 5000, TRACKER_VERDICT_MATCH}, /* it sends from this port */
                {65535, 65535, TRACKER_VERDICT_MISMATCH}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[98];
        scene s;
        tracker_packet p;
        tracker_advert a;

        memcpy(bytes, tracker_announce, 96);
        bytes[96] = (uint8_t)(rows[i].port >> 8);
        bytes[97] = (uint8_t)rows[i].port;
        scene_begin(&s);
        SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
        SAY(&s, "203.0.113.9:40002", R1, PING, .id = 'u', .v = "UT", .t = "ab");
        p = scene_packet(&s, "203.0.113.9:5000", "192.0.2.80:80");
        tracker_datagram(s.t, &p, bytes, sizeof bytes, &s.result, &s.sink);
        CU_ASSERT_EQUAL(s.result.num_adverts, 1);
        a = advert_of(&s, 0);
        CU_ASSERT_EQUAL(a.frame, 3);
        CU_ASSERT_EQUAL(a.time_ns, s.now);
        CU_ASSERT_EQUAL(a.sender.port, 5000);
        CU_ASSERT_EQUAL(a.receiver.port, 80);
        CU_ASSERT_EQUAL(a.channel, KRPC_CHANNEL_UDP_TRACKER);
        CU_ASSERT_EQUAL(a.service, KRPC_SERVICE_PEER);
        CU_ASSERT_EQUAL(a.advertised_port, rows[i].port);
        CU_ASSERT_EQUAL(a.effective_port, rows[i].effective);
        CU_ASSERT_EQUAL(a.verdict, rows[i].verdict);
        CU_ASSERT_EQUAL(a.dht_port, 40001); /* of the client in its peer id */
        CU_ASSERT(a.has_info_hash && memcmp(a.info_hash, "abcdefghij0123456789", 20) == 0);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_INVALID), 0);
        scene_end(&s);
    }
}

/* Over HTTP: on a TCP connection that a peer wire stream could be, in order or not, each byte once. */
static void what_a_tracker_is_told_over_http(void)
{
    static const char request[] = "GET /announce?info_hash=abcdefghij0123456789&peer_id=-LT2080-012345678901&port=6999"
                                  "&uploaded=0 HTTP/1.1\r\n\r\n";
    const uint8_t *bytes = (const uint8_t *)request;
    const size_t len = sizeof request - 1;
    scene s;
    tracker_packet p;
    tracker_advert a;

    scene_begin(&s);
    SAY(&s, X, R1, PING, .id = 'q', .v = "LT");
    p = scene_packet(&s, "203.0.113.9:50000", "192.0.2.80:80");
    tracker_segment(s.t, &p, 100, 1, TRACKER_TCP_ACK, bytes, len, len, &s.result, &s.sink);
    CU_ASSERT_EQUAL(s.result.num_adverts, 1);
    a = advert_of(&s, 0);
    CU_ASSERT_EQUAL(a.channel, KRPC_CHANNEL_HTTP_TRACKER);
    CU_ASSERT_EQUAL(a.sender.port, 50000);
    CU_ASSERT_EQUAL(a.advertised_port, 6999);
    CU_ASSERT_EQUAL(a.dht_port, 40001); /* of the client in its peer id */
    CU_ASSERT_EQUAL(a.over_tcp, 1);
    CU_ASSERT(a.has_info_hash && memcmp(a.info_hash, "abcdefghij0123456789", 20) == 0);
    CU_ASSERT(a.len == 4 && memcmp(request + a.off, "6999", 4) == 0);
    /* sent again */
    p = scene_packet(&s, "203.0.113.9:50000", "192.0.2.80:80");
    tracker_segment(s.t, &p, 100, 1, TRACKER_TCP_ACK, bytes, len, len, &s.result, &s.sink);
    CU_ASSERT_EQUAL(s.result.num_adverts, 0);
    /* the next request on the same connection */
    p = scene_packet(&s, "203.0.113.9:50000", "192.0.2.80:80");
    tracker_segment(s.t, &p, 100 + (uint32_t)len, 1, TRACKER_TCP_ACK, bytes, len, len, &s.result, &s.sink);
    CU_ASSERT_EQUAL(s.result.num_adverts, 1);
    scene_end(&s);
}

/* The same text to another port is not local service discovery. */
static void what_the_local_network_is_told(void)
{
    static const struct {
        int port;
        uint16_t effective;
        unsigned invalid;
    } rows[] = {{0, 0, 1}, {1, 0, 0}, {2, 2, 0}, {6999, 6999, 0}, {65535, 65535, 0}, {65536, 0, 1}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        int len = snprintf(text, sizeof text,
                           "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: %d\r\n"
                           "Infohash: 0123456789abcdef0123456789abcdef01234567\r\n\r\n\r\n",
                           rows[i].port);
        scene s;
        tracker_packet p;
        tracker_advert a;

        scene_begin(&s);
        p = scene_packet(&s, "192.168.1.2:6771", "239.192.152.143:6772");
        tracker_datagram(s.t, &p, (const uint8_t *)text, (size_t)len, &s.result, &s.sink);
        CU_ASSERT_EQUAL(s.result.num_adverts, 0);
        p = scene_packet(&s, "192.168.1.2:6771", "239.192.152.143:6771");
        tracker_datagram(s.t, &p, (const uint8_t *)text, (size_t)len, &s.result, &s.sink);
        CU_ASSERT_EQUAL(s.result.num_adverts, 1);
        a = advert_of(&s, 0);
        CU_ASSERT_EQUAL(a.frame, 2);
        CU_ASSERT_EQUAL(a.time_ns, s.now);
        CU_ASSERT_EQUAL(a.sender.port, 6771);
        CU_ASSERT_EQUAL(a.advertised_port, rows[i].port);
        CU_ASSERT_EQUAL(a.effective_port, rows[i].effective);
        CU_ASSERT(a.has_info_hash && a.info_hash[0] == 0x01 && a.info_hash[19] == 0x67);
        CU_ASSERT_EQUAL(FOUND(&s, PORT_INVALID), rows[i].invalid);
        scene_end(&s);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(the_receiver_connects),
        UNIT_TEST(the_receiver_connects_over_utp),
        UNIT_TEST(queries_to_a_peer_port),
        UNIT_TEST(places_in_the_packet),
        UNIT_TEST(bytes_that_are_missing),
        UNIT_TEST(what_port_says),
        UNIT_TEST(the_client_that_speaks),
        UNIT_TEST(a_client_that_does_not_say),
        UNIT_TEST(a_client_among_very_many),
        UNIT_TEST(an_address_that_is_seen_elsewhere),
        UNIT_TEST(a_port_on_which_it_is_certain),
        UNIT_TEST(what_a_tracker_is_told),
        UNIT_TEST(what_a_tracker_is_told_over_http),
        UNIT_TEST(what_the_local_network_is_told),
    };

    return UNIT_RUN("tracker peers", tests);
}
