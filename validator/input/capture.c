/* capture.c: wraps libwiretap in a small interface and hides every difference between the versions 4.0, 4.4 and 4.6.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/capture.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>

#include <wireshark.h>
#include <wiretap/wtap.h>
#include <ws_version.h>
#include <wsutil/wslog.h>

#define WS_AT_LEAST(major, minor)                                                                                      \
    (WIRESHARK_VERSION_MAJOR > (major) || (WIRESHARK_VERSION_MAJOR == (major) && WIRESHARK_VERSION_MINOR >= (minor)))

/* Enough for an ordinary packet; libwiretap enlarges it if needed. */
#define FIRST_BUFFER_SIZE           2048

#define NS_PER_S                    INT64_C(1000000000)

/* The headers before a packet's bytes in the two most common formats. */
#define PCAP_RECORD_HEADER          16
#define PCAPNG_PACKET_HEADER        28
#define PCAPNG_SIMPLE_PACKET_HEADER 12

typedef enum file_layout { LAYOUT_OTHER, LAYOUT_PCAP, LAYOUT_PCAPNG } file_layout;

struct capture {
    wtap *file;
    wtap_rec record;
#if !WS_AT_LEAST(4, 6)
    Buffer data; /* since 4.6 the record has its own */
#endif
    char *name;
    char *error;
    int64_t size; /* of a plain file; 0 for a pipe */
    uint32_t num_records;
    int encap;
    file_layout layout;
    capture_status status;
};

static void record_init(capture *file)
{
#if WS_AT_LEAST(4, 6)
    wtap_rec_init(&file->record, FIRST_BUFFER_SIZE);
#else
    wtap_rec_init(&file->record);
    ws_buffer_init(&file->data, FIRST_BUFFER_SIZE);
#endif
}

static void record_cleanup(capture *file)
{
    wtap_rec_cleanup(&file->record);
#if !WS_AT_LEAST(4, 6)
    ws_buffer_free(&file->data);
#endif
}

/* The previous record holds a reference to its block of options, so it is reset before the next one is read. */
static bool record_read(capture *file, int *err, char **err_info, int64_t *offset)
{
    gint64 where = -1;

    wtap_rec_reset(&file->record);
#if WS_AT_LEAST(4, 6)
    bool read = wtap_read(file->file, &file->record, err, err_info, &where);
#else
    bool read = wtap_read(file->file, &file->record, &file->data, err, err_info, &where);
#endif
    *offset = where;
    return read;
}

static const uint8_t *record_data(const capture *file)
{
#if WS_AT_LEAST(4, 6)
    return ws_buffer_start_ptr(&file->record.data);
#else
    return ws_buffer_start_ptr(&file->data);
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
    case WTAP_ENCAP_ERF:
        return erf_link(header->pseudo_header.erf.phdr.type);
    default:
        return FRAME_LINK_UNKNOWN;
    }
}

/* For some link types libwiretap consumes a header of the record; for these it does not. */
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
        return true;
    default:
        return false;
    }
}

static file_layout layout_of(wtap *file)
{
    const char *type = wtap_file_type_subtype_name(wtap_file_type_subtype(file));

    /* The type and the names of its values differ between versions; "not compressed" is always the first value. */
    if (type == NULL || (int)wtap_get_compression_type(file) != 0) {
        return LAYOUT_OTHER;
    }
    if (strcmp(type, "pcap") == 0 || strcmp(type, "nsecpcap") == 0) {
        return LAYOUT_PCAP;
    }
    return strcmp(type, "pcapng") == 0 ? LAYOUT_PCAPNG : LAYOUT_OTHER;
}

/* The data follow the record's header. A pcapng block without a time is a Simple Packet Block. */
static int64_t data_offset(const capture *file, int64_t offset)
{
    bool is_simple = (file->record.presence_flags & WTAP_HAS_TS) == 0;

    if (offset < 0 || !data_is_as_in_file(file->encap)) {
        return -1;
    }
    switch (file->layout) {
    case LAYOUT_PCAP:
        return offset + PCAP_RECORD_HEADER;
    case LAYOUT_PCAPNG:
        return offset + (is_simple ? PCAPNG_SIMPLE_PACKET_HEADER : PCAPNG_PACKET_HEADER);
    default:
        return -1;
    }
}

static void wiretap_init_once(void)
{
    static gsize done;

    if (g_once_init_enter(&done)) {
        /* By default libwsutil logs every step to standard error. */
#if WS_AT_LEAST(4, 6)
        ws_log_init(NULL);
#else
        ws_log_init(g_get_prgname(), NULL);
#endif
        ws_log_set_level(LOG_LEVEL_CRITICAL);
        wtap_init(FALSE);
        g_once_init_leave(&done, 1);
    }
}

/* The problem as the few words that follow the file's name. The caller frees it. */
static char *wiretap_error_text(int err, const char *err_info)
{
    if (err > 0) {
        return g_strdup(g_strerror(err));
    }
    switch (err) {
    case WTAP_ERR_NOT_REGULAR_FILE:
        return g_strdup("neither a file nor a pipe");
    case WTAP_ERR_FILE_UNKNOWN_FORMAT:
        return g_strdup("not a capture file in a format that Wireshark reads");
    case WTAP_ERR_UNSUPPORTED:
        return g_strdup_printf("contains data that libwiretap cannot read: %s", err_info ? err_info : "no details");
    case WTAP_ERR_BAD_FILE:
        return g_strdup_printf("damaged: %s", err_info ? err_info : "no details");
    case WTAP_ERR_DECOMPRESS:
        return g_strdup_printf("damaged compressed data: %s", err_info ? err_info : "no details");
    default:
        return err_info ? g_strdup_printf("%s (%s)", wtap_strerror(err), err_info) : g_strdup(wtap_strerror(err));
    }
}

