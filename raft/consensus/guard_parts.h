/* guard_parts.h - the guard's state, shared by its files and by nothing else. */
#ifndef GUARD_PARTS_H
#define GUARD_PARTS_H

#include "guard.h"

/* A snapshot_put on its way to the disk; at most one of each kind exists. */
struct guard_put {
    struct raft_io_snapshot_put request; /* the inner one */
    struct raft_io_snapshot_put *outer;
    struct guard *guard;
    bool busy;
};

/* Entries that were sent to a member and are not confirmed yet. */
struct guard_window {
    raft_term term;
    raft_index first;
    raft_index last;    /* 0: there are none */
    size_t bytes;       /* of those that were sent since it opened */
    raft_time moved_ms; /* when one was sent or confirmed */
};

/* What is known of another member. */
struct guard_peer {
    raft_id id;
    raft_time heard_ms;
    uint64_t transfer; /* serial of the InstallSnapshot that counts as under way, or 0 */
    raft_term transfer_term;
    bool transfer_loads;       /* its snapshot is on its way from the disk: nothing was sent yet */
    raft_index transfer_match; /* the follower's, when the transfer began to be sent */
    raft_time started_ms;      /* when libraft asked for it */
    raft_time sent_ms;         /* written out; 0 = not yet */
    raft_index asked;          /* libraft believes this snapshot to be on its way; 0 = none */
    raft_term asked_term;
    bool lost; /* it has not what it confirmed: the entries up to here, which are committed */
    raft_index lost_index;
    raft_term lost_term;
    unsigned refusals; /* of what it confirmed, in a row */
    raft_time refused_ms;
    raft_index refused_ends; /* where its log ends, as they say */
    struct guard_window window;
    struct guard_peer *next;
};

/* A snapshot loaded from disk, shared by the transfers that carry it. */
struct guard_load {
    struct raft_io_snapshot_get request;
    struct guard *guard;
    struct raft_snapshot *snapshot; /* NULL while loading */
    raft_index wanted;              /* it holds at least this index */
    unsigned n_users;
    struct guard_load *next;
};

/* One InstallSnapshot that libraft believes to be sending. */
struct guard_transfer {
    struct raft_io_send request; /* the inner one */
    struct raft_io_send *outer;
    struct guard *guard;
    struct raft_message message; /* what is really sent */
    uint64_t serial;
    raft_id id;
    raft_term term;
    struct guard_load *load;
    struct guard_transfer *next; /* in guard.waiting */
};

/* Following a leader that is in no configuration of ours (guard_admit.c). */
struct guard_unknown {
    raft_time since_ms; /* it has brought us nothing since; 0 = there is none */
    raft_time heard_ms;
    raft_time barred_ms; /* none is heard before */
    raft_index last;     /* our log's end then */
};

/* What is refused of peers: the first of a kind is told, then what came of it in a while. */
struct guard_complaint {
    const char *reason; /* literal */
    raft_time told_ms;
    uint64_t untold;
};
enum { GUARD_COMPLAINTS = 16 };

/* What a leader commits, or does not (guard_stuck.c). */
struct guard_stuck {
    raft_index sum; /* of all that should grow */
    raft_term term;
    raft_time since_ms; /* it has stood still, and something waits, since; 0 = never looked */
    raft_time deaf_ms;  /* no answer is heard before */
};

/* A leader whose machine says that it no longer runs, until it is heard again (guard_gone.c). */
struct guard_gone {
    raft_id id; /* 0: there is none */
    raft_term term;
};

/* A leadership that is handed over to us once the log is stored (guard_timeout_now.c). */
struct guard_timeout_now {
    raft_id id; /* the leader's; 0: there is none */
    struct raft_timeout_now args;
    raft_time until_ms;
};

/* A request that libraft made and that is completed from the next tick. */
struct guard_deferred {
    struct raft_io_send *send; /* lost: its callback gets `status` */
    struct raft_io_snapshot_get *get;
    raft_index index; /* of the snapshot that libraft has in mind */
    int status;
    struct guard_deferred *next;
};

struct guard {
    struct raft_io *inner;
    struct raft_io *outer;
    struct raft *raft;
    guard_fatal_cb fatal;
    void *fatal_arg;
    void (*settled)(void *arg);
    void *settled_arg;
    guard_loaded_cb loaded;
    void *loaded_arg;
    raft_io_tick_cb tick;
    raft_io_recv_cb recv;
    raft_io_close_cb close_cb;
    bool closing;
    bool take_turns;

    raft_index held_index; /* see guard_keep_applied */
    raft_term term;        /* as stored */
    raft_id vote;

    struct guard_put own;     /* a snapshot of ours */
    struct guard_put install; /* the leader's */
    bool held;                /* held_message waits for own */
    struct raft_message held_message;

