/* internal.h - the scheduler's inside, shared by its files:
 *
 *   scheduler.c   life: made of its parts, started, closed; what the replica tells
 *   pump.c        one round after the other
 *   leadership.c  begun and ended
 *   drain.c       asked to stop
 *   clients.c     messages in
 *   admin.c       operations beside the log
 *   set_back.c    a time that is ahead is put right
 *   work.c        workers
 *   reads.c       answers; those that hold reads are composed in slices
 *   answers.c     replies
 *   access.c      who may do what, and how much
 *   uses.c        when tokens were last used
 *   routes.c      how the routes are doing, for STATUS
 *   snapshot.c    snapshots
 *   verify.c      is what a leader sends whole?
 *   transfer.c    a leader whose disk is short of room transfers its leadership
 *   dead.c        log lines about orders that die
 *   owner.c       what it tells whoever runs it
 *   time.c        clocks
 *   canary.c      does it fire?
 *   lone.c        log lines about the wall clock of a leader that is alone
 *   sample.c      what is told of it all as metrics
 *   meter.c       what is counted for them
 *
 * No two of them call each other. */
#ifndef SCHEDULER_INTERNAL_H
#define SCHEDULER_INTERNAL_H

#include "../../raft/core/snapshot_envelope.h"
#include "../callback/worker.h"
#include "../dispatch/hurry.h"
#include "reader.h"
#include "../callback/receivers.h"
#include "../commit/refusals.h"
#include "notes.h"
#include "../commit/request_watch.h"
#include "../host/told_time.h"
#include "scheduler.h"

/* The end of an operation beside the log: an error and why, in words, or NULL for the usual ones; OK
 * and s->body has the answer's body. */
typedef void scheduler_administered_fn(void *arg, int error, const char *text);

enum scheduler_state { SCHEDULER_FOLLOWING, SCHEDULER_TAKING_OVER, SCHEDULER_LEADING };

/* The cluster's time is being set back, as an operator asked. */
struct set_back {
    scheduler_administered_fn *done; /* NULL: it is not */
    void *arg;
    uint64_t until_us;    /* for deliveries to end */
    bool held;            /* they have, and nothing is proposed */
    uint64_t ticket;      /* of the operation; 0: not proposed yet */
    struct caller caller; /* who asked, for the audit trail */
    uint64_t from_ms, to_ms;
    struct machine_set_back foreseen;
};

/* A token whose use was noted in the log. */
#define SCHEDULER_USES 64u
struct scheduler_use {
    uint8_t hash[TOKEN_HASH_SIZE];
    uint64_t at_us; /* monotonic */
};

