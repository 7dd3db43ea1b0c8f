/* fuzz_decode.c: the library's decoder and the plain one of reference.c say the same of every input, and nothing else
 * is looked at: for many runs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "fuzz.h"
#include "reference.h"

static bool same_value(const krpc_value *a, const krpc_value *b)
{
    bool counts = a->type == BENCODE_INT || a->type == BENCODE_LIST; /* num is not defined for others */

    return a->key_off == b->key_off && a->off == b->off && a->len == b->len && a->type == b->type &&
           a->flags == b->flags && (!counts || a->num == b->num);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static krpc_message fast, plain;

    if (size > 65535) {
        return 0;
    }
    krpc_message_decode(&fast, data, size, size, NULL);
    reference_decode(&plain, data, (uint32_t)size);
    LAW(memcmp(&fast.present, &plain.present, sizeof fast.present) == 0, "the same fields are right");
    LAW(memcmp(&fast.wrong, &plain.wrong, sizeof fast.wrong) == 0, "the same fields are wrong");
    LAW(fast.len == plain.len && fast.stop == plain.stop && fast.status == plain.status, "both end at the same byte");
    LAW(fast.type == plain.type && fast.method == plain.method, "the same type and method");
    LAW(fast.canonical == plain.canonical, "both are canonical or none");
    LAW(memcmp(fast.body, plain.body, sizeof fast.body) == 0, "the same bodies");
    LAW(memcmp(fast.num_unknown, plain.num_unknown, sizeof fast.num_unknown) == 0, "as many unknown keys");
    for (unsigned f = krpc_message_next(&fast, 0, KRPC_NUM_FIELDS); f < KRPC_NUM_FIELDS;
         f = krpc_message_next(&fast, f + 1, KRPC_NUM_FIELDS)) {
        LAW(same_value(&fast.value[f], &plain.value[f]), "the same values");
    }
    return 0;
}
