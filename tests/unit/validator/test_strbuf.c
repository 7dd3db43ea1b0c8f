/* test_strbuf.c: the fast writers against the slow ones of the C library.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <glib.h>

#include "output/progress.h"
#include "output/strbuf.h"

static strbuf out;

static const char *taken(void)
{
    strbuf_char(&out, '\0');
    out.len = 0;
    return out.data;
}

static void test_numbers(void)
{
    static const int64_t numbers[] = {0, 1, 9, 10, 99, 100, 999, 1000, 65535, 123456789, INT64_MAX, -1, -10, INT64_MIN};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char want[32];
        snprintf(want, sizeof want, "%lld", (long long)numbers[i]);
        strbuf_int(&out, numbers[i]);
        CU_ASSERT_STRING_EQUAL(taken(), want);
    }
    strbuf_uint(&out, UINT64_MAX);
    CU_ASSERT_STRING_EQUAL(taken(), "18446744073709551615");
    strbuf_count(&out, 999);
    CU_ASSERT_STRING_EQUAL(taken(), "999");
    strbuf_count(&out, 1234567);
    CU_ASSERT_STRING_EQUAL(taken(), "1,234,567");
}

static void test_hex(void)
{
    uint8_t bytes[256];
    char want[513];

    for (unsigned i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
        snprintf(want + 2 * i, 3, "%02x", i);
    }
    for (size_t len = 0; len <= 256; len += len < 20 ? 1 : 59) {
        char saved = want[2 * len];
        strbuf_hex(&out, bytes, len);
        want[2 * len] = '\0';
        CU_ASSERT_STRING_EQUAL(taken(), want);
        want[2 * len] = saved;
    }
}

static void check_addr(int family, const uint8_t *bytes)
{
    krpc_endpoint endpoint;
    char want[INET6_ADDRSTRLEN];

    krpc_endpoint_set(&endpoint, bytes, family == AF_INET6 ? 16 : 4, 6881);
    inet_ntop(family, bytes, want, sizeof want);
    strbuf_addr(&out, &endpoint);
    CU_ASSERT_STRING_EQUAL(taken(), want);
}

static void test_addresses(void)
{
    static const char *const ipv6[] = {"::",
                                       "::1",
                                       "1::",
                                       "2001:db8::1",
                                       "fe80::1:2",
                                       "1:0:2:0:3::4",
                                       "1:2:3::6:7:8",
                                       "::2:3:4:5:6",
                                       "1:2:3:4:5:6:7:8",
                                       "2001:db8:0:1:1:1:1:1",
                                       "1:0:0:2:0:0:0:3",
                                       "ffff::10f:a0"};
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof ipv6 / sizeof ipv6[0]; i++) {
        inet_pton(AF_INET6, ipv6[i], bytes);
        check_addr(AF_INET6, bytes);
    }
    srand(1);
    for (unsigned n = 0; n < 20000; n++) {
        for (unsigned i = 0; i < 16; i++) {
            bytes[i] = (uint8_t)(rand() % 3 == 0 ? rand() : 0);
        }
        bytes[0] |= 0x20; /* embedded IPv4 addresses are the codec's to write */
        check_addr(AF_INET6, bytes);
        check_addr(AF_INET, bytes);
    }
    krpc_endpoint endpoint;
    inet_pton(AF_INET6, "2001:db8::1", bytes);
    krpc_endpoint_set(&endpoint, bytes, 16, 6881);
    strbuf_endpoint(&out, &endpoint);
    CU_ASSERT_STRING_EQUAL(taken(), "[2001:db8::1]:6881");
}

static void test_times(void)
{
    static const int64_t seconds[] = {0, 1183144661, 951782400, 951868800, 4102444800, -1, -86400, 1709164799};

    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        time_t when = (time_t)seconds[i];
        struct tm parts;
        char want[64];
        gmtime_r(&when, &parts);
        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000123+0000", &parts);
        strbuf_time(&out, seconds[i] * 1000000000 + 123456);
        CU_ASSERT_STRING_EQUAL(taken(), want);
    }
    strbuf_time(&out, -1);
    CU_ASSERT_STRING_EQUAL(taken(), "1969-12-31T23:59:59.999999+0000");
    strbuf_clock(&out, INT64_C(1183144661000001000));
    CU_ASSERT_STRING_EQUAL(taken(), "19:17:41.000001");
}

static void test_escapes(void)
{
    strbuf_json(&out, "a\"b\\c\n\x7f\xc3\xa9", 9);
    CU_ASSERT_STRING_EQUAL(taken(), "\"a\\\"b\\\\c\\u000a\\u007f\xc3\xa9\"");
    CU_ASSERT_TRUE(strbuf_is_json("\xf0\x9f\x90\xa7", 4));
    CU_ASSERT_FALSE(strbuf_is_json("\xc0\x80", 2));
    CU_ASSERT_FALSE(strbuf_is_json("\xed\xa0\x80", 3));
    CU_ASSERT_FALSE(strbuf_is_json("a\0b", 3));
    CU_ASSERT_FALSE(strbuf_is_json("\xe2\x82", 2));
    strbuf_xml(&out, "<a b=\"&\">\x01\xff", 11);
    CU_ASSERT_STRING_EQUAL(taken(), "&lt;a b=&quot;&amp;&quot;&gt;\xef\xbf\xbd\xef\xbf\xbd");
    strbuf_xml(&out, "\x7f\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd\t", 11);
    CU_ASSERT_STRING_EQUAL(taken(), "\x7f\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\t");
    /* Nothing that a terminal would act on. */
    strbuf_printable(&out, "a\033[2J\xc2\x9b\xe2\x80\xaeZ\xff", 12);
    CU_ASSERT_STRING_EQUAL(taken(), "a\\x1b[2J\\xc2\\x9b\\xe2\\x80\\xaeZ\\xff");
}

