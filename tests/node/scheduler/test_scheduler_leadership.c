/* test_scheduler_leadership.c - one node that comes to lead, is interrupted, loses the leadership and
 * gets it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../../raft/core/snapshot.h"
#include "../../support/scheduler/scheduler_stage.h"

static void nothing_is_fired_before_the_own_epoch_entry_is_applied(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_pass(&t, 5000);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1);
    assert_false(scheduler_leads(t.s));
    assert_int_equal(t.receiver.n_started, 0);
    fake_replica_commit(t.r);
    (void)stage_run(&t);
    assert_true(scheduler_leads(t.s));
    assert_int_equal(t.s->machine.epoch, 5);
    assert_int_equal(t.receiver.n_started, 1);
    stage_close(&t);
}

static void it_sleeps_until_the_deadline_and_not_past_it(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    stage_pass(&t, 400);
    assert_int_equal(stage_run(&t), 600000);
    assert_int_equal(t.r->n_proposed, 0);
    t.us += 599000;
    assert_int_equal(stage_run(&t), 1000);
    assert_int_equal(t.r->n_proposed, 0);
    t.us += 1000;
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1); /* an entry for its time */
    assert_int_equal(t.receiver.n_started, 0);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1); /* and one is enough */
    fake_replica_commit(t.r);
    (void)stage_run(&t);
    assert_int_equal(t.receiver.n_started, 1);
    stage_close(&t);
}

static void a_hello_that_asks_for_it_is_told_the_clusters_identity(void **state)
{
    struct stage t;
    struct stage_message *early = stage_message_new(NULL, 0, PROTOCOL_IDENTIFY);

    (void)state;
    stage_open(&t);
    scheduler_submit(t.s, &early->in);
    (void)stage_run(&t);
    assert_true(early->answer.identified);
    assert_int_equal(early->answer.identity.len, 0); /* nobody ever led */
    stage_lead(&t, 1);
    struct stage_message *m = stage_message_new(NULL, 0, PROTOCOL_IDENTIFY);
    struct stage_message *plain = stage_message_new(NULL, 0, 0);
    scheduler_submit(t.s, &m->in);
    scheduler_submit(t.s, &plain->in);
    (void)stage_run(&t);
    assert_int_equal(m->answer.identity.len, PROTOCOL_IDENTITY_SIZE);
    assert_memory_equal(m->answer.identity.data, scheduler_machine(t.s)->identity,
                        PROTOCOL_IDENTITY_SIZE);
    assert_false(plain->answer.identified);
    stage_message_free(early);
    stage_message_free(m);
    stage_message_free(plain);
    stage_close(&t);
}

/* What the scheduler says of a snapshot of a cluster of this identity, before it is stored. */
static const char *judge_snapshot(struct scheduler *s,
                                  const uint8_t identity[PROTOCOL_IDENTITY_SIZE])
{
    struct machine m;
    uint8_t *data;
    size_t len, done = 0;
    const char *reason = NULL;

    machine_init(&m);
    memcpy(m.identity, identity, sizeof m.identity);
    assert_int_equal(snapshot_encode(&m, malloc, &data, &len), 0);
    machine_close(&m);
    while (done < len) {
        assert_null(reason);
        reason = scheduler_told_check_snapshot(s, data, len, 7, &done);
    }
    free(data);
    return reason;
}

static void a_snapshot_of_another_cluster_is_not_to_be_stored(void **state)
{
    static const uint8_t none[PROTOCOL_IDENTITY_SIZE];
    uint8_t another[PROTOCOL_IDENTITY_SIZE];
    struct stage t;

    (void)state;
    memset(another, 0xc7, sizeof another);
    stage_open(&t);
    assert_null(judge_snapshot(t.s, another)); /* it knows of none yet */
    stage_lead(&t, 1);
    assert_null(judge_snapshot(t.s, scheduler_machine(t.s)->identity));
    assert_null(judge_snapshot(t.s, none)); /* of before there were identities */
    const char *reason = judge_snapshot(t.s, another);
    assert_non_null(reason);
    assert_non_null(strstr(reason, "another cluster"));
    stage_close(&t);
}

