/* test_node_id.c: BEP 42 with its published vectors, and the XOR metric.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/node_id.h>

#include <arpa/inet.h>

#include "unit.h"

static krpc_endpoint endpoint_of(const char *addr)
{
    uint8_t bytes[16];
    krpc_endpoint out;
    int family = strchr(addr, ':') != NULL ? AF_INET6 : AF_INET;

    CU_ASSERT_EQUAL_FATAL(inet_pton(family, addr, bytes), 1);
    krpc_endpoint_set(&out, bytes, family == AF_INET6 ? 16 : 4, 6881);
    return out;
}

static void id_of(uint8_t out[20], const char *hex)
{
    CU_ASSERT_EQUAL_FATAL(strlen(hex), 40);
    for (size_t i = 0; i < 20; i++) {
        unsigned byte;

        CU_ASSERT_EQUAL_FATAL(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
}

/* BEP 42's five, and libtorrent's for IPv6: address, rand, id, CRC32C. */
static const struct {
    const char *addr;
    unsigned rand;
    const char *id;
    uint32_t prefix;
} published[] = {
    {"124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", 0x5fbfbdb2},
    {"21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256", 0x5a3ce9b0},
    {"65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616", 0xa5d4344a},
    {"84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41", 0x1b03217b},
    {"43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a", 0xe56f6972},
    {"2001:b829:2123:be84:e16c:d6ae:5290:49f1", 4, "0a8ad123be84e16cd6ae529049f1f1bbe9ebb304", 0x0a8ad1aa},
};

#define NUM_PUBLISHED (sizeof published / sizeof published[0])

static void published_vectors_are_valid(void)
{
    guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < NUM_PUBLISHED; i++) {
        krpc_endpoint endpoint = endpoint_of(published[i].addr);
        uint8_t id[20];

        id_of(id, published[i].id);
        CU_ASSERT_EQUAL(id[19] & 7, published[i].rand & 7);
        CU_ASSERT_EQUAL(krpc_node_id_prefix(&endpoint, published[i].rand), published[i].prefix);
        CU_ASSERT_EQUAL(krpc_node_id_check(guard_copy(&g, id, 20), &endpoint), KRPC_NODE_ID_VALID);
    }
    guard_free(&g);
}

/* What others hold for valid and invalid: the limits of the 21 bits, and addresses that need not obey. */
static void negative_vectors(void)
{
    static const struct {
        const char *addr;
        const char *id;
        krpc_node_id_verdict verdict;
    } vectors[] = {
        {"124.31.75.21", "5fbfbff10c5d7a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_VALID},
        {"65.23.51.170", "a5d43620bc8f112a3d426c84764f8c2a1150e616", KRPC_NODE_ID_VALID},
        {"84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01fe01", KRPC_NODE_ID_VALID},
        {"10.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a", KRPC_NODE_ID_EXEMPT},
        {"192.168.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a", KRPC_NODE_ID_EXEMPT},
        {"21.75.31.124", "5a3ce1c14e7a08645677bbd1cfe7d8f956d53256", KRPC_NODE_ID_INVALID},
        {"43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51303e", KRPC_NODE_ID_INVALID},
        {"12.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a", KRPC_NODE_ID_INVALID},
        {"124.31.75.22", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_INVALID},
        {"100.64.0.1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"127.0.0.1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"169.254.7.7", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"172.16.7.7", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"::1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"fd00::1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"fe80::1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", KRPC_NODE_ID_EXEMPT},
        {"2001:b829:2123:be84::1", "0a8ad123be84e16cd6ae529049f1f1bbe9ebb305", KRPC_NODE_ID_INVALID},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        krpc_endpoint endpoint = endpoint_of(vectors[i].addr);
        uint8_t id[20];

        id_of(id, vectors[i].id);
        if (krpc_node_id_check(id, &endpoint) != vectors[i].verdict) {
            CU_FAIL(vectors[i].addr);
        }
    }
}

/* Exactly the first 21 bits and the last 3 count. */
static void every_bit(void)
{
    for (size_t i = 0; i < NUM_PUBLISHED; i++) {
        krpc_endpoint endpoint = endpoint_of(published[i].addr);

        for (unsigned bit = 0; bit < KRPC_NODE_ID_BITS; bit++) {
            bool counts = bit < 21 || bit >= 157;
            uint8_t id[20];

            id_of(id, published[i].id);
            id[bit / 8] = (uint8_t)(id[bit / 8] ^ 0x80 >> bit % 8);
            CU_ASSERT_EQUAL(krpc_node_id_check(id, &endpoint), counts ? KRPC_NODE_ID_INVALID : KRPC_NODE_ID_VALID);
        }
    }
}

static uint32_t slow_crc32c(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
        }
    }
    return ~crc;
}

