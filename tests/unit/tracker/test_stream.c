/* test_stream.c: TCP in order, out of order, joined in the middle, with holes, and within bounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stream_consumer.h"
#include "stream_order.h"

#define FIN TRACKER_TCP_FIN
#define SYN TRACKER_TCP_SYN
#define RST TRACKER_TCP_RST
#define ACK TRACKER_TCP_ACK

static void tcp_with(unsigned from, unsigned to, uint8_t flags, uint32_t seq, uint32_t ack, const char *payload,
                     size_t len, size_t wire_len)
{
    stream_datagram datagram = {.transport = STREAM_TCP, .tcp_flags = flags, .tcp_seq = seq, .tcp_ack = ack};

    CU_ASSERT(add(from, to, datagram, payload, len, wire_len));
}

/* From port 1 to port 2. */
static void send(uint8_t flags, uint32_t seq, const char *payload)
{
    tcp_with(1, 2, flags, seq, 0, payload, strlen(payload), strlen(payload));
}

/* From port 2 to port 1. */
static void answer(uint8_t flags, uint32_t seq, uint32_t ack, const char *payload)
{
    tcp_with(2, 1, flags, seq, ack, payload, strlen(payload), strlen(payload));
}

static void test_in_order(void)
{
    start();
    send(SYN, 99, "");
    answer(SYN | ACK, 499, 100, "");
    send(ACK, 100, "hello ");
    answer(ACK, 500, 106, "good ");
    send(ACK, 106, "world");
    answer(ACK, 505, 111, "day");
    expect(1, "<hello world");
    expect(2, "<good day");
    CU_ASSERT(got.last_frame == 6 && got.last_offset == 0 && got.last_id == 1 && got.last_transport == STREAM_TCP);
    CU_ASSERT(got.num_ended == 0);
    send(FIN | ACK, 111, "");
    answer(FIN | ACK, 508, 112, "");
    CU_ASSERT(got.num_ended == 1);
    send(ACK, 112, "");
    send(ACK, 106, "world"); /* repeated after the end: no new connection */
    finish();
    expect(1, "<hello world");
    CU_ASSERT(got.num_ended == 1);
}

static void test_out_of_order(void)
{
    start();
    send(SYN, 99, "");
    send(0, 110, "ddddd");
    send(0, 105, "ccccc");
    send(0, 105, "ccccc");
    CU_ASSERT(got.num_calls == 0);
    send(0, 100, "aaaaa");
    expect(1, "<aaaaacccccddddd");
    CU_ASSERT(got.last_frame == 2); /* the frame that contained them, not the frame that completed the order */
    send(0, 100, "aaaaa");
    send(0, 103, "xxcccccyyyyyzz"); /* known bytes are skipped; the new part counts */
    expect(1, "<aaaaacccccdddddzz");
    CU_ASSERT(got.last_offset == 12);
    finish();
    expect(1, "<aaaaacccccdddddzz");
}

static void test_overlaps_while_waiting(void)
{
    start();
    send(SYN, 99, "");
    send(0, 104, "efgh");
    send(0, 102, "cdef");
    send(0, 106, "ghij");
    send(0, 104, "ef");
    send(0, 100, "ab");
    expect(1, "<abcdefghij");
    finish();
}

/* Of two segments at the same position, the first one counts. */
static void test_twice_while_waiting(void)
{
    start();
    send(SYN, 99, "");
    send(0, 110, "first");
    send(0, 130, "zzz");
    send(0, 110, "AGAIN");
    send(0, 100, "0123456789");
    expect(1, "<0123456789first");
    finish();
}

static void test_joined(void)
{
    start();
    send(ACK, 5000, "in the middle");
    answer(ACK, 700, 5013, "yes");
    send(ACK, 4990, "before what was seen");
    expect(1, "(in the middle");
    expect(2, "(yes");
    CU_ASSERT(stream_table_stats(table)->joined == 2);
    finish();
}

/* A hole that the receiver has acknowledged: these bytes are missing only from the capture. */
static void test_hole_acknowledged(void)
{
    start();
    send(SYN, 99, "");
    answer(SYN | ACK, 499, 100, "");
    send(ACK, 100, "abc");
    send(ACK, 110, "klm");
    answer(ACK, 500, 113, "");
    expect(1, "<abc"); /* the frame may still come: captures are not always in order */
    now += 30 * MS;
    answer(ACK, 500, 113, "");
    expect(1, "<abc#klm");
    CU_ASSERT(got.last_missing == 7);
    send(ACK, 103, "defghij");
    send(ACK, 113, "nop");
    expect(1, "<abc#klmnop");
    CU_ASSERT(stream_table_stats(table)->holes == 1);
    finish();
}

