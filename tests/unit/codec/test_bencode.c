/* test_bencode: tokens out of bytes, and bytes out of values.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/bencode.h>

#include "unit.h"

static guard page;

/* ---- tokens as text: "d@0 k1@1=a i5@4 e@7 done@8"; a letter for each flag behind an exclamation mark ---- */

static const struct {
    uint32_t flag;
    char letter;
} flag_letters[] = {{BENCODE_LEADING_ZERO, 'z'},  {BENCODE_MINUS_ZERO, 'm'}, {BENCODE_OVERFLOW, 'o'},
                    {BENCODE_EMPTY_INT, 'e'},     {BENCODE_BAD_INT, 'b'},    {BENCODE_KEY_NOT_STRING, 'n'},
                    {BENCODE_MISSING_VALUE, 'v'}, {BENCODE_DEEP, 'd'}};

typedef struct line {
    char text[4096];
    size_t len;
} line;

static void add(line *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len && to->len + 1 < sizeof to->text; i++) {
        to->text[to->len++] = text[i];
    }
    to->text[to->len] = '\0';
}

static void add_text(line *to, const char *text)
{
    add(to, text, strlen(text));
}

static void add_token(line *to, const bencode_token *t, const uint8_t *data)
{
    char text[64];

    if (to->len > 0) {
        add(to, " ", 1);
    }
    switch (t->type) {
    case BENCODE_STRING:
        add_text(to, (t->flags & BENCODE_KEY) != 0 ? "k" : "s");
        add(to, (const char *)data + t->body_off, t->body_len);
        break;
    case BENCODE_INT:
        snprintf(text, sizeof text, "%s%lld", (t->flags & BENCODE_KEY) != 0 ? "ki" : "i", (long long)t->num);
        add_text(to, text);
        break;
    default:
        add_text(to, t->type == BENCODE_LIST ? "l" : t->type == BENCODE_DICT ? "d" : "e");
    }
    snprintf(text, sizeof text, "@%u", t->off);
    add_text(to, text);
    for (size_t i = 0; i < sizeof flag_letters / sizeof flag_letters[0]; i++) {
        if ((t->flags & flag_letters[i].flag) != 0) {
            char both[2] = {'!', flag_letters[i].letter};

            add(to, both, 2);
        }
    }
}

static bencode_status walk(line *to, const void *bytes, size_t len)
{
    const uint8_t *data = guard_copy(&page, bytes, len);
    bencode_reader reader;
    bencode_token t;
    bencode_status status;
    char text[64];
    uint32_t expected_off = 0;

    to->len = 0;
    to->text[0] = '\0';
    bencode_reader_init(&reader, data, len);
    while ((status = bencode_next(&reader, &t)) == BENCODE_OK) {
        CU_ASSERT_EQUAL(t.off, expected_off); /* tokens tile the input */
        CU_ASSERT_EQUAL(t.end, reader.pos);
        CU_ASSERT(t.end > t.off);
        CU_ASSERT(t.body_off >= t.off && t.body_off + t.body_len <= t.end);
        expected_off = t.end;
        CU_ASSERT_TRUE(t.type == BENCODE_INT || t.num == 0);
        add_token(to, &t, data);
    }
    snprintf(text, sizeof text, "%s%s@%u", to->len > 0 ? " " : "", bencode_status_name(status), reader.pos);
    add_text(to, text);
    return status;
}

