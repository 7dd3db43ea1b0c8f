/* nat_judge.c: the behaviour of a NAT, from observations.
 *
 * SPDX-License-Identifier: MIT
 */
#include "tracker_private.h"

#define ENOUGH          3  /* remote addresses that agree */
#define ENOUGH_NETWORKS 2  /* different networks of these, so that no single owner decides */
#define CROWD           20 /* from this many remote addresses on, one that contradicts the others is ignored */
#define TRUSTED         (TRACKER_FROM_BOTH | TRACKER_FROM_OUTSIDE)

/* Were two outside endpoints each seen before and after the other? */
static bool is_mutual(const nat *n, unsigned kinds)
{
    for (unsigned i = 0; i < n->num_kept; i++) {
        for (unsigned j = 0; j < i; j++) {
            if ((n->externals[i].over >> j & 1) != 0 && (n->externals[j].over >> i & 1) != 0 &&
                (kinds == 0 || (n->externals[i].kinds & n->externals[j].kinds & kinds) != 0)) {
                return true;
            }
        }
    }
    return false;
}

/* Are there still two straddled values when any single remote address is ignored? */
static bool is_robust(const nat *n)
{
    for (unsigned leave = 0; leave < n->num_straddles; leave++) {
        uint32_t value = 0;
        bool two = false;

        for (unsigned i = 0; i < n->num_straddles; i++) {
            if (n->straddles[i].remote != n->straddles[leave].remote) {
                two |= value != 0 && n->straddles[i].value != value;
                value = n->straddles[i].value;
            }
        }
        if (!two) {
            return false;
        }
    }
    return n->num_straddles > 0;
}

static uint32_t most_observers(const nat *n)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < n->num_kept; i++) {
        most = MAX(most, n->externals[i].observers);
    }
    return most;
}

/* Did no two remotes see the same? If one of them lied, the mapping would still have changed for every other one. */
static bool is_scattered(const nat *n)
{
    return most_observers(n) == 1 && n->observers > ENOUGH && n->num_external > ENOUGH;
}

/* Has a remote reported the inside port twice, while others reported another one? It cannot know that port
 * otherwise. */
static bool is_credible(const nat *n)
{
    unsigned equal = 0;
    unsigned other = 0;

    for (unsigned i = 0; i < n->num_kept; i++) {
        if (n->externals[i].over != 0 && n->externals[i].endpoint.port == n->inside.port) {
            equal++;
        } else if (n->externals[i].observers >= 2) {
            other++;
        }
    }
    return equal > 0 && other > 0;
}

/* Is this a global endpoint that others see at itself? A remote that sees another endpoint has a forwarded port; its
 * own NAT makes up the source ports of incoming packets. */
static bool is_in_place(const nat *n)
{
    return !n->group && !addr_is_private(&n->inside) && n->observers_eq > 0;
}

bool nat_is_made_up(const nat *n, const external *e)
{
    return !n->group && !addr_is_private(&n->inside) && e->observers < 2 && e->kinds == TRACKER_FROM_INSIDE &&
           !krpc_endpoint_equal(&e->endpoint, &n->inside);
}

tracker_mapping nat_mapping(const nat *n)
{
    uint32_t most = most_observers(n);
    bool disputed = (n->observers - MIN(most, n->observers)) * CROWD > most;

    if (n->clones) {
        return TRACKER_MAPPING_UNKNOWN;
    }
    if (is_mutual(n, TRUSTED)) {
        return TRACKER_MAPPING_DEPENDENT;
    }
    if (!is_in_place(n) &&
        (n->burst || (is_mutual(n, 0) && ((disputed && is_robust(n)) || is_credible(n) || is_scattered(n))))) {
        return TRACKER_MAPPING_DEPENDENT;
    }
    if (n->num_straddles > 0 && disputed) {
        return TRACKER_MAPPING_UNKNOWN; /* remotes disagree, and it is unknown which is right */
    }
    if (most >= ENOUGH || ((n->kinds & TRACKER_FROM_BOTH) != 0 && most >= ENOUGH - 1)) {
        return TRACKER_MAPPING_INDEPENDENT;
    }
    return TRACKER_MAPPING_UNKNOWN;
}

static bool saw_trusted(const nat *n, bool equal)
{
    for (unsigned i = 0; i < n->num_kept; i++) {
        if ((n->externals[i].kinds & TRACKER_FROM_BOTH) != 0 &&
            (n->externals[i].endpoint.port == n->inside.port) == equal) {
            return true;
        }
    }
    return false;
}

tracker_port nat_port(const nat *n)
{
    bool trusted_eq = saw_trusted(n, true);
    bool trusted_ne = saw_trusted(n, false);
    bool trusted = trusted_eq || trusted_ne;
    uint32_t eq = n->observers_eq;
    uint32_t ne = n->observers_ne;
    bool some_eq = trusted_eq || eq >= 2 || (eq == 1 && n->frames_eq >= 2);
    bool some_ne = trusted_ne || ne >= 2;

    if (n->group) {
        return TRACKER_PORT_UNKNOWN; /* the inside port is not visible outside */
    }
    if (some_eq && some_ne && (trusted || (!is_in_place(n) && (eq >= ENOUGH || ne >= ENOUGH)))) {
        return TRACKER_PORT_MIXED;
    }
    if (trusted) {
        return trusted_eq ? TRACKER_PORT_PRESERVED : TRACKER_PORT_REWRITTEN;
    }
    if (eq >= ENOUGH && n->networks_eq >= ENOUGH_NETWORKS && ne * CROWD <= eq) {
        return TRACKER_PORT_PRESERVED;
    }
    if (ne >= ENOUGH && n->networks_ne >= ENOUGH_NETWORKS && eq * CROWD <= ne) {
        return TRACKER_PORT_REWRITTEN;
    }
    return TRACKER_PORT_UNKNOWN;
}

bool nat_is_lone(const nat *n, unsigned i)
{
    const external *e = &n->externals[i];

    for (unsigned k = 0; k < n->num_kept; k++) {
        const external *other = &n->externals[k];

        if (k != i && e->observers == 1 && e->kinds == TRACKER_FROM_INSIDE && other->observers >= ENOUGH &&
            other->first_ns < e->first_ns && other->last_ns > e->last_ns) {
            return true;
        }
    }
    return false;
}
