/* options.h: the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_OPTIONS_H
#define VALIDATOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <krpc/endpoint.h>
#include <krpc/rules.h>

#include "options/option_table.h"

/* Exit statuses: no findings at or above --fail-on; some; wrong usage, or input or output that failed. */
enum { EXIT_NOTHING = 0, EXIT_FOUND = 1, EXIT_TROUBLE = 2 };

/* The names are in options.c. */
typedef enum format {
    FORMAT_TEXT,
    FORMAT_NDJSON,
    FORMAT_SARIF,
    FORMAT_JUNIT,
    FORMAT_HTML,
    FORMAT_EVE,
    NUM_FORMATS
} format;

#define MAX_PORTS 16

/* selection is what --node, --info-hash, --port and --client ask for. Where nothing is set, it selects everything. */
typedef struct selection {
    krpc_endpoint endpoint; /* addr_len 0: not asked for; port 0: any */
    bool has_id;
    bool has_info_hash;
    uint8_t id[20];
    uint8_t info_hash[20];
    int32_t port; /* -1: not asked for */
    const char *client;
} selection;

typedef struct options {
    command command;
    format format;
    char **args; /* the words after the command; NULL at the end */
    unsigned num_args;
    unsigned num_missing; /* words that were left out because no capture was found */
    char *metrics;
    int64_t every_ns;  /* --every; 0: not given */
    int64_t rotate_ns; /* --rotate */
    char **shifts;     /* --shift, as given: FILE=SECONDS; NULL: none */
    char *output;
    char *filter;
    char *write;
    char *anonymize;
    char *inside;
    char *outside;
    char *hex;
    bool merge;
    bool quiet;
    bool verbose;
    bool each;
    bool raw;
    bool color;
    bool is_repeat; /* the captures are read a second time: errors in them were printed */
    krpc_severity fail_on;
    unsigned threads;
    uint32_t max_nodes;
    unsigned num_udp_ports; /* --decode-as */
    unsigned num_tcp_ports;
    uint16_t udp_ports[MAX_PORTS];
    uint16_t tcp_ports[MAX_PORTS];
    selection selection;
} options;

/* options_parse reads the command line. False: the program ends with *status, because help or the versions were
 * printed, or because of an error, which was printed to standard error. Strings stay allocated until the program
 * ends. */
bool options_parse(options *out, int *status, int argc, char **argv);

/* options_can_append: results of this format can follow one another in one file. */
bool options_can_append(const options *with);

/* options_shift is what --shift adds to the times of the capture at path, which it can name without its folder. False:
 * it names others. */
bool options_shift(const options *with, const char *path, int64_t *shift_ns);

#endif
