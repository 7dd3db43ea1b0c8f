/* peerwire.c: one message of the peer wire protocol.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/peerwire.h>

#include <string.h>

#include "peerwire_private.h"

#define NUM_OF(array) (sizeof(array) / sizeof(array)[0])

static const char *const kind_names[] = {
    "none",
    "handshake",
    "keep-alive",
#define MESSAGE(SYMBOL, ID, NAME, MIN, MAX, SPEC) NAME,
#include <krpc/peerwire.def>
    "unknown",
};

static const uint8_t kind_of_id[] = {
#define MESSAGE(SYMBOL, ID, NAME, MIN, MAX, SPEC) [ID] = PEERWIRE_##SYMBOL,
#include <krpc/peerwire.def>
};

static const char *const extension_names[] = {
    "",
    "handshake",
#define EXTENSION(SYMBOL, NAME, SPEC) NAME,
#include <krpc/peerwire.def>
    "unknown",
};

static const peerwire_key_info keys[] = {
#define KEY(SYMBOL, EXT, NAME, TYPE, SPEC, MEANING) {NAME, SPEC, MEANING, PEERWIRE_EXT_##EXT, BENCODE_##TYPE},
#include <krpc/peerwire.def>
};

const char *peerwire_kind_name(peerwire_kind kind)
{
    return (size_t)kind < NUM_OF(kind_names) ? kind_names[kind] : "?";
}

const char *peerwire_extension_name(peerwire_extension extension)
{
    return (size_t)extension < NUM_OF(extension_names) ? extension_names[extension] : "?";
}

const peerwire_key_info *peerwire_key_get(peerwire_key key)
{
    return (size_t)key < NUM_OF(keys) ? &keys[key] : NULL;
}

static size_t find_key(peerwire_extension extension, const uint8_t *name, uint32_t len)
{
    for (size_t i = 0; i < NUM_OF(keys); i++) {
        if (keys[i].extension == extension && strlen(keys[i].key) == len && memcmp(keys[i].key, name, len) == 0) {
            return i;
        }
    }
    return PEERWIRE_NUM_KEYS;
}

/* Of a key that comes twice the first counts, as in a KRPC message. */
static void take_value(peerwire_message *out, size_t key, const bencode_token *name, const bencode_token *token,
                       uint32_t end)
{
    krpc_value *value = &out->value[key];
    uint32_t base = out->dict_off;
    bool container = token->type == BENCODE_DICT || token->type == BENCODE_LIST;
    uint32_t bit = UINT32_C(1) << key;

    if (((out->present | out->wrong) & bit) != 0) {
        return;
    }
    value->key_off = base + name->off;
    value->off = base + (container ? token->off : token->body_off);
    value->len = container ? end - token->off : token->body_len;
    value->type = (uint8_t)token->type;
    value->flags = (uint8_t)(token->flags & 0xff);
    value->num = token->type == BENCODE_INT ? token->num : 0;
    if (token->type == keys[key].type) {
        out->present |= bit;
    } else {
        out->wrong |= bit;
    }
}

/* Reads a key and the value after it: OK, DONE at the dictionary's end, or the status that stops the walk. */
static bencode_status next_entry(bencode_reader *reader, bencode_token *name, bencode_token *value, uint32_t *end)
{
    bencode_status status = bencode_next(reader, name);

    if (status == BENCODE_OK && name->type != BENCODE_END) {
        status = bencode_skip(reader, end, name);
        if (status == BENCODE_OK) {
            status = bencode_next(reader, value);
        }
        if (status == BENCODE_OK && value->type != BENCODE_END) {
            return bencode_skip(reader, end, value);
        }
    }
    return status == BENCODE_OK ? BENCODE_DONE : status;
}

static void parse_dict(peerwire_message *out, const uint8_t *data, peerwire_extension extension)
{
    const uint8_t *dict = data + out->dict_off;
    bencode_reader reader;
    bencode_token name, value;
    bencode_status status;
    uint32_t end;

    bencode_reader_init(&reader, dict, out->len - out->dict_off);
    status = bencode_next(&reader, &name);
    if (status == BENCODE_OK && name.type != BENCODE_DICT) {
        status = BENCODE_BAD_BYTE;
    }
    while (status == BENCODE_OK) {
        status = next_entry(&reader, &name, &value, &end);
        if (status == BENCODE_OK && name.type == BENCODE_STRING) {
            size_t key = find_key(extension, dict + name.body_off, name.body_len);

            if (key < PEERWIRE_NUM_KEYS) {
                take_value(out, key, &name, &value, end);
            }
        }
    }
    out->dict_len = reader.pos;
    out->dict_status = (uint8_t)status;
}

