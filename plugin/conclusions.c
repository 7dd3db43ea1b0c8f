/* conclusions.c: what the tracker concludes from all packets so far.
 *
 * The tracker judges again when it is asked after new packets. It is asked rarely before the end of the file, and once
 * after it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "plugin.h"

/* Nodes that were looked up before the end of the file, by the hash of their endpoint. */
#define NUM_KNOWN 256

typedef struct known_node {
    tracker_node node;
    uint64_t num_packets; /* that its verdicts follow from; 0: no node */
} known_node;

static known_node *known;

/* What follows from all packets so far, sorted by frame; NULL: not needed yet. */
static GArray *conclusions;
static uint64_t num_concluded; /* packets that they follow from */

static void array_clear(void)
{
    if (conclusions != NULL) {
        g_array_free(conclusions, TRUE);
    }
    conclusions = NULL;
}

void conclusions_clear(void)
{
    array_clear();
    g_clear_pointer(&known, g_free);
}

static void on_conclusion(void *ctx _U_, const tracker_conclusion *conclusion)
{
    g_array_append_vals(conclusions, conclusion, 1);
}

static uint64_t num_packets(void)
{
    tracker_stats now;

    tracker_stats_get(tracking_tracker(), &now);
    return now.packets;
}

/* Do verdicts follow from nearly all packets? To judge them again after each packet would take a time that grows with
 * the square of their number. */
static bool is_recent(uint64_t num)
{
    return num != 0 && num_packets() - num <= num / 8;
}

const tracker_conclusion *conclusions_get(unsigned *num_out)
{
    *num_out = 0;
    if (tracking_tracker() == NULL) {
        return NULL;
    }
    if (conclusions == NULL || !(tracking_finished() || is_recent(num_concluded))) {
        array_clear();
        conclusions = g_array_new(FALSE, FALSE, sizeof(tracker_conclusion));
        num_concluded = num_packets();
        tracker_conclude(tracking_tracker(), on_conclusion, NULL);
    }
    *num_out = conclusions->len;
    return (const tracker_conclusion *)(const void *)conclusions->data;
}

bool conclusions_node_find(const krpc_endpoint *endpoint, tracker_node *out)
{
    const tracker *t = tracking_tracker();
    known_node *place;

    if (t == NULL || tracking_finished()) {
        return t != NULL && tracker_node_find(t, endpoint, out);
    }
    if (known == NULL) {
        known = g_new0(known_node, NUM_KNOWN);
    }
    place = &known[krpc_endpoint_hash(endpoint) % NUM_KNOWN];
    if (!krpc_endpoint_equal(&place->node.endpoint, endpoint) || !is_recent(place->num_packets)) {
        place->num_packets = tracker_node_find(t, endpoint, &place->node) ? num_packets() : 0;
    }
    *out = place->node;
    return place->num_packets != 0;
}

/* The first one about this frame or a later one. */
static unsigned conclusion_from(const tracker_conclusion *all, unsigned num, uint32_t frame)
{
    unsigned low = 0;

    while (low < num) {
        unsigned middle = low + (num - low) / 2;

        if (all[middle].packet.frame < frame) {
            low = middle + 1;
        } else {
            num = middle;
        }
    }
    return low;
}

const tracker_conclusion *conclusions_of(uint32_t frame, unsigned *num_out)
{
    const tracker_conclusion *all;
    unsigned num, first, end;

    tracking_complete_if_read();
    all = conclusions_get(&num);
    first = end = conclusion_from(all, num, frame);
    while (end < num && all[end].packet.frame == frame) {
        end++;
    }
    *num_out = end - first;
    return end > first ? &all[first] : NULL;
}

tracking_packet *conclusions_packet(packet_info *pinfo, const tracker_conclusion *conclusion)
{
    tracking_packet *shown = NULL;

    for (tracking_packet *packet = tracking_packet_first(pinfo); packet != NULL; packet = packet->next) {
        if (!packet->is_shown || packet->quoted) {
            continue;
        }
        if (krpc_endpoint_equal(&packet->packet.src, &conclusion->packet.src) &&
            krpc_endpoint_equal(&packet->packet.dst, &conclusion->packet.dst)) {
            return packet;
        }
        shown = shown == NULL ? packet : shown;
    }
    return shown;
}
