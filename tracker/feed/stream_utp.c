/* stream_utp.c: uTP connections (BEP 29).
 *
 * A SYN has the id that its sender receives on: the other side sends with that id, the sender itself with the id after
 * it. So a connection whose SYN was seen has one key for both directions. A connection that is joined in the middle is
 * a candidate at first: its roles are unknown, and its bytes are held until a second packet fits to the first one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stream_table.h"
#include "utp.h"

/* The kind of a key: this bit, the role, and an id of 16 bits. For the roles of an initiator it is the id of the SYN;
 * for the others it is the id in the packets of that side. */
#define KIND_UTP 0x01000000u

enum {
    ROLE_INITIATOR, /* + index of the side that opened the connection */
    ROLE_SENDER = 2 /* + index of the side that sends with this id; which side opened the connection is unknown */
};

/* The maximum distance between packets of one connection, in packets and in clocks. */
#define NEAR_PACKETS 256
#define NEAR_US      1000000

typedef struct utp_packet {
    const stream_packet *packet;
    utp_header header;
    stream_key key;
    unsigned side; /* of the sender */
} utp_packet;

static const stream_key *key_for(const stream_table *table, utp_packet *utp, unsigned role, uint32_t id)
{
    stream_key_finish(table, &utp->key, KIND_UTP | role << 16 | (id & 0xffff));
    return &utp->key;
}

/* Converts a sequence number of 16 bits to the position of 32 bits nearest to the expected one. */
static uint32_t position(const stream_order *order, uint16_t seq)
{
    uint32_t near = order->started ? order->next : order->first != NULL ? order->first->pos : UINT32_C(0x10000);
    int32_t ahead = (int16_t)(uint16_t)(seq - (uint16_t)near);

    return near + (uint32_t)ahead;
}

static void take(stream_table *table, stream *connection, const utp_packet *utp)
{
    const utp_header *header = &utp->header;
    stream_side *side = &connection->sides[utp->side];
    stream_side *other = &connection->sides[1 - utp->side];

    connection->last_ns = utp->packet->time_ns;
    connection->utp_time_us = header->time_us;
    connection->utp_seq = header->seq;
    connection->utp_ack = header->ack;
    /* The response to the SYN has the sequence number of the first data packet. BEP 29 counts it as a packet; no
     * implementation does. */
    if (header->type == UTP_STATE && !side->order.started && !side->order.held && other->has_first) {
        stream_order_start(&side->order, position(&side->order, header->seq));
    }
    uint32_t pos = position(&side->order, header->seq);
    if (header->type == UTP_DATA || header->type == UTP_FIN) {
        stream_put(table, side, utp->packet, pos, 1, header->header_len);
    }
    if (other->order.started) {
        stream_acked(table, other, position(&other->order, (uint16_t)(header->ack + 1)), utp->packet->time_ns);
    }
    if (header->type == UTP_FIN) {
        side->has_fin = true;
        side->fin_pos = pos + 1;
    }
    if (header->type == UTP_RESET && connection->confirmed) {
        stream_flush(table, connection);
        stream_close(table, connection, true);
        return;
    }
    stream_close_if_over(table, connection);
}

static void syn_add(stream_table *table, utp_packet *utp)
{
    const stream_key *key = key_for(table, utp, ROLE_INITIATOR + utp->side, utp->header.id);
    stream *connection = stream_find(table, key);
    uint32_t first = UINT32_C(0x10000) + utp->header.seq + 1;

    stream_unignore(table, key);
    if (connection != NULL && connection->sides[utp->side].first_pos == first) {
        connection->last_ns = utp->packet->time_ns;
        return;
    }
    if (connection != NULL) {
        stream_flush(table, connection);
        stream_close(table, connection, false);
    }
    connection = stream_open(table, key, STREAM_UTP, utp->packet->time_ns);
    stream_confirm(table, connection);
    connection->sides[utp->side].has_first = true;
    connection->sides[utp->side].first_pos = first;
    stream_order_start(&connection->sides[utp->side].order, first);
}