/* Any later packet of the direction shows that the time to wait for the missing bytes is over. */
static void test_hole_skipped_by_what_follows(void)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        start();
        send(SYN, 99, "");
        answer(SYN | ACK, 499, 100, "");
        send(ACK, 100, "abc");
        send(ACK, 110, "klm");
        answer(ACK, 500, 113, "");
        now += 30 * MS;
        send(ACK, ahead != 0 ? 120 : 103, "u");
        expect(1, ahead != 0 ? "<abc#klm" : "<abcu#klm");
        finish();
    }
}

static void test_acknowledged_early(void)
{
    start();
    send(SYN, 99, "");
    send(ACK, 103, "def");
    answer(ACK, 500, 106, "");
    send(ACK, 100, "abc");
    expect(1, "<abcdef");
    finish();
}

static void test_holes_at_the_end(void)
{
    start();
    send(SYN, 99, "");
    send(0, 103, "def");
    send(0, 109, "jkl");
    finish();
    expect(1, "#def#jkl");
    CU_ASSERT(got.num_ended == 1);
}

static void test_snap_length(void)
{
    start();
    send(SYN, 99, "");
    tcp_with(1, 2, 0, 100, 0, "abc", 3, 10);
    send(0, 110, "klm");
    CU_ASSERT(got.last_missing == 7);
    tcp_with(1, 2, 0, 113, 0, "", 0, 10);
    send(0, 123, "xyz");
    CU_ASSERT(got.last_missing == 10);
    tcp_with(1, 2, 0, 120, 0, "uvwx", 4, 10); /* overlaps, and is cut inside the known bytes */
    send(0, 130, "!");
    CU_ASSERT(got.last_missing == 4);
    finish();
    expect(1, "<abc#klm#xyz#!");
}

static void test_wrap(void)
{
    start();
    send(SYN, UINT32_C(0xfffffffc), "");
    send(0, 2, "fgh");
    send(0, UINT32_C(0xfffffffd), "abcde");
    expect(1, "<abcdefgh");
    finish();
}

static void test_far_away(void)
{
    start();
    send(SYN, 99, "");
    send(0, 100, "abc");
    send(0, 100 + (UINT32_C(1) << 28), "def");
    CU_ASSERT(got.last_missing == 0); /* unknown */
    send(0, 103 + (UINT32_C(1) << 28), "ghi");
    expect(1, "<abc#defghi");
    send(0, 113 + (UINT32_C(1) << 28), "qrs");
    finish();
    expect(1, "<abc#defghi#qrs");
    CU_ASSERT(got.last_missing == 7); /* known again */
    start();                          /* waiting bytes are delivered first */
    send(SYN, 99, "");
    send(0, 100, "abc");
    send(0, 110, "klm");
    send(0, 100 + (UINT32_C(1) << 28), "def");
    expect(1, "<abc#klm#def");
    finish();
}

static void test_another_connection(void)
{
    start();
    send(SYN, 99, "");
    send(SYN, 99, ""); /* repeated */
    send(0, 100, "one");
    send(SYN, 99, "");
    send(0, 103, "two");
    CU_ASSERT(got.last_id == 1);
    send(SYN, 7000, "");
    send(0, 7001, "three");
    CU_ASSERT(got.last_id == 2 && got.num_ended == 1);
    expect(1, "<onetwo<three");
    finish();
    CU_ASSERT(got.num_ended == 2);
}

static void test_reset(void)
{
    start();
    send(SYN, 99, "");
    send(0, 100, "abc");
    send(0, 106, "ghi");
    send(RST, 900000000, ""); /* outside the window: ignored */
    CU_ASSERT(got.num_ended == 0);
    send(RST, 103, "");
    expect(1, "<abc#ghi");
    CU_ASSERT(got.num_ended == 1);
    send(0, 103, "def"); /* too late */
    expect(1, "<abc#ghi");
    send(SYN, 300, "");
    send(0, 301, "again");
    expect(1, "<abc#ghi<again");
    finish();
}

/* The window starts one byte before the expected position and ends 16 MiB after it. */
static void test_reset_at_the_edge(void)
{
    static const struct {
        uint32_t seq;
        unsigned ended;
    } rows[] = {{101, 0}, {102, 1}, {102 + (UINT32_C(1) << 24), 1}, {103 + (UINT32_C(1) << 24), 0}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start();
        send(SYN, 99, "");
        send(0, 100, "abc");
        send(RST, rows[i].seq, "");
        CU_ASSERT_EQUAL(got.num_ended, rows[i].ended);
        CU_ASSERT_EQUAL(stream_table_stats(table)->tcp_streams, 1);
        CU_ASSERT_EQUAL(stream_table_stats(table)->utp_streams, 0);
        finish();
    }
}

