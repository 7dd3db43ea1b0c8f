/* progress.h: how far it is, on standard error, for who looks at a terminal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PROGRESS_H
#define VALIDATOR_PROGRESS_H

#include "output/strbuf.h"

/* progress_show draws the line anew, but not within the first second of the program's work and not more than five times a
 * second. name is what is being read, part how much of it is done from 0 to 1, or less than 0 when nobody knows; packets
 * have been read since progress_begin. */
void progress_begin(void);
void progress_show(const char *name, double part, uint64_t packets);

/* progress_clear removes the line, where there is one, before something else is written to the terminal. */
void progress_clear(void);

/* progress_line adds the line for a terminal of width columns: it is never longer than width - 1, so that it does not
 * wrap. What does not fit is left out: the bar first, then the name, then the rest from its end. */
void progress_line(strbuf *out, unsigned width, const char *name, double part, uint64_t packets, double seconds);

#endif
