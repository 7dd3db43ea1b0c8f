/* test_judge_vectors.c: the cases of tests/vectors/judge, each under many hash keys.
 *
 * A case is a list of packets. They are judged twice: as facts that this test makes with the functions of facts.h, and
 * as messages that a tracker gets. Both must give what the case expects.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge/judge.h"
#include "judge_cases.h"
#include "scene.h"

#define NUM_KEYS    50
#define FACTS_BYTES (UINT64_C(64) << 20)

/* ---- what was judged, as text ---- */

typedef struct outcome {
    const test_case *of;
    const char *way; /* "facts" or "messages" */
    unsigned key;
    unsigned num_wrong;
} outcome;

static void put_frames(const outcome *o, GString *out, const uint32_t *frames, uint32_t num)
{
    for (uint32_t i = 0; i < num; i++) {
        const char *label = frames[i] >= 1 && frames[i] <= o->of->packets->len
                                ? g_array_index(o->of->packets, event, frames[i] - 1).label
                                : "";

        g_string_append(out, i == 0 ? "" : "+");
        if (label[0] != '\0') {
            g_string_append(out, label);
        } else {
            g_string_append_printf(out, "%u", frames[i]);
        }
    }
}

static void put_list(GString *out, const char *item)
{
    g_string_append_printf(out, "%s%s", out->len == 0 ? "" : ",", item);
}

static void put_endpoint(GString *out, const krpc_endpoint *endpoint)
{
    char text[KRPC_ENDPOINT_TEXT];

    put_list(out, krpc_endpoint_text(text, endpoint));
}

static bool wants(const char *value, char sign)
{
    return strchr(value, sign) != NULL;
}

/* Writes what the key of an expectation is about. value shows how much detail it wants; false: there is no such key. */
static bool describe(const outcome *o, GString *out, const tracker_node *n, const char *key, const char *value)
{
    const tracker_nat *nat = &n->nat;
    const tracker_reachability *reach = &n->reach;

    if (strcmp(key, "port") == 0) {
        g_string_append(out, tracker_port_name(nat->port));
    } else if (strcmp(key, "addresses") == 0) {
        g_string_append(out, tracker_addresses_name(nat->addresses));
    } else if (strcmp(key, "mapping") == 0) {
        g_string_append(out, tracker_mapping_name(nat->mapping));
    } else if (strcmp(key, "filtering") == 0) {
        g_string_append(out, tracker_filtering_name(nat->filtering));
    } else if (strcmp(key, "reason") == 0) {
        g_string_append(out, tracker_reason_name(nat->mapping_reason));
    } else if (strcmp(key, "port_reason") == 0) {
        g_string_append(out, tracker_reason_name(nat->port_reason));
    } else if (strcmp(key, "reach") == 0) {
        g_string_append(out, tracker_reach_name(reach->verdict));
    } else if (strcmp(key, "sites") == 0) {
        g_string_append_printf(out, "%u", reach->num_sites);
    } else if (strcmp(key, "remapped") == 0) {
        g_string_append_printf(out, "%u", nat->remapped);
    } else if (strcmp(key, "ours") == 0) {
        g_string_append(out, n->ours ? "yes" : "no");
    } else if (strcmp(key, "changed") == 0) {
        put_frames(o, out, &nat->changed_frame, 1);
    } else if (strcmp(key, "frames") == 0) {
        put_frames(o, out, reach->frames, reach->num_frames);
    } else if (strcmp(key, "external") == 0) {
        for (uint32_t i = 0; i < nat->num_kept; i++) {
            put_endpoint(out, &nat->external[i].endpoint);
            if (wants(value, '/')) {
                g_string_append_printf(out, "/%u", nat->external[i].observers);
            }
            if (wants(value, '@')) {
                g_string_append_c(out, '@');
                put_frames(o, out, nat->external[i].frames, nat->external[i].num_frames);
            }
        }
    } else if (strcmp(key, "open") == 0) {
        for (uint32_t i = 0; i < reach->num_open; i++) {
            put_endpoint(out, &reach->open[i].endpoint);
        }
    } else if (strcmp(key, "missing") == 0) {
        for (unsigned i = 0; i < TRACKER_NUM_MISSING; i++) {
            if ((reach->missing & 1u << i) != 0) {
                put_list(out, tracker_missing_name((tracker_missing)i));
            }
        }
    } else if (strcmp(key, "advice") == 0) {
        for (uint32_t i = 0; i < n->num_advice; i++) {
            const tracker_advice_item *a = &n->advice[i];

            put_list(out, tracker_advice_slug(a->advice));
            if (wants(value, ':') && a->port != 0) {
                g_string_append_printf(out, ":%u", a->port);
            }
            if (wants(value, '/') && a->said != 0) {
                g_string_append_printf(out, "/%u", a->said);
            }
            if (wants(value, '@') && a->num_frames > 0) {
                g_string_append_c(out, '@');
                put_frames(o, out, a->frames, a->num_frames);
            }
        }
    } else {
        return false;
    }
    if (out->len == 0) {
        g_string_append(out, "none");
    }
    return true;
}

