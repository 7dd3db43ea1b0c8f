/* fuzz_message: the laws of the decoder.
 *
 *   - positions lie inside, of values, findings, statements about ports and unknown keys
 *   - the verdict on the structure is bencode_check's
 *   - a canonical message encodes to its own bytes; any complete one to bytes that decode to the same values and encode
 *     to themselves
 *   - every strict prefix of a complete message is cut, or snapped when the datagram was longer
 *   - what lies behind the end does not matter, nor whether anybody listens to the findings
 *   - every iterator ends
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <krpc/advert.h>
#include <krpc/message.h>

typedef struct collected {
    const uint8_t *data;
    size_t size; /* of the datagram: findings must lie inside */
    uint64_t hash;
    unsigned cut;
    unsigned snapped;
} collected;

static void collect(void *ctx, const krpc_finding *finding)
{
    collected *c = (collected *)ctx;
    char text[200];

    LAW((unsigned)finding->rule < KRPC_NUM_RULES, "a finding has a rule");
    LAW(finding->off <= c->size && finding->len <= c->size - finding->off, "a finding lies inside of the datagram");
    LAW(krpc_finding_text(text, sizeof text, finding, c->data, c->size) < sizeof text,
        "200 bytes hold a finding's line");
    for (const char *p = text; *p != '\0'; p++) {
        LAW(*p >= 0x20 && *p < 0x7f, "a finding's line is printable");
    }
    c->hash = fuzz_mix(c->hash, (uint64_t)finding->rule << 32 | finding->off);
    c->hash = fuzz_mix(c->hash, (uint64_t)finding->len);
    c->hash = fuzz_mix(fuzz_mix(c->hash, (uint64_t)finding->a), (uint64_t)finding->b);
    c->cut += finding->rule == KRPC_RULE_BENCODE_CUT;
    c->snapped += finding->rule == KRPC_RULE_BENCODE_SNAPPED;
}

static uint64_t hash_values(uint64_t hash, const krpc_message *m, const uint8_t *data, size_t size)
{
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        const krpc_value *v = &m->value[f];

        if (!krpc_has_any(m, f)) {
            continue;
        }
        LAW(!krpc_has(m, f) || !krpc_fields_have(&m->wrong, f), "a value is right or wrong");
        LAW(v->off <= size && v->len <= size - v->off, "a value lies inside");
        LAW(v->key_off <= v->off, "a value lies behind its key");
        hash = fuzz_mix(hash, (uint64_t)v->key_off << 32 | v->off);
        hash = fuzz_mix(hash, (uint64_t)v->len << 32 | (uint32_t)v->type << 8 | v->flags);
        {
            krpc_span whole = krpc_value_encoding(m, data, f);
            uint32_t end = 0;

            LAW(whole.off >= v->key_off && whole.off <= v->off && whole.off + whole.len >= v->off + v->len,
                "an encoding holds its value");
            LAW(m->status != BENCODE_DONE ||
                    (bencode_check(&end, data + whole.off, whole.len) == BENCODE_DONE && end == whole.len),
                "an encoding is one value");
        }
        hash = v->type == BENCODE_INT || v->type == BENCODE_LIST ? fuzz_mix(hash, (uint64_t)v->num) : hash;
    }
    return hash;
}

static uint64_t hash_adverts(uint64_t hash, const krpc_message *m, const uint8_t *data, size_t size)
{
    krpc_advert_iter it;
    krpc_advert a;
    size_t n = 0;

    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        LAW(++n <= size, "the statements about ports end");
        LAW(a.off <= size && a.len <= size - a.off, "a statement lies inside");
        LAW((unsigned)a.channel < KRPC_NUM_CHANNELS, "a statement has a channel");
        LAW(a.has_addr == (a.endpoint.addr_len != 0), "an address is there or is not");
        LAW(!a.has_port || a.port < 0 || a.port > 65535 || a.endpoint.port == a.port,
            "a port that fits is in the endpoint");
        hash = fuzz_mix(hash, (uint64_t)a.channel << 32 | a.off);
        hash = fuzz_mix(hash, (uint64_t)a.port);
        for (size_t i = 0; i < sizeof a.endpoint.addr; i++) {
            hash = fuzz_mix(hash, a.endpoint.addr[i]);
        }
    }
    LAW(!krpc_advert_next(&it, &a), "the end stays the end");
    return hash;
}

