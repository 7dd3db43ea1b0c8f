/* test_tracker.c: queries and their responses.
 *
 * SPDX-License-Identifier: MIT
 */
#include "scene.h"

#define A "192.0.2.1:6881"
#define B "198.51.100.2:7000"

static void reply_finds_its_query(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, GET_PEERS, .target = "h");
    CU_ASSERT_EQUAL(s.result.method, KRPC_METHOD_GET_PEERS);
    CU_ASSERT_EQUAL(s.result.request_frame, 0);
    SAY(&s, B, A, .nodes = "203.0.113.1:1000");
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(s.result.rtt_ns, 10 * MS);
    CU_ASSERT_EQUAL(s.result.method, KRPC_METHOD_GET_PEERS);
    CU_ASSERT(s.result.has_target && s.result.target[19] == 'h');
    CU_ASSERT_EQUAL(s.result.asked.port, 7000);
    CU_ASSERT_EQUAL(stats_of(&s).matched, 1);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 0);
    scene_end(&s);
}

static void reply_from_another_port(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    SAY(&s, "198.51.100.2:7001", A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_PORT), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REPLY_OTHER_PORT).a, query);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REPLY_OTHER_PORT).b, 7000);
    scene_end(&s);
}

/* A transaction id of one byte, as rTorrent has, is too short: one response in 256 would fit by chance. */
static void one_byte_proves_no_other_port(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING, .t = "x");
    SAY(&s, "198.51.100.2:7001", A, .t = "x", .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, 0);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_PORT), 0);
    scene_end(&s);
}

/* Two nodes at one address got queries with the same transaction id: each response is matched with the query to its
 * port. */
static void each_port_answers_its_own_query(void)
{
    scene s;
    uint32_t first, second;

    scene_begin(&s);
    first = SAY(&s, A, "198.51.100.2:7000", PING);
    second = SAY(&s, A, "198.51.100.2:7001", PING);
    SAY(&s, "198.51.100.2:7001", A, .id = 'c');
    CU_ASSERT_EQUAL(s.result.request_frame, second);
    SAY(&s, "198.51.100.2:7000", A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, first);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_PORT), 0);
    scene_end(&s);
}

/* Of two queries with the same id to the same address, one is answered already: the response is to the other one. */
static void another_port_answers_the_open_query(void)
{
    scene s;
    uint32_t second;

    scene_begin(&s);
    SAY(&s, A, "198.51.100.2:7000", PING);
    second = SAY(&s, A, "198.51.100.2:7001", PING);
    SAY(&s, "198.51.100.2:7009", A, .id = 'd');
    CU_ASSERT_EQUAL(s.result.request_frame, 0); /* it may answer either one */
    SAY(&s, "198.51.100.2:7000", A, .id = 'b');
    SAY(&s, "198.51.100.2:7009", A, .id = 'd');
    CU_ASSERT_EQUAL(s.result.request_frame, second);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_PORT), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REPLY_OTHER_PORT).b, 7001);
    scene_end(&s);
}

static void reply_from_another_address(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    SAY(&s, "203.0.113.9:7000", A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), 1);
    CU_ASSERT_EQUAL(LAST(&s, NAT_REPLY_OTHER_ADDR).a, query);
    scene_end(&s);
}

/* Near miss: with two queries of that id, it is unknown which one is answered. */
static void another_address_must_be_unique(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING);
    SAY(&s, A, "198.51.100.3:7000", PING);
    SAY(&s, "203.0.113.9:7000", A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, 0);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), 0);
    scene_end(&s);
}

