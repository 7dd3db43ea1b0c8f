/* test_host_text.c: the story of a host, from its record and what it advertises; and records of one host joined.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <stdlib.h>

#include <arpa/inet.h>
#include <glib.h>

#include "report/advice_text.h"
#include "report/host_text.h"

static krpc_endpoint endpoint_of(const char *text, uint16_t port)
{
    uint8_t addr[4];
    krpc_endpoint out;

    CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET, text, addr), 1);
    krpc_endpoint_set(&out, addr, 4, port);
    return out;
}

static tracker_node inside(void)
{
    return (tracker_node){.endpoint = endpoint_of("192.168.1.2", 6881), .ours = true};
}

static void see(tracker_node *node, const char *addr, uint16_t port, uint32_t frame)
{
    node->nat.external[node->nat.num_kept++] =
        (tracker_external){.endpoint = endpoint_of(addr, port), .observers = 3, .num_frames = 1, .frames = {frame}};
    node->nat.num_external++;
}

static void open_at(tracker_node *node, const char *addr, uint16_t port)
{
    node->reach.verdict = TRACKER_REACH_OPEN;
    node->reach.open[node->reach.num_open].endpoint = endpoint_of(addr, port);
    node->reach.open[node->reach.num_open].num_sites = 2;
    node->reach.open[node->reach.num_open].num_frames = 1;
    node->reach.open[node->reach.num_open].frames[0] = 50;
    node->reach.num_open++;
}

static void advise(tracker_node *node, tracker_advice advice, uint16_t port)
{
    node->advice[node->num_advice++] = (tracker_advice_item){.advice = advice, .port = port};
}

static host_claims port_message(int32_t port, tracker_verdict verdict, uint16_t seen)
{
    host_claims claims = {.num_claims = 1};

    claims.claims[0] = (host_claim){.port = port,
                                    .channel = KRPC_CHANNEL_PORT_MESSAGE,
                                    .service = KRPC_SERVICE_DHT,
                                    .count = 2,
                                    .frame = 9,
                                    .proof_frame = verdict == TRACKER_VERDICT_MISMATCH ? 12 : 0,
                                    .seen_port = seen};
    claims.claims[0].verdicts[verdict] = 2;
    return claims;
}

/* Asserts that the story is these lines, each without its indent and the breaks within. */
static void tells(const tracker_node *node, const host_claims *claims, host_text_length length, const char *want)
{
    static const host_claims none;
    strbuf out = {0};

    host_text_put(&out, NULL, node, claims != NULL ? claims : &none, length);
    strbuf_char(&out, '\0');
    char **words = g_strsplit_set(out.data, " \n", 0);
    GString *got = g_string_new(NULL);
    for (char **word = words; *word != NULL; word++) {
        if (**word != 0) {
            g_string_append_printf(got, got->len > 0 ? " %s" : "%s", *word);
        }
    }
    UNIT_TEXT(got->str, want);
    g_string_free(got, TRUE);
    g_strfreev(words);
    strbuf_free(&out);
}

/* The router forwards a port, and rewrites the source port: 6882 is open, and others store 43663. */
static void forwarded_but_rewritten(void)
{
    tracker_node node = inside();
    host_claims claims = port_message(6882, TRACKER_VERDICT_MISMATCH, 43663);

    see(&node, "203.0.113.9", 43663, 4);
    node.nat.port = TRACKER_PORT_REWRITTEN;
    node.nat.mapping = TRACKER_MAPPING_INDEPENDENT;
    open_at(&node, "203.0.113.9", 6882);
    advise(&node, TRACKER_ADVICE_FORWARDED_BUT_REWRITTEN, 6882);
    tells(
        &node, &claims, HOST_TEXT_SHORT,
        "192.168.1.2:6881: open. Hosts to which it had sent nothing reach it on 203.0.113.9:6882 (from 2 networks, "
        "frame "
        "50). Others see it at 203.0.113.9:43663 (frame 4). Its NAT rewrites the port, and uses the same one for every "
        "destination. In PORT messages it advertises port 6882 (2 times, first in frame 9), which is open to others, "
        "but others see it on port 43663 (frame 12) and store that one instead. Advice (forwarded-but-rewritten): Port "
        "6882 is open, but the NAT sends from another port, which is the one that others store.");
}

