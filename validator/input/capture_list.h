/* source.h: packets out of one capture after another, or out of several at once by time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_SOURCE_H
#define VALIDATOR_SOURCE_H

#include "input/capture.h"

/* source reads num_paths captures. Those that cannot be opened or are damaged are said on standard error, counted, and
 * the others go on. */
typedef struct source source;

/* source_new opens the captures: all at once with merge, else the first when it is asked for. */
source *source_new(char *const *paths, unsigned num_paths, bool merge);

/* source_next reads on; *file_out is which path. Without merge false comes at the end of each file, and source_advance
 * goes on to the next one. With merge packets come in the order of their time, and there is one end. */
bool source_next(source *from, capture_packet *out, unsigned *file_out);
/* source_advance opens the next capture that can be opened; false when there is none. */
bool source_advance(source *from);

/* source_would_wait: the capture comes from standard input, and nothing is there to be read at once. */
bool source_would_wait(const source *from);

/* source_name is how to call the capture that a packet came from; NULL beyond the last. */
const char *source_name(const source *from, unsigned file);
/* source_current is the file that source_next reads from. */
unsigned source_current(const source *from);
unsigned source_num_failed(const source *from);
/* source_progress is the part of all files that has been read, -1 where a pipe is among them. */
double source_progress(const source *from);
/* source_link_text names the link type of the packet read last from a file. */
const char *source_link_text(const source *from, unsigned file);
void source_free(source *from);

#endif
