/* plugin.h: what the plugin's files know of each other.
 *
 *     plugin.c        the symbols that Wireshark looks for; registration
 *     fields.c        fields, subtrees and expert items, out of the tables
 *     prefs.c         preferences
 *     ip_proto.c       every UDP datagram, TCP segment and ICMP error on its way to Wireshark's own dissectors
 *     tracking.c         the tracker of the open file, and what it said about each packet
 *     record_store.c         where that is kept
 *     dissect.c       one KRPC message: is it one, Info column, summary
 *     tree.c          its keys and values
 *     tree_list.c     those that hold many of a kind
 *     findings.c      what there is to say against it
 *     tree_item.c          text and generated items for all of these
 *     tree_advert.c         its port advertisements, and the NAT of its sender
 *     tree_peerwire.c          the peer wire's part in it
 *     stats_*.c       statistics
 *     filters.c       conversation filters
 *
 * A packet is read completely before anything is drawn: what Wireshark's library reports by longjmp can then leave nothing
 * half-made. What takes more than one packet is worked out once, when a packet is seen for the first time, and kept with
 * the packet; every later look at it draws what was kept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include "compat.h"

#include <krpc/message.h>
#include <tracker/tracker.h>

/* fields.c */

extern int proto_krpc;     /* a message */
extern int proto_peerwire; /* what the peer wire says about ports */

enum {
#define HF(SYMBOL, FILTER, TITLE, TYPE, DISPLAY, CONVERT, BLURB)      HF_##SYMBOL,
#define PEER_HF(SYMBOL, FILTER, TITLE, TYPE, DISPLAY, CONVERT, BLURB) HF_##SYMBOL,
#include "own_fields.def"
    NUM_HF
};

enum {
#define ETT(SYMBOL) ETT_##SYMBOL,
#include "own_fields.def"
    NUM_ETT
};

/* hf_key is the field of a key; hf_addr, hf_addr6 and hf_port are the parts of one that holds an endpoint, and -1 for others. */
extern int hf_key[KRPC_NUM_FIELDS];
extern int hf_addr[KRPC_NUM_FIELDS];
extern int hf_addr6[KRPC_NUM_FIELDS];
extern int hf_port[KRPC_NUM_FIELDS];
extern int hf_own[NUM_HF];
extern int hf_peer_key[PEERWIRE_NUM_KEYS];
extern int ett_own[NUM_ETT];
extern expert_field ei_rule[KRPC_NUM_RULES];

#define HF(SYMBOL)  hf_own[HF_##SYMBOL]
#define ETT(SYMBOL) ett_own[ETT_##SYMBOL]

void fields_register(void);

/* prefs.c */

typedef enum prefs_accept {
    PREFS_ACCEPT_STRICT = TRACKER_ACCEPT_SURE,
    PREFS_ACCEPT_NORMAL = TRACKER_ACCEPT_KNOWN,
    PREFS_ACCEPT_LENIENT = TRACKER_ACCEPT_MAYBE
} prefs_accept;
typedef enum prefs_checks { PREFS_CHECKS_NONE, PREFS_CHECKS_ERROR, PREFS_CHECKS_WARN, PREFS_CHECKS_NOTE } prefs_checks;

extern int prefs_krpc_accept; /* prefs_accept: what the heuristic takes */
extern int prefs_krpc_checks; /* prefs_checks: the least severe finding that is shown */
extern ws_bool prefs_krpc_peerwire;
extern ws_bool prefs_krpc_nat;
extern unsigned prefs_krpc_max_nodes;
extern unsigned prefs_krpc_max_transactions;
extern unsigned prefs_krpc_max_adverts;
extern unsigned prefs_krpc_max_streams;

void prefs_krpc_register(void);
/* prefs_krpc_apply switches the built-in heuristic off or on again, as the preference says. */
void prefs_krpc_apply(void);
bool prefs_krpc_shows(krpc_rule rule);

/* What is known about a packet. */

/* tracking_finding is one finding, in less room than krpc_finding. */
typedef struct tracking_finding {
    uint32_t off;
    uint16_t len; /* at most 65535: a longer one is shown shorter */
    uint16_t rule;
    uint16_t field;
    int64_t a;
    int64_t b;
} tracking_finding;

/* tracking_peerwire is one message of the peer wire that a packet completed: its bytes, and what they do not tell by themselves. */
typedef struct tracking_peerwire {
    struct tracking_peerwire *next;
    uint32_t len;
    int32_t off;       /* in the payload; negative when it began in an earlier packet */
    uint8_t kind;      /* peerwire_kind */
    uint8_t extension; /* peerwire_extension */
    uint8_t ext_id;
    uint8_t data[];
} tracking_peerwire;

typedef enum tracking_kind {
    TRACKING_MESSAGE, /* a KRPC message */
    TRACKING_OTHER,   /* another datagram or a segment that has something to show */
    TRACKING_QUOTE    /* a datagram inside an ICMP error */
} tracking_kind;

/* tracking_record is what was found out about one datagram or segment when it was first seen. It lives in pinfo->pool; record_store.c
 * keeps what is in it as long as the file is open. */
