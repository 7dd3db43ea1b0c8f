/* peerwire_private.h: what the files of the peer wire protocol share.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef PEERWIRE_PRIVATE_H
#define PEERWIRE_PRIVATE_H

/* What a handshake begins with. */
#define PEERWIRE_MAGIC     "\023BitTorrent protocol"
#define PEERWIRE_MAGIC_LEN 20u

/* Where the port of a PORT message is. */
#define PEERWIRE_PORT_OFF  5

#endif
