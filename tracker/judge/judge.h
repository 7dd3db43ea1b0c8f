/* judge/judge.h: verdicts, from facts.
 *
 * Every function here is pure: the same facts give the same verdict, and nothing is stored.
 *
 * A witness chooses what it writes into `ip`. So what hosts of one network say never decides: a verdict must hold
 * without them. What packets show (the same bytes on both sides of a NAT, a query that got in) needs no second witness,
 * but must be answered, since a stranger can forge a source address.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_JUDGE_H
#define TRACKER_JUDGE_H

#include <tracker/tracker.h>

#include "facts/facts.h"

/* How a witness came to see the socket. */
typedef enum judge_class {
    JUDGE_MAPPED,    /* the socket sent the first packet: the witness sees the mapping */
    JUDGE_DOUBTFUL,  /* the capture does not show which of the two sent first */
    JUDGE_FORWARDED, /* the witness sent the first packet: it sees the port through which it got in */
} judge_class;

/* judge_view is one outside endpoint of a socket, as one witness saw it. */
typedef struct judge_view {
    uint32_t witness, outside; /* numbers of endpoints */
    uint64_t network;          /* of the witness */
    int64_t first_ns, last_ns;
    uint64_t first_place;
    int64_t shown_ns; /* the time of that packet */
    uint32_t count;
    uint8_t kind;  /* fact_kind, or JUDGE_BY_ID */
    uint8_t class; /* judge_class */
    bool dropped;  /* contradicts the others, or itself */
    uint32_t next; /* another view of a witness of the same address; NONE ends */
} judge_view;

#define JUDGE_BY_ID FACT_NUM_KINDS /* the socket's node id was seen there, in a capture from outside */

typedef enum judge_start { JUDGE_START_UNKNOWN, JUDGE_START_LIKELY, JUDGE_START_SEEN } judge_start;

/* judge_socket is all that is judged about one socket. */
typedef struct judge_socket {
    const facts *facts;
    uint32_t index;
    const fact_endpoint *self;
    judge_start start; /* does the capture show it from its start? */
    bool lossy;        /* packets of the socket are missing */
    bool hairpin;      /* it talks to its own outside address, or through a router that shows its inside address */
    bool global;
    bool visited;      /* strangers came in, perhaps through a forwarded port */
    uint32_t collides; /* the neighbour with the same port; NONE: there is none */
    uint64_t collides_place;
    GArray *views;          /* of judge_view, by time */
    GHashTable *by_witness; /* address, as facts_first_at numbers it, + 1, to the first view of it, + 1 */
    GArray *siblings;       /* of uint32_t: endpoints with the same id, for a global endpoint */
    tracker_nat nat;
    tracker_reachability reach;
} judge_socket;

/* judge_socket_init gathers the views of an endpoint and judges it; judge_socket_clear frees what it needed. */
void judge_socket_init(judge_socket *out, const facts *f, uint32_t endpoint);
void judge_socket_clear(judge_socket *socket);
/* judge_socket_of is another endpoint, for the functions below that read sessions; it owns nothing. */
void judge_socket_of(judge_socket *out, const judge_socket *socket, uint32_t endpoint);

/* judge_mapping fills nat: port, addresses, mapping, external. judge_reach fills reach, and nat.filtering. */
void judge_mapping(judge_socket *socket);
void judge_reach(judge_socket *socket);

/* judge_class_at says how the witness came to see the socket at that time. */
judge_class judge_class_at(const judge_socket *socket, uint32_t witness, int64_t ns);
/* Did the other end of this session of the socket begin it with a query, without the socket having sent anything to it,
 * or to its address, within the longest life of a mapping? */
typedef enum judge_stranger {
    JUDGE_KNOWN,
    JUDGE_OTHER_PORT, /* the socket had sent to another port of this address */
    JUDGE_STRANGER
} judge_stranger;
typedef enum judge_proof {
    JUDGE_UNPROVEN, /* the socket may have sent to it before the capture */
    JUDGE_LIKELY,   /* the capture seems to show the socket from its start */
    JUDGE_PROVEN    /* the capture covers the longest life of a mapping */
} judge_proof;
/* judge_may_be_same: do the clients of two endpoints send the same version, or one of them none? */
bool judge_may_be_same(const facts *f, const fact_endpoint *a, const fact_endpoint *b);
/* judge_got_in: was a query of the other end answered before the socket, whose side is mine, sent a query itself? */
bool judge_got_in(const fact_contact *session, unsigned mine);
judge_stranger judge_is_stranger(const judge_socket *socket, const fact_contact *session, judge_proof *proof);

/* judge_seen is where a receiver sees a socket at a time. */
typedef struct judge_seen {
    enum { JUDGE_NOWHERE, JUDGE_AT, JUDGE_ELSEWHERE } how; /* elsewhere: not on its own port, but unknown where */
    bool told; /* by ip, r.p or a packet on the other side; else it is the source port */
    krpc_endpoint endpoint;
    uint64_t place; /* of the packet that shows it */
} judge_seen;
/* receiver may have any port when any_port is set: its address counts. answers: the socket answers a query of it, and
 * so uses the port to which this was sent. */
void judge_seen_by(judge_seen *out, const judge_socket *socket, const krpc_endpoint *receiver, bool any_port,
                   bool answers, int64_t ns);

/* judge_is_another_node: do both endpoints send ids, and not one in common? */
bool judge_is_another_node(const facts *f, const fact_endpoint *a, const fact_endpoint *b);
/* judge_is_dropped: what a host of this address says about the socket contradicts the others, or itself. */
bool judge_is_dropped(const judge_socket *socket, const krpc_endpoint *witness);

/* judge_views_of returns the first view of a witness of this address, whose next leads to the others; NONE: there is
 * none. */
uint32_t judge_views_of(const judge_socket *socket, const krpc_endpoint *witness);

/* judge_is_ours: the endpoint is on the inside of the capture. */
bool judge_is_ours(const facts *f, uint32_t endpoint);

#endif
