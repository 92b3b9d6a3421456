/* test_orderbench_book.c - the judge of a soak: which orders are paid and when each is due, and
 * that every kind of wrong account of them is found, and named.
 *
 * These parts belong to the program orderbench and are in no archive, hence the .c files here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/bench/measure/book.c"
#include "../../client/base/histogram.c"
#include "../../client/bench/measure/ids.c"
#include "../../client/bench/measure/soak_plan.c"

#define RUN 0x0badcafe
#define FIRST_MS 1700000000000u
#define OVER_MS 10000
#define ORDERS 1000
#define UNDER_WAY 10

/* ---- the plan ---- */

static void the_paid_orders_are_spread_evenly_and_numbered_without_gaps(void **state)
{
    static const uint64_t shares[] = {1, 10000, 333333, 500000, 700001, 990000};

    (void)state;
    for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct soak_plan p = {.orders = 100000, .pay_share = shares[i], .over_ms = OVER_MS};
        uint64_t paid = 0;
        for (uint64_t n = 0; n < p.orders; n++) {
            if (soak_is_paid(&p, n)) {
                assert_int_equal(soak_paid_number(&p, paid), n);
                paid++;
            }
            assert_true(paid * SOAK_SHARE_WHOLE <= (n + 1) * shares[i]);
            assert_true((paid + 1) * SOAK_SHARE_WHOLE > (n + 1) * shares[i]);
        }
        assert_int_equal(paid, soak_paid(&p));
        assert_int_equal(paid + soak_fired(&p), p.orders);
    }
}

static void half_of_them_is_every_second_one(void **state)
{
    struct soak_plan p = {.orders = 10, .pay_share = SOAK_SHARE_WHOLE / 2};

    (void)state;
    for (uint64_t n = 0; n < p.orders; n++) {
        assert_int_equal(soak_is_paid(&p, n), n % 2 == 1);
    }
}

static void deadlines_grow_evenly_from_the_first_over_the_time(void **state)
{
    struct soak_plan p = {.orders = ORDERS,
                          .pay_share = SOAK_SHARE_WHOLE / 2,
                          .first_ms = FIRST_MS,
                          .over_ms = OVER_MS};

    (void)state;
    assert_int_equal(soak_deadline_ms(&p, 0), FIRST_MS);
    for (uint64_t n = 1; n < p.orders; n++) {
        uint64_t step_ms = soak_deadline_ms(&p, n) - soak_deadline_ms(&p, n - 1);
        assert_true(step_ms == 0 || step_ms == 20); /* 500 of them fire in 10 s */
    }
    assert_true(soak_deadline_ms(&p, ORDERS - 1) <= FIRST_MS + OVER_MS);
    assert_true(soak_deadline_ms(&p, ORDERS - 1) >= FIRST_MS + OVER_MS - 20);
}

static void the_number_of_an_order_follows_from_its_id(void **state)
{
    static const uint64_t numbers[] = {0, 1, 9, 10, 4711, 9999999, 10000000, UINT32_MAX};
    char id[BENCH_ID_SIZE];
    uint64_t number;

    (void)state;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bench_id(RUN, numbers[i], id);
        assert_true(bench_id_number(RUN, id, sizeof id, &number));
        assert_int_equal(number, numbers[i]);
        assert_false(bench_id_number(RUN + 1, id, sizeof id, &number));
        assert_false(bench_id_number(RUN, id, sizeof id - 1, &number));
        id[12] = 'x';
        assert_false(bench_id_number(RUN, id, sizeof id, &number));
    }
}

/* ---- a run, written down as it should be ---- */

struct run {
    struct soak_plan plan;
    struct book book;
};

static void deliver_as(struct run *r, uint64_t number, uint64_t key, const char *fence,
                       uint64_t deadline_ms, int64_t late_us)
{
    char id[BENCH_ID_SIZE];
    char text[64];

    bench_id(RUN, number, id);
    snprintf(text, sizeof text, "osd_%016llx0123456789abcdef", (unsigned long long)key);
    book_delivery(&r->book, id, sizeof id, text, fence, deadline_ms,
                  (uint64_t)((int64_t)soak_deadline_ms(&r->plan, number) * 1000 + late_us));
}

static void deliver(struct run *r, uint64_t number)
{
    deliver_as(r, number, number * 0x9e3779b97f4a7c15u + 1, "7.1234",
               soak_deadline_ms(&r->plan, number), 1500);
}

static void end(struct run *r, uint64_t number)
{
    book_end(&r->book, number, ORDERSCHED_OK,
             soak_is_paid(&r->plan, number) ? ORDERSCHED_PAID : ORDERSCHED_EXPIRED);
}

