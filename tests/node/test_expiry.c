/* When an entry is wanted just for its time: exactly when an order is due and no entry on its way
 * says so, and never before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../node/commit/expiry.h"

#define NOW_MS 1764000000000ull

struct bed {
    struct machine machine;
    struct batcher batcher;
};

static void apply(struct machine *m, uint64_t now_ms, const struct operation *op)
{
    struct buffer b = {0};
    uint8_t data[512];

    if (op != NULL) {
        operation_encode(&b, op);
    }
    struct entry e = {.now_ms = now_ms, .n_operations = op != NULL, .operations = {b.data, b.len}};
    assert_true(entry_size(b.len) <= sizeof data);
    entry_encode(&e, data);
    assert_int_equal(machine_apply(m, m->applied + 1, data, entry_size(b.len), NULL), 0);
    buffer_free(&b);
}

static void order(struct bed *t, const char *id, uint64_t deadline_ms)
{
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t random[10] = {0};

    memcpy(random, id, strlen(id));
    request_id_make(request, NOW_MS, random);
    struct operation op = {.code = OPERATION_SCHEDULE,
                           .request_id = request,
                           .id = {(const uint8_t *)id, strlen(id)},
                           .time_ms = deadline_ms,
                           .route = {(const uint8_t *)"r", 1}};
    apply(&t->machine, NOW_MS, &op);
}

static void bed_open(struct bed *t)
{
    static const struct batcher_host host;
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t random[10] = {0xff};

    memset(t, 0, sizeof *t);
    machine_init(&t->machine);
    batcher_init(&t->batcher, &host, 1, 1);
    batcher_open(&t->batcher);
    request_id_make(request, NOW_MS, random);
    struct operation op = {.code = OPERATION_ROUTE_PUT,
                           .request_id = request,
                           .id = {(const uint8_t *)"r", 1},
                           .settings = {.url = {(const uint8_t *)"http://h/", 9},
                                        .timeout_ms = 1000,
                                        .window = 1}};
    apply(&t->machine, NOW_MS, &op);
}

static void bed_close(struct bed *t)
{
    batcher_close(&t->batcher);
    machine_close(&t->machine);
}

/* Ask; says whether an entry was wanted. */
static bool plan(struct bed *t, uint64_t clock_ms, uint64_t *next_ms)
{
    t->batcher.want_time = false;
    *next_ms = expiry_plan(&t->machine, &t->batcher, clock_ms);
    return t->batcher.want_time;
}

static void without_orders_nothing_is_wanted_ever(void **state)
{
    struct bed t;
    uint64_t next_ms;

    (void)state;
    bed_open(&t);
    assert_false(plan(&t, NOW_MS, &next_ms));
    assert_true(next_ms == UINT64_MAX);
    assert_false(plan(&t, NOW_MS + 1000000000, &next_ms));
    assert_true(next_ms == UINT64_MAX);
    bed_close(&t);
}

static void it_wakes_at_the_exact_time_of_the_next_order(void **state)
{
    static const uint64_t delays[] = {1, 2, 255, 256, 257, 65535, 65536, 1000000, 34560000000ull};
    uint64_t next_ms;

    (void)state;
    for (unsigned i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct bed t;
        bed_open(&t);
        order(&t, "later", NOW_MS + 34560000000ull);
        order(&t, "first", NOW_MS + delays[i]);
        assert_false(plan(&t, NOW_MS, &next_ms));
        assert_true(next_ms == NOW_MS + delays[i]);
        assert_false(plan(&t, NOW_MS + delays[i] - 1, &next_ms));
        assert_true(next_ms == NOW_MS + delays[i]);
        assert_true(plan(&t, NOW_MS + delays[i], &next_ms));
        bed_close(&t);
    }
}

static void an_entry_on_its_way_that_is_late_enough_will_do(void **state)
{
    struct bed t;
    uint64_t next_ms;

    (void)state;
    bed_open(&t);
    order(&t, "a", NOW_MS + 100);
    t.batcher.inflight = 1;
    t.batcher.last_now_ms = NOW_MS + 99;
    assert_true(plan(&t, NOW_MS + 100, &next_ms));
    t.batcher.last_now_ms = NOW_MS + 100;
    assert_false(plan(&t, NOW_MS + 100, &next_ms));
    assert_false(plan(&t, NOW_MS + 5000, &next_ms));
    t.batcher.inflight = 0; /* it was lost */
    assert_true(plan(&t, NOW_MS + 5000, &next_ms));
    bed_close(&t);
}

