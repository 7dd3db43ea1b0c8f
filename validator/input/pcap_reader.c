/* pcap_reader.c: see pcap_reader.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/pcap_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#define BLOCK_LEN         ((size_t)256 << 10) /* larger ones gain nothing */
#define FIRST_BLOCK_LEN   ((size_t)4 << 10)   /* --merge opens files only to see when they begin */
#define MAX_RECORD_LEN    ((size_t)1 << 20)   /* of a record that has to be in memory as a whole */
#define MAX_CAPTURED_LEN  262144u             /* of a packet, as libwiretap and libpcap have it */
#define MAX_INTERFACES    4096u

#define NS_PER_S          UINT64_C(1000000000)

#define PCAP_MICROSECONDS 0xa1b2c3d4u
#define PCAP_NANOSECONDS  0xa1b23c4du
#define PCAP_FILE_LEN     24u
#define PCAP_RECORD_LEN   16u

#define PCAPNG_SECTION    0x0a0d0d0au
#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
#define PCAPNG_INTERFACE  1u
#define PCAPNG_NAMES      4u
#define PCAPNG_STATISTICS 5u
#define PCAPNG_PACKET     6u
#define PCAPNG_SECRETS    10u
#define PCAPNG_BLOCK_LEN  12u /* type, length, and the length again */
#define PCAPNG_PACKET_LEN 32u /* and what precedes a packet's bytes, without options */

struct capture_block {
    gint refs; /* one is the reader's */
    size_t cap;
    uint8_t *bytes;
};

typedef struct interface {
    frame_link link; /* FRAME_LINK_UNKNOWN: its packets are left to libwiretap */
    uint64_t ticks_per_s;
} interface;

struct pcap_reader {
    int fd;
    bool is_pipe;
    size_t block_len;
    GPtrArray *blocks; /* all of them; one with a single reference can be written over */
    capture_block *block;
    size_t at;  /* of the next byte in the block */
    size_t end; /* of the bytes that were read */
    int64_t offset;
    bool at_eof;
    int error; /* errno of a read() that failed; 0: none did */
    bool has_header;
    bool is_pcapng;
    bool is_swapped;
    GArray *interfaces; /* pcap: one */
};

capture_block *capture_block_ref(capture_block *block)
{
    g_atomic_int_inc(&block->refs);
    return block;
}

void capture_block_unref(capture_block *block)
{
    if (g_atomic_int_dec_and_test(&block->refs)) {
        g_free(block->bytes);
        g_free(block);
    }
}

/* ---- bytes ---- */

static const uint8_t *here(const pcap_reader *r)
{
    return r->block->bytes + r->at;
}

static uint32_t get32(const pcap_reader *r, size_t off)
{
    uint32_t value;

    memcpy(&value, here(r) + off, sizeof value);
    return r->is_swapped ? GUINT32_SWAP_LE_BE(value) : value;
}

static uint16_t get16(const pcap_reader *r, size_t off)
{
    uint16_t value;

    memcpy(&value, here(r) + off, sizeof value);
    if (r->is_swapped) {
        value = (uint16_t)(value >> 8 | value << 8);
    }
    return value;
}

static void skip(pcap_reader *r, size_t len)
{
    r->at += len;
    r->offset += (int64_t)len;
}

/* A block that no packet points into any more, with room for len bytes; a new one where there is none. */
static capture_block *free_block(pcap_reader *r, size_t len)
{
    for (guint i = 0; i < r->blocks->len; i++) {
        capture_block *block = g_ptr_array_index(r->blocks, i);

        if (block->cap >= len && g_atomic_int_get(&block->refs) == 1) {
            return block;
        }
    }
    capture_block *block = g_new0(capture_block, 1);
    block->refs = 1;
    block->cap = MAX(len, r->blocks->len == 0 ? FIRST_BLOCK_LEN : r->block_len);
    block->bytes = g_malloc(block->cap);
    g_ptr_array_add(r->blocks, block);
    return block;
}

/* read_more makes room for a record of len bytes and reads once. False: there is no more. */
static bool read_more(pcap_reader *r, size_t len)
{
    size_t left = r->end - r->at;

    if (r->at_eof) {
        return false;
    }
    if (r->block == NULL || r->block->cap - r->at < len || r->end == r->block->cap) {
        capture_block *block = free_block(r, MAX(len, left + 1));
        if (left > 0) {
            memmove(block->bytes, here(r), left);
        }
        r->block = block;
        r->at = 0;
        r->end = left;
    }
    ssize_t num_read = read(r->fd, r->block->bytes + r->end, r->block->cap - r->end);
    if (num_read <= 0) {
        r->error = num_read < 0 ? errno : 0;
        r->at_eof = true;
        return false;
    }
    r->end += (size_t)num_read;
    return true;
}

