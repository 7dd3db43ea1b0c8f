/* tally.h: what check counts, over all files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_TALLY_H
#define VALIDATOR_TALLY_H

#include <glib.h>

#include "input/run.h"
#include "report/advert_groups.h"

#define TALLY_FRAMES   6
#define TALLY_CLIENTS  8
#define TALLY_STORIES  3
#define TALLY_VERSIONS 512 /* a power of two */

typedef struct tally_frame {
    unsigned file;
    uint32_t frame;
} tally_frame;

/* tally_client is a program by its version; len 0 for one that does not say. */
typedef struct tally_client {
    uint8_t version[4];
    uint8_t len;
    bool used;
    uint64_t count;
} tally_client;

typedef struct tally_rule {
    uint64_t count;
    unsigned num_frames;
    tally_frame frames[TALLY_FRAMES];
    bool more_frames;               /* than these */
    char example[RUN_FINDING_TEXT]; /* the text of the first one */
    unsigned num_clients;
    tally_client clients[TALLY_CLIENTS];
    uint64_t other_clients;
} tally_rule;

typedef struct tally {
    tally_rule *rules[KRPC_NUM_RULES]; /* NULL where there was no finding */
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
    tally_client messages[TALLY_VERSIONS]; /* by the version of their sender; an open hash table */
    uint64_t other_messages;
    text stories; /* of the first nodes behind a NAT */
    uint64_t ledger_dropped;
    ledger *book;
} tally;

void tally_init(tally *sum);
void tally_free(tally *sum);
void tally_begin(tally *sum);
void tally_message(tally *sum, const run_packet *packet, const krpc_message *message);
void tally_finding(tally *sum, const run *from, const run_packet *packet, const krpc_message *message,
                   const krpc_finding *finding);
void tally_advert(tally *sum, const tracker_advert *advert);
void tally_end(tally *sum, const run *from);

/* tally_order fills out with the rules that were found, the worst and most frequent first, and returns how many. */
unsigned tally_order(const tally *sum, krpc_rule out[KRPC_NUM_RULES]);

/* tally_clients fills out with the clients, those with most messages first, and returns how many there are: one a name,
 * whatever its versions. */
unsigned tally_clients(const tally *sum, tally_client out[TALLY_VERSIONS]);

#endif
