/* test_peerwire.c: messages of the peer wire protocol, what they say about ports, and the reader of streams.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/peerwire.h>

#include "unit.h"

#define MAGIC       "\023BitTorrent protocol"
#define HASH        "abcdefghij0123456789"
#define PEER        "-XX0001-012345678901"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* ---- what was found, as a line of text ---- */

typedef struct findings {
    char text[1024];
} findings;

static void note(void *ctx, const krpc_finding *finding)
{
    findings *found = (findings *)ctx;
    size_t len = strlen(found->text);

    snprintf(found->text + len, sizeof found->text - len, "%s@%u+%u(%lld,%lld) ", krpc_rule_get(finding->rule)->slug,
             (unsigned)finding->off, (unsigned)finding->len, (long long)finding->a, (long long)finding->b);
}

static peerwire_side side_with(peerwire_extension extension, uint8_t id)
{
    peerwire_side side;

    memset(&side, 0, sizeof side);
    side.extension_handshake = true;
    side.ext_id[extension] = id;
    return side;
}

/* Parses the message flush against the guard page, and asserts what is found; then each of its prefixes, for nothing
 * but that it can be done. */
static peerwire_message parse(const uint8_t *data, size_t len, const peerwire_side *sender,
                              const peerwire_side *receiver, const char *want)
{
    findings found;
    krpc_sink sink = {note, &found};
    peerwire_message message;
    guard g;

    guard_init(&g, len);
    for (size_t n = 0; n <= len; n++) {
        const uint8_t *at = guard_copy(&g, data, n);
        peerwire_advert_iter iter;
        peerwire_pex pex;
        peerwire_peer peer;
        krpc_advert advert;

        found.text[0] = '\0';
        peerwire_message_parse(&message, at, n, sender, receiver, &sink);
        peerwire_advert_init(&iter, &message, at);
        while (peerwire_advert_next(&iter, &advert)) {
            CU_ASSERT(advert.off <= n && advert.len <= n - advert.off);
        }
        peerwire_pex_init(&pex, &message, at);
        while (peerwire_pex_next(&pex, &peer)) {
            CU_ASSERT(peer.off <= n && peer.len <= n - peer.off);
        }
        CU_ASSERT(n == len || !message.whole);
        CU_ASSERT(!message.has_port || n == len);
    }
    UNIT_TEXT(found.text, want);
    guard_free(&g);
    return message;
}

/* "channel port address@off+len " for each statement. */
static void assert_adverts(const peerwire_message *message, const uint8_t *data, const char *want)
{
    char text[1024] = "";
    char addr[KRPC_ENDPOINT_TEXT];
    peerwire_advert_iter iter;
    krpc_advert advert;

    peerwire_advert_init(&iter, message, data);
    while (peerwire_advert_next(&iter, &advert)) {
        const krpc_channel_info *info = krpc_channel_get(advert.channel);
        size_t len = strlen(text);
        char port[24] = "-";

        if (advert.has_port) {
            snprintf(port, sizeof port, "%lld", (long long)advert.port);
        }
        CU_ASSERT_EQUAL(advert.whose, info->whose);
        CU_ASSERT_EQUAL(advert.service, info->service);
        CU_ASSERT_EQUAL(advert.basis, info->basis);
        CU_ASSERT_EQUAL(advert.has_addr, advert.endpoint.addr_len != 0);
        snprintf(text + len, sizeof text - len, "%s %s %s@%u+%u ", info->name, port,
                 krpc_endpoint_addr_text(addr, &advert.endpoint), (unsigned)advert.off, (unsigned)advert.len);
    }
    UNIT_TEXT(text, want);
}

/* ---- single messages ---- */

static void handshake(void)
{
    static const char bytes[] = MAGIC "\0\0\0\0\0\x10\0\x05" HASH PEER;
    peerwire_message message = parse(BYTES(bytes), NULL, NULL, "");
    peerwire_side side;
    uint8_t out[PEERWIRE_HANDSHAKE_LEN];

    CU_ASSERT_EQUAL(message.kind, PEERWIRE_HANDSHAKE);
    CU_ASSERT_TRUE(message.whole);
    CU_ASSERT_EQUAL(message.wire_len, PEERWIRE_HANDSHAKE_LEN);
    CU_ASSERT_EQUAL(message.reserved, PEERWIRE_RESERVED_DHT | PEERWIRE_RESERVED_FAST | PEERWIRE_RESERVED_EXTENDED);
    CU_ASSERT_EQUAL(memcmp(bytes + PEERWIRE_INFO_HASH_OFF, HASH, 20), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + PEERWIRE_PEER_ID_OFF, PEER, 20), 0);
    assert_adverts(&message, (const uint8_t *)bytes, "");

    memset(&side, 0, sizeof side);
    peerwire_side_update(&side, &message);
    CU_ASSERT_TRUE(side.handshake);
    CU_ASSERT_EQUAL(side.reserved, message.reserved);
    CU_ASSERT_FALSE(side.extension_handshake);

    CU_ASSERT_EQUAL(
        peerwire_handshake_put(out, sizeof out, message.reserved, (const uint8_t *)HASH, (const uint8_t *)PEER),
        sizeof out);
    CU_ASSERT_EQUAL(memcmp(out, bytes, sizeof out), 0);
    CU_ASSERT_EQUAL(peerwire_handshake_put(NULL, 0, 0, out, out), sizeof out);
}

