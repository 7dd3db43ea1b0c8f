/* krpc/client.h: which program sent a message, by its top-level v (BEP 5).
 *
 * v is two letters for the program and two bytes for its version, which every program codes in its own way. The letters
 * and the codings are in clients.def. A node can send any v: it is a hint and never proof.
 *
 *     char text[KRPC_CLIENT_TEXT];
 *     krpc_client_text(text, sizeof text, "LT\x02\x0b", 4);     "libtorrent 2.0.11"
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_CLIENT_H
#define KRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <krpc/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* krpc_coding is how the bytes after the code tell the version. N is the third and fourth byte, big endian. */
typedef enum krpc_coding {
    KRPC_CODING_OPAQUE,     /* unknown: "0x0001" */
    KRPC_CODING_NUMBER,     /* N: "11" */
    KRPC_CODING_BUILD,      /* N: "build 43796" */
    KRPC_CODING_REVISION,   /* N, a revision of the source: "r9117" */
    KRPC_CODING_DIGITS,     /* two or four ASCII digits, "06" or "3002": "0.6", "3.0.2" */
    KRPC_CODING_LIBTORRENT, /* major, then minor and tiny in a nibble each: "2.0.11"; before 1.2 major, minor: "1.1" */
    KRPC_CODING_RAKSHASA    /* minor of 0.x, then the patch, up to 0.14 in the upper nibble: "0.13.7", "0.16.20" */
} krpc_coding;

/* krpc_client is one line of clients.def. */
typedef struct krpc_client {
    const char *code; /* the two letters */
    const char *name;
    const char *evidence;
    krpc_coding coding;
    bool one_port; /* by default, its DHT and its peer service have the same port number */
} krpc_client;

/* KRPC_CLIENT_TEXT is the size of a buffer that holds any text of this header, with the final NUL. */
#define KRPC_CLIENT_TEXT 64

/* krpc_client_find looks the program up by all len bytes of v; NULL when the code is unknown or the length not one that
 * this program sends (4, for MonoTorrent also 6). */
KRPC_EXPORT const krpc_client *krpc_client_find(const void *v, size_t len);

/* krpc_client_version writes only the version, as the program codes it: "2.0.11", "build 43796"; "" for an unknown
 * program. krpc_client_text writes name and version, "uTorrent build 43796"; for an unknown program the bytes of v in
 * hex, "0x2e422e7b", of a long one the first 20 and "..."; "" when len is 0. Both write at most cap bytes, always
 * terminated when cap is not 0, and return the length that the text has, or would have had. */
KRPC_EXPORT size_t krpc_client_version(char *out, size_t cap, const void *v, size_t len);
KRPC_EXPORT size_t krpc_client_text(char *out, size_t cap, const void *v, size_t len);

/* krpc_client_has_one_port: does a program with these first two bytes of v use one port for the DHT and for its peer
 * service? False for unknown programs. */
KRPC_EXPORT bool krpc_client_has_one_port(const uint8_t code[2]);

/* krpc_client_get returns line number `index` of clients.def, NULL after the last: to show the whole table. */
KRPC_EXPORT const krpc_client *krpc_client_get(size_t index);

#ifdef __cplusplus
}
#endif

#endif
