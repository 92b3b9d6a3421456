/* storage.h - what is durable on a simulated node's disk: term and vote, log, newest snapshot, the
 * starts of its node, and what it has seen of others.
 *
 * It outlives the node's crashes. Nothing here is asynchronous: io.h decides when something gets
 * here, and what a crash leaves of it. */
#ifndef SIM_STORAGE_H
#define SIM_STORAGE_H

#include "../../raft/libraft.h"
#include "../../raft/peer/lives.h"
#include "options.h"

struct storage_entry {
    raft_term term;
    enum raft_entry_type type;
    size_t len;
    uint8_t *data;
};

struct storage_snapshot {
    raft_index index;
    raft_term term;
    struct raft_buffer configuration; /* encoded */
    raft_index configuration_index;
    uint8_t *data;
    size_t len;
};

/* Of other nodes, as the product keeps it; and, to judge it by, the truth. */
struct storage_seen {
    struct lives_seen lives;
    uint64_t births[SIM_NODES_MAX]; /* of each id: of the process that was seen last; 0: none */
    bool members[SIM_NODES_MAX];    /* of each id: it was seen as a member of the cluster */
};

struct storage {
    raft_term term; /* 0: pristine */
    raft_id vote;
    raft_index first; /* index of entries[0] */
    struct storage_entry *entries;
    size_t n, cap;
    bool has_snapshot;
    struct storage_snapshot snapshot;
    struct lives lives;              /* DIR/starts */
    uint64_t births[LIVES_TOLD_MAX]; /* the truth of it: the processes that ran with this directory,
                                      * the last one first, each with a number of its own */
    struct storage_seen seen;        /* DIR/acquaintances */
};

void storage_init(struct storage *s);
void storage_free(struct storage *s);
/* A copy of all of it into one that holds nothing (not even storage_init's). */
void storage_copy(struct storage *to, const struct storage *from);
/* The term of the entry at `index`, in the log or at the end of the snapshot; 0: not there. */
raft_term storage_term_at(const struct storage *s, raft_index index);
bool storage_is_pristine(const struct storage *s);
/* Index of the last entry, in the log or in the snapshot; 0 = none. */
raft_index storage_last(const struct storage *s);

/* Copies the entries; `index` of the first follows storage_last(). */
void storage_append(struct storage *s, raft_index index, const struct raft_entry *entries,
                    size_t n);
void storage_truncate(struct storage *s, raft_index index); /* and all behind it */
/* A snapshot of our own: `trailing` entries up to its index stay. With trailing 0 it is the
 * leader's: the log is dropped. Copies. */
void storage_put(struct storage *s, const struct raft_snapshot *snapshot, size_t trailing);
/* A copy as raft_io->snapshot_get gives it. */
struct raft_snapshot *storage_get(const struct storage *s);
/* The log as raft_io->load gives it: start_index, entries, n. */
void storage_load_log(const struct storage *s, raft_index *start_index,
                      struct raft_entry *entries[], size_t *n);

#endif
