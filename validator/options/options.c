/* options.c: see options.h. One table says which command takes which option.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <glib.h>

#include "options/version.h"
#include "output/output.h"

typedef struct command_info {
    const char *name;
    const char *arguments;
    const char *summary;
    unsigned formats; /* bit per format */
    unsigned min_args;
    unsigned max_args;
} command_info;

#define BIT(n)     (1u << (n))
#define BOTH       (BIT(FORMAT_TEXT) | BIT(FORMAT_NDJSON))
#define ANY_NUMBER 0x7fffffffu

static const command_info commands[NUM_COMMANDS] = {
    [COMMAND_CHECK] = {"check", "CAPTURE...", "findings, then a summary (the default command)", BIT(NUM_FORMATS) - 1, 1,
                       ANY_NUMBER},
    [COMMAND_PORTS] = {"ports", "CAPTURE...", "every port that somebody advertised, with its verdict", BOTH, 1,
                       ANY_NUMBER},
    [COMMAND_NODES] = {"nodes", "CAPTURE...", "every node: ids, client, and what a NAT does to its port", BOTH, 1,
                       ANY_NUMBER},
    [COMMAND_DECODE] = {"decode", "CAPTURE... | --hex HEX", "every message, typed", BOTH, 0, ANY_NUMBER},
    [COMMAND_COMPARE] = {"compare", "--inside A --outside B", "the two sides of one NAT", BOTH, 0, 0},
    [COMMAND_ENCODE] = {"encode", "[FILE.ndjson]", "what decode prints, back to messages: a line of hex each",
                        BIT(FORMAT_TEXT), 0, 1},
    [COMMAND_EXPLAIN] = {"explain", "SLUG | CAPTURE FRAME", "one rule at length; or one packet with its findings", BOTH,
                         1, 2},
    [COMMAND_RULES] = {"rules", "", "the list of all rules", BOTH, 0, 0},
};

static const char *const format_names[NUM_FORMATS] = {
    [FORMAT_TEXT] = "text",   [FORMAT_NDJSON] = "ndjson", [FORMAT_SARIF] = "sarif",
    [FORMAT_JUNIT] = "junit", [FORMAT_HTML] = "html",     [FORMAT_EVE] = "eve",
};

const char *options_command_name(command which)
{
    return commands[which].name;
}

/* What GOption fills in before it is checked. */
typedef struct raw_options {
    char *format, *output, *filter, *fail_on, *color, *write, *anonymize, *node, *info_hash, *client, *inside, *outside,
        *hex;
    char **decode_as;
    int threads, max_nodes, port;
    gboolean quiet, verbose, merge, each, raw, help, version;
} raw_options;

#define READS        (BIT(COMMAND_CHECK) | BIT(COMMAND_PORTS) | BIT(COMMAND_NODES) | BIT(COMMAND_DECODE))
#define TAKES_FRAMES (READS | BIT(COMMAND_COMPARE) | BIT(COMMAND_EXPLAIN))
#define SELECTS      (BIT(COMMAND_PORTS) | BIT(COMMAND_NODES) | BIT(COMMAND_DECODE) | BIT(COMMAND_COMPARE))
#define ALL          (BIT(NUM_COMMANDS) - 1)

typedef struct option_info {
    unsigned commands;
    GOptionEntry entry;
} option_info;

#define NUM_OPTIONS 25

