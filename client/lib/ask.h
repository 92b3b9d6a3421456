/* ask.h - ask and wait: what the tools need beyond the synchronous calls of ordersched.h.
 *
 * A reply keeps the answer's body and text, operations may be encoded ones (status, members,
 * routes), and several nodes can be asked at the same time. Must not run on the client's thread. */
#ifndef ASK_H
#define ASK_H

#include "../wire/protocol.h"

struct ask_reply {
    int error; /* enum ordersched_error */
    int state;
    uint64_t deadline_ms;
    uint64_t remaining_ms;
    uint64_t index;
    uint8_t *body; /* owned; NULL when there is none */
    size_t body_len;
    char text[1024]; /* why, and what to do, or empty */
};

/* One node to be asked, by its client API "HOST:PORT". */
struct ask {
    const char *target;
    struct ask_reply reply;
};

/* Submit an order's operation and wait. Returns reply->error. Free the reply afterwards. */
int ask_operation(ordersched_client *client, const struct ordersched_operation *operation,
                  unsigned timeout_ms, struct ask_reply *reply);
/* Encode an operation, send it to the leader and wait. Returns reply->error. */
int ask_leader(ordersched_client *client, const struct operation *operation, unsigned timeout_ms,
               struct ask_reply *reply);
/* The same of several operations at once; waits for all. */
void ask_leader_each(ordersched_client *client, const struct operation *operations,
                     unsigned timeout_ms, struct ask_reply *replies, unsigned n);
/* Send an operation that changes nothing to each of these nodes at once, and wait for all. */
void ask_nodes(ordersched_client *client, const struct operation *operation, unsigned timeout_ms,
               struct ask *asks, unsigned n);
void ask_reply_free(struct ask_reply *reply);

#endif
