/* option_files.c: writes the man page's list of options and the completions of the shells from the tables.
 *
 * option-files man|bash|zsh|fish TEMPLATE OUTPUT copies TEMPLATE to OUTPUT and replaces the markers in it, such as
 * @options@. It runs while the project is built.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "options/option_table.h"

#define ALL             ((1u << NUM_COMMANDS) - 1)

/* The endings of capture files, as a pattern for the three shells. libwiretap opens other files too: where no name ends
 * like this, the shells offer all files. */
#define CAPTURE_ENDINGS "(pcap|pcapng|cap|snoop|erf)(|\\.gz|\\.zst|\\.lz4)"

/* How the shells complete a word that is not one of a few values. The names are functions of the templates. */
typedef struct action {
    const char *bash;
    const char *zsh;
    const char *fish;
} action;

#define CAPTURES_ACTION {"captures", "_krpcscope_captures", "(__krpcscope_captures)"}

static const action argument_actions[] = {
    [ARGUMENT_CAPTURE] = CAPTURES_ACTION,
    [ARGUMENT_PCAPNG] = {"pcapng", "_files -g \"*.pcapng(-.)\"", "(__krpcscope_files \"\\.pcapng\")"},
    [ARGUMENT_FILE] = {"files", "_files", "(__krpcscope_files \"\")"},
};

static const action operand_actions[] = {
    [OPERAND_NOTHING] = {"", "", ""},
    [OPERAND_CAPTURES] = CAPTURES_ACTION,
    [OPERAND_RECORDS] = {"records", "_files -g \"*.(ndjson|jsonl|json)(-.)\"",
                         "(__krpcscope_files \"\\.(ndjson|jsonl|json)\")"},
    [OPERAND_RULES] = {"rules captures", "{ _krpcscope_rules; _krpcscope_captures }", "(__krpcscope_rules)"},
};

/* Where each operand of zsh's _arguments is. */
static const char *const zsh_positions[] = {[OPERAND_CAPTURES] = "*", [OPERAND_RECORDS] = "1", [OPERAND_RULES] = "1"};

static void put_separator(FILE *out, const char *separator, bool *is_first)
{
    fputs(*is_first ? "" : separator, out);
    *is_first = false;
}

static void put_captures(FILE *out)
{
    fputs(CAPTURE_ENDINGS, out);
}

static void put_command_set(FILE *out, unsigned commands)
{
    bool is_first = true;

    for (command c = 0; c < NUM_COMMANDS; c++) {
        if ((commands & 1u << c) != 0) {
            put_separator(out, " ", &is_first);
            fputs(command_table[c].name, out);
        }
    }
}

static void put_commands(FILE *out)
{
    put_command_set(out, ALL);
}

/* The options that take a value. */
static void put_value_takers(FILE *out, const char *separator)
{
    bool is_first = true;

    for (const option_info *option = option_table; option < option_table + NUM_OPTIONS; option++) {
        if (option->argument == ARGUMENT_NONE) {
            continue;
        }
        put_separator(out, separator, &is_first);
        fprintf(out, "--%s", option->name);
        if (option->short_name != 0) {
            fprintf(out, "%s-%c", separator, option->short_name);
        }
    }
}

static void put_value_pattern(FILE *out)
{
    put_value_takers(out, " | ");
}

static void put_value_list(FILE *out)
{
    put_value_takers(out, " ");
}

/* Text for a string in single quotes. quote replaces a single quote, and the special characters get a backslash. */
static void put_quoted(FILE *out, const char *text, const char *quote, const char *special)
{
    for (; *text != 0; text++) {
        if (*text == '\'') {
            fputs(quote, out);
        } else {
            fputs(strchr(special, *text) != NULL ? "\\" : "", out);
            putc(*text, out);
        }
    }
}

/* --- the man page --- */

static void put_man_commands(FILE *out, unsigned commands)
{
    const char *separator = "\nOnly for ";

    for (command c = 0; c < NUM_COMMANDS; c++) {
        if ((commands & 1u << c) != 0) {
            fprintf(out, "%s*%s*", separator, command_table[c].name);
            unsigned rest = commands >> (c + 1);
            separator = (rest & (rest - 1)) == 0 ? " and " : ", "; /* one is left, or none */
        }
    }
    putc('.', out);
}

