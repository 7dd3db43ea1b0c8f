/* pipeline.h: passes batches from the stage that fills them to the stage that judges them, in one thread or two.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PIPELINE_H
#define VALIDATOR_PIPELINE_H

#include "input/batch.h"

/* pipeline_stages are called with ctx. With two threads, fill runs in the second thread and the others in the caller's.
 * */
typedef struct pipeline_stages {
    bool (*fill)(void *ctx, batch *b);          /* false: there are no more batches */
    bool (*judge)(void *ctx, batch *b);         /* false: stop */
    void (*stop)(void *ctx);                    /* makes fill return false soon; any thread */
    void (*discard)(void *ctx, const batch *b); /* for a batch that was filled after judge returned false */
    void *ctx;
} pipeline_stages;

/* pipeline_run returns when fill or judge has returned false. */
void pipeline_run(const pipeline_stages *ends, bool two_threads);

#endif