static void tokens(void)
{
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {
        {"0:", "s@0 done@2"},
        {"4:spam", "sspam@0 done@6"},
        {"i3e", "i3@0 done@3"},
        {"i-3e", "i-3@0 done@4"},
        {"i0e", "i0@0 done@3"},
        {"le", "l@0 e@1 done@2"},
        {"de", "d@0 e@1 done@2"},
        {"l4:spam4:eggse", "l@0 sspam@1 seggs@7 e@13 done@14"},
        {"d3:cow3:moo4:spam4:eggse", "d@0 kcow@1 smoo@6 kspam@11 seggs@17 e@23 done@24"},
        {"d1:al1:bee", "d@0 ka@1 l@4 sb@5 e@8 e@9 done@10"},
        {"d1:ad1:bi1eee", "d@0 ka@1 d@4 kb@5 i1@8 e@11 e@12 done@13"},
        {"ldedelee", "l@0 d@1 e@2 d@3 e@4 l@5 e@6 e@7 done@8"},
        {"d1:ai1e1:bi2ee", "d@0 ka@1 i1@4 kb@7 i2@10 e@13 done@14"},
        /* only the first value is looked at */
        {"i1ei2e", "i1@0 done@3"},
        {"dee", "d@0 e@1 done@2"},
        /* what can be read all the same */
        {"i03e", "i3@0!z done@4"},
        {"i-03e", "i-3@0!z done@5"},
        {"i00e", "i0@0!z done@4"},
        {"i-00e", "i0@0!z done@5"},
        {"i-0e", "i0@0!m done@4"},
        {"03:abc", "sabc@0!z done@6"},
        {"00:", "s@0!z done@3"},
        {"ie", "i0@0!e done@2"},
        {"i-e", "i0@0!e done@3"},
        {"i1.5e", "i0@0!b done@5"},
        {"i+1e", "i0@0!b done@4"},
        {"i 1e", "i0@0!b done@4"},
        {"i--1e", "i0@0!b done@5"},
        {"i1-e", "i0@0!b done@4"},
        {"ilee", "i0@0!b done@3"},
        {"i9223372036854775807e", "i9223372036854775807@0 done@21"},
        {"i9223372036854775808e", "i9223372036854775807@0!o done@21"},
        {"i-9223372036854775808e", "i-9223372036854775808@0 done@22"},
        {"i-9223372036854775809e", "i-9223372036854775808@0!o done@22"},
        {"i99999999999999999999999999999999999999999999999999e", "i9223372036854775807@0!o done@52"},
        {"i00000000000000000000000000000000000000000000000001e", "i1@0!z done@52"},
        {"d1:ae", "d@0 ka@1 e@4!v done@5"},
        {"di1ei2ee", "d@0 ki1@1!n i2@4 e@7 done@8"},
        {"dle1:xe", "d@0 l@1!n e@2 sx@3 e@6 done@7"},
        {"ddee", "d@0 d@1!n e@2 e@3!v done@4"},
        {"d1:ai1ede1:xe", "d@0 ka@1 i1@4 d@7!n e@8 sx@9 e@12 done@13"},
        {"d0:0:e", "d@0 k@1 s@3 e@5 done@6"},
        /* where nobody can know where the next token begins */
        {"", "cut@0"},
        {"d", "d@0 cut@1"},
        {"4:spa", "cut@0"},
        {"4", "cut@0"},
        {"i", "cut@0"},
        {"i-", "cut@0"},
        {"i12", "cut@0"},
        {"i1x", "cut@0"},
        {"l4:spam", "l@0 sspam@1 cut@7"},
        {"d1:a", "d@0 ka@1 cut@4"},
        {"4294967295:", "cut@0"},
        {"4294967296:", "bad length@0"},
        {"99999999999999999999:", "bad length@0"},
        {"4spam", "bad length@0"},
        {"-4:spam", "bad byte@0"},
        {"e", "bad byte@0"},
        {"x", "bad byte@0"},
        {" de", "bad byte@0"},
        {"l:e", "l@0 bad byte@1"},
        {"d1:aX", "d@0 ka@1 bad byte@4"},
        /* the e of an integer is looked for in 40 bytes: the i, 38 others, the e */
        {"ix2345678901234567890123456789012345678e", "i0@0!b done@40"},
        {"ix23456789012345678901234567890123456789e", "bad byte@0"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        line got;

        walk(&got, cases[i].bytes, strlen(cases[i].bytes));
        if (strcmp(got.text, cases[i].text) != 0) {
            CU_FAIL("other tokens");
            fprintf(stderr, "\n%s\n  expected %s\n  got      %s\n", cases[i].bytes, cases[i].text, got.text);
        }
    }
}

static void names(void)
{
    CU_ASSERT_STRING_EQUAL(bencode_status_name(BENCODE_OK), "ok");
    CU_ASSERT_STRING_EQUAL(bencode_status_name(BENCODE_DONE), "done");
    CU_ASSERT_STRING_EQUAL(bencode_status_name(BENCODE_CUT), "cut");
    CU_ASSERT_STRING_EQUAL(bencode_status_name(BENCODE_BAD_BYTE), "bad byte");
    CU_ASSERT_STRING_EQUAL(bencode_status_name(BENCODE_BAD_LENGTH), "bad length");
    CU_ASSERT_STRING_EQUAL(bencode_status_name((bencode_status)(BENCODE_BAD_LENGTH + 1)), "?");
    CU_ASSERT_STRING_EQUAL(bencode_status_name((bencode_status)99), "?");
}

static void every_prefix_is_cut(void)
{
    static const char whole[] = "d1:ad2:idi-12e4:listl3:abc0:i0eleee1:zd0:12:abcdefghijklee";
    uint32_t size;
    line got;

    CU_ASSERT_EQUAL(walk(&got, whole, sizeof whole - 1), BENCODE_DONE);
    CU_ASSERT_EQUAL(bencode_check(&size, whole, sizeof whole - 1), BENCODE_DONE);
    CU_ASSERT_EQUAL(size, sizeof whole - 1);
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        CU_ASSERT_EQUAL(walk(&got, whole, n), BENCODE_CUT);
        CU_ASSERT_EQUAL(bencode_check(&size, guard_copy(&page, whole, n), n), BENCODE_CUT);
    }
}

