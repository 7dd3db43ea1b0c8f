/* commands.h: one function for each command. Each returns the exit status.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COMMANDS_H
#define VALIDATOR_COMMANDS_H

#include "options/options.h"

int command_check(const options *with);
int command_ports(const options *with);
int command_nodes(const options *with);
int command_decode(const options *with);
int command_compare(const options *with);
int command_encode(const options *with);
int command_explain(const options *with);
int command_rules(const options *with);

#endif
