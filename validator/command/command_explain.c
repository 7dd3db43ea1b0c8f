/* command_explain.c: explains one rule, or shows one packet with its findings marked in its bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>

#include <glib.h>
#include <krpc/message.h>

#include "command/commands.h"
#include "input/run.h"
#include "output/color.h"
#include "output/output.h"
#include "output/wrap.h"
#include "report/host_text.h"
#include "report/json_record.h"
#include "report/message_text.h"

#define BYTES_A_LINE 16
#define MAX_MARKS    9 /* one decimal digit each */
#define WIDTH        96

/* A message that breaks a rule; see rule_samples.def. */
typedef struct rule_sample {
    const char *what; /* NULL: the decoder finds it in this message */
    const char *bytes;
    uint32_t len;
    const char *marked;
    uint32_t marked_len;
    int64_t a;
    int64_t b;
} rule_sample;

static const rule_sample samples[KRPC_NUM_RULES] = {
#define SAMPLE(SYMBOL, ...) [KRPC_RULE_##SYMBOL] = {__VA_ARGS__},
#include "command/rule_samples.def"
};

enum {
    NUM_SAMPLES = 0
#define SAMPLE(...) +1
#include "command/rule_samples.def"
};

/* The compiler warns of two samples of one rule (-Woverride-init). */
_Static_assert(NUM_SAMPLES == (int)KRPC_NUM_RULES, "each rule has one sample");

typedef struct marks {
    krpc_finding *findings;
    size_t num_findings;
    size_t cap_findings;
} marks;

static void keep_mark(void *ctx, const krpc_finding *finding)
{
    marks *m = ctx;

    if (m->num_findings == m->cap_findings) {
        m->cap_findings = m->cap_findings == 0 ? 16 : m->cap_findings * 2;
        m->findings = g_renew(krpc_finding, m->findings, m->cap_findings);
    }
    m->findings[m->num_findings++] = *finding;
}

/* The number, from 1, of the finding that marks a byte; 0 for none. */
static unsigned mark_of(const marks *m, uint32_t pos)
{
    for (size_t i = 0; i < m->num_findings && i < MAX_MARKS; i++) {
        if (pos >= m->findings[i].off && pos - m->findings[i].off < m->findings[i].len) {
            return (unsigned)i + 1;
        }
    }
    return 0;
}

static void put_marks(strbuf *out, const marks *m, uint32_t first, uint32_t end, bool color)
{
    bool any = false;

    for (uint32_t i = first; i < end; i++) {
        any = any || mark_of(m, i) != 0;
    }
    if (!any) {
        return;
    }
    strbuf_puts(out, "        ");
    color_begin(out, color, COLOR_RED);
    for (uint32_t i = first; i < end; i++) {
        unsigned mark = mark_of(m, i);
        strbuf_printf(out, mark != 0 ? "%u^ " : "   ", mark);
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ') {
        out->len--;
    }
    color_end(out, color);
    strbuf_char(out, '\n');
}

static void put_bytes(strbuf *out, const uint8_t *data, uint32_t len, const marks *m, bool color)
{
    for (uint32_t first = 0; first < len; first += BYTES_A_LINE) {
        uint32_t end = MIN(first + BYTES_A_LINE, len);
        size_t start = out->len;
        strbuf_printf(out, "  %04x  ", first);
        for (uint32_t i = first; i < end; i++) {
            strbuf_printf(out, "%02x ", data[i]);
        }
        strbuf_pad(out, start, 8 + 3 * BYTES_A_LINE + 1);
        for (uint32_t i = first; i < end; i++) {
            strbuf_char(out, data[i] >= 0x20 && data[i] < 0x7f ? (char)data[i] : '.');
        }
        strbuf_char(out, '\n');
        put_marks(out, m, first, end, color);
    }
}