    struct guard_judge judge;
    struct guard_meter meter;
    raft_index heard_commit; /* as the leader said last */
    struct guard_unknown unknown;
    struct guard_stuck stuck;
    struct guard_gone gone;
    struct guard_timeout_now timeout_now;
    uint64_t leapt; /* terms, not forgotten yet */
    raft_time leapt_ms;
    bool verifying; /* verify_message is, verified so far */
    struct raft_message verify_message;
    size_t verified;
    uint64_t refusals;
    struct guard_complaint complaints[GUARD_COMPLAINTS];

    struct guard_peer *peers;
    struct guard_load *loads;
    struct guard_transfer *waiting; /* for their snapshot */
    struct guard_deferred *deferred;
    struct guard_deferred **deferred_tail;
    uint64_t last_serial;
    unsigned load_failures; /* in a row */
};

/* guard.c */
void guard_settle(struct guard *g);

/* guard_peers.c */
struct guard *guard_of(const struct raft_io *outer);
void guard_fail(struct guard *g, const char *what, int rv);
struct guard_peer *guard_peer_find(const struct guard *g, raft_id id); /* or NULL */
struct guard_peer *guard_peer_get(struct guard *g, raft_id id);        /* made when missing */
void guard_defer(struct guard *g, struct raft_io_send *send, struct raft_io_snapshot_get *get,
                 int status);

/* guard_install.c: the sending side of InstallSnapshot. */
int guard_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
                       raft_io_snapshot_get_cb cb);
int guard_install_send(struct guard *g, struct raft_io_send *req,
                       const struct raft_message *message, raft_io_send_cb cb);
void guard_install_review(struct guard *g); /* at each tick */
/* A follower confirms or refuses entries, before libraft sees it. */
void guard_install_answered(struct guard *g, raft_id id, struct raft_append_entries_result *result);
void guard_complete_deferred(struct guard *g);
void guard_install_close(struct guard *g);

/* guard_window.c: what is on its way to a member is not sent again. */
void guard_window_cut(struct guard *g, raft_id id, struct raft_append_entries *args);
void guard_window_lost(struct guard *g, raft_id id); /* the message could not be sent */
void guard_window_answered(struct guard *g, raft_id id,
                           const struct raft_append_entries_result *result);

/* guard_receive.c: what may come in. */
void guard_receive(struct guard *g, struct raft_message *message);
void guard_release_held(struct guard *g);
void guard_install_more(
    struct guard *g); /* at each event: verify more, and on with what is whole */

/* guard_message.c */
void guard_discard_entries(struct raft_entry *entries, unsigned n);
void guard_discard_message(struct raft_message *message); /* free what it owns */
/* A copy that outlives its connection. False: no memory, and it was discarded. */
bool guard_keep_message(struct raft_message *kept, const struct raft_message *message);
void guard_forget_kept(struct raft_message *kept);

/* guard_admit.c: who is heard, and with which terms. */
/* NULL, or why the message is dropped (literal). */
const char *guard_admit(struct guard *g, struct raft_message *message);
void guard_count_leap(struct guard *g, raft_term from, raft_term to); /* a term was stored */
void guard_refuse(struct guard *g, struct raft_message *message, const char *reason);

/* guard_lost.c: members that lost what they had confirmed. */
/* Before libraft, and the guards against stale answers, see it. */
void guard_lost_answered(struct guard *g, raft_id id,
                         const struct raft_append_entries_result *result);
/* NULL, or why this request or result of a vote is dropped (literal). */
const char *guard_lost_vote(struct guard *g, const struct raft_message *m);

/* guard_gone.c: leaders whose death was told. */
bool guard_is_gone(const struct guard *g, raft_id id);
void guard_gone_heard(struct guard *g, raft_id id);

/* guard_timeout_now.c: a leadership that is handed over under load. */
/* False: libraft is to have it now. */
bool guard_timeout_now_keep(struct guard *g, const struct raft_message *message);
void guard_timeout_now_review(struct guard *g); /* at each event */

/* guard_stuck.c: leaders that commit nothing. */
void guard_stuck_review(struct guard *g); /* at each tick */
bool guard_is_deaf(const struct guard *g);

/* guard_verify.c: is what a leader sends whole? */
const char *guard_check_entries(const struct guard *g, const struct raft_append_entries *args);
/* True: it needs no verification. Else it is taken, to be verified at later events. */
bool guard_verify_install(struct guard *g, struct raft_message *message);
/* The message that is verified now, whose server_address is to be freed; or NULL. */
struct raft_message *guard_verify_more(struct guard *g);
void guard_verify_close(struct guard *g);

#endif
