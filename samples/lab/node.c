/* node.c: a small DHT node, the reference implementation of codec/port-advertisement.rst.
 *
 *     krpc-node --bind 10.0.0.2:6881 --boot 192.0.2.10:6881 [--contact-port 6881] [options, see usage]
 *
 * It answers ping, find_node, get_peers and announce_peer. When it is told its forwarded port, and ip and r.p show that
 * others see another one or nobody reaches it, it puts p into its messages; while nobody reaches it, it sends contact to
 * a few nodes, one of each program first. It follows the p and the contact of others: with a ping first, to the sender's
 * own address only, rate-limited. One socket, one poll loop, fixed memory. Every --report seconds a line of counters goes
 * to standard output.
 *
 * SPDX-License-Identifier: MIT
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <krpc/advert.h>
#include <krpc/message.h>
#include <krpc/node_id.h>

#define MAX_NODES     256
#define MAX_PENDING   256
#define MAX_PEERS     64
#define MAX_VOTES     16
#define MAX_CLAIMS    64
#define MAX_SENT      512
#define ENOUGH        3 /* so many networks must see us on another port; so often a node may leave us without answer */
#define ANSWER_MS     15000  /* how long an answer is waited for */
#define SOLICITED_MS  60000  /* a query from an endpoint that we sent something to in this time may use our mapping */
#define RECENT_MS     60000  /* contact goes to those who have answered in this time */
#define CONTACT_MS    600000 /* and to CONTACT_MAX of them in this time, CONTACT_ROUND at once */
#define CONTACT_MAX   10
#define CONTACT_ROUND 5
#define VERIFY_MS     60000  /* an address is tried at most once in this time because of what it said */
#define FAILED_MS     900000 /* an endpoint that did not answer is not tried again for so long */
#define VERIFY_BURST  10     /* and all addresses together so often in a second */
#define VERIFY_LOWEST 1024   /* below are other services */

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

typedef enum purpose { FREE, LOOKUP, REFRESH, VERIFY, CONTACT } purpose;

typedef struct pending {
    purpose purpose;
    uint16_t t;
    krpc_endpoint to;
    uint8_t id[20]; /* the node that must answer, but not of LOOKUP */
    int64_t sent_ms;
} pending;

typedef struct claim { /* an advertised endpoint that was tried */
    krpc_endpoint endpoint;
    int64_t tried_ms;
    bool answered;
} claim;

typedef struct sent {
    krpc_endpoint to;
    int64_t at_ms;
} sent;

typedef struct peer {
    uint8_t info_hash[20];
    krpc_endpoint endpoint;
} peer;

typedef struct vote {
    krpc_endpoint by;
    uint16_t port;
} vote;

typedef struct counters {
    uint64_t queries, unsolicited, answers, verified, failed, contacts, refused;
} counters;

static struct state {
    int fd;
    krpc_endpoint self;
    uint8_t id[20];
    uint8_t secret[20];
    int contact_port;
    bool send_p, send_contact, honour;
    int64_t silence_ms, after_ms, start_ms;
    bool unreachable; /* not on the port that others see: time to say p */
    node nodes[MAX_NODES];
    unsigned num_nodes;
    pending pendings[MAX_PENDING];
    peer peers[MAX_PEERS];
    unsigned num_peers;
    vote votes[MAX_VOTES];
    unsigned num_votes;
    claim claims[MAX_CLAIMS];
    unsigned num_claims;
    sent sents[MAX_SENT];
    int64_t unsolicited_ms; /* the last query from somebody whom we had sent nothing */
    int64_t contact_window, contact_next;
    int contact_count;
    int64_t verify_second;
    int verify_count;
    counters count;
} self;

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fill_random(void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) {
        perror("getrandom");
        exit(2);
    }
}

static void say(const char *what, const krpc_endpoint *who, const char *more)
{
    char text[KRPC_ENDPOINT_TEXT];

    printf("%" PRId64 " %s %s%s\n", now_ms(), what, krpc_endpoint_text(text, who), more);
}

