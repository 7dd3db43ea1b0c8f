/* test_conclusions.c: findings that follow from all packets, in every report of check, in the file of --write, and in
 * explain. The conclusions are made up: the linker puts __wrap_tracker_conclude in the place of tracker_conclude.
 *
 * SAMPLES is the folder of captures.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include <glib.h>
#include <tracker/tracker.h>

#include "command/commands.h"

#define QUIET_FRAME 5 /* of natc-inside: check finds nothing in it */
#define FOUND_FRAME 6 /* and it has two findings */

void __wrap_tracker_conclude(tracker *t, void (*emit)(void *ctx, const tracker_conclusion *conclusion), void *ctx);

static bool concludes;
static unsigned num_calls;

static krpc_endpoint endpoint_of(uint8_t last, uint16_t port)
{
    krpc_endpoint out;
    const uint8_t addr[4] = {192, 0, 2, last};

    krpc_endpoint_set(&out, addr, 4, port);
    return out;
}

void __wrap_tracker_conclude(tracker *t, void (*emit)(void *ctx, const tracker_conclusion *conclusion), void *ctx)
{
    (void)t;
    num_calls++;
    for (uint32_t frame = QUIET_FRAME; concludes && frame <= FOUND_FRAME; frame++) {
        const tracker_conclusion conclusion = {
            .packet = {frame, INT64_C(1000000000) * frame, endpoint_of(1, 1111), endpoint_of(2, 2222), 0},
            .over_tcp = frame == QUIET_FRAME,
            .finding = {.rule = KRPC_RULE_PORT_SWAPPED, .a = 4321, .b = 57616},
        };
        emit(ctx, &conclusion);
    }
}

static char *folder;

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

/* The output of check or explain for a sample, and more words (may be NULL). */
static char *output_of(int (*run_command)(const options *), options with, const char *sample, char *more,
                       int *status_out)
{
    char *name = g_strconcat(sample, ".pcapng", NULL);
    char *capture = g_build_filename(g_getenv("SAMPLES"), name, NULL);
    char *written = path_of("out");
    char *args[] = {capture, more, NULL};
    char *text = NULL;

    with.args = args;
    with.num_args = more != NULL ? 2 : 1;
    with.output = written;
    with.fail_on = KRPC_SEVERITY_ERROR;
    with.threads = with.merge ? 1 : 2;
    *status_out = run_command(&with);
    CU_ASSERT_TRUE_FATAL(g_file_get_contents(written, &text, NULL, NULL));
    unlink(written);
    g_free(written);
    g_free(capture);
    g_free(name);
    return text;
}

static unsigned num_of(const char *text, const char *part)
{
    unsigned num = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        num++;
    }
    return num;
}

/* How often a part is in the output of check, less how often it is there without the conclusions. */
static unsigned num_more(options with, const char *part)
{
    int status;

    concludes = false;
    char *before = output_of(command_check, with, "natc-inside", NULL, &status);
    CU_ASSERT_EQUAL(status, EXIT_NOTHING);
    concludes = true;
    char *after = output_of(command_check, with, "natc-inside", NULL, &status);
    CU_ASSERT_EQUAL(status, EXIT_FOUND);
    unsigned num = num_of(after, part) - num_of(before, part);
    g_free(before);
    g_free(after);
    return num;
}

static void every_report_has_them(void)
{
    static const char text[] = "port 4321 is 57616 with its bytes swapped";
    const options plain = {0}, each = {.each = true}, ndjson = {.format = FORMAT_NDJSON};
    const options anonymized = {.format = FORMAT_NDJSON, .anonymize = (char[]){"k"}};

    CU_ASSERT_EQUAL(num_more(plain, "error port.byte-swapped                 2 times"), 1);
    CU_ASSERT_EQUAL(num_more(plain, "frames 5, 6"), 1);
    CU_ASSERT_EQUAL(num_more(each, text), 2);
    CU_ASSERT_EQUAL(num_more(each, ":5:0: error: port.byte-swapped: "), 1);
    CU_ASSERT_EQUAL(num_more(ndjson, "\"frame\":5,\"timestamp\":\"1970-01-01T00:00:05.000000+0000\",\"src_ip\":"
                                     "\"192.0.2.1\",\"src_port\":1111,\"dest_ip\":\"192.0.2.2\",\"dest_port\":2222,"
                                     "\"proto\":\"TCP\",\"rule\":\"port.byte-swapped\""),
                    1);
    CU_ASSERT_EQUAL(num_more(ndjson, "\"port.byte-swapped\":2"), 1);
    CU_ASSERT_EQUAL(num_more((options){.format = FORMAT_SARIF}, "frame 6: port 4321 is 57616"), 1);
    CU_ASSERT_EQUAL(num_more((options){.format = FORMAT_JUNIT}, "<failure message=\"port 4321 is 57616"), 1);
    CU_ASSERT_EQUAL(num_more((options){.format = FORMAT_HTML}, text), 1);
    CU_ASSERT_EQUAL(num_more((options){.quiet = true}, text), 0); /* the status tells it */
    CU_ASSERT_EQUAL(num_more(anonymized, "\"src_ip\":\"192.0.2.1\",\"src_port\":1111"), 0);
    CU_ASSERT_EQUAL(num_more(anonymized, "\"src_port\":1111"), 2);
}

