/* test_advert: what a port means is its position.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/advert.h>

#include "unit.h"

#define ID  "abcdefghij0123456789"
#define A   "\xc0\x00\x02\x01\x1a\xe1" /* 192.0.2.1:6881 */
#define B   "\xc6\x33\x64\x07\xc8\xd5" /* 198.51.100.7:51413 */
#define SIX "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1"

static guard page;

/* One statement a line: channel whose service basis port endpoint @position. "-" where it has no port or address. */
static void describe(char *out, size_t cap, const krpc_message *m, const uint8_t *data)
{
    krpc_advert_iter it;
    krpc_advert a;
    size_t len = 0;

    out[0] = '\0';
    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        char endpoint[KRPC_ENDPOINT_TEXT] = "-";
        char port[32] = "-";

        CU_ASSERT(a.off <= m->len && a.len <= m->len - a.off);
        CU_ASSERT_EQUAL(a.has_addr, a.endpoint.addr_len != 0);
        CU_ASSERT(!a.has_port || a.port < 0 || a.port > 65535 || a.endpoint.port == a.port);
        CU_ASSERT(a.has_port || a.endpoint.port == 0);
        CU_ASSERT_EQUAL(a.id_off != 0, a.channel == KRPC_CHANNEL_NODES || a.channel == KRPC_CHANNEL_NODES6);
        CU_ASSERT(a.id_off == 0 || a.id_off + 20 == a.off);
        if (a.has_addr) {
            krpc_endpoint_addr_text(endpoint, &a.endpoint);
        }
        if (a.has_port) {
            snprintf(port, sizeof port, "%lld", (long long)a.port);
        }
        len += (size_t)snprintf(out + len, cap - len, "%s %s %s %s %s %s @%u+%u\n", krpc_channel_get(a.channel)->name,
                                krpc_whose_name(a.whose), krpc_service_name(a.service), krpc_basis_name(a.basis), port,
                                endpoint, a.off, a.len);
    }
    CU_ASSERT_FALSE(krpc_advert_next(&it, &a)); /* the end stays the end */
}

typedef struct rules_seen {
    unsigned num[KRPC_NUM_RULES];
} rules_seen;

static void see_rule(void *ctx, const krpc_finding *finding)
{
    ((rules_seen *)ctx)->num[finding->rule]++;
}

typedef struct vector {
    const char *bytes;
    size_t len;
    const char *expected;
} vector;

#define CASE(bytes, expected) {bytes, sizeof(bytes) - 1, expected}

