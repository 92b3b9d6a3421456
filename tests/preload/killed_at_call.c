/* killed_at_call.c - an LD_PRELOAD library that kills its process (SIGKILL) just before a chosen one of its
 * calls that change a directory or write to disk: the KILLED_AT-th (from 1) of fsync, linkat, rename,
 * renameat2 and unlink. */
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

/* Of this library alone; it has the names of the C library's. */
API int fsync(int fd);
API int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
API int rename(const char *from, const char *to);
API int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
API int unlink(const char *path);

#define AT_FDCWD_HERE (-100)

static void count(void)
{
    static long calls;
    const char *at = getenv("KILLED_AT");

    if (at != NULL && ++calls == atol(at)) {
        kill(getpid(), SIGKILL);
    }
}

int fsync(int fd)
{
    count();
    return (int)syscall(SYS_fsync, fd);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    count();
    return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int rename(const char *from, const char *to)
{
    count();
    return (int)syscall(SYS_renameat2, AT_FDCWD_HERE, from, AT_FDCWD_HERE, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    count();
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int unlink(const char *path)
{
    count();
    return (int)syscall(SYS_unlinkat, AT_FDCWD_HERE, path, 0);
}
