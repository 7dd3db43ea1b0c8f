/* test_encode: messages out of values, and decoded messages back into bytes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/message.h>

#include "unit.h"

#define ID    "abcdefghij0123456789"
#define OTHER "mnopqrstuvwxyz123456"

static guard page;

typedef struct seen {
    unsigned num;
    uint64_t rules[2];
} seen;

static void note(void *ctx, const krpc_finding *finding)
{
    seen *s = (seen *)ctx;

    s->num++;
    s->rules[finding->rule / 64] |= UINT64_C(1) << finding->rule % 64;
}

/* What was built is exactly these bytes, has room where it has exactly that much, and is canonical. */
static void expect(const krpc_builder *b, const void *bytes, size_t len)
{
    seen s = {0, {0, 0}};
    krpc_sink sink = {note, &s};
    krpc_message m;
    uint8_t *out;

    CU_ASSERT_FALSE(b->full);
    CU_ASSERT_TRUE(b->message.canonical);
    CU_ASSERT_EQUAL(b->message.status, BENCODE_DONE);
    CU_ASSERT_EQUAL(krpc_builder_encode(b, NULL, 0), len); /* a dry run */
    for (size_t cap = 0; cap <= len; cap += cap < len && len - cap > 8 ? 8 : 1) {
        out = guard_copy(&page, bytes, cap);
        memset(out, 0, cap);
        CU_ASSERT_EQUAL(krpc_builder_encode(b, out, cap), len);
        CU_ASSERT_EQUAL(memcmp(out, bytes, cap), 0);
    }
    out = guard_copy(&page, bytes, len);
    memset(out, 0, len);
    krpc_builder_encode(b, out, len);
    if (memcmp(out, bytes, len) != 0) {
        fprintf(stderr, "\nexpected %.*s\ngot      %.*s\n", (int)len, (const char *)bytes, (int)len, (const char *)out);
    }
    krpc_message_decode(&m, out, len, len, &sink);
    CU_ASSERT_EQUAL(m.status, BENCODE_DONE);
    CU_ASSERT_TRUE(m.canonical);
    CU_ASSERT_EQUAL(m.type, b->message.type);
    CU_ASSERT_EQUAL(m.method, b->message.method);
    CU_ASSERT_EQUAL(krpc_message_probe(&m, out), KRPC_PROBE_YES);
    krpc_message_check(&m, out, &sink);
    if (s.num > 0) {
        CU_FAIL("findings about a message of our own");
        for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
            if ((s.rules[rule / 64] >> rule % 64 & 1) != 0) {
                fprintf(stderr, "\n%s\n", krpc_rule_get(rule)->slug);
            }
        }
    }
}

#define EXPECT(b, text) expect(b, text, sizeof(text) - 1)

typedef struct made {
    krpc_builder b;
    uint8_t room[2048];
} made;

static krpc_builder *begin(made *m, krpc_type type, krpc_method method)
{
    krpc_builder_init(&m->b, m->room, sizeof m->room, type, "aa", 2);
    krpc_builder_bytes(&m->b, KRPC_V, "LT\x02\x0b", 4);
    if (type == KRPC_QUERY) {
        krpc_builder_method(&m->b, method);
        krpc_builder_bytes(&m->b, KRPC_A_ID, ID, 20);
    } else if (type == KRPC_RESPONSE) {
        krpc_builder_bytes(&m->b, KRPC_R_ID, OTHER, 20);
    }
    return &m->b;
}