static void an_idle_leader_writes_nothing(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_PAY,
                                                      .request_id = stage_request_id(&t),
                                                      .id = stage_text("a")}),
                     ORDERSCHED_OK);
    unsigned before = t.r->n_ever;
    for (unsigned i = 0; i < 100; i++) {
        stage_pass(&t, 1000);
        assert_int_equal(stage_run(&t), 1000000);
    }
    assert_int_equal(t.r->n_ever, before);
    stage_close(&t);
}

static void an_orphans_outcome_is_dropped_and_the_order_delivered_again(void **state)
{
    struct stage t;
    char key[37];

    (void)state;
    stage_with_delivery(&t);
    struct delivery *first = t.receiver.held[0];
    memcpy(key, first->key, sizeof key);
    uint64_t epoch = first->fence_epoch;
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    assert_true(first->orphan);
    machine_check(&t.s->machine);
    stage_lead(&t, 5);
    assert_int_equal(t.receiver.n_held, 2);
    struct delivery *second = t.receiver.held[1];
    assert_string_equal(second->key, key);
    assert_int_equal(second->attempt, 1);
    assert_true(second->fence_epoch > epoch);
    unsigned before = t.r->n_ever;
    idle_receiver_end(&t.receiver, 0, OUTCOME_PAID, 0); /* the orphan */
    stage_settle(&t);
    assert_int_equal(t.r->n_ever, before);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_close(&t);
}

static void an_orphan_may_outlive_its_order(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_lead(&t, 5);
    idle_receiver_end(&t.receiver, 1, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    stage_pass(&t, 2 * 3600000);
    assert_int_equal(stage_ask(&t, op_route(&t, "s")), ORDERSCHED_OK); /* purges */
    assert_int_equal(t.s->machine.store.n, 0);
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_ROUTE_DELETE,
                                                      .request_id = stage_request_id(&t),
                                                      .id = stage_text("r")}),
                     ORDERSCHED_OK);
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    stage_settle(&t);
    stage_close(&t);
}

/* A transfer makes proposals be refused; when it fails, the same node leads on in the same term,
 * and what it proposed before is still to be applied. */
static void a_leadership_is_resumed_behind_what_it_proposed_before(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    uint64_t fence = t.receiver.held[0]->fence_index;
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1); /* the outcome is in the log, not committed */
    t.r->transferring = true;
    struct stage_message *refused = stage_send(&t, op_get("a"));
    (void)stage_run(&t);
    assert_int_equal(refused->answer.error, ORDERSCHED_NOT_LEADER);
    stage_message_free(refused);
    t.r->transferring = false;
    stage_pass(&t, 60);
    (void)stage_run(&t);
    assert_false(scheduler_leads(t.s));
    assert_int_equal(t.receiver.n_started, 1);
    fake_replica_commit(t.r);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_settle(&t);
    assert_true(scheduler_leads(t.s));
    assert_int_equal(t.receiver.n_started, 1); /* not once more */
    assert_true(t.s->machine.applied > fence);
    stage_close(&t);
}

static void deliveries_under_way_at_a_failed_transfer_repeat_with_a_higher_fence(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    t.r->transferring = true;
    struct stage_message *refused = stage_send(&t, op_get("a"));
    for (unsigned i = 0; i < 20; i++) { /* it tries, and is refused, every 50 ms */
        assert_in_range(stage_run(&t), 1, 50000);
        stage_pass(&t, 25);
    }
    stage_message_free(refused);
    assert_int_equal(t.receiver.n_started, 1);
    t.r->transferring = false;
    stage_pass(&t, 60);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 2);
    assert_string_equal(t.receiver.held[0]->key, t.receiver.held[1]->key);
    assert_int_equal(t.receiver.held[0]->fence_epoch, t.receiver.held[1]->fence_epoch);
    assert_true(t.receiver.held[0]->fence_index < t.receiver.held[1]->fence_index);
    idle_receiver_end(&t.receiver, 0, OUTCOME_PAID, 0);
    stage_settle(&t);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_LATER, 5000);
    stage_settle(&t);
    stage_pass(&t, 5000);
    stage_settle(&t);
    assert_int_equal(t.receiver.n_started, 3);
    assert_int_equal(t.receiver.held[0]->attempt, 2);
    stage_close(&t);
}

