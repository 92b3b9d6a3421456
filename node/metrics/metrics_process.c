/* metrics_process.c - see metrics_process.h. */
#include "metrics_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../client/base/clocks.h"

#define US_PER_S 1000000ull

/* What the kernel says in one line of this file. False: nothing. */
static bool read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        return false;
    }
    bool there = fgets(out, (int)size, f) != NULL;
    fclose(f);
    return there;
}

static void read_memory(struct metrics_process *out)
{
    char line[256];
    uint64_t size, resident;
    long page = sysconf(_SC_PAGESIZE);

    if (page > 0 && read_line("/proc/self/statm", line, sizeof line) &&
        sscanf(line, "%" SCNu64 " %" SCNu64, &size, &resident) == 2) {
        out->virtual_bytes = size * (uint64_t)page;
        out->resident_bytes = resident * (uint64_t)page;
    }
}

/* Fields 20 and 22 of proc(5)'s stat: threads, and the start, in ticks since the boot. The name in
 * front of them may hold spaces, and ends with the last parenthesis. */
static void read_start(struct metrics_process *out)
{
    char line[1024];
    uint64_t threads, ticks;
    long per_s = sysconf(_SC_CLK_TCK);

    if (per_s <= 0 || !read_line("/proc/self/stat", line, sizeof line)) {
        return;
    }
    const char *at = strrchr(line, ')');
    if (at != NULL &&
        sscanf(at,
               ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
               " %*s %" SCNu64,
               &threads, &ticks) == 2) {
        uint64_t since_boot_us = ticks * US_PER_S / (uint64_t)per_s;
        uint64_t ago_us = clocks_boot_us() - since_boot_us;
        out->threads = threads;
        out->started_us = clocks_wall_us() - ago_us;
    }
}

static uint64_t us_of(struct timeval t)
{
    return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_usec;
}

static void read_descriptors(struct metrics_process *out)
{
    DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        out->max_fds = limit.rlim_cur;
    }
    if (dir == NULL) {
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        out->open_fds += entry->d_name[0] != '.';
    }
    closedir(dir);
    out->open_fds -= out->open_fds > 0; /* the one that was read */
}

void metrics_process_read(struct metrics_process *out)
{
    struct rusage usage;

    *out = (struct metrics_process){0};
    read_memory(out);
    read_start(out);
    read_descriptors(out);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->cpu_us = us_of(usage.ru_utime) + us_of(usage.ru_stime);
    }
}
