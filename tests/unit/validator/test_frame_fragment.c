/* test_frame_fragment.c: datagrams out of their fragments, in any order, refused, and within bounds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guard.h"

#include "frame/frame_fragment.h"
#include "unit.h"

#define MAX_FRAME       4096

/* Fragments go from 192.0.2.1 to 198.51.100.2, or from 2001:db8::1 to 2001:db8::2. */
#define ADDR4           "\xc0\x00\x02\x01\xc6\x33\x64\x02"
#define OUTER4          "\xcb\x00\x71\x01\xcb\x00\x71\x02"
#define A6              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define B6              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define FRAGMENT4(l, f) "\x45\0\0" l "\0\x07" f "\x40\x11\0\0" ADDR4
#define FRAGMENT6(l, f) "\x60\0\0\0\0" l "\x2c\x40" A6 B6 "\x11\0" f "\0\0\0\x09"

static guard guarded;

/* A UDP datagram of 24 bytes in three pieces. */
#define WHOLE_PAYLOAD "d1:rde1:t2:aa1:y"
#define WHOLE_UDP     "\x1a\xe1\xc8\xd5\0\x18\0\0" WHOLE_PAYLOAD
static const char *const pieces4[] = {FRAGMENT4("\x1c", "\x20\0") "\x1a\xe1\xc8\xd5\0\x18\0\0",
                                      FRAGMENT4("\x1c", "\x20\x01") "d1:rde1:", FRAGMENT4("\x1c", "\0\x02") "t2:aa1:y"};
static const char *const pieces6[] = {FRAGMENT6("\x10", "\0\x01") "\x1a\xe1\xc8\xd5\0\x18\0\0",
                                      FRAGMENT6("\x10", "\0\x09") "d1:rde1:", FRAGMENT6("\x10", "\0\x10") "t2:aa1:y"};
#define PIECE4_LEN 28
#define PIECE6_LEN 56

static frame_status add(frame_fragments *fragments, frame_datagram *d, const char *piece, size_t len, int64_t time_s)
{
    return frame_fragments_parse(fragments, d, FRAME_LINK_IP, guard_copy(&guarded, piece, len), (uint32_t)len,
                                 (uint32_t)len, time_s * 1000000000);
}

static void check_whole(const frame_datagram *d, frame_status status)
{
    CU_ASSERT_FATAL(status == FRAME_DATAGRAM);
    CU_ASSERT(d->protocol == FRAME_UDP && d->src.port == 6881 && d->payload_len == 16);
    CU_ASSERT(memcmp(d->data + d->payload_off, WHOLE_PAYLOAD, 16) == 0);
}

static void test_orders(void)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    frame_fragments *fragments = frame_fragments_new(8, 1 << 20);
    frame_datagram d;

    for (unsigned i = 0; i < 6; i++) {
        const unsigned *order = orders[i];
        CU_ASSERT(add(fragments, &d, pieces4[order[0]], PIECE4_LEN, 0) == FRAME_FRAGMENT);
        CU_ASSERT(add(fragments, &d, pieces6[order[0]], PIECE6_LEN, 0) == FRAME_FRAGMENT);
        CU_ASSERT(add(fragments, &d, pieces4[order[1]], PIECE4_LEN, 0) == FRAME_FRAGMENT);
        CU_ASSERT(add(fragments, &d, pieces4[order[1]], PIECE4_LEN, 0) == FRAME_FRAGMENT); /* captured twice */
        CU_ASSERT(add(fragments, &d, pieces6[order[1]], PIECE6_LEN, 0) == FRAME_FRAGMENT);
        check_whole(&d, add(fragments, &d, pieces4[order[2]], PIECE4_LEN, 0));
        check_whole(&d, add(fragments, &d, pieces6[order[2]], PIECE6_LEN, 0));
    }
    CU_ASSERT(frame_fragments_stats(fragments)->whole == 12);
    CU_ASSERT(frame_fragments_stats(fragments)->overlapping == 0);
    frame_fragments_free(fragments);
}

