/* test_trackerwire.c: announces to trackers over UDP (BEP 15) and HTTP (BEP 3), local service discovery (BEP 14).
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/trackerwire.h>

#include "unit.h"

#define HASH "abcdefghij0123456789"
#define PEER "-XX0001-012345678901"

/* connection id, action, transaction id, info-hash, peer id, downloaded, left, uploaded, event, IP, key, want, port */
static const char announce[] = "\x11\x22\x33\x44\x55\x66\x77\x88"
                               "\0\0\0\x01"
                               "\xca\xfe\xba\xbe" HASH PEER "\0\0\0\0\0\0\0\0"
                               "\0\0\0\0\0\x10\0\0"
                               "\0\0\0\0\0\0\0\0"
                               "\0\0\0\x02"
                               "\0\0\0\0"
                               "\x12\x34\x56\x78"
                               "\xff\xff\xff\xff"
                               "\x1a\xe1";
#define ANNOUNCE_LEN 98

static const char connect_request[] = "\0\0\x04\x17\x27\x10\x19\x80"
                                      "\0\0\0\0"
                                      "\xca\xfe\xba\xbe";
static const char connect_reply[] = "\0\0\0\0"
                                    "\xca\xfe\xba\xbe"
                                    "\x11\x22\x33\x44\x55\x66\x77\x88";

static trackerwire_kind udp_kind(const void *bytes, size_t len)
{
    trackerwire_message message;

    return trackerwire_udp_parse(&message, (const uint8_t *)bytes, len);
}

static void published_layout(void)
{
    trackerwire_message message;
    krpc_advert advert;
    guard g;

    CU_ASSERT_EQUAL_FATAL(sizeof announce - 1, ANNOUNCE_LEN);
    guard_init(&g, ANNOUNCE_LEN);
    CU_ASSERT_EQUAL(trackerwire_udp_parse(&message, guard_copy(&g, connect_request, 16), 16), TRACKERWIRE_CONNECT);
    CU_ASSERT_EQUAL(message.transaction_id, 0xcafebabe);
    CU_ASSERT_FALSE(trackerwire_advert(&advert, &message));
    CU_ASSERT_EQUAL(trackerwire_udp_parse(&message, guard_copy(&g, connect_reply, 16), 16), TRACKERWIRE_CONNECTED);
    CU_ASSERT_EQUAL(message.transaction_id, 0xcafebabe);
    CU_ASSERT_EQUAL(message.connection_id, UINT64_C(0x1122334455667788));
    CU_ASSERT_FALSE(trackerwire_advert(&advert, &message));

    CU_ASSERT_EQUAL(trackerwire_udp_parse(&message, guard_copy(&g, announce, ANNOUNCE_LEN), ANNOUNCE_LEN),
                    TRACKERWIRE_ANNOUNCE);
    CU_ASSERT_EQUAL(message.kind, TRACKERWIRE_ANNOUNCE);
    CU_ASSERT_EQUAL(message.connection_id, UINT64_C(0x1122334455667788));
    CU_ASSERT_EQUAL(message.transaction_id, 0xcafebabe);
    CU_ASSERT_EQUAL(message.event, 2);
    CU_ASSERT_TRUE(message.has_info_hash);
    CU_ASSERT_EQUAL(message.num_info_hashes, 1);
    CU_ASSERT_EQUAL(memcmp(message.info_hash, HASH, 20), 0);
    CU_ASSERT_TRUE(trackerwire_advert(&advert, &message));
    CU_ASSERT_EQUAL(advert.channel, KRPC_CHANNEL_UDP_TRACKER);
    CU_ASSERT_EQUAL(advert.whose, KRPC_WHOSE_SENDER);
    CU_ASSERT_EQUAL(advert.service, KRPC_SERVICE_PEER);
    CU_ASSERT_EQUAL(advert.port, 6881);
    CU_ASSERT_FALSE(advert.has_addr);
    CU_ASSERT_EQUAL(advert.off, 96);
    CU_ASSERT_EQUAL(advert.len, 2);
    guard_free(&g);
}

static void an_announce_may_name_an_address(void)
{
    char bytes[ANNOUNCE_LEN];
    trackerwire_message message;
    krpc_advert advert;
    char text[KRPC_ENDPOINT_TEXT];

    memcpy(bytes, announce, sizeof bytes);
    memcpy(bytes + 84, "\xc0\0\x02\x07", 4);
    trackerwire_udp_parse(&message, (const uint8_t *)bytes, sizeof bytes);
    CU_ASSERT_TRUE(trackerwire_advert(&advert, &message));
    CU_ASSERT_TRUE(advert.has_addr);
    CU_ASSERT_STRING_EQUAL(krpc_endpoint_text(text, &advert.endpoint), "192.0.2.7:6881");
}

