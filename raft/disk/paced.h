/* paced.h - a large file is written so that the log's writes find their way between.
 *
 * libraft writes a snapshot with one pwritev and then asks for an fsync. So hundreds of megabytes
 * become dirty pages first, and the disk gets all of them at once; a write to the log that comes
 * then waits until they are there, 50 to 150 ms for 85 MB on three nodes of one disk. Here each
 * piece is on the disk before the next is begun. That is no slower: the whole took 130 to 200 ms
 * instead of 350 to 500. Where the file system can, it goes past the page cache, which has nothing
 * to gain from a file that is read once at a start, and takes memory and time for it.
 *
 * What is promised does not change: the fsync that follows makes the file durable. But where the
 * cache is used sync_file_range(2) may be the one that is told of a failed write, and then fsync
 * is not: so such a failure fails the write. */
#ifndef DISK_PACED_H
#define DISK_PACED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Few ms of a disk's time. Between 256 KiB and 2 MiB the size made no difference. */
#define DISK_PACED_PIECE ((size_t)1024 * 1024)

/* More than one piece: nothing else that is written is. */
bool disk_paced_is_large(const struct iovec *iov, int n);
/* As pwritev(2), at any size; returns what was written before a failure, -1 with errno when that
 * is nothing or the disk failed. Thread-safe. */
ssize_t disk_paced_write(int fd, const struct iovec *iov, int n, off_t at);
/* How many writes were paced in the life of the process. Thread-safe. */
uint64_t disk_paced_writes(void);

#endif
