/* command_encode.c: what decode prints as ndjson, back to messages.
 *
 * The reading is libwsutil's (wsutil/wsjson.h, a tokenizer that comes with libwiretap, so one library less to need): it
 * gives positions and leaves numbers as their digits, which keeps 64 bits of an integer.
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
#include "output/output.h"

#define FIRST_TOKENS 4096
#define MAX_TOKENS   (1u << 22)

/* One line: its text, and the tokens in it. */
typedef struct reader {
    char *line;
    jsmntok_t *tokens;
    unsigned cap_tokens;
    int num_tokens;
    GString *error;
} reader;

/* An entry of a dictionary that is being put together. */
typedef struct entry {
    GByteArray *key;
    GByteArray *value; /* bencoded */
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

static void put(GByteArray *out, const void *bytes, size_t len)
{
    g_byte_array_append(out, bytes, (guint)len);
}

static void put_string(GByteArray *out, const void *bytes, size_t len)
{
    char head[24];

    put(out, head, (size_t)g_snprintf(head, sizeof head, "%zu:", len));
    put(out, bytes, len);
}

static bool get_hex(reader *r, GByteArray *out, int index)
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
        put(out, &byte, 1);
    }
    return true;
}

static bool get_text(reader *r, GByteArray *out, int index)
{
    if (r->tokens[index].type != JSMN_STRING) {
        return fail(r, "a string is wanted");
    }
    char *string = token_text(r, index);
    bool good = json_decode_string_inplace(string);
    if (good) {
        put(out, string, strlen(string));
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
static bool get_endpoint(reader *r, GByteArray *out, int index)
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
    put(out, addr, is_ipv6 ? 16 : 4);
    if (port_token < 0) {
        return true;
    }
    if (!get_int(r, &port, port_token, 0, 65535)) {
        return false;
    }
    uint8_t bytes[2] = {(uint8_t)(port >> 8), (uint8_t)port};
    put(out, bytes, 2);
    return true;
}

static bool get_node(reader *r, GByteArray *out, int index)
{
    int id = member(r, index, "id");

    return id < 0 ? fail(r, "a node has an id") : get_hex(r, out, id) && get_endpoint(r, out, index);
}

/* The items of an array, one after another (a string of compact infos), or each as a string of a list. */
static bool get_items(reader *r, GByteArray *out, int index, krpc_kind kind)
{
    bool is_list = kind == KRPC_KIND_PEERS || kind == KRPC_KIND_NODE_LIST || kind == KRPC_KIND_TEXTS;
    GByteArray *item = g_byte_array_new();
    bool good = r->tokens[index].type == JSMN_ARRAY || fail(r, "an array is wanted");
    int end = after(r, index);

    for (int i = index + 1; good && i < end; i = after(r, i)) {
        bool is_object = r->tokens[i].type == JSMN_OBJECT;
        g_byte_array_set_size(item, 0);
        if (kind == KRPC_KIND_TEXTS) {
            good = get_text(r, item, i);
        } else if (kind == KRPC_KIND_HASHES || !is_object) {
            good = get_hex(r, item, i);
        } else if (kind == KRPC_KIND_PEERS) {
            good = get_endpoint(r, item, i);
        } else {
            good = get_node(r, item, i);
        }
        if (is_list) {
            put_string(out, item->data, item->len);
        } else {
            put(out, item->data, item->len);
        }
    }
    g_byte_array_unref(item);
    return good;
}

static bool put_integer(reader *r, GByteArray *out, int index)
{
    gint64 number;
    char digits[32];

    if (!get_int(r, &number, index, G_MININT64, G_MAXINT64)) {
        return false;
    }
    put(out, digits, (size_t)g_snprintf(digits, sizeof digits, "i%" G_GINT64_FORMAT "e", number));
    return true;
}

static bool put_error(reader *r, GByteArray *out, int index)
{
    int code = member(r, index, "code");
    int message = member(r, index, "message");
    int message_hex = member(r, index, "message_hex");
    GByteArray *bytes = g_byte_array_new();
    bool good = true;

    put(out, "l", 1);
    if (code >= 0) {
        good = put_integer(r, out, code);
    }
    if (good && message >= 0) {
        good = get_text(r, bytes, message);
    } else if (good && message_hex >= 0) {
        good = get_hex(r, bytes, message_hex);
    }
    if (message >= 0 || message_hex >= 0) {
        put_string(out, bytes->data, bytes->len);
    }
    put(out, "e", 1);
    g_byte_array_unref(bytes);
    return good;
}

static bool put_dict(reader *r, GByteArray *out, int index, krpc_scope scope);

/* A value, bencoded, from what its key says that it is. */
static bool put_value(reader *r, GByteArray *out, int index, krpc_field field, bool as_hex)
{
    krpc_kind kind = krpc_field_get(field)->kind;
    GByteArray *bytes = g_byte_array_new();
    bool is_string = true;
    bool good = true;

    if (as_hex) {
        good = get_hex(r, bytes, index);
    } else {
        switch (kind) {
        case KRPC_KIND_INT:
        case KRPC_KIND_FLAG:
        case KRPC_KIND_PORT:
            good = put_integer(r, out, index);
            is_string = false;
            break;
        case KRPC_KIND_TEXT:
        case KRPC_KIND_METHOD:
        case KRPC_KIND_TYPE:
            good = get_text(r, bytes, index);
            break;
        case KRPC_KIND_BYTES:
        case KRPC_KIND_VERSION:
        case KRPC_KIND_BLOOM:
            good = get_hex(r, bytes, index);
            break;
        case KRPC_KIND_ENDPOINT:
            good = get_endpoint(r, bytes, index);
            break;
        case KRPC_KIND_NODES:
        case KRPC_KIND_NODES6:
        case KRPC_KIND_HASHES:
            good = get_items(r, bytes, index, kind);
            break;
        case KRPC_KIND_PEERS:
        case KRPC_KIND_NODE_LIST:
        case KRPC_KIND_TEXTS:
            put(out, "l", 1);
            good = get_items(r, out, index, kind);
            put(out, "e", 1);
            is_string = false;
            break;
        case KRPC_KIND_ERROR:
            good = put_error(r, out, index);
            is_string = false;
            break;
        case KRPC_KIND_DICT:
            good = put_dict(r, out, index, field == KRPC_A ? KRPC_SCOPE_A : KRPC_SCOPE_R);
            is_string = false;
            break;
        case KRPC_KIND_ANY:
            good = get_hex(r, out, index);
            is_string = false;
            break;
        }
    }
    if (is_string) {
        put_string(out, bytes->data, bytes->len);
    }
    g_byte_array_unref(bytes);
    return good;
}

static void entry_clear(void *data)
{
    entry *e = data;

    g_byte_array_unref(e->key);
    g_byte_array_unref(e->value);
}

static gint entry_compare(gconstpointer a, gconstpointer b)
{
    const entry *x = a;
    const entry *y = b;
    guint shorter = MIN(x->key->len, y->key->len); /* an empty key has no data at all */
    int order = shorter > 0 ? memcmp(x->key->data, y->key->data, shorter) : 0;

    return order != 0 ? order : (int)x->key->len - (int)y->key->len;
}

static entry *add_entry(GArray *entries)
{
    entry e = {g_byte_array_new(), g_byte_array_new()};

    g_array_append_val(entries, e);
    return &g_array_index(entries, entry, entries->len - 1);
}

/* What "unknown" says of a key stands above what the key's own member says. */
static bool add_unknown(reader *r, GArray *entries, int index)
{
    int end = after(r, index);

    for (int i = index + 1; i < end; i = after(r, i)) {
        int key = member(r, i, "key");
        int value = member(r, i, "value");
        if (key < 0 || value < 0) {
            return fail(r, "unknown: key and value are wanted");
        }
        GByteArray *bytes = g_byte_array_new();
        bool good = get_hex(r, bytes, key);
        for (guint n = 0; n < entries->len; n++) {
            const entry *old = &g_array_index(entries, entry, n);
            if (old->key->len == bytes->len && memcmp(old->key->data, bytes->data, bytes->len) == 0) {
                g_array_remove_index(entries, n);
                break;
            }
        }
        if (good) {
            entry *e = add_entry(entries);
            put(e->key, bytes->data, bytes->len);
            good = get_hex(r, e->value, value);
        }
        g_byte_array_unref(bytes);
        if (!good) {
            return false;
        }
    }
    return true;
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

static bool add_member(reader *r, GArray *entries, int index, krpc_scope scope)
{
    bool as_hex;
    krpc_field field = field_of(r, index, scope, &as_hex);

    if (field == KRPC_NUM_FIELDS) {
        /* At the top stand frame, timestamp and the like. */
        if (scope == KRPC_SCOPE_TOP) {
            return true;
        }
        char *name = token_text(r, index);
        fail(r, "'%s' is no key that krpcscope knows; put it under unknown", name);
        g_free(name);
        return false;
    }
    const char *key = krpc_field_get(field)->key;
    entry *e = add_entry(entries);
    put(e->key, key, strlen(key));
    return put_value(r, e->value, index + 1, field, as_hex);
}

/* Members may come in any order; the message has them sorted. */
static bool put_dict(reader *r, GByteArray *out, int index, krpc_scope scope)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(entry));
    int end = after(r, index);
    int unknown = member(r, index, "unknown");
    bool good = r->tokens[index].type == JSMN_OBJECT || fail(r, "an object is wanted");

    g_array_set_clear_func(entries, entry_clear);
    for (int i = index + 1; good && i + 1 < end; i = after(r, i + 1)) {
        if (i + 1 != unknown) {
            good = add_member(r, entries, i, scope);
        }
    }
    if (good && unknown >= 0) {
        good = add_unknown(r, entries, unknown);
    }
    g_array_sort(entries, entry_compare);
    put(out, "d", 1);
    for (guint i = 0; i < entries->len; i++) {
        const entry *e = &g_array_index(entries, entry, i);
        put_string(out, e->key->data, e->key->len);
        put(out, e->value->data, e->value->len);
    }
    put(out, "e", 1);
    g_array_unref(entries);
    return good;
}

