/* tree.c: the keys and values of a message.
 *
 * Every item selects its bytes. Their positions come from the codec and are inside the captured part of the packet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <krpc/bep44.h>
#include <krpc/bloom.h>
#include <krpc/client.h>
#include <krpc/node_id.h>

#define ID_LEN      KRPC_NODE_ID_LEN
#define MAX_UNKNOWN 64 /* unknown keys shown of one dictionary */

bool tree_has_room(tree_context *c)
{
    return c->num_items++ < TREE_MAX_ITEMS;
}

krpc_span tree_clamp(const tree_context *c, uint32_t off, uint32_t len)
{
    krpc_span span = {.off = MIN(off, c->len), .len = 0};

    span.len = MIN(len, c->len - span.off);
    return span;
}

static krpc_span value_span(const tree_context *c, const krpc_value *value)
{
    return tree_clamp(c, value->off, value->len);
}

static void place_add(tree_context *c, uint32_t off, uint32_t end, proto_item *item)
{
    if (c->num_places < TREE_MAX_PLACES && item != NULL && end > off) {
        c->places[c->num_places++] = (tree_place){.off = off, .len = end - off, .item = item};
    }
}

void tree_more_add(tree_context *c, proto_tree *tree, uint32_t count)
{
    if (count != 0) {
        tree_item_uint(tree, HF(MORE), c->tvb, count);
    }
}

void tree_remainder_add(tree_context *c, proto_tree *tree, uint32_t off, uint32_t len)
{
    if (len != 0 && tree_has_room(c)) {
        proto_tree_add_item(tree, HF(REMAINDER), c->tvb, (int)off, (int)len, ENC_NA);
    }
}

/* For items that are only for filters and columns: another item already shows their value. */
static void hide(proto_item *item)
{
    proto_item_set_generated(item);
    proto_item_set_hidden(item);
}

void tree_distance_add(tree_context *c, proto_tree *tree, int hf, unsigned bits)
{
    if (compat_is_visible(tree) || compat_is_referenced(hf)) {
        hide(proto_tree_add_uint(tree, hf, c->tvb, 0, 0, bits));
    }
}

const char *tree_common_text(packet_info *pinfo, unsigned bits)
{
    char decimal[TREE_ITEM_DECIMAL];

    return wmem_strconcat(pinfo->pool, ", ", tree_item_decimal(decimal, bits), bits == 1 ? " bit" : " bits",
                          " in common with the target", NULL);
}

static proto_item *texts_add(tree_context *c, proto_tree *tree, krpc_field field)
{
    proto_item *item = NULL;
    bencode_token token;
    krpc_list list;

    krpc_list_init(&list, c->message, c->data, field);
    while (krpc_list_next(&list, &token)) {
        krpc_span span = tree_clamp(c, token.body_off, token.body_len);

        if (token.type == BENCODE_STRING && tree_has_room(c)) {
            item = proto_tree_add_string(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len,
                                         tree_item_text(c->pinfo, c->data + span.off, span.len, TREE_ITEM_MAX_TEXT));
        }
    }
    return item;
}

static proto_item *endpoint_add(tree_context *c, proto_tree *parent, krpc_field field, krpc_span span)
{
    char text[KRPC_ENDPOINT_TEXT] = "";
    krpc_endpoint endpoint;
    bool has_port = krpc_endpoint_get(&endpoint, c->data + span.off, span.len);
    bool has_addr = has_port || span.len == 4 || span.len == 16;

    if (has_port) {
        krpc_endpoint_text(text, &endpoint);
    } else if (has_addr) {
        krpc_endpoint_set(&endpoint, c->data + span.off, span.len, 0);
        krpc_endpoint_addr_text(text, &endpoint);
    }

    proto_item *item = proto_tree_add_none_format(parent, hf_key[field], c->tvb, (int)span.off, (int)span.len, "%s: %s",
                                                  krpc_field_get(field)->title, text);
    proto_tree *tree = proto_item_add_subtree(item, ETT(VALUE));

    if (has_addr) {
        tree_item_addr(tree, hf_addr[field], hf_addr6[field], c->tvb, span.off, endpoint.addr_len, &endpoint);
    } else {
        tree_remainder_add(c, tree, span.off, span.len);
    }
    if (has_port) {
        proto_tree_add_item(tree, hf_port[field], c->tvb, (int)(span.off + endpoint.addr_len), 2, ENC_BIG_ENDIAN);
    }
    return item;
}

