/* record.h: what there is to say as JSON, one object a line (schema.json describes them).
 *
 * A message record loses nothing: encode makes the same bytes of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_RECORD_H
#define VALIDATOR_RECORD_H

#include "input/run.h"
#include "output/strbuf.h"

/* record_message writes a message; from, packet and result are NULL for one from the command line. */
void record_message(text *out, const run *from, const run_packet *packet, const krpc_message *message,
                    const uint8_t *data, uint32_t len, const tracker_result *result);
void record_finding(text *out, const run *from, const run_packet *packet, const krpc_finding *finding,
                    const uint8_t *data, uint32_t len);
void record_advert(text *out, const run *from, const tracker_advert *advert);
void record_node(text *out, const run *from, const tracker_node *node);

/* record_packet_head writes the members that say which packet it is, with a comma in front: file (where there are
 * several), frame, timestamp, src_ip, src_port, dest_ip, dest_port. */
void record_packet_head(text *out, const run *from, const tracker_packet *where, bool has_time);

/* record_body writes what a message says as the members of an object, with a comma in front. */
void record_body(text *out, const krpc_message *message, const uint8_t *data, uint32_t len);

/* record_client is the name of the program behind a version ("libtorrent 2.0.8", "unknown" for none), from a small
 * cache: the text is good until the next call. */
const char *record_client(const uint8_t *version, size_t len);

#endif
