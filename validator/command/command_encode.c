/* command_encode.c: what decode prints as ndjson, back to messages, with the library's builder and encoder.
 *
 * The tokenizer is libwsutil's (wsutil/wsjson.h), which comes with libwiretap. It returns positions and leaves numbers
 * as digits, which keeps 64 bits of an integer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <glib.h>
#include <krpc/message.h>
#include <wireshark.h>
#include <wsutil/wsjson.h>

#include "command/commands.h"
#include "input/library.h"
#include "output/output.h"

#define WSUTIL_FUNCTIONS(X)                                                                                            \
    X(json_parse)                                                                                                      \
    X(json_decode_string_inplace)

static struct {
    WSUTIL_FUNCTIONS(LIBRARY_MEMBER)
} lib;

static const library_function functions[] = {WSUTIL_FUNCTIONS(LIBRARY_FUNCTION)};

#define FIRST_TOKENS 4096
#define MAX_TOKENS   (1u << 22)

/* One line: its text, the tokens in it, and the message that is made of it. */
typedef struct reader {
    char *line;
    jsmntok_t *tokens;
    unsigned cap_tokens;
    int num_tokens;
    GString *error;
    krpc_builder builder;
    uint8_t *room[4]; /* for the builder, a value, a list's item, and the message: cap bytes each */
    size_t cap;
} reader;

enum { ROOM_BUILDER, ROOM_VALUE, ROOM_ITEM, ROOM_MESSAGE };

/* A key that the tables do not have. */
typedef struct entry {
    GBytes *key;
    GBytes *value; /* bencoded */
} entry;

static bool fail(reader *r, const char *what, ...) G_GNUC_PRINTF(2, 3);
static bool fail(reader *r, const char *what, ...)
{
    va_list args;

    va_start(args, what);
    if (r->error->len == 0) {
        g_string_vprintf(r->error, what, args);
    }
    va_end(args);
    return false;
}

/* The token after a value and all that is in it: tokens come in the order in which they begin. */
static int after(const reader *r, int index)
{
    int end = r->tokens[index].end;

    for (index++; index < r->num_tokens && r->tokens[index].start < end; index++)
        ;
    return index;
}

static char *token_text(const reader *r, int index)
{
    const jsmntok_t *token = &r->tokens[index];

    return g_strndup(r->line + token->start, (size_t)(token->end - token->start));
}

static bool token_is(const reader *r, int index, const char *name)
{
    const jsmntok_t *token = &r->tokens[index];
    size_t len = (size_t)(token->end - token->start);

    return token->type == JSMN_STRING && strlen(name) == len && memcmp(r->line + token->start, name, len) == 0;
}

/* The value of a member of an object; -1 when there is none. */
static int member(const reader *r, int object, const char *name)
{
    int end = after(r, object);

    if (r->tokens[object].type != JSMN_OBJECT) {
        return -1;
    }
    for (int i = object + 1; i + 1 < end; i = after(r, i + 1)) {
        if (token_is(r, i, name)) {
            return i + 1;
        }
    }
    return -1;
}

static bencode_writer begin(const reader *r, int room)
{
    bencode_writer w;

    bencode_writer_init(&w, r->room[room], r->cap);
    return w;
}

static bool get_hex(reader *r, bencode_writer *out, int index)
{
    const jsmntok_t *token = &r->tokens[index];

    if (token->type != JSMN_STRING || (token->end - token->start) % 2 != 0) {
        return fail(r, "hex digits are wanted");
    }
    for (int i = token->start; i < token->end; i += 2) {
        int high = g_ascii_xdigit_value(r->line[i]);
        int low = g_ascii_xdigit_value(r->line[i + 1]);
        if (high < 0 || low < 0) {
            return fail(r, "hex digits are wanted");
        }
        uint8_t byte = (uint8_t)(high << 4 | low);
        bencode_put_raw(out, &byte, 1);
    }
    return true;
}

static bool get_text(reader *r, bencode_writer *out, int index)
{
    if (r->tokens[index].type != JSMN_STRING) {
        return fail(r, "a string is wanted");
    }
    char *string = token_text(r, index);
    bool good = lib.json_decode_string_inplace(string);
    if (good) {
        bencode_put_raw(out, string, strlen(string));
    }
    g_free(string);
    return good || fail(r, "the string holds an escape that cannot be read");
}

static bool get_int(reader *r, gint64 *out, int index, gint64 min, gint64 max)
{
    char *digits = token_text(r, index);
    bool good = r->tokens[index].type == JSMN_PRIMITIVE && g_ascii_string_to_signed(digits, 10, min, max, out, NULL);

    g_free(digits);
    return good || fail(r, "an integer is wanted");
}