static void say_wrong(outcome *o, unsigned line, const char *key, const char *got, const char *want)
{
    fprintf(stderr, "\n%s:%u: case %s (%s, key %u): %s is %s, expected %s\n", o->of->file, line, o->of->name, o->way,
            o->key, key, got, want);
    o->num_wrong++;
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The order of a list does not matter. */
static bool is_same_list(const char *got, const char *want)
{
    char **one = g_strsplit(got, ",", -1), **other = g_strsplit(want, ",", -1);
    unsigned num = g_strv_length(one);
    bool same = num == g_strv_length(other);

    qsort(one, num, sizeof *one, by_text);
    qsort(other, g_strv_length(other), sizeof *other, by_text);
    for (unsigned i = 0; i < num && same; i++) {
        same = strcmp(one[i], other[i]) == 0;
    }
    g_strfreev(one);
    g_strfreev(other);
    return same;
}

/* want is a list, several lists between "|" of which one is right, or "!" and a list that is wrong. */
static bool is_wanted(const char *got, const char *want)
{
    char **choices = g_strsplit(want + (want[0] == '!'), "|", -1);
    bool any = false;

    for (unsigned i = 0; choices[i] != NULL; i++) {
        any |= is_same_list(got, choices[i]);
    }
    g_strfreev(choices);
    return any != (want[0] == '!');
}

/* words are key=value; only_facts: a tracker is needed for advice. */
static void compare_node(outcome *o, const expectation *e, const tracker_node *n, bool only_facts)
{
    for (unsigned i = 0; e->words[i] != NULL; i++) {
        char **pair = g_strsplit(e->words[i], "=", 2);
        GString *got = g_string_new(NULL);

        if (pair[1] == NULL || !describe(o, got, n, pair[0], pair[1])) {
            fprintf(stderr, "%s:%u: \"%s\" is not key=value of a known key\n", o->of->file, e->line, e->words[i]);
            exit(2);
        }
        if (!(only_facts && (strcmp(pair[0], "advice") == 0 || strcmp(pair[0], "ours") == 0)) &&
            !is_wanted(got->str, pair[1])) {
            say_wrong(o, e->line, pair[0], got->str, pair[1]);
        }
        g_string_free(got, TRUE);
        g_strfreev(pair);
    }
}

/* ---- as facts ---- */

static void judge_as_facts(outcome *o)
{
    const test_case *c = o->of;
    tracker_options options = {0};
    uint64_t memory = 0;
    hash_key key;
    facts f;

    test_key_set(&options, o->key);
    hash_key_init(&key, options.hash_key);
    facts_init(&f, &key, FACTS_BYTES, &memory);
    f.contacts.num_dropped = c->num_dropped;
    for (unsigned i = 0; i < c->packets->len; i++) {
        const event *p = &g_array_index(c->packets, event, i);
        static const fact_what whats[] = {FACT_QUERY, FACT_ANSWER, FACT_STRAY, FACT_DATAGRAM};
        fact_moment at = {p->ns, fact_place(0, i + 1)};
        fact_contact *session;

        facts_time(&f, p->ns);
        if (p->what == WHAT_TIME) {
            continue;
        }
        session = facts_touch(&f, &at, &p->src, &p->dst, hash_endpoint(&key, &p->src), hash_endpoint(&key, &p->dst),
                              whats[p->what]);
        if (p->ip.addr_len != 0) {
            unsigned mine = fact_side(session, facts_find(&f, &p->dst));

            facts_sight(&f, FACT_TOLD, session->end[mine], session->end[!mine], &p->ip, p->query_ns, &at, p->ns);
        }
        for (unsigned k = 0; k < c->identities->len; k++) {
            const identity *id = &g_array_index(c->identities, identity, k);

            if (krpc_endpoint_equal(&id->endpoint, &p->src)) {
                facts_identity(&f, facts_find(&f, &p->src), id->id, (const uint8_t *)id->version, &at);
            }
        }
    }
    for (unsigned i = 0; i < c->expected->len; i++) {
        const expectation *e = &g_array_index(c->expected, expectation, i);
        uint32_t index = facts_find(&f, &e->socket);
        tracker_node n;
        judge_socket s;

        memset(&n, 0, sizeof n);
        if (index == NONE) {
            say_wrong(o, e->line, "socket", "not there", "there");
            continue;
        }
        judge_socket_init(&s, &f, index);
        n.nat = s.nat;
        n.reach = s.reach;
        judge_socket_clear(&s);
        compare_node(o, e, &n, true);
    }
    facts_clear(&f);
}

/* ---- as messages ---- */

static const identity *identity_of(const test_case *c, const krpc_endpoint *endpoint)
{
    for (unsigned k = 0; k < c->identities->len; k++) {
        const identity *id = &g_array_index(c->identities, identity, k);

        if (krpc_endpoint_equal(&id->endpoint, endpoint)) {
            return id;
        }
    }
    return NULL;
}

static void make_id(uint8_t out[20], const test_case *c, const krpc_endpoint *owner)
{
    const identity *id = identity_of(c, owner);

    if (id != NULL) {
        memcpy(out, id->id, 20);
        return;
    }
    for (unsigned i = 0; i < 20; i++) {
        out[i] = (uint8_t)(krpc_endpoint_hash(owner) * (2 * i + 1) >> 24);
    }
}

static const uint8_t info_hash[20] = "aaaaaaaaaaaaaaaaaaa";

static void put_claim(krpc_builder *b, const event *p)
{
    switch (p->channel) {
    case KRPC_CHANNEL_P:
        krpc_builder_int(b, KRPC_P, p->port);
        break;
    case KRPC_CHANNEL_CONTACT:
        krpc_builder_int(b, KRPC_A_PORT, p->port);
        break;
    default:
        krpc_builder_bytes(b, KRPC_A_INFO_HASH, info_hash, sizeof info_hash);
        krpc_builder_bytes(b, KRPC_A_TOKEN, "token", 5);
        krpc_builder_int(b, KRPC_A_PORT, p->port);
        if (p->channel == KRPC_CHANNEL_IMPLIED_PORT) {
            krpc_builder_int(b, KRPC_A_IMPLIED_PORT, 1);
        }
    }
}

static void hand_over(const test_case *c, tracker *t, const event *p, const tracker_packet *packet)
{
    static const uint8_t target[20] = "bbbbbbbbbbbbbbbbbbb";
    static const krpc_method methods[KRPC_NUM_CHANNELS] = {[KRPC_CHANNEL_CONTACT] = KRPC_METHOD_CONTACT,
                                                           [KRPC_CHANNEL_ANNOUNCE_PEER] = KRPC_METHOD_ANNOUNCE_PEER,
                                                           [KRPC_CHANNEL_IMPLIED_PORT] = KRPC_METHOD_ANNOUNCE_PEER};
    const identity *id = identity_of(c, &p->owner);
    uint8_t room[1024], bytes[1024], own[20], values[32] = "l6:"; /* the builder keeps pointers */
    char number[8];
    krpc_builder b;
    krpc_message m;
    uint32_t len;

    snprintf(number, sizeof number, "%04x", p->t);
    make_id(own, c, &p->owner);
    krpc_builder_init(&b, room, sizeof room, p->what == WHAT_QUERY ? KRPC_QUERY : KRPC_RESPONSE, number,
                      p->what == WHAT_STRAY ? 3 : 4);
    if (p->what == WHAT_QUERY) {
        krpc_method method = p->wants_peers                                           ? KRPC_METHOD_GET_PEERS
                             : p->port < 0 || methods[p->channel] == KRPC_METHOD_NONE ? KRPC_METHOD_FIND_NODE
                                                                                      : methods[p->channel];

        krpc_builder_method(&b, method);
        krpc_builder_bytes(&b, KRPC_A_ID, own, sizeof own);
        if (method == KRPC_METHOD_FIND_NODE) {
            krpc_builder_bytes(&b, KRPC_A_TARGET, target, sizeof target);
        }
        if (p->wants_peers) {
            krpc_builder_bytes(&b, KRPC_A_INFO_HASH, info_hash, sizeof info_hash);
        } else if (p->port >= 0) {
            put_claim(&b, p);
        }
    } else if (p->peer.addr_len != 0) {
        size_t size = 3 + krpc_endpoint_put(values + 3, &p->peer);

        values[size++] = 'e';
        krpc_builder_bytes(&b, KRPC_R_ID, own, sizeof own);
        krpc_builder_bytes(&b, KRPC_R_TOKEN, "token", 5);
        krpc_builder_raw(&b, KRPC_R_VALUES, values, size);
    } else {
        krpc_builder_bytes(&b, KRPC_R_ID, own, sizeof own);
        krpc_builder_bytes(&b, KRPC_R_NODES, "", 0);
    }
    if (p->ip.addr_len != 0) {
        krpc_builder_endpoint(&b, KRPC_IP, &p->ip);
    }
    if (id != NULL && id->version[0] != '\0') {
        krpc_builder_bytes(&b, KRPC_V, id->version, 4);
    }
    len = (uint32_t)krpc_builder_encode(&b, bytes, sizeof bytes);
    CU_ASSERT_FATAL(len > 40 && len <= sizeof bytes);
    krpc_message_decode(&m, bytes, len, len, NULL);
    CU_ASSERT_EQUAL_FATAL(krpc_message_probe(&m, bytes), KRPC_PROBE_YES);
    tracker_message(t, packet, &m, bytes, NULL, NULL, NULL);
}

/* A PORT message, after the handshake. */
static void hand_over_stream(const test_case *c, tracker *t, const event *p, const tracker_packet *packet)
{
    char peer_id[21] = "--------------------";
    const identity *id = identity_of(c, &p->owner);
    uint8_t bytes[128];
    size_t len;

    if (id != NULL && id->version[0] != '\0') {
        memcpy(peer_id + 1, id->version, 2);
        memcpy(peer_id + 3, "2000", 4);
    }
    len = peerwire_handshake_put(bytes, sizeof bytes, PEERWIRE_RESERVED_DHT, info_hash, (const uint8_t *)peer_id);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, (uint16_t)p->port);
    tracker_segment(t, packet, 1000, 0, TRACKER_TCP_SYN, NULL, 0, 0, NULL, NULL);
    tracker_segment(t, packet, 1001, 0, 0, bytes, len, len, NULL, NULL);
}

