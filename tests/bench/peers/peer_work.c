/* peer_work.c - see peer_work.h. */
#include "peer_work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../client/base/clocks.h"
#include "../../../client/bench/measure/process.h"
#include "peer_load.h"
#include "peer_receive.h"

#define OPEN_PATIENCE_MS 60000
#define OPEN_PAUSE_US 2000
#define ATTEMPT_MS 250 /* as with our own nodes */
#define HOUR_MS (3600ull * 1000)

int peer_fail(struct peer_conn *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(c->error, sizeof c->error, format, arguments);
    va_end(arguments);
    return -1;
}

int work_explain(const char *doing, const struct peer_conn *c)
{
    fprintf(stderr, "peer: %s: %s\n", doing, c->error);
    return 3;
}

void work_order(const struct work *w, uint64_t number, struct peer_order *o)
{
    *o = (struct peer_order){0};
    bench_id(w->run, number, o->id);
    for (unsigned i = 0; i < sizeof o->payload; i++) {
        o->payload[i] = (char)('a' + (number + i) % 26);
    }
}

void work_add(const struct work *w, const char *name, double value)
{
    json_object_set_new(w->row, name, json_real((double)(int64_t)(value * 1000 + 0.5) / 1000));
}

void work_add_latency(const struct work *w, const struct histogram *h)
{
    work_add(w, "p50_ms", (double)histogram_quantile(h, 0.5) / 1000);
    work_add(w, "p99_ms", (double)histogram_quantile(h, 0.99) / 1000);
    work_add(w, "max_ms", (double)h->max / 1000);
}

/* ---- connections ---- */

int work_open(const struct work *w, struct peer_conn *c, unsigned number)
{
    uint64_t give_up_ms = clocks_running_ms() + OPEN_PATIENCE_MS;

    for (;;) {
        *c = (struct peer_conn){.target = &w->target, .number = number};
        if (peer.open(c) == 0) {
            return 0;
        }
        if (clocks_running_ms() >= give_up_ms) {
            return work_explain("connecting", c);
        }
        usleep(OPEN_PAUSE_US);
    }
}

/* Until the server answers as it should: a cluster may have no leader yet, a replica not have
 * joined. */
static int ask_patiently(struct work *w, bool creates)
{
    uint64_t give_up_ms = clocks_running_ms() + OPEN_PATIENCE_MS;
    struct peer_conn c;

    for (;;) {
        int rv = work_open(w, &c, 0);
        if (rv != 0) {
            return rv;
        }
        bool is_up = peer.describe(&c, w->row, w->settings) == 0 &&
                     (!creates || peer.create == NULL || peer.create(&c) == 0);
        peer.close(&c);
        if (is_up) {
            return 0;
        }
        if (clocks_running_ms() >= give_up_ms) {
            return work_explain("preparing", &c);
        }
        usleep(100 * 1000);
    }
}

int work_prepare(struct work *w)
{
    return ask_patiently(w, true);
}

/* Some servers count a moment later. */
static int count_between(const struct work *w, uint64_t least, uint64_t most)
{
    uint64_t give_up_ms = clocks_running_ms() + w->patience_ms;
    struct peer_conn c;
    uint64_t n = 0;
    int rv = work_open(w, &c, 0);

    if (rv != 0) {
        return rv;
    }
    while ((rv = peer.count(&c, &n)) == 0 && (n < least || n > most) &&
           clocks_running_ms() < give_up_ms) {
        usleep(20 * 1000);
    }
    if (rv != 0) {
        rv = work_explain("counting", &c);
    } else if (n < least || n > most) {
        fprintf(stderr, "peer: it holds %llu orders, not %llu\n", (unsigned long long)n,
                (unsigned long long)least);
        rv = 1;
    }
    peer.close(&c);
    return rv;
}

int work_expect(const struct work *w, uint64_t n)
{
    return count_between(w, n, n);
}

/* ---- deadlines ---- */

static uint64_t deadline_ahead(const struct work *w, uint64_t base_ms, uint64_t number)
{
    (void)w;
    return base_ms + (peer.has_one_delay ? HOUR_MS : bench_delay_ms(number));
}

static uint64_t deadline_spread(const struct work *w, uint64_t base_ms, uint64_t number)
{
    return base_ms + number * w->over_ms / w->orders;
}

static uint64_t deadline_instant(const struct work *w, uint64_t base_ms, uint64_t number)
{
    (void)w;
    (void)number;
    return base_ms;
}

/* ---- works ---- */

static void work_add_load(const struct work *w, const struct load_result *result)
{
    work_add(w, "seconds", result->seconds);
    work_add(w, "ops_per_s", (double)w->orders / result->seconds);
    work_add_latency(w, &result->latency);
}

static int put_ahead(struct work *w, uint64_t *handles, struct load_result *result)
{
    int rv = load_put(w, deadline_ahead, clocks_wall_ms(), handles, result);

    return rv != 0 ? rv : work_expect(w, w->orders);
}

int work_schedule(struct work *w)
{
    struct load_result *result = malloc(sizeof *result);
    int rv = result != NULL ? work_prepare(w) : 3;

    rv = rv != 0 ? rv : put_ahead(w, NULL, result);
    if (rv == 0) {
        work_add_load(w, result);
    }
    free(result);
    return rv;
}

