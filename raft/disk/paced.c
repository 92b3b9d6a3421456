/* paced.c - see paced.h. */
#include "paced.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096 /* of memory, file and disk: what O_DIRECT may ask for */
#define DISK_FAILED ((ssize_t)-2)

static_assert(DISK_PACED_PIECE % BLOCK == 0, "all pieces but the last are of whole blocks");

static atomic_ullong paced_writes;

bool disk_paced_is_large(const struct iovec *iov, int n)
{
    size_t len = 0;

    for (int i = 0; i < n && len <= DISK_PACED_PIECE; i++) {
        len += iov[i].iov_len;
    }
    return len > DISK_PACED_PIECE;
}

/* The parts, one piece after the other. */
struct source {
    const struct iovec *iov;
    int n;
    size_t at; /* in the first */
};

static size_t source_read(struct source *s, char *out, size_t len)
{
    size_t done = 0;

    while (done < len && s->n > 0) {
        size_t left = s->iov->iov_len - s->at;
        size_t some = left < len - done ? left : len - done;
        memcpy(out + done, (const char *)s->iov->iov_base + s->at, some);
        done += some;
        s->at += some;
        if (s->at == s->iov->iov_len) {
            s->iov++;
            s->n--;
            s->at = 0;
        }
    }
    return done;
}

/* False: the disk failed. A file system that cannot do it, or a descriptor that is no file, has
 * lost nothing. */
static bool push_to_disk(int fd, off_t at, ssize_t len)
{
    unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                     SYNC_FILE_RANGE_WAIT_AFTER;

    return sync_file_range(fd, at, len, flags) == 0 || errno == EINVAL || errno == ESPIPE ||
           errno == ENOSYS || errno == EPERM; /* EPERM: a filter of system calls */
}

static bool set_direct(int fd, bool direct)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

static ssize_t write_some(int fd, const char *data, size_t len, off_t at)
{
    ssize_t rv;

    do {
        rv = pwrite(fd, data, len, at);
    } while (rv < 0 && errno == EINTR);
    return rv;
}

/* Whole blocks go past the cache if `*direct`; the file system may refuse it here, too, for good.
 * As write_some. */
static ssize_t write_piece(int fd, const char *data, size_t len, off_t at, bool *direct)
{
    size_t blocks = len / BLOCK * BLOCK;

    if (*direct && blocks > 0) {
        ssize_t rv = write_some(fd, data, blocks, at);
        if (rv >= 0 || errno != EINVAL) {
            return rv;
        }
    }
    if (*direct) { /* or it is the end of the file */
        *direct = false;
        if (!set_direct(fd, false)) {
            return -1;
        }
    }
    ssize_t rv = write_some(fd, data, len, at);
    return rv > 0 && !push_to_disk(fd, at, rv) ? DISK_FAILED : rv;
}

ssize_t disk_paced_write(int fd, const struct iovec *iov, int n, off_t at)
{
    struct source source = {iov, n, 0};
    char *piece = aligned_alloc(BLOCK, DISK_PACED_PIECE);
    bool direct = at % BLOCK == 0 && set_direct(fd, true);
    ssize_t written = 0;
    ssize_t rv = piece != NULL ? 1 : -1;
    size_t len = 0, done = 0; /* of the piece */

    atomic_fetch_add(&paced_writes, 1);
    while (rv > 0) {
        if (done == len) {
            len = source_read(&source, piece, DISK_PACED_PIECE);
            done = 0;
        }
        if (len == 0) {
            break;
        }
        rv = write_piece(fd, piece + done, len - done, at + written, &direct);
        done += rv > 0 ? (size_t)rv : 0;
        written += rv > 0 ? rv : 0;
    }
    int error = errno;
    if (direct) {
        (void)set_direct(fd, false);
    }
    free(piece);
    errno = error;
    return rv == DISK_FAILED ? -1 : written > 0 ? written : rv > 0 ? 0 : rv;
}

uint64_t disk_paced_writes(void)
{
    return atomic_load(&paced_writes);
}
