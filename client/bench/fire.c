/* fire.c - see fire.h.
 *
 * With dead routes it measures twice: the healthy routes alone, and again while every dead route
 * has its orders due: since a moment before the first deadline, or, with --dead-ahead 0s, since
 * that very instant. Ids differ, the rest is the same. */
#include "fire.h"

#include <stdlib.h>
#include <string.h>

#include "measure/flags.h"
#include "measure/phase.h"
#include "../text/units.h"

#define FIRE_ROUTES_MAX 64
#define FIRE_ORDERS_MAX 10000000
#define FIRE_NAME_SIZE 40

enum fire_flag {
    FIRE_ORDERS = SETUP_FLAGS,
    FIRE_OVER,
    FIRE_RATE,
    FIRE_ROUTES,
    FIRE_DEAD,
    FIRE_DEAD_ORDERS,
    FIRE_DEAD_KIND,
    FIRE_DEAD_AHEAD,
    FIRE_BATCH,
    FIRE_FLAGS
};

static const struct flag fire_flags[] = {
    {FIRE_ORDERS, "orders", 0, "N", "on the healthy routes (--rate times --over; else 10000)"},
    {FIRE_OVER, "over", 0, "DURATION", "their deadlines are spread over it (10s)"},
    {FIRE_RATE, "rate", 0, "N", "of them a second; in place of --orders or --over"},
    {FIRE_ROUTES, "routes", 0, "R", "routes, each with its own receiver (1)"},
    {FIRE_DEAD, "dead", 0, "D", "how many of these routes are dead (0)"},
    {FIRE_DEAD_ORDERS, "dead-orders", 0, "N", "due at one instant on each dead route (100000)"},
    {FIRE_DEAD_KIND, "dead-kind", 0, "closed|silent",
     "whether nobody listens there, or somebody who never answers (closed)"},
    {FIRE_DEAD_AHEAD, "dead-ahead", 0, "DURATION",
     "how long they are due before the first of the others (1s)"},
    {FIRE_BATCH, "batch", 0, "N", "orders in a request, at most (1)"},
    {0},
};

struct fire {
    struct bench_setup setup;
    uint64_t orders;
    uint64_t over_ms;
    uint64_t healthy;
    uint64_t dead;
    uint64_t dead_orders;
    enum receiver_kind dead_kind;
    uint64_t dead_ahead_ms;
    uint64_t batch;
    struct bench_receiver receivers[FIRE_ROUTES_MAX]; /* the healthy ones first */
    unsigned n_receivers;
    char names[FIRE_ROUTES_MAX][FIRE_NAME_SIZE];
    const char *routes[FIRE_ROUTES_MAX];
    struct plan dead_plan;
    struct phase alone;
    struct phase beside; /* with dead routes only */
};

void fire_help(void)
{
    printf("fire schedules orders whose deadlines are spread over a while, for receivers that it\n"
           "starts, and measures how late each one fires. With dead routes it measures first\n"
           "without them and then beside them, and prints the ratio.\n\nFlags of fire:\n");
    flags_print(fire_flags, NULL, stdout);
    flags_print(setup_flags, NULL, stdout);
}

/* ---- flags ---- */

static bool count_or(const char *value, uint64_t otherwise, uint64_t min, uint64_t max,
                     uint64_t *out)
{
    *out = otherwise;
    return value == NULL || bench_parse_count(value, min, max, out);
}

/* Two of orders, duration and rate give the third. */
static int fire_read_pace(struct fire *f, const char *const *values)
{
    const char *orders = values[FIRE_ORDERS];
    const char *over = values[FIRE_OVER];
    const char *rate = values[FIRE_RATE];
    double per_s = 0;

    if (!count_or(orders, 10000, 1, FIRE_ORDERS_MAX, &f->orders)) {
        return bench_usage("--orders must be a number from 1 to 10000000", orders);
    }
    f->over_ms = 10000;
    if (over != NULL && (!units_parse_duration(over, &f->over_ms) || f->over_ms > 3600000)) {
        return bench_usage("--over must be a duration up to 1h", over);
    }
    if (rate == NULL) {
        return 0;
    }
    if (!bench_parse_number(rate, 0.1, 1e6, &per_s)) {
        return bench_usage("--rate must be a number from 0.1 to 1000000", rate);
    }
    if (orders != NULL && over != NULL) {
        return bench_usage(
            "--orders, --over and --rate are one too many: two of them give the third", NULL);
    }
    if (orders != NULL) {
        f->over_ms = (uint64_t)((double)f->orders * 1000 / per_s);
    } else {
        f->orders = (uint64_t)(per_s * (double)f->over_ms / 1000);
    }
    if (f->orders < 1 || f->orders > FIRE_ORDERS_MAX || f->over_ms > 3600000) {
        return bench_usage(
            "with this --rate it would be more than 10000000 orders, or none, or more than 1h",
            rate);
    }
    return 0;
}

