/* capture.c: chooses who reads a capture, and says what is wrong with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE /* tee */
#include "input/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "input/pcap_reader.h"
#include "input/wiretap_reader.h"

struct capture {
    pcap_reader *plain; /* one of these two */
    wiretap_reader *other;
    char *path;
    char *name;
    char *error;
    int64_t size;         /* of a regular file; 0 for a pipe */
    uint32_t num_records; /* that plain has read */
    frame_link link;      /* of the last of them */
    capture_status status;
};

/* One line: line ends in what a library says are replaced. */
static char *error_line(const char *name, const char *text)
{
    char *line = g_strdup_printf("%s: %s", name, text);

    g_strdelimit(line, "\r\n", ' ');
    return line;
}

/* peek reads the first bytes of fd without taking them away, from a pipe too. False: there are not so many, or it
 * cannot be done (a socket). */
static bool peek(int fd, bool is_regular, uint8_t *out, size_t len)
{
    int copy[2];

    if (is_regular) {
        return pread(fd, out, len, 0) == (ssize_t)len;
    }
    if (pipe(copy) != 0) {
        return false;
    }
    bool good = tee(fd, copy[1], len, 0) == (ssize_t)len && read(copy[0], out, len) == (ssize_t)len;
    close(copy[0]);
    close(copy[1]);
    return good;
}

/* A reader of our own where the file is of a kind that it knows; else NULL. */
static pcap_reader *open_plain(const char *path, bool is_stdin, const struct stat *info)
{
    uint8_t magic[PCAP_READER_MAGIC_LEN];
    bool is_regular = S_ISREG(info->st_mode);

    if (!is_regular && !S_ISFIFO(info->st_mode)) {
        return NULL;
    }
    int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    if (!peek(fd, is_regular, magic, sizeof magic) || !pcap_reader_knows(magic)) {
        close(fd);
        return NULL;
    }
    return pcap_reader_new(fd, is_regular ? (int64_t)info->st_size : 0);
}

static bool open_other(capture *file, char **error_out)
{
    char *text = NULL;

    file->other = wiretap_reader_open(file->path, &text);
    if (file->other == NULL) {
        *error_out = error_line(file->name, text);
        g_free(text);
    }
    return file->other != NULL;
}

capture *capture_open(const char *path, char **error_out)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    struct stat info;

    *error_out = NULL;
    if ((is_stdin ? fstat(STDIN_FILENO, &info) : stat(path, &info)) != 0) {
        *error_out = error_line(name, g_strerror(errno));
        return NULL;
    }
    if (S_ISDIR(info.st_mode)) {
        *error_out = error_line(name, g_strerror(EISDIR));
        return NULL;
    }
    if (S_ISREG(info.st_mode) && info.st_size == 0) {
        *error_out = error_line(name, "empty");
        return NULL;
    }
    capture *file = g_new0(capture, 1);
    file->path = g_strdup(path);
    file->name = g_strdup(name);
    file->size = S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
    file->status = CAPTURE_PACKET;
    file->plain = open_plain(path, is_stdin, &info);
    if (file->plain == NULL && !open_other(file, error_out)) {
        capture_close(file);
        return NULL;
    }
    return file;
}

/* The file cannot be read on: the status that every later call of capture_next repeats. */
static capture_status failed(capture *file, const char *text)
{
    uint32_t num_records = file->other != NULL ? wiretap_reader_num_records(file->other) : file->num_records;
    char *line = num_records == 0 ? g_strdup_printf("%s, before the first frame", text)
                                  : g_strdup_printf("%s, after frame %" G_GUINT32_FORMAT, text, num_records);

    file->error = error_line(file->name, line);
    g_free(line);
    return file->status = CAPTURE_ERROR;
}

/* libwiretap reads on after the records that were read without it. A pipe cannot be read twice. */
static bool hand_over(capture *file)
{
    if (capture_can_reopen(file)) {
        pcap_reader_free(file->plain);
        file->plain = NULL;
        if (!open_other(file, &file->error)) {
            file->status = CAPTURE_ERROR;
            return false;
        }
        wiretap_reader_skip(file->other, file->num_records);
        return true;
    }
    failed(file, "damaged, or not plain pcap or pcapng: write it into a file first");
    return false;
}

static capture_status next_plain(capture *file, capture_packet *out)
{
    switch (pcap_reader_next(file->plain, out)) {
    case PCAP_READER_PACKET:
        out->frame = ++file->num_records;
        file->link = out->link;
        return CAPTURE_PACKET;
    case PCAP_READER_END:
        return file->status = CAPTURE_END;
    case PCAP_READER_CUT:
        if (pcap_reader_has_header(file->plain)) {
            return failed(file, "cut short in the middle of a packet");
        }
        file->error = error_line(file->name, "cut short inside the file header");
        return file->status = CAPTURE_ERROR;
    case PCAP_READER_FAILED:
        return failed(file, g_strerror(errno));
    default:
        return hand_over(file) ? capture_next(file, out) : file->status;
    }
}

capture_status capture_next(capture *file, capture_packet *out)
{
    char *text = NULL;

    if (file->status != CAPTURE_PACKET) {
        return file->status;
    }
    if (file->plain != NULL) {
        return next_plain(file, out);
    }
    capture_status status = wiretap_reader_next(file->other, out, &text);
    out->frame = wiretap_reader_num_records(file->other);
    if (status == CAPTURE_ERROR) {
        failed(file, text);
        g_free(text);
    }
    return file->status = status;
}

const char *capture_error_text(const capture *file)
{
    return file->error;
}

bool capture_can_reopen(const capture *file)
{
    return file->size > 0 && strcmp(file->path, "-") != 0;
}

bool capture_would_wait(const capture *file, int timeout_ms)
{
    GPollFD input = {.fd = STDIN_FILENO, .events = G_IO_IN};

    if (file->plain != NULL) {
        return pcap_reader_would_wait(file->plain, timeout_ms);
    }
    return strcmp(file->path, "-") == 0 && g_poll(&input, 1, timeout_ms) <= 0;
}

/* In Wireshark's words. */
const char *capture_link_text(const capture *file)
{
    static const char *const names[] = {
        [FRAME_LINK_ETHERNET] = "Ethernet",
        [FRAME_LINK_IP] = "Raw IP",
        [FRAME_LINK_NULL] = "NULL/Loopback",
        [FRAME_LINK_SLL] = "Linux cooked-mode capture v1",
        [FRAME_LINK_SLL2] = "Linux cooked-mode capture v2",
        [FRAME_LINK_RADIOTAP] = "IEEE 802.11 plus radiotap radio header",
    };

    if (file->plain == NULL) {
        return wiretap_reader_link_text(file->other);
    }
    return file->link < G_N_ELEMENTS(names) && names[file->link] != NULL ? names[file->link] : "unknown";
}

double capture_progress(const capture *file)
{
    if (file->size <= 0) {
        return -1.0;
    }
    int64_t offset = file->plain != NULL ? pcap_reader_offset(file->plain) : wiretap_reader_offset(file->other);
    double part = (double)offset / (double)file->size;
    return part < 1.0 ? part : 1.0;
}

void capture_close(capture *file)
{
    if (file == NULL) {
        return;
    }
    pcap_reader_free(file->plain);
    wiretap_reader_free(file->other);
    g_free(file->path);
    g_free(file->name);
    g_free(file->error);
    g_free(file);
}
