/* test_entry.c - an entry of the log comes back as it was written, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../../raft/core/entry.h"
#include "../support/random.h"

/* In memory of exactly that size, so that a sanitizer sees a step too far. */
static uint8_t *encode(const struct entry *e, size_t *len)
{
    *len = entry_size(e->operations.len);
    uint8_t *data = malloc(*len);
    assert_non_null(data);
    memset(data, 0xaa, *len);
    entry_encode(e, data);
    return data;
}

static struct entry example(const char *operations)
{
    return (struct entry){
        .now_ms = UINT64_C(0x0000010203040506),
        .epoch = 9,
        .sequence = UINT64_MAX,
        .n_operations = operations[0] != '\0',
        .committed = 0x80000005,
        .operations = {(const uint8_t *)operations, strlen(operations)},
    };
}

static void write_checksum(uint8_t *data, size_t len)
{
    memset(data + 32, 0, 8);
    uint64_t sum = XXH3_64bits(data, len);
    for (unsigned i = 0; i < 8; i++) {
        data[32 + i] = (uint8_t)(sum >> (8 * i));
    }
}

static bool is_refused(const uint8_t *data, size_t len)
{
    struct entry e;
    return entry_decode(data, len, &e) == -1;
}

static void an_entry_comes_back_as_it_was(void **state)
{
    (void)state;
    char operations[70];
    for (size_t n = 0; n < sizeof operations; n++) {
        memset(operations, 'x', n);
        operations[n] = '\0';
        struct entry e = example(operations);
        size_t len;
        uint8_t *data = encode(&e, &len);
        struct entry back;
        assert_int_equal(entry_decode(data, len, &back), 0);
        assert_true(back.now_ms == e.now_ms && back.epoch == e.epoch);
        assert_true(back.sequence == e.sequence && back.n_operations == e.n_operations);
        assert_int_equal(back.operations.len, n);
        assert_ptr_equal(back.operations.data, data + ENTRY_HEADER_SIZE);
        assert_memory_equal(back.operations.data, operations, n);
        free(data);
    }
}

static void the_length_is_a_multiple_of_eight_and_no_longer_than_needed(void **state)
{
    (void)state;
    for (size_t n = 0; n < 100; n++) {
        assert_int_equal(entry_size(n) % 8, 0);
        assert_in_range(entry_size(n), ENTRY_HEADER_SIZE + n, ENTRY_HEADER_SIZE + n + 7);
    }
}

static void the_bytes_are_laid_out_as_documented(void **state)
{
    (void)state;
    static const uint8_t head[] = {
        'O',  'S',  'E',  '1',  1,    0,    0,    0,    /* magic, n_operations */
        6,    5,    4,    3,    2,    1,    0,    0,    /* now_ms */
        9,    0,    0,    0,    0,    0,    0,    0,    /* epoch */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* sequence */
        0,    0,    0,    0,    0,    0,    0,    0,    /* checksum, below */
        3,    0,    0,    0,    5,    0,    0,    0x80, /* length, committed */
        'a',  'b',  'c',  0,    0,    0,    0,    0,    /* operations, padding */
    };
    uint8_t expected[sizeof head];
    memcpy(expected, head, sizeof head);
    write_checksum(expected, sizeof expected);
    struct entry e = example("abc");
    size_t len;
    uint8_t *data = encode(&e, &len);
    assert_int_equal(len, sizeof expected);
    assert_memory_equal(data, expected, len);
    free(data);
}

static void an_entry_with_an_era_comes_back_and_is_laid_out_as_documented(void **state)
{
    (void)state;
    static const uint8_t epoch_and_era[] = {9, 0, 0, 0, 0, 0xff, 0x34, 0x12};
    struct entry e = example("abc");
    e.epoch = 9 + (UINT64_C(0xff) << 40);
    e.era = 0x1234;
    size_t len;
    uint8_t *data = encode(&e, &len);
    struct entry back;
    assert_int_equal(entry_decode(data, len, &back), 0);
    assert_true(back.epoch == e.epoch && back.era == e.era && back.now_ms == e.now_ms);
    assert_true(back.sequence == e.sequence && back.committed == e.committed);
    assert_memory_equal(data, "OSE2", 4);
    assert_memory_equal(data + 16, epoch_and_era, sizeof epoch_and_era);
    assert_int_equal(entry_committed(data, len, 0x80000009), 0x80000005);
    data[22] = data[23] = 0; /* one encoding: without an era it is the other magic */
    write_checksum(data, len);
    assert_true(is_refused(data, len));
    free(data);
}

