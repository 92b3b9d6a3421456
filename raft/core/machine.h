/* machine.h - the deterministic state machine: what all replicas agree on.
 *
 * State: the replicated time, the orders, the routes, the epoch, the recent requests that
 * belong to no order, whose clock is trusted, the principals and whether they count, what was
 * administered (the audit trail), and what came with an epoch: settings, the cluster's identity, its secret.
 * It changes only through machine_apply(), which reads nothing but the entry and the state: no
 * clock, no randomness, no iteration order. docs/semantics.md states every rule; each test names
 * the rule it checks.
 *
 * Beside the state the machine keeps indexes derived from it (wheel, closing list, ready lists,
 * terminal list). They are rebuilt by a restore, and only the leader drains the ready lists.
 *
 * Not thread-safe; lives on the raft loop. Lack of memory during an apply aborts the process:
 * a replica that cannot apply must stop rather than diverge. */
#ifndef MACHINE_H
#define MACHINE_H

#include "../access/audit_trail.h"
#include "../access/claim.h"
#include "../forecast/forecast.h"
#include "entry.h"
#include "order.h"
#include "route.h"
#include "store.h"
#include "wheel.h"

#define MACHINE_ROUTES_MAX 1024
#define MACHINE_RECENT_MAX (1u << 20)    /* recent requests that belong to no order... */
#define MACHINE_RECENT_BYTES (48u << 20) /* ...and the memory that they take at most */
#define MACHINE_RECENT_SPARE 64u /* one in so many is for operations on routes and dead letters */
#define MACHINE_RECENT_MAX_ONCE 65536u /* until the cluster has a secret */
#define MACHINE_TRIM_MIN 256u /* stale ones that leave in an entry, besides two an operation */
#define MACHINE_LIFETIME_MIN_MS 1000u /* of a request id, however short the retention */
#define MACHINE_SET_BACK_KEPT_MS (24u * 3600 * 1000) /* requests that lie so far ahead of it */
#define MACHINE_RETENTION_DEFAULT_MS (24ull * 3600 * 1000)
#define MACHINE_PURGE_MAX 256 /* log indexes' worth of decisions forgotten per entry */

/* A request that belongs to no known order, with its answer (see "floor" in semantics.md). */
struct recent_request {
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    uint64_t index;
    uint64_t deadline_ms;
    uint32_t next; /* derived: recent.c's */
    uint8_t error;
    uint8_t state;
};

/* When an entry was applied here, for measuring lateness. */
struct machine_stamp {
    uint64_t now_ms;   /* the entry's time */
    uint64_t clock_us; /* its owner's clock */
};
#define MACHINE_STAMPS 64 /* a power of 2 */

/* Who watches a machine that goes on, such as a snapshot that is being built of it (snapshot.h). The
 * machine has one at most, and knows no more of it than this. */
struct machine_observer {
    /* An order is about to change or to leave, and carries another mark than the machine's. */
    void (*order_changes)(struct machine_observer *observer, struct order *o);
    /* The oldest of the recent requests is about to leave. */
    void (*request_leaves)(struct machine_observer *observer);
    void (*entry_applied)(struct machine_observer *observer, uint64_t index, const uint8_t *data,
                          size_t len);
    /* The machine is closed: all that it holds is about to go. */
    void (*machine_ends)(struct machine_observer *observer);
};

struct machine_counts { /* of orders, by state as seen at now */
    uint64_t pending, closing, paid, cancelled, expired, dead;
};

/* The digest of the state as of one entry, made in slices while the machine goes on: an order
 * that is about to change, or to leave, while it is not counted in yet is counted in first, and
 * orders that come later are left out. As with a snapshot, a mark in each order tells, and none may
 * move to another shard of the store meanwhile. */
struct machine_digest {
    bool running;
    uint8_t mark;     /* orders that carry another are not counted in yet */
    uint32_t shard;   /* of the store, to be looked at next */
    uint64_t applied; /* the entry */
    uint64_t n;       /* orders as of it */
    uint64_t orders;  /* sum of the hashes of those counted in */
    uint64_t rest;    /* hash of everything but the orders */
    uint64_t value;   /* once it is made */
};

