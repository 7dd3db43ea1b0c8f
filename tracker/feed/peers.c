/* peers.c: ports in the peer wire protocol, in announces to UDP trackers and in local service discovery.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#include <krpc/trackerwire.h>

#include "stream.h"
#include "utp.h"

#define PEER_ID_LEN   20
#define WAITING_BYTES (4u << 20)
#define WAITING_SIDE  (64u << 10)

/* side is the state of one direction of a connection. */
typedef struct side {
    peerwire_reader reader;
    peerwire_side said;
    uint8_t family[2];
    uint8_t has_info_hash;
    uint8_t info_hash[20];
} side;

struct peers {
    stream_table *table;
    tracker *owner;
    const tracker_packet *packet; /* the current one */
    tracker_result *out;
    const krpc_sink *sink;
};

/* ---- which client is that? ---- */

static void set_family(uint8_t out[2], const char code[3])
{
    memcpy(out, code, 2);
}

/* The client's code in v, from the code in its peer id (BEP 20). */
static void family_of_peer_id(uint8_t out[2], const uint8_t *id)
{
    static const char codes[][2][3] = {
        {"LT", "LT"}, {"qB", "LT"}, {"DE", "LT"}, {"lt", "lt"}, {"TR", "TR"}, {"UT", "UT"}, {"UM", "UT"},
        {"UE", "UT"}, {"UW", "UT"}, {"BT", "UT"}, {"AZ", "Az"}, {"BI", "Az"}, {"MO", "MO"}, {"A2", "A2"},
    };
    const uint8_t *code = id[0] == '-' ? id + 1 : id;

    if (id[0] != '-' && memcmp(id, "A2-", 3) != 0) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (memcmp(code, codes[i][0], 2) == 0) {
            set_family(out, codes[i][1]);
        }
    }
}

static void family_of_name(uint8_t out[2], const uint8_t *name, size_t len)
{
    static const struct {
        const char *begin;
        const char *code;
    } names[] = {{"libtorrent", "LT"}, {"qBittorrent", "LT"},  {"Deluge", "LT"},     {"libTorrent", "lt"},
                 {"rTorrent", "lt"},   {"Transmission", "TR"}, {"aria2", "A2"},      {"\xc2\xb5Torrent", "UT"},
                 {"uTorrent", "UT"},   {"BitTorrent", "UT"},   {"MonoTorrent", "MO"}};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        size_t begin = strlen(names[i].begin);

        if (len >= begin && memcmp(name, names[i].begin, begin) == 0) {
            set_family(out, names[i].code);
            return;
        }
    }
}

/* ---- one message ---- */

/* Converts the positions of findings from the message to the packet's payload. */
typedef struct shifted {
    const krpc_sink *to;
    int64_t shift; /* negative: the message started in an earlier packet */
} shifted;

static void emit_shifted(void *ctx, const krpc_finding *finding)
{
    const shifted *s = ctx;
    bool here = s->shift >= 0;

    krpc_emit(s->to, finding->rule, here ? (uint32_t)(finding->off + s->shift) : 0, here ? finding->len : 0, finding->a,
              finding->b);
}

static void take_advert(struct peers *p, const stream_bytes *bytes, const side *from, const krpc_advert *a,
                        int64_t shift)
{
    tracker_advert said;
    uint8_t flags = ADVERT_STREAM;

    memset(&said, 0, sizeof said);
    said.frame = p->packet->frame;
    said.time_ns = p->packet->time_ns;
    said.sender = *bytes->src;
    said.receiver = *bytes->dst;
    said.advertised_port = (int32_t)CLAMP(a->port, INT32_MIN, INT32_MAX);
    said.channel = (uint8_t)a->channel;
    said.service = (uint8_t)a->service;
    said.effective_port = a->port > 1 && a->port <= 65535 ? (uint16_t)a->port : 0;
    said.has_info_hash = from->has_info_hash;
    memcpy(said.info_hash, from->info_hash, sizeof said.info_hash);
    said.over_tcp = bytes->transport == STREAM_TCP;
    if (bytes->transport == STREAM_UTP) {
        flags |= ADVERT_UTP;
    }
    if (a->channel == KRPC_CHANNEL_PORT_MESSAGE) {
        p->owner->stats.port_messages_utp += bytes->transport == STREAM_UTP;
        p->owner->stats.port_messages_tcp += bytes->transport == STREAM_TCP;
    }
    if (shift >= 0) {
        said.off = (uint32_t)(a->off + shift);
        said.len = a->len;
    }
    advert_add(p->owner, &said, from->family, flags, p->out, p->sink);
}

