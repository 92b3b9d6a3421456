/* workers.h - the workers of a measurement: threads of this process, each with a client
 * of its own, that take due orders, note when they got them, and settle them as expired.
 *
 * What they noted is accounted for after they ended. As a worker should, they do an order once by
 * its idempotency key: a repeat is a delivery without an effect. */
#ifndef ORDERBENCH_WORKERS_H
#define ORDERBENCH_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "setup.h"
#include "tally.h"

#define BENCH_WORKERS_MAX 64

struct bench_workers;

/* One order that a worker got. */
struct worker_note {
    char id[PLAN_ID_SIZE];
    char key[ORDERSCHED_KEY_SIZE];
    uint64_t deadline_ms;
    uint64_t arrived_us; /* wall clock, when the reservation's answer was here */
};

struct bench_worker {
    struct bench_workers *workers;
    pthread_t thread;
    struct worker_note *notes;
    size_t n_notes;
    size_t cap_notes;
    int error; /* enum ordersched_error: why it ended early, or OK */
};

struct bench_workers {
    const struct bench_setup *setup;
    const char *route;
    unsigned batch; /* orders reserved and settled at a time, at most */
    /* Takes each order in place of the notes, on a worker's thread. NULL, or set before start. */
    void (*take)(void *arg, const struct ordersched_job *job, uint64_t arrived_us);
    void *take_arg;
    unsigned n;
    atomic_bool stop;
    struct bench_worker list[BENCH_WORKERS_MAX];
};

/* Start n of them. 0, or an exit code of orderbench after a sentence on stderr. Stop in both cases;
 * start from zeroed memory. */
int bench_workers_start(struct bench_workers *w, const struct bench_setup *setup, const char *route,
                        unsigned n, unsigned batch);
/* End them, after what they hold is settled. 0, or an exit code after a sentence: one failed. */
int bench_workers_stop(struct bench_workers *w);
/* Add what they noted to the tally. 0, or -1 without memory. After stop. */
int bench_workers_account(const struct bench_workers *w, struct tally *tally);
void bench_workers_free(struct bench_workers *w); /* after stop */

#endif
