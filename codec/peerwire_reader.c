/* peerwire_reader.c: messages out of a byte stream that comes in pieces.
 *
 * The bytes that are still needed are in room; the bytes that follow them in the stream are those of the chunk from pos
 * on. Every decision is made at a stream offset and never at the end of a chunk: so the cutting makes no difference.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/peerwire.h>

#include <string.h>

#include "peerwire_private.h"

enum { STATE_SEARCH, STATE_IN_STEP, STATE_DONE };

/* How long to search: three of the usual pieces of 16 KiB and more; and where there were messages before, longer, for
 * captures with many gaps. */
#define SEARCH_LIMIT       UINT64_C(0x10000)
#define SEARCH_AGAIN_LIMIT UINT64_C(0x100000)

/* Where the stream is the peer wire for certain, chance is not what a run has to be told from. */
#define TRUSTED_RUN        2

/* Some send PORT with a wrong length, and new ids come up: in step that is no reason to doubt. */
#define MAX_PORT_LEN       64
#define MAX_UNKNOWN_LEN    65536

#define MAX_KEEP_ALIVES    2

/* Bits that the length prefix of a message that begins a run does not have. */
#define MAX_PREFIX_BITS    0xfff00000u

static const struct {
    uint32_t min;
    uint32_t max;
} lengths[] = {
#define MESSAGE(SYMBOL, ID, NAME, MIN, MAX, SPEC) [ID] = {MIN, MAX},
#include <krpc/peerwire.def>
};

#define NUM_IDS (sizeof lengths / sizeof lengths[0])

/* An id that the table does not have has a max of 0. */
static bool is_plausible(uint32_t prefix, uint8_t id)
{
    return id < NUM_IDS && prefix >= lengths[id].min && prefix <= lengths[id].max;
}

static bool is_acceptable(uint32_t prefix, uint8_t id)
{
    if (id == 9) {
        return prefix >= 1 && prefix <= MAX_PORT_LEN;
    }
    return is_plausible(prefix, id) || ((id >= NUM_IDS || lengths[id].max == 0) && prefix <= MAX_UNKNOWN_LEN);
}

/* What a message of a run that was not expected proves. No client sends choke, unchoke, interested or not interested
 * twice without the opposite in between, and a bitfield comes before all other messages: so does what other protocols
 * count. */
typedef enum proof { PROOF_NONE, PROOF_MORE, PROOF_AGAINST } proof;

enum { ID_NOT_INTERESTED = 3, ID_BITFIELD = 5 };

static proof prove(peerwire_candidate *run, uint8_t id)
{
    uint8_t bit = (uint8_t)(1u << (id & 7));
    uint8_t opposite = (uint8_t)(1u << ((id & 7) ^ 1));

    if (id == ID_BITFIELD) {
        return PROOF_AGAINST;
    }
    if (id > ID_NOT_INTERESTED) {
        return PROOF_MORE;
    }
    if ((run->said & bit) != 0) {
        return PROOF_NONE;
    }
    run->said = (uint8_t)((run->said | bit) & ~opposite);
    return PROOF_MORE;
}

static uint64_t room_off(const peerwire_reader *reader)
{
    return reader->chunk_off + reader->pos - reader->room_len;
}

/* Searches from the bytes in room on. The bytes before them were a message, or are missing. */
static void begin_search(peerwire_reader *reader)
{
    reader->state = STATE_SEARCH;
    reader->matched = 0;
    reader->num_candidates = 0;
    reader->window = 0;
    reader->scanned = room_off(reader);
    reader->window_begin = reader->scanned;
}

static void lose_step(peerwire_reader *reader)
{
    reader->lost = true;
    reader->lost_at = room_off(reader);
    reader->searched = 0;
    reader->skip = 0;
    begin_search(reader);
}

void peerwire_reader_init(peerwire_reader *reader)
{
    memset(reader, 0, offsetof(peerwire_reader, room));
    reader->state = STATE_SEARCH;
}

void peerwire_reader_trust(peerwire_reader *reader)
{
    reader->trusted = true;
}

bool peerwire_reader_done(const peerwire_reader *reader)
{
    return reader->state == STATE_DONE;
}

bool peerwire_reader_in_step(const peerwire_reader *reader)
{
    return reader->state == STATE_IN_STEP;
}

void peerwire_reader_feed(peerwire_reader *reader, const void *data, size_t len)
{
    reader->chunk_off += reader->chunk_len;
    reader->chunk = len > 0 ? (const uint8_t *)data : reader->room;
    reader->chunk_len = len;
    reader->pos = 0;
}

static void remove_candidate(peerwire_reader *reader, uint32_t index)
{
    reader->candidates[index] = reader->candidates[--reader->num_candidates];
}