static const vector cases[] = {
    /* mine: the top-level p, in a query, a response and an error */
    CASE("d1:ad2:id20:" ID "e1:pi6881e1:q4:ping1:t2:aa1:y1:qe", "p sender dht claimed 6881 - @37+4\n"),
    CASE("d1:pi6881e1:rd2:id20:" ID "e1:t2:aa1:y1:re", "p sender dht claimed 6881 - @5+4\n"),
    CASE("d1:eli201e1:xe1:pi6881e1:t2:aa1:y1:ee", "p sender dht claimed 6881 - @18+4\n"),
    /* mine: contact */
    CASE("d1:ad2:id20:" ID "4:porti6881ee1:q7:contact1:t2:aa1:y1:qe", "contact sender dht claimed 6881 - @39+4\n"),
    /* mine, but the peer service */
    CASE("d1:ad4:porti6881ee1:q13:announce_peer1:y1:qe", "announce_peer sender peer claimed 6881 - @12+4\n"),
    CASE("d1:ad12:implied_porti1e4:porti6881ee1:q13:announce_peer1:y1:qe",
         "announce_peer sender peer claimed 6881 - @30+4\nimplied_port sender peer deferred - - @21+1\n"),
    CASE("d1:ad12:implied_porti1ee1:q13:announce_peer1:y1:qe", "implied_port sender peer deferred - - @21+1\n"),
    CASE("d1:ad12:implied_porti0e4:porti6881ee1:q13:announce_peer1:y1:qe",
         "announce_peer sender peer claimed 6881 - @30+4\n"),
    /* as sent, even where nobody can be reached there */
    CASE("d1:ad4:porti-1ee1:q13:announce_peer1:y1:qe", "announce_peer sender peer claimed -1 - @12+2\n"),
    CASE("d1:ad4:porti70000ee1:q13:announce_peer1:y1:qe", "announce_peer sender peer claimed 70000 - @12+5\n"),
    CASE("d1:ad4:porti0ee1:q7:contact1:y1:qe", "contact sender dht claimed 0 - @12+1\n"),
    CASE("d1:pi-1e1:y1:qe", "p sender dht claimed -1 - @5+2\n"),
    CASE("d1:pi70000e1:y1:qe", "p sender dht claimed 70000 - @5+5\n"),
    CASE("d1:pi99999999999999999999e1:y1:qe", "p sender dht claimed 9223372036854775807 - @5+20\n"),
    /* yours, as I see you: ip and r.p; never a contact port */
    CASE("d2:ip6:" A "1:rd1:pi6881ee1:y1:re",
         "ip receiver dht observed 6881 192.0.2.1 @7+6\nr.p receiver dht observed 6881 - @21+4\n"),
    CASE("d2:ip18:" SIX "1:y1:re", "ip receiver dht observed 6881 2001:db8::1 @8+18\n"),
    CASE("d2:ip4:\xc0\x00\x02\x01"
         "1:y1:re",
         "ip receiver dht observed - 192.0.2.1 @7+4\n"),
    CASE("d2:ip16:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
         "1:y1:re",
         "ip receiver dht observed - 2001:db8::1 @8+16\n"),
    CASE("d1:rd1:pi70000ee1:y1:re", "r.p receiver dht observed 70000 - @9+5\n"),
    /* the same two letters mean different things one level apart */
    CASE("d1:pi1000e1:rd1:pi2000ee1:y1:re",
         "p sender dht claimed 1000 - @5+4\nr.p receiver dht observed 2000 - @18+4\n"),
    /* a third party's */
    CASE("d1:ad2:ip6:" A "e1:q5:punch1:y1:qe", "punch third party dht claimed 6881 192.0.2.1 @11+6\n"),
    CASE(
        "d1:rd5:nodes52:" ID A ID B "e1:y1:re",
        "nodes third party dht claimed 6881 192.0.2.1 @35+6\nnodes third party dht claimed 51413 198.51.100.7 @61+6\n"),
    CASE("d1:rd6:nodes638:" ID SIX "e1:y1:re", "nodes6 third party dht claimed 6881 2001:db8::1 @36+18\n"),
    CASE("d1:rd6:valuesl6:" A "18:" SIX "ee1:y1:re", "values third party peer claimed 6881 192.0.2.1 @16+6\nvalues "
                                                     "third party peer claimed 6881 2001:db8::1 @25+18\n"),
    CASE("d1:rd6:nodes2l38:" ID SIX "26:" ID B "25:" ID "abcdei1eee1:y1:re",
         "nodes6 third party dht claimed 6881 2001:db8::1 @37+18\nnodes third party dht claimed 51413 198.51.100.7 "
         "@78+6\n"),
    CASE("d1:rd6:nodes226:" ID B "e1:y1:re", ""), /* a string where the list belongs */
    /* the order: p, contact, announce_peer, implied_port, ip, r.p, punch, nodes, nodes6, values */
    CASE(
        "d1:ad12:implied_porti1e2:ip6:" A "4:porti1ee2:ip6:" B "1:pi2e1:q13:announce_peer"
        "1:rd5:nodes26:" ID A "6:nodes638:" ID SIX "1:pi3e6:valuesl6:" B "eee",
        "p sender dht claimed 2 - @61+1\nannounce_peer sender peer claimed 1 - @42+1\n"
        "implied_port sender peer deferred - - @21+1\nip receiver dht observed 51413 198.51.100.7 @51+6\n"
        "r.p receiver dht observed 3 - @175+1\npunch third party dht claimed 6881 192.0.2.1 @29+6\n"
        "nodes third party dht claimed 6881 192.0.2.1 @116+6\nnodes6 third party dht claimed 6881 2001:db8::1 @153+18\n"
        "values third party peer claimed 51413 198.51.100.7 @188+6\n"),
    /* left out: what is of the wrong type or length */
    CASE("d1:p4:68811:y1:qe", ""),
    CASE("d2:ip5:abcde1:y1:re", ""),
    CASE("d2:ip0:1:y1:re", ""),
    CASE("d1:ad4:port4:6881ee1:q13:announce_peer1:y1:qe", ""),
    CASE("d1:rd1:p4:6881e1:y1:re", ""),
    CASE("d1:rd5:nodes25:" ID "\xc0\x00\x02\x01\x1a"
         "e1:y1:re",
         ""),
    CASE("d1:rd5:nodes27:" ID A "xe1:y1:re", "nodes third party dht claimed 6881 192.0.2.1 @35+6\n"),
    CASE("d1:rd5:nodesl26:" ID A "ee1:y1:re", ""),
    CASE("d1:rd6:valuesl5:abcdei5eli1ee6:" A "7:abcdefgee1:y1:re",
         "values third party peer claimed 6881 192.0.2.1 @31+6\n"),
    CASE("d1:rd6:valueslee1:y1:re", ""),
    CASE("d1:rd6:valuesi5ee1:y1:re", ""),
    /* several peers in one string, alone in the list or in its place */
    CASE("d1:rd6:valuesl12:" A B "ee1:y1:re", "values third party peer claimed 6881 192.0.2.1 @17+6\nvalues third "
                                              "party peer claimed 51413 198.51.100.7 @23+6\n"),
    CASE("d1:rd6:values12:" A B "e1:y1:re", "values third party peer claimed 6881 192.0.2.1 @16+6\nvalues third party "
                                            "peer claimed 51413 198.51.100.7 @22+6\n"),
    CASE("d1:rd6:values6:" A "e1:y1:re", "values third party peer claimed 6881 192.0.2.1 @15+6\n"),
    CASE("d1:rd6:valuesl24:" A B A B "ee1:y1:re", "values third party peer claimed 6881 192.0.2.1 @17+6\nvalues third "
                                                  "party peer claimed 51413 198.51.100.7 @23+6\n"
                                                  "values third party peer claimed 6881 192.0.2.1 @29+6\nvalues third "
                                                  "party peer claimed 51413 198.51.100.7 @35+6\n"),
    CASE("d1:rd6:valuesl12:" A B "6:" A "ee1:y1:re",
         "values third party peer claimed 6881 192.0.2.1 @17+6\nvalues third party peer claimed 51413 198.51.100.7 "
         "@23+6\nvalues third party peer claimed 6881 192.0.2.1 @31+6\n"),
    /* nothing at all */
    CASE("de", ""),
    CASE("d1:ad2:id20:" ID "e1:q4:ping1:t2:aa1:y1:qe", ""),
    CASE("", ""),
};