static void once_the_time_is_applied_the_next_order_counts(void **state)
{
    struct bed t;
    uint64_t next_ms;

    (void)state;
    bed_open(&t);
    order(&t, "a", NOW_MS + 100);
    order(&t, "b", NOW_MS + 300);
    apply(&t.machine, NOW_MS + 100, NULL);
    assert_false(plan(&t, NOW_MS + 100, &next_ms)); /* the wheel's work is not done yet */
    assert_true(next_ms == UINT64_MAX);
    assert_true(machine_advance(&t.machine, 100));
    assert_false(plan(&t, NOW_MS + 100, &next_ms));
    assert_true(next_ms == NOW_MS + 300);
    bed_close(&t);
}

static void a_replicated_time_ahead_of_the_clock_needs_nothing(void **state)
{
    struct bed t;
    uint64_t next_ms;

    (void)state;
    bed_open(&t);
    order(&t, "a", NOW_MS + 5000);
    apply(&t.machine, NOW_MS + 4000, NULL);
    assert_false(plan(&t, NOW_MS, &next_ms));
    assert_true(next_ms == NOW_MS + 5000);
    bed_close(&t);
}

/* Pay an order, which is forgotten when the retention is over. */
static void pay(struct bed *t, const char *id, uint64_t now_ms)
{
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t random[10] = {0x77};

    memcpy(random + 1, id, strlen(id));
    request_id_make(request, NOW_MS, random);
    struct operation op = {.code = OPERATION_PAY,
                           .request_id = request,
                           .id = {(const uint8_t *)id, strlen(id)}};
    apply(&t->machine, now_ms, &op);
}

static void a_leader_that_is_alone_notes_the_time_now_and_then(void **state)
{
    struct bed t;

    (void)state;
    bed_open(&t);
    t.machine.now_ms = NOW_MS;
    assert_true(expiry_plan_note(&t.machine, &t.batcher, NOW_MS + 999, 1000) == NOW_MS + 1000);
    assert_false(t.batcher.want_time);
    assert_true(expiry_plan_note(&t.machine, &t.batcher, NOW_MS + 1000, 1000) == UINT64_MAX);
    assert_true(t.batcher.want_time);
    t.batcher.want_time = false;
    t.batcher.inflight = 1; /* it is on its way */
    assert_true(expiry_plan_note(&t.machine, &t.batcher, NOW_MS + 1000, 1000) == UINT64_MAX);
    assert_false(t.batcher.want_time);
    t.batcher.inflight = 0;
    bed_close(&t);
}

static bool plan_room(struct bed *t, uint64_t clock_ms, uint64_t *next_ms)
{
    t->batcher.want_time = false;
    *next_ms = expiry_plan_room(&t->machine, &t->batcher, clock_ms);
    return t->batcher.want_time;
}

static void where_room_is_short_an_entry_is_wanted_once_an_order_is_forgotten(void **state)
{
    struct bed t;
    uint64_t next_ms;

    (void)state;
    bed_open(&t);
    t.machine.retention_ms = 60000;
    assert_false(plan_room(&t, NOW_MS + 100000, &next_ms));
    assert_true(next_ms == UINT64_MAX);
    order(&t, "a", NOW_MS + 100);
    assert_false(plan_room(&t, NOW_MS + 100000, &next_ms)); /* not decided: not forgotten */
    assert_true(next_ms == UINT64_MAX);
    pay(&t, "a", NOW_MS + 10);
    assert_false(plan_room(&t, NOW_MS + 61009, &next_ms));
    assert_true(next_ms == NOW_MS + 61010); /* a second later: the next may come along */
    t.batcher.inflight = 1;
    assert_false(plan_room(&t, NOW_MS + 61010, &next_ms)); /* the one under way does it */
    t.batcher.inflight = 0;
    assert_true(plan_room(&t, NOW_MS + 61010, &next_ms));
    apply(&t.machine, NOW_MS + 61010, NULL);
    assert_int_equal(t.machine.store.n, 0);
    assert_false(plan_room(&t, NOW_MS + 61010, &next_ms));
    assert_true(next_ms == UINT64_MAX);
    bed_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_orders_nothing_is_wanted_ever),
        cmocka_unit_test(it_wakes_at_the_exact_time_of_the_next_order),
        cmocka_unit_test(an_entry_on_its_way_that_is_late_enough_will_do),
        cmocka_unit_test(once_the_time_is_applied_the_next_order_counts),
        cmocka_unit_test(a_replicated_time_ahead_of_the_clock_needs_nothing),
        cmocka_unit_test(a_leader_that_is_alone_notes_the_time_now_and_then),
        cmocka_unit_test(where_room_is_short_an_entry_is_wanted_once_an_order_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