/* Due every few seconds, and no order: machine_canary.c. */
struct machine_canary {
    enum { CANARY_NONE, CANARY_WAITS, CANARY_DUE, CANARY_IN_FLIGHT } phase;
    struct order *order; /* its place in the wheel, while it waits; made on first use */
    uint64_t deadline_ms;
    uint64_t settled;             /* how many the log told of, in the life of this process... */
    uint64_t settled_deadline_ms; /* ...and of the last of them: when it was due, */
    uint64_t lateness_ms;         /* and how much later, by the log, it was settled */
};

struct machine {
    /* replicated */
    uint64_t now_ms;
    uint64_t applied; /* index of the last entry applied */
    uint64_t epoch;
    uint64_t
        epoch_ms; /* when its leadership began, or last began anew; a set-back brings the leader's */
    uint64_t seed;
    uint64_t retention_ms;
    uint8_t identity[PROTOCOL_IDENTITY_SIZE];     /* of the cluster; all 0: none yet */
    uint8_t secret[PROTOCOL_CLUSTER_SECRET_SIZE]; /* see secret.h: never shown, logged or read */
    uint64_t secret_index;                        /* of the entry that brought it; 0: none yet */
    uint64_t request_floor_ms;
    uint32_t era;           /* how often the time was set back, */
    uint64_t set_back_ms;   /* last to this; 0: never */
    uint64_t clock_trusted; /* the node whose clock counts where no majority agrees; 0: none */
    bool keyed;             /* there was an entry with keyed request ids */
    bool traced;            /* there was an order with a traceparent */
    struct store store;
    struct slab slab;      /* the orders' memory */
    struct route *routes;  /* MACHINE_ROUTES_MAX slots that never move */
    uint16_t *route_cells; /* derived: a hash index of them by name (machine_routes.c) */
    uint32_t n_routes;     /* slots from here on have never been used */
    struct recent *recent; /* queue and its index (recent.h) */
    struct grants grants;
    struct audit_trail audit;
    /* derived */
    struct wheel wheel;
    struct forecast forecast; /* of the orders that are PENDING and not in the closing list */
    struct link closing;      /* order_extra.closing, in order of becoming due */
    struct link terminal;     /* order.link, in order of decision */
    uint64_t ready_routes[MACHINE_ROUTES_MAX / 64]; /* bits, by slot: it has orders ready */
    struct machine_counts stored; /* pending: not in the closing list; closing: in it */
    uint64_t purge_wait_ms; /* the floor at which the first decided orders can be purged; 0: look */
    size_t memory;          /* bytes of orders and tables */
    uint64_t routes_index;  /* the last entry that changed a route */
    /* measurement: the owner sets its clock before an apply; no state depends on it */
    uint64_t clock_us;
    struct machine_stamp stamps[MACHINE_STAMPS]; /* of the newest entries of another time each */
    uint64_t n_stamps;                           /* ever; the newest is the one before */
    uint64_t became_due; /* orders, in the life of this process; a redriven one again */
    struct machine_canary canary;
    struct machine_observer *observer; /* or NULL */
    uint8_t observed_mark; /* orders that carry another were not seen by the observer yet */
    struct machine_digest digest;
};

/* Who asks, as the state has it at this moment: good until the principals change. */
struct actor {
    struct caller caller;
    const struct principal *principal; /* NULL: nobody, or none that is good */
    enum lack lack;                    /* of a caller that is not good: why */
    uint8_t mark[GRANTS_MARK_SIZE];    /* of its request ids; all 0: they are kept as they came */
    uint64_t revision;                 /* of the principals */
};

/* Results of the operations of one entry, in their order. Zero it to start; `results` grows as
 * needed, and is the caller's to free(). */
