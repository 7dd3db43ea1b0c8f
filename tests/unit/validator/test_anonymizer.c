/* test_anonymizer.c: addresses and ids under another name: one to one, with the prefixes that they shared, and what is
 * private stays so; and what is left of a payload that is no message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <glib.h>

#include "input/anonymize.h"

static krpc_endpoint endpoint_of(const char *text, uint16_t port)
{
    uint8_t addr[16];
    krpc_endpoint out;
    bool is_ipv6 = inet_pton(AF_INET6, text, addr) == 1;

    if (!is_ipv6) {
        CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET, text, addr), 1);
    }
    krpc_endpoint_set(&out, addr, is_ipv6 ? 16 : 4, port);
    return out;
}

static krpc_endpoint mapped(anonymizer *by, const krpc_endpoint *from)
{
    tracker_packet p = {.frame = 7, .time_ns = 8, .src = *from, .dst = *from};

    anonymize_packet(by, &p);
    CU_ASSERT_TRUE(krpc_endpoint_equal(&p.src, &p.dst));
    CU_ASSERT_TRUE(p.frame == 7 && p.time_ns == 8);
    CU_ASSERT_EQUAL(p.src.port, from->port);
    CU_ASSERT_EQUAL(p.src.addr_len, from->addr_len);
    return p.src;
}

static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned num_bits)
{
    unsigned bit = 0;

    while (bit < num_bits && ((a[bit / 8] ^ b[bit / 8]) >> (7 - bit % 8) & 1) == 0) {
        bit++;
    }
    return bit;
}

static void random_endpoint(krpc_endpoint *out, unsigned len)
{
    uint8_t addr[16];

    for (unsigned i = 0; i < len; i++) {
        addr[i] = (uint8_t)(rand() >> 8);
    }
    krpc_endpoint_set(out, addr, len, (uint16_t)rand());
}

static void prefixes_stay_common(void)
{
    static const unsigned lens[] = {4, 16};

    srand(1);
    for (unsigned k = 0; k < 2; k++) {
        anonymizer *by = anonymizer_new("key");
        anonymizer *other = anonymizer_new("another key");
        unsigned same = 0;

        for (unsigned n = 0; n < 2000; n++) {
            krpc_endpoint a, b, c, d;
            unsigned bit = (unsigned)rand() % (lens[k] * 8);

            random_endpoint(&a, lens[k]);
            a.addr[0] = (uint8_t)(k == 0 ? 64 + n % 32 : 0x20 | n % 32); /* an ordinary one */
            b = a;
            b.addr[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            c = mapped(by, &a);
            d = mapped(by, &b);
            if (bit >= 3) {
                CU_ASSERT_EQUAL(common_bits(c.addr, d.addr, lens[k] * 8), bit);
            }
            d = mapped(by, &a);
            CU_ASSERT_TRUE(krpc_endpoint_equal(&c, &d)); /* and always the same */
            d = mapped(other, &a);
            same += krpc_endpoint_equal(&c, &d) || krpc_endpoint_equal(&c, &a);
        }
        CU_ASSERT_EQUAL(same, 0);
        anonymizer_free(by);
        anonymizer_free(other);
    }
}

/* Into the same special network as before, and nothing else comes there. */
static void special_networks_stay(void)
{
    static const struct {
        const char *network;
        unsigned len;
    } rows[] = {{"10.0.0.0", 8},     {"100.64.0.0", 10}, {"169.254.0.0", 16}, {"172.16.0.0", 12},
                {"192.168.0.0", 16}, {"fc00::", 7},      {"fe80::", 10},      {"2000::", 3}};
    anonymizer *by = anonymizer_new("key");
    unsigned moved = 0;

    srand(2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        krpc_endpoint network = endpoint_of(rows[i].network, 0);

        for (unsigned n = 0; n < 1000; n++) {
            krpc_endpoint a, b;

            random_endpoint(&a, network.addr_len);
            for (unsigned bit = 0; bit < rows[i].len && n % 2 == 0; bit++) {
                uint8_t mask = (uint8_t)(0x80 >> bit % 8);
                a.addr[bit / 8] = (uint8_t)((a.addr[bit / 8] & ~mask) | (network.addr[bit / 8] & mask));
            }
            b = mapped(by, &a);
            CU_ASSERT_EQUAL(common_bits(a.addr, network.addr, rows[i].len) == rows[i].len,
                            common_bits(b.addr, network.addr, rows[i].len) == rows[i].len);
            moved += !krpc_endpoint_equal(&a, &b);
        }
    }
    CU_ASSERT(moved > 7000);
    anonymizer_free(by);
}

