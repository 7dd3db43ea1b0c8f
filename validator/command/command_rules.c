/* rules.c: the list of all rules.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <krpc/rules.h>

#include "command/commands.h"
#include "output/color.h"
#include "output/columns.h"
#include "output/output.h"

static void put_member(text *out, const char *before, const char *value)
{
    text_puts(out, before);
    text_json(out, value, strlen(value));
}

void rules_put_members(text *out, krpc_rule rule)
{
    const krpc_rule_info *info = krpc_rule_get(rule);
    char line[200];

    krpc_rule_text(line, sizeof line, rule);
    put_member(out, "{\"type\":\"rule\",\"rule\":", info->slug);
    put_member(out, ",\"severity\":", krpc_severity_name(info->severity));
    put_member(out, ",\"spec\":", info->spec);
    put_member(out, ",\"message\":", line);
    put_member(out, ",\"explanation\":", info->explanation);
}

int rules_main(const options *with)
{
    static const char *const headings[] = {"rule", "severity", "from", "what"};
    output *to = output_new(with->output);
    char line[200];

    if (to == NULL) {
        return EXIT_TROUBLE;
    }
    grid *rows = grid_new(headings, 4);
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        const krpc_rule_info *info = krpc_rule_get((krpc_rule)i);
        if (with->format == FORMAT_NDJSON) {
            rules_put_members(output_text(to), (krpc_rule)i);
            text_puts(output_text(to), "}\n");
            continue;
        }
        text_puts(grid_cell(rows), info->slug);
        text_puts(grid_cell(rows), krpc_severity_name(info->severity));
        grid_color(rows, style_of_severity(info->severity));
        text_puts(grid_cell(rows), info->spec);
        krpc_rule_text(line, sizeof line, (krpc_rule)i);
        text_puts(grid_cell(rows), line);
    }
    if (with->format == FORMAT_TEXT) {
        grid_put(output_text(to), rows, with->color);
    } else {
        grid_free(rows);
    }
    return output_close(to) ? EXIT_NOTHING : EXIT_TROUBLE;
}
