/* test_key.h: fixed hash keys for the tests of the tracker.
 *
 * The tracker hashes with a random key, because strangers choose what it hashes. With a random key, which records share
 * a set of a table differs from run to run. A test therefore sets a key. It must pass with any key: the variable
 * TRACKER_TEST_KEY, a number, gives all tests other keys, so that a loop over it finds a test that does not.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TEST_KEY_H
#define TEST_KEY_H

#include <stdlib.h>
#include <string.h>

#include <tracker/tracker.h>

/* test_key_set sets the hash key that belongs to number; equal numbers give equal keys within a run. */
static inline void test_key_set(tracker_options *options, unsigned number)
{
    const char *run = getenv("TRACKER_TEST_KEY");
    unsigned words[2] = {number, run != NULL ? (unsigned)strtoul(run, NULL, 10) : 0};

    memset(options->hash_key, 0, sizeof options->hash_key);
    for (unsigned i = 0; i < 4; i++) { /* the same bytes on every machine */
        options->hash_key[i] = (uint8_t)(words[0] >> 8 * i);
        options->hash_key[8 + i] = (uint8_t)(words[1] >> 8 * i);
    }
    options->hash_key[15] = 1; /* an all-zero key asks for a random one */
}

static inline bool test_key_is_set(const tracker_options *options)
{
    static const uint8_t none[sizeof options->hash_key];

    return memcmp(options->hash_key, none, sizeof none) != 0;
}

#endif
