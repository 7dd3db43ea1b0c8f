/* node.c: an ordinary node of the DHT (BEP 5).
 *
 * SPDX-License-Identifier: MIT
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <gcrypt.h>
#include <getopt.h>
#include <krpc/node_id.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "node.h"

#define ANSWER_MS      15000  /* how long an answer is waited for */
#define MAX_UNANSWERED 3      /* a node that leaves so many queries without one, and their time, is forgotten */
#define TOKEN_MS       300000 /* BEP 5: tokens change every five minutes, and are good for ten */
#define TOKEN_LEN      20
#define LEN(array)     (sizeof(array) / sizeof(array)[0])

struct self self = {.silence = 600};

static struct pollfd in = {.events = POLLIN}; /* the one socket: IPv6, and IPv4 by mapped addresses */
static volatile sig_atomic_t stopped;
static query queries[12000];    /* a ring, of more than can be asked in the 15 minutes that contact_port.c looks back */
static krpc_endpoint heard[64]; /* a queue */
static uint64_t num_queries, num_heard, num_joined, num_peers;
static struct peer {
    krpc_endpoint endpoint;
    uint8_t info_hash[20];
} peers[32]; /* a ring */
static uint8_t secret[16];

int64_t now_ms(void)
{
    struct timespec t;

    if (self.script) {
        return script_now_ms();
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
}

static struct sockaddr_in6 to_sockaddr(const krpc_endpoint *e)
{
    struct sockaddr_in6 out = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};

    if (e->addr_len == 4) {
        memset(out.sin6_addr.s6_addr + 10, 0xff, 2);
    }
    memcpy(out.sin6_addr.s6_addr + 16 - e->addr_len, e->addr, e->addr_len);
    return out;
}

/* A failure is not reported: it depends on the nodes that we answer, which can be any and can ask very often. */
static void send_message(krpc_builder *b, const krpc_endpoint *to)
{
    struct sockaddr_in6 address = to_sockaddr(to);
    uint8_t packet[1400];
    size_t len;

    krpc_builder_bytes(b, KRPC_V, "KS\0\1", 4);
    if (self.saying_p) {
        krpc_builder_int(b, KRPC_P, self.contact_port);
    }
    len = krpc_builder_encode(b, packet, sizeof packet);
    if (b->full || len > sizeof packet) {
        return;
    }
    if (self.script) {
        script_send(to, packet, len);
    } else {
        sendto(in.fd, packet, len, 0, (struct sockaddr *)&address, sizeof address);
    }
}

/* ---- what we ask ---- */

node *find_node(const uint8_t *id)
{
    for (unsigned i = 0; i < self.num_nodes; i++) {
        if (memcmp(self.nodes[i].id, id, 20) == 0) {
            return &self.nodes[i];
        }
    }
    return NULL;
}

void hear_of(const uint8_t *id, const krpc_endpoint *e)
{
    if (find_node(id) == NULL && memcmp(id, self.id, 20) != 0 && e->port != 0 && e->addr_len == self.bind.addr_len &&
        num_heard - num_joined < LEN(heard)) {
        heard[num_heard++ % LEN(heard)] = *e;
    }
}

query *newest_query(uint64_t n)
{
    return n < num_queries && n < LEN(queries) ? &queries[(num_queries - 1 - n) % LEN(queries)] : NULL;
}

void ask(krpc_method method, const krpc_endpoint *to, const uint8_t *id)
{
    query *q = &queries[num_queries++ % LEN(queries)];
    uint8_t room[256];
    krpc_builder b;

    *q = (query){.method = method, .to = *to, .sent_ms = now_ms()};
    memcpy(q->id, id, 20);
    gcry_randomize(q->t, sizeof q->t, GCRY_STRONG_RANDOM); /* no other node may guess it */
    krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, q->t, sizeof q->t);
    krpc_builder_method(&b, method);
    krpc_builder_bytes(&b, KRPC_A_ID, self.id, 20);
    if (method == KRPC_METHOD_FIND_NODE) {
        krpc_builder_bytes(&b, KRPC_A_TARGET, id, 20);
    } else if (method == KRPC_METHOD_CONTACT) {
        krpc_builder_int(&b, KRPC_A_PORT, self.contact_port);
    }
    send_message(&b, to);
}

