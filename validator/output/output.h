/* output.h: where the result goes: standard output, or a file that is written beside and renamed.
 *
 * Errors are said once, on standard error, and remembered; the caller looks at output_ok between two records.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_OUTPUT_H
#define VALIDATOR_OUTPUT_H

#include <stdbool.h>

#include "output/strbuf.h"

typedef struct output output;

/* output_new opens path; NULL or "-" is standard output. A regular file appears under its name at output_close, whole,
 * or not at all. NULL when it cannot be opened, which has then been said on standard error. */
output *output_new(const char *path);

/* output_text is where to put what is to be written. */
strbuf *output_text(output *to);

/* output_record ends a record: it writes when enough has come together. output_flush writes in any case. */
void output_record(output *to);
void output_flush(output *to);

/* output_ok is false after an error: nothing more will be written. */
bool output_ok(const output *to);

/* output_is_terminal: a person looks at it. */
bool output_is_terminal(const output *to);

/* output_close writes the rest, gives the file its name, and frees output; false when something went wrong, now or
 * before. NULL is fine, and false. */
bool output_close(output *to);

/* say prints one line about something that is wrong on standard error: "krpcscope: ...". Threads may call it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
