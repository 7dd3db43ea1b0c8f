/* scene.h: hand-made sequences of packets for the tests of the tracker.
 *
 * A scene is a tracker with a clock. Each packet is one frame, one step of time after the previous one. Endpoints are
 * written "10.0.0.1:6881"; the id of a node is one letter, repeated.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TEST_TRACKER_SCENE_H
#define TEST_TRACKER_SCENE_H

#include <stdlib.h>
#include <string.h>

#include <krpc/peerwire.h>
#include <krpc/rules.h>
#include <tracker/tracker.h>

#include "test_key.h"
#include "unit.h"

#define MS      INT64_C(1000000)
#define SECONDS (1000 * MS)

typedef struct scene {
    tracker *t;
    uint32_t frame;
    int64_t now;
    int64_t step; /* between packets; 10 ms at first */
    uint32_t count[KRPC_NUM_RULES];
    krpc_finding last[KRPC_NUM_RULES];
    uint32_t last_frame[KRPC_NUM_RULES];
    uint32_t concluded_frame; /* of the last conclusion */
    tracker_result result;    /* of the last packet */
    krpc_sink sink;
    uint8_t packet[2048]; /* the last message */
    size_t len;
    uint32_t num_done; /* calls of advert_done */
    uint32_t done_frame;
    bool done_in_order;
} scene;

/* Findings of these rules follow from all packets, and tracker_conclude gives them. The others belong to one packet. */
static inline bool scene_is_conclusion(krpc_rule rule)
{
    switch (rule) {
    case KRPC_RULE_PORT_MISMATCH:
    case KRPC_RULE_PORT_HONOURED:
    case KRPC_RULE_PORT_NOT_HONOURED:
    case KRPC_RULE_PORT_DEAD:
    case KRPC_RULE_PORT_OTHER_NODE:
    case KRPC_RULE_NAT_REWRITTEN:
    case KRPC_RULE_NAT_DEPENDENT:
    case KRPC_RULE_NAT_REMAPPED:
    case KRPC_RULE_NAT_CARRIER:
    case KRPC_RULE_NAT_PORT_BLOCK:
        return true;
    default:
        return false;
    }
}

/* Checks a finding: if the rule has no text for it, it has no position and no numbers beside those of the rule; no text
 * starts where the message starts. */
static inline void scene_note(scene *s, const krpc_finding *finding, uint32_t frame)
{
    const char *told = krpc_rule_get(finding->rule)->text;

    CU_ASSERT_EQUAL(finding->off == 0, finding->len == 0);
    CU_ASSERT(finding->a == 0 || finding->rule == KRPC_RULE_PORT_ONE || strstr(told, "{a}") != NULL);
    CU_ASSERT(finding->b == 0 || strstr(told, "{b}") != NULL || strstr(told, "{p}") != NULL);
    s->count[finding->rule]++;
    s->last[finding->rule] = *finding;
    s->last_frame[finding->rule] = frame;
}

static inline void scene_emit(void *ctx, const krpc_finding *finding)
{
    scene *s = ctx;

    CU_ASSERT(!scene_is_conclusion(finding->rule));
    scene_note(s, finding, s->frame);
}

static inline void scene_take_conclusion(void *ctx, const tracker_conclusion *conclusion)
{
    scene *s = ctx;

    CU_ASSERT(scene_is_conclusion(conclusion->finding.rule));
    CU_ASSERT(conclusion->packet.frame > 0 && conclusion->packet.frame <= s->frame);
    CU_ASSERT(conclusion->packet.frame >= s->concluded_frame);
    s->concluded_frame = conclusion->packet.frame;
    scene_note(s, &conclusion->finding, conclusion->packet.frame);
}

/* Replaces the earlier conclusions by those from the packets so far. */
static inline void scene_conclude(scene *s)
{
    for (int rule = 0; rule < KRPC_NUM_RULES; rule++) {
        s->count[rule] = scene_is_conclusion((krpc_rule)rule) ? 0 : s->count[rule];
    }
    s->concluded_frame = 0;
    tracker_conclude(s->t, scene_take_conclusion, s);
}

