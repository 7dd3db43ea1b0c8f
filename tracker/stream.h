/* stream.h: the bytes of TCP connections and uTP connections (BEP 29), in order, for the BitTorrent peer wire.
 *
 * Segments that are out of order, repeated or overlapping are put right; where bytes are missing from the capture the
 * consumer is told and goes on behind the hole; a connection may be joined in the middle. Memory is bounded by the
 * number of connections and by the bytes that wait for a hole to be filled. A connection is given up as soon as the
 * consumer says that it has nothing more to tell, and costs one look into a small cache from then on.
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

/* stream_join is how bytes connect with those of the same direction that came before. */
typedef enum stream_join {
    STREAM_CONTINUES, /* right behind them */
    STREAM_BEGINS,    /* the first bytes of the connection */
    STREAM_JOINED,    /* the first bytes in the capture: the connection began before it */
    STREAM_LOST       /* bytes in between are missing from the capture */
} stream_join;

/* stream_bytes is one piece of one direction. Everything in it is good only during the call. */
typedef struct stream_bytes {
    const uint8_t *data;
    size_t len; /* never 0 */
    const krpc_endpoint *src;
    const krpc_endpoint *dst;
    void *state;      /* of this direction: stream_limits.state_size bytes, zero at first, aligned for anything */
    void *peer_state; /* of the other direction */
    uint64_t id;      /* of the connection: counts from 1 in the order of appearance */
    int64_t time_ns;  /* capture time of the frame */
    uint32_t frame;   /* the frame that carried the bytes, which may be an earlier one than that just added */
    uint32_t offset;  /* of data[0] in that frame's payload */
    uint64_t missing; /* STREAM_LOST: how many bytes; 0 where nobody knows (a packet of uTP can hold any number) */
    stream_transport transport;
    stream_join join;
} stream_bytes;

/* stream_verdict is the consumer's answer. */
typedef enum stream_verdict {
    STREAM_MORE,      /* go on */
    STREAM_SIDE_DONE, /* nothing more from this direction */
    STREAM_DONE       /* nothing more from this connection */
} stream_verdict;

/* stream_sink is the consumer. ended may be NULL; it is called once for each connection of which bytes were given out,
 * with the states of both directions, in no particular order: a state may be a pointer to something larger, to be freed
 * there. Neither function may call into the table. */
typedef struct stream_sink {
    stream_verdict (*bytes)(void *ctx, const stream_bytes *bytes);
    void (*ended)(void *ctx, uint64_t id, void *state, void *other_state);
    void *ctx;
} stream_sink;

/* stream_limits bounds the table; 0 means the default. */
typedef struct stream_limits {
    uint32_t max_streams; /* 65536 */
    uint32_t max_bytes;   /* waiting behind holes, in all: 64 MiB */
    uint32_t max_waiting; /* the same in one direction: 1 MiB; at most 1024 segments */
    uint32_t idle_s;      /* a connection is over after so much silence: 300 */
    size_t state_size;    /* of the consumer's state, for each direction; 0 is none */
    uint8_t hash_key[16]; /* endpoints and connection ids are chosen by strangers */
} stream_limits;

/* stream_stats counts what happened. */
typedef struct stream_stats {
    uint64_t tcp_streams;
    uint64_t utp_streams;
    uint64_t joined;    /* directions that were joined in the middle */
    uint64_t holes;     /* places where bytes are missing */
    uint64_t given_up;  /* connections that the consumer did not want */
    uint64_t evicted;   /* connections dropped to make room */
    uint64_t overflows; /* holes no longer waited for because of max_bytes or max_waiting */
} stream_stats;

/* stream_table_new makes an empty table. stream_table_free ends all connections and frees the table, without giving out
 * the bytes that still wait; NULL is fine. */
stream_table *stream_table_new(const stream_limits *limits, const stream_sink *sink);
void stream_table_free(stream_table *table);

/* stream_datagram is a TCP segment or a UDP datagram: its payload and what the header says. */
typedef struct stream_datagram {
    const uint8_t *data;
    uint32_t len;      /* captured */
    uint32_t wire_len; /* as sent */
    krpc_endpoint src;
    krpc_endpoint dst;
    stream_transport transport; /* UTP for every UDP datagram: the table finds out whether it is */
    uint8_t tcp_flags;          /* enum tracker_tcp_flags */
    uint32_t tcp_seq;
    uint32_t tcp_ack;
} stream_datagram;

/* stream_add takes the next datagram of the capture, calling the consumer for what is now in order. The result tells
 * whether it was TCP, or uTP that belongs to a connection: a UDP datagram counts as uTP only when it opens a
 * connection by every rule of BEP 29, or fits together with another datagram. Copies what has to wait. */
bool stream_add(stream_table *table, const stream_datagram *datagram, uint32_t frame, int64_t time_ns);

/* stream_finish gives out what still waits behind holes, and ends every connection. */
void stream_finish(stream_table *table);

/* stream_table_stats is what has happened so far. */
const stream_stats *stream_table_stats(const stream_table *table);

#endif