/* And nothing more than the network: with one key or another each bit behind it is turned. */
static void only_the_network_stays(void)
{
    static const struct {
        const char *addr;
        unsigned from;
    } rows[] = {{"10.11.12.13", 8}, {"192.168.1.2", 16}, {"172.20.1.2", 12},
                {"fe80::1", 10},    {"2a02:ff80::1", 3}, {"fd00::9", 7}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        krpc_endpoint a = endpoint_of(rows[i].addr, 0);
        uint8_t turned[16] = {0};

        for (int k = 0; k < 64; k++) {
            char key[] = {'k', (char)('0' + k), 0};
            anonymizer *by = anonymizer_new(key);
            krpc_endpoint b = mapped(by, &a);

            for (unsigned n = 0; n < a.addr_len; n++) {
                turned[n] |= (uint8_t)(a.addr[n] ^ b.addr[n]);
            }
            anonymizer_free(by);
        }
        for (unsigned bit = 0; bit < a.addr_len * 8u; bit++) {
            CU_ASSERT_EQUAL(turned[bit / 8] >> (7 - bit % 8) & 1, bit >= rows[i].from);
        }
    }
}

static void nobody_s_addresses_stay(void)
{
    static const char *const rows[] = {"0.0.0.0",         "0.1.2.3",   "127.0.0.1",       "127.9.9.9", "224.0.0.251",
                                       "239.192.152.143", "240.0.0.1", "255.255.255.255", "::",        "::1",
                                       "ff02::1",         "ff05::1:3", "::ffff:127.0.0.1"};
    static const char *const others[] = {"1.0.0.1", "126.1.1.1", "128.1.1.1", "223.1.1.1",
                                         "::2",     "::100",     "fe80::1",   "2001:db8::1"};
    anonymizer *by = anonymizer_new("key");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        krpc_endpoint a = endpoint_of(rows[i], 5);
        krpc_endpoint b = mapped(by, &a);

        CU_ASSERT_TRUE(krpc_endpoint_equal(&a, &b));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        krpc_endpoint a = endpoint_of(others[i], 5);
        krpc_endpoint b = mapped(by, &a);

        CU_ASSERT_FALSE(krpc_endpoint_equal(&a, &b));
    }
    anonymizer_free(by);
}

/* An IPv4 address that is written as an IPv6 one is the same host. */
static void the_same_host_in_both_families(void)
{
    anonymizer *by = anonymizer_new("key");
    krpc_endpoint v4 = endpoint_of("81.2.69.142", 5);
    krpc_endpoint v6 = endpoint_of("::ffff:81.2.69.142", 5);
    krpc_endpoint a = mapped(by, &v4);
    krpc_endpoint b = mapped(by, &v6);

    CU_ASSERT_EQUAL(memcmp(b.addr, v6.addr, 12), 0);
    CU_ASSERT_EQUAL(memcmp(b.addr + 12, a.addr, 4), 0);
    anonymizer_free(by);
}

/* What is kept of earlier answers is bounded, and makes no difference. */
static void however_many_there_are(void)
{
    enum { NUM = 80000, STEP = 8000 };
    anonymizer *by = anonymizer_new("key");
    krpc_endpoint first[NUM / STEP];

    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < NUM; i++) {
            uint8_t addr[4] = {81, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
            krpc_endpoint a, b;

            if (round == 1 && i % STEP != 0) {
                continue;
            }
            krpc_endpoint_set(&a, addr, 4, 1);
            b = mapped(by, &a);
            CU_ASSERT_FALSE(krpc_endpoint_equal(&a, &b));
            if (i % STEP == 0 && round == 0) {
                first[i / STEP] = b;
            } else if (i % STEP == 0) {
                CU_ASSERT_TRUE(krpc_endpoint_equal(&b, &first[i / STEP]));
            }
        }
    }
    anonymizer_free(by);
}