struct scheduler {
    struct scheduler_config config;
    const struct environment *environment;
    struct machine machine;
    struct replica *replica;
    struct batcher batcher;
    struct dispatch dispatch;
    struct hurry hurry;
    struct callback_worker worker;
    struct refusals refusals; /* requests that changed nothing... */
    struct refusals changes;  /* ...and operators' that did; of those remembered among the recent */
    struct receivers receivers; /* workers here, the other kinds from outside */
    uint64_t worker_wake_us;    /* when a poll's or a lease's time is up */
    struct clock clock;
    struct told_time told;
    uint64_t witness_look_us; /* not before: does a clock confirm what the clock was told? */
    uint64_t own_index;       /* the last entry that was on the disk when this process began */
    struct lone_clock lone;   /* where there is no other voter */
    enum lone_clock_standing lone_said;
    uint64_t lone_said_us;
    enum scheduler_state state;
    enum replica_role role; /* as last told by the replica */
    uint64_t term;
    uint64_t leadership_sequence; /* the batcher's first entry of this leadership */
    uint64_t retry_lead_us;       /* not before: take over again after a refused proposal */
    uint64_t clock_warned_us;
    uint64_t
        time_awaited_us; /* a leader that waits for its time: since when, and when it last said so */
    uint64_t time_said_us;
    uint64_t trusted_said;       /* the node that was last said to be trusted */
    uint64_t by_trusted_said_us; /* when it was last said that its clock counts; 0: it does not */
    uint64_t as_told_since_us;   /* a leader whose time goes on as it was told; 0: it does not */
    bool as_told_said;
    bool starting;                      /* inside scheduler_start */
    bool identified;                    /* config.identified was called */
    struct snapshot_envelope verifying; /* a leader's snapshot */
    uint64_t snapshot_next_us;          /* not before: the next slice of the snapshot */
    uint64_t quiet_since_us;            /* no more than a little has been logged since, */
    uint64_t quiet_bytes;               /* when so many bytes of log were there */
    enum scheduler_disk disk;
    uint64_t transfer_next_us; /* not before: transfer the leadership to one with more room */
    uint64_t outvoted_look_us; /* not before: does a majority contradict this leader's clock? */
    uint64_t outvoted_since_us;
    bool running;  /* inside scheduler_run: it is not re-entrant */
    bool again;    /* something happened inside it */
    bool behind;   /* the wheel holds more that is due */
    bool draining; /* asked to stop: nothing new is delivered; */
    bool refuses;  /* what was under way has ended, and clients are refused */
    bool closing;
    uint64_t drain_until_us;
    void (*drain_cb)(void *arg);
    void *drain_arg;
    bool transfer_tried;
    struct quota_bucket
        *gates; /* of what this leader let into the log: access.c; NULL: nothing yet */
    struct scheduler_use uses[SCHEDULER_USES]; /* the last ones, by hash */
    uint64_t denied;                           /* operations, since the last line about them, */
    uint64_t denied_at_us;                     /* which was then */
    uint64_t dead_second; /* orders that died in this second, to bound the lines about them */
    uint32_t dead_lines;
    struct notes notes;            /* what was refused, for the audit trail */
    unsigned administering;        /* membership operations not answered yet, */
    struct administration *noting; /* and of these: those that wait for their note in the log */
    struct set_back set_back;
    uint64_t canary_next_us;    /* not before: another canary */
    uint64_t canary_ticket;     /* of the one that is not in the log yet; 0: there is none */
    uint64_t canary_settled;    /* as many the machine knew of, */
    uint64_t canary_settled_us; /* when the last of them was applied here */
    uint32_t era;               /* the machine's that the clock is of */
    struct reader reader;       /* messages with reads that are being answered */
    uint64_t digests_wanted;    /* digests asked for, begun and made: all that are asked for... */
    uint64_t digests_begun;     /* ...before one is begun share it */
    uint64_t digests_made;
    uint64_t digest_applied; /* the newest that was made */
    uint64_t digest;
    struct request_watch request_watch;
    struct buffer answer; /* scratch of the replies */
    struct buffer results;
    struct buffer body;
};

/* time.c */
uint64_t scheduler_now_ms(struct scheduler *s); /* the leader's clock */
/* May orders be fired and deadlines be set by it, as of the last reading? Not before the voters' clocks
 * agreed on a time, or a leader told it and a clock confirmed that. */
bool scheduler_time_goes(const struct scheduler *s);
/* Do the clocks, or the one that is trusted, say just now what time it is? Else it goes on from what they
 * said, or stands. */
bool scheduler_time_is_agreed(const struct scheduler *s);
/* Must this operation wait until it does? Its deadline would count from a time that nobody knows. */
bool scheduler_awaits_time(const struct scheduler *s, enum operation_code code);
/* Does this node know a time that it could lead by? */
bool scheduler_knows_time(const struct scheduler *s);
/* An entry of the log that was proposed in `term`, or a snapshot that ends with it, was applied. */
void scheduler_hear_time(struct scheduler *s, uint64_t index, uint64_t term);
/* This node begins to lead: what it goes on from, while it hears of no agreement... */
void scheduler_begin_time(struct scheduler *s);
void scheduler_catch_up_time(struct scheduler *s); /* ...and what it applied since */
/* Does it lead, and go by the clock of a member that is trusted? */
bool scheduler_goes_by_trusted(const struct scheduler *s);
/* The cluster's time, as well as this node knows it: of whoever follows, what entries told it and
 * what has passed since. It moves on while nothing is written, but is behind after a start. */
uint64_t scheduler_told_ms(struct scheduler *s);
uint64_t scheduler_clock_us(struct scheduler *s); /* the same, in microseconds */
uint64_t scheduler_monotonic_us(const struct scheduler *s);
void scheduler_watch_clock(struct scheduler *s, uint64_t now_us); /* says so when it was set */

/* lone.c */
void scheduler_watch_lone(struct scheduler *s, uint64_t now_us);

/* owner.c */
/* Something that must end the process. */
void scheduler_fatal(struct scheduler *s, const char *sentence);
void scheduler_progress(const struct scheduler *s, const char *what, uint64_t done, uint64_t total);
/* Has the state the cluster's identity yet? */
bool scheduler_knows_identity(const struct scheduler *s);
/* After a change of the state that may have brought the identity. False: fatal was called. */
bool scheduler_identify(struct scheduler *s);

/* leadership.c */
/* This node is the leader in Raft: open the batcher, with the leadership's first entry... */
void scheduler_take_over(struct scheduler *s);
void scheduler_gain_leadership(struct scheduler *s); /* ...and this entry has been applied */
/* What is under way is answered with this error. */
void scheduler_lose_leadership(struct scheduler *s, int error);