static void put_findings(strbuf *out, const run *from, const marks *m, const uint8_t *data, uint32_t len, bool color)
{
    char line[RUN_FINDING_TEXT];

    for (size_t i = 0; i < m->num_findings; i++) {
        const krpc_finding *finding = &m->findings[i];
        const krpc_rule_info *info = krpc_rule_get(finding->rule);
        run_finding_text(from, line, sizeof line, finding, data, len);
        strbuf_printf(out, "  %zu ", i + 1);
        color_puts(out, color, color_of_severity(info->severity), krpc_severity_name(info->severity));
        strbuf_printf(out, " %s: %s", info->slug, line);
        if (finding->len == 1) {
            strbuf_printf(out, " (byte %u)", finding->off);
        } else if (finding->len > 0) {
            strbuf_printf(out, " (bytes %u to %u)", finding->off, finding->off + finding->len - 1);
        }
        strbuf_printf(out, " [%s]\n", info->spec);
    }
}

/* ---- a rule ---- */

static void put_wrapped(strbuf *out, const char *string)
{
    size_t start = out->len;

    strbuf_puts(out, string);
    wrap(out, start, "", WIDTH);
}

/* The findings of a rule in its sample. */
static void find_marks(marks *out, krpc_rule rule)
{
    const rule_sample *sample = &samples[rule];
    const uint8_t *data = (const uint8_t *)sample->bytes;

    if (sample->what != NULL) {
        krpc_finding finding = {.rule = rule, .len = sample->marked_len, .a = sample->a, .b = sample->b};
        while (sample->marked != NULL && memcmp(sample->bytes + finding.off, sample->marked, sample->marked_len) != 0) {
            finding.off++;
            g_assert(finding.off + finding.len <= sample->len);
        }
        keep_mark(out, &finding);
        return;
    }
    const krpc_sink sink = {keep_mark, out};
    krpc_message message;
    krpc_message_decode(&message, data, sample->len, sample->len, &sink);
    krpc_message_check(&message, data, &sink);
    size_t n = 0;
    for (size_t i = 0; i < out->num_findings; i++) {
        if (out->findings[i].rule == rule) {
            out->findings[n++] = out->findings[i];
        }
    }
    out->num_findings = n;
}

static void put_rule_text(strbuf *out, krpc_rule rule, const marks *m, bool color)
{
    const krpc_rule_info *info = krpc_rule_get(rule);
    const rule_sample *sample = &samples[rule];
    const uint8_t *data = (const uint8_t *)sample->bytes;
    char what[200];

    color_puts(out, color, COLOR_BOLD, info->slug);
    strbuf_puts(out, ": ");
    color_puts(out, color, color_of_severity(info->severity), krpc_severity_name(info->severity));
    strbuf_printf(out, ", %s\n", info->spec);
    krpc_rule_text(what, sizeof what, rule);
    put_wrapped(out, what);
    strbuf_char(out, '\n');
    put_wrapped(out, info->explanation);
    strbuf_char(out, '\n');
    size_t start = out->len;
    strbuf_printf(out, "Example: %s", sample->what != NULL ? sample->what : "");
    wrap(out, start, "", WIDTH);
    put_bytes(out, data, sample->len, m, color);
    put_findings(out, NULL, m, data, sample->len, color);
}

static void put_rule_record(strbuf *out, krpc_rule rule, const marks *m)
{
    const rule_sample *sample = &samples[rule];
    const uint8_t *data = (const uint8_t *)sample->bytes;
    char line[RUN_FINDING_TEXT];

    json_record_rule_members(out, rule);
    strbuf_puts(out, ",\"example\":{");
    if (sample->what != NULL) {
        strbuf_puts(out, "\"what\":");
        strbuf_json(out, sample->what, strlen(sample->what));
        strbuf_char(out, ',');
    }
    strbuf_puts(out, "\"payload\":\"");
    strbuf_hex(out, data, sample->len);
    strbuf_puts(out, "\",\"findings\":[");
    for (size_t i = 0; i < m->num_findings; i++) {
        const krpc_finding *finding = &m->findings[i];
        krpc_finding_text(line, sizeof line, finding, data, sample->len);
        strbuf_puts(out, i > 0 ? ",{\"message\":" : "{\"message\":");
        strbuf_json(out, line, strlen(line));
        strbuf_printf(out, ",\"offset\":%u,\"length\":%u}", finding->off, finding->len);
    }
    strbuf_puts(out, "]}}\n");
}

