/* test_api_unfinished.c - who gives way when too many messages have begun and are not complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../node/api/unfinished.h"

#define KIB 1024u

struct bed {
    struct api_unfinished all;
    struct api_unfinished_of of[4];
    uint64_t by_address[2];
};

static void add(struct bed *b, unsigned i, unsigned address, size_t bytes, uint64_t now_ms)
{
    api_unfinished_add(&b->all, &b->of[i], bytes, &b->by_address[address], now_ms);
}

static void nobody_gives_way_while_there_is_room(void **state)
{
    struct bed b = {0};

    (void)state;
    api_unfinished_init(&b.all, 1000 * KIB);
    assert_null(api_unfinished_victim(&b.all, 0));
    add(&b, 0, 0, 999 * KIB, 0);
    add(&b, 0, 0, 1 * KIB, 0);
    assert_null(api_unfinished_victim(&b.all, 9000));
    add(&b, 1, 1, 1, 9000);
    assert_ptr_equal(api_unfinished_victim(&b.all, 9000), &b.of[0]);
    api_unfinished_end(&b.all, &b.of[0]);
    api_unfinished_end(&b.all, &b.of[0]); /* nothing */
    assert_null(api_unfinished_victim(&b.all, 9000));
    assert_int_equal(b.all.bytes, 1);
    assert_int_equal(b.by_address[0], 0);
}

static void the_address_that_holds_most_gives_way(void **state)
{
    struct bed b = {0};

    (void)state;
    api_unfinished_init(&b.all, 1000 * KIB);
    add(&b, 0, 0, 500 * KIB, 0); /* the largest, and the slowest */
    add(&b, 1, 1, 300 * KIB, 5000);
    add(&b, 2, 1, 300 * KIB, 6000);
    assert_ptr_equal(api_unfinished_victim(&b.all, 7000), &b.of[1]);
}

static void of_an_address_who_has_held_most_for_the_longest_gives_way(void **state)
{
    struct bed b = {0};

    (void)state;
    api_unfinished_init(&b.all, 1000 * KIB);
    add(&b, 0, 0, 64 * KIB, 0); /* small */
    add(&b, 1, 0, 300 * KIB, 0);
    add(&b, 2, 0, 500 * KIB, 4000);
    add(&b, 3, 0, 500 * KIB, 4990); /* is coming in */
    assert_ptr_equal(api_unfinished_victim(&b.all, 5000), &b.of[1]);
    api_unfinished_end(&b.all, &b.of[1]);
    assert_ptr_equal(api_unfinished_victim(&b.all, 5000), &b.of[2]);
}

static void a_small_one_gives_way_only_where_there_is_no_larger_one(void **state)
{
    struct bed b = {0};

    (void)state;
    api_unfinished_init(&b.all, 100 * KIB);
    add(&b, 0, 0, 64 * KIB, 0);
    add(&b, 1, 0, 64 * KIB, 5000);
    assert_ptr_equal(api_unfinished_victim(&b.all, 5000), &b.of[0]);
    add(&b, 2, 0, 65 * KIB, 5000);
    assert_ptr_equal(api_unfinished_victim(&b.all, 5000), &b.of[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gives_way_while_there_is_room),
        cmocka_unit_test(the_address_that_holds_most_gives_way),
        cmocka_unit_test(of_an_address_who_has_held_most_for_the_longest_gives_way),
        cmocka_unit_test(a_small_one_gives_way_only_where_there_is_no_larger_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