/* The table is made at run time because it points into raw. */
static unsigned option_table(option_info table[NUM_OPTIONS], raw_options *raw)
{
    const option_info all[] = {
        {BIT(COMMAND_CHECK),
         {"format", 'f', 0, G_OPTION_ARG_STRING, &raw->format, "text, ndjson, sarif, junit, html, eve", "FORMAT"}},
        {ALL & ~(BIT(COMMAND_CHECK) | BIT(COMMAND_ENCODE)),
         {"format", 'f', 0, G_OPTION_ARG_STRING, &raw->format, "text, ndjson", "FORMAT"}},
        {ALL, {"output", 'o', 0, G_OPTION_ARG_FILENAME, &raw->output, "Write to FILE, whole or not at all", "FILE"}},
        {TAKES_FRAMES,
         {"filter", 0, 0, G_OPTION_ARG_STRING, &raw->filter, "Look only at packets that match a BPF expression",
          "BPF"}},
        {TAKES_FRAMES,
         {"decode-as", 'd', 0, G_OPTION_ARG_STRING_ARRAY, &raw->decode_as,
          "udp.port==N: this port is KRPC's; tcp.port==N: the peer wire's", "RULE"}},
        {READS, {"merge", 0, 0, G_OPTION_ARG_NONE, &raw->merge, "Take all captures as one, by time", NULL}},
        {READS | BIT(COMMAND_COMPARE),
         {"threads", 0, 0, G_OPTION_ARG_INT, &raw->threads, "1, or 2: one that reads; as many as there are processors",
          "N"}},
        {TAKES_FRAMES,
         {"max-nodes", 0, 0, G_OPTION_ARG_INT, &raw->max_nodes, "Remember at most N endpoints (131072)", "N"}},
        {BIT(COMMAND_CHECK),
         {"fail-on", 0, 0, G_OPTION_ARG_STRING, &raw->fail_on,
          "Exit with 1 on findings from this severity on: note, warn, error (error)", "SEVERITY"}},
        {BIT(COMMAND_CHECK),
         {"each", 0, 0, G_OPTION_ARG_NONE, &raw->each, "One line a finding: FILE:FRAME:OFFSET: severity: slug: text",
          NULL}},
        {BIT(COMMAND_CHECK),
         {"write", 'w', 0, G_OPTION_ARG_FILENAME, &raw->write,
          "Write the packets with findings to FILE, with the findings as comments", "FILE"}},
        {READS,
         {"anonymize", 0, 0, G_OPTION_ARG_STRING, &raw->anonymize,
          "Replace addresses and ids, the same way for the same KEY", "KEY"}},
        {SELECTS,
         {"node", 0, 0, G_OPTION_ARG_STRING, &raw->node, "Only this address, address:port or node id", "NODE"}},
        {SELECTS,
         {"info-hash", 0, 0, G_OPTION_ARG_STRING, &raw->info_hash, "Only what names this info-hash or target", "HEX"}},
        {SELECTS,
         {"port", 0, 0, G_OPTION_ARG_INT, &raw->port, "Only what comes from, goes to or advertises this port", "N"}},
        {SELECTS, {"client", 0, 0, G_OPTION_ARG_STRING, &raw->client, "Only clients whose name contains TEXT", "TEXT"}},
        {BIT(COMMAND_COMPARE),
         {"inside", 0, 0, G_OPTION_ARG_FILENAME, &raw->inside, "The capture taken inside the NAT", "CAPTURE"}},
        {BIT(COMMAND_COMPARE),
         {"outside", 0, 0, G_OPTION_ARG_FILENAME, &raw->outside, "The capture taken outside", "CAPTURE"}},
        {BIT(COMMAND_DECODE),
         {"hex", 0, 0, G_OPTION_ARG_STRING, &raw->hex, "Decode one message given as hex digits", "HEX"}},
        {BIT(COMMAND_ENCODE), {"raw", 0, 0, G_OPTION_ARG_NONE, &raw->raw, "Write the bytes instead of hex", NULL}},
        {ALL,
         {"quiet", 'q', 0, G_OPTION_ARG_NONE, &raw->quiet, "No progress; check: no result but the exit status", NULL}},
        {READS | BIT(COMMAND_COMPARE),
         {"verbose", 'v', 0, G_OPTION_ARG_NONE, &raw->verbose, "Show more of each", NULL}},
        {ALL,
         {"color", 0, 0, G_OPTION_ARG_STRING, &raw->color,
          "auto, always or never (auto: on a terminal without NO_COLOR)", "WHEN"}},
        {ALL, {"help", 'h', 0, G_OPTION_ARG_NONE, &raw->help, "Show this help", NULL}},
        {ALL,
         {"version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Show the versions of krpcscope and its libraries", NULL}},
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(all) == NUM_OPTIONS);

    memcpy(table, all, sizeof all);
    return NUM_OPTIONS;
}

static GOptionContext *context_new(command which, raw_options *raw)
{
    option_info table[NUM_OPTIONS];
    GOptionEntry entries[NUM_OPTIONS + 1] = {{0}};
    unsigned num_options = option_table(table, raw);
    unsigned n = 0;

    for (unsigned i = 0; i < num_options; i++) {
        if ((table[i].commands & BIT(which)) != 0) {
            entries[n++] = table[i].entry;
        }
    }
    GOptionContext *context = g_option_context_new(commands[which].arguments);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, FALSE);
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

