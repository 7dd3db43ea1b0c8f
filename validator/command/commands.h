/* commands.h: one function for each command. Each returns the exit status.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COMMANDS_H
#define VALIDATOR_COMMANDS_H

#include "options/options.h"

#define COMMAND(SYMBOL, NAME, ...) int command_##NAME(const options *with);
#include "options/commands.def"

#endif
