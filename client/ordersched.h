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
 *   unknown   the operation may or may not have happened (a timeout, a lost leader).
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
#define ORDERSCHED_TOKEN_SIZE 24 /* of a worker's reservation */
#define ORDERSCHED_KEY_SIZE 37   /* of an idempotency key, with its NUL */
#define ORDERSCHED_FENCE_SIZE 48 /* room for "EPOCH.INDEX" and a NUL */
#define ORDERSCHED_DEADLINE_MAX_MS (400ull * 24 * 3600 * 1000) /* ahead of now */

/* Named errors. The numbers are part of the wire protocol and never change. */
enum ordersched_error {
    ORDERSCHED_OK = 0,

    /* Decided by the cluster, at a position of the log: definite, and final for this
     * request id. */
    ORDERSCHED_EXISTS = 1,        /* schedule: the id is known under another request id */
    ORDERSCHED_NOT_FOUND = 2,     /* the order (or route, or member) is not known */
    ORDERSCHED_TOO_LATE = 3,      /* the deadline has passed; the state says where it stands */
    ORDERSCHED_DECIDED = 4,       /* already decided otherwise; the state says how */
    ORDERSCHED_STALE_REQUEST = 5, /* the request id is too old to be told from a late copy */
    ORDERSCHED_EXHAUSTED = 6,     /* the order has used up its extends */
    ORDERSCHED_UNKNOWN_ROUTE = 7, /* schedule: no such route */
    ORDERSCHED_ROUTE_IN_USE = 8,  /* route delete: orders still point to it */
    ORDERSCHED_BAD_DEADLINE = 9,  /* in the past, too far ahead, or (extend) earlier */
    ORDERSCHED_TOO_MANY_ROUTES = 10,
    ORDERSCHED_STALE_RESERVATION = 11, /* worker: the lease is over, or of an earlier leader */
    ORDERSCHED_NOT_DEAD = 12, /* redrive, drop: the order is no dead letter; see the state */
    ORDERSCHED_TOO_MANY_PRINCIPALS = 13,
    ORDERSCHED_NO_ADMIN = 14,        /* authorisation: nobody could change anything any more */
    ORDERSCHED_VERSION_CHANGED = 15, /* extend: the order's version is not the expected one */

    /* Refused on entry, before the log: this attempt did nothing. */
    ORDERSCHED_INVALID = 32,             /* malformed or truncated message or operation */
    ORDERSCHED_UNSUPPORTED_VERSION = 33, /* unknown protocol version */
    ORDERSCHED_UNKNOWN_OPERATION = 34,
    ORDERSCHED_WRONG_CLUSTER = 35,
    ORDERSCHED_BAD_ID = 36, /* id empty or longer than ORDERSCHED_ID_MAX */
    ORDERSCHED_PAYLOAD_TOO_LARGE = 37,
    ORDERSCHED_TOO_MANY_OPERATIONS = 38, /* in one message */
    ORDERSCHED_BUSY = 39,                /* a queue is full: try again later */
    ORDERSCHED_FULL = 40,                /* the limit of orders or bytes is reached */
    ORDERSCHED_NOT_LEADER = 41,          /* the answer names the leader, if known */
    ORDERSCHED_NO_SPACE = 42,            /* the leader's disk is nearly full */
    ORDERSCHED_SHUTTING_DOWN = 43,
    ORDERSCHED_EARLY_REQUEST = 44,    /* the request id lies in the cluster's future */
    ORDERSCHED_MEMBER_CHANGE = 45,    /* membership change refused; the text says why */
    ORDERSCHED_EXEC_NOT_ALLOWED = 46, /* route put: the leader runs no programs (--allow-exec) */
    ORDERSCHED_REQUEST_ID_USED = 47,  /* for another operation, or another order or route */
    ORDERSCHED_DENIED = 48, /* the caller may not do this; the text says what is missing */
    ORDERSCHED_QUOTA =
        49, /* a quota of the caller's grant is used up; the text says which, and when
                               to come again */

    /* Unknown: may have happened. */
    ORDERSCHED_UNKNOWN_OUTCOME = 64, /* the leader lost its leadership with it in the log */
    ORDERSCHED_TIMEOUT = 65,         /* client: the call's time ran out, an attempt was sent */

