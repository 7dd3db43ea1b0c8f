/* findings.c: adds the findings about a packet as expert items, each at the value that it is about.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

/* The item of the field that the finding is about, else of the unknown key that it is in, else of the message. */
static proto_item *place_find(const tree_context *c, const tracking_finding *finding, proto_item *top)
{
    if (c != NULL && finding->field < KRPC_NUM_FIELDS && c->item_of[finding->field] != NULL) {
        return c->item_of[finding->field];
    }
    for (unsigned i = 0; c != NULL && finding->len != 0 && i < c->num_places; i++) {
        const tree_place *place = &c->places[i];

        if (finding->off >= place->off && finding->off + finding->len <= place->off + place->len) {
            return place->item;
        }
    }
    return top;
}

/* Wireshark gives an expert item no bytes. Those of the finding are selected with it; in a KRPC message without any,
 * the byte that it begins at. */
static void bytes_set(proto_item *item, const tracking_packet *packet, const tracking_finding *finding)
{
    field_info *fi = item != NULL ? PITEM_FINFO(item) : NULL;
    const field_info *top = packet->item != NULL ? PITEM_FINFO(packet->item) : NULL;

    if (fi != NULL && top != NULL && finding->off < packet->len && (packet->context != NULL || finding->len != 0)) {
        fi->ds_tvb = top->ds_tvb;
        fi->start = top->start + (int)finding->off;
        fi->length = (int)MIN(MAX(finding->len, 1u), packet->len - finding->off);
    }
}

bool findings_are_wanted(proto_tree *tree)
{
    return compat_is_wanted(tree, proto_expert);
}

/* Is the text of expert items used: in Expert Information, in the tree, or by a filter or column? */
static bool is_text_wanted(proto_item *top)
{
    static int expert_tap;

    if (expert_tap == 0) {
        expert_tap = find_tap_id("expert");
    }
    return have_tap_listener(expert_tap) || findings_are_wanted(top);
}

/* For filters: Wireshark's _ws.expert.severity is also that of other protocols' expert items in the same frame. Each
 * severity is added once. */
static void severity_add(tracking_packet *packet, krpc_rule rule)
{
    krpc_severity severity = krpc_rule_get(rule)->severity;

    if (packet->item != NULL && (packet->severities & 1u << severity) == 0 &&
        (compat_is_visible(packet->item) || compat_is_referenced(HF(SEVERITY)))) {
        packet->severities |= 1u << severity;
        tree_item_hidden(proto_item_add_subtree(packet->item, ETT(KRPC)), HF(SEVERITY), NULL,
                         krpc_severity_name(severity));
    }
}

static void finding_add(packet_info *pinfo, tracking_packet *packet, const tracking_finding *kept, bool with_text)
{
    const krpc_finding finding = {
        (krpc_rule)kept->rule, (krpc_field)kept->field, kept->off, kept->len, kept->a, kept->b};
    const char *proto = pinfo->current_proto;
    const bool in_error = pinfo->flags.in_error_pkt;
    char text[256];

    if (kept->rule >= KRPC_NUM_RULES || !prefs_krpc_shows(finding.rule)) {
        return;
    }
    pinfo->current_proto = "KRPC"; /* Expert Information shows it as the finding's protocol */
    /* Expert Information leaves out packets that an ICMP error quotes. These findings are about the error itself. */
    pinfo->flags.in_error_pkt = false;
    severity_add(packet, finding.rule);
    if (with_text) {
        proto_item *place = place_find(packet->context, kept, packet->item);

        krpc_finding_text(text, sizeof text, &finding, packet->data, packet->len);
        expert_add_info_format(pinfo, place, &ei_rule[kept->rule], "%s", text);
        bytes_set(place != NULL ? place->last_child : NULL, packet, kept);
    } else {
        expert_add_info(pinfo, packet->item, &ei_rule[kept->rule]);
    }
    pinfo->current_proto = proto;
    pinfo->flags.in_error_pkt = in_error;
}

void findings_add(packet_info *pinfo, tracking_packet *packet)
{
    const tracking_record *record = packet->record;
    bool with_text = record->num_findings != 0 && is_text_wanted(packet->item);

    for (unsigned i = 0; i < record->num_findings; i++) {
        finding_add(pinfo, packet, &record->findings[i], with_text);
    }
}

void findings_add_conclusions(packet_info *pinfo, proto_tree *tree)
{
    unsigned num;
    const tracker_conclusion *conclusions;

    if (!PINFO_FD_VISITED(pinfo)) {
        return;
    }
    conclusions = conclusions_of(pinfo->num, &num);
    for (unsigned i = 0; i < num; i++) {
        tracking_packet none = {.data = (const uint8_t *)"", .item = tree}, *packet;
        const tracking_finding finding = tracking_finding_of(&conclusions[i].finding);

        packet = conclusions_packet(pinfo, &conclusions[i]);
        if (packet == NULL) {
            packet = &none;
        }
        finding_add(pinfo, packet, &finding, is_text_wanted(packet->item));
    }
}
