/* test_snapshot_living.c - snapshots that are built while the machine goes on.
 * Runs beside others: computes 4 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../raft/core/recent.h"
#include "../../raft/core/snapshot.h"
#include "../support/bed.h"
#include "../support/bench/snapshot_bench.h"

#define T BED_T0

static struct snapshot_bytes finish(struct machine *m)
{
    struct snapshot_part *parts;
    struct snapshot_bytes snapshot = {0};
    unsigned n;

    snapshot_finish(snapshot_under_way(m), &parts, &n);
    snapshot.data = snapshot_parts_join(parts, n, malloc, &snapshot.len);
    assert_non_null(snapshot.data);
    snapshot_parts_free(parts, n);
    return snapshot;
}

static void recent_requests_that_leave_or_come_under_a_snapshot_are_as_at_its_begin(void **state)
{
    struct bed *b = bed_open();
    const uint64_t later = T + PROTOCOL_REQUEST_LIFETIME_MS;

    (void)state;
    snapshot_bed_refuse(b, 5000);
    bed_pass(b, T + 1000);
    snapshot_bed_refuse(b, 3000);
    assert_non_null(snapshot_begin(&b->m));
    snapshot_step(snapshot_under_way(&b->m), 700);
    bed_pass(b, later);
    for (unsigned i = 0; i < 20; i++) { /* those of T leave, some of them not written yet */
        snapshot_bed_refuse(b, 100);
        snapshot_step(snapshot_under_way(&b->m), 10);
    }
    assert_true(recent_count(b->m.recent) < 6000);
    while (!snapshot_step(snapshot_under_way(&b->m), 1000)) {
    }
    uint64_t digest = machine_digest(&b->m);
    struct snapshot_bytes snapshot = finish(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
    bed_close(b);
}

/* Every kind of change, each to an order that the snapshot does not hold yet, and new orders. */
static struct snapshot_bytes built_while_living(struct bed *b)
{
    assert_non_null(snapshot_begin(&b->m));
    bed_apply(b, T + 1100, bed_schedule(b, "new", T + 9000));
    bed_apply(b, T + 1100, bed_pay(b, "new"));
    bed_apply(b, T + 1100, bed_pay(b, "c"));
    bed_apply(b, T + 1100, bed_extend(b, "d", T + 300000));
    bed_apply(b, T + 1100, bed_cancel(b, "l")); /* too late, recorded */
    bed_apply(b, T + 1100, bed_outcome(b, "i", 1, 1, OUTCOME_FAILED, 0));
    bed_apply(b, T + 1100, bed_outcome(b, "k", 1, 1, OUTCOME_EXPIRED, 0));
    bed_apply(b, T + 1100, bed_epoch(0, 50)); /* of the epoch before: void */
    b->epoch = 2;
    bed_apply(b, T + 1200, bed_epoch(0, 50)); /* short retention: the decided are purged */
    bed_pass(b, T + 1300);
    assert_null(bed_order(b, "a"));
    bed_apply(b, T + 1300, bed_schedule(b, "a", T + 8000));
    while (!snapshot_step(snapshot_under_way(&b->m), 1)) {
    }
    bed_apply(b, T + 1400, bed_route_put(b, "later"));
    bed_apply(b, T + 1400, bed_clock_trust(b, 3));
    bed_apply(b, T + 1400, bed_pay(b, "a"));
    return finish(&b->m);
}

static void a_snapshot_built_while_orders_change_is_of_its_end(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = built_while_living(b);
    struct snapshot_bytes again = snapshot_of(&b->m);
    struct machine m;

    (void)state;
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    assert_int_equal(m.applied, b->m.applied);
    assert_int_equal(m.now_ms, b->m.now_ms);
    assert_int_equal(snapshot_restore(&m, again.data, again.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(snapshot.data);
    free(again.data);
    bed_close(b);
}

static void a_slice_is_one_shard_at_most_beyond_what_was_asked(void **state)
{
    struct bed *b = bed_open();
    unsigned steps = 0;
    char id[16];

    (void)state;
    bed_apply(b, T, bed_epoch(7, 1000000));
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(id, sizeof id, "order-%u", i);
        struct operation op = bed_schedule(b, id, T + 100000);
        bed_add(b, &op);
        if (b->n == 500) {
            bed_commit(b, T);
        }
    }
    assert_non_null(snapshot_begin(&b->m));
    while (!snapshot_step(snapshot_under_way(&b->m), 100)) {
        steps++;
    }
    assert_in_range(steps, 4000 / 120, 4000 / 100);
    struct snapshot_bytes snapshot = finish(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(b->m.store.n, 4000);
    free(snapshot.data);
    bed_close(b);
}

/* What is not whole, out of order or no entry of ours is found before anything changes. */
static void an_altered_tail_with_a_right_checksum_is_refused_or_sound(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = built_while_living(b);
    struct machine m;
    size_t base = 0;
    unsigned refused = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        base |= (size_t)snapshot.data[snapshot.len - 32 + i] << (8 * i);
    }
    machine_init(&m);
    for (size_t i = base; i < snapshot.len - 32; i++) {
        uint64_t before = machine_digest(&m);
        snapshot.data[i] ^= 0x41;
        snapshot_mend_parts(&snapshot, base);
        if (snapshot_restore(&m, snapshot.data, snapshot.len) == SNAPSHOT_OK) {
            machine_check(&m);
        } else {
            assert_int_equal(machine_digest(&m), before);
            refused++;
        }
        snapshot.data[i] ^= 0x41;
    }
    assert_true(refused > (snapshot.len - 32 - base) * 9 / 10); /* each entry has a checksum */
    snapshot_mend_parts(&snapshot, base);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(snapshot.data);
    bed_close(b);
}

static void a_snapshot_that_is_given_up_leaves_the_machine_free_to_go(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);

    (void)state;
    assert_non_null(snapshot_begin(&b->m));
    (void)snapshot_step(snapshot_under_way(&b->m), 1);
    bed_apply(b, T + 1100, bed_pay(b, "c"));
    snapshot_abort(snapshot_under_way(&b->m));
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    free(snapshot.data);
    snapshot = snapshot_of(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    free(snapshot.data);
    bed_close(b); /* and closing it with a build under way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_built_while_orders_change_is_of_its_end),
        cmocka_unit_test(a_slice_is_one_shard_at_most_beyond_what_was_asked),
        cmocka_unit_test(an_altered_tail_with_a_right_checksum_is_refused_or_sound),
        cmocka_unit_test(a_snapshot_that_is_given_up_leaves_the_machine_free_to_go),
        cmocka_unit_test(recent_requests_that_leave_or_come_under_a_snapshot_are_as_at_its_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