/* ---- any bytes ---- */

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static size_t random_bytes(uint8_t *out, size_t max, uint32_t *state)
{
    static const char *const pieces[] = {"d", "l", "e", "i", "i1e", "1:a", "2:bb", "0:", "i-0e", "i07e", ":", "9", "-"};
    size_t len = 0;
    size_t want = next_random(state) % max;

    while (len + 4 < want) {
        const char *piece = pieces[next_random(state) % (sizeof pieces / sizeof pieces[0])];
        size_t n = strlen(piece);

        memcpy(out + len, piece, n);
        len += n;
    }
    return len;
}

static void check_says_what_the_reader_says(void)
{
    uint32_t state = 20070629;

    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[64];
        size_t len = random_bytes(bytes, sizeof bytes, &state);
        const uint8_t *data = guard_copy(&page, bytes, len);
        bencode_reader reader;
        bencode_token t;
        bencode_status status, checked;
        uint32_t size = 0;
        uint32_t end = 0;

        bencode_reader_init(&reader, data, len);
        while ((status = bencode_next(&reader, &t)) == BENCODE_OK) {
            if (t.off != end) {
                CU_FAIL("tokens do not tile the input");
            }
            end = t.end;
        }
        checked = bencode_check(&size, data, len);
        if (checked != status || (status == BENCODE_DONE && size != reader.pos)) {
            CU_FAIL("bencode_check and bencode_next differ");
            fprintf(stderr, "\n%.*s\n", (int)len, (const char *)bytes);
        }
    }
}

static void failure_leaves_everything_as_it_was(void)
{
    static const char *const bad[] = {"d1:a", "d1:aX", "d1:a4spam", "di", "d1:a9:x"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bencode_reader reader, before;
        bencode_token t, kept;

        memset(&t, 0, sizeof t);
        bencode_reader_init(&reader, bad[i], strlen(bad[i]));
        do {
            before = reader;
            kept = t;
        } while (bencode_next(&reader, &t) == BENCODE_OK);
        CU_ASSERT_EQUAL(reader.pos, before.pos);
        CU_ASSERT_EQUAL(reader.depth, before.depth);
        CU_ASSERT_EQUAL(reader.dicts, before.dicts);
        CU_ASSERT_EQUAL(reader.in_value, before.in_value);
        CU_ASSERT_EQUAL(t.type, kept.type);
        CU_ASSERT_EQUAL(t.off, kept.off);
        CU_ASSERT_EQUAL(t.end, kept.end);
        CU_ASSERT_EQUAL(t.flags, kept.flags);
    }
}

static void done_stays_done(void)
{
    bencode_reader reader;
    bencode_token t;

    bencode_reader_init(&reader, "i1ei2e", 6);
    CU_ASSERT_EQUAL(bencode_next(&reader, &t), BENCODE_OK);
    CU_ASSERT_EQUAL(bencode_next(&reader, &t), BENCODE_DONE);
    CU_ASSERT_EQUAL(bencode_next(&reader, &t), BENCODE_DONE);
    CU_ASSERT_EQUAL(reader.pos, 3);
}

