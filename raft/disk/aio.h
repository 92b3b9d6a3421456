/* aio.h - libraft's discarded AIO contexts, destroyed on a thread of their own.
 *
 * When a segment of the log is full, libraft calls io_destroy(2) on the loop's thread
 * (uvWriterCleanUpAndFireCloseCb), and the kernel returns after an RCU grace period: 25 to 36 ms,
 * in which the loop does nothing, on all nodes at the same entry. So that call is given to a
 * thread, and answered with 0 (see interpose.c).
 *
 * Why that is safe, as of libraft 0.22.1:
 *
 * - A segment's writer is closed by uvAliveSegmentFinalize only, and that is called when no write
 *   is under way: after the last one's callback, or with append_writing_reqs empty. A writer has
 *   one write at a time. So nothing is in flight that io_destroy would have to wait for, and no
 *   memory that a late write could still read.
 * - Nothing uses the context after it: the writer is freed next. Nor can its number come back
 *   before it is destroyed: it is the address of the kernel's ring, which is mapped until then.
 * - libraft looks at the result once, in the probe at the start, and only to give up.
 * - A context that was not destroyed yet ends with the process: the kernel takes it back, as it
 *   does after SIGKILL. A child of fork(2) has none of them, and no thread: there, as whenever
 *   there is no thread or DISK_AIO_QUEUE_MAX contexts wait, io_destroy is done at once. posix_spawn
 *   (callback_exec) does not copy the process at all.
 *
 * The thread is the process's, shared by the disks that are open in it. */
#ifndef DISK_AIO_H
#define DISK_AIO_H

#include <stdbool.h>
#include <stdint.h>

/* Few: until it is destroyed a context counts against the machine's fs.aio-max-nr, with 8 for each
 * of its processors. One waits in a quarter of a second at full load. */
#define DISK_AIO_QUEUE_MAX 16

struct disk_aio { /* one for each open disk; opaque */
    void (*log)(void *arg, const char *level, const char *sentence);
    void *arg;
    struct disk_aio *next;
};

/* From here until disk_aio_stop there is a thread. Without memory for one there is none, and
 * `log` says so. `log` may be NULL; it may be called on the thread, with a first failure. */
void disk_aio_start(struct disk_aio *a,
                    void (*log)(void *arg, const char *level, const char *sentence), void *arg);
/* When libraft's raft_io is closed. Of the last disk: returns when all contexts are destroyed. */
void disk_aio_stop(struct disk_aio *a);
/* Leave the context to the thread. False: there is none, or it has enough to do, or it asks itself:
 * then the caller destroys it. */
bool disk_aio_take(long context);
/* How many contexts the thread has destroyed in the life of the process. */
uint64_t disk_aio_destroyed(void);

#endif
