/* pipeline.h: batches from one who fills them to one who judges them, who are one thread or two.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PIPELINE_H
#define VALIDATOR_PIPELINE_H

#include "input/batch.h"

/* pipeline_stages are called with ctx. fill is called in the other thread where there are two, and the rest in the caller's. */
typedef struct pipeline_stages {
    bool (*fill)(void *ctx, batch *b);          /* false: there are no more */
    bool (*judge)(void *ctx, batch *b);         /* false: no more are wanted */
    void (*stop)(void *ctx);                    /* fill is to return false soon */
    void (*discard)(void *ctx, const batch *b); /* was filled when judge wanted no more */
    void *ctx;
} pipeline_stages;

/* pipeline_run returns when fill has said that there are no more, or judge that it wants no more. */
void pipeline_run(const pipeline_stages *ends, bool two_threads);

#endif
