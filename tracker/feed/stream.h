/* stream.h: reassembles TCP and uTP connections (BEP 29), for the BitTorrent peer wire protocol.
 *
 * Segments may be out of order, repeated or overlapping. Where bytes are missing from the capture, the consumer is told
 * and gets the bytes after the hole. The capture may start in the middle of a connection. Memory is bounded by the
 * number of connections and by the bytes that wait for a hole to be filled. When the consumer wants no more bytes of a
 * connection, the connection is dropped; its later packets cost one lookup in a small cache.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_STREAM_H
#define TRACKER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tracker/tracker.h>

/* stream_table holds the connections of one capture. */
typedef struct stream_table stream_table;

typedef enum stream_transport { STREAM_TCP, STREAM_UTP } stream_transport;

/* stream_join is how bytes connect to the previous ones of the same direction. */
typedef enum stream_join {
    STREAM_CONTINUES, /* directly after them */
    STREAM_BEGINS,    /* the first bytes of the connection */
    STREAM_JOINED,    /* the first bytes in the capture; the connection started earlier */
    STREAM_LOST       /* bytes in between are missing from the capture */
} stream_join;

/* stream_bytes is one piece of one direction. It is valid only during the call. */
typedef struct stream_bytes {
    const uint8_t *data;
    size_t len; /* never 0 */
    const krpc_endpoint *src;
    const krpc_endpoint *dst;
    void *state;      /* of this direction: stream_limits.state_size bytes, zero at first, aligned for any type */
    void *peer_state; /* of the other direction */
    uint64_t id;      /* of the connection: from 1, in the order of their first packets */
    int64_t time_ns;  /* capture time of the frame */
    uint32_t frame;   /* the frame of the bytes, which may be an earlier one than the frame just added */
    uint32_t offset;  /* of data[0] in that frame's payload */
    uint64_t missing; /* STREAM_LOST: how many bytes; 0: unknown (a uTP packet can hold any number) */
    stream_transport transport;
    stream_join join;
} stream_bytes;

/* stream_verdict is the consumer's answer. */
typedef enum stream_verdict {
    STREAM_MORE,      /* continue */
    STREAM_SIDE_DONE, /* no more bytes of this direction */
    STREAM_DONE       /* no more bytes of this connection */
} stream_verdict;

/* stream_sink is the consumer. ended may be NULL. It is called once for each connection of which bytes were delivered,
 * with the states of both directions, in any order; it can free memory that a state points to. Neither function may
 * call into the table. */
typedef struct stream_sink {
    stream_verdict (*bytes)(void *ctx, const stream_bytes *bytes);
    void (*ended)(void *ctx, uint64_t id, void *state, void *other_state);
    void *ctx;
} stream_sink;

/* stream_limits bounds the table; 0 is the default. */
typedef struct stream_limits {
    uint32_t max_streams; /* 65536 */
    uint32_t max_bytes;   /* waiting after holes, in all: 64 MiB */
    uint32_t max_waiting; /* the same in one direction: 1 MiB; at most 1024 segments */
    uint32_t idle_s;      /* a connection ends after this many seconds of silence: 300 */
    size_t state_size;    /* of the consumer's state, for each direction; 0: none */
    uint8_t hash_key[16]; /* strangers choose endpoints and connection ids */
} stream_limits;

/* stream_stats counts what happened. */
typedef struct stream_stats {
    uint64_t tcp_streams;
    uint64_t utp_streams;
    uint64_t joined;    /* directions that were joined in the middle */
    uint64_t holes;     /* places where bytes are missing */
    uint64_t given_up;  /* connections that the consumer did not want */
    uint64_t evicted;   /* connections dropped because of max_streams */
    uint64_t overflows; /* holes skipped because of max_bytes or max_waiting */
} stream_stats;

/* stream_table_new returns an empty table. stream_table_free ends all connections and frees the table, without
 * delivering the bytes that still wait; NULL is allowed. */
stream_table *stream_table_new(const stream_limits *limits, const stream_sink *sink);
void stream_table_free(stream_table *table);

/* stream_datagram is a TCP segment or a UDP datagram: its payload and fields of its header. */
typedef struct stream_datagram {
    const uint8_t *data;
    uint32_t len;      /* captured */
    uint32_t wire_len; /* as sent */
    krpc_endpoint src;
    krpc_endpoint dst;
    stream_transport transport; /* UTP for every UDP datagram; the table checks whether it is uTP */
    uint8_t tcp_flags;          /* enum tracker_tcp_flags */
    uint32_t tcp_seq;
    uint32_t tcp_ack;
} stream_datagram;

/* stream_add takes the next datagram of the capture and calls the consumer with the bytes that are now in order. Bytes
 * that have to wait are copied. Returns true for TCP, and for uTP that belongs to a connection: a UDP datagram counts
 * as uTP only when it opens a connection according to all rules of BEP 29, or fits to another datagram. */
bool stream_add(stream_table *table, const stream_datagram *datagram, uint32_t frame, int64_t time_ns);

/* stream_finish delivers the bytes that still wait after holes, and ends all connections. */
void stream_finish(stream_table *table);

/* stream_table_stats returns the counters. */
const stream_stats *stream_table_stats(const stream_table *table);

#endif
