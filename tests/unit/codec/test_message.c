/* test_message: the tables of keys and queries, and what can be asked of a decoded message. What each message decodes
 * to is in tests/vectors.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/message.h>

#include "unit.h"

#define PING                                                                                                           \
    "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:v4:LT\x02\x0b"                                                 \
    "1:y1:qe"

static void decode(krpc_message *m, const char *text)
{
    krpc_message_decode(m, (const uint8_t *)text, strlen(text), strlen(text), NULL);
}

/* ---- tables ---- */

static void fields_are_in_order(void)
{
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        const krpc_field_info *info = krpc_field_get(f);
        const krpc_field_info *before = f > 0 ? krpc_field_get(f - 1) : NULL;

        CU_ASSERT_PTR_NOT_NULL_FATAL(info);
        CU_ASSERT(strlen(info->key) > 0 && strlen(info->filter) > 0 && strlen(info->title) > 0);
        CU_ASSERT(strlen(info->bep) > 0 && strlen(info->meaning) > 0);
        CU_ASSERT(info->min <= info->max);
        CU_ASSERT(
            before == NULL || before->scope < info->scope ||
            (before->scope == info->scope && (info->scope == KRPC_SCOPE_E || strcmp(before->key, info->key) < 0)));
        if (info->scope != KRPC_SCOPE_E) {
            CU_ASSERT_EQUAL(krpc_field_find(info->scope, info->key, strlen(info->key)), f);
        }
        for (krpc_field other = 0; other < f; other++) {
            const krpc_field_info *o = krpc_field_get(other);

            CU_ASSERT(o->scope != info->scope || strcmp(o->filter, info->filter) != 0);
            CU_ASSERT(strcmp(o->filter, info->filter) != 0 || o->kind == info->kind);
        }
    }
    CU_ASSERT_PTR_NULL(krpc_field_get(KRPC_NUM_FIELDS));
    CU_ASSERT_PTR_NULL(krpc_field_get((krpc_field)-1));
}

static void keys_of_other_scopes_are_unknown(void)
{
    static const struct {
        krpc_scope scope;
        const char *key;
        size_t len;
        krpc_field field;
    } cases[] = {
        {KRPC_SCOPE_TOP, "p", 1, KRPC_P},
        {KRPC_SCOPE_R, "p", 1, KRPC_R_P},
        {KRPC_SCOPE_A, "p", 1, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_TOP, "v", 1, KRPC_V},
        {KRPC_SCOPE_A, "v", 1, KRPC_A_V},
        {KRPC_SCOPE_R, "v", 1, KRPC_R_V},
        {KRPC_SCOPE_A, "implied_port", 12, KRPC_A_IMPLIED_PORT},
        {KRPC_SCOPE_A, "implied_porT", 12, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_A, "implied_", 8, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_A, "implied_port0", 13, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_R, "nodes", 5, KRPC_R_NODES},
        {KRPC_SCOPE_R, "nodes6", 6, KRPC_R_NODES6},
        {KRPC_SCOPE_R, "nodes\0", 6, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_R, "Nodes", 5, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_TOP, "", 0, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_TOP, "a\0", 2, KRPC_NUM_FIELDS},
        {KRPC_SCOPE_E, "code", 4, KRPC_NUM_FIELDS},
        {KRPC_NUM_SCOPES, "a", 1, KRPC_NUM_FIELDS},
    };
    guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *key = guard_copy(&g, cases[i].key, cases[i].len);

        CU_ASSERT_EQUAL(krpc_field_find(cases[i].scope, key, cases[i].len), cases[i].field);
    }
    guard_free(&g);
}