static int fire_read(struct fire *f, const char *const *values)
{
    const char *kind = values[FIRE_DEAD_KIND];
    uint64_t routes;

    if (!count_or(values[FIRE_ROUTES], 1, 1, FIRE_ROUTES_MAX, &routes)) {
        return bench_usage("--routes must be a number from 1 to 64", values[FIRE_ROUTES]);
    }
    if (!count_or(values[FIRE_DEAD], 0, 0, routes - 1, &f->dead)) {
        return bench_usage("--dead must leave one route alive", values[FIRE_DEAD]);
    }
    f->healthy = routes - f->dead;
    if (!count_or(values[FIRE_DEAD_ORDERS], 100000, 1, FIRE_ORDERS_MAX, &f->dead_orders)) {
        return bench_usage("--dead-orders must be a number from 1 to 10000000",
                           values[FIRE_DEAD_ORDERS]);
    }
    if (kind != NULL && strcmp(kind, "closed") != 0 && strcmp(kind, "silent") != 0) {
        return bench_usage("--dead-kind is neither closed nor silent", kind);
    }
    f->dead_kind = kind != NULL && *kind == 's' ? RECEIVER_SILENT : RECEIVER_CLOSED;
    f->dead_ahead_ms = 1000;
    if (values[FIRE_DEAD_AHEAD] != NULL &&
        (!units_parse_duration(values[FIRE_DEAD_AHEAD], &f->dead_ahead_ms) ||
         f->dead_ahead_ms > 60000)) {
        return bench_usage("--dead-ahead must be a duration up to 60s", values[FIRE_DEAD_AHEAD]);
    }
    if (!count_or(values[FIRE_BATCH], 1, 1, 1000, &f->batch)) {
        return bench_usage("--batch must be a number from 1 to 1000", values[FIRE_BATCH]);
    }
    int rv = fire_read_pace(f, values);
    rv = rv != 0 ? rv : bench_setup_read(&f->setup, values);
    if (values[SETUP_WINDOW] == NULL) {
        bench_setup_widen(&f->setup, SETUP_REQUESTS, f->batch);
    }
    return rv;
}

/* ---- routes and receivers ---- */

static int fire_start_route(struct fire *f, unsigned i)
{
    bool dead = i >= f->healthy;
    struct route_settings settings = {.kind = ROUTE_HTTP, .batch = (uint32_t)f->batch};
    char reason[512];

    f->n_receivers = i + 1;
    if (bench_receiver_start(&f->receivers[i], dead ? f->dead_kind : RECEIVER_SINK, f->setup.host,
                             reason, sizeof reason) != 0) {
        fprintf(stderr, "orderbench: %s\n", reason);
        return 3;
    }
    snprintf(f->names[i], sizeof f->names[i], "orderbench-%s-%u", dead ? "dead" : "fire", i);
    f->routes[i] = f->names[i];
    bench_receiver_address(&f->receivers[i], &settings);
    return bench_put_route(&f->setup, f->names[i], settings);
}

static int fire_start(struct fire *f)
{
    int rv = 0;

    for (unsigned i = 0; rv == 0 && i < f->healthy + f->dead; i++) {
        rv = fire_start_route(f, i);
    }
    return rv;
}

static void fire_stop(struct fire *f)
{
    for (unsigned i = 0; i < f->n_receivers; i++) {
        bench_receiver_stop(&f->receivers[i]);
        bench_receiver_remove(&f->receivers[i]);
    }
}

/* ---- the run ---- */

static int fire_schedule_dead(struct fire *f, uint64_t due_ms)
{
    double seconds;

    f->dead_plan = (struct plan){.n = f->dead * f->dead_orders,
                                 .routes = f->routes + f->healthy,
                                 .n_routes = (unsigned)f->dead,
                                 .first_ms = due_ms};
    bench_make_prefix("dead", f->dead_plan.prefix, sizeof f->dead_plan.prefix);
    return phase_schedule_only(&f->setup, &f->dead_plan, &seconds);
}

static int fire_measure(struct fire *f, struct phase *p, bool beside)
{
    uint64_t dead = beside ? f->dead * f->dead_orders : 0;
    int rv = 0;

    p->plan = (struct plan){.n = f->orders,
                            .routes = f->routes,
                            .n_routes = (unsigned)f->healthy,
                            .over_ms = f->over_ms};
    bench_make_prefix(beside ? "fire2" : "fire", p->plan.prefix, sizeof p->plan.prefix);
    p->plan.first_ms = bench_first_deadline_ms(&f->setup, f->orders + dead);
    if (beside) {
        p->plan.first_ms += f->dead_ahead_ms;
        rv = fire_schedule_dead(f, p->plan.first_ms - f->dead_ahead_ms);
    }
    rv = rv != 0 ? rv : phase_schedule(p, &f->setup);
    rv = rv != 0 ? rv : phase_wait(p);
    return rv != 0 ? rv : phase_judge(p, f->receivers, (unsigned)f->healthy);
}

