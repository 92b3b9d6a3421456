/* test_scheduler_audit.c - what a leader notes in the audit trail: what it denies before it is in the log,
 * and what it does beside it (docs/security.md, "The audit trail"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/principal.h"
#include "../../../client/wire/token.h"
#include "../../support/scheduler/scheduler_stage.h"

#define ROOT "osdt_root"
#define SHOP "osdt_shop"
#define HERE "192.0.2.7"

static struct stage_message *send_from(struct stage *t, const char *token, const char *from,
                                       struct operation op)
{
    struct stage_message *m = stage_message_by(token, &op, 1, 0);

    m->in.caller.from = stage_text(from);
    scheduler_submit(t->s, &m->in);
    return m;
}

static int error_from(struct stage *t, const char *token, const char *from, struct operation op)
{
    struct stage_message *m = send_from(t, token, from, op);

    stage_settle(t);
    assert_int_equal(m->replies, 1);
    int error = m->results[0].error;
    stage_message_free(m);
    return error;
}

static struct operation create(struct stage *t, const char *name, const char *token, enum role role)
{
    static uint8_t hash[TOKEN_HASH_SIZE];
    static struct buffer grant;

    token_hash(stage_text(token), hash);
    buffer_reset(&grant);
    grant_write(&grant, &(struct grant){role, stage_text("*"), stage_text(""), {0}});
    return (struct operation){.code = OPERATION_TOKEN_CREATE,
                              .request_id = stage_request_id(t),
                              .id = stage_text(name),
                              .secret = {hash, sizeof hash},
                              .n_tokens = 1,
                              .tokens = {grant.data, grant.len}};
}

static struct operation on_route(struct stage *t, enum operation_code code)
{
    return (
        struct operation){.code = code, .request_id = stage_request_id(t), .id = stage_text("r")};
}

/* Authorisation is on; what made it so is not told whence, and so left no row. */
static void open_guarded(struct stage *t)
{
    struct operation on = {.code = OPERATION_AUTHORIZE, .on = true};

    stage_with_order(t);
    on.request_id = stage_request_id(t);
    struct stage_message *m = stage_send(t, create(t, "root", ROOT, ROLE_ADMIN));
    stage_settle(t);
    stage_message_free(m);
    m = stage_send(t, create(t, "shop", SHOP, ROLE_PRODUCER));
    stage_settle(t);
    stage_message_free(m);
    m = stage_message_by(ROOT, &on, 1, 0);
    scheduler_submit(t->s, &m->in);
    stage_settle(t);
    stage_message_free(m);
    assert_true(t->s->machine.grants.on);
    assert_int_equal(t->s->machine.audit.made, 0);
}

static void close_guarded(struct stage *t)
{
    stage_pass(t, 0);
    stage_close(t);
}

/* The only row behind this one. */
static const struct audit_row *row_behind(const struct stage *t, uint64_t number)
{
    const struct audit_row *row = audit_after(&t->s->machine.audit, number);

    assert_non_null(row);
    assert_null(audit_after(&t->s->machine.audit, row->number));
    return row;
}

