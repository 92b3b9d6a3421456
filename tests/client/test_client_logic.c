/* test_client_logic.c - the client's messages, time, targets and limits, with scripted nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/client_world.h"

static void an_idle_client_sends_at_once_and_a_busy_one_gathers(void **state)
{
    (void)state;
    struct client_logic_config config = {.window = 2};
    struct world *w = world_with_leader(&config);
    struct ending o[12] = {0};
    unsigned before = w->n_sent;

    for (int i = 0; i < 12; i++) {
        world_pay(w, &o[i]);
        world_tick(w);
    }
    assert_int_equal(w->n_sent - before, 2); /* one each, then the window is full */
    assert_int_equal(w->sent[before].n, 1);
    assert_int_equal(w->sent[before + 1].n, 1);
    world_answer_ok(w, &w->sent[before]);
    assert_int_equal(w->n_sent - before, 3);
    assert_int_equal(world_last(w)->n, 10);
    world_answer_ok(w, world_last(w));
    world_answer_ok(w, &w->sent[before + 1]);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(o[i].calls, 1);
    }
    world_free(w);
}

static void a_message_holds_no_more_operations_than_the_protocol_allows(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending *o = calloc(2500, sizeof *o);
    unsigned before = w->n_sent;

    for (int i = 0; i < 2500; i++) {
        world_pay(w, &o[i]);
    }
    world_tick(w);
    assert_int_equal(w->n_sent - before, 3);
    assert_int_equal(w->sent[before].n, PROTOCOL_OPERATIONS_MAX);
    assert_int_equal(w->sent[before + 1].n, PROTOCOL_OPERATIONS_MAX);
    assert_int_equal(w->sent[before + 2].n, 2500 - 2 * PROTOCOL_OPERATIONS_MAX);
    world_free(w);
    free(o);
}

static void a_message_holds_no_more_bytes_than_the_protocol_allows(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    uint8_t zero[16] = {0};
    struct operation op = {.code = OPERATION_SCHEDULE,
                           .request_id = zero,
                           .id = {(const uint8_t *)"x", 1},
                           .relative = true,
                           .time_ms = 1000,
                           .route = {(const uint8_t *)"r", 1},
                           .payload = {payload, sizeof payload}};
    struct ending o = {.world = w};
    struct buffer b = {0};
    unsigned before = w->n_sent;

    operation_encode(&b, &op);
    for (int i = 0; i < 600; i++) {
        struct call *call;
        assert_int_equal(call_new(&w->budget, b.data, b.len, true, NULL, world_ended, &o, &call),
                         0);
        assert_int_equal(client_logic_submit(&w->logic, call, w->now_ms + 1000), 0);
    }
    world_tick(w);
    assert_true(w->n_sent - before == 3);
    unsigned n = 0;
    for (unsigned i = before; i < w->n_sent; i++) {
        assert_true(w->sent[i].len <= PROTOCOL_MESSAGE_MAX);
        n += w->sent[i].n;
    }
    assert_int_equal(n, 600);
    assert_true(w->sent[before].len + b.len > PROTOCOL_MESSAGE_MAX - 100); /* and well filled */
    buffer_free(&b);
    world_free(w);
    assert_int_equal(o.calls, 600);
}

static void a_member_operation_is_alone_in_its_message(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[5] = {0};
    unsigned before = w->n_sent;

    world_pay(w, &o[0]);
    world_pay(w, &o[1]);
    assert_int_equal(world_submit(w, &o[2], OPERATION_MEMBER_ADD, NULL, NULL, 1000), 0);
    assert_int_equal(world_submit(w, &o[3], OPERATION_MEMBER_ADD, NULL, NULL, 1000), 0);
    world_pay(w, &o[4]);
    world_tick(w);
    assert_int_equal(w->n_sent - before, 4);
    assert_int_equal(w->sent[before].n, 2);
    assert_int_equal(w->sent[before + 1].op.code, OPERATION_MEMBER_ADD);
    assert_int_equal(w->sent[before + 1].n, 1);
    assert_int_equal(w->sent[before + 2].n, 1);
    assert_int_equal(w->sent[before + 3].op.code, OPERATION_PAY);
    world_free(w);
}

