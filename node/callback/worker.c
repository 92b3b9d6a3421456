/* worker.c - see worker.h. Waiting RESERVEs and leases are here; reports are in
 * worker_settle.c. */
#include "worker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/work.h"
#include "../dispatch/delivery.h"

#define WORKER_SWEEP_US 1000000 /* how long a poll whose client has left is kept at most */
/* Bytes of orders in one answer; what is left of PROTOCOL_ANSWER_MAX takes one order more. */
#define WORKER_ANSWER_BYTES (PROTOCOL_ANSWER_MAX - 64u * 1024)
#define WORKER_JOB_OVERHEAD 160 /* token, key, fence, numbers */

struct worker_poll {
    struct worker_poll *next;    /* of the same route */
    struct worker_poll *filling; /* the next one that got orders in this round */
    struct inbound *in;
    struct inbound_source *source;
    uint32_t rank; /* as many of its source waited for the route when it came */
    uint16_t slot;
    char route[ORDERSCHED_ROUTE_NAME_MAX + 1];
    char worker[PROTOCOL_WORKER_MAX + 1];
    uint64_t until_us;
    uint32_t max;
    uint32_t n;
    size_t bytes;
    struct reservation *first, **last;
};

static const char polls_too_many[] = "too many workers wait for orders";

static uint64_t worker_now_us(const struct callback_worker *w)
{
    return w->host.monotonic_us(w->host.arg);
}

/* ---- polls ---- */

static uint32_t poll_room(const struct worker_poll *poll)
{
    return poll->bytes < WORKER_ANSWER_BYTES ? poll->max - poll->n : 0;
}

/* Take a poll out of its route's queue. Only one that is being filled still has orders. */
static void poll_unlink(struct callback_worker *w, struct worker_poll *poll)
{
    struct worker_polls *route = &w->routes[poll->slot];
    struct worker_poll *before = NULL;

    assert(route->n > 0 && w->n_polls > 0 && poll->source->polls > 0);
    if (route->first == poll) {
        route->first = poll->next;
    } else {
        for (before = route->first; before->next != poll; before = before->next) {
        }
        before->next = poll->next;
    }
    if (route->last == poll) {
        route->last = before;
    }
    assert(route->room >= poll_room(poll));
    route->room -= poll_room(poll);
    route->n--;
    assert((route->n == 0) == (route->first == NULL));
    poll->source->polls--;
    w->n_polls--;
}

static void poll_refuse(struct callback_worker *w, struct worker_poll *poll, int error,
                        const char *text)
{
    assert(poll->n == 0);
    poll_unlink(w, poll);
    w->host.refuse(w->host.arg, poll->in, error, text);
    free(poll);
}

/* Its route has been deleted. */
static void poll_end_unknown(struct callback_worker *w, struct worker_poll *poll)
{
    struct result result = {.error = ORDERSCHED_UNKNOWN_ROUTE};

    assert(poll->n == 0);
    poll_unlink(w, poll);
    w->host.answer(w->host.arg, poll->in, &result);
    free(poll);
}

static void write_job(struct callback_worker *w, const struct reservation *r)
{
    const struct delivery *d = r->delivery;
    uint8_t token[ORDERSCHED_TOKEN_SIZE];
    char fence[ORDERSCHED_FENCE_SIZE];

    worker_leases_token(&w->leases, r, token);
    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, d->fence_epoch, d->fence_index);
    struct work_job job = {
        .token = {token, sizeof token},
        .key = {(const uint8_t *)d->key, strlen(d->key)},
        .fence = {(const uint8_t *)fence, strlen(fence)},
        .id = {d->id, d->id_len},
        .deadline_ms = d->deadline_ms,
        .attempt = d->attempt,
        .payload = {d->payload, d->payload_len},
    };
    work_write_job(&w->body, &job);
}

/* Answer with the orders that it got, maybe none. */
static void poll_answer(struct callback_worker *w, struct worker_poll *poll)
{
    uint32_t lease_ms = poll->first != NULL ? (uint32_t)(poll->first->lease_us / 1000) : 0;

    poll_unlink(w, poll);
    buffer_reset(&w->body);
    work_write_jobs_head(&w->body, lease_ms, poll->n);
    for (const struct reservation *r = poll->first; r != NULL; r = r->next) {
        write_job(w, r);
    }
    must_hold(!w->body.failed);
    struct result result = {.body = {w->body.data, w->body.len}};
    w->host.answer(w->host.arg, poll->in, &result);
    free(poll);
}

