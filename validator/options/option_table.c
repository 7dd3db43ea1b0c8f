/* option_table.c: see option_table.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options/option_table.h"

#include <string.h>

#include <glib.h>

const command_info command_table[NUM_COMMANDS] = {
#define COMMAND(SYMBOL, NAME, ARGUMENTS, MIN_ARGS, MAX_ARGS, OPERAND, FORMATS, SUMMARY)                                \
    [COMMAND_##SYMBOL] = {#NAME, ARGUMENTS, MIN_ARGS, MAX_ARGS, OPERAND_##OPERAND, FORMATS, SUMMARY},
#include "options/commands.def"
};

/* The words of options.def. */
enum {
#define COMMAND(SYMBOL, ...) SYMBOL = 1u << COMMAND_##SYMBOL,
#include "options/commands.def"
    ALL = (1u << NUM_COMMANDS) - 1
};

const option_info option_table[NUM_OPTIONS] = {
#define OPTION(FIELD, NAME, SHORT, ARGUMENT, PLACEHOLDER, VALUES, COMMANDS, HELP, MANUAL)                              \
    {NAME, SHORT, ARGUMENT_##ARGUMENT, PLACEHOLDER, VALUES, COMMANDS, HELP, MANUAL},
#include "options/options.def"
};

bool option_table_takes(command which, const option_info *option)
{
    return (option->commands & 1u << which) != 0;
}

const char *option_table_values(command which, const option_info *option)
{
    return option->argument == ARGUMENT_FORMAT ? command_table[which].formats : option->values;
}

int option_table_value_find(const char *values, const char *word)
{
    size_t len = strlen(word);

    for (int i = 0; *values != 0; i++) {
        size_t value_len = strcspn(values, " ");
        if (value_len == len && memcmp(values, word, len) == 0) {
            return i;
        }
        values += value_len;
        values += *values == ' ';
    }
    return -1;
}

char *option_table_value_list(const char *values)
{
    char **words = g_strsplit(values, " ", 0);
    char *list = g_strjoinv(", ", words);

    g_strfreev(words);
    return list;
}
