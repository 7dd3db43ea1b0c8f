/* tracker_private.h: what the sources of the tracker share.
 *
 * One module a file: table (hashing, chunked arrays, bounded sets), nodes (endpoints), identity (ids), transactions,
 * flows (who began to talk, and what was seen on the way), nat (outside endpoints and what they prove), adverts,
 * sources (who sends to whom from which port), values (announced ports that come back), peers (peer wire).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_PRIVATE_H
#define TRACKER_PRIVATE_H

#include <tracker/tracker.h>

#include <string.h>

#include <glib.h>

#define SECOND    INT64_C(1000000000)
#define ANSWER_NS (15 * SECOND)  /* libtorrent's rpc_manager waits so long */
#define FORGET_NS (60 * SECOND)  /* a reply that comes later than this is nobody's */
#define WINDOW_NS (900 * SECOND) /* what follows from an advertisement follows within 15 minutes */
#define NONE      UINT32_MAX

/* ---- table.c ---- */

/* A keyed hash: node ids, endpoints and transaction ids are chosen by strangers. */
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

static inline uint64_t hash_words(const hash_key *key, uint64_t a, uint64_t b, uint64_t c)
{
    return hash_fold(hash_fold(a ^ key->k[0], b ^ key->k[1]) ^ key->k[2], c ^ key->k[3]);
}

/* Of the address alone. */
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

/* A chunked array of records that are all zero at first: it grows by chunks, nothing moves. */
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

