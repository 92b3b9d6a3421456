/* test_scheduler_access.c - who may do what, as a leader and its clients see it (docs/roles.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/principal.h"
#include "../../../client/wire/token.h"
#include "../../support/scheduler/scheduler_stage.h"

#define ROOT "osdt_root"
#define SHOP "osdt_shop"
#define ALL "*"

static struct operation op_on(struct stage *t, enum operation_code code, const char *name)
{
    return (
        struct operation){.code = code, .request_id = stage_request_id(t), .id = stage_text(name)};
}

/* What it points to is good until the next. */
static struct operation op_create_with(struct stage *t, const char *name, const char *token,
                                       struct grant g)
{
    static uint8_t hash[TOKEN_HASH_SIZE];
    static struct buffer grant;
    struct operation op = op_on(t, OPERATION_TOKEN_CREATE, name);

    token_hash(stage_text(token), hash);
    buffer_free(&grant);
    grant = (struct buffer){0};
    grant_write(&grant, &g);
    op.secret = (struct slice){hash, sizeof hash};
    op.n_tokens = 1;
    op.tokens = (struct slice){grant.data, grant.len};
    return op;
}

static struct operation op_create(struct stage *t, const char *name, const char *token,
                                  enum role role, const char *routes, const char *prefix)
{
    struct grant g = {role, stage_text(routes), stage_text(prefix), {0}};

    return op_create_with(t, name, token, g);
}

static struct operation op_authorize(struct stage *t, bool on)
{
    struct operation op = op_on(t, OPERATION_AUTHORIZE, "");

    op.on = on;
    return op;
}

static struct stage_message *send_by(struct stage *t, const char *token, struct operation op)
{
    struct stage_message *m = stage_message_by(token, &op, 1, 0);

    scheduler_submit(t->s, &m->in);
    return m;
}

static struct stage_message *ask_by(struct stage *t, const char *token, struct operation op)
{
    struct stage_message *m = send_by(t, token, op);

    stage_settle(t);
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    return m;
}

static int error_by(struct stage *t, const char *token, struct operation op)
{
    struct stage_message *m = ask_by(t, token, op);
    int error = m->results[0].error;

    stage_message_free(m);
    return error;
}

/* A leader with the order "a" on route "r", authorisation on: root is its admin, shop a producer of
 * it, for ids that begin with "s". */
static void open_guarded(struct stage *t)
{
    stage_with_order(t);
    assert_int_equal(error_by(t, NULL, op_create(t, "root", ROOT, ROLE_ADMIN, ALL, "")), 0);
    assert_int_equal(error_by(t, NULL, op_create(t, "shop", SHOP, ROLE_PRODUCER, "r", "s")), 0);
    assert_int_equal(error_by(t, ROOT, op_authorize(t, true)), ORDERSCHED_OK);
    assert_true(t->s->machine.grants.on);
}

static void close_guarded(struct stage *t)
{
    stage_pass(t, 0);
    stage_close(t);
}

static void what_is_denied_is_not_in_the_log_and_says_what_is_missing(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    struct stage_message *m = ask_by(&t, SHOP, op_schedule(&t, "s1", 60000));
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    stage_message_free(m);
    m = send_by(&t, SHOP, op_on(&t, OPERATION_ROUTE_DELETE, "r"));
    assert_int_equal(m->in.n_logged, 0);
    assert_int_equal(m->replies, 0); /* it waits as a read does: this leader may be none any more */
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_DENIED);
    assert_non_null(strstr(m->first_body, "role admin"));
    stage_message_free(m);
    m = ask_by(&t, SHOP, op_schedule(&t, "x", 60000));
    assert_int_equal(m->results[0].error, ORDERSCHED_DENIED);
    assert_non_null(strstr(m->first_body, "order ids"));
    stage_message_free(m);
    m = ask_by(&t, NULL, op_schedule(&t, "s2", 60000));
    assert_non_null(strstr(m->first_body, "no token was stated"));
    stage_message_free(m);
    m = ask_by(&t, "osdt_guess", op_schedule(&t, "s2", 60000));
    assert_non_null(strstr(m->first_body, "not known"));
    stage_message_free(m);
    assert_int_equal(stage_state_of(&t, "s2"), ORDERSCHED_STATE_NONE);
    close_guarded(&t);
}

static void a_leader_that_was_deposed_denies_nothing(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    struct stage_message *m = send_by(&t, "osdt_new", op_schedule(&t, "s1", 60000));
    (void)stage_run(&t);
    assert_int_equal(m->replies, 0);
    stage_changed(&t, REPLICA_FOLLOWER, 4);
    fake_replica_lose_all(t.r);
    (void)stage_run(&t);
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->answer.error, ORDERSCHED_NOT_LEADER);
    stage_message_free(m);
    close_guarded(&t);
}