static int explain_rule(const options *with)
{
    const char *slug = with->args[0];
    krpc_rule rule = krpc_rule_find(slug);
    marks m = {0};

    if (rule == KRPC_NUM_RULES) {
        if (g_file_test(slug, G_FILE_TEST_EXISTS)) {
            say("%s is a file, not a rule; to explain one of its frames: krpcscope explain CAPTURE FRAME", slug);
        } else {
            say("%s: unknown rule; krpcscope rules lists all rules", slug);
        }
        return EXIT_TROUBLE;
    }
    output *to = output_new(with->output);
    if (to == NULL) {
        return EXIT_TROUBLE;
    }
    find_marks(&m, rule);
    if (with->format == FORMAT_NDJSON) {
        put_rule_record(output_text(to), rule, &m);
    } else {
        put_rule_text(output_text(to), rule, &m, with->color);
    }
    g_free(m.findings);
    return output_close(to) ? EXIT_NOTHING : EXIT_TROUBLE;
}

/* ---- a packet ---- */

typedef struct explain {
    const options *with;
    run *run;
    output *output;
    uint32_t frame;
    uint64_t num_packets;
    bool found;
    run_packet packet; /* a copy of the packet */
    marks marks;
} explain;

static void explain_begin(void *ctx, run *from, const char *name)
{
    explain *e = ctx;

    (void)name;
    e->run = from;
}

static void explain_message(void *ctx, const run_packet *packet, const krpc_message *message,
                            const tracker_result *result)
{
    explain *e = ctx;

    if (packet->where.frame != e->frame) {
        return;
    }
    if (e->with->format == FORMAT_NDJSON) {
        json_record_message(output_text(e->output), e->run, packet, message, packet->data, packet->len, result);
        return;
    }
    message_text_line(output_text(e->output), e->run, packet, message, result, e->with->color);
    message_text_details(output_text(e->output), message, packet->data, e->with->color);
}

static void explain_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                             const krpc_finding *findings, size_t num_findings)
{
    explain *e = ctx;

    (void)message;
    if (packet->where.frame == e->frame) {
        for (size_t i = 0; i < num_findings; i++) {
            keep_mark(&e->marks, &findings[i]);
        }
    }
}

static void explain_conclusion(void *ctx, const run_packet *packet, const krpc_finding *finding)
{
    explain *e = ctx;

    if (packet->where.frame == e->frame) {
        keep_mark(&e->marks, finding);
    }
}

static const char *const protocol_names[] = {[FRAME_UDP] = "UDP", [FRAME_TCP] = "TCP", [FRAME_ICMP] = "ICMP"};

static void put_packet_text(const explain *e, const run_packet *packet)
{
    strbuf *out = output_text(e->output);
    bool color = e->with->color;

    strbuf_printf(out, "\n%s payload of frame %u, %u byte%s:\n", protocol_names[packet->protocol], e->frame,
                  packet->len, packet->len == 1 ? "" : "s");
    put_bytes(out, packet->data, packet->len, &e->marks, color);
    if (e->marks.num_findings == 0) {
        strbuf_puts(out, "  no findings\n");
    }
    put_findings(out, e->run, &e->marks, packet->data, packet->len, color);
}

