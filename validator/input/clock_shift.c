/* clock_shift.c: see clock_shift.h.
 *
 * A packet is known again by its payload and the endpoint that a NAT does not translate: the destination of one that
 * goes out, the source of one that comes in. So each packet has two keys. A table holds the keys whose last bits are 0,
 * one bit more whenever it is full.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/clock_shift.h"

#include <string.h>

#include <glib.h>

#define MAX_KEYS    32768u
#define MIN_LEN     40u /* shorter payloads are not distinctive */
#define MIN_PACKETS 8u
#define MIN_SHIFT   (INT64_C(500) * 1000000) /* above the delays of networks */
#define MAX_SPREAD  (INT64_C(250) * 1000000)
#define MAX_TIME    (INT64_C(1) << 62) /* differences fit into 64 bits */
#define MAX_SHIFT   (INT64_C(1) << 61)

typedef struct sighting {
    uint64_t key;
    int64_t time_ns[2];
    unsigned file[2];
    unsigned num; /* 3: in more than two places, or twice in one file */
} sighting;

struct clock_shift {
    GHashTable *sightings; /* each maps to itself */
    uint64_t mask;         /* of the bits of a key that are 0 */
    GArray *pairs;         /* clock_shift_pair, when they are asked for */
};

static guint key_hash(gconstpointer key)
{
    return (guint)(((const sighting *)key)->key >> 32);
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return ((const sighting *)a)->key == ((const sighting *)b)->key;
}

clock_shift *clock_shift_new(void)
{
    clock_shift *shift = g_new0(clock_shift, 1);

    shift->sightings = g_hash_table_new_full(key_hash, key_equal, g_free, NULL);
    return shift;
}

void clock_shift_free(clock_shift *shift)
{
    if (shift == NULL) {
        return;
    }
    if (shift->pairs != NULL) {
        g_array_free(shift->pairs, TRUE);
    }
    g_hash_table_destroy(shift->sightings);
    g_free(shift);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_of(const uint8_t *bytes, uint32_t len)
{
    uint64_t hash = len, word;

    for (; len >= sizeof word; bytes += sizeof word, len -= (uint32_t)sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, bytes, len);
    return mix(hash, word);
}

static gboolean is_left_out(gpointer key, gpointer value, gpointer mask)
{
    (void)value;
    return (((const sighting *)key)->key & *(const uint64_t *)mask) != 0;
}

static void note(clock_shift *shift, uint64_t key, int64_t time_ns, unsigned file)
{
    sighting wanted = {.key = key, .time_ns = {time_ns}, .file = {file}, .num = 1};

    if ((key & shift->mask) != 0) {
        return;
    }
    sighting *known = g_hash_table_lookup(shift->sightings, &wanted);
    if (known == NULL) {
        g_hash_table_add(shift->sightings, g_memdup2(&wanted, sizeof wanted));
        if (g_hash_table_size(shift->sightings) > MAX_KEYS) {
            shift->mask = shift->mask << 1 | 1;
            g_hash_table_foreach_remove(shift->sightings, is_left_out, &shift->mask);
        }
    } else if (known->num == 1 && known->file[0] != file) {
        known->time_ns[1] = time_ns;
        known->file[1] = file;
        known->num = 2;
    } else {
        known->num = 3;
    }
}

void clock_shift_add(clock_shift *shift, const run_packet *packet, unsigned file)
{
    if (!packet->has_time || packet->len < MIN_LEN || packet->where.time_ns > MAX_TIME ||
        packet->where.time_ns < -MAX_TIME) {
        return;
    }
    uint64_t hash = mix(hash_of(packet->data, packet->len), packet->protocol);
    note(shift, mix(hash, krpc_endpoint_hash(&packet->where.dst) ^ 1), packet->where.time_ns, file);
    note(shift, mix(hash, krpc_endpoint_hash(&packet->where.src) ^ 2), packet->where.time_ns, file);
}

/* ---- the result ---- */

typedef struct difference {
    unsigned file; /* the smaller number */
    unsigned other_file;
    int64_t ns; /* the other one's time minus this one's */
} difference;

static gint by_file(gconstpointer a, gconstpointer b)
{
    const difference *x = a, *y = b;

    if (x->file != y->file) {
        return x->file < y->file ? -1 : 1;
    }
    if (x->other_file != y->other_file) {
        return x->other_file < y->other_file ? -1 : 1;
    }
    return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/* The differences of one pair of files, sorted. */
static void judge(clock_shift *shift, const difference *all, unsigned num)
{
    int64_t median = all[num / 2].ns;
    unsigned num_near = 0;

    for (unsigned i = 0; i < num; i++) {
        num_near += all[i].ns - median >= -MAX_SPREAD && all[i].ns - median <= MAX_SPREAD;
    }
    if (num < MIN_PACKETS || num_near < num - num / 4 || (median < MIN_SHIFT && median > -MIN_SHIFT)) {
        return;
    }
    clock_shift_pair pair = {.file = median > 0 ? all->file : all->other_file,
                             .later_file = median > 0 ? all->other_file : all->file,
                             .num_packets = num,
                             .shift_ns = median > 0 ? median : -median};
    g_array_append_val(shift->pairs, pair);
}

static void judge_all(clock_shift *shift)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(difference));
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, shift->sightings);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const sighting *s = key;
        unsigned first = s->file[0] < s->file[1] ? 0 : 1;
        difference d = {s->file[first], s->file[1 - first], s->time_ns[1 - first] - s->time_ns[first]};
        if (s->num == 2 && d.ns < MAX_SHIFT && d.ns > -MAX_SHIFT) {
            g_array_append_val(all, d);
        }
    }
    g_array_sort(all, by_file);
    const difference *d = (const difference *)(void *)all->data;
    for (unsigned begin = 0, end = 0; begin < all->len; begin = end) {
        while (end < all->len && d[end].file == d[begin].file && d[end].other_file == d[begin].other_file) {
            end++;
        }
        judge(shift, d + begin, end - begin);
    }
    g_array_free(all, TRUE);
}

bool clock_shift_next(clock_shift *shift, unsigned *at, clock_shift_pair *out)
{
    if (shift->pairs == NULL) {
        shift->pairs = g_array_new(FALSE, FALSE, sizeof(clock_shift_pair));
        judge_all(shift);
    }
    if (*at >= shift->pairs->len) {
        return false;
    }
    *out = g_array_index(shift->pairs, clock_shift_pair, (*at)++);
    return true;
}
