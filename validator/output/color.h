/* color.h: colours for terminals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COLOR_H
#define VALIDATOR_COLOR_H

#include <krpc/rules.h>

#include "output/strbuf.h"

#define COLOR_BOLD   "1"
#define COLOR_DIM    "2"
#define COLOR_RED    "1;31"
#define COLOR_YELLOW "33"
#define COLOR_CYAN   "36"
#define COLOR_GREEN  "32"

/* color_begin and color_end add an ANSI sequence if color is true. */
static inline void color_begin(strbuf *out, bool color, const char *style)
{
    if (color) {
        strbuf_puts(out, "\033[");
        strbuf_puts(out, style);
        strbuf_char(out, 'm');
    }
}

static inline void color_end(strbuf *out, bool color)
{
    if (color) {
        strbuf_puts(out, "\033[0m");
    }
}

static inline void color_puts(strbuf *out, bool color, const char *style, const char *string)
{
    color_begin(out, color, style);
    strbuf_puts(out, string);
    color_end(out, color);
}

static inline const char *color_of_severity(krpc_severity severity)
{
    return severity == KRPC_SEVERITY_ERROR ? COLOR_RED : severity == KRPC_SEVERITY_WARN ? COLOR_YELLOW : COLOR_CYAN;
}

#endif