/* ---- sockets ---- */

static bool take_number(int *out, const char *value, int most)
{
    char *end;
    long n = strtol(value, &end, 10);

    *out = (int)n;
    return *end == '\0' && n >= 1 && n <= most;
}

/* 192.0.2.1:6881 or [2001:db8::1]:6881 */
static bool parse_endpoint(krpc_endpoint *out, const char *text)
{
    bool six = text[0] == '[';
    char host[64];
    uint8_t addr[16];
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    int port;

    if (len < 2 || len >= sizeof host || !take_number(&port, colon + 1, 65535) || (six && colon[-1] != ']')) {
        return false;
    }
    memcpy(host, text, len);
    host[six ? len - 1 : len] = '\0';
    if (inet_pton(six ? AF_INET6 : AF_INET, host + six, addr) != 1) {
        return false;
    }
    krpc_endpoint_set(out, addr, six ? 16 : 4, (uint16_t)port);
    return true;
}

static socklen_t to_sockaddr(struct sockaddr_storage *out, const krpc_endpoint *e)
{
    memset(out, 0, sizeof *out);
    if (e->addr_len == 16) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(e->port);
        memcpy(&in6->sin6_addr, e->addr, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;

    in->sin_family = AF_INET;
    in->sin_port = htons(e->port);
    memcpy(&in->sin_addr, e->addr, 4);
    return sizeof *in;
}

static void from_sockaddr(krpc_endpoint *out, const struct sockaddr_storage *from)
{
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;

        krpc_endpoint_set(out, &in6->sin6_addr, 16, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;

        krpc_endpoint_set(out, &in->sin_addr, 4, ntohs(in->sin_port));
    }
}

/* What we send opens the NAT for the one endpoint that it goes to, so the queries from there prove nothing. A NAT with a
 * forwarded port may show us a query that came in by it from another source port than it had; that is unsolicited, too. */
static sent *last_sent(const krpc_endpoint *to)
{
    sent *oldest = &self.sents[0];

    for (int i = 0; i < MAX_SENT; i++) {
        if (krpc_endpoint_equal(&self.sents[i].to, to)) {
            return &self.sents[i];
        }
        if (self.sents[i].at_ms < oldest->at_ms) {
            oldest = &self.sents[i];
        }
    }
    *oldest = (sent){*to, 0};
    return oldest;
}

static bool solicited(const krpc_endpoint *from, int64_t now)
{
    int64_t at = last_sent(from)->at_ms;

    return at != 0 && now - at < SOLICITED_MS;
}

static void send_message(const krpc_builder *b, const krpc_endpoint *to)
{
    struct sockaddr_storage address;
    uint8_t packet[1024];
    socklen_t size = to_sockaddr(&address, to);
    size_t len = krpc_builder_encode(b, packet, sizeof packet);

    if (len == 0 || len > sizeof packet) {
        fprintf(stderr, "krpc-node: a message did not fit\n");
        return;
    }
    if (sendto(self.fd, packet, len, 0, (struct sockaddr *)&address, size) < 0 && errno != ECONNREFUSED) {
        perror("krpc-node: sendto");
    }
    last_sent(to)->at_ms = now_ms();
}

/* ---- queries ---- */

static void add_contact_port(krpc_builder *b)
{
    if (self.unreachable && self.send_p) {
        krpc_builder_int(b, KRPC_P, self.contact_port);
    }
}

/* A query's record; the oldest is given up when all are in use. */
static pending *remember(purpose why, const krpc_endpoint *to)
{
    pending *oldest = &self.pendings[0];

    for (int i = 0; i < MAX_PENDING; i++) {
        pending *p = &self.pendings[i];

        if (p->purpose == FREE) {
            oldest = p;
            break;
        }
        if (p->sent_ms < oldest->sent_ms) {
            oldest = p;
        }
    }
    memset(oldest, 0, sizeof *oldest);
    oldest->purpose = why;
    fill_random(&oldest->t, sizeof oldest->t); /* nobody may guess it */
    oldest->to = *to;
    oldest->sent_ms = now_ms();
    return oldest;
}

static void ask(purpose why, const krpc_endpoint *to, krpc_method method, const uint8_t *id, const uint8_t *target)
{
    uint8_t room[256];
    krpc_builder b;
    pending *p = remember(why, to);
    uint8_t t[2] = {(uint8_t)(p->t >> 8), (uint8_t)p->t};

    if (id != NULL) {
        memcpy(p->id, id, 20);
    }
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, t, sizeof t);
    krpc_builder_method(&b, method);
    krpc_builder_bytes(&b, KRPC_A_ID, self.id, 20);
    if (target != NULL) {
        krpc_builder_bytes(&b, KRPC_A_TARGET, target, 20);
    }
    if (method == KRPC_METHOD_CONTACT) {
        krpc_builder_int(&b, KRPC_A_PORT, self.contact_port);
    }
    krpc_builder_bytes(&b, KRPC_V, "KS\0\1", 4);
    add_contact_port(&b);
    send_message(&b, to);
}

