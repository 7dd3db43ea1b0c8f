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

#include <string.h>

#include <glib.h>

#define SECOND    INT64_C(1000000000)
#define ANSWER_NS (15 * SECOND)  /* libtorrent's rpc_manager waits this long */
#define FORGET_NS (60 * SECOND)  /* a later response is not matched with the query */
#define WINDOW_NS (900 * SECOND) /* later packets show nothing about an advertisement */
#define NONE      UINT32_MAX

/* ---- table.c ---- */

/* Hashes are keyed, because strangers choose node ids, endpoints and transaction ids. */
typedef struct hash_key {
    uint64_t k[4];
} hash_key;

void hash_key_init(hash_key *out, const uint8_t bytes[16]);

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t mid = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    uint64_t cross = (a & UINT32_MAX) * (b >> 32) + (mid & UINT32_MAX);
    uint64_t high = (a >> 32) * (b >> 32) + (mid >> 32) + (cross >> 32);

    return (low & UINT32_MAX) ^ cross << 32 ^ high;
#endif
}

/* c goes through both multiplications. Through one of them, small differences, such as those between consecutive ports,
 * hardly change the bits that choose a set, and with one key in two hundred such ports share a set. */
static inline uint64_t hash_words(const hash_key *key, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t spread = c * UINT64_C(0x9e3779b97f4a7c15);

    return hash_fold(hash_fold(a ^ key->k[0], b ^ spread ^ key->k[1]) ^ key->k[2], c ^ key->k[3]);
}

/* Of the address only. */
static inline uint64_t hash_addr(const hash_key *key, const krpc_endpoint *endpoint)
{
    uint64_t w[2];

    memcpy(w, endpoint->addr, sizeof w);
    return hash_words(key, w[0], w[1], (uint64_t)endpoint->addr_len << 16);
}

/* Of the address and the port. */
static inline uint64_t hash_endpoint(const hash_key *key, const krpc_endpoint *endpoint)
{
    uint64_t w[2];

    memcpy(w, endpoint->addr, sizeof w);
    return hash_words(key, w[0], w[1], (uint64_t)endpoint->addr_len << 16 | endpoint->port | UINT64_C(1) << 32);
}

uint64_t hash_bytes(const hash_key *key, const void *bytes, size_t len, uint64_t seed);

/* An array of records that are all zero at first. It grows by chunks, so records never move. */
#define POOL_SHIFT 12
#define POOL_CHUNK (UINT32_C(1) << POOL_SHIFT)
typedef struct pool {
    uint8_t **chunks;
    uint32_t max;
    uint32_t used;
    size_t size; /* of a record */
    uint64_t *memory;
} pool;

void pool_init(pool *out, uint32_t max, size_t size, uint64_t *memory);
void pool_clear(pool *pool);
void pool_grow(pool *pool, uint32_t index); /* makes record number index exist */

/* A bounded set of 64-bit keys. The slot of a key is an index of an array of the caller. A key has 8 possible slots (a
 * set); a new key replaces the least recently used one of its set. */
typedef struct way_set {
    uint32_t tag[8];  /* 0: free */
    uint32_t time[8]; /* of the last use, in seconds since the start of the capture */
} way_set;
typedef struct ways {
    way_set *sets;
    uint32_t num_sets; /* a power of two */
} ways;

void ways_init(ways *out, uint32_t max, uint64_t *memory);
void ways_clear(ways *ways);

static inline uint32_t ways_set(const ways *w, uint64_t key)
{
    return (uint32_t)(key >> 32) & (w->num_sets - 1);
}

static inline uint32_t ways_tag(uint64_t key)
{
    return (uint32_t)key | 1;
}

/* A set is one cache line. So are the 8 records of the caller for the set, if a record is at most 8 bytes. */
static inline void ways_fetch(const ways *w, uint64_t key, const void *records, size_t size)
{
    uint32_t set = ways_set(w, key);

    __builtin_prefetch(&w->sets[set], 1);
    __builtin_prefetch((const uint8_t *)records + set * 8 * size, 1);
}

/* ways_find returns the slot of a key, or NONE. ways_insert returns a slot for a key that is not in the set: a free
 * one, else the least recently used one. */