static void repetitions(void)
{
    scene s;
    uint32_t query, reply;

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    SAY(&s, A, B, PING);
    CU_ASSERT_EQUAL(s.result.repeats, query);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_RETRANSMISSION), 1);
    reply = SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.repeats, reply);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_DUPLICATE_RESPONSE), 1);
    /* the same id after the response, or with another method, is a new query */
    query = SAY(&s, A, B, PING);
    CU_ASSERT_EQUAL(s.result.repeats, 0);
    SAY(&s, A, B, FIND_NODE, .target = "x");
    CU_ASSERT_EQUAL(s.result.repeats, 0);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_RETRANSMISSION), 1);
    query = SAY(&s, A, B, FIND_NODE, .target = "y");
    CU_ASSERT_EQUAL(s.result.repeats, 0);
    SAY(&s, A, B, FIND_NODE, .target = "y");
    CU_ASSERT_EQUAL(s.result.repeats, query);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_RETRANSMISSION), 2);
    scene_end(&s);
}

/* The same id again after the response: nothing of the first query is in the second response's result. */
static void one_id_for_one_query_after_the_other(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    SAY(&s, A, B, FIND_NODE, .target = "x", .token = "t");
    SAY(&s, B, A, .id = 'b', .nodes = "203.0.113.1:1000");
    CU_ASSERT(s.result.has_target);
    query = SAY(&s, A, B, PING);
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(s.result.repeats, 0);
    CU_ASSERT_EQUAL(s.result.method, KRPC_METHOD_PING);
    CU_ASSERT_FALSE(s.result.has_target);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_DUPLICATE_RESPONSE), 0);
    CU_ASSERT_EQUAL(stats_of(&s).matched, 2);
    SAY(&s, A, B, PING); /* and this one is never answered */
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 1);
    scene_end(&s);
}

/* After the response, another response from another address answers no query. */
static void another_address_after_the_answer(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING);
    SAY(&s, B, A, .id = 'b');
    SAY(&s, "203.0.113.9:7000", A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, 0);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), 0);
    SAY(&s, A, B, PING, .t = "x"); /* one byte is too short */
    SAY(&s, "203.0.113.9:7000", A, .t = "x", .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, 0);
    SAY(&s, A, B, PING, .t = "xy");
    SAY(&s, "203.0.113.9:7000", A, .t = "xy", .id = 'b');
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_ADDR), 1);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_REPLY_OTHER_PORT), 0);
    CU_ASSERT_EQUAL(s.result.asked.port, 7000);
    scene_end(&s);
}

/* Ids of any length are distinguished, also by their length. */
static void ids_of_any_length(void)
{
    static const char *const ids[] = {"a",
                                      "aa",
                                      "aaa",
                                      "aaaaaa",
                                      "aaaaaaa",
                                      "aaaaaaaa",
                                      "aaaaaaai",
                                      "aaaaaaaab",
                                      "baaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaab"};
    scene s;
    uint32_t frames[11];

    scene_begin(&s);
    for (int i = 0; i < 11; i++) {
        frames[i] = SAY(&s, A, B, PING, .t = ids[i]);
    }
    for (int i = 0; i < 11; i++) {
        SAY(&s, B, A, .t = ids[i], .id = 'b');
        CU_ASSERT_EQUAL(s.result.request_frame, frames[i]);
    }
    CU_ASSERT_EQUAL(stats_of(&s).matched, 11);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 0);
    scene_end(&s);
}

static void late_and_unanswered(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    s.now += 16 * SECONDS;
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_LATE_RESPONSE), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_LATE_RESPONSE).a, 16010);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_LATE_RESPONSE).b, query);
    SAY(&s, A, B, PING, .t = "bb");
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 1);
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 2);
    scene_end(&s);
}

/* A node that sends another query with the same id no longer waits for the first response: nothing was dropped for lack
 * of memory. */
static void given_up_is_not_dropped(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING);
    SAY(&s, A, B, FIND_NODE, .target = "x");
    SAY(&s, B, A, .id = 'b', .nodes = "203.0.113.1:1000");
    CU_ASSERT_EQUAL(s.result.request_frame, 2);
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 1);
    CU_ASSERT_EQUAL(stats_of(&s).dropped_transactions, 0);
    scene_end(&s);
    scene_begin(&s);
    SAY(&s, A, B, PING); /* the only one there is */
    tracker_finish(s.t);
    CU_ASSERT_EQUAL(stats_of(&s).unanswered, 1);
    scene_end(&s);
}

