/* tracker.c: the public functions: hands each packet to the modules that need it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#include <krpc/node_id.h>

/* ---- names ---- */

static const char *const verdict_names[] = {
#define VERDICT(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const verdict_meanings[] = {
#define VERDICT(SYMBOL, NAME, MEANING) MEANING,
#include <tracker/verdicts.def>
};
static const char *const later_names[] = {
#define LATER(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const later_meanings[] = {
#define LATER(SYMBOL, NAME, MEANING) MEANING,
#include <tracker/verdicts.def>
};
static const char *const port_names[] = {
#define PORT_BEHAVIOUR(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const mapping_names[] = {
#define MAPPING(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const filtering_names[] = {
#define FILTERING(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};

static const char *const addresses_names[] = {
#define ADDRESSES(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const reach_names[] = {
#define REACH(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const reach_meanings[] = {
#define REACH(SYMBOL, NAME, MEANING) MEANING,
#include <tracker/verdicts.def>
};
static const char *const reason_names[] = {
#define REASON(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const reason_meanings[] = {
#define REASON(SYMBOL, NAME, MEANING) MEANING,
#include <tracker/verdicts.def>
};
static const char *const missing_names[] = {
#define MISSING(SYMBOL, NAME, MEANING) NAME,
#include <tracker/verdicts.def>
};
static const char *const missing_meanings[] = {
#define MISSING(SYMBOL, NAME, MEANING) MEANING,
#include <tracker/verdicts.def>
};
static const char *const advice_slugs[] = {
#define ADVICE(SYMBOL, SLUG, LINE, TEXT) SLUG,
#include <tracker/advice.def>
};
static const char *const advice_lines[] = {
#define ADVICE(SYMBOL, SLUG, LINE, TEXT) LINE,
#include <tracker/advice.def>
};
static const char *const advice_texts[] = {
#define ADVICE(SYMBOL, SLUG, LINE, TEXT) TEXT,
#include <tracker/advice.def>
};

#define PICK(names, value) ((unsigned)(value) < G_N_ELEMENTS(names) ? (names)[value] : NULL)

const char *tracker_verdict_name(tracker_verdict verdict)
{
    return PICK(verdict_names, verdict);
}

const char *tracker_verdict_meaning(tracker_verdict verdict)
{
    return PICK(verdict_meanings, verdict);
}

const char *tracker_later_name(tracker_later later)
{
    return PICK(later_names, later);
}

const char *tracker_later_meaning(tracker_later later)
{
    return PICK(later_meanings, later);
}

const char *tracker_port_name(tracker_port port)
{
    return PICK(port_names, port);
}

const char *tracker_mapping_name(tracker_mapping mapping)
{
    return PICK(mapping_names, mapping);
}

const char *tracker_filtering_name(tracker_filtering filtering)
{
    return PICK(filtering_names, filtering);
}

const char *tracker_addresses_name(tracker_addresses addresses)
{
    return PICK(addresses_names, addresses);
}

const char *tracker_reach_name(tracker_reach reach)
{
    return PICK(reach_names, reach);
}

const char *tracker_reach_meaning(tracker_reach reach)
{
    return PICK(reach_meanings, reach);
}

const char *tracker_reason_name(tracker_reason reason)
{
    return PICK(reason_names, reason);
}

const char *tracker_reason_meaning(tracker_reason reason)
{
    return PICK(reason_meanings, reason);
}

const char *tracker_missing_name(tracker_missing missing)
{
    return PICK(missing_names, missing);
}

const char *tracker_missing_meaning(tracker_missing missing)
{
    return PICK(missing_meanings, missing);
}

const char *tracker_advice_slug(tracker_advice advice)
{
    return PICK(advice_slugs, advice);
}

const char *tracker_advice_line(tracker_advice advice)
{
    return PICK(advice_lines, advice);
}

const char *tracker_advice_text(tracker_advice advice)
{
    return PICK(advice_texts, advice);
}

/* ---- start and end ---- */

static void default_to(uint32_t *value, uint32_t least, uint32_t if_zero)
{
    *value = *value == 0 ? if_zero : MAX(*value, least);
}

tracker *tracker_new(const tracker_options *options)
{
    static const uint8_t no_key[16];
    tracker *t = g_new0(tracker, 1);

    if (options != NULL) {
        t->options = *options;
    }
    default_to(&t->options.max_nodes, 16, 131072);
    default_to(&t->options.max_transactions, 64, 65536);
    default_to(&t->options.max_adverts, 16, 262144);
    if (t->options.max_memory == 0) {
        t->options.max_memory = UINT64_C(512) << 20;
    }
    default_to(&t->options.max_streams, 16, 4096);
    if (memcmp(t->options.hash_key, no_key, sizeof no_key) == 0) {
        for (size_t i = 0; i < sizeof no_key; i++) {
            t->options.hash_key[i] = (uint8_t)g_random_int_range(0, 256);
        }
    }
    hash_key_init(&t->key, t->options.hash_key);
    t->stats.memory = sizeof *t;
    nodes_init(t);
    transactions_init(t);
    facts_init(&t->facts, &t->key, t->options.max_memory, &t->stats.memory);
    tokens_init(t);
    adverts_init(t);
    values_init(t);
    lives_init(t);
    clusters_init(t);
    return t;
}

void tracker_free(tracker *t)
{
    if (t == NULL) {
        return;
    }
    nodes_clear(t);
    transactions_clear(t);
    verdicts_clear(t);
    facts_clear(&t->facts);
    pairs_clear(t);
    tokens_clear(t);
    adverts_clear(t);
    values_clear(t);
    lives_clear(t);
    clusters_clear(t);
    peers_clear(t);
    g_free(t);
}

void tracker_finish(tracker *t)
{
    if (!t->finished) {
        peers_clear(t); /* bytes that wait after a hole are dropped: no packet is left to report them with */
        t->finished = true;
        /* all queries have had their time for a response */
        t->now_ns += ANSWER_NS + 1;
        adverts_finish(t);
    }
}

void tracker_stats_get(const tracker *t, tracker_stats *out)
{
    const transactions *x = &t->transactions;

    *out = t->stats;
    out->dropped_facts = facts_num_dropped(&t->facts);
    out->unanswered += x->live - transactions_pending(t, ANSWER_NS);
}

/* Times may go backwards: expiry uses the latest time so far. */
void tracker_time(tracker *t, const tracker_packet *p)
{
    if (!t->begun) {
        t->begun = true;
        t->begin_ns = p->time_ns;
        t->now_ns = p->time_ns;
    }
    t->now_ns = MAX(t->now_ns, p->time_ns);
    facts_time(&t->facts, p->time_ns);
    t->stats.packets++;
}

/* ---- one message ---- */

bool tracker_decode(krpc_message *out, const uint8_t *data, uint32_t len, uint32_t wire_len, const krpc_sink *sink)
{
    if (len == 0 || data[0] != 'd') {
        return false;
    }
    krpc_message_decode(out, data, len, wire_len, sink);
    krpc_message_check(out, data, sink);
    return true;
}

bool tracker_admit(const tracker *t, const tracker_packet *packet, const krpc_message *message, const uint8_t *data,
                   tracker_accept accept)
{
    if (accept == TRACKER_ACCEPT_ALL) {
        return true;
    }
    switch (krpc_message_probe(message, data)) {
    case KRPC_PROBE_YES:
        return true;
    case KRPC_PROBE_MAYBE:
        return accept == TRACKER_ACCEPT_MAYBE ||
               (accept == TRACKER_ACCEPT_KNOWN &&
                (nodes_find(t, &packet->src) != NONE || nodes_find(t, &packet->dst) != NONE));
    default:
        return false;
    }
}

static bool wants_payload(const tracker *t, const krpc_message *message)
{
    return message->len >= BOTH_LEN && has_private(t);
}

void tracker_keys_make(const tracker *t, const tracker_packet *packet, const krpc_message *message, const uint8_t *data,
                       tracker_keys *out)
{
    bool asks = message->type == KRPC_QUERY;

    out->src = hash_endpoint(&t->key, &packet->src);
    out->dst = hash_endpoint(&t->key, &packet->dst);
    out->payload = wants_payload(t, message) ? pair_key(t, message, data) : 0;
    out->src_node = out->dst_node = out->query = NONE;
    out->token = krpc_has(message, KRPC_R_TOKEN) ? tokens_key(t, packet, message, data) : 0;
    out->has_t = krpc_has(message, KRPC_T);
    if (out->has_t) {
        transactions_keys(t, message, data, asks ? out->src : out->dst, asks ? &packet->dst : &packet->src, out);
    }
}

void tracker_fetch_indexes(const tracker *t, const tracker_keys *keys)
{
    nodes_fetch_index(t, keys->src);
    nodes_fetch_index(t, keys->dst);
    if (keys->has_t) {
        transactions_fetch_set(t, keys);
    }
    facts_touch_fetch(&t->facts, keys->src, keys->dst);
    /* prefetched even where the message has no such record, which is not known yet */
    pairs_fetch(t, keys);
    tokens_fetch(t, keys->token);
}

void tracker_fetch_records(const tracker *t, const tracker_packet *packet, const krpc_message *message,
                           tracker_keys *keys)
{
    keys->src_node = nodes_fetch(t, &packet->src, keys->src);
    keys->dst_node = nodes_fetch(t, &packet->dst, keys->dst);
    facts_touch_fetch_record(&t->facts, keys->src, keys->dst);
    if (keys->has_t) {
        transactions_fetch(t, keys, message->type == KRPC_QUERY);
    }
}

void tracker_fetch_datagram(const tracker *t, const tracker_packet *packet)
{
    lives_fetch(t, &packet->src);
}

typedef struct taking {
    tracker *t;
    const tracker_packet *p;
    const krpc_message *m;
    const uint8_t *data;
    tracker_result *out;
    const krpc_sink *sink;
    const tracker_keys *keys;
    uint32_t src;
    uint32_t dst;
} taking;

static void emit_about_field(void *ctx, const krpc_finding *finding)
{
    const field_sink *s = ctx;
    krpc_finding own = *finding;

    own.field = finding->len > 0 ? s->field : finding->field;
    s->to->emit(s->to->ctx, &own);
}

const krpc_sink *field_sink_init(field_sink *out, const krpc_sink *to, krpc_field field)
{
    if (to == NULL || to->emit == NULL) {
        return NULL;
    }
    *out = (field_sink){{emit_about_field, out}, to, field};
    return &out->sink;
}

static void take_sender(const taking *k)
{
    node *n = node_at(&k->t->nodes, k->src);
    const krpc_message *m = k->m;
    const uint8_t *id = krpc_message_id(m, k->data);

    if (k->p->src.port == 0) {
        krpc_emit(k->sink, KRPC_RULE_PORT_SOURCE_ZERO, 0, 0, 0, 0);
    }
    if (krpc_has(m, KRPC_V) && m->value[KRPC_V].len >= 2) {
        uint8_t len = (uint8_t)MIN(m->value[KRPC_V].len, sizeof n->version);

        n->version_len = len;
        memcpy(n->version, k->data + m->value[KRPC_V].off, len);
    }
    if (krpc_has(m, KRPC_RO) && m->value[KRPC_RO].num != 0 && m->type == KRPC_QUERY) {
        n->flags |= NODE_READ_ONLY;
        n->noted_frame = k->p->frame;
    }
    if (id != NULL) {
        uint32_t off = (uint32_t)(id - k->data);
        field_sink about;

        identity_take(
            k->t, k->p, k->src, k->dst, id, off,
            field_sink_init(&about, k->sink,
                            m->value[KRPC_A_ID].off == off && krpc_has(m, KRPC_A_ID) ? KRPC_A_ID : KRPC_R_ID));
    }
}

/* Notes the datagram in the facts, and looks for its copy on the other side of a NAT. */
static fact_contact *touch(const taking *k, fact_what what)
{
    tracker *t = k->t;
    fact_moment at = {k->p->time_ns, fact_place(k->p->source, k->p->frame)};
    fact_contact *c = facts_touch(&t->facts, &at, &k->p->src, &k->p->dst, k->keys->src, k->keys->dst, what);

    if (!has_private(t) && (addr_is_private(&k->p->src) || addr_is_private(&k->p->dst))) {
        g_atomic_int_set(&t->pairs.has_private, 1);
    }
    if (has_private(t) && k->m->len >= BOTH_LEN && krpc_message_id(k->m, k->data) != NULL) {
        pairs_note(t, k->p, k->keys->payload != 0 ? k->keys->payload : pair_key(t, k->m, k->data), k->keys,
                   k->m->type == KRPC_QUERY);
    }
    return c;
}

static void take_query(const taking *k)
{
    tracker *t = k->t;
    transaction *query;

    t->stats.queries[k->m->method]++;
    node_at(&t->nodes, k->src)->queries++;
    if (k->dst != NONE) {
        node_at(&t->nodes, k->dst)->queries_received++;
    } else {
        nodes_asked(t, k->keys->dst);
    }
    k->out->method = (krpc_method)k->m->method;
    query = transactions_query(t, k->p, k->m, k->data, k->keys, k->src, k->out, k->sink);
    touch(k, FACT_QUERY);
    take_sender(k);
    adverts_take(t, k->p, k->m, k->data, k->src, query, k->out, k->sink);
    nat_own_address(t, k->p, k->src, k->sink);
    items_check(t, k->m, k->data, k->out, k->sink);
    adverts_sent(t, k->p, k->m, k->out->repeats);
}

/* A good response to the method has at least one of its expected fields. */
static bool holds_expected(const krpc_message *m, krpc_method method)
{
    const uint8_t *expected = krpc_method_get(method)->expected;

    for (unsigned i = 0; i < KRPC_METHOD_FIELDS && expected[i] != 0; i++) {
        if (krpc_has_any(m, (krpc_field)expected[i])) {
            return true;
        }
    }
    return expected[0] == 0;
}

/* Checks a response against its query. */
static void check_answer(const taking *k, const transaction *query)
{
    const krpc_message *m = k->m;
    bool filters = krpc_has(m, KRPC_R_BFPE) || krpc_has(m, KRPC_R_BFSD) || krpc_has(m, KRPC_R_BFSE);

    if (m->type != KRPC_RESPONSE || m->status != BENCODE_DONE) {
        return;
    }
    if (!holds_expected(m, (krpc_method)query->method)) {
        krpc_emit(k->sink, KRPC_RULE_KRPC_INCOMPLETE_RESPONSE, 0, 0, query->frame, 0);
    }
    if (query->method == KRPC_METHOD_GET_PEERS && !krpc_has_any(m, KRPC_R_TOKEN)) {
        krpc_emit(k->sink, KRPC_RULE_KRPC_MISSING_TOKEN, 0, 0, query->frame, 0);
    }
    if (filters && (query->flags & TRANSACTION_SCRAPE) == 0) {
        krpc_emit(k->sink, KRPC_RULE_BEP33_NOT_ASKED, 0, 0, query->frame, 0);
    }
    if ((query->flags & TRANSACTION_TARGET) != 0 && krpc_has(m, KRPC_R_ID) && m->value[KRPC_R_ID].len == 20) {
        field_sink about;

        identity_near(k->t, node_at(&k->t->nodes, k->src), query->target, m->value[KRPC_R_ID].off,
                      field_sink_init(&about, k->sink, KRPC_R_ID));
    }
}

static void take_tokens(const taking *k, const transaction *query)
{
    tracker *t = k->t;

    if (krpc_has(k->m, KRPC_R_TOKEN)) {
        tokens_given(t, k->keys->token, k->p->frame, nat_seen_port(t, k->dst, &k->p->dst, &k->p->src));
    } else if (query != NULL && k->m->type == KRPC_ERROR && krpc_has(k->m, KRPC_E_CODE) &&
               k->m->value[KRPC_E_CODE].num == 203) {
        tokens_refused(t, k->p, query, nat_seen_port(t, k->dst, &k->p->dst, &k->p->src), k->sink);
    }
}

static void take_reply(const taking *k)
{
    tracker *t = k->t;
    node *n = node_at(&t->nodes, k->src);
    const transaction *query = transactions_reply(t, k->p, k->m, k->keys, k->dst, k->out, k->sink);
    const fact_contact *contact;

    if (k->m->type == KRPC_RESPONSE) {
        t->stats.responses++;
        n->responses++;
    } else {
        t->stats.errors++;
        n->errors++;
    }
    take_sender(k);
    if ((n->flags & (NODE_READ_ONLY | NODE_RO_REPORTED)) == NODE_READ_ONLY && query != NULL) {
        n->flags |= NODE_RO_REPORTED;
        krpc_emit(k->sink, KRPC_RULE_KRPC_READ_ONLY_ANSWERS, 0, 0, n->noted_frame, 0);
    }
    adverts_take(t, k->p, k->m, k->data, k->src, NULL, k->out, k->sink);
    contact = touch(k, query != NULL ? FACT_ANSWER : FACT_STRAY);
    nat_reply(t, k->p, k->m, k->data, query, k->out, contact, k->dst, k->sink);
    if (query != NULL) {
        check_answer(k, query);
    }
    take_tokens(k, query);
    items_check(t, k->m, k->data, k->out, k->sink);
    values_check(t, k->p, k->m, k->data, k->out, k->sink);
}

void tracker_message(tracker *t, const tracker_packet *packet, const krpc_message *message, const uint8_t *data,
                     const tracker_keys *keys, tracker_result *out, const krpc_sink *sink)
{
    tracker_result unwanted;
    tracker_keys own;
    taking k = {t, packet, message, data, out != NULL ? out : &unwanted, sink, keys != NULL ? keys : &own, 0, 0};
    node *from;

    memset(k.out, 0, sizeof *k.out);
    if (keys == NULL) {
        tracker_keys_make(t, packet, message, data, &own);
    }
    tracker_time(t, packet);
    k.src = nodes_touch(t, packet, k.keys->src, k.keys->src_node);
    k.dst = nodes_find_hashed(t, &packet->dst, k.keys->dst, k.keys->dst_node);
    switch (message->type) {
    case KRPC_QUERY:
        take_query(&k);
        break;
    case KRPC_RESPONSE:
    case KRPC_ERROR:
        take_reply(&k);
        break;
    default:
        t->stats.others++;
        touch(&k, FACT_DATAGRAM);
        take_sender(&k);
    }
    from = node_at(&t->nodes, k.src); /* up to here the record was without this packet */
    from->last_frame = packet->frame;
    from->last_ns = MAX(from->last_ns, packet->time_ns);
}

uint32_t tracker_unreachable(tracker *t, const tracker_packet *packet, const krpc_endpoint *quoted_src,
                             const krpc_endpoint *quoted_dst, const uint8_t *data, size_t len, bool port,
                             const krpc_sink *sink)
{
    krpc_message m;
    const transaction *query;

    tracker_time(t, packet);
    if (port) {
        adverts_unreachable(t, packet, quoted_dst);
    }
    krpc_message_decode(&m, data, len, len, NULL);
    query = transactions_find(t, quoted_src, quoted_dst, &m, data);
    if (query == NULL) {
        return 0;
    }
    t->stats.quoted++;
    if (port) {
        krpc_emit(sink, KRPC_RULE_NAT_UNREACHABLE, 0, 0, query->frame, 0);
    }
    return query->frame;
}
