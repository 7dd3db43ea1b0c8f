/* test_stream_utp.c: uTP connections and headers, and random datagrams.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stream_consumer.h"
#include "utp.h"

static void put16(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

/* A packet without extensions; the clock of the sender runs like the clock of the capture. */
static size_t utp_packet(uint8_t *out, utp_type type, uint16_t id, uint16_t seq, uint16_t ack, const char *payload)
{
    uint32_t time_us = (uint32_t)(now / 1000) + 7;

    memset(out, 0, 20);
    out[0] = (uint8_t)(type << 4 | 1);
    put16(out + 2, id);
    put16(out + 4, time_us >> 16);
    put16(out + 6, time_us);
    put16(out + 14, 1000);
    put16(out + 16, seq);
    put16(out + 18, ack);
    memcpy(out + 20, payload, strlen(payload));
    return 20 + strlen(payload);
}

static bool utp(unsigned from, unsigned to, utp_type type, uint16_t id, uint16_t seq, uint16_t ack, const char *payload)
{
    uint8_t bytes[512];
    size_t len = utp_packet(bytes, type, id, seq, ack, payload);

    return add(from, to, (stream_datagram){.transport = STREAM_UTP}, bytes, len, len);
}

/* Port 1 opens a connection with id 1000 and sequence numbers from 1; port 2 responds with numbers from 50. */
static void utp_open(void)
{
    CU_ASSERT(utp(1, 2, UTP_SYN, 1000, 1, 0, ""));
    CU_ASSERT(utp(2, 1, UTP_STATE, 1000, 50, 1, ""));
}

static void test_utp_in_order(void)
{
    start();
    utp_open();
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 2, 49, "hello "));
    CU_ASSERT(utp(2, 1, UTP_DATA, 1000, 50, 2, "good "));
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 3, 50, "world"));
    CU_ASSERT(utp(2, 1, UTP_DATA, 1000, 51, 3, "day"));
    expect(1, "<hello world");
    expect(2, "<good day");
    CU_ASSERT(got.last_transport == STREAM_UTP && got.last_offset == 20 && got.last_frame == 6);
    CU_ASSERT(utp(1, 2, UTP_FIN, 1001, 4, 51, ""));
    CU_ASSERT(utp(2, 1, UTP_FIN, 1000, 52, 4, ""));
    CU_ASSERT(got.num_ended == 1);
    CU_ASSERT(utp(1, 2, UTP_STATE, 1001, 5, 52, ""));
    CU_ASSERT(stream_table_stats(table)->utp_streams == 1);
    finish();
}

static void test_utp_out_of_order(void)
{
    start();
    CU_ASSERT(utp(1, 2, UTP_SYN, 65535, 65534, 0, "")); /* the numbers and the id wrap */
    CU_ASSERT(utp(2, 1, UTP_STATE, 65535, 50, 65534, ""));
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 1, 49, "c"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 0, 49, "b"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 0, 49, "b"));
    CU_ASSERT(utp(1, 2, UTP_SYN, 65535, 65534, 0, "")); /* repeated */
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 65535, 49, "a"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 0, 49, "b"));
    expect(1, "<abc");
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 3, 49, "e"));
    CU_ASSERT(utp(2, 1, UTP_STATE, 65535, 50, 3, ""));
    now += 30 * MS;
    CU_ASSERT(utp(2, 1, UTP_STATE, 65535, 50, 3, ""));
    expect(1, "<abc#e");
    CU_ASSERT(got.last_missing == 0); /* a packet can hold any number of bytes */
    CU_ASSERT(utp(1, 2, UTP_FIN, 0, 5, 49, ""));
    CU_ASSERT(utp(2, 1, UTP_FIN, 65535, 50, 3, ""));
    CU_ASSERT(got.num_ended == 0);
    CU_ASSERT(utp(1, 2, UTP_DATA, 0, 4, 49, "f"));
    expect(1, "<abc#ef");
    CU_ASSERT(got.num_ended == 1);
    finish();
}

static void test_utp_reset(void)
{
    start();
    utp_open();
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 2, 49, "abc"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 4, 49, "ghi"));
    CU_ASSERT(utp(2, 1, UTP_RESET, 1000, 50, 4, ""));
    expect(1, "<abc#ghi");
    CU_ASSERT(got.num_ended == 1);
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 3, 49, "def")); /* known, and after the end */
    CU_ASSERT(got.num_calls == 2);
    finish();
}

