/* capture_list.h: packets from one capture after another, or from several by time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_LIST_H
#define VALIDATOR_CAPTURE_LIST_H

#include "input/capture.h"

/* capture_list reads num_paths captures. A capture that cannot be opened or is damaged is reported on standard error
 * and counted, and the others are read. */
typedef struct capture_list capture_list;

/* capture_list_new makes a list of captures ("-": standard input); paths stay the caller's and must outlive it. Errors
 * are not reported if is_repeat says that an earlier list did. */
capture_list *capture_list_new(char *const *paths, unsigned num_paths, bool merge, bool is_repeat);

/* capture_list_shift adds shift_ns to all times of the capture with that index. Call it before the first packet. */
void capture_list_shift(capture_list *list, unsigned file, int64_t shift_ns);

/* capture_list_advance opens the next capture that can be opened, with merge all of them, once; false: there is
 * none. */
bool capture_list_advance(capture_list *list);

/* capture_list_next reads the next packet; *file_out is the index of its path. Without merge it is false at the end of
 * each capture. With merge packets come in the order of their times (of equal times, in the order of the paths), and it
 * is false at the end of all. */
bool capture_list_next(capture_list *list, capture_packet *out, unsigned *file_out);

/* capture_list_would_wait: the next packet has not arrived on standard input yet, and does not within timeout_ms. */
bool capture_list_would_wait(const capture_list *list, int timeout_ms);

/* capture_list_name is how to call the capture with that index; NULL beyond the last. */
const char *capture_list_name(const capture_list *list, unsigned file);

/* capture_list_current is the index of the capture that capture_list_next reads without merge. */
unsigned capture_list_current(const capture_list *list);

/* capture_list_num_failed counts the captures that could not be read to their end. */
unsigned capture_list_num_failed(const capture_list *list);

/* capture_list_progress is the part of all captures that has been read, from 0 to 1; -1 where one is a pipe. */
double capture_list_progress(const capture_list *list);

void capture_list_free(capture_list *list);

#endif
