/* dispatch.c - see dispatch.h. */
#include "dispatch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../raft/mutant.h"
#include "hurry.h"

#define DISPATCH_STARTS_MAX 256   /* a call, so that the loop stays responsive */
#define DISPATCH_LOG_LINES_MAX 20 /* a second, about failed deliveries */
#define DISPATCH_RESERVE 4        /* one part in so many of a cap is for those who hold little */

/* The deliveries of one request. */
struct delivery_batch {
    uint32_t n;
    uint32_t left; /* not done yet */
    bool is_request;
};

static uint64_t dispatch_now_us(const struct dispatch *d)
{
    return d->environment->monotonic_us(d->environment->impl);
}

/* --- life --- */

void dispatch_init(struct dispatch *d)
{
    memset(d, 0, sizeof *d);
    d->inflight.max = d->requests.max = UINT32_MAX;
    d->bytes.max = DISPATCH_BYTES_MAX;
    d->wake_us = UINT64_MAX;
    d->lanes = must_have(calloc(MACHINE_ROUTES_MAX, sizeof *d->lanes));
    d->lateness = must_have(calloc(1, sizeof *d->lateness));
}

void dispatch_close(struct dispatch *d)
{
    assert(d->deliveries == NULL && d->inflight.used == 0 && d->requests.used == 0 &&
           d->bytes.used == 0);
    for (unsigned i = 0; i < MACHINE_ROUTES_MAX; i++) {
        lane_close(&d->lanes[i]);
    }
    free(d->lanes);
    free(d->lateness);
    delivery_keys_clear(&d->keys);
}

void dispatch_open(struct dispatch *d)
{
    assert(!d->active);
    delivery_keys_init(&d->keys, d->cluster, d->machine);
    d->active = true;
}

void dispatch_end_leadership(struct dispatch *d)
{
    if (!d->active) {
        return;
    }
    d->active = false;
    for (struct delivery *v = d->deliveries; v != NULL; v = v->next) {
        v->orphan = true;
    }
    for (unsigned i = 0; i < MACHINE_ROUTES_MAX; i++) {
        lane_forget(&d->lanes[i]);
    }
    d->busy_lanes = 0;
    machine_put_back_all(d->machine);
    if (d->deliveries != NULL && d->receiver->abandon != NULL) {
        d->receiver->abandon(d->receiver);
    }
}

/* --- the end of a delivery --- */

/* Lateness is only delayed by jitter, never advanced: up to a tenth of the retry delay. */
static uint32_t dispatch_jitter_ms(const struct dispatch *d, const struct order *o)
{
    const struct route_settings *route = &d->machine->routes[o->route].settings;
    uint32_t failures = o->extra != NULL ? o->extra->failures : 0;

    if (failures + 1 >= route_settings_attempts(route)) {
        return 0;
    }
    uint32_t retry = failures < route->n_retries ? failures : route->n_retries - 1;
    uint32_t spread = route->retries_ms[retry] / 10;
    return spread == 0 ? 0
                       : (uint32_t)(d->environment->random(d->environment->impl) % (spread + 1));
}

static void dispatch_log_failure(struct dispatch *d, const struct delivery *v)
{
    uint64_t second = dispatch_now_us(d) / 1000000;

    if (d->log == NULL) {
        return;
    }
    if (second != d->log_second) {
        if (d->log_lines > DISPATCH_LOG_LINES_MAX) {
            log_line(d->log, LOG_WARN, "more callbacks failed in the last second than are listed",
                     LOG_U64("failed", d->log_lines));
        }
        d->log_second = second;
        d->log_lines = 0;
    }
    if (d->log_lines++ < DISPATCH_LOG_LINES_MAX) {
        log_line(d->log, LOG_WARN, "callback failed: it is retried, or the order ends DEAD",
                 LOG_BYTES("order_id", v->id, v->id_len), LOG_STR("route", v->route),
                 LOG_U64("attempt", v->attempt), LOG_STR("reason", v->reason));
    }
}

/* What failed was a request of many orders, and not this one of them. */
static bool dispatch_failed_in_company(const struct delivery *v, uint32_t company)
{
    return v->outcome == OUTCOME_FAILED && v->blame != BLAME_ORDER && company > 1;
}

