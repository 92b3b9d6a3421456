/* directory.c - see directory.h. */
#include "directory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(const struct stat *st)
{
    return st->st_uid == geteuid() || st->st_uid == 0;
}

/* Anybody may rename what lies in it, unless only the owner of a thing may (/tmp). */
static bool is_open_to_all(const struct stat *st)
{
    return (st->st_mode & S_IWOTH) != 0 && (st->st_mode & S_ISVTX) == 0;
}

int disk_directory_check(int fd, const char *path, char *errbuf, size_t errbuf_len)
{
    struct stat st, parent;

    if (fstat(fd, &st) != 0 || fstatat(fd, "..", &parent, 0) != 0) {
        snprintf(errbuf, errbuf_len, "%s cannot be looked at: %s", path, strerror(errno));
        return -1;
    }
    if (!is_ours(&st)) {
        snprintf(errbuf, errbuf_len,
                 "%s belongs to user %u, and this is user %u: whoever owns the data can change it. "
                 "Run orderschedd as its owner, or chown it.",
                 path, (unsigned)st.st_uid, (unsigned)geteuid());
        return -1;
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        snprintf(errbuf, errbuf_len,
                 "%s can be written by others than its owner (mode %04o). See that nobody has "
                 "tampered with it, then: chmod 700 %s",
                 path, (unsigned)st.st_mode & 07777, path);
        return -1;
    }
    if (is_open_to_all(&parent)) {
        snprintf(errbuf, errbuf_len,
                 "%s lies in a directory where anybody can exchange it (mode %04o). Take another "
                 "--data directory, or: chmod o-w %s/..",
                 path, (unsigned)parent.st_mode & 07777, path);
        return -1;
    }
    return 0;
}