/* All is right, but for one order that the test sees to. */
static struct run *run_but_for(uint64_t undelivered, uint64_t unended)
{
    struct run *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->plan = (struct soak_plan){.orders = ORDERS,
                                 .pay_share = SOAK_SHARE_WHOLE / 2,
                                 .first_ms = FIRST_MS,
                                 .over_ms = OVER_MS};
    assert_int_equal(book_open(&r->book, &r->plan, RUN), 0);
    for (uint64_t n = 0; n < ORDERS; n++) {
        if (n != undelivered && !soak_is_paid(&r->plan, n)) {
            deliver(r, n);
        }
        if (n != unended) {
            end(r, n);
        }
    }
    return r;
}

static struct run *good_run(void)
{
    return run_but_for(UINT64_MAX, UINT64_MAX);
}

static void run_free(struct run *r)
{
    book_close(&r->book);
    free(r);
}

/* The judge finds so many faults, all of this kind, and its sentence names what it should. */
static void assert_wrong(struct run *r, enum book_fault_kind kind, uint64_t n, const char *names)
{
    char *text = NULL;
    size_t len = 0;

    assert_false(book_judge(&r->book, UNDER_WAY));
    assert_int_equal(r->book.faults[kind].n, n);
    assert_int_equal(book_faults(&r->book), n);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    book_print_faults(&r->book, out);
    fclose(out);
    if (strstr(text, names) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, names);
    }
    free(text);
    run_free(r);
}

static void a_run_as_it_should_be_passes(void **state)
{
    static struct histogram late;
    struct run *r = good_run();

    (void)state;
    assert_true(book_judge(&r->book, UNDER_WAY));
    assert_int_equal(book_delivered(&r->book), ORDERS / 2);
    assert_int_equal(r->book.duplicates, 0);
    assert_int_equal(r->book.leaderships, 1);
    book_lateness(&r->book, 0, UINT64_MAX, 0, UINT64_MAX, &late);
    assert_int_equal(late.n, ORDERS / 2);
    assert_int_equal(late.min, 1500);
    assert_int_equal(late.max, 1500);
    /* The first second of deadlines: every 20 ms one. */
    book_lateness(&r->book, FIRST_MS * 1000ull, (FIRST_MS + 1000) * 1000ull, 0, UINT64_MAX, &late);
    assert_int_equal(late.n, 50);
    run_free(r);
}

/* ---- wrong accounts ---- */

static void an_order_that_never_came_is_lost(void **state)
{
    (void)state;
    assert_wrong(run_but_for(498, UINT64_MAX), BOOK_LOST, 1,
                 "order 0badcafe-00000000000000000000498 was not paid, and never delivered");
}

static void a_paid_order_that_came_is_wrong(void **state)
{
    struct run *r = good_run();

    (void)state;
    deliver(r, 501);
    assert_wrong(r, BOOK_PAID_FIRED, 1,
                 "order 0badcafe-00000000000000000000501 was delivered although it was paid");
}

static void a_delivery_a_microsecond_too_early_is_wrong(void **state)
{
    struct run *r = run_but_for(200, UINT64_MAX);

    (void)state;
    deliver_as(r, 200, 4711, "7.1", soak_deadline_ms(&r->plan, 200), -1);
    assert_wrong(r, BOOK_EARLY, 1,
                 "order 0badcafe-00000000000000000000200 was delivered 0.001 ms before");
}

static void a_delivery_with_another_deadline_is_wrong(void **state)
{
    struct run *r = run_but_for(200, UINT64_MAX);

    (void)state;
    deliver_as(r, 200, 4711, "7.1", soak_deadline_ms(&r->plan, 200) + 1, 10);
    assert_wrong(r, BOOK_OTHER_DEADLINE, 1, "0200 was delivered with the deadline");
}

static void a_delivery_under_another_key_is_a_second_effect(void **state)
{
    struct run *r = good_run();

    (void)state;
    deliver_as(r, 200, 4711, "7.9999", soak_deadline_ms(&r->plan, 200), 10);
    assert_wrong(r, BOOK_SECOND_EFFECT, 1, "under another one: two effects");
}

static void a_delivery_without_a_proper_key_is_wrong(void **state)
{
    static const char *const keys[] = {"", "osd_", "osd_12", "osd_zzzzzzzzzzzzzzzz",
                                       "0123456789abcdef"};
    char id[BENCH_ID_SIZE];

    (void)state;
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct run *r = good_run();
        bench_id(RUN, 200, id);
        book_delivery(&r->book, id, sizeof id, keys[i], "7.1", soak_deadline_ms(&r->plan, 200),
                      (soak_deadline_ms(&r->plan, 200) + 5) * 1000);
        assert_wrong(r, BOOK_SECOND_EFFECT, 1, "which is not a key");
    }
}

static void two_orders_under_one_key_are_one_effect_too_few(void **state)
{
    struct run *r = run_but_for(200, UINT64_MAX);

    (void)state;
    deliver_as(r, 200, 400 * 0x9e3779b97f4a7c15u + 1, "7.1", soak_deadline_ms(&r->plan, 200), 10);
    assert_wrong(r, BOOK_SHARED_KEY, 1, "has the key of order number");
}

