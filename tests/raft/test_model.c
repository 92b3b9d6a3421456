/* test_model.c - the state machine against a naive model of docs/semantics.md, over a million
 * random operations that collide on few orders. They come in lives, each a machine of its own;
 * the first has the seed given, each later one the next number.
 *
 *   SEED=N         begins with the life of this seed
 *   OPERATIONS=N   more or fewer operations
 * Runs beside others: computes 5 s. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/recent.h"
#include "../../raft/core/snapshot.h"
#include "../support/model.h"

#define T0 1800000000000ull

#define OPERATIONS_COVERING 1200000u /* in which everything happens that there is */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OPERATIONS_USUAL 300000u
#else
#define OPERATIONS_USUAL OPERATIONS_COVERING
#endif

#define ENTRY_MAX 8
#define LIFE_OPERATIONS 50000u
#define LONG_LIFE_OPERATIONS 200000u /* one life in eight, in which time soon stands still */

struct run {
    struct machine m;
    struct model *model;
    struct noise noise;
    struct machine_results results;
    struct buffer operations;
    struct buffer entry;
    uint64_t index;
    uint64_t done; /* operations */
    uint64_t seed;
    bool is_long;
    bool has_set_backs; /* one life in eight */
    struct tally *tally;
};

/* How often things happened, over all lives: a test that meets few of them tests little. */
struct tally {
    uint64_t operations;
    uint64_t errors[64];
    uint64_t deliveries;
    uint64_t restores;
    uint64_t full_rings;
    uint64_t paused; /* orders that waited because of their route */
    uint64_t gaps;   /* events that were no longer known */
    uint64_t keyed_copies;
    uint64_t set_back;
    uint64_t recalled; /* orders that were due, and were pending again after it */
};

/* 17 of "i17": the names of the noise. */
static unsigned number_of(struct slice name)
{
    unsigned number = 0;

    for (size_t i = 1; i < name.len; i++) {
        number = number * 10 + (unsigned)(name.data[i] - '0');
    }
    return number;
}

static void start(struct run *r, uint64_t seed, struct tally *tally)
{
    memset(r, 0, sizeof *r);
    r->tally = tally;
    r->seed = seed;
    r->is_long = seed % 8 == 3;
    r->has_set_backs = seed % 8 == 5;
    machine_init(&r->m);
    r->model = model_new();
    r->model->recent_limit = r->is_long ? 3000 : seed % 4 == 1 ? 150 : r->model->recent_limit;
    recent_set_limit(r->m.recent, r->model->recent_limit);
    noise_init(&r->noise, seed);
    r->noise.is_calm = r->is_long;
    r->noise.has_keyed = seed % 4 >= 1; /* three lives in four */
    r->noise.has_traced = seed % 3 >= 1;
}

static void end(struct run *r)
{
    machine_close(&r->m);
    model_free(r->model);
    buffer_free(&r->operations);
    buffer_free(&r->entry);
    free(r->results.results);
}

