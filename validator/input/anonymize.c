/* anonymize.c: see anonymize.h.
 *
 * Addresses and ids go through the prefix-preserving mapping of Xu, Fan, Ammar and Moon (Crypto-PAn): a keyed function
 * of the preceding bits decides whether each bit is flipped. One HMAC-SHA-256 yields the bits for all 255 prefixes
 * within a byte. Prefixes of special addresses (10/8, fe80::/10, ...) are not flipped, so that a private address stays
 * private and a global one never becomes private.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/anonymize.h"

#include <string.h>

#include <glib.h>
#include <krpc/compact.h>

#define DIGEST_LEN      32
#define ID_LEN          20
#define MAX_CACHED      65536
#define MAX_KEPT_DIGITS 20
#define MAX_KEPT_KEY    32 /* a longer key of an unknown dictionary may hold any data */

struct anonymizer {
    GHmac *hmac;
    GHashTable *ids; /* cache of recent results: every message has ids */
    GHashTable *addrs;
    GByteArray *keep; /* for each byte of a message, whether it stays */
};

typedef struct special {
    uint8_t addr[4];
    uint8_t len;
} special;

static const special specials4[] = {
    {{0}, 8}, {{10}, 8}, {{100, 64}, 10}, {{127}, 8}, {{169, 254}, 16}, {{172, 16}, 12}, {{192, 168}, 16}, {{224}, 3},
};
static const special specials6[] = {
    {{0}, 8}, {{0x20}, 3}, {{0xfc}, 7}, {{0xfe, 0x80}, 10}, {{0xff}, 8},
};

anonymizer *anonymizer_new(const char *key)
{
    anonymizer *by = g_new0(anonymizer, 1);

    by->hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)key, strlen(key));
    by->ids = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                                    (GDestroyNotify)g_bytes_unref);
    by->addrs = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                                      (GDestroyNotify)g_bytes_unref);
    by->keep = g_byte_array_new();
    return by;
}

void anonymizer_free(anonymizer *by)
{
    if (by == NULL) {
        return;
    }
    g_hmac_unref(by->hmac);
    g_hash_table_destroy(by->ids);
    g_hash_table_destroy(by->addrs);
    g_byte_array_unref(by->keep);
    g_free(by);
}

static void digest(const anonymizer *by, uint8_t out[DIGEST_LEN], char tag, const uint8_t *bytes, size_t len,
                   uint32_t counter)
{
    uint8_t head[6] = {
        (uint8_t)tag,    (uint8_t)len, (uint8_t)(counter >> 24), (uint8_t)(counter >> 16), (uint8_t)(counter >> 8),
        (uint8_t)counter};
    GHmac *hmac = g_hmac_copy(by->hmac);
    gsize size = DIGEST_LEN;

    g_hmac_update(hmac, head, sizeof head);
    g_hmac_update(hmac, bytes, (gssize)len);
    g_hmac_get_digest(hmac, out, &size);
    g_hmac_unref(hmac);
}

/* True if the first num_bits of addr are the start of a special prefix: then the next bit must stay. */
static bool leads_to_special(const special *specials, unsigned num_specials, const uint8_t *addr, unsigned num_bits)
{
    for (unsigned i = 0; i < num_specials; i++) {
        unsigned bit = 0;
        if (num_bits >= specials[i].len) {
            continue;
        }
        while (bit < num_bits && ((addr[bit / 8] ^ specials[i].addr[bit / 8]) >> (7 - bit % 8) & 1) == 0) {
            bit++;
        }
        if (bit == num_bits) {
            return true;
        }
    }
    return false;
}

static void map_bits(const anonymizer *by, uint8_t *out, const uint8_t *in, size_t len, char tag,
                     const special *specials, unsigned num_specials)
{
    uint8_t turns[DIGEST_LEN];

    for (size_t i = 0; i < len; i++) {
        digest(by, turns, tag, in, i, 0);
        out[i] = in[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned before = (unsigned)in[i] >> (8 - bit);
            unsigned place = (1u << bit) - 1 + before;
            bool turn = (turns[place / 8] >> (place % 8) & 1) != 0;
            if (turn && !leads_to_special(specials, num_specials, in, (unsigned)i * 8 + bit)) {
                out[i] ^= (uint8_t)(0x80 >> bit);
            }
        }
    }
}

