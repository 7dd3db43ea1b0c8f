/* main.c: krpcscope, which says what is in a capture of the BitTorrent DHT and on which port its nodes can be reached.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <locale.h>
#include <signal.h>

#include "command/commands.h"
#include "input/bpf_filter.h"

int main(int argc, char **argv)
{
    static int (*const mains[NUM_COMMANDS])(const options *) = {
        [COMMAND_CHECK] = check_main,     [COMMAND_PORTS] = ports_main,     [COMMAND_NODES] = nodes_main,
        [COMMAND_DECODE] = decode_main,   [COMMAND_COMPARE] = compare_main, [COMMAND_ENCODE] = encode_main,
        [COMMAND_EXPLAIN] = explain_main, [COMMAND_RULES] = rules_main,
    };
    options with;
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* the output says it when its reader has gone, */
    signal(SIGXFSZ, SIG_IGN); /* or when the file may not grow any more */
    if (!options_parse(&with, &status, argc, argv)) {
        return status;
    }
    if (with.filter != NULL && !filter_check(with.filter)) {
        return EXIT_TROUBLE;
    }
    return mains[with.command](&with);
}
