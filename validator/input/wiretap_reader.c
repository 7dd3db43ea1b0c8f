/* wiretap_reader.c: see wiretap_reader.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/wiretap_reader.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include <wireshark.h>
#include <wiretap/wtap.h>
#include <ws_version.h>
#include <wsutil/wslog.h>

#include "input/library.h"
#include "input/pcap_reader.h"

#define WS_AT_LEAST(major, minor)                                                                                      \
    (WIRESHARK_VERSION_MAJOR > (major) || (WIRESHARK_VERSION_MAJOR == (major) && WIRESHARK_VERSION_MINOR >= (minor)))

/* Enough for an ordinary packet; libwiretap makes it larger when it has to. */
#define FIRST_BUFFER_SIZE           2048

#define NS_PER_S                    INT64_C(1000000000)

/* The length of what precedes a packet's bytes in the two most common formats. */
#define PCAP_RECORD_HEADER          16
#define PCAPNG_PACKET_HEADER        28
#define PCAPNG_SIMPLE_PACKET_HEADER 12

/* The functions of libwiretap and libwsutil that are called. */
#if WS_AT_LEAST(4, 6)
#define BUFFER_FUNCTIONS(X)
#else
#define BUFFER_FUNCTIONS(X)                                                                                            \
    X(ws_buffer_init)                                                                                                  \
    X(ws_buffer_free)
#endif
#define WIRETAP_FUNCTIONS(X)                                                                                           \
    BUFFER_FUNCTIONS(X)                                                                                                \
    X(ws_log_init)                                                                                                     \
    X(ws_log_set_level)                                                                                                \
    X(wtap_init)                                                                                                       \
    X(wtap_open_offline)                                                                                               \
    X(wtap_close)                                                                                                      \
    X(wtap_read)                                                                                                       \
    X(wtap_read_so_far)                                                                                                \
    X(wtap_rec_init)                                                                                                   \
    X(wtap_rec_reset)                                                                                                  \
    X(wtap_rec_cleanup)                                                                                                \
    X(wtap_file_encap)                                                                                                 \
    X(wtap_file_type_subtype)                                                                                          \
    X(wtap_file_type_subtype_name)                                                                                     \
    X(wtap_encap_description)                                                                                          \
    X(wtap_strerror)

static struct {
    WIRETAP_FUNCTIONS(LIBRARY_MEMBER)
} lib;

static const library_function functions[] = {WIRETAP_FUNCTIONS(LIBRARY_FUNCTION)};

typedef enum file_layout { LAYOUT_OTHER, LAYOUT_PCAP, LAYOUT_PCAPNG } file_layout;

struct wiretap_reader {
    wtap *file;
    wtap_rec record;
#if !WS_AT_LEAST(4, 6)
    Buffer data; /* from 4.6 on the record has its own */
#endif
    uint32_t num_records;
    int encap;
    file_layout layout;
};

/* ---- the library ---- */

/* NULL, or why the library cannot be used. */
static const char *load(void)
{
    const char *error = library_load(WIRETAP_LIBRARY, functions, G_N_ELEMENTS(functions));

    if (error != NULL) {
        return error;
    }
    /* Until it is told otherwise, libwsutil logs every step to standard error. */
#if WS_AT_LEAST(4, 6)
    lib.ws_log_init(NULL);
#else
    lib.ws_log_init(g_get_prgname(), NULL);
#endif
    lib.ws_log_set_level(LOG_LEVEL_CRITICAL);
    lib.wtap_init(FALSE);
    return NULL;
}

static const char *load_once(void)
{
    static gsize done;
    static char *error;

    if (g_once_init_enter(&done)) {
        error = g_strdup(load());
        g_once_init_leave(&done, 1);
    }
    return error;
}

/* ---- records ---- */

static void record_init(wiretap_reader *reader)
{
#if WS_AT_LEAST(4, 6)
    lib.wtap_rec_init(&reader->record, FIRST_BUFFER_SIZE);
#else
    lib.wtap_rec_init(&reader->record);
    lib.ws_buffer_init(&reader->data, FIRST_BUFFER_SIZE);
#endif
}

static void record_cleanup(wiretap_reader *reader)
{
    lib.wtap_rec_cleanup(&reader->record);
#if !WS_AT_LEAST(4, 6)
    lib.ws_buffer_free(&reader->data);
#endif
}

