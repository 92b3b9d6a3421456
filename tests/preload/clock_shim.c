/* clock_shim.c - an LD_PRELOAD library that lets a test step one process's clocks.
 *
 * CLOCK_REALTIME is not per-namespace, so a node's skew is added here: clock_gettime (for
 * CLOCK_REALTIME and its coarse form), gettimeofday and time() answer with an offset in
 * microseconds, read from the file named by CLOCK_SHIM_FILE, which is mapped shared so that the test can
 * bump and strobe it at any time. It holds three numbers of 8 bytes (clock_shim.h), of which the last two may be
 * missing: what is added to CLOCK_BOOTTIME likewise, as a suspend does, and the kernel's word on the
 * wall clock. CLOCK_MONOTONIC is left alone. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define SHIM_API __attribute__((visibility("default")))

struct shim {
    int64_t wall_us, boot_us;
    int64_t kernel_error_us; /* 0: the kernel itself is asked */
};

static const volatile struct shim *shim;

__attribute__((constructor)) static void shim_map(void)
{
    const char *path = getenv("CLOCK_SHIM_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        void *at = mmap(NULL, sizeof *shim, PROT_READ, MAP_SHARED, fd, 0); /* short: zeroes */
        shim = at != MAP_FAILED ? at : NULL;
        close(fd);
    }
}

static int64_t shim_offset_us(clockid_t id)
{
    if (shim == NULL) {
        return 0;
    }
    return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? shim->wall_us
           : id == CLOCK_BOOTTIME                              ? shim->boot_us
                                                               : 0;
}

static int shim_read(clockid_t id, struct timespec *ts)
{
    int rv = (int)syscall(SYS_clock_gettime, id, ts);
    int64_t offset_us = shim_offset_us(id);

    if (rv == 0 && offset_us != 0) {
        int64_t us = (int64_t)ts->tv_sec * 1000000 + ts->tv_nsec / 1000 + offset_us;
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

SHIM_API int ntp_adjtime(struct timex *t)
{
    int64_t error_us = shim != NULL ? shim->kernel_error_us : 0;
    int rv = (int)syscall(SYS_adjtimex, t);

    if (error_us == 0 || rv < 0) {
        return rv;
    }
    t->maxerror = error_us > 0 ? (long)error_us : 16000000;
    t->status = error_us > 0 ? STA_PLL : STA_UNSYNC;
    return error_us > 0 ? TIME_OK : TIME_ERROR;
}
