/* test_slab.c - memory for records: no two overlap, what is freed is used again, by any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/memory/slab.h"
#include "../support/random.h"

#define RECORDS 40000u

struct kept {
    uint8_t *record;
    size_t size;
    uint8_t fill;
};

static void keep(struct slab *slab, struct kept *k, size_t size, uint8_t fill)
{
    *k = (struct kept){slab_alloc(slab, size), size, fill};
    assert_non_null(k->record);
    assert_int_equal((uintptr_t)k->record % 8, 0);
    memset(k->record, fill, size);
}

/* Nobody else has written into it. */
static void drop(struct slab *slab, struct kept *k)
{
    for (size_t i = 0; i < k->size; i++) {
        assert_int_equal(k->record[i], k->fill);
    }
    slab_free(slab, k->record, k->size);
    k->record = NULL;
}

static void records_of_random_sizes_never_overlap(void **state)
{
    static struct kept kept[RECORDS];
    struct random random = random_start();
    struct slab slab;
    (void)state;
    slab_init(&slab);
    memset(kept, 0, sizeof kept);
    for (unsigned step = 0; step < 10 * RECORDS; step++) {
        struct kept *k = &kept[random_below(&random, RECORDS)];
        if (k->record != NULL) {
            drop(&slab, k);
        } else {
            size_t most = random_below(&random, 50) == 0 ? 3000 : 300;
            keep(&slab, k, 1 + random_below(&random, most), (uint8_t)step);
        }
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        if (kept[i].record != NULL) {
            drop(&slab, &kept[i]);
        }
    }
    assert_true(slab.n_regions <= 1);
    slab_close(&slab);
}

/* A burst of one size is followed by one of another: the memory serves both. */
static void memory_of_one_size_is_used_again_by_another(void **state)
{
    static struct kept kept[RECORDS];
    struct slab slab;
    size_t regions = 0;
    (void)state;
    slab_init(&slab);
    for (unsigned round = 0; round < 4; round++) {
        size_t size = 168 + 24 * round;
        for (unsigned i = 0; i < RECORDS; i++) {
            keep(&slab, &kept[i], size, (uint8_t)(i + round));
        }
        size_t least = RECORDS * size / (2u << 20);
        assert_true(slab.n_regions == 0 || /* each by malloc */
                    (slab.n_regions >= least && slab.n_regions <= least + 2));
        regions = slab.n_regions;
        for (unsigned i = 0; i < RECORDS; i++) {
            drop(&slab, &kept[(i * 7919u) % RECORDS]);
        }
        assert_true(slab.n_regions <= 1);
    }
    assert_true(slab.n_regions == 0 || regions > 1);
    slab_close(&slab);
}

/* A client that fills the memory with one size after the other, and leaves one record in each block,
 * makes it hold many times what its records take. */
static void a_block_held_for_one_record_counts_as_waste(void **state)
{
    static struct kept kept[RECORDS];
    struct slab slab, moved;
    (void)state;
    slab_init(&slab);
    for (unsigned i = 0; i < RECORDS; i++) {
        keep(&slab, &kept[i], 256, (uint8_t)i);
    }
    size_t full = slab_waste(&slab);
    for (unsigned i = 0; i < RECORDS; i++) {
        if (i % 128 != 0) {
            drop(&slab, &kept[i]);
        }
    }
    size_t held = RECORDS / 128 * ((size_t)32 * 1024);
    if (slab.n_regions > 0) { /* not each by malloc */
        assert_int_equal(full, 0);
        assert_true(slab_waste(&slab) > held / 2 && slab_waste(&slab) < held);
    }
    held = slab_waste(&slab);
    slab_move(&moved, &slab);
    assert_int_equal(slab_waste(&slab), 0);
    assert_int_equal(slab_waste(&moved), held);
    for (unsigned i = 0; i < RECORDS; i += 128) {
        drop(&moved, &kept[i]);
    }
    assert_int_equal(slab_waste(&moved), 0);
    assert_int_equal(moved.n_blocks, 0);
    assert_int_equal(moved.used, 0);
    slab_close(&moved);
    slab_close(&slab);
}

static void a_slab_is_moved_with_all_that_is_in_it(void **state)
{
    static struct kept kept[RECORDS];
    struct slab from, to;
    (void)state;
    slab_init(&from);
    for (unsigned i = 0; i < RECORDS; i++) {
        keep(&from, &kept[i], 1 + i % 500, (uint8_t)i);
    }
    slab_move(&to, &from);
    assert_int_equal(from.n_regions, 0);
    for (unsigned i = 0; i < RECORDS; i += 2) {
        drop(&to, &kept[i]);
    }
    for (unsigned i = 0; i < RECORDS; i += 2) {
        keep(&to, &kept[i], 1 + i % 500, (uint8_t)(i + 1));
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        drop(&to, &kept[i]);
    }
    keep(&from, &kept[0], 100, 1); /* empty, and as good as new */
    drop(&from, &kept[0]);
    slab_close(&from);
    slab_close(&to);
}

static void sizes_are_rounded_up_to_eight_and_no_more(void **state)
{
    (void)state;
    assert_int_equal(slab_size(1), 8);
    assert_int_equal(slab_size(168), 168);
    assert_int_equal(slab_size(169), 176);
    assert_int_equal(slab_size(SLAB_RECORD_MAX), SLAB_RECORD_MAX);
    assert_int_equal(slab_size(SLAB_RECORD_MAX + 1), SLAB_RECORD_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_random_sizes_never_overlap),
        cmocka_unit_test(memory_of_one_size_is_used_again_by_another),
        cmocka_unit_test(a_block_held_for_one_record_counts_as_waste),
        cmocka_unit_test(a_slab_is_moved_with_all_that_is_in_it),
        cmocka_unit_test(sizes_are_rounded_up_to_eight_and_no_more),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
