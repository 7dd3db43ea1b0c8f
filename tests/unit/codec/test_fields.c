/* test_fields.c: the limits of every key. Every limit of fields.def is tried in a message, and a second list, made from
 * the specifications, must agree with it. A new key needs no row there.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/message.h>

#include "unit.h"

/* A key and what it may hold: a string's length or an integer's value from low to high. */
typedef struct border {
    krpc_scope scope;
    const char *key;
    krpc_kind kind;
    int64_t low;
    int64_t high;
} border;

static const border specified[] = {
    {KRPC_SCOPE_TOP, "a", KRPC_KIND_DICT, 0, 0},
    {KRPC_SCOPE_TOP, "c", KRPC_KIND_BYTES, 20, 20}, /* BEP 50 */
    {KRPC_SCOPE_TOP, "e", KRPC_KIND_ERROR, 0, 0},
    {KRPC_SCOPE_TOP, "id", KRPC_KIND_BYTES, 20, 20},
    {KRPC_SCOPE_TOP, "ip", KRPC_KIND_ENDPOINT, 6, 18}, /* BEP 42 */
    {KRPC_SCOPE_TOP, "p", KRPC_KIND_PORT, 1, 65535},
    {KRPC_SCOPE_TOP, "q", KRPC_KIND_METHOD, 0, 65535},
    {KRPC_SCOPE_TOP, "r", KRPC_KIND_DICT, 0, 0},
    {KRPC_SCOPE_TOP, "ro", KRPC_KIND_FLAG, 0, 1}, /* BEP 43 */
    {KRPC_SCOPE_TOP, "t", KRPC_KIND_BYTES, 0, 65535},
    {KRPC_SCOPE_TOP, "v", KRPC_KIND_VERSION, 0, 65535},
    {KRPC_SCOPE_TOP, "y", KRPC_KIND_TYPE, 0, 65535},
    {KRPC_SCOPE_A, "bs", KRPC_KIND_FLAG, 0, 1},                 /* libtorrent */
    {KRPC_SCOPE_A, "cas", KRPC_KIND_INT, INT64_MIN, INT64_MAX}, /* BEP 44 */
    {KRPC_SCOPE_A, "id", KRPC_KIND_BYTES, 20, 20},              /* BEP 5 */
    {KRPC_SCOPE_A, "implied_port", KRPC_KIND_FLAG, 0, 1},
    {KRPC_SCOPE_A, "info_hash", KRPC_KIND_BYTES, 20, 20},
    {KRPC_SCOPE_A, "ip", KRPC_KIND_ENDPOINT, 6, 6}, /* uTorrent's punch knows IPv4 alone */
    {KRPC_SCOPE_A, "k", KRPC_KIND_BYTES, 32, 32},
    {KRPC_SCOPE_A, "n", KRPC_KIND_TEXT, 0, 100}, /* libtorrent cuts longer names */
    {KRPC_SCOPE_A, "name", KRPC_KIND_TEXT, 0, 1000},
    {KRPC_SCOPE_A, "noseed", KRPC_KIND_FLAG, 0, 1}, /* BEP 33 */
    {KRPC_SCOPE_A, "port", KRPC_KIND_PORT, 1, 65535},
    {KRPC_SCOPE_A, "ro", KRPC_KIND_FLAG, 0, 1},
    {KRPC_SCOPE_A, "salt", KRPC_KIND_BYTES, 0, 64},
    {KRPC_SCOPE_A, "scrape", KRPC_KIND_FLAG, 0, 1},
    {KRPC_SCOPE_A, "seed", KRPC_KIND_FLAG, 0, 1},
    {KRPC_SCOPE_A, "seq", KRPC_KIND_INT, 0, INT64_MAX},
    {KRPC_SCOPE_A, "sig", KRPC_KIND_BYTES, 64, 64},
    {KRPC_SCOPE_A, "t", KRPC_KIND_INT, INT64_MIN, INT64_MAX}, /* pubky/mainline */
    {KRPC_SCOPE_A, "target", KRPC_KIND_BYTES, 20, 20},
    {KRPC_SCOPE_A, "token", KRPC_KIND_BYTES, 1, 128},
    {KRPC_SCOPE_A, "v", KRPC_KIND_ANY, 1, 1000},
    {KRPC_SCOPE_A, "vote", KRPC_KIND_INT, 0, 5}, /* uTorrent */
    {KRPC_SCOPE_A, "want", KRPC_KIND_TEXTS, 0, 0},
    {KRPC_SCOPE_R, "BFpe", KRPC_KIND_BLOOM, 256, 256},
    {KRPC_SCOPE_R, "BFsd", KRPC_KIND_BLOOM, 256, 256},
    {KRPC_SCOPE_R, "BFse", KRPC_KIND_BLOOM, 256, 256},
    {KRPC_SCOPE_R, "id", KRPC_KIND_BYTES, 20, 20},
    {KRPC_SCOPE_R, "interval", KRPC_KIND_INT, 0, 21600}, /* BEP 51: six hours */
    {KRPC_SCOPE_R, "ip", KRPC_KIND_ENDPOINT, 4, 18},
    {KRPC_SCOPE_R, "k", KRPC_KIND_BYTES, 32, 32},
    {KRPC_SCOPE_R, "n", KRPC_KIND_TEXT, 0, 100},
    {KRPC_SCOPE_R, "nodes", KRPC_KIND_NODES, 0, 65535},
    {KRPC_SCOPE_R, "nodes2", KRPC_KIND_NODE_LIST, 0, 0},
    {KRPC_SCOPE_R, "nodes6", KRPC_KIND_NODES6, 0, 65535},
    {KRPC_SCOPE_R, "num", KRPC_KIND_INT, 0, INT64_MAX},
    {KRPC_SCOPE_R, "p", KRPC_KIND_PORT, 1, 65535},
    {KRPC_SCOPE_R, "peers", KRPC_KIND_TEXTS, 0, 0}, /* pubky/mainline */
    {KRPC_SCOPE_R, "samples", KRPC_KIND_HASHES, 0, 65535},
    {KRPC_SCOPE_R, "seq", KRPC_KIND_INT, 0, INT64_MAX},
    {KRPC_SCOPE_R, "sig", KRPC_KIND_BYTES, 64, 64},
    {KRPC_SCOPE_R, "token", KRPC_KIND_BYTES, 1, 128},
    {KRPC_SCOPE_R, "v", KRPC_KIND_ANY, 1, 1000},
    {KRPC_SCOPE_R, "values", KRPC_KIND_PEERS, 0, 0},
    {KRPC_SCOPE_E, "code", KRPC_KIND_INT, 201, 302},
    {KRPC_SCOPE_E, "message", KRPC_KIND_TEXT, 0, 1000},
};

