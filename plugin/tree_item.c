/* tree_item.c: text, and generated items.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

/* Text. */

char *tree_item_hex(packet_info *pinfo, const uint8_t *data, size_t len, size_t max)
{
    static const char digits[] = "0123456789abcdef";
    size_t shown = MIN(len, max);
    char *out = wmem_alloc(pinfo->pool, 2 * shown + 4);

    for (size_t i = 0; i < shown; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    memcpy(out + 2 * shown, shown < len ? "..." : "", shown < len ? 4 : 1);
    return out;
}

char *tree_item_decimal(char out[TREE_ITEM_DECIMAL], uint32_t num)
{
    char *digit = out + TREE_ITEM_DECIMAL - 1;

    *digit = '\0';
    do {
        *--digit = (char)('0' + num % 10);
    } while ((num /= 10) != 0);
    return digit;
}

static void text_append(wmem_strbuf_t *out, const uint8_t *data, size_t len, size_t max)
{
    size_t shown = MIN(len, max);
    size_t i = 0;

    while (i < shown) {
        gunichar c = g_utf8_get_char_validated((const char *)data + i, (gssize)(len - i));

        if (c == (gunichar)-1 || c == (gunichar)-2 || c == 0 || !g_unichar_isprint(c)) {
            wmem_strbuf_append_printf(out, "\\x%02x", data[i]);
            i++;
        } else {
            wmem_strbuf_append_unichar(out, c);
            i += (size_t)g_unichar_to_utf8(c, NULL);
        }
    }
    if (shown < len) {
        wmem_strbuf_append(out, "...");
    }
}

char *tree_item_text(packet_info *pinfo, const uint8_t *data, size_t len, size_t max)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");

    text_append(out, data, len, max);
    return wmem_strbuf_finalize(out);
}

static bool is_text(const uint8_t *data, size_t len)
{
    size_t i = 0;

    while (i < len) {
        gunichar c = g_utf8_get_char_validated((const char *)data + i, (gssize)(len - i));

        if (c == (gunichar)-1 || c == (gunichar)-2 || !g_unichar_isprint(c)) {
            return false;
        }
        i += (size_t)g_unichar_to_utf8(c, NULL);
    }
    return true;
}

static void string_append(packet_info *pinfo, wmem_strbuf_t *out, const uint8_t *data, size_t len)
{
    if (is_text(data, len)) {
        wmem_strbuf_append_c(out, '"');
        text_append(out, data, len, TREE_ITEM_MAX_TEXT);
        wmem_strbuf_append_c(out, '"');
    } else {
        wmem_strbuf_append_printf(out, "0x%s", tree_item_hex(pinfo, data, len, 32));
    }
}

char *tree_item_string(packet_info *pinfo, const uint8_t *data, size_t len)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");

    string_append(pinfo, out, data, len);
    return wmem_strbuf_finalize(out);
}

/* The text between a token and the one before it. */
static const char *separator(bencode_type before, bool is_value, const bencode_token *token)
{
    if (is_value) {
        return ": ";
    }
    if (before == BENCODE_NONE || before == BENCODE_LIST || before == BENCODE_DICT || token->type == BENCODE_END) {
        return "";
    }
    return ", ";
}

char *tree_item_bencode(packet_info *pinfo, const uint8_t *data, size_t len)
{
    wmem_strbuf_t *out = wmem_strbuf_new(pinfo->pool, "");
    bencode_type before = BENCODE_NONE;
    bencode_reader reader;
    bencode_token token;
    bool was_key = false;

    bencode_reader_init(&reader, data, len);
    for (;;) {
        bool in_dict =
            reader.depth > 0 && reader.depth <= BENCODE_MAX_DEPTH && (reader.dicts >> (reader.depth - 1) & 1) != 0;

        if (wmem_strbuf_get_len(out) > 2 * TREE_ITEM_MAX_TEXT) {
            wmem_strbuf_append(out, " ...");
            break;
        }
        if (bencode_next(&reader, &token) != BENCODE_OK) {
            break;
        }
        wmem_strbuf_append(out, separator(before, was_key, &token));
        was_key = (token.flags & BENCODE_KEY) != 0;
        before = token.type;
        if (token.type == BENCODE_STRING) {
            string_append(pinfo, out, data + token.body_off, token.body_len);
        } else if (token.type == BENCODE_INT) {
            wmem_strbuf_append_printf(out, "%" PRId64, token.num);
        } else if (token.type == BENCODE_END) {
            wmem_strbuf_append(out, in_dict ? "}" : "]");
        } else {
            wmem_strbuf_append(out, token.type == BENCODE_DICT ? "{" : "[");
        }
    }
    return wmem_strbuf_finalize(out);
}

/* Generated items. */

void tree_item_frame(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t frame)
{
    if (frame != 0) {
        proto_item_set_generated(proto_tree_add_uint(tree, hf, tvb, 0, 0, frame));
    }
}

static void hide(proto_item *item)
{
    proto_item_set_generated(item);
    proto_item_set_hidden(item);
}

void tree_item_hidden(proto_tree *tree, int hf, tvbuff_t *tvb, const char *text)
{
    hide(proto_tree_add_string(tree, hf, tvb, 0, 0, text));
}

void tree_item_filter(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num)
{
    if (compat_is_referenced(hf)) {
        hide(proto_tree_add_uint(tree, hf, tvb, 0, 0, num));
    }
}

void tree_item_uint(proto_tree *tree, int hf, tvbuff_t *tvb, uint32_t num)
{
    proto_item_set_generated(proto_tree_add_uint(tree, hf, tvb, 0, 0, num));
}

void tree_item_word(proto_tree *tree, int hf, tvbuff_t *tvb, const char *word)
{
    proto_item_set_generated(proto_tree_add_string(tree, hf, tvb, 0, 0, word));
}

void tree_item_meaning(proto_tree *tree, int hf, tvbuff_t *tvb, const char *word, const char *meaning)
{
    proto_item_set_generated(proto_tree_add_string_format_value(tree, hf, tvb, 0, 0, word, "%s (%s)", word, meaning));
}

void tree_item_flag(proto_tree *tree, int hf, tvbuff_t *tvb, bool flag)
{
    proto_item_set_generated(proto_tree_add_boolean(tree, hf, tvb, 0, 0, flag));
}

void tree_item_time(proto_tree *tree, int hf, tvbuff_t *tvb, int64_t time_ns)
{
    nstime_t time = {.secs = (time_t)(time_ns / 1000000000), .nsecs = (int)(time_ns % 1000000000)};

    proto_item *item = compat_is_visible(tree) ? proto_tree_add_time_format_value(tree, hf, tvb, 0, 0, &time, "%.3f ms",
                                                                                  (double)time_ns / 1e6)
                                               : proto_tree_add_time(tree, hf, tvb, 0, 0, &time);

    proto_item_set_generated(item);
}

void tree_item_addr(proto_tree *tree, int hf4, int hf6, tvbuff_t *tvb, uint32_t off, uint32_t len,
                    const krpc_endpoint *endpoint)
{
    proto_item *item = NULL;

    if (endpoint->addr_len == 4) {
        ws_in4_addr addr;

        memcpy(&addr, endpoint->addr, sizeof addr);
        item = proto_tree_add_ipv4(tree, hf4, tvb, (int)off, (int)len, addr);
    } else if (endpoint->addr_len == 16) {
        ws_in6_addr addr;

        memcpy(&addr, endpoint->addr, sizeof addr);
        item = proto_tree_add_ipv6(tree, hf6, tvb, (int)off, (int)len, &addr);
    }
    if (len == 0) {
        proto_item_set_generated(item);
    }
}