/* It cannot be repeated: giving its attempt up would only lose the answer. */
static void a_member_operation_is_waited_for_as_long_as_its_call(void **state)
{
    static const enum operation_code codes[] = {OPERATION_MEMBER_ADD, OPERATION_MEMBER_REMOVE,
                                                OPERATION_TRANSFER, OPERATION_MEMBER_LIST,
                                                OPERATION_PAY};
    (void)state;
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct world *w = world_with_leader(NULL);
        struct ending o = {0};
        unsigned before = w->n_sent;
        bool changes = codes[i] >= OPERATION_MEMBER_ADD;

        assert_int_equal(world_submit(w, &o, codes[i], NULL, NULL, 70000), 0);
        world_tick(w);
        assert_int_equal(w->n_sent - before, 1);
        assert_int_equal(w->sent[before].timeout_ms, changes ? 70000 : 2000);
        world_free(w);
    }
}

static void repeated_calls_keep_their_order(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[3] = {0};
    uint8_t ids[3][16] = {"1", "2", "3"};

    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_submit(w, &o[i], OPERATION_PAY, ids[i], NULL, 5000), 0);
    }
    world_tick(w);
    struct said moved = {
        .error = ORDERSCHED_NOT_LEADER, .node = 1, .leader = 2, .address = B, .term = 6};
    world_answer(w, world_last(w), &moved, NULL);
    assert_int_equal(world_last(w)->n, 3);
    struct request request;
    const struct sent *s = world_last(w);
    assert_int_equal(request_decode(s->bytes, s->len, &request), 0);
    const uint8_t *at = request.operations.data;
    for (int i = 0; i < 3; i++) {
        struct operation op;
        assert_int_equal(operation_decode(at, (size_t)(s->bytes + s->len - at), &op), 0);
        assert_memory_equal(op.request_id, ids[i], 16);
        at += op.bytes.len;
    }
    world_free(w);
}

static void a_call_in_flight_at_its_deadline_is_a_timeout(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[2] = {0};

    assert_int_equal(world_submit(w, &o[0], OPERATION_PAY, NULL, NULL, 300), 0);
    assert_int_equal(world_submit(w, &o[1], OPERATION_PAY, NULL, NULL, 900), 0);
    world_tick(w);
    assert_int_equal(world_last(w)->timeout_ms, 900);
    world_pass(w, 299);
    assert_int_equal(o[0].calls, 0);
    world_pass(w, 1);
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[0].error, ORDERSCHED_TIMEOUT);
    assert_int_equal(ordersched_error_class(o[0].error), ORDERSCHED_UNKNOWN);
    assert_int_equal(o[1].calls, 0);
    world_answer_ok(w, world_last(w)); /* only the second still waits for its result */
    assert_int_equal(o[0].calls, 1);
    assert_int_equal(o[1].error, ORDERSCHED_OK);
    world_free(w);
}

static void a_call_whose_time_is_up_before_it_starts_is_not_sent(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    unsigned before = w->n_sent;

    assert_int_equal(world_submit(w, &o, OPERATION_PAY, NULL, NULL, 0), 0);
    world_tick(w);
    assert_int_equal(w->n_sent, before);
    assert_int_equal(o.error, ORDERSCHED_UNREACHABLE);
    world_free(w);
}

static void the_clusters_time_is_asked_for_without_a_call(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    uint64_t ms;

    assert_false(client_logic_time(&w->logic, w->now_ms, &ms));
    client_logic_want_time(&w->logic, w->now_ms + 500);
    world_tick(w);
    assert_int_equal(world_last(w)->n, 0);
    struct said lone = {.node = 1, .term = 1}; /* no leader, but it knows the time */
    world_answer(w, world_last(w), &lone, NULL);
    w->now_ms += 7;
    assert_true(client_logic_time(&w->logic, w->now_ms, &ms));
    assert_int_equal(ms, NOW + w->now_ms);
    assert_int_equal(w->n_sent, 1);
    assert_int_equal(client_logic_next_wake_ms(&w->logic, w->now_ms), UINT64_MAX);
    world_free(w);
}

static void nobody_asks_for_the_time_any_more_once_nobody_wants_it(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);

    client_logic_want_time(&w->logic, w->now_ms + 500);
    world_tick(w);
    for (int i = 0; i < 200; i++) {
        struct sent *s = world_open_message(w, true);
        if (s != NULL) {
            world_drop(w, s, false);
        }
        world_pass(w, 10);
    }
    unsigned n = w->n_sent;
    assert_true(n > 2);
    world_pass(w, 60000);
    assert_int_equal(w->n_sent, n);
    world_free(w);
}