static void bloom_add(tree_context *c, proto_item *item, krpc_field field, krpc_span span)
{
    if (span.len != KRPC_BLOOM_LEN) {
        return;
    }

    double estimate = krpc_bloom_estimate(krpc_bloom_zeros(c->data + span.off));
    int hf = field == KRPC_R_BFPE ? HF(BFPE_ESTIMATE) : field == KRPC_R_BFSD ? HF(BFSD_ESTIMATE) : HF(BFSE_ESTIMATE);
    proto_tree *tree = proto_item_add_subtree(item, ETT(VALUE));

    proto_item_set_text(item, "%s: about %.0f addresses", krpc_field_get(field)->title, estimate);
    proto_item_set_generated(proto_tree_add_double(tree, hf, c->tvb, 0, 0, estimate));
}

static proto_item *version_add(tree_context *c, proto_tree *tree, krpc_span span)
{
    const char *hex = tree_item_hex(c->pinfo, c->data + span.off, span.len, 20);
    char text[KRPC_CLIENT_TEXT];

    krpc_client_text(text, sizeof text, c->data + span.off, span.len);
    hide(proto_tree_add_string(tree, HF(CLIENT), c->tvb, (int)span.off, (int)span.len, text));
    return proto_tree_add_bytes_format(
        tree, hf_key[KRPC_V], c->tvb, (int)span.off, (int)span.len, c->data + span.off, "%s",
        wmem_strconcat(c->pinfo->pool, krpc_field_get(KRPC_V)->title, ": ", text, " (", hex, ")", NULL));
}

static void id_add(tree_context *c, proto_item *item, krpc_span span)
{
    if (span.len != ID_LEN) {
        return;
    }

    const uint8_t *id = c->data + span.off;
    krpc_node_id_verdict verdict = krpc_node_id_check(id, &c->packet->packet.src);
    proto_tree *tree = proto_item_add_subtree(item, ETT(ID));
    const char *common = "";

    tree_item_hidden(tree, HF(BEP42), c->tvb, krpc_node_id_verdict_name(verdict));
    if (c->target != NULL) {
        unsigned bits = krpc_node_id_common_bits(id, c->target);

        common = tree_common_text(c->pinfo, bits);
        tree_distance_add(c, tree, HF(DISTANCE), bits);
    }
    if (verdict == KRPC_NODE_ID_EXEMPT) {
        proto_item_append_text(item, "%s", common);
    } else {
        proto_item_append_text(item, " (BEP 42: %s)%s", krpc_node_id_verdict_name(verdict), common);
    }
}

/* The target of a BEP 44 item, where the message has all that it is computed from. */
static void item_target_add(tree_context *c, proto_tree *tree, bool is_query)
{
    const krpc_message *m = c->message;
    krpc_field key = is_query ? KRPC_A_K : KRPC_R_K;
    uint8_t target[KRPC_BEP44_TARGET_LEN];
    krpc_span item;
    bool known;

    if (!krpc_bep44_item(&item, m, c->data)) {
        return;
    }
    if (!krpc_has(m, key)) {
        known = krpc_bep44_immutable_target(target, c->data + item.off, item.len);
    } else {
        bool salted = krpc_has(m, KRPC_A_SALT);
        krpc_span salt = salted ? value_span(c, &m->value[KRPC_A_SALT]) : (krpc_span){0, 0};

        known = is_query && m->value[key].len == KRPC_BEP44_KEY_LEN &&
                krpc_bep44_mutable_target(target, c->data + m->value[key].off, c->data + salt.off, salt.len);
    }
    if (known) {
        proto_item_set_generated(
            proto_tree_add_bytes_with_length(tree, HF(ITEM_TARGET), c->tvb, 0, 0, target, sizeof target));
    }
}

