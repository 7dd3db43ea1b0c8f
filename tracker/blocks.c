/* blocks.c: signs of a carrier's NAT: an address of the range for carriers (RFC 6598), and blocks of ports (RFC 7422).
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_BLOCKS   1024
#define ENOUGH_PORTS 5
#define BLOCK_PORTS  1024 /* RFC 7422's examples are smaller */

/* block holds the outside ports seen at one address, without those that are equal to the inside port. */
typedef struct block {
    uint16_t ports[ENOUGH_PORTS];
    uint8_t num_ports;
    bool is_wide; /* the ports are too far apart, or the finding was reported */
} block;

void blocks_clear(tracker *t)
{
    if (t->blocks.records != NULL) {
        ways_clear(&t->blocks.ways);
        table_free(t->blocks.records);
    }
}

static block *block_of(tracker *t, const krpc_endpoint *addr)
{
    blocks *all = &t->blocks;
    bool made;
    block *b;

    if (all->records == NULL) {
        ways_init(&all->ways, NUM_BLOCKS, &t->stats.memory);
        all->records = table_alloc(&t->stats.memory, (size_t)all->ways.num_sets * 8, sizeof *all->records);
    }
    b = &all->records[ways_take(&all->ways, hash_addr(&t->key, addr), tracker_second(t), &made)];
    if (made) {
        memset(b, 0, sizeof *b);
    }
    return b;
}

/* By chance, five of 64,000 ports are within a range of a thousand once in a million cases. */
static void take_port(tracker *t, const krpc_endpoint *outside, const krpc_sink *sink)
{
    block *b = block_of(t, outside);
    uint16_t low = outside->port;
    uint16_t high = outside->port;

    if (b->is_wide) {
        return;
    }
    for (unsigned i = 0; i < b->num_ports; i++) {
        if (b->ports[i] == outside->port) {
            return;
        }
        low = MIN(low, b->ports[i]);
        high = MAX(high, b->ports[i]);
    }
    b->ports[b->num_ports++] = outside->port;
    b->is_wide = high - low >= BLOCK_PORTS || b->num_ports == ENOUGH_PORTS;
    if (b->num_ports == ENOUGH_PORTS && high - low < BLOCK_PORTS) {
        krpc_emit(sink, KRPC_RULE_NAT_PORT_BLOCK, 0, 0, low, high);
    }
}

void blocks_observe(tracker *t, nat *n, const external *e, const krpc_sink *sink)
{
    bool sure = e->observers >= 2 || (e->kinds & TRACKER_FROM_BOTH) != 0;
    bool carrier =
        krpc_endpoint_scope(&n->inside) == KRPC_ADDR_CGNAT || krpc_endpoint_scope(&e->endpoint) == KRPC_ADDR_CGNAT;

    if (!sure || n->group) {
        return;
    }
    if (carrier && (n->reported & NAT_SAID_CARRIER) == 0) {
        n->reported |= NAT_SAID_CARRIER;
        krpc_emit(sink, KRPC_RULE_NAT_CARRIER, 0, 0, n->inside.port, e->endpoint.port);
    }
    if (e->endpoint.port != n->inside.port) {
        take_port(t, &e->endpoint, sink);
    }
}