/* The higher endpoint opens the connection; the first packets of the other one come in the wrong order. */
static void test_utp_opened_by_higher(void)
{
    start();
    CU_ASSERT(utp(3, 2, UTP_SYN, 1000, 1, 0, ""));
    CU_ASSERT(utp(2, 3, UTP_STATE, 1000, 50, 1, ""));
    CU_ASSERT(utp(2, 3, UTP_DATA, 1000, 51, 1, "day"));
    CU_ASSERT(utp(2, 3, UTP_DATA, 1000, 50, 1, "good "));
    CU_ASSERT(utp(3, 2, UTP_DATA, 1001, 2, 51, "hello"));
    expect(2, "<good day");
    expect(3, "<hello");
    /* The same id once more, with other numbers: another connection. */
    CU_ASSERT(utp(3, 2, UTP_SYN, 1000, 300, 0, ""));
    CU_ASSERT(utp(3, 2, UTP_DATA, 1001, 301, 0, "again"));
    expect(3, "<hello<again");
    CU_ASSERT(got.num_ended == 1 && got.last_id == 2);
    finish();
}

/* Without its SYN: the second packet that fits makes a connection. */
static void test_utp_joined(void)
{
    start();
    CU_ASSERT(!utp(1, 2, UTP_DATA, 1001, 700, 300, "abc"));
    CU_ASSERT(got.num_calls == 0);
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 701, 300, "def"));
    expect(1, "(abcdef");
    CU_ASSERT(utp(2, 1, UTP_DATA, 1000, 301, 701, "xyz"));
    expect(2, "(xyz");
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 702, 301, "ghi"));
    expect(1, "(abcdefghi");
    CU_ASSERT(got.last_id == 1 && stream_table_stats(table)->utp_streams == 1);
    finish();
    CU_ASSERT(got.num_ended == 1);

    /* A long silence in between, during which both clocks advanced equally. */
    start();
    CU_ASSERT(!utp(1, 2, UTP_DATA, 1001, 700, 300, "abc"));
    now += 30 * S;
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 701, 300, "def"));
    expect(1, "(abcdef");
    finish();

    /* The second packet is from the other side; the first one is from the side that opened the connection, or from the
     * other. */
    for (uint16_t other = 1000; other <= 1002; other = (uint16_t)(other + 2)) {
        start();
        CU_ASSERT(!utp(1, 2, UTP_DATA, 1001, 700, 300, "abc"));
        CU_ASSERT(utp(2, 1, UTP_DATA, other, 301, 700, "xyz"));
        CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 701, 301, "def"));
        expect(1, "(abcdef");
        expect(2, "(xyz");
        finish();
        CU_ASSERT(got.num_ended == 1);
    }
}

/* Datagrams that look like uTP separately, but do not fit together. */
static void test_utp_strangers(void)
{
    start();
    CU_ASSERT(!utp(1, 2, UTP_DATA, 1001, 700, 300, "abc"));
    CU_ASSERT(!utp(1, 2, UTP_DATA, 1001, 9000, 300, "far away"));
    CU_ASSERT(!utp(2, 1, UTP_DATA, 1000, 301, 700, "acknowledges what was replaced"));
    CU_ASSERT(!utp(2, 1, UTP_DATA, 4000, 301, 700, "another id"));
    now += 60 * S; /* the sender's clock stops */
    uint8_t bytes[64];
    size_t len = utp_packet(bytes, UTP_DATA, 77, 10, 10, "abc");
    CU_ASSERT(!add(1, 3, (stream_datagram){.transport = STREAM_UTP}, bytes, len, len));
    now += 60 * S;
    CU_ASSERT(!add(1, 3, (stream_datagram){.transport = STREAM_UTP}, bytes, len, len));
    len = utp_packet(bytes, UTP_DATA, 78, 10, 10, "abc"); /* or is too slow */
    CU_ASSERT(!add(1, 3, (stream_datagram){.transport = STREAM_UTP}, bytes, len, len));
    len = utp_packet(bytes, UTP_DATA, 78, 11, 10, "abc");
    now += 60 * S;
    CU_ASSERT(!add(1, 3, (stream_datagram){.transport = STREAM_UTP}, bytes, len, len));
    CU_ASSERT(!utp(1, 3, UTP_RESET, 5, 5, 5, ""));
    CU_ASSERT(!add(1, 2, (stream_datagram){.transport = STREAM_UTP},
                   "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", 56, 56));
    CU_ASSERT(stream_table_stats(table)->utp_streams == 0);
    finish();
    CU_ASSERT(got.num_calls == 0);
}

static void test_utp_given_up(void)
{
    start();
    utp_open();
    got.verdict = STREAM_DONE;
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 2, 49, "abc"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 1001, 3, 49, "def"));
    CU_ASSERT(utp(2, 1, UTP_DATA, 1000, 50, 3, "xyz"));
    CU_ASSERT(got.num_calls == 1 && got.num_ended == 1);
    CU_ASSERT(!utp(1, 2, UTP_DATA, 501, 2, 49, "joined"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 501, 3, 49, "and given up"));
    CU_ASSERT(utp(1, 2, UTP_DATA, 501, 4, 49, "at once"));
    CU_ASSERT(utp(2, 1, UTP_STATE, 500, 49, 4, ""));
    CU_ASSERT(utp(2, 1, UTP_STATE, 502, 49, 4, ""));
    CU_ASSERT(got.num_calls == 2 && got.num_ended == 2);
    finish();
}

