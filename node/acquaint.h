/* acquaint.h - a node sees each other member once in a while, and keeps on disk what it saw.
 *
 * What a member was seen as is how one that comes back without what it had confirmed is noticed
 * (raft/peer/lives.h). A leader sees its followers as it connects to them. But one follower says nothing
 * to another before an election, and then it must know: so each node shakes hands with one member a
 * second, in turn, and goes. What is new is written on the thread pool, one write at a time.
 *
 * On the raft loop. */
#ifndef ACQUAINT_H
#define ACQUAINT_H

#include <uv.h>

#include "../raft/disk/disk.h"
#include "host/log.h"

struct replica;

struct acquaint {
    uv_loop_t *loop;
    struct raft_uv_transport *transport;
    struct disk *disk;
    const struct log *log;
    uint64_t asked_id; /* the last one: the next is the next greater id */
    bool asking;
    bool keeping, keep_again; /* a write is under way; and there is more to keep */
    uv_work_t work;
    struct lives_seen copy; /* what is being written */
    int error;              /* errno of that write */
};

void acquaint_init(struct acquaint *a, uv_loop_t *loop, struct raft_uv_transport *transport,
                   struct disk *disk, const struct log *log);
/* Once a second: ask the next member, unless the last one has not answered. Nothing is logged: who
 * cannot be reached, or is refused, is told of elsewhere. */
void acquaint_ask(struct acquaint *a, const struct replica *replica);
/* Something new was seen: the transport's `noted`. What is under way when the loop ends is waited
 * for by the loop. */
void acquaint_keep(struct acquaint *a);

#endif
