/* test_order.c - one order: what it holds, what it may become, what it remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../raft/core/order.h"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static const struct slice no_traceparent;

static struct order *make(void)
{
    struct order *o = order_new(NULL, text("order-1"), text("payload"), no_traceparent);
    assert_non_null(o);
    return o;
}

static struct order_request request(unsigned number)
{
    struct order_request r;
    memset(&r, 0, sizeof r);
    memset(r.id, 0x11, sizeof r.id);
    r.id[sizeof r.id - 1] = (uint8_t)number;
    r.index = 1000 + number;
    r.deadline_ms = 2000 + number;
    r.error = ORDERSCHED_TOO_LATE;
    r.state = ORDERSCHED_CLOSING;
    return r;
}

/* Does order_move abort? It is tried in a child, which says nothing. */
static bool move_aborts(int from, int to)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* not cmocka's */
        struct order *o = order_new(NULL, text("o"), text(""), no_traceparent);
        if (o == NULL) {
            _exit(2);
        }
        o->state = (uint8_t)from;
        order_move(o, (enum ordersched_state)to);
        _exit(o->state == to ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGABRT);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

/* --- lists --- */

static void a_list_keeps_its_order_from_both_ends(void **state)
{
    (void)state;
    struct link head;
    struct link a = {NULL, NULL}, b = {NULL, NULL}, c = {NULL, NULL};
    link_head_init(&head);
    assert_true(link_empty(&head));
    assert_false(link_linked(&a));
    link_append(&head, &b);
    link_append(&head, &c);
    link_prepend(&head, &a);
    struct link *expected[] = {&head, &a, &b, &c, &head};
    for (unsigned i = 0; i < 4; i++) {
        assert_ptr_equal(expected[i]->next, expected[i + 1]);
        assert_ptr_equal(expected[i + 1]->prev, expected[i]);
    }
    assert_false(link_empty(&head));
    assert_true(link_linked(&b));
}

static void what_is_taken_off_a_list_is_unlinked_and_its_neighbours_meet(void **state)
{
    (void)state;
    struct link head;
    struct link a = {NULL, NULL}, b = {NULL, NULL}, c = {NULL, NULL};
    link_head_init(&head);
    link_append(&head, &a);
    link_append(&head, &b);
    link_append(&head, &c);
    link_remove(&b);
    assert_false(link_linked(&b));
    assert_ptr_equal(a.next, &c);
    assert_ptr_equal(c.prev, &a);
    link_remove(&a);
    link_remove(&c);
    assert_true(link_empty(&head));
    assert_ptr_equal(head.prev, &head);
    link_append(&head, &b); /* may come back */
    assert_ptr_equal(head.next, &b);
}

/* --- the record --- */

static void a_new_order_is_pending_and_holds_copies_of_id_and_payload(void **state)
{
    (void)state;
    char id[] = "some id";
    char payload[] = "some payload";
    struct order *o = order_new(NULL, text(id), text(payload), no_traceparent);
    assert_non_null(o);
    memset(id, '-', sizeof id);
    memset(payload, '-', sizeof payload);
    assert_int_equal(o->id_len, 7);
    assert_memory_equal(order_id(o), "some id", 7);
    assert_int_equal(o->payload_len, 12);
    assert_memory_equal(order_payload(o), "some payload", 12);
    assert_int_equal(o->state, ORDERSCHED_PENDING);
    struct order blank;
    memset(&blank, 0, sizeof blank);
    blank.state = ORDERSCHED_PENDING;
    blank.id_len = 7;
    blank.payload_len = 12;
    assert_memory_equal(o, &blank, offsetof(struct order, bytes));
    order_free(NULL, o);
}

static void the_longest_id_and_payload_fit_and_both_may_be_any_bytes(void **state)
{
    (void)state;
    static uint8_t id[ORDERSCHED_ID_MAX];
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX];
    memset(id, 0, sizeof id);
    memset(payload, 0xff, sizeof payload);
    struct order *o = order_new(NULL, (struct slice){id, sizeof id},
                                (struct slice){payload, sizeof payload}, no_traceparent);
    assert_non_null(o);
    assert_int_equal(o->id_len, sizeof id);
    assert_int_equal(o->payload_len, sizeof payload);
    assert_memory_equal(order_id(o), id, sizeof id);
    assert_memory_equal(order_payload(o), payload, sizeof payload);
    order_free(NULL, o);
}

