/* capture_list.h: reads packets from captures one after another, or from all of them merged by time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_LIST_H
#define VALIDATOR_CAPTURE_LIST_H

#include "input/capture.h"

/* capture_list reads num_paths captures. It prints a message about each capture that cannot be opened or is damaged,
 * counts it, and continues with the others. */
typedef struct capture_list capture_list;

/* capture_list_new opens the captures: all at once with merge, otherwise each when its turn comes. */
capture_list *capture_list_new(char *const *paths, unsigned num_paths, bool merge);

/* capture_list_next reads the next packet; *file_out is the index of its path. Without merge it returns false at the
 * end of each file, and capture_list_advance opens the next one. With merge the packets are in order of time, and it
 * returns false once. */
bool capture_list_next(capture_list *from, capture_packet *out, unsigned *file_out);
/* capture_list_advance opens the next capture that can be opened; false if there is none. */
bool capture_list_advance(capture_list *from);

/* capture_list_would_wait is true if the capture is standard input and no data has arrived. */
bool capture_list_would_wait(const capture_list *from);

/* capture_list_name returns the name of a packet's capture for messages; NULL after the last. */
const char *capture_list_name(const capture_list *from, unsigned file);
/* capture_list_current is the index of the file that capture_list_next reads. */
unsigned capture_list_current(const capture_list *from);
unsigned capture_list_num_failed(const capture_list *from);
/* capture_list_progress is the part of all files that has been read, -1 if one of them is a pipe. */
double capture_list_progress(const capture_list *from);
/* capture_list_link_text names the link type of the packet last read from a file. */
const char *capture_list_link_text(const capture_list *from, unsigned file);
void capture_list_free(capture_list *from);

#endif
