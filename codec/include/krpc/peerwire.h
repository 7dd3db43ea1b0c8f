/* krpc/peerwire.h: the peer wire protocol (BEP 3, BEP 10) over TCP or uTP, as far as it speaks about ports.
 *
 * Three parts. peerwire_reader finds the messages in one direction of a byte stream that comes in pieces, may begin in
 * the middle and may have gaps. peerwire_message_parse reads one message: handshake, PORT, extension handshake,
 * ut_pex, ut_holepunch; of others it tells the name. peerwire_advert_iter gives what a message says about ports. And
 * the encoder writes what a test or a node needs.
 *
 *     peerwire_reader_feed(&reader[dir], bytes, len);
 *     while (peerwire_reader_next(&reader[dir], &event)) {
 *         if (event.type == PEERWIRE_EVENT_MESSAGE) {
 *             peerwire_message_parse(&message, event.data, event.len, &side[dir], &side[!dir], sink);
 *             peerwire_side_update(&side[dir], &message);
 *         }
 *     }
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_PEERWIRE_H
#define KRPC_PEERWIRE_H

#include <krpc/advert.h>

#ifdef __cplusplus
extern "C" {
#endif

/* PEERWIRE_HANDSHAKE_LEN bytes: 19, "BitTorrent protocol", 8 reserved, info-hash, peer id. */
#define PEERWIRE_HANDSHAKE_LEN     68
#define PEERWIRE_INFO_HASH_OFF     28
#define PEERWIRE_PEER_ID_OFF       48

/* PEERWIRE_MAX_LEN is the largest length prefix of a message; what says more is taken for something else. */
#define PEERWIRE_MAX_LEN           (1u << 20)

/* PEERWIRE_MAX_WHOLE is the largest message, prefix included, that the reader keeps whole; of a larger one it gives the
 * first PEERWIRE_HEAD bytes (prefix, id, first byte of the payload) and skips the rest. */
#define PEERWIRE_MAX_WHOLE         4096
#define PEERWIRE_HEAD              6

/* Bits of the handshake's reserved bytes, as one big-endian number. */
#define PEERWIRE_RESERVED_DHT      UINT64_C(0x01)       /* BEP 5 */
#define PEERWIRE_RESERVED_FAST     UINT64_C(0x04)       /* BEP 6 */
#define PEERWIRE_RESERVED_V2       UINT64_C(0x10)       /* BEP 52 */
#define PEERWIRE_RESERVED_EXTENDED UINT64_C(0x00100000) /* BEP 10 */

typedef enum peerwire_kind {
    PEERWIRE_NONE, /* too little is there, or it is no message */
    PEERWIRE_HANDSHAKE,
    PEERWIRE_KEEP_ALIVE,
#define MESSAGE(SYMBOL, ID, NAME, MIN, MAX, SPEC) PEERWIRE_##SYMBOL,
#include <krpc/peerwire.def>
    PEERWIRE_UNKNOWN, /* an id that peerwire.def does not know */
    PEERWIRE_NUM_KINDS
} peerwire_kind;

/* peerwire_kind_name is "handshake", "keep-alive", "port", "extended", "unknown", ... */
KRPC_EXPORT const char *peerwire_kind_name(peerwire_kind kind);

/* peerwire_extension is what an extended message belongs to. */
typedef enum peerwire_extension {
    PEERWIRE_EXT_NONE,      /* not an extended message */
    PEERWIRE_EXT_HANDSHAKE, /* extended id 0 */
#define EXTENSION(SYMBOL, NAME, SPEC) PEERWIRE_EXT_##SYMBOL,
#include <krpc/peerwire.def>
    PEERWIRE_EXT_UNKNOWN, /* its id was not assigned, or the assignment was not seen, or to a name that is not known */
    PEERWIRE_NUM_EXTENSIONS
} peerwire_extension;

/* peerwire_extension_name is "handshake", "ut_pex", ..., "unknown", and "" for NONE. */
KRPC_EXPORT const char *peerwire_extension_name(peerwire_extension extension);

typedef enum peerwire_key {
#define KEY(SYMBOL, EXT, NAME, TYPE, SPEC, MEANING) PEERWIRE_KEY_##SYMBOL,
#include <krpc/peerwire.def>
    PEERWIRE_NUM_KEYS
} peerwire_key;

