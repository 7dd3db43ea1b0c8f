/* frame_fragment.h: reassembles IP datagrams from their fragments.
 *
 * The number of datagrams, their bytes and their age (in capture time) are bounded. Overlapping fragments and their
 * datagram are refused, as RFC 5722 requires; datagrams that could not be reassembled are counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_FRAME_FRAGMENT_H
#define VALIDATOR_FRAME_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/frame.h"

/* frame_fragments holds the incomplete datagrams. */
typedef struct frame_fragments frame_fragments;

/* frame_fragment_stats counts datagrams. */
typedef struct frame_fragment_stats {
    uint64_t whole;       /* reassembled */
    uint64_t overlapping; /* refused: two fragments have different data for the same bytes */
    uint64_t expired;     /* not complete after 60 s, or at the end */
    uint64_t evicted;     /* dropped to make room */
    uint64_t cut;         /* a fragment was cut by the snap length */
    uint64_t malformed;   /* longer than a datagram can be, or fragments that do not fit together */
} frame_fragment_stats;

/* frame_fragments_new takes the bounds: max_datagrams at a time, and max_bytes of data in all of them. */
frame_fragments *frame_fragments_new(uint32_t max_datagrams, uint32_t max_bytes);

/* frame_fragments_free frees it; NULL is allowed. */
void frame_fragments_free(frame_fragments *fragments);

/* frame_fragments_parse is frame_parse with reassembly: for the fragment that completes a datagram it returns the
 * result for the whole datagram (datagram->data then belongs to the fragments and is valid until the next call); for
 * the others it returns FRAME_FRAGMENT. time_ns is the capture time of the frame. */
frame_status frame_fragments_parse(frame_fragments *fragments, frame_datagram *out, frame_link link,
                                   const uint8_t *data, uint32_t caplen, uint32_t wirelen, int64_t time_ns);

/* frame_fragments_finish drops the incomplete datagrams (counted as expired). */
void frame_fragments_finish(frame_fragments *fragments);

/* frame_fragments_stats returns the counters. */
const frame_fragment_stats *frame_fragments_stats(const frame_fragments *fragments);

#endif