/* ---- the routing table, as small as it can be ---- */

static node *find_node(const uint8_t *id)
{
    for (unsigned i = 0; i < self.num_nodes; i++) {
        if (memcmp(self.nodes[i].id, id, 20) == 0) {
            return &self.nodes[i];
        }
    }
    return NULL;
}

/* A node that was heard, or heard of. One that has a port which it advertised and which answered keeps it. And behind a
 * forwarded port the source of a query may be the NAT's work: only of those who never answered do we take it. */
static void note_node(const uint8_t *id, const krpc_endpoint *endpoint, evidence how)
{
    node *n = find_node(id);

    if (memcmp(id, self.id, 20) == 0 || endpoint->port == 0 || endpoint->addr_len != self.self.addr_len) {
        return;
    }
    if (n == NULL) {
        if (self.num_nodes == MAX_NODES) {
            return;
        }
        n = &self.nodes[self.num_nodes++];
        *n = (node){.endpoint = *endpoint, .source = *endpoint};
        memcpy(n->id, id, 20);
    } else if (how != HEARD_OF && krpc_endpoint_same_addr(&n->source, endpoint)) {
        n->source = *endpoint;
        if (!n->advertised && (how == ANSWERED || self.contact_port == 0 || n->answered_ms == 0)) {
            n->endpoint = *endpoint;
        }
    }
    if (how == ANSWERED) {
        n->answered_ms = now_ms();
        n->failures = 0;
    }
}

/* One that leaves us without answers is tried where its messages come from, if that is somewhere else, or forgotten. */
static void node_failed(const uint8_t *id)
{
    node *n = find_node(id);

    if (n == NULL || ++n->failures < ENOUGH) {
        return;
    }
    if (krpc_endpoint_equal(&n->endpoint, &n->source)) {
        *n = self.nodes[--self.num_nodes];
        return;
    }
    n->endpoint = n->source;
    n->advertised = false;
    n->failures = 0;
}