#define EXPECT(run, got, want)                                                          \
    do {                                                                                \
        uint64_t got_ = (uint64_t)(got);                                                \
        uint64_t want_ = (uint64_t)(want);                                              \
        if (got_ != want_) {                                                            \
            print_error("%s is %" PRIu64 ", the model says %" PRIu64 " (life %" PRIu64  \
                        ", index %" PRIu64 ", now %" PRIu64 ")\n",                      \
                        #got, got_, want_, (run)->seed, (run)->index, (run)->m.now_ms); \
            fail();                                                                     \
        }                                                                               \
    } while (0)

static void expect_result(struct run *r, const struct result *got, const struct result *want)
{
    EXPECT(r, got->error, want->error);
    EXPECT(r, got->state, want->state);
    EXPECT(r, got->deadline_ms, want->deadline_ms);
    EXPECT(r, got->remaining_ms, want->remaining_ms);
    EXPECT(r, got->index, want->index);
    EXPECT(r, got->body.len, want->body.len);
    r->tally->keyed_copies += got->body.len > 0;
    r->tally->errors[got->error]++;
}

/* --- comparing states --- */

/* The bytes of `text` that a limit leaves, whole UTF-8 characters only. */
static size_t cut_length(const char *text, size_t max)
{
    size_t len = strlen(text);

    len = len < max ? len : max;
    while (len > 0 && (text[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

static void compare_event(struct run *r, const struct history_event *got,
                          const struct model_event *want)
{
    EXPECT(r, got->kind, want->kind);
    EXPECT(r, got->time_ms, want->time_ms);
    EXPECT(r, got->index, want->index);
    EXPECT(r, got->node, want->node);
    EXPECT(r, got->attempt, want->attempt);
    EXPECT(r, got->outcome, want->outcome);
    EXPECT(r, got->value, want->value);
    EXPECT(r, got->reason.len, cut_length(want->reason, HISTORY_REASON_MAX));
    EXPECT(r, memcmp(got->reason.data, want->reason, got->reason.len), 0);
}

static void compare_history(struct run *r, const struct history *h, const struct model_order *want)
{
    struct slice reason = history_reason(h);
    struct slice left = history_events(h);

    EXPECT(r, reason.len, strlen(want->reason));
    EXPECT(r, reason.len > 0 && memcmp(reason.data, want->reason, reason.len) != 0, false);
    EXPECT(r, h ? h->n + h->dropped : 0, want->n_events);
    for (uint64_t i = 0; i < want->n_events; i++) {
        const struct model_event *kept = model_event(want, i);
        struct history_event e;
        size_t used;

        if (kept) {
            assert_int_equal(history_event_decode(left.data, left.len, &e, &used), 0);
            compare_event(r, &e, kept);
            left.data += used;
            left.len -= used;
        } else {
            r->tally->gaps++;
        }
    }
    EXPECT(r, left.len, 0);
}

static void compare_order(struct run *r, unsigned id)
{
    const struct model_order *want = &r->model->orders[id];
    const struct order *o = machine_find(&r->m, noise_id(&r->noise, id));

    EXPECT(r, o != NULL, model_is_known(r->model, id));
    EXPECT(r, store_find(&r->m.store, noise_id(&r->noise, id)) != NULL, want->exists);
    if (!o) {
        return;
    }
    EXPECT(r, order_state(o, r->m.now_ms), model_state(r->model, id));
    EXPECT(r, o->deadline_ms, want->deadline_ms);
    EXPECT(r, order_decided_ms(o), want->decided_ms);
    EXPECT(r, order_decision_index(o), want->decision);
    EXPECT(r, o->schedule_index, want->scheduled);
    EXPECT(r, o->version, want->version);
    EXPECT(r, model_has_traceparent(want, order_traceparent(o)), true);
    EXPECT(r, o->in_flight, want->in_flight);
    EXPECT(r, number_of((struct slice){(uint8_t *)r->m.routes[o->route].name, 2}), want->route);
    EXPECT(r, o->extra ? o->extra->attempts : 0, want->attempts);
    EXPECT(r, o->extra ? o->extra->failures : 0, want->failures);
    EXPECT(r, o->extra ? o->extra->next_ms : 0, want->next_ms);
    EXPECT(r, o->extra ? o->extra->n_requests : 0, want->n_requests);
    EXPECT(r, o->extra ? o->extra->redriven_ms : 0, want->redriven_ms);
    compare_history(r, o->extra ? o->extra->history : NULL, want);
}

static void compare_route(struct run *r, const struct route *got, const struct model_route *want)
{
    const struct route_settings *s = &got->settings;

    EXPECT(r, got->paused, want->paused);
    EXPECT(r, got->paused ? got->paused_ms : 0, want->paused ? want->paused_ms : 0);
    EXPECT(r, s->n_retries, want->n_retries);
    EXPECT(r, s->attempts, want->attempts);
    EXPECT(r, s->n_secrets, want->n_secrets);
    for (unsigned i = 0; i < want->n_secrets; i++) {
        EXPECT(r, s->secrets[i].len, strlen(want->secrets[i]));
        EXPECT(r, memcmp(s->secrets[i].data, want->secrets[i], s->secrets[i].len), 0);
    }
    EXPECT(r, s->n_signing_keys, want->n_keys);
    for (unsigned i = 0; i < want->n_keys; i++) {
        EXPECT(r, s->signing_keys[i].len, strlen(want->keys[i]));
        EXPECT(r, memcmp(s->signing_keys[i].data, want->keys[i], s->signing_keys[i].len), 0);
    }
}

static void compare(struct run *r)
{
    EXPECT(r, r->m.now_ms, r->model->now_ms);
    EXPECT(r, r->m.epoch, r->model->epoch);
    EXPECT(r, r->m.epoch_ms, r->model->epoch_ms);
    EXPECT(r, r->m.seed, r->model->seed);
    EXPECT(r, r->m.identity[PROTOCOL_IDENTITY_SIZE - 1], r->model->identity);
    EXPECT(r, r->m.secret[PROTOCOL_CLUSTER_SECRET_SIZE - 1], r->model->secret);
    EXPECT(r, r->m.secret_index, r->model->secret_index);
    EXPECT(r, r->m.retention_ms, r->model->retention_ms);
    EXPECT(r, r->m.request_floor_ms, r->model->floor_ms);
    EXPECT(r, r->m.era, r->model->era);
    EXPECT(r, r->m.set_back_ms, r->model->set_back_ms);
    EXPECT(r, r->m.clock_trusted, r->model->clock_trusted);
    EXPECT(r, recent_count(r->m.recent), r->model->n_recent - r->model->first_recent);
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        compare_order(r, i);
    }
    for (unsigned i = 0; i < NOISE_ROUTES; i++) {
        const struct route *route = machine_find_route(&r->m, noise_route(&r->noise, i));

        EXPECT(r, route != NULL, r->model->routes[i].exists);
        if (route) {
            compare_route(r, route, &r->model->routes[i]);
        }
    }
}

/* Once all that is due was moved: the numbers, and the time of the next work. */
static void compare_indexes(struct run *r)
{
    struct machine_counts got;
    struct machine_counts want = {0};
    uint64_t oldest_ms = UINT64_MAX;
    uint64_t next_ms = UINT64_MAX;

    for (unsigned i = 0; i < NOISE_IDS; i++) {
        const struct model_order *o = &r->model->orders[i];
        int state = !o->exists                    ? 0
                    : model_is_known(r->model, i) ? model_state(r->model, i)
                                                  : o->state; /* counts until it is purged */

        want.pending += state == ORDERSCHED_PENDING;
        want.closing += state == ORDERSCHED_CLOSING;
        want.paid += state == ORDERSCHED_PAID;
        want.cancelled += state == ORDERSCHED_CANCELLED;
        want.expired += state == ORDERSCHED_EXPIRED;
        want.dead += state == ORDERSCHED_DEAD;
        if (state == ORDERSCHED_PENDING && o->deadline_ms < next_ms) {
            next_ms = o->deadline_ms;
        }
        if (state == ORDERSCHED_CLOSING) {
            uint64_t since_ms = o->redriven_ms > o->deadline_ms ? o->redriven_ms : o->deadline_ms;
            oldest_ms = since_ms < oldest_ms ? since_ms : oldest_ms;
            if (o->next_ms > r->m.now_ms && o->next_ms < next_ms) {
                next_ms = o->next_ms;
            }
        }
    }
    machine_counts(&r->m, &got);
    EXPECT(r, got.pending, want.pending);
    EXPECT(r, got.closing, want.closing);
    EXPECT(r, got.paid, want.paid);
    EXPECT(r, got.cancelled, want.cancelled);
    EXPECT(r, got.expired, want.expired);
    EXPECT(r, got.dead, want.dead);
    EXPECT(r, machine_oldest_overdue_ms(&r->m),
           oldest_ms == UINT64_MAX ? 0 : r->m.now_ms - oldest_ms);
    EXPECT(r, machine_next_ms(&r->m), next_ms);
}

/* --- what a leader does --- */

static void take(struct run *r, uint16_t route, enum route_ready which)
{
    uint32_t count = machine_count_ready(&r->m, route, which);
    struct order *o = machine_take_ready(&r->m, route, which);
    unsigned id;

    EXPECT(r, o != NULL, count > 0);
    if (!o) {
        return;
    }
    id = number_of((struct slice){order_id(o), o->id_len});
    EXPECT(r, model_is_deliverable(r->model, id), true);
    EXPECT(r, r->model->orders[id].in_flight, false);
    EXPECT(r, r->model->routes[r->model->orders[id].route].paused, false);
    EXPECT(r, which == ROUTE_READY_RETRY, r->model->orders[id].attempts > 0);
    EXPECT(r, o->version, r->model->orders[id].version);
    r->model->orders[id].in_flight = true;
    r->tally->deliveries++;
    if (noise_below(&r->noise, 10) == 0) {
        machine_put_back(&r->m, o);
        r->model->orders[id].in_flight = false;
    }
}

/* All that the model wants delivered is delivered. */
static void drain(struct run *r)
{
    while (!machine_advance(&r->m, 8)) {
    }
    compare_indexes(r);
    for (uint16_t route = 0; route < NOISE_ROUTES; route++) {
        for (int which = 0; which < ROUTE_READY_LISTS; which++) {
            while (machine_count_ready(&r->m, route, (enum route_ready)which) > 0) {
                take(r, route, (enum route_ready)which);
            }
        }
    }
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        const struct model_order *o = &r->model->orders[i];
        bool paused = r->model->routes[o->route].paused;

        EXPECT(r, o->in_flight, model_is_deliverable(r->model, i) && (o->in_flight || !paused));
        r->tally->paused += paused && model_is_deliverable(r->model, i) && !o->in_flight;
    }
}

static void put_all_back(struct run *r)
{
    machine_put_back_all(&r->m);
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        r->model->orders[i].in_flight = false;
    }
}

static void restore(struct run *r)
{
    uint64_t digest = machine_digest(&r->m);
    struct snapshot_part *parts;
    unsigned n;
    size_t len;

    snapshot_finish(snapshot_under_way(&r->m), &parts, &n);
    uint8_t *snapshot = snapshot_parts_join(parts, n, malloc, &len);
    assert_non_null(snapshot);
    snapshot_parts_free(parts, n);
    if (noise_below(&r->noise, 2) == 0) { /* into another machine, or over this one */
        machine_close(&r->m);
        machine_init(&r->m);
        recent_set_limit(r->m.recent, r->model->recent_limit);
    }
    assert_int_equal(snapshot_restore(&r->m, snapshot, len), SNAPSHOT_OK);
    free(snapshot);
    EXPECT(r, machine_digest(&r->m), digest);
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        r->model->orders[i].in_flight = false;
    }
    r->tally->restores++;
}

/* A snapshot grows while the machine lives on, and when it is whole it may take the machine's
 * place. */
static void grow_snapshot(struct run *r)
{
    struct noise *n = &r->noise;

    if (snapshot_under_way(&r->m) != NULL && noise_below(n, 4) == 0) {
        bool complete = snapshot_step(snapshot_under_way(&r->m), 1 + (unsigned)noise_below(n, 3));
        if (complete && noise_below(n, 8) == 0) {
            restore(r);
        }
    }
}

static void lead(struct run *r)
{
    struct noise *n = &r->noise;

    grow_snapshot(r);
    if (noise_below(n, 2) == 0) {
        machine_advance(&r->m, 1 + (unsigned)noise_below(n, 6));
        take(r, (uint16_t)noise_below(n, NOISE_ROUTES + 1),
             (enum route_ready)noise_below(n, ROUTE_READY_LISTS));
    }
    switch (noise_below(n, r->is_long ? 8000 : 400)) { /* a full ring is slow to look at */
        case 0: put_all_back(r); break;
        case 1:
        case 2:
        case 3: drain(r); break;
        case 4:
            if (snapshot_under_way(&r->m) == NULL) {
                assert_non_null(snapshot_begin(&r->m));
            }
            break;
        case 5: machine_check(&r->m); break;
        default: break;
    }
}

/* --- one entry --- */

static uint64_t time_of_entry(struct run *r)
{
    if (r->index == 1) {
        return T0;
    }
    /* The clock of a long life stands, so that the ring of recent requests fills. */
    if (r->is_long && r->done > 5000) {
        return r->m.now_ms + (noise_below(&r->noise, 100) == 0);
    }
    return noise_time(&r->noise, r->m.now_ms);
}

static unsigned count_closing(const struct run *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < NOISE_IDS; i++) {
        n += model_state(r->model, i) == ORDERSCHED_CLOSING;
    }
    return n;
}

