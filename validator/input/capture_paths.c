/* capture_paths.c: see capture_paths.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/capture_paths.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "input/pcap_reader.h"
#include "output/output.h"

/* Numbers are compared by their values, so that x.pcap10 comes after x.pcap9. */
static gint by_name(gconstpointer a, gconstpointer b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;

    while (*x != 0 && *y != 0) {
        if (g_ascii_isdigit(*x) && g_ascii_isdigit(*y)) {
            const char *num_x = x + strspn(x, "0"), *num_y = y + strspn(y, "0");
            size_t len_x = strspn(num_x, "0123456789"), len_y = strspn(num_y, "0123456789");
            int order = len_x == len_y ? memcmp(num_x, num_y, len_x) : len_x < len_y ? -1 : 1;
            if (order != 0) {
                return order;
            }
            x = num_x + len_x;
            y = num_y + len_y;
        } else if (*x != *y) {
            break;
        } else {
            x++;
            y++;
        }
    }
    /* Equal but for leading zeros: in any case an order. */
    return *x != *y ? (guchar)*x - (guchar)*y : strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_named_like_a_capture(const char *name)
{
    static const char *const packings[] = {".gz", ".zst", ".lz4"};
    static const char *const endings[] = {".pcap", ".pcapng", ".cap", ".snoop", ".erf"};
    size_t len = strlen(name);

    for (size_t i = 0; i < G_N_ELEMENTS(packings); i++) {
        if (g_str_has_suffix(name, packings[i])) {
            len -= strlen(packings[i]);
            break;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && memcmp(name + len - ending, endings[i], ending) == 0) {
            return true;
        }
    }
    return false;
}

static bool begins_like_a_capture(const char *path)
{
    uint8_t magic[PCAP_READER_MAGIC_LEN];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return false;
    }
    bool good = read(fd, magic, sizeof magic) == (ssize_t)sizeof magic && pcap_reader_knows(magic);
    close(fd);
    return good;
}

static void add_directory(GPtrArray *out, const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        char *file = g_build_filename(path, name, NULL);
        struct stat info;
        if (*name != '.' && stat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
            (is_named_like_a_capture(name) || begins_like_a_capture(file))) {
            g_ptr_array_add(out, file);
        } else {
            g_free(file);
        }
    }
    if (dir != NULL) {
        g_dir_close(dir);
    }
}

static void add_matches(GPtrArray *out, const char *pattern)
{
    glob_t found;

    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            g_ptr_array_add(out, g_strdup(found.gl_pathv[i]));
        }
        globfree(&found);
    }
}

/* False: there is no capture. */
static bool add_word(GPtrArray *out, const char *word)
{
    guint num_before = out->len;
    struct stat info;
    bool is_there = strcmp(word, "-") == 0 || stat(word, &info) == 0;

    if (is_there && strcmp(word, "-") != 0 && S_ISDIR(info.st_mode)) {
        add_directory(out, word);
        if (out->len == num_before) {
            say("%s: no captures in this directory", word);
            return false;
        }
    } else if (!is_there && strpbrk(word, "*?[") != NULL) {
        add_matches(out, word);
        if (out->len == num_before) {
            say("%s: no file matches", word);
            return false;
        }
    } else {
        g_ptr_array_add(out, g_strdup(word));
        return true;
    }
    qsort(out->pdata + num_before, out->len - num_before, sizeof *out->pdata, by_name);
    return true;
}

bool capture_paths_expand(options *with)
{
    GPtrArray *all = g_ptr_array_new();

    for (unsigned i = 0; i < with->num_args; i++) {
        with->num_missing += !add_word(all, with->args[i]);
    }
    with->num_args = all->len;
    g_ptr_array_add(all, NULL);
    with->args = (char **)g_ptr_array_free(all, FALSE);
    return with->num_args > 0 || with->num_missing == 0;
}
