/* test_bep44.c: the published vectors of BEP 44 and BEP 46, and what must not pass for one.
 *
 * Without libgcrypt nothing can be verified; then this tests that everything says so.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/bep44.h>

#include "unit.h"

static const char key_hex[] = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
static const char item[] = "12:Hello World!";
static const char salt[] = "foobar";
static const char sig_hex[] = "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
                              "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01";
static const char salted_sig_hex[] = "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
                                     "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08";

static void bytes_of(uint8_t *out, const char *hex)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned byte;

        CU_ASSERT_EQUAL_FATAL(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
}

static void assert_target(const uint8_t target[20], const char *hex)
{
    uint8_t want[20];

    bytes_of(want, hex);
    CU_ASSERT_EQUAL(memcmp(target, want, 20), 0);
}

static void targets(void)
{
    uint8_t k[32], target[20];

    bytes_of(k, key_hex);
    if (!krpc_bep44_available()) {
        CU_ASSERT_FALSE(krpc_bep44_immutable_target(target, item, strlen(item)));
        CU_ASSERT_FALSE(krpc_bep44_mutable_target(target, k, NULL, 0));
        return;
    }
    CU_ASSERT_TRUE(krpc_bep44_immutable_target(target, item, strlen(item)));
    assert_target(target, "e5f96f6f38320f0f33959cb4d3d656452117aadb");
    CU_ASSERT_TRUE(krpc_bep44_mutable_target(target, k, NULL, 0));
    assert_target(target, "4a533d47ec9c7d95b1ad75f576cffc641853b750");
    CU_ASSERT_TRUE(krpc_bep44_mutable_target(target, k, salt, strlen(salt)));
    assert_target(target, "411eba73b6f087ca51a3795d9c8c938d365e32c1");

    bytes_of(k, "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e");
    CU_ASSERT_TRUE(krpc_bep44_mutable_target(target, k, NULL, 0));
    assert_target(target, "cc3f9d90b572172053626f9980ce261a850d050b");
    CU_ASSERT_TRUE(krpc_bep44_mutable_target(target, k, "n", 1));
    assert_target(target, "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f");
}

static void assert_signed(const char *want, const char *with_salt, int64_t seq)
{
    char out[KRPC_BEP44_MAX_SIGNED];
    size_t len = strlen(want);

    CU_ASSERT_EQUAL(krpc_bep44_signed(NULL, 0, with_salt, strlen(with_salt), seq, item, strlen(item)), len);
    CU_ASSERT_EQUAL(krpc_bep44_signed(out, sizeof out, with_salt, strlen(with_salt), seq, item, strlen(item)), len);
    CU_ASSERT_EQUAL(memcmp(out, want, len), 0);
}

static void what_is_signed(void)
{
    assert_signed("3:seqi1e1:v12:Hello World!", "", 1);
    assert_signed("4:salt6:foobar3:seqi1e1:v12:Hello World!", "foobar", 1);
    assert_signed("3:seqi-9223372036854775808e1:v12:Hello World!", "", INT64_MIN);
    assert_signed("3:seqi9223372036854775807e1:v12:Hello World!", "", INT64_MAX);
}

static krpc_bep44_verdict verify(const uint8_t *k, const uint8_t *sig, const char *with_salt, int64_t seq,
                                 const char *v)
{
    return krpc_bep44_verify(k, sig, with_salt, strlen(with_salt), seq, v, strlen(v));
}

static void signatures(void)
{
    krpc_bep44_verdict good = krpc_bep44_available() ? KRPC_BEP44_VALID : KRPC_BEP44_UNKNOWN;
    krpc_bep44_verdict bad = krpc_bep44_available() ? KRPC_BEP44_BAD_SIGNATURE : KRPC_BEP44_UNKNOWN;
    uint8_t k[32], sig[64], salted[64];

    bytes_of(k, key_hex);
    bytes_of(sig, sig_hex);
    bytes_of(salted, salted_sig_hex);
    CU_ASSERT_EQUAL(verify(k, sig, "", 1, item), good);
    CU_ASSERT_EQUAL(verify(k, salted, salt, 1, item), good);

    CU_ASSERT_EQUAL(verify(k, sig, salt, 1, item), bad);
    CU_ASSERT_EQUAL(verify(k, salted, "", 1, item), bad);
    CU_ASSERT_EQUAL(verify(k, salted, "foobaR", 1, item), bad);
    CU_ASSERT_EQUAL(verify(k, sig, "", 2, item), bad);
    CU_ASSERT_EQUAL(verify(k, sig, "", -1, item), bad);
    CU_ASSERT_EQUAL(verify(k, sig, "", 1, "12:Hello world!"), bad);
    CU_ASSERT_EQUAL(verify(k, sig, "", 1, "11:Hello World"), bad);
    CU_ASSERT_EQUAL(verify(k, sig, "", 1, ""), bad);
}

/* No bit of key and signature is without meaning. */
static void flipped_bits(void)
{
    uint8_t k[32], sig[64];

    bytes_of(k, key_hex);
    bytes_of(sig, sig_hex);
    for (unsigned bit = 0; krpc_bep44_available() && bit < 8 * 64; bit += 5) {
        sig[bit / 8] = (uint8_t)(sig[bit / 8] ^ 1 << bit % 8);
        CU_ASSERT_EQUAL(verify(k, sig, "", 1, item), KRPC_BEP44_BAD_SIGNATURE);
        sig[bit / 8] = (uint8_t)(sig[bit / 8] ^ 1 << bit % 8);
    }
    for (unsigned bit = 0; krpc_bep44_available() && bit < 8 * 32; bit += 5) {
        k[bit / 8] = (uint8_t)(k[bit / 8] ^ 1 << bit % 8);
        CU_ASSERT_EQUAL(verify(k, sig, "", 1, item), KRPC_BEP44_BAD_SIGNATURE);
        k[bit / 8] = (uint8_t)(k[bit / 8] ^ 1 << bit % 8);
    }
}

