/* tracker/tracker.h: what takes more than one packet.
 *
 * Observations go in, packet by packet, in the order of the capture; verdicts come out, each with the frames that prove
 * it. Time comes in with the data. Memory is bounded by the options, and what was dropped for it is counted.
 *
 *     tracker *t = tracker_new(NULL);
 *     for (every UDP payload) {
 *         if (tracker_decode(&m, data, len, wire_len, &sink) &&
 *             tracker_admit(t, &packet, &m, data, TRACKER_ACCEPT_KNOWN)) {
 *             tracker_message(t, &packet, &m, data, NULL, &result, &sink);
 *         } else {
 *             tracker_datagram(t, &packet, data, len, &result, &sink);   (drop what the sink got before)
 *         }
 *     }
 *     tracker_finish(t);
 *     for (i = 0; tracker_node_get(t, i, &node); i++) ...
 *     tracker_free(t);
 *
 * When verdicts may be asked for: at any time. What is known about a packet at the moment when it is given in (its
 * transaction looking back, its findings) is final and is the same whether it is asked for then or at the end. The
 * verdict and the later use of an advertisement, and a node's NAT behaviour, may turn from unknown to known, or be
 * corrected by later evidence (a preserved port that turns out mixed; an honoured port that goes on to die). What a
 * receiver saw at the moment of an advertisement is kept: what he sees later does not change that.
 *
 * A finding of the tracker belongs to the packet that completes its evidence, and names the earlier frame.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_TRACKER_H
#define TRACKER_TRACKER_H

#include <krpc/advert.h>
#include <krpc/message.h>
#include <krpc/peerwire.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tracker tracker;

typedef enum tracker_verdict {
#define VERDICT(SYMBOL, NAME, MEANING) TRACKER_VERDICT_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_VERDICTS
} tracker_verdict;

typedef enum tracker_later {
#define LATER(SYMBOL, NAME, MEANING) TRACKER_LATER_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_LATER
} tracker_later;

typedef enum tracker_port {
#define PORT_BEHAVIOUR(SYMBOL, NAME, MEANING) TRACKER_PORT_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_PORT
} tracker_port;

typedef enum tracker_mapping {
#define MAPPING(SYMBOL, NAME, MEANING) TRACKER_MAPPING_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_MAPPING
} tracker_mapping;

typedef enum tracker_filtering {
#define FILTERING(SYMBOL, NAME, MEANING) TRACKER_FILTERING_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_FILTERING
} tracker_filtering;

/* The names and meanings of verdicts.def; NULL beyond the end. */
const char *tracker_verdict_name(tracker_verdict verdict);
const char *tracker_verdict_meaning(tracker_verdict verdict);
const char *tracker_later_name(tracker_later later);
const char *tracker_later_meaning(tracker_later later);
const char *tracker_port_name(tracker_port port);
const char *tracker_mapping_name(tracker_mapping mapping);
const char *tracker_filtering_name(tracker_filtering filtering);

/* tracker_packet is where a datagram or a segment was seen. */
typedef struct tracker_packet {
    uint32_t frame;  /* from 1; what findings and verdicts name */
    int64_t time_ns; /* since 1970; may repeat or go back */
    krpc_endpoint src;
    krpc_endpoint dst;
} tracker_packet;

/* tracker_advert is one advertisement, by the sender of a packet about himself (channels whose whose is SENDER), with
 * its verdict. Frames are 0 where there is none. */
