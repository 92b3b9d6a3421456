/* test_replica.c - the replicas of a group: commit, fail over, restart, lose nothing.
 * Runs beside others: waits 35 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../../client/ordersched.h"
#include "../support/group.h"

#define QUIET_BYTES (4u << 20) /* a sixteenth of what makes a snapshot necessary */

/* --- the log --- */

static void a_group_of_three_commits(void **state)
{
    struct group *g = *state;
    struct replica_member members[4];
    struct group_member *leader;

    group_open_three(g);
    group_commit(g, 200);
    group_converge(g);
    leader = group_leader(g);
    assert_int_equal(replica_members(leader->replica, members, 4), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(members[i].id, i + 1);
        assert_true(members[i].voter);
        assert_string_equal(members[i].address, g->members[i + 1].address);
        assert_int_equal(members[i].self, members[i].id == leader->id);
        assert_true(members[i].match > 0);
    }
    assert_int_equal(replica_commit_index(leader->replica), replica_last_index(leader->replica));
    assert_int_equal(replica_applied_index(leader->replica), leader->applied);
}

/* How long the first entry takes that is proposed so long after a time alone. */
static uint64_t first_entry_ms(struct group *g, struct group_member *leader, unsigned after_ms)
{
    group_run(g, 2 * g->heartbeat_ms); /* both confirm what was committed */
    group_isolate(g, leader->id, true);
    group_run(g, 2 * g->heartbeat_ms + 50);
    group_isolate(g, leader->id, false);
    group_run(g, 2 * g->heartbeat_ms + after_ms);
    assert_int_equal(leader->role, REPLICA_LEADER);
    uint64_t began_ms = uv_hrtime() / 1000000;
    assert_true(group_propose(leader));
    group_settle(g, 10000);
    return uv_hrtime() / 1000000 - began_ms;
}

/* Followers whose answers were late once are probed, as libraft has it, one message a heartbeat. A busy machine may be
 * slow now and then; who waits for a tick does so each time, at one of these points. */
static void the_first_entry_after_a_pause_does_not_wait_for_a_tick(void **state)
{
    struct group *g = *state;

    g->heartbeat_ms = 400;
    group_open_three(g);
    group_commit(g, 1);
    for (unsigned i = 0; i < 4; i++) { /* each at another point of a heartbeat */
        unsigned tries = 1;
        while (first_entry_ms(g, group_leader(g), 100 * i) > 250) {
            assert_in_range(++tries, 1, 10);
        }
    }
}

static void a_lone_member_leads_at_once(void **state)
{
    struct group *g = *state;

    g->members[1].propose_on_lead = true; /* from inside `changed`, which must be allowed */
    group_open(g, 1, 1);
    assert_int_equal(g->members[1].role, REPLICA_LEADER);
    assert_int_equal(g->n_pending, 1);
    group_commit(g, 10);
    group_close(g, 1);
    group_open(g, 1, 1);
    group_commit(g, 10);
    group_converge(g);
    assert_int_equal(g->members[1].n_values, 20);
}

static void a_follower_refuses_proposals(void **state)
{
    struct group *g = *state;
    struct group_member *leader;

    group_open_three(g);
    leader = group_leader(g);
    assert_false(group_propose(&g->members[group_other_than(leader->id, 0)]));
}

static void callbacks_never_run_inside_propose(void **state)
{
    struct group *g = *state;
    struct group_member *m = &g->members[1];
    unsigned values, acknowledged, changed;

    group_open(g, 1, 1); /* alone: nothing has to be waited for but the disk */
    group_commit(g, 1);
    for (int i = 0; i < 50; i++) {
        values = m->n_values;
        acknowledged = g->n_acknowledged;
        changed = m->n_changed;
        assert_true(group_propose(m));
        assert_int_equal(m->n_values, values);
        assert_int_equal(g->n_acknowledged, acknowledged);
        assert_int_equal(m->n_changed, changed);
        if (i % 10 == 0) {
            group_run(g, 5);
        }
    }
}

static void pending_proposals_end_as_lost_on_close(void **state)
{
    struct group *g = *state;
    struct group_member *leader;

    group_open_three(g);
    group_commit(g, 5);
    leader = group_leader(g);
    group_isolate(g, leader->id, true);
    for (int i = 0; i < 10; i++) {
        assert_true(group_propose(leader));
    }
    group_close(g, leader->id);
    assert_int_equal(g->n_pending, 0);
    assert_int_equal(g->n_lost, 10);
}

