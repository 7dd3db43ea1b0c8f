/* json_record.h: records as JSON, one object a line (schema.json describes them).
 *
 * A message record is lossless: encode makes the same bytes from it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_JSON_RECORD_H
#define VALIDATOR_JSON_RECORD_H

#include "input/client_name.h"
#include "input/run.h"
#include "output/strbuf.h"

/* json_record_message writes a message; from, packet and result are NULL for a message from the command line. */
void json_record_message(strbuf *out, const run *from, const run_packet *packet, const krpc_message *message,
                         const uint8_t *data, uint32_t len, const tracker_result *result);
void json_record_finding(strbuf *out, const run *from, const run_packet *packet, const krpc_finding *finding,
                         const uint8_t *data, uint32_t len);
void json_record_advert(strbuf *out, const run *from, const tracker_advert *advert);
/* from may be NULL: frames are those of one file. */
void json_record_node(strbuf *out, const run *from, const tracker_node *node);

/* json_record_packet_head writes the members that identify a packet, each after a comma: file (if there are several),
 * frame, timestamp, src_ip, src_port, dest_ip, dest_port. */
void json_record_packet_head(strbuf *out, const run *from, const tracker_packet *where, bool has_time);

/* json_record_body writes the keys of a message as members of an object, each after a comma. */
void json_record_body(strbuf *out, const krpc_message *message, const uint8_t *data, uint32_t len);

/* json_record_rule_members writes a rule as the members of an object: the record up to its closing brace. */
void json_record_rule_members(strbuf *out, krpc_rule rule);

#endif
