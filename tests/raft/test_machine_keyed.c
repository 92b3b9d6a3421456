/* test_machine_keyed.c - keyed request ids: one request whatever time its copies are of
 * (docs/semantics.md, "Keyed request ids"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/core/recent.h"
#include "../../raft/core/snapshot.h"
#include "../../raft/core/snapshot_format.h"
#include "../support/answers.h"
#include "../support/bench/snapshot_bench.h"
#include "../support/book.h"

#define T BED_T0
#define LIFETIME_MS ((uint64_t)PROTOCOL_REQUEST_LIFETIME_MS)
#define KEPT_MS (LIFETIME_MS + PROTOCOL_REQUEST_AHEAD_MS)

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

/* The operation under a keyed id of this time; one key for each number. Valid as bed_request()'s. */
static struct operation keyed(struct bed *b, struct operation op, uint8_t key, uint64_t time_ms)
{
    uint8_t hash[10] = {0xaa, key};
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];

    const uint8_t *room = bed_request(b, 0);
    request_id_make_keyed(id, time_ms, hash);
    memcpy((uint8_t *)room, id, sizeof id);
    op.request_id = room;
    return op;
}

static void assert_body(const struct result *r, bool copy)
{
    assert_int_equal(r->body.len, copy ? 1 : 0);
    if (copy) {
        assert_int_equal(r->body.data[0], 0xc3);
    }
}

/* Sent again by somebody who does not know when it was sent first. */
static void apply_again(struct bed *b, uint64_t now_ms, struct operation op, uint8_t key,
                        struct result first)
{
    struct result again = bed_apply(b, now_ms, keyed(b, op, key, now_ms));

    assert_answer(again, first.error, first.state, first.deadline_ms, first.index);
    assert_true(again.repeated);
    assert_body(&again, first.error == ORDERSCHED_OK);
}

static void a_copy_of_another_time_gets_the_first_answer(void **state)
{
    struct bed *b = *state;
    struct operation schedule = bed_schedule(b, "a", 1000), extend = bed_extend(b, "a", 5000);
    struct operation pay = bed_pay(b, "a");

    schedule.relative = extend.relative = true;
    struct result scheduled = bed_apply(b, T, keyed(b, schedule, 1, T));
    assert_answer(scheduled, ORDERSCHED_OK, ORDERSCHED_PENDING, T + 1000, 0);
    assert_body(&scheduled, false);
    apply_again(b, T + 10, schedule, 1, scheduled);
    struct result extended = bed_apply(b, T + 20, keyed(b, extend, 2, T + 20));
    assert_body(&extended, false);
    apply_again(b, T + 30, extend, 2, extended);
    apply_again(b, T + 30, schedule, 1, scheduled);
    assert_int_equal(bed_order(b, "a")->version, 2);
    assert_int_equal(bed_order(b, "a")->deadline_ms, T + 5020);
    struct result paid = bed_apply(b, T + 40, keyed(b, pay, 3, T + 40));
    assert_int_equal(paid.state, ORDERSCHED_PAID);
    apply_again(b, T + 50, pay, 3, paid);
    /* an hour later: the order is known, whatever the time of the copy's first */
    apply_again(b, T + 3600000, pay, 3, paid);
    apply_again(b, T + 3600000, schedule, 1, scheduled);
    apply_again(b, T + 3600000, extend, 2, extended);
    assert_int_equal(bed_order(b, "a")->version, 2);
}

static void in_one_entry_the_first_copy_counts_whatever_its_time(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 1000);

    op.relative = true;
    struct operation later = keyed(b, op, 1, T + 9000), earlier = keyed(b, op, 1, T - 9000);
    bed_add(b, &later);
    bed_add(b, &earlier);
    const struct result *results = bed_commit(b, T);
    assert_answer(results[0], ORDERSCHED_OK, ORDERSCHED_PENDING, T + 1000, 0);
    assert_answer(results[1], ORDERSCHED_OK, ORDERSCHED_PENDING, T + 1000, 0);
    assert_false(results[0].repeated);
    assert_true(results[1].repeated);
}

