/* columns.c: see columns.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "output/columns.h"

#include <glib.h>

#include "output/color.h"

typedef struct cell {
    size_t off;
    const char *style;
} cell;

struct columns {
    const char *const *headings;
    unsigned num_columns;
    strbuf text;
    GArray *cells;
};

columns *columns_new(const char *const *headings, unsigned num_columns)
{
    columns *of = g_new0(columns, 1);

    of->headings = headings;
    of->num_columns = num_columns;
    of->cells = g_array_new(FALSE, FALSE, sizeof(cell));
    return of;
}

strbuf *columns_cell(columns *of)
{
    cell next = {of->text.len, NULL};

    g_array_append_val(of->cells, next);
    return &of->text;
}

void columns_color(columns *of, const char *style)
{
    g_array_index(of->cells, cell, of->cells->len - 1).style = style;
}

unsigned columns_num_rows(const columns *of)
{
    return of->cells->len / of->num_columns;
}

void columns_free(columns *of)
{
    g_array_unref(of->cells);
    strbuf_free(&of->text);
    g_free(of);
}

static size_t cell_len(const columns *of, unsigned index)
{
    size_t end = index + 1 < of->cells->len ? g_array_index(of->cells, cell, index + 1).off : of->text.len;

    return end - g_array_index(of->cells, cell, index).off;
}

static void put_cell(strbuf *out, const char *bytes, size_t len, size_t width, bool right, bool last)
{
    size_t start = out->len;

    if (right) {
        strbuf_pad(out, start, width - len);
    }
    strbuf_put(out, bytes, len);
    if (!last) {
        strbuf_pad(out, start, width + 2);
    }
}

void columns_put(strbuf *out, columns *of, bool color)
{
    if (columns_num_rows(of) == 0) {
        columns_free(of);
        return;
    }
    size_t *widths = g_new0(size_t, of->num_columns);

    for (unsigned i = 0; i < of->num_columns; i++) {
        widths[i] = strlen(of->headings[i]) - (of->headings[i][0] == '>');
    }
    for (unsigned i = 0; i < of->cells->len; i++) {
        widths[i % of->num_columns] = MAX(widths[i % of->num_columns], cell_len(of, i));
    }
    color_begin(out, color, COLOR_BOLD);
    for (unsigned i = 0; i < of->num_columns; i++) {
        bool right = of->headings[i][0] == '>';
        const char *heading = of->headings[i] + right;
        put_cell(out, heading, strlen(heading), widths[i], right, i + 1 == of->num_columns);
    }
    color_end(out, color);
    strbuf_char(out, '\n');
    for (unsigned i = 0; i < of->cells->len; i++) {
        const cell *at = &g_array_index(of->cells, cell, i);
        unsigned column = i % of->num_columns;
        bool last = column + 1 == of->num_columns;
        color_begin(out, color && at->style != NULL, at->style);
        put_cell(out, of->text.data + at->off, cell_len(of, i), widths[column], of->headings[column][0] == '>', last);
        color_end(out, color && at->style != NULL);
        if (last) {
            strbuf_char(out, '\n');
        }
    }
    g_free(widths);
    columns_free(of);
}
