/* fuzz_stream: the laws of what puts TCP and uTP in order. The input is a list of packets: a byte of flags and
 * direction, a byte that says which of two connections and which transport, two bytes of position, one of length, the
 * bytes.
 *
 *   - what is given out is what a packet carried, at the place that is named, and that packet came already
 *   - nothing is given out twice: no more than the packets carried
 *   - only the first bytes of a direction begin or join it, and only a hole lacks bytes
 *   - each connection of which there were bytes ends once, with the states that it had
 *   - tight bounds hold
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include "stream.h"

#define MAX_PACKETS 256
#define MAX_STREAMS 2
#define MAX_WAITING 64

typedef struct packet {
    const uint8_t *data;
    uint32_t len;
} packet;

typedef struct side_state {
    uint64_t id;
    uint64_t num_bytes;
    bool any;
} side_state;

typedef struct consumer {
    packet packets[MAX_PACKETS];
    uint32_t num_packets;
    uint64_t given;
    uint64_t fed;
    uint64_t num_open; /* connections of which there were bytes */
    uint64_t num_ended;
    uint64_t last_id;
    uint8_t verdict;
} consumer;

static stream_verdict take_bytes(void *ctx, const stream_bytes *bytes)
{
    consumer *c = (consumer *)ctx;
    side_state *state = (side_state *)bytes->state;
    const side_state *peer = (const side_state *)bytes->peer_state;

    LAW(bytes->len > 0 && bytes->frame < c->num_packets, "bytes come from a packet that came");
    const packet *from = &c->packets[bytes->frame];
    LAW(bytes->offset <= from->len && bytes->len <= from->len - bytes->offset, "and lie in it");
    LAW(memcmp(bytes->data, from->data + bytes->offset, bytes->len) == 0, "and are the same");
    LAW(!state->any || bytes->join == STREAM_CONTINUES || bytes->join == STREAM_LOST, "a direction begins once");
    LAW(state->any || bytes->join != STREAM_CONTINUES, "and does not continue what was not there");
    LAW(bytes->missing == 0 || bytes->join == STREAM_LOST, "only a hole lacks bytes");
    LAW(!state->any || state->id == bytes->id, "a state belongs to one connection");
    LAW(!peer->any || peer->id == bytes->id, "and so does the other side's");
    LAW(bytes->id > 0, "connections are counted from 1");
    c->num_open += !state->any && !peer->any;
    state->any = true;
    state->id = bytes->id;
    state->num_bytes += bytes->len;
    c->given += bytes->len;
    if (c->verdict == 1) {
        return STREAM_SIDE_DONE;
    }
    return c->verdict == 2 ? STREAM_DONE : STREAM_MORE;
}

static void take_end(void *ctx, uint64_t id, void *state, void *other_state)
{
    consumer *c = (consumer *)ctx;
    const side_state *one = (const side_state *)state;
    const side_state *other = (const side_state *)other_state;

    LAW(one->any || other->any, "only what had bytes ends");
    LAW((!one->any || one->id == id) && (!other->any || other->id == id), "with its own states");
    c->num_ended++;
    LAW(c->num_ended <= c->num_open, "and once");
}

static void add_packet(stream_table *table, consumer *c, const uint8_t head[5], const uint8_t *data, uint32_t len)
{
    static const uint8_t addresses[2][4] = {{192, 0, 2, 1}, {192, 0, 2, 2}};
    unsigned from = head[0] >> 7;
    bool is_tcp = (head[1] & 1) != 0;
    uint16_t position = (uint16_t)(head[2] << 8 | head[3]);
    stream_datagram d = {
        .len = len,
        .wire_len = len + (is_tcp ? head[1] >> 6 : 0),
        .transport = is_tcp ? STREAM_TCP : STREAM_UTP,
        .tcp_flags = head[0] & 0x1f,
        .tcp_seq = UINT32_MAX - 200 + position % 512, /* past the wrap */
        .tcp_ack = UINT32_MAX - 200 + head[3],
    };
    uint8_t *copy = fuzz_copy(data, len, 0, 0);

    d.data = copy;
    krpc_endpoint_set(&d.src, addresses[from], 4, (uint16_t)(1000 + from + (head[1] >> 1 & 3) * 2));
    krpc_endpoint_set(&d.dst, addresses[!from], 4, (uint16_t)(1000 + !from + (head[1] >> 1 & 3) * 2));
    c->packets[c->num_packets] = (packet){data, len};
    c->num_packets++;
    c->fed += len;
    c->verdict = head[1] >> 4 == 15 ? 1 : head[1] >> 4 == 14 ? 2 : 0;
    bool is_stream = stream_add(table, &d, c->num_packets - 1, c->num_packets * INT64_C(20000000000));
    LAW(is_stream || !is_tcp, "TCP is TCP");
    free(copy);
    LAW(c->given <= c->fed, "nothing is given out twice");
    LAW(c->num_open - c->num_ended <= MAX_STREAMS, "no more connections than there may be");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    consumer c = {0};
    const stream_limits limits = {.max_streams = MAX_STREAMS,
                                  .max_bytes = 2 * MAX_WAITING,
                                  .max_waiting = MAX_WAITING,
                                  .state_size = sizeof(side_state)};
    const stream_sink sink = {take_bytes, take_end, &c};
    stream_table *table = stream_table_new(&limits, &sink);
    size_t at = 0;

    while (c.num_packets < MAX_PACKETS && size - at >= 5) {
        const uint8_t *head = data + at;
        at += 5;
        uint32_t len = head[4] < size - at ? head[4] : (uint32_t)(size - at);
        add_packet(table, &c, head, data + at, len);
        at += len;
    }
    c.verdict = 0;
    if (size % 2 == 0) {
        stream_finish(table);
    }
    const stream_stats *stats = stream_table_stats(table);
    LAW(c.num_open <= stats->tcp_streams + stats->utp_streams, "a connection is one of those counted");
    stream_table_free(table);
    LAW(c.num_ended == c.num_open, "every connection ends");
    LAW(c.given <= c.fed, "nothing is given out twice");
    return 0;
}
