/* guard.h: inputs that lie flush against an unreadable page, so that one byte read too many ends the test.
 *
 *     guard g;
 *     guard_init(&g, 65536);
 *     for (size_t n = 0; n <= len; n++)
 *         parse(guard_copy(&g, data, n), n);
 *     guard_free(&g);
 *
 * Include it before any other header: it needs the system's extensions to C11.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_TESTS_GUARD_H
#define KRPC_TESTS_GUARD_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#if !defined(MAP_ANONYMOUS)
#error "include guard.h before any other header"
#endif

/* guard is a readable area between two unreadable pages. */
typedef struct guard {
    uint8_t *map;
    size_t map_len;
    uint8_t *area;
    size_t area_len;
} guard;

/* guard_init makes an area of at least max bytes; the test ends with a message when the system has none to give. */
static inline void guard_init(guard *out, size_t max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = max / page + 1;
    void *map;

    out->area_len = pages * page;
    out->map_len = out->area_len + 2 * page;
    map = mmap(NULL, out->map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect((uint8_t *)map + page, out->area_len, PROT_READ | PROT_WRITE) != 0) {
        perror("guard_init");
        exit(2);
    }
    out->map = (uint8_t *)map;
    out->area = out->map + page;
}

/* guard_copy puts len bytes (at most what guard_init was given) at the end of the area and returns where they are: the
 * byte after them cannot be read. The bytes of an earlier copy are gone, and those in front are not theirs. */
static inline uint8_t *guard_copy(guard *guarded, const void *bytes, size_t len)
{
    uint8_t *at;
    size_t before;

    if (len > guarded->area_len) {
        fprintf(stderr, "guard_copy: %zu bytes do not fit\n", len);
        exit(2);
    }
    at = guarded->area + guarded->area_len - len;
    if (len != 0) {
        memmove(at, bytes, len);
    }
    before = guarded->area_len - len < 64 ? guarded->area_len - len : 64;
    memset(at - before, 0xa5, before);
    return at;
}

/* guard_copy_front puts the bytes at the begin of the area: the byte in front of them cannot be read. */
static inline uint8_t *guard_copy_front(guard *guarded, const void *bytes, size_t len)
{
    if (len > guarded->area_len) {
        fprintf(stderr, "guard_copy_front: %zu bytes do not fit\n", len);
        exit(2);
    }
    if (len != 0) {
        memmove(guarded->area, bytes, len);
    }
    return guarded->area;
}

static inline void guard_free(guard *guarded)
{
    munmap(guarded->map, guarded->map_len);
    memset(guarded, 0, sizeof *guarded);
}

#endif