/* Puts libwiretap's text, which may contain line ends, on one line. */
static char *error_line(const char *name, const char *text)
{
    char *line = g_strdup_printf("%s: %s", name, text);

    g_strdelimit(line, "\r\n", ' ');
    return line;
}

static char *open_error(const char *name, int err, const char *err_info)
{
    if (err == WTAP_ERR_SHORT_READ) {
        return error_line(name, "cut short inside the file header");
    }
    char *text = wiretap_error_text(err, err_info);
    char *line = error_line(name, text);
    g_free(text);
    return line;
}

/* libwiretap also opens pictures, films and text, as one packet of a special kind, and treats a capture that ends
 * within its first bytes as such a document. */
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

capture *capture_open(const char *path, char **error_out)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    struct stat info;
    int err = 0;
    gchar *err_info = NULL;

    *error_out = NULL;
    if ((is_stdin ? fstat(0, &info) : stat(path, &info)) != 0) {
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
    wiretap_init_once();
    wtap *opened = wtap_open_offline(path, WTAP_TYPE_AUTO, &err, &err_info, FALSE);
    if (opened == NULL) {
        *error_out = open_error(name, err, err_info);
        g_free(err_info);
        return NULL;
    }
    if (is_document(wtap_file_encap(opened))) {
        *error_out = error_line(name, "not a capture file, or cut short inside the file header");
        wtap_close(opened);
        return NULL;
    }

    capture *file = g_new0(capture, 1);
    file->file = opened;
    file->name = g_strdup(name);
    file->size = S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
    file->encap = WTAP_ENCAP_UNKNOWN;
    file->layout = layout_of(opened);
    file->status = CAPTURE_PACKET;
    record_init(file);
    return file;
}

/* An ERF file has no header, so libwiretap opens input without any bytes as ERF: an empty pipe, or a compressed file
 * that cannot be decompressed. */
static bool nothing_was_there(const capture *file)
{
    const char *type = wtap_file_type_subtype_name(wtap_file_type_subtype(file->file));

    return file->num_records == 0 && type != NULL && strcmp(type, "erf") == 0;
}

/* Records where reading stopped; every later call of capture_next returns this status. */
static capture_status reading_stopped(capture *file, int err, gchar *err_info)
{
    if (err == 0 && nothing_was_there(file)) {
        file->error = error_line(file->name, "no packets: the file is empty, or cut short before its first packet");
        file->status = CAPTURE_ERROR;
    } else if (err == 0) {
        file->status = CAPTURE_END;
    } else {
        char *text = err == WTAP_ERR_SHORT_READ ? g_strdup("cut short in the middle of a packet")
                                                : wiretap_error_text(err, err_info);
        char *where = file->num_records == 0 ? g_strdup("before the first frame")
                                             : g_strdup_printf("after frame %" G_GUINT32_FORMAT, file->num_records);
        char *both = g_strdup_printf("%s, %s", text, where);
        file->error = error_line(file->name, both);
        file->status = CAPTURE_ERROR;
        g_free(text);
        g_free(where);
        g_free(both);
    }
    g_free(err_info);
    return file->status;
}

/* A pcapng file can have any 64-bit time: one that does not fit counts as no time. */
static void packet_time(capture_packet *out, const wtap_rec *record)
{
    int64_t seconds = (int64_t)record->ts.secs;

    out->has_time =
        (record->presence_flags & WTAP_HAS_TS) != 0 && seconds < INT64_MAX / NS_PER_S && seconds > INT64_MIN / NS_PER_S;
    out->time_ns = out->has_time ? seconds * NS_PER_S + record->ts.nsecs : 0;
}

capture_status capture_next(capture *file, capture_packet *out)
{
    const wtap_rec *record = &file->record;
    int64_t offset;

    if (file->status != CAPTURE_PACKET) {
        return file->status;
    }
    do {
        int err = 0;
        gchar *err_info = NULL;
        if (!record_read(file, &err, &err_info, &offset)) {
            return reading_stopped(file, err, err_info);
        }
        file->num_records++;
    } while (record->rec_type != REC_TYPE_PACKET);

    const wtap_packet_header *header = &record->rec_header.packet_header;
    file->encap = header->pkt_encap;
    out->data = record_data(file);
    out->caplen = header->caplen;
    out->wirelen = header->len > header->caplen ? header->len : header->caplen;
    out->frame = file->num_records;
    out->has_interface_id = (record->presence_flags & WTAP_HAS_INTERFACE_ID) != 0;
    out->interface_id = out->has_interface_id ? header->interface_id : 0;
    out->offset = offset;
    out->data_offset = data_offset(file, offset);
    out->link = packet_link(header);
    packet_time(out, record);
    return CAPTURE_PACKET;
}

const char *capture_error_text(const capture *file)
{
    return file->error;
}

const char *capture_link_text(const capture *file)
{
    const char *text = wtap_encap_description(file->encap);

    return text != NULL ? text : "unknown";
}

double capture_progress(const capture *file)
{
    if (file->size <= 0) {
        return -1.0;
    }
    /* wtap_read_so_far counts bytes of the file itself, compressed or not. */
    double part = (double)wtap_read_so_far(file->file) / (double)file->size;
    return part < 1.0 ? part : 1.0;
}

void capture_close(capture *file)
{
    if (file == NULL) {
        return;
    }
    record_cleanup(file);
    wtap_close(file->file);
    g_free(file->name);
    g_free(file->error);
    g_free(file);
}