/* Keys made to upset: libgcrypt alone ends the process at those whose x or y is small. */
static void hostile_keys(void)
{
    static const char *const keys[] = {
        "0000000000000000000000000000000000000000000000000000000000000000", /* y = 0, of order 4 */
        "0100000000000000000000000000000000000000000000000000000000000000", /* the neutral element */
        "0100000000000000000000000000000000000000000000000000000000000080", /* x = 0 with a sign */
        "0200000000000000000000000000000000000000000000000000000000000000", /* no point */
        "0300000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* y = -1, of order 2 */
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* y = p, not reduced */
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "3126711e11ef574692935381d2cd2bbab5dd113c4010f91fd7c4dd7b12bf431a", /* x of 2 bits */
        "aa9239e819ad147f9f634c535d82d85717a872ef0ae6c71c72571510cc4ba362", /* x of 3 bits */
        "dc09e3aa31beb07d43151353273ed871b582034567178a96d4a08af3daefd873", /* x of 4 bits */
        "c770ac2df14902244496cbb77e179c9efddb2709a0150d1da0b9e16cae98451d", /* x of 5 bits */
        "9cbc119fe3f033dd187f05135a054615653542d40a4def30316a0c768cb7655c", /* x of 65 bits */
        "95cef8cde8960ec2a0524d2a6a67d4ed4bbc360b94f5d336a71dd875bd710405", /* x of 192 bits */
        "d6b120827250f473c86f495ddcdbf032719aa72c9ad5710817e905bce4dd8d53", /* x of 193 bits */
        "500fe92be1ef049684ecd62946a07668e08a852ba73caf465260f0b4fb8b2400", /* x of 224 bits */
        "d80e73b790de0d7695fbdf5f219eb1f447abba96127f4901329999aa438d37d9", /* x of 225 bits */
        "0000000000000000010000000000000000000000000000000000000000000080", /* y of 65 bits */
        "0000000000000000000000000000000001000000000000000000000000000000", /* y of 129 bits */
        "0200000000000000000000000000000000000000000000800000000000000080", /* y of 192 bits */
        "0200000000000000000000000000000000000000000000000100000000000080", /* y of 193 bits */
        "0000000000000000000000000000000000000000000000000000000001000000", /* y of 225 bits */
    };
    uint8_t k[32], sig[64];

    bytes_of(sig, sig_hex);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bytes_of(k, keys[i]);
        CU_ASSERT(verify(k, sig, "", 1, item) != KRPC_BEP44_VALID);
    }
    for (unsigned fill = 0; fill < 256; fill++) {
        bytes_of(sig, sig_hex);
        memset(k, (int)fill, sizeof k);
        CU_ASSERT(verify(k, sig, "", 1, item) != KRPC_BEP44_VALID);
        memset(sig, (int)fill, sizeof sig);
        bytes_of(k, key_hex);
        CU_ASSERT(verify(k, sig, "", 1, item) != KRPC_BEP44_VALID);
    }
}