/* ---- the payload of other packets ---- */

#define HANDSHAKE                                                                                                      \
    "\x13"                                                                                                             \
    "BitTorrent protocol"                                                                                              \
    "\1\2\3\4\5\6\7\x08"
#define PORT "\0\0\0\3\x09\x1a\xe1"

static void what_is_left_of_other_payloads(void)
{
    static const struct {
        const char *bytes;
        uint32_t len;
        const char *left; /* NULL: nothing */
    } rows[] = {
        {"", 0, ""},
        {"secret", 6, NULL},
        {HANDSHAKE, 28, HANDSHAKE},
        {HANDSHAKE "secret", 34, HANDSHAKE "\0\0\0\0\0\0"},
        {"ab" HANDSHAKE, 30, "\0\0" HANDSHAKE},
        {HANDSHAKE, 27, NULL}, /* cut off */
        {PORT, 7, PORT},
        {"ab" PORT "c", 10, "\0\0" PORT "\0"},
        {PORT PORT, 14, PORT PORT},
        {PORT, 6, NULL},
        {"\0\0\0\3\x08\x1a\xe1", 7, NULL},
        {"\x01\0ab"
         "cdefghijklmnopq"
         "\x7f"
         "secret",
         26,
         "\x01\0ab"
         "cdefghijklmnopq"
         "\x7f"
         "\0\0\0\0\0\0"}, /* uTP */
        {"\x41\0ab"
         "cdefghijklmnopq"
         "\x7f",
         20,
         "\x41\0ab"
         "cdefghijklmnopq"
         "\x7f"},
        {"\x41\0ab"
         "cdefghijklmnopq"
         "\x7f",
         19, NULL},
        {"\x51\0ab"
         "cdefghijklmnopq"
         "\x7f",
         20, NULL}, /* no such type */
        {"\x42\0ab"
         "cdefghijklmnopq"
         "\x7f",
         20, NULL}, /* nor version */
    };
    anonymizer *by = anonymizer_new("key");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t data[64];
        uint8_t nothing[64] = {0};

        memcpy(data, rows[i].bytes, rows[i].len);
        anonymize_other(by, data, rows[i].len);
        CU_ASSERT_EQUAL(memcmp(data, rows[i].left != NULL ? (const uint8_t *)rows[i].left : nothing, rows[i].len), 0);
    }
    anonymizer_free(by);
}

/* An endpoint that a node has more than once is replaced by the same one everywhere. */
static void endpoints_of_a_node(void)
{
    anonymizer *by = anonymizer_new("key");
    const krpc_endpoint outside = endpoint_of("203.0.113.9", 6882);
    tracker_node node = {.endpoint = outside};

    node.nat.num_kept = 1;
    node.nat.external[0].endpoint = outside;
    node.reach.num_open = 1;
    node.reach.open[0].endpoint = outside;
    anonymize_node(by, &node);
    CU_ASSERT_FALSE(krpc_endpoint_same_addr(&node.endpoint, &outside));
    CU_ASSERT_TRUE(krpc_endpoint_equal(&node.endpoint, &node.nat.external[0].endpoint));
    CU_ASSERT_TRUE(krpc_endpoint_equal(&node.endpoint, &node.reach.open[0].endpoint));
    anonymizer_free(by);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(endpoints_of_a_node),     UNIT_TEST(prefixes_stay_common),
        UNIT_TEST(special_networks_stay),   UNIT_TEST(only_the_network_stays),
        UNIT_TEST(nobody_s_addresses_stay), UNIT_TEST(the_same_host_in_both_families),
        UNIT_TEST(however_many_there_are),  UNIT_TEST(what_is_left_of_other_payloads),
    };

    return UNIT_RUN("anonymizer", tests);
}
