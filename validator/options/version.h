/* version.h: the version of krpcscope.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_VERSION_H
#define VALIDATOR_VERSION_H

/* CMake defines the number; this is for a build without it. */
#ifndef KRPCSCOPE_VERSION
#define KRPCSCOPE_VERSION "0.1.0"
#endif

/* version_print writes the versions of krpcscope and of its libraries to standard output. */
void version_print(void);

#endif
