/* tracker_private.h: the interfaces between the tracker's files.
 *
 * Each file is a module: table (hashing, chunked arrays, bounded sets), nodes (endpoints), identity (ids),
 * transactions, flows (pairs of endpoints inside and outside a NAT), nat (outside endpoints and what they prove),
 * adverts, sources (source ports of a node towards each receiver), values (announced ports in responses), peers (peer
 * wire).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_PRIVATE_H
#define TRACKER_PRIVATE_H

#include <tracker/tracker.h>

#include "facts/facts.h"
#include "judge/judge.h"
#include "table/table.h"

#define ANSWER_NS (15 * SECOND)  /* libtorrent's rpc_manager waits this long */
#define FORGET_NS (60 * SECOND)  /* a later response is not matched with the query */
#define WINDOW_NS (900 * SECOND) /* later packets show nothing about an advertisement */

/* ---- nodes.c ---- */

enum node_flags {
    NODE_HAS_ID = 1 << 0,
    NODE_READ_ONLY = 1 << 1, /* it sent ro=1, in noted_frame */
    NODE_RO_REPORTED = 1 << 2,
    NODE_NEAR_REPORTED = 1 << 3,
    NODE_ECHO_REPORTED = 1 << 4,
    NODE_MANY_REPORTED = 1 << 5, /* id.many-at-address was reported for its address */
    NODE_T_MIXED = 1 << 6,       /* its transaction ids have no fixed length */
    NODE_TRANSLATED = 1 << 7,    /* its outside endpoint is known */
    NODE_ELSEWHERE = 1 << 9,     /* its id was seen at another address, in noted_frame */
    NODE_PRIVATE = 1 << 10,      /* its address is not global */
    NODE_ID_CHECKED = 1 << 11,   /* the newest id was compared with the outside address */
    NODE_SWARM_REPORTED = 1 << 14
};

/* node is one endpoint that sent KRPC, in two cache lines: the first one has the members that every message needs. An
 * endpoint needs at most 200 bytes, together with the index, the chain of its address and the table of ids; a test
 * checks that. */
typedef struct node {
    krpc_endpoint endpoint;
    uint8_t id[20];
    uint8_t version[4];
    uint16_t flags; /* enum node_flags */
    uint8_t version_len;
    uint8_t t_len; /* of its transaction ids; 0: it sent none */
    int64_t last_ns;
    uint32_t last_frame;
    uint32_t id_frame; /* the last frame with this id */

    uint32_t queries;
    uint32_t responses;
    uint32_t errors;
    uint32_t queries_received;
    int64_t first_ns;
    uint32_t first_frame;
    uint32_t next; /* in the chain of its address, newest first; NONE ends it */
    uint32_t previous;
    uint32_t history; /* older ids; NONE when there are none */
    uint32_t num_ids;
    uint32_t near_target;
    uint32_t noted_frame; /* for NODE_READ_ONLY or NODE_ELSEWHERE */
} node;

typedef struct history {
    uint8_t ids[TRACKER_MAX_IDS - 1][20]; /* newest first */
    uint32_t owner;
} history;

typedef struct nodes {
    pool records;
    uint32_t *index; /* sets of 16: 8 bits of the hash, 24 bits of the number + 1 */
    uint32_t num_sets;
    uint32_t *addr_heads; /* chains of nodes of one address */
    uint32_t num_heads;
    pool histories;
    uint32_t history_hand;
    ways ids; /* which endpoints have an id */
    uint32_t *id_nodes;
    ways asked; /* endpoints that were asked and have not sent anything yet */
    uint32_t *num_asked;
    uint32_t *sorted;
    uint32_t num_sorted;
    bool is_sorted;
} nodes;

static inline node *node_at(const nodes *n, uint32_t index)
{
    return (node *)(void *)n->records.chunks[index >> POOL_SHIFT] + (index & (POOL_CHUNK - 1));
}

void nodes_init(tracker *t);
void nodes_clear(tracker *t);
uint32_t nodes_find(const tracker *t, const krpc_endpoint *endpoint);
/* nodes_find_hashed takes the hash of the endpoint, and the probable index of the record or NONE. */
uint32_t nodes_find_hashed(const tracker *t, const krpc_endpoint *endpoint, uint64_t hash, uint32_t hint);
uint32_t nodes_touch(tracker *t, const tracker_packet *packet, uint64_t hash,
                     uint32_t hint); /* finds or makes the node of the sender */
