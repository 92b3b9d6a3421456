/* drain.c - see drain.h. */
#include "drain.h"

#include <stdlib.h>
#include <string.h>

#include "measure/flags.h"
#include "measure/phase.h"
#include "measure/workers.h"
#include "../text/units.h"

#define DRAIN_ROUTE "orderbench-drain"
#define DRAIN_WORKER_ROUTE "orderbench-worker"
#define DRAIN_ORDERS_MAX 10000000

#define DRAIN_WORKER_CLOCK                                                                       \
    "CLOCK_REALTIME of the worker's process when its reservation's answer had arrived, against " \
    "the deadline"

enum drain_flag {
    DRAIN_ORDERS = SETUP_FLAGS,
    DRAIN_KIND,
    DRAIN_BATCH,
    DRAIN_LINGER,
    DRAIN_WORKERS,
    DRAIN_FLAGS
};

static const struct flag drain_flags[] = {
    {DRAIN_ORDERS, "orders", 0, "N", "due at one instant (100000)"},
    {DRAIN_KIND, "kind", 0, "http|worker", "of the route (http)"},
    {DRAIN_BATCH, "batch", 0, "N",
     "orders in a request, or for a worker at once, at most (1; 100)"},
    {DRAIN_LINGER, "linger", 0, "DURATION", "http: how long a batch may wait to fill (0)"},
    {DRAIN_WORKERS, "workers", 0, "W", "worker: how many there are (4)"},
    {0},
};

struct drain {
    struct bench_setup setup;
    uint64_t orders;
    uint64_t batch;
    uint64_t linger_ms;
    bool by_workers;
    uint64_t n_workers;
    const char *route;
    struct bench_workers workers;
    struct phase phase;
};

void drain_help(void)
{
    printf("drain schedules orders that are all due at one instant, for an ordersink that it\n"
           "starts or for workers of its own, and measures the time until all are settled.\n\n"
           "Flags of drain:\n");
    flags_print(drain_flags, NULL, stdout);
    flags_print(setup_flags, NULL, stdout);
}

/* What depends on the kind. */
static int drain_read_kind(struct drain *d, const char *const *values)
{
    const char *kind = values[DRAIN_KIND];

    if (kind != NULL && strcmp(kind, "http") != 0 && strcmp(kind, "worker") != 0) {
        return bench_usage("--kind is neither http nor worker", kind);
    }
    d->by_workers = kind != NULL && *kind == 'w';
    if (values[DRAIN_LINGER] != NULL && d->by_workers) {
        return bench_usage("--linger is for --kind http", NULL);
    }
    if (values[DRAIN_WORKERS] != NULL && !d->by_workers) {
        return bench_usage("--workers is for --kind worker", NULL);
    }
    d->n_workers = 4;
    if (values[DRAIN_WORKERS] != NULL &&
        !bench_parse_count(values[DRAIN_WORKERS], 1, BENCH_WORKERS_MAX, &d->n_workers)) {
        return bench_usage("--workers must be a number from 1 to 64", values[DRAIN_WORKERS]);
    }
    d->batch = d->by_workers ? 100 : 1;
    if (values[DRAIN_BATCH] != NULL &&
        !bench_parse_count(values[DRAIN_BATCH], 1, 1000, &d->batch)) {
        return bench_usage("--batch must be a number from 1 to 1000", values[DRAIN_BATCH]);
    }
    return 0;
}

static int drain_read(struct drain *d, const char *const *values)
{
    d->orders = 100000;
    if (values[DRAIN_ORDERS] != NULL &&
        !bench_parse_count(values[DRAIN_ORDERS], 1, DRAIN_ORDERS_MAX, &d->orders)) {
        return bench_usage("--orders must be a number from 1 to 10000000", values[DRAIN_ORDERS]);
    }
    if (values[DRAIN_LINGER] != NULL &&
        (!units_parse_duration(values[DRAIN_LINGER], &d->linger_ms) || d->linger_ms > 60000)) {
        return bench_usage("--linger must be a duration up to 60s", values[DRAIN_LINGER]);
    }
    int rv = drain_read_kind(d, values);
    rv = rv != 0 ? rv : bench_setup_read(&d->setup, values);
    if (values[SETUP_WINDOW] == NULL) { /* it counts orders: what workers or requests can hold */
        bench_setup_widen(&d->setup, d->by_workers ? d->n_workers : SETUP_REQUESTS, d->batch);
    }
    return rv;
}

/* ---- the run ---- */

