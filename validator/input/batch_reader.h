/* reader.h: batches of datagrams out of captures: files, --filter, frame headers, fragments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_READER_H
#define VALIDATOR_READER_H

#include "input/batch.h"
#include "options/options.h"

typedef struct reader reader;

reader *reader_new(const options *with, bool keep_frames, bool wants_progress);
void reader_free(reader *r);

/* reader_fill fills a batch with packets of one file (of all files with --merge); ends_file is set in the last one of it.
 * False: there is nothing more to come. */
bool reader_fill(reader *r, batch *b);

/* reader_stop makes the next packet the last one; another thread may call it. */
void reader_stop(reader *r);
bool reader_is_stopped(const reader *r);

const char *reader_file_name(const reader *r, unsigned file);
/* reader_num_failed counts the files that could not be read to their end; ask when reading is over. */
unsigned reader_num_failed(const reader *r);

#endif
