/* run.h: reads captures and tracks their messages, for all commands.
 *
 * Packets are read in batches, their frames parsed, their messages decoded, and passed to a tracker (one for each file,
 * or one for all files with --merge). A command is a visitor: it is called for each message, for findings, for
 * advertisements when their verdict is final, and at the start and end of each tracker. With --threads 2 a second
 * thread reads and decodes; except for body, a visitor is always called in the caller's thread, in the order of the
 * packets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_RUN_H
#define VALIDATOR_RUN_H

#include <tracker/tracker.h>

#include "frame/frame.h"
#include "options/options.h"
#include "output/output.h"

typedef struct run run;

/* run_packet is the packet that a visitor is called for. If several files share one tracker, where.frame is a number
 * that contains the file as well; run_frame separates the two, also for frame numbers from the tracker. */
typedef struct run_packet {
    tracker_packet where;
    const uint8_t *data; /* payload of the datagram or segment */
    const uint8_t *raw;  /* the frame, with keep_frames */
    const char *body;    /* the output of the visitor's body; NULL if it was not called */
    size_t body_len;
    uint32_t len;
    uint32_t wire_len;
    uint32_t raw_len;
    uint32_t raw_wire_len;
    uint32_t tcp_seq;
    uint32_t tcp_ack;
    int64_t byte_offset; /* of data in its file; -1 if unknown or reassembled from fragments */
    uint8_t protocol;    /* frame_protocol */
    uint8_t link;        /* frame_link */
    uint8_t tcp_flags;
    bool has_time;
} run_packet;

/* run_counts counts the packets by their outcome. */
typedef struct run_counts {
    uint64_t packets;
    uint64_t filtered; /* excluded by --filter */
    uint64_t udp;
    uint64_t tcp;
    uint64_t icmp;
    uint64_t other;
    uint64_t unread[FRAME_NUM_UNREAD]; /* frames in an encapsulation that is not read */
    uint64_t cut;
    uint64_t malformed;
    uint64_t fragments;
    uint64_t fragments_lost; /* datagrams that could not be reassembled */
    uint64_t krpc;
    int64_t first_ns;
    int64_t last_ns;
} run_counts;

/* run_counts_unread is how many frames are in an encapsulation that is not read. */
uint64_t run_counts_unread(const run_counts *counts);

/* run_visitor is the callbacks of a command; members may be NULL. */
typedef struct run_visitor {
    void *ctx;
    bool keep_frames;
    /* Called before the first packet of a file, or of all files with --merge: name is NULL then. */
    void (*begin)(void *ctx, run *from, const char *name);
    /* With --threads 2 it runs in the other thread: it writes the part of the output that needs only the message. The
     * payload may turn out to be no message. */
    void (*body)(strbuf *out, const krpc_message *message, const uint8_t *data, uint32_t len);
    void (*message)(void *ctx, const run_packet *packet, const krpc_message *message, const tracker_result *result);
    /* Called after message for the same packet, with the findings in the order of detection. message is NULL for other
     * packets. The findings stay valid until packet has been called for the same packet. */
    void (*findings)(void *ctx, const run_packet *packet, const krpc_message *message, const krpc_finding *findings,
                     size_t num_findings);
    void (*advert)(void *ctx, const tracker_advert *advert);
    /* Called at the end of a tracker, before end, with each finding that follows from all packets, in the order of the
     * frames. packet has the frame, time, endpoints and protocol of the packet that the finding is about; its payload
     * is gone. */
    void (*conclusion)(void *ctx, const run_packet *packet, const krpc_finding *finding);
    void (*packet)(void *ctx, const run_packet *packet); /* for every UDP or TCP packet, KRPC or not */
    void (*end)(void *ctx, run *from);
    /* Called only for snapshots: what the command does after run_captures, up to closing the output. */
    void (*finish)(void *ctx, run *from);
} run_visitor;

/* run_captures runs a whole command. It returns false if a file could not be read to its end; run_interrupted is true
 * if the user stopped it. Reading ends when the output fails. */
bool run_captures(const options *with, const run_visitor *visitor, output *to);

/* For use in a visitor. */
const run_counts *run_get_counts(const run *from);
tracker *run_get_tracker(const run *from);
bool run_interrupted(void);

/* run_counts_add adds the counts of packets that come after those in sum. */
void run_counts_add(run_counts *sum, const run_counts *more);

/* run_node_get is tracker_node_get, anonymised with --anonymize. */
bool run_node_get(const run *from, uint32_t index, tracker_node *out);

/* run_client is the client version of the sender of the conclusion that the visitor is called for: 4 bytes in out, or
 * 0 bytes. Returns their number. */
unsigned run_client(const run *from, uint8_t out[4]);

/* run_frame splits a frame number of the tracker: it returns the number in the file, and the file in *file_out. In this
 * and the following functions from may be NULL: there is one file. */
uint32_t run_frame(const run *from, uint32_t frame, unsigned *file_out);
/* run_put_frame writes a frame number of the tracker: "12", or "FILE:12" if there are several files. */
void run_put_frame(strbuf *out, const run *from, uint32_t frame);
/* run_num_files is the number of files on the command line; run_file_name is the name of one. */
unsigned run_num_files(const run *from);
const char *run_file_name(const run *from, unsigned file);

/* run_finding_text is krpc_finding_text for a payload, with frame numbers as in their files: "FILE:12" if there are
 * several. from may be NULL. */
#define RUN_FINDING_TEXT 512
size_t run_finding_text(const run *from, char *out, size_t cap, const krpc_finding *finding, const uint8_t *data,
                        uint32_t len);

#endif
