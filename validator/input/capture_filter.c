/* capture_filter.c: see capture_filter.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/capture_filter.h"

#include <glib.h>
#include <pcap/pcap.h>

#include "input/library.h"
#include "output/output.h"

#define PCAP_FUNCTIONS(X)                                                                                              \
    X(pcap_open_dead)                                                                                                  \
    X(pcap_close)                                                                                                      \
    X(pcap_compile)                                                                                                    \
    X(pcap_geterr)                                                                                                     \
    X(pcap_offline_filter)                                                                                             \
    X(pcap_freecode)

static struct {
    PCAP_FUNCTIONS(LIBRARY_MEMBER)
} lib;

static const library_function functions[] = {PCAP_FUNCTIONS(LIBRARY_FUNCTION)};

#define SNAP_LEN 262144

static const int link_types[FRAME_NUM_LINKS] = {
    [FRAME_LINK_UNKNOWN] = -1,           [FRAME_LINK_ETHERNET] = DLT_EN10MB,
    [FRAME_LINK_IP] = DLT_RAW,           [FRAME_LINK_NULL] = DLT_NULL,
    [FRAME_LINK_SLL] = DLT_LINUX_SLL,    [FRAME_LINK_SLL2] = DLT_LINUX_SLL2,
    [FRAME_LINK_PPP] = DLT_PPP,          [FRAME_LINK_PPPOE] = DLT_PPP_ETHER,
    [FRAME_LINK_80211] = DLT_IEEE802_11, [FRAME_LINK_RADIOTAP] = DLT_IEEE802_11_RADIO,
    [FRAME_LINK_NFLOG] = DLT_NFLOG,      [FRAME_LINK_PFLOG] = DLT_PFLOG,
    [FRAME_LINK_ENC] = DLT_ENC,          [FRAME_LINK_PKTAP] = DLT_PKTAP,
    [FRAME_LINK_PPI] = DLT_PPI,          [FRAME_LINK_NETANALYZER] = DLT_NETANALYZER,
};

struct capture_filter {
    char *expression;
    struct bpf_program programs[FRAME_NUM_LINKS];
    enum { NOT_YET, COMPILED, IMPOSSIBLE } state[FRAME_NUM_LINKS];
};

static bool compile(capture_filter *f, frame_link link, char **error_out)
{
    char *error = NULL;

    f->state[link] = IMPOSSIBLE;
    if (link_types[link] < 0) {
        return false;
    }
    pcap_t *pcap = lib.pcap_open_dead(link_types[link], SNAP_LEN);
    if (pcap == NULL) {
        error = g_strdup("libpcap has no memory");
    } else {
        if (lib.pcap_compile(pcap, &f->programs[link], f->expression, 1, PCAP_NETMASK_UNKNOWN) == 0) {
            f->state[link] = COMPILED;
        } else {
            error = g_strdup(lib.pcap_geterr(pcap));
        }
        lib.pcap_close(pcap);
    }
    if (error_out != NULL) {
        *error_out = error;
    } else {
        g_free(error);
    }
    return f->state[link] == COMPILED;
}

/* NULL, or why libpcap cannot be used. */
static const char *load_once(void)
{
    static gsize done;
    static char *error;

    if (g_once_init_enter(&done)) {
        error = g_strdup(library_load(PCAP_LIBRARY, functions, G_N_ELEMENTS(functions)));
        g_once_init_leave(&done, 1);
    }
    return error;
}

capture_filter *capture_filter_new(const char *expression, char **error_out)
{
    const char *unloadable = load_once();

    if (unloadable != NULL) {
        if (error_out != NULL) {
            *error_out = g_strdup_printf("needs libpcap: %s", unloadable);
        }
        return NULL;
    }
    capture_filter *f = g_new0(struct capture_filter, 1);
    f->expression = g_strdup(expression);
    /* Ethernet has all that an expression can name; raw IP has no MAC addresses or VLANs. */
    if (!compile(f, FRAME_LINK_ETHERNET, error_out)) {
        capture_filter_free(f);
        return NULL;
    }
    return f;
}

bool capture_filter_check(const char *expression)
{
    char *error = NULL;
    capture_filter *f = capture_filter_new(expression, &error);
    bool good = f != NULL;

    if (!good) {
        say("--filter '%s': %s", expression, error);
    }
    g_free(error);
    capture_filter_free(f);
    return good;
}

/* The null header has the byte order of the capturing host, and PPP comes with and without its address bytes, or as
 * Cisco HDLC. libpcap has a link type for each, and the capture does not always say which one it is, so the filter sees
 * only the IP packet after that header. Returns its offset, 0 if it is not IP. */
static uint32_t ip_behind(const capture_packet *packet)
{
    const uint8_t *p = packet->data;
    uint32_t at = 4;

    if (packet->caplen <= 4) {
        return 0;
    }
    if (packet->link == FRAME_LINK_PPP && p[0] != 0x0f && p[0] != 0x8f) {
        at = p[0] == 0xff && p[1] == 0x03 ? 2 : 0;
        at += (p[at] & 1) != 0 ? 1 : 2; /* the protocol field has one byte or two */
    }
    return p[at] >> 4 == 4 || p[at] >> 4 == 6 ? at : 0;
}

bool capture_filter_match(capture_filter *f, const capture_packet *packet)
{
    bool is_short = packet->link == FRAME_LINK_NULL || packet->link == FRAME_LINK_PPP;
    uint32_t at = is_short ? ip_behind(packet) : 0;
    frame_link link = at > 0 ? FRAME_LINK_IP : packet->link;
    struct pcap_pkthdr header = {.caplen = packet->caplen - at, .len = packet->wirelen - at};

    if (f->state[link] == NOT_YET) {
        compile(f, link, NULL);
    }
    return f->state[link] == COMPILED && lib.pcap_offline_filter(&f->programs[link], &header, packet->data + at) != 0;
}

void capture_filter_free(capture_filter *f)
{
    if (f == NULL) {
        return;
    }
    for (unsigned i = 0; i < FRAME_NUM_LINKS; i++) {
        if (f->state[i] == COMPILED) {
            lib.pcap_freecode(&f->programs[i]);
        }
    }
    g_free(f->expression);
    g_free(f);
}
