/* protocol.h - the wire format of requests and answers, and of the operations in the log.
 *
 * A leaf: used by the client, the node and the replicated core; knows none of them.
 * docs/protocol.md is the description for people; change both together, and read its
 * check-list "changing the protocol" first.
 *
 * Everything is msgpack. Writing uses msgpack-c. Reading uses the bounded cursor of cursor.h,
 * because msgpack-c's unpacker allocates what a hostile array header claims (24 bytes for each
 * announced element) before it has seen one of them.
 *
 *   request  = [version, cluster, flags, [operation, ...]], and behind it token, or for = [kind, name,
 *               from], if its flag is set
 *   answer   = [version, error, node_id, leader_id, leader_address, term, now_ms, applied,
 *               [result, ...], text], and identity if the request asked for it
 *   result   = [error, state, deadline_ms, remaining_ms, index, body]
 *
 * An operation is a msgpack array whose first element is its code. A mutating operation's
 * bytes go into the log as they came: decoded once for the check on entry and once at apply,
 * never encoded again.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../ordersched.h"

#define PROTOCOL_VERSION 1
#define PROTOCOL_LOCAL_SOCKET "local.sock"  /* in the data directory: the owner's (docs/roles.md) */
#define PROTOCOL_MESSAGE_MAX (1024u * 1024) /* bytes of a request */
#define PROTOCOL_ANSWER_MAX (4096u * 1024)  /* bytes of an answer */
#define PROTOCOL_OPERATIONS_MAX 1024        /* operations of a request */
#define PROTOCOL_CLUSTER_MAX 64
#define PROTOCOL_ADDRESS_MAX 263 /* host (255) + ':' + port + NUL */
#define PROTOCOL_URL_MAX 2048
#define PROTOCOL_SECRET_MAX 128 /* decoded bytes are 24..64 by Standard Webhooks */
#define PROTOCOL_SECRETS_MAX 4
#define PROTOCOL_RETRIES_MAX 32
#define PROTOCOL_HEADERS_MAX 16
#define PROTOCOL_HEADER_NAME_MAX 64
#define PROTOCOL_HEADER_VALUE_MAX 512
#define PROTOCOL_CA_MAX (64u * 1024)
#define PROTOCOL_CLIENT_CERT_MAX (16u * 1024)
#define PROTOCOL_CLIENT_KEY_MAX (8u * 1024)
#define PROTOCOL_COMMAND_MAX 32         /* strings of a command */
#define PROTOCOL_COMMAND_BYTES_MAX 4096 /* in all of them together */
#define PROTOCOL_ATTEMPTS_MAX 1000      /* failed ones in a row, the most a route can ask for */
#define PROTOCOL_LIST_MAX 256           /* orders in a page */
#define PROTOCOL_FORESEE_MAX 4096u      /* due orders that CLOCK_SET_BACK looks at */
#define PROTOCOL_REASON_MAX 160         /* bytes: why a delivery failed */
#define PROTOCOL_FORECAST_MINUTES 60    /* of which STATUS knows how many orders become due */
#define PROTOCOL_STALL_SECONDS 60       /* of which STATUS knows the longest round of the loop */
#define PROTOCOL_CURSOR_MAX (8 + ORDERSCHED_ID_MAX) /* opaque: raft/core/machine_read.c makes it */
#define PROTOCOL_TOKENS_MAX 1000                    /* reservations in a message or its answer */
#define PROTOCOL_WAIT_MAX_MS 60000u                 /* how long a RESERVE may wait for due orders */
#define PROTOCOL_WORKER_MAX 64                      /* bytes of a worker's name */
#define PROTOCOL_IDENTITY_SIZE 16       /* random bytes that tell this cluster from all others */
#define PROTOCOL_CLUSTER_SECRET_SIZE 32 /* random bytes that never leave the cluster */
#define PROTOCOL_TRACEPARENT_SIZE 25    /* trace id (16), parent id (8), flags (traceparent.h) */