static void put_packet_records(const explain *e, const run_packet *packet)
{
    strbuf *out = output_text(e->output);

    strbuf_puts(out, "{\"type\":\"payload\"");
    json_record_packet_head(out, e->run, &packet->where, packet->has_time);
    strbuf_printf(out, ",\"proto\":\"%s\",\"payload\":\"", protocol_names[packet->protocol]);
    strbuf_hex(out, packet->data, packet->len);
    strbuf_puts(out, "\"}\n");
    for (size_t i = 0; i < e->marks.num_findings; i++) {
        json_record_finding(out, e->run, packet, &e->marks.findings[i], packet->data, packet->len);
    }
}

static void explain_packet(void *ctx, const run_packet *packet)
{
    explain *e = ctx;

    if (packet->where.frame != e->frame) {
        return;
    }
    e->found = true;
    e->packet = *packet;
    uint8_t *copy = g_malloc(packet->len + 1u);
    memcpy(copy, packet->data, packet->len);
    e->packet.data = copy;
}

/* What is known at the end about the two endpoints, and why. */
static void put_endpoint_texts(const explain *e)
{
    const krpc_endpoint *const endpoints[] = {&e->packet.where.src, &e->packet.where.dst};
    strbuf *out = output_text(e->output);
    tracker_node node;

    for (size_t i = 0; i < G_N_ELEMENTS(endpoints); i++) {
        if (!tracker_node_find(run_get_tracker(e->run), endpoints[i], &node)) {
            continue;
        }
        size_t start = out->len;
        strbuf_endpoint(out, endpoints[i]);
        strbuf_puts(out, ": ");
        if (host_text_reasons(out, &node)) {
            wrap(out, start, "  ", WIDTH);
        } else {
            out->len = start;
        }
    }
}

/* Some findings follow from later packets, so all of them are read. */
static void explain_end(void *ctx, run *from)
{
    explain *e = ctx;

    e->num_packets = run_get_counts(from)->packets;
    if (!e->found) {
        return;
    }
    if (e->with->format == FORMAT_NDJSON) {
        put_packet_records(e, &e->packet);
    } else {
        put_packet_text(e, &e->packet);
        put_endpoint_texts(e);
    }
}

static int explain_frame(const options *with)
{
    options one = *with;
    explain e = {.with = with};
    const run_visitor visitor = {.ctx = &e,
                                 .begin = explain_begin,
                                 .message = explain_message,
                                 .findings = explain_findings,
                                 .packet = explain_packet,
                                 .conclusion = explain_conclusion,
                                 .end = explain_end};
    guint64 frame;

    if (!g_ascii_string_to_unsigned(with->args[1], 10, 1, G_MAXUINT32, &frame, NULL)) {
        say("'%s' is not a frame number: expected 1 or greater", with->args[1]);
        return EXIT_TROUBLE;
    }
    e.frame = (uint32_t)frame;
    e.output = output_new(with->output);
    if (e.output == NULL) {
        return EXIT_TROUBLE;
    }
    char *args[] = {with->args[0], NULL};
    one.args = args;
    one.num_args = 1;
    one.threads = 1;
    bool complete = run_captures(&one, &visitor, e.output);
    if (e.found && run_interrupted()) {
        say("interrupted: findings that follow from later packets are missing");
    } else if (run_interrupted()) {
        say("interrupted before frame %u", e.frame);
    } else if (complete && !e.found && e.frame > e.num_packets) {
        say("%s: no frame %u; the last frame is %" G_GUINT64_FORMAT, with->args[0], e.frame, e.num_packets);
    } else if (complete && !e.found) {
        say("%s: frame %u has no UDP or TCP payload and is not an ICMP error about one, or it is a fragment",
            with->args[0], e.frame);
    }
    g_free(e.marks.findings);
    g_free((void *)(uintptr_t)e.packet.data);
    bool written = output_close(e.output);
    return complete && e.found && written && !run_interrupted() ? EXIT_NOTHING : EXIT_TROUBLE;
}

int command_explain(const options *with)
{
    return with->num_args == 1 ? explain_rule(with) : explain_frame(with);
}
