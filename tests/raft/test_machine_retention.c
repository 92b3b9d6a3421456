/* test_machine_retention.c - the rules of docs/semantics.md, "Retention" and "Epochs". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/answers.h"
#include "../support/bed.h"

#define T BED_T0
#define DAY_MS (24ull * 3600 * 1000)

static int setup(void **state)
{
    *state = bed_open();
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    return 0;
}

/* --- Retention --- */

static void a_decided_order_is_known_until_its_retention_is_over(void **state)
{
    struct bed *b = *state;
    const uint64_t end = T + 50 + MACHINE_RETENTION_DEFAULT_MS;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T + 50, bed_pay(b, "a"));
    bed_pass(b, end - 1);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PAID);
    bed_pass(b, end);
    assert_answer(bed_get(b, "a"), ORDERSCHED_NOT_FOUND, 0, 0, 0);
    assert_int_equal(b->m.store.n, 0);
    assert_answer(bed_apply(b, end, bed_pay(b, "a")), ORDERSCHED_NOT_FOUND, 0, 0, 0);
    assert_answer(bed_apply(b, end, bed_schedule(b, "a", end + 9)), ORDERSCHED_OK,
                  ORDERSCHED_PENDING, end + 9, 0);
}

static void the_operations_of_an_entry_do_not_see_what_the_entry_will_purge(void **state)
{
    struct bed *b = *state;
    const uint64_t end = T + 50 + 1000;
    struct operation op;

    bed_apply(b, T, bed_epoch(0, 5)); /* void: not a new term */
    b->epoch = 2;
    bed_apply(b, T, bed_epoch(0, 1000));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T + 50, bed_pay(b, "a"));
    op = bed_cancel(b, "a");
    op.request_id = bed_request(b, end);
    assert_answer(bed_apply(b, end, op), ORDERSCHED_NOT_FOUND, 0, 0, 0);
}

static void a_pending_or_closing_order_is_never_forgotten(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_pass(b, T + 1000 * DAY_MS);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
}

static void a_dead_order_is_never_forgotten(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        bed_apply(b, T + 200, bed_outcome(b, "a", 1, attempt, OUTCOME_FAILED, 0));
    }
    bed_pass(b, T + 1000 * DAY_MS);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_DEAD);
}

/* Decide `n` orders, `each` to an entry, at one time. */
static void decide_many(struct bed *b, unsigned n, unsigned each)
{
    for (unsigned i = 0; i < n; i++) {
        char id[16];
        struct operation op;

        snprintf(id, sizeof id, "many-%u", i);
        op = bed_schedule(b, id, T + 1000);
        bed_add(b, &op);
        op = bed_pay(b, id);
        bed_add(b, &op);
        if ((i + 1) % each == 0) {
            bed_commit(b, T);
        }
    }
}

