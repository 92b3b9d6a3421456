/* inbound.h - one client message on its way through the node: checked, waiting, answered.
 *
 * Checked on the thread that received it (inbound_check touches nothing shared), then handed to
 * the raft loop, where exactly one reply() ends its life there. */
#ifndef INBOUND_H
#define INBOUND_H

#include <stdatomic.h>

#include "../client/protocol.h"

struct inbound_item {
    uint32_t offset; /* of the operation in the message */
    uint32_t len;
    uint8_t code;
    uint8_t error; /* refused on entry, alone; the others of the message go on */
};

struct inbound {
    struct inbound *next; /* the holder's queue */
    const uint8_t *message; /* owned by whoever made the inbound; valid until reply */
    size_t message_len;
    uint32_t flags;
    uint32_t n_items;
    uint32_t n_logged; /* items that go into the log */
    size_t logged_bytes;
    bool administers;  /* holds an operation beside the log (alone in its message) */
    struct inbound_item *items; /* malloc'ed by inbound_check */
    const atomic_bool *gone; /* set once nobody is left to read the answer; NULL: not known */
    /* Called once, on the raft loop, with the encoded answer, which is valid during the call. */
    void (*reply)(struct inbound *in, const uint8_t *answer, size_t len);
    void *owner;
};

/* Decode and check in->message. Returns ORDERSCHED_OK and fills the rest, or the error that
 * refuses the whole message, with one sentence in `text`. Pure but for the allocation. */
int inbound_check(struct inbound *in, const char *cluster, char *text, size_t text_len)
    ORDERSCHED_MUST_CHECK;
void inbound_release(struct inbound *in); /* frees items */
/* Has the client's connection ended? A hint: it may end at any time. */
bool inbound_is_gone(const struct inbound *in);

/* Mark an item as refused on entry. */
void inbound_refuse(struct inbound *in, uint32_t item, int error);

#endif
