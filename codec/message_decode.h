/* message_decode.h: what the two halves of the decoder share: message_decode.c walks the dictionaries that the tables
 * describe, message_decode_values.c reads all values but the usual strings.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef MESSAGE_DECODE_H
#define MESSAGE_DECODE_H

#include "message_private.h"

typedef struct krpc_decoder {
    const uint8_t *data;
    uint32_t len;
    uint32_t pos;
    const krpc_sink *sink;
    krpc_message *out;
    krpc_scope scope; /* of the dictionary that is walked */
    krpc_span key;    /* the last one that took a closer look, and its field */
    krpc_field field;
    krpc_field about; /* findings are about this field: the value's; while a key is read, its dictionary's */
    bool no_key;      /* the last key was no string */
    uint32_t tokens;
    uint32_t depth; /* the deepest that was seen */
    uint32_t deep_off;
    bool list_even; /* the last list held strings of 6 and 18 bytes only */
} krpc_decoder;

static inline void krpc_decoder_note_depth(krpc_decoder *d, uint32_t depth, uint32_t off)
{
    if (depth > d->depth) {
        d->depth = depth;
        d->deep_off = off;
    }
}

/* krpc_decoder_report_flags reports the flags that the scanner set on a token; num is its value, or a string's length.
 * krpc_decoder_report_order compares a key with the one before it. */
void krpc_decoder_report_flags(krpc_decoder *d, uint32_t flags, uint32_t off, uint32_t end, int64_t num,
                               bool is_string);
void krpc_decoder_report_order(krpc_decoder *d, krpc_span last, krpc_span key);
void krpc_decoder_report_empty_key(krpc_decoder *d, uint32_t off);

/* krpc_decoder_read_value reads one value of any type at pos; base is the depth of its dictionary.
 * krpc_decoder_judge_value checks it by its field's line of the table. */
bencode_status krpc_decoder_read_value(krpc_decoder *d, krpc_value *v, uint32_t base);
void krpc_decoder_judge_value(krpc_decoder *d, krpc_field field, const krpc_value *v);

#endif
