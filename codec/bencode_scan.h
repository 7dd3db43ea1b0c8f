/* bencode_scan.h: the one place where bencode's bytes are looked at; the reader and the message decoder are built on it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCODE_SCAN_H
#define BENCODE_SCAN_H

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

/* bencode_scan_string reads "<len>:<bytes>" at pos, whose byte is a digit. */
static inline bencode_status bencode_scan_string(bencode_scanned *out, const uint8_t *data, uint32_t len, uint32_t pos)
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

/* bencode_scan_bad_int looks for the e of an integer whose byte at `at` is no digit. */
static inline bencode_status bencode_scan_bad_int(bencode_scanned *out, const uint8_t *data, uint32_t len, uint32_t pos,
                                                  uint32_t at)
{
    uint32_t limit = len - pos > BENCODE_MAX_BAD_INT ? pos + BENCODE_MAX_BAD_INT : len;

    while (at < limit && data[at] != 'e') {
        at++;
    }
    if (at >= limit) {
        return at >= len ? BENCODE_CUT : BENCODE_BAD_BYTE;
    }
    out->body_off = pos + 1;
    out->body_len = at - pos - 1;
    out->end = at + 1;
    out->flags = BENCODE_BAD_INT;
    out->num = 0;
    return BENCODE_OK;
}

/* bencode_scan_int reads "i<digits>e" at pos, whose byte is the i. */
static inline bencode_status bencode_scan_int(bencode_scanned *out, const uint8_t *data, uint32_t len, uint32_t pos)
{
    uint32_t at = pos + 1;
    bool minus = at < len && data[at] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + (minus ? 1 : 0);
    uint32_t digits, first;
    uint64_t n = 0;
    uint32_t flags = 0;

    at += minus ? 1 : 0;
    first = at;
    while (at < len && (unsigned)(data[at] - '0') <= 9) {
        uint64_t digit = (uint64_t)(data[at] - '0');

        if (n > (limit - digit) / 10) {
            flags |= BENCODE_OVERFLOW;
            n = limit;
        } else {
            n = n * 10 + digit;
        }
        at++;
    }
    if (at >= len) {
        return BENCODE_CUT;
    }
    if (data[at] != 'e') {
        return bencode_scan_bad_int(out, data, len, pos, at);
    }
    digits = at - first;
    if (digits == 0) {
        flags |= BENCODE_EMPTY_INT;
    } else if (data[first] == '0') {
        flags |= digits > 1 ? BENCODE_LEADING_ZERO : minus ? BENCODE_MINUS_ZERO : 0u;
    }
    out->body_off = pos + 1;
    out->body_len = at - pos - 1;
    out->end = at + 1;
    out->flags = flags;
    out->num = minus ? (int64_t)(0 - n) : (int64_t)n;
    return BENCODE_OK;
}

#endif
