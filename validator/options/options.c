/* options.c: see options.h. GOption parses what the tables of option_table.h describe.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <glib.h>

#include "options/option_table.h"
#include "options/version.h"
#include "output/output.h"

static const char *const format_names[NUM_FORMATS] = {
    [FORMAT_TEXT] = "text",   [FORMAT_NDJSON] = "ndjson", [FORMAT_SARIF] = "sarif",
    [FORMAT_JUNIT] = "junit", [FORMAT_HTML] = "html",     [FORMAT_EVE] = "eve",
};

/* The C type and the GOption type of each kind of argument. */
typedef gboolean value_NONE;
typedef int value_NUMBER;
typedef char *value_TEXT, *value_CHOICE, *value_FORMAT, *value_CAPTURE, *value_PCAPNG, *value_FILE;
typedef char **value_TEXTS;

static const GOptionArg option_args[] = {
    [ARGUMENT_NONE] = G_OPTION_ARG_NONE,          [ARGUMENT_TEXT] = G_OPTION_ARG_STRING,
    [ARGUMENT_TEXTS] = G_OPTION_ARG_STRING_ARRAY, [ARGUMENT_NUMBER] = G_OPTION_ARG_INT,
    [ARGUMENT_CHOICE] = G_OPTION_ARG_STRING,      [ARGUMENT_FORMAT] = G_OPTION_ARG_STRING,
    [ARGUMENT_CAPTURE] = G_OPTION_ARG_FILENAME,   [ARGUMENT_PCAPNG] = G_OPTION_ARG_FILENAME,
    [ARGUMENT_FILE] = G_OPTION_ARG_FILENAME,
};

/* What GOption reads, before it is checked. */
typedef struct raw_options {
#define OPTION(FIELD, NAME, SHORT, ARGUMENT, ...) value_##ARGUMENT FIELD;
#include "options/options.def"
} raw_options;

static const size_t raw_offsets[NUM_OPTIONS] = {
#define OPTION(FIELD, ...) offsetof(raw_options, FIELD),
#include "options/options.def"
};

static const char *help_line(command which, const option_info *option)
{
    static char lines[NUM_OPTIONS][128];

    if (option->argument != ARGUMENT_CHOICE && option->argument != ARGUMENT_FORMAT) {
        return option->help;
    }
    char *line = lines[option - option_table];
    char *list = option_table_value_list(option_table_values(which, option));
    g_snprintf(line, sizeof *lines, "%s: %s", option->help, list);
    g_free(list);
    return line;
}

static GOptionContext *context_new(command which, raw_options *raw)
{
    GOptionEntry entries[NUM_OPTIONS + 1] = {{0}};
    unsigned n = 0;

    for (unsigned i = 0; i < NUM_OPTIONS; i++) {
        const option_info *option = &option_table[i];
        if (option_table_takes(which, option)) {
            entries[n++] = (GOptionEntry){.long_name = option->name,
                                          .short_name = option->short_name,
                                          .arg = option_args[option->argument],
                                          .arg_data = (char *)raw + raw_offsets[i],
                                          .description = help_line(which, option),
                                          .arg_description = option->placeholder};
        }
    }
    GOptionContext *context = g_option_context_new(command_table[which].arguments);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, FALSE);
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

static const char examples[] =
    "Examples:\n"
    "  krpcscope trace.pcapng                        what is wrong, and which nodes are behind a NAT\n"
    "  krpcscope ports --verbose trace.pcapng        the advertised ports, and whether others used them\n"
    "  krpcscope reach trace.pcapng                  can others reach these hosts, and what to change\n"
    "  krpcscope nodes --client libtorrent *.pcap    what NATs do to the ports of these nodes\n"
    "  krpcscope decode -f ndjson trace.pcap | jq .  every message, with typed values\n"
    "  krpcscope compare --inside lan.pcap --outside wan.pcap\n"
    "  tcpdump -w - udp | krpcscope check -          read from a pipe\n"
    "  krpcscope explain port.differs-from-source    what a finding means\n"
    "\n";