/* The eight nodes nearest to target, in compact form: such as have answered us, no hearsay. */
static size_t closest(uint8_t *out, const uint8_t *target)
{
    const node *best[8];
    size_t n = 0, size = 0;

    for (unsigned i = 0; i < self.num_nodes; i++) {
        size_t at = n;

        if (self.nodes[i].answered_ms == 0) {
            continue;
        }
        while (at > 0 && krpc_node_id_nearer(self.nodes[i].id, best[at - 1]->id, target) < 0) {
            at--;
        }
        if (at < 8) {
            n += n < 8;
            memmove(best + at + 1, best + at, (n - at - 1) * sizeof *best);
            best[at] = &self.nodes[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(out + size, best[i]->id, 20);
        size += 20 + krpc_endpoint_put(out + size + 20, &best[i]->endpoint);
    }
    return size;
}

/* ---- what others say about ports ---- */

/* Whether an endpoint may be tried now; remembers that it was. */
static bool may_try(const krpc_endpoint *to, int64_t now)
{
    claim *next = &self.claims[self.num_claims % MAX_CLAIMS];

    if (self.num_claims >= MAX_CLAIMS && now - next->tried_ms < VERIFY_MS) {
        return false; /* forgetting it would let that address have another one */
    }
    for (unsigned i = 0; i < self.num_claims && i < MAX_CLAIMS; i++) {
        const claim *c = &self.claims[i];

        if ((krpc_endpoint_same_addr(&c->endpoint, to) && now - c->tried_ms < VERIFY_MS) ||
            (krpc_endpoint_equal(&c->endpoint, to) && !c->answered && now - c->tried_ms < FAILED_MS)) {
            return false;
        }
    }
    if (now / 1000 != self.verify_second) {
        self.verify_second = now / 1000;
        self.verify_count = 0;
    }
    if (self.verify_count++ >= VERIFY_BURST) {
        return false;
    }
    *next = (claim){.endpoint = *to, .tried_ms = now};
    self.num_claims++;
    return true;
}

/* The only thing that a claim leads to: one ping, to the claimant's own address, at a bounded rate. */
static void verify(const krpc_endpoint *from, int64_t port, const uint8_t *id)
{
    krpc_endpoint to = *from;
    krpc_addr_scope scope = krpc_endpoint_scope(from);
    const node *known = find_node(id);

    if (!self.honour || port < VERIFY_LOWEST || port > 65535 || port == from->port ||
        (scope != KRPC_ADDR_GLOBAL && scope != krpc_endpoint_scope(&self.self))) {
        return;
    }
    to.port = (uint16_t)port;
    if ((known != NULL && known->advertised && krpc_endpoint_equal(&known->endpoint, &to)) || !may_try(&to, now_ms())) {
        return;
    }
    ask(VERIFY, &to, KRPC_METHOD_PING, id, NULL);
}

static void verified(const krpc_endpoint *from, const uint8_t *id)
{
    node *n;

    note_node(id, from, ANSWERED);
    n = find_node(id);
    if (n != NULL) {
        n->endpoint = *from;
        n->advertised = true;
    }
    for (unsigned i = 0; i < self.num_claims && i < MAX_CLAIMS; i++) {
        self.claims[i].answered |= krpc_endpoint_equal(&self.claims[i].endpoint, from);
    }
    self.count.verified++;
    say("verified", from, "");
}

/* ip and r.p: our port as another sees it. Everybody behind one address has one vote. */
static void count_vote(const krpc_endpoint *by, uint16_t port)
{
    vote *v = &self.votes[self.num_votes % MAX_VOTES];

    for (unsigned i = 0; i < self.num_votes && i < MAX_VOTES; i++) {
        if (krpc_endpoint_same_addr(&self.votes[i].by, by)) {
            self.votes[i].port = port;
            return;
        }
    }
    *v = (vote){*by, port};
    self.num_votes++;
}

static bool seen_elsewhere(void)
{
    int elsewhere = 0, there = 0;

    for (unsigned i = 0; i < self.num_votes && i < MAX_VOTES; i++) {
        *(self.votes[i].port == self.contact_port ? &there : &elsewhere) += 1;
    }
    return elsewhere >= ENOUGH && elsewhere > there;
}

static bool read_only(const krpc_message *m)
{
    return krpc_has(m, KRPC_RO) && m->value[KRPC_RO].num != 0;
}

static void read_adverts(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    krpc_advert_iter it;
    krpc_advert a;

    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        if (a.channel == KRPC_CHANNEL_P || a.channel == KRPC_CHANNEL_CONTACT) {
            if (read_only(m)) {
                continue;
            }
            verify(from, a.port, id);
        } else if ((a.channel == KRPC_CHANNEL_IP || a.channel == KRPC_CHANNEL_R_P) && a.has_port && a.port > 0 &&
                   a.port <= 65535) {
            count_vote(from, (uint16_t)a.port);
        } else if ((a.channel == KRPC_CHANNEL_NODES || a.channel == KRPC_CHANNEL_NODES6) && m->type == KRPC_RESPONSE) {
            note_node(data + a.id_off, &a.endpoint, HEARD_OF);
        }
    }
}

/* ---- answers ---- */

/* A write token: bound to the address and not to the port, so that it survives a NAT that picks another one. */
static void make_token(uint8_t out[8], const krpc_endpoint *who)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof self.secret; i++) {
        h = (h ^ self.secret[i]) * UINT64_C(0x100000001b3);
    }
    for (size_t i = 0; i < who->addr_len; i++) {
        h = (h ^ who->addr[i] ^ self.secret[i]) * UINT64_C(0x100000001b3);
    }
    memcpy(out, &h, 8);
}

