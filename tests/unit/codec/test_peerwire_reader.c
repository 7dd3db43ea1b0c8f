/* test_peerwire_reader.c: messages out of streams that are cut anywhere, begin anywhere and have gaps.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/peerwire.h>

#include "unit.h"

#define MAGIC "\023BitTorrent protocol"
#define HANDSHAKE                                                                                                      \
    MAGIC "\0\0\0\0\0\x10\0\x05"                                                                                       \
          "abcdefghij0123456789-XX0001-012345678901"
#define PORT           "\0\0\0\x03\x09\x1a\xe1"
#define HAVE           "\0\0\0\x05\x04\0\0\0\x07"
#define HAVE_ALL       "\0\0\0\x01\x0e"
#define CHOKE          "\0\0\0\x01\x00"
#define UNCHOKE        "\0\0\0\x01\x01"
#define INTERESTED     "\0\0\0\x01\x02"
#define NOT_INTERESTED "\0\0\0\x01\x03"
#define BITFIELD       "\0\0\0\x03\x05\xff\xf0"
#define KEEP_ALIVE     "\0\0\0\0"
#define REQUEST        "\0\0\0\x0d\x06\0\0\0\x01\0\0\0\0\0\0\x40\0"
#define LTEP                                                                                                           \
    "\0\0\0\x12\x14\0"                                                                                                 \
    "d1:mde1:pi6881ee"
#define PEX                                                                                                            \
    "\0\0\0\x13\x14\x01"                                                                                               \
    "d5:added6:abcdefe"

/* ---- a stream that a test writes ---- */

typedef struct stream {
    uint8_t *bytes;
    size_t len;
} stream;

static stream *stream_new(void)
{
    stream *out = (stream *)calloc(1, sizeof *out);

    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    return out;
}

static void stream_free(stream *from)
{
    free(from->bytes);
    free(from);
}

static uint8_t *grow(stream *to, size_t len)
{
    to->bytes = (uint8_t *)realloc(to->bytes, to->len + len + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(to->bytes);
    to->len += len;
    return to->bytes + to->len - len;
}

static void put(stream *to, const void *bytes, size_t len)
{
    memcpy(grow(to, len), bytes, len);
}

#define PUT(to, text) put(to, text, sizeof(text) - 1)

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Bytes without meaning, as an encrypted handshake or a piece has them. */
static void put_noise(stream *to, size_t len, uint32_t seed)
{
    uint8_t *at = grow(to, len);

    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)next_random(&seed);
    }
}

/* A message with the given id and noise for a payload. */
static void put_large(stream *to, uint8_t id, uint32_t prefix, uint32_t seed)
{
    uint8_t head[5] = {(uint8_t)(prefix >> 24), (uint8_t)(prefix >> 16), (uint8_t)(prefix >> 8), (uint8_t)prefix, id};

    put(to, head, sizeof head);
    put_noise(to, prefix - 1, seed);
}

/* ---- what the reader found, as text: "begin name/length " or "begin LOST " ---- */

#define TRACE_LEN 8192

typedef struct trace {
    char text[TRACE_LEN];
    size_t len;
} trace;

static void drain(trace *to, peerwire_reader *reader)
{
    peerwire_event event;

    while (peerwire_reader_next(reader, &event)) {
        peerwire_message message;
        int n;

        if (event.type == PEERWIRE_EVENT_LOST) {
            n = snprintf(to->text + to->len, TRACE_LEN - to->len, "%llu LOST ", (unsigned long long)event.begin);
        } else {
            peerwire_message_parse(&message, event.data, event.len, NULL, NULL, NULL);
            CU_ASSERT_EQUAL(event.end - event.begin, message.wire_len);
            CU_ASSERT_EQUAL(message.whole, event.len == message.wire_len);
            CU_ASSERT(message.whole || event.len == PEERWIRE_HEAD);
            n = snprintf(to->text + to->len, TRACE_LEN - to->len, "%llu %s/%u ", (unsigned long long)event.begin,
                         peerwire_kind_name((peerwire_kind)message.kind), (unsigned)message.wire_len);
        }
        to->len += n < 0 ? 0 : (size_t)n;
        CU_ASSERT_FATAL(to->len < TRACE_LEN);
    }
}