/* peerwire_key_info is one line of peerwire.def. */
typedef struct peerwire_key_info {
    const char *key;
    const char *spec;
    const char *meaning;
    peerwire_extension extension; /* whose dictionary has it */
    bencode_type type;
} peerwire_key_info;

/* peerwire_key_get returns the table's line; NULL for anything else than a key. */
KRPC_EXPORT const peerwire_key_info *peerwire_key_get(peerwire_key key);

/* peerwire_side is what one side of a connection has said of itself: all zero when nothing was seen yet. */
typedef struct peerwire_side {
    bool handshake;           /* its handshake was seen, reserved is valid */
    bool extension_handshake; /* one was seen, ext_id is valid */
    uint64_t reserved;
    uint8_t ext_id[PEERWIRE_NUM_EXTENSIONS]; /* the id under which it wants to receive an extension; 0: it does not */
} peerwire_side;

/* What a ut_holepunch message is (BEP 55). */
typedef enum peerwire_holepunch {
    PEERWIRE_HOLEPUNCH_RENDEZVOUS, /* to the relay: tell that peer to connect to me */
    PEERWIRE_HOLEPUNCH_CONNECT,    /* from the relay: connect to that peer now */
    PEERWIRE_HOLEPUNCH_ERROR       /* from the relay: that failed, see error */
} peerwire_holepunch;

/* peerwire_message is one message, as positions in the bytes that it was parsed from: a plain value. */
typedef struct peerwire_message {
    uint8_t kind;             /* peerwire_kind */
    uint8_t extension;        /* peerwire_extension */
    uint8_t id;               /* of the message; 0 for handshake and keep-alive */
    uint8_t ext_id;           /* of an extended message */
    bool guessed;             /* ut_pex by its keys, because the receiver's assignment was not seen */
    bool whole;               /* all wire_len bytes are there */
    bool has_port;            /* PORT: port is valid */
    bool has_holepunch;       /* ut_holepunch: the fields below are valid */
    uint32_t wire_len;        /* size, length prefix included */
    uint32_t len;             /* of these, bytes that are there */
    uint64_t reserved;        /* handshake */
    uint16_t port;            /* PORT */
    uint8_t holepunch;        /* ut_holepunch: peerwire_holepunch, as sent */
    krpc_endpoint endpoint;   /* ut_holepunch: of the third peer */
    uint32_t holepunch_error; /* ut_holepunch: 1 no such peer, 2 not connected, 3 no support, 4 no self */
    uint32_t dict_off;        /* extension handshake, ut_pex: the dictionary, and up to where it could be walked */
    uint32_t dict_len;
    uint8_t dict_status;                      /* bencode_status: BENCODE_DONE for a complete dictionary */
    uint8_t named[PEERWIRE_NUM_EXTENSIONS];   /* extension handshake: m speaks of this extension, ... */
    uint8_t ext_ids[PEERWIRE_NUM_EXTENSIONS]; /* ... and gives it this id */
    uint32_t present;                         /* bit per peerwire_key: there, and of the right type */
    uint32_t wrong;                           /* bit per peerwire_key: there, but of another type; treat as absent */
    krpc_value value[PEERWIRE_NUM_KEYS];
} peerwire_message;

static inline bool peerwire_has(const peerwire_message *message, peerwire_key key)
{
    return (message->present >> key & 1) != 0;
}

/* peerwire_message_parse reads the message that begins at data, of which len bytes are there; more than one message may
 * follow, only the first is looked at. sender and receiver are what is known of the two sides (NULL: nothing): the ids
 * of extended messages are those that the *receiver* assigned. Findings go to sink (NULL: nowhere), with positions in
 * data. Never fails: what could be read is in *out. */
KRPC_EXPORT void peerwire_message_parse(peerwire_message *out, const uint8_t *data, size_t len,
                                        const peerwire_side *sender, const peerwire_side *receiver,
                                        const krpc_sink *sink);

/* peerwire_side_update takes over what a message says of its sender: handshake, extension handshake (a later one adds
 * to an earlier one; id 0 takes an extension back). Other messages change nothing. */
KRPC_EXPORT void peerwire_side_update(peerwire_side *sender, const peerwire_message *message);

/* peerwire_pex walks the peers of a ut_pex message: added, added6, dropped, dropped6. A rest that is too short for a
 * peer is left out. */
