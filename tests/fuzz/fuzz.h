/* fuzz.h: what the fuzz targets share. A target asserts laws; where one does not hold it says which, and aborts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_FUZZ_H
#define KRPC_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LAW(holds, what)                                                                                               \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            fprintf(stderr, "%s:%d: broken: %s (%s)\n", __FILE__, __LINE__, what, #holds);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* fuzz_copy gives the bytes in memory of their own, with `behind` bytes of `fill` after them that must not matter. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size, size_t behind, uint8_t fill)
{
    uint8_t *copy = (uint8_t *)malloc(size + behind > 0 ? size + behind : 1);

    LAW(copy != NULL, "memory");
    if (size > 0) {
        memcpy(copy, data, size);
    }
    if (behind > 0) {
        memset(copy + size, fill, behind);
    }
    return copy;
}

/* fuzz_steps is how far apart the prefixes are that are tried: every one of a short input, some of a long one, and not
 * the same ones for each length. */
static inline size_t fuzz_steps(size_t size)
{
    return size / 24 + 1;
}

/* fuzz_mix adds a number to a running hash. */
static inline uint64_t fuzz_mix(uint64_t hash, uint64_t num)
{
    hash ^= num + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    return hash * UINT64_C(0xff51afd7ed558ccd);
}

#endif
