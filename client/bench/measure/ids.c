/* ids.c - see ids.h. */
#include "ids.h"

#include <string.h>

#define HOUR_MS (3600ull * 1000)
#define STEP_MS 7919 /* prime to the spread: no two of 79,200,000 orders in a row share a ms */

const char bench_payload[BENCH_PAYLOAD_SIZE + 1] =
    "{\"sku\":\"4006381333931\",\"count\":2,\"warehouse\":\"FRA-3\",\"hold\":310}";

void bench_id(uint32_t run, uint64_t number, char out[BENCH_ID_SIZE])
{
    for (int i = 7; i >= 0; i--, run >>= 4) {
        out[i] = "0123456789abcdef"[run & 15];
    }
    out[8] = '-';
    for (int i = BENCH_ID_SIZE - 1; i > 8; i--, number /= 10) {
        out[i] = (char)('0' + number % 10);
    }
}

bool bench_id_number(uint32_t run, const void *id, size_t len, uint64_t *number)
{
    const char *text = id;
    char again[BENCH_ID_SIZE];

    if (len != BENCH_ID_SIZE) {
        return false;
    }
    *number = 0;
    for (unsigned i = 9; i < BENCH_ID_SIZE; i++) {
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    bench_id(run, *number, again); /* so that nothing else passes for it */
    return memcmp(id, again, sizeof again) == 0;
}

uint64_t bench_delay_ms(uint64_t number)
{
    return HOUR_MS + number % (22 * HOUR_MS) * STEP_MS % (22 * HOUR_MS);
}
