/* strbuf.c: see strbuf.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "output/strbuf.h"

#include <stdarg.h>
#include <stdio.h>

#include <glib.h>

#define NS_PER_S  INT64_C(1000000000)
#define S_PER_DAY INT64_C(86400)

static const char hex_digits[] = "0123456789abcdef";

static const char two_digits[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445"
    "46474849505152535455565758596061626364656667686970717273747576777879808182838485868788899091"
    "9293949596979899";

void strbuf_free(strbuf *out)
{
    g_free(out->data);
    *out = (strbuf){0};
}

void strbuf_grow(strbuf *out, size_t len)
{
    size_t cap = out->cap < 4096 ? 4096 : out->cap;

    while (cap - out->len < len) {
        cap *= 2;
    }
    out->data = g_realloc(out->data, cap);
    out->cap = cap;
}

/* Writes the digits of number so that they end at end, and returns their start. */
static char *digits_before(char *end, uint64_t number)
{
    while (number >= 100) {
        end -= 2;
        memcpy(end, two_digits + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, two_digits + number * 2, 2);
    } else {
        *--end = (char)('0' + number);
    }
    return end;
}

char *strbuf_uint_at(char *at, uint64_t number)
{
    char digits[20];

    if (number < 10) {
        *at = (char)('0' + number);
        return at + 1;
    }
    char *begin = digits_before(digits + sizeof digits, number);
    size_t len = (size_t)(digits + sizeof digits - begin);
    memcpy(at, begin, len);
    return at + len;
}

void strbuf_uint(strbuf *out, uint64_t number)
{
    char *at = strbuf_room(out, 20);

    out->len += (size_t)(strbuf_uint_at(at, number) - at);
}

void strbuf_int(strbuf *out, int64_t number)
{
    if (number < 0) {
        strbuf_char(out, '-');
    }
    strbuf_uint(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void strbuf_count(strbuf *out, uint64_t number)
{
    char digits[20];
    char *begin = digits_before(digits + sizeof digits, number);
    size_t len = (size_t)(digits + sizeof digits - begin);

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            strbuf_char(out, ',');
        }
        strbuf_char(out, begin[i]);
    }
}

/* Four bytes become eight digits at once: each half byte moves into its own byte, and digits above 9 get the distance
 * from '9' to 'a' added. */
static uint64_t eight_digits(const uint8_t bytes[4])
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t halves =
        (uint64_t)bytes[0] | (uint64_t)bytes[1] << 16 | (uint64_t)bytes[2] << 32 | (uint64_t)bytes[3] << 48;

    halves = (halves >> 4 & 0x0f * ones) | (halves & UINT64_C(0x000f000f000f000f)) << 8;
    halves &= 0x0f * ones;
    uint64_t above_nine = (halves + 6 * ones) >> 4 & ones;
    return GUINT64_TO_LE(halves + '0' * ones + above_nine * ('a' - '0' - 10));
}

char *strbuf_hex_at(char *at, const uint8_t *bytes, size_t len)
{
    for (; len >= 4; len -= 4, bytes += 4, at += 8) {
        uint64_t digits = eight_digits(bytes);
        memcpy(at, &digits, sizeof digits);
    }
    for (; len > 0; len--, bytes++) {
        *at++ = hex_digits[*bytes >> 4];
        *at++ = hex_digits[*bytes & 15];
    }
    return at;
}

void strbuf_hex(strbuf *out, const uint8_t *bytes, size_t len)
{
    strbuf_hex_at(strbuf_room(out, len * 2), bytes, len);
    out->len += len * 2;
}

/* The digits of each octet and, as the fourth character, their number; filled on first use. */
static char octets[256][4];

static void need_octets(void)
{
    static gsize done;

    if (!g_once_init_enter(&done)) {
        return;
    }
    for (unsigned i = 0; i < 256; i++) {
        char *end = strbuf_uint_at(octets[i], i);
        octets[i][3] = (char)(end - octets[i]);
    }
    g_once_init_leave(&done, 1);
}

/* Writes four characters and returns the end of the octet's digits. */
static inline char *put_octet(char *at, unsigned octet)
{
    memcpy(at, octets[octet], 4);
    return at + octets[octet][3];
}

/* The longest run of at least two zero groups (RFC 5952); *first is 8 if there is none. */
static void longest_zeros(unsigned *first, unsigned *count, const unsigned groups[8])
{
    *first = 8;
    *count = 1;
    for (unsigned i = 0; i < 8; i++) {
        unsigned run = 0;
        while (i + run < 8 && groups[i + run] == 0) {
            run++;
        }
        if (run > *count) {
            *first = i;
            *count = run;
        }
        i += run;
    }
}

