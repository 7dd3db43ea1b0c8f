/* report.h: what the reports of check share.
 *
 * A report is called for each finding and record, and at the end with the totals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_REPORT_H
#define VALIDATOR_REPORT_H

#include "input/run.h"
#include "output/output.h"
#include "report/totals.h"

typedef struct report {
    const options *with;
    const run *run; /* not valid in end */
    output *output;
    totals sum;
    bool partial; /* interrupted */
    bool any;     /* the report's list has an item already */
    unsigned num_unread;
} report;

typedef struct report_format {
    void (*begin)(report *r);
    void (*message)(report *r, const run_packet *packet, const krpc_message *message, const tracker_result *result);
    void (*finding)(report *r, const run_packet *packet, const krpc_finding *finding);
    void (*end)(report *r);
} report_format;

extern const report_format report_text;
extern const report_format report_each;
extern const report_format report_ndjson;
extern const report_format report_sarif;
extern const report_format report_junit;
extern const report_format report_html;
extern const report_format report_eve;

/* report_frames writes the first frames that break a rule: "12, 17, ...", or "FILE:12, 17, OTHER:3" if there are
 * several files. */
void report_frames(strbuf *out, const report *r, const totals_rule *rule);

/* report_knows_clients is false if no sender is known: segments and ICMP errors have no client version. */
bool report_knows_clients(const totals_rule *rule);
/* report_clients writes the senders, most frequent first: "libtorrent 2.0.8 (12), unknown (3)". */
void report_clients(strbuf *out, const totals_rule *rule);

/* report_node_texts writes the stories of the first hosts (host_text.h), and how many more there are. */
void report_node_texts(strbuf *out, const report *r);

#endif
