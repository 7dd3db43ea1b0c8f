/* peerwire_advert.c: what messages of the peer wire protocol say about ports.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/peerwire.h>

#include "advert_fill.h"
#include "peerwire_private.h"

void peerwire_advert_init(peerwire_advert_iter *out, const peerwire_message *message, const uint8_t *data)
{
    out->message = message;
    out->data = data;
    out->step = 0;
    peerwire_pex_init(&out->pex, message, data);
}

/* The keys of an extension handshake that speak of a port or an address; size 0 is a port, 20 any address. */
static const struct {
    uint8_t key;
    uint8_t channel;
    uint8_t size;
} handshake_keys[] = {
    {PEERWIRE_KEY_P, KRPC_CHANNEL_LTEP_P, 0},
    {PEERWIRE_KEY_YOURIP, KRPC_CHANNEL_YOURIP, 20},
    {PEERWIRE_KEY_IPV4, KRPC_CHANNEL_LTEP_IPV4, 4},
    {PEERWIRE_KEY_IPV6, KRPC_CHANNEL_LTEP_IPV6, 16},
};

#define NUM_HANDSHAKE_KEYS (sizeof handshake_keys / sizeof handshake_keys[0])

static bool next_of_handshake(peerwire_advert_iter *iter, krpc_advert *out)
{
    while (iter->step < NUM_HANDSHAKE_KEYS) {
        uint32_t step = iter->step++;
        const krpc_value *value = &iter->message->value[handshake_keys[step].key];
        krpc_channel channel = (krpc_channel)handshake_keys[step].channel;
        uint32_t size = handshake_keys[step].size;

        if (!peerwire_has(iter->message, (peerwire_key)handshake_keys[step].key)) {
            continue;
        }
        if (size == 0) {
            advert_fill(out, channel, value->off, value->len);
            advert_port(out, value->num);
            return true;
        }
        if (value->len == size || (size == 20 && (value->len == 4 || value->len == 16))) {
            advert_fill(out, channel, value->off, value->len);
            advert_addr(out, iter->data + value->off, value->len);
            return true;
        }
    }
    return false;
}

static bool next_of_pex(peerwire_advert_iter *iter, krpc_advert *out)
{
    peerwire_peer peer;

    while (peerwire_pex_next(&iter->pex, &peer)) {
        if (!peer.dropped) {
            advert_fill(out, KRPC_CHANNEL_UT_PEX, peer.off, peer.len);
            advert_endpoint(out, &peer.endpoint);
            return true;
        }
    }
    return false;
}

static bool only_of_port(peerwire_advert_iter *iter, krpc_advert *out)
{
    if (!iter->message->has_port || iter->step++ > 0) {
        return false;
    }
    advert_fill(out, KRPC_CHANNEL_PORT_MESSAGE, PEERWIRE_PORT_OFF, 2);
    advert_port(out, iter->message->port);
    return true;
}

static bool only_of_holepunch(peerwire_advert_iter *iter, krpc_advert *out)
{
    const peerwire_message *message = iter->message;

    if (!message->has_holepunch || message->holepunch != PEERWIRE_HOLEPUNCH_CONNECT || iter->step++ > 0) {
        return false;
    }
    advert_fill(out, KRPC_CHANNEL_UT_HOLEPUNCH, PEERWIRE_HEAD + 2, message->endpoint.addr_len + 2u);
    advert_endpoint(out, &message->endpoint);
    return true;
}

bool peerwire_advert_next(peerwire_advert_iter *iter, krpc_advert *out)
{
    if (iter->message->kind == PEERWIRE_PORT) {
        return only_of_port(iter, out);
    }
    switch (iter->message->extension) {
    case PEERWIRE_EXT_HANDSHAKE:
        return next_of_handshake(iter, out);
    case PEERWIRE_EXT_UT_PEX:
        return next_of_pex(iter, out);
    case PEERWIRE_EXT_UT_HOLEPUNCH:
        return only_of_holepunch(iter, out);
    default:
        return false;
    }
}
