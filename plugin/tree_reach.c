/* tree_reach.c: whether others can reach the sender, what to do, and its NAT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <krpc/advert.h>

/* Outside a NAT that rewrites ports, the node's own port is not visible. */
static bool is_own_port(const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;
    bool is_same = nat->num_external <= TRACKER_MAX_EXTERNAL;

    for (unsigned i = 0; i < nat->num_kept; i++) {
        is_same = is_same && nat->external[i].endpoint.port == node->endpoint.port;
    }
    return is_same || krpc_endpoint_scope(&node->endpoint) != KRPC_ADDR_GLOBAL;
}

/* The words that replace the braces of advice.def. */
static const char *brace_text(char out[TREE_ITEM_DECIMAL], const char *brace, const tracker_node *node,
                              const tracker_advice_item *item)
{
    const krpc_channel_info *channel = krpc_channel_get((krpc_channel)item->channel);

    if (g_str_has_prefix(brace, "{port}")) {
        return tree_item_decimal(out, item->port);
    }
    if (g_str_has_prefix(brace, "{said}")) {
        return tree_item_decimal(out, item->said);
    }
    if (g_str_has_prefix(brace, "{channel}")) {
        return channel != NULL ? channel->name : "";
    }
    return is_own_port(node) ? tree_item_decimal(out, node->endpoint.port) : "N (set in the client)";
}

static const char *advice_text(packet_info *pinfo, const tracker_node *node, const tracker_advice_item *item)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");
    char decimal[TREE_ITEM_DECIMAL];

    for (const char *at = tracker_advice_line(item->advice); at != NULL && *at != '\0';) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;

        if (end == NULL) {
            wmem_strbuf_append_c(out, *at++);
            continue;
        }
        wmem_strbuf_append(out, brace_text(decimal, at, node, item));
        at = end + 1;
    }
    return wmem_strbuf_get_str(out);
}

static void advice_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracker_node *node,
                       const tracker_advice_item *advice)
{
    const char *slug = tracker_advice_slug(advice->advice);
    proto_item *item = proto_tree_add_string_format_value(tree, HF(ADVICE), tvb, 0, 0, slug, "%s (%s)", slug,
                                                          advice_text(pinfo, node, advice));
    proto_tree *sub = proto_item_add_subtree(item, ETT(ADVICE));

    proto_item_set_generated(item);
    for (unsigned i = 0; i < advice->num_frames && i < TRACKER_MAX_FRAMES; i++) {
        tree_item_frame(sub, HF(ADVICE_FRAME), tvb, advice->frames[i]);
    }
}

static void frames_add(proto_tree *tree, tvbuff_t *tvb, const uint32_t *frames, uint32_t num_frames)
{
    for (unsigned i = 0; i < num_frames && i < TRACKER_MAX_FRAMES; i++) {
        tree_item_frame(tree, HF(REACH_FRAME), tvb, frames[i]);
    }
}

static void reasons_add(proto_tree *tree, tvbuff_t *tvb, const tracker_nat *nat)
{
    tree_item_meaning(tree, HF(REASON), tvb, tracker_reason_name(nat->port_reason),
                      tracker_reason_meaning(nat->port_reason));
    if (nat->mapping_reason != nat->port_reason) {
        tree_item_meaning(tree, HF(REASON), tvb, tracker_reason_name(nat->mapping_reason),
                          tracker_reason_meaning(nat->mapping_reason));
    }
}

static void reach_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const tracker_node *node)
{
    const tracker_reachability *reach = &node->reach;
    proto_item *item = proto_tree_add_item(tree, HF(REACH), tvb, 0, 0, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(REACH));

    proto_item_append_text(item, ": %s", tracker_reach_name(reach->verdict));
    proto_item_set_generated(item);
    tree_item_meaning(sub, HF(REACH_VERDICT), tvb, tracker_reach_name(reach->verdict),
                      tracker_reach_meaning(reach->verdict));
    for (unsigned i = 0; i < reach->num_open && i < TRACKER_MAX_OPEN; i++) {
        proto_item_append_text(item, "%s %u", i == 0 ? " on port" : ",", reach->open[i].endpoint.port);
        tree_item_uint(sub, HF(REACH_PORT), tvb, reach->open[i].endpoint.port);
        frames_add(sub, tvb, reach->open[i].frames, reach->open[i].num_frames);
    }
    if (reach->num_open == 0) {
        frames_add(sub, tvb, reach->frames, reach->num_frames);
    }
    for (unsigned i = 0; i < TRACKER_NUM_MISSING; i++) {
        if ((reach->missing & 1u << i) != 0) {
            tree_item_meaning(sub, HF(REACH_MISSING), tvb, tracker_missing_name((tracker_missing)i),
                              tracker_missing_meaning((tracker_missing)i));
        }
    }
    reasons_add(sub, tvb, &node->nat);
    for (unsigned i = 0; i < node->num_advice && i < TRACKER_MAX_ADVICE; i++) {
        proto_item_append_text(item, ", %s", tracker_advice_slug(node->advice[i].advice));
        advice_add(pinfo, sub, tvb, node, &node->advice[i]);
    }
}