struct machine_results {
    struct result *results; /* n_operations of them; bodies empty, or of static memory */
    uint32_t n;
    uint32_t cap;
};

void machine_init(struct machine *m);
void machine_close(struct machine *m);

/* Apply the committed entry at `index`, which must be above m->applied (barriers and
 * configuration changes use indexes too). `results` may be NULL (a follower). Returns 0, or -1
 * when an operation cannot be decoded: the log is corrupt or from a newer version, and the caller
 * must stop the process. */
int machine_apply_entry(struct machine *m, uint64_t index, const struct entry *e,
                        struct machine_results *results) ORDERSCHED_MUST_CHECK;
/* The same of bytes; -1 also when they are no entry of ours. */
int machine_apply(struct machine *m, uint64_t index, const uint8_t *data, size_t len,
                  struct machine_results *results) ORDERSCHED_MUST_CHECK;

/* Would machine_apply take these bytes? Whether it does depends on nothing else. */
bool machine_can_apply(const uint8_t *data, size_t len);

/* --- who may do what: docs/roles.md --- */
struct actor machine_actor(const struct machine *m, struct caller caller);
/* What it lacks to do this, as far as that is told without looking at orders; and which role. */
enum lack machine_may(const struct machine *m, const struct actor *a, const struct operation *op,
                      enum role *role);
/* Is this order, for this operation of this caller, as if it were not there? */
bool machine_hides(const struct machine *m, const struct actor *a, enum operation_code code,
                   const struct order *o);
/* The quotas that an operation which machine_may() lets in would be charged to at this time. `gates`: see
 * claim.h. */
struct claim machine_claim(const struct machine *m, const struct actor *a,
                           const struct operation *op, uint64_t now_ms,
                           const struct quota_bucket *gates);
/* Is it a copy of a request that was answered, and so is charged to nobody? Its id is as it is kept. */
bool machine_knows_request(const struct machine *m, const struct operation *op);
/* Let the operation's request id be its caller's own, as it is kept: made in `id`. */
void machine_mark_request(const struct actor *a, struct operation *op,
                          uint8_t id[ORDERSCHED_REQUEST_ID_SIZE]);

/* Bring the derived indexes up to m->now_ms: move what became due from the wheel to the closing
 * and ready lists. At most about `max` orders a call; true when done, false: call again. */
bool machine_advance(struct machine *m, unsigned max);
/* An operation of a client on an order, a route or the clocks. Would it, as things are, change nothing, and its
 * answer take a place among the recent requests? */
bool machine_is_in_vain(const struct machine *m, const struct operation *op);

/* What setting the time back to `time_ms` would do to the orders in the closing list; of no more than
 * PROTOCOL_FORESEE_MAX, those that became due last. */
struct machine_set_back {
    uint64_t again; /* would be PENDING again */
    uint64_t
        stay; /* their deadline would lie ahead, and they stay due: they may have been delivered */
};
/* The operation that sets the time back to `time_ms`, by what this machine knows; appends to `tokens`, to
 * which it points. */
struct operation machine_set_back_operation(const struct machine *m, uint64_t time_ms,
                                            struct buffer *tokens);
void machine_foresee_set_back(const struct machine *m, uint64_t time_ms,
                              struct machine_set_back *out);

/* When machine_advance will next have work: the earliest time in the wheel, or UINT64_MAX. */
uint64_t machine_next_ms(const struct machine *m);

/* When the oldest decided order is forgotten, and an entry gives its memory back (not before its requests are
 * stale, where an entry found that they are not); UINT64_MAX: there is none. */
uint64_t machine_next_forgotten_ms(const struct machine *m);

/* Leader only. Take the first ready order of a route from one of its two lists (NULL if it has
 * none, or is paused): it is then in flight, in no list, until an outcome is applied or it is put
 * back. */
