/* answers.c: what others get for their queries.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "node.h"

#define MAX_PEERS 64
#define SECRET_MS 300000 /* BEP 5: tokens change every five minutes, and are good for ten */
#define TOKEN_LEN 8
#define LONGEST_T 32 /* a query with a longer one gets no answer */

typedef struct peer {
    uint8_t info_hash[20];
    krpc_endpoint endpoint;
} peer;

static peer peers[MAX_PEERS]; /* a ring */
static uint64_t num_peers;
static uint64_t secrets[2][2]; /* the present one and the one before */
static int64_t secret_ms;

static uint64_t rotated(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotated(v[1], 13) ^ v[0];
        v[3] = rotated(v[3], 16) ^ v[2];
        v[0] = rotated(v[0], 32) + v[3];
        v[2] += v[1];
        v[1] = rotated(v[1], 17) ^ v[2];
        v[3] = rotated(v[3], 21) ^ v[0];
        v[2] = rotated(v[2], 32);
    }
}

/* A write token: SipHash-2-4 of the address, and not of the port, so that it survives a NAT that picks another one. */
static void make_token(uint8_t out[TOKEN_LEN], const krpc_endpoint *who, const uint64_t key[2])
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t words[3] = {0, 0, UINT64_C(16) << 56};

    memcpy(words, who->addr, 16); /* what IPv4 does not use is zero */
    for (int i = 0; i < 3; i++) {
        v[3] ^= words[i];
        sip_rounds(v, 2);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    v[0] ^= v[1] ^ v[2] ^ v[3];
    memcpy(out, v, TOKEN_LEN);
}

static void renew_secrets(int64_t now)
{
    if (secret_ms == 0) {
        fill_random(secrets, sizeof secrets);
    } else if (now - secret_ms >= SECRET_MS) {
        memcpy(secrets[1], secrets[0], sizeof secrets[1]);
        fill_random(secrets[0], sizeof secrets[0]);
    } else {
        return;
    }
    secret_ms = now;
}

static bool token_fits(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const krpc_value *given = &m->value[KRPC_A_TOKEN];
    uint8_t token[TOKEN_LEN];

    for (int i = 0; krpc_has(m, KRPC_A_TOKEN) && given->len == TOKEN_LEN && i < 2; i++) {
        make_token(token, from, secrets[i]);
        if (memcmp(data + given->off, token, TOKEN_LEN) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_port(const krpc_message *m)
{
    return krpc_has(m, KRPC_A_PORT) && m->value[KRPC_A_PORT].num >= 1 && m->value[KRPC_A_PORT].num <= 65535;
}

static bool port_implied(const krpc_message *m)
{
    return krpc_has(m, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0;
}

/* implied_port is about the source port of the packet, also when the message carries p. */
static void store_peer(const krpc_message *m, const uint8_t *info_hash, const krpc_endpoint *from)
{
    peer *p = &peers[num_peers++ % MAX_PEERS];

    memcpy(p->info_hash, info_hash, 20);
    p->endpoint = *from;
    if (!port_implied(m)) {
        p->endpoint.port = (uint16_t)m->value[KRPC_A_PORT].num;
    }
}

static void put_values(krpc_builder *b, const uint8_t *info_hash)
{
    uint8_t list[512], compact[18];
    bencode_writer w;
    unsigned found = 0;

    bencode_writer_init(&w, list, sizeof list);
    bencode_put_list(&w);
    for (unsigned i = 0; i < num_peers && i < MAX_PEERS && found < 16; i++) {
        if (memcmp(peers[i].info_hash, info_hash, 20) == 0) {
            bencode_put_string(&w, compact, krpc_endpoint_put(compact, &peers[i].endpoint));
            found++;
        }
    }
    bencode_put_end(&w);
    if (found > 0 && bencode_writer_ok(&w)) {
        krpc_builder_raw(b, KRPC_R_VALUES, list, w.len);
    }
}

/* The error that a query earns, or 0. */
static int fault(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *target,
                 const char **text)
{
    bool known = m->method == KRPC_METHOD_FIND_NODE || m->method == KRPC_METHOD_GET_PEERS ||
                 m->method == KRPC_METHOD_ANNOUNCE_PEER;

    if (target == NULL && m->method != KRPC_METHOD_PING && m->method != KRPC_METHOD_CONTACT) {
        *text = known ? "No target" : "Method Unknown";
        return known ? 203 : 204;
    }
    if (m->method == KRPC_METHOD_ANNOUNCE_PEER && !token_fits(m, data, from)) {
        *text = "Bad token";
        return 203;
    }
    if ((m->method == KRPC_METHOD_CONTACT || (m->method == KRPC_METHOD_ANNOUNCE_PEER && !port_implied(m))) &&
        !has_port(m)) {
        *text = "No port";
        return 203;
    }
    return 0;
}

/* The body of the answer. A query that we do not know, but with a target, gets what find_node gets. */
static void put_results(krpc_builder *b, const krpc_message *m, const uint8_t *target, const krpc_endpoint *from)
{
    uint8_t nodes[8 * 38], token[TOKEN_LEN];

    krpc_builder_bytes(b, KRPC_R_ID, self.id, 20);
    if (m->method == KRPC_METHOD_PING || m->method == KRPC_METHOD_CONTACT || m->method == KRPC_METHOD_ANNOUNCE_PEER) {
        return;
    }
    krpc_builder_bytes(b, self.opt.bind.addr_len == 4 ? KRPC_R_NODES : KRPC_R_NODES6, nodes,
                       table_closest(nodes, target));
    if (m->method == KRPC_METHOD_GET_PEERS) {
        make_token(token, from, secrets[0]);
        krpc_builder_bytes(b, KRPC_R_TOKEN, token, TOKEN_LEN);
        put_values(b, target);
    }
}

/* Answers go to the source of the query, always: p has no part in that. ip is the source, too. */
void answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    uint8_t room[900];
    const uint8_t *target = krpc_message_target(m, data);
    const char *text = NULL;
    krpc_builder b;
    int code;

    if (!krpc_has(m, KRPC_T) || m->value[KRPC_T].len > LONGEST_T) {
        return;
    }
    renew_secrets(now_ms());
    code = fault(m, data, from, target, &text);
    krpc_builder_init(&b, room, sizeof room, code == 0 ? KRPC_RESPONSE : KRPC_ERROR, data + m->value[KRPC_T].off,
                      m->value[KRPC_T].len);
    krpc_builder_endpoint(&b, KRPC_IP, from);
    krpc_builder_bytes(&b, KRPC_V, "KS\0\1", 4);
    add_p(&b);
    if (code != 0) {
        krpc_builder_error(&b, code, text);
    } else {
        if (m->method == KRPC_METHOD_ANNOUNCE_PEER) {
            store_peer(m, target, from);
        }
        put_results(&b, m, target, from);
    }
    net_send(&b, from);
}
