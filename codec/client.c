/* client.c: the version key v.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/client.h>

#include <string.h>

#include "line_writer.h"

#define MAX_RAW 20

static const krpc_client clients[] = {
#define CLIENT(CODE, NAME, CODING, ONE_PORT, EVIDENCE) {CODE, NAME, EVIDENCE, KRPC_CODING_##CODING, ONE_PORT},
#include <krpc/clients.def>
};

#define NUM_CLIENTS (sizeof clients / sizeof clients[0])

static void put_hex(line_writer *to, const uint8_t *bytes, size_t len)
{
    line_writer_string(to, "0x");
    for (size_t i = 0; i < len; i++) {
        line_writer_hex(to, bytes[i]);
    }
}

static void put_dotted(line_writer *to, unsigned major, unsigned minor)
{
    line_writer_number(to, major);
    line_writer_char(to, '.');
    line_writer_number(to, minor);
}

/* The nibbles came with 1.2, whose first releases still sent major and minor: no release before 2 has an upper nibble
 * of zero in the new coding. */
static void put_libtorrent(line_writer *to, unsigned major, unsigned byte)
{
    if (major <= 1 && (major == 0 || byte < 0x10)) {
        put_dotted(to, major, byte);
        return;
    }
    put_dotted(to, major, byte >> 4);
    line_writer_char(to, '.');
    line_writer_number(to, byte & 15);
}

static void put_rakshasa(line_writer *to, unsigned minor, unsigned byte)
{
    put_dotted(to, 0, minor);
    line_writer_char(to, '.');
    line_writer_number(to, minor < 15 && (byte & 15) == 0 ? byte >> 4 : byte);
}

static void put_digits(line_writer *to, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') {
            put_hex(to, bytes, len);
            return;
        }
    }
    put_dotted(to, (unsigned)(bytes[0] - '0'), (unsigned)(bytes[1] - '0'));
    if (len == 4) {
        line_writer_char(to, '.');
        line_writer_number(to, (unsigned)(bytes[2] - '0') * 10 + (unsigned)(bytes[3] - '0'));
    }
}

static void put_version(line_writer *to, const krpc_client *client, const uint8_t *v, size_t len)
{
    unsigned num = (unsigned)v[2] << 8 | v[3];

    switch (client->coding) {
    case KRPC_CODING_NUMBER:
        line_writer_number(to, num);
        break;
    case KRPC_CODING_BUILD:
        line_writer_string(to, "build ");
        line_writer_number(to, num);
        break;
    case KRPC_CODING_REVISION:
        line_writer_char(to, 'r');
        line_writer_number(to, num);
        break;
    case KRPC_CODING_DIGITS:
        put_digits(to, v + 2, len - 2);
        break;
    case KRPC_CODING_LIBTORRENT:
        put_libtorrent(to, v[2], v[3]);
        break;
    case KRPC_CODING_RAKSHASA:
        put_rakshasa(to, v[2], v[3]);
        break;
    case KRPC_CODING_OPAQUE:
        put_hex(to, v + 2, len - 2);
        break;
    }
}

const krpc_client *krpc_client_get(size_t index)
{
    return index < NUM_CLIENTS ? &clients[index] : NULL;
}

const krpc_client *krpc_client_find(const void *v, size_t len)
{
    if (len != 4 && len != 6) {
        return NULL;
    }
    for (size_t i = 0; i < NUM_CLIENTS; i++) {
        if (memcmp(clients[i].code, v, 2) == 0) {
            return len == 4 || clients[i].coding == KRPC_CODING_DIGITS ? &clients[i] : NULL;
        }
    }
    return NULL;
}

size_t krpc_client_version(char *out, size_t cap, const void *v, size_t len)
{
    const krpc_client *client = krpc_client_find(v, len);
    line_writer to = {out, cap, 0};

    if (client != NULL) {
        put_version(&to, client, (const uint8_t *)v, len);
    }
    return line_writer_end(&to);
}

size_t krpc_client_text(char *out, size_t cap, const void *v, size_t len)
{
    const krpc_client *client = krpc_client_find(v, len);
    line_writer to = {out, cap, 0};

    if (client != NULL) {
        line_writer_string(&to, client->name);
        line_writer_char(&to, ' ');
        put_version(&to, client, (const uint8_t *)v, len);
    } else if (len > 0) {
        put_hex(&to, (const uint8_t *)v, len < MAX_RAW ? len : MAX_RAW);
        line_writer_string(&to, len > MAX_RAW ? "..." : "");
    }
    return line_writer_end(&to);
}

bool krpc_client_has_one_port(const uint8_t code[2])
{
    for (size_t i = 0; i < NUM_CLIENTS; i++) {
        if (memcmp(clients[i].code, code, 2) == 0) {
            return clients[i].one_port;
        }
    }
    return false;
}
