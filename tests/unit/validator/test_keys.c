/* test_keys.c: verdicts, outcomes, advice and conclusions do not depend on the key of the tracker's hashes.
 *
 * Every run has another random key. SAMPLES is the folder of captures.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <glib.h>
#include <tracker/tracker.h>

#include "input/run.h"

#define NUM_RUNS 50

static void put_endpoint(GString *to, const krpc_endpoint *e)
{
    for (unsigned i = 0; i < e->addr_len; i++) {
        g_string_append_printf(to, "%02x", e->addr[i]);
    }
    g_string_append_printf(to, ":%u ", e->port);
}

static void put_advert(void *ctx, const tracker_advert *a)
{
    g_string_append_printf(ctx, "advert %u %u %s %u %s %u\n", a->frame, a->channel,
                           tracker_verdict_name((tracker_verdict)a->verdict), a->verdict_frame,
                           tracker_later_name((tracker_later)a->later), a->later_frame);
}

static void put_conclusion(void *ctx, const run_packet *packet, const krpc_finding *finding)
{
    g_string_append_printf(ctx, "conclusion %u %u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", packet->where.frame,
                           (unsigned)finding->rule, (gint64)finding->a, (gint64)finding->b);
}

static void put_node(GString *to, const tracker_node *n)
{
    put_endpoint(to, &n->endpoint);
    g_string_append_printf(to, "%s %s %s %s %s %s %s missing %x ours %d\n", tracker_port_name(n->nat.port),
                           tracker_addresses_name(n->nat.addresses), tracker_mapping_name(n->nat.mapping),
                           tracker_filtering_name(n->nat.filtering), tracker_reason_name(n->nat.port_reason),
                           tracker_reason_name(n->nat.mapping_reason), tracker_reach_name(n->reach.verdict),
                           n->reach.missing, n->ours);
    for (uint32_t i = 0; i < n->nat.num_kept; i++) {
        g_string_append_printf(to, "  external %u %u ", n->nat.external[i].observers, n->nat.external[i].frames[0]);
        put_endpoint(to, &n->nat.external[i].endpoint);
    }
    for (uint32_t i = 0; i < n->reach.num_open; i++) {
        g_string_append_printf(to, "  open %u %u ", n->reach.open[i].num_sites, n->reach.open[i].frames[0]);
        put_endpoint(to, &n->reach.open[i].endpoint);
    }
    for (uint32_t i = 0; i < n->num_advice; i++) {
        g_string_append_printf(to, "  %s %u %u", tracker_advice_slug(n->advice[i].advice), n->advice[i].port,
                               n->advice[i].said);
    }
    g_string_append_c(to, '\n');
}

static void put_nodes(void *ctx, run *from)
{
    tracker *t = run_get_tracker(from);
    tracker_node n;

    for (uint32_t i = 0; i < tracker_num_nodes(t); i++) {
        CU_ASSERT_FATAL(tracker_node_get(t, i, &n));
        put_node(ctx, &n);
    }
}

static char *said_of(const char *sample)
{
    GString *text = g_string_new(NULL);
    char *name = g_strconcat(sample, ".pcapng", NULL);
    char *capture = g_build_filename(g_getenv("SAMPLES"), name, NULL);
    char *args[] = {capture, NULL};
    const run_visitor visitor = {.ctx = text, .advert = put_advert, .conclusion = put_conclusion, .end = put_nodes};
    const options with = {.args = args, .num_args = 1, .threads = 1};

    output *nothing = output_new("/dev/null");

    CU_ASSERT(run_captures(&with, &visitor, nothing));
    output_close(nothing);
    g_free(capture);
    g_free(name);
    return g_string_free(text, FALSE);
}

static void any_key_gives_the_same(void)
{
    static const char *const samples[] = {"natd-inside", "natpool-inside", "nata-outside"};

    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        char *first = said_of(samples[i]);

        CU_ASSERT_PTR_NOT_NULL(strstr(first, "advert "));
        CU_ASSERT_PTR_NOT_NULL(strstr(first, "conclusion "));
        CU_ASSERT_PTR_NOT_NULL(strstr(first, " missing "));
        for (int k = 1; k < NUM_RUNS; k++) {
            char *again = said_of(samples[i]);

            UNIT_TEXT(again, first);
            g_free(again);
        }
        g_free(first);
    }
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(any_key_gives_the_same)};

    return UNIT_RUN("keys", tests);
}
