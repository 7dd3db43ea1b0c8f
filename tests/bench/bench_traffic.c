/* bench_traffic.c: bench_traffic CAPTURE COPIES KIND writes a capture to standard output: CAPTURE (pcap from
 * tests/bench/generate: little-endian, nanoseconds, Ethernet) COPIES times, with increasing times.
 *
 * KIND same does not change the packets. The others are attacks that try to make the reader slow or large:
 *   new-nodes   every packet comes from, or goes to, a new remote address
 *   one-host    all remote endpoints are ports of one address
 *   one-pair    one remote endpoint, and one local endpoint
 *   one-t       all transaction ids are equal
 *   streams     every packet joins another uTP connection in its middle
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_HEADER   24
#define RECORD_HEADER 16
#define ETHERNET      14
#define UDP           8
#define NS_PER_S      UINT64_C(1000000000)
#define GAP_NS        100000 /* time between two copies */

typedef enum kind { SAME, NEW_NODES, ONE_HOST, ONE_PAIR, ONE_T, STREAMS, NUM_KINDS } kind;

static const char *const kinds[NUM_KINDS] = {"same", "new-nodes", "one-host", "one-pair", "one-t", "streams"};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(number >> 8 * i);
    }
}

static uint64_t time_of(const uint8_t *record)
{
    return get32(record) * NS_PER_S + get32(record + 4);
}

/* The same number always gives the same bytes. */
static uint64_t mixed(uint64_t number)
{
    number = (number ^ number >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return (number ^ number >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

static bool is_ours(const uint8_t *addr, size_t len)
{
    static const uint8_t ours4[] = {198, 51, 100};
    static const uint8_t ours6[] = {0x20, 0x01, 0x0d, 0xb8};

    return len == 4 ? memcmp(addr, ours4, sizeof ours4) == 0 : memcmp(addr, ours6, sizeof ours6) == 0;
}

static void change_endpoint(uint8_t *addr, size_t len, uint8_t *port, kind how, uint64_t number)
{
    uint64_t random = mixed(number);
    bool ours = is_ours(addr, len);

    if (ours && how == ONE_PAIR) {
        addr[len - 1] = 1;
        memcpy(port, "\x1a\xe1", 2);
    }
    if (ours) {
        return;
    }
    if (how == NEW_NODES) {
        addr[0] = len == 4 ? (uint8_t)(20 + random % 80) : 0x20;
        memcpy(addr + len - 3, &random, 3);
        addr[len - 1] = (uint8_t)(addr[len - 1] | 1);
    } else {
        memset(addr + 1, 7, len - 1);
        addr[0] = len == 4 ? 203 : 0x20;
        memcpy(port, how == ONE_PAIR ? "\x27\x10" : (const char *)&random, 2);
    }
}

static void change_t(uint8_t *payload, size_t len)
{
    for (size_t i = 0; i + 10 < len; i++) {
        if (memcmp(payload + i, "1:t2:", 5) == 0 || memcmp(payload + i, "1:t4:", 5) == 0) {
            memset(payload + i + 5, 'a', (size_t)(payload[i + 3] - '0'));
            return;
        }
    }
}

/* A uTP data packet with one byte, of another connection each time. */
static void make_utp(uint8_t *payload, size_t len, uint64_t number)
{
    uint64_t random = mixed(number);

    if (len > 20) {
        memset(payload, 0, 20);
        payload[0] = 0x01;
        memcpy(payload + 2, &random, 2);
        memcpy(payload + 16, (const uint8_t *)&random + 2, 4);
        payload[20] = 'x';
    }
}

static void change(uint8_t *frame, size_t len, kind how, uint64_t number)
{
    bool v6 = frame[12] == 0x86;
    size_t addr_len = v6 ? 16 : 4;
    uint8_t *src = frame + ETHERNET + (v6 ? 8 : 12);
    size_t udp = ETHERNET + (v6 ? 40 : 20);

    if (len < udp + UDP || how == SAME) {
        return;
    }
    if (how == ONE_T) {
        change_t(frame + udp + UDP, len - udp - UDP);
    } else if (how == STREAMS) {
        make_utp(frame + udp + UDP, len - udp - UDP, number);
    } else {
        change_endpoint(src, addr_len, frame + udp, how, number);
        change_endpoint(src + addr_len, addr_len, frame + udp + 2, how, number);
    }
}

static uint8_t *read_all(const char *path, size_t *len_out)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long len = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) >= FILE_HEADER &&
        fseek(file, 0, SEEK_SET) == 0) {
        data = malloc((size_t)len);
    }
    if (data == NULL || fread(data, 1, (size_t)len, file) != (size_t)len || get32(data) != UINT32_C(0xa1b23c4d)) {
        fprintf(stderr, "bench_traffic: %s: not a capture of bench/generate\n", path);
        exit(2);
    }
    fclose(file);
    *len_out = (size_t)len;
    return data;
}

int main(int argc, char **argv)
{
    static uint8_t frame[RECORD_HEADER + 65536];
    unsigned how = 0;
    uint64_t first = 0, last = 0, shift = 0, number = 0;
    size_t len;

    while (argc == 4 && how < NUM_KINDS && strcmp(argv[3], kinds[how]) != 0) {
        how++;
    }
    if (argc != 4 || how == NUM_KINDS) {
        fputs("usage: bench_traffic CAPTURE COPIES same|new-nodes|one-host|one-pair|one-t|streams\n", stderr);
        return 2;
    }
    uint8_t *data = read_all(argv[1], &len);
    unsigned long copies = strtoul(argv[2], NULL, 10);
    bool good = fwrite(data, FILE_HEADER, 1, stdout) == 1;
    for (unsigned long copy = 0; copy < copies && good; copy++) {
        for (size_t at = FILE_HEADER; at + RECORD_HEADER <= len && good;) {
            size_t size = RECORD_HEADER + get32(data + at + 8);
            if (size > sizeof frame || size > len - at) {
                break;
            }
            memcpy(frame, data + at, size);
            last = time_of(frame);
            first = first == 0 ? last : first;
            put32(frame, (uint32_t)((last + shift) / NS_PER_S));
            put32(frame + 4, (uint32_t)((last + shift) % NS_PER_S));
            change(frame + RECORD_HEADER, size - RECORD_HEADER, (kind)how, number++);
            good = fwrite(frame, size, 1, stdout) == 1;
            at += size;
        }
        shift += last - first + GAP_NS;
    }
    free(data);
    return good && fflush(stdout) == 0 ? 0 : 1;
}
