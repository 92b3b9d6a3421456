/* crew.c - see crew.h. */
#include "crew.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 500
#define SETTLE_MS 30000

/* One thread's place. */
struct member {
    struct crew *crew;
    unsigned number;
};

__attribute__((format(printf, 2, 3))) static void violation(struct crew *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("violation: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    c->violations++;
}

static struct crew_order *order_of(struct crew *c, const struct ordersched_job *job)
{
    char id[ORDERSCHED_ID_MAX + 1] = "";
    unsigned number;

    memcpy(id, job->id, job->id_len);
    char *dash = strrchr(id, '-');
    if (dash == NULL || sscanf(dash + 1, "%u", &number) != 1 || number >= c->n_orders) {
        violation(c, "an order %s that nobody made", id);
        return NULL;
    }
    return &c->orders[number];
}

static void ledger_take(struct crew *c, const struct ordersched_job *job)
{
    struct crew_order *o = order_of(c, job);
    uint64_t epoch = 0, index = 0;

    if (o == NULL) {
        return;
    }
    if (sscanf(job->fence, "%" SCNu64 ".%" SCNu64, &epoch, &index) != 2 || epoch < o->epoch ||
        (epoch == o->epoch && index < o->index)) {
        violation(c, "%.*s: fence %s after %" PRIu64 ".%" PRIu64, (int)job->id_len, job->id,
                  job->fence, o->epoch, o->index);
    }
    if (o->settled) {
        violation(c, "%.*s: given out again after its report was answered OK", (int)job->id_len,
                  job->id);
    }
    if (o->held && epoch == o->epoch) {
        violation(c, "%.*s: held twice under one leadership", (int)job->id_len, job->id);
    }
    if (o->effects == 0 || strcmp(o->key, job->key) != 0) {
        o->effects++;
        memcpy(o->key, job->key, sizeof o->key);
    }
    o->deliveries++;
    o->epoch = epoch;
    o->index = index;
    o->held = true;
}

static void ledger_settle(struct crew *c, const struct ordersched_job *job,
                          const struct ordersched_settled *result)
{
    struct crew_order *o = order_of(c, job);
    uint64_t epoch = 0;

    if (o == NULL || sscanf(job->fence, "%" SCNu64, &epoch) != 1) {
        return;
    }
    if (result->error == ORDERSCHED_OK) {
        if (result->state != ORDERSCHED_EXPIRED || result->index == 0) {
            violation(c, "%.*s: settled as %s", (int)job->id_len, job->id,
                      ordersched_state_name(result->state));
        }
        c->n_settled += !o->settled;
        o->settled = true;
    }
    if (epoch == o->epoch) {
        o->held = false; /* unless another worker has it by now */
    }
}

static unsigned member_work(struct crew *c, ordersched_worker *w,
                            const struct ordersched_jobs *jobs)
{
    struct ordersched_report *reports = calloc(jobs->n, sizeof *reports);
    struct ordersched_settled *results = calloc(jobs->n, sizeof *results);
    unsigned settled = 0;

    if (reports == NULL || results == NULL) {
        abort();
    }
    for (unsigned i = 0; i < jobs->n; i++) {
        reports[i] = (struct ordersched_report){.token = jobs->list[i].token,
                                                .outcome = ORDERSCHED_OUTCOME_EXPIRED};
    }
    sleep_ms(c->work_ms);
    while (ordersched_worker_settle(w, reports, jobs->n, SETTLE_MS, results) != ORDERSCHED_OK) {
        sleep_ms(50);
    }
    pthread_mutex_lock(&c->mutex);
    for (unsigned i = 0; i < jobs->n; i++) {
        ledger_settle(c, &jobs->list[i], &results[i]);
        settled += results[i].error == ORDERSCHED_OK;
    }
    pthread_mutex_unlock(&c->mutex);
    free(reports);
    free(results);
    return settled;
}

static void *member_run(void *arg)
{
    struct member *m = arg;
    struct crew *c = m->crew;
    ordersched_client *client = cluster_client(c->cluster);
    ordersched_worker *w;
    char name[32];

    snprintf(name, sizeof name, "crew-%u", m->number);
    if (ordersched_worker_open(client, c->route, name, &w) != ORDERSCHED_OK) {
        abort();
    }
    while (!c->stop) {
        struct ordersched_jobs *jobs;
        if (ordersched_worker_reserve(w, c->batch, WAIT_MS, &jobs) != ORDERSCHED_OK) {
            sleep_ms(20);
            continue;
        }
        pthread_mutex_lock(&c->mutex);
        for (unsigned i = 0; i < jobs->n; i++) {
            ledger_take(c, &jobs->list[i]);
        }
        pthread_mutex_unlock(&c->mutex);
        if (jobs->n > 0) {
            c->shares[m->number] += member_work(c, w, jobs);
        }
        ordersched_jobs_free(jobs);
    }
    ordersched_worker_close(w);
    ordersched_close(client);
    free(m);
    return NULL;
}

void crew_start(struct crew *c, const struct cluster *cluster, const char *route, unsigned n,
                unsigned batch, unsigned work_ms, unsigned n_orders)
{
    *c = (struct crew){.cluster = cluster,
                       .route = route,
                       .n = n,
                       .batch = batch,
                       .work_ms = work_ms,
                       .n_orders = n_orders};
    pthread_mutex_init(&c->mutex, NULL);
    c->orders = calloc(n_orders, sizeof *c->orders);
    for (unsigned i = 0; i < n; i++) {
        struct member *m = malloc(sizeof *m);
        if (m == NULL || c->orders == NULL) {
            abort();
        }
        *m = (struct member){c, i};
        if (pthread_create(&c->threads[i], NULL, member_run, m) != 0) {
            abort();
        }
    }
}

unsigned crew_held(struct crew *c)
{
    unsigned held = 0;

    pthread_mutex_lock(&c->mutex);
    for (unsigned i = 0; i < c->n_orders; i++) {
        held += c->orders[i].held && !c->orders[i].settled;
    }
    pthread_mutex_unlock(&c->mutex);
    return held;
}

bool crew_wait_settled(struct crew *c, unsigned n, unsigned timeout_ms)
{
    uint64_t until_ms = monotonic_ms() + timeout_ms;
    unsigned settled;

    do {
        sleep_ms(5);
        pthread_mutex_lock(&c->mutex);
        settled = c->n_settled;
        pthread_mutex_unlock(&c->mutex);
    } while (settled < n && monotonic_ms() < until_ms);
    return settled >= n;
}

void crew_stop(struct crew *c)
{
    c->stop = true;
    for (unsigned i = 0; i < c->n; i++) {
        pthread_join(c->threads[i], NULL);
    }
    c->n = 0;
}

void crew_free(struct crew *c)
{
    free(c->orders);
    pthread_mutex_destroy(&c->mutex);
}
