/* rules.c: the table of rules, and a finding as a line of text.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/rules.h>

#include <stdbool.h>
#include <string.h>

static const krpc_rule_info rules[] = {
#define RULE(SYMBOL, SLUG, SEVERITY, SPEC, TEXT, EXPLANATION) \
    {SLUG, KRPC_SEVERITY_##SEVERITY, SPEC, TEXT, EXPLANATION},
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

static size_t put_char(char *out, size_t cap, size_t at, char c)
{
    if (at + 1 < cap) {
        out[at] = c;
    }
    return at + 1;
}

static size_t put_number(char *out, size_t cap, size_t at, int64_t number)
{
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + size % 10);
        size /= 10;
    } while (size > 0);
    if (number < 0) {
        at = put_char(out, cap, at, '-');
    }
    while (n > 0) {
        at = put_char(out, cap, at, digits[--n]);
    }
    return at;
}

size_t krpc_finding_text(char *out, size_t cap, const krpc_finding *finding)
{
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    const char *p = info != NULL ? info->text : "";
    size_t at = 0;

    while (*p != '\0') {
        bool number = p[0] == '{' && (p[1] == 'a' || p[1] == 'b') && p[2] == '}';

        if (number) {
            at = put_number(out, cap, at, p[1] == 'a' ? finding->a : finding->b);
            p += 3;
        } else {
            at = put_char(out, cap, at, *p++);
        }
    }
    if (cap > 0) {
        out[at < cap ? at : cap - 1] = '\0';
    }
    return at;
}
