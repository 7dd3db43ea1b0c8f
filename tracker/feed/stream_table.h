/* stream_table.h: the stream table, shared by its TCP and uTP parts.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_STREAM_TABLE_H
#define TRACKER_STREAM_TABLE_H

#include <glib.h>

#include "stream.h"
#include "stream_order.h"

/* stream_key names a connection. No padding: it is compared as bytes. */
typedef struct stream_key {
    krpc_endpoint low; /* the two endpoints as memcmp orders them */
    krpc_endpoint high;
    uint64_t pair; /* hash of these */
    uint64_t kind; /* 0 for TCP, otherwise see stream_utp.c */
    uint64_t hash; /* of all */
} stream_key;

typedef struct stream stream;

typedef struct stream_side {
    stream *owner;
    stream_order order;
    uint32_t first_pos; /* has_first: its start, from SYN */
    uint32_t fin_pos;   /* has_fin: its end */
    bool has_first;
    bool has_fin;
} stream_side;

struct stream {
    stream_key key;
    stream_table *table;
    GList link; /* in stream_table.by_use */
    uint64_t id;
    int64_t last_ns;
    int64_t queued_ns; /* time of its place in by_use; it moves only when it comes to the front */
    stream_side sides[2];
    stream_transport transport;
    bool confirmed;
    bool delivered;
    bool done;

    /* uTP: the previous packet; the next one has to fit to it while the connection is not confirmed. */
    uint32_t utp_time_us;
    uint16_t utp_seq;
    uint16_t utp_ack;
};

/* stream_packet is the current datagram. */
typedef struct stream_packet {
    const stream_datagram *datagram;
    int64_t time_ns;
    uint32_t frame;
} stream_packet;

/* stream_key_set puts the endpoints in order; the result is the index of the side that src is: 0 for low. */
unsigned stream_key_set(const stream_table *table, stream_key *key, const krpc_endpoint *src, const krpc_endpoint *dst);

/* stream_key_finish sets kind, and with it the hash. */
void stream_key_finish(const stream_table *table, stream_key *key, uint32_t kind);

stream *stream_find(const stream_table *table, const stream_key *key);
stream *stream_open(stream_table *table, const stream_key *key, stream_transport transport, int64_t time_ns);
void stream_rekey(stream_table *table, stream *connection, const stream_key *key);

/* stream_confirm numbers a connection; no bytes are delivered before. */
void stream_confirm(stream_table *table, stream *connection);

/* stream_close ends a connection and frees it; with remember, its later packets are ignored. */
void stream_close(stream_table *table, stream *connection, bool remember);
void stream_close_if_over(stream_table *table, stream *connection);

/* Was the connection closed with remember? Its hash is in a small cache, so an entry may be lost. */
bool stream_is_ignored(const stream_table *table, const stream_key *key);
void stream_unignore(stream_table *table, const stream_key *key);

/* stream_put hands a payload to a side; it covers span positions from pos on. */
void stream_put(stream_table *table, stream_side *side, const stream_packet *packet, uint32_t pos, uint32_t span,
                uint32_t skip);
void stream_acked(stream_table *table, stream_side *side, uint32_t pos, int64_t time_ns);
void stream_flush(stream_table *table, stream *connection);
void stream_release(stream_table *table, stream *connection);

/* stream_utp_add is stream_add for UDP. */
bool stream_utp_add(stream_table *table, const stream_packet *packet);

#endif
