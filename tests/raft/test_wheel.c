/* test_wheel.c - the timing wheel: never early, never lost, in order of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/wheel.h"
#include "../support/random.h"

#define NOW UINT64_C(1765432100123) /* a day in 2025 */
#define UNLIMITED UINT32_MAX
#define HOUR UINT64_C(3600000)

static struct order *order_of(struct link *l)
{
    return (struct order *)((char *)l - offsetof(struct order, link));
}

static struct order *make(uint64_t time_ms)
{
    struct order *o = order_new(NULL, (struct slice){(const uint8_t *)"o", 1},
                                (struct slice){NULL, 0}, (struct slice){NULL, 0});
    assert_non_null(o);
    o->deadline_ms = time_ms;
    return o;
}

static struct order *take(struct link *due)
{
    if (link_empty(due)) {
        return NULL;
    }
    struct order *o = order_of(due->next);
    link_remove(&o->link);
    return o;
}

/* The bitmaps say what the slots hold, and the count is that of the orders in them. */
static void check_wheel(const struct wheel *w)
{
    uint64_t n = 0;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
            const struct link *head = &w->slots[level][slot];
            bool occupied = w->occupied[level][slot / 64] >> slot % 64 & 1;
            bool unsorted = w->unsorted[level][slot / 64] >> slot % 64 & 1;
            uint64_t last_ms = 0;
            assert_int_equal(occupied, !link_empty(head));
            assert_true(occupied || !unsorted);
            for (struct link *l = head->next; l != head; l = l->next) {
                assert_ptr_equal(l->next->prev, l);
                uint64_t time_ms = order_time_ms(order_of(l));
                assert_true(unsorted || time_ms >= last_ms);
                last_ms = time_ms;
                n++;
            }
        }
    }
    assert_int_equal(n, w->n);
}

/* --- small cases --- */

static void an_empty_wheel_has_no_next_and_gives_nothing(void **state)
{
    (void)state;
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    assert_true(wheel_next_ms(&w) == UINT64_MAX);
    assert_true(wheel_advance(&w, NOW + HOUR, &due, 1));
    assert_true(link_empty(&due));
    assert_true(wheel_next_ms(&w) == UINT64_MAX);
    assert_true(w.now_ms == NOW + HOUR);
}

static void an_order_comes_at_its_millisecond_and_not_one_before(void **state)
{
    (void)state;
    static const uint64_t ahead[] = {
        0,
        1,
        255,
        256,
        257,
        65535,
        65536,
        HOUR,
        24 * HOUR,
        400 * 24 * HOUR,
        UINT64_C(1) << 40,
        UINT64_C(1) << 41,
        (UINT64_C(1) << ORDER_BITS) - 1 - NOW,
    };
    for (unsigned i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
        struct wheel w;
        struct link due;
        link_head_init(&due);
        wheel_init(&w, NOW);
        struct order *o = make(NOW + ahead[i]);
        wheel_insert(&w, o);
        assert_true(wheel_next_ms(&w) == NOW + ahead[i]);
        if (ahead[i] > 0) {
            assert_true(wheel_advance(&w, NOW + ahead[i] - 1, &due, UNLIMITED));
            assert_true(link_empty(&due));
            assert_true(wheel_next_ms(&w) == NOW + ahead[i]);
        }
        assert_true(wheel_advance(&w, NOW + ahead[i], &due, UNLIMITED));
        assert_ptr_equal(take(&due), o);
        assert_true(link_empty(&due));
        assert_int_equal(w.n, 0);
        order_free(NULL, o);
    }
}

static void a_time_before_now_is_due_at_the_next_advance(void **state)
{
    (void)state;
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    struct order *late = make(NOW - 5);
    struct order *later = make(0);
    struct order *late_too = make(NOW - 5);
    wheel_insert(&w, late);
    wheel_insert(&w, later);
    wheel_insert(&w, late_too);
    assert_true(wheel_next_ms(&w) == 0);
    assert_true(wheel_advance(&w, NOW, &due, UNLIMITED));
    assert_ptr_equal(take(&due), later);
    assert_ptr_equal(take(&due), late);
    assert_ptr_equal(take(&due), late_too);
    assert_null(take(&due));
    order_free(NULL, late);
    order_free(NULL, later);
    order_free(NULL, late_too);
}

