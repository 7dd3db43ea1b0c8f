/* tracker/tracker.h: analysis that needs more than one packet: transactions, port advertisements, nodes and their NATs.
 *
 * The caller hands over packets in the order of the capture. The tracker reports findings, and gives verdicts with the
 * frames that prove them. It reads no clock: time is that of the packets. The options bound its memory; records that
 * are dropped because of a bound are counted.
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
 * The result of tracker_message and the findings of a packet are final. A verdict is a function of all facts so far: it
 * can be read at any time, does not depend on the order of the packets, and more packets may correct it. So may they a
 * conclusion: a finding that follows from all packets, which tracker_conclude gives.
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

typedef enum tracker_addresses {
#define ADDRESSES(SYMBOL, NAME, MEANING) TRACKER_ADDRESSES_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_ADDRESSES
} tracker_addresses;

typedef enum tracker_reach {
#define REACH(SYMBOL, NAME, MEANING) TRACKER_REACH_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_REACH
} tracker_reach;

typedef enum tracker_reason {
#define REASON(SYMBOL, NAME, MEANING) TRACKER_REASON_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_REASONS
} tracker_reason;

typedef enum tracker_missing {
#define MISSING(SYMBOL, NAME, MEANING) TRACKER_MISSING_##SYMBOL,
#include <tracker/verdicts.def>
    TRACKER_NUM_MISSING
} tracker_missing;

typedef enum tracker_advice {
#define ADVICE(SYMBOL, SLUG, LINE, TEXT) TRACKER_ADVICE_##SYMBOL,
#include <tracker/advice.def>
    TRACKER_NUM_ADVICE
} tracker_advice;

/* These return the names and meanings in verdicts.def and advice.def; NULL for other values. */
const char *tracker_verdict_name(tracker_verdict verdict);
const char *tracker_verdict_meaning(tracker_verdict verdict);
const char *tracker_later_name(tracker_later later);
const char *tracker_later_meaning(tracker_later later);
const char *tracker_port_name(tracker_port port);
const char *tracker_mapping_name(tracker_mapping mapping);
const char *tracker_filtering_name(tracker_filtering filtering);
const char *tracker_addresses_name(tracker_addresses addresses);
const char *tracker_reach_name(tracker_reach reach);
const char *tracker_reach_meaning(tracker_reach reach);
const char *tracker_reason_name(tracker_reason reason);
const char *tracker_reason_meaning(tracker_reason reason);
const char *tracker_missing_name(tracker_missing missing);
const char *tracker_missing_meaning(tracker_missing missing);
const char *tracker_advice_slug(tracker_advice advice);
const char *tracker_advice_line(tracker_advice advice);
const char *tracker_advice_text(tracker_advice advice);

/* tracker_packet is the frame, time and endpoints of a datagram or segment. */
typedef struct tracker_packet {
    uint32_t frame;  /* from 1; findings and verdicts name frames by it */
    int64_t time_ns; /* since 1970; may repeat or go backwards */
    krpc_endpoint src;
    krpc_endpoint dst;
    uint16_t source; /* the number of the capture, where several are read together: their clocks may differ */
} tracker_packet;

/* tracker_advert is one port advertisement of a sender about itself (channels of krpc/channels.def with SENDER), with
 * its verdict. A frame of 0 means none. */
typedef struct tracker_advert {
    uint32_t frame;
    int64_t time_ns;
    krpc_endpoint sender;   /* the packet's source: its port is the source port at that moment */
    krpc_endpoint receiver; /* the packet's destination */
    krpc_endpoint observed; /* endpoint at which others report to see the sender's DHT socket; port 0: no report */
    uint32_t observed_frame;
    int32_t advertised_port; /* as sent, clamped to 32 bits; -1 for a bare implied_port */
    uint16_t dht_port;       /* the sender's DHT source port: sender.port for KRPC; over a stream the DHT source port of
                                the same host, towards this receiver if it has several; 0: unknown */
    uint16_t effective_port; /* the port that a receiver stores if it follows the specifications; 0: none, or unknown */
    uint8_t channel;         /* krpc_channel */
    uint8_t service;         /* krpc_service */
    uint8_t implied_port;    /* the flag implied_port was set */
    uint8_t over_tcp;        /* 0: over UDP, which includes uTP */
    uint8_t verdict;         /* tracker_verdict */
    uint8_t later;           /* tracker_later */
    uint8_t has_node_id;
    uint8_t has_info_hash;
    uint8_t version_len;    /* of version; 0: the client is unknown */
    uint32_t verdict_frame; /* the frame that decided the verdict */
    uint32_t later_frame;   /* the frame that shows the outcome */
    int64_t later_ns;       /* time from the advertisement to later_frame */
    uint32_t off;           /* of the value in the packet's payload, */
    uint32_t len;           /* and its size; 0: the value began in an earlier packet */
    uint8_t node_id[20];
    uint8_t info_hash[20];
    uint8_t version[4];
} tracker_advert;