typedef struct tracking_record {
    uint8_t kind;   /* tracking_kind */
    uint8_t method; /* krpc_method, of the query or of the one that is answered */
    uint16_t num_findings;
    uint16_t num_adverts;
    uint16_t asked_port;     /* where the query went that this answers; 0 when that is where the answer comes from */
    bool asked_elsewhere;    /* that was another address, too */
    uint16_t mark;           /* tells the queries of one frame apart; not kept where there is one alone */
    uint32_t request_frame;  /* the query that this answers, or that is quoted */
    uint32_t response_frame; /* what answers this query */
    uint32_t repeats;
    int64_t rtt_ns;
    uint64_t first_advert;
    const uint8_t *target; /* 20 bytes: what the query that this answers looked for; NULL when there is none */
    tracking_finding *findings;
    tracking_peerwire *peers;
} tracking_record;

/* tracking_packet is one datagram or segment on its way through the dissectors. It lives in pinfo->pool. */
typedef struct tracking_packet {
    struct tracking_packet *outer; /* the one that this is inside of */
    const uint8_t *data;           /* the payload's bytes */
    uint32_t len;
    uint32_t wire_len;
    uint32_t key; /* where the payload lies, to tell the datagrams of a frame apart */
    tracker_packet packet;
    krpc_message *message;   /* the payload, decoded; NULL while nobody looked */
    tracking_record *record; /* NULL when there is nothing to show */
    bool quoted;             /* inside an ICMP error */
    bool given;              /* the tracker has it, or had it when the packet was first seen */
    bool drawn;
    bool has_inner; /* another datagram was found inside of it */
} tracking_packet;

/* record_store.c */

void record_store_init(void);
void record_store_clear(void);
/* record_store_put keeps a record of a packet, record_store_get finds it again: NULL when there is none. */
void record_store_put(const tracking_packet *packet, const tracking_record *record);
tracking_record *record_store_get(packet_info *pinfo, uint32_t frame, uint32_t key);
/* record_store_link says to the query with a mark in a frame where its first response is. */
void record_store_link(uint32_t query_frame, uint16_t mark, uint32_t response_frame);

/* tracking.c */

void tracking_register(void);
tracker *tracking_tracker(void); /* NULL while no file is open */
bool tracking_finished(void);    /* the whole file has been seen */

/* tracking_packet_new describes a datagram or segment with its payload of wire_len bytes at off of tvb. */
tracking_packet *tracking_packet_new(packet_info *pinfo, tvbuff_t *tvb, uint32_t off, uint32_t wire_len,
                                     uint16_t src_port, uint16_t dst_port);

/* tracking_endpoint_set makes an endpoint of Wireshark's address; "none" where that is no IP address. */
void tracking_endpoint_set(krpc_endpoint *out, const address *addr, uint16_t port);

/* tracking_decode decodes a packet's payload, once. */
const krpc_message *tracking_decode(packet_info *pinfo, tracking_packet *packet);

/* These give a packet to the tracker when it is seen for the first time, and find what was kept about it otherwise.
 * tracking_put_message takes what is admitted as KRPC (forced: whatever looks like a dictionary, since somebody said that it
 * is KRPC) and leaves the rest; tracking_put_datagram takes the rest. */
void tracking_put_message(packet_info *pinfo, tracking_packet *packet, bool forced);
void tracking_put_datagram(packet_info *pinfo, tracking_packet *packet);
void tracking_put_segment(packet_info *pinfo, tracking_packet *packet, uint32_t seq, uint32_t ack, unsigned flags);
/* icmp is the error itself, packet what it quotes. */
void tracking_put_quote(packet_info *pinfo, tracking_packet *packet, const tracker_packet *icmp, bool port_unreachable);

/* tracking_advert_get gives an advertisement as it is known now, or as it was when the tracker let go of it. */
bool tracking_advert_get(uint64_t serial, tracker_advert *out);

/* ip_proto.c */

void ip_proto_register(void);
void ip_proto_handoff(void);
/* ip_proto_current is the datagram whose payload tvb is; NULL when it came on a way that is not observed. */
tracking_packet *ip_proto_current(tvbuff_t *tvb);

/* dissect.c */

extern dissector_handle_t krpc_handle;
void dissect_register(void);
void dissect_handoff(void);
/* dissect_bind hands a message and the rest of its conversation to KRPC's dissector, whoever owns the ports; the heuristic
 * has to be switched on for that. */
void dissect_bind(packet_info *pinfo, const tracking_packet *packet);
/* dissect_client names the client that sent a message; NULL when it does not say. */
const char *dissect_client(packet_info *pinfo, const tracking_packet *packet);
/* dissect_quote draws a quoted datagram that Wireshark's dissectors did not get to. */
void dissect_quote(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet);

/* tree.c */

/* tree_place is where in the tree the entry of an unknown key is shown, so that findings can be put there. */
typedef struct tree_place {
    uint32_t off;
    uint32_t len;
    proto_item *item;
} tree_place;

#define TREE_MAX_PLACES 128
#define TREE_MAX_ITEMS  2000 /* of one message */