uint32_t ways_find(const ways *ways, uint64_t key);
uint32_t ways_insert(ways *ways, uint64_t key, uint32_t now);
/* ways_take finds or inserts a key, and notes its use. *made: it was inserted. */
uint32_t ways_take(ways *ways, uint64_t key, uint32_t now, bool *made);

/* The smallest power of two that is not less than at_least. */
uint32_t power_of_two(uint32_t at_least);
/* Memory that is all zero and aligned to cache lines. */
void *table_alloc(uint64_t *memory, size_t num, size_t size);
void table_free(void *table);

/* ---- nodes.c ---- */

enum node_flags {
    NODE_HAS_ID = 1 << 0,
    NODE_READ_ONLY = 1 << 1, /* it sent ro=1, in noted_frame */
    NODE_RO_REPORTED = 1 << 2,
    NODE_NEAR_REPORTED = 1 << 3,
    NODE_ECHO_REPORTED = 1 << 4,
    NODE_MANY_REPORTED = 1 << 5, /* id.many-at-address was reported for its address */
    NODE_T_MIXED = 1 << 6,       /* its transaction ids have no fixed length */
    NODE_TRANSLATED = 1 << 7,    /* there is a nat record for this endpoint */
    NODE_GROUPED = 1 << 8,       /* one of its ids was seen on another port of the address */
    NODE_ELSEWHERE = 1 << 9,     /* its id was seen at another address, in noted_frame */
    NODE_PRIVATE = 1 << 10,      /* its address is not global */
    NODE_ID_CHECKED = 1 << 11,   /* the newest id was compared with the outside address */
    NODE_PAIRED = 1 << 12,       /* there is a nat record for the first of several NATs on its path */
    NODE_OPEN = 1 << 13,         /* a query reached it from a host to which it had sent nothing */
    NODE_SWARM_REPORTED = 1 << 14,
    NODE_ANSWERED_FIRST = 1 << 15 /* its first message is a response: a forwarded port, or an older mapping */
};

/* node is one endpoint that sent KRPC, in two cache lines: the first one has the members that every message needs. An
 * endpoint needs at most 200 bytes, together with the index, the chain of its address and the table of ids; a test
 * checks that. */
typedef struct node {
    krpc_endpoint endpoint;
    uint8_t id[20];
    uint8_t version[4];
    uint16_t flags; /* enum node_flags */
    uint8_t counts; /* NODE_SEEN, NODE_TALKED, version_len: see below */
    uint8_t t_len;  /* of its transaction ids; 0: it sent none */
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
    uint32_t seen_frame;  /* the first response that sees it at this endpoint */
    uint32_t witness[2];  /* hashes of two addresses that answered it; those that see it at this endpoint come first */
} node;

/* node_seen and node_talked: numbers of different addresses, up to 3, that see the node at this endpoint, and that
 * answered it. */
static inline unsigned node_seen(const node *n)
{
    return n->counts & 3u;
}

static inline unsigned node_talked(const node *n)
{
    return n->counts >> 2 & 3u;
}

static inline uint8_t node_version_len(const node *n)
{
    return n->counts >> 4;
}

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

/* ---- flows.c: pairs of a local and a remote endpoint ---- */

typedef struct flow {
    uint64_t key;
    int64_t last_ns; /* any datagram */
    int64_t seen_ns; /* time of the query whose source the remote reported */
    uint32_t value;  /* hash of the reported outside endpoint; 0: none */
    uint32_t seen_frame;
    uint16_t port;   /* of the reported outside endpoint */
    uint8_t inbound; /* enum flow_inbound: the remote sent the first packet */
    uint8_t unused;
} flow;

/* payload_seen is the payload of a query that may be seen again on the other side of a NAT. */
typedef struct payload_seen {
    uint64_t key;
    int64_t ns;
    krpc_endpoint src;
    uint32_t frame; /* 0: it was seen on both sides already */
} payload_seen;

#define BOTH_LEN 40 /* shorter payloads could be equal by chance */

