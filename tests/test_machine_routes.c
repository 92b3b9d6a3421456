/* test_machine_routes.c - the rules of docs/semantics.md, "Routes". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/answers.h"
#include "support/bed.h"

#define T BED_T0

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

static struct route *route_of(struct bed *b, const char *name)
{
    return machine_find_route(&b->m, bed_text(name));
}

static void a_put_creates_a_route_with_all_it_holds(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_route_put(b, "new");
    struct route *r;

    op.n_secrets = 2;
    op.secrets[1] = bed_text("whsec_c2Vjb25k");
    assert_answer(bed_apply(b, T, op), ORDERSCHED_OK, 0, 0, 0);
    r = route_of(b, "new");
    assert_non_null(r);
    assert_string_equal(r->name, "new");
    assert_string_equal(r->url, "http://127.0.0.1:8080/expired");
    assert_int_equal(r->n_secrets, 2);
    assert_string_equal(r->secrets[0], "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    assert_string_equal(r->secrets[1], "whsec_c2Vjb25k");
    assert_int_equal(r->timeout_ms, 5000);
    assert_int_equal(r->window, 16);
    assert_int_equal(r->n_retries, 2);
    assert_int_equal(r->retries_ms[1], 2000);
    assert_int_equal(r->revision, b->index);
}

static void a_second_put_replaces_the_route_in_its_slot(void **state)
{
    struct bed *b = *state;
    struct route *before = route_of(b, BED_ROUTE);
    struct operation op = bed_route_put(b, BED_ROUTE);

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_pass(b, T + 100);
    assert_true(machine_advance(&b->m, 100));
    op.url = bed_text("https://other/");
    op.n_secrets = 0;
    op.n_retries = 1;
    op.retries_ms[0] = 9;
    assert_int_equal(bed_apply(b, T + 100, op).error, ORDERSCHED_OK);
    assert_ptr_equal(route_of(b, BED_ROUTE), before);
    assert_string_equal(before->url, "https://other/");
    assert_int_equal(before->n_secrets, 0);
    assert_int_equal(before->n_retries, 1);
    assert_int_equal(before->orders, 1);
    assert_int_equal(before->revision, b->index);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a")); /* still ready */
}

static void an_empty_list_of_retries_means_the_default(void **state)
{
    static const uint32_t want_s[] = {1,   2,    5,    15,   30,   60,   300, 900,
                                      3600, 3600, 3600, 3600, 3600, 3600, 3600};
    struct bed *b = *state;
    struct operation op = bed_route_put(b, "default");
    struct route *r;

    op.n_retries = 0;
    bed_apply(b, T, op);
    r = route_of(b, "default");
    assert_int_equal(r->n_retries, sizeof want_s / sizeof *want_s);
    for (uint32_t i = 0; i < r->n_retries; i++) {
        assert_int_equal(r->retries_ms[i], want_s[i] * 1000);
    }
}

static void the_default_retries_run_out_at_the_16th_failure(void **state)
{
    struct bed *b = *state;
    struct operation put = bed_route_put(b, BED_ROUTE);

    put.n_retries = 0;
    bed_apply(b, T, put);
    bed_apply(b, T, bed_schedule(b, "a", T + 1));
    for (uint32_t attempt = 1; attempt <= 15; attempt++) {
        bed_apply(b, T + 1, bed_outcome(b, "a", 1, attempt, OUTCOME_FAILED, 0));
        assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
    }
    bed_apply(b, T + 1, bed_outcome(b, "a", 1, 16, OUTCOME_FAILED, 0));
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_DEAD);
}