/* UTF-8 as GLib understands it, at all places where the encoding has an edge. */
static void test_utf8(void)
{
    static const uint8_t edges[] = {0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    enum { NUM = sizeof edges };

    for (unsigned first = 1; first < 256; first++) {
        for (unsigned i = 0; i < NUM * NUM * NUM; i++) {
            uint8_t bytes[4] = {(uint8_t)first, edges[i % NUM], edges[i / NUM % NUM], edges[i / NUM / NUM]};
            for (size_t len = 1; len <= 4; len++) {
                CU_ASSERT_EQUAL(strbuf_is_json((const char *)bytes, len),
                                g_utf8_validate((const char *)bytes, (gssize)len, NULL) != FALSE);
            }
        }
    }
}

static bool moves_a_cursor(gunichar c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool turns_the_text(gunichar c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Every character is shown, but for those that a terminal would act on, and for separators of lines and paragraphs. */
static void test_characters(void)
{
    for (gunichar c = 0; c <= 0x10ffff; c++) {
        char bytes[8] = "";
        int len = g_unichar_to_utf8(c, bytes);
        bool hidden = moves_a_cursor(c) || turns_the_text(c) || c == 0x2028 || c == 0x2029 || !g_unichar_validate(c);
        strbuf_printable(&out, bytes, (size_t)len);
        CU_ASSERT_EQUAL(out.len, (size_t)(hidden ? 4 * len : len));
        CU_ASSERT_EQUAL(memcmp(out.data, hidden ? "\\x" : bytes, hidden ? 2 : (size_t)len), 0);
        out.len = 0;
    }
}

static void test_names(void)
{
    strbuf_json_name(&out, "a\"b");
    CU_ASSERT_STRING_EQUAL(taken(), "\"a\\\"b\"");
    strbuf_json_name(&out, "\xff\xc3.pcap");
    CU_ASSERT_STRING_EQUAL(taken(), "\"\xef\xbf\xbd\xef\xbf\xbd.pcap\"");
}

static void test_progress(void)
{
    progress_line(&out, 80, "/tmp/some.pcap", 0.25, 1234567, 10.0);
    CU_ASSERT_STRING_EQUAL(taken(), "some.pcap  [######------------------]   25 %  1.2 M packets  123 k/s  30 s left");
    progress_line(&out, 200, "a", 1.0, 999, 1.0);
    CU_ASSERT_STRING_EQUAL(taken(), "a  [##############################]  100 %  999 packets  999/s  0 s left");
    progress_line(&out, 80, "a", 0.5, 99950, 300.0);
    CU_ASSERT_STRING_EQUAL(taken(), "a  [###############---------------]   50 %  100 k packets  333/s  5 min left");
    progress_line(&out, 80, "a", 0.01, 9949, 100.0);
    CU_ASSERT_STRING_EQUAL(taken(), "a  [------------------------------]    1 %  9.9 k packets  99/s  3 h left");
    progress_line(&out, 80, "standard input", -1.0, 1000, 2.0);
    CU_ASSERT_STRING_EQUAL(taken(), "standard input  1.0 k packets  500/s");
    progress_line(&out, 80, "a", 0.0, 0, 0.0);
    CU_ASSERT_STRING_EQUAL(taken(), "a  [------------------------------]    0 %  0 packets  0/s");
    progress_line(&out, 27, "\033[31mname", -1.0, 7, 2.0);
    CU_ASSERT_STRING_EQUAL(taken(), "\\x1b[31...  7 packets  4/s");
    for (unsigned width = 0; width < 130; width++) {
        progress_line(&out, width, "a-very-long-name-\xc3\xbc\xc3\xbc\xc3\xbc-of-a-capture-file.pcapng", 0.5, 123456,
                      10.0);
        CU_ASSERT(g_utf8_strlen(taken(), -1) <= (width > 0 ? width - 1 : 0));
    }
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("text", NULL, NULL);
    CU_add_test(suite, "numbers", test_numbers);
    CU_add_test(suite, "hex", test_hex);
    CU_add_test(suite, "addresses", test_addresses);
    CU_add_test(suite, "times", test_times);
    CU_add_test(suite, "escapes", test_escapes);
    CU_add_test(suite, "utf-8", test_utf8);
    CU_add_test(suite, "characters", test_characters);
    CU_add_test(suite, "names", test_names);
    CU_add_test(suite, "progress", test_progress);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    strbuf_free(&out);
    return failed != 0;
}