/* Finds a connection with known roles. If the sender opened it, its id is one more than the id of the SYN. */
static bool known_add(stream_table *table, utp_packet *utp)
{
    for (unsigned opened_by_other = 0; opened_by_other < 2; opened_by_other++) {
        unsigned initiator = opened_by_other ? 1 - utp->side : utp->side;
        const stream_key *key = key_for(table, utp, ROLE_INITIATOR + initiator, utp->header.id - 1u + opened_by_other);
        if (stream_is_ignored(table, key)) {
            return true;
        }
        stream *connection = stream_find(table, key);
        if (connection != NULL) {
            take(table, connection, utp);
            return true;
        }
    }
    return false;
}

static bool is_near(uint16_t a, uint16_t b)
{
    int16_t ahead = (int16_t)(uint16_t)(a - b);

    return ahead >= -NEAR_PACKETS && ahead <= NEAR_PACKETS;
}

/* Does a second packet of the same sender fit? Its clock must have advanced like the clock of the capture. */
static bool fits_same_side(const stream *candidate, const utp_packet *utp)
{
    int64_t sender_us = (int32_t)(utp->header.time_us - candidate->utp_time_us);
    int64_t capture_us = (utp->packet->time_ns - candidate->last_ns) / 1000;
    int64_t apart = sender_us - capture_us;

    return sender_us > 0 && apart > -NEAR_US && apart < NEAR_US && is_near(utp->header.seq, candidate->utp_seq) &&
           is_near(utp->header.ack, candidate->utp_ack);
}

static bool fits_other_side(const stream *candidate, const utp_packet *utp)
{
    return is_near(utp->header.ack, candidate->utp_seq) && is_near(utp->header.seq, candidate->utp_ack);
}

static void confirm(stream_table *table, stream *candidate, const utp_packet *utp)
{
    if (!candidate->confirmed) {
        stream_confirm(table, candidate);
        stream_release(table, candidate);
    }
    take(table, candidate, utp);
}

/* Finds a candidate of the other side, with the id before or after this one. The side with the higher id opened the
 * connection. */
static bool other_side_add(stream_table *table, utp_packet *utp)
{
    for (unsigned opened_by_other = 0; opened_by_other < 2; opened_by_other++) {
        uint32_t other_id = opened_by_other ? utp->header.id + 1u : utp->header.id - 1u;
        const stream_key *key = key_for(table, utp, ROLE_SENDER + 1 - utp->side, other_id);
        if (stream_is_ignored(table, key)) {
            return true;
        }
        stream *candidate = stream_find(table, key);
        if (candidate == NULL || !fits_other_side(candidate, utp)) {
            continue;
        }
        unsigned initiator = opened_by_other ? 1 - utp->side : utp->side;
        uint32_t syn_id = opened_by_other ? utp->header.id : utp->header.id - 1u;
        stream_rekey(table, candidate, key_for(table, utp, ROLE_INITIATOR + initiator, syn_id));
        confirm(table, candidate, utp);
        return true;
    }
    return false;
}

/* Finds a candidate of the same side, or makes one for the first packet. */
static bool same_side_add(stream_table *table, utp_packet *utp)
{
    const stream_key *key = key_for(table, utp, ROLE_SENDER + utp->side, utp->header.id);

    if (stream_is_ignored(table, key)) {
        return true;
    }
    stream *candidate = stream_find(table, key);
    if (candidate != NULL && (candidate->confirmed || fits_same_side(candidate, utp))) {
        confirm(table, candidate, utp);
        return true;
    }
    if (candidate != NULL) {
        stream_close(table, candidate, false);
    }
    if (utp->header.type == UTP_RESET) {
        return false;
    }
    candidate = stream_open(table, key, STREAM_UTP, utp->packet->time_ns);
    candidate->sides[0].order.held = candidate->sides[1].order.held = true;
    take(table, candidate, utp);
    return false;
}

bool stream_utp_add(stream_table *table, const stream_packet *packet)
{
    const stream_datagram *datagram = packet->datagram;
    utp_packet utp = {.packet = packet};

    if (!utp_header_get(&utp.header, datagram->data, datagram->len, datagram->wire_len)) {
        return false;
    }
    utp.side = stream_key_set(table, &utp.key, &datagram->src, &datagram->dst);
    if (utp.header.type == UTP_SYN) {
        syn_add(table, &utp);
        return true;
    }
    return known_add(table, &utp) || other_side_add(table, &utp) || same_side_add(table, &utp);
}
