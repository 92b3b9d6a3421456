/* test_machine_read.c - reads of the state machine: their bodies, their pages, and what they
 * never show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/wire/cursor.h"
#include "../support/answers.h"
#include "../../raft/core/snapshot.h"
#include "../support/bed.h"

#define T BED_T0
#define DAY_MS (24ull * 3600 * 1000)

static int setup(void **state)
{
    *state = bed_open();
    return 0;
}

static int setup_old(void **state)
{
    *state = bed_open_old();
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    return 0;
}

static struct result read_into(struct bed *b, const struct operation *op, struct buffer *body,
                               struct cursor *c)
{
    struct result result;

    machine_read(&b->m, op, body, &result);
    cursor_init(c, result.body.data, result.body.len);
    return result;
}

static void assert_slice(struct slice s, const char *want)
{
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.data, want, s.len);
}

static void get_shows_the_whole_order(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_GET, .id = bed_text("a")};
    struct buffer body = {0};
    struct cursor c;
    uint64_t scheduled;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    scheduled = b->index;
    bed_apply(b, T, bed_extend(b, "a", T + 200));
    bed_apply(b, T + 200, bed_outcome(b, "a", 2, 1, OUTCOME_LATER, 5000));
    write_nil(&body); /* what the buffer holds already stays */
    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_OK, ORDERSCHED_CLOSING, T + 200, 0);
    assert_int_equal(cursor_array(&c), 7);
    assert_slice(cursor_bytes(&c), BED_ROUTE);
    assert_int_equal(cursor_uint(&c), 1);
    assert_int_equal(cursor_uint(&c), T + 5200);
    assert_slice(cursor_bytes(&c), "payload");
    assert_int_equal(cursor_uint(&c), 2);
    assert_int_equal(cursor_uint(&c), scheduled);
    assert_int_equal(cursor_uint(&c), 0);
    assert_true(cursor_ok(&c) && c.at == c.end);
    buffer_free(&body);
}

static void get_shows_when_the_decision_was_made(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_GET, .id = bed_text("a")};
    struct buffer body = {0};
    struct cursor c;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    bed_apply(b, T + 7, bed_pay(b, "a"));
    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_OK, ORDERSCHED_PAID, T + 100, b->index);
    assert_int_equal(cursor_array(&c), 7);
    for (unsigned i = 0; i < 6; i++) {
        cursor_skip(&c);
    }
    assert_int_equal(cursor_uint(&c), T + 7);
    buffer_free(&body);
}

static void get_of_an_unknown_order_has_no_body(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_GET, .id = bed_text("a")};
    struct buffer body = {0};
    struct cursor c;

    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_NOT_FOUND, 0, 0, 0);
    assert_int_equal(body.len, 0);
    buffer_free(&body);
}

/* --- list --- */

#define N 1000

static void fill(struct bed *b)
{
    bed_apply(b, T, bed_route_put(b, "other"));
    for (unsigned i = 0; i < N; i++) {
        char id[16];
        struct operation op;

        snprintf(id, sizeof id, "o%u", i);
        op = bed_schedule(b, id, i % 2 == 0 ? T + 100 : T + 10000);
        if (i % 5 == 0) {
            op.route = bed_text("other");
        }
        bed_add(b, &op);
        if (i % 10 == 0) {
            op = bed_cancel(b, id);
            bed_add(b, &op);
        }
    }
    bed_commit(b, T);
    bed_pass(b, T + 500);
}

struct listing {
    unsigned seen[N];
    unsigned n;
    unsigned pages;
    unsigned largest;
};

