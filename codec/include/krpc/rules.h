/* krpc/rules.h: every finding that the codec or the tracker can report, and where findings go.
 *
 * A finding is about bytes that could be read but are wrong, or that a person should know of. The rules are in
 * rules.def, once: this enum, the names that the validator prints, Wireshark's expert items and the documentation come
 * from it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_RULES_H
#define KRPC_RULES_H

#include <krpc/fields.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum krpc_severity { KRPC_SEVERITY_NOTE, KRPC_SEVERITY_WARN, KRPC_SEVERITY_ERROR } krpc_severity;

typedef enum krpc_rule {
#define RULE(SYMBOL, ...) KRPC_RULE_##SYMBOL,
#include <krpc/rules.def>
    KRPC_NUM_RULES
} krpc_rule;

/* krpc_rule_info is one line of rules.def. */
typedef struct krpc_rule_info {
    const char *slug; /* "area.name": an interface, never renamed */
    krpc_severity severity;
    const char *spec; /* "BEP 5", "RFC 4787", ... */
    const char *text; /* one line, with the braces of rules.def */
    const char *explanation;
} krpc_rule_info;

/* krpc_rule_get returns the table's line; NULL for anything else than a rule. */
KRPC_EXPORT const krpc_rule_info *krpc_rule_get(krpc_rule rule);

/* krpc_rule_find looks a slug up; KRPC_NUM_RULES when there is none. */
KRPC_EXPORT krpc_rule krpc_rule_find(const char *slug);

/* krpc_rule_text writes a rule's line for no finding in particular, with N and M for its numbers, NAME and KEY for
 * names, into out (cap bytes, always terminated) and returns the length that it has, or would have had: 200 bytes hold
 * any. */
KRPC_EXPORT size_t krpc_rule_text(char *out, size_t cap, krpc_rule rule);

/* krpc_severity_name is "note", "warn" or "error". */
KRPC_EXPORT const char *krpc_severity_name(krpc_severity severity);

/* krpc_finding is one finding: which rule, about which field, and where in the payload (len 0: all of it). */
typedef struct krpc_finding {
    krpc_rule rule;
    krpc_field field; /* KRPC_NUM_FIELDS: about no field that is known */
    uint32_t off;
    uint32_t len;
    int64_t a; /* the rule's numbers, see krpc_rule_number */
    int64_t b;
} krpc_finding;

/* krpc_rule_number says what a finding's number a (which 'a') or b (which 'b') is under a rule: the word before it in
 * the rule's text. A frame's number counts from 1, as the caller counted. */
typedef enum krpc_number { KRPC_NUMBER_NONE, KRPC_NUMBER_PLAIN, KRPC_NUMBER_FRAME, KRPC_NUMBER_PORT } krpc_number;
KRPC_EXPORT krpc_number krpc_rule_number(krpc_rule rule, char which);

/* krpc_finding_text writes the rule's line with the finding's numbers and keys into out (cap bytes, always terminated)
 * and returns the length that it has, or would have had: 200 bytes hold any. data is the payload that was looked at,
 * len bytes: keys are named out of it. The line is printable ASCII for any bytes. */
KRPC_EXPORT size_t krpc_finding_text(char *out, size_t cap, const krpc_finding *finding, const void *data, size_t len);

/* krpc_frame_text writes the name of a frame ("12", "a.pcap:12") into out, cut to cap bytes and terminated, and returns
 * its length. krpc_finding_text_with is krpc_finding_text with frames named by it. */
typedef size_t krpc_frame_text(void *ctx, char *out, size_t cap, int64_t frame);
KRPC_EXPORT size_t krpc_finding_text_with(char *out, size_t cap, const krpc_finding *finding, const void *data,
                                          size_t len, krpc_frame_text *frame_text, void *ctx);

/* krpc_sink is where findings go, in the order in which they were found. emit must copy what it wants to keep. */
typedef struct krpc_sink {
    void (*emit)(void *ctx, const krpc_finding *finding);
    void *ctx;
} krpc_sink;

/* krpc_emit_at sends a finding about a field to sink; a sink that is NULL takes nothing. krpc_emit is for findings
 * about no field. */
static inline void krpc_emit_at(const krpc_sink *sink, krpc_rule rule, krpc_field field, uint32_t off, uint32_t len,
                                int64_t a, int64_t b)
{
    if (sink != NULL && sink->emit != NULL) {
        krpc_finding finding;

        finding.rule = rule;
        finding.field = field;
        finding.off = off;
        finding.len = len;
        finding.a = a;
        finding.b = b;
        sink->emit(sink->ctx, &finding);
    }
}

static inline void krpc_emit(const krpc_sink *sink, krpc_rule rule, uint32_t off, uint32_t len, int64_t a, int64_t b)
{
    krpc_emit_at(sink, rule, KRPC_NUM_FIELDS, off, len, a, b);
}

#ifdef __cplusplus
}
#endif

#endif
