/* judge_linear.h - decides whether the operations on one order are linearizable: whether each can
 * be given one moment between its call and its answer, so that one order of these moments explains
 * all answers (Herlihy & Wing 1990).
 *
 * The search is Wing & Gong's (1993) with Lowe's improvements ("Testing for linearizability",
 * 2017): an operation is given its moment only when an answer forces it (just in time), and equal
 * configurations (state of the order, and which open operations have had their moment, as a bit
 * mask) are visited once. An operation without an answer stays open to the end and may happen at
 * any time, or never. At most LINEAR_OPEN_MAX operations may be open at once.
 *
 * The order's model is docs/semantics.md. Two things move beside the operations, both hidden: the
 * cluster's time, which only grows and makes a pending order closing; and the receiver's outcome,
 * which settles a closing order. So that a configuration needs no branch for them, it keeps the
 * lowest time it can have, and a pending order is settled at the moment when an answer needs it.
 * Pure; knows nothing of histories. */
#ifndef JUDGE_LINEAR_H
#define JUDGE_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINEAR_OPEN_MAX 64
#define LINEAR_TIME_MAX UINT64_MAX
#define LINEAR_NEVER INT64_MAX

enum linear_kind { LINEAR_SCHEDULE, LINEAR_PAY, LINEAR_CANCEL, LINEAR_EXTEND, LINEAR_GET };

struct linear_op {
    enum linear_kind kind;
    bool relative; /* schedule, extend: time_ms is a delay */
    uint64_t time_ms;
    int64_t from_ns;
    int64_t to_ns; /* LINEAR_NEVER: no answer */
    int error;     /* of the answer: OK, or a refusal that saw the state */
    int state;     /* enum ordersched_state */
    uint64_t deadline_ms;
    uint64_t version;    /* extend: the one that it expects; get: the one that it saw; 0: any */
    uint64_t now_min_ms; /* bounds of the cluster's time at its moment, known otherwise */
    uint64_t now_max_ms; /* LINEAR_TIME_MAX: none */
};

/* What an order can be. */
struct linear_state {
    int state;            /* NONE, PENDING (or closing), PAID, CANCELLED, EXPIRED, DEAD */
    bool unseen;          /* deadline relative to a moment that no answer has told */
    uint64_t deadline_ms; /* if unseen: no lower than this... */
    uint64_t highest_ms;  /* ...and no higher than this; else 0 */
    uint64_t delay_ms;    /* if unseen; else 0 */
    uint64_t version;     /* 1, and one more with each extend */
    uint64_t now_ms;      /* lowest cluster time possible */
};

enum linear_result { LINEAR_YES, LINEAR_NO, LINEAR_BUDGET, LINEAR_TOO_MANY };

struct linear_report {
    enum linear_result result;
    size_t failed; /* NO: no order explains the answer of this operation */
    size_t last;   /* ...and this one changed the state last before it; == n_ops: none */
    struct linear_state before[3]; /* some of the states that it could meet */
    unsigned n_before;
    uint64_t steps; /* configurations made */
    unsigned open_max;
};

/* `ops` in order of from_ns. `veto`: a receiver may have said "paid" of this order. `budget`: of
 * configurations. */
void linear_check(const struct linear_op *ops, size_t n_ops, bool veto, uint64_t budget,
                  struct linear_report *report);

#endif
