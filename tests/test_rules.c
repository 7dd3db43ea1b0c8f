/* test_rules: the table of rules, and findings as text.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/rules.h>

#include <stdbool.h>

#include "unit.h"

static const char *const symbols[] = {
#define RULE(SYMBOL, SLUG, SEVERITY, SPEC, TEXT, EXPLANATION) #SYMBOL,
#include <krpc/rules.def>
};

static void slugs_are_well_formed(void)
{
    static const char *const areas[] = {"bencode", "krpc",  "id",    "port",  "nat",     "bep33",
                                        "bep42",   "bep44", "bep50", "bep51", "peerwire"};

    CU_ASSERT(KRPC_NUM_RULES >= 60);
    for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
        const char *slug = krpc_rule_get(rule)->slug;
        const char *dot = strchr(slug, '.');
        bool known = false;

        CU_ASSERT_PTR_NOT_NULL_FATAL(dot);
        CU_ASSERT(dot[1] != '\0' && dot[1] != '-' && dot[strlen(dot) - 1] != '-');
        CU_ASSERT_EQUAL(dot[1 + strspn(dot + 1, "abcdefghijklmnopqrstuvwxyz0123456789-")], '\0');
        CU_ASSERT_PTR_NULL(strstr(slug, "--"));
        for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++) {
            known = known || (strncmp(slug, areas[i], strlen(areas[i])) == 0 && slug + strlen(areas[i]) == dot);
        }
        if (!known) {
            CU_FAIL("an area that is not in rules.def's list");
            fprintf(stderr, "\n%s\n", slug);
        }
        CU_ASSERT_EQUAL(krpc_rule_find(slug), rule); /* unique */
        for (krpc_rule other = 0; other < rule; other++) {
            CU_ASSERT_STRING_NOT_EQUAL(symbols[other], symbols[rule]);
        }
    }
}

static void lookups(void)
{
    CU_ASSERT_EQUAL(krpc_rule_find("krpc.missing-t"), KRPC_RULE_KRPC_MISSING_T);
    CU_ASSERT_EQUAL(krpc_rule_find(""), KRPC_NUM_RULES);
    CU_ASSERT_EQUAL(krpc_rule_find("krpc.missing"), KRPC_NUM_RULES);
    CU_ASSERT_EQUAL(krpc_rule_find("KRPC.missing-t"), KRPC_NUM_RULES);
    CU_ASSERT_PTR_NULL(krpc_rule_get(KRPC_NUM_RULES));
    CU_ASSERT_PTR_NULL(krpc_rule_get((krpc_rule)-1));
    CU_ASSERT_STRING_EQUAL(krpc_severity_name(KRPC_SEVERITY_NOTE), "note");
    CU_ASSERT_STRING_EQUAL(krpc_severity_name(KRPC_SEVERITY_WARN), "warn");
    CU_ASSERT_STRING_EQUAL(krpc_severity_name(KRPC_SEVERITY_ERROR), "error");
    CU_ASSERT_STRING_EQUAL(krpc_severity_name((krpc_severity)(KRPC_SEVERITY_ERROR + 1)), "?");
}

static unsigned sentences(const char *text)
{
    unsigned n = 0;

    for (const char *p = text; *p != '\0'; p++) {
        n += (*p == '.' || *p == '?') && (p[1] == ' ' || p[1] == '\0');
    }
    return n;
}

/* Two to six sentences, printable, one blank between words, ended. */
static void explanations_explain(void)
{
    for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
        const krpc_rule_info *info = krpc_rule_get(rule);
        const char *e = info->explanation;
        size_t len = strlen(e);
        bool good = len >= 100 && len <= 1200 && e[len - 1] == '.' && strstr(e, "  ") == NULL &&
                    strchr(e, '{') == NULL && strchr(e, '\n') == NULL && sentences(e) >= 2 && sentences(e) <= 6;

        if (!good) {
            CU_FAIL("not an explanation");
            fprintf(stderr, "\n%s: %s\n", info->slug, e);
        }
        CU_ASSERT(strlen(info->spec) > 0);
    }
}

