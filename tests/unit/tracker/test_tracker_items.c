/* test_tracker_items.c: findings that need the query, or an earlier part of the stream.
 *
 * BEP 44 items: signature and target, with the vectors of the BEP, each once with one change (bep44.bad-signature,
 * bep44.wrong-target). Bloom filters that the query did not ask for (bep33.not-asked). A peer wire stream with bytes
 * missing (peerwire.lost).
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/bep44.h>
#include <string.h>
#include <tracker/tracker.h>

#include "unit.h"

static const char key_hex[] = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
static const char sig_hex[] = "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
                              "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01";
static const char mutable_hex[] = "4a533d47ec9c7d95b1ad75f576cffc641853b750";
static const char immutable_hex[] = "e5f96f6f38320f0f33959cb4d3d656452117aadb";

static unsigned fired[KRPC_NUM_RULES];

static void take(void *ctx, const krpc_finding *finding)
{
    (void)ctx;
    fired[finding->rule]++;
}

static void unhex(uint8_t *out, const char *hex)
{
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned high = (unsigned)hex[2 * i], low = (unsigned)hex[2 * i + 1];

        out[i] = (uint8_t)((high % 32 + 9) % 25 << 4 | (low % 32 + 9) % 25);
    }
}

static const char id[] = "abcdefghij0123456789";

/* Hands one message to the tracker, from node 1 to node 2 or back. */
static void give(tracker *t, uint32_t frame, bool back, const krpc_builder *b)
{
    const krpc_sink sink = {take, NULL};
    uint8_t bytes[2048];
    size_t len = krpc_builder_encode(b, bytes, sizeof bytes);
    tracker_packet packet = {.frame = frame, .time_ns = (int64_t)frame * 1000000};
    krpc_message m;
    tracker_result result;

    krpc_endpoint_set(back ? &packet.dst : &packet.src, "\xcb\0\x71\5", 4, 6881);
    krpc_endpoint_set(back ? &packet.src : &packet.dst, "\xc6\x33\x64\7", 4, 6881);
    CU_ASSERT_FATAL(len > 0 && len <= sizeof bytes);
    krpc_message_decode(&m, bytes, len, len, &sink);
    tracker_message(t, &packet, &m, bytes, NULL, &result, &sink);
}

/* get of a target, answered with "Hello World!" (changed when wrong is set), signed when sig is given. */
static void get(tracker *t, const char *target_hex, const char *value, const uint8_t *sig)
{
    uint8_t room[1024], target[20], key[32];
    krpc_builder b;

    unhex(target, target_hex);
    unhex(key, key_hex);
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, "g1", 2);
    krpc_builder_method(&b, KRPC_METHOD_GET);
    krpc_builder_bytes(&b, KRPC_A_ID, id, 20);
    krpc_builder_bytes(&b, KRPC_A_TARGET, target, 20);
    give(t, 1, false, &b);
    krpc_builder_init(&b, room, sizeof room, KRPC_RESPONSE, "g1", 2);
    krpc_builder_bytes(&b, KRPC_R_ID, "zyxwvutsrq0123456789", 20);
    krpc_builder_bytes(&b, KRPC_R_V, value, strlen(value));
    if (sig != NULL) {
        krpc_builder_bytes(&b, KRPC_R_K, key, 32);
        krpc_builder_int(&b, KRPC_R_SEQ, 1);
        krpc_builder_bytes(&b, KRPC_R_SIG, sig, 64);
    }
    give(t, 2, true, &b);
}

static void put(tracker *t, uint32_t frame, const uint8_t *sig)
{
    uint8_t room[1024], key[32];
    krpc_builder b;

    unhex(key, key_hex);
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, "p1", 2);
    krpc_builder_method(&b, KRPC_METHOD_PUT);
    krpc_builder_bytes(&b, KRPC_A_ID, id, 20);
    krpc_builder_bytes(&b, KRPC_A_TOKEN, "tok", 3);
    krpc_builder_bytes(&b, KRPC_A_V, "Hello World!", 12);
    krpc_builder_bytes(&b, KRPC_A_K, key, 32);
    krpc_builder_int(&b, KRPC_A_SEQ, 1);
    krpc_builder_bytes(&b, KRPC_A_SIG, sig, 64);
    give(t, frame, false, &b);
}

static unsigned bad(void)
{
    return fired[KRPC_RULE_BEP44_BAD_SIGNATURE];
}

static unsigned wrong(void)
{
    return fired[KRPC_RULE_BEP44_WRONG_TARGET];
}

static void signatures(void)
{
    tracker *t = tracker_new(NULL);
    uint8_t sig[64];

    memset(fired, 0, sizeof fired);
    unhex(sig, sig_hex);
    put(t, 1, sig);
    get(t, mutable_hex, "Hello World!", sig);
    CU_ASSERT_EQUAL(bad() + wrong(), 0);
    get(t, mutable_hex, "Hello World?", sig);
    CU_ASSERT_EQUAL(bad(), krpc_bep44_available() ? 1 : 0);
    sig[0] ^= 1;
    put(t, 3, sig);
    CU_ASSERT_EQUAL(bad(), krpc_bep44_available() ? 2 : 0);
    CU_ASSERT_EQUAL(wrong(), 0);
    tracker_free(t);
}

