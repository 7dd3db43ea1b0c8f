/* command_visit.h: what the commands that read captures have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COMMAND_VISIT_H
#define VALIDATOR_COMMAND_VISIT_H

#include "input/run.h"
#include "options/options.h"
#include "output/output.h"

/* command_visit opens the output in *to, where the visitor finds it, shows the captures to the visitor, and closes the
 * output. Returns the exit status. */
int command_visit(const options *with, const run_visitor *visitor, output **to);

#endif
