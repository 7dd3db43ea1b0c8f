/* rules.c: the table of rules, and a finding as a line of text.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/rules.h>

#include <stdbool.h>
#include <string.h>

#include <krpc/bencode.h>
#include <krpc/message.h>

#define MAX_KEY 32 /* bytes of a key that are shown */

static const krpc_rule_info rules[] = {
#define RULE(SYMBOL, SLUG, SEVERITY, SPEC, TEXT, EXPLANATION) {SLUG, KRPC_SEVERITY_##SEVERITY, SPEC, TEXT, EXPLANATION},
#include <krpc/rules.def>
};

const krpc_rule_info *krpc_rule_get(krpc_rule rule)
{
    return (unsigned)rule < KRPC_NUM_RULES ? &rules[rule] : NULL;
}

krpc_rule krpc_rule_find(const char *slug)
{
    unsigned i = 0;

    while (i < KRPC_NUM_RULES && strcmp(rules[i].slug, slug) != 0) {
        i++;
    }
    return (krpc_rule)i;
}

const char *krpc_severity_name(krpc_severity severity)
{
    static const char *const names[] = {"note", "warn", "error"};

    return (unsigned)severity < sizeof names / sizeof names[0] ? names[severity] : "?";
}

/* What was written so far: at counts on past the end, like snprintf. */
typedef struct line {
    char *out;
    size_t cap;
    size_t at;
} line;

static void put_char(line *to, char c)
{
    if (to->at + 1 < to->cap) {
        to->out[to->at] = c;
    }
    to->at++;
}

static void put_bytes(line *to, const char *bytes, size_t len)
{
    if (to->at + 1 < to->cap) {
        size_t room = to->cap - 1 - to->at;

        memcpy(to->out + to->at, bytes, len < room ? len : room);
    }
    to->at += len;
}

static void put_string(line *to, const char *string)
{
    put_bytes(to, string, strlen(string));
}

static void put_number(line *to, int64_t number)
{
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + size % 10);
        size /= 10;
    } while (size > 0);
    if (number < 0) {
        put_char(to, '-');
    }
    while (n > 0) {
        put_char(to, digits[--n]);
    }
}

/* In quotes, which a key cannot end, nor a terminal or another program read as anything else than its bytes. */
static void put_key(line *to, const uint8_t *key, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t shown = len < MAX_KEY ? len : MAX_KEY;

    put_char(to, '"');
    for (size_t i = 0; i < shown; i++) {
        if (key[i] >= 0x20 && key[i] < 0x7f && key[i] != '"' && key[i] != '\\') {
            put_char(to, (char)key[i]);
        } else {
            put_string(to, "\\x");
            put_char(to, hex[key[i] >> 4]);
            put_char(to, hex[key[i] & 15]);
        }
    }
    put_string(to, shown < len ? "...\"" : "\"");
}

static void put_marked(line *to, const krpc_finding *finding, const uint8_t *data, size_t len)
{
    size_t off = finding->off < len ? finding->off : len;

    put_key(to, data + off, finding->len < len - off ? finding->len : len - off);
}

/* The last key in front of the value that is marked: by position, since a finding does not say which field it is about. */
static void put_key_of_marked(line *to, const krpc_finding *finding, const uint8_t *data, size_t len)
{
    bencode_reader reader;
    bencode_token token;
    const uint8_t *key = data;
    size_t key_len = 0;

    bencode_reader_init(&reader, data, len);
    while (bencode_next(&reader, &token) == BENCODE_OK) {
        if ((token.flags & BENCODE_KEY) != 0) {
            key = data + token.body_off;
            key_len = token.body_len;
        } else if (token.end >= finding->off) {
            break;
        }
    }
    put_key(to, key, key_len);
}

static void put_fields(line *to, uint64_t fields)
{
    bool any = false;

    for (krpc_field field = 0; field < KRPC_NUM_FIELDS; field++) {
        if ((fields & KRPC_BIT(field)) != 0) {
            put_string(to, any ? ", " : "");
            put_string(to, krpc_field_get(field)->key);
            any = true;
        }
    }
}

/* 0: the receiver may see any of several ports, and none of them is the one that was named. */
static void put_port(line *to, int64_t port)
{
    if (port == 0) {
        put_string(to, "another port");
    } else {
        put_string(to, "port ");
        put_number(to, port);
    }
}

static void put_brace(line *to, char which, const krpc_finding *finding, const uint8_t *data, size_t len)
{
    switch (which) {
    case 'a':
        put_number(to, finding->a);
        break;
    case 'b':
        put_number(to, finding->b);
        break;
    case 'p':
        put_port(to, finding->b);
        break;
    case 'f':
        put_fields(to, (uint64_t)finding->a);
        break;
    case 'k':
        put_marked(to, finding, data, len);
        break;
    default:
        put_key_of_marked(to, finding, data, len);
    }
}

/* For no finding in particular. */
static const char *brace_name(char which)
{
    static const struct {
        char which;
        const char *name;
    } names[] = {{'a', "N"}, {'b', "M"}, {'p', "port M"}, {'k', "NAME"}, {'v', "KEY"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].which == which) {
            return names[i].name;
        }
    }
    return "KEYS";
}

static size_t put_text(char *out, size_t cap, krpc_rule rule, const krpc_finding *finding, const void *data, size_t len)
{
    const krpc_rule_info *info = krpc_rule_get(rule);
    line to = {out, cap, 0};

    for (const char *p = info != NULL ? info->text : "";;) {
        size_t len_to_brace = strcspn(p, "{");

        put_bytes(&to, p, len_to_brace);
        p += len_to_brace;
        if (*p == '\0') {
            break;
        }
        if (finding != NULL) {
            put_brace(&to, p[1], finding, data, len);
        } else {
            put_string(&to, brace_name(p[1]));
        }
        p += 3;
    }
    if (cap > 0) {
        out[to.at < cap ? to.at : cap - 1] = '\0';
    }
    return to.at;
}

size_t krpc_finding_text(char *out, size_t cap, const krpc_finding *finding, const void *data, size_t len)
{
    return put_text(out, cap, finding->rule, finding, data, len);
}

size_t krpc_rule_text(char *out, size_t cap, krpc_rule rule)
{
    return put_text(out, cap, rule, NULL, NULL, 0);
}
