/* command_visit.c: see command_visit.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "command/command_visit.h"

int command_visit(const options *with, const run_visitor *visitor, output **to)
{
    *to = output_new(with->output);
    if (*to == NULL) {
        return EXIT_TROUBLE;
    }
    bool complete = run_captures(with, visitor, *to);
    if (run_interrupted()) {
        say("interrupted: the result covers only the packets read so far");
    }
    bool written = output_close(*to);
    return complete && written && !run_interrupted() ? EXIT_NOTHING : EXIT_TROUBLE;
}
