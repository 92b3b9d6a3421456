/* cluster_world.c - what a simulated node's scheduler sees of the world: its computer's clocks,
 * its receiver, its clients. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../../node/scheduler/internal.h"
#include "cluster_internal.h"

#define WORLD_UPTIME_US UINT64_C(1000000000) /* monotonic clocks */

/* --- clocks --- */

static uint64_t drifted_us(const struct sim_node *n, uint64_t true_us)
{
    return (uint64_t)((int64_t)true_us + (int64_t)true_us * n->drift_ppm / 1000000);
}

uint64_t node_monotonic_us(const struct sim_node *n)
{
    return WORLD_UPTIME_US + drifted_us(n, n->cluster->loop->now_us);
}

uint64_t node_wall_us(const struct sim_node *n)
{
    return (uint64_t)((int64_t)(n->cluster->options.epoch_ms * 1000 +
                                drifted_us(n, n->cluster->loop->now_us)) +
                      n->offset_us);
}

uint64_t node_real_us(const struct sim_node *n, uint64_t monotonic_us)
{
    return (uint64_t)((int64_t)monotonic_us * 1000000 / (1000000 + n->drift_ppm));
}

/* A leader's clock follows the wall clock without its steps, so it is bounded by the highest
 * reading since the process began, carried on with the monotonic clock; and by the clocks of the
 * leaders before, which it is raised to. Those are carried on with the fastest clock there is. */
void cluster_raise_leaders_clock(struct sim_cluster *c)
{
    uint64_t passed_us = c->loop->now_us - c->leaders_at_us;

    c->leaders_at_us = c->loop->now_us;
    if (c->leaders_us != 0 && passed_us > 0) {
        c->leaders_us += passed_us + passed_us * c->options.clock_drift_max_ppm / 1000000 + 1;
    }
}

void node_raise_bound(struct sim_node *n, uint64_t us)
{
    struct sim_cluster *c = n->cluster;
    uint64_t monotonic_us = node_monotonic_us(n);
    uint64_t carried_us = n->bound_us + (monotonic_us - n->bound_at_us);

    n->bound_us = !n->bounded || us > carried_us ? us : carried_us;
    n->bound_at_us = monotonic_us;
    n->bounded = true;
    if (n->scheduler != NULL && n->foreign == 0 &&
        replica_role(scheduler_replica(n->scheduler)) == REPLICA_LEADER) {
        cluster_raise_leaders_clock(c);
        if (n->bound_us > c->leaders_us) {
            c->leaders_us = n->bound_us;
        }
    }
}

/* Whoever applies it begins with its wall clock anew, and what was stamped before does not count. */
void cluster_set_back(struct sim_cluster *c, uint64_t now_ms)
{
    c->leaders_us = now_ms * 1000;
    c->leaders_at_us = c->loop->now_us;
    for (unsigned i = 0; i < c->options.slots; i++) {
        c->nodes[i].bounded = false;
    }
}

/* Where clocks are wrong the bound follows from what the nodes know of them: cluster_clocks.c. */
static uint64_t world_wall_us(void *impl)
{
    struct sim_node *n = impl;

    if (!n->cluster->options.wrong_clocks) {
        node_raise_bound(n, node_wall_us(n));
    }
    return node_wall_us(n);
}

static uint64_t world_monotonic_us(void *impl)
{
    return node_monotonic_us(impl);
}

static uint64_t world_random(void *impl)
{
    struct sim_node *n = impl;

    return loop_random(n->cluster->loop);
}

/* Of a stream of its own, so that it moves no other choice of a run. */
static void world_secret(void *impl, uint8_t *out, size_t len)
{
    struct sim_node *n = impl;
    struct sim_loop stream = {.random = n->cluster->loop->now_us * 64 + n->number};

    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)loop_random(&stream);
    }
}

/* --- the receiver --- */

static struct sim_delivery *world_add_delivery(struct sim_node *n, struct delivery *delivery)
{
    struct sim_cluster *c = n->cluster;
    struct sim_delivery *d = calloc(1, sizeof *d);