static void a_traceparent_stands_behind_the_longest_payload(void **state)
{
    (void)state;
    static uint8_t payload[ORDERSCHED_PAYLOAD_MAX], traceparent[PROTOCOL_TRACEPARENT_SIZE];
    memset(payload, 0xff, sizeof payload);
    memset(traceparent, 0x7f, sizeof traceparent);
    struct order *o = order_new(NULL, text("x"), (struct slice){payload, sizeof payload},
                                (struct slice){traceparent, sizeof traceparent});
    assert_non_null(o);
    assert_int_equal(o->payload_len, sizeof payload);
    assert_memory_equal(order_payload(o), payload, sizeof payload);
    assert_memory_equal(order_traceparent(o), traceparent, sizeof traceparent);
    order_free(NULL, o);
    o = order_new(NULL, text("x"), (struct slice){NULL, 0},
                  (struct slice){traceparent, sizeof traceparent});
    assert_non_null(o);
    assert_int_equal(o->payload_len, 0);
    assert_memory_equal(order_traceparent(o), traceparent, sizeof traceparent);
    assert_int_equal(order_memory(o), slab_size(ORDER_RECORD_SIZE + 1 + sizeof traceparent));
    order_free(NULL, o);
    o = make();
    assert_null(order_traceparent(o));
    order_free(NULL, o);
}

static void an_order_without_payload_is_an_order(void **state)
{
    (void)state;
    struct order *o = order_new(NULL, text("x"), (struct slice){NULL, 0}, no_traceparent);
    assert_non_null(o);
    assert_int_equal(o->payload_len, 0);
    assert_int_equal(order_memory(o), slab_size(ORDER_RECORD_SIZE + 1));
    order_free(NULL, o);
    order_free(NULL, NULL);
}

static void the_extra_part_is_made_once_and_remembers_the_first_deadline(void **state)
{
    (void)state;
    struct order *o = make();
    o->deadline_ms = 500;
    struct order_extra *extra = order_extra(o);
    assert_non_null(extra);
    o->deadline_ms = 900;
    assert_ptr_equal(order_extra(o), extra);
    assert_int_equal(extra->first_deadline_ms, 500);
    assert_int_equal(extra->attempts, 0);
    assert_int_equal(extra->next_ms, 0);
    order_free(NULL, o);
}

static void the_memory_of_an_order_counts_all_its_parts(void **state)
{
    (void)state;
    struct order *o = make();
    size_t plain = slab_size(ORDER_RECORD_SIZE + strlen("order-1") + strlen("payload"));
    assert_int_equal(order_memory(o), plain);
    assert_non_null(order_extra(o));
    assert_int_equal(order_memory(o), plain + sizeof(struct order_extra));
    struct order_request r = request(1);
    order_add_request(o, &r);
    assert_int_equal(order_memory(o),
                     plain + sizeof(struct order_extra) + o->extra->cap_requests * sizeof r);
    assert_true(o->extra->cap_requests >= 1);
    order_free(NULL, o);
}

/* --- states --- */

static void a_pending_order_is_closing_from_its_deadline_on(void **state)
{
    (void)state;
    struct order *o = make();
    o->deadline_ms = 1000;
    assert_int_equal(order_state(o, 999), ORDERSCHED_PENDING);
    assert_int_equal(order_state(o, 1000), ORDERSCHED_CLOSING);
    assert_int_equal(order_state(o, UINT64_MAX), ORDERSCHED_CLOSING);
    static const int others[] = {ORDERSCHED_PAID, ORDERSCHED_CANCELLED, ORDERSCHED_EXPIRED,
                                 ORDERSCHED_DEAD};
    for (unsigned i = 0; i < 4; i++) {
        o->state = (uint8_t)others[i];
        assert_int_equal(order_state(o, 999), others[i]);
        assert_int_equal(order_state(o, 1001), others[i]);
    }
    order_free(NULL, o);
}

static void the_wheel_waits_for_the_deadline_and_then_for_the_next_attempt(void **state)
{
    (void)state;
    struct order *o = make();
    o->deadline_ms = 1000;
    assert_int_equal(order_time_ms(o), 1000);
    o->due = 1;
    assert_int_equal(order_time_ms(o), 0);
    assert_non_null(order_extra(o));
    assert_int_equal(order_time_ms(o), 0);
    o->extra->next_ms = 7000;
    assert_int_equal(order_time_ms(o), 7000);
    o->due = 0;
    assert_int_equal(order_time_ms(o), 1000);
    order_free(NULL, o);
}

static void paid_cancelled_and_expired_are_terminal_and_nothing_else_is(void **state)
{
    (void)state;
    struct order *o = make();
    for (int s = 0; s <= ORDERSCHED_DEAD; s++) {
        o->state = (uint8_t)s;
        bool terminal = s == ORDERSCHED_PAID || s == ORDERSCHED_CANCELLED ||
                        s == ORDERSCHED_EXPIRED;
        assert_int_equal(order_is_terminal(o), terminal);
    }
    order_free(NULL, o);
}