static void an_advance_to_a_time_before_now_does_not_go_back(void **state)
{
    (void)state;
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    struct order *o = make(NOW + 1);
    wheel_insert(&w, o);
    assert_true(wheel_advance(&w, NOW - HOUR, &due, UNLIMITED));
    assert_true(link_empty(&due));
    assert_true(w.now_ms == NOW);
    assert_true(wheel_advance(&w, NOW + 1, &due, UNLIMITED));
    assert_ptr_equal(take(&due), o);
    order_free(NULL, o);
}

static void what_is_handed_out_goes_behind_what_is_in_the_list(void **state)
{
    (void)state;
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    struct order *first = make(0);
    struct order *second = make(NOW);
    link_append(&due, &first->link);
    wheel_insert(&w, second);
    assert_true(wheel_advance(&w, NOW, &due, UNLIMITED));
    assert_ptr_equal(take(&due), first);
    assert_ptr_equal(take(&due), second);
    order_free(NULL, first);
    order_free(NULL, second);
}

static void a_closing_order_comes_at_its_next_attempt(void **state)
{
    (void)state;
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    struct order *o = make(NOW - HOUR);
    o->due = 1;
    assert_non_null(order_extra(o));
    o->extra->next_ms = NOW + 5000;
    wheel_insert(&w, o);
    assert_true(wheel_next_ms(&w) == NOW + 5000);
    assert_true(wheel_advance(&w, NOW + 4999, &due, UNLIMITED));
    assert_true(link_empty(&due));
    assert_true(wheel_advance(&w, NOW + 5000, &due, UNLIMITED));
    assert_ptr_equal(take(&due), o);
    order_free(NULL, o);
}

/* Who pays the earliest of a million that came in the wrong order must not have all of them looked at. */
static void a_full_slot_out_of_order_is_not_searched_and_who_waits_is_never_late(void **state)
{
    enum { ORDERS = 5000, PAID = 100, LEVEL_3 = 24 };
    static struct order *orders[ORDERS];
    const uint64_t last_ms = (((NOW + 24 * HOUR) >> LEVEL_3) << LEVEL_3) + ORDERS * 1000;
    struct wheel w;
    struct link due;
    unsigned left = ORDERS, steps = 0;
    (void)state;
    link_head_init(&due);
    wheel_init(&w, NOW);
    for (unsigned i = 0; i < ORDERS; i++) { /* all in one slot, the earliest is the last */
        orders[i] = make(last_ms - i * 1000);
        wheel_insert(&w, orders[i]);
    }
    for (unsigned i = 0; i < PAID; i++) {
        left--;
        wheel_remove(&w, orders[left]);
        order_free(NULL, orders[left]);
        assert_int_equal(wheel_next_ms(&w) & ((1u << LEVEL_3) - 1), 0); /* where it begins */
        assert_in_range(wheel_next_ms(&w), NOW + 1, order_time_ms(orders[left - 1]));
    }
    for (; left > 0; steps++) {
        uint64_t next_ms = wheel_next_ms(&w);
        assert_in_range(next_ms, w.now_ms + 1, order_time_ms(orders[left - 1]));
        assert_true(wheel_advance(&w, next_ms, &due, UNLIMITED));
        for (struct order *o; (o = take(&due)) != NULL; order_free(NULL, o)) {
            assert_ptr_equal(o, orders[--left]);
            assert_true(order_time_ms(o) == next_ms);
        }
    }
    assert_in_range(steps, ORDERS - PAID + 1, ORDERS - PAID + WHEEL_SLOTS);
    assert_true(wheel_next_ms(&w) == UINT64_MAX);
}

