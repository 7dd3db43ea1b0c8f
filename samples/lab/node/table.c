/* table.c: the nodes that we know, in a table as small as it can be.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "node.h"

#define MAX_NODES 256

static node nodes[MAX_NODES];
static unsigned num_nodes;

unsigned table_size(void)
{
    return num_nodes;
}

node *table_at(unsigned i)
{
    return &nodes[i];
}

node *table_find(const uint8_t *id)
{
    for (unsigned i = 0; i < num_nodes; i++) {
        if (memcmp(nodes[i].id, id, 20) == 0) {
            return &nodes[i];
        }
    }
    return NULL;
}

/* A node that was heard, or heard of. One that has a port which it advertised and which answered keeps it. And behind a
 * forwarded port the source of a query may be the NAT's work: only of those who never answered do we take it. */
void table_note(const uint8_t *id, const krpc_endpoint *endpoint, evidence how)
{
    node *n = table_find(id);

    if (memcmp(id, self.id, 20) == 0 || endpoint->port == 0 || endpoint->addr_len != self.opt.bind.addr_len) {
        return;
    }
    if (n == NULL) {
        if (num_nodes == MAX_NODES) {
            return;
        }
        n = &nodes[num_nodes++];
        *n = (node){.endpoint = *endpoint, .source = *endpoint};
        memcpy(n->id, id, 20);
    } else if (!krpc_endpoint_same_addr(&n->source, endpoint)) {
        return; /* nobody moves a node of another address by saying its id */
    } else if (how != HEARD_OF) {
        n->source = *endpoint;
        if (!n->advertised && (how == ANSWERED || self.opt.contact_port == 0 || n->answered_ms == 0)) {
            n->endpoint = *endpoint;
        }
    }
    if (how == ANSWERED) {
        n->answered_ms = now_ms();
        n->failures = 0;
    }
}

/* The port that a node advertised has answered with its id: it replaces the source endpoint. */
void table_verified(const uint8_t *id, const krpc_endpoint *endpoint)
{
    node *n;

    table_note(id, endpoint, ANSWERED);
    n = table_find(id);
    if (n != NULL && krpc_endpoint_same_addr(&n->source, endpoint)) {
        n->endpoint = *endpoint;
        n->advertised = true;
    }
}

/* One that leaves us without answers is tried where its messages come from, if that is somewhere else, or forgotten. */
void table_failed(const uint8_t *id)
{
    node *n = table_find(id);

    if (n == NULL || ++n->failures < ENOUGH) {
        return;
    }
    if (krpc_endpoint_equal(&n->endpoint, &n->source)) {
        *n = nodes[--num_nodes];
        return;
    }
    n->endpoint = n->source;
    n->advertised = false;
    n->failures = 0;
}

/* Such as have answered us, no hearsay. */
size_t table_closest(uint8_t *out, const uint8_t *target)
{
    const node *best[8];
    size_t n = 0, size = 0;

    for (unsigned i = 0; i < num_nodes; i++) {
        size_t at = n;

        if (nodes[i].answered_ms == 0) {
            continue;
        }
        while (at > 0 && krpc_node_id_nearer(nodes[i].id, best[at - 1]->id, target) < 0) {
            at--;
        }
        if (at < 8) {
            n += n < 8;
            memmove(best + at + 1, best + at, (n - at - 1) * sizeof *best);
            best[at] = &nodes[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(out + size, best[i]->id, 20);
        size += 20 + krpc_endpoint_put(out + size + 20, &best[i]->endpoint);
    }
    return size;
}