static bool has(pcap_reader *r, size_t len)
{
    while (r->end - r->at < len) {
        if (!read_more(r, len)) {
            return false;
        }
    }
    return true;
}

/* What it means that has() was false at the beginning of a record, or inside of it. */
static pcap_reader_status ended(const pcap_reader *r)
{
    if (r->error != 0) {
        errno = r->error;
        return PCAP_READER_FAILED;
    }
    return r->end == r->at ? PCAP_READER_END : PCAP_READER_CUT;
}

/* ---- headers ---- */

/* The links whose packets are in the file as they were on the wire; libwiretap takes something off the others. */
static frame_link link_of(uint32_t linktype)
{
    frame_link link = frame_link_of(linktype);

    switch (link) {
    case FRAME_LINK_ETHERNET:
    case FRAME_LINK_IP:
    case FRAME_LINK_NULL:
    case FRAME_LINK_SLL:
    case FRAME_LINK_SLL2:
    case FRAME_LINK_RADIOTAP:
        return link;
    default:
        return FRAME_LINK_UNKNOWN;
    }
}

static uint32_t magic_of(const uint8_t bytes[PCAP_READER_MAGIC_LEN], bool *is_swapped)
{
    uint32_t magic;

    memcpy(&magic, bytes, sizeof magic);
    *is_swapped = magic != PCAP_MICROSECONDS && magic != PCAP_NANOSECONDS;
    return *is_swapped ? GUINT32_SWAP_LE_BE(magic) : magic;
}

bool pcap_reader_knows(const uint8_t magic[PCAP_READER_MAGIC_LEN])
{
    bool is_swapped;
    uint32_t number = magic_of(magic, &is_swapped);

    return number == PCAP_MICROSECONDS || number == PCAP_NANOSECONDS || number == PCAPNG_SECTION; /* a palindrome */
}

static pcap_reader_status pcap_header(pcap_reader *r)
{
    if (!has(r, PCAP_FILE_LEN)) {
        return r->error != 0 ? ended(r) : PCAP_READER_CUT;
    }
    uint32_t magic = magic_of(here(r), &r->is_swapped);
    /* The upper bits of the link type tell the length of a frame check sequence. */
    interface i = {link_of(get32(r, 20)), magic == PCAP_NANOSECONDS ? NS_PER_S : 1000000};
    if (get16(r, 4) != 2 || get16(r, 6) != 4 || i.link == FRAME_LINK_UNKNOWN) {
        return PCAP_READER_FOREIGN;
    }
    g_array_append_val(r->interfaces, i);
    skip(r, PCAP_FILE_LEN);
    return PCAP_READER_PACKET;
}

static pcap_reader_status header(pcap_reader *r)
{
    if (!has(r, PCAP_READER_MAGIC_LEN)) {
        return r->error != 0 ? ended(r) : PCAP_READER_CUT;
    }
    if (!pcap_reader_knows(here(r))) {
        return PCAP_READER_FOREIGN;
    }
    uint32_t magic = magic_of(here(r), &r->is_swapped);
    r->is_pcapng = magic == PCAPNG_SECTION;
    if (r->is_pcapng) {
        return PCAP_READER_PACKET; /* its header is a block like the others */
    }
    pcap_reader_status status = pcap_header(r);
    r->has_header = status == PCAP_READER_PACKET;
    return status;
}

/* A Section Header Block: from here on there is another byte order, perhaps, and no interface. */
static pcap_reader_status section(pcap_reader *r)
{
    uint32_t order;

    if (!has(r, 16)) {
        return ended(r) == PCAP_READER_FAILED ? PCAP_READER_FAILED : PCAP_READER_CUT;
    }
    memcpy(&order, here(r) + 8, sizeof order);
    r->is_swapped = order != PCAPNG_BYTE_ORDER;
    if ((r->is_swapped && GUINT32_SWAP_LE_BE(order) != PCAPNG_BYTE_ORDER) || get16(r, 12) != 1 || get16(r, 14) != 0) {
        return PCAP_READER_FOREIGN;
    }
    g_array_set_size(r->interfaces, 0);
    return PCAP_READER_PACKET;
}

/* The options of a block, from at to end, are whole: each fits, up to the one that ends them. */
static bool options_fit(const pcap_reader *r, uint32_t at, uint32_t end)
{
    while (end - at >= 4) {
        uint32_t padded_len = (get16(r, at + 2) + 3u) & ~3u;
        if (padded_len > end - at - 4) {
            return false;
        }
        if (get16(r, at) == 0) {
            break;
        }
        at += 4 + padded_len;
    }
    return true;
}

