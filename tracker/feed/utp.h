/* utp.h: the header of a uTP packet (BEP 29).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TRACKER_UTP_H
#define TRACKER_UTP_H

#include <stdbool.h>
#include <stdint.h>

typedef enum utp_type { UTP_DATA, UTP_FIN, UTP_STATE, UTP_RESET, UTP_SYN } utp_type;

typedef struct utp_header {
    utp_type type;
    uint32_t time_us;
    uint32_t header_len; /* with the extensions: the payload starts here */
    uint16_t id;
    uint16_t seq;
    uint16_t ack;
} utp_header;

/* utp_header_get reads the header of a UDP payload: len bytes were captured of wire_len. It accepts only headers that
 * keep every rule: version 1, a known type, extensions that BEP 29 or its implementations have, of the right length; a
 * payload in DATA, none in STATE, RESET and SYN; no acknowledgment in a SYN. Packets of other protocols may look like
 * it (a STUN response is similar), so a single packet proves uTP only if it is a SYN. false leaves *out undefined. */
bool utp_header_get(utp_header *out, const uint8_t *data, uint32_t len, uint32_t wire_len);

#endif
