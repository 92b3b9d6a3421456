/* workers.c - see workers.h. */
#include "workers.h"

#include <stdlib.h>
#include <string.h>

#include "../../base/clocks.h"

#define WORKER_WAIT_MS 500 /* for due orders: how long a stop can take */

/* ---- a worker ---- */

static bool note(struct bench_worker *w, const struct ordersched_job *job, uint64_t arrived_us)
{
    if (w->workers->take != NULL) {
        w->workers->take(w->workers->take_arg, job, arrived_us);
        return true;
    }
    if (w->n_notes == w->cap_notes) {
        size_t cap = w->cap_notes == 0 ? 1024 : 2 * w->cap_notes;
        struct worker_note *grown = realloc(w->notes, cap * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        w->notes = grown;
        w->cap_notes = cap;
    }
    struct worker_note *n = &w->notes[w->n_notes++];
    snprintf(n->id, sizeof n->id, "%.*s", (int)job->id_len, (const char *)job->id);
    memcpy(n->key, job->key, sizeof n->key);
    n->deadline_ms = job->deadline_ms;
    n->arrived_us = arrived_us;
    return true;
}

/* There is no leader for a while, or it has too much to do. What a call has done of which nothing is
 * known comes to light: orders that were given out come again when their lease is over. */
static bool may_pass(int error)
{
    return error == ORDERSCHED_UNREACHABLE || error == ORDERSCHED_BUSY ||
           error == ORDERSCHED_NOT_LEADER || error == ORDERSCHED_SHUTTING_DOWN ||
           ordersched_error_class(error) == ORDERSCHED_UNKNOWN;
}

/* Repeated until something is known, or nobody is to work any more. A report that came too late is no
 * matter here: the order is given out again. */
static int settle(ordersched_worker *worker, const struct ordersched_jobs *jobs,
                  unsigned timeout_ms, const atomic_bool *stop)
{
    struct ordersched_report reports[1000];
    struct ordersched_settled results[1000];
    int rv;

    for (uint32_t i = 0; i < jobs->n; i++) {
        reports[i] = (struct ordersched_report){.token = jobs->list[i].token,
                                                .outcome = ORDERSCHED_OUTCOME_EXPIRED};
    }
    do {
        rv = ordersched_worker_settle(worker, reports, jobs->n, timeout_ms, results);
    } while (may_pass(rv) && !atomic_load(stop));
    return may_pass(rv) ? ORDERSCHED_OK : rv;
}

static int work_once(struct bench_worker *w, ordersched_worker *worker)
{
    struct ordersched_jobs *jobs;
    int rv = ordersched_worker_reserve(worker, w->workers->batch, WORKER_WAIT_MS, &jobs);
    uint64_t arrived_us = clocks_wall_us();

    if (may_pass(rv)) {
        return ORDERSCHED_OK;
    }
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    for (uint32_t i = 0; i < jobs->n && rv == ORDERSCHED_OK; i++) {
        rv = note(w, &jobs->list[i], arrived_us) ? ORDERSCHED_OK : ORDERSCHED_NO_MEMORY;
    }
    if (rv == ORDERSCHED_OK && jobs->n > 0) {
        rv = settle(worker, jobs, w->workers->setup->timeout_ms, &w->workers->stop);
    }
    ordersched_jobs_free(jobs);
    return rv;
}

static void *worker_main(void *arg)
{
    struct bench_worker *w = arg;
    const struct bench_setup *setup = w->workers->setup;
    struct ordersched_config config = {.endpoints = setup->endpoints,
                                       .cluster = setup->cluster,
                                       .timeout_ms = setup->timeout_ms};
    ordersched_client *client = NULL;
    ordersched_worker *worker = NULL;
    int rv = ordersched_open(&config, &client);

    if (rv == ORDERSCHED_OK) {
        rv = ordersched_worker_open(client, w->workers->route, "orderbench", &worker);
    }
    while (rv == ORDERSCHED_OK && !atomic_load(&w->workers->stop)) {
        rv = work_once(w, worker);
    }
    ordersched_worker_close(worker);
    ordersched_close(client);
    w->error = rv;
    return NULL;
}

/* ---- all of them ---- */

int bench_workers_start(struct bench_workers *w, const struct bench_setup *setup, const char *route,
                        unsigned n, unsigned batch)
{
    w->setup = setup;
    w->route = route;
    w->batch = batch;
    while (w->n < n) {
        struct bench_worker *one = &w->list[w->n];
        one->workers = w;
        if (pthread_create(&one->thread, NULL, worker_main, one) != 0) {
            fprintf(stderr, "orderbench: cannot start a thread for a worker\n");
            return 3;
        }
        w->n++;
    }
    return 0;
}

int bench_workers_stop(struct bench_workers *w)
{
    int rv = 0;

    atomic_store(&w->stop, true);
    for (unsigned i = 0; i < w->n; i++) {
        pthread_join(w->list[i].thread, NULL);
        if (w->list[i].error != ORDERSCHED_OK && rv == 0) {
            rv = bench_explain(w->list[i].error, NULL, "working");
        }
    }
    return rv;
}

/* In order of order and key; of equal ones the first first. */
static int compare_notes(const void *a, const void *b)
{
    const struct worker_note *x = a;
    const struct worker_note *y = b;
    int rv = strcmp(x->id, y->id);

    rv = rv != 0 ? rv : strcmp(x->key, y->key);
    return rv != 0 ? rv : (x->arrived_us > y->arrived_us) - (x->arrived_us < y->arrived_us);
}

int bench_workers_account(const struct bench_workers *w, struct tally *tally)
{
    size_t n = 0;
    size_t at = 0;

    for (unsigned i = 0; i < w->n; i++) {
        n += w->list[i].n_notes;
    }
    struct worker_note *all = calloc(n > 0 ? n : 1, sizeof *all);
    if (all == NULL) {
        return -1;
    }
    for (unsigned i = 0; i < w->n; i++) {
        if (w->list[i].n_notes > 0) {
            memcpy(all + at, w->list[i].notes, w->list[i].n_notes * sizeof *all);
            at += w->list[i].n_notes;
        }
    }
    qsort(all, n, sizeof *all, compare_notes);
    for (size_t i = 0; i < n; i++) {
        bool repeat = i > 0 && strcmp(all[i].id, all[i - 1].id) == 0 &&
                      strcmp(all[i].key, all[i - 1].key) == 0;
        if (!plan_owns(tally->plan, all[i].id)) {
            continue; /* left over from another run */
        }
        if (!repeat) {
            tally_effect(tally, all[i].id);
        }
        tally_delivery(tally, all[i].id, all[i].deadline_ms, all[i].arrived_us);
    }
    free(all);
    return 0;
}

void bench_workers_free(struct bench_workers *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        free(w->list[i].notes);
    }
}
