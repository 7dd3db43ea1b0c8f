/* test_tracker_table.c: the bounded tables of the tracker: finding, replacing, memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include "lanes.h"
#include "tracker_private.h"

#include "unit.h"

static void rounding_up(void)
{
    static const uint32_t rows[][2] = {{0, 1},
                                       {1, 1},
                                       {2, 2},
                                       {3, 4},
                                       {4, 4},
                                       {5, 8},
                                       {1000, 1024},
                                       {1024, 1024},
                                       {1025, 2048},
                                       {UINT32_C(1) << 31, UINT32_C(1) << 31},
                                       {UINT32_MAX, UINT32_C(1) << 31}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CU_ASSERT_EQUAL(power_of_two(rows[i][0]), rows[i][1]);
    }
}

/* The SSE2 functions find the same as a loop: each place, each pattern of equal values, with any sign. */
static void places_of_a_set(void)
{
    static const uint32_t values[] = {0,       1,          0x7fff,     0x8000,     0xffff,
                                      0x10000, 0x7fffffff, 0x80000000, 0xff000000, UINT32_MAX};
    static const uint32_t masks[] = {UINT32_MAX, 0xff000000, 0x00ffffff};
    _Alignas(16) uint32_t wide[16];
    _Alignas(16) uint16_t narrow[8];

    for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
        for (uint32_t pattern = 0; pattern < 1u << 16; pattern++) {
            for (unsigned i = 0; i < 16; i++) {
                uint32_t other = values[(v + 1 + i) % G_N_ELEMENTS(values)];

                wide[i] = (pattern >> i & 1) != 0 ? values[v] : other;
                narrow[i % 8] = (uint16_t)wide[i];
            }
            if (pattern < 256) {
                CU_ASSERT_EQUAL(lanes_8x16(narrow, (uint16_t)values[v]), lanes_8x16_plain(narrow, (uint16_t)values[v]));
                CU_ASSERT_EQUAL(lanes_8x32(wide, values[v]), lanes_8x32_plain(wide, values[v]));
            }
            for (size_t m = 0; m < G_N_ELEMENTS(masks); m++) {
                uint32_t wanted = values[v] & masks[m];

                if (lanes_16x32(wide, masks[m], wanted) != lanes_16x32_plain(wide, masks[m], wanted) ||
                    (lanes_16x32(wide, UINT32_MAX, values[v]) & pattern) != pattern) {
                    CU_FAIL("a place of sixteen");
                    return;
                }
            }
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        memset(wide, 0, sizeof wide);
        wide[i] = 7;
        CU_ASSERT_EQUAL(lanes_16x32(wide, UINT32_MAX, 7), 1u << i);
        CU_ASSERT_EQUAL(lanes_first(1u << i | 1u << 15), i);
    }
}

static void the_least_of_a_set(void)
{
    static const struct {
        uint32_t set[8];
        uint32_t least;
    } rows[] = {
        {{0}, 0},
        {{5, 4, 3, 2, 1, 2, 3, 4}, 4},
        {{5, 5, 3, 9, 3, 9, 9, 3}, 2},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX - 1}, 7},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, 0},
        {{1, 2, 3, 0, 0, 4, 5, 6}, 3}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        CU_ASSERT_EQUAL(lanes_least(rows[i].set), rows[i].least);
    }
}

/* All zero, counted, and aligned to a cache line. */
static void tables_are_aligned(void)
{
    static const size_t nums[] = {1, 63, 65, (1 << 20) - 1, 3 << 20};

    for (size_t i = 0; i < sizeof nums / sizeof nums[0]; i++) {
        uint64_t memory = 5;
        uint8_t *table = table_alloc(&memory, nums[i], 1);

        CU_ASSERT_EQUAL(memory, 5 + nums[i]);
        CU_ASSERT_EQUAL((uintptr_t)table % 64, 0);
        CU_ASSERT(table[0] == 0 && table[nums[i] - 1] == 0);
        table[nums[i] - 1] = 1;
        table_free(table);
    }
    table_free(NULL);
}

static void pools_grow_by_chunks(void)
{
    uint64_t memory = 0;
    pool p;

    pool_init(&p, POOL_CHUNK + 10, 8, &memory);
    CU_ASSERT_EQUAL(p.used, 0);
    CU_ASSERT_EQUAL(memory, 2 * sizeof(void *));
    memory = 0;
    pool_grow(&p, 3);
    CU_ASSERT_EQUAL(p.used, 4);
    CU_ASSERT_EQUAL(memory, (uint64_t)POOL_CHUNK * 8);
    pool_grow(&p, 1); /* it exists already */
    CU_ASSERT_EQUAL(p.used, 4);
    pool_grow(&p, POOL_CHUNK - 1);
    CU_ASSERT_EQUAL(memory, (uint64_t)POOL_CHUNK * 8);
    CU_ASSERT(p.chunks[1] == NULL);
    pool_grow(&p, POOL_CHUNK + 9); /* the last chunk is not larger than needed */
    CU_ASSERT_EQUAL(p.used, POOL_CHUNK + 10);
    CU_ASSERT_EQUAL(memory, (uint64_t)POOL_CHUNK * 8 + 10 * 8);
    CU_ASSERT(p.chunks[0] != NULL && p.chunks[1] != NULL);
    pool_clear(&p);
}

/* The upper half of a key is the set, the lower half distinguishes keys in the set. */
static uint64_t key_of(uint32_t set, uint32_t number)
{
    return (uint64_t)set << 32 | (2 * number + 1);
}

