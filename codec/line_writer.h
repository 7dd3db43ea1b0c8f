/* line_writer.h: a line of text into a caller's buffer: what does not fit is counted, like snprintf.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LINE_WRITER_H
#define LINE_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct line_writer {
    char *out;
    size_t cap;
    size_t len; /* counts on past the end */
} line_writer;

static inline void line_writer_bytes(line_writer *to, const char *bytes, size_t len)
{
    if (to->len + 1 < to->cap) {
        size_t room = to->cap - 1 - to->len;

        memcpy(to->out + to->len, bytes, len < room ? len : room);
    }
    to->len += len;
}

static inline void line_writer_char(line_writer *to, char c)
{
    line_writer_bytes(to, &c, 1);
}

static inline void line_writer_string(line_writer *to, const char *string)
{
    line_writer_bytes(to, string, strlen(string));
}

static inline void line_writer_number(line_writer *to, int64_t number)
{
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + size % 10);
        size /= 10;
    } while (size > 0);
    line_writer_string(to, number < 0 ? "-" : "");
    line_writer_bytes(to, digits + at, sizeof digits - at);
}

/* line_writer_hex is a byte as two digits. */
static inline void line_writer_hex(line_writer *to, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    line_writer_char(to, digits[byte >> 4]);
    line_writer_char(to, digits[byte & 15]);
}

/* line_writer_end terminates the text, cut where it must be, and returns the length that it has or would have had. */
static inline size_t line_writer_end(const line_writer *to)
{
    if (to->cap > 0) {
        to->out[to->len < to->cap ? to->len : to->cap - 1] = '\0';
    }
    return to->len;
}

#endif