/* A connection ends after a silence of more than idle_s seconds. */
static void test_idle_at_the_edge(void)
{
    for (unsigned late = 0; late < 2; late++) {
        start_with((stream_limits){.idle_s = 10});
        send(SYN, 99, "");
        send(0, 100, "abc");
        now += 10 * S - MS + late;
        tcp_with(1, 3, 0, 1, 0, "x", 1, 1);
        CU_ASSERT_EQUAL(got.num_ended, late);
        finish();
    }
}

/* A hole before acknowledged bytes is waited for during 20 ms. */
static void test_hole_at_the_edge(void)
{
    for (unsigned early = 0; early < 2; early++) {
        start();
        send(SYN, 99, "");
        answer(SYN | ACK, 499, 100, "");
        send(ACK, 100, "abc");
        send(ACK, 110, "klm");
        now += 20 * MS - MS - early;
        answer(ACK, 500, 110, "");
        expect(1, early ? "<abc" : "<abc#klm");
        finish();
    }
    start(); /* the acknowledgment must reach the end of the hole */
    send(SYN, 99, "");
    send(ACK, 110, "klm");
    now += 30 * MS;
    answer(ACK, 500, 109, "");
    expect(1, "");
    answer(ACK, 500, 110, "");
    expect(1, "#klm");
    finish();
    start(); /* a number without the flag ACK is no acknowledgment */
    send(SYN, UINT32_C(0x8fffffff), "");
    answer(0, 500, 0, "x");
    send(0, UINT32_C(0x9000000a), "klm");
    now += 30 * MS;
    answer(0, 501, 0, "y");
    expect(1, "");
    expect(2, "(xy");
    finish();
}

/* A distance of exactly 64 MiB is a hole, forwards and backwards; one byte more is not. */
static void test_far_away_at_the_edge(void)
{
    const uint32_t far = UINT32_C(64) << 20;
    static const char *const texts[] = {"<abc", "<abc#def"};

    for (unsigned more = 0; more < 2; more++) {
        start();
        send(SYN, 99, "");
        send(0, 100, "abc");
        send(0, 103 + far + more, "def");
        expect(1, texts[more]);
        finish();
        expect(1, "<abc#def");
        start();
        send(SYN, UINT32_C(0x9fffffff), "");
        send(0, UINT32_C(0xa0000000), "abc");
        send(0, UINT32_C(0xa0000003) - far - more, "def");
        expect(1, texts[more]);
        finish();
        expect(1, texts[more]);
    }
}

/* The end is where the last byte was delivered, not the packet with FIN. */
static void test_end_in_disorder(void)
{
    start();
    send(SYN, 99, "");
    answer(SYN | ACK, 499, 100, "");
    answer(FIN | ACK, 500, 100, "bye");
    send(FIN | ACK, 103, "def");
    CU_ASSERT(got.num_ended == 0);
    send(ACK, 100, "abc");
    expect(1, "<abcdef");
    CU_ASSERT(got.num_ended == 1);
    answer(ACK, 500, 107, "bye");
    send(ACK, 100, "abc");
    CU_ASSERT(got.num_calls == 3);
    finish();
}

/* A table that is freed while bytes still wait ends its connections, too. */
static void test_freed_early(void)
{
    start();
    send(SYN, 99, "");
    send(0, 100, "abc");
    send(0, 105, "still waiting");
    stream_table_free(table);
    stream_table_free(NULL);
    expect(1, "<abc");
    CU_ASSERT(got.num_ended == 1);
}

static void test_given_up(void)
{
    start();
    send(SYN, 99, "");
    send(0, 106, "ghi");
    got.verdict = STREAM_DONE;
    send(0, 100, "abc");
    CU_ASSERT(got.num_calls == 1 && got.num_ended == 1);
    send(0, 103, "def");
    answer(ACK, 500, 109, "not wanted");
    CU_ASSERT(got.num_calls == 1);
    got.verdict = STREAM_MORE;
    send(SYN, 5000, ""); /* but the next connection between them may be delivered */
    send(0, 5001, "new");
    CU_ASSERT(got.num_calls == 2 && stream_table_stats(table)->given_up == 1);
    finish();
}

