/* krpc/message.h: a KRPC message (BEP 5 and its extensions), typed, and back into bytes.
 *
 * A message is a plain struct of positions in the bytes that it was decoded from: copy it freely, there is nothing to
 * free, and keep the bytes as long as you look at its strings. What a key may hold is in fields.def, what a query needs
 * in methods.def.
 *
 *     krpc_message m;
 *     krpc_message_decode(&m, data, len, len, NULL);
 *     if (krpc_message_probe(&m, data) == KRPC_PROBE_YES && krpc_has(&m, KRPC_A_PORT))
 *         use(m.value[KRPC_A_PORT].num);
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_MESSAGE_H
#define KRPC_MESSAGE_H

#include <krpc/bencode.h>
#include <krpc/endpoint.h>
#include <krpc/fields.h>
#include <krpc/rules.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum krpc_type { KRPC_TYPE_UNKNOWN, KRPC_QUERY, KRPC_RESPONSE, KRPC_ERROR } krpc_type;

/* krpc_type_name is "query", "response", "error" or "unknown". */
KRPC_EXPORT const char *krpc_type_name(krpc_type type);

/* krpc_error_text says what an error code means (BEP 5, BEP 44); NULL for a code that no specification has. */
KRPC_EXPORT const char *krpc_error_text(int64_t code);

/* krpc_value is one value of a message, as positions in its bytes. */
typedef struct krpc_value {
    uint32_t key_off; /* first byte of the entry, which is the key's length; of an error's items, of the item */
    uint32_t off;     /* a string's bytes, an integer's digits, a container's opening byte */
    uint32_t len;     /* a string's, the digits', the whole container's */
    uint8_t type;     /* bencode_type: what is there, even if the table wants another */
    uint8_t flags;    /* the low 8 of enum bencode_flags */
    int64_t num;      /* an integer's value; a list's number of items */
} krpc_value;

/* krpc_span is a piece of a message. */
typedef struct krpc_span {
    uint32_t off;
    uint32_t len;
} krpc_span;

/* krpc_message is a decoded message. value[f] is valid where f is in present or in wrong. */
typedef struct krpc_message {
    krpc_fields present;          /* there, and of the type that the table wants */
    krpc_fields wrong;            /* there, but of another type; treat as absent */
    uint32_t len;                 /* bytes up to the end of the dictionary; without an end, all that were captured */
    uint32_t stop;                /* where decoding ended: len, or the first byte that it could not go on with */
    krpc_span body[KRPC_SCOPE_E]; /* TOP, A, R: the entries between the d and the e */
    uint16_t num_unknown[KRPC_SCOPE_E]; /* keys in them that the table does not have (saturating) */
    uint8_t status;                     /* bencode_status: BENCODE_DONE for a complete dictionary */
    uint8_t type;                       /* krpc_type, from y */
    uint8_t method;                     /* krpc_method, from q */
    uint8_t canonical; /* sorted, no duplicates, no leading zeros, nothing missing: encodes to the same bytes */
    krpc_value value[KRPC_NUM_FIELDS];
} krpc_message;

/* krpc_has: the field is there, and of the right type. krpc_has_any: it is there, of any type. */
static inline bool krpc_has(const krpc_message *message, krpc_field field)
{
    return krpc_fields_have(&message->present, field);
}

static inline bool krpc_has_any(const krpc_message *message, krpc_field field)
{
    return ((message->present.words[field / 64] | message->wrong.words[field / 64]) & UINT64_C(1) << field % 64) != 0;
}

/* krpc_message_next is the first field from `from` on, and before end, that is there with a value of any type; end when
 * there is none. All fields of the results, in the order of their keys:
 *
 *     unsigned end = krpc_scope_first(KRPC_SCOPE_R + 1);
 *     for (unsigned f = krpc_message_next(&m, KRPC_FIRST_R, end); f < end; f = krpc_message_next(&m, f + 1, end))
 *         ...
 */
