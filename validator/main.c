/* main.c: krpcscope, which says what is in a capture of the BitTorrent DHT and on which port its nodes can be reached.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <locale.h>
#include <signal.h>

#include "command/commands.h"
#include "input/capture_filter.h"

int main(int argc, char **argv)
{
    static int (*const mains[NUM_COMMANDS])(const options *) = {
#define COMMAND(SYMBOL, NAME, ...) [COMMAND_##SYMBOL] = command_##NAME,
#include "options/commands.def"
    };
    options with;
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN); /* the output says it when its reader has gone, */
    signal(SIGXFSZ, SIG_IGN); /* or when the file may not grow any more */
    if (!options_parse(&with, &status, argc, argv)) {
        return status;
    }
    if (with.filter != NULL && !capture_filter_check(with.filter)) {
        return EXIT_TROUBLE;
    }
    return mains[with.command](&with);
}
