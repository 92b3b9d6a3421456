/* identity.h - whose data directory it is: DIR/identity.
 *
 * JSON: {"format": 2, "cluster": NAME, "id": N, "state": "founding" | "joining" | "member",
 * "identity": 32 hexadecimal digits or "", "founding": 16 of them, "founders": "1=HOST:PORT,..."}.
 * Written when the directory is new, when the node learns its cluster's identity from a member, and
 * when its log tells it. Format 1 had the first three only: a member from before clusters had an
 * identity. A change raises "format". */
#ifndef DISK_IDENTITY_H
#define DISK_IDENTITY_H

#include "../peer/standing.h"

/* 1 when it is this cluster's and this node's (*standing is read), 0 when there is none yet, -1
 * when it is another's or cannot be read (errbuf). `dir` is for the sentence, `dir_fd` to open it. */
int disk_identity_read(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                       struct standing *standing, char *errbuf, size_t errbuf_len);
/* Write it: durable, or what was there is. 0 or -1 (errbuf). */
int disk_identity_write(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                        const struct standing *standing, char *errbuf, size_t errbuf_len);

#endif
