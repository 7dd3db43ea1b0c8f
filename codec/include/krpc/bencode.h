/* krpc/bencode.h: bencode (BEP 3) as a sequence of tokens, and back into a caller's buffer.
 *
 * The reader is a cursor over bytes that it does not own. It allocates nothing, does not recurse and never reads past
 * the end. It is lenient where the next token can still be found, and says in the token's flags what was wrong; it
 * stops only where the start of the next token cannot be found.
 *
 *     bencode_reader r;
 *     bencode_token t;
 *     bencode_reader_init(&r, data, len);
 *     while (bencode_next(&r, &t) == BENCODE_OK)
 *         ...
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_BENCODE_H
#define KRPC_BENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <krpc/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nesting whose dictionaries are told from lists. Deeper containers are still walked and closed, but what is a key in
 * them is not known any more and their tokens carry BENCODE_DEEP. */
#define BENCODE_MAX_DEPTH 64

typedef enum bencode_type {
    BENCODE_NONE,
    BENCODE_STRING,
    BENCODE_INT,
    BENCODE_LIST,
    BENCODE_DICT,
    BENCODE_END /* closes the innermost list or dictionary */
} bencode_type;

typedef enum bencode_status {
    BENCODE_OK,        /* a token was read */
    BENCODE_DONE,      /* the root value is complete; pos is the first byte after it */
    BENCODE_CUT,       /* the input ends inside the root value: every strict prefix of a complete value */
    BENCODE_BAD_BYTE,  /* the byte at pos begins no token */
    BENCODE_BAD_LENGTH /* a string length of more than 32 bits, or without its colon */
} bencode_status;

/* bencode_status_name is "ok", "done", "cut", "bad byte" or "bad length". */
KRPC_EXPORT const char *bencode_status_name(bencode_status status);

/* What was wrong with a token that could be read all the same. */
enum bencode_flags {
    BENCODE_KEY = 1 << 0,            /* not wrong: this token is a key of a dictionary */
    BENCODE_LEADING_ZERO = 1 << 1,   /* of an integer or of a string's length */
    BENCODE_MINUS_ZERO = 1 << 2,     /* i-0e */
    BENCODE_OVERFLOW = 1 << 3,       /* beyond int64_t; num is saturated */
    BENCODE_EMPTY_INT = 1 << 4,      /* ie or i-e; num is 0 */
    BENCODE_BAD_INT = 1 << 5,        /* bytes other than digits between i and e; num is 0 */
    BENCODE_KEY_NOT_STRING = 1 << 6, /* a key that is an integer or a container */
    BENCODE_MISSING_VALUE = 1 << 7,  /* the END of a dictionary whose last key has no value */
    BENCODE_DEEP = 1 << 8            /* deeper than BENCODE_MAX_DEPTH */
};

typedef struct bencode_token {
    bencode_type type;
    uint32_t flags;    /* enum bencode_flags */
    uint32_t off;      /* first byte of the token, its header included */
    uint32_t end;      /* first byte after it; after the opening byte for a container */
    uint32_t body_off; /* a string's bytes, an integer's digits (with the minus) */
    uint32_t body_len;
    int64_t num; /* an integer's value; 0 for every other token */
} bencode_token;

/* bencode_reader walks one value. Copy it to look ahead. pos may be read at any time: it is the next token's first
 * byte, or where the walk stopped. */
typedef struct bencode_reader {
    const uint8_t *data;
    uint32_t len;
    uint32_t pos;
    uint32_t depth;    /* containers open */
    uint8_t started;   /* the root's first token has been read */
    uint64_t dicts;    /* bit n: the container at depth n + 1 is a dictionary */
    uint64_t in_value; /* bit n: its next token is a value, not a key */
} bencode_reader;

/* bencode_reader_init begins at the first of len bytes; more than 2^32 - 1 of them are not looked at. */
KRPC_EXPORT void bencode_reader_init(bencode_reader *reader, const void *data, size_t len);

/* bencode_next reads one token into *out. On anything but BENCODE_OK *out and the reader stay as they were. */
KRPC_EXPORT bencode_status bencode_next(bencode_reader *reader, bencode_token *out);

/* bencode_skip skips the rest of the value that token opened (a container's body and END; nothing for others) and
 * sets *end_out to the first byte after it. On anything but BENCODE_OK the reader is where the walk stopped. */
KRPC_EXPORT bencode_status bencode_skip(bencode_reader *reader, uint32_t *end_out, const bencode_token *token);

/* bencode_check walks one value without recording anything: the cheapest answer to "is this well-formed". BENCODE_DONE
 * when it is, with the value's size in *size_out. */
KRPC_EXPORT bencode_status bencode_check(uint32_t *size_out, const void *data, size_t len);

/* bencode_writer appends to a caller's buffer and counts past its end, as snprintf does: write all, then test once
 * whether len <= cap. With cap 0 (out may be NULL) a dry run gives the size. Keys must be put in the order of their
 * bytes; the writer does not sort. */
typedef struct bencode_writer {
    uint8_t *out;
    size_t cap;
    size_t len; /* bytes that were put, whether they had room or not */
} bencode_writer;

KRPC_EXPORT void bencode_writer_init(bencode_writer *writer, void *out, size_t cap);
KRPC_EXPORT void bencode_put_int(bencode_writer *writer, int64_t num);
KRPC_EXPORT void bencode_put_string(bencode_writer *writer, const void *bytes, size_t len);
KRPC_EXPORT void bencode_put_key(bencode_writer *writer, const char *key);               /* a NUL-terminated key */
KRPC_EXPORT void bencode_put_raw(bencode_writer *writer, const void *bytes, size_t len); /* already bencoded */
KRPC_EXPORT void bencode_put_list(bencode_writer *writer);
KRPC_EXPORT void bencode_put_dict(bencode_writer *writer);
KRPC_EXPORT void bencode_put_end(bencode_writer *writer);
/* bencode_writer_ok: everything that was put had room. */
KRPC_EXPORT bool bencode_writer_ok(const bencode_writer *writer);

#ifdef __cplusplus
}
#endif

#endif
