/* test_pipeline.c: batches arrive in their order, whole, and none is lost when no more are wanted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <stdint.h>

#include <glib.h>

#include "input/pipeline.h"

#define PATIENCE 20000 /* ms */

typedef struct ends {
    uint32_t num;    /* batches that there are */
    uint32_t wanted; /* after so many no more are */
    uint32_t live;   /* this one is followed by a pause that lasts until it was judged; UINT32_MAX: none */
    uint32_t filled;
    uint32_t judged;
    uint32_t discarded;
    bool in_order;
    bool foreign;
    bool was_kept; /* the live one was not judged for all that time */
    gint stopped;
    gint seen; /* judged, for the other thread */
} ends;

static bool fill(void *ctx, batch *b)
{
    ends *e = ctx;

    if (e->filled == e->num || g_atomic_int_get(&e->stopped)) {
        return false;
    }
    if (e->live != UINT32_MAX && e->filled == e->live + 1) {
        for (int i = 0; i < PATIENCE && (uint32_t)g_atomic_int_get(&e->seen) != e->filled; i++) {
            g_usleep(1000);
        }
        e->was_kept = (uint32_t)g_atomic_int_get(&e->seen) != e->filled;
    }
    batch_reset(b);
    b->file = e->filled++;
    b->is_live = b->file == e->live;
    return true;
}

static bool judge(void *ctx, batch *b)
{
    ends *e = ctx;

    e->in_order &= b->file == e->judged;
    e->foreign = b->is_foreign;
    e->judged++;
    g_atomic_int_inc(&e->seen);
    return e->judged != e->wanted;
}

static void stop(void *ctx)
{
    ends *e = ctx;

    g_atomic_int_set(&e->stopped, 1);
}

static void discard(void *ctx, const batch *b)
{
    ends *e = ctx;

    e->in_order &= b->file == e->judged + e->discarded;
    e->discarded++;
}

static ends relayed(uint32_t num, uint32_t wanted, uint32_t live, bool two)
{
    ends e = {.num = num, .wanted = wanted, .live = live, .in_order = true};
    const pipeline_stages r = {fill, judge, stop, discard, &e};

    pipeline_run(&r, two);
    return e;
}

static void all_arrive(void)
{
    for (uint32_t num = 0; num < 40; num++) {
        for (int two = 0; two < 2; two++) {
            ends e = relayed(num, UINT32_MAX, UINT32_MAX, two);

            CU_ASSERT_EQUAL(e.filled, num);
            CU_ASSERT_EQUAL(e.judged, num);
            CU_ASSERT_EQUAL(e.discarded, 0);
            CU_ASSERT(e.in_order);
            CU_ASSERT(num == 0 || e.foreign == two);
        }
    }
}

static void none_is_lost(void)
{
    for (uint32_t wanted = 1; wanted < 12; wanted++) {
        for (int two = 0; two < 2; two++) {
            ends e = relayed(1000, wanted, UINT32_MAX, two);

            CU_ASSERT_EQUAL(e.judged, wanted);
            CU_ASSERT_EQUAL(e.filled, e.judged + e.discarded);
            CU_ASSERT(e.in_order);
            CU_ASSERT_EQUAL(e.stopped, two);
            CU_ASSERT(e.filled < 1000);
        }
    }
}

/* What follows is filled only when the live one was judged. */
static void a_live_one_is_not_kept_waiting(void)
{
    for (uint32_t live = 0; live < 5; live++) {
        ends e = relayed(10, UINT32_MAX, live, true);

        CU_ASSERT_EQUAL(e.judged, 10);
        CU_ASSERT(e.in_order);
        CU_ASSERT(!e.was_kept);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(all_arrive),
        UNIT_TEST(none_is_lost),
        UNIT_TEST(a_live_one_is_not_kept_waiting),
    };

    return UNIT_RUN("relay", tests);
}
