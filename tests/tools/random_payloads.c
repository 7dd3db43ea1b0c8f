/* random_payloads.c: counts how many of COUNT random payloads are accepted as KRPC, for false_positives.py.
 *
 * A tenth starts with d and a digit, and a tenth consists of the bytes that bencode uses. They come from eight
 * endpoints that never sent a message, so that the tracker decides as for users. Prints "N taken of COUNT", and the
 * bytes of the first ones that are accepted. The payloads depend only on COUNT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <krpc/message.h>
#include <tracker/tracker.h>

#define MAX_LEN 512

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

/* xorshift64* */
static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(((state * UINT64_C(2685821657736338717)) >> 32) * below >> 32);
}

static size_t make(uint8_t *out, uint32_t number)
{
    static const char bencode[] = "ddddlliieeee00112233489::::ahqrtvy";
    size_t len = 1 + draw(draw(4) == 0 ? MAX_LEN : 64);
    bool is_text = number % 10 == 1;

    for (size_t i = 0; i < len; i++) {
        out[i] = is_text ? (uint8_t)bencode[draw(sizeof bencode - 1)] : (uint8_t)draw(256);
    }
    if (number % 10 < 2) {
        out[0] = 'd';
        if (len > 1) {
            out[1] = (uint8_t)('0' + draw(10));
        }
    }
    return len;
}

static void endpoint(krpc_endpoint *out, unsigned number)
{
    const uint8_t addr[4] = {192, 0, 2, (uint8_t)(1 + number / 2)};

    memset(out, 0, sizeof *out);
    krpc_endpoint_set(out, addr, sizeof addr, (uint16_t)(6881 + number % 2));
}

int main(int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    uint32_t taken = 0, begun = 0;
    const tracker_options options = {.hash_key = {1}}; /* the same result in every run */
    tracker *t = tracker_new(&options);
    uint8_t data[MAX_LEN];
    krpc_message message;

    for (uint32_t number = 0; number < count; number++) {
        size_t len = make(data, number);
        unsigned from = draw(8);
        tracker_packet packet = {.frame = number + 1, .time_ns = (int64_t)number * 1000000};

        endpoint(&packet.src, from);
        endpoint(&packet.dst, (from + 1 + draw(7)) % 8);
        begun += len > 1 && data[0] == 'd' && data[1] >= '0' && data[1] <= '9';
        krpc_message_decode(&message, data, len, len, NULL);
        if (krpc_message_probe(&message, data) != KRPC_PROBE_YES &&
            !tracker_admit(t, &packet, &message, data, TRACKER_ACCEPT_KNOWN)) {
            tracker_datagram(t, &packet, data, len, NULL, NULL);
            continue;
        }
        if (taken++ < 5) {
            for (size_t i = 0; i < len; i++) {
                printf("%02x", data[i]);
            }
            printf("\n");
        }
    }
    tracker_free(t);
    printf("%" PRIu32 " taken of %" PRIu32 ", of which %" PRIu32 " begin with d and a digit\n", taken, count, begun);
    return taken != 0;
}