/* Rarely the time is set back, in an entry of its own, while nothing is in flight. */
static void set_back(struct run *r)
{
    static const uint64_t spans_ms[] = {10, 2000, 20000, 3600000, 100 * 86400000ull};
    uint64_t span_ms = 1 + noise_below(&r->noise, spans_ms[noise_below(&r->noise, 5)]);
    struct buffer tokens = {0};
    struct operation op = machine_set_back_operation(&r->m, r->m.now_ms - span_ms, &tokens);
    struct machine_set_back foreseen;
    struct result want;
    unsigned closing = count_closing(r);
    uint8_t bytes[256];
    struct entry e = {.now_ms = r->m.now_ms, .epoch = r->m.epoch, .n_operations = 1};

    put_all_back(r);
    while (!machine_advance(&r->m, 8)) {
    }
    machine_foresee_set_back(&r->m, op.time_ms, &foreseen);
    buffer_reset(&r->operations);
    operation_encode(&r->operations, &op);
    e.era = r->m.era;
    e.operations = (struct slice){r->operations.data, r->operations.len};
    entry_encode(&e, bytes);
    assert_int_equal(machine_apply(&r->m, ++r->index, bytes, entry_size(e.operations.len),
                                   &r->results),
                     0);
    model_begin(r->model, r->index, e.now_ms, e.era, 1);
    model_apply(r->model, e.epoch, &op, 0, 0, &want);
    expect_result(r, &r->results.results[0], &want);
    EXPECT(r, closing - count_closing(r), foreseen.again);
    model_end(r->model);
    machine_check(&r->m);
    r->tally->set_back++;
    r->tally->recalled += foreseen.again;
    buffer_free(&tokens);
}

