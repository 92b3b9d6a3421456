/* clock_shim.c - an LD_PRELOAD library that lets a test step one process's wall clock.
 *
 * CLOCK_REALTIME is not per-namespace, so a node's skew is added here: clock_gettime (for
 * CLOCK_REALTIME and its coarse form), gettimeofday and time() answer with an offset in
 * microseconds, read from the 8-byte file named by CLOCK_SHIM_FILE, which is mapped shared so
 * that the test can bump and strobe it at any time. Monotonic clocks are left alone. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHIM_API __attribute__((visibility("default")))

static const volatile int64_t *shim_offset_us;

__attribute__((constructor)) static void shim_map(void)
{
    const char *path = getenv("CLOCK_SHIM_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        void *at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
        shim_offset_us = at != MAP_FAILED ? at : NULL;
        close(fd);
    }
}

static int shim_read(clockid_t id, struct timespec *ts)
{
    int rv = (int)syscall(SYS_clock_gettime, id, ts);

    if (rv == 0 && shim_offset_us != NULL &&
        (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t us = (int64_t)ts->tv_sec * 1000000 + ts->tv_nsec / 1000 + *shim_offset_us;
        ts->tv_sec = us / 1000000;
        ts->tv_nsec = us % 1000000 * 1000;
    }
    return rv;
}

SHIM_API int clock_gettime(clockid_t id, struct timespec *ts)
{
    return shim_read(id, ts);
}

SHIM_API int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    (void)zone;
    int rv = shim_read(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return rv;
}

SHIM_API time_t time(time_t *out)
{
    struct timespec ts;

    shim_read(CLOCK_REALTIME, &ts);
    if (out != NULL) {
        *out = ts.tv_sec;
    }
    return ts.tv_sec;
}