/* The record that was read before keeps a reference to its block of options, so it has to be reset before the next. */
static bool record_read(wiretap_reader *reader, int *err, char **err_info, int64_t *offset)
{
    gint64 where = -1;

    lib.wtap_rec_reset(&reader->record);
#if WS_AT_LEAST(4, 6)
    bool read = lib.wtap_read(reader->file, &reader->record, err, err_info, &where);
#else
    bool read = lib.wtap_read(reader->file, &reader->record, &reader->data, err, err_info, &where);
#endif
    *offset = where;
    reader->num_records += read;
    return read;
}

static const uint8_t *record_data(const wiretap_reader *reader)
{
#if WS_AT_LEAST(4, 6)
    return reader->record.data.data + reader->record.data.start;
#else
    return reader->data.data + reader->data.start;
#endif
}

/* Types of ERF records (the Endace format) that hold Ethernet or IP. */
static frame_link erf_link(uint8_t erf_type)
{
    switch (erf_type & 0x7f) {
    case 1: /* TYPE_HDLC_POS */
        return FRAME_LINK_PPP;
    case 2:  /* TYPE_ETH */
    case 11: /* TYPE_COLOR_ETH */
    case 16: /* TYPE_DSM_COLOR_ETH */
    case 20: /* TYPE_COLOR_HASH_ETH */
        return FRAME_LINK_ETHERNET;
    case 22: /* TYPE_IPV4 */
    case 23: /* TYPE_IPV6 */
        return FRAME_LINK_IP;
    default:
        return FRAME_LINK_UNKNOWN;
    }
}

static frame_link packet_link(const wtap_packet_header *header)
{
    switch (header->pkt_encap) {
    case WTAP_ENCAP_ETHERNET:
        return FRAME_LINK_ETHERNET;
    case WTAP_ENCAP_RAW_IP:
    case WTAP_ENCAP_RAW_IP4:
    case WTAP_ENCAP_RAW_IP6:
        return FRAME_LINK_IP;
    case WTAP_ENCAP_NULL:
    case WTAP_ENCAP_LOOP:
        return FRAME_LINK_NULL;
    case WTAP_ENCAP_SLL:
        return FRAME_LINK_SLL;
    case WTAP_ENCAP_SLL2:
        return FRAME_LINK_SLL2;
    case WTAP_ENCAP_PPP:
    case WTAP_ENCAP_PPP_WITH_PHDR:
    case WTAP_ENCAP_CHDLC:
    case WTAP_ENCAP_CHDLC_WITH_PHDR:
        return FRAME_LINK_PPP;
    case WTAP_ENCAP_PPP_ETHER:
        return FRAME_LINK_PPPOE;
    case WTAP_ENCAP_IEEE_802_11:
    case WTAP_ENCAP_IEEE_802_11_WITH_RADIO:
        return FRAME_LINK_80211;
    case WTAP_ENCAP_IEEE_802_11_RADIOTAP:
        return FRAME_LINK_RADIOTAP;
    case WTAP_ENCAP_NFLOG:
        return FRAME_LINK_NFLOG;
    case WTAP_ENCAP_PFLOG:
        return FRAME_LINK_PFLOG;
    case WTAP_ENCAP_ENC:
        return FRAME_LINK_ENC;
    case WTAP_ENCAP_PKTAP:
        return FRAME_LINK_PKTAP;
    case WTAP_ENCAP_PPI:
        return FRAME_LINK_PPI;
    case WTAP_ENCAP_NETANALYZER:
        return FRAME_LINK_NETANALYZER;
    case WTAP_ENCAP_ERF:
        return erf_link(header->pseudo_header.erf.phdr.type);
    default:
        return FRAME_LINK_UNKNOWN;
    }
}

