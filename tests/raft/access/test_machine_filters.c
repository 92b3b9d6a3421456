/* test_machine_filters.c - lists with filters, and what their cursors tell (docs/semantics.md,
 * "Reads"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../../client/wire/cursor.h"
#include "../../../raft/access/seal.h"
#include "../../support/bed.h"

#define T BED_T0
#define N 600 /* orders: eu/ and us/ in turn, one a second from T + 1 s on */
#define DUE(i) (T + 1000 * ((uint64_t)(i) + 1))

static int setup(void **state)
{
    struct bed *b = bed_open();

    bed_apply(b, T, bed_route_put(b, "other"));
    for (unsigned i = 0; i < N; i++) {
        char id[32];
        snprintf(id, sizeof id, "%s/order-%04u", i % 2 == 0 ? "eu" : "us", i);
        struct operation op = bed_schedule(b, id, DUE(i));
        op.route = bed_text(i % 3 == 0 ? "other" : BED_ROUTE);
        bed_add(b, &op);
    }
    bed_commit(b, T);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    return 0;
}

struct listing {
    bool seen[N];
    unsigned n, pages;
    uint8_t cursor[PROTOCOL_CURSOR_MAX]; /* of the last page but one */
    size_t cursor_len;
};

/* One page from op->cursor on. Returns the length of the next cursor, which is put in `l`. */
static size_t read_page(struct bed *b, struct operation *op, struct listing *l)
{
    struct buffer body = {0};
    struct result result;
    struct cursor c;

    machine_read(&b->m, op, &body, &result);
    assert_int_equal(result.error, ORDERSCHED_OK);
    cursor_init(&c, result.body.data, result.body.len);
    assert_int_equal(cursor_array(&c), 2);
    struct slice next = cursor_bytes(&c);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        char id[32] = {0};
        assert_int_equal(cursor_array(&c), 4);
        struct slice shown = cursor_bytes(&c);
        assert_true(shown.len < sizeof id);
        memcpy(id, shown.data, shown.len);
        unsigned at = (unsigned)atoi(id + strlen("eu/order-"));
        assert_true(at < N && !l->seen[at]);
        l->seen[at] = true;
        l->n++;
        for (unsigned skipped = 0; skipped < 3; skipped++) {
            (void)cursor_skip(&c);
        }
    }
    assert_true(cursor_ok(&c) && c.at == c.end);
    size_t len = next.len;
    if (len > 0) {
        memcpy(l->cursor, next.data, len);
        l->cursor_len = len;
    }
    l->pages++;
    buffer_free(&body);
    return len;
}

static struct listing list(struct bed *b, struct operation op)
{
    struct listing l = {0};

    while (read_page(b, &op, &l) > 0) {
        op.cursor = (struct slice){l.cursor, l.cursor_len};
    }
    return l;
}

static struct operation filtered(const char *prefix, uint64_t after_ms, uint64_t before_ms)
{
    return (struct operation){.code = OPERATION_FILTERED_LIST,
                              .id = bed_text(prefix),
                              .time_ms = after_ms,
                              .since_ms = before_ms,
                              .limit = 50};
}

static void without_filters_it_is_a_list(void **state)
{
    assert_int_equal(list(*state, filtered("", 0, 0)).n, N);
}

static void a_prefix_is_how_the_ids_begin(void **state)
{
    struct listing l = list(*state, filtered("eu/", 0, 0));

    assert_int_equal(l.n, N / 2);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(l.seen[i], i % 2 == 0);
    }
    assert_int_equal(list(*state, filtered("eu/order-0002", 0, 0)).n, 1);
    assert_int_equal(list(*state, filtered("eu/order-00022", 0, 0)).n, 0); /* longer than all */
    assert_int_equal(list(*state, filtered("u", 0, 0)).n, N / 2);
    assert_int_equal(list(*state, filtered("order", 0, 0)).n, 0);
}

static void the_first_bound_is_in_it_and_the_second_is_not(void **state)
{
    struct bed *b = *state;
    struct listing l = list(b, filtered("", DUE(10), DUE(20)));

    assert_int_equal(l.n, 10);
    assert_true(l.seen[10] && l.seen[19] && !l.seen[20]);
    assert_int_equal(list(b, filtered("", DUE(N - 1), 0)).n, 1);
    assert_int_equal(list(b, filtered("", 0, DUE(0))).n, 0);
    assert_int_equal(list(b, filtered("", 0, DUE(0) + 1)).n, 1);
    assert_int_equal(list(b, filtered("", DUE(20), DUE(10))).n, 0);
    assert_int_equal(list(b, filtered("eu/", DUE(10), DUE(20))).n, 5);
}

static void a_deadline_is_that_of_now(void **state)
{
    struct bed *b = *state;

    bed_apply(b, T, bed_extend(b, "eu/order-0000", DUE(10)));
    struct listing l = list(b, filtered("eu/", 0, DUE(3)));
    assert_true(!l.seen[0] && l.seen[2]);
    assert_int_equal(l.n, 1);
}