/* {"ip":..., "port":...}, the port left out where only an address is there. */
static bool get_endpoint(reader *r, bencode_writer *out, int index)
{
    uint8_t addr[16];
    gint64 port;
    int ip = member(r, index, "ip");
    int port_token = member(r, index, "port");

    if (ip < 0) {
        return fail(r, "an object with ip and port is wanted");
    }
    char *string = token_text(r, ip);
    bool is_ipv6 = inet_pton(AF_INET6, string, addr) == 1;
    bool good = is_ipv6 || inet_pton(AF_INET, string, addr) == 1;
    if (!good) {
        fail(r, "'%s' is no address", string);
    }
    g_free(string);
    if (!good) {
        return false;
    }
    bencode_put_raw(out, addr, is_ipv6 ? 16 : 4);
    if (port_token < 0) {
        return true;
    }
    if (!get_int(r, &port, port_token, 0, 65535)) {
        return false;
    }
    uint8_t bytes[2] = {(uint8_t)(port >> 8), (uint8_t)port};
    bencode_put_raw(out, bytes, 2);
    return true;
}

static bool get_node(reader *r, bencode_writer *out, int index)
{
    int id = member(r, index, "id");

    return id < 0 ? fail(r, "a node has an id") : get_hex(r, out, id) && get_endpoint(r, out, index);
}

/* The items of an array, one after another (a string of compact infos), or each as a string of a list. */
static bool get_items(reader *r, bencode_writer *out, int index, krpc_kind kind, bool is_list)
{
    bool good = r->tokens[index].type == JSMN_ARRAY || fail(r, "an array is wanted");
    int end = after(r, index);

    for (int i = index + 1; good && i < end; i = after(r, i)) {
        bool is_object = r->tokens[i].type == JSMN_OBJECT;
        bencode_writer item = begin(r, ROOM_ITEM);
        if (kind == KRPC_KIND_TEXTS) {
            good = get_text(r, &item, i);
        } else if (kind == KRPC_KIND_HASHES || !is_object) {
            good = get_hex(r, &item, i);
        } else if (kind == KRPC_KIND_PEERS) {
            good = get_endpoint(r, &item, i);
        } else {
            good = get_node(r, &item, i);
        }
        if (is_list) {
            bencode_put_string(out, item.out, item.len);
        } else {
            bencode_put_raw(out, item.out, item.len);
        }
    }
    return good;
}

static bool get_error(reader *r, bencode_writer *out, int index)
{
    int code = member(r, index, "code");
    int message = member(r, index, "message");
    int message_hex = member(r, index, "message_hex");
    bencode_writer text = begin(r, ROOM_ITEM);
    gint64 number;

    if (code >= 0) {
        if (!get_int(r, &number, code, G_MININT64, G_MAXINT64)) {
            return false;
        }
        bencode_put_int(out, number);
    }
    if (message < 0 && message_hex < 0) {
        return true;
    }
    bool good = message >= 0 ? get_text(r, &text, message) : get_hex(r, &text, message_hex);
    bencode_put_string(out, text.out, text.len);
    return good;
}

static bool set_dict(reader *r, int index, krpc_scope scope);

static bool set_raw(reader *r, krpc_field field, const bencode_writer *value)
{
    return krpc_builder_raw(&r->builder, field, value->out, value->len) ||
           fail(r, "%s: not one bencoded value", krpc_field_get(field)->key);
}

