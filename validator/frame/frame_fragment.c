/* frame_fragment.c: reassembly of IP fragments (RFC 791, RFC 8200), without tolerance for overlaps (RFC 5722).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "frame/frame_fragment.h"

#include <string.h>

#include <glib.h>

#define MAX_PIECES      256
#define MAX_DATAGRAM    UINT32_C(65535)
#define MAX_AGE_NS      (INT64_C(60) * 1000000000)
#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40

/* The fields that fragments of one datagram share. No padding: it is hashed and compared as bytes. */
typedef struct fragment_key {
    uint8_t src[16];
    uint8_t dst[16];
    uint32_t id;
    uint16_t protocol;
    uint16_t addr_len;
} fragment_key;

typedef struct piece {
    uint32_t start;
    uint32_t end;
} piece;

typedef struct pending {
    fragment_key key;
    GList link; /* in frame_fragments.by_age */
    int64_t first_ns;
    uint8_t *bytes; /* room for an IP header, then the data */
    uint32_t capacity;
    uint32_t total_len; /* of the data; 0 until the last fragment came */
    uint32_t have_len;
    uint32_t num_pieces;
    piece pieces[MAX_PIECES]; /* sorted by start, without overlaps */
    bool refused;             /* kept so that its later fragments do not start a new datagram */
} pending;

struct frame_fragments {
    GHashTable *by_key;
    GQueue by_age; /* oldest first */
    uint32_t max_datagrams;
    uint32_t max_bytes;
    uint32_t num_bytes;
    uint8_t *whole; /* the datagram that was returned last */
    frame_fragment_stats stats;
};

static guint key_hash(gconstpointer key)
{
    const uint8_t *p = (const uint8_t *)key;
    guint hash = 2166136261U;

    for (size_t i = 0; i < sizeof(fragment_key); i++) {
        hash = (hash ^ p[i]) * 16777619U;
    }
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(fragment_key)) == 0;
}

static void pending_drop_bytes(frame_fragments *fragments, pending *datagram)
{
    fragments->num_bytes -= datagram->capacity;
    datagram->capacity = 0;
    g_free(datagram->bytes);
    datagram->bytes = NULL;
}

static void pending_remove(frame_fragments *fragments, pending *datagram)
{
    pending_drop_bytes(fragments, datagram);
    g_queue_unlink(&fragments->by_age, &datagram->link);
    g_hash_table_remove(fragments->by_key, &datagram->key);
    g_free(datagram);
}

/* A refused datagram was counted when it was refused. */
static void give_up(frame_fragments *fragments, pending *datagram, uint64_t *counter)
{
    if (!datagram->refused) {
        ++*counter;
    }
    pending_remove(fragments, datagram);
}

static void refuse(frame_fragments *fragments, pending *datagram, uint64_t *counter)
{
    ++*counter;
    datagram->refused = true;
    pending_drop_bytes(fragments, datagram);
}

static pending *oldest(frame_fragments *fragments)
{
    GList *first = g_queue_peek_head_link(&fragments->by_age);

    return first != NULL ? (pending *)first->data : NULL;
}

frame_fragments *frame_fragments_new(uint32_t max_datagrams, uint32_t max_bytes)
{
    frame_fragments *fragments = g_new0(frame_fragments, 1);

    fragments->by_key = g_hash_table_new(key_hash, key_equal);
    g_queue_init(&fragments->by_age);
    fragments->max_datagrams = max_datagrams;
    fragments->max_bytes = max_bytes;
    return fragments;
}

void frame_fragments_finish(frame_fragments *fragments)
{
    for (pending *datagram; (datagram = oldest(fragments)) != NULL;) {
        give_up(fragments, datagram, &fragments->stats.expired);
    }
}

void frame_fragments_free(frame_fragments *fragments)
{
    if (fragments == NULL) {
        return;
    }
    frame_fragments_finish(fragments);
    g_hash_table_destroy(fragments->by_key);
    g_free(fragments->whole);
    g_free(fragments);
}

const frame_fragment_stats *frame_fragments_stats(const frame_fragments *fragments)
{
    return &fragments->stats;
}

