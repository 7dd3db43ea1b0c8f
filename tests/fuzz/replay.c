/* replay.c: runs a fuzz target on files and on the files of folders, where no fuzzing engine is linked. Without
 * arguments it takes standard input, as AFL++ wants it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static size_t num_inputs;
static guard page;

/* Flush against a page that cannot be read: one byte too many ends the program without a sanitizer too. */
static int run_stream(FILE *from, const char *name)
{
    static uint8_t bytes[1 << 20];
    size_t len = fread(bytes, 1, sizeof bytes, from);

    if (ferror(from)) {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return 2;
    }
    LLVMFuzzerTestOneInput(guard_copy(&page, bytes, len), len);
    num_inputs++;
    return 0;
}

static int run_path(const char *path);

static int run_folder(const char *path)
{
    struct dirent **entries;
    int num = scandir(path, &entries, NULL, alphasort);
    int status = num < 0 ? 2 : 0;

    for (int i = 0; i < num; i++) {
        if (entries[i]->d_name[0] != '.') {
            char inner[4096];
            int one;

            snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
            one = run_path(inner);
            status = one > status ? one : status;
        }
        free(entries[i]);
    }
    if (num >= 0) {
        free(entries);
    }
    return status;
}

static int run_path(const char *path)
{
    struct stat info;
    FILE *from;
    int status;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return run_folder(path);
    }
    from = fopen(path, "rb");
    if (from == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 2;
    }
    status = run_stream(from, path);
    fclose(from);
    return status;
}

int main(int argc, char **argv)
{
    int status = 0;

    guard_init(&page, 1u << 20);
    for (int i = 1; i < argc; i++) {
        int one = run_path(argv[i]);

        status = one > status ? one : status;
    }
    if (argc < 2) {
        status = run_stream(stdin, "standard input");
    }
    guard_free(&page);
    if (num_inputs == 0) {
        fprintf(stderr, "no input was found\n");
        return 2;
    }
    printf("%zu inputs, every law holds\n", num_inputs);
    return status;
}