typedef struct flows {
    ways ways;
    flow *records;      /* NULL until the first flow */
    ways votes;         /* (nat, remote address, value): the reports of remotes */
    uint32_t crowded;   /* when a vote younger than VOTES_KEPT was replaced: seconds; 0: never */
    payload_seen *seen; /* queries of the last seconds, to find the same bytes on the other side */
    gint has_private;   /* a node with a private address sent a query; see flows_has_private */
} flows;

flow *flow_get(tracker *t, uint64_t local, const krpc_endpoint *remote); /* finds or makes it */
const flow *flow_find(const tracker *t, uint64_t local, const krpc_endpoint *remote);
enum flow_inbound { FLOW_CAME_IN = 1, FLOW_DOUBTFUL };
/* flow_touch notes a datagram between a local endpoint and a remote one: sent, received, or received by a local
 * endpoint that strangers can reach. */
typedef enum flow_way { FLOW_OUT, FLOW_IN, FLOW_IN_OPEN } flow_way;
void flow_touch(tracker *t, const krpc_endpoint *local, const krpc_endpoint *remote, flow_way way, int64_t now);
/* Votes: a remote address reported a value (the hash of an endpoint), or one of these, for a local endpoint. */
enum vote_values {
    VOTE_ANY,
    VOTE_EQUAL,
    VOTE_OTHER,
    VOTE_CONTACTED,
    VOTE_PASSED,
    VOTE_KNOCKED,
    VOTE_NET_EQUAL,
    VOTE_NET_OTHER
};
bool vote_new(tracker *t, uint64_t local, uint32_t remote, uint32_t value);
/* votes_are_complete: all votes of the last VOTES_KEPT seconds are stored. */
#define VOTES_KEPT 300
bool votes_are_complete(const tracker *t);
bool vote_known(const tracker *t, uint64_t local, uint32_t remote, uint32_t value);
/* payload_key is a hash of the whole payload, and of its destination, whose hash is dst_hash. */
uint64_t payload_key(const tracker *t, const krpc_message *m, const uint8_t *data, uint64_t dst_hash);
void payload_fetch(const tracker *t, uint64_t key);
payload_seen *payload_seen_at(tracker *t, uint64_t key); /* the one with this key, or the one to replace */
void flows_clear(tracker *t);

/* ---- nat.c ---- */

typedef struct external {
    krpc_endpoint endpoint;
    uint32_t value; /* hash of the endpoint */
    uint32_t observers;
    uint32_t num_frames;
    uint32_t frames[TRACKER_MAX_FRAMES];
    int64_t first_ns;
    int64_t last_ns;
    uint8_t over;  /* bit j: seen before and after external j */
    uint8_t after; /* bit k: seen by a remote that had seen external k before */
    uint8_t kinds; /* enum tracker_evidence */
    bool said_remapped;
} external;

/* One remote address that saw the same outside endpoint before and after another remote saw a different one. */
typedef struct straddle {
    uint32_t remote;
    uint32_t value;
} straddle;

#define NUM_STRADDLES 8
#define NUM_BURST     3

/* nat holds the observations of the mappings of one inside endpoint, or of one node id at one outside address (a
 * group). */
typedef struct nat {
    uint64_t key;
    krpc_endpoint inside; /* of a group: its address, port 0 */
    bool group;
    uint8_t kinds; /* enum tracker_evidence */
    uint8_t num_kept;
    uint8_t num_straddles;
    uint8_t straddle_kinds; /* kinds of evidence that straddled */
    uint8_t reported;       /* enum nat_reported */
    bool burst;             /* different ports to different remotes at once */
    bool clones;            /* two hosts with one id */
    uint32_t remapped;
    uint32_t num_external;
    uint32_t observers;    /* different remote addresses, in all */
    uint32_t observers_eq; /* of these, those that saw the inside port */
    uint32_t observers_ne; /* and those that saw another port */
    uint32_t networks_eq;  /* numbers of different networks of both */
    uint32_t networks_ne;
    uint32_t frames_eq;
    uint32_t passed;         /* remote addresses to which it had sent nothing, and whose packets came through */
    uint32_t knocks[2];      /* remote endpoints that sent to an open mapping; [1]: it had sent to their address */
    uint32_t late_knocks[2]; /* those since the node was last seen inside, before knock_ns */
    int64_t knock_ns;
    uint32_t contacts; /* remote addresses to which it sent queries, since contacts_ns */
    int64_t contacts_ns;
    external externals[TRACKER_MAX_EXTERNAL];
    straddle straddles[NUM_STRADDLES];
    struct {
        int64_t ns;
        uint32_t value;
        uint32_t remote;
    } bursts[NUM_BURST];
} nat;

