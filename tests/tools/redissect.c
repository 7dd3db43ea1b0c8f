/* redissect.c: does what Wireshark's window does with a capture, without a window: it reads the file, shows its packets
 * in any order, dissects all of them again as after a change of preferences, and builds conversation filters.
 *
 * redissect CAPTURE (a little-endian pcap file of raw IP or Ethernet) prints six parts, each after a line "== NAME":
 *
 *     read      the packets after the file was read, as tshark -V prints them
 *     again     the same after a redissection; Wireshark calls no postseq cleanup routine after one
 *     capturing the first half of them, during a live capture, after a redissection
 *     live      all of them, after a live capture with a redissection in the middle
 *     filters   a line "frame TAB name TAB filter" for each of KRPC's conversation filters
 *     streams   a line "port TAB port TAB stream TAB packets" for each line of Statistics > Conversations > KRPC
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "compat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cfile.h>
#include <epan/epan_dissect.h>
#include <epan/frame_data.h>
#include <epan/plugin_if.h>
#include <epan/print.h>
#include <wsutil/filesystem.h>
#include <wsutil/privileges.h>
#include <wsutil/wslog.h>

#define MAX_FRAMES        4000
#define FILE_HEADER_LEN   24
#define RECORD_HEADER_LEN 16
#define MAGIC_NANOSECONDS 0xa1b23c4d
#define LINK_ETHERNET     1

typedef struct window {
    char *bytes;
    capture_file file; /* the plugin can read it */
    frame_data frames[MAX_FRAMES];
    wtap_rec records[MAX_FRAMES];
    const uint8_t *data[MAX_FRAMES];
    uint32_t num_frames;
    nstime_t elapsed;
    const frame_data *first;
    uint32_t num_bytes;
} window;

static window w;

static uint32_t number_at(const char *bytes)
{
    uint32_t num;

    memcpy(&num, bytes, sizeof num);
    return GUINT32_FROM_LE(num);
}

static void load(const char *path)
{
    gsize len, pos = FILE_HEADER_LEN;

    if (!g_file_get_contents(path, &w.bytes, &len, NULL) || len < FILE_HEADER_LEN) {
        exit(2);
    }

    int unit = number_at(w.bytes) == MAGIC_NANOSECONDS ? 1 : 1000;
    int encap = number_at(w.bytes + 20) == LINK_ETHERNET ? WTAP_ENCAP_ETHERNET : WTAP_ENCAP_RAW_IP;

    while (w.num_frames < MAX_FRAMES && pos + RECORD_HEADER_LEN <= len) {
        const char *head = w.bytes + pos;
        wtap_rec *rec = &w.records[w.num_frames];

        rec->rec_type = REC_TYPE_PACKET;
        rec->presence_flags = WTAP_HAS_TS | WTAP_HAS_CAP_LEN;
        rec->ts.secs = (time_t)number_at(head);
        rec->ts.nsecs = (int)number_at(head + 4) * unit;
        rec->tsprec = unit == 1 ? WTAP_TSPREC_NSEC : WTAP_TSPREC_USEC;
        rec->rec_header.packet_header.caplen = number_at(head + 8);
        rec->rec_header.packet_header.len = number_at(head + 12);
        rec->rec_header.packet_header.pkt_encap = encap;
        w.data[w.num_frames] = (const uint8_t *)head + RECORD_HEADER_LEN;
        pos += RECORD_HEADER_LEN + rec->rec_header.packet_header.caplen;
        frame_data_init(&w.frames[w.num_frames], w.num_frames + 1, rec, (gint64)(head - w.bytes), 0);
        w.num_frames++;
    }
}

static const nstime_t *frame_ts(struct packet_provider_data *provider _U_, uint32_t frame)
{
    return frame >= 1 && frame <= w.num_frames ? &w.frames[frame - 1].abs_ts : NULL;
}

static void give_file(GHashTable *arguments)
{
    gpointer found = g_hash_table_lookup(arguments, "extract_cb");
    void **result = g_hash_table_lookup(arguments, "ret_value_ptr");
    plugin_if_capture_file_cb extract;

    memcpy(&extract, &found, sizeof extract);
    *result = extract(&w.file, g_hash_table_lookup(arguments, "user_data"));
}

/* As the window does, a packet that is dissected for the first time has the items that postdissectors want. */
static epan_dissect_t *dissect(uint32_t i, bool with_tree)
{
    epan_dissect_t *edt = epan_dissect_new(w.file.epan, with_tree || postdissectors_want_hfids(), with_tree);

    if (!w.frames[i].visited) {
        compat_prime(edt);
        frame_data_set_before_dissect(&w.frames[i], &w.elapsed, &w.first, i > 0 ? &w.frames[i - 1] : NULL);
    }
    compat_dissect(edt, &w.records[i], w.data[i], &w.frames[i]);
    if (!w.frames[i].visited) {
        frame_data_set_after_dissect(&w.frames[i], &w.num_bytes);
    }
    return edt;
}

