/* node_text.h: sentences about nodes that others see on another port, or that advertise one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_NODE_TEXT_H
#define VALIDATOR_NODE_TEXT_H

#include "input/run.h"
#include "output/strbuf.h"
#include "report/advert_groups.h"

/* node_text_filter excludes further nodes. */
typedef struct node_text_filter {
    bool (*takes)(void *ctx, const tracker_node *node);
    void *ctx;
} node_text_filter;

/* node_text_put_all writes a paragraph for each node that which and only (may be NULL) select and that needs one:
 * others see it on another endpoint than its own, or on several, or it advertises a DHT port on which it is not seen.
 * The paragraph gives the endpoints, what they mean for others, the advertised ports, and the frames that show it. The
 * endpoints of one node behind one outside address share a paragraph. At most max_nodes are written; groups must be
 * sorted. Returns the number of nodes that need a paragraph. */
uint64_t node_text_put_all(strbuf *out, const run *from, const advert_groups *groups, const selection *which,
                           const node_text_filter *only, uint32_t max_nodes);

#endif