#define TRACKER_MAX_EXTERNAL 8 /* outside endpoints stored for one node; more are counted */
#define TRACKER_MAX_FRAMES   4 /* frames stored as evidence for each */
#define TRACKER_MAX_IDS      4 /* node ids stored for one endpoint; more are counted */

/* tracker_external is one endpoint at which others see a node. */
typedef struct tracker_external {
    krpc_endpoint endpoint;
    uint32_t observers;                  /* number of different remote addresses that reported it */
    uint32_t num_frames;                 /* all of them, stored or not */
    uint32_t frames[TRACKER_MAX_FRAMES]; /* the first frames that show it */
} tracker_external;

/* Kinds of evidence about a NAT, as bits. */
enum tracker_evidence {
    TRACKER_FROM_INSIDE = 1,  /* ip and r.p in messages to the node */
    TRACKER_FROM_OUTSIDE = 2, /* one node id on several ports of one address */
    TRACKER_FROM_BOTH = 4     /* the same payload before and after the NAT */
};

/* tracker_nat is the behaviour of all NATs between a node and others. Where hosts outside of all of them do not tell
 * enough, and packets between two NATs were captured, it is that of the inner ones. */
typedef struct tracker_nat {
    tracker_port port;
    tracker_addresses addresses;
    tracker_mapping mapping;
    tracker_filtering filtering;
    tracker_reason port_reason;    /* what the verdict about the port, or its lack, rests on */
    tracker_reason mapping_reason; /* and that about mapping and addresses */
    uint32_t changed_frame;        /* the first frame with the new address, where it changed; 0: none */
    unsigned evidence;             /* enum tracker_evidence */
    uint32_t remapped;             /* how often the outside port changed over time, for all destinations */
    uint32_t num_external;         /* all of them, stored or not */
    uint32_t num_kept;             /* entries of external[] */
    tracker_external external[TRACKER_MAX_EXTERNAL];
} tracker_nat;

/* tracker_reachability says whether hosts to which the node had sent nothing can reach it. */
#define TRACKER_MAX_OPEN 4
typedef struct tracker_reachability {
    tracker_reach verdict;
    unsigned missing; /* 1 << tracker_missing, for each kind of evidence that is missing */
    uint32_t num_open;
    struct {
        krpc_endpoint endpoint; /* on which strangers get in */
        uint32_t num_sites;     /* of different networks: /24, or /48 of IPv6 */
        uint32_t num_frames;    /* entries of frames[] */
        uint32_t frames[TRACKER_MAX_FRAMES];
    } open[TRACKER_MAX_OPEN];
    uint32_t num_sites;  /* networks of strangers that got in, on any port; or that got no answer */
    uint32_t num_frames; /* queries that got in, with the answers; or queries without an answer */
    uint32_t frames[TRACKER_MAX_FRAMES];
} tracker_reachability;

/* tracker_advice_item is one advice to the person who runs the node. */
#define TRACKER_MAX_ADVICE 6
typedef struct tracker_advice_item {
    tracker_advice advice;
    uint16_t port;   /* {port} of its text; 0: none */
    uint16_t said;   /* {said}; 0: none */
    uint8_t channel; /* krpc_channel, where said is not 0 */
    uint32_t num_frames;
    uint32_t frames[TRACKER_MAX_FRAMES];
} tracker_advice_item;

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
    bool ours; /* on the inside of the capture: its address is not global, or the same client has such an address */
    tracker_nat nat;
    tracker_reachability reach;
    uint32_t num_advice;
    tracker_advice_item advice[TRACKER_MAX_ADVICE];
} tracker_node;

/* tracker_options: 0 is the default. Bounds are numbers of records. */
typedef struct tracker_options {
    uint32_t max_nodes;        /* endpoints: 131072 */
    uint32_t max_transactions; /* queries without a response yet: 65536 */
    uint32_t max_adverts;      /* advertisements whose verdict may still change: 262144 */
    uint32_t max_items;        /* BEP 44 items whose signature is verified: 1000 */
    uint32_t max_streams;      /* TCP and uTP streams: 4096 */
    uint64_t max_memory;       /* bytes of facts, allocated as they are needed: 512 MiB */
    uint8_t hash_key[16];      /* key of all hashes; all zero: a random key */
    const uint16_t
        *peer_ports; /* TCP ports that carry the peer wire protocol; must stay valid, the tracker does not copy */
    uint32_t num_peer_ports;
    /* advert_done is called with each advertisement when its verdict is final, in the order of the frames: when newer
     * ones replace it, and for the rest in tracker_finish. May be NULL. */
    void (*advert_done)(void *ctx, const tracker_advert *advert);
    /* peerwire is called with each BitTorrent peer wire message, during the call that hands over the packet that
     * completes it. data is valid during the call; off is where the message begins in the packet's payload, negative
     * when it began in an earlier packet. May be NULL. */
    void (*peerwire)(void *ctx, const tracker_packet *packet, const peerwire_message *message, const uint8_t *data,
                     int64_t off);
    void *ctx;
} tracker_options;