static void what_is_refused_or_concerns_no_order_has_one_answer_too(void **state)
{
    struct bed *b = *state;
    struct operation pay = bed_pay(b, "none"), put = bed_route_put(b, "new");

    struct result refused = bed_apply(b, T, keyed(b, pay, 1, T));
    assert_int_equal(refused.error, ORDERSCHED_NOT_FOUND);
    bed_apply(b, T, bed_schedule(b, "none", T + 10000000));
    apply_again(b, T + KEPT_MS - 1, pay, 1, refused);
    assert_int_equal(bed_get(b, "none").state, ORDERSCHED_PENDING);
    uint64_t now_ms = T + KEPT_MS;
    struct result done = bed_apply(b, now_ms, keyed(b, put, 2, now_ms));
    assert_body(&done, false);
    uint64_t revision = machine_find_route(&b->m, bed_text("new"))->revision;
    apply_again(b, now_ms + 1, put, 2, done);
    assert_int_equal(machine_find_route(&b->m, bed_text("new"))->revision, revision);
    /* then it is a request of its own */
    struct result again = bed_apply(b, now_ms + KEPT_MS, keyed(b, put, 2, now_ms + KEPT_MS));
    assert_int_equal(again.error, ORDERSCHED_OK);
    assert_body(&again, false);
    assert_true(machine_find_route(&b->m, bed_text("new"))->revision > revision);
}

static void keep_for(struct bed *b, uint64_t retention_ms)
{
    struct operation epoch = bed_epoch_with(7, 8);

    epoch.retention_ms = retention_ms;
    b->epoch++;
    assert_int_equal(bed_apply(b, T, epoch).error, ORDERSCHED_OK);
}

static void a_refused_schedule_may_be_tried_again(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 1000);

    op.relative = true;
    op.route = bed_text("new");
    uint32_t before = recent_count(b->m.recent);
    struct result refused = bed_apply(b, T, keyed(b, op, 1, T));
    assert_answer(refused, ORDERSCHED_UNKNOWN_ROUTE, ORDERSCHED_STATE_NONE, 0, 0);
    assert_true(refused.recent && refused.in_vain);
    struct result other = bed_apply(b, T + 1, keyed(b, op, 1, T + 1));
    assert_int_equal(other.error, ORDERSCHED_UNKNOWN_ROUTE);
    assert_false(other.repeated);
    assert_int_equal(recent_count(b->m.recent), before + 2);
    bed_apply(b, T + 2, bed_route_put(b, "new"));
    /* what was refused stays so, until it is stale */
    struct result late = bed_apply(b, T + 3, keyed(b, op, 1, T));
    assert_answer(late, ORDERSCHED_UNKNOWN_ROUTE, ORDERSCHED_STATE_NONE, 0, 0);
    assert_true(late.repeated);
    assert_body(&late, false);
    struct result done = bed_apply(b, T + 3, keyed(b, op, 1, T + 3));
    assert_answer(done, ORDERSCHED_OK, ORDERSCHED_PENDING, T + 1003, 0);
    assert_body(&done, false);
    /* The order is there, as each of them wanted it: whose copy it is does not matter any more. */
    apply_again(b, T + 4, op, 1, done);
    late = bed_apply(b, T + 4, keyed(b, op, 1, T));
    assert_answer(late, ORDERSCHED_OK, ORDERSCHED_PENDING, T + 1003, 0);
    assert_body(&late, true);
    machine_check(&b->m);
}

static void a_refused_copy_has_no_effect_however_late(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 1000);

    op.relative = true;
    op.route = bed_text("new");
    bed_apply(b, T, keyed(b, op, 1, T + 10000)); /* by the clock of one who is ahead */
    bed_apply(b, T, bed_route_put(b, "new"));
    for (uint64_t now_ms = T; now_ms < T + KEPT_MS + 20000; now_ms += 5000) {
        int wanted = now_ms < T + KEPT_MS ? ORDERSCHED_UNKNOWN_ROUTE : ORDERSCHED_STALE_REQUEST;
        assert_int_equal(bed_apply(b, now_ms, keyed(b, op, 1, T + 10000)).error, wanted);
    }
    assert_null(store_find(&b->m.store, bed_text("a")));
}

/* Another request's order has the id, until it is forgotten; a deadline has passed. */
static void each_refusal_of_a_schedule_is_one_copys_alone(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 1000), late = bed_schedule(b, "b", T + 500);

    keep_for(b, 0);
    bed_apply(b, T, bed_schedule(b, "a", T + 2000));
    assert_int_equal(bed_apply(b, T, keyed(b, op, 1, T)).error, ORDERSCHED_EXISTS);
    bed_apply(b, T + 1, bed_pay(b, "a"));
    assert_int_equal(bed_apply(b, T + 2, keyed(b, op, 1, T)).error, ORDERSCHED_EXISTS);
    assert_int_equal(bed_apply(b, T + 2, keyed(b, op, 1, T + 2)).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T + 500, keyed(b, late, 2, T + 500)).error,
                     ORDERSCHED_BAD_DEADLINE);
    struct result again = bed_apply(b, T + 500, keyed(b, late, 2, T + 499));
    assert_int_equal(again.error, ORDERSCHED_BAD_DEADLINE);
    assert_false(again.repeated);
}

