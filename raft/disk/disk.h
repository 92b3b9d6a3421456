/* disk.h - the data directory: whose it is, whether it is whole, and the raft_io on it.
 *
 *   DIR/lock            flock'ed while a node runs
 *   DIR/identity        JSON: cluster, node id, and the node's standing in its cluster
 *   DIR/starts, DIR/acquaintances   the starts of this node, and of others (disk_lives.h)
 *   DIR/raft/           libraft's metadata, segments and snapshots
 *
 * disk_open() refuses, with a sentence for the operator, a directory of another cluster or id,
 * one in use, one of a member whose DIR/raft/ is empty, one with segments but no metadata, and one
 * in which a damaged batch is followed by a valid one (corruption, which libraft would take for a
 * torn tail and silently cut). A refused node is re-added under a NEW id: under its old one it could
 * vote twice. */
#ifndef DISK_H
#define DISK_H

#include "../peer/lives.h"
#include "../transport/transport.h"

struct disk; /* opaque */

struct disk_config {
    const char *dir; /* created, with its parents' last component, when missing */
    const char *cluster;
    uint64_t id;
    /* How the node is to come to its cluster, if it is in none yet: founding, or joining. NULL: as
     * before there were identities. */
    const struct standing *standing;
    void (*fatal)(void *arg, const char *sentence); /* disk errors libraft only traces */
    void (*log)(void *arg, const char *level, const char *sentence);
    /* How far disk_open is; may be NULL. */
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
    void *arg;
};

/* Check and lock the directory. NULL: the reason is in errbuf. */
struct disk *disk_open(const struct disk_config *config, char *errbuf, size_t errbuf_len);
/* Nothing of libraft's is in it yet: it may be bootstrapped, or join. */
bool disk_is_pristine(const struct disk *d);
/* The node's standing in its cluster, as far as it is known. */
const struct standing *disk_standing(const struct disk *d);
/* Make another one durable, or keep the one there is: 0 or -1 (errbuf). Waits for the disk; it
 * happens twice in the life of a node. */
int disk_set_standing(struct disk *d, const struct standing *standing, char *errbuf,
                      size_t errbuf_len);
/* This node's starts, this one counted durably by disk_open; none if that could not be. */
const struct lives *disk_lives(const struct disk *d);
/* What it has seen of other nodes' starts: the caller notes there what it sees. */
struct lives_seen *disk_seen(struct disk *d);
/* Make a copy of that durable: 0 or -1 (errno). Waits for the disk; any thread, one at a time. */
int disk_keep_seen(const struct disk *d, const struct lives_seen *copy);
/* The raft_io over this directory and transport. 0 or -1 (errbuf). Call before replica_new. */
int disk_start(struct disk *d, uv_loop_t *loop, struct raft_uv_transport *transport,
               struct raft_io **io, char *errbuf, size_t errbuf_len);
/* Bytes free for the data directory's file system (statvfs), and its size. */
int disk_free_bytes(const struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes);
/* After replica_close's callback: releases the raft_io and the lock. */
void disk_close(struct disk *d);

#endif