/* Each bit where its BEP has it: byte 5 and 7 of the eight. */
static void reserved_bits(void)
{
    static const struct {
        uint8_t byte;
        uint8_t bit;
        uint64_t reserved;
    } bits[] = {{7, 0x01, PEERWIRE_RESERVED_DHT},
                {7, 0x04, PEERWIRE_RESERVED_FAST},
                {7, 0x10, PEERWIRE_RESERVED_V2},
                {5, 0x10, PEERWIRE_RESERVED_EXTENDED}};

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        uint8_t bytes[] = MAGIC "\0\0\0\0\0\0\0\0" HASH PEER;
        peerwire_message message;

        bytes[20 + bits[i].byte] = bits[i].bit;
        peerwire_message_parse(&message, bytes, PEERWIRE_HANDSHAKE_LEN, NULL, NULL, NULL);
        CU_ASSERT_EQUAL(message.reserved, bits[i].reserved);
    }
    CU_ASSERT_EQUAL(parse(BYTES(MAGIC "\x81\x02\x03\x04\x05\x06\x07\x08" HASH PEER), NULL, NULL, "").reserved,
                    UINT64_C(0x8102030405060708));
}

static void port_message(void)
{
    peerwire_side with_bit = {.handshake = true, .reserved = PEERWIRE_RESERVED_DHT};
    peerwire_side without = {.handshake = true, .reserved = PEERWIRE_RESERVED_EXTENDED};
    peerwire_side unseen = {.handshake = false};
    peerwire_message message = parse(BYTES("\0\0\0\x03\x09\x1a\xe1"), &with_bit, NULL, "");
    uint8_t out[7];

    CU_ASSERT_EQUAL(message.kind, PEERWIRE_PORT);
    CU_ASSERT_TRUE(message.has_port);
    CU_ASSERT_EQUAL(message.port, 6881);
    assert_adverts(&message, (const uint8_t *)"\0\0\0\x03\x09\x1a\xe1", "port_message 6881 @5+2 ");
    CU_ASSERT_EQUAL(peerwire_port_put(out, sizeof out, 6881), 7);
    CU_ASSERT_EQUAL(memcmp(out, "\0\0\0\x03\x09\x1a\xe1", 7), 0);

    parse(BYTES("\0\0\0\x03\x09\x1a\xe1"), &unseen, NULL, "");
    parse(BYTES("\0\0\0\x03\x09\x1a\xe1"), NULL, NULL, "");
    parse(BYTES("\0\0\0\x03\x09\x1a\xe1"), &without, NULL, "peerwire.no-dht-bit@0+7(0,0) ");
    parse(BYTES("\0\0\0\x03\x09\0\0"), NULL, NULL, "port.invalid@5+2(0,0) ");
    parse(BYTES("\0\0\0\x03\x09\0\x01"), NULL, NULL, "port.one@5+2(1,0) ");
    parse(BYTES("\0\0\0\x03\x09\0\x02"), NULL, NULL, "");
    parse(BYTES("\0\0\0\x03\x09\xff\xff"), NULL, NULL, "");

    message = parse(BYTES("\0\0\0\x02\x09\x1a"), NULL, NULL, "peerwire.port-length@0+6(2,0) ");
    CU_ASSERT_FALSE(message.has_port);
    message = parse(BYTES("\0\0\0\x05\x09\0\0\x1a\xe1"), NULL, NULL, "peerwire.port-length@0+9(5,0) ");
    CU_ASSERT_FALSE(message.has_port);
    assert_adverts(&message, NULL, "");
    message = parse(BYTES("\0\0\0\x01\x09"), NULL, NULL, "peerwire.port-length@0+5(1,0) ");
    CU_ASSERT_FALSE(message.has_port);
}

