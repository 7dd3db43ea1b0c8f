/* filters.c: the entries of Analyze > Conversation Filter, which are also in the context menu of the packet list.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

/* The message of the selected packet; its record is not NULL. NULL when the packet has no message. */
static const tracking_packet *selected(packet_info *pinfo)
{
    const tracking_packet *packet = tracking_packet_first(pinfo), *shown = NULL;

    for (; packet != NULL; packet = packet->next) {
        if (packet->is_shown && packet->message != NULL && packet->record != NULL) {
            shown = packet;
        }
    }
    return shown;
}

static ws_bool is_valid(COMPAT_FILTER_ARGS(pinfo))
{
    return selected(pinfo) != NULL;
}

/* The query, its responses, and ICMP errors that quote it. */
static char *transaction_build(COMPAT_FILTER_ARGS(pinfo))
{
    const tracking_record *record = selected(pinfo)->record;
    uint32_t query = record->request_frame != 0 ? record->request_frame : pinfo->num;

    return g_strdup_printf("frame.number == %u || krpc.response_to == %u || krpc.quoted.query == %u", query, query,
                           query);
}

/* All KRPC messages from and to the endpoint of the sender. */
static char *node_build(COMPAT_FILTER_ARGS(pinfo))
{
    const krpc_endpoint *src = &selected(pinfo)->packet.src;
    const char *ip = src->addr_len == 4 ? "ip" : "ipv6";
    char text[KRPC_ENDPOINT_TEXT];

    krpc_endpoint_addr_text(text, src);
    return g_strdup_printf("krpc && ((%s.src == %s && udp.srcport == %u) || (%s.dst == %s && udp.dstport == %u))", ip,
                           text, src->port, ip, text, src->port);
}

/* All KRPC and peer wire messages from and to the address of the sender, on any port. */
static char *host_build(COMPAT_FILTER_ARGS(pinfo))
{
    const krpc_endpoint *src = &selected(pinfo)->packet.src;
    char text[KRPC_ENDPOINT_TEXT];

    return g_strdup_printf("(krpc || krpc.peerwire) && %s.addr == %s", src->addr_len == 4 ? "ip" : "ipv6",
                           krpc_endpoint_addr_text(text, src));
}

/* Messages with the sender's node id, and lists of nodes that contain it. */
static char *id_build(COMPAT_FILTER_ARGS(pinfo))
{
    const tracking_packet *packet = selected(pinfo);
    const uint8_t *id = packet->message != NULL ? krpc_message_id(packet->message, packet->data) : NULL;
    GString *hex = g_string_new(NULL);
    char *filter;

    for (unsigned i = 0; id != NULL && i < 20; i++) {
        g_string_append_printf(hex, "%s%02x", i != 0 ? ":" : "", id[i]);
    }
    filter = id != NULL ? g_strdup_printf("krpc.id == %s || krpc.nodes.id == %s || krpc.nodes6.id == %s", hex->str,
                                          hex->str, hex->str)
                        : g_strdup("krpc && !krpc.id");
    g_string_free(hex, TRUE);
    return filter;
}

void filters_register(void)
{
    compat_register_filter("krpc", "KRPC transaction", is_valid, transaction_build);
    compat_register_filter("krpc", "KRPC node (endpoint)", is_valid, node_build);
    compat_register_filter("krpc", "KRPC host (address)", is_valid, host_build);
    compat_register_filter("krpc", "KRPC node (id)", is_valid, id_build);
}
