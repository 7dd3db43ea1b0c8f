/* stream_order.h: puts the segments of one direction in order. Positions count bytes for TCP and packets for uTP,
 * modulo 2^32.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_STREAM_ORDER_H
#define TRACKER_STREAM_ORDER_H

#include "stream.h"

/* stream_segment is bytes with their place: they take span positions from pos on. len is less than the segment had
 * where the snap length cut it. */
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

/* stream_pool is shared by all directions of a table: who gets the bytes, and how much may wait. */
typedef struct stream_pool {
    /* false: nothing more is wanted from the direction that ctx stands for */
    bool (*deliver)(void *ctx, const stream_segment *segment, stream_join join);
    uint32_t num_bytes;
    uint32_t max_bytes;
    uint32_t max_waiting;
    stream_stats *stats;
} stream_pool;

/* stream_order is one direction. All zero is a good start: it is joined at the first segment that comes. */
typedef struct stream_order {
    stream_segment *first; /* waiting, by position */
    stream_segment *last;
    uint32_t num_waiting;
    uint32_t num_bytes;
    uint32_t next;    /* the position expected */
    uint32_t acked;   /* the receiver has everything before it */
    uint64_t missing; /* bytes since the last that were delivered, unless missing_unknown */
    stream_join join;
    bool counts_packets; /* positions say nothing about bytes */
    bool missing_unknown;
    bool started;
    bool held; /* everything waits until stream_order_release */
    bool has_acked;
    bool stopped;
} stream_order;

/* stream_order_start tells where the direction begins. */
void stream_order_start(stream_order *order, uint32_t pos);

/* stream_order_put takes a segment: delivers it and what follows, keeps a copy for later, or drops it as old. */
void stream_order_put(stream_order *order, stream_pool *pool, stream_segment *segment, void *ctx);

/* stream_order_ack says that at time_ns the receiver had everything before pos: what is missing there was lost by the
 * capture, not by the network, and is not waited for much longer. */
void stream_order_ack(stream_order *order, stream_pool *pool, uint32_t pos, int64_t time_ns, void *ctx);

/* stream_order_release ends holding: the direction is joined at the first segment that waits. */
void stream_order_release(stream_order *order, stream_pool *pool, void *ctx);

/* stream_order_flush delivers everything that waits, over the holes. */
void stream_order_flush(stream_order *order, stream_pool *pool, void *ctx);

/* stream_order_stop drops what waits, and everything that comes. */
void stream_order_stop(stream_order *order, stream_pool *pool);

#endif
