/* table.c: keyed hashing, arrays that grow by chunks, and bounded sets.
 *
 * Keys that strangers choose are not in a growing hash table: a key has a set of eight places, and a new key replaces
 * the least recently used one. An attacker that fills one set evicts its own records, at no extra cost for others.
 *
 * SPDX-License-Identifier: MIT
 */
#include "table.h"
#include "lanes.h"

void hash_key_init(hash_key *out, const uint8_t bytes[16])
{
    static const uint64_t odd[4] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9),
                                    UINT64_C(0x94d049bb133111eb), UINT64_C(0xd6e8feb86659fd93)};
    uint64_t w[2];

    memcpy(w, bytes, sizeof w);
    for (unsigned i = 0; i < 4; i++) {
        out->k[i] = hash_fold(w[i & 1] ^ odd[i], w[~i & 1] ^ odd[(i + 1) & 3]) ^ odd[(i + 2) & 3];
    }
}

uint64_t hash_bytes(const hash_key *key, const void *bytes, size_t len, uint64_t seed)
{
    const uint8_t *p = bytes;
    uint64_t h = seed ^ hash_fold((uint64_t)len ^ key->k[0], key->k[1]);
    uint64_t w[2] = {0, 0};
    size_t left = len;

    for (; left > 16; p += 16, left -= 16) {
        memcpy(w, p, 16);
        h = hash_fold(w[0] ^ key->k[2] ^ h, w[1] ^ key->k[3]);
    }
    if (len >= 8) { /* the last sixteen bytes, or the first eight and the last */
        memcpy(&w[0], len >= 16 ? p + left - 16 : p, 8);
        memcpy(&w[1], p + left - 8, 8);
    } else {
        w[0] = w[1] = 0;
        memcpy(w, p, left);
    }
    return hash_fold(hash_fold(w[0] ^ key->k[2] ^ h, w[1] ^ key->k[3]) ^ key->k[0], h ^ key->k[1]);
}

uint32_t power_of_two(uint32_t at_least)
{
    uint32_t n = 1;

    while (n < at_least && n < UINT32_C(1) << 31) {
        n <<= 1;
    }
    return n;
}

/* Untouched pages from calloc cost nothing, so the memory comes from calloc and is aligned here. The pointer to free is
 * stored before it. */
#define LINE 64

void *table_alloc(uint64_t *memory, size_t num, size_t size)
{
    size_t bytes = num * size;
    uint8_t *raw = g_malloc0(bytes + LINE + sizeof raw);
    uint8_t *table = raw + sizeof raw;

    table += (LINE - (uintptr_t)table % LINE) % LINE;
    memcpy(table - sizeof raw, &raw, sizeof raw);
    *memory += bytes;
    return table;
}

void table_free(void *table)
{
    uint8_t *raw;

    if (table != NULL) {
        memcpy(&raw, (uint8_t *)table - sizeof raw, sizeof raw);
        g_free(raw);
    }
}

/* ---- chunked arrays ---- */

void pool_init(pool *out, uint32_t max, size_t size, uint64_t *memory)
{
    uint32_t num_chunks = (max + POOL_CHUNK - 1) >> POOL_SHIFT;

    out->chunks = table_alloc(memory, num_chunks, sizeof *out->chunks);
    out->max = max;
    out->used = 0;
    out->size = size;
    out->memory = memory;
}

void pool_clear(pool *p)
{
    if (p->chunks != NULL) {
        for (uint32_t i = 0; i < (p->max + POOL_CHUNK - 1) >> POOL_SHIFT; i++) {
            table_free(p->chunks[i]);
        }
        table_free(p->chunks);
    }
}

void pool_grow(pool *p, uint32_t index)
{
    uint32_t chunk = index >> POOL_SHIFT;

    g_assert(index < p->max);
    if (p->chunks[chunk] == NULL) {
        uint32_t left = p->max - (chunk << POOL_SHIFT);

        p->chunks[chunk] = table_alloc(p->memory, MIN(left, POOL_CHUNK), p->size);
    }
    if (index >= p->used) {
        p->used = index + 1;
    }
}

/* ---- sets ---- */

void ways_init(ways *out, uint32_t max, uint64_t *memory)
{
    out->num_sets = power_of_two((max + 7) / 8);
    out->sets = table_alloc(memory, out->num_sets, sizeof *out->sets);
}

void ways_clear(ways *w)
{
    table_free(w->sets);
}

uint32_t ways_find(const ways *w, uint64_t key)
{
    uint32_t set = ways_set(w, key);
    uint32_t found = lanes_8x32(w->sets[set].tag, ways_tag(key));

    return found == 0 ? NONE : set * 8 + lanes_first(found);
}

uint32_t ways_take(ways *w, uint64_t key, uint32_t now, bool *made)
{
    uint32_t slot = ways_find(w, key);

    *made = slot == NONE;
    if (*made) {
        slot = ways_insert(w, key, now);
    }
    w->sets[slot / 8].time[slot % 8] = now;
    return slot;
}

uint32_t ways_insert(ways *w, uint64_t key, uint32_t now)
{
    uint32_t set = ways_set(w, key);
    way_set *s = &w->sets[set];
    uint32_t best = lanes_least(s->time); /* the time of a free place is 0 */

    s->tag[best] = ways_tag(key);
    s->time[best] = now;
    return set * 8 + best;
}
