/* stream_order.c: see stream_order.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stream_order.h"

#include <string.h>

#include <glib.h>

/* A segment further away than any window belongs to another connection between the same endpoints, or follows a long
 * hole in the capture. In both cases positions start again there. */
#define FAR_AWAY             (64 * 1024 * 1024)

/* Waiting segments are in a list. With a bound only on bytes, a million tiny segments would make it slow. */
#define MAX_WAITING_SEGMENTS 1024

/* A capture of several queues may contain an acknowledgment this much before the bytes that it acknowledges. */
#define LATE_NS              (INT64_C(20) * 1000 * 1000)

static uint32_t segment_cost(const stream_segment *segment)
{
    return (uint32_t)sizeof *segment + segment->len;
}

static int32_t distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

void stream_order_start(stream_order *order, uint32_t pos)
{
    order->started = true;
    order->next = pos;
    order->join = STREAM_BEGINS;
}

static void join_here(stream_order *order, stream_pool *pool, uint32_t pos)
{
    order->started = true;
    order->next = pos;
    order->join = STREAM_JOINED;
    pool->stats->joined++;
}

static void count_missing(stream_order *order, stream_pool *pool, uint64_t num_bytes)
{
    order->missing += num_bytes;
    pool->stats->holes++;
    /* Until bytes have been delivered, the next ones are the first ones, even if others before them are missing. */
    if (order->join != STREAM_JOINED) {
        order->join = STREAM_LOST;
    }
}

static void skip_to(stream_order *order, stream_pool *pool, uint32_t pos)
{
    order->missing_unknown |= order->counts_packets;
    count_missing(order, pool, pos - order->next);
    order->next = pos;
}

void stream_order_stop(stream_order *order, stream_pool *pool)
{
    while (order->first != NULL) {
        stream_segment *segment = order->first;
        order->first = segment->next;
        g_free(segment);
    }
    order->last = NULL;
    pool->num_bytes -= order->num_bytes;
    order->num_bytes = 0;
    order->stopped = true;
}

/* Delivers a segment that starts at the expected position or before it. */
static void deliver(stream_order *order, stream_pool *pool, stream_segment *segment, void *ctx)
{
    uint32_t old = order->next - segment->pos;

    if (old >= segment->span) {
        return;
    }
    if (old > 0) { /* only TCP: a uTP packet has one position, so it is entirely old or new */
        uint32_t skipped = old < segment->len ? old : segment->len;
        segment->data += skipped;
        segment->offset += skipped;
        segment->len -= skipped;
        segment->wire_len -= old < segment->wire_len ? old : segment->wire_len;
    }
    order->next = segment->pos + segment->span;
    if (segment->len > 0) {
        stream_join join = order->join;
        segment->missing = order->missing_unknown ? 0 : order->missing;
        order->join = STREAM_CONTINUES;
        order->missing = 0;
        order->missing_unknown = false;
        if (!pool->deliver(ctx, segment, join)) {
            stream_order_stop(order, pool);
            return;
        }
    }
    if (segment->len < segment->wire_len) {
        count_missing(order, pool, segment->wire_len - segment->len);
    }
}

/* Delivers waiting segments up to the first hole. */
static void drain(stream_order *order, stream_pool *pool, void *ctx)
{
    while (order->first != NULL && distance(order->next, order->first->pos) <= 0) {
        stream_segment *segment = order->first;
        order->first = segment->next;
        if (order->first == NULL) {
            order->last = NULL;
        }
        order->num_waiting--;
        order->num_bytes -= segment_cost(segment);
        pool->num_bytes -= segment_cost(segment);
        deliver(order, pool, segment, ctx);
        g_free(segment);
    }
}

/* Stops waiting for the first hole to be filled. */
static void skip_hole(stream_order *order, stream_pool *pool, void *ctx)
{
    skip_to(order, pool, order->first->pos);
    drain(order, pool, ctx);
}

