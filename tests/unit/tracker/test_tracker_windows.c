/* test_tracker_windows.c: each time limit at its edge: exactly at the limit, and a nanosecond later.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define A     "192.0.2.1:6881"
#define B     "198.51.100.2:7000"
#define C     "203.0.113.9:7000"
#define L     "192.168.1.2:6881"
#define R1    "198.51.100.1:7001"
#define R2    "198.52.100.2:7002"
#define R3    "192.0.2.3:7003"
#define R4    "198.54.100.4:7004"
#define X     "203.0.113.9:40001"
#define NAMED "203.0.113.9:6881"
#define OUT1  "203.0.113.9:40001"
#define OUT2  "203.0.113.9:40002"
#define OUT3  "203.0.113.9:40003"

/* The clock stops unless it is set: packets come at given times since the start. */
static void scene_at_zero(scene *s)
{
    scene_begin(s);
    s->step = 0;
}

static void at(scene *s, int64_t ns)
{
    s->now = INT64_C(1700000000) * SECONDS + ns;
}

/* Each test runs at the edge itself and just beyond it. */
#define FOR_EDGE(late) for (unsigned late = 0; late < 2; late++)

/* ---- queries and replies ---- */

static void an_answer_within_15_seconds_is_in_time(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING);
        at(&s, 15 * SECONDS + late);
        SAY(&s, B, A, .id = 'b');
        CU_ASSERT_EQUAL(s.result.request_frame, 1);
        CU_ASSERT_EQUAL(s.result.rtt_ns, 15 * SECONDS + late);
        CU_ASSERT_EQUAL(FOUND(&s, KRPC_LATE_RESPONSE), late);
        CU_ASSERT_EQUAL(stats_of(&s).unanswered, late);
        scene_end(&s);
        scene_at_zero(&s);
        SAY(&s, A, B, PING);
        at(&s, 15 * SECONDS + late);
        SAY(&s, B, C, PING, .id = 'b');
        CU_ASSERT_EQUAL(stats_of(&s).unanswered, late); /* until then a response may still come */
        scene_end(&s);
    }
}

static void after_a_minute_an_answer_is_nobodys(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING);
        at(&s, 60 * SECONDS + late);
        SAY(&s, B, A, .id = 'b');
        CU_ASSERT_EQUAL(s.result.request_frame, late ? 0 : 1);
        CU_ASSERT_EQUAL(s.result.asked.port, late ? 0 : 7000);
        CU_ASSERT_EQUAL(FOUND(&s, KRPC_LATE_RESPONSE), !late);
        CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), late);
        scene_end(&s);
    }
}

static void after_15_seconds_the_same_query_is_a_new_one(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING);
        at(&s, 15 * SECONDS + late);
        SAY(&s, A, B, PING);
        CU_ASSERT_EQUAL(s.result.repeats, late ? 0 : 1);
        CU_ASSERT_EQUAL(FOUND(&s, KRPC_RETRANSMISSION), !late);
        SAY(&s, B, A, .id = 'b');
        CU_ASSERT_EQUAL(s.result.request_frame, late ? 2 : 1);
        scene_end(&s);
    }
}

static void from_elsewhere_an_answer_comes_within_15_seconds(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING);
        at(&s, 15 * SECONDS + late);
        SAY(&s, C, A, .id = 'c');
        CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), !late);
        CU_ASSERT_EQUAL(s.result.request_frame, late ? 0 : 1);
        scene_end(&s);
        scene_at_zero(&s); /* two queries with one id: is the older one still waiting? */
        SAY(&s, A, B, PING);
        at(&s, 15 * SECONDS + late);
        SAY(&s, A, R1, PING);
        SAY(&s, C, A, .id = 'c');
        CU_ASSERT_EQUAL(s.result.request_frame, late ? 2 : 0);
        scene_end(&s);
    }
}

static void the_first_15_seconds_have_no_strays(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING);
        at(&s, 15 * SECONDS + late);
        SAY(&s, B, A, .t = "zz", .id = 'b');
        CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), late);
        scene_end(&s);
    }
}

