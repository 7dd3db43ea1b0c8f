/* test_socks5.c: datagrams that a SOCKS5 proxy relays (RFC 1928).
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/socks5.h>

#include "unit.h"

#define PING    "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
#define THIRD   "\xcb\x00\x71\x05\x1a\xe1"
#define HEADER  "\0\0\0\x01" THIRD
#define HEADER6 "\0\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"
#define NAMED   "\0\0\0\x03\x0brouter.test\x1a\xe1"
#define REQUEST "\x05\x03\0\x01\0\0\0\0\0\0"
#define REPLY   "\x05\0\0\x01\xc0\0\x02\x50\x04\x3d"

static const uint8_t client_addr[4] = {192, 168, 1, 5}, proxy_addr[4] = {192, 0, 2, 80},
                     third_addr[4] = {203, 0, 113, 5};

static krpc_endpoint at(const uint8_t addr[4], uint16_t port)
{
    krpc_endpoint endpoint;

    krpc_endpoint_set(&endpoint, addr, 4, port);
    return endpoint;
}

typedef struct opened {
    krpc_socks5_status status;
    krpc_endpoint src;
    krpc_endpoint dst;
    uint32_t header_len;
} opened;

static opened open_datagram(krpc_socks5 *relays, krpc_endpoint src, krpc_endpoint dst, const char *data, size_t len)
{
    opened o = {.src = src, .dst = dst};

    o.status = krpc_socks5_datagram(relays, &o.src, &o.dst, &o.header_len, (const uint8_t *)data, len, len);
    return o;
}

#define OPEN(relays, src, dst, literal) open_datagram(relays, src, dst, literal, sizeof(literal) - 1)

static void headers(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t header_len; /* 0: it is none */
        uint8_t addr_len;
        uint8_t fragment;
    } vectors[] = {
        {HEADER "x", 11, 10, 4, 0},
        {HEADER6, 22, 22, 16, 0},
        {NAMED, 18, 18, 0, 0},
        {"\0\0\x81\x01" THIRD, 10, 10, 4, 0x81},
        {"\0\0\0\x02" THIRD, 10, 0, 0, 0},
        {"\0\0\0\x03\0\x1a\xe1", 7, 0, 0, 0},
        {"\0\x01\0\x01" THIRD, 10, 0, 0, 0},
        {"\x01\0\0\x01" THIRD, 10, 0, 0, 0},
    };
    guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        krpc_socks5_header header;
        bool good = krpc_socks5_header_parse(&header, guard_copy(&g, vectors[i].bytes, vectors[i].len), vectors[i].len);

        CU_ASSERT_EQUAL(good, vectors[i].header_len != 0);
        if (!good) {
            continue;
        }
        CU_ASSERT_EQUAL(header.len, vectors[i].header_len);
        CU_ASSERT_EQUAL(header.endpoint.addr_len, vectors[i].addr_len);
        CU_ASSERT_EQUAL(header.endpoint.port, 6881);
        CU_ASSERT_EQUAL(header.fragment, vectors[i].fragment);
        for (size_t n = 0; n < vectors[i].header_len; n++) {
            CU_ASSERT_FALSE(krpc_socks5_header_parse(&header, guard_copy(&g, vectors[i].bytes, n), n));
        }
    }
    guard_free(&g);
}

static void associate(krpc_socks5 *relays, const char *request, const char *reply)
{
    krpc_endpoint client = at(client_addr, 40000), proxy = at(proxy_addr, 1080);

    krpc_socks5_init(relays);
    krpc_socks5_segment(relays, &client, &proxy, (const uint8_t *)request, 10);
    krpc_socks5_segment(relays, &proxy, &client, (const uint8_t *)reply, 10);
}

/* Any payload between client and relay is opened, in both directions. */
static void a_reply_names_the_relay(void)
{
    krpc_endpoint client = at(client_addr, 6881), relay = at(proxy_addr, 1085), third = at(third_addr, 6881);
    krpc_socks5 relays;
    opened o;

    associate(&relays, REQUEST, REPLY);
    o = OPEN(&relays, client, relay, HEADER "anything");
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_OPENED);
    CU_ASSERT_EQUAL(o.header_len, 10);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &client) && krpc_endpoint_equal(&o.dst, &third));
    o = OPEN(&relays, relay, client, HEADER "anything");
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_OPENED);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &third) && krpc_endpoint_equal(&o.dst, &client));
    o = OPEN(&relays, relay, client, "no header");
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_NONE);
    o = OPEN(&relays, client, relay, NAMED PING);
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_UNREAD);
    o = OPEN(&relays, client, relay, "\0\0\x01\x01" THIRD "anything");
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_UNREAD);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &client) && krpc_endpoint_equal(&o.dst, &relay));
}

