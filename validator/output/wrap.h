/* wrap.h: breaks sentences into lines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_WRAP_H
#define VALIDATOR_WRAP_H

#include "output/strbuf.h"

/* wrap breaks the text since start into lines of at most width columns, including the indent, and ends the last one. */
void wrap(strbuf *out, size_t start, const char *indent, size_t width);

#endif