/* drain.c: a step of scheduler_drain(). Deliveries under way may end and their outcomes be logged
 * before the leadership is handed over, for a while: it spares their receivers a repetition. */
void scheduler_drain_step(struct scheduler *s, uint64_t now_us);

/* snapshot.c: the replica's callbacks, and a slice when it is time for one. */
int scheduler_told_snapshot(void *arg, struct snapshot_part **parts, unsigned *n);
int scheduler_told_restore(void *arg, const uint8_t *data, size_t len);
bool scheduler_is_building(const struct scheduler *s);
void scheduler_watch_quiet(struct scheduler *s, uint64_t now_us);
void scheduler_build_snapshot(struct scheduler *s, uint64_t now_us);

/* verify.c: the replica's questions about what a leader sends. */
bool scheduler_told_check_entry(void *arg, const uint8_t *data, size_t len);
const char *scheduler_told_check_snapshot(void *arg, const uint8_t *data, size_t len, size_t max,
                                          size_t *done);

/* answers.c */
/* All of the message was logged: its results are the answer. */
void scheduler_answer_logged(struct scheduler *s, struct inbound *in, const struct result *logged);
void scheduler_answer_one(struct scheduler *s, struct inbound *in, const struct result *result);
/* An answer that lies in `composed` behind SCHEDULER_HEADROOM bytes, one result an item. */
#define SCHEDULER_HEADROOM (INBOUND_HEADROOM + PROTOCOL_ANSWER_HEAD_MAX)
void scheduler_reply_composed(struct scheduler *s, struct inbound *in, struct buffer *composed);
/* Append the result of an item that was refused on entry, with a sentence about it. */
void scheduler_refused_item(struct scheduler *s, const struct inbound *in,
                            const struct inbound_item *item, struct buffer *out);
/* Body of MEMBER_LIST into s->body. */
void scheduler_write_members(struct scheduler *s);
/* Append the body of STATUS, up to the key "routes", whose value must follow. */
void scheduler_write_status(struct scheduler *s, struct buffer *b);

/* access.c */
/* Would this item, which changes something, be denied as things are? */
bool scheduler_denies(const struct scheduler *s, const struct actor *actor,
                      const struct inbound *in, const struct inbound_item *item);
/* Is a quota of whoever asks used up, so that the log would refuse this item, which is not denied? */
bool scheduler_is_over_quota(struct scheduler *s, const struct actor *actor,
                             const struct inbound *in, const struct inbound_item *item);
/* It goes into the log. */
void scheduler_charge(struct scheduler *s, const struct actor *actor, const struct inbound *in,
                      const struct inbound_item *item);
/* What was let in before does not count: this node begins to lead. */
void scheduler_open_gates(struct scheduler *s);
/* Append the result of an item that was refused so, with which quota it is and when to come again, when its
 * message's turn in the log has come. False, and nothing is appended: who asks has no quota any more, by the
 * state that there is now; a leader that was deposed without knowing it refuses nobody by an old one. */
bool scheduler_write_over_quota(struct scheduler *s, const struct actor *actor,
                                const struct inbound *in, const struct inbound_item *item,
                                struct buffer *out);
/* Its message's turn in the log has come: is this item, which reads or was denied before, denied? */
bool scheduler_denies_now(const struct scheduler *s, const struct actor *actor,
                          const struct inbound *in, const struct inbound_item *item);
/* Is the order that is read as if it were not there? */
bool scheduler_hides(const struct scheduler *s, const struct inbound *in,
                     const struct operation *op);
/* Append the result of an item that is denied, with what is missing. */
void scheduler_write_denied(struct scheduler *s, const struct actor *actor,
                            const struct inbound *in, const struct inbound_item *item,
                            struct buffer *out);
/* Append the result of an item of the log. */
void scheduler_write_logged(struct scheduler *s, const struct inbound *in,
                            const struct inbound_item *item, const struct result *result,
                            struct buffer *out);

/* reads.c */
void scheduler_init_reads(struct scheduler *s);
/* Answer a message; what holds something else than operations that were logged: now, or in slices. */
void scheduler_answer(struct scheduler *s, struct inbound *in, const struct result *logged);
/* Read on. */
void scheduler_read_on(struct scheduler *s);
bool scheduler_has_reads(const struct scheduler *s); /* that can go on at once */
/* Answer all that is left at once: what was not read is BUSY. */
void scheduler_end_reads(struct scheduler *s);

/* routes.c: append rows of STATUS's "routes" of up to `max` routes from `slot` on, those of
 * slot 0 behind the row about all together. *n counts them. Returns the slot to go on with, the
 * machine's n_routes at the end. */
