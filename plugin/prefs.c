/* prefs.c: preferences.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

#define LIMIT_TEXT "If there are more, older ones are dropped. More of them use more memory. 0: the default."

int prefs_krpc_accept = PREFS_ACCEPT_NORMAL;
int prefs_krpc_checks = PREFS_CHECKS_NOTE;
ws_bool prefs_krpc_supersede = true;
ws_bool prefs_krpc_peerwire = true;
ws_bool prefs_krpc_nat = true;
/* The tracker's own defaults. */
unsigned prefs_krpc_max_nodes = 131072;
unsigned prefs_krpc_max_transactions = 65536;
unsigned prefs_krpc_max_adverts = 32768;
unsigned prefs_krpc_max_streams = 4096;

static const enum_val_t accept_choices[] = {
    {"strict", "Complete messages only", PREFS_ACCEPT_STRICT},
    {"normal", "Damaged messages too, if one of the endpoints has sent KRPC before", PREFS_ACCEPT_NORMAL},
    {"lenient", "Every dictionary that could be a message", PREFS_ACCEPT_LENIENT},
    {NULL, NULL, 0},
};

static const enum_val_t checks_choices[] = {
    {"none", "None", PREFS_CHECKS_NONE},
    {"error", "Errors", PREFS_CHECKS_ERROR},
    {"warn", "Warnings and errors", PREFS_CHECKS_WARN},
    {"note", "All", PREFS_CHECKS_NOTE},
    {NULL, NULL, 0},
};

bool prefs_krpc_shows(krpc_rule rule)
{
    const krpc_rule_info *info = krpc_rule_get(rule);

    return info != NULL && prefs_krpc_checks + (int)info->severity >= PREFS_CHECKS_NOTE;
}

void prefs_krpc_register(void)
{
    module_t *module = prefs_register_protocol(proto_krpc, postdissect_apply);

    prefs_register_bool_preference(
        module, "supersede", "Replace BT-DHT",
        "Show KRPC messages, and the ports in other traffic, in place of Wireshark's own BitTorrent DHT dissector, "
        "BT-DHT. "
        "If off, only what Decode As or the port preference says is KRPC is shown, and Wireshark does everything else "
        "as without this plugin.",
        &prefs_krpc_supersede);
    prefs_register_enum_preference(module, "accept", "Accept as KRPC",
                                   "Which messages the heuristic accepts. Decode As accepts every dictionary.",
                                   &prefs_krpc_accept, accept_choices, false);
    prefs_register_enum_preference(module, "checks", "Show findings", "Which findings are shown as expert items.",
                                   &prefs_krpc_checks, checks_choices, false);
    prefs_register_bool_preference(
        module, "peerwire", "Read peer wire messages",
        "Follow BitTorrent connections over TCP and uTP, and show the ports that they advertise.",
        &prefs_krpc_peerwire);
    prefs_register_bool_preference(
        module, "nat", "Show the sender's reachability and NAT",
        "Show in each message whether its sender can be reached, and the evidence about its NAT.", &prefs_krpc_nat);
    prefs_register_uint_preference(module, "max_nodes", "Maximum nodes",
                                   "Nodes to remember, by address and port. " LIMIT_TEXT, 10, &prefs_krpc_max_nodes);
    prefs_register_uint_preference(module, "max_transactions", "Maximum unanswered queries",
                                   "Queries without a response to remember. " LIMIT_TEXT, 10,
                                   &prefs_krpc_max_transactions);
    prefs_register_uint_preference(module, "max_adverts", "Maximum port advertisements",
                                   "Port advertisements whose verdict may still change. " LIMIT_TEXT, 10,
                                   &prefs_krpc_max_adverts);
    prefs_register_uint_preference(module, "max_streams", "Maximum streams",
                                   "TCP and uTP streams to follow at the same time. " LIMIT_TEXT, 10,
                                   &prefs_krpc_max_streams);
}
