/* dispatch_desk.c - see dispatch_desk.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch_desk.h"

static uint64_t desk_now_ms(void *arg)
{
    return ((struct desk *)arg)->now_ms;
}

static uint64_t desk_term(void *arg)
{
    return ((struct desk *)arg)->term;
}

static uint64_t desk_committed(void *arg)
{
    (void)arg;
    return 0;
}

static uint8_t *desk_alloc(void *arg, size_t len)
{
    (void)arg;
    return malloc(len);
}

static bool desk_propose(void *arg, uint8_t *data, size_t len, void *entry)
{
    struct desk *t = arg;

    assert_null(t->proposed);
    t->proposed = data;
    t->proposed_len = len;
    t->entry = entry;
    return true;
}

static uint64_t desk_us(void *impl)
{
    return ((struct desk *)impl)->now_ms * 1000;
}

static uint64_t desk_random(void *impl)
{
    return ((struct desk *)impl)->random;
}

static void desk_woken(void *arg)
{
    ((struct desk *)arg)->n_woken++;
}

struct slice desk_text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* Apply one operation as an entry of its own. */
void desk_apply(struct desk *t, struct operation op, int expected)
{
    struct buffer b = {0};
    struct machine_results results = {0};
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t random[10] = {0};

    memcpy(random, &t->n_requests, sizeof t->n_requests);
    t->n_requests++;
    request_id_make(id, t->now_ms, random);
    op.request_id = op.code < OPERATION_EPOCH ? id : NULL;
    operation_encode(&b, &op);
    struct entry e = {.now_ms = t->now_ms,
                      .epoch = t->term,
                      .n_operations = 1,
                      .operations = {b.data, b.len}};
    uint8_t *data = malloc(entry_size(b.len));
    entry_encode(&e, data);
    assert_int_equal(machine_apply(&t->machine, t->machine.applied + 1, data, entry_size(b.len),
                                   &results),
                     0);
    assert_int_equal(results.results[0].error, expected);
    while (!machine_advance(&t->machine, 1000)) {
    }
    free(results.results);
    free(data);
    buffer_free(&b);
}

/* A route with these settings; a URL and retries where they name none. */
void desk_put(struct desk *t, const char *name, struct route_settings settings)
{
    if (settings.url.len == 0) {
        settings.url = desk_text("http://one/");
    }
    if (settings.n_retries == 0) {
        settings.n_retries = 2;
        settings.retries_ms[0] = 1000;
        settings.retries_ms[1] = 20000;
    }
    desk_apply(t,
               (struct operation){.code = OPERATION_ROUTE_PUT,
                                  .id = desk_text(name),
                                  .settings = settings},
               ORDERSCHED_OK);
}

void desk_pause(struct desk *t, const char *name, bool paused)
{
    desk_apply(t,
               (struct operation){.code = OPERATION_ROUTE_PAUSE,
                                  .id = desk_text(name),
                                  .paused = paused},
               ORDERSCHED_OK);
}

void desk_route(struct desk *t, const char *name, const char *url, uint32_t window)
{
    desk_put(t, name,
             (struct route_settings){.url = desk_text(url), .timeout_ms = 1000, .window = window});
}

void desk_order(struct desk *t, const char *route, const char *id, uint64_t delay_ms)
{
    desk_apply(t,
               (struct operation){.code = OPERATION_SCHEDULE,
                                  .id = desk_text(id),
                                  .relative = true,
                                  .time_ms = delay_ms,
                                  .route = desk_text(route),
                                  .payload = desk_text("{}")},
               ORDERSCHED_OK);
}

void desk_orders(struct desk *t, const char *route, unsigned n)
{
    char id[64];

    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%s-%u", route, i);
        desk_order(t, route, id, 1);
    }
}

void desk_epoch(struct desk *t)
{
    t->term++;
    desk_apply(t, (struct operation){.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1000000},
               ORDERSCHED_OK);
    dispatch_open(&t->dispatch);
    batcher_open(&t->batcher);
}

void desk_lose_leadership(struct desk *t)
{
    dispatch_end_leadership(&t->dispatch);
    batcher_end_leadership(&t->batcher, ORDERSCHED_NOT_LEADER, NULL);
}

