/* pcapng_writer.c: see pcapng_writer.h. The format: draft-ietf-opsawg-pcapng.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/pcapng_writer.h"

#include <glib.h>

#define BLOCK_SECTION    0x0a0d0d0au
#define BLOCK_INTERFACE  1u
#define BLOCK_PACKET     6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define OPTION_END       0
#define OPTION_COMMENT   1
#define OPTION_TSRESOL   9
#define NANOSECONDS      9

#define NO_INTERFACE     UINT32_MAX
#define MAX_COMMENT      60000u /* an option has a 16-bit length; this leaves room for one more finding */

#define LINKTYPE_RAW     101

/* LINKTYPE_ values of the registry; an unknown link has none and is not written. */
static const uint16_t link_types[FRAME_NUM_LINKS] = {
    [FRAME_LINK_ETHERNET] = 1, [FRAME_LINK_IP] = LINKTYPE_RAW, [FRAME_LINK_NULL] = 0,
    [FRAME_LINK_SLL] = 113,    [FRAME_LINK_SLL2] = 276,        [FRAME_LINK_PPP] = 9,
    [FRAME_LINK_PPPOE] = 51,   [FRAME_LINK_80211] = 105,       [FRAME_LINK_RADIOTAP] = 127,
    [FRAME_LINK_NFLOG] = 239,  [FRAME_LINK_PFLOG] = 117,       [FRAME_LINK_ENC] = 109,
    [FRAME_LINK_PKTAP] = 258,  [FRAME_LINK_PPI] = 192,         [FRAME_LINK_NETANALYZER] = 240,
};

struct pcapng_writer {
    output *output;
    uint32_t interfaces[FRAME_NUM_LINKS]; /* which interface of the file a link type has */
    uint32_t num_interfaces;
    bool fresh_headers;
    strbuf comment;
    strbuf frame;
};

static void put16(strbuf *out, uint16_t number)
{
    strbuf_put(out, (const char *)&number, sizeof number);
}

static void put32(strbuf *out, uint32_t number)
{
    strbuf_put(out, (const char *)&number, sizeof number);
}

static void put_padded(strbuf *out, const void *bytes, uint32_t len)
{
    strbuf_put(out, bytes, len);
    strbuf_put(out, "\0\0\0", -len & 3u);
}

/* A block has its length at its start and at its end. */
static size_t begin_block(strbuf *out, uint32_t type)
{
    size_t start = out->len;

    put32(out, type);
    put32(out, 0);
    return start;
}

static void end_block(strbuf *out, size_t start)
{
    uint32_t len = (uint32_t)(out->len - start) + 4;

    put32(out, len);
    memcpy(out->data + start + 4, &len, sizeof len);
}

pcapng_writer *pcapng_writer_new(const char *path, bool fresh_headers)
{
    output *to = output_new(path);

    if (to == NULL) {
        return NULL;
    }
    pcapng_writer *writer = g_new0(pcapng_writer, 1);
    writer->output = to;
    writer->fresh_headers = fresh_headers;
    for (unsigned i = 0; i < FRAME_NUM_LINKS; i++) {
        writer->interfaces[i] = NO_INTERFACE;
    }
    strbuf *out = output_text(to);
    size_t start = begin_block(out, BLOCK_SECTION);
    put32(out, BYTE_ORDER_MAGIC);
    put16(out, 1);
    put16(out, 0);
    put32(out, UINT32_MAX); /* unknown section length: 64 bits of ones */
    put32(out, UINT32_MAX);
    end_block(out, start);
    return writer;
}

static uint32_t need_interface(pcapng_writer *writer, unsigned link)
{
    static const uint8_t resolution = NANOSECONDS;

    if (writer->interfaces[link] == NO_INTERFACE) {
        strbuf *out = output_text(writer->output);
        size_t start = begin_block(out, BLOCK_INTERFACE);
        put16(out, link_types[link]);
        put16(out, 0);
        put32(out, 0); /* no snap length */
        put16(out, OPTION_TSRESOL);
        put16(out, 1);
        put_padded(out, &resolution, 1);
        put16(out, OPTION_END);
        put16(out, 0);
        end_block(out, start);
        writer->interfaces[link] = writer->num_interfaces++;
    }
    return writer->interfaces[link];
}

static void make_comment(pcapng_writer *writer, const run *from, const run_packet *packet, const krpc_finding *findings,
                         size_t num_findings)
{
    strbuf *out = &writer->comment;
    char line[RUN_FINDING_TEXT];
    unsigned file;

    out->len = 0;
    strbuf_printf(out, "frame %u", run_frame(from, packet->where.frame, &file));
    if (!writer->fresh_headers) {
        const char *name = run_file_name(from, file);
        const char *slash = strrchr(name, '/');
        strbuf_printf(out, " of %s", slash != NULL ? slash + 1 : name);
    }
    for (size_t i = 0; i < num_findings && out->len < MAX_COMMENT; i++) {
        const krpc_rule_info *info = krpc_rule_get(findings[i].rule);
        run_finding_text(from, line, sizeof line, &findings[i], packet->data, packet->len);
        strbuf_printf(out, "\n%s %s: %s", krpc_severity_name(info->severity), info->slug, line);
    }
}

