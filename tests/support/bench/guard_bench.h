/* guard_bench.h - the guard between the real libraft and a raft_io worked by hand. */
#ifndef GUARD_BENCH_H
#define GUARD_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../raft/consensus/guard.h"
#include "../hand_io.h"

struct guard_bench {
    struct hand_io hand;
    struct raft_io outer;
    struct raft raft;
    struct raft_fsm fsm;
    struct guard *guard;
    unsigned n_fatal;
    char fatal[512];
    unsigned n_applied, n_restored;
    bool closed;
};

/* Member 1 of `n_members`, with everything up to index 100 of term 3 in a snapshot. */
struct guard_bench *guard_bench_open(unsigned n_members);
/* For a raft_close of the test's own. */
void guard_bench_closed(struct raft *raft);
void guard_bench_close(struct guard_bench *b);
void guard_bench_vote(struct guard_bench *b, raft_id from);
/* Of three members: 1 becomes the leader. */
void guard_bench_elect(struct guard_bench *b);
/* A follower's answer: rejected = 0 is a success. */
void guard_bench_answer(struct guard_bench *b, raft_id from, raft_index rejected, raft_index last);
/* Of member 2, as the leader of our term: `n` entries of 64 bytes behind `prev`. */
struct raft_message guard_bench_entries(struct guard_bench *b, raft_index prev, raft_term prev_term,
                                        raft_index commit, unsigned n);
/* The same one's snapshot up to `index`. */
struct raft_message guard_bench_install(struct guard_bench *b, raft_index index);
/* The payload of an entry that makes member 1, at host:1, and `other` the voters. To be freed with
 * raft_free(). */
struct raft_buffer guard_bench_change(raft_id other, const char *address);
/* Follower `id` has nothing: the leader learns that it needs a snapshot. */
void guard_bench_need_snapshot(struct guard_bench *b, raft_id id);
/* Time passes; member 3's answers keep the leadership. */
void guard_bench_pass(struct guard_bench *b, unsigned ms);

#endif
