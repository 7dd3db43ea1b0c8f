/* test_vectors: every message of tests/vectors decodes to exactly what stands there, wherever its bytes lie and
 * wherever they end; and every rule has a vector that fires it and one that nearly does.
 *
 *     test_vectors                 the tests
 *     test_vectors --describe      what the decoder makes of each vector, in the form of the data
 *     test_vectors --corpus DIR    each vector's bytes into a file of its own, for the fuzzers
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include "vectors.h"

#include <krpc/advert.h>

#include <glob.h>

#include "unit.h"

static vectors all;
static guard page;

#define FAIL_AT(v, ...)                                                                                                \
    (fprintf(stderr, "\n%s:%u: %s: ", (v)->file, (v)->line, (v)->name), fprintf(stderr, __VA_ARGS__))

static char *path_of(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/%s", vectors_source_dir(), name);
    return path;
}

static char *read_text(const char *path)
{
    FILE *from = fopen(path, "r");
    char *text;
    long len;

    if (from == NULL) {
        return NULL;
    }
    fseek(from, 0, SEEK_END);
    len = ftell(from);
    rewind(from);
    text = malloc((size_t)len + 1);
    text[fread(text, 1, (size_t)len, from)] = '\0';
    fclose(from);
    return text;
}

/* ---- what a vector says ---- */

static void each_decodes_to_what_stands_there(void)
{
    CU_ASSERT(all.num > 100);
    for (size_t i = 0; i < all.num; i++) {
        const vector *v = &all.list[i];
        char *got = vector_describe(guard_copy(&page, v->bytes, v->len), v->len, v->wire_len);
        bool same = strcmp(got, v->expected) == 0;

        CU_ASSERT(same);
        if (!same) {
            FAIL_AT(v, "expected\n%sbut the decoder says\n%s", v->expected, got);
        }
        free(got);
    }
}

static void names_are_unique(void)
{
    for (size_t i = 0; i < all.num; i++) {
        const char *name = all.list[i].name;

        CU_ASSERT(name[0] != '\0' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-/.")] == '\0');
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT_STRING_NOT_EQUAL(name, all.list[j].name);
        }
        if (all.list[i].len == 0) {
            CU_ASSERT_STRING_EQUAL(name, "bencode/nothing");
        }
    }
}

static void each_is_written_back(void)
{
    for (size_t i = 0; i < all.num; i++) {
        const vector *v = &all.list[i];
        uint8_t *out = malloc(v->len + 64);
        krpc_message m, again;
        size_t len, len2;

        krpc_message_decode(&m, v->bytes, v->len, v->wire_len, NULL);
        len = krpc_message_encode(out, v->len + 64, &m, v->bytes);
        CU_ASSERT_EQUAL(krpc_message_encode(NULL, 0, &m, v->bytes), len);
        if (m.status != BENCODE_DONE) {
            CU_ASSERT_EQUAL(len, 0);
            CU_ASSERT_FALSE(m.canonical);
            free(out);
            continue;
        }
        CU_ASSERT_FATAL(len <= v->len + 64);
        if (m.canonical && (len != m.len || memcmp(out, v->bytes, len) != 0)) {
            CU_FAIL("a canonical message changes");
            FAIL_AT(v, "canonical, but encodes to\n%.*s\n", (int)len, (const char *)out);
        }
        if (v->encoded != NULL && (len != v->encoded_len || memcmp(out, v->encoded, len) != 0)) {
            CU_FAIL("encodes to something else");
            FAIL_AT(v, "encodes to\n%.*s\n", (int)len, (const char *)out);
        }
        /* what was written is written again as it stands */
        krpc_message_decode(&again, out, len, len, NULL);
        CU_ASSERT_EQUAL(again.status, BENCODE_DONE);
        len2 = krpc_message_encode(NULL, 0, &again, out);
        CU_ASSERT_EQUAL(len2, len);
        free(out);
    }
}

/* ---- where its bytes end ---- */

