/* command_reach.c: for each host of ours, whether others can reach it, on which port, and what to do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "command/command_visit.h"
#include "command/commands.h"
#include "input/run.h"
#include "input/selection.h"
#include "output/output.h"
#include "report/advert_groups.h"
#include "report/host_text.h"
#include "report/json_record.h"

#define SHOWN_HOSTS 20 /* without --verbose, where no host is inside */

typedef struct reach {
    const options *with;
    output *output;
    run *run;
    advert_groups *groups;
    participants *about; /* for --info-hash */
    const char *name;
    bool headed;
} reach;

static void reach_begin(void *ctx, run *from, const char *name)
{
    reach *r = ctx;

    r->run = from;
    r->name = name;
    r->groups = advert_groups_new();
    r->about = participants_new(&r->with->selection);
}

static void reach_message(void *ctx, const run_packet *packet, const krpc_message *message,
                          const tracker_result *result)
{
    reach *r = ctx;

    participants_note(r->about, packet, message, result);
}

static void reach_advert(void *ctx, const tracker_advert *advert)
{
    reach *r = ctx;

    advert_groups_add(r->groups, advert);
}

static void put_record(void *ctx, const tracker_node *node)
{
    reach *r = ctx;

    json_record_node(output_text(r->output), r->run, node);
    output_record(r->output);
}

static void reach_end(void *ctx, run *from)
{
    reach *r = ctx;
    bool verbose = r->with->verbose;
    const host_text_filter only = {&r->with->selection, participants_has, r->about};

    if (r->with->format == FORMAT_NDJSON) {
        host_text_visit_reach(from, &only, put_record, r);
    } else {
        strbuf *out = output_text(r->output);
        if (r->with->num_args > 1 && r->name != NULL) {
            strbuf_heading(out, !r->headed, r->name);
        }
        r->headed = true;
        advert_groups_sort(r->groups);
        host_text_put_reach(out, from, r->groups, &only, verbose ? HOST_TEXT_WITH_REASONS : HOST_TEXT_LONG,
                            verbose ? UINT64_MAX : SHOWN_HOSTS);
    }
    advert_groups_free(r->groups);
    participants_free(r->about);
    output_record(r->output);
}

int command_reach(const options *with)
{
    reach r = {.with = with};
    run_visitor visitor = {.ctx = &r, .begin = reach_begin, .advert = reach_advert, .end = reach_end};

    if (with->selection.has_info_hash) {
        visitor.message = reach_message;
    }
    return command_visit(with, &visitor, &r.output);
}