static void other_messages_have_names(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        peerwire_kind kind;
        const char *name;
    } vectors[] = {
        {"\0\0\0\0", 4, PEERWIRE_KEEP_ALIVE, "keep-alive"},
        {"\0\0\0\x01\0", 5, PEERWIRE_CHOKE, "choke"},
        {"\0\0\0\x01\x0e", 5, PEERWIRE_HAVE_ALL, "have all"},
        {"\0\0\0\x05\x04\0\0\0\x01", 9, PEERWIRE_HAVE, "have"},
        {"\0\0\0\x05\x11\0\0\0\x01", 9, PEERWIRE_ALLOWED_FAST, "allowed fast"},
        {"\0\0\0\x03\x05\xff\x80", 7, PEERWIRE_BITFIELD, "bitfield"},
        {"\0\0\0\x02\x0a\0", 6, PEERWIRE_UNKNOWN, "unknown"},
        {"\0\0\0\x01\xff", 5, PEERWIRE_UNKNOWN, "unknown"},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        peerwire_message message = parse((const uint8_t *)vectors[i].bytes, vectors[i].len, NULL, NULL, "");

        CU_ASSERT_EQUAL(message.kind, vectors[i].kind);
        CU_ASSERT_STRING_EQUAL(peerwire_kind_name((peerwire_kind)message.kind), vectors[i].name);
        CU_ASSERT_EQUAL(message.wire_len, vectors[i].len);
        CU_ASSERT_EQUAL(message.extension, PEERWIRE_EXT_NONE);
    }
    CU_ASSERT_EQUAL(parse(BYTES("\023BitTorrent protocoL"), NULL, NULL, "").kind, PEERWIRE_NONE);
    CU_ASSERT_EQUAL(parse(BYTES("\x7f\0\0\0\x09\0\0"), NULL, NULL, "").kind, PEERWIRE_NONE);
}

/* ---- the extension handshake ---- */

static size_t extended(uint8_t *out, uint8_t ext_id, const char *dict)
{
    return peerwire_extended_put(out, 2048, ext_id, dict, strlen(dict));
}

static void extension_handshake(void)
{
    uint8_t bytes[2048];
    size_t len =
        peerwire_extended_put(bytes, sizeof bytes, 0,
                              BYTES("d4:ipv44:\xc0\0\x02\x07"
                                    "4:ipv616:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
                                    "1:md12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1e7:unknowni9ee"
                                    "13:metadata_sizei31235e1:pi6881e4:reqqi250e1:v9:Test 1.0b6:yourip4:\xcb\0\x71\x05"
                                    "e"));
    peerwire_message message = parse(bytes, len, NULL, NULL, "");
    peerwire_side side;

    CU_ASSERT_EQUAL(message.kind, PEERWIRE_EXTENDED);
    CU_ASSERT_EQUAL(message.extension, PEERWIRE_EXT_HANDSHAKE);
    CU_ASSERT_EQUAL(message.dict_status, BENCODE_DONE);
    CU_ASSERT_EQUAL(message.dict_off, PEERWIRE_HEAD);
    CU_ASSERT_EQUAL(message.dict_off + message.dict_len, len);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_REQQ].num, 250);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_METADATA_SIZE].num, 31235);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_V].len, 9);
    CU_ASSERT_EQUAL(memcmp(bytes + message.value[PEERWIRE_KEY_V].off, "Test 1.0b", 9), 0);
    CU_ASSERT_EQUAL(bytes[message.value[PEERWIRE_KEY_M].off], 'd');
    CU_ASSERT_EQUAL(bytes[message.value[PEERWIRE_KEY_M].off + message.value[PEERWIRE_KEY_M].len - 1], 'e');
    CU_ASSERT_FALSE(peerwire_has(&message, PEERWIRE_KEY_UPLOAD_ONLY));
    assert_adverts(
        &message, bytes,
        "ltep_p 6881 @134+4 yourip - 203.0.113.5@174+4 ltep_ipv4 - 192.0.2.7@15+4 ltep_ipv6 - 2001:db8::9@28+16 ");

    memset(&side, 0, sizeof side);
    peerwire_side_update(&side, &message);
    CU_ASSERT_TRUE(side.extension_handshake);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_UT_PEX], 1);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_UT_METADATA], 2);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_UT_HOLEPUNCH], 4);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_LT_DONTHAVE], 0);

    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_P].key_off, 130);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_P].type, BENCODE_INT);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_P].flags, 0);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_V].type, BENCODE_STRING);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_V].num, 0);

    /* a later handshake adds and takes back (BEP 10) */
    len = extended(bytes, 0, "d1:md11:lt_donthavei7e6:ut_pexi0eee");
    message = parse(bytes, len, NULL, NULL, "");
    peerwire_side_update(&side, &message);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_UT_PEX], 0);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_LT_DONTHAVE], 7);
    CU_ASSERT_EQUAL(side.ext_id[PEERWIRE_EXT_UT_HOLEPUNCH], 4);
}

