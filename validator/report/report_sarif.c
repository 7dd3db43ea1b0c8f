/* report_sarif.c: SARIF 2.1.0, for tools that collect the results of checkers.
 *
 * A region is the byte range of a finding in the capture file. There is none if the file does not contain those bytes
 * as they were sent: it is compressed, or the datagram was reassembled; and none for a finding that follows from all
 * packets. The properties always have the frame and the offset in its payload.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/report.h"

#include <glib.h>

#include "options/version.h"

static const char *level(krpc_severity severity)
{
    return severity == KRPC_SEVERITY_ERROR ? "error" : severity == KRPC_SEVERITY_WARN ? "warning" : "note";
}

static void put_json(strbuf *out, const char *before, const char *string)
{
    strbuf_puts(out, before);
    strbuf_json(out, string, strlen(string));
}

static void put_rules(strbuf *out)
{
    for (unsigned i = 0; i < KRPC_NUM_RULES; i++) {
        const krpc_rule_info *info = krpc_rule_get((krpc_rule)i);
        put_json(out, i > 0 ? ",\n{\"id\":" : "\n{\"id\":", info->slug);
        char what[200];
        krpc_rule_text(what, sizeof what, (krpc_rule)i);
        put_json(out, ",\"shortDescription\":{\"text\":", what);
        put_json(out, "},\"help\":{\"text\":", info->explanation);
        put_json(out, "},\"defaultConfiguration\":{\"level\":", level(info->severity));
        put_json(out, "},\"properties\":{\"specification\":", info->spec);
        strbuf_puts(out, "}}");
    }
}

static void sarif_begin(report *r)
{
    strbuf *out = output_text(r->output);

    strbuf_puts(out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{"
                     "\"tool\":{\"driver\":{\"name\":\"krpcscope\",\"version\":\"" KRPCSCOPE_VERSION "\",\"rules\":[");
    put_rules(out);
    strbuf_puts(out, "]}},\n\"results\":[");
}

static void put_uri(strbuf *out, const char *name)
{
    char *uri = g_uri_escape_string(name, "/", FALSE);

    strbuf_puts(out, g_path_is_absolute(name) ? "\"file://" : "\"");
    strbuf_puts(out, uri);
    strbuf_char(out, '"');
    g_free(uri);
}

/* A finding without a byte range is about the whole payload. */
static void put_region(strbuf *out, const run_packet *packet, const krpc_finding *finding)
{
    bool whole = finding->off == 0 && finding->len == 0;

    if (packet->byte_offset < 0) {
        return;
    }
    strbuf_printf(out, ",\"region\":{\"byteOffset\":%" G_GINT64_FORMAT ",\"byteLength\":%u}",
                  packet->byte_offset + finding->off, whole ? packet->len : finding->len);
}

static void sarif_finding(report *r, const run_packet *packet, const krpc_finding *finding)
{
    strbuf *out = output_text(r->output);
    const krpc_rule_info *info = krpc_rule_get(finding->rule);
    char line[RUN_FINDING_TEXT];
    unsigned file;

    uint32_t frame = run_frame(r->run, packet->where.frame, &file);
    run_finding_text(r->run, line, sizeof line, finding, packet->data, packet->len);
    put_json(out, r->any ? ",\n{\"ruleId\":" : "\n{\"ruleId\":", info->slug);
    r->any = true;
    strbuf_printf(out, ",\"ruleIndex\":%d,\"level\":\"%s\"", (int)finding->rule, level(info->severity));
    char *message = g_strdup_printf("frame %u: %s", frame, line);
    put_json(out, ",\"message\":{\"text\":", message);
    g_free(message);
    strbuf_puts(out, "},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
    put_uri(out, run_file_name(r->run, file));
    strbuf_char(out, '}');
    put_region(out, packet, finding);
    strbuf_puts(out, "}}],\"properties\":{");
    strbuf_printf(out, "\"frame\":%u,\"offset\":%u,\"length\":%u,\"src\":\"", frame, finding->off, finding->len);
    strbuf_endpoint(out, &packet->where.src);
    strbuf_puts(out, "\",\"dest\":\"");
    strbuf_endpoint(out, &packet->where.dst);
    strbuf_puts(out, "\"}}");
}

static void sarif_end(report *r)
{
    strbuf *out = output_text(r->output);

    strbuf_puts(out, "],\n\"artifacts\":[");
    for (unsigned i = 0; i < r->with->num_args; i++) {
        bool is_stdin = strcmp(r->with->args[i], "-") == 0;
        strbuf_puts(out, i > 0 ? ",{\"location\":{\"uri\":" : "{\"location\":{\"uri\":");
        put_uri(out, is_stdin ? "standard input" : r->with->args[i]);
        strbuf_puts(out, "}}");
    }
    strbuf_puts(out, "],\"invocations\":[{\"executionSuccessful\":");
    strbuf_puts(out, r->partial || r->sum.num_files < (r->with->merge ? 1 : r->with->num_args) ? "false}]" : "true}]");
    strbuf_puts(out, ",\"columnKind\":\"unicodeCodePoints\"}]}\n");
}

const report_format report_sarif = {.begin = sarif_begin, .finding = sarif_finding, .end = sarif_end};
