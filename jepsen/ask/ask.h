/* ask.h - one operation of the client library, waited for; and what the harness asks single
 * nodes: status, digest, list (docs/protocol.md). */
#ifndef RUN_ASK_H
#define RUN_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/ordersched.h"

#define ASK_TRACEPARENT_SIZE 56 /* of its text, with the NUL */

/* What HTTP tells besides (http.h). */
struct asked_http {
    unsigned status;  /* 0: there was no answer */
    uint64_t version; /* of a get: the order's; else 0 */
    char etag[32];    /* of a get, or "" */
    bool broken;      /* the connection could not be made or was lost, or the node was silent */
    char flaw[128];   /* what the answer has that docs/http.md does not allow, or "" */
};

/* An answer that is the caller's own. */
struct asked {
    int error;
    int state;
    uint64_t deadline_ms, remaining_ms, index;
    char text[256];
    char traceparent[ASK_TRACEPARENT_SIZE]; /* of a get: the order's; "": none */
    uint8_t *body;                          /* malloc'ed, or NULL */
    size_t body_len;
    struct asked_http http; /* where it was asked for so */
};
void asked_free(struct asked *a);

/* Submit and wait. */
void ask_order(ordersched_client *client, const struct ordersched_operation *operation,
               unsigned timeout_ms, struct asked *a);
/* The same for encoded operations; target NULL: the leader. */
void ask_raw(ordersched_client *client, const void *operation, size_t len, bool mutating,
             const char *target, unsigned timeout_ms, struct asked *a);

#define ASK_STATUS_TIMEOUT_MS 300

/* What a node says of itself. */
struct asked_status {
    bool up;
    bool leader;
    uint64_t term, commit, applied, now_ms, pending, closing, dead;
};
struct asked_status ask_status(ordersched_client *client, const char *endpoint,
                               unsigned timeout_ms);

/* 0 and the digest of the node's state at `applied`, else the error. */
int ask_digest(ordersched_client *client, const char *endpoint, unsigned timeout_ms,
               uint64_t *applied, uint64_t *digest);

struct listed_order {
    char id[ORDERSCHED_ID_MAX + 1];
    int state;
    uint64_t deadline_ms;
};
/* Every order in the node's own state, page by page. Returns 0, or the error that ended it. */
int ask_list(ordersched_client *client, const char *endpoint,
             void (*each)(void *arg, const struct listed_order *order), void *arg);

/* Transfer the leadership; 0 = to anyone. Returns the error. */
int ask_transfer(ordersched_client *client, uint64_t node_id, unsigned timeout_ms);

#endif
