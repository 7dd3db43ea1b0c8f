/* style.h: colour where a person looks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_STYLE_H
#define VALIDATOR_STYLE_H

#include <krpc/rules.h>

#include "output/strbuf.h"

#define STYLE_BOLD   "1"
#define STYLE_DIM    "2"
#define STYLE_RED    "1;31"
#define STYLE_YELLOW "33"
#define STYLE_CYAN   "36"
#define STYLE_GREEN  "32"

/* style_begin and style_end put an ANSI sequence where color is true, and nothing where it is not. */
static inline void style_begin(text *out, bool color, const char *style)
{
    if (color) {
        text_puts(out, "\033[");
        text_puts(out, style);
        text_char(out, 'm');
    }
}

static inline void style_end(text *out, bool color)
{
    if (color) {
        text_puts(out, "\033[0m");
    }
}

static inline void style_puts(text *out, bool color, const char *style, const char *string)
{
    style_begin(out, color, style);
    text_puts(out, string);
    style_end(out, color);
}

static inline const char *style_of_severity(krpc_severity severity)
{
    return severity == KRPC_SEVERITY_ERROR ? STYLE_RED : severity == KRPC_SEVERITY_WARN ? STYLE_YELLOW : STYLE_CYAN;
}

#endif
