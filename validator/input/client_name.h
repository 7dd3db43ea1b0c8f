/* client_name.h: the client that a message's v names, as text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CLIENT_NAME_H
#define VALIDATOR_CLIENT_NAME_H

#include <stddef.h>
#include <stdint.h>

/* client_name returns a client's name and version, such as "libtorrent 2.0.8", or "unknown" if the version has 0 bytes.
 * The text is valid until the next call, which must come from the same thread. */
const char *client_name(const uint8_t *version, size_t len);

#endif
