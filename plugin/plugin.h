/* plugin.h: the interfaces between the plugin's files.
 *
 *     plugin.c         the symbols that Wireshark looks for, and the order of registration
 *     fields.c         registers fields, subtrees and expert items, from the tables
 *     prefs.c          preferences
 *     tracking.c       hands each packet to the tracker once, and stores the result for as long as the file is open
 *     conclusions.c    what the tracker concludes from all packets so far
 *     dissect.c        the KRPC dissector: accepts or refuses a payload, sets the Info column, adds the tree
 *     socks.c          the endpoints of a datagram that a SOCKS5 proxy relays
 *     postdissect.c    reads what other dissectors have taken: TCP, uTP, ICMP errors, KRPC on ports of other protocols
 *     tree.c           the keys and values of a message
 *     tree_list.c      values with many entries: nodes, peers, info-hashes
 *     tree_item.c      text, and generated items
 *     tree_advert.c    port advertisements
 *     tree_reach.c     whether others can reach the sender, what to do, and its NAT
 *     hosts.c          the nodes, grouped by host
 *     tree_peerwire.c  BitTorrent peer wire messages
 *     findings.c       findings as expert items
 *     stats.c          taps, and statistics as trees
 *     stats_tables.c   response times, conversations and endpoints
 *     stats_text.c     the tables of tshark -z krpc,findings, krpc,ports, krpc,nat and krpc,nodes
 *     filters.c        conversation filters
 *
 * The codec and the tracker are done with a packet before the first item is added to the tree. Wireshark's functions
 * may leave by longjmp; then neither the codec nor the tracker is left in the middle of a packet. Results that take
 * more than one packet are found when a packet is dissected for the first time. They are stored with the packet, and
 * every later pass shows what is stored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include "compat.h"

#include <krpc/message.h>
#include <tracker/tracker.h>

/* fields.c */

extern int proto_krpc;     /* KRPC messages */
extern int proto_peerwire; /* ports in BitTorrent peer wire messages */

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

/* hf_key is the field of each key. hf_addr, hf_addr6 and hf_port are its parts where the value is an endpoint;
 * otherwise they are -1. */
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

extern int prefs_krpc_accept; /* prefs_accept: which messages the heuristic accepts */
extern int prefs_krpc_checks; /* prefs_checks: the least severe finding that is shown */
extern ws_bool prefs_krpc_supersede;
extern ws_bool prefs_krpc_peerwire;
extern ws_bool prefs_krpc_nat;
extern unsigned prefs_krpc_max_nodes;
extern unsigned prefs_krpc_max_transactions;
extern unsigned prefs_krpc_max_adverts;
extern unsigned prefs_krpc_max_streams;

void prefs_krpc_register(void);
/* prefs_krpc_shows is true for rules whose severity the preference includes. */
bool prefs_krpc_shows(krpc_rule rule);

/* Results for a packet. */

/* tracking_finding is one finding. It is smaller than krpc_finding. */
typedef struct tracking_finding {
    int64_t a;
    int64_t b;
    uint32_t off;
    uint16_t len; /* clamped to 65535 */
    uint8_t rule;
    uint8_t field;
} tracking_finding;

static inline tracking_finding tracking_finding_of(const krpc_finding *finding)
{
    return (tracking_finding){
        .off = finding->off,
        .len = (uint16_t)MIN(finding->len, UINT16_MAX),
        .rule = (uint8_t)finding->rule,
        .field = (uint8_t)finding->field,
        .a = finding->a,
        .b = finding->b,
    };
}

_Static_assert(KRPC_NUM_RULES <= UINT8_MAX && KRPC_NUM_FIELDS <= UINT8_MAX, "rules and fields take one byte");

/* tracking_peerwire is one peer wire message that a packet completed: its bytes, and its kind and extension, which
 * depend on earlier messages of the stream. */
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
    TRACKING_OTHER,   /* another datagram, or a segment, with findings, adverts or peer wire messages */
    TRACKING_QUOTE    /* a datagram inside an ICMP error */
} tracking_kind;