static void two_open_ports(void)
{
    tracker_node node = inside();

    open_at(&node, "192.168.1.2", 6881);
    open_at(&node, "203.0.113.9", 6882);
    tells(
        &node, NULL, HOST_TEXT_SHORT,
        "192.168.1.2:6881: open. Hosts to which it had sent nothing reach it on port 6881 (from 2 networks, frame 50) "
        "and "
        "on 203.0.113.9:6882 (from 2 networks, frame 50). It sends from port 6881. It advertises no DHT port.");
    node.reach = (tracker_reachability){.verdict = TRACKER_REACH_OPEN,
                                        .missing = 1u << TRACKER_MISSING_PORT,
                                        .num_sites = 1,
                                        .num_frames = 2,
                                        .frames = {7, 8}};
    tells(
        &node, NULL, HOST_TEXT_LONG,
        "192.168.1.2:6881: open. Hosts to which it had sent nothing reach it (from 1 network, frames 7, 8); the "
        "capture "
        "does not show on which outside port. It sends from port 6881. It advertises no DHT port. To see more: Capture "
        "outside the NAT at the same time, and read both captures with --merge.");
}

static void replies_only(void)
{
    tracker_node node = inside();

    node.reach =
        (tracker_reachability){.verdict = TRACKER_REACH_REPLIES_ONLY, .num_sites = 3, .num_frames = 1, .frames = {31}};
    advise(&node, TRACKER_ADVICE_FORWARD_PORT, 0);
    tells(
        &node, NULL, HOST_TEXT_LONG,
        "192.168.1.2:6881: replies only. It gets answers, but queries of hosts to which it had sent nothing got no "
        "answer "
        "(from 3 networks, frame 31). It sends from port 6881. It advertises no DHT port. Advice (forward-port): "
        "Forward "
        "UDP port 6881 of the router to this host. Forward it to the same port of this host, or "
        "allow UPnP or NAT-PMP in the router and in the client. To check it: capture again for ten minutes; krpcscope "
        "reach says open once hosts of two networks got in.");
}

/* Outside a NAT, the port of the client is not visible. */
static void inside_port(void)
{
    tracker_node node = {.endpoint = endpoint_of("203.0.113.9", 40001)};
    const tracker_advice_item item = {.advice = TRACKER_ADVICE_FORWARD_PORT};
    strbuf out = {0};

    see(&node, "203.0.113.9", 40001, 4);
    advice_text_line(&out, &node, &item);
    see(&node, "203.0.113.9", 40002, 5);
    advice_text_line(&out, &node, &item);
    strbuf_char(&out, '\0');
    UNIT_TEXT(out.data, "Forward UDP port 40001 of the router to this host."
                        "Forward UDP port N (set in the client) of the router to this host.");
    strbuf_free(&out);
}

/* One story says why, and how to capture what is missing; the short one only why. */
static void unknown(void)
{
    tracker_node node = inside();

    advise(&node, TRACKER_ADVICE_NOT_ENOUGH_SEEN, 0);
    tells(
        &node, NULL, HOST_TEXT_LONG,
        "192.168.1.2:6881: reachability unknown. It sends from port 6881. It "
        "advertises no DHT port. To see more: Capture for at least ten minutes, from before the client is started, and "
        "without dropped packets.");
    node.reach.missing = 1u << TRACKER_MISSING_NOBODY_TRIED | 1u << TRACKER_MISSING_ONE_SIDED;
    tells(&node, NULL, HOST_TEXT_LONG,
          "192.168.1.2:6881: reachability unknown, because no host to which the node "
          "had "
          "sent nothing sent it a query; the capture lacks the packets of one direction. It sends from port 6881. It "
          "advertises no DHT port. To see more: Capture longer: hosts that learn of this node from others send it "
          "queries. "
          "Capture the packets of both directions.");
    tells(&node, NULL, HOST_TEXT_SHORT,
          "192.168.1.2:6881: reachability unknown, because no host to which the node "
          "had "
          "sent nothing sent it a query; the capture lacks the packets of one direction. It sends from port 6881. It "
          "advertises no DHT port.");
}

/* Forty outside ports, or four addresses, are one story. */
static void many_outside(void)
{
    tracker_node node = inside();

    node.reach.verdict = TRACKER_REACH_REPLIES_ONLY;
    for (uint16_t i = 0; i < 5; i++) {
        see(&node, "203.0.113.9", (uint16_t)(40001 + i), 4u + i);
    }
    node.nat.num_external = 40;
    node.nat.port = TRACKER_PORT_REWRITTEN;
    node.nat.mapping = TRACKER_MAPPING_DEPENDENT;
    host_claims claims = port_message(6881, TRACKER_VERDICT_MISMATCH, 40001);
    tells(
        &node, &claims, HOST_TEXT_SHORT,
        "192.168.1.2:6881: replies only. It gets answers, but queries of hosts to which it had sent nothing got no "
        "answer. "
        "Others see it at 203.0.113.9:40001 (frame 4), 203.0.113.9:40002 (frame 5), 203.0.113.9:40003 (frame 6), and "
        "on "
        "37 more outside ports. Its NAT uses different outside ports for different destinations. In PORT messages it "
        "advertises port 6881 (2 times, first in frame 9), but others see it on another port (frame 12) and store that "
        "one instead.");
    node = inside();
    node.reach.verdict = TRACKER_REACH_REPLIES_ONLY;
    see(&node, "203.0.113.9", 6881, 4);
    see(&node, "203.0.113.10", 6881, 5);
    node.nat.port = TRACKER_PORT_PRESERVED;
    node.nat.addresses = TRACKER_ADDRESSES_SEVERAL;
    node.nat.mapping = TRACKER_MAPPING_DEPENDENT;
    tells(&node, NULL, HOST_TEXT_SHORT,
          "192.168.1.2:6881: replies only. It gets answers, but queries of hosts to which it had sent nothing got no "
          "answer. "
          "Others see it at 203.0.113.9:6881 (frame 4) and 203.0.113.10:6881 (frame 5). Its NAT uses several outside "
          "addresses, and keeps the port. It advertises no DHT port.");
}