/* nodes_asked counts a query to an endpoint that is no node yet. */
void nodes_asked(tracker *t, uint64_t hash);
void nodes_fetch_index(const tracker *t, uint64_t hash);
uint32_t nodes_fetch(const tracker *t, const krpc_endpoint *endpoint, uint64_t hash); /* the probable index, or NONE */
/* The nodes of one address, newest first; NONE ends. At most NODES_AT_ADDRESS are returned, and at most NODES_BETWEEN
 * others that share the chain are skipped. */
#define NODES_AT_ADDRESS 64
#define NODES_BETWEEN    1024
typedef struct addr_walk {
    uint32_t next;
    uint32_t steps;
    uint32_t others;
} addr_walk;
void nodes_at_init(addr_walk *out, const tracker *t, const krpc_endpoint *addr);
uint32_t nodes_at_next(addr_walk *walk, const tracker *t, const krpc_endpoint *addr);

/* ---- identity.c ---- */

void identity_take(tracker *t, const tracker_packet *p, uint32_t src, uint32_t dst, const uint8_t *id, uint32_t off,
                   const krpc_sink *sink);
void identity_near(tracker *t, node *n, const uint8_t target[20], uint32_t off, const krpc_sink *sink);
bool node_had_id(const tracker *t, const node *n, const uint8_t id[20]);
void node_ids(const tracker *t, const node *n, tracker_node *out);

/* ---- clusters.c ---- */

typedef struct clusters {
    ways ways;
    struct cluster *records;
} clusters;

#define CLUSTER_BITS 28 /* two ids that share this many bits were not both chosen at random, or by address */
void clusters_init(tracker *t);
void clusters_clear(tracker *t);
void clusters_take(tracker *t, node *n, uint32_t off, const krpc_sink *sink); /* for each new id of a node */

typedef struct transaction transaction;

/* ---- pair.c: the same bytes on both sides of a NAT ---- */

#define BOTH_LEN 40 /* shorter payloads could be equal by chance */
typedef struct pairs {
    void *seen;       /* NULL until there is one */
    gint has_private; /* a node with a private address sent a message; see has_private */
} pairs;

void pairs_clear(tracker *t);
uint64_t pair_key(const tracker *t, const krpc_message *m, const uint8_t *data); /* a hash of the payload */
void pairs_note(tracker *t, const tracker_packet *p, uint64_t payload, const tracker_keys *keys, bool asks);
void pairs_fetch(const tracker *t, const tracker_keys *keys);

/* ---- outside.c ---- */

/* The outside address of a node: its own if it is global, else the one that hosts of two networks see; false:
 * unknown. */
bool nat_outside(const tracker *t, const node *n, krpc_endpoint *out);
void node_is_translated(tracker *t, const krpc_endpoint *endpoint);
/* nat_reply takes what an answer says about its receiver. */
void nat_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const transaction *query, const tracker_result *result, const fact_contact *contact, uint32_t dst,
               const krpc_sink *sink);
/* nat_seen_port returns the port on which a remote sees a local endpoint now; 0: unknown. */
uint16_t nat_seen_port(const tracker *t, uint32_t index, const krpc_endpoint *local, const krpc_endpoint *remote);
/* nat_own_address reports a sender that sends to its own outside address. */
void nat_own_address(const tracker *t, const tracker_packet *p, uint32_t src, const krpc_sink *sink);

/* ---- conclude.c ---- */

/* verdicts keeps what was judged of each socket, until more packets come. */
typedef struct verdicts {
    GHashTable *sockets; /* number of an endpoint, + 1, to judge_socket */
    GHashTable *wrong;   /* to wrong_claim, what its host says and is not */
    GHashTable *says;    /* the sockets whose hosts advertise a DHT port */
    uint64_t packets;    /* the number of packets, when they were judged */
    bool has_wrong;      /* wrong is filled */
} verdicts;

const judge_socket *judged(const tracker *t, const krpc_endpoint *endpoint); /* NULL: no facts about it */
void verdicts_clear(tracker *t);
void nat_describe(const tracker *t, const node *n, tracker_node *out);

/* ---- transactions.c ---- */