/* It has taken place when its dictionary is whole, or when m was there before it broke off. */
static void when_an_extension_handshake_counts(void)
{
    static const struct {
        const char *dict;
        bool counts;
        uint8_t ut_pex;
    } vectors[] = {
        {"de", true, 0},
        {"d1:pi6881ee", true, 0},
        {"d1:md6:ut_pexi1eee", true, 1},
        {"d1:md6:ut_pexi1ee1:p", true, 1},
        {"d1:md6:ut_pexi1e", false, 0},
        {"d1:pi6881e", false, 0},
        {"i5e", false, 0},
        {"d1:ml6:ut_pexi1eee", true, 0}, /* m is no dictionary */
        /* an id is a byte, and of a name that comes twice the first counts */
        {"d1:md6:ut_pexi255eee", true, 255},
        {"d1:md6:ut_pexi256eee", true, 0},
        {"d1:md6:ut_pexi-1eee", true, 0},
        {"d1:md6:ut_pex1:1ee", true, 0},
        {"d1:md6:ut_pexi3e6:ut_pexi4eee", true, 3},
        {"d1:md6:ut_pexi256e6:ut_pexi4eee", true, 4},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t bytes[64];
        peerwire_side side = {.handshake = false};
        peerwire_message message;

        peerwire_message_parse(&message, bytes, extended(bytes, 0, vectors[i].dict), NULL, NULL, NULL);
        peerwire_side_update(&side, &message);
        if (side.extension_handshake != vectors[i].counts || side.ext_id[PEERWIRE_EXT_UT_PEX] != vectors[i].ut_pex) {
            CU_FAIL(vectors[i].dict);
        }
    }
}

static void extension_handshake_findings(void)
{
    static const struct {
        const char *dict;
        const char *findings;
        const char *adverts;
    } vectors[] = {
        {"de", "", ""},
        {"d1:pi-1ee", "port.invalid@11+2(-1,0) ", "ltep_p -1 @11+2 "},
        {"d1:pi70000ee", "port.invalid@11+5(70000,0) ", "ltep_p 70000 @11+5 "},
        {"d1:pi65535ee", "", "ltep_p 65535 @11+5 "},
        {"d1:pi1ee", "port.one@11+1(1,0) ", "ltep_p 1 @11+1 "},
        {"d1:pi0ee", "port.invalid@11+1(0,0) ", "ltep_p 0 @11+1 "},
        {"d1:pi2ee", "", "ltep_p 2 @11+1 "},
        {"d1:pi-0ee", "port.invalid@11+2(0,0) ", "ltep_p 0 @11+2 "},
        {"d1:pi06881ee", "", "ltep_p 6881 @11+5 "},
        {"d1:pi65536ee", "port.invalid@11+5(65536,0) ", "ltep_p 65536 @11+5 "},
        {"d1:pi9223372036854775808ee", "port.invalid@11+19(9223372036854775807,0) ",
         "ltep_p 9223372036854775807 @11+19 "},
        {"d1:p4:6881e", "peerwire.bad-value@12+4(0,0) ", ""}, /* of the wrong type: absent */
        {"d1:mi5e1:pi9ee", "peerwire.bad-value@11+1(0,0) ", "ltep_p 9 @17+1 "},
        {"d1:vi5e6:youripi7ee", "peerwire.bad-value@11+1(0,0) peerwire.bad-value@22+1(0,0) ", ""},
        {"d4:ipv4i7e4:ipv60:4:reqq3:250e",
         "peerwire.bad-value@14+1(0,0) peerwire.bad-value@32+3(0,0) peerwire.bad-value@24+0(0,0) ", ""},
        {"d4:ipv416:0123456789abcdef4:ipv64:abcde", "peerwire.bad-value@16+16(0,0) peerwire.bad-value@40+4(0,0) ", ""},
        {"d4:ipv44:abcd4:ipv616:0123456789abcdef6:yourip16:0123456789abcdefe", "",
         "yourip - 3031:3233:3435:3637:3839:6162:6364:6566@55+16 ltep_ipv4 - 97.98.99.100@15+4 "
         "ltep_ipv6 - 3031:3233:3435:3637:3839:6162:6364:6566@28+16 "},
        {"d4:ipv46:abcdefe", "peerwire.bad-value@15+6(0,0) ", ""},
        {"d12:complete_ago4:16301:ei1e11:upload_onlyi1ee", "peerwire.bad-value@24+4(0,0) ", ""},
        {"d1:pi1000e1:pi2000ee", "", "ltep_p 1000 @11+4 "}, /* the first counts */
        {"d6:yourip3:abce", "peerwire.yourip-length@17+3(3,0) ", ""},
        {"d6:yourip0:e", "peerwire.yourip-length@17+0(0,0) ", ""},
        {"d6:yourip4:abcde", "", "yourip - 97.98.99.100@17+4 "},
        {"d6:yourip6:abcdefe", "peerwire.yourip-length@17+6(6,0) ", ""},
        {"d4:ipv45:abcdee", "peerwire.bad-value@15+5(0,0) ", ""},
        {"d1:mle1:pi9ee", "peerwire.bad-value@10+2(0,0) ", "ltep_p 9 @16+1 "},
        {"d1:pi9e", "peerwire.bad-extended@6+7(0,0) ", "ltep_p 9 @11+1 "},
        {"d1:pi9exx", "peerwire.bad-extended@6+9(0,0) ", "ltep_p 9 @11+1 "},
        {"i1e", "peerwire.bad-extended@6+3(0,0) ", ""},
        {"", "peerwire.bad-extended@6+0(0,0) ", ""},
        {"d1:pe", "", ""}, /* a key without a value */
        {"di1e1:a1:pi9ee", "", "ltep_p 9 @17+1 "},
        {"dle1:a1:pi9ee", "", "ltep_p 9 @16+1 "},
        {"d1:pi9eetrailing", "", "ltep_p 9 @11+1 "},
    };

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t bytes[2048];
        size_t len = extended(bytes, 0, vectors[i].dict);
        peerwire_message message = parse(bytes, len, NULL, NULL, vectors[i].findings);

        CU_ASSERT_EQUAL(message.extension, PEERWIRE_EXT_HANDSHAKE);
        assert_adverts(&message, bytes, vectors[i].adverts);
    }
}

