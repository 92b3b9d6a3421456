/* receivers.c - see receivers.h. Here is also what callback/http.c does in production: the
 * timeout of a delivery. */
#include "receivers.h"

#include "../../client/wire/work.h"

#include <stdlib.h>
#include <string.h>

/* What is remembered of one idempotency key, for ever. */
struct settled {
    char key[37];
    unsigned id;        /* of a worker's order: known since it was given out */
    uint64_t scheduled; /* the same; 0: not known */
    bool is_settled;
    enum outcome outcome; /* EXPIRED or PAID */
};

/* The highest fence seen for an order id. */
struct fence {
    uint64_t epoch;
    uint64_t index;
};

/* One order of a request. */
struct stop {
    uint64_t token;
    unsigned id;
    uint64_t scheduled; /* 0: the run is over */
    struct fence fence;
    char key[37];
    enum outcome outcome;
    uint64_t delay_ms;
};

/* One request on its way to the receiver and back. */
struct visit {
    struct visit *next, **at;
    struct receivers *receivers;
    struct sim_cluster *cluster;
    unsigned node;
    bool told; /* the node knows how it ended */
    bool overloaded;
    enum blame blame;
    struct sim_event *step;    /* it arrives, or its answer does; NULL: neither will */
    struct sim_event *timeout; /* NULL: told */
    unsigned n;
    struct stop *stops;
};

struct receivers {
    struct sim_loop *loop;
    const struct sim_options *options;
    struct check *check;
    struct coverage *coverage;
    bool healed;
    struct visit *visits;
    struct settled *settled;
    size_t n_settled, cap_settled;
    struct fence *fences; /* by number of the order */
};

struct receivers *receivers_new(struct sim_loop *loop, const struct sim_options *options,
                                struct check *check, struct coverage *coverage)
{
    struct receivers *r = calloc(1, sizeof *r);

    if (r == NULL || (r->fences = calloc(check_orders(check), sizeof *r->fences)) == NULL) {
        abort();
    }
    r->loop = loop;
    r->options = options;
    r->check = check;
    r->coverage = coverage;
    return r;
}

static void visit_free(struct visit *v)
{
    *v->at = v->next;
    if (v->next != NULL) {
        v->next->at = v->at;
    }
    free(v->stops);
    free(v);
}

void receivers_free(struct receivers *r)
{
    while (r->visits != NULL) {
        visit_free(r->visits);
    }
    free(r->settled);
    free(r->fences);
    free(r);
}

void receivers_heal(struct receivers *r)
{
    r->healed = true;
}

static bool receivers_random_bool(struct receivers *r, unsigned per_mille)
{
    return !r->healed && loop_random_bool(r->loop, per_mille);
}

static uint64_t duration_us(const struct receivers *r)
{
    const struct sim_options *o = r->options;

    return r->healed ? o->receiver_min_us
                     : loop_between(r->loop, o->receiver_min_us, o->receiver_max_us);
}

/* The node learns how the deliveries ended, once. */
static void visit_tell(struct visit *v)
{
    struct receivers *r = v->receivers;

    if (v->told) {
        return;
    }
    v->told = true;
    if (v->timeout != NULL) {
        loop_cancel(r->loop, v->timeout);
        v->timeout = NULL;
    }
    for (unsigned i = 0; i < v->n; i++) {
        const struct stop *s = &v->stops[i];
        loop_trace(r->loop, "receiver answers n%u delivery %llu: %u", v->node + 1,
                   (unsigned long long)s->token, (unsigned)s->outcome);
        check_delivery_done(r->check, v->node, s->token, s->outcome);
        cluster_deliver_done(v->cluster, v->node, s->token, s->outcome, s->delay_ms, v->overloaded,
                             v->blame);
    }
}

static void visit_fail(struct visit *v, uint64_t delay_ms, bool overloaded)
{
    for (unsigned i = 0; i < v->n; i++) {
        v->stops[i].outcome = OUTCOME_FAILED;
        v->stops[i].delay_ms = delay_ms;
    }
    v->overloaded = overloaded;
    v->blame = v->receivers->options->blames_requests ? BLAME_REQUEST : BLAME_ORDER;
    v->receivers->coverage->batches_blamed += v->n > 1 && v->blame == BLAME_REQUEST;
}

