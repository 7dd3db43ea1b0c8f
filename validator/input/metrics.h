/* metrics.h: --metrics, a file for Prometheus's node exporter (its textfile collector).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_METRICS_H
#define VALIDATOR_METRICS_H

#include <stdbool.h>

#include "input/run.h"

/* metrics is what is counted over all files of a run. */
typedef struct metrics {
    run_counts counts;
    uint64_t findings[KRPC_NUM_RULES];
    uint64_t queries[KRPC_NUM_METHODS];
    uint64_t responses;
    uint64_t errors;
    uint64_t matched;
    uint64_t unanswered;
    uint64_t adverts[KRPC_NUM_CHANNELS];
    uint64_t dropped_nodes;
    uint64_t dropped_transactions;
    uint64_t dropped_facts;
    uint64_t dropped_adverts;
    uint64_t dropped_streams;
    uint64_t dropped_items;
    uint64_t port[TRACKER_NUM_PORT]; /* nodes */
    uint64_t mapping[TRACKER_NUM_MAPPING];
    uint64_t filtering[TRACKER_NUM_FILTERING];
    uint64_t reach[TRACKER_NUM_REACH];
    uint64_t memory;
} metrics;

/* metrics_add adds what a tracker and the packets that it was given come to. */
void metrics_add(metrics *to, tracker *from, const run_counts *counts);

/* metrics_write writes the file, under another name first. False: it cannot be written, which was said. */
bool metrics_write(const metrics *of, const char *path);

#endif
