/* table/table.h: keyed hashing, arrays that grow by chunks, and bounded sets.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_TABLE_H
#define TRACKER_TABLE_H

#include <krpc/endpoint.h>

#include <string.h>

#include <glib.h>

#define NONE UINT32_MAX

/* Hashes are keyed, because strangers choose node ids, endpoints and transaction ids. */
typedef struct hash_key {
    uint64_t k[4];
} hash_key;

void hash_key_init(hash_key *out, const uint8_t bytes[16]);

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t mid = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    uint64_t cross = (a & UINT32_MAX) * (b >> 32) + (mid & UINT32_MAX);
    uint64_t high = (a >> 32) * (b >> 32) + (mid >> 32) + (cross >> 32);

    return (low & UINT32_MAX) ^ cross << 32 ^ high;
#endif
}

/* c goes through both multiplications. Through one of them, small differences, such as those between consecutive ports,
 * hardly change the bits that choose a set, and with one key in two hundred such ports share a set. */
static inline uint64_t hash_words(const hash_key *key, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t spread = c * UINT64_C(0x9e3779b97f4a7c15);

    return hash_fold(hash_fold(a ^ key->k[0], b ^ spread ^ key->k[1]) ^ key->k[2], c ^ key->k[3]);
}

/* Of the address only. */
static inline uint64_t hash_addr(const hash_key *key, const krpc_endpoint *endpoint)
{
    uint64_t w[2];

    memcpy(w, endpoint->addr, sizeof w);
    return hash_words(key, w[0], w[1], (uint64_t)endpoint->addr_len << 16);
}

/* Of the address and the port. */
static inline uint64_t hash_endpoint(const hash_key *key, const krpc_endpoint *endpoint)
{
    uint64_t w[2];

    memcpy(w, endpoint->addr, sizeof w);
    return hash_words(key, w[0], w[1], (uint64_t)endpoint->addr_len << 16 | endpoint->port | UINT64_C(1) << 32);
}

uint64_t hash_bytes(const hash_key *key, const void *bytes, size_t len, uint64_t seed);

/* An array of records that are all zero at first. It grows by chunks, so records never move. */
#define POOL_SHIFT 12
#define POOL_CHUNK (UINT32_C(1) << POOL_SHIFT)
typedef struct pool {
    uint8_t **chunks;
    uint32_t max;
    uint32_t used;
    size_t size; /* of a record */
    uint64_t *memory;
} pool;

void pool_init(pool *out, uint32_t max, size_t size, uint64_t *memory);
void pool_clear(pool *pool);
void pool_grow(pool *pool, uint32_t index); /* makes record number index exist */

/* A bounded set of 64-bit keys. The slot of a key is an index of an array of the caller. A key has 8 possible slots (a
 * set); a new key replaces the least recently used one of its set. */
typedef struct way_set {
    uint32_t tag[8];  /* 0: free */
    uint32_t time[8]; /* of the last use, in seconds since the start of the capture */
} way_set;
typedef struct ways {
    way_set *sets;
    uint32_t num_sets; /* a power of two */
} ways;

void ways_init(ways *out, uint32_t max, uint64_t *memory);
void ways_clear(ways *ways);

static inline uint32_t ways_set(const ways *w, uint64_t key)
{
    return (uint32_t)(key >> 32) & (w->num_sets - 1);
}

static inline uint32_t ways_tag(uint64_t key)
{
    return (uint32_t)key | 1;
}

/* A set is one cache line. So are the 8 records of the caller for the set, if a record is at most 8 bytes. */
static inline void ways_fetch(const ways *w, uint64_t key, const void *records, size_t size)
{
    uint32_t set = ways_set(w, key);

    __builtin_prefetch(&w->sets[set], 1);
    __builtin_prefetch((const uint8_t *)records + set * 8 * size, 1);
}

/* ways_find returns the slot of a key, or NONE. ways_insert returns a slot for a key that is not in the set: a free
 * one, else the least recently used one. */
uint32_t ways_find(const ways *ways, uint64_t key);
uint32_t ways_insert(ways *ways, uint64_t key, uint32_t now);
/* ways_take finds or inserts a key, and notes its use. *made: it was inserted. */
uint32_t ways_take(ways *ways, uint64_t key, uint32_t now, bool *made);

/* The smallest power of two that is not less than at_least. */
uint32_t power_of_two(uint32_t at_least);
/* Memory that is all zero and aligned to cache lines. */
void *table_alloc(uint64_t *memory, size_t num, size_t size);
void table_free(void *table);

#endif