/* words: LABEL VERDICT [OUTCOME [OBSERVED]]. */
static void compare_claim(outcome *o, const expectation *e, const tracker *t)
{
    tracker_advert a;
    const event *p;
    bool found = false;
    unsigned num = g_strv_length(e->words);
    char text[KRPC_ENDPOINT_TEXT] = "none";

    for (uint64_t serial = 0; !found && tracker_advert_get(t, serial, &a); serial++) {
        p = &g_array_index(o->of->packets, event, a.frame - 1);
        found = strcmp(p->label, e->words[0]) == 0;
    }
    if (!found) {
        say_wrong(o, e->line, e->words[0], "no claim", "a claim");
        return;
    }
    if (num > 1 && !is_wanted(tracker_verdict_name((tracker_verdict)a.verdict), e->words[1])) {
        say_wrong(o, e->line, "verdict", tracker_verdict_name((tracker_verdict)a.verdict), e->words[1]);
    }
    if (num > 2 && !is_wanted(tracker_later_name((tracker_later)a.later), e->words[2])) {
        say_wrong(o, e->line, "outcome", tracker_later_name((tracker_later)a.later), e->words[2]);
    }
    if (num > 3) {
        if (a.observed.port != 0) {
            krpc_endpoint_text(text, &a.observed);
        }
        if (strcmp(e->words[3], text) != 0) {
            say_wrong(o, e->line, "observed", text, e->words[3]);
        }
    }
}

