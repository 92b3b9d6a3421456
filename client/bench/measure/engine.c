/* engine.c - see engine.h.
 *
 * A client whose calls are asynchronous keeps its slots, one a call under way, in a free list. In a
 * closed loop a call's end begins the next one, on the client's own thread; in an open loop, and
 * with one call at a time, a thread of ours begins them. */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/client_statistics.h"
#include "../../base/clocks.h"
#include "flags.h"
#include "ids.h"
#include "../../wire/protocol.h"

#define FULL_RETRY_US 200
#define FIND_TIMEOUT_MS 30000
#define SHED_TICK_US 2000 /* a shedding loop begins at once what has become due in so long */

struct engine_slot {
    struct engine_client *client;
    struct engine_slot *next; /* free */
    uint64_t number;
    uint64_t began_us;
};

struct engine_client {
    struct engine *engine;
    ordersched_client *handle;
    pthread_t thread;
    bool has_thread;
    struct histogram latency; /* the thread's on which calls end, until all have */
    struct engine_slot *slots;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t change;
    struct engine_slot *idle;
    atomic_uint under_way; /* may be looked at without */
};

/* ---- one call ---- */

static bool engine_next(struct engine *e, uint64_t *i)
{
    if (atomic_load_explicit(&e->stopping, memory_order_relaxed)) {
        return false;
    }
    *i = atomic_fetch_add_explicit(&e->next, 1, memory_order_relaxed);
    return *i < e->config.n;
}

static uint64_t engine_number(const struct engine *e, uint64_t i)
{
    if (e->config.orders != NULL) {
        return e->config.orders->number(e->config.orders->arg, i);
    }
    return e->config.first + (e->config.span > 0 ? i % e->config.span : i);
}

