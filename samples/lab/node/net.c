/* net.c: clock, socket, endpoints as text.
 *
 * SPDX-License-Identifier: MIT
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "node.h"

static int fd;

int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000) * self.opt.speed + 1;
}

void fill_random(void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) {
        perror("krpc-node: getrandom");
        exit(2);
    }
}

void say(const char *what, const krpc_endpoint *who, const char *more)
{
    char text[KRPC_ENDPOINT_TEXT];

    printf("%" PRId64 " %s %s%s\n", now_ms(), what, krpc_endpoint_text(text, who), more);
    fflush(stdout);
}

bool take_number(int *out, const char *value, int most)
{
    char *end;
    long n = strtol(value, &end, 10);

    *out = (int)n;
    return *value != '\0' && *end == '\0' && n >= 1 && n <= most;
}

bool parse_endpoint(krpc_endpoint *out, const char *text)
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

bool net_open(void)
{
    struct sockaddr_storage address;
    socklen_t size = to_sockaddr(&address, &self.opt.bind);

    fd = socket(address.ss_family, SOCK_DGRAM, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0;
}

bool net_wait(int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, ms) > 0;
}

bool net_receive(uint8_t *data, size_t cap, size_t *len, krpc_endpoint *from)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    ssize_t got = recvfrom(fd, data, cap, MSG_DONTWAIT, (struct sockaddr *)&address, &size);

    if (got < 0) {
        return false;
    }
    *len = (size_t)got;
    from_sockaddr(from, &address);
    return true;
}

/* Nobody is told when it fails: that is up to those whom we answer, who may be anybody and ask very often. */
void net_send(const krpc_builder *b, const krpc_endpoint *to)
{
    struct sockaddr_storage address;
    uint8_t packet[1024];
    socklen_t size = to_sockaddr(&address, to);
    size_t len = krpc_builder_encode(b, packet, sizeof packet);

    if (len != 0 && len <= sizeof packet && sendto(fd, packet, len, 0, (struct sockaddr *)&address, size) >= 0) {
        wrote_to(to);
    }
}