static void a_closed_leader_is_followed_by_another(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t old, term;

    group_open_three(g);
    group_commit(g, 20);
    leader = group_leader(g);
    old = leader->id;
    term = leader->term;
    group_close(g, old);
    leader = group_leader(g);
    assert_int_not_equal(leader->id, old);
    assert_true(leader->term > term);
    group_commit(g, 20);
    group_open(g, old, 3);
    group_converge(g);
}

/* libraft would go on in the old term, in which a non-voter may hold entries that the crash took
 * from the leader's disk. */
static void a_lone_member_leads_in_a_new_term_after_each_start(void **state)
{
    struct group *g = *state;
    uint64_t term = 0;

    for (int i = 0; i < 3; i++) {
        group_open(g, 1, 1);
        assert_int_equal(g->members[1].role, REPLICA_LEADER);
        assert_true(g->members[1].term > term);
        term = g->members[1].term;
        group_commit(g, 5);
        assert_int_equal(replica_term(g->members[1].replica), term);
        group_close(g, 1);
    }
    group_open(g, 1, 1);
    group_converge(g);
}

static void a_restart_from_disk_keeps_everything(void **state)
{
    struct group *g = *state;

    group_open_three(g);
    group_commit(g, 100);
    for (uint64_t id = 1; id <= 3; id++) {
        group_close(g, id);
    }
    group_open_three(g);
    group_converge(g);
    assert_int_equal(g->members[1].n_values, 100);
    group_commit(g, 10);
    group_converge(g);
}

static void a_restart_from_a_snapshot_keeps_everything(void **state)
{
    struct group *g = *state;

    g->threshold = 64;
    g->trailing = 16;
    group_open_three(g);
    group_commit(g, 300);
    group_converge(g);
    assert_true(g->members[1].n_snapshots > 1);
    for (uint64_t id = 1; id <= 3; id++) {
        group_close(g, id);
    }
    group_open_three(g);
    assert_int_equal(g->members[1].n_restored, 1);
    group_converge(g);
    group_commit(g, 10);
    group_converge(g);
    assert_int_equal(g->members[1].n_values, 310);
}

static void a_snapshot_is_taken_when_the_log_has_outgrown_the_state_by_bytes(void **state)
{
    struct group *g = *state;

    g->padding = 256 * 1024;
    group_open(g, 1, 1);
    group_commit(g, 240);
    assert_int_equal(g->members[1].n_snapshots, 0);
    group_commit(g, 20); /* past 64 MiB */
    group_run(g, 200);
    assert_int_equal(g->members[1].n_snapshots, 1);
}

static void all_are_quiet(struct group *g)
{
    for (uint64_t id = 1; id <= 3; id++) {
        if (g->members[id].replica != NULL) {
            replica_log_is_quiet(g->members[id].replica);
        }
    }
    group_run(g, 300); /* without another entry */
}

/* A log is longer than what is committed to it where a leader was replaced on a busy machine: what was
 * proposed is proposed again. */
static void quiet_is_used_if_worth_it(struct group *g)
{
    unsigned want[4];

    for (uint64_t id = 1; id <= 3; id++) {
        want[id] = g->members[id].n_snapshots +
                   (replica_log_bytes(g->members[id].replica) >= QUIET_BYTES);
    }
    all_are_quiet(g);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(g->members[id].n_snapshots, want[id]);
    }
}

static void a_quiet_moment_is_used_for_a_snapshot_when_it_is_worth_one(void **state)
{
    struct group *g = *state;

    g->padding = 64 * 1024;
    group_open_three(g);
    group_commit(g, 32); /* 2 MiB */
    group_converge(g);
    quiet_is_used_if_worth_it(g);
    group_commit(g, 48); /* 5 MiB */
    group_converge(g);
    quiet_is_used_if_worth_it(g);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(g->members[id].n_snapshots > 0);
    }
    quiet_is_used_if_worth_it(g);
}

/* Little of the log is kept then, but all that a member needs that is away. */
static void a_member_away_in_a_quiet_moment_needs_no_snapshot(void **state)
{
    struct group *g = *state;
    uint64_t away;

    g->padding = 64 * 1024;
    group_open_three(g);
    group_commit(g, 2);
    away = group_other_than(group_leader(g)->id, 0);
    group_converge(g);
    group_close(g, away);
    group_commit(g, 100);
    all_are_quiet(g);
    assert_int_equal(group_leader(g)->n_snapshots, 1);
    group_open(g, away, 3);
    group_converge(g);
    assert_int_equal(g->members[away].n_restored, 0);
}

