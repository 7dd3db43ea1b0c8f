/* story.h: what a node behind a NAT says and where it is, in plain sentences.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_STORY_H
#define VALIDATOR_STORY_H

#include "input/run.h"
#include "output/strbuf.h"
#include "report/advert_groups.h"

/* story_filter leaves out more nodes. */
typedef struct story_filter {
    bool (*takes)(void *ctx, const tracker_node *node);
    void *ctx;
} story_filter;

/* story_put_all writes a paragraph for each node (that which and only, which may be NULL, let through) of which there is something to say: others see
 * it on another endpoint than its own, or on more than one, or what it advertises for its DHT is not where it is seen. It
 * says what the node advertises, where it is seen, what that means for others, and which frames show it. The endpoints of
 * one node behind one outside address are one story. At most max_stories are written; book must be sorted. Returns how
 * many there would be. */
uint64_t story_put_all(text *out, const run *from, const ledger *book, const selection *which, const story_filter *only,
                       uint32_t max_stories);

#endif
