/* check.h - the judge of a simulated run: what was promised against what happened.
 *
 * It keeps a chronicle of the replicated log, written by whichever node applies an index first,
 * and holds everything else against it: the other nodes' states, the answers that clients got, the
 * deliveries that nodes start, and the effects at the receivers.
 *
 *   AUTH      what the log carries out, and what is answered, is what the grants of that moment allow;
 *             a denial tells nothing of an order; what was administered is in the audit trail
 *   QUOTA     no more is charged to a grant than its quota, each request once, and what is decided is
 *             given back
 *   LEADER    one leader a term                        PREFIX  equal digest at equal index
 *   STARTS    who is not what was seen of its id is not heard, and nobody else is refused for it
 *   CLOCK     now never decreases, never runs ahead of every clock that ever led, and keeps pace
 *             after healing
 *   ACKED     what was acknowledged is in the state of every node that is that far
 *   I1        one ending (DEAD is none: it may be redriven, or dropped and so CANCELLED)
 *   I2        reads and writes are linearizable
 *   I4        nothing that nobody asked for; what failed definitely stays undone
 *   I5        one effect for an expired order, none for another; for one that was dropped at most
 *             one, of a delivery that failed for whoever had sent it
 *   I6        no delivery before the deadline          I8      an extend that was done holds
 *   I9        fences never decrease, keys do not change, only the leadership's outcomes count
 *   ROUTE     no more under way than a route's window, nothing while it is paused
 *   I10       one request: one answer, one effect      I11     equal digests after healing
 *   TRACE     an order has the traceparent of the schedule that made it, if its route carries them
 *   DIGEST    no field of the state is left out of its digest
 *   I13       no node stops by itself but for a fault of ours
 *   LIVENESS  after healing everything works again within bounded time
 *
 * The first violation is printed with both sides of the contradiction, and ends the run. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "../../../client/wire/grant.h"
#include "../../../client/wire/protocol.h"
#include "../cluster/cluster.h"
#include "../coverage.h"

#define CHECK_PROBES 4 /* orders that each client makes anew after healing */

struct check; /* opaque */

/* Does this operation change an order? */
bool check_changes_order(enum operation_code code);

/* What a schedule states of its trace, or an order keeps of it. */
struct check_trace {
    bool is; /* else there is none, and the bytes are 0 */
    uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE];
};
struct check_trace check_trace_of(struct slice traceparent); /* may be empty */

/* What a client asked for. */
struct check_call {
    enum operation_code code;
    unsigned principal;                          /* that asks; CHECK_NOBODY */
    unsigned id;                                 /* number of the order; not for routes */
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE]; /* not for GET */
    uint64_t delay_ms;                           /* of a relative deadline; 0: it has none */
    struct check_trace trace;                    /* of a schedule */
    bool local;       /* a read from one node's own state, which may be behind */
    bool has_request; /* false: a mutating call that was never sent, or a GET */
    uint64_t floor;   /* log index known to be acknowledged when the call began */
};

/* `only`: the one invariant that ends the run, others are counted only; NULL: all. */
struct check *check_new(struct sim_loop *loop, const struct sim_options *options,
                        struct coverage *coverage, const char *only);
void check_free(struct check *c);
void check_set_cluster(struct check *c, struct sim_cluster *cluster);
/* The name of the invariant that was violated, or NULL. */
const char *check_violation(const struct check *c);
/* What there is to say about it; "" when all is well. */
const char *check_report(const struct check *c);

/* Orders have numbers: those of the load come first, then the probes. A decided order of the load
 * is followed by another with an id of its own, so many times. */
#define CHECK_GENERATIONS 8
unsigned check_orders(const struct check *c);
size_t check_order_name(const struct check *c, unsigned id, char out[16]);

/* --- nodes --- */
void check_applied(struct check *c, unsigned node, uint64_t index, const struct machine *m);
void check_leads(struct check *c, unsigned node, uint64_t term);
/* The clock of a node that leads shows this; by what the node knows it must show low_ms. */
void check_leaders_clock(struct check *c, unsigned node, uint64_t clock_ms, uint64_t low_ms);
/* A node starts a delivery. Returns the log index of the order's schedule, which with the
 * order's number names the order for good; 0 when the run has failed. */
