/* capture.h: reads packets from capture files, in any format that Wireshark opens.
 *
 * libwiretap reads pcap, pcapng, snoop, ERF and the others, plain or compressed with gzip, zstd or lz4. Only capture.c
 * includes its headers and knows the differences between its versions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_CAPTURE_H
#define VALIDATOR_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/frame.h"

/* capture is an open capture file. Only one thread at a time may use it. */
typedef struct capture capture;

/* capture_packet is one packet of the file. data belongs to the capture and is valid until the next call of
 * capture_next or capture_close. */
typedef struct capture_packet {
    const uint8_t *data;
    uint32_t caplen;       /* bytes at data */
    uint32_t wirelen;      /* bytes the packet had before the snap length cut it; never less than caplen */
    uint32_t frame;        /* Wireshark's frame number: starts at 1 and counts every record of the file */
    uint32_t interface_id; /* pcapng: which interface of its section; 0 if the file does not say */
    int64_t time_ns;       /* since 1970-01-01 UTC; 0 without a time */
    int64_t offset;        /* of the record from the start of the (decompressed) file; -1 if unknown */
    int64_t data_offset;   /* of data in the file itself; -1 if unknown: compressed, or another format */
    frame_link link;
    bool has_time;
    bool has_interface_id;
} capture_packet;

/* capture_status is the result of capture_next. */
typedef enum capture_status {
    CAPTURE_PACKET, /* *out is filled in */
    CAPTURE_END,    /* the file ends where a record ends */
    CAPTURE_ERROR   /* capture_error_text describes the error; all packets before the damage were returned */
} capture_status;

/* capture_open opens the file at path, or standard input if path is "-". A pipe is read as its bytes arrive. On failure
 * the result is NULL and *error_out is one line, without a final newline, that names the file and the problem; the
 * caller frees it with g_free. */
capture *capture_open(const char *path, char **error_out);

/* capture_next reads the next packet. Records that are not packets (system calls, journal entries) get a frame number
 * and are skipped. After CAPTURE_END or CAPTURE_ERROR every further call returns the same. */
capture_status capture_next(capture *file, capture_packet *out);

/* capture_error_text is the message of CAPTURE_ERROR, and NULL before; it is valid as long as the capture. */
const char *capture_error_text(const capture *file);

/* capture_link_text names the link type of the last packet in Wireshark's words ("Ethernet", "USB packets with Linux
 * header"), for messages about FRAME_LINK_UNKNOWN. */
const char *capture_link_text(const capture *file);

/* capture_progress returns how much of the file has been read, from 0 to 1, or -1 for a pipe. */
double capture_progress(const capture *file);

/* capture_close closes the file; NULL is allowed. */
void capture_close(capture *file);

#endif