static void print_commands(void)
{
    puts("Commands:");
    for (unsigned i = 0; i < NUM_COMMANDS; i++) {
        char head[64];
        g_snprintf(head, sizeof head, "%s %s", command_table[i].name, command_table[i].arguments);
        printf("  krpcscope %-31s %s\n", head, command_table[i].summary);
    }
    puts("\n'krpcscope COMMAND --help' shows a command's options. CAPTURE '-' is standard input.\n"
         "Exit status: 0 no findings at or above --fail-on, 1 findings, 2 wrong usage or a file that\n"
         "could not be read.\n");
}

/* The first lines of GOption's help are left out: they do not know of commands. */
static void print_help(command which, bool named, raw_options *raw)
{
    if (!named) {
        fputs(examples, stdout);
        print_commands();
    } else {
        printf("krpcscope %s%s%s\n  %s\n\n", command_table[which].name, *command_table[which].arguments != 0 ? " " : "",
               command_table[which].arguments, command_table[which].summary);
    }
    GOptionContext *context = context_new(which, raw);
    char *help = g_option_context_get_help(context, TRUE, NULL);
    const char *list = strstr(help, "\n\n");
    printf("%s%s", named ? "Options:" : "Options of check:", list != NULL ? strchr(list + 2, '\n') : help);
    g_free(help);
    g_option_context_free(context);
}

static bool wrong(const char *message, ...) G_GNUC_PRINTF(1, 2);
static bool wrong(const char *message, ...)
{
    va_list args;

    va_start(args, message);
    char *line = g_strdup_vprintf(message, args);
    va_end(args);
    say("%s", line);
    g_free(line);
    return false;
}

/* Is a word one of the option's values? NULL, an option that was not given, is. */
static bool check_value(const options *out, unsigned which, const char *word)
{
    const option_info *option = &option_table[which];
    const char *values = option_table_values(out->command, option);

    if (word == NULL || option_table_value_find(values, word) >= 0) {
        return true;
    }
    char *list = option_table_value_list(values);
    wrong("--%s %s: %s takes one of %s", option->name, word, command_table[out->command].name, list);
    g_free(list);
    return false;
}

static bool parse_format(options *out, const char *name)
{
    for (unsigned i = 0; name != NULL && i < NUM_FORMATS; i++) {
        if (strcmp(name, format_names[i]) == 0) {
            out->format = (format)i;
        }
    }
    return check_value(out, OPTION_format, name);
}

static bool parse_fail_on(options *out, const char *name)
{
    out->fail_on = KRPC_SEVERITY_ERROR;
    for (int i = KRPC_SEVERITY_NOTE; name != NULL && i <= KRPC_SEVERITY_ERROR; i++) {
        if (strcmp(name, krpc_severity_name((krpc_severity)i)) == 0) {
            out->fail_on = (krpc_severity)i;
        }
    }
    return check_value(out, OPTION_fail_on, name);
}

static bool parse_color(options *out, const char *when)
{
    const char *no_color = getenv("NO_COLOR");

    if (when == NULL || strcmp(when, "auto") == 0) {
        out->color = isatty(STDOUT_FILENO) && (out->output == NULL) && (no_color == NULL || *no_color == 0);
    } else {
        out->color = strcmp(when, "always") == 0;
    }
    return check_value(out, OPTION_color, when);
}

static bool parse_number(guint64 *out, const char *digits, guint64 max)
{
    return g_ascii_string_to_unsigned(digits, 10, 0, max, out, NULL);
}

/* As tshark takes it. The protocol may follow after a comma; there is only one for each transport. */
static bool parse_decode_as_rule(options *out, const char *rule)
{
    bool is_udp = g_str_has_prefix(rule, "udp.port==");
    const char *protocol = strchr(rule, ',');
    char *bare = g_strndup(rule, protocol != NULL ? (size_t)(protocol - rule) : strlen(rule));
    guint64 port;
    bool is_port =
        (is_udp || g_str_has_prefix(rule, "tcp.port==")) && parse_number(&port, bare + strlen("udp.port=="), 65535);

    g_free(bare);
    if (!is_port) {
        return wrong("--decode-as %s: it takes udp.port==N or tcp.port==N, with N from 0 to 65535", rule);
    }
    if (protocol != NULL && strcmp(protocol + 1, is_udp ? "krpc" : "bittorrent") != 0) {
        return wrong("--decode-as %s: over %s, the protocol is %s", rule, is_udp ? "UDP" : "TCP",
                     is_udp ? "krpc" : "bittorrent");
    }
    unsigned *num = is_udp ? &out->num_udp_ports : &out->num_tcp_ports;
    if (*num == MAX_PORTS) {
        return wrong("--decode-as %s: at most %d ports", rule, MAX_PORTS);
    }
    (is_udp ? out->udp_ports : out->tcp_ports)[(*num)++] = (uint16_t)port;
    return true;
}

