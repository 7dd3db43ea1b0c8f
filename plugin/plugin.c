/* plugin.c: the symbols that Wireshark looks for, and the order of registration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#include <epan/proto.h>

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "0.0.0"
#endif
#ifndef PLUGIN_HOME
#define PLUGIN_HOME ""
#endif

WS_DLL_PUBLIC_DEF const char plugin_version[] = PLUGIN_VERSION;
WS_DLL_PUBLIC_DEF const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
WS_DLL_PUBLIC_DEF const int plugin_want_minor = WIRESHARK_VERSION_MINOR;

WS_DLL_PUBLIC void plugin_register(void);
WS_DLL_PUBLIC uint32_t plugin_describe(void);

static void proto_register(void)
{
    fields_register();
    prefs_krpc_register();
    tracking_register();
    dissect_register();
    postdissect_register();
    stats_register();
    stats_tables_register();
    stats_text_register();
    filters_register();
}

static void proto_handoff(void)
{
    dissect_handoff();
    socks_handoff();
    postdissect_apply();
}

void plugin_register(void)
{
    static proto_plugin plugin;

    plugin.register_protoinfo = proto_register;
    plugin.register_handoff = proto_handoff;
    proto_register_plugin(&plugin);
}

#ifdef WIRESHARK_PLUGIN_REGISTER_EPAN /* from 4.5 on; About > Plugins shows it */
static struct ws_module module = {
    .flags = WS_PLUGIN_DESC_DISSECTOR,
    .version = plugin_version,
    .spdx_id = "GPL-2.0-or-later",
    .home_url = PLUGIN_HOME,
    .blurb = "BitTorrent DHT: KRPC messages, and on which port a node can be reached",
    .register_cb = plugin_register,
};

WIRESHARK_PLUGIN_REGISTER_EPAN(&module, 0)
#endif

uint32_t plugin_describe(void)
{
    return WS_PLUGIN_DESC_DISSECTOR;
}
