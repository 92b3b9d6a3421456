/* judge.h - judges a replay: what was acknowledged, how it ended, what was delivered.
 *
 * Pure: no cluster, no clock, no files. The rules, an order each:
 *
 *   refused     its schedule was definitely refused; also wrong
 *   unresolved  the outcome of its schedule is unknown, and it does not exist: allowed
 *   lost        acknowledged (or there, after an unknown outcome), and at the end not found,
 *               undecided or DEAD; or EXPIRED with no effect in the journal
 *   wrong       its end contradicts an answer that was given (decision, log index, deadline), or
 *               the expectation, and none of the following explains it
 *   contested   expected to be paid; the pay was due before the deadline, was honestly answered
 *               TOO_LATE, and the order did expire: the cluster was between leaders
 *   stretched   expected to expire; the schedule was taken up late, so the cluster's deadline was
 *               late, too, and the pay honestly came before it
 *   either      its payment comes at the very end of the window: both ends are right, and only what
 *               was answered must agree
 *   vetoed      paid because the callback said so
 *   unpaid      expected to be paid; no pay could be delivered, or its outcome is unknown, and
 *               the order expired
 *
 * A pay is honest when it was sent before the deadline that the schedule's answer told, by the
 * clock of the machine the replay runs on. */
#ifndef ORDERBENCH_JUDGE_H
#define ORDERBENCH_JUDGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JUDGE_WEBHOOK_ID_SIZE 64

/* One call as the caller saw it. Clock times are of the machine, in ms since the epoch. */
struct judge_call {
    bool sent;
    bool answered;
    int error; /* enum ordersched_error */
    int state;
    uint64_t deadline_ms;
    uint64_t index;
    uint64_t due_ms;  /* when the pay was to be sent */
    uint64_t sent_ms; /* when it was (the last time, if it was refused before) */
};

struct judge_order {
    const char *id;
    bool expect_paid;
    bool expect_either; /* whatever expect_paid says */
    struct judge_call schedule;
    struct judge_call pay;
    struct judge_call final; /* GET at the end: error OK or NOT_FOUND */
};

enum judge_event_kind { JUDGE_DELIVERY, JUDGE_EFFECT };

/* A line of the receiver's journal about an order of the replay. */
struct judge_event {
    size_t order;
    enum judge_event_kind kind;
    bool said_paid; /* the receiver answered "paid": a veto */
    uint64_t t_ms;
    uint64_t deadline_ms; /* as delivered; 0 = not told */
    char webhook_id[JUDGE_WEBHOOK_ID_SIZE];
};

struct judge_evidence {
    const struct judge_order *orders;
    size_t n_orders;
    bool has_journal;
    struct judge_event *events; /* sorted in place */
    size_t n_events;
    unsigned failovers;
};

struct verdict {
    uint64_t orders, expected_paid, expected_expired, expected_either;
    uint64_t paid, expired;
    uint64_t contested, stretched, vetoed, unpaid, unresolved;
    uint64_t wrong, refused, lost, early;
    uint64_t deliveries, effects, double_effects, duplicate_deliveries;
    uint64_t unknown_outcomes; /* schedules and pays */
    unsigned failovers;
    bool has_journal;
    uint64_t late_n; /* expired orders with a delivery */
    uint64_t late_p50_ms, late_p99_ms, late_max_ms;
    bool passed;
};

/* Judge. A line for each violation goes to `explain` (may be NULL), up to a number. 0, or -1 on
 * lack of memory. */
int judge(const struct judge_evidence *evidence, FILE *explain, struct verdict *verdict)
    __attribute__((warn_unused_result));
/* A new object with the fields above; what needs a journal is null without one. */
json_t *verdict_as_json(const struct verdict *v);
/* The same for people. */
void verdict_print(const struct verdict *v, FILE *out);

#endif