static bool is(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static void what_the_log_carries_out_has_its_row(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    assert_int_equal(error_from(&t, ROOT, HERE, on_route(&t, OPERATION_ROUTE_RETRY)),
                     ORDERSCHED_OK);
    const struct audit_row *row = row_behind(&t, 0);
    assert_int_equal(row->code, OPERATION_ROUTE_RETRY);
    assert_true(is(row->name, "root"));
    assert_true(is(row->from, HERE));
    assert_true(is(row->about, "r"));
    close_guarded(&t);
}

static void denials_of_a_caller_are_one_row_and_few_entries(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    unsigned before = t.r->n_ever;
    uint64_t applied = t.r->applied;
    for (unsigned i = 0; i < 50; i++) {
        struct operation op = on_route(&t, OPERATION_ROUTE_DELETE);
        assert_int_equal(error_from(&t, SHOP, HERE, op), ORDERSCHED_DENIED);
    }
    stage_pass(&t, 1000);
    stage_settle(&t);
    const struct audit_row *row = row_behind(&t, 0);
    assert_int_equal(row->error, ORDERSCHED_DENIED);
    assert_int_equal(row->code, OPERATION_ROUTE_DELETE);
    assert_int_equal(row->count, 50);
    assert_true(is(row->name, "shop"));
    assert_true(is(row->from, HERE));
    assert_int_equal(t.s->machine.audit.made, 2); /* the first at once, the others together */
    assert_true(row->index > applied && t.r->n_ever > before);
    close_guarded(&t);
}

static void a_note_that_is_held_up_keeps_nobody_awake(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    scheduler_note_refused(t.s, &(struct caller){.from = stage_text(HERE)}, OPERATION_ROUTE_PUT,
                           ORDERSCHED_DENIED);
    assert_int_equal(scheduler_note_due_us(t.s), 0);
    batcher_end_leadership(&t.s->batcher, ORDERSCHED_NOT_LEADER, NULL); /* so that it may not */
    assert_true(scheduler_note_due_us(t.s) == UINT64_MAX);
    batcher_open(&t.s->batcher);
    close_guarded(&t);
}

static void strangers_of_many_addresses_are_counted_together(void **state)
{
    char from[16];
    struct stage t;

    (void)state;
    open_guarded(&t);
    for (unsigned i = 0; i <= NOTES_MAX + 30; i++) {
        snprintf(from, sizeof from, "10.0.0.%u", i);
        assert_int_equal(error_from(&t, NULL, from, on_route(&t, OPERATION_ROUTE_DELETE)),
                         ORDERSCHED_DENIED);
    }
    stage_pass(&t, 1000);
    stage_settle(&t);
    /* One at once; of the others so many apart, and the rest together. */
    assert_int_equal(t.s->machine.audit.made, 1 + NOTES_MAX + 1);
    const struct audit_row *row = row_behind(&t, t.s->machine.audit.made - 1);
    assert_int_equal(row->count, 30);
    assert_true(is(row->from, ""));
    close_guarded(&t);
}

static void what_nobody_administers_is_denied_without_a_row(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    assert_int_equal(error_from(&t, NULL, HERE, op_schedule(&t, "b", 1000)), ORDERSCHED_DENIED);
    assert_int_equal(error_from(&t, NULL, HERE, op_get("a")), ORDERSCHED_DENIED);
    stage_pass(&t, 1000);
    stage_settle(&t);
    assert_int_equal(t.s->machine.audit.made, 0);
    close_guarded(&t);
}

static void a_member_is_told_removed_once_that_is_noted(void **state)
{
    struct operation remove = {.code = OPERATION_MEMBER_REMOVE, .node_id = 3};
    struct stage t;

    (void)state;
    open_guarded(&t);
    struct stage_message *m = send_from(&t, ROOT, HERE, remove);
    stage_settle(&t);
    fake_replica_change_ends(t.r, ORDERSCHED_OK);
    assert_int_equal(m->replies, 0);
    assert_int_equal(t.s->machine.audit.made, 0);
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_OK);
    assert_int_equal(m->results[0].body.len, 0); /* nothing of what others read */
    assert_int_equal(row_behind(&t, 0)->code, OPERATION_MEMBER_REMOVE);
    stage_message_free(m);
    m = send_from(&t, ROOT, HERE, remove);
    stage_settle(&t);
    fake_replica_change_ends(t.r, ORDERSCHED_MEMBER_CHANGE);
    stage_settle(&t);
    assert_int_equal(m->results[0].error, ORDERSCHED_MEMBER_CHANGE);
    assert_int_equal(row_behind(&t, 1)->error, ORDERSCHED_MEMBER_CHANGE);
    stage_message_free(m);
    close_guarded(&t);
}