static void unsolicited_only_where_the_query_would_be_here(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, B, A, .t = "zz", .id = 'b'); /* the query may be older than the capture */
    SAY(&s, A, B, PING);
    s.now += 20 * SECONDS;
    SAY(&s, B, "192.0.2.77:1", .t = "zz", .id = 'b'); /* the capture has no packets that this node sends */
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), 0);
    SAY(&s, B, A, .t = "zz", .id = 'b');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), 1);
    SAY(&s, B, A, .t = "zzz", .id = 'b');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_WRONG_T_LENGTH), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_WRONG_T_LENGTH).a, 3);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_WRONG_T_LENGTH).b, 2);
    SAY(&s, A, B, PING, .t = "cccc"); /* now it has two lengths */
    SAY(&s, B, A, .t = "zzz", .id = 'b');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_WRONG_T_LENGTH), 1);
    scene_end(&s);
}

/* A NAT on the receiver's path changes nothing. */
static void a_wrong_length_behind_a_nat(void)
{
    scene s;

    scene_begin(&s);
    ping_seen(&s, "192.168.1.2:6881", B, "203.0.113.9:40001");
    ping_seen(&s, "192.168.1.2:6881", B, "203.0.113.9:40001");
    s.now += 20 * SECONDS;
    SAY(&s, B, "192.168.1.2:6881", .t = "zz", .id = 'r');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_WRONG_T_LENGTH), 1);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_UNSOLICITED), 0);
    scene_end(&s);
}

/* With little memory, the query that has waited longest is dropped: of a set of eight, the last eight are known. */
static void the_last_queries_are_known(void)
{
    tracker_options options;
    scene s;
    uint32_t frames[200];
    char t[5];

    memset(&options, 0, sizeof options);
    options.max_transactions = 64;
    scene_begin_with(&s, &options);
    s.step = SECONDS;
    for (int i = 0; i < 200; i++) {
        snprintf(t, sizeof t, "%04d", i);
        frames[i] = SAY(&s, A, B, PING, .t = t);
    }
    s.step = 0;
    for (int i = 192; i < 200; i++) {
        snprintf(t, sizeof t, "%04d", i);
        SAY(&s, B, A, .t = t, .id = 'b');
        CU_ASSERT_EQUAL(s.result.request_frame, frames[i]);
    }
    CU_ASSERT_EQUAL(stats_of(&s).matched, 8);
    scene_end(&s);
}

/* Bloom filters are only for queries that ask for them. */
static void filters_that_were_not_asked_for(void)
{
    for (int asked = 0; asked < 2; asked++) {
        static const char begin[] = "d1:rd4:BFpe256:";
        static const char end[] = "2:id20:bbbbbbbbbbbbbbbbbbbb5:nodes0:e1:t2:aa1:y1:re";
        scene s;
        krpc_message m;
        tracker_packet p;

        scene_begin(&s);
        SAY(&s, A, B, GET_PEERS, .target = "h", .scrape = asked);
        memcpy(s.packet, begin, sizeof begin - 1);
        memset(s.packet + sizeof begin - 1, 'x', 256);
        memcpy(s.packet + sizeof begin - 1 + 256, end, sizeof end - 1);
        s.len = sizeof begin - 1 + 256 + sizeof end - 1;
        krpc_message_decode(&m, s.packet, s.len, s.len, NULL);
        p = scene_packet(&s, B, A);
        tracker_message(s.t, &p, &m, s.packet, NULL, &s.result, &s.sink);
        CU_ASSERT_EQUAL(s.result.request_frame, 1);
        CU_ASSERT_EQUAL(FOUND(&s, BEP33_NOT_ASKED), !asked);
        CU_ASSERT_EQUAL(LAST(&s, BEP33_NOT_ASKED).a, asked ? 0 : 1);
        scene_end(&s);
    }
}