/* One field of a good announce after the other made implausible, and beside it the last that is plausible. */
static void strictness(void)
{
    static const struct {
        size_t off;
        const char *bytes;
        size_t len;
        bool good;
    } vectors[] = {
        {8, "\0\0\0\0", 4, false},
        {8, "\0\0\0\x02", 4, false},
        {16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, false},
        {16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 20, true},
        {16, "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, true},
        {36, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, false},
        {36, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 20, true},
        {36, "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, true},
        {56, "\x02\0\0\0\0\0\0\0", 8, false},
        {56, "\x01\0\0\0\0\0\0\0", 8, true},
        {64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, true},
        {64, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8, true},
        {64, "\xff\xff\xff\xff\xff\xff\xff\xfe", 8, false},
        {72, "\x40\0\0\0\0\0\0\0", 8, false},
        {80, "\0\0\0\x05", 4, false},
        {80, "\0\0\0\x04", 4, true},
        {80, "\0\0\0\0", 4, true},
        {80, "\x01\0\0\0", 4, false},
        {92, "\0\0\x27\x10", 4, true},
        {92, "\0\0\x27\x11", 4, false},
        {92, "\xff\xff\xff\xfe", 4, false},
        {96, "\0\0", 2, false},
        {96, "\0\x01", 2, true},
        {96, "\xff\xff", 2, true},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char bytes[ANNOUNCE_LEN];

        memcpy(bytes, announce, sizeof bytes);
        memcpy(bytes + vectors[i].off, vectors[i].bytes, vectors[i].len);
        CU_ASSERT_EQUAL(udp_kind(bytes, sizeof bytes), vectors[i].good ? TRACKERWIRE_ANNOUNCE : TRACKERWIRE_NONE);
    }
}

static void options_behind_an_announce(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } vectors[] = {
        {"", 0, true},
        {"\x02\x05"
         "/path",
         7, true},
        {"\x02\x05"
         "/path\0",
         8, true},
        {"\x01\x01\x02\0\0junk", 9, true}, /* nothing behind the end matters */
        {"\x02\x06"
         "/path",
         7, false},
        {"\x01\x01\x02\x06"
         "/path",
         9, false},
        {"\x02", 1, false},
        {"\x01\x02", 2, false},
        {"\x01\x01", 2, true},
        {"\x02\0", 2, true},
        {"\x63\x01"
         "x",
         3, true},
        {"d1:ad2:id20:", 12, false},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char bytes[ANNOUNCE_LEN + 16];
        guard g;

        guard_init(&g, sizeof bytes);
        memcpy(bytes, announce, ANNOUNCE_LEN);
        memcpy(bytes + ANNOUNCE_LEN, vectors[i].bytes, vectors[i].len);
        CU_ASSERT_EQUAL(udp_kind(guard_copy(&g, bytes, ANNOUNCE_LEN + vectors[i].len), ANNOUNCE_LEN + vectors[i].len),
                        vectors[i].good ? TRACKERWIRE_ANNOUNCE : TRACKERWIRE_NONE);
        guard_free(&g);
    }
}

static void other_datagrams_are_none(void)
{
    static const char ping[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    guard g;

    guard_init(&g, 256);
    CU_ASSERT_EQUAL(udp_kind(ping, sizeof ping - 1), TRACKERWIRE_NONE);
    for (size_t len = 0; len < ANNOUNCE_LEN; len++) {
        CU_ASSERT_EQUAL(udp_kind(guard_copy(&g, announce, len), len), TRACKERWIRE_NONE);
    }
    for (size_t len = 0; len < 16; len++) {
        CU_ASSERT_EQUAL(udp_kind(guard_copy(&g, connect_request, len), len), TRACKERWIRE_NONE);
        CU_ASSERT_EQUAL(udp_kind(guard_copy(&g, connect_reply, len), len), TRACKERWIRE_NONE);
    }
    CU_ASSERT_EQUAL(udp_kind("\0\0\x04\x17\x27\x10\x19\x80\0\0\0\x01\0\0\0\0", 16), TRACKERWIRE_NONE);
    CU_ASSERT_EQUAL(udp_kind("\0\0\x04\x17\x27\x10\x19\x81\0\0\0\0\0\0\0\0", 16), TRACKERWIRE_NONE);
    guard_free(&g);
}

/* ---- local service discovery ---- */

#define LSD_BEGIN "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n"
#define HEX       "6162636465666768696A30313233343536373839"

static void lsd(void)
{
    static const char text[] = LSD_BEGIN "Port: 6881\r\nInfohash: " HEX "\r\ncookie: abc\r\n\r\n\r\n";
    trackerwire_message message;
    krpc_advert advert;

    CU_ASSERT_EQUAL(trackerwire_lsd_parse(&message, (const uint8_t *)text, sizeof text - 1), TRACKERWIRE_LSD);
    CU_ASSERT_TRUE(message.has_info_hash);
    CU_ASSERT_EQUAL(memcmp(message.info_hash, HASH, 20), 0);
    CU_ASSERT_EQUAL(message.num_info_hashes, 1);
    CU_ASSERT_TRUE(trackerwire_advert(&advert, &message));
    CU_ASSERT_EQUAL(advert.channel, KRPC_CHANNEL_LSD);
    CU_ASSERT_EQUAL(advert.port, 6881);
    CU_ASSERT_EQUAL(advert.len, 4);
    CU_ASSERT_EQUAL(memcmp(text + advert.off, "6881", 4), 0);
    CU_ASSERT_FALSE(advert.has_addr);
}

/* Names in small letters, over IPv6, and for several torrents: the first info-hash is kept, all are counted. */
static void lsd_for_several_torrents(void)
{
    static const char text[] = "BT-SEARCH * HTTP/1.1\r\nhost: [ff15::efc0:988f]:6771\r\ninfohash: " HEX "\r\n"
                               "infohash: 0123456789abcdef0123456789ABCDEF01234567\r\nport: 51413\r\n"
                               "infohash: fedcba9876543210fedcba9876543210fedcba98\r\n\r\n";
    trackerwire_message message;
    krpc_advert advert;

    CU_ASSERT_EQUAL(trackerwire_lsd_parse(&message, (const uint8_t *)text, sizeof text - 1), TRACKERWIRE_LSD);
    CU_ASSERT_EQUAL(memcmp(message.info_hash, HASH, 20), 0);
    CU_ASSERT_EQUAL(message.num_info_hashes, 3);
    CU_ASSERT_TRUE(trackerwire_advert(&advert, &message));
    CU_ASSERT_EQUAL(advert.port, 51413);
    CU_ASSERT_EQUAL(memcmp(text + advert.off, "51413\r", 6), 0);
}

/* The header lines, and the port that they give; -1 for none. */
static void lsd_ports(void)
{
    static const struct {
        const char *lines;
        int64_t port;
        uint32_t hashes;
    } vectors[] = {
        {"Port: 6881\r\n\r\n", 6881, 0},
        {"port:6881\r\n\r\n", 6881, 0},
        {"PORT:\t 6881 \t\r\n\r\n", 6881, 0},
        {"Port: 6881\n\n", 6881, 0},
        {"Port: 0\r\n\r\n", 0, 0},
        {"Port: 70000\r\n\r\n", 70000, 0},
        {"Port: 00006881\r\n\r\n", 6881, 0},
        {"Port: 999999999\r\n\r\n", 999999999, 0},
        {"Port: 9999999999\r\n\r\n", -1, 0},
        {"Port: -1\r\n\r\n", -1, 0},
        {"Port: 0x50\r\n\r\n", -1, 0},
        {"Port:\r\n\r\n", -1, 0},
        {"Port 6881\r\n\r\n", -1, 0},
        {"Ports: 6881\r\n\r\n", -1, 0},
        {"Por: 6881\r\n\r\n", -1, 0},
        {"Port: 1\r\nPort: 2\r\n\r\n", 1, 0},
        {"\r\nPort: 6881\r\n\r\n", -1, 0},
        {"Infohash: " HEX "\r\ninfohash: " HEX "\r\nPort: 6881\r\n\r\n", 6881, 2},
        {"Infohash: " HEX "0\r\nPort: 6881\r\n\r\n", 6881, 0},
        {"Infohash: 6162636465666768696A3031323334353637383G\r\nPort: 6881\r\n\r\n", 6881, 0},
        {"Port: 6881", -1, 0}, /* may go on */
    };
    guard g;

    guard_init(&g, 512);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char text[512];
        trackerwire_message message;
        krpc_advert advert;
        int len = snprintf(text, sizeof text, "%s%s", LSD_BEGIN, vectors[i].lines);
        bool has_port;

        trackerwire_lsd_parse(&message, guard_copy(&g, text, (size_t)len), (size_t)len);
        CU_ASSERT_EQUAL(message.kind, TRACKERWIRE_LSD);
        CU_ASSERT_EQUAL(message.num_info_hashes, vectors[i].hashes);
        has_port = trackerwire_advert(&advert, &message);
        if ((has_port ? advert.port : -1) != vectors[i].port) {
            CU_FAIL(vectors[i].lines);
        }
        for (int cut = 0; cut < len; cut++) {
            trackerwire_kind kind = trackerwire_lsd_parse(&message, guard_copy(&g, text, (size_t)cut), (size_t)cut);

            CU_ASSERT_EQUAL(kind, cut >= 20 ? TRACKERWIRE_LSD : TRACKERWIRE_NONE);
            CU_ASSERT(!message.has_port || message.port == vectors[i].port);
        }
    }
    guard_free(&g);
}

static void lsd_needs_its_first_line(void)
{
    static const char *const texts[] = {
        "",
        "BT-SEARCH",
        "BT-SEARCH * HTTP/1.10\r\nPort: 1\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n",
        " BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        trackerwire_message message;
        krpc_advert advert;

        CU_ASSERT_EQUAL(trackerwire_lsd_parse(&message, (const uint8_t *)texts[i], strlen(texts[i])), TRACKERWIRE_NONE);
        CU_ASSERT_FALSE(trackerwire_advert(&advert, &message));
    }
}

/* ---- HTTP ---- */

#define ESCAPED "%61bcdefghij0123456789"
#define REQUEST "GET /announce?info_hash=" ESCAPED "&peer_id=-XX0001-012345678901&port="

static void http(void)
{
    static const char text[] = "GET /a/announce.php?key=1&info_hash=%01%fF%00%25%26fghij0123456789&peer_id="
                               "-lt0D80-%00%01%02%03%04%05%06%07%08%09%0a%0b&port=51413&uploaded=0&left=7&event=started"
                               "&ip=203.0.113.9&compact=1 HTTP/1.1\r\nHost: tracker.test\r\n\r\n";
    trackerwire_message message;
    krpc_advert advert;

    CU_ASSERT_EQUAL(trackerwire_http_parse(&message, (const uint8_t *)text, sizeof text - 1), TRACKERWIRE_HTTP);
    CU_ASSERT(message.has_info_hash && memcmp(message.info_hash, "\x01\xff\0%&fghij0123456789", 20) == 0);
    CU_ASSERT(message.has_peer_id &&
              memcmp(message.peer_id, "-lt0D80-\0\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v", 20) == 0);
    CU_ASSERT_EQUAL(message.event, 2);
    CU_ASSERT_TRUE(trackerwire_advert(&advert, &message));
    CU_ASSERT_EQUAL(advert.channel, KRPC_CHANNEL_HTTP_TRACKER);
    CU_ASSERT_EQUAL(advert.port, 51413);
    CU_ASSERT_EQUAL(advert.len, 5);
    CU_ASSERT_EQUAL(memcmp(text + advert.off, "51413&", 6), 0);
    CU_ASSERT(advert.has_addr && advert.endpoint.addr_len == 4 &&
              memcmp(advert.endpoint.addr, "\xcb\0\x71\x09", 4) == 0);
}

/* Requests, and the port that they announce; -1: none. */
static void http_requests(void)
{
    static const struct {
        const char *text;
        int64_t port;
    } vectors[] = {
        {REQUEST "6881&left=0 HTTP/1.1\r\n", 6881},
        {REQUEST "6881 HTTP/1.0\r\n", 6881},
        {REQUEST "6881\r\n", 6881},
        {REQUEST "6881#x", 6881},
        {REQUEST "6881", -1}, /* may go on */
        {REQUEST "0 HTTP/1.1", 0},
        {REQUEST "70000 HTTP/1.1", 70000},
        {REQUEST " HTTP/1.1", -1},
        {REQUEST "x HTTP/1.1", -1},
        {REQUEST "-1 HTTP/1.1", -1},
        {"GET http://tracker.test/announce?port=6881&info_hash=" ESCAPED " HTTP/1.1", 6881},
        {"GET /?&&port=6881&=&info_hash=" ESCAPED "& ", 6881},
        {"GET /?info_hash=" ESCAPED "&port=1&port=2 ", 1},
        {"GET /scrape?info_hash=" ESCAPED " HTTP/1.1", -1},
        {"GET /announce?port=6881 HTTP/1.1", -1},
        {"GET /announce?info_hash=%61bcdefghij012345678&port=6881 HTTP/1.1", -1},
        {"GET /announce?info_hash=%61bcdefghij01234567899&port=6881 HTTP/1.1", -1},
        {"GET /announce?info_hash=abcdefghij012345678%4&port=6881 HTTP/1.1", -1},
        {"GET /announce?info_hash=%6gbcdefghij0123456789&port=6881 HTTP/1.1", -1},
        {"GET /announce?xinfo_hash=" ESCAPED "&port=6881 HTTP/1.1", -1},
        {"GET /announce?info_hash=" ESCAPED "&ports=6881 HTTP/1.1", -1},
        {"GET /announce HTTP/1.1\r\nX: ?info_hash=" ESCAPED "&port=6881 ", -1},
        {"GET /announce HTTP/1.1?info_hash=" ESCAPED "&port=6881 ", -1},
        {"POST /announce?info_hash=" ESCAPED "&port=6881 HTTP/1.1", -1},
        {"get /announce?info_hash=" ESCAPED "&port=6881 HTTP/1.1", -1},
        {"", -1},
    };
    guard g;

    guard_init(&g, 512);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        size_t len = strlen(vectors[i].text);
        trackerwire_message message;
        krpc_advert advert;
        trackerwire_kind kind = trackerwire_http_parse(&message, guard_copy(&g, vectors[i].text, len), len);
        bool has_port = trackerwire_advert(&advert, &message);

        CU_ASSERT_EQUAL(kind, vectors[i].port < 0 ? TRACKERWIRE_NONE : TRACKERWIRE_HTTP);
        if ((has_port ? advert.port : -1) != vectors[i].port) {
            CU_FAIL(vectors[i].text);
        }
        for (size_t cut = 0; cut < len; cut++) {
            trackerwire_http_parse(&message, guard_copy(&g, vectors[i].text, cut), cut);
            CU_ASSERT(!message.has_port || message.port == vectors[i].port);
        }
    }
    guard_free(&g);
}

