/* orderbench_drain.c - see orderbench_drain.h. */
#include "orderbench_drain.h"

#include <string.h>

#include "orderbench_phase.h"
#include "units.h"

#define DRAIN_ROUTE "orderbench-drain"
#define DRAIN_ORDERS_MAX 10000000

enum drain_flag {
    DRAIN_ORDERS = SETUP_FLAGS, DRAIN_KIND, DRAIN_BATCH, DRAIN_LINGER, DRAIN_FLAGS
};

static const struct flag drain_flags[] = {
    {DRAIN_ORDERS, "orders", 0, "N", "due at one instant (100000)"},
    {DRAIN_KIND, "kind", 0, "http", "of the route (http)"},
    {DRAIN_BATCH, "batch", 0, "N", "orders a request, at most (1)"},
    {DRAIN_LINGER, "linger", 0, "DURATION", "how long a batch may wait to fill (0)"},
    {0},
};

struct drain {
    struct bench_setup setup;
    uint64_t orders;
    uint64_t batch;
    uint64_t linger_ms;
    struct phase phase;
};

void drain_help(void)
{
    printf("drain schedules orders that are due at one instant, to an ordersink that it starts, and\n"
           "measures until all are settled.\n\nFlags of drain:\n");
    flags_print(drain_flags, NULL, stdout);
    flags_print(setup_flags, NULL, stdout);
}

static int drain_read(struct drain *d, const char *const *values)
{
    const char *kind = values[DRAIN_KIND];

    d->orders = 100000;
    d->batch = 1;
    if (values[DRAIN_ORDERS] != NULL &&
        !bench_parse_count(values[DRAIN_ORDERS], 1, DRAIN_ORDERS_MAX, &d->orders)) {
        return bench_usage("--orders is no number from 1 to 10000000", values[DRAIN_ORDERS]);
    }
    if (kind != NULL && strcmp(kind, "http") != 0) {
        return bench_usage("--kind is not http", kind);
    }
    if (values[DRAIN_BATCH] != NULL &&
        !bench_parse_count(values[DRAIN_BATCH], 1, 1000, &d->batch)) {
        return bench_usage("--batch is no number from 1 to 1000", values[DRAIN_BATCH]);
    }
    if (values[DRAIN_LINGER] != NULL &&
        (!units_parse_duration(values[DRAIN_LINGER], &d->linger_ms) || d->linger_ms > 60000)) {
        return bench_usage("--linger is no duration up to 60s", values[DRAIN_LINGER]);
    }
    return bench_setup_read(&d->setup, values);
}

/* ---- the run ---- */

static int drain_measure(struct drain *d)
{
    static const char *const routes[] = {DRAIN_ROUTE};
    struct phase *p = &d->phase;

    p->plan = (struct plan){.n = d->orders, .routes = routes, .n_routes = 1};
    bench_make_prefix("drain", p->plan.prefix, sizeof p->plan.prefix);
    p->plan.first_ms = bench_first_deadline_ms(&d->setup, d->orders);
    int rv = phase_schedule(p, &d->setup);
    return rv != 0 ? rv : phase_wait(p);
}

static int drain_http(struct drain *d)
{
    struct bench_receiver receiver;
    char reason[512];
    int rv = 3;

    if (bench_receiver_start(&receiver, RECEIVER_SINK, d->setup.host, reason, sizeof reason) != 0) {
        fprintf(stderr, "orderbench: %s\n", reason);
    } else {
        struct route_settings settings = {.kind = ROUTE_HTTP, .batch = (uint32_t)d->batch,
                                          .linger_ms = (uint32_t)d->linger_ms};
        bench_receiver_address(&receiver, &settings);
        rv = bench_put_route(&d->setup, DRAIN_ROUTE, settings);
        rv = rv != 0 ? rv : drain_measure(d);
        rv = rv != 0 ? rv : phase_judge(&d->phase, &receiver, 1);
    }
    bench_receiver_stop(&receiver);
    bench_receiver_remove(&receiver);
    return rv;
}

/* ---- figures ---- */

static json_t *drain_settings_json(const struct drain *d)
{
    json_t *object = json_object();

    json_object_set_new(object, "window", json_integer((json_int_t)d->setup.window));
    json_object_set_new(object, "linger_ms", json_integer((json_int_t)d->linger_ms));
    json_object_set_new(object, "schedule_seconds", json_real(d->phase.schedule_s));
    json_object_set_new(object, "clock", json_string(PHASE_CLOCK));
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
        json_object_set_new(object, "kind", json_string("http"));
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

int drain_main(int argc, char **argv)
{
    const char *values[DRAIN_FLAGS] = {NULL};
    struct drain d = {0};

    int rv = bench_flags_read(drain_flags, setup_flags, argc, argv, values, SETUP_HELP);
    if (rv < 0) {
        drain_help();
        return 0;
    }
    rv = rv != 0 ? rv : drain_read(&d, values);
    rv = rv != 0 ? rv : bench_setup_open(&d.setup);
    if (rv != 0) {
        return rv;
    }
    rv = drain_http(&d);
    rv = rv != 0 ? rv : drain_print(&d);
    phase_close(&d.phase);
    ordersched_close(d.setup.client);
    return rv;
}