/* Some link types have a header in the file that libwiretap takes for itself; these have none. */
static bool data_is_as_in_file(int encap)
{
    switch (encap) {
    case WTAP_ENCAP_ETHERNET:
    case WTAP_ENCAP_RAW_IP:
    case WTAP_ENCAP_RAW_IP4:
    case WTAP_ENCAP_RAW_IP6:
    case WTAP_ENCAP_NULL:
    case WTAP_ENCAP_LOOP:
    case WTAP_ENCAP_SLL:
    case WTAP_ENCAP_SLL2:
    case WTAP_ENCAP_PPP:
    case WTAP_ENCAP_PPP_ETHER:
    case WTAP_ENCAP_CHDLC:
    case WTAP_ENCAP_IEEE_802_11:
    case WTAP_ENCAP_IEEE_802_11_RADIOTAP:
    case WTAP_ENCAP_NFLOG:
    case WTAP_ENCAP_PFLOG:
    case WTAP_ENCAP_ENC:
    case WTAP_ENCAP_PKTAP:
    case WTAP_ENCAP_PPI:
    case WTAP_ENCAP_NETANALYZER:
        return true;
    default:
        return false;
    }
}

/* The file itself is pcap or pcapng. wtap_get_compression_type would tell, but ends the program where the first
 * compressed block is damaged. */
static bool is_uncompressed(const char *path)
{
    uint8_t magic[PCAP_READER_MAGIC_LEN];
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = fd >= 0 && pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && pcap_reader_knows(magic);

    if (fd >= 0 && !is_stdin) {
        close(fd);
    }
    return good;
}

static file_layout layout_of(wtap *file, const char *path)
{
    const char *type = lib.wtap_file_type_subtype_name(lib.wtap_file_type_subtype(file));

    if (type == NULL || !is_uncompressed(path)) {
        return LAYOUT_OTHER;
    }
    if (strcmp(type, "pcap") == 0 || strcmp(type, "nsecpcap") == 0) {
        return LAYOUT_PCAP;
    }
    return strcmp(type, "pcapng") == 0 ? LAYOUT_PCAPNG : LAYOUT_OTHER;
}

/* Behind its header. A pcapng block that has no time is a Simple Packet Block. */
static int64_t data_offset(const wiretap_reader *reader, int64_t offset)
{
    bool is_simple = (reader->record.presence_flags & WTAP_HAS_TS) == 0;

    if (offset < 0 || !data_is_as_in_file(reader->encap)) {
        return -1;
    }
    switch (reader->layout) {
    case LAYOUT_PCAP:
        return offset + PCAP_RECORD_HEADER;
    case LAYOUT_PCAPNG:
        return offset + (is_simple ? PCAPNG_SIMPLE_PACKET_HEADER : PCAPNG_PACKET_HEADER);
    default:
        return -1;
    }
}

/* What is wrong with the file, in the few words that follow its name. The caller frees it. */
static char *wiretap_error_text(int err, const char *err_info)
{
    if (err > 0) {
        return g_strdup(g_strerror(err));
    }
    switch (err) {
    case WTAP_ERR_NOT_REGULAR_FILE:
        return g_strdup("neither a file nor a pipe");
    case WTAP_ERR_FILE_UNKNOWN_FORMAT:
        return g_strdup("not a capture file of any format that Wireshark knows");
    case WTAP_ERR_UNSUPPORTED:
        return g_strdup_printf("holds something that libwiretap cannot read: %s", err_info ? err_info : "no details");
    case WTAP_ERR_BAD_FILE:
        return g_strdup_printf("damaged: %s", err_info ? err_info : "no details");
    case WTAP_ERR_DECOMPRESS:
        return g_strdup_printf("the compressed data is damaged: %s", err_info ? err_info : "no details");
    default:
        return err_info ? g_strdup_printf("%s (%s)", lib.wtap_strerror(err), err_info)
                        : g_strdup(lib.wtap_strerror(err));
    }
}

/* libwiretap opens pictures, films and texts too, as one packet of a special kind, and reads a capture that ends within
 * its first bytes as one of them. */
static bool is_document(int encap)
{
    switch (encap) {
    case WTAP_ENCAP_MIME:
    case WTAP_ENCAP_MP4:
    case WTAP_ENCAP_MPEG:
    case WTAP_ENCAP_JSON:
    case WTAP_ENCAP_RFC7468:
    case WTAP_ENCAP_RUBY_MARSHAL:
        return true;
    default:
        return false;
    }
}

