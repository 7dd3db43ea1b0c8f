/* columns.h: columns as wide as what is in them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COLUMNS_H
#define VALIDATOR_COLUMNS_H

#include <stdbool.h>

#include "output/strbuf.h"

typedef struct columns columns;

/* columns_new takes the headings; a heading that begins with '>' is for a column of numbers, on the right. */
columns *columns_new(const char *const *headings, unsigned num_columns);
/* columns_cell begins the next cell: what is put into the text that it returns is the cell's. */
strbuf *columns_cell(columns *of);
/* columns_color gives the cell begun last an ANSI style. */
void columns_color(columns *of, const char *style);
unsigned columns_num_rows(const columns *of);
/* columns_put writes it all, nothing where there is no row, and frees the table; columns_free only does the second. */
void columns_free(columns *of);
void columns_put(strbuf *out, columns *of, bool color);

#endif