static void a_follower_far_behind_gets_one_snapshot(void **state)
{
    struct group *g = *state;
    struct group_member *leader;
    uint64_t behind;

    g->threshold = 64;
    g->trailing = 16;
    group_open_three(g);
    group_commit(g, 10);
    behind = group_other_than(group_leader(g)->id, 0);
    group_close(g, behind);
    group_run(g, 300); /* the leader notices, and sends nothing to it */
    group_commit(g, 300);
    group_run(g, 1000); /* until its snapshots are on the disk */
    group_open(g, behind, 3);
    group_converge(g);
    assert_int_equal(g->members[behind].n_restored, 1);
    leader = group_leader(g);
    assert_int_equal(leader->lossy.n_installs, 1);
    group_commit(g, 10);
    group_converge(g);
}

/* --- nothing acknowledged is lost --- */

/* The scenario with which libraft 0.15.0 loses acknowledged entries: a leader is cut off with
 * entries that nobody else has; the others go on; half of the net heals; the new leader dies. */
static void nothing_acknowledged_is_lost_when_half_heals_and_the_leader_dies(void **state)
{
    struct group *g = *state;
    struct group_member *old, *leader;
    uint64_t third;

    group_open_three(g);
    group_commit(g, 10);
    old = group_leader(g);
    group_isolate(g, old->id, true);
    for (int i = 0; i < 20; i++) {
        assert_true(group_propose(old)); /* stored here, and nowhere else */
    }
    leader = group_other_leader(g, old->id);
    third = group_other_than(old->id, leader->id);
    assert_int_equal(g->n_lost, 20);
    group_commit(g, 10);
    /* Half of it heals: the old leader hears the new one, which loses the third member. */
    group_cut(g, old->id, leader->id, false);
    group_cut(g, leader->id, third, true);
    for (int i = 0; i < 10; i++) {
        group_propose(leader);
        group_run(g, 20);
    }
    group_run(g, 300);
    group_close(g, leader->id);
    group_cut(g, old->id, third, false);
    group_commit(g, 10);
    group_converge(g); /* every acknowledged value is there */
    group_cut(g, leader->id, third, false);
    group_open(g, leader->id, 3);
    group_converge(g);
}

static void entries_of_a_leader_cut_off_are_lost_and_said_to_be(void **state)
{
    struct group *g = *state;
    struct group_member *old;
    uint64_t value;

    group_open_three(g);
    group_commit(g, 10);
    old = group_leader(g);
    group_isolate(g, old->id, true);
    assert_true(group_propose(old));
    value = g->next_value;
    group_other_leader(g, old->id);
    assert_int_equal(g->n_lost, 1);
    assert_int_not_equal(old->role, REPLICA_LEADER);
    group_commit(g, 10);
    group_isolate(g, old->id, false);
    group_commit(g, 10);
    group_converge(g);
    assert_false(group_has(old, value));
}

/* --- configuration --- */

static void a_configuration_that_cannot_work_is_refused(void **state)
{
    struct group *g = *state;
    struct raft_io io = {0};
    struct replica_callbacks callbacks = {0};
    struct replica_config c = {.id = 1,
                               .address = "a:1",
                               .election_timeout_ms = 500,
                               .heartbeat_timeout_ms = 60};

    assert_null(replica_new(&c, &io, &callbacks, g->err, sizeof g->err));
    assert_non_null(strstr(g->err, "multiple"));
    c.heartbeat_timeout_ms = 500;
    assert_null(replica_new(&c, &io, &callbacks, g->err, sizeof g->err));
    c.heartbeat_timeout_ms = 50;
    c.id = 0;
    assert_null(replica_new(&c, &io, &callbacks, g->err, sizeof g->err));
    c.id = 1;
    c.address = "";
    assert_null(replica_new(&c, &io, &callbacks, g->err, sizeof g->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_group(a_group_of_three_commits),
        on_group(the_first_entry_after_a_pause_does_not_wait_for_a_tick),
        on_group(a_lone_member_leads_at_once),
        on_group(a_lone_member_leads_in_a_new_term_after_each_start),
        on_group(a_follower_refuses_proposals),
        on_group(callbacks_never_run_inside_propose),
        on_group(pending_proposals_end_as_lost_on_close),
        on_group(a_closed_leader_is_followed_by_another),
        on_group(a_restart_from_disk_keeps_everything),
        on_group(a_restart_from_a_snapshot_keeps_everything),
        on_group(a_snapshot_is_taken_when_the_log_has_outgrown_the_state_by_bytes),
        on_group(a_quiet_moment_is_used_for_a_snapshot_when_it_is_worth_one),
        on_group(a_member_away_in_a_quiet_moment_needs_no_snapshot),
        on_group(a_follower_far_behind_gets_one_snapshot),
        on_group(nothing_acknowledged_is_lost_when_half_heals_and_the_leader_dies),
        on_group(entries_of_a_leader_cut_off_are_lost_and_said_to_be),
        on_group(a_configuration_that_cannot_work_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
