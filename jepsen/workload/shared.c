/* shared.c - workloads in which several clients work on the same few orders: register and
 * race. Their moments lean towards the deadline, where the decisions are. */
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"
#include "workload.h"

#define SLOTS 8
#define SLOT_USES_MAX 24 /* of an order, so that its history stays small enough to judge */
#define NEAR_WAIT_MS_MAX 800
#define IF_MATCH_PERCENT 50 /* of the extends over HTTP, where a tag is known */

/* An order that is worked on now. */
struct slot {
    char id[CALL_ID_MAX];
    uint64_t deadline_ns; /* by the harness's clock, about */
    char etag[32];        /* as a read over HTTP told it last, or "" */
    unsigned uses;
};

struct slots {
    pthread_mutex_t mutex;
    struct slot slots[SLOTS];
};

/* How the clients go about it. */
struct manner {
    const char *prefix; /* of the orders' ids */
    uint64_t delay_ms_min, delay_ms_max;
    uint64_t after_ms;                      /* an order is left alone so long after its deadline */
    unsigned pay, cancel, extend, schedule; /* percent of the operations; the rest reads */
    unsigned near;    /* percent of the operations that wait for the deadline... */
    uint64_t near_ms; /* ...and meet it within so much */
};

static const char *const receivers[] = {"shop", NULL};

static void *slots_open(struct run *r)
{
    struct slots *s = calloc(1, sizeof *s);

    (void)r;
    if (s == NULL) {
        bed_fail("out of memory");
    }
    pthread_mutex_init(&s->mutex, NULL);
    return s;
}

static void slots_close(void *shared)
{
    struct slots *s = shared;

    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static struct call schedule(struct worker *w, const struct manner *m, const char *id)
{
    struct call call = {.kind = ORDERSCHED_SCHEDULE,
                        .relative = true,
                        .route = "shop",
                        .time_ms = worker_between(w, m->delay_ms_min, m->delay_ms_max),
                        .payload = "{}"};

    memcpy(call.id, id, sizeof call.id);
    return call;
}

static struct call choose(struct worker *w, const struct manner *m, const char *id)
{
    uint64_t lot = worker_between(w, 0, 99);
    struct call call = {.kind = ORDERSCHED_GET};

    memcpy(call.id, id, sizeof call.id);
    if (lot < m->pay) {
        call.kind = ORDERSCHED_PAY;
    } else if ((lot -= m->pay) < m->cancel) {
        call.kind = ORDERSCHED_CANCEL;
    } else if ((lot -= m->cancel) < m->extend) {
        call.kind = ORDERSCHED_EXTEND;
        call.relative = true;
        call.time_ms = worker_between(w, 200, 2500);
    } else if (lot - m->extend < m->schedule) {
        call = schedule(w, m, id);
    }
    return call;
}

/* The next call on one of the slots; sets how long to wait before it. */
static struct call slot_next(struct worker *w, const struct manner *m, struct slot **slot,
                             uint64_t *wait_ms)
{
    struct slots *s = w->shared;
    uint64_t now_ns = clocks_running_ns();
    struct call call;

    pthread_mutex_lock(&s->mutex);
    struct slot *at = *slot = &s->slots[worker_between(w, 0, SLOTS - 1)];
    *wait_ms = 0;
    if (at->uses == 0 || at->uses >= SLOT_USES_MAX ||
        now_ns > at->deadline_ns + m->after_ms * 1000000) {
        worker_new_id(w, m->prefix, at->id);
        call = schedule(w, m, at->id);
        at->deadline_ns = now_ns + call.time_ms * 1000000;
        at->etag[0] = '\0';
        at->uses = 0;
    } else {
        call = choose(w, m, at->id);
        if (call.kind == ORDERSCHED_EXTEND && worker_random_bool(w, IF_MATCH_PERCENT)) {
            memcpy(call.if_match, at->etag, sizeof call.if_match);
        }
        uint64_t near_ns = at->deadline_ns - m->near_ms * 1000000;
        if (worker_random_bool(w, m->near) && near_ns > now_ns &&
            near_ns - now_ns < (uint64_t)NEAR_WAIT_MS_MAX * 1000000) {
            *wait_ms = (near_ns - now_ns) / 1000000 + worker_between(w, 0, 2 * m->near_ms);
        }
    }
    at->uses++;
    pthread_mutex_unlock(&s->mutex);
    return call;
}

static void slot_step(struct worker *w, const struct manner *m)
{
    struct slots *s = w->shared;
    struct slot *slot;
    struct asked answer;
    uint64_t wait_ms;
    struct call call = slot_next(w, m, &slot, &wait_ms);

    sleep_ms(wait_ms);
    if (worker_call(w, &call, &answer) == ORDERSCHED_OK && answer.state == ORDERSCHED_PENDING) {
        pthread_mutex_lock(&s->mutex);
        if (strcmp(slot->id, call.id) == 0) {
            slot->deadline_ns = clocks_running_ns() + answer.remaining_ms * 1000000;
            if (answer.http.etag[0] != '\0') {
                memcpy(slot->etag, answer.http.etag, sizeof slot->etag);
            }
        }
        pthread_mutex_unlock(&s->mutex);
    }
}

static void register_step(struct worker *w)
{
    static const struct manner manner = {.prefix = "register",
                                         .delay_ms_min = 400,
                                         .delay_ms_max = 2000,
                                         .after_ms = 1500,
                                         .pay = 18,
                                         .cancel = 12,
                                         .extend = 25,
                                         .schedule = 5,
                                         .near = 35,
                                         .near_ms = 50};

    slot_step(w, &manner);
}

/* Many a pay and a read within a few milliseconds of the deadline. */
static void race_step(struct worker *w)
{
    static const struct manner manner = {.prefix = "race",
                                         .delay_ms_min = 150,
                                         .delay_ms_max = 500,
                                         .after_ms = 50,
                                         .pay = 45,
                                         .cancel = 5,
                                         .near = 100,
                                         .near_ms = 6};

    slot_step(w, &manner);
}

const struct workload workload_register = {.name = "register",
                                           .rate = 150,
                                           .receivers = receivers,
                                           .open = slots_open,
                                           .step = register_step,
                                           .close = slots_close};
const struct workload workload_race = {.name = "race",
                                       .rate = 300,
                                       .receivers = receivers,
                                       .open = slots_open,
                                       .step = race_step,
                                       .close = slots_close};