static inline unsigned krpc_message_next(const krpc_message *message, unsigned from, unsigned end)
{
    while (from < end) {
        uint64_t left = (message->present.words[from / 64] | message->wrong.words[from / 64]) >> from % 64;

        if (left == 0) {
            from = (from / 64 + 1) * 64;
            continue;
        }
#if defined(__GNUC__)
        from += (unsigned)__builtin_ctzll(left);
#else
        for (; (left & 1) == 0; left >>= 1) {
            from++;
        }
#endif
        break;
    }
    return from < end ? from : end;
}

/* krpc_value_encoding is the whole encoding of a field's value in a decoded message, a string's length included; an
 * empty span when the field is not there. */
KRPC_EXPORT krpc_span krpc_value_encoding(const krpc_message *message, const uint8_t *data, krpc_field field);

/* krpc_message_decode reads one message out of the len bytes that were captured of a datagram of wire_len bytes (the
 * same when nothing was cut off). Keys may come in any order; of a key that comes twice the first counts. Findings
 * about the encoding and about each value's type and size go to sink (NULL: nowhere). Never fails: what could be read
 * is in *out, and out->status says where the walk ended. Cost: about one and a half walks over the structure. */
KRPC_EXPORT void krpc_message_decode(krpc_message *out, const uint8_t *data, size_t len, size_t wire_len,
                                     const krpc_sink *sink);

/* krpc_message_probe answers "is this datagram DHT?".
 *   YES    a complete message: y and the body that it announces, or enough of one that nothing else looks so
 *   MAYBE  a dictionary that could be a damaged or unusual message: take it where the two endpoints are known to speak
 *          DHT, not elsewhere (uTorrent's two bytes "de" are one of these)
 *   NO     anything else */
typedef enum krpc_probe { KRPC_PROBE_NO, KRPC_PROBE_MAYBE, KRPC_PROBE_YES } krpc_probe;
KRPC_EXPORT krpc_probe krpc_message_probe(const krpc_message *message, const uint8_t *data);

/* krpc_message_check reports what needs the whole message: missing keys, ports that cannot be, BEP 33, 44 and 51. Call
 * it after decode. Of a message that was cut it reports nothing that the missing part could change. */
KRPC_EXPORT void krpc_message_check(const krpc_message *message, const uint8_t *data, const krpc_sink *sink);

/* krpc_message_guess_type is the type, and where y is missing or cut off the one that the body is of. */
KRPC_EXPORT krpc_type krpc_message_guess_type(const krpc_message *message);

/* krpc_message_id is the sender's node id: a.id, or r.id; NULL when there is none of 20 bytes. */
KRPC_EXPORT const uint8_t *krpc_message_id(const krpc_message *message, const uint8_t *data);

/* krpc_message_target is target or info_hash of a query; NULL when there is none of 20 bytes. */
KRPC_EXPORT const uint8_t *krpc_message_target(const krpc_message *message, const uint8_t *data);

/* krpc_message_ip is the top-level ip (BEP 42) as an endpoint; false when it is absent or not of 6 or 18 bytes. */
KRPC_EXPORT bool krpc_message_ip(krpc_endpoint *out, const krpc_message *message, const uint8_t *data);

/* krpc_list walks the items of a list of a message (values, want, nodes2, the counts of a vote).
 *
 *     krpc_list it;
 *     bencode_token item;
 *     krpc_list_init(&it, &m, data, KRPC_R_VALUES);
 *     while (krpc_list_next(&it, &item))
 *         ...   (a container is one item)
 *
 * A field that holds a string instead of a list gives that string as its one item. Positions are those of the message.
 * For nodes and peers see krpc/compact.h. */
typedef struct krpc_list {
    bencode_reader reader;
    bencode_token single;
    bool has_single;
} krpc_list;

/* krpc_list_init begins at the first item of a field; there is none when the field is absent. krpc_list_next is false
 * at the end, and where a damaged message does not go on. */
KRPC_EXPORT void krpc_list_init(krpc_list *out, const krpc_message *message, const uint8_t *data, krpc_field field);
KRPC_EXPORT bool krpc_list_next(krpc_list *list, bencode_token *out);

/* krpc_unknown walks the entries of a dictionary whose keys fields.def does not have: *key_out is the key, *value_out
 * the value's whole encoding. */
typedef struct krpc_unknown {
    bencode_reader reader;
    krpc_scope scope;
} krpc_unknown;