static char *put_ipv6(char *at, const uint8_t *addr)
{
    char digits[33];
    unsigned groups[8];
    unsigned first = 8, count = 1;
    bool has_zero = false;

    strbuf_hex_at(digits, addr, 16);
    for (unsigned i = 0; i < 8; i++) {
        groups[i] = (unsigned)addr[2 * i] << 8 | addr[2 * i + 1];
        has_zero = has_zero || groups[i] == 0;
    }
    if (has_zero) {
        longest_zeros(&first, &count, groups);
    }
    for (unsigned i = 0; i < 8;) {
        if (i == first) {
            *at++ = ':';
            *at++ = ':';
            i += count;
            continue;
        }
        if (i > 0 && i != first + count) {
            *at++ = ':';
        }
        size_t skip = (size_t)(groups[i] <= 0xfff) + (size_t)(groups[i] <= 0xff) + (size_t)(groups[i] <= 0xf);
        memcpy(at, digits + 4 * i + skip, 4 - skip);
        at += 4 - skip;
        i++;
    }
    return at;
}

char *strbuf_addr_at(char *at, const uint8_t *addr, size_t addr_len)
{
    if (addr_len == 4) {
        need_octets();
        for (unsigned i = 0; i < 4; i++) {
            at = put_octet(at, addr[i]);
            if (i < 3) {
                *at++ = '.';
            }
        }
    } else if (addr_len == 16) {
        /* Addresses that embed an IPv4 address are written in dotted form. */
        static const uint8_t mapped[10];
        if (memcmp(addr, mapped, sizeof mapped) == 0) {
            krpc_endpoint endpoint;
            krpc_endpoint_set(&endpoint, addr, 16, 0);
            krpc_endpoint_addr_text(at, &endpoint);
            at += strlen(at);
        } else {
            at = put_ipv6(at, addr);
        }
    }
    return at;
}

void strbuf_addr(strbuf *out, const krpc_endpoint *endpoint)
{
    char *at = strbuf_room(out, KRPC_ENDPOINT_TEXT);

    out->len += (size_t)(strbuf_addr_at(at, endpoint->addr, endpoint->addr_len) - at);
}

void strbuf_endpoint(strbuf *out, const krpc_endpoint *endpoint)
{
    if (endpoint->addr_len == 16) {
        strbuf_char(out, '[');
    }
    strbuf_addr(out, endpoint);
    if (endpoint->addr_len == 16) {
        strbuf_char(out, ']');
    }
    strbuf_char(out, ':');
    strbuf_uint(out, endpoint->port);
}

/* Days since 1970-01-01 as a date of the proleptic Gregorian calendar, in eras of 400 years that begin on 1 March. */
static void date_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * of_year + 2) / 153;

    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

static void split_time(int64_t time_ns, int64_t *second, uint32_t *micros)
{
    *second = time_ns / NS_PER_S;
    int64_t rest = time_ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        --*second;
    }
    *micros = (uint32_t)(rest / 1000);
}

/* Caches "2007-06-29T15:17:41." of the last second: there are many packets in a second. */
static void need_second(strbuf *out, int64_t second)
{
    if (out->second == second && out->second_text[0] != 0) {
        return;
    }
    int64_t days = (second >= 0 ? second : second - (S_PER_DAY - 1)) / S_PER_DAY;
    unsigned rest = (unsigned)(second - days * S_PER_DAY);
    int64_t year;
    unsigned month, day;
    date_of_days(days, &year, &month, &day);
    snprintf(out->second_text, sizeof out->second_text, "%04d-%02u-%02uT%02u:%02u:%02u.", (int)year, month, day,
             rest / 3600, rest / 60 % 60, rest % 60);
    out->second = second;
}

static void put_micros(char *at, uint32_t micros)
{
    memcpy(at, two_digits + micros / 10000 * 2, 2);
    memcpy(at + 2, two_digits + micros / 100 % 100 * 2, 2);
    memcpy(at + 4, two_digits + micros % 100 * 2, 2);
}

#define DATE_TIME_LEN 20 /* "2007-06-29T15:17:41." */
#define DATE_LEN      11 /* "2007-06-29T" */

void strbuf_time(strbuf *out, int64_t time_ns)
{
    int64_t second;
    uint32_t micros;

    split_time(time_ns, &second, &micros);
    need_second(out, second);
    char *at = strbuf_room(out, 32);
    memcpy(at, out->second_text, DATE_TIME_LEN);
    put_micros(at + DATE_TIME_LEN, micros);
    memcpy(at + DATE_TIME_LEN + 6, "+0000", 5);
    out->len += DATE_TIME_LEN + 11;
}

