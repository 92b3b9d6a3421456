/* test_machine_routes.c - the rules of docs/semantics.md, "Routes". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/answers.h"
#include "../support/bed.h"
#include "../support/random.h"

#define T BED_T0
#define FIRST "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECOND "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

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

static void assert_slice(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
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

    op.settings.n_secrets = 2;
    op.settings.secrets[1] = bed_text(SECOND);
    assert_answer(bed_apply(b, T, op), ORDERSCHED_OK, 0, 0, 0);
    r = route_of(b, "new");
    assert_non_null(r);
    assert_string_equal(r->name, "new");
    assert_slice(r->settings.url, "http://127.0.0.1:8080/expired");
    assert_int_equal(r->settings.n_secrets, 2);
    assert_slice(r->settings.secrets[0], FIRST);
    assert_slice(r->settings.secrets[1], SECOND);
    assert_false(r->paused);
    assert_int_equal(r->settings.timeout_ms, 5000);
    assert_int_equal(r->settings.window, 16);
    assert_int_equal(r->settings.n_retries, 2);
    assert_int_equal(r->settings.retries_ms[1], 2000);
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
    op.settings.url = bed_text("https://other/");
    op.settings.n_secrets = 0;
    op.settings.n_retries = 1;
    op.settings.retries_ms[0] = 9;
    assert_int_equal(bed_apply(b, T + 100, op).error, ORDERSCHED_OK);
    assert_ptr_equal(route_of(b, BED_ROUTE), before);
    assert_slice(before->settings.url, "https://other/");
    assert_int_equal(before->settings.n_secrets, 0);
    assert_int_equal(before->settings.n_retries, 1);
    assert_int_equal(before->orders, 1);
    assert_int_equal(before->revision, b->index);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a")); /* still ready */
}

static void an_empty_list_of_retries_means_the_default(void **state)
{
    static const uint32_t want_s[] = {1,    2,    5,    15,   30,   60,   300, 900,
                                      3600, 3600, 3600, 3600, 3600, 3600, 3600};
    struct bed *b = *state;
    struct operation op = bed_route_put(b, "default");
    struct route *r;

    op.settings.n_retries = 0;
    bed_apply(b, T, op);
    r = route_of(b, "default");
    assert_int_equal(r->settings.n_retries, sizeof want_s / sizeof *want_s);
    for (uint32_t i = 0; i < r->settings.n_retries; i++) {
        assert_int_equal(r->settings.retries_ms[i], want_s[i] * 1000);
    }
}

static void the_default_retries_run_out_at_the_16th_failure(void **state)
{
    struct bed *b = *state;
    struct operation put = bed_route_put(b, BED_ROUTE);

    put.settings.n_retries = 0;
    bed_apply(b, T, put);
    bed_apply(b, T, bed_schedule(b, "a", T + 1));
    for (uint32_t attempt = 1; attempt <= 15; attempt++) {
        bed_apply(b, T + 1, bed_outcome(b, "a", 1, attempt, OUTCOME_FAILED, 0));
        assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
    }
    bed_apply(b, T + 1, bed_outcome(b, "a", 1, 16, OUTCOME_FAILED, 0));
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_DEAD);
}

static void attempts_bound_the_failures_and_the_last_delay_repeats(void **state)
{
    struct bed *b = *state;
    struct operation put = bed_route_put(b, BED_ROUTE);

    put.settings.attempts = 5; /* of retries there are two: 1 s and 2 s */
    bed_apply(b, T, put);
    bed_apply(b, T, bed_schedule(b, "a", T + 1));
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        bed_apply(b, T + 1, bed_outcome(b, "a", 1, attempt, OUTCOME_FAILED, 0));
        assert_int_equal(bed_get(b, "a").state, ORDERSCHED_CLOSING);
        assert_int_equal(bed_order(b, "a")->extra->next_ms, T + 1 + (attempt == 1 ? 1000 : 2000));
    }
    bed_apply(b, T + 1, bed_outcome(b, "a", 1, 5, OUTCOME_FAILED, 0));
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_DEAD);
    put = bed_route_put(b, BED_ROUTE);
    put.settings.attempts = 1;
    bed_apply(b, T + 1, put);
    bed_apply(b, T + 1, bed_schedule(b, "b", T + 2));
    bed_apply(b, T + 2, bed_outcome(b, "b", 1, 1, OUTCOME_FAILED, 0));
    assert_int_equal(bed_get(b, "b").state, ORDERSCHED_DEAD);
}

static struct operation pause_of(struct bed *b, const char *name, bool paused)
{
    return (struct operation){.code = OPERATION_ROUTE_PAUSE,
                              .request_id = bed_request(b, b->m.now_ms),
                              .id = bed_text(name),
                              .paused = paused};
}