/* For a minute after queries were dropped for lack of memory, it is unknown what a response answers. */
static void a_minute_after_a_drop_there_are_strays_again(void)
{
    FOR_EDGE(late)
    {
        tracker_options options;
        scene s;
        char t[5];

        memset(&options, 0, sizeof options);
        options.max_transactions = 64;
        scene_begin_with(&s, &options);
        s.step = 0;
        SAY(&s, A, B, PING, .t = "0000");
        at(&s, 100 * SECONDS);
        for (int i = 1; i < 200; i++) {
            snprintf(t, sizeof t, "%04d", i);
            SAY(&s, A, B, PING, .t = t);
        }
        CU_ASSERT(stats_of(&s).dropped_transactions >= 199 - 64);
        at(&s, 160 * SECONDS + late);
        SAY(&s, B, A, .t = "zzzz", .id = 'b');
        CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), late);
        scene_end(&s);
    }
}

/* ---- ids ---- */

static void after_15_minutes_another_id_is_another_host(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING, .id = 'a', .t = "t1");
        at(&s, 900 * SECONDS + late);
        SAY(&s, A, B, PING, .id = 'b', .t = "t2");
        CU_ASSERT_EQUAL(FOUND(&s, ID_CHANGED), !late);
        scene_end(&s);
        scene_at_zero(&s);
        SAY(&s, A, B, PING, .id = 'a', .t = "t1");
        at(&s, 900 * SECONDS + late);
        SAY(&s, C, B, PING, .id = 'a', .t = "t1");
        SAY(&s, A, B, PING, .id = 'a', .t = "t2");
        CU_ASSERT_EQUAL(FOUND(&s, ID_SHARED), !late);
        scene_end(&s);
    }
}

static void eight_ids_in_15_minutes_are_many(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, A, B, PING, .id = 'a', .t = "t1");
        at(&s, 900 * SECONDS + late);
        for (char id = 'b'; id <= 'h'; id++) {
            SAY(&s, A, B, PING, .id = id, .t = "t1");
        }
        CU_ASSERT_EQUAL(FOUND(&s, ID_MANY_ON_PORT), !late);
        scene_end(&s);
    }
}

/* ---- advertisements ---- */

static void contact_is_followed_within_30_seconds(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, X, R1, .method = KRPC_METHOD_CONTACT, .port = 6881);
        at(&s, 30 * SECONDS + late);
        SAY(&s, R1, NAMED, PING, .t = "bb");
        CU_ASSERT_EQUAL(FOUND(&s, PORT_HONOURED), !late);
        scene_end(&s);
    }
}

static void what_follows_follows_within_15_minutes(void)
{
    static const char *const asked[] = {NAMED, X};
    static const tracker_later later[] = {TRACKER_LATER_HONOURED, TRACKER_LATER_NOT_HONOURED};

    FOR_EDGE(late)
    {
        for (int i = 0; i < 2; i++) {
            scene s;

            scene_at_zero(&s);
            SAY(&s, X, R1, PING, .p = 6881);
            at(&s, 900 * SECONDS + late);
            SAY(&s, R1, asked[i], PING, .t = "bb");
            expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, late ? TRACKER_LATER_UNKNOWN : later[i]);
            CU_ASSERT_EQUAL(advert_of(&s, 0).later_ns, late ? 0 : 900 * SECONDS);
            scene_end(&s);
        }
    }
}

/* An advertisement that is replaced after that time does not count as dropped. */
static void an_old_advertisement_is_not_dropped(void)
{
    FOR_EDGE(old)
    {
        tracker_options options;
        scene s;
        char t[5];

        memset(&options, 0, sizeof options);
        options.max_adverts = 16;
        scene_begin_with(&s, &options);
        s.step = 0;
        for (int i = 0; i < 17; i++) {
            at(&s, i == 16 ? 900 * SECONDS - 1 + old : 0);
            snprintf(t, sizeof t, "%04d", i);
            SAY(&s, X, R1, ANNOUNCE, .target = "h", .token = "t", .port = 1000 + i, .t = t);
            CU_ASSERT_EQUAL(s.num_done, i == 16);
        }
        CU_ASSERT_EQUAL(stats_of(&s).dropped_adverts, !old);
        scene_end(&s);
    }
}