static void add_one(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void engine_failed(struct engine *e, int error, const char *text)
{
    if (ordersched_error_class(error) == ORDERSCHED_UNKNOWN) {
        add_one(&e->ended_unknown);
    } else if (error == ORDERSCHED_BUSY) {
        add_one(&e->ended_busy);
    }
    pthread_mutex_lock(&e->mutex);
    if (e->failed++ == 0) {
        e->first_error = error;
        snprintf(e->text, sizeof e->text, "%s", text != NULL ? text : "");
    }
    pthread_mutex_unlock(&e->mutex);
    if (!e->config.go_on) {
        engine_stop(e);
    }
}

/* Returns when it ended. */
static uint64_t client_call_ended(struct engine_client *c, uint64_t number, uint64_t began_us,
                                  const struct ordersched_answer *answer)
{
    struct engine *e = c->engine;
    int error = answer->error;
    uint64_t now_us = clocks_running_us();

    histogram_add(&c->latency, now_us - began_us);
    if (error != ORDERSCHED_OK) {
        engine_failed(e, error, answer->text);
    } else {
        add_one(&e->ended_ok);
    }
    if (e->config.ended != NULL) {
        e->config.ended(e->config.ended_arg, number, began_us, error, answer->state);
    }
    atomic_store_explicit(&e->last_us, now_us, memory_order_relaxed);
    add_one(&e->ended);
    return now_us;
}

static void operation_fill(const struct engine *e, uint64_t number, char id[BENCH_ID_SIZE],
                           struct ordersched_operation *op)
{
    bench_id(e->config.run, number, id);
    *op = (struct ordersched_operation){.kind = e->config.kind, .id = id, .id_len = BENCH_ID_SIZE};
    if (op->kind == ORDERSCHED_SCHEDULE) {
        op->relative = e->config.orders == NULL;
        op->time_ms = op->relative ? bench_delay_ms(number)
                                   : e->config.orders->deadline_ms(e->config.orders->arg, number);
        op->route = e->config.route;
        op->payload = bench_payload;
        op->payload_len = BENCH_PAYLOAD_SIZE;
    }
}

static int submit_local_read(const struct engine *e, const struct ordersched_operation *o,
                             ordersched_client *handle, ordersched_cb cb, void *arg)
{
    struct operation op = {.code = OPERATION_GET, .id = {(const uint8_t *)o->id, o->id_len}};
    struct buffer b = {0};

    operation_encode(&b, &op);
    int rv = b.failed ? ORDERSCHED_NO_MEMORY
                      : ordersched_submit_raw(handle, b.data, b.len, false, e->config.target,
                                              e->config.timeout_ms, cb, arg);
    buffer_free(&b);
    return rv;
}

/* ---- asynchronous calls ---- */

static struct engine_slot *slot_take(struct engine_client *c, bool wait)
{
    pthread_mutex_lock(&c->mutex);
    while (wait && c->idle == NULL) {
        pthread_cond_wait(&c->change, &c->mutex);
    }
    struct engine_slot *slot = c->idle;
    if (slot != NULL) {
        c->idle = slot->next;
        c->under_way++;
    }
    pthread_mutex_unlock(&c->mutex);
    return slot;
}

static void slot_give(struct engine_slot *slot)
{
    struct engine_client *c = slot->client;

    pthread_mutex_lock(&c->mutex);
    slot->next = c->idle;
    c->idle = slot;
    c->under_way--;
    pthread_cond_signal(&c->change);
    pthread_mutex_unlock(&c->mutex);
}

static bool slot_begin_next(struct engine_slot *slot, uint64_t now_us);

static void slot_cb(void *arg, const struct ordersched_answer *answer)
{
    struct engine_slot *slot = arg;
    uint64_t now_us = client_call_ended(slot->client, slot->number, slot->began_us, answer);

    if (slot->client->engine->config.rate > 0 || !slot_begin_next(slot, now_us)) {
        slot_give(slot);
    }
}

/* ORDERSCHED_OK: the slot's callback will come, or has. */
static int slot_submit(struct engine_slot *slot, uint64_t number, uint64_t began_us)
{
    const struct engine *e = slot->client->engine;
    char id[BENCH_ID_SIZE];
    struct ordersched_operation op;

    slot->number = number;
    slot->began_us = began_us;
    operation_fill(e, number, id, &op);
    if (e->config.target != NULL) {
        return submit_local_read(e, &op, slot->client->handle, slot_cb, slot);
    }
    return ordersched_submit(slot->client->handle, &op, e->config.timeout_ms, slot_cb, slot);
}

/* Closed loop: false when there is nothing more to begin. */
static bool slot_begin_next(struct engine_slot *slot, uint64_t now_us)
{
    struct engine *e = slot->client->engine;
    uint64_t i;

    if (!engine_next(e, &i)) {
        return false;
    }
    int rv = slot_submit(slot, engine_number(e, i), now_us);
    if (rv != ORDERSCHED_OK) {
        engine_failed(e, rv, NULL);
        engine_stop(e); /* nobody would begin the next one */
    }
    return rv == ORDERSCHED_OK;
}

/* ---- threads ---- */

static void sleep_until_us(uint64_t us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static void client_shed(struct engine_client *c, uint64_t i, uint64_t due_us)
{
    struct engine *e = c->engine;
    bool full = atomic_load_explicit(&c->under_way, memory_order_relaxed) >= e->config.outstanding;
    struct engine_slot *slot = full ? NULL : slot_take(c, false);
    int rv = slot == NULL ? ORDERSCHED_BUSY : slot_submit(slot, engine_number(e, i), due_us);

    if (rv == ORDERSCHED_OK) {
        return;
    }
    if (rv == ORDERSCHED_BUSY) {
        add_one(&e->shed);
    } else {
        engine_failed(e, rv, NULL);
    }
    if (slot != NULL) {
        slot_give(slot);
    }
}

static void client_drive_shedding(struct engine_client *c)
{
    struct engine *e = c->engine;
    uint64_t i;

    while (engine_next(e, &i)) {
        uint64_t due_us = e->began_us + (uint64_t)((double)i * 1e6 / e->config.rate);
        uint64_t now_us = clocks_running_us();
        if (due_us > now_us) {
            uint64_t tick_us = now_us + SHED_TICK_US;
            sleep_until_us(due_us > tick_us ? due_us : tick_us);
        }
        client_shed(c, i, due_us);
    }
}

static void client_drive_open(struct engine_client *c)
{
    struct engine *e = c->engine;
    uint64_t i;
    int rv;

    while (engine_next(e, &i)) {
        uint64_t due_us = e->began_us + (uint64_t)((double)i * 1e6 / e->config.rate);
        if (due_us > clocks_running_us()) {
            sleep_until_us(due_us);
        }
        struct engine_slot *slot = slot_take(c, true);
        while ((rv = slot_submit(slot, engine_number(e, i), due_us)) == ORDERSCHED_BUSY) {
            sleep_until_us(clocks_running_us() + FULL_RETRY_US);
        }
        if (rv != ORDERSCHED_OK) {
            engine_failed(e, rv, NULL);
            slot_give(slot);
        }
    }
}

static void client_drive_one_by_one(struct engine_client *c)
{
    struct engine *e = c->engine;
    char id[BENCH_ID_SIZE];
    struct ordersched_operation op;
    uint64_t i;

    while (engine_next(e, &i)) {
        uint64_t number = engine_number(e, i);
        operation_fill(e, number, id, &op);
        uint64_t began_us = clocks_running_us();
        struct ordersched_answer answer = {0};
        answer.error = ordersched_call(c->handle, &op, e->config.timeout_ms, &answer);
        (void)client_call_ended(c, number, began_us, &answer);
    }
}

static void client_fill(struct engine_client *c)
{
    struct engine_slot *slot;

    while ((slot = slot_take(c, false)) != NULL && slot_begin_next(slot, clocks_running_us())) {
    }
    if (slot != NULL) {
        slot_give(slot);
    }
}

static void *client_run(void *arg)
{
    struct engine_client *c = arg;
    struct engine *e = c->engine;

    if (e->config.shed) {
        client_drive_shedding(c);
    } else if (e->config.rate > 0) {
        client_drive_open(c);
    } else if (e->config.outstanding == 1 && e->config.target == NULL) {
        client_drive_one_by_one(c);
    } else {
        client_fill(c);
    }
    pthread_mutex_lock(&c->mutex);
    while (c->under_way > 0) {
        pthread_cond_wait(&c->change, &c->mutex);
    }
    pthread_mutex_unlock(&c->mutex);
    pthread_mutex_lock(&e->mutex);
    e->busy--;
    pthread_cond_broadcast(&e->change);
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

/* ---- open and close ---- */

static int client_open(struct engine_client *c, struct engine *e)
{
    c->engine = e;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->change, NULL);
    c->slots = calloc(e->config.outstanding, sizeof *c->slots);
    if (c->slots == NULL) {
        return ORDERSCHED_NO_MEMORY;
    }
    for (unsigned i = 0; i < e->config.outstanding; i++) {
        c->slots[i].client = c;
        c->slots[i].next = c->idle;
        c->idle = &c->slots[i];
    }
    int rv = bench_client_open(e->config.endpoints, e->config.cluster, e->config.timeout_ms,
                               &c->handle, NULL);
    if (rv != ORDERSCHED_OK) {
        return rv;
    }
    /* So that the search for the leader is not part of what is measured, nor bound by the time that
     * its calls have. */
    const struct ordersched_operation look = {.kind = ORDERSCHED_GET, .id = "nobody", .id_len = 6};
    rv = ordersched_call(c->handle, &look, FIND_TIMEOUT_MS, NULL);
    return rv == ORDERSCHED_NOT_FOUND ? ORDERSCHED_OK : rv;
}

static void client_close(struct engine_client *c)
{
    if (c->engine == NULL) {
        return; /* never opened */
    }
    if (c->has_thread) {
        pthread_join(c->thread, NULL);
    }
    ordersched_close(c->handle);
    free(c->slots);
    pthread_cond_destroy(&c->change);
    pthread_mutex_destroy(&c->mutex);
}

static void engine_close(struct engine *e)
{
    for (unsigned i = 0; e->clients != NULL && i < e->config.clients; i++) {
        client_close(&e->clients[i]);
    }
    free(e->clients);
    e->clients = NULL;
    pthread_cond_destroy(&e->change);
    pthread_mutex_destroy(&e->mutex);
}

static void engine_init(struct engine *e, const struct engine_config *config)
{
    memset(e, 0, sizeof *e);
    e->config = *config;
    pthread_mutex_init(&e->mutex, NULL);
    (void)clocks_cond_init(&e->change);
    e->clients = calloc(config->clients, sizeof *e->clients);
}

static int engine_start_threads(struct engine *e)
{
    e->cpu_before_s = clocks_process_cpu_s();
    e->began_us = clocks_running_us();
    atomic_store(&e->last_us, e->began_us);
    for (unsigned i = 0; i < e->config.clients; i++) {
        struct engine_client *c = &e->clients[i];
        pthread_mutex_lock(&e->mutex);
        e->busy++;
        pthread_mutex_unlock(&e->mutex);
        if (pthread_create(&c->thread, NULL, client_run, c) != 0) {
            e->busy--;
            engine_stop(e);
            return ORDERSCHED_NO_MEMORY;
        }
        c->has_thread = true;
    }
    return ORDERSCHED_OK;
}

int engine_start(struct engine *e, const struct engine_config *config)
{
    int rv = ORDERSCHED_OK;

    engine_init(e, config);
    if (e->clients == NULL) {
        rv = ORDERSCHED_NO_MEMORY;
    }
    for (unsigned i = 0; rv == ORDERSCHED_OK && i < config->clients; i++) {
        rv = client_open(&e->clients[i], e);
    }
    if (rv == ORDERSCHED_OK) {
        rv = engine_start_threads(e);
    }
    if (rv != ORDERSCHED_OK) {
        engine_close(e);
    }
    return rv;
}

void engine_stop(struct engine *e)
{
    atomic_store(&e->stopping, true);
}

uint64_t engine_ended(const struct engine *e)
{
    return atomic_load(&e->ended);
}

void engine_count(const struct engine *e, struct engine_counts *counts)
{
    *counts = (struct engine_counts){
        .ended = atomic_load(&e->ended),
        .ok = atomic_load(&e->ended_ok),
        .busy = atomic_load(&e->ended_busy),
        .unknown = atomic_load(&e->ended_unknown),
        .shed = atomic_load(&e->shed),
    };
    for (unsigned i = 0; i < e->config.clients; i++) {
        counts->refusals += client_busy_answers(e->clients[i].handle);
    }
}

bool engine_wait(struct engine *e, unsigned timeout_ms)
{
    uint64_t until_us = clocks_running_us() + (uint64_t)timeout_ms * 1000;
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                             .tv_nsec = (long)(until_us % 1000000) * 1000};

    pthread_mutex_lock(&e->mutex);
    while (e->busy > 0 && pthread_cond_timedwait(&e->change, &e->mutex, &until) == 0) {
    }
    bool all = e->busy == 0;
    pthread_mutex_unlock(&e->mutex);
    return all;
}

void engine_finish(struct engine *e, struct engine_result *result)
{
    while (!engine_wait(e, 1000)) {
    }
    memset(result, 0, sizeof *result);
    engine_count(e, &result->counts);
    for (unsigned i = 0; i < e->config.clients; i++) {
        histogram_merge(&result->latency, &e->clients[i].latency);
    }
    result->failed = e->failed;
    result->done = result->latency.n > e->failed ? result->latency.n - e->failed : 0;
    result->first_error = e->first_error;
    memcpy(result->text, e->text, sizeof result->text);
    result->seconds = (double)(atomic_load(&e->last_us) - e->began_us) / 1e6;
    result->cpu_s = clocks_process_cpu_s() - e->cpu_before_s;
    engine_close(e);
}
