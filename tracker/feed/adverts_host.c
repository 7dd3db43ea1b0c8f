/* adverts_host.c: finds the node on an address that a stream belongs to.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define HOST_NODES 16
#define MAX_CLAIMS 64

/* Clients that send v in every message. Transmission has stopped to send it. */
static bool always_says(const uint8_t family[2])
{
    static const char codes[][3] = {"LT", "UT", "A2", "lt", "ml"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (memcmp(family, codes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

/* version is the start of v; zero when the node sends no v. */
bool advert_is_client(const uint8_t version[2], const uint8_t family[2])
{
    if (family[0] == 0) {
        return true;
    }
    return version[0] == 0 ? !always_says(family) : memcmp(version, family, 2) == 0;
}

bool advert_may_be(const node *n, const uint8_t family[2])
{
    static const uint8_t nothing[2];

    return advert_is_client(n->version_len < 2 ? nothing : n->version, family);
}

unsigned advert_host_nodes(const tracker *t, const krpc_endpoint *addr, const uint8_t family[2], uint16_t port,
                           uint32_t *out)
{
    const node *kept[HOST_NODES];
    unsigned num = 0;
    addr_walk walk;
    uint32_t index;

    *out = NONE;
    nodes_at_init(&walk, t, addr);
    while (num < HOST_NODES && (index = nodes_at_next(&walk, t, addr)) != NONE) {
        const node *n = node_at(&t->nodes, index);
        bool is_new = advert_may_be(n, family);

        for (unsigned i = 0; is_new && i < num; i++) {
            is_new = (n->flags & NODE_HAS_ID) == 0 || !node_had_id(t, kept[i], n->id);
        }
        if (is_new) {
            kept[num++] = n;
        }
        if (advert_may_be(n, family) && (*out == NONE || n->endpoint.port == port)) {
            *out = index;
        }
    }
    return num;
}

/* Has a host at the node's address advertised the node's port as its DHT port? */
static bool is_claimed(const tracker *t, const node *n)
{
    uint32_t low = *adverts_head(t, CHAIN_NAMED, &n->endpoint, &n->endpoint);
    const advert *a;

    for (unsigned i = 0; low != 0 && i < MAX_CLAIMS && (a = advert_at_low(t, low - 1)) != NULL; i++) {
        krpc_endpoint named = advert_named(a);

        if (krpc_endpoint_equal(&named, &n->endpoint)) {
            return true;
        }
        low = a->next[CHAIN_NAMED];
    }
    return false;
}

/* Could the client be another node than n, when no advertisement names n's port? Two hosts inside one NAT may use the
 * same port; the NAT rewrites one of them. */
bool advert_may_be_another(const tracker *t, const advert *a, const node *n)
{
    addr_walk walk;
    uint32_t index;

    nodes_at_init(&walk, t, &n->endpoint);
    while ((index = nodes_at_next(&walk, t, &n->endpoint)) != NONE) {
        const node *other = node_at(&t->nodes, index);

        if (other != n && advert_may_be(other, a->family) && (other->flags & NODE_HAS_ID) != 0 &&
            !node_had_id(t, n, other->id) && !is_claimed(t, other)) {
            return true;
        }
    }
    return false;
}