/* After a consumer wants no more, it gets nothing more, and the memory is free for others. */
static void test_given_up_leaves_nothing(void)
{
    start_with((stream_limits){.max_bytes = 100}); /* one small segment */
    send(SYN, 99, "");
    got.verdict = STREAM_SIDE_DONE;
    send(0, 110, "xyz");
    tcp_with(1, 2, 0, 100, 0, "abc", 3, 10);
    CU_ASSERT(stream_table_stats(table)->holes == 0);
    send(RST, 110, "");
    got.verdict = STREAM_MORE;
    tcp_with(1, 3, SYN, 99, 0, "", 0, 0);
    tcp_with(1, 3, 0, 110, 0, "b", 1, 1);
    CU_ASSERT(got.num_calls == 1 && stream_table_stats(table)->overflows == 0);
    finish();
}

static void test_one_side_given_up(void)
{
    start();
    got.verdict = STREAM_SIDE_DONE;
    send(0, 100, "abc");
    send(0, 103, "def");
    got.verdict = STREAM_MORE;
    answer(0, 500, 0, "hello");
    send(0, 106, "ghi");
    answer(0, 505, 0, " there");
    expect(1, "(abc");
    expect(2, "(hello there");
    CU_ASSERT(got.num_ended == 0);
    got.verdict = STREAM_SIDE_DONE;
    answer(0, 511, 0, "!");
    CU_ASSERT(got.num_ended == 1 && stream_table_stats(table)->given_up == 1);
    finish();
}

static void test_idle(void)
{
    start_with((stream_limits){.idle_s = 10});
    send(SYN, 99, "");
    send(0, 100, "abc");
    send(0, 106, "ghi");
    now += 9 * S;
    answer(0, 500, 0, "kept alive");
    now += 9 * S;
    send(0, 103, "def");
    expect(1, "<abcdefghi");
    send(0, 112, "mno");
    now += 11 * S;
    tcp_with(1, 3, 0, 1, 0, "x", 1, 1);
    CU_ASSERT(got.num_ended == 1);
    expect(1, "<abcdefghi#mno(x");
    send(0, 115, "pqr"); /* it has not ended: joined in the middle */
    expect(1, "<abcdefghi#mno(x(pqr");
    CU_ASSERT(got.last_id == 3);
    finish();
}

static void test_evicted(void)
{
    start_with((stream_limits){.max_streams = 2});
    tcp_with(1, 2, SYN, 99, 0, "", 0, 0);
    tcp_with(1, 3, SYN, 99, 0, "", 0, 0);
    tcp_with(1, 2, 0, 100, 0, "a", 1, 1);
    tcp_with(2, 3, SYN, 99, 0, "", 0, 0); /* 1 to 3 was used least recently */
    tcp_with(1, 2, 0, 101, 0, "b", 1, 1);
    expect(1, "<ab");
    CU_ASSERT(stream_table_stats(table)->evicted == 1);
    tcp_with(1, 3, 0, 100, 0, "c", 1, 1);
    expect(1, "<ab(c");
    finish();
}

