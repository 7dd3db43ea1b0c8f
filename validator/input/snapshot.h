/* snapshot.h: shows the result so far while input goes on.
 *
 * The process is copied. The copy ends the run as if input ended here, writes the result and exits, while the original
 * waits; so a snapshot is what a run over the packets so far prints, and it changes nothing that comes later.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_SNAPSHOT_H
#define VALIDATOR_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

/* snapshot_watch makes SIGUSR1 ask for a snapshot. snapshot_is_wanted is true from then until snapshot_clear. */
void snapshot_watch(void);
bool snapshot_is_wanted(void);
void snapshot_clear(void);

/* snapshot_run calls write in a copy of the process, waits for its end, and returns what write returned, at most 255.
 * If the process cannot be copied, that is said, and the result is 0. */
unsigned snapshot_run(unsigned (*write)(void *ctx), void *ctx);

#endif
