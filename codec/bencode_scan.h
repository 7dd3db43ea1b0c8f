/* bencode_scan.h: the one place where bencode's bytes are looked at; the reader and the message decoder are built on
 * it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCODE_SCAN_H
#define BENCODE_SCAN_H

#include "compiler.h"

#include <krpc/bencode.h>

/* Longest run of bytes that is still taken for a broken integer when its e is looked for. */
#define BENCODE_MAX_BAD_INT 40

typedef struct bencode_scanned {
    uint32_t end;
    uint32_t body_off;
    uint32_t body_len;
    uint32_t flags;
    int64_t num;
} bencode_scanned;

/* Any 18 digits are less than INT64_MAX. */
#define BENCODE_SAFE_DIGITS 18

/* bencode_scan_string reads "<len>:<bytes>" at pos, whose byte is a digit. */
static inline HOT bencode_status bencode_scan_string(bencode_scanned *out, const uint8_t *data, uint32_t len,
                                                     uint32_t pos)
{
    uint64_t n = (uint64_t)(data[pos] - '0');
    uint32_t at = pos + 1;
    uint32_t flags = 0;

    while (at < len && (unsigned)(data[at] - '0') <= 9) {
        if (n == 0) {
            flags = BENCODE_LEADING_ZERO;
        }
        n = n * 10 + (uint64_t)(data[at] - '0');
        if (n > UINT32_MAX) {
            return BENCODE_BAD_LENGTH;
        }
        at++;
    }
    if (at >= len) {
        return BENCODE_CUT;
    }
    if (data[at] != ':') {
        return BENCODE_BAD_LENGTH;
    }
    at++;
    if (n > len - at) {
        return BENCODE_CUT;
    }
    out->body_off = at;
    out->body_len = (uint32_t)n;
    out->end = at + (uint32_t)n;
    out->flags = flags;
    return BENCODE_OK;
}

/* bencode_scan_usual reads a string whose length has up to three digits, none of them wasted: nearly every one. False
 * leaves it to bencode_scan_string. */
static inline HOT bool bencode_scan_usual(uint32_t *body_off, uint32_t *body_len, const uint8_t *data, uint32_t len,
                                          uint32_t pos)
{
    unsigned first, second, third;

    if (len - pos < 4) {
        return false;
    }
    if (data[pos] == '2' && data[pos + 1] == '0' && data[pos + 2] == ':') { /* an id: known without its digits */
        *body_len = 20;
        *body_off = pos + 3;
        return *body_len <= len - *body_off;
    }
    first = (unsigned)(data[pos] - '0');
    if (data[pos + 1] == ':') {
        *body_len = first;
        *body_off = pos + 2;
        return first <= 9 && first <= len - *body_off;
    }
    second = (unsigned)(data[pos + 1] - '0');
    if (data[pos + 2] == ':') {
        *body_len = first * 10 + second;
        *body_off = pos + 3;
        return first - 1 <= 8 && second <= 9 && *body_len <= len - *body_off;
    }
    third = (unsigned)(data[pos + 2] - '0');
    *body_len = first * 100 + second * 10 + third;
    *body_off = pos + 4;
    return data[pos + 3] == ':' && first - 1 <= 8 && second <= 9 && third <= 9 && *body_len <= len - *body_off;
}

/* bencode_bad_int_end looks for the e of the integer at pos whose byte at `at` is no digit. 0 where it is not found. */
static RARE uint32_t bencode_bad_int_end(const uint8_t *data, uint32_t len, uint32_t pos, uint32_t at)
{
    uint32_t limit = len - pos > BENCODE_MAX_BAD_INT ? pos + BENCODE_MAX_BAD_INT : len;

    while (at < limit && data[at] != 'e') {
        at++;
    }
    return at < limit ? at : 0;
}

/* bencode_long_int reads digits that may be too many; false where they are, and the number is limit then. */
static RARE bool bencode_long_int(uint64_t *num, const uint8_t *digits, uint32_t len, uint64_t limit)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(digits[i] - '0');

        if (n > (limit - digit) / 10) {
            *num = limit;
            return false;
        }
        n = n * 10 + digit;
    }
    *num = n;
    return true;
}

/* bencode_scan_int reads "i<digits>e" at pos, whose byte is the i. */
static inline HOT bencode_status bencode_scan_int(bencode_scanned *out, const uint8_t *data, uint32_t len, uint32_t pos)
{
    uint32_t at = pos + 1;
    bool minus = at < len && data[at] == '-';
    uint32_t digits, first;
    uint32_t flags = 0;
    uint64_t n = 0;

    at += minus ? 1 : 0;
    first = at;
    while (at < len && (unsigned)(data[at] - '0') <= 9) {
        n = n * 10 + (uint64_t)(data[at] - '0');
        at++;
    }
    if (at >= len) {
        return BENCODE_CUT;
    }
    digits = at - first;
    if (data[at] != 'e') {
        at = bencode_bad_int_end(data, len, pos, at);
        if (at == 0) {
            return len - pos > BENCODE_MAX_BAD_INT ? BENCODE_BAD_BYTE : BENCODE_CUT;
        }
        flags = BENCODE_BAD_INT;
        n = 0;
    } else if (digits == 0) {
        flags = BENCODE_EMPTY_INT;
    } else {
        if (data[first] == '0') {
            flags = digits > 1 ? BENCODE_LEADING_ZERO : minus ? BENCODE_MINUS_ZERO : 0u;
        }
        if (digits > BENCODE_SAFE_DIGITS) {
            uint64_t num;

            flags |= bencode_long_int(&num, data + first, digits, (uint64_t)INT64_MAX + minus) ? 0u : BENCODE_OVERFLOW;
            n = num;
        }
    }
    out->body_off = pos + 1;
    out->body_len = at - pos - 1;
    out->end = at + 1;
    out->flags = flags;
    out->num = minus ? (int64_t)(0 - n) : (int64_t)n;
    return BENCODE_OK;
}

#endif