/* Once for each capture. Frames of merged captures name their file. */
static void several_captures(void)
{
    char *second = g_build_filename(g_getenv("SAMPLES"), "bep5.pcapng", NULL);
    int status;

    concludes = true;
    num_calls = 0;
    char *apart = output_of(command_check, (options){.each = true}, "natc-inside", second, &status);
    CU_ASSERT_EQUAL(num_calls, 2);
    CU_ASSERT_EQUAL(num_of(apart, "natc-inside.pcapng:5:0: error"), 1);
    CU_ASSERT_EQUAL(num_of(apart, "bep5.pcapng:5:0: error"), 1);
    g_free(apart);
    num_calls = 0;
    char *merged = output_of(command_check, (options){.each = true, .merge = true}, "natc-inside", second, &status);
    CU_ASSERT_EQUAL(num_calls, 1);
    CU_ASSERT_EQUAL(num_of(merged, "bep5.pcapng:2:0: error"), 1); /* 5 of two files is 2 of the second */
    CU_ASSERT_EQUAL(num_of(merged, "natc-inside.pcapng:3:0: error"), 1);
    g_free(merged);
    g_free(second);
}

static bool has_bytes(const char *bytes, gsize len, const char *part)
{
    gsize part_len = strlen(part);

    for (gsize at = 0; at + part_len <= len; at++) {
        if (memcmp(bytes + at, part, part_len) == 0) {
            return true;
        }
    }
    return false;
}

static void comments_have_them(void)
{
    static const char comment[] = "frame 5 of natc-inside.pcapng\nerror port.byte-swapped: port 4321";
    char *path = path_of("w.pcapng");
    gsize len[2];
    int status;

    for (unsigned i = 0; i < 2; i++) {
        char *bytes;
        concludes = i == 1;
        g_free(output_of(command_check, (options){.quiet = true, .write = path}, "natc-inside", NULL, &status));
        CU_ASSERT_TRUE_FATAL(g_file_get_contents(path, &bytes, &len[i], NULL));
        CU_ASSERT_TRUE(has_bytes(bytes, len[i], comment) == concludes);
        CU_ASSERT_TRUE(has_bytes(bytes, len[i], "port.observed-differs"));
        g_free(bytes);
    }
    CU_ASSERT_TRUE(len[1] > len[0]);
    unlink(path);
    g_free(path);
}

static void explain_has_them(void)
{
    int status;

    concludes = true;
    char *text = output_of(command_explain, (options){0}, "natc-inside", (char[]){"5"}, &status);
    CU_ASSERT_EQUAL(status, EXIT_NOTHING);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  1 error port.byte-swapped: port 4321"));
    CU_ASSERT_PTR_NULL(strstr(text, "no findings"));
    g_free(text);
    text = output_of(command_explain, (options){.format = FORMAT_NDJSON}, "natc-inside", (char[]){"6"}, &status);
    CU_ASSERT_EQUAL(num_of(text, "{\"type\":\"finding\""), 3);
    CU_ASSERT_EQUAL(num_of(text, "port.byte-swapped"), 1);
    g_free(text);
}

static void decode_has_them(void)
{
    int status;
    options with = {.selection.port = -1};

    concludes = true;
    char *text = output_of(command_decode, with, "natc-inside", NULL, &status);
    CU_ASSERT_EQUAL(num_of(text, "port.byte-swapped"), 0);
    g_free(text);
    with.verbose = true;
    text = output_of(command_decode, with, "natc-inside", NULL, &status);
    CU_ASSERT_EQUAL(num_of(text, "  frame 6  192.0.2.1:1111 -> 192.0.2.2:2222\n      ! error port.byte-swapped: "), 1);
    CU_ASSERT_EQUAL(num_of(text, "port.byte-swapped"), 2);
    CU_ASSERT_EQUAL(num_of(text, "Findings that follow from all packets:"), 1);
    g_free(text);
    with.selection.port = 2222;
    text = output_of(command_decode, with, "natc-inside", NULL, &status);
    CU_ASSERT_EQUAL(num_of(text, "port.byte-swapped"), 2);
    g_free(text);
    with.selection.port = 3333;
    text = output_of(command_decode, with, "natc-inside", NULL, &status);
    CU_ASSERT_EQUAL(num_of(text, "port.byte-swapped"), 0);
    g_free(text);
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(every_report_has_them), UNIT_TEST(several_captures),
                               UNIT_TEST(comments_have_them), UNIT_TEST(explain_has_them), UNIT_TEST(decode_has_them)};

    folder = g_dir_make_tmp("krpcscope-XXXXXX", NULL);
    int status = folder != NULL ? UNIT_RUN("conclusions", tests) : 2;
    rmdir(folder);
    g_free(folder);
    return status;
}