static void prefix_is_the_crc_of_the_masked_address(void)
{
    static const uint8_t mask4[4] = {0x03, 0x0f, 0x3f, 0xff};
    static const uint8_t mask6[8] = {0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
    uint32_t state = 7;

    CU_ASSERT_EQUAL(slow_crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
    for (int i = 0; i < 100000; i++) {
        size_t len = i % 2 == 0 ? 4 : 8;
        const uint8_t *mask = len == 4 ? mask4 : mask6;
        krpc_endpoint endpoint;
        uint8_t addr[16], masked[8];

        for (size_t j = 0; j < 16; j++) {
            state = state * 1664525u + 1013904223u;
            addr[j] = (uint8_t)(state >> 24);
        }
        krpc_endpoint_set(&endpoint, addr, len == 4 ? 4 : 16, 1);
        for (size_t j = 0; j < len; j++) {
            masked[j] = addr[j] & mask[j];
        }
        masked[0] = (uint8_t)(masked[0] | (state & 7) << 5);
        if (krpc_node_id_prefix(&endpoint, state) != slow_crc32c(masked, len)) {
            CU_FAIL_FATAL("prefix");
        }
    }
}

static void fit_makes_valid_ids(void)
{
    krpc_endpoint none;
    uint8_t id[20], before[20];

    for (unsigned i = 0; i < 256; i++) {
        krpc_endpoint endpoint = endpoint_of(i % 2 == 0 ? "198.51.100.7" : "2001:db8::7");

        memset(id, (int)i, sizeof id);
        CU_ASSERT_TRUE(krpc_node_id_fit(id, &endpoint));
        CU_ASSERT_EQUAL(krpc_node_id_check(id, &endpoint), KRPC_NODE_ID_VALID);
        CU_ASSERT_EQUAL(id[2] & 7, i & 7);
        for (size_t j = 3; j < 20; j++) {
            CU_ASSERT_EQUAL(id[j], i);
        }
    }
    memset(&none, 0, sizeof none);
    memcpy(before, id, sizeof id);
    CU_ASSERT_FALSE(krpc_node_id_fit(id, &none));
    CU_ASSERT_EQUAL(memcmp(id, before, sizeof id), 0);
    CU_ASSERT_EQUAL(krpc_node_id_check(id, &none), KRPC_NODE_ID_EXEMPT);
    CU_ASSERT_EQUAL(krpc_node_id_prefix(&none, 0), 0);
}

static void common_bits_count_from_the_top(void)
{
    uint8_t a[20], b[20];
    guard g;

    guard_init(&g, 64);
    for (unsigned bit = 0; bit < KRPC_NODE_ID_BITS; bit++) {
        memset(a, 0x96, sizeof a);
        memcpy(b, a, sizeof b);
        b[bit / 8] = (uint8_t)(b[bit / 8] ^ 0x80 >> bit % 8);
        b[19] = (uint8_t)(b[19] ^ (bit < 159 ? 1 : 0));
        CU_ASSERT_EQUAL(krpc_node_id_common_bits(a, guard_copy(&g, b, 20)), bit);
        CU_ASSERT_EQUAL(krpc_node_id_common_bits(b, a), bit);
        CU_ASSERT(krpc_node_id_nearer(a, b, a) < 0);
        CU_ASSERT(krpc_node_id_nearer(b, a, a) > 0);
        CU_ASSERT(krpc_node_id_nearer(a, b, b) > 0);
    }
    CU_ASSERT_EQUAL(krpc_node_id_common_bits(a, a), KRPC_NODE_ID_BITS);
    CU_ASSERT_EQUAL(krpc_node_id_nearer(a, a, b), 0);
    guard_free(&g);
}

static void zero_is_zero(void)
{
    uint8_t id[20] = {0};

    CU_ASSERT_TRUE(krpc_node_id_is_zero(id));
    for (size_t i = 0; i < 20; i++) {
        id[i] = 1;
        CU_ASSERT_FALSE(krpc_node_id_is_zero(id));
        id[i] = 0;
    }
}

static void verdicts_have_names(void)
{
    CU_ASSERT_STRING_EQUAL(krpc_node_id_verdict_name(KRPC_NODE_ID_INVALID), "invalid");
    CU_ASSERT_STRING_EQUAL(krpc_node_id_verdict_name(KRPC_NODE_ID_VALID), "valid");
    CU_ASSERT_STRING_EQUAL(krpc_node_id_verdict_name(KRPC_NODE_ID_EXEMPT), "exempt");
    CU_ASSERT_STRING_EQUAL(krpc_node_id_verdict_name((krpc_node_id_verdict)(KRPC_NODE_ID_EXEMPT + 1)), "?");
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(published_vectors_are_valid),
        UNIT_TEST(negative_vectors),
        UNIT_TEST(every_bit),
        UNIT_TEST(prefix_is_the_crc_of_the_masked_address),
        UNIT_TEST(fit_makes_valid_ids),
        UNIT_TEST(common_bits_count_from_the_top),
        UNIT_TEST(zero_is_zero),
        UNIT_TEST(verdicts_have_names),
    };

    return UNIT_RUN("node_id", tests);
}
