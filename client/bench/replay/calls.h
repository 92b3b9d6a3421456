/* calls.h - makes many calls at their times, keeps what each was answered.
 *
 * A heap holds what is to be called when; a bounded number of calls is outstanding. What was
 * refused on entry (busy, no leader, unreachable) did nothing and is tried again for a while,
 * as a shop would. A pay is put in when its schedule has been answered. */
#ifndef ORDERBENCH_CALLS_H
#define ORDERBENCH_CALLS_H

#include <pthread.h>

#include "../../ordersched.h"
#include "judge.h"
#include "replay_plan.h"

#define CALLS_OUTSTANDING_MAX 1024
#define CALLS_RETRY_MS 250
#define CALLS_PERSIST_MS 60000 /* how long a refused call is tried again */

enum call_kind { CALL_SCHEDULE, CALL_PAY, CALL_GET };

struct calls;

struct call_slot {
    struct calls *calls;
    uint32_t order;
    enum call_kind kind;
    uint64_t first_ms; /* running clock: when it was due first */
};

struct due {
    uint64_t at_ms; /* running clock */
    struct call_slot *slot;
};

struct calls_counts {
    uint64_t scheduled, paid, too_late, unknown, refused, read;
};

struct calls {
    const struct replay_config *config;
    const struct bench_orders *orders;
    ordersched_client *client;
    struct judge_order *history; /* one for each order */
    struct call_slot *slots;     /* three for each order */
    struct due *heap;
    size_t n_heap;
    size_t cap_heap;
    unsigned outstanding;
    struct calls_counts counts;
    pthread_mutex_t mutex; /* guards all above that changes */
    pthread_cond_t wake;
};

/* 0, or -1 without memory. Close in both cases. The configuration and orders must outlive it. */
int calls_open(struct calls *c, const struct replay_config *config,
               const struct bench_orders *orders, ordersched_client *client);
/* Call this for this order, at this time of the running clock. */
void calls_add(struct calls *c, enum call_kind kind, size_t order, uint64_t at_ms);
/* Make the calls that are due, then wait for an event, at most until `until_ms` of the running
 * clock. True when there is nothing left to do or to wait for. */
bool calls_tick(struct calls *c, uint64_t until_ms);
/* A copy, for the progress line. */
void calls_peek(struct calls *c, struct calls_counts *counts, unsigned *outstanding);
/* After the client is closed. */
void calls_close(struct calls *c);

#endif
