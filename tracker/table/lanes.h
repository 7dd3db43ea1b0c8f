/* lanes.h: compares all places of a set with a value at once; the result has a bit for each place.
 *
 * The sets of the tracker's tables are cache lines that are searched for every packet. The end of a loop that stops at
 * a match is mispredicted nearly every time, which takes longer than comparing all places at once. Sets are aligned to
 * sixteen bytes. The _plain functions are for processors without SSE2, and for the test.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_LANES_H
#define TRACKER_LANES_H

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline uint32_t lanes_8x16_plain(const uint16_t *set, uint16_t value)
{
    uint32_t found = 0;

    for (unsigned i = 0; i < 8; i++) {
        found |= (uint32_t)(set[i] == value) << i;
    }
    return found;
}

static inline uint32_t lanes_8x32_plain(const uint32_t *set, uint32_t value)
{
    uint32_t found = 0;

    for (unsigned i = 0; i < 8; i++) {
        found |= (uint32_t)(set[i] == value) << i;
    }
    return found;
}

static inline uint32_t lanes_16x32_plain(const uint32_t *set, uint32_t mask, uint32_t value)
{
    uint32_t found = 0;

    for (unsigned i = 0; i < 16; i++) {
        found |= (uint32_t)((set[i] & mask) == value) << i;
    }
    return found;
}

/* lanes_8x16 and lanes_8x32: the places, of eight numbers, that are equal to value. lanes_16x32: the places, of sixteen
 * numbers, that are equal to value in the bits of mask. */
#ifdef __SSE2__
static inline __m128i lanes_equal_32(const uint32_t *four, __m128i mask, __m128i value)
{
    return _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128((const __m128i *)(const void *)four), mask), value);
}

static inline uint32_t lanes_8x16(const uint16_t *set, uint16_t value)
{
    __m128i all = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)set), _mm_set1_epi16((short)value));

    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(all, _mm_setzero_si128()));
}

static inline uint32_t lanes_8x32(const uint32_t *set, uint32_t value)
{
    __m128i mask = _mm_set1_epi32(-1), wanted = _mm_set1_epi32((int)value);
    __m128i all = _mm_packs_epi32(lanes_equal_32(set, mask, wanted), lanes_equal_32(set + 4, mask, wanted));

    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(all, _mm_setzero_si128()));
}

static inline uint32_t lanes_16x32(const uint32_t *set, uint32_t mask, uint32_t value)
{
    __m128i kept = _mm_set1_epi32((int)mask), wanted = _mm_set1_epi32((int)value);
    __m128i low = _mm_packs_epi32(lanes_equal_32(set, kept, wanted), lanes_equal_32(set + 4, kept, wanted));
    __m128i high = _mm_packs_epi32(lanes_equal_32(set + 8, kept, wanted), lanes_equal_32(set + 12, kept, wanted));

    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
}
#else
#define lanes_8x16  lanes_8x16_plain
#define lanes_8x32  lanes_8x32_plain
#define lanes_16x32 lanes_16x32_plain
#endif

/* lanes_first returns the first place in found, which must not be 0. */
static inline uint32_t lanes_first(uint32_t found)
{
#ifdef __GNUC__
    return (uint32_t)__builtin_ctz(found);
#else
    uint32_t n = 0;

    for (; (found & 1) == 0; found >>= 1) {
        n++;
    }
    return n;
#endif
}

/* lanes_least returns the place of the smallest of eight numbers; the first one of several equal ones. */
static inline uint32_t lanes_least(const uint32_t *set)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < 8; i++) {
        uint64_t one = (uint64_t)set[i] << 3 | i;

        least = one < least ? one : least;
    }
    return least & 7;
}

#endif