/* Let time pass, by an entry that changes nothing. */
void desk_pass(struct desk *t, uint64_t ms)
{
    t->now_ms += ms;
    desk_apply(t, (struct operation){.code = OPERATION_PAY, .id = desk_text("nobody")},
               ORDERSCHED_NOT_FOUND);
}

/* Commit and apply the outcomes that are queued. */
void desk_commit(struct desk *t)
{
    batcher_pump(&t->batcher);
    assert_non_null(t->proposed);
    struct entry entry;
    assert_int_equal(entry_decode(t->proposed, t->proposed_len, &entry), 0);
    struct machine_results *results = batcher_results(&t->batcher, &entry);
    assert_non_null(results);
    assert_int_equal(machine_apply_entry(&t->machine, t->machine.applied + 1, &entry, results), 0);
    batcher_applied(&t->batcher);
    free(t->proposed);
    t->proposed = NULL;
    batcher_settled(&t->batcher, t->entry, true);
    while (!machine_advance(&t->machine, 1000)) {
    }
}

void desk_run(struct desk *t)
{
    while (dispatch_run(&t->dispatch, t->now_ms * 1000)) {
    }
    assert_true(t->dispatch.inflight.used <= t->dispatch.inflight.max);
    assert_int_equal(t->dispatch.inflight.used, t->receiver.n_held);
    machine_check(&t->machine);
}

void desk_open(struct desk *t, unsigned max)
{
    struct batcher_host host = {.arg = t,
                                .now_ms = desk_now_ms,
                                .term = desk_term,
                                .committed = desk_committed,
                                .alloc = desk_alloc,
                                .propose = desk_propose};

    memset(t, 0, sizeof *t);
    t->now_ms = DESK_START_MS;
    t->environment = (struct environment){.impl = t,
                                          .wall_us = desk_us,
                                          .monotonic_us = desk_us,
                                          .random = desk_random};
    idle_receiver_init(&t->receiver);
    machine_init(&t->machine);
    batcher_init(&t->batcher, &host, 100, 1 << 20);
    dispatch_init(&t->dispatch);
    t->dispatch.machine = &t->machine;
    t->dispatch.batcher = &t->batcher;
    t->dispatch.receiver = &t->receiver.receiver;
    t->dispatch.environment = &t->environment;
    t->dispatch.cluster = "c";
    t->dispatch.inflight.max = max;
    t->dispatch.woken = desk_woken;
    t->dispatch.woken_arg = t;
}

void desk_close(struct desk *t)
{
    desk_lose_leadership(t);
    while (t->receiver.n_held > 0) {
        idle_receiver_end(&t->receiver, 0, OUTCOME_FAILED, 0);
    }
    dispatch_close(&t->dispatch);
    machine_check(&t->machine);
    batcher_close(&t->batcher);
    machine_close(&t->machine);
}

int desk_state_of(const struct desk *t, const char *id)
{
    return order_state(machine_find(&t->machine, desk_text(id)), t->machine.now_ms);
}

/* The only operation that is queued for the log. */
struct operation desk_queued(const struct desk *t)
{
    struct operation op;

    assert_int_equal(t->batcher.n_internal, 1);
    assert_int_equal(operation_decode(t->batcher.internal.data, t->batcher.internal.len, &op),
                     ORDERSCHED_OK);
    assert_int_equal(op.code, OPERATION_OUTCOME);
    return op;
}

unsigned desk_count(const struct desk *t, const char *route)
{
    return idle_receiver_count(&t->receiver, route);
}

uint64_t desk_wake_in_ms(const struct desk *t)
{
    uint64_t now_us = t->now_ms * 1000;

    return t->dispatch.wake_us == UINT64_MAX ? UINT64_MAX
                                             : (t->dispatch.wake_us - now_us + 999) / 1000;
}

void desk_end_all(struct desk *t, enum outcome outcome)
{
    while (t->receiver.n_held > 0) {
        idle_receiver_end(&t->receiver, 0, outcome, 0);
    }
}