static void test_overflow(void)
{
    start_with((stream_limits){.max_waiting = 180}); /* three small segments */
    send(SYN, 99, "");
    send(0, 110, "b");
    send(0, 120, "c");
    send(0, 130, "d");
    send(0, 140, "e");
    CU_ASSERT(stream_table_stats(table)->overflows == 1);
    send(0, 141, "f");
    CU_ASSERT(got.num_calls == 5);
    finish();
    expect(1, "#b#c#d#ef");

    /* Segments that waited and were delivered free their memory. */
    start_with((stream_limits){.max_waiting = 180});
    send(SYN, 99, "");
    for (uint32_t seq = 100; seq < 100 + 4 * 1100; seq += 4) {
        send(0, seq + 3, "d");
        send(0, seq + 2, "c");
        send(0, seq, "a"); /* one byte is missing, and the bytes after it still wait */
        send(0, seq + 1, "b");
        CU_ASSERT(strcmp(got.sides[1].text, seq == 100 ? "<abcd" : "abcd") == 0);
        got.sides[1] = (side_state){.len = 0};
    }
    CU_ASSERT(stream_table_stats(table)->overflows == 0);
    finish();

    /* The segment that overflows may then be the next one, or one byte later, or known already. */
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t seqs[] = {131, 132, 101};
        static const char *const texts[] = {"#b#c#de", "#b#c#d#e", "#b#c#d"};

        start_with((stream_limits){.max_waiting = 180});
        send(SYN, 99, "");
        send(0, 110, "b");
        send(0, 120, "c");
        send(0, 130, "d");
        send(0, seqs[i], "e");
        expect(1, texts[i]);
        CU_ASSERT(stream_table_stats(table)->overflows == 1);
        finish();
    }

    /* Exactly as many bytes may wait as the limits allow, of one connection and of all. */
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t limit = 3 * ((uint32_t)sizeof(stream_segment) + 1) - i % 2;

        start_with(i < 2 ? (stream_limits){.max_waiting = limit} : (stream_limits){.max_bytes = limit});
        send(SYN, 99, "");
        send(0, 110, "b");
        send(0, 120, "c");
        send(0, 130, "d");
        CU_ASSERT(stream_table_stats(table)->overflows == i % 2);
        finish();
    }

    /* A consumer that wants no more after the waiting bytes does not get the segment that overflowed. */
    start_with((stream_limits){.max_waiting = 180});
    send(SYN, 99, "");
    got.verdict = STREAM_SIDE_DONE;
    send(0, 110, "b");
    send(0, 120, "c");
    send(0, 130, "d");
    send(0, 111, "e");
    finish();
    expect(1, "#b");
    start_with((stream_limits){.max_waiting = 180});
    send(SYN, 99, "");
    got.verdict = STREAM_SIDE_DONE;
    for (uint32_t seq = 110; seq <= 150; seq += 10) {
        send(0, seq, "x");
    }
    finish();
    expect(1, "#x");

    /* The number of small segments is bounded. */
    start();
    send(SYN, 99, "");
    for (uint32_t i = 0; i < 1024; i++) {
        send(0, 110 + 10 * i, "x");
    }
    CU_ASSERT(got.num_calls == 0);
    send(0, 20000, "y");
    CU_ASSERT(got.num_calls == 1025 && stream_table_stats(table)->overflows == 1);
    finish();

    /* The bound on all connections together. */
    start_with((stream_limits){.max_bytes = 180});
    for (unsigned to = 2; to <= 3; to++) {
        tcp_with(1, to, SYN, 99, 0, "", 0, 0);
        tcp_with(1, to, 0, 110, 0, "b", 1, 1);
        tcp_with(1, to, 0, 120, 0, "c", 1, 1);
    }
    expect(1, "#b#c");
    CU_ASSERT(stream_table_stats(table)->overflows == 1);
    finish();
}

/* Pieces of a text in random order, repeated and overlapping: the text is delivered once. */
static void test_random_order(void)
{
    uint32_t random = 88172645U;
    char text[401];

    for (size_t i = 0; i < 400; i++) {
        text[i] = (char)('a' + i % 26);
    }
    text[400] = '\0';
    for (unsigned round = 0; round < 300; round++) {
        uint32_t first = random_next(&random);
        start();
        send(SYN, first - 1, "");
        for (unsigned i = 0; i < 40; i++) {
            size_t at = random_next(&random) % 400;
            size_t len = 1 + random_next(&random) % (400 - at);
            tcp_with(1, 2, 0, first + (uint32_t)at, 0, text + at, len, len);
        }
        for (size_t at = 0; at < 400; at += 50) {
            tcp_with(1, 2, 0, first + (uint32_t)at, 0, text + at, 50, 50);
        }
        CU_ASSERT(got.sides[1].text[0] == '<' && strcmp(got.sides[1].text + 1, text) == 0);
        CU_ASSERT(stream_table_stats(table)->holes == 0);
        finish();
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(test_in_order),
        UNIT_TEST(test_out_of_order),
        UNIT_TEST(test_overlaps_while_waiting),
        UNIT_TEST(test_twice_while_waiting),
        UNIT_TEST(test_joined),
        UNIT_TEST(test_hole_acknowledged),
        UNIT_TEST(test_hole_skipped_by_what_follows),
        UNIT_TEST(test_acknowledged_early),
        UNIT_TEST(test_holes_at_the_end),
        UNIT_TEST(test_snap_length),
        UNIT_TEST(test_wrap),
        UNIT_TEST(test_far_away),
        UNIT_TEST(test_another_connection),
        UNIT_TEST(test_reset),
        UNIT_TEST(test_reset_at_the_edge),
        UNIT_TEST(test_idle_at_the_edge),
        UNIT_TEST(test_hole_at_the_edge),
        UNIT_TEST(test_far_away_at_the_edge),
        UNIT_TEST(test_end_in_disorder),
        UNIT_TEST(test_freed_early),
        UNIT_TEST(test_given_up),
        UNIT_TEST(test_given_up_leaves_nothing),
        UNIT_TEST(test_one_side_given_up),
        UNIT_TEST(test_idle),
        UNIT_TEST(test_evicted),
        UNIT_TEST(test_overflow),
        UNIT_TEST(test_random_order),
    };
    int failed;

    guard_init(&guarded, MAX_PACKET);
    failed = UNIT_RUN("stream: TCP", tests);
    guard_free(&guarded);
    return failed;
}
