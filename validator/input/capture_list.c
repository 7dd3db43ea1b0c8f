/* capture_list.c: see capture_list.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/capture_list.h"

#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "input/run.h"
#include "output/output.h"

typedef struct source_file {
    const char *name;
    capture *capture;
    capture_packet packet; /* merge: its next packet */
    bool has_packet;
} source_file;

struct capture_list {
    source_file *files;
    char *const *paths;
    unsigned num_files;
    unsigned current; /* without merge: the file that is being read */
    unsigned next;    /* the file to open next */
    unsigned num_failed;
    bool merge;
    int last; /* merge: the file whose packet was returned last; that file is read on before the next choice */
};

static bool open_file(capture_list *from, unsigned index)
{
    char *error = NULL;

    from->files[index].capture = capture_open(from->paths[index], &error);
    if (from->files[index].capture != NULL) {
        return true;
    }
    say("%s", error);
    g_free(error);
    from->num_failed++;
    return false;
}

static bool read_file(capture_list *from, source_file *file, capture_packet *out)
{
    switch (capture_next(file->capture, out)) {
    case CAPTURE_PACKET:
        return true;
    case CAPTURE_ERROR:
        /* A signal that interrupts reading from a pipe looks like a read error. */
        if (!run_interrupted()) {
            say("%s", capture_error_text(file->capture));
            from->num_failed++;
        }
        return false;
    default:
        return false;
    }
}

static void close_file(source_file *file)
{
    capture_close(file->capture);
    file->capture = NULL;
}

capture_list *capture_list_new(char *const *paths, unsigned num_paths, bool merge)
{
    capture_list *from = g_new0(struct capture_list, 1);

    from->files = g_new0(source_file, num_paths);
    from->paths = paths;
    from->num_files = num_paths;
    from->merge = merge;
    from->last = -1;
    for (unsigned i = 0; i < num_paths; i++) {
        from->files[i].name = strcmp(paths[i], "-") == 0 ? "standard input" : paths[i];
    }
    return from;
}

/* Opens the next file, or all of them with merge. */
bool capture_list_advance(capture_list *from)
{
    if (!from->merge) {
        if (from->next > 0 && from->files[from->current].capture != NULL) {
            close_file(&from->files[from->current]);
        }
        while (from->next < from->num_files) {
            from->current = from->next++;
            if (open_file(from, from->current)) {
                return true;
            }
        }
        return false;
    }
    if (from->next > 0) {
        return false;
    }
    bool any = false;
    for (from->next = 0; from->next < from->num_files; from->next++) {
        if (open_file(from, from->next)) {
            source_file *file = &from->files[from->next];
            file->has_packet = read_file(from, file, &file->packet);
            any = true;
        }
    }
    from->next = from->num_files;
    return any;
}

static bool next_merged(capture_list *from, capture_packet *out, unsigned *file_out)
{
    source_file *best = NULL;

    /* The packet returned last used the capture's buffer until now. */
    if (from->last >= 0) {
        source_file *file = &from->files[from->last];
        file->has_packet = read_file(from, file, &file->packet);
    }
    for (unsigned i = 0; i < from->num_files; i++) {
        source_file *file = &from->files[i];
        if (file->has_packet && (best == NULL || file->packet.time_ns < best->packet.time_ns)) {
            best = file;
        }
    }
    if (best == NULL) {
        from->last = -1;
        return false;
    }
    *out = best->packet;
    *file_out = (unsigned)(best - from->files);
    from->last = (int)*file_out;
    return true;
}

bool capture_list_next(capture_list *from, capture_packet *out, unsigned *file_out)
{
    if (from->merge) {
        return next_merged(from, out, file_out);
    }
    *file_out = from->current;
    return read_file(from, &from->files[from->current], out);
}

bool capture_list_would_wait(const capture_list *from)
{
    GPollFD input = {.fd = STDIN_FILENO, .events = G_IO_IN};

    return !from->merge && strcmp(from->paths[from->current], "-") == 0 && g_poll(&input, 1, 0) == 0;
}

const char *capture_list_name(const capture_list *from, unsigned file)
{
    return file < from->num_files ? from->files[file].name : NULL;
}

unsigned capture_list_current(const capture_list *from)
{
    return from->current;
}

unsigned capture_list_num_failed(const capture_list *from)
{
    return from->num_failed;
}

double capture_list_progress(const capture_list *from)
{
    double sum = 0;

    for (unsigned i = 0; i < from->num_files; i++) {
        double part = 0;
        if (from->files[i].capture != NULL) {
            part = capture_progress(from->files[i].capture);
        } else if (i < from->next) {
            part = 1;
        }
        if (part < 0) {
            return -1;
        }
        sum += part;
    }
    return sum / from->num_files;
}

const char *capture_list_link_text(const capture_list *from, unsigned file)
{
    return from->files[file].capture != NULL ? capture_link_text(from->files[file].capture) : "unknown";
}

void capture_list_free(capture_list *from)
{
    if (from == NULL) {
        return;
    }
    for (unsigned i = 0; i < from->num_files; i++) {
        close_file(&from->files[i]);
    }
    g_free(from->files);
    g_free(from);
}
