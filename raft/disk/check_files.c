/* check_files.c - what both looks at the directory have in common: files read and removed, and what is
 * said of them. See check_parts.h. */
#include "check_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int check_refuse(struct check *k, const char *format, ...)
{
    va_list args;
    int n = snprintf(k->errbuf, k->errbuf_len, "%s: ", k->c->dir);

    va_start(args, format);
    if (n >= 0 && (size_t)n < k->errbuf_len) {
        int m = vsnprintf(k->errbuf + n, k->errbuf_len - (size_t)n, format, args);
        n = m < 0 ? -1 : n + m;
    }
    va_end(args);
    if (n >= 0 && (size_t)n < k->errbuf_len) {
        snprintf(k->errbuf + n, k->errbuf_len - (size_t)n, ". %s", DISK_READD);
    }
    return -1;
}

void check_log(const struct check *k, const char *level, const char *format, ...)
{
    char sentence[NAME_MAX * 2 + 256];
    va_list args;

    if (k->c->log == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    k->c->log(k->c->arg, level, sentence);
}

uint8_t *check_read(struct check *k, const char *name, size_t *len)
{
    int fd = openat(k->fd, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data = NULL;
    size_t n = 0;
    int error;

    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &st) != 0 || (data = malloc((size_t)st.st_size + 1)) == NULL) {
        goto err;
    }
    while (n < (size_t)st.st_size) {
        ssize_t m = read(fd, data + n, (size_t)st.st_size - n);
        if (m < 0 && errno == EINTR) {
            continue;
        }
        if (m < 0) {
            goto err;
        }
        if (m == 0) {
            break;
        }
        n += (size_t)m;
    }
    close(fd);
    *len = n;
    return data;
err:
    error = errno;
    free(data);
    close(fd);
    errno = error;
    return NULL;
}

int check_remove(struct check *k, const char *name, const char *why)
{
    check_log(k, "warn", "removing %s: %s", name, why);
    if (unlinkat(k->fd, name, 0) != 0) {
        return check_refuse(k, "%s cannot be removed (%s): %s", name, why, strerror(errno));
    }
    return 0;
}

uint64_t check_snapshot_index(const struct check *k)
{
    return k->n_snapshots > 0 ? k->snapshots[k->n_snapshots - 1].index : 0;
}
