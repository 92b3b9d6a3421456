/* lossy_io.h - a raft_io in front of a raft_io that loses the messages it is told to lose. */
#ifndef LOSSY_IO_H
#define LOSSY_IO_H

#include "../../raft/libraft.h"

struct lossy_request;

struct lossy_io {
    struct raft_io io; /* what the replica gets */
    struct raft_io *inner;
    bool (*lost)(void *arg, const struct raft_message *message);
    void *arg;
    struct lossy_request *requests; /* lost, not yet told */
    unsigned n_installs;            /* InstallSnapshots handed to the inner one */
};

void lossy_io_init(struct lossy_io *l, struct raft_io *inner,
                   bool (*lost)(void *arg, const struct raft_message *message), void *arg);
/* Tell the senders of lost messages that they were sent. Call it now and then from the loop. */
void lossy_io_turn(struct lossy_io *l);

#endif