typedef struct tree_context {
    packet_info *pinfo;
    tvbuff_t *tvb;
    const uint8_t *data;
    uint32_t len; /* bytes that there are */
    const krpc_message *message;
    const tracking_packet *packet;
    const tracking_record *record; /* may be NULL */
    const uint8_t *target;         /* what distances are shown to; may be NULL */
    unsigned num_items;
    proto_item *item_of[KRPC_NUM_FIELDS]; /* NULL: the field is not shown */
    unsigned num_places;                  /* of keys that are not known */
    tree_place places[TREE_MAX_PLACES];
} tree_context;

void tree_message(tree_context *context, proto_tree *tree);

/* tree_has_room counts an item: false when there are enough. */
bool tree_has_room(tree_context *context);
/* tree_clamp is the part that was captured; a container that was cut may say more. */
krpc_span tree_clamp(const tree_context *context, uint32_t off, uint32_t len);
/* tree_more_add says how many are not shown, tree_remainder_draw shows the bytes that are none of a kind. 0 adds nothing. */
void tree_more_add(tree_context *context, proto_tree *tree, uint32_t count);
void tree_remainder_draw(tree_context *context, proto_tree *tree, uint32_t off, uint32_t len);
/* tree_common_text says how many leading bits an id has in common with the target, tree_distance_draw is for filters. */
const char *tree_common_text(packet_info *pinfo, unsigned bits);
void tree_distance_draw(tree_context *context, proto_tree *tree, unsigned bits);

/* tree_list.c */

/* tree_list_draw draws a value of nodes, peers or info-hashes. */
proto_item *tree_list_draw(tree_context *context, proto_tree *tree, krpc_field field, krpc_span span);

/* findings.c */

/* findings_draw adds the expert items: to the item that shows the bytes where there is one, to top otherwise. */
void findings_draw(packet_info *pinfo, const tracking_packet *packet, const tree_context *context, proto_item *top);

/* tree_item.c */

#define TREE_ITEM_MAX_TEXT 200 /* bytes that are shown of a text */

/* Text in pinfo->pool. item_text is for people: what is not printable is escaped, at most max bytes are shown. item_string
 * is a bencoded string's value, in quotes or in hex; item_bencode renders any bencoded value. item_hex is lower-case hex, of
 * at most max bytes. */
char *tree_item_text(packet_info *pinfo, const uint8_t *data, size_t len, size_t max);
char *tree_item_string(packet_info *pinfo, const uint8_t *data, size_t len);
char *tree_item_bencode(packet_info *pinfo, const uint8_t *data, size_t len);
char *tree_item_hex(packet_info *pinfo, const uint8_t *data, size_t len, size_t max);
/* item_decimal writes a number into the end of out and returns where it begins: printf takes ten times as long. */
#define TREE_ITEM_DECIMAL 11
char *tree_item_decimal(char out[TREE_ITEM_DECIMAL], uint32_t num);

/* Generated items: they have no bytes of their own. A frame of 0 adds nothing. */
void tree_item_frame(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t frame);
void tree_item_hidden(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num); /* for filters and columns alone */
void tree_item_uint(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num);
void tree_item_named(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num, const char *text);
void tree_item_flag(proto_tree *tree, int hf, tvbuff_t *tvb, bool flag);
void tree_item_time(proto_tree *tree, int hf, tvbuff_t *tvb, int64_t time_ns);
/* item_addr adds an address to whichever field is for its family; len 0: a generated item. */
void tree_item_addr(proto_tree *tree, int hf4, int hf6, tvbuff_t *tvb, uint32_t off, uint32_t len,
                    const krpc_endpoint *endpoint);

/* tree_advert.c */

/* tree_advert_info_text appends what the Info column says about ports: "⚑ port 6881, seen as 40865". */
void tree_advert_info_text(wmem_strbuf_t *out, const tracking_packet *packet);
void tree_advert_add_all(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracking_packet *packet);
/* tree_advert_add draws one advertisement by the sender; the payload begins at payload_off of tvb. */
void tree_advert_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracker_advert *advert,
                     uint32_t payload_off);
/* tree_advert_is_behind_nat: something is known about what lies between the node and the others. */
bool tree_advert_is_behind_nat(const tracker_node *node);
void tree_advert_add_nat(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const krpc_endpoint *node);

/* tree_peerwire.c */

void tree_peerwire_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet);

/* stats.c */

/* stats_packet is what taps get. */
typedef struct stats_packet {
    const tracking_packet *packet;
    const char *client; /* NULL when unknown */
} stats_packet;

#define STATS_TAP         "krpc"        /* every KRPC message */
#define STATS_TAP_ADVERTS "krpc_advert" /* every packet with an advertisement, of the peer wire too */

void stats_register(void);
/* stats_tap hands a packet to whoever counts. */
void stats_tap(packet_info *pinfo, const tracking_packet *packet);

/* stats_tables.c, stats_text.c */

void stats_tables_register(void);
void stats_text_register(void);

/* filters.c */

#define FILTERS_KEY UINT32_MAX /* of the packet's proto data: the tracking_packet whose message is shown */

void filters_register(void);

#endif
