/* capture.h: packets from capture files of every kind that Wireshark opens.
 *
 * Plain pcap and pcapng are read here (pcap_reader.h). Everything else, compressed files and what is odd or damaged is
 * read by libwiretap (wiretap_reader.h), which is loaded when the first such file comes.
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

/* capture_block holds a piece of a file in memory. Its bytes do not change while a reference is held; references are
 * counted, and may be given back in any thread. */
typedef struct capture_block capture_block;
capture_block *capture_block_ref(capture_block *block);
void capture_block_unref(capture_block *block);

/* capture_packet is one packet as it is in the file. data is valid until the next call of capture_next or
 * capture_close, or longer, as long as the caller holds a reference to block. */
typedef struct capture_packet {
    const uint8_t *data;
    capture_block *block;  /* that data is in; NULL: data is valid only until the next call */
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

/* capture_next reads on to the next packet. Records that are no packets (system calls, journal entries) take a frame
 * number and are skipped. After CAPTURE_END or CAPTURE_ERROR every further call returns the same. */
capture_status capture_next(capture *file, capture_packet *out);

/* capture_error_text is the message of CAPTURE_ERROR, and NULL before; it is valid as long as the capture. */
const char *capture_error_text(const capture *file);

/* capture_would_wait: the next packet has not arrived on the pipe yet, and does not within timeout_ms. */
bool capture_would_wait(const capture *file, int timeout_ms);

/* capture_can_reopen: the capture is a file that can be read again from its beginning. */
bool capture_can_reopen(const capture *file);

/* capture_link_text names the link type of the packet that was read last, in Wireshark's words ("Ethernet", "USB
 * packets with Linux header"): what to tell the user about FRAME_LINK_UNKNOWN. */
const char *capture_link_text(const capture *file);

/* capture_progress returns how much of the file has been read, from 0 to 1, or -1 for a pipe. */
double capture_progress(const capture *file);

/* capture_close closes the file; NULL is allowed. */
void capture_close(capture *file);

#endif