int work_pay(struct work *w)
{
    struct load_result *result = malloc(sizeof *result);
    uint64_t *handles = calloc(w->orders, sizeof *handles);
    int rv = result != NULL && handles != NULL ? 0 : 3;

    if (peer.take_back == NULL) {
        fprintf(stderr, "peer: it cannot take an order back\n");
        rv = 3;
    }
    rv = rv != 0 ? rv : work_prepare(w);
    rv = rv != 0 ? rv : put_ahead(w, handles, result);
    rv = rv != 0 ? rv : load_take_back(w, handles, result);
    rv = rv != 0 ? rv : work_expect(w, 0);
    if (rv == 0) {
        work_add_load(w, result);
    }
    free(handles);
    free(result);
    return rv;
}

/* Put orders that become due soon, and receive them. */
static int work_deliver(struct work *w, work_deadline *deadline, struct receive_result *received)
{
    struct load_result *result = malloc(sizeof *result);
    struct receivers *receivers = NULL;
    struct work putting = *w;
    int rv = result != NULL ? work_prepare(w) : 3;

    if (peer.has_one_delay) {
        putting.threads = 1; /* else they would not arrive in order */
    }
    rv = rv != 0 ? rv : receivers_open(w, &receivers);
    uint64_t first_ms = clocks_wall_ms() + w->lead_ms;
    rv = rv != 0 ? rv : load_put(&putting, deadline, first_ms, NULL, result);
    if (rv == 0 && clocks_wall_ms() >= first_ms) {
        fprintf(stderr,
                "peer: putting took %.1f s, longer than until the first deadline; give it"
                " more time with --lead\n",
                result->seconds);
        rv = 3;
    }
    rv = rv != 0 ? rv
                 : receivers_run(receivers, deadline, first_ms,
                                 first_ms - clocks_wall_ms() + w->patience_ms, received);
    receivers_close(receivers); /* what has not been settled counts again */
    rv = rv != 0 ? rv : work_expect(w, 0);
    free(result);
    return rv;
}

static int work_due(struct work *w, work_deadline *deadline)
{
    struct receive_result *received = malloc(sizeof *received);
    int rv = received != NULL ? work_deliver(w, deadline, received) : 3;

    if (rv == 0) {
        work_add(w, "seconds", received->settled_s);
        work_add(w, "ops_per_s", (double)w->orders / received->settled_s);
        work_add_latency(w, &received->lateness);
    }
    free(received);
    return rv;
}

int work_fire(struct work *w)
{
    return work_due(w, deadline_spread);
}

int work_drain(struct work *w)
{
    return work_due(w, deadline_instant);
}

/* What the servers take: the largest of them counts, as with our own nodes. */
static int memory_read(const struct work *w, uint64_t taken[WORK_PIDS_MAX], unsigned *n)
{
    struct peer_conn c;
    int rv = 0;

    *n = w->n_pids;
    if (peer.stored_bytes != NULL) {
        *n = 1;
        rv = work_open(w, &c, 0);
        if (rv == 0) {
            rv = peer.stored_bytes(&c, &taken[0]) == 0 ? 0 : work_explain("asking its size", &c);
            peer.close(&c);
        }
        return rv;
    }
    for (unsigned i = 0; i < w->n_pids; i++) {
        struct bench_usage usage;
        if (!bench_process_usage(w->pids[i], &usage)) {
            fprintf(stderr, "peer: no server has the process id %d\n", w->pids[i]);
            return 3;
        }
        taken[i] = usage.rss_bytes;
    }
    return 0;
}

int work_memory(struct work *w)
{
    struct load_result *result = malloc(sizeof *result);
    uint64_t before[WORK_PIDS_MAX], after[WORK_PIDS_MAX];
    double most = 0;
    unsigned n = 0;
    int rv = result != NULL ? work_prepare(w) : 3;

    rv = rv != 0 ? rv : memory_read(w, before, &n);
    rv = rv != 0 ? rv : put_ahead(w, NULL, result);
    rv = rv != 0 ? rv : memory_read(w, after, &n);
    for (unsigned i = 0; rv == 0 && i < n; i++) {
        double grown = (double)after[i] - (double)before[i];
        most = grown > most ? grown : most;
    }
    if (rv == 0) {
        work_add(w, "seconds", result->seconds);
        work_add(w, "bytes_per_order", most / (double)w->orders);
    }
    free(result);
    return rv;
}

/* After a restart with all orders: the time until one more is acknowledged. An attempt whose
 * answer never came may have been taken all the same. */
int work_serves(struct work *w)
{
    uint64_t give_up_ms = clocks_running_ms() + OPEN_PATIENCE_MS;
    struct peer_conn c;
    struct peer_order o;
    uint64_t attempts = 0;
    bool served = false;
    double seconds = 0;

    w->target.answer_ms = ATTEMPT_MS;
    while (!served) {
        int rv = work_open(w, &c, 0);
        if (rv != 0) {
            return rv;
        }
        work_order(w, w->orders + attempts++, &o);
        o.deadline_ms = deadline_ahead(w, clocks_wall_ms(), w->orders);
        served = peer.put(&c, &o, 1) == 0;
        seconds = (double)(clocks_wall_us() - w->since_us) / 1e6;
        peer.close(&c);
        if (!served && clocks_running_ms() >= give_up_ms) {
            return work_explain("waiting until it serves", &c);
        }
        if (!served) {
            usleep(OPEN_PAUSE_US);
        }
    }
    work_add(w, "seconds", seconds);
    int rv = ask_patiently(w, false);
    return rv != 0 ? rv : count_between(w, w->orders + 1, w->orders + attempts);
}