static int fire_run(struct fire *f)
{
    int rv = fire_start(f);

    rv = rv != 0 ? rv : fire_measure(f, &f->alone, false);
    if (rv == 0 && f->dead > 0) {
        rv = fire_measure(f, &f->beside, true);
    }
    return rv;
}

/* ---- figures ---- */

static double fire_ratio(double beside, double alone)
{
    return alone > 0 ? beside / alone : 0;
}

static json_t *fire_settings_json(const struct fire *f)
{
    json_t *object = json_object();

    json_object_set_new(object, "over_ms", json_integer((json_int_t)f->over_ms));
    json_object_set_new(object, "routes", json_integer((json_int_t)(f->healthy + f->dead)));
    json_object_set_new(object, "dead", json_integer((json_int_t)f->dead));
    json_object_set_new(object, "dead_orders",
                        json_integer((json_int_t)(f->dead > 0 ? f->dead_orders : 0)));
    json_object_set_new(object, "dead_kind",
                        json_string(f->dead_kind == RECEIVER_SILENT ? "silent" : "closed"));
    json_object_set_new(object, "dead_ahead_ms", json_integer((json_int_t)f->dead_ahead_ms));
    json_object_set_new(object, "window", json_integer((json_int_t)f->setup.window));
    json_object_set_new(object, "clock", json_string(PHASE_CLOCK));
    return object;
}

static json_t *fire_ratio_json(const struct fire *f)
{
    const struct tally_figures *alone = &f->alone.figures;
    const struct tally_figures *beside = &f->beside.figures;
    json_t *object = json_object();

    json_object_set_new(object, "p50",
                        json_real(fire_ratio(beside->late_p50_ms, alone->late_p50_ms)));
    json_object_set_new(object, "p99",
                        json_real(fire_ratio(beside->late_p99_ms, alone->late_p99_ms)));
    json_object_set_new(object, "p999",
                        json_real(fire_ratio(beside->late_p999_ms, alone->late_p999_ms)));
    json_object_set_new(object, "max",
                        json_real(fire_ratio(beside->late_max_ms, alone->late_max_ms)));
    return object;
}

static int fire_print_json(const struct fire *f)
{
    const struct phase *last = f->dead > 0 ? &f->beside : &f->alone;
    json_t *object = json_object();

    json_object_set_new(object, "bench", json_string("fire"));
    json_object_set_new(object, "orders", json_integer((json_int_t)f->orders));
    json_object_set_new(object, "kind", json_string("http"));
    json_object_set_new(object, "batch", json_integer((json_int_t)f->batch));
    phase_write_json(last, object);
    if (f->dead > 0) {
        json_t *alone = json_object();
        phase_write_json(&f->alone, alone);
        json_object_set_new(object, "alone", alone);
        json_object_set_new(object, "ratio", fire_ratio_json(f));
    }
    json_object_set_new(object, "settings", fire_settings_json(f));
    return bench_print_json(object);
}

static int fire_print_table(const struct fire *f)
{
    const struct tally_figures *alone = &f->alone.figures;
    const struct tally_figures *beside = &f->beside.figures;
    struct table table;

    phase_table_init(&table);
    phase_table_row(&table, f->dead > 0 ? "alone" : "fire", &f->alone);
    if (f->dead > 0) {
        phase_table_row(&table, "beside dead routes", &f->beside);
    }
    int rv = bench_print_table(&table);
    table_free(&table);
    if (rv == 0 && f->dead > 0) {
        printf("ratio of lateness: p50 %.2f, p99 %.2f, p99.9 %.2f, max %.2f\n",
               fire_ratio(beside->late_p50_ms, alone->late_p50_ms),
               fire_ratio(beside->late_p99_ms, alone->late_p99_ms),
               fire_ratio(beside->late_p999_ms, alone->late_p999_ms),
               fire_ratio(beside->late_max_ms, alone->late_max_ms));
    }
    return rv;
}

int bench_fire(int argc, char **argv)
{
    const char *values[FIRE_FLAGS] = {NULL};
    struct fire *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return bench_out_of_memory();
    }
    int rv = bench_flags_read(fire_flags, setup_flags, argc, argv, values, SETUP_HELP);
    if (rv < 0) {
        fire_help();
        free(f);
        return 0;
    }
    rv = rv != 0 ? rv : fire_read(f, values);
    rv = rv != 0 ? rv : bench_setup_open(&f->setup);
    if (rv == 0) {
        rv = fire_run(f);
        fire_stop(f);
        rv = rv != 0 ? rv : f->setup.json ? fire_print_json(f) : fire_print_table(f);
        if (rv == 0 &&
            (!phase_is_sound(&f->alone) || (f->dead > 0 && !phase_is_sound(&f->beside)))) {
            rv = 1;
        }
        phase_close(&f->alone);
        phase_close(&f->beside);
        ordersched_close(f->setup.client);
    }
    free(f);
    return rv;
}
