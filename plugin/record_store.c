/* record_store.c: stores the results for each packet: about 20 bytes for a query, 40 for a response, and 4 for every
 * frame.
 *
 * Records are packed into blocks of the file's memory and found by the number of their frame. Members that are zero are
 * not written, and numbers are written in groups of 7 bits, so that small ones take one byte each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#define BLOCK_SHIFT 16
#define BLOCK_SIZE  (1u << BLOCK_SHIFT)
#define CHUNK_SHIFT 10
#define CHUNK_SIZE  (1u << CHUNK_SHIFT)
#define MAX_NUMBER  10 /* bytes of a number of 64 bits */
#define TARGET_LEN  20

/* A record starts with its flags: its kind, and which of the following parts it has, in this order. */
enum {
    KIND = 3,     /* mask: tracking_kind */
    HAS_NEXT = 4, /* place of another record of the same frame, which holds several datagrams */
    HAS_LINK = 8, /* frame of the response, 0 until it is known */
    HAS_PEERS = 16,
    HAS_TARGET = 32,
    HAS_REQUEST = 64,
    HAS_REPEATS = 128,
    HAS_ASKED = 256,
    HAS_ADVERTS = 512,
    HAS_FINDINGS = 1024,
    ASKED_ELSEWHERE = 2048,
    HAS_MARK = 4096 /* a query that is not the first record of its frame */
};

/* A place is the number of a block and an offset in it, plus 1; 0: none. */
typedef uint32_t place;

static GPtrArray
    *chunks; /* arrays of CHUNK_SIZE places, by frame number; NULL where none of these frames has a record */
static GPtrArray *blocks;
static uint32_t block_used;

void record_store_init(void)
{
    chunks = g_ptr_array_new_with_free_func(g_free);
    blocks = g_ptr_array_new(); /* the blocks are freed with wmem_file_scope */
    block_used = BLOCK_SIZE;
}

void record_store_clear(void)
{
    if (chunks != NULL) {
        g_ptr_array_free(chunks, TRUE);
        g_ptr_array_free(blocks, TRUE);
    }
    chunks = blocks = NULL;
}

/* A record that is larger than a block gets a larger one for itself. NULL when all places are used. */
static uint8_t *block_alloc(size_t size, place *out)
{
    uint8_t *block;

    if (size > BLOCK_SIZE - block_used) {
        if (blocks->len >= UINT32_MAX >> BLOCK_SHIFT) {
            return NULL;
        }
        g_ptr_array_add(blocks, wmem_alloc(wmem_file_scope(), MAX(size, BLOCK_SIZE)));
        block_used = 0;
    }
    block = g_ptr_array_index(blocks, blocks->len - 1);
    *out = ((blocks->len - 1) << BLOCK_SHIFT) + block_used + 1;
    block += block_used;
    block_used = (uint32_t)MIN(block_used + size, BLOCK_SIZE);
    return block;
}

static uint8_t *place_data(place where)
{
    return (uint8_t *)g_ptr_array_index(blocks, (where - 1) >> BLOCK_SHIFT) + ((where - 1) & (BLOCK_SIZE - 1));
}

static place *place_slot(uint32_t frame, bool make)
{
    uint32_t index = frame >> CHUNK_SHIFT;

    if (chunks == NULL || (index >= chunks->len && !make)) {
        return NULL;
    }
    if (index >= chunks->len) {
        g_ptr_array_set_size(chunks, (int)index + 1);
    }
    if (g_ptr_array_index(chunks, index) == NULL) {
        if (!make) {
            return NULL;
        }
        g_ptr_array_index(chunks, index) = g_new0(place, CHUNK_SIZE);
    }
    return &((place *)g_ptr_array_index(chunks, index))[frame & (CHUNK_SIZE - 1)];
}

static size_t number_put(uint8_t *out, uint64_t num)
{
    size_t len = 0;

    for (; num >= 128; num >>= 7) {
        out[len++] = (uint8_t)(num | 128);
    }
    out[len++] = (uint8_t)num;
    return len;
}

static uint64_t number_get(const uint8_t **in)
{
    uint64_t num = 0;
    unsigned shift = 0;

    for (; (**in & 128) != 0; (*in)++, shift += 7) {
        num |= (uint64_t)(**in & 127) << shift;
    }
    num |= (uint64_t)*(*in)++ << shift;
    return num;
}