static void skip_passes_whole_values(void)
{
    static const char text[] = "d1:ad1:bl1:cee1:di5e1:e2:xye";
    bencode_reader reader, ahead;
    bencode_token t;
    uint32_t end;

    bencode_reader_init(&reader, text, sizeof text - 1);
    bencode_next(&reader, &t);
    bencode_next(&reader, &t);
    CU_ASSERT_EQUAL(bencode_skip(&reader, &end, &t), BENCODE_OK); /* a string: nothing to pass */
    CU_ASSERT_EQUAL(end, 4);
    CU_ASSERT_EQUAL(reader.pos, 4);
    bencode_next(&reader, &t);
    ahead = reader; /* a copy looks ahead */
    CU_ASSERT_EQUAL(bencode_skip(&ahead, &end, &t), BENCODE_OK);
    CU_ASSERT_EQUAL(end, 14);
    CU_ASSERT_EQUAL(ahead.pos, 14);
    CU_ASSERT_EQUAL(ahead.depth, 1);
    CU_ASSERT_EQUAL(reader.pos, 5);
    bencode_next(&ahead, &t);
    CU_ASSERT_EQUAL(t.flags, BENCODE_KEY);
    CU_ASSERT_EQUAL(t.body_off, 16);

    bencode_reader_init(&reader, text, 10); /* cut inside */
    bencode_next(&reader, &t);
    bencode_next(&reader, &t);
    bencode_next(&reader, &t);
    CU_ASSERT_EQUAL(bencode_skip(&reader, &end, &t), BENCODE_CUT);
    CU_ASSERT_EQUAL(reader.pos, 9);
}

static void nesting_has_no_limit(void)
{
    enum { LEVELS = 1000 };
    uint8_t bytes[LEVELS * 5 + 2];
    size_t len = 0;
    bencode_reader reader;
    bencode_token t;
    uint32_t deep = 0, keys = 0, size;

    for (int i = 0; i < LEVELS; i++) { /* d1:a d1:a ... 0: e e ... */
        memcpy(bytes + len, "d1:a", 4);
        len += 4;
    }
    memcpy(bytes + len, "0:", 2);
    len += 2;
    memset(bytes + len, 'e', LEVELS);
    len += LEVELS;
    bencode_reader_init(&reader, guard_copy(&page, bytes, len), len);
    while (bencode_next(&reader, &t) == BENCODE_OK) {
        deep += t.type == BENCODE_DICT && (t.flags & BENCODE_DEEP) != 0;
        keys += (t.flags & BENCODE_KEY) != 0;
        CU_ASSERT_FALSE(t.flags & BENCODE_MISSING_VALUE);
    }
    CU_ASSERT_EQUAL(reader.pos, len);
    CU_ASSERT_EQUAL(deep, LEVELS - BENCODE_MAX_DEPTH);
    CU_ASSERT_EQUAL(keys, BENCODE_MAX_DEPTH);
    CU_ASSERT_EQUAL(bencode_check(&size, bytes, len), BENCODE_DONE);
    CU_ASSERT_EQUAL(size, len);
}

/* Behind a deep container the keys of the shallow ones are known again. */
static void keys_are_known_again(void)
{
    char bytes[512];
    size_t len = 0;
    bencode_reader reader;
    bencode_token t, last = {0};

    len += (size_t)sprintf(bytes, "d1:a");
    memset(bytes + len, 'l', 100);
    memset(bytes + len + 100, 'e', 100);
    len += 200;
    len += (size_t)sprintf(bytes + len, "1:b0:e");
    bencode_reader_init(&reader, bytes, len);
    while (bencode_next(&reader, &t) == BENCODE_OK) {
        if (t.type == BENCODE_STRING && (t.flags & BENCODE_KEY) != 0) {
            last = t;
        }
    }
    CU_ASSERT_EQUAL(last.off, 204);
    CU_ASSERT_EQUAL(reader.pos, len);
}

/* ---- the writer ---- */

static void put_all(bencode_writer *w)
{
    bencode_put_dict(w);
    bencode_put_key(w, "a");
    bencode_put_int(w, 0);
    bencode_put_key(w, "b");
    bencode_put_int(w, INT64_MIN);
    bencode_put_key(w, "c");
    bencode_put_int(w, INT64_MAX);
    bencode_put_key(w, "d");
    bencode_put_list(w);
    bencode_put_string(w, "x\0y", 3);
    bencode_put_string(w, NULL, 0);
    bencode_put_raw(w, "i-7e", 4);
    bencode_put_raw(w, NULL, 0);
    bencode_put_end(w);
    bencode_put_end(w);
}