static void the_longest_unused_gives_way(void)
{
    uint64_t memory = 0;
    ways w;
    bool made;

    ways_init(&w, 32, &memory);
    CU_ASSERT_EQUAL(w.num_sets, 4);
    CU_ASSERT_EQUAL(memory, 4 * sizeof(way_set));
    CU_ASSERT_EQUAL(ways_find(&w, key_of(2, 1)), NONE);
    for (uint32_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(ways_insert(&w, key_of(2, i), 100 + i), 16 + i);
    }
    for (uint32_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(ways_find(&w, key_of(2, i)), 16 + i);
        CU_ASSERT_EQUAL(ways_find(&w, key_of(6, i)), 16 + i); /* four sets, so this is the same */
        CU_ASSERT_EQUAL(ways_find(&w, key_of(3, i)), NONE);
        CU_ASSERT_EQUAL(w.sets[2].time[i], 100 + i);
    }
    CU_ASSERT_EQUAL(ways_take(&w, key_of(2, 0), 200, &made), 16); /* used again */
    CU_ASSERT_FALSE(made);
    CU_ASSERT_EQUAL(w.sets[2].time[0], 200);
    CU_ASSERT_EQUAL(ways_take(&w, key_of(2, 8), 201, &made), 17);
    CU_ASSERT_TRUE(made);
    CU_ASSERT_EQUAL(ways_find(&w, key_of(2, 1)), NONE);
    CU_ASSERT_EQUAL(ways_find(&w, key_of(2, 8)), 17);
    CU_ASSERT_EQUAL(w.sets[2].time[1], 201);
    CU_ASSERT_EQUAL(ways_insert(&w, key_of(2, 9), 202), 18);
    w.sets[2].time[7] = 1;
    CU_ASSERT_EQUAL(ways_insert(&w, key_of(2, 10), 203), 23);
    CU_ASSERT_EQUAL(ways_take(&w, key_of(3, 8), 204, &made), 24); /* the other sets are empty */
    CU_ASSERT_TRUE(made);
    ways_clear(&w);
}

static void sets_for_so_many(void)
{
    static const uint32_t rows[][2] = {{1, 1}, {8, 1}, {9, 2}, {16, 2}, {17, 4}, {1024, 128}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t memory = 0;
        ways w;

        ways_init(&w, rows[i][0], &memory);
        CU_ASSERT_EQUAL(w.num_sets, rows[i][1]);
        ways_clear(&w);
    }
}

/* A hash depends on the key, the seed, the length, and on each byte. */
static void hashes_depend_on_everything(void)
{
    uint8_t bytes[40] = {0};
    uint8_t secret[16] = {7};
    uint64_t seen[200];
    size_t num = 0;
    hash_key key;
    krpc_endpoint e;

    for (int round = 0; round < 2; round++) {
        hash_key_init(&key, secret);
        secret[15] = 1;
        for (size_t len = 0; len <= sizeof bytes; len++) {
            seen[num++] = hash_bytes(&key, bytes, len, 1);
        }
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = 1;
            seen[num++] = hash_bytes(&key, bytes, sizeof bytes, 1);
            bytes[i] = 0;
        }
        seen[num++] = hash_bytes(&key, bytes, sizeof bytes, 2);
        krpc_endpoint_set(&e, bytes, 4, 0);
        seen[num++] = hash_addr(&key, &e);
        seen[num++] = hash_endpoint(&key, &e);
        e.port = 1;
        CU_ASSERT_EQUAL(hash_addr(&key, &e), seen[num - 2]); /* it does not depend on the port */
        seen[num++] = hash_endpoint(&key, &e);
        krpc_endpoint_set(&e, bytes, 16, 0);
        seen[num++] = hash_addr(&key, &e);
        seen[num++] = hash_endpoint(&key, &e);
    }
    for (size_t i = 0; i < num; i++) {
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT_NOT_EQUAL(seen[i], seen[j]);
        }
    }
}

/* For each length: all bytes, and none after the end. */
static void hashes_read_every_byte(void)
{
    static const uint8_t secret[16] = {7};
    uint8_t bytes[100] = {0};
    unsigned equal = 0;
    hash_key key;
    guard g;

    hash_key_init(&key, secret);
    guard_init(&g, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint64_t plain = hash_bytes(&key, guard_copy(&g, bytes, len), len, 1);

        for (size_t i = 0; i < len; i++) {
            bytes[i] = 1;
            equal += hash_bytes(&key, guard_copy(&g, bytes, len), len, 1) == plain;
            bytes[i] = 0;
        }
    }
    CU_ASSERT_EQUAL(equal, 0);
    guard_free(&g);
}

/* The check of an address's first byte accepts all addresses that are not global. */
static void a_quick_look_is_enough(void)
{
    static const uint8_t lens[] = {4, 16};
    unsigned wrong = 0;

    for (size_t family = 0; family < sizeof lens; family++) {
        for (uint32_t i = 0; i < 1u << 16; i++) {
            krpc_endpoint e = {.addr = {(uint8_t)(i >> 8), (uint8_t)i, 0, 1}, .addr_len = lens[family]};

            wrong += addr_is_private(&e) != (krpc_endpoint_scope(&e) != KRPC_ADDR_GLOBAL);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(rounding_up),
        UNIT_TEST(places_of_a_set),
        UNIT_TEST(the_least_of_a_set),
        UNIT_TEST(tables_are_aligned),
        UNIT_TEST(pools_grow_by_chunks),
        UNIT_TEST(the_longest_unused_gives_way),
        UNIT_TEST(sets_for_so_many),
        UNIT_TEST(hashes_depend_on_everything),
        UNIT_TEST(hashes_read_every_byte),
        UNIT_TEST(a_quick_look_is_enough),
    };

    return UNIT_RUN("tracker table", tests);
}
