/* command_rules.c: lists all rules.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <krpc/rules.h>

#include "command/commands.h"
#include "output/color.h"
#include "output/columns.h"
#include "output/output.h"
#include "report/json_record.h"

int command_rules(const options *with)
{
    static const char *const headings[] = {"rule", "severity", "source", "finding"};
    output *to = output_new(with->output);
    char line[200];

    if (to == NULL) {
        return EXIT_TROUBLE;
    }
    columns *rows = columns_new(headings, 4);
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        const krpc_rule_info *info = krpc_rule_get((krpc_rule)i);
        if (with->format == FORMAT_NDJSON) {
            json_record_rule_members(output_text(to), (krpc_rule)i);
            strbuf_puts(output_text(to), "}\n");
            continue;
        }
        strbuf_puts(columns_cell(rows), info->slug);
        strbuf_puts(columns_cell(rows), krpc_severity_name(info->severity));
        columns_color(rows, color_of_severity(info->severity));
        strbuf_puts(columns_cell(rows), info->spec);
        krpc_rule_text(line, sizeof line, (krpc_rule)i);
        strbuf_puts(columns_cell(rows), line);
    }
    if (with->format == FORMAT_TEXT) {
        columns_put(output_text(to), rows, with->color);
    } else {
        columns_free(rows);
    }
    return output_close(to) ? EXIT_NOTHING : EXIT_TROUBLE;
}