/* Request ids: 6 bytes big-endian milliseconds of the cluster's time when the request was
 * made, then 10 random bytes (the shape of UUIDv7, RFC 9562, without its version bits). Of a keyed one the
 * topmost bit is set, and the 10 bytes are the hash of a key: whoever makes another copy of the
 * request, at another time, makes the same ones. */
#define PROTOCOL_REQUEST_LIFETIME_MS (600u * 1000) /* an unseen id older than this is STALE */
#define PROTOCOL_REQUEST_AHEAD_MS (10u * 1000)     /* further ahead of now: EARLY_REQUEST */

#define PROTOCOL_TIME_MAX_MS ((UINT64_C(1) << 47) - 1) /* no entry tells a later time */

/* Flags of a request. */
#define PROTOCOL_LOCAL 1u    /* reads only: answer from this node's state, without the log */
#define PROTOCOL_IDENTIFY 2u /* the answer's envelope ends with the cluster's identity */
#define PROTOCOL_TOKEN 4u    /* a fifth element of the request: the token of who asks */
#define PROTOCOL_FOR 8u      /* instead of it: who asks, as a node of the cluster vouches for it */
/* A flag changes what a request means: one that is not known here refuses it. */
#define PROTOCOL_FLAGS (PROTOCOL_LOCAL | PROTOCOL_IDENTIFY | PROTOCOL_TOKEN | PROTOCOL_FOR)
#define PROTOCOL_FROM_MAX 63 /* bytes of the address that somebody vouched for asks from */

/* Operation codes. 1-15 mutate an order, 16-31 and 48 read, 32-47 are an operator's: routes,
 * dead letters, clocks, principals;
 * 49-63 are carried out by the leader beside the log (alone in their message), 64-79 exist only in
 * the log and are refused on entry. */
enum operation_code {
    OPERATION_SCHEDULE = 1, /* [1, request_id, id, relative, time_ms, route, payload], or with a
                               traceparent behind it (traceparent.h) */
    OPERATION_PAY = 2,      /* [2, request_id, id] */
    OPERATION_CANCEL = 3,   /* [3, request_id, id] */
    OPERATION_EXTEND = 4,   /* [4, request_id, id, relative, time_ms], or with the expected version,
                               which is not 0, behind it */

    OPERATION_GET = 16,        /* [16, id] */
    OPERATION_LIST = 17,       /* [17, state or 0 = all, route or "", limit, cursor] */
    OPERATION_STATUS = 18,     /* [18] */
    OPERATION_ROUTE_LIST = 19, /* [19] */
    OPERATION_DIGEST = 20,     /* [20] digest of the whole state; slow, for tests and repair */
    OPERATION_HISTORY = 21,    /* [21, id] */
    OPERATION_DEAD_LIST = 22,  /* [22, route or "", limit, cursor] */
    OPERATION_GRANT_LIST = 23, /* [23, name or ""]: principals behind this name */

    OPERATION_AUDIT_LIST = 24, /* [24, since_ms, who, what, limit, behind this row's number] */
    OPERATION_FILTERED_LIST =
        25, /* [25, state or 0 = all, route or "", beginning of the ids, due_after_ms, due_before_ms
               or 0 = no bound, limit, cursor]: deadlines from the first on, before the second */

    OPERATION_ROUTE_PUT = 32,    /* [32, request_id, name, {settings}]; once, and still decoded:
                                    [32, request_id, name, url, [secret...], timeout_ms, window,
                                     [retry_ms...]] */
    OPERATION_ROUTE_DELETE = 33, /* [33, request_id, name] */
    OPERATION_ROUTE_PAUSE = 34,  /* [34, request_id, name, paused] */
    OPERATION_ROUTE_ROTATE = 35, /* [35, request_id, name, new secret or signing key, or the
                                    public key of one that it has, older
                                    ones to keep] */

