/* selection.h: what --node, --info-hash, --port and --client let through.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_SELECTION_H
#define VALIDATOR_SELECTION_H

#include "input/run.h"

bool selection_message(const selection *which, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result);
bool selection_advert(const selection *which, const tracker_advert *advert);
/* selection_node looks at a node's endpoint, its ids and the endpoints on which others see it; --info-hash lets all through:
 * for that there are participants. */
bool selection_node(const selection *which, const tracker_node *node);

/* participants are those who send messages about the torrent of --info-hash. participants_new gives NULL where it was not
 * asked for, and of NULL everybody is one. At most 131072 are kept. */
typedef struct participants participants;
participants *participants_new(const selection *which);
void participants_free(participants *all);
void participants_note(participants *all, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result);
/* For node_text_filter, too. */
bool participants_has(void *all, const tracker_node *node);
/* selection_all is true where nothing was asked for. */
bool selection_all(const selection *which);

#endif