static void a_targeted_read_asks_that_node_alone_and_locally(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct ending o = {0};

    assert_int_equal(world_submit(w, &o, OPERATION_STATUS, NULL, "10.0.0.7:7401", 1000), 0);
    world_tick(w);
    assert_int_equal(w->n_sent, 1);
    assert_string_equal(world_last(w)->address, "10.0.0.7:7401");
    assert_int_equal(world_last(w)->flags, PROTOCOL_LOCAL);
    assert_int_equal(world_last(w)->op.code, OPERATION_STATUS);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

static void a_targeted_node_that_is_down_is_tried_until_the_deadline_and_no_other(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, B, NULL);
    struct ending o = {0};

    assert_int_equal(world_submit(w, &o, OPERATION_STATUS, NULL, C, 3000), 0);
    world_tick(w);
    while (o.calls == 0) {
        struct sent *s = world_open_message(w, false);
        if (s != NULL) {
            world_drop(w, s, false);
        }
        world_pass(w, 5);
    }
    assert_int_equal(o.error, ORDERSCHED_UNREACHABLE);
    assert_true(w->n_sent >= 6 && w->n_sent < 30);
    for (unsigned i = 0; i < w->n_sent; i++) {
        assert_string_equal(w->sent[i].address, C);
    }
    world_free(w);
}

static void a_targeted_node_that_does_not_lead_says_so(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};

    assert_int_equal(world_submit(w, &o, OPERATION_MEMBER_ADD, NULL, B, 3000), 0);
    world_tick(w);
    assert_string_equal(world_last(w)->address, B);
    assert_int_equal(world_last(w)->flags, 0);
    struct said follower = {
        .error = ORDERSCHED_NOT_LEADER, .node = 2, .leader = 1, .address = A, .term = 5};
    world_answer(w, world_last(w), &follower, NULL);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_NOT_LEADER);
    world_free(w);
}

static void targets_come_and_go_but_not_while_they_are_in_use(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct ending o[CLIENT_ENDPOINTS_MAX + 1] = {0};
    char target[32];

    for (int i = 0; i < CLIENT_ENDPOINTS_MAX - 1; i++) {
        sprintf(target, "h%d:1", i);
        assert_int_equal(world_submit(w, &o[i], OPERATION_STATUS, NULL, target, 1000), 0);
    }
    world_tick(w);
    assert_int_equal(world_submit(w, &o[63], OPERATION_STATUS, NULL, "one-more:1", 1000),
                     ORDERSCHED_BUSY);
    struct said busy = {.error = ORDERSCHED_BUSY, .node = 5};
    world_answer(w, &w->sent[0], &busy, NULL); /* in no queue, in no message: still in use */
    assert_int_equal(world_submit(w, &o[63], OPERATION_STATUS, NULL, "one-more:1", 1000),
                     ORDERSCHED_BUSY);
    world_answer_ok(w, &w->sent[1]);
    assert_int_equal(world_submit(w, &o[63], OPERATION_STATUS, NULL, "one-more:1", 1000), 0);
    world_tick(w);
    assert_string_equal(world_last(w)->address, "one-more:1");
    world_pass(w, 1000);
    world_free(w);
    for (int i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        assert_int_equal(o[i].calls, 1);
    }
}

static void each_call_that_a_node_refuses_as_busy_is_counted_though_it_is_repeated(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o[2] = {0};

    world_pay(w, &o[0]);
    world_pay(w, &o[1]);
    world_tick(w);
    assert_int_equal(world_last(w)->n, 2);
    assert_int_equal(w->logic.busy, 0);
    world_answer_error(w, world_last(w), ORDERSCHED_BUSY);
    assert_int_equal(w->logic.busy, 2);
    assert_int_equal(o[0].calls + o[1].calls, 0);
    world_free(w);
}

static void a_call_that_ends_refused_gives_the_sentence_that_its_last_refusal_gave(void **state)
{
    (void)state;
    static const char *const why[] = {"no room", "what time it is is not known"};
    struct world *w = world_with_leader(NULL);
    struct ending o = {0};
    uint64_t end_ms = w->now_ms + 3000;

    assert_int_equal(world_submit(w, &o, OPERATION_PAY, NULL, NULL, 3000), ORDERSCHED_OK);
    world_tick(w);
    for (unsigned i = 0; o.calls == 0; i++) {
        struct sent *s = world_open_message(w, false);
        struct buffer body = {0};
        if (s != NULL) {
            const char *text = why[i > 0];
            write_str(&body, text, strlen(text));
            struct result result = {.error = ORDERSCHED_BUSY, .body = {body.data, body.len}};
            world_answer(w, s, &from_leader_a, &result);
            buffer_free(&body);
        }
        world_pass(w, 10);
    }
    assert_true(o.at_ms == end_ms);
    assert_int_equal(o.error, ORDERSCHED_BUSY);
    assert_string_equal(o.text, why[1]);
    world_free(w);
}