    if (d == NULL) {
        abort();
    }
    d->delivery = delivery;
    d->node = n;
    d->token = ++c->last_token;
    d->next = n->deliveries;
    d->at = &n->deliveries;
    if (d->next != NULL) {
        d->next->at = &d->next;
    }
    n->deliveries = d;
    n->n_deliveries++;
    if (!n->dying) {
        loop_trace(c->loop, "n%u delivers %.*s attempt %u", n->number + 1, (int)delivery->id_len,
                   (const char *)delivery->id, (unsigned)delivery->attempt);
    }
    return d;
}

static void world_start_delivery(struct receiver *receiver, struct delivery *first)
{
    struct sim_node *n = receiver->impl;
    struct sim_cluster *c = n->cluster;
    uint64_t token = c->last_token + 1;

    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        (void)world_add_delivery(n, d);
    }
    if (!n->dying) {
        c->hooks.deliver(c->hooks.arg, n->number, token, first);
    }
}

unsigned cluster_route_inflight(const struct sim_cluster *c, unsigned node, uint16_t route_slot)
{
    unsigned count = 0;

    for (const struct sim_delivery *d = c->nodes[node].deliveries; d != NULL; d = d->next) {
        count += !d->delivery->orphan && d->delivery->route_slot == route_slot;
    }
    return count;
}

/* --- outcomes that are reported twice --- */

/* A copy of an outcome, on its way into the log of the same leadership. */
struct sim_repeat {
    struct sim_repeat *next, **at; /* in the node's list */
    struct sim_node *node;
    struct sim_event *event;
    uint64_t leadership; /* its first entry */
    uint64_t term;
    uint64_t scheduled; /* log index: an order that has the same id later is another */
    char id[16];
    size_t id_len;
    uint32_t version, attempt;
    enum outcome outcome;
    uint64_t delay_ms;
};

static void repeat_free(struct sim_repeat *r)
{
    *r->at = r->next;
    if (r->next != NULL) {
        r->next->at = r->at;
    }
    free(r);
}

#define REPEAT_KEPT_MS 60000

/* When the order of this id was scheduled; 0: there is none, or it may be forgotten, and the id used
 * again, before the copy is in the log. Nobody else would report on it so late. */
static uint64_t repeat_scheduled(const struct scheduler *s, const void *id, size_t len)
{
    const struct order *o = store_find(&s->machine.store, (struct slice){id, len});

    if (o == NULL || (order_is_terminal(o) && s->machine.retention_ms < REPEAT_KEPT_MS)) {
        return 0;
    }
    return o->schedule_index;
}

static void repeat_submit(void *arg)
{
    struct sim_repeat *r = arg;
    struct scheduler *s = r->node->scheduler;
    struct operation op = {
        .code = OPERATION_OUTCOME,
        .id = {(const uint8_t *)r->id, r->id_len},
        .epoch = r->term,
        .version = r->version,
        .attempt = r->attempt,
        .outcome = r->outcome,
        .delay_ms = r->delay_ms,
        .node_id = r->node->id,
    };

    /* While the time is being set back nobody hears of a delivery, as none is under way. */
    if (scheduler_leads(s) && s->term == r->term && s->leadership_sequence == r->leadership &&
        s->batcher.alone == BATCHER_FREE && r->scheduled != 0 &&
        repeat_scheduled(s, r->id, r->id_len) == r->scheduled) {
        r->node->cluster->counters.outcomes_repeated++;
        batcher_submit_internal(&s->batcher, &op);
    }
    repeat_free(r);
}

static void repeat_cb(void *arg)
{
    struct sim_repeat *r = arg;

    r->event = NULL;
    node_enter(r->node, repeat_submit, r);
}

/* What the leadership hears of a delivery it hears again a while later, when the next attempt may
 * be under way: the machine must tell by itself that it no longer counts. Not another leadership of
 * the same term, one after a hand-over that failed: it never hears of what the one before had not
 * proposed yet, so there the copy would be the first, and decide an order that is being delivered
 * again. */