static void put_be16(strbuf *out, unsigned number)
{
    strbuf_char(out, (char)(number >> 8));
    strbuf_char(out, (char)number);
}

static void put_be32(strbuf *out, uint32_t number)
{
    put_be16(out, number >> 16);
    put_be16(out, number & 0xffff);
}

static void put_ip_header(strbuf *out, const tracker_packet *where, uint8_t protocol, uint32_t len)
{
    if (where->src.addr_len == 4) {
        size_t start = out->len;
        uint32_t sum = 0;
        put_be16(out, 0x4500);
        put_be16(out, 20 + len);
        put_be32(out, 0);
        put_be16(out, 64u << 8 | protocol);
        put_be16(out, 0);
        strbuf_put(out, (const char *)where->src.addr, 4);
        strbuf_put(out, (const char *)where->dst.addr, 4);
        const uint8_t *header = (const uint8_t *)out->data + start;
        for (unsigned i = 0; i < 20; i += 2) {
            sum += (uint32_t)header[i] << 8 | header[i + 1];
        }
        sum = (sum & 0xffff) + (sum >> 16);
        sum = ~(sum + (sum >> 16));
        out->data[start + 10] = (char)(sum >> 8);
        out->data[start + 11] = (char)sum;
    } else {
        put_be32(out, 0x60000000u);
        put_be16(out, len);
        put_be16(out, (unsigned)protocol << 8 | 64u);
        strbuf_put(out, (const char *)where->src.addr, 16);
        strbuf_put(out, (const char *)where->dst.addr, 16);
    }
}

/* A frame with new headers: only the packet's addresses, ports and payload come from the original. */
static void make_frame(pcapng_writer *writer, const run_packet *packet)
{
    strbuf *out = &writer->frame;
    const tracker_packet *where = &packet->where;
    uint32_t len = packet->wire_len;

    out->len = 0;
    if (packet->protocol == FRAME_TCP) {
        put_ip_header(out, where, 6, 20 + len);
        put_be16(out, where->src.port);
        put_be16(out, where->dst.port);
        put_be32(out, packet->tcp_seq);
        put_be32(out, 0);
        put_be16(out, 0x5010u | packet->tcp_flags);
        put_be16(out, 0xffff);
        put_be32(out, 0);
    } else {
        put_ip_header(out, where, 17, 8 + len);
        put_be16(out, where->src.port);
        put_be16(out, where->dst.port);
        put_be16(out, 8 + len);
        put_be16(out, 0); /* no checksum */
    }
    strbuf_put(out, (const char *)packet->data, packet->len);
}

void pcapng_writer_put(pcapng_writer *writer, const run *from, const run_packet *packet, const krpc_finding *findings,
                       size_t num_findings)
{
    const uint8_t *data = packet->raw;
    uint32_t len = packet->raw_len;
    uint32_t wire_len = packet->raw_wire_len;
    unsigned link = packet->link;

    if (writer->fresh_headers) {
        /* An ICMP error quotes another packet's headers, which would have to be rewritten as well. */
        if (packet->protocol != FRAME_UDP && packet->protocol != FRAME_TCP) {
            return;
        }
        make_frame(writer, packet);
        data = (const uint8_t *)writer->frame.data;
        len = (uint32_t)writer->frame.len;
        wire_len = len + packet->wire_len - packet->len;
        link = FRAME_LINK_IP;
    }
    if (data == NULL || link == FRAME_LINK_UNKNOWN) {
        return;
    }
    make_comment(writer, from, packet, findings, num_findings);
    uint32_t interface = need_interface(writer, link);
    uint64_t time = (uint64_t)packet->where.time_ns;
    strbuf *out = output_text(writer->output);
    size_t start = begin_block(out, BLOCK_PACKET);
    put32(out, interface);
    put32(out, (uint32_t)(time >> 32));
    put32(out, (uint32_t)time);
    put32(out, len);
    put32(out, wire_len);
    put_padded(out, data, len);
    put16(out, OPTION_COMMENT);
    put16(out, (uint16_t)writer->comment.len);
    put_padded(out, writer->comment.data, (uint32_t)writer->comment.len);
    put16(out, OPTION_END);
    put16(out, 0);
    end_block(out, start);
    output_record(writer->output);
}

bool pcapng_writer_close(pcapng_writer *writer)
{
    bool ok = output_close(writer->output);

    strbuf_free(&writer->comment);
    strbuf_free(&writer->frame);
    g_free(writer);
    return ok;
}