typedef struct peerwire_pex {
    const peerwire_message *message;
    const uint8_t *data;
    uint32_t list;
    uint32_t pos;
} peerwire_pex;

/* Flags of a peer (BEP 11). */
#define PEERWIRE_PEX_ENCRYPTION 0x01
#define PEERWIRE_PEX_SEED       0x02
#define PEERWIRE_PEX_UTP        0x04
#define PEERWIRE_PEX_HOLEPUNCH  0x08
#define PEERWIRE_PEX_REACHABLE  0x10

typedef struct peerwire_peer {
    krpc_endpoint endpoint;
    uint8_t flags; /* 0 when the message has none for this peer */
    bool dropped;
    uint32_t off; /* of its 6 or 18 bytes */
    uint32_t len;
} peerwire_peer;

KRPC_EXPORT void peerwire_pex_init(peerwire_pex *out, const peerwire_message *message, const uint8_t *data);
KRPC_EXPORT bool peerwire_pex_next(peerwire_pex *pex, peerwire_peer *out);

/* peerwire_advert_iter walks what a message says about ports and addresses, in the order: PORT; p, yourip, ipv4, ipv6
 * of an extension handshake; the added peers of ut_pex; the peer of a ut_holepunch connect (a rendezvous repeats what
 * the sender has from elsewhere, and an error repeats a rendezvous). Values of the wrong type or size are left out.
 * Ports are as sent: p may be 0, -1 or 70000. */
typedef struct peerwire_advert_iter {
    const peerwire_message *message;
    const uint8_t *data;
    uint32_t step;
    peerwire_pex pex;
} peerwire_advert_iter;

KRPC_EXPORT void peerwire_advert_init(peerwire_advert_iter *out, const peerwire_message *message, const uint8_t *data);
KRPC_EXPORT bool peerwire_advert_next(peerwire_advert_iter *iter, krpc_advert *out);

typedef enum peerwire_event_type {
    PEERWIRE_EVENT_MESSAGE, /* one message: data, len, begin, end */
    PEERWIRE_EVENT_LOST     /* the reader was in step and is not any more, from begin on: rule peerwire.lost */
} peerwire_event_type;

/* peerwire_event is what the reader found. Stream offsets count from the first byte that was fed, gaps of known size
 * included; reader.chunk_off is that of the bytes fed last. So a message begins (int64_t)(begin - chunk_off) bytes into
 * them, or before them where that is negative. It may even end before them: a reader that falls into step gives up to
 * PEERWIRE_RUN messages late. */
typedef struct peerwire_event {
    peerwire_event_type type;
    const uint8_t *data; /* valid until the next call with this reader */
    uint32_t len;        /* the whole message, or PEERWIRE_HEAD bytes of one beyond PEERWIRE_MAX_WHOLE */
    uint64_t begin;      /* stream offset of the first byte */
    uint64_t end;        /* stream offset after the last byte; of a large message it is still to come */
} peerwire_event;

/* PEERWIRE_CANDIDATES places are watched at once for a run of messages; PEERWIRE_RUN messages make a run. */
#define PEERWIRE_CANDIDATES 6
#define PEERWIRE_RUN        3

typedef struct peerwire_candidate {
    uint64_t next;                /* where its next message must begin */
    uint64_t begin[PEERWIRE_RUN]; /* where those that were found began */
    uint8_t found;
    uint8_t keep_alives; /* one after another */
    uint8_t said;        /* bit per id 0 to 3 that would say nothing new: choke after choke, ... */
} peerwire_candidate;

/* peerwire_reader takes one direction of one connection. Nothing to free; about 4.5 KiB. Its fields are private, but
 * for chunk_off.
 *
 * In step it goes from message to message. Before that, and after a gap or bytes that are no message, it looks for a
 * handshake, anywhere, or for PEERWIRE_RUN plausible messages in a row (keep-alives do not count), and then begins
 * with the first of these that lies within the last PEERWIRE_MAX_WHOLE bytes. So it also finds the messages after an
 * encrypted handshake (MSE) that settles on plaintext. How the stream is cut into pieces makes no difference to the
 * events. */