static void check_inside(const vector *v, const findings *found, size_t len)
{
    for (size_t i = 0; i < found->num; i++) {
        const krpc_finding *f = &found->list[i];

        if (f->off > len || f->len > len - f->off) {
            CU_FAIL("a finding lies outside of the message");
            FAIL_AT(v, "%s @%u+%u in %zu bytes\n", krpc_rule_get(f->rule)->slug, f->off, f->len, len);
        }
    }
}

/* Everything that can be asked of a message, for the page behind it to object to. */
static void walk(const krpc_message *m, const uint8_t *data, const krpc_sink *sink)
{
    krpc_advert_iter adverts;
    krpc_advert advert;
    krpc_endpoint ip;

    krpc_message_check(m, data, sink);
    krpc_message_probe(m, data);
    krpc_message_id(m, data);
    krpc_message_target(m, data);
    krpc_message_ip(&ip, m, data);
    krpc_message_encode(NULL, 0, m, data);
    krpc_advert_init(&adverts, m, data);
    while (krpc_advert_next(&adverts, &advert)) {}
    for (krpc_scope scope = KRPC_SCOPE_TOP; scope < KRPC_SCOPE_E; scope++) {
        krpc_unknown unknown;
        krpc_span key, value;

        krpc_unknown_init(&unknown, m, data, scope);
        while (krpc_unknown_next(&unknown, &key, &value)) {}
    }
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        krpc_list list;
        bencode_token item;

        krpc_list_init(&list, m, data, f);
        while (krpc_list_next(&list, &item)) {}
    }
}

static void check_values_inside(const vector *v, const krpc_message *m, size_t len)
{
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        if (krpc_has_any(m, f) && (m->value[f].off > len || m->value[f].len > len - m->value[f].off)) {
            CU_FAIL("a value lies outside of the message");
            FAIL_AT(v, "%s in its first %zu bytes\n", krpc_field_get(f)->key, len);
        }
    }
}

static size_t count(const findings *found, krpc_rule rule)
{
    size_t n = 0;

    for (size_t i = 0; i < found->num; i++) {
        n += found->list[i].rule == rule;
    }
    return n;
}

static void check_prefix(const vector *v, size_t len, size_t wire_len, bool complete)
{
    const uint8_t *data = guard_copy(&page, v->bytes, len);
    krpc_rule rule = wire_len > len ? KRPC_RULE_BENCODE_SNAPPED : KRPC_RULE_BENCODE_CUT;
    krpc_rule other = wire_len > len ? KRPC_RULE_BENCODE_CUT : KRPC_RULE_BENCODE_SNAPPED;
    findings found;
    krpc_sink sink = findings_sink(&found);
    krpc_message m;

    krpc_message_decode(&m, data, len, wire_len, &sink);
    if (complete && (m.status != BENCODE_CUT || count(&found, rule) != 1 || count(&found, other) != 0 || m.canonical)) {
        CU_FAIL("a prefix is not reported as cut");
        FAIL_AT(v, "its first %zu bytes: status %s\n", len, bencode_status_name((bencode_status)m.status));
    }
    walk(&m, data, &sink);
    check_inside(v, &found, len);
    check_values_inside(v, &m, len);
    findings_free(&found);
}

static void every_prefix_is_cut(void)
{
    for (size_t i = 0; i < all.num; i++) {
        const vector *v = &all.list[i];
        krpc_message m;
        findings found;
        krpc_sink sink = findings_sink(&found);

        krpc_message_decode(&m, v->bytes, v->len, v->wire_len, &sink);
        walk(&m, v->bytes, &sink);
        check_inside(v, &found, v->len);
        findings_free(&found);
        for (size_t n = 0; n < (m.status == BENCODE_DONE ? m.len : v->len); n++) {
            check_prefix(v, n, n, m.status == BENCODE_DONE);
            check_prefix(v, n, v->len, m.status == BENCODE_DONE);
        }
    }
}

/* ---- rules ---- */

