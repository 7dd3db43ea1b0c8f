/* capture_filter.h: --filter, by libpcap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_FILTER_H
#define VALIDATOR_CAPTURE_FILTER_H

#include "input/capture.h"

typedef struct capture_filter capture_filter;

/* capture_filter_new takes a BPF expression; NULL, and *error_out (free with g_free), when it cannot be compiled at all. */
capture_filter *capture_filter_new(const char *expression, char **error_out);
/* capture_filter_check says on standard error what is wrong with an expression; false when something is. */
bool capture_filter_check(const char *expression);
/* capture_filter_match compiles it for each link type when that comes first; a link type for which it has no meaning, or that
 * libpcap does not know, matches nothing. */
bool capture_filter_match(capture_filter *f, const capture_packet *packet);
void capture_filter_free(capture_filter *f);

#endif
