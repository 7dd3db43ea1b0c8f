/* stream.c: the table of connections, and TCP.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stream.h"

#include <stdalign.h>
#include <string.h>

#include "stream_table.h"
#include "tracker_private.h"

#define DEFAULT_MAX_STREAMS 65536
#define DEFAULT_MAX_BYTES   (64 * 1024 * 1024)
#define DEFAULT_MAX_WAITING (1024 * 1024)
#define DEFAULT_IDLE_S      300
#define NS_PER_S            UINT64_C(1000000000)

/* A set is one cache line; all connections between two endpoints are in the same set. The newest comes first. */
#define IGNORED_SETS        8192
#define IGNORED_WAYS        8

struct stream_table {
    GHashTable *by_key;
    GQueue by_use; /* roughly: the least recently used first */
    stream_sink sink;
    stream_pool pool;
    stream_stats stats;
    uint64_t next_id;
    uint64_t idle_ns;
    size_t state_size; /* rounded up to the alignment */
    uint32_t max_streams;
    hash_key hash_key;
    uint64_t ignored[IGNORED_SETS][IGNORED_WAYS];
};

static size_t aligned(size_t size)
{
    return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

static void *side_state(const stream_side *side)
{
    const stream *connection = side->owner;
    size_t index = side == &connection->sides[1];

    return (uint8_t *)connection + aligned(sizeof *connection) + index * connection->table->state_size;
}

static stream_side *other_side(const stream_side *side)
{
    stream *connection = side->owner;

    return side == &connection->sides[0] ? &connection->sides[1] : &connection->sides[0];
}

unsigned stream_key_set(const stream_table *table, stream_key *key, const krpc_endpoint *src, const krpc_endpoint *dst)
{
    unsigned src_is_high = memcmp(src, dst, sizeof *src) > 0;

    key->low = src_is_high ? *dst : *src;
    key->high = src_is_high ? *src : *dst;
    key->pair = hash_fold(hash_endpoint(&table->hash_key, &key->low) ^ table->hash_key.k[0],
                          hash_endpoint(&table->hash_key, &key->high) ^ table->hash_key.k[1]);
    return src_is_high;
}

void stream_key_finish(const stream_table *table, stream_key *key, uint32_t kind)
{
    _Static_assert(sizeof(stream_key) == 2 * sizeof(krpc_endpoint) + 24, "the key is compared as bytes");
    key->kind = kind;
    key->hash = hash_fold(key->pair ^ table->hash_key.k[2], kind ^ table->hash_key.k[3]) | 1; /* 0 is an empty place */
}

static guint key_hash(gconstpointer key)
{
    return (guint)((const stream_key *)key)->hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(stream_key)) == 0;
}

bool stream_is_ignored(const stream_table *table, const stream_key *key)
{
    const uint64_t *set = table->ignored[key->pair % IGNORED_SETS];

    for (unsigned i = 0; i < IGNORED_WAYS; i++) {
        if (set[i] == key->hash) {
            return true;
        }
    }
    return false;
}

static void ignore(stream_table *table, const stream_key *key)
{
    uint64_t *set = table->ignored[key->pair % IGNORED_SETS];

    if (stream_is_ignored(table, key)) {
        return;
    }
    memmove(set + 1, set, (IGNORED_WAYS - 1) * sizeof *set);
    set[0] = key->hash;
}

void stream_unignore(stream_table *table, const stream_key *key)
{
    uint64_t *set = table->ignored[key->pair % IGNORED_SETS];

    for (unsigned i = 0; i < IGNORED_WAYS; i++) {
        if (set[i] == key->hash) {
            set[i] = 0;
        }
    }
}

stream *stream_find(const stream_table *table, const stream_key *key)
{
    return (stream *)g_hash_table_lookup(table->by_key, key);
}

void stream_rekey(stream_table *table, stream *connection, const stream_key *key)
{
    g_hash_table_remove(table->by_key, &connection->key);
    connection->key = *key;
    g_hash_table_insert(table->by_key, &connection->key, connection);
}

void stream_close(stream_table *table, stream *connection, bool remember)
{
    for (unsigned i = 0; i < 2; i++) {
        stream_order_stop(&connection->sides[i].order, &table->pool);
    }
    if (remember) {
        ignore(table, &connection->key);
    }
    if (connection->delivered && table->sink.ended != NULL) {
        table->sink.ended(table->sink.ctx, connection->id, side_state(&connection->sides[0]),
                          side_state(&connection->sides[1]));
    }
    g_queue_unlink(&table->by_use, &connection->link);
    g_hash_table_remove(table->by_key, &connection->key);
    g_free(connection);
}

void stream_flush(stream_table *table, stream *connection)
{
    for (unsigned i = 0; i < 2 && connection->confirmed; i++) {
        stream_order_flush(&connection->sides[i].order, &table->pool, &connection->sides[i]);
    }
}

void stream_release(stream_table *table, stream *connection)
{
    for (unsigned i = 0; i < 2; i++) {
        stream_order_release(&connection->sides[i].order, &table->pool, &connection->sides[i]);
    }
}