/* Copies a segment into the list, nearly always after the last one. */
static void keep(stream_order *order, stream_pool *pool, const stream_segment *segment)
{
    stream_segment *copy = (stream_segment *)g_malloc(sizeof *copy + segment->len);
    uint8_t *data = (uint8_t *)(copy + 1);

    *copy = *segment;
    memcpy(data, segment->data, segment->len);
    copy->data = data;
    stream_segment **link = &order->first;
    if (order->last != NULL && distance(order->last->pos, copy->pos) >= 0) {
        link = &order->last->next;
    }
    while (*link != NULL && distance((*link)->pos, copy->pos) >= 0) {
        link = &(*link)->next;
    }
    copy->next = *link;
    *link = copy;
    if (copy->next == NULL) {
        order->last = copy;
    }
    order->num_waiting++;
    order->num_bytes += segment_cost(copy);
    pool->num_bytes += segment_cost(copy);
}

static bool is_full(const stream_order *order, const stream_pool *pool, const stream_segment *segment)
{
    uint32_t cost = segment_cost(segment);

    return order->num_waiting >= MAX_WAITING_SEGMENTS || order->num_bytes > pool->max_waiting ||
           cost > pool->max_waiting - order->num_bytes || pool->num_bytes > pool->max_bytes ||
           cost > pool->max_bytes - pool->num_bytes;
}

/* Skips holes that were acknowledged: these bytes are missing only from the capture. */
static void skip_acked(stream_order *order, stream_pool *pool, int64_t time_ns, void *ctx)
{
    while (!order->held && order->has_acked && order->first != NULL && distance(order->first->pos, order->acked) >= 0 &&
           time_ns > order->first->time_ns &&
           (uint64_t)time_ns - (uint64_t)order->first->time_ns >= (uint64_t)LATE_NS) {
        skip_hole(order, pool, ctx);
    }
}

void stream_order_put(stream_order *order, stream_pool *pool, stream_segment *segment, void *ctx)
{
    if (order->stopped) {
        return;
    }
    if (order->held) {
        if (!is_full(order, pool, segment)) {
            keep(order, pool, segment);
        }
        return;
    }
    if (!order->started) {
        join_here(order, pool, segment->pos);
    }
    int32_t ahead = distance(order->next, segment->pos);
    if (ahead > FAR_AWAY || ahead < -FAR_AWAY) {
        stream_order_flush(order, pool, ctx);
        order->missing_unknown = true;
        skip_to(order, pool, segment->pos);
        ahead = 0;
    }
    if (ahead > 0 && !is_full(order, pool, segment)) {
        keep(order, pool, segment);
        skip_acked(order, pool, segment->time_ns, ctx);
        return;
    }
    if (ahead > 0) {
        pool->stats->overflows++;
        stream_order_flush(order, pool, ctx);
        if (!order->stopped && distance(order->next, segment->pos) > 0) {
            skip_to(order, pool, segment->pos);
        }
    }
    if (order->stopped || distance(order->next, segment->pos) > 0) {
        return;
    }
    deliver(order, pool, segment, ctx);
    drain(order, pool, ctx);
    skip_acked(order, pool, segment->time_ns, ctx);
}

void stream_order_ack(stream_order *order, stream_pool *pool, uint32_t pos, int64_t time_ns, void *ctx)
{
    if (!order->has_acked || distance(order->acked, pos) > 0) {
        order->acked = pos;
        order->has_acked = true;
    }
    skip_acked(order, pool, time_ns, ctx);
}

void stream_order_release(stream_order *order, stream_pool *pool, void *ctx)
{
    order->held = false;
    if (order->first == NULL || order->started) {
        return;
    }
    join_here(order, pool, order->first->pos);
    drain(order, pool, ctx);
}

void stream_order_flush(stream_order *order, stream_pool *pool, void *ctx)
{
    while (order->first != NULL) {
        skip_hole(order, pool, ctx);
    }
}
