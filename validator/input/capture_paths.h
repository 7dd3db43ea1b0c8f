/* capture_paths.h: the captures that words of the command line name: files, directories, and patterns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_PATHS_H
#define VALIDATOR_CAPTURE_PATHS_H

#include <stdbool.h>

#include "options/options.h"

/* capture_paths_expand replaces each directory in with->args by the captures that are directly in it, and each pattern
 * that is no file's name by the files that match it. A directory's captures are those that begin as pcap or pcapng do,
 * and those whose names end as captures' do. Numbers in names are sorted by their values. A directory or pattern
 * without a capture is left out and counted in with->num_missing, and that is said on standard error. False: nothing is
 * left. */
bool capture_paths_expand(options *with);

#endif