static bool side_is_over(const stream_side *side)
{
    const stream_order *order = &side->order;

    if (order->stopped) {
        return true;
    }
    return side->has_fin && !order->held && (!order->started || (int32_t)(order->next - side->fin_pos) >= 0);
}

void stream_close_if_over(stream_table *table, stream *connection)
{
    if (connection->done || (connection->sides[0].order.stopped && connection->sides[1].order.stopped)) {
        table->stats.given_up++;
        stream_close(table, connection, true);
    } else if (side_is_over(&connection->sides[0]) && side_is_over(&connection->sides[1])) {
        stream_close(table, connection, true);
    }
}

/* The first connection in by_use. One that has been used since it was queued is moved to a later place before. */
static stream *least_used(stream_table *table)
{
    for (guint i = g_queue_get_length(&table->by_use); i > 0; i--) {
        GList *link = g_queue_peek_head_link(&table->by_use);
        stream *connection = (stream *)link->data;
        if (connection->last_ns == connection->queued_ns) {
            return connection;
        }
        g_queue_unlink(&table->by_use, link);
        connection->queued_ns = connection->last_ns;
        g_queue_push_tail_link(&table->by_use, link);
    }
    GList *link = g_queue_peek_head_link(&table->by_use);
    return link != NULL ? (stream *)link->data : NULL;
}

static void expire(stream_table *table, int64_t time_ns)
{
    /* Only a few for each packet, so that no packet takes long. */
    for (unsigned i = 0; i < 8; i++) {
        GList *link = g_queue_peek_head_link(&table->by_use);
        if (link == NULL) {
            return;
        }
        stream *connection = (stream *)link->data;
        if (time_ns <= connection->queued_ns || (uint64_t)time_ns - (uint64_t)connection->queued_ns <= table->idle_ns) {
            return;
        }
        connection = least_used(table);
        if (time_ns <= connection->last_ns || (uint64_t)time_ns - (uint64_t)connection->last_ns <= table->idle_ns) {
            return;
        }
        stream_flush(table, connection);
        stream_close(table, connection, false);
    }
}

stream *stream_open(stream_table *table, const stream_key *key, stream_transport transport, int64_t time_ns)
{
    while (g_hash_table_size(table->by_key) >= table->max_streams) {
        stream *oldest = least_used(table);
        stream_flush(table, oldest);
        stream_close(table, oldest, false);
        table->stats.evicted++;
    }
    stream *connection = (stream *)g_malloc0(aligned(sizeof *connection) + 2 * table->state_size);
    connection->key = *key;
    connection->table = table;
    connection->transport = transport;
    connection->last_ns = connection->queued_ns = time_ns;
    for (unsigned i = 0; i < 2; i++) {
        connection->sides[i].owner = connection;
        connection->sides[i].order.counts_packets = transport == STREAM_UTP;
    }
    connection->link.data = connection;
    g_queue_push_tail_link(&table->by_use, &connection->link);
    g_hash_table_insert(table->by_key, &connection->key, connection);
    return connection;
}

void stream_confirm(stream_table *table, stream *connection)
{
    connection->confirmed = true;
    connection->id = table->next_id++;
    if (connection->transport == STREAM_TCP) {
        table->stats.tcp_streams++;
    } else {
        table->stats.utp_streams++;
    }
}

/* Hands bytes to the consumer, for the pool; ctx is the side. */
static bool deliver(void *ctx, const stream_segment *segment, stream_join join)
{
    stream_side *side = (stream_side *)ctx;
    stream *connection = side->owner;
    const stream_sink *sink = &connection->table->sink;
    bool is_high = side == &connection->sides[1];

    if (connection->done) {
        return false;
    }
    connection->delivered = true;
    stream_bytes bytes = {
        .data = segment->data,
        .len = segment->len,
        .src = is_high ? &connection->key.high : &connection->key.low,
        .dst = is_high ? &connection->key.low : &connection->key.high,
        .state = side_state(side),
        .peer_state = side_state(other_side(side)),
        .id = connection->id,
        .time_ns = segment->time_ns,
        .frame = segment->frame,
        .offset = segment->offset,
        .missing = join == STREAM_LOST ? segment->missing : 0,
        .transport = connection->transport,
        .join = join,
    };
    stream_verdict verdict = sink->bytes(sink->ctx, &bytes);
    connection->done = verdict == STREAM_DONE;
    return verdict == STREAM_MORE;
}

void stream_put(stream_table *table, stream_side *side, const stream_packet *packet, uint32_t pos, uint32_t span,
                uint32_t skip)
{
    const stream_datagram *datagram = packet->datagram;
    uint32_t captured = datagram->len > skip ? datagram->len - skip : 0;

    stream_segment segment = {
        .data = datagram->data + (datagram->len - captured),
        .len = captured,
        .wire_len = datagram->wire_len - skip,
        .pos = pos,
        .span = span,
        .frame = packet->frame,
        .offset = datagram->len - captured,
        .time_ns = packet->time_ns,
    };
    stream_order_put(&side->order, &table->pool, &segment, side);
}