static void methods_have_names(void)
{
    for (krpc_method method = KRPC_METHOD_NONE + 1; method < KRPC_METHOD_UNKNOWN; method++) {
        const krpc_method_info *info = krpc_method_get(method);
        unsigned n = 0;

        CU_ASSERT_STRING_EQUAL(krpc_method_name(method), info->name);
        CU_ASSERT_EQUAL(krpc_method_find(info->name, strlen(info->name)), method);
        CU_ASSERT_EQUAL(krpc_method_find(info->name, strlen(info->name) - 1), KRPC_METHOD_UNKNOWN);
        for (; info->required[n] != 0; n++) {
            CU_ASSERT_EQUAL(krpc_field_get((krpc_field)info->required[n])->scope, KRPC_SCOPE_A);
        }
        CU_ASSERT(n < KRPC_METHOD_FIELDS);
    }
    CU_ASSERT_PTR_NULL(krpc_method_get(KRPC_NUM_METHODS));
    CU_ASSERT_EQUAL(krpc_method_find("", 0), KRPC_METHOD_UNKNOWN);
    CU_ASSERT_EQUAL(krpc_method_find("unknown", 7), KRPC_METHOD_UNKNOWN);
    CU_ASSERT_EQUAL(krpc_method_find("PING", 4), KRPC_METHOD_UNKNOWN);
    CU_ASSERT_STRING_EQUAL(krpc_method_name(KRPC_METHOD_NONE), "");
    CU_ASSERT_STRING_EQUAL(krpc_method_name(KRPC_METHOD_UNKNOWN), "unknown");
    CU_ASSERT_STRING_EQUAL(krpc_method_name(KRPC_NUM_METHODS), "?");
}

static void types_and_error_codes_have_names(void)
{
    static const int64_t codes[] = {201, 202, 203, 204, 205, 206, 207, 301, 302};

    CU_ASSERT_STRING_EQUAL(krpc_type_name(KRPC_TYPE_UNKNOWN), "unknown");
    CU_ASSERT_STRING_EQUAL(krpc_type_name(KRPC_QUERY), "query");
    CU_ASSERT_STRING_EQUAL(krpc_type_name(KRPC_RESPONSE), "response");
    CU_ASSERT_STRING_EQUAL(krpc_type_name(KRPC_ERROR), "error");
    CU_ASSERT_STRING_EQUAL(krpc_type_name((krpc_type)(KRPC_ERROR + 1)), "?");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        CU_ASSERT_PTR_NOT_NULL(krpc_error_text(codes[i]));
    }
    CU_ASSERT_PTR_NULL(krpc_error_text(200));
    CU_ASSERT_PTR_NULL(krpc_error_text(208));
    CU_ASSERT_PTR_NULL(krpc_error_text(303));
    CU_ASSERT_PTR_NULL(krpc_error_text(INT64_MAX));
}

/* ---- questions ---- */

