/* main.c: options, what comes in, and what happens by itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

#define AT_ONCE 64 /* datagrams, before the clock is looked at again */

struct self self = {
    .opt = {.say_p = true, .say_contact = true, .honour = true, .report = 10, .silence = 600, .speed = 1}};

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
        heard_unsolicited(now);
    }
    answer(m, data, from);
    if (!krpc_has(m, KRPC_RO) || m->value[KRPC_RO].num == 0) {
        table_note(id, from, ASKED_US);
    }
    read_adverts(m, data, from, id, false);
}

static void on_answer(const krpc_message *m, const uint8_t *data, const krpc_endpoint *from, const uint8_t *id)
{
    pending *p = asked(m, data, from);
    pending was;

    if (p == NULL) {
        return;
    }
    was = *p;
    p->purpose = FREE;
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

static void report(void)
{
    const counters *c = &self.count;

    printf("%" PRId64 " nodes %u queries %" PRIu64 " unsolicited %" PRIu64 " answers %" PRIu64 " verified %" PRIu64
           " failed %" PRIu64 " contacts %" PRIu64 " refused %" PRIu64 "\n",
           now_ms(), table_size(), c->queries, c->unsolicited, c->answers, c->verified, c->failed, c->contacts,
           c->refused);
    fflush(stdout);
}

static void run(void)
{
    const options *o = &self.opt;
    int64_t next_tick = self.start_ms, next_report = self.start_ms + o->report * INT64_C(1000);
    uint8_t data[2048];
    krpc_endpoint from;
    unsigned turn = 0;
    size_t len;

    while (!stopped && (o->seconds == 0 || now_ms() - self.start_ms < o->seconds * INT64_C(1000))) {
        if (net_wait(o->speed < 100 ? 100 / o->speed : 1)) {
            for (int i = 0; i < AT_ONCE && net_receive(data, sizeof data, &len, &from); i++) {
                on_datagram(data, len, &from);
            }
        }
        if (now_ms() >= next_tick) {
            next_tick = now_ms() + 1000;
            tick(turn++);
        }
        if (now_ms() >= next_report) {
            next_report += o->report * INT64_C(1000);
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
          "--seconds N          end by itself;  --report N: seconds between two lines of counters, default 10\n"
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

static bool parse_options(char **argv)
{
    options *o = &self.opt;
    const struct {
        const char *name;
        int *number;
        int most;
    } numbers[] = {{"--contact-port", &o->contact_port, 65535},
                   {"--seconds", &o->seconds, 1000000},
                   {"--report", &o->report, 1000000},
                   {"--silence", &o->silence, 1000000},
                   {"--after", &o->after, 1000000},
                   {"--speed", &o->speed, 1000}};
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--no-p", &o->say_p}, {"--no-contact", &o->say_contact}, {"--ignore", &o->honour}};

    while (*++argv != NULL) {
        bool good = false;

        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
            if (strcmp(*argv, flags[i].name) == 0) {
                *flags[i].flag = false;
                good = true;
            }
        }
        if (good) {
            continue;
        }
        if (argv[1] == NULL) {
            return false;
        }
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            good |= strcmp(*argv, numbers[i].name) == 0 && take_number(numbers[i].number, argv[1], numbers[i].most);
        }
        good |= strcmp(*argv, "--bind") == 0 && parse_endpoint(&o->bind, argv[1]);
        good = good || (strcmp(*argv, "--boot") == 0 && parse_boot(argv[1]));
        if (!good) {
            return false;
        }
        argv++;
    }
    return o->bind.addr_len != 0 && o->num_boot > 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!parse_options(argv)) {
        return usage();
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    fill_random(self.id, sizeof self.id);
    if (!net_open()) {
        perror("krpc-node: bind");
        return 2;
    }
    self.start_ms = now_ms();
    say("node", &self.opt.bind, "");
    run();
    return 0;
}
