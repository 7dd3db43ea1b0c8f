/* rules.c: the table of rules, and a finding as a line of text.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/rules.h>

#include <stdbool.h>
#include <string.h>

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

/* In quotes, with every byte escaped that could end them or act on a terminal. */
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

static void put_field_key(line_writer *to, krpc_field field)
{
    const krpc_field_info *info = krpc_field_get(field);

    put_key(to, info != NULL ? (const uint8_t *)info->key : NULL, info != NULL ? strlen(info->key) : 0);
}

/* a has a bit for each of the fields that the method b requires. */
static void put_required(line_writer *to, const krpc_finding *finding)
{
    const krpc_method_info *method = krpc_method_get((krpc_method)finding->b);
    bool any = false;

    for (unsigned i = 0; method != NULL && i < KRPC_METHOD_FIELDS; i++) {
        if (((uint64_t)finding->a >> i & 1) != 0) {
            line_writer_string(to, any ? ", " : "");
            line_writer_string(to, krpc_field_get((krpc_field)method->required[i])->key);
            any = true;
        }
    }
}

/* 0: the receiver may see any of several ports, and the named one is none of them. */
static void put_port(line_writer *to, int64_t port)
{
    if (port == 0) {
        line_writer_string(to, "another port");
    } else {
        line_writer_string(to, "port ");
        line_writer_number(to, port);
    }
}

/* line is a text that is being written, and what its braces stand for. */
typedef struct line {
    line_writer to;
    const krpc_finding *finding; /* NULL: no finding in particular */
    const uint8_t *data;
    size_t len;
    krpc_frame_text *frame_text;
    void *ctx;
} line;

static krpc_number number_of(const char *text, const char *brace)
{
    static const char frame[] = "frame ";
    static const char port[] = "port ";
    size_t before = (size_t)(brace - text);

    if (before >= sizeof frame - 1 && memcmp(brace - (sizeof frame - 1), frame, sizeof frame - 1) == 0) {
        return KRPC_NUMBER_FRAME;
    }
    return brace[1] == 'p' ||
                   (before >= sizeof port - 1 && memcmp(brace - (sizeof port - 1), port, sizeof port - 1) == 0)
               ? KRPC_NUMBER_PORT
               : KRPC_NUMBER_PLAIN;
}

krpc_number krpc_rule_number(krpc_rule rule, char which)
{
    const krpc_rule_info *info = krpc_rule_get(rule);

    for (const char *at = info != NULL ? info->text : ""; *at != '\0'; at++) {
        if (*at != '{') {
            continue;
        }
        if (at[1] == which || (at[1] == 'p' && which == 'b')) {
            return number_of(info->text, at);
        }
    }
    return KRPC_NUMBER_NONE;
}

static void put_number(line *to, int64_t number, krpc_number kind)
{
    char text[256];

    if (kind == KRPC_NUMBER_FRAME && to->frame_text != NULL) {
        line_writer_bytes(&to->to, text, to->frame_text(to->ctx, text, sizeof text, number));
    } else {
        line_writer_number(&to->to, number);
    }
}

static void put_brace(line *to, char which, krpc_number kind)
{
    const krpc_finding *finding = to->finding;

    switch (which) {
    case 'a':
        put_number(to, finding->a, kind);
        break;
    case 'b':
        put_number(to, finding->b, kind);
        break;
    case 'p':
        put_port(&to->to, finding->b);
        break;
    case 'f':
        put_required(&to->to, finding);
        break;
    case 'k':
        put_marked(&to->to, finding, to->data, to->len);
        break;
    default:
        put_field_key(&to->to, finding->field);
    }
}

/* The name of a brace where there is no finding. */
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

static size_t put_text(line *to, krpc_rule rule)
{
    const krpc_rule_info *info = krpc_rule_get(rule);
    const char *text = info != NULL ? info->text : "";

    for (const char *p = text;;) {
        size_t len_to_brace = strcspn(p, "{");

        line_writer_bytes(&to->to, p, len_to_brace);
        p += len_to_brace;
        if (*p == '\0') {
            break;
        }
        if (to->finding != NULL) {
            put_brace(to, p[1], number_of(text, p));
        } else {
            line_writer_string(&to->to, brace_name(p[1]));
        }
        p += 3;
    }
    return line_writer_end(&to->to);
}

size_t krpc_finding_text_with(char *out, size_t cap, const krpc_finding *finding, const void *data, size_t len,
                              krpc_frame_text *frame_text, void *ctx)
{
    line to = {{out, cap, 0}, finding, (const uint8_t *)data, len, frame_text, ctx};

    return put_text(&to, finding->rule);
}

size_t krpc_finding_text(char *out, size_t cap, const krpc_finding *finding, const void *data, size_t len)
{
    return krpc_finding_text_with(out, cap, finding, data, len, NULL, NULL);
}

size_t krpc_rule_text(char *out, size_t cap, krpc_rule rule)
{
    line to = {.to = {out, cap, 0}};

    return put_text(&to, rule);
}