void stream_acked(stream_table *table, stream_side *side, uint32_t pos, int64_t time_ns)
{
    stream_order_ack(&side->order, &table->pool, pos, time_ns, side);
}

/* Does this SYN open another connection between the same endpoints? Not if it repeats the one that was seen. */
static bool is_another(const stream_side *side, uint32_t first_pos)
{
    return side->has_first ? side->first_pos != first_pos : side->order.started;
}

static stream *tcp_connection(stream_table *table, const stream_key *key, unsigned side, const stream_packet *packet)
{
    const stream_datagram *datagram = packet->datagram;
    bool is_syn = (datagram->tcp_flags & TRACKER_TCP_SYN) != 0;
    stream *connection = stream_find(table, key);

    if (connection != NULL && is_syn && is_another(&connection->sides[side], datagram->tcp_seq + 1)) {
        stream_flush(table, connection);
        stream_close(table, connection, false);
        connection = NULL;
    }
    if (connection == NULL && (is_syn || datagram->wire_len > 0)) {
        connection = stream_open(table, key, STREAM_TCP, packet->time_ns);
        stream_confirm(table, connection);
    }
    return connection;
}

/* Is the sequence number of a reset inside the window? A receiver ignores other resets (RFC 5961). */
static bool reset_is_good(const stream_side *side, uint32_t seq)
{
    return !side->order.started || seq - side->order.next + 1 <= UINT32_C(1) << 24;
}

static void tcp_add(stream_table *table, const stream_packet *packet)
{
    const stream_datagram *datagram = packet->datagram;
    uint8_t flags = datagram->tcp_flags;
    uint32_t pos = datagram->tcp_seq;
    stream_key key;
    unsigned index = stream_key_set(table, &key, &datagram->src, &datagram->dst);

    stream_key_finish(table, &key, 0);
    if (stream_is_ignored(table, &key)) {
        if ((flags & TRACKER_TCP_SYN) == 0) {
            return;
        }
        stream_unignore(table, &key);
    }
    stream *connection = tcp_connection(table, &key, index, packet);
    if (connection == NULL) {
        return;
    }
    stream_side *side = &connection->sides[index];
    connection->last_ns = packet->time_ns;
    if ((flags & TRACKER_TCP_SYN) != 0) {
        pos++;
        if (!side->has_first) {
            stream_order_start(&side->order, pos);
        }
        side->has_first = true;
        side->first_pos = pos;
    }
    if (datagram->wire_len > 0) {
        stream_put(table, side, packet, pos, datagram->wire_len, 0);
    }
    if ((flags & TRACKER_TCP_ACK) != 0 && other_side(side)->order.started) {
        stream_acked(table, other_side(side), datagram->tcp_ack, packet->time_ns);
    }
    if ((flags & TRACKER_TCP_FIN) != 0) {
        side->has_fin = true;
        side->fin_pos = pos + datagram->wire_len;
    }
    if ((flags & TRACKER_TCP_RST) != 0 && reset_is_good(side, pos)) {
        stream_flush(table, connection);
        stream_close(table, connection, true);
        return;
    }
    stream_close_if_over(table, connection);
}

stream_table *stream_table_new(const stream_limits *limits, const stream_sink *sink)
{
    stream_table *table = g_new0(stream_table, 1);

    table->by_key = g_hash_table_new(key_hash, key_equal);
    g_queue_init(&table->by_use);
    table->sink = *sink;
    table->next_id = 1;
    table->max_streams = limits->max_streams != 0 ? limits->max_streams : DEFAULT_MAX_STREAMS;
    table->idle_ns = (limits->idle_s != 0 ? limits->idle_s : DEFAULT_IDLE_S) * NS_PER_S;
    table->state_size = aligned(limits->state_size);
    hash_key_init(&table->hash_key, limits->hash_key);
    table->pool = (stream_pool){
        .deliver = deliver,
        .max_bytes = limits->max_bytes != 0 ? limits->max_bytes : DEFAULT_MAX_BYTES,
        .max_waiting = limits->max_waiting != 0 ? limits->max_waiting : DEFAULT_MAX_WAITING,
        .stats = &table->stats,
    };
    return table;
}

bool stream_add(stream_table *table, const stream_datagram *datagram, uint32_t frame, int64_t time_ns)
{
    const stream_packet packet = {.datagram = datagram, .time_ns = time_ns, .frame = frame};

    expire(table, time_ns);
    if (datagram->transport == STREAM_UTP) {
        return stream_utp_add(table, &packet);
    }
    tcp_add(table, &packet);
    return true;
}

void stream_finish(stream_table *table)
{
    for (stream *connection; (connection = least_used(table)) != NULL;) {
        stream_flush(table, connection);
        stream_close(table, connection, false);
    }
}

void stream_table_free(stream_table *table)
{
    if (table == NULL) {
        return;
    }
    for (GList *link; (link = g_queue_peek_head_link(&table->by_use)) != NULL;) {
        stream_close(table, (stream *)link->data, false);
    }
    g_hash_table_destroy(table->by_key);
    g_free(table);
}

const stream_stats *stream_table_stats(const stream_table *table)
{
    return &table->stats;
}