void strbuf_clock(strbuf *out, int64_t time_ns)
{
    int64_t second;
    uint32_t micros;

    split_time(time_ns, &second, &micros);
    need_second(out, second);
    char *at = strbuf_room(out, 32);
    memcpy(at, out->second_text + DATE_LEN, DATE_TIME_LEN - DATE_LEN);
    put_micros(at + DATE_TIME_LEN - DATE_LEN, micros);
    out->len += DATE_TIME_LEN - DATE_LEN + 6;
}

void strbuf_pad(strbuf *out, size_t start, size_t column)
{
    size_t now = out->len - start;

    if (now < column) {
        char *at = strbuf_room(out, column - now);
        memset(at, ' ', column - now);
        out->len += column - now;
    }
}

void strbuf_printf(strbuf *out, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        vsnprintf(strbuf_room(out, (size_t)len + 1), (size_t)len + 1, format, again);
        out->len += (size_t)len;
    }
    va_end(again);
}

/* The length of the UTF-8 character at bytes[0], 0 if it is not one. */
static size_t utf8_len(const uint8_t *bytes, size_t len)
{
    uint8_t first = bytes[0];

    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    size_t need = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (len < need) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) ||
        (first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f)) {
        return 0;
    }
    return need;
}

/* C1 controls (U+0080 to U+009F) can control a terminal like C0; so can characters that reverse the writing direction.
 * */
static bool is_shown(const uint8_t *bytes, size_t len)
{
    if (len == 0 || bytes[0] < 0x20 || bytes[0] == 0x7f) {
        return false;
    }
    if (len == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0) {
        return false;
    }
    return !(len == 3 && bytes[0] == 0xe2 &&
             ((bytes[1] == 0x80 && (bytes[2] >= 0xa8 && bytes[2] <= 0xae)) ||
              (bytes[1] == 0x81 && bytes[2] >= 0xa6 && bytes[2] <= 0xa9)));
}

void strbuf_printable(strbuf *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len;) {
        size_t char_len = utf8_len(bytes + i, len - i);
        if (is_shown(bytes + i, char_len)) {
            strbuf_put(out, (const char *)bytes + i, char_len);
            i += char_len;
        } else {
            char *at = strbuf_room(out, 4);
            at[0] = '\\';
            at[1] = 'x';
            at[2] = hex_digits[bytes[i] >> 4];
            at[3] = hex_digits[bytes[i] & 15];
            out->len += 4;
            i++;
        }
    }
}

void strbuf_heading(strbuf *out, bool first, const char *name)
{
    if (!first) {
        strbuf_char(out, '\n');
    }
    strbuf_printable(out, name, strlen(name));
    strbuf_puts(out, ":\n");
}

bool strbuf_is_json(const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len;) {
        size_t char_len = utf8_len(bytes + i, len - i);
        if (char_len == 0 || bytes[i] == 0) {
            return false;
        }
        i += char_len;
    }
    return true;
}

void strbuf_json(strbuf *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    char *at = strbuf_room(out, len * 6 + 2);
    char *begin = at;

    *at++ = '"';
    for (size_t i = 0; i < len; i++) {
        uint8_t c = bytes[i];
        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c >= 0x20 && c != 0x7f) {
            *at++ = (char)c;
        } else {
            memcpy(at, "\\u00", 4);
            at[4] = hex_digits[c >> 4];
            at[5] = hex_digits[c & 15];
            at += 6;
        }
    }
    *at++ = '"';
    out->len += (size_t)(at - begin);
}

void strbuf_json_name(strbuf *out, const char *name)
{
    if (strbuf_is_json(name, strlen(name))) {
        strbuf_json(out, name, strlen(name));
        return;
    }
    char *valid = g_utf8_make_valid(name, -1);
    strbuf_json(out, valid, strlen(valid));
    g_free(valid);
}

/* The last two code points of each plane are noncharacters, and XML does not allow them. */
static bool is_xml(const uint8_t *bytes, size_t len)
{
    if (len == 1) {
        return bytes[0] >= 0x20 || bytes[0] == '\n' || bytes[0] == '\t';
    }
    return len > 0 && !(len == 3 && bytes[0] == 0xef && bytes[1] == 0xbf && bytes[2] >= 0xbe);
}

void strbuf_xml(strbuf *out, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len;) {
        size_t char_len = utf8_len(bytes + i, len - i);
        if (!is_xml(bytes + i, char_len)) {
            strbuf_puts(out, "\xef\xbf\xbd");
            i += char_len > 0 ? char_len : 1;
            continue;
        }
        switch (bytes[i]) {
        case '&':
            strbuf_puts(out, "&amp;");
            break;
        case '<':
            strbuf_puts(out, "&lt;");
            break;
        case '>':
            strbuf_puts(out, "&gt;");
            break;
        case '"':
            strbuf_puts(out, "&quot;");
            break;
        default:
            strbuf_put(out, (const char *)bytes + i, char_len);
        }
        i += char_len;
    }
}
