/* test_disk_check.c - every way in which a data directory may be damaged is noticed.
 * Runs beside others: waits 4 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../raft/disk/segment.h"
#include "../../raft/disk/crc.h"
#include "../support/bench/disk_bench.h"

/* --- whole directories --- */

static void what_was_written_is_loaded_again(void **state)
{
    struct bench *b = *state;
    struct work w;

    bench_make_log(b, 3);
    assert_true(bench_exists(b, LOG_1) && bench_exists(b, LOG_2));
    work_open(&w, b);
    assert_int_equal(w.n_entries, 31);
    assert_int_equal(((uint8_t *)w.entries[30].buf.base)[0], 'c');
    work_close(&w);
}

static void a_directory_is_pristine_until_something_is_stored(void **state)
{
    struct bench *b = *state;
    struct disk *d;
    uint8_t zeros[8192] = {0};

    disk_close(disk_bench_open(b));
    bench_write_at(b, "open-1", 0, zeros, sizeof zeros); /* prepared, and then killed */
    d = disk_bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
}

static void a_torn_tail_is_accepted_and_cut(void **state)
{
    struct bench *b = *state;
    struct work w;

    bench_make_log(b, 3);
    bench_reopen(b, LOG_2, "open-1");
    bench_flip(b, "open-1", 8 + 2 * BATCH + 300); /* the last batch was half written */
    assert_accepted(b);
    assert_int_equal(b->n_logged, 1);
    work_open(&w, b);
    assert_int_equal(w.n_entries, 21);
    work_close(&w);
}

static void an_open_segment_left_by_a_kill_is_accepted(void **state)
{
    struct bench *b = *state;
    struct work w;

    bench_make_log(b, 3);
    bench_reopen(b, LOG_2, "open-1");
    work_open(&w, b);
    assert_int_equal(w.n_entries, 31);
    work_close(&w);
}

/* --- damage --- */

static void a_bad_batch_before_a_valid_one_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 3);
    bench_reopen(b, LOG_2, "open-1");
    bench_flip(b, "open-1", 8 + BATCH + 300); /* data of the second */
    assert_refused(b, "open-1 is damaged: the entries at byte 824 are bad");
}

static void a_bad_batch_header_before_a_valid_batch_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 3);
    bench_reopen(b, LOG_2, "open-1");
    bench_flip(b, "open-1", 8 + 8); /* the number of entries of the first */
    assert_refused(b, "valid ones follow at byte 824");
}

static void a_zeroed_hole_before_a_valid_batch_is_refused(void **state)
{
    struct bench *b = *state;
    uint8_t zeros[BATCH] = {0};

    bench_make_log(b, 3);
    bench_reopen(b, LOG_2, "open-1");
    bench_write_at(b, "open-1", 8 + BATCH, zeros, sizeof zeros);
    assert_refused(b, "open-1");
}

static void a_torn_open_segment_before_a_written_one_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 3);
    bench_reopen(b, LOG_2, "open-1");
    bench_copy(b, "open-1", "open-2", -1);
    bench_flip(b, "open-1", 8 + 2 * BATCH + 300);
    assert_refused(b, "open-2 has valid ones that were written later");
}

static void a_flipped_bit_in_a_closed_segment_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 3);
    bench_flip(b, LOG_2, 8 + 2 * BATCH + 300); /* even in the last batch */
    assert_refused(b, LOG_2);
}

static void every_flipped_bit_of_a_closed_segment_is_noticed(void **state)
{
    struct bench *b = *state;
    char path[320];
    static uint8_t data[4096];
    ssize_t n;
    int fd;

    bench_make_log(b, 1);
    bench_path_of(b, "0000000000000002-0000000000000011", path, sizeof path);
    fd = open(path, O_RDONLY);
    n = read(fd, data, sizeof data);
    close(fd);
    assert_int_equal(n, 8 + BATCH);
    assert_int_equal(segment_scan(data, (size_t)n).state, SEGMENT_WHOLE);
    for (ssize_t i = 0; i < n * 8; i++) {
        struct segment_scan s;
        data[i / 8] ^= (uint8_t)(1 << i % 8);
        s = segment_scan(data, (size_t)n);
        assert_true(s.state != SEGMENT_WHOLE || s.n_entries != 10);
        data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

static void a_segment_of_any_length_is_scanned_safely(void **state)
{
    struct bench *b = *state;
    char path[320];
    static uint8_t data[4096];
    ssize_t n;
    int fd;

    bench_make_log(b, 2);
    bench_path_of(b, "0000000000000002-0000000000000021", path, sizeof path);
    fd = open(path, O_RDONLY);
    n = read(fd, data, sizeof data);
    close(fd);
    for (ssize_t i = 0; i <= n; i++) {
        uint8_t *exact = malloc((size_t)i + 1); /* the sanitizers watch its end */
        uint8_t *cut = realloc(exact, (size_t)(i > 0 ? i : 1));
        struct segment_scan s;
        memcpy(cut, data, (size_t)i);
        s = segment_scan(cut, (size_t)i);
        assert_true(s.n_entries <= 20);
        free(cut);
    }
}

static void a_closed_segment_cut_short_is_refused(void **state)
{
    struct bench *b = *state;
    char path[320];

    bench_make_log(b, 3);
    bench_path_of(b, LOG_2, path, sizeof path);
    assert_int_equal(truncate(path, 8 + 2 * BATCH), 0);
    assert_refused(b, LOG_2 " is damaged: it holds 20 entries");
}

static void a_missing_closed_segment_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 3);
    bench_drop(b, LOG_1);
    assert_refused(b, "entries 1 to 1 are missing in front of " LOG_2);
}

