/* compat.h: the differences between Wireshark 4.0, 4.4 and 4.6.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef PLUGIN_COMPAT_H
#define PLUGIN_COMPAT_H

#include <wireshark.h>

#include <epan/conversation.h>
#include <epan/conversation_filter.h>
#include <epan/conversation_table.h>
#include <epan/exceptions.h>
#include <epan/expert.h>
#include <epan/packet.h>
#include <epan/prefs.h>
#include <epan/proto_data.h>
#include <epan/srt_table.h>
#include <epan/stat_tap_ui.h>
#include <epan/stats_tree.h>
#include <epan/tap.h>
#include <epan/tfs.h>
#include <wiretap/wtap.h>
#include <wsutil/buffer.h>
#include <wsutil/filesystem.h>
#include <wsutil/str_util.h>

#ifdef __has_include
#if __has_include(<wsutil/plugins.h>)
#include <wsutil/plugins.h> /* not shipped with 4.0 */
#endif
#endif

#define COMPAT_AT_LEAST(MAJOR, MINOR)                                                                                  \
    (WIRESHARK_VERSION_MAJOR > (MAJOR) || (WIRESHARK_VERSION_MAJOR == (MAJOR) && WIRESHARK_VERSION_MINOR >= (MINOR)))

/* ws_bool is the type that heuristics return, and of the variable of a boolean preference. In 4.0 that is gboolean,
 * which has the size of an int. */
#if COMPAT_AT_LEAST(4, 4)
typedef bool ws_bool;
#define COMPAT_MENU_SEPARATOR "//"
#else
typedef gboolean ws_bool;
#define COMPAT_MENU_SEPARATOR "/"
#define tvb_get_uint8         tvb_get_guint8
#endif

#if COMPAT_AT_LEAST(4, 4)
#define COMPAT_FILTER_ARGS(PINFO) packet_info *PINFO, void *compat_user_data _U_
#define compat_register_filter(PROTO, NAME, IS_VALID, BUILD)                                                           \
    register_conversation_filter(PROTO, NAME, IS_VALID, BUILD, NULL)
#define COMPAT_FILTER_CALL(FILTER, CALLBACK, PINFO) (FILTER)->CALLBACK(PINFO, (FILTER)->user_data)
#else
#define COMPAT_FILTER_ARGS(PINFO)                            packet_info *PINFO
#define compat_register_filter(PROTO, NAME, IS_VALID, BUILD) register_conversation_filter(PROTO, NAME, IS_VALID, BUILD)
#define COMPAT_FILTER_CALL(FILTER, CALLBACK, PINFO)          (FILTER)->CALLBACK(PINFO)
#endif

/* The return type of the callback in stat_tap_ui that starts a tap. */
#if COMPAT_AT_LEAST(4, 6)
typedef bool compat_tap_init;
#define COMPAT_TAP_INIT_RETURN(OK) return (OK)
#else
typedef void compat_tap_init;
#define COMPAT_TAP_INIT_RETURN(OK) return
#endif

/* compat_is_visible: the tree will be displayed, so its texts are needed. */
static inline bool compat_is_visible(proto_tree *tree)
{
    return tree != NULL && PTREE_DATA(tree)->visible;
}

/* compat_is_referenced: a filter, a column or -e uses this field. */
static inline bool compat_is_referenced(int hf)
{
    return proto_registrar_get_nth((unsigned)hf)->ref_type != HF_REF_TYPE_NONE;
}

/* compat_is_wanted: the tree will be displayed, or a filter or column uses a field of this protocol. Unlike
 * proto_field_is_referenced it is false for a tree that needs only the protocols' own items, as for the protocol
 * hierarchy. */
static inline bool compat_is_wanted(proto_tree *tree, int proto)
{
    return compat_is_visible(tree) || (tree != NULL && compat_is_referenced(proto));
}

/* The rest is for programs that call Wireshark's library: the test redissect. */
#if COMPAT_AT_LEAST(4, 6)
#define compat_configure(ARG0) configuration_init(ARG0)
#else
#define compat_configure(ARG0) configuration_init(ARG0, NULL)
#endif

/* compat_prime asks for the items that postdissectors want, in a packet that is dissected for the first time. 4.6 does
 * so by itself. */
#if COMPAT_AT_LEAST(4, 6)
#define compat_prime(EDT) ((void)(EDT))
#else
#define compat_prime(EDT) prime_epan_dissect_with_postdissector_wanted_hfids(EDT)
#endif

static inline void compat_dissect(epan_dissect_t *edt, wtap_rec *rec, const uint8_t *data, frame_data *frame)
{
    unsigned len = rec->rec_header.packet_header.caplen;

#if COMPAT_AT_LEAST(4, 6)
    rec->rec_type_name = "Packet";
    ws_buffer_init(&rec->data, len);
    ws_buffer_append(&rec->data, data, len);
    epan_dissect_run_with_taps(edt, WTAP_FILE_TYPE_SUBTYPE_UNKNOWN, rec, frame, NULL);
#else
    epan_dissect_run_with_taps(edt, WTAP_FILE_TYPE_SUBTYPE_UNKNOWN, rec,
                               tvb_new_real_data(data, len, (int)rec->rec_header.packet_header.len), frame, NULL);
#endif
}

#ifndef WS_PLUGIN_DESC_DISSECTOR
#define WS_PLUGIN_DESC_DISSECTOR (1UL << 0)
#endif

#endif