static void test_refused(void)
{
    frame_fragments *fragments = frame_fragments_new(8, 1 << 20);
    const frame_fragment_stats *stats = frame_fragments_stats(fragments);
    frame_datagram d;

    /* The same place told in two ways, or half of it: the datagram is lost, and what follows of it as well. */
    CU_ASSERT(add(fragments, &d, pieces4[0], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1c", "\x20\0") "\xff\xff\xc8\xd5\0\x18\0\0", 28, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->overlapping == 1);
    CU_ASSERT(add(fragments, &d, pieces4[1], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, pieces4[2], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    frame_fragments_finish(fragments);
    CU_ASSERT(add(fragments, &d, pieces4[0], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x24", "\x20\0") WHOLE_UDP, 36, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->overlapping == 2);
    frame_fragments_finish(fragments);

    /* Behind the end; another end; a piece of 7 bytes before the last one; past 65535. */
    CU_ASSERT(add(fragments, &d, pieces4[2], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1c", "\x20\x03") "12345678", 28, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->malformed == 1);
    frame_fragments_finish(fragments);
    CU_ASSERT(add(fragments, &d, pieces4[2], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1c", "\0\x01") "12345678", 28, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->malformed == 2);
    frame_fragments_finish(fragments);
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1b", "\x20\0") "1234567", 27, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->malformed == 3);
    frame_fragments_finish(fragments);
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1c", "\x1f\xff") "12345678", 28, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->malformed == 4);
    frame_fragments_finish(fragments);
    /* With its header; that of IPv6 does not count. */
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1c", "\x1f\xfe") "12345678", 28, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->malformed == 5 && stats->expired == 0);
    frame_fragments_finish(fragments);
    CU_ASSERT(add(fragments, &d, FRAGMENT6("\x10", "\xff\xf0") "1234567", 56, 0) == FRAME_FRAGMENT);
    CU_ASSERT(stats->malformed == 5);
    frame_fragments_finish(fragments);
    CU_ASSERT(stats->expired == 1);

    /* Cut by the snap length: the rest is no use. */
    CU_ASSERT(frame_fragments_parse(fragments, &d, FRAME_LINK_IP, (const uint8_t *)pieces4[0], 24, 28, 0) ==
              FRAME_FRAGMENT);
    CU_ASSERT(stats->cut == 1);
    frame_fragments_finish(fragments);
    CU_ASSERT(frame_fragments_parse(fragments, &d, FRAME_LINK_IP, (const uint8_t *)pieces4[0], 27, 28, 0) ==
              FRAME_FRAGMENT);
    CU_ASSERT(stats->cut == 2 && stats->whole == 0 && stats->expired == 1);
    frame_fragments_free(fragments);
}

static void test_bounds(void)
{
    frame_fragments *fragments = frame_fragments_new(2, 1 << 20);
    frame_datagram d;

    /* A minute is too long. */
    CU_ASSERT(add(fragments, &d, pieces4[0], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, pieces4[1], PIECE4_LEN, 61) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, pieces4[2], PIECE4_LEN, 61) == FRAME_FRAGMENT);
    CU_ASSERT(frame_fragments_stats(fragments)->expired == 1);
    /* The third datagram pushes the oldest one out. */
    for (unsigned id = 1; id <= 3; id++) {
        char piece[PIECE6_LEN + 1];
        memcpy(piece, pieces6[0], PIECE6_LEN);
        piece[47] = (char)id;
        CU_ASSERT(add(fragments, &d, piece, PIECE6_LEN, 62) == FRAME_FRAGMENT);
    }
    CU_ASSERT(frame_fragments_stats(fragments)->evicted == 2);
    frame_fragments_free(fragments);

    /* Room for one datagram of a page: another one takes it. */
    fragments = frame_fragments_new(100, 5000);
    CU_ASSERT(add(fragments, &d, pieces4[0], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, pieces6[0], PIECE6_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(frame_fragments_stats(fragments)->evicted == 1);
    CU_ASSERT(add(fragments, &d, pieces6[1], PIECE6_LEN, 0) == FRAME_FRAGMENT);
    check_whole(&d, add(fragments, &d, pieces6[2], PIECE6_LEN, 0));
    /* One that lies too far behind for the room there is. */
    CU_ASSERT(add(fragments, &d, FRAGMENT4("\x1c", "\x24\0") "12345678", 28, 0) == FRAME_FRAGMENT);
    CU_ASSERT(frame_fragments_stats(fragments)->evicted == 2);
    frame_fragments_free(fragments);
    frame_fragments_free(NULL);
}

/* A datagram in 256 pieces is whole, with the last one first or not; one in more of them is refused. */
static void test_many_pieces(void)
{
    for (unsigned num = 256; num <= 257; num++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            frame_fragments *fragments = frame_fragments_new(8, 1 << 20);
            const frame_fragment_stats *stats = frame_fragments_stats(fragments);
            frame_datagram d;

            for (unsigned i = 0; i < num; i++) {
                unsigned place = turn == 0 ? i : num - 1 - i;
                uint8_t piece[PIECE4_LEN];

                memcpy(piece, pieces4[0], PIECE4_LEN);
                piece[6] = (uint8_t)((place < num - 1 ? 0x20 : 0) | place >> 8);
                piece[7] = (uint8_t)place;
                piece[24] = (uint8_t)(num * 8 >> 8);
                piece[25] = (uint8_t)(num * 8);
                if (place > 0) {
                    memset(piece + 20, 'a' + (int)(place % 26), 8);
                }
                frame_status status = add(fragments, &d, (const char *)piece, sizeof piece, 0);
                CU_ASSERT_EQUAL(status, num == 256 && i == num - 1 ? FRAME_DATAGRAM : FRAME_FRAGMENT);
            }
            CU_ASSERT(stats->malformed == num - 256 && stats->whole == 257 - num);
            for (unsigned i = 8; num == 256 && i < num * 8; i++) {
                CU_ASSERT_EQUAL(d.data[d.payload_off + i - 8], 'a' + i / 8 % 26);
            }
            frame_fragments_free(fragments);
        }
    }
}

/* A tunnel in fragments, and in it fragments again. */
static void test_tunnel(void)
{
    frame_fragments *fragments = frame_fragments_new(8, 1 << 20);
    uint8_t outer[20 + PIECE4_LEN];
    frame_datagram d;

    CU_ASSERT(add(fragments, &d, pieces4[0], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    CU_ASSERT(add(fragments, &d, pieces4[1], PIECE4_LEN, 0) == FRAME_FRAGMENT);
    memcpy(outer, "\x45\0\0\x2c\0\x09\x20\0\x40\x04\0\0" OUTER4, 20);
    memcpy(outer + 20, pieces4[2], 24);
    CU_ASSERT(add(fragments, &d, (char *)outer, 44, 0) == FRAME_FRAGMENT);
    memcpy(outer, "\x45\0\0\x18\0\x09\0\x03\x40\x04\0\0" OUTER4, 20);
    memcpy(outer + 20, pieces4[2] + 24, 4);
    check_whole(&d, add(fragments, &d, (char *)outer, 24, 0));
    frame_fragments_free(fragments);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(test_orders),      UNIT_TEST(test_refused), UNIT_TEST(test_bounds),
        UNIT_TEST(test_many_pieces), UNIT_TEST(test_tunnel),
    };
    int failed;

    guard_init(&guarded, MAX_FRAME);
    failed = UNIT_RUN("frame_fragment", tests);
    guard_free(&guarded);
    return failed;
}