static void item_add(tree_context *c, proto_item *item, krpc_field field, const krpc_value *value)
{
    proto_tree *tree = proto_item_add_subtree(item, ETT(VALUE));
    krpc_span span = value_span(c, value);
    char *text;

    if (value->type == BENCODE_STRING) {
        text = tree_item_string(c->pinfo, c->data + span.off, span.len);
    } else if (value->type == BENCODE_INT) {
        text = wmem_strdup_printf(c->pinfo->pool, "%" PRId64, value->num);
    } else {
        text = tree_item_bencode(c->pinfo, c->data + span.off, span.len);
    }
    proto_item_append_text(item, " (%s)", text);
    proto_item_set_generated(proto_tree_add_string(tree, HF(ITEM_TEXT), c->tvb, (int)span.off, (int)span.len, text));
    if (compat_is_visible(tree) || proto_field_is_referenced(tree, HF(ITEM_TARGET))) {
        item_target_add(c, tree, field == KRPC_A_V);
    }
}

static proto_item *string_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span)
{
    return proto_tree_add_string(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len,
                                 tree_item_text(c->pinfo, c->data + span.off, span.len, TREE_ITEM_MAX_TEXT));
}

static proto_item *type_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span)
{
    const char *text = tree_item_text(c->pinfo, c->data + span.off, span.len, TREE_ITEM_MAX_TEXT);

    const char *name = krpc_type_name((krpc_type)c->message->type);

    return proto_tree_add_string_format(
        tree, hf_key[field], c->tvb, (int)span.off, (int)span.len, text, "%s",
        wmem_strconcat(c->pinfo->pool, krpc_field_get(field)->title, ": ", text, " (", name, ")", NULL));
}

static proto_item *number_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span, int64_t num)
{
    const char *meaning = field == KRPC_E_CODE ? krpc_error_text(num) : NULL;
    proto_item *item = proto_tree_add_int64(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len, num);

    if (meaning != NULL) {
        proto_item_append_text(item, " (%s)", meaning);
    }
    return item;
}

static proto_item *flag_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span, int64_t num)
{
    proto_item *item = proto_tree_add_boolean(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len, num != 0);

    if (num != 0 && num != 1) {
        proto_item_append_text(item, " (%" PRId64 ")", num);
    }
    return item;
}

static void field_add(tree_context *c, proto_tree *tree, krpc_field field);
static void unknown_keys_add(tree_context *c, proto_tree *tree, krpc_scope scope);

/* The dictionaries a and r and the list e, with their fields in the order of fields.def, which is the order on the
 * wire. None of them is inside another. */
static proto_item *dict_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span)
{
    krpc_scope scope = field == KRPC_A ? KRPC_SCOPE_A : field == KRPC_R ? KRPC_SCOPE_R : KRPC_SCOPE_E;
    proto_item *item = proto_tree_add_item(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len, ENC_NA);
    proto_tree *sub = proto_item_add_subtree(item, ETT(DICT));
    unsigned end = krpc_scope_first(scope + 1u);

    for (unsigned f = krpc_message_next(c->message, krpc_scope_first(scope), end); f < end;
         f = krpc_message_next(c->message, f + 1, end)) {
        field_add(c, sub, (krpc_field)f);
    }
    if (scope != KRPC_SCOPE_E) {
        unknown_keys_add(c, sub, scope);
    }
    return item;
}

static proto_item *bytes_add(tree_context *c, proto_tree *tree, krpc_field field, krpc_span span)
{
    proto_item *item = proto_tree_add_item(tree, hf_key[field], c->tvb, (int)span.off, (int)span.len, ENC_NA);

    if (field == KRPC_A_ID || field == KRPC_R_ID) {
        id_add(c, item, span);
    }
    return item;
}

