/* progress.h: a progress line on standard error, if that is a terminal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PROGRESS_H
#define VALIDATOR_PROGRESS_H

#include "output/strbuf.h"

/* progress_show redraws the line, but not within the first second of the program and at most five times a second. name
 * is the file that is read, part is how much of it is done, from 0 to 1, or less than 0 if unknown; packets have been
 * read since progress_begin. */
void progress_begin(void);
void progress_show(const char *name, double part, uint64_t packets);

/* progress_clear removes the line, if it is shown, before other text is written to the terminal. */
void progress_clear(void);

/* progress_line adds the line for a terminal of width columns, at most width - 1 columns long so that it does not wrap.
 * If it is too long, the bar is left out first, then the name, then the rest from its end. */
void progress_line(strbuf *out, unsigned width, const char *name, double part, uint64_t packets, double seconds);

#endif
