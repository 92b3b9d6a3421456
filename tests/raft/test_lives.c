/* test_lives.c - the starts of a node, told apart (raft/peer/lives.h), and on disk
 * (raft/disk/disk_lives.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../raft/disk/disk_lives.h"

/* --- pure --- */

/* A node after `n` starts, whose marks are 100 * base + start. */
static struct lives lived(uint64_t base, uint64_t n)
{
    struct lives l = {0};

    for (uint64_t i = 1; i <= n; i++) {
        lives_begin(&l, 100 * base + i);
    }
    return l;
}

static void expect_fit(const struct lives *told, uint64_t start, uint64_t mark, enum lives_fit want)
{
    struct life seen = {.start = start, .mark = mark};

    assert_int_equal(lives_compare(told, &seen), want);
}

static void what_was_seen_is_in_the_lives_of_a_node_that_lost_nothing(void **state)
{
    struct lives l = lived(1, 70);

    (void)state;
    expect_fit(&l, 70, 170, LIVES_FIT);
    expect_fit(&l, 69, 169, LIVES_FIT);
    expect_fit(&l, 7, 107, LIVES_FIT); /* the oldest that is told */
    expect_fit(&l, 7, 108, LIVES_ANOTHER);
    expect_fit(&l, 6, 999, LIVES_FIT); /* not told any more: it cannot be compared */
    expect_fit(&l, 0, 0, LIVES_FIT);   /* the witness saw an older version */
    expect_fit(&l, 71, 171, LIVES_OLDER);
    expect_fit(&l, 70, 171, LIVES_ANOTHER);
    struct lives none = {0};
    expect_fit(&none, 70, 170, LIVES_FIT);
}

static void starts_after_a_step_back_do_not_hide_it(void **state)
{
    struct lives l = lived(1, 4);

    (void)state;
    for (uint64_t mark = 900; mark < 930; mark++) {
        lives_begin(&l, mark); /* the copy of start 4 is started: 5, 6, ... */
        expect_fit(&l, 7, 107, l.starts < 7 ? LIVES_OLDER : LIVES_ANOTHER);
    }
}

static void a_note_is_new_once_and_a_member_stays_one(void **state)
{
    struct lives_seen s = {0};
    struct lives l = lived(1, 1);
    struct lives none = {0};

    (void)state;
    assert_null(lives_recall(&s, 3));
    assert_true(lives_note(&s, 3, &l, false));
    assert_false(lives_note(&s, 3, &l, false));
    assert_true(lives_note(&s, 3, &l, true));
    assert_false(lives_note(&s, 3, &l, false));
    assert_false(lives_note(&s, 3, &none, true)); /* an older version takes nothing back */
    assert_true(lives_recall(&s, 3)->member);
    assert_int_equal(lives_recall(&s, 3)->start, 1);
    lives_begin(&l, 5);
    assert_true(lives_note(&s, 3, &l, true));
    assert_int_equal(lives_recall(&s, 3)->mark, 5);
}

static void who_was_not_seen_for_longest_is_forgotten_first(void **state)
{
    struct lives_seen s = {0};
    struct lives l = lived(1, 1);

    (void)state;
    for (uint64_t id = 1; id <= LIVES_SEEN_MAX; id++) {
        assert_true(lives_note(&s, id, &l, true));
    }
    assert_false(lives_note(&s, 1, &l, true));
    assert_true(lives_note(&s, 1000, &l, true));
    assert_non_null(lives_recall(&s, 1));
    assert_null(lives_recall(&s, 2));
    assert_int_equal(s.n, LIVES_SEEN_MAX);
}

static void lives_come_back_from_their_bytes_and_garbage_tells_none(void **state)
{
    struct lives l = lived(2, 100), back;
    uint8_t bytes[LIVES_TOLD_SIZE_MAX], one[LIFE_SIZE];
    struct life life = {.start = 7, .mark = 9, .member = true}, read;

    (void)state;
    size_t len = lives_encode(&l, bytes);
    lives_decode(bytes, len, &back);
    assert_memory_equal(&back, &l, sizeof l);
    for (size_t cut = 0; cut < 16; cut++) {
        lives_decode(bytes, cut, &back);
        assert_int_equal(back.starts, 0);
    }
    lives_decode(bytes, len - 1, &back);
    assert_int_equal(back.starts, 0);
    bytes[7] = 0x80; /* more starts than a file can hold */
    lives_decode(bytes, len, &back);
    assert_int_equal(back.starts, 0);
    life_encode(&life, one);
    assert_true(life_decode(one, sizeof one, &read));
    assert_true(read.start == 7 && read.mark == 9 && read.member);
    assert_false(life_decode(one, sizeof one - 1, &read));
}

/* --- on disk --- */

struct place {
    char dir[32];
    int fd;
    unsigned said;
    char sentence[1024];
};

static void place_log(void *arg, const char *level, const char *sentence)
{
    struct place *p = arg;

    assert_string_equal(level, "warn");
    p->said++;
    snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
}

