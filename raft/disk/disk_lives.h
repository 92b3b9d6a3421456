/* disk_lives.h - the starts of this node and the ones it has seen of others, on disk (lives.h).
 *
 *   DIR/starts         {"format": 1, "starts": N, "marks": [16 hexadecimal digits, ...]}
 *                      written once at each start, before the node speaks to anybody
 *   DIR/acquaintances  {"format": 1, "nodes": [{"id": N, "member": BOOL, "starts": N,
 *                      "mark": 16 hexadecimal digits}, ...]}
 *                      written when something new was seen; a write that is lost is no harm
 *
 * Neither may keep a node from starting: of a file that is damaged, or cannot be read or written,
 * a sentence is told, and the node goes on without. Without its starts it tells none, and is judged
 * by its identity alone, as one of an older version. Without its acquaintances it takes everybody
 * for what they say until it has seen them again; so removing DIR/acquaintances on all nodes is the
 * way to restore a whole cluster from backups that are not of one moment. */
#ifndef DISK_LIVES_H
#define DISK_LIVES_H

#include "../peer/lives.h"

typedef void (*disk_lives_log)(void *arg, const char *level, const char *sentence);

/* Count this start, with a random mark of its own. out->starts is 0 if that cannot be made durable.
 * `dir` is for the sentences. */
void disk_lives_begin(int dir_fd, const char *dir, struct lives *out, disk_lives_log log,
                      void *arg);
/* Nothing is remembered where the file is missing, or cannot be read. */
void disk_lives_recall(int dir_fd, const char *dir, struct lives_seen *out, disk_lives_log log,
                       void *arg);
/* 0, or -1 (errno). Waits for the disk. */
int disk_lives_keep(int dir_fd, const struct lives_seen *seen);

#endif
