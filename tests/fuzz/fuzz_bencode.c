/* fuzz_bencode: the laws of the reader.
 *
 *   - tokens tile the input, and every position lies inside
 *   - bencode_check gives the reader's verdict, and the size where it ended
 *   - every strict prefix of a complete value is cut
 *   - what lies behind the end does not matter
 *   - skipping a value ends where walking through it ends
 *   - tokens without a fault, written back, are the bytes that they were read from
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"

#include <krpc/bencode.h>

static uint64_t hash_token(uint64_t hash, const bencode_token *t)
{
    hash = fuzz_mix(hash, (uint64_t)t->type << 32 | t->flags);
    hash = fuzz_mix(hash, (uint64_t)t->off << 32 | t->end);
    hash = fuzz_mix(hash, (uint64_t)t->body_off << 32 | t->body_len);
    return t->type == BENCODE_INT ? fuzz_mix(hash, (uint64_t)t->num) : hash;
}

static void put_token(bencode_writer *w, const bencode_token *t, const uint8_t *data)
{
    switch (t->type) {
    case BENCODE_STRING:
        bencode_put_string(w, data + t->body_off, t->body_len);
        break;
    case BENCODE_INT:
        bencode_put_int(w, t->num);
        break;
    case BENCODE_LIST:
        bencode_put_list(w);
        break;
    case BENCODE_DICT:
        bencode_put_dict(w);
        break;
    default:
        bencode_put_end(w);
    }
}

static void check_skip(const bencode_reader *at, const bencode_token *t)
{
    bencode_reader skipping = *at;
    bencode_reader walking = *at;
    bencode_token inner;
    uint32_t end;
    bencode_status skipped = bencode_skip(&skipping, &end, t);
    bencode_status walked = BENCODE_OK;

    while (walked == BENCODE_OK && walking.depth >= at->depth && (t->type == BENCODE_LIST || t->type == BENCODE_DICT)) {
        walked = bencode_next(&walking, &inner);
    }
    LAW(skipped == walked, "a skip gives the walk's verdict");
    LAW(skipping.pos == walking.pos, "a skip ends where the walk ends");
    LAW(skipped != BENCODE_OK || end == skipping.pos, "a skip says where it ended");
}

typedef struct outcome {
    bencode_status status;
    uint32_t pos;
    uint64_t hash;
} outcome;

static outcome walk(const uint8_t *data, size_t size, bool skips)
{
    const uint32_t harmless = BENCODE_KEY | BENCODE_DEEP | BENCODE_KEY_NOT_STRING | BENCODE_MISSING_VALUE;
    bencode_reader reader;
    bencode_token t = {0};
    bencode_writer w;
    uint8_t *written = skips ? malloc(size + 1) : NULL;
    uint32_t end = 0, flags = 0;
    unsigned budget = 64;
    outcome out = {BENCODE_OK, 0, 0};

    bencode_reader_init(&reader, data, size);
    bencode_writer_init(&w, written, written != NULL ? size : 0);
    while ((out.status = bencode_next(&reader, &t)) == BENCODE_OK) {
        LAW(t.off == end && t.end > t.off && t.end <= size, "tokens tile the input");
        LAW(t.body_off >= t.off && t.body_len <= t.end - t.body_off, "a body lies inside of its token");
        LAW(reader.pos == t.end, "the next token begins where this one ends");
        end = t.end;
        flags |= t.flags & ~harmless;
        out.hash = hash_token(out.hash, &t);
        if (written != NULL) {
            put_token(&w, &t, data);
        }
        if (skips && budget > 0) {
            budget--;
            check_skip(&reader, &t);
        }
    }
    LAW(reader.pos == end, "a failure leaves the reader where it was");
    if (written != NULL && flags == 0) {
        LAW(w.len == end && memcmp(written, data, end) == 0, "faultless tokens are written back as they were");
    }
    out.pos = reader.pos;
    free(written);
    return out;
}

static void check_elsewhere(const outcome *first, const uint8_t *data, size_t size, size_t behind, uint8_t fill)
{
    uint8_t *copy = fuzz_copy(data, size, behind, fill);
    outcome again = walk(copy, size, false);

    LAW(again.status == first->status && again.pos == first->pos && again.hash == first->hash,
        "what lies behind the end does not matter");
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    outcome got = walk(data, size, true);
    uint32_t checked = 0;
    bencode_status status = bencode_check(&checked, data, size);

    LAW(status == got.status, "bencode_check gives the reader's verdict");
    LAW(status != BENCODE_DONE || checked == got.pos, "bencode_check gives the size");
    check_elsewhere(&got, data, size, 0, 0);
    check_elsewhere(&got, data, size, 64, 'e');
    check_elsewhere(&got, data, size, 64, '9');
    for (size_t n = got.pos % 5; status == BENCODE_DONE && n < got.pos; n += fuzz_steps(got.pos)) {
        uint8_t *copy = fuzz_copy(data, n, 0, 0);

        LAW(bencode_check(&checked, copy, n) == BENCODE_CUT, "every strict prefix is cut");
        LAW(walk(copy, n, false).status == BENCODE_CUT, "every strict prefix is cut for the reader too");
        free(copy);
    }
    return 0;
}
