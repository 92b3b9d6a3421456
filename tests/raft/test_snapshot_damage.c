/* test_snapshot_damage.c - every way in which a snapshot is damaged, or forged.
 * Runs beside others: computes 15 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/entry.h"
#include "../../raft/core/machine_parts.h"
#include "../../raft/core/snapshot.h"
#include "../support/bed.h"
#include "../support/bench/snapshot_bench.h"

static void every_truncation_is_corrupt_and_changes_nothing(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    for (size_t len = 0; len < snapshot.len; len++) {
        uint8_t *cut = malloc(len + 1); /* of its own, so that a read past it is seen */

        memcpy(cut, snapshot.data, len);
        assert_int_equal(snapshot_restore(&b->m, cut, len), SNAPSHOT_CORRUPT);
        free(cut);
    }
    machine_check(&b->m);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
    bed_close(b);
}

static void every_truncation_with_a_right_checksum_is_corrupt(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    for (size_t len = 44; len < snapshot.len; len++) {
        struct snapshot_bytes cut = {.data = malloc(len), .len = len};

        memcpy(cut.data, snapshot.data, len);
        snapshot_mend(&cut);
        assert_int_equal(snapshot_restore(&b->m, cut.data, len), SNAPSHOT_CORRUPT);
        free(cut.data);
    }
    machine_check(&b->m);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
    bed_close(b);
}

static void every_altered_byte_is_corrupt_and_changes_nothing(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    for (size_t i = 0; i < snapshot.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            snapshot.data[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len),
                             SNAPSHOT_CORRUPT);
            snapshot.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(machine_digest(&b->m), digest);
    machine_check(&b->m);
    free(snapshot.data);
    bed_close(b);
}

#define LIVED_MAX 64
#define LIVES_EVERY 11 /* of the accepted ones: each takes long with sanitizers */
#ifdef __SANITIZE_ADDRESS__
#define VALUES_EVERY \
    4u /* of those of each byte, others for the next one: minutes of zeroing memory */
#else
#define VALUES_EVERY 1u
#endif

/* An order of whatever route takes its end, by whoever may ask for it. */
static const enum operation_code moves[] = {
    OPERATION_DEAD_REDRIVE, OPERATION_EXTEND,    OPERATION_PAY,
    OPERATION_CANCEL,       OPERATION_DEAD_DROP, OPERATION_OUTCOME,
};

/* A machine that was restored lives on: each operation on each of its orders, and then time, until
 * all are due and forgotten. Returns how many operations it carried out. */
static unsigned lives_on(struct bed *b)
{
    uint8_t ids[LIVED_MAX][ORDERSCHED_ID_MAX];
    size_t lens[LIVED_MAX];
    struct machine_walk walk = {0};
    const struct order *o;
    unsigned n = 0, carried_out = 0;

    while (n < LIVED_MAX && (o = machine_walk_next(&b->m, &walk)) != NULL) {
        memcpy(ids[n], order_id(o), o->id_len);
        lens[n++] = o->id_len;
    }
    b->index = b->m.applied;
    b->epoch = b->m.epoch;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < sizeof moves / sizeof *moves; k++) {
            const struct order *now = machine_find(&b->m, (struct slice){ids[i], lens[i]});
            uint32_t attempts = now != NULL && now->extra != NULL ? now->extra->attempts : 0;
            struct operation op = bed_outcome(b, "", now != NULL ? now->version : 1, attempts + 1,
                                              OUTCOME_FAILED, 0);
            enum operation_code code = moves[(k + i) % (sizeof moves / sizeof *moves)];
            if (code != OPERATION_OUTCOME) {
                op = bed_extend(b, "", b->m.now_ms + 5000);
                op.code = code;
            }
            op.id = (struct slice){ids[i], lens[i]};
            carried_out += bed_apply(b, b->m.now_ms, op).error == ORDERSCHED_OK;
        }
    }
    for (unsigned day = 0; day < 3; day++) {
        uint64_t later_ms = b->m.now_ms + 86400000;
        bed_pass(b, later_ms <= ENTRY_TIME_MAX_MS ? later_ms : b->m.now_ms);
        while (!machine_advance(&b->m, 1000)) {
        }
    }
    machine_check(&b->m);
    return carried_out;
}