#define NUM_SPECIFIED (sizeof specified / sizeof specified[0])
#define NUM_BORDERS   KRPC_NUM_FIELDS

/* Those of fields.def. */
static border borders[NUM_BORDERS];

static void borders_init(void)
{
    for (unsigned f = 0; f < NUM_BORDERS; f++) {
        const krpc_field_info *info = krpc_field_get((krpc_field)f);

        borders[f] = (border){info->scope, info->key, info->kind, info->min, info->max};
    }
}

static void the_table_has_these(void)
{
    for (size_t i = 0; i < NUM_SPECIFIED; i++) {
        const border *wanted = &specified[i];
        const border *found = NULL;

        for (unsigned f = 0; f < NUM_BORDERS; f++) {
            if (borders[f].scope == wanted->scope && strcmp(borders[f].key, wanted->key) == 0) {
                found = &borders[f];
            }
        }
        if (found == NULL || found->kind != wanted->kind || found->low != wanted->low || found->high != wanted->high) {
            CU_FAIL(wanted->key);
        }
    }
}

/* ---- in messages ---- */

static unsigned seen[KRPC_NUM_RULES];

static void count(void *ctx, const krpc_finding *finding)
{
    (void)ctx;
    seen[finding->rule]++;
}

/* How often the rule is told of a message that holds nothing but this key. */
static unsigned told(krpc_rule rule, const border *b, const void *value, size_t len)
{
    static guard page;
    static uint8_t text[4096];
    krpc_sink sink = {count, NULL};
    bencode_writer w;
    krpc_message m;

    if (page.map == NULL) {
        guard_init(&page, sizeof text);
    }
    bencode_writer_init(&w, text, sizeof text);
    bencode_put_dict(&w);
    if (b->scope != KRPC_SCOPE_TOP) {
        bencode_put_key(&w, b->scope == KRPC_SCOPE_A ? "a" : "r");
        bencode_put_dict(&w);
    }
    bencode_put_key(&w, b->key);
    bencode_put_raw(&w, value, len);
    if (b->scope != KRPC_SCOPE_TOP) {
        bencode_put_end(&w);
    }
    bencode_put_end(&w);
    CU_ASSERT_TRUE_FATAL(bencode_writer_ok(&w));
    memset(seen, 0, sizeof seen);
    krpc_message_decode(&m, guard_copy(&page, text, w.len), w.len, w.len, &sink);
    CU_ASSERT_EQUAL(m.status, BENCODE_DONE);
    CU_ASSERT_TRUE(krpc_has(&m, krpc_field_find(b->scope, b->key, strlen(b->key)))); /* shown, whatever is wrong */
    return seen[rule];
}

