/* test_rules: the table of rules, and findings as text.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/message.h>

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

/* One line, no capital at its beginning, no full stop at its end; its braces are those that are told of. */
static void lines_are_lines(void)
{
    for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
        const krpc_rule_info *info = krpc_rule_get(rule);
        const char *text = info->text;
        krpc_finding longest = {rule, KRPC_A_IMPLIED_PORT, UINT32_MAX, UINT32_MAX, INT64_MIN, INT64_MIN};
        char out[201];

        CU_ASSERT(strlen(text) >= 10);
        CU_ASSERT_NOT_EQUAL(text[strlen(text) - 1], '.');
        CU_ASSERT_PTR_NULL(strchr(text, '\n'));
        for (const char *p = strchr(text, '{'); p != NULL; p = strchr(p + 1, '{')) {
            CU_ASSERT(strchr("abfkpv", p[1]) != NULL && p[2] == '}');
        }
        CU_ASSERT(krpc_finding_text(out, 200, &longest, "", 0) < 200); /* 200 bytes hold any */
        CU_ASSERT_PTR_NULL(strchr(out, '{'));
        CU_ASSERT(krpc_rule_text(out, sizeof out, rule) < 200);
        CU_ASSERT_PTR_NULL(strchr(out, '{'));
    }
}

static void text_expands(void)
{
    static const struct {
        krpc_finding finding;
        const char *begin;
    } cases[] = {
        {{KRPC_RULE_BENCODE_SNAPPED, KRPC_NUM_FIELDS, 0, 0, 96, 1500},
         "cut by the snap length: 96 of 1500 bytes were captured"},
        {{KRPC_RULE_PORT_INVALID, KRPC_NUM_FIELDS, 0, 0, -1, 0}, "advertises port -1"},
        {{KRPC_RULE_PORT_INVALID, KRPC_NUM_FIELDS, 0, 0, INT64_MIN, 0}, "advertises port -9223372036854775808"},
        {{KRPC_RULE_PORT_INVALID, KRPC_NUM_FIELDS, 0, 0, INT64_MAX, 0}, "advertises port 9223372036854775807"},
        {{KRPC_RULE_PORT_MISMATCH, KRPC_NUM_FIELDS, 0, 0, 6881, 40865},
         "advertises port 6881 but is seen on port 40865"},
        {{KRPC_RULE_PORT_MISMATCH, KRPC_NUM_FIELDS, 0, 0, 6881, 0}, "advertises port 6881 but is seen on another port"},
        {{KRPC_RULE_KRPC_MISSING_T, KRPC_NUM_FIELDS, 0, 0, 5, 6}, "no transaction id t"},
        {{KRPC_NUM_RULES, KRPC_NUM_FIELDS, 0, 0, 0, 0}, ""},
    };
    guard g;

    guard_init(&g, 256);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char whole[256];
        size_t len = krpc_finding_text(whole, sizeof whole, &cases[i].finding, "", 0);

        CU_ASSERT_EQUAL(len, strlen(whole));
        CU_ASSERT_EQUAL(strncmp(whole, cases[i].begin, strlen(cases[i].begin)), 0);
        CU_ASSERT_EQUAL(krpc_finding_text(NULL, 0, &cases[i].finding, "", 0), len);
        for (size_t cap = 1; cap <= len + 1; cap++) { /* always terminated, never beyond */
            char *out = (char *)guard_copy(&g, whole, cap);

            CU_ASSERT_EQUAL(krpc_finding_text(out, cap, &cases[i].finding, "", 0), len);
            CU_ASSERT_EQUAL(strlen(out), cap - 1 < len ? cap - 1 : len);
            CU_ASSERT_EQUAL(strncmp(out, whole, strlen(out)), 0);
        }
    }
    guard_free(&g);
}

/* The lines of what is found in a message that stands flush against an unreadable page. */
typedef struct lines {
    const uint8_t *data;
    size_t len;
    krpc_rule only;
    char text[1024];
} lines;

static void keep_line(void *ctx, const krpc_finding *finding)
{
    lines *to = (lines *)ctx;
    char line[200];

    if (finding->rule == to->only) {
        CU_ASSERT(krpc_finding_text(line, sizeof line, finding, to->data, to->len) < sizeof line);
        strncat(to->text, line, sizeof to->text - strlen(to->text) - 2);
        strcat(to->text, "\n");
    }
}