/* It reads every order: asked once more after the usual two seconds, the node would do it twice. */
static void a_digest_is_waited_for(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct ending o[2] = {0};

    assert_int_equal(world_submit(w, &o[0], OPERATION_STATUS, NULL, A, 120000), 0);
    world_tick(w);
    assert_int_equal(world_last(w)->timeout_ms, 2000);
    assert_int_equal(world_submit(w, &o[1], OPERATION_DIGEST, NULL, A, 120000), 0);
    world_tick(w);
    assert_true(world_last(w)->timeout_ms > 60000);
    world_free(w);
}

static void the_budget_of_calls_and_of_bytes_is_kept(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct ending o[4] = {0};

    w->budget.calls_max = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_submit(w, &o[i], OPERATION_PAY, NULL, NULL, 100), 0);
    }
    assert_int_equal(world_submit(w, &o[3], OPERATION_PAY, NULL, NULL, 100), ORDERSCHED_BUSY);
    world_pass(w, 100);
    assert_int_equal(o[0].calls + o[1].calls + o[2].calls, 3);
    w->budget.bytes_max = sizeof(struct call) + 40;
    assert_int_equal(world_submit(w, &o[3], OPERATION_PAY, NULL, NULL, 100), 0);
    assert_int_equal(world_submit(w, &o[0], OPERATION_PAY, NULL, NULL, 100), ORDERSCHED_BUSY);
    world_free(w);
    assert_int_equal(o[3].error, ORDERSCHED_CLOSED);
}

