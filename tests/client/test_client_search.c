/* test_client_search.c - how the client finds the leader, and is not led astray. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/client_world.h"

static void a_call_waits_until_the_leader_is_found_and_is_sent_to_it(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct ending o = {0};

    world_tick(w);
    assert_int_equal(w->n_sent, 0);
    world_pay(w, &o);
    world_tick(w);
    assert_int_equal(w->n_sent, 1);
    assert_int_equal(world_last(w)->n, 0);
    assert_string_equal(world_last(w)->address, A);
    struct said follower = {.node = 1, .leader = 3, .address = C, .term = 5};
    world_answer(w, world_last(w), &follower, NULL);
    assert_int_equal(w->n_sent, 2);
    assert_string_equal(world_last(w)->address, C);
    assert_int_equal(world_last(w)->n, 1);
    assert_int_equal(world_last(w)->op.code, OPERATION_PAY);
    assert_int_equal(world_last(w)->flags, 0);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_OK);
    assert_int_equal(o.state, ORDERSCHED_PAID);
    assert_int_equal(o.index, 77);
    assert_int_equal(client_logic_next_wake_ms(&w->logic, w->now_ms), UINT64_MAX);
    world_free(w);
}

static void the_request_id_carries_the_clusters_time_and_ten_random_bytes(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[2] = {0};

    w->now_ms += 12345;
    world_pay(w, &o[0]);
    world_tick(w);
    assert_int_equal(request_id_time_ms(world_last(w)->op.request_id), NOW + w->now_ms);
    uint8_t first[16];
    memcpy(first, world_last(w)->op.request_id, 16);
    world_pay(w, &o[1]);
    world_tick(w);
    assert_memory_not_equal(first + 6, world_last(w)->op.request_id + 6, 10);
    world_free(w);
}

static void a_given_request_id_is_kept(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint8_t id[16] = "0123456789abcde";

    assert_int_equal(world_submit(w, &o, OPERATION_PAY, id, NULL, 1000), ORDERSCHED_OK);
    world_tick(w);
    assert_memory_equal(world_last(w)->op.request_id, id, 16);
    world_free(w);
}

static void a_node_that_cannot_be_reached_is_passed_over_at_once(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    world_drop(w, world_last(w), false);
    assert_int_equal(w->n_sent, 2);
    assert_string_equal(world_last(w)->address, B);
    assert_int_equal(world_last(w)->at_ms, w->sent[0].at_ms);
    world_free(w);
}

static void a_silent_node_is_overtaken_by_the_next(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    world_pass(w, 99);
    assert_int_equal(w->n_sent, 1);
    world_pass(w, 1);
    assert_int_equal(w->n_sent, 2);
    assert_string_equal(world_last(w)->address, B);
    struct said leader = {.node = 2, .leader = 2, .address = B, .term = 5};
    world_answer(w, world_last(w), &leader, NULL);
    assert_int_equal(world_last(w)->n, 1);
    assert_string_equal(world_last(w)->address, B);
    /* The late answer of A changes nothing. */
    struct said late = {.node = 1, .leader = 3, .address = C, .term = 4};
    world_answer(w, &w->sent[0], &late, NULL);
    struct ending next = {0};
    world_pay(w, &next);
    world_tick(w);
    assert_string_equal(world_last(w)->address, B);
    world_free(w);
}

static void an_answer_of_an_older_term_is_not_believed(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    struct said deposed = {
        .error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 3, .address = C, .term = 4};
    world_answer(w, world_last(w), &deposed, NULL);
    assert_int_equal(world_last(w)->n, 0); /* a search, not the call to C */
    world_free(w);
}

