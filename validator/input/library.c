/* library.c: see library.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/library.h"

#include <dlfcn.h>

const char *library_load(const char *soname, const library_function *functions, size_t num_functions)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL) {
        return dlerror();
    }
    for (size_t i = 0; i < num_functions; i++) {
        /* POSIX: the result of dlsym can be stored in a pointer to a function, as a pointer to an object. */
        void **pointer = functions[i].pointer;
        *pointer = dlsym(library, functions[i].name);
        if (*pointer == NULL) {
            return dlerror();
        }
    }
    return NULL;
}