static void begin_answer(krpc_builder *b, uint8_t *room, size_t cap, krpc_type type, const krpc_message *m,
                         const uint8_t *data, const krpc_endpoint *to)
{
    krpc_builder_init(b, room, cap, type, data + m->value[KRPC_T].off, m->value[KRPC_T].len);
    krpc_builder_endpoint(b, KRPC_IP, to);
    krpc_builder_bytes(b, KRPC_V, "KS\0\1", 4);
    add_contact_port(b);
}

static void refuse(const krpc_message *m, const uint8_t *data, const krpc_endpoint *to, int code, const char *text)
{
    uint8_t room[256];
    krpc_builder b;

    begin_answer(&b, room, sizeof room, KRPC_ERROR, m, data, to);
    krpc_builder_error(&b, code, text);
    send_message(&b, to);
    self.count.refused++;
}

static bool is_port(const krpc_value *v, bool there)
{
    return there && v->num >= 1 && v->num <= 65535;
}

static void store_peer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    peer *p = &self.peers[self.num_peers % MAX_PEERS];
    bool implied = krpc_has(m, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0;

    memcpy(p->info_hash, data + m->value[KRPC_A_INFO_HASH].off, 20);
    p->endpoint = *from;
    if (!implied && is_port(&m->value[KRPC_A_PORT], krpc_has(m, KRPC_A_PORT))) {
        p->endpoint.port = (uint16_t)m->value[KRPC_A_PORT].num;
    }
    self.num_peers++;
}

static void put_values(krpc_builder *b, const uint8_t *info_hash)
{
    uint8_t list[512], compact[18];
    bencode_writer w;
    unsigned n = self.num_peers < MAX_PEERS ? self.num_peers : MAX_PEERS;
    unsigned found = 0;

    bencode_writer_init(&w, list, sizeof list);
    bencode_put_list(&w);
    for (unsigned i = 0; i < n && found < 16; i++) {
        if (memcmp(self.peers[i].info_hash, info_hash, 20) == 0) {
            bencode_put_string(&w, compact, krpc_endpoint_put(compact, &self.peers[i].endpoint));
            found++;
        }
    }
    bencode_put_end(&w);
    if (found > 0 && bencode_writer_ok(&w)) {
        krpc_builder_raw(b, KRPC_R_VALUES, list, w.len);
    }
}

