/* option_table.h: the commands and options as constant tables, made from commands.def and options.def.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_OPTION_TABLE_H
#define VALIDATOR_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define ANY_NUMBER 0x7fffffffu

typedef enum command {
#define COMMAND(SYMBOL, ...) COMMAND_##SYMBOL,
#include "options/commands.def"
    NUM_COMMANDS
} command;

/* What the words after a command are. */
typedef enum operand { OPERAND_NOTHING, OPERAND_CAPTURES, OPERAND_RECORDS, OPERAND_RULES } operand;

typedef struct command_info {
    const char *name;
    const char *arguments;
    unsigned min_args;
    unsigned max_args;
    operand operand;
    const char *formats; /* separated by blanks, the default first */
    const char *summary;
} command_info;

extern const command_info command_table[NUM_COMMANDS];

/* What an option takes: see options.def. */
typedef enum argument {
    ARGUMENT_NONE,
    ARGUMENT_TEXT,
    ARGUMENT_TEXTS,
    ARGUMENT_NUMBER,
    ARGUMENT_CHOICE,
    ARGUMENT_FORMAT,
    ARGUMENT_CAPTURE,
    ARGUMENT_PCAPNG,
    ARGUMENT_FILE,
} argument;

enum {
#define OPTION(FIELD, ...) OPTION_##FIELD,
#include "options/options.def"
    NUM_OPTIONS
};

typedef struct option_info {
    const char *name;
    char short_name; /* 0: none */
    argument argument;
    const char *placeholder;
    const char *values; /* separated by blanks; NULL: none */
    unsigned commands;  /* a bit for each command, from the lowest */
    const char *help;
    const char *manual;
} option_info;

extern const option_info option_table[NUM_OPTIONS];

/* option_table_takes tells whether a command takes an option. */
bool option_table_takes(command which, const option_info *option);

/* option_table_values is what an option of a command can be, separated by blanks; NULL where no values are listed. */
const char *option_table_values(command which, const option_info *option);

/* option_table_value_find is the number of a word among values, from 0; -1: it is none of them. */
int option_table_value_find(const char *values, const char *word);

/* option_table_value_list is the values separated by ", ". Free it with g_free. */
char *option_table_value_list(const char *values);

#endif