enum nat_reported { NAT_SAID_REWRITTEN = 1, NAT_SAID_DEPENDENT = 2, NAT_SAID_CARRIER = 4 };

typedef struct nats {
    pool records;
    GHashTable *by_key; /* of uint64_t in the record, to number + 1 */
    uint32_t hand;
} nats;

void nats_init(tracker *t);
void nats_clear(tracker *t);
nat *nat_find(const tracker *t, uint64_t key);
nat *nat_make(tracker *t, uint64_t key);

/* observation: remote saw the local endpoint as outside, in the query that was sent at ns. */
typedef struct observation {
    const krpc_endpoint *remote;
    const krpc_endpoint *outside;
    int64_t ns;
    uint32_t frame;
    uint8_t kind;
} observation;
void nat_observe(tracker *t, nat *n, const observation *seen, const krpc_sink *sink);
tracker_port nat_port(const nat *n);
const external *nat_current(const nat *n); /* the current outside endpoint; num_kept must not be 0 */
tracker_mapping nat_mapping(const nat *n);
/* nat_is_lone: only one remote reports that outside endpoint, and others saw another one before and after. */
bool nat_is_lone(const nat *n, unsigned external);
/* nat_is_made_up: only one remote reports that outside endpoint, for a global endpoint. */
bool nat_is_made_up(const nat *n, const external *e);
/* nat_of_node returns the nat record of a node, or of the group of one of its ids; NULL when there is none. */
nat *nat_of_node(const tracker *t, const node *n);
/* nat_of_place returns the record of the NAT between two capture points, where there is another NAT further outside. */
nat *nat_of_place(const tracker *t, const node *n);
uint64_t place_key(const tracker *t, const krpc_endpoint *local);
void nat_describe(const tracker *t, const node *n, tracker_nat *out);
uint64_t group_key(const tracker *t, const uint8_t id[20], const krpc_endpoint *addr);
void group_make(tracker *t, const uint8_t id[20], node *a, node *b);
/* The outside address of a node: its own if it is global, else the observed one; false: unknown. */
bool nat_outside(const tracker *t, const node *n, krpc_endpoint *out);
/* nat_reply takes what a response reports about its receiver. */
void nat_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const transaction *query, const tracker_result *result, uint32_t src, uint32_t dst,
               const krpc_sink *sink);
void nat_query(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const tracker_keys *keys, uint32_t src, uint32_t dst, transaction *query, const krpc_sink *sink);
/* nat_datagram notes any datagram from or to a private address; opens: a sender to which the receiver has sent nothing
 * is a stranger. */
void nat_datagram(tracker *t, const tracker_packet *p, bool opens);
/* nat_seen_port returns the port on which a remote sees a local endpoint now; 0: unknown. */
uint16_t nat_seen_port(const tracker *t, uint32_t index, const krpc_endpoint *local, const krpc_endpoint *remote);
/* nat_own_address reports a sender that sends to its own outside address. */
void nat_own_address(const tracker *t, const tracker_packet *p, uint32_t src, const krpc_sink *sink);

/* ---- blocks.c ---- */

typedef struct blocks {
    ways ways;             /* of addresses */
    struct block *records; /* NULL until there is one */
} blocks;

void blocks_clear(tracker *t);
void blocks_observe(tracker *t, nat *n, const external *e, const krpc_sink *sink); /* e was just seen */

/* ---- filtering.c ---- */

typedef struct openings {
    ways ways;               /* of outside endpoints */
    struct opening *records; /* NULL until there is one */
} openings;