static unsigned told_of_length(krpc_rule rule, const border *b, int64_t len)
{
    static uint8_t value[2048];
    bencode_writer w;
    static uint8_t encoded[2100];

    memset(value, 'x', sizeof value);
    bencode_writer_init(&w, encoded, sizeof encoded);
    bencode_put_string(&w, value, (size_t)len);
    return told(rule, b, encoded, w.len);
}

static void lengths(void)
{
    for (size_t i = 0; i < NUM_BORDERS; i++) {
        const border *b = &borders[i];

        if (b->scope == KRPC_SCOPE_E ||
            (b->kind != KRPC_KIND_BYTES && b->kind != KRPC_KIND_TEXT && b->kind != KRPC_KIND_BLOOM)) {
            continue;
        }
        CU_ASSERT_EQUAL(told_of_length(KRPC_RULE_KRPC_WRONG_LENGTH, b, b->low), 0);
        if (b->low > 0) {
            CU_ASSERT_EQUAL(told_of_length(KRPC_RULE_KRPC_WRONG_LENGTH, b, b->low - 1), 1);
        }
        if (b->high < 2000) {
            CU_ASSERT_EQUAL(told_of_length(KRPC_RULE_KRPC_WRONG_LENGTH, b, b->high), 0);
            CU_ASSERT_EQUAL(told_of_length(KRPC_RULE_KRPC_WRONG_LENGTH, b, b->high + 1), 1);
        }
    }
}

/* An endpoint has one of two lengths, or four where it lacks its port; and what holds records holds whole ones. */
static void records(void)
{
    static const struct {
        krpc_kind kind;
        krpc_rule rule;
        int64_t size;
    } kinds[] = {{KRPC_KIND_NODES, KRPC_RULE_KRPC_NODES_REMAINDER, 26},
                 {KRPC_KIND_NODES6, KRPC_RULE_KRPC_NODES_REMAINDER, 38},
                 {KRPC_KIND_HASHES, KRPC_RULE_BEP51_REMAINDER, 20}};

    for (size_t i = 0; i < NUM_BORDERS; i++) {
        const border *b = &borders[i];

        for (int64_t len = 0; len < 120; len++) {
            if (b->kind == KRPC_KIND_ENDPOINT) {
                bool whole = len == 6 || (len == 18 && b->high == 18);
                bool address = len == 4 || len == 16;

                CU_ASSERT_EQUAL(told_of_length(KRPC_RULE_KRPC_WRONG_LENGTH, b, len), !whole && !address);
                CU_ASSERT_EQUAL(told_of_length(KRPC_RULE_KRPC_IP_WITHOUT_PORT, b, len), address);
            }
            for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
                if (b->kind == kinds[k].kind) {
                    CU_ASSERT_EQUAL(told_of_length(kinds[k].rule, b, len), len % kinds[k].size != 0);
                }
            }
        }
    }
}