static tracker *feed_messages(const outcome *o)
{
    const test_case *c = o->of;
    tracker_options options = {.max_nodes = 4096, .max_transactions = 4096, .max_adverts = 1024, .max_streams = 64};
    tracker *t;

    test_key_set(&options, o->key);
    t = tracker_new(&options);
    for (unsigned i = 0; i < c->packets->len; i++) {
        const event *p = &g_array_index(c->packets, event, i);
        tracker_packet packet = {.frame = i + 1, .time_ns = p->ns, .src = p->src, .dst = p->dst};

        if (p->what == WHAT_TIME || p->what == WHAT_DATAGRAM) {
            tracker_datagram(t, &packet, (const uint8_t *)"?", 1, NULL, NULL);
        } else if (p->what == WHAT_STREAM) {
            hand_over_stream(c, t, p, &packet);
        } else {
            hand_over(c, t, p, &packet);
        }
    }
    tracker_finish(t);
    return t;
}

static void judge_as_messages(outcome *o)
{
    tracker *t = feed_messages(o);

    for (unsigned i = 0; i < o->of->expected->len; i++) {
        const expectation *e = &g_array_index(o->of->expected, expectation, i);
        tracker_node n;

        if (e->socket.addr_len == 0) {
            compare_claim(o, e, t);
        } else if (tracker_node_find(t, &e->socket, &n)) {
            compare_node(o, e, &n, false);
        } else {
            say_wrong(o, e->line, "node", "not there", "there");
        }
    }
    tracker_free(t);
}