#define ID                        "2:id20:abcdefghij0123456789"
#define NAMED(RULE, BYTES, LINES) {KRPC_RULE_##RULE, BYTES, sizeof(BYTES) - 1, LINES "\n"}

static void keys_are_named(void)
{
    static const struct {
        krpc_rule rule;
        const char *bytes;
        size_t len;
        const char *lines;
    } cases[] = {
        NAMED(KRPC_UNKNOWN_KEY, "d1:ad3:abc1:x" ID "e1:q4:ping1:t2:aa1:y1:q1:zi1ee",
              "unknown key \"abc\": it is in no specification\nunknown key \"z\": it is in no specification"),
        NAMED(KRPC_UNKNOWN_KEY, "d10:\"\\\x7f\x1b[2J\xc3\xa4\x00i1ee",
              "unknown key \"\\x22\\x5c\\x7f\\x1b[2J\\xc3\\xa4\\x00\": it is in no specification"),
        NAMED(KRPC_UNKNOWN_KEY, "d32:abcdefghijklmnopqrstuvwxyz ~!#$%i1ee",
              "unknown key \"abcdefghijklmnopqrstuvwxyz ~!#$%\": it is in no specification"),
        NAMED(KRPC_UNKNOWN_KEY, "d33:abcdefghijklmnopqrstuvwxyz012345!i1ee",
              "unknown key \"abcdefghijklmnopqrstuvwxyz012345...\": it is in no specification"),
        NAMED(KRPC_UNKNOWN_METHOD, "d1:ad" ID "e1:q4:pong1:t2:aa1:y1:qe",
              "unknown query \"pong\": it is in no specification"),
        NAMED(BENCODE_UNSORTED, "d1:rd" ID "e1:ad" ID "ee", "key \"a\" sorts before the key that precedes it"),
        NAMED(BENCODE_DUPLICATE, "d1:rd" ID "5:token1:x5:token1:yee",
              "key \"token\" occurs twice; the first one counts"),
        NAMED(KRPC_WRONG_TYPE, "d1:ad" ID "4:port0:e1:q13:announce_peer1:t2:aa1:v4:abcd1:yi7ee",
              "the value of \"port\" does not have the type that this key requires\n"
              "the value of \"y\" does not have the type that this key requires"),
        NAMED(KRPC_WRONG_TYPE, "d1:ad" ID "e1:qd1:xi1ee1:t2:aa1:y1:qe",
              "the value of \"q\" does not have the type that this key requires"),
        NAMED(KRPC_WRONG_LENGTH, "d1:ad2:id0:6:target19:abcdefghij012345678e1:q9:find_node1:t2:aa1:y1:qe",
              "\"id\" has 0 bytes, a length that this key does not allow\n"
              "\"target\" has 19 bytes, a length that this key does not allow"),
        NAMED(KRPC_OUT_OF_RANGE, "d1:ad" ID "e1:q4:ping2:roi-2e1:t2:aa1:y1:qe",
              "\"ro\" is -2, which is outside the range that this key allows"),
        NAMED(KRPC_MISSING_ARGUMENT, "d1:ad" ID "e1:q13:announce_peer1:t2:aa1:y1:qe",
              "missing among the arguments of the query: info_hash, port, token"),
        NAMED(KRPC_MISSING_ARGUMENT, "d1:ad" ID "12:implied_porti1e5:token1:xe1:q13:announce_peer1:t2:aa1:y1:qe",
              "missing among the arguments of the query: info_hash"),
    };
    guard g;

    guard_init(&g, 256);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lines found = {
            .data = guard_copy(&g, cases[i].bytes, cases[i].len), .len = cases[i].len, .only = cases[i].rule};
        krpc_sink sink = {keep_line, &found};
        krpc_message m;

        krpc_message_decode(&m, found.data, found.len, found.len, &sink);
        krpc_message_check(&m, found.data, &sink);
        CU_ASSERT_STRING_EQUAL(found.text, cases[i].lines);
    }
    guard_free(&g);
}