static void id_and_target(void)
{
    static const struct {
        const char *text;
        const char *id;
        const char *target;
    } cases[] = {
        {PING, "abcdefghij0123456789", NULL},
        {"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", "mnopqrstuvwxyz123456", NULL},
        /* a message with both bodies: the one of its type */
        {"d1:ad2:id20:abcdefghij0123456789e1:rd2:id20:mnopqrstuvwxyz123456e1:y1:qe", "abcdefghij0123456789", NULL},
        {"d1:ad2:id20:abcdefghij0123456789e1:rd2:id20:mnopqrstuvwxyz123456e1:y1:re", "mnopqrstuvwxyz123456", NULL},
        {"d1:ad2:id20:abcdefghij0123456789e1:y1:re", "abcdefghij0123456789", NULL},
        {"d1:ad2:id19:abcdefghij012345678e1:y1:qe", NULL, NULL},
        {"d1:adeee", NULL, NULL},
        {"d1:ad6:target20:mnopqrstuvwxyz123456ee", NULL, "mnopqrstuvwxyz123456"},
        {"d1:ad9:info_hash20:mnopqrstuvwxyz123456ee", NULL, "mnopqrstuvwxyz123456"},
        {"d1:ad9:info_hash20:mnopqrstuvwxyz1234566:target20:abcdefghij0123456789ee", NULL, "abcdefghij0123456789"},
        {"d1:ad9:info_hash20:mnopqrstuvwxyz1234566:target2:abee", NULL, "mnopqrstuvwxyz123456"},
        {"d1:ad6:targeti5eee", NULL, NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = (const uint8_t *)cases[i].text;
        const uint8_t *id, *target;
        krpc_message m;

        decode(&m, cases[i].text);
        id = krpc_message_id(&m, data);
        target = krpc_message_target(&m, data);
        CU_ASSERT_EQUAL(id != NULL, cases[i].id != NULL);
        CU_ASSERT_EQUAL(target != NULL, cases[i].target != NULL);
        CU_ASSERT(id == NULL || cases[i].id == NULL || memcmp(id, cases[i].id, 20) == 0);
        CU_ASSERT(target == NULL || cases[i].target == NULL || memcmp(target, cases[i].target, 20) == 0);
    }
}

static void seen_endpoint(void)
{
    krpc_endpoint ip;
    krpc_message m;
    char text[KRPC_ENDPOINT_TEXT];
    static const char v4[] = "d2:ip6:\x7c\xa8\xb4\x08\xf5|1:y1:re";
    static const char without_port[] = "d2:ip4:\x7c\xa8\xb4\x08"
                                       "1:y1:re";

    decode(&m, v4);
    CU_ASSERT_TRUE_FATAL(krpc_message_ip(&ip, &m, (const uint8_t *)v4));
    CU_ASSERT_STRING_EQUAL(krpc_endpoint_text(text, &ip), "124.168.180.8:62844");
    decode(&m, without_port);
    CU_ASSERT_FALSE(krpc_message_ip(&ip, &m, (const uint8_t *)without_port));
    decode(&m, PING);
    CU_ASSERT_FALSE(krpc_message_ip(&ip, &m, (const uint8_t *)PING));
}

static void lists(void)
{
    static const char text[] = "d1:ad4:wantl2:n4i6el1:xed1:y0:e2:n6ee1:rd5:nodes3:abc6:valuesleee";
    static const bencode_type types[] = {BENCODE_STRING, BENCODE_INT, BENCODE_LIST, BENCODE_DICT, BENCODE_STRING};
    static const uint32_t offs[] = {12, 16, 19, 24, 31};
    static const uint32_t ends[] = {16, 19, 24, 31, 35};
    const uint8_t *data = (const uint8_t *)text;
    krpc_message m;
    krpc_list list;
    bencode_token item;
    size_t n = 0;

    decode(&m, text);
    CU_ASSERT_EQUAL_FATAL(m.status, BENCODE_DONE);
    CU_ASSERT_EQUAL(m.value[KRPC_A_WANT].num, 5);
    krpc_list_init(&list, &m, data, KRPC_A_WANT);
    while (krpc_list_next(&list, &item)) {
        CU_ASSERT_FATAL(n < 5);
        CU_ASSERT_EQUAL(item.type, types[n]);
        CU_ASSERT_EQUAL(item.off, offs[n]);
        CU_ASSERT_EQUAL(item.end, ends[n]);
        n++;
    }
    CU_ASSERT_EQUAL(n, 5);
    CU_ASSERT_FALSE(krpc_list_next(&list, &item));

    krpc_list_init(&list, &m, data, KRPC_R_NODES); /* a string: the one item */
    CU_ASSERT_TRUE(krpc_list_next(&list, &item));
    CU_ASSERT_EQUAL(item.body_len, 3);
    CU_ASSERT_FALSE(krpc_list_next(&list, &item));
    krpc_list_init(&list, &m, data, KRPC_R_VALUES); /* empty */
    CU_ASSERT_FALSE(krpc_list_next(&list, &item));
    krpc_list_init(&list, &m, data, KRPC_R_NODES2); /* absent */
    CU_ASSERT_FALSE(krpc_list_next(&list, &item));
}

static void unknown_keys(void)
{
    static const char text[] = "d2:AAi1e1:ad1:bd1:xle1:y0:e2:id20:abcdefghij01234567892:zzlee1:y1:q1:z3:abce";
    static const struct {
        krpc_scope scope;
        const char *key;
        const char *value;
    } expected[] = {{KRPC_SCOPE_TOP, "AA", "i1e"},
                    {KRPC_SCOPE_TOP, "z", "3:abc"},
                    {KRPC_SCOPE_A, "b", "d1:xle1:y0:e"},
                    {KRPC_SCOPE_A, "zz", "le"}};
    const uint8_t *data = (const uint8_t *)text;
    krpc_message m;
    size_t n = 0;

    decode(&m, text);
    CU_ASSERT_EQUAL_FATAL(m.status, BENCODE_DONE);
    CU_ASSERT_EQUAL(m.num_unknown[KRPC_SCOPE_TOP], 2);
    CU_ASSERT_EQUAL(m.num_unknown[KRPC_SCOPE_A], 2);
    CU_ASSERT_EQUAL(m.num_unknown[KRPC_SCOPE_R], 0);
    for (krpc_scope scope = KRPC_SCOPE_TOP; scope <= KRPC_SCOPE_R; scope++) {
        krpc_unknown walk;
        krpc_span key, value;

        krpc_unknown_init(&walk, &m, data, scope);
        while (krpc_unknown_next(&walk, &key, &value)) {
            CU_ASSERT_FATAL(n < 4);
            CU_ASSERT_EQUAL(scope, expected[n].scope);
            CU_ASSERT_EQUAL(key.len, strlen(expected[n].key));
            CU_ASSERT_EQUAL(memcmp(text + key.off, expected[n].key, key.len), 0);
            CU_ASSERT_EQUAL(value.len, strlen(expected[n].value));
            CU_ASSERT_EQUAL(memcmp(text + value.off, expected[n].value, value.len), 0);
            n++;
        }
        CU_ASSERT_FALSE(krpc_unknown_next(&walk, &key, &value));
    }
    CU_ASSERT_EQUAL(n, 4);
}

/* A key that is no string is given whole, whatever it is. */
static void keys_that_are_no_strings(void)
{
    static const char text[] = "d1:ad2:id20:abcdefghij0123456789i5e1:xl1:ze1:yee";
    static const char *const keys[] = {"i5e", "l1:ze"};
    krpc_message m;
    krpc_unknown walk;
    krpc_span key, value;
    size_t n = 0;

    decode(&m, text);
    CU_ASSERT_EQUAL_FATAL(m.status, BENCODE_DONE);
    krpc_unknown_init(&walk, &m, (const uint8_t *)text, KRPC_SCOPE_A);
    while (krpc_unknown_next(&walk, &key, &value)) {
        CU_ASSERT_FATAL(n < 2);
        CU_ASSERT_EQUAL(key.len, strlen(keys[n]));
        CU_ASSERT_EQUAL(memcmp(text + key.off, keys[n], strlen(keys[n])), 0);
        CU_ASSERT_EQUAL(value.len, 3);
        n++;
    }
    CU_ASSERT_EQUAL(n, 2);
}

static void very_many_unknown_keys(void)
{
    enum { KEYS = 70000, KEY_LEN = 9 };
    uint8_t *text = malloc(KEYS * KEY_LEN + 3);
    size_t len = 0, n = 0;
    krpc_message m;
    krpc_unknown walk;
    krpc_span key, value;

    text[len++] = 'd';
    for (int i = 0; i < KEYS; i++) {
        len += (size_t)sprintf((char *)text + len, "5:%05d0:", i);
    }
    text[len++] = 'e';
    krpc_message_decode(&m, text, len, len, NULL);
    CU_ASSERT_EQUAL(m.status, BENCODE_DONE);
    CU_ASSERT_EQUAL(m.num_unknown[KRPC_SCOPE_TOP], UINT16_MAX); /* saturated */
    krpc_unknown_init(&walk, &m, text, KRPC_SCOPE_TOP);
    while (krpc_unknown_next(&walk, &key, &value)) {
        n++;
    }
    CU_ASSERT_EQUAL(n, KEYS); /* but all of them can be walked */
    CU_ASSERT_EQUAL(krpc_message_encode(NULL, 0, &m, text), len);
    free(text);
}

static void bodies(void)
{
    krpc_message m;

    decode(&m, PING);
    CU_ASSERT_EQUAL(m.len, strlen(PING));
    CU_ASSERT_EQUAL(m.body[KRPC_SCOPE_TOP].off, 1);
    CU_ASSERT_EQUAL(m.body[KRPC_SCOPE_TOP].len, strlen(PING) - 2);
    CU_ASSERT_EQUAL(m.body[KRPC_SCOPE_A].off, 5);
    CU_ASSERT_EQUAL(m.body[KRPC_SCOPE_A].len, 27);
    CU_ASSERT_EQUAL(m.body[KRPC_SCOPE_R].len, 0);
    CU_ASSERT_EQUAL(m.value[KRPC_A].off, 4);
    CU_ASSERT_EQUAL(m.value[KRPC_A].len, 29);
    CU_ASSERT_EQUAL(m.value[KRPC_A].key_off, 1);
    CU_ASSERT_EQUAL(m.value[KRPC_A_ID].key_off, 5);
    CU_ASSERT_EQUAL(m.value[KRPC_Q].key_off, 33);
}

static void count_one(void *ctx, const krpc_finding *finding)
{
    uint32_t *num = (uint32_t *)ctx;

    num[finding->rule]++;
}

/* A string of many entries holds whole ones: every other length is a finding. */
static void whole_entries(void)
{
    static const struct {
        const char *key;
        uint32_t size;
        krpc_rule rule;
    } kinds[] = {{"5:nodes", 26, KRPC_RULE_KRPC_NODES_REMAINDER},
                 {"6:nodes6", 38, KRPC_RULE_KRPC_NODES_REMAINDER},
                 {"7:samples", 20, KRPC_RULE_BEP51_REMAINDER}};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (uint32_t len = 0; len < 1100; len++) {
            static char text[1200];
            uint32_t found[KRPC_NUM_RULES] = {0};
            krpc_sink sink = {count_one, found};
            krpc_message m;
            size_t size = (size_t)snprintf(text, sizeof text, "d1:rd%s%u:%*see", kinds[i].key, len, (int)len, "");

            krpc_message_decode(&m, (const uint8_t *)text, size, size, &sink);
            CU_ASSERT_EQUAL(m.status, BENCODE_DONE);
            CU_ASSERT_EQUAL(found[kinds[i].rule], len % kinds[i].size != 0);
        }
    }
}