/* The newest eight unwanted connections between two endpoints are remembered. */
static void test_utp_many_given_up(void)
{
    start();
    got.verdict = STREAM_DONE;
    for (uint16_t i = 0; i < 9; i++) {
        uint16_t id = (uint16_t)(1000 + 10 * i);
        CU_ASSERT(utp(1, 2, UTP_SYN, id, 1, 0, ""));
        CU_ASSERT(utp(1, 2, UTP_DATA, (uint16_t)(id + 1), 2, 49, "abc"));
        CU_ASSERT(utp(2, 1, UTP_DATA, id, 50, 2, "xyz"));
    }
    CU_ASSERT_EQUAL(got.num_calls, 9);
    CU_ASSERT_EQUAL(stream_table_stats(table)->given_up, 9);
    CU_ASSERT_EQUAL(stream_table_stats(table)->utp_streams, 9);
    CU_ASSERT_EQUAL(stream_table_stats(table)->tcp_streams, 0);
    for (uint16_t i = 9; i > 0; i--) {
        uint16_t id = (uint16_t)(1000 + 10 * (i - 1));
        CU_ASSERT_EQUAL(utp(1, 2, UTP_DATA, (uint16_t)(id + 1), 3, 49, "def"), i > 1);
    }
    CU_ASSERT_EQUAL(got.num_calls, 9);
    CU_ASSERT(utp(1, 2, UTP_SYN, 1050, 1, 0, "")); /* opened again: another connection */
    CU_ASSERT(utp(1, 2, UTP_DATA, 1051, 2, 49, "abc"));
    CU_ASSERT_EQUAL(got.num_calls, 10);
    finish();
}

typedef struct header_case {
    const char *name;
    const char *bytes;
    size_t len;
    bool good;
    uint32_t header_len;
} header_case;

#define REST     "\0\0\0\x01\0\0\0\0\0\x01\0\0\0\x05\0\x06"
#define SYN_REST "\0\0\0\x01\0\0\0\0\0\x01\0\0\0\x05\0\0"
/* clang-format off */
#define HEADER(name, literal, good, header_len) {name, literal, sizeof(literal) - 1, good, header_len}
/* clang-format on */

static const header_case headers[] = {
    HEADER("data", "\x01\0\x03\xe8" REST "x", true, 20),
    HEADER("fin", "\x11\0\x03\xe8" REST, true, 20),
    HEADER("state", "\x21\0\x03\xe8" REST, true, 20),
    HEADER("reset", "\x31\0\x03\xe8" REST, true, 20),
    HEADER("syn", "\x41\0\x03\xe8" SYN_REST, true, 20),
    HEADER("selective acknowledgment", "\x21\x01\x03\xe8" REST "\0\x04\x01\0\0\0", true, 26),
    HEADER("two extensions", "\x01\x02\x03\xe8" REST "\x01\x08\0\0\0\0\0\0\0\0\0\x04\x01\0\0\0x", true, 36),
    HEADER("syn with extension bits", "\x41\x02\x03\xe8" SYN_REST "\0\x08\0\0\0\0\0\0\0\0", true, 30),
    HEADER("close reason", "\x11\x03\x03\xe8" REST "\0\x04\0\0\0\x01", true, 26),

    HEADER("19 bytes", "\x21\0\x03\xe8\0\0\0\x01\0\0\0\0\0\x01\0\0\0\x05\0", false, 0),
    HEADER("version 0", "\x20\0\x03\xe8" REST, false, 0),
    HEADER("version 2", "\x22\0\x03\xe8" REST, false, 0),
    HEADER("type 5", "\x51\0\x03\xe8" REST, false, 0),
    HEADER("extension unknown", "\x21\x04\x03\xe8" REST "\0\x04\x01\0\0\0", false, 0),
    HEADER("extension unknown behind a known one",
           "\x21\x01\x03\xe8" REST "\x04\x04\x01\0\0\0"
           "\0\x04\x01\0\0\0",
           false, 0),
    HEADER("extension beyond the end", "\x21\x01\x03\xe8" REST "\0\x08\x01\0\0\0", false, 0),
    HEADER("extension header beyond the end", "\x21\x01\x03\xe8" REST "\0", false, 0),
    HEADER("selective acknowledgment of 3 bytes", "\x21\x01\x03\xe8" REST "\0\x03\x01\0\0", false, 0),
    HEADER("selective acknowledgment of 6 bytes", "\x21\x01\x03\xe8" REST "\0\x06\x01\0\0\0\0\0", false, 0),
    HEADER("extension bits of 4 bytes", "\x21\x02\x03\xe8" REST "\0\x04\x01\0\0\0", false, 0),
    HEADER("extensions without end",
           "\x21\x01\x03\xe8" REST
           "\x01\x04....\x01\x04....\x01\x04....\x01\x04....\x01\x04....\x01\x04....\x01\x04...."
           "\x01\x04....\0\x04....",
           false, 0),
    HEADER("data without data", "\x01\0\x03\xe8" REST, false, 0),
    HEADER("state with data", "\x21\0\x03\xe8" REST "x", false, 0),
    HEADER("syn that acknowledges", "\x41\0\x03\xe8" REST, false, 0),
    HEADER("syn that measured a delay", "\x41\0\x03\xe8\0\0\0\x01\0\0\0\x09\0\x01\0\0\0\x05\0\0", false, 0),
    HEADER("syn that measured a long delay", "\x41\0\x03\xe8\0\0\0\x01\x09\0\0\0\0\x01\0\0\0\x05\0\0", false, 0),
    HEADER("STUN",
           "\x01\x01\0\x0c\x21\x12\xa4\x42"
           "abcdefghijkl"
           "\0\x20\0\x08\0\x01\xa1\x47\xe1\x12\xa6\x43",
           false, 0),
    HEADER("KRPC", "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", false, 0),
};

