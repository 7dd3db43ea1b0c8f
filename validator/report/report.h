/* check.h: what the reports of check share.
 *
 * A report is told of things as they come, and at the end with everything counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CHECK_H
#define VALIDATOR_CHECK_H

#include "input/run.h"
#include "output/output.h"
#include "report/totals.h"

typedef struct check {
    const options *with;
    const run *run; /* not any more when end is called */
    output *output;
    tally sum;
    bool partial; /* interrupted */
    bool any;     /* a report that writes a list: something is in it */
    unsigned num_unread;
} check;

typedef struct report {
    void (*begin)(check *c);
    void (*message)(check *c, const run_packet *packet, const krpc_message *message, const tracker_result *result);
    void (*finding)(check *c, const run_packet *packet, const krpc_finding *finding);
    void (*end)(check *c);
} report;

extern const report report_text;
extern const report report_each;
extern const report report_ndjson;
extern const report report_sarif;
extern const report report_junit;
extern const report report_html;
extern const report report_eve;

/* report_frames writes in which frames a rule was broken first: "12, 17, ...", or "FILE:12, 17, OTHER:3" where there are
 * several files. */
void report_frames(text *out, const check *c, const tally_rule *rule);

/* report_knows_clients: segments and ICMP errors do not tell a client. */
bool report_knows_clients(const tally_rule *rule);
/* report_clients writes who did it, the most frequent first: "libtorrent 2.0.8 (12), unknown (3)". */
void report_clients(text *out, const tally_rule *rule);

/* report_stories tells the first ones of the nodes that are not where they seem, and how many more there are. */
void report_stories(text *out, const check *c);

#endif
