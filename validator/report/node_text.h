/* node_text.h: what a node behind a NAT says and where it is, in plain sentences.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_NODE_TEXT_H
#define VALIDATOR_NODE_TEXT_H

#include "input/run.h"
#include "output/strbuf.h"
#include "report/advert_groups.h"

/* node_text_filter leaves out more nodes. */
typedef struct node_text_filter {
    bool (*takes)(void *ctx, const tracker_node *node);
    void *ctx;
} node_text_filter;

/* node_text_put_all writes a paragraph for each node (that which and only, which may be NULL, let through) of which there is something to say: others see
 * it on another endpoint than its own, or on more than one, or what it advertises for its DHT is not where it is seen. It
 * says what the node advertises, where it is seen, what that means for others, and which frames show it. The endpoints of
 * one node behind one outside address are one story. At most max_nodes are written; groups must be sorted. Returns how
 * many there would be. */
uint64_t node_text_put_all(strbuf *out, const run *from, const advert_groups *groups, const selection *which,
                           const node_text_filter *only, uint32_t max_nodes);

#endif
