/* command_decode.c: prints every message, as text or as records.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <krpc/client.h>

#include "command/command_visit.h"
#include "command/commands.h"
#include "input/run.h"
#include "input/selection.h"
#include "output/output.h"
#include "report/json_record.h"
#include "report/message_text.h"

typedef struct decode {
    const options *with;
    const run *run;
    output *output;
    bool shown; /* --verbose: the message of the findings that follow was shown */
    bool headed;
    bool concluded; /* the heading of the conclusions was written */
} decode;

static void decode_begin(void *ctx, run *from, const char *name)
{
    decode *d = ctx;

    d->run = from;
    if (d->with->format == FORMAT_TEXT && run_num_files(from) > 1 && name != NULL) {
        strbuf_heading(output_text(d->output), !d->headed, name);
    }
    d->headed = true;
    d->concluded = false;
}

static void decode_message(void *ctx, const run_packet *packet, const krpc_message *message,
                           const tracker_result *result)
{
    decode *d = ctx;
    strbuf *out = output_text(d->output);

    d->shown = selection_message(&d->with->selection, packet, message, result);
    if (!d->shown) {
        return;
    }
    if (d->with->format == FORMAT_NDJSON) {
        json_record_message(out, d->run, packet, message, packet->data, packet->len, result);
    } else {
        message_text_line(out, d->run, packet, message, result, d->with->color);
        if (d->with->verbose) {
            message_text_details(out, message, packet->data, d->with->color);
        }
    }
    output_record(d->output);
}

static void decode_findings(void *ctx, const run_packet *packet, const krpc_message *message,
                            const krpc_finding *findings, size_t num_findings)
{
    decode *d = ctx;

    if (message == NULL || !d->shown) {
        return;
    }
    for (size_t i = 0; i < num_findings; i++) {
        message_text_finding(output_text(d->output), d->run, &findings[i], packet->data, packet->len, d->with->color);
    }
}

static void decode_conclusion(void *ctx, const run_packet *packet, const krpc_finding *finding)
{
    decode *d = ctx;
    strbuf *out = output_text(d->output);

    if (!d->with->verbose || d->with->format != FORMAT_TEXT || !selection_packet(&d->with->selection, &packet->where)) {
        return;
    }
    strbuf_puts(out, d->concluded ? "" : "\nFindings that follow from all packets:\n");
    d->concluded = true;
    strbuf_puts(out, "  frame ");
    run_put_frame(out, d->run, packet->where.frame);
    strbuf_puts(out, "  ");
    strbuf_endpoint(out, &packet->where.src);
    strbuf_puts(out, " -> ");
    strbuf_endpoint(out, &packet->where.dst);
    strbuf_char(out, '\n');
    message_text_finding(out, d->run, finding, packet->data, packet->len, d->with->color);
    output_record(d->output);
}

/* Hex digits, which blanks, colons and the like may separate. */
static uint8_t *bytes_of_hex(size_t *len_out, const char *hex)
{
    GByteArray *bytes = g_byte_array_new();
    int high = -1;

    for (; *hex != 0; hex++) {
        if (g_ascii_isspace(*hex) || *hex == ':' || *hex == '-' || *hex == ',') {
            continue;
        }
        if (hex[0] == '0' && (hex[1] == 'x' || hex[1] == 'X') && high < 0) {
            hex++;
            continue;
        }
        int digit = g_ascii_xdigit_value(*hex);
        if (digit < 0) {
            say("--hex: '%c' is not a hex digit", *hex);
            g_byte_array_unref(bytes);
            return NULL;
        }
        if (high < 0) {
            high = digit;
        } else {
            uint8_t byte = (uint8_t)(high << 4 | digit);
            g_byte_array_append(bytes, &byte, 1);
            high = -1;
        }
    }
    if (high >= 0 || bytes->len == 0) {
        say(high >= 0 ? "--hex: an odd number of hex digits" : "--hex: no hex digits");
        g_byte_array_unref(bytes);
        return NULL;
    }
    uint8_t *data = g_byte_array_steal(bytes, len_out);
    g_byte_array_unref(bytes);
    return data;
}

typedef struct hex_findings {
    const options *with;
    strbuf *out;
    const uint8_t *data;
    uint32_t len;
} hex_findings;

static void hex_finding(void *ctx, const krpc_finding *finding)
{
    const hex_findings *to = ctx;

    if (to->with->format == FORMAT_TEXT) {
        message_text_finding(to->out, NULL, finding, to->data, to->len, to->with->color);
    } else {
        json_record_finding(to->out, NULL, NULL, finding, to->data, to->len);
    }
}

static int decode_hex(const options *with)
{
    size_t len;
    uint8_t *data = bytes_of_hex(&len, with->hex);

    if (data == NULL) {
        return EXIT_TROUBLE;
    }
    output *to = output_new(with->output);
    if (to == NULL) {
        g_free(data);
        return EXIT_TROUBLE;
    }
    hex_findings findings = {with, output_text(to), data, (uint32_t)len};
    const krpc_sink sink = {hex_finding, &findings};
    krpc_message message;
    krpc_message_decode(&message, data, len, len, NULL);
    if (with->format == FORMAT_NDJSON) {
        json_record_message(output_text(to), NULL, NULL, &message, data, (uint32_t)len, NULL);
    } else {
        message_text_summary(output_text(to), &message, data, with->color);
        message_text_details(output_text(to), &message, data, with->color);
    }
    krpc_message again;
    krpc_message_decode(&again, data, len, len, &sink);
    krpc_message_check(&message, data, &sink);
    g_free(data);
    return output_close(to) ? EXIT_NOTHING : EXIT_TROUBLE;
}

int command_decode(const options *with)
{
    decode d = {.with = with};
    run_visitor visitor = {.ctx = &d, .begin = decode_begin, .message = decode_message};

    if (with->hex != NULL) {
        return decode_hex(with);
    }
    if (with->verbose && with->format == FORMAT_TEXT) {
        visitor.findings = decode_findings;
        visitor.conclusion = decode_conclusion;
    }
    if (with->format == FORMAT_NDJSON && selection_all(&with->selection)) {
        visitor.body = json_record_body;
    }
    return command_visit(with, &visitor, &d.output);
}