    OPERATION_DEAD_REDRIVE = 36, /* [36, request_id, id] */
    OPERATION_DEAD_DROP = 37,    /* [37, request_id, id] */
    OPERATION_ROUTE_SET = 38,    /* [38, request_id, name, {settings}]: those that are named */
    OPERATION_ROUTE_RETRY = 39,  /* [39, request_id, name]: its orders wait no longer */
    OPERATION_CLOCK_TRUST = 40,  /* [40, request_id, node_id or 0 = none] */

    /* Principals; the parts are in grant.h, the rules in docs/roles.md. A lifetime of 0 has no end. */
    OPERATION_GRANT_PUT = 41,    /* [41, request_id, name, kind, [[role, routes, prefix], ...]] */
    OPERATION_GRANT_REVOKE = 42, /* [42, request_id, name] */
    OPERATION_TOKEN_CREATE = 43, /* [43, request_id, name, hash, lifetime_ms, [grant, ...]] */
    OPERATION_TOKEN_ROTATE = 44, /* [44, request_id, name, hash, lifetime_ms, overlap_ms] */
    OPERATION_AUTHORIZE = 45,    /* [45, request_id, on] */

    OPERATION_MEMBER_LIST = 48,   /* [48] */
    OPERATION_MEMBER_ADD = 49,    /* [49, node_id, address] */
    OPERATION_MEMBER_REMOVE = 50, /* [50, node_id] */
    OPERATION_TRANSFER = 51,      /* [51, node_id or 0 = any] */

    /* Workers; the parts and the bodies of their answers are in work.h. */
    OPERATION_RESERVE = 52, /* [52, route, max, wait_ms, worker] */
    OPERATION_LEASE = 53,   /* [53, [token...]] */
    OPERATION_SETTLE = 54,  /* [54, [[token, outcome, delay_ms, reason]...]] */

    OPERATION_CLOCK_SET_BACK = 55, /* [55, carry it out; else only tell]; the answer's body is
                                      [now_ms, time_ms, orders that are due now and would not be,
                                      orders that may have been delivered and would stay due] */

    OPERATION_EPOCH = 64,   /* [64, seed, retention_ms, identity, secret]: a leader takes over;
                                the last two empty where it knows that the cluster has them;
                                once, and still decoded: without them */
    OPERATION_OUTCOME = 65, /* [65, id, epoch, version, attempt, outcome, delay_ms, jitter_ms,
                                reason, node_id]; once, and still decoded: without the last two */
    OPERATION_HURRY = 66,   /* [66, id, epoch, version, attempts that ended]: its next is at once */
    OPERATION_SET_BACK =
        67,                /* [67, time_ms, since_ms, [slot, since_ms, ...]]: the cluster's time is
                                this again, which is earlier; when the leadership began, and since
                                when these routes are paused; behind it kind, hash or name, and
                                address of who asked, where that is told */
    OPERATION_CALLER = 68, /* [68, kind, hash or name, address]: who asks for the operations behind
                              it; without the address where none of them is administrative */
    OPERATION_NOTE = 69,   /* [69, code, what it is about, detail, error, count, kind, hash or name,
                              address]: a row of the audit trail, of what is not in the log */
    OPERATION_TOKEN_USED = 70, /* [70, hash, address]: a token was used from there */
    OPERATION_CANARY =
        71, /* [71, time_ms, settled]: the canary is due at this time, or it was settled
                              (raft/core/machine_canary.c); changes nothing that is replicated */
};

/* What a callback said of an order (OPERATION_OUTCOME). */
enum outcome {
    OUTCOME_EXPIRED = 1,
    OUTCOME_PAID = 2,
    OUTCOME_LATER = 3,
    OUTCOME_FAILED = 4,
    OUTCOME_BATCH_FAILED = 5, /* its request failed as a whole; never a receiver's own word */
};

/* Kinds of events in an order's history. */
enum history_kind {
    HISTORY_SCHEDULED = 1, /* value: the deadline */
    HISTORY_EXTENDED = 2,  /* value: the new deadline */
    HISTORY_DUE = 3,
    HISTORY_ATTEMPT = 4, /* a delivery ended; value: next attempt, 0 if there is none */
    HISTORY_REDRIVEN = 5,
    HISTORY_DECIDED = 6, /* outcome: the state */
    HISTORY_GAP = 7,     /* value: how many events are no longer known */
};

