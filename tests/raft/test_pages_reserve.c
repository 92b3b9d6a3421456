/* test_pages_reserve.c - memory that is ready before it is wanted: who gets it has it alone, and
 * what comes back may hold anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "../../raft/memory/pages.h"
#include "../../raft/memory/pages_reserve.h"
#include "../../raft/memory/slab.h"

#define PIECES (2 * PAGES_RESERVE_MAX)
#define WAIT_MS 10000

static int start(void **state)
{
    (void)state;
    return pages_reserve_start() ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    pages_reserve_stop();
    return 0;
}

/* One that was ready; the thread may need a moment. */
static unsigned char *take_ready(void)
{
    void *pages = pages_reserve_take();

    for (unsigned ms = 0; pages == NULL && ms < WAIT_MS; ms++) {
        usleep(1000);
        pages = pages_reserve_take();
    }
    assert_non_null(pages);
    assert_int_equal((uintptr_t)pages % PAGES_SIZE, 0);
    return pages;
}

static void each_piece_has_one_owner(void **state)
{
    unsigned char *pieces[PIECES];

    (void)state;
    for (unsigned i = 0; i < PIECES; i++) { /* ready ones and others, as they come */
        pieces[i] = i % 2 == 0 ? take_ready() : pages_map(true);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)i, PAGES_SIZE);
    }
    for (unsigned i = 0; i < PIECES; i++) {
        for (size_t at = 0; at < PAGES_SIZE; at += 1024) {
            assert_int_equal(pieces[i][at], i);
        }
        pages_unmap(pieces[i]);
    }
}

static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void what_nobody_wants_goes_to_the_system(void **state)
{
    void *pieces[PIECES];
    size_t kept = (PAGES_RESERVE_MIN + 2) * PAGES_SIZE;

    (void)state;
    for (unsigned i = 0; i < PIECES; i++) {
        pieces[i] = take_ready();
    }
    size_t before = resident_bytes();
    for (unsigned i = 0; i < PIECES; i++) {
        pages_unmap(pieces[i]);
    }
    for (unsigned ms = 0; ms < WAIT_MS; ms += 10) {
        if (resident_bytes() + PIECES * PAGES_SIZE <= before + kept) {
            return;
        }
        usleep(10000);
    }
    fail_msg("%zu bytes resident, %zu before they were given back", resident_bytes(), before);
}

static void what_was_taken_outlives_the_reserve(void **state)
{
    unsigned char *piece = take_ready();

    (void)state;
    memset(piece, 1, PAGES_SIZE);
    pages_reserve_stop();
    assert_int_equal(piece[PAGES_SIZE - 1], 1);
    pages_unmap(piece);
    assert_true(pages_reserve_start());
}

static void without_one_the_system_gives_and_takes(void **state)
{
    (void)state;
    assert_false(pages_reserve_is_there());
    assert_null(pages_reserve_take());
    unsigned char *piece = pages_map(true);
    assert_non_null(piece);
    assert_false(pages_reserve_give(piece));
    pages_unmap(piece);
    pages_reserve_stop(); /* of none */
}

/* The reserve gives again what it got, dirty. */
static void records_do_not_mind_what_was_there_before(void **state)
{
    static unsigned char *records[60000];
    struct slab slab;

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        slab_init(&slab);
        for (unsigned i = 0; i < 60000; i++) {
            records[i] = slab_alloc(&slab, 176);
            assert_non_null(records[i]);
            memset(records[i], 0xff, 176);
        }
        for (unsigned i = 0; i < 60000; i++) {
            slab_free(&slab, records[i], 176);
        }
        slab_close(&slab);
    }
}

static void *take_and_give(void *arg)
{
    for (unsigned i = 0; i < 300; i++) {
        unsigned char *piece = pages_map(true);
        if (piece == NULL) {
            return arg;
        }
        piece[0] = 1;
        pages_unmap(piece);
    }
    return NULL;
}

static void many_threads_take_and_give(void **state)
{
    pthread_t threads[4];
    void *failed;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, threads), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_piece_has_one_owner, start, stop),
        cmocka_unit_test_setup_teardown(what_nobody_wants_goes_to_the_system, start, stop),
        cmocka_unit_test_setup_teardown(what_was_taken_outlives_the_reserve, start, stop),
        cmocka_unit_test(without_one_the_system_gives_and_takes),
        cmocka_unit_test_setup_teardown(records_do_not_mind_what_was_there_before, start, stop),
        cmocka_unit_test_setup_teardown(many_threads_take_and_give, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