/* Times in a capture may jump back: then age is negative, and the datagram stays. */
static void expire(frame_fragments *fragments, int64_t time_ns)
{
    for (pending *datagram; (datagram = oldest(fragments)) != NULL;) {
        if (time_ns < datagram->first_ns || (uint64_t)time_ns - (uint64_t)datagram->first_ns <= (uint64_t)MAX_AGE_NS) {
            return;
        }
        give_up(fragments, datagram, &fragments->stats.expired);
    }
}

static pending *pending_get(frame_fragments *fragments, const frame_fragment *fragment, int64_t time_ns)
{
    fragment_key key = {
        .id = fragment->id,
        .protocol = fragment->protocol,
        .addr_len = fragment->src.addr_len,
    };
    memcpy(key.src, fragment->src.addr, sizeof key.src);
    memcpy(key.dst, fragment->dst.addr, sizeof key.dst);

    pending *datagram = (pending *)g_hash_table_lookup(fragments->by_key, &key);
    if (datagram != NULL) {
        return datagram;
    }
    while (g_queue_get_length(&fragments->by_age) >= fragments->max_datagrams && oldest(fragments) != NULL) {
        give_up(fragments, oldest(fragments), &fragments->stats.evicted);
    }
    datagram = g_new0(pending, 1);
    datagram->key = key;
    datagram->first_ns = time_ns;
    datagram->link.data = datagram;
    g_queue_push_tail_link(&fragments->by_age, &datagram->link);
    g_hash_table_insert(fragments->by_key, &datagram->key, datagram);
    return datagram;
}

/* Makes room for data up to end by evicting older datagrams, but never this one. */
static bool pending_reserve(frame_fragments *fragments, pending *datagram, uint32_t end)
{
    uint32_t needed = end + IPV6_HEADER_LEN;

    if (needed <= datagram->capacity) {
        return true;
    }
    uint32_t capacity = datagram->capacity == 0 ? 4096 : datagram->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    uint32_t more = capacity - datagram->capacity;
    while (fragments->num_bytes > fragments->max_bytes || more > fragments->max_bytes - fragments->num_bytes) {
        pending *first = oldest(fragments);
        if (first == datagram) {
            return false;
        }
        give_up(fragments, first, &fragments->stats.evicted);
    }
    datagram->bytes = (uint8_t *)g_realloc(datagram->bytes, capacity);
    fragments->num_bytes += more;
    datagram->capacity = capacity;
    return true;
}

typedef enum piece_status { PIECE_NEW, PIECE_REPEATED, PIECE_OVERLAPS, PIECE_TOO_MANY } piece_status;

/* Inserts [start, end) into the sorted list of pieces. */
static piece_status piece_insert(pending *datagram, uint32_t start, uint32_t end)
{
    uint32_t at = datagram->num_pieces;

    while (at > 0 && datagram->pieces[at - 1].start >= start) {
        at--;
    }
    if (at < datagram->num_pieces && datagram->pieces[at].start == start && datagram->pieces[at].end == end) {
        return PIECE_REPEATED;
    }
    if (at < datagram->num_pieces && datagram->pieces[at].start < end) {
        return PIECE_OVERLAPS;
    }
    if (at > 0 && datagram->pieces[at - 1].end > start) {
        return PIECE_OVERLAPS;
    }
    if (datagram->num_pieces == MAX_PIECES) {
        return PIECE_TOO_MANY;
    }
    memmove(&datagram->pieces[at + 1], &datagram->pieces[at], (datagram->num_pieces - at) * sizeof(piece));
    datagram->pieces[at] = (piece){start, end};
    datagram->num_pieces++;
    datagram->have_len += end - start;
    return PIECE_NEW;
}

/* The datagram ends where its last fragment ends; no other fragment may reach beyond. */
static bool total_fits(const pending *datagram, const frame_fragment *fragment, uint32_t end)
{
    const piece *last = datagram->num_pieces > 0 ? &datagram->pieces[datagram->num_pieces - 1] : NULL;

    if (fragment->more) {
        return datagram->total_len == 0 || end <= datagram->total_len;
    }
    return (datagram->total_len == 0 || datagram->total_len == end) && (last == NULL || last->end <= end);
}

