/* advert_fill.h: making a krpc_advert; for those that find them elsewhere than in a KRPC message.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ADVERT_FILL_H
#define ADVERT_FILL_H

#include <krpc/advert.h>

#include <string.h>

static inline void advert_fill(krpc_advert *out, krpc_channel channel, uint32_t off, uint32_t len)
{
    const krpc_channel_info *info = krpc_channel_get(channel);

    memset(out, 0, sizeof *out);
    out->channel = channel;
    out->whose = info->whose;
    out->service = info->service;
    out->basis = info->basis;
    out->off = off;
    out->len = len;
}

static inline void advert_port(krpc_advert *out, int64_t port)
{
    out->has_port = true;
    out->port = port;
    if (port >= 0 && port <= UINT16_MAX) {
        out->endpoint.port = (uint16_t)port;
    }
}

static inline void advert_addr(krpc_advert *out, const uint8_t *addr, size_t addr_len)
{
    out->has_addr = true;
    krpc_endpoint_set(&out->endpoint, addr, addr_len, out->endpoint.port);
}

static inline void advert_endpoint(krpc_advert *out, const krpc_endpoint *endpoint)
{
    out->endpoint = *endpoint;
    out->has_addr = endpoint->addr_len != 0;
    advert_port(out, endpoint->port);
}

#endif