static void visit_timeout_cb(void *arg)
{
    struct visit *v = arg;

    v->timeout = NULL;
    visit_fail(v, 0, true);
    visit_tell(v);
    if (v->step == NULL) {
        visit_free(v);
    }
}

static void visit_answer_cb(void *arg)
{
    struct visit *v = arg;

    v->step = NULL;
    visit_tell(v);
    visit_free(v);
}

/* --- the receiver --- */

static struct settled *settled_of(struct receivers *r, const char *key)
{
    for (size_t i = 0; i < r->n_settled; i++) {
        if (strcmp(r->settled[i].key, key) == 0) {
            return &r->settled[i];
        }
    }
    if (r->n_settled == r->cap_settled) {
        r->cap_settled = 2 * r->cap_settled + 64;
        r->settled = realloc(r->settled, r->cap_settled * sizeof *r->settled);
        if (r->settled == NULL) {
            abort();
        }
    }
    struct settled *s = &r->settled[r->n_settled++];
    memset(s, 0, sizeof *s);
    memcpy(s->key, key, sizeof s->key);
    return s;
}

static void stop_decide(struct visit *v, struct stop *at, struct settled *s)
{
    struct receivers *r = v->receivers;
    const struct sim_options *o = r->options;

    if (receivers_random_bool(r, o->receiver_fail_per_mille)) {
        at->outcome = OUTCOME_FAILED;
        at->delay_ms = receivers_random_bool(r, 300) ? loop_below(r->loop, 3000)
                                                     : 0; /* Retry-After */
    } else if (receivers_random_bool(r, o->receiver_later_per_mille)) {
        at->outcome = OUTCOME_LATER;
        at->delay_ms = loop_below(r->loop, 3000);
    } else if (receivers_random_bool(r, o->receiver_veto_per_mille)) {
        s->is_settled = true;
        s->outcome = at->outcome = OUTCOME_PAID;
    } else {
        s->is_settled = true;
        s->outcome = at->outcome = OUTCOME_EXPIRED;
        r->coverage->effect_after_timeout += v->told;
        loop_trace(r->loop, "effect %u, key %s", at->id, at->key);
        check_effect(r->check, at->id, at->scheduled, at->key);
    }
}

/* An order is at the receiver. What it does, it does whether or not anybody still waits. */
static void stop_arrive(struct visit *v, struct stop *at)
{
    struct receivers *r = v->receivers;
    struct fence *seen = &r->fences[at->id];
    struct settled *s = settled_of(r, at->key);

    at->delay_ms = 0;
    if (at->fence.epoch < seen->epoch ||
        (at->fence.epoch == seen->epoch && at->fence.index < seen->index)) {
        r->coverage->fenced_off++;
        at->outcome = OUTCOME_FAILED;
        return;
    }
    *seen = at->fence;
    if (s->is_settled) {
        r->coverage->deduplicated++;
        at->outcome = s->outcome;
    } else {
        stop_decide(v, at, s);
    }
}

/* 429 or 503: nothing was done. */
static void visit_refuse(struct visit *v)
{
    struct receivers *r = v->receivers;
    uint64_t silence_ms = receivers_random_bool(r, 500) ? loop_below(r->loop, 3000) : 0;

    r->coverage->refused_busy++;
    r->coverage->refused_with_silence += silence_ms > 0;
    visit_fail(v, silence_ms, true);
}

/* What was done stays done, whether or not the answer names it. */
static void visit_forget_half(struct visit *v)
{
    struct receivers *r = v->receivers;

    for (unsigned i = 0; i < v->n; i++) {
        if (receivers_random_bool(r, 500)) {
            v->stops[i].outcome = OUTCOME_FAILED;
            v->stops[i].delay_ms = 0;
            r->coverage->half_answered++;
        }
    }
}

/* --- workers --- */

void receivers_lease(struct receivers *r, unsigned node, uint64_t token, const struct delivery *d)
{
    struct settled *s = settled_of(r, d->key);

    s->scheduled = check_delivery(r->check, node, token, d, &s->id);
}

uint64_t receivers_order(struct receivers *r, const char *key, unsigned *id)
{
    const struct settled *s = settled_of(r, key);

    *id = s->id;
    return s->scheduled;
}

