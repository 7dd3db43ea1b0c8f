/* capture_list.c: see capture_list.h.
 *
 * With merge, a heap holds each file at the time of its next packet. A file is open only from its first packet to its
 * last, so that a thousand files of a capture that was rotated need a few descriptors. Where each begins is found out
 * first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/capture_list.h"

#include <string.h>
#include <sys/resource.h>

#include <glib.h>

#include "input/run.h"
#include "output/output.h"

typedef struct list_file {
    const char *path;
    const char *name;
    capture *capture;      /* NULL: not open */
    capture_packet packet; /* merge: the next one, of which only the time is known while the file is not open */
    int64_t shift_ns;      /* added to its times */
    bool was_read;         /* to its end, or as far as it could be */
} list_file;

struct capture_list {
    list_file *files;
    unsigned num_files;
    unsigned current; /* without merge: the file that is being read */
    unsigned next;    /* the file to open next */
    unsigned num_failed;
    bool merge;
    bool is_repeat;
    unsigned *heap; /* merge: files that have a next packet, the earliest first */
    unsigned heap_len;
    bool must_read; /* merge: the packet of the file on top was given out */
};

/* ---- files ---- */

static bool open_file(capture_list *list, list_file *file)
{
    char *error = NULL;

    file->capture = capture_open(file->path, &error);
    if (file->capture != NULL) {
        return true;
    }
    if (!list->is_repeat) {
        say("%s", error);
    }
    g_free(error);
    list->num_failed++;
    file->was_read = true;
    return false;
}

static void close_file(list_file *file)
{
    capture_close(file->capture);
    file->capture = NULL;
}

static bool read_file(capture_list *list, list_file *file, capture_packet *out)
{
    capture_status status = capture_next(file->capture, out);

    if (status == CAPTURE_PACKET) {
        if (out->has_time && file->shift_ns != 0) {
            out->time_ns =
                (int64_t)((uint64_t)out->time_ns + (uint64_t)file->shift_ns); /* no overflow that is undefined */
        }
        return true;
    }
    /* A signal that interrupts reading from a pipe looks like an error of it. */
    if (status == CAPTURE_ERROR && !run_interrupted()) {
        if (!list->is_repeat) {
            say("%s", capture_error_text(file->capture));
        }
        list->num_failed++;
    }
    file->was_read = true;
    return false;
}

/* ---- the heap ---- */

static bool is_earlier(const capture_list *list, unsigned a, unsigned b)
{
    int64_t time_a = list->files[a].packet.time_ns, time_b = list->files[b].packet.time_ns;

    return time_a < time_b || (time_a == time_b && a < b);
}

/* The file on top has another packet than before. */
static void sift_down(capture_list *list)
{
    unsigned file = list->heap[0], at = 0;

    for (;;) {
        unsigned child = 2 * at + 1;
        if (child + 1 < list->heap_len && is_earlier(list, list->heap[child + 1], list->heap[child])) {
            child++;
        }
        if (child >= list->heap_len || !is_earlier(list, list->heap[child], file)) {
            break;
        }
        list->heap[at] = list->heap[child];
        at = child;
    }
    list->heap[at] = file;
}

static void heap_add(capture_list *list, unsigned file)
{
    unsigned at = list->heap_len++;

    for (; at > 0 && is_earlier(list, file, list->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        list->heap[at] = list->heap[(at - 1) / 2];
    }
    list->heap[at] = file;
}

static void heap_remove_top(capture_list *list)
{
    list->heap[0] = list->heap[--list->heap_len];
    if (list->heap_len > 0) {
        sift_down(list);
    }
}

/* ---- several files at once ---- */

/* Many captures can be open at the same time where they were taken at the same time. */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Where each file begins. Standard input cannot be read twice and stays open. */
static bool begin_merge(capture_list *list)
{
    bool any = false;

    allow_files();
    for (unsigned i = 0; i < list->num_files; i++) {
        list_file *file = &list->files[i];
        if (!open_file(list, file)) {
            continue;
        }
        any = true;
        if (read_file(list, file, &file->packet)) {
            heap_add(list, i);
        }
        if (file->was_read || capture_can_reopen(file->capture)) {
            close_file(file);
        }
    }
    list->next = list->num_files;
    return any;
}

static bool next_merged(capture_list *list, capture_packet *out, unsigned *file_out)
{
    while (list->heap_len > 0) {
        list_file *file = &list->files[list->heap[0]];
        bool is_opened = file->capture == NULL;

        if (is_opened && !open_file(list, file)) {
            heap_remove_top(list);
            continue;
        }
        if (is_opened || list->must_read) {
            list->must_read = false;
            if (!read_file(list, file, &file->packet)) {
                close_file(file);
                heap_remove_top(list);
                continue;
            }
            sift_down(list);
            if (file != &list->files[list->heap[0]]) {
                continue;
            }
        }
        *out = file->packet;
        *file_out = list->heap[0];
        list->must_read = true;
        return true;
    }
    return false;
}

/* ---- the list ---- */

capture_list *capture_list_new(char *const *paths, unsigned num_paths, bool merge, bool is_repeat)
{
    capture_list *list = g_new0(capture_list, 1);

    list->files = g_new0(list_file, num_paths);
    list->num_files = num_paths;
    list->merge = merge;
    list->is_repeat = is_repeat;
    list->heap = g_new0(unsigned, num_paths);
    for (unsigned i = 0; i < num_paths; i++) {
        list->files[i].path = paths[i];
        list->files[i].name = strcmp(paths[i], "-") == 0 ? "standard input" : paths[i];
    }
    return list;
}

void capture_list_shift(capture_list *list, unsigned file, int64_t shift_ns)
{
    list->files[file].shift_ns = shift_ns;
}

bool capture_list_advance(capture_list *list)
{
    if (list->merge) {
        return list->next == 0 && begin_merge(list);
    }
    if (list->next > 0) {
        close_file(&list->files[list->current]);
    }
    while (list->next < list->num_files) {
        list->current = list->next++;
        if (open_file(list, &list->files[list->current])) {
            return true;
        }
    }
    return false;
}

bool capture_list_next(capture_list *list, capture_packet *out, unsigned *file_out)
{
    if (list->merge) {
        return next_merged(list, out, file_out);
    }
    *file_out = list->current;
    return read_file(list, &list->files[list->current], out);
}

bool capture_list_would_wait(const capture_list *list, int timeout_ms)
{
    return !list->merge && capture_would_wait(list->files[list->current].capture, timeout_ms);
}

const char *capture_list_name(const capture_list *list, unsigned file)
{
    return file < list->num_files ? list->files[file].name : NULL;
}

unsigned capture_list_current(const capture_list *list)
{
    return list->current;
}

unsigned capture_list_num_failed(const capture_list *list)
{
    return list->num_failed;
}

double capture_list_progress(const capture_list *list)
{
    double sum = 0;

    for (unsigned i = 0; i < list->num_files; i++) {
        const list_file *file = &list->files[i];
        double part = file->capture != NULL ? capture_progress(file->capture) : file->was_read ? 1 : 0;
        if (part < 0) {
            return -1;
        }
        sum += part;
    }
    return sum / list->num_files;
}

void capture_list_free(capture_list *list)
{
    if (list == NULL) {
        return;
    }
    for (unsigned i = 0; i < list->num_files; i++) {
        close_file(&list->files[i]);
    }
    g_free(list->heap);
    g_free(list->files);
    g_free(list);
}