struct order *machine_take_ready(struct machine *m, uint16_t route, enum route_ready which);
/* Does it wait for its next attempt? */
bool machine_is_waiting(const struct machine *m, const struct order *o);
/* The one that would be taken; it stays where it is. */
struct order *machine_peek_ready(const struct machine *m, uint16_t route, enum route_ready which);
/* The first slot from `from` on (at most MACHINE_ROUTES_MAX) of a route that has orders ready, paused or not;
 * MACHINE_ROUTES_MAX: there is none. A few words, however many routes there are. */
uint32_t machine_next_ready_route(const struct machine *m, uint32_t from);
/* How many it could take there; 0 while the route is paused. */
uint32_t machine_count_ready(const struct machine *m, uint16_t route, enum route_ready which);
/* Put an order in flight back to the head of the ready list it belongs in. */
void machine_put_back(struct machine *m, struct order *o);
/* Put all orders in flight back (the leadership is lost), and the canary. O(closing). */
void machine_put_back_all(struct machine *m);
/* Is there a canary that was not settled yet? */
bool machine_canary_is_out(const struct machine *m);
/* Leader only. Take the canary, if it is due: it is in flight until an entry says that it was settled, or
 * it is put back. */
bool machine_take_canary(struct machine *m, uint64_t *deadline_ms);

/* Reads. The order as seen at now, or NULL also when it is past its retention. */
struct order *machine_find(const struct machine *m, struct slice id);
struct route *machine_find_route(const struct machine *m, struct slice name); /* or NULL */
/* Does any route carry traceparents? O(routes); it changes only with m->routes_index. */
bool machine_carries_traceparents(const struct machine *m);
/* Fill `result` for a read operation (GET, LIST, STATUS's share is the node's, ROUTE_LIST,
 * DIGEST), appending its body to `body`; result->body points into it until it grows again. */
void machine_read(const struct machine *m, const struct operation *op, struct buffer *body,
                  struct result *result);
/* The same in steps that look at a few hundred orders at most; not for ROUTE_LIST and DIGEST, which
 * are read by the two functions below and by machine_digest_step. Zero `reading` to start. False:
 * there is no answer yet, and nothing was written; call again with the same operation. What was done
 * is taken off *budget_ns, in nominal ns. */
struct machine_reading {
    uint32_t looked; /* orders */
    bool keyed;      /* where a list goes on: behind this order of this table */
    uint8_t id_len;
    uint8_t id[ORDERSCHED_ID_MAX];
};
bool machine_read_step(const struct machine *m, const struct operation *op,
                       struct machine_reading *reading, struct buffer *body, struct result *result,
                       uint64_t *budget_ns);
/* Append the rows of ROUTE_LIST of up to `max` routes from `slot` on; *n counts them. Returns the slot
 * to go on with, m->n_routes at the end. The list is of one moment as far as m->routes_index, the
 * last entry that changed a route, has not moved. */
uint32_t machine_read_routes(const struct machine *m, uint32_t slot, uint32_t max,
                             struct buffer *body, uint32_t *n);
/* Exact once machine_advance() has returned true; decided orders count until they are purged. */
void machine_counts(const struct machine *m, struct machine_counts *counts);
/* now - deadline (or time of the redrive) of the oldest closing order; 0 when none. */
uint64_t machine_oldest_overdue_ms(const struct machine *m);

/* Order-independent digest of the replicated state: equal on all replicas at equal `applied`.
 * O(n). Must be independent of physical purging only in so far as purging is deterministic. */
uint64_t machine_digest(const struct machine *m);
/* The same number for the state as it is now, made in slices: begin, then step until it returns
 * true; m->digest then holds it, with its index. A restore ends one that is running without a
 * word: running is false then, and the next begin starts anew. Begin is O(routes). */
void machine_digest_begin(struct machine *m);
/* Look at orders for about *budget_ns nominal nanoseconds, which are taken off: work is counted,
 * no clock is read. */
bool machine_digest_step(struct machine *m, uint64_t *budget_ns);

/* Consistency of state and indexes; aborts with a message on a violation. O(n). For tests and
 * the simulator. */
void machine_check(const struct machine *m);

#endif
