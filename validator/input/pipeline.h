/* relay.h: batches from one who fills them to one who judges them, who are one thread or two.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_RELAY_H
#define VALIDATOR_RELAY_H

#include "input/batch.h"

/* relay_ends are called with ctx. fill is called in the other thread where there are two, and the rest in the caller's. */
typedef struct relay_ends {
    bool (*fill)(void *ctx, batch *b);          /* false: there are no more */
    bool (*judge)(void *ctx, batch *b);         /* false: no more are wanted */
    void (*stop)(void *ctx);                    /* fill is to return false soon */
    void (*discard)(void *ctx, const batch *b); /* was filled when judge wanted no more */
    void *ctx;
} relay_ends;

/* relay_run returns when fill has said that there are no more, or judge that it wants no more. */
void relay_run(const relay_ends *ends, bool two_threads);

#endif
