/* clock_shift.h: notices captures whose clocks are seconds apart.
 *
 * The same packet in two captures, before and after a NAT or at two places of one path, has times that differ by the
 * delay between the two places. Where most of such packets differ by the same seconds, the clocks do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CLOCK_SHIFT_H
#define VALIDATOR_CLOCK_SHIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "input/run.h"

typedef struct clock_shift clock_shift;

clock_shift *clock_shift_new(void);
void clock_shift_free(clock_shift *shift);

/* clock_shift_add takes a packet of a file. It uses a sample of the payloads, the same ones in each file. */
void clock_shift_add(clock_shift *shift, const run_packet *packet, unsigned file);

/* clock_shift_pair is how much later the clock of one file is. */
typedef struct clock_shift_pair {
    unsigned file;
    unsigned later_file;
    unsigned num_packets; /* in both files, of the sample */
    int64_t shift_ns;     /* the median, more than 0 */
} clock_shift_pair;

/* clock_shift_next returns the pairs of files whose clocks differ, one with each call; *at is 0 at first. */
bool clock_shift_next(clock_shift *shift, unsigned *at, clock_shift_pair *out);

#endif
