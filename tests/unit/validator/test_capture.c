/* test_capture.c: capture files that are whole, cut short, damaged or none at all.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "input/capture.h"
#include "unit.h"

/* A pcap file of Ethernet frames of 4 bytes, all but the first cut from 6; little endian, microseconds. There are four,
 * and damage is in the last: libwiretap looks at the first three to tell the variants of the format apart. */
#define RECORD(second, wire) 0, 0, second, 0x40, 1, 0, 0, 0, 4, 0, 0, 0, wire, 0, 0, 0, 'a', 'b', 'c', 'd'
static const uint8_t file_bytes[] = {
    0xd4,         0xc3,         0xb2,         0xa1,         2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0,
    RECORD(0, 4), RECORD(1, 6), RECORD(2, 6), RECORD(3, 6),
};
#define HEADER_LEN 24
#define RECORD_LEN 20
#define THIRD_END  (HEADER_LEN + 3 * RECORD_LEN)

static char *folder;
static char *path;

static void write_file(const void *bytes, size_t len)
{
    FILE *out = fopen(path, "wb");

    CU_ASSERT_FATAL(out != NULL && fwrite(bytes, 1, len, out) == len && fclose(out) == 0);
}

/* Opens the file and reads it to its end: the number of packets, and in *text what is said about the end. */
static unsigned read_all(const char *name, char **text, capture_status *last)
{
    capture_packet packet;
    unsigned num_packets = 0;
    capture *file = capture_open(name, text);

    *last = CAPTURE_ERROR;
    if (file == NULL) {
        return 0;
    }
    CU_ASSERT(*text == NULL && capture_error_text(file) == NULL);
    while ((*last = capture_next(file, &packet)) == CAPTURE_PACKET) {
        num_packets++;
    }
    CU_ASSERT(capture_next(file, &packet) == *last);
    *text = g_strdup(capture_error_text(file));
    capture_close(file);
    return num_packets;
}

/* What is wrong is one line that names the file and holds the words. */
static void expect_error(const char *name, unsigned num_packets, const char *words)
{
    char *text = NULL;
    capture_status last;
    unsigned num = read_all(name, &text, &last);
    bool good = num == num_packets && last == CAPTURE_ERROR && text != NULL && strstr(text, words) != NULL &&
                strncmp(text, name, strlen(name)) == 0 && strchr(text, '\n') == NULL;

    if (!good) {
        printf("\n%s: %u packets, \"%s\"", words, num, text != NULL ? text : "(nothing)");
    }
    CU_ASSERT(good);
    g_free(text);
}

static void test_packets(void)
{
    char *error = NULL;
    capture_packet packet;

    write_file(file_bytes, sizeof file_bytes);
    capture *file = capture_open(path, &error);
    CU_ASSERT_FATAL(file != NULL && error == NULL);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_PACKET);
    CU_ASSERT(packet.frame == 1 && packet.caplen == 4 && packet.wirelen == 4 && memcmp(packet.data, "abcd", 4) == 0);
    CU_ASSERT(packet.link == FRAME_LINK_ETHERNET && packet.offset == HEADER_LEN);
    CU_ASSERT(packet.data_offset == HEADER_LEN + RECORD_LEN - 4);
    CU_ASSERT(packet.has_time && packet.time_ns == INT64_C(0x40000000) * 1000000000 + 1000);
    CU_ASSERT(strcmp(capture_link_text(file), "Ethernet") == 0);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_PACKET);
    CU_ASSERT(packet.frame == 2 && packet.caplen == 4 && packet.wirelen == 6 &&
              packet.offset == HEADER_LEN + RECORD_LEN);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_PACKET && capture_next(file, &packet) == CAPTURE_PACKET);
    CU_ASSERT(capture_progress(file) > 0.9 && capture_progress(file) <= 1.0);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_END);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_END && capture_error_text(file) == NULL);
    capture_close(file);
    capture_close(NULL);
}