static void repeat_plan(const struct sim_delivery *d)
{
    struct sim_node *n = d->node;
    const struct delivery *from = d->delivery;
    struct sim_loop *loop = n->cluster->loop;

    if (n->dying || from->orphan || !loop_random_bool(loop, n->cluster->options.repeat_per_mille)) {
        return;
    }
    struct sim_repeat *r = calloc(1, sizeof *r);
    if (r == NULL || from->id_len > sizeof r->id) {
        abort();
    }
    *r = (struct sim_repeat){
        .next = n->repeats,
        .at = &n->repeats,
        .node = n,
        .leadership = n->scheduler->leadership_sequence,
        .term = n->scheduler->term,
        .scheduled = repeat_scheduled(n->scheduler, from->id, from->id_len),
        .id_len = from->id_len,
        .version = from->version,
        .attempt = from->attempt,
        .outcome = d->outcome,
        .delay_ms = d->delay_ms,
    };
    memcpy(r->id, from->id, from->id_len);
    if (r->next != NULL) {
        r->next->at = &r->next;
    }
    n->repeats = r;
    r->event = loop_after(loop, loop_below(loop, 4000000), repeat_cb, r);
}

static void node_end_repeats(struct sim_node *n)
{
    while (n->repeats != NULL) {
        if (n->repeats->event != NULL) {
            loop_cancel(n->cluster->loop, n->repeats->event);
        }
        repeat_free(n->repeats);
    }
}

static void delivery_unlink(struct sim_delivery *d)
{
    *d->at = d->next;
    if (d->next != NULL) {
        d->next->at = d->at;
    }
    d->node->n_deliveries--;
}

/* An event of the node. */
static void delivery_end(void *arg)
{
    struct sim_delivery *d = arg;
    struct delivery *delivery = d->delivery;

    repeat_plan(d);
    delivery_unlink(d);
    delivery->outcome = d->outcome;
    delivery->delay_ms = d->delay_ms;
    delivery->overloaded = d->overloaded;
    delivery->blame = d->blame;
    free(d);
    delivery->done(delivery, delivery->done_arg);
}

static void delivery_answered_cb(void *arg)
{
    struct sim_delivery *d = arg;

    d->event = NULL;
    node_enter(d->node, delivery_end, d);
}

void cluster_deliver_done(struct sim_cluster *c, unsigned node, uint64_t token,
                          enum outcome outcome, uint64_t delay_ms, bool overloaded,
                          enum blame blame)
{
    struct sim_delivery *d = c->nodes[node].deliveries;

    while (d != NULL && d->token != token) {
        d = d->next;
    }
    if (d == NULL) {
        return; /* the process that asked is gone */
    }
    assert(!d->answered);
    d->answered = true;
    d->outcome = outcome;
    d->delay_ms = delay_ms;
    d->overloaded = overloaded;
    d->blame = blame;
    d->event = loop_after(c->loop, 0, delivery_answered_cb, d);
}

/* --- workers --- */

static void lease_done(struct delivery *delivery, void *arg)
{
    struct sim_delivery *d = arg;
    struct sim_node *n = d->node;
    struct sim_cluster *c = n->cluster;

    delivery_unlink(d);
    if (!n->dying && !delivery->orphan) {
        loop_trace(c->loop, "n%u hears of its lease %llu: %u", n->number + 1,
                   (unsigned long long)d->token, (unsigned)delivery->outcome);
        c->hooks.leased(c->hooks.arg, n->number, d->token, delivery->outcome);
    }
    delivery->done = d->done;
    delivery->done_arg = d->done_arg;
    free(d);
    delivery->done(delivery, delivery->done_arg);
}

static void world_start_leases(struct receiver *receiver, struct delivery *first)
{
    struct sim_node *n = receiver->impl;
    struct sim_cluster *c = n->cluster;

    for (struct delivery *delivery = first; delivery != NULL; delivery = delivery->batch_next) {
        struct sim_delivery *d = world_add_delivery(n, delivery);
        d->done = delivery->done;
        d->done_arg = delivery->done_arg;
        delivery->done = lease_done;
        delivery->done_arg = d;
        if (!n->dying) {
            c->hooks.lease(c->hooks.arg, n->number, d->token, delivery);
        }
    }
    n->worker_behind->start(n->worker_behind, first);
}

