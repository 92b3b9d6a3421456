/* receivers.c - see receivers.h. Here is also what callback_http.c does in production: the
 * time-out of a delivery. */
#include "receivers.h"

#include <stdlib.h>
#include <string.h>

/* What is remembered of one idempotency key, for ever. */
struct settled {
    char key[37];
    bool is_settled;
    enum outcome outcome; /* EXPIRED or PAID */
};

/* The highest fence seen for an order id. */
struct fence {
    uint64_t epoch;
    uint64_t index;
};

/* One delivery on its way to the receiver and back. */
struct visit {
    struct visit *next, **at;
    struct receivers *receivers;
    struct sim_cluster *cluster;
    unsigned node;
    uint64_t token;
    unsigned id;
    uint64_t scheduled;
    struct fence fence;
    char key[37];
    bool told; /* the node knows how it ended */
    enum outcome outcome;
    uint64_t delay_ms;
    struct sim_event *step;    /* it arrives, or its answer does; NULL: neither will */
    struct sim_event *timeout; /* NULL: told */
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

static bool chance(struct receivers *r, unsigned per_mille)
{
    return !r->healed && loop_chance(r->loop, per_mille);
}

static uint64_t duration_us(const struct receivers *r)
{
    const struct sim_options *o = r->options;

    return r->healed ? o->receiver_min_us
                     : loop_between(r->loop, o->receiver_min_us, o->receiver_max_us);
}

/* The node learns how the delivery ended, once. */
static void visit_tell(struct visit *v, enum outcome outcome, uint64_t delay_ms)
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
    loop_trace(r->loop, "receiver answers n%u delivery %llu: %u", v->node + 1,
               (unsigned long long)v->token, (unsigned)outcome);
    check_delivery_done(r->check, v->node, v->token, outcome);
    cluster_deliver_done(v->cluster, v->node, v->token, outcome, delay_ms);
}

static void visit_timeout_cb(void *arg)
{
    struct visit *v = arg;

    v->timeout = NULL;
    visit_tell(v, OUTCOME_FAILED, 0);
    if (v->step == NULL) {
        visit_free(v);
    }
}

static void visit_answer_cb(void *arg)
{
    struct visit *v = arg;

    v->step = NULL;
    visit_tell(v, v->outcome, v->delay_ms);
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

static void visit_decide(struct visit *v, struct settled *s)
{
    struct receivers *r = v->receivers;
    const struct sim_options *o = r->options;

    if (chance(r, o->receiver_fail_per_mille)) {
        v->outcome = OUTCOME_FAILED;
        v->delay_ms = chance(r, 300) ? loop_below(r->loop, 3000) : 0; /* Retry-After */
    } else if (chance(r, o->receiver_later_per_mille)) {
        v->outcome = OUTCOME_LATER;
        v->delay_ms = loop_below(r->loop, 3000);
    } else if (chance(r, o->receiver_veto_per_mille)) {
        s->is_settled = true;
        s->outcome = v->outcome = OUTCOME_PAID;
    } else {
        s->is_settled = true;
        s->outcome = v->outcome = OUTCOME_EXPIRED;
        r->coverage->effect_after_timeout += v->told;
        loop_trace(r->loop, "effect %u, key %s", v->id, v->key);
        check_effect(r->check, v->id, v->scheduled, v->key);
    }
}

/* The request is at the receiver. What it does, it does whether or not anybody still waits. */
static void visit_arrive(struct visit *v)
{
    struct receivers *r = v->receivers;
    struct fence *seen = &r->fences[v->id];
    struct settled *s = settled_of(r, v->key);

    if (v->fence.epoch < seen->epoch ||
        (v->fence.epoch == seen->epoch && v->fence.index < seen->index)) {
        r->coverage->fenced_off++;
        v->outcome = OUTCOME_FAILED;
        v->delay_ms = 0;
        return;
    }
    *seen = v->fence;
    if (s->is_settled) {
        r->coverage->deduplicated++;
        v->outcome = s->outcome;
    } else {
        visit_decide(v, s);
    }
}

static void visit_arrive_cb(void *arg)
{
    struct visit *v = arg;
    struct receivers *r = v->receivers;

    v->step = NULL;
    visit_arrive(v);
    if (v->told) {
        visit_free(v);
    } else if (v->outcome == OUTCOME_EXPIRED && chance(r, r->options->receiver_crash_per_mille)) {
        r->coverage->effect_without_answer++; /* the time-out tells the node */
    } else {
        v->step = loop_after(r->loop, duration_us(r) / 2, visit_answer_cb, v);
    }
}

void receivers_deliver(struct receivers *r, struct sim_cluster *cluster, unsigned node,
                       uint64_t token, const struct delivery *d)
{
    unsigned id = 0;
    uint64_t scheduled = check_delivery(r->check, node, token, d, &id);

    if (scheduled == 0) {
        return; /* the run is over */
    }
    struct visit *v = calloc(1, sizeof *v);
    if (v == NULL) {
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
    v->token = token;
    v->id = id;
    v->scheduled = scheduled;
    v->fence = (struct fence){d->fence_epoch, d->fence_index};
    memcpy(v->key, d->key, sizeof v->key);
    v->timeout = loop_after(r->loop, (uint64_t)d->settings->settings.timeout_ms * 1000,
                            visit_timeout_cb, v);
    if (!chance(r, r->options->drop_per_mille / 4)) {
        v->step = loop_after(r->loop, duration_us(r) / 2, visit_arrive_cb, v);
    }
}
