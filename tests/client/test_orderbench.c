/* test_orderbench.c - what orderbench fire and drain reckon with: the plan of their orders, and the
 * tally of what became of them.
 *
 * These parts belong to the program orderbench and are in no archive, hence the .c files here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../client/bench/measure/plan.c"
#include "../../client/bench/measure/tally.c"
#include "../support/cluster/process.h"

#define FIRST_MS 1800000000000ull

static const char *const routes[] = {"r0", "r1", "r2"};

static struct plan plan_of(size_t n)
{
    return (struct plan){.prefix = "run-1",
                         .n = n,
                         .routes = routes,
                         .n_routes = 3,
                         .first_ms = FIRST_MS,
                         .over_ms = 10000};
}

/* ---- the plan ---- */

static void orders_are_spread_over_time_and_routes(void **state)
{
    struct plan p = plan_of(4);

    (void)state;
    assert_int_equal(plan_deadline_ms(&p, 0), FIRST_MS);
    assert_int_equal(plan_deadline_ms(&p, 1), FIRST_MS + 2500);
    assert_int_equal(plan_deadline_ms(&p, 3), FIRST_MS + 7500);
    assert_string_equal(plan_route(&p, 2), "r2");
    assert_string_equal(plan_route(&p, 3), "r0");
    p.over_ms = 0;
    assert_int_equal(plan_deadline_ms(&p, 3), FIRST_MS);
}

static void an_order_is_found_by_its_id_alone(void **state)
{
    struct plan p = plan_of(1000000);
    char id[PLAN_ID_SIZE];
    size_t i;
    static const char *const strangers[] = {"",         "run-1",
                                            "run-1-",   "run-1-x",
                                            "run-1-01", "run-1-1x",
                                            "run-1--1", "run-1-+1",
                                            "run-2-1",  "run-1-1000000",
                                            "run-12-1", "run-1-99999999999999999999999"};

    (void)state;
    for (size_t want = 0; want < p.n; want += 99999) {
        plan_id(&p, want, id);
        assert_true(plan_find(&p, id, &i));
        assert_int_equal(i, want);
    }
    for (size_t k = 0; k < sizeof strangers / sizeof strangers[0]; k++) {
        if (plan_find(&p, strangers[k], &i)) {
            fail_msg("%s was found", strangers[k]);
        }
    }
    assert_true(plan_owns(&p, "run-1-x"));
    assert_false(plan_owns(&p, "run-12-1"));
}

/* ---- the tally ---- */

struct book {
    struct plan plan;
    struct tally tally;
    struct tally_figures sum;
};

static void book_open(struct book *b, size_t n)
{
    b->plan = plan_of(n);
    assert_int_equal(tally_open(&b->tally, &b->plan), 0);
}

/* Delivered so late, with its effect, and expired. */
static void book_settle(struct book *b, size_t i, uint64_t late_us)
{
    char id[PLAN_ID_SIZE];
    uint64_t deadline_ms = plan_deadline_ms(&b->plan, i);

    plan_id(&b->plan, i, id);
    tally_effect(&b->tally, id); /* stands first in a journal */
    tally_delivery(&b->tally, id, deadline_ms, deadline_ms * 1000 + late_us);
    tally_end(&b->tally, i, ORDERSCHED_OK, ORDERSCHED_EXPIRED);
}

static void book_sum(struct book *b)
{
    assert_int_equal(tally_sum(&b->tally, &b->sum), 0);
}

#define assert_book(b, want_duplicates, want_wrong, want_lost)  \
    do {                                                        \
        book_sum(b);                                            \
        assert_int_equal((b)->sum.duplicates, want_duplicates); \
        assert_int_equal((b)->sum.wrong, want_wrong);           \
        assert_int_equal((b)->sum.lost, want_lost);             \
        tally_close(&(b)->tally);                               \
    } while (0)

static void percentiles_are_of_the_nearest_rank(void **state)
{
    struct book b;

    (void)state;
    book_open(&b, 1000);
    for (size_t i = 0; i < 1000; i++) {
        book_settle(&b, i, 1000 * (1000 - i)); /* 1 to 1000 ms, the latest first */
    }
    assert_book(&b, 0, 0, 0);
    assert_true(b.sum.late_p50_ms == 500);
    assert_true(b.sum.late_p99_ms == 990);
    assert_true(b.sum.late_p999_ms == 999);
    assert_true(b.sum.late_max_ms == 1000);
    book_open(&b, 1);
    book_settle(&b, 0, 1500);
    assert_book(&b, 0, 0, 0);
    assert_true(b.sum.late_p50_ms == 1.5);
    assert_true(b.sum.late_max_ms == 1.5);
    assert_int_equal(b.sum.last_us, FIRST_MS * 1000 + 1500);
}

static void a_second_delivery_is_a_duplicate_and_does_not_count_for_lateness(void **state)
{
    struct book b;

    (void)state;
    book_open(&b, 2);
    book_settle(&b, 0, 1000);
    book_settle(&b, 1, 1000);
    tally_delivery(&b.tally, "run-1-0", FIRST_MS, FIRST_MS * 1000 + 900000);
    tally_delivery(&b.tally, "run-1-0", FIRST_MS, FIRST_MS * 1000 + 950000);
    assert_book(&b, 2, 0, 0);
    assert_true(b.sum.late_max_ms == 1);
}