/* tracker_new returns a new tracker; NULL options are the defaults. It never fails: without memory the program ends, as
 * with g_malloc. tracker_free frees it; NULL is allowed. */
tracker *tracker_new(const tracker_options *options);
void tracker_free(tracker *tracker);

/* tracker_decode decodes and checks a payload that may be KRPC: one that begins as a dictionary. False for any other,
 * and *out is not set then. It needs no tracker, so it can run in another thread. The findings count when the message
 * is admitted. */
bool tracker_decode(krpc_message *out, const uint8_t *data, uint32_t len, uint32_t wire_len, const krpc_sink *sink);

/* tracker_admit decides whether a decoded payload is accepted as KRPC. */
typedef enum tracker_accept {
    TRACKER_ACCEPT_SURE,  /* when krpc_message_probe returns KRPC_PROBE_YES */
    TRACKER_ACCEPT_KNOWN, /* also KRPC_PROBE_MAYBE, when one of the two endpoints has sent KRPC before */
    TRACKER_ACCEPT_MAYBE, /* also every other KRPC_PROBE_MAYBE */
    TRACKER_ACCEPT_ALL    /* every dictionary: the user said that it is KRPC */
} tracker_accept;
bool tracker_admit(const tracker *tracker, const tracker_packet *packet, const krpc_message *message,
                   const uint8_t *data, tracker_accept accept);

/* tracker_keys holds hashes and guesses that find the records of a message. Callers pass it on and do not use its
 * members. */
typedef struct tracker_keys {
    uint64_t src; /* hashes of the endpoints */
    uint64_t dst;
    uint64_t transaction; /* hash of transaction id, querier's endpoint and responder's address, if has_t */
    uint64_t alt;         /* hash of transaction id and querier's endpoint */
    uint64_t token;       /* 0: the message has none */
    uint64_t payload;     /* 0: not computed */
    uint32_t src_node;    /* probable index of the record; UINT32_MAX: unknown */
    uint32_t dst_node;
    uint32_t query;
    bool has_t; /* the message has a transaction id */
} tracker_keys;

/* tracker_keys_make computes the keys of a message. Another thread may call it while the tracker is used. */
void tracker_keys_make(const tracker *tracker, const tracker_packet *packet, const krpc_message *message,
                       const uint8_t *data, tracker_keys *out);

/* tracker_fetch_indexes and tracker_fetch_records are optional and may be called some packets ahead of tracker_message:
 * they bring the memory that it will read into the processor's cache, and change nothing else. tracker_fetch_records
 * reads what tracker_fetch_indexes has brought, so call each for a batch of some dozens of packets, one after the
 * other. tracker_fetch_datagram does the same for tracker_datagram. */
void tracker_fetch_indexes(const tracker *tracker, const tracker_keys *keys);
void tracker_fetch_records(const tracker *tracker, const tracker_packet *packet, const krpc_message *message,
                           tracker_keys *keys);
void tracker_fetch_datagram(const tracker *tracker, const tracker_packet *packet);

/* tracker_result is the result for one packet, from this packet and earlier ones. */
typedef struct tracker_result {
    uint32_t request_frame; /* the query that a response or error answers; 0: it was not captured */
    int64_t rtt_ns;         /* time from that query to this message */
    krpc_method method;     /* of this query, or of the query that this message answers; NONE: unknown */
    krpc_endpoint asked;    /* destination of that query; differs from src when another port answers */
    uint32_t repeats; /* the frame of the query that this query repeats, or of an earlier response to the same query;
                               0: none */
    uint64_t first_advert; /* serial number of the first advertisement in this packet */
    uint32_t num_adverts;  /* the following ones have the following numbers */
    bool has_target;       /* target is the target or info_hash of the query that this message answers */
    uint8_t target[20];
} tracker_result;

/* tracker_message takes one KRPC message. sink receives the findings that need more than this message (for those about
 * the message by itself, call krpc_message_check). keys and out may be NULL. */