/* A million orders for the same midnight must not stop the loop, nor be handed out twice. */
static void orders_of_one_millisecond_come_in_bounded_calls_in_order_of_insertion(void **state)
{
    (void)state;
    enum { ORDERS = 5000, AT_ONCE = 64 };
    static struct order *orders[ORDERS];
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    for (unsigned i = 0; i < ORDERS; i++) {
        orders[i] = make(NOW + HOUR);
        wheel_insert(&w, orders[i]);
    }
    unsigned got = 0;
    unsigned calls = 0;
    bool done;
    do {
        unsigned in_call = 0;
        done = wheel_advance(&w, NOW + HOUR, &due, AT_ONCE);
        for (struct order *o; (o = take(&due)) != NULL; in_call++) {
            assert_ptr_equal(o, orders[got]);
            got++;
        }
        assert_true(in_call <= AT_ONCE);
        assert_int_equal(w.n, ORDERS - got);
        assert_true(wheel_next_ms(&w) == (got < ORDERS ? NOW + HOUR : UINT64_MAX));
        calls++;
    } while (!done);
    assert_int_equal(got, ORDERS);
    assert_true(calls <= WHEEL_LEVELS * ORDERS / AT_ONCE + 1);
    for (unsigned i = 0; i < ORDERS; i++) {
        order_free(NULL, orders[i]);
    }
}

/* While the orders of an hour are half moved down, one more of the same time must not overtake
 * those that wait. */
static void an_order_inserted_while_its_slot_cascades_waits_its_turn(void **state)
{
    (void)state;
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    struct order *orders[4];
    for (unsigned i = 0; i < 3; i++) {
        orders[i] = make(NOW + HOUR);
        wheel_insert(&w, orders[i]);
    }
    assert_false(wheel_advance(&w, NOW + HOUR, &due, 1));
    assert_true(w.cascading != 0);
    orders[3] = make(NOW + HOUR);
    wheel_insert(&w, orders[3]);
    check_wheel(&w);
    assert_true(wheel_advance(&w, NOW + HOUR, &due, UNLIMITED));
    for (unsigned i = 0; i < 4; i++) {
        assert_ptr_equal(take(&due), orders[i]);
        order_free(NULL, orders[i]);
    }
}

/* Three of each of a hundred times, the latest first: far more than find their place at once. */
static void orders_inserted_after_their_time_still_come_in_order_of_time(void **state)
{
    (void)state;
    enum { TIMES = 100, EACH = 3 };
    static struct order *orders[TIMES][EACH]; /* [0] = the latest time */
    struct wheel w;
    struct link due;
    link_head_init(&due);
    wheel_init(&w, NOW);
    for (unsigned each = 0; each < EACH; each++) {
        for (unsigned i = 0; i < TIMES; i++) {
            orders[i][each] = make(NOW - i);
            wheel_insert(&w, orders[i][each]);
            check_wheel(&w);
        }
    }
    assert_true(wheel_next_ms(&w) == NOW - (TIMES - 1));
    assert_true(wheel_advance(&w, NOW, &due, UNLIMITED));
    for (unsigned i = TIMES; i-- > 0;) {
        for (unsigned each = 0; each < EACH; each++) {
            assert_ptr_equal(take(&due), orders[i][each]);
            order_free(NULL, orders[i][each]);
        }
    }
    assert_null(take(&due));
}

/* --- against a naive model --- */

#define ORDERS_MAX 400

struct model {
    struct wheel wheel;
    struct random random;
    uint64_t now_ms;                  /* the highest that an advance was asked for */
    struct order *orders[ORDERS_MAX]; /* in order of insertion */
    unsigned n;
    unsigned wanted;
    unsigned handed_out;
    unsigned stopped; /* advances stopped by max */
};

/* The first by time, then by insertion; n when there is none. */
static unsigned model_first(const struct model *m)
{
    unsigned first = m->n;
    uint64_t first_ms = UINT64_MAX;
    for (unsigned i = 0; i < m->n; i++) {
        uint64_t time_ms = order_time_ms(m->orders[i]);
        if (first == m->n || time_ms < first_ms) {
            first = i;
            first_ms = time_ms;
        }
    }
    return first;
}

static uint64_t model_next_ms(const struct model *m)
{
    unsigned first = model_first(m);
    return first < m->n ? order_time_ms(m->orders[first]) : UINT64_MAX;
}