/* Each chunk lies flush against an unreadable page, and is overwritten when it is used up. */
static void feed(trace *to, peerwire_reader *reader, guard *g, const uint8_t *bytes, size_t len)
{
    uint8_t *chunk = guard_copy(g, bytes, len);

    peerwire_reader_feed(reader, chunk, len);
    drain(to, reader);
    memset(chunk, 0x5a, len);
}

static void begin(peerwire_reader *reader, bool trusted)
{
    peerwire_reader_init(reader);
    if (trusted) {
        peerwire_reader_trust(reader);
    }
}

static void assert_read(const stream *from, const char *want, bool trusted)
{
    peerwire_reader reader;
    trace whole = {"", 0};
    guard g;
    uint32_t state = 3;

    guard_init(&g, from->len);
    begin(&reader, trusted);
    feed(&whole, &reader, &g, from->bytes, from->len);
    UNIT_TEXT(whole.text, want);

    /* byte by byte, then in random pieces of up to 1, 2, 4, ... bytes */
    for (size_t most = 1; most <= 2 * from->len; most *= 2) {
        trace cut = {"", 0};
        size_t at = 0;

        begin(&reader, trusted);
        while (at < from->len) {
            size_t n = most == 1 ? 1 : next_random(&state) % (most + 1);

            n = n > from->len - at ? from->len - at : n;
            feed(&cut, &reader, &g, from->bytes + at, n);
            at += n;
        }
        UNIT_TEXT(cut.text, want);
    }

    /* in two pieces, everywhere where that is not too much work */
    for (size_t at = 0; at <= from->len && (from->len < 4000 || at < 150); at++) {
        trace cut = {"", 0};

        begin(&reader, trusted);
        feed(&cut, &reader, &g, from->bytes, at);
        feed(&cut, &reader, &g, from->bytes + at, from->len - at);
        if (strcmp(cut.text, want) != 0) {
            UNIT_TEXT(cut.text, want);
            break;
        }
    }
    guard_free(&g);
}

static void assert_events(const stream *from, const char *want)
{
    assert_read(from, want, false);
}

static void assert_trusted(const stream *from, const char *want)
{
    assert_read(from, want, true);
}

/* ---- streams that begin with their begin ---- */

static void from_the_handshake_on(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE);
    PUT(s, LTEP);
    PUT(s, "\0\0\0\x03\x05\xff\xf0");
    PUT(s, PORT);
    PUT(s, KEEP_ALIVE);
    PUT(s, INTERESTED);
    PUT(s, PEX);
    assert_events(
        s, "0 handshake/68 68 extended/22 90 bitfield/7 97 port/7 104 keep-alive/4 108 interested/5 113 extended/23 ");
    stream_free(s);
}

static void a_handshake_alone(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE);
    s->len--;
    assert_events(s, "");
    PUT(s, "1");
    assert_events(s, "0 handshake/68 ");
    PUT(s, "\0\0\0\x05\x04\0\0\0");
    assert_events(s, "0 handshake/68 ");
    stream_free(s);
}

static void large_messages(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE);
    put_large(s, 7, 16393, 1); /* a piece: its head, then nothing */
    PUT(s, PORT);
    put_large(s, 5, PEERWIRE_MAX_WHOLE - 4, 2); /* as large as is kept */
    put_large(s, 5, PEERWIRE_MAX_WHOLE - 3, 3); /* a byte more */
    PUT(s, PORT);
    assert_events(s,
                  "0 handshake/68 68 piece/16397 16465 port/7 16472 bitfield/4096 20568 bitfield/4097 24665 port/7 ");
    stream_free(s);
}