static void step(struct run *r)
{
    const struct operation *ops[ENTRY_MAX];
    struct entry e = {.n_operations = (uint32_t)noise_below(&r->noise, ENTRY_MAX + 1)};
    uint8_t *bytes;
    size_t size;

    r->index += 1 + (noise_below(&r->noise, 20) == 0); /* barriers take indexes too */
    e.now_ms = time_of_entry(r);
    e.epoch = r->m.epoch + noise_below(&r->noise, 2);
    e.era = r->m.era;
    if (e.era > 0 && noise_below(&r->noise, 50) == 0) { /* of a leader that had not heard of it */
        e.era--;
        e.now_ms += noise_below(&r->noise, 1000000);
    }
    buffer_reset(&r->operations);
    for (uint32_t i = 0; i < e.n_operations; i++) {
        ops[i] = noise_operation(&r->noise, &r->m);
        operation_encode(&r->operations, ops[i]);
        e.keyed = e.keyed || (ops[i]->request_id && request_id_is_keyed(ops[i]->request_id));
    }
    if (e.keyed && r->index % 40 == 0) { /* of a leader that knew no keyed request ids */
        e.keyed = false;
    }
    e.operations = (struct slice){r->operations.data, r->operations.len};
    size = entry_size(e.operations.len);
    bytes = malloc(size);
    entry_encode(&e, bytes);
    assert_int_equal(machine_apply(&r->m, r->index, bytes, size, &r->results), 0);
    free(bytes);
    EXPECT(r, r->results.n, e.n_operations);
    model_begin(r->model, r->index, e.now_ms, e.era, e.n_operations);
    r->model->knows_keys = e.keyed;
    for (uint32_t i = 0; i < e.n_operations; i++) {
        struct slice route = ops[i]->code == OPERATION_SCHEDULE ? ops[i]->route : ops[i]->id;
        struct result want;

        model_apply(r->model, e.epoch, ops[i], number_of(ops[i]->id) % NOISE_IDS,
                    number_of(route) % NOISE_ROUTES, &want);
        expect_result(r, &r->results.results[i], &want);
        r->done++;
    }
    model_end(r->model);
    EXPECT(r, r->m.request_floor_ms, r->model->floor_ms);
}