/* One cache line. The query's destination is the address in the key, and port; alt_query has the whole endpoint. */
struct transaction {
    uint64_t key;
    int64_t time_ns;
    uint32_t frame;
    uint32_t answered; /* frame of the response; 0: none */
    uint32_t alt;      /* hash of (t, querier) */
    uint32_t token;    /* hash of the token of an announce or a put */
    uint32_t adverts;  /* serial number of the query's first advertisement, low 32 bits */
    uint16_t port;     /* destination port */
    uint8_t num_adverts;
    uint8_t method;
    uint8_t t_len;
    uint8_t flags; /* enum transaction_flags */
    uint8_t target[20];
    uint8_t id[2]; /* the first bytes of the querier's id, to distinguish the nodes at one endpoint */
};

enum transaction_flags { TRANSACTION_TARGET = 1, TRANSACTION_SCRAPE = 2, TRANSACTION_IN_TIME = 8 };

/* A set of eight records: their tags and times are in one cache line. */
typedef struct transaction_set {
    uint16_t tag[8];
    uint32_t
        until[8];     /* seconds: end of the wait for a response; in the past once answered. The smallest is replaced */
    uint32_t spilled; /* when a query last used the second set of its key: seconds; 0: never */
    uint8_t unused[12];
} transaction_set;

typedef struct alt_query {
    uint32_t tag;
    uint32_t slot : 31;
    uint32_t several : 1;
    uint32_t time; /* seconds; 0: free */
    krpc_endpoint asked;
} alt_query;

typedef struct transactions {
    transaction_set *sets;
    transaction *records;
    alt_query *alts;
    uint32_t num_sets;
    uint32_t num_alts; /* a power of two */
    int64_t last_drop_ns;
    uint64_t live; /* queries that count as unanswered unless a response comes in time */
} transactions;

void transactions_init(tracker *t);
void transactions_clear(tracker *t);
/* transactions_query stores a query and returns its record; NULL for a repetition, or without a transaction id. */
transaction *transactions_query(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                                const tracker_keys *keys, uint32_t src, tracker_result *out, const krpc_sink *sink);
/* transactions_reply returns the query of a response; NULL when there is none. */
transaction *transactions_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const tracker_keys *keys,
                                uint32_t dst, tracker_result *out, const krpc_sink *sink);
transaction *transactions_find(tracker *t, const krpc_endpoint *querier, const krpc_endpoint *responder,
                               const krpc_message *m, const uint8_t *data);
/* transactions_keys computes the keys of a transaction; querier is the hash of its endpoint. */
void transactions_keys(const tracker *t, const krpc_message *m, const uint8_t *data, uint64_t querier,
                       const krpc_endpoint *responder, tracker_keys *out);
void transactions_fetch_set(const tracker *t, const tracker_keys *keys);
void transactions_fetch(const tracker *t, tracker_keys *keys, bool asks);
uint64_t transactions_pending(const tracker *t, int64_t younger_than);

/* ---- tokens.c ---- */

typedef struct token {
    uint16_t port; /* the querier's port as the responder saw it, or the source port */
    uint16_t unused;
    uint32_t frame;
} token;

typedef struct tokens {
    ways ways;
    token *records;
} tokens;

void tokens_init(tracker *t);
void tokens_clear(tracker *t);
uint32_t token_hash(const tracker *t, const krpc_message *m, const uint8_t *data, krpc_field field);
/* tokens_key is the key of the token in a response. */
uint64_t tokens_key(const tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data);
void tokens_fetch(const tracker *t, uint64_t key);
void tokens_given(tracker *t, uint64_t key, uint32_t frame, uint16_t port);
void tokens_refused(tracker *t, const tracker_packet *p, const transaction *query, uint16_t port,
                    const krpc_sink *sink);

/* ---- adverts.c, adverts_host.c, adverts_judge.c, adverts_later.c ---- */

/* Chains of advertisements, newest first. DHT ports: by the advertised endpoint; by that and the receiver; by the
 * sender's endpoint and the receiver. Peer ports: by the advertised endpoint and the receiver. */
typedef enum advert_chain { CHAIN_NAMED, CHAIN_TOLD, CHAIN_SOURCE, CHAIN_PEERS, NUM_CHAINS } advert_chain;

/* advert_use is a packet that shows what became of an advertised port. */
typedef struct advert_use {
    uint32_t frame; /* 0: none */
    bool is_query;  /* else a port in a response, or a connection */
    int64_t ns;
    krpc_endpoint src, dst;
} advert_use;

