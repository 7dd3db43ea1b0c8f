/* fuzz_trackerwire: the laws of the parsers for trackers over UDP and HTTP, and for local service discovery.
 *
 *   - positions lie inside, and a statement about a port is there exactly where a port is
 *   - what lies behind the end does not matter, nor what was in the result before
 *   - nothing is read behind any prefix
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <krpc/trackerwire.h>

static uint64_t hash_message(const trackerwire_message *m, size_t size)
{
    krpc_advert a;
    bool has_advert = trackerwire_advert(&a, m);
    uint64_t hash = fuzz_mix(m->kind, m->event);

    LAW(m->kind <= TRACKERWIRE_HTTP, "a message is of a kind");
    if (m->kind == TRACKERWIRE_NONE) {
        LAW(!has_advert, "nothing says nothing");
        return hash;
    }
    if (m->has_port) {
        LAW(m->port_off <= size && m->port_len <= size - m->port_off && m->port_len > 0, "a port lies inside");
        hash = fuzz_mix(fuzz_mix(hash, (uint64_t)m->port), m->port_off);
    }
    LAW(has_advert == m->has_port, "a statement for a port");
    LAW(!has_advert || (a.port == m->port && a.off == m->port_off && a.len == m->port_len), "and about this one");
    for (size_t i = 0; m->has_info_hash && i < sizeof m->info_hash; i++) {
        hash = fuzz_mix(hash, m->info_hash[i]);
    }
    return hash;
}

static uint64_t parse(const uint8_t *data, size_t size, uint8_t before)
{
    trackerwire_message m;
    trackerwire_kind kind;
    uint64_t hash;

    memset(&m, before, sizeof m);
    kind = trackerwire_udp_parse(&m, data, size);
    LAW(kind == (trackerwire_kind)m.kind && kind < TRACKERWIRE_LSD, "what is returned is in the message");
    hash = hash_message(&m, size);
    memset(&m, before, sizeof m);
    kind = trackerwire_lsd_parse(&m, data, size);
    LAW(kind == (trackerwire_kind)m.kind && (kind == TRACKERWIRE_NONE || kind == TRACKERWIRE_LSD), "and here");
    hash = fuzz_mix(hash, hash_message(&m, size));
    memset(&m, before, sizeof m);
    kind = trackerwire_http_parse(&m, data, size);
    LAW(kind == (trackerwire_kind)m.kind && (kind == TRACKERWIRE_NONE || kind == TRACKERWIRE_HTTP), "and here");
    return fuzz_mix(hash, hash_message(&m, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t hash = parse(data, size, 0);

    for (unsigned fill = 0; fill < 256; fill += 51) {
        uint8_t *copy = fuzz_copy(data, size, fill == 0 ? 0 : 64, (uint8_t)fill);

        LAW(parse(copy, size, (uint8_t)fill) == hash, "what lies around does not matter");
        free(copy);
    }
    for (size_t n = size % 5; n < size; n += fuzz_steps(size)) {
        uint8_t *copy = fuzz_copy(data, n, 0, 0);

        parse(copy, n, 0);
        free(copy);
    }
    return 0;
}
