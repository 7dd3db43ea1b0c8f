/* grid.h: columns as wide as what is in them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_GRID_H
#define VALIDATOR_GRID_H

#include <stdbool.h>

#include "output/strbuf.h"

typedef struct grid grid;

/* grid_new takes the headings; a heading that begins with '>' is for a column of numbers, on the right. */
grid *grid_new(const char *const *headings, unsigned num_columns);
/* grid_cell begins the next cell: what is put into the text that it returns is the cell's. */
text *grid_cell(grid *of);
/* grid_color gives the cell begun last an ANSI style. */
void grid_color(grid *of, const char *style);
unsigned grid_num_rows(const grid *of);
/* grid_put writes it all, nothing where there is no row, and frees the table; grid_free only does the second. */
void grid_free(grid *of);
void grid_put(text *out, grid *of, bool color);

#endif
