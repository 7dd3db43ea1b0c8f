/* tree_advert.c: port advertisements with their verdicts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <krpc/advert.h>

#define FLAG_SIGN "\xe2\x9a\x91" /* U+2691, a flag */

/* Does the finding say on which port the sender of this advertisement is seen? */
static bool is_mismatch_of(const tracker_conclusion *conclusion, const tracker_advert *advert)
{
    return conclusion->finding.rule == KRPC_RULE_PORT_MISMATCH && conclusion->finding.a == advert->advertised_port &&
           krpc_endpoint_equal(&conclusion->packet.src, &advert->sender);
}

/* The port on which others see the sender: the observed port if there is one, else that of its NAT's mapping, else its
 * DHT source port; 0: unknown. */
static uint16_t seen_as(const tracker_advert *advert)
{
    const tracker_conclusion *conclusions;
    unsigned num = 0;

    if (advert->observed.port != 0) {
        return advert->observed.port;
    }
    if (advert->verdict == TRACKER_VERDICT_MISMATCH && tracking_finished()) {
        conclusions = conclusions_of(advert->frame, &num);
        for (unsigned i = 0; i < num; i++) {
            if (is_mismatch_of(&conclusions[i], advert)) {
                return (uint16_t)conclusions[i].finding.b;
            }
        }
    }
    return advert->dht_port;
}

static bool is_flagged(const tracker_advert *advert)
{
    switch (advert->verdict) {
    case TRACKER_VERDICT_MISMATCH:
    case TRACKER_VERDICT_INVALID:
    case TRACKER_VERDICT_SWAPPED:
    case TRACKER_VERDICT_CONTRADICTS:
        return true;
    default:
        return false;
    }
}

/* Does a message tell its receiver another port than the one that the message is sent to? */
static bool is_seen_elsewhere(const krpc_advert *advert, const tracking_packet *packet)
{
    return advert->whose == KRPC_WHOSE_RECEIVER && advert->has_port && advert->port != 0 &&
           advert->port != packet->packet.dst.port;
}

static bool is_about_list(const krpc_advert *advert)
{
    return advert->whose == KRPC_WHOSE_THIRD;
}

/* The name of the port in the Info column. */
static const char *port_name(const tracker_advert *advert)
{
    switch (advert->channel) {
    case KRPC_CHANNEL_PORT_MESSAGE:
        return "PORT";
    case KRPC_CHANNEL_LTEP_P:
        return "listening port";
    default:
        return "port";
    }
}

static void advert_text(wmem_strbuf_t *out, const tracker_advert *advert)
{
    if (advert->advertised_port < 0 && advert->implied_port) {
        wmem_strbuf_append(out, " implied port");
        if (advert->effective_port != 0) {
            wmem_strbuf_append_printf(out, " %u", advert->effective_port);
        }
        return;
    }
    wmem_strbuf_append_printf(out, "%s %s %d", is_flagged(advert) ? " " FLAG_SIGN : "", port_name(advert),
                              advert->advertised_port);
    switch (advert->verdict) {
    case TRACKER_VERDICT_MISMATCH:
        if (seen_as(advert) != 0 && seen_as(advert) != advert->advertised_port) {
            wmem_strbuf_append_printf(out, ", seen as %u", seen_as(advert));
        }
        break;
    case TRACKER_VERDICT_IMPLIED:
        wmem_strbuf_append(out, ", implied port");
        if (advert->effective_port != 0) {
            wmem_strbuf_append_printf(out, " %u", advert->effective_port);
        }
        break;
    case TRACKER_VERDICT_MATCH:
    case TRACKER_VERDICT_UNKNOWN:
        break;
    default:
        wmem_strbuf_append_printf(out, ", %s", tracker_verdict_name((tracker_verdict)advert->verdict));
        break;
    }
}

/* Does advert_text name the verdict? */
static bool is_verdict_in_text(const tracker_advert *advert)
{
    switch (advert->verdict) {
    case TRACKER_VERDICT_UNKNOWN:
    case TRACKER_VERDICT_MATCH:
    case TRACKER_VERDICT_MISMATCH:
        return false;
    default:
        return true;
    }
}

/* Is one of the packet's earlier advertisements about the same service and port? The Info column shows it once. */
static bool is_said(const tracking_record *record, unsigned index, const tracker_advert *advert)
{
    tracker_advert earlier;

    for (unsigned i = 0; i < index; i++) {
        if (tracking_advert_get(record->first_advert + i, &earlier) && earlier.service == advert->service &&
            (earlier.advertised_port == advert->advertised_port || advert->channel == KRPC_CHANNEL_IMPLIED_PORT)) {
            return true;
        }
    }
    return false;
}