static void a_paused_route_keeps_its_due_orders(void **state)
{
    struct bed *b = *state;
    uint64_t before;

    assert_int_equal(bed_apply(b, T, pause_of(b, "nowhere", true)).error, ORDERSCHED_NOT_FOUND);
    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T, bed_schedule(b, "b", T + 100));
    bed_pass(b, T + 100);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    before = machine_digest(&b->m);
    assert_answer(bed_apply(b, T + 100, pause_of(b, BED_ROUTE, true)), ORDERSCHED_OK, 0, 0, 0);
    assert_int_not_equal(machine_digest(&b->m), before);
    assert_null(bed_take(b, 0));
    assert_int_equal(machine_count_ready(&b->m, 0, ROUTE_READY_FIRST), 0);
    /* What is under way ends as usual; a put does not resume; new orders may come. */
    bed_apply(b, T + 100, bed_outcome(b, "a", 1, 1, OUTCOME_EXPIRED, 0));
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_EXPIRED);
    bed_apply(b, T + 100, bed_route_put(b, BED_ROUTE));
    assert_true(route_of(b, BED_ROUTE)->paused);
    assert_int_equal(bed_apply(b, T + 100, bed_schedule(b, "c", T + 200)).error, ORDERSCHED_OK);
    bed_pass(b, T + 200);
    assert_null(bed_take(b, 0));
    bed_apply(b, T + 200, pause_of(b, BED_ROUTE, false));
    assert_int_equal(machine_count_ready(&b->m, 0, ROUTE_READY_FIRST), 2);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "b"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "c"));
}

static void first_deliveries_and_retries_are_ready_apart(void **state)
{
    struct bed *b = *state;

    for (char c = 'a'; c <= 'd'; c++) {
        bed_apply(b, T, bed_schedule(b, (char[]){c, '\0'}, T + 100 + (uint64_t)c));
    }
    bed_pass(b, T + 500);
    bed_apply(b, T + 500, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0));
    bed_apply(b, T + 500, bed_outcome(b, "b", 1, 1, OUTCOME_LATER, 1000));
    bed_pass(b, T + 1500);
    assert_true(machine_advance(&b->m, 100));
    assert_int_equal(machine_count_ready(&b->m, 0, ROUTE_READY_FIRST), 2);
    assert_int_equal(machine_count_ready(&b->m, 0, ROUTE_READY_RETRY), 2);
    assert_ptr_equal(machine_take_ready(&b->m, 0, ROUTE_READY_RETRY), bed_order(b, "a"));
    assert_ptr_equal(machine_take_ready(&b->m, 0, ROUTE_READY_FIRST), bed_order(b, "c"));
    machine_check(&b->m);
    machine_put_back_all(&b->m);
    machine_check(&b->m);
    assert_ptr_equal(machine_take_ready(&b->m, 0, ROUTE_READY_FIRST), bed_order(b, "c"));
    assert_ptr_equal(machine_take_ready(&b->m, 0, ROUTE_READY_FIRST), bed_order(b, "d"));
    assert_null(machine_take_ready(&b->m, 0, ROUTE_READY_FIRST));
    assert_ptr_equal(machine_take_ready(&b->m, 0, ROUTE_READY_RETRY), bed_order(b, "a"));
    assert_ptr_equal(machine_take_ready(&b->m, 0, ROUTE_READY_RETRY), bed_order(b, "b"));
}

static struct operation rotate_of(struct bed *b, const char *secret, uint32_t keep)
{
    return (struct operation){.code = OPERATION_ROUTE_ROTATE,
                              .request_id = bed_request(b, b->m.now_ms),
                              .id = bed_text(BED_ROUTE),
                              .secret = bed_text(secret),
                              .keep = keep};
}

static void a_rotation_puts_the_new_secret_first_and_keeps_older_ones(void **state)
{
    struct bed *b = *state;
    const struct route_settings *s = &route_of(b, BED_ROUTE)->settings;

    assert_answer(bed_apply(b, T, rotate_of(b, SECOND, 1)), ORDERSCHED_OK, 0, 0, 0);
    assert_int_equal(s->n_secrets, 2);
    assert_slice(s->secrets[0], SECOND);
    assert_slice(s->secrets[1], FIRST);
    assert_slice(s->url, "http://127.0.0.1:8080/expired");
    assert_int_equal(route_of(b, BED_ROUTE)->revision, b->index);
    bed_apply(b, T, rotate_of(b, SECOND, 1)); /* again: nothing is kept twice */
    assert_int_equal(s->n_secrets, 2);
    bed_apply(b, T, rotate_of(b, SECOND, 0));
    assert_int_equal(s->n_secrets, 1);
    assert_slice(s->secrets[0], SECOND);
}

/* RFC 8032, 7.1, tests 1 and 2. */
#define KEY                                             \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DX" \
    "WpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
#define OTHER_KEY                                       \
    "whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs9" \
    "QBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA=="