/* krpc_unknown_init begins at the first entry of TOP, A or R; krpc_unknown_next is false after the last. */
KRPC_EXPORT void krpc_unknown_init(krpc_unknown *out, const krpc_message *message, const uint8_t *data,
                                   krpc_scope scope);
KRPC_EXPORT bool krpc_unknown_next(krpc_unknown *unknown, krpc_span *key_out, krpc_span *value_out);

/* krpc_message_encode writes a message canonically: keys sorted, integers and lengths in their one form. data are the
 * bytes that the message's positions point into. Containers, BEP 44 items and the values of unknown keys are copied as
 * they are. For every message with canonical set the result is the bytes that it was decoded from. Returns the size;
 * the bytes are complete only when that is at most cap (out may be NULL when cap is 0). 0 when the message was not
 * completely decoded. Cost: less than a memcpy for each token. */
KRPC_EXPORT size_t krpc_message_encode(void *out, size_t cap, const krpc_message *message, const uint8_t *data);

/* krpc_builder makes a message from values: it copies strings into the caller's buffer, keeps their positions in
 * message, and krpc_builder_encode writes the result. A dry run is not needed: full is set when the buffer was too
 * small, and stays set.
 *
 *     uint8_t room[256], packet[256];
 *     krpc_builder b;
 *     krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, "aa", 2);
 *     krpc_builder_method(&b, KRPC_METHOD_PING);
 *     krpc_builder_bytes(&b, KRPC_A_ID, id, 20);
 *     size_t len = krpc_builder_encode(&b, packet, sizeof packet);
 */
typedef struct krpc_builder {
    krpc_message message;
    uint8_t *room;
    uint32_t cap;
    uint32_t len;
    bool full;
} krpc_builder;

/* krpc_builder_init begins a message of the given type with its transaction id. KRPC_TYPE_UNKNOWN sets no y, and t NULL
 * no t: for messages that are wrong on purpose. */
KRPC_EXPORT void krpc_builder_init(krpc_builder *builder, void *room, size_t cap, krpc_type type, const void *t,
                                   size_t t_len);

/* krpc_builder_method sets q of a query. */
KRPC_EXPORT void krpc_builder_method(krpc_builder *builder, krpc_method method);

/* krpc_builder_bytes and _int set a string and an integer; setting a field again replaces it. A field of A or R makes
 * the dictionary that it is in. */
KRPC_EXPORT void krpc_builder_bytes(krpc_builder *builder, krpc_field field, const void *bytes, size_t len);
KRPC_EXPORT void krpc_builder_int(krpc_builder *builder, krpc_field field, int64_t num);

/* krpc_builder_dict makes the dictionary a or r (KRPC_A, KRPC_R), which may stay empty. */
KRPC_EXPORT void krpc_builder_dict(krpc_builder *builder, krpc_field field);

/* krpc_builder_raw sets a value of any type that is already bencoded (a list, a BEP 44 item) and is written as it is;
 * false when the bytes are not one whole value. */
KRPC_EXPORT bool krpc_builder_raw(krpc_builder *builder, krpc_field field, const void *bencode, size_t len);

/* krpc_builder_error sets e, with a code and a NUL-terminated text. */
KRPC_EXPORT void krpc_builder_error(krpc_builder *builder, int64_t code, const char *text);

/* krpc_builder_endpoint sets a compact endpoint (KRPC_IP, KRPC_A_IP). */
KRPC_EXPORT void krpc_builder_endpoint(krpc_builder *builder, krpc_field field, const krpc_endpoint *endpoint);

/* krpc_builder_unknown adds a key that the table does not have, with its bencoded value, to TOP, A or R; false when the
 * value is not one whole value. Add the unknown keys of one scope in the order of their bytes, with no other call
 * between them. */
KRPC_EXPORT bool krpc_builder_unknown(krpc_builder *builder, krpc_scope scope, const void *key, size_t key_len,
                                      const void *bencode, size_t len);

/* krpc_builder_encode is krpc_message_encode of what was set; 0 when the room was too small. */
KRPC_EXPORT size_t krpc_builder_encode(const krpc_builder *builder, void *out, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
