/* facts/facts.h: what the packets show, and what stays true when more packets come.
 *
 * A fact has a key and a time span. A verdict is a function of facts (judge/judge.h), so it does not depend on the
 * order of the packets. The time of a fact is a list of sessions: the same key, without a silence of more than
 * FACT_SILENCE_NS. A record is one session, and leads to the earlier one with the same key.
 *
 *   endpoint   everything that sends, receives, or is named as an outside endpoint
 *   identity   an endpoint sent a node id
 *   contact    two endpoints: which one began the session, and what each asked and answered
 *   sighting   a witness saw a socket at an outside endpoint
 *
 * Keys that strangers choose are hashed with a secret key. Records are dropped only where a table is full, and are
 * counted then.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_FACTS_H
#define TRACKER_FACTS_H

#include "table/table.h"

#define SECOND          INT64_C(1000000000)
#define FACT_SILENCE_NS (25 * SECOND)  /* in practice a NAT keeps a mapping for at least 30 s; RFC 4787 asks for 120 */
#define FACT_LIFE_NS    (300 * SECOND) /* and no longer than this without a packet (RFC 4787, REQ-5) */

/* fact_moment is a time, and the place in a capture: source << 48 | frame. A place of 0 means none. */
typedef struct fact_moment {
    int64_t ns;
    uint64_t place;
} fact_moment;

static inline uint64_t fact_place(uint16_t source, uint64_t frame)
{
    return (uint64_t)source << 48 | frame;
}

static inline uint64_t fact_frame(uint64_t place)
{
    return place & ((UINT64_C(1) << 48) - 1);
}

/* fact_endpoint: chains begin here; NONE ends them. */
typedef struct fact_endpoint {
    uint64_t key;
    krpc_endpoint endpoint;
    uint32_t contacts;    /* sessions, the newest first */
    uint32_t sightings;   /* where it is the socket */
    uint32_t seen_as;     /* where it is the outside endpoint */
    uint32_t identities;  /* ids that it sent */
    uint32_t next_at;     /* an older endpoint of the same address */
    uint32_t outside;     /* where hosts of two networks saw it, the newest one; NONE: unknown */
    uint32_t num_answers; /* that came to it, for queries that were captured */
    uint32_t num_strays;  /* and for others */
    fact_moment first;    /* of any datagram from or to it */
    int64_t stray_ns;     /* the first stray answer; INT64_MAX: none */
    int64_t own_ns;       /* the first session that it began itself; INT64_MAX: none */
    int64_t sent_ns;      /* the first datagram that it sent; INT64_MAX: none */
    int64_t knock_ns;     /* the first query from an endpoint to which it had sent nothing; INT64_MAX: none */
    uint8_t scope;        /* krpc_addr_scope */
    bool speaks;          /* it sent KRPC */
} fact_endpoint;

#define FACT_ID_LEN 20
typedef struct fact_identity {
    uint64_t key;
    uint32_t endpoint;
    uint32_t next;    /* of the endpoint */
    uint32_t next_of; /* another endpoint with the same id */
    uint8_t id[FACT_ID_LEN];
    uint8_t version[2];
    fact_moment first;
} fact_identity;

/* fact_contact is one session of two endpoints. Index 0 of the arrays is the endpoint with the smaller hash. */
typedef struct fact_contact {
    uint64_t key;
    uint32_t end[2];
    uint32_t next[2]; /* an older session of that endpoint, with any other */
    uint32_t older;   /* an older session of the same two */
    uint8_t began;    /* index of the endpoint that sent the first packet */
    bool stray;       /* the first packet is an answer: the query was sent before the capture, or was lost */
    fact_moment first, last;
    fact_moment query[2];      /* the first query of each; other datagrams count as queries */
    fact_moment answer[2];     /* the first answer of each, to a query that was captured */
    int64_t last_answer_ns[2]; /* the last one; INT64_MIN: none */
    int64_t first_sent_ns[2];  /* any datagram of each; INT64_MAX and INT64_MIN: none */
    int64_t last_sent_ns[2];
} fact_contact;

typedef enum fact_kind {
    FACT_TOLD,    /* the witness wrote it into ip or r.p of an answer */
    FACT_PAIR,    /* a query of the socket was captured on both sides of the NAT */
    FACT_PAIR_IN, /* an answer to the socket was */
    FACT_ENTRY,   /* a query to the socket was, or the socket's answer: it came in there */
    FACT_NUM_KINDS
} fact_kind;

typedef struct fact_sighting {
    uint64_t key;
    uint32_t socket, witness, outside;
    uint32_t next;      /* of the socket */
    uint32_t next_seen; /* of the outside endpoint */
    uint32_t older;     /* an older session with the same key */
    uint8_t kind;       /* fact_kind */
    uint32_t count;
    fact_moment first, last; /* places are the packets that show it, times are those of the queries */
    int64_t shown_ns;        /* the time of the packet first.place */
} fact_sighting;