static int place_open(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    strcpy(p->dir, "/tmp/test-lives-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
    assert_true(p->fd >= 0);
    *state = p;
    return 0;
}

static int place_close(void **state)
{
    struct place *p = *state;
    char command[64];

    close(p->fd);
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static void place_write(const struct place *p, const char *name, const char *text)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void each_start_is_one_more_and_keeps_those_before(void **state)
{
    struct place *p = *state;
    struct lives before = {0}, l;

    for (uint64_t i = 1; i <= 70; i++) {
        disk_lives_begin(p->fd, p->dir, &l, place_log, p);
        assert_int_equal(l.starts, i);
        if (i > 1) {
            struct life seen = {.start = before.starts, .mark = before.marks[0]};
            assert_int_equal(lives_compare(&l, &seen), LIVES_FIT);
            assert_true(l.marks[0] != before.marks[0]);
        }
        before = l;
    }
    assert_int_equal(p->said, 0);
}

static void starts_that_are_damaged_are_told_and_none_are_claimed(void **state)
{
    static const char *const texts[] = {
        "",
        "{{{",
        "{\"format\":2,\"starts\":1,\"marks\":[\"0000000000000001\"]}",
        "{\"format\":1,\"starts\":1,\"marks\":[]}",
        "{\"format\":1,\"starts\":0,\"marks\":[\"0000000000000001\"]}",
        "{\"format\":1,\"starts\":-1,\"marks\":[\"0000000000000001\"]}",
        "{\"format\":1,\"starts\":1,\"marks\":[\"1\"]}",
        "{\"format\":1,\"starts\":1,\"marks\":[7]}",
    };
    struct place *p = *state;
    struct lives l;

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        place_write(p, "starts", texts[i]);
        disk_lives_begin(p->fd, p->dir, &l, place_log, p);
        assert_int_equal(p->said, i + 1);
        assert_non_null(strstr(p->sentence, "/starts"));
        assert_int_equal(l.starts, 0);
    }
}

static void starts_that_cannot_be_written_are_told_and_none_are_claimed(void **state)
{
    struct place *p = *state;
    struct lives l;
    char path[64];

    snprintf(path, sizeof path, "%s/starts.tmp", p->dir);
    assert_int_equal(mkdirat(p->fd, "starts.tmp", 0700), 0);
    disk_lives_begin(p->fd, p->dir, &l, place_log, p);
    assert_int_equal(l.starts, 0);
    assert_int_equal(p->said, 1);
    assert_non_null(strstr(p->sentence, "cannot be written"));
    assert_int_equal(rmdir(path), 0);
    disk_lives_begin(p->fd, p->dir, &l, place_log, p);
    assert_int_equal(l.starts, 1);
}

static void what_was_seen_is_read_back_and_damage_forgets_it(void **state)
{
    struct place *p = *state;
    struct lives_seen s = {0}, back;
    struct lives l;

    disk_lives_recall(p->fd, p->dir, &back, place_log, p);
    assert_int_equal(back.n, 0);
    assert_int_equal(p->said, 0);
    for (uint64_t id = 1; id <= LIVES_SEEN_MAX; id++) { /* the largest that is written is read */
        l = lived(UINT64_MAX / 200, 3);
        l.starts = INT64_MAX;
        (void)lives_note(&s, INT64_MAX - id, &l, id % 2 == 0);
    }
    assert_int_equal(disk_lives_keep(p->fd, &s), 0);
    disk_lives_recall(p->fd, p->dir, &back, place_log, p);
    assert_int_equal(p->said, 0);
    assert_int_equal(back.n, s.n);
    for (unsigned i = 0; i < s.n; i++) {
        assert_int_equal(back.nodes[i].id, s.nodes[i].id);
        assert_int_equal(back.nodes[i].life.start, s.nodes[i].life.start);
        assert_int_equal(back.nodes[i].life.mark, s.nodes[i].life.mark);
        assert_int_equal(back.nodes[i].life.member, s.nodes[i].life.member);
    }
    place_write(p, "acquaintances", "{\"format\":1,\"nodes\":[{\"id\":1}]}");
    disk_lives_recall(p->fd, p->dir, &back, place_log, p);
    assert_int_equal(p->said, 1);
    assert_non_null(strstr(p->sentence, "/acquaintances is damaged"));
    assert_int_equal(back.n, 0);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, place_open, place_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_seen_is_in_the_lives_of_a_node_that_lost_nothing),
        cmocka_unit_test(starts_after_a_step_back_do_not_hide_it),
        cmocka_unit_test(a_note_is_new_once_and_a_member_stays_one),
        cmocka_unit_test(who_was_not_seen_for_longest_is_forgotten_first),
        cmocka_unit_test(lives_come_back_from_their_bytes_and_garbage_tells_none),
        ON_DISK(each_start_is_one_more_and_keeps_those_before),
        ON_DISK(starts_that_are_damaged_are_told_and_none_are_claimed),
        ON_DISK(starts_that_cannot_be_written_are_told_and_none_are_claimed),
        ON_DISK(what_was_seen_is_read_back_and_damage_forgets_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
