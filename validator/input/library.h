/* library.h: libraries that are loaded when they are needed.
 *
 * libwiretap, libpcap and the libraries that they need take longer to load than most captures take to read.
 *
 *     #define FUNCTIONS(X) X(pcap_open_dead) X(pcap_close)
 *     static struct { FUNCTIONS(LIBRARY_MEMBER) } lib;
 *     static const library_function functions[] = {FUNCTIONS(LIBRARY_FUNCTION)};
 *     const char *error = library_load("libpcap.so.0.8", functions, G_N_ELEMENTS(functions));
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_LIBRARY_H
#define VALIDATOR_LIBRARY_H

#include <stddef.h>

typedef struct library_function {
    const char *name;
    void *pointer; /* to the pointer to the function */
} library_function;

#define LIBRARY_MEMBER(name)   __typeof__(name) *name;
#define LIBRARY_FUNCTION(name) {#name, &lib.name},

/* library_load loads a shared library and looks up its functions, and those of the libraries that it needs. Returns
 * NULL, or what is wrong, which is valid until the next call. */
const char *library_load(const char *soname, const library_function *functions, size_t num_functions);

#endif
