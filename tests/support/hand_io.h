/* hand_io.h - a raft_io worked by hand: nothing happens until the test lets it.
 *
 * Requests are kept in order of arrival, and the test completes them one by one; messages are
 * recorded; the clock stands still until it is moved. */
#ifndef HAND_IO_H
#define HAND_IO_H

#include "../../raft/libraft.h"

#define HAND_IO_MAX 64

struct hand_send {
    struct raft_io_send *request; /* NULL: completed */
    struct raft_message message;  /* contents are the sender's */
};

struct hand_io {
    struct raft_io io;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;
    raft_io_close_cb close_cb;
    raft_time now_ms;

    /* what load gives */
    raft_term term;
    raft_id vote;
    raft_index snapshot_index; /* 0 = none */
    raft_term snapshot_term;
    unsigned n_members; /* voters 1..n at "host:1".. in the snapshot */

    /* faults */
    int set_term_error, set_vote_error, truncate_error, append_error, send_error;

    unsigned n_set_term, n_set_vote;
    struct hand_send sends[HAND_IO_MAX]; /* since the last hand_forget */
    unsigned n_sends;
    struct raft_io_append *appends[HAND_IO_MAX];
    unsigned n_appends;
    struct raft_io_snapshot_get *gets[HAND_IO_MAX];
    unsigned n_gets, n_gets_ever;
    struct raft_io_snapshot_put *put;
    raft_index put_index;
    unsigned put_trailing;
};

void hand_io_init(struct hand_io *h);
/* Let time pass in steps of a heartbeat, and tick at each. */
void hand_tick(struct hand_io *h, unsigned ms);
void hand_receive(struct hand_io *h, struct raft_message *message);
/* Complete all sends with this status, and forget the messages. */
void hand_complete_sends(struct hand_io *h, int status);
void hand_complete_append(struct hand_io *h, int status); /* the oldest */
void hand_complete_appends(struct hand_io *h);            /* all, well */
void hand_complete_put(struct hand_io *h, int status);
/* The oldest snapshot_get: with the loaded snapshot's index and term, or with an error. */
void hand_complete_get(struct hand_io *h, int status);
unsigned hand_count_sends(const struct hand_io *h, enum raft_message_type type, raft_id to);

#endif
