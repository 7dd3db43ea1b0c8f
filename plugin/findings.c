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

/* Wireshark gives an expert item no bytes. Those of the finding are selected with it, or the byte that it begins at. */
static void bytes_set(proto_item *item, const tree_context *c, const tracking_finding *finding)
{
    field_info *fi = item != NULL ? PITEM_FINFO(item) : NULL;

    if (fi != NULL && c != NULL && finding->off < c->len) {
        fi->ds_tvb = tvb_get_ds_tvb(c->tvb);
        fi->start = tvb_raw_offset(c->tvb) + (int)finding->off;
        fi->length = (int)MIN(MAX(finding->len, 1u), c->len - finding->off);
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

/* For filters: Wireshark's _ws.expert.severity is also that of other protocols' expert items in the same frame. */
static void severities_add(proto_item *top, const tracking_record *record)
{
    unsigned found = 0; /* a bit for each severity */

    if (top == NULL || !(compat_is_visible(top) || compat_is_referenced(HF(SEVERITY)))) {
        return;
    }
    for (unsigned i = 0; i < record->num_findings; i++) {
        krpc_rule rule = (krpc_rule)record->findings[i].rule;

        if (rule < KRPC_NUM_RULES && prefs_krpc_shows(rule)) {
            found |= 1u << krpc_rule_get(rule)->severity;
        }
    }
    for (unsigned i = 0; found >> i != 0; i++) {
        if ((found >> i & 1) != 0) {
            tree_item_hidden(proto_item_add_subtree(top, ETT(KRPC)), HF(SEVERITY), NULL,
                             krpc_severity_name((krpc_severity)i));
        }
    }
}

void findings_add(packet_info *pinfo, const tracking_packet *packet, const tree_context *context, proto_item *top)
{
    const tracking_record *record = packet->record;
    bool with_text = record->num_findings != 0 && is_text_wanted(top);
    const char *proto = pinfo->current_proto;
    const bool in_error = pinfo->flags.in_error_pkt;

    severities_add(top, record);
    pinfo->current_proto = "KRPC"; /* Expert Information shows it as the finding's protocol */
    /* Expert Information leaves out packets that an ICMP error quotes. These findings are about the error itself. */
    pinfo->flags.in_error_pkt = false;
    for (unsigned i = 0; i < record->num_findings; i++) {
        const tracking_finding *kept = &record->findings[i];
        const krpc_finding finding = {
            (krpc_rule)kept->rule, (krpc_field)kept->field, kept->off, kept->len, kept->a, kept->b};
        char text[256];

        if (kept->rule >= KRPC_NUM_RULES || !prefs_krpc_shows(finding.rule)) {
            continue;
        }
        if (!with_text) {
            expert_add_info(pinfo, top, &ei_rule[kept->rule]);
            continue;
        }
        krpc_finding_text(text, sizeof text, &finding, packet->data, packet->len);

        proto_item *place = place_find(context, kept, top);

        expert_add_info_format(pinfo, place, &ei_rule[kept->rule], "%s", text);
        bytes_set(place != NULL ? place->last_child : NULL, context, kept);
    }
    pinfo->current_proto = proto;
    pinfo->flags.in_error_pkt = in_error;
}
