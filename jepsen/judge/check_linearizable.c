/* check_linearizable.c - I2: for each order one order of all operations explains every answer, and
 * the cluster's time never goes back.
 *
 * Copies of one request are one operation: it may happen from the first copy on, and has happened
 * when the first decided answer comes. A refusal that was decided is a read of the state that it
 * names; what failed before the log is nothing; what has no answer may happen at any later time. Of a
 * schedule over HTTP each refused copy is a read of its own, and none of the operation's copies. */
#include <stdio.h>
#include <stdlib.h>

#include "judge.h"
#include "judge_linear.h"

#define BUDGET 2000000 /* configurations an order */
#define QUICK_NS INT64_C(100000000)
#define CALM_NS INT64_C(1000000000)

/* An operation of the search, and where it comes from. */
struct source {
    struct linear_op op;
    uint32_t line; /* of the first copy's call */
    uint32_t end_line;
};

static void at_least(uint64_t *bound, uint64_t value)
{
    *bound = *bound > value ? *bound : value;
}

static void at_most(uint64_t *bound, uint64_t value)
{
    *bound = *bound < value ? *bound : value;
}

/* Was it answered by its first copy? The client library repeats a call behind our back, but only
 * after the leader was silent for seconds, or lost: not in a call that was quick, far from any
 * fault. Then what remains of the deadline is as of the operation's moment, not later. */
static bool is_first_answer(const struct judged *j, const struct history_call *c, bool only_copy)
{
    return only_copy && c->ended_ns - c->invoked_ns < QUICK_NS &&
           !windows_touch(&j->windows, c->invoked_ns - CALM_NS, c->ended_ns);
}

/* What is known of the cluster's time at the operation's moment, from all orders' answers. */
static void bound_time(const struct judged *j, struct linear_op *op, const struct history_call *c,
                       bool only_copy)
{
    const struct sighting *floor = cluster_time_floor(&j->time, op->from_ns);
    const struct history_answer *a = &c->answer;

    op->now_max_ms = LINEAR_TIME_MAX;
    if (floor != NULL) {
        op->now_min_ms = floor->now_ms;
    }
    if (op->to_ns == LINEAR_NEVER) {
        return;
    }
    const struct sighting *ceiling = cluster_time_ceiling(&j->time, op->to_ns);
    if (ceiling != NULL) {
        at_most(&op->now_max_ms, ceiling->now_ms);
    }
    if (a->deadline_ms == 0 || a->remaining_ms > a->deadline_ms) {
        return;
    }
    /* What remains is as of the answer; of a repeated one that is later than the operation. */
    uint64_t now_ms = a->deadline_ms - a->remaining_ms;
    if (a->remaining_ms > 0) {
        at_most(&op->now_max_ms, now_ms);
    }
    if (op->kind == LINEAR_GET || is_first_answer(j, c, only_copy)) {
        at_least(&op->now_min_ms, now_ms);
    }
}

/* `first`: its first copy; the same call if it is the only one. */
static struct source make_source(const struct judged *j, const struct history_call *c,
                                 const struct history_call *first, bool only_copy, bool answered)
{
    static const enum linear_kind kinds[] = {
        [CALL_SCHEDULE] = LINEAR_SCHEDULE, [CALL_PAY] = LINEAR_PAY, [CALL_CANCEL] = LINEAR_CANCEL,
        [CALL_EXTEND] = LINEAR_EXTEND,     [CALL_GET] = LINEAR_GET,
    };
    struct source s = {.line = first->line,
                       .end_line = answered ? c->end_line : HISTORY_NO_LINE,
                       .op = {.kind = kinds[c->f],
                              .relative = c->relative,
                              .time_ms = c->time_ms,
                              .from_ns = first->invoked_ns,
                              .to_ns = answered ? c->ended_ns : LINEAR_NEVER,
                              .version = c->match}};

    if (answered) {
        s.op.version = c->f == CALL_GET ? c->answer.version : c->match;
        s.op.error = c->answer.error;
        s.op.state = c->answer.state;
        s.op.deadline_ms = c->answer.deadline_ms;
    }
    bound_time(j, &s.op, c, only_copy);
    return s;
}

/* The copies of the request of call number `at`, if it is the first of them, as one operation.
 * False: it is not, or they all are nothing. */
static bool merge_copies(const struct judged *j, const struct history_list *calls, uint32_t at,
                         struct source *out)
{
    const struct history_call *first = NULL, *decided = NULL;
    uint32_t request = j->h->calls[calls->at[at]].request, copies = 0;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &j->h->calls[calls->at[i]];
        copies += c->request == request;
        if (c->request != request || !history_may_have_happened(c) || history_is_refused_put(c)) {
            continue;
        }
        if (first == NULL && i != at) {
            return false;
        }
        first = first != NULL ? first : c;
        if (history_is_decided(c) && (decided == NULL || c->ended_ns < decided->ended_ns)) {
            decided = c;
        }
    }
    if (first == NULL || (decided != NULL && !history_saw_state(decided))) {
        return false;
    }
    *out = make_source(j, decided != NULL ? decided : first, first, copies == 1, decided != NULL);
    return true;
}

static size_t gather(const struct judged *j, const struct history_list *calls,
                     struct source *sources)
{
    size_t n = 0;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &j->h->calls[calls->at[i]];
        if (c->f == CALL_GET || history_is_refused_put(c)) {
            if (history_saw_state(c)) {
                sources[n++] = make_source(j, c, c, true, true);
            }
        } else if (merge_copies(j, calls, i, &sources[n])) {
            n++;
        }
    }
    return n;
}