static void live(uint64_t seed, struct tally *tally)
{
    struct run *r = malloc(sizeof *r);
    uint64_t operations;

    assert_non_null(r);
    start(r, seed, tally);
    operations = r->is_long ? LONG_LIFE_OPERATIONS : LIFE_OPERATIONS;
    for (unsigned i = 0; r->done < operations; i++) {
        if (r->has_set_backs && r->index > 0 && noise_below(&r->noise, 100) == 0) {
            set_back(r);
        }
        step(r);
        lead(r);
        tally->full_rings += recent_count(r->m.recent) >=
                             r->model->recent_limit - r->model->recent_limit / 64;
        if (i % 8 == 0) {
            compare(r);
        }
    }
    drain(r);
    compare(r);
    machine_check(&r->m);
    tally->operations += r->done;
    end(r);
    free(r);
}

static void print_tally(const struct tally *t)
{
    print_message("%" PRIu64 " operations, %" PRIu64 " deliveries, %" PRIu64 " restores, %" PRIu64
                  " entries with a full ring, %" PRIu64 " waits for a paused route, %" PRIu64
                  " events forgotten, %" PRIu64 " times set back, %" PRIu64
                  " orders recalled, %" PRIu64 " keyed copies\n",
                  t->operations, t->deliveries, t->restores, t->full_rings, t->paused, t->gaps,
                  t->set_back, t->recalled, t->keyed_copies);
    for (unsigned i = 0; i < sizeof t->errors / sizeof *t->errors; i++) {
        if (t->errors[i] > 0) {
            print_message("  %10" PRIu64 " %s\n", t->errors[i], ordersched_error_name((int)i));
        }
    }
}

