/* hosts.h: the node records of a capture, grouped by host.
 *
 * A record is one endpoint that sent KRPC (tracker_node). A host is the records of one node: they have a node id in
 * common, and an address or, for global ones, a network; or one is seen at an address of the other. Outside a NAT, one
 * node has as many records as outside ports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_HOSTS_H
#define VALIDATOR_HOSTS_H

#include "input/run.h"

typedef struct host_group {
    tracker_node node;       /* one record for all of them */
    const uint32_t *members; /* the numbers of its records, for run_node_get; the first is the lowest */
    uint32_t num_members;
    unsigned flags;
} host_group;

typedef struct hosts hosts;

/* hosts_new groups all records of a run that has ended. flags_of (may be NULL) returns bits for a record; a host has
 * the bits of all its records. */
hosts *hosts_new(const run *from, unsigned (*flags_of)(void *ctx, const tracker_node *node), void *ctx);
void hosts_free(hosts *all);

/* hosts_num is the number of hosts. Hosts with a number below it are in the order of their first record; after
 * hosts_sort, those with most messages come first. */
unsigned hosts_num(const hosts *all);
void hosts_sort(hosts *all);
unsigned hosts_flags(const hosts *all, unsigned index);
void hosts_get(const hosts *all, unsigned index, host_group *out);
/* hosts_members is the members of a host without its record. */
const uint32_t *hosts_members(const hosts *all, unsigned index, uint32_t *num_out);

/* hosts_find returns a number that all endpoints of a host share; UINT32_MAX: the endpoint has no record. */
uint32_t hosts_find(hosts *all, const krpc_endpoint *endpoint);

/* host_join adds what another record of a host shows to one that keeps its endpoint. A known verdict replaces an
 * unknown one. Reachability and the advice come from the record that knows more about it. */
void host_join(tracker_node *node, const tracker_node *other);

#endif