static void slots_are_given_out_lowest_first(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_route_put(b, "one"));
    bed_apply(b, T, bed_route_put(b, "two"));
    bed_apply(b, T, bed_route_put(b, "three"));
    assert_ptr_equal(route_of(b, "three"), &b->m.routes[3]);
    bed_apply(b, T, bed_route_delete(b, "two"));
    bed_apply(b, T, bed_route_delete(b, "one"));
    bed_apply(b, T, bed_route_put(b, "four"));
    assert_ptr_equal(route_of(b, "four"), &b->m.routes[1]);
    bed_apply(b, T, bed_route_put(b, "five"));
    assert_ptr_equal(route_of(b, "five"), &b->m.routes[2]);
    bed_apply(b, T, bed_route_put(b, "six"));
    assert_ptr_equal(route_of(b, "six"), &b->m.routes[4]);
}

static void the_1025th_route_is_one_too_many(void **state)
{
    struct bed *b = *state;

    for (unsigned i = 1; i < MACHINE_ROUTES_MAX; i++) {
        char name[16];

        snprintf(name, sizeof name, "r%u", i);
        assert_int_equal(bed_apply(b, T, bed_route_put(b, name)).error, ORDERSCHED_OK);
    }
    assert_answer(bed_apply(b, T, bed_route_put(b, "one-more")), ORDERSCHED_TOO_MANY_ROUTES, 0, 0,
                  0);
    assert_int_equal(bed_apply(b, T, bed_route_put(b, "r5")).error, ORDERSCHED_OK); /* replaces */
    assert_int_equal(bed_apply(b, T, bed_route_delete(b, "r5")).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, bed_route_put(b, "one-more")).error, ORDERSCHED_OK);
    assert_ptr_equal(route_of(b, "one-more"), &b->m.routes[5]);
}

static void the_delete_of_an_unknown_route_is_not_found(void **state)
{
    struct bed *b = *state;

    assert_answer(bed_apply(b, T, bed_route_delete(b, "nowhere")), ORDERSCHED_NOT_FOUND, 0, 0, 0);
}

static void a_route_stays_while_an_order_of_any_state_points_to_it(void **state)
{
    struct bed *b = *state;
    const uint64_t end = T + MACHINE_RETENTION_DEFAULT_MS;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    assert_answer(bed_apply(b, T, bed_route_delete(b, BED_ROUTE)), ORDERSCHED_ROUTE_IN_USE, 0, 0,
                  0);
    bed_apply(b, T, bed_pay(b, "a"));
    assert_int_equal(bed_apply(b, T, bed_route_delete(b, BED_ROUTE)).error,
                     ORDERSCHED_ROUTE_IN_USE);
    bed_pass(b, end); /* purged */
    assert_int_equal(bed_apply(b, end, bed_route_delete(b, BED_ROUTE)).error, ORDERSCHED_OK);
    assert_null(route_of(b, BED_ROUTE));
    assert_int_equal(bed_apply(b, end, bed_schedule(b, "a", end + 1)).error,
                     ORDERSCHED_UNKNOWN_ROUTE);
}

static void a_route_in_use_until_the_purge_is_free_after_it(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_route_delete(b, BED_ROUTE);

    b->epoch = 2;
    bed_apply(b, T, bed_epoch(0, 1000));
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_pay(b, "a"));
    op.request_id = bed_request(b, T + 900);
    /* Forgotten in this entry, but purged only at its end. */
    assert_int_equal(bed_apply(b, T + 1000, op).error, ORDERSCHED_ROUTE_IN_USE);
    assert_int_equal(bed_apply(b, T + 1000, bed_route_delete(b, BED_ROUTE)).error, ORDERSCHED_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_creates_a_route_with_all_it_holds),
        TEST(a_second_put_replaces_the_route_in_its_slot),
        TEST(an_empty_list_of_retries_means_the_default),
        TEST(the_default_retries_run_out_at_the_16th_failure),
        TEST(slots_are_given_out_lowest_first),
        TEST(the_1025th_route_is_one_too_many),
        TEST(the_delete_of_an_unknown_route_is_not_found),
        TEST(a_route_stays_while_an_order_of_any_state_points_to_it),
        TEST(a_route_in_use_until_the_purge_is_free_after_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
