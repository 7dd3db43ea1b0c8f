/* run.h: the way from captures to verdicts that all commands share.
 *
 * Packets are read in batches, their frames parsed, their messages decoded, and given to a tracker (one a file, or one
 * over all files with --merge). A command is a visitor: it is told of each message, of findings, of advertisements when
 * their verdict is final, and of the end of each tracker. With --threads 2 reading and decoding go on in a thread of
 * their own; but for body, a visitor is always called in the caller's thread, in the order of the packets.
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

/* run_packet is a packet of which a visitor is told. Where several files go into one tracker, where.frame is a number
 * that holds both: run_frame takes it apart, and so it does with every frame that the tracker names. */
typedef struct run_packet {
    tracker_packet where;
    const uint8_t *data; /* what the datagram or segment carries */
    const uint8_t *raw;  /* the frame, with keep_frames */
    const char *body;    /* what the visitor's body has written; NULL where it was not called */
    size_t body_len;
    uint32_t len;
    uint32_t wire_len;
    uint32_t raw_len;
    uint32_t raw_wire_len;
    uint32_t tcp_seq;
    uint32_t tcp_ack;
    int64_t byte_offset; /* of data in its file; -1 when unknown, or when it was put together from fragments */
    uint8_t protocol;    /* frame_protocol */
    uint8_t link;        /* frame_link */
    uint8_t tcp_flags;
    bool has_time;
} run_packet;

/* run_counts is what became of the packets. */
typedef struct run_counts {
    uint64_t packets;
    uint64_t filtered; /* left out by --filter */
    uint64_t udp;
    uint64_t tcp;
    uint64_t icmp;
    uint64_t other;
    uint64_t unsupported;
    uint64_t cut;
    uint64_t malformed;
    uint64_t fragments;
    uint64_t fragments_lost; /* datagrams that could not be put together */
    uint64_t krpc;
    int64_t first_ns;
    int64_t last_ns;
} run_counts;

/* run_visitor is what a command wants to hear; members may be NULL. */
typedef struct run_visitor {
    void *ctx;
    bool keep_frames;
    /* A file, or all of them with --merge, begins: name is NULL then. */
    void (*begin)(void *ctx, run *from, const char *name);
    /* With --threads 2, in the other thread: the part of an output that needs the message alone. It may be of a datagram
     * that turns out to be no message. */
    void (*body)(strbuf *out, const krpc_message *message, const uint8_t *data, uint32_t len);
    void (*message)(void *ctx, const run_packet *packet, const krpc_message *message, const tracker_result *result);
    /* After message, for the same packet: in the order in which they were found. message is NULL for other packets. */
    void (*findings)(void *ctx, const run_packet *packet, const krpc_message *message, const krpc_finding *findings,
                     size_t num_findings);
    void (*advert)(void *ctx, const tracker_advert *advert);
    void (*packet)(void *ctx, const run_packet *packet); /* every UDP or TCP packet, KRPC or not */
    void (*end)(void *ctx, run *from);
} run_visitor;

/* run_captures does it all. Returns false when a file could not be read to its end; run_interrupted tells whether the
 * user stopped it. The output is watched: when it fails, reading ends. */
bool run_captures(const options *with, const run_visitor *visitor, output *to);

/* What a visitor may ask. */
const run_counts *run_get_counts(const run *from);
tracker *run_get_tracker(const run *from);
bool run_interrupted(void);

/* run_stop ends the run after the packet that the visitor was told of. */
void run_stop(run *from);

/* run_node_get is tracker_node_get, anonymised when that is wanted. */
bool run_node_get(const run *from, uint32_t index, tracker_node *out);

/* run_frame takes a frame number of the tracker apart: the file's number in it, and which file in *file_out. */
uint32_t run_frame(const run *from, uint32_t frame, unsigned *file_out);
/* run_put_frame writes a frame number of the tracker: "12", or "FILE:12" where it could be one of several files. */
void run_put_frame(strbuf *out, const run *from, uint32_t frame);
/* run_file_name is the name of a file; run_num_files how many there are on the command line. */
const char *run_file_name(const run *from, unsigned file);
unsigned run_num_files(const run *from);

/* run_finding_text is krpc_finding_text about a payload, with frame numbers as in their files, "FILE:12" where there are
 * several. from may be NULL. */
#define RUN_FINDING_TEXT 512
size_t run_finding_text(const run *from, char *out, size_t cap, const krpc_finding *finding, const uint8_t *data,
                        uint32_t len);

#endif