static uint64_t hash_walks(uint64_t hash, const krpc_message *m, const uint8_t *data, size_t size)
{
    for (krpc_scope scope = KRPC_SCOPE_TOP; scope < KRPC_SCOPE_E; scope++) {
        krpc_unknown walk;
        krpc_span key, value;
        size_t n = 0;

        LAW(m->body[scope].off <= size && m->body[scope].len <= size - m->body[scope].off, "a body lies inside");
        krpc_unknown_init(&walk, m, data, scope);
        while (krpc_unknown_next(&walk, &key, &value)) {
            LAW(++n <= size, "the unknown keys end");
            LAW(key.off <= size && key.len <= size - key.off, "an unknown key lies inside");
            LAW(value.off <= size && value.len > 0 && value.len <= size - value.off, "its value lies inside");
            hash = fuzz_mix(hash, (uint64_t)key.off << 32 | key.len);
            hash = fuzz_mix(hash, (uint64_t)value.off << 32 | value.len);
        }
    }
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        krpc_list list;
        bencode_token item;
        size_t n = 0;

        krpc_list_init(&list, m, data, f);
        while (krpc_list_next(&list, &item)) {
            LAW(++n <= size, "the items end");
            LAW(item.end <= size && item.off <= item.end, "an item lies inside");
        }
        LAW(m->value[f].type != BENCODE_LIST || !krpc_has_any(m, f) || f == KRPC_E_CODE ||
                n == (uint64_t)m->value[f].num,
            "a list has as many items as it says");
        hash = fuzz_mix(hash, n);
    }
    return hash;
}

/* Everything that can be asked of a datagram, as one number. */
static uint64_t ask(krpc_message *m, const uint8_t *data, size_t size, size_t wire_len, collected *found)
{
    krpc_sink sink = {collect, found};
    const uint8_t *id, *target;
    krpc_endpoint ip;
    uint64_t hash = 0;

    memset(m, 0xa5, sizeof *m); /* nothing of an earlier message matters */
    memset(found, 0, sizeof *found);
    found->data = data;
    found->size = size;
    krpc_message_decode(m, data, size, wire_len, &sink);
    krpc_message_check(m, data, &sink);
    LAW(m->len <= size, "a message lies inside");
    for (unsigned i = 0; i < KRPC_FIELD_WORDS; i++) {
        hash = fuzz_mix(fuzz_mix(hash, m->present.words[i]), m->wrong.words[i]);
    }
    hash = fuzz_mix(hash, m->stop);
    hash =
        fuzz_mix(hash, (uint64_t)m->status << 24 | (uint64_t)m->type << 16 | (uint64_t)m->method << 8 | m->canonical);
    hash = fuzz_mix(hash, (uint64_t)krpc_message_probe(m, data));
    hash = hash_values(hash, m, data, size);
    hash = hash_adverts(hash, m, data, size);
    hash = hash_walks(hash, m, data, size);
    id = krpc_message_id(m, data);
    target = krpc_message_target(m, data);
    LAW(id == NULL || (id >= data && (size_t)(id - data) + 20 <= size), "an id lies inside");
    LAW(target == NULL || (target >= data && (size_t)(target - data) + 20 <= size), "a target lies inside");
    hash = fuzz_mix(hash, krpc_message_ip(&ip, m, data) ? ip.port : 99999);
    return hash;
}

static void check_elsewhere(uint64_t hash, const collected *found, const uint8_t *data, size_t size, size_t behind,
                            uint8_t fill)
{
    uint8_t *copy = fuzz_copy(data, size, behind, fill);
    krpc_message m;
    collected again;

    LAW(ask(&m, copy, size, size, &again) == hash, "what lies behind the end does not matter");
    LAW(again.hash == found->hash, "nor for the findings");
    free(copy);
}

