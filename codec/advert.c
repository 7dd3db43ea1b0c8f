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

/* The field of each statement, in the order in which the iterator gives them. */
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

/* 4 or 16 bytes are an address without a port. Any other size that is not an endpoint's says nothing. */
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

/* The next entry of a list of nodes or peers that has an endpoint. */
static bool next_entry(krpc_advert_iter *it, krpc_advert *out, krpc_field field)
{
    krpc_compact entry;
    bool peers = field == KRPC_R_VALUES;

    if (it->pos == 0) {
        it->pos = 1;
        if (peers) {
            krpc_peers_init(&it->entries, it->message, it->data);
        } else {
            krpc_nodes_init(&it->entries, it->message, it->data, field);
        }
    }
    while (peers ? krpc_peers_next(&it->entries, &entry) : krpc_nodes_next(&it->entries, &entry)) {
        if (entry.endpoint.addr_len != 0) {
            uint32_t id_len = peers ? 0 : 20;

            advert_fill(out,
                        peers                  ? KRPC_CHANNEL_VALUES
                        : entry.len == 20 + 18 ? KRPC_CHANNEL_NODES6
                                               : KRPC_CHANNEL_NODES,
                        entry.off + id_len, entry.len - id_len);
            out->id_off = peers ? 0 : entry.off;
            advert_endpoint(out, &entry.endpoint);
            return true;
        }
    }
    return false;
}

static bool next_in_step(krpc_advert_iter *it, krpc_advert *out)
{
    krpc_field field = steps[it->step].field;

    if (field >= KRPC_FIRST_R && field != KRPC_R_IP && field != KRPC_R_P) {
        return next_entry(it, out, field);
    }
    if (!krpc_has(it->message, field) || it->pos != 0) {
        return false;
    }
    it->pos = 1;
    return single(it, out, field, steps[it->step].channel);
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