static void what_is_no_operation_of_a_client_is_refused(void **state)
{
    (void)state;
    struct call_budget budget = {.calls_max = 10, .bytes_max = 10000};
    struct operation epoch = {.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1};
    struct operation get = {.code = OPERATION_GET, .id = {(const uint8_t *)"a", 1}};
    char target[PROTOCOL_ADDRESS_MAX + 10];
    struct buffer b = {0};
    struct call *call;

    operation_encode(&b, &epoch);
    assert_int_equal(call_new(&budget, b.data, b.len, true, NULL, world_ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    buffer_reset(&b);
    operation_encode(&b, &get);
    assert_int_equal(call_new(&budget, b.data, b.len - 1, false, NULL, world_ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    write_nil(&b);
    assert_int_equal(call_new(&budget, b.data, b.len, false, NULL, world_ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    memset(target, 'a', sizeof target);
    target[sizeof target - 1] = '\0';
    assert_int_equal(call_new(&budget, b.data, b.len - 1, false, target, world_ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(call_new(&budget, b.data, 0, false, NULL, world_ended, NULL, &call),
                     ORDERSCHED_ARGUMENT);
    buffer_free(&b);
    assert_int_equal(atomic_load(&budget.calls), 0);
}

static void a_lack_of_memory_delays_but_loses_nothing(void **state)
{
    (void)state;
    struct world *w = world_new(NULL, A, NULL);
    struct ending o[3] = {0};

    w->refuse_sends = 2;
    for (int i = 0; i < 3; i++) {
        world_pay(w, &o[i]);
    }
    world_tick(w);
    assert_int_equal(w->n_sent, 0);
    world_pass(w, 200);
    assert_int_equal(w->n_sent, 1);
    w->refuse_sends = 2;
    world_answer(w, world_last(w), &from_leader_a, NULL);
    assert_int_equal(w->n_sent, 1);
    world_pass(w, 200);
    assert_int_equal(world_last(w)->n, 3);
    world_answer_ok(w, world_last(w));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].error, ORDERSCHED_OK);
    }
    world_free(w);
}

static void closing_ends_every_call_as_what_is_known_of_it(void **state)
{
    (void)state;
    struct client_logic_config config = {.window = 1};
    struct world *w = world_with_leader(&config);
    struct ending sent = {0};
    struct ending waiting = {0};
    struct ending tried = {0};
    struct ending read = {0};
    struct ending busy = {0};

    world_pay(w, &busy);
    world_tick(w);
    /* Definite, and waits for its next attempt. */
    world_answer_error(w, world_last(w), ORDERSCHED_BUSY);
    world_pay(w, &tried);
    world_tick(w);
    world_answer_error(w, world_last(w), ORDERSCHED_UNKNOWN_OUTCOME);
    struct said leader = {.node = 2, .leader = 2, .address = B, .term = 6};
    world_answer(w, world_open_message(w, true), &leader, NULL);
    assert_int_equal(world_submit(w, &read, OPERATION_GET, NULL, C, 1000), 0);
    world_pay(w, &waiting);
    world_tick(w);
    (void)sent;
    world_free(w);
    assert_int_equal(tried.error, ORDERSCHED_TIMEOUT);
    assert_int_equal(busy.error, ORDERSCHED_CLOSED);
    assert_int_equal(waiting.error, ORDERSCHED_CLOSED);
    assert_int_equal(read.error, ORDERSCHED_CLOSED);
    assert_int_equal(tried.calls + busy.calls + waiting.calls + read.calls, 4);
}

static void a_callback_may_submit_the_next_call(void **state)
{
    (void)state;
    struct world *w = world_with_leader(NULL);
    struct ending o = {.resubmit = true};

    world_pay(w, &o);
    world_tick(w);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.calls, 1);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o.calls, 2);
    world_free(w);
}

static void every_error_has_a_name_a_sentence_and_a_class(void **state)
{
    (void)state;
    for (int e = 0; e <= ORDERSCHED_INSECURE_TOKEN + 1; e++) {
        bool known = strcmp(ordersched_error_name(e), "UNKNOWN_ERROR") != 0;
        bool expected = e <= 15 || (e >= 32 && e <= 48) || e == 64 || e == 65 ||
                        (e >= 96 && e <= 101);
        assert_int_equal(known, expected);
        assert_non_null(ordersched_error_text(e));
    }
    assert_int_equal(ordersched_error_class(0), ORDERSCHED_DONE);
    assert_int_equal(ordersched_error_class(ORDERSCHED_TOO_LATE), ORDERSCHED_DEFINITE);
    assert_int_equal(ordersched_error_class(ORDERSCHED_MEMBER_CHANGE), ORDERSCHED_DEFINITE);
    assert_int_equal(ordersched_error_class(ORDERSCHED_UNKNOWN_OUTCOME), ORDERSCHED_UNKNOWN);
    assert_int_equal(ordersched_error_class(ORDERSCHED_TIMEOUT), ORDERSCHED_UNKNOWN);
    assert_int_equal(ordersched_error_class(ORDERSCHED_UNREACHABLE), ORDERSCHED_DEFINITE);
    assert_int_equal(ordersched_error_class(-1), ORDERSCHED_UNKNOWN);
    assert_int_equal(ordersched_error_class(12345), ORDERSCHED_UNKNOWN);
    assert_string_equal(ordersched_error_name(ORDERSCHED_TOO_LATE), "TOO_LATE");
    assert_string_equal(ordersched_state_name(ORDERSCHED_DEAD), "DEAD");
    assert_string_equal(ordersched_state_name(77), "UNKNOWN_STATE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_client_sends_at_once_and_a_busy_one_gathers),
        cmocka_unit_test(a_message_holds_no_more_operations_than_the_protocol_allows),
        cmocka_unit_test(a_message_holds_no_more_bytes_than_the_protocol_allows),
        cmocka_unit_test(a_member_operation_is_alone_in_its_message),
        cmocka_unit_test(a_member_operation_is_waited_for_as_long_as_its_call),
        cmocka_unit_test(repeated_calls_keep_their_order),
        cmocka_unit_test(a_call_in_flight_at_its_deadline_is_a_timeout),
        cmocka_unit_test(a_call_whose_time_is_up_before_it_starts_is_not_sent),
        cmocka_unit_test(the_clusters_time_is_asked_for_without_a_call),
        cmocka_unit_test(nobody_asks_for_the_time_any_more_once_nobody_wants_it),
        cmocka_unit_test(a_targeted_read_asks_that_node_alone_and_locally),
        cmocka_unit_test(a_targeted_node_that_is_down_is_tried_until_the_deadline_and_no_other),
        cmocka_unit_test(a_targeted_node_that_does_not_lead_says_so),
        cmocka_unit_test(targets_come_and_go_but_not_while_they_are_in_use),
        cmocka_unit_test(each_call_that_a_node_refuses_as_busy_is_counted_though_it_is_repeated),
        cmocka_unit_test(a_call_that_ends_refused_gives_the_sentence_that_its_last_refusal_gave),
        cmocka_unit_test(a_digest_is_waited_for),
        cmocka_unit_test(the_budget_of_calls_and_of_bytes_is_kept),
        cmocka_unit_test(what_is_no_operation_of_a_client_is_refused),
        cmocka_unit_test(a_lack_of_memory_delays_but_loses_nothing),
        cmocka_unit_test(closing_ends_every_call_as_what_is_known_of_it),
        cmocka_unit_test(a_callback_may_submit_the_next_call),
        cmocka_unit_test(every_error_has_a_name_a_sentence_and_a_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