/* A bounded set of 64-bit keys, 8 ways: slots are places in an array of the caller's. The oldest of a set gives way. */
typedef struct way_set {
    uint32_t tag[8];  /* 0: free */
    uint32_t time[8]; /* seconds since the capture's begin, at the last use */
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

/* A set is one line of the cache; so is what lies beside it at size bytes a slot, when these are at most 8. */
static inline void ways_fetch(const ways *w, uint64_t key, const void *records, size_t size)
{
    uint32_t set = ways_set(w, key);

    __builtin_prefetch(&w->sets[set], 1);
    __builtin_prefetch((const uint8_t *)records + set * 8 * size, 1);
}

/* ways_find gives the slot of a key, NONE when it is not there. ways_insert gives the slot of a key that is not there:
 * a free one, else the one longest unused. */
uint32_t ways_find(const ways *ways, uint64_t key);
uint32_t ways_insert(ways *ways, uint64_t key, uint32_t now);
/* ways_take gives the slot of a key, which is made where it is not there, and notes its use. *made tells which. */
uint32_t ways_take(ways *ways, uint64_t key, uint32_t now, bool *made);

/* Rounded up, at least least. */
uint32_t power_of_two(uint32_t at_least);
/* All zero, and aligned to lines of the cache. */
void *table_alloc(uint64_t *memory, size_t num, size_t size);
void table_free(void *table);

/* ---- nodes.c ---- */

enum node_flags {
    NODE_HAS_ID = 1 << 0,
    NODE_READ_ONLY = 1 << 1, /* said so in ro_frame */
    NODE_RO_REPORTED = 1 << 2,
    NODE_NEAR_REPORTED = 1 << 3,
    NODE_ECHO_REPORTED = 1 << 4,
    NODE_MANY_REPORTED = 1 << 5, /* id.many-at-address was said of its address */
    NODE_T_MIXED = 1 << 6,       /* its transaction ids have no fixed length */
    NODE_TRANSLATED = 1 << 7,    /* there is a nat record for this endpoint */
    NODE_GROUPED = 1 << 8,       /* one of its ids was seen on another port of the address */
    NODE_ELSEWHERE = 1 << 9,     /* its id was seen on another address, in elsewhere_frame */
    NODE_PRIVATE = 1 << 10,      /* the address is not a global one */
    NODE_ID_CHECKED = 1 << 11,   /* the newest id was held against the outside address */
    NODE_PAIRED = 1 << 12,       /* there is a nat record for what the first of several NATs does with it */
    NODE_OPEN = 1 << 13,         /* somebody from outside got in to it, to whom it had sent nothing */
    NODE_SWARM_REPORTED = 1 << 14,
    NODE_ANSWERED_FIRST =
        1 << 15 /* the first that was seen of it is an answer: a forwarded port, or an older mapping */
};

/* node is one endpoint that sent KRPC, in two lines of the cache: what every message needs is in the first. Its size is
 * a promise: with the index, the chain of its address and the table of ids it is less than 200 bytes an endpoint. */
typedef struct node {
    krpc_endpoint endpoint;
    uint8_t id[20];
    uint8_t version[4];
    uint16_t flags; /* enum node_flags */
    uint8_t counts; /* NODE_SEEN, NODE_TALKED, version_len: see below */
    uint8_t t_len;  /* of its transaction ids; 0: it sent none */
    int64_t last_ns;
    uint32_t last_frame;
    uint32_t id_frame; /* the last that carried this id */

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
    uint32_t noted_frame; /* where it said that it is read-only, or where its id was seen elsewhere */
    uint32_t seen_frame;  /* the first reply that sees it where the capture sees it */
    uint32_t witness[2];  /* hashes of the addresses of two that answered it; those first that said so */
} node;

/* Different addresses, as far as 3: that see it where it is, that answered it; and the length of version. */
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
/* With the hash of the endpoint, and where it will probably be found, or NONE. */
uint32_t nodes_find_hashed(const tracker *t, const krpc_endpoint *endpoint, uint64_t hash, uint32_t hint);
uint32_t nodes_touch(tracker *t, const tracker_packet *packet, uint64_t hash,
                     uint32_t hint); /* the sender; made when new */
/* nodes_asked counts a query to an endpoint that is no node yet. */
void nodes_asked(tracker *t, uint64_t hash);
void nodes_fetch_index(const tracker *t, uint64_t hash);
uint32_t nodes_fetch(const tracker *t, const krpc_endpoint *endpoint, uint64_t hash); /* where it may be, or NONE */
/* The nodes of one address, newest first; NONE ends. At most NODES_AT_ADDRESS are given, and NODES_BETWEEN of others
 * that share the chain are passed over. */
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

#define CLUSTER_BITS 28 /* two ids that share so many were not both chosen by chance or by address */
void clusters_init(tracker *t);
void clusters_clear(tracker *t);
void clusters_take(tracker *t, node *n, uint32_t off, const krpc_sink *sink); /* its newest id is a new one */

typedef struct transaction transaction;

/* ---- flows.c: one local endpoint and one remote one ---- */

typedef struct flow {
    uint64_t key;
    int64_t last_ns; /* any datagram */
    int64_t seen_ns; /* when the query left of which the remote said where it came from */
    uint32_t value;  /* hash of that outside endpoint; 0: none */
    uint32_t seen_frame;
    uint16_t port;   /* its port */
    uint8_t inbound; /* the remote spoke first: enum flow_inbound */
    uint8_t unused;
} flow;

/* payload_seen is a query's payload that was seen on one side of a NAT, perhaps. */
typedef struct payload_seen {
    uint64_t key;
    int64_t ns;
    krpc_endpoint src;
    uint32_t frame; /* 0: it was seen on both sides already */
} payload_seen;

#define BOTH_LEN 40 /* shorter payloads could be equal by chance */

typedef struct flows {
    ways ways;
    flow *records;      /* NULL until somebody behind a NAT may be there */
    ways votes;         /* (nat, remote address, value): who said what */
    uint32_t crowded;   /* when a vote gave way that was younger than VOTES_KEPT: seconds, 0 for never */
    payload_seen *seen; /* queries of the last seconds, for the same bytes on the other side */
    gint has_private;   /* somebody with a private address sent a query; see flows_has_private */
} flows;

flow *flow_get(tracker *t, uint64_t local, const krpc_endpoint *remote); /* made when it is new */
const flow *flow_find(const tracker *t, uint64_t local, const krpc_endpoint *remote);
enum flow_inbound { FLOW_CAME_IN = 1, FLOW_DOUBTFUL };
/* flow_touch takes note of a datagram between a local endpoint and a remote one: sent, received, or received by a local
 * endpoint that strangers can reach. */
typedef enum flow_way { FLOW_OUT, FLOW_IN, FLOW_IN_OPEN } flow_way;
void flow_touch(tracker *t, const krpc_endpoint *local, const krpc_endpoint *remote, flow_way way, int64_t now);
/* Votes: a remote's address said a value (the hash of an endpoint), or one of these, of a local endpoint. */
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
/* votes_are_complete: all of the last VOTES_KEPT seconds are still there. */
#define VOTES_KEPT 300
bool votes_are_complete(const tracker *t);
bool vote_known(const tracker *t, uint64_t local, uint32_t remote, uint32_t value);
/* payload_key is of the whole payload, and of where it goes, whose hash is given. */
uint64_t payload_key(const tracker *t, const krpc_message *m, const uint8_t *data, uint64_t dst_hash);
void payload_fetch(const tracker *t, uint64_t key);
payload_seen *payload_seen_at(tracker *t, uint64_t key); /* of this key, or else the one to give way */
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
    uint8_t over;  /* bit j: was seen before and after external j */
    uint8_t after; /* bit k: a remote saw it that had seen external k before */
    uint8_t kinds; /* enum tracker_evidence */
    bool said_remapped;
} external;