static void what_must_not_be_is_wrong(void **state)
{
    struct book b;

    (void)state;
    book_open(&b, 6);
    for (size_t i = 2; i < 6; i++) {
        book_settle(&b, i, 1000);
    }
    tally_effect(&b.tally, "run-1-0"); /* early, by a microsecond */
    tally_delivery(&b.tally, "run-1-0", FIRST_MS, FIRST_MS * 1000 - 1);
    tally_end(&b.tally, 0, ORDERSCHED_OK, ORDERSCHED_EXPIRED);
    tally_effect(&b.tally, "run-1-1"); /* for another deadline */
    tally_delivery(&b.tally, "run-1-1", FIRST_MS, plan_deadline_ms(&b.plan, 1) * 1000);
    tally_end(&b.tally, 1, ORDERSCHED_OK, ORDERSCHED_EXPIRED);
    tally_effect(&b.tally, "run-1-2"); /* a second effect */
    tally_end(&b.tally, 3, ORDERSCHED_OK, ORDERSCHED_PAID);
    tally_delivery(&b.tally, "run-1-6", FIRST_MS, FIRST_MS * 1000); /* there is none */
    assert_book(&b, 0, 5, 1);
}

static void what_is_missing_is_lost(void **state)
{
    struct book b;

    (void)state;
    book_open(&b, 6);
    book_settle(&b, 0, 1000);
    tally_end(&b.tally, 1, ORDERSCHED_OK, ORDERSCHED_EXPIRED); /* and never delivered */
    tally_delivery(&b.tally, "run-1-2", plan_deadline_ms(&b.plan, 2),
                   plan_deadline_ms(&b.plan, 2) * 1000); /* no effect */
    tally_end(&b.tally, 2, ORDERSCHED_OK, ORDERSCHED_EXPIRED);
    book_settle(&b, 3, 1000);
    tally_end(&b.tally, 3, ORDERSCHED_OK, ORDERSCHED_CLOSING);
    book_settle(&b, 4, 1000);
    tally_end(&b.tally, 4, ORDERSCHED_NOT_FOUND, ORDERSCHED_STATE_NONE);
    book_settle(&b, 5, 1000);
    tally_end(&b.tally, 5, ORDERSCHED_OK, ORDERSCHED_DEAD);
    assert_book(&b, 0, 0, 5);
    assert_int_equal(b.sum.delivered, 5);
}

/* ---- the journal ---- */

static int read_journal(struct book *b, const char *text, char *reason, size_t len)
{
    char dir[256], path[300];

    scratch_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/journal", dir);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    int rv = tally_read(&b->tally, path, reason, len);
    scratch_remove(dir);
    return rv;
}

static void the_journal_of_ordersink_is_taken_to_the_microsecond(void **state)
{
    struct book b;
    char reason[512];
    static const char text[] =
        "{\"t_ms\":1800000000002,\"us\":345,\"kind\":\"effect\",\"webhook_id\":\"a\","
        "\"order_id\":\"run-1-0\",\"deadline_ms\":1800000000000,\"answer\":\"expired\"}\n"
        "{\"t_ms\":1800000000002,\"us\":345,\"kind\":\"delivery\",\"webhook_id\":\"a\","
        "\"order_id\":\"run-1-0\",\"deadline_ms\":1800000000000,\"answer\":\"expired\"}\n"
        "{\"t_ms\":1800000000002,\"kind\":\"refused\",\"answer\":\"refused\"}\n"
        "{\"t_ms\":1800000000002,\"kind\":\"effect\",\"order_id\":\"run-2-0\"}\n"
        "{\"t_ms\":1800000000002,\"kind\":\"effect\",\"order_id\":\"run-1-0\""; /* torn */

    (void)state;
    book_open(&b, 1);
    assert_int_equal(read_journal(&b, text, reason, sizeof reason), 0);
    tally_end(&b.tally, 0, ORDERSCHED_OK, ORDERSCHED_EXPIRED);
    assert_book(&b, 0, 0, 0);
    assert_true(b.sum.late_max_ms == 2.345);
}

static void a_damaged_journal_is_named_with_its_line(void **state)
{
    struct book b;
    char reason[512];
    static const char *const bad[] = {"{}\nhello\n", "{\"t_ms\":1,\"kind\":\"effect\"}\n[]\n",
                                      "{\"t_ms\":1,\"kind\":\"effect\"}\n{\"kind\":\"effect\"}\n",
                                      ("{\"t_ms\":1,\"kind\":\"effect\"}\n{\"t_ms\":1,"
                                       "\"kind\":\"delivery\",\"order_id\":\"run-1-0\"}\n")};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        book_open(&b, 1);
        assert_int_equal(read_journal(&b, bad[i], reason, sizeof reason), -1);
        if (strstr(reason, i == 0 ? "journal:1: " : "journal:2: ") == NULL) {
            fail_msg("%s", reason);
        }
        tally_close(&b.tally);
    }
    book_open(&b, 1);
    assert_int_equal(tally_read(&b.tally, "/nonexistent", reason, sizeof reason), -1);
    assert_non_null(strstr(reason, "/nonexistent: No such file"));
    tally_close(&b.tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_are_spread_over_time_and_routes),
        cmocka_unit_test(an_order_is_found_by_its_id_alone),
        cmocka_unit_test(percentiles_are_of_the_nearest_rank),
        cmocka_unit_test(a_second_delivery_is_a_duplicate_and_does_not_count_for_lateness),
        cmocka_unit_test(what_must_not_be_is_wrong),
        cmocka_unit_test(what_is_missing_is_lost),
        cmocka_unit_test(the_journal_of_ordersink_is_taken_to_the_microsecond),
        cmocka_unit_test(a_damaged_journal_is_named_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