/* A finding about other bytes than those at hand reads nothing beyond them; the longest key is the longest line. */
static void keys_are_bounded(void)
{
    uint8_t key[64] = {0};
    krpc_finding findings[] = {{KRPC_RULE_KRPC_UNKNOWN_KEY, KRPC_NUM_FIELDS, 0, 64, 0, 0},
                               {KRPC_RULE_KRPC_WRONG_LENGTH, KRPC_NUM_FIELDS, 63, 9, INT64_MIN, 0},
                               {KRPC_RULE_BENCODE_UNSORTED, KRPC_NUM_FIELDS, 64, 1, 0, 0},
                               {KRPC_RULE_BENCODE_DUPLICATE, KRPC_NUM_FIELDS, UINT32_MAX, UINT32_MAX, 0, 0}};
    guard g;
    char out[200];

    guard_init(&g, 64);
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
        for (size_t len = 0; len <= sizeof key; len++) {
            CU_ASSERT(krpc_finding_text(out, sizeof out, &findings[i], guard_copy(&g, key, len), len) < sizeof out);
            CU_ASSERT_PTR_NOT_NULL(strstr(out, i != 0 || len == 0 ? "\"\"" : len <= 32 ? "\\x00\"" : "\\x00...\""));
        }
    }
    guard_free(&g);
}

static void rules_speak_for_all(void)
{
    char out[200];

    CU_ASSERT_EQUAL(krpc_rule_text(out, sizeof out, KRPC_RULE_PORT_MISMATCH), strlen(out));
    CU_ASSERT_EQUAL(strncmp(out, "advertises port N but is seen on port M", 39), 0);
    krpc_rule_text(out, sizeof out, KRPC_RULE_KRPC_UNKNOWN_KEY);
    CU_ASSERT_STRING_EQUAL(out, "unknown key NAME: it is in no specification");
    krpc_rule_text(out, sizeof out, KRPC_RULE_KRPC_OUT_OF_RANGE);
    CU_ASSERT_STRING_EQUAL(out, "KEY is N, which is outside the range that this key allows");
    krpc_rule_text(out, sizeof out, KRPC_RULE_KRPC_MISSING_ARGUMENT);
    CU_ASSERT_STRING_EQUAL(out, "missing among the arguments of the query: KEYS");
    CU_ASSERT_EQUAL(krpc_rule_text(out, 4, KRPC_RULE_KRPC_UNKNOWN_KEY), 43);
    CU_ASSERT_STRING_EQUAL(out, "unk");
    CU_ASSERT_EQUAL(krpc_rule_text(out, sizeof out, KRPC_NUM_RULES), 0);
}

static size_t name_frame(void *ctx, char *out, size_t cap, int64_t frame)
{
    return (size_t)snprintf(out, cap, "%s:%d", (const char *)ctx, (int)frame);
}

/* A number after the word frame is a frame, and one after the word port a port: the text says so, and callers are
 * told. */
static void numbers_have_kinds(void)
{
    static const krpc_finding answers = {KRPC_RULE_NAT_REPLY_OTHER_PORT, KRPC_NUM_FIELDS, 0, 0, 7, 6881};
    char out[200];

    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_RULE_NAT_REPLY_OTHER_PORT, 'a'), KRPC_NUMBER_FRAME);
    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_RULE_NAT_REPLY_OTHER_PORT, 'b'), KRPC_NUMBER_PORT);
    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_RULE_KRPC_LATE_RESPONSE, 'a'), KRPC_NUMBER_PLAIN);
    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_RULE_KRPC_LATE_RESPONSE, 'b'), KRPC_NUMBER_FRAME);
    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_RULE_PORT_MISMATCH, 'b'), KRPC_NUMBER_PORT);
    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_RULE_KRPC_MISSING_T, 'a'), KRPC_NUMBER_NONE);
    CU_ASSERT_EQUAL(krpc_rule_number(KRPC_NUM_RULES, 'a'), KRPC_NUMBER_NONE);
    krpc_finding_text_with(out, sizeof out, &answers, "", 0, name_frame, (void *)"a.pcap");
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "frame a.pcap:7"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "6881"));
    CU_ASSERT_PTR_NULL(strstr(out, "a.pcap:6881"));
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
        UNIT_TEST(slugs_are_well_formed),
        UNIT_TEST(lookups),
        UNIT_TEST(explanations_explain),
        UNIT_TEST(lines_are_lines),
        UNIT_TEST(text_expands),
        UNIT_TEST(numbers_have_kinds),
        UNIT_TEST(sinks),
        UNIT_TEST(keys_are_named),
        UNIT_TEST(keys_are_bounded),
        UNIT_TEST(rules_speak_for_all),
    };

    return UNIT_RUN("rules", tests);
}
