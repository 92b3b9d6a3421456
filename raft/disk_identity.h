/* disk_identity.h - whose data directory it is: DIR/identity, written once.
 *
 * JSON: {"format": 1, "cluster": "...", "id": N}. A change raises "format". */
#ifndef DISK_IDENTITY_H
#define DISK_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1 when it is this cluster's and this node's, 0 when there is no identity yet, -1 when it is
 * another's or cannot be read (errbuf). `dir` is for the sentence, `dir_fd` to open it. */
int disk_identity_check(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                        char *errbuf, size_t errbuf_len);
/* Write it: durable, or not there. 0 or -1 (errbuf). */
int disk_identity_write(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                        char *errbuf, size_t errbuf_len);

#endif
