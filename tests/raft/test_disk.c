/* test_disk.c - the data directory: whose it is, and disk errors while it is in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../raft/disk/aio.h"
#include "../support/bench/disk_bench.h"

/* --- whose it is --- */

static void an_empty_place_becomes_a_pristine_directory(void **state)
{
    struct bench *b = *state;
    struct disk *d;
    uint64_t free_bytes, total_bytes;

    snprintf(b->dir, sizeof b->dir, "%s/not/yet/", b->root);
    d = disk_bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    assert_int_equal(disk_free_bytes(d, &free_bytes, &total_bytes), 0);
    assert_true(free_bytes > 0 && total_bytes >= free_bytes);
    disk_close(d);
    d = disk_bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
}

static void a_place_without_a_parent_is_refused(void **state)
{
    struct bench *b = *state;

    snprintf(b->dir, sizeof b->dir, "%s/not/yet/there", b->root);
    assert_null(disk_bench_open(b));
    assert_says(b, "/not/yet/there cannot be made");
}

static void a_directory_in_use_is_refused(void **state)
{
    struct bench *b = *state;
    struct disk *d = disk_bench_open(b);

    assert_non_null(d);
    assert_null(disk_bench_open(b));
    assert_says(b, "in use");
    assert_says(b, b->dir);
    disk_close(d);
    d = disk_bench_open(b);
    assert_non_null(d);
    disk_close(d);
}

static void a_directory_that_others_can_write_to_is_refused(void **state)
{
    static const mode_t modes[] = {0777, 0770, 01777, 0702};
    struct bench *b = *state;

    disk_close(disk_bench_open(b));
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(b->dir, modes[i]), 0);
        assert_null(disk_bench_open(b));
        assert_says(b, "chmod 700");
    }
    assert_int_equal(chmod(b->dir, 0755), 0); /* others may look: each file is its owner's */
    struct disk *d = disk_bench_open(b);
    assert_non_null(d);
    disk_close(d);
}

static void a_directory_that_anybody_can_exchange_is_refused(void **state)
{
    struct bench *b = *state;

    snprintf(b->dir, sizeof b->dir, "%s/below", b->root);
    assert_int_equal(chmod(b->root, 0777), 0);
    assert_null(disk_bench_open(b));
    assert_says(b, "anybody can exchange it (mode 0777)");
    assert_int_equal(chmod(b->root, 01777), 0); /* as /tmp */
    struct disk *d = disk_bench_open(b);
    assert_non_null(d);
    disk_close(d);
}

static void a_directory_of_another_user_is_refused(void **state)
{
    struct bench *b = *state;

    if (geteuid() != 0) {
        print_message("skipped: root is needed\n"); /* to give a directory away */
        skip();
    }
    disk_close(disk_bench_open(b));
    assert_int_equal(chown(b->dir, 12345, 12345), 0);
    assert_null(disk_bench_open(b));
    assert_says(b, "belongs to user 12345, and this is user 0");
}

/* Whoever could plant them once: nothing is written through. */
static void links_in_the_directory_are_not_followed(void **state)
{
    struct bench *b = *state;
    char victim[160], link[160], text[32] = {0};

    snprintf(b->dir, sizeof b->dir, "%s/below", b->root);
    assert_int_equal(mkdir(b->dir, 0700), 0);
    snprintf(victim, sizeof victim, "%s/victim", b->root);
    FILE *f = fopen(victim, "w");
    assert_non_null(f);
    fputs("untouched", f);
    fclose(f);
    snprintf(link, sizeof link, "%s/identity.tmp", b->dir);
    assert_int_equal(symlink(victim, link), 0);
    struct disk *d = disk_bench_open(b);
    assert_non_null(d);
    disk_close(d);
    f = fopen(victim, "r");
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "untouched");
    snprintf(link, sizeof link, "%s/identity", b->dir);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(victim, link), 0);
    assert_null(disk_bench_open(b));
    assert_says(b, "identity cannot be read");
    snprintf(link, sizeof link, "%s/lock", b->dir);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(victim, link), 0);
    assert_null(disk_bench_open(b));
    assert_says(b, "lock cannot be opened");
}

static void a_directory_of_another_cluster_is_refused(void **state)
{
    struct bench *b = *state;
    struct disk_config c = config_of(b);

    disk_close(disk_bench_open(b));
    c.cluster = "other";
    assert_null(disk_open(&c, b->err, sizeof b->err));
    assert_says(b, "cluster \"shop\", not \"other\"");
}

static void a_directory_of_another_node_is_refused(void **state)
{
    struct bench *b = *state;
    struct disk_config c = config_of(b);

    disk_close(disk_bench_open(b));
    c.id = 2;
    assert_null(disk_open(&c, b->err, sizeof b->err));
    assert_says(b, "belongs to node 1, not to node 2");
}