/* What is odd but leaves no doubt where the next message begins. */
static void odd_messages_do_not_lose_step(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE);
    PUT(s, "\0\0\0\x05\x09\0\0\x1a\xe1"); /* PORT with a wrong length */
    PUT(s, "\0\0\0\x01\x09");             /* and without a port */
    PUT(s, "\0\0\0\x04\x63"
           "abc"); /* an id that nobody knows */
    PUT(s, KEEP_ALIVE KEEP_ALIVE KEEP_ALIVE KEEP_ALIVE);
    PUT(s, PORT);
    assert_events(s, "0 handshake/68 68 port/9 77 port/5 82 unknown/8 90 keep-alive/4 94 keep-alive/4 98 keep-alive/4 "
                     "102 keep-alive/4 106 port/7 ");
    stream_free(s);
}

static void nonsense_loses_step(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } nonsense[] = {
        {"\0\0\0\x02\x01\x01", 6}, /* unchoke has no payload */
        {"\x7f\0\0\0\x04", 5},     /* too long for any message */
        {"\0\x10\0\x01\x07", 5},
        {"\0\0\0\x41\x09", 5},   /* too long for a PORT that is only odd */
        {"\0\x01\0\x01\x63", 5}, /* too long for an unknown id */
        {"\023Bitter lemon is none", 21},
    };

    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        stream *s = stream_new();

        PUT(s, HANDSHAKE);
        PUT(s, HAVE);
        put(s, nonsense[i].bytes, nonsense[i].len);
        while (s->len < 100) {
            PUT(s, "\xee");
        }
        PUT(s, HAVE);
        PUT(s, KEEP_ALIVE);
        PUT(s, PORT);
        PUT(s, REQUEST);
        assert_events(s, "0 handshake/68 68 have/9 77 LOST 100 have/9 109 keep-alive/4 113 port/7 120 request/17 ");
        stream_free(s);
    }
}

/* What each message's length prefix may say, as the BEPs have it; what it may say of ids that nobody has, and of PORT,
 * which some send with a wrong length. */
static void lengths_in_step(void)
{
    static const struct {
        uint8_t id;
        const char *name;
        uint32_t min;
        uint32_t max;
    } messages[] = {
        {0, "choke", 1, 1},
        {1, "unchoke", 1, 1},
        {2, "interested", 1, 1},
        {3, "not interested", 1, 1},
        {4, "have", 5, 5},
        {5, "bitfield", 2, PEERWIRE_MAX_LEN},
        {6, "request", 13, 13},
        {7, "piece", 9, PEERWIRE_MAX_LEN},
        {8, "cancel", 13, 13},
        {9, "port", 1, 64},
        {10, "unknown", 1, 65536},
        {11, "unknown", 1, 65536},
        {12, "unknown", 1, 65536},
        {13, "suggest piece", 5, 5},
        {14, "have all", 1, 1},
        {15, "have none", 1, 1},
        {16, "reject request", 13, 13},
        {17, "allowed fast", 5, 5},
        {18, "unknown", 1, 65536},
        {19, "unknown", 1, 65536},
        {20, "extended", 2, PEERWIRE_MAX_LEN},
        {21, "hash request", 49, 49},
        {22, "hashes", 49, PEERWIRE_MAX_LEN},
        {23, "hash reject", 49, 49},
        {24, "unknown", 1, 65536},
        {255, "unknown", 1, 65536},
    };

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        const uint32_t lengths[] = {messages[i].min - 1, messages[i].min, messages[i].max, messages[i].max + 1};

        for (size_t n = lengths[0] == 0 ? 1 : 0; n < 4; n++) { /* a length of 0 is a keep-alive */
            stream *s = stream_new();
            peerwire_reader reader;
            trace found = {"", 0};
            char want[100] = "0 handshake/68 68 LOST ";
            guard g;

            PUT(s, HANDSHAKE);
            put_large(s, messages[i].id, lengths[n], 31);
            if (n == 1 || n == 2) {
                snprintf(want, sizeof want, "0 handshake/68 68 %s/%u ", messages[i].name, lengths[n] + 4);
            }
            guard_init(&g, s->len);
            peerwire_reader_init(&reader);
            feed(&found, &reader, &g, s->bytes, 68 + 6 < s->len ? 68 + 6 : s->len);
            if (lengths[n] + 4 <= PEERWIRE_MAX_WHOLE) {
                feed(&found, &reader, &g, s->bytes + 68 + 6, s->len > 68 + 6 ? s->len - 68 - 6 : 0);
            }
            UNIT_TEXT(found.text, want);
            guard_free(&g);
            stream_free(s);
        }
    }
}

