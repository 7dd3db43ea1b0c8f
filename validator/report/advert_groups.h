/* advert_groups.h: equal advertisements grouped, for the tables.
 *
 * One entry: this host advertised this port on this channel, with this verdict. The number of entries is bounded;
 * advertisements without room are counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_ADVERT_GROUPS_H
#define VALIDATOR_ADVERT_GROUPS_H

#include <tracker/tracker.h>

#define ADVERT_GROUP_FRAMES 4

typedef struct advert_group {
    krpc_endpoint host;     /* address, and the DHT port; port 0 if that is unknown */
    krpc_endpoint observed; /* the endpoint on which others last reported the host */
    krpc_endpoint receiver; /* of the first advertisement */
    int32_t advertised_port;
    uint8_t channel;
    uint8_t service;
    uint8_t verdict;
    uint8_t later;
    uint8_t implied_port;
    uint8_t version_len;
    uint8_t version[4];
    bool has_node_id;
    uint8_t node_id[20]; /* of the first advertisement that has one */
    uint32_t count;
    uint32_t num_frames;
    uint32_t frames[ADVERT_GROUP_FRAMES];
    uint32_t proof_frame; /* of the first advertisement whose verdict a frame settled; 0: none */
    uint32_t later_frame;
} advert_group;

typedef struct advert_groups advert_groups;

advert_groups *advert_groups_new(void);
void advert_groups_free(advert_groups *groups);
void advert_groups_add(advert_groups *groups, const tracker_advert *advert);

/* advert_groups_sort sorts the entries by host, channel and port, and returns their number. */
unsigned advert_groups_sort(advert_groups *groups);
const advert_group *advert_groups_get(const advert_groups *groups, unsigned index);
/* advert_groups_find returns the index of a host's first entry, after advert_groups_sort; the host's other entries
 * follow. Without an entry it returns the number of entries. */
unsigned advert_groups_find(const advert_groups *groups, const krpc_endpoint *host);
/* advert_groups_dropped returns the number of advertisements that had no room. */
uint64_t advert_groups_dropped(const advert_groups *groups);

#endif
