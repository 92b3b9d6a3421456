/* judge_history.h - a run's history as the checkers look at it: what clients asked for and were
 * told, what receivers got, what was broken when, and what each node held in the end.
 *
 * It is read from the lines of jepsen/HISTORY.md, and is read-only afterwards. Texts that occur
 * often (order ids, request ids, keys, names) are numbers in `names`. Harness times are ns since
 * the run began ("_ns"), wall and cluster times ms since the Unix epoch ("_ms"). Lines are named
 * by their :index. */
#ifndef JUDGE_HISTORY_H
#define JUDGE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/ordersched.h"
#include "judge_names.h"

#define HISTORY_LINE_MAX (1u << 20)      /* bytes */
#define HISTORY_NEVER INT64_MAX          /* a time that did not come */
#define HISTORY_TIME_MAX (INT64_MAX / 8) /* of a line, in ns: 36 years */
#define HISTORY_BOUND_MAX_MS (24u * 3600 * 1000)
#define HISTORY_NO_LINE UINT32_MAX
#define HISTORY_GRANTS_MAX 8         /* of a principal */
#define HISTORY_FAULTS_OF_READING 20 /* bad lines that are kept to be named */

enum call_f { CALL_SCHEDULE, CALL_PAY, CALL_CANCEL, CALL_EXTEND, CALL_GET, CALL_FS };
enum call_end { CALL_OK, CALL_FAIL, CALL_INFO };

struct history_answer {
    int error; /* enum ordersched_error */
    int state; /* enum ordersched_state */
    uint64_t deadline_ms;
    uint64_t remaining_ms;
    uint64_t index;
    uint64_t version; /* of a get over HTTP: the order's; 0: not told */
    uint64_t status;  /* of HTTP; 0: none */
    bool broken;      /* HTTP: no connection, or it was lost, or the node was silent */
    uint32_t trace;   /* of a get: name of the traceparent; NAME_NONE: none */
};

/* An invocation of a client operation, and its completion. */
struct history_call {
    enum call_f f;
    uint32_t order;
    uint32_t request; /* NAME_NONE for reads */
    int64_t process;
    uint32_t principal; /* name; NAME_NONE: somebody who may do all of this */
    uint32_t token;     /* number of the token that was stated; 0: none, but a certificate */
    uint32_t route;     /* schedule: name */
    uint32_t trace;     /* schedule: name of its traceparent; NAME_NONE: none */
    bool relative;      /* schedule, extend: time_ms is a delay */
    uint64_t time_ms;
    uint64_t node;    /* over HTTP: the node that was asked; 0: by the client library */
    uint64_t wait_ms; /* HTTP: the patience that the node was asked for */
    uint64_t match;   /* extend: the version that it expects; 0: any */
    int64_t invoked_ns;
    int64_t ended_ns;  /* of its completion, :info too; HISTORY_NEVER: the harness died */
    uint32_t line;     /* of the invoke */
    uint32_t end_line; /* HISTORY_NO_LINE: none */
    enum call_end end;
    struct history_answer answer; /* zeroes without completion */
    bool blind; /* its answer may hide the order from this principal: it tells nothing of it */
};

/* --- who may do what --- */

enum history_role {
    ROLE_IS_OBSERVER,
    ROLE_IS_PRODUCER,
    ROLE_IS_WORKER,
    ROLE_IS_OPERATOR,
    ROLE_IS_ADMIN,
    ROLES
};
struct history_grant {
    enum history_role role;
    uint32_t routes, prefix; /* names */
};

enum change_kind { CHANGE_PUT, CHANGE_REVOKE, CHANGE_CREATE, CHANGE_ROTATE, CHANGE_KINDS };

/* An administrator's change of a principal. */
struct history_change {
    uint64_t number;
    enum change_kind kind;
    uint32_t principal;                              /* name */
    uint32_t token;                                  /* create, rotate: its number */
    uint64_t overlap_ms;                             /* rotate: 0, or longer than the run */
    struct history_grant grants[HISTORY_GRANTS_MAX]; /* put, create */
    uint32_t n_grants;
    int64_t invoked_ns;
    int64_t ended_ns; /* HISTORY_NEVER: not known whether it happened */
    int error;
    uint64_t index; /* of the log; 0: not known */
    uint32_t line, end_line;
};

enum delivery_verdict {
    VERDICT_EXPIRED,
    VERDICT_PAID,
    VERDICT_LATER,
    VERDICT_FAILED,
    VERDICT_HUNG,
    VERDICT_DUPLICATE,
    VERDICT_REFUSED,
    VERDICTS
};

/* A delivery that a receiver got, or (`effect`) its cancellation of stock. */
struct history_delivery {
    uint32_t line;
    uint32_t receiver;
    uint32_t order;
    uint32_t key;
    uint64_t at_ms; /* wall */
    bool has_fence;
    uint64_t fence_epoch;
    uint64_t fence_index;
    uint64_t deadline_ms;
    uint64_t committed_ms; /* the cluster's time that it carried; 0: not known */
    uint32_t attempt;
    uint32_t trace;                /* name of the traceparent; NAME_NONE: none */
    enum delivery_verdict verdict; /* not of an effect */
};

struct history_fault {
    uint32_t f;       /* name */
    uint32_t details; /* name: its value as text, for people */
    bool quiet;
    bool all_nodes; /* it struck every node of the cluster */
    uint64_t nodes; /* whom it struck: bit N of node N, up to 63 */
    uint64_t term;  /* that one of its nodes led; 0: not told */
    int64_t begin_ns;
    int64_t struck_ns; /* all whom it stops were stopped by then; HISTORY_NEVER: not told */
    int64_t end_ns;    /* HISTORY_NEVER: not healed */
    uint32_t line;
    uint32_t end_line;
};