/* The answer must come from the address that was asked. Its port may differ: a NAT can do that. */
static query *find_query(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const krpc_value *t = &m->value[KRPC_T];
    int64_t now = now_ms();
    query *q;

    for (uint64_t i = 0; (q = newest_query(i)) != NULL && now - q->sent_ms <= ANSWER_MS; i++) {
        if (!q->answered && t->len == sizeof q->t && memcmp(q->t, data + t->off, t->len) == 0 &&
            krpc_endpoint_same_addr(&q->to, from)) {
            return q;
        }
    }
    return NULL;
}

static void on_answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    query *q = find_query(m, data, from);
    node *n;

    if (q == NULL) {
        return;
    }
    if (q->method == KRPC_METHOD_PING &&
        (m->type == KRPC_ERROR || memcmp(id, q->id, 20) != 0 || !krpc_endpoint_equal(&q->to, from))) {
        return; /* an advertised port is right only when the node that was meant says so from exactly there */
    }
    q->answered = true;
    id = m->type == KRPC_ERROR ? q->id : id; /* an error has no id, and we know which node we asked */
    n = find_node(id);
    if (n == NULL && self.num_nodes < LEN(self.nodes) && memcmp(id, self.id, 20) != 0) {
        n = &self.nodes[self.num_nodes++];
        *n = (node){.endpoint = q->to};
        memcpy(n->id, id, 20);
    }
    if (n == NULL || !krpc_endpoint_same_addr(&n->endpoint, &q->to)) {
        return; /* a sender cannot move a node of another address by saying its id */
    }
    n->answered_ms = now_ms();
    n->unanswered = 0;
    if (q->method == KRPC_METHOD_PING) {
        n->endpoint = q->to;
        self.verified++;
    }
    read_ports(m, data, from, id, n);
}

/* ---- what others ask ---- */

static int64_t number(const krpc_message *m, krpc_field field)
{
    return krpc_has(m, field) ? m->value[field].num : 0;
}

/* BEP 5's write token: SHA-1 of a secret and the address. The port has no part in it: a NAT may pick another one. */
static void make_token(uint8_t token[TOKEN_LEN], const krpc_endpoint *who, int age)
{
    int64_t period = now_ms() / TOKEN_MS - age;
    const gcry_buffer_t parts[] = {{.data = secret, .len = sizeof secret},
                                   {.data = (void *)who->addr, .len = sizeof who->addr},
                                   {.data = &period, .len = sizeof period}};

    gcry_md_hash_buffers(GCRY_MD_SHA1, 0, token, parts, LEN(parts));
}

static bool has_token(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const krpc_value *given = &m->value[KRPC_A_TOKEN];
    uint8_t now[TOKEN_LEN], before[TOKEN_LEN];

    make_token(now, from, 0);
    make_token(before, from, 1);
    return krpc_has(m, KRPC_A_TOKEN) && given->len == TOKEN_LEN &&
           (memcmp(data + given->off, now, TOKEN_LEN) == 0 || memcmp(data + given->off, before, TOKEN_LEN) == 0);
}

static void put_peers(krpc_builder *b, const uint8_t *info_hash)
{
    uint8_t list[LEN(peers) * 21 + 2], compact[18];
    bencode_writer w;

    bencode_writer_init(&w, list, sizeof list);
    bencode_put_list(&w);
    for (size_t i = 0; i < num_peers && i < LEN(peers); i++) {
        if (memcmp(peers[i].info_hash, info_hash, 20) == 0) {
            bencode_put_string(&w, compact, krpc_endpoint_put(compact, &peers[i].endpoint));
        }
    }
    bencode_put_end(&w);
    if (w.len > 2) {
        krpc_builder_raw(b, KRPC_R_VALUES, list, w.len);
    }
}

/* The nearest eight, which move to the front of the table: its order means nothing. */
static void put_nodes(krpc_builder *b, const uint8_t *target)
{
    uint8_t compact[8 * 38];
    size_t size = 0;

    for (node *n = self.nodes; n < self.nodes + self.num_nodes && n < self.nodes + 8; n++) {
        for (node *other = n + 1; other < self.nodes + self.num_nodes; other++) {
            if (krpc_node_id_nearer(other->id, n->id, target) < 0) {
                node farther = *n;

                *n = *other;
                *other = farther;
            }
        }
        memcpy(compact + size, n->id, 20);
        size += 20 + krpc_endpoint_put(compact + size + 20, &n->endpoint);
    }
    krpc_builder_bytes(b, self.bind.addr_len == 4 ? KRPC_R_NODES : KRPC_R_NODES6, compact, size);
}