static peerwire_extension find_extension(const uint8_t *name, uint32_t len)
{
    for (size_t i = PEERWIRE_EXT_HANDSHAKE + 1; i < PEERWIRE_EXT_UNKNOWN; i++) {
        if (strlen(extension_names[i]) == len && memcmp(extension_names[i], name, len) == 0) {
            return (peerwire_extension)i;
        }
    }
    return PEERWIRE_EXT_UNKNOWN;
}

static void parse_m(peerwire_message *out, const uint8_t *data)
{
    const krpc_value *m = &out->value[PEERWIRE_KEY_M];
    bencode_reader reader;
    bencode_token name, value;
    bencode_status status;
    uint32_t end;

    if (!peerwire_has(out, PEERWIRE_KEY_M)) {
        return;
    }
    bencode_reader_init(&reader, data + m->off, m->len);
    status = bencode_next(&reader, &name);
    while (status == BENCODE_OK) {
        status = next_entry(&reader, &name, &value, &end);
        if (status == BENCODE_OK && name.type == BENCODE_STRING && value.type == BENCODE_INT && value.num >= 0 &&
            value.num <= UINT8_MAX) {
            peerwire_extension extension = find_extension(data + m->off + name.body_off, name.body_len);

            if (out->named[extension] == 0) {
                out->named[extension] = 1;
                out->ext_ids[extension] = (uint8_t)value.num;
            }
        }
    }
}

static void check_port(int64_t port, uint32_t off, uint32_t len, const krpc_sink *sink)
{
    if (port < 1 || port > UINT16_MAX) {
        krpc_emit(sink, KRPC_RULE_PORT_INVALID, off, len, port, 0);
    } else if (port == 1) {
        krpc_emit(sink, KRPC_RULE_PORT_ONE, off, len, port, 0);
    }
}

static void bad_value(const peerwire_message *message, peerwire_key key, const krpc_sink *sink)
{
    const krpc_value *value = &message->value[key];

    krpc_emit(sink, KRPC_RULE_PEERWIRE_BAD_VALUE, value->off, value->len, 0, 0);
}

static void check_types(const peerwire_message *message, const krpc_sink *sink)
{
    for (uint32_t i = 0; i < PEERWIRE_NUM_KEYS; i++) {
        if ((message->wrong >> i & 1) != 0) {
            bad_value(message, (peerwire_key)i, sink);
        }
    }
}

static void check_address(const peerwire_message *message, peerwire_key key, uint32_t size, const krpc_sink *sink)
{
    if (peerwire_has(message, key) && message->value[key].len != size) {
        bad_value(message, key, sink);
    }
}

static void check_handshake_values(const peerwire_message *message, const krpc_sink *sink)
{
    const krpc_value *yourip = &message->value[PEERWIRE_KEY_YOURIP];
    const krpc_value *p = &message->value[PEERWIRE_KEY_P];

    if (peerwire_has(message, PEERWIRE_KEY_P)) {
        check_port(p->num, p->off, p->len, sink);
    }
    if (peerwire_has(message, PEERWIRE_KEY_YOURIP) && yourip->len != 4 && yourip->len != 16) {
        krpc_emit(sink, KRPC_RULE_PEERWIRE_YOURIP, yourip->off, yourip->len, yourip->len, 0);
    }
    check_address(message, PEERWIRE_KEY_IPV4, 4, sink);
    check_address(message, PEERWIRE_KEY_IPV6, 16, sink);
}

/* The four lists of peers; flags is where their flags are, PEERWIRE_NUM_KEYS for none. */
static const struct {
    uint8_t key;
    uint8_t flags;
    uint8_t size;
    bool dropped;
} pex_lists[] = {
    {PEERWIRE_KEY_ADDED, PEERWIRE_KEY_ADDED_F, 6, false},
    {PEERWIRE_KEY_ADDED6, PEERWIRE_KEY_ADDED6_F, 18, false},
    {PEERWIRE_KEY_DROPPED, PEERWIRE_NUM_KEYS, 6, true},
    {PEERWIRE_KEY_DROPPED6, PEERWIRE_NUM_KEYS, 18, true},
};

static void check_pex(const peerwire_message *message, const krpc_sink *sink)
{
    for (size_t i = 0; i < NUM_OF(pex_lists); i++) {
        const krpc_value *value = &message->value[pex_lists[i].key];

        if (peerwire_has(message, (peerwire_key)pex_lists[i].key) && value->len % pex_lists[i].size != 0) {
            krpc_emit(sink, KRPC_RULE_PEERWIRE_PEX_LENGTH, value->off, value->len, value->len, pex_lists[i].size);
        }
    }
}