/* No more keys are turned away than have to be. */
static void nearly_hostile_keys(void)
{
    static const struct {
        const char *key;
        krpc_bep44_verdict verdict;
    } keys[] = {
        {"500fe92be1ef049684ecd62946a07668e08a852ba73caf465260f0b4fb8b2400", KRPC_BEP44_UNKNOWN}, /* x of 224 bits */
        {"d80e73b790de0d7695fbdf5f219eb1f447abba96127f4901329999aa438d37d9", KRPC_BEP44_BAD_SIGNATURE}, /* of 225 */
        {"0000000000000000000000000000000000000000000000000000008000000000", KRPC_BEP44_UNKNOWN}, /* y of 224 bits */
        {"0000000000000000000000000000000000000000000000000000000001000000", KRPC_BEP44_BAD_SIGNATURE}, /* of 225 */
    };
    uint8_t k[32], sig[64];

    bytes_of(sig, sig_hex);
    for (size_t i = 0; krpc_bep44_available() && i < sizeof keys / sizeof keys[0]; i++) {
        bytes_of(k, keys[i].key);
        CU_ASSERT_EQUAL(verify(k, sig, "", 1, item), keys[i].verdict);
    }
}

/* The second half of a signature and the order of the group added to it fit the same text: only the smaller one
 * counts. */
