/* host_text.h: the story of a host: whether others can reach it and on which port, where they see it, what it
 * advertises, and what to do. reach, nodes, ports, compare and check write it in the same words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_HOST_TEXT_H
#define VALIDATOR_HOST_TEXT_H

#include "input/selection.h"
#include "output/strbuf.h"
#include "report/advert_groups.h"
#include "report/host_claims.h"
#include "report/hosts.h"

/* host_text_length: SHORT has the one line of an advice; LONG also what to do, and what to capture if evidence is
 * missing; WITH_REASONS also what each verdict rests on. */
typedef enum host_text_length { HOST_TEXT_SHORT, HOST_TEXT_LONG, HOST_TEXT_WITH_REASONS } host_text_length;

/* host_text_put writes the story of one host (host_group.node). from may be NULL: frames are those of one file. */
void host_text_put(strbuf *out, const run *from, const tracker_node *node, const host_claims *claims,
                   host_text_length length);

/* host_text_reach is the word of reach about a node in a table: "open 6881", "replies only", or "-". */
void host_text_reach(strbuf *out, const tracker_node *node);

/* host_text_reasons is one sentence about the verdicts on the NAT of a node and what each rests on. False: it says that
 * nothing is known. */
bool host_text_reasons(strbuf *out, const tracker_node *node);

/* host_text_filter selects records; NULL takes all. takes is called once for each record that which selects. A host is
 * selected with one of its records. */
typedef struct host_text_filter {
    const selection *which;
    bool (*takes)(void *ctx, const tracker_node *node);
    void *ctx;
} host_text_filter;

/* host_text_put_natted writes the stories of the selected hosts that need one, at most max_hosts: others see it on
 * another endpoint than its own, or on several; or it advertises a DHT port that is not its own. Hosts of the capture's
 * inside come first. groups must be sorted. Returns the number of hosts that need a story. */
uint64_t host_text_put_natted(strbuf *out, const run *from, const advert_groups *groups, const host_text_filter *only,
                              host_text_length length, uint64_t max_hosts);

/* host_text_put_reach writes the stories of the selected hosts of the capture's inside; if no host is inside, of all
 * selected hosts, at most max_hosts, those with most messages first. */
void host_text_put_reach(strbuf *out, const run *from, const advert_groups *groups, const host_text_filter *only,
                         host_text_length length, uint64_t max_hosts);

/* host_text_visit_reach calls visit with each node record of the hosts that host_text_put_reach would write without a
 * limit, in the order of the records. */
void host_text_visit_reach(const run *from, const host_text_filter *only,
                           void (*visit)(void *ctx, const tracker_node *node), void *ctx);

#endif