static void offers_are_written_and_read(void)
{
    peerwire_offer offer;
    peerwire_message message;
    peerwire_side side;
    uint8_t bytes[512];
    size_t len;

    memset(&offer, 0, sizeof offer);
    CU_ASSERT_EQUAL(peerwire_offer_put(bytes, sizeof bytes, &offer), 13);
    CU_ASSERT_EQUAL(memcmp(bytes, "\0\0\0\x09\x14\0d1:mdee", 13), 0);

    offer.present = 1u << PEERWIRE_KEY_P | 1u << PEERWIRE_KEY_REQQ | 1u << PEERWIRE_KEY_METADATA_SIZE;
    offer.p = 51413;
    offer.reqq = 500;
    offer.metadata_size = 77;
    offer.v = "Node 1";
    offer.v_len = 6;
    offer.ext_id[PEERWIRE_EXT_NONE] = 1; /* neither is an extension */
    offer.ext_id[PEERWIRE_EXT_HANDSHAKE] = 2;
    offer.ext_id[PEERWIRE_EXT_UT_PEX] = 3;
    offer.ext_id[PEERWIRE_EXT_UT_HOLEPUNCH] = 200;
    krpc_endpoint_set(&offer.yourip, "\xc6\x33\x64\x07", 4, 0);
    krpc_endpoint_set(&offer.ipv4, "\xcb\0\x71\x09", 4, 0);
    krpc_endpoint_set(&offer.ipv6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16, 0);
    len = peerwire_offer_put(bytes, sizeof bytes, &offer);
    CU_ASSERT_EQUAL(peerwire_offer_put(NULL, 0, &offer), len);
    message = parse(bytes, len, NULL, NULL, "");
    CU_ASSERT_TRUE(message.whole);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_P].num, 51413);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_REQQ].num, 500);
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_METADATA_SIZE].num, 77);
    CU_ASSERT_EQUAL(memcmp(bytes + message.value[PEERWIRE_KEY_V].off, "Node 1", 6), 0);
    memset(&side, 0, sizeof side);
    peerwire_side_update(&side, &message);
    for (size_t i = 0; i <= PEERWIRE_EXT_UNKNOWN; i++) {
        CU_ASSERT_EQUAL(side.ext_id[i], i <= PEERWIRE_EXT_HANDSHAKE ? 0 : offer.ext_id[i]);
    }

    for (size_t cap = 0; cap < len; cap++) {
        uint8_t cut[512];

        memset(cut, 0xee, sizeof cut);
        CU_ASSERT_EQUAL(peerwire_offer_put(cut, cap, &offer), len);
        CU_ASSERT_EQUAL(memcmp(cut, bytes, cap), 0);
        CU_ASSERT_EQUAL(cut[cap], 0xee);
    }
}