static void writer_counts_past_its_end(void)
{
    static const char all[] = "d1:ai0e1:bi-9223372036854775808e1:ci9223372036854775807e1:dl3:x\0y0:i-7eee";
    enum { LEN = sizeof all - 1 };
    bencode_writer w;

    bencode_writer_init(&w, NULL, 0); /* a dry run */
    CU_ASSERT(bencode_writer_ok(&w));
    put_all(&w);
    CU_ASSERT_EQUAL(w.len, LEN);
    CU_ASSERT_FALSE(bencode_writer_ok(&w));
    for (size_t cap = 0; cap <= LEN + 1; cap++) {
        uint8_t *out = guard_copy(&page, all, cap); /* as much room as that, and no more */

        memset(out, 0, cap);
        bencode_writer_init(&w, out, cap);
        put_all(&w);
        CU_ASSERT_EQUAL(w.len, LEN);
        CU_ASSERT_EQUAL(bencode_writer_ok(&w), cap >= LEN);
        CU_ASSERT_EQUAL(memcmp(out, all, cap < LEN ? cap : LEN), 0);
    }
}

static void writer_does_not_wrap_around(void)
{
    bencode_writer w;

    bencode_writer_init(&w, NULL, 0);
    bencode_put_raw(&w, NULL, SIZE_MAX - 1);
    bencode_put_raw(&w, NULL, 5);
    CU_ASSERT_EQUAL(w.len, SIZE_MAX);
    CU_ASSERT_FALSE(bencode_writer_ok(&w));
}

static void lengths_of_strings(void)
{
    static const size_t lengths[] = {0, 1, 9, 10, 99, 100, 255, 256, 999, 1000, 1024};
    static uint8_t bytes[1024];
    uint8_t out[1100];

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        bencode_writer w;
        bencode_reader reader;
        bencode_token t;

        bencode_writer_init(&w, out, sizeof out);
        bencode_put_string(&w, bytes, lengths[i]);
        bencode_reader_init(&reader, out, w.len);
        CU_ASSERT_EQUAL(bencode_next(&reader, &t), BENCODE_OK);
        CU_ASSERT_EQUAL(t.type, BENCODE_STRING);
        CU_ASSERT_EQUAL(t.flags, 0);
        CU_ASSERT_EQUAL(t.body_len, lengths[i]);
        CU_ASSERT_EQUAL(t.end, w.len);
    }
}

static void integers_there_and_back(void)
{
    static const int64_t nums[] = {0, 1, -1, 9, 10, -10, 65535, INT32_MAX, INT64_MAX, INT64_MIN, INT64_MIN + 1};

    for (size_t i = 0; i < sizeof nums / sizeof nums[0]; i++) {
        uint8_t out[32];
        bencode_writer w;
        bencode_reader reader;
        bencode_token t;

        bencode_writer_init(&w, out, sizeof out);
        bencode_put_int(&w, nums[i]);
        bencode_reader_init(&reader, out, w.len);
        CU_ASSERT_EQUAL(bencode_next(&reader, &t), BENCODE_OK);
        CU_ASSERT_EQUAL(t.type, BENCODE_INT);
        CU_ASSERT_EQUAL(t.flags, 0);
        CU_ASSERT_EQUAL(t.num, nums[i]);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(tokens),
        UNIT_TEST(names),
        UNIT_TEST(every_prefix_is_cut),
        UNIT_TEST(check_says_what_the_reader_says),
        UNIT_TEST(failure_leaves_everything_as_it_was),
        UNIT_TEST(done_stays_done),
        UNIT_TEST(skip_passes_whole_values),
        UNIT_TEST(nesting_has_no_limit),
        UNIT_TEST(keys_are_known_again),
        UNIT_TEST(writer_counts_past_its_end),
        UNIT_TEST(writer_does_not_wrap_around),
        UNIT_TEST(lengths_of_strings),
        UNIT_TEST(integers_there_and_back),
    };
    int status;

    guard_init(&page, 1u << 16);
    status = UNIT_RUN("bencode", tests);
    guard_free(&page);
    return status;
}