/* A run begins with nothing that is only acceptable: each length of a message that is known begins one, its neighbours
 * do not. */
static void lengths_of_a_run(void)
{
    static const struct {
        uint8_t id;
        uint32_t min;
        uint32_t max;
    } messages[] = {{0, 1, 1},  {1, 1, 1},   {2, 1, 1},    {3, 1, 1},   {4, 5, 5},   {5, 2, 0},  {6, 13, 13},
                    {7, 9, 0},  {8, 13, 13}, {9, 3, 3},    {13, 5, 5},  {14, 1, 1},  {15, 1, 1}, {16, 13, 13},
                    {17, 5, 5}, {20, 2, 0},  {21, 49, 49}, {22, 49, 0}, {23, 49, 49}};

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        for (int more = messages[i].min > 1 ? -1 : 0; more <= 1; more++) {
            uint32_t len = (uint32_t)((int64_t)messages[i].min + more);
            bool good = more == 0 || (more == 1 && messages[i].max == 0);
            stream *s = stream_new();
            peerwire_reader reader;
            trace found = {"", 0};
            guard g;

            PUT(s, "the end of some piece, ");
            uint8_t head[5] = {0, 0, 0, (uint8_t)len, messages[i].id};
            put(s, head, sizeof head);
            memset(grow(s, len - 1), 0xee, len - 1);
            PUT(s, HAVE HAVE);
            guard_init(&g, s->len);
            peerwire_reader_init(&reader);
            feed(&found, &reader, &g, s->bytes, s->len);
            CU_ASSERT_EQUAL(peerwire_reader_in_step(&reader), good);
            CU_ASSERT_EQUAL(found.len > 0, good);
            guard_free(&g);
            stream_free(s);
        }
    }
}

/* A length beyond all bounds needs no fifth byte, and the first bytes of a handshake need all of it. */
static void lost_as_soon_as_it_is_certain(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE HAVE "\0\x10\0\x01");
    assert_events(s, "0 handshake/68 68 have/9 77 LOST ");
    stream_free(s);

    s = stream_new();
    PUT(s, HANDSHAKE HAVE "\023Bit");
    assert_events(s, "0 handshake/68 68 have/9 ");
    stream_free(s);
}

/* ---- streams that begin somewhere ---- */

static void a_run_of_messages(void)
{
    stream *s = stream_new();

    PUT(s, "the end of some piece, \0\0\0\x01\x02 and so on");
    PUT(s, REQUEST);
    PUT(s, HAVE);
    assert_events(s, "");
    PUT(s, "\0\0\0\x03\x09"); /* a header is enough to end the run */
    assert_events(s, "38 request/17 55 have/9 ");
    PUT(s, "\x1a\xe1");
    PUT(s, HAVE_ALL);
    assert_events(s, "38 request/17 55 have/9 64 port/7 71 have all/5 ");
    stream_free(s);
}

static void pieces_only(void)
{
    stream *s = stream_new();

    put_noise(s, 5000, 4);
    put_large(s, 7, 16393, 5);
    put_large(s, 7, 16393, 6);
    put_large(s, 7, 16393, 7);
    PUT(s, PORT);
    /* the first two are too far back when the third shows what they were */
    assert_events(s, "37794 piece/16397 54191 port/7 ");
    stream_free(s);
}

/* Keep-alives are nothing but zeros: they prove nothing, and many in a row are a run of zeros. */
static void zeros_are_no_run(void)
{
    stream *s = stream_new();

    for (int i = 0; i < 40; i++) {
        PUT(s, KEEP_ALIVE);
    }
    PUT(s, INTERESTED);
    PUT(s, KEEP_ALIVE KEEP_ALIVE KEEP_ALIVE);
    PUT(s, INTERESTED);
    PUT(s, NOT_INTERESTED);
    assert_events(s, "");
    PUT(s, HAVE);
    assert_events(s, "177 interested/5 182 not interested/5 187 have/9 ");
    stream_free(s);

    s = stream_new(); /* two in a row do not end a run, each time */
    PUT(s, "the end of some piece, ");
    PUT(s, INTERESTED KEEP_ALIVE KEEP_ALIVE NOT_INTERESTED KEEP_ALIVE KEEP_ALIVE HAVE);
    assert_events(s,
                  "23 interested/5 28 keep-alive/4 32 keep-alive/4 36 not interested/5 41 keep-alive/4 45 keep-alive/4 "
                  "49 have/9 ");
    stream_free(s);
}