/* tracking_rare is the part of a record that few packets have. found and wire_len are what only the dissector of a
 * message knows: they are stored for a message that another dissector has taken, because only the postdissector can show
 * it. */
typedef struct tracking_rare {
    tracking_peerwire *peers;
    bool is_found;
    uint32_t wire_len;
    tracker_packet packet;
} tracking_rare;

/* tracking_record is the result for one datagram or segment, from its first dissection. It lives in wmem_file_scope,
 * together with its findings and its target. A message that is certainly KRPC and has nothing to store has none. */
typedef struct tracking_record {
    struct tracking_record *next; /* of the same frame */
    const tracking_rare *rare;    /* NULL: none of it */
    int64_t rtt_ns;               /* from the query to this message */
    uint64_t first_advert;        /* serial number of the first of num_adverts advertisements */
    uint32_t off;                 /* of the payload in its data source */
    uint32_t len;                 /* captured bytes */
    uint32_t request_frame;       /* the query that this answers, or that an ICMP error quotes; 0: none was captured */
    uint32_t repeats;             /* the frame of the query or response that this repeats; 0: none */
    uint16_t asked_port;          /* destination port of the query, if it differs from the source; else 0 */
    uint16_t num_findings;
    uint16_t num_adverts;
    uint8_t method;               /* krpc_method: of this query, or of the query that this message answers */
    unsigned kind : 2;            /* tracking_kind */
    unsigned is_in_frame : 1;     /* the data source is the frame; else it is made from several, or decrypted */
    unsigned asked_elsewhere : 1; /* the query that this answers was sent to another address */
    unsigned has_target : 1;      /* 20 bytes follow the findings: the target or info_hash of that query */
    tracking_finding findings[];
} tracking_record;

/* tracking_target returns the target or info_hash of the query that a message answers; NULL when it has none. */
static inline const uint8_t *tracking_target(const tracking_record *record)
{
    return record != NULL && record->has_target ? (const uint8_t *)&record->findings[record->num_findings] : NULL;
}

/* tracking_packet is one datagram or segment of the frame that is being dissected. It lives in pinfo->pool. */
typedef struct tracking_packet {
    struct tracking_packet *next; /* of the same frame */
    const uint8_t *data;          /* the payload's bytes */
    uint32_t len;
    uint32_t wire_len;
    uint32_t off;        /* of the payload in its data source */
    bool is_in_frame;    /* the data source is the frame */
    bool quoted;         /* inside an ICMP error */
    bool is_proxied;     /* a SOCKS5 proxy relays it: its endpoints are not those of the conversation */
    bool is_visited;     /* this is not the first pass */
    bool is_tracked;     /* the tracker has received it, in this pass or in an earlier one */
    bool is_refused;     /* it is no message */
    bool is_shown;       /* its items are in the tree */
    unsigned severities; /* that the tree has already, as bits */
    tracker_packet packet;
    krpc_message *message;              /* the decoded payload; NULL before it is decoded */
    const tracking_record *record;      /* NULL when there is nothing to show */
    proto_item *item;                   /* of the message that is shown; may be NULL */
    const struct tree_context *context; /* of the same; NULL: no tree was wanted */
} tracking_packet;

/* tracking.c */

void tracking_register(void);
tracker *tracking_tracker(void); /* NULL while no file is open */
bool tracking_finished(void);    /* the first pass over the whole file is complete */
/* tracking_complete_if_read ends the first pass where Wireshark does not say that it ends. Call it in later passes. */
void tracking_complete_if_read(void);

/* tracking_packet_new makes the description of a datagram or segment whose payload is wire_len bytes at off of tvb, and
 * adds it to those of the frame. Its endpoints are still empty. tracking_packet_find returns the description of the
 * payload at off of tvb; NULL when there is none yet. tracking_packet_first returns the first of the frame. */
