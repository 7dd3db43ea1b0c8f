/* advice_text.c: see advice_text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/advice_text.h"

#include <string.h>

const char *advice_channel(uint8_t channel)
{
    switch ((krpc_channel)channel) {
    case KRPC_CHANNEL_PORT_MESSAGE:
        return "PORT messages";
    case KRPC_CHANNEL_P:
        return "the key p";
    case KRPC_CHANNEL_CONTACT:
        return "contact queries";
    case KRPC_CHANNEL_LTEP_P:
        return "the extension handshake";
    default: {
        const krpc_channel_info *info = krpc_channel_get((krpc_channel)channel);
        return info != NULL ? info->name : "";
    }
    }
}

/* Outside a NAT that rewrites ports, the node's own port is not visible. */
static bool is_own_port(const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;
    bool is_same = nat->num_external <= TRACKER_MAX_EXTERNAL;

    for (uint32_t i = 0; i < nat->num_kept; i++) {
        is_same = is_same && nat->external[i].endpoint.port == node->endpoint.port;
    }
    return is_same || krpc_endpoint_scope(&node->endpoint) != KRPC_ADDR_GLOBAL;
}

/* Writes what a brace of advice.def is replaced with, and returns its length; 0: it is no brace. */
static size_t put_brace(strbuf *out, const char *at, const tracker_node *node, const tracker_advice_item *item)
{
    const struct {
        const char *name;
        unsigned port;
    } ports[] = {{"{port}", item->port}, {"{said}", item->said}};
    static const char channel[] = "{channel}";
    static const char inside[] = "{inside}";

    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        size_t len = strlen(ports[i].name);
        if (strncmp(at, ports[i].name, len) == 0) {
            strbuf_uint(out, ports[i].port);
            return len;
        }
    }
    if (strncmp(at, inside, sizeof inside - 1) == 0) {
        if (is_own_port(node)) {
            strbuf_uint(out, node->endpoint.port);
        } else {
            strbuf_puts(out, "N (set in the client)");
        }
        return sizeof inside - 1;
    }
    if (strncmp(at, channel, sizeof channel - 1) == 0) {
        strbuf_puts(out, advice_channel(item->channel));
        return sizeof channel - 1;
    }
    return 0;
}

static void put_filled(strbuf *out, const char *text, const tracker_node *node, const tracker_advice_item *item)
{
    while (text != NULL && *text != 0) {
        size_t len = *text == '{' ? put_brace(out, text, node, item) : 0;
        if (len == 0) {
            strbuf_char(out, *text);
            len = 1;
        }
        text += len;
    }
}

void advice_text_line(strbuf *out, const tracker_node *node, const tracker_advice_item *item)
{
    put_filled(out, tracker_advice_line(item->advice), node, item);
}

void advice_text(strbuf *out, const tracker_node *node, const tracker_advice_item *item)
{
    put_filled(out, tracker_advice_text(item->advice), node, item);
}

tracker_missing advice_next(unsigned *missing)
{
    unsigned bit = (unsigned)__builtin_ctz(*missing);

    *missing &= *missing - 1;
    return (tracker_missing)bit;
}
