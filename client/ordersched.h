/* ordersched.h - the public client API of orderschedd, in C.
 *
 * A client talks to a cluster of orderschedd nodes. It finds the leader from any
 * endpoint, follows redirects and elections, retries with the same request id, and
 * coalesces concurrent calls into one message.
 *
 * Every call ends in exactly one of three ways, told apart by ordersched_error_class():
 *
 *   done      ORDERSCHED_OK: the cluster decided and the answer carries the decision.
 *   definite  the operation did not happen, and no copy of it ever will.
 *   unknown   the operation may or may not have happened (a time-out, a lost leader).
 *             Repeat it with the same request id to learn which.
 *
 * All functions may be called from any thread, except ordersched_close(), which must not
 * run at the same time as any other call on the same client. Callbacks run on the client's
 * own thread; they must not block and must not call a synchronous function of this API.
 *
 * Times: "_ms" is milliseconds. Deadlines and `now` are milliseconds since the Unix epoch,
 * in the cluster's replicated time (docs/semantics.md).
 */
#ifndef ORDERSCHED_H
#define ORDERSCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORDERSCHED_API __attribute__((visibility("default")))
#define ORDERSCHED_MUST_CHECK __attribute__((warn_unused_result))

/* Limits that the cluster checks on entry. All sizes in bytes. */
#define ORDERSCHED_ID_MAX 128
#define ORDERSCHED_PAYLOAD_MAX 4096
#define ORDERSCHED_ROUTE_NAME_MAX 64
#define ORDERSCHED_REQUEST_ID_SIZE 16
#define ORDERSCHED_DEADLINE_MAX_MS (400ull * 24 * 3600 * 1000) /* ahead of now */

/* Named errors. The numbers are part of the wire protocol and never change. */
enum ordersched_error {
    ORDERSCHED_OK = 0,

    /* Decided by the cluster, at a position of the log: definite, and final for this
     * request id. */
    ORDERSCHED_EXISTS = 1,         /* schedule: the id is known under another request id */
    ORDERSCHED_NOT_FOUND = 2,      /* the order (or route, or member) is not known */
    ORDERSCHED_TOO_LATE = 3,       /* the deadline has passed; the state says where it stands */
    ORDERSCHED_DECIDED = 4,        /* already decided otherwise; the state says how */
    ORDERSCHED_STALE_REQUEST = 5,  /* the request id is too old to be told from a late copy */
    ORDERSCHED_EXHAUSTED = 6,      /* the order has used up its operations */
    ORDERSCHED_UNKNOWN_ROUTE = 7,  /* schedule: no such route */
    ORDERSCHED_ROUTE_IN_USE = 8,   /* route delete: orders still point to it */
    ORDERSCHED_BAD_DEADLINE = 9,   /* in the past, too far ahead, or (extend) earlier */
    ORDERSCHED_TOO_MANY_ROUTES = 10,
    ORDERSCHED_NOT_DEAD = 12,      /* redrive, drop: the order is no dead letter; see the state */

    /* Refused on entry, before the log: this attempt did nothing. */
    ORDERSCHED_INVALID = 32,             /* malformed or truncated message or operation */
    ORDERSCHED_UNSUPPORTED_VERSION = 33, /* unknown protocol version */
    ORDERSCHED_UNKNOWN_OPERATION = 34,
    ORDERSCHED_WRONG_CLUSTER = 35,
    ORDERSCHED_BAD_ID = 36,              /* id empty or longer than ORDERSCHED_ID_MAX */
    ORDERSCHED_PAYLOAD_TOO_LARGE = 37,
    ORDERSCHED_TOO_MANY_OPERATIONS = 38, /* in one message */
    ORDERSCHED_BUSY = 39,                /* a queue is full: try again later */
    ORDERSCHED_FULL = 40,                /* the limit of orders or bytes is reached */
    ORDERSCHED_NOT_LEADER = 41,          /* the answer names the leader, if known */
    ORDERSCHED_NO_SPACE = 42,            /* the leader's disk is nearly full */
    ORDERSCHED_SHUTTING_DOWN = 43,
    ORDERSCHED_EARLY_REQUEST = 44,       /* the request id lies in the cluster's future */
    ORDERSCHED_MEMBER_CHANGE = 45,       /* membership change refused; the text says why */