static void an_entry_with_keyed_request_ids_says_so(void **state)
{
    (void)state;
    for (uint32_t era = 0; era <= ENTRY_ERA_MAX; era += ENTRY_ERA_MAX) {
        struct entry e = example("abc");
        struct entry back;
        size_t len;
        e.epoch = ENTRY_EPOCH_MAX;
        e.era = era;
        e.keyed = true;
        uint8_t *data = encode(&e, &len);
        assert_memory_equal(data, "OSE3", 4);
        assert_int_equal(entry_decode(data, len, &back), 0);
        assert_true(back.keyed && back.epoch == e.epoch && back.era == era);
        assert_true(back.sequence == e.sequence && back.now_ms == e.now_ms);
        assert_int_equal(entry_committed(data, len, 0x80000009), 0x80000005);
        free(data);
    }
}

static void an_entry_with_any_bit_changed_is_refused(void **state)
{
    (void)state;
    struct entry e = example("twelve bytes");
    size_t len;
    e.era = 1;
    uint8_t *data = encode(&e, &len);
    for (size_t bit = 0; bit < len * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(is_refused(data, len));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_false(is_refused(data, len));
    free(data);
}

static void an_entry_cut_short_or_with_bytes_behind_is_refused(void **state)
{
    (void)state;
    struct entry e = example("twelve bytes");
    size_t len;
    uint8_t *data = encode(&e, &len);
    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = malloc(n + (n == 0));
        assert_non_null(cut);
        memcpy(cut, data, n);
        assert_true(is_refused(cut, n));
        free(cut);
    }
    uint8_t *longer = calloc(1, len + 8);
    assert_non_null(longer);
    memcpy(longer, data, len);
    for (size_t n = len + 1; n <= len + 8; n++) {
        assert_true(is_refused(longer, n));
    }
    free(longer);
    free(data);
}

/* Fields that lie, under a checksum that is right. */
static void refuse_with(size_t at, uint8_t value)
{
    struct entry e = example("twelve bytes");
    size_t len;
    uint8_t *data = encode(&e, &len);
    data[at] = value;
    write_checksum(data, len);
    if (!is_refused(data, len)) {
        fail_msg("taken with byte %zu = %u", at, value);
    }
    free(data);
}

static void fields_that_lie_are_refused_whatever_the_checksum_says(void **state)
{
    (void)state;
    refuse_with(0, 'o');
    refuse_with(3, '2');
    refuse_with(4, 13); /* more operations than bytes */
    refuse_with(7, 1);
    refuse_with(13, 0x80); /* past the year 6429 */
    refuse_with(15, 1);
    refuse_with(40, 8);  /* shorter by one step of the padding */
    refuse_with(40, 11); /* the twelfth byte would be padding, and is not 0 */
    refuse_with(40, 17);
    refuse_with(43, 0xff);
    refuse_with(60, 1); /* padding */
    refuse_with(63, 1);
}

static void an_entry_tells_how_far_the_log_was_committed(void **state)
{
    (void)state;
    struct entry e = example("abc"); /* committed: 0x80000005 */
    size_t len;
    uint8_t *data = encode(&e, &len);
    assert_int_equal(entry_committed(data, len, 0x80000007), 0x80000005);
    assert_int_equal(entry_committed(data, len, UINT64_C(0x780000006)), UINT64_C(0x780000005));
    assert_int_equal(entry_committed(data, len, UINT64_C(0x700000001)), UINT64_C(0x680000005));
    assert_int_equal(entry_committed(data, len, 0x80000005), 0); /* not itself */
    assert_int_equal(entry_committed(data, len, 3), 0);          /* nor what is not yet */
    assert_int_equal(entry_committed(data, 40, 0x80000007), 0);
    data[0] = 'X';
    assert_int_equal(entry_committed(data, len, 0x80000007), 0);
    free(data);
    e.committed = 0;
    data = encode(&e, &len);
    assert_int_equal(entry_committed(data, len, 0x80000007), 0);
    free(data);
}

static void noise_is_refused(void **state)
{
    (void)state;
    struct random r = random_start();
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t noise[96];
        size_t len = random_below(&r, sizeof noise + 1);
        for (size_t i = 0; i < len; i++) {
            noise[i] = (uint8_t)random_next(&r);
        }
        if (random_below(&r, 2) == 0) {
            memcpy(noise, "OSE1", len < 4 ? len : 4);
        }
        assert_true(is_refused(noise, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_comes_back_as_it_was),
        cmocka_unit_test(the_length_is_a_multiple_of_eight_and_no_longer_than_needed),
        cmocka_unit_test(the_bytes_are_laid_out_as_documented),
        cmocka_unit_test(an_entry_with_an_era_comes_back_and_is_laid_out_as_documented),
        cmocka_unit_test(an_entry_with_keyed_request_ids_says_so),
        cmocka_unit_test(an_entry_with_any_bit_changed_is_refused),
        cmocka_unit_test(an_entry_cut_short_or_with_bytes_behind_is_refused),
        cmocka_unit_test(fields_that_lie_are_refused_whatever_the_checksum_says),
        cmocka_unit_test(an_entry_tells_how_far_the_log_was_committed),
        cmocka_unit_test(noise_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
