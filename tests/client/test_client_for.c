/* test_client_for.c - calls that bring their own caller: how messages say who asks, and that none says it of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/client_world.h"

#define LOCAL "127.0.0.1:7401"
#define TOKEN "osdt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct call_caller nobody = {.kind = CALLER_NOBODY};
static const struct call_caller by_token = {.kind = CALLER_TOKEN, .name = TOKEN};
static const struct call_caller till = {.kind = CALLER_CERTIFICATE, .name = "till"};
static const struct call_caller till_there = {.kind = CALLER_CERTIFICATE,
                                              .name = "till",
                                              .from = "10.0.0.7"};

/* A read of one order. */
static struct call *submit(struct world *w, struct ending *o, const struct call_caller *caller)
{
    struct operation op = {.code = OPERATION_GET, .id = {(const uint8_t *)"x", 1}};
    struct buffer b = {0};
    struct call *call;

    operation_encode(&b, &op);
    o->world = w;
    assert_int_equal(call_new(&w->budget, b.data, b.len, false, NULL, world_ended, o, &call),
                     ORDERSCHED_OK);
    assert_true(caller == NULL || call_ask_for(call, caller));
    assert_int_equal(client_logic_submit(&w->logic, call, w->now_ms + 5000), ORDERSCHED_OK);
    buffer_free(&b);
    return call;
}

static bool vouches(void *arg, const char *address)
{
    (void)arg;
    return address[0] != '\0';
}

static struct world *world_that_vouches(const struct client_logic_config *config)
{
    struct world *w = world_with_leader(config);

    w->logic.io.vouches = vouches;
    return w;
}

static struct request decode(const struct sent *s)
{
    struct request r;

    assert_int_equal(request_decode(s->bytes, s->len, &r), ORDERSCHED_OK);
    return r;
}

static void expect_for(const struct sent *s, const struct call_caller *caller)
{
    struct request r = decode(s);

    assert_int_equal(r.flags, PROTOCOL_FOR);
    assert_int_equal(r.for_kind, caller->kind);
    assert_int_equal(r.for_name.len, strlen(caller->name));
    assert_memory_equal(r.for_name.data, caller->name, r.for_name.len);
    assert_int_equal(r.for_from.len, strlen(caller->from));
    assert_memory_equal(r.for_from.data, caller->from, r.for_from.len);
}

static void calls_of_one_caller_share_a_message_and_no_others(void **state)
{
    const struct call_caller *const order[] = {&till,       &by_token, NULL,  &till, &nobody,
                                               &till_there, &by_token, &till, NULL};
    struct client_logic_config config = {.window = 16};
    struct world *w = world_that_vouches(&config);
    struct ending o[9] = {0};
    unsigned before = w->n_sent;

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        submit(w, &o[i], order[i]);
    }
    world_tick(w);
    assert_int_equal(w->n_sent - before, 5);
    assert_int_equal(w->sent[before].n, 3);
    expect_for(&w->sent[before], &till);
    assert_int_equal(w->sent[before + 1].n, 2);
    expect_for(&w->sent[before + 1], &by_token);
    assert_int_equal(w->sent[before + 2].n, 2); /* the client's own */
    assert_int_equal(decode(&w->sent[before + 2]).flags, 0);
    expect_for(&w->sent[before + 3], &nobody);
    expect_for(&w->sent[before + 4], &till_there);
    for (unsigned i = before; i < before + 5; i++) {
        world_answer_ok(w, &w->sent[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].error, ORDERSCHED_OK);
    }
    world_free(w);
}

static void calls_gather_behind_messages_of_their_own_caller_alone(void **state)
{
    struct client_logic_config config = {.window = 16, .eager = 2, .fill = 4};
    struct world *w = world_that_vouches(&config);
    struct ending o[12] = {0};
    unsigned before = w->n_sent;

    (void)state;
    for (unsigned i = 0; i < 5; i++) { /* two go at once, and three wait */
        submit(w, &o[i], &till);
        world_tick(w);
    }
    assert_int_equal(w->n_sent - before, 2);
    submit(w, &o[5], &till); /* four are enough */
    world_tick(w);
    assert_int_equal(w->n_sent - before, 3);
    assert_int_equal(world_last(w)->n, 4);
    for (unsigned i = 6; i < 9; i++) { /* of another one none of these is in flight */
        submit(w, &o[i], i == 7 ? &till : &by_token);
        world_tick(w);
    }
    assert_int_equal(w->n_sent - before, 6);
    submit(w, &o[9], &till);
    submit(w, &o[10], &till);
    world_tick(w);
    assert_int_equal(w->n_sent - before, 7); /* the newest are not all of this one */
    submit(w, &o[11], &till);
    for (unsigned i = before; i < before + 7; i++) {
        world_answer_ok(w, &w->sent[i]);
    }
    world_tick(w);
    assert_int_equal(w->n_sent - before, 8);
    world_answer_ok(w, world_last(w));
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].error, ORDERSCHED_OK);
    }
    world_free(w);
}