/* Two copies of one key in one entry, and what the second lacked comes between them. */
static void in_one_entry_too_a_copy_is_judged_for_itself(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 1000);

    op.route = bed_text("new");
    struct operation first = keyed(b, op, 1, T), second = keyed(b, op, 1, T + 1);
    struct operation put = bed_route_put(b, "new");
    bed_add(b, &first);
    bed_add(b, &put);
    bed_add(b, &first);
    bed_add(b, &second);
    bed_add(b, &first);
    const struct result *results = bed_commit(b, T);
    assert_int_equal(results[0].error, ORDERSCHED_UNKNOWN_ROUTE);
    assert_int_equal(results[2].error, ORDERSCHED_UNKNOWN_ROUTE);
    assert_int_equal(results[3].error, ORDERSCHED_OK);
    assert_false(results[3].repeated);
    assert_int_equal(results[4].error, ORDERSCHED_OK);
}

/* An id without a key may have the same bytes as the refusal is recorded under. It comes to the recent requests
 * in the very operation, from the forgotten order that makes way; no record is there twice. */
static void a_refusal_whose_place_is_taken_is_not_recorded_twice(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 100000), plain = keyed(b, op, 1, T + 3000);

    keep_for(b, 5000);
    *(uint8_t *)plain.request_id &= 0x7f;
    bed_apply(b, T, plain);
    bed_apply(b, T, bed_pay(b, "a"));
    bed_pass(b, T + 5000);
    op.route = bed_text("none");
    struct result r = bed_apply(b, T + 5000, keyed(b, op, 1, T + 3000));
    assert_int_equal(r.error, ORDERSCHED_UNKNOWN_ROUTE);
    assert_null(store_find(&b->m.store, bed_text("a")));
    machine_check(&b->m);
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    free(snapshot.data);
}

static void the_marker_and_the_ten_bytes_make_the_request(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 1000);
    struct operation with_key = keyed(b, op, 1, T), other_key = keyed(b, op, 2, T);
    struct operation without = keyed(b, op, 1, T);

    *(uint8_t *)without.request_id &= 0x7f;
    assert_int_equal(bed_apply(b, T, with_key).error, ORDERSCHED_OK);
    assert_int_equal(bed_apply(b, T, without).error, ORDERSCHED_EXISTS);
    assert_int_equal(bed_apply(b, T, other_key).error, ORDERSCHED_EXISTS);
    /* a copy of one that is not keyed is what it ever was: without a body */
    struct operation plain = bed_schedule(b, "b", T + 1000);
    struct result first = bed_apply(b, T, plain), copy = bed_apply(b, T, plain);
    assert_body(&first, false);
    assert_body(&copy, false);
    assert_true(copy.repeated);
}

static void an_unknown_one_is_stale_or_early_by_its_own_time(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 10000000);
    uint64_t now_ms = T + 2 * LIFETIME_MS;

    bed_pass(b, now_ms);
    assert_int_equal(bed_apply(b, now_ms, keyed(b, op, 1, now_ms - LIFETIME_MS)).error,
                     ORDERSCHED_STALE_REQUEST);
    assert_int_equal(bed_apply(b, now_ms, keyed(b, op, 1, now_ms + 10001)).error,
                     ORDERSCHED_EARLY_REQUEST);
    struct result first = bed_apply(b, now_ms, keyed(b, op, 1, now_ms + 10000));
    assert_int_equal(first.error, ORDERSCHED_OK);
    struct result old = bed_apply(b, now_ms, keyed(b, op, 1, 1));
    assert_answer(old, ORDERSCHED_OK, first.state, first.deadline_ms, 0); /* it is known */
}

static void as_a_routes_request_it_is_no_orders(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, keyed(b, bed_route_put(b, "new"), 1, T));
    struct result r = bed_apply(b, T, keyed(b, bed_pay(b, "a"), 1, T + 1));
    assert_int_equal(r.error, ORDERSCHED_REQUEST_ID_USED);
    assert_body(&r, false);
}