typedef struct tracker_advert {
    uint32_t frame;
    int64_t time_ns;
    krpc_endpoint sender;   /* the packet's source: its port is the source port at that moment */
    krpc_endpoint receiver; /* the packet's destination */
    krpc_endpoint observed; /* where others say that they see the sender's DHT socket; port 0 when nobody said */
    uint32_t observed_frame;
    int32_t advertised_port; /* as sent, clamped to 32 bits; -1 for a bare implied_port */
    uint16_t dht_port;       /* the sender's DHT source port: sender.port for KRPC; over a stream that of the same host,
                                towards this receiver where it has several; 0 when not known */
    uint16_t effective_port; /* what a receiver that follows the rules stores; 0 when none, or unknown */
    uint8_t channel;         /* krpc_channel */
    uint8_t service;         /* krpc_service */
    uint8_t implied_port;    /* the flag was set */
    uint8_t over_tcp;        /* else in datagrams, uTP among them */
    uint8_t verdict;         /* tracker_verdict */
    uint8_t later;           /* tracker_later */
    uint8_t has_node_id;
    uint8_t has_info_hash;
    uint8_t version_len;    /* of version: 0 when the client is unknown */
    uint32_t verdict_frame; /* the frame that settled the verdict */
    uint32_t later_frame;   /* the frame that settled what became of it */
    int64_t later_ns;       /* how long after the advertisement that was */
    uint32_t off;           /* of the value in the packet's payload, */
    uint32_t len;           /* and its size; 0 when the value began in an earlier packet */
    uint8_t node_id[20];
    uint8_t info_hash[20];
    uint8_t version[4];
} tracker_advert;

#define TRACKER_MAX_EXTERNAL 8 /* outside endpoints kept for one node; more are counted */
#define TRACKER_MAX_FRAMES   4 /* frames kept as proof for each */
#define TRACKER_MAX_IDS      4 /* node ids kept for one endpoint; more are counted */

/* tracker_external is one endpoint on which others see a node. */
typedef struct tracker_external {
    krpc_endpoint endpoint;
    uint32_t observers; /* different remote addresses that said so */
    uint32_t num_frames;
    uint32_t frames[TRACKER_MAX_FRAMES]; /* the first ones that prove it */
} tracker_external;

/* Where the evidence about a NAT comes from. */
enum tracker_evidence {
    TRACKER_FROM_INSIDE = 1,  /* ip and r.p in what the node is told */
    TRACKER_FROM_OUTSIDE = 2, /* one node id on several ports of one address */
    TRACKER_FROM_BOTH = 4     /* the same payload before and after the NAT */
};

/* tracker_nat is what NATs do to a node. With evidence from both sides port and mapping are about the NAT in between,
 * else about all on the way. */
typedef struct tracker_nat {
    tracker_port port;
    tracker_mapping mapping;
    tracker_filtering filtering;
    unsigned evidence;     /* enum tracker_evidence */
    uint32_t remapped;     /* how often the outside port changed over time without depending on the destination */
    uint32_t num_external; /* all of them, kept or not */
    uint32_t num_kept;     /* of external[] */
    tracker_external external[TRACKER_MAX_EXTERNAL];
} tracker_nat;

/* tracker_node is one endpoint that sent KRPC. */
typedef struct tracker_node {
    krpc_endpoint endpoint;
    uint32_t num_ids;
    uint8_t ids[TRACKER_MAX_IDS][20]; /* the newest first */
    uint8_t version[4];
    uint8_t version_len;
    uint8_t read_only;
    uint8_t bep42;    /* krpc_node_id_verdict of the newest id against the outside address */
    uint32_t queries; /* sent by it */
    uint32_t responses;
    uint32_t errors;
    uint32_t queries_received;
    uint32_t first_frame;
    uint32_t last_frame;
    int64_t first_ns;
    int64_t last_ns;
    tracker_nat nat;
} tracker_node;

/* tracker_options: 0 takes the default. Bounds are numbers of records; tracker_memory says what they cost. */
typedef struct tracker_options {
    uint32_t max_nodes;         /* endpoints: 131072 */
    uint32_t max_transactions;  /* queries without an answer yet: 65536 */
    uint32_t max_adverts;       /* advertisements whose verdict may still change: 32768 */
    uint32_t max_items;         /* BEP 44 items whose signature is verified: 1000 */
    uint32_t max_streams;       /* TCP and uTP streams: 4096 */
    uint8_t hash_key[16];       /* all zero: a random one */
    const uint16_t *peer_ports; /* TCP ports on which the peer wire is certain; they stay where they are */
    uint32_t num_peer_ports;
    /* advert_done gets each advertisement when its verdict will not change any more, in the order of the frames: when
     * it is pushed out by newer ones, and all others at tracker_finish. NULL: nobody wants them. */
    void (*advert_done)(void *ctx, const tracker_advert *advert);
    /* peerwire gets each message of the BitTorrent peer wire when the packet that completes it is given in. data are
     * the message's bytes, valid during the call; off is where they begin in the packet's payload, negative when they
     * began in an earlier packet. */
    void (*peerwire)(void *ctx, const tracker_packet *packet, const peerwire_message *message, const uint8_t *data,
                     int64_t off);
    void *ctx;
} tracker_options;

