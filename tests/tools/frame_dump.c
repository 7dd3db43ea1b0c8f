/* frame_dump.c: prints the datagrams that the frame reader finds in a capture, for frame_differential.py.
 *
 * frame_dump CAPTURE: a line for each frame, separated by tabs: frame number, status, protocol, source, source port,
 * destination, destination port, payload length on the wire, captured payload in hex, quote of an ICMP error.
 * frame_dump --count CAPTURE: reads the same and prints only the number of datagrams.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <glib.h>

#include "frame/frame.h"
#include "frame/frame_fragment.h"
#include "input/capture.h"

static const char *const status_names[] = {
    [FRAME_DATAGRAM] = "datagram",       [FRAME_FRAGMENT] = "fragment", [FRAME_OTHER] = "other",
    [FRAME_UNSUPPORTED] = "unsupported", [FRAME_CUT] = "cut",           [FRAME_MALFORMED] = "malformed",
};

static const char *const protocol_names[] = {
    [FRAME_PROTOCOL_OTHER] = "-",
    [FRAME_UDP] = "udp",
    [FRAME_TCP] = "tcp",
    [FRAME_ICMP] = "icmp",
};

static void print_endpoint(const krpc_endpoint *endpoint, char separator)
{
    char text[INET6_ADDRSTRLEN] = "-";

    inet_ntop(endpoint->addr_len == 16 ? AF_INET6 : AF_INET, endpoint->addr, text, sizeof text);
    printf("%c%s%c%u", separator, text, separator, endpoint->port);
}

static void print_datagram(const frame_datagram *datagram)
{
    printf("\t%s", protocol_names[datagram->protocol]);
    print_endpoint(&datagram->src, '\t');
    print_endpoint(&datagram->dst, '\t');
    printf("\t%u\t", datagram->payload_wire_len);
    for (uint32_t i = 0; i < datagram->payload_len; i++) {
        printf("%02x", datagram->data[datagram->payload_off + i]);
    }
    putchar('\t');
    if (datagram->protocol == FRAME_ICMP && datagram->has_quote) {
        printf("%s", protocol_names[datagram->quote.protocol]);
        print_endpoint(&datagram->quote.src, ' ');
        print_endpoint(&datagram->quote.dst, ' ');
        printf(" %u ", datagram->quote.payload_wire_len);
        for (uint32_t i = 0; i < datagram->quote.payload_len; i++) {
            printf("%02x", datagram->data[datagram->quote.payload_off + i]);
        }
    }
}

int main(int argc, char **argv)
{
    bool count_only = argc == 3 && strcmp(argv[1], "--count") == 0;
    uint64_t num_datagrams = 0;
    char *error = NULL;

    if (argc != 2 && !count_only) {
        fprintf(stderr, "usage: frame_dump [--count] CAPTURE\n");
        return 2;
    }
    capture *file = capture_open(argv[argc - 1], &error);
    if (file == NULL) {
        fprintf(stderr, "frame_dump: %s\n", error);
        g_free(error);
        return 2;
    }
    frame_fragments *fragments = frame_fragments_new(256, 4 << 20);
    capture_packet packet;
    capture_status status;
    while ((status = capture_next(file, &packet)) == CAPTURE_PACKET) {
        frame_datagram datagram;
        frame_status found = frame_fragments_parse(fragments, &datagram, packet.link, packet.data, packet.caplen,
                                                   packet.wirelen, packet.time_ns);
        num_datagrams += found == FRAME_DATAGRAM;
        if (count_only) {
            continue;
        }
        printf("%u\t%s", packet.frame, status_names[found]);
        if (found == FRAME_DATAGRAM) {
            print_datagram(&datagram);
        }
        putchar('\n');
    }
    if (count_only) {
        printf("%" G_GUINT64_FORMAT "\n", num_datagrams);
    }
    if (status == CAPTURE_ERROR) {
        fprintf(stderr, "frame_dump: %s\n", capture_error_text(file));
    }
    frame_fragments_free(fragments);
    capture_close(file);
    return status == CAPTURE_ERROR ? 1 : 0;
}