static void read_only_nodes_do_not_answer(void)
{
    scene s;
    uint32_t said;

    scene_begin(&s);
    said = SAY(&s, B, A, PING, .ro = 1, .id = 'b');
    SAY(&s, A, B, PING);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_READ_ONLY_ANSWERS), 0);
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_READ_ONLY_ANSWERS), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_READ_ONLY_ANSWERS).a, said);
    CU_ASSERT(node_of(&s, B).read_only);
    scene_end(&s);
}

static void answers_hold_what_was_asked_for(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, FIND_NODE, .target = "x");
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_INCOMPLETE_RESPONSE), 1);
    CU_ASSERT_EQUAL(LAST(&s, KRPC_INCOMPLETE_RESPONSE).a, query);
    SAY(&s, A, B, FIND_NODE, .target = "x", .t = "ab");
    SAY(&s, B, A, .id = 'b', .t = "ab", .nodes = "203.0.113.1:1000");
    SAY(&s, A, B, PING, .t = "ac");
    SAY(&s, B, A, .id = 'b', .t = "ac");
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_INCOMPLETE_RESPONSE), 1);
    scene_end(&s);
}

static void unreachable_quotes_the_query(void)
{
    scene s;
    uint32_t query;
    tracker_packet p;
    krpc_endpoint a = ep(A);
    krpc_endpoint b = ep(B);

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    p = scene_packet(&s, "198.51.100.2:0", "192.0.2.1:0");
    CU_ASSERT_EQUAL(tracker_unreachable(s.t, &p, &a, &b, s.packet, s.len, true, &s.sink), query);
    CU_ASSERT_EQUAL(FOUND(&s, NAT_UNREACHABLE), 1);
    CU_ASSERT_EQUAL(stats_of(&s).quoted, 1);
    CU_ASSERT_EQUAL(tracker_unreachable(s.t, &p, &b, &a, s.packet, s.len, true, &s.sink), 0);
    CU_ASSERT_EQUAL(tracker_unreachable(s.t, &p, &a, &b, s.packet, 8, true, &s.sink), 0);
    scene_end(&s);
}

/* Captures of several interfaces are not in order. */
static void time_goes_back(void)
{
    scene s;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    s.now -= 50 * MS;
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(s.result.rtt_ns, 0);
    CU_ASSERT_EQUAL(FOUND(&s, KRPC_LATE_RESPONSE), 0);
    scene_end(&s);
}

static void damaged_ones_only_among_nodes(void)
{
    static const uint8_t punch[] = "de";
    scene s;
    krpc_message m;
    tracker_packet p;

    scene_begin(&s);
    krpc_message_decode(&m, punch, 2, 2, NULL);
    CU_ASSERT_EQUAL_FATAL(krpc_message_probe(&m, punch), KRPC_PROBE_MAYBE);
    p = scene_packet(&s, B, A);
    CU_ASSERT(!tracker_admit(s.t, &p, &m, punch, TRACKER_ACCEPT_KNOWN));
    SAY(&s, A, "203.0.113.3:1", PING);
    krpc_message_decode(&m, punch, 2, 2, NULL);
    CU_ASSERT(tracker_admit(s.t, &p, &m, punch, TRACKER_ACCEPT_KNOWN));
    scene_end(&s);
}

static void fetching_changes_nothing(void)
{
    scene s;
    uint8_t kept[sizeof s.packet];
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, PING);
    for (int i = 0; i < 40; i++) {
        krpc_message m;
        tracker_packet p = {.frame = 7, .src = ep(B), .dst = ep(A)};
        tracker_keys keys;

        memcpy(kept, s.packet, s.len);
        krpc_message_decode(&m, kept, s.len, s.len, NULL);
        tracker_keys_make(s.t, &p, &m, kept, &keys);
        tracker_fetch_indexes(s.t, &keys);
        tracker_fetch_records(s.t, &p, &m, &keys);
        tracker_fetch_datagram(s.t, &p);
    }
    SAY(&s, B, A, .id = 'b');
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(stats_of(&s).packets, 2);
    scene_end(&s);
}

