/* advert.c: what a message says about ports, by position.
 *
 * SPDX-License-Identifier: MIT
 */
#include "advert_fill.h"

static const krpc_channel_info channels[] = {
#define CHANNEL(SYMBOL, NAME, WHOSE, SERVICE, BASIS, SPEC, MEANING)                                                    \
    {NAME, SPEC, MEANING, KRPC_WHOSE_##WHOSE, KRPC_SERVICE_##SERVICE, KRPC_BASIS_##BASIS},
#include <krpc/channels.def>
};

const krpc_channel_info *krpc_channel_get(krpc_channel channel)
{
    return (unsigned)channel < KRPC_NUM_CHANNELS ? &channels[channel] : NULL;
}

const char *krpc_whose_name(krpc_whose whose)
{
    static const char *const names[] = {"sender", "receiver", "third party"};

    return (unsigned)whose < sizeof names / sizeof names[0] ? names[whose] : "?";
}

const char *krpc_service_name(krpc_service service)
{
    static const char *const names[] = {"dht", "peer"};

    return (unsigned)service < sizeof names / sizeof names[0] ? names[service] : "?";
}

const char *krpc_basis_name(krpc_basis basis)
{
    static const char *const names[] = {"claimed", "observed", "deferred"};

    return (unsigned)basis < sizeof names / sizeof names[0] ? names[basis] : "?";
}

/* Where each statement may stand, in the order in which they are given. */
static const struct {
    krpc_field field;
    krpc_channel channel;
} steps[] = {{KRPC_P, KRPC_CHANNEL_P},
             {KRPC_A_PORT, KRPC_CHANNEL_CONTACT},
             {KRPC_A_PORT, KRPC_CHANNEL_ANNOUNCE_PEER},
             {KRPC_A_IMPLIED_PORT, KRPC_CHANNEL_IMPLIED_PORT},
             {KRPC_IP, KRPC_CHANNEL_IP},
             {KRPC_R_IP, KRPC_CHANNEL_IP},
             {KRPC_R_P, KRPC_CHANNEL_R_P},
             {KRPC_A_IP, KRPC_CHANNEL_PUNCH},
             {KRPC_R_NODES, KRPC_CHANNEL_NODES},
             {KRPC_R_NODES6, KRPC_CHANNEL_NODES6},
             {KRPC_R_NODES2, KRPC_CHANNEL_NODES}, /* or NODES6: each entry says by its length */
             {KRPC_R_VALUES, KRPC_CHANNEL_VALUES}};

#define NUM_STEPS (sizeof steps / sizeof steps[0])

/* 4 or 16 bytes are an address alone; any other size than that of an endpoint says nothing. */
static void fill_compact(krpc_advert *out, const uint8_t *data, uint32_t off, uint32_t len)
{
    krpc_endpoint endpoint;

    if (krpc_endpoint_get(&endpoint, data + off, len)) {
        advert_endpoint(out, &endpoint);
    } else if (len == 4 || len == 16) {
        advert_addr(out, data + off, len);
    }
}

void krpc_advert_init(krpc_advert_iter *out, const krpc_message *message, const uint8_t *data)
{
    out->message = message;
    out->data = data;
    out->step = 0;
    out->pos = 0;
    out->joined = false;
}

/* The statements that are one value. False when this one says nothing. */
static bool single(krpc_advert_iter *it, krpc_advert *out, krpc_field field, krpc_channel channel)
{
    const krpc_value *v = &it->message->value[field];

    advert_fill(out, channel, v->off, v->len);
    switch (channel) {
    case KRPC_CHANNEL_CONTACT:
        if (it->message->method != KRPC_METHOD_CONTACT) {
            return false;
        }
        break;
    case KRPC_CHANNEL_ANNOUNCE_PEER:
        /* a port in any other query is taken for the same: nothing else is specified */
        if (it->message->method == KRPC_METHOD_CONTACT) {
            return false;
        }
        break;
    case KRPC_CHANNEL_IMPLIED_PORT:
        return v->num != 0;
    case KRPC_CHANNEL_IP:
    case KRPC_CHANNEL_PUNCH:
        fill_compact(out, it->data, v->off, v->len);
        return out->has_addr;
    default:
        break;
    }
    advert_port(out, v->num);
    return true;
}

/* A node id with an endpoint behind it. */
static void fill_node(krpc_advert *out, krpc_channel channel, const uint8_t *data, uint32_t off, uint32_t size)
{
    advert_fill(out, channel, off + 20, size - 20);
    out->id_off = off;
    fill_compact(out, data, off + 20, size - 20);
}

/* The next entry of nodes or nodes6. */
static bool next_node(krpc_advert_iter *it, krpc_advert *out, krpc_field field, krpc_channel channel)
{
    const krpc_value *v = &it->message->value[field];
    uint32_t size = field == KRPC_R_NODES ? 26 : 38;

    if (v->len - it->pos < size) {
        return false;
    }
    fill_node(out, channel, it->data, v->off + it->pos, size);
    it->pos += size;
    return true;
}

/* The next entry of nodes2, a list of both kinds. */
static bool next_listed_node(krpc_advert_iter *it, krpc_advert *out)
{
    bencode_token item;

    if (it->pos == 0) {
        krpc_list_init(&it->list, it->message, it->data, KRPC_R_NODES2);
        it->pos = 1;
    }
    while (krpc_list_next(&it->list, &item)) {
        if (item.type == BENCODE_STRING && (item.body_len == 26 || item.body_len == 38)) {
            fill_node(out, item.body_len == 26 ? KRPC_CHANNEL_NODES : KRPC_CHANNEL_NODES6, it->data, item.body_off,
                      item.body_len);
            return true;
        }
    }
    return false;
}

/* The next entry of values; in a string of several, the next six bytes. */
static bool next_peer(krpc_advert_iter *it, krpc_advert *out)
{
    bencode_token item;

    if (it->pos == 0) {
        krpc_list_init(&it->list, it->message, it->data, KRPC_R_VALUES);
        it->pos = 1;
    }
    while (krpc_list_next(&it->list, &item)) {
        bool first_of_several = it->message->value[KRPC_R_VALUES].num <= 1 && item.body_len > 6 &&
                                item.body_len % 6 == 0 && item.body_len != 18;

        if (item.type != BENCODE_STRING || (item.body_len != 6 && item.body_len != 18 && !first_of_several)) {
            continue;
        }
        if (first_of_several) {
            it->joined = true;
        }
        advert_fill(out, KRPC_CHANNEL_VALUES, item.body_off, it->joined ? 6 : item.body_len);
        fill_compact(out, it->data, out->off, out->len);
        it->list.single = item;
        it->list.single.body_off += 6;
        it->list.single.body_len -= it->joined ? 6 : item.body_len;
        it->list.has_single = it->list.single.body_len > 0;
        return true;
    }
    return false;
}

static bool next_in_step(krpc_advert_iter *it, krpc_advert *out)
{
    krpc_field field = steps[it->step].field;
    krpc_channel channel = steps[it->step].channel;
    bool joined = field == KRPC_R_VALUES && (it->message->wrong & KRPC_BIT(field)) != 0 &&
                  it->message->value[field].type == BENCODE_STRING;

    if (!krpc_has(it->message, field) && !joined) {
        return false;
    }
    if (field == KRPC_R_VALUES) {
        return next_peer(it, out);
    }
    if (field == KRPC_R_NODES || field == KRPC_R_NODES6) {
        return next_node(it, out, field, channel);
    }
    if (field == KRPC_R_NODES2) {
        return next_listed_node(it, out);
    }
    if (it->pos != 0) {
        return false;
    }
    it->pos = 1;
    return single(it, out, field, channel);
}

bool krpc_advert_next(krpc_advert_iter *iter, krpc_advert *out)
{
    while (iter->step < NUM_STEPS) {
        if (next_in_step(iter, out)) {
            return true;
        }
        iter->step++;
        iter->pos = 0;
    }
    return false;
}
