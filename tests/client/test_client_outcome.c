/* test_client_outcome.c - what each sequence of answers and failures lets the client conclude. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/client_world.h"

/* What happens to one attempt. */
enum step {
    END,
    NOT_SENT, /* never left the host */
    LOST,     /* sent, no answer */
    GARBAGE,  /* an answer that is none */
    WHOLE,    /* the whole message refused with `error` */
    RESULT,   /* a result with `error` */
};

struct attempt_step {
    enum step step;
    int error;
};

struct row {
    const char *name;
    enum operation_code code;
    bool own_id;
    struct attempt_step steps[5];
    int error;  /* what the call ends with; after the steps nothing more is answered */
    bool early; /* before its deadline */
};

#define PAY OPERATION_PAY
static const struct row table[] = {
    {"ok", PAY, true, {{RESULT, 0}}, 0, true},
    {"decided", PAY, true, {{RESULT, ORDERSCHED_TOO_LATE}}, ORDERSCHED_TOO_LATE, true},
    {"not sent", PAY, true, {{NOT_SENT, 0}}, ORDERSCHED_UNREACHABLE, false},
    {"not sent twice", PAY, true, {{NOT_SENT, 0}, {NOT_SENT, 0}}, ORDERSCHED_UNREACHABLE, false},
    {"lost", PAY, true, {{LOST, 0}}, ORDERSCHED_TIMEOUT, false},
    {"lost, then not sent", PAY, true, {{LOST, 0}, {NOT_SENT, 0}}, ORDERSCHED_TIMEOUT, false},
    {"lost, then decided", PAY, true, {{LOST, 0}, {RESULT, 0}}, 0, true},
    {"lost, then decided otherwise",
     PAY,
     true,
     {{LOST, 0}, {RESULT, ORDERSCHED_NOT_FOUND}},
     ORDERSCHED_NOT_FOUND,
     true},
    {"lost, then busy",
     PAY,
     true,
     {{LOST, 0}, {WHOLE, ORDERSCHED_BUSY}},
     ORDERSCHED_TIMEOUT,
     false},
    {"busy", PAY, true, {{WHOLE, ORDERSCHED_BUSY}}, ORDERSCHED_BUSY, false},
    {"busy alone", PAY, true, {{RESULT, ORDERSCHED_BUSY}}, ORDERSCHED_BUSY, false},
    {"busy, then ok", PAY, true, {{WHOLE, ORDERSCHED_BUSY}, {RESULT, 0}}, 0, true},
    {"busy, then lost",
     PAY,
     true,
     {{RESULT, ORDERSCHED_BUSY}, {LOST, 0}},
     ORDERSCHED_TIMEOUT,
     false},
    {"not leader", PAY, true, {{WHOLE, ORDERSCHED_NOT_LEADER}}, ORDERSCHED_NOT_LEADER, false},
    {"shutting down", PAY, true, {{WHOLE, ORDERSCHED_SHUTTING_DOWN}, {RESULT, 0}}, 0, true},
    {"full", PAY, true, {{RESULT, ORDERSCHED_FULL}}, ORDERSCHED_FULL, true},
    {"no space", PAY, true, {{WHOLE, ORDERSCHED_NO_SPACE}}, ORDERSCHED_NO_SPACE, true},
    {"lost, then full",
     PAY,
     true,
     {{LOST, 0}, {RESULT, ORDERSCHED_FULL}},
     ORDERSCHED_TIMEOUT,
     false},
    {"lost, then full, then ok",
     PAY,
     true,
     {{LOST, 0}, {RESULT, ORDERSCHED_FULL}, {RESULT, 0}},
     0,
     true},
    {"unknown outcome",
     PAY,
     true,
     {{WHOLE, ORDERSCHED_UNKNOWN_OUTCOME}},
     ORDERSCHED_TIMEOUT,
     false},
    {"unknown result", PAY, true, {{RESULT, ORDERSCHED_UNKNOWN_OUTCOME}, {RESULT, 0}}, 0, true},
    {"unknown, then not leader",
     PAY,
     true,
     {{RESULT, ORDERSCHED_UNKNOWN_OUTCOME}, {WHOLE, ORDERSCHED_NOT_LEADER}},
     ORDERSCHED_TIMEOUT,
     false},
    {"a number never heard of", PAY, true, {{RESULT, 200}}, ORDERSCHED_TIMEOUT, false},
    {"a refusal never heard of", PAY, true, {{RESULT, 60}}, 60, true},
    {"garbage", PAY, true, {{GARBAGE, 0}}, ORDERSCHED_TIMEOUT, false},
    {"garbage, then ok", PAY, true, {{GARBAGE, 0}, {RESULT, 0}}, 0, true},
    {"invalid", PAY, true, {{WHOLE, ORDERSCHED_INVALID}}, ORDERSCHED_INVALID, true},
    {"bad id", PAY, true, {{RESULT, ORDERSCHED_BAD_ID}}, ORDERSCHED_BAD_ID, true},
    {"lost, then invalid",
     PAY,
     true,
     {{LOST, 0}, {WHOLE, ORDERSCHED_INVALID}},
     ORDERSCHED_UNKNOWN_OUTCOME,
     true},
    {"a decision on a whole message is none",
     PAY,
     true,
     {{WHOLE, ORDERSCHED_EXISTS}},
     ORDERSCHED_TIMEOUT,
     false},
    {"stale, own id", PAY, true, {{RESULT, ORDERSCHED_STALE_REQUEST}, {RESULT, 0}}, 0, true},
    {"stale for ever, own id",
     PAY,
     true,
     {{RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_TIMEOUT,
     false}, /* the last attempt is in flight when the time is up */
    {"stale, given id",
     PAY,
     false,
     {{RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_STALE_REQUEST,
     true},
    {"lost, then stale",
     PAY,
     true,
     {{LOST, 0}, {RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_UNKNOWN_OUTCOME,
     true},
    {"lost, then stale, given id",
     PAY,
     false,
     {{LOST, 0}, {RESULT, ORDERSCHED_STALE_REQUEST}},
     ORDERSCHED_UNKNOWN_OUTCOME,
     true},
    {"early", PAY, true, {{RESULT, ORDERSCHED_EARLY_REQUEST}, {RESULT, 0}}, 0, true},
    {"a read that is lost", OPERATION_GET, true, {{LOST, 0}}, ORDERSCHED_UNREACHABLE, false},
    {"a read that is lost, then ok", OPERATION_GET, true, {{LOST, 0}, {RESULT, 0}}, 0, true},
    {"a read, unknown",
     OPERATION_GET,
     true,
     {{WHOLE, ORDERSCHED_UNKNOWN_OUTCOME}, {RESULT, 0}},
     0,
     true},
    {"a member change that is lost is not repeated",
     OPERATION_MEMBER_ADD,
     true,
     {{LOST, 0}},
     ORDERSCHED_UNKNOWN_OUTCOME,
     true},
    {"a member change not sent is repeated",
     OPERATION_MEMBER_ADD,
     true,
     {{NOT_SENT, 0}, {RESULT, 0}},
     0,
     true},
    {"a member change refused",
     OPERATION_MEMBER_ADD,
     true,
     {{RESULT, ORDERSCHED_MEMBER_CHANGE}},
     ORDERSCHED_MEMBER_CHANGE,
     true},
};

static void step_attempt(struct world *w, struct sent *s, const struct attempt_step *step)
{
    struct said whole = from_leader_a;

    switch (step->step) {
        case NOT_SENT: world_drop(w, s, false); break;
        case LOST: world_drop(w, s, true); break;
        case RESULT: world_answer_error(w, s, step->error); break;
        case GARBAGE:
            s->ended = true;
            client_logic_on_answer(&w->logic, s->handle, (const uint8_t *)"\x93\x01", 2, w->now_ms);
            world_tick(w);
            break;
        case WHOLE:
            whole.error = step->error;
            world_answer(w, s, &whole, NULL);
            break;
        case END: break;
    }
}

/* Play the row. Once its steps are over, the whole cluster falls silent: searches go unanswered
 * and further attempts of the call, if there is a leader to try, are in flight at the end only
 * when the last step left the leader in place. */
static void play(const struct row *row)
{
    struct world *w = world_with_leader(NULL);
    uint8_t given[16] = "0123456789abcde";
    struct ending o = {0};
    const struct attempt_step *step = row->steps;
    uint64_t start = w->now_ms;
    bool same_id = true;
    uint8_t id[16] = {0};
    bool have_id = false;

    assert_int_equal(world_submit(w, &o, row->code, row->own_id ? NULL : given, NULL, 10000),
                     ORDERSCHED_OK);
    world_tick(w);
    while (o.calls == 0 && w->now_ms < start + 20000) {
        struct sent *s;
        while ((s = world_open_message(w, true)) != NULL && step->step != END) {
            world_answer(w, s, &from_leader_a, NULL);
        }
        s = world_open_message(w, false);
        if (s != NULL && step->step != END) {
            if (s->op.request_id != NULL) {
                same_id = same_id && (!have_id || memcmp(id, s->op.request_id, 16) == 0);
                memcpy(id, s->op.request_id, 16);
                have_id = true;
            }
            step_attempt(w, s, step);
            step++;
        } else if (s != NULL && row->code == PAY && row->steps[0].error == ORDERSCHED_BUSY &&
                   row->steps[1].step == END) {
            step_attempt(w, s, &row->steps[0]); /* busy for ever */
        } else if (s != NULL && row->error == ORDERSCHED_UNREACHABLE) {
            world_drop(w, s, row->code == OPERATION_GET);
        }
        if (o.calls == 0) {
            world_pass(w, 10);
        }
    }
    if (o.calls != 1 || o.error != row->error ||
        (row->early ? w->now_ms >= start + 10000 : o.at_ms != start + 10000)) {
        fail_msg("%s: ended %d times with %s, expected %s, after %d ms", row->name, o.calls,
                 ordersched_error_name(o.error), ordersched_error_name(row->error),
                 (int)(o.at_ms - start));
    }
    bool renewed = row->own_id && (row->steps[0].error == ORDERSCHED_STALE_REQUEST ||
                                   row->steps[0].error == ORDERSCHED_EARLY_REQUEST);
    assert_true(same_id || renewed);
    world_free(w);
}

static void the_outcome_of_every_sequence_of_attempts_is_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        play(&table[i]);
    }
}

static void a_stale_id_of_our_own_making_is_replaced_by_a_fresh_one(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint8_t id[16];

    world_pay(w, &o);
    world_tick(w);
    memcpy(id, world_last(w)->op.request_id, 16);
    struct said later = from_leader_a;
    later.now_ms = NOW + 3600000;
    struct result stale = {.error = ORDERSCHED_STALE_REQUEST};
    world_answer(w, world_last(w), &later, &stale);
    assert_memory_not_equal(world_last(w)->op.request_id, id, 16);
    assert_int_equal(request_id_time_ms(world_last(w)->op.request_id), NOW + 3600000);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_keyed_id_gets_its_time_and_keeps_its_key(void **state)
{
    (void)state;
    static const uint8_t hash[10] = "ten bytes";
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE], wanted[sizeof id];

    request_id_make_keyed(id, 0, hash);
    assert_int_equal(world_submit(w, &o, OPERATION_PAY, id, NULL, 10000), ORDERSCHED_OK);
    world_tick(w);
    request_id_make_keyed(wanted, request_id_time_ms(world_last(w)->op.request_id), hash);
    assert_memory_equal(world_last(w)->op.request_id, wanted, sizeof id);
    assert_in_range(request_id_time_ms(wanted), NOW, NOW + 10000);
    struct said later = from_leader_a;
    later.now_ms = NOW + 3600000;
    struct result stale = {.error = ORDERSCHED_STALE_REQUEST};
    world_answer(w, world_last(w), &later, &stale);
    request_id_make_keyed(wanted, NOW + 3600000, hash);
    assert_memory_equal(world_last(w)->op.request_id, wanted, sizeof id);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    /* one that has a time is its caller's */
    request_id_make_keyed(id, 5, hash);
    assert_int_equal(world_submit(w, &o, OPERATION_PAY, id, NULL, 10000), ORDERSCHED_OK);
    world_tick(w);
    assert_memory_equal(world_last(w)->op.request_id, id, sizeof id);
    world_answer(w, world_last(w), &later, &stale);
    assert_int_equal(o.error, ORDERSCHED_STALE_REQUEST);
    world_free(w);
}

static void an_early_id_is_made_anew_from_the_leaders_time(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};

    w->now_ms += 100000; /* our clock ran while the cluster's stood still */
    world_pay(w, &o);
    world_tick(w);
    struct said slow = from_leader_a;
    slow.now_ms = NOW + 2000;
    struct result early = {.error = ORDERSCHED_EARLY_REQUEST};
    world_answer(w, world_last(w), &slow, &early);
    world_pass(w, 30);
    assert_true(request_id_time_ms(world_last(w)->op.request_id) <= NOW + 2030);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_follower_does_not_set_the_time_back(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint64_t ms;

    world_pay(w, &o);
    world_tick(w);
    uint64_t before = NOW + w->now_ms;
    struct said lagging = {.error = ORDERSCHED_NOT_LEADER,
                           .node = 1,
                           .now_ms = NOW - 50000,
                           .term = 5};
    world_answer(w, world_last(w), &lagging, NULL);
    assert_true(client_logic_time(&w->logic, w->now_ms, &ms));
    assert_int_equal(ms, before);
    world_free(w);
}

static void the_sentence_of_an_error_is_handed_on(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    struct buffer body = {0};

    world_pay(w, &o);
    world_tick(w);
    write_str(&body, "why it was", 10);
    struct result result = {.error = ORDERSCHED_DECIDED,
                            .state = ORDERSCHED_CANCELLED,
                            .index = 5,
                            .body = {body.data, body.len}};
    world_answer(w, world_last(w), &from_leader_a, &result);
    buffer_free(&body);
    assert_int_equal(o.error, ORDERSCHED_DECIDED);
    assert_int_equal(o.state, ORDERSCHED_CANCELLED);
    assert_int_equal(o.body_len, 0);
    assert_string_equal(o.text, "why it was");

    world_pay(w, &o);
    world_tick(w);
    struct said refused = from_leader_a;
    refused.error = ORDERSCHED_NO_SPACE;
    refused.text = "the disk is full";
    world_answer(w, world_last(w), &refused, NULL);
    assert_int_equal(o.error, ORDERSCHED_NO_SPACE);
    assert_string_equal(o.text, "the disk is full");
    world_free(w);
}

static void the_body_of_a_read_is_handed_on(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};

    assert_int_equal(world_submit(w, &o, OPERATION_GET, NULL, NULL, 1000), ORDERSCHED_OK);
    world_tick(w);
    struct result result = {.body = {(const uint8_t *)"\x92\x01\x02", 3}};
    world_answer(w, world_last(w), &from_leader_a, &result);
    assert_int_equal(o.body_len, 3);
    assert_memory_equal(o.body, "\x92\x01\x02", 3);
    world_free(w);
}

static void an_answer_with_too_few_results_is_no_answer(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[2] = {0};
    struct result ok = {.index = 1};

    world_pay(w, &o[0]);
    world_pay(w, &o[1]);
    world_tick(w);
    assert_int_equal(world_last(w)->n, 2);
    world_deliver(w, world_last(w), &from_leader_a, &ok, 1);
    assert_int_equal(o[0].calls + o[1].calls, 0);
    world_pass(w, 10000);
    assert_int_equal(o[0].error, ORDERSCHED_TIMEOUT);
    assert_int_equal(o[1].error, ORDERSCHED_TIMEOUT);
    world_free(w);
}

static void a_malformed_result_leaves_the_ones_before_it_valid(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[2] = {0};
    struct buffer body = {0};
    struct buffer b = {0};

    world_pay(w, &o[0]);
    world_pay(w, &o[1]);
    world_tick(w);
    result_encode(&body, &(struct result){.index = 9});
    write_uint(&body, 5); /* a value, but no result */
    struct answer answer = {.node_id = 1,
                            .leader_id = 1,
                            .term = 5,
                            .now_ms = NOW,
                            .n_results = 2,
                            .results = {body.data, body.len}};
    answer_encode(&b, &answer);
    world_last(w)->ended = true;
    client_logic_on_answer(&w->logic, world_last(w)->handle, b.data, b.len, w->now_ms);
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[0].error, ORDERSCHED_OK);
    assert_int_equal(o[1].calls, 0);
    buffer_free(&b);
    buffer_free(&body);
    world_free(w);
    assert_int_equal(o[1].error, ORDERSCHED_TIMEOUT);
}

static void a_second_or_strange_report_changes_nothing(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};

    world_pay(w, &o);
    world_tick(w);
    struct sent *s = world_last(w);
    world_answer_ok(w, s);
    world_answer_ok(w, s);
    world_drop(w, s, true);
    client_logic_on_send_failed(&w->logic, 999999, CLIENT_LOST, w->now_ms);
    assert_int_equal(o.calls, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_outcome_of_every_sequence_of_attempts_is_as_the_table_says),
        cmocka_unit_test(a_stale_id_of_our_own_making_is_replaced_by_a_fresh_one),
        cmocka_unit_test(a_keyed_id_gets_its_time_and_keeps_its_key),
        cmocka_unit_test(an_early_id_is_made_anew_from_the_leaders_time),
        cmocka_unit_test(a_follower_does_not_set_the_time_back),
        cmocka_unit_test(the_sentence_of_an_error_is_handed_on),
        cmocka_unit_test(the_body_of_a_read_is_handed_on),
        cmocka_unit_test(an_answer_with_too_few_results_is_no_answer),
        cmocka_unit_test(a_malformed_result_leaves_the_ones_before_it_valid),
        cmocka_unit_test(a_second_or_strange_report_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