/* What other protocols count looks like a choke that repeats, and what they number like a bitfield. */
static void what_no_client_sends(void)
{
    stream *s = stream_new();

    PUT(s, CHOKE CHOKE CHOKE PORT);
    assert_events(s, "");
    PUT(s, UNCHOKE); /* now it is a conversation */
    assert_events(s, "0 choke/5 5 choke/5 10 choke/5 15 port/7 22 unchoke/5 ");
    stream_free(s);

    s = stream_new();
    PUT(s, BITFIELD BITFIELD BITFIELD PORT);
    assert_events(s, "");
    PUT(s, HAVE);
    assert_events(s, "14 bitfield/7 21 port/7 28 have/9 ");
    stream_free(s);
}

static void behind_an_encrypted_handshake(void)
{
    stream *s = stream_new();

    put_noise(s, 96 + 77 + 14, 8);
    PUT(s, HANDSHAKE);
    PUT(s, LTEP);
    PUT(s, PORT);
    assert_events(s, "187 handshake/68 255 extended/22 277 port/7 ");
    stream_free(s);

    /* the other side's handshake was the encrypted part */
    s = stream_new();
    put_noise(s, 737, 9);
    PUT(s, LTEP);
    PUT(s, HAVE_ALL);
    PUT(s, PORT);
    assert_events(s, "737 extended/22 759 have all/5 764 port/7 ");
    stream_free(s);
}

static void a_handshake_in_step_begins_anew(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE);
    PUT(s, HAVE);
    PUT(s, HANDSHAKE);
    PUT(s, PORT);
    assert_events(s, "0 handshake/68 68 have/9 77 handshake/68 145 port/7 ");
    stream_free(s);

    s = stream_new();
    PUT(s, "\023Bit\023BitTorrent protoco" HANDSHAKE);
    assert_events(s, "23 handshake/68 ");
    stream_free(s);

    s = stream_new(); /* the byte that does not go on is itself the first */
    PUT(s, "\023Bit" HANDSHAKE);
    assert_events(s, "4 handshake/68 ");
    stream_free(s);
}

/* More false begins than are watched at once: those whose next message is near stay. */
static void many_false_begins(void)
{
    stream *s = stream_new();

    for (int i = 0; i < 20; i++) {
        PUT(s, "\0\x0f\xff\0\x07");
    }
    PUT(s, REQUEST);
    PUT(s, REQUEST);
    PUT(s, REQUEST);
    assert_events(s, "100 request/17 117 request/17 134 request/17 ");
    stream_free(s);
}

/* All places are taken, and the one that waits longest gives way, wherever it is: the run that began first is found. */
static void the_farthest_false_begin_gives_way(void)
{
    for (int farthest = 1; farthest < PEERWIRE_CANDIDATES; farthest++) {
        stream *s = stream_new();

        PUT(s, "\0\0\x20\x05\x07");                      /* a piece of 8201 bytes, and in it: */
        for (int i = 1; i <= PEERWIRE_CANDIDATES; i++) { /* one too many */
            put(s, i == farthest ? "\0\x0f\xff\0\x07" : "\0\0\x10\x05\x07", 5);
        }
        put_noise(s, 4 + 0x2005 - s->len, 21);
        PUT(s, HAVE);
        PUT(s, REQUEST);
        assert_events(s, "8201 have/9 8210 request/17 ");
        stream_free(s);
    }
}

/* What a run needs is kept while it may still become one, also when an older begin is watched beside it. */
static void a_run_beside_an_old_begin(void)
{
    stream *s = stream_new();

    PUT(s, "\0\0\x20\x05\x07");
    put_noise(s, 5000, 22);
    PUT(s, PORT);
    PUT(s, HAVE);
    PUT(s, REQUEST);
    assert_events(s, "5005 port/7 5012 have/9 5021 request/17 ");
    stream_free(s);
}