static void map_cached(anonymizer *by, GHashTable *cache, uint8_t *bytes, size_t len, char tag, const special *specials,
                       unsigned num_specials)
{
    GBytes *key = g_bytes_new(bytes, len);
    GBytes *mapped = g_hash_table_lookup(cache, key);

    if (mapped == NULL) {
        uint8_t out[ID_LEN];
        if (g_hash_table_size(cache) >= MAX_CACHED) {
            g_hash_table_remove_all(cache);
        }
        map_bits(by, out, bytes, len, tag, specials, num_specials);
        mapped = g_bytes_new(out, len);
        g_hash_table_insert(cache, g_bytes_ref(key), mapped);
    }
    memcpy(bytes, g_bytes_get_data(mapped, NULL), len);
    g_bytes_unref(key);
}

static void map_id(anonymizer *by, uint8_t id[ID_LEN])
{
    static const uint8_t zero[ID_LEN];

    /* An id that is zero stays zero, because that is a finding (id.zero). */
    if (memcmp(id, zero, ID_LEN) != 0) {
        map_cached(by, by->ids, id, ID_LEN, 'i', NULL, 0);
    }
}

static void map_addr4(anonymizer *by, uint8_t addr[4])
{
    /* "This network", loopback, multicast and broadcast belong to no host and stay. */
    if (addr[0] != 0 && addr[0] != 127 && addr[0] < 224) {
        map_cached(by, by->addrs, addr, 4, '4', specials4, G_N_ELEMENTS(specials4));
    }
}

