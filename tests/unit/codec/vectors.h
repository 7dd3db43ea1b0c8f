/* vectors.h: the messages of tests/vectors, and what the codec makes of one as text; see vectors/README.md for the
 * form.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_TESTS_VECTORS_H
#define KRPC_TESTS_VECTORS_H

#include <krpc/message.h>

#include <stdio.h>

/* vector is one message of the data with what is expected of it. */
typedef struct vector {
    char *name;
    char *file;
    unsigned line; /* of its name */
    uint8_t *bytes;
    size_t len;
    size_t wire_len;
    char *expected;   /* lines as vector_describe writes them, but for the numbers that a line leaves out */
    uint8_t *encoded; /* NULL: not said */
    size_t encoded_len;
    char **near; /* slugs that must not fire */
    size_t num_near;
} vector;

typedef struct vectors {
    vector *list;
    size_t num;
} vectors;

/* vectors_load reads every .txt of a folder, sorted by name; a line that is not of the form ends the program with a
 * message. vectors_free gives the memory back. */
void vectors_load(vectors *out, const char *dir);
void vectors_free(vectors *loaded);

/* vectors_unescape reads one line of bytes as the data has them into *out, which grows; false with *error set when
 * it is not well-formed. */
bool vectors_unescape(uint8_t **out, size_t *len, const char *text, const char **error);

/* vectors_source_dir is the root of the source tree: SOURCE_DIR of the environment, else the current folder. */
const char *vectors_source_dir(void);

/* findings collects what a sink gets. */
typedef struct findings {
    krpc_finding *list;
    size_t num;
    size_t room;
} findings;

krpc_sink findings_sink(findings *to);
void findings_sort(findings *list); /* by position, then by rule */
bool findings_have(const findings *list, krpc_rule rule);
void findings_free(findings *list);

/* vector_describe decodes and checks a datagram and writes what came out of it; the caller frees the text. */
char *vector_describe(const uint8_t *data, size_t len, size_t wire_len);

#endif