static void answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    uint8_t room[900], nodes[8 * 38], token[8];
    const uint8_t *target = krpc_message_target(m, data);
    krpc_builder b;
    const krpc_value *given = &m->value[KRPC_A_TOKEN];

    make_token(token, from);
    if (m->method == KRPC_METHOD_ANNOUNCE_PEER) {
        if (target == NULL || !krpc_has(m, KRPC_A_TOKEN) || given->len != sizeof token ||
            memcmp(data + given->off, token, sizeof token) != 0) {
            refuse(m, data, from, 203, "Bad token");
            return;
        }
        store_peer(m, data, from);
    } else if (m->method == KRPC_METHOD_CONTACT && !is_port(&m->value[KRPC_A_PORT], krpc_has(m, KRPC_A_PORT))) {
        refuse(m, data, from, 203, "No port");
        return;
    } else if (m->method != KRPC_METHOD_PING && m->method != KRPC_METHOD_CONTACT && target == NULL) {
        refuse(m, data, from, 204, "Method Unknown");
        return;
    }
    begin_answer(&b, room, sizeof room, KRPC_RESPONSE, m, data, from);
    krpc_builder_bytes(&b, KRPC_R_ID, self.id, 20);
    if (target != NULL && m->method != KRPC_METHOD_ANNOUNCE_PEER) {
        krpc_builder_bytes(&b, self.self.addr_len == 4 ? KRPC_R_NODES : KRPC_R_NODES6, nodes, closest(nodes, target));
    }
    if (m->method == KRPC_METHOD_GET_PEERS) {
        krpc_builder_bytes(&b, KRPC_R_TOKEN, token, sizeof token);
        put_values(&b, target);
    }
    send_message(&b, from);
    self.count.answers++;
}

/* ---- what comes in ---- */

static void on_query(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    int64_t now = now_ms();

    self.count.queries++;
    if (!solicited(from, now)) {
        self.count.unsolicited++;
        self.unsolicited_ms = now;
    }
    if (!krpc_has(m, KRPC_T)) {
        return;
    }
    answer(m, data, from);
    if (!read_only(m)) {
        note_node(id, from, ASKED_US);
    }
}

/* The answer must come from the address that was asked; its port may differ, that is what this is all about. */
static pending *asked(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const uint8_t *t = data + m->value[KRPC_T].off;

    if (!krpc_has(m, KRPC_T) || m->value[KRPC_T].len != 2) {
        return NULL;
    }
    for (int i = 0; i < MAX_PENDING; i++) {
        pending *p = &self.pendings[i];

        if (p->purpose != FREE && p->t == (t[0] << 8 | t[1]) && krpc_endpoint_same_addr(&p->to, from)) {
            return p;
        }
    }
    return NULL;
}

static void on_answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    pending *p = asked(m, data, from);

    if (p == NULL) {
        return;
    }
    if (m->type == KRPC_RESPONSE && id != NULL) {
        if (p->purpose != VERIFY) {
            note_node(id, from, ANSWERED);
        } else if (memcmp(id, p->id, 20) == 0 && krpc_endpoint_equal(&p->to, from)) {
            verified(from, id);
        }
        read_adverts(m, data, from, id);
    } else if (p->purpose == CONTACT) {
        say("error from", from, "");
    }
    p->purpose = FREE;
}

static void on_datagram(const uint8_t *data, size_t len, const krpc_endpoint *from)
{
    krpc_message m;
    const uint8_t *id;
    node *n;

    krpc_message_decode(&m, data, len, len, NULL);
    if (m.status != BENCODE_DONE || krpc_message_probe(&m, data) != KRPC_PROBE_YES) {
        return;
    }
    id = krpc_message_id(&m, data);
    if (id != NULL && memcmp(id, self.id, 20) == 0) {
        return; /* our own packet, or somebody who mirrors us */
    }
    if (m.type == KRPC_QUERY && id != NULL) {
        on_query(&m, data, from, id);
        read_adverts(&m, data, from, id);
    } else if (m.type == KRPC_RESPONSE || m.type == KRPC_ERROR) {
        on_answer(&m, data, from, id);
    }
    n = id != NULL ? find_node(id) : NULL;
    if (n != NULL && krpc_has(&m, KRPC_V) && m.value[KRPC_V].len >= 2) {
        memcpy(n->program, data + m.value[KRPC_V].off, 2);
    }
}

