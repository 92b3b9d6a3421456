/* fake_replica.h - raft/consensus/replica.h, played by the test: what is proposed waits until the
 * test commits it or loses it.
 *
 * It stands in for raft/consensus/replica.c, and so is in no archive: the Makefile names who has it. */
#ifndef FAKE_REPLICA_H
#define FAKE_REPLICA_H

#include "../../../raft/consensus/replica.h"

#define FAKE_REPLICA_ENTRIES_MAX 256

struct replica {
    struct replica_callbacks callbacks;
    struct replica_member members[3]; /* none to begin with */
    unsigned n_members;
    bool leads;
    bool transferring; /* proposals are refused */
    uint64_t leader;
    uint64_t applied;
    uint64_t transferred; /* to whom */
    struct {
        uint8_t *data;
        size_t len;
        bool applied;
        replica_propose_cb cb;
        void *arg;
    } proposed[FAKE_REPLICA_ENTRIES_MAX];
    unsigned n_proposed; /* not yet ended */
    unsigned n_ever;
    replica_change_cb change_cb;
    void *change_arg;
    void (*close_cb)(void *arg);
    void *close_arg;
};

/* The oldest proposal is committed. */
void fake_replica_commit(struct replica *r);
/* None of the proposals will be committed. */
void fake_replica_lose_all(struct replica *r);
/* The change of members, or the transfer, that is under way ends like this. */
void fake_replica_change_ends(struct replica *r, int error);

#endif