static void targets(void)
{
    tracker *t = tracker_new(NULL);

    memset(fired, 0, sizeof fired);
    get(t, immutable_hex, "Hello World!", NULL);
    CU_ASSERT_EQUAL(bad() + wrong(), 0);
    get(t, immutable_hex, "Hello World?", NULL);
    CU_ASSERT_EQUAL(wrong(), krpc_bep44_available() ? 1 : 0);
    tracker_free(t);
}

static void only_so_many(void)
{
    const tracker_options options = {.max_items = 3};
    tracker *t = tracker_new(&options);
    tracker_stats stats;
    uint8_t sig[64];

    memset(fired, 0, sizeof fired);
    unhex(sig, sig_hex);
    sig[0] ^= 1;
    for (uint32_t frame = 1; frame <= 10; frame++) {
        put(t, frame, sig);
    }
    tracker_stats_get(t, &stats);
    CU_ASSERT_EQUAL(stats.items_verified, 3);
    CU_ASSERT_EQUAL(stats.dropped_items, 7);
    CU_ASSERT_EQUAL(bad(), krpc_bep44_available() ? 3 : 0);
    tracker_free(t);
}

static void scrape(tracker *t, uint32_t frame, bool asked)
{
    uint8_t room[1024], filter[256] = {0};
    krpc_builder b;

    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, asked ? "s1" : "s2", 2);
    krpc_builder_method(&b, KRPC_METHOD_GET_PEERS);
    krpc_builder_bytes(&b, KRPC_A_ID, id, 20);
    krpc_builder_bytes(&b, KRPC_A_INFO_HASH, id, 20);
    if (asked) {
        krpc_builder_int(&b, KRPC_A_SCRAPE, 1);
    }
    give(t, frame, false, &b);
    krpc_builder_init(&b, room, sizeof room, KRPC_RESPONSE, asked ? "s1" : "s2", 2);
    krpc_builder_bytes(&b, KRPC_R_ID, "zyxwvutsrq0123456789", 20);
    krpc_builder_bytes(&b, KRPC_R_BFPE, filter, sizeof filter);
    give(t, frame + 1, true, &b);
}

static void filters_that_nobody_asked_for(void)
{
    tracker *t = tracker_new(NULL);

    memset(fired, 0, sizeof fired);
    scrape(t, 1, true);
    CU_ASSERT_EQUAL(fired[KRPC_RULE_BEP33_NOT_ASKED], 0);
    scrape(t, 3, false);
    CU_ASSERT_EQUAL(fired[KRPC_RULE_BEP33_NOT_ASKED], 1);
    tracker_free(t);
}

/* One segment of a connection whose first sequence number is 1. */
static void segment(tracker *t, uint32_t frame, uint32_t seq, unsigned flags, const void *bytes, size_t len)
{
    const krpc_sink sink = {take, NULL};
    tracker_packet packet = {.frame = frame, .time_ns = (int64_t)frame * 1000000};

    krpc_endpoint_set(&packet.src, "\xcb\0\x71\5", 4, 50000);
    krpc_endpoint_set(&packet.dst, "\xc6\x33\x64\7", 4, 6881);
    tracker_segment(t, &packet, seq, 0, flags, (const uint8_t *)bytes, len, len, NULL, &sink);
}

static void a_stream_out_of_step(void)
{
    static const char handshake[] = "\023BitTorrent protocol\0\0\0\0\0\020\0\1aaaaaaaaaaaaaaaaaaaa-LT20B0-alicealice12";
    static const char port[] = "\0\0\0\3\11\x1a\xe1";
    static const char noise[] = "\xff\xfe\xfdthis is no length that a message has, and more of it";
    tracker *t = tracker_new(NULL);

    memset(fired, 0, sizeof fired);
    segment(t, 1, 0, TRACKER_TCP_SYN, "", 0);
    segment(t, 2, 1, TRACKER_TCP_ACK, handshake, 68);
    segment(t, 3, 69, TRACKER_TCP_ACK, port, 7);
    CU_ASSERT_EQUAL(fired[KRPC_RULE_PEERWIRE_LOST], 0);
    segment(t, 4, 76, TRACKER_TCP_ACK, noise, sizeof noise);
    CU_ASSERT_EQUAL(fired[KRPC_RULE_PEERWIRE_LOST], 1);
    tracker_free(t);
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(signatures), UNIT_TEST(targets), UNIT_TEST(only_so_many),
                               UNIT_TEST(filters_that_nobody_asked_for), UNIT_TEST(a_stream_out_of_step)};

    return UNIT_RUN("items", tests);
}