static void receive(void)
{
    struct sockaddr_storage address;
    uint8_t data[2048];
    ssize_t len;

    for (;;) {
        socklen_t size = sizeof address;
        krpc_endpoint from;

        len = recvfrom(self.fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&address, &size);
        if (len < 0) {
            return;
        }
        from_sockaddr(&from, &address);
        on_datagram(data, (size_t)len, &from);
    }
}

/* ---- what happens by itself ---- */

static void expire(int64_t now)
{
    for (int i = 0; i < MAX_PENDING; i++) {
        pending *p = &self.pendings[i];

        if (p->purpose == FREE || now - p->sent_ms <= ANSWER_MS) {
            continue;
        }
        self.count.failed += p->purpose == VERIFY;
        if (p->purpose == REFRESH) {
            node_failed(p->id);
        }
        p->purpose = FREE;
    }
}

static bool asked_to_help(const node *n, int64_t now)
{
    return n->contacted_ms != 0 && now - n->contacted_ms < CONTACT_MS;
}

/* Most programs do not know contact, so of those who have just answered it goes to the program that got fewest. */
static node *next_helper(int64_t now)
{
    node *best = NULL;
    int fewest = CONTACT_MAX;

    for (unsigned i = 0; i < self.num_nodes; i++) {
        node *n = &self.nodes[i];
        int same = 0;

        if (n->answered_ms == 0 || now - n->answered_ms > RECENT_MS || asked_to_help(n, now)) {
            continue;
        }
        for (unsigned j = 0; j < self.num_nodes; j++) {
            same += asked_to_help(&self.nodes[j], now) && memcmp(self.nodes[j].program, n->program, 2) == 0;
        }
        if (same < fewest) {
            fewest = same;
            best = n;
        }
    }
    return best;
}

static void send_contacts(int64_t now)
{
    node *n;

    if (now < self.contact_next) {
        return;
    }
    self.contact_next = now + ANSWER_MS;
    if (now - self.contact_window > CONTACT_MS || self.contact_window == 0) {
        self.contact_window = now;
        self.contact_count = 0;
    }
    for (int i = 0; i < CONTACT_ROUND && self.contact_count < CONTACT_MAX && (n = next_helper(now)) != NULL; i++) {
        n->contacted_ms = now;
        ask(CONTACT, &n->endpoint, KRPC_METHOD_CONTACT, n->id, NULL);
        say("contact to", &n->endpoint, "");
        self.contact_count++;
        self.count.contacts++;
    }
}

/* Whether others reach us on the port that they see is known in two ways: they tell us another one than the forwarded,
 * or nobody asks us anything but those whom we have just asked ourselves. */
static void notice(int64_t now)
{
    bool silence = self.num_nodes >= 4 && now - self.unsolicited_ms >= self.silence_ms;

    if (self.contact_port == 0 || now - self.start_ms < self.after_ms) {
        return;
    }
    if (!self.unreachable && (silence || seen_elsewhere())) {
        self.unreachable = true;
        say("self", &self.self, silence ? " nobody asks us anything" : " is seen on another port");
    }
    if (self.send_contact && silence) {
        send_contacts(now);
    }
}

static void tick(const krpc_endpoint *boot, int num_boot, unsigned turn)
{
    int64_t now = now_ms();
    uint8_t target[20];

    expire(now);
    if (self.num_nodes < 8) {
        for (int i = 0; i < num_boot; i++) {
            ask(LOOKUP, &boot[i], KRPC_METHOD_FIND_NODE, NULL, self.id);
        }
    }
    if (self.num_nodes > 0) {
        const node *n = &self.nodes[turn % self.num_nodes];

        fill_random(target, sizeof target);
        ask(REFRESH, &n->endpoint, turn % 4 == 0 ? KRPC_METHOD_FIND_NODE : KRPC_METHOD_PING, n->id,
            turn % 4 == 0 ? target : NULL);
    }
    notice(now);
}