static void a_value_keeps_how_it_was_written(void)
{
    uint8_t bytes[64];
    peerwire_message message = parse(bytes, extended(bytes, 0, "d1:pi06881ee"), NULL, NULL, "");

    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_P].flags, BENCODE_LEADING_ZERO);
    message = parse(bytes, extended(bytes, 0, "d4:reqqi-0ee"), NULL, NULL, "");
    CU_ASSERT_EQUAL(message.value[PEERWIRE_KEY_REQQ].flags, BENCODE_MINUS_ZERO);
}

/* ---- ut_pex and ut_holepunch ---- */

#define PEER_A "\xc0\0\x02\x01\x1a\xe1"
#define PEER_B "\xc0\0\x02\x02\0\0"
#define PEER_6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x06\xc8\xd5"

static void pex(void)
{
    peerwire_side receiver = side_with(PEERWIRE_EXT_UT_PEX, 5);
    uint8_t bytes[2048];
    size_t len =
        peerwire_extended_put(bytes, sizeof bytes, 5,
                              BYTES("d5:added12:" PEER_A PEER_B "7:added.f2:\x12\x04"
                                    "6:added618:" PEER_6 "8:added6.f0:7:dropped6:" PEER_A "8:dropped618:" PEER_6 "e"));
    peerwire_message message = parse(bytes, len, NULL, &receiver, "");
    peerwire_pex walk;
    peerwire_peer peer;
    static const struct {
        uint8_t flags;
        bool dropped;
        uint16_t port;
        size_t len;
    } want[] = {
        {0x12, false, 6881, 6}, {0x04, false, 0, 6}, {0, false, 51413, 18}, {0, true, 6881, 6}, {0, true, 51413, 18}};
    size_t num = 0;

    CU_ASSERT_EQUAL(message.extension, PEERWIRE_EXT_UT_PEX);
    CU_ASSERT_FALSE(message.guessed);
    peerwire_pex_init(&walk, &message, bytes);
    for (; peerwire_pex_next(&walk, &peer); num++) {
        CU_ASSERT_FATAL(num < sizeof want / sizeof want[0]);
        CU_ASSERT_EQUAL(peer.flags, want[num].flags);
        CU_ASSERT_EQUAL(peer.dropped, want[num].dropped);
        CU_ASSERT_EQUAL(peer.endpoint.port, want[num].port);
        CU_ASSERT_EQUAL(peer.len, want[num].len);
    }
    CU_ASSERT_EQUAL(num, 5);
    CU_ASSERT_EQUAL(PEERWIRE_PEX_ENCRYPTION, 1); /* BEP 11 */
    CU_ASSERT_EQUAL(PEERWIRE_PEX_SEED | PEERWIRE_PEX_REACHABLE, want[0].flags);
    CU_ASSERT_EQUAL(PEERWIRE_PEX_UTP, want[1].flags);
    CU_ASSERT_EQUAL(PEERWIRE_PEX_SEED, 2);
    CU_ASSERT_EQUAL(PEERWIRE_PEX_HOLEPUNCH, 8);
    assert_adverts(&message, bytes,
                   "ut_pex 6881 192.0.2.1@17+6 ut_pex 0 192.0.2.2@23+6 ut_pex 51413 2001:db8::6@53+18 ");
}

/* The ids are those of the receiver; only where they were not seen the keys decide. */
static void pex_is_found_by_the_receivers_id(void)
{
    peerwire_side receiver = side_with(PEERWIRE_EXT_UT_PEX, 5);
    peerwire_side other = side_with(PEERWIRE_EXT_UT_METADATA, 5);
    peerwire_side unseen = {.handshake = true};
    uint8_t bytes[2048];
    size_t len = extended(bytes, 5, "d5:added6:abcdefe");

    CU_ASSERT_EQUAL(parse(bytes, len, &other, &receiver, "").extension, PEERWIRE_EXT_UT_PEX);
    CU_ASSERT_EQUAL(parse(bytes, len, &receiver, &other, "").extension, PEERWIRE_EXT_UT_METADATA);
    CU_ASSERT_TRUE(parse(bytes, len, NULL, NULL, "").guessed);
    CU_ASSERT_TRUE(parse(bytes, len, &receiver, &unseen, "").guessed);
    bytes[5] = 6;
    CU_ASSERT_EQUAL(parse(bytes, len, NULL, &receiver, "").extension, PEERWIRE_EXT_UNKNOWN);
    bytes[5] = 0;
    CU_ASSERT_EQUAL(parse(bytes, len, NULL, &receiver, "").extension, PEERWIRE_EXT_HANDSHAKE);

    static const char *const alone[] = {"d6:added60:e", "d7:dropped0:e", "d8:dropped60:e"};

    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
        len = extended(bytes, 5, alone[i]);
        CU_ASSERT_TRUE(parse(bytes, len, NULL, NULL, "").guessed);
    }
    len = extended(bytes, 5, "d7:added.f0:e"); /* flags of nothing */
    CU_ASSERT_FALSE(parse(bytes, len, NULL, NULL, "").guessed);
    len = extended(bytes, 5, "d8:msg_typei0e5:piecei0ee");
    CU_ASSERT_EQUAL(parse(bytes, len, NULL, NULL, "").extension, PEERWIRE_EXT_UNKNOWN);
    len = extended(bytes, 5, "d5:added6:abcdef");
    CU_ASSERT_EQUAL(parse(bytes, len, NULL, NULL, "").extension, PEERWIRE_EXT_UNKNOWN);
    parse(bytes, len, NULL, &receiver, "peerwire.bad-extended@6+16(0,0) ");
}