static void take_message(struct peers *p, const stream_bytes *bytes, side *from, const side *to,
                         const peerwire_event *event)
{
    bool here = bytes->frame == p->packet->frame && event->begin >= from->reader.chunk_off;
    shifted shift = {p->sink, here ? (int64_t)(bytes->offset + (event->begin - from->reader.chunk_off)) : -1};
    krpc_sink sink = {emit_shifted, &shift};
    tracker *t = p->owner;
    peerwire_message m;
    peerwire_advert_iter it;
    krpc_advert a;

    peerwire_message_parse(&m, event->data, event->len, &from->said, to == NULL ? NULL : &to->said, &sink);
    peerwire_side_update(&from->said, &m);
    t->stats.peerwire_messages++;
    if (m.kind == PEERWIRE_HANDSHAKE && event->len >= PEERWIRE_HANDSHAKE_LEN) {
        from->has_info_hash = 1;
        memcpy(from->info_hash, event->data + PEERWIRE_INFO_HASH_OFF, sizeof from->info_hash);
        family_of_peer_id(from->family, event->data + PEERWIRE_PEER_ID_OFF);
    }
    if (m.extension == PEERWIRE_EXT_HANDSHAKE && peerwire_has(&m, PEERWIRE_KEY_V) && from->family[0] == 0) {
        family_of_name(from->family, event->data + m.value[PEERWIRE_KEY_V].off, m.value[PEERWIRE_KEY_V].len);
    }
    if (t->options.peerwire != NULL) {
        t->options.peerwire(t->options.ctx, p->packet, &m, event->data, shift.shift);
    }
    peerwire_advert_init(&it, &m, event->data);
    while (peerwire_advert_next(&it, &a)) {
        if (a.whose == KRPC_WHOSE_SENDER && a.has_port) {
            take_advert(p, bytes, from, &a, shift.shift);
        } else if (a.channel == KRPC_CHANNEL_YOURIP && a.endpoint.addr_len == bytes->dst->addr_len &&
                   !krpc_endpoint_same_addr(&a.endpoint, bytes->dst)) {
            krpc_emit(&sink, KRPC_RULE_PORT_OBSERVED_ADDR, a.off, a.len, 0, 0);
        }
    }
}

/* ---- trackers and the local network ---- */

/* The source port may be that of another socket than the DHT's, so announces are judged like advertisements over a
 * stream. off is where the message begins in the packet's payload; negative: in an earlier packet. */
static void take_announce(tracker *t, const tracker_packet *p, const trackerwire_message *m, int64_t off,
                          tracker_result *out, const krpc_sink *sink)
{
    krpc_advert a;
    tracker_advert said;
    uint8_t family[2] = {0, 0};

    if (!trackerwire_advert(&a, m)) {
        return;
    }
    memset(&said, 0, sizeof said);
    said.frame = p->frame;
    said.time_ns = p->time_ns;
    said.sender = p->src;
    said.receiver = p->dst;
    said.advertised_port = (int32_t)CLAMP(a.port, INT32_MIN, INT32_MAX);
    said.channel = (uint8_t)a.channel;
    said.service = (uint8_t)a.service;
    said.effective_port = a.port > 1 && a.port <= 65535 ? (uint16_t)a.port : 0;
    said.over_tcp = m->kind == TRACKERWIRE_HTTP;
    said.has_info_hash = m->has_info_hash;
    memcpy(said.info_hash, m->info_hash, sizeof said.info_hash);
    if (m->has_peer_id) {
        family_of_peer_id(family, m->peer_id);
    }
    if (off >= 0) {
        said.off = (uint32_t)(off + a.off);
        said.len = a.len;
    }
    if (a.port < 1 || a.port > 65535) {
        krpc_emit(sink, KRPC_RULE_PORT_INVALID, said.off, said.len, a.port, 0);
    }
    advert_add(t, &said, family, ADVERT_STREAM, out, sink);
}

/* An announce over HTTP is in one piece: the first line of a request is sent at once, and is short. */
static void take_request(struct peers *p, const stream_bytes *bytes)
{
    trackerwire_message m;

    if (bytes->transport == STREAM_TCP && trackerwire_http_parse(&m, bytes->data, bytes->len) == TRACKERWIRE_HTTP) {
        take_announce(p->owner, p->packet, &m, bytes->frame == p->packet->frame ? (int64_t)bytes->offset : -1, p->out,
                      p->sink);
    }
}

/* ---- streams ---- */

/* Is this one of the ports of options.peer_ports, which carry the peer wire protocol in any case? */
static bool is_certain(const tracker *t, const stream_bytes *bytes)
{
    for (uint32_t i = 0; bytes->transport == STREAM_TCP && i < t->options.num_peer_ports; i++) {
        if (bytes->src->port == t->options.peer_ports[i] || bytes->dst->port == t->options.peer_ports[i]) {
            return true;
        }
    }
    return false;
}

