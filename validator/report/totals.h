/* totals.h: what check counts over all files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_TOTALS_H
#define VALIDATOR_TOTALS_H

#include <glib.h>

#include "input/run.h"
#include "report/advert_groups.h"

#define TOTALS_FRAMES     6
#define TOTALS_CLIENTS    8
#define TOTALS_NODE_TEXTS 3
#define TOTALS_VERSIONS   512 /* a power of two */

typedef struct totals_frame {
    unsigned file;
    uint32_t frame;
} totals_frame;

/* totals_client is a program and its version; len is 0 if its messages have no v. */
typedef struct totals_client {
    uint8_t version[4];
    uint8_t len;
    bool used;
    uint64_t count;
} totals_client;

typedef struct totals_rule {
    uint64_t count;
    unsigned num_frames;
    totals_frame frames[TOTALS_FRAMES];
    bool more_frames;               /* there are more frames than these */
    char example[RUN_FINDING_TEXT]; /* the text of the first one */
    unsigned num_clients;
    totals_client clients[TOTALS_CLIENTS];
    uint64_t other_clients;
} totals_rule;

typedef struct totals {
    totals_rule *rules[KRPC_NUM_RULES]; /* NULL: no finding */
    uint64_t findings[KRPC_SEVERITY_ERROR + 1];
    run_counts counts;
    tracker_stats stats;
    uint64_t adverts[KRPC_NUM_CHANNELS][TRACKER_NUM_VERDICTS];
    uint64_t later[TRACKER_NUM_LATER];
    uint64_t num_nodes;
    uint64_t num_natted;
    uint64_t nat_port[TRACKER_NUM_PORT];
    uint64_t nat_mapping[TRACKER_NUM_MAPPING];
    int64_t duration_ns; /* of all files */
    unsigned num_files;
    totals_client messages[TOTALS_VERSIONS]; /* by the sender's v; an open hash table */
    uint64_t other_messages;
    strbuf node_texts; /* stories of the first hosts, see host_text.h */
    uint64_t advert_groups_dropped;
    advert_groups *groups;
} totals;

void totals_init(totals *sum);
void totals_free(totals *sum);
void totals_begin(totals *sum);
void totals_message(totals *sum, const run_packet *packet, const krpc_message *message);
void totals_finding(totals *sum, const run *from, const run_packet *packet, const krpc_message *message,
                    const krpc_finding *finding);
/* totals_conclusion counts a finding whose packet is gone (run_visitor). */
void totals_conclusion(totals *sum, const run *from, const run_packet *packet, const krpc_finding *finding);
void totals_advert(totals *sum, const tracker_advert *advert);
void totals_end(totals *sum, const run *from);

/* totals_dropped is how many records the tracker dropped because of its bounds; 0: the result is exact. */
uint64_t totals_dropped(const totals *sum);

/* totals_order fills out with the rules that have findings, most severe and most frequent first, and returns their
 * number. */
unsigned totals_order(const totals *sum, krpc_rule out[KRPC_NUM_RULES]);

/* totals_clients fills out with the clients, those with most messages first, and returns their number. All versions
 * with one name are one client. */
unsigned totals_clients(const totals *sum, totals_client out[TOTALS_VERSIONS]);

#endif
