/* adverts.c: stores the port advertisements of senders about themselves.
 *
 * They are in a ring, by serial number. Chains link those that a later packet may concern, from newer to older; a chain
 * ends at the first one that is no longer in the ring.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define NUM_HEADS 16384
#define NUM_HOSTS 4096

typedef struct host_said {
    uint32_t frame;
    uint16_t port;
    uint8_t channel;
    uint8_t unused;
} host_said;

void adverts_init(tracker *t)
{
    adverts *a = &t->adverts;
    uint64_t *memory = &t->stats.memory;

    pool_init(&a->records, t->options.max_adverts, sizeof(advert), memory);
    a->num_heads = NUM_HEADS;
    for (unsigned i = 0; i < NUM_CHAINS; i++) {
        a->heads[i] = table_alloc(memory, NUM_HEADS, sizeof *a->heads[i]);
    }
    ways_init(&a->hosts, NUM_HOSTS, memory);
    a->said = table_alloc(memory, (size_t)a->hosts.num_sets * 8, sizeof *a->said);
}

void adverts_clear(tracker *t)
{
    pool_clear(&t->adverts.records);
    ways_clear(&t->adverts.hosts);
    for (unsigned i = 0; i < NUM_CHAINS; i++) {
        table_free(t->adverts.heads[i]);
    }
    table_free(t->adverts.said);
}

advert *advert_at(const tracker *t, uint64_t serial)
{
    uint32_t index = (uint32_t)(serial % t->adverts.records.max);

    if (serial < t->adverts.oldest || serial >= t->adverts.next) {
        return NULL;
    }
    return (advert *)(void *)t->adverts.records.chunks[index >> POOL_SHIFT] + (index & (POOL_CHUNK - 1));
}

advert *advert_at_low(const tracker *t, uint32_t low)
{
    return t->adverts.next == 0 ? NULL
                                : advert_at(t, t->adverts.next - 1 - (uint32_t)((uint32_t)(t->adverts.next - 1) - low));
}

static void done(tracker *t, uint64_t serial)
{
    const advert *a = advert_at(t, serial);
    tracker_advert out;

    if (t->options.advert_done != NULL) {
        advert_judge(t, a, &out);
        t->options.advert_done(t->options.ctx, &out);
    }
}

void adverts_finish(tracker *t)
{
    for (uint64_t serial = t->adverts.oldest; serial < t->adverts.next; serial++) {
        done(t, serial);
    }
}

bool tracker_advert_get(const tracker *t, uint64_t serial, tracker_advert *out)
{
    const advert *a = advert_at(t, serial);

    if (a != NULL) {
        advert_judge(t, a, out);
    }
    return a != NULL;
}

krpc_endpoint advert_named(const advert *a)
{
    krpc_endpoint named = a->said.sender;

    named.port = (uint16_t)a->said.advertised_port;
    return named;
}

static bool is_valid(int32_t port)
{
    return port > 1 && port <= 65535;
}

/* ---- recording ---- */

uint32_t *adverts_head(const tracker *t, advert_chain chain, const krpc_endpoint *endpoint,
                       const krpc_endpoint *receiver)
{
    uint64_t hash = hash_endpoint(&t->key, endpoint);

    if (chain != CHAIN_NAMED) {
        hash = hash_fold(hash ^ t->key.k[0], hash_addr(&t->key, receiver) ^ t->key.k[1]);
    }
    return &t->adverts.heads[chain][(uint32_t)hash & (t->adverts.num_heads - 1)];
}

krpc_endpoint advert_source(const advert *a)
{
    krpc_endpoint from = a->said.sender;

    from.port = a->said.dht_port;
    return from;
}

static void link_into(tracker *t, advert *a, uint64_t serial, advert_chain chain, const krpc_endpoint *endpoint)
{
    uint32_t *head = adverts_head(t, chain, endpoint, &a->said.receiver);

    a->next[chain] = *head;
    *head = (uint32_t)serial + 1;
}

