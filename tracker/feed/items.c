/* items.c: checks the signature and the target of BEP 44 items.
 *
 * Verifying a signature takes some hundred microseconds, and an attacker can send many puts: only max_items are
 * verified.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/bep44.h>

#include "tracker_private.h"

#define DEFAULT_MAX_ITEMS 1000

static bool holds_item(const krpc_message *m, const tracker_result *result)
{
    if (m->type == KRPC_QUERY) {
        return m->method == KRPC_METHOD_PUT && krpc_has(m, KRPC_A_V) && krpc_has(m, KRPC_A_SIG);
    }
    return m->type == KRPC_RESPONSE && result->method == KRPC_METHOD_GET && krpc_has(m, KRPC_R_V);
}

void items_check(tracker *t, const krpc_message *m, const uint8_t *data, const tracker_result *result,
                 const krpc_sink *sink)
{
    uint32_t limit = t->options.max_items != 0 ? t->options.max_items : DEFAULT_MAX_ITEMS;
    krpc_field sig = m->type == KRPC_QUERY ? KRPC_A_SIG : KRPC_R_SIG;

    if (!holds_item(m, result)) {
        return;
    }
    if (t->stats.items_verified >= limit) {
        t->stats.dropped_items++;
        return;
    }
    t->stats.items_verified++;
    switch (krpc_bep44_check(m, data, result->has_target ? result->target : NULL)) {
    case KRPC_BEP44_BAD_SIGNATURE:
        krpc_emit_at(sink, KRPC_RULE_BEP44_BAD_SIGNATURE, sig, m->value[sig].off, m->value[sig].len, 0, 0);
        break;
    case KRPC_BEP44_WRONG_TARGET:
        krpc_emit_at(sink, KRPC_RULE_BEP44_WRONG_TARGET, KRPC_R_V, m->value[KRPC_R_V].off, m->value[KRPC_R_V].len,
                     result->request_frame, 0);
        break;
    default:
        break;
    }
}
