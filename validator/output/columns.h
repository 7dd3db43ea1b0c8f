/* columns.h: a table whose columns are as wide as their cells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COLUMNS_H
#define VALIDATOR_COLUMNS_H

#include <stdbool.h>

#include "output/strbuf.h"

typedef struct columns columns;

/* columns_new takes the headings; a heading that begins with '>' right-aligns its column, for numbers. */
columns *columns_new(const char *const *headings, unsigned num_columns);
/* columns_cell begins the next cell; append the cell's text to the result. */
strbuf *columns_cell(columns *of);
/* columns_color sets the ANSI style of the last cell. */
void columns_color(columns *of, const char *style);
unsigned columns_num_rows(const columns *of);
/* columns_put writes the table, nothing if it has no row, and frees it; columns_free only frees it. */
void columns_free(columns *of);
void columns_put(strbuf *out, columns *of, bool color);

#endif