static void what_was_denied_and_is_not_any_more_is_to_be_repeated(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    struct stage_message *made = send_by(&t, ROOT,
                                         op_create(&t, "new", "osdt_new", ROLE_PRODUCER, ALL, ""));
    struct stage_message *m = send_by(&t, "osdt_new", op_schedule(&t, "s1", 60000));
    stage_settle(&t);
    assert_int_equal(made->results[0].error, ORDERSCHED_OK);
    assert_int_equal(m->results[0].error, ORDERSCHED_BUSY);
    stage_message_free(made);
    stage_message_free(m);
    assert_int_equal(error_by(&t, "osdt_new", op_schedule(&t, "s1", 60000)), ORDERSCHED_OK);
    close_guarded(&t);
}

static void what_is_let_in_is_decided_by_the_log(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    struct stage_message *before = send_by(&t, SHOP, op_schedule(&t, "s1", 60000));
    struct stage_message *gone = send_by(&t, ROOT, op_on(&t, OPERATION_GRANT_REVOKE, "shop"));
    struct stage_message *behind = send_by(&t, SHOP, op_schedule(&t, "s2", 60000));
    assert_int_equal(behind->in.n_logged, 1);
    stage_settle(&t);
    assert_int_equal(before->results[0].error, ORDERSCHED_OK);
    assert_int_equal(gone->results[0].error, ORDERSCHED_OK);
    assert_int_equal(behind->results[0].error, ORDERSCHED_DENIED);
    assert_non_null(strstr(behind->first_body, "revoked"));
    assert_int_equal(stage_state_of(&t, "s1"), ORDERSCHED_PENDING);
    assert_int_equal(stage_state_of(&t, "s2"), ORDERSCHED_STATE_NONE);
    stage_message_free(before);
    stage_message_free(gone);
    stage_message_free(behind);
    close_guarded(&t);
}

static void in_one_message_each_operation_is_decided_alone(void **state)
{
    struct stage t;
    struct stage_message *m;

    (void)state;
    open_guarded(&t);
    struct operation ops[] = {op_schedule(&t, "s1", 60000),
                              op_schedule(&t, "x1", 60000),
                              op_get("s1"),
                              op_on(&t, OPERATION_DEAD_DROP, "s1"),
                              op_get("a"),
                              {.code = OPERATION_STATUS}};
    m = stage_message_by(SHOP, ops, 6, 0);
    scheduler_submit(t.s, &m->in);
    stage_settle(&t);
    assert_int_equal(m->answer.n_results, 6);
    static const int errors[] = {ORDERSCHED_OK,     ORDERSCHED_DENIED, ORDERSCHED_OK,
                                 ORDERSCHED_DENIED, ORDERSCHED_DENIED, ORDERSCHED_DENIED};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(m->results[i].error, errors[i]);
    }
    assert_int_equal(m->results[2].state, ORDERSCHED_PENDING);
    stage_message_free(m);
    close_guarded(&t);
}

static void reads_are_decided_by_the_state_that_is_read(void **state)
{
    static const enum operation_code codes[] = {
        OPERATION_STATUS, OPERATION_LIST,        OPERATION_DEAD_LIST,  OPERATION_ROUTE_LIST,
        OPERATION_DIGEST, OPERATION_MEMBER_LIST, OPERATION_GRANT_LIST,
    };
    struct stage t;

    (void)state;
    open_guarded(&t);
    assert_int_equal(error_by(&t, ROOT, op_create(&t, "eye", "osdt_eye", ROLE_OBSERVER, ALL, "")),
                     0);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct operation op = {.code = codes[i]};
        int eye = codes[i] == OPERATION_GRANT_LIST ? ORDERSCHED_DENIED : ORDERSCHED_OK;
        assert_int_equal(error_by(&t, SHOP, op), ORDERSCHED_DENIED);
        assert_int_equal(error_by(&t, NULL, op), ORDERSCHED_DENIED);
        assert_int_equal(error_by(&t, "osdt_eye", op), eye);
        assert_int_equal(error_by(&t, ROOT, op), ORDERSCHED_OK);
        /* the same where it is local */
        struct stage_message *m = stage_message_by(NULL, &op, 1, PROTOCOL_LOCAL);
        scheduler_submit(t.s, &m->in);
        (void)stage_run(&t);
        assert_int_equal(m->results[0].error, ORDERSCHED_DENIED);
        stage_message_free(m);
    }
    /* A read behind a revocation is denied, though its token was good when it came. */
    struct stage_message *gone = send_by(&t, ROOT, op_on(&t, OPERATION_GRANT_REVOKE, "eye"));
    struct stage_message *m = send_by(&t, "osdt_eye", op_get("a"));
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_DENIED);
    stage_message_free(gone);
    stage_message_free(m);
    close_guarded(&t);
}

