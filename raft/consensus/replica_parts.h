/* replica_parts.h - the replica's state, shared by its files and by nothing else. */
#ifndef REPLICA_PARTS_H
#define REPLICA_PARTS_H

#include "guard.h"
#include "replica.h"

/* A change of members, or a transfer. One at a time:
 *
 *   add:       BARRIER ─► ADDING ─► STANDING_BY ─► CATCHING_UP ─► MAKING_VOTER ─► done
 *                 └── known as a non-voter ──────────►┘
 *   remove:    BARRIER ─► REMOVING ─► done
 *   transfer:  TRANSFERRING ─► done
 *
 * The barrier makes sure that an entry of the leader's own term is committed first: without it
 * two leaders' changes could both count on quorums that do not overlap (Ongaro, raft-dev 2015). */
enum change_phase {
    CHANGE_NONE,
    CHANGE_BARRIER,
    CHANGE_ADDING,
    CHANGE_STANDING_BY,
    CHANGE_CATCHING_UP,
    CHANGE_MAKING_VOTER,
    CHANGE_REMOVING,
    CHANGE_TRANSFERRING,
};

struct change {
    enum change_phase phase;
    enum change_phase then; /* behind the barrier */
    struct raft_barrier barrier;
    struct raft_change request;
    struct raft_transfer transfer;
    uint64_t id;
    char *address;
    uint64_t term;
    raft_time moved_ms; /* CATCHING_UP: when the match index moved last */
    raft_index match;
    replica_change_cb cb;
    void *arg;
};

/* The log since the last snapshot, and when the next is taken. */
struct replica_log {
    unsigned threshold; /* entries, as configured; 0: by bytes */
    unsigned trailing;  /* entries to keep behind it, at most */
    uint64_t bytes;     /* applied since the last, with what each entry costs */
    uint64_t entries;
    size_t largest;       /* of these entries */
    uint64_t target;      /* take one when there are so many bytes */
    bool quiet;           /* one was asked for because nothing happens */
    uint64_t quiet_bytes; /* that were there then */
    uint64_t freed;       /* bytes that the snapshot of a quiet moment frees, once it is stored */
};

/* What was applied at the start before libraft knew it to be committed (replica_ahead.c). */
struct replica_ahead {
    struct ahead_entry *entries; /* until they are applied */
    size_t n;
    uint64_t known; /* to be committed: so far they go */
    uint64_t index; /* so far they were applied */
};

struct replica {
    struct raft raft;
    struct raft_fsm fsm;
    struct raft_io io; /* the guarded one */
    struct raft_tracer tracer;
    struct guard *guard;
    struct replica_callbacks callbacks;
    struct replica_meter meter;
    unsigned add_patience_ms;
    struct replica_log log;
    struct replica_ahead ahead;
    struct snapshot_part *snapshot; /* that is being stored; n_snapshot parts */
    unsigned n_snapshot;
    uint64_t snapshot_bytes;
    bool starting;
    bool closing;
    bool stepping;          /* inside a callback of libraft's step */
    enum replica_role role; /* as last told */
    uint64_t term;
    raft_time proposed_ms; /* when the last entry was */
    struct change change;
    void (*close_cb)(void *arg);
    void *close_arg;
};

/* replica_log.c */
void replica_log_configure(struct replica *r, const struct replica_config *config);
/* A snapshot was taken, or restored. */
void replica_log_begins(struct replica *r, uint64_t snapshot_bytes);
void replica_log_grew(struct replica *r, size_t len);   /* an entry was applied */
unsigned replica_log_trailing(const struct replica *r); /* entries to keep behind the snapshot */
void replica_log_review(struct replica *r);             /* after each event */

/* replica_ahead.c */
void replica_ahead_loaded(void *arg, raft_index start, const struct raft_entry *entries, size_t n);
void replica_ahead_apply(struct replica *r); /* at the end of the start */
void replica_ahead_free(struct replica *r);
bool replica_is_ahead(const struct replica *r, uint64_t index); /* was it applied that way? */

/* replica_members.c */
void replica_change_review(struct replica *r); /* after each event */
void replica_change_close(struct replica *r);  /* after libraft gave its requests back */

#endif