static void put_man_options(FILE *out)
{
    bool is_first = true;

    for (const option_info *option = option_table; option < option_table + NUM_OPTIONS; option++) {
        put_separator(out, "\n", &is_first);
        if (option->short_name != 0) {
            fprintf(out, "*-%c*, ", option->short_name);
        }
        fprintf(out, "*--%s*", option->name);
        if (option->argument != ARGUMENT_NONE) {
            fprintf(out, " _%s_", option->placeholder);
        }
        fprintf(out, "::\n%s", option->manual);
        if (option->commands != ALL) {
            put_man_commands(out, option->commands);
        }
        putc('\n', out);
    }
}

/* --- bash --- */

static void put_bash_options(FILE *out)
{
    for (command c = 0; c < NUM_COMMANDS; c++) {
        bool is_first = true;
        fprintf(out, "    %s) echo \"", command_table[c].name);
        for (const option_info *option = option_table; option < option_table + NUM_OPTIONS; option++) {
            if (option_table_takes(c, option)) {
                put_separator(out, " ", &is_first);
                fprintf(out, "--%s", option->name);
            }
        }
        fputs("\" ;;\n", out);
    }
}

static void put_bash_value(FILE *out, const char *command_name, const option_info *option, const char *values)
{
    const char *bash = argument_actions[option->argument].bash;

    fprintf(out, "    %s:--%s", command_name, option->name);
    if (option->short_name != 0) {
        fprintf(out, " | %s:-%c", command_name, option->short_name);
    }
    if (values != NULL) {
        fprintf(out, ") echo \"words %s\" ;;\n", values);
    } else {
        fprintf(out, ") echo %s ;;\n", bash != NULL ? bash : "text");
    }
}

static void put_bash_values(FILE *out)
{
    for (const option_info *option = option_table; option < option_table + NUM_OPTIONS; option++) {
        if (option->argument == ARGUMENT_FORMAT) {
            for (command c = 0; c < NUM_COMMANDS; c++) {
                if (option_table_takes(c, option)) {
                    put_bash_value(out, command_table[c].name, option, command_table[c].formats);
                }
            }
        } else if (option->argument != ARGUMENT_NONE) {
            put_bash_value(out, "*", option, option->values);
        }
    }
}

static void put_bash_operands(FILE *out)
{
    for (command c = 0; c < NUM_COMMANDS; c++) {
        fprintf(out, "    %s) echo \"%s\" ;;\n", command_table[c].name, operand_actions[command_table[c].operand].bash);
    }
}

/* --- zsh --- */

static void put_zsh_commands(FILE *out)
{
    for (command c = 0; c < NUM_COMMANDS; c++) {
        fprintf(out, "        '%s:", command_table[c].name);
        put_quoted(out, command_table[c].summary, "'\\''", "");
        fputs("'\n", out);
    }
}

/* An argument of _arguments, such as '(-f --format)'{-f+,--format=}'[Output format]:FORMAT:(text ndjson)'. */
static void put_zsh_option(FILE *out, command which, const option_info *option)
{
    const char *values = option_table_values(which, option);
    bool has_value = option->argument != ARGUMENT_NONE;
    const char *equals = has_value ? "=" : "";
    const char *zsh = argument_actions[option->argument].zsh;

    if (option->short_name == 0) {
        fprintf(out, "            '%s--%s%s", option->argument == ARGUMENT_TEXTS ? "*" : "", option->name, equals);
    } else if (option->argument == ARGUMENT_TEXTS) {
        fprintf(out, "            '*'{-%c%s,--%s%s}'", option->short_name, has_value ? "+" : "", option->name, equals);
    } else {
        fprintf(out, "            '(-%c --%s)'{-%c%s,--%s%s}'", option->short_name, option->name, option->short_name,
                has_value ? "+" : "", option->name, equals);
    }
    putc('[', out);
    put_quoted(out, option->help, "'\\''", "[]\\");
    putc(']', out);
    if (values != NULL) {
        fprintf(out, strchr(values, '=') != NULL ? ":%s:compadd -S \"\" - %s" : ":%s:(%s)", option->placeholder,
                values);
    } else if (has_value) {
        fprintf(out, ":%s:%s", option->placeholder, zsh != NULL ? zsh : "");
    }
    fputs("'\n", out);
}

static void put_zsh_options(FILE *out)
{
    for (command c = 0; c < NUM_COMMANDS; c++) {
        operand kind = command_table[c].operand;
        fprintf(out, "    %s)\n        options+=(\n", command_table[c].name);
        for (const option_info *option = option_table; option < option_table + NUM_OPTIONS; option++) {
            if (option_table_takes(c, option)) {
                put_zsh_option(out, c, option);
            }
        }
        if (kind != OPERAND_NOTHING) {
            fprintf(out, "            '%s: :%s'\n", zsh_positions[kind], operand_actions[kind].zsh);
        }
        fputs("        )\n        ;;\n", out);
    }
}