static struct order *model_drop(struct model *m, unsigned i)
{
    struct order *o = m->orders[i];
    m->n--;
    memmove(m->orders + i, m->orders + i + 1, (m->n - i) * sizeof m->orders[0]);
    return o;
}

/* Now and then far, mostly near, often the same as another's, sometimes already past. */
static uint64_t random_time_ms(struct model *m)
{
    static const unsigned bits[] = {1, 4, 8, 9, 12, 16, 17, 20, 22, 24, 33, 41};
    unsigned kind = (unsigned)random_below(&m->random, 20);
    uint64_t ahead = random_next(&m->random) >>
                     (64 - bits[random_below(&m->random, sizeof bits / sizeof bits[0])]);
    if (kind == 0) {
        return ahead < m->now_ms ? m->now_ms - ahead : 0;
    }
    if (kind == 1) {
        return random_next(&m->random) | m->now_ms; /* anywhere up to the end of time */
    }
    if (kind < 8 && m->n > 0) {
        return order_time_ms(m->orders[random_below(&m->random, m->n)]);
    }
    if (kind < 11) {
        ahead &= ~UINT64_C(0xff); /* round times meet */
    }
    return ahead < UINT64_MAX - m->now_ms ? m->now_ms + ahead : UINT64_MAX;
}

static void model_insert(struct model *m)
{
    if (m->n == ORDERS_MAX) {
        return;
    }
    struct order *o = make(random_time_ms(m));
    if (random_below(&m->random, 4) == 0) { /* waits for its next attempt */
        assert_non_null(order_extra(o));
        o->extra->next_ms = o->deadline_ms;
        o->deadline_ms = random_next(&m->random);
        o->due = 1;
    }
    wheel_insert(&m->wheel, o);
    m->orders[m->n++] = o;
}

static void model_remove(struct model *m)
{
    if (m->n == 0) {
        return;
    }
    /* Often the earliest: that is what the wheel remembers. */
    unsigned i = random_below(&m->random, 3) == 0 ? model_first(m)
                                                  : (unsigned)random_below(&m->random, m->n);
    struct order *o = model_drop(m, i);
    wheel_remove(&m->wheel, o);
    assert_false(link_linked(&o->link));
    order_free(NULL, o);
}

static uint64_t random_now_ms(struct model *m)
{
    static const unsigned bits[] = {1, 5, 8, 10, 16, 18, 22, 24};
    uint64_t next_ms = model_next_ms(m);
    uint64_t step = random_next(&m->random) >>
                    (64 - bits[random_below(&m->random, sizeof bits / sizeof bits[0])]);
    bool is_near = next_ms > m->now_ms && next_ms - m->now_ms < 400 * 24 * HOUR;
    switch (random_below(&m->random, 8)) {
        case 0: return is_near ? next_ms : m->now_ms;
        case 1: return is_near ? next_ms - 1 : m->now_ms;
        case 2: return m->now_ms;
        case 3: return m->now_ms > step ? m->now_ms - step : 0;
        default: return m->now_ms < UINT64_MAX - step ? m->now_ms + step : UINT64_MAX;
    }
}

/* Each order handed out is the first of all that are in the wheel, and its time has come; no more
 * than max come; and "done" is never said while a due order is left. */
static bool model_advance_to(struct model *m, uint64_t now_ms, unsigned max)
{
    unsigned got = 0;
    uint64_t until_ms = now_ms > m->wheel.now_ms ? now_ms : m->wheel.now_ms;
    struct link due;
    link_head_init(&due);
    bool done = wheel_advance(&m->wheel, now_ms, &due, max);
    m->now_ms = now_ms > m->now_ms ? now_ms : m->now_ms;
    assert_true(m->wheel.now_ms <= m->now_ms);
    for (struct order *o; (o = take(&due)) != NULL; got++) {
        assert_true(order_time_ms(o) <= until_ms);
        unsigned first = model_first(m);
        assert_true(first < m->n);
        assert_ptr_equal(o, m->orders[first]);
        model_drop(m, first);
        order_free(NULL, o);
    }
    assert_true(got <= max);
    if (done) {
        assert_true(m->n == 0 || model_next_ms(m) > until_ms);
        assert_true(m->wheel.now_ms == until_ms);
    }
    m->handed_out += got;
    m->stopped += !done;
    return done;
}