/* --- when tokens were last used --- */

#define ELSEWHERE "198.51.100.9"

static const struct token *token_of(const struct stage *t, const char *name)
{
    return &grants_find(&t->s->machine.grants, stage_text(name))->tokens[0];
}

static struct operation reading(void)
{
    return op_get("a");
}

static void a_tokens_use_is_noted_and_not_again_within_an_hour(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    assert_int_equal(token_of(&t, "shop")->used_ms, 0); /* so far it was not told from where */
    assert_int_equal(error_from(&t, SHOP, HERE, reading()), ORDERSCHED_OK);
    uint64_t used_ms = token_of(&t, "shop")->used_ms;
    assert_int_equal(used_ms, t.s->machine.now_ms);
    assert_int_equal(token_of(&t, "shop")->from_len, strlen(HERE));
    assert_memory_equal(token_of(&t, "shop")->from, HERE, strlen(HERE));
    assert_int_equal(token_of(&t, "root")->used_ms, 0);
    stage_pass(&t, 3599000);
    assert_int_equal(error_from(&t, SHOP, HERE, reading()), ORDERSCHED_OK);
    assert_int_equal(token_of(&t, "shop")->used_ms, used_ms);
    stage_pass(&t, 2000);
    assert_int_equal(error_from(&t, SHOP, HERE, reading()), ORDERSCHED_OK);
    assert_in_range(token_of(&t, "shop")->used_ms, used_ms + 3600000, UINT64_MAX);
    close_guarded(&t);
}

static void from_another_address_it_is_noted_within_a_minute(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    assert_int_equal(error_from(&t, SHOP, HERE, reading()), ORDERSCHED_OK);
    stage_pass(&t, 50000);
    assert_int_equal(error_from(&t, SHOP, ELSEWHERE, reading()), ORDERSCHED_OK);
    assert_int_equal(token_of(&t, "shop")->from_len, strlen(HERE));
    stage_pass(&t, 11000);
    assert_int_equal(error_from(&t, SHOP, ELSEWHERE, reading()), ORDERSCHED_OK);
    assert_int_equal(token_of(&t, "shop")->from_len, strlen(ELSEWHERE));
    assert_memory_equal(token_of(&t, "shop")->from, ELSEWHERE, strlen(ELSEWHERE));
    close_guarded(&t);
}

static void the_note_is_in_the_messages_own_entry_and_once(void **state)
{
    struct stage t;

    (void)state;
    open_guarded(&t);
    uint64_t applied = t.r->applied;
    struct stage_message *first = send_from(&t, SHOP, HERE, reading());
    struct stage_message *second = send_from(&t, SHOP, HERE, reading());
    assert_int_equal(t.s->batcher.n_internal, 1);
    stage_settle(&t);
    assert_in_range(t.r->applied, applied + 1, applied + 2);
    stage_message_free(first);
    stage_message_free(second);
    /* what is no token of anybody's leaves nothing */
    assert_int_equal(error_from(&t, "osdt_guess", HERE, reading()), ORDERSCHED_DENIED);
    assert_int_equal(t.s->batcher.n_internal, 0);
    close_guarded(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_log_carries_out_has_its_row),
        cmocka_unit_test(denials_of_a_caller_are_one_row_and_few_entries),
        cmocka_unit_test(a_note_that_is_held_up_keeps_nobody_awake),
        cmocka_unit_test(strangers_of_many_addresses_are_counted_together),
        cmocka_unit_test(what_nobody_administers_is_denied_without_a_row),
        cmocka_unit_test(a_member_is_told_removed_once_that_is_noted),
        cmocka_unit_test(a_tokens_use_is_noted_and_not_again_within_an_hour),
        cmocka_unit_test(from_another_address_it_is_noted_within_a_minute),
        cmocka_unit_test(the_note_is_in_the_messages_own_entry_and_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
