/* selection.h: the filters --node, --info-hash, --port and --client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_SELECTION_H
#define VALIDATOR_SELECTION_H

#include "input/run.h"

bool selection_message(const selection *which, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result);
/* selection_packet is for a packet whose message is not known: --node ADDRESS and --port can select it, if nothing else
 * is asked for. */
bool selection_packet(const selection *which, const tracker_packet *where);
bool selection_advert(const selection *which, const tracker_advert *advert);
/* selection_node checks a node's endpoint, its ids and the endpoints on which others see it. It ignores --info-hash:
 * see participants. */
bool selection_node(const selection *which, const tracker_node *node);

/* participants are the nodes that send messages about the torrent of --info-hash, at most 131072. participants_new
 * returns NULL without that option; then participants_has is true for every node. */
typedef struct participants participants;
participants *participants_new(const selection *which);
void participants_free(participants *all);
void participants_note(participants *all, const run_packet *packet, const krpc_message *message,
                       const tracker_result *result);
/* Also usable in host_text_filter. */
bool participants_has(void *all, const tracker_node *node);
/* selection_all is true if no filter was given. */
bool selection_all(const selection *which);

#endif