static const char examples[] =
    "Examples:\n"
    "  krpcscope trace.pcapng                        what is wrong, and who is behind a NAT\n"
    "  krpcscope ports --verbose trace.pcapng        which port was advertised, and what became of it\n"
    "  krpcscope nodes --client libtorrent *.pcap    where each node can be reached\n"
    "  krpcscope decode -f ndjson trace.pcap | jq .  every message, typed\n"
    "  krpcscope compare --inside lan.pcap --outside wan.pcap\n"
    "  tcpdump -w - udp | krpcscope check -          from a pipe\n"
    "  krpcscope explain port.differs-from-source    what a finding means\n"
    "\n";

static void print_commands(void)
{
    puts("Commands:");
    for (unsigned i = 0; i < NUM_COMMANDS; i++) {
        char head[64];
        g_snprintf(head, sizeof head, "%s %s", commands[i].name, commands[i].arguments);
        printf("  krpcscope %-31s %s\n", head, commands[i].summary);
    }
    puts("\n'krpcscope COMMAND --help' shows a command's options. CAPTURE '-' is standard input.\n"
         "Exit status: 0 nothing found at or above --fail-on, 1 findings, 2 usage or a file that could\n"
         "not be read.\n");
}

/* GOption heads its help with a usage line that does not know of commands. */
static void print_help(command which, bool named, raw_options *raw)
{
    if (!named) {
        fputs(examples, stdout);
        print_commands();
    } else {
        printf("krpcscope %s%s%s\n  %s\n\n", commands[which].name, *commands[which].arguments != 0 ? " " : "",
               commands[which].arguments, commands[which].summary);
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

static bool parse_format(options *out, const char *name)
{
    if (name == NULL) {
        return true;
    }
    for (unsigned i = 0; i < NUM_FORMATS; i++) {
        if (strcmp(name, format_names[i]) == 0) {
            out->format = (format)i;
            if ((commands[out->command].formats & BIT(i)) == 0) {
                return wrong("--format %s: %s cannot print that", name, commands[out->command].name);
            }
            return true;
        }
    }
    return wrong("--format %s: unknown; it is one of text, ndjson, sarif, junit, html, eve", name);
}

static bool parse_fail_on(options *out, const char *name)
{
    out->fail_on = KRPC_SEVERITY_ERROR;
    if (name == NULL) {
        return true;
    }
    for (int i = KRPC_SEVERITY_NOTE; i <= KRPC_SEVERITY_ERROR; i++) {
        if (strcmp(name, krpc_severity_name((krpc_severity)i)) == 0) {
            out->fail_on = (krpc_severity)i;
            return true;
        }
    }
    return wrong("--fail-on %s: unknown; it is one of note, warn, error", name);
}

static bool parse_color(options *out, const char *when)
{
    const char *no_color = getenv("NO_COLOR");

    if (when == NULL || strcmp(when, "auto") == 0) {
        out->color = isatty(STDOUT_FILENO) && (out->output == NULL) && (no_color == NULL || *no_color == 0);
    } else if (strcmp(when, "always") == 0) {
        out->color = true;
    } else if (strcmp(when, "never") != 0) {
        return wrong("--color %s: unknown; it is one of auto, always, never", when);
    }
    return true;
}

static bool parse_number(guint64 *out, const char *digits, guint64 max)
{
    return g_ascii_string_to_unsigned(digits, 10, 0, max, out, NULL);
}

/* As tshark takes it, with the protocol behind a comma or without: there is only one for each transport. */
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
        return wrong("--decode-as %s: it is udp.port==N or tcp.port==N, with N from 0 to 65535", rule);
    }
    if (protocol != NULL && strcmp(protocol + 1, is_udp ? "krpc" : "bittorrent") != 0) {
        return wrong("--decode-as %s: over %s there is only %s", rule, is_udp ? "UDP" : "TCP",
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

/* An address, an address with a port, or an id. */
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
        return wrong("--node %s: it is an address, ADDRESS:PORT, [ADDRESS]:PORT or a node id of 40 hex digits", node);
    }
    krpc_endpoint_set(&out->endpoint, addr, is_ipv6 ? 16 : 4, (uint16_t)port);
    return true;
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
            return wrong("--info-hash %s: it has 40 hex digits", raw->info_hash);
        }
        out->has_info_hash = true;
    }
    if (raw->port != G_MININT) {
        if (raw->port < 0 || raw->port > 65535) {
            return wrong("--port %d: a port is between 0 and 65535", raw->port);
        }
        out->port = raw->port;
    }
    return true;
}