static void reasons(void)
{
    tracker_node node = inside();

    open_at(&node, "203.0.113.9", 6881);
    see(&node, "203.0.113.9", 6881, 4);
    node.nat.port = TRACKER_PORT_PRESERVED;
    node.nat.mapping = TRACKER_MAPPING_INDEPENDENT;
    node.nat.addresses = TRACKER_ADDRESSES_CHANGED;
    node.nat.changed_frame = 99;
    node.nat.port_reason = TRACKER_REASON_AGREED;
    node.nat.mapping_reason = TRACKER_REASON_CHANGED;
    tells(
        &node, NULL, HOST_TEXT_WITH_REASONS,
        "192.168.1.2:6881: open. Hosts to which it had sent nothing reach it on 203.0.113.9:6881 (from 2 networks, "
        "frame "
        "50). Others see it at 203.0.113.9:6881 (frame 4). Its NAT keeps the port. Its outside address changed (frame "
        "99). It advertises no DHT port. Why: port preserved (agreed: hosts of several networks see the same outside "
        "endpoint); mapping endpoint_independent, addresses changed (changed: all hosts saw one outside endpoint "
        "first, "
        "and another one later); filtering unknown.");
    node = inside();
    see(&node, "203.0.113.9", 6881, 4);
    node.nat.mapping_reason = TRACKER_REASON_ONE_WITNESS;
    tells(
        &node, NULL, HOST_TEXT_SHORT,
        "192.168.1.2:6881: reachability unknown. Others see it at "
        "203.0.113.9:6881 (frame 4). What its NAT does is unknown: only hosts of one network said where they see this "
        "node. It advertises no DHT port.");
}

/* The open record of a host gives the port and the advice; the inside one its name. */
static void joined(void)
{
    tracker_node node = inside();
    tracker_node outside = {.endpoint = endpoint_of("203.0.113.9", 6882), .num_ids = 1, .ids = {{7}}, .queries = 3};

    node.num_ids = 1;
    node.reach.missing = 1u << TRACKER_MISSING_PORT;
    advise(&node, TRACKER_ADVICE_NOT_ENOUGH_SEEN, 0);
    see(&node, "203.0.113.9", 43663, 4);
    open_at(&outside, "203.0.113.9", 6882);
    advise(&outside, TRACKER_ADVICE_FORWARDED_BUT_REWRITTEN, 6882);
    see(&outside, "203.0.113.9", 43663, 5);
    see(&outside, "203.0.113.9", 43664, 6);
    host_join(&node, &outside);
    CU_ASSERT_EQUAL(node.endpoint.port, 6881);
    CU_ASSERT_EQUAL(node.num_ids, 2);
    CU_ASSERT_EQUAL(node.queries, 3);
    CU_ASSERT_EQUAL(node.reach.verdict, TRACKER_REACH_OPEN);
    CU_ASSERT_EQUAL(node.reach.missing, 0);
    CU_ASSERT_EQUAL(node.num_advice, 1);
    CU_ASSERT_EQUAL(node.advice[0].advice, TRACKER_ADVICE_FORWARDED_BUT_REWRITTEN);
    CU_ASSERT_EQUAL(node.nat.num_kept, 2);
    CU_ASSERT_EQUAL(node.nat.num_external, 2);
    host_join(&node, &outside);
    CU_ASSERT_EQUAL(node.reach.num_open, 1);
    CU_ASSERT_EQUAL(node.nat.num_external, 2);
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(forwarded_but_rewritten),
                               UNIT_TEST(two_open_ports),
                               UNIT_TEST(replies_only),
                               UNIT_TEST(inside_port),
                               UNIT_TEST(unknown),
                               UNIT_TEST(many_outside),
                               UNIT_TEST(reasons),
                               UNIT_TEST(joined)};

    return UNIT_RUN("host_text", tests);
}