/* Removes those whose next message began in a gap. Those after it stay. */
static void forget_candidates(peerwire_reader *reader)
{
    for (uint32_t i = 0; i < reader->num_candidates;) {
        if (reader->candidates[i].next < reader->window_begin) {
            remove_candidate(reader, i);
        } else {
            i++;
        }
    }
}

void peerwire_reader_gap(peerwire_reader *reader, uint64_t missing)
{
    bool harmless = reader->state == STATE_IN_STEP && reader->skip > 0 && missing > 0 && missing <= reader->skip;

    peerwire_reader_feed(reader, NULL, 0);
    if (harmless) {
        reader->skip -= missing;
        reader->chunk_off += missing;
        return;
    }
    if (reader->state == STATE_IN_STEP) {
        lose_step(reader);
    }
    reader->room_len = 0;
    reader->drop = 0;
    reader->chunk_off += missing;
    if (reader->state == STATE_SEARCH) {
        uint32_t num_candidates = missing > 0 ? reader->num_candidates : 0;

        begin_search(reader);
        reader->num_candidates = num_candidates;
        forget_candidates(reader);
    }
}

static void take_into_room(peerwire_reader *reader, size_t len)
{
    if (len > 0) {
        memcpy(reader->room + reader->room_len, reader->chunk + reader->pos, len);
        reader->room_len += (uint32_t)len;
        reader->pos += len;
    }
}

static void drop_from_room(peerwire_reader *reader, uint32_t len)
{
    if (len > 0) {
        reader->room_len -= len;
        memmove(reader->room, reader->room + len, reader->room_len);
    }
}

/* ---- search ---- */

/* When all places are taken, the candidate whose next message is the farthest is replaced. */
static void add_candidate(peerwire_reader *reader, uint64_t begin, uint32_t prefix, uint8_t id)
{
    peerwire_candidate *place = &reader->candidates[reader->num_candidates];
    uint64_t next = begin + 4 + prefix;

    if (reader->num_candidates < PEERWIRE_CANDIDATES) {
        reader->num_candidates++;
    } else {
        place = &reader->candidates[0];
        for (uint32_t i = 1; i < PEERWIRE_CANDIDATES; i++) {
            if (reader->candidates[i].next > place->next) {
                place = &reader->candidates[i];
            }
        }
        if (place->next <= next) {
            return;
        }
    }
    place->next = next;
    place->begin[0] = begin;
    place->found = 1;
    place->keep_alives = 0;
    place->said = (uint8_t)(id <= ID_NOT_INTERESTED ? 1u << id : 0u);
}

/* The first of the run's messages that is still there: the last PEERWIRE_MAX_WHOLE bytes are. */
static uint64_t run_begin(const peerwire_reader *reader, const peerwire_candidate *run, uint64_t scanned)
{
    for (uint32_t i = 0; i < run->found; i++) {
        if (scanned - run->begin[i] <= PEERWIRE_MAX_WHOLE && run->begin[i] >= reader->window_begin) {
            return run->begin[i];
        }
    }
    return run->begin[run->found - 1];
}

/* Five bytes of a header end at stream offset scanned. True when they end a run, or where the stream is trusted and
 * begins with them; *begin_out is where the messages begin. */
static bool look_at_header(peerwire_reader *reader, uint64_t *begin_out, uint64_t scanned)
{
    uint64_t begin = scanned - 5;
    uint32_t prefix = (uint32_t)(reader->window >> 8);
    uint8_t id = (uint8_t)(reader->window & 0xff);
    bool plausible = is_plausible(prefix, id);
    bool expected = false;

    for (uint32_t i = 0; i < reader->num_candidates;) {
        peerwire_candidate *candidate = &reader->candidates[i];

        if (candidate->next != begin) {
            i++;
            continue;
        }
        if (prefix == 0 && candidate->keep_alives < MAX_KEEP_ALIVES) {
            candidate->keep_alives++;
            candidate->next += 4;
            i++;
            continue;
        }
        switch (!plausible ? PROOF_AGAINST : reader->trusted ? PROOF_MORE : prove(candidate, id)) {
        case PROOF_AGAINST:
            remove_candidate(reader, i);
            continue;
        case PROOF_MORE:
            candidate->begin[candidate->found++] = begin;
            break;
        default:
            break;
        }
        candidate->keep_alives = 0;
        candidate->next = begin + 4 + prefix;
        if (candidate->found == (reader->trusted ? TRUSTED_RUN : PEERWIRE_RUN)) {
            *begin_out = run_begin(reader, candidate, scanned);
            return true;
        }
        expected = true;
        i++;
    }
    if (plausible && reader->trusted && begin == reader->window_begin) {
        *begin_out = begin;
        return true;
    }
    if (plausible && !expected) {
        add_candidate(reader, begin, prefix, id);
    }
    return false;
}