static void a_redirect_is_followed_at_once_with_the_same_request_id(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint8_t id[16];

    world_pay(w, &o);
    world_tick(w);
    memcpy(id, world_last(w)->op.request_id, 16);
    struct said moved = {.error = ORDERSCHED_NOT_LEADER,
                         .node = 1,
                         .leader = 9,
                         .address = "10.0.0.9:7401",
                         .term = 6};
    world_answer(w, world_last(w), &moved, NULL);
    assert_string_equal(world_last(w)->address, "10.0.0.9:7401");
    assert_memory_equal(world_last(w)->op.request_id, id, 16);
    assert_int_equal(o.calls, 0);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void nodes_that_point_at_each_other_are_not_hammered(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    unsigned before = w->n_sent;
    struct said at_a = {
        .error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 2, .address = B, .term = 6};
    struct said at_b = {
        .error = ORDERSCHED_NOT_LEADER, .node = 2, .leader = 1, .address = A, .term = 6};
    struct said at_c = {
        .error = ORDERSCHED_NOT_LEADER, .node = 3, .leader = 1, .address = A, .term = 6};

    world_pay(w, &o);
    world_tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent; i++) {
            if (!w->sent[i].ended) {
                char which = w->sent[i].address[7];
                world_answer(w, &w->sent[i],
                             which == '1'   ? &at_a
                             : which == '2' ? &at_b
                                            : &at_c,
                             NULL);
            }
        }
        world_pass(w, 10);
    }
    assert_int_equal(o.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(ordersched_error_class(o.error), ORDERSCHED_DEFINITE);
    assert_true(w->n_sent - before < 100);
    world_free(w);
}

/* 2 no longer leads, and knows of nobody; 1 is behind and names it still; 3 leads. */
static void a_node_that_is_behind_does_not_keep_the_client_from_the_others(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, B, A, C, NULL);
    struct ending o = {0};
    struct said behind = {.node = 1, .leader = 2, .address = B, .term = 5};
    struct said past = {.error = ORDERSCHED_NOT_LEADER, .node = 2, .term = 5};
    struct said leads = {.node = 3, .leader = 3, .term = 6};

    world_pay(w, &o);
    world_tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent && o.calls == 0; i++) {
            struct sent *sent = &w->sent[i];
            char which = sent->address[7];
            if (!sent->ended && which == '3' && sent->n > 0) {
                world_answer_ok(w, sent);
            } else if (!sent->ended) {
                world_answer(w, sent, which == '1' ? &behind : which == '2' ? &past : &leads, NULL);
            }
        }
        world_pass(w, 10);
    }
    assert_int_equal(o.error, ORDERSCHED_OK);
    assert_true(w->n_sent < 10);
    world_free(w);
}

/* 1 led, was shut out, and stands in a later term than the one in which 3 leads. It is the last to
 * be asked in each round, and the round ends nevertheless: its term is forgotten. */
static void the_term_of_a_node_that_is_shut_out_is_forgotten(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct ending o = {0};
    struct said led = {.node = 1, .leader = 1, .term = 5};
    struct said out = {.error = ORDERSCHED_NOT_LEADER, .node = 1, .term = 11};
    struct said follows = {.node = 2, .leader = 3, .address = C, .term = 10};
    struct said leads = {.node = 3, .leader = 3, .term = 10};

    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &led, NULL);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent && o.calls == 0; i++) {
            struct sent *sent = &w->sent[i];
            char which = sent->address[7];
            if (!sent->ended && which == '3' && sent->n > 0) {
                world_answer_ok(w, sent);
            } else if (!sent->ended) {
                world_answer(w, sent, which == '1' ? &out : which == '2' ? &follows : &leads, NULL);
            }
        }
        world_pass(w, 10);
    }
    assert_int_equal(o.error, ORDERSCHED_OK);
    assert_true(w->n_sent < 12);
    world_free(w);
}

