/* client.c: the version key v.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/client.h>

#include <string.h>

#define MAX_RAW 20

static const krpc_client clients[] = {
#define CLIENT(CODE, NAME, CODING, EVIDENCE) {CODE, NAME, EVIDENCE, KRPC_CODING_##CODING},
#include <krpc/clients.def>
};

#define NUM_CLIENTS (sizeof clients / sizeof clients[0])

/* Text that counts past the end of its buffer. */
typedef struct text {
    char *out;
    size_t cap;
    size_t len;
} text;

static void put_char(text *to, char c)
{
    if (to->len + 1 < to->cap) {
        to->out[to->len] = c;
    }
    to->len++;
}

static void put_text(text *to, const char *from)
{
    for (; *from != '\0'; from++) {
        put_char(to, *from);
    }
}

static void put_number(text *to, unsigned num)
{
    char digits[10];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + num % 10);
        num /= 10;
    } while (num > 0);
    for (; at < sizeof digits; at++) {
        put_char(to, digits[at]);
    }
}

static void put_hex(text *to, const uint8_t *bytes, size_t len)
{
    put_text(to, "0x");
    for (size_t i = 0; i < len; i++) {
        put_char(to, "0123456789abcdef"[bytes[i] >> 4]);
        put_char(to, "0123456789abcdef"[bytes[i] & 15]);
    }
}

static size_t finish(text *to)
{
    if (to->cap > 0) {
        to->out[to->len < to->cap ? to->len : to->cap - 1] = '\0';
    }
    return to->len;
}

static void put_dotted(text *to, unsigned major, unsigned minor)
{
    put_number(to, major);
    put_char(to, '.');
    put_number(to, minor);
}

/* The nibbles came with 1.2, whose first releases still sent major and minor: no release before 2 has an upper nibble
 * of zero in the new coding. */
static void put_libtorrent(text *to, unsigned major, unsigned byte)
{
    if (major <= 1 && (major == 0 || byte < 0x10)) {
        put_dotted(to, major, byte);
        return;
    }
    put_dotted(to, major, byte >> 4);
    put_char(to, '.');
    put_number(to, byte & 15);
}

static void put_rakshasa(text *to, unsigned minor, unsigned byte)
{
    put_dotted(to, 0, minor);
    put_char(to, '.');
    put_number(to, minor < 15 && (byte & 15) == 0 ? byte >> 4 : byte);
}

static void put_digits(text *to, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') {
            put_hex(to, bytes, len);
            return;
        }
    }
    put_dotted(to, (unsigned)(bytes[0] - '0'), (unsigned)(bytes[1] - '0'));
    if (len == 4) {
        put_char(to, '.');
        put_number(to, (unsigned)(bytes[2] - '0') * 10 + (unsigned)(bytes[3] - '0'));
    }
}

static void put_version(text *to, const krpc_client *client, const uint8_t *v, size_t len)
{
    unsigned num = (unsigned)v[2] << 8 | v[3];

    switch (client->coding) {
    case KRPC_CODING_NUMBER:
        put_number(to, num);
        break;
    case KRPC_CODING_BUILD:
        put_text(to, "build ");
        put_number(to, num);
        break;
    case KRPC_CODING_REVISION:
        put_char(to, 'r');
        put_number(to, num);
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
    text to = {out, cap, 0};

    if (client != NULL) {
        put_version(&to, client, (const uint8_t *)v, len);
    }
    return finish(&to);
}

size_t krpc_client_text(char *out, size_t cap, const void *v, size_t len)
{
    const krpc_client *client = krpc_client_find(v, len);
    text to = {out, cap, 0};

    if (client != NULL) {
        put_text(&to, client->name);
        put_char(&to, ' ');
        put_version(&to, client, (const uint8_t *)v, len);
    } else if (len > 0) {
        put_hex(&to, (const uint8_t *)v, len < MAX_RAW ? len : MAX_RAW);
        put_text(&to, len > MAX_RAW ? "..." : "");
    }
    return finish(&to);
}
