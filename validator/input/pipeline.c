/* pipeline.c: see pipeline.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/pipeline.h"

#include <glib.h>

#define BATCH      256 /* packets; large enough that each step keeps its code in the cache */
#define CRATE      2   /* batches handed over at once; more leave the cache before the other thread reads them */
#define NUM_CRATES 4

typedef struct pipeline_slot {
    batch *batches[CRATE];
    unsigned num; /* number of filled batches */
    bool is_last;
} pipeline_slot;

typedef struct pipeline {
    const pipeline_stages *ends;
    GAsyncQueue *empty;
    GAsyncQueue *full;
} pipeline;

static void run_alone(const pipeline_stages *ends)
{
    batch *b = batch_new(BATCH);

    while (ends->fill(ends->ctx, b) && ends->judge(ends->ctx, b))
        ;
    batch_free(b);
}

static pipeline_slot *crate_new(void)
{
    pipeline_slot *c = g_new0(pipeline_slot, 1);

    for (unsigned i = 0; i < CRATE; i++) {
        c->batches[i] = batch_new(BATCH);
        c->batches[i]->is_foreign = true;
    }
    return c;
}

static void crate_free(pipeline_slot *c)
{
    for (unsigned i = 0; i < CRATE; i++) {
        batch_free(c->batches[i]);
    }
    g_free(c);
}

/* A live capture hands over each packet when it arrives. */
static void fill_crate(const pipeline_stages *ends, pipeline_slot *c)
{
    bool is_live = false;

    for (c->num = 0; c->num < CRATE && !c->is_last && !is_live;) {
        batch *b = c->batches[c->num];
        c->is_last = !ends->fill(ends->ctx, b);
        if (!c->is_last) {
            is_live = b->is_live;
            c->num++;
        }
    }
}

static gpointer batch_reader_main(gpointer data)
{
    pipeline *r = data;
    bool is_last;

    do {
        pipeline_slot *c = g_async_queue_pop(r->empty);
        fill_crate(r->ends, c);
        is_last = c->is_last;
        g_async_queue_push(r->full, c);
    } while (!is_last);
    return NULL;
}

static void judge_all(pipeline *r)
{
    const pipeline_stages *ends = r->ends;
    bool going = true;
    bool is_last;

    do {
        pipeline_slot *c = g_async_queue_pop(r->full);
        for (unsigned i = 0; i < c->num; i++) {
            if (going) {
                going = ends->judge(ends->ctx, c->batches[i]);
                if (!going) {
                    ends->stop(ends->ctx);
                }
            } else {
                ends->discard(ends->ctx, c->batches[i]);
            }
        }
        is_last = c->is_last;
        g_async_queue_push(r->empty, c);
    } while (!is_last);
}

static void run_two(const pipeline_stages *ends)
{
    pipeline r = {ends, g_async_queue_new(), g_async_queue_new()};

    for (unsigned i = 0; i < NUM_CRATES; i++) {
        g_async_queue_push(r.empty, crate_new());
    }
    GThread *reader = g_thread_new("reader", batch_reader_main, &r);
    judge_all(&r);
    g_thread_join(reader);
    for (pipeline_slot *c; (c = g_async_queue_try_pop(r.empty)) != NULL;) {
        crate_free(c);
    }
    g_async_queue_unref(r.empty);
    g_async_queue_unref(r.full);
}

void pipeline_run(const pipeline_stages *ends, bool two_threads)
{
    if (two_threads) {
        run_two(ends);
    } else {
        run_alone(ends);
    }
}
