/* test_replica_members.c - changes of the members of a group, and transfers of its leadership.
 * Runs beside others: waits 10 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../../client/ordersched.h"
#include "../support/group.h"

static void assert_text(const struct group *g, const char *part)
{
    if (strstr(g->change_text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", g->change_text, part);
    }
}

static void a_new_member_catches_up_and_votes(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    struct replica_member members[4];

    group_open_three(g);
    group_commit(g, 50);
    leader = group_leader(g);
    group_open(g, 4, 0);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    group_commit(g, 100); /* meanwhile */
    assert_int_equal(group_change(g), 0);
    group_converge(g);
    assert_int_equal(replica_members(leader->replica, members, 4), 4);
    assert_int_equal(members[3].id, 4);
    assert_true(members[3].voter);
    assert_string_equal(members[3].address, g->members[4].address);
}

static void a_wiped_member_comes_back_under_a_new_id_through_a_snapshot(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t lost;

    g->threshold = 64;
    g->trailing = 16;
    group_open_three(g);
    group_commit(g, 200);
    lost = group_other_than(group_leader(g)->id, 0);
    group_close(g, lost);
    group_wipe(g, lost);
    group_commit(g, 100);
    leader = group_leader(g);
    replica_remove(leader->replica, lost, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    group_open(g, 4, 0);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    group_commit(g, 20);
    group_converge(g);
    /* Again, when it is slower than the next ones. */
    assert_in_range(g->members[4].n_restored, 1, 3);
    assert_int_equal(replica_members(leader->replica, NULL, 0), 3);
}

static void a_removed_member_is_gone_and_the_rest_go_on(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    struct replica_member members[3];
    uint64_t gone;

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    gone = group_other_than(leader->id, 0);
    replica_remove(leader->replica, gone, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    group_close(g, gone);
    group_commit(g, 10);
    group_converge(g);
    assert_int_equal(replica_members(leader->replica, members, 3), 2);
    assert_true(members[0].id != gone && members[1].id != gone);
    replica_remove(leader->replica, gone, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_NOT_FOUND);
}

static void changes_hold_across_a_restart_and_a_failover(void **state)
{
    struct group *g = *state;
    struct group_member *leader;

    g->threshold = 64;
    g->trailing = 16;
    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    group_open(g, 4, 0);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    group_commit(g, 300); /* snapshots are taken of it */
    group_converge(g);
    for (uint64_t id = 1; id <= 4; id++) {
        group_close(g, id);
    }
    for (uint64_t id = 1; id <= 4; id++) {
        group_open(g, id, 3);
    }
    group_commit(g, 10);
    group_converge(g);
    for (uint64_t id = 1; id <= 4; id++) {
        assert_int_equal(replica_members(g->members[id].replica, NULL, 0), 4);
    }
    group_close(g, group_leader(g)->id);
    group_commit(g, 10);
}

static void impossible_additions_are_refused_with_a_reason(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t other;

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    other = group_other_than(leader->id, 0);
    replica_add(leader->replica, other, g->members[other].address, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    assert_text(g, "is a voter already");
    replica_add(leader->replica, other, "127.0.0.1:1", group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    assert_text(g, "is known already, at 127.0.0.1:");
    replica_add(leader->replica, 9, g->members[other].address, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    assert_text(g, "belongs to member");
    replica_add(leader->replica, 0, "127.0.0.1:1", group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    replica_add(g->members[other].replica, 4, "127.0.0.1:1", group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_NOT_LEADER);
    assert_int_equal(replica_members(leader->replica, NULL, 0), 3);
}

static void an_absent_member_is_given_up_and_can_be_taken_up_again(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    struct replica_member members[4];

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    replica_remove(leader->replica, group_other_than(leader->id, 0), group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE); /* the second, at once */
    assert_text(g, "another change");
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE); /* the first, after its time */
    assert_text(g, "nothing has come from 127.0.0.1:");
    assert_text(g, "orderctl member remove 4");
    assert_int_equal(replica_members(leader->replica, members, 4), 4);
    assert_false(members[3].voter);
    group_open(g, 4, 0);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    assert_int_equal(replica_members(leader->replica, members, 4), 4);
    assert_true(members[3].voter);
    group_commit(g, 10);
    group_converge(g);
}

static void a_member_that_is_waited_for_can_be_removed_at_once(void **state)
{
    struct group *g = *state;
    struct group_member *leader;

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    group_run(g, 300);
    assert_int_equal(replica_members(leader->replica, NULL, 0), 4);
    replica_remove(leader->replica, 4, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE); /* the add, at once */
    assert_text(g, "was removed before it had caught up");
    assert_int_equal(group_change(g), 0);
    assert_int_equal(replica_members(leader->replica, NULL, 0), 3);
    group_commit(g, 10);
}

static void a_leader_that_loses_its_leadership_does_not_know_what_became_of_a_change(void **state)
{
    struct group *g = *state;
    struct group_member *leader;

    g->patience_ms = 20000;
    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    replica_add(leader->replica, 4, g->members[4].address, group_change_cb, g);
    group_run(g, 300); /* added, and waiting for it to catch up */
    group_isolate(g, leader->id, true);
    assert_int_equal(group_change(g), ORDERSCHED_UNKNOWN_OUTCOME);
    assert_text(g, "orderctl member list");
    group_isolate(g, leader->id, false);
    group_commit(g, 5);
    leader = group_leader(g);
    group_run(g, 100);
    replica_add(leader->replica, 5, g->members[5].address, group_change_cb, g);
    group_close(g, leader->id);
    assert_int_not_equal(group_change(g), 0);
}

static void the_leader_is_not_removed(void **state)
{
    struct group *g = *state;
    struct group_member *leader;

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    replica_remove(leader->replica, leader->id, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    assert_text(g, "transfer the leadership first");
}

static void a_removal_that_would_stop_the_cluster_is_refused(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t dead, alive;

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    dead = group_other_than(leader->id, 0);
    alive = group_other_than(leader->id, dead);
    group_close(g, dead);
    group_run(g, 1000);
    assert_int_equal(leader->role, REPLICA_LEADER);
    replica_remove(leader->replica, alive, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    assert_text(g, "no majority would answer");
    replica_remove(leader->replica, dead, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    group_commit(g, 10);
}

static void the_leadership_is_transferred(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t target;

    group_open_three(g);
    group_commit(g, 10);
    group_converge(g);
    leader = group_leader(g);
    target = group_other_than(leader->id, 0);
    replica_transfer(leader->replica, target, group_change_cb, g);
    assert_false(group_propose(leader)); /* from now on, until it is decided */
    assert_int_equal(group_change(g), 0);
    assert_int_equal(group_leader(g)->id, target);
    group_commit(g, 10);
    leader = group_leader(g);
    replica_transfer(leader->replica, 0, group_change_cb, g);
    assert_int_equal(group_change(g), 0);
    assert_int_not_equal(group_leader(g)->id, leader->id);
    group_commit(g, 10);
    group_converge(g);
}

static void impossible_transfers_are_refused_with_a_reason(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t target;

    group_open_three(g);
    group_commit(g, 10);
    leader = group_leader(g);
    target = group_other_than(leader->id, 0);
    replica_transfer(leader->replica, 7, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_NOT_FOUND);
    replica_transfer(g->members[target].replica, leader->id, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_NOT_LEADER);
    /* One that hears nothing does not take over, and the leader stays. */
    group_cut(g, leader->id, target, true);
    replica_transfer(leader->replica, target, group_change_cb, g);
    assert_int_equal(group_change(g), ORDERSCHED_MEMBER_CHANGE);
    assert_text(g, "did not take over");
    group_cut(g, leader->id, target, false);
    group_commit(g, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_group(a_new_member_catches_up_and_votes),
        on_group(a_wiped_member_comes_back_under_a_new_id_through_a_snapshot),
        on_group(a_removed_member_is_gone_and_the_rest_go_on),
        on_group(changes_hold_across_a_restart_and_a_failover),
        on_group(impossible_additions_are_refused_with_a_reason),
        on_group(an_absent_member_is_given_up_and_can_be_taken_up_again),
        on_group(a_member_that_is_waited_for_can_be_removed_at_once),
        on_group(a_leader_that_loses_its_leadership_does_not_know_what_became_of_a_change),
        on_group(the_leader_is_not_removed),
        on_group(a_removal_that_would_stop_the_cluster_is_refused),
        on_group(the_leadership_is_transferred),
        on_group(impossible_transfers_are_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