/* How many findings of a rule there are now. */
static inline uint32_t scene_found(scene *s, krpc_rule rule)
{
    if (scene_is_conclusion(rule)) {
        scene_conclude(s);
    }
    return s->count[rule];
}

static inline void scene_done(void *ctx, const tracker_advert *advert)
{
    scene *s = ctx;

    s->done_in_order &= advert->frame >= s->done_frame;
    s->done_frame = advert->frame;
    s->num_done++;
}

/* scene_begin_with starts a scene with other options than the tracker's own. Without a hash key it gets test_key 0. */
static inline void scene_begin_with(scene *s, tracker_options *options)
{
    memset(s, 0, sizeof *s);
    if (!test_key_is_set(options)) {
        test_key_set(options, 0);
    }
    options->advert_done = scene_done;
    options->ctx = s;
    s->t = tracker_new(options);
    s->now = INT64_C(1700000000) * SECONDS;
    s->step = 10 * MS;
    s->sink.emit = scene_emit;
    s->sink.ctx = s;
    s->done_in_order = true;
}

static inline void scene_begin(scene *s)
{
    tracker_options options = {0};

    scene_begin_with(s, &options);
}

static inline void scene_end(scene *s)
{
    tracker_free(s->t);
}

/* "10.0.0.1:6881", or "6:N:6881" for [2001:db8::N]:6881. */
static inline krpc_endpoint ep(const char *text)
{
    krpc_endpoint e;
    uint8_t addr[16] = {0x20, 0x01, 0x0d, 0xb8};
    unsigned n[5];

    if (text[0] == '6' && text[1] == ':') {
        sscanf(text, "6:%u:%u", &n[0], &n[4]);
        addr[15] = (uint8_t)n[0];
        krpc_endpoint_set(&e, addr, 16, (uint16_t)n[4]);
    } else {
        sscanf(text, "%u.%u.%u.%u:%u", &n[0], &n[1], &n[2], &n[3], &n[4]);
        for (int i = 0; i < 4; i++) {
            addr[i] = (uint8_t)n[i];
        }
        krpc_endpoint_set(&e, addr, 4, (uint16_t)n[4]);
    }
    return e;
}

static inline tracker_packet scene_packet(scene *s, const char *src, const char *dst)
{
    tracker_packet p;

    s->now += s->step;
    p.frame = ++s->frame;
    p.time_ns = s->now;
    p.src = ep(src);
    p.dst = ep(dst);
    p.source = 0;
    return p;
}

/* The content of a message besides t, id and v. 0 and NULL: the key is absent. */
typedef struct content {
    krpc_method method; /* a query of that kind; NONE: a response */
    const char *t;      /* default "aa" */
    char id;            /* default 'a' of the sender */
    const char *v;      /* two letters */
    size_t v_len;       /* default 4 */
    const char *ip;     /* top-level ip */
    const char *target; /* one letter, twenty times */
    const char *token;
    const char *values; /* bencoded */
    size_t values_len;  /* default: up to the first zero byte */
    const char *nodes;  /* one endpoint */
    int error;
    int port;
    int implied;
    int p;
    int r_p;
    int ro;
    int scrape;
    const uint8_t *raw_id;
} content;

static inline void fill_query(krpc_builder *b, const content *c, const char *id)
{
    char target[21];

    krpc_builder_method(b, c->method);
    krpc_builder_bytes(b, KRPC_A_ID, id, 20);
    if (c->target != NULL) {
        memset(target, c->target[0], 20);
        krpc_builder_bytes(b, c->method == KRPC_METHOD_FIND_NODE ? KRPC_A_TARGET : KRPC_A_INFO_HASH, target, 20);
    }
    if (c->token != NULL) {
        krpc_builder_bytes(b, KRPC_A_TOKEN, c->token, strlen(c->token));
    }
    if (c->port != 0) {
        krpc_builder_int(b, KRPC_A_PORT, c->port);
    }
    if (c->implied != 0) {
        krpc_builder_int(b, KRPC_A_IMPLIED_PORT, 1);
    }
    if (c->scrape != 0) {
        krpc_builder_int(b, KRPC_A_SCRAPE, 1);
    }
}