/* Walk all pages; when `between` is given it runs after each page. */
static struct listing *list(struct bed *b, uint32_t order_state, const char *route, uint32_t limit,
                            void (*between)(struct bed *b, unsigned page))
{
    struct listing *l = calloc(1, sizeof *l);
    uint8_t at[PROTOCOL_CURSOR_MAX];
    struct operation op = {.code = OPERATION_LIST,
                           .state = order_state,
                           .route = bed_text(route),
                           .limit = limit};
    struct buffer body = {0};
    struct cursor c;
    struct slice next;

    do {
        buffer_reset(&body);
        assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_OK, 0, 0, 0);
        assert_int_equal(cursor_array(&c), 2);
        next = cursor_bytes(&c);
        uint32_t n = cursor_array(&c);
        l->largest = n > l->largest ? n : l->largest;
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(cursor_array(&c), 4);
            struct slice id = cursor_bytes(&c);
            char text[16] = {0};
            uint64_t shown = cursor_uint(&c);
            uint64_t deadline_ms = cursor_uint(&c);
            struct slice of_route = cursor_bytes(&c);

            assert_true(id.len < sizeof text);
            memcpy(text, id.data, id.len);
            assert_true(order_state == 0 || shown == order_state);
            assert_true(route[0] == '\0' || (of_route.len == strlen(route) &&
                                             memcmp(of_route.data, route, of_route.len) == 0));
            assert_true(deadline_ms >= T + 100 && deadline_ms <= T + 10000);
            if (text[0] == 'o') {
                l->seen[atoi(text + 1)]++;
                l->n++;
            }
        }
        assert_true(cursor_ok(&c) && c.at == c.end);
        assert_true(next.len <= sizeof at);
        memcpy(at, next.data, next.len);
        op.cursor = (struct slice){at, next.len};
        l->pages++;
        if (between) {
            between(b, l->pages);
        }
    } while (next.len > 0);
    buffer_free(&body);
    return l;
}

static void a_list_shows_each_order_once_in_pages_of_the_limit(void **state)
{
    struct bed *b = *state;
    struct listing *l;

    fill(b);
    l = list(b, 0, "", 7, NULL);
    assert_int_equal(l->n, N);
    assert_int_equal(l->largest, 7);
    assert_int_equal(l->pages, (N + 6) / 7);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(l->seen[i], 1);
    }
    free(l);
}

static void a_page_is_never_larger_than_the_largest(void **state)
{
    struct bed *b = *state;
    struct listing *l;

    fill(b);
    l = list(b, 0, "", 0, NULL);
    assert_int_equal(l->largest, PROTOCOL_LIST_MAX);
    assert_int_equal(l->n, N);
    free(l);
    l = list(b, 0, "", UINT32_MAX, NULL);
    assert_int_equal(l->largest, PROTOCOL_LIST_MAX);
    free(l);
}

static void a_list_filters_by_the_state_as_seen_at_now_and_by_route(void **state)
{
    static const struct {
        uint32_t state;
        const char *route;
        unsigned n;
    } cases[] = {
        {ORDERSCHED_PENDING, "", 500},
        {ORDERSCHED_CLOSING, "", 400},
        {ORDERSCHED_CANCELLED, "", 100},
        {ORDERSCHED_PAID, "", 0},
        {0, "other", 200},
        {ORDERSCHED_CANCELLED, "other", 100},
        {ORDERSCHED_CLOSING, "other", 0},
        {ORDERSCHED_CLOSING, BED_ROUTE, 400},
    };
    struct bed *b = *state;

    fill(b);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct listing *l = list(b, cases[i].state, cases[i].route, 100, NULL);

        assert_int_equal(l->n, cases[i].n);
        free(l);
    }
}

static void pay_some_and_add_some(struct bed *b, unsigned page)
{
    char id[16];
    struct operation op;

    for (unsigned i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "o%u", 1 + (page * 40 + i * 2) % N);
        op = bed_pay(b, id);
        bed_add(b, &op);
        snprintf(id, sizeof id, "x%u-%u", page, i);
        op = bed_schedule(b, id, T + 9000);
        bed_add(b, &op);
    }
    bed_commit(b, T + 500);
}

static void a_list_goes_on_where_it_was_while_orders_change(void **state)
{
    struct bed *b = *state;
    struct listing *l;

    fill(b);
    l = list(b, 0, "", 30, pay_some_and_add_some);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(l->seen[i], 1);
    }
    free(l);
}

