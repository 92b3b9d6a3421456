/* disk_interpose.h - the system calls of libraft and libuv that this program makes its own way.
 *
 * The program that links this file has functions of libc's names, which the dynamic linker prefers
 * for all libraries in it. Each passes everything on to the kernel but what one of these takes:
 *
 *   syscall(SYS_io_destroy)              libraft's writer       raft/disk_aio
 *   syscall(SYS_pwritev), pwritev()      libuv's uv_fs_write    raft/disk_paced
 *
 * libuv 1.44 makes its pwritev through syscall(), later versions look pwritev() up by name, which
 * is why the programs export it (Makefile). That both are reached is tested (test_disk,
 * test_disk_paced): what is not intercepted is slow, and right. */
#ifndef DISK_INTERPOSE_H
#define DISK_INTERPOSE_H

#include <sys/types.h>
#include <sys/uio.h>

/* As pwritev(2), straight to the kernel. */
ssize_t disk_interpose_pwritev(int fd, const struct iovec *iov, int n, off_t at);

#endif