/* Where the time between a deadline and its receiver's answer went: the order in which STATUS tells it. */
enum lateness_part {
    LATENESS_TIMER,
    LATENESS_COMMIT,
    LATENESS_QUEUE,
    LATENESS_CALLBACK,
    LATENESS_TOTAL,
    LATENESS_PARTS
};

/* A run of bytes inside somebody else's buffer. */
struct slice {
    const uint8_t *data;
    size_t len;
};

enum route_kind {
    ROUTE_HTTP = 1,   /* the leader sends a request to a URL */
    ROUTE_WORKER = 2, /* workers fetch the orders from the leader */
    ROUTE_EXEC = 3,   /* the leader runs a program */
};

struct route_header {
    struct slice name;
    struct slice value;
};

/* How a route delivers: a map on the wire, in which a missing key has its default. A number that
 * is 0 here, an empty slice and an empty list are not written, so that a zeroed struct with a URL
 * is a route with all defaults; decoding leaves no 0 but where 0 has a meaning. */
struct route_settings {
    enum route_kind kind;
    struct slice url; /* http */
    uint32_t n_secrets;
    struct slice secrets[PROTOCOL_SECRETS_MAX]; /* "whsec_" and base64, the newest first */
    uint32_t n_headers;
    struct route_header headers[PROTOCOL_HEADERS_MAX]; /* http: sent with each request */
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms; /* http: of a request; worker: of a lease; exec: of a run */
    uint32_t window;     /* deliveries in flight */
    uint32_t rate_per_s; /* deliveries a second; 0: no limit */
    uint32_t burst;      /* as many at once after a pause */
    uint32_t batch;      /* most orders of a request */
    uint32_t linger_ms;  /* how long a batch may wait to fill */
    uint32_t n_retries;
    uint32_t retries_ms[PROTOCOL_RETRIES_MAX]; /* delay before attempt 2, 3, ... */
    uint32_t attempts;   /* failed ones in a row before DEAD; 0: n_retries + 1 */
    struct slice ca_pem; /* http: whom to trust; empty: whom the system trusts */
    bool http1_only;     /* the key is "http2", and means the opposite */
    bool traceparent;    /* http: its orders keep the traceparent of who schedules them */
    uint32_t n_command;
    struct slice command[PROTOCOL_COMMAND_MAX]; /* exec: path and arguments */
    struct slice client_cert_pem; /* http: shown to who asks for it, and what it was signed by... */
    struct slice client_key_pem;  /* ...and its private key; both or none */
    uint32_t n_signing_keys;
    struct slice
        signing_keys[PROTOCOL_SECRETS_MAX]; /* ed25519, "whsk_" and base64, the newest first */
};

/* Why an operation is INVALID, where there is more to say: the setting, and what it must be. */
struct problem {
    struct slice key; /* as it came, or the setting's name; len 0: no problem is named */
    const char *why;
};

/* One event in the history of an order: an array of these eight, on the wire and in the state. */
struct history_event {
    enum history_kind kind;
    uint64_t time_ms; /* of the cluster */
    uint64_t index;   /* of the log; 0: none */
    uint64_t node;    /* that delivered; 0: none */
    uint32_t attempt;
    uint8_t outcome;
    uint64_t value;
    struct slice reason;
};
/* ORDERSCHED_OK and the size in *used, or ORDERSCHED_INVALID. The reason points into `data`. */
int history_event_decode(const uint8_t *data, size_t len, struct history_event *event,
                         size_t *used) ORDERSCHED_MUST_CHECK;
/* "scheduled" and so on; "expired" and so on, of an attempt's outcome. Never NULL. */
const char *history_kind_name(enum history_kind kind);
const char *history_outcome_name(uint8_t outcome);
/* A failed attempt after which no other is due: the order is, or was, DEAD. */
bool history_event_was_last(const struct history_event *event);