/* tracker_new makes a tracker; NULL options are the defaults. Never fails: without memory the program ends, as with
 * GLib. tracker_free(NULL) is fine. */
tracker *tracker_new(const tracker_options *options);
void tracker_free(tracker *tracker);

/* tracker_decode decodes and checks a payload that may be KRPC: one that begins as a dictionary. False for any other,
 * and *out is not set then. It needs no tracker, so it can run in another thread. The findings count when the message
 * is admitted. */
bool tracker_decode(krpc_message *out, const uint8_t *data, uint32_t len, uint32_t wire_len, const krpc_sink *sink);

/* tracker_admit decides whether a decoded payload is taken as KRPC. */
typedef enum tracker_accept {
    TRACKER_ACCEPT_SURE,  /* what krpc_message_probe says YES to */
    TRACKER_ACCEPT_KNOWN, /* also MAYBE, where one of the two endpoints has spoken KRPC before */
    TRACKER_ACCEPT_MAYBE, /* also every other MAYBE */
    TRACKER_ACCEPT_ALL    /* every dictionary: the user said that it is KRPC */
} tracker_accept;
bool tracker_admit(const tracker *tracker, const tracker_packet *packet, const krpc_message *message,
                   const uint8_t *data, tracker_accept accept);

/* tracker_keys leads to the records that a message needs. What is in it is the tracker's own. */
typedef struct tracker_keys {
    uint64_t src; /* of the endpoints */
    uint64_t dst;
    uint64_t transaction; /* of the transaction id, the querier and the responder's address; has_t: there is an id */
    uint64_t alt;         /* of the first two */
    uint64_t token;       /* 0: the message has none */
    uint64_t payload;     /* 0: not worked out */
    uint32_t src_node;    /* where they will probably be found; UINT32_MAX: not known */
    uint32_t dst_node;
    uint32_t query;
    bool has_t;
} tracker_keys;

/* tracker_keys_make works the keys of a message out. Another thread may call it while the tracker is used. */
void tracker_keys_make(const tracker *tracker, const tracker_packet *packet, const krpc_message *message,
                       const uint8_t *data, tracker_keys *out);

/* tracker_fetch_indexes and tracker_fetch_records may be called some packets ahead of tracker_message: they bring what
 * will be needed into the cache, and change nothing else. The second needs, some packets later, what the first has
 * brought; it is best called for a batch of some dozens. tracker_fetch_datagram is for what tracker_datagram will get.
 * */
void tracker_fetch_indexes(const tracker *tracker, const tracker_keys *keys);
void tracker_fetch_records(const tracker *tracker, const tracker_packet *packet, const krpc_message *message,
                           tracker_keys *keys);
void tracker_fetch_datagram(const tracker *tracker, const tracker_packet *packet);

/* tracker_result is what is known about a message when it is given in. */
typedef struct tracker_result {
    uint32_t request_frame; /* the query that a response or an error answers; 0 when it was not captured */
    int64_t rtt_ns;         /* time since then */
    krpc_method method;     /* of the query, or of the query that is answered; NONE when unknown */
    krpc_endpoint asked;    /* where that query was sent to; differs from src when another port answers */
    uint32_t repeats;       /* a query: the frame that it repeats; a response: the one that answered already; 0: none */
    uint64_t first_advert;  /* serial numbers of the advertisements in this packet */
    uint32_t num_adverts;
    bool has_target; /* target is the target or info_hash of the query that is answered */
    uint8_t target[20];
} tracker_result;

