/* bench_memory.c: bench_memory CAPTURE COPIES... prints the memory of the tracker, as two tables in Markdown.
 *
 * The first table: the tracker receives the capture (pcap from tests/bench/generate) COPIES times, with increasing
 * times. "held" is the count of tracker_stats. "allocated" is the memory from malloc since before tracker_new, with
 * GLib's tables and the allocator's own memory. Both count pages that were never touched. The second table: as many
 * endpoints send one ping each, so that only memory that belongs to endpoints grows. The size of the index tables is
 * the difference to a tracker with the smallest bounds.
 *
 * SPDX-License-Identifier: MIT
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <krpc/message.h>
#include <tracker/tracker.h>

#define FILE_HEADER   24
#define RECORD_HEADER 16
#define ETHERNET      14
#define UDP           8
#define GAP_NS        100000 /* time between two copies */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int64_t time_of(const uint8_t *record)
{
    return get32(record) * INT64_C(1000000000) + get32(record + 4);
}

static uint64_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void take(tracker *t, tracker_packet *p, const uint8_t *frame, size_t len)
{
    bool v6 = frame[12] == 0x86;
    size_t addr_len = v6 ? 16 : 4;
    const uint8_t *src = frame + ETHERNET + (v6 ? 8 : 12);
    const uint8_t *udp = frame + ETHERNET + (v6 ? 40 : 20);
    size_t payload = (size_t)(udp + UDP - frame);
    krpc_message m;

    if (len < payload) {
        return;
    }
    krpc_endpoint_set(&p->src, src, addr_len, (uint16_t)(udp[0] << 8 | udp[1]));
    krpc_endpoint_set(&p->dst, src + addr_len, addr_len, (uint16_t)(udp[2] << 8 | udp[3]));
    krpc_message_decode(&m, frame + payload, len - payload, len - payload, NULL);
    if (tracker_admit(t, p, &m, frame + payload, TRACKER_ACCEPT_KNOWN)) {
        tracker_message(t, p, &m, frame + payload, NULL, NULL, NULL);
    } else {
        tracker_datagram(t, p, frame + payload, len - payload, NULL, NULL);
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
        fprintf(stderr, "bench_memory: %s: not a capture of bench/generate\n", path);
        exit(2);
    }
    fclose(file);
    *len_out = (size_t)len;
    return data;
}

static void run(const uint8_t *data, size_t len, unsigned long copies)
{
    uint64_t before = allocated();
    tracker *t = tracker_new(NULL);
    tracker_packet p = {.frame = 0};
    tracker_stats empty, stats;
    int64_t first = time_of(data + FILE_HEADER);
    int64_t last = first;
    int64_t shift = 0;

    tracker_stats_get(t, &empty);
    for (unsigned long copy = 0; copy < copies; copy++) {
        for (size_t at = FILE_HEADER; at + RECORD_HEADER <= len; at += RECORD_HEADER + get32(data + at + 8)) {
            last = time_of(data + at);
            p.frame++;
            p.time_ns = last + shift;
            take(t, &p, data + at + RECORD_HEADER, get32(data + at + 8));
        }
        shift += last - first + GAP_NS;
    }
    tracker_stats_get(t, &stats);
    uint32_t nodes = tracker_num_nodes(t);
    printf("| %u | %u | %.1f | %.1f | %.1f |\n", p.frame, nodes, (double)empty.memory / (1 << 20),
           (double)stats.memory / (1 << 20), (double)(allocated() - before) / (1 << 20));
    tracker_free(t);
}

static uint64_t held_at_first(uint32_t max_nodes)
{
    tracker_options options;
    tracker_stats stats;
    tracker *t;

    memset(&options, 0, sizeof options);
    options.max_nodes = max_nodes;
    t = tracker_new(&options);
    tracker_stats_get(t, &stats);
    tracker_free(t);
    return stats.memory;
}

/* A ping whose id and endpoint are computed from a number. */
static void ping(tracker *t, tracker_packet *p, uint32_t number)
{
    char message[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
    uint8_t addr[4] = {20, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    krpc_message m;

    memcpy(message + 12, &number, sizeof number);
    p->frame++;
    p->time_ns += GAP_NS;
    krpc_endpoint_set(&p->src, addr, sizeof addr, 6881);
    krpc_message_decode(&m, (const uint8_t *)message, sizeof message - 1, sizeof message - 1, NULL);
    tracker_message(t, p, &m, (const uint8_t *)message, NULL, NULL, NULL);
}

static void run_endpoints(uint32_t num)
{
    static const uint8_t to[4] = {192, 0, 2, 1};
    tracker *t = tracker_new(NULL);
    tracker_packet p = {.frame = 0};
    uint64_t lead = held_at_first(0) - held_at_first(16);
    tracker_stats empty, stats;

    krpc_endpoint_set(&p.dst, to, sizeof to, 6881);
    tracker_stats_get(t, &empty);
    for (uint32_t i = 0; i < num; i++) {
        ping(t, &p, i);
    }
    tracker_stats_get(t, &stats);
    uint32_t nodes = tracker_num_nodes(t);
    uint64_t records = stats.memory - empty.memory;
    printf("| %u | %.0f | %.0f |\n", nodes, (double)records / nodes, (double)(records + lead) / nodes);
    tracker_free(t);
}

int main(int argc, char **argv)
{
    size_t len;

    if (argc < 3) {
        fputs("usage: bench_memory CAPTURE COPIES...\n", stderr);
        return 2;
    }
    uint8_t *data = read_all(argv[1], &len);
    puts("| packets | endpoints | MiB held at first | MiB held | MiB allocated |\n|---:|---:|---:|---:|---:|");
    for (int i = 2; i < argc; i++) {
        run(data, len, strtoul(argv[i], NULL, 10));
    }
    free(data);
    puts("\n| endpoints, one ping each | bytes an endpoint: records | and the tables that lead to them "
         "|\n|---:|---:|---:|");
    run_endpoints(44000);
    run_endpoints(130000);
    return 0;
}