static void an_order_of_nobody_is_wrong(void **state)
{
    struct run *r = good_run();
    char id[BENCH_ID_SIZE];

    (void)state;
    book_delivery(&r->book, "order-1", 7, "osd_0123456789abcdef", "7.1", FIRST_MS, FIRST_MS);
    bench_id(RUN, ORDERS, id); /* one more than there are */
    book_delivery(&r->book, id, sizeof id, "osd_0123456789abcdef", "7.1", FIRST_MS, FIRST_MS);
    assert_wrong(r, BOOK_STRANGER, 2, "\"order-1\", which is not an order of this run");
}

static void a_duplicate_without_a_new_leadership_is_wrong(void **state)
{
    struct run *r = good_run();

    (void)state;
    deliver(r, 200);
    assert_wrong(r, BOOK_DUPLICATES, 1, "1 deliveries came twice; with 0 changes of leadership");
}

static void duplicates_are_allowed_as_far_as_they_could_be_under_way_at_a_failover(void **state)
{
    (void)state;
    for (unsigned n = UNDER_WAY; n <= UNDER_WAY + 1; n++) {
        struct run *r = good_run();
        for (uint64_t k = 0; k < n; k++) {
            deliver_as(r, 2 * k, 2 * k * 0x9e3779b97f4a7c15u + 1, "9.5",
                       soak_deadline_ms(&r->plan, 2 * k), 900000);
        }
        assert_int_equal(r->book.leaderships, 2);
        assert_int_equal(book_duplicates_max(&r->book, UNDER_WAY), UNDER_WAY);
        assert_true(book_leadership_after(&r->book, 7) ==
                    soak_deadline_ms(&r->plan, 0) * 1000 + 900000);
        assert_true(book_leadership_after(&r->book, 9) == 0);
        if (n > UNDER_WAY) {
            assert_wrong(r, BOOK_DUPLICATES, 1, "11 deliveries came twice; with 1 changes");
        } else {
            assert_true(book_judge(&r->book, UNDER_WAY));
            run_free(r);
        }
    }
}

static void a_wrong_ending_is_named(void **state)
{
    struct run *r = run_but_for(UINT64_MAX, 200);

    (void)state;
    book_end(&r->book, 200, ORDERSCHED_OK, ORDERSCHED_CLOSING);
    assert_wrong(r, BOOK_ENDING, 1, "0200 ended CLOSING, but should have ended EXPIRED");
    r = run_but_for(UINT64_MAX, 201);
    book_end(&r->book, 201, ORDERSCHED_OK, ORDERSCHED_EXPIRED);
    assert_wrong(r, BOOK_ENDING, 1, "0201 ended EXPIRED, but should have ended PAID");
    r = run_but_for(UINT64_MAX, 201);
    book_end(&r->book, 201, ORDERSCHED_NOT_FOUND, ORDERSCHED_STATE_NONE);
    assert_wrong(r, BOOK_ENDING, 1, "should be PAID, but a read of it was answered NOT_FOUND");
}

static void an_ending_that_nobody_read_is_missed(void **state)
{
    (void)state;
    assert_wrong(run_but_for(UINT64_MAX, 333), BOOK_NOT_READ, 1, "0333 was not read at the end");
}

static void what_a_node_says_otherwise_counts(void **state)
{
    struct run *r = good_run();

    (void)state;
    book_fault(&r->book, BOOK_NODE, "node %u has the digest %x", 2, 0xabc);
    assert_wrong(r, BOOK_NODE, 1, "node 2 has the digest abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_paid_orders_are_spread_evenly_and_numbered_without_gaps),
        cmocka_unit_test(half_of_them_is_every_second_one),
        cmocka_unit_test(deadlines_grow_evenly_from_the_first_over_the_time),
        cmocka_unit_test(the_number_of_an_order_follows_from_its_id),
        cmocka_unit_test(a_run_as_it_should_be_passes),
        cmocka_unit_test(an_order_that_never_came_is_lost),
        cmocka_unit_test(a_paid_order_that_came_is_wrong),
        cmocka_unit_test(a_delivery_a_microsecond_too_early_is_wrong),
        cmocka_unit_test(a_delivery_with_another_deadline_is_wrong),
        cmocka_unit_test(a_delivery_under_another_key_is_a_second_effect),
        cmocka_unit_test(a_delivery_without_a_proper_key_is_wrong),
        cmocka_unit_test(two_orders_under_one_key_are_one_effect_too_few),
        cmocka_unit_test(an_order_of_nobody_is_wrong),
        cmocka_unit_test(a_duplicate_without_a_new_leadership_is_wrong),
        cmocka_unit_test(duplicates_are_allowed_as_far_as_they_could_be_under_way_at_a_failover),
        cmocka_unit_test(a_wrong_ending_is_named),
        cmocka_unit_test(an_ending_that_nobody_read_is_missed),
        cmocka_unit_test(what_a_node_says_otherwise_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
