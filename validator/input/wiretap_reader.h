/* wiretap_reader.h: capture files of every kind, by Wireshark's libwiretap.
 *
 * Loading libwiretap and the 25 libraries that it needs takes longer than reading most captures, so it is not linked
 * but loaded by the first wiretap_reader_open. Every difference between its versions 4.0, 4.4 and 4.6 is in
 * wiretap_reader.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_WIRETAP_READER_H
#define VALIDATOR_WIRETAP_READER_H

#include "input/capture.h"

typedef struct wiretap_reader wiretap_reader;

/* wiretap_reader_open opens the file at path ("-": standard input). NULL: *error_out says what is wrong with it, in a
 * few words that follow the file's name; free it with g_free. */
wiretap_reader *wiretap_reader_open(const char *path, char **error_out);

/* wiretap_reader_skip reads num_records records and drops them. */
void wiretap_reader_skip(wiretap_reader *reader, uint32_t num_records);

/* wiretap_reader_next reads on to the next packet, as capture_next does. With CAPTURE_ERROR *error_out is set as
 * above. */
capture_status wiretap_reader_next(wiretap_reader *reader, capture_packet *out, char **error_out);

/* wiretap_reader_link_text names the link type of the packet that was read last. */
const char *wiretap_reader_link_text(const wiretap_reader *reader);

/* wiretap_reader_num_records counts the records that were read. */
uint32_t wiretap_reader_num_records(const wiretap_reader *reader);

/* wiretap_reader_offset is how many bytes of the file itself, compressed or not, were read. */
int64_t wiretap_reader_offset(const wiretap_reader *reader);

void wiretap_reader_free(wiretap_reader *reader);

#endif