/* One decoded operation. Slices point into the message. Only the fields of its code are set. */
struct operation {
    enum operation_code code;
    struct slice bytes;        /* the whole operation, as it came */
    const uint8_t *request_id; /* 16 bytes, or NULL */
    bool keyed;                /* it is a keyed one, and was taken for one where it was logged */
    struct slice id;           /* order id, or route name for route operations */
    bool relative;
    uint64_t time_ms;
    struct slice route;
    struct slice payload;
    struct slice traceparent; /* empty, or PROTOCOL_TRACEPARENT_SIZE bytes */
    /* lists; of a filtered one `id` is how the orders' begin, `time_ms` and `since_ms` are the bounds
     * of their deadlines */
    uint32_t state;
    uint32_t limit;
    struct slice cursor;
    /* clock set-back; set back, with `tokens`: numbers, back to back */
    bool carry_out;
    uint64_t since_ms;
    /* route pause, rotate */
    bool paused;
    struct slice secret; /* of an epoch: the cluster's, or empty */
    uint32_t keep;
    /* members, outcome, clock trust */
    uint64_t node_id;
    struct slice address;
    /* principals: `id` is the name, `secret` the hash, `time_ms` the lifetime, `delay_ms` the
     * overlap, `tokens` the grants, back to back; of a caller `secret` is who it is, and `address`
     * from where. A note has its code in `state`, its detail in `payload`, its error in `attempt`, its
     * count in `version`; of a list of the trail `id` is who, `route` what, `time_ms` since when, and
     * `since_ms` the row to go on behind */
    uint32_t kind;
    bool on; /* of a canary: it was settled */
    /* workers: reserve uses route, limit and time_ms too */
    struct slice worker;
    uint32_t n_tokens;
    struct slice tokens; /* the elements of lease and settle, back to back (work.h reads them) */
    /* epoch, and `secret` */
    uint64_t seed;
    uint64_t retention_ms;
    struct slice identity; /* empty, or PROTOCOL_IDENTITY_SIZE bytes */
    /* outcome */
    uint64_t epoch;
    uint32_t version; /* also of an extend: the expected one; 0: any */
    uint32_t attempt;
    enum outcome outcome;
    uint64_t delay_ms;
    uint32_t jitter_ms;
    struct slice reason; /* and node_id */
    /* refused as INVALID */
    struct problem problem;
    struct slice changes; /* route set: its map, also decoded into `settings`, without defaults */
    /* route put; last, as it is large and only set for it */
    struct route_settings settings;
};

/* Decode the operation that starts at `data`, and check its limits. Returns ORDERSCHED_OK and
 * how many bytes it took in op->bytes.len, or ORDERSCHED_INVALID (op->problem may say more),
 * UNKNOWN_OPERATION, BAD_ID, PAYLOAD_TOO_LARGE. Never reads past data + len, never allocates.
 * Log-only operations are decoded too; whoever takes messages from outside refuses them. Pure. */
int operation_decode(const uint8_t *data, size_t len, struct operation *op) ORDERSCHED_MUST_CHECK;

/* Does this code change replicated state, and so go through the log? */
bool operation_is_logged(enum operation_code code);
/* Is this code one of those that read the replicated state? */
bool operation_is_read(enum operation_code code);
bool operation_is_on_route(enum operation_code code); /* puts, changes or deletes one */
bool operation_is_on_clock(enum operation_code code); /* says whose counts */
bool operation_is_on_principal(enum operation_code code);

/* All zeros stand for an identity that is not known yet. */
bool identity_is_known(const uint8_t identity[PROTOCOL_IDENTITY_SIZE]);