static bool parse_line(reader *r)
{
    for (;;) {
        r->num_tokens = json_parse(r->line, r->tokens, r->cap_tokens);
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

/* The message of a line; an empty one for records of other types. */
static bool encode_line(reader *r, GByteArray *out)
{
    if (!parse_line(r)) {
        return false;
    }
    int type = member(r, 0, "type");
    if (type >= 0 && !token_is(r, type, "message")) {
        return true;
    }
    int raw = member(r, 0, "raw");
    return raw >= 0 ? get_hex(r, out, raw) : put_dict(r, out, 0, KRPC_SCOPE_TOP);
}

static void put_message(strbuf *out, const GByteArray *message, bool raw)
{
    if (message->len == 0) {
        return;
    }
    if (raw) {
        strbuf_put(out, (const char *)message->data, message->len);
    } else {
        strbuf_hex(out, message->data, message->len);
        strbuf_char(out, '\n');
    }
}

static bool encode_lines(FILE *in, const char *name, output *to, bool raw)
{
    reader r = {.cap_tokens = FIRST_TOKENS, .tokens = g_new(jsmntok_t, FIRST_TOKENS), .error = g_string_new(NULL)};
    GByteArray *message = g_byte_array_new();
    size_t cap = 0;
    uint64_t line = 0;
    bool good = true;

    while (output_ok(to) && getline(&r.line, &cap, in) >= 0) {
        line++;
        g_byte_array_set_size(message, 0);
        g_string_truncate(r.error, 0);
        if (*g_strstrip(r.line) == 0) {
            continue;
        }
        if (encode_line(&r, message)) {
            put_message(output_text(to), message, raw);
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
    g_byte_array_unref(message);
    g_string_free(r.error, TRUE);
    g_free(r.tokens);
    free(r.line);
    return good;
}

int command_encode(const options *with)
{
    const char *path = with->num_args > 0 ? with->args[0] : "-";
    bool is_stdin = strcmp(path, "-") == 0;
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