/* Whatever a forger writes, what is accepted is a sound machine, and the rest changes nothing. */
static void an_altered_snapshot_with_a_right_checksum_is_refused_or_sound(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    struct machine m;
    unsigned accepted = 0;
    unsigned refused = 0;
    unsigned carried_out = 0;

    (void)state;
    machine_init(&m);
    for (size_t i = 8; i < snapshot.len - 32; i++) {
        static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0x90, 0xc0,
                                         0xc4, 0xcc, 0xcf, 0xdd, 0xff};
        uint8_t was = snapshot.data[i];

        for (unsigned v = i % VALUES_EVERY; v < sizeof values + 8; v += VALUES_EVERY) {
            enum snapshot_error error;
            uint64_t before = machine_digest(&m);

            snapshot.data[i] = v < sizeof values ? values[v]
                                                 : was ^ (uint8_t)(1u << (v - sizeof values));
            snapshot_mend(&snapshot);
            error = snapshot_restore(&m, snapshot.data, snapshot.len);
            machine_check(&m);
            if (error == SNAPSHOT_OK) {
                if (accepted % LIVES_EVERY == 0) {
                    struct bed *other = bed_open();
                    assert_int_equal(snapshot_restore(&other->m, snapshot.data, snapshot.len), 0);
                    carried_out += lives_on(other);
                    bed_close(other);
                }
                accepted++;
            } else {
                assert_true(error == SNAPSHOT_CORRUPT || (error == SNAPSHOT_TOO_NEW && i < 12));
                assert_int_equal(machine_digest(&m), before);
                refused++;
            }
        }
        snapshot.data[i] = was;
    }
    print_message("%u altered snapshots accepted, %u refused\n", accepted, refused);
    assert_true(accepted > 0 && refused > 0 && carried_out > 0);
    machine_close(&m);
    free(snapshot.data);
    bed_close(b);
}

static enum snapshot_error restored(struct bed *b)
{
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    struct machine m;

    machine_init(&m);
    enum snapshot_error error = snapshot_restore(&m, snapshot.data, snapshot.len);
    machine_close(&m);
    free(snapshot.data);
    return error;
}

/* What a machine of ours never is: the next failure, or a redrive, would meet it. */
static void attempts_that_cannot_be_are_corrupt(void **state)
{
    struct bed *b = bed_open();

    (void)state;
    bed_apply(b, BED_T0, bed_schedule(b, "a", BED_T0 + 10));
    bed_pass(b, BED_T0 + 10);
    bed_apply(b, BED_T0 + 10, bed_outcome(b, "a", 1, 1, OUTCOME_FAILED, 0));
    struct order_extra *extra = bed_order(b, "a")->extra;
    extra->attempts = PROTOCOL_ATTEMPTS_MAX;
    extra->failures = PROTOCOL_ATTEMPTS_MAX - 1;
    assert_int_equal(restored(b), SNAPSHOT_OK);
    extra->failures = PROTOCOL_ATTEMPTS_MAX;
    assert_int_equal(restored(b), SNAPSHOT_CORRUPT);
    extra->attempts = extra->failures = 2;
    bed_pass(b, BED_T0 + 60000);
    bed_apply(b, BED_T0 + 60000, bed_outcome(b, "a", 1, 3, OUTCOME_FAILED, 0));
    assert_int_equal(bed_order(b, "a")->state, ORDERSCHED_DEAD);
    assert_int_equal(restored(b), SNAPSHOT_OK);
    extra->failures = 0;
    assert_int_equal(restored(b), SNAPSHOT_CORRUPT);
    extra->failures = 3;
    bed_close(b);
}

static void a_newer_version_is_told_from_a_corrupt_one(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    snapshot.data[8] = SNAPSHOT_VERSION + 1;
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_CORRUPT);
    snapshot_mend(&snapshot);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_TOO_NEW);
    snapshot.data[8] = 0;
    snapshot_mend(&snapshot);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_CORRUPT);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
    bed_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_corrupt_and_changes_nothing),
        cmocka_unit_test(every_truncation_with_a_right_checksum_is_corrupt),
        cmocka_unit_test(every_altered_byte_is_corrupt_and_changes_nothing),
        cmocka_unit_test(an_altered_snapshot_with_a_right_checksum_is_refused_or_sound),
        cmocka_unit_test(attempts_that_cannot_be_are_corrupt),
        cmocka_unit_test(a_newer_version_is_told_from_a_corrupt_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
