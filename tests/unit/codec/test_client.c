/* test_client.c: the version key v, by each client's own coding.
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <krpc/client.h>

#include "unit.h"

typedef struct vector {
    const char *v;
    size_t len;
    const char *version;
    const char *text;
} vector;

static const vector vectors[] = {
    {"UT\x23\xa3", 4, "build 9123", "uTorrent build 9123"},
    {"UT\xab\x14", 4, "build 43796", "uTorrent build 43796"},
    {"LT\x02\x0b", 4, "2.0.11", "libtorrent 2.0.11"},
    {"LT\x02\x08", 4, "2.0.8", "libtorrent 2.0.8"},
    {"LT\x01\x2f", 4, "1.2.15", "libtorrent 1.2.15"},
    {"LT\x01\x10", 4, "1.1.0", "libtorrent 1.1.0"},
    {"LT\x01\x0f", 4, "1.15", "libtorrent 1.15"},
    {"LT\x02\x00", 4, "2.0.0", "libtorrent 2.0.0"},
    {"LT\x01\x02", 4, "1.2", "libtorrent 1.2"},
    {"LT\x01\x01", 4, "1.1", "libtorrent 1.1"},
    {"LT\x00\x10", 4, "0.16", "libtorrent 0.16"},
    {"lt\x0c\x50", 4, "0.12.5", "rTorrent libTorrent 0.12.5"},
    {"lt\x0d\x70", 4, "0.13.7", "rTorrent libTorrent 0.13.7"},
    {"lt\x0d\x80", 4, "0.13.8", "rTorrent libTorrent 0.13.8"},
    {"lt\x0f\x04", 4, "0.15.4", "rTorrent libTorrent 0.15.4"},
    {"lt\x0f\x10", 4, "0.15.16", "rTorrent libTorrent 0.15.16"},
    {"lt\x10\x14", 4, "0.16.20", "rTorrent libTorrent 0.16.20"},
    {"TR#\x9d", 4, "r9117", "Transmission r9117"},
    {"TR%=", 4, "r9533", "Transmission r9533"},
    {"A2\x00\x03", 4, "3", "aria2 3"},
    {"ml\x00\x0b", 4, "11", "mlDHT 11"},
    {"RS\x00\x05", 4, "5", "pubky mainline 5"},
    {"MO06", 4, "0.6", "MonoTorrent 0.6"},
    {"MO3002", 6, "3.0.2", "MonoTorrent 3.0.2"},
    {"MO1234", 6, "1.2.34", "MonoTorrent 1.2.34"},
    {"MO\x00\x06", 4, "0x0006", "MonoTorrent 0x0006"},
    {"JC\x00\x00", 4, "0x0000", "jech/dht example 0x0000"},
    {"MP\x00\x01", 4, "0x0001", "MooPolice 0x0001"},
    {"GR\x12\x34", 4, "0x1234", "GetRight 0x1234"},
    {"DI\x00\x01", 4, "0x0001", "DI 0x0001"},
    {"AZ27", 4, "2.7", "mlDHT for Azureus 2.7"},
    {"Az\x01\xc7", 4, "455", "mlDHT for Azureus 455"},
    /* not known, or not as that client writes it: raw */
    {".B.{", 4, "", "0x2e422e7b"},
    {"XX\x00\x01", 4, "", "0x58580001"},
    {"U", 1, "", "0x55"},
    {"UT", 2, "", "0x5554"},
    {"UT\x23", 3, "", "0x555423"},
    {"UT\x23\xa3\x00", 5, "", "0x555423a300"},
    {"UT\x23\xa3\x00\x00", 6, "", "0x555423a30000"},
    {"", 0, "", ""},
    {"01234567890123456789", 20, "", "0x3031323334353637383930313233343536373839"},
    {"012345678901234567890", 21, "", "0x3031323334353637383930313233343536373839..."},
};

#define NUM_VECTORS (sizeof vectors / sizeof vectors[0])

static void each_by_its_own_coding(void)
{
    guard g;

    guard_init(&g, 64);
    for (size_t i = 0; i < NUM_VECTORS; i++) {
        const uint8_t *v = guard_copy(&g, vectors[i].v, vectors[i].len);
        char text[KRPC_CLIENT_TEXT];

        CU_ASSERT_EQUAL(krpc_client_text(text, sizeof text, v, vectors[i].len), strlen(vectors[i].text));
        CU_ASSERT_STRING_EQUAL(text, vectors[i].text);
        CU_ASSERT_EQUAL(krpc_client_version(text, sizeof text, v, vectors[i].len), strlen(vectors[i].version));
        CU_ASSERT_STRING_EQUAL(text, vectors[i].version);
    }
    guard_free(&g);
}

static void text_counts_past_the_end(void)
{
    for (size_t i = 0; i < NUM_VECTORS; i++) {
        size_t len = strlen(vectors[i].text);

        for (size_t cap = 0; cap <= len + 1; cap++) {
            char text[KRPC_CLIENT_TEXT];
            size_t shown = cap == 0 ? 0 : cap - 1;

            memset(text, 'x', sizeof text);
            CU_ASSERT_EQUAL(krpc_client_text(text, cap, vectors[i].v, vectors[i].len), len);
            CU_ASSERT_EQUAL(memcmp(text, vectors[i].text, shown), 0);
            CU_ASSERT_EQUAL(text[shown], cap == 0 ? 'x' : '\0');
            CU_ASSERT_EQUAL(text[cap], 'x');
        }
    }
    CU_ASSERT_EQUAL(krpc_client_text(NULL, 0, "UT\x23\xa3", 4), 19);
}

static void any_bytes_have_a_text(void)
{
    uint8_t v[300];
    guard g;

    guard_init(&g, sizeof v);
    for (size_t len = 0; len <= sizeof v; len++) {
        for (unsigned fill = 0; fill < 256; fill += 51) {
            char text[KRPC_CLIENT_TEXT];

            memset(v, (int)fill, sizeof v);
            CU_ASSERT(krpc_client_text(text, sizeof text, guard_copy(&g, v, len), len) < KRPC_CLIENT_TEXT);
        }
    }
    guard_free(&g);
}

static void table_is_in_order(void)
{
    const krpc_client *before = NULL;
    size_t num = 0;

    for (const krpc_client *client; (client = krpc_client_get(num)) != NULL; num++) {
        char v[4] = {client->code[0], client->code[1], '\xff', '\xff'};
        char text[KRPC_CLIENT_TEXT];

        CU_ASSERT_EQUAL(strlen(client->code), 2);
        CU_ASSERT(strlen(client->name) > 0);
        CU_ASSERT(strlen(client->evidence) > 0);
        CU_ASSERT(before == NULL || strcmp(before->code, client->code) < 0);
        CU_ASSERT_PTR_EQUAL(krpc_client_find(v, 4), client);
        CU_ASSERT(krpc_client_text(text, sizeof text, v, 4) < sizeof text);
        before = client;
    }
    CU_ASSERT(num >= 14);
}

int main(void)
{
    const unit_test tests[] = {
        UNIT_TEST(each_by_its_own_coding),
        UNIT_TEST(text_counts_past_the_end),
        UNIT_TEST(any_bytes_have_a_text),
        UNIT_TEST(table_is_in_order),
    };

    return UNIT_RUN("client", tests);
}
