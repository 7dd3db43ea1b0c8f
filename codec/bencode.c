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
static inline uint64_t level_bit(const bencode_reader *reader)
{
    return reader->depth - 1 < BENCODE_MAX_DEPTH ? UINT64_C(1) << (reader->depth - 1) : 0;
}

/* In a dictionary a key is followed by a value and a value by a key. */
static inline void value_done(bencode_reader *reader)
{
    reader->in_value ^= level_bit(reader) & reader->dicts;
}

static void open_container(bencode_reader *reader, bencode_token *out, bool dict)
{
    uint64_t bit;

    out->type = dict ? BENCODE_DICT : BENCODE_LIST;
    out->end = reader->pos + 1;
    out->body_off = out->end;
    out->body_len = 0;
    out->num = 0;
    reader->depth++;
    bit = level_bit(reader);
    if (bit == 0) {
        out->flags |= BENCODE_DEEP;
    }
    reader->dicts = dict ? reader->dicts | bit : reader->dicts & ~bit;
    reader->in_value &= ~bit;
}

static void close_container(bencode_reader *reader, bencode_token *out)
{
    out->type = BENCODE_END;
    out->end = reader->pos + 1;
    out->body_off = reader->pos;
    out->body_len = 0;
    out->num = 0;
    out->flags = (reader->in_value & level_bit(reader)) != 0 ? BENCODE_MISSING_VALUE : 0u;
    reader->depth--;
    value_done(reader);
}

static bencode_status read_scalar(bencode_reader *reader, bencode_token *out, uint8_t byte)
{
    bencode_scanned scanned;
    bencode_status status;
    bool string = byte != 'i';

    scanned.num = 0;
    status = string ? bencode_scan_string(&scanned, reader->data, reader->len, reader->pos)
                    : bencode_scan_int(&scanned, reader->data, reader->len, reader->pos);
    if (status != BENCODE_OK) {
        return status;
    }
    out->type = string ? BENCODE_STRING : BENCODE_INT;
    out->flags = scanned.flags;
    out->end = scanned.end;
    out->body_off = scanned.body_off;
    out->body_len = scanned.body_len;
    out->num = scanned.num;
    return BENCODE_OK;
}

bencode_status bencode_next(bencode_reader *reader, bencode_token *out)
{
    uint32_t pos = reader->pos;
    bool key;
    uint8_t byte;

    if (reader->depth == 0 && reader->started) {
        return BENCODE_DONE;
    }
    if (pos >= reader->len) {
        return BENCODE_CUT;
    }
    byte = reader->data[pos];
    key = (level_bit(reader) & reader->dicts & ~reader->in_value) != 0;
    if (byte == 'e') {
        if (reader->depth == 0) {
            return BENCODE_BAD_BYTE;
        }
        close_container(reader, out);
    } else if (byte == 'd' || byte == 'l') {
        out->flags = 0;
        open_container(reader, out, byte == 'd');
    } else if (byte == 'i' || (unsigned)(byte - '0') <= 9) {
        bencode_status status = read_scalar(reader, out, byte);

        if (status != BENCODE_OK) {
            return status;
        }
        value_done(reader);
    } else {
        return BENCODE_BAD_BYTE;
    }
    if (key && byte != 'e') {
        out->flags |= BENCODE_KEY | (out->type == BENCODE_STRING ? 0u : (unsigned)BENCODE_KEY_NOT_STRING);
    }
    out->off = pos;
    reader->pos = out->end;
    reader->started = 1;
    return BENCODE_OK;
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

/* Structure alone needs no keys: strings, integers and a counter. */
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
