/* krpc/bloom.h: the bloom filters of a scrape (BEP 33): how many peers, and is one of them in it.
 *
 * A filter (BFpe, BFsd) is 256 bytes, 2048 bits, with two of them set for every address that announced: those that the
 * first two little-endian 16-bit numbers of the SHA-1 of the address's 4 or 16 bytes name.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_BLOOM_H
#define KRPC_BLOOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <krpc/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* KRPC_BLOOM_LEN is the size of a filter in bytes, KRPC_BLOOM_BITS in bits. */
#define KRPC_BLOOM_LEN  256
#define KRPC_BLOOM_BITS 2048

/* krpc_bloom_zeros is the number of bits that are not set, 0 to 2048. */
KRPC_EXPORT unsigned krpc_bloom_zeros(const uint8_t filter[KRPC_BLOOM_LEN]);

/* krpc_bloom_estimate is BEP 33's estimate of the number of addresses in a filter with that many zero bits:
 * log(c / 2048) / (2 log(1 - 1 / 2048)) with c = min(zeros, 2047). So an empty filter counts as 0.5; a full one is
 * taken for one with a single zero, about 7806, and says "that or more". Needs the mathematical library (-lm). */
KRPC_EXPORT double krpc_bloom_estimate(unsigned zeros);

/* krpc_bloom_has says whether the address whose SHA-1 is given can be in the filter: false is certain. */
KRPC_EXPORT bool krpc_bloom_has(const uint8_t filter[KRPC_BLOOM_LEN], const uint8_t sha1[20]);

/* krpc_bloom_add puts the address whose SHA-1 is given into the filter. */
KRPC_EXPORT void krpc_bloom_add(uint8_t filter[KRPC_BLOOM_LEN], const uint8_t sha1[20]);

#ifdef __cplusplus
}
#endif

#endif