/* Another replica takes over after each page: it has the state from a snapshot. */
static void take_over(struct bed *b)
{
    uint64_t digest = machine_digest(&b->m);
    uint8_t *data;
    size_t len;

    assert_int_equal(snapshot_encode(&b->m, malloc, &data, &len), 0);
    assert_int_equal(snapshot_restore(&b->m, data, len), SNAPSHOT_OK);
    machine_check(&b->m);
    assert_int_equal(machine_digest(&b->m), digest);
    free(data);
}

static void change_and_take_over(struct bed *b, unsigned page)
{
    if (page == 5) {
        b->epoch++;
        bed_apply(b, T + 500, bed_epoch_with(1, 2));
        assert_int_equal(b->m.store.keyed_from, b->index);
    }
    pay_some_and_add_some(b, page);
    take_over(b);
}

static void a_list_goes_on_on_another_replica_and_while_the_secret_comes(void **state)
{
    struct bed *b = *state;
    struct listing *l;

    fill(b);
    l = list(b, 0, "", 30, change_and_take_over);
    assert_int_equal(b->m.store.n_seeded, N + 4 * 20);
    assert_true(b->m.store.n > b->m.store.n_seeded + 100);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(l->seen[i], 1);
    }
    free(l);
    assert_int_equal(bed_get(b, "o3").state, ORDERSCHED_PAID);      /* one from before... */
    assert_int_equal(bed_get(b, "x9-1").state, ORDERSCHED_PENDING); /* ...and one from after */
}

/* The secret comes while a snapshot is built: orders of before and after are in it, and stand in
 * the same table on whoever restores it. */
static void a_snapshot_under_way_when_the_secret_comes_is_as_any_other(void **state)
{
    struct bed *b = *state;
    struct snapshot_part *parts;
    struct machine m;
    size_t len;
    unsigned n;

    fill(b);
    assert_non_null(snapshot_begin(&b->m));
    (void)snapshot_step(snapshot_under_way(&b->m), 100);
    b->epoch++;
    bed_apply(b, T + 500, bed_epoch_with(1, 2));
    pay_some_and_add_some(b, 1);
    while (!snapshot_step(snapshot_under_way(&b->m), 100)) {
    }
    snapshot_finish(snapshot_under_way(&b->m), &parts, &n);
    uint8_t *data = snapshot_parts_join(parts, n, malloc, &len);
    snapshot_parts_free(parts, n);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, data, len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    assert_int_equal(m.store.n_seeded, N);
    assert_int_equal(m.store.n, N + 20);
    machine_close(&m);
    free(data);
}

static void a_list_does_not_show_forgotten_orders(void **state)
{
    struct bed *b = *state;
    struct listing *l;

    fill(b);
    for (unsigned i = 1; i < N; i += 2) { /* one by one: more than one entry can purge */
        char id[16];

        snprintf(id, sizeof id, "o%u", i);
        assert_int_equal(bed_apply(b, T + 500, bed_pay(b, id)).error, ORDERSCHED_OK);
    }
    bed_pass(b, T + 2 * DAY_MS);
    assert_true(b->m.store.n > N - 100 - 500);
    l = list(b, 0, "", 100, NULL);
    assert_int_equal(l->n, N - 100 - 500);
    free(l);
}

static void a_page_of_rare_orders_may_be_empty_but_leads_on(void **state)
{
    struct bed *b = *state;
    const unsigned many = 10000;
    struct listing *l;

    for (unsigned i = 0; i < many; i++) {
        char id[16];
        struct operation op;

        snprintf(id, sizeof id, "o%u", i == 0 ? 0 : i + N);
        op = bed_schedule(b, id, T + 100);
        bed_add(b, &op);
        if (b->n == 1000) {
            bed_commit(b, T);
        }
    }
    bed_apply(b, T, bed_pay(b, "o0"));
    l = list(b, ORDERSCHED_PAID, "", 100, NULL);
    assert_int_equal(l->n, 1);
    assert_int_equal(l->seen[0], 1);
    assert_int_equal(l->pages, 3); /* of at most 4,096 looked at */
    free(l);
}

