/* replace.h - a small file in the data directory, replaced as a whole: the new text is there,
 * durable, or the old one is. */
#ifndef DISK_REPLACE_H
#define DISK_REPLACE_H

#include <stddef.h>

#define DISK_REPLACE_NAME_MAX 32

/* Write `text` to the file `name` of the directory, by way of name.tmp. 0, or -1 (errno). Waits for
 * the disk. */
int disk_replace(int dir_fd, const char *name, const char *text);
/* Read it: its length, below `max`; -1 (errno: ENOENT if there is none, EFBIG if it is longer).
 * No link is followed. */
long disk_read_whole(int dir_fd, const char *name, char *out, size_t max);

#endif