static void a_rotation_of_keys_leaves_the_secrets_and_one_of_secrets_the_keys(void **state)
{
    struct bed *b = *state;
    const struct route_settings *s = &route_of(b, BED_ROUTE)->settings;

    assert_answer(bed_apply(b, T, rotate_of(b, KEY, 1)), ORDERSCHED_OK, 0, 0, 0);
    assert_int_equal(s->n_signing_keys, 1);
    assert_int_equal(s->n_secrets, 1);
    bed_apply(b, T, rotate_of(b, OTHER_KEY, 1));
    assert_int_equal(s->n_signing_keys, 2);
    assert_slice(s->signing_keys[0], OTHER_KEY);
    assert_slice(s->signing_keys[1], KEY);
    bed_apply(b, T, rotate_of(b, SECOND, 0));
    assert_int_equal(s->n_signing_keys, 2);
    assert_int_equal(s->n_secrets, 1);
    assert_slice(s->secrets[0], SECOND);
    bed_apply(b, T, rotate_of(b, OTHER_KEY, 0));
    assert_int_equal(s->n_signing_keys, 1);
    assert_slice(s->signing_keys[0], OTHER_KEY);
    assert_int_equal(route_of(b, BED_ROUTE)->revision, b->index);
    assert_int_equal(route_of(b, BED_ROUTE)->hurry_index, b->index);
}

/* Nobody needs the private half to end an overlap. */
static void a_rotation_to_the_public_key_of_one_that_is_there_brings_it_to_the_front(void **state)
{
    static const char public_key[] = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    struct bed *b = *state;
    const struct route_settings *s = &route_of(b, BED_ROUTE)->settings;

    bed_apply(b, T, rotate_of(b, OTHER_KEY, 0));
    assert_answer(bed_apply(b, T, rotate_of(b, public_key, 0)), ORDERSCHED_INVALID, 0, 0, 0);
    assert_int_equal(s->n_signing_keys, 1);
    assert_slice(s->signing_keys[0], OTHER_KEY);
    bed_apply(b, T, rotate_of(b, KEY, 1));
    bed_apply(b, T, rotate_of(b, OTHER_KEY, 1));
    assert_slice(s->signing_keys[1], KEY);
    assert_answer(bed_apply(b, T, rotate_of(b, public_key, 1)), ORDERSCHED_OK, 0, 0, 0);
    assert_int_equal(s->n_signing_keys, 2);
    assert_slice(s->signing_keys[0], KEY);
    assert_slice(s->signing_keys[1], OTHER_KEY);
    bed_apply(b, T, rotate_of(b, public_key, 0));
    assert_int_equal(s->n_signing_keys, 1);
    assert_slice(s->signing_keys[0], KEY);
    assert_int_equal(s->n_secrets, 1);
}

static void another_signing_key_hurries_what_waits(void **state)
{
    struct bed *b = *state;
    struct operation put = bed_route_put(b, BED_ROUTE);

    put.settings.n_signing_keys = 1;
    put.settings.signing_keys[0] = bed_text(KEY);
    bed_apply(b, T, put);
    uint64_t first = b->index;
    assert_int_equal(route_of(b, BED_ROUTE)->hurry_index, first);
    put.request_id = bed_request(b, b->m.now_ms);
    bed_apply(b, T, put); /* the same: nothing to hurry for */
    assert_int_equal(route_of(b, BED_ROUTE)->hurry_index, first);
    put.request_id = bed_request(b, b->m.now_ms);
    put.settings.signing_keys[0] = bed_text(OTHER_KEY);
    bed_apply(b, T, put);
    assert_int_equal(route_of(b, BED_ROUTE)->hurry_index, b->index);
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

/* machine_check() looks each route up by its name. */
static void routes_are_found_by_name_while_others_come_and_go(void **state)
{
    struct bed *b = *state;
    bool there[300] = {false};
    struct random random = random_start();

    for (unsigned i = 0; i < 3000; i++) {
        unsigned k = (unsigned)random_below(&random, 300);
        char name[16];
        snprintf(name, sizeof name, "r%u", k);
        struct result result = bed_apply(b, T,
                                         there[k] ? bed_route_delete(b, name)
                                                  : bed_route_put(b, name));
        assert_int_equal(result.error, ORDERSCHED_OK);
        there[k] = !there[k];
        if (i % 100 == 0) {
            for (unsigned n = 0; n < 300; n++) {
                snprintf(name, sizeof name, "r%u", n);
                assert_int_equal(machine_find_route(&b->m, bed_text(name)) != NULL, there[n]);
            }
        }
    }
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
        TEST(attempts_bound_the_failures_and_the_last_delay_repeats),
        TEST(a_paused_route_keeps_its_due_orders),
        TEST(first_deliveries_and_retries_are_ready_apart),
        TEST(a_rotation_puts_the_new_secret_first_and_keeps_older_ones),
        TEST(a_rotation_of_keys_leaves_the_secrets_and_one_of_secrets_the_keys),
        TEST(a_rotation_to_the_public_key_of_one_that_is_there_brings_it_to_the_front),
        TEST(another_signing_key_hurries_what_waits),
        TEST(slots_are_given_out_lowest_first),
        TEST(the_1025th_route_is_one_too_many),
        TEST(routes_are_found_by_name_while_others_come_and_go),
        TEST(the_delete_of_an_unknown_route_is_not_found),
        TEST(a_route_stays_while_an_order_of_any_state_points_to_it),
        TEST(a_route_in_use_until_the_purge_is_free_after_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
