/* run_private.h: what the files of run.h share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_RUN_PRIVATE_H
#define VALIDATOR_RUN_PRIVATE_H

#include "input/anonymize.h"
#include "input/batch.h"
#include "input/batch_reader.h"
#include "input/clock_shift.h"
#include "input/metrics.h"
#include "input/run.h"

struct run {
    const options *options;
    const run_visitor *visitor;
    output *output;
    batch_reader *reader;
    anonymizer *anonymizer;
    clock_shift *clocks; /* of several captures in one tracker */
    tracker *tracker;
    unsigned num_files;
    unsigned file;         /* the file that is judged */
    tracker *next_tracker; /* of the file that is read */
    bool merged;
    run_counts counts;
    /* the packet that is judged */
    krpc_finding *findings;
    size_t num_findings;
    size_t cap_findings;
    krpc_message anonymous_message;
    strbuf anonymous_bytes;
    uint64_t num_packets; /* of all files */
    metrics metrics;      /* of the files before this one; the findings of all */
    int64_t file_ns;      /* when the time of the output file begins */
    bool has_snapshots;
    unsigned num_shown; /* snapshots on standard output */
    bool shows_progress;
    const tracker_conclusion *conclusion; /* that the visitor is called for */
};

/* run_end_tracker shows the end of a file, or of all with --merge. */
void run_end_tracker(run *r);

/* run_snapshot_show shows what is due after a batch: a snapshot, metrics, the end of an output file. */
void run_snapshot_show(run *r, const batch *b);

/* run_snapshot_name gives the output file the name for a time that begins at time_ns. */
void run_snapshot_name(run *r, int64_t time_ns);

/* run_snapshot_heading writes the line or record before each of several results. */
void run_snapshot_heading(run *r);

/* run_say_clocks says which captures have clocks that differ. */
void run_say_clocks(const run *r);

#endif
