/* message_check.c: the findings that need the whole message.
 *
 * SPDX-License-Identifier: MIT
 */
#include "message_private.h"

#include <krpc/compact.h>

typedef struct checker {
    const krpc_message *m;
    const uint8_t *data;
    const krpc_sink *sink;
} checker;

/* 0 or 1, an integer so that several can be joined with | instead of branches. */
static unsigned has(const checker *c, krpc_field field)
{
    return krpc_has(c->m, field);
}

static bool there(const checker *c, krpc_field field)
{
    return krpc_has_any(c->m, field);
}

static void report(const checker *c, krpc_rule rule, int64_t a, int64_t b)
{
    krpc_emit(c->sink, rule, 0, 0, a, b);
}

static void report_at(const checker *c, krpc_rule rule, krpc_field field, int64_t a, int64_t b)
{
    const krpc_value *v = &c->m->value[field];

    krpc_emit_at(c->sink, rule, field, v->off, v->len, a, b);
}

/* ---- the envelope ---- */

/* The body that each type of message has. */
static const krpc_field bodies[] = {KRPC_NUM_FIELDS, KRPC_A, KRPC_R, KRPC_E};

static void check_type(const checker *c)
{
    krpc_type type = (krpc_type)c->m->type;
    bool a = there(c, KRPC_A), r = there(c, KRPC_R), e = there(c, KRPC_E);

    if ((type == KRPC_QUERY && (a & !r & !e & there(c, KRPC_Q))) || (type == KRPC_RESPONSE && (r & !a & !e))) {
        return; /* nearly all */
    }
    if (!there(c, KRPC_Y)) {
        report(c, KRPC_RULE_KRPC_MISSING_Y, 0, 0);
    } else if (type == KRPC_TYPE_UNKNOWN) {
        report_at(c, KRPC_RULE_KRPC_BAD_Y, KRPC_Y, 0, 0);
    }
    if (type == KRPC_TYPE_UNKNOWN) {
        return;
    }
    if (!there(c, bodies[type])) {
        report(c, KRPC_RULE_KRPC_MISSING_BODY, 0, 0);
    }
    for (krpc_type other = KRPC_QUERY; other <= KRPC_ERROR; other++) {
        if (other != type && there(c, bodies[other])) {
            report_at(c, KRPC_RULE_KRPC_EXTRA_BODY, bodies[other], 0, 0);
        }
    }
    if (type == KRPC_QUERY && !there(c, KRPC_Q)) {
        report(c, KRPC_RULE_KRPC_MISSING_Q, 0, 0);
    }
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static void check_envelope(const checker *c)
{
    const krpc_message *m = c->m;

    if (!there(c, KRPC_T)) {
        report(c, KRPC_RULE_KRPC_MISSING_T, 0, 0);
    } else if (has(c, KRPC_T) && (m->value[KRPC_T].len == 0 || m->value[KRPC_T].len > 15)) {
        report_at(c, KRPC_RULE_KRPC_UNUSUAL_T, KRPC_T, m->value[KRPC_T].len, 0);
    }
    if (!there(c, KRPC_V)) {
        report(c, KRPC_RULE_KRPC_MISSING_VERSION, 0, 0);
    } else if (has(c, KRPC_V)) {
        const uint8_t *v = c->data + m->value[KRPC_V].off;

        if (m->value[KRPC_V].len != 4 || !is_letter(v[0]) || !(is_letter(v[1]) || (v[1] >= '0' && v[1] <= '9'))) {
            report_at(c, KRPC_RULE_KRPC_VERSION_FORM, KRPC_V, 0, 0);
        }
    }
}

/* Keys that are well-formed and in the wrong place. */
static void check_places(const checker *c)
{
    static const struct {
        krpc_field field;
        krpc_rule rule;
    } always[] = {{KRPC_ID, KRPC_RULE_KRPC_TOP_ID},
                  {KRPC_A_RO, KRPC_RULE_KRPC_MISPLACED_RO},
                  {KRPC_R_IP, KRPC_RULE_KRPC_MISPLACED_IP},
                  {KRPC_R_NODES2, KRPC_RULE_KRPC_NODES2},
                  {KRPC_R_BFSE, KRPC_RULE_BEP33_MISSPELT}};
    const krpc_message *m = c->m;

    if (!(has(c, KRPC_ID) | has(c, KRPC_A_RO) | has(c, KRPC_R_IP) | has(c, KRPC_R_NODES2) | has(c, KRPC_R_BFSE) |
          has(c, KRPC_RO) | has(c, KRPC_IP))) {
        return;
    }
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        if (has(c, always[i].field)) {
            report_at(c, always[i].rule, always[i].field, 0, 0);
        }
    }
    if (has(c, KRPC_RO) && (m->type == KRPC_RESPONSE || m->type == KRPC_ERROR)) {
        report_at(c, KRPC_RULE_KRPC_RO_IN_RESPONSE, KRPC_RO, 0, 0);
    }
    if (has(c, KRPC_IP) && m->type == KRPC_QUERY) {
        report_at(c, KRPC_RULE_KRPC_IP_IN_QUERY, KRPC_IP, 0, 0);
    }
}