/* How many go together next time: half as many as when all of them failed, down to one, and who has
 * failed alone goes alone. Where nothing was sent it was none of them. */
static void dispatch_set_company(struct order *o, const struct delivery *v, uint32_t company)
{
    if (v->outcome != OUTCOME_FAILED || v->blame == BLAME_ORDER) {
        o->extra->company_max = 0;
    } else if (v->blame != BLAME_NOBODY && v->settings->settings.batch > 1) {
        o->extra->company_max = (uint16_t)((company + 1) / 2);
    }
}

/* A batch that was too large is divided at once, another as after an order's own failure. */
static uint64_t dispatch_company_delay_ms(const struct dispatch *d, const struct order *o,
                                          const struct delivery *v)
{
    const struct route_settings *route = &d->machine->routes[o->route].settings;
    uint32_t failures = o->extra->failures;
    uint32_t retry = failures < route->n_retries ? failures : route->n_retries - 1;
    uint64_t delay_ms = v->blame == BLAME_SIZE ? 0 : route->retries_ms[retry];

    return v->delay_ms > delay_ms ? v->delay_ms : delay_ms;
}

static void dispatch_measure(struct dispatch *d, const struct delivery *v, enum outcome outcome)
{
    struct metrics_route *r = metrics_route(d->metrics, v->route_slot, v->route);

    if (r != NULL) {
        r->outcomes[outcome]++;
        lateness_measure(r->lateness, &v->times, v->attempt == 1);
    }
}

static void dispatch_report(struct dispatch *d, const struct delivery *v, uint32_t company)
{
    struct slice id = {v->id, v->id_len};
    struct order *o = machine_find(d->machine, id);

    if (MUTANT(OLD_EPOCH_OUTCOME) && o == NULL) {
        return; /* settled behind this delivery's back, and forgotten */
    }
    /* The order cannot have left while in flight: only this delivery's outcome settles it. */
    assert(o != NULL && (o->in_flight || MUTANT(OLD_EPOCH_OUTCOME)));
    assert(MUTANT(OLD_EPOCH_OUTCOME) ||
           (v->version == o->version && v->attempt == o->extra->attempts + 1));
    struct operation op = {
        .code = OPERATION_OUTCOME,
        .id = id,
        .epoch = v->fence_epoch,
        .version = v->version,
        .attempt = v->attempt,
        .outcome = v->outcome,
        .delay_ms = v->delay_ms,
        .jitter_ms = v->outcome == OUTCOME_FAILED ? dispatch_jitter_ms(d, o) : 0,
        .reason = {(const uint8_t *)v->reason, strlen(v->reason)},
        .node_id = d->node_id,
    };
    if (dispatch_failed_in_company(v, company)) {
        op.outcome = OUTCOME_BATCH_FAILED;
        op.delay_ms = dispatch_company_delay_ms(d, o, v);
        op.jitter_ms = 0; /* the halves stay together */
    }
    dispatch_set_company(o, v, company);
    dispatch_measure(d, v, op.outcome);
    batcher_submit_internal(d->batcher, &op);
    if (v->outcome == OUTCOME_FAILED && d->machine->routes[o->route].hurry_index > v->fence_index) {
        hurry_order(d->machine, d->batcher, o, v->attempt); /* it does not go there any more */
    }
}

static void dispatch_unlink(struct dispatch *d, struct delivery *v)
{
    assert(v->prev != NULL ? v->prev->next == v : d->deliveries == v);
    assert(d->inflight.used > 0 && d->bytes.used >= v->bytes);
    if (v->prev != NULL) {
        v->prev->next = v->next;
    } else {
        d->deliveries = v->next;
    }
    if (v->next != NULL) {
        v->next->prev = v->prev;
    }
    d->inflight.used--;
    d->bytes.used -= v->bytes;
}

/* The request's place is free with the last of its deliveries. */
static void dispatch_leave_batch(struct dispatch *d, struct delivery *v)
{
    struct delivery_batch *b = v->batch;

    assert(b->left > 0);
    if (--b->left > 0) {
        return;
    }
    if (b->is_request) {
        assert(d->requests.used > 0 && (v->orphan || d->lanes[v->route_slot].requests > 0));
        d->requests.used--;
        d->lanes[v->route_slot].requests -= !v->orphan;
    }
    free(b);
}

