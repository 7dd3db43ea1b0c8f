/* message_check.c: the findings that need the whole message.
 *
 * SPDX-License-Identifier: MIT
 */
#include "message_private.h"

typedef struct checker {
    const krpc_message *m;
    const uint8_t *data;
    const krpc_sink *sink;
} checker;

static const uint64_t required[] = {
    0,
#define F(SYMBOL)                                     KRPC_BIT(KRPC_##SYMBOL)
#define METHOD(SYMBOL, NAME, BEP, REQUIRED, EXPECTED) (REQUIRED),
#include <krpc/methods.def>
    0,
};

static bool has(const checker *c, krpc_field field)
{
    return krpc_has(c->m, field);
}

static bool there(const checker *c, krpc_field field)
{
    return ((c->m->present | c->m->wrong) & KRPC_BIT(field)) != 0;
}

static void report(const checker *c, krpc_rule rule, int64_t a, int64_t b)
{
    krpc_emit(c->sink, rule, 0, 0, a, b);
}

static void report_at(const checker *c, krpc_rule rule, krpc_field field, int64_t a, int64_t b)
{
    const krpc_value *v = &c->m->value[field];

    krpc_emit(c->sink, rule, v->off, v->len, a, b);
}

/* ---- the envelope ---- */

#define BIT(SYMBOL) KRPC_BIT(KRPC_##SYMBOL)

/* What a message of each type must have, and what it must not: where that holds nothing needs to be looked for. */
static const struct {
    uint64_t must;
    uint64_t must_not;
    krpc_field body;
} types[] = {
    [KRPC_TYPE_UNKNOWN] = {UINT64_MAX, 0, KRPC_NUM_FIELDS},
    [KRPC_QUERY] = {BIT(Y) | BIT(A) | BIT(Q), BIT(R) | BIT(E), KRPC_A},
    [KRPC_RESPONSE] = {BIT(Y) | BIT(R), BIT(A) | BIT(E), KRPC_R},
    [KRPC_ERROR] = {BIT(Y) | BIT(E), BIT(A) | BIT(R), KRPC_E},
};

static void check_type(const checker *c)
{
    krpc_type type = (krpc_type)c->m->type;
    uint64_t there_are = c->m->present | c->m->wrong;

    if ((there_are & types[type].must) == types[type].must && (there_are & types[type].must_not) == 0) {
        return;
    }
    if (!there(c, KRPC_Y)) {
        report(c, KRPC_RULE_KRPC_MISSING_Y, 0, 0);
    } else if (type == KRPC_TYPE_UNKNOWN) {
        report_at(c, KRPC_RULE_KRPC_BAD_Y, KRPC_Y, 0, 0);
    }
    if (type == KRPC_TYPE_UNKNOWN) {
        return;
    }
    if (!there(c, types[type].body)) {
        report(c, KRPC_RULE_KRPC_MISSING_BODY, 0, 0);
    }
    for (krpc_type other = KRPC_QUERY; other <= KRPC_ERROR; other++) {
        if (other != type && there(c, types[other].body)) {
            report_at(c, KRPC_RULE_KRPC_EXTRA_BODY, types[other].body, 0, 0);
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

/* Keys that are well-formed but stand where they should not. */
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

    if ((m->present & (BIT(ID) | BIT(A_RO) | BIT(R_IP) | BIT(R_NODES2) | BIT(R_BFSE) | BIT(RO) | BIT(IP))) == 0) {
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

/* BEP 44: an item, in a put or in the answer to a get. */
static void check_item(const checker *c, krpc_field item, krpc_field k, krpc_field seq, krpc_field sig)
{
    const krpc_value *v = &c->m->value[item];
    uint64_t mutable_keys = KRPC_BIT(k) | KRPC_BIT(seq) | KRPC_BIT(sig);
    uint64_t got = c->m->present & mutable_keys;
    /* a get that carries seq is answered without the item when that has not changed (BEP 44) */
    bool unchanged = seq == KRPC_R_SEQ && !has(c, item) && got == KRPC_BIT(seq);

    if (got != 0 && got != mutable_keys && !unchanged && (has(c, item) || (got & (KRPC_BIT(k) | KRPC_BIT(sig))) != 0)) {
        report(c, KRPC_RULE_BEP44_INCOMPLETE, 0, 0);
    }
    if (has(c, item)) {
        uint32_t end = value_end(v);
        uint32_t size = end - (v->key_off + 3); /* 1:v is in front of it */

        if (size > 1000) {
            krpc_emit(c->sink, KRPC_RULE_BEP44_TOO_LARGE, v->key_off + 3, size, size, 0);
        }
    }
}

static void check_query(const checker *c)
{
    const krpc_message *m = c->m;
    krpc_method method = (krpc_method)m->method;
    uint64_t missing = required[method] & ~(m->present | m->wrong);
    bool implied = has(c, KRPC_A_IMPLIED_PORT) && m->value[KRPC_A_IMPLIED_PORT].num != 0;

    if (method == KRPC_METHOD_UNKNOWN) {
        report_at(c, KRPC_RULE_KRPC_UNKNOWN_METHOD, KRPC_Q, 0, 0);
    }
    if (!has(c, KRPC_A)) {
        return;
    }
    check_id(c, KRPC_A_ID);
    if (implied) {
        missing &= ~KRPC_BIT(KRPC_A_PORT);
    }
    if (missing != 0) {
        report_at(c, KRPC_RULE_KRPC_MISSING_ARGUMENT, KRPC_A, (int64_t)missing, 0);
    }
    if ((m->present & (BIT(A_PORT) | BIT(C) | BIT(A_SEED))) == 0 && method != KRPC_METHOD_PUT) {
        return;
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
    uint64_t item = BIT(R_V) | BIT(R_K) | BIT(R_SIG) | BIT(R_SEQ);
    uint64_t samples = BIT(R_INTERVAL) | BIT(R_NUM) | BIT(R_SAMPLES);

    if (m->type == KRPC_RESPONSE) {
        check_id(c, KRPC_R_ID);
    }
    if ((m->present & (item | samples | BIT(R_P))) == 0) {
        return;
    }
    if (has(c, KRPC_R_P)) {
        check_seen_port(c);
    }
    if ((m->present & item) != 0) {
        check_item(c, KRPC_R_V, KRPC_R_K, KRPC_R_SEQ, KRPC_R_SIG);
    }
    if ((m->present & samples) != 0) {
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
    if (message->status != BENCODE_DONE) {
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
