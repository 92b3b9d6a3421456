/* test_client_token.c - a client that says who asks: in each message that does something, and over the
 * loopback only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/client_world.h"

#define TOKEN TOKEN_PREFIX "0123456789abcdefghijklmnopqrstuvwxyz-_ABCDE"
#define HERE "127.0.0.1:7401"

static const struct client_logic_config named = {.token = TOKEN};

static struct request request_of(const struct sent *s)
{
    struct request r;

    assert_int_equal(request_decode(s->bytes, s->len, &r), ORDERSCHED_OK);
    return r;
}

static const struct said leads_here = {.node = 1, .leader = 1, .address = HERE, .term = 3};

static void each_message_but_those_of_the_search_states_the_token(void **state)
{
    struct world *w = world_new(&named, HERE, NULL);
    struct ending o = {0};

    (void)state;
    world_pay(w, &o);
    world_tick(w);
    struct request r = request_of(world_last(w));
    assert_int_equal(r.n_operations, 0);
    assert_int_equal(r.flags & PROTOCOL_TOKEN, 0);
    world_answer(w, world_last(w), &leads_here, NULL);
    world_tick(w);
    r = request_of(world_last(w));
    assert_int_equal(r.n_operations, 1);
    assert_int_equal(r.flags & PROTOCOL_TOKEN, PROTOCOL_TOKEN);
    assert_int_equal(r.token.len, TOKEN_TEXT_LEN);
    assert_memory_equal(r.token.data, TOKEN, TOKEN_TEXT_LEN);
    world_free(w);
}

static void a_leader_elsewhere_is_not_told_the_token(void **state)
{
    static const struct said elsewhere = {.node = 1, .leader = 2, .address = B, .term = 3};
    static const struct said leads = {.node = 2, .leader = 2, .address = B, .term = 3};
    struct world *w = world_new(&named, HERE, NULL);
    struct ending o = {0};

    (void)state;
    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &elsewhere, NULL);
    world_tick(w);
    if (world_last(w)->n == 0 && strcmp(world_last(w)->address, B) == 0) {
        world_answer(w, world_last(w), &leads, NULL); /* it was asked whether it leads */
        world_tick(w);
    }
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_INSECURE_TOKEN);
    for (unsigned i = 0; i < w->n_sent; i++) {
        assert_null(memmem(w->sent[i].bytes, w->sent[i].len, TOKEN, TOKEN_TEXT_LEN));
    }
    world_free(w);
}

static void what_is_denied_is_not_repeated(void **state)
{
    struct world *w = world_new(&named, HERE, NULL);
    struct result denied = {.error = ORDERSCHED_DENIED};
    struct ending o = {0};

    (void)state;
    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &leads_here, NULL);
    world_tick(w);
    world_answer(w, world_last(w), &leads_here, &denied);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_DENIED);
    world_free(w);
}

static void what_is_over_a_quota_is_not_repeated_and_tells_when_there_is_room(void **state)
{
    struct world *w = world_new(&named, HERE, NULL);
    struct result over = {.error = ORDERSCHED_QUOTA, .remaining_ms = 250};
    struct ending o = {0};

    (void)state;
    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &leads_here, NULL);
    world_tick(w);
    world_answer(w, world_last(w), &leads_here, &over);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, ORDERSCHED_QUOTA);
    assert_int_equal(ordersched_error_class(o.error), ORDERSCHED_DEFINITE);
    assert_int_equal(o.remaining_ms, 250);
    world_free(w);
}

/* A copy of what was carried out gets its answer whatever the quota: it is worth asking again. */
static void what_is_over_a_quota_after_a_lost_attempt_is_asked_again(void **state)
{
    struct world *w = world_new(&named, HERE, NULL);
    struct result over = {.error = ORDERSCHED_QUOTA}, paid = {.state = ORDERSCHED_PAID};
    unsigned asked = 0;
    struct ending o = {0};

    (void)state;
    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &leads_here, NULL);
    world_tick(w);
    world_drop(w, world_last(w), true);
    while (o.calls == 0) {
        world_pass(w, 50);
        struct sent *s = world_last(w);
        if (!s->ended) {
            asked += s->n > 0;
            world_answer(w, s, &leads_here, s->n == 0 ? NULL : asked == 1 ? &over : &paid);
        }
    }
    assert_int_equal(asked, 2);
    assert_int_equal(o.error, ORDERSCHED_OK);
    world_free(w);
}

/* An earlier copy may have been carried out before the token was revoked. */
static void what_is_denied_after_a_lost_attempt_is_unknown(void **state)
{
    struct world *w = world_new(&named, HERE, NULL);
    struct result denied = {.error = ORDERSCHED_DENIED};
    struct ending o = {0};

    (void)state;
    world_pay(w, &o);
    world_tick(w);
    world_answer(w, world_last(w), &leads_here, NULL);
    world_tick(w);
    world_drop(w, world_last(w), true);
    while (o.calls == 0) {
        world_pass(w, 50);
        struct sent *s = world_last(w);
        if (!s->ended) {
            world_answer(w, s, &leads_here, s->n > 0 ? &denied : NULL);
        }
    }
    assert_int_equal(o.error, ORDERSCHED_UNKNOWN_OUTCOME);
    world_free(w);
}

static int opened(const char *endpoints, const char *token)
{
    struct ordersched_config config = {.endpoints = endpoints, .token = token};
    ordersched_client *client = NULL;
    int rv = ordersched_open(&config, &client);

    if (rv == ORDERSCHED_OK) {
        ordersched_close(client);
    }
    return rv;
}

static void a_client_opens_with_a_token_for_the_loopback_alone(void **state)
{
    (void)state;
    unsetenv("ORDERSCHED_TOKEN");
    assert_int_equal(opened("127.0.0.1:7401,[::1]:7401,localhost:7401", TOKEN), ORDERSCHED_OK);
    assert_int_equal(opened("127.0.0.1:7401,192.0.2.1:7401", TOKEN), ORDERSCHED_INSECURE_TOKEN);
    assert_int_equal(opened("192.0.2.1:7401", ""), ORDERSCHED_OK);
    assert_int_equal(opened("192.0.2.1:7401", NULL), ORDERSCHED_OK);
    assert_int_equal(opened(HERE, "secret"), ORDERSCHED_ARGUMENT);
    assert_int_equal(opened(HERE, TOKEN "x"), ORDERSCHED_ARGUMENT);
    setenv("ORDERSCHED_TOKEN", TOKEN, 1);
    assert_int_equal(opened("192.0.2.1:7401", NULL), ORDERSCHED_INSECURE_TOKEN);
    assert_int_equal(opened("192.0.2.1:7401", ""), ORDERSCHED_OK);
    unsetenv("ORDERSCHED_TOKEN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_but_those_of_the_search_states_the_token),
        cmocka_unit_test(a_leader_elsewhere_is_not_told_the_token),
        cmocka_unit_test(what_is_denied_is_not_repeated),
        cmocka_unit_test(what_is_over_a_quota_is_not_repeated_and_tells_when_there_is_room),
        cmocka_unit_test(what_is_over_a_quota_after_a_lost_attempt_is_asked_again),
        cmocka_unit_test(what_is_denied_after_a_lost_attempt_is_unknown),
        cmocka_unit_test(a_client_opens_with_a_token_for_the_loopback_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