static void a_log_without_metadata_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 1);
    bench_drop(b, "metadata1");
    bench_drop(b, "metadata2");
    assert_refused(b, "a log but no metadata");
}

static void unreadable_metadata_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 1);
    bench_flip(b, "metadata2", 0);
    assert_refused(b, "metadata2 is damaged (unknown format)");
}

static void both_metadata_cut_short_are_refused(void **state)
{
    struct bench *b = *state;
    char path[320];

    bench_make_log(b, 1);
    bench_path_of(b, "metadata1", path, sizeof path);
    assert_int_equal(truncate(path, 8), 0);
    bench_path_of(b, "metadata2", path, sizeof path);
    assert_int_equal(truncate(path, 8), 0);
    assert_refused(b, "no metadata");
}

static void one_lost_metadata_file_is_refused(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 1); /* versions 1, 2 and 3 were written */
    bench_copy(b, "metadata1", "saved", -1);
    bench_drop(b, "metadata1");
    assert_refused(b, "metadata1 is missing, and it may have held the last vote");
    bench_copy(b, "saved", "metadata1", -1);
    bench_drop(b, "metadata2");
    assert_refused(b, "metadata2 is missing");
}

static void metadata_versions_that_do_not_follow_are_refused(void **state)
{
    struct bench *b = *state;
    uint64_t version = 9;

    bench_make_log(b, 1);
    bench_write_at(b, "metadata1", 8, &version, sizeof version);
    assert_refused(b, "do not belong together");
}

/* --- snapshots --- */

static void make_snapshot(struct bench *b, unsigned trailing)
{
    struct work w;

    bench_make_log(b, 3);
    work_open(&w, b);
    work_append(&w, 10, 64, 'x');
    work_put(&w, 41, trailing);
    work_close(&w);
}

static void a_snapshot_and_the_log_behind_it_are_accepted(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_snapshot(b, 5);
    assert_accepted(b);
    assert_false(bench_exists(b, LOG_1));
    work_open(&w, b);
    assert_non_null(w.snapshot);
    assert_int_equal(w.snapshot->index, 41);
    work_close(&w);
}

static void a_damaged_newest_snapshot_is_refused(void **state)
{
    struct bench *b = *state;
    char meta[128];

    make_snapshot(b, 5);
    assert_true(bench_find_file(b, "snapshot-", ".meta", meta, sizeof meta));
    bench_flip(b, meta, 40);
    assert_refused(b, meta);
    assert_says(b, "its checksum is wrong");
}

static void a_damaged_older_snapshot_is_only_warned_of(void **state)
{
    struct bench *b = *state;
    char meta[128];
    struct work w;

    make_snapshot(b, 5);
    assert_true(bench_find_file(b, "snapshot-1-41", ".meta", meta, sizeof meta));
    work_open(&w, b);
    work_append(&w, 10, 64, 'y');
    work_put(&w, 51, 20);
    work_close(&w);
    bench_flip(b, meta, 40);
    assert_accepted(b);
    assert_non_null(strstr(b->logged, meta));
}

static void a_lost_snapshot_is_noticed_by_the_missing_entries(void **state)
{
    struct bench *b = *state;
    char meta[128];

    make_snapshot(b, 5);
    assert_true(bench_find_file(b, "snapshot-1-41", ".meta", meta, sizeof meta));
    bench_drop(b, meta);
    assert_refused(b, "the log is not whole: entries 1 to ");
}

/* --- traces of a crash that are tidied up --- */

static void an_interrupted_truncation_is_undone(void **state)
{
    struct bench *b = *state;
    struct work w;

    bench_make_log(b, 3);
    /* libraft wrote the shorter segment, perhaps not to its end, and then the power went. */
    bench_copy(b, LOG_2, "0000000000000002-0000000000000015", 8 + BATCH);
    assert_accepted(b);
    assert_false(bench_exists(b, "0000000000000002-0000000000000015"));
    assert_true(bench_exists(b, LOG_2));
    work_open(&w, b);
    assert_int_equal(w.n_entries, 31);
    work_close(&w);
}