/* ---- the bodies ---- */

static void check_id(const checker *c, krpc_field field)
{
    static const uint8_t zero[20];
    const uint8_t *id = c->data + c->m->value[field].off;

    if (has(c, field) && c->m->value[field].len == 20 && id[0] != 0) {
        return;
    }
    if (!there(c, field)) {
        report(c, KRPC_RULE_KRPC_MISSING_ID, 0, 0);
    } else if (has(c, field) && c->m->value[field].len == 20 && memcmp(id, zero, sizeof zero) == 0) {
        report_at(c, KRPC_RULE_ID_ZERO, field, 0, 0);
    }
}

static void check_port(const checker *c, krpc_field field, bool ignored)
{
    int64_t port = c->m->value[field].num;

    if (!has(c, field) || ignored) {
        return;
    }
    if (port < 1 || port > 65535) {
        report_at(c, KRPC_RULE_PORT_INVALID, field, port, 0);
    } else if (port == 1) {
        report_at(c, KRPC_RULE_PORT_ONE, field, 1, 0);
    }
}

static void check_seen_port(const checker *c)
{
    krpc_endpoint ip;
    int64_t port = c->m->value[KRPC_R_P].num;

    if (port < 1 || port > 65535) {
        report_at(c, KRPC_RULE_KRPC_OUT_OF_RANGE, KRPC_R_P, port, 0);
    }
    if (krpc_message_ip(&ip, c->m, c->data) && ip.port != port) {
        report_at(c, KRPC_RULE_PORT_R_P_DIFFERS, KRPC_R_P, port, ip.port);
    }
}

/* The address of a compact endpoint that ends len bytes after off, where it has 16 bytes. */
static bool is_mapped(const checker *c, uint32_t off, uint32_t len)
{
    return len >= 18 && krpc_addr_is_mapped(c->data + off + len - 18);
}

static void check_endpoint(const checker *c, krpc_field field)
{
    const krpc_value *v = &c->m->value[field];
    krpc_endpoint endpoint;

    if (!has(c, field) || !krpc_endpoint_get(&endpoint, c->data + v->off, v->len)) {
        return;
    }
    if (is_mapped(c, v->off, v->len)) {
        report_at(c, KRPC_RULE_KRPC_MAPPED_ADDRESS, field, 0, 0);
    }
    if (endpoint.port == 0) {
        report_at(c, KRPC_RULE_PORT_INVALID, field, 0, 0);
    }
}

/* One finding for a field, at the first entry that is so. */
static void check_mapped(const checker *c, krpc_field field)
{
    bool peers = field == KRPC_R_VALUES;
    const krpc_value *v = &c->m->value[field];
    krpc_compact_iter it;
    krpc_compact entry;

    if (!has(c, field)) {
        return;
    }
    if (field == KRPC_R_NODES6) { /* the hot one */
        for (uint32_t pos = 0; v->len - pos >= 38; pos += 38) {
            if (c->data[v->off + pos + 20] == 0 && is_mapped(c, v->off + pos, 38)) {
                krpc_emit_at(c->sink, KRPC_RULE_KRPC_MAPPED_ADDRESS, field, v->off + pos, 38, 0, 0);
                return;
            }
        }
        return;
    }
    if (peers) {
        krpc_peers_init(&it, c->m, c->data);
    } else {
        krpc_nodes_init(&it, c->m, c->data, field);
    }
    while (peers ? krpc_peers_next(&it, &entry) : krpc_nodes_next(&it, &entry)) {
        if (entry.endpoint.addr_len == 4 && is_mapped(c, entry.off, entry.len)) {
            krpc_emit_at(c->sink, KRPC_RULE_KRPC_MAPPED_ADDRESS, field, entry.off, entry.len, 0, 0);
            return;
        }
    }
}