static void test_utp_headers(void)
{
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const header_case *c = &headers[i];
        utp_header header;
        bool good = utp_header_get(&header, guard_copy(&guarded, c->bytes, c->len), (uint32_t)c->len, (uint32_t)c->len);
        if (good != c->good) {
            printf("\n%s", c->name);
        }
        CU_ASSERT(good == c->good);
        if (good) {
            CU_ASSERT(header.header_len == c->header_len && header.id == 1000 && header.seq == 5);
        }
        for (size_t n = 0; n < c->len; n++) {
            (void)utp_header_get(&header, guard_copy(&guarded, c->bytes, n), (uint32_t)n, (uint32_t)c->len);
        }
    }
}

/* Packets of a few connections with random content: the test ends, and all are counted. */
static void test_hostile(void)
{
    uint32_t random = 521288629U;
    const stream_limits limits = {.max_streams = 8, .max_waiting = 2000, .max_bytes = 5000, .idle_s = 1};

    start_with(limits);
    for (unsigned round = 0; round < 200000; round++) {
        uint32_t value = random_next(&random);
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)random_next(&random);
        }
        bytes[0] = (uint8_t)((value >> 8) % 5 << 4 | 1);
        bytes[1] = (value >> 11) % 4 == 0;
        bytes[2] = 0;
        bytes[3] = (uint8_t)((value >> 13) % 3);
        bytes[16] = bytes[18] = 0;
        stream_datagram datagram = {
            .transport = value % 2 != 0 ? STREAM_TCP : STREAM_UTP,
            .tcp_flags = (uint8_t)(value >> 16),
            .tcp_seq = (value >> 24) % 2 != 0 ? random_next(&random) : random_next(&random) % 200,
            .tcp_ack = random_next(&random) % 200,
        };
        unsigned from = 1 + (value >> 2) % 3;
        unsigned to = 1 + (value >> 4) % 3;
        size_t len = random_next(&random) % 64;
        for (size_t i = 0; i < 4; i++) {
            got.sides[i].len = 0;
        }
        got.verdict = (value >> 25) % 8 == 0 ? STREAM_DONE : (value >> 25) % 8 == 1 ? STREAM_SIDE_DONE : STREAM_MORE;
        (void)add(from, to, datagram, bytes, len, len + (value >> 28) % 2 * 5);
        if ((value >> 29) == 7) {
            now += (int64_t)(random_next(&random) % 2000) * MS - 500 * MS;
        }
    }
    stream_finish(table);
    stream_table_free(table);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(test_utp_in_order), UNIT_TEST(test_utp_out_of_order),
        UNIT_TEST(test_utp_reset),    UNIT_TEST(test_utp_opened_by_higher),
        UNIT_TEST(test_utp_joined),   UNIT_TEST(test_utp_strangers),
        UNIT_TEST(test_utp_given_up), UNIT_TEST(test_utp_many_given_up),
        UNIT_TEST(test_utp_headers),  UNIT_TEST(test_hostile),
    };
    int failed;

    guard_init(&guarded, MAX_PACKET);
    failed = UNIT_RUN("stream: uTP", tests);
    guard_free(&guarded);
    return failed;
}
