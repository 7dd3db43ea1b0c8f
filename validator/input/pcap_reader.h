/* pcap_reader.h: plain pcap and pcapng, read in large blocks.
 *
 * It reads what nearly all captures are: pcap 2.4 and pcapng 1.x in both byte orders, times in decimal fractions of a
 * second down to nanoseconds, several sections and interfaces, and the link types that are stored as they were on the
 * wire. It knows nothing else: for everything it does not know it returns PCAP_READER_FOREIGN, and libwiretap has to
 * read the file. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 *
 * Packets are not copied. They point into blocks that are counted references, see capture.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VALIDATOR_PCAP_READER_H
#define VALIDATOR_PCAP_READER_H

#include "input/capture.h"

typedef struct pcap_reader pcap_reader;

typedef enum pcap_reader_status {
    PCAP_READER_PACKET,  /* *out is filled in, but for frame */
    PCAP_READER_END,     /* the file ends where a record ends */
    PCAP_READER_CUT,     /* the file ends inside a record */
    PCAP_READER_FOREIGN, /* the next record is damaged, or of a kind that this reader does not know */
    PCAP_READER_FAILED   /* read() failed: errno says why */
} pcap_reader_status;

/* pcap_reader_knows tells from the first 4 bytes of a file whether pcap_reader_new can read its kind. */
#define PCAP_READER_MAGIC_LEN 4
bool pcap_reader_knows(const uint8_t magic[PCAP_READER_MAGIC_LEN]);

/* pcap_reader_new reads from fd, whose first bytes are the file's, and closes it in the end. size is the length of the
 * file, 0 where it is unknown (a pipe). */
pcap_reader *pcap_reader_new(int fd, int64_t size);

/* pcap_reader_next reads on to the next packet. A file header, too, is read by the first call. After any status but
 * PCAP_READER_PACKET the reader is of no more use. */
pcap_reader_status pcap_reader_next(pcap_reader *reader, capture_packet *out);

/* pcap_reader_has_header tells whether the header of the file was read: the file is cut inside it otherwise. */
bool pcap_reader_has_header(const pcap_reader *reader);

/* pcap_reader_offset is how many bytes of the file belong to what was read so far. */
int64_t pcap_reader_offset(const pcap_reader *reader);

/* pcap_reader_would_wait: the next record is not in memory, and reading it from the pipe would wait, still after
 * timeout_ms. */
bool pcap_reader_would_wait(const pcap_reader *reader, int timeout_ms);

void pcap_reader_free(pcap_reader *reader);

#endif