void tree_advert_info_text(wmem_strbuf_t *out, const tracking_packet *packet)
{
    const tracking_record *record = packet->record;
    tracker_advert advert;
    krpc_advert_iter iter;
    krpc_advert said;

    const char *separator = "";

    for (unsigned i = 0; record != NULL && i < record->num_adverts; i++) {
        if (tracking_advert_get(record->first_advert + i, &advert) && !is_said(record, i, &advert)) {
            wmem_strbuf_append(out, separator);
            advert_text(out, &advert);
            separator = ";";
        }
    }
    if (packet->message == NULL) {
        return;
    }
    if (record != NULL && record->asked_port != 0) {
        wmem_strbuf_append_printf(out, " " FLAG_SIGN " query was sent to %s%u",
                                  record->asked_elsewhere ? "another address, port " : "port ", record->asked_port);
    }
    krpc_advert_init(&iter, packet->message, packet->data);
    while (krpc_advert_next(&iter, &said)) {
        if (is_about_list(&said)) {
            break;
        }
        if (is_seen_elsewhere(&said, packet)) {
            wmem_strbuf_append_printf(out, " " FLAG_SIGN " sees port %u as %" PRId64, packet->packet.dst.port,
                                      said.port);
            break;
        }
    }
}

static void observed_add(proto_tree *tree, tvbuff_t *tvb, const tracker_advert *advert)
{
    if (advert->observed.port == 0) {
        if (advert->verdict == TRACKER_VERDICT_MISMATCH && seen_as(advert) != 0) {
            tree_item_uint(tree, HF(ADVERT_OBSERVED), tvb, seen_as(advert));
        }
        return;
    }
    tree_item_uint(tree, HF(ADVERT_OBSERVED), tvb, advert->observed.port);
    tree_item_addr(tree, HF(ADVERT_OBSERVED_ADDR), HF(ADVERT_OBSERVED_ADDR6), tvb, 0, 0, &advert->observed);
    tree_item_frame(tree, HF(ADVERT_OBSERVED_FRAME), tvb, advert->observed_frame);
}

static void verdict_add(proto_tree *tree, tvbuff_t *tvb, const tracker_advert *advert)
{
    tracker_verdict verdict = (tracker_verdict)advert->verdict;
    tracker_later later = (tracker_later)advert->later;

    tree_item_meaning(tree, HF(ADVERT_VERDICT), tvb, tracker_verdict_name(verdict), tracker_verdict_meaning(verdict));
    tree_item_frame(tree, HF(ADVERT_VERDICT_FRAME), tvb,
                    advert->verdict_frame != advert->frame ? advert->verdict_frame : 0);
    if (is_flagged(advert)) {
        tree_item_flag(tree, HF(ADVERT_MISMATCH), tvb, true);
    }
    tree_item_meaning(tree, HF(ADVERT_LATER), tvb, tracker_later_name(later), tracker_later_meaning(later));
    if (advert->later_frame != 0) {
        tree_item_frame(tree, HF(ADVERT_LATER_FRAME), tvb, advert->later_frame);
        tree_item_time(tree, HF(ADVERT_LATER_TIME), tvb, advert->later_ns);
    }
}

static void channel_add(proto_tree *tree, tvbuff_t *tvb, krpc_channel channel, unsigned service)
{
    const krpc_channel_info *info = krpc_channel_get(channel);
    proto_item *item;

    if (info == NULL) {
        return;
    }
    item = proto_tree_add_string_format_value(tree, HF(ADVERT_CHANNEL), tvb, 0, 0, info->name, "%s (\"%s\", %s, %s)",
                                              info->name, info->meaning, krpc_basis_name(info->basis), info->spec);
    proto_item_set_generated(item);
    tree_item_hidden(tree, HF(ADVERT_SERVICE), tvb, krpc_service_name((krpc_service)service));
    tree_item_hidden(tree, HF(ADVERT_BASIS), tvb, krpc_basis_name(info->basis));
}