static void external_add(proto_tree *tree, tvbuff_t *tvb, const tracker_external *external)
{
    proto_item *item = proto_tree_add_item(tree, HF(NAT_EXTERNAL), tvb, 0, 0, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(EXTERNAL));
    char text[KRPC_ENDPOINT_TEXT] = "";

    proto_item_append_text(item, ": %s, by %u observer%s", krpc_endpoint_text(text, &external->endpoint),
                           external->observers, external->observers == 1 ? "" : "s");
    proto_item_set_generated(item);
    tree_item_addr(sub, HF(NAT_ADDR), HF(NAT_ADDR6), tvb, 0, 0, &external->endpoint);
    tree_item_uint(sub, HF(NAT_EXTERNAL_PORT), tvb, external->endpoint.port);
    tree_item_uint(sub, HF(NAT_OBSERVERS), tvb, external->observers);
    for (unsigned i = 0; i < TRACKER_MAX_FRAMES; i++) {
        tree_item_frame(sub, HF(NAT_FRAME), tvb, external->frames[i]);
    }
}

bool tree_reach_is_behind_nat(const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;

    return nat->port != TRACKER_PORT_UNKNOWN || nat->mapping == TRACKER_MAPPING_DEPENDENT || nat->num_external > 1 ||
           (nat->num_kept == 1 && !krpc_endpoint_equal(&nat->external[0].endpoint, &node->endpoint));
}

static void nat_add(proto_tree *tree, tvbuff_t *tvb, const tracker_nat *nat)
{
    proto_item *item = proto_tree_add_item(tree, HF(NAT), tvb, 0, 0, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(NAT));

    proto_item_append_text(item, ": port %s, mapping %s", tracker_port_name(nat->port),
                           tracker_mapping_name(nat->mapping));
    proto_item_set_generated(item);
    tree_item_word(sub, HF(NAT_PORT), tvb, tracker_port_name(nat->port));
    tree_item_word(sub, HF(NAT_ADDRESSES), tvb, tracker_addresses_name(nat->addresses));
    tree_item_word(sub, HF(NAT_MAPPING), tvb, tracker_mapping_name(nat->mapping));
    tree_item_word(sub, HF(NAT_FILTERING), tvb, tracker_filtering_name(nat->filtering));
    if (nat->remapped != 0) {
        tree_item_uint(sub, HF(NAT_REMAPPED), tvb, nat->remapped);
    }
    if ((nat->evidence & TRACKER_FROM_INSIDE) != 0) {
        tree_item_flag(sub, HF(NAT_INSIDE), tvb, true);
    }
    if ((nat->evidence & TRACKER_FROM_OUTSIDE) != 0) {
        tree_item_flag(sub, HF(NAT_OUTSIDE), tvb, true);
    }
    if ((nat->evidence & TRACKER_FROM_BOTH) != 0) {
        tree_item_flag(sub, HF(NAT_BOTH), tvb, true);
    }
    for (unsigned i = 0; i < nat->num_kept && i < TRACKER_MAX_EXTERNAL; i++) {
        external_add(sub, tvb, &nat->external[i]);
    }
    if (nat->num_external > nat->num_kept) {
        tree_item_uint(sub, HF(NAT_MORE), tvb, nat->num_external - nat->num_kept);
    }
}

static bool has_verdict(const tracker_node *node)
{
    return node->reach.verdict != TRACKER_REACH_UNKNOWN || node->nat.port != TRACKER_PORT_UNKNOWN ||
           node->nat.mapping != TRACKER_MAPPING_UNKNOWN || node->nat.addresses != TRACKER_ADDRESSES_UNKNOWN;
}

/* Is an item of the two subtrees displayed, or used by a filter or column? If not, no verdict is asked for. */
static bool is_used(proto_tree *tree)
{
    bool is_used = compat_is_visible(tree);

    for (unsigned i = HF_REACH; !is_used && i <= HF_NAT_MORE; i++) {
        is_used = compat_is_referenced(hf_own[i]);
    }
    return is_used;
}

void tree_reach_add(packet_info *pinfo, proto_tree *tree, tvbuff_t *tvb, const krpc_endpoint *endpoint)
{
    tracker_node node;

    if (!prefs_krpc_nat || !is_used(tree) || !conclusions_node_find(endpoint, &node)) {
        return;
    }
    if (node.ours || has_verdict(&node)) {
        reach_add(pinfo, tree, tvb, &node);
    }
    if (tree_reach_is_behind_nat(&node)) {
        nat_add(tree, tvb, &node.nat);
    }
}
