/* anonymize.h: other addresses and other ids, the same way for the same key.
 *
 * Addresses are replaced one to one and keep common prefixes (two hosts of one network stay in one network), and private
 * addresses stay private; node ids, targets and info-hashes too, so that distances stay what they were. Ports,
 * transaction ids, versions and the structure of messages stay; all other strings become other bytes of the same length.
 * What the tracker found out it found out about the originals.
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

/* anonymize_message changes a message's bytes in place; the structure, and so every position, stays. message is what
 * they were decoded as. */
void anonymize_message(anonymizer *by, const krpc_message *message, uint8_t *data, uint32_t len);

/* anonymize_other makes the payload of any other packet unreadable: only its length and a PORT message stay. */
void anonymize_other(anonymizer *by, uint8_t *data, uint32_t len);

#endif