static void only_pending_and_dead_orders_move_and_only_where_they_may(void **state)
{
    (void)state;
    for (int from = 0; from <= ORDERSCHED_DEAD + 1; from++) {
        for (int to = 0; to <= ORDERSCHED_DEAD + 1; to++) {
            bool ends = from == ORDERSCHED_PENDING &&
                        (to == ORDERSCHED_PAID || to == ORDERSCHED_CANCELLED ||
                         to == ORDERSCHED_EXPIRED || to == ORDERSCHED_DEAD);
            bool allowed = ends || (from == ORDERSCHED_DEAD &&
                                    (to == ORDERSCHED_PENDING || to == ORDERSCHED_CANCELLED));
            if (move_aborts(from, to) == allowed) {
                fail_msg("%d -> %d is %s", from, to, allowed ? "refused" : "allowed");
            }
        }
    }
}

/* --- requests --- */

static void the_schedules_own_request_is_answered_without_being_recorded(void **state)
{
    (void)state;
    struct order *o = make();
    struct order_request scratch;
    memset(o->schedule_request, 0x5a, sizeof o->schedule_request);
    o->deadline_ms = 1000;
    const struct order_request *found = order_find_request(o, o->schedule_request, &scratch);
    assert_ptr_equal(found, &scratch);
    assert_memory_equal(found->id, o->schedule_request, sizeof found->id);
    assert_int_equal(found->index, 0);
    assert_int_equal(found->deadline_ms, 1000);
    assert_int_equal(found->error, ORDERSCHED_OK);
    assert_int_equal(found->state, ORDERSCHED_PENDING);
    assert_null(o->extra);
    order_free(NULL, o);
}

static void the_schedules_answer_keeps_the_first_deadline_after_an_extend(void **state)
{
    (void)state;
    struct order *o = make();
    struct order_request scratch;
    o->deadline_ms = 1000;
    assert_non_null(order_extra(o));
    o->deadline_ms = 4000;
    o->state = ORDERSCHED_PAID;
    const struct order_request *found = order_find_request(o, o->schedule_request, &scratch);
    assert_non_null(found);
    assert_int_equal(found->deadline_ms, 1000);
    assert_int_equal(found->state, ORDERSCHED_PENDING);
    o->extra->first_deadline_ms = 0; /* not known: the present one */
    found = order_find_request(o, o->schedule_request, &scratch);
    assert_int_equal(found->deadline_ms, 4000);
    order_free(NULL, o);
}

static void recorded_requests_are_found_with_their_answers_up_to_the_limit(void **state)
{
    (void)state;
    struct order *o = make();
    struct order_request scratch;
    for (unsigned i = 0; i < ORDER_REQUESTS_MAX; i++) {
        struct order_request r = request(i);
        assert_null(order_find_request(o, r.id, &scratch));
        order_add_request(o, &r);
    }
    assert_int_equal(o->extra->n_requests, ORDER_REQUESTS_MAX);
    for (unsigned i = 0; i < ORDER_REQUESTS_MAX; i++) {
        struct order_request r = request(i);
        const struct order_request *found = order_find_request(o, r.id, &scratch);
        assert_non_null(found);
        assert_memory_equal(found, &r, sizeof r);
    }
    order_free(NULL, o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_keeps_its_order_from_both_ends),
        cmocka_unit_test(what_is_taken_off_a_list_is_unlinked_and_its_neighbours_meet),
        cmocka_unit_test(a_new_order_is_pending_and_holds_copies_of_id_and_payload),
        cmocka_unit_test(the_longest_id_and_payload_fit_and_both_may_be_any_bytes),
        cmocka_unit_test(a_traceparent_stands_behind_the_longest_payload),
        cmocka_unit_test(an_order_without_payload_is_an_order),
        cmocka_unit_test(the_extra_part_is_made_once_and_remembers_the_first_deadline),
        cmocka_unit_test(the_memory_of_an_order_counts_all_its_parts),
        cmocka_unit_test(a_pending_order_is_closing_from_its_deadline_on),
        cmocka_unit_test(the_wheel_waits_for_the_deadline_and_then_for_the_next_attempt),
        cmocka_unit_test(paid_cancelled_and_expired_are_terminal_and_nothing_else_is),
        cmocka_unit_test(only_pending_and_dead_orders_move_and_only_where_they_may),
        cmocka_unit_test(the_schedules_own_request_is_answered_without_being_recorded),
        cmocka_unit_test(the_schedules_answer_keeps_the_first_deadline_after_an_extend),
        cmocka_unit_test(recorded_requests_are_found_with_their_answers_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