static void state_and_route_count_as_well(void **state)
{
    struct bed *b = *state;
    struct operation op = filtered("eu/", 0, 0);

    op.route = bed_text("other");
    assert_int_equal(list(b, op).n, N / 6);
    bed_apply(b, T, bed_pay(b, "eu/order-0000"));
    op.state = ORDERSCHED_PAID;
    assert_int_equal(list(b, op).n, 1);
    op.route = bed_text("nowhere");
    struct buffer body = {0};
    struct result result;
    machine_read(&b->m, &op, &body, &result);
    assert_int_equal(result.error, ORDERSCHED_UNKNOWN_ROUTE);
    buffer_free(&body);
}

/* A cursor is a place: each page is filtered by what it asks for itself. */
static void a_cursor_of_one_list_skips_no_filter_of_another(void **state)
{
    struct bed *b = *state;
    struct operation all = {.code = OPERATION_LIST, .limit = 10};
    struct operation eu = filtered("eu/", 0, 0);
    struct listing before = {0}, l = {0};

    assert_true(read_page(b, &all, &before) > 0);
    eu.cursor = (struct slice){before.cursor, before.cursor_len};
    while (read_page(b, &eu, &l) > 0) {
        eu.cursor = (struct slice){l.cursor, l.cursor_len};
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(l.seen[i], i % 2 == 0 && !before.seen[i]);
    }
}

/* The order looked at last may be one that the client may not see. */
static void a_cursor_tells_nothing_of_the_orders_passed_by(void **state)
{
    struct bed *b = *state;
    struct operation op = filtered("eu/order-0000", 0, 0);
    struct operation all = {.code = OPERATION_LIST};
    struct listing l = {0};

    op.limit = all.limit = 1;
    for (unsigned i = 0; i < 2 * N / 256; i++) {
        (void)read_page(b, &op, &l);
        assert_null(memmem(l.cursor, l.cursor_len, "order", 5));
        op.cursor = (struct slice){l.cursor, l.cursor_len};
    }
    memset(&l, 0, sizeof l);
    for (unsigned i = 0; i < N; i++) {
        size_t len = read_page(b, &all, &l);
        assert_null(memmem(l.cursor, len, "order", 5));
        all.cursor = (struct slice){l.cursor, l.cursor_len};
    }
    assert_int_equal(l.n, N);
}

static void no_cursor_is_taken_that_was_changed(void **state)
{
    struct bed *b = *state;
    struct operation op = {.code = OPERATION_LIST, .limit = 1};
    struct listing l = {0};
    struct buffer body = {0};
    struct result result;

    assert_true(read_page(b, &op, &l) > 0);
    op.cursor = (struct slice){l.cursor, l.cursor_len};
    for (size_t i = 0; i < 8 * l.cursor_len; i++) {
        l.cursor[i / 8] ^= (uint8_t)(1u << i % 8);
        machine_read(&b->m, &op, &body, &result);
        assert_int_equal(result.error, ORDERSCHED_INVALID);
        l.cursor[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (; op.cursor.len > 1; op.cursor.len--) {
        machine_read(&b->m, &op, &body, &result);
        bool whole = op.cursor.len == l.cursor_len;
        assert_int_equal(result.error, whole ? ORDERSCHED_OK : ORDERSCHED_INVALID);
    }
    buffer_free(&body);
}

static void what_is_sealed_is_opened_by_its_key_alone(void **state)
{
    uint8_t keys[2][SEAL_KEY_SIZE] = {{1}, {2}};
    uint8_t text[SEAL_TEXT_MAX], sealed[SEAL_TAG_SIZE + SEAL_TEXT_MAX], out[SEAL_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 7);
    }
    for (size_t len = 0; len <= sizeof text; len++) {
        seal_make(keys[0], 's', text, len, sealed);
        assert_true(seal_open(keys[0], 's', sealed, SEAL_TAG_SIZE + len, out));
        assert_memory_equal(out, text, len);
        assert_false(seal_open(keys[1], 's', sealed, SEAL_TAG_SIZE + len, out));
        assert_false(seal_open(keys[0], 'k', sealed, SEAL_TAG_SIZE + len, out));
    }
    assert_false(seal_open(keys[0], 's', sealed, SEAL_TAG_SIZE - 1, out));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_filters_it_is_a_list),
        TEST(a_prefix_is_how_the_ids_begin),
        TEST(the_first_bound_is_in_it_and_the_second_is_not),
        TEST(a_deadline_is_that_of_now),
        TEST(state_and_route_count_as_well),
        TEST(a_cursor_of_one_list_skips_no_filter_of_another),
        TEST(a_cursor_tells_nothing_of_the_orders_passed_by),
        TEST(no_cursor_is_taken_that_was_changed),
        cmocka_unit_test(what_is_sealed_is_opened_by_its_key_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