    /* Unknown: may have happened. */
    ORDERSCHED_UNKNOWN_OUTCOME = 64, /* the leader lost its office with it in the log */
    ORDERSCHED_TIMEOUT = 65,         /* client: the call's time ran out, an attempt was sent */

    /* The client's own, definite. */
    ORDERSCHED_UNREACHABLE = 96, /* no endpoint took the request before its time ran out */
    ORDERSCHED_CLOSED = 97,      /* the client was closed before the request was sent */
    ORDERSCHED_NO_MEMORY = 98,
    ORDERSCHED_ARGUMENT = 99,    /* the caller's arguments are wrong; nothing was sent */
};

enum ordersched_class { ORDERSCHED_DONE, ORDERSCHED_DEFINITE, ORDERSCHED_UNKNOWN };

/* States of an order, as seen in every answer. Numbers are part of the wire protocol. */
enum ordersched_state {
    ORDERSCHED_STATE_NONE = 0, /* no such order */
    ORDERSCHED_PENDING = 1,
    ORDERSCHED_CLOSING = 2, /* the deadline has passed, the callback has not settled it yet */
    ORDERSCHED_PAID = 3,
    ORDERSCHED_CANCELLED = 4,
    ORDERSCHED_EXPIRED = 5,
    ORDERSCHED_DEAD = 6, /* the callback's attempts are used up; waits for an operator */
};

/* "TOO_LATE" and so on: stable names, for logs and for people. Never NULL. */
ORDERSCHED_API const char *ordersched_error_name(int error);
/* One sentence for people. Never NULL. */
ORDERSCHED_API const char *ordersched_error_text(int error);
ORDERSCHED_API enum ordersched_class ordersched_error_class(int error);
/* "PENDING" and so on. Never NULL. */
ORDERSCHED_API const char *ordersched_state_name(int state);

/* The answer to one operation. Pointers are valid only during the callback; a synchronous
 * call copies what it returns. */
struct ordersched_answer {
    int error;             /* enum ordersched_error */
    int state;             /* enum ordersched_state, NONE where there is no order */
    uint64_t deadline_ms;  /* 0 where there is no order */
    uint64_t remaining_ms; /* until the deadline, by the cluster's time; 0 once past */
    uint64_t index;        /* log index of the decision, 0 while undecided */
    const uint8_t *body;   /* operation-specific msgpack value (docs/protocol.md), or NULL */
    size_t body_len;
    const char *text;      /* a sentence that explains the error, or NULL */
};

enum ordersched_operation_kind {
    ORDERSCHED_SCHEDULE = 1,
    ORDERSCHED_PAY = 2,
    ORDERSCHED_CANCEL = 3,
    ORDERSCHED_EXTEND = 4,
    ORDERSCHED_GET = 16,
};

/* One operation on one order. All memory stays the caller's and is copied by the call. */
struct ordersched_operation {
    enum ordersched_operation_kind kind;
    const char *id; /* 1..ORDERSCHED_ID_MAX bytes, any bytes but by convention UTF-8 */
    size_t id_len;
    bool relative;   /* schedule, extend: time_ms is a delay from the moment of apply */
    uint64_t time_ms; /* schedule, extend: deadline since the epoch, or delay */
    const char *route; /* schedule: name of the callback route, NUL-terminated */
    const void *payload; /* schedule: 0..ORDERSCHED_PAYLOAD_MAX bytes handed to the callback */
    size_t payload_len;
    /* NULL: the client makes one. Otherwise a request id of an earlier call (see
     * ordersched_request_id), to repeat that call safely. ORDERSCHED_REQUEST_ID_SIZE bytes. */
    const uint8_t *request_id;
};

