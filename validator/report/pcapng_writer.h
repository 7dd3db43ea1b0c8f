/* capture_write.h: packets with findings as a pcapng file, the findings as comments.
 *
 * Three kinds of block are all it takes, so this is written here and not by libwiretap, whose way of writing differs in
 * each of its versions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_WRITE_H
#define VALIDATOR_CAPTURE_WRITE_H

#include "input/run.h"

typedef struct capture_writer capture_writer;

/* capture_writer_new opens path (written beside and renamed). With fresh_headers frames are not copied: each packet gets
 * an IP and transport header of its own, which hold what the packet says and nothing else. NULL after saying why. */
capture_writer *capture_writer_new(const char *path, bool fresh_headers);
void capture_writer_put(capture_writer *writer, const run *from, const run_packet *packet, const krpc_finding *findings,
                        size_t num_findings);
bool capture_writer_close(capture_writer *writer);

#endif