wiretap_reader *wiretap_reader_open(const char *path, char **error_out)
{
    const char *unloadable = load_once();
    int err = 0;
    gchar *err_info = NULL;

    if (unloadable != NULL) {
        *error_out = g_strdup_printf("only libwiretap can read it, which is not there (%s)", unloadable);
        return NULL;
    }
    wtap *opened = lib.wtap_open_offline(path, WTAP_TYPE_AUTO, &err, &err_info, FALSE);
    if (opened == NULL) {
        *error_out = err == WTAP_ERR_SHORT_READ ? g_strdup("cut short inside the file header")
                                                : wiretap_error_text(err, err_info);
        g_free(err_info);
        return NULL;
    }
    if (is_document(lib.wtap_file_encap(opened))) {
        *error_out = g_strdup("not a capture file, or cut short inside the file header");
        lib.wtap_close(opened);
        return NULL;
    }
    wiretap_reader *reader = g_new0(wiretap_reader, 1);
    reader->file = opened;
    reader->encap = WTAP_ENCAP_UNKNOWN;
    reader->layout = layout_of(opened, path);
    record_init(reader);
    return reader;
}

void wiretap_reader_skip(wiretap_reader *reader, uint32_t num_records)
{
    int err;
    gchar *err_info = NULL;
    int64_t offset;

    while (num_records-- > 0 && record_read(reader, &err, &err_info, &offset)) {}
    g_free(err_info);
}

/* An ERF file has no header, so that is what libwiretap takes no bytes at all for: an empty pipe, or a compressed file
 * of which nothing can be unpacked. */
static bool nothing_was_there(const wiretap_reader *reader)
{
    const char *type = lib.wtap_file_type_subtype_name(lib.wtap_file_type_subtype(reader->file));

    return reader->num_records == 0 && type != NULL && strcmp(type, "erf") == 0;
}

/* Why there is no further record. */
static capture_status reading_stopped(const wiretap_reader *reader, int err, const gchar *err_info, char **error_out)
{
    if (err == 0 && !nothing_was_there(reader)) {
        return CAPTURE_END;
    }
    if (err == 0) {
        *error_out = g_strdup("no packets in it: empty, or cut short before any could be unpacked");
    } else {
        *error_out = err == WTAP_ERR_SHORT_READ ? g_strdup("cut short in the middle of a packet")
                                                : wiretap_error_text(err, err_info);
    }
    return CAPTURE_ERROR;
}

/* A pcapng file can carry any 64-bit time: one that does not fit counts as no time. */
static void packet_time(capture_packet *out, const wtap_rec *record)
{
    int64_t seconds = (int64_t)record->ts.secs;

    out->has_time =
        (record->presence_flags & WTAP_HAS_TS) != 0 && seconds < INT64_MAX / NS_PER_S && seconds > INT64_MIN / NS_PER_S;
    out->time_ns = out->has_time ? seconds * NS_PER_S + record->ts.nsecs : 0;
}

capture_status wiretap_reader_next(wiretap_reader *reader, capture_packet *out, char **error_out)
{
    const wtap_rec *record = &reader->record;
    int64_t offset;

    do {
        int err = 0;
        gchar *err_info = NULL;
        if (!record_read(reader, &err, &err_info, &offset)) {
            capture_status status = reading_stopped(reader, err, err_info, error_out);
            g_free(err_info);
            return status;
        }
    } while (record->rec_type != REC_TYPE_PACKET);

    const wtap_packet_header *header = &record->rec_header.packet_header;
    reader->encap = header->pkt_encap;
    out->data = record_data(reader);
    out->block = NULL;
    out->caplen = header->caplen;
    out->wirelen = header->len > header->caplen ? header->len : header->caplen;
    out->has_interface_id = (record->presence_flags & WTAP_HAS_INTERFACE_ID) != 0;
    out->interface_id = out->has_interface_id ? header->interface_id : 0;
    out->offset = offset;
    out->data_offset = data_offset(reader, offset);
    out->link = packet_link(header);
    packet_time(out, record);
    return CAPTURE_PACKET;
}

const char *wiretap_reader_link_text(const wiretap_reader *reader)
{
    const char *text = lib.wtap_encap_description(reader->encap);

    return text != NULL ? text : "unknown";
}

uint32_t wiretap_reader_num_records(const wiretap_reader *reader)
{
    return reader->num_records;
}

int64_t wiretap_reader_offset(const wiretap_reader *reader)
{
    return lib.wtap_read_so_far(reader->file);
}

void wiretap_reader_free(wiretap_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    record_cleanup(reader);
    lib.wtap_close(reader->file);
    g_free(reader);
}
