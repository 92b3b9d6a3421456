/* client_call.h - one call of the client: an encoded operation, its deadline, and what is known
 * of its outcome so far.
 *
 *   NEW --submit--> QUEUED --sent--> SENT --answered--> (freed)
 *                     ^  |             |
 *                     |  '<--retry-----'
 *                     '--not_before-- DELAYED <--refused, try later-- SENT
 *
 * A call lies in exactly one place: in a queue (QUEUED), in a message (SENT), or only in the
 * agenda (DELAYED); all three are in the agenda, ordered by when they next need attention. */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/grant.h"

/* Who asks, of a call that brings that itself. */
struct call_caller {
    enum caller_kind kind;            /* nobody, a token or a certificate */
    char name[GRANT_NAME_MAX + 1];    /* the token's text, or the certificate's name; else "" */
    char from[PROTOCOL_FROM_MAX + 1]; /* the address it asks from, or "": nobody wants to know */
};
_Static_assert(TOKEN_TEXT_LEN <= GRANT_NAME_MAX, "a name has room for a token");

/* How many calls, and bytes of them, may exist at once. Shared by all threads that make calls. */
struct call_budget {
    atomic_size_t calls;
    atomic_size_t bytes;
    size_t calls_max;
    size_t bytes_max;
};

enum call_state { CALL_NEW, CALL_QUEUED, CALL_SENT, CALL_DELAYED };

struct message;

struct call {
    struct call *next; /* in its queue */
    struct call *prev;
    struct call_budget *budget;
    enum call_state state;
    ordersched_cb cb; /* called once, at its end */
    void *arg;

    bool mutating;
    bool repeatable;  /* a second copy is harmless: a read, or it has a request id */
    bool alone;       /* must be the only operation of its message */
    bool polls;       /* its answer may wait at the leader, for... */
    unsigned wait_ms; /* ...so long */
    bool own_id;      /* the client makes the request id... */
    bool keyed;       /* ...no more of it than its time... */
    bool id_made;     /* ...and has made it */
    size_t id_offset; /* of the request id in bytes */

    bool maybe_done;   /* an attempt may have reached the log, and nothing decided it since */
    int last_error;    /* of the latest attempt that certainly did nothing; 0: no attempt yet */
    char *last_text;   /* the sentence that came with it, the call's own; NULL: none */
    unsigned refusals; /* attempts refused with "later", for the backoff */

    uint64_t deadline_ms;
    uint64_t not_before_ms; /* DELAYED: when it may be sent again */
    size_t agenda_at;       /* place in the agenda */

    struct call_caller *caller; /* the call's own; NULL: whoever the client is */

    int slot;                /* the node to ask and no other, or -1: the leader */
    struct message *message; /* SENT */
    uint32_t position;       /* in that message */

    char *target; /* inside this allocation, or NULL */
    size_t len;
    uint8_t bytes[];
};

/* Make a call of one encoded operation (copied). A mutating operation whose request id is 16 zero
 * bytes gets a real one when it is first sent; of a keyed one whose time is 0 only the time is filled in. Any thread. Returns ORDERSCHED_OK, ARGUMENT (does
 * not decode, or belongs into the log only), BUSY (the budget is used up) or NO_MEMORY. */
int call_new(struct call_budget *budget, const void *operation, size_t len, bool mutating,
             const char *target, ordersched_cb cb, void *arg,
             struct call **call) ORDERSCHED_MUST_CHECK;
void call_free(struct call *call);
/* Not the client asks, but this one (copied). Before it is submitted; false: no memory. */
bool call_ask_for(struct call *call, const struct call_caller *caller) ORDERSCHED_MUST_CHECK;
/* Are these (NULL: the client itself) the same? Then their calls may stand in one message. */
bool call_caller_is(const struct call_caller *a, const struct call_caller *b);

/* First in, first out. */
struct call_queue {
    struct call *first;
    struct call *last;
    size_t n;
};
void call_queue_push(struct call_queue *q, struct call *call);
void call_queue_push_front(struct call_queue *q, struct call *call);
struct call *call_queue_pop(struct call_queue *q); /* NULL: empty */
void call_queue_remove(struct call_queue *q, struct call *call);

/* All calls, the one that needs attention first at the front (a binary heap). */
struct call_agenda {
    struct call **heap;
    size_t n;
    size_t cap;
};
/* When the call needs attention. */
uint64_t call_wake_ms(const struct call *call);
bool call_agenda_add(struct call_agenda *a, struct call *call) ORDERSCHED_MUST_CHECK;
void call_agenda_remove(struct call_agenda *a, struct call *call);
/* The call's wake time has changed. */
void call_agenda_move(struct call_agenda *a, struct call *call);
struct call *call_agenda_first(const struct call_agenda *a); /* NULL: empty */
void call_agenda_free(struct call_agenda *a);

#endif