/* A receiver's hard times begin and end with one line each. */
static void dispatch_log_pace(struct dispatch *d, struct route_lane *l)
{
    uint32_t window = pace_window(&l->pace);
    bool slowed = window == 1 && l->pace.max > 1;

    if (!l->slowed && slowed) {
        l->slowed = true;
        if (d->log != NULL) {
            log_line(d->log, LOG_WARN,
                     "receiver is overloaded or does not answer: one delivery at a time",
                     LOG_STR("route", l->settings->route));
        }
    } else if (l->slowed && window == l->pace.max) {
        l->slowed = false;
        if (d->log != NULL) {
            log_line(d->log, LOG_INFO, "receiver takes its full window again",
                     LOG_STR("route", l->settings->route));
        }
    }
}

static void dispatch_done(struct delivery *v, void *arg)
{
    struct dispatch *d = arg;
    uint64_t now_us = dispatch_now_us(d);
    uint32_t company = v->batch->n;

    dispatch_unlink(d, v);
    dispatch_leave_batch(d, v);
    if (!v->orphan) {
        struct route_lane *l = &d->lanes[v->route_slot];
        assert(d->active);
        if (v->outcome == OUTCOME_FAILED) {
            dispatch_log_failure(d, v);
        }
        v->times.ended_us = v->times.started_us + (now_us - v->started_us);
        lane_ended(l, v, now_us);
        d->busy_lanes -= l->inflight == 0;
        lateness_add(d->lateness, &v->times, v->attempt == 1);
        dispatch_log_pace(d, l);
        dispatch_report(d, v, company);
    } else if (MUTANT(OLD_EPOCH_OUTCOME) && d->active) {
        dispatch_report(d, v, company);
    }
    delivery_free(v);
    d->woken(d->woken_arg);
}

/* --- the start of deliveries --- */

/* One run. */
struct dispatch_round {
    uint64_t clock_us;
    uint64_t now_us;
    uint32_t contenders; /* routes that have or want deliveries, at least 2 if there are 2 */
    uint32_t n;          /* routes that still have a turn: */
    uint16_t slots[MACHINE_ROUTES_MAX];
};

/* How much more of a pool a lane that holds so much may take. */
static uint64_t pool_room(const struct dispatch_pool *p, uint64_t lane_holds, uint32_t contenders)
{
    assert(contenders > 0);
    uint64_t left = p->max > p->used ? p->max - p->used : 0;
    uint64_t reserve = contenders > 1 ? p->max / DISPATCH_RESERVE : 0;
    uint64_t share = p->max / contenders > 0 ? p->max / contenders : 1;
    uint64_t open = left > reserve ? left - reserve : 0;
    uint64_t own = lane_holds < share ? share - lane_holds : 0;

    own = own < left ? own : left;
    return open > own ? open : own;
}

/* Orders of the list that may go in a request that is divided, or is not; 0 as well when the first
 * of the list may not. */
static uint32_t dispatch_count(const struct dispatch *d, uint16_t slot, enum route_ready which,
                               bool divided)
{
    const struct order *o = machine_peek_ready(d->machine, slot, which);
    bool fits = o != NULL && (o->extra->company_max > 0) == divided;

    return fits ? machine_count_ready(d->machine, slot, which) : 0;
}

/* The list that the next order of a request is taken from. False: from none. */
static bool dispatch_choose(struct dispatch *d, uint16_t slot, bool divided,
                            enum route_ready *which)
{
    uint32_t n_first = dispatch_count(d, slot, ROUTE_READY_FIRST, divided);
    uint32_t n_retry = dispatch_count(d, slot, ROUTE_READY_RETRY, divided);

    if (n_first + n_retry > 0) {
        *which = lane_choose(&d->lanes[slot], n_first, n_retry);
    }
    return n_first + n_retry > 0;
}

