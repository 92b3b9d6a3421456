/* directory.h - whether a data directory is one that nobody else can tamper with.
 *
 * Whoever may write in it can put a log of his own there, and whoever may read in it learns the
 * cluster's secret and the secrets of routes once a file's mode is wrong. */
#ifndef DISK_DIRECTORY_H
#define DISK_DIRECTORY_H

#include <stddef.h>

#include "../../client/ordersched.h"

/* `fd` is the directory, `path` its name. It must belong to the user of this process or to root,
 * nobody else may write to it, and what it lies in must not let just anybody exchange it. 0, or -1
 * and in errbuf a sentence that says what to do. */
int disk_directory_check(int fd, const char *path, char *errbuf,
                         size_t errbuf_len) ORDERSCHED_MUST_CHECK;

#endif