static void a_damaged_identity_is_refused(void **state)
{
    struct bench *b = *state;

    disk_close(disk_bench_open(b));
    bench_write_at(b, "../identity", 0, "{{{", 3);
    assert_refused(b, "identity is damaged");
}

static void an_identity_of_a_newer_version_is_refused(void **state)
{
    struct bench *b = *state;
    const char text[] = "{\"format\":3,\"cluster\":\"shop\",\"id\":1}";

    disk_close(disk_bench_open(b));
    bench_drop(b, "../identity");
    bench_write_at(b, "../identity", 0, text, strlen(text));
    assert_null(disk_bench_open(b));
    assert_says(b, "newer version");
}

static void write_identity(struct bench *b, const char *text)
{
    bench_drop(b, "../identity");
    bench_write_at(b, "../identity", 0, text, strlen(text));
}

static void a_directory_of_before_identities_is_of_a_member_without_one(void **state)
{
    struct bench *b = *state;
    struct standing standing;

    bench_make_log(b, 1);
    write_identity(b, "{\"format\":1,\"cluster\":\"shop\",\"id\":1}"); /* as format 1 was written */
    struct disk *d = disk_bench_open(b);
    assert_non_null(d);
    standing = *disk_standing(d);
    assert_int_equal(standing.state, STANDING_MEMBER);
    assert_false(standing_has_identity(&standing));
    assert_int_equal(standing.founding, 0);
    standing.identity[3] = 9; /* its next leader's epoch told it */
    assert_int_equal(disk_set_standing(d, &standing, b->err, sizeof b->err), 0);
    disk_close(d);
    d = disk_bench_open(b);
    assert_non_null(d);
    assert_memory_equal(disk_standing(d), &standing, sizeof standing);
    disk_close(d);
}

static void a_node_in_no_cluster_yet_comes_to_one_as_it_is_told_to(void **state)
{
    const struct standing_founder list[] = {{1, "127.0.0.1:7410"}, {2, "127.0.0.1:7420"}};
    struct bench *b = *state;
    struct disk_config c = config_of(b);
    struct standing founding, joining = {.state = STANDING_JOINING};

    standing_found(&founding, "shop", list, 2);
    c.standing = &founding;
    struct disk *d = disk_open(&c, b->err, sizeof b->err);
    assert_non_null(d);
    assert_memory_equal(disk_standing(d), &founding, sizeof founding);
    disk_close(d);
    c.standing = &joining; /* nothing was founded: the flags were mended */
    d = disk_open(&c, b->err, sizeof b->err);
    assert_non_null(d);
    assert_int_equal(disk_standing(d)->state, STANDING_JOINING);
    joining.identity[0] = 7; /* a member addresses it: that is not for the flags to change */
    assert_int_equal(disk_set_standing(d, &joining, b->err, sizeof b->err), 0);
    disk_close(d);
    c.standing = &founding;
    d = disk_open(&c, b->err, sizeof b->err);
    assert_non_null(d);
    assert_memory_equal(disk_standing(d), &joining, sizeof joining);
    disk_close(d);
}

static void a_member_without_its_log_is_refused(void **state)
{
    struct bench *b = *state;
    struct standing member = {.state = STANDING_MEMBER, .identity = {7}};
    struct disk *d = disk_bench_open(b);

    assert_int_equal(disk_set_standing(d, &member, b->err, sizeof b->err), 0);
    disk_close(d);
    assert_refused(b, "is of a member of cluster 07000000, but");
}

static void an_identity_that_lacks_or_garbles_what_it_must_say_is_refused(void **state)
{
    static const char *const damaged[] = {
        "{\"format\":2,\"cluster\":\"shop\",\"id\":1}",
        "{\"format\":2,\"cluster\":\"shop\",\"id\":1,\"state\":\"guest\",\"identity\":\"\","
        "\"founding\":\"0000000000000000\",\"founders\":\"\"}",
        "{\"format\":2,\"cluster\":\"shop\",\"id\":1,\"state\":\"member\",\"identity\":\"ab\","
        "\"founding\":\"0000000000000000\",\"founders\":\"\"}",
        "{\"format\":2,\"cluster\":\"shop\",\"id\":1,\"state\":\"member\",\"identity\":\"\","
        "\"founding\":\"xyz\",\"founders\":\"\"}",
    };
    struct bench *b = *state;

    disk_close(disk_bench_open(b));
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_identity(b, damaged[i]);
        assert_refused(b, "identity is damaged");
    }
}

