/* store.c: what was found out about each packet, in little room: about 50 bytes for a query, 80 for a response.
 *
 * Records are packed into blocks of the file's memory and found by the number of their frame. Numbers are written in
 * groups of 7 bits, so that the many small ones take a byte each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#define BLOCK_SIZE 65536
#define CHUNK_SHIFT 10
#define CHUNK_SIZE (1u << CHUNK_SHIFT)
#define MAX_NUMBER 10 /* bytes of a number of 64 bits */
#define TARGET_LEN 20

typedef struct packed {
    struct packed *next; /* of the same frame: a tunnel's, or another reassembled datagram's */
    state_peer *peers;
    uint32_t key;
    uint32_t response_frame;
    uint8_t kind;
    uint8_t method;
    bool has_target;
    bool asked_elsewhere;
    uint8_t bytes[];
} packed;

static GPtrArray *chunks; /* of CHUNK_SIZE pointers each; NULL where no frame has a record */
static uint8_t *block;
static size_t block_left;

void store_init(void)
{
    chunks = g_ptr_array_new_with_free_func(g_free);
    block = NULL;
    block_left = 0;
}

void store_clear(void)
{
    if (chunks != NULL)
        g_ptr_array_free(chunks, TRUE);
    chunks = NULL;
    block = NULL; /* its memory goes with the file */
    block_left = 0;
}

static void *room(size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (size > BLOCK_SIZE / 8)
        return wmem_alloc(wmem_file_scope(), size);
    if (size > block_left) {
        block = wmem_alloc(wmem_file_scope(), BLOCK_SIZE);
        block_left = BLOCK_SIZE;
    }
    block_left -= size;
    return block + block_left;
}

static packed **slot(uint32_t frame, bool make)
{
    uint32_t index = frame >> CHUNK_SHIFT;

    if (chunks == NULL || (index >= chunks->len && !make))
        return NULL;
    if (index >= chunks->len)
        g_ptr_array_set_size(chunks, (int)index + 1);
    if (g_ptr_array_index(chunks, index) == NULL) {
        if (!make)
            return NULL;
        g_ptr_array_index(chunks, index) = g_new0(packed *, CHUNK_SIZE);
    }
    return &((packed **)g_ptr_array_index(chunks, index))[frame & (CHUNK_SIZE - 1)];
}

static size_t put_number(uint8_t *out, uint64_t num)
{
    size_t len = 0;

    for (; num >= 128; num >>= 7)
        out[len++] = (uint8_t)(num | 128);
    out[len++] = (uint8_t)num;
    return len;
}

static uint64_t get_number(const uint8_t **in)
{
    uint64_t num = 0;
    unsigned shift = 0;

    for (; (**in & 128) != 0; (*in)++, shift += 7)
        num |= (uint64_t)(**in & 127) << shift;
    num |= (uint64_t) * (*in)++ << shift;
    return num;
}

/* The sign goes to the lowest bit, so that small negative numbers are short too. */
static uint64_t fold(int64_t num)
{
    return num < 0 ? ~((uint64_t)num << 1) : (uint64_t)num << 1;
}

static int64_t unfold(uint64_t num)
{
    return (num & 1) != 0 ? (int64_t)~(num >> 1) : (int64_t)(num >> 1);
}

static size_t put_record(uint8_t *out, const state_record *record)
{
    size_t len = 0;

    len += put_number(out + len, record->request_frame);
    len += put_number(out + len, record->repeats);
    len += put_number(out + len, record->asked_port);
    len += put_number(out + len, fold(record->rtt_ns));
    len += put_number(out + len, record->num_adverts);
    if (record->num_adverts != 0)
        len += put_number(out + len, record->first_advert);
    len += put_number(out + len, record->num_findings);
    for (unsigned i = 0; i < record->num_findings; i++) {
        const state_finding *finding = &record->findings[i];

        len += put_number(out + len, finding->rule);
        len += put_number(out + len, finding->off);
        len += put_number(out + len, finding->len);
        len += put_number(out + len, fold(finding->a));
        len += put_number(out + len, fold(finding->b));
    }
    if (record->target != NULL) {
        memcpy(out + len, record->target, TARGET_LEN);
        len += TARGET_LEN;
    }
    return len;
}

void store_put(const state_packet *packet, const state_record *record)
{
    packed **where = slot(packet->packet.frame, true);
    size_t max = (7 + 5 * (size_t)record->num_findings) * MAX_NUMBER + TARGET_LEN;
    uint8_t *bytes = g_malloc(max);
    size_t len = put_record(bytes, record);
    packed *kept;

    if (where != NULL) {
        kept = room(offsetof(packed, bytes) + len);
        kept->next = *where;
        kept->peers = record->peers;
        kept->key = packet->key;
        kept->response_frame = record->response_frame;
        kept->kind = record->kind;
        kept->method = record->method;
        kept->has_target = record->target != NULL;
        kept->asked_elsewhere = record->asked_elsewhere;
        memcpy(kept->bytes, bytes, len);
        *where = kept;
    }
    g_free(bytes);
}

state_record *store_get(packet_info *pinfo, uint32_t frame, uint32_t key)
{
    packed **where = slot(frame, false);
    const packed *kept = where != NULL ? *where : NULL;
    state_record *record;
    const uint8_t *in;

    while (kept != NULL && kept->key != key)
        kept = kept->next;
    if (kept == NULL)
        return NULL;
    in = kept->bytes;
    record = wmem_new0(pinfo->pool, state_record);
    record->kind = kept->kind;
    record->method = kept->method;
    record->response_frame = kept->response_frame;
    record->peers = kept->peers;
    record->asked_elsewhere = kept->asked_elsewhere;
    record->request_frame = (uint32_t)get_number(&in);
    record->repeats = (uint32_t)get_number(&in);
    record->asked_port = (uint16_t)get_number(&in);
    record->rtt_ns = unfold(get_number(&in));
    record->num_adverts = (uint16_t)get_number(&in);
    if (record->num_adverts != 0)
        record->first_advert = get_number(&in);
    record->num_findings = (uint16_t)get_number(&in);
    if (record->num_findings != 0)
        record->findings = wmem_alloc_array(pinfo->pool, state_finding, record->num_findings);
    for (unsigned i = 0; i < record->num_findings; i++) {
        state_finding *finding = &record->findings[i];

        finding->rule = (uint16_t)get_number(&in);
        finding->off = (uint32_t)get_number(&in);
        finding->len = (uint16_t)get_number(&in);
        finding->a = unfold(get_number(&in));
        finding->b = unfold(get_number(&in));
    }
    if (kept->has_target)
        record->target = in;
    return record;
}

void store_link(uint32_t query_frame, uint32_t response_frame)
{
    packed **where = slot(query_frame, false);

    for (packed *kept = where != NULL ? *where : NULL; kept != NULL; kept = kept->next)
        if (kept->kind == STATE_MESSAGE && kept->response_frame == 0)
            kept->response_frame = response_frame;
}