/* One remote address that saw the same outside endpoint before and after somebody saw another. */
typedef struct straddle {
    uint32_t remote;
    uint32_t value;
} straddle;

#define NUM_STRADDLES 8
#define NUM_BURST     3

/* nat is what is known about the mappings of one inside endpoint, or of one node id on one outside address. */
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
    uint32_t observers_eq; /* that saw the inside port */
    uint32_t observers_ne; /* that saw another */
    uint32_t networks_eq;  /* of these, in different networks */
    uint32_t networks_ne;
    uint32_t frames_eq;
    uint32_t passed;         /* remote addresses that got through without being sent to before */
    uint32_t knocks[2];      /* remote endpoints that knocked at an open mapping: whose address was not sent to; was */
    uint32_t late_knocks[2]; /* those since the node was last seen inside, before knock_ns */
    int64_t knock_ns;
    uint32_t contacts; /* remote addresses that it sent queries to, since contacts_ns */
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

/* observation is one sighting: remote saw the local endpoint as outside, in the query that left at ns. */
typedef struct observation {
    const krpc_endpoint *remote;
    const krpc_endpoint *outside;
    int64_t ns;
    uint32_t frame;
    uint8_t kind;
} observation;
void nat_observe(tracker *t, nat *n, const observation *seen, const krpc_sink *sink);
tracker_port nat_port(const nat *n);
const external *nat_current(const nat *n); /* the outside endpoint that holds now; num_kept must not be 0 */
tracker_mapping nat_mapping(const nat *n);
/* nat_is_lone: one remote alone claims that outside endpoint, while others saw another one before and after. */
bool nat_is_lone(const nat *n, unsigned external);
/* nat_is_made_up: one remote alone claims that outside endpoint of a global one. */
bool nat_is_made_up(const nat *n, const external *e);
/* nat_of_node is the nat record of a node, or of the group that one of its ids belongs to; NULL when there is none. */
nat *nat_of_node(const tracker *t, const node *n);
/* nat_of_place is what the NAT between two places of the capture does, where others see the node behind a further one.
 * */
