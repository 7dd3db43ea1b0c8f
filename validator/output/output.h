/* output.h: writes the result to standard output, or to a file under a temporary name that is renamed at the end.
 *
 * An error is printed once, on standard error, and remembered; the caller checks output_ok between two records.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_OUTPUT_H
#define VALIDATOR_OUTPUT_H

#include <stdbool.h>

#include "output/strbuf.h"

typedef struct output output;

/* output_new opens path; NULL or "-" is standard output. A regular file appears under its name at output_close,
 * complete, or not at all. If it cannot be opened, a message is printed and the result is NULL. */
output *output_new(const char *path);

/* output_text is the buffer to append to. */
strbuf *output_text(output *to);

/* output_record ends a record: it writes if the buffer is large enough. output_flush always writes. */
void output_record(output *to);
void output_flush(output *to);

/* output_ok is false after an error; nothing more is written then. */
bool output_ok(const output *to);

/* output_is_terminal is true if the output is a terminal. */
bool output_is_terminal(const output *to);

/* output_rename changes the name that the file gets at output_close. */
void output_rename(output *to, const char *path);

/* output_renew begins the next file, in a process whose copy closed this one: what was written is left to the copy. */
void output_renew(output *to);

/* output_copy replaces the file of this process by a copy, with what was written so far. It is called in a copy of the
 * process, which then closes it, while the original continues with its file. */
void output_copy(output *to);

/* output_fail stops the output after an error that was said. */
void output_fail(output *to);

/* output_close writes the rest, gives the file its name, and frees output; false if there was an error, now or before.
 * NULL is allowed and gives false. */
bool output_close(output *to);

/* say prints one line about a problem on standard error: "krpcscope: ...". Any thread may call it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