    /* The client's own, definite. */
    ORDERSCHED_UNREACHABLE = 96, /* no endpoint took the request before its time ran out */
    ORDERSCHED_CLOSED = 97,      /* the client was closed before the request was sent */
    ORDERSCHED_NO_MEMORY = 98,
    ORDERSCHED_ARGUMENT = 99,        /* the caller's arguments are wrong; nothing was sent */
    ORDERSCHED_TLS_FILES = 100,      /* open: the TLS files are not usable; nothing was sent */
    ORDERSCHED_INSECURE_TOKEN = 101, /* a token is not sent over plain TCP off the loopback */
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
    uint64_t remaining_ms; /* until the deadline, by the cluster's time; 0 once past; with QUOTA:
                              until there is room, 0: not before orders are decided */
    uint64_t index;        /* log index of the decision, 0 while undecided */
    const uint8_t *body;   /* operation-specific msgpack value (docs/protocol.md), or NULL */
    size_t body_len;
    const char *text; /* a sentence that explains the error, or NULL */
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
    bool relative;       /* schedule, extend: time_ms is a delay from the moment of apply */
    uint64_t time_ms;    /* schedule, extend: deadline since the epoch, or delay */
    const char *route;   /* schedule: name of the callback route, NUL-terminated */
    const void *payload; /* schedule: 0..ORDERSCHED_PAYLOAD_MAX bytes handed to the callback */
    size_t payload_len;
    /* NULL: the client makes one. Otherwise a request id of an earlier call (see
     * ordersched_request_id), to repeat that call safely. ORDERSCHED_REQUEST_ID_SIZE bytes. Or a keyed
     * one (docs/protocol.md, "Request ids"): 80 00 00 00 00 00, for the client to fill in the time,
     * and 10 bytes that are the same for each copy of the request, whoever sends it. */
    const uint8_t *request_id;
    /* schedule: W3C Trace Context's header of the request that this belongs to, NUL-terminated, for the webhooks of the
     * order, if its route carries traceparents (else it is ignored; docs/callbacks.md, "Traces"); NULL: none. One that is
     * malformed is an ORDERSCHED_ARGUMENT. Nodes that do not know it answer ORDERSCHED_INVALID. */
    const char *traceparent;
};

typedef struct ordersched_client ordersched_client;

/* Called exactly once for each accepted submission, on the client's thread. */
typedef void (*ordersched_cb)(void *arg, const struct ordersched_answer *answer);

struct ordersched_config {
    /* "HOST:PORT,HOST:PORT"; NULL = "127.0.0.1:7401". Or "unix:PATH", alone: the socket in a node's
     * data directory, over which its owner and root may do everything, as long as that node leads. */
    const char *endpoints;
    const char *cluster; /* NULL = "orderschedd" */
    unsigned timeout_ms; /* default for calls that give 0; 0 here = 10,000 */
    /* The token that says who asks (docs/roles.md); NULL = what ORDERSCHED_TOKEN of the environment
     * holds, "" = none. It is copied, and never sent over plain TCP off the loopback: calls that would
     * have to end with INSECURE_TOKEN. */
    const char *token;
    /* TLS: paths of PEM files, copied. Each node is checked by the certificates in tls_ca, and by the
     * cluster's DNS name, CLUSTER.orderschedd, whatever address it has. */
    const char *tls_ca;   /* the CA, or several while one replaces another; NULL = plain TCP */
    const char *tls_cert; /* the client's certificate, its chain behind it; NULL = none */
    const char
        *tls_key; /* its private key, P-256, P-384 or RSA, without a passphrase; NULL = none */
    /* Where open puts a sentence when it fails, NUL-terminated and cut to why_size; NULL = nowhere.
     * The caller's. */
    char *why;
    size_t why_size;
};

/* Open a client. Never blocks on the network: an unreachable cluster shows in the calls. It reads the TLS
 * files; each new connection reads them again if they have changed, and goes on with what was read
 * before while they do not fit, so that they can be replaced under load, one after the other.
 * Returns ORDERSCHED_OK, ORDERSCHED_ARGUMENT (endpoints, token or the cluster's name malformed),
 * ORDERSCHED_INSECURE_TOKEN (no TLS, and an endpoint is off the loopback),
 * ORDERSCHED_TLS_FILES (one is missing, cannot be read, has expired or does not fit another; also: the
 * cluster has a name that no certificate can carry) or ORDERSCHED_NO_MEMORY. */