tracking_packet *tracking_packet_new(packet_info *pinfo, tvbuff_t *tvb, uint32_t off, uint32_t wire_len);
tracking_packet *tracking_packet_find(packet_info *pinfo, tvbuff_t *tvb, uint32_t off);
tracking_packet *tracking_packet_first(packet_info *pinfo);

/* tracking_endpoint_set converts Wireshark's address; the endpoint is empty (addr_len 0) where that is no IP
 * address. */
void tracking_endpoint_set(krpc_endpoint *out, const address *addr, uint16_t port);

/* tracking_decode returns the packet's decoded payload. It decodes at the first call. */
const krpc_message *tracking_decode(packet_info *pinfo, tracking_packet *packet);

/* The tracking_put functions hand a packet to the tracker when it is dissected for the first time, and look its record
 * up in later passes. They set packet->record. tracking_put_message is true for payloads that are accepted as KRPC;
 * with forced, every dictionary is (Decode As, or the port preference). found: another dissector has taken the
 * message. tracking_put_datagram takes the other datagrams. */
bool tracking_put_message(packet_info *pinfo, tracking_packet *packet, bool forced, bool found);
void tracking_put_datagram(packet_info *pinfo, tracking_packet *packet);
void tracking_put_segment(packet_info *pinfo, tracking_packet *packet, uint32_t seq, uint32_t ack, unsigned flags);
/* tracking_put_quote takes the datagram that an ICMP error quotes; icmp is the error itself. */
void tracking_put_quote(packet_info *pinfo, tracking_packet *packet, const tracker_packet *icmp, bool port_unreachable);
/* tracking_quote_is_message is true for a quoted payload that is to be shown as KRPC. */
bool tracking_quote_is_message(packet_info *pinfo, tracking_packet *packet);

/* tracking_records returns the stored records of the frame. */
const tracking_record *tracking_records(packet_info *pinfo);
/* tracking_response_frame returns the frame of the first response to a query; 0: none yet. */
uint32_t tracking_response_frame(const tracking_packet *query);

/* tracking_advert_get returns the current state of an advertisement, or its last state where the tracker has dropped
 * it. */
bool tracking_advert_get(uint64_t serial, tracker_advert *out);

/* conclusions.c */

/* conclusions_clear forgets all of them, when the file is closed or its end is reached. */
void conclusions_clear(void);
/* conclusions_node_find looks a node up. Before the end of the file, its verdicts may not yet follow from the newest
 * packets. */
bool conclusions_node_find(const krpc_endpoint *endpoint, tracker_node *out);

/* conclusions_of returns the findings about a frame that follow from all packets so far. Call it in later passes
 * only: each call after new packets may judge all of them. During a live capture, those that follow from the newest
 * packets may be missing. conclusions_packet returns the payload that one of them is about; NULL when none of
 * the frame is shown. */
const tracker_conclusion *conclusions_of(uint32_t frame, unsigned *num_out);
tracking_packet *conclusions_packet(packet_info *pinfo, const tracker_conclusion *conclusion);
/* conclusions_get returns those about all frames, sorted by frame. */
const tracker_conclusion *conclusions_get(unsigned *num_out);

/* socks.c */

void socks_handoff(void);
/* socks_is_proxied is true when the payload that is being dissected is inside a SOCKS5 UDP datagram.
 * socks_endpoints_set sets its endpoints to those of the node and of the remote side, and not of the proxy. */
bool socks_is_proxied(packet_info *pinfo);
void socks_endpoints_set(tracker_packet *packet, packet_info *pinfo, tvbuff_t *tvb);

/* dissect.c */

extern dissector_handle_t krpc_handle;
void dissect_register(void);
void dissect_handoff(void);
/* dissect_is_wanted is true when datagrams on any port are to be dissected as KRPC: the heuristic krpc_udp is enabled,
 * and the user has assigned the ports to no other protocol. */
