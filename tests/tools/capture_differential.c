/* capture_differential.c: reads captures with capture.h, and again with libwiretap alone, and compares record by
 * record.
 *
 * capture_differential [--mutations N] CAPTURE...: also N damaged copies of each capture, from a fixed seed: bytes
 * changed, bytes cut off at the end, bytes removed, and every length of the first KiB. Prints each difference, and at
 * the end the numbers of files and packets. Exit status 1 on a difference.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "input/capture.h"
#include "input/wiretap_reader.h"

#define CUT_EACH 1024u /* files are cut at each length up to this */

static uint64_t num_files, num_packets, num_different;

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static bool is_same(const capture_packet *a, const capture_packet *b)
{
    return a->caplen == b->caplen && a->wirelen == b->wirelen && a->frame == b->frame && a->link == b->link &&
           a->has_interface_id == b->has_interface_id && a->interface_id == b->interface_id &&
           a->has_time == b->has_time && a->time_ns == b->time_ns && a->offset == b->offset &&
           a->data_offset == b->data_offset && memcmp(a->data, b->data, a->caplen) == 0;
}

static char *packet_text(const capture_packet *p)
{
    return g_strdup_printf("%u of %u bytes at %" PRId64 ", data at %" PRId64
                           ", frame %u, link %d, interface %d %u, time %d %" PRId64,
                           p->caplen, p->wirelen, p->offset, p->data_offset, p->frame, (int)p->link,
                           p->has_interface_id, p->interface_id, p->has_time, p->time_ns);
}

static void different(const char *path, const char *what, uint32_t frame, const char *ours, const char *theirs)
{
    num_different++;
    printf("%s: after frame %u: %s: %s / %s\n", path, frame, what, ours != NULL ? ours : "-",
           theirs != NULL ? theirs : "-");
}

typedef enum condition { WHOLE, CUT, DAMAGED } condition;

/* All packets are the same, and so is what ends them. Of a record that is damaged and cut, either may be reported. From
 * a damaged or missing record libwiretap concludes that the file is of another system's pcap, in which it does not tell
 * where data is: such a copy is not compared further. */
static void compare(const char *path, condition is)
{
    char *our_error = NULL, *their_error = NULL;
    capture *ours = capture_open(path, &our_error);
    wiretap_reader *theirs = wiretap_reader_open(path, &their_error);
    capture_packet a, b;
    uint32_t frame = 0;

    num_files++;
    while (ours != NULL && theirs != NULL) {
        capture_status our_status = capture_next(ours, &a);
        capture_status their_status = wiretap_reader_next(theirs, &b, &their_error);
        b.frame = wiretap_reader_num_records(theirs);
        if (our_status != their_status) {
            different(path, "status", frame, capture_error_text(ours), their_error);
            break;
        }
        if (our_status == CAPTURE_ERROR && is != DAMAGED && strstr(capture_error_text(ours), their_error) == NULL) {
            different(path, "error", frame, capture_error_text(ours), their_error);
        }
        if (our_status != CAPTURE_PACKET) {
            break;
        }
        if (is != WHOLE && a.data_offset >= 0 && b.data_offset < 0) {
            break;
        }
        frame = a.frame;
        num_packets++;
        if (!is_same(&a, &b)) {
            char *our_text = packet_text(&a), *their_text = packet_text(&b);
            different(path, "packet", frame, our_text, their_text);
            g_free(our_text);
            g_free(their_text);
            break;
        }
    }
    if (theirs != NULL && ours == NULL) {
        different(path, "open", frame, our_error, NULL);
    }
    if (theirs == NULL && ours != NULL && capture_next(ours, &a) == CAPTURE_PACKET) {
        different(path, "open", frame, NULL, their_error);
    }
    capture_close(ours);
    wiretap_reader_free(theirs);
    g_free(our_error);
    g_free(their_error);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *out = fopen(path, "wb");

    if (out == NULL || fwrite(bytes, 1, len, out) != len || fclose(out) != 0) {
        perror(path);
        exit(2);
    }
}

/* One damaged copy: what is done to it, and where, comes from the state. */
static void mutate(const char *path, const char *bytes, size_t len, uint64_t *state)
{
    char *copy = g_memdup2(bytes, len);
    uint32_t kind = next_random(state) % 4;
    size_t at = next_random(state) % len;

    if (kind == 0) {
        len = at;
    } else if (kind == 1) {
        size_t num = MIN(1 + next_random(state) % 8, len - at);
        memmove(copy + at, copy + at + num, len - at - num);
        len -= num;
    } else {
        for (uint32_t i = next_random(state) % 4 + 1; i > 0; i--) {
            copy[at] = (char)next_random(state);
            at = kind == 2 ? next_random(state) % len : next_random(state) % MIN(len, CUT_EACH);
        }
    }
    write_file(path, copy, len);
    compare(path, kind == 0 ? CUT : DAMAGED);
    g_free(copy);
}

int main(int argc, char **argv)
{
    char *folder = g_dir_make_tmp("capture-differential-XXXXXX", NULL);
    char *path = g_build_filename(folder, "mutated", NULL);
    uint32_t num_mutations = 0;

    for (int i = 1; i < argc; i++) {
        char *bytes = NULL;
        gsize len = 0;
        uint64_t state = (uint64_t)i;

        if (strcmp(argv[i], "--mutations") == 0 && i + 1 < argc) {
            num_mutations = (uint32_t)atoi(argv[++i]);
            continue;
        }
        compare(argv[i], WHOLE);
        if (num_mutations == 0 || !g_file_get_contents(argv[i], &bytes, &len, NULL) || len == 0) {
            continue;
        }
        for (size_t n = 1; n < MIN(len, CUT_EACH); n++) {
            write_file(path, bytes, n);
            compare(path, CUT);
        }
        for (uint32_t n = 0; n < num_mutations; n++) {
            mutate(path, bytes, len, &state);
        }
        g_free(bytes);
    }
    remove(path);
    remove(folder);
    g_free(path);
    g_free(folder);
    printf("%" PRIu64 " files, %" PRIu64 " packets, %" PRIu64 " differences\n", num_files, num_packets, num_different);
    return num_different > 0 || num_packets == 0;
}