#define BIT(SYMBOL) (UINT64_C(1) << (SYMBOL)) /* of a field in the first word of a set */

/* An id that begins a body and a y that ends a message are as good as others, and no better. */
static void first_and_last_keys(void)
{
#define ID_ENTRY "2:id20:abcdefghij0123456789"
#define CUT_ID   "2:id20:abcdefghij012345678"
    static const struct {
        const char *text;
        krpc_type type;
        uint64_t present;
        uint16_t num_unknown; /* in a */
        bool canonical;
    } cases[] = {
        {"d1:ad" ID_ENTRY "e1:y1:qe", KRPC_QUERY, BIT(KRPC_A) | BIT(KRPC_A_ID) | BIT(KRPC_Y), 0, true},
        {"d1:rd" ID_ENTRY "e1:y1:re", KRPC_RESPONSE, BIT(KRPC_R) | BIT(KRPC_R_ID) | BIT(KRPC_Y), 0, true},
        {"d1:rd" ID_ENTRY "e1:y1:ee", KRPC_ERROR, BIT(KRPC_R) | BIT(KRPC_R_ID) | BIT(KRPC_Y), 0, true},
        {"d1:ad" ID_ENTRY ID_ENTRY "e1:y1:qe", KRPC_QUERY, BIT(KRPC_A) | BIT(KRPC_A_ID) | BIT(KRPC_Y), 0, false},
        {"d1:ad1:k1:x" ID_ENTRY "e1:y1:qe", KRPC_QUERY, BIT(KRPC_A) | BIT(KRPC_A_ID) | BIT(KRPC_A_K) | BIT(KRPC_Y), 0,
         false},
        {"d1:ad" CUT_ID, KRPC_TYPE_UNKNOWN, BIT(KRPC_A), 0, false},
        {"d1:ad1:y1:qe", KRPC_TYPE_UNKNOWN, BIT(KRPC_A), 1, false}, /* the end of a, not of the message */
        {"d1:y1:q1:t2:aa1:y1:re", KRPC_QUERY, BIT(KRPC_T) | BIT(KRPC_Y), 0, false},
        {"d1:yi1e1:t2:aa1:y1:re", KRPC_TYPE_UNKNOWN, BIT(KRPC_T), 0, false},
        {"d1:z1:x1:y1:re", KRPC_RESPONSE, BIT(KRPC_Y), 0, false},
        {"d1:y1:rX", KRPC_RESPONSE, BIT(KRPC_Y), 0, false},
        {"d1:y2:ree", KRPC_TYPE_UNKNOWN, BIT(KRPC_Y), 0, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        krpc_message m;

        decode(&m, cases[i].text);
        CU_ASSERT_EQUAL(m.type, cases[i].type);
        CU_ASSERT_EQUAL(m.present.words[0], cases[i].present);
        CU_ASSERT_EQUAL(m.num_unknown[KRPC_SCOPE_A], cases[i].num_unknown);
        CU_ASSERT_EQUAL(m.canonical, cases[i].canonical);
        if (krpc_has(&m, KRPC_A_ID)) {
            CU_ASSERT_EQUAL(m.value[KRPC_A_ID].key_off + 7, m.value[KRPC_A_ID].off);
            CU_ASSERT_EQUAL(m.value[KRPC_A_ID].len, 20);
        }
        if (krpc_has(&m, KRPC_Y)) {
            CU_ASSERT_EQUAL(m.value[KRPC_Y].off, m.value[KRPC_Y].key_off + 5);
            CU_ASSERT_EQUAL(memcmp(cases[i].text + m.value[KRPC_Y].key_off, "1:y", 3), 0);
        }
    }
}

/* A message is a value: a copy is as good, and the same bytes elsewhere too. */
static void a_message_is_a_value(void)
{
    uint8_t bytes[sizeof PING];
    krpc_message m, copy;

    decode(&m, PING);
    copy = m;
    memset(&m, 0xa5, sizeof m);
    memcpy(bytes, PING, sizeof PING);
    CU_ASSERT_EQUAL(memcmp(krpc_message_id(&copy, bytes), "abcdefghij0123456789", 20), 0);
    CU_ASSERT_EQUAL(copy.method, KRPC_METHOD_PING);
}

/* ---- the stack ---- */

static uintptr_t lowest;

static void measure(void *ctx, const krpc_finding *finding)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    (void)ctx;
    (void)finding;
    lowest = here < lowest ? here : lowest;
}

