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
#include <krpc/rules.h>

#ifdef __cplusplus
extern "C" {
#endif

/* krpc_scope is the dictionary that a key stands in. */
typedef enum krpc_scope { KRPC_SCOPE_TOP, KRPC_SCOPE_A, KRPC_SCOPE_R, KRPC_SCOPE_E, KRPC_NUM_SCOPES } krpc_scope;

/* krpc_kind is what a key holds: the type on the wire and how to read and show it. */
typedef enum krpc_kind {
    KRPC_KIND_INT,       /* integer */
    KRPC_KIND_FLAG,      /* integer, 0 or 1 */
    KRPC_KIND_PORT,      /* integer, 1 to 65535 */
    KRPC_KIND_BYTES,     /* string, shown as hex */
    KRPC_KIND_TEXT,      /* string, shown as text when it is UTF-8 */
    KRPC_KIND_METHOD,    /* string, a query's name */
    KRPC_KIND_TYPE,      /* string, q, r or e */
    KRPC_KIND_VERSION,   /* string, see krpc/client.h */
    KRPC_KIND_ENDPOINT,  /* string, compact peer info of 6 or 18 bytes (4 or 16: an address alone) */
    KRPC_KIND_NODES,     /* string, compact node info of 26 bytes each */
    KRPC_KIND_NODES6,    /* string, compact node info of 38 bytes each */
    KRPC_KIND_HASHES,    /* string, ids of 20 bytes each */
    KRPC_KIND_BLOOM,     /* string, 256 bytes, see krpc/bloom.h */
    KRPC_KIND_PEERS,     /* list of compact peer infos */
    KRPC_KIND_NODE_LIST, /* list of compact node infos */
    KRPC_KIND_TEXTS,     /* list of strings */
    KRPC_KIND_ERROR,     /* list of an integer and a string */
    KRPC_KIND_DICT,      /* dictionary */
    KRPC_KIND_ANY        /* any value */
} krpc_kind;

typedef enum krpc_field {
#define FIELD(SYMBOL, SCOPE, KEY, KIND, MIN, MAX, FILTER, TITLE, BEP, MEANING) KRPC_##SYMBOL,
#include <krpc/fields.def>
    KRPC_NUM_FIELDS
} krpc_field;

/* krpc_field_info is one line of fields.def. */
typedef struct krpc_field_info {
    const char *key;
    const char *filter;
    const char *title;
    const char *bep;
    const char *meaning;
    krpc_scope scope;
    krpc_kind kind;
    int64_t min;
    int64_t max;
} krpc_field_info;

/* krpc_field_get returns the table's line; NULL for anything else than a field. */
KRPC_EXPORT const krpc_field_info *krpc_field_get(krpc_field field);

/* krpc_field_find looks a key of a scope up; KRPC_NUM_FIELDS when the table does not know it. */
KRPC_EXPORT krpc_field krpc_field_find(krpc_scope scope, const void *key, size_t len);

typedef enum krpc_type { KRPC_TYPE_UNKNOWN, KRPC_QUERY, KRPC_RESPONSE, KRPC_ERROR } krpc_type;

typedef enum krpc_method {
    KRPC_METHOD_NONE, /* not a query */
#define METHOD(SYMBOL, NAME, BEP, REQUIRED, EXPECTED) KRPC_METHOD_##SYMBOL,
#include <krpc/methods.def>
    KRPC_METHOD_UNKNOWN, /* a query whose name the table does not know */
    KRPC_NUM_METHODS
} krpc_method;

/* krpc_method_name is the name on the wire, "" for NONE, "unknown" for UNKNOWN. */
KRPC_EXPORT const char *krpc_method_name(krpc_method method);
KRPC_EXPORT krpc_method krpc_method_find(const void *name, size_t len);

/* krpc_type_name is "query", "response", "error" or "unknown". */
KRPC_EXPORT const char *krpc_type_name(krpc_type type);

/* krpc_error_text says what an error code means (BEP 5, BEP 44); NULL for a code that no specification has. */
KRPC_EXPORT const char *krpc_error_text(int64_t code);

/* krpc_value is one value of a message, as positions in its bytes. */
typedef struct krpc_value {
    uint32_t key_off; /* first byte of the entry: the key's length */
    uint32_t off;     /* a string's bytes, an integer's digits, a container's opening byte */
    uint32_t len;     /* a string's, the digits', the whole container's */
    uint8_t type;     /* bencode_type: what is there, whatever the table wants */
    uint8_t flags;    /* the low 8 of enum bencode_flags */
    uint16_t reserved;
    int64_t num; /* an integer's value; a list's number of items */
} krpc_value;

/* krpc_span is a piece of a message. */
typedef struct krpc_span {
    uint32_t off;
    uint32_t len;
} krpc_span;

/* krpc_message is a decoded message. value[f] is valid where bit f of present or of wrong is set. */
typedef struct krpc_message {
    uint64_t present; /* bit per krpc_field: there, and of the type that the table wants */
    uint64_t wrong;   /* bit per krpc_field: there, but of another type; treat as absent */
    uint32_t len;     /* bytes up to the end of the dictionary; all that were captured when the walk stopped before */
    krpc_span
        body[KRPC_SCOPE_E]; /* TOP, A, R: the entries between the d and the e; where unknown keys are looked for */
    uint16_t num_unknown[KRPC_SCOPE_E]; /* keys in them that the table does not know (saturating) */
    uint8_t status;                     /* bencode_status: BENCODE_DONE for a complete dictionary */
    uint8_t type;                       /* krpc_type, from y */
    uint8_t method;                     /* krpc_method, from q */
    uint8_t canonical; /* sorted, no duplicates, no leading zeros, nothing missing: encodes to the same bytes */
    krpc_value value[KRPC_NUM_FIELDS];
} krpc_message;

/* KRPC_BIT is a field's bit in present. */
#define KRPC_BIT(field) (UINT64_C(1) << (field))

static inline bool krpc_has(const krpc_message *message, krpc_field field)
{
    return (message->present & KRPC_BIT(field)) != 0;
}

/* krpc_message_decode reads one message out of the len bytes that were captured of a datagram of wire_len bytes (the
 * same when nothing was cut off). Keys may come in any order; of a key that comes twice the first counts. Findings about
 * the encoding and about each value's type and size go to sink (NULL: nowhere). Never fails: what could be read is in
 * *out, and out->status says where the walk ended. Cost: about one and a half walks over the structure. */
KRPC_EXPORT void krpc_message_decode(krpc_message *out, const uint8_t *data, size_t len, size_t wire_len,
                                     const krpc_sink *sink);

/* krpc_message_probe answers "is this datagram DHT?".
 *   YES    a complete message: y and the body that it announces, or enough of one that nothing else looks so
 *   MAYBE  a dictionary that could be a damaged or unusual message: take it where the two endpoints are known to speak
 *          DHT, not elsewhere (uTorrent's two bytes "de" are one of these)
 *   NO     anything else */
typedef enum krpc_probe { KRPC_PROBE_NO, KRPC_PROBE_MAYBE, KRPC_PROBE_YES } krpc_probe;
KRPC_EXPORT krpc_probe krpc_message_probe(const krpc_message *message, const uint8_t *data);

/* krpc_message_check gives the findings that need the whole message: keys that are missing, ports that cannot be, BEP
 * 33, 44 and 51. Call it after decode; nothing is said about a message whose end was not captured that its missing part
 * could settle. */
KRPC_EXPORT void krpc_message_check(const krpc_message *message, const uint8_t *data, const krpc_sink *sink);

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
 *         ...   (containers are passed over whole)
 *
 * A values key that holds one string instead of a list gives that string as the one item. Positions are those of the
 * message. */
typedef struct krpc_list {
    bencode_reader reader;
    bencode_token single;
    bool has_single;
} krpc_list;
KRPC_EXPORT void krpc_list_init(krpc_list *out, const krpc_message *message, const uint8_t *data, krpc_field field);
KRPC_EXPORT bool krpc_list_next(krpc_list *list, bencode_token *out);

/* krpc_unknown walks the entries of a dictionary that fields.def does not know: *key_out is the key, *value_out the
 * value's whole encoding. */
typedef struct krpc_unknown {
    bencode_reader reader;
    krpc_scope scope;
} krpc_unknown;
KRPC_EXPORT void krpc_unknown_init(krpc_unknown *out, const krpc_message *message, const uint8_t *data,
                                   krpc_scope scope);
KRPC_EXPORT bool krpc_unknown_next(krpc_unknown *unknown, krpc_span *key_out, krpc_span *value_out);

/* krpc_message_encode writes a message canonically: keys sorted, integers and lengths in their one form. data are the
 * bytes that the message's positions point into. Values that are containers, BEP 44 items and unknown keys are copied as
 * they stand. For every message with canonical set the result is the bytes that it was decoded from. Returns the size;
 * the bytes are complete only when that is at most cap (out may be NULL when cap is 0). 0 when the message was not
 * completely decoded. */
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

/* krpc_builder_init begins a message of the given type with its transaction id. */
KRPC_EXPORT void krpc_builder_init(krpc_builder *builder, void *room, size_t cap, krpc_type type, const void *t,
                                   size_t t_len);
KRPC_EXPORT void krpc_builder_method(krpc_builder *builder, krpc_method method);
/* krpc_builder_bytes and _int set a string and an integer; setting a field again replaces it. */
KRPC_EXPORT void krpc_builder_bytes(krpc_builder *builder, krpc_field field, const void *bytes, size_t len);
KRPC_EXPORT void krpc_builder_int(krpc_builder *builder, krpc_field field, int64_t num);
/* krpc_builder_raw sets a value that is already bencoded (a list, a BEP 44 item); false when it is not one whole value. */
KRPC_EXPORT bool krpc_builder_raw(krpc_builder *builder, krpc_field field, const void *bencode, size_t len);
KRPC_EXPORT void krpc_builder_error(krpc_builder *builder, int64_t code, const char *text);
/* krpc_builder_endpoint sets a compact endpoint (KRPC_IP, KRPC_A_IP). */
KRPC_EXPORT void krpc_builder_endpoint(krpc_builder *builder, krpc_field field, const krpc_endpoint *endpoint);
/* krpc_builder_unknown adds a key that the table does not know, with its bencoded value, to TOP, A or R; false when the
 * value is not one whole value. Unknown keys of one scope must be added in the order of their bytes, one after another,
 * and scope by scope. */
KRPC_EXPORT bool krpc_builder_unknown(krpc_builder *builder, krpc_scope scope, const void *key, size_t key_len,
                                      const void *bencode, size_t len);
KRPC_EXPORT size_t krpc_builder_encode(const krpc_builder *builder, void *out, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
