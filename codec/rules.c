/* rules.c: the table of rules, and a finding as a line of text.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/rules.h>

#include <stdbool.h>
#include <string.h>

#include <krpc/bencode.h>
#include <krpc/message.h>

#include "line_writer.h"

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

/* In quotes, which a key cannot end, nor a terminal or another program read as anything else than its bytes. */
static void put_key(line_writer *to, const uint8_t *key, size_t len)
{
    size_t shown = len < MAX_KEY ? len : MAX_KEY;

    line_writer_char(to, '"');
    for (size_t i = 0; i < shown; i++) {
        if (key[i] >= 0x20 && key[i] < 0x7f && key[i] != '"' && key[i] != '\\') {
            line_writer_char(to, (char)key[i]);
        } else {
            line_writer_string(to, "\\x");
            line_writer_hex(to, key[i]);
        }
    }
    line_writer_string(to, shown < len ? "...\"" : "\"");
}

static void put_marked(line_writer *to, const krpc_finding *finding, const uint8_t *data, size_t len)
{
    size_t off = finding->off < len ? finding->off : len;

    put_key(to, data + off, finding->len < len - off ? finding->len : len - off);
}

/* The last key in front of the value that is marked: by position, since a finding does not say which field it is about. */
static void put_key_of_marked(line_writer *to, const krpc_finding *finding, const uint8_t *data, size_t len)
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

static void put_fields(line_writer *to, uint64_t fields)
{
    bool any = false;

    for (krpc_field field = 0; field < KRPC_NUM_FIELDS; field++) {
        if ((fields & KRPC_BIT(field)) != 0) {
            line_writer_string(to, any ? ", " : "");
            line_writer_string(to, krpc_field_get(field)->key);
            any = true;
        }
    }
}

/* 0: the receiver may see any of several ports, and none of them is the one that was named. */
static void put_port(line_writer *to, int64_t port)
{
    if (port == 0) {
        line_writer_string(to, "another port");
    } else {
        line_writer_string(to, "port ");
        line_writer_number(to, port);
    }
}

static void put_brace(line_writer *to, char which, const krpc_finding *finding, const uint8_t *data, size_t len)
{
    switch (which) {
    case 'a':
        line_writer_number(to, finding->a);
        break;
    case 'b':
        line_writer_number(to, finding->b);
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
    line_writer to = {out, cap, 0};

    for (const char *p = info != NULL ? info->text : "";;) {
        size_t len_to_brace = strcspn(p, "{");

        line_writer_bytes(&to, p, len_to_brace);
        p += len_to_brace;
        if (*p == '\0') {
            break;
        }
        if (finding != NULL) {
            put_brace(&to, p[1], finding, data, len);
        } else {
            line_writer_string(&to, brace_name(p[1]));
        }
        p += 3;
    }
    return line_writer_end(&to);
}

size_t krpc_finding_text(char *out, size_t cap, const krpc_finding *finding, const void *data, size_t len)
{
    return put_text(out, cap, finding->rule, finding, data, len);
}

size_t krpc_rule_text(char *out, size_t cap, krpc_rule rule)
{
    return put_text(out, cap, rule, NULL, NULL, 0);
}