static void a_list_of_an_unknown_route_or_a_broken_cursor_is_refused(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_LIST, .route = bed_text("nowhere")};
    struct buffer body = {0};
    struct cursor c;

    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_UNKNOWN_ROUTE, 0, 0, 0);
    op.route = bed_text("");
    static const char *const broken[] = {
        "s",
        "sabcd",
        "k1234x",
        "1234567",
        "\xff\xff\xff\xff\xff\xff\xff\xffzzz", /* a hash and an id: of older versions */
    };
    for (unsigned i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        op.cursor = bed_text(broken[i]);
        assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_INVALID, 0, 0, 0);
        assert_int_equal(body.len, 0);
    }
    buffer_free(&body);
}

/* --- routes, digest --- */

static void the_routes_are_shown_without_their_secrets(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct buffer body = {0};
    struct cursor c;

    bed_apply(b, T, bed_schedule(b, "a", T + 100));
    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_OK, 0, 0, 0);
    assert_null(memmem(body.data, body.len, "whsec", 5));
    assert_null(memmem(body.data, body.len, "MfKQ", 4));
    assert_int_equal(cursor_array(&c), 1);
    assert_int_equal(cursor_array(&c), 6);
    assert_slice(cursor_bytes(&c), BED_ROUTE);
    struct slice settings = cursor_skip(&c);
    assert_non_null(memmem(settings.data, settings.len, "http://127.0.0.1:8080/expired", 29));
    assert_int_equal(cursor_uint(&c), 1); /* secret */
    assert_int_equal(cursor_uint(&c), 0); /* not paused */
    assert_int_equal(cursor_uint(&c), 1); /* order */
    assert_int_equal(cursor_uint(&c), 2); /* revision */
    assert_true(cursor_ok(&c) && c.at == c.end);
    buffer_free(&body);
}

static void the_digest_comes_with_the_index_it_belongs_to(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_DIGEST};
    struct buffer body = {0};
    struct cursor c;

    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_OK, 0, 0, 0);
    assert_int_equal(cursor_array(&c), 2);
    assert_int_equal(cursor_uint(&c), b->index);
    assert_int_equal(cursor_uint(&c), machine_digest(&b->m));
    buffer_free(&body);
}

static void what_is_no_read_of_the_machine_is_refused(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_STATUS};
    struct buffer body = {0};
    struct cursor c;

    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_UNKNOWN_OPERATION, 0, 0, 0);
    op = bed_pay(b, "a");
    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_UNKNOWN_OPERATION, 0, 0, 0);
    buffer_free(&body);
}

static void a_read_without_memory_is_busy(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct buffer body = {.failed = true};
    struct cursor c;

    assert_answer(read_into(b, &op, &body, &c), ORDERSCHED_BUSY, 0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(get_shows_the_whole_order),
        TEST(get_shows_when_the_decision_was_made),
        TEST(get_of_an_unknown_order_has_no_body),
        TEST(a_list_shows_each_order_once_in_pages_of_the_limit),
        TEST(a_page_is_never_larger_than_the_largest),
        TEST(a_list_filters_by_the_state_as_seen_at_now_and_by_route),
        TEST(a_list_goes_on_where_it_was_while_orders_change),
        cmocka_unit_test_setup_teardown(
            a_list_goes_on_on_another_replica_and_while_the_secret_comes, setup_old, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_under_way_when_the_secret_comes_is_as_any_other,
                                        setup_old, teardown),
        TEST(a_list_does_not_show_forgotten_orders),
        TEST(a_page_of_rare_orders_may_be_empty_but_leads_on),
        TEST(a_list_of_an_unknown_route_or_a_broken_cursor_is_refused),
        TEST(the_routes_are_shown_without_their_secrets),
        TEST(the_digest_comes_with_the_index_it_belongs_to),
        TEST(what_is_no_read_of_the_machine_is_refused),
        TEST(a_read_without_memory_is_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
