/* dispatch.c - see dispatch.h. */
#include "dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../raft/mutant.h"

#define DISPATCH_STARTS_MAX 256  /* a call, so that the loop stays responsive */
#define DISPATCH_LOG_LINES_MAX 20 /* a second, about failed deliveries */

void dispatch_init(struct dispatch *d)
{
    memset(d, 0, sizeof *d);
}

void dispatch_open(struct dispatch *d)
{
    d->active = true;
}

void dispatch_close_office(struct dispatch *d)
{
    if (!d->active) {
        return;
    }
    d->active = false;
    for (struct delivery *v = d->deliveries; v != NULL; v = v->next) {
        v->orphan = true;
    }
    memset(d->route_inflight, 0, sizeof d->route_inflight);
    machine_put_back_all(d->machine);
}

void dispatch_key(const char *cluster, const struct order *o, char *out)
{
    uint8_t bytes[PROTOCOL_CLUSTER_MAX + 1 + 16 + ORDERSCHED_ID_MAX];
    size_t len = strlen(cluster) + 1;

    assert(len <= PROTOCOL_CLUSTER_MAX + 1);
    memcpy(bytes, cluster, len);
    for (unsigned i = 0; i < 8; i++) {
        bytes[len + i] = (uint8_t)(o->schedule_index >> (8 * i));
        bytes[len + 8 + i] = (uint8_t)((uint64_t)o->version >> (8 * i));
    }
    len += 16;
    memcpy(bytes + len, order_id(o), o->id_len);
    XXH128_hash_t hash = XXH3_128bits(bytes, len + o->id_len);
    snprintf(out, 37, "osd_%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

static void *copy_bytes(const void *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);

    if (copy == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(copy, data, len);
    }
    copy[len] = '\0';
    return copy;
}

static void delivery_free(struct delivery *v)
{
    for (uint32_t i = 0; i < v->n_secrets; i++) {
        free(v->secrets[i]);
    }
    free(v->url);
    free(v->payload);
    free(v);
}

static struct delivery *delivery_new(const struct dispatch *d, const struct order *o,
                                     uint64_t now_ms)
{
    const struct route *route = &d->machine->routes[o->route];
    const struct route_settings *settings = &route->settings;
    struct delivery *v = calloc(1, sizeof *v);

    if (v == NULL) {
        abort();
    }
    dispatch_key(d->cluster, o, v->key);
    v->fence_epoch = d->machine->epoch;
    v->fence_index = d->machine->applied;
    v->deadline_ms = o->deadline_ms;
    v->version = o->version;
    v->attempt = (o->extra != NULL ? o->extra->attempts : 0) + 1;
    v->started_ms = now_ms;
    v->route_slot = o->route;
    memcpy(v->route, route->name, sizeof v->route);
    v->url = copy_bytes(settings->url.data, settings->url.len);
    v->n_secrets = settings->n_secrets;
    for (uint32_t i = 0; i < settings->n_secrets; i++) {
        v->secrets[i] = copy_bytes(settings->secrets[i].data, settings->secrets[i].len);
    }
    v->timeout_ms = settings->timeout_ms;
    memcpy(v->id, order_id(o), o->id_len);
    v->id_len = o->id_len;
    v->payload = copy_bytes(order_payload(o), o->payload_len);
    v->payload_len = o->payload_len;
    return v;
}

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
    uint64_t second = d->environment->monotonic_us(d->environment->impl) / 1000000;

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
        log_line(d->log, LOG_WARN, "callback failed, will be tried again or end DEAD",
                 LOG_BYTES("order_id", v->id, v->id_len), LOG_STR("route", v->route),
                 LOG_U64("attempt", v->attempt), LOG_STR("reason", v->reason));
    }
}

static void dispatch_report(struct dispatch *d, const struct delivery *v)
{
    struct slice id = {v->id, v->id_len};
    struct order *o = machine_find(d->machine, id);

    /* The order cannot have left while in flight: only this delivery's outcome settles it. */
    assert(o != NULL && (o->in_flight || MUTANT(OLD_EPOCH_OUTCOME)));
    struct operation op = {
        .code = OPERATION_OUTCOME,
        .id = id,
        .epoch = v->fence_epoch,
        .version = v->version,
        .attempt = v->attempt,
        .outcome = v->outcome,
        .delay_ms = v->delay_ms,
        .jitter_ms = v->outcome == OUTCOME_FAILED ? dispatch_jitter_ms(d, o) : 0,
    };
    batcher_submit_internal(d->batcher, &op);
}

static void dispatch_unlink(struct dispatch *d, struct delivery *v)
{
    if (v->prev != NULL) {
        v->prev->next = v->next;
    } else {
        d->deliveries = v->next;
    }
    if (v->next != NULL) {
        v->next->prev = v->prev;
    }
    d->inflight--;
}

static void dispatch_done(struct delivery *v, void *arg)
{
    struct dispatch *d = arg;

    dispatch_unlink(d, v);
    if (!v->orphan) {
        assert(d->active);
        if (v->outcome == OUTCOME_FAILED) {
            dispatch_log_failure(d, v);
        }
        d->route_inflight[v->route_slot]--;
        dispatch_report(d, v);
    } else if (MUTANT(OLD_EPOCH_OUTCOME) && d->active) {
        dispatch_report(d, v);
    }
    delivery_free(v);
    d->woken(d->woken_arg);
}

static void dispatch_start(struct dispatch *d, struct order *o, uint64_t now_ms)
{
    struct delivery *v = delivery_new(d, o, now_ms);

    assert(o->deadline_ms <= d->machine->now_ms); /* never early */
    v->done = dispatch_done;
    v->done_arg = d;
    v->next = d->deliveries;
    if (v->next != NULL) {
        v->next->prev = v;
    }
    d->deliveries = v;
    d->inflight++;
    d->route_inflight[o->route]++;
    d->receiver->start(d->receiver, v);
}

bool dispatch_run(struct dispatch *d, uint64_t now_ms)
{
    const struct machine *m = d->machine;
    unsigned started = 0;
    uint32_t idle = 0; /* routes in a row that had nothing to start */

    if (!d->active || m->n_routes == 0) {
        return false;
    }
    while (idle < m->n_routes && d->inflight < d->max) {
        uint16_t slot = (uint16_t)(d->turn % m->n_routes);
        const struct route *route = &m->routes[slot];
        struct order *o = NULL;
        if (started == DISPATCH_STARTS_MAX) {
            return true;
        }
        if (route->used && d->route_inflight[slot] < route->settings.window) {
            o = machine_take_ready(d->machine, slot, ROUTE_READY_FIRST);
            o = o != NULL ? o : machine_take_ready(d->machine, slot, ROUTE_READY_RETRY);
        }
        d->turn = (uint16_t)(slot + 1);
        if (o == NULL) {
            idle++;
            continue;
        }
        idle = 0;
        started++;
        dispatch_start(d, o, now_ms);
    }
    return false;
}