/* The lowest address of the stack at which a finding is told; one is in the innermost of so many containers. */
static uintptr_t stack_of(const char *open, size_t levels)
{
    size_t size = strlen(open);
    uint8_t *text = malloc(levels * (size + 1) + 5);
    krpc_sink sink = {measure, NULL};
    size_t len = 0;
    krpc_message m;

    for (size_t i = 0; i < levels; i++, len += size) {
        memcpy(text + len, open, size);
    }
    memcpy(text + len, "i01e", 4);
    len += 4;
    memset(text + len, 'e', levels);
    len += levels;
    lowest = UINTPTR_MAX;
    krpc_message_decode(&m, text, len, len, &sink);
    krpc_message_check(&m, text, &sink);
    krpc_message_encode(NULL, 0, &m, text);
    free(text);
    return lowest;
}

/* However deep a message is nested, decoding it takes no more stack: what lies inside its own two levels is one
 * loop. */
static void depth_takes_no_stack(void)
{
    static const char *const opens[] = {"d1:a", "d1:r", "d1:al", "d1:v", "d1:zl", "d1:ad1:v"};

    for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++) {
        uintptr_t few = stack_of(opens[i], 8);
        uintptr_t many = stack_of(opens[i], 100000);

        CU_ASSERT_NOT_EQUAL(few, UINTPTR_MAX);
        CU_ASSERT_EQUAL(many, few);
    }
}