/* Advertisements of a DHT port are found again by later queries, those of a peer port by later connections. */
static void link_up(tracker *t, advert *a, uint64_t serial)
{
    krpc_endpoint named = advert_named(a);
    krpc_endpoint from = advert_source(a);
    bool testable = (a->flags & ADVERT_TESTABLE) != 0;

    if (a->said.service != KRPC_SERVICE_DHT) {
        if (testable) {
            link_into(t, a, serial, CHAIN_PEERS, &named);
        }
        return;
    }
    t->adverts.num_dht++;
    link_into(t, a, serial, CHAIN_NAMED, &named);
    if (testable || a->said.channel == KRPC_CHANNEL_CONTACT) {
        link_into(t, a, serial, CHAIN_TOLD, &named);
    }
    if (testable && from.port != 0) {
        link_into(t, a, serial, CHAIN_SOURCE, &from);
    }
}

/* Finds an earlier advertisement of the same host, on another channel, of another port for the same service. Local
 * service discovery, and an address with several nodes that may be the sender, prove nothing. */
static void contradict(tracker *t, advert *a)
{
    const tracker_advert *said = &a->said;
    uint32_t node_index;
    uint64_t key = hash_words(&t->key, hash_addr(&t->key, &said->sender), said->service,
                              (uint64_t)a->family[0] << 8 | a->family[1]);
    uint32_t slot;
    host_said *last;

    if (said->channel == KRPC_CHANNEL_LSD || said->implied_port != 0 || !is_valid(said->advertised_port) ||
        advert_host_nodes(t, &said->sender, a->family, 0, &node_index) > 1) {
        return;
    }
    slot = ways_find(&t->adverts.hosts, key);
    if (slot == NONE) {
        slot = ways_insert(&t->adverts.hosts, key, tracker_second(t));
        t->adverts.said[slot].frame = 0;
    }
    last = &t->adverts.said[slot];
    if (last->frame != 0 && last->channel != said->channel && last->port != said->advertised_port) {
        a->contradicts_frame = last->frame;
    }
    t->adverts.hosts.sets[slot / 8].time[slot % 8] = tracker_second(t);
    last->frame = said->frame;
    last->port = (uint16_t)said->advertised_port;
    last->channel = said->channel;
}

static void report(const advert *a, const krpc_sink *sink)
{
    const tracker_advert *said = &a->said;
    uint16_t from = said->dht_port;

    if (said->implied_port != 0) {
        if (said->advertised_port > 0 && said->advertised_port != from) {
            krpc_emit(sink, KRPC_RULE_PORT_IMPLIED, said->off, said->len, said->advertised_port, from);
        }
    } else if (said->channel == KRPC_CHANNEL_ANNOUNCE_PEER && is_valid(said->advertised_port) &&
               said->advertised_port != from) {
        krpc_emit(sink, KRPC_RULE_PORT_PEER_DIFFERS, said->off, said->len, said->advertised_port, from);
    }
    if (a->contradicts_frame != 0) {
        krpc_emit(sink, KRPC_RULE_PORT_CONTRADICTS, said->off, said->len, said->advertised_port, a->contradicts_frame);
    }
}

/* The port that a receiver uses if it ignores the advertisement. */
static uint16_t source_port(const advert *a)
{
    bool stream_peer = (a->flags & ADVERT_STREAM) != 0 && a->said.service == KRPC_SERVICE_PEER;

    return stream_peer ? a->said.sender.port : a->said.dht_port;
}

void advert_add(tracker *t, const tracker_advert *said, const uint8_t family[2], uint8_t flags, tracker_result *out,
                const krpc_sink *sink)
{
    adverts *all = &t->adverts;
    uint64_t serial = all->next;
    advert *a;

    if (serial - all->oldest == all->records.max) {
        a = advert_at(t, all->oldest);
        if (t->now_ns - a->said.time_ns < WINDOW_NS) {
            t->stats.dropped_adverts++;
        }
        done(t, all->oldest);
        all->oldest++;
    }
    pool_grow(&all->records, (uint32_t)(serial % all->records.max));
    all->next++;
    a = advert_at(t, serial);
    memset(a, 0, sizeof *a);
    a->said = *said;
    memcpy(a->family, family, sizeof a->family);
    a->flags = flags;
    if ((flags & ADVERT_STREAM) != 0 && (flags & ADVERT_UTP) == 0) {
        uint32_t index;

        if (advert_host_nodes(t, &said->sender, family, (uint16_t)said->advertised_port, &index) == 1) {
            const node *n = node_at(&t->nodes, index);

            a->said.dht_port = n->endpoint.port;
            a->said.has_node_id = (n->flags & NODE_HAS_ID) != 0;
            memcpy(a->said.node_id, n->id, sizeof a->said.node_id);
        }
    } else if ((flags & ADVERT_UTP) != 0) {
        a->said.dht_port = said->sender.port;
    }
    said = &a->said;
    if (is_valid(said->advertised_port) && (((flags & ADVERT_STREAM) != 0 && said->service == KRPC_SERVICE_DHT) ||
                                            said->advertised_port != source_port(a))) {
        a->flags |= ADVERT_TESTABLE;
    }
    t->stats.adverts[said->channel]++;
    contradict(t, a);
    if (is_valid(said->advertised_port) && said->implied_port == 0) {
        link_up(t, a, serial);
    }
    if (out != NULL) {
        out->first_advert = out->num_adverts == 0 ? serial : out->first_advert;
        out->num_adverts++;
    }
    report(a, sink);
}

