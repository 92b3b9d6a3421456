/* request_id.c - the ids of requests: their time, what makes two of them one (docs/protocol.md, "Request
 * ids"). */
#include <string.h>

#include "protocol.h"

#define TIME_SIZE 6u /* bytes, in front of the others */
#define NAME_SIZE (ORDERSCHED_REQUEST_ID_SIZE - TIME_SIZE)
#define KEYED 0x80u /* in the first byte */
#define TIME_MAX_MS ((UINT64_C(1) << 47) - 1)

static void make(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms,
                 const uint8_t name[NAME_SIZE])
{
    now_ms = now_ms < TIME_MAX_MS ? now_ms : TIME_MAX_MS;
    for (unsigned i = 0; i < TIME_SIZE; i++) {
        request_id[i] = (uint8_t)(now_ms >> (40 - 8 * i));
    }
    memcpy(request_id + TIME_SIZE, name, NAME_SIZE);
}

void request_id_make(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms,
                     const uint8_t random[NAME_SIZE])
{
    make(request_id, now_ms, random);
}

void request_id_make_keyed(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms,
                           const uint8_t hash[NAME_SIZE])
{
    make(request_id, now_ms, hash);
    request_id[0] |= KEYED;
}

bool request_id_is_keyed(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    return (request_id[0] & KEYED) != 0;
}

uint64_t request_id_time_ms(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    uint64_t ms = 0;

    for (unsigned i = 0; i < TIME_SIZE; i++) {
        ms = ms << 8 | request_id[i];
    }
    return ms & TIME_MAX_MS;
}

void request_id_set_time(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms)
{
    uint8_t name[NAME_SIZE];
    uint8_t keyed = request_id[0] & KEYED;

    memcpy(name, request_id + TIME_SIZE, sizeof name);
    make(request_id, now_ms, name);
    request_id[0] |= keyed;
}

void request_id_of_copy(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                        uint8_t out[ORDERSCHED_REQUEST_ID_SIZE])
{
    memcpy(out, request_id, ORDERSCHED_REQUEST_ID_SIZE);
    out[0] &= (uint8_t)~KEYED;
}

bool request_id_is_same(const uint8_t a[ORDERSCHED_REQUEST_ID_SIZE],
                        const uint8_t b[ORDERSCHED_REQUEST_ID_SIZE])
{
    if (memcmp(a + TIME_SIZE, b + TIME_SIZE, NAME_SIZE) != 0) {
        return false;
    }
    return request_id_is_keyed(a) ? request_id_is_keyed(b) : memcmp(a, b, TIME_SIZE) == 0;
}

void request_id_normalise(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                          uint8_t out[ORDERSCHED_REQUEST_ID_SIZE])
{
    memcpy(out, request_id, ORDERSCHED_REQUEST_ID_SIZE);
    if (request_id_is_keyed(request_id)) {
        request_id_set_time(out, 0);
    }
}
