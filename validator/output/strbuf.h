/* strbuf.h: a growing piece of text, and fast ways to add to it.
 *
 * Everything that krpcscope prints is put together here first and handed over in large pieces. Numbers, hex, addresses and
 * times have writers of their own: a capture becomes millions of lines, and printf or Wireshark's json_dumper would go
 * through stdio for each brace.
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

/* text is len bytes at data, not terminated. All zero is an empty text; strbuf_free gives its memory back. */
typedef struct strbuf {
    char *data;
    size_t len;
    size_t cap;
    int64_t second; /* what second_text says, for strbuf_time */
    char second_text[48];
} strbuf;

void strbuf_free(strbuf *out);
void strbuf_grow(strbuf *out, size_t len);

/* strbuf_room makes sure that len bytes fit behind the end, and returns where they begin. */
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

/* strbuf_puts adds a string; the compiler knows the length of a literal. */
static inline void strbuf_puts(strbuf *out, const char *string)
{
    strbuf_put(out, string, strlen(string));
}

/* Where thousands of small things follow one another, one strbuf_room is enough for all of them: these write at a place that
 * has room (20 bytes for a number, 2 a byte for hex, KRPC_ENDPOINT_TEXT for an address) and return the end. */
char *strbuf_uint_at(char *at, uint64_t number);
char *strbuf_hex_at(char *at, const uint8_t *bytes, size_t len);
char *strbuf_addr_at(char *at, const uint8_t *addr, size_t addr_len);
#define STRBUF_AT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + sizeof(literal) - 1)

void strbuf_uint(strbuf *out, uint64_t number);
void strbuf_int(strbuf *out, int64_t number);
/* strbuf_count adds a number with a comma between each three digits. */
void strbuf_count(strbuf *out, uint64_t number);
/* strbuf_hex adds two lower-case digits a byte. */
void strbuf_hex(strbuf *out, const uint8_t *bytes, size_t len);
void strbuf_addr(strbuf *out, const krpc_endpoint *endpoint);
/* strbuf_endpoint adds "192.0.2.1:6881" or "[2001:db8::1]:6881". */
void strbuf_endpoint(strbuf *out, const krpc_endpoint *endpoint);
/* strbuf_time adds "2007-06-29T15:17:41.000000+0000", as Suricata's EVE writes times; strbuf_clock "15:17:41.000000". */
void strbuf_time(strbuf *out, int64_t time_ns);
void strbuf_clock(strbuf *out, int64_t time_ns);
/* strbuf_pad adds blanks until column bytes stand behind start. */
void strbuf_pad(strbuf *out, size_t start, size_t column);
void strbuf_printf(strbuf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* strbuf_heading adds the name of a file, as strbuf_printable does, with a colon, on a line of its own; behind an empty line
 * unless it is the first. */
void strbuf_heading(strbuf *out, bool first, const char *name);
/* strbuf_printable adds bytes as a terminal can show them: everything that is not plain UTF-8 becomes \xNN. */
void strbuf_printable(strbuf *out, const void *bytes, size_t len);

/* strbuf_json adds a JSON string with its quotes; the bytes must be UTF-8 without NUL (strbuf_is_json says whether). */
void strbuf_json(strbuf *out, const void *bytes, size_t len);
bool strbuf_is_json(const void *bytes, size_t len);
/* strbuf_json_name is strbuf_json for the name of a file, which can be any bytes: those that are not UTF-8 become U+FFFD. */
void strbuf_json_name(strbuf *out, const char *name);

/* strbuf_xml adds characters of XML or HTML, escaped; what cannot stand in XML becomes U+FFFD. */
void strbuf_xml(strbuf *out, const void *bytes, size_t len);

#endif