/* Every poll of every route. */
static void polls_each(struct callback_worker *w,
                       void (*each)(struct callback_worker *w, struct worker_poll *poll,
                                    uint64_t arg),
                       uint64_t arg)
{
    for (uint32_t slot = 0; slot < MACHINE_ROUTES_MAX && w->n_polls > 0; slot++) {
        struct worker_poll *next;
        for (struct worker_poll *poll = w->routes[slot].first; poll != NULL; poll = next) {
            next = poll->next;
            each(w, poll, arg);
        }
    }
}

static void poll_refuse_cb(struct callback_worker *w, struct worker_poll *poll, uint64_t error)
{
    poll_refuse(w, poll, (int)error, NULL);
}

static void worker_look_at(struct callback_worker *w, uint64_t us)
{
    w->look_us = us < w->look_us ? us : w->look_us;
}

/* End it if its time is up or its client has left; else remember when to look again. */
static void poll_look_cb(struct callback_worker *w, struct worker_poll *poll, uint64_t now_us)
{
    if (inbound_is_gone(poll->in)) {
        poll_refuse(w, poll, ORDERSCHED_BUSY, NULL); /* read by nobody */
    } else if (poll->until_us <= now_us) {
        poll_answer(w, poll);
    } else {
        worker_look_at(w, poll->until_us);
    }
}

static void worker_look(struct callback_worker *w, uint64_t now_us)
{
    if (now_us < w->look_us) {
        return;
    }
    w->look_us = UINT64_MAX;
    polls_each(w, poll_look_cb, now_us);
    if (w->n_polls > 0) {
        worker_look_at(w, now_us + WORKER_SWEEP_US);
    }
}

/* ---- fair shares ---- */

/* Behind those of its rank and of lower ones. */
static void poll_link(struct callback_worker *w, struct worker_poll *poll)
{
    struct worker_polls *route = &w->routes[poll->slot];
    struct worker_poll *before = route->last;

    if (poll->source->polls > 0) {
        for (const struct worker_poll *p = route->first; p != NULL; p = p->next) {
            poll->rank += p->source == poll->source;
        }
    }
    if (before != NULL && before->rank > poll->rank) {
        before = NULL;
        for (struct worker_poll *p = route->first; p->rank <= poll->rank; p = p->next) {
            before = p;
        }
    }
    struct worker_poll **at = before != NULL ? &before->next : &route->first;
    poll->next = *at;
    *at = poll;
    route->last = poll->next == NULL ? poll : route->last;
    route->room += poll->max;
    route->n++;
    poll->source->polls++;
    w->n_polls++;
}

/* Does `a` have a better claim to be sent away than `b`, by what its source and its route have? */
static bool poll_has_more(const struct callback_worker *w, const struct worker_poll *a,
                          const struct worker_poll *b)
{
    if (a->source->polls != b->source->polls) {
        return a->source->polls > b->source->polls;
    }
    if (w->routes[a->slot].n != w->routes[b->slot].n) {
        return w->routes[a->slot].n > w->routes[b->slot].n;
    }
    return a->rank >= b->rank; /* the newest of them */
}

/* Send one away for a newcomer. False: none has more than it would have. */
static bool worker_make_room(struct callback_worker *w, const struct inbound_source *source,
                             uint16_t slot)
{
    struct worker_poll *most = NULL;

    for (uint32_t i = 0; i < MACHINE_ROUTES_MAX; i++) {
        for (struct worker_poll *poll = w->routes[i].first; poll != NULL; poll = poll->next) {
            if (poll->n == 0 && (most == NULL || poll_has_more(w, poll, most))) {
                most = poll;
            }
        }
    }
    if (most == NULL) {
        return false;
    }
    bool fair = most->source->polls == source->polls + 1 || most->source == source
                    ? w->routes[most->slot].n > w->routes[slot].n + 1
                    : most->source->polls > source->polls + 1;
    if (fair) {
        poll_refuse(w, most, ORDERSCHED_BUSY, polls_too_many);
    }
    return fair;
}

void callback_worker_reserve(struct callback_worker *w, struct inbound *in,
                             const struct operation *op, uint16_t slot)
{
    struct inbound_source *source = in->source != NULL ? in->source : &w->nobody;

    if (w->n_polls >= w->polls_max && op->time_ms > 0) {
        w->n_refused++;
        if (!worker_make_room(w, source, slot)) {
            w->host.refuse(w->host.arg, in, ORDERSCHED_BUSY, polls_too_many);
            return;
        }
    }
    struct worker_poll *poll = must_have(calloc(1, sizeof *poll));
    poll->in = in;
    poll->source = source;
    poll->slot = slot;
    memcpy(poll->route, op->route.data, op->route.len);
    memcpy(poll->worker, op->worker.data, op->worker.len);
    poll->max = op->limit;
    poll->last = &poll->first;
    poll->until_us = worker_now_us(w) + op->time_ms * 1000;
    poll_link(w, poll);
    /* One that does not want to wait still gets what the dispatcher has for it in this round. */
    worker_look_at(w, poll->until_us);
    worker_look_at(w, worker_now_us(w) + WORKER_SWEEP_US);
}