/* Nothing came that gave its memory back: the order is there, and not known. */
static void a_forgotten_order_answers_only_for_what_is_not_stale(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 10000000);
    const uint64_t retention_ms = 2 * LIFETIME_MS, until = T + 100 + retention_ms;

    op.relative = true;
    keep_for(b, retention_ms);
    struct result first = bed_apply(b, T, keyed(b, op, 1, T));
    bed_apply(b, T + 100, bed_pay(b, "a"));
    struct operation late = keyed(b, bed_pay(b, "a"), 2, until - 5);
    bed_apply(b, until - 5, late); /* of this one it knows for a lifetime more */
    apply_again(b, until - 1, op, 1, first);
    bed_pass(b, until);
    assert_null(bed_order(b, "a"));
    assert_non_null(store_find(&b->m.store, bed_text("a")));
    struct result again = bed_apply(b, until, keyed(b, bed_pay(b, "a"), 2, until));
    assert_int_equal(again.error, ORDERSCHED_OK); /* its answer moves with it */
    struct result anew = bed_apply(b, until, keyed(b, op, 1, until));
    assert_answer(anew, ORDERSCHED_OK, ORDERSCHED_PENDING, until + 10000000, 0);
    assert_body(&anew, false);
    machine_check(&b->m);
    again = bed_apply(b, until, keyed(b, bed_pay(b, "a"), 2, until + 1));
    assert_int_equal(again.state, ORDERSCHED_PAID);
    assert_int_equal(bed_get(b, "a").state, ORDERSCHED_PENDING);
}

/* Whoever makes a copy before the decision may be 10 s ahead, and the copy may come at any time. */
static void no_copy_from_before_the_decision_has_a_second_effect(void **state)
{
    static const uint64_t retentions_ms[] = {0, 5000, 2 * LIFETIME_MS};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bed *b = bed_open();
        struct operation op = bed_schedule(b, "a", T + 100), pay = bed_pay(b, "a");
        uint64_t until = T + 50 + retentions_ms[i] + PROTOCOL_REQUEST_AHEAD_MS, now_ms;

        keep_for(b, retentions_ms[i]);
        bed_apply(b, T, keyed(b, op, 1, T));
        bed_apply(b, T + 50, keyed(b, pay, 2, T + 50));
        op.relative = true;
        op.time_ms = 1000;
        for (now_ms = until - 15000; now_ms < until + 3000; now_ms += 100) {
            struct result r = bed_apply(b, now_ms, keyed(b, op, 1, T + 10050));
            assert_true(r.repeated || r.error == ORDERSCHED_STALE_REQUEST ||
                        r.error == ORDERSCHED_EARLY_REQUEST);
            r = bed_apply(b, now_ms, keyed(b, pay, 2, T + 10050));
            assert_true(r.repeated || r.error == ORDERSCHED_STALE_REQUEST ||
                        r.error == ORDERSCHED_EARLY_REQUEST);
        }
        assert_null(store_find(&b->m.store, bed_text("a")));
        assert_answer(bed_apply(b, now_ms, keyed(b, op, 1, now_ms)), ORDERSCHED_OK,
                      ORDERSCHED_PENDING, now_ms + 1000, 0);
        bed_close(b);
    }
}

/* Another order takes the id while copies of the first one's requests may be under way. */
static void what_moves_from_a_forgotten_order_is_known_as_long(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 100000), extend = bed_extend(b, "a", 200000);
    const uint64_t decided = T + 20000;

    op.relative = extend.relative = true;
    keep_for(b, 5000);
    bed_apply(b, T, keyed(b, op, 1, T));
    bed_apply(b, T, keyed(b, extend, 2, T));
    bed_pass(b, decided);
    assert_int_equal(bed_apply(b, decided, bed_pay(b, "a")).error, ORDERSCHED_OK);
    bed_pass(b, decided + 5000);
    struct result anew = bed_apply(b, decided + 5000, bed_schedule(b, "a", T + 1000000));
    assert_int_equal(anew.error, ORDERSCHED_OK);
    for (uint64_t now_ms = decided + 5000; now_ms < decided + 20000; now_ms += 500) {
        struct result r = bed_apply(b, now_ms, keyed(b, extend, 2, decided + 10000));
        assert_true(r.repeated || r.error == ORDERSCHED_STALE_REQUEST);
    }
    assert_int_equal(bed_order(b, "a")->version, 1);
}

