/* fuzz_peerwire: the laws of the peer wire reader and parser. The first four bytes of the input choose how the rest, a
 * stream, is cut into pieces and where it has a gap.
 *
 *   - how the stream is cut into pieces makes no difference to the events
 *   - events come in order, do not overlap, and end
 *   - positions of a parsed message, its findings, its peers and its statements about ports lie inside
 *   - what lies behind a message does not matter
 *   - with a gap nothing is promised but that it ends
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <krpc/peerwire.h>

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

typedef struct stream {
    peerwire_reader reader;
    peerwire_side sender;
    peerwire_side receiver;
    uint64_t last_end;
    uint64_t hash;
    uint64_t events;
    bool parse;
    bool gap; /* of unknown size, offsets mean less */
} stream;

static void check_finding(void *ctx, const krpc_finding *finding)
{
    const uint32_t *len = (const uint32_t *)ctx;

    LAW((unsigned)finding->rule < KRPC_NUM_RULES, "a finding has a rule");
    LAW(finding->off <= *len && finding->len <= *len - finding->off, "a finding lies inside of the message");
}

static uint64_t hash_message(const peerwire_message *m, const uint8_t *data, uint32_t len)
{
    peerwire_pex pex;
    peerwire_peer peer;
    peerwire_advert_iter it;
    krpc_advert a;
    size_t n = 0;
    uint64_t hash = (uint64_t)m->kind << 16 | (uint64_t)m->extension << 8 | m->ext_id;

    LAW(m->kind < PEERWIRE_NUM_KINDS && m->extension < PEERWIRE_NUM_EXTENSIONS, "a message is of a kind");
    LAW(m->len <= len, "a message lies inside");
    LAW(m->dict_off <= len && m->dict_len <= len - m->dict_off, "its dictionary lies inside");
    for (peerwire_key key = 0; key < PEERWIRE_NUM_KEYS; key++) {
        if (((m->present | m->wrong) >> key & 1) != 0) {
            LAW(m->value[key].off <= len && m->value[key].len <= len - m->value[key].off, "a value lies inside");
            hash = fuzz_mix(hash, (uint64_t)m->value[key].off << 32 | m->value[key].len);
        }
    }
    peerwire_pex_init(&pex, m, data);
    while (peerwire_pex_next(&pex, &peer)) {
        LAW(++n <= len, "the peers end");
        LAW(peer.off <= len && peer.len <= len - peer.off, "a peer lies inside");
        hash = fuzz_mix(hash, (uint64_t)peer.off << 32 | peer.flags);
    }
    n = 0;
    peerwire_advert_init(&it, m, data);
    while (peerwire_advert_next(&it, &a)) {
        LAW(++n <= (size_t)len + 8, "the statements about ports end");
        LAW(a.off <= len && a.len <= len - a.off, "a statement lies inside");
        hash = fuzz_mix(fuzz_mix(hash, (uint64_t)a.channel << 32 | a.off), (uint64_t)a.port);
    }
    LAW(!peerwire_advert_next(&it, &a), "the end stays the end");
    return hash;
}

static uint64_t parse(const uint8_t *data, uint32_t len, const peerwire_side *sender, const peerwire_side *receiver,
                      peerwire_message *out)
{
    krpc_sink sink = {check_finding, &len};

    memset(out, 0xa5, sizeof *out);
    peerwire_message_parse(out, data, len, sender, receiver, &sink);
    return hash_message(out, data, len);
}

static void take_message(stream *s, const peerwire_event *event)
{
    peerwire_message m, again;
    uint8_t *copy = fuzz_copy(event->data, event->len, 32, 0);
    uint64_t hash = parse(event->data, event->len, &s->sender, &s->receiver, &m);

    LAW(parse(copy, event->len, &s->sender, &s->receiver, &again) == hash,
        "what lies behind a message does not matter");
    free(copy);
    copy = fuzz_copy(event->data, event->len, 0, 0);
    LAW(parse(copy, event->len, &s->sender, &s->receiver, &again) == hash, "nor where it lies");
    LAW(parse(copy, event->len, NULL, NULL, &again) != 1, "nothing needs to be known of the sides");
    for (uint32_t n = event->len % 5; n < event->len; n += (uint32_t)fuzz_steps(event->len)) {
        uint8_t *prefix = fuzz_copy(event->data, n, 0, 0);

        parse(prefix, n, &s->sender, &s->receiver, &again);
        free(prefix);
    }
    free(copy);
    peerwire_side_update(&s->sender, &m);
    peerwire_side_update(&s->receiver, &m); /* as if the other side said the same: its ids then mean something */
    s->hash = fuzz_mix(s->hash, hash);
}

static void drain(stream *s)
{
    peerwire_event event;

    while (peerwire_reader_next(&s->reader, &event)) {
        s->events++;
        s->hash =
            fuzz_mix(s->hash, (uint64_t)event.type << 32 | (event.type == PEERWIRE_EVENT_MESSAGE ? event.len : 0));
        s->hash = fuzz_mix(s->hash, event.begin);
        if (event.type != PEERWIRE_EVENT_MESSAGE) {
            continue;
        }
        LAW(s->gap || event.begin >= s->last_end, "messages do not overlap");
        LAW(event.end > event.begin && event.len > 0 && event.len <= event.end - event.begin, "a message has a size");
        s->last_end = event.end;
        s->hash = fuzz_mix(s->hash, event.end);
        for (uint32_t i = 0; i < event.len; i++) {
            s->hash = fuzz_mix(s->hash, event.data[i]);
        }
        if (s->parse) {
            take_message(s, &event);
        }
    }
}

/* Feeds the stream in pieces of at most `most` bytes, each in memory of its own; a gap of unknown or known size may
 * come after `gap_at` bytes. */
static void run(stream *s, const uint8_t *data, size_t size, size_t most, uint32_t seed, size_t gap_at, uint64_t gap)
{
    size_t pos = 0;

    peerwire_reader_init(&s->reader);
    while (pos < size) {
        size_t piece = most == SIZE_MAX ? size : next_random(&seed) % most + 1;
        uint8_t *copy;

        piece = piece < size - pos ? piece : size - pos;
        if (gap_at > pos && gap_at < pos + piece) {
            piece = gap_at - pos;
        }
        copy = fuzz_copy(data + pos, piece, 0, 0);
        peerwire_reader_feed(&s->reader, copy, piece);
        drain(s);
        free(copy);
        pos += piece;
        if (pos == gap_at) {
            s->gap = true;
            peerwire_reader_gap(&s->reader, gap);
            drain(s);
        }
        LAW(s->events <= 2 * size + 2, "events end");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static stream whole, pieces;
    uint32_t seed;
    peerwire_message m;

    if (size < 4) {
        return 0;
    }
    seed = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2] | 1u << 31;
    memset(&whole, 0, sizeof whole);
    memset(&pieces, 0, sizeof pieces);
    whole.parse = true;
    run(&whole, data + 4, size - 4, SIZE_MAX, seed, SIZE_MAX, 0);
    pieces.parse = true;
    run(&pieces, data + 4, size - 4, data[3] % 64 + 1u, seed, SIZE_MAX, 0);
    LAW(whole.hash == pieces.hash && whole.events == pieces.events, "pieces make no difference");
    memset(&pieces, 0, sizeof pieces);
    run(&pieces, data + 4, size - 4, data[3] % 64 + 1u, seed, data[0] % size + 1, data[1]);
    parse(data + 4, (uint32_t)(size - 4), NULL, NULL, &m); /* a message, whatever it is */
    return 0;
}
