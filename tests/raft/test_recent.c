/* test_recent.c - the ring of recent requests.
 * Runs beside others: computes 3 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "../../raft/core/recent.h"

static int setup(void **state)
{
    *state = recent_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    recent_free(*state);
    return 0;
}

static struct recent_request request_of(uint64_t time_ms, uint64_t serial)
{
    struct recent_request r = {.index = serial, .deadline_ms = 2 * serial, .error = 3, .state = 4};
    uint8_t random[10] = {0};

    memcpy(random, &serial, sizeof serial);
    request_id_make(r.id, time_ms, random);
    return r;
}

static void add(struct recent *r, uint64_t time_ms, uint64_t serial)
{
    struct recent_request request = request_of(time_ms, serial);

    recent_add(r, &request);
}

static const struct recent_request *find(struct recent *r, uint64_t time_ms, uint64_t serial)
{
    struct recent_request request = request_of(time_ms, serial);

    return recent_find(r, request.id);
}

static void a_request_is_found_with_its_answer(void **state)
{
    struct recent *r = *state;
    assert_null(find(r, 1000, 7));
    add(r, 1000, 7);
    assert_non_null(find(r, 1000, 7));
    assert_int_equal(find(r, 1000, 7)->index, 7);
    assert_int_equal(find(r, 1000, 7)->deadline_ms, 14);
    assert_int_equal(find(r, 1000, 7)->error, 3);
    assert_int_equal(find(r, 1000, 7)->state, 4);
    assert_null(find(r, 1000, 8));
    assert_null(find(r, 1001, 7));
}

static void requests_stand_in_order_of_arrival(void **state)
{
    struct recent *r = *state;
    for (uint64_t i = 0; i < 300; i++) {
        add(r, 1000 + i * 7 % 100, i);
    }
    assert_int_equal(recent_count(r), 300);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(recent_at(r, i)->index, i);
    }
}

static void a_full_one_holds_what_the_page_says(void **state)
{
    struct recent *r = *state;

    assert_int_equal(recent_limit(r), MACHINE_RECENT_MAX);
    for (uint32_t i = 0; i < MACHINE_RECENT_MAX; i++) {
        add(r, 1000 + i, i);
    }
    assert_int_equal(recent_count(r), MACHINE_RECENT_MAX);
    for (uint32_t i = 0; i < MACHINE_RECENT_MAX; i += 997) {
        assert_int_equal(find(r, 1000 + i, i)->index, i);
        assert_int_equal(recent_at(r, i)->index, i);
    }
    /* Round and round, with room for one. */
    for (uint32_t i = 0; i < 3000; i++) {
        recent_drop_oldest(r);
        assert_null(find(r, 1000 + i, i));
        add(r, 5, MACHINE_RECENT_MAX + i);
        assert_int_equal(recent_at(r, 0)->index, i + 1);
        assert_int_equal(recent_at(r, MACHINE_RECENT_MAX - 1)->index, MACHINE_RECENT_MAX + i);
    }
}

/* Ids that XXH3, with no key, puts into one cell. */
static void ids_that_meet_without_a_key_are_spread_with_one(void **state)
{
    const unsigned n = 200;
    struct recent *r = *state;
    uint64_t serial = 0;

    for (unsigned i = 0; i < n; i++) {
        for (;; serial++) {
            struct recent_request request = request_of(1000, serial);

            if ((XXH3_64bits(request.id, sizeof request.id) & 0x1ffff) == 9) {
                break;
            }
        }
        add(r, 1000, serial++);
        if (i == n / 2) {
            recent_set_key(r, (struct siphash_key){1, 2});
        }
    }
    assert_int_equal(recent_count(r), n);
    for (uint32_t i = 0; i < n; i++) {
        assert_ptr_equal(find(r, 1000, recent_at(r, i)->index), recent_at(r, i));
    }
    assert_true(recent_longest_search(r) < 16);
}

/* xorshift64*: enough for a test, and the same everywhere. */
static uint64_t next_random(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * 2685821657736338717ull;
}

static void a_long_random_life_agrees_with_a_plain_queue(void **state)
{
    struct recent *r = *state;
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20260101;
    uint64_t random = seed * 2 + 1;
    uint64_t *queue = malloc(400000 * sizeof *queue); /* times; the place is the serial */
    uint64_t first = 0;
    uint64_t end = 0;
    uint64_t now_ms = 1000;

    assert_non_null(queue);
    print_message("SEED=%llu\n", (unsigned long long)seed);
    recent_set_limit(r, 5000);
    while (end < 400000) {
        uint64_t drawn = next_random(&random) % 1000;

        if (drawn < 995) {
            if (end - first == 5000) {
                recent_drop_oldest(r);
                first++;
            }
            add(r, now_ms, end);
            queue[end++] = now_ms;
        } else if (drawn == 999) {
            uint64_t n = next_random(&random) % 6000;

            while (n-- > 0 && first < end) {
                recent_drop_oldest(r);
                first++;
            }
        } else {
            now_ms += next_random(&random) % 8;
        }
        assert_int_equal(recent_count(r), end - first);
        if (end > first) {
            uint64_t i = first + next_random(&random) % (end - first);

            assert_non_null(find(r, queue[i], i));
            assert_int_equal(find(r, queue[i], i)->index, i);
            assert_int_equal(recent_at(r, (uint32_t)(i - first))->index, i);
        }
        if (first > 0) {
            uint64_t i = next_random(&random) % first;

            assert_null(find(r, queue[i], i));
        }
    }
    free(queue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_found_with_its_answer),
        TEST(requests_stand_in_order_of_arrival),
        TEST(a_full_one_holds_what_the_page_says),
        TEST(ids_that_meet_without_a_key_are_spread_with_one),
        TEST(a_long_random_life_agrees_with_a_plain_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