static void in_an_old_log_such_an_id_is_early(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", T + 10000);
    struct operation route = bed_route_put(b, "new");

    b->before_keyed = true;
    uint64_t digest = machine_digest(&b->m);
    assert_int_equal(bed_apply(b, T, keyed(b, op, 1, T)).error, ORDERSCHED_EARLY_REQUEST);
    assert_int_equal(bed_apply(b, T, keyed(b, route, 2, T)).error, ORDERSCHED_EARLY_REQUEST);
    assert_int_equal(machine_digest(&b->m), digest);
    assert_false(b->m.keyed);
    b->before_keyed = false;
    assert_int_equal(bed_apply(b, T, keyed(b, op, 1, T)).error, ORDERSCHED_OK);
    b->before_keyed = true;
    assert_answer(bed_apply(b, T, keyed(b, op, 1, T)), ORDERSCHED_EARLY_REQUEST, ORDERSCHED_PENDING,
                  T + 10000, 0);
    assert_true(b->m.keyed);
}

static void snapshots_keep_them_and_older_nodes_do_not_read_these(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 10000), pay = bed_pay(b, "none");
    struct operation extend = bed_extend(b, "a", 20000);

    op.relative = extend.relative = true;
    struct snapshot_bytes before = snapshot_of(&b->m);
    assert_true(before.data[8] < SNAPSHOT_VERSION);
    free(before.data);
    struct result first = bed_apply(b, T, keyed(b, op, 1, T));
    struct result refused = bed_apply(b, T, keyed(b, pay, 2, T));
    struct result extended = bed_apply(b, T, keyed(b, extend, 3, T));
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);
    assert_int_equal(snapshot.data[8], SNAPSHOT_VERSION_KEYED);
    b->m.keyed = false;
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_true(b->m.keyed);
    assert_int_equal(machine_digest(&b->m), digest);
    apply_again(b, T + 1, op, 1, first);
    apply_again(b, T + 1, pay, 2, refused);
    apply_again(b, T + 1, extend, 3, extended);
    /* The same in a version that knows of none is not what any node wrote. */
    snapshot.data[8] = SNAPSHOT_VERSION_KEYED - 1;
    snapshot_mend(&snapshot);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_CORRUPT);
    free(snapshot.data);
}

static void it_is_its_principals_own(void **state)
{
    struct book *k = *state;
    struct operation op = bed_schedule(k->b, "s1", T + 1000);

    struct result first = book_ask(k, SHOP, keyed(k->b, op, 1, T));
    assert_int_equal(first.error, ORDERSCHED_OK);
    struct result copy = book_ask(k, SHOP, keyed(k->b, op, 1, T + 1));
    assert_int_equal(copy.error, ORDERSCHED_OK);
    assert_body(&copy, true);
    assert_int_equal(book_ask(k, ROOT, keyed(k->b, op, 1, T + 1)).error, ORDERSCHED_EXISTS);
}

static void after_a_set_back_a_copy_is_known_by_its_key(void **state)
{
    struct bed *b = *state;
    struct operation op = bed_schedule(b, "a", 100000000);
    struct buffer tokens = {0};

    op.relative = true;
    struct result first = bed_apply(b, T + 50000000, keyed(b, op, 1, T + 50000000));
    struct operation back = machine_set_back_operation(&b->m, T, &tokens);
    assert_int_equal(bed_apply(b, b->m.now_ms, back).error, ORDERSCHED_OK);
    buffer_free(&tokens);
    assert_int_equal(b->m.now_ms, T);
    apply_again(b, T + 1, op, 1, first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_of_another_time_gets_the_first_answer),
        TEST(in_one_entry_the_first_copy_counts_whatever_its_time),
        TEST(what_is_refused_or_concerns_no_order_has_one_answer_too),
        TEST(a_refused_schedule_may_be_tried_again),
        TEST(a_refused_copy_has_no_effect_however_late),
        TEST(each_refusal_of_a_schedule_is_one_copys_alone),
        TEST(in_one_entry_too_a_copy_is_judged_for_itself),
        TEST(a_refusal_whose_place_is_taken_is_not_recorded_twice),
        TEST(the_marker_and_the_ten_bytes_make_the_request),
        TEST(an_unknown_one_is_stale_or_early_by_its_own_time),
        TEST(as_a_routes_request_it_is_no_orders),
        TEST(a_forgotten_order_answers_only_for_what_is_not_stale),
        TEST(no_copy_from_before_the_decision_has_a_second_effect),
        TEST(what_moves_from_a_forgotten_order_is_known_as_long),
        TEST(in_an_old_log_such_an_id_is_early),
        TEST(snapshots_keep_them_and_older_nodes_do_not_read_these),
        cmocka_unit_test_setup_teardown(it_is_its_principals_own, book_setup, book_teardown),
        TEST(after_a_set_back_a_copy_is_known_by_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