static inline void fill_response(krpc_builder *b, const content *c, const char *id)
{
    uint8_t compact[18];
    uint8_t node[38];

    krpc_builder_bytes(b, KRPC_R_ID, id, 20);
    if (c->token != NULL) {
        krpc_builder_bytes(b, KRPC_R_TOKEN, c->token, strlen(c->token));
    }
    if (c->nodes != NULL) {
        krpc_endpoint e = ep(c->nodes);
        size_t len = krpc_endpoint_put(compact, &e);

        memset(node, 'n', 20);
        memcpy(node + 20, compact, len);
        krpc_builder_bytes(b, len == 6 ? KRPC_R_NODES : KRPC_R_NODES6, node, 20 + len);
    }
    if (c->values != NULL) {
        krpc_builder_raw(b, KRPC_R_VALUES, c->values, c->values_len != 0 ? c->values_len : strlen(c->values));
    }
    if (c->r_p != 0) {
        krpc_builder_int(b, KRPC_R_P, c->r_p);
    }
}

/* Hands one message to the tracker; returns its frame. */
static inline uint32_t say(scene *s, const char *src, const char *dst, content c)
{
    static const char default_t[] = "aa";
    uint8_t room[2048];
    char id[21];
    char v[4] = {0, 0, 1, 2};
    krpc_builder b;
    krpc_message m;
    tracker_packet p = scene_packet(s, src, dst);
    const char *t = c.t != NULL ? c.t : default_t;

    memset(id, c.id != 0 ? c.id : 'a', 20);
    if (c.raw_id != NULL) {
        memcpy(id, c.raw_id, 20);
    }
    krpc_builder_init(&b, room, sizeof room,
                      c.error != 0                   ? KRPC_ERROR
                      : c.method != KRPC_METHOD_NONE ? KRPC_QUERY
                                                     : KRPC_RESPONSE,
                      t, strlen(t));
    if (c.error != 0) {
        krpc_builder_error(&b, c.error, "error");
    } else if (c.method != KRPC_METHOD_NONE) {
        fill_query(&b, &c, id);
    } else {
        fill_response(&b, &c, id);
    }
    if (c.ip != NULL) {
        krpc_endpoint e = ep(c.ip);

        krpc_builder_endpoint(&b, KRPC_IP, &e);
    }
    if (c.p != 0) {
        krpc_builder_int(&b, KRPC_P, c.p);
    }
    if (c.ro != 0) {
        krpc_builder_int(&b, KRPC_RO, 1);
    }
    if (c.v != NULL) {
        memcpy(v, c.v, 2);
        krpc_builder_bytes(&b, KRPC_V, v, c.v_len != 0 ? c.v_len : 4);
    }
    s->len = krpc_builder_encode(&b, s->packet, sizeof s->packet);
    CU_ASSERT_FATAL(s->len > 0 && s->len <= sizeof s->packet);
    krpc_message_decode(&m, s->packet, s->len, s->len, NULL);
    CU_ASSERT_EQUAL_FATAL(krpc_message_probe(&m, s->packet), KRPC_PROBE_YES);
    krpc_message_check(&m, s->packet, &s->sink);
    tracker_message(s->t, &p, &m, s->packet, NULL, &s->result, &s->sink);
    return p.frame;
}

/* The same bytes again, with other endpoints. */
static inline uint32_t say_again(scene *s, const char *src, const char *dst)
{
    tracker_packet p = scene_packet(s, src, dst);
    krpc_message m;

    krpc_message_decode(&m, s->packet, s->len, s->len, NULL);
    krpc_message_check(&m, s->packet, &s->sink);
    tracker_message(s->t, &p, &m, s->packet, NULL, &s->result, &s->sink);
    return p.frame;
}