/* The resolution of an interface's times: a power of ten, as far as nanoseconds. */
static bool ticks_from(uint8_t resolution, uint64_t *out)
{
    *out = 1;
    for (uint8_t i = 0; i < resolution && i < 10; i++) {
        *out *= 10;
    }
    return resolution <= 9;
}

/* An Interface Description Block of len bytes; options that change the meaning of packets are not read here. */
static pcap_reader_status add_interface(pcap_reader *r, uint32_t len)
{
    interface i = {FRAME_LINK_UNKNOWN, 1000000};
    uint32_t end = len - 4;
    bool is_known = true;

    if (len < 20 || r->interfaces->len == MAX_INTERFACES || !options_fit(r, 16, end)) {
        return PCAP_READER_FOREIGN;
    }
    for (uint32_t at = 16; end - at >= 4 && get16(r, at) != 0;) {
        uint16_t code = get16(r, at);
        uint32_t option_len = get16(r, at + 2);
        if (code == 9) { /* if_tsresol */
            is_known &= option_len == 1 && ticks_from(here(r)[at + 4], &i.ticks_per_s);
        } else if (code == 13 || code == 14) { /* if_fcslen, if_tsoffset */
            is_known = false;
        }
        at += 4 + ((option_len + 3) & ~3u);
    }
    if (is_known) {
        i.link = link_of(get16(r, 8));
    }
    g_array_append_val(r->interfaces, i);
    return PCAP_READER_PACKET;
}

/* ---- packets ---- */

static bool set_time(capture_packet *out, uint64_t ticks, uint64_t ticks_per_s)
{
    uint64_t seconds = ticks / ticks_per_s;

    if (seconds > INT64_MAX / NS_PER_S - 1) {
        return false;
    }
    out->has_time = true;
    out->time_ns = (int64_t)(seconds * NS_PER_S + ticks % ticks_per_s * (NS_PER_S / ticks_per_s));
    return true;
}

/* The packet's caplen bytes begin header_len bytes after the record does. */
static void set_data(const pcap_reader *r, capture_packet *out, uint32_t header_len, uint32_t caplen, uint32_t wirelen)
{
    out->data = here(r) + header_len;
    out->block = r->block;
    out->caplen = caplen;
    out->wirelen = wirelen;
    out->offset = r->offset;
    out->data_offset = r->offset + header_len;
}

static pcap_reader_status next_pcap(pcap_reader *r, capture_packet *out)
{
    const interface *i = &g_array_index(r->interfaces, interface, 0);

    if (!has(r, PCAP_RECORD_LEN)) {
        return ended(r);
    }
    uint32_t seconds = get32(r, 0), fraction = get32(r, 4), caplen = get32(r, 8), wirelen = get32(r, 12);
    if (caplen > MAX_CAPTURED_LEN || caplen > wirelen || fraction >= i->ticks_per_s) {
        return PCAP_READER_FOREIGN;
    }
    if (!has(r, PCAP_RECORD_LEN + (size_t)caplen)) {
        return ended(r);
    }
    set_data(r, out, PCAP_RECORD_LEN, caplen, wirelen);
    set_time(out, seconds * i->ticks_per_s + fraction, i->ticks_per_s);
    out->link = i->link;
    out->has_interface_id = false;
    out->interface_id = 0;
    skip(r, PCAP_RECORD_LEN + (size_t)caplen);
    return PCAP_READER_PACKET;
}

/* An Enhanced Packet Block of len bytes. */
static pcap_reader_status packet_block(pcap_reader *r, capture_packet *out, uint32_t len)
{
    if (len < PCAPNG_PACKET_LEN) {
        return PCAP_READER_FOREIGN;
    }
    uint32_t id = get32(r, 8), caplen = get32(r, 20), wirelen = get32(r, 24);
    if (id >= r->interfaces->len || caplen > len - PCAPNG_PACKET_LEN || caplen > MAX_CAPTURED_LEN || caplen > wirelen) {
        return PCAP_READER_FOREIGN;
    }
    const interface *i = &g_array_index(r->interfaces, interface, id);
    uint64_t ticks = (uint64_t)get32(r, 12) << 32 | get32(r, 16);
    if (i->link == FRAME_LINK_UNKNOWN || !set_time(out, ticks, i->ticks_per_s)) {
        return PCAP_READER_FOREIGN;
    }
    uint32_t padded = MIN((caplen + 3) & ~3u, len - PCAPNG_PACKET_LEN);
    if (!options_fit(r, PCAPNG_PACKET_LEN - 4 + padded, len - 4)) {
        return PCAP_READER_FOREIGN;
    }
    set_data(r, out, PCAPNG_PACKET_LEN - 4, caplen, wirelen);
    out->link = i->link;
    out->has_interface_id = true;
    out->interface_id = id;
    return PCAP_READER_PACKET;
}