static void pex_lengths(void)
{
    peerwire_side receiver = side_with(PEERWIRE_EXT_UT_PEX, 1);
    uint8_t bytes[2048];
    size_t len = extended(bytes, 1, "d5:added7:abcdefg7:dropped5:abcdee");
    peerwire_message message =
        parse(bytes, len, NULL, &receiver, "peerwire.pex-length@16+7(7,6) peerwire.pex-length@34+5(5,6) ");

    assert_adverts(&message, bytes, "ut_pex 25958 97.98.99.100@16+6 ");
    CU_ASSERT_EQUAL(bytes[16], 'a');
    len = extended(bytes, 1, "d6:added617:abcdefghijklmnopqe");
    message = parse(bytes, len, NULL, &receiver, "peerwire.pex-length@18+17(17,18) ");
    assert_adverts(&message, bytes, "");
    len = extended(bytes, 1, "d5:addedi6e7:added.fle7:droppeddee"); /* lists that are no strings are none */
    message = parse(bytes, len, NULL, &receiver,
                    "peerwire.bad-value@15+1(0,0) peerwire.bad-value@26+2(0,0) peerwire.bad-value@37+2(0,0) ");
    assert_adverts(&message, bytes, "");
    len = extended(bytes, 1, "d5:added0:6:added60:e");
    message = parse(bytes, len, NULL, &receiver, "");
    assert_adverts(&message, bytes, "");
}

static void holepunch(void)
{
    peerwire_side receiver = side_with(PEERWIRE_EXT_UT_HOLEPUNCH, 3);
    uint8_t bytes[64];
    size_t len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x01\0" PEER_A "\0\0\0\0"));
    peerwire_message message = parse(bytes, len, NULL, &receiver, "");

    CU_ASSERT_TRUE(message.has_holepunch);
    CU_ASSERT_EQUAL(message.holepunch, PEERWIRE_HOLEPUNCH_CONNECT);
    CU_ASSERT_EQUAL(message.holepunch_error, 0);
    assert_adverts(&message, bytes, "ut_holepunch 6881 192.0.2.1@8+6 ");

    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x01\x01" PEER_6 "\0\0\0\0"));
    message = parse(bytes, len, NULL, &receiver, "");
    assert_adverts(&message, bytes, "ut_holepunch 51413 2001:db8::6@8+18 ");
    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x01\x01" PEER_6)); /* the error code is left out */
    message = parse(bytes, len, NULL, &receiver, "");
    CU_ASSERT_TRUE(message.has_holepunch);

    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x02\0" PEER_A "\0\0\0\x03"));
    message = parse(bytes, len, NULL, &receiver, "");
    CU_ASSERT_EQUAL(message.holepunch_error, 3);
    assert_adverts(&message, bytes, "");
    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x02\x01" PEER_6 "\x01\x02\x03\x04"));
    message = parse(bytes, len, NULL, &receiver, "");
    CU_ASSERT_EQUAL(message.holepunch, PEERWIRE_HOLEPUNCH_ERROR);
    CU_ASSERT_EQUAL(message.holepunch_error, 0x01020304);
    CU_ASSERT_EQUAL(message.endpoint.addr_len, 16);
    CU_ASSERT_EQUAL(message.endpoint.port, 51413);
    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\0\x01" PEER_6));
    message = parse(bytes, len, NULL, &receiver, "");
    CU_ASSERT_EQUAL(message.holepunch, PEERWIRE_HOLEPUNCH_RENDEZVOUS);
    CU_ASSERT_EQUAL(message.endpoint.addr_len, 16);
    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\0\0" PEER_A "\0\0\0\0"));
    message = parse(bytes, len, NULL, &receiver, "");
    assert_adverts(&message, bytes, "");

    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x01\0" PEER_A "\0\0\0"));
    message = parse(bytes, len, NULL, &receiver, "peerwire.holepunch-length@6+11(11,0) ");
    CU_ASSERT_FALSE(message.has_holepunch);
    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES("\x01\x02" PEER_A "\0\0\0\0"));
    parse(bytes, len, NULL, &receiver, "peerwire.holepunch-length@6+12(12,0) ");
    len = peerwire_extended_put(bytes, sizeof bytes, 3, BYTES(""));
    parse(bytes, len, NULL, &receiver, "peerwire.holepunch-length@6+0(0,0) ");
}

