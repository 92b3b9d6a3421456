/* test_clock_look.c - what orderctl clock makes of the nodes' own words, those of older versions too.
 *
 * It belongs to the program orderctl and is in no archive, hence the .c file here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "../../client/ctl/clock_look.c"

#define HOUR_MS INT64_C(3600000)
#define NOON_MS UINT64_C(1796000000000)

/* `n` voters are up; node 1 leads, and says this of its own clock. */
static struct survey *voters(unsigned n, const char *clock)
{
    static struct survey s;

    memset(&s, 0, sizeof s);
    s.members_known = true;
    s.n = n;
    for (unsigned i = 0; i < n; i++) {
        struct survey_node *node = &s.nodes[i];
        node->id = node->status.id = i + 1;
        node->up = true;
        snprintf(node->member, sizeof node->member, "voter");
        snprintf(node->status.role, sizeof node->status.role, i == 0 ? "leader" : "follower");
        snprintf(node->status.clock, sizeof node->status.clock, "%s", i == 0 ? clock : "unknown");
    }
    s.nodes[0].status.clock_error_max_ms = 500;
    s.nodes[0].status.clock_ms = NOON_MS;
    return &s;
}

static void hear(struct survey *s, uint64_t id, int64_t offset_ms, int64_t ahead_ms)
{
    struct node_status *leader = &s->nodes[0].status;

    leader->clocks[leader->n_clocks++] = (struct node_clock){id, offset_ms, ahead_ms, 400};
}

static void all_agree(void **state)
{
    struct survey *s = voters(3, "agreed");
    struct clock_look look;

    (void)state;
    s->nodes[0].status.clock_low_us = -250000;
    s->nodes[0].status.clock_high_us = 250000;
    hear(s, 2, 3, 0);
    hear(s, 3, -2, 0);
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_AGREE);
    assert_int_equal(look.n_heard, 3);
    assert_int_equal(look.n_camps, 1);
    assert_int_equal(look.rows[1].offset_ms, 3);
    assert_true(look.rows[1].shows_ms == NOON_MS + 3);
    assert_string_equal(look.rows[2].standing, "agreed");
}

static void an_outvoted_leader_is_off_and_the_others_are_not(void **state)
{
    struct survey *s = voters(3, "outvoted");
    struct clock_look look;

    (void)state;
    s->nodes[0].status.clock_ahead_ms = HOUR_MS - 10;
    s->nodes[0].status.clock_low_us = -HOUR_MS * 1000;
    s->nodes[0].status.clock_high_us = (10 - HOUR_MS) * 1000;
    hear(s, 2, 5 - HOUR_MS, 0);
    hear(s, 3, 9 - HOUR_MS, 0);
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_OUTVOTE);
    assert_string_equal(look.rows[0].standing, "outvoted");
    assert_true(look.rows[0].offset_ms == HOUR_MS - 10);
    assert_true(look.rows[1].offset_ms == -5);
    assert_string_equal(look.rows[1].standing, "agreed");
}

static void who_agrees_with_whom_is_told_where_no_majority_does(void **state)
{
    struct survey *s = voters(4, "disagreed");
    struct clock_look look;

    (void)state;
    hear(s, 2, HOUR_MS, 0);
    hear(s, 3, 490, 0);
    hear(s, 4, HOUR_MS + 500, 0);
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_DISAGREE);
    assert_int_equal(look.n_camps, 2);
    assert_int_equal(look.rows[0].camp, look.rows[2].camp);
    assert_int_equal(look.rows[1].camp, look.rows[3].camp);
    assert_string_equal(look.rows[3].standing, "disagreed");
}

static void who_is_not_heard_is_in_no_camp_and_too_few_are_not_enough(void **state)
{
    struct survey *s = voters(3, "unknown");
    struct clock_look look;

    (void)state;
    s->nodes[2].up = false;
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_FEW);
    assert_int_equal(look.n_heard, 1);
    assert_false(look.rows[1].heard);
    assert_int_equal(look.rows[1].camp, 0);
    assert_string_equal(look.rows[2].standing, "unknown");
}

static void a_cluster_of_one_is_alone(void **state)
{
    struct survey *s = voters(1, "alone");
    struct clock_look look;

    (void)state;
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_ALONE);
    assert_int_equal(look.rows[0].offset_ms, 0);
}

