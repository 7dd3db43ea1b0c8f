/* node.h: a small DHT node, the reference implementation of docs/port-advertisement.rst. node.c is an ordinary node of
 * BEP 5, and contact_port.c all that the draft adds to one. What it keeps is bounded, and nothing is allocated.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_LAB_NODE_H
#define KRPC_LAB_NODE_H

#include <krpc/message.h>

typedef struct node {       /* one that has answered us */
    krpc_endpoint endpoint; /* where it did */
    uint8_t id[20];
    uint16_t sees_port; /* our port, as its ip or r.p says; 0: it said none */
    int64_t answered_ms;
    int unanswered; /* queries since then */
    bool contacted; /* with contact */
} node;

typedef struct query {
    krpc_method method; /* find_node or contact; ping only tries an advertised port */
    bool answered;
    uint8_t t[4];
    uint8_t id[20]; /* of the node that is asked; our own where any node may answer */
    krpc_endpoint to;
    int64_t sent_ms;
} query;

extern struct self {
    krpc_endpoint bind, boot[8];
    int contact_port, silence, after, no_p, no_contact, ignore, script; /* the options */
    uint8_t id[20];
    node nodes[256];
    unsigned num_boot, num_nodes, unsolicited, tried, verified, contacts; /* the last five are printed at the end */
    int64_t start_ms, unsolicited_ms; /* when the last query came that nothing of ours had opened a NAT for */
    bool saying_p;
} self;

int64_t now_ms(void); /* never 0; with --script, what the script says */
node *find_node(const uint8_t *id);
void hear_of(const uint8_t *id, const krpc_endpoint *e); /* it will be asked, unless that node is known */
void ask(krpc_method method, const krpc_endpoint *to, const uint8_t *id);
void receive(const uint8_t *data, size_t len, const krpc_endpoint *from);
void tick(int64_t now); /* once a second */
bool parse_endpoint(krpc_endpoint *out, const char *text);
query *newest_query(uint64_t n); /* the last one for 0, the one before for 1; NULL when there were not so many */

void count_query(const uint8_t *id, const krpc_endpoint *from);
/* What m, from the node id, says about ports. n is that node when m answers us, and else NULL. */
void read_ports(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id, node *n);
bool notice(int64_t now, node *n); /* once a second: whether to say p, and (the result) to send n contact */

int64_t script_now_ms(void);
void script_send(const krpc_endpoint *to, const uint8_t *packet, size_t len);
bool script_run(void); /* false where a line of the script is wrong */

#endif