/* Two peers or more, and "6:" at the beginning of each: by chance once in 2^32. */
static void check_prefixed(const checker *c)
{
    const krpc_value *v = &c->m->value[KRPC_R_VALUES];
    krpc_compact_iter it;
    krpc_compact entry;
    uint32_t num = 0;

    krpc_peers_init(&it, c->m, c->data);
    for (; krpc_peers_next(&it, &entry); num++) {
        if (entry.len < 2 || memcmp(c->data + entry.off, "6:", 2) != 0) {
            return;
        }
    }
    if (num >= 2) {
        krpc_emit_at(c->sink, KRPC_RULE_KRPC_VALUES_PREFIXED, KRPC_R_VALUES, v->off, v->len, 0, 0);
    }
}

static void check_values(const checker *c)
{
    const krpc_value *v = &c->m->value[KRPC_R_VALUES];
    static const char prefixed[] = "l6:6:";

    if (v->len != 8 * (uint64_t)v->num + 2) { /* not all are strings of 6 bytes */
        check_mapped(c, KRPC_R_VALUES);
    }
    if (v->len >= sizeof prefixed && memcmp(c->data + v->off, prefixed, sizeof prefixed - 1) == 0) {
        check_prefixed(c);
    }
}

/* What is left of bytes that were read as UTF-8: U+FFFD in the place of each that is none. */
static void check_mangled(const checker *c)
{
    uint32_t num = krpc_decoder_count_mangled(c->data, c->m->len);

    if (num >= MIN_MANGLED) {
        report(c, KRPC_RULE_KRPC_MANGLED, num, 0);
    }
}

/* BEP 44: an item, in a put or in the answer to a get. */
static void check_item(const checker *c, krpc_field item, krpc_field k, krpc_field seq, krpc_field sig)
{
    bool any = (has(c, k) | has(c, seq) | has(c, sig)) != 0;
    bool all = has(c, k) & has(c, seq) & has(c, sig);

    /* a get with seq is answered with seq and without the item when that has not changed (BEP 44) */
    if (any && !all && (has(c, item) || has(c, k) || has(c, sig))) {
        report(c, KRPC_RULE_BEP44_INCOMPLETE, 0, 0);
    }
    if (has(c, item)) {
        krpc_span whole = krpc_value_encoding(c->m, c->data, item);

        if (whole.len > 1000) {
            krpc_emit_at(c->sink, KRPC_RULE_BEP44_TOO_LARGE, item, whole.off, whole.len, whole.len, 0);
        }
    }
}

