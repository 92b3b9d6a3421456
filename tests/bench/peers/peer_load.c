/* peer_load.c - see peer_load.h. Every connection is open before the clock starts. */
#include "peer_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../../client/base/clocks.h"

struct load {
    const struct work *work;
    bool takes_back;
    work_deadline *deadline;
    uint64_t base_ms;
    uint64_t *handles;
    uint64_t next; /* number of the next order that nobody has taken; atomic */
    bool failed;   /* atomic */
};

struct load_thread {
    struct load *load;
    pthread_t thread;
    struct peer_conn conn;
    struct histogram latency;
    struct peer_order orders[PEER_BATCH_MAX];
    int rv;
};

static void load_fill(const struct load *l, uint64_t first, unsigned n, struct peer_order *orders)
{
    for (unsigned i = 0; i < n; i++) {
        work_order(l->work, first + i, &orders[i]);
        orders[i].handle = l->handles != NULL ? l->handles[first + i] : 0;
        orders[i].deadline_ms = l->deadline != NULL ? l->deadline(l->work, l->base_ms, first + i)
                                                    : 0;
    }
}

static void *load_run(void *argument)
{
    struct load_thread *t = argument;
    struct load *l = t->load;
    const uint64_t orders = l->work->orders;
    unsigned batch = l->work->batch;

    while (!__atomic_load_n(&l->failed, __ATOMIC_RELAXED)) {
        uint64_t first = __atomic_fetch_add(&l->next, batch, __ATOMIC_RELAXED);
        if (first >= orders) {
            break;
        }
        unsigned n = orders - first < batch ? (unsigned)(orders - first) : batch;
        load_fill(l, first, n, t->orders);
        uint64_t began_us = clocks_running_us();
        t->rv = l->takes_back ? peer.take_back(&t->conn, t->orders, n)
                              : peer.put(&t->conn, t->orders, n);
        if (t->rv != 0) {
            __atomic_store_n(&l->failed, true, __ATOMIC_RELAXED);
            break;
        }
        histogram_add(&t->latency, clocks_running_us() - began_us);
        for (unsigned i = 0; i < n && !l->takes_back && l->handles != NULL; i++) {
            l->handles[first + i] = t->orders[i].handle;
        }
    }
    return NULL;
}

static int load_start(struct load_thread *threads, unsigned n)
{
    unsigned started = 0;

    while (started < n &&
           pthread_create(&threads[started].thread, NULL, load_run, &threads[started]) == 0) {
        started++;
    }
    if (started < n) {
        __atomic_store_n(&threads[0].load->failed, true, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
    }
    return started == n ? 0 : -1;
}

static int load_all(struct load *l, struct load_result *result)
{
    unsigned n = l->work->threads;
    struct load_thread *threads = calloc(n, sizeof *threads);
    unsigned opened = 0;
    int rv = threads != NULL ? 0 : 3;

    while (rv == 0 && opened < n) {
        threads[opened].load = l;
        rv = work_open(l->work, &threads[opened].conn, opened);
        opened += rv == 0;
    }
    *result = (struct load_result){0};
    if (rv == 0) {
        uint64_t began_us = clocks_running_us();
        rv = load_start(threads, n) == 0 ? 0 : 3;
        result->seconds = (double)(clocks_running_us() - began_us) / 1e6;
    }
    for (unsigned i = 0; i < opened; i++) {
        if (rv == 0 && threads[i].rv != 0) {
            rv = work_explain(l->takes_back ? "taking orders back" : "putting orders",
                              &threads[i].conn);
        }
        histogram_merge(&result->latency, &threads[i].latency);
        peer.close(&threads[i].conn);
    }
    free(threads);
    return rv;
}

int load_put(const struct work *w, work_deadline *deadline, uint64_t base_ms, uint64_t *handles,
             struct load_result *result)
{
    struct load l = {.work = w, .deadline = deadline, .base_ms = base_ms, .handles = handles};

    return load_all(&l, result);
}

int load_take_back(const struct work *w, const uint64_t *handles, struct load_result *result)
{
    struct load l = {.work = w, .takes_back = true, .handles = (uint64_t *)handles};

    return load_all(&l, result);
}