ORDERSCHED_API int ordersched_open(const struct ordersched_config *config,
                                   ordersched_client **client) ORDERSCHED_MUST_CHECK;

/* Close: every pending call is completed first (TIMEOUT where an attempt was sent, CLOSED
 * otherwise), then the client is freed. At once where every call was answered; answers that nodes still owe have until none
 * has come for half a second, and 2 s at most. Must not be called from a callback. NULL is allowed. */
ORDERSCHED_API void ordersched_close(ordersched_client *client);

/* Submit without waiting. timeout_ms 0 = the client's default. Returns ORDERSCHED_OK when the
 * callback will be called, else ORDERSCHED_ARGUMENT, ORDERSCHED_BUSY (the client's own queue
 * is full), ORDERSCHED_CLOSED or ORDERSCHED_NO_MEMORY, and the callback will not be called. */
ORDERSCHED_API int ordersched_submit(ordersched_client *client,
                                     const struct ordersched_operation *operation,
                                     unsigned timeout_ms, ordersched_cb cb,
                                     void *arg) ORDERSCHED_MUST_CHECK;

/* Submit and wait. `answer` may be NULL; its body and text are not filled. Returns the
 * answer's error. */
ORDERSCHED_API int ordersched_call(ordersched_client *client,
                                   const struct ordersched_operation *operation,
                                   unsigned timeout_ms,
                                   struct ordersched_answer *answer) ORDERSCHED_MUST_CHECK;

/* The four operations of a shop and the read, as synchronous calls with the client's default
 * timeout, for NUL-terminated ids. They return the answer's error. */
