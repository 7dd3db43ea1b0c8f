/* frame_fragment.h: IP datagrams put together from their fragments.
 *
 * Bounded in datagrams, in bytes and by the capture's own time. Fragments that overlap are refused, as RFC 5722 asks,
 * and their datagram with them; what could not be put together is counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_FRAME_FRAGMENT_H
#define VALIDATOR_FRAME_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/frame.h"

/* frame_fragments holds the datagrams of which pieces are missing. */
typedef struct frame_fragments frame_fragments;

/* frame_fragment_stats counts datagrams. */
typedef struct frame_fragment_stats {
    uint64_t whole;       /* put together */
    uint64_t overlapping; /* refused: two fragments tell different things about the same bytes */
    uint64_t expired;     /* not complete after 60 s, or at the end */
    uint64_t evicted;     /* given up to make room */
    uint64_t cut;         /* a fragment was cut by the snap length */
    uint64_t malformed;   /* longer than a datagram can be, or pieces that do not fit together */
} frame_fragment_stats;

/* frame_fragments_new takes the bounds: at most max_datagrams at a time, and max_bytes of data in all of them. */
frame_fragments *frame_fragments_new(uint32_t max_datagrams, uint32_t max_bytes);

/* frame_fragments_free frees it; NULL is fine. */
void frame_fragments_free(frame_fragments *fragments);

/* frame_fragments_parse is frame_parse with reassembly: for the fragment that completes a datagram the result is that
 * of the whole (datagram->data is then the fragments' own memory, good until the next call); for the others it stays
 * FRAME_FRAGMENT. time_ns is the capture time of the frame. */
frame_status frame_fragments_parse(frame_fragments *fragments, frame_datagram *out, frame_link link,
                                   const uint8_t *data, uint32_t caplen, uint32_t wirelen, int64_t time_ns);

/* frame_fragments_finish gives up what is still incomplete (counted as expired). */
void frame_fragments_finish(frame_fragments *fragments);

/* frame_fragments_stats is what has happened so far. */
const frame_fragment_stats *frame_fragments_stats(const frame_fragments *fragments);

#endif
