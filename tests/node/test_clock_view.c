/* What one node makes of the voters' clocks, and when the clock of one that is trusted counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/clock_view.h"
#include "../../raft/consensus/replica.h"
#include "../../raft/peer/clock_samples.h"

#define WALL_US UINT64_C(1764000000000000)
#define NOW_US UINT64_C(10000000)
#define HOUR_US INT64_C(3600000000)
#define ERROR_US 500000
#define TRIP_US 1000

/* This is node 1 of so many. */
struct sight {
    struct clock_samples samples;
    struct replica_member members[5];
    unsigned n;
};

static void members_are(struct sight *s, unsigned n)
{
    *s = (struct sight){.n = n};
    for (unsigned i = 0; i < n; i++) {
        s->members[i] = (struct replica_member){.id = i + 1, .voter = true, .self = i == 0};
    }
}

/* Node `id` answers within TRIP_US, and its clock is off by this. */
static void hear(struct sight *s, uint64_t id, int64_t off_us)
{
    struct clock_samples theirs = {0};
    uint8_t told[CLOCK_TOLD_SIZE];
    uint64_t sent_us = NOW_US - TRIP_US;

    clock_samples_tell(&s->samples, id, sent_us, WALL_US - TRIP_US, told);
    (void)clock_samples_take(&theirs, 1, sent_us, told);
    clock_samples_tell(&theirs, 1, sent_us, WALL_US - TRIP_US + (uint64_t)off_us, told);
    (void)clock_samples_take(&s->samples, id, NOW_US, told);
}

static struct clock_view view_of(const struct sight *s, uint64_t trusted)
{
    struct clock_view view;

    clock_view_make(&view, &s->samples, s->members, s->n, trusted, ERROR_US, WALL_US, NOW_US);
    return view;
}

static struct clock_guide guide_of(const struct sight *s, uint64_t trusted)
{
    struct clock_view view = view_of(s, trusted);

    return clock_view_guide(&view, WALL_US);
}

static void trust_has_no_effect_while_a_majority_agrees(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 3);
    hear(&s, 2, 0);
    hear(&s, 3, HOUR_US);
    for (uint64_t trusted = 0; trusted <= 3; trusted++) {
        assert_int_equal(view_of(&s, trusted).goes_by, 0);
        assert_int_equal(guide_of(&s, trusted).guidance, CLOCK_WITHIN);
        assert_true(guide_of(&s, trusted).high_us < WALL_US + HOUR_US / 2);
    }
}

static void the_trusted_clock_counts_where_no_majority_agrees(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 3);
    hear(&s, 2, HOUR_US);
    hear(&s, 3, -HOUR_US);
    assert_int_equal(guide_of(&s, 0).guidance, CLOCK_UNGUIDED);
    struct clock_guide guide = guide_of(&s, 2);
    assert_int_equal(guide.guidance, CLOCK_TRUSTED);
    assert_true(guide.low_us == guide.high_us);
    /* It shows an hour more, or up to a round trip less; never is the time ahead of it. */
    assert_true(guide.high_us <= WALL_US + HOUR_US);
    assert_true(guide.low_us >= WALL_US + HOUR_US - 2 * TRIP_US);
    guide = guide_of(&s, 1); /* this node's own */
    assert_int_equal(guide.guidance, CLOCK_TRUSTED);
    assert_true(guide.low_us == WALL_US && guide.high_us == WALL_US);
    assert_int_equal(view_of(&s, 3).goes_by, 3);
}

static void so_it_does_where_too_few_are_heard(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 5);
    hear(&s, 2, HOUR_US);
    assert_int_equal(guide_of(&s, 0).guidance, CLOCK_UNGUIDED);
    assert_int_equal(guide_of(&s, 2).guidance, CLOCK_TRUSTED);
    assert_int_equal(guide_of(&s, 1).guidance, CLOCK_TRUSTED);
}

static void one_that_is_not_heard_or_has_no_vote_does_not_count(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 3);
    hear(&s, 2, HOUR_US);
    assert_int_equal(guide_of(&s, 3).guidance, CLOCK_UNGUIDED); /* not heard */
    assert_int_equal(guide_of(&s, 9).guidance, CLOCK_UNGUIDED); /* removed */
    hear(&s, 3, -HOUR_US);
    assert_int_equal(guide_of(&s, 3).guidance, CLOCK_TRUSTED);
    s.members[2].voter = false;
    assert_int_equal(view_of(&s, 3).goes_by, 0);
}

/* Whose clock is known badly does not vote, and is not gone by. */
static void one_that_is_heard_badly_does_not_count(void **state)
{
    struct sight s;
    struct clock_view view;

    (void)state;
    members_are(&s, 3);
    hear(&s, 2, HOUR_US);
    hear(&s, 3, -HOUR_US);
    clock_view_make(&view, &s.samples, s.members, 3, 2, TRIP_US, WALL_US, NOW_US);
    assert_int_equal(view.n, 0);
    assert_int_equal(view.goes_by, 0);
}

static void of_two_that_disagree_the_trusted_counts_instead_of_the_earlier(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 2);
    hear(&s, 2, HOUR_US);
    assert_int_equal(guide_of(&s, 0).guidance, CLOCK_NOT_BEYOND);
    assert_int_equal(guide_of(&s, 2).guidance, CLOCK_TRUSTED);
}

static void the_only_voter_goes_by_itself_whoever_is_trusted(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 1);
    assert_int_equal(guide_of(&s, 1).guidance, CLOCK_BY_ITSELF);
    assert_int_equal(guide_of(&s, 2).guidance, CLOCK_BY_ITSELF);
}

static void who_does_not_vote_has_no_time(void **state)
{
    struct sight s;

    (void)state;
    members_are(&s, 3);
    s.members[0].voter = false;
    hear(&s, 2, 0);
    hear(&s, 3, HOUR_US);
    assert_int_equal(guide_of(&s, 2).guidance, CLOCK_UNGUIDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trust_has_no_effect_while_a_majority_agrees),
        cmocka_unit_test(the_trusted_clock_counts_where_no_majority_agrees),
        cmocka_unit_test(so_it_does_where_too_few_are_heard),
        cmocka_unit_test(one_that_is_not_heard_or_has_no_vote_does_not_count),
        cmocka_unit_test(one_that_is_heard_badly_does_not_count),
        cmocka_unit_test(of_two_that_disagree_the_trusted_counts_instead_of_the_earlier),
        cmocka_unit_test(the_only_voter_goes_by_itself_whoever_is_trusted),
        cmocka_unit_test(who_does_not_vote_has_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