ORDERSCHED_API int ordersched_schedule(ordersched_client *client, const char *id, uint64_t delay_ms,
                                       const char *route, const void *payload, size_t payload_len,
                                       struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_pay(ordersched_client *client, const char *id,
                                  struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_cancel(ordersched_client *client, const char *id,
                                     struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_extend(ordersched_client *client, const char *id, uint64_t delay_ms,
                                     struct ordersched_answer *answer);
ORDERSCHED_API int ordersched_get(ordersched_client *client, const char *id,
                                  struct ordersched_answer *answer);

/* Make a fresh request id from the client's idea of the cluster's time, to be used with
 * ordersched_operation.request_id. May wait up to timeout_ms for the cluster's time. One that was made while the
 * cluster did not know what time it is (of ids that the client makes it sees to that itself) is STALE_REQUEST, which did
 * nothing, once it does.
 * Returns ORDERSCHED_OK or ORDERSCHED_UNREACHABLE. */
ORDERSCHED_API int
ordersched_request_id(ordersched_client *client, unsigned timeout_ms,
                      uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]) ORDERSCHED_MUST_CHECK;

/* ---- workers: be the receiver of a route of kind worker, without serving HTTP ----
 *
 * A worker asks for orders whose deadline has passed, holds them for the route's timeout (the
 * lease), and says of each what became of it. A lease can be extended again and again. One that
 * runs out is a failed attempt, and the order is given out again, to whichever worker asks; so are
 * the orders of a worker that dies. Then an order may be held twice for a while: make its effect
 * conditional on `key`, which stays the same, or on `fence`, which grows.
 *
 *     reserve ──► do what is to be done, extend while it takes long ──► settle
 *
 * All functions here wait; any number of threads may use one worker at the same time. */

/* What became of an order (docs/callbacks.md says which to answer when). */
enum ordersched_outcome {
    ORDERSCHED_OUTCOME_EXPIRED = 1, /* it is cancelled: settled */
    ORDERSCHED_OUTCOME_PAID = 2,    /* it was paid after all: settled, a veto */
    ORDERSCHED_OUTCOME_LATER = 3,   /* ask again after delay_ms (at least 1 s) */
    ORDERSCHED_OUTCOME_FAILED = 4,  /* a failed attempt: repeated by the route's schedule, not
                                       before delay_ms, and DEAD at its end */
};

/* One order that this worker holds. */
struct ordersched_job {
    uint8_t token[ORDERSCHED_TOKEN_SIZE]; /* names the reservation */
    char key[ORDERSCHED_KEY_SIZE];        /* idempotency key: the same at each attempt */
    char fence[ORDERSCHED_FENCE_SIZE];    /* "EPOCH.INDEX": never decreases for an order */
    const uint8_t *id;
    size_t id_len;
    uint64_t deadline_ms;
    uint32_t attempt; /* 1 = first */
    const uint8_t *payload;
    size_t payload_len;
};

/* What one reservation brought. Pointers in it point into it. */
struct ordersched_jobs {
    uint32_t n;
    uint32_t lease_ms; /* from the moment the leader answered; extend after a third of it */
    struct ordersched_job *list;
};

struct ordersched_report {
    const uint8_t *token; /* ORDERSCHED_TOKEN_SIZE bytes */
    enum ordersched_outcome outcome;
    uint64_t delay_ms;  /* LATER, FAILED */
    const char *reason; /* FAILED: why, kept with the order; at most 160 bytes count; or NULL */
};

/* What became of a report. */
struct ordersched_settled {
    int error;      /* OK; or STALE_RESERVATION: the lease ran out or another node leads, and the
                  report is not recorded (unless a copy of it was whose answer was lost). The order
                  is decided by then, or given out again under the same key. DECIDED, NOT_FOUND: it
                  was settled otherwise. */
    int state;      /* of the order, afterwards */
    uint64_t index; /* log index of the decision, 0 while undecided */
};

typedef struct ordersched_worker ordersched_worker;

/* A worker for a route, over a client that stays the caller's and must outlive it. `name` (for the
 * logs, at most 64 bytes; NULL = host name and process id) is copied. Nothing is sent. ORDERSCHED_OK,
 * ARGUMENT (route or name too long) or NO_MEMORY. */
ORDERSCHED_API int ordersched_worker_open(ordersched_client *client, const char *route,
                                          const char *name,
                                          ordersched_worker **worker) ORDERSCHED_MUST_CHECK;
/* After the last call with it has returned. What it holds comes back when the leases end. NULL is
 * allowed. */
ORDERSCHED_API void ordersched_worker_close(ordersched_worker *worker);

/* Wait until orders are due, at most wait_ms, and take up to `max` (1..1000) of them. Follows the
 * leader through elections meanwhile. ORDERSCHED_OK: *jobs is to be freed; it may hold none.
 * Else *jobs is NULL: UNKNOWN_ROUTE, INVALID (the route is not of kind worker), UNREACHABLE or
 * another reason why no leader answered for 5 s longer than wait_ms, ARGUMENT, NO_MEMORY. */
ORDERSCHED_API int ordersched_worker_reserve(ordersched_worker *worker, unsigned max,
                                             unsigned wait_ms,
                                             struct ordersched_jobs **jobs) ORDERSCHED_MUST_CHECK;
ORDERSCHED_API void ordersched_jobs_free(struct ordersched_jobs *jobs);

/* Begin the leases of these n (1..1000) reservations anew. errors[i] is OK, or STALE_RESERVATION: it
 * is not this worker's any more. Returns OK, or an error that says why nothing is known. */
ORDERSCHED_API int ordersched_worker_extend(ordersched_worker *worker, const uint8_t *const *tokens,
                                            unsigned n, unsigned timeout_ms,
                                            int *errors) ORDERSCHED_MUST_CHECK;

/* Report on n (1..1000) orders, and wait until the cluster has recorded it. OK: results[i] says what
 * became of each report. Otherwise nothing is known of them (TIMEOUT, UNREACHABLE, ...): repeat the
 * call, until it is OK. Repeating is safe. */
ORDERSCHED_API int
ordersched_worker_settle(ordersched_worker *worker, const struct ordersched_report *reports,
                         unsigned n, unsigned timeout_ms,
                         struct ordersched_settled *results) ORDERSCHED_MUST_CHECK;

/* For tools: submit one operation that is already encoded (protocol.h). `mutating` says that
 * an attempt whose answer was lost makes the outcome unknown; `target` is an endpoint
 * "HOST:PORT" to ask that very node and no other, or NULL for the leader. An operation whose
 * request id is 16 zero bytes gets one when it is first sent. A read with a target is answered
 * from that node's own state. */
ORDERSCHED_API int ordersched_submit_raw(ordersched_client *client, const void *operation,
                                         size_t operation_len, bool mutating, const char *target,
                                         unsigned timeout_ms, ordersched_cb cb,
                                         void *arg) ORDERSCHED_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
