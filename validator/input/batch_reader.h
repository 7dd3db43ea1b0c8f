/* batch_reader.h: fills batches with the datagrams of captures: reads files, applies --filter, parses headers,
 * reassembles fragments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_BATCH_READER_H
#define VALIDATOR_BATCH_READER_H

#include "input/batch.h"
#include "options/options.h"

typedef struct batch_reader batch_reader;

batch_reader *batch_reader_new(const options *with, bool keep_frames, bool wants_progress);
void batch_reader_free(batch_reader *r);

/* batch_reader_fill fills a batch with packets of one file (of all files with --merge); ends_file is set in the last
 * batch of a file. False: there are no more packets. */
bool batch_reader_fill(batch_reader *r, batch *b);

/* batch_reader_stop ends reading after the next packet; another thread may call it. */
void batch_reader_stop(batch_reader *r);
bool batch_reader_is_stopped(const batch_reader *r);

const char *batch_reader_file_name(const batch_reader *r, unsigned file);
/* batch_reader_num_failed returns how many files could not be read to their end; valid when reading is over. */
unsigned batch_reader_num_failed(const batch_reader *r);

#endif