/* A value, by what its key says that it is. */
static bool set_value(reader *r, int index, krpc_field field, bool as_hex)
{
    krpc_kind kind = krpc_field_get(field)->kind;
    bencode_writer value = begin(r, ROOM_VALUE);
    gint64 number;
    bool good;

    if (as_hex) {
        kind = KRPC_KIND_BYTES;
    }
    switch (kind) {
    case KRPC_KIND_INT:
    case KRPC_KIND_FLAG:
    case KRPC_KIND_PORT:
        good = get_int(r, &number, index, G_MININT64, G_MAXINT64);
        if (good) {
            krpc_builder_int(&r->builder, field, number);
        }
        return good;
    case KRPC_KIND_DICT:
        krpc_builder_dict(&r->builder, field);
        return set_dict(r, index, field == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
    case KRPC_KIND_ANY:
        return get_hex(r, &value, index) && set_raw(r, field, &value);
    case KRPC_KIND_PEERS:
    case KRPC_KIND_NODE_LIST:
    case KRPC_KIND_TEXTS:
    case KRPC_KIND_ERROR:
        bencode_put_list(&value);
        good = kind == KRPC_KIND_ERROR ? get_error(r, &value, index) : get_items(r, &value, index, kind, true);
        bencode_put_end(&value);
        return good && set_raw(r, field, &value);
    case KRPC_KIND_TEXT:
    case KRPC_KIND_METHOD:
    case KRPC_KIND_TYPE:
        good = get_text(r, &value, index);
        break;
    case KRPC_KIND_ENDPOINT:
        good = get_endpoint(r, &value, index);
        break;
    case KRPC_KIND_NODES:
    case KRPC_KIND_NODES6:
    case KRPC_KIND_HASHES:
        good = get_items(r, &value, index, kind, false);
        break;
    default:
        good = get_hex(r, &value, index);
        break;
    }
    if (good) {
        krpc_builder_bytes(&r->builder, field, value.out, value.len);
    }
    return good;
}

static void entry_clear(void *data)
{
    entry *e = data;

    g_bytes_unref(e->key);
    g_bytes_unref(e->value);
}

static gint entry_compare(gconstpointer a, gconstpointer b)
{
    return g_bytes_compare(((const entry *)a)->key, ((const entry *)b)->key);
}

/* A known key among the unknown has a value that JSON cannot hold, and that counts. */
static bool get_unknown(reader *r, GArray *entries, int index, krpc_scope scope)
{
    int key = member(r, index, "key");
    int value = member(r, index, "value");
    bencode_writer name = begin(r, ROOM_ITEM);
    bencode_writer bytes = begin(r, ROOM_VALUE);

    if (key < 0 || value < 0) {
        return fail(r, "unknown: key and value are wanted");
    }
    if (!get_hex(r, &name, key) || !get_hex(r, &bytes, value)) {
        return false;
    }
    krpc_field field = krpc_field_find(scope, name.out, name.len);
    if (field != KRPC_NUM_FIELDS) {
        return set_raw(r, field, &bytes);
    }
    entry e = {g_bytes_new(name.out, name.len), g_bytes_new(bytes.out, bytes.len)};
    g_array_append_val(entries, e);
    return true;
}

/* The builder wants them sorted, and one after another. */
static bool set_unknown(reader *r, int index, krpc_scope scope)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(entry));
    bool good = true;
    int end = after(r, index);

    g_array_set_clear_func(entries, entry_clear);
    for (int i = index + 1; good && i < end; i = after(r, i)) {
        good = get_unknown(r, entries, i, scope);
    }
    g_array_sort(entries, entry_compare);
    for (guint i = 0; good && i < entries->len; i++) {
        const entry *e = &g_array_index(entries, entry, i);
        gsize key_len, len;
        const void *key = g_bytes_get_data(e->key, &key_len);
        const void *value = g_bytes_get_data(e->value, &len);
        good = krpc_builder_unknown(&r->builder, scope, key, key_len, value, len) ||
               fail(r, "unknown: a value is not one bencoded value");
    }
    g_array_unref(entries);
    return good;
}

/* Which field a member is: KRPC_NUM_FIELDS for one that is none. */
static krpc_field field_of(const reader *r, int index, krpc_scope scope, bool *as_hex)
{
    char *name = token_text(r, index);
    krpc_field field = krpc_field_find(scope, name, strlen(name));

    *as_hex = false;
    if (field == KRPC_NUM_FIELDS && g_str_has_suffix(name, "_hex")) {
        field = krpc_field_find(scope, name, strlen(name) - strlen("_hex"));
        *as_hex = true;
    }
    g_free(name);
    return field;
}

static bool set_member(reader *r, int index, krpc_scope scope)
{
    bool as_hex;
    krpc_field field = field_of(r, index, scope, &as_hex);

    if (field != KRPC_NUM_FIELDS) {
        return set_value(r, index + 1, field, as_hex);
    }
    /* The record's own members, frame, timestamp and the like, are beside the message's top-level keys. */
    if (scope == KRPC_SCOPE_TOP) {
        return true;
    }
    char *name = token_text(r, index);
    fail(r, "'%s' is no key that krpcscope knows; put it under unknown", name);
    g_free(name);
    return false;
}

static bool set_dict(reader *r, int index, krpc_scope scope)
{
    int end = after(r, index);
    int unknown = member(r, index, "unknown");
    bool good = r->tokens[index].type == JSMN_OBJECT || fail(r, "an object is wanted");

    for (int i = index + 1; good && i + 1 < end; i = after(r, i + 1)) {
        good = i + 1 == unknown || set_member(r, i, scope);
    }
    return good && (unknown < 0 || set_unknown(r, unknown, scope));
}