/* Fills the answer in, or returns the error that the query earns. What we do not know, but with a target, gets what
 * find_node gets. implied_port is about the source port of the packet, also when the message carries p. */
static int put_results(krpc_builder *b, const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    bool announce = m->method == KRPC_METHOD_ANNOUNCE_PEER;
    int64_t port = announce && number(m, KRPC_A_IMPLIED_PORT) != 0 ? from->port : number(m, KRPC_A_PORT);
    bool has_port = port >= 1 && port <= 65535;
    const uint8_t *target = krpc_message_target(m, data);
    struct peer *p = &peers[num_peers % LEN(peers)];
    uint8_t token[TOKEN_LEN];

    krpc_builder_bytes(b, KRPC_R_ID, self.id, 20);
    if (m->method == KRPC_METHOD_PING) {
        return 0;
    }
    if (m->method == KRPC_METHOD_CONTACT) {
        return has_port ? 0 : 203;
    }
    if (target == NULL) {
        return announce || m->method == KRPC_METHOD_FIND_NODE || m->method == KRPC_METHOD_GET_PEERS ? 203 : 204;
    }
    if (announce) {
        if (!has_port || !has_token(m, data, from)) {
            return 203;
        }
        num_peers++;
        memcpy(p->info_hash, target, 20);
        krpc_endpoint_set(&p->endpoint, from->addr, from->addr_len, (uint16_t)port);
        return 0;
    }
    put_nodes(b, target);
    if (m->method == KRPC_METHOD_GET_PEERS) {
        make_token(token, from, 0);
        krpc_builder_bytes(b, KRPC_R_TOKEN, token, TOKEN_LEN);
        put_peers(b, target);
    }
    return 0;
}

/* Answers go to the source of the query, always: p has no part in that. ip is the source, too. */
static void answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from)
{
    const krpc_value *t = &m->value[KRPC_T];
    uint8_t room[1200];
    krpc_builder b;
    int code;

    krpc_builder_init(&b, room, sizeof room, KRPC_RESPONSE, data + t->off, t->len);
    code = put_results(&b, m, data, from);
    if (code != 0) {
        krpc_builder_init(&b, room, sizeof room, KRPC_ERROR, data + t->off, t->len);
        krpc_builder_error(&b, code, krpc_error_text(code));
    }
    krpc_builder_endpoint(&b, KRPC_IP, from);
    send_message(&b, from);
}

void receive(const uint8_t *data, size_t len, const krpc_endpoint *from)
{
    const uint8_t *id;
    krpc_message m;

    if (len == 0 || from->addr_len != self.bind.addr_len) {
        return;
    }
    krpc_message_decode(&m, data, len, len, NULL);
    id = krpc_message_id(&m, data);
    if (m.status != BENCODE_DONE || !krpc_has(&m, KRPC_T) || (id == NULL && m.type != KRPC_ERROR)) {
        return;
    }
    if (m.type == KRPC_QUERY) {
        count_query(id, from);
        answer(&m, data, from);
        if (number(&m, KRPC_RO) == 0) { /* BEP 43: a read-only node is not queried */
            hear_of(id, from);
            read_ports(&m, data, from, id, NULL);
        }
    } else if (m.type != KRPC_TYPE_UNKNOWN && number(&m, KRPC_RO) == 0) {
        on_answer(&m, data, from, id);
    }
}

static void receive_from_socket(void)
{
    struct sockaddr_in6 address = {0};
    socklen_t size = sizeof address;
    uint8_t data[2048];
    ssize_t len = recvfrom(in.fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&address, &size);
    size_t skip = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr) ? 12 : 0;
    krpc_endpoint from;

    krpc_endpoint_set(&from, address.sin6_addr.s6_addr + skip, 16 - skip, ntohs(address.sin6_port));
    receive(data, len > 0 ? (size_t)len : 0, &from);
}