static unsigned world_worker_room(struct receiver *receiver, uint16_t route_slot, const char *route)
{
    struct sim_node *n = receiver->impl;

    return n->worker_behind->room(n->worker_behind, route_slot, route);
}

void node_watch_worker(struct sim_node *n)
{
    n->worker_behind = n->scheduler->receivers.worker;
    n->worker = (struct receiver){.impl = n,
                                  .start = world_start_leases,
                                  .room = world_worker_room};
    n->scheduler->receivers.worker = &n->worker;
}

void node_end_deliveries(struct sim_node *n)
{
    node_end_repeats(n);
    while (n->deliveries != NULL) {
        struct sim_delivery *d = n->deliveries;
        if (d->event != NULL) {
            loop_cancel(n->cluster->loop, d->event);
        }
        d->outcome = OUTCOME_FAILED;
        d->delay_ms = 0;
        delivery_end(d); /* the dispatcher frees it, as an orphan */
    }
}

/* --- clients --- */

static void request_free(struct sim_request *r)
{
    *r->at = r->next;
    if (r->next != NULL) {
        r->next->at = r->at;
    }
    inbound_release(&r->in);
    free(r->bytes);
    free(r);
}

/* The scheduler answers. What a process answers that is being taken down, nobody hears. */
static void request_answered(struct inbound *in, const uint8_t *answer, size_t len)
{
    struct sim_request *r = in->owner;

    if (r->node->dying) {
        return;
    }
    r->reply(r->arg, answer, len);
    request_free(r);
}

/* An event of the node, as api.c and node.c have it. */
static void request_submit(void *arg)
{
    struct sim_request *r = arg;
    char text[128];
    int error;

    r->in.message = r->bytes;
    r->in.reply = request_answered;
    r->in.owner = r;
    error = inbound_check(&r->in, SIM_CLUSTER_NAME, text, sizeof text);
    if (error != ORDERSCHED_OK) {
        scheduler_refuse(r->node->scheduler, &r->in, error, text);
    } else {
        scheduler_submit(r->node->scheduler, &r->in);
    }
}

bool node_is_request(sim_event_cb cb)
{
    return cb == request_submit;
}

static void request_arrived_cb(void *arg)
{
    struct sim_request *r = arg;

    r->event = NULL;
    node_enter(r->node, request_submit, r);
}

void cluster_request(struct sim_cluster *c, unsigned node, const uint8_t *message, size_t len,
                     void (*reply)(void *arg, const uint8_t *data, size_t len), void *arg)
{
    struct sim_node *n = &c->nodes[node];
    struct sim_request *r = calloc(1, sizeof *r);

    assert(n->scheduler != NULL);
    if (r == NULL) {
        abort();
    }
    r->bytes = malloc(len > 0 ? len : 1);
    if (r->bytes == NULL) {
        abort();
    }
    memcpy(r->bytes, message, len);
    r->in.message_len = len;
    if (c->options.access) { /* else the log is as it was before there was an audit trail */
        r->in.caller.from = (struct slice){(const uint8_t *)SIM_CLIENT_ADDRESS,
                                           strlen(SIM_CLIENT_ADDRESS)};
    }
    r->node = n;
    r->reply = reply;
    r->arg = arg;
    r->next = n->requests;
    r->at = &n->requests;
    if (r->next != NULL) {
        r->next->at = &r->next;
    }
    n->requests = r;
    r->event = loop_after(c->loop, 0, request_arrived_cb, r);
}

void node_end_requests(struct sim_node *n)
{
    while (n->requests != NULL) {
        struct sim_request *r = n->requests;
        if (r->event != NULL) {
            loop_cancel(n->cluster->loop, r->event);
        }
        r->reply(r->arg, NULL, 0);
        request_free(r);
    }
}

void node_init_world(struct sim_node *n)
{
    n->environment = (struct environment){
        .impl = n,
        .wall_us = world_wall_us,
        .monotonic_us = world_monotonic_us,
        .guide = n->cluster->options.wrong_clocks ? clocks_guide : NULL,
        .random = world_random,
        .secret = world_secret,
    };
    n->receiver = (struct receiver){.impl = n, .start = world_start_delivery};
}