static void an_outcome_whose_entry_is_lost_is_asked_for_again(void **state)
{
    struct stage t;

    (void)state;
    stage_with_delivery(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    (void)stage_run(&t);
    assert_int_equal(t.r->n_proposed, 1);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_replica_lose_all(t.r);
    stage_lead(&t, 6);
    assert_int_equal(t.receiver.n_started, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_close(&t);
}

/* The next leader commits what the last one proposed: here the entry is applied although its
 * proposer was told that it is lost. */
static void an_entry_that_survives_its_leader_is_applied_once(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    struct stage_message *m = stage_send(&t, (struct operation){.code = OPERATION_PAY,
                                                                .request_id = stage_request_id(&t),
                                                                .id = stage_text("a")});
    (void)stage_run(&t);
    uint8_t *copy = malloc(t.r->proposed[0].len);
    size_t len = t.r->proposed[0].len;
    memcpy(copy, t.r->proposed[0].data, len);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_replica_lose_all(t.r);
    assert_int_equal(m->answer.error, ORDERSCHED_UNKNOWN_OUTCOME);
    stage_message_free(m);
    t.r->callbacks.apply(t.s, ++t.r->applied, copy, len);
    free(copy);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_PAID);
    stage_lead(&t, 5);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_PAID);
    stage_close(&t);
}

static void time_goes_on_though_the_last_leaders_clock_was_ahead(void **state)
{
    struct stage t;
    uint8_t bytes[ENTRY_HEADER_SIZE];
    struct entry ahead = {.now_ms = STAGE_START_MS + 3600000, .epoch = 3, .sequence = 1};

    (void)state;
    stage_with_order(&t);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    stage_changed(&t, REPLICA_LEADER, 5);
    (void)stage_run(&t);
    /* In the log before our epoch entry, applied after the takeover began. */
    entry_encode(&ahead, bytes);
    t.r->callbacks.apply(t.s, ++t.r->applied, bytes, sizeof bytes);
    stage_settle(&t);
    assert_int_equal(t.s->machine.now_ms, STAGE_START_MS + 3600000);
    uint64_t now_ms = t.s->machine.now_ms;
    stage_pass(&t, 2000);
    assert_int_equal(stage_ask(&t, op_get("a")), ORDERSCHED_OK);
    assert_in_range(t.s->machine.now_ms - now_ms, 1700, 2000);
    stage_close(&t);
}