static void a_link_in_the_place_of_the_temporary_file_is_not_followed(void **state)
{
    struct bench *b = *state;
    char target[200], link[200];

    snprintf(target, sizeof target, "%s/precious", b->root);
    FILE *f = fopen(target, "w");
    assert_non_null(f);
    fputs("precious", f);
    fclose(f);
    assert_int_equal(mkdir(b->dir, 0700), 0);
    snprintf(link, sizeof link, "%s/identity.tmp", b->dir);
    assert_int_equal(symlink(target, link), 0);
    disk_close(disk_bench_open(b));
    assert_int_equal(access(link, F_OK), -1);
    char text[16] = "";
    f = fopen(target, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "precious");
}

static void a_missing_identity_is_refused_when_there_is_data(void **state)
{
    struct bench *b = *state;

    bench_make_log(b, 1);
    bench_drop(b, "../identity");
    assert_refused(b, "identity is missing");
}

/* --- disk errors at work: each kills the process before libraft does worse --- */

static void limit(int resource, rlim_t n)
{
    struct rlimit r = {.rlim_cur = n, .rlim_max = RLIM_INFINITY};

    getrlimit(resource, &r);
    r.rlim_cur = n;
    if (setrlimit(resource, &r) != 0) {
        _exit(1);
    }
}

/* Run in a child; true when it ended by bench_fatal. */
static bool dies_of(struct bench *b, void (*run)(struct bench *b))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        alarm(10);
        run(b);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == FATAL_EXIT;
}

static void run_failing_write(struct bench *b)
{
    struct work w;

    work_open(&w, b);
    work_append(&w, 1, 64, 'a');
    limit(RLIMIT_FSIZE, 4096); /* writes behind it fail with EFBIG */
    work_append(&w, 1, 65536, 'b');
}

static void a_failed_write_of_the_log_is_fatal(void **state)
{
    assert_true(dies_of(*state, run_failing_write));
}

static void run_failing_truncation(struct bench *b)
{
    struct work w;

    work_open(&w, b); /* everything is in closed segments */
    limit(RLIMIT_NOFILE, 0);
    if (w.io->truncate(w.io, 15) != 0) {
        _exit(1);
    }
    for (;;) {
        uv_run(&w.loop, UV_RUN_ONCE);
    }
}

static void a_failed_truncation_is_fatal(void **state)
{
    bench_make_log(*state, 3);
    assert_true(dies_of(*state, run_failing_truncation));
}

static void run_failing_finalization(struct bench *b)
{
    struct work w;

    work_open(&w, b);
    work_append(&w, 10, 64, 'a');
    limit(RLIMIT_NOFILE, 0);
    if (w.io->truncate(w.io, 5) != 0) { /* closes the open segment first */
        _exit(1);
    }
    for (;;) {
        uv_run(&w.loop, UV_RUN_ONCE);
    }
}

static void a_segment_that_cannot_be_closed_is_fatal(void **state)
{
    assert_true(dies_of(*state, run_failing_finalization));
}

static void run_truncation(struct bench *b)
{
    struct work w;

    work_open(&w, b);
    if (w.io->truncate(w.io, 15) != 0) {
        _exit(1);
    }
    work_append(&w, 1, 64, 'z');
    work_close(&w);
    _exit(7);
}

static void a_truncation_that_works_is_not_fatal(void **state)
{
    struct bench *b = *state;
    struct work w;

    bench_make_log(b, 3);
    assert_false(dies_of(b, run_truncation));
    work_open(&w, b);
    assert_int_equal(w.n_entries, 15);
    assert_int_equal(((uint8_t *)w.entries[14].buf.base)[0], 'z');
    work_close(&w);
}

/* --- full segments --- */

/* Of this process: the kernel maps a ring for each. */
static unsigned contexts(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        n += strstr(line, "[aio]") != NULL;
    }
    fclose(f);
    return n;
}

#define SEGMENTS 20
#define ENTRY_BYTES (64 * 1024)
#define ENTRIES (SEGMENTS * 8 * 1024 * 1024 / ENTRY_BYTES)

static void contexts_of_full_segments_are_destroyed_by_the_thread(void **state)
{
    struct bench *b = *state;
    struct work w;
    uint64_t destroyed = disk_aio_destroyed();

    assert_int_equal(contexts(), 0);
    work_open(&w, b);
    for (unsigned i = 0; i < ENTRIES / 16; i++) {
        work_append(&w, 16, ENTRY_BYTES, (int)i);
    }
    /* If this fails syscall() is libc's own: something keeps the program's from libraft. */
    for (unsigned i = 0; i < 2000 && disk_aio_destroyed() < destroyed + SEGMENTS; i++) {
        usleep(10000);
    }
    assert_true(disk_aio_destroyed() >= destroyed + SEGMENTS);
    for (unsigned i = 0; i < 2000 && contexts() > 2; i++) { /* of the segments that are open */
        usleep(10000);
    }
    assert_in_range(contexts(), 1, 2);
    work_close(&w);
    assert_int_equal(contexts(), 0);
    work_open(&w, b);
    assert_int_equal(w.n_entries, ENTRIES + 1); /* and the founding one */
    work_close(&w);
}

