/* stats_tables.c: response times, conversations and endpoints.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <epan/dissectors/packet-udp.h>

static void srt_init(struct register_srt *srt _U_, GArray *tables)
{
    srt_stat_table *table = init_srt_table("BitTorrent DHT (KRPC) by query", NULL, tables, KRPC_NUM_METHODS, "Query",
                                           "krpc.method.number", NULL);

    for (int i = 0; i < KRPC_NUM_METHODS; i++) {
        init_srt_table_row(table, i, i == KRPC_METHOD_NONE ? "unknown" : krpc_method_name((krpc_method)i));
    }
}

static tap_packet_status srt_packet(void *context, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
                                    tap_flags_t flags _U_)
{
    const srt_data_t *srt = context;
    const tracking_record *record = ((const stats_packet *)data)->packet->record;
    srt_stat_table *table = g_array_index(srt->srt_array, srt_stat_table *, 0);
    nstime_t asked;

    if (record->request_frame == 0 || record->method >= KRPC_NUM_METHODS) {
        return TAP_PACKET_DONT_REDRAW;
    }
    asked = pinfo->abs_ts;
    nstime_t took = {.secs = (time_t)(record->rtt_ns / 1000000000), .nsecs = (int)(record->rtt_ns % 1000000000)};
    nstime_subtract(&asked, &took);
    add_srt_table_data(table, record->method, &asked, pinfo);
    return TAP_PACKET_REDRAW;
}

static const char *addr_filter(const address *addr, const char *v4, const char *v6)
{
    return addr->type == AT_IPv4 ? v4 : addr->type == AT_IPv6 ? v6 : CONV_FILTER_INVALID;
}

static const char *conversation_filter(conv_item_t *item, conv_filter_type_e filter)
{
    switch (filter) {
    case CONV_FT_SRC_ADDRESS:
        return addr_filter(&item->src_address, "ip.src", "ipv6.src");
    case CONV_FT_DST_ADDRESS:
        return addr_filter(&item->dst_address, "ip.dst", "ipv6.dst");
    case CONV_FT_ANY_ADDRESS:
        return addr_filter(&item->src_address, "ip.addr", "ipv6.addr");
    case CONV_FT_SRC_PORT:
        return "udp.srcport";
    case CONV_FT_DST_PORT:
        return "udp.dstport";
    case CONV_FT_ANY_PORT:
        return "udp.port";
    default:
        return CONV_FILTER_INVALID;
    }
}

static const char *endpoint_filter(endpoint_item_t *item, conv_filter_type_e filter)
{
    switch (filter) {
    case CONV_FT_SRC_ADDRESS:
        return addr_filter(&item->myaddress, "ip.src", "ipv6.src");
    case CONV_FT_DST_ADDRESS:
        return addr_filter(&item->myaddress, "ip.dst", "ipv6.dst");
    case CONV_FT_ANY_ADDRESS:
        return addr_filter(&item->myaddress, "ip.addr", "ipv6.addr");
    case CONV_FT_SRC_PORT:
        return "udp.srcport";
    case CONV_FT_DST_PORT:
        return "udp.dstport";
    case CONV_FT_ANY_PORT:
        return "udp.port";
    default:
        return CONV_FILTER_INVALID;
    }
}

static tap_packet_status conversation_packet(void *context, packet_info *pinfo, epan_dissect_t *edt _U_,
                                             const void *data, tap_flags_t flags)
{
    static ct_dissector_info_t info = {conversation_filter};
    const tracker_packet *packet = &((const stats_packet *)data)->packet->packet;
    conv_hash_t *hash = context;

    const struct udp_analysis *udp = pinfo->ptype == PT_UDP ? get_udp_conversation_data(NULL, pinfo) : NULL;

    hash->flags = flags;
    /* The id is udp.stream: the commands of Wireshark's window for a UDP conversation then work for this one. */
    add_conversation_table_data_with_conv_id(hash, &pinfo->src, &pinfo->dst, packet->src.port, packet->dst.port,
                                             udp != NULL ? udp->stream : CONV_ID_UNSET, 1, (int)pinfo->fd->pkt_len,
                                             &pinfo->rel_ts, &pinfo->abs_ts, &info, CONVERSATION_UDP);
    return TAP_PACKET_REDRAW;
}

static tap_packet_status endpoint_packet(void *context, packet_info *pinfo, epan_dissect_t *edt _U_, const void *data,
                                         tap_flags_t flags)
{
    static et_dissector_info_t info = {endpoint_filter};
    const tracker_packet *packet = &((const stats_packet *)data)->packet->packet;
    conv_hash_t *hash = context;

    hash->flags = flags;
    add_endpoint_table_data(hash, &pinfo->src, packet->src.port, true, 1, (int)pinfo->fd->pkt_len, &info, ENDPOINT_UDP);
    add_endpoint_table_data(hash, &pinfo->dst, packet->dst.port, false, 1, (int)pinfo->fd->pkt_len, &info,
                            ENDPOINT_UDP);
    return TAP_PACKET_REDRAW;
}

void stats_tables_register(void)
{
    register_srt_table(proto_krpc, NULL, 1, srt_packet, srt_init, NULL);
    register_conversation_table(proto_krpc, false, conversation_packet, endpoint_packet);
}