static void an_order_that_may_not_be_seen_reads_as_none(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    assert_int_equal(error_by(&t, ROOT, op_route(&t, "other")), ORDERSCHED_OK);
    struct operation theirs = op_schedule(&t, "s-theirs", 60000);
    theirs.route = stage_text("other");
    assert_int_equal(error_by(&t, ROOT, theirs), ORDERSCHED_OK);
    struct stage_message *there = ask_by(&t, SHOP, op_get("s-theirs"));
    struct stage_message *none = ask_by(&t, SHOP, op_get("s-none"));
    assert_int_equal(none->results[0].error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(there->results[0].error, ORDERSCHED_NOT_FOUND);
    assert_int_equal(there->results[0].state, none->results[0].state);
    assert_int_equal(there->results[0].deadline_ms, 0);
    assert_int_equal(there->results[0].body.len, none->results[0].body.len);
    stage_message_free(there);
    stage_message_free(none);
    close_guarded(&t);
}

static void beside_the_log_the_leader_decides(void **state)
{
    struct operation transfer = {.code = OPERATION_TRANSFER, .node_id = 2};
    struct operation reserve = {.code = OPERATION_RESERVE, .limit = 1};
    struct stage t;

    (void)state;
    open_guarded(&t);
    reserve.route = stage_text("r");
    assert_int_equal(error_by(&t, SHOP, transfer), ORDERSCHED_DENIED);
    assert_int_equal(error_by(&t, NULL, transfer), ORDERSCHED_DENIED);
    assert_int_equal(t.r->transferred, 0);
    assert_int_equal(error_by(&t, SHOP, reserve), ORDERSCHED_DENIED);
    assert_int_equal(error_by(&t, ROOT, op_create(&t, "w", "osdt_w", ROLE_WORKER, "r", "")),
                     ORDERSCHED_OK);
    assert_int_equal(error_by(&t, "osdt_w", reserve),
                     ORDERSCHED_INVALID); /* it is no worker's route */
    reserve.route = stage_text("other");
    assert_int_equal(error_by(&t, "osdt_w", reserve), ORDERSCHED_DENIED);
    assert_int_equal(error_by(&t, "osdt_w", transfer), ORDERSCHED_DENIED);
    close_guarded(&t);
}

static void a_greeting_needs_no_token(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    struct stage_message *m = stage_message_new(NULL, 0, 0);
    scheduler_submit(t.s, &m->in);
    assert_int_equal(m->answer.error, ORDERSCHED_OK);
    stage_message_free(m);
    close_guarded(&t);
}

static void a_token_must_be_good_though_nothing_is_decided_by_it(void **state)
{
    struct stage t;

    (void)state;
    stage_with_order(&t);
    assert_int_equal(error_by(&t, NULL, op_create(&t, "root", ROOT, ROLE_ADMIN, ALL, "")), 0);
    assert_int_equal(error_by(&t, NULL, op_get("a")), ORDERSCHED_OK);
    assert_int_equal(error_by(&t, ROOT, op_get("a")), ORDERSCHED_OK);
    assert_int_equal(error_by(&t, "osdt_guess", op_get("a")), ORDERSCHED_DENIED);
    assert_int_equal(error_by(&t, "osdt_guess", op_schedule(&t, "b", 60000)), ORDERSCHED_DENIED);
    assert_int_equal(error_by(&t, NULL, op_authorize(&t, true)), ORDERSCHED_DENIED);
    assert_int_equal(error_by(&t, NULL, op_on(&t, OPERATION_GRANT_REVOKE, "root")), ORDERSCHED_OK);
    assert_int_equal(error_by(&t, NULL, op_authorize(&t, true)), ORDERSCHED_NO_ADMIN);
    close_guarded(&t);
}

/* --- quotas --- */

#define LIMITED "osdt_limited"

static void open_limited(struct stage *t, struct quota quota)
{
    struct grant g = {ROLE_PRODUCER, stage_text(ALL), stage_text(""), quota};

    open_guarded(t);
    assert_int_equal(error_by(t, ROOT, op_create_with(t, "limited", LIMITED, g)), ORDERSCHED_OK);
}

static void what_is_over_a_rate_is_not_in_the_log_and_says_when_to_come_again(void **state)
{
    struct stage t;

    (void)state;
    open_limited(&t, (struct quota){4, 0, 0});
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(error_by(&t, LIMITED, op_on(&t, OPERATION_PAY, "none")),
                         ORDERSCHED_NOT_FOUND);
    }
    struct stage_message *m = send_by(&t, LIMITED, op_schedule(&t, "b", 60000));
    assert_int_equal(m->in.n_logged, 0);
    assert_int_equal(m->replies, 0); /* a commit has to show that this leader leads */
    stage_settle(&t);
    assert_int_equal(m->replies, 1);
    assert_int_equal(m->results[0].error, ORDERSCHED_QUOTA);
    uint64_t wait_ms = m->results[0].remaining_ms;
    assert_in_range(wait_ms, 1, 250);
    assert_non_null(strstr(m->first_body, "grant 1"));
    assert_non_null(strstr(m->first_body, "come again in"));
    stage_message_free(m);
    stage_pass(&t, wait_ms);
    assert_int_equal(error_by(&t, LIMITED, op_schedule(&t, "b", 60000)), ORDERSCHED_OK);
    close_guarded(&t);
}

