/* pcapng_writer.h: packets with findings as a pcapng file, with the findings as comments.
 *
 * Three kinds of block are enough, so this code writes them: the writing functions of libwiretap differ in each of its
 * versions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PCAPNG_WRITER_H
#define VALIDATOR_PCAPNG_WRITER_H

#include "input/run.h"

typedef struct pcapng_writer pcapng_writer;

/* pcapng_writer_new opens path (written under a temporary name and renamed). With fresh_headers frames are not copied:
 * each packet gets new IP and transport headers with only its addresses and ports. After an error it has printed a
 * message and returns NULL. */
pcapng_writer *pcapng_writer_new(const char *path, bool fresh_headers);
void pcapng_writer_put(pcapng_writer *writer, const run *from, const run_packet *packet, const krpc_finding *findings,
                       size_t num_findings);
bool pcapng_writer_close(pcapng_writer *writer);

#endif