static void http_addresses(void)
{
    static const struct {
        const char *ip;
        const char *addr; /* NULL: none */
    } vectors[] = {
        {"203.0.113.9", "\xcb\0\x71\x09"},
        {"0.0.0.0", "\0\0\0\0"},
        {"255.255.255.255", "\xff\xff\xff\xff"},
        {"256.0.113.9", NULL},
        {"203.0.113", NULL},
        {"203.0.113.9.1", NULL},
        {"203..113.9", NULL},
        {"203.0.113.0009", NULL},
        {"", NULL},
        {"2001:db8::1", NULL},
        {"peer.test", NULL},
        {"203.0.113.9%20", NULL},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char text[512];
        trackerwire_message message;
        int len = snprintf(text, sizeof text, "%s6881&ip=%s HTTP/1.1", REQUEST, vectors[i].ip);

        CU_ASSERT_EQUAL(trackerwire_http_parse(&message, (const uint8_t *)text, (size_t)len), TRACKERWIRE_HTTP);
        CU_ASSERT_EQUAL(message.endpoint.addr_len, vectors[i].addr != NULL ? 4 : 0);
        CU_ASSERT(vectors[i].addr == NULL || memcmp(message.endpoint.addr, vectors[i].addr, 4) == 0);
    }
}

static void kinds_have_names(void)
{
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name(TRACKERWIRE_NONE), "none");
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name(TRACKERWIRE_CONNECT), "connect");
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name(TRACKERWIRE_CONNECTED), "connected");
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name(TRACKERWIRE_ANNOUNCE), "announce");
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name((trackerwire_kind)(TRACKERWIRE_HTTP + 1)), "?");
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name(TRACKERWIRE_HTTP), "http");
    CU_ASSERT_STRING_EQUAL(trackerwire_kind_name(TRACKERWIRE_LSD), "lsd");
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(published_layout),
        UNIT_TEST(an_announce_may_name_an_address),
        UNIT_TEST(strictness),
        UNIT_TEST(options_behind_an_announce),
        UNIT_TEST(other_datagrams_are_none),
        UNIT_TEST(lsd),
        UNIT_TEST(lsd_for_several_torrents),
        UNIT_TEST(lsd_ports),
        UNIT_TEST(lsd_needs_its_first_line),
        UNIT_TEST(http),
        UNIT_TEST(http_requests),
        UNIT_TEST(http_addresses),
        UNIT_TEST(kinds_have_names),
    };

    return UNIT_RUN("trackerwire", tests);
}