static void a_cluster_without_a_leader_is_asked_again_with_growing_pauses(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct ending o = {0};
    struct said nobody = {.node = 1, .term = 5};

    world_pay(w, &o);
    world_tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent; i++) {
            if (!w->sent[i].ended) {
                world_answer(w, &w->sent[i], &nobody, NULL);
            }
        }
        world_pass(w, 5);
    }
    assert_int_equal(o.error, ORDERSCHED_NOT_LEADER);
    assert_int_equal(o.at_ms, 11000);
    assert_true(w->n_sent >= 30 && w->n_sent < 120);
    world_free(w);
}

static void nodes_that_cannot_be_reached_end_the_call_as_unreachable(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, C, NULL);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    while (o.calls == 0) {
        for (unsigned i = 0; i < w->n_sent; i++) {
            if (!w->sent[i].ended) {
                world_drop(w, &w->sent[i], false);
            }
        }
        world_pass(w, 5);
    }
    assert_int_equal(o.error, ORDERSCHED_UNREACHABLE);
    assert_int_equal(o.at_ms, 11000);
    assert_true(w->n_sent >= 30 && w->n_sent < 120);
    world_free(w);
}

static void a_node_of_another_cluster_is_passed_over(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct ending o = {0};
    struct said stranger = {
        .error = ORDERSCHED_WRONG_CLUSTER, .node = 1, .leader = 1, .address = A, .term = 99};
    struct said leader = {.node = 1, .leader = 1, .address = B, .term = 2};

    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &stranger, NULL);
    assert_string_equal(world_last(w)->address, B);
    world_answer(w, world_last(w), &leader, NULL);
    assert_string_equal(world_last(w)->address, B);
    assert_int_equal(world_last(w)->n, 1);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_client_stays_with_the_cluster_that_it_found_first(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct ending o = {0}, later = {0};
    struct said ours = {.node = 1, .leader = 1, .address = A, .term = 5, .identity = 0xaa};
    struct said theirs = {.node = 2, .leader = 2, .address = B, .term = 99, .identity = 0xbb};

    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &ours, NULL);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_pay(w, &later); /* A falls silent; B is of another cluster, and leads there */
    world_drop(w, world_last(w), true);
    for (int i = 0; i < 6 && later.calls == 0; i++) {
        struct sent *s = world_last(w);
        if (strcmp(s->address, B) == 0) {
            assert_int_equal(s->n, 0); /* asked who it is, and nothing else */
            world_answer(w, s, &theirs, NULL);
        } else {
            world_drop(w, s, true);
        }
        world_pass(w, 500);
    }
    assert_int_equal(later.calls, 0);
    world_free(w);
}

static void calls_end_at_once_when_every_node_is_of_another_cluster(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct ending o = {.resubmit = true};
    struct said stranger = {.error = ORDERSCHED_WRONG_CLUSTER, .node = 1};

    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &stranger, NULL);
    assert_int_equal(o.calls, 0);
    world_answer(w, world_last(w), &stranger, NULL);
    assert_int_equal(o.calls, 1); /* and the next call waits for the next round */
    assert_int_equal(o.error, ORDERSCHED_WRONG_CLUSTER);
    assert_int_equal(o.at_ms, 1000);
    world_free(w);
}

static void a_leader_that_went_silent_is_left_with_all_its_messages(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[3] = {0};
    uint8_t id[16];

    for (int i = 0; i < 3; i++) {
        world_pay(w, &o[i]);
        world_tick(w);
        w->now_ms += 100;
    }
    struct sent *first = &w->sent[w->n_sent - 3];
    memcpy(id, w->sent[w->n_sent - 1].op.request_id, 16);
    assert_int_equal(first->timeout_ms, 2000);
    w->now_ms = first->at_ms + 2000;
    world_drop(w, first, true);
    assert_int_equal(world_last(w)->n, 0);
    assert_string_equal(world_last(w)->address, B); /* not A again, first */
    struct said follower = {.node = 2, .leader = 3, .address = C, .term = 6};
    world_answer(w, world_last(w), &follower, NULL);
    /* The two other messages' time is not up, but their calls are on their way already. */
    assert_string_equal(world_last(w)->address, C);
    assert_int_equal(world_last(w)->n, 3);
    world_answer_ok(w, world_last(w));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].error, ORDERSCHED_OK);
    }
    /* What the old leader says now comes too late for anything. */
    world_answer_ok(w, first + 1);
    world_drop(w, first + 2, true);
    assert_int_equal(o[1].calls, 1);
    assert_int_equal(o[2].calls, 1);
    world_free(w);
}