bool receivers_work(struct receivers *r, const struct work_job *job, enum outcome *outcome,
                    uint64_t *delay_ms)
{
    struct visit visit = {.receivers = r};
    struct stop stop = {0};
    char fence[ORDERSCHED_FENCE_SIZE] = "";
    unsigned long long epoch = 0, index = 0;

    memcpy(stop.key, job->key.data, job->key.len);
    memcpy(fence, job->fence.data, job->fence.len);
    const struct settled *s = settled_of(r, stop.key);
    if (s->scheduled == 0 || sscanf(fence, "%llu.%llu", &epoch, &index) != 2) {
        return false; /* the run is over */
    }
    stop.id = s->id;
    stop.scheduled = s->scheduled;
    stop.fence = (struct fence){epoch, index};
    stop_arrive(&visit, &stop);
    *outcome = stop.outcome;
    *delay_ms = stop.delay_ms;
    return stop.outcome != OUTCOME_EXPIRED ||
           !receivers_random_bool(r, r->options->receiver_crash_per_mille);
}

/* One that cannot be borne fails all of them; what was done for the others stays done. */
static void visit_blame(struct visit *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (v->stops[i].outcome == OUTCOME_FAILED) {
            visit_fail(v, 0, false);
            return;
        }
    }
}

static void visit_arrive_cb(void *arg)
{
    struct visit *v = arg;
    struct receivers *r = v->receivers;
    bool expired = false;

    v->step = NULL;
    if (receivers_random_bool(r, r->options->receiver_busy_per_mille)) {
        visit_refuse(v);
    } else {
        for (unsigned i = 0; i < v->n; i++) {
            stop_arrive(v, &v->stops[i]);
            expired = expired || v->stops[i].outcome == OUTCOME_EXPIRED;
        }
        if (v->n > 1 && receivers_random_bool(r, r->options->receiver_half_per_mille)) {
            visit_forget_half(v);
        }
        if (v->n > 1 && r->options->blames_requests) {
            visit_blame(v);
        }
    }
    if (v->told) {
        visit_free(v);
    } else if (expired && receivers_random_bool(r, r->options->receiver_crash_per_mille)) {
        r->coverage->effect_without_answer++; /* the timeout tells the node */
    } else {
        v->step = loop_after(r->loop, duration_us(r) / 2, visit_answer_cb, v);
    }
}

static struct visit *visit_new(struct receivers *r, struct sim_cluster *cluster, unsigned node,
                               unsigned n)
{
    struct visit *v = calloc(1, sizeof *v);

    if (v == NULL || (v->stops = calloc(n, sizeof *v->stops)) == NULL) {
        abort();
    }
    v->next = r->visits;
    v->at = &r->visits;
    if (v->next != NULL) {
        v->next->at = &v->next;
    }
    r->visits = v;
    v->receivers = r;
    v->cluster = cluster;
    v->node = node;
    v->n = n;
    return v;
}

void receivers_deliver(struct receivers *r, struct sim_cluster *cluster, unsigned node,
                       uint64_t token, const struct delivery *first)
{
    unsigned n = 0;

    for (const struct delivery *d = first; d != NULL; d = d->batch_next) {
        n++;
    }
    struct visit *v = visit_new(r, cluster, node, n);
    struct stop *s = v->stops;
    for (const struct delivery *d = first; d != NULL; d = d->batch_next, s++) {
        s->token = token++;
        s->scheduled = check_delivery(r->check, node, s->token, d, &s->id);
        s->fence = (struct fence){d->fence_epoch, d->fence_index};
        memcpy(s->key, d->key, sizeof s->key);
        if (s->scheduled == 0) { /* the run is over */
            visit_free(v);
            return;
        }
    }
    r->coverage->batches += n > 1;
    r->coverage->batched += n > 1 ? n : 0;
    v->timeout = loop_after(r->loop, (uint64_t)first->settings->settings.timeout_ms * 1000,
                            visit_timeout_cb, v);
    if (!receivers_random_bool(r, r->options->drop_per_mille / 4)) {
        v->step = loop_after(r->loop, duration_us(r) / 2, visit_arrive_cb, v);
    }
}