static pcap_reader_status next_pcapng(pcap_reader *r, capture_packet *out)
{
    for (;;) {
        if (!has(r, PCAPNG_BLOCK_LEN)) {
            return ended(r);
        }
        uint32_t type = get32(r, 0);
        if (type == PCAPNG_SECTION) {
            pcap_reader_status status = section(r);
            if (status != PCAP_READER_PACKET) {
                return status;
            }
        }
        uint32_t len = get32(r, 4);
        if (len < PCAPNG_BLOCK_LEN || len % 4 != 0 || len > MAX_RECORD_LEN) {
            return PCAP_READER_FOREIGN;
        }
        if (!has(r, len)) {
            bool is_damaged = type == PCAPNG_PACKET && r->end - r->at >= PCAPNG_PACKET_LEN - 4 &&
                              (len < PCAPNG_PACKET_LEN || get32(r, 20) > len - PCAPNG_PACKET_LEN);
            return is_damaged ? PCAP_READER_FOREIGN : ended(r);
        }
        pcap_reader_status status = PCAP_READER_PACKET;
        switch (type) {
        case PCAPNG_SECTION:
            r->has_header = true;
            status = len >= 28 && options_fit(r, 24, len - 4) ? PCAP_READER_PACKET : PCAP_READER_FOREIGN;
            break;
        case PCAPNG_INTERFACE:
            status = add_interface(r, len);
            break;
        case PCAPNG_PACKET:
            status = packet_block(r, out, len);
            break;
        case PCAPNG_NAMES:
        case PCAPNG_STATISTICS:
        case PCAPNG_SECRETS:
            break;
        default: /* libwiretap counts some of the others as records */
            status = PCAP_READER_FOREIGN;
        }
        if (status != PCAP_READER_PACKET || get32(r, len - 4) != len) {
            return PCAP_READER_FOREIGN;
        }
        skip(r, len);
        if (type == PCAPNG_PACKET) {
            return PCAP_READER_PACKET;
        }
    }
}

pcap_reader *pcap_reader_new(int fd, int64_t size)
{
    pcap_reader *r = g_new0(pcap_reader, 1);

    r->fd = fd;
    r->is_pipe = size <= 0;
    r->block_len = r->is_pipe ? BLOCK_LEN : CLAMP((size_t)size + 1, FIRST_BLOCK_LEN, BLOCK_LEN);
    r->blocks = g_ptr_array_new();
    r->interfaces = g_array_new(FALSE, FALSE, sizeof(interface));
    return r;
}

pcap_reader_status pcap_reader_next(pcap_reader *r, capture_packet *out)
{
    if (r->interfaces->len == 0 && !r->is_pcapng) {
        pcap_reader_status status = header(r);
        if (status != PCAP_READER_PACKET) {
            return status;
        }
    }
    return r->is_pcapng ? next_pcapng(r, out) : next_pcap(r, out);
}

bool pcap_reader_has_header(const pcap_reader *r)
{
    return r->has_header;
}

int64_t pcap_reader_offset(const pcap_reader *r)
{
    return r->offset;
}

/* A packet is in memory as a whole. What is damaged counts as one: reading on does not wait for it. */
static bool has_packet(const pcap_reader *r)
{
    pcap_reader from = *r;

    while (from.end - from.at >= PCAP_RECORD_LEN) {
        size_t len = r->is_pcapng ? get32(&from, 4) : PCAP_RECORD_LEN + (size_t)get32(&from, 8);
        if (from.end - from.at < len) {
            return false;
        }
        if (!r->is_pcapng || len < PCAPNG_BLOCK_LEN || get32(&from, 0) == PCAPNG_PACKET) {
            return true;
        }
        skip(&from, len);
    }
    return false;
}

bool pcap_reader_would_wait(const pcap_reader *r, int timeout_ms)
{
    GPollFD input = {.fd = r->fd, .events = G_IO_IN};

    return r->is_pipe && !r->at_eof && !has_packet(r) && g_poll(&input, 1, timeout_ms) <= 0;
}

static void release(gpointer block, gpointer unused)
{
    (void)unused;
    capture_block_unref(block);
}

void pcap_reader_free(pcap_reader *r)
{
    if (r == NULL) {
        return;
    }
    g_ptr_array_foreach(r->blocks, release, NULL);
    g_ptr_array_free(r->blocks, TRUE);
    g_array_free(r->interfaces, TRUE);
    close(r->fd);
    g_free(r);
}