static unsigned told_of_number(const border *b, int64_t num)
{
    uint8_t encoded[32];
    bencode_writer w;

    bencode_writer_init(&w, encoded, sizeof encoded);
    bencode_put_int(&w, num);
    return told(KRPC_RULE_KRPC_OUT_OF_RANGE, b, encoded, w.len);
}

static void numbers(void)
{
    for (size_t i = 0; i < NUM_BORDERS; i++) {
        const border *b = &borders[i];

        if (b->scope == KRPC_SCOPE_E || (b->kind != KRPC_KIND_INT && b->kind != KRPC_KIND_FLAG)) {
            continue;
        }
        CU_ASSERT_EQUAL(told_of_number(b, b->low), 0);
        CU_ASSERT_EQUAL(told_of_number(b, b->high), 0);
        if (b->low > INT64_MIN) {
            CU_ASSERT_EQUAL(told_of_number(b, b->low - 1), 1);
        }
        if (b->high < INT64_MAX) {
            CU_ASSERT_EQUAL(told_of_number(b, b->high + 1), 1);
        }
    }
}

/* Any value of another type than the key wants is kept apart, and is a finding. */
static void types(void)
{
    static const char *const values[] = {"1:x", "i1e", "le", "de"};

    for (size_t i = 0; i < NUM_BORDERS; i++) {
        const border *b = &borders[i];
        const krpc_kind k = b->kind;
        const bool list =
            k == KRPC_KIND_PEERS || k == KRPC_KIND_NODE_LIST || k == KRPC_KIND_TEXTS || k == KRPC_KIND_ERROR;
        const bool number = k == KRPC_KIND_INT || k == KRPC_KIND_FLAG || k == KRPC_KIND_PORT;
        const bool any = k == KRPC_KIND_ANY;
        const bool right[] = {any || (!list && !number && k != KRPC_KIND_DICT), any || number, any || list,
                              any || k == KRPC_KIND_DICT};

        for (size_t v = 0; b->scope != KRPC_SCOPE_E && v < 4; v++) {
            const char *open = b->scope == KRPC_SCOPE_A ? "d1:ad" : b->scope == KRPC_SCOPE_R ? "d1:rd" : "d";
            krpc_field field = krpc_field_find(b->scope, b->key, strlen(b->key));
            krpc_sink sink = {count, NULL};
            char text[64];
            size_t len = (size_t)snprintf(text, sizeof text, "%s%zu:%s%s%s", open, strlen(b->key), b->key, values[v],
                                          b->scope == KRPC_SCOPE_TOP ? "e" : "ee");
            bool tolerated = k == KRPC_KIND_ERROR && v == 0; /* a bare string, krpc.error-is-string */
            krpc_message m;

            memset(seen, 0, sizeof seen);
            krpc_message_decode(&m, (const uint8_t *)text, len, len, &sink);
            CU_ASSERT_EQUAL(krpc_has(&m, field), right[v]);
            CU_ASSERT_EQUAL(krpc_fields_have(&m.wrong, field), !right[v]);
            CU_ASSERT_EQUAL(seen[KRPC_RULE_KRPC_WRONG_TYPE], !right[v] && !tolerated);
            CU_ASSERT_EQUAL(seen[KRPC_RULE_KRPC_ERROR_STRING], tolerated);
        }
    }
}

