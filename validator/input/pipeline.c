/* pipeline.c: see pipeline.h.
 *
 * The locks are those of POSIX: ThreadSanitizer does not know GLib's, which call the kernel themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/pipeline.h"

#include <pthread.h>

#include <glib.h>

#define BATCH      256 /* packets; large enough that each step keeps its code in the cache */
#define CRATE      2   /* batches handed over at once; more leave the cache before the other thread reads them */
#define NUM_CRATES 4

typedef struct pipeline_slot {
    batch *batches[CRATE];
    unsigned num; /* number of filled batches */
    bool is_last;
} pipeline_slot;

/* Crates go around in a ring: those from first on are full, num_full of them. */
typedef struct pipeline {
    const pipeline_stages *ends;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pipeline_slot *crates[NUM_CRATES];
    unsigned first;
    unsigned num_full;
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

/* The crate to fill next, when one is empty. */
static pipeline_slot *wait_empty(pipeline *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->num_full == NUM_CRATES) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pipeline_slot *c = r->crates[(r->first + r->num_full) % NUM_CRATES];
    pthread_mutex_unlock(&r->lock);
    return c;
}

static pipeline_slot *wait_full(pipeline *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->num_full == 0) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pipeline_slot *c = r->crates[r->first];
    pthread_mutex_unlock(&r->lock);
    return c;
}

/* The other thread waits only where there was no crate for it before. */
static void hand_over(pipeline *r, bool is_filled)
{
    pthread_mutex_lock(&r->lock);
    bool may_wait = r->num_full == (is_filled ? 0 : NUM_CRATES);
    if (is_filled) {
        r->num_full++;
    } else {
        r->first = (r->first + 1) % NUM_CRATES;
        r->num_full--;
    }
    if (may_wait) {
        pthread_cond_signal(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
}

static gpointer batch_reader_main(gpointer data)
{
    pipeline *r = data;
    bool is_last;

    do {
        pipeline_slot *c = wait_empty(r);
        fill_crate(r->ends, c);
        is_last = c->is_last;
        hand_over(r, true);
    } while (!is_last);
    return NULL;
}

static void judge_all(pipeline *r)
{
    const pipeline_stages *ends = r->ends;
    bool going = true;
    bool is_last;

    do {
        pipeline_slot *c = wait_full(r);
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
        hand_over(r, false);
    } while (!is_last);
}

static void run_two(const pipeline_stages *ends)
{
    pipeline r = {.ends = ends, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

    for (unsigned i = 0; i < NUM_CRATES; i++) {
        r.crates[i] = crate_new();
    }
    GThread *reader = g_thread_new("reader", batch_reader_main, &r);
    judge_all(&r);
    g_thread_join(reader);
    for (unsigned i = 0; i < NUM_CRATES; i++) {
        crate_free(r.crates[i]);
    }
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.lock);
}

void pipeline_run(const pipeline_stages *ends, bool two_threads)
{
    if (two_threads) {
        run_two(ends);
    } else {
        run_alone(ends);
    }
}