/* The sign goes to the lowest bit, so that small negative numbers are short too. */
static uint64_t sign_fold(int64_t num)
{
    return num < 0 ? ~((uint64_t)num << 1) : (uint64_t)num << 1;
}

static int64_t sign_unfold(uint64_t num)
{
    return (num & 1) != 0 ? (int64_t)~(num >> 1) : (int64_t)(num >> 1);
}

static unsigned flags_get(const tracking_record *record, bool has_next)
{
    bool is_asked = record->kind == TRACKING_MESSAGE && record->request_frame == 0;

    return record->kind | (has_next ? HAS_NEXT : 0) | (is_asked ? HAS_LINK : 0) |
           (record->peers != NULL ? HAS_PEERS : 0) | (record->target != NULL ? HAS_TARGET : 0) |
           (record->request_frame != 0 ? HAS_REQUEST : 0) | (record->repeats != 0 ? HAS_REPEATS : 0) |
           (record->asked_port != 0 ? HAS_ASKED : 0) | (record->num_adverts != 0 ? HAS_ADVERTS : 0) |
           (record->num_findings != 0 ? HAS_FINDINGS : 0) | (record->asked_elsewhere ? ASKED_ELSEWHERE : 0) |
           (has_next && is_asked ? HAS_MARK : 0);
}

static size_t bytes_put(uint8_t *out, const void *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return len;
}

static void bytes_get(void *out, const uint8_t **in, size_t len)
{
    memcpy(out, *in, len);
    *in += len;
}

static size_t findings_put(uint8_t *out, const tracking_record *record)
{
    size_t len = number_put(out, record->num_findings);

    for (unsigned i = 0; i < record->num_findings; i++) {
        const tracking_finding *finding = &record->findings[i];

        len += number_put(out + len, finding->rule);
        len += number_put(out + len, finding->field);
        len += number_put(out + len, finding->off);
        len += number_put(out + len, finding->len);
        len += number_put(out + len, sign_fold(finding->a));
        len += number_put(out + len, sign_fold(finding->b));
    }
    return len;
}

static size_t record_put(uint8_t *out, const tracking_record *record, uint32_t key, place next)
{
    unsigned flags = flags_get(record, next != 0);
    size_t len = number_put(out, flags);

    if ((flags & HAS_NEXT) != 0) {
        len += bytes_put(out + len, &next, sizeof next);
    }
    if ((flags & HAS_LINK) != 0) {
        len += bytes_put(out + len, &record->response_frame, sizeof record->response_frame);
    }
    if ((flags & HAS_MARK) != 0) {
        len += bytes_put(out + len, &record->mark, sizeof record->mark);
    }
    len += number_put(out + len, key);
    len += number_put(out + len, record->method);
    if ((flags & HAS_PEERS) != 0) {
        len += bytes_put(out + len, &record->peers, sizeof record->peers);
    }
    if ((flags & HAS_TARGET) != 0) {
        len += bytes_put(out + len, record->target, TARGET_LEN);
    }
    if ((flags & HAS_REQUEST) != 0) {
        len += number_put(out + len, record->request_frame);
        len += number_put(out + len, sign_fold(record->rtt_ns));
    }
    if ((flags & HAS_REPEATS) != 0) {
        len += number_put(out + len, record->repeats);
    }
    if ((flags & HAS_ASKED) != 0) {
        len += number_put(out + len, record->asked_port);
    }
    if ((flags & HAS_ADVERTS) != 0) {
        len += number_put(out + len, record->num_adverts);
        len += number_put(out + len, record->first_advert);
    }
    if ((flags & HAS_FINDINGS) != 0) {
        len += findings_put(out + len, record);
    }
    return len;
}

void record_store_put(const tracking_packet *packet, const tracking_record *record)
{
    uint8_t few[512], *bytes = few, *kept;
    size_t max = sizeof few / 2 + 6 * (size_t)record->num_findings * MAX_NUMBER;
    place *where = place_slot(packet->packet.frame, true);
    size_t len;
    place mine;

    if (where == NULL) {
        return;
    }
    if (max > sizeof few) {
        bytes = g_malloc(max);
    }
    len = record_put(bytes, record, packet->key, *where);
    kept = block_alloc(len, &mine);
    if (kept != NULL) {
        memcpy(kept, bytes, len);
        *where = mine;
    }
    if (bytes != few) {
        g_free(bytes);
    }
}

