/* test_clock_samples.c - what one node knows of another's clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/peer/bytes.h"
#include "../../raft/peer/clock_samples.h"
#include "../support/random.h"

#define S 1000000ll

/* Two machines: each with a wall clock and a monotonic one, off from the true time. */
struct machine {
    uint64_t id;
    int64_t wall_off_us, monotonic_off_us;
    struct clock_samples samples;
};

static uint64_t wall(const struct machine *m, int64_t true_us)
{
    return (uint64_t)(true_us + m->wall_off_us);
}

static uint64_t monotonic(const struct machine *m, int64_t true_us)
{
    return (uint64_t)(true_us + m->monotonic_off_us);
}

/* True: `to` wants to answer at once. */
static bool say(const struct machine *from, struct machine *to, int64_t sent_us, int64_t came_us)
{
    uint8_t told[CLOCK_TOLD_SIZE];

    clock_samples_tell(&from->samples, to->id, monotonic(from, sent_us), wall(from, sent_us), told);
    return clock_samples_take(&to->samples, from->id, monotonic(to, came_us), told);
}

static bool look(const struct machine *at, const struct machine *other, int64_t true_us,
                 int64_t *low_us, int64_t *high_us)
{
    return clock_samples_look(&at->samples, other->id, monotonic(at, true_us), wall(at, true_us),
                              low_us, high_us);
}

static void two_open(struct machine *a, struct machine *b, int64_t off_us)
{
    *a = (struct machine){.id = 1, .wall_off_us = 7, .monotonic_off_us = -900 * S};
    *b = (struct machine){.id = 2, .wall_off_us = 7 + off_us, .monotonic_off_us = -500 * S};
}

static void a_round_trip_bounds_the_others_clock(void **state)
{
    struct machine a, b;
    int64_t low, high;

    (void)state;
    two_open(&a, &b, 3600 * S);
    assert_true(say(&a, &b, 1000 * S, 1000 * S + 300)); /* b is to answer at once */
    assert_false(look(&b, &a, 1000 * S + 300, &low, &high));
    assert_true(say(&b, &a, 1000 * S + 350, 1000 * S + 750)); /* and then a */
    assert_true(look(&a, &b, 1000 * S + 750, &low, &high));
    assert_true(low <= 3600 * S && 3600 * S <= high);
    assert_true(high - low <= 700 + 2 * CLOCK_DRIFT_PPM + 2);
    assert_false(look(&b, &a, 1000 * S + 750, &low, &high));
    assert_true(say(&a, &b, 1000 * S + 760, 1000 * S + 1060));
    assert_true(look(&b, &a, 1000 * S + 1060, &low, &high));
    assert_true(low <= -3600 * S && -3600 * S <= high);
    assert_false(say(&b, &a, 1001 * S, 1001 * S + 300)); /* it knows enough now */
}

static void the_shortest_round_trip_of_the_last_ones_counts(void **state)
{
    struct machine a, b;
    int64_t low, high;

    (void)state;
    two_open(&a, &b, -20 * S);
    for (int64_t i = 0; i < 40; i++) {
        int64_t queue_us = i % 8 == 0 ? 100 : 300000;
        say(&a, &b, (1000 + i) * S, (1000 + i) * S + queue_us);
        say(&b, &a, (1000 + i) * S + 600000, (1000 + i) * S + 600000 + queue_us);
    }
    assert_true(look(&a, &b, 1040 * S, &low, &high));
    assert_true(low <= -20 * S && -20 * S <= high);
    assert_true(high - low < 20000);
}