/* Prefixes: where a record ends, so does the file; everywhere else it is said to be cut short. */
static void test_prefixes(void)
{
    write_file(file_bytes, 0);
    expect_error(path, 0, "empty");
    for (size_t n = 4; n < HEADER_LEN; n++) {
        write_file(file_bytes, n);
        expect_error(path, 0, "cut short inside the file header");
    }
    for (size_t n = HEADER_LEN; n <= sizeof file_bytes; n += RECORD_LEN) {
        char *text = NULL;
        capture_status last;
        write_file(file_bytes, n);
        CU_ASSERT(read_all(path, &text, &last) == (n - HEADER_LEN) / RECORD_LEN && last == CAPTURE_END && text == NULL);
    }
    for (size_t n = THIRD_END + 1; n < sizeof file_bytes; n++) {
        write_file(file_bytes, n);
        expect_error(path, 3, "cut short in the middle of a packet, after frame 3");
    }
    write_file(file_bytes, HEADER_LEN + 3);
    expect_error(path, 0, "cut short in the middle of a packet, before the first frame");
}

/* libwiretap opens films, pictures and texts as captures of one packet: nothing is read from them. */
static void test_documents(void)
{
    static const uint8_t pcapng[] = {10,   13,   13, 10, 28, 0, 0,   0,   0x4d, 0x3c,
                                     0x2b, 0x1a, 1,  0,  0,  0, 255, 255, 255,  255};

    for (size_t n = 1; n < 4; n++) {
        write_file(file_bytes, n);
        expect_error(path, 0, "cut short inside the file header");
    }
    for (size_t n = 1; n <= sizeof pcapng; n++) {
        write_file(pcapng, n);
        expect_error(path, 0, n < 4 ? "not a capture file" : "cut short inside the file header");
    }
    write_file("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1", 24);
    expect_error(path, 0, "not a capture file");
    write_file("{\"a\": [1, 2, 3]}\n", 17);
    expect_error(path, 0, "not a capture file");
}

static void test_no_captures(void)
{
    uint8_t damaged[sizeof file_bytes];

    write_file("This is a text.\nIt has two lines.\n", 34);
    expect_error(path, 0, "not a capture file");
    memcpy(damaged, file_bytes, sizeof damaged);
    damaged[THIRD_END + 11] = 0x7f; /* a packet of two thousand million bytes */
    write_file(damaged, sizeof damaged);
    expect_error(path, 3, "damaged");
    expect_error(folder, 0, "directory");
    CU_ASSERT(unlink(path) == 0);
    expect_error(path, 0, "No such file");
    expect_error("/dev/null", 0, "neither a file nor a pipe");
}

/* Each packet is there as soon as its bytes are: nothing waits for the end of the pipe. */
static void test_pipe(void)
{
    int ends[2];
    int saved = dup(0);
    char *error = NULL;
    capture_packet packet;

    CU_ASSERT_FATAL(pipe(ends) == 0 && dup2(ends[0], 0) == 0 && close(ends[0]) == 0);
    CU_ASSERT(write(ends[1], file_bytes, THIRD_END) == THIRD_END);
    capture *file = capture_open("-", &error);
    CU_ASSERT_FATAL(file != NULL);
    for (uint32_t frame = 1; frame <= 3; frame++) {
        CU_ASSERT(capture_next(file, &packet) == CAPTURE_PACKET && packet.frame == frame);
    }
    CU_ASSERT(capture_progress(file) < 0.0);
    CU_ASSERT(write(ends[1], file_bytes + THIRD_END, RECORD_LEN - 1) == RECORD_LEN - 1);
    CU_ASSERT(close(ends[1]) == 0);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_ERROR);
    CU_ASSERT(strcmp(capture_error_text(file), "standard input: cut short in the middle of a packet, after frame 3") ==
              0);
    capture_close(file);

    CU_ASSERT(pipe(ends) == 0 && dup2(ends[0], 0) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
    file = capture_open("-", &error);
    CU_ASSERT_FATAL(file != NULL);
    CU_ASSERT(capture_next(file, &packet) == CAPTURE_ERROR && strstr(capture_error_text(file), "no packets") != NULL);
    capture_close(file);
    CU_ASSERT(dup2(saved, 0) == 0 && close(saved) == 0);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(test_packets),   UNIT_TEST(test_prefixes), UNIT_TEST(test_no_captures),
        UNIT_TEST(test_documents), UNIT_TEST(test_pipe),
    };
    int failed;

    folder = g_dir_make_tmp("krpcscope-test-XXXXXX", NULL);
    if (folder == NULL) {
        return 2;
    }
    path = g_build_filename(folder, "a.pcap", NULL);
    failed = UNIT_RUN("capture", tests);
    unlink(path);
    rmdir(folder);
    g_free(path);
    g_free(folder);
    return failed;
}
