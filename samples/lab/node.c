/* node.c: a small DHT node, the reference implementation of codec/port-advertisement.rst.
 *
 *     krpc-node --bind 10.0.0.2:6881 --boot 192.0.2.10:6881 [--contact-port 6881] [--no-contact] [--ignore] [--seconds N]
 *
 * It answers ping, find_node, get_peers and announce_peer, puts p into its messages when it is told its forwarded port,
 * sends contact when it knows nodes and none of them asks it anything, follows the p and the contact of others (with a
 * ping first, to the sender's own address only, rate-limited), and notices from ip and r.p that its port is rewritten.
 * One socket, one poll loop, fixed memory. Every --report seconds a line of counters goes to standard output.
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

#define MAX_NODES 256
#define MAX_PENDING 256
#define MAX_PEERS 64
#define MAX_VOTES 16
#define ANSWER_MS 15000    /* how long an answer is waited for */
#define SILENCE_MS 20000   /* no query for so long: others do not reach us */
#define CONTACT_MS 60000   /* a node gets at most one contact in this time */
#define VERIFY_MS 10000    /* an address is tried at most once in this time because of what it said */
#define VERIFY_BURST 10    /* and all addresses together so often in a second */

typedef struct node {
    krpc_endpoint endpoint; /* where queries go */
    uint8_t id[20];
    int64_t seen_ms;
    int64_t contacted_ms;
    bool advertised; /* endpoint came from p or contact and has answered */
} node;

typedef enum purpose { FREE, LOOKUP, REFRESH, VERIFY, CONTACT } purpose;

typedef struct pending {
    purpose purpose;
    uint16_t t;
    krpc_endpoint to;
    krpc_endpoint claimed_by; /* VERIFY: the endpoint that named another port */
    uint8_t id[20];           /* VERIFY: the node that must answer */
    int64_t sent_ms;
} pending;

typedef struct peer {
    uint8_t info_hash[20];
    krpc_endpoint endpoint;
} peer;

typedef struct vote {
    krpc_endpoint by;
    uint16_t port;
} vote;

typedef struct counters {
    uint64_t queries, answers, verified, failed, contacts, refused;
} counters;

static struct state {
    int fd;
    krpc_endpoint self;
    uint8_t id[20];
    uint8_t secret[20];
    uint16_t next_t;
    int contact_port;
    bool send_contact, honour;
    node nodes[MAX_NODES];
    unsigned num_nodes;
    pending pendings[MAX_PENDING];
    peer peers[MAX_PEERS];
    unsigned num_peers;
    vote votes[MAX_VOTES];
    unsigned num_votes;
    uint16_t seen_port; /* on which enough others see us; 0: not known */
    int64_t last_query_ms, verify_second;
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

static bool parse_endpoint(krpc_endpoint *out, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    long port = colon != NULL ? strtol(colon + 1, NULL, 10) : -1;
    uint8_t addr[16];

    if (len == 0 || len >= sizeof host || port < 0 || port > 65535) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, addr) != 1) {
            return false;
        }
        krpc_endpoint_set(out, addr, 16, (uint16_t)port);
        return true;
    }
    if (inet_pton(AF_INET, host, addr) != 1) {
        return false;
    }
    krpc_endpoint_set(out, addr, 4, (uint16_t)port);
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
}

/* ---- queries ---- */

static void add_contact_port(krpc_builder *b)
{
    if (self.contact_port > 0) {
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
    oldest->t = self.next_t++;
    oldest->to = *to;
    oldest->sent_ms = now_ms();
    return oldest;
}

static pending *ask(purpose why, const krpc_endpoint *to, krpc_method method, const uint8_t *target)
{
    uint8_t room[256];
    krpc_builder b;
    pending *p = remember(why, to);
    uint8_t t[2] = {(uint8_t)(p->t >> 8), (uint8_t)p->t};

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
    return p;
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

/* A node that was heard, or heard of. One that has a port which it advertised and which answered keeps it. */
static void note_node(const uint8_t *id, const krpc_endpoint *endpoint, bool heard)
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
        memset(n, 0, sizeof *n);
        memcpy(n->id, id, 20);
        n->endpoint = *endpoint;
    } else if (heard && !n->advertised && krpc_endpoint_same_addr(&n->endpoint, endpoint)) {
        n->endpoint = *endpoint;
    }
    if (heard) {
        n->seen_ms = now_ms();
    }
}

