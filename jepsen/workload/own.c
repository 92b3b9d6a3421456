/* own.c - workloads whose clients each have orders of their own: set, conserve,
 * delivery. */
#include <inttypes.h>
#include <string.h>

#include "workload.h"

#define SET_DELAY_MS (30u * 60 * 1000) /* long after any run's final reads */

static const char *const shop_alone[] = {"shop", NULL};
static const char *const all_tempers[] = {"shop", "slow", "flaky", "veto", "later", "hang", NULL};

static struct call schedule(struct worker *w, const char *prefix, uint64_t delay_ms,
                            const char *route)
{
    struct call call = {.kind = ORDERSCHED_SCHEDULE,
                        .relative = true,
                        .time_ms = delay_ms,
                        .route = route};

    worker_new_id(w, prefix, call.id);
    snprintf(call.payload, sizeof call.payload, "{\"sku\":%" PRIu64 "}", w->orders);
    if (w->orders % 2 == 0) { /* a trace of its own; the others have none */
        snprintf(call.traceparent, sizeof call.traceparent,
                 "00-%016" PRIx64 "%08x%08x-%016" PRIx64 "-01", w->run->options.seed, w->number,
                 (unsigned)w->orders, w->orders << 8);
    }
    return call;
}

static struct call follow_up(const struct call *first, enum ordersched_operation_kind kind)
{
    struct call call = {.kind = kind};

    memcpy(call.id, first->id, sizeof call.id);
    return call;
}

/* --- set: every acknowledged order is listed by every node at the end --- */

static void set_step(struct worker *w)
{
    struct call call = schedule(w, "set", SET_DELAY_MS, "shop");
    struct asked answer;

    (void)worker_call(w, &call, &answer);
    if (worker_random_bool(w, 10)) {
        struct call get = follow_up(&call, ORDERSCHED_GET);
        worker_plan(w, &get, worker_between(w, 0, 5000));
    }
}

const struct workload workload_set = {
    .name = "set", .rate = 100, .keeps_pending = true, .receivers = shop_alone, .step = set_step};

/* --- conserve: every order to its ending, one and no other --- */

/* Paid, cancelled, moved or left alone, at moments up to a little past the deadline. */
static void order_plan(struct worker *w, const struct call *first)
{
    uint64_t lot = worker_between(w, 0, 99);
    uint64_t moment_ms = worker_between(w, 0, first->time_ms + 300);
    struct call call;

    if (lot < 30) {
        call = follow_up(first, ORDERSCHED_PAY);
    } else if (lot < 40) {
        call = follow_up(first, ORDERSCHED_CANCEL);
    } else if (lot < 52) {
        call = follow_up(first, ORDERSCHED_EXTEND);
        call.relative = true;
        call.time_ms = first->time_ms + worker_between(w, 0, 2000);
    } else {
        return;
    }
    worker_plan(w, &call, moment_ms);
    if (worker_random_bool(w, 15)) {
        call = follow_up(first, ORDERSCHED_GET);
        worker_plan(w, &call, worker_between(w, 0, first->time_ms + 1000));
    }
}

static void conserve_step(struct worker *w)
{
    struct call call = schedule(w, "order", worker_between(w, 300, 6000), "shop");
    struct asked answer;

    (void)worker_call(w, &call, &answer);
    order_plan(w, &call);
}

const struct workload workload_conserve = {.name = "conserve",
                                           .rate = 60,
                                           .receivers = shop_alone,
                                           .step = conserve_step};

/* --- delivery: receivers that are slow, fail, veto, ask for later, or never answer --- */

static void delivery_step(struct worker *w)
{
    const char *route = all_tempers[worker_between(w, 0, 5)];
    struct call call = schedule(w, route, worker_between(w, 200, 3000), route);
    struct asked answer;

    (void)worker_call(w, &call, &answer);
    if (worker_random_bool(w, 30)) {
        order_plan(w, &call);
    }
}

const struct workload workload_delivery = {.name = "delivery",
                                           .rate = 40,
                                           .receivers = all_tempers,
                                           .step = delivery_step};
