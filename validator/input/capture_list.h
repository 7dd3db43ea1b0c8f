/* capture_list.h: packets out of one capture after another, or out of several at once by time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_LIST_H
#define VALIDATOR_CAPTURE_LIST_H

#include "input/capture.h"

/* source reads num_paths captures. Those that cannot be opened or are damaged are said on standard error, counted, and
 * the others go on. */
typedef struct capture_list capture_list;

/* capture_list_new opens the captures: all at once with merge, else the first when it is asked for. */
capture_list *capture_list_new(char *const *paths, unsigned num_paths, bool merge);

/* capture_list_next reads on; *file_out is which path. Without merge false comes at the end of each file, and capture_list_advance
 * goes on to the next one. With merge packets come in the order of their time, and there is one end. */
bool capture_list_next(capture_list *from, capture_packet *out, unsigned *file_out);
/* capture_list_advance opens the next capture that can be opened; false when there is none. */
bool capture_list_advance(capture_list *from);

/* capture_list_would_wait: the capture comes from standard input, and nothing is there to be read at once. */
bool capture_list_would_wait(const capture_list *from);

/* capture_list_name is how to call the capture that a packet came from; NULL beyond the last. */
const char *capture_list_name(const capture_list *from, unsigned file);
/* capture_list_current is the file that capture_list_next reads from. */
unsigned capture_list_current(const capture_list *from);
unsigned capture_list_num_failed(const capture_list *from);
/* capture_list_progress is the part of all files that has been read, -1 where a pipe is among them. */
double capture_list_progress(const capture_list *from);
/* capture_list_link_text names the link type of the packet read last from a file. */
const char *capture_list_link_text(const capture_list *from, unsigned file);
void capture_list_free(capture_list *from);

#endif