static proto_item *value_add(tree_context *c, proto_tree *tree, krpc_field field)
{
    const krpc_value *value = &c->message->value[field];
    krpc_span span = value_span(c, value);
    proto_item *item = NULL;

    switch (krpc_field_get(field)->kind) {
    case KRPC_KIND_INT:
    case KRPC_KIND_PORT:
        return number_add(c, tree, field, span, value->num);
    case KRPC_KIND_FLAG:
        return flag_add(c, tree, field, span, value->num);
    case KRPC_KIND_BYTES:
        return bytes_add(c, tree, field, span);
    case KRPC_KIND_TEXT:
        return string_add(c, tree, field, span);
    case KRPC_KIND_METHOD:
        return string_add(c, tree, field, span);
    case KRPC_KIND_TYPE:
        return type_add(c, tree, field, span);
    case KRPC_KIND_VERSION:
        return version_add(c, tree, span);
    case KRPC_KIND_ENDPOINT:
        return endpoint_add(c, tree, field, span);
    case KRPC_KIND_BLOOM:
        item = bytes_add(c, tree, field, span);
        bloom_add(c, item, field, span);
        return item;
    case KRPC_KIND_ANY:
        item = bytes_add(c, tree, field, span);
        item_add(c, item, field, value);
        return item;
    case KRPC_KIND_TEXTS:
        return texts_add(c, tree, field);
    case KRPC_KIND_ERROR:
    case KRPC_KIND_DICT:
        return dict_add(c, tree, field, span);
    case KRPC_KIND_NODES:
    case KRPC_KIND_NODES6:
    case KRPC_KIND_HASHES:
    case KRPC_KIND_PEERS:
    case KRPC_KIND_NODE_LIST:
        return tree_list_add(c, tree, field, span);
    }
    return item;
}

static proto_item *wrong_type_add(tree_context *c, proto_tree *tree, krpc_field field)
{
    static const char *const type_name[] = {"nothing", "a string", "an integer", "a list", "a dictionary", "an end"};
    const krpc_value *value = &c->message->value[field];
    const krpc_field_info *info = krpc_field_get(field);
    krpc_span span = value_span(c, value);
    proto_item *item = proto_tree_add_string(tree, HF(WRONG), c->tvb, (int)span.off, (int)span.len, info->key);

    proto_item_append_text(item, " (%s) is %s", info->title, type_name[MIN(value->type, BENCODE_END)]);
    return item;
}

static void field_add(tree_context *c, proto_tree *tree, krpc_field field)
{
    proto_item *item = NULL;

    if (krpc_has(c->message, field)) {
        item = value_add(c, tree, field);
    } else if (krpc_has_any(c->message, field)) {
        item = wrong_type_add(c, tree, field);
    } else {
        return;
    }
    c->item_of[field] = item;
    c->num_items++;
}

/* The keys that no specification has. */
static void unknown_keys_add(tree_context *c, proto_tree *tree, krpc_scope scope)
{
    uint32_t count = 0;
    krpc_span key, value;
    krpc_unknown unknown;

    if (c->message->num_unknown[scope] == 0) {
        return;
    }
    krpc_unknown_init(&unknown, c->message, c->data, scope);
    while (krpc_unknown_next(&unknown, &key, &value)) {
        if (count++ >= MAX_UNKNOWN || !tree_has_room(c)) {
            continue;
        }
        key = tree_clamp(c, key.off, key.len);
        value = tree_clamp(c, value.off, value.len);

        proto_item *item =
            proto_tree_add_string(tree, HF(UNKNOWN_KEY), c->tvb, (int)key.off, (int)key.len,
                                  tree_item_text(c->pinfo, c->data + key.off, key.len, TREE_ITEM_MAX_TEXT));
        if (compat_is_visible(tree)) {
            proto_item_append_text(item, ": %s", tree_item_bencode(c->pinfo, c->data + value.off, value.len));
        }
        proto_tree_add_item(proto_item_add_subtree(item, ETT(VALUE)), HF(UNKNOWN_VALUE), c->tvb, (int)value.off,
                            (int)value.len, ENC_NA);
        place_add(c, key.off, value.off + value.len, item);
    }
    if (count > MAX_UNKNOWN) {
        tree_more_add(c, tree, count - MAX_UNKNOWN);
    }
}

void tree_message(tree_context *c, proto_tree *tree)
{
    static const krpc_field order[] = {KRPC_Y, KRPC_Q, KRPC_T,  KRPC_V, KRPC_RO, KRPC_A,
                                       KRPC_R, KRPC_E, KRPC_IP, KRPC_P, KRPC_C,  KRPC_ID};
    uint32_t end = MIN(c->message->len, c->len);

    for (unsigned i = 0; i < array_length(order); i++) {
        field_add(c, tree, order[i]);
    }
    unknown_keys_add(c, tree, KRPC_SCOPE_TOP);
    if (end < c->len) {
        proto_tree_add_item(tree, HF(TRAILING), c->tvb, (int)end, (int)(c->len - end), ENC_NA);
    }
}
