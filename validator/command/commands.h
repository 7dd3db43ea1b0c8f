/* commands.h: one function a command. Each returns the exit status.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_COMMANDS_H
#define VALIDATOR_COMMANDS_H

#include "options/options.h"
#include "output/strbuf.h"

int check_main(const options *with);
int ports_main(const options *with);
int nodes_main(const options *with);
int decode_main(const options *with);
int compare_main(const options *with);
int encode_main(const options *with);
int explain_main(const options *with);
int rules_main(const options *with);

/* rules_put_members begins the record of a rule: the closing brace is left to the caller. */
void rules_put_members(text *out, krpc_rule rule);

#endif
