/* message_text.h: a message as text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_MESSAGE_TEXT_H
#define VALIDATOR_MESSAGE_TEXT_H

#include "input/run.h"
#include "output/strbuf.h"

/* message_text_line writes one line: frame, time, source, destination, summary. */
void message_text_line(strbuf *out, const run *from, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result, bool color);
/* message_text_summary writes only the summary, for a message without a packet. */
void message_text_summary(strbuf *out, const krpc_message *message, const uint8_t *data, bool color);
/* message_text_details writes an indented line for each value. */
void message_text_details(strbuf *out, const krpc_message *message, const uint8_t *data, bool color);
/* message_text_finding writes an indented line for a finding about a payload; from may be NULL. */
void message_text_finding(strbuf *out, const run *from, const krpc_finding *finding, const uint8_t *data, uint32_t len,
                          bool color);

/* message_text_id writes the first bytes of an id: "3f1a9c0b". */
void message_text_id(strbuf *out, const uint8_t *id);

#endif