/* Adds one fragment; true if its datagram is now complete. */
static bool fragment_take(frame_fragments *fragments, pending *datagram, const frame_fragment *fragment,
                          const uint8_t *data)
{
    uint32_t header_len = fragment->src.addr_len == 4 ? IPV4_HEADER_LEN : 0; /* IPv6 does not count it */
    uint32_t start = fragment->offset;
    uint32_t len = fragment->data_wire_len;

    if (datagram->refused) {
        return false;
    }
    if (len == 0 || len > MAX_DATAGRAM - header_len || start > MAX_DATAGRAM - header_len - len ||
        (fragment->more && len % 8 != 0) || !total_fits(datagram, fragment, start + len)) {
        refuse(fragments, datagram, &fragments->stats.malformed);
        return false;
    }
    if (fragment->data_len < len) {
        refuse(fragments, datagram, &fragments->stats.cut);
        return false;
    }
    if (!pending_reserve(fragments, datagram, start + len)) {
        refuse(fragments, datagram, &fragments->stats.evicted);
        return false;
    }
    uint8_t *place = datagram->bytes + IPV6_HEADER_LEN + start;
    switch (piece_insert(datagram, start, start + len)) {
    case PIECE_NEW:
        break;
    case PIECE_REPEATED: /* the same frame captured twice is not an overlap */
        if (memcmp(place, data + fragment->data_off, len) == 0) {
            return false;
        }
        refuse(fragments, datagram, &fragments->stats.overlapping);
        return false;
    case PIECE_OVERLAPS:
        refuse(fragments, datagram, &fragments->stats.overlapping);
        return false;
    case PIECE_TOO_MANY:
        refuse(fragments, datagram, &fragments->stats.malformed);
        return false;
    }
    memcpy(place, data + fragment->data_off, len);
    if (!fragment->more) {
        datagram->total_len = start + len;
    }
    return datagram->total_len != 0 && datagram->have_len == datagram->total_len;
}

/* Writes the header of the unfragmented datagram before the data, and returns its offset. */
static uint32_t header_write(uint8_t *bytes, const pending *datagram)
{
    const fragment_key *key = &datagram->key;
    uint8_t *p;

    memset(bytes, 0, IPV6_HEADER_LEN);
    if (key->addr_len == 16) {
        bytes[0] = 0x60;
        bytes[4] = (uint8_t)(datagram->total_len >> 8);
        bytes[5] = (uint8_t)datagram->total_len;
        bytes[6] = (uint8_t)key->protocol;
        memcpy(bytes + 8, key->src, 16);
        memcpy(bytes + 24, key->dst, 16);
        return 0;
    }
    p = bytes + IPV6_HEADER_LEN - IPV4_HEADER_LEN;
    p[0] = 0x45;
    p[2] = (uint8_t)((datagram->total_len + IPV4_HEADER_LEN) >> 8);
    p[3] = (uint8_t)(datagram->total_len + IPV4_HEADER_LEN);
    p[9] = (uint8_t)key->protocol;
    memcpy(p + 12, key->src, 4);
    memcpy(p + 16, key->dst, 4);
    return IPV6_HEADER_LEN - IPV4_HEADER_LEN;
}

frame_status frame_fragments_parse(frame_fragments *fragments, frame_datagram *out, frame_link link,
                                   const uint8_t *data, uint32_t caplen, uint32_t wirelen, int64_t time_ns)
{
    frame_status status = frame_parse(out, link, data, caplen, wirelen);

    /* A reassembled datagram may contain a tunnel whose datagrams are fragments; each turn removes one layer. */
    for (unsigned depth = 0; status == FRAME_FRAGMENT && depth < 4; depth++) {
        expire(fragments, time_ns);
        pending *datagram = pending_get(fragments, &out->fragment, time_ns);
        if (!fragment_take(fragments, datagram, &out->fragment, data)) {
            return FRAME_FRAGMENT;
        }
        uint32_t start = header_write(datagram->bytes, datagram);
        uint32_t len = IPV6_HEADER_LEN - start + datagram->total_len;
        uint8_t *whole = datagram->bytes;
        fragments->num_bytes -= datagram->capacity;
        datagram->bytes = NULL;
        datagram->capacity = 0;
        fragments->stats.whole++;
        pending_remove(fragments, datagram);
        g_free(fragments->whole);
        fragments->whole = whole;
        data = whole + start;
        status = frame_parse(out, FRAME_LINK_IP, data, len, len);
        /* Put together from the fragments of two datagrams. */
        if (status == FRAME_DATAGRAM && out->protocol == FRAME_UDP && out->is_beyond) {
            return FRAME_MALFORMED;
        }
    }
    return status;
}
