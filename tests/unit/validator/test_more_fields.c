/* test_more_fields.c: a line more in fields.def, at the end of each scope, and nothing else changed: the key is seen by
 * the decoder, the encoder, the builder, the JSON of a message and krpcscope encode.
 *
 * This program is made of the sources of the library and of the command, with a copy of the table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/commands.h"
#include "output/output.h"
#include "report/json_record.h"

#define ID "2:id20:abcdefghij0123456789"

static const struct {
    krpc_field field;
    const char *key;
    const char *text;
} cases[] = {
    {KRPC_ZZ, "zz", "d1:ad" ID "e1:q4:ping1:t2:aa1:y1:q2:zzi7ee"},
    {KRPC_A_ZZ, "zz", "d1:ad" ID "2:zz3:abce1:q4:ping1:t2:aa1:y1:qe"},
    {KRPC_A_X89, "x89", "d1:ad" ID "3:x10i1e3:x89i2e2:zz0:e1:q4:ping1:t2:aa1:y1:qe"},
    {KRPC_R_ZZ, "zz_with_a_long_name",
     "d1:rd" ID "5:nodes0:19:zz_with_a_long_name2:\xff\xfe"
     "e1:t2:aa1:y1:re"},
};

static void count(void *ctx, const krpc_finding *finding)
{
    unsigned *num = ctx;

    *num += finding->rule == KRPC_RULE_KRPC_UNKNOWN_KEY || finding->rule == KRPC_RULE_BENCODE_UNSORTED;
}

static void the_table_is_larger(void)
{
    CU_ASSERT(KRPC_NUM_FIELDS > 128);
    CU_ASSERT(KRPC_FIELD_WORDS >= 3);
    for (krpc_field f = 0; f < KRPC_FIRST_E; f++) {
        const krpc_field_info *info = krpc_field_get(f);

        CU_ASSERT_EQUAL(krpc_field_find(info->scope, info->key, strlen(info->key)), f);
    }
}

static void decoder_and_encoder(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = (const uint8_t *)cases[i].text;
        size_t len = strlen(cases[i].text);
        unsigned odd = 0;
        const krpc_sink sink = {count, &odd};
        uint8_t out[256];
        krpc_message m;

        krpc_message_decode(&m, data, len, len, &sink);
        krpc_message_check(&m, data, &sink);
        CU_ASSERT_EQUAL(odd, 0);
        CU_ASSERT(krpc_has(&m, cases[i].field));
        CU_ASSERT(m.canonical);
        CU_ASSERT_EQUAL(krpc_message_encode(out, sizeof out, &m, data), len);
        CU_ASSERT_EQUAL(memcmp(out, data, len), 0);
    }
}

static void builder(void)
{
    static const char want[] = "d1:ad2:zz1:xe1:rd19:zz_with_a_long_name1:ye1:t2:aa1:y1:e2:zzi7ee";
    uint8_t room[64], out[128];
    krpc_builder b;

    krpc_builder_init(&b, room, sizeof room, KRPC_ERROR, "aa", 2);
    krpc_builder_int(&b, KRPC_ZZ, 7);
    krpc_builder_bytes(&b, KRPC_A_ZZ, "x", 1);
    krpc_builder_bytes(&b, KRPC_R_ZZ, "y", 1);
    CU_ASSERT_EQUAL(krpc_builder_encode(&b, out, sizeof out), strlen(want));
    CU_ASSERT_EQUAL(memcmp(out, want, strlen(want)), 0);
}

static void json_and_back(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *data = (const uint8_t *)cases[i].text;
        uint32_t len = (uint32_t)strlen(cases[i].text);
        char json[] = "/tmp/more_fields_XXXXXX", back[64];
        char *args[] = {json, NULL};
        options with = {.args = args, .num_args = 1, .raw = true, .output = back};
        char name[64], bytes[256];
        strbuf line = {0};
        krpc_message m;

        krpc_message_decode(&m, data, len, len, NULL);
        strbuf_puts(&line, "{\"type\":\"message\"");
        json_record_body(&line, &m, data, len);
        strbuf_puts(&line, "}\n");
        strbuf_char(&line, '\0');
        snprintf(name, sizeof name, "\"%s\":", cases[i].key);
        CU_ASSERT_PTR_NOT_NULL(strstr(line.data, name));
        CU_ASSERT_PTR_NULL(strstr(line.data, "\"unknown\""));

        FILE *file = fdopen(mkstemp(json), "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fputs(line.data, file);
        fclose(file);
        snprintf(back, sizeof back, "%s.bin", json);
        CU_ASSERT_EQUAL(command_encode(&with), 0);
        file = fopen(back, "rb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        CU_ASSERT_EQUAL(fread(bytes, 1, sizeof bytes, file), len);
        fclose(file);
        CU_ASSERT_EQUAL(memcmp(bytes, data, len), 0);
        unlink(json);
        unlink(back);
        strbuf_free(&line);
    }
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(the_table_is_larger),
        UNIT_TEST(decoder_and_encoder),
        UNIT_TEST(builder),
        UNIT_TEST(json_and_back),
    };

    return UNIT_RUN("more_fields", tests);
}
