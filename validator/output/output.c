/* output.c: see output.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "output/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "output/progress.h"

#define WRITE_SIZE ((size_t)256 << 10)

struct output {
    strbuf text;
    char *name;   /* as in messages to the user */
    char *path;   /* the final name; NULL: fd is the file itself */
    char *beside; /* the temporary name */
    int fd;
    bool failed;
};

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *line = g_strdup_vprintf(format, args);
    va_end(args);
    strbuf printable = {0};
    strbuf_puts(&printable, "krpcscope: ");
    strbuf_printable(&printable, line, strlen(line));
    strbuf_char(&printable, '\n');
    progress_clear();
    fwrite(printable.data, 1, printable.len, stderr);
    strbuf_free(&printable);
    g_free(line);
}

static void failed(output *to, int err)
{
    if (!to->failed) {
        if (err == EPIPE) {
            say("%s: closed by its reader before all output was written", to->name);
        } else {
            say("%s: cannot write: %s%s", to->name, g_strerror(err),
                err == ENOSPC ? " (free some space, or choose another place with -o)" : "");
        }
    }
    to->failed = true;
}

/* A temporary name in the folder of path: a rename must not cross file systems. If path is a link, its target is
 * replaced. The new file gets the permissions of the old one. */
static bool open_beside(output *to, const char *path, const struct stat *old)
{
    char *target = old != NULL ? realpath(path, NULL) : NULL;

    to->path = g_strdup(target != NULL ? target : path);
    free(target);
    to->beside = g_strdup_printf("%s.XXXXXX", to->path);
    to->fd = g_mkstemp_full(to->beside, O_RDWR, 0666);
    if (to->fd < 0) {
        int err = errno;
        g_clear_pointer(&to->beside, g_free);
        failed(to, err);
        return false;
    }
    if (old != NULL && fchmod(to->fd, old->st_mode & 0777) != 0) {
        failed(to, errno);
    }
    return !to->failed;
}

output *output_new(const char *path)
{
    output *to = g_new0(struct output, 1);
    struct stat info;

    if (path == NULL || strcmp(path, "-") == 0) {
        to->name = g_strdup("standard output");
        to->fd = STDOUT_FILENO;
        return to;
    }
    to->name = g_strdup(path);
    to->fd = -1;
    bool exists = stat(path, &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) {
        to->fd = g_open(path, O_WRONLY | O_CLOEXEC, 0);
        if (to->fd < 0) {
            failed(to, errno);
        }
    } else {
        open_beside(to, path, exists ? &info : NULL);
    }
    if (to->failed) {
        output_close(to);
        return NULL;
    }
    return to;
}

void output_rename(output *to, const char *path)
{
    if (to->path != NULL) {
        g_free(to->path);
        to->path = g_strdup(path);
    }
}

void output_renew(output *to)
{
    if (to->path == NULL) {
        return;
    }
    char *path = g_steal_pointer(&to->path);
    g_clear_pointer(&to->beside, g_free);
    close(to->fd);
    open_beside(to, path, NULL);
    g_free(path);
}

void output_copy(output *to)
{
    if (to->path == NULL) {
        return;
    }
    int from = to->fd;
    off_t at = 0;
    char *path = g_steal_pointer(&to->path), *bytes = g_malloc(WRITE_SIZE);
    struct stat info;
    g_free(to->beside);
    bool opened = open_beside(to, path, stat(path, &info) == 0 ? &info : NULL);
    for (ssize_t num = 1; opened && num > 0; at += num) {
        num = pread(from, bytes, WRITE_SIZE, at);
        if (num < 0) {
            failed(to, errno);
            break;
        }
        strbuf_put(&to->text, bytes, (size_t)num);
        output_flush(to);
    }
    g_free(bytes);
    g_free(path);
}

void output_fail(output *to)
{
    to->failed = true;
}

strbuf *output_text(output *to)
{
    return &to->text;
}

void output_flush(output *to)
{
    const char *at = to->text.data;
    size_t left = to->text.len;

    if (left > 0 && output_is_terminal(to)) {
        progress_clear();
    }
    while (left > 0 && !to->failed) {
        ssize_t done = write(to->fd, at, left);
        if (done > 0) {
            at += done;
            left -= (size_t)done;
        } else if (done < 0 && errno == EAGAIN) {
            GPollFD room = {.fd = to->fd, .events = G_IO_OUT};
            g_poll(&room, 1, -1);
        } else if (done < 0 && errno != EINTR) {
            failed(to, errno);
        }
    }
    to->text.len = 0;
}

void output_record(output *to)
{
    if (to->text.len >= WRITE_SIZE) {
        output_flush(to);
    }
}

bool output_ok(const output *to)
{
    return !to->failed;
}

bool output_is_terminal(const output *to)
{
    return to->path == NULL && isatty(to->fd);
}

bool output_close(output *to)
{
    if (to == NULL) {
        return false;
    }
    output_flush(to);
    if (to->fd > STDOUT_FILENO && close(to->fd) != 0) {
        failed(to, errno);
    }
    if (to->beside != NULL) {
        if (!to->failed && g_rename(to->beside, to->path) != 0) {
            failed(to, errno);
        }
        if (to->failed) {
            g_unlink(to->beside);
        }
    }
    bool ok = !to->failed;
    strbuf_free(&to->text);
    g_free(to->name);
    g_free(to->path);
    g_free(to->beside);
    g_free(to);
    return ok;
}