typedef struct ordersched_client ordersched_client;

/* Called exactly once for each accepted submission, on the client's thread. */
typedef void (*ordersched_cb)(void *arg, const struct ordersched_answer *answer);

struct ordersched_config {
    const char *endpoints; /* "HOST:PORT,HOST:PORT"; NULL = "127.0.0.1:7401" */
    const char *cluster;   /* NULL = "orderschedd" */
    unsigned timeout_ms;   /* default for calls that give 0; 0 here = 10,000 */
};

/* Open a client. Never blocks on the network: an unreachable cluster shows in the calls.
 * Returns ORDERSCHED_OK, ORDERSCHED_ARGUMENT (endpoints malformed) or ORDERSCHED_NO_MEMORY. */
ORDERSCHED_API int ordersched_open(const struct ordersched_config *config,
                                   ordersched_client **client) ORDERSCHED_MUST_CHECK;

/* Close: every pending call is completed first (TIMEOUT where an attempt was sent, CLOSED
 * otherwise), then the client is freed. Must not be called from a callback. NULL is allowed. */
ORDERSCHED_API void ordersched_close(ordersched_client *client);

/* Submit without waiting. timeout_ms 0 = the client's default. Returns ORDERSCHED_OK when the
 * callback will be called, else ORDERSCHED_ARGUMENT, ORDERSCHED_BUSY (the client's own queue
 * is full), ORDERSCHED_CLOSED or ORDERSCHED_NO_MEMORY, and the callback will not be called. */
ORDERSCHED_API int ordersched_submit(ordersched_client *client,
                                     const struct ordersched_operation *operation,
                                     unsigned timeout_ms,
                                     ordersched_cb cb,
                                     void *arg) ORDERSCHED_MUST_CHECK;

/* Submit and wait. `answer` may be NULL; its body and text are not filled. Returns the
 * answer's error. */
ORDERSCHED_API int ordersched_call(ordersched_client *client,
                                   const struct ordersched_operation *operation,
                                   unsigned timeout_ms,
                                   struct ordersched_answer *answer) ORDERSCHED_MUST_CHECK;

/* The four operations of a shop and the read, as synchronous calls with the client's default
 * time-out, for NUL-terminated ids. They return the answer's error. */
ORDERSCHED_API int ordersched_schedule(ordersched_client *client, const char *id,
                                       uint64_t delay_ms, const char *route,
                                       const void *payload, size_t payload_len,
                                       struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_pay(ordersched_client *client, const char *id,
                                  struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_cancel(ordersched_client *client, const char *id,
                                     struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_extend(ordersched_client *client, const char *id,
                                     uint64_t delay_ms, struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_get(ordersched_client *client, const char *id,
                                  struct ordersched_answer *answer);

/* Make a fresh request id from the client's idea of the cluster's time, to be used with
 * ordersched_operation.request_id. May wait up to timeout_ms for the cluster's time.
 * Returns ORDERSCHED_OK or ORDERSCHED_UNREACHABLE. */
ORDERSCHED_API int ordersched_request_id(ordersched_client *client, unsigned timeout_ms,
                                         uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
    ORDERSCHED_MUST_CHECK;

/* For tools: submit one operation that is already encoded (protocol.h). `mutating` says that
 * an attempt whose answer was lost makes the outcome unknown; `target` is an endpoint
 * "HOST:PORT" to ask that very node and no other, or NULL for the leader. An operation whose
 * request id is 16 zero bytes gets one when it is first sent. A read with a target is answered
 * from that node's own state. */
ORDERSCHED_API int ordersched_submit_raw(ordersched_client *client, const void *operation,
                                         size_t operation_len, bool mutating,
                                         const char *target, unsigned timeout_ms,
                                         ordersched_cb cb, void *arg) ORDERSCHED_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