/* ---- tests ---- */

/* The two ways to judge. Pairs and claims are what the tracker makes of messages; it cannot be told to drop facts. */
static unsigned judge_all(const GPtrArray *cases, unsigned key)
{
    unsigned num_wrong = 0;

    for (unsigned i = 0; i < cases->len; i++) {
        const test_case *c = cases->pdata[i];
        outcome o = {c, "facts", key, 0};

        if (!c->has_pairs && !c->has_claims && !c->only_messages) {
            judge_as_facts(&o);
        }
        if (c->num_dropped == 0) {
            o.way = "messages";
            judge_as_messages(&o);
        }
        num_wrong += o.num_wrong > 0;
    }
    return num_wrong;
}

static GPtrArray *read_cases(void)
{
    const char *root = getenv("SOURCE_DIR");
    const char *one = getenv("JUDGE_VECTORS");
    char *folder = g_build_filename(root == NULL ? "." : root, "tests/vectors/judge", NULL);
    GPtrArray *cases = judge_cases_read(one != NULL ? one : folder);

    CU_ASSERT(one != NULL || cases->len >= 250);
    g_free(folder);
    return cases;
}

static void every_case_is_judged_right(void)
{
    GPtrArray *cases = read_cases();

    CU_ASSERT_EQUAL(judge_all(cases, 0), 0);
    g_ptr_array_free(cases, TRUE);
}

static void no_hash_key_changes_a_verdict(void)
{
    GPtrArray *cases = read_cases();

    for (unsigned key = 1; key < NUM_KEYS; key++) {
        if (judge_all(cases, key) > 0) {
            CU_FAIL("with this key, a case is not judged right");
            break;
        }
    }
    g_ptr_array_free(cases, TRUE);
}

