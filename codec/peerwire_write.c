/* peerwire_write.c: messages of the peer wire protocol into a caller's buffer.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/peerwire.h>

#include "peerwire_private.h"

static const char *const extension_keys[] = {
    NULL,
    NULL,
#define EXTENSION(SYMBOL, NAME, SPEC) NAME,
#include <krpc/peerwire.def>
};

static void put_u32(bencode_writer *writer, uint32_t num)
{
    uint8_t bytes[4] = {(uint8_t)(num >> 24), (uint8_t)(num >> 16), (uint8_t)(num >> 8), (uint8_t)num};

    bencode_put_raw(writer, bytes, sizeof bytes);
}

size_t peerwire_handshake_put(void *out, size_t cap, uint64_t reserved, const uint8_t info_hash[20],
                              const uint8_t peer_id[20])
{
    bencode_writer writer;

    bencode_writer_init(&writer, out, cap);
    bencode_put_raw(&writer, PEERWIRE_MAGIC, PEERWIRE_MAGIC_LEN);
    put_u32(&writer, (uint32_t)(reserved >> 32));
    put_u32(&writer, (uint32_t)reserved);
    bencode_put_raw(&writer, info_hash, 20);
    bencode_put_raw(&writer, peer_id, 20);
    return writer.len;
}

size_t peerwire_message_put(void *out, size_t cap, uint8_t id, const void *payload, size_t len)
{
    bencode_writer writer;

    bencode_writer_init(&writer, out, cap);
    put_u32(&writer, (uint32_t)len + 1);
    bencode_put_raw(&writer, &id, 1);
    bencode_put_raw(&writer, payload, len);
    return writer.len;
}

size_t peerwire_extended_put(void *out, size_t cap, uint8_t ext_id, const void *payload, size_t len)
{
    uint8_t ids[2] = {20, ext_id};
    bencode_writer writer;

    bencode_writer_init(&writer, out, cap);
    put_u32(&writer, (uint32_t)len + 2);
    bencode_put_raw(&writer, ids, sizeof ids);
    bencode_put_raw(&writer, payload, len);
    return writer.len;
}

size_t peerwire_port_put(void *out, size_t cap, uint16_t port)
{
    uint8_t payload[2] = {(uint8_t)(port >> 8), (uint8_t)(port & 0xff)};

    return peerwire_message_put(out, cap, 9, payload, sizeof payload);
}

static void put_int(bencode_writer *writer, const peerwire_offer *offer, peerwire_key key, int64_t num)
{
    if ((offer->present >> key & 1) != 0) {
        bencode_put_key(writer, peerwire_key_get(key)->key);
        bencode_put_int(writer, num);
    }
}

static void put_addr(bencode_writer *writer, peerwire_key key, const krpc_endpoint *endpoint)
{
    if (endpoint->addr_len > 0) {
        bencode_put_key(writer, peerwire_key_get(key)->key);
        bencode_put_string(writer, endpoint->addr, endpoint->addr_len);
    }
}

static void put_m(bencode_writer *writer, const peerwire_offer *offer)
{
    bencode_put_key(writer, peerwire_key_get(PEERWIRE_KEY_M)->key);
    bencode_put_dict(writer);
    for (size_t i = PEERWIRE_EXT_HANDSHAKE + 1; i < PEERWIRE_EXT_UNKNOWN; i++) {
        if (offer->ext_id[i] != 0) {
            bencode_put_key(writer, extension_keys[i]);
            bencode_put_int(writer, offer->ext_id[i]);
        }
    }
    bencode_put_end(writer);
}

/* In the order of the keys' bytes. */
static void put_dict(bencode_writer *writer, const peerwire_offer *offer)
{
    bencode_put_dict(writer);
    put_addr(writer, PEERWIRE_KEY_IPV4, &offer->ipv4);
    put_addr(writer, PEERWIRE_KEY_IPV6, &offer->ipv6);
    put_m(writer, offer);
    put_int(writer, offer, PEERWIRE_KEY_METADATA_SIZE, offer->metadata_size);
    put_int(writer, offer, PEERWIRE_KEY_P, offer->p);
    put_int(writer, offer, PEERWIRE_KEY_REQQ, offer->reqq);
    if (offer->v != NULL) {
        bencode_put_key(writer, peerwire_key_get(PEERWIRE_KEY_V)->key);
        bencode_put_string(writer, offer->v, offer->v_len);
    }
    put_addr(writer, PEERWIRE_KEY_YOURIP, &offer->yourip);
    bencode_put_end(writer);
}

size_t peerwire_offer_put(void *out, size_t cap, const peerwire_offer *offer)
{
    static const uint8_t ids[2] = {20, 0};
    bencode_writer dry, writer;

    bencode_writer_init(&dry, NULL, 0);
    put_dict(&dry, offer);
    bencode_writer_init(&writer, out, cap);
    put_u32(&writer, (uint32_t)dry.len + 2);
    bencode_put_raw(&writer, ids, sizeof ids);
    put_dict(&writer, offer);
    return writer.len;
}
