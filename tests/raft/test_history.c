/* test_history.c - the history of one order: what it keeps, what it drops, how large it gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/history.h"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void add(struct history **h, uint32_t attempt, const char *reason)
{
    history_add(h, &(struct history_event){
                       .kind = HISTORY_ATTEMPT,
                       .time_ms = 1000 + attempt,
                       .index = 7,
                       .node = 3,
                       .attempt = attempt,
                       .outcome = OUTCOME_FAILED,
                       .value = UINT64_MAX,
                       .reason = text(reason),
                   });
}

/* The attempt of the event number `i` of those kept. */
static uint32_t attempt_at(const struct history *h, unsigned i, struct history_event *e)
{
    struct slice left = history_events(h);
    size_t used = 0;

    for (unsigned k = 0; k <= i; k++) {
        left.data += used;
        left.len -= used;
        assert_int_equal(history_event_decode(left.data, left.len, e, &used), ORDERSCHED_OK);
    }
    return e->attempt;
}

static void an_order_to_which_nothing_happened_has_none(void **state)
{
    struct history *h = NULL;

    (void)state;
    assert_int_equal(history_memory(h), 0);
    assert_int_equal(history_reason(h).len, 0);
    assert_int_equal(history_events(h).len, 0);
    assert_int_equal(history_latest_ms(h), 0);
    history_set_reason(&h, text(""));
    assert_null(h);
}

static void events_are_kept_in_their_order_with_all_they_say(void **state)
{
    struct history *h = NULL;
    struct history_event e;

    (void)state;
    add(&h, 1, "one");
    add(&h, 2, "");
    assert_int_equal(h->n, 2);
    assert_int_equal(attempt_at(h, 0, &e), 1);
    assert_int_equal(e.kind, HISTORY_ATTEMPT);
    assert_int_equal(e.time_ms, 1001);
    assert_int_equal(e.index, 7);
    assert_int_equal(e.node, 3);
    assert_int_equal(e.outcome, OUTCOME_FAILED);
    assert_true(e.value == UINT64_MAX);
    assert_int_equal(e.reason.len, 3);
    assert_memory_equal(e.reason.data, "one", 3);
    assert_int_equal(attempt_at(h, 1, &e), 2);
    assert_int_equal(history_latest_ms(h), 1002);
    free(h);
}

static void of_too_many_the_first_and_the_latest_are_kept(void **state)
{
    struct history *h = NULL;
    struct history_event e;

    (void)state;
    for (uint32_t i = 1; i <= 1000; i++) {
        add(&h, i, "x");
        assert_true(h->n <= HISTORY_EVENTS_MAX);
    }
    assert_int_equal(h->n, HISTORY_EVENTS_MAX);
    assert_int_equal(h->dropped, 1000 - HISTORY_EVENTS_MAX);
    for (unsigned i = 0; i < HISTORY_HEAD; i++) {
        assert_int_equal(attempt_at(h, i, &e), i + 1);
    }
    for (unsigned i = HISTORY_HEAD; i < HISTORY_EVENTS_MAX; i++) {
        assert_int_equal(attempt_at(h, i, &e), 1000 - HISTORY_EVENTS_MAX + i + 1);
    }
    free(h);
}

static void reasons_are_cut_between_characters(void **state)
{
    char reason[3 * PROTOCOL_REASON_MAX + 1];
    struct history *h = NULL;
    struct history_event e;

    (void)state;
    for (unsigned i = 0; i < PROTOCOL_REASON_MAX; i++) {
        memcpy(reason + 3 * i, "\xe2\x82\xac", 4); /* the euro sign */
    }
    add(&h, 1, reason);
    attempt_at(h, 0, &e);
    assert_int_equal(e.reason.len, HISTORY_REASON_MAX / 3 * 3);
    history_set_reason(&h, text(reason));
    assert_int_equal(history_reason(h).len, PROTOCOL_REASON_MAX / 3 * 3);
    assert_memory_equal(history_reason(h).data, reason, PROTOCOL_REASON_MAX / 3 * 3);
    assert_int_equal(attempt_at(h, 0, &e), 1); /* the events are as they were */
    history_set_reason(&h, text(""));
    assert_int_equal(history_reason(h).len, 0);
    assert_int_equal(h->n, 1);
    free(h);
}

static void the_largest_history_has_its_bound(void **state)
{
    char reason[HISTORY_REASON_MAX + 1];
    struct history *h = NULL;

    (void)state;
    memset(reason, 'r', HISTORY_REASON_MAX);
    reason[HISTORY_REASON_MAX] = '\0';
    for (unsigned i = 0; i < 2 * HISTORY_EVENTS_MAX; i++) {
        history_add(&h, &(struct history_event){
                            .kind = HISTORY_ATTEMPT,
                            .time_ms = UINT64_MAX,
                            .index = UINT64_MAX,
                            .node = UINT64_MAX,
                            .attempt = UINT32_MAX,
                            .outcome = UINT8_MAX,
                            .value = UINT64_MAX,
                            .reason = text(reason),
                        });
    }
    assert_true(history_events(h).len <= HISTORY_EVENTS_MAX * HISTORY_EVENT_BYTES_MAX);
    assert_true(history_memory(h) <= 2048);
    free(h);
}

static void a_history_is_restored_only_from_sound_parts(void **state)
{
    struct history *h = NULL;
    struct history *copy = NULL;

    (void)state;
    add(&h, 1, "one");
    add(&h, 2, "two");
    history_set_reason(&h, text("two"));
    assert_true(history_restore(&copy, 0, history_reason(h), 2, history_events(h)));
    assert_int_equal(history_memory(copy), history_memory(h));
    assert_memory_equal(copy, h, history_memory(h));
    struct slice events = history_events(h);
    assert_false(history_restore(&copy, 0, history_reason(h), 1, events)); /* bytes too many */
    assert_false(history_restore(&copy, 0, history_reason(h), 3, events)); /* too few */
    assert_false(
        history_restore(&copy, 5, history_reason(h), 2, events)); /* a gap in a short one */
    events.len--;
    assert_false(history_restore(&copy, 0, history_reason(h), 2, events));
    struct buffer due = {0};
    history_event_encode(&due, &(struct history_event){.kind = HISTORY_DUE});
    assert_false(history_restore(&copy, 0, text(""), 1, (struct slice){due.data, due.len}));
    buffer_free(&due);
    free(copy);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_to_which_nothing_happened_has_none),
        cmocka_unit_test(events_are_kept_in_their_order_with_all_they_say),
        cmocka_unit_test(of_too_many_the_first_and_the_latest_are_kept),
        cmocka_unit_test(reasons_are_cut_between_characters),
        cmocka_unit_test(the_largest_history_has_its_bound),
        cmocka_unit_test(a_history_is_restored_only_from_sound_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
