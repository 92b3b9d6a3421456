/* orderbench_ids.c - see orderbench_ids.h. */
#include "orderbench_ids.h"

#define HOUR_MS (3600ull * 1000)
#define STEP_MS 7919 /* prime to the spread: no two of 79,200,000 orders in a row share a ms */

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

uint64_t bench_delay_ms(uint64_t number)
{
    return HOUR_MS + number % (22 * HOUR_MS) * STEP_MS % (22 * HOUR_MS);
}
