/* test_tracker_transactions.c: finding the query of a response when many wait and memory is short.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define Q "192.0.2.1:1000"
#define R "198.51.100.1:7001"

static void begin_with_room(scene *s, unsigned key, uint32_t max)
{
    tracker_options o;

    memset(&o, 0, sizeof o);
    o.max_transactions = max;
    test_key_set(&o, key);
    scene_begin_with(s, &o);
}

/* A query goes to a second set where the first is full of waiting ones. Of 28 queries in eight sets of eight, nine or
 * more fall into one set with about seven keys in a hundred, 140 of the two thousand here; that both of their sets are
 * full, or that these are the same one, happens with far fewer. Only those queries are lost, and each of them is
 * counted. */
static void full_sets_spill(void)
{
    unsigned dropped = 0;
    unsigned lost = 0;

    for (unsigned key = 1; key <= 2000; key++) {
        scene s;

        begin_with_room(&s, key, 64);
        for (int i = 0; i < 28; i++) {
            SAY(&s, Q, R, PING, .t = (char[]){'a', (char)('0' + i), 0}, .id = 'q');
        }
        dropped += (unsigned)stats_of(&s).dropped_transactions;
        for (int i = 0; i < 28; i++) {
            SAY(&s, R, Q, .t = (char[]){'a', (char)('0' + i), 0}, .id = 'r');
            lost += s.result.request_frame != (uint32_t)i + 1;
        }
        scene_end(&s);
    }
    CU_ASSERT_EQUAL(dropped, lost);
    CU_ASSERT(dropped <= 70);
}

/* Answered queries are stored only to recognise duplicates: they are replaced before those that wait, also where a
 * waiting one has replaced an answered one, and where a response would be late. */
static void waiting_ones_stay(void)
{
    uint32_t frames[16];
    scene s;

    begin_with_room(&s, 7, 64);
    for (int wave = 0; wave < 2; wave++) {
        s.step = wave == 0 ? 10 * MS : 120 * MS;
        for (int i = 0; i < 16; i++) {
            char t[] = {'w', (char)('0' + wave), (char)('0' + i), 0};

            frames[i] = SAY(&s, Q, R, PING, .t = t, .id = 'q');
        }
        for (int i = 0; i < 200; i++) {
            char t[] = {'x', (char)('0' + wave), (char)('0' + i / 20), (char)('0' + i % 20), 0};

            SAY(&s, Q, R, PING, .t = t, .id = 'q');
            SAY(&s, R, Q, .t = t, .id = 'r');
        }
        for (int i = 0; i < 16; i++) {
            char t[] = {'w', (char)('0' + wave), (char)('0' + i), 0};

            SAY(&s, R, Q, .t = t, .id = 'r');
            CU_ASSERT_EQUAL(s.result.request_frame, frames[i]);
        }
    }
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_LATE_RESPONSE), 16);
    CU_ASSERT_EQUAL(stats_of(&s).dropped_transactions, 0);
    scene_end(&s);
}

/* A hundred queries wait, and all are answered from another address: each response finds its query, like one from the
 * same address. */
static void many_are_answered_from_elsewhere(void)
{
    scene s;

    begin_with_room(&s, 7, 65536); /* 8192 places of four: five in one happen with one key in 10^7 */
    for (int i = 0; i < 100; i++) {
        SAY(&s, Q, R, PING, .t = (char[]){'a', (char)('0' + i), 0}, .id = 'q');
    }
    for (int i = 0; i < 100; i++) {
        SAY(&s, "198.51.100.2:7001", Q, .t = (char[]){'a', (char)('0' + i), 0}, .id = 'r');
        CU_ASSERT_EQUAL(s.result.request_frame, (uint32_t)i + 1);
    }
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), 100);
    scene_end(&s);
}

/* Of those that wait for a response from another address, the oldest are replaced: the newest is always found. */
static void the_newest_is_found_from_elsewhere(void)
{
    scene s;

    begin_with_room(&s, 7, 64);
    s.step = SECONDS;
    for (int i = 0; i < 200; i++) {
        char t[] = {'a', (char)('0' + i / 20), (char)('0' + i % 20), 0};
        uint32_t query = SAY(&s, Q, R, PING, .t = t, .id = 'q');

        SAY(&s, Q, R, PING, .t = "bb", .id = 'q'); /* another query in between */
        SAY(&s, "198.51.100.2:7001", Q, .t = t, .id = 'r');
        CU_ASSERT_EQUAL(s.result.request_frame, query);
    }
    scene_end(&s);
}

/* Two queries in one frame: each response reports where the sender of its own query is seen. */
static void two_queries_of_one_frame(void)
{
    scene s;

    begin_with_room(&s, 7, 4096);
    SAY(&s, Q, R, ANNOUNCE, .target = "h", .token = "t", .port = 6999, .t = "aa", .id = 'q');
    s.frame--;
    SAY(&s, Q, "198.51.100.2:7002", ANNOUNCE, .target = "h", .token = "t", .port = 6999, .t = "ab", .id = 'q');
    SAY(&s, R, Q, .t = "aa", .id = 'r', .ip = Q);
    CU_ASSERT_EQUAL(advert_of(&s, 0).observed_frame, 2);
    CU_ASSERT_EQUAL(advert_of(&s, 1).observed_frame, 0);
    SAY(&s, "198.51.100.2:7002", Q, .t = "ab", .id = 's', .ip = Q);
    CU_ASSERT_EQUAL(advert_of(&s, 0).observed_frame, 2);
    CU_ASSERT_EQUAL(advert_of(&s, 1).observed_frame, 3);
    scene_end(&s);
}

/* A clock that starts at zero, as in captures without a date, works like any other. */
static void times_that_begin_with_zero(void)
{
    scene s;

    begin_with_room(&s, 7, 4096);
    s.now = 0;
    SAY(&s, Q, R, PING, .t = "aa", .id = 'q');
    SAY(&s, R, Q, .t = "aa", .id = 'r');
    CU_ASSERT_EQUAL(s.result.request_frame, 1);
    s.now += 20 * SECONDS;
    SAY(&s, R, Q, .t = "zz", .id = 'r');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), 1);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(full_sets_spill),
        UNIT_TEST(waiting_ones_stay),
        UNIT_TEST(many_are_answered_from_elsewhere),
        UNIT_TEST(the_newest_is_found_from_elsewhere),
        UNIT_TEST(two_queries_of_one_frame),
        UNIT_TEST(times_that_begin_with_zero),
    };

    return UNIT_RUN("tracker transactions", tests);
}
