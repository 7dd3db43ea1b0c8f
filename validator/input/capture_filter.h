/* capture_filter.h: --filter, with libpcap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_FILTER_H
#define VALIDATOR_CAPTURE_FILTER_H

#include "input/capture.h"

typedef struct capture_filter capture_filter;

/* capture_filter_new takes a BPF expression. If that does not compile for Ethernet, it returns NULL and *error_out
 * (free with g_free). */
capture_filter *capture_filter_new(const char *expression, char **error_out);
/* capture_filter_check prints what is wrong with an expression on standard error and returns false; true if it is
 * valid. */
bool capture_filter_check(const char *expression);
/* capture_filter_match compiles the expression for each link type at its first packet. If it does not compile for a
 * link type, or libpcap does not know the link type, nothing matches. */
bool capture_filter_match(capture_filter *f, const capture_packet *packet);
void capture_filter_free(capture_filter *f);

#endif