static void queries(void)
{
    made m;
    krpc_builder *b = begin(&m, KRPC_QUERY, KRPC_METHOD_PING);
    krpc_endpoint third;

    EXPECT(b, "d1:ad2:id20:" ID "e1:q4:ping1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_FIND_NODE);
    krpc_builder_bytes(b, KRPC_A_TARGET, OTHER, 20);
    CU_ASSERT_TRUE(krpc_builder_raw(b, KRPC_A_WANT, "l2:n42:n6e", 10));
    EXPECT(b, "d1:ad2:id20:" ID "6:target20:" OTHER "4:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_GET_PEERS); /* keys in any order */
    krpc_builder_int(b, KRPC_A_SCRAPE, 1);
    krpc_builder_int(b, KRPC_RO, 1);
    krpc_builder_int(b, KRPC_A_NOSEED, 0);
    krpc_builder_bytes(b, KRPC_A_INFO_HASH, OTHER, 20);
    EXPECT(b, "d1:ad2:id20:" ID "9:info_hash20:" OTHER "6:noseedi0e6:scrapei1ee1:q9:get_peers2:roi1e1:t2:aa"
              "1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_ANNOUNCE_PEER);
    krpc_builder_bytes(b, KRPC_A_INFO_HASH, OTHER, 20);
    krpc_builder_bytes(b, KRPC_A_TOKEN, "aoeusnth", 8);
    krpc_builder_int(b, KRPC_A_PORT, 8999);
    krpc_builder_int(b, KRPC_A_IMPLIED_PORT, 1);
    krpc_builder_int(b, KRPC_A_SEED, 1);
    krpc_builder_bytes(b, KRPC_A_N, "debian", 6);
    krpc_builder_int(b, KRPC_P, 6881);
    EXPECT(b, "d1:ad2:id20:" ID "12:implied_porti1e9:info_hash20:" OTHER "1:n6:debian4:porti8999e4:seedi1e"
              "5:token8:aoeusnthe1:pi6881e1:q13:announce_peer1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_GET);
    krpc_builder_bytes(b, KRPC_A_TARGET, OTHER, 20);
    krpc_builder_int(b, KRPC_A_SEQ, 4);
    EXPECT(b, "d1:ad2:id20:" ID "3:seqi4e6:target20:" OTHER "e1:q3:get1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_PUT); /* cas sorts before id */
    krpc_builder_bytes(b, KRPC_A_TOKEN, "tt", 2);
    krpc_builder_int(b, KRPC_A_CAS, -3);
    CU_ASSERT_TRUE(krpc_builder_raw(b, KRPC_A_V, "d1:ai1ee", 8));
    EXPECT(b, "d1:ad3:casi-3e2:id20:" ID "5:token2:tt1:vd1:ai1eee1:q3:put1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_SAMPLE_INFOHASHES);
    krpc_builder_bytes(b, KRPC_A_TARGET, OTHER, 20);
    EXPECT(b, "d1:ad2:id20:" ID "6:target20:" OTHER "e1:q17:sample_infohashes1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_VOTE);
    krpc_builder_bytes(b, KRPC_A_TARGET, OTHER, 20);
    krpc_builder_bytes(b, KRPC_A_TOKEN, "tt", 2);
    krpc_builder_int(b, KRPC_A_VOTE, 5);
    EXPECT(b, "d1:ad2:id20:" ID "6:target20:" OTHER "5:token2:tt4:votei5ee1:q4:vote1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_PUNCH);
    krpc_endpoint_set(&third, "\xc0\x00\x02\x01", 4, 6881);
    krpc_builder_endpoint(b, KRPC_A_IP, &third);
    EXPECT(b, "d1:ad2:id20:" ID "2:ip6:\xc0\x00\x02\x01\x1a\xe1"
              "e1:q5:punch1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");

    b = begin(&m, KRPC_QUERY, KRPC_METHOD_CONTACT);
    krpc_builder_int(b, KRPC_A_PORT, 6881);
    EXPECT(b, "d1:ad2:id20:" ID "4:porti6881ee1:q7:contact1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");
}

static void responses(void)
{
    static uint8_t filter[256];
    made m;
    krpc_builder *b = begin(&m, KRPC_RESPONSE, KRPC_METHOD_NONE);
    krpc_endpoint asker;
    static char text[1024];
    size_t len;

    EXPECT(b, "d1:rd2:id20:" OTHER "e1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:re");

    b = begin(&m, KRPC_RESPONSE, KRPC_METHOD_NONE); /* ip, then p, then r */
    krpc_endpoint_set(&asker, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16, 0x1ae1);
    krpc_builder_int(b, KRPC_P, 51413);
    krpc_builder_endpoint(b, KRPC_IP, &asker);
    krpc_builder_int(b, KRPC_R_P, 0x1ae1);
    EXPECT(b, "d2:ip18:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"
              "1:pi51413e1:rd2:id20:" OTHER "1:pi6881ee"
              "1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:re");

    b = begin(&m, KRPC_RESPONSE, KRPC_METHOD_NONE); /* every key of a scrape: BFpe before id */
    krpc_builder_bytes(b, KRPC_R_TOKEN, "tt", 2);
    CU_ASSERT_TRUE(krpc_builder_raw(b, KRPC_R_VALUES, "l6:abcdefe", 10));
    krpc_builder_bytes(b, KRPC_R_NODES, NULL, 0);
    krpc_builder_bytes(b, KRPC_R_NODES6, NULL, 0);
    krpc_builder_bytes(b, KRPC_R_BFSD, filter, sizeof filter);
    krpc_builder_bytes(b, KRPC_R_BFPE, filter, sizeof filter);
    len = (size_t)snprintf(text, sizeof text, "d1:rd4:BFpe256:");
    memset(text + len, 0, 256);
    len += 256;
    len += (size_t)snprintf(text + len, sizeof text - len, "4:BFsd256:");
    memset(text + len, 0, 256);
    len += 256;
    len += (size_t)snprintf(text + len, sizeof text - len,
                            "2:id20:" OTHER "5:nodes0:6:nodes60:5:token2:tt6:valuesl6:abcdefee1:t2:aa1:v4:LT\x02\x0b"
                            "1:y1:re");
    expect(b, text, len);

    b = begin(&m, KRPC_RESPONSE, KRPC_METHOD_NONE);
    krpc_builder_bytes(b, KRPC_R_SAMPLES, NULL, 0);
    krpc_builder_int(b, KRPC_R_NUM, 0);
    krpc_builder_int(b, KRPC_R_INTERVAL, 21600);
    EXPECT(b, "d1:rd2:id20:" OTHER "8:intervali21600e3:numi0e7:samples0:e1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:re");
}

static void errors(void)
{
    made m;
    krpc_builder *b = begin(&m, KRPC_ERROR, KRPC_METHOD_NONE);

    krpc_builder_error(b, 204, "Method Unknown");
    EXPECT(b, "d1:eli204e14:Method Unknowne1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:ee");

    b = begin(&m, KRPC_ERROR, KRPC_METHOD_NONE);
    krpc_builder_error(b, 201, "");
    EXPECT(b, "d1:eli201e0:e1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:ee");
}

static void setting_again_replaces(void)
{
    made m;
    krpc_builder *b = begin(&m, KRPC_QUERY, KRPC_METHOD_FIND_NODE);

    krpc_builder_method(b, KRPC_METHOD_CONTACT);
    krpc_builder_bytes(b, KRPC_A_ID, OTHER, 20);
    krpc_builder_int(b, KRPC_A_PORT, 1);
    krpc_builder_int(b, KRPC_A_PORT, 6881);
    EXPECT(b, "d1:ad2:id20:" OTHER "4:porti6881ee1:q7:contact1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");
}

static void raw_values(void)
{
    static const char *const wrong[] = {"", "i5", "i5ei6e", "5:abc", "x", "d1:a", "l"};
    made m;
    krpc_builder *b = begin(&m, KRPC_QUERY, KRPC_METHOD_PUT);

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_FALSE(krpc_builder_raw(b, KRPC_A_V, wrong[i], strlen(wrong[i])));
    }
    CU_ASSERT_FALSE(krpc_has(&b->message, KRPC_A_V));
    CU_ASSERT_TRUE(krpc_builder_raw(b, KRPC_A_V, "i-5e", 4));
    CU_ASSERT_TRUE(krpc_builder_raw(b, KRPC_A_TOKEN, "3:abc", 5));
    EXPECT(b, "d1:ad2:id20:" ID "5:token3:abc1:vi-5ee1:q3:put1:t2:aa1:v4:LT\x02\x0b"
              "1:y1:qe");
}

/* Keys that the table does not know go where their bytes want them. */
static void unknown_keys_are_merged(void)
{
    static const char expected[] = "d1:A0:1:ad2:aa0:2:id20:" ID "2:zzi1ee1:bd1:xlee1:q4:ping1:t2:aa1:v4:LT\x02\x0b"
                                   "1:y1:q1:zlee";
    made m;
    krpc_builder *b = begin(&m, KRPC_QUERY, KRPC_METHOD_PING);
    uint8_t out[256];
    krpc_message again;

    CU_ASSERT_FALSE(krpc_builder_unknown(b, KRPC_SCOPE_TOP, "A", 1, "i1", 2));
    CU_ASSERT_FALSE(krpc_builder_unknown(b, KRPC_SCOPE_E, "A", 1, "0:", 2));
    CU_ASSERT_TRUE(krpc_builder_unknown(b, KRPC_SCOPE_TOP, "A", 1, "0:", 2));
    CU_ASSERT_TRUE(krpc_builder_unknown(b, KRPC_SCOPE_TOP, "b", 1, "d1:xlee", 7));
    CU_ASSERT_TRUE(krpc_builder_unknown(b, KRPC_SCOPE_TOP, "z", 1, "le", 2));
    CU_ASSERT_TRUE(krpc_builder_unknown(b, KRPC_SCOPE_A, "aa", 2, "0:", 2));
    CU_ASSERT_TRUE(krpc_builder_unknown(b, KRPC_SCOPE_A, "zz", 2, "i1e", 3));
    CU_ASSERT_EQUAL_FATAL(krpc_builder_encode(b, out, sizeof out), sizeof expected - 1);
    CU_ASSERT_EQUAL(memcmp(out, expected, sizeof expected - 1), 0);
    krpc_message_decode(&again, out, sizeof expected - 1, sizeof expected - 1, NULL);
    CU_ASSERT_TRUE(again.canonical);
    CU_ASSERT_EQUAL(again.num_unknown[KRPC_SCOPE_TOP], 3);
    CU_ASSERT_EQUAL(again.num_unknown[KRPC_SCOPE_A], 2);
}

/* The body that the type announces is there from the begin on, another one as soon as it holds something. */
static void bodies_without_fields(void)
{
    static const struct {
        krpc_type type;
        krpc_scope unknown; /* KRPC_SCOPE_E: none */
        const char *expected;
    } cases[] = {
        {KRPC_QUERY, KRPC_SCOPE_E, "d1:ade1:t2:aa1:y1:qe"},
        {KRPC_RESPONSE, KRPC_SCOPE_E, "d1:rde1:t2:aa1:y1:re"},
        {KRPC_ERROR, KRPC_SCOPE_E, "d1:t2:aa1:y1:ee"},
        {KRPC_TYPE_UNKNOWN, KRPC_SCOPE_E, "d1:t2:aae"},
        {(krpc_type)9, KRPC_SCOPE_E, "d1:t2:aae"},
        {KRPC_ERROR, KRPC_SCOPE_TOP, "d1:t2:aa1:y1:e1:zlee"},
        {KRPC_ERROR, KRPC_SCOPE_A, "d1:ad1:zlee1:t2:aa1:y1:ee"},
        {KRPC_ERROR, KRPC_SCOPE_R, "d1:rd1:zlee1:t2:aa1:y1:ee"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].expected);
        uint8_t room[64], out[64];
        krpc_builder b;

        krpc_builder_init(&b, room, sizeof room, cases[i].type, "aa", 2);
        if (cases[i].unknown != KRPC_SCOPE_E) {
            CU_ASSERT_TRUE(krpc_builder_unknown(&b, cases[i].unknown, "z", 1, "le", 2));
        }
        CU_ASSERT_EQUAL_FATAL(krpc_builder_encode(&b, out, sizeof out), len);
        CU_ASSERT_EQUAL(memcmp(out, cases[i].expected, len), 0);
    }
}

static void a_field_of_a_makes_a(void)
{
    made m;

    krpc_builder_init(&m.b, m.room, sizeof m.room, KRPC_ERROR, "aa", 2);
    krpc_builder_error(&m.b, 203, "x");
    krpc_builder_bytes(&m.b, KRPC_R_ID, OTHER, 20); /* uTorrent's errors have one */
    krpc_builder_bytes(&m.b, KRPC_V, "UT\xab\x14", 4);
    {
        uint8_t out[256];
        static const char expected[] = "d1:eli203e1:xe1:rd2:id20:" OTHER "e1:t2:aa1:v4:UT\xab\x14"
                                       "1:y1:ee";

        CU_ASSERT_EQUAL_FATAL(krpc_builder_encode(&m.b, out, sizeof out), sizeof expected - 1);
        CU_ASSERT_EQUAL(memcmp(out, expected, sizeof expected - 1), 0);
    }
}

/* Too small a buffer is noticed wherever it ends, stays noticed, and nothing is written behind it. */
static void a_full_builder_stays_full(void)
{
    for (size_t cap = 0; cap < 120; cap++) {
        uint8_t *room = guard_copy(&page, "", 0) - cap;
        krpc_builder b;
        uint8_t out[256];
        bool good;

        krpc_builder_init(&b, room, cap, KRPC_QUERY, "aa", 2);
        krpc_builder_method(&b, KRPC_METHOD_GET_PEERS);
        krpc_builder_bytes(&b, KRPC_A_ID, ID, 20);
        krpc_builder_bytes(&b, KRPC_A_INFO_HASH, OTHER, 20);
        krpc_builder_error(&b, 201, "text");
        krpc_builder_raw(&b, KRPC_A_WANT, "l2:n4e", 6);
        krpc_builder_unknown(&b, KRPC_SCOPE_TOP, "zz", 2, "le", 2);
        good = !b.full;
        krpc_builder_int(&b, KRPC_A_SCRAPE, 1); /* needs no room, and does not make it good again */
        CU_ASSERT_EQUAL(b.full, !good);
        CU_ASSERT_EQUAL(krpc_builder_encode(&b, out, sizeof out) > 0, good);
        CU_ASSERT_EQUAL(good, cap >= 2 + 1 + 9 + 20 + 20 + 13 + 6 + 6);
    }
}

/* Room that is just used up is enough. */
static void room_that_fits_exactly(void)
{
    enum { NEEDED = 2 + 1 + 4 + 20 };

    for (size_t cap = NEEDED - 1; cap <= NEEDED + 1; cap++) {
        uint8_t *room = guard_copy(&page, "", 0) - cap;
        krpc_builder b;

        krpc_builder_init(&b, room, cap, KRPC_QUERY, "aa", 2);
        krpc_builder_method(&b, KRPC_METHOD_PING);
        krpc_builder_bytes(&b, KRPC_A_ID, ID, 20);
        CU_ASSERT_EQUAL(b.full, cap < NEEDED);
    }
}

/* However long a string is, it is copied whole, nothing is read behind it and nothing is written behind the message. */
static void strings_of_every_length(void)
{
    enum { ROOM = 2 + 1 + 4 + 20, MAX = 1100 };
    static const char front[] = "d1:ad2:id20:" ID "e1:q4:ping1:t2:aa1:v";
    static uint8_t bytes[MAX], out[2 * MAX], expected[2 * MAX];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    for (size_t len = 0; len < MAX; len += len < 140 || len > 990 ? 1 : 50) {
        uint8_t *room = guard_copy(&page, "", 0) - ROOM - len;
        bencode_writer w;
        krpc_builder b;

        bencode_writer_init(&w, expected, sizeof expected);
        bencode_put_raw(&w, front, sizeof front - 1);
        bencode_put_string(&w, bytes, len);
        bencode_put_raw(&w, "1:y1:qe", 7);
        krpc_builder_init(&b, room, ROOM + len, KRPC_QUERY, "aa", 2);
        krpc_builder_method(&b, KRPC_METHOD_PING);
        krpc_builder_bytes(&b, KRPC_A_ID, ID, 20);
        krpc_builder_bytes(&b, KRPC_V, bytes, len);
        memset(out, 0xa5, sizeof out);
        memset(expected + w.len, 0xa5, sizeof expected - w.len);
        CU_ASSERT_EQUAL(krpc_builder_encode(&b, out, sizeof out), w.len);
        CU_ASSERT_EQUAL(memcmp(out, expected, sizeof out), 0);
    }
}

static void a_builder_without_room(void)
{
    krpc_builder b;

    krpc_builder_init(&b, NULL, 0, KRPC_ERROR, NULL, 0);
    CU_ASSERT_TRUE(b.full); /* even y needs a byte */
    krpc_builder_error(&b, 201, "x");
    CU_ASSERT_TRUE(krpc_builder_raw(&b, KRPC_A_V, "le", 2));
    CU_ASSERT_TRUE(krpc_builder_unknown(&b, KRPC_SCOPE_TOP, "zz", 2, "le", 2));
    CU_ASSERT_EQUAL(krpc_builder_encode(&b, NULL, 0), 0);
}

/* A message of which a part is missing has no encoding. */
static void incomplete_messages_have_none(void)
{
    static const char text[] = "d1:ad2:id20:" ID "e1:q4:pi";
    uint8_t out[128];
    krpc_message m;

    krpc_message_decode(&m, (const uint8_t *)text, strlen(text), strlen(text), NULL);
    CU_ASSERT_EQUAL(krpc_message_encode(out, sizeof out, &m, (const uint8_t *)text), 0);
}

/* Everything that has one right form gets it; what the table does not look into is copied. */
static void encoding_makes_canonical(void)
{
    static const struct {
        const char *from;
        const char *to;
    } cases[] = {
        {"d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:" ID "ee", "d1:ad2:id20:" ID "e1:q4:ping1:t2:aa1:y1:qe"},
        {"d1:ad4:porti0688e2:id20:" ID "e1:q4:ping1:t2:aa1:y1:qe",
         "d1:ad2:id20:" ID "4:porti688ee1:q4:ping1:t2:aa1:y1:qe"},
        {"d1:ad4:porti-0eee", "d1:ad4:porti0eee"},
        {"d1:ad4:porti-007eee", "d1:ad4:porti-7eee"},
        {"d1:ad4:port04:68811:zleee", "d1:ad4:port4:68811:zleee"}, /* of the wrong type, kept as it is */
        {"d01:t02:aae", "d1:t2:aae"},
        {"d1:t2:aa1:t2:bbe", "d1:t2:aae"},
        {"d1:qi5e1:t2:aae", "d1:qi5e1:t2:aae"},
        {"d1:ald1:b0:1:a0:eee", "d1:ald1:b0:1:a0:eee"},
        {"de", "de"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = (const uint8_t *)cases[i].from;
        uint8_t out[128];
        krpc_message m;
        size_t len;

        krpc_message_decode(&m, data, strlen(cases[i].from), strlen(cases[i].from), NULL);
        len = krpc_message_encode(out, sizeof out, &m, data);
        if (len != strlen(cases[i].to) || memcmp(out, cases[i].to, len) != 0) {
            CU_FAIL("another encoding");
            fprintf(stderr, "\nexpected %s\ngot      %.*s\n", cases[i].to, (int)len, (const char *)out);
        }
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(queries),
        UNIT_TEST(responses),
        UNIT_TEST(errors),
        UNIT_TEST(setting_again_replaces),
        UNIT_TEST(raw_values),
        UNIT_TEST(unknown_keys_are_merged),
        UNIT_TEST(bodies_without_fields),
        UNIT_TEST(a_field_of_a_makes_a),
        UNIT_TEST(a_full_builder_stays_full),
        UNIT_TEST(room_that_fits_exactly),
        UNIT_TEST(strings_of_every_length),
        UNIT_TEST(a_builder_without_room),
        UNIT_TEST(incomplete_messages_have_none),
        UNIT_TEST(encoding_makes_canonical),
    };
    int status;

    guard_init(&page, 1u << 14);
    status = UNIT_RUN("encode", tests);
    guard_free(&page);
    return status;
}