static uint32_t get_u32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* Type, address family, address, port, error code; BEP 55 has the code always there, some leave it out. */
static void parse_holepunch(peerwire_message *out, const uint8_t *data, const krpc_sink *sink)
{
    const uint8_t *body = data + PEERWIRE_HEAD;
    uint32_t len = out->wire_len - PEERWIRE_HEAD;
    uint32_t addr_len;

    if (!out->whole) {
        return;
    }
    addr_len = len >= 2 && body[1] == 0 ? 4 : len >= 2 && body[1] == 1 ? 16 : 0;
    if (addr_len == 0 || (len != 2 + addr_len + 2 && len != 2 + addr_len + 2 + 4)) {
        krpc_emit(sink, KRPC_RULE_PEERWIRE_HOLEPUNCH, PEERWIRE_HEAD, len, len, 0);
        return;
    }
    out->has_holepunch = true;
    out->holepunch = body[0];
    krpc_endpoint_get(&out->endpoint, body + 2, addr_len + 2);
    if (len == 2 + addr_len + 2 + 4) {
        out->holepunch_error = get_u32(body + 2 + addr_len + 2);
    }
}

static peerwire_extension extension_of_id(const peerwire_side *receiver, uint8_t ext_id)
{
    if (ext_id == 0) {
        return PEERWIRE_EXT_HANDSHAKE;
    }
    for (size_t i = PEERWIRE_EXT_HANDSHAKE + 1; receiver != NULL && i < PEERWIRE_EXT_UNKNOWN; i++) {
        if (receiver->ext_id[i] == ext_id) {
            return (peerwire_extension)i;
        }
    }
    return PEERWIRE_EXT_UNKNOWN;
}

static const uint32_t pex_keys = UINT32_C(1) << PEERWIRE_KEY_ADDED | UINT32_C(1) << PEERWIRE_KEY_ADDED6 |
                                 UINT32_C(1) << PEERWIRE_KEY_DROPPED | UINT32_C(1) << PEERWIRE_KEY_DROPPED6;

/* A stream that was joined late has no extension handshake; no other message has the keys of ut_pex. */
static void guess_pex(peerwire_message *out, const uint8_t *data)
{
    peerwire_message guess;

    if (out->len == out->dict_off || data[out->dict_off] != 'd') {
        return;
    }
    guess = *out;
    parse_dict(&guess, data, PEERWIRE_EXT_UT_PEX);
    if (guess.dict_status == BENCODE_DONE && (guess.present & pex_keys) != 0) {
        *out = guess;
        out->extension = PEERWIRE_EXT_UT_PEX;
        out->guessed = true;
    }
}

static void parse_extension(peerwire_message *out, const uint8_t *data, const krpc_sink *sink)
{
    if (out->extension == PEERWIRE_EXT_UT_HOLEPUNCH) {
        parse_holepunch(out, data, sink);
        return;
    }
    if (!out->guessed) {
        parse_dict(out, data, (peerwire_extension)out->extension);
    }
    if (out->dict_status != BENCODE_DONE && out->whole) {
        krpc_emit(sink, KRPC_RULE_PEERWIRE_EXTENDED, out->dict_off, out->wire_len - out->dict_off, 0, 0);
    }
    check_types(out, sink);
    if (out->extension == PEERWIRE_EXT_HANDSHAKE) {
        parse_m(out, data);
        check_handshake_values(out, sink);
    } else {
        check_pex(out, sink);
    }
}

static void parse_extended(peerwire_message *out, const uint8_t *data, const peerwire_side *receiver,
                           const krpc_sink *sink)
{
    if (out->len < PEERWIRE_HEAD) {
        out->extension = PEERWIRE_EXT_UNKNOWN;
        return;
    }
    out->ext_id = data[5];
    out->dict_off = PEERWIRE_HEAD;
    out->extension = (uint8_t)extension_of_id(receiver, out->ext_id);
    if (out->extension == PEERWIRE_EXT_UNKNOWN && (receiver == NULL || !receiver->extension_handshake)) {
        guess_pex(out, data);
    }
    if (out->extension == PEERWIRE_EXT_HANDSHAKE || out->extension == PEERWIRE_EXT_UT_PEX ||
        out->extension == PEERWIRE_EXT_UT_HOLEPUNCH) {
        if (!out->whole && out->wire_len > PEERWIRE_MAX_WHOLE) {
            krpc_emit(sink, KRPC_RULE_PEERWIRE_TOO_LARGE, 0, out->len, out->wire_len, 0);
        }
        parse_extension(out, data, sink);
    }
}

