/* relay.c: see relay.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/pipeline.h"

#include <glib.h>

#define BATCH      256 /* each step keeps its code in the cache for so long */
#define CRATE      2   /* batches that change hands at once: to wake a thread costs as much as a hundred packets */
#define NUM_CRATES 4
#define TRIES      500 /* of a microsecond or less */

typedef struct crate {
    batch *batches[CRATE];
    unsigned num; /* of them that are full */
    bool is_last;
} crate;

typedef struct relay {
    const relay_ends *ends;
    GAsyncQueue *empty;
    GAsyncQueue *full;
} relay;

static void run_alone(const relay_ends *ends)
{
    batch *b = batch_new(BATCH);

    while (ends->fill(ends->ctx, b) && ends->judge(ends->ctx, b))
        ;
    batch_free(b);
}

static crate *crate_new(void)
{
    crate *c = g_new0(crate, 1);

    for (unsigned i = 0; i < CRATE; i++) {
        c->batches[i] = batch_new(BATCH);
        c->batches[i]->is_foreign = true;
    }
    return c;
}

static void crate_free(crate *c)
{
    for (unsigned i = 0; i < CRATE; i++) {
        batch_free(c->batches[i]);
    }
    g_free(c);
}

/* Nobody is kept waiting for a packet that has come. */
static void fill_crate(const relay_ends *ends, crate *c)
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

/* To look a few hundred times costs this thread's time alone; to be woken up costs the other one's. */
static crate *wait_for(GAsyncQueue *queue)
{
    crate *c = g_async_queue_try_pop(queue);

    for (int i = 0; c == NULL && i < TRIES; i++) {
        g_thread_yield();
        c = g_async_queue_try_pop(queue);
    }
    return c != NULL ? c : g_async_queue_pop(queue);
}

static gpointer reader_main(gpointer data)
{
    relay *r = data;
    bool is_last;

    do {
        crate *c = wait_for(r->empty);
        fill_crate(r->ends, c);
        is_last = c->is_last;
        g_async_queue_push(r->full, c);
    } while (!is_last);
    return NULL;
}

static void judge_all(relay *r)
{
    const relay_ends *ends = r->ends;
    bool going = true;
    bool is_last;

    do {
        crate *c = wait_for(r->full);
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

static void run_two(const relay_ends *ends)
{
    relay r = {ends, g_async_queue_new(), g_async_queue_new()};

    for (unsigned i = 0; i < NUM_CRATES; i++) {
        g_async_queue_push(r.empty, crate_new());
    }
    GThread *reader = g_thread_new("reader", reader_main, &r);
    judge_all(&r);
    g_thread_join(reader);
    for (crate *c; (c = g_async_queue_try_pop(r.empty)) != NULL;) {
        crate_free(c);
    }
    g_async_queue_unref(r.empty);
    g_async_queue_unref(r.full);
}

void relay_run(const relay_ends *ends, bool two_threads)
{
    if (two_threads) {
        run_two(ends);
    } else {
        run_alone(ends);
    }
}
