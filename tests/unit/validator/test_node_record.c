/* test_node_record.c: the record of a node: its NAT, whether others can reach it, and the advice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <stdlib.h>

#include <arpa/inet.h>
#include <glib.h>

#include "report/json_record.h"

static krpc_endpoint endpoint_of(const char *text, uint16_t port)
{
    uint8_t addr[4];
    krpc_endpoint out;

    CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET, text, addr), 1);
    krpc_endpoint_set(&out, addr, 4, port);
    return out;
}

/* Asserts that the record has this part. */
static void has(const tracker_node *node, const char *part)
{
    strbuf out = {0};

    json_record_node(&out, NULL, node);
    strbuf_char(&out, '\0');
    if (strstr(out.data, part) == NULL) {
        fprintf(stderr, "\n    got  %s    want %s\n", out.data, part);
        CU_FAIL("the record lacks a part");
    }
    strbuf_free(&out);
}

static void nothing_is_known(void)
{
    const tracker_node node = {.endpoint = endpoint_of("192.168.1.2", 6881)};

    has(&node,
        "\"nat\":{\"port\":\"unknown\",\"addresses\":\"unknown\",\"mapping\":\"unknown\",\"filtering\":\"unknown\","
        "\"reason\":\"none\",\"evidence\":[]");
    has(&node, "\"reach\":{\"verdict\":\"unknown\",\"open\":[],\"missing\":[],\"from_sites\":0,\"frames\":[]},"
               "\"advice\":[]}\n");
}

static void reasons(void)
{
    tracker_node node = {.nat = {.port_reason = TRACKER_REASON_AGREED}};

    has(&node, "\"reason\":\"agreed\",\"evidence\"");
    node.nat.mapping_reason = TRACKER_REASON_CHANGED;
    node.nat.addresses = TRACKER_ADDRESSES_CHANGED;
    node.nat.changed_frame = 77;
    has(&node, "\"addresses\":\"changed\"");
    has(&node, "\"reason\":\"changed\",\"changed_frame\":77,\"evidence\"");
}

static void open_port(void)
{
    tracker_node node = {.endpoint = endpoint_of("192.168.1.2", 6881)};

    node.reach = (tracker_reachability){
        .verdict = TRACKER_REACH_OPEN,
        .num_open = 2,
        .open = {{endpoint_of("203.0.113.9", 6882), 3, 2, {10, 20}}, {endpoint_of("203.0.113.9", 6883), 2, 1, {30}}},
        .num_sites = 4,
        .num_frames = 1,
        .frames = {10}};
    has(&node, "\"reach\":{\"verdict\":\"open\",\"open\":[{\"ip\":\"203.0.113.9\",\"port\":6882,\"from_sites\":3,"
               "\"frames\":[10,20]},{\"ip\":\"203.0.113.9\",\"port\":6883,\"from_sites\":2,\"frames\":[30]}],"
               "\"missing\":[],\"from_sites\":4,\"frames\":[10]}");
    node.reach = (tracker_reachability){.missing = 1u << TRACKER_MISSING_TOO_SHORT | 1u << TRACKER_MISSING_PORT};
    has(&node, "\"reach\":{\"verdict\":\"unknown\",\"open\":[],\"missing\":[\"too_short\",\"port\"],");
}

static void advice(void)
{
    tracker_node node = {.endpoint = endpoint_of("192.168.1.2", 6881), .num_advice = 2};

    node.advice[0] = (tracker_advice_item){.advice = TRACKER_ADVICE_ANNOUNCES_WRONG_PORT,
                                           .port = 6882,
                                           .said = 6881,
                                           .channel = KRPC_CHANNEL_PORT_MESSAGE,
                                           .num_frames = 2,
                                           .frames = {5, 6}};
    node.advice[1] = (tracker_advice_item){.advice = TRACKER_ADVICE_FORWARD_PORT};
    has(&node,
        "\"advice\":[{\"slug\":\"announces-wrong-port\",\"port\":6882,\"text\":\"The client says port 6881 (PORT "
        "messages), but port 6882 is right. ");
    has(&node,
        "\"frames\":[5,6]},{\"slug\":\"forward-port\",\"text\":\"Forward UDP port 6881 of the router to this host. ");
    has(&node, "\"frames\":[]}]}\n");
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(nothing_is_known), UNIT_TEST(reasons), UNIT_TEST(open_port),
                               UNIT_TEST(advice)};

    return UNIT_RUN("node_record", tests);
}
