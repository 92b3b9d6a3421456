/* neighbour.c - see neighbour.h. */
#include "neighbour.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../client/base/clocks.h"

#define DELAY_MS (3600u * 1000)

static void name_next(struct neighbour *n, char *id, size_t size)
{
    snprintf(id, size, "beside-%llu", (unsigned long long)n->made++);
}

static void one_at_a_time(struct neighbour *n, struct neighbour_times *times, unsigned ms)
{
    uint64_t until_us = clocks_running_us() + ms * 1000;
    char id[32];

    while (clocks_running_us() < until_us) {
        uint64_t begun_us = clocks_running_us();
        name_next(n, id, sizeof id);
        int error = ordersched_schedule(n->client, id, DELAY_MS, n->route, NULL, 0, NULL);
        uint64_t took_us = clocks_running_us() - begun_us;
        if (error != ORDERSCHED_OK) {
            n->failed++;
            n->error = error;
        }
        if (times->n < NEIGHBOUR_CALLS_MAX) {
            times->us[times->n++] = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
        }
    }
}

/* One call of a stream. */
struct call {
    uint64_t begun_us;
    atomic_uint took_us; /* 0: it has no answer yet */
    int error;
};

static void call_cb(void *arg, const struct ordersched_answer *answer)
{
    struct call *call = arg;

    call->error = answer->error;
    atomic_store(&call->took_us, (unsigned)(clocks_running_us() - call->begun_us) + 1);
}

static void submit(struct neighbour *n, struct call *call)
{
    char id[32];

    name_next(n, id, sizeof id);
    struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                      .id = id,
                                      .id_len = strlen(id),
                                      .relative = true,
                                      .time_ms = DELAY_MS,
                                      .route = n->route};
    call->begun_us = clocks_running_us();
    call->error = ordersched_submit(n->client, &op, 0, call_cb, call);
    if (call->error != ORDERSCHED_OK) {
        atomic_store(&call->took_us, UINT32_MAX);
    }
}

static void streaming(struct neighbour *n, struct neighbour_times *times, unsigned ms)
{
    unsigned max = ms * 1000 / NEIGHBOUR_PACE_US;
    struct call *calls = calloc(max, sizeof *calls);
    uint64_t begun_us = clocks_running_us();
    unsigned i;

    for (i = 0; i < max; i++) {
        while (clocks_running_us() < begun_us + i * NEIGHBOUR_PACE_US) {
            usleep(20);
        }
        submit(n, &calls[i]);
    }
    for (i = 0; i < max; i++) {
        while (atomic_load(&calls[i].took_us) == 0) { /* each ends: calls have a timeout */
            usleep(200);
        }
        if (calls[i].error != ORDERSCHED_OK) {
            n->failed++;
            n->error = calls[i].error;
        }
        if (times->n < NEIGHBOUR_CALLS_MAX) {
            times->us[times->n++] = atomic_load(&calls[i].took_us);
        }
    }
    free(calls);
}

void neighbour_turn(struct neighbour *n, struct neighbour_times *single,
                    struct neighbour_times *stream, unsigned ms)
{
    one_at_a_time(n, single, ms);
    streaming(n, stream, ms);
}

static int by_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t neighbour_median_us(struct neighbour_times *times)
{
    qsort(times->us, times->n, sizeof *times->us, by_us);
    return times->n > 0 ? times->us[times->n / 2] : UINT32_MAX;
}
