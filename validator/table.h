/* table.h: columns as wide as what is in them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_TABLE_H
#define VALIDATOR_TABLE_H

#include <stdbool.h>

#include "text.h"

typedef struct table table;

/* table_new takes the headings; a heading that begins with '>' is for a column of numbers, on the right. */
table *table_new(const char *const *headings, unsigned num_columns);
/* table_cell begins the next cell: what is put into the text that it returns is the cell's. */
text *table_cell(table *of);
/* table_color gives the cell begun last an ANSI style. */
void table_color(table *of, const char *style);
unsigned table_num_rows(const table *of);
/* table_put writes it all, and frees the table; table_free only does the second. */
void table_free(table *of);
void table_put(text *out, table *of, bool color);

#endif