static void silence_for_15_seconds_is_death(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, X, R1, PING, .p = 6881);
        at(&s, SECONDS);
        SAY(&s, R2, NAMED, PING, .t = "bb");
        at(&s, 16 * SECONDS + late);
        SAY(&s, R1, R2, PING, .t = "cc");
        expect_verdict(&s, 0, TRACKER_VERDICT_MISMATCH, late ? TRACKER_LATER_DEAD : TRACKER_LATER_UNKNOWN);
        if (late) {
            CU_ASSERT_EQUAL(advert_of(&s, 0).later_frame, 2);
            CU_ASSERT_EQUAL(advert_of(&s, 0).later_ns, SECONDS);
        }
        scene_end(&s);
    }
}

/* ---- tokens ---- */

/* Their age is counted in whole seconds. */
static void a_token_may_be_refused_for_its_age(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, OUT1, R1, GET_PEERS, .target = "h", .id = 'q');
        SAY(&s, R1, OUT1, .id = 'r', .token = "secret", .nodes = "203.0.113.77:1000");
        at(&s, (300 + late) * SECONDS);
        SAY(&s, OUT2, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "secret", .port = 6881, .t = "ab");
        SAY(&s, R1, OUT2, .error = 203, .t = "ab");
        CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), !late);
        scene_end(&s);
    }
}

/* A remote sees the node where it saw it a minute ago. */
static void what_was_seen_holds_for_a_minute(void)
{
    FOR_EDGE(late)
    {
        scene s;

        scene_at_zero(&s);
        SAY(&s, L, R1, GET_PEERS, .target = "h", .id = 'q');
        SAY(&s, R1, L, .id = 'r', .token = "secret", .nodes = "203.0.113.77:1000", .ip = OUT1);
        at(&s, SECONDS);
        ping_seen(&s, L, R1, OUT2);
        at(&s, 61 * SECONDS + late);
        SAY(&s, L, R1, ANNOUNCE, .target = "h", .id = 'q', .token = "secret", .port = 6881, .t = "ab");
        SAY(&s, R1, L, .error = 203, .t = "ab");
        CU_ASSERT_EQUAL(FOUND(&s, NAT_TOKEN), !late);
        if (!late) {
            CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).a, 40001);
            CU_ASSERT_EQUAL(LAST(&s, NAT_TOKEN).b, 40002);
        }
        scene_end(&s);
    }
}

/* ---- NATs ---- */

/* In one capture; between captures of different machines, ten seconds. */
static void both_sides_lie_within_200_ms(void)
{
    FOR_EDGE(late)
    {
        for (int back = 0; back < 2; back++) {
            scene s;

            scene_at_zero(&s);
            at(&s, 10 * SECONDS);
            SAY(&s, L, R1, GET_PEERS, .target = "h", .id = 'q');
            at(&s, back ? 9800 * MS - late : 10200 * MS + late);
            say_again(&s, OUT1, R1);
            CU_ASSERT_EQUAL(node_of(&s, L).nat.num_external, !late);
            scene_end(&s);
        }
    }
}

/* ---- filtering ---- */

/* No mapping lives longer than five minutes without a packet. */
static void what_comes_in_counts_after_five_minutes(void)
{
    FOR_EDGE(late)
    {
        static const char *const strangers[] = {R2, R3};
        scene s;

        scene_at_zero(&s);
        SAY(&s, "192.0.2.77:1", L, PING, .t = "b1", .id = 'r'); /* it may have run for long */
        ping_seen(&s, L, R1, OUT1);
        at(&s, 300 * SECONDS - 1 + late);
        for (int i = 0; i < 2; i++) {
            SAY(&s, strangers[i], L, PING, .t = "b2", .id = 'r');
            SAY(&s, L, strangers[i], .t = "b2", .id = 'q');
            s.now = s.now - 2 * s.step;
        }
        CU_ASSERT_EQUAL(node_of(&s, L).nat.filtering, late ? TRACKER_FILTERING_INDEPENDENT : TRACKER_FILTERING_UNKNOWN);
        scene_end(&s);
    }
}