/* For any hashes, and when nothing is stored yet. */
static void fetching_what_is_not_there(void)
{
    scene s;

    scene_begin(&s);
    SAY(&s, A, B, PING);
    for (uint32_t i = 0; i < 4000; i++) {
        krpc_message m;
        tracker_packet p = {.frame = 7, .src = ep(A), .dst = ep(B)};
        tracker_keys keys;

        memcpy(p.src.addr, &i, sizeof i);
        memcpy(p.dst.addr + 2, &i, 2);
        krpc_message_decode(&m, s.packet, s.len, s.len, NULL);
        tracker_keys_make(s.t, &p, &m, s.packet, &keys);
        tracker_fetch_indexes(s.t, &keys);
        tracker_fetch_records(s.t, &p, &m, &keys);
        CU_ASSERT(keys.src_node == UINT32_MAX || keys.src_node == 0);
        CU_ASSERT(keys.dst_node == UINT32_MAX || keys.dst_node == 0);
    }
    scene_end(&s);
}

static tracker_keys keys_of(scene *s, const tracker_packet *p, krpc_message *m)
{
    tracker_keys keys;

    krpc_message_decode(m, s->packet, s->len, s->len, NULL);
    tracker_keys_make(s->t, p, m, s->packet, &keys);
    tracker_fetch_indexes(s->t, &keys);
    tracker_fetch_records(s->t, p, m, &keys);
    return keys;
}

/* A record that was found in advance may be another one by now: then it is searched for again. */
static void keys_may_be_stale(void)
{
    scene s;
    krpc_message m;
    tracker_packet p;
    tracker_keys keys;
    uint32_t query;

    scene_begin(&s);
    query = SAY(&s, A, B, PING, .t = "aa");
    SAY(&s, B, A, .t = "aa", .id = 'b');
    p = scene_packet(&s, B, A);
    keys = keys_of(&s, &p, &m);
    CU_ASSERT_NOT_EQUAL(keys.src_node, UINT32_MAX);
    CU_ASSERT_NOT_EQUAL(keys.query, UINT32_MAX);
    keys.src_node++; /* no record; the querier's; another query's */
    keys.dst_node = keys.src_node - 1;
    keys.query++;
    tracker_message(s.t, &p, &m, s.packet, &keys, &s.result, &s.sink);
    CU_ASSERT_EQUAL(s.result.request_frame, query);
    CU_ASSERT_EQUAL(tracker_num_nodes(s.t), 2);
    CU_ASSERT_EQUAL(stats_of(&s).responses, 2);
    scene_end(&s);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(reply_finds_its_query),
        UNIT_TEST(reply_from_another_port),
        UNIT_TEST(one_byte_proves_no_other_port),
        UNIT_TEST(each_port_answers_its_own_query),
        UNIT_TEST(another_port_answers_the_open_query),
        UNIT_TEST(reply_from_another_address),
        UNIT_TEST(another_address_must_be_unique),
        UNIT_TEST(repetitions),
        UNIT_TEST(one_id_for_one_query_after_the_other),
        UNIT_TEST(another_address_after_the_answer),
        UNIT_TEST(ids_of_any_length),
        UNIT_TEST(late_and_unanswered),
        UNIT_TEST(given_up_is_not_dropped),
        UNIT_TEST(unsolicited_only_where_the_query_would_be_here),
        UNIT_TEST(a_wrong_length_behind_a_nat),
        UNIT_TEST(the_last_queries_are_known),
        UNIT_TEST(filters_that_were_not_asked_for),
        UNIT_TEST(read_only_nodes_do_not_answer),
        UNIT_TEST(answers_hold_what_was_asked_for),
        UNIT_TEST(unreachable_quotes_the_query),
        UNIT_TEST(time_goes_back),
        UNIT_TEST(damaged_ones_only_among_nodes),
        UNIT_TEST(fetching_changes_nothing),
        UNIT_TEST(fetching_what_is_not_there),
        UNIT_TEST(keys_may_be_stale),
    };

    return UNIT_RUN("tracker", tests);
}