static void one_form(void)
{
    uint8_t k[32], sig[64], order[32];
    unsigned carry = 0;

    bytes_of(k, key_hex);
    bytes_of(sig, sig_hex);
    bytes_of(order, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    for (unsigned i = 0; i < sizeof order; i++) {
        carry += (unsigned)sig[32 + i] + order[i];
        sig[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    CU_ASSERT_EQUAL(carry, 0);
    CU_ASSERT_EQUAL(verify(k, sig, "", 1, item),
                    krpc_bep44_available() ? KRPC_BEP44_BAD_SIGNATURE : KRPC_BEP44_UNKNOWN);
}

static void beyond_the_limits(void)
{
    static char many[KRPC_BEP44_MAX_ITEM + 1];
    uint8_t k[32], sig[64];
    krpc_bep44_verdict bad = krpc_bep44_available() ? KRPC_BEP44_BAD_SIGNATURE : KRPC_BEP44_UNKNOWN;

    bytes_of(k, key_hex);
    bytes_of(sig, sig_hex);
    CU_ASSERT_EQUAL(krpc_bep44_verify(k, sig, many, 64, INT64_MIN, many, 1000), bad);
    CU_ASSERT_EQUAL(krpc_bep44_verify(k, sig, many, 65, 1, many, 10), KRPC_BEP44_UNKNOWN);
    CU_ASSERT_EQUAL(krpc_bep44_verify(k, sig, many, 1, 1, many, 1001), KRPC_BEP44_UNKNOWN);
    CU_ASSERT(krpc_bep44_signed(NULL, 0, many, 64, INT64_MIN, many, 1000) <= KRPC_BEP44_MAX_SIGNED);
}

/* ---- in messages ---- */

typedef struct packet {
    uint8_t bytes[1024];
    size_t len;
} packet;

static void put_common(bencode_writer *writer, uint8_t fill)
{
    uint8_t id[20];

    memset(id, fill, sizeof id);
    bencode_put_key(writer, "id");
    bencode_put_string(writer, id, sizeof id);
}

static packet make_put(const char *sig_text, const char *with_salt, const char *v)
{
    packet out;
    bencode_writer writer;
    uint8_t k[32], sig[64];

    bytes_of(k, key_hex);
    bytes_of(sig, sig_text);
    bencode_writer_init(&writer, out.bytes, sizeof out.bytes);
    bencode_put_dict(&writer);
    bencode_put_key(&writer, "a");
    bencode_put_dict(&writer);
    put_common(&writer, 0x61);
    bencode_put_key(&writer, "k");
    bencode_put_string(&writer, k, sizeof k);
    if (with_salt[0] != '\0') {
        bencode_put_key(&writer, "salt");
        bencode_put_string(&writer, with_salt, strlen(with_salt));
    }
    bencode_put_key(&writer, "seq");
    bencode_put_int(&writer, 1);
    bencode_put_key(&writer, "sig");
    bencode_put_string(&writer, sig, sizeof sig);
    bencode_put_key(&writer, "token");
    bencode_put_string(&writer, "aoeu", 4);
    bencode_put_key(&writer, "v");
    bencode_put_raw(&writer, v, strlen(v));
    bencode_put_raw(&writer, "e1:q3:put1:t2:aa1:y1:qe", 23);
    out.len = writer.len;
    return out;
}

static packet make_get_response(bool is_mutable, const char *v)
{
    packet out;
    bencode_writer writer;
    uint8_t k[32], sig[64];

    bytes_of(k, key_hex);
    bytes_of(sig, sig_hex);
    bencode_writer_init(&writer, out.bytes, sizeof out.bytes);
    bencode_put_dict(&writer);
    bencode_put_key(&writer, "r");
    bencode_put_dict(&writer);
    put_common(&writer, 0x62);
    if (is_mutable) {
        bencode_put_key(&writer, "k");
        bencode_put_string(&writer, k, sizeof k);
        bencode_put_key(&writer, "seq");
        bencode_put_int(&writer, 1);
        bencode_put_key(&writer, "sig");
        bencode_put_string(&writer, sig, sizeof sig);
    }
    bencode_put_key(&writer, "v");
    bencode_put_raw(&writer, v, strlen(v));
    bencode_put_raw(&writer, "e1:t2:aa1:y1:re", 15);
    out.len = writer.len;
    return out;
}

static krpc_bep44_verdict check(const packet *from, const char *target_hex)
{
    krpc_message message;
    uint8_t target[20];
    krpc_bep44_verdict verdict;
    guard g;
    const uint8_t *data;

    guard_init(&g, sizeof from->bytes);
    data = guard_copy(&g, from->bytes, from->len);
    krpc_message_decode(&message, data, from->len, from->len, NULL);
    if (target_hex != NULL) {
        bytes_of(target, target_hex);
    }
    verdict = krpc_bep44_check(&message, data, target_hex != NULL ? target : NULL);
    guard_free(&g);
    return krpc_bep44_available() ? verdict : KRPC_BEP44_UNKNOWN;
}

static krpc_bep44_verdict known(krpc_bep44_verdict verdict)
{
    return krpc_bep44_available() ? verdict : KRPC_BEP44_UNKNOWN;
}

static void puts_are_verified(void)
{
    packet good = make_put(sig_hex, "", item);
    packet salted = make_put(salted_sig_hex, salt, item);
    packet wrong_item = make_put(sig_hex, "", "12:Hello World?");
    packet wrong_salt = make_put(sig_hex, salt, item);

    CU_ASSERT_EQUAL(check(&good, NULL), known(KRPC_BEP44_VALID));
    CU_ASSERT_EQUAL(check(&salted, NULL), known(KRPC_BEP44_VALID));
    CU_ASSERT_EQUAL(check(&wrong_item, NULL), known(KRPC_BEP44_BAD_SIGNATURE));
    CU_ASSERT_EQUAL(check(&wrong_salt, NULL), known(KRPC_BEP44_BAD_SIGNATURE));
}

static void responses_need_the_target(void)
{
    static const char target[] = "4a533d47ec9c7d95b1ad75f576cffc641853b750";
    static const char salted_target[] = "411eba73b6f087ca51a3795d9c8c938d365e32c1";
    static const char immutable_target[] = "e5f96f6f38320f0f33959cb4d3d656452117aadb";
    packet is_mutable = make_get_response(true, item);
    packet wrong = make_get_response(true, "12:Hello World?");
    packet immutable = make_get_response(false, item);

    CU_ASSERT_EQUAL(check(&is_mutable, NULL), KRPC_BEP44_UNKNOWN);
    CU_ASSERT_EQUAL(check(&is_mutable, target), known(KRPC_BEP44_VALID));
    CU_ASSERT_EQUAL(check(&is_mutable, salted_target), KRPC_BEP44_UNKNOWN);
    CU_ASSERT_EQUAL(check(&wrong, target), known(KRPC_BEP44_BAD_SIGNATURE));
    CU_ASSERT_EQUAL(check(&immutable, NULL), KRPC_BEP44_UNKNOWN);
    CU_ASSERT_EQUAL(check(&immutable, immutable_target), known(KRPC_BEP44_VALID));
    CU_ASSERT_EQUAL(check(&immutable, target), known(KRPC_BEP44_WRONG_TARGET));
}

static void item_is_the_whole_encoding(void)
{
    static const char *const items[] = {"12:Hello World!", "0:", "i-5e", "le", "d1:ai1e1:bl1:ci2eee"};

    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        packet from = make_put(sig_hex, "", items[i]);
        krpc_message message;
        krpc_span span = {0, 0};

        krpc_message_decode(&message, from.bytes, from.len, from.len, NULL);
        CU_ASSERT_TRUE(krpc_bep44_item(&span, &message, from.bytes));
        CU_ASSERT_EQUAL(span.len, strlen(items[i]));
        CU_ASSERT_EQUAL(memcmp(from.bytes + span.off, items[i], span.len), 0);
    }
}

/* A packet that was cut has an item or has none; it is never read past its end. */
static void every_prefix(void)
{
    packet from = make_put(salted_sig_hex, salt, "d1:ai1e1:bl1:ci2eee");
    guard g;

    guard_init(&g, sizeof from.bytes);
    for (size_t len = 0; len < from.len; len++) {
        const uint8_t *data = guard_copy(&g, from.bytes, len);
        krpc_message message;
        krpc_span span;

        krpc_message_decode(&message, data, len, from.len, NULL);
        if (krpc_bep44_item(&span, &message, data)) {
            CU_ASSERT(span.off + span.len <= len);
            CU_ASSERT_EQUAL(span.len, 19);
        }
        CU_ASSERT(krpc_bep44_check(&message, data, NULL) != KRPC_BEP44_VALID);
    }
    guard_free(&g);
}

static void other_messages_are_unknown(void)
{
    static const char *const messages[] = {
        "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
        "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
        "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        "d1:ad2:id20:abcdefghij01234567891:v1:xe1:q4:ping1:t2:aa1:y1:qe",
    };

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        const uint8_t *data = (const uint8_t *)messages[i];
        krpc_message message;

        krpc_message_decode(&message, data, strlen(messages[i]), strlen(messages[i]), NULL);
        CU_ASSERT_EQUAL(krpc_bep44_check(&message, data, data), KRPC_BEP44_UNKNOWN);
    }
    CU_ASSERT_STRING_EQUAL(krpc_bep44_verdict_name(KRPC_BEP44_UNKNOWN), "unknown");
    CU_ASSERT_STRING_EQUAL(krpc_bep44_verdict_name(KRPC_BEP44_VALID), "valid");
    CU_ASSERT_STRING_EQUAL(krpc_bep44_verdict_name(KRPC_BEP44_BAD_SIGNATURE), "bad signature");
    CU_ASSERT_STRING_EQUAL(krpc_bep44_verdict_name(KRPC_BEP44_WRONG_TARGET), "wrong target");
    CU_ASSERT_STRING_EQUAL(krpc_bep44_verdict_name((krpc_bep44_verdict)(KRPC_BEP44_WRONG_TARGET + 1)), "?");
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(targets),
        UNIT_TEST(what_is_signed),
        UNIT_TEST(signatures),
        UNIT_TEST(flipped_bits),
        UNIT_TEST(hostile_keys),
        UNIT_TEST(nearly_hostile_keys),
        UNIT_TEST(one_form),
        UNIT_TEST(beyond_the_limits),
        UNIT_TEST(puts_are_verified),
        UNIT_TEST(responses_need_the_target),
        UNIT_TEST(item_is_the_whole_encoding),
        UNIT_TEST(every_prefix),
        UNIT_TEST(other_messages_are_unknown),
    };

    return UNIT_RUN("bep44", tests);
}
