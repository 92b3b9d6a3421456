/* interpose.c - the system calls of libraft and libuv that this program makes its own way.
 *
 * The program that links this file has functions of libc's names, which the dynamic linker prefers
 * for all libraries in it. Each passes everything on to the kernel but what one of these takes:
 *
 *   syscall(SYS_io_destroy)              libraft's writer       raft/disk/aio
 *   syscall(SYS_pwritev), pwritev()      libuv's uv_fs_write    raft/disk/paced
 *
 * libuv 1.44 makes its pwritev through syscall(), later versions look pwritev() up by name, which
 * is why the programs export it (Makefile). That both are reached is tested (test_disk,
 * test_disk_paced): what is not intercepted is slow, and right. */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "aio.h"
#include "paced.h"

#define PROGRAMS_OWN __attribute__((visibility("default")))

static_assert(sizeof(long) == sizeof(off_t), "an offset is one argument of a system call");

typedef long (*syscall_function)(long number, ...);

/* libc's own. Resolved at the first call, by whichever thread makes it: all find the same. */
static syscall_function next_syscall(void)
{
    static _Atomic(syscall_function) next;
    syscall_function found = atomic_load_explicit(&next, memory_order_acquire);

    if (found == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "syscall");
        memcpy(&found, &symbol, sizeof found); /* ISO C has no cast for it */
        atomic_store_explicit(&next, found, memory_order_release);
    }
    return found;
}

/* Six arguments are read however many were passed, as libc's does: which they are only the kernel
 * knows. The address sanitizer would take those that were not for a read beyond the caller's
 * variables. */
PROGRAMS_OWN __attribute__((no_sanitize_address)) long syscall(long number, ...)
{
    syscall_function next = next_syscall();
    va_list args;

    va_start(args, number);
    long a = va_arg(args, long);
    long b = va_arg(args, long);
    long c = va_arg(args, long);
    long d = va_arg(args, long);
    long e = va_arg(args, long);
    long f = va_arg(args, long);
    va_end(args);
    if (number == SYS_io_destroy && disk_aio_take(a)) {
        return 0;
    }
    if (number == SYS_pwritev && disk_paced_is_large((const struct iovec *)b, (int)c)) {
        return disk_paced_write((int)a, (const struct iovec *)b, (int)c, d);
    }
    if (next == NULL) { /* a libc without it */
        errno = ENOSYS;
        return -1;
    }
    return next(number, a, b, c, d, e, f);
}

/* Both names: which one a library asks for depends on how it was built. */
PROGRAMS_OWN ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return syscall(SYS_pwritev, fd, iov, n, at, 0L);
}

PROGRAMS_OWN ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
    return syscall(SYS_pwritev, fd, iov, n, at, 0L);
}