static bool fires(const vector *v, krpc_rule rule)
{
    char line[128];

    snprintf(line, sizeof line, "finding: %s @", krpc_rule_get(rule)->slug);
    return strstr(v->expected, line) != NULL;
}

static void near_misses_do_not_fire(void)
{
    for (size_t i = 0; i < all.num; i++) {
        const vector *v = &all.list[i];

        for (size_t n = 0; n < v->num_near; n++) {
            krpc_rule rule = krpc_rule_find(v->near[n]);

            CU_ASSERT_FATAL(rule < KRPC_NUM_RULES);
            CU_ASSERT_FALSE(fires(v, rule));
        }
    }
}

/* The word stands there, and not as a part of a longer one; a symbol may have its prefix. */
static bool has_word(const char *text, const char *word, const char *letters)
{
    static const char prefix[] = "KRPC_RULE_";
    size_t len = strlen(word);

    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
        const char *begin = p;

        if ((size_t)(p - text) >= sizeof prefix - 1 &&
            strncmp(p - (sizeof prefix - 1), prefix, sizeof prefix - 1) == 0) {
            begin = p - (sizeof prefix - 1);
        }
        if ((begin == text || strchr(letters, begin[-1]) == NULL) &&
            (p[len] == '\0' || strchr(letters, p[len]) == NULL)) {
            return true;
        }
    }
    return false;
}

#define SMALL    "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"

static bool stands_in(const char *pattern, const char *slug, const char *symbol)
{
    glob_t files;
    bool found = false;

    if (glob(path_of(pattern), 0, NULL, &files) != 0) {
        return false;
    }
    for (size_t i = 0; i < files.gl_pathc && !found; i++) {
        char *text = read_text(files.gl_pathv[i]);

        found = text != NULL &&
                (has_word(text, slug, SMALL DIGITS ".-") || has_word(text, symbol, SMALL CAPITALS DIGITS "_"));
        free(text);
    }
    globfree(&files);
    return found;
}

/* A line "slug file...": the rule's slug or symbol stands in one of these files of the source tree. */
static bool covered_elsewhere(const char *list, krpc_rule rule, const char *symbol)
{
    const char *slug = krpc_rule_get(rule)->slug;
    size_t len = strlen(slug);

    for (const char *line = list; line != NULL; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL) {
        char file[256];
        int used;

        if (strncmp(line, slug, len) != 0 || line[len] != ' ') {
            continue;
        }
        for (const char *p = line + len; sscanf(p, "%*[ ]%255[^ \n]%n", file, &used) == 1; p += used) {
            if (stands_in(file, slug, symbol)) {
                return true;
            }
        }
    }
    return false;
}

static void every_rule_has_both(void)
{
    static const char *const symbols[] = {
#define RULE(SYMBOL, SLUG, SEVERITY, SPEC, TEXT, EXPLANATION) #SYMBOL,
#include <krpc/rules.def>
    };
    char *elsewhere = read_text(path_of("tests/vectors/elsewhere.list"));

    CU_ASSERT_PTR_NOT_NULL_FATAL(elsewhere);
    for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
        const char *slug = krpc_rule_get(rule)->slug;
        size_t hits = 0, misses = 0;

        for (size_t i = 0; i < all.num; i++) {
            hits += fires(&all.list[i], rule);
            for (size_t n = 0; n < all.list[i].num_near; n++) {
                misses += strcmp(all.list[i].near[n], slug) == 0;
            }
        }
        if ((hits == 0 || misses == 0) && !covered_elsewhere(elsewhere, rule, symbols[rule])) {
            CU_FAIL("a rule without a vector that fires it or without a near miss");
            fprintf(stderr, "\n%s: %zu vectors, %zu near misses, and not covered elsewhere\n", slug, hits, misses);
        }
    }
    free(elsewhere);
}