/* The largest length has a bit that nothing else has, and belongs to a run all the same. */
static void the_largest_message_ends_a_run(void)
{
    stream *s = stream_new();

    PUT(s, "the end of some piece, ");
    PUT(s, "\0\0\0\x05\x04\x11\x22\x33\x44"); /* no zeros that might begin something */
    PUT(s, "\0\0\0\x05\x04\x11\x22\x33\x44");
    PUT(s, "\0\x10\0\0\x07");
    assert_events(s, "23 have/9 32 have/9 ");
    stream_free(s);

    s = stream_new(); /* but begins none */
    PUT(s, "\0\x10\0\0\x07");
    assert_events(s, "");
    stream_free(s);
}

/* ---- giving up ---- */

static void gives_up(void)
{
    peerwire_reader reader;
    stream *s = stream_new();
    trace found = {"", 0};
    guard g;

    put_noise(s, 65536, 10);
    guard_init(&g, s->len);
    peerwire_reader_init(&reader);
    CU_ASSERT_FALSE(peerwire_reader_done(&reader));
    feed(&found, &reader, &g, s->bytes, 65535);
    CU_ASSERT_FALSE(peerwire_reader_done(&reader));
    CU_ASSERT_FALSE(peerwire_reader_in_step(&reader));
    feed(&found, &reader, &g, s->bytes, 1);
    CU_ASSERT_TRUE(peerwire_reader_done(&reader));
    feed(&found, &reader, &g, (const uint8_t *)HANDSHAKE, 68);
    peerwire_reader_gap(&reader, 0);
    feed(&found, &reader, &g, (const uint8_t *)HANDSHAKE, 68);
    CU_ASSERT_TRUE(peerwire_reader_done(&reader));
    UNIT_TEXT(found.text, "");
    guard_free(&g);
    stream_free(s);
}

/* A stream that was in step before gets more patience. */
static void gives_up_later(void)
{
    stream *s = stream_new();
    char want[200];

    PUT(s, HANDSHAKE);
    put_noise(s, 200000, 12);
    PUT(s, HANDSHAKE);
    snprintf(want, sizeof want, "0 handshake/68 68 LOST 200068 handshake/68 ");
    assert_events(s, want);
    stream_free(s);
}

/* ---- gaps ---- */

/* One stream with the bytes from begin to end left out; known: their number is told. */
static void assert_gap(const stream *from, size_t begin, size_t end, bool known, const char *want)
{
    guard g;

    guard_init(&g, from->len);
    for (size_t most = 1; most <= 4096; most *= 8) {
        peerwire_reader reader;
        trace found = {"", 0};

        peerwire_reader_init(&reader);
        for (size_t at = 0; at < from->len;) {
            size_t limit = at < begin ? begin : from->len;
            size_t n = limit - at < most ? limit - at : most;

            if (at == begin) {
                peerwire_reader_gap(&reader, known ? end - begin : 0);
                drain(&found, &reader);
                at = end;
                n = 0;
            }
            feed(&found, &reader, &g, from->bytes + at, n);
            at += n;
        }
        UNIT_TEXT(found.text, want);
    }
    guard_free(&g);
}

static void gaps(void)
{
    stream *s = stream_new();

    PUT(s, HANDSHAKE);
    put_large(s, 7, 16393, 13);
    PUT(s, PORT);
    PUT(s, HAVE);
    PUT(s, REQUEST);
    PUT(s, PORT);
    /* inside a piece */
    assert_gap(s, 1000, 9000, true,
               "0 handshake/68 68 piece/16397 16465 port/7 16472 have/9 16481 request/17 16498 port/7 ");
    /* up to its very end */
    assert_gap(s, 1000, 16465, true,
               "0 handshake/68 68 piece/16397 16465 port/7 16472 have/9 16481 request/17 16498 port/7 ");
    /* over its end */
    assert_gap(s, 1000, 16466, true,
               "0 handshake/68 68 piece/16397 1000 LOST 16472 have/9 16481 request/17 16498 port/7 ");
    /* a gap of unknown size counts as none in the offsets */
    assert_gap(s, 1000, 9000, false,
               "0 handshake/68 68 piece/16397 1000 LOST 8465 port/7 8472 have/9 8481 request/17 8498 port/7 ");
    /* inside a message that would have been kept */
    assert_gap(s, 16467, 16468, true,
               "0 handshake/68 68 piece/16397 16465 LOST 16472 have/9 16481 request/17 16498 port/7 ");
    /* before the begin */
    assert_gap(s, 0, 1000, true, "16465 port/7 16472 have/9 16481 request/17 16498 port/7 ");
    stream_free(s);
}