uint64_t check_delivery(struct check *c, unsigned node, uint64_t token, const struct delivery *d,
                        unsigned *id);
/* What a node knows to be committed (COMMIT). */
void check_committed(struct check *c, unsigned node, uint64_t before, uint64_t index);
/* A leader hands an InstallSnapshot to the network (BOUND). */
void check_installs(struct check *c, unsigned node, unsigned to, uint64_t term, uint64_t match,
                    uint64_t monotonic_ms);
/* The receiver's answer reached the node that asked. */
void check_delivery_done(struct check *c, unsigned node, uint64_t token, enum outcome outcome);
/* A worker was told that its report is recorded: the order's state, and its decision. */
void check_reported(struct check *c, unsigned id, uint64_t scheduled, int state, uint64_t index);
/* A receiver carried out the cancellation. */
void check_effect(struct check *c, unsigned id, uint64_t scheduled, const char *key);

/* The network carried a message between nodes of two clusters (IDENTITY). */
void check_crossed(struct check *c, unsigned from, unsigned to);
/* Of a node and what a witness had seen of its id (STARTS). */
void check_misjudged(struct check *c, unsigned witness, unsigned node, bool heard);
/* A node stopped of itself; `expected`: for a fault of ours (I13). */
void check_died(struct check *c, unsigned node, const char *sentence, bool expected);

/* --- clients --- */
/* A call begins: its floor. */
uint64_t check_floor(const struct check *c);
/* A request is about to be sent for the first time, or again: from now on it may take effect. */
void check_invoked(struct check *c, const struct check_call *call);
/* A call ended. `alone`: no other call with this request was ever made. */
void check_answered(struct check *c, const struct check_call *call, bool alone,
                    const struct ordersched_answer *answer);

/* What a node says of an operation, as it leaves: also what no client tells its caller. */
void check_result(struct check *c, const struct result *result);

/* A list, page by page, of one state (0: all) and one route (-1: all). Zeroed before its first
 * use. */
struct check_list {
    int state, route;
    uint64_t floor; /* of the first page */
    unsigned pages;
    unsigned *shown; /* how often each order was; to be freed */
};
void check_list_begin(struct check *c, struct check_list *l, int state, int route);
/* A page that was answered with OK; `floor`: when it was asked for. */
void check_list_page(struct check *c, struct check_list *l, uint64_t floor,
                     const struct ordersched_answer *answer);
void check_list_end(struct check *c, struct check_list *l);

/* --- who may do what --- */
#define CHECK_NOBODY 0
#define CHECK_ADMIN 9999 /* the administrator's number; clients' principals are "c" and theirs */
#define CHECK_ADMIN_NAME "root"

/* A client has one grant at a time. */
struct check_grant {
    enum role role;
    char routes[8];
    char prefix[8];
    unsigned rate, orders; /* its quota; 0: none */
};
/* What the administrator changes: one thing at a time, until the log has it. */
struct check_change {
    enum operation_code code;
    unsigned principal;
    struct check_grant grant;
    bool on;
};
void check_change_begins(struct check *c);
/* It is about to be sent under this request id, which may not be its first. */
void check_change_sent(struct check *c, const struct check_change *change, const uint8_t *request);
/* Is it in the log? */
bool check_change_applied(const struct check *c);
/* Whom it is about knows of it, and goes by it. */
void check_change_known(struct check *c);

/* --- the end --- */
/* The faults have ended. */
void check_healed(struct check *c);
/* A call of the liveness phase ended: it must have been decided. */
void check_probe(struct check *c, const struct check_call *call,
                 const struct ordersched_answer *answer);
/* Have all nodes applied the same? */
bool check_is_converged(const struct check *c);
/* After the liveness phase. */
void check_end(struct check *c);

#endif
