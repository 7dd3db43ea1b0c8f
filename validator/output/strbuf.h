/* strbuf.h: a growing string, and fast ways to append to it.
 *
 * All output of krpcscope is built here and written in large blocks. Numbers, hex, addresses and times have their own
 * functions: a capture becomes millions of lines, and printf or Wireshark's json_dumper would go through stdio for each
 * brace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_STRBUF_H
#define VALIDATOR_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <krpc/endpoint.h>

/* strbuf is len bytes at data, not terminated. All zero is an empty string; strbuf_free frees its memory. */
typedef struct strbuf {
    char *data;
    size_t len;
    size_t cap;
    int64_t second; /* the second in second_text, for strbuf_time */
    char second_text[48];
} strbuf;

void strbuf_free(strbuf *out);
void strbuf_grow(strbuf *out, size_t len);

/* strbuf_room makes room for len bytes at the end and returns their address. */
static inline char *strbuf_room(strbuf *out, size_t len)
{
    if (out->cap - out->len < len) {
        strbuf_grow(out, len);
    }
    return out->data + out->len;
}

static inline void strbuf_put(strbuf *out, const char *bytes, size_t len)
{
    if (len == 0) {
        return; /* both may be NULL then */
    }
    char *at = strbuf_room(out, len);

    memcpy(at, bytes, len);
    out->len += len;
}

static inline void strbuf_char(strbuf *out, char c)
{
    *strbuf_room(out, 1) = c;
    out->len++;
}

/* strbuf_puts adds a string; the compiler computes the length of a literal. */
static inline void strbuf_puts(strbuf *out, const char *string)
{
    strbuf_put(out, string, strlen(string));
}

/* For thousands of small pieces, one strbuf_room is enough for all of them: these functions write at an address that
 * has room (20 bytes for a number, 2 for each byte of hex, KRPC_ENDPOINT_TEXT for an address) and return the end. */
char *strbuf_uint_at(char *at, uint64_t number);
char *strbuf_hex_at(char *at, const uint8_t *bytes, size_t len);
char *strbuf_addr_at(char *at, const uint8_t *addr, size_t addr_len);
#define STRBUF_AT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + sizeof(literal) - 1)

void strbuf_uint(strbuf *out, uint64_t number);
void strbuf_int(strbuf *out, int64_t number);
/* strbuf_count adds a number with a comma between groups of three digits. */
void strbuf_count(strbuf *out, uint64_t number);
/* strbuf_hex adds two lower-case digits for each byte. */
void strbuf_hex(strbuf *out, const uint8_t *bytes, size_t len);
void strbuf_addr(strbuf *out, const krpc_endpoint *endpoint);
/* strbuf_endpoint adds "192.0.2.1:6881" or "[2001:db8::1]:6881". */
void strbuf_endpoint(strbuf *out, const krpc_endpoint *endpoint);
/* strbuf_time adds "2007-06-29T15:17:41.000000+0000", as Suricata's EVE; strbuf_clock adds "15:17:41.000000". */
void strbuf_time(strbuf *out, int64_t time_ns);
void strbuf_clock(strbuf *out, int64_t time_ns);
/* strbuf_pad adds blanks until the text since start has column bytes. */
void strbuf_pad(strbuf *out, size_t start, size_t column);
void strbuf_printf(strbuf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* strbuf_heading adds the name of a file, as strbuf_printable does, and a colon, on its own line; an empty line
 * precedes it unless it is the first. */
void strbuf_heading(strbuf *out, bool first, const char *name);
/* strbuf_printable adds bytes as a terminal can show them: all that is not printable UTF-8 becomes \xNN. */
void strbuf_printable(strbuf *out, const void *bytes, size_t len);

/* strbuf_json adds a JSON string with its quotes; the bytes must be UTF-8 without NUL (see strbuf_is_json). */
void strbuf_json(strbuf *out, const void *bytes, size_t len);
bool strbuf_is_json(const void *bytes, size_t len);
/* strbuf_json_name is strbuf_json for a file name, which may be any bytes: those that are not UTF-8 become U+FFFD. */
void strbuf_json_name(strbuf *out, const char *name);

/* strbuf_xml adds text escaped for XML or HTML; characters that XML does not allow become U+FFFD. */
void strbuf_xml(strbuf *out, const void *bytes, size_t len);

#endif