static void a_silent_leader_is_left_as_soon_as_there_is_another(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint8_t id[16];

    world_pay(w, &o);
    world_tick(w);
    unsigned sent = w->n_sent;
    memcpy(id, world_last(w)->op.request_id, 16);
    world_pass(w, 299);
    assert_int_equal(w->n_sent, sent);
    world_pass(w, 1);
    assert_int_equal(w->n_sent, sent + 1);
    assert_string_equal(world_last(w)->address, B);
    /* It has voted already, and names the old leader until it hears of the new one. */
    struct said behind = {.node = 2, .leader = 1, .address = A, .term = 6};
    world_answer(w, world_last(w), &behind, NULL);
    assert_int_equal(w->n_sent, sent + 2);
    assert_string_equal(world_last(w)->address, C);
    struct said leader = {.node = 3, .leader = 3, .address = C, .term = 6};
    world_answer(w, world_last(w), &leader, NULL);
    assert_int_equal(w->n_sent, sent + 3);
    assert_string_equal(world_last(w)->address, C);
    assert_int_equal(world_last(w)->n, 1);
    assert_memory_equal(id, world_last(w)->op.request_id, 16);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_slow_leader_keeps_its_calls_though_others_are_asked(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    unsigned owed = w->n_sent - 1;
    world_pass(w, 300);
    struct said b = {.node = 2, .leader = 1, .address = A, .term = 5};
    world_answer(w, world_last(w), &b, NULL);
    struct said c = {.node = 3, .leader = 1, .address = A, .term = 5};
    world_answer(w, world_last(w), &c, NULL);
    assert_int_equal(w->n_sent, owed + 3); /* a pause, and all is asked again */
    world_pass(w, 100);
    assert_int_equal(w->n_sent, owed + 4);
    assert_int_equal(world_last(w)->n, 0);
    world_answer_ok(w, &w->sent[owed]);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_OK);
    assert_int_equal(client_logic_next_wake_ms(&w->logic, w->now_ms), UINT64_MAX);
    world_free(w);
}

