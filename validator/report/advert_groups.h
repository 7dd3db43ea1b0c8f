/* advert_groups.h: advertisements of the same thing put together, for tables that people read.
 *
 * One entry is: this host said this port on this channel, with this verdict. Bounded; what did not fit is counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_ADVERT_GROUPS_H
#define VALIDATOR_ADVERT_GROUPS_H

#include <tracker/tracker.h>

#define ADVERT_GROUP_FRAMES 4

typedef struct advert_group {
    krpc_endpoint host;     /* address, and the DHT's port where it is known, else 0 */
    krpc_endpoint observed; /* where others see the host, as far as anybody said; the latest */
    krpc_endpoint receiver; /* who was told first */
    int32_t advertised_port;
    uint8_t channel;
    uint8_t service;
    uint8_t verdict;
    uint8_t later;
    uint8_t implied_port;
    uint8_t version_len;
    uint8_t version[4];
    bool has_node_id;
    uint8_t node_id[20]; /* the first one */
    uint32_t count;
    uint32_t num_frames;
    uint32_t frames[ADVERT_GROUP_FRAMES];
    uint32_t proof_frame; /* of the first one whose verdict a frame settled; 0: none */
    uint32_t later_frame;
} advert_group;

typedef struct advert_groups advert_groups;

advert_groups *advert_groups_new(void);
void advert_groups_free(advert_groups *groups);
void advert_groups_add(advert_groups *groups, const tracker_advert *advert);

/* advert_groups_sort puts the entries in the order of hosts, channels and ports, and returns how many there are. */
unsigned advert_groups_sort(advert_groups *groups);
const advert_group *advert_groups_get(const advert_groups *groups, unsigned index);
/* advert_groups_find gives the first entry of a host, after advert_groups_sort: those of the same host follow it. The number of entries
 * when there is none. */
unsigned advert_groups_find(const advert_groups *groups, const krpc_endpoint *host);
/* advert_groups_dropped counts the advertisements that found no room. */
uint64_t advert_groups_dropped(const advert_groups *groups);

#endif