void tick(int64_t now)
{
    unsigned random;

    gcry_randomize(&random, sizeof random, GCRY_STRONG_RANDOM);
    if (self.num_nodes > 0) {
        node *n = &self.nodes[random % self.num_nodes];

        if (n->unanswered >= MAX_UNANSWERED && now - n->answered_ms > MAX_UNANSWERED * ANSWER_MS) {
            *n = self.nodes[--self.num_nodes];
        } else {
            ask(notice(now, n) ? KRPC_METHOD_CONTACT : KRPC_METHOD_FIND_NODE, &n->endpoint, n->id);
            n->unanswered++;
        }
    }
    if (num_joined < num_heard) {
        ask(KRPC_METHOD_FIND_NODE, &heard[num_joined++ % LEN(heard)], self.id);
    }
    if (self.num_nodes < 8) {
        ask(KRPC_METHOD_FIND_NODE, &self.boot[random % self.num_boot], self.id);
    }
}

static void on_signal(int number)
{
    stopped = number;
}

bool parse_endpoint(krpc_endpoint *out, const char *text)
{
    char host[46];
    uint8_t addr[16];
    unsigned port;
    int end = 0;
    bool six = sscanf(text, "[%45[^]]]:%5u%n", host, &port, &end) == 2;

    if ((!six && sscanf(text, "%45[^:]:%5u%n", host, &port, &end) != 2) || text[end] != '\0' || port < 1 ||
        port > 65535 || inet_pton(six ? AF_INET6 : AF_INET, host, addr) != 1) {
        return false;
    }
    krpc_endpoint_set(out, addr, six ? 16 : 4, (uint16_t)port);
    return true;
}

static bool parse_options(int argc, char **argv)
{
    const struct option known[] = {{"bind", 1, NULL, 'b'},         {"boot", 1, NULL, 'o'},
                                   {"contact-port", 1, NULL, 'c'}, {"silence", 1, NULL, 's'},
                                   {"after", 1, NULL, 'a'},        {"script", 0, &self.script, 1},
                                   {"no-p", 0, &self.no_p, 1},     {"no-contact", 0, &self.no_contact, 1},
                                   {"ignore", 0, &self.ignore, 1}, {0}};
    bool good = true;
    int which;

    while (good && (which = getopt_long(argc, argv, "", known, NULL)) != -1) {
        good =
            which == 0 || (which == 'b' && parse_endpoint(&self.bind, optarg)) ||
            (which == 'o' && self.num_boot < LEN(self.boot) && parse_endpoint(&self.boot[self.num_boot++], optarg)) ||
            (which == 'c' && sscanf(optarg, "%5d", &self.contact_port) == 1) ||
            (which == 's' && sscanf(optarg, "%5d", &self.silence) == 1) ||
            (which == 'a' && sscanf(optarg, "%5d", &self.after) == 1);
    }
    return good && optind == argc && self.bind.port != 0 && self.num_boot > 0 && self.contact_port >= 0 &&
           self.contact_port <= 65535;
}

static bool open_socket(void)
{
    struct sockaddr_in6 address = to_sockaddr(&self.bind);

    in.fd = socket(AF_INET6, SOCK_DGRAM, 0);
    if (in.fd < 0 || bind(in.fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("krpc-node: bind");
        return false;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    puts("listening");
    fflush(stdout);
    return true;
}

static void run(void)
{
    int64_t now, next_tick = 0;

    while (!stopped) {
        now = now_ms();
        if (now >= next_tick) {
            next_tick = now + 1000;
            tick(now);
        } else if (poll(&in, 1, (int)(next_tick - now) + 1) > 0) {
            receive_from_socket();
        }
    }
}

int main(int argc, char **argv)
{
    if (!parse_options(argc, argv)) {
        fputs("usage: krpc-node --bind ADDR:PORT --boot ADDR:PORT... [options, see ../README.md]\n", stderr);
        return 2;
    }
    gcry_check_version(NULL);
    gcry_randomize(self.id, sizeof self.id, GCRY_STRONG_RANDOM);
    gcry_randomize(secret, sizeof secret, GCRY_STRONG_RANDOM);
    self.start_ms = self.unsolicited_ms = now_ms();
    if (self.script ? !script_run() : !open_socket()) {
        return 2;
    }
    if (!self.script) {
        run();
    }
    printf("nodes %u unsolicited %u tried %u verified %u contacts %u\n", self.num_nodes, self.unsolicited, self.tried,
           self.verified, self.contacts);
    return 0;
}