typedef struct peerwire_reader {
    uint64_t chunk_off;
    const uint8_t *chunk;
    size_t chunk_len;
    size_t pos;    /* in the chunk: bytes before are used up or in room */
    uint64_t skip; /* bytes to skip before the next message */
    uint32_t drop; /* bytes of the event given last */
    uint32_t room_len;
    uint8_t state;
    uint8_t matched; /* length of the start of a handshake, at the end of the bytes so far */
    bool was_in_step;
    bool lost; /* an event to give */
    bool trusted;
    uint64_t lost_at;
    uint64_t scanned;      /* stream offset up to which was searched */
    uint64_t searched;     /* bytes searched since the reader was in step */
    uint64_t window;       /* the last 8 bytes searched */
    uint64_t window_begin; /* stream offset of the first byte that a message may begin with */
    uint32_t num_candidates;
    peerwire_candidate candidates[PEERWIRE_CANDIDATES];
    uint8_t room[PEERWIRE_MAX_WHOLE]; /* bytes of earlier chunks that are still needed */
} peerwire_reader;

KRPC_EXPORT void peerwire_reader_init(peerwire_reader *reader);

/* peerwire_reader_trust says, before the first bytes, that the stream is the peer wire for certain. Then one plausible
 * message where the bytes begin (those of the stream, or those after a gap) brings the reader into step, elsewhere two
 * in a row; and it never gives up. */
KRPC_EXPORT void peerwire_reader_trust(peerwire_reader *reader);

/* peerwire_reader_feed gives the next bytes of the stream. They must stay as they are until peerwire_reader_next has
 * returned false; what it was not asked for by then is lost. */
KRPC_EXPORT void peerwire_reader_feed(peerwire_reader *reader, const void *data, size_t len);

/* peerwire_reader_gap says that bytes are missing between those fed and those that come next: how many, or 0 when
 * it is not known. Missing bytes inside a message that is skipped do no harm, others bring the reader out of step.
 * Call it after peerwire_reader_next has returned false. */
KRPC_EXPORT void peerwire_reader_gap(peerwire_reader *reader, uint64_t missing);

/* peerwire_reader_next gives the next event; false when more bytes are needed. */
KRPC_EXPORT bool peerwire_reader_next(peerwire_reader *reader, peerwire_event *out);

/* peerwire_reader_done: nothing was found for so long (64 KiB, 1 MiB when the reader was in step before) that it has
 * given up, for good: the stream is encrypted or something else, and the reader can be thrown away. */
KRPC_EXPORT bool peerwire_reader_done(const peerwire_reader *reader);

/* peerwire_reader_in_step: the reader knows where the next message begins. */
KRPC_EXPORT bool peerwire_reader_in_step(const peerwire_reader *reader);

/* The encoder. Each function returns the size of the message; the bytes are complete only when that is at most cap (out
 * may be NULL when cap is 0). */
KRPC_EXPORT size_t peerwire_handshake_put(void *out, size_t cap, uint64_t reserved, const uint8_t info_hash[20],
                                          const uint8_t peer_id[20]);
KRPC_EXPORT size_t peerwire_port_put(void *out, size_t cap, uint16_t port);
/* peerwire_message_put writes any message with an id from its payload; peerwire_extended_put an extended one. */
KRPC_EXPORT size_t peerwire_message_put(void *out, size_t cap, uint8_t id, const void *payload, size_t len);
KRPC_EXPORT size_t peerwire_extended_put(void *out, size_t cap, uint8_t ext_id, const void *payload, size_t len);

/* peerwire_offer is the content of an extension handshake. All zero is an empty one; p, reqq and metadata_size are sent
 * when their bit of present is set, v when it is not NULL, addresses when they are not "none" (their ports are not
 * sent), an extension when its id is not 0. */
typedef struct peerwire_offer {
    uint32_t present; /* 1u << PEERWIRE_KEY_P, ... */
    int64_t p;
    int64_t reqq;
    int64_t metadata_size;
    const void *v;
    size_t v_len;
    krpc_endpoint yourip;
    krpc_endpoint ipv4;
    krpc_endpoint ipv6;
    uint8_t ext_id[PEERWIRE_NUM_EXTENSIONS];
} peerwire_offer;

KRPC_EXPORT size_t peerwire_offer_put(void *out, size_t cap, const peerwire_offer *offer);

#ifdef __cplusplus
}
#endif

#endif