static void no_more_of_a_rate_is_let_into_the_log_than_it_allows(void **state)
{
    struct stage_message *m[6];
    struct stage t;

    (void)state;
    open_limited(&t, (struct quota){4, 0, 0});
    for (unsigned i = 0; i < 6; i++) { /* nothing of them is applied yet */
        m[i] = send_by(&t, LIMITED, op_on(&t, OPERATION_PAY, "none"));
        assert_int_equal(m[i]->in.n_logged, i < 4);
    }
    stage_settle(&t);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(m[i]->results[0].error, i < 4 ? ORDERSCHED_NOT_FOUND : ORDERSCHED_QUOTA);
        stage_message_free(m[i]);
    }
    close_guarded(&t);
}

static void the_log_decides_what_was_let_in_over_a_quota(void **state)
{
    struct stage t;

    (void)state;
    open_limited(&t, (struct quota){0, 1, 0});
    struct stage_message *first = send_by(&t, LIMITED, op_schedule(&t, "b", 60000));
    struct stage_message *second = send_by(&t, LIMITED, op_schedule(&t, "c", 60000));
    assert_int_equal(second->in.n_logged, 1); /* there was room when it came */
    stage_settle(&t);
    assert_int_equal(first->results[0].error, ORDERSCHED_OK);
    assert_int_equal(second->results[0].error, ORDERSCHED_QUOTA);
    assert_non_null(strstr(second->first_body, "pending orders"));
    assert_int_equal(second->results[0].remaining_ms, 0);
    stage_message_free(first);
    stage_message_free(second);
    second = send_by(&t, LIMITED, op_schedule(&t, "c", 60000));
    assert_int_equal(second->in.n_logged, 0);
    stage_settle(&t);
    assert_int_equal(second->results[0].error, ORDERSCHED_QUOTA);
    assert_non_null(strstr(second->first_body, "pending orders"));
    stage_message_free(second);
    assert_int_equal(error_by(&t, LIMITED, op_on(&t, OPERATION_PAY, "b")), ORDERSCHED_OK);
    assert_int_equal(error_by(&t, LIMITED, op_schedule(&t, "c", 60000)), ORDERSCHED_OK);
    close_guarded(&t);
}

static void a_copy_gets_its_answer_whatever_the_quota(void **state)
{
    struct stage t;

    (void)state;
    open_limited(&t, (struct quota){1, 1, 0});
    struct operation make = op_schedule(&t, "b", 60000);
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    memcpy(id, make.request_id, sizeof id);
    make.request_id = id;
    assert_int_equal(error_by(&t, LIMITED, make), ORDERSCHED_OK);
    assert_int_equal(error_by(&t, LIMITED, op_on(&t, OPERATION_PAY, "b")), ORDERSCHED_QUOTA);
    assert_int_equal(error_by(&t, LIMITED, make), ORDERSCHED_OK);
    assert_int_equal(error_by(&t, LIMITED, op_get("b")), ORDERSCHED_OK); /* reads are not counted */
    close_guarded(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_denied_is_not_in_the_log_and_says_what_is_missing),
        cmocka_unit_test(a_leader_that_was_deposed_denies_nothing),
        cmocka_unit_test(what_was_denied_and_is_not_any_more_is_to_be_repeated),
        cmocka_unit_test(what_is_let_in_is_decided_by_the_log),
        cmocka_unit_test(in_one_message_each_operation_is_decided_alone),
        cmocka_unit_test(reads_are_decided_by_the_state_that_is_read),
        cmocka_unit_test(an_order_that_may_not_be_seen_reads_as_none),
        cmocka_unit_test(beside_the_log_the_leader_decides),
        cmocka_unit_test(a_greeting_needs_no_token),
        cmocka_unit_test(what_is_over_a_rate_is_not_in_the_log_and_says_when_to_come_again),
        cmocka_unit_test(no_more_of_a_rate_is_let_into_the_log_than_it_allows),
        cmocka_unit_test(the_log_decides_what_was_let_in_over_a_quota),
        cmocka_unit_test(a_copy_gets_its_answer_whatever_the_quota),
        cmocka_unit_test(a_token_must_be_good_though_nothing_is_decided_by_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