#define SAY(scene, src, dst, ...) say(scene, src, dst, (content){__VA_ARGS__})
#define PING                      .method = KRPC_METHOD_PING
#define GET_PEERS                 .method = KRPC_METHOD_GET_PEERS
#define FIND_NODE                 .method = KRPC_METHOD_FIND_NODE
#define ANNOUNCE                  .method = KRPC_METHOD_ANNOUNCE_PEER

/* A ping and its response, in which the responder reports where it sees the querier. */
static inline void ping_seen(scene *s, const char *querier, const char *responder, const char *seen)
{
    static uint32_t number;
    char t[5];

    number++;
    snprintf(t, sizeof t, "%c%c%c", 'a' + (int)(number % 26), 'a' + (int)(number / 26 % 26),
             'a' + (int)(number / 676 % 26));
    SAY(s, querier, responder, PING, .t = t, .id = 'q');
    SAY(s, responder, querier, .t = t, .id = 'r', .ip = seen);
}

/* A handshake and further messages, over TCP, all in one segment. */
static inline void speak(scene *s, const char *src, const char *dst, const char *peer_id, int dht_port, int p,
                         uint32_t seq)
{
    uint8_t bytes[512];
    uint8_t info_hash[20];
    peerwire_offer offer;
    tracker_packet packet;
    size_t len;

    memset(info_hash, 'h', sizeof info_hash);
    memset(&offer, 0, sizeof offer);
    offer.p = p;
    offer.present = p != 0 ? 1u << PEERWIRE_KEY_P : 0;
    len = peerwire_handshake_put(bytes, sizeof bytes, PEERWIRE_RESERVED_DHT | PEERWIRE_RESERVED_EXTENDED, info_hash,
                                 (const uint8_t *)peer_id);
    if (dht_port != 0) {
        len += peerwire_port_put(bytes + len, sizeof bytes - len, (uint16_t)dht_port);
    }
    if (p != 0) {
        len += peerwire_offer_put(bytes + len, sizeof bytes - len, &offer);
    }
    packet = scene_packet(s, src, dst);
    tracker_segment(s->t, &packet, seq, 0, TRACKER_TCP_SYN, NULL, 0, 0, NULL, &s->sink);
    packet = scene_packet(s, src, dst);
    tracker_segment(s->t, &packet, seq + 1, 0, 0, bytes, len, len, &s->result, &s->sink);
}

static inline tracker_node node_of(scene *s, const char *endpoint)
{
    tracker_node n;
    krpc_endpoint e = ep(endpoint);

    memset(&n, 0, sizeof n);
    CU_ASSERT(tracker_node_find(s->t, &e, &n));
    return n;
}

static inline tracker_advert advert_of(scene *s, uint64_t serial)
{
    tracker_advert a;

    memset(&a, 0, sizeof a);
    CU_ASSERT(tracker_advert_get(s->t, serial, &a));
    return a;
}

static inline tracker_stats stats_of(scene *s)
{
    tracker_stats stats;

    tracker_stats_get(s->t, &stats);
    return stats;
}

static inline void expect_verdict(scene *s, uint64_t serial, tracker_verdict verdict, tracker_later later)
{
    tracker_advert a = advert_of(s, serial);

    UNIT_TEXT(tracker_verdict_name(a.verdict), tracker_verdict_name(verdict));
    UNIT_TEXT(tracker_later_name(a.later), tracker_later_name(later));
}

/* FOUND counts findings; LAST and LAST_FRAME are of the last one that FOUND counted. */
#define FOUND(scene, rule)      scene_found(scene, KRPC_RULE_##rule)
#define LAST(scene, rule)       ((scene)->last[KRPC_RULE_##rule])
#define LAST_FRAME(scene, rule) ((scene)->last_frame[KRPC_RULE_##rule])

#endif
