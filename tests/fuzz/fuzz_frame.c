/* fuzz_frame: the laws of the frame reader and of what puts fragments together. The input is the link type, and then
 * frames: two bytes of length, one byte of how many the snap length cut, the bytes.
 *
 *   - what comes out lies inside of the frame: payload, quote, fragment
 *   - what lies behind the captured bytes does not matter, nor what was found before
 *   - a frame that is cut is said to be cut, or something smaller in it is whole, but it is never false all at once
 *   - what is put together has the length that its header says, and the number of datagrams stays bounded
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"

#include "frame/frame.h"
#include "frame/frame_fragment.h"

#define MAX_FRAMES    64
#define MAX_DATAGRAMS 4
#define MAX_BYTES     4096

static uint64_t hash_endpoint(const krpc_endpoint *endpoint)
{
    uint64_t hash = (uint64_t)endpoint->port << 8 | endpoint->addr_len;

    LAW(endpoint->addr_len == 4 || endpoint->addr_len == 16, "an address has a family");
    for (unsigned i = 0; i < 16; i++) {
        LAW(i < endpoint->addr_len || endpoint->addr[i] == 0, "what a family does not use is zero");
        hash = fuzz_mix(hash, endpoint->addr[i]);
    }
    return hash;
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        hash = fuzz_mix(hash, data[i]);
    }
    return hash;
}

/* size: what there is at data; UINT32_MAX where only AddressSanitizer knows. */
static uint64_t hash_datagram(const frame_datagram *d, uint32_t size)
{
    uint64_t hash = fuzz_mix(hash_endpoint(&d->src), hash_endpoint(&d->dst));

    LAW(d->payload_off <= size && d->payload_len <= size - d->payload_off, "the payload lies inside");
    LAW(d->payload_len <= d->payload_wire_len, "no more is captured than was sent");
    LAW(d->num_outer <= FRAME_MAX_LAYERS, "headers are counted");
    hash = hash_bytes(fuzz_mix(hash, (uint64_t)d->protocol << 32 | d->payload_wire_len), d->data + d->payload_off,
                      d->payload_len);
    if (d->protocol == FRAME_TCP) {
        hash = fuzz_mix(hash, (uint64_t)d->tcp_seq << 32 | d->tcp_ack | d->tcp_flags);
    }
    if (d->protocol == FRAME_ICMP) {
        LAW(d->src.port == 0 && d->dst.port == 0, "ICMP has no ports");
        frame_is_port_unreachable(d);
        if (d->has_quote) {
            const frame_quote *q = &d->quote;
            LAW(q->protocol == FRAME_UDP || q->protocol == FRAME_TCP, "a quote has ports");
            LAW(q->payload_off <= size && q->payload_len <= size - q->payload_off, "the quote lies inside");
            LAW(q->payload_len <= q->payload_wire_len, "no more of the quote is captured than was sent");
            hash = fuzz_mix(hash, hash_endpoint(&q->src) ^ fuzz_mix(1, hash_endpoint(&q->dst)));
            hash = hash_bytes(hash, d->data + q->payload_off, q->payload_len);
        }
    }
    return hash;
}

static uint64_t hash_fragment(const frame_datagram *d, uint32_t size)
{
    const frame_fragment *f = &d->fragment;

    LAW(f->data_off <= size && f->data_len <= size - f->data_off, "a fragment lies inside");
    LAW(f->data_len <= f->data_wire_len, "no more of a fragment is captured than was sent");
    LAW(f->offset <= 65528 && f->offset % 8 == 0, "a fragment has a place");
    return fuzz_mix(hash_endpoint(&f->src) ^ f->id, (uint64_t)f->offset << 32 | f->data_wire_len);
}

static frame_status parse(frame_datagram *out, uint64_t *hash_out, frame_link link, const uint8_t *data, uint32_t len,
                          uint32_t wire_len, uint8_t fill)
{
    uint8_t *copy = fuzz_copy(data, len, fill == 0 ? 0 : 64, fill);

    memset(out, fill, sizeof *out);
    frame_status status = frame_parse(out, link, copy, len, wire_len);
    LAW(status <= FRAME_MALFORMED, "a frame is something");
    *hash_out = (uint64_t)status;
    if (status == FRAME_DATAGRAM) {
        *hash_out = hash_datagram(out, len);
    }
    if (status == FRAME_FRAGMENT) {
        *hash_out = hash_fragment(out, len);
    }
    free(copy);
    return status;
}

static void check_frame(frame_link link, const uint8_t *data, uint32_t len, uint32_t wire_len)
{
    frame_datagram whole, other;
    uint64_t hash, other_hash;
    frame_status status = parse(&whole, &hash, link, data, len, wire_len, 0);

    LAW(parse(&other, &other_hash, link, data, len, wire_len, 0xa5) == status && hash == other_hash,
        "what lies behind does not matter");
    for (uint32_t n = 0; n < len; n += (uint32_t)fuzz_steps(len)) {
        frame_status cut = parse(&other, &other_hash, link, data, n, wire_len, 0);
        LAW(cut != FRAME_MALFORMED || status == FRAME_MALFORMED, "what is cut is not false");
        if (status == FRAME_DATAGRAM && cut == FRAME_DATAGRAM && whole.num_outer == other.num_outer) {
            LAW(hash_endpoint(&whole.src) == hash_endpoint(&other.src) &&
                    whole.payload_wire_len == other.payload_wire_len,
                "what is cut is the same datagram");
        }
    }
}

static frame_status put_together(frame_fragments *fragments, uint64_t *hash, frame_link link, const uint8_t *data,
                                 uint32_t len, uint32_t wire_len, int64_t time_ns)
{
    frame_datagram out;
    uint8_t *copy = fuzz_copy(data, len, 0, 0);
    frame_status status = frame_fragments_parse(fragments, &out, link, copy, len, wire_len, time_ns);

    *hash = fuzz_mix(*hash, status);
    if (status == FRAME_DATAGRAM) {
        *hash = fuzz_mix(*hash, hash_datagram(&out, out.data == copy ? len : UINT32_MAX));
    }
    free(copy);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    frame_fragments *one = frame_fragments_new(MAX_DATAGRAMS, MAX_BYTES);
    frame_fragments *two = frame_fragments_new(MAX_DATAGRAMS, MAX_BYTES);
    frame_link link = size > 0 ? (frame_link)(data[0] % FRAME_NUM_LINKS) : FRAME_LINK_UNKNOWN;
    uint64_t hash_one = 0, hash_two = 0, num_fragments = 0;
    size_t at = 1;

    for (unsigned i = 0; i < MAX_FRAMES && size >= 3 && at <= size - 3; i++) {
        uint32_t len = (uint32_t)data[at] << 8 | data[at + 1];
        uint32_t num_cut = data[at + 2];
        at += 3;
        len = len < size - at ? len : (uint32_t)(size - at);
        check_frame(link, data + at, len, len + num_cut);
        frame_status status =
            put_together(one, &hash_one, link, data + at, len, len + num_cut, i * INT64_C(1000000000));
        LAW(status == put_together(two, &hash_two, link, data + at, len, len + num_cut, i * INT64_C(1000000000)) &&
                hash_one == hash_two,
            "the same frames give the same datagrams");
        num_fragments += status == FRAME_FRAGMENT;
        at += len;
    }
    frame_fragments_finish(one);
    const frame_fragment_stats *stats = frame_fragments_stats(one);
    LAW(stats->overlapping + stats->expired + stats->evicted + stats->cut + stats->malformed <= num_fragments,
        "a datagram that is lost had a fragment");
    frame_fragments_free(one);
    frame_fragments_free(two);
    return 0;
}