static void map_addr6(anonymizer *by, uint8_t addr[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t zero[15];

    if (memcmp(addr, mapped, sizeof mapped) == 0) {
        map_addr4(by, addr + 12);
    } else if (addr[0] != 0xff && !(memcmp(addr, zero, sizeof zero) == 0 && addr[15] <= 1)) {
        map_cached(by, by->addrs, addr, 16, '6', specials6, G_N_ELEMENTS(specials6));
    }
}

static void map_addr(anonymizer *by, uint8_t *addr, size_t len)
{
    if (len == 4) {
        map_addr4(by, addr);
    } else if (len == 16) {
        map_addr6(by, addr);
    }
}

static void map_endpoint(anonymizer *by, krpc_endpoint *endpoint)
{
    map_addr(by, endpoint->addr, endpoint->addr_len);
}

void anonymize_packet(anonymizer *by, tracker_packet *packet)
{
    map_endpoint(by, &packet->src);
    map_endpoint(by, &packet->dst);
}

void anonymize_advert(anonymizer *by, tracker_advert *advert)
{
    map_endpoint(by, &advert->sender);
    map_endpoint(by, &advert->receiver);
    map_endpoint(by, &advert->observed);
    if (advert->has_node_id) {
        map_id(by, advert->node_id);
    }
    if (advert->has_info_hash) {
        map_id(by, advert->info_hash);
    }
}

void anonymize_node(anonymizer *by, tracker_node *node)
{
    map_endpoint(by, &node->endpoint);
    for (uint32_t i = 0; i < MIN(node->num_ids, TRACKER_MAX_IDS); i++) {
        map_id(by, node->ids[i]);
    }
    for (uint32_t i = 0; i < node->nat.num_kept; i++) {
        map_endpoint(by, &node->nat.external[i].endpoint);
    }
    for (uint32_t i = 0; i < node->reach.num_open; i++) {
        map_endpoint(by, &node->reach.open[i].endpoint);
    }
}

void anonymize_result(anonymizer *by, tracker_result *result)
{
    map_endpoint(by, &result->asked);
    if (result->has_target) {
        map_id(by, result->target);
    }
}

/* ---- messages ---- */

static void keep(anonymizer *by, uint32_t off, uint32_t len)
{
    if (len > 0) {
        memset(by->keep->data + off, 1, len);
    }
}

static bool is_plain(const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (bytes[i] < 0x20 || bytes[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Keeps the structure: containers, integers, keys, and string lengths. */
static void keep_structure(anonymizer *by, const uint8_t *data, uint32_t len)
{
    bencode_reader reader;
    bencode_token token;
    bencode_status status;

    bencode_reader_init(&reader, data, len);
    while ((status = bencode_next(&reader, &token)) == BENCODE_OK) {
        bool is_key = (token.flags & BENCODE_KEY) != 0 && token.body_len <= MAX_KEPT_KEY &&
                      is_plain(data + token.body_off, token.body_len);
        if (token.type == BENCODE_STRING && !is_key) {
            keep(by, token.off, token.body_off - token.off);
        } else {
            keep(by, token.off, token.end - token.off);
        }
    }
    /* Keeps the length of the string that was cut, or the bytes where a length was expected. */
    if (status == BENCODE_CUT || status == BENCODE_BAD_LENGTH) {
        uint32_t pos = reader.pos;
        while (pos < len && pos - reader.pos < MAX_KEPT_DIGITS && g_ascii_isdigit(data[pos])) {
            pos++;
        }
        if (pos < len && data[pos] == ':') {
            pos++;
        }
        keep(by, reader.pos, pos - reader.pos);
    }
}

static void map_compact(anonymizer *by, uint8_t *data, uint32_t off, uint32_t len)
{
    if (len == 6 || len == 18 || len == 4 || len == 16) {
        map_addr(by, data + off, len & ~(uint32_t)2);
        keep(by, off, len);
    }
}

static void map_node(anonymizer *by, uint8_t *data, uint32_t off, uint32_t len)
{
    map_id(by, data + off);
    keep(by, off, ID_LEN);
    map_compact(by, data, off + ID_LEN, len - ID_LEN);
}

static void map_nodes(anonymizer *by, const krpc_message *message, uint8_t *data, krpc_field field)
{
    krpc_compact_iter it;
    krpc_compact entry;

    krpc_nodes_init(&it, message, data, field);
    while (krpc_nodes_next(&it, &entry)) {
        if (entry.endpoint.addr_len != 0) {
            map_node(by, data, entry.off, entry.len);
        }
    }
}

static void map_peers(anonymizer *by, const krpc_message *message, uint8_t *data)
{
    krpc_compact_iter it;
    krpc_compact entry;

    krpc_peers_init(&it, message, data);
    while (krpc_peers_next(&it, &entry)) {
        map_compact(by, data, entry.off, entry.len);
    }
}

static void keep_texts(anonymizer *by, const krpc_message *message, const uint8_t *data, krpc_field field)
{
    krpc_list list;
    bencode_token item;

    krpc_list_init(&list, message, data, field);
    while (krpc_list_next(&list, &item)) {
        if (item.type == BENCODE_STRING && item.body_len == 2) {
            keep(by, item.body_off, item.body_len);
        }
    }
}

/* The text of an error usually describes the problem, but it may contain a name or an address. */
static bool is_harmless(const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (g_ascii_isdigit(bytes[i])) {
            return false;
        }
    }
    return is_plain(bytes, len);
}

static void map_field(anonymizer *by, const krpc_message *message, uint8_t *data, krpc_field field)
{
    const krpc_value *value = &message->value[field];
    krpc_kind kind = krpc_field_get(field)->kind;

    switch (kind) {
    case KRPC_KIND_BYTES:
        if (field == KRPC_T) {
            keep(by, value->off, value->len);
        } else if (value->len == ID_LEN && field != KRPC_A_TOKEN && field != KRPC_R_TOKEN) {
            map_id(by, data + value->off);
            keep(by, value->off, value->len);
        }
        break;
    case KRPC_KIND_TYPE:
    case KRPC_KIND_VERSION:
    case KRPC_KIND_METHOD:
        if (value->len <= MAX_KEPT_KEY) {
            keep(by, value->off, value->len);
        }
        break;
    case KRPC_KIND_TEXT:
        if (field == KRPC_E_MESSAGE && is_harmless(data + value->off, value->len)) {
            keep(by, value->off, value->len);
        }
        break;
    case KRPC_KIND_ENDPOINT:
        map_compact(by, data, value->off, value->len);
        break;
    case KRPC_KIND_NODES:
    case KRPC_KIND_NODES6:
    case KRPC_KIND_NODE_LIST:
        map_nodes(by, message, data, field);
        break;
    case KRPC_KIND_HASHES:
        for (uint32_t i = 0; value->len - i >= ID_LEN; i += ID_LEN) {
            map_id(by, data + value->off + i);
            keep(by, value->off + i, ID_LEN);
        }
        break;
    case KRPC_KIND_PEERS:
        map_peers(by, message, data);
        break;
    case KRPC_KIND_TEXTS:
        keep_texts(by, message, data, field);
        break;
    default:
        break;
    }
}

static bool is_blank(const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (bytes[i] != 0 && bytes[i] != '\r' && bytes[i] != '\n' && bytes[i] != ' ') {
            return false;
        }
    }
    return true;
}

/* Replaces the bytes, always in the same way; text becomes letters. */
static void scramble(const anonymizer *by, uint8_t *bytes, uint32_t len)
{
    bool plain = is_plain(bytes, len);
    uint8_t seed[DIGEST_LEN];
    uint8_t stream[DIGEST_LEN];

    digest(by, seed, 's', bytes, len, len);
    for (uint32_t i = 0; i < len; i++) {
        if (i % DIGEST_LEN == 0) {
            digest(by, stream, 'x', seed, sizeof seed, i / DIGEST_LEN);
        }
        bytes[i] = plain ? (uint8_t)('a' + stream[i % DIGEST_LEN] % 26) : stream[i % DIGEST_LEN];
    }
}

void anonymize_message(anonymizer *by, const krpc_message *message, uint8_t *data, uint32_t len)
{
    g_byte_array_set_size(by->keep, len);
    if (len == 0) {
        return;
    }
    memset(by->keep->data, 0, len);
    keep_structure(by, data, len);
    for (unsigned field = 0; field < KRPC_NUM_FIELDS; field++) {
        if (krpc_has(message, (krpc_field)field)) {
            map_field(by, message, data, (krpc_field)field);
        }
    }
    for (uint32_t i = 0; i < len;) {
        uint32_t begin = i;
        while (i < len && by->keep->data[i] == 0) {
            i++;
        }
        if (i > begin && !is_blank(data + begin, i - begin)) {
            scramble(by, data + begin, i - begin);
        } else if (i == begin) {
            i++;
        }
    }
}

/* The header of uTP, the fixed part of a handshake and PORT messages identify no one. */
void anonymize_other(anonymizer *by, uint8_t *data, uint32_t len)
{
    static const uint8_t port_head[5] = {0, 0, 0, 3, 9};
    static const char handshake[] = "\x13"
                                    "BitTorrent protocol";

    g_byte_array_set_size(by->keep, len);
    if (len == 0) {
        return;
    }
    memset(by->keep->data, 0, len);
    if (len >= 20 && (data[0] & 0x0f) == 1 && data[0] >> 4 <= 4) {
        keep(by, 0, 20);
    }
    for (uint32_t i = 0; i < len; i++) {
        if (len - i >= 7 && memcmp(data + i, port_head, sizeof port_head) == 0) {
            keep(by, i, 7);
        }
        if (len - i >= 28 && memcmp(data + i, handshake, sizeof handshake - 1) == 0) {
            keep(by, i, 28);
        }
    }
    for (uint32_t i = 0; i < len; i++) {
        if (by->keep->data[i] == 0) {
            data[i] = 0;
        }
    }
}
