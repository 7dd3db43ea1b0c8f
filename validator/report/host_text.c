/* host_text.c: see host_text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/host_text.h"

#include <string.h>

#include <glib.h>

#include "input/client_name.h"
#include "output/wrap.h"
#include "report/advice_text.h"
#include "report/message_text.h"

#define LINE_WIDTH     100
#define INDENT         "    "
#define HANGING        "  " /* what the first line of a story is indented less */
#define SHOWN_EXTERNAL 3
#define SHOWN_FRAMES   2 /* for each outside endpoint */

static void put_frames(strbuf *out, const run *from, const char *before, const uint32_t *frames, uint32_t num_frames)
{
    uint32_t num = MIN(num_frames, TRACKER_MAX_FRAMES);
    uint32_t sorted[TRACKER_MAX_FRAMES];

    for (uint32_t i = 0, at; i < num; i++) {
        for (at = i; at > 0 && sorted[at - 1] > frames[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = frames[i];
    }
    strbuf_printf(out, num == 1 ? "%sframe " : "%sframes ", before);
    for (uint32_t i = 0; i < num; i++) {
        strbuf_puts(out, i > 0 ? ", " : "");
        run_put_frame(out, from, sorted[i]);
    }
}

/* " (frames 2, 4)", or nothing. */
static void put_proof(strbuf *out, const run *from, const uint32_t *frames, uint32_t num_frames)
{
    if (num_frames > 0) {
        put_frames(out, from, " (", frames, num_frames);
        strbuf_char(out, ')');
    }
}

/* " (from 3 networks, frames 2, 4)", or nothing. */
static void put_sites(strbuf *out, const run *from, uint32_t num_sites, const uint32_t *frames, uint32_t num_frames)
{
    if (num_sites == 0) {
        put_proof(out, from, frames, num_frames);
        return;
    }
    strbuf_printf(out, " (from %u network%s", num_sites, num_sites == 1 ? "" : "s");
    if (num_frames > 0) {
        put_frames(out, from, ", ", frames, num_frames);
    }
    strbuf_char(out, ')');
}

static bool has_same_addr(const tracker_node *node, const krpc_endpoint *endpoint)
{
    return krpc_endpoint_same_addr(endpoint, &node->endpoint);
}

/* A port if the address is that of the node, which the story has named, or else an endpoint. */
static void put_place(strbuf *out, const krpc_endpoint *place, bool is_named)
{
    if (is_named) {
        strbuf_printf(out, "port %u", place->port);
    } else {
        strbuf_endpoint(out, place);
    }
}

/* ---- the host, and whether others can reach it ---- */

/* Outside its NAT, a node with several outside ports is named by its id. */
static void put_name(strbuf *out, const tracker_node *node)
{
    bool is_many =
        node->nat.num_external > 1 && node->num_ids > 0 && krpc_endpoint_scope(&node->endpoint) == KRPC_ADDR_GLOBAL;

    if (is_many) {
        strbuf_puts(out, "Node ");
        message_text_id(out, node->ids[0]);
        strbuf_puts(out, " at ");
        strbuf_addr(out, &node->endpoint);
    } else {
        strbuf_endpoint(out, &node->endpoint);
    }
    if (node->version_len > 0) {
        strbuf_printf(out, " (%s)", client_name(node->version, node->version_len));
    }
}

static void put_open(strbuf *out, const run *from, const tracker_node *node)
{
    const tracker_reachability *reach = &node->reach;

    strbuf_puts(out, ": open. Hosts to which it had sent nothing reach it");
    for (uint32_t i = 0; i < reach->num_open; i++) {
        strbuf_puts(out, i == 0 ? " on " : i + 1 == reach->num_open ? " and on " : ", on ");
        put_place(out, &reach->open[i].endpoint, has_same_addr(node, &reach->open[i].endpoint));
        put_sites(out, from, reach->open[i].num_sites, reach->open[i].frames, reach->open[i].num_frames);
    }
    if (reach->num_open == 0) {
        put_sites(out, from, reach->num_sites, reach->frames, reach->num_frames);
        strbuf_puts(out, "; the capture does not show on which outside port");
    }
    strbuf_char(out, '.');
}

static void put_unknown(strbuf *out, unsigned missing)
{
    const char *separator = ", because ";

    strbuf_puts(out, ": reachability unknown");
    while (missing != 0) {
        strbuf_puts(out, separator);
        strbuf_puts(out, tracker_missing_meaning(advice_next(&missing)));
        separator = "; ";
    }
    strbuf_char(out, '.');
}

static void put_reach(strbuf *out, const run *from, const tracker_node *node)
{
    const tracker_reachability *reach = &node->reach;

    switch (reach->verdict) {
    case TRACKER_REACH_OPEN:
        put_open(out, from, node);
        break;
    case TRACKER_REACH_REPLIES_ONLY:
        strbuf_puts(out,
                    ": replies only. It gets answers, but queries of hosts to which it had sent nothing got no answer");
        put_sites(out, from, reach->num_sites, reach->frames, reach->num_frames);
        strbuf_char(out, '.');
        break;
    default:
        put_unknown(out, reach->missing);
    }
}

void host_text_reach(strbuf *out, const tracker_node *node)
{
    const tracker_reachability *reach = &node->reach;

    if (reach->verdict == TRACKER_REACH_UNKNOWN) {
        strbuf_char(out, '-');
    } else if (reach->verdict == TRACKER_REACH_REPLIES_ONLY) {
        strbuf_puts(out, "replies only");
    } else {
        strbuf_puts(out, "open");
    }
    for (uint32_t i = 0; i < reach->num_open && reach->verdict == TRACKER_REACH_OPEN; i++) {
        strbuf_printf(out, i == 0 ? " %u" : ",%u", reach->open[i].endpoint.port);
    }
}

/* ---- where others see it ---- */

/* The number of endpoints before the first global one: of two NATs in a row, the hosts between them see these. 0 if no
 * endpoint is global. */
static uint32_t num_between(const tracker_nat *nat)
{
    uint32_t num = 0;

    while (num < nat->num_kept && krpc_endpoint_scope(&nat->external[num].endpoint) != KRPC_ADDR_GLOBAL) {
        num++;
    }
    return num < nat->num_kept ? num : 0;
}

static void put_externals(strbuf *out, const run *from, const tracker_node *node, uint32_t first, uint32_t end,
                          const char *before)
{
    const tracker_nat *nat = &node->nat;
    uint32_t shown = MIN(end, first + SHOWN_EXTERNAL);
    uint32_t more = (end == nat->num_kept ? nat->num_external : end) - shown;
    bool is_named = true, has_one_addr = true;

    for (uint32_t i = first; i < end; i++) {
        const krpc_endpoint *endpoint = &nat->external[i].endpoint;
        is_named = is_named && has_same_addr(node, endpoint);
        has_one_addr = has_one_addr && krpc_endpoint_same_addr(endpoint, &nat->external[first].endpoint);
    }
    strbuf_puts(out, is_named ? "on " : before);
    for (uint32_t i = first; i < shown; i++) {
        const tracker_external *external = &nat->external[i];
        strbuf_puts(out, i == first ? "" : i + 1 == shown && more == 0 ? " and " : ", ");
        put_place(out, &external->endpoint, is_named);
        put_proof(out, from, external->frames, MIN(external->num_frames, SHOWN_FRAMES));
    }
    if (more > 0) {
        strbuf_printf(out, has_one_addr ? ", and on %u more outside port%s" : ", and at %u more outside endpoint%s",
                      more, more == 1 ? "" : "s");
    }
}

static void put_seen(strbuf *out, const run *from, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;
    bool is_own = nat->num_external == 1 && nat->num_kept == 1 &&
                  krpc_endpoint_equal(&nat->external[0].endpoint, &node->endpoint);

    if (nat->num_kept == 0 || is_own) {
        strbuf_printf(out, " It sends from port %u", node->endpoint.port);
        if (is_own) {
            strbuf_puts(out, ", and others see it there");
            put_proof(out, from, nat->external[0].frames, MIN(nat->external[0].num_frames, SHOWN_FRAMES));
        }
        strbuf_char(out, '.');
        return;
    }
    uint32_t between = num_between(nat);
    if (between > 0) {
        strbuf_puts(out, " It leaves its own NAT ");
        put_externals(out, from, node, 0, between, "as ");
        strbuf_puts(out, "; after a second NAT others see it ");
    } else {
        strbuf_puts(out, " Others see it ");
    }
    put_externals(out, from, node, between, nat->num_kept, "at ");
    strbuf_char(out, '.');
}

/* What the NAT does to port and address. A sentence here never says where to send to: the first line does. */
static void put_nat(strbuf *out, const run *from, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;
    const bool is_dependent = nat->mapping == TRACKER_MAPPING_DEPENDENT;
    const bool is_kept = nat->port == TRACKER_PORT_PRESERVED;

    if (nat->addresses == TRACKER_ADDRESSES_SEVERAL) {
        strbuf_puts(out, " Its NAT uses several outside addresses");
        strbuf_puts(out, is_kept ? ", and keeps the port." : ".");
    }
    if (is_dependent && nat->port == TRACKER_PORT_MIXED) {
        strbuf_puts(out, " Its NAT keeps the port for some destinations and changes it for others.");
    } else if (is_dependent && !(is_kept && nat->addresses == TRACKER_ADDRESSES_SEVERAL)) {
        strbuf_puts(out, " Its NAT uses different outside ports for different destinations.");
    } else if (nat->port == TRACKER_PORT_REWRITTEN) {
        strbuf_puts(out, nat->mapping == TRACKER_MAPPING_INDEPENDENT
                             ? " Its NAT rewrites the port, and uses the same one for every destination."
                             : " Its NAT rewrites the port.");
    } else if (nat->port == TRACKER_PORT_MIXED) {
        strbuf_puts(out, " Its NAT sometimes keeps the port and sometimes changes it.");
    } else if (is_kept && nat->addresses != TRACKER_ADDRESSES_SEVERAL &&
               krpc_endpoint_scope(&node->endpoint) != KRPC_ADDR_GLOBAL) {
        strbuf_puts(out, " Its NAT keeps the port.");
    }
    if (nat->addresses == TRACKER_ADDRESSES_CHANGED) {
        strbuf_puts(out, " Its outside address changed");
        put_proof(out, from, &nat->changed_frame, nat->changed_frame != 0);
        strbuf_char(out, '.');
    }
}

/* Why nothing is known about the NAT, if others said where they see the node. */
static void put_doubt(strbuf *out, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;
    bool is_unknown = nat->port == TRACKER_PORT_UNKNOWN && nat->mapping == TRACKER_MAPPING_UNKNOWN &&
                      nat->addresses == TRACKER_ADDRESSES_UNKNOWN;
    tracker_reason reason = nat->mapping_reason != TRACKER_REASON_NONE ? nat->mapping_reason : nat->port_reason;

    if (is_unknown && nat->num_kept > 0 && reason != TRACKER_REASON_NONE) {
        strbuf_printf(out, " What its NAT does is unknown: %s.", tracker_reason_meaning(reason));
    }
}

/* Filtering is what reachability follows from; it is named where that is unknown. */
static void put_filtering(strbuf *out, const tracker_node *node)
{
    if (node->reach.verdict != TRACKER_REACH_UNKNOWN) {
        return;
    }
    if (node->nat.filtering == TRACKER_FILTERING_DEPENDENT) {
        strbuf_puts(out, " Its NAT lets in only hosts that it has sent to.");
    } else if (node->nat.filtering == TRACKER_FILTERING_INDEPENDENT) {
        strbuf_puts(out, " Its NAT lets in any host.");
    }
}

/* ---- what it advertises ---- */

static bool is_open_port(const tracker_node *node, int32_t port)
{
    for (uint32_t i = 0; i < node->reach.num_open && node->reach.verdict == TRACKER_REACH_OPEN; i++) {
        if (node->reach.open[i].endpoint.port == port) {
            return true;
        }
    }
    return false;
}

static void put_later(strbuf *out, const run *from, const host_claim *claim)
{
    static const char *const written[TRACKER_NUM_LATER] = {
        [TRACKER_LATER_HONOURED] = "the receiver sent a query to the advertised port",
        [TRACKER_LATER_NOT_HONOURED] = "the receiver kept sending to the source port",
        [TRACKER_LATER_DEAD] = "a query to the advertised port got no answer",
        [TRACKER_LATER_OTHER_NODE] = "another node answers on the advertised port",
    };

    for (unsigned i = 0; i < TRACKER_NUM_LATER; i++) {
        uint32_t count = claim->later[i].count;
        if (written[i] == NULL || count == 0) {
            continue;
        }
        strbuf_printf(out, "; %s", written[i]);
        if (count != claim->count) {
            strbuf_printf(out, " %u time%s", count, count == 1 ? "" : "s");
        }
        put_proof(out, from, &claim->later[i].frame, claim->later[i].frame != 0);
    }
}

static void put_mismatch(strbuf *out, const run *from, const tracker_node *node, const host_claim *claim)
{
    uint32_t num_wrong = claim->verdicts[TRACKER_VERDICT_MISMATCH];
    bool is_partial = num_wrong < claim->count;

    if (is_partial) {
        strbuf_printf(out, ", but %u time%s the receiver sees it on ", num_wrong, num_wrong == 1 ? "" : "s");
    } else {
        strbuf_puts(out, ", but others see it on ");
    }
    if (claim->seen_port != 0 && node->nat.mapping != TRACKER_MAPPING_DEPENDENT) {
        strbuf_printf(out, "port %u", claim->seen_port);
    } else {
        strbuf_puts(out, "another port");
    }
    put_proof(out, from, &claim->proof_frame, claim->proof_frame != 0);
    if (claim->service == KRPC_SERVICE_DHT && claim->later[TRACKER_LATER_HONOURED].count == 0) {
        strbuf_puts(out, is_partial ? " and stores that one instead" : " and store that one instead");
    }
}

static void put_verdict(strbuf *out, const run *from, const tracker_node *node, const host_claim *claim)
{
    static const char *const judged[TRACKER_NUM_VERDICTS] = {
        [TRACKER_VERDICT_UNKNOWN] = ", and the capture does not show whether it is right",
        [TRACKER_VERDICT_MATCH] = ", on which others see it",
        [TRACKER_VERDICT_INVALID] = ", which no receiver can use",
        [TRACKER_VERDICT_SWAPPED] = ", which was passed on with its bytes swapped",
        [TRACKER_VERDICT_CONTRADICTS] = ", and another one on another channel",
    };

    if (is_open_port(node, claim->port)) {
        strbuf_puts(out, ", which is open to others");
    }
    if (claim->verdicts[TRACKER_VERDICT_MISMATCH] > 0) {
        put_mismatch(out, from, node, claim);
        return;
    }
    for (unsigned i = TRACKER_NUM_VERDICTS; i-- > 0;) {
        bool is_said = i == TRACKER_VERDICT_UNKNOWN && is_open_port(node, claim->port);
        if (claim->verdicts[i] > 0 && judged[i] != NULL && !is_said) {
            strbuf_puts(out, judged[i]);
            return;
        }
    }
}

static void put_claims(strbuf *out, const run *from, const tracker_node *node, const host_claims *claims)
{
    for (unsigned i = 0; i < claims->num_claims; i++) {
        const host_claim *claim = &claims->claims[i];
        strbuf_printf(out, " In %s it advertises %s %d", advice_channel(claim->channel),
                      claim->service == KRPC_SERVICE_DHT ? "port" : "peer port", claim->port);
        strbuf_printf(out, " (%u time%s, first in frame ", claim->count, claim->count == 1 ? "" : "s");
        run_put_frame(out, from, claim->frame);
        strbuf_char(out, ')');
        put_verdict(out, from, node, claim);
        put_later(out, from, claim);
        strbuf_char(out, '.');
    }
    if (claims->num_more > 0) {
        strbuf_puts(out, " It advertises more ports: see krpcscope ports.");
    }
    if (claims->num_claims == 0) {
        strbuf_puts(out, " It advertises no DHT port.");
    }
}

/* ---- what to do ---- */

static void put_advice(strbuf *out, const run *from, const tracker_node *node, host_text_length length)
{
    for (uint32_t i = 0; i < node->num_advice; i++) {
        const tracker_advice_item *item = &node->advice[i];
        size_t start = out->len;
        if (item->advice == TRACKER_ADVICE_NOT_ENOUGH_SEEN) {
            continue; /* the first line says it, and put_capture what to do */
        }
        strbuf_printf(out, "Advice (%s", tracker_advice_slug(item->advice));
        if (item->num_frames > 0) {
            put_frames(out, from, "; ", item->frames, item->num_frames);
        }
        strbuf_puts(out, "): ");
        advice_text_line(out, node, item);
        if (length != HOST_TEXT_SHORT) {
            strbuf_char(out, ' ');
            advice_text(out, node, item);
        }
        wrap(out, start, INDENT, LINE_WIDTH);
    }
}

/* How to get the evidence that is missing. */
static void put_capture(strbuf *out, const tracker_node *node)
{
    static const char *const how[TRACKER_NUM_MISSING] = {
        [TRACKER_MISSING_NOBODY_TRIED] = " Capture longer: hosts that learn of this node from others send it queries.",
        [TRACKER_MISSING_TOO_SHORT] = " Start the capture before the client, and let it run for ten minutes or more.",
        [TRACKER_MISSING_ONE_SIDED] = " Capture the packets of both directions.",
        [TRACKER_MISSING_INCOMPLETE] = " Capture whole packets with a large buffer (tcpdump -s 0 -B 65536).",
        [TRACKER_MISSING_ONE_NETWORK] = " Capture longer, until hosts of a second network have tried.",
        [TRACKER_MISSING_PORT] = " Capture outside the NAT at the same time, and read both captures with --merge.",
    };
    unsigned missing = node->reach.missing;
    size_t start = out->len;

    if (missing == 0 && node->reach.verdict != TRACKER_REACH_UNKNOWN) {
        return;
    }
    strbuf_puts(out, "To see more:");
    if (missing == 0) {
        const tracker_advice_item item = {.advice = TRACKER_ADVICE_NOT_ENOUGH_SEEN};
        strbuf_char(out, ' ');
        advice_text(out, node, &item);
    }
    while (missing != 0) {
        strbuf_puts(out, how[advice_next(&missing)]);
    }
    wrap(out, start, INDENT, LINE_WIDTH);
}

/* "rewritten (agreed: hosts of several networks see the same outside endpoint)" */
static void put_reason(strbuf *out, tracker_reason reason, bool is_known)
{
    if (!is_known || reason != TRACKER_REASON_NONE) {
        strbuf_printf(out, " (%s: %s)", tracker_reason_name(reason), tracker_reason_meaning(reason));
    }
}

bool host_text_reasons(strbuf *out, const tracker_node *node)
{
    const tracker_nat *nat = &node->nat;
    bool has_port = nat->port != TRACKER_PORT_UNKNOWN;
    bool has_mapping = nat->mapping != TRACKER_MAPPING_UNKNOWN || nat->addresses != TRACKER_ADDRESSES_UNKNOWN;

    strbuf_printf(out, "port %s", tracker_port_name(nat->port));
    if (nat->port_reason != nat->mapping_reason || has_port != has_mapping) {
        put_reason(out, nat->port_reason, has_port);
    }
    strbuf_printf(out, "; mapping %s, addresses %s", tracker_mapping_name(nat->mapping),
                  tracker_addresses_name(nat->addresses));
    put_reason(out, nat->mapping_reason, has_mapping);
    strbuf_printf(out, "; filtering %s.", tracker_filtering_name(nat->filtering));
    return has_port || has_mapping || nat->port_reason != TRACKER_REASON_NONE ||
           nat->mapping_reason != TRACKER_REASON_NONE;
}

void host_text_put(strbuf *out, const run *from, const tracker_node *node, const host_claims *claims,
                   host_text_length length)
{
    size_t start = out->len;

    put_name(out, node);
    put_reach(out, from, node);
    wrap(out, start, INDENT, LINE_WIDTH);
    out->len -= strlen(HANGING);
    memmove(out->data + start, out->data + start + strlen(HANGING), out->len - start);
    start = out->len;
    put_seen(out, from, node);
    put_nat(out, from, node);
    put_doubt(out, node);
    put_filtering(out, node);
    wrap(out, start, INDENT, LINE_WIDTH);
    start = out->len;
    put_claims(out, from, node, claims);
    wrap(out, start, INDENT, LINE_WIDTH);
    put_advice(out, from, node, length);
    if (length != HOST_TEXT_SHORT) {
        put_capture(out, node);
    }
    if (length == HOST_TEXT_WITH_REASONS) {
        start = out->len;
        strbuf_puts(out, "Why: ");
        host_text_reasons(out, node);
        wrap(out, start, INDENT, LINE_WIDTH);
    }
}