/* tracker_message takes one KRPC message. Findings go to sink: those that need more than this message. keys and out may
 * be NULL. */
void tracker_message(tracker *tracker, const tracker_packet *packet, const krpc_message *message, const uint8_t *data,
                     const tracker_keys *keys, tracker_result *out, const krpc_sink *sink);

/* tracker_datagram takes a UDP payload that is not KRPC: uTP, a UDP tracker's announce, local service discovery, or
 * anything else, of which it only remembers that somebody lives on that port. out may be NULL. */
void tracker_datagram(tracker *tracker, const tracker_packet *packet, const uint8_t *data, size_t len,
                      tracker_result *out, const krpc_sink *sink);

/* TCP flags as in the header. */
enum tracker_tcp_flags { TRACKER_TCP_FIN = 1, TRACKER_TCP_SYN = 2, TRACKER_TCP_RST = 4, TRACKER_TCP_ACK = 16 };

/* tracker_segment takes a TCP segment with its payload (len bytes captured of wire_len); ack counts where flags say so.
 * */
void tracker_segment(tracker *tracker, const tracker_packet *packet, uint32_t seq, uint32_t ack, unsigned flags,
                     const uint8_t *data, size_t len, size_t wire_len, tracker_result *out, const krpc_sink *sink);

/* tracker_unreachable takes an ICMP or ICMPv6 error: packet is the ICMP packet (ports 0), quoted_src and quoted_dst are
 * the datagram that it quotes, data as much of its UDP payload as it holds. port: the error is "port unreachable".
 * Returns the frame of the query that is quoted; 0 when it was not captured or is none. */
uint32_t tracker_unreachable(tracker *tracker, const tracker_packet *packet, const krpc_endpoint *quoted_src,
                             const krpc_endpoint *quoted_dst, const uint8_t *data, size_t len, bool port,
                             const krpc_sink *sink);

/* tracker_finish ends the capture: what is still open gets its last verdict and advert_done. Call it once. What is kept
 * can still be read. */
void tracker_finish(tracker *tracker);

/* tracker_advert_get gives the advertisement of a serial number; false when it is not kept any more. */
bool tracker_advert_get(const tracker *tracker, uint64_t serial, tracker_advert *out);

/* tracker_num_nodes and tracker_node_get give every endpoint that sent KRPC, sorted by address and port; the order is
 * made at the first call after a packet. tracker_node_find looks one up. */
uint32_t tracker_num_nodes(tracker *tracker);
bool tracker_node_get(tracker *tracker, uint32_t index, tracker_node *out);
bool tracker_node_find(const tracker *tracker, const krpc_endpoint *endpoint, tracker_node *out);

/* tracker_stats counts; everything is since tracker_new. */
typedef struct tracker_stats {
    uint64_t packets; /* given in, of any kind */
    uint64_t queries[KRPC_NUM_METHODS];
    uint64_t responses;
    uint64_t errors;
    uint64_t others;     /* admitted without a valid y */
    uint64_t matched;    /* responses and errors with their query */
    uint64_t unanswered; /* queries that nothing answered within 15 s, or by the end */
    uint64_t adverts[KRPC_NUM_CHANNELS];
    uint64_t peerwire_messages;
    uint64_t port_messages_tcp;
    uint64_t port_messages_utp;
    uint64_t quoted; /* KRPC inside ICMP */
    uint64_t dropped_nodes;
    uint64_t dropped_transactions;
    uint64_t dropped_mappings; /* nodes whose NAT evidence was given up for that of others */
    uint64_t dropped_adverts;  /* pushed out before 15 minutes of capture time were over */
    uint64_t dropped_streams;
    uint64_t items_verified; /* BEP 44 items whose signature and target were looked at */
    uint64_t dropped_items;  /* those that were not, because of max_items */
    uint64_t memory;         /* bytes held by the tracker */
} tracker_stats;
void tracker_stats_get(const tracker *tracker, tracker_stats *out);

#ifdef __cplusplus
}
#endif

#endif
