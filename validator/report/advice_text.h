/* advice_text.h: the advice of the tracker in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_ADVICE_TEXT_H
#define VALIDATOR_ADVICE_TEXT_H

#include <tracker/tracker.h>

#include "output/strbuf.h"

/* advice_text_line writes the one line of an advice (advice.def), advice_text what to do and how to check it, with the
 * ports of this node. */
void advice_text_line(strbuf *out, const tracker_node *node, const tracker_advice_item *item);
void advice_text(strbuf *out, const tracker_node *node, const tracker_advice_item *item);

/* advice_channel is a channel as an advice names it: "the key p". */
const char *advice_channel(uint8_t channel);

/* advice_next iterates over a set of missing evidence, the lowest bit first: it removes one from *missing and returns
 * it. *missing is not 0. */
tracker_missing advice_next(unsigned *missing);

#endif