static void a_snapshot_may_replace_the_state_while_orphans_run(void **state)
{
    struct stage t, other;
    uint8_t *snapshot;
    size_t len;

    (void)state;
    stage_with_delivery(&t);
    stage_with_order(&other);
    other.s->machine.applied = 1000; /* it is far ahead */
    assert_int_equal(snapshot_encode(&other.s->machine, malloc, &snapshot, &len), 0);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    assert_int_equal(t.r->callbacks.restore(t.s, snapshot, len), 0);
    t.r->applied = 1000;
    free(snapshot);
    (void)stage_run(&t);
    stage_lead(&t, 7);
    assert_int_equal(t.receiver.n_held, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    stage_settle(&t);
    assert_int_equal(stage_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    stage_close(&other);
    stage_close(&t);
}

static enum scheduler_disk disks[4]; /* of the other members */

static enum scheduler_disk told_disk(void *arg, uint64_t id)
{
    (void)arg;
    return disks[id];
}

static void a_leader_short_of_room_transfers_to_one_with_more_and_not_again_at_once(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.disk_of = told_disk;
    disks[2] = disks[3] = SCHEDULER_DISK_LOW;
    scheduler_set_disk(t.s, SCHEDULER_DISK_LOW);
    (void)stage_run(&t);
    assert_null(t.r->change_cb); /* all have as little */
    scheduler_set_disk(t.s, SCHEDULER_DISK_FULL);
    (void)stage_run(&t);
    assert_non_null(t.r->change_cb); /* there a payment is taken */
    assert_int_equal(t.r->transferred, 2);
    fake_replica_change_ends(t.r, ORDERSCHED_MEMBER_CHANGE);
    disks[3] = SCHEDULER_DISK_OK;
    stage_settle(&t);
    assert_null(t.r->change_cb);
    stage_pass(&t, 6000);
    stage_settle(&t);
    assert_non_null(t.r->change_cb);
    assert_int_equal(t.r->transferred, 3); /* who has room goes before who has more */
    fake_replica_change_ends(t.r, ORDERSCHED_OK);
    stage_changed(&t, REPLICA_FOLLOWER, 2);
    stage_pass(&t, 6000);
    (void)stage_run(&t);
    assert_null(t.r->change_cb);
    stage_lead(&t, 3); /* nobody else could */
    assert_non_null(t.r->change_cb);
    fake_replica_change_ends(t.r, ORDERSCHED_OK);
    scheduler_set_disk(t.s, SCHEDULER_DISK_OK);
    disks[2] = disks[3] = SCHEDULER_DISK_OK;
    stage_pass(&t, 6000);
    stage_settle(&t);
    assert_null(t.r->change_cb);
    stage_close(&t);
}

static void the_leadership_goes_to_nobody_who_would_hand_it_back(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    t.s->config.disk_of = told_disk;
    disks[2] = SCHEDULER_DISK_LOW;
    assert_int_equal(stage_ask(&t, (struct operation){.code = OPERATION_TRANSFER, .node_id = 2}),
                     ORDERSCHED_MEMBER_CHANGE);
    assert_null(t.r->change_cb);
    struct operation any = {.code = OPERATION_TRANSFER};
    struct stage_message *m = stage_send(&t, any);
    stage_settle(&t);
    assert_non_null(t.r->change_cb);
    assert_int_equal(t.r->transferred, 3);
    fake_replica_change_ends(t.r, ORDERSCHED_OK);
    stage_message_free(m);
    disks[2] = SCHEDULER_DISK_OK;
    stage_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_fired_before_the_own_epoch_entry_is_applied),
        cmocka_unit_test(it_sleeps_until_the_deadline_and_not_past_it),
        cmocka_unit_test(a_hello_that_asks_for_it_is_told_the_clusters_identity),
        cmocka_unit_test(a_snapshot_of_another_cluster_is_not_to_be_stored),
        cmocka_unit_test(an_idle_leader_writes_nothing),
        cmocka_unit_test(an_orphans_outcome_is_dropped_and_the_order_delivered_again),
        cmocka_unit_test(an_orphan_may_outlive_its_order),
        cmocka_unit_test(a_leadership_is_resumed_behind_what_it_proposed_before),
        cmocka_unit_test(deliveries_under_way_at_a_failed_transfer_repeat_with_a_higher_fence),
        cmocka_unit_test(an_outcome_whose_entry_is_lost_is_asked_for_again),
        cmocka_unit_test(an_entry_that_survives_its_leader_is_applied_once),
        cmocka_unit_test(time_goes_on_though_the_last_leaders_clock_was_ahead),
        cmocka_unit_test(a_snapshot_may_replace_the_state_while_orphans_run),
        cmocka_unit_test(a_leader_short_of_room_transfers_to_one_with_more_and_not_again_at_once),
        cmocka_unit_test(the_leadership_goes_to_nobody_who_would_hand_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
