/* bencode.c: the reader.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bencode_scan.h"

const char *bencode_status_name(bencode_status status)
{
    static const char *const names[] = {"ok", "done", "cut", "bad byte", "bad length"};

    return (size_t)status < sizeof names / sizeof names[0] ? names[status] : "?";
}

void bencode_reader_init(bencode_reader *reader, const void *data, size_t len)
{
    reader->data = (const uint8_t *)data;
    reader->len = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len;
    reader->pos = 0;
    reader->depth = 0;
    reader->started = 0;
    reader->dicts = 0;
    reader->in_value = 0;
}

/* The bit of the innermost container, 0 at the root and where nothing is known about it any more. */
static inline uint64_t level_bit(uint32_t depth)
{
    return depth - 1 < BENCODE_MAX_DEPTH ? UINT64_C(1) << (depth - 1) : 0;
}

/* The bit of the innermost container when it is a dictionary, 0 in a list. */
static inline uint64_t dict_bit(const bencode_reader *reader)
{
    return level_bit(reader->depth) & reader->dicts;
}

static inline void put_token(bencode_reader *reader, bencode_token *out, bencode_type type, uint32_t flags,
                             uint32_t end)
{
    out->type = type;
    out->flags = flags;
    out->off = reader->pos;
    out->end = end;
    reader->pos = end;
    reader->started = 1;
}

static APART bencode_status next_container(bencode_reader *reader, bencode_token *out, bool dict)
{
    bool key = (dict_bit(reader) & ~reader->in_value) != 0;
    uint64_t bit = level_bit(reader->depth + 1);

    reader->depth++;
    reader->dicts = dict ? reader->dicts | bit : reader->dicts & ~bit;
    reader->in_value &= ~bit;
    put_token(reader, out, dict ? BENCODE_DICT : BENCODE_LIST,
              (bit == 0 ? BENCODE_DEEP : 0u) | (key ? (unsigned)BENCODE_KEY | BENCODE_KEY_NOT_STRING : 0u),
              reader->pos + 1);
    out->body_off = out->end;
    out->body_len = 0;
    out->num = 0;
    return BENCODE_OK;
}

static APART bencode_status next_end(bencode_reader *reader, bencode_token *out)
{
    uint64_t bit = level_bit(reader->depth);

    put_token(reader, out, BENCODE_END, (reader->in_value & bit) != 0 ? BENCODE_MISSING_VALUE : 0u, reader->pos + 1);
    out->body_off = out->off;
    out->body_len = 0;
    out->num = 0;
    reader->depth--;
    reader->in_value ^= dict_bit(reader);
    return BENCODE_OK;
}

static APART bencode_status next_int(bencode_reader *reader, bencode_token *out)
{
    bencode_scanned s;
    bencode_status status = bencode_scan_int(&s, reader->data, reader->len, reader->pos);
    uint64_t dict = dict_bit(reader);

    if (status != BENCODE_OK) {
        return status;
    }
    if ((dict & ~reader->in_value) != 0) {
        s.flags |= (unsigned)BENCODE_KEY | BENCODE_KEY_NOT_STRING;
    }
    put_token(reader, out, BENCODE_INT, s.flags, s.end);
    out->body_off = s.body_off;
    out->body_len = s.body_len;
    out->num = s.num;
    reader->in_value ^= dict;
    return BENCODE_OK;
}

static inline void put_string(bencode_reader *reader, bencode_token *out, uint32_t flags, uint32_t off, uint32_t len)
{
    uint64_t dict = dict_bit(reader);

    flags |= (dict & ~reader->in_value) != 0 ? BENCODE_KEY : 0u;
    reader->in_value ^= dict; /* in a dictionary a key is followed by a value and a value by a key */
    put_token(reader, out, BENCODE_STRING, flags, off + len);
    out->body_off = off;
    out->body_len = len;
    out->num = 0;
}

static RARE bencode_status next_odd_string(bencode_reader *reader, bencode_token *out)
{
    bencode_scanned s;
    bencode_status status = bencode_scan_string(&s, reader->data, reader->len, reader->pos);

    if (status == BENCODE_OK) {
        put_string(reader, out, s.flags, s.body_off, s.body_len);
    }
    return status;
}

bencode_status bencode_next(bencode_reader *reader, bencode_token *out)
{
    uint32_t off, len;
    uint8_t byte;

    if (reader->depth == 0 && reader->started) {
        return BENCODE_DONE;
    }
    if (reader->pos >= reader->len) {
        return BENCODE_CUT;
    }
    byte = reader->data[reader->pos];
    if ((unsigned)(byte - '0') <= 9) {
        if (!LIKELY(bencode_scan_usual(&off, &len, reader->data, reader->len, reader->pos))) {
            return next_odd_string(reader, out);
        }
        put_string(reader, out, 0, off, len);
        return BENCODE_OK;
    }
    switch (byte) {
    case 'e':
        return reader->depth > 0 ? next_end(reader, out) : BENCODE_BAD_BYTE;
    case 'd':
    case 'l':
        return next_container(reader, out, byte == 'd');
    case 'i':
        return next_int(reader, out);
    default:
        return BENCODE_BAD_BYTE;
    }
}

bencode_status bencode_skip(bencode_reader *reader, uint32_t *end_out, const bencode_token *token)
{
    uint32_t depth;
    bencode_token inner;

    *end_out = token->end;
    if (token->type != BENCODE_LIST && token->type != BENCODE_DICT) {
        return BENCODE_OK;
    }
    depth = reader->depth - 1;
    while (reader->depth > depth) {
        bencode_status status = bencode_next(reader, &inner);

        if (status != BENCODE_OK) {
            return status;
        }
    }
    *end_out = reader->pos;
    return BENCODE_OK;
}

/* A check of the structure needs no keys: it reads strings and integers and counts the depth. */
bencode_status bencode_check(uint32_t *size_out, const void *bytes, size_t size)
{
    const uint8_t *data = (const uint8_t *)bytes;
    uint32_t len = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    uint32_t depth = 0;
    uint32_t pos = 0;

    do {
        bencode_scanned scanned;
        bencode_status status = BENCODE_OK;
        uint8_t byte;

        if (pos >= len) {
            return BENCODE_CUT;
        }
        byte = data[pos];
        if ((unsigned)(byte - '0') <= 9) {
            status = bencode_scan_string(&scanned, data, len, pos);
            pos = status == BENCODE_OK ? scanned.end : pos;
        } else if (byte == 'd' || byte == 'l') {
            depth++;
            pos++;
        } else if (byte == 'e' && depth > 0) {
            depth--;
            pos++;
        } else if (byte == 'i') {
            status = bencode_scan_int(&scanned, data, len, pos);
            pos = status == BENCODE_OK ? scanned.end : pos;
        } else {
            return BENCODE_BAD_BYTE;
        }
        if (status != BENCODE_OK) {
            return status;
        }
    } while (depth > 0);
    *size_out = pos;
    return BENCODE_DONE;
}