static stream_verdict take_bytes(void *ctx, const stream_bytes *bytes)
{
    struct peers *p = ctx;
    side **mine = bytes->state;
    side *const *other = bytes->peer_state;
    peerwire_event event;

    take_request(p, bytes);
    if (*mine == NULL) {
        *mine = table_alloc(&p->owner->stats.memory, 1, sizeof **mine);
        peerwire_reader_init(&(*mine)->reader);
        if (is_certain(p->owner, bytes)) {
            peerwire_reader_trust(&(*mine)->reader);
        }
    }
    if (bytes->join == STREAM_LOST) {
        peerwire_reader_gap(&(*mine)->reader, bytes->missing);
    }
    peerwire_reader_feed(&(*mine)->reader, bytes->data, bytes->len);
    while (peerwire_reader_next(&(*mine)->reader, &event)) {
        if (event.type == PEERWIRE_EVENT_MESSAGE) {
            take_message(p, bytes, *mine, *other, &event);
        } else if (bytes->frame == p->packet->frame) {
            krpc_emit(p->sink, KRPC_RULE_PEERWIRE_LOST, 0, 0, 0, 0);
        }
    }
    return peerwire_reader_done(&(*mine)->reader) ? STREAM_SIDE_DONE : STREAM_MORE;
}

static void free_side(struct peers *p, void *state)
{
    side **s = state;

    if (*s != NULL) {
        p->owner->stats.memory -= sizeof **s;
        table_free(*s);
        *s = NULL;
    }
}

static void end_stream(void *ctx, uint64_t id, void *state, void *other_state)
{
    (void)id;
    free_side(ctx, state);
    free_side(ctx, other_state);
}

static void feed(tracker *t, const tracker_packet *p, const stream_datagram *d, tracker_result *out,
                 const krpc_sink *sink)
{
    struct peers *peers = t->peers;

    if (peers == NULL) {
        stream_limits limits = {t->options.max_streams, WAITING_BYTES, WAITING_SIDE, 0, sizeof(side *), {0}};
        stream_sink to = {take_bytes, end_stream, NULL};

        memcpy(limits.hash_key, t->options.hash_key, sizeof limits.hash_key);
        peers = t->peers = table_alloc(&t->stats.memory, 1, sizeof *peers);
        peers->owner = t;
        to.ctx = peers;
        peers->table = stream_table_new(&limits, &to);
    }
    peers->packet = p;
    peers->out = out;
    peers->sink = sink;
    stream_add(peers->table, d, p->frame, p->time_ns);
    peers->packet = NULL;
    t->stats.dropped_streams = stream_table_stats(peers->table)->evicted;
}

void peers_clear(tracker *t)
{
    if (t->peers != NULL) {
        stream_table_free(t->peers->table);
        table_free(t->peers);
        t->peers = NULL;
    }
}

/* ---- datagrams and segments ---- */

/* Announces of a peer to a UDP tracker (BEP 15) and to its network (BEP 14). */
static void take_discovery(tracker *t, const tracker_packet *p, const uint8_t *data, size_t len, tracker_result *out,
                           const krpc_sink *sink)
{
    trackerwire_message m;

    if (p->dst.port == TRACKERWIRE_LSD_PORT) {
        trackerwire_lsd_parse(&m, data, len);
    } else {
        trackerwire_udp_parse(&m, data, len);
    }
    take_announce(t, p, &m, 0, out, sink);
}

static void begin_result(tracker_result **out, tracker_result *unwanted)
{
    if (*out == NULL) {
        *out = unwanted;
    }
    memset(*out, 0, sizeof **out);
}

void tracker_datagram(tracker *t, const tracker_packet *packet, const uint8_t *data, size_t len, tracker_result *out,
                      const krpc_sink *sink)
{
    tracker_result unwanted;
    stream_datagram d = {data, (uint32_t)len, (uint32_t)len, packet->src, packet->dst, STREAM_UTP, 0, 0, 0};
    utp_header utp;

    begin_result(&out, &unwanted);
    tracker_time(t, packet);
    lives_note(t, &packet->src, packet->frame);
    if (nodes_find(t, &packet->src) != NONE || nodes_find(t, &packet->dst) != NONE) {
        fact_moment at = {packet->time_ns, fact_place(packet->source, packet->frame)};

        facts_touch(&t->facts, &at, &packet->src, &packet->dst, hash_endpoint(&t->key, &packet->src),
                    hash_endpoint(&t->key, &packet->dst), FACT_DATAGRAM);
    }
    take_discovery(t, packet, data, len, out, sink);
    if (utp_header_get(&utp, data, (uint32_t)len, (uint32_t)len)) {
        if (utp.type == UTP_SYN) {
            adverts_connected(t, packet);
        }
        feed(t, packet, &d, out, sink);
    }
}

void tracker_segment(tracker *t, const tracker_packet *packet, uint32_t seq, uint32_t ack, unsigned flags,
                     const uint8_t *data, size_t len, size_t wire_len, tracker_result *out, const krpc_sink *sink)
{
    tracker_result unwanted;
    stream_datagram d = {
        data, (uint32_t)len, (uint32_t)wire_len, packet->src, packet->dst, STREAM_TCP, (uint8_t)flags, seq, ack};

    begin_result(&out, &unwanted);
    tracker_time(t, packet);
    if ((flags & (TRACKER_TCP_SYN | TRACKER_TCP_ACK)) == TRACKER_TCP_SYN) {
        adverts_connected(t, packet);
    }
    feed(t, packet, &d, out, sink);
}
