/* main.c: krpcscope, which checks captures of the BitTorrent DHT and shows on which port its nodes can be reached.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <locale.h>
#include <signal.h>

#include "command/commands.h"
#include "input/capture_filter.h"
#include "input/capture_paths.h"

int main(int argc, char **argv)
{
    static int (*const mains[NUM_COMMANDS])(const options *) = {
#define COMMAND(SYMBOL, NAME, ...) [COMMAND_##SYMBOL] = command_##NAME,
#include "options/commands.def"
    };
    static options with; /* its strings stay allocated until the program ends */
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* the write error is reported when the reader has closed the pipe */
    signal(SIGXFSZ, SIG_IGN); /* or when the file has reached its size limit */
    if (!options_parse(&with, &status, argc, argv)) {
        return status;
    }
    if (with.filter != NULL && !capture_filter_check(with.filter)) {
        return EXIT_TROUBLE;
    }
    if (command_table[with.command].operand == OPERAND_CAPTURES && !capture_paths_expand(&with)) {
        return EXIT_TROUBLE;
    }
    return mains[with.command](&with);
}
