/* text.h: a growing piece of text, and fast ways to add to it.
 *
 * Everything that krpcscope prints is put together here first and handed over in large pieces. Numbers, hex, addresses and
 * times have writers of their own: a capture becomes millions of lines, and printf or Wireshark's json_dumper would go
 * through stdio for each brace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_TEXT_H
#define VALIDATOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <krpc/endpoint.h>

/* text is len bytes at data, not terminated. All zero is an empty text; text_free gives its memory back. */
typedef struct text {
    char *data;
    size_t len;
    size_t cap;
    int64_t second; /* what second_text says, for text_time */
    char second_text[48];
} text;

void text_free(text *out);
void text_grow(text *out, size_t len);

/* text_room makes sure that len bytes fit behind the end, and returns where they begin. */
static inline char *text_room(text *out, size_t len)
{
    if (out->cap - out->len < len) {
        text_grow(out, len);
    }
    return out->data + out->len;
}

static inline void text_put(text *out, const char *bytes, size_t len)
{
    if (len == 0) {
        return; /* both may be NULL then */
    }
    char *at = text_room(out, len);

    memcpy(at, bytes, len);
    out->len += len;
}

static inline void text_char(text *out, char c)
{
    *text_room(out, 1) = c;
    out->len++;
}

/* text_puts adds a string; the compiler knows the length of a literal. */
static inline void text_puts(text *out, const char *string)
{
    text_put(out, string, strlen(string));
}

/* Where thousands of small things follow one another, one text_room is enough for all of them: these write at a place that
 * has room (20 bytes for a number, 2 a byte for hex, KRPC_ENDPOINT_TEXT for an address) and return the end. */
char *text_uint_at(char *at, uint64_t number);
char *text_hex_at(char *at, const uint8_t *bytes, size_t len);
char *text_addr_at(char *at, const uint8_t *addr, size_t addr_len);
#define TEXT_AT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + sizeof(literal) - 1)

void text_uint(text *out, uint64_t number);
void text_int(text *out, int64_t number);
/* text_count adds a number with a comma between each three digits. */
void text_count(text *out, uint64_t number);
/* text_hex adds two lower-case digits a byte. */
void text_hex(text *out, const uint8_t *bytes, size_t len);
void text_addr(text *out, const krpc_endpoint *endpoint);
/* text_endpoint adds "192.0.2.1:6881" or "[2001:db8::1]:6881". */
void text_endpoint(text *out, const krpc_endpoint *endpoint);
/* text_time adds "2007-06-29T15:17:41.000000+0000", as Suricata's EVE writes times; text_clock "15:17:41.000000". */
void text_time(text *out, int64_t time_ns);
void text_clock(text *out, int64_t time_ns);
/* text_pad adds blanks until column bytes stand behind start. */
void text_pad(text *out, size_t start, size_t column);
void text_printf(text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* text_heading adds the name of a file, as text_printable does, with a colon, on a line of its own; behind an empty line
 * unless it is the first. */
void text_heading(text *out, bool first, const char *name);
/* text_printable adds bytes as a terminal can show them: everything that is not plain UTF-8 becomes \xNN. */
void text_printable(text *out, const void *bytes, size_t len);

/* text_json adds a JSON string with its quotes; the bytes must be UTF-8 without NUL (text_is_json says whether). */
void text_json(text *out, const void *bytes, size_t len);
bool text_is_json(const void *bytes, size_t len);
/* text_json_name is text_json for the name of a file, which can be any bytes: those that are not UTF-8 become U+FFFD. */
void text_json_name(text *out, const char *name);

/* text_xml adds characters of XML or HTML, escaped; what cannot stand in XML becomes U+FFFD. */
void text_xml(text *out, const void *bytes, size_t len);

#endif