static void each_says_what_it_means(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = guard_copy(&page, cases[i].bytes, cases[i].len);
        krpc_message m;
        char got[2048];

        krpc_message_decode(&m, data, cases[i].len, cases[i].len, NULL);
        CU_ASSERT(cases[i].len == 0 || m.status == BENCODE_DONE);
        describe(got, sizeof got, &m, data);
        if (strcmp(got, cases[i].expected) != 0) {
            CU_FAIL("other statements");
            fprintf(stderr, "\ncase %zu: %s\nexpected\n%sgot\n%s", i, cases[i].bytes, cases[i].expected, got);
        }
    }
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += *text == '\n';
    }
    return n;
}

/* A message that was cut says no more than the whole one, and nothing is read behind its end. */
static void prefixes_say_no_more(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t n = 0; n < cases[i].len; n++) {
            const uint8_t *data = guard_copy(&page, cases[i].bytes, n);
            krpc_message m;
            char got[2048];

            krpc_message_decode(&m, data, n, n, NULL);
            describe(got, sizeof got, &m, data);
            CU_ASSERT(lines(got) <= lines(cases[i].expected));
        }
    }
}

/* The number counts, and not how it is written; findings tell what is wrong with either. */
static void every_number_in_every_place(void)
{
    static const struct {
        const char *digits;
        long long port;
        krpc_rule encoding; /* KRPC_NUM_RULES: none */
        bool usable;
    } numbers[] = {
        {"-1", -1, KRPC_NUM_RULES, false},
        {"0", 0, KRPC_NUM_RULES, false},
        {"-0", 0, KRPC_RULE_BENCODE_MINUS_ZERO, false},
        {"1", 1, KRPC_NUM_RULES, true},
        {"01", 1, KRPC_RULE_BENCODE_LEADING_ZERO, true},
        {"6881", 6881, KRPC_NUM_RULES, true},
        {"00006881", 6881, KRPC_RULE_BENCODE_LEADING_ZERO, true},
        {"65535", 65535, KRPC_NUM_RULES, true},
        {"65536", 65536, KRPC_NUM_RULES, false},
        {"70000", 70000, KRPC_NUM_RULES, false},
        {"9223372036854775807", INT64_MAX, KRPC_NUM_RULES, false},
        {"9223372036854775808", INT64_MAX, KRPC_RULE_BENCODE_OVERFLOW, false},
        {"-9223372036854775808", INT64_MIN, KRPC_NUM_RULES, false},
        {"-9223372036854775809", INT64_MIN, KRPC_RULE_BENCODE_OVERFLOW, false},
        {"", 0, KRPC_RULE_BENCODE_EMPTY_INT, false},
        {"68x1", 0, KRPC_RULE_BENCODE_BAD_INT, false},
    };
    static const struct {
        const char *before;
        const char *after;
        krpc_channel channel;
        krpc_rule invalid;
    } places[] = {
        {"d1:ad2:id20:" ID "e1:pi", "e1:q4:ping1:t2:aa1:v4:XX001:y1:qe", KRPC_CHANNEL_P, KRPC_RULE_PORT_INVALID},
        {"d2:ip6:" B "1:pi", "e1:rd2:id20:" ID "e1:t2:aa1:v4:XX001:y1:re", KRPC_CHANNEL_P, KRPC_RULE_PORT_INVALID},
        {"d1:ad2:id20:" ID "4:porti", "ee1:q7:contact1:t2:aa1:v4:XX001:y1:qe", KRPC_CHANNEL_CONTACT,
         KRPC_RULE_PORT_INVALID},
        {"d1:ad2:id20:" ID "9:info_hash20:" ID "4:porti", "e5:token4:abcde1:q13:announce_peer1:t2:aa1:v4:XX001:y1:qe",
         KRPC_CHANNEL_ANNOUNCE_PEER, KRPC_RULE_PORT_INVALID},
        {"d1:rd2:id20:" ID "1:pi", "ee1:t2:aa1:v4:XX001:y1:re", KRPC_CHANNEL_R_P, KRPC_RULE_KRPC_OUT_OF_RANGE},
    };

    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            rules_seen seen = {{0}};
            krpc_sink sink = {see_rule, &seen};
            char text[512];
            size_t len =
                (size_t)snprintf(text, sizeof text, "%s%s%s", places[p].before, numbers[n].digits, places[p].after);
            const uint8_t *data = guard_copy(&page, text, len);
            bool one = numbers[n].port == 1 && places[p].channel != KRPC_CHANNEL_R_P;
            unsigned findings = 0;
            krpc_advert_iter it;
            krpc_advert a = {0};
            krpc_message m;

            krpc_message_decode(&m, data, len, len, &sink);
            krpc_message_check(&m, data, &sink);
            CU_ASSERT_EQUAL(m.status, BENCODE_DONE);
            krpc_advert_init(&it, &m, data);
            while (krpc_advert_next(&it, &a) && a.channel != places[p].channel) {}
            CU_ASSERT_EQUAL(a.channel, places[p].channel);
            CU_ASSERT_EQUAL(a.port, numbers[n].port);
            CU_ASSERT_EQUAL(a.off, strlen(places[p].before));
            CU_ASSERT_EQUAL(a.len, strlen(numbers[n].digits));
            CU_ASSERT_EQUAL(a.endpoint.port, a.port >= 0 && a.port <= 65535 ? a.port : 0);
            CU_ASSERT_EQUAL(seen.num[places[p].invalid], !numbers[n].usable);
            CU_ASSERT_EQUAL(seen.num[KRPC_RULE_PORT_ONE], one);
            for (krpc_rule rule = 0; rule < KRPC_NUM_RULES; rule++) {
                findings += seen.num[rule];
            }
            if (numbers[n].encoding != KRPC_NUM_RULES) {
                CU_ASSERT_EQUAL(seen.num[numbers[n].encoding], 1);
                findings -= seen.num[numbers[n].encoding];
            }
            CU_ASSERT_EQUAL(findings, !numbers[n].usable + one); /* and nothing else */
        }
    }
}