/* Nothing of an earlier message is left, and nothing behind the end is looked at. */
static void memory_around_does_not_matter(void)
{
    static const char tail[] = "1:zi5ee";
    uint8_t bytes[256];
    size_t len = strlen(PING) - 1; /* cut: only what follows could complete it */
    krpc_message m, again;

    memset(&m, 0xff, sizeof m);
    memcpy(bytes, PING, len);
    memcpy(bytes + len, tail, sizeof tail);
    krpc_message_decode(&m, bytes, len, len, NULL);
    memset(bytes + len, 'e', sizeof tail);
    memset(&again, 0, sizeof again);
    krpc_message_decode(&again, bytes, len, len, NULL);
    CU_ASSERT_EQUAL(m.status, BENCODE_CUT);
    CU_ASSERT_EQUAL(again.status, BENCODE_CUT);
    CU_ASSERT_EQUAL(memcmp(&m.present, &again.present, sizeof m.present), 0);
    CU_ASSERT_EQUAL(memcmp(&m.wrong, &again.wrong, sizeof m.wrong), 0);
    CU_ASSERT_EQUAL(m.len, again.len);
    CU_ASSERT_EQUAL(m.type, again.type);
    CU_ASSERT_EQUAL(memcmp(m.body, again.body, sizeof m.body), 0);
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        const krpc_value *v = &m.value[f];
        const krpc_value *w = &again.value[f];

        CU_ASSERT(!krpc_has(&m, f) || (v->key_off == w->key_off && v->off == w->off && v->len == w->len &&
                                       v->type == w->type && v->flags == w->flags && v->num == w->num));
    }
}