nat *nat_of_place(const tracker *t, const node *n);
uint64_t place_key(const tracker *t, const krpc_endpoint *local);
void nat_describe(const tracker *t, const node *n, tracker_nat *out);
uint64_t group_key(const tracker *t, const uint8_t id[20], const krpc_endpoint *addr);
void group_make(tracker *t, const uint8_t id[20], node *a, node *b);
/* The outside address of a node as far as it is known; its own when it is a global one. False: unknown. */
bool nat_outside(const tracker *t, const node *n, krpc_endpoint *out);
/* nat_reply takes what a reply says about its receiver. */
void nat_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const transaction *query, const tracker_result *result, uint32_t src, uint32_t dst,
               const krpc_sink *sink);
void nat_query(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
               const tracker_keys *keys, uint32_t src, uint32_t dst, transaction *query, const krpc_sink *sink);
/* nat_datagram takes note of any datagram from or to somebody with a private address; opens: who sends it out of the
 * blue is a stranger. */
void nat_datagram(tracker *t, const tracker_packet *p, bool opens);
/* nat_seen_port is the port on which a remote sees a local endpoint now; 0: unknown. */
uint16_t nat_seen_port(const tracker *t, uint32_t index, const krpc_endpoint *local, const krpc_endpoint *remote);
/* nat_own_address: the sender talks to his own outside address. */
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
/* filtering_contacted: somebody with a private address sends a query. */
void filtering_contacted(tracker *t, const tracker_packet *p);
tracker_filtering filtering_of(const tracker *t, const node *local, const nat *n);

/* ---- transactions.c ---- */

/* One line of the cache. Where the query went is the address in the key, and this port; alt_query has the whole. */
struct transaction {
    uint64_t key;
    int64_t time_ns;
    uint32_t frame;
    uint32_t answered; /* frame of the answer */
    uint32_t alt;      /* hash of (t, querier) */
    uint32_t token;    /* hash of what an announce or a put gave back */
    uint32_t adverts;  /* serial number of the query's first advertisement, low 32 bits */
    uint16_t port;     /* where it went */
    uint8_t num_adverts;
    uint8_t method;
    uint8_t t_len;
    uint8_t flags; /* enum transaction_flags */
    uint8_t target[20];
    uint8_t id[2]; /* the first bytes of the querier's id, to tell those of one endpoint apart */
};

enum transaction_flags {
    TRANSACTION_TARGET = 1,
    TRANSACTION_SCRAPE = 2,
    TRANSACTION_GROUP = 4, /* the querier's id is one of several ports */
    TRANSACTION_IN_TIME = 8
};

/* The heads of a set lie in one line of the cache. */
typedef struct transaction_set {
    uint16_t tag[8];
    uint32_t until[8]; /* seconds: its answer is waited for; of an answered one they are over. The least gives way */
    uint32_t spilled;  /* when a query had to go to the other set of its key: seconds, 0 for never */
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
    uint64_t live; /* counted as unanswered until they are answered in time */
} transactions;

void transactions_init(tracker *t);
void transactions_clear(tracker *t);
/* transactions_query records a query and returns its record, NULL for a repetition or one without an id. */
transaction *transactions_query(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                                const tracker_keys *keys, uint32_t src, tracker_result *out, const krpc_sink *sink);
/* transactions_reply returns the query that is answered, NULL when there is none. */
transaction *transactions_reply(tracker *t, const tracker_packet *p, const krpc_message *m, const tracker_keys *keys,
                                uint32_t dst, tracker_result *out, const krpc_sink *sink);
transaction *transactions_find(tracker *t, const krpc_endpoint *querier, const krpc_endpoint *responder,
                               const krpc_message *m, const uint8_t *data);
/* transactions_keys fills in what leads to a transaction; querier is the hash of his endpoint. */
void transactions_keys(const tracker *t, const krpc_message *m, const uint8_t *data, uint64_t querier,
                       const krpc_endpoint *responder, tracker_keys *out);
void transactions_fetch_set(const tracker *t, const tracker_keys *keys);
void transactions_fetch(const tracker *t, tracker_keys *keys, bool asks);
uint64_t transactions_pending(const tracker *t, int64_t younger_than);

/* ---- tokens.c ---- */

