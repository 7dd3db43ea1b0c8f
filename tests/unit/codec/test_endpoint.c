/* test_endpoint.c: compact form, text (RFC 5952), order, scope.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/endpoint.h>

#include <arpa/inet.h>

#include "unit.h"

static krpc_endpoint endpoint_of(const char *addr, uint16_t port)
{
    uint8_t bytes[16];
    krpc_endpoint out;
    int family = strchr(addr, ':') != NULL ? AF_INET6 : AF_INET;

    CU_ASSERT_EQUAL_FATAL(inet_pton(family, addr, bytes), 1);
    krpc_endpoint_set(&out, bytes, family == AF_INET6 ? 16 : 4, port);
    return out;
}

static void compact_form_round_trips(void)
{
    static const uint8_t bytes[18] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x1a, 0xe1};
    krpc_endpoint endpoint, before;
    uint8_t out[18];
    guard g;

    guard_init(&g, 64);
    memset(&before, 0x55, sizeof before);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        bool good = len == 6 || len == 18;

        endpoint = before;
        CU_ASSERT_EQUAL(krpc_endpoint_get(&endpoint, guard_copy(&g, bytes, len), len), good);
        if (good) {
            CU_ASSERT_EQUAL(endpoint.addr_len, len - 2);
            CU_ASSERT_EQUAL(endpoint.port, bytes[len - 2] << 8 | bytes[len - 1]);
            CU_ASSERT_EQUAL(krpc_endpoint_put(guard_copy(&g, out, len), &endpoint), len);
            CU_ASSERT_EQUAL(krpc_endpoint_put(out, &endpoint), len);
            CU_ASSERT_EQUAL(memcmp(out, bytes, len), 0);
        } else {
            CU_ASSERT_EQUAL(memcmp(&endpoint, &before, sizeof before), 0);
        }
    }
    guard_free(&g);
}

static void none_is_nothing(void)
{
    krpc_endpoint none;
    char text[KRPC_ENDPOINT_TEXT];
    uint8_t out[18];

    krpc_endpoint_set(&none, "abcd", 5, 6881);
    CU_ASSERT_EQUAL(none.addr_len, 0);
    CU_ASSERT_EQUAL(none.port, 0);
    CU_ASSERT_EQUAL(krpc_endpoint_put(out, &none), 0);
    CU_ASSERT_STRING_EQUAL(krpc_endpoint_text(text, &none), "");
    CU_ASSERT_STRING_EQUAL(krpc_endpoint_addr_text(text, &none), "");
    CU_ASSERT_EQUAL(krpc_endpoint_scope(&none), KRPC_ADDR_BOGUS);
}

/* What is given, and what RFC 5952 makes of it. */
static void text_is_canonical(void)
{
    static const char *const vectors[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:0DB8::0001", "2001:db8::1"},
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:DB8:AAAA:bbbb:cCcC:dddd:eeee:000f", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:f"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"0:1::", "0:1::"},
        {"0:0:1::", "0:0:1::"},
        {"1:0:0:2:0:0:0:0", "1:0:0:2::"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"},
        {"0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"fe80::a:b", "fe80::a:b"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"::ffff:0.0.0.0", "::ffff:0.0.0.0"},
        {"::ff00:c000:201", "::ff00:c000:201"}, /* not quite v4-mapped */
        {"::fe:ffff:c000:201", "::fe:ffff:c000:201"},
        {"::feff:c000:201", "::feff:c000:201"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        krpc_endpoint endpoint = endpoint_of(vectors[i][0], 65535);
        char text[KRPC_ENDPOINT_TEXT], want[KRPC_ENDPOINT_TEXT];

        CU_ASSERT_STRING_EQUAL(krpc_endpoint_addr_text(text, &endpoint), vectors[i][1]);
        snprintf(want, sizeof want, endpoint.addr_len == 16 ? "[%s]:65535" : "%s:65535", vectors[i][1]);
        CU_ASSERT_STRING_EQUAL(krpc_endpoint_text(text, &endpoint), want);
        CU_ASSERT_PTR_EQUAL(krpc_endpoint_text(text, &endpoint), text);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* The system's own conversion agrees, except that it writes ::/96 with dots. */
static void text_is_what_the_system_writes(void)
{
    uint32_t state = 1;

    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[16];
        krpc_endpoint endpoint;
        char text[KRPC_ENDPOINT_TEXT], want[INET6_ADDRSTRLEN];
        uint32_t zeros = next_random(&state);

        for (unsigned j = 0; j < 16; j++) {
            bytes[j] = (uint8_t)((zeros >> (j / 2) & 1) != 0 ? 0 : next_random(&state) >> (j % 3 * 2));
        }
        bytes[0] |= 1;
        krpc_endpoint_set(&endpoint, bytes, 16, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(inet_ntop(AF_INET6, bytes, want, sizeof want));
        if (strcmp(krpc_endpoint_addr_text(text, &endpoint), want) != 0) {
            CU_FAIL_FATAL(want);
        }
    }
}

static void order_is_family_address_port(void)
{
    static const struct {
        const char *addr;
        uint16_t port;
    } sorted[] = {{"1.2.3.4", 1}, {"1.2.3.4", 40000}, {"1.2.3.5", 0}, {"200.0.0.1", 5},
                  {"::1", 1},     {"::1", 2},         {"::2", 0}};
    size_t num = sizeof sorted / sizeof sorted[0];

    for (size_t i = 0; i < num; i++) {
        for (size_t j = 0; j < num; j++) {
            krpc_endpoint a = endpoint_of(sorted[i].addr, sorted[i].port);
            krpc_endpoint b = endpoint_of(sorted[j].addr, sorted[j].port);
            int order = krpc_endpoint_compare(&a, &b);

            CU_ASSERT_EQUAL((order > 0) - (order < 0), (i > j) - (i < j));
            CU_ASSERT_EQUAL(krpc_endpoint_equal(&a, &b), i == j);
            CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a) == 0, i == j);
            CU_ASSERT_EQUAL(krpc_endpoint_same_addr(&a, &b), strcmp(sorted[i].addr, sorted[j].addr) == 0);
        }
    }
}

static void scope_follows_the_registries(void)
{
    static const struct {
        const char *addr;
        krpc_addr_scope scope;
    } vectors[] = {
        {"0.0.0.0", KRPC_ADDR_BOGUS},          {"0.255.255.255", KRPC_ADDR_BOGUS},
        {"1.0.0.0", KRPC_ADDR_GLOBAL},         {"9.255.255.255", KRPC_ADDR_GLOBAL},
        {"10.0.0.0", KRPC_ADDR_PRIVATE},       {"10.255.255.255", KRPC_ADDR_PRIVATE},
        {"11.0.0.0", KRPC_ADDR_GLOBAL},        {"100.63.255.255", KRPC_ADDR_GLOBAL},
        {"100.64.0.0", KRPC_ADDR_CGNAT},       {"100.127.255.255", KRPC_ADDR_CGNAT},
        {"100.128.0.0", KRPC_ADDR_GLOBAL},     {"126.255.255.255", KRPC_ADDR_GLOBAL},
        {"127.0.0.1", KRPC_ADDR_LOOPBACK},     {"128.0.0.0", KRPC_ADDR_GLOBAL},
        {"169.253.255.255", KRPC_ADDR_GLOBAL}, {"169.254.0.1", KRPC_ADDR_LINK_LOCAL},
        {"169.255.0.0", KRPC_ADDR_GLOBAL},     {"172.15.255.255", KRPC_ADDR_GLOBAL},
        {"172.16.0.0", KRPC_ADDR_PRIVATE},     {"172.31.255.255", KRPC_ADDR_PRIVATE},
        {"172.32.0.0", KRPC_ADDR_GLOBAL},      {"192.167.255.255", KRPC_ADDR_GLOBAL},
        {"192.168.0.0", KRPC_ADDR_PRIVATE},    {"192.169.0.0", KRPC_ADDR_GLOBAL},
        {"223.255.255.255", KRPC_ADDR_GLOBAL}, {"224.0.0.1", KRPC_ADDR_BOGUS},
        {"239.192.152.143", KRPC_ADDR_BOGUS},  {"240.0.0.1", KRPC_ADDR_BOGUS},
        {"255.255.255.255", KRPC_ADDR_BOGUS},  {"::", KRPC_ADDR_BOGUS},
        {"::1", KRPC_ADDR_LOOPBACK},           {"::2", KRPC_ADDR_GLOBAL},
        {"::ffff:1.2.3.4", KRPC_ADDR_BOGUS},   {"2001:db8::1", KRPC_ADDR_GLOBAL},
        {"2600::", KRPC_ADDR_GLOBAL},          {"fbff::1", KRPC_ADDR_GLOBAL},
        {"fc00::1", KRPC_ADDR_PRIVATE},        {"fdff:ffff::", KRPC_ADDR_PRIVATE},
        {"fe00::", KRPC_ADDR_GLOBAL},          {"fe80::1", KRPC_ADDR_LINK_LOCAL},
        {"febf::1", KRPC_ADDR_LINK_LOCAL},     {"fec0::1", KRPC_ADDR_PRIVATE},
        {"ff02::1", KRPC_ADDR_BOGUS},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        krpc_endpoint endpoint = endpoint_of(vectors[i].addr, 6881);

        if (krpc_endpoint_scope(&endpoint) != vectors[i].scope) {
            CU_FAIL(vectors[i].addr);
        }
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(compact_form_round_trips),
        UNIT_TEST(none_is_nothing),
        UNIT_TEST(text_is_canonical),
        UNIT_TEST(text_is_what_the_system_writes),
        UNIT_TEST(order_is_family_address_port),
        UNIT_TEST(scope_follows_the_registries),
    };

    return UNIT_RUN("endpoint", tests);
}