/* One line, no capital at its beginning, no full stop at its end; its braces are {a} and {b}. */
static void lines_are_lines(void)
{
    for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
        const krpc_rule_info *info = krpc_rule_get(rule);
        const char *text = info->text;
        krpc_finding longest = {rule, UINT32_MAX, UINT32_MAX, INT64_MIN, INT64_MIN};
        char out[201];

        CU_ASSERT(strlen(text) >= 10);
        CU_ASSERT_NOT_EQUAL(text[strlen(text) - 1], '.');
        CU_ASSERT_PTR_NULL(strchr(text, '\n'));
        for (const char *p = strchr(text, '{'); p != NULL; p = strchr(p + 1, '{')) {
            CU_ASSERT(strncmp(p, "{a}", 3) == 0 || strncmp(p, "{b}", 3) == 0);
        }
        CU_ASSERT(krpc_finding_text(out, 200, &longest) < 200); /* 200 bytes hold any */
        CU_ASSERT_PTR_NULL(strchr(out, '{'));
    }
}

static void text_expands(void)
{
    static const struct {
        krpc_finding finding;
        const char *begin;
    } cases[] = {
        {{KRPC_RULE_BENCODE_SNAPPED, 0, 0, 96, 1500}, "cut by the snap length: 96 of 1500 bytes were captured"},
        {{KRPC_RULE_PORT_INVALID, 0, 0, -1, 0}, "advertises port -1"},
        {{KRPC_RULE_PORT_INVALID, 0, 0, INT64_MIN, 0}, "advertises port -9223372036854775808"},
        {{KRPC_RULE_PORT_INVALID, 0, 0, INT64_MAX, 0}, "advertises port 9223372036854775807"},
        {{KRPC_RULE_PORT_MISMATCH, 0, 0, 6881, 40865}, "advertises port 6881 but is seen on port 40865"},
        {{KRPC_RULE_KRPC_MISSING_T, 0, 0, 5, 6}, "no transaction id t"},
        {{KRPC_NUM_RULES, 0, 0, 0, 0}, ""},
    };
    guard g;

    guard_init(&g, 256);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char whole[256];
        size_t len = krpc_finding_text(whole, sizeof whole, &cases[i].finding);

        CU_ASSERT_EQUAL(len, strlen(whole));
        CU_ASSERT_EQUAL(strncmp(whole, cases[i].begin, strlen(cases[i].begin)), 0);
        CU_ASSERT_EQUAL(krpc_finding_text(NULL, 0, &cases[i].finding), len);
        for (size_t cap = 1; cap <= len + 1; cap++) { /* always terminated, never beyond */
            char *out = (char *)guard_copy(&g, whole, cap);

            CU_ASSERT_EQUAL(krpc_finding_text(out, cap, &cases[i].finding), len);
            CU_ASSERT_EQUAL(strlen(out), cap - 1 < len ? cap - 1 : len);
            CU_ASSERT_EQUAL(strncmp(out, whole, strlen(out)), 0);
        }
    }
    guard_free(&g);
}

static unsigned emitted;

static void emit(void *ctx, const krpc_finding *finding)
{
    CU_ASSERT_PTR_EQUAL(ctx, &emitted);
    CU_ASSERT_EQUAL(finding->rule, KRPC_RULE_PORT_ONE);
    CU_ASSERT_EQUAL(finding->off, 3);
    CU_ASSERT_EQUAL(finding->len, 4);
    CU_ASSERT_EQUAL(finding->a, 5);
    CU_ASSERT_EQUAL(finding->b, 6);
    emitted++;
}

static void sinks(void)
{
    krpc_sink sink = {emit, &emitted};
    krpc_sink nothing = {NULL, NULL};

    krpc_emit(&sink, KRPC_RULE_PORT_ONE, 3, 4, 5, 6);
    krpc_emit(&nothing, KRPC_RULE_PORT_ONE, 3, 4, 5, 6);
    krpc_emit(NULL, KRPC_RULE_PORT_ONE, 3, 4, 5, 6);
    CU_ASSERT_EQUAL(emitted, 1);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(slugs_are_well_formed), UNIT_TEST(lookups),      UNIT_TEST(explanations_explain),
        UNIT_TEST(lines_are_lines),       UNIT_TEST(text_expands), UNIT_TEST(sinks),
    };

    return UNIT_RUN("rules", tests);
}