uint32_t scheduler_write_routes(struct scheduler *s, uint32_t slot, uint32_t max, struct buffer *b,
                                uint32_t *n);

/* canary.c */
void scheduler_canary_step(struct scheduler *s, uint64_t now_us);
/* An operation of our own was applied: is it the canary? 0: none is known of any more. */
void scheduler_canary_ticket(struct scheduler *s, uint64_t ticket);
/* An entry was applied; `own`: of this leadership. */
void scheduler_canary_applied(struct scheduler *s, bool own);

/* meter.c */
/* An entry of ours ended; began_us: when it was proposed. */
void scheduler_count_proposal(struct scheduler *s, uint64_t began_us, bool committed);
/* Who leads, and in which term, as far as this node knows now. */
void scheduler_watch_leader(struct scheduler *s);
/* What the replica shall measure. */
struct replica_meter scheduler_meter(struct scheduler *s);
/* All operations of a message that was refused as a whole. */
void scheduler_count_refused(struct scheduler *s, const struct inbound *in, int error);

/* dead.c */
/* An entry of ours was applied with these results: a line for each order that is DEAD since. */
void scheduler_log_dead(struct scheduler *s, const struct entry *e,
                        const struct machine_results *results);

/* admin.c */
struct administration;
void scheduler_administer(struct scheduler *s, struct inbound *in);
/* An operation of our own was applied: is it the note that one of them waits for? */
void scheduler_administer_noted(struct scheduler *s, uint64_t ticket);
void scheduler_administer_step(struct scheduler *s);
void scheduler_administer_end(struct scheduler *s); /* the leadership is lost */

/* uses.c: this caller sent a message to the leader. */
void scheduler_note_use(struct scheduler *s, const struct caller *caller);

/* audit.c */
bool scheduler_may_note(const struct scheduler *s); /* Does a note find its way into the log? */
/* This was refused, and nothing in the log tells of it: note that soon. */
void scheduler_note_refused(struct scheduler *s, const struct caller *caller,
                            enum operation_code code, int error);
void scheduler_note_step(struct scheduler *s, uint64_t now_us);
/* When it has something to do; UINT64_MAX: not now, or only once what holds notes up (a set-back) has ended. */
uint64_t scheduler_note_due_us(const struct scheduler *s);
/* Note in the log that this was done, or is about to be. The ticket of the note; 0: there will be none. */
uint64_t scheduler_note(struct scheduler *s, const struct caller *caller,
                        const struct operation *done);

/* set_back.c */
/* Tell what setting the time back would do, or do it, as `caller` asked (NULL: that is not told), whose
 * memory stays until then. done is called once, maybe at once. */
void scheduler_set_back(struct scheduler *s, bool carry_out, const struct caller *caller,
                        scheduler_administered_fn *done, void *arg);
void scheduler_set_back_step(struct scheduler *s, uint64_t now_us);
/* Nothing new is delivered meanwhile. */
bool scheduler_is_setting_back(const struct scheduler *s);
/* An operation of our own was applied: is it that one? */
void scheduler_set_back_applied(struct scheduler *s, uint64_t ticket, const struct result *result);
void scheduler_set_back_end(struct scheduler *s, int error); /* the leadership is lost */
/* The state changed: where its time was set back, this node's clock begins anew. */
void scheduler_follow_era(struct scheduler *s);

/* transfer.c */
void scheduler_transfer_if_short(struct scheduler *s, uint64_t now_us);
/* A leader whose wall clock a majority contradicts transfers to a voter whose clock is one of them. */
void scheduler_transfer_if_outvoted(struct scheduler *s, uint64_t now_us);
/* Whom the leadership is best transferred to: the voter that answers, has room and holds most of
 * the log; 0: nothing is known that speaks for one of them. */
uint64_t scheduler_successor(struct scheduler *s);
/* Has this member less room than this node? It would transfer the leadership back. */
bool scheduler_is_shorter_of_room(const struct scheduler *s, uint64_t id);
const char *scheduler_disk_name(enum scheduler_disk disk);

/* work.c */
void scheduler_init_worker(struct scheduler *s, struct receiver *others);
/* Is this a message of a worker? Then it is carried out, and answered now or later. */
bool scheduler_work(struct scheduler *s, struct inbound *in);
/* Whether a worker may end what it began although the node is to stop. */
bool scheduler_work_goes_on(const struct inbound *in);

/* Results of a message's logged operations: counts what they took of the recent requests. */
void scheduler_note_refusals(struct scheduler *s, const struct inbound *in,
                             const struct result *logged);

#endif