static bool header_is_due(const peerwire_reader *reader, uint64_t begin)
{
    for (uint32_t i = 0; i < reader->num_candidates; i++) {
        if (reader->candidates[i].next == begin) {
            return true;
        }
    }
    return false;
}

/* One byte more. The handshake's first byte comes only once in what it begins with, so a mismatch needs no second look
 * further back. */
static bool search_byte(peerwire_reader *reader, uint64_t *begin_out, uint8_t byte)
{
    uint64_t scanned = ++reader->scanned;

    reader->searched++;
    reader->window = reader->window << 8 | byte;
    if (byte == (uint8_t)PEERWIRE_MAGIC[reader->matched]) {
        if (++reader->matched == PEERWIRE_MAGIC_LEN) {
            *begin_out = scanned - PEERWIRE_MAGIC_LEN;
            return true;
        }
    } else {
        reader->matched = byte == (uint8_t)PEERWIRE_MAGIC[0];
    }
    if (scanned - reader->window_begin < 5 ||
        ((reader->window >> 8 & MAX_PREFIX_BITS) != 0 && !header_is_due(reader, scanned - 5))) {
        return false;
    }
    return look_at_header(reader, begin_out, scanned);
}

/* Nearly all bytes of a stream that is searched can neither end a header nor begin a handshake: skips them and returns
 * their number. */
static size_t search_nothing(peerwire_reader *reader, const uint8_t *data, size_t len)
{
    uint64_t window = reader->window;
    size_t i = 0;

    if (reader->matched > 0) {
        return 0;
    }
    for (uint32_t j = 0; j < reader->num_candidates; j++) {
        uint64_t due = reader->candidates[j].next + 5 - 1;

        if (due < reader->scanned + len) {
            len = due > reader->scanned ? (size_t)(due - reader->scanned) : 0;
        }
    }
    for (; i < len; i++) {
        uint64_t next = window << 8 | data[i];

        if ((next >> 8 & MAX_PREFIX_BITS) == 0 || data[i] == (uint8_t)PEERWIRE_MAGIC[0]) {
            break;
        }
        window = next;
    }
    reader->window = window;
    reader->scanned += i;
    reader->searched += i;
    return i;
}

static bool search_bytes(peerwire_reader *reader, uint64_t *begin_out, const uint8_t *data, size_t len)
{
    uint64_t limit = reader->trusted ? UINT64_MAX : reader->was_in_step ? SEARCH_AGAIN_LIMIT : SEARCH_LIMIT;
    uint64_t left = limit - reader->searched;
    size_t n = len < left ? len : (size_t)left;

    for (size_t i = search_nothing(reader, data, n); i < n; i += search_nothing(reader, data + i, n - i)) {
        if (search_byte(reader, begin_out, data[i++])) {
            return true;
        }
    }
    if (reader->searched >= limit) {
        reader->state = STATE_DONE;
    }
    return false;
}

static void fall_into_step(peerwire_reader *reader, uint64_t begin)
{
    uint64_t room_begin = room_off(reader);

    if (begin - room_begin < reader->room_len) {
        drop_from_room(reader, (uint32_t)(begin - room_begin));
    } else {
        reader->pos = (size_t)(begin - reader->chunk_off);
        reader->room_len = 0;
    }
    reader->state = STATE_IN_STEP;
    reader->was_in_step = true;
    reader->searched = 0;
}

/* The first byte with which a message may begin that is still to be given. */
static uint64_t first_needed(const peerwire_reader *reader)
{
    uint64_t needed = reader->scanned - (reader->matched > 4 ? reader->matched : 4);
    uint64_t oldest = reader->scanned > PEERWIRE_MAX_WHOLE ? reader->scanned - PEERWIRE_MAX_WHOLE : 0;

    for (uint32_t i = 0; i < reader->num_candidates; i++) {
        const peerwire_candidate *candidate = &reader->candidates[i];

        for (uint32_t j = 0; j < candidate->found; j++) {
            if (candidate->begin[j] >= oldest && candidate->begin[j] < needed) {
                needed = candidate->begin[j];
            }
        }
    }
    return reader->scanned - reader->window_begin < 4 || needed < reader->window_begin ? reader->window_begin : needed;
}

/* At the end of the chunk: keeps what is still needed of it, and of what was kept before. */
static void keep_for_search(peerwire_reader *reader)
{
    uint64_t needed = first_needed(reader);
    uint64_t room_begin = room_off(reader);
    size_t left = reader->chunk_len - reader->pos;

    if (needed >= room_begin + reader->room_len) {
        size_t keep = (size_t)(reader->scanned - needed);

        reader->room_len = 0;
        reader->pos += left - keep;
        left = keep;
    } else if (needed > room_begin) {
        drop_from_room(reader, (uint32_t)(needed - room_begin));
    }
    take_into_room(reader, left);
}