/* The time part of a request id, in milliseconds of the cluster's time. */
uint64_t request_id_time_ms(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* Make a request id from a time (until the year 6429: later ones are taken for that) and 10 random
 * bytes. */
void request_id_make(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms,
                     const uint8_t random[10]);
/* The same of a keyed one, from 10 bytes of a hash of all that makes the request what it is. With a time
 * of 0 libordersched fills in the cluster's when it sends it. */
void request_id_make_keyed(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms,
                           const uint8_t hash[10]);
bool request_id_is_keyed(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE]);
/* Give it another time; the rest stays. */
void request_id_set_time(uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE], uint64_t now_ms);
/* The id of one copy of a keyed request alone: no keyed one, of its time and its ten bytes. */
void request_id_of_copy(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                        uint8_t out[ORDERSCHED_REQUEST_ID_SIZE]);
/* Are they ids of one request? Of keyed ones whatever their times are. */
bool request_id_is_same(const uint8_t a[ORDERSCHED_REQUEST_ID_SIZE],
                        const uint8_t b[ORDERSCHED_REQUEST_ID_SIZE]);
/* What all ids of one request have in common, for a table: `out` may not be `request_id`. */
void request_id_normalise(const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                          uint8_t out[ORDERSCHED_REQUEST_ID_SIZE]);

/* A growing byte buffer for encoders. Zero it to start. On lack of memory `failed` is set and
 * further writes do nothing; check it once at the end. Owned by who zeroed it. */
struct buffer {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
    bool
        wipes; /* what it held is overwritten before the memory is given back, also when it grows */
};
void buffer_append(struct buffer *b, const void *data, size_t len);
void buffer_reset(struct buffer *b); /* len = 0, memory kept */
void buffer_free(struct buffer *b);

/* msgpack writers on a buffer (thin wrappers over msgpack-c's packer). */
void write_array(struct buffer *b, uint32_t n);
void write_uint(struct buffer *b, uint64_t v);
void write_int(struct buffer *b, int64_t v);
void write_bin(struct buffer *b, const void *data, size_t len);
void write_str(struct buffer *b, const void *data, size_t len);
void write_nil(struct buffer *b);
void write_map(struct buffer *b, uint32_t n); /* n keys, each followed by its value */
void history_event_encode(struct buffer *b, const struct history_event *event);

/* Encode an operation from its decoded form (the fields of its code; `bytes` is ignored). */
void operation_encode(struct buffer *b, const struct operation *op);

/* Read the map of settings at `data`. Every key is checked for its type and range, keys must be
 * known and come once, and what the kind needs must be there. ORDERSCHED_OK and the size in *used,
 * or ORDERSCHED_INVALID and in *problem the key. Whether a secret is a good one is asked apart,
 * because there may be others in old logs. Slices point into `data`. Never allocates. */
int route_settings_decode(const uint8_t *data, size_t len, struct route_settings *settings,
                          size_t *used, struct problem *problem) ORDERSCHED_MUST_CHECK;
/* The same for a map of changes: what it names is put into *settings, which may hold others, and
 * the rest stays as it is. Nothing is needed, and 0 stands for a default only in whole settings. */
int route_settings_change(const uint8_t *data, size_t len, struct route_settings *settings,
                          size_t *used, struct problem *problem) ORDERSCHED_MUST_CHECK;
/* The same from the five values in a row that stand for them in logs and snapshots of version 1:
 * url, [secret...], timeout_ms, window, [retry_ms...]. */
int route_settings_decode_old(const uint8_t *data, size_t len, struct route_settings *settings,
                              size_t *used) ORDERSCHED_MUST_CHECK;
/* The inverse, in the present form. The same settings, once decoded, always give the same bytes. */
void route_settings_encode(struct buffer *b, const struct route_settings *settings);
/* A map of these settings alone, to change a route: `names` are n of the keys of the map. */
void route_settings_encode_some(struct buffer *b, const struct route_settings *settings,
                                const char *const *names, uint32_t n);
/* What may be shown to anybody: no secret, of signing keys the public ones ("public_keys"), of a URL
 * no user, password or query, of headers the names, of a command its program, of ca_pem and client_cert_pem their length. */