static void memory_is_given_back_by_whole_indexes_and_a_bounded_number_of_them(void **state)
{
    struct bed *b = *state;
    const uint64_t end = T + MACHINE_RETENTION_DEFAULT_MS;
    size_t memory = b->m.memory;

    decide_many(b, 3 * (MACHINE_PURGE_MAX + 10), 3);
    assert_true(b->m.memory > memory);
    bed_pass(b, end - 1);
    assert_int_equal(b->m.store.n, 3 * (MACHINE_PURGE_MAX + 10));
    bed_pass(b, end);
    assert_int_equal(b->m.store.n, 3 * 10);
    machine_check(&b->m);
    /* Known or not does not depend on the memory. */
    assert_int_equal(bed_get(b, "many-0").error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(bed_get(b, "many-797").error, ORDERSCHED_NOT_FOUND);
    assert_non_null(store_find(&b->m.store, bed_text("many-797")));
    bed_pass(b, end);
    assert_int_equal(b->m.store.n, 0);
    assert_int_equal(b->m.routes[0].orders, 0);
}

static void every_operation_sees_a_forgotten_order_as_unknown_before_its_purge(void **state)
{
    struct bed *b = *state;
    const uint64_t end = T + MACHINE_RETENTION_DEFAULT_MS;

    decide_many(b, MACHINE_PURGE_MAX + 300, 1);
    bed_pass(b, end);
    assert_int_equal(b->m.store.n, 300);
    assert_int_equal(bed_get(b, "many-555").error, ORDERSCHED_NOT_FOUND);
    assert_answer(bed_apply(b, end, bed_pay(b, "many-555")), ORDERSCHED_NOT_FOUND, 0, 0, 0);
    assert_null(machine_find(&b->m, bed_text("many-540")));
}

static void a_schedule_purges_the_forgotten_order_of_its_id_first(void **state)
{
    struct bed *b = *state;
    const uint64_t end = T + MACHINE_RETENTION_DEFAULT_MS;
    uint64_t purged;

    decide_many(b, 2 * MACHINE_PURGE_MAX + 44, 1);
    bed_pass(b, end);
    purged = b->m.store.n;
    assert_true(purged > MACHINE_PURGE_MAX);
    assert_answer(bed_apply(b, end, bed_schedule(b, "many-555", end + 5)), ORDERSCHED_OK,
                  ORDERSCHED_PENDING, end + 5, 0);
    assert_int_equal(bed_get(b, "many-555").state, ORDERSCHED_PENDING);
    machine_check(&b->m);
    bed_pass(b, end);
    assert_int_equal(b->m.store.n, 1);
}

/* --- what is forgotten while its requests are not stale --- */

static void keep_for(struct bed *b, uint64_t retention_ms)
{
    b->epoch++;
    bed_apply(b, T, bed_epoch(0, retention_ms));
}

static void a_purge_waits_until_the_requests_of_the_order_are_stale(void **state)
{
    struct bed *b = *state;
    struct operation op;

    keep_for(b, 2000);
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    op = bed_pay(b, "a");
    op.request_id = bed_request(b, T + 5000); /* ahead, but within the 10 s */
    bed_apply(b, T + 10, op);
    bed_pass(b, T + 2010);
    assert_int_equal(bed_get(b, "a").error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(b->m.store.n, 1);
    bed_pass(b, T + 6999);
    assert_int_equal(b->m.store.n, 1);
    assert_true(b->m.request_floor_ms < T);
    bed_pass(b, T + 7000);
    assert_int_equal(b->m.store.n, 0);
    assert_int_equal(b->m.request_floor_ms, T + 5000);
    assert_int_equal(bed_apply(b, T + 7000, op).error, ORDERSCHED_STALE_REQUEST);
}

static void
an_id_ahead_of_time_does_not_make_those_of_others_stale_however_short_the_retention(void **state)
{
    struct bed *b = *state;
    struct operation op;

    keep_for(b, 3000);
    for (unsigned i = 0; i < 50; i++) {
        op = bed_schedule(b, "a", T + 100000);
        op.request_id = bed_request(b, T + 9500);
        assert_int_equal(bed_apply(b, T, op).error, i == 0 ? ORDERSCHED_OK : ORDERSCHED_EXISTS);
        op = bed_cancel(b, "a");
        op.request_id = bed_request(b, T + 9500);
        bed_apply(b, T, op);
    }
    bed_pass(b, T + 3000);
    op = bed_schedule(b, "other", T + 100000);
    op.request_id = bed_request(b, T + 1);
    assert_int_equal(bed_apply(b, T + 3000, op).error, ORDERSCHED_OK);
}

/* In memory, forgotten or not. */
static struct order *stored(struct bed *b, const char *id)
{
    return store_find(&b->m.store, bed_text(id));
}

static void orders_of_one_entry_are_purged_as_each_may_be(void **state)
{
    struct bed *b = *state;
    struct operation ops[3];

    keep_for(b, 2000);
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_schedule(b, "b", T + 100));
    bed_apply(b, T, bed_schedule(b, "c", T + 100));
    ops[0] = bed_pay(b, "a");
    ops[1] = bed_pay(b, "b");
    ops[1].request_id = bed_request(b, T + 1000);
    ops[2] = bed_pay(b, "c");
    for (unsigned i = 0; i < 3; i++) {
        bed_add(b, &ops[i]);
    }
    bed_commit(b, T);
    bed_apply(b, T, bed_schedule(b, "behind", T + 100));
    bed_apply(b, T, bed_pay(b, "behind"));
    bed_pass(b, T + 2000);
    assert_null(stored(b, "a"));
    assert_non_null(stored(b, "b"));
    assert_null(stored(b, "c"));
    assert_non_null(stored(b, "behind")); /* in order of decision */
    bed_pass(b, T + 3000);
    assert_int_equal(b->m.store.n, 0);
}

static void an_id_can_be_had_again_and_late_copies_of_its_past_get_their_answers(void **state)
{
    struct bed *b = *state;
    struct operation schedule = bed_schedule(b, "a", T + 100);
    struct operation pay;
    struct operation late;

    keep_for(b, 2000);
    schedule.request_id = bed_request(b, T + 1500);
    bed_apply(b, T, schedule);
    pay = bed_pay(b, "a");
    pay.request_id = bed_request(b, T + 5000);
    bed_apply(b, T + 10, pay);
    late = bed_cancel(b, "a");
    late.request_id = bed_request(b, T + 5000);
    assert_int_equal(bed_apply(b, T + 11, late).error, ORDERSCHED_DECIDED);
    bed_pass(b, T + 2010);
    assert_non_null(stored(b, "a")); /* forgotten, but not gone */
    assert_answer(bed_apply(b, T + 2010, schedule), ORDERSCHED_OK, ORDERSCHED_PENDING, T + 100, 0);
    assert_int_equal(bed_apply(b, T + 2010, pay).state, ORDERSCHED_PAID);
    assert_int_equal(bed_get(b, "a").error, ORDERSCHED_NOT_FOUND); /* a copy brings nothing back */
    bed_apply(b, T + 2010, bed_schedule(b, "a", T + 9000));
    assert_int_equal(bed_apply(b, T + 2010, pay).state, ORDERSCHED_PAID);
    assert_int_equal(bed_apply(b, T + 2010, late).error, ORDERSCHED_DECIDED);
    assert_answer(bed_get(b, "a"), ORDERSCHED_OK, ORDERSCHED_PENDING, T + 9000, 0);
    assert_int_equal(bed_apply(b, T + 3500, schedule).error, ORDERSCHED_STALE_REQUEST);
}

static void by_the_old_rules_a_purge_raises_the_floor(void **state)
{
    struct bed *b = bed_open_old();
    struct operation op;

    (void)state;
    keep_for(b, 1000);
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    op = bed_pay(b, "a");
    op.request_id = bed_request(b, T + 5000);
    bed_apply(b, T + 10, op);
    bed_pass(b, T + 1009);
    assert_true(b->m.request_floor_ms < T);
    bed_pass(b, T + 1010);
    assert_int_equal(b->m.store.n, 0);
    assert_int_equal(b->m.request_floor_ms, T + 5000);
    assert_int_equal(bed_apply(b, T + 1010, op).error, ORDERSCHED_STALE_REQUEST);
    bed_close(b);
}

/* --- Epochs --- */

static void an_epoch_must_grow_or_is_void(void **state)
{
    struct bed *b = *state;

    assert_int_equal(b->m.epoch, 1);
    b->epoch = 5;
    assert_int_equal(bed_apply(b, T, bed_epoch(1, 1234)).error, ORDERSCHED_OK);
    assert_int_equal(b->m.epoch, 5);
    assert_int_equal(b->m.retention_ms, 1234);
    assert_int_equal(bed_apply(b, T, bed_epoch(1, 99)).error, ORDERSCHED_DECIDED);
    b->epoch = 4;
    assert_int_equal(bed_apply(b, T, bed_epoch(1, 99)).error, ORDERSCHED_DECIDED);
    assert_int_equal(b->m.epoch, 5);
    assert_int_equal(b->m.retention_ms, 1234);
}

static void the_seed_is_set_once(void **state)
{
    struct bed *b = *state;

    assert_int_equal(b->m.seed, 77);
    assert_int_equal(b->m.store.seed, 77);
    b->epoch = 2;
    bed_apply(b, T, bed_epoch(88, 1000));
    assert_int_equal(b->m.seed, 77);
}

static void the_seed_of_a_store_that_holds_orders_stays(void **state)
{
    struct machine *m = &((struct bed *)*state)->m;
    struct bed *b = *state;

    machine_close(m);
    machine_init(m);
    b->index = 0;
    bed_pass(b, T);
    bed_apply(b, T, bed_route_put(b, BED_ROUTE));
    bed_apply(b, T, bed_schedule(b, "a", T + 1));
    bed_apply(b, T, bed_epoch(88, 1000));
    assert_int_equal(m->epoch, 1);
    assert_int_equal(m->seed, 0);
    assert_non_null(bed_order(b, "a"));
}

static void identity_and_secret_are_set_once(void **state)
{
    struct bed *b = bed_open_old();
    (void)state;
    uint64_t before = machine_digest(&b->m);

    assert_int_equal(b->m.secret_index, 0);
    b->epoch = 1; /* void */
    bed_apply(b, T, bed_epoch_with(1, 2));
    assert_int_equal(b->m.identity[0], 0);
    assert_int_equal(b->m.secret_index, 0);
    assert_int_equal(machine_digest(&b->m), before);
    b->epoch = 2;
    bed_apply(b, T, bed_epoch_with(1, 2));
    assert_int_equal(b->m.identity[0], 1);
    assert_int_equal(b->m.secret[31], 2);
    assert_int_equal(b->m.secret_index, b->index);
    uint64_t index = b->index;
    b->epoch = 3;
    bed_apply(b, T, bed_epoch_with(3, 4));
    assert_int_equal(b->m.epoch, 3);
    assert_int_equal(b->m.identity[0], 1);
    assert_int_equal(b->m.secret[31], 2);
    assert_int_equal(b->m.secret_index, index);
    bed_close(b);
}

/* So that no order is as old as the secret: its index tells whether it was there. */
static void a_secret_comes_only_at_the_beginning_of_an_entry(void **state)
{
    struct bed *b = bed_open_old();
    (void)state;
    struct operation schedule = bed_schedule(b, "a", T + 1000);
    struct operation epoch = bed_epoch_with(1, 2);

    b->epoch = 2;
    bed_add(b, &schedule);
    bed_add(b, &epoch);
    bed_commit(b, T);
    assert_int_equal(b->m.epoch, 2);
    assert_int_equal(b->m.secret_index, 0);
    bed_close(b);
}

/* The digest is shown to anybody. */
static void the_digest_tells_clusters_of_another_secret_apart(void **state)
{
    uint64_t digests[3];

    (void)state;
    for (uint8_t i = 0; i < 3; i++) {
        struct bed *b = bed_open_old();

        b->epoch = 2;
        bed_apply(b, T, bed_epoch_with(1 + i / 2, 1 + i % 2));
        digests[i] = machine_digest(&b->m);
        bed_close(b);
    }
    assert_true(digests[0] != digests[1] && digests[0] != digests[2]);
}

static void a_shorter_retention_forgets_at_once(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_pay(b, "a"));
    bed_pass(b, T + 5000);
    b->epoch = 2;
    bed_apply(b, T + 5000, bed_epoch(0, 5000));
    assert_int_equal(bed_get(b, "a").error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(b->m.store.n, 0);
}

static void an_endless_retention_does_not_overflow(void **state)
{
    struct bed *b = *state;

    b->epoch = 2;
    bed_apply(b, T, bed_epoch(0, UINT64_MAX));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_pay(b, "a"));
    bed_pass(b, T + 1000 * DAY_MS);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PAID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_decided_order_is_known_until_its_retention_is_over),
        TEST(the_operations_of_an_entry_do_not_see_what_the_entry_will_purge),
        TEST(a_pending_or_closing_order_is_never_forgotten),
        TEST(a_dead_order_is_never_forgotten),
        TEST(memory_is_given_back_by_whole_indexes_and_a_bounded_number_of_them),
        TEST(every_operation_sees_a_forgotten_order_as_unknown_before_its_purge),
        TEST(a_schedule_purges_the_forgotten_order_of_its_id_first),
        TEST(a_purge_waits_until_the_requests_of_the_order_are_stale),
        TEST(an_id_ahead_of_time_does_not_make_those_of_others_stale_however_short_the_retention),
        TEST(orders_of_one_entry_are_purged_as_each_may_be),
        TEST(an_id_can_be_had_again_and_late_copies_of_its_past_get_their_answers),
        TEST(by_the_old_rules_a_purge_raises_the_floor),
        TEST(an_epoch_must_grow_or_is_void),
        TEST(the_seed_is_set_once),
        TEST(the_seed_of_a_store_that_holds_orders_stays),
        TEST(identity_and_secret_are_set_once),
        TEST(a_secret_comes_only_at_the_beginning_of_an_entry),
        TEST(the_digest_tells_clusters_of_another_secret_apart),
        TEST(a_shorter_retention_forgets_at_once),
        TEST(an_endless_retention_does_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