/* The address of the relay is that of the proxy where the reply has none, or has one of the proxy's own network. */
static void the_relay_may_be_at_the_address_of_the_proxy(void)
{
    krpc_endpoint client = at(client_addr, 6881), relay = at(proxy_addr, 1085);
    krpc_socks5 relays;

    associate(&relays, REQUEST, "\x05\0\0\x01\0\0\0\0\x04\x3d");
    CU_ASSERT_EQUAL(OPEN(&relays, relay, client, HEADER "x").status, KRPC_SOCKS5_OPENED);
    associate(&relays, REQUEST, "\x05\0\0\x01\x0a\0\0\x01\x04\x3d");
    CU_ASSERT_EQUAL(OPEN(&relays, relay, client, HEADER "x").status, KRPC_SOCKS5_OPENED);
}

static void other_replies_name_no_relay(void)
{
    static const char *const pairs[][2] = {
        {"\x05\x01\0\x01" THIRD, REPLY},                   /* CONNECT */
        {REQUEST, "\x05\x01\0\x01\xc0\0\x02\x50\x04\x3d"}, /* a failure */
        {REQUEST, "\x04\0\0\x01\xc0\0\x02\x50\x04\x3d"},
        {REPLY, REPLY},
    };
    krpc_endpoint client = at(client_addr, 6881), relay = at(proxy_addr, 1085);

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        krpc_socks5 relays;

        associate(&relays, pairs[i][0], pairs[i][1]);
        CU_ASSERT_EQUAL(OPEN(&relays, client, relay, HEADER "anything").status, KRPC_SOCKS5_NONE);
    }
}

/* Without the control connection: KRPC after the header, and a guess which side the relay is, which then stays. */
static void without_a_control_connection(void)
{
    krpc_endpoint inside = at(client_addr, 6881), outside = at(proxy_addr, 1085), third = at(third_addr, 6881);
    krpc_endpoint other = at(third_addr, 40000);
    krpc_socks5 relays;
    opened o;

    krpc_socks5_init(&relays);
    CU_ASSERT_EQUAL(OPEN(&relays, inside, outside, HEADER "anything").status, KRPC_SOCKS5_NONE);
    CU_ASSERT_EQUAL(OPEN(&relays, inside, outside, HEADER "d8:intervali1800ee").status, KRPC_SOCKS5_NONE);
    o = OPEN(&relays, outside, inside, HEADER PING);
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_OPENED);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &third) && krpc_endpoint_equal(&o.dst, &inside));
    o = OPEN(&relays, inside, outside, HEADER "anything");
    CU_ASSERT_EQUAL(o.status, KRPC_SOCKS5_OPENED);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.dst, &third));

    krpc_socks5_init(&relays);
    o = OPEN(&relays, other, outside, HEADER PING); /* both public: the client sends first */
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &other) && krpc_endpoint_equal(&o.dst, &third));
    o = OPEN(&relays, outside, other, HEADER PING);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &third) && krpc_endpoint_equal(&o.dst, &other));

    krpc_socks5_init(&relays);
    outside.port = 1080;
    o = OPEN(&relays, outside, other, HEADER PING);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&o.src, &third) && krpc_endpoint_equal(&o.dst, &other));
}

/* The answer of a UDP tracker to an announce begins with the bytes of a header and any address. */
static void a_tracker_answer_is_no_header(void)
{
    krpc_endpoint client = at(client_addr, 6881), tracker = at(proxy_addr, 6969);
    krpc_socks5 relays;

    krpc_socks5_init(&relays);
    CU_ASSERT_EQUAL(
        OPEN(&relays, tracker, client, "\0\0\0\x01\xca\xfe\xba\xbe\0\0\x07\x08\0\0\0\x01\0\0\0\x02" THIRD).status,
        KRPC_SOCKS5_NONE);
}

static void the_table_is_bounded(void)
{
    krpc_endpoint client = at(client_addr, 6881);
    krpc_socks5 relays;

    krpc_socks5_init(&relays);
    for (uint32_t i = 0; i < 3 * KRPC_SOCKS5_MAX_RELAYS; i++) {
        CU_ASSERT_EQUAL(OPEN(&relays, client, at(proxy_addr, (uint16_t)(2000 + i)), HEADER PING).status,
                        KRPC_SOCKS5_OPENED);
    }
    CU_ASSERT_EQUAL(OPEN(&relays, client, at(proxy_addr, 2000), HEADER "x").status, KRPC_SOCKS5_NONE);
    CU_ASSERT_EQUAL(OPEN(&relays, client, at(proxy_addr, 2000 + 3 * KRPC_SOCKS5_MAX_RELAYS - 1), HEADER "x").status,
                    KRPC_SOCKS5_OPENED);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(headers),
        UNIT_TEST(a_reply_names_the_relay),
        UNIT_TEST(the_relay_may_be_at_the_address_of_the_proxy),
        UNIT_TEST(other_replies_name_no_relay),
        UNIT_TEST(without_a_control_connection),
        UNIT_TEST(a_tracker_answer_is_no_header),
        UNIT_TEST(the_table_is_bounded),
    };

    return UNIT_RUN("socks5", tests);
}