typedef struct counter {
    unsigned num;
    krpc_finding last;
} counter;

static void count(void *ctx, const krpc_finding *finding)
{
    counter *c = (counter *)ctx;

    c->num++;
    c->last = *finding;
}

static void a_sink_may_be_absent(void)
{
    static const char text[] = "d1:zi1e1:ai2ee";
    counter c = {0, {KRPC_NUM_RULES, KRPC_NUM_FIELDS, 0, 0, 0, 0}};
    krpc_sink sink = {count, &c};
    krpc_sink empty = {NULL, NULL};
    krpc_message m;

    krpc_message_decode(&m, (const uint8_t *)text, strlen(text), strlen(text), &empty);
    krpc_message_check(&m, (const uint8_t *)text, &empty);
    krpc_message_check(&m, (const uint8_t *)text, NULL);
    krpc_message_decode(&m, (const uint8_t *)text, strlen(text), strlen(text), &sink);
    CU_ASSERT_EQUAL(c.num, 3); /* unknown key, unsorted, wrong type */
    krpc_message_check(&m, (const uint8_t *)text, &sink);
    CU_ASSERT(c.num > 3);
}

/* What is missing may be in the part that was lost: of a cut message only what is there is judged. */
static void nothing_is_missing_from_a_cut_message(void)
{
    static const char text[] = "d1:ad2:id20:abcdefghij01234567894:porti0ee1:pi0e1:q13:announce_peer1:t";
    counter c = {0, {KRPC_NUM_RULES, KRPC_NUM_FIELDS, 0, 0, 0, 0}};
    krpc_sink sink = {count, &c};
    krpc_message m;

    decode(&m, text);
    CU_ASSERT_EQUAL(m.status, BENCODE_CUT);
    krpc_message_check(&m, (const uint8_t *)text, &sink);
    CU_ASSERT_EQUAL(c.num, 1);
    CU_ASSERT_EQUAL(c.last.rule, KRPC_RULE_PORT_INVALID);
    CU_ASSERT_EQUAL(c.last.off, m.value[KRPC_P].off);
}

