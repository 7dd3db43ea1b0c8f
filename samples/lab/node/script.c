/* script.c: with --script, standard input and output are the node's clock and network.
 *
 * A line of input is a time and a packet, `MS ADDR:PORT HEX`: so many milliseconds after the start, these bytes come
 * from there. A line with only a time lets it pass. Each packet that the node sends is a line of output of the same
 * form; a line with a dot says that the input line is done. What the node does depends on nothing else, so a test does
 * not depend on the machine.
 *
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "node.h"

static int64_t clock_ms = 1;

int64_t script_now_ms(void)
{
    return clock_ms;
}

void script_send(const krpc_endpoint *to, const uint8_t *packet, size_t len)
{
    char host[INET6_ADDRSTRLEN];
    bool six = to->addr_len == 16;

    inet_ntop(six ? AF_INET6 : AF_INET, to->addr, host, sizeof host);
    printf("%" PRId64 " %s%s%s:%d ", clock_ms - 1, six ? "[" : "", host, six ? "]" : "", to->port);
    for (size_t i = 0; i < len; i++) {
        printf("%02x", packet[i]);
    }
    putchar('\n');
}

static size_t parse_hex(uint8_t *out, size_t room, const char *text)
{
    size_t len = 0;
    unsigned byte;

    while (len < room && sscanf(text + 2 * len, "%2x", &byte) == 1) {
        out[len++] = (uint8_t)byte;
    }
    return len;
}

bool script_run(void)
{
    static char line[4200], where[64], hex[4200];
    uint8_t packet[2048];
    int64_t end_ms, next_tick = clock_ms;
    krpc_endpoint from;

    while (fgets(line, sizeof line, stdin) != NULL) {
        int words = sscanf(line, "%" SCNd64 " %63s %4199s", &end_ms, where, hex);

        if (words < 1 || end_ms + 1 < clock_ms || (words > 1 && !parse_endpoint(&from, where))) {
            fprintf(stderr, "krpc-node: not a time, or a time and a packet: %s", line);
            return false;
        }
        for (; next_tick <= end_ms + 1; next_tick += 1000) {
            clock_ms = next_tick;
            tick(clock_ms);
        }
        clock_ms = end_ms + 1;
        if (words > 1) {
            receive(packet, words > 2 ? parse_hex(packet, sizeof packet, hex) : 0, &from);
        }
        puts(".");
        fflush(stdout);
    }
    return true;
}
