/* test_packet_matcher.c: which packets of two captures are one, also where packets are lost, clocks differ, and several
 * hosts send the same bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <glib.h>

#include "command/packet_matcher.h"

#define MS       INT64_C(1000000)
#define HOST_A   1, 1000 /* inside */
#define HOST_B   2, 1000
#define NAT_A    9, 5001 /* their outside endpoints */
#define NAT_B    9, 5002
#define REMOTE   20, 6881
#define NUM_SEEN 16 /* payloads that show a mapping */

static packet_matcher *matcher;
static unsigned num_pairs, num_wrong, num_alone;

static krpc_endpoint endpoint_of(uint8_t last, uint16_t port)
{
    krpc_endpoint out;
    const uint8_t addr[4] = {192, 0, 2, last};

    krpc_endpoint_set(&out, addr, 4, port);
    return out;
}

/* NAT_A is of HOST_A, NAT_B of HOST_B; others have themselves. */
static bool is_right(const packet_pair *found)
{
    const krpc_endpoint hosts[2] = {endpoint_of(HOST_A), endpoint_of(HOST_B)};
    const krpc_endpoint outside[2] = {endpoint_of(NAT_A), endpoint_of(NAT_B)};
    const krpc_endpoint *in = found->goes_out ? &found->inside->where.src : &found->inside->where.dst;
    const krpc_endpoint *out = found->goes_out ? &found->outside->where.src : &found->outside->where.dst;

    for (unsigned i = 0; i < 2; i++) {
        if (krpc_endpoint_equal(in, &hosts[i]) && krpc_endpoint_equal(out, &outside[i])) {
            return true;
        }
    }
    return krpc_endpoint_equal(in, out);
}

static void count_pair(void *ctx, const packet_pair *found)
{
    (void)ctx;
    num_pairs++;
    num_wrong += !is_right(found);
}

static void count_alone(void *ctx, const packet_matcher_packet *packet)
{
    (void)ctx;
    (void)packet;
    num_alone++;
}

static void begin(void)
{
    const packet_matcher_visitor visitor = {count_pair, count_alone, NULL};

    num_pairs = num_wrong = num_alone = 0;
    matcher = packet_matcher_new(&visitor);
}

static void end(void)
{
    packet_matcher_finish(matcher);
    packet_matcher_free(matcher);
    CU_ASSERT_EQUAL(num_wrong, 0);
}

static void add_stream(bool is_outside, int64_t time_ns, krpc_endpoint src, krpc_endpoint dst, unsigned payload,
                       uint8_t protocol, uint32_t seq)
{
    uint8_t data[PACKET_MATCHER_MIN_LEN] = {(uint8_t)payload, (uint8_t)(payload >> 8)};
    const run_packet packet = {.where = {.frame = 1, .time_ns = time_ns, .src = src, .dst = dst},
                               .data = data,
                               .len = sizeof data,
                               .wire_len = sizeof data,
                               .tcp_seq = seq,
                               .protocol = protocol,
                               .has_time = true};

    packet_matcher_add(matcher, &packet, is_outside);
}

static void add(bool is_outside, int64_t time_ns, krpc_endpoint src, krpc_endpoint dst, unsigned payload)
{
    add_stream(is_outside, time_ns, src, dst, payload, FRAME_UDP, 0);
}

/* Queries that show the mapping of A (B), the outside ones later by shift_ns. */
static void show(bool of_b, int64_t shift_ns)
{
    krpc_endpoint inside = of_b ? endpoint_of(HOST_B) : endpoint_of(HOST_A);
    krpc_endpoint outside = of_b ? endpoint_of(NAT_B) : endpoint_of(NAT_A);

    for (unsigned i = 0; i < NUM_SEEN; i++) {
        add(false, 500 * MS * i, inside, endpoint_of(REMOTE), (of_b ? 200 : 100) + i);
        add(true, 500 * MS * i + shift_ns, outside, endpoint_of(REMOTE), (of_b ? 200 : 100) + i);
    }
}

static void clocks_differ(void)
{
    static const int64_t shifts[] = {0, 500 * MS, 3000 * MS, -3000 * MS, 3600000 * MS};

    for (unsigned i = 0; i < G_N_ELEMENTS(shifts); i++) {
        begin();
        show(false, shifts[i]);
        show(true, shifts[i]);
        for (unsigned k = 0; k < 4; k++) { /* the same bytes from both hosts, 500 ms apart */
            add(false, 500 * MS * k, k % 2 == 0 ? endpoint_of(HOST_A) : endpoint_of(HOST_B), endpoint_of(REMOTE), 1);
            add(true, 500 * MS * k + shifts[i], k % 2 == 0 ? endpoint_of(NAT_A) : endpoint_of(NAT_B),
                endpoint_of(REMOTE), 1);
        }
        end();
        CU_ASSERT_EQUAL(num_pairs, 2 * NUM_SEEN + 4);
        CU_ASSERT_EQUAL(num_alone, 0);
    }
}