static bool parse_numbers(options *out, const raw_options *raw)
{
    if (raw->threads != 1 && raw->threads != 2) {
        return wrong("--threads %d: it is 1 or 2", raw->threads);
    }
    if (raw->max_nodes < 0) {
        return wrong("--max-nodes %d: it is a number of endpoints", raw->max_nodes);
    }
    out->threads = (unsigned)raw->threads;
    out->max_nodes = (uint32_t)raw->max_nodes;
    return true;
}

/* Is any option there that changes what is seen of a capture? */
static bool is_about_captures(const options *out, const raw_options *raw)
{
    return raw->filter != NULL || raw->decode_as != NULL || raw->merge || raw->anonymize != NULL || raw->node != NULL ||
           raw->info_hash != NULL || raw->client != NULL || out->selection.port >= 0 || raw->max_nodes != 0;
}

static bool parse_rest(options *out, const raw_options *raw)
{
    const command_info *info = &commands[out->command];

    if (out->num_args > info->max_args) {
        return wrong("%s: one argument too many for %s", out->args[info->max_args], info->name);
    }
    if (out->num_args < info->min_args) {
        return wrong("%s needs %s; see krpcscope %s --help", info->name, info->arguments, info->name);
    }
    if (out->command == COMMAND_DECODE && (out->num_args == 0) != (out->hex != NULL)) {
        return wrong("decode needs either captures or --hex");
    }
    if (out->hex != NULL && is_about_captures(out, raw)) {
        return wrong("--hex is one message: what selects, merges or anonymizes packets has no effect on it");
    }
    if (out->command == COMMAND_EXPLAIN && out->num_args == 1 && is_about_captures(out, raw)) {
        return wrong("explain %s reads no capture: --filter, --decode-as and --max-nodes have no effect on it",
                     out->args[0]);
    }
    if (out->command == COMMAND_COMPARE && (out->inside == NULL || out->outside == NULL)) {
        return wrong("compare needs --inside CAPTURE and --outside CAPTURE");
    }
    if (out->each && out->format != FORMAT_TEXT) {
        return wrong("--each is for --format text; ndjson has one line a finding anyway");
    }
    if (raw->anonymize != NULL && *raw->anonymize == 0) {
        return wrong("--anonymize needs a key that is not empty");
    }
    return true;
}

static bool convert(options *out, const raw_options *raw)
{
    out->output = raw->output;
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
           parse_decode_as(out, raw->decode_as) && parse_selection(&out->selection, raw) && parse_numbers(out, raw) &&
           parse_rest(out, raw);
}

static bool find_command(command *out, const char *word)
{
    for (unsigned i = 0; i < NUM_COMMANDS; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            *out = (command)i;
            return true;
        }
    }
    return false;
}

static bool takes_value(const char *word)
{
    static raw_options unused;
    option_info table[NUM_OPTIONS];
    unsigned num_options = option_table(table, &unused);

    for (unsigned i = 0; i < num_options; i++) {
        const GOptionEntry *entry = &table[i].entry;
        bool is_it = word[1] == '-' ? strcmp(word + 2, entry->long_name) == 0
                                    : word[1] != 0 && word[1] == entry->short_name && word[2] == 0;
        if (is_it) {
            return entry->arg != G_OPTION_ARG_NONE;
        }
    }
    return false;
}

/* The command is the first word that is no option and no option's value. A command of that name wins over a capture of that
 * name, which can be called ./check. */
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
    static char **args;     /* what out points into, until the program ends */
    args = g_strdupv(argv); /* GOption frees those that it takes */
    bool named = take_command(out, args, argc);
    GOptionContext *context = context_new(out->command, &raw);
    bool parsed = g_option_context_parse_strv(context, &args, &error);
    g_option_context_free(context);
    if (!parsed) {
        say("%s; see krpcscope %s --help", error->message, commands[out->command].name);
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
    /* "--" is left in when an argument behind it begins with a dash. */
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