static void parse_port(peerwire_message *out, const uint8_t *data, const peerwire_side *sender, const krpc_sink *sink)
{
    uint32_t prefix = out->wire_len - 4;

    if (prefix != 3) {
        krpc_emit(sink, KRPC_RULE_PEERWIRE_PORT_LENGTH, 0, out->len, prefix, 0);
    } else if (out->whole) {
        out->has_port = true;
        out->port = (uint16_t)(data[5] << 8 | data[6]);
        check_port(out->port, 5, 2, sink);
    }
    if (sender != NULL && sender->handshake && (sender->reserved & PEERWIRE_RESERVED_DHT) == 0) {
        krpc_emit(sink, KRPC_RULE_PEERWIRE_NO_DHT_BIT, 0, out->len, 0, 0);
    }
}

static void parse_handshake(peerwire_message *out, const uint8_t *data, size_t len)
{
    out->kind = PEERWIRE_HANDSHAKE;
    out->wire_len = PEERWIRE_HANDSHAKE_LEN;
    out->whole = len >= PEERWIRE_HANDSHAKE_LEN;
    out->len = out->whole ? PEERWIRE_HANDSHAKE_LEN : (uint32_t)len;
    if (len >= PEERWIRE_INFO_HASH_OFF) {
        out->reserved = (uint64_t)get_u32(data + 20) << 32 | get_u32(data + 24);
    }
}

void peerwire_message_parse(peerwire_message *out, const uint8_t *data, size_t len, const peerwire_side *sender,
                            const peerwire_side *receiver, const krpc_sink *sink)
{
    uint32_t prefix;

    memset(out, 0, sizeof *out);
    if (len >= PEERWIRE_MAGIC_LEN && memcmp(data, PEERWIRE_MAGIC, PEERWIRE_MAGIC_LEN) == 0) {
        parse_handshake(out, data, len);
        return;
    }
    prefix = len >= 4 ? get_u32(data) : 0;
    if (len < 4 || prefix > PEERWIRE_MAX_LEN || (prefix > 0 && len < 5)) {
        return;
    }
    out->wire_len = prefix + 4;
    out->whole = len >= out->wire_len;
    out->len = out->whole ? out->wire_len : (uint32_t)len;
    if (prefix == 0) {
        out->kind = PEERWIRE_KEEP_ALIVE;
        return;
    }
    out->id = data[4];
    out->kind = out->id < NUM_OF(kind_of_id) && kind_of_id[out->id] != 0 ? kind_of_id[out->id] : PEERWIRE_UNKNOWN;
    if (out->kind == PEERWIRE_PORT) {
        parse_port(out, data, sender, sink);
    } else if (out->kind == PEERWIRE_EXTENDED) {
        parse_extended(out, data, receiver, sink);
    }
}

void peerwire_side_update(peerwire_side *sender, const peerwire_message *message)
{
    if (message->kind == PEERWIRE_HANDSHAKE && message->len >= PEERWIRE_INFO_HASH_OFF) {
        sender->handshake = true;
        sender->reserved = message->reserved;
    }
    if (message->extension == PEERWIRE_EXT_HANDSHAKE &&
        (message->dict_status == BENCODE_DONE || peerwire_has(message, PEERWIRE_KEY_M))) {
        sender->extension_handshake = true;
        for (size_t i = PEERWIRE_EXT_HANDSHAKE + 1; i < PEERWIRE_EXT_UNKNOWN; i++) {
            if (message->named[i] != 0) {
                sender->ext_id[i] = message->ext_ids[i];
            }
        }
    }
}

void peerwire_pex_init(peerwire_pex *out, const peerwire_message *message, const uint8_t *data)
{
    out->message = message;
    out->data = data;
    out->list = message->extension == PEERWIRE_EXT_UT_PEX ? 0 : NUM_OF(pex_lists);
    out->pos = 0;
}

bool peerwire_pex_next(peerwire_pex *pex, peerwire_peer *out)
{
    const peerwire_message *message = pex->message;

    for (; pex->list < NUM_OF(pex_lists); pex->list++, pex->pos = 0) {
        const krpc_value *value = &message->value[pex_lists[pex->list].key];
        uint32_t size = pex_lists[pex->list].size;
        uint32_t index = pex->pos / size;
        unsigned flags = pex_lists[pex->list].flags;

        if (!peerwire_has(message, (peerwire_key)pex_lists[pex->list].key) || size > value->len - pex->pos) {
            continue;
        }
        out->off = value->off + pex->pos;
        out->len = size;
        out->dropped = pex_lists[pex->list].dropped;
        out->flags = 0;
        if (flags < PEERWIRE_NUM_KEYS && peerwire_has(message, (peerwire_key)flags) &&
            index < message->value[flags].len) {
            out->flags = pex->data[message->value[flags].off + index];
        }
        krpc_endpoint_get(&out->endpoint, pex->data + out->off, size);
        pex->pos += size;
        return true;
    }
    return false;
}