static void begin(void)
{
    static const struct packet_provider_funcs funcs = {.get_frame_ts = frame_ts};

    if (w.file.epan != NULL) {
        epan_free(w.file.epan);
    }
    w.file.epan = epan_new(NULL, &funcs);
    w.first = NULL;
    w.num_bytes = 0;
    for (uint32_t i = 0; i < w.num_frames; i++) {
        frame_data_reset(&w.frames[i]);
    }
}

static void read_frames(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        epan_dissect_free(dissect(i, false));
    }
}

/* From the last packet to the first, as a user who scrolls back; printed in order. */
static void print_frames(const char *name, bool print)
{
    print_stream_t *stream = print_stream_text_stdio_new(stdout);

    if (print) {
        printf("== %s\n", name);
    }
    for (uint32_t i = w.num_frames; i-- > 0;) {
        if (w.frames[i].visited) {
            epan_dissect_free(dissect(i, true));
        }
    }
    for (uint32_t i = 0; print && i < w.num_frames && w.frames[i].visited; i++) {
        epan_dissect_t *edt = dissect(i, true);

        proto_tree_print(print_dissections_expanded, false, edt, NULL, stream);
        printf("\n");
        epan_dissect_free(edt);
    }
    fflush(stdout);
}

static void print_filters(void)
{
    printf("== filters\n");
    for (uint32_t i = 0; i < w.num_frames; i++) {
        epan_dissect_t *edt = dissect(i, true);

        for (const GList *item = packet_conv_filter_list; item != NULL; item = item->next) {
            const conversation_filter_t *filter = item->data;

            if (strcmp(filter->proto_name, "krpc") != 0 || !COMPAT_FILTER_CALL(filter, is_filter_valid, &edt->pi)) {
                continue;
            }
            char *text = COMPAT_FILTER_CALL(filter, build_filter_string, &edt->pi);
            printf("%u\t%s\t%s\n", i + 1, filter->display_name, text);
            g_free(text);
        }
        epan_dissect_free(edt);
    }
}

static void print_streams(void)
{
    register_ct_t *table = get_conversation_by_proto_id(proto_get_id_by_filter_name("krpc"));
    conv_hash_t hash = {0};

    if (register_tap_listener("krpc", &hash, NULL, 0, NULL, get_conversation_packet_func(table), NULL, NULL) != NULL) {
        exit(2);
    }
    for (uint32_t i = 0; i < w.num_frames; i++) {
        epan_dissect_free(dissect(i, false));
    }
    remove_tap_listener(&hash);
    printf("== streams\n");
    for (unsigned i = 0; hash.conv_array != NULL && i < hash.conv_array->len; i++) {
        const conv_item_t *item = &g_array_index(hash.conv_array, conv_item_t, i);

        printf("%u\t%u\t%u\t%u\n", item->src_port, item->dst_port, item->conv_id,
               (unsigned)(item->rx_frames + item->tx_frames));
    }
    reset_conversation_table_data(&hash);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    ws_log_set_level(LOG_LEVEL_WARNING);
    init_process_policies();
    g_free(compat_configure(argv[0]));
    wtap_init(false);
    if (!epan_init(NULL, NULL, true)) {
        return 2;
    }
    epan_load_settings();
    prefs_apply_all();
    plugin_if_register_gui_cb(PLUGIN_IF_GET_CAPTURE_FILE, give_file);
    load(argv[1]);

    begin();
    w.file.state = FILE_READ_IN_PROGRESS;
    read_frames(0, w.num_frames);
    postseq_cleanup_all_protocols();
    w.file.state = FILE_READ_DONE;
    print_frames("read", true);

    w.file.redissecting = true;
    begin();
    read_frames(0, w.num_frames / 2);
    print_frames("", false);
    read_frames(w.num_frames / 2, w.num_frames);
    w.file.redissecting = false;
    print_frames("again", true);

    w.file.state = FILE_READ_IN_PROGRESS;
    begin();
    read_frames(0, w.num_frames / 2);
    print_frames("capturing", true);
    read_frames(w.num_frames / 2, w.num_frames);
    postseq_cleanup_all_protocols();
    w.file.state = FILE_READ_DONE;
    print_frames("live", true);

    print_filters();
    print_streams();
    epan_free(w.file.epan);
    epan_cleanup();
    wtap_cleanup();
    g_free(w.bytes);
    return 0;
}