void filtering_clear(tracker *t);
/* filtering_opened: a query left through that mapping; filtering_knocked: a query came to an outside endpoint. */
void filtering_opened(tracker *t, const krpc_endpoint *inside, const krpc_endpoint *outside, int64_t ns);
void filtering_knocked(tracker *t, const tracker_packet *p);
/* filtering_contacted: a node with a private address sends a query. */
void filtering_contacted(tracker *t, const tracker_packet *p);
tracker_filtering filtering_of(const tracker *t, const node *local, const nat *n);

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

enum transaction_flags {
    TRANSACTION_TARGET = 1,
    TRANSACTION_SCRAPE = 2,
    TRANSACTION_GROUP = 4, /* the querier's id is on several ports */
    TRANSACTION_IN_TIME = 8
};

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

typedef struct advert {
    tracker_advert said;
    uint32_t next[NUM_CHAINS]; /* an older one of the same chain: low 32 bits of its serial, + 1; 0 ends it */
    uint32_t tried_frame;      /* the first query to the advertised port */
    uint32_t kept_frame;       /* the receiver's first query to the source port */
    uint32_t used_frame;       /* the receiver's first query to the advertised port */
    uint32_t dead_frame;
    uint32_t contradicts_frame;
    uint32_t swapped_frame;
    uint32_t seen_frame; /* over a stream: the frame where the receiver saw dht_port; 0: unknown at that time */
    int64_t tried_ns;
    int64_t kept_ns;
    int64_t used_ns;
    int64_t dead_ns;
    uint8_t family[2]; /* code of the client; zero: unknown */
    uint8_t flags;     /* enum advert_flags */
} advert;

enum advert_flags {
    ADVERT_STREAM = 1,   /* over TCP or uTP: the receiver's port is not that of its DHT socket */
    ADVERT_UTP = 2,      /* over uTP: the sender's port is that of its UDP socket */
    ADVERT_TESTABLE = 4, /* the advertised port differs from the source port */
    ADVERT_DEAD_SAID = 8,
    ADVERT_OTHER_REASON = 16 /* the receiver's first query to the advertised port has another reason */
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
/* advert_seen_frame returns the last frame in which the receiver of a stream's advertisement saw the sender; 0:
 * unknown. */
uint32_t advert_seen_frame(const tracker *t, const advert *a);
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
void adverts_sent(tracker *t, const tracker_packet *p, const krpc_message *m, uint32_t repeats, const krpc_sink *sink);
void adverts_unreachable(tracker *t, const tracker_packet *p, const krpc_endpoint *where, const krpc_sink *sink);
/* adverts_connected: a connection to a peer port is opened. */
void adverts_connected(tracker *t, const tracker_packet *p);
/* adverts_returned: the receiver of an advertisement returned a port of the sender in a response; kind: enum
 * port_return. */
enum port_return { RETURNED_AS_SAID, RETURNED_SOURCE, RETURNED_SWAPPED };
void adverts_returned(tracker *t, const tracker_packet *p, uint32_t serial, uint32_t frame, int kind);
void adverts_finish(tracker *t);

/* ---- sources.c: the source port of a node (id and address) towards each receiver ---- */

typedef struct sent_from {
    uint32_t frame; /* the last */
    uint16_t port;
    uint8_t asks;      /* it sent queries there, and not only responses */
    uint8_t family[2]; /* code of the client; zero: unknown */
} sent_from;

typedef struct sources {
    ways ways;
    sent_from *records; /* NULL until the first stream */
} sources;

void sources_begin(tracker *t); /* allocates the table; packets are noted from now on */
void sources_clear(tracker *t);
void sources_note(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data);
const sent_from *sources_find(const tracker *t, const krpc_endpoint *sender, const uint8_t id[20],
                              const krpc_endpoint *receiver);

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
    flows flows;
    nats nats;
    tokens tokens;
    adverts adverts;
    announcements announcements;
    lives lives;
    sources sources;
    openings openings;
    blocks blocks;
    clusters clusters;
    struct peers *peers;
};

/* Atomic, because tracker_keys_make may run in another thread. */
static inline bool flows_has_private(const tracker *t)
{
    return g_atomic_int_get(&t->flows.has_private) != 0;
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
