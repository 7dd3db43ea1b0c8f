/* filter.h: --filter, by libpcap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_FILTER_H
#define VALIDATOR_FILTER_H

#include "input/capture.h"

typedef struct filter filter;

/* filter_new takes a BPF expression; NULL, and *error_out (free with g_free), when it cannot be compiled at all. */
filter *filter_new(const char *expression, char **error_out);
/* filter_check says on standard error what is wrong with an expression; false when something is. */
bool filter_check(const char *expression);
/* filter_match compiles it for each link type when that comes first; a link type for which it has no meaning, or that
 * libpcap does not know, matches nothing. */
bool filter_match(filter *f, const capture_packet *packet);
void filter_free(filter *f);

#endif