/* From when to when a node said that it leads. */
struct history_leadership {
    uint64_t node, term;
    int64_t from_ns; /* the first time, or a little before */
    int64_t to_ns;   /* the last time, or a little later */
};

/* A node was asked for its state after the run. */
struct history_final {
    int64_t node;
    int64_t time_ns;
    uint32_t line;
    bool has_digest;
    int64_t applied;
    uint32_t digest; /* name */
    uint32_t error;  /* name; NAME_NONE: none */
    int64_t count;   /* of its orders; -1: not said */
    bool begins;     /* its orders follow */
    bool complete;   /* its :final-end came */
    uint32_t listed; /* orders that followed */
};

struct history_final_order {
    uint32_t final; /* in finals[] */
    uint32_t order;
    uint32_t line;
    int state;
    uint64_t deadline_ms;
};

/* What else a run says: phases, probes, logs, exits. */
struct history_note {
    int64_t time_ns;
    uint32_t line;
    int64_t node;     /* probe, log, exit */
    uint32_t kind;    /* name: of the phase, of the log's line, the exit's status */
    uint32_t text;    /* name: the log's line, the exit's reason */
    bool ok;          /* the probe; the exit was expected */
    int64_t after_ms; /* of the probe */
};
struct history_notes {
    struct history_note *all;
    uint32_t n;
    size_t cap;
};

struct history_header {
    bool present;
    uint32_t workload, nemesis, mutant, commit, version; /* names */
    int64_t nodes;
    uint64_t seed;
    int64_t time_limit_s;
    uint64_t epoch_ms;
    uint64_t lateness_bound_ms;
    uint64_t recovery_bound_ms;
    int64_t retries;
    bool clock_faults;
    bool authorisation;
    bool http;              /* the clients speak HTTP */
    bool traces;            /* all routes carry traceparents */
    int64_t clock_error_ms; /* by which a delivery may be early, by the harness's clock */
};

/* What belongs to one order, as positions in the arrays of the history, in order of lines. */
struct history_list {
    const uint32_t *at;
    uint32_t n;
};
struct history_order {
    struct history_list calls;
    struct history_list deliveries;
    struct history_list effects;
    struct history_list finals;
};

struct history {
    struct names names;
    struct history_header header;
    uint32_t n_lines;
    int64_t end_ns;             /* time of the last line */
    struct history_call *calls; /* in order of invocation */
    size_t n_calls, cap_calls;
    struct history_change *changes; /* in order of invocation */
    size_t n_changes, cap_changes;
    struct history_delivery *deliveries;
    size_t n_deliveries, cap_deliveries;
    struct history_delivery *effects;
    size_t n_effects, cap_effects;
    struct history_fault *faults;
    size_t n_faults, cap_faults;
    struct history_leadership *leaderships; /* in order of from_ns */
    size_t n_leaderships, cap_leaderships;
    struct history_final *finals;
    size_t n_finals, cap_finals;
    struct history_final_order *final_orders;
    size_t n_final_orders, cap_final_orders;
    struct history_notes phases, probes, logs, exits;

    /* Orders have numbers of their own, from 0, which calls, deliveries and finals name. */
    uint32_t *order_names;
    size_t n_orders, cap_orders;
    struct history_order *orders;
    uint32_t *order_places; /* memory of the lists */

    /* Bad lines: the result is :unknown. */
    char bad[HISTORY_FAULTS_OF_READING][192];
    size_t n_bad; /* all of them */
    bool torn;    /* only the last line, which does not end: the harness died */
};

/* Read a history. 0; -1: the file cannot be read, with a sentence in errbuf. Bad lines are no
 * error: they are in `bad`. */
int history_read_file(struct history *h, const char *path, char *errbuf,
                      size_t errbuf_len) ORDERSCHED_MUST_CHECK;
/* The same from memory. */
void history_read_text(struct history *h, const char *text, size_t len);
void history_free(struct history *h);

const char *history_order_name(const struct history *h, uint32_t order);
const char *history_call_name(enum call_f f);
const char *history_change_name(enum change_kind kind);
const char *history_role_name(enum history_role role);
const char *history_end_name(enum call_end end);
const char *history_verdict_name(enum delivery_verdict verdict);
/* By the name that stands in histories; -1: there is none such. */
int history_error_number(const char *name);
int history_state_number(const char *name);
/* The first phase of that name, or NULL. */
const struct history_note *history_phase(const struct history *h, const char *name);

/* An answer that the cluster decided in its log, final for the request: everything below
 * ORDERSCHED_INVALID but STALE_REQUEST, which says only that this copy did nothing, and what hides
 * the order. */
bool history_is_decided(const struct history_call *c);
/* May a copy of this call be in the log, as far as its end tells? */
bool history_may_have_happened(const struct history_call *c);
/* A schedule over HTTP that was refused: that copy alone, the next one is judged anew (docs/http.md,
 * "Repeating"). */
bool history_is_refused_put(const struct history_call *c);
/* Did it see the order's state (its answer's state and deadline)? Not where it may be hidden. */
bool history_saw_state(const struct history_call *c);

/* Wall time as ns of the harness; may be negative. Within HISTORY_TIME_MAX in both directions. */
int64_t history_wall_ns(const struct history *h, uint64_t wall_ms);

#endif