static void the_table(void)
{
    static const struct {
        krpc_channel channel;
        const char *name;
        krpc_whose whose;
        krpc_service service;
        krpc_basis basis;
    } table[] = {
        {KRPC_CHANNEL_P, "p", KRPC_WHOSE_SENDER, KRPC_SERVICE_DHT, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_CONTACT, "contact", KRPC_WHOSE_SENDER, KRPC_SERVICE_DHT, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_ANNOUNCE_PEER, "announce_peer", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_IMPLIED_PORT, "implied_port", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_DEFERRED},
        {KRPC_CHANNEL_IP, "ip", KRPC_WHOSE_RECEIVER, KRPC_SERVICE_DHT, KRPC_BASIS_OBSERVED},
        {KRPC_CHANNEL_R_P, "r.p", KRPC_WHOSE_RECEIVER, KRPC_SERVICE_DHT, KRPC_BASIS_OBSERVED},
        {KRPC_CHANNEL_PUNCH, "punch", KRPC_WHOSE_THIRD, KRPC_SERVICE_DHT, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_NODES, "nodes", KRPC_WHOSE_THIRD, KRPC_SERVICE_DHT, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_NODES6, "nodes6", KRPC_WHOSE_THIRD, KRPC_SERVICE_DHT, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_VALUES, "values", KRPC_WHOSE_THIRD, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_PORT_MESSAGE, "port_message", KRPC_WHOSE_SENDER, KRPC_SERVICE_DHT, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_LTEP_P, "ltep_p", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_YOURIP, "yourip", KRPC_WHOSE_RECEIVER, KRPC_SERVICE_PEER, KRPC_BASIS_OBSERVED},
        {KRPC_CHANNEL_LTEP_IPV4, "ltep_ipv4", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_LTEP_IPV6, "ltep_ipv6", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_UT_PEX, "ut_pex", KRPC_WHOSE_THIRD, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_UT_HOLEPUNCH, "ut_holepunch", KRPC_WHOSE_THIRD, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_UDP_TRACKER, "udp_tracker", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_LSD, "lsd", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
        {KRPC_CHANNEL_HTTP_TRACKER, "http_tracker", KRPC_WHOSE_SENDER, KRPC_SERVICE_PEER, KRPC_BASIS_CLAIMED},
    };

    CU_ASSERT_EQUAL(sizeof table / sizeof table[0], KRPC_NUM_CHANNELS);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const krpc_channel_info *info = krpc_channel_get(table[i].channel);

        CU_ASSERT_STRING_EQUAL(info->name, table[i].name);
        CU_ASSERT_EQUAL(info->whose, table[i].whose);
        CU_ASSERT_EQUAL(info->service, table[i].service);
        CU_ASSERT_EQUAL(info->basis, table[i].basis);
    }
    for (krpc_channel c = 0; c < KRPC_NUM_CHANNELS; c++) {
        const krpc_channel_info *info = krpc_channel_get(c);

        CU_ASSERT(strlen(info->name) > 0 && strlen(info->spec) > 0 && strlen(info->meaning) > 0);
        for (krpc_channel other = 0; other < c; other++) {
            CU_ASSERT_STRING_NOT_EQUAL(krpc_channel_get(other)->name, info->name);
        }
    }
    CU_ASSERT_PTR_NULL(krpc_channel_get(KRPC_NUM_CHANNELS));
    CU_ASSERT_STRING_EQUAL(krpc_whose_name((krpc_whose)(KRPC_WHOSE_THIRD + 1)), "?");
    CU_ASSERT_STRING_EQUAL(krpc_service_name((krpc_service)(KRPC_SERVICE_PEER + 1)), "?");
    CU_ASSERT_STRING_EQUAL(krpc_basis_name((krpc_basis)(KRPC_BASIS_DEFERRED + 1)), "?");
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(each_says_what_it_means),
        UNIT_TEST(prefixes_say_no_more),
        UNIT_TEST(every_number_in_every_place),
        UNIT_TEST(the_table),
    };
    int status;

    guard_init(&page, 1u << 12);
    status = UNIT_RUN("advert", tests);
    guard_free(&page);
    return status;
}