static void a_call_that_waits_behind_others_goes_when_one_has_come_back(void **state)
{
    struct client_logic_config config = {.eager = 1, .fill = 100};
    struct world *w = world_that_vouches(&config);
    struct ending o[3] = {0};
    unsigned before = w->n_sent;

    (void)state;
    submit(w, &o[0], &till);
    world_tick(w);
    submit(w, &o[1], &till);
    submit(w, &o[2], &till);
    world_tick(w);
    assert_int_equal(w->n_sent - before, 1);
    world_answer_ok(w, world_last(w));
    world_tick(w);
    assert_int_equal(w->n_sent - before, 2);
    assert_int_equal(world_last(w)->n, 2);
    world_answer_ok(w, world_last(w));
    assert_int_equal(o[1].calls + o[2].calls, 2);
    world_free(w);
}

static void a_repeated_call_still_says_who_asks(void **state)
{
    struct world *w = world_that_vouches(NULL);
    struct ending o[2] = {0};

    (void)state;
    submit(w, &o[0], &till);
    world_tick(w);
    struct sent *first = world_last(w);
    submit(w, &o[1], &by_token);
    world_tick(w);
    world_answer_error(w, world_last(w), ORDERSCHED_BUSY);
    world_answer_error(w, first, ORDERSCHED_BUSY);
    unsigned before = w->n_sent;
    world_pass(w, 100);
    assert_int_equal(w->n_sent - before, 2);
    for (unsigned i = before; i < w->n_sent; i++) {
        expect_for(&w->sent[i], decode(&w->sent[i]).for_kind == CALLER_TOKEN ? &by_token : &till);
        world_answer_ok(w, &w->sent[i]);
    }
    assert_int_equal(o[0].error, ORDERSCHED_OK);
    assert_int_equal(o[1].error, ORDERSCHED_OK);
    world_free(w);
}

/* Over plain TCP to a node that takes nobody's word: a token goes over the loopback alone, and a certificate's name
 * is worth nothing there. */
static void to_whom_nobody_vouches_a_token_goes_over_the_loopback_alone(void **state)
{
    struct ending o[6] = {0};

    (void)state;
    for (int local = 0; local <= 1; local++) {
        struct said leads = {.node = 1, .leader = 1, .address = local ? LOCAL : A, .term = 5};
        struct world *w = world_new(NULL, leads.address, NULL);
        memset(o, 0, sizeof o);
        submit(w, &o[0], &till);
        submit(w, &o[1], &by_token);
        submit(w, &o[2], &nobody);
        submit(w, &o[3], &till);
        submit(w, &o[4], &by_token);
        submit(w, &o[5], NULL);
        world_tick(w);
        world_deliver(w, world_open_message(w, true), &leads, NULL, 0);
        world_tick(w);
        assert_int_equal(o[0].error, ORDERSCHED_INSECURE_TOKEN);
        assert_int_equal(o[3].error, ORDERSCHED_INSECURE_TOKEN);
        for (unsigned i = 0; i < w->n_sent; i++) {
            struct request r = decode(&w->sent[i]);
            if ((r.flags & PROTOCOL_TOKEN) != 0) {
                assert_true(local);
                assert_int_equal(w->sent[i].n, 2);
                assert_memory_equal(r.token.data, TOKEN, TOKEN_TEXT_LEN);
            }
            assert_int_equal(r.flags & PROTOCOL_FOR, 0);
        }
        assert_int_equal(o[1].error, local ? ORDERSCHED_OK : ORDERSCHED_INSECURE_TOKEN);
        assert_int_equal(o[1].calls, !local);
        assert_int_equal(o[4].calls, !local);
        assert_int_equal(o[2].calls + o[5].calls, 0); /* under way */
        world_free(w);
    }
}

static void a_dropped_call_ends_without_a_word_wherever_it_is(void **state)
{
    struct client_logic_config config = {.window = 1};
    struct world *w = world_with_leader(&config);
    struct ending o[4] = {0};

    (void)state;
    struct call *sent = submit(w, &o[0], NULL);
    struct call *with_it = submit(w, &o[1], NULL);
    world_tick(w);
    struct sent *message = world_last(w);
    struct call *queued = submit(w, &o[2], NULL);
    world_tick(w);
    assert_int_equal(client_logic_drop(&w->logic, queued), 0);
    assert_int_equal(client_logic_drop(&w->logic, sent), 0); /* there is another call in it */
    assert_int_equal(client_logic_drop(&w->logic, with_it), message->handle);
    /* Its place is free, and its answer nobody's. */
    submit(w, &o[3], NULL);
    world_tick(w);
    assert_ptr_not_equal(world_last(w), message);
    client_logic_on_send_failed(&w->logic, message->handle, CLIENT_LOST, w->now_ms);
    message->ended = true;
    world_answer_ok(w, world_last(w));
    assert_int_equal(o[0].calls + o[1].calls + o[2].calls, 0);
    assert_int_equal(o[3].calls, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_one_caller_share_a_message_and_no_others),
        cmocka_unit_test(calls_gather_behind_messages_of_their_own_caller_alone),
        cmocka_unit_test(a_call_that_waits_behind_others_goes_when_one_has_come_back),
        cmocka_unit_test(a_repeated_call_still_says_who_asks),
        cmocka_unit_test(to_whom_nobody_vouches_a_token_goes_over_the_loopback_alone),
        cmocka_unit_test(a_dropped_call_ends_without_a_word_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