/* ---- one liar more ---- */

#define NUM_LIES 6

/* The value of a key, if it is one verdict that is not unknown; else NULL. */
static const char *known_value(const expectation *e, const char *key)
{
    size_t len = strlen(key);

    for (unsigned i = 0; e->words[i] != NULL; i++) {
        const char *value = e->words[i] + len;

        if (strncmp(e->words[i], key, len) == 0 && strcmp(value, "unknown") != 0 && strpbrk(value, "!|") == NULL) {
            return value;
        }
    }
    return NULL;
}

static void compare_lied(const test_case *c, const expectation *e, const char *got, const char *key, const char *kind)
{
    const char *want = known_value(e, key);

    if (want != NULL && strcmp(got, want) != 0 && strcmp(got, "unknown") != 0) {
        fprintf(stderr, "\n%s:%u: case %s with a liar that names %s: %s%s, expected %s\n", c->file, e->line, c->name,
                kind, key, got, want);
        CU_FAIL("one liar makes a verdict wrong");
    }
}

/* The liar tells NUM_LIES times, from the first packet of the socket to the last one. */
static void add_liar(test_case *c, const krpc_endpoint *socket, unsigned kind)
{
    krpc_endpoint liar = ep("20.99.99.99:7000"), outside = ep("203.0.113.9:0");
    int64_t first = INT64_MAX, last = 0;

    for (unsigned i = 0; i < c->packets->len; i++) {
        const event *p = &g_array_index(c->packets, event, i);

        if (krpc_endpoint_equal(&p->src, socket)) {
            first = MIN(first, p->ns);
            last = p->ns;
        }
    }
    for (unsigned i = 0; i < NUM_LIES; i++) {
        outside.port = kind == 0 ? socket->port : kind == 1 ? 52000 : (uint16_t)(51000 + i);
        judge_cases_lie(c, socket, &liar, &outside, first + (last - first) / NUM_LIES * i + 3700 * (MS / 1000));
    }
}

static void judge_with_liar(const test_case *c, const expectation *e, unsigned kind)
{
    static const char *const kinds[] = {"the inside port", "one other port", "many ports"};
    test_case lied = *c;
    outcome o = {&lied, "messages", 0, 0};
    tracker_node n;
    tracker *t;

    lied.packets = g_array_copy(c->packets);
    add_liar(&lied, &e->socket, kind);
    t = feed_messages(&o);
    if (tracker_node_find(t, &e->socket, &n)) {
        compare_lied(c, e, tracker_port_name(n.nat.port), "port=", kinds[kind]);
        compare_lied(c, e, tracker_mapping_name(n.nat.mapping), "mapping=", kinds[kind]);
    }
    tracker_free(t);
    g_array_free(lied.packets, TRUE);
}

/* What hosts of one network say never decides. The cases of liars.txt and corners.txt have a liar already. */
static bool takes_liar(const test_case *c)
{
    return c->num_dropped == 0 && !g_str_has_suffix(c->file, "liars.txt") && !g_str_has_suffix(c->file, "corners.txt");
}

static void one_liar_makes_no_verdict_wrong(void)
{
    GPtrArray *cases = read_cases();

    for (unsigned i = 0; i < cases->len; i++) {
        const test_case *c = cases->pdata[i];

        for (unsigned k = 0; k < c->expected->len && takes_liar(c); k++) {
            const expectation *e = &g_array_index(c->expected, expectation, k);
            bool inside = e->socket.addr_len == 4 && krpc_endpoint_scope(&e->socket) != KRPC_ADDR_GLOBAL;

            for (unsigned kind = 0; kind < 3 && inside; kind++) {
                judge_with_liar(c, e, kind);
            }
        }
    }
    g_ptr_array_free(cases, TRUE);
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(every_case_is_judged_right), UNIT_TEST(no_hash_key_changes_a_verdict),
                               UNIT_TEST(one_liar_makes_no_verdict_wrong)};

    return UNIT_RUN("judge vectors", tests);
}
