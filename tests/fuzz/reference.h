/* reference.h: a plain decoder of KRPC messages, for comparison with the library's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <krpc/message.h>

/* reference_decode sets *out to what krpc_message_decode must set it to; value[f] only where f is in present or
 * wrong. */
void reference_decode(krpc_message *out, const uint8_t *data, uint32_t len);

#endif