/* ---- the receiver ---- */

/* How many orders of the route the waiting workers would take now. Wherever they stand, none of those that wait for a
 * route that had this slot before, or have left, is to get one. */
static unsigned worker_room(struct receiver *receiver, uint16_t slot, const char *name)
{
    struct callback_worker *w = receiver->impl;
    struct worker_polls *route = &w->routes[slot];
    struct worker_poll *next;

    for (struct worker_poll *poll = route->first; poll != NULL; poll = next) {
        next = poll->next;
        if (poll->n > 0) {
            continue; /* being filled: looked at before */
        }
        if (strcmp(poll->route, name) != 0) {
            poll_end_unknown(w, poll);
        } else if (inbound_is_gone(poll->in)) {
            poll_refuse(w, poll, ORDERSCHED_BUSY, NULL);
        }
    }
    return route->room;
}

/* The first poll of the route that has room. */
static struct worker_poll *poll_with_room(struct worker_polls *route)
{
    struct worker_poll *poll = route->first;

    while (poll != NULL && poll_room(poll) == 0) {
        poll = poll->next;
    }
    return poll;
}

static void worker_start_one(struct callback_worker *w, struct delivery *d)
{
    struct worker_polls *route = &w->routes[d->route_slot];
    struct worker_poll *poll = poll_with_room(route);
    uint64_t lease_us = (uint64_t)d->settings->settings.timeout_ms * 1000;

    assert(poll != NULL); /* the dispatcher asks for room first */
    assert(d->settings->settings.kind == ROUTE_WORKER && poll->n < poll->max);
    assert(strcmp(poll->route, d->settings->route) == 0);
    if (poll->n == 0) {
        poll->filling = NULL;
        *w->filling_last = poll;
        w->filling_last = &poll->filling;
    }
    route->room -= poll_room(poll);
    struct reservation *r = worker_leases_add(&w->leases, d, w->host.random(w->host.arg), lease_us,
                                              worker_now_us(w) + lease_us, poll->worker);
    *poll->last = r;
    poll->last = &r->next;
    poll->n++;
    poll->bytes += d->id_len + d->payload_len + WORKER_JOB_OVERHEAD;
    route->room += poll_room(poll);
}

/* A batch is nothing to workers: each takes as many as it asked for. */
static void worker_start(struct receiver *receiver, struct delivery *first)
{
    for (struct delivery *d = first; d != NULL; d = d->batch_next) {
        worker_start_one(receiver->impl, d);
    }
}

static void worker_answer_filled(struct callback_worker *w)
{
    while (w->filling != NULL) {
        struct worker_poll *poll = w->filling;
        assert(poll->n > 0);
        w->filling = poll->filling;
        poll_answer(w, poll);
    }
    w->filling_last = &w->filling;
}

static void worker_end_lease(struct callback_worker *w, struct reservation *r)
{
    struct delivery *d = r->delivery;

    delivery_fail(d, "lease ran out at worker %s", r->worker);
    (void)worker_leases_end(&w->leases, r);
    d->done(d, d->done_arg);
}

uint64_t callback_worker_run(struct callback_worker *w)
{
    uint64_t now_us = worker_now_us(w);
    struct reservation *r;

    worker_answer_filled(w);
    worker_look(w, now_us);
    while ((r = worker_leases_first(&w->leases)) != NULL && r->until_us <= now_us) {
        worker_end_lease(w, r);
    }
    return r != NULL && r->until_us < w->look_us ? r->until_us : w->look_us;
}

/* ---- life ---- */

void callback_worker_init(struct callback_worker *w, const struct callback_worker_host *host,
                          uint32_t polls_max)
{
    memset(w, 0, sizeof *w);
    w->host = *host;
    w->receiver = (struct receiver){.impl = w, .start = worker_start, .room = worker_room};
    w->polls_max = polls_max;
    w->look_us = UINT64_MAX;
    w->filling_last = &w->filling;
    w->settles_last = &w->settles;
    worker_leases_init(&w->leases);
}

void callback_worker_close(struct callback_worker *w)
{
    assert(w->n_polls == 0 && w->settles == NULL);
    worker_leases_close(&w->leases);
    buffer_free(&w->body);
}

void callback_worker_open(struct callback_worker *w, uint64_t epoch)
{
    assert(w->leases.n == 0);
    w->leases.epoch = epoch;
}

void callback_worker_stop(struct callback_worker *w, int error)
{
    worker_answer_filled(w);
    polls_each(w, poll_refuse_cb, (uint64_t)error);
    assert(w->n_polls == 0);
    w->look_us = UINT64_MAX;
}