static void a_slow_leader_that_still_leads_is_used_again(void **state)
{
    (void)state;
    struct client_logic_config config = {.doubt_ms = 5000};
    struct world *w = world_with_leader(&config);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    world_pass(w, 2000);
    world_silence(w, world_last(w));
    struct said follower = {.node = 2, .leader = 1, .address = A, .term = 5};
    world_answer(w, world_last(w), &follower, NULL);
    assert_string_equal(world_last(w)->address, A);
    assert_int_equal(world_last(w)->n, 1);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

/* Until there is another leader its followers name the dead one, which would cost a wait for a
 * connection that does not come. It is asked once a round, as all are, and believed when it answers. */
static void a_leader_whose_connection_is_lost_is_not_believed_in_for_being_named(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    struct said behind = {.node = 2, .leader = 1, .address = A, .term = 5};
    struct said leads = {.node = 1, .leader = 1, .address = A, .term = 5};

    world_pay(w, &o);
    world_tick(w);
    world_drop(w, world_last(w), true);
    assert_string_equal(world_last(w)->address, B);
    world_answer(w, world_last(w), &behind, NULL);
    assert_string_equal(world_last(w)->address, C);
    assert_int_equal(world_last(w)->n, 0);
    world_answer(w, world_last(w), &behind, NULL);
    assert_string_equal(world_last(w)->address, A); /* its own turn */
    assert_int_equal(world_last(w)->n, 0);
    struct sent *asked = world_last(w);
    world_pass(w, 60); /* it is not waited for: the next round has begun */
    assert_ptr_not_equal(world_last(w), asked);
    world_answer(w, asked, &leads, NULL); /* it was only the connection */
    assert_string_equal(world_last(w)->address, A);
    assert_int_equal(world_last(w)->n, 1);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_leader_that_was_away_long_ago_is_followed_when_it_is_named(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[2] = {0};
    struct said b_leads = {.node = 2, .leader = 2, .address = B, .term = 6};
    struct said moved = {
        .error = ORDERSCHED_NOT_LEADER, .node = 2, .leader = 1, .address = A, .term = 7};

    world_pay(w, &o[0]);
    world_tick(w);
    world_drop(w, world_last(w), true);
    world_answer(w, world_last(w), &b_leads, NULL);
    assert_string_equal(world_last(w)->address, B);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o[0].error, ORDERSCHED_OK);
    w->now_ms += 1000;
    world_pay(w, &o[1]);
    world_tick(w);
    assert_string_equal(world_last(w)->address, B);
    world_answer(w, world_last(w), &moved, NULL);
    assert_string_equal(world_last(w)->address, A);
    assert_int_equal(world_last(w)->n, 1);
    world_free(w);
}

static void a_leader_is_reached_under_the_address_it_answered_from(void **state)
{
    (void)state;
    /* Behind a translated network the advertised address may not be ours to reach. */
    struct world *w = world_new(NULL, "public:1", "public:2", NULL);
    struct ending o = {0};
    struct said one = {.node = 1, .term = 5};
    struct said two = {.node = 2, .leader = 1, .address = "private:1", .term = 6};

    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &one, NULL);
    world_answer(w, world_last(w), &two, NULL);
    assert_string_equal(world_last(w)->address, "public:1");
    world_drop(w, world_last(w), false);
    world_answer(w, world_last(w), &two, NULL);
    assert_string_equal(world_last(w)->address, "private:1");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_waits_until_the_leader_is_found_and_is_sent_to_it),
        cmocka_unit_test(the_request_id_carries_the_clusters_time_and_ten_random_bytes),
        cmocka_unit_test(a_given_request_id_is_kept),
        cmocka_unit_test(a_node_that_cannot_be_reached_is_passed_over_at_once),
        cmocka_unit_test(a_silent_node_is_overtaken_by_the_next),
        cmocka_unit_test(an_answer_of_an_older_term_is_not_believed),
        cmocka_unit_test(a_redirect_is_followed_at_once_with_the_same_request_id),
        cmocka_unit_test(nodes_that_point_at_each_other_are_not_hammered),
        cmocka_unit_test(a_node_that_is_behind_does_not_keep_the_client_from_the_others),
        cmocka_unit_test(the_term_of_a_node_that_is_shut_out_is_forgotten),
        cmocka_unit_test(a_cluster_without_a_leader_is_asked_again_with_growing_pauses),
        cmocka_unit_test(nodes_that_cannot_be_reached_end_the_call_as_unreachable),
        cmocka_unit_test(a_node_of_another_cluster_is_passed_over),
        cmocka_unit_test(a_client_stays_with_the_cluster_that_it_found_first),
        cmocka_unit_test(calls_end_at_once_when_every_node_is_of_another_cluster),
        cmocka_unit_test(a_leader_that_went_silent_is_left_with_all_its_messages),
        cmocka_unit_test(a_silent_leader_is_left_as_soon_as_there_is_another),
        cmocka_unit_test(a_slow_leader_keeps_its_calls_though_others_are_asked),
        cmocka_unit_test(a_slow_leader_that_still_leads_is_used_again),
        cmocka_unit_test(a_leader_whose_connection_is_lost_is_not_believed_in_for_being_named),
        cmocka_unit_test(a_leader_that_was_away_long_ago_is_followed_when_it_is_named),
        cmocka_unit_test(a_leader_is_reached_under_the_address_it_answered_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