static bool search(peerwire_reader *reader)
{
    uint64_t in_room = reader->scanned - room_off(reader);
    uint64_t begin = 0;
    bool found = in_room < reader->room_len &&
                 search_bytes(reader, &begin, reader->room + in_room, (size_t)(reader->room_len - in_room));

    if (!found && reader->state == STATE_SEARCH) {
        found = search_bytes(reader, &begin, reader->chunk + reader->pos, reader->chunk_len - reader->pos);
    }
    if (found) {
        fall_into_step(reader, begin);
    } else if (reader->state == STATE_SEARCH) {
        keep_for_search(reader);
    }
    return found;
}

/* ---- in step ---- */

/* The first len bytes from here on, in one piece; NULL when they are not there yet. */
static const uint8_t *peek(peerwire_reader *reader, uint32_t len)
{
    size_t left = reader->chunk_len - reader->pos;

    if (reader->room_len >= len) {
        return reader->room;
    }
    if (reader->room_len == 0 && left >= len) {
        return reader->chunk + reader->pos;
    }
    take_into_room(reader, left < len - reader->room_len ? left : len - reader->room_len);
    return reader->room_len >= len ? reader->room : NULL;
}

static void use_up(peerwire_reader *reader, uint32_t len)
{
    if (reader->room_len >= len) {
        drop_from_room(reader, len);
    } else {
        reader->pos += len;
    }
}

static bool skip_rest(peerwire_reader *reader)
{
    size_t left = reader->chunk_len - reader->pos;
    uint32_t in_room = reader->skip < reader->room_len ? (uint32_t)reader->skip : reader->room_len;

    drop_from_room(reader, in_room);
    reader->skip -= in_room;
    if (reader->skip < left) {
        left = (size_t)reader->skip;
    }
    reader->pos += left;
    reader->skip -= left;
    return reader->skip == 0;
}

typedef enum step { STEP_MESSAGE, STEP_MORE, STEP_LOST } step;

/* How large is the message that begins here. A handshake's first bytes would be a length beyond all bounds. */
static step measure(peerwire_reader *reader, uint32_t *size_out)
{
    const uint8_t *data = peek(reader, 4);
    uint32_t prefix;

    if (data == NULL) {
        return STEP_MORE;
    }
    prefix = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    if (prefix == 0) {
        *size_out = 4;
        return STEP_MESSAGE;
    }
    if (memcmp(data, PEERWIRE_MAGIC, 4) == 0) {
        data = peek(reader, PEERWIRE_MAGIC_LEN);
        *size_out = PEERWIRE_HANDSHAKE_LEN;
        return data == NULL                                            ? STEP_MORE
               : memcmp(data, PEERWIRE_MAGIC, PEERWIRE_MAGIC_LEN) == 0 ? STEP_MESSAGE
                                                                       : STEP_LOST;
    }
    if (prefix > PEERWIRE_MAX_LEN) {
        return STEP_LOST;
    }
    data = peek(reader, 5);
    if (data == NULL) {
        return STEP_MORE;
    }
    *size_out = prefix + 4;
    return is_acceptable(prefix, data[4]) ? STEP_MESSAGE : STEP_LOST;
}

static step next_message(peerwire_reader *reader, peerwire_event *out)
{
    uint32_t size = 0;
    step found = measure(reader, &size);
    uint32_t keep = size > PEERWIRE_MAX_WHOLE ? PEERWIRE_HEAD : size;

    if (found != STEP_MESSAGE) {
        return found;
    }
    out->data = peek(reader, keep);
    if (out->data == NULL) {
        return STEP_MORE;
    }
    out->type = PEERWIRE_EVENT_MESSAGE;
    out->len = keep;
    out->begin = room_off(reader);
    out->end = out->begin + size;
    reader->drop = keep;
    reader->skip = size - keep;
    return STEP_MESSAGE;
}

static bool give_lost(peerwire_reader *reader, peerwire_event *out)
{
    if (!reader->lost) {
        return false;
    }
    reader->lost = false;
    memset(out, 0, sizeof *out);
    out->type = PEERWIRE_EVENT_LOST;
    out->begin = reader->lost_at;
    out->end = reader->lost_at;
    return true;
}

bool peerwire_reader_next(peerwire_reader *reader, peerwire_event *out)
{
    use_up(reader, reader->drop);
    reader->drop = 0;
    for (;;) {
        step found;

        if (give_lost(reader, out)) {
            return true;
        }
        if (reader->state == STATE_SEARCH && !search(reader)) {
            return false;
        }
        if (reader->state == STATE_DONE || (reader->skip > 0 && !skip_rest(reader))) {
            return false;
        }
        found = next_message(reader, out);
        if (found != STEP_LOST) {
            return found == STEP_MESSAGE;
        }
        lose_step(reader);
    }
}
