/* replace.c - see replace.h. */
#include "replace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Write all of it and sync. 0 or -1 (errno). */
static int file_write(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

/* The temporary file is always a new one of our own: what lies there (half a file of a crash, a
 * link that somebody else put there) is removed, never followed. */
static int open_temporary(int dir_fd, const char *temporary)
{
    if (unlinkat(dir_fd, temporary, 0) != 0 && errno != ENOENT) {
        return -1;
    }
    return openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int disk_replace(int dir_fd, const char *name, const char *text)
{
    char temporary[DISK_REPLACE_NAME_MAX + 4];
    int rv = -1;

    assert(strlen(name) < DISK_REPLACE_NAME_MAX);
    snprintf(temporary, sizeof temporary, "%s.tmp", name);
    int fd = open_temporary(dir_fd, temporary);
    if (fd < 0) {
        return -1;
    }
    if (file_write(fd, text, strlen(text)) == 0 && renameat(dir_fd, temporary, dir_fd, name) == 0) {
        rv = fsync(dir_fd);
    }
    int error = errno;
    close(fd);
    errno = error;
    return rv;
}

long disk_read_whole(int dir_fd, const char *name, char *out, size_t max)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = 0;

    if (fd < 0) {
        return -1;
    }
    while (len < max && (n = read(fd, out + len, max - len)) > 0) {
        len += (size_t)n;
    }
    int error = n < 0 ? errno : EFBIG;
    close(fd);
    errno = error;
    return n < 0 || len == max ? -1 : (long)len;
}
