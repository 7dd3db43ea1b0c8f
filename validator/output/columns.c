/* grid.c: see grid.h.
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

struct grid {
    const char *const *headings;
    unsigned num_columns;
    text text;
    GArray *cells;
};

grid *grid_new(const char *const *headings, unsigned num_columns)
{
    grid *of = g_new0(grid, 1);

    of->headings = headings;
    of->num_columns = num_columns;
    of->cells = g_array_new(FALSE, FALSE, sizeof(cell));
    return of;
}

text *grid_cell(grid *of)
{
    cell next = {of->text.len, NULL};

    g_array_append_val(of->cells, next);
    return &of->text;
}

void grid_color(grid *of, const char *style)
{
    g_array_index(of->cells, cell, of->cells->len - 1).style = style;
}

unsigned grid_num_rows(const grid *of)
{
    return of->cells->len / of->num_columns;
}

void grid_free(grid *of)
{
    g_array_unref(of->cells);
    text_free(&of->text);
    g_free(of);
}

static size_t cell_len(const grid *of, unsigned index)
{
    size_t end = index + 1 < of->cells->len ? g_array_index(of->cells, cell, index + 1).off : of->text.len;

    return end - g_array_index(of->cells, cell, index).off;
}

static void put_cell(text *out, const char *bytes, size_t len, size_t width, bool right, bool last)
{
    size_t start = out->len;

    if (right) {
        text_pad(out, start, width - len);
    }
    text_put(out, bytes, len);
    if (!last) {
        text_pad(out, start, width + 2);
    }
}

void grid_put(text *out, grid *of, bool color)
{
    if (grid_num_rows(of) == 0) {
        grid_free(of);
        return;
    }
    size_t *widths = g_new0(size_t, of->num_columns);

    for (unsigned i = 0; i < of->num_columns; i++) {
        widths[i] = strlen(of->headings[i]) - (of->headings[i][0] == '>');
    }
    for (unsigned i = 0; i < of->cells->len; i++) {
        widths[i % of->num_columns] = MAX(widths[i % of->num_columns], cell_len(of, i));
    }
    style_begin(out, color, STYLE_BOLD);
    for (unsigned i = 0; i < of->num_columns; i++) {
        bool right = of->headings[i][0] == '>';
        const char *heading = of->headings[i] + right;
        put_cell(out, heading, strlen(heading), widths[i], right, i + 1 == of->num_columns);
    }
    style_end(out, color);
    text_char(out, '\n');
    for (unsigned i = 0; i < of->cells->len; i++) {
        const cell *at = &g_array_index(of->cells, cell, i);
        unsigned column = i % of->num_columns;
        bool last = column + 1 == of->num_columns;
        style_begin(out, color && at->style != NULL, at->style);
        put_cell(out, of->text.data + at->off, cell_len(of, i), widths[column], of->headings[column][0] == '>', last);
        style_end(out, color && at->style != NULL);
        if (last) {
            text_char(out, '\n');
        }
    }
    g_free(widths);
    grid_free(of);
}