/* A run may go on behind a gap of known size, when no message of it began inside. */
static void a_run_with_a_gap(void)
{
    stream *s = stream_new();

    put_noise(s, 100, 14);
    put_large(s, 7, 16393, 15);
    put_large(s, 7, 16393, 16);
    PUT(s, PORT);
    assert_gap(s, 5000, 8000, true, "32894 port/7 ");
    assert_gap(s, 5000, 16497, true, "32894 port/7 "); /* up to where the next one begins */
    assert_gap(s, 5000, 16498, true, "");
    assert_gap(s, 5000, 8000, false, "");
    assert_gap(s, 102, 110, true, "");
    assert_gap(s, 16400, 16500, true, "");
    stream_free(s);
}

/* ---- both directions together ---- */

static void chunk_offsets(void)
{
    peerwire_reader reader;
    peerwire_event event;

    peerwire_reader_init(&reader);
    peerwire_reader_feed(&reader, HANDSHAKE "\0\0\0", 71);
    CU_ASSERT_TRUE(peerwire_reader_next(&reader, &event));
    CU_ASSERT_EQUAL(event.begin - reader.chunk_off, 0);
    CU_ASSERT_FALSE(peerwire_reader_next(&reader, &event));
    CU_ASSERT_TRUE(peerwire_reader_in_step(&reader));
    peerwire_reader_feed(&reader, "\x03\x09\x1a\xe1" PORT, 11);
    CU_ASSERT_EQUAL(reader.chunk_off, 71);
    CU_ASSERT_TRUE(peerwire_reader_next(&reader, &event));
    CU_ASSERT_EQUAL((int64_t)(event.begin - reader.chunk_off), -3);
    CU_ASSERT_EQUAL(event.end - reader.chunk_off, 4);
    CU_ASSERT_EQUAL(memcmp(event.data, PORT, 7), 0);
    CU_ASSERT_TRUE(peerwire_reader_next(&reader, &event));
    CU_ASSERT_EQUAL((int64_t)(event.begin - reader.chunk_off), 4);
    CU_ASSERT_FALSE(peerwire_reader_next(&reader, &event));
    CU_ASSERT_FALSE(peerwire_reader_next(&reader, &event));
    peerwire_reader_feed(&reader, NULL, 0);
    CU_ASSERT_FALSE(peerwire_reader_next(&reader, &event));
}

/* Streams put together at random, damaged at random: any cutting finds the same, and nothing is read beyond. */
static void random_streams(void)
{
    uint32_t state = 77;

    for (int round = 0; round < 300; round++) {
        stream *s = stream_new();
        peerwire_reader reader;
        trace whole = {"", 0};
        guard g;

        for (uint32_t n = next_random(&state) % 12; n > 0; n--) {
            switch (next_random(&state) % 8) {
            case 0:
                PUT(s, HANDSHAKE);
                break;
            case 1:
                PUT(s, PORT);
                break;
            case 2:
                put_noise(s, next_random(&state) % 300, state);
                break;
            case 3:
                put_large(s, 7, 9 + next_random(&state) % 9000, state);
                break;
            case 4:
                PUT(s, LTEP);
                break;
            case 5:
                PUT(s, KEEP_ALIVE);
                break;
            default:
                PUT(s, HAVE);
                break;
            }
        }
        for (uint32_t n = next_random(&state) % 3; s->len > 0 && n > 0; n--) {
            s->bytes[next_random(&state) % s->len] = (uint8_t)next_random(&state);
        }
        guard_init(&g, s->len);
        peerwire_reader_init(&reader);
        feed(&whole, &reader, &g, s->bytes, s->len);
        for (int cutting = 0; cutting < 8; cutting++) {
            trace cut = {"", 0};
            uint32_t most = 1u << (2 * cutting);

            peerwire_reader_init(&reader);
            for (size_t at = 0, n = 0; at < s->len; at += n) {
                n = 1 + next_random(&state) % most;
                n = n > s->len - at ? s->len - at : n;
                feed(&cut, &reader, &g, s->bytes + at, n);
            }
            UNIT_TEXT(cut.text, whole.text);
        }
        guard_free(&g);
        stream_free(s);
    }
}

