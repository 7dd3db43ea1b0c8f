/* stream_consumer.h: a consumer for the tests of stream.h, which records what it receives.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VALIDATOR_TESTS_STREAM_CONSUMER_H
#define VALIDATOR_TESTS_STREAM_CONSUMER_H

#include "guard.h"

#include "stream.h"
#include "unit.h"

#define MS         INT64_C(1000000)
#define S          (1000 * MS)
#define MAX_PACKET 2048

/* What the consumer received from one direction: the bytes, and marks where they do not connect: '<' before the first
 * bytes of a connection, '(' where it was joined, '#' where bytes are missing. */
typedef struct side_state {
    char text[4096];
    size_t len;
} side_state;

static struct {
    side_state sides[4]; /* by the source's port, 1 to 3 */
    unsigned num_calls;
    unsigned num_ended;
    uint32_t last_frame;
    uint32_t last_offset;
    uint64_t last_id;
    uint64_t last_missing;
    stream_transport last_transport;
    stream_verdict verdict;
} got;

static guard guarded;

static inline stream_verdict take_bytes(void *ctx, const stream_bytes *bytes)
{
    static const char marks[] = {[STREAM_BEGINS] = '<', [STREAM_JOINED] = '(', [STREAM_LOST] = '#'};
    side_state *side = &got.sides[bytes->src->port];
    unsigned *count = (unsigned *)bytes->state;

    (void)ctx;
    CU_ASSERT(bytes->len > 0 && bytes->state != bytes->peer_state);
    CU_ASSERT((*count)++ == 0 || bytes->join == STREAM_CONTINUES || bytes->join == STREAM_LOST);
    if (bytes->join != STREAM_CONTINUES) {
        side->text[side->len++] = marks[bytes->join];
    }
    memcpy(side->text + side->len, bytes->data, bytes->len);
    side->len += bytes->len;
    got.num_calls++;
    got.last_frame = bytes->frame;
    got.last_offset = bytes->offset;
    got.last_id = bytes->id;
    got.last_missing = bytes->missing;
    got.last_transport = bytes->transport;
    return got.verdict;
}

static inline void take_end(void *ctx, uint64_t id, void *state, void *other_state)
{
    (void)ctx;
    CU_ASSERT(id > 0 && *(unsigned *)state + *(unsigned *)other_state > 0);
    got.num_ended++;
}

static stream_table *table;
static uint32_t frame;
static int64_t now;

static inline void start_with(stream_limits limits)
{
    const stream_sink sink = {.bytes = take_bytes, .ended = take_end};

    memset(&got, 0, sizeof got);
    limits.state_size = sizeof(unsigned);
    table = stream_table_new(&limits, &sink);
    frame = 0;
    now = 1000 * S;
}

static inline void start(void)
{
    start_with((stream_limits){.max_streams = 0});
}

static inline void expect(unsigned port, const char *text)
{
    const side_state *side = &got.sides[port];

    if (strcmp(side->text, text) != 0) {
        printf("\nfrom port %u: \"%s\", not \"%s\"", port, side->text, text);
    }
    CU_ASSERT(strcmp(side->text, text) == 0);
}

static inline void finish(void)
{
    stream_finish(table);
    stream_table_free(table);
}

static inline krpc_endpoint endpoint(unsigned port)
{
    return (krpc_endpoint){.addr = {192, 0, 2, (uint8_t)port}, .addr_len = 4, .port = (uint16_t)port};
}

/* The payload ends directly before an unreadable page. */
static inline bool add(unsigned from, unsigned to, stream_datagram datagram, const void *payload, size_t len,
                       size_t wire_len)
{
    datagram.data = guard_copy(&guarded, payload, len);
    datagram.src = endpoint(from);
    datagram.dst = endpoint(to);
    datagram.len = (uint32_t)len;
    datagram.wire_len = (uint32_t)wire_len;
    now += MS;
    return stream_add(table, &datagram, ++frame, now);
}

static inline uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