static void a_standby_and_a_stranger_do_not_count(void **state)
{
    struct survey *s = voters(4, "agreed");
    struct clock_look look;

    (void)state;
    s->nodes[3].stranger = true;
    snprintf(s->nodes[2].member, sizeof s->nodes[2].member, "standby");
    hear(s, 2, 0, 0);
    ctl_clock_look(&look, s);
    assert_int_equal(look.n, 3);
    assert_int_equal(look.n_voters, 2);
    assert_string_equal(look.rows[2].standing, "no vote");
}

static void without_a_leader_each_speaks_for_itself(void **state)
{
    struct survey *s = voters(3, "unknown");
    struct clock_look look;

    (void)state;
    snprintf(s->nodes[0].status.role, sizeof s->nodes[0].status.role, "candidate");
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_NO_LEADER);
    assert_null(look.leader);
    assert_true(look.rows[0].shows_ms == NOON_MS);
}

/* The keys about what is agreed on came later than the rest, and the rows had three elements. */
static void a_leader_of_the_version_before_is_understood(void **state)
{
    struct survey *s = voters(3, "outvoted");
    struct clock_look look;

    (void)state;
    s->nodes[0].status.clock_error_max_ms = 0;
    s->nodes[0].status.clock_ms = 0;
    s->nodes[0].status.clock_ahead_ms = 7000;
    s->nodes[0].status.clocks[0] = (struct node_clock){2, -7000, 0, -1};
    s->nodes[0].status.clocks[1] = (struct node_clock){3, -7100, 0, -1};
    s->nodes[0].status.n_clocks = 2;
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_OUTVOTE);
    assert_true(look.rows[0].offset_ms == 7000);
    assert_true(look.rows[2].offset_ms == -100);
    assert_true(look.rows[2].error_us < 0);
    assert_true(look.rows[2].shows_ms == 0);
    assert_int_equal(look.n_camps, 2);
    s->nodes[0].status.clock[0] = 0; /* one that compared no clocks at all */
    ctl_clock_look(&look, s);
    assert_int_equal(look.what, CLOCKS_NOT_TOLD);
}

static void it_is_told_what_became_of_trust(void **state)
{
    struct survey *s = voters(3, "disagreed");
    struct node_status *leader = &s->nodes[0].status;
    struct clock_look look;

    (void)state;
    hear(s, 2, HOUR_MS, 0);
    ctl_clock_look(&look, s);
    assert_int_equal(look.trust, TRUST_NONE);
    leader->clock_trusted = 2;
    ctl_clock_look(&look, s);
    assert_int_equal(look.trust, TRUST_SOON);
    leader->clock_by_trusted = 1;
    ctl_clock_look(&look, s);
    assert_int_equal(look.trust, TRUST_COUNTS);
    assert_string_equal(look.rows[1].standing, "trusted");
    assert_int_equal(look.rows[1].offset_ms, 0);
    assert_true(look.rows[0].offset_ms == -HOUR_MS);
    leader->clock_by_trusted = 0;
    leader->clock_trusted = 3;
    ctl_clock_look(&look, s);
    assert_int_equal(look.trust, TRUST_UNHEARD);
    leader->clock_trusted = 9;
    ctl_clock_look(&look, s);
    assert_int_equal(look.trust, TRUST_NO_VOTER);
    leader->clock_trusted = 2;
    snprintf(leader->clock, sizeof leader->clock, "agreed");
    ctl_clock_look(&look, s);
    assert_int_equal(look.trust, TRUST_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_agree),
        cmocka_unit_test(an_outvoted_leader_is_off_and_the_others_are_not),
        cmocka_unit_test(who_agrees_with_whom_is_told_where_no_majority_does),
        cmocka_unit_test(who_is_not_heard_is_in_no_camp_and_too_few_are_not_enough),
        cmocka_unit_test(a_cluster_of_one_is_alone),
        cmocka_unit_test(a_standby_and_a_stranger_do_not_count),
        cmocka_unit_test(without_a_leader_each_speaks_for_itself),
        cmocka_unit_test(it_is_told_what_became_of_trust),
        cmocka_unit_test(a_leader_of_the_version_before_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