void route_settings_encode_public(struct buffer *b, const struct route_settings *settings);
/* The failed attempts in a row after which an order is DEAD. */
uint32_t route_settings_attempts(const struct route_settings *settings);
const char *route_kind_name(enum route_kind kind);
/* False: there is no such kind. */
bool route_kind_parse(struct slice name, enum route_kind *kind);
/* "whsec_" and the base64 of 24 to 64 bytes (Standard Webhooks 1.0). */
bool route_secret_is_good(struct slice secret);
/* A token of RFC 9110, and none of those that the sender of a callback sets itself. */
bool route_header_name_is_good(struct slice name);
/* Visible ASCII, with spaces and tabs inside. */
bool route_header_value_is_good(struct slice value);

/* A request, decoded. */
struct request {
    struct slice cluster;
    uint32_t flags;
    uint32_t n_operations;
    struct slice operations; /* the bytes of all operations, back to back */
    struct slice token;      /* with PROTOCOL_TOKEN */
    /* With PROTOCOL_FOR: one of grant.h's kinds of callers, but for the owner; a token's text or a
     * certificate's name; and the address without its port, or empty. */
    uint32_t for_kind;
    struct slice for_name;
    struct slice for_from;
};
/* Decode the envelope of a request; the operations are walked with operation_decode(). Returns
 * ORDERSCHED_OK, INVALID, UNSUPPORTED_VERSION or TOO_MANY_OPERATIONS. */
int request_decode(const uint8_t *data, size_t len, struct request *request) ORDERSCHED_MUST_CHECK;
/* Start a request; append exactly n_operations encoded operations behind it. With PROTOCOL_TOKEN
 * request_encode_token() ends it, with PROTOCOL_FOR request_encode_for(). */
void request_encode_head(struct buffer *b, const char *cluster, uint32_t flags,
                         uint32_t n_operations);
void request_encode_token(struct buffer *b, const char *token);
void request_encode_for(struct buffer *b, uint32_t kind, const char *name, const char *from);

/* One result. The body of an OK result, by operation (schedule, pay, cancel, extend: nil; of all that
 * have a request id, where that is a keyed one: true if it is a copy's, answered as the first was):
 *
 *   GET          [route, attempts, next_attempt_ms, payload, version, schedule_index, decided_ms],
 *                and behind it the traceparent of an order that has one
 *   LIST         [cursor or "" at the end, [[id, state, deadline_ms, route], ...]]
 *   FILTERED_LIST  the same
 *   STATUS       map of this node: "cluster" "id" "address" "role" ("leader" "candidate"
 *                "follower" "removed") "leader" "term" "commit" "applied" "last" "now_ms" "epoch" "pending"
 *                "closing" "paid" "cancelled" "expired" "dead" "oldest_overdue_ms"
 *                "became_due" (orders, since the node started) "forecast_from_ms" (when the present
 *                minute began) "forecast" (orders that are PENDING, by the minute of their deadline, from
 *                there on: [n, ...], PROTOCOL_FORECAST_MINUTES of them)
 *                "memory_bytes" "deliveries" "queued" "disk" ("ok" "low" "full") "version"
 *                "routes" (the leader's, since it started: [[route, deliveries in flight, orders
 *                ready, window at present, ms of silence left, [five of [count, p50, p90, p99, p99.9,
 *                max] in us: timer, commit, queue, callback, total]], ...], the first, named "", of
 *                all routes together; those follow that had deliveries) "loop_stalls_us" (the
 *                longest round of the raft loop in each of the last PROTOCOL_STALL_SECONDS seconds,
 *                the present one first: [us, ...]) "loop_processor_us" (likewise the
 *                most processor time of a round) "reserves" "reserves_refused"
 *                "recent_requests" "lost_data" (members of this kind in its MEMBER_LIST) "clock"
 *                ("agreed" "outvoted" "disagreed" "unknown" "alone") "clock_ahead_ms" (int)
 *                "clock_low_us" (int) "clock_high_us" (int) "clock_error_max_ms" "clock_ms" "clock_trusted"
 *                "clock_by_trusted" (1 or 0) "time_ms"
 *                "time_known" (1 or 0) "lone_clock" ("followed" "awaited" "ahead" "behind" "slowed"
 *                "") "clocks" ([[id, int, int, error_us], ...]) "clients"
 *                ({"connections" "paused" "in_hand" "unread_bytes" "unseated" "refused"
 *                "unread_closed" "unfinished_bytes" "unfinished_closed"})
 *   ROUTE_LIST   [[name, {settings, shown as route_settings_encode_public does}, number of
 *                 secrets, paused, orders, revision], ...]
 *   DIGEST       [applied, digest]
 *   HISTORY      [why the last delivery failed, or "", [event, ...]]
 *   DEAD_LIST    [cursor or "" at the end, [[id, deadline_ms, route, attempts, died_ms, reason],
 *                 ...]]
 *   GRANT_LIST   [name to go on behind, or "" at the end, [[name, kind, changed at this log index,
 *                 [grant, ...], [[created_ms, expires_ms or 0], ...]], ...]]; a token that was used has
 *                 two elements more, used_ms and the address from where; of whom has, or had, a
 *                 quota one element more, [[orders, bytes], ...]: what is used of each grant's
 *   AUDIT_LIST   [number of the row to go on behind, are there more, [row, ...]], the oldest first; a
 *                row is that of audit.h: [number, time_ms, index, code, error, kind of caller, name of
 *                principal or "", address, what it is about, detail, count, first_ms]
 *   MEMBER_LIST  [[id, address, "voter" | "standby" | "lost-data", leads (bool), match], ...]
 *   others       nil
 */
