/* capture.h: packets out of capture files, whatever Wireshark opens.
 *
 * libwiretap does the reading: pcap, pcapng, snoop, ERF and the others, plain or compressed with gzip, zstd or lz4.
 * It stays inside capture.c, so that nothing else sees its headers or the differences between its versions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_H
#define VALIDATOR_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/frame.h"

/* capture is an open capture file. One thread at a time may use it. */
typedef struct capture capture;

/* capture_packet is one packet as it lies in the file. data belongs to the capture and is good until the next call of
 * capture_next or capture_close. */
typedef struct capture_packet {
    const uint8_t *data;
    uint32_t caplen;       /* bytes at data */
    uint32_t wirelen;      /* bytes the packet had before the snap length cut it; never less than caplen */
    uint32_t frame;        /* Wireshark's frame number: from 1, every record of the file counts */
    uint32_t interface_id; /* pcapng: which interface of its section; 0 where the file does not say */
    int64_t time_ns;       /* since 1970-01-01 UTC; 0 without a time */
    int64_t offset;        /* of the record from the start of the (decompressed) file; -1 where unknown */
    int64_t data_offset; /* of data in the file itself; -1 where unknown: compressed, or a format not known that well */
    frame_link link;
    bool has_time;
    bool has_interface_id;
} capture_packet;

/* capture_status is what capture_next found. */
typedef enum capture_status {
    CAPTURE_PACKET, /* *out is filled in */
    CAPTURE_END,    /* the file ends where a record ends */
    CAPTURE_ERROR   /* capture_error_text says what is wrong; all packets before the damage were returned */
} capture_status;

/* capture_open opens the file at path, or standard input where path is "-". A pipe is read as its bytes come.
 * On failure the result is NULL and *error_out is one line, without a final newline, that names the file and what is
 * wrong with it; the caller frees it with g_free. */
capture *capture_open(const char *path, char **error_out);

/* capture_next reads on to the next packet. Records that are no packets (system calls, journal entries) take a frame
 * number and are passed over. After CAPTURE_END or CAPTURE_ERROR every further call returns the same. */
capture_status capture_next(capture *file, capture_packet *out);

/* capture_error_text is the line that belongs to CAPTURE_ERROR, NULL before; it lives as long as the capture. */
const char *capture_error_text(const capture *file);

/* capture_link_text names the link type of the packet that was read last, in Wireshark's words ("Ethernet", "USB
 * packets with Linux header"): what to tell the user about FRAME_LINK_UNKNOWN. */
const char *capture_link_text(const capture *file);

/* capture_progress tells how much of the file has been read, from 0 to 1, or -1 for a pipe. */
double capture_progress(const capture *file);

/* capture_close closes the file; NULL is fine. */
void capture_close(capture *file);

#endif
