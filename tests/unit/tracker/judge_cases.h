/* judge_cases.h: the cases of tests/vectors/judge; README.md there describes the lines.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JUDGE_CASES_H
#define JUDGE_CASES_H

#include <glib.h>

#include <krpc/advert.h>
#include <krpc/endpoint.h>

typedef enum event_kind { WHAT_QUERY, WHAT_ANSWER, WHAT_STRAY, WHAT_DATAGRAM, WHAT_STREAM, WHAT_TIME } event_kind;

typedef struct event {
    int64_t ns;
    unsigned order; /* that of the lines, for packets of the same time */
    event_kind what;
    krpc_endpoint src, dst;
    krpc_endpoint owner; /* the node whose id it has: the sender, inside its NAT */
    unsigned t;          /* number of the query */
    int64_t query_ns;    /* for an answer */
    krpc_endpoint ip;    /* addr_len 0: none */
    krpc_endpoint peer;  /* in values, for an answer to get_peers; addr_len 0: none */
    bool wants_peers;
    krpc_channel channel;
    int port; /* -1: no claim */
    char label[24];
} event;

typedef struct identity {
    krpc_endpoint endpoint;
    uint8_t id[20];
    char version[4];
} identity;

typedef struct expectation {
    unsigned line;
    krpc_endpoint socket; /* addr_len 0: about a claim */
    char **words;
} expectation;

typedef struct test_case {
    char *file;
    char *name;
    unsigned line;
    GArray *packets;
    GArray *identities;
    GArray *expected;
    bool has_pairs, has_claims, only_messages;
    unsigned num_dropped;
} test_case;

/* judge_cases_read reads every .txt of a folder, or one file; it returns an array of test_case, which
 * g_ptr_array_free frees. A line that is not of the form ends the program, with the file and the line. */
GPtrArray *judge_cases_read(const char *path);

/* judge_cases_lie adds a report to a case, at a time of its own clock: the socket asks the witness, which names
 * outside. */
void judge_cases_lie(test_case *c, const krpc_endpoint *socket, const krpc_endpoint *witness,
                     const krpc_endpoint *outside, int64_t ns);

#endif
