/* inbound.h - one client message on its way through the node: checked, waiting, answered.
 *
 * Checked on the thread that received it (inbound_check touches nothing shared), then handed to
 * the raft loop, where exactly one reply() ends its life there. */
#ifndef INBOUND_H
#define INBOUND_H

#include <stdatomic.h>

#include "../../client/wire/grant.h"
#include "../../client/wire/protocol.h"

struct reading;

/* Where messages come from, a connection: the raft loop shares its time among these (reader.h).
 * Zero it to start; it must outlive its messages. */
struct inbound_source {
    struct reading *first, **last; /* raft loop: messages of it whose answers are being composed */
    struct inbound_source *next;   /* raft loop: others that have some */
    uint64_t address;     /* whence it comes, as far as that matters for shares; 0: not known */
    uint32_t polls;       /* raft loop: RESERVEs of it that wait (callback/worker.h) */
    atomic_size_t unread; /* bytes of answers that were handed over and that it has not taken yet */
};

struct inbound_item {
    uint32_t offset; /* of the operation in the message */
    uint32_t len : 24;
    uint32_t traceparent : 7; /* of a schedule: bytes that its traceparent takes at its end, or 0 */
    uint32_t bare : 1;        /* which does not go into the log */
    uint32_t target;          /* of a logged one: what it is about (request_watch.h) */
    uint8_t code;
    uint8_t error;         /* refused on entry, alone; the others of the message go on */
    uint8_t request_id_at; /* of a logged one: where its request id begins in it */
    uint8_t keys_flaw;     /* of INVALID: of the keys for a route (route_keys.h), or 0 */
};
_Static_assert(sizeof(struct inbound_item) == 16, "what waits is counted with its items");

#define INBOUND_HEADROOM 64
#define INBOUND_FROM_MAX 64 /* bytes of caller.from */

struct inbound {
    struct inbound *next;   /* the holder's queue */
    const uint8_t *message; /* owned by whoever made the inbound; valid until reply */
    size_t message_len;
    uint32_t flags;
    uint32_t n_items;
    uint32_t n_logged; /* items that go into the log */
    size_t logged_bytes;
    /* Who asks: nobody, or whom the connection knows (by certificate; the owner), as it is set
     * before inbound_check(), and from where; a token that the message states counts instead. */
    struct caller caller;
    uint8_t token_hash[TOKEN_HASH_SIZE];
    bool vouched;           /* its connection may say for whom it asks (PROTOCOL_FOR); set before
                                      inbound_check() */
    bool named;             /* the batcher's: its entry says who asks in front of it */
    bool secret;            /* holds secrets of a route: to be wiped at its end */
    bool is_administrative; /* holds an operation of the log that is audited (audit.h) */
    bool keyed;             /* holds a request id that is */
    bool administers;       /* holds an operation beside the log (alone in its message) */
    struct inbound_item *items;    /* malloc'ed by inbound_check */
    struct inbound_source *source; /* NULL: not known, as all others of the kind */
    const atomic_bool *gone;       /* set once nobody is left to read the answer; NULL: not known */
    /* Called once, on the raft loop, with the encoded answer, which is valid during the call. */
    void (*reply)(struct inbound *in, const uint8_t *answer, size_t len);
    /* During reply(), where not NULL: the malloc'ed memory that the answer lies in, behind
     * INBOUND_HEADROOM bytes or more. A large answer need not be copied: who sets *memory to NULL
     * owns it, and may write into the room in front. */
    uint8_t **memory;
    void *owner;
};

/* Decode and check in->message. Returns ORDERSCHED_OK and fills the rest, or the error that
 * refuses the whole message, with one sentence in `text`. Pure but for the allocation. */
int inbound_check(struct inbound *in, const char *cluster, char *text,
                  size_t text_len) ORDERSCHED_MUST_CHECK;
void inbound_release(struct inbound *in); /* frees items */
/* Has the client's connection ended? A hint: it may end at any time. */
bool inbound_is_gone(const struct inbound *in);

/* Mark an item as refused on entry. */
void inbound_refuse(struct inbound *in, uint32_t item, int error);
/* Let an item go into the log without its traceparent, as a schedule of a client that has none. */
void inbound_strip(struct inbound *in, uint32_t item);
/* The item as it goes into the log; returns its end in `out`. */
uint8_t *inbound_write(const struct inbound *in, const struct inbound_item *item, uint8_t *out);

#endif