static void findings_get(packet_info *pinfo, tracking_record *record, const uint8_t **in)
{
    record->num_findings = (uint16_t)number_get(in);
    record->findings = wmem_alloc_array(pinfo->pool, tracking_finding, record->num_findings);
    for (unsigned i = 0; i < record->num_findings; i++) {
        tracking_finding *finding = &record->findings[i];

        finding->rule = (uint16_t)number_get(in);
        finding->field = (uint16_t)number_get(in);
        finding->off = (uint32_t)number_get(in);
        finding->len = (uint16_t)number_get(in);
        finding->a = sign_unfold(number_get(in));
        finding->b = sign_unfold(number_get(in));
    }
}

/* Reads the rest of a record, after the key. */
static void rest_get(packet_info *pinfo, tracking_record *record, unsigned flags, const uint8_t *in)
{
    record->method = (uint8_t)number_get(&in);
    if ((flags & HAS_PEERS) != 0) {
        bytes_get(&record->peers, &in, sizeof record->peers);
    }
    if ((flags & HAS_TARGET) != 0) {
        record->target = in;
        in += TARGET_LEN;
    }
    if ((flags & HAS_REQUEST) != 0) {
        record->request_frame = (uint32_t)number_get(&in);
        record->rtt_ns = sign_unfold(number_get(&in));
    }
    if ((flags & HAS_REPEATS) != 0) {
        record->repeats = (uint32_t)number_get(&in);
    }
    if ((flags & HAS_ASKED) != 0) {
        record->asked_port = (uint16_t)number_get(&in);
    }
    if ((flags & HAS_ADVERTS) != 0) {
        record->num_adverts = (uint16_t)number_get(&in);
        record->first_advert = number_get(&in);
    }
    if ((flags & HAS_FINDINGS) != 0) {
        findings_get(pinfo, record, &in);
    }
}

/* The first part of every record. */
typedef struct head {
    unsigned flags;
    place next;
    uint8_t *link; /* the bytes of the response's frame; NULL where the record has none */
    uint16_t mark;
    uint32_t key;
    const uint8_t *rest;
} head;

static head head_get(place here)
{
    uint8_t *begin = place_data(here);
    const uint8_t *in = begin;
    head out = {.flags = (unsigned)number_get(&in)};

    if ((out.flags & HAS_NEXT) != 0) {
        bytes_get(&out.next, &in, sizeof out.next);
    }
    if ((out.flags & HAS_LINK) != 0) {
        out.link = begin + (in - begin);
        in += sizeof(uint32_t);
    }
    if ((out.flags & HAS_MARK) != 0) {
        bytes_get(&out.mark, &in, sizeof out.mark);
    }
    out.key = (uint32_t)number_get(&in);
    out.rest = in;
    return out;
}

tracking_record *record_store_get(packet_info *pinfo, uint32_t frame, uint32_t key)
{
    const place *where = place_slot(frame, false);
    place here = where != NULL ? *where : 0;
    tracking_record *record;
    head kept;

    while (here != 0 && (kept = head_get(here)).key != key) {
        here = kept.next;
    }
    if (here == 0) {
        return NULL;
    }
    record = wmem_new0(pinfo->pool, tracking_record);
    record->kind = kept.flags & KIND;
    record->asked_elsewhere = (kept.flags & ASKED_ELSEWHERE) != 0;
    if (kept.link != NULL) {
        memcpy(&record->response_frame, kept.link, sizeof record->response_frame);
    }
    rest_get(pinfo, record, kept.flags, kept.rest);
    return record;
}

/* The list starts with the newest record of the frame. The oldest has no mark: it is the query if no other mark
 * matches. */
void record_store_link(uint32_t query_frame, uint16_t mark, uint32_t response_frame)
{
    const place *where = place_slot(query_frame, false);
    head kept;

    for (place here = where != NULL ? *where : 0; here != 0; here = kept.next) {
        uint32_t known;

        kept = head_get(here);
        if (kept.link == NULL || ((kept.flags & HAS_MARK) != 0 && kept.mark != mark)) {
            continue;
        }
        memcpy(&known, kept.link, sizeof known);
        if (known == 0) {
            memcpy(kept.link, &response_frame, sizeof response_frame);
        }
        return;
    }
}
