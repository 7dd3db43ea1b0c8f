/* ledger.h: advertisements of the same thing put together, for tables that people read.
 *
 * One entry is: this host said this port on this channel, with this verdict. Bounded; what did not fit is counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_LEDGER_H
#define VALIDATOR_LEDGER_H

#include <tracker/tracker.h>

#define LEDGER_FRAMES 4

typedef struct ledger_entry {
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
    uint32_t frames[LEDGER_FRAMES];
    uint32_t proof_frame; /* of the first one whose verdict a frame settled; 0: none */
    uint32_t later_frame;
} ledger_entry;

typedef struct ledger ledger;

ledger *ledger_new(void);
void ledger_free(ledger *book);
void ledger_add(ledger *book, const tracker_advert *advert);

/* ledger_sort puts the entries in the order of hosts, channels and ports, and returns how many there are. */
unsigned ledger_sort(ledger *book);
const ledger_entry *ledger_get(const ledger *book, unsigned index);
/* ledger_find gives the first entry of a host, after ledger_sort: those of the same host follow it. The number of entries
 * when there is none. */
unsigned ledger_find(const ledger *book, const krpc_endpoint *host);
/* ledger_dropped counts the advertisements that found no room. */
uint64_t ledger_dropped(const ledger *book);

#endif
