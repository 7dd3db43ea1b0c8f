/* test_bloom.c: the bloom filter that BEP 33 publishes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/bep44.h>
#include <krpc/bloom.h>

#include "unit.h"

/* 192.0.2.0 to 192.0.2.255 and 2001:DB8:: to 2001:DB8::3E7. */
static const char published[] = "F6C3F5EAA07FFD91BDE89F777F26FB2BFF37BDB8FB2BBAA2FD3DDDE7BACFFF75EE7CCBAE"
                                "FE5EEDB1FBFAFF67F6ABFF5E43DDBCA3FD9B9FFDF4FFD3E9DFF12D1BDF59DB53DBE9FA5B"
                                "7FF3B8FDFCDE1AFB8BEDD7BE2F3EE71EBBBFE93BCDEEFE148246C2BC5DBFF7E7EFDCF24F"
                                "D8DC7ADFFD8FFFDFDDFFF7A4BBEEDF5CB95CE81FC7FCFF1FF4FFFFDFE5F7FDCBB7FD79B3"
                                "FA1FC77BFE07FFF905B7B7FFC7FEFEFFE0B8370BB0CD3F5B7F2BD93FEB4386CFDD6F7FD5"
                                "BFAF2E9EBFFFFEECD67ADBF7C67F17EFD5D75EBA6FFEBA7FFF47A91EB1BFBB53E8ABFB57"
                                "62ABE8FF237279BFEFBFEEF5FFC5FEBFDFE5ADFFADFEE1FB737FFFFBFD9F6AEFFEEE76B6"
                                "FD8F72EF";

static void published_filter(uint8_t out[KRPC_BLOOM_LEN])
{
    CU_ASSERT_EQUAL_FATAL(strlen(published), 2 * KRPC_BLOOM_LEN);
    for (size_t i = 0; i < KRPC_BLOOM_LEN; i++) {
        unsigned byte;

        CU_ASSERT_EQUAL_FATAL(sscanf(published + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
}

static void estimates_the_published_filter(void)
{
    uint8_t filter[KRPC_BLOOM_LEN];
    guard g;

    published_filter(filter);
    guard_init(&g, KRPC_BLOOM_LEN);
    CU_ASSERT_EQUAL(krpc_bloom_zeros(guard_copy(&g, filter, sizeof filter)), 619);
    CU_ASSERT_DOUBLE_EQUAL(krpc_bloom_estimate(619), 1224.93089, 0.000005);
    guard_free(&g);
}

static void estimates_at_the_ends(void)
{
    double before = krpc_bloom_estimate(0);

    CU_ASSERT_DOUBLE_EQUAL(krpc_bloom_estimate(2048), 0.5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(krpc_bloom_estimate(2047), 0.5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(krpc_bloom_estimate(4000000000u), 0.5, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(before, 7805.70, 0.01);
    for (unsigned zeros = 1; zeros < 2048; zeros++) {
        double estimate = krpc_bloom_estimate(zeros);

        CU_ASSERT(estimate <= before && estimate > 0);
        before = estimate;
    }
}

static void zeros_counts_each_bit(void)
{
    uint8_t filter[KRPC_BLOOM_LEN] = {0};

    for (unsigned bit = 0; bit < KRPC_BLOOM_BITS; bit++) {
        CU_ASSERT_EQUAL(krpc_bloom_zeros(filter), KRPC_BLOOM_BITS - bit);
        filter[bit / 8] = (uint8_t)(filter[bit / 8] | 1 << bit % 8);
    }
    CU_ASSERT_EQUAL(krpc_bloom_zeros(filter), 0);
}

/* The digest's first bytes alone count: indices 0x6af and 0x727, above 2047 only their low 11 bits. */
static void two_bits_of_a_digest(void)
{
    uint8_t digest[20] = {0xaf, 0x06, 0x27, 0xff};
    uint8_t filter[KRPC_BLOOM_LEN] = {0};
    guard g;

    guard_init(&g, KRPC_BLOOM_LEN);
    CU_ASSERT_FALSE(krpc_bloom_has(filter, digest));
    krpc_bloom_add(filter, digest);
    CU_ASSERT_EQUAL(krpc_bloom_zeros(filter), KRPC_BLOOM_BITS - 2);
    CU_ASSERT_EQUAL(filter[1711 / 8], 1 << 1711 % 8);
    CU_ASSERT_EQUAL(filter[1831 / 8], 1 << 1831 % 8);
    CU_ASSERT_TRUE(krpc_bloom_has(filter, guard_copy(&g, digest, 20)));
    digest[2] ^= 1;
    CU_ASSERT_FALSE(krpc_bloom_has(filter, digest));
    memset(digest, 0xff, 4);
    krpc_bloom_add(guard_copy(&g, filter, sizeof filter), digest);
    guard_free(&g);
}

static void sha1(uint8_t out[20], const uint8_t *bytes, size_t len)
{
    CU_ASSERT_TRUE_FATAL(krpc_bep44_immutable_target(out, bytes, len));
}

/* SHA-1 comes with libgcrypt. */
static void members_of_the_published_filter(void)
{
    static const uint8_t extra[4] = {192, 168, 1, 1};
    uint8_t filter[KRPC_BLOOM_LEN], built[KRPC_BLOOM_LEN] = {0};
    uint8_t digest[20];

    if (!krpc_bep44_available()) {
        return;
    }
    published_filter(filter);
    for (unsigned i = 0; i < 256; i++) {
        uint8_t addr[4] = {192, 0, 2, (uint8_t)i};

        sha1(digest, addr, sizeof addr);
        CU_ASSERT_TRUE(krpc_bloom_has(filter, digest));
        krpc_bloom_add(built, digest);
    }
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t addr[16] = {0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i};

        sha1(digest, addr, sizeof addr);
        CU_ASSERT_TRUE(krpc_bloom_has(filter, digest));
        krpc_bloom_add(built, digest);
    }
    CU_ASSERT_EQUAL(memcmp(built, filter, sizeof filter), 0);

    memset(built, 0, sizeof built);
    sha1(digest, extra, sizeof extra);
    krpc_bloom_add(built, digest);
    CU_ASSERT_EQUAL(built[1711 / 8], 1 << 1711 % 8);
    CU_ASSERT_EQUAL(built[1831 / 8], 1 << 1831 % 8);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(estimates_the_published_filter),  UNIT_TEST(estimates_at_the_ends),
        UNIT_TEST(zeros_counts_each_bit),           UNIT_TEST(two_bits_of_a_digest),
        UNIT_TEST(members_of_the_published_filter),
    };

    return UNIT_RUN("bloom", tests);
}