static void describe_states(const struct linear_report *r, char *out, size_t len)
{
    size_t n = 0;

    out[0] = 0;
    for (unsigned i = 0; i < r->n_before && n < len; i++) {
        const struct linear_state *s = &r->before[i];
        n += (size_t)snprintf(out + n, len - n, "%s%s", i > 0 ? ", or " : "",
                              ordersched_state_name(s->state));
        if (s->state != ORDERSCHED_STATE_NONE && n < len) {
            n += (size_t)snprintf(out + n, len - n, " (deadline %s%llu, time at least %llu)",
                                  s->unseen ? "from " : "", (unsigned long long)s->deadline_ms,
                                  (unsigned long long)s->now_ms);
        }
    }
}

/* What is known of the cluster's time at the operation's moment. */
static void describe_time(const struct linear_op *op, char *out, size_t len)
{
    unsigned long long min_ms = op->now_min_ms, max_ms = op->now_max_ms;

    if (op->now_max_ms != LINEAR_TIME_MAX) {
        snprintf(out, len, ", at the cluster's time %llu to %llu", min_ms, max_ms);
    } else if (op->now_min_ms > 0) {
        snprintf(out, len, ", at the cluster's time %llu or later", min_ms);
    } else {
        out[0] = 0;
    }
}

static void report_failure(const struct judged *j, uint32_t order, const struct source *sources,
                           size_t n, const struct linear_report *r, struct verdict *v)
{
    static const char *const names[] = {"schedule", "pay", "cancel", "extend", "get"};
    const struct source *s = &sources[r->failed];
    const struct source *last = r->last < n ? &sources[r->last] : NULL;
    char before[320], since[64] = "", when[96];

    describe_states(r, before, sizeof before);
    describe_time(&s->op, when, sizeof when);
    if (last != NULL) {
        snprintf(since, sizeof since, ", last changed by the %s of index %u", names[last->op.kind],
                 last->line);
    }
    verdict_violation(v, "I2", order,
                      VERDICT_LINES(s->line, s->end_line, last != NULL ? last->line : UINT32_MAX,
                                    last != NULL ? last->end_line : UINT32_MAX),
                      "%s: %s was answered %s, %s, deadline %llu%s; but the order could only be "
                      "%s%s",
                      history_order_name(j->h, order), names[s->op.kind],
                      ordersched_error_name(s->op.error), ordersched_state_name(s->op.state),
                      (unsigned long long)s->op.deadline_ms, when, before, since);
}

/* May a receiver have said "paid" of the order? */
static bool has_veto(const struct judged *j, uint32_t order)
{
    const struct history *h = j->h;
    const struct history_list *list = &h->orders[order].deliveries;

    for (uint32_t i = 0; i < list->n; i++) {
        if (h->deliveries[list->at[i]].verdict == VERDICT_PAID) {
            return true;
        }
    }
    return !j->receivers_told;
}

struct totals {
    int64_t orders, ops, steps, open_max;
};

static void check_order(const struct judged *j, uint32_t order, struct totals *totals,
                        struct verdict *v)
{
    const struct history_list *calls = &j->h->orders[order].calls;
    struct source *sources = judge_alloc(calls->n, sizeof *sources);
    size_t n = gather(j, calls, sources);
    struct linear_op *ops = judge_alloc(n, sizeof *ops);
    struct linear_report report;

    for (size_t i = 0; i < n; i++) {
        ops[i] = sources[i].op;
    }
    linear_check(ops, n, has_veto(j, order), BUDGET, &report);
    if (report.result == LINEAR_NO) {
        report_failure(j, order, sources, n, &report, v);
    } else if (report.result == LINEAR_BUDGET) {
        verdict_doubt(v, "I2", order, VERDICT_LINES(UINT32_MAX), "%s: more than %d configurations",
                      history_order_name(j->h, order), BUDGET);
    } else if (report.result == LINEAR_TOO_MANY) {
        verdict_doubt(v, "I2", order, VERDICT_LINES(UINT32_MAX),
                      "%s: more than %d operations are open at once",
                      history_order_name(j->h, order), LINEAR_OPEN_MAX);
    }
    totals->orders += n > 0;
    totals->ops += (int64_t)n;
    totals->steps += (int64_t)report.steps;
    totals->open_max = report.open_max > totals->open_max ? report.open_max : totals->open_max;
    free(ops);
    free(sources);
}

/* The replicated time is one register for all orders. */
static void check_time(const struct judged *j, struct verdict *v)
{
    for (size_t i = 0; i < j->time.n_to; i++) {
        const struct sighting *s = &j->time.raw[i];
        const struct sighting *floor = s->exact ? cluster_time_floor(&j->time, s->from_ns) : NULL;
        if (floor != NULL && floor->now_ms > s->now_ms) {
            verdict_violation(v, "I2", VERDICT_NO_ORDER, VERDICT_LINES(floor->line, s->line),
                              "the cluster's time went back: index %u shows %llu, and the later "
                              "index %u %llu",
                              floor->line, (unsigned long long)floor->now_ms, s->line,
                              (unsigned long long)s->now_ms);
        }
    }
    verdict_figure(v, "sightings of the time", (int64_t)j->time.n_to);
}

void check_linearizable(const struct judged *j, struct verdict *v)
{
    struct totals totals = {0};

    check_time(j, v);
    for (uint32_t order = 0; order < j->h->n_orders; order++) {
        check_order(j, order, &totals, v);
    }
    verdict_figure(v, "orders", totals.orders);
    verdict_figure(v, "operations", totals.ops);
    verdict_figure(v, "configurations", totals.steps);
    verdict_figure(v, "open at once", totals.open_max);
}