static bool same_value(const krpc_message *a, const uint8_t *a_data, const krpc_message *b, const uint8_t *b_data,
                       krpc_field f)
{
    const krpc_value *v = &a->value[f];
    const krpc_value *w = &b->value[f];

    if (v->type != w->type || f == KRPC_A || f == KRPC_R) {
        return v->type == w->type;
    }
    if (v->type == BENCODE_INT) {
        return v->num == w->num;
    }
    return v->len == w->len && memcmp(a_data + v->off, b_data + w->off, v->len) == 0;
}

static bool same_fields(const krpc_message *a, const krpc_message *b)
{
    return memcmp(&a->present, &b->present, sizeof a->present) == 0 &&
           memcmp(&a->wrong, &b->wrong, sizeof a->wrong) == 0;
}

static void check_encoding(const krpc_message *m, const uint8_t *data)
{
    size_t len = krpc_message_encode(NULL, 0, m, data);
    uint8_t *out = malloc(len > 0 ? len : 1);
    uint8_t *part = malloc(len / 2 + 1);
    krpc_message again;

    LAW(len > 0, "a complete message has an encoding");
    LAW(krpc_message_encode(out, len, m, data) == len, "a dry run gives the size");
    LAW(krpc_message_encode(part, len / 2, m, data) == len, "too little room does not change it");
    LAW(memcmp(out, part, len / 2) == 0, "what has room is written");
    if (m->canonical) {
        LAW(len == m->len && memcmp(out, data, len) == 0, "a canonical message encodes to its own bytes");
    }
    krpc_message_decode(&again, out, len, len, NULL);
    LAW(again.status == BENCODE_DONE && again.len == len, "an encoding is complete");
    LAW(same_fields(&again, m), "an encoding has the same keys");
    LAW(again.type == m->type && again.method == m->method, "an encoding is the same message");
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        LAW(!krpc_has_any(m, f) || same_value(m, data, &again, out, f), "an encoding has the same values");
    }
    {
        uint8_t *twice = malloc(len);

        LAW(krpc_message_encode(twice, len, &again, out) == len && memcmp(twice, out, len) == 0,
            "an encoding encodes to itself");
        free(twice);
    }
    free(part);
    free(out);
}

static void check_prefixes(const uint8_t *data, uint32_t len)
{
    for (size_t n = len % 5; n < len; n += fuzz_steps(len)) {
        uint8_t *copy = fuzz_copy(data, n, 0, 0);
        krpc_message m;
        collected found;

        ask(&m, copy, n, n, &found);
        LAW(m.status == BENCODE_CUT && found.cut == 1 && found.snapped == 0, "every strict prefix is cut");
        ask(&m, copy, n, len, &found);
        LAW(m.status == BENCODE_CUT && found.cut == 0 && found.snapped == 1, "or snapped");
        LAW(krpc_message_encode(NULL, 0, &m, copy) == 0 && !m.canonical, "a prefix has no encoding");
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    krpc_message m, silent;
    collected found;
    uint32_t end = 0;
    uint64_t hash = ask(&m, data, size, size, &found);
    bencode_status status = bencode_check(&end, data, size);

    if (size > 0 && data[0] == 'd') {
        LAW(m.status == status, "the verdict is bencode_check's");
        LAW(status != BENCODE_DONE || m.len == end, "and so is the size");
    }
    check_elsewhere(hash, &found, data, size, 0, 0);
    check_elsewhere(hash, &found, data, size, 64, 'e');
    check_elsewhere(hash, &found, data, size, 64, '9');
    memset(&silent, 0x5a, sizeof silent);
    krpc_message_decode(&silent, data, size, size, NULL);
    krpc_message_check(&silent, data, NULL);
    LAW(same_fields(&silent, &m) && silent.status == m.status && silent.canonical == m.canonical &&
            hash_values(0, &silent, data, size) == hash_values(0, &m, data, size),
        "nobody needs to listen");
    if (m.status == BENCODE_DONE) {
        check_encoding(&m, data);
        check_prefixes(data, m.len);
    }
    return 0;
}