static struct delivery *dispatch_take(struct dispatch *d, uint16_t slot, enum route_ready which,
                                      const struct dispatch_round *r)
{
    struct machine *m = d->machine;
    struct route_lane *l = &d->lanes[slot];
    struct order *o = machine_take_ready(m, slot, which);
    struct delivery *v = delivery_make(m, o, &d->keys, l->settings);

    assert(o->deadline_ms <= m->now_ms); /* never early */
    v->started_ms = r->clock_us / 1000;
    v->true_ms = d->true_ms;
    v->started_us = r->now_us;
    v->times = (struct lateness_times){
        .deadline_us = (uint64_t)o->deadline_ms * 1000,
        .proposed_us = o->extra->due_ms * 1000,
        .applied_us = o->extra->due_us,
        .started_us = r->clock_us,
    };
    v->done = dispatch_done;
    v->done_arg = d;
    v->next = d->deliveries;
    if (v->next != NULL) {
        v->next->prev = v;
    }
    d->deliveries = v;
    d->inflight.used++;
    assert(d->inflight.used <= d->inflight.max);
    d->bytes.used += v->bytes;
    l->bytes += v->bytes;
    return v;
}

/* Up to n deliveries of the route as one batch; returns how many there was memory for. A divided
 * batch has nobody in it who has not failed in company, so that no others come to suspicion. */
static uint32_t dispatch_start(struct dispatch *d, uint16_t slot, uint32_t n, bool divided,
                               const struct dispatch_round *r)
{
    struct route_lane *l = &d->lanes[slot];
    struct delivery_batch *b = must_have(calloc(1, sizeof *b));
    struct delivery *first = NULL, **last = &first;
    enum route_ready which;

    b->is_request = l->settings->settings.kind == ROUTE_HTTP;
    d->requests.used += b->is_request;
    while (b->n < n && (b->n == 0 || pool_room(&d->bytes, l->bytes, r->contenders) > 0) &&
           dispatch_choose(d, slot, divided, &which)) {
        uint32_t company = machine_peek_ready(d->machine, slot, which)->extra->company_max;
        n = divided && company < n ? company : n;
        if (b->n >= n) {
            break;
        }
        struct delivery *v = dispatch_take(d, slot, which, r);
        v->batch = b;
        b->n++;
        *last = v;
        last = &v->batch_next;
    }
    assert(b->n > 0);
    b->left = b->n;
    n = b->n; /* the receiver may be done with it at any time */
    d->busy_lanes += l->inflight == 0;
    lane_started(l, n, r->now_us);
    d->receiver->start(d->receiver, first);
    return n;
}

static uint64_t dispatch_ready(const struct dispatch *d, uint16_t slot)
{
    return (uint64_t)machine_count_ready(d->machine, slot, ROUTE_READY_FIRST) +
           machine_count_ready(d->machine, slot, ROUTE_READY_RETRY);
}

/* Whole batches go first, but while divided ones wait as well each fourth is one of them. */
static bool dispatch_divides(struct dispatch *d, uint16_t slot, uint64_t n_whole,
                             uint64_t n_divided)
{
    struct route_lane *l = &d->lanes[slot];

    if (n_whole > 0 && n_divided > 0) {
        l->wholes = (l->wholes + 1) % (LANE_FIRSTS_MAX + 1);
        return l->wholes == 0;
    }
    return n_divided > 0;
}

static uint64_t dispatch_count_both(const struct dispatch *d, uint16_t slot, bool divided)
{
    return (uint64_t)dispatch_count(d, slot, ROUTE_READY_FIRST, divided) +
           dispatch_count(d, slot, ROUTE_READY_RETRY, divided);
}