/* ---- streams that are the peer wire for certain ---- */

static void trusted_from_the_begin(void)
{
    stream *s = stream_new();

    PUT(s, PORT);
    assert_events(s, "");
    assert_trusted(s, "0 port/7 ");
    PUT(s, "\0\0\0\x05\x09\0\0\x1a\xe1"); /* in step, what is odd is taken as from others */
    assert_trusted(s, "0 port/7 7 port/9 ");
    PUT(s, "nonsense");
    PUT(s, HAVE);
    assert_trusted(s, "0 port/7 7 port/9 16 LOST ");
    PUT(s, PORT);
    assert_trusted(s, "0 port/7 7 port/9 16 LOST 24 have/9 33 port/7 ");
    stream_free(s);
}

/* Not where the bytes begin, one message may be chance. */
static void trusted_in_the_middle(void)
{
    stream *s = stream_new();

    put_noise(s, 100000, 4); /* farther than others search */
    PUT(s, PORT);
    assert_trusted(s, "");
    PUT(s, KEEP_ALIVE);
    PUT(s, HAVE);
    assert_trusted(s, "100000 port/7 100007 keep-alive/4 100011 have/9 ");
    stream_free(s);
}

static void trusted_behind_a_gap(void)
{
    static const uint8_t port[] = PORT;
    peerwire_reader reader;
    trace found = {"", 0};
    guard g;

    guard_init(&g, sizeof port);
    for (int trusted = 0; trusted < 2; trusted++) {
        begin(&reader, trusted != 0);
        feed(&found, &reader, &g, (const uint8_t *)"xyz", 3);
        peerwire_reader_gap(&reader, 1000);
        feed(&found, &reader, &g, port, sizeof port - 1);
        CU_ASSERT(!peerwire_reader_done(&reader));
    }
    UNIT_TEXT(found.text, "1003 port/7 ");
    guard_free(&g);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(from_the_handshake_on),
        UNIT_TEST(a_handshake_alone),
        UNIT_TEST(large_messages),
        UNIT_TEST(odd_messages_do_not_lose_step),
        UNIT_TEST(nonsense_loses_step),
        UNIT_TEST(lengths_in_step),
        UNIT_TEST(lengths_of_a_run),
        UNIT_TEST(lost_as_soon_as_it_is_certain),
        UNIT_TEST(a_run_of_messages),
        UNIT_TEST(pieces_only),
        UNIT_TEST(zeros_are_no_run),
        UNIT_TEST(what_no_client_sends),
        UNIT_TEST(behind_an_encrypted_handshake),
        UNIT_TEST(a_handshake_in_step_begins_anew),
        UNIT_TEST(many_false_begins),
        UNIT_TEST(the_farthest_false_begin_gives_way),
        UNIT_TEST(a_run_beside_an_old_begin),
        UNIT_TEST(the_largest_message_ends_a_run),
        UNIT_TEST(gives_up),
        UNIT_TEST(gives_up_later),
        UNIT_TEST(gaps),
        UNIT_TEST(a_run_with_a_gap),
        UNIT_TEST(chunk_offsets),
        UNIT_TEST(random_streams),
        UNIT_TEST(trusted_from_the_begin),
        UNIT_TEST(trusted_in_the_middle),
        UNIT_TEST(trusted_behind_a_gap),
    };

    return UNIT_RUN("peerwire reader", tests);
}
