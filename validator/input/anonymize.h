/* anonymize.h: replaces addresses and ids, in the same way for the same key.
 *
 * Addresses are replaced one to one and keep common prefixes (two hosts of one network stay in one network); private
 * addresses stay private. Node ids, targets and info-hashes are replaced like this too, so distances stay the same.
 * Ports, transaction ids, versions and the structure of messages stay; all other strings become other bytes of the same
 * length. The tracker works on the originals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_ANONYMIZE_H
#define VALIDATOR_ANONYMIZE_H

#include <tracker/tracker.h>

typedef struct anonymizer anonymizer;

anonymizer *anonymizer_new(const char *key);
void anonymizer_free(anonymizer *by);

void anonymize_packet(anonymizer *by, tracker_packet *packet);
void anonymize_advert(anonymizer *by, tracker_advert *advert);
void anonymize_node(anonymizer *by, tracker_node *node);
void anonymize_result(anonymizer *by, tracker_result *result);

/* anonymize_message changes a message's bytes in place; its structure, and so every position, stays. message is the
 * decoded form of data. */
void anonymize_message(anonymizer *by, const krpc_message *message, uint8_t *data, uint32_t len);

/* anonymize_other zeroes the payload of any other packet, except uTP headers, the start of handshakes and PORT
 * messages. */
void anonymize_other(anonymizer *by, uint8_t *data, uint32_t len);

#endif