/* A table of records, found by their key. */
typedef struct fact_table {
    pool records;
    uint64_t *slots;    /* high half: bits of the key; low half: number of the record, + 1 */
    uint32_t num_slots; /* a power of two */
    uint32_t num_keys;
    uint64_t num_dropped;
} fact_table;

typedef struct facts {
    hash_key key;
    uint64_t *memory;
    fact_table endpoints, identities, contacts, sightings;
    fact_table addresses;     /* of fact_address */
    fact_table ids;           /* of fact_id */
    int64_t begin_ns, end_ns; /* of the capture */
    bool any;
    uint64_t num_answers, num_strays; /* of all endpoints */
} facts;

typedef struct fact_address {
    uint64_t key;
    uint32_t endpoints; /* the newest endpoint of the address */
} fact_address;

typedef struct fact_id {
    uint64_t key;
    uint32_t identities;
} fact_id;

/* facts_init prepares empty tables of at most max_bytes. */
void facts_init(facts *out, const hash_key *key, uint64_t max_bytes, uint64_t *memory);
void facts_clear(facts *f);

/* facts_time notes that the capture covers this time. */
static inline void facts_time(facts *f, int64_t ns)
{
    f->begin_ns = f->any ? MIN(f->begin_ns, ns) : ns;
    f->end_ns = f->any ? MAX(f->end_ns, ns) : ns;
    f->any = true;
}

static inline void *fact_at(const fact_table *t, uint32_t index)
{
    return t->records.chunks[index >> POOL_SHIFT] + (size_t)(index & (POOL_CHUNK - 1)) * t->records.size;
}

static inline fact_endpoint *facts_endpoint_at(const facts *f, uint32_t index)
{
    return (fact_endpoint *)fact_at(&f->endpoints, index);
}

static inline fact_contact *facts_contact_at(const facts *f, uint32_t index)
{
    return (fact_contact *)fact_at(&f->contacts, index);
}

static inline fact_sighting *facts_sighting_at(const facts *f, uint32_t index)
{
    return (fact_sighting *)fact_at(&f->sightings, index);
}

static inline fact_identity *facts_identity_at(const facts *f, uint32_t index)
{
    return (fact_identity *)fact_at(&f->identities, index);
}

/* facts_find returns the number of an endpoint, or NONE; facts_endpoint makes it, and returns NONE only when the table
 * is full. hash is hash_endpoint of it. */
uint32_t facts_find(const facts *f, const krpc_endpoint *endpoint);
uint32_t facts_endpoint(facts *f, const krpc_endpoint *endpoint, uint64_t hash);
/* facts_first_at returns an endpoint of that address, whose next_at leads to the others; NONE: there is none. */
uint32_t facts_first_at(const facts *f, const krpc_endpoint *addr);

typedef enum fact_what {
    FACT_DATAGRAM, /* not KRPC, or KRPC without a type */
    FACT_QUERY,
    FACT_ANSWER, /* to a captured query */
    FACT_STRAY   /* to no captured query */
} fact_what;

/* facts_touch notes a datagram from src to dst. The hashes are those of hash_endpoint. Returns the session, or NULL
 * when a table is full. */
fact_contact *facts_touch(facts *f, const fact_moment *at, const krpc_endpoint *src, const krpc_endpoint *dst,
                          uint64_t src_hash, uint64_t dst_hash, fact_what what);
void facts_touch_fetch(const facts *f, uint64_t src_hash, uint64_t dst_hash);
void facts_touch_fetch_record(const facts *f, uint64_t src_hash, uint64_t dst_hash);
/* facts_contact returns the newest session of two endpoints, by their numbers; NONE: they have none. */
uint32_t facts_contact(const facts *f, uint32_t one, uint32_t other);
/* fact_side returns the index of an endpoint in a contact. */
static inline unsigned fact_side(const fact_contact *c, uint32_t endpoint)
{
    return c->end[1] == endpoint;
}

/* facts_sight notes that the witness saw the socket at outside when the query came that it answers: at query_ns, or at
 * at->ns if this is earlier. shown_ns is the time of the packet at->place. */
void facts_sight(facts *f, fact_kind kind, uint32_t socket, uint32_t witness, const krpc_endpoint *outside,
                 int64_t query_ns, const fact_moment *at, int64_t shown_ns);
/* facts_identity notes that an endpoint sent an id. */
void facts_identity(facts *f, uint32_t endpoint, const uint8_t id[FACT_ID_LEN], const uint8_t version[2],
                    const fact_moment *at);
/* facts_first_with returns an identity with that id, whose next_of leads to the others; NONE: there is none. */
uint32_t facts_first_with(const facts *f, const uint8_t id[FACT_ID_LEN]);

/* fact_network is the network of an address that counts as one witness: /24, or /48 of IPv6. */
uint64_t fact_network(const krpc_endpoint *endpoint);

/* facts_are_lossy: are packets missing in the capture, by the answers whose queries it lacks? */
bool facts_are_lossy(const facts *f);

/* facts_num_dropped counts the facts that did not fit. */
uint64_t facts_num_dropped(const facts *f);

#endif
