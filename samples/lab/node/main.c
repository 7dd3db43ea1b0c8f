/* main.c: options, what comes in, and what happens by itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

#define AT_ONCE 64 /* datagrams, before the clock is looked at again */

struct self self = {.opt = {.silence = 600, .speed = 1}};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
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
    answer(m, data, from);
    if (!krpc_has(m, KRPC_RO) || m->value[KRPC_RO].num == 0) {
        table_note(id, from, ASKED_US);
    }
    read_adverts(m, data, from, id, false);
}

static void on_answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    pending was;

    if (!asked(&was, m, data, from)) {
        return;
    }
    if (m->type == KRPC_RESPONSE && id != NULL) {
        if (was.purpose != VERIFY) {
            table_note(id, from, ANSWERED);
        } else if (memcmp(id, was.id, 20) == 0 && krpc_endpoint_equal(&was.to, from)) {
            port_verified(from, id);
        }
        read_adverts(m, data, from, id, true);
    } else if (m->type == KRPC_ERROR && was.purpose != LOOKUP) {
        if (was.purpose == CONTACT) {
            say("error from", from, "");
        }
        read_adverts(m, data, from, was.id, true); /* an error names nobody; we know whom we asked */
    }
}

static void on_datagram(const uint8_t *data, size_t len, const krpc_endpoint *from)
{
    krpc_message m;
    const uint8_t *id;
    node *n;

    krpc_message_decode(&m, data, len, len, NULL);
    if (m.status != BENCODE_DONE || krpc_message_probe(&m, data) != KRPC_PROBE_YES || from->port == 0) {
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
    }
    n = id != NULL ? table_find(id) : NULL;
    if (n != NULL && krpc_has(&m, KRPC_V) && m.value[KRPC_V].len >= 2) {
        memcpy(n->program, data + m.value[KRPC_V].off, 2);
    }
}

/* ---- what happens by itself ---- */

static void tick(unsigned turn)
{
    int64_t now = now_ms();
    uint8_t target[20];

    expire(now);
    for (int i = 0; table_size() < 8 && i < self.opt.num_boot; i++) {
        ask(LOOKUP, &self.opt.boot[i], KRPC_METHOD_FIND_NODE, NULL, self.id);
    }
    if (table_size() > 0) {
        const node *n = table_at(turn % table_size());

        fill_random(target, sizeof target);
        ask(REFRESH, &n->endpoint, turn % 4 == 0 ? KRPC_METHOD_FIND_NODE : KRPC_METHOD_PING, n->id,
            turn % 4 == 0 ? target : NULL);
    }
    notice(now);
}

static void run(void)
{
    const counters *c = &self.count;
    int64_t next_tick = self.start_ms;
    uint8_t data[2048];
    krpc_endpoint from;
    size_t len;

    for (unsigned turn = 0; !stopped;) {
        if (net_wait(self.opt.speed < 100 ? 100 / self.opt.speed : 1)) {
            for (int i = 0; i < AT_ONCE && net_receive(data, sizeof data, &len, &from); i++) {
                on_datagram(data, len, &from);
            }
        }
        if (now_ms() >= next_tick) {
            next_tick = now_ms() + 1000;
            tick(turn++);
        }
    }
    printf("%" PRId64 " nodes %u queries %" PRIu64 " unsolicited %" PRIu64 " verified %" PRIu64 " failed %" PRIu64
           " contacts %" PRIu64 "\n",
           now_ms(), table_size(), c->queries, c->unsolicited, c->verified, c->failed, c->contacts);
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
          "--speed N            all times pass N times as fast, for a test\n",
          stderr);
    return 2;
}

static bool parse_boot(char *list)
{
    for (char *end, *one = list; one != NULL; one = end) {
        end = strchr(one, ',');
        if (end != NULL) {
            *end++ = '\0';
        }
        if (self.opt.num_boot == MAX_BOOT || !parse_endpoint(&self.opt.boot[self.opt.num_boot++], one)) {
            return false;
        }
    }
    return true;
}

static bool parse_options(int argc, char **argv)
{
    options *o = &self.opt;
    const struct option known[] = {{"bind", required_argument, NULL, 'b'},
                                   {"boot", required_argument, NULL, 'o'},
                                   {"contact-port", required_argument, NULL, 'c'},
                                   {"silence", required_argument, NULL, 's'},
                                   {"after", required_argument, NULL, 'a'},
                                   {"speed", required_argument, NULL, 'f'},
                                   {"no-p", no_argument, &o->no_p, 1},
                                   {"no-contact", no_argument, &o->no_contact, 1},
                                   {"ignore", no_argument, &o->ignore, 1},
                                   {0}};
    bool good = true;
    int which;

    opterr = 0;
    while (good && (which = getopt_long(argc, argv, "", known, NULL)) != -1) {
        good = which == 0 || (which == 'b' && parse_endpoint(&o->bind, optarg)) ||
               (which == 'o' && parse_boot(optarg)) ||
               (which == 'c' && take_number(&o->contact_port, optarg, 65535)) ||
               (which == 's' && take_number(&o->silence, optarg, 1000000)) ||
               (which == 'a' && take_number(&o->after, optarg, 1000000)) ||
               (which == 'f' && take_number(&o->speed, optarg, 1000));
    }
    return good && optind == argc && o->bind.addr_len != 0 && o->num_boot > 0;
}

int main(int argc, char **argv)
{
    if (!parse_options(argc, argv)) {
        return usage();
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    fill_random(self.id, sizeof self.id);
    if (!net_open()) {
        perror("krpc-node: bind");
        return 2;
    }
    self.start_ms = self.unsolicited_ms = now_ms();
    say("node", &self.opt.bind, "");
    run();
    return 0;
}
