/* version.c: see version.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options/version.h"

#include <stdio.h>

#include <glib.h>
#include <wireshark.h>
#include <ws_version.h>

void version_print(void)
{
    printf("krpcscope %s\n", KRPCSCOPE_VERSION);
    printf("libwiretap %d.%d.%d (as compiled)\n", WIRESHARK_VERSION_MAJOR, WIRESHARK_VERSION_MINOR,
           WIRESHARK_VERSION_MICRO);
    printf("GLib %u.%u.%u\n", glib_major_version, glib_minor_version, glib_micro_version);
}