static void a_mapping_is_open_for_30_seconds(void)
{
    FOR_EDGE(late)
    {
        scene s;
        char remote[32];

        scene_at_zero(&s);
        for (int i = 0; i < 3; i++) { /* incoming packets are captured */
            snprintf(remote, sizeof remote, "192.0.%d.1:7000", 10 + i);
            SAY(&s, L, remote, GET_PEERS, .target = "h", .id = 'q');
            say_again(&s, OUT1, remote);
            SAY(&s, remote, OUT1, .id = 'r', .token = "t", .nodes = "192.0.2.99:1000");
            say_again(&s, remote, L);
        }
        at(&s, 30 * SECONDS + late);
        for (int i = 0; i < 5; i++) {
            snprintf(remote, sizeof remote, "198.%d.100.10:7000", 60 + i);
            SAY(&s, remote, OUT1, PING, .id = 'r');
        }
        at(&s, 46 * SECONDS);
        SAY(&s, L, R1, GET_PEERS, .target = "h", .t = "ab", .id = 'q');
        say_again(&s, OUT1, R1);
        CU_ASSERT_EQUAL(node_of(&s, L).nat.filtering, late ? TRACKER_FILTERING_UNKNOWN : TRACKER_FILTERING_DEPENDENT);
        scene_end(&s);
    }
}

static tracker_filtering after_contacts(int contacts, int64_t ns)
{
    tracker_filtering found;
    scene s;
    char remote[32];

    scene_at_zero(&s);
    ping_seen(&s, L, R1, OUT1);
    SAY(&s, R1, L, PING, .t = "ok", .id = 'r');
    SAY(&s, L, R1, .t = "ok", .id = 'q'); /* it answers */
    at(&s, SECONDS);
    for (int i = 0; i < contacts; i++) {
        snprintf(remote, sizeof remote, "198.51.101.%d:7000", 1 + i);
        SAY(&s, L, remote, PING, .id = 'q');
        SAY(&s, L, remote, PING, .id = 'q', .t = "ab"); /* a repetition does not count */
        if (i < 2) {
            SAY(&s, remote, L, .id = 'r', .t = "ab");
        }
        at(&s, 2 * SECONDS);
    }
    at(&s, ns);
    SAY(&s, L, R1, PING, .t = "zz", .id = 'q');
    found = node_of(&s, L).nat.filtering;
    scene_end(&s);
    return found;
}

static void a_hundred_contacts_in_ten_minutes(void)
{
    CU_ASSERT_EQUAL(after_contacts(100, 600 * SECONDS), TRACKER_FILTERING_DEPENDENT);
    CU_ASSERT_EQUAL(after_contacts(100, 600 * SECONDS - 1), TRACKER_FILTERING_UNKNOWN);
    CU_ASSERT_EQUAL(after_contacts(98, 600 * SECONDS), TRACKER_FILTERING_UNKNOWN);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(an_answer_within_15_seconds_is_in_time),
        UNIT_TEST(after_a_minute_an_answer_is_nobodys),
        UNIT_TEST(after_15_seconds_the_same_query_is_a_new_one),
        UNIT_TEST(from_elsewhere_an_answer_comes_within_15_seconds),
        UNIT_TEST(the_first_15_seconds_have_no_strays),
        UNIT_TEST(a_minute_after_a_drop_there_are_strays_again),
        UNIT_TEST(after_15_minutes_another_id_is_another_host),
        UNIT_TEST(eight_ids_in_15_minutes_are_many),
        UNIT_TEST(contact_is_followed_within_30_seconds),
        UNIT_TEST(what_follows_follows_within_15_minutes),
        UNIT_TEST(an_old_advertisement_is_not_dropped),
        UNIT_TEST(silence_for_15_seconds_is_death),
        UNIT_TEST(a_token_may_be_refused_for_its_age),
        UNIT_TEST(what_was_seen_holds_for_a_minute),
        UNIT_TEST(both_sides_lie_within_200_ms),
        UNIT_TEST(what_comes_in_counts_after_five_minutes),
        UNIT_TEST(a_mapping_is_open_for_30_seconds),
        UNIT_TEST(a_hundred_contacts_in_ten_minutes),
    };

    return UNIT_RUN("tracker windows", tests);
}
