/* stream_order.h: puts the segments of one direction in order. Positions count bytes for TCP and packets for uTP,
 * modulo 2^32.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_STREAM_ORDER_H
#define TRACKER_STREAM_ORDER_H

#include "stream.h"

/* stream_segment is bytes with their position: they cover span positions from pos on. len is smaller than the segment's
 * length where the snap length cut it. */
typedef struct stream_segment {
    struct stream_segment *next;
    const uint8_t *data;
    uint32_t len;
    uint32_t wire_len;
    uint32_t pos;
    uint32_t span;
    uint32_t frame;
    uint32_t offset;
    int64_t time_ns;
    uint64_t missing; /* set before it is delivered with STREAM_LOST: see stream_bytes */
} stream_segment;

/* stream_pool is shared by all directions of a table: the function that receives the bytes, and how many may wait. */
typedef struct stream_pool {
    /* returns false when no more bytes of the direction ctx are wanted */
    bool (*deliver)(void *ctx, const stream_segment *segment, stream_join join);
    uint32_t num_bytes;
    uint32_t max_bytes;
    uint32_t max_waiting;
    stream_stats *stats;
} stream_pool;

/* stream_order is one direction. All zero is a valid initial state: the direction is joined at its first segment. */
typedef struct stream_order {
    stream_segment *first; /* waiting, by position */
    stream_segment *last;
    uint32_t num_waiting;
    uint32_t num_bytes;
    uint32_t next;    /* the position expected */
    uint32_t acked;   /* the receiver has everything before it */
    uint64_t missing; /* bytes since the last that were delivered, unless missing_unknown */
    stream_join join;
    bool counts_packets; /* positions do not count bytes (uTP) */
    bool missing_unknown;
    bool started;
    bool held; /* everything waits until stream_order_release */
    bool has_acked;
    bool stopped;
} stream_order;

/* stream_order_start sets the position where the direction starts. */
void stream_order_start(stream_order *order, uint32_t pos);

/* stream_order_put takes a segment: delivers it and those that follow, stores a copy for later, or drops it as old. */
void stream_order_put(stream_order *order, stream_pool *pool, stream_segment *segment, void *ctx);

/* stream_order_ack notes that at time_ns the receiver had all bytes before pos. Bytes that are missing there were lost
 * by the capture and not by the network, so they are not waited for much longer. */
void stream_order_ack(stream_order *order, stream_pool *pool, uint32_t pos, int64_t time_ns, void *ctx);

/* stream_order_release ends holding: the direction is joined at the first segment that waits. */
void stream_order_release(stream_order *order, stream_pool *pool, void *ctx);

/* stream_order_flush delivers all waiting segments and skips the holes. */
void stream_order_flush(stream_order *order, stream_pool *pool, void *ctx);

/* stream_order_stop drops all waiting and all later segments. */
void stream_order_stop(stream_order *order, stream_pool *pool);

#endif
