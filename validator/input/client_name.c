/* client_name.c: client names with a cache, because few clients send nearly all messages of a capture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/client_name.h"

#include <krpc/client.h>
#include <stdbool.h>
#include <string.h>

#define CACHED_CLIENTS 64

const char *client_name(const uint8_t *version, size_t len)
{
    static struct {
        uint8_t version[4];
        bool used;
        char text[KRPC_CLIENT_TEXT];
    } cache[CACHED_CLIENTS];
    static char other[KRPC_CLIENT_TEXT];

    if (len == 0) {
        return "unknown";
    }
    if (len != 4) {
        krpc_client_text(other, sizeof other, version, len);
        return other;
    }
    unsigned slot = (version[0] * 7u + version[1] * 31u + version[2] * 3u + version[3]) % CACHED_CLIENTS;
    if (!cache[slot].used || memcmp(cache[slot].version, version, 4) != 0) {
        memcpy(cache[slot].version, version, 4);
        krpc_client_text(cache[slot].text, sizeof cache[slot].text, version, len);
        cache[slot].used = true;
    }
    return cache[slot].text;
}
