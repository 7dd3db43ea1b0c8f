/* batch.h: a number of packets on their way from the captures to the tracker.
 *
 * A batch holds the blocks of the capture that its packets are in, or copies where the next packet is read over the
 * last one. A tracker that knows some packets ahead can bring its records into the cache.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_BATCH_H
#define VALIDATOR_BATCH_H

#include <krpc/message.h>

#include <glib.h>

#include "frame/frame.h"
#include "input/capture.h"
#include "input/run.h"

/* batch_item is one UDP, TCP or ICMP packet. */
typedef struct batch_item {
    run_packet packet;
    size_t data_at; /* is_copied: in the bytes of the batch */
    size_t raw_at;
    size_t body_at;     /* offset in the bodies */
    uint32_t quote_len; /* ICMP: the length of the quoted payload, which is the data */
    krpc_endpoint quote_src;
    krpc_endpoint quote_dst;
    tracker_keys keys; /* of the message */
    uint32_t first_finding;
    uint32_t num_findings;
    bool has_quote;
    bool is_port_unreachable;
    bool is_copied;  /* else packet.data is in one of the blocks */
    bool maybe_krpc; /* its message is decoded */
} batch_item;

typedef struct batch {
    batch_item *items;
    krpc_message *messages; /* of the items that may be KRPC, by the item's index */
    uint32_t num_items;
    uint32_t cap;
    GPtrArray *blocks; /* of captures, referenced */
    uint8_t *bytes;
    size_t num_bytes;
    size_t cap_bytes;
    strbuf bodies;
    krpc_finding *findings;
    uint32_t num_findings;
    uint32_t cap_findings;
    tracker *tracker; /* the tracker for these packets, set by the reader */
    bool is_foreign;  /* another thread fills it */
    bool ends_file;   /* the last packets of a tracker */
    bool is_live;     /* the next packet has not arrived yet */
    bool is_due;      /* a snapshot after its packets */
    bool is_due_file; /* a new output file after its packets */
    int64_t file_ns;  /* when the time of the output file begins; INT64_MIN: unknown */
    unsigned file;
    double progress;   /* part of all input, if progress is shown */
    run_counts counts; /* of this batch only */
} batch;

batch *batch_new(uint32_t cap);
void batch_free(batch *b);
void batch_reset(batch *b);

/* batch_is_full is true if there is no room for another packet, or enough bytes are in the batch. */
bool batch_is_full(const batch *b);

/* batch_add adds a datagram whose bytes are in block, or are copied where that is NULL; raw_len 0 leaves the frame out.
 * The item is returned for the rest to be filled in. */
batch_item *batch_add(batch *b, const uint8_t *data, uint32_t len, const uint8_t *raw, uint32_t raw_len,
                      capture_block *block);

/* batch_decode sets the pointers, decodes all payloads that begin like a dictionary, and computes the tracker's keys.
 * Messages are checked only where their findings are wanted. */
void batch_decode(batch *b, bool wants_findings);

/* batch_write_bodies calls the visitor's body for each message, after batch_decode. */
void batch_write_bodies(batch *b, const run_visitor *visitor);

/* batch_fetch prefetches an item that another thread has decoded: call it with each index in turn, about
 * BATCH_FETCH_AHEAD items before the item is needed. */
#define BATCH_FETCH_AHEAD 16
void batch_fetch(const batch *b, uint32_t index);

#endif
