/* batch.h: a number of packets on their way from the captures to the tracker.
 *
 * libwiretap reads the next packet over the last one, so a batch holds copies; and a tracker that knows some packets
 * ahead can bring its records into the cache.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_BATCH_H
#define VALIDATOR_BATCH_H

#include <krpc/message.h>

#include "frame/frame.h"
#include "input/run.h"

/* batch_item is one UDP, TCP or ICMP packet. */
typedef struct batch_item {
    run_packet packet;
    size_t data_at; /* in the bytes of the batch */
    size_t raw_at;
    size_t body_at;     /* in the bodies */
    uint32_t quote_len; /* ICMP: data is what the error quotes */
    krpc_endpoint quote_src;
    krpc_endpoint quote_dst;
    tracker_keys keys; /* of the message */
    uint32_t first_finding;
    uint32_t num_findings;
    bool has_quote;
    bool is_port_unreachable;
    bool maybe_krpc; /* its message is decoded */
} batch_item;

typedef struct batch {
    batch_item *items;
    krpc_message *messages; /* of the items that may be KRPC, at the item's index */
    uint32_t num_items;
    uint32_t cap;
    uint8_t *bytes;
    size_t num_bytes;
    size_t cap_bytes;
    strbuf bodies;
    krpc_finding *findings;
    uint32_t num_findings;
    uint32_t cap_findings;
    tracker *tracker; /* that gets them; set by who reads */
    bool is_foreign;  /* another thread fills it */
    bool ends_file;   /* the last of a tracker's packets */
    bool is_live;     /* the next packet is not there yet */
    unsigned file;
    double progress;   /* of all that is to be read; only where it is shown */
    run_counts counts; /* what happened up to here; of the batch alone */
} batch;

batch *batch_new(uint32_t cap);
void batch_free(batch *b);
void batch_reset(batch *b);

/* batch_is_full: no room for another packet, or enough bytes. */
bool batch_is_full(const batch *b);

/* batch_add takes a datagram; raw_len 0 leaves the frame out. The item is returned for the rest to be filled in. */
batch_item *batch_add(batch *b, const uint8_t *data, uint32_t len, const uint8_t *raw, uint32_t raw_len);

/* batch_decode sets the pointers, decodes all that begins like a dictionary, and works out what the tracker needs. */
void batch_decode(batch *b);

/* batch_write_bodies lets the visitor's body write; after batch_decode. */
void batch_write_bodies(batch *b, const run_visitor *visitor);

/* batch_fetch brings an item that another thread has decoded into the cache: call it with each index in turn, some
 * BATCH_FETCH_AHEAD before the item is needed. */
#define BATCH_FETCH_AHEAD 16
void batch_fetch(const batch *b, uint32_t index);

#endif
