/* replay.c: runs a fuzz target on files and on the files of folders, where no fuzzing engine is linked. Without
 * arguments it takes standard input, as AFL++ wants it. With -runs=N it goes on with N mutations of what it has read,
 * which is many times as fast as an engine that watches the program: for the corpus of one that did.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define MAX_KEPT 65536 /* inputs that are mutated */
#define MAX_LEN  2048

static size_t num_inputs;
static guard page;
static struct {
    uint8_t *bytes;
    size_t len;
} kept[MAX_KEPT];
static size_t num_kept;

static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* One to four changes: a byte that bencode uses or any byte, a piece moved within, or a piece of another input. */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const char tokens[] = "0123456789:ildeiee";

    for (uint64_t n = next_random() % 4 + 1; n > 0 && len > 1; n--) {
        uint64_t r = next_random();
        size_t at = (r >> 8) % len;
        size_t other = next_random() % num_kept;
        size_t room = MAX_LEN - at;
        size_t piece = (r >> 40) % 32;

        switch (r % 4) {
        case 0:
            bytes[at] = (uint8_t)tokens[(r >> 24) % (sizeof tokens - 1)];
            break;
        case 1:
            bytes[at] = (uint8_t)(r >> 24);
            break;
        case 2: /* cut out, or make longer */
            piece = piece < len - at ? piece : len - at;
            if ((r & 64) != 0 || len + piece > MAX_LEN) {
                memmove(bytes + at, bytes + at + piece, len - at - piece);
                len -= piece;
            } else {
                memmove(bytes + at + piece, bytes + at, len - at);
                len += piece;
            }
            break;
        default:
            piece = kept[other].len < room ? kept[other].len : room;
            memcpy(bytes + at, kept[other].bytes, piece);
            len = at + piece > len ? at + piece : len;
        }
    }
    return len;
}

static void run_mutations(uint64_t runs)
{
    static uint8_t bytes[MAX_LEN];

    for (uint64_t i = 0; i < runs && num_kept > 0; i++) {
        size_t from = next_random() % num_kept;

        memcpy(bytes, kept[from].bytes, kept[from].len);
        LLVMFuzzerTestOneInput(bytes, mutate(bytes, kept[from].len));
        num_inputs++;
    }
}

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
    if (num_kept < MAX_KEPT && len > 0 && len <= MAX_LEN) {
        kept[num_kept].len = len;
        kept[num_kept++].bytes = fuzz_copy(bytes, len, 0, 0);
    }
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
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            run_mutations(strtoull(argv[i] + 6, NULL, 10));
        } else {
            int one = run_path(argv[i]);

            status = one > status ? one : status;
        }
    }
    if (argc < 2) {
        status = run_stream(stdin, "standard input");
    }
    guard_free(&page);
    for (size_t i = 0; i < num_kept; i++) {
        free(kept[i].bytes);
    }
    if (num_inputs == 0) {
        fprintf(stderr, "no input was found\n");
        return 2;
    }
    printf("%zu inputs, every law holds\n", num_inputs);
    return status;
}