static void what_is_dht(void)
{
    static const struct {
        const char *text;
        krpc_probe probe;
    } cases[] = {
        {PING, KRPC_PROBE_YES},
        {"d1:eli201e1:xe1:t2:aa1:y1:ee", KRPC_PROBE_YES},
        {"d1:e1:x1:t2:aa1:y1:ee", KRPC_PROBE_YES},
        {"d1:c20:mnopqrstuvwxyz1234561:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", KRPC_PROBE_YES},
        {"d1:t2:aa1:q4:ping1:y1:q1:ad2:id20:abcdefghij0123456789ee", KRPC_PROBE_YES},
        /* enough of one that nothing else looks so */
        {"d1:ad2:id20:abcdefghij0123456789e1:q4:pi", KRPC_PROBE_YES},
        {"d1:ad2:id20:abcdefghij01234", KRPC_PROBE_YES},
        {"d1:rd2:id20:mnopqrstuvwxyz123456", KRPC_PROBE_YES},
        {"d1:eli203e1:xe1:t", KRPC_PROBE_YES},
        {"d1:eli203e", KRPC_PROBE_NO}, /* cut inside the list */
        {"d2:ip6:abcdef1:rd2:id20:mnopqrstuvwxyz12345", KRPC_PROBE_YES},
        /* perhaps */
        {"de", KRPC_PROBE_MAYBE},
        {"d1:t2:aae", KRPC_PROBE_MAYBE},
        {"d1:y1:qe", KRPC_PROBE_MAYBE},
        {"d1:q4:ping1:t2:aa1:y1:qe", KRPC_PROBE_MAYBE},
        {"d1:adee", KRPC_PROBE_MAYBE},
        {"d1:ali1eee", KRPC_PROBE_NO}, /* an a that is a list is nothing */
        /* something else */
        {"", KRPC_PROBE_NO},
        {"d", KRPC_PROBE_NO},
        {"le", KRPC_PROBE_NO},
        {"i5e", KRPC_PROBE_NO},
        {"d8:intervali1800e5:peers0:e", KRPC_PROBE_NO},
        {"d7:network", KRPC_PROBE_NO},
        {"date: today", KRPC_PROBE_NO},
        {"GET / HTTP/1.1\r\n", KRPC_PROBE_NO},
        {"\x41\x02", KRPC_PROBE_NO},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        krpc_message m;
        krpc_probe got;

        decode(&m, cases[i].text);
        got = krpc_message_probe(&m, (const uint8_t *)cases[i].text);
        if (got != cases[i].probe) {
            CU_FAIL("another answer");
            fprintf(stderr, "\n%s: %d instead of %d\n", cases[i].text, (int)got, (int)cases[i].probe);
        }
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(fields_are_in_order),
        UNIT_TEST(keys_of_other_scopes_are_unknown),
        UNIT_TEST(methods_have_names),
        UNIT_TEST(types_and_error_codes_have_names),
        UNIT_TEST(id_and_target),
        UNIT_TEST(seen_endpoint),
        UNIT_TEST(lists),
        UNIT_TEST(unknown_keys),
        UNIT_TEST(keys_that_are_no_strings),
        UNIT_TEST(very_many_unknown_keys),
        UNIT_TEST(bodies),
        UNIT_TEST(whole_entries),
        UNIT_TEST(first_and_last_keys),
        UNIT_TEST(a_message_is_a_value),
        UNIT_TEST(depth_takes_no_stack),
        UNIT_TEST(memory_around_does_not_matter),
        UNIT_TEST(a_sink_may_be_absent),
        UNIT_TEST(nothing_is_missing_from_a_cut_message),
        UNIT_TEST(what_is_dht),
    };

    return UNIT_RUN("message", tests);
}