typedef struct token {
    uint16_t port; /* on which the responder saw the querier, as far as the capture tells */
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
/* tokens_key is where a token that a response gives is kept. */
uint64_t tokens_key(const tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data);
void tokens_fetch(const tracker *t, uint64_t key);
void tokens_given(tracker *t, uint64_t key, uint32_t frame, uint16_t port);
void tokens_refused(tracker *t, const tracker_packet *p, const transaction *query, uint16_t port,
                    const krpc_sink *sink);

/* ---- adverts.c, adverts_host.c, adverts_judge.c, adverts_later.c ---- */

/* Chains of advertisements, newest first: about a DHT port by the endpoint that they name, by that and the receiver,
 * and by the endpoint that the sender has and the receiver; about a peer port by the endpoint that they name and the
 * receiver. */
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
    uint32_t seen_frame; /* of a stream: where dht_port was the port that the receiver saw; 0 when not known then */
    int64_t tried_ns;
    int64_t kept_ns;
    int64_t used_ns;
    int64_t dead_ns;
    uint8_t family[2]; /* code of the client, zero when unknown */
    uint8_t flags;     /* enum advert_flags */
} advert;

enum advert_flags {
    ADVERT_STREAM = 1,   /* over TCP or uTP: the receiver's port is not that of its DHT socket */
    ADVERT_UTP = 2,      /* of these, over uTP: the sender's port is that of its UDP socket */
    ADVERT_TESTABLE = 4, /* the advertised port is another than the source port */
    ADVERT_DEAD_SAID = 8,
    ADVERT_OTHER_REASON = 16 /* the receiver's first query to the advertised port does not follow from it */
};

typedef struct adverts {
    pool records;
    uint64_t next; /* serial number */
    uint64_t oldest;
    uint32_t *heads[NUM_CHAINS];
    uint32_t num_heads;
    uint64_t num_dht; /* for which later queries are watched */
    ways hosts;       /* what a host said last about a service */
    struct host_said *said;
} adverts;

void adverts_init(tracker *t);
void adverts_clear(tracker *t);
/* adverts_take records what a KRPC message says of its sender; query is its own record, or NULL. */
void adverts_take(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data, uint32_t src,
                  transaction *query, tracker_result *out, const krpc_sink *sink);
advert *advert_at(const tracker *t, uint64_t serial);
advert *advert_at_low(const tracker *t, uint32_t low); /* of a serial number the low 32 bits */
uint32_t *adverts_head(const tracker *t, advert_chain chain, const krpc_endpoint *endpoint,
                       const krpc_endpoint *receiver);
krpc_endpoint advert_source(const advert *a); /* the sender's DHT endpoint, as the receiver sees it */
/* field_sink hands findings on to another sink as findings about a field: for code that is given a position and no
 * field. */
typedef struct field_sink {
    krpc_sink sink;
    const krpc_sink *to;
    krpc_field field;
} field_sink;
const krpc_sink *field_sink_init(field_sink *out, const krpc_sink *to, krpc_field field);

/* advert_add records one, with its findings: *said is filled in but for what the tracker decides. */
void advert_add(tracker *t, const tracker_advert *said, const uint8_t family[2], uint8_t flags, tracker_result *out,
                const krpc_sink *sink);
void advert_judge(const tracker *t, const advert *a, tracker_advert *out);
/* advert_is_client: can who says version in v, zero when he says nothing, be of that family? advert_may_be asks it of a
 * node. */
bool advert_is_client(const uint8_t version[2], const uint8_t family[2]);
bool advert_may_be(const node *n, const uint8_t family[2]);
/* advert_may_be_another: the stream could as well be of another node than n, whose port nobody names: behind one NAT
 * two hosts may have chosen the same port, of which one is rewritten. */
bool advert_may_be_another(const tracker *t, const advert *a, const node *n);
/* advert_host_nodes counts the nodes of different ids on an address that could be the client of that family; *out is
 * one of them, that with the port when there is one. */