/* A message's length is written in four bytes, also where there is no room for more. */
static void lengths_are_written_whole(void)
{
    uint8_t bytes[5] = {0};

    CU_ASSERT_EQUAL(peerwire_message_put(bytes, 4, 7, NULL, 0x12345677), 0x1234567c);
    CU_ASSERT_EQUAL(memcmp(bytes, "\x12\x34\x56\x78\0", 5), 0);
    CU_ASSERT_EQUAL(peerwire_extended_put(bytes, 4, 1, NULL, 0x00abcdee), 0x00abcdf4);
    CU_ASSERT_EQUAL(memcmp(bytes, "\0\xab\xcd\xf0\0", 5), 0);
}

static void large_messages_are_passed_over(void)
{
    peerwire_side receiver = side_with(PEERWIRE_EXT_UT_PEX, 1);
    findings found = {""};
    krpc_sink sink = {note, &found};
    peerwire_message message;

    peerwire_message_parse(&message, BYTES("\0\0\x10\0\x14\x01"), NULL, &receiver, &sink);
    CU_ASSERT_FALSE(message.whole);
    UNIT_TEXT(found.text, "peerwire.too-large@0+6(4100,0) ");
    found.text[0] = '\0';
    peerwire_message_parse(&message, BYTES("\0\0\x0f\xfc\x14\x01"), NULL, &receiver, &sink); /* 4096: cut elsewhere */
    peerwire_message_parse(&message, BYTES("\0\0\x40\x20\x14\x02"), NULL, &receiver,
                           &sink); /* ut_metadata may be large */
    UNIT_TEXT(found.text, "");
}

static void tables_hang_together(void)
{
    for (unsigned i = 0; i < PEERWIRE_NUM_KEYS; i++) {
        const peerwire_key_info *info = peerwire_key_get((peerwire_key)i);
        const peerwire_key_info *before = i > 0 ? peerwire_key_get((peerwire_key)(i - 1)) : NULL;

        CU_ASSERT_PTR_NOT_NULL_FATAL(info);
        CU_ASSERT(before == NULL || before->extension != info->extension || strcmp(before->key, info->key) < 0);
    }
    CU_ASSERT_PTR_NULL(peerwire_key_get(PEERWIRE_NUM_KEYS));
    for (unsigned i = PEERWIRE_EXT_HANDSHAKE + 2; i < PEERWIRE_EXT_UNKNOWN; i++) {
        CU_ASSERT(strcmp(peerwire_extension_name((peerwire_extension)(i - 1)),
                         peerwire_extension_name((peerwire_extension)i)) < 0);
    }
    CU_ASSERT_STRING_EQUAL(peerwire_extension_name(PEERWIRE_EXT_NONE), "");
    CU_ASSERT_STRING_EQUAL(peerwire_extension_name(PEERWIRE_EXT_UNKNOWN), "unknown");
    CU_ASSERT_STRING_EQUAL(peerwire_extension_name((peerwire_extension)(PEERWIRE_EXT_UNKNOWN + 1)), "?");
    CU_ASSERT_STRING_EQUAL(peerwire_kind_name(PEERWIRE_UNKNOWN), "unknown");
    CU_ASSERT_STRING_EQUAL(peerwire_kind_name(PEERWIRE_NUM_KINDS), "?");
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(handshake),
        UNIT_TEST(reserved_bits),
        UNIT_TEST(port_message),
        UNIT_TEST(other_messages_have_names),
        UNIT_TEST(extension_handshake),
        UNIT_TEST(when_an_extension_handshake_counts),
        UNIT_TEST(extension_handshake_findings),
        UNIT_TEST(a_value_keeps_how_it_was_written),
        UNIT_TEST(offers_are_written_and_read),
        UNIT_TEST(pex),
        UNIT_TEST(pex_is_found_by_the_receivers_id),
        UNIT_TEST(pex_lengths),
        UNIT_TEST(holepunch),
        UNIT_TEST(lengths_are_written_whole),
        UNIT_TEST(large_messages_are_passed_over),
        UNIT_TEST(tables_hang_together),
    };

    return UNIT_RUN("peerwire", tests);
}