void tracker_message(tracker *tracker, const tracker_packet *packet, const krpc_message *message, const uint8_t *data,
                     const tracker_keys *keys, tracker_result *out, const krpc_sink *sink);

/* tracker_datagram takes a UDP payload that is not KRPC: uTP, an announce to a UDP tracker, or local service discovery.
 * For any other payload it only remembers that the source port is in use. out may be NULL. */
void tracker_datagram(tracker *tracker, const tracker_packet *packet, const uint8_t *data, size_t len,
                      tracker_result *out, const krpc_sink *sink);

/* TCP flags as in the header. */
enum tracker_tcp_flags { TRACKER_TCP_FIN = 1, TRACKER_TCP_SYN = 2, TRACKER_TCP_RST = 4, TRACKER_TCP_ACK = 16 };

/* tracker_segment takes a TCP segment with its payload: len bytes were captured of wire_len. ack is used only when
 * flags has TRACKER_TCP_ACK. */
void tracker_segment(tracker *tracker, const tracker_packet *packet, uint32_t seq, uint32_t ack, unsigned flags,
                     const uint8_t *data, size_t len, size_t wire_len, tracker_result *out, const krpc_sink *sink);

/* tracker_unreachable takes an ICMP or ICMPv6 error. packet is the ICMP packet (ports 0); quoted_src and quoted_dst are
 * the endpoints of the datagram that it quotes, and data is the quoted part of its UDP payload. port: the error is
 * "port unreachable". Returns the frame of the quoted query; 0: it was not captured, or is no query. */
uint32_t tracker_unreachable(tracker *tracker, const tracker_packet *packet, const krpc_endpoint *quoted_src,
                             const krpc_endpoint *quoted_dst, const uint8_t *data, size_t len, bool port,
                             const krpc_sink *sink);

/* tracker_finish ends the capture: advertisements that are still open get their last verdict, and advert_done is called
 * with them. Call it once. Advertisements, nodes and statistics can still be read. */
void tracker_finish(tracker *tracker);

/* tracker_conclusion is a finding that follows from all packets so far, not from one packet: a later packet may take it
 * back. packet is the one that it is about. */
typedef struct tracker_conclusion {
    tracker_packet packet;
    bool over_tcp; /* the packet is a TCP segment */
    krpc_finding finding;
} tracker_conclusion;

/* tracker_conclude calls emit with every conclusion from the packets so far, in the order of their frames. It changes
 * nothing: it may be called at the end, and any number of times before. */
void tracker_conclude(tracker *tracker, void (*emit)(void *ctx, const tracker_conclusion *conclusion), void *ctx);

/* tracker_advert_get reads the advertisement with a serial number; false when newer ones have replaced it. */
bool tracker_advert_get(const tracker *tracker, uint64_t serial, tracker_advert *out);

/* tracker_node_get reads the nodes (endpoints that sent KRPC), sorted by address and port, for an index below
 * tracker_num_nodes. The first call of tracker_num_nodes or tracker_node_get after a packet sorts them.
 * tracker_node_find looks one up by its endpoint. */
uint32_t tracker_num_nodes(tracker *tracker);
bool tracker_node_get(tracker *tracker, uint32_t index, tracker_node *out);
bool tracker_node_find(const tracker *tracker, const krpc_endpoint *endpoint, tracker_node *out);

/* tracker_stats holds counters since tracker_new. */
typedef struct tracker_stats {
    uint64_t packets; /* of any kind */
    uint64_t queries[KRPC_NUM_METHODS];
    uint64_t responses;
    uint64_t errors;
    uint64_t others;     /* messages without a valid y */
    uint64_t matched;    /* responses and errors whose query was found */
    uint64_t unanswered; /* queries without a response within 15 s, or by the end */
    uint64_t adverts[KRPC_NUM_CHANNELS];
    uint64_t peerwire_messages;
    uint64_t port_messages_tcp;
    uint64_t port_messages_utp;
    uint64_t quoted; /* KRPC inside ICMP */
    uint64_t dropped_nodes;
    uint64_t dropped_transactions;
    uint64_t dropped_facts;   /* contacts, sightings, ids and endpoints that did not fit into max_memory */
    uint64_t dropped_adverts; /* replaced by newer ones within 15 minutes of capture time */
    uint64_t dropped_streams;
    uint64_t items_verified; /* BEP 44 items whose signature and target were checked */
    uint64_t dropped_items;  /* BEP 44 items that were not checked, because of max_items */
    uint64_t memory;         /* bytes that the tracker has allocated */
} tracker_stats;
void tracker_stats_get(const tracker *tracker, tracker_stats *out);

#ifdef __cplusplus
}
#endif

#endif
