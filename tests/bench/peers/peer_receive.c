/* peer_receive.c - see peer_receive.h. */
#include "peer_receive.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/base/clocks.h"

#define LINGER_MS 300 /* for a second delivery after the last first one */
#define RECEIVERS_MAX 16

struct receiver {
    struct receivers *all;
    pthread_t thread;
    struct peer_conn conn;
    struct histogram lateness;
    struct peer_receipt receipts[PEER_BATCH_MAX];
    uint64_t early, strangers, damaged;
    uint64_t last_us; /* wall clock of its last settlement */
    int rv;
};

struct receivers {
    const struct work *work;
    work_deadline *deadline;
    uint64_t first_ms;
    uint64_t patience_ms;
    unsigned char *seen; /* how often each order came, up to 2; atomic */
    uint64_t settled;    /* atomic, as are the next two */
    uint64_t last_running_ms;
    bool failed;
    unsigned n;
    struct receiver each[RECEIVERS_MAX];
};

/* The number of the order with this id; false: none of this run's. */
static bool order_number(const struct work *w, const char *id, uint64_t *number)
{
    char expected[BENCH_ID_SIZE];

    *number = 0;
    for (unsigned i = 9; i < BENCH_ID_SIZE; i++) {
        *number = *number * 10 + (uint64_t)(id[i] - '0');
    }
    bench_id(w->run, *number, expected);
    return *number < w->orders && memcmp(expected, id, sizeof expected) == 0;
}

static void receiver_note(struct receiver *r, const struct peer_receipt *receipt, uint64_t at_us)
{
    struct receivers *all = r->all;
    struct peer_order expected;
    uint64_t number;

    if (!order_number(all->work, receipt->id, &number)) {
        r->strangers++;
        return;
    }
    work_order(all->work, number, &expected);
    r->damaged += memcmp(expected.payload, receipt->payload, sizeof expected.payload) != 0;
    uint64_t due_us = all->deadline(all->work, all->first_ms, number) * 1000;
    r->early += at_us < due_us;
    if (__atomic_fetch_add(&all->seen[number], 1, __ATOMIC_RELAXED) == 0) {
        histogram_add(&r->lateness, at_us > due_us ? at_us - due_us : 0);
    }
}

static bool receivers_may_end(struct receivers *all)
{
    uint64_t quiet_ms = clocks_running_ms() -
                        __atomic_load_n(&all->last_running_ms, __ATOMIC_RELAXED);
    uint64_t settled = __atomic_load_n(&all->settled, __ATOMIC_RELAXED);

    return __atomic_load_n(&all->failed, __ATOMIC_RELAXED) ||
           quiet_ms > (settled >= all->work->orders ? LINGER_MS : all->patience_ms);
}

static void *receiver_run(void *argument)
{
    struct receiver *r = argument;
    struct receivers *all = r->all;

    while (r->rv == 0 && !receivers_may_end(all)) {
        int n = peer.receive(&r->conn, r->receipts, PEER_BATCH_MAX);
        uint64_t at_us = clocks_wall_us();
        for (int i = 0; i < n; i++) {
            receiver_note(r, &r->receipts[i], at_us);
        }
        r->rv = n < 0 ? -1 : 0;
        if (n > 0 && peer.settle != NULL) {
            r->rv = peer.settle(&r->conn, r->receipts, (unsigned)n);
        }
        if (r->rv != 0) {
            __atomic_store_n(&all->failed, true, __ATOMIC_RELAXED);
        } else if (n > 0) {
            r->last_us = clocks_wall_us();
            __atomic_store_n(&all->last_running_ms, clocks_running_ms(), __ATOMIC_RELAXED);
            __atomic_fetch_add(&all->settled, (uint64_t)n, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

int receivers_open(const struct work *w, struct receivers **out)
{
    struct receivers *all = calloc(1, sizeof *all);
    int rv = 0;

    *out = all;
    if (all == NULL || (all->seen = calloc(w->orders, 1)) == NULL) {
        fprintf(stderr, "peer: out of memory\n");
        return 3;
    }
    all->work = w;
    while (rv == 0 && all->n < peer.receivers && all->n < RECEIVERS_MAX) {
        struct receiver *r = &all->each[all->n];
        r->all = all;
        rv = work_open(w, &r->conn, all->n);
        all->n += rv == 0;
        if (rv == 0 && peer.listen != NULL && peer.listen(&r->conn) != 0) {
            rv = work_explain("listening", &r->conn);
        }
    }
    return rv;
}

/* Was everything delivered as it should be? */
static int receivers_judge(const struct receivers *all)
{
    uint64_t lost = 0, duplicates = 0, early = 0, strangers = 0, damaged = 0;

    for (uint64_t i = 0; i < all->work->orders; i++) {
        lost += all->seen[i] == 0;
        duplicates += all->seen[i] > 1;
    }
    for (unsigned i = 0; i < all->n; i++) {
        early += all->each[i].early;
        strangers += all->each[i].strangers;
        damaged += all->each[i].damaged;
    }
    if (lost + duplicates + early + strangers + damaged == 0) {
        return 0;
    }
    fprintf(stderr,
            "peer: of %llu orders %llu were not delivered and %llu more than once; %llu deliveries"
            " were early, %llu of another order, %llu with another payload\n",
            (unsigned long long)all->work->orders, (unsigned long long)lost,
            (unsigned long long)duplicates, (unsigned long long)early,
            (unsigned long long)strangers, (unsigned long long)damaged);
    return 1;
}

static int receivers_sum(struct receivers *all, struct receive_result *result)
{
    uint64_t last_us = 0;
    int rv = 0;

    *result = (struct receive_result){0};
    for (unsigned i = 0; i < all->n; i++) {
        const struct receiver *r = &all->each[i];
        if (rv == 0 && r->rv != 0) {
            rv = work_explain("receiving", &r->conn);
        }
        last_us = r->last_us > last_us ? r->last_us : last_us;
        histogram_merge(&result->lateness, &r->lateness);
    }
    result->settled_s = ((double)last_us - (double)all->first_ms * 1000) / 1e6;
    return rv != 0 ? rv : receivers_judge(all);
}

int receivers_run(struct receivers *all, work_deadline *deadline, uint64_t first_ms,
                  uint64_t patience_ms, struct receive_result *result)
{
    unsigned started = 0;

    all->deadline = deadline;
    all->first_ms = first_ms;
    all->patience_ms = patience_ms;
    all->last_running_ms = clocks_running_ms();
    while (started < all->n && pthread_create(&all->each[started].thread, NULL, receiver_run,
                                              &all->each[started]) == 0) {
        started++;
    }
    if (started < all->n) {
        fprintf(stderr, "peer: a thread does not start\n");
        __atomic_store_n(&all->failed, true, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(all->each[i].thread, NULL);
    }
    return started < all->n ? 3 : receivers_sum(all, result);
}

void receivers_close(struct receivers *all)
{
    for (unsigned i = 0; all != NULL && i < all->n; i++) {
        peer.close(&all->each[i].conn);
    }
    if (all != NULL) {
        free(all->seen);
    }
    free(all);
}