static void order_of_records(void)
{
    begin();
    show(false, 0);
    show(true, 0);
    add(true, 3 * MS, endpoint_of(REMOTE), endpoint_of(NAT_B), 1);
    add(true, 0, endpoint_of(REMOTE), endpoint_of(NAT_A), 1);
    add(false, 0, endpoint_of(REMOTE), endpoint_of(HOST_A), 1);
    add(false, 3 * MS, endpoint_of(REMOTE), endpoint_of(HOST_B), 1);
    end();
    CU_ASSERT_EQUAL(num_pairs, 2 * NUM_SEEN + 2);
}

/* The same bytes at the same time: only what other payloads connect is a pair. */
static void same_bytes(void)
{
    for (unsigned shown = 0; shown < 2; shown++) {
        begin();
        if (shown) {
            show(false, 0);
            show(true, 0);
        }
        add(false, 0, endpoint_of(HOST_A), endpoint_of(REMOTE), 1);
        add(false, 0, endpoint_of(HOST_B), endpoint_of(REMOTE), 1);
        add(true, 0, endpoint_of(NAT_B), endpoint_of(REMOTE), 1);
        add(true, 0, endpoint_of(NAT_A), endpoint_of(REMOTE), 1);
        end();
        CU_ASSERT_EQUAL(num_pairs, shown ? 2 * NUM_SEEN + 2 : 0);
        CU_ASSERT_EQUAL(num_alone, shown ? 0 : 4);
    }
}

/* A remote node sent the same bytes to both hosts; one copy is lost on each side. */
static void lost(void)
{
    for (unsigned shown = 0; shown < 2; shown++) {
        begin();
        if (shown) {
            show(true, 0);
        }
        for (unsigned i = 0; i < 4; i++) { /* no second side */
            add(false, 100 * MS * i, endpoint_of(HOST_A), endpoint_of(REMOTE), 10 + i);
            add(true, 100 * MS * i, endpoint_of(NAT_B), endpoint_of(REMOTE), 20 + i);
        }
        add(false, 0, endpoint_of(REMOTE), endpoint_of(HOST_A), 1);
        add(true, 0, endpoint_of(REMOTE), endpoint_of(NAT_B), 1);
        end();
        CU_ASSERT_EQUAL(num_pairs, shown ? NUM_SEEN : 0);
    }
}

/* B has no NAT. The outside copy of its packet is lost, and so is the inside copy of the equal packet of host 3. */
static void unchanged(void)
{
    begin();
    for (uint8_t host = 2; host <= 3; host++) {
        for (unsigned side = 0; side < 2; side++) {
            add(side, 0, endpoint_of(host, 1000), endpoint_of(REMOTE), 10 + host);
        }
    }
    add(false, 500 * MS, endpoint_of(2, 1000), endpoint_of(REMOTE), 1);
    add(true, 500 * MS, endpoint_of(3, 1000), endpoint_of(REMOTE), 1);
    add(false, 500 * MS, endpoint_of(21, 1), endpoint_of(2, 2000), 2);
    add(true, 500 * MS, endpoint_of(21, 1), endpoint_of(3, 2000), 2);
    end();
    CU_ASSERT_EQUAL(num_pairs, 2);
    CU_ASSERT_EQUAL(num_alone, 4);
}

static void whole_seconds(void)
{
    begin();
    for (unsigned i = 0; i < NUM_SEEN; i++) {
        add(false, 1000 * MS * i, endpoint_of(HOST_A), endpoint_of(REMOTE), 100 + i);
        add(true, 1000 * MS * i, endpoint_of(NAT_A), endpoint_of(REMOTE), 100 + i);
    }
    /* A's packet crossed the NAT as a second ended, B's one was a little later */
    add(false, 1000 * MS, endpoint_of(HOST_A), endpoint_of(REMOTE), 1);
    add(true, 2000 * MS, endpoint_of(NAT_A), endpoint_of(REMOTE), 1);
    add(false, 2000 * MS, endpoint_of(HOST_B), endpoint_of(REMOTE), 1);
    add(true, 2000 * MS, endpoint_of(NAT_B), endpoint_of(REMOTE), 1);
    end();
    CU_ASSERT_EQUAL(num_pairs, NUM_SEEN + 1);
}

static void tcp_sequence(void)
{
    for (unsigned same = 0; same < 2; same++) {
        begin();
        add_stream(false, 0, endpoint_of(HOST_A), endpoint_of(REMOTE), 1, FRAME_TCP, 7);
        add_stream(false, 0, endpoint_of(HOST_B), endpoint_of(REMOTE), 1, FRAME_TCP, 8);
        add_stream(true, 0, endpoint_of(NAT_B), endpoint_of(REMOTE), 1, FRAME_TCP, 8);
        add_stream(true, 0, endpoint_of(NAT_A), endpoint_of(REMOTE), 1, FRAME_TCP, same ? 7 : 9);
        end();
        CU_ASSERT_EQUAL(num_pairs, same ? 2 : 1);
    }
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(clocks_differ), UNIT_TEST(order_of_records), UNIT_TEST(same_bytes),
                               UNIT_TEST(lost),          UNIT_TEST(unchanged),        UNIT_TEST(whole_seconds),
                               UNIT_TEST(tcp_sequence)};

    return UNIT_RUN("packet_matcher", tests);
}