static bool parse_decode_as(options *out, char *const *rules)
{
    for (; rules != NULL && *rules != NULL; rules++) {
        if (!parse_decode_as_rule(out, *rules)) {
            return false;
        }
    }
    return true;
}

static bool parse_id(uint8_t out[20], const char *hex)
{
    if (strlen(hex) != 40) {
        return false;
    }
    for (unsigned i = 0; i < 20; i++) {
        int high = g_ascii_xdigit_value(hex[2 * i]);
        int low = g_ascii_xdigit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_node(selection *out, const char *node)
{
    uint8_t addr[16];
    guint64 port = 0;

    if (parse_id(out->id, node)) {
        out->has_id = true;
        return true;
    }
    if (inet_pton(AF_INET6, node, addr) == 1) {
        krpc_endpoint_set(&out->endpoint, addr, 16, 0);
        return true;
    }
    const char *colon = strrchr(node, ':');
    char *host = g_strndup(node, colon != NULL ? (size_t)(colon - node) : strlen(node));
    bool fits = colon == NULL || parse_number(&port, colon + 1, 65535);
    size_t len = strlen(host);
    bool is_ipv6 = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (is_ipv6) {
        host[len - 1] = 0;
        fits = fits && inet_pton(AF_INET6, host + 1, addr) == 1;
    } else {
        fits = fits && inet_pton(AF_INET, host, addr) == 1;
    }
    g_free(host);
    if (!fits) {
        return wrong("--node %s: it takes ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or a node id of 40 hex digits", node);
    }
    krpc_endpoint_set(&out->endpoint, addr, is_ipv6 ? 16 : 4, (uint16_t)port);
    return true;
}

/* A number of seconds, up to a hundred years. */
static bool parse_seconds(int64_t *out_ns, const char *text)
{
    char *end;
    double seconds = g_ascii_strtod(text, &end);

    if (end == text || *end != 0 || !(seconds > -3.2e9 && seconds < 3.2e9)) {
        return false;
    }
    *out_ns = (int64_t)(seconds * 1e9 + (seconds < 0 ? -0.5 : 0.5));
    return true;
}

static bool parse_shifts(options *out, char **shifts)
{
    out->shifts = shifts;
    for (; shifts != NULL && *shifts != NULL; shifts++) {
        const char *equals = strrchr(*shifts, '=');
        int64_t ns;
        if (equals == NULL || equals == *shifts || !parse_seconds(&ns, equals + 1)) {
            return wrong("--shift %s: it takes FILE=SECONDS, such as wan.pcap=-3.2", *shifts);
        }
    }
    return true;
}

bool options_shift(const options *with, const char *path, int64_t *shift_ns)
{
    const char *slash = strrchr(path, '/');
    bool found = false;

    *shift_ns = 0;
    for (char **shift = with->shifts; shift != NULL && *shift != NULL; shift++) {
        const char *equals = strrchr(*shift, '=');
        size_t len = (size_t)(equals - *shift);
        if ((strlen(path) == len && memcmp(path, *shift, len) == 0) ||
            (slash != NULL && strlen(slash + 1) == len && memcmp(slash + 1, *shift, len) == 0)) {
            found = parse_seconds(shift_ns, equals + 1);
        }
    }
    return found;
}

#define MAX_PERIOD_S ((guint64)36500 * 86400)

/* A number and a unit. */
static bool parse_period(int64_t *out_ns, const char *option, const char *text)
{
    static const struct {
        char unit;
        guint64 seconds;
    } units[] = {{0, 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;

    if (text == NULL) {
        return true;
    }
    guint64 number = g_ascii_strtoull(text, &end, 10);
    for (unsigned i = 0; i < G_N_ELEMENTS(units); i++) {
        bool is_unit = *end == units[i].unit && (*end == 0 || end[1] == 0);
        if (g_ascii_isdigit(*text) && is_unit && number > 0 && number <= MAX_PERIOD_S / units[i].seconds) {
            *out_ns = (int64_t)(number * units[i].seconds) * 1000000000;
            return true;
        }
    }
    return wrong("%s %s: it takes a time such as 60s, 5m, 1h or 1d", option, text);
}

/* The time of a file is in its name, not in that of its folder. */
static bool parse_snapshots(options *out, const raw_options *raw)
{
    const char *slash = out->output != NULL ? strrchr(out->output, '/') : NULL;
    const char *percent = out->output != NULL ? strchr(out->output, '%') : NULL;

    out->metrics = raw->metrics;
    if (!parse_period(&out->every_ns, "--every", raw->every) ||
        !parse_period(&out->rotate_ns, "--rotate", raw->rotate)) {
        return false;
    }
    if (out->rotate_ns != 0 && (percent == NULL || percent < slash)) {
        return wrong("--rotate needs -o with a file name for strftime(3), such as -o nodes-%%Y%%m%%d-%%H.txt");
    }
    if (out->rotate_ns != 0 &&
        (out->format == FORMAT_SARIF || out->format == FORMAT_JUNIT || out->format == FORMAT_HTML)) {
        return wrong("--rotate takes the formats text, ndjson and eve; --every has all of them");
    }
    if (out->every_ns != 0 && out->output == NULL && !options_can_append(out)) {
        return wrong("--every needs -o with this format: standard output cannot hold several documents");
    }
    return true;
}

bool options_can_append(const options *with)
{
    return with->format == FORMAT_TEXT || with->format == FORMAT_NDJSON || with->format == FORMAT_EVE;
}

static bool parse_selection(selection *out, const raw_options *raw)
{
    out->port = -1;
    out->client = raw->client;
    if (raw->node != NULL && !parse_node(out, raw->node)) {
        return false;
    }
    if (raw->info_hash != NULL) {
        if (!parse_id(out->info_hash, raw->info_hash)) {
            return wrong("--info-hash %s: an info-hash has 40 hex digits", raw->info_hash);
        }
        out->has_info_hash = true;
    }
    if (raw->port != G_MININT) {
        if (raw->port < 0 || raw->port > 65535) {
            return wrong("--port %d: a port is a number from 0 to 65535", raw->port);
        }
        out->port = raw->port;
    }
    return true;
}

static bool parse_numbers(options *out, const raw_options *raw)
{
    if (raw->threads != 1 && raw->threads != 2) {
        return wrong("--threads %d: it takes 1 or 2", raw->threads);
    }
    if (raw->max_nodes < 0) {
        return wrong("--max-nodes %d: it takes a number of endpoints, 0 for the default", raw->max_nodes);
    }
    out->threads = (unsigned)raw->threads;
    out->max_nodes = (uint32_t)raw->max_nodes;
    return true;
}

/* Was an option given that has no effect unless a capture is read? */
static bool is_about_captures(const options *out, const raw_options *raw)
{
    return raw->filter != NULL || raw->decode_as != NULL || raw->merge || raw->anonymize != NULL || raw->node != NULL ||
           raw->info_hash != NULL || raw->client != NULL || out->selection.port >= 0 || raw->max_nodes != 0;
}

static bool parse_rest(options *out, const raw_options *raw)
{
    const command_info *info = &command_table[out->command];

    if (out->num_args > info->max_args) {
        return wrong("%s: too many arguments for %s", out->args[info->max_args], info->name);
    }
    if (out->num_args < info->min_args) {
        return wrong("%s needs %s; see krpcscope %s --help", info->name, info->arguments, info->name);
    }
    if (out->command == COMMAND_DECODE && (out->num_args == 0) != (out->hex != NULL)) {
        return wrong("decode needs captures or --hex, and not both");
    }
    if (out->hex != NULL && is_about_captures(out, raw)) {
        return wrong("--hex decodes one message: options that select, merge or anonymize packets have no effect on it");
    }
    if (out->command == COMMAND_EXPLAIN && out->num_args == 1 && is_about_captures(out, raw)) {
        return wrong("explain %s reads no capture: --filter, --decode-as and --max-nodes have no effect on it",
                     out->args[0]);
    }
    if (out->command == COMMAND_COMPARE && (out->inside == NULL || out->outside == NULL)) {
        return wrong("compare needs --inside CAPTURE and --outside CAPTURE");
    }
    if (out->each && out->format != FORMAT_TEXT) {
        return wrong("--each needs --format text; --format ndjson has one line per finding without it");
    }
    if (raw->anonymize != NULL && *raw->anonymize == 0) {
        return wrong("--anonymize needs a key that is not empty");
    }
    return true;
}

static bool convert(options *out, const raw_options *raw)
{
    out->output = raw->output != NULL && strcmp(raw->output, "-") == 0 ? NULL : raw->output;
    out->filter = raw->filter;
    out->write = raw->write;
    out->anonymize = raw->anonymize;
    out->inside = raw->inside;
    out->outside = raw->outside;
    out->hex = raw->hex;
    out->merge = raw->merge;
    out->quiet = raw->quiet;
    out->verbose = raw->verbose;
    out->each = raw->each;
    out->raw = raw->raw;
    return parse_format(out, raw->format) && parse_fail_on(out, raw->fail_on) && parse_color(out, raw->color) &&
           parse_decode_as(out, raw->decode_as) && parse_shifts(out, raw->shift) && parse_snapshots(out, raw) &&
           parse_selection(&out->selection, raw) && parse_numbers(out, raw) && parse_rest(out, raw);
}

static bool find_command(command *out, const char *word)
{
    for (unsigned i = 0; i < NUM_COMMANDS; i++) {
        if (strcmp(word, command_table[i].name) == 0) {
            *out = (command)i;
            return true;
        }
    }
    return false;
}

/* Is the next word the value of this one? */
static bool takes_value(const char *word)
{
    for (unsigned i = 0; i < NUM_OPTIONS; i++) {
        const option_info *option = &option_table[i];
        bool is_it = word[1] == '-' ? strcmp(word + 2, option->name) == 0
                                    : word[1] != 0 && word[1] == option->short_name && word[2] == 0;
        if (is_it) {
            return option->argument != ARGUMENT_NONE;
        }
    }
    return false;
}

/* The command is the first word that is not an option or the value of one. A capture that has the name of a command can
 * be given as ./NAME. */
static bool take_command(options *out, char **argv, int argc)
{
    int i = 1;

    out->command = COMMAND_CHECK;
    for (; i < argc && argv[i][0] == '-' && strcmp(argv[i], "-") != 0 && strcmp(argv[i], "--") != 0; i++) {
        if (takes_value(argv[i])) {
            i++;
        }
    }
    if (i >= argc || !find_command(&out->command, argv[i])) {
        return false;
    }
    g_free(argv[i]);
    memmove(argv + i, argv + i + 1, (size_t)(argc - i) * sizeof *argv);
    return true;
}

bool options_parse(options *out, int *status, int argc, char **argv)
{
    static raw_options raw = {.port = G_MININT};
    GError *error = NULL;

    raw.threads = g_get_num_processors() > 1 ? 2 : 1;

    *out = (options){0};
    *status = EXIT_NOTHING;
    static char **args;     /* out points into it until the program ends */
    args = g_strdupv(argv); /* GOption frees the words that it reads */
    bool named = take_command(out, args, argc);
    GOptionContext *context = context_new(out->command, &raw);
    bool parsed = g_option_context_parse_strv(context, &args, &error);
    g_option_context_free(context);
    if (!parsed) {
        say("%s; see krpcscope %s --help", error->message, command_table[out->command].name);
        g_error_free(error);
        *status = EXIT_TROUBLE;
        return false;
    }
    if (raw.help) {
        print_help(out->command, named, &raw);
        return false;
    }
    if (raw.version) {
        version_print();
        return false;
    }
    out->args = args + 1;
    /* GOption leaves "--" in where the next argument starts with a dash. */
    if (out->args[0] != NULL && strcmp(out->args[0], "--") == 0) {
        out->args++;
    }
    out->num_args = g_strv_length(out->args);
    if (!named && out->num_args == 0) {
        fputs(examples, stderr);
        say("no capture given; see krpcscope --help");
        *status = EXIT_TROUBLE;
        return false;
    }
    if (!convert(out, &raw)) {
        *status = EXIT_TROUBLE;
        return false;
    }
    return true;
}
