/* node.h: a small DHT node, the reference implementation of codec/port-advertisement.rst.
 *
 *     krpc-node --bind 10.0.0.2:6881 --boot 192.0.2.10:6881 [--contact-port 6881] [options, see usage]
 *
 * It answers ping, find_node, get_peers and announce_peer. What the draft adds is in contact_port.c: when it says p and
 * sends contact, and how it follows the p and contact of others. One process is one node with one socket; each file keeps
 * its own state, all of it bounded, and nothing is allocated. What it does is told on standard output, and at the end a
 * line of counters.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_LAB_NODE_H
#define KRPC_LAB_NODE_H

#include <krpc/advert.h>
#include <krpc/message.h>
#include <krpc/node_id.h>

#define MAX_BOOT  8
#define ANSWER_MS 15000 /* how long an answer is waited for */
#define ENOUGH    3     /* so many networks must see us on another port; so often a node may leave us without answer */

typedef struct options {
    krpc_endpoint bind;
    krpc_endpoint boot[MAX_BOOT];
    int num_boot;
    int contact_port; /* 0: none */
    int no_p, no_contact, ignore;
    int silence, after; /* in seconds */
    int speed;
} options;

typedef struct counters {
    uint64_t queries, unsolicited, verified, failed, contacts;
} counters;

/* What every part may read; main.c sets it up. */
extern struct self {
    options opt;
    uint8_t id[20];
    int64_t start_ms, unsolicited_ms; /* the last query that nothing of ours had opened the way for */
    counters count;
} self;

/* ---- net.c: clock, socket, endpoints as text ---- */

int64_t now_ms(void); /* never 0; runs --speed times as fast as others' */
void fill_random(void *out, size_t len);
void say(const char *what, const krpc_endpoint *who, const char *more); /* a line on standard output */
bool take_number(int *out, const char *value, int most);
bool parse_endpoint(krpc_endpoint *out, const char *text); /* 192.0.2.1:6881 or [2001:db8::1]:6881 */
bool net_open(void);
bool net_wait(int ms); /* whether something has come in */
bool net_receive(uint8_t *data, size_t cap, size_t *len, krpc_endpoint *from);
void net_send(const krpc_builder *b, const krpc_endpoint *to);

/* ---- table.c: the nodes that we know ---- */

typedef struct node {
    krpc_endpoint endpoint; /* where queries go */
    krpc_endpoint source;   /* where its last message came from */
    uint8_t id[20];
    uint8_t program[2];   /* how its v begins */
    int64_t answered_ms;  /* 0: never */
    int64_t contacted_ms; /* 0: never */
    int failures;
    bool advertised; /* endpoint came from p or contact and has answered */
} node;

typedef enum evidence { HEARD_OF, ASKED_US, ANSWERED } evidence;

unsigned table_size(void);
node *table_at(unsigned i);
node *table_find(const uint8_t *id);
void table_note(const uint8_t *id, const krpc_endpoint *endpoint, evidence how);
void table_verified(const uint8_t *id, const krpc_endpoint *endpoint);
void table_failed(const uint8_t *id);
size_t table_closest(uint8_t *out, const uint8_t *target); /* compact nodes, at most 8 */

/* ---- queries.c: what we asked and whom we wrote to ---- */

typedef enum purpose { FREE, LOOKUP, REFRESH, VERIFY, CONTACT } purpose;

typedef struct pending {
    purpose purpose;
    uint8_t t[2];
    krpc_endpoint to;
    uint8_t id[20]; /* the node that must answer, but not of LOOKUP */
    int64_t sent_ms;
} pending;

void ask(purpose why, const krpc_endpoint *to, krpc_method method, const uint8_t *id, const uint8_t *target);
bool asked(pending *out, const krpc_message *m, const uint8_t *data, const krpc_endpoint *from); /* and no longer is */
void expire(int64_t now);
void wrote_to(const krpc_endpoint *to);
bool solicited(const krpc_endpoint *from, int64_t now);

/* ---- contact_port.c: the draft ---- */

void add_p(krpc_builder *b);
/* What m says about ports, its sender's and ours. id is its sender's, and is_answer whether it answers us. */
void read_adverts(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id,
                  bool is_answer);
void port_verified(const krpc_endpoint *from, const uint8_t *id);
void notice(int64_t now); /* once a second: whether to say p, and whom to send contact */

/* ---- answers.c ---- */

void answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from);

#endif
