/* Is a node alive, and ready? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../../node/metrics/metrics_health.h"

#define S UINT64_C(1000000000)
#define NOW (1000 * S)

static struct metrics_sample well(void)
{
    return (struct metrics_sample){.taken_ns = NOW - S,
                                   .leader = 2,
                                   .term = 7,
                                   .applied_index = 5000,
                                   .heard_commit_index = 5000,
                                   .time_known = true};
}

static void a_loop_that_turns_is_alive(void **state)
{
    char reason[HEALTH_REASON_MAX];

    (void)state;
    assert_true(health_is_alive(NOW, NOW - HEALTH_BEAT_MAX_S * S + 1, reason));
    assert_string_equal(reason, "ok");
    assert_true(health_is_alive(NOW, NOW + 1, reason)); /* it turned while we looked */
    assert_false(health_is_alive(NOW, NOW - HEALTH_BEAT_MAX_S * S, reason));
    assert_string_equal(reason, "the raft loop has not turned for 5 s");
    assert_false(health_is_alive(NOW, 0, reason));
}

static void a_node_that_is_well_is_ready(void **state)
{
    struct metrics_sample s = well();
    struct health h;

    (void)state;
    assert_true(health_is_ready(&s, NOW, NOW, &h));
    assert_string_equal(h.reasons[HEALTH_LEADER], "node 2 leads in term 7");
    s.heard_commit_index = s.applied_index + HEALTH_BEHIND_MAX;
    assert_true(health_is_ready(&s, NOW, NOW, &h));
    s.disk_state = 1; /* low: it is refused new orders, and nothing else */
    assert_true(health_is_ready(&s, NOW, NOW, &h));
}

/* One check alone fails, and says why. */
static void expect_unready(const struct metrics_sample *s, uint64_t beat_ns,
                           enum health_check check, const char *why)
{
    struct health h;

    assert_false(health_is_ready(s, NOW, beat_ns, &h));
    for (unsigned i = 0; i < HEALTH_CHECKS; i++) {
        assert_int_equal(h.ok[i], i != check);
    }
    assert_non_null(strstr(h.reasons[check], why));
}

static void each_check_can_fail(void **state)
{
    struct metrics_sample s = well();

    (void)state;
    expect_unready(&s, NOW - 9 * S, HEALTH_LOOP, "has not turned for 9 s");
    s.taken_ns = NOW - 6 * S;
    expect_unready(&s, NOW, HEALTH_LOOP, "has told nothing for 6 s");
    s.taken_ns = 0;
    expect_unready(&s, NOW, HEALTH_LOOP, "has just started");
    s = well();
    s.leader = 0;
    expect_unready(&s, NOW, HEALTH_LEADER, "no leader is known");
    s = well();
    s.removed = true;
    expect_unready(&s, NOW, HEALTH_LEADER, "was removed");
    s = well();
    s.heard_commit_index += HEALTH_BEHIND_MAX + 1;
    expect_unready(&s, NOW, HEALTH_LOG, "1001 entries behind");
    s = well();
    s.disk_state = 2;
    expect_unready(&s, NOW, HEALTH_DISK, "full");
    s = well();
    s.time_known = false;
    expect_unready(&s, NOW, HEALTH_TIME, "what time it is");
    s = well();
    s.canary_interval_us = 5000000;
    s.canary_seen = true;
    s.canary_age_us = 31000000;
    expect_unready(&s, NOW, HEALTH_CANARY, "no canary for 31 s");
}

/* Whoever leads may send none, and a node that has just started has seen none. */
static void a_canary_that_never_came_says_nothing(void **state)
{
    struct metrics_sample s = well();
    struct health h;

    (void)state;
    s.canary_interval_us = 5000000;
    s.canary_age_us = 1000000000;
    assert_true(health_is_ready(&s, NOW, NOW, &h));
    s.canary_seen = true;
    s.canary_age_us = 30000000;
    assert_true(health_is_ready(&s, NOW, NOW, &h));
    s.canary_age_us = 1000000000;
    s.canary_interval_us = 0;
    assert_true(health_is_ready(&s, NOW, NOW, &h));
    assert_string_equal(h.reasons[HEALTH_CANARY], "off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_turns_is_alive),
        cmocka_unit_test(a_node_that_is_well_is_ready),
        cmocka_unit_test(each_check_can_fail),
        cmocka_unit_test(a_canary_that_never_came_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