typedef struct advert {
    tracker_advert said;
    uint32_t next[NUM_CHAINS]; /* an older one of the same chain: low 32 bits of its serial, + 1; 0 ends it */
    advert_use tried;          /* the first query of any host to the advertised port */
    advert_use kept;           /* the receiver's first query to the source port */
    advert_use used;           /* and to the advertised port */
    advert_use dead;           /* an ICMP error about the advertised port */
    uint32_t contradicts_frame;
    uint32_t swapped_frame;
    uint8_t family[2]; /* code of the client; zero: unknown */
    uint8_t flags;     /* enum advert_flags */
} advert;

enum advert_flags {
    ADVERT_STREAM = 1,      /* over TCP or uTP: the receiver's port is not that of its DHT socket */
    ADVERT_UTP = 2,         /* over uTP: the sender's port is that of its UDP socket */
    ADVERT_TESTABLE = 4,    /* the advertised port differs from the source port */
    ADVERT_ANSWER = 16,     /* in a response */
    ADVERT_OTHER_REASON = 8 /* the receiver's first query to the advertised port has another reason */
};

typedef struct adverts {
    pool records;
    uint64_t next; /* serial number */
    uint64_t oldest;
    uint32_t *heads[NUM_CHAINS];
    uint32_t num_heads;
    uint64_t num_dht; /* advertisements of DHT ports */
    ways hosts;       /* the last advertisement of a host for a service */
    struct host_said *said;
} adverts;

void adverts_init(tracker *t);
void adverts_clear(tracker *t);
/* adverts_take stores the advertisements of a KRPC message about its sender; query is its own record, or NULL. */
void adverts_take(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data, uint32_t src,
                  transaction *query, tracker_result *out, const krpc_sink *sink);
advert *advert_at(const tracker *t, uint64_t serial);
advert *advert_at_low(const tracker *t, uint32_t low); /* by the low 32 bits of a serial number */
uint32_t *adverts_head(const tracker *t, advert_chain chain, const krpc_endpoint *endpoint,
                       const krpc_endpoint *receiver);
krpc_endpoint advert_source(const advert *a); /* the sender's DHT endpoint, as the receiver sees it */
/* field_sink passes findings to another sink as findings about a field: for code that has a position but no field. */
typedef struct field_sink {
    krpc_sink sink;
    const krpc_sink *to;
    krpc_field field;
} field_sink;
const krpc_sink *field_sink_init(field_sink *out, const krpc_sink *to, krpc_field field);

/* advert_add stores one and reports its findings. *said has all members except the tracker's decisions. */
void advert_add(tracker *t, const tracker_advert *said, const uint8_t family[2], uint8_t flags, tracker_result *out,
                const krpc_sink *sink);
void advert_judge(const tracker *t, const advert *a, tracker_advert *out);
/* advert_is_client: can a node with this version in v (zero: none) be a client of that family? advert_may_be checks a
 * node. */
bool advert_is_client(const uint8_t version[2], const uint8_t family[2]);
bool advert_may_be(const node *n, const uint8_t family[2]);
/* advert_may_be_another: the stream may belong to another node than n, when no advertisement names n's port: two hosts
 * inside one NAT may use the same port, and the NAT rewrites one of them. */
bool advert_may_be_another(const tracker *t, const advert *a, const node *n);
/* advert_host_nodes counts the nodes with different ids at an address that may be the client of that family. *out is
 * one of them: the one with the port, if there is one. */
unsigned advert_host_nodes(const tracker *t, const krpc_endpoint *addr, const uint8_t family[2], uint16_t port,
                           uint32_t *out);
/* advert_seen_port returns the port on which the receiver of a mismatch sees its sender, or else on which any node sees
 * it; 0: unknown. */
uint16_t advert_seen_port(const tracker *t, const tracker_advert *judged);
bool advert_other_node(const tracker *t, const advert *a, uint32_t *frame_out);
bool advert_is_dead(const tracker *t, const advert *a);
krpc_endpoint advert_named(const advert *a);
/* adverts_observed: the receiver of a query's advertisements has reported where it sees the sender. */
void adverts_observed(tracker *t, const transaction *query, const krpc_endpoint *outside, uint32_t frame);
/* adverts_sent: a query was sent to an endpoint; repeats is the frame of the query that it repeats, or 0.
 * adverts_unreachable: an ICMP error reported the endpoint unreachable. */
