/* wrap.c: see wrap.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "output/wrap.h"

#include <string.h>

#include <glib.h>

void wrap(strbuf *out, size_t start, const char *indent, size_t width)
{
    size_t len = out->len - start;
    char *copy = g_strndup(out->data + start, len);
    size_t column = 0;

    out->len = start;
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        size_t word_len = strlen(word);
        if (column > 0 && column + 1 + word_len > width) {
            strbuf_char(out, '\n');
            column = 0;
        }
        if (column == 0) {
            strbuf_puts(out, indent);
            column = strlen(indent);
        } else {
            strbuf_char(out, ' ');
            column++;
        }
        strbuf_put(out, word, word_len);
        column += word_len;
    }
    strbuf_char(out, '\n');
    g_free(copy);
}