/* What a query cannot do without, by its specification. */
static void arguments(void)
{
    static const struct {
        const char *query;
        const char *needs; /* key and value, divided by | */
    } queries[] = {
        {"ping", ""},
        {"find_node", "6:target20:mnopqrstuvwxyz123456"},
        {"get_peers", "9:info_hash20:mnopqrstuvwxyz123456"},
        {"announce_peer", "9:info_hash20:mnopqrstuvwxyz123456|4:porti6881e|5:token2:tt"},
        {"get", "6:target20:mnopqrstuvwxyz123456"},
        {"put", "5:token2:tt|1:v2:vv"},
        {"sample_infohashes", "6:target20:mnopqrstuvwxyz123456"},
        {"vote", "6:target20:mnopqrstuvwxyz123456|5:token2:tt|4:votei1e"},
        {"punch", "2:ip6:abcdef"},
        {"contact", "4:porti6881e"},
        {"get_signed_peers", "9:info_hash20:mnopqrstuvwxyz123456"},
        {"announce_signed_peer", "9:info_hash20:mnopqrstuvwxyz123456|1:k32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk|3:sig64:"
                                 "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss|1:ti1e|5:token2:tt"},
        {"announce_item", "6:target20:mnopqrstuvwxyz123456"},
        {"get_item", "6:target20:mnopqrstuvwxyz123456"},
    };

    CU_ASSERT_EQUAL(sizeof queries / sizeof queries[0], KRPC_METHOD_UNKNOWN - KRPC_METHOD_NONE - 1);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        size_t parts = strlen(queries[i].needs) > 0 ? 1 : 0;

        for (const char *p = queries[i].needs; *p != '\0'; p++) {
            parts += *p == '|';
        }
        for (size_t without = 0; without <= parts; without++) { /* each left out, and none */
            krpc_sink sink = {count, NULL};
            char text[512];
            size_t len = (size_t)snprintf(text, sizeof text, "d1:ad2:id20:abcdefghij0123456789");
            size_t part = 0;
            krpc_message m;

            for (const char *p = queries[i].needs; *p != '\0'; p++) {
                if (*p == '|') {
                    part++;
                } else if (part != without) {
                    text[len++] = *p;
                }
            }
            len += (size_t)snprintf(text + len, sizeof text - len, "e1:q%zu:%s1:t2:aa1:y1:qe", strlen(queries[i].query),
                                    queries[i].query);
            memset(seen, 0, sizeof seen);
            krpc_message_decode(&m, (const uint8_t *)text, len, len, &sink);
            krpc_message_check(&m, (const uint8_t *)text, &sink);
            CU_ASSERT_EQUAL(m.status, BENCODE_DONE);
            CU_ASSERT_STRING_EQUAL(krpc_method_name((krpc_method)m.method), queries[i].query);
            CU_ASSERT_EQUAL(seen[KRPC_RULE_KRPC_MISSING_ARGUMENT], without < parts);
        }
    }
}

/* What makes a response more than an id: one of these is in every good one. */
static void answers(void)
{
    static const struct {
        const char *query;
        const char *keys;
    } wanted[] = {
        {"find_node", "nodes nodes6 nodes2 "},
        {"get_peers", "nodes nodes6 nodes2 values BFpe BFsd "},
        {"get", "nodes nodes6 v "},
        {"sample_infohashes", "samples "},
        {"get_signed_peers", "nodes nodes6 peers "},
    };
    for (krpc_method method = KRPC_METHOD_NONE + 1; method < KRPC_METHOD_UNKNOWN; method++) {
        const krpc_method_info *info = krpc_method_get(method);
        const char *want = "";
        char keys[200] = "";

        for (size_t j = 0; j < sizeof wanted / sizeof wanted[0]; j++) {
            want = strcmp(wanted[j].query, info->name) == 0 ? wanted[j].keys : want;
        }
        for (unsigned i = 0; info->expected[i] != 0; i++) {
            const krpc_field_info *field = krpc_field_get((krpc_field)info->expected[i]);

            CU_ASSERT_EQUAL(field->scope, KRPC_SCOPE_R);
            strcat(strcat(keys, field->key), " ");
        }
        UNIT_TEXT(keys, want);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(the_table_has_these), UNIT_TEST(lengths), UNIT_TEST(records), UNIT_TEST(numbers), UNIT_TEST(types),
        UNIT_TEST(arguments),           UNIT_TEST(answers),
    };

    borders_init();
    return UNIT_RUN("fields", tests);
}
