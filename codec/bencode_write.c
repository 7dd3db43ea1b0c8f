/* bencode_write.c: the writer.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/bencode.h>

#include <string.h>

void bencode_writer_init(bencode_writer *writer, void *out, size_t cap)
{
    writer->out = (uint8_t *)out;
    writer->cap = cap;
    writer->len = 0;
}

bool bencode_writer_ok(const bencode_writer *writer)
{
    return writer->len <= writer->cap;
}

void bencode_put_raw(bencode_writer *writer, const void *bytes, size_t len)
{
    if (writer->len < writer->cap) {
        size_t room = writer->cap - writer->len;

        if (len > 0) {
            memcpy(writer->out + writer->len, bytes, len < room ? len : room);
        }
    }
    writer->len = len > SIZE_MAX - writer->len ? SIZE_MAX : writer->len + len;
}

static void put_byte(bencode_writer *writer, char byte)
{
    bencode_put_raw(writer, &byte, 1);
}

/* Decimal digits, right-aligned in 20 bytes; returns the first. */
static size_t digits_of(char out[20], uint64_t num)
{
    size_t at = 20;

    do {
        out[--at] = (char)('0' + num % 10);
        num /= 10;
    } while (num > 0);
    return at;
}

void bencode_put_int(bencode_writer *writer, int64_t num)
{
    uint64_t size = num < 0 ? 0 - (uint64_t)num : (uint64_t)num;
    char text[20 + 3];
    size_t at = digits_of(text + 2, size) + 2;

    if (num < 0) {
        text[--at] = '-';
    }
    text[--at] = 'i';
    text[22] = 'e';
    bencode_put_raw(writer, text + at, sizeof text - at);
}

void bencode_put_string(bencode_writer *writer, const void *bytes, size_t len)
{
    char text[20 + 1];
    size_t at = digits_of(text, len);

    text[20] = ':';
    bencode_put_raw(writer, text + at, sizeof text - at);
    bencode_put_raw(writer, bytes, len);
}

void bencode_put_key(bencode_writer *writer, const char *key)
{
    bencode_put_string(writer, key, strlen(key));
}

void bencode_put_list(bencode_writer *writer)
{
    put_byte(writer, 'l');
}

void bencode_put_dict(bencode_writer *writer)
{
    put_byte(writer, 'd');
}

void bencode_put_end(bencode_writer *writer)
{
    put_byte(writer, 'e');
}