static bool parse_line(reader *r)
{
    for (;;) {
        r->num_tokens = lib.json_parse(r->line, r->tokens, r->cap_tokens);
        if (r->num_tokens >= 0) {
            break;
        }
        if (r->num_tokens != JSMN_ERROR_NOMEM || r->cap_tokens >= MAX_TOKENS) {
            return fail(r, "not JSON");
        }
        r->cap_tokens *= 2;
        r->tokens = g_renew(jsmntok_t, r->tokens, r->cap_tokens);
    }
    return (r->num_tokens > 0 && r->tokens[0].type == JSMN_OBJECT) || fail(r, "not a JSON object");
}

/* JSON takes more room than what it stands for: an endpoint of 18 bytes has at least 20 characters. */
static void make_room(reader *r, size_t line_len)
{
    if (r->cap < 2 * line_len + 64) {
        r->cap = 4 * line_len + 1024;
        for (size_t i = 0; i < G_N_ELEMENTS(r->room); i++) {
            r->room[i] = g_realloc(r->room[i], r->cap);
        }
    }
}

/* The message of a line, in ROOM_MESSAGE; *len_out is 0 for records of other types. */
static bool encode_line(reader *r, size_t *len_out)
{
    *len_out = 0;
    if (!parse_line(r)) {
        return false;
    }
    int type = member(r, 0, "type");
    if (type >= 0 && !token_is(r, type, "message")) {
        return true;
    }
    make_room(r, strlen(r->line));
    int raw = member(r, 0, "raw");
    if (raw >= 0) {
        bencode_writer w = begin(r, ROOM_MESSAGE);
        bool good = get_hex(r, &w, raw);
        *len_out = w.len;
        return good;
    }
    krpc_builder_init(&r->builder, r->room[ROOM_BUILDER], r->cap, KRPC_TYPE_UNKNOWN, NULL, 0);
    if (!set_dict(r, 0, KRPC_SCOPE_TOP)) {
        return false;
    }
    *len_out = krpc_builder_encode(&r->builder, r->room[ROOM_MESSAGE], r->cap);
    return *len_out <= r->cap || fail(r, "the message is too large");
}

static void put_message(strbuf *out, const uint8_t *message, size_t len, bool raw)
{
    if (len == 0) {
        return;
    }
    if (raw) {
        strbuf_put(out, (const char *)message, len);
    } else {
        strbuf_hex(out, message, (uint32_t)len);
        strbuf_char(out, '\n');
    }
}

static bool encode_lines(FILE *in, const char *name, output *to, bool raw)
{
    reader r = {.cap_tokens = FIRST_TOKENS, .tokens = g_new(jsmntok_t, FIRST_TOKENS), .error = g_string_new(NULL)};
    size_t cap = 0, len;
    uint64_t line = 0;
    bool good = true;

    while (output_ok(to) && getline(&r.line, &cap, in) >= 0) {
        line++;
        g_string_truncate(r.error, 0);
        if (*g_strstrip(r.line) == 0) {
            continue;
        }
        if (encode_line(&r, &len)) {
            put_message(output_text(to), r.room[ROOM_MESSAGE], len, raw);
            output_record(to);
        } else {
            say("%s:%" G_GUINT64_FORMAT ": %s", name, line, r.error->str);
            good = false;
        }
    }
    if (ferror(in)) {
        say("%s: %s", name, g_strerror(errno));
        good = false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(r.room); i++) {
        g_free(r.room[i]);
    }
    g_string_free(r.error, TRUE);
    g_free(r.tokens);
    free(r.line);
    return good;
}

int command_encode(const options *with)
{
    const char *path = with->num_args > 0 ? with->args[0] : "-";
    bool is_stdin = strcmp(path, "-") == 0;
    const char *error = library_load(WSUTIL_LIBRARY, functions, G_N_ELEMENTS(functions));

    if (error != NULL) {
        say("encode needs libwsutil to read JSON: %s", error);
        return EXIT_TROUBLE;
    }
    FILE *in = is_stdin ? stdin : fopen(path, "re");
    if (in == NULL) {
        say("%s: %s", path, g_strerror(errno));
        return EXIT_TROUBLE;
    }
    output *to = output_new(with->output);
    bool good = to != NULL && encode_lines(in, is_stdin ? "standard input" : path, to, with->raw);
    if (!is_stdin) {
        fclose(in);
    }
    bool written = output_close(to);
    return good && written ? EXIT_NOTHING : EXIT_TROUBLE;
}