void adverts_sent(tracker *t, const tracker_packet *p, const krpc_message *m, uint32_t repeats);
void adverts_unreachable(tracker *t, const tracker_packet *p, const krpc_endpoint *where);
/* adverts_connected: a connection to a peer port is opened. */
void adverts_connected(tracker *t, const tracker_packet *p);
/* adverts_returned: the receiver of an advertisement returned a port of the sender in a response; kind: enum
 * port_return. */
enum port_return { RETURNED_AS_SAID, RETURNED_SOURCE, RETURNED_SWAPPED };
void adverts_returned(tracker *t, const tracker_packet *p, uint32_t serial, uint32_t frame, int kind);
void adverts_finish(tracker *t);

/* ---- values.c ---- */

typedef struct announced {
    uint32_t frame;
    uint32_t serial; /* of the advertisement, low 32 bits */
} announced;

#define NUM_GENERATIONS 2
typedef struct announcements {
    ways ways;
    announced *records;
    uint64_t *filters[NUM_GENERATIONS]; /* bloom filters of recent announces; newest first */
    uint32_t num_filtered;              /* in the newest */
} announcements;

void values_init(tracker *t);
void values_clear(tracker *t);
void values_announced(tracker *t, const tracker_advert *said, uint64_t serial);
/* values_check checks nodes, nodes6 and values of a response. */
void values_check(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                  const tracker_result *result, const krpc_sink *sink);

/* ---- lives.c: UDP ports that are in use, for any protocol ---- */

typedef struct lives {
    ways ways;
    uint32_t *frames;
} lives;

void lives_init(tracker *t);
void lives_clear(tracker *t);
void lives_fetch(const tracker *t, const krpc_endpoint *endpoint);
void lives_note(tracker *t, const krpc_endpoint *endpoint, uint32_t frame);
uint32_t lives_frame(const tracker *t, const krpc_endpoint *endpoint); /* the last frame from there; 0: none */

/* ---- items.c ---- */

/* items_check verifies the BEP 44 item of a put, or of a response to a get. */
void items_check(tracker *t, const krpc_message *m, const uint8_t *data, const tracker_result *result,
                 const krpc_sink *sink);

/* ---- peers.c ---- */

struct peers;
void peers_clear(tracker *t);

/* ---- tracker.c ---- */

struct tracker {
    hash_key key;
    tracker_options options;
    tracker_stats stats;
    int64_t begin_ns; /* of the first packet */
    int64_t now_ns;   /* the latest time so far; expiry uses this */
    bool begun;
    bool finished;
    nodes nodes;
    transactions transactions;
    facts facts;
    pairs pairs;
    verdicts verdicts;
    tokens tokens;
    adverts adverts;
    announcements announcements;
    lives lives;
    clusters clusters;
    struct peers *peers;
};

/* Atomic, because tracker_keys_make may run in another thread. */
static inline bool has_private(const tracker *t)
{
    return g_atomic_int_get(&t->pairs.has_private) != 0;
}

/* Seconds since the start of the capture, from 1. */
static inline uint32_t tracker_second(const tracker *t)
{
    return (uint32_t)((t->now_ns - t->begin_ns) / SECOND) + 1;
}

/* Does the first byte of the address allow an address that is not global? A fast check before krpc_endpoint_scope. */
static inline bool addr_may_be_special(const uint8_t *addr, uint32_t len)
{
    static const uint8_t special[256 / 8] = {
        [0 / 8] = 1 << 0,
        [10 / 8] = 1 << 2,
        [100 / 8] = 1 << 4,
        [127 / 8] = 1 << 7,
        [169 / 8] = 1 << 1 | 1 << 4 /* 172 */,
        [192 / 8] = 1 << 0,
        [224 / 8] = 0xff,
        [232 / 8] = 0xff,
        [240 / 8] = 0xff,
        [248 / 8] = 0xff,
    };

    return len == 4 ? (special[addr[0] / 8] >> addr[0] % 8 & 1) != 0 : addr[0] >> 5 != 1; /* 2000::/3 */
}

static inline bool addr_is_private(const krpc_endpoint *endpoint)
{
    return addr_may_be_special(endpoint->addr, endpoint->addr_len) && krpc_endpoint_scope(endpoint) != KRPC_ADDR_GLOBAL;
}

void tracker_time(tracker *t, const tracker_packet *p);

#endif