static void report(void)
{
    const counters *c = &self.count;

    printf("%" PRId64 " nodes %u queries %" PRIu64 " unsolicited %" PRIu64 " answers %" PRIu64 " verified %" PRIu64
           " failed %" PRIu64 " contacts %" PRIu64 " refused %" PRIu64 "\n",
           now_ms(), self.num_nodes, c->queries, c->unsolicited, c->answers, c->verified, c->failed, c->contacts,
           c->refused);
    fflush(stdout);
}

static void run(const krpc_endpoint *boot, int num_boot, int seconds, int report_s)
{
    int64_t start = now_ms(), next_tick = start, next_report = start + report_s * 1000;
    unsigned turn = 0;

    self.start_ms = self.unsolicited_ms = start;
    while (!stopped && (seconds == 0 || now_ms() - start < seconds * 1000)) {
        struct pollfd wait = {.fd = self.fd, .events = POLLIN};

        if (poll(&wait, 1, 100) > 0) {
            receive();
        }
        if (now_ms() >= next_tick) {
            next_tick += 1000;
            tick(boot, num_boot, turn++);
        }
        if (now_ms() >= next_report) {
            next_report += report_s * 1000;
            report();
        }
    }
    report();
}

static int usage(void)
{
    fputs("usage: krpc-node --bind ADDR:PORT --boot ADDR:PORT[,ADDR:PORT] [options]\n"
          "--contact-port PORT  the port that is forwarded to us: say p=PORT when others see another one or nobody "
          "asks us\n"
          "                     anything, and send contact while nobody does\n"
          "--no-p, --no-contact only the other one\n"
          "--silence N          after how many seconds without queries, default 600\n"
          "--after N            neither of the two in the first N seconds, to see the difference\n"
          "--ignore             do not follow the p and contact of others\n"
          "--seconds N          end by itself;  --report N: seconds between two lines of counters, default 10\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct sockaddr_storage address;
    krpc_endpoint boot[8];
    int num_boot = 0, seconds = 0, report_s = 10, silence = 600, after = 0;

    self.honour = self.send_contact = self.send_p = true;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--no-contact") == 0) {
            self.send_contact = false;
        } else if (strcmp(argv[i], "--no-p") == 0) {
            self.send_p = false;
        } else if (strcmp(argv[i], "--ignore") == 0) {
            self.honour = false;
        } else if (strcmp(argv[i], "--bind") == 0 && parse_endpoint(&self.self, value)) {
            i++;
        } else if ((strcmp(argv[i], "--contact-port") == 0 && take_number(&self.contact_port, value, 65535)) ||
                   (strcmp(argv[i], "--seconds") == 0 && take_number(&seconds, value, 1000000)) ||
                   (strcmp(argv[i], "--report") == 0 && take_number(&report_s, value, 1000000)) ||
                   (strcmp(argv[i], "--silence") == 0 && take_number(&silence, value, 1000000)) ||
                   (strcmp(argv[i], "--after") == 0 && take_number(&after, value, 1000000))) {
            i++;
        } else if (strcmp(argv[i], "--boot") == 0 && *value != '\0') {
            char *list = argv[++i];

            for (char *one = strtok(list, ","); one != NULL && num_boot < 8; one = strtok(NULL, ",")) {
                num_boot += parse_endpoint(&boot[num_boot], one) ? 1 : 0;
            }
        } else {
            return usage();
        }
    }
    if (self.self.addr_len == 0 || num_boot == 0) {
        return usage();
    }
    self.silence_ms = silence * INT64_C(1000);
    self.after_ms = after * INT64_C(1000);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    fill_random(self.id, sizeof self.id);
    fill_random(self.secret, sizeof self.secret);
    self.fd = socket(self.self.addr_len == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
    if (self.fd < 0 || bind(self.fd, (struct sockaddr *)&address, to_sockaddr(&address, &self.self)) != 0) {
        perror("krpc-node: bind");
        return 2;
    }
    say("node", &self.self, "");
    run(boot, num_boot, seconds, report_s);
    close(self.fd);
    return 0;
}
