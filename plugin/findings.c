/* findings.c: adds the findings about a packet as expert items, each at the value that it is about.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

/* The item of the smallest place that covers these bytes. */
static proto_item *place_find(const tree_context *c, uint32_t off, uint32_t len, proto_item *top)
{
    const tree_place *best = NULL;

    for (unsigned i = 0; c != NULL && len != 0 && i < c->num_places; i++) {
        const tree_place *place = &c->places[i];

        if (off < place->off || off + len > place->off + place->len) {
            continue;
        }
        if (best == NULL || place->len < best->len) {
            best = place;
        }
    }
    return best != NULL ? best->item : top;
}

/* Is the text of expert items used: in Expert Information, in the tree, or by a filter or column? */
static bool is_text_wanted(proto_item *top)
{
    static int expert_tap;

    if (expert_tap == 0) {
        expert_tap = find_tap_id("expert");
    }
    return have_tap_listener(expert_tap) || compat_is_wanted(top, proto_expert);
}

void findings_add(packet_info *pinfo, const tracking_packet *packet, const tree_context *context, proto_item *top)
{
    const tracking_record *record = packet->record;
    bool with_text = record->num_findings != 0 && is_text_wanted(top);
    const char *proto = pinfo->current_proto;
    const bool in_error = pinfo->flags.in_error_pkt;

    pinfo->current_proto = "KRPC"; /* Expert Information shows it as the finding's protocol */
    /* Expert Information leaves out packets that an ICMP error quotes. These findings are about the error itself. */
    pinfo->flags.in_error_pkt = false;
    for (unsigned i = 0; i < record->num_findings; i++) {
        const tracking_finding *kept = &record->findings[i];
        const krpc_finding finding = {(krpc_rule)kept->rule, kept->off, kept->len, kept->a, kept->b};
        char text[256];

        if (kept->rule >= KRPC_NUM_RULES || !prefs_krpc_shows(finding.rule)) {
            continue;
        }
        if (!with_text) {
            expert_add_info(pinfo, top, &ei_rule[kept->rule]);
            continue;
        }
        krpc_finding_text(text, sizeof text, &finding, packet->data, packet->len);
        expert_add_info_format(pinfo, place_find(context, kept->off, kept->len, top), &ei_rule[kept->rule], "%s", text);
    }
    pinfo->current_proto = proto;
    pinfo->flags.in_error_pkt = in_error;
}