/* A route's turn: how many deliveries were started. With 0 it has no more turns in this run. */
static uint32_t dispatch_turn(struct dispatch *d, uint16_t slot, const struct dispatch_round *r)
{
    struct route_lane *l = &d->lanes[slot];
    uint64_t n_whole = dispatch_count_both(d, slot, false);
    uint64_t n_divided = lane_has_request(l) ? dispatch_count_both(d, slot, true) : 0;

    if (n_whole + n_divided == 0) {
        return 0;
    }
    enum route_kind kind = l->settings->settings.kind;
    struct lane_plan plan = lane_plan(l, n_whole + n_divided, n_divided > 0, r->now_us);
    if (plan.n == 0) {
        d->wake_us = plan.wake_us < d->wake_us ? plan.wake_us : d->wake_us;
        return 0;
    }
    uint64_t room = pool_room(&d->inflight, l->inflight, r->contenders);
    if (kind == ROUTE_WORKER && d->receiver->room != NULL && room > 0) {
        uint64_t wanted = d->receiver->room(d->receiver, slot, l->settings->route);
        room = wanted < room ? wanted : room;
    }
    if (room == 0 || pool_room(&d->bytes, l->bytes, r->contenders) == 0 ||
        (kind == ROUTE_HTTP && pool_room(&d->requests, l->requests, r->contenders) == 0)) {
        return 0; /* the end of a delivery, or a worker that asks, brings us back */
    }
    bool divided = dispatch_divides(d, slot, n_whole, n_divided);
    return dispatch_start(d, slot, plan.n < room ? plan.n : (uint32_t)room, divided, r);
}

/* Who takes part in this run, of the slots in front of `end`. */
static void dispatch_gather_from(struct dispatch *d, struct dispatch_round *r, uint32_t from,
                                 uint32_t end)
{
    const struct machine *m = d->machine;

    for (uint32_t i = machine_next_ready_route(m, from); i < end;
         i = machine_next_ready_route(m, i + 1)) {
        uint16_t slot = (uint16_t)i;
        struct route_lane *l = &d->lanes[slot];
        if (dispatch_ready(d, slot) == 0) {
            continue; /* paused */
        }
        if (l->run + 1 != d->run) {
            l->linger_us = 0; /* there was nothing ready in between */
        }
        lane_follow(l, &m->routes[slot], r->now_us);
        l->run = d->run;
        r->contenders += l->inflight == 0;
        r->slots[r->n++] = slot;
    }
}

/* Is there another route than the only one that has to do? It may have soon. */
static bool has_two_routes(const struct machine *m)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < m->n_routes && used < 2; i++) {
        used += m->routes[i].used;
    }
    return used == 2;
}

/* All of them, beginning with who is next. */
static void dispatch_gather(struct dispatch *d, struct dispatch_round *r)
{
    uint32_t next = d->turn % d->machine->n_routes;

    d->run++;
    r->contenders = d->busy_lanes;
    dispatch_gather_from(d, r, next, MACHINE_ROUTES_MAX);
    dispatch_gather_from(d, r, 0, next);
    if (r->contenders < 2) {
        r->contenders = has_two_routes(d->machine) ? 2 : 1;
    }
}

/* Turns until nobody has one, or there were enough for now. Returns how many were started. */
static uint32_t dispatch_turns(struct dispatch *d, struct dispatch_round *r)
{
    uint32_t started = 0;

    while (r->n > 0) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < r->n && started < DISPATCH_STARTS_MAX; i++) {
            uint16_t slot = r->slots[i];
            uint32_t n = dispatch_turn(d, slot, r);
            if (n > 0) {
                started += n;
                d->turn = (uint16_t)(slot + 1);
                r->slots[kept++] = slot;
            }
        }
        r->n = started < DISPATCH_STARTS_MAX ? kept : 0;
    }
    return started;
}

/* It has no receiver. */
static void dispatch_settle_canary(struct dispatch *d)
{
    struct operation op = {.code = OPERATION_CANARY, .on = true};

    if (machine_take_canary(d->machine, &op.time_ms)) {
        batcher_submit_internal(d->batcher, &op);
    }
}

bool dispatch_run(struct dispatch *d, uint64_t clock_us)
{
    struct dispatch_round r;

    d->wake_us = UINT64_MAX;
    if (d->active) {
        dispatch_settle_canary(d);
    }
    if (!d->active || d->machine->n_routes == 0) {
        return false;
    }
    r.clock_us = clock_us;
    r.now_us = dispatch_now_us(d);
    r.contenders = r.n = 0;
    dispatch_gather(d, &r);
    uint32_t started = dispatch_turns(d, &r);
    if (started > 0 && d->receiver->flush != NULL) {
        d->receiver->flush(d->receiver);
    }
    return started >= DISPATCH_STARTS_MAX;
}