static void every_key_has_a_vector(void)
{
    static bool found[KRPC_NUM_FIELDS];

    for (size_t i = 0; i < all.num; i++) {
        krpc_message m;

        krpc_message_decode(&m, all.list[i].bytes, all.list[i].len, all.list[i].wire_len, NULL);
        for (unsigned f = 0; f < KRPC_NUM_FIELDS; f++) {
            found[f] |= krpc_has(&m, (krpc_field)f);
        }
    }
    for (unsigned f = 0; f < KRPC_NUM_FIELDS; f++) {
        if (!found[f]) {
            CU_FAIL("a key without a vector that has it");
            fprintf(stderr, "\n%s\n", krpc_field_get((krpc_field)f)->filter);
        }
    }
}

/* ---- the draft ---- */

static const vector *find(const char *name)
{
    for (size_t i = 0; i < all.num; i++) {
        if (strcmp(all.list[i].name, name) == 0) {
            return &all.list[i];
        }
    }
    return NULL;
}

/* Each "name: ..." of the draft is followed by its "bytes: ...", and both are in the data. */
static void the_draft_has_these(void)
{
    FILE *from = fopen(path_of("docs/port-advertisement.rst"), "r");
    const vector *v = NULL;
    size_t found = 0;
    char line[4096];

    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    while (fgets(line, sizeof line, from) != NULL) {
        char *text = line + strspn(line, " ");
        uint8_t *bytes = NULL;
        size_t len = 0;
        const char *error;

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(text, "name: ", 6) == 0) {
            v = find(text + 6);
            CU_ASSERT_PTR_NOT_NULL(v);
        } else if (strncmp(text, "bytes: ", 7) == 0) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(v);
            CU_ASSERT(vectors_unescape(&bytes, &len, text + 7, &error));
            if (len != v->len || memcmp(bytes, v->bytes, len) != 0) {
                CU_FAIL("the draft has other bytes");
                FAIL_AT(v, "docs/port-advertisement.rst has other bytes\n");
            }
            free(bytes);
            v = NULL;
            found++;
        }
    }
    CU_ASSERT(found >= 8);
    fclose(from);
}

/* ---- the tool ---- */

static int describe_all(void)
{
    for (size_t i = 0; i < all.num; i++) {
        const vector *v = &all.list[i];
        char *text = vector_describe(v->bytes, v->len, v->wire_len);

        printf("name: %s\n%s\n", v->name, text);
        free(text);
    }
    return 0;
}

static int write_corpus(const char *dir)
{
    for (size_t i = 0; i < all.num; i++) {
        char path[4096];
        FILE *to;

        snprintf(path, sizeof path, "%s/%s", dir, all.list[i].name);
        for (char *p = path + strlen(dir) + 1; *p != '\0'; p++) {
            *p = *p == '/' ? '-' : *p;
        }
        to = fopen(path, "wb");
        if (to == NULL || fwrite(all.list[i].bytes, 1, all.list[i].len, to) != all.list[i].len || fclose(to) != 0) {
            perror(path);
            return 2;
        }
    }
    return 0;
}

static int run_tests(void)
{
    const unit_test tests[] = {
        UNIT_TEST(each_decodes_to_what_stands_there),
        UNIT_TEST(names_are_unique),
        UNIT_TEST(each_is_written_back),
        UNIT_TEST(every_prefix_is_cut),
        UNIT_TEST(near_misses_do_not_fire),
        UNIT_TEST(every_rule_has_both),
        UNIT_TEST(every_key_has_a_vector),
        UNIT_TEST(the_draft_has_these),
    };
    int status;

    guard_init(&page, 1u << 16);
    status = UNIT_RUN("vectors", tests);
    guard_free(&page);
    return status;
}

int main(int argc, char **argv)
{
    int status;

    vectors_load(&all, path_of("tests/vectors"));
    if (argc == 2 && strcmp(argv[1], "--describe") == 0) {
        status = describe_all();
    } else if (argc == 3 && strcmp(argv[1], "--corpus") == 0) {
        status = write_corpus(argv[2]);
    } else {
        status = run_tests();
    }
    vectors_free(&all);
    return status;
}