static void the_machine_agrees_with_the_model(void **state)
{
    static const int answers[] = {
        ORDERSCHED_OK,           ORDERSCHED_EXISTS,          ORDERSCHED_NOT_FOUND,
        ORDERSCHED_TOO_LATE,     ORDERSCHED_DECIDED,         ORDERSCHED_STALE_REQUEST,
        ORDERSCHED_EXHAUSTED,    ORDERSCHED_UNKNOWN_ROUTE,   ORDERSCHED_ROUTE_IN_USE,
        ORDERSCHED_BAD_DEADLINE, ORDERSCHED_EARLY_REQUEST,   ORDERSCHED_NOT_DEAD,
        ORDERSCHED_BUSY,         ORDERSCHED_VERSION_CHANGED,
    };
    const char *text = getenv("OPERATIONS");
    uint64_t operations = text ? strtoull(text, NULL, 0) : OPERATIONS_USUAL;
    uint64_t seed = noise_seed(20261201);
    struct tally tally = {0};

    (void)state;
    while (tally.operations < operations) {
        live(seed++, &tally);
    }
    print_tally(&tally);
    if (operations >= OPERATIONS_COVERING) {
        for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
            assert_true(tally.errors[answers[i]] > 0);
        }
        assert_true(tally.deliveries > 1000 && tally.restores > 10 && tally.keyed_copies > 1000);
        assert_true(tally.set_back > 200 && tally.recalled > 100);
        assert_true(tally.full_rings > 0 && tally.paused > 500 && tally.gaps > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_machine_agrees_with_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