static int closer(const uint8_t *target, const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < 20; i++) {
        int x = a[i] ^ target[i], y = b[i] ^ target[i];

        if (x != y) {
            return x - y;
        }
    }
    return 0;
}

/* The eight nodes nearest to target, in compact form. */
static size_t closest(uint8_t *out, const uint8_t *target)
{
    const node *best[8];
    size_t n = 0, size = 0;

    for (unsigned i = 0; i < self.num_nodes; i++) {
        size_t at = n;

        while (at > 0 && closer(target, self.nodes[i].id, best[at - 1]->id) < 0) {
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

/* The only thing that a claim leads to: one ping, to the claimant's own address, at a bounded rate. */
static void verify(const krpc_endpoint *from, int64_t port, const uint8_t *id)
{
    krpc_endpoint to = *from;
    int64_t now = now_ms();
    node *known = find_node(id);

    if (!self.honour || port < 1 || port > 65535 || port == from->port) {
        return;
    }
    to.port = (uint16_t)port;
    if (known != NULL && known->advertised && krpc_endpoint_equal(&known->endpoint, &to)) {
        return;
    }
    for (int i = 0; i < MAX_PENDING; i++) {
        const pending *p = &self.pendings[i];

        if (p->purpose == VERIFY && krpc_endpoint_same_addr(&p->to, from) && now - p->sent_ms < VERIFY_MS) {
            return;
        }
    }
    if (now / 1000 != self.verify_second) {
        self.verify_second = now / 1000;
        self.verify_count = 0;
    }
    if (self.verify_count++ >= VERIFY_BURST) {
        return;
    }
    pending *p = ask(VERIFY, &to, KRPC_METHOD_PING, NULL);

    p->claimed_by = *from;
    memcpy(p->id, id, 20);
}

/* ip and r.p: our endpoint as another sees it. Three that agree on another port than ours mean that it is rewritten. */
static void count_vote(const krpc_endpoint *by, uint16_t port)
{
    unsigned agree = 0;

    for (unsigned i = 0; i < self.num_votes; i++) {
        if (krpc_endpoint_same_addr(&self.votes[i].by, by)) {
            self.votes[i].port = port;
            return;
        }
    }
    self.votes[self.num_votes % MAX_VOTES] = (vote){*by, port};
    if (self.num_votes < MAX_VOTES) {
        self.num_votes++;
    }
    for (unsigned i = 0; i < self.num_votes; i++) {
        agree += self.votes[i].port == port;
    }
    if (agree >= 3 && self.seen_port != port) {
        char text[64];

        self.seen_port = port;
        snprintf(text, sizeof text, " is seen on port %u%s", port, port == self.self.port ? "" : ": rewritten");
        say("self", &self.self, text);
    }
}

static void read_adverts(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    krpc_advert_iter it;
    krpc_advert a;

    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        if (a.channel == KRPC_CHANNEL_P || a.channel == KRPC_CHANNEL_CONTACT) {
            verify(from, a.port, id);
        } else if (a.channel == KRPC_CHANNEL_IP && a.has_port) {
            count_vote(from, a.endpoint.port);
        } else if ((a.channel == KRPC_CHANNEL_NODES || a.channel == KRPC_CHANNEL_NODES6) && m->type == KRPC_RESPONSE) {
            note_node(data + a.id_off, &a.endpoint, false);
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

static void store_peer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    peer *p = &self.peers[self.num_peers % MAX_PEERS];
    bool implied = krpc_has(m, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0;
    int64_t port = m->value[KRPC_A_PORT].num;

    memcpy(p->info_hash, data + m->value[KRPC_A_INFO_HASH].off, 20);
    p->endpoint = *from;
    if (!implied && krpc_has(m, KRPC_A_PORT) && port >= 1 && port <= 65535) {
        p->endpoint.port = (uint16_t)port;
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
    self.count.queries++;
    self.last_query_ms = now_ms();
    if (!krpc_has(m, KRPC_T)) {
        return;
    }
    answer(m, data, from);
    if (!(krpc_has(m, KRPC_RO) && m->value[KRPC_RO].num != 0)) {
        note_node(id, from, true);
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
    if (p->purpose == VERIFY && m->type == KRPC_RESPONSE && id != NULL && memcmp(id, p->id, 20) == 0 &&
        krpc_endpoint_equal(&p->to, from)) {
        node *n = find_node(id);

        if (n == NULL) {
            note_node(id, from, true);
            n = find_node(id);
        }
        if (n != NULL) {
            n->endpoint = *from;
            n->advertised = true;
        }
        self.count.verified++;
        say("verified", from, "");
    }
    p->purpose = FREE;
}

static void on_datagram(const uint8_t *data, size_t len, const krpc_endpoint *from)
{
    krpc_message m;
    const uint8_t *id;

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
    } else if (m.type == KRPC_RESPONSE || m.type == KRPC_ERROR) {
        on_answer(&m, data, from, id);
        if (m.type == KRPC_RESPONSE && id != NULL) {
            note_node(id, from, true);
        }
    }
    if (id != NULL) {
        read_adverts(&m, data, from, id);
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

        if (p->purpose != FREE && now - p->sent_ms > ANSWER_MS) {
            self.count.failed += p->purpose == VERIFY;
            p->purpose = FREE;
        }
    }
}

/* Others know us and none of them asks us anything: they cannot reach us where they see us. */
static void try_contact(int64_t now)
{
    int sent = 0;

    if (!self.send_contact || self.contact_port <= 0 || self.num_nodes < 4 || now - self.last_query_ms < SILENCE_MS) {
        return;
    }
    for (unsigned i = 0; i < self.num_nodes && sent < 4; i++) {
        node *n = &self.nodes[i];

        if (n->seen_ms != 0 && (n->contacted_ms == 0 || now - n->contacted_ms > CONTACT_MS)) {
            n->contacted_ms = now;
            ask(CONTACT, &n->endpoint, KRPC_METHOD_CONTACT, NULL);
            self.count.contacts++;
            sent++;
        }
    }
}

static void tick(const krpc_endpoint *boot, int num_boot, unsigned turn)
{
    int64_t now = now_ms();
    uint8_t target[20];

    expire(now);
    if (self.num_nodes < 8) {
        for (int i = 0; i < num_boot; i++) {
            ask(LOOKUP, &boot[i], KRPC_METHOD_FIND_NODE, self.id);
        }
    }
    if (self.num_nodes > 0) {
        const node *n = &self.nodes[turn % self.num_nodes];

        fill_random(target, sizeof target);
        ask(REFRESH, &n->endpoint, turn % 4 == 0 ? KRPC_METHOD_FIND_NODE : KRPC_METHOD_PING,
            turn % 4 == 0 ? target : NULL);
    }
    try_contact(now);
}

static void report(void)
{
    const counters *c = &self.count;

    printf("%" PRId64 " nodes %u queries %" PRIu64 " answers %" PRIu64 " verified %" PRIu64 " failed %" PRIu64
           " contacts %" PRIu64 " refused %" PRIu64 "\n",
           now_ms(), self.num_nodes, c->queries, c->answers, c->verified, c->failed, c->contacts, c->refused);
    fflush(stdout);
}

static void run(const krpc_endpoint *boot, int num_boot, int seconds, int report_s)
{
    int64_t start = now_ms(), next_tick = start, next_report = start + report_s * 1000;
    unsigned turn = 0;

    self.last_query_ms = start;
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
    fprintf(stderr, "usage: krpc-node --bind ADDR:PORT --boot ADDR:PORT[,ADDR:PORT] [--contact-port PORT] [--no-contact]\n"
                    "                 [--ignore] [--seconds N] [--report N]\n"
                    "--contact-port PORT  say p=PORT, and contact when nobody asks us anything\n"
                    "--no-contact         never send contact\n"
                    "--ignore             do not follow the p and contact of others\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct sockaddr_storage address;
    krpc_endpoint boot[8];
    int num_boot = 0, seconds = 0, report_s = 10;

    self.honour = self.send_contact = true;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--no-contact") == 0) {
            self.send_contact = false;
        } else if (strcmp(argv[i], "--ignore") == 0) {
            self.honour = false;
        } else if (strcmp(argv[i], "--bind") == 0 && parse_endpoint(&self.self, value)) {
            i++;
        } else if (strcmp(argv[i], "--contact-port") == 0 && (self.contact_port = atoi(value)) > 0 &&
                   self.contact_port < 65536) {
            i++;
        } else if (strcmp(argv[i], "--seconds") == 0 && (seconds = atoi(value)) > 0) {
            i++;
        } else if (strcmp(argv[i], "--report") == 0 && (report_s = atoi(value)) > 0) {
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
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    fill_random(self.id, sizeof self.id);
    fill_random(self.secret, sizeof self.secret);
    fill_random(&self.next_t, sizeof self.next_t);
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