static void check_query(const checker *c)
{
    const krpc_message *m = c->m;
    krpc_method method = (krpc_method)m->method;
    const uint8_t *required = krpc_method_get(method)->required;
    uint32_t missing = 0;
    bool implied = has(c, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0;

    if (method == KRPC_METHOD_UNKNOWN) {
        report_at(c, KRPC_RULE_KRPC_UNKNOWN_METHOD, KRPC_Q, 0, 0);
    }
    if (!has(c, KRPC_A)) {
        return;
    }
    check_id(c, KRPC_A_ID);
    for (unsigned i = 0; i < KRPC_METHOD_FIELDS && required[i] != 0; i++) {
        missing |= there(c, (krpc_field)required[i]) || (implied && required[i] == KRPC_A_PORT) ? 0 : UINT32_C(1) << i;
    }
    if (missing != 0) {
        report_at(c, KRPC_RULE_KRPC_MISSING_ARGUMENT, KRPC_A, missing, method);
    }
    check_port(c, KRPC_A_PORT, implied && m->value[KRPC_A_PORT].num == 0);
    if (has(c, KRPC_C) && (method == KRPC_METHOD_GET_PEERS || method == KRPC_METHOD_ANNOUNCE_PEER)) {
        report_at(c, KRPC_RULE_BEP50_PROHIBITED, KRPC_C, 0, 0);
    }
    if (has(c, KRPC_A_SEED) && method != KRPC_METHOD_ANNOUNCE_PEER && method != KRPC_METHOD_UNKNOWN) {
        report_at(c, KRPC_RULE_BEP33_NAME, KRPC_A_SEED, 0, 0);
    }
    if (method == KRPC_METHOD_PUT) {
        check_item(c, KRPC_A_V, KRPC_A_K, KRPC_A_SEQ, KRPC_A_SIG);
        if (!m->canonical) {
            report(c, KRPC_RULE_BEP44_NOT_CANONICAL, 0, 0);
        }
        if (has(c, KRPC_A_TARGET)) {
            report_at(c, KRPC_RULE_BEP44_PUT_TARGET, KRPC_A_TARGET, 0, 0);
        }
    }
}

static void check_samples(const checker *c)
{
    const krpc_message *m = c->m;

    if (!there(c, KRPC_R_SAMPLES)) {
        report(c, KRPC_RULE_BEP51_MISSING, 0, 0);
    } else if (has(c, KRPC_R_NUM) && m->value[KRPC_R_NUM].num >= 0 && has(c, KRPC_R_SAMPLES) &&
               m->value[KRPC_R_SAMPLES].len / 20 > m->value[KRPC_R_NUM].num) {
        report_at(c, KRPC_RULE_BEP51_MORE, KRPC_R_SAMPLES, m->value[KRPC_R_SAMPLES].len / 20, m->value[KRPC_R_NUM].num);
    }
}

static void check_response(const checker *c)
{
    const krpc_message *m = c->m;
    if (m->type == KRPC_RESPONSE) {
        check_id(c, KRPC_R_ID);
    }
    if (has(c, KRPC_R_VALUES)) {
        check_values(c);
    }
    if (has(c, KRPC_R_NODES6) | has(c, KRPC_R_NODES2)) {
        check_mapped(c, KRPC_R_NODES6);
        check_mapped(c, KRPC_R_NODES2);
    }
    if (has(c, KRPC_R_P)) {
        check_seen_port(c);
    }
    if (has(c, KRPC_R_V) | has(c, KRPC_R_K) | has(c, KRPC_R_SEQ) | has(c, KRPC_R_SIG)) {
        check_item(c, KRPC_R_V, KRPC_R_K, KRPC_R_SEQ, KRPC_R_SIG);
    }
    if (has(c, KRPC_R_INTERVAL) | has(c, KRPC_R_NUM) | has(c, KRPC_R_SAMPLES)) {
        check_samples(c);
    }
}

void krpc_message_check(const krpc_message *message, const uint8_t *data, const krpc_sink *sink)
{
    checker c = {message, data, sink};

    if (message->status == BENCODE_DONE && message->len == 2) {
        report(&c, KRPC_RULE_KRPC_PUNCH_PROBE, 0, 0);
        return;
    }
    check_places(&c);
    if (has(&c, KRPC_P)) {
        check_port(&c, KRPC_P, false);
    }
    if (has(&c, KRPC_IP) | has(&c, KRPC_A_IP) | has(&c, KRPC_R_IP)) {
        check_endpoint(&c, KRPC_IP);
        check_endpoint(&c, KRPC_A_IP);
        check_endpoint(&c, KRPC_R_IP);
    }
    if (message->status != BENCODE_DONE) {
        check_mangled(&c);
        return; /* what is missing may be in the part that was lost */
    }
    check_type(&c);
    check_envelope(&c);
    if (message->len > 1024) {
        report(&c, KRPC_RULE_KRPC_TOO_LARGE, message->len, 0);
    }
    if (message->type == KRPC_QUERY) {
        check_query(&c);
    }
    if (has(&c, KRPC_R)) {
        check_response(&c);
    }
    if (has(&c, KRPC_E_CODE) && krpc_error_text(message->value[KRPC_E_CODE].num) == NULL) {
        report_at(&c, KRPC_RULE_KRPC_ERROR_CODE, KRPC_E_CODE, message->value[KRPC_E_CODE].num, 0);
    }
}