bool dissect_is_wanted(const tracking_packet *packet);
/* dissect_bind assigns the conversation of a message to the KRPC dissector from the next packet on, unless it belongs
 * to another dissector than BT-DHT. */
void dissect_bind(packet_info *pinfo, const tracking_packet *packet);
/* dissect_message shows a message: the tree, the columns, the taps. */
void dissect_message(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet);
/* dissect_client returns the name and version of the client that sent a message, from v; NULL when there is no v. */
const char *dissect_client(packet_info *pinfo, const tracking_packet *packet);
/* dissect_quote adds what is known about a quoted datagram to its item, or an item where Wireshark did not hand it to
 * the KRPC dissector because the quote is too short. */
void dissect_quote(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, tracking_packet *packet);

/* postdissect.c */

void postdissect_register(void);
/* postdissect_apply tells Wireshark which protocols' items the postdissector needs, according to the preferences. */
void postdissect_apply(void);
/* postdissect_parent returns the subtree of the transport protocol's item that the bytes at off of a data source belong
 * to; tree where there is none. Items there are no layer of the frame. */
proto_tree *postdissect_parent(proto_tree *tree, tvbuff_t *source, uint32_t off);

/* tree.c */

/* tree_place is the item of an unknown key's entry: a finding about these bytes is added to it. */
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
    uint32_t len; /* captured bytes */
    const krpc_message *message;
    const tracking_packet *packet;
    const uint8_t *target; /* the id that distances refer to; may be NULL */
    unsigned num_items;
    proto_item *item_of[KRPC_NUM_FIELDS]; /* NULL: the field is not shown */
    unsigned num_places;                  /* of keys that are not known */
    tree_place places[TREE_MAX_PLACES];
} tree_context;

void tree_message(tree_context *context, proto_tree *tree);

/* tree_has_room counts an item: false when the tree already has TREE_MAX_ITEMS. */
bool tree_has_room(tree_context *context);
/* tree_clamp returns the captured part of a span; a container that was cut may claim more. */
krpc_span tree_clamp(const tree_context *context, uint32_t off, uint32_t len);
/* tree_more_add adds the number of entries that are not shown. tree_remainder_add adds bytes that are not a whole
 * entry. Both add nothing for 0. */
void tree_more_add(tree_context *context, proto_tree *tree, uint32_t count);
void tree_remainder_add(tree_context *context, proto_tree *tree, uint32_t off, uint32_t len);
/* tree_common_text returns the text for the number of leading bits that an id shares with the target. tree_distance_add
 * adds that number as a hidden item, for filters and columns. */
const char *tree_common_text(packet_info *pinfo, unsigned bits);
void tree_distance_add(tree_context *context, proto_tree *tree, int hf, unsigned bits);

/* tree_list.c */

/* tree_list_add adds a value that is a list of nodes, peers or info-hashes. */
proto_item *tree_list_add(tree_context *context, proto_tree *tree, krpc_field field, krpc_span span);

/* findings.c */

/* findings_add adds the findings of packet->record as expert items: to the innermost item of packet->context that
 * covers the finding's bytes, or to packet->item where there is none. findings_add_conclusions adds those that follow
 * from all packets, when everything else of the frame is shown. findings_are_wanted is true when a filter or column
 * uses expert items. */
bool findings_are_wanted(proto_tree *tree);
void findings_add(packet_info *pinfo, tracking_packet *packet);
void findings_add_conclusions(packet_info *pinfo, proto_tree *tree);

/* tree_item.c */

#define TREE_ITEM_MAX_TEXT 200 /* bytes of a string that are shown */

/* These return text in pinfo->pool. tree_item_text escapes bytes that are not printable UTF-8 and shows at most max
 * bytes. tree_item_string shows a bencoded string's value: in quotes if it is printable, else in hex. tree_item_bencode
 * shows any bencoded value. tree_item_hex shows at most max bytes as lower-case hex. */
