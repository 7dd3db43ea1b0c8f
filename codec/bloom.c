/* bloom.c: the bloom filters of BEP 33.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/bloom.h>

#include <math.h>
#include <string.h>

static unsigned count_ones(uint64_t bits)
{
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(bits * UINT64_C(0x0101010101010101) >> 56);
}

unsigned krpc_bloom_zeros(const uint8_t filter[KRPC_BLOOM_LEN])
{
    unsigned ones = 0;

    for (size_t i = 0; i < KRPC_BLOOM_LEN; i += 8) {
        uint64_t bits;

        memcpy(&bits, filter + i, sizeof bits);
        ones += count_ones(bits);
    }
    return KRPC_BLOOM_BITS - ones;
}

double krpc_bloom_estimate(unsigned zeros)
{
    const double m = KRPC_BLOOM_BITS;
    unsigned c = zeros < 1 ? 1 : zeros > KRPC_BLOOM_BITS - 1 ? KRPC_BLOOM_BITS - 1 : zeros;

    return log(c / m) / (2 * log(1 - 1 / m));
}

static unsigned bit_index(const uint8_t *two)
{
    return ((unsigned)two[0] | (unsigned)two[1] << 8) % KRPC_BLOOM_BITS;
}

static bool is_set(const uint8_t *filter, unsigned index)
{
    return (filter[index / 8] >> index % 8 & 1) != 0;
}

bool krpc_bloom_has(const uint8_t filter[KRPC_BLOOM_LEN], const uint8_t sha1[20])
{
    return is_set(filter, bit_index(sha1)) && is_set(filter, bit_index(sha1 + 2));
}

static void set(uint8_t *filter, unsigned index)
{
    filter[index / 8] = (uint8_t)(filter[index / 8] | 1u << index % 8);
}

void krpc_bloom_add(uint8_t filter[KRPC_BLOOM_LEN], const uint8_t sha1[20])
{
    set(filter, bit_index(sha1));
    set(filter, bit_index(sha1 + 2));
}
