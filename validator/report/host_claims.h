/* host_claims.h: the ports that a host advertises.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_HOST_CLAIMS_H
#define VALIDATOR_HOST_CLAIMS_H

#include "report/advert_groups.h"
#include "report/hosts.h"

#define HOST_CLAIMS 4

/* host_claim is one port on one channel. */
typedef struct host_claim {
    int32_t port;
    uint8_t channel;
    uint8_t service;
    uint32_t count;
    uint32_t frame; /* of the first advertisement */
    uint32_t verdicts[TRACKER_NUM_VERDICTS];
    uint32_t proof_frame; /* that decided the verdict of the first one whose port is wrong; 0: none */
    uint16_t seen_port;   /* on which others see the host instead; 0: unknown, or several */
    struct {
        uint32_t count;
        uint32_t frame;
    } later[TRACKER_NUM_LATER];
} host_claim;

/* host_claims are the DHT ports, and the peer ports that are wrong. */
typedef struct host_claims {
    host_claim claims[HOST_CLAIMS];
    unsigned num_claims;
    unsigned num_more;
} host_claims;

/* host_advertisers finds advertisements by the host that they are from. groups must be sorted and outlive it. */
typedef struct host_advertisers host_advertisers;
host_advertisers *host_advertisers_new(const advert_groups *groups);
void host_advertisers_free(host_advertisers *by);

/* host_claims_get collects what a host advertises: what its endpoints sent, those on which others see it, and other
 * ports of its addresses with its id. */
void host_claims_get(host_claims *out, const host_advertisers *by, const run *from, const host_group *of);

/* host_claims_differ: the endpoint advertises a DHT port that is not its own. */
bool host_claims_differ(const host_advertisers *by, const tracker_node *node);

/* host_claim_is_wrong: at least one receiver was told a port on which it does not see the host. */
bool host_claim_is_wrong(const host_claim *claim);

#endif