static int32_t clamp(int64_t port)
{
    return (int32_t)CLAMP(port, INT32_MIN, INT32_MAX);
}

static void take_one(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data, uint32_t src,
                     krpc_channel channel, krpc_field field, tracker_result *out, const krpc_sink *sink)
{
    const node *n = node_at(&t->nodes, src);
    const uint8_t *id = krpc_message_id(m, data);
    bool port = field != KRPC_A_IMPLIED_PORT;
    tracker_advert said;
    field_sink about;

    memset(&said, 0, sizeof said);
    said.frame = p->frame;
    said.time_ns = p->time_ns;
    said.sender = p->src;
    said.receiver = p->dst;
    said.advertised_port = port ? clamp(m->value[field].num) : -1;
    said.dht_port = p->src.port;
    said.channel = (uint8_t)channel;
    said.service = (uint8_t)krpc_channel_get(channel)->service;
    said.implied_port =
        said.service == KRPC_SERVICE_PEER && krpc_has(m, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0;
    said.effective_port = is_valid(said.advertised_port) ? (uint16_t)said.advertised_port : 0;
    if (id != NULL) {
        said.has_node_id = 1;
        memcpy(said.node_id, id, sizeof said.node_id);
    }
    if (krpc_has(m, KRPC_A_INFO_HASH) && m->value[KRPC_A_INFO_HASH].len == sizeof said.info_hash) {
        said.has_info_hash = 1;
        memcpy(said.info_hash, data + m->value[KRPC_A_INFO_HASH].off, sizeof said.info_hash);
    }
    said.version_len = n->version_len;
    memcpy(said.version, n->version, sizeof said.version);
    said.off = m->value[field].off;
    said.len = m->value[field].len;
    advert_add(t, &said, n->version, m->type == KRPC_QUERY ? 0 : ADVERT_ANSWER, out,
               field_sink_init(&about, sink, field));
    if (said.has_info_hash != 0 && said.service == KRPC_SERVICE_PEER) {
        values_announced(t, &said, t->adverts.next - 1);
    }
}

void adverts_take(tracker *t, const tracker_packet *p, const krpc_message *m, const uint8_t *data, uint32_t src,
                  transaction *query, tracker_result *out, const krpc_sink *sink)
{
    if (!krpc_has(m, KRPC_P) && !krpc_has(m, KRPC_A_PORT) && !krpc_has(m, KRPC_A_IMPLIED_PORT)) {
        return;
    }
    if (krpc_has(m, KRPC_P)) {
        take_one(t, p, m, data, src, KRPC_CHANNEL_P, KRPC_P, out, sink);
    }
    if (krpc_has(m, KRPC_A_PORT)) {
        bool contact = m->method == KRPC_METHOD_CONTACT;

        take_one(t, p, m, data, src, contact ? KRPC_CHANNEL_CONTACT : KRPC_CHANNEL_ANNOUNCE_PEER, KRPC_A_PORT, out,
                 sink);
    } else if (krpc_has(m, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0) {
        take_one(t, p, m, data, src, KRPC_CHANNEL_IMPLIED_PORT, KRPC_A_IMPLIED_PORT, out, sink);
    }
    if (query != NULL && out->num_adverts != 0) {
        query->adverts = (uint32_t)out->first_advert;
        query->num_adverts = (uint8_t)out->num_adverts;
    }
}