unsigned advert_host_nodes(const tracker *t, const krpc_endpoint *addr, const uint8_t family[2], uint16_t port,
                           uint32_t *out);
/* advert_seen_frame is where the receiver of what came over a stream saw the sender last; 0: not known. */
uint32_t advert_seen_frame(const tracker *t, const advert *a);
/* advert_seen_port is the port on which the sender of a mismatch is seen by its receiver, or else by somebody; 0:
 * unknown. */
uint16_t advert_seen_port(const tracker *t, const tracker_advert *judged);
bool advert_other_node(const tracker *t, const advert *a, uint32_t *frame_out);
bool advert_is_dead(const tracker *t, const advert *a);
krpc_endpoint advert_named(const advert *a);
/* adverts_observed: the receiver of a query's advertisements said where it sees the sender. */
void adverts_observed(tracker *t, const transaction *query, const krpc_endpoint *outside, uint32_t frame);
/* adverts_sent: a query went to an endpoint, again after frame repeats when that is not 0; adverts_unreachable: nobody
 * listens there. */
void adverts_sent(tracker *t, const tracker_packet *p, const krpc_message *m, uint32_t repeats, const krpc_sink *sink);
void adverts_unreachable(tracker *t, const tracker_packet *p, const krpc_endpoint *where, const krpc_sink *sink);
/* adverts_connected: somebody opens a connection to a peer port. */
void adverts_connected(tracker *t, const tracker_packet *p);
/* adverts_returned: the receiver of an advertisement handed a port of the sender's out; kind as port_return. */
enum port_return { RETURNED_AS_SAID, RETURNED_SOURCE, RETURNED_SWAPPED };
void adverts_returned(tracker *t, const tracker_packet *p, uint32_t serial, uint32_t frame, int kind);
void adverts_finish(tracker *t);

/* ---- sources.c: from which port a node, by its id and address, sends to whom ---- */

typedef struct sent_from {
    uint32_t frame; /* the last */
    uint16_t port;
    uint8_t asks;      /* it sent queries there; else only answers */
    uint8_t family[2]; /* code of the client; zero when it did not say */
} sent_from;

typedef struct sources {
    ways ways;
    sent_from *records; /* NULL as long as there were no streams */
} sources;

void sources_begin(tracker *t); /* from now on they are noted */
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
    uint64_t *filters[NUM_GENERATIONS]; /* bits for what was announced lately, and to whom; newest first */
    uint32_t num_filtered;              /* in the newest */
} announcements;

void values_init(tracker *t);
void values_clear(tracker *t);
void values_announced(tracker *t, const tracker_advert *said, uint64_t serial);
/* values_check looks through nodes, nodes6 and values of a response. */
void values_check(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data,
                  const tracker_result *result, const krpc_sink *sink);

/* ---- lives.c: UDP ports on which somebody lives, whatever he speaks ---- */

typedef struct lives {
    ways ways;
    uint32_t *frames;
} lives;

void lives_init(tracker *t);
void lives_clear(tracker *t);
void lives_fetch(const tracker *t, const krpc_endpoint *endpoint);
void lives_note(tracker *t, const krpc_endpoint *endpoint, uint32_t frame);
uint32_t lives_frame(const tracker *t, const krpc_endpoint *endpoint); /* 0: nobody was heard there */

/* ---- items.c ---- */

/* items_check verifies the BEP 44 item of a put, or of an answer to a get. */
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
    int64_t now_ns;   /* the latest time so far: what expires, expires by this */
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

/* Who makes keys in another thread asks too. */
static inline bool flows_has_private(const tracker *t)
{
    return g_atomic_int_get(&t->flows.has_private) != 0;
}

/* Seconds since the capture's begin, from 1. */
static inline uint32_t tracker_second(const tracker *t)
{
    return (uint32_t)((t->now_ns - t->begin_ns) / SECOND) + 1;
}

/* First bytes of addresses that hold other than global ones; of all the others nothing more need be looked at. */
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