struct result {
    int error;
    int state;
    uint64_t deadline_ms;
    uint64_t remaining_ms;
    uint64_t index;
    struct slice body; /* an encoded msgpack value; len 0 = nil. An error's body is a str. */
    /* Not sent: where the operation was applied just now. Its answer took a place among the recent
     * requests (docs/semantics.md, "Requests")... */
    bool recent;
    bool in_vain;  /* ...and nothing was changed */
    uint8_t lacks; /* DENIED: what is missing (raft/access/roles.h) */
    uint8_t role;  /* ...of this role */
    uint8_t quota; /* QUOTA: which (raft/access/quota.h) */
    uint8_t grant; /* ...of the grant at this place, from 0 */
    bool repeated; /* a copy of a request: what it is answered was decided before */
};
void result_encode(struct buffer *b, const struct result *result);
/* The same without the body: exactly one msgpack value must follow. */
void result_encode_head(struct buffer *b, const struct result *result);
/* Decode the result at `data`; *used tells how many bytes it took. */
int result_decode(const uint8_t *data, size_t len, struct result *result,
                  size_t *used) ORDERSCHED_MUST_CHECK;

/* The envelope of an answer. With error != OK the whole request was refused, nothing was done,
 * and there are no results. */
struct answer {
    int error;
    uint64_t node_id;
    uint64_t leader_id;          /* 0 = not known */
    struct slice leader_address; /* the leader's client API, HOST:PORT, or empty */
    uint64_t term;
    uint64_t now_ms; /* the cluster's time, as well as this node knows */
    uint64_t applied;
    uint32_t n_results;
    struct slice results;  /* encoded results, back to back */
    struct slice text;     /* a sentence about the error, or empty */
    bool identified;       /* an eleventh element follows: */
    struct slice identity; /* PROTOCOL_IDENTITY_SIZE bytes; empty: there is none yet */
};
void answer_encode(struct buffer *b, const struct answer *answer);
/* The same in parts, for results that lie elsewhere: what stands in front of them, at most
 * PROTOCOL_ANSWER_HEAD_MAX bytes, and what stands behind them. */
#define PROTOCOL_ANSWER_HEAD_MAX (PROTOCOL_ADDRESS_MAX + 121)
void answer_encode_head(struct buffer *b, const struct answer *answer);
void answer_encode_tail(struct buffer *b, const struct answer *answer);
int answer_decode(const uint8_t *data, size_t len, struct answer *answer) ORDERSCHED_MUST_CHECK;

#endif
