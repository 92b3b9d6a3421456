/* reader.h - whose turn it is to read: messages whose answers are composed in slices.
 *
 * All reading of one turn of the loop shares one budget, READER_TURN_NS of nominal time: work is
 * counted (orders looked at, bytes copied), so that the simulator runs the very same slices. It is
 * shared by connections, not by messages: each that has something to read gets READER_SHARE_NS, one
 * after the other, and of each the oldest message goes on. What is not done in this turn goes on in
 * the next. Where memory is so slow that counted work takes much longer than its nominal time, the turn
 * ends after READER_TURN_US by the clock.
 *
 *   reader_add ──► source's queue ── slices ──► finish
 *                    ▲        │ waits for something that all share (a digest)
 *                    └ waiting ◄ reader_wake
 *
 * Answers do not pile up: none is begun for a connection that has not taken READER_UNREAD_MAX bytes
 * of earlier ones. None is begun, and none grows, while the clients have more than
 * READER_UNREAD_ALL_MAX to take (their server closes who holds most, and it goes on), nor while
 * READER_BYTES_MAX are in answers half composed, but for one of these, which makes room by its end.
 * So both together never pass their limits' sum by more than one answer and a slice. What is begun
 * is ended, unless its connection has gone: then it is ended as it is.
 *
 * Raft loop only. Owns nothing: readings are the host's. */
#ifndef READER_H
#define READER_H

#include "../commit/inbound.h"

#define READER_TURN_NS 400000
#define READER_TURN_US 1000
#define READER_SHARE_NS 25000
#define READER_UNREAD_MAX (4u * 1024 * 1024)
#define READER_UNREAD_ALL_MAX (64u * 1024 * 1024)
#define READER_BYTES_MAX (32u * 1024 * 1024)

/* One message whose answer is being composed; a part of something of the host's. */
struct reading {
    struct reading *next;
    struct inbound *in;
    struct inbound_source *source;
    size_t bytes; /* of its answer so far; the host keeps it */
};

enum reader_step { READER_GOES_ON, READER_WAITS, READER_IS_DONE };

struct reader_host {
    void *arg;
    /* Compose for about *budget_ns, and take off what was spent. Before the first byte it may wait,
     * for reader_wake. */
    enum reader_step (*step)(void *arg, struct reading *reading, uint64_t *budget_ns);
    /* Answer the message; the reading is the host's again. */
    void (*finish)(void *arg, struct reading *reading);
    /* Bytes of answers that all clients together have not taken yet; NULL: not known, none. */
    size_t (*unread)(void *arg);
    /* A monotonic clock; NULL: work is only counted. */
    uint64_t (*clock_us)(void *arg);
};

struct reader {
    struct reader_host host;
    struct inbound_source nobody; /* of messages without a source */
    struct inbound_source *first,
        **last; /* those with something to read, whose turn is next first */
    /* Those for whom nothing may be done now; a few are looked at again each turn. */
    struct inbound_source *held, **held_last;
    unsigned n_held;
    struct reading *waiting, **waiting_last;
    uint64_t turn_ns;               /* READER_TURN_NS, or what a test sets */
    uint64_t budget_ns;             /* left of this turn */
    uint64_t spent_us;              /* in this turn, by the clock */
    size_t bytes;                   /* in answers half composed */
    const struct reading *favoured; /* of these: it goes on although they are too many; or NULL */
    unsigned n;                     /* readings */
    bool running;
};

void reader_init(struct reader *r, const struct reader_host *host);
/* A new turn of the loop: its budget is whole, and who was held up may be no more. */
void reader_turn(struct reader *r);
void reader_add(struct reader *r, struct reading *reading, struct inbound *in);
/* Read, within what is left of this turn's budget. */
void reader_run(struct reader *r);
/* The clock's reading, for reader_spent(). */
uint64_t reader_clock_us(const struct reader *r);
/* Something that shares the turn began at that reading: its time is the reader's, too. False: the turn
 * is over. */
bool reader_spent(struct reader *r, uint64_t since_us);
/* What was waited for is there. */
void reader_wake(struct reader *r);
/* Is there a reading that would go on if there were a budget? */
bool reader_has_work(const struct reader *r);
/* Are there only those that go on once clients have taken their answers? */
bool reader_is_held_up(const struct reader *r);
/* Take any reading out, to be finished as it is; NULL: there is none. */
struct reading *reader_take(struct reader *r);

#endif