static int drain_schedule(struct drain *d, const char *route)
{
    struct phase *p = &d->phase;

    d->route = route;

    p->plan = (struct plan){.n = d->orders, .routes = &d->route, .n_routes = 1};
    bench_make_prefix("drain", p->plan.prefix, sizeof p->plan.prefix);
    p->plan.first_ms = bench_first_deadline_ms(&d->setup, d->orders);
    return phase_schedule(p, &d->setup);
}

static int drain_http(struct drain *d)
{
    struct bench_receiver receiver;
    char reason[512];
    int rv = 3;

    if (bench_receiver_start(&receiver, RECEIVER_SINK, d->setup.host, reason, sizeof reason) != 0) {
        fprintf(stderr, "orderbench: %s\n", reason);
    } else {
        struct route_settings settings = {.kind = ROUTE_HTTP,
                                          .batch = (uint32_t)d->batch,
                                          .linger_ms = (uint32_t)d->linger_ms};
        bench_receiver_address(&receiver, &settings);
        rv = bench_put_route(&d->setup, DRAIN_ROUTE, settings);
        rv = rv != 0 ? rv : drain_schedule(d, DRAIN_ROUTE);
        rv = rv != 0 ? rv : phase_wait(&d->phase);
        rv = rv != 0 ? rv : phase_judge(&d->phase, &receiver, 1);
    }
    bench_receiver_stop(&receiver);
    bench_receiver_remove(&receiver);
    return rv;
}

static int drain_workers(struct drain *d)
{
    struct route_settings settings = {.kind = ROUTE_WORKER};

    int rv = bench_put_route(&d->setup, DRAIN_WORKER_ROUTE, settings);
    rv = rv != 0 ? rv : drain_schedule(d, DRAIN_WORKER_ROUTE);
    if (rv == 0) {
        rv = bench_workers_start(&d->workers, &d->setup, DRAIN_WORKER_ROUTE, (unsigned)d->n_workers,
                                 (unsigned)d->batch);
        rv = rv != 0 ? rv : phase_wait(&d->phase);
        int stopped = bench_workers_stop(&d->workers);
        rv = rv != 0 ? rv : stopped;
    }
    if (rv == 0 && bench_workers_account(&d->workers, &d->phase.tally) != 0) {
        rv = bench_out_of_memory();
    }
    bench_workers_free(&d->workers);
    return rv != 0 ? rv : phase_judge(&d->phase, NULL, 0);
}

/* ---- figures ---- */

static json_t *drain_settings_json(const struct drain *d)
{
    json_t *object = json_object();

    json_object_set_new(object, "window", json_integer((json_int_t)d->setup.window));
    json_object_set_new(object, "linger_ms", json_integer((json_int_t)d->linger_ms));
    json_object_set_new(object, "schedule_seconds", json_real(d->phase.schedule_s));
    json_object_set_new(object, "workers",
                        json_integer((json_int_t)(d->by_workers ? d->n_workers : 0)));
    json_object_set_new(object, "clock",
                        json_string(d->by_workers ? DRAIN_WORKER_CLOCK : PHASE_CLOCK));
    return object;
}

static int drain_print(const struct drain *d)
{
    struct table table;
    int rv = 0;

    if (d->setup.json) {
        json_t *object = json_object();
        json_object_set_new(object, "bench", json_string("drain"));
        json_object_set_new(object, "orders", json_integer((json_int_t)d->orders));
        json_object_set_new(object, "kind", json_string(d->by_workers ? "worker" : "http"));
        json_object_set_new(object, "batch", json_integer((json_int_t)d->batch));
        phase_write_json(&d->phase, object);
        json_object_set_new(object, "settings", drain_settings_json(d));
        rv = bench_print_json(object);
    } else {
        phase_table_init(&table);
        phase_table_row(&table, "drain", &d->phase);
        rv = bench_print_table(&table);
        table_free(&table);
    }
    return rv != 0 ? rv : phase_is_sound(&d->phase) ? 0 : 1;
}

int bench_drain(int argc, char **argv)
{
    const char *values[DRAIN_FLAGS] = {NULL};
    struct drain *d = calloc(1, sizeof *d);

    if (d == NULL) {
        return bench_out_of_memory();
    }
    int rv = bench_flags_read(drain_flags, setup_flags, argc, argv, values, SETUP_HELP);
    if (rv < 0) {
        drain_help();
        free(d);
        return 0;
    }
    rv = rv != 0 ? rv : drain_read(d, values);
    rv = rv != 0 ? rv : bench_setup_open(&d->setup);
    if (rv == 0) {
        rv = d->by_workers ? drain_workers(d) : drain_http(d);
        rv = rv != 0 ? rv : drain_print(d);
        phase_close(&d->phase);
        ordersched_close(d->setup.client);
    }
    free(d);
    return rv;
}
