/* A request id that is used for two things is noticed, as long as it is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../node/commit/request_watch.h"
#include "../support/random.h"

static struct operation on(enum operation_code code, const char *id)
{
    return (struct operation){.code = code, .id = {(const uint8_t *)id, strlen(id)}};
}

static uint32_t target_of(enum operation_code code, const char *id)
{
    struct operation op = on(code, id);

    return request_watch_target(&op);
}

static void what_differs_in_code_or_name_differs(void **state)
{
    (void)state;
    assert_int_equal(target_of(OPERATION_PAY, "a"), target_of(OPERATION_PAY, "a"));
    assert_int_not_equal(target_of(OPERATION_PAY, "a"), target_of(OPERATION_PAY, "b"));
    assert_int_not_equal(target_of(OPERATION_PAY, "a"), target_of(OPERATION_CANCEL, "a"));
    assert_int_not_equal(target_of(OPERATION_ROUTE_PUT, "a"), target_of(OPERATION_SCHEDULE, "a"));
}

static void a_copy_is_let_through_and_another_use_is_not(void **state)
{
    struct request_watch *w = calloc(1, sizeof *w);
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE] = "0123456789abcde", zero[sizeof id] = {0};

    (void)state;
    assert_non_null(w);
    assert_true(request_watch_note(w, id, 7));
    assert_true(request_watch_note(w, id, 7));
    assert_false(request_watch_note(w, id, 8));
    assert_false(request_watch_note(w, id, 8)); /* the first use stays the first */
    assert_true(request_watch_note(w, id, 7));
    id[0] ^= 1; /* another time: another id */
    assert_true(request_watch_note(w, id, 8));
    assert_true(request_watch_note(w, zero, 9));
    free(w);
}

static void a_copy_of_a_keyed_request_may_have_another_time(void **state)
{
    struct request_watch *w = calloc(1, sizeof *w);
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE], copy[sizeof id], plain[sizeof id];
    uint8_t hash[10] = "ten bytes";

    (void)state;
    assert_non_null(w);
    request_id_make_keyed(id, 1000, hash);
    request_id_make_keyed(copy, 2000, hash);
    request_id_make(plain, 1000, hash);
    assert_true(request_watch_note(w, id, 7));
    assert_true(request_watch_note(w, copy, 7));
    assert_false(request_watch_note(w, copy, 8));
    assert_true(request_watch_note(w, plain, 8));
    free(w);
}

static void the_latest_are_remembered_whatever_their_ids(void **state)
{
    struct request_watch *w = calloc(1, sizeof *w);
    struct random random = random_start();
    unsigned noticed = 0;

    (void)state;
    assert_non_null(w);
    enum { N = REQUEST_WATCH_CELLS / 8 };
    uint8_t(*ids)[ORDERSCHED_REQUEST_ID_SIZE] = calloc(N, sizeof *ids);
    assert_non_null(ids);
    for (unsigned i = 0; i < N; i++) {
        for (unsigned k = 0; k < sizeof ids[i]; k++) {
            ids[i][k] = (uint8_t)random_next(&random);
        }
        (void)!request_watch_note(w, ids[i], 1 + i);
    }
    for (unsigned i = 0; i < N; i++) {
        noticed += !request_watch_note(w, ids[i], 1 + N + i);
    }
    assert_true(noticed > N * 8 / 10);
    free(ids);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_in_code_or_name_differs),
        cmocka_unit_test(a_copy_is_let_through_and_another_use_is_not),
        cmocka_unit_test(a_copy_of_a_keyed_request_may_have_another_time),
        cmocka_unit_test(the_latest_are_remembered_whatever_their_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