static void model_advance(struct model *m)
{
    uint64_t now_ms = random_now_ms(m);
    unsigned max = random_below(&m->random, 3) == 0 ? 1000000
                                                    : 1 + (unsigned)random_below(&m->random, 12);
    bool to_the_end = random_below(&m->random, 2) == 0;
    unsigned calls_max = m->n * WHEEL_LEVELS / max + 1;
    unsigned calls = 1;
    while (!model_advance_to(m, now_ms, max) && to_the_end) {
        calls++;
    }
    assert_true(calls <= calls_max);
}

static void model_step(struct model *m)
{
    unsigned kind = (unsigned)random_below(&m->random, 8);
    if (kind < 4) {
        if (m->n < m->wanted) {
            model_insert(m);
        } else {
            model_remove(m);
        }
    } else if (kind == 4) {
        model_remove(m);
    } else {
        model_advance(m);
    }
    assert_int_equal(m->wheel.n, m->n);
    assert_true(wheel_next_ms(&m->wheel) == model_next_ms(m));
}

static void run_model(struct random random, uint64_t now_ms, unsigned steps)
{
    static struct model m;
    m = (struct model){.random = random, .now_ms = now_ms, .wanted = 50};
    wheel_init(&m.wheel, now_ms);
    for (unsigned step = 0; step < steps; step++) {
        model_step(&m);
        if (step % 512 == 0) {
            check_wheel(&m.wheel);
            m.wanted = (unsigned)random_below(&m.random, ORDERS_MAX);
        }
    }
    assert_true(m.handed_out > steps / 100);
    assert_true(m.stopped > steps / 1000);
    while (m.n > 0) {
        struct order *o = model_drop(&m, m.n - 1);
        wheel_remove(&m.wheel, o);
        order_free(NULL, o);
    }
    check_wheel(&m.wheel);
    assert_true(wheel_next_ms(&m.wheel) == UINT64_MAX);
}

static void a_wheel_of_today_agrees_with_a_naive_model(void **state)
{
    (void)state;
    run_model(random_start(), NOW, 200000);
}

static void a_wheel_that_begins_at_zero_agrees_with_a_naive_model(void **state)
{
    (void)state;
    run_model(random_start(), 0, 100000);
}

/* Where a high byte of the time turns over, all levels below begin anew. */
static void a_wheel_that_turns_over_agrees_with_a_naive_model(void **state)
{
    (void)state;
    struct random r = random_start();
    for (unsigned bit = 16; bit < 64; bit += 8) {
        run_model(r, (UINT64_C(5) << bit) - 3000, 20000);
        random_next(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_wheel_has_no_next_and_gives_nothing),
        cmocka_unit_test(an_order_comes_at_its_millisecond_and_not_one_before),
        cmocka_unit_test(a_time_before_now_is_due_at_the_next_advance),
        cmocka_unit_test(an_advance_to_a_time_before_now_does_not_go_back),
        cmocka_unit_test(what_is_handed_out_goes_behind_what_is_in_the_list),
        cmocka_unit_test(a_closing_order_comes_at_its_next_attempt),
        cmocka_unit_test(a_full_slot_out_of_order_is_not_searched_and_who_waits_is_never_late),
        cmocka_unit_test(orders_of_one_millisecond_come_in_bounded_calls_in_order_of_insertion),
        cmocka_unit_test(an_order_inserted_while_its_slot_cascades_waits_its_turn),
        cmocka_unit_test(orders_inserted_after_their_time_still_come_in_order_of_time),
        cmocka_unit_test(a_wheel_of_today_agrees_with_a_naive_model),
        cmocka_unit_test(a_wheel_that_begins_at_zero_agrees_with_a_naive_model),
        cmocka_unit_test(a_wheel_that_turns_over_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