static void an_interrupted_install_is_finished(void **state)
{
    struct bench *b = *state;
    char meta[128], data[128];
    uint8_t zeros[8192] = {0};
    struct work w;

    /* A snapshot at 500 was stored; the old log was to be removed, and then the power went. */
    bench_make_log(b, 3);
    bench_copy(b, LOG_1, "saved-1", -1);
    bench_copy(b, LOG_2, "saved-2", -1);
    work_open(&w, b);
    work_put(&w, 500, 0);
    work_close(&w);
    bench_copy(b, "saved-1", LOG_1, -1);
    bench_copy(b, "saved-2", LOG_2, -1);
    bench_write_at(b, "open-1", 0, zeros, sizeof zeros);
    assert_true(bench_find_file(b, "snapshot-1-500", ".meta", meta, sizeof meta));
    assert_accepted(b);
    assert_false(bench_exists(b, LOG_1) || bench_exists(b, LOG_2));
    work_open(&w, b);
    assert_int_equal(w.snapshot->index, 500);
    assert_int_equal(w.n_entries, 0);
    work_close(&w);
    snprintf(data, sizeof data, "%.*s", (int)(strlen(meta) - 5), meta);
    assert_true(bench_exists(b, data));
}

static void an_interrupted_founding_begins_again(void **state)
{
    struct bench *b = *state;
    struct disk *d;
    struct work w;

    work_open(&w, b); /* founds it: term 1, entry 1 */
    work_close(&w);
    bench_copy(b, LOG_1, LOG_1 "x", -1);
    bench_drop(b, LOG_1);
    d = disk_bench_open(b); /* before the segment was made */
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
    work_open(&w, b);
    work_close(&w);
    bench_copy(b, LOG_1 "x", LOG_1, 20); /* while it was made */
    d = disk_bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
    assert_false(bench_exists(b, LOG_1));
}

static void a_founded_cluster_is_not_founded_again(void **state)
{
    struct bench *b = *state;
    struct work w;

    work_open(&w, b);
    work_close(&w);
    assert_accepted(b);
    assert_true(bench_exists(b, LOG_1));
}

#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, disk_bench_setup, disk_bench_teardown)

/* --- the checksum --- */

static uint32_t crc_bit_by_bit(const uint8_t *data, size_t len, uint32_t crc)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)data[i] << 24;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc << 1 ^ (crc >> 31 != 0 ? 0x04c11db7u : 0);
        }
    }
    return crc;
}

static void the_checksum_is_the_same_as_bit_by_bit(void **state)
{
    uint8_t data[200];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * i + 7 * i);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof data; len++) {
            uint32_t init = (uint32_t)(from * 0x12345671u);
            assert_int_equal(disk_crc32(data + from, len, init),
                             crc_bit_by_bit(data + from, len, init));
        }
    }
    /* The catalogue's check value of CRC-32/MPEG-2, which begins with all ones. */
    assert_int_equal(disk_crc32((const uint8_t *)"123456789", 9, UINT32_MAX), 0x0376e6e7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_the_same_as_bit_by_bit),
        ON_DISK(what_was_written_is_loaded_again),
        ON_DISK(a_directory_is_pristine_until_something_is_stored),
        ON_DISK(a_torn_tail_is_accepted_and_cut),
        ON_DISK(an_open_segment_left_by_a_kill_is_accepted),
        ON_DISK(a_bad_batch_before_a_valid_one_is_refused),
        ON_DISK(a_bad_batch_header_before_a_valid_batch_is_refused),
        ON_DISK(a_zeroed_hole_before_a_valid_batch_is_refused),
        ON_DISK(a_torn_open_segment_before_a_written_one_is_refused),
        ON_DISK(a_flipped_bit_in_a_closed_segment_is_refused),
        ON_DISK(every_flipped_bit_of_a_closed_segment_is_noticed),
        ON_DISK(a_segment_of_any_length_is_scanned_safely),
        ON_DISK(a_closed_segment_cut_short_is_refused),
        ON_DISK(a_missing_closed_segment_is_refused),
        ON_DISK(a_log_without_metadata_is_refused),
        ON_DISK(unreadable_metadata_is_refused),
        ON_DISK(both_metadata_cut_short_are_refused),
        ON_DISK(one_lost_metadata_file_is_refused),
        ON_DISK(metadata_versions_that_do_not_follow_are_refused),
        ON_DISK(a_snapshot_and_the_log_behind_it_are_accepted),
        ON_DISK(a_damaged_newest_snapshot_is_refused),
        ON_DISK(a_damaged_older_snapshot_is_only_warned_of),
        ON_DISK(a_lost_snapshot_is_noticed_by_the_missing_entries),
        ON_DISK(an_interrupted_truncation_is_undone),
        ON_DISK(an_interrupted_install_is_finished),
        ON_DISK(an_interrupted_founding_begins_again),
        ON_DISK(a_founded_cluster_is_not_founded_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