static void two_disks_share_the_thread(void **state)
{
    struct bench *b = *state;
    struct bench other = *b;
    struct work first, second;
    uint64_t destroyed = disk_aio_destroyed();

    snprintf(other.dir, sizeof other.dir, "%s/other", b->root);
    work_open(&first, b);
    work_open(&second, &other);
    work_append(&first, 1, 64, 'a');
    work_append(&second, 1, 64, 'b');
    work_close(&first);
    uint64_t of_the_first = disk_aio_destroyed();
    work_append(&second, 1, 64, 'b');
    work_close(&second); /* returns when none is left */
    assert_true(disk_aio_destroyed() >= of_the_first + 1);
    assert_true(disk_aio_destroyed() >= destroyed + 4); /* a probe and a segment each */
}

static void run_in_a_child(struct bench *b)
{
    struct work w;
    uint64_t destroyed = disk_aio_destroyed();
    /* A context that the parent's thread has not come to yet is mapped here too, and stays. */
    unsigned inherited = contexts();

    work_open(&w, b);
    work_append(&w, 1, 64, 'a');
    work_close(&w);
    _exit(disk_aio_destroyed() == destroyed && contexts() == inherited ? FATAL_EXIT : 1);
}

/* The parent's thread is not there; what it would do is done at once. */
static void a_child_of_fork_works_without_the_thread(void **state)
{
    struct bench *b = *state;
    struct bench other = *b;
    struct work w;

    snprintf(other.dir, sizeof other.dir, "%s/other", b->root);
    work_open(&w, b);
    assert_true(dies_of(&other, run_in_a_child));
    work_close(&w);
}

static void other_system_calls_go_through(void **state)
{
    int fds[2];
    char text[4] = "";

    (void)state;
    assert_int_equal(syscall(SYS_getpid), getpid());
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(syscall(SYS_read, fds[0], text, 3), 3);
    assert_string_equal(text, "abc");
    assert_int_equal(syscall(SYS_close, fds[0]), 0);
    assert_int_equal(syscall(SYS_close, fds[0]), -1);
    assert_int_equal(errno, EBADF);
    close(fds[1]);
    /* The sixth argument arrives, too. */
    FILE *f = tmpfile();
    assert_non_null(f);
    long page = sysconf(_SC_PAGESIZE);
    assert_int_equal(ftruncate(fileno(f), 2 * page), 0);
    assert_int_equal(pwrite(fileno(f), "second", 6, page), 6);
    char *at = (char *)syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE, fileno(f), page);
    assert_true(at != MAP_FAILED);
    assert_memory_equal(at, "second", 6);
    munmap(at, (size_t)page);
    fclose(f);
}

#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, disk_bench_setup, disk_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(an_empty_place_becomes_a_pristine_directory),
        ON_DISK(a_place_without_a_parent_is_refused),
        ON_DISK(a_directory_in_use_is_refused),
        ON_DISK(a_directory_that_others_can_write_to_is_refused),
        ON_DISK(a_directory_that_anybody_can_exchange_is_refused),
        ON_DISK(a_directory_of_another_user_is_refused),
        ON_DISK(links_in_the_directory_are_not_followed),
        ON_DISK(a_directory_of_another_cluster_is_refused),
        ON_DISK(a_directory_of_another_node_is_refused),
        ON_DISK(a_damaged_identity_is_refused),
        ON_DISK(an_identity_of_a_newer_version_is_refused),
        ON_DISK(a_missing_identity_is_refused_when_there_is_data),
        ON_DISK(a_directory_of_before_identities_is_of_a_member_without_one),
        ON_DISK(a_node_in_no_cluster_yet_comes_to_one_as_it_is_told_to),
        ON_DISK(a_member_without_its_log_is_refused),
        ON_DISK(an_identity_that_lacks_or_garbles_what_it_must_say_is_refused),
        ON_DISK(a_link_in_the_place_of_the_temporary_file_is_not_followed),
        ON_DISK(a_failed_write_of_the_log_is_fatal),
        ON_DISK(a_failed_truncation_is_fatal),
        ON_DISK(a_segment_that_cannot_be_closed_is_fatal),
        ON_DISK(a_truncation_that_works_is_not_fatal),
        ON_DISK(contexts_of_full_segments_are_destroyed_by_the_thread),
        ON_DISK(two_disks_share_the_thread),
        ON_DISK(a_child_of_fork_works_without_the_thread),
        cmocka_unit_test(other_system_calls_go_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