char *tree_item_text(packet_info *pinfo, const uint8_t *data, size_t len, size_t max);
char *tree_item_string(packet_info *pinfo, const uint8_t *data, size_t len);
char *tree_item_bencode(packet_info *pinfo, const uint8_t *data, size_t len);
char *tree_item_hex(packet_info *pinfo, const uint8_t *data, size_t len, size_t max);
/* tree_item_decimal writes a number to the end of out and returns its first digit: printf takes ten times as long. */
#define TREE_ITEM_DECIMAL 11
char *tree_item_decimal(char out[TREE_ITEM_DECIMAL], uint32_t num);

/* These add generated items: values that are not bytes of the packet. tree_item_frame adds nothing for frame 0. */
void tree_item_frame(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t frame);
void tree_item_uint(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num);
void tree_item_word(proto_tree *tree, int hf, tvbuff_t *tvb, const char *word);
void tree_item_meaning(proto_tree *tree, int hf, tvbuff_t *tvb, const char *word, const char *meaning);
/* Hidden items are for filters and columns, and for output that a program reads. tree_item_filter adds one only where a
 * filter or column uses it. */
void tree_item_hidden(proto_tree *tree, int hf, tvbuff_t *tvb, const char *text);
void tree_item_filter(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num);
void tree_item_flag(proto_tree *tree, int hf, tvbuff_t *tvb, bool flag);
void tree_item_time(proto_tree *tree, int hf, tvbuff_t *tvb, int64_t time_ns);
/* tree_item_addr adds an address, as hf4 or hf6 according to its family; with len 0 as a generated item. */
void tree_item_addr(proto_tree *tree, int hf4, int hf6, tvbuff_t *tvb, uint32_t off, uint32_t len,
                    const krpc_endpoint *endpoint);

/* tree_advert.c */

/* tree_advert_info_text appends the part of the Info column that is about ports: " ⚑ port 6881, seen as 40865". */
void tree_advert_info_text(wmem_strbuf_t *out, const tracking_packet *packet);
/* tree_advert_add_all adds all port advertisements of a message. */
void tree_advert_add_all(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracking_packet *packet);
/* tree_advert_add adds one advertisement by the sender; the payload begins at payload_off of tvb. */
void tree_advert_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracker_advert *advert,
                     uint32_t payload_off);

/* tree_reach.c */

/* tree_reach_is_behind_nat is true when there is evidence about a NAT between the node and other nodes. */
bool tree_reach_is_behind_nat(const tracker_node *node);
/* tree_reach_add adds the reachability of a node that is on the inside of the capture or has a verdict, and its NAT
 * where there is evidence; nothing where the preference is off. */
void tree_reach_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const krpc_endpoint *node);

/* hosts.c */

/* hosts_visit calls visit for each host of which is_wanted selects an endpoint. node is the record under which the
 * host is known, with the best verdict about reachability, the outside endpoints of all records, and the sums of their
 * messages. */
void hosts_visit(bool (*is_wanted)(void *ctx, const krpc_endpoint *endpoint),
                 void (*visit)(void *ctx, const tracker_node *node, unsigned num_nodes), void *ctx);

/* tree_peerwire.c */

/* tree_peerwire_add adds the peer wire messages that this packet completes, and the advertisements in them. source is
 * the data source that the payload is in. */
void tree_peerwire_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *source, tracking_packet *packet);

/* stats.c */

/* stats_packet is the data of both taps. */
typedef struct stats_packet {
    const tracking_packet *packet;
    const char *client; /* name and version; NULL when unknown */
} stats_packet;

#define STATS_TAP         "krpc"        /* every KRPC message */
#define STATS_TAP_ADVERTS "krpc_advert" /* every packet with a port advertisement, KRPC or peer wire */

void stats_register(void);
/* stats_tap hands a packet to the listeners of the taps. */
void stats_tap(packet_info *pinfo, const tracking_packet *packet);

/* stats_tables.c, stats_text.c */

void stats_tables_register(void);
void stats_text_register(void);

/* filters.c */

void filters_register(void);

#endif