/* --- fish --- */

static void put_fish_row(FILE *out, unsigned commands)
{
    fputs("complete -c krpcscope", out);
    if (commands != ALL) {
        fputs(" -n '__krpcscope_command ", out);
        put_command_set(out, commands);
        putc('\'', out);
    }
}

static void put_fish_option(FILE *out, unsigned commands, const option_info *option, const char *values)
{
    const char *fish = argument_actions[option->argument].fish;

    put_fish_row(out, commands);
    if (option->short_name != 0) {
        fprintf(out, " -s %c", option->short_name);
    }
    fprintf(out, " -l %s", option->name);
    if (values != NULL || fish != NULL) {
        fprintf(out, " -x -a '%s'", values != NULL ? values : fish);
    } else if (option->argument != ARGUMENT_NONE) {
        fputs(" -x", out);
    }
    fputs(" -d '", out);
    put_quoted(out, option->help, "\\'", "\\");
    fputs("'\n", out);
}

static void put_fish_options(FILE *out)
{
    for (const option_info *option = option_table; option < option_table + NUM_OPTIONS; option++) {
        if (option->argument != ARGUMENT_FORMAT) {
            put_fish_option(out, option->commands, option, option->values);
            continue;
        }
        for (command c = 0; c < NUM_COMMANDS; c++) {
            if (option_table_takes(c, option)) {
                put_fish_option(out, 1u << c, option, command_table[c].formats);
            }
        }
    }
}

static void put_fish_commands(FILE *out)
{
    for (command c = 0; c < NUM_COMMANDS; c++) {
        fprintf(out, "complete -c krpcscope -n __krpcscope_first -a %s -d '", command_table[c].name);
        put_quoted(out, command_table[c].summary, "\\'", "\\");
        fputs("'\n", out);
    }
}

static void put_fish_operands(FILE *out)
{
    for (command c = 0; c < NUM_COMMANDS; c++) {
        if (command_table[c].operand != OPERAND_NOTHING) {
            put_fish_row(out, 1u << c);
            fprintf(out, " -a '%s'\n", operand_actions[command_table[c].operand].fish);
        }
    }
}

/* --- templates --- */

typedef struct marker {
    const char *kind; /* of the template; NULL: any */
    const char *name;
    void (*put)(FILE *out);
} marker;

static const marker markers[] = {
    {NULL, "@captures@", put_captures},        {"man", "@options@", put_man_options},
    {"bash", "@commands@", put_commands},      {"bash", "@operands@", put_bash_operands},
    {"bash", "@options@", put_bash_options},   {"bash", "@takes_value@", put_value_pattern},
    {"bash", "@values@", put_bash_values},     {"zsh", "@commands@", put_zsh_commands},
    {"zsh", "@options@", put_zsh_options},     {"zsh", "@takes_value@", put_value_pattern},
    {"fish", "@commands@", put_commands},      {"fish", "@command_rows@", put_fish_commands},
    {"fish", "@operands@", put_fish_operands}, {"fish", "@options@", put_fish_options},
    {"fish", "@takes_value@", put_value_list},
};

static const marker *find_marker(const char *kind, const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(markers); i++) {
        const marker *m = &markers[i];
        if ((m->kind == NULL || strcmp(m->kind, kind) == 0) && g_str_has_prefix(text, m->name)) {
            return m;
        }
    }
    return NULL;
}

/* A marker with a line to itself is replaced together with the end of the line. */
static void fill(FILE *out, const char *kind, const char *template)
{
    const char *text = template;

    while (*text != 0) {
        const marker *m = find_marker(kind, text);
        if (m == NULL) {
            putc(*text++, out);
            continue;
        }
        bool starts_line = text == template || text[-1] == '\n';
        m->put(out);
        text += strlen(m->name);
        text += starts_line && *text == '\n';
    }
}

int main(int argc, char **argv)
{
    char *template = NULL;
    GError *error = NULL;

    if (argc != 4) {
        fputs("usage: option-files man|bash|zsh|fish TEMPLATE OUTPUT\n", stderr);
        return EXIT_FAILURE;
    }
    if (!g_file_get_contents(argv[2], &template, NULL, &error)) {
        fprintf(stderr, "option-files: %s\n", error->message);
        g_error_free(error);
        return EXIT_FAILURE;
    }
    FILE *out = fopen(argv[3], "w");
    if (out == NULL) {
        perror(argv[3]);
        g_free(template);
        return EXIT_FAILURE;
    }
    fill(out, argv[1], template);
    g_free(template);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        perror(argv[3]);
        remove(argv[3]);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