static void a_clock_that_is_set_is_known_anew_at_once(void **state)
{
    struct machine a, b;
    int64_t low, high;

    (void)state;
    two_open(&a, &b, 0);
    for (int64_t i = 0; i < 20; i++) {
        say(&a, &b, (1000 + i) * S, (1000 + i) * S + 200);
        say(&b, &a, (1000 + i) * S + 300, (1000 + i) * S + 500);
    }
    b.wall_off_us += 3 * S;
    say(&b, &a, 1021 * S, 1021 * S + 4000);
    assert_true(look(&a, &b, 1021 * S + 4000, &low, &high));
    assert_true(low <= 3 * S && 3 * S <= high);
    a.wall_off_us -= 86400 * S; /* one's own needs no sample */
    assert_true(look(&a, &b, 1021 * S + 4000, &low, &high));
    assert_true(low <= 86403 * S && 86403 * S <= high);
}

static void what_is_old_is_not_known_any_more(void **state)
{
    struct machine a, b;
    int64_t low, high;

    (void)state;
    two_open(&a, &b, 0);
    say(&a, &b, 1000 * S, 1000 * S + 100);
    say(&b, &a, 1000 * S + 100, 1000 * S + 200);
    assert_true(look(&a, &b, 1025 * S, &low, &high));
    assert_true(low <= 0 && 0 <= high);
    assert_false(look(&a, &b, 1031 * S, &low, &high));
}

/* The bounds hold whatever the delays, drifts and steps of one's own clock are. */
static void the_bounds_are_right(void **state)
{
    struct random rng = random_start();

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct machine a, b;
        int64_t off_us = (int64_t)random_below(&rng, 20000 * S) - 10000 * S;
        int64_t now_us = 1000000 * S, low, high;
        two_open(&a, &b, off_us);
        for (unsigned i = 0; i < 60; i++) {
            bool back = random_below(&rng, 2) == 0;
            int64_t came_us = now_us + (int64_t)random_below(&rng, 300000);
            say(back ? &b : &a, back ? &a : &b, now_us, came_us);
            now_us = came_us + (int64_t)random_below(&rng, S);
            b.wall_off_us += (int64_t)random_below(&rng, 400) - 200;
            if (look(&a, &b, now_us, &low, &high)) {
                int64_t is_us = b.wall_off_us - a.wall_off_us;
                assert_true(low <= is_us && is_us <= high);
            }
        }
    }
}

static void what_cannot_be_is_passed_over(void **state)
{
    struct machine a, b;
    uint8_t told[CLOCK_TOLD_SIZE];
    int64_t low, high;

    (void)state;
    two_open(&a, &b, 0);
    const uint64_t bad[][4] = {
        {200 * S, 0, 5, 1000 * S},     /* an answer to what will be said */
        {50 * S, 60 * S, 5, 1000 * S}, /* held for longer than it was known */
        {50 * S, UINT64_MAX, 5, 1000 * S}, {50 * S, 0, 0, 1000 * S}, /* no time of its own */
        {50 * S, 0, 5, UINT64_MAX},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (unsigned k = 0; k < 4; k++) {
            bytes_put_u64(told + 8 * k, bad[i][k]);
        }
        assert_false(clock_samples_take(&a.samples, 2, 100 * S, told));
        assert_false(clock_samples_look(&a.samples, 2, 100 * S, 1000 * S, &low, &high));
    }
    for (uint64_t id = 10; id < 10 + 3 * CLOCK_PEERS_MAX; id++) { /* there is room for the last */
        bytes_put_u64(told, 50 * S);
        bytes_put_u64(told + 8, 0);
        bytes_put_u64(told + 16, 5);
        bytes_put_u64(told + 24, 1000 * S);
        (void)clock_samples_take(&a.samples, id, 100 * S + id, told);
        assert_true(clock_samples_look(&a.samples, id, 100 * S + id, 1000 * S, &low, &high));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_bounds_the_others_clock),
        cmocka_unit_test(the_shortest_round_trip_of_the_last_ones_counts),
        cmocka_unit_test(a_clock_that_is_set_is_known_anew_at_once),
        cmocka_unit_test(what_is_old_is_not_known_any_more),
        cmocka_unit_test(the_bounds_are_right),
        cmocka_unit_test(what_cannot_be_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
