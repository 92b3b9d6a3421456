/* test_disk_paced.c - a large write goes to the disk piece by piece, whoever makes it and however
 * long its parts are, and what fails is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "../../raft/disk/paced.h"

#define PARTS 40u
#define PART_MAX (300u * 1024)
#define ODD 12345 /* no place for a write past the cache */

static unsigned pushes;
static int push_error; /* of the next ones; 0: they do what they should */

/* The test's own, before libc's. */
int sync_file_range(int fd, off64_t at, off64_t len, unsigned flags)
{
    pushes++;
    if (push_error != 0) {
        errno = push_error;
        return -1;
    }
    return (int)syscall(SYS_sync_file_range, fd, at, len, flags);
}

struct bench {
    FILE *file;
    int fd;              /* its */
    unsigned char *data; /* all parts, one behind the other */
    size_t len;
    uv_buf_t parts[PARTS];
};

static int open_file(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    b->file = tmpfile();
    b->data = malloc((size_t)PARTS * PART_MAX);
    if (b->file == NULL || b->data == NULL) {
        return -1;
    }
    b->fd = fileno(b->file);
    for (unsigned i = 0; i < PARTS; i++) { /* of any length, none among them */
        size_t len = i % 7 == 3 ? 0 : PART_MAX - 4099 * i;
        memset(b->data + b->len, (int)i + 1, len);
        b->parts[i] = uv_buf_init((char *)b->data + b->len, (unsigned)len);
        b->len += len;
    }
    pushes = 0;
    push_error = 0;
    *state = b;
    return 0;
}

static int close_file(void **state)
{
    struct bench *b = *state;

    fclose(b->file);
    free(b->data);
    free(b);
    return 0;
}

static void assert_written(const struct bench *b, off_t at)
{
    unsigned char *back = malloc(b->len);

    assert_non_null(back);
    assert_int_equal(pread(b->fd, back, b->len, at), b->len);
    assert_memory_equal(back, b->data, b->len);
    free(back);
}

/* As libraft writes a snapshot. If it fails for the count, something keeps the program's functions
 * from libuv. */
static void what_libuv_writes_is_paced(void **state)
{
    struct bench *b = *state;
    uint64_t before = disk_paced_writes();
    uv_fs_t req;

    assert_int_equal(uv_fs_write(NULL, &req, b->fd, b->parts, PARTS, 0, NULL), b->len);
    uv_fs_req_cleanup(&req);
    assert_int_equal(disk_paced_writes(), before + 1);
    assert_written(b, 0);
    assert_int_equal(fcntl(b->fd, F_GETFL) & O_DIRECT, 0);
    assert_int_equal(lseek(b->fd, 0, SEEK_END), b->len);
}

static void what_is_written_by_name_is_paced(void **state)
{
    struct bench *b = *state;
    uint64_t before = disk_paced_writes();
    const struct iovec *iov = (const struct iovec *)b->parts;

    assert_int_equal(pwritev(b->fd, iov, PARTS, 0), b->len);
    assert_int_equal(pwritev64(b->fd, iov, PARTS, 2 * ODD), b->len);
    pushes = 0;
    assert_int_equal(syscall(SYS_pwritev, b->fd, iov, PARTS, ODD, 0), b->len);
    assert_int_equal(disk_paced_writes(), before + 3);
    assert_int_equal(pushes, (b->len + DISK_PACED_PIECE - 1) / DISK_PACED_PIECE);
    assert_written(b, ODD);
}

static void a_small_write_is_left_alone(void **state)
{
    struct bench *b = *state;
    uint64_t before = disk_paced_writes();
    struct iovec small = {b->data, DISK_PACED_PIECE};

    assert_int_equal(pwritev(b->fd, &small, 1, 5), DISK_PACED_PIECE);
    assert_int_equal(disk_paced_writes(), before);
    assert_int_equal(pushes, 0);
    b->len = DISK_PACED_PIECE;
    assert_written(b, 5);
}

/* There is room for so much and no more. */
static void a_full_disk_makes_it_short(void **state)
{
    struct bench *b = *state;
    struct rlimit all, some;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    some = all;
    some.rlim_cur = 3 * 1024 * 1024 + 17;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &some), 0);
    ssize_t past_cache = pwritev(b->fd, (const struct iovec *)b->parts, PARTS, 0);
    ssize_t written = pwritev(b->fd, (const struct iovec *)b->parts, PARTS, ODD);
    ssize_t more = pwritev(b->fd, (const struct iovec *)b->parts, PARTS, 4 * 1024 * 1024);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    assert_in_range(past_cache, some.rlim_cur - 4096, some.rlim_cur);
    assert_int_equal(written, some.rlim_cur - ODD);
    assert_int_equal(more, -1);
    assert_int_equal(error, EFBIG);
    b->len = (size_t)written;
    assert_written(b, ODD);
}

/* fsync would not be told of it any more. */
static void a_disk_that_fails_fails_the_write(void **state)
{
    struct bench *b = *state;
    const int errors[] = {EIO, ENOSPC, EDQUOT, ENOMEM};

    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        push_error = errors[i];
        assert_int_equal(pwritev(b->fd, (const struct iovec *)b->parts, PARTS, ODD), -1);
        assert_int_equal(errno, errors[i]);
    }
}

static void where_it_cannot_be_paced_it_is_written(void **state)
{
    struct bench *b = *state;
    const int errors[] = {EINVAL, ESPIPE, ENOSYS, EPERM};

    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        push_error = errors[i];
        assert_int_equal(pwritev(b->fd, (const struct iovec *)b->parts, PARTS, ODD), b->len);
    }
    assert_written(b, ODD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_libuv_writes_is_paced, open_file, close_file),
        cmocka_unit_test_setup_teardown(what_is_written_by_name_is_paced, open_file, close_file),
        cmocka_unit_test_setup_teardown(a_small_write_is_left_alone, open_file, close_file),
        cmocka_unit_test_setup_teardown(a_full_disk_makes_it_short, open_file, close_file),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_fails_the_write, open_file, close_file),
        cmocka_unit_test_setup_teardown(where_it_cannot_be_paced_it_is_written, open_file,
                                        close_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