/* One line for an advertisement: "port_message: PORT 6881, seen as 44402, mismatch" */
static const char *line_text(packet_info *pinfo, const tracker_advert *advert)
{
    const krpc_channel_info *info = krpc_channel_get((krpc_channel)advert->channel);
    wmem_strbuf_t *text = wmem_strbuf_new(pinfo->pool, info != NULL ? info->name : "?");

    wmem_strbuf_append(text, ":");
    advert_text(text, advert);
    if (!is_verdict_in_text(advert)) {
        wmem_strbuf_append_printf(text, ", %s", tracker_verdict_name((tracker_verdict)advert->verdict));
    }
    return wmem_strbuf_get_str(text);
}

void tree_advert_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracker_advert *advert,
                     uint32_t payload_off)
{
    const uint32_t off = advert->len != 0 ? payload_off + advert->off : 0, len = advert->len;
    const char *line = line_text(pinfo, advert);
    proto_item *item =
        proto_tree_add_string_format(tree, HF(ADVERT), tvb, (int)off, (int)len, line, "Port advertisement, %s", line);
    proto_tree *sub = proto_item_add_subtree(item, ETT(ADVERT));

    proto_item_set_generated(item);
    channel_add(sub, tvb, (krpc_channel)advert->channel, advert->service);
    if (advert->advertised_port >= 0 || !advert->implied_port) {
        proto_item_set_generated(
            proto_tree_add_int(sub, HF(ADVERT_PORT), tvb, (int)off, (int)len, advert->advertised_port));
    }
    if (advert->implied_port) {
        tree_item_flag(sub, HF(ADVERT_IMPLIED), tvb, true);
    }
    tree_item_uint(sub, HF(ADVERT_SOURCE), tvb, advert->sender.port);
    if (advert->dht_port != 0 && advert->dht_port != advert->sender.port) {
        tree_item_uint(sub, HF(ADVERT_DHT), tvb, advert->dht_port);
    }
    observed_add(sub, tvb, advert);
    if (advert->effective_port != 0) {
        tree_item_uint(sub, HF(ADVERT_EFFECTIVE), tvb, advert->effective_port);
    }
    verdict_add(sub, tvb, advert);
}

/* ip and r.p: the receiver's endpoint, or port, as the sender sees it. */
static void observation_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracking_packet *packet,
                            const krpc_advert *said)
{
    bool flagged = is_seen_elsewhere(said, packet);
    char text[KRPC_ENDPOINT_TEXT] = "";

    if (said->has_addr) {
        krpc_endpoint_text(text, &said->endpoint);
    } else {
        snprintf(text, sizeof text, "%" PRId64, said->port);
    }

    const char *line =
        wmem_strdup_printf(pinfo->pool, "%s:%s port %u is seen as %s", krpc_channel_get(said->channel)->name,
                           flagged ? " " FLAG_SIGN : "", packet->packet.dst.port, text);
    proto_item *item = proto_tree_add_string_format(tree, HF(ADVERT), tvb, (int)said->off, (int)said->len, line,
                                                    "Port advertisement, %s", line);
    proto_tree *sub = proto_item_add_subtree(item, ETT(ADVERT));

    proto_item_set_generated(item);
    channel_add(sub, tvb, said->channel, said->service);
    if (said->has_port && said->port >= 0 && said->port <= UINT16_MAX) {
        tree_item_uint(sub, HF(ADVERT_OBSERVED), tvb, (uint32_t)said->port);
    }
    if (said->has_addr) {
        tree_item_addr(sub, HF(ADVERT_OBSERVED_ADDR), HF(ADVERT_OBSERVED_ADDR6), tvb, 0, 0, &said->endpoint);
    }
    tree_item_uint(sub, HF(ADVERT_DESTINATION), tvb, packet->packet.dst.port);
    if (flagged) {
        tree_item_flag(sub, HF(ADVERT_MISMATCH), tvb, true);
    }
}

void tree_advert_add_all(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracking_packet *packet)
{
    const tracking_record *record = packet->record;
    tracker_advert advert;
    krpc_advert_iter iter;
    krpc_advert said;

    for (unsigned i = 0; i < record->num_adverts; i++) {
        if (tracking_advert_get(record->first_advert + i, &advert)) {
            tree_advert_add(pinfo, tree, tvb, &advert, 0);
        }
    }
    krpc_advert_init(&iter, packet->message, packet->data);
    while (krpc_advert_next(&iter, &said) && !is_about_list(&said)) {
        if (said.whose == KRPC_WHOSE_RECEIVER) {
            observation_add(pinfo, tree, tvb, packet, &said);
        }
    }
}
