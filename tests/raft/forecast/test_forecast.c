/* test_forecast.c - how many orders become due in each minute: by itself, and as a machine keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../support/bed.h"

#define T BED_T0 /* a minute begins here */
#define MINUTE ((uint64_t)FORECAST_MINUTE_MS)

static unsigned pages_of(const struct forecast *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FORECAST_PAGES; i++) {
        n += f->pages[i] != NULL;
    }
    return n;
}

static void a_minute_has_the_orders_whose_deadline_is_in_it(void **state)
{
    struct forecast f = {0};

    (void)state;
    assert_int_equal(T % MINUTE, 0);
    forecast_add(&f, T - 1);
    forecast_add(&f, T);
    forecast_add(&f, T + MINUTE - 1);
    forecast_add(&f, T + MINUTE);
    assert_int_equal(forecast_minute(&f, T - MINUTE), 1);
    assert_int_equal(forecast_minute(&f, T), 2);
    assert_int_equal(forecast_minute(&f, T + 30000), 2);
    assert_int_equal(forecast_minute(&f, T + MINUTE), 1);
    assert_int_equal(forecast_minute(&f, T + 2 * MINUTE), 0);
    forecast_remove(&f, T + MINUTE - 1);
    assert_int_equal(forecast_minute(&f, T), 1);
    forecast_clear(&f);
    assert_int_equal(forecast_minute(&f, T), 0);
}

static void it_reaches_as_far_as_deadlines_do_and_takes_memory_only_where_orders_are(void **state)
{
    struct forecast f = {0};

    (void)state;
    for (uint64_t ahead = 0; ahead <= ORDERSCHED_DEADLINE_MAX_MS; ahead += MINUTE) {
        forecast_add(&f, T + ahead);
        forecast_add(&f, T + ahead + 59999);
    }
    for (uint64_t ahead = 0; ahead <= ORDERSCHED_DEADLINE_MAX_MS; ahead += MINUTE) {
        assert_int_equal(forecast_minute(&f, T + ahead), 2);
    }
    assert_in_range(pages_of(&f), 400 * 24 * 60 / FORECAST_PAGE, 400 * 24 * 60 / FORECAST_PAGE + 2);
    for (uint64_t ahead = 0; ahead <= ORDERSCHED_DEADLINE_MAX_MS; ahead += MINUTE) {
        forecast_remove(&f, T + ahead);
        forecast_remove(&f, T + ahead);
    }
    assert_int_equal(pages_of(&f), 0);
    for (unsigned i = 0; i < 1000000; i++) {
        forecast_add(&f, T + MINUTE);
    }
    assert_int_equal(forecast_minute(&f, T + MINUTE), 1000000);
    assert_int_equal(pages_of(&f), 1);
    forecast_clear(&f);
}

/* What the machine foresees for the minute that begins so many after T. */
static uint32_t ahead(const struct bed *b, unsigned minutes)
{
    return forecast_minute(&b->m.forecast, T + minutes * MINUTE);
}

static void until_due(struct bed *b, uint64_t now_ms)
{
    bed_pass(b, now_ms);
    while (!machine_advance(&b->m, 100)) {
    }
}

static void a_machine_counts_orders_until_they_are_due_or_decided(void **state)
{
    struct bed *b = bed_open();
    char id[16];

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "order-%u", i);
        bed_apply(b, T, bed_schedule(b, id, T + 5 * MINUTE + i));
    }
    assert_int_equal(ahead(b, 5), 10);
    bed_apply(b, T, bed_pay(b, "order-0"));
    bed_apply(b, T, bed_cancel(b, "order-1"));
    assert_int_equal(ahead(b, 5), 8);
    bed_apply(b, T, bed_extend(b, "order-2", T + 7 * MINUTE));
    assert_int_equal(ahead(b, 5), 7);
    assert_int_equal(ahead(b, 7), 1);
    bed_apply(b, T, bed_pay(b, "order-0")); /* it was so already */
    bed_apply(b, T, bed_extend(b, "order-1", T + 7 * MINUTE));
    assert_int_equal(ahead(b, 5) + ahead(b, 7), 8);
    until_due(b, T + 5 * MINUTE + 4);
    assert_int_equal(ahead(b, 5), 5); /* order-3 and order-4 were due */
    assert_int_equal(b->m.became_due, 2);
    until_due(b, T + 8 * MINUTE);
    assert_int_equal(ahead(b, 5) + ahead(b, 7), 0);
    assert_int_equal(b->m.became_due, 8);
    machine_check(&b->m);
    bed_close(b);
}

static void what_waits_for_its_next_attempt_is_not_foreseen(void **state)
{
    struct bed *b = bed_open();

    (void)state;
    bed_apply(b, T, bed_schedule(b, "late", T + 100));
    until_due(b, T + 100);
    bed_apply(b, T + 100, bed_outcome(b, "late", 1, 1, OUTCOME_LATER, 3 * MINUTE));
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(ahead(b, i), 0);
    }
    assert_int_equal(b->m.became_due, 1);
    bed_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_has_the_orders_whose_deadline_is_in_it),
        cmocka_unit_test(it_reaches_as_far_as_deadlines_do_and_takes_memory_only_where_orders_are),
        cmocka_unit_test(a_machine_counts_orders_until_they_are_due_or_decided),
        cmocka_unit_test(what_waits_for_its_next_attempt_is_not_foreseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
