/* test_jepsen_linear.c - the linearizability search against a naive one: a walk through all that
 * one order can do, with a clock that ticks, a receiver that answers, and every order of the
 * operations that real time allows. The rules are written down a second time here, from
 * docs/semantics.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/ordersched.h"
#include "../../jepsen/judge/judge_linear.h"
#include "../support/random.h"

#define OPS_MAX 6
#define NOW_MAX 16 /* of the cluster's time: no random history goes further */
#define DEADLINE_MAX 32
#define BUDGET 1000000

/* ---- the naive search ---- */

struct order {
    int state; /* PENDING stands for CLOSING too, as in the product */
    unsigned deadline;
    unsigned now;
    unsigned version;
};

struct answer {
    int error;
    int state;
    unsigned deadline;
};

static int seen_state(const struct order *o)
{
    return o->state == ORDERSCHED_PENDING && o->deadline <= o->now ? ORDERSCHED_CLOSING : o->state;
}

static struct answer describe(const struct order *o, int error)
{
    return (struct answer){.error = error,
                           .state = seen_state(o),
                           .deadline = o->state == ORDERSCHED_STATE_NONE ? 0 : o->deadline};
}

static unsigned deadline_of(const struct order *o, const struct linear_op *op)
{
    return (unsigned)op->time_ms + (op->relative ? o->now : 0);
}

static int carry_out(struct order *o, const struct linear_op *op)
{
    int state = seen_state(o);
    bool pay = op->kind == LINEAR_PAY;

    if (op->kind == LINEAR_GET) {
        return ORDERSCHED_OK;
    }
    if (op->kind == LINEAR_SCHEDULE) {
        if (state != ORDERSCHED_STATE_NONE) {
            return ORDERSCHED_EXISTS;
        }
        if (deadline_of(o, op) <= o->now) {
            return ORDERSCHED_BAD_DEADLINE;
        }
        o->deadline = deadline_of(o, op);
        o->state = ORDERSCHED_PENDING;
        o->version = 1;
        return ORDERSCHED_OK;
    }
    switch (state) {
        case ORDERSCHED_STATE_NONE: return ORDERSCHED_NOT_FOUND;
        case ORDERSCHED_CLOSING:
        case ORDERSCHED_EXPIRED:
        case ORDERSCHED_DEAD: return ORDERSCHED_TOO_LATE;
        case ORDERSCHED_PAID: return pay ? ORDERSCHED_OK : ORDERSCHED_DECIDED;
        case ORDERSCHED_CANCELLED:
            return op->kind == LINEAR_CANCEL ? ORDERSCHED_OK : ORDERSCHED_DECIDED;
        default: break;
    }
    if (op->kind == LINEAR_EXTEND) {
        if (op->version != 0 && op->version != o->version) {
            return ORDERSCHED_VERSION_CHANGED;
        }
        if (deadline_of(o, op) < o->deadline) {
            return ORDERSCHED_BAD_DEADLINE;
        }
        o->deadline = deadline_of(o, op);
        o->version++;
    } else {
        o->state = pay ? ORDERSCHED_PAID : ORDERSCHED_CANCELLED;
    }
    return ORDERSCHED_OK;
}

struct walk {
    const struct linear_op *ops;
    size_t n;
    bool veto;
    /* A bit for each version. */
    uint8_t visited[ORDERSCHED_DEAD + 1][DEADLINE_MAX][NOW_MAX + 1][1u << OPS_MAX];
};

static bool is_answered(const struct linear_op *op)
{
    return op->to_ns != LINEAR_NEVER;
}

static bool may_be_next(const struct walk *w, unsigned done, size_t op)
{
    for (size_t i = 0; i < w->n; i++) {
        if ((done & 1u << i) == 0 && i != op && is_answered(&w->ops[i]) &&
            w->ops[i].to_ns < w->ops[op].from_ns) {
            return false;
        }
    }
    return (done & 1u << op) == 0;
}

static bool walk_on(struct walk *w, struct order o, unsigned done);

static bool try_op(struct walk *w, struct order o, unsigned done, size_t i)
{
    const struct linear_op *op = &w->ops[i];

    if (o.now < op->now_min_ms || o.now > op->now_max_ms) {
        return false;
    }
    int error = carry_out(&o, op);
    struct answer a = describe(&o, error);
    if (op->kind == LINEAR_GET && op->version != 0 && op->version != o.version) {
        return false;
    }
    if (is_answered(op) &&
        (a.error != op->error || a.state != op->state || a.deadline != op->deadline_ms)) {
        return false;
    }
    return walk_on(w, o, done | 1u << i);
}

static bool walk_on(struct walk *w, struct order o, unsigned done)
{
    static const int outcomes[] = {ORDERSCHED_EXPIRED, ORDERSCHED_DEAD, ORDERSCHED_PAID};
    bool all = true;

    for (size_t i = 0; i < w->n; i++) {
        all = all && (!is_answered(&w->ops[i]) || (done & 1u << i) != 0);
    }
    if (all) {
        return true;
    }
    if (o.deadline >= DEADLINE_MAX ||
        (w->visited[o.state][o.deadline][o.now][done] & 1u << o.version) != 0) {
        return false;
    }
    w->visited[o.state][o.deadline][o.now][done] |= (uint8_t)(1u << o.version);
    for (size_t i = 0; i < w->n; i++) {
        if (may_be_next(w, done, i) && try_op(w, o, done, i)) {
            return true;
        }
    }
    for (size_t i = 0; seen_state(&o) == ORDERSCHED_CLOSING && i < 3; i++) {
        struct order settled = o;
        settled.state = outcomes[i];
        if ((outcomes[i] != ORDERSCHED_PAID || w->veto) && walk_on(w, settled, done)) {
            return true;
        }
    }
    o.now++;
    return o.now <= NOW_MAX && walk_on(w, o, done);
}

/* ---- random histories ---- */

struct history {
    struct linear_op ops[OPS_MAX];
    int64_t moments[OPS_MAX];
    size_t n;
    bool veto;
    unsigned unseen; /* relative ones without an answer */
};

static struct linear_op random_op(struct random *r, size_t i)
{
    static const enum linear_kind kinds[] = {
        LINEAR_PAY,    LINEAR_PAY, LINEAR_CANCEL, LINEAR_EXTEND,
        LINEAR_EXTEND, LINEAR_GET, LINEAR_GET,    LINEAR_SCHEDULE,
    };
    struct linear_op op = {.now_max_ms = LINEAR_TIME_MAX};

    op.kind = i == 0 ? LINEAR_SCHEDULE : kinds[random_below(r, 8)];
    op.relative = random_below(r, 2) == 0;
    op.version = op.kind == LINEAR_EXTEND && random_below(r, 3) == 0 ? 1 + random_below(r, 3) : 0;
    op.time_ms = op.relative ? random_below(r, 5) : 1 + random_below(r, 9);
    return op;
}

/* Give each its moment, and a call before and an answer after it; sorted by the call. */
static void place(struct random *r, struct history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        struct linear_op op = random_op(r, i);
        int64_t moment = (int64_t)(i * 10 + random_below(r, 10));
        op.from_ns = moment - (int64_t)random_below(r, 30);
        op.to_ns = moment + 1 + (int64_t)random_below(r, 30);
        size_t k = i;
        for (; k > 0 && h->ops[k - 1].from_ns > op.from_ns; k--) {
            h->ops[k] = h->ops[k - 1];
            h->moments[k] = h->moments[k - 1];
        }
        h->ops[k] = op;
        h->moments[k] = moment;
    }
}

/* The operation whose moment comes next; h->n: none. */
static size_t next_moment(const struct history *h, int64_t after)
{
    size_t best = h->n;

    for (size_t i = 0; i < h->n; i++) {
        if (h->moments[i] > after && (best == h->n || h->moments[i] < h->moments[best])) {
            best = i;
        }
    }
    return best;
}

static void pass_time(struct random *r, const struct history *h, struct order *o)
{
    static const int outcomes[] = {ORDERSCHED_EXPIRED, ORDERSCHED_DEAD, ORDERSCHED_PAID};

    o->now += (unsigned)random_below(r, 3);
    if (seen_state(o) == ORDERSCHED_CLOSING && random_below(r, 2) == 0) {
        o->state = outcomes[random_below(r, h->veto ? 3 : 2)];
    }
}

/* Operations that a history has no use for are turned into reads. */
static void answer(struct random *r, struct order *o, struct linear_op *op)
{
    struct order before = *o;
    int error = carry_out(o, op);

    if (error == ORDERSCHED_BAD_DEADLINE) {
        op->kind = LINEAR_GET;
        op->version = 0;
        *o = before;
        error = ORDERSCHED_OK;
    }
    struct answer a = describe(o, error);
    op->error = a.error;
    op->state = a.state;
    op->deadline_ms = a.deadline;
    if (op->kind == LINEAR_GET && random_below(r, 2) == 0) {
        op->version = o->version;
    }
    if (random_below(r, 2) == 0) {
        op->now_min_ms = o->now - random_below(r, o->now + 1) % 2;
        op->now_max_ms = o->now + random_below(r, 2);
    }
    if (op->kind != LINEAR_GET && random_below(r, 4) == 0) {
        op->to_ns = LINEAR_NEVER;
        op->error = ORDERSCHED_OK;
        op->state = ORDERSCHED_STATE_NONE;
        op->deadline_ms = 0;
        op->now_max_ms = LINEAR_TIME_MAX;
    }
}

static void corrupt(struct random *r, struct history *h)
{
    struct linear_op *op = &h->ops[random_below(r, h->n)];

    switch (is_answered(op) ? random_below(r, 5) : 5) {
        case 0:
            op->state = (int)random_below(r, ORDERSCHED_DEAD + 1);
            op->deadline_ms = op->state == ORDERSCHED_STATE_NONE ? 0 : op->deadline_ms;
            break;
        case 1: op->deadline_ms = 1 + random_below(r, 10); break;
        case 2: op->to_ns = op->from_ns + 1 + (int64_t)random_below(r, 8); break;
        case 3: op->now_max_ms = random_below(r, 6); break;
        case 4:
            op->version = op->kind == LINEAR_GET || op->kind == LINEAR_EXTEND ? random_below(r, 4)
                                                                              : 0;
            break;
        default: op->from_ns += (int64_t)random_below(r, 20); break;
    }
}

static void sort_by_call(struct history *h)
{
    for (size_t i = 1; i < h->n; i++) {
        for (size_t k = i; k > 0 && h->ops[k - 1].from_ns > h->ops[k].from_ns; k--) {
            struct linear_op op = h->ops[k];
            h->ops[k] = h->ops[k - 1];
            h->ops[k - 1] = op;
        }
    }
}

static void random_history(struct random *r, struct history *h)
{
    struct order o = {.now = (unsigned)random_below(r, 3)};
    int64_t moment = INT64_MIN;

    *h = (struct history){.n = 2 + random_below(r, OPS_MAX - 1), .veto = random_below(r, 3) == 0};
    place(r, h);
    for (size_t i; (i = next_moment(h, moment)) < h->n; moment = h->moments[i]) {
        pass_time(r, h, &o);
        answer(r, &o, &h->ops[i]);
    }
    if (random_below(r, 2) == 0) {
        corrupt(r, h);
    }
    sort_by_call(h);
    for (size_t i = 0; i < h->n; i++) {
        const struct linear_op *op = &h->ops[i];
        bool times = op->kind == LINEAR_SCHEDULE || op->kind == LINEAR_EXTEND;
        h->unseen += times && op->relative && !is_answered(op);
    }
}

static void print_history(const struct history *h)
{
    static const char *const names[] = {"schedule", "pay", "cancel", "extend", "get"};

    for (size_t i = 0; i < h->n; i++) {
        const struct linear_op *op = &h->ops[i];
        print_message("%s%s %llu [%lld, %lld] %s %s %llu, version %llu, time %llu..%llu\n",
                      names[op->kind], op->relative ? " +" : "", (unsigned long long)op->time_ms,
                      (long long)op->from_ns, is_answered(op) ? (long long)op->to_ns : -1,
                      ordersched_error_name(op->error), ordersched_state_name(op->state),
                      (unsigned long long)op->deadline_ms, (unsigned long long)op->version,
                      (unsigned long long)op->now_min_ms, (unsigned long long)op->now_max_ms);
    }
    print_message("veto %d\n", h->veto);
}

static void the_search_agrees_with_a_naive_one(void **state)
{
    static struct walk w;
    struct random r = random_start();
    unsigned yes = 0, no = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct history h;
        struct linear_report report;

        random_history(&r, &h);
        memset(&w, 0, sizeof w);
        w.ops = h.ops;
        w.n = h.n;
        w.veto = h.veto;
        bool expected = walk_on(&w, (struct order){0}, 0);
        linear_check(h.ops, h.n, h.veto, BUDGET, &report);
        /* Where two deadlines hang on moments that nobody saw, the search takes the one for
         * independent of the other: it may accept more, never less. */
        bool agree = expected == (report.result == LINEAR_YES) ||
                     (h.unseen > 1 && !expected && report.result == LINEAR_YES);
        if (!agree) {
            print_message("round %u: naively %d, search %d (operation %zu)\n", round, expected,
                          report.result, report.failed);
            print_history(&h);
        }
        assert_true(agree);
        yes += expected;
        no += !expected;
    }
    print_message("%u linearizable, %u not\n", yes, no);
    assert_true(yes > 2000);
    assert_true(no > 2000);
}

/* ---- by hand ---- */

static struct linear_op op_at(enum linear_kind kind, int64_t from, int64_t to, int error, int state,
                              uint64_t deadline)
{
    return (struct linear_op){.kind = kind,
                              .from_ns = from,
                              .to_ns = to,
                              .error = error,
                              .state = state,
                              .deadline_ms = deadline,
                              .time_ms = deadline,
                              .now_max_ms = LINEAR_TIME_MAX};
}

static enum linear_result result_of(const struct linear_op *ops, size_t n, bool veto)
{
    struct linear_report report;

    linear_check(ops, n, veto, BUDGET, &report);
    return report.result;
}

static void an_operation_without_answer_may_happen_much_later_or_never(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
        op_at(LINEAR_PAY, 2, LINEAR_NEVER, 0, 0, 0),
        op_at(LINEAR_GET, 50, 51, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
        op_at(LINEAR_GET, 60, 61, ORDERSCHED_OK, ORDERSCHED_PAID, 100),
    };

    (void)state;
    assert_int_equal(result_of(ops, 4, false), LINEAR_YES);
    ops[3].state = ORDERSCHED_PENDING;
    assert_int_equal(result_of(ops, 4, false), LINEAR_YES);
    ops[2].state = ORDERSCHED_PAID; /* and pending again */
    assert_int_equal(result_of(ops, 4, false), LINEAR_NO);
}

static void only_a_veto_pays_an_order_behind_its_deadline(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
        op_at(LINEAR_GET, 50, 51, ORDERSCHED_OK, ORDERSCHED_CLOSING, 100),
        op_at(LINEAR_PAY, 60, 61, ORDERSCHED_OK, ORDERSCHED_PAID, 100),
    };

    (void)state;
    assert_int_equal(result_of(ops, 3, false), LINEAR_NO);
    assert_int_equal(result_of(ops, 3, true), LINEAR_YES);
}

static void an_extend_that_expects_a_version_meets_it(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
        op_at(LINEAR_EXTEND, 10, 30, ORDERSCHED_OK, ORDERSCHED_PENDING, 110),
        op_at(LINEAR_EXTEND, 20, 40, ORDERSCHED_VERSION_CHANGED, ORDERSCHED_PENDING, 110),
        op_at(LINEAR_GET, 50, 51, ORDERSCHED_OK, ORDERSCHED_PENDING, 110),
    };

    (void)state;
    ops[1].version = ops[2].version = 1;
    ops[3].version = 2;
    assert_int_equal(result_of(ops, 4, false), LINEAR_YES);
    ops[2].version = 2; /* which it was */
    assert_int_equal(result_of(ops, 4, false), LINEAR_NO);
    ops[2].version = 1;
    ops[1].version = 3;
    assert_int_equal(result_of(ops, 4, false), LINEAR_NO);
    ops[1].version = 1;
    ops[3].version = 1;
    assert_int_equal(result_of(ops, 4, false), LINEAR_NO);
}

static void an_extend_never_leads_back(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
        op_at(LINEAR_EXTEND, 50, 51, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
    };

    (void)state;
    assert_int_equal(result_of(ops, 2, false), LINEAR_YES);
    ops[1].time_ms = ops[1].deadline_ms = 99;
    assert_int_equal(result_of(ops, 2, false), LINEAR_NO);
    ops[1].relative = true;
    ops[1].time_ms = 40;
    assert_int_equal(result_of(ops, 2, false), LINEAR_NO);
    ops[1].deadline_ms = 130; /* counted from 90 */
    assert_int_equal(result_of(ops, 2, false), LINEAR_YES);
    ops[1].deadline_ms = 140; /* counted from the old deadline: too late */
    assert_int_equal(result_of(ops, 2, false), LINEAR_NO);
}

/* Seed 1796281546042243619 of the comparison: to lead no earlier than 8, two were counted from 6 or later. */
static void an_extend_that_nobody_saw_tells_the_time(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 8),
        op_at(LINEAR_EXTEND, 10, LINEAR_NEVER, 0, 0, 0),
        op_at(LINEAR_EXTEND, 10, 11, ORDERSCHED_OK, ORDERSCHED_PENDING, 8),
    };

    (void)state;
    ops[1].relative = ops[2].relative = true;
    ops[1].time_ms = 2;
    ops[2].version = 2; /* behind the other */
    ops[2].time_ms = 3; /* counted from 5 */
    assert_int_equal(result_of(ops, 3, false), LINEAR_NO);
    ops[2].time_ms = 2; /* from 6 */
    assert_int_equal(result_of(ops, 3, false), LINEAR_YES);
}

/* Seed 12043912 of the comparison. */
static void an_extend_was_before_a_deadline_that_nobody_saw(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, LINEAR_NEVER, 0, 0, 0),
        op_at(LINEAR_EXTEND, 0, LINEAR_NEVER, 0, 0, 0),
        op_at(LINEAR_GET, 10, 11, ORDERSCHED_OK, ORDERSCHED_DEAD, 2),
    };

    (void)state;
    ops[0].relative = true;
    ops[0].time_ms = ops[1].time_ms = 2;
    ops[2].version = 2; /* it was extended */
    assert_int_equal(result_of(ops, 3, false), LINEAR_YES);
    ops[1].now_min_ms = 3; /* to 2, at 3 or later */
    assert_int_equal(result_of(ops, 3, false), LINEAR_NO);
}

/* Seed 1795650675724911645 of the comparison. */
static void a_decision_that_nobody_saw_was_before_the_deadline(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, LINEAR_NEVER, 0, 0, 0),
        op_at(LINEAR_CANCEL, 0, LINEAR_NEVER, 0, 0, 0),
        op_at(LINEAR_GET, 10, 11, ORDERSCHED_OK, ORDERSCHED_CANCELLED, 4),
    };

    (void)state;
    ops[0].relative = true;
    ops[0].time_ms = 2;
    ops[1].now_min_ms = 4;
    assert_int_equal(result_of(ops, 3, false), LINEAR_NO); /* cancelled at 4 or later */
    ops[2].deadline_ms = 5;
    assert_int_equal(result_of(ops, 3, false), LINEAR_YES);
}

static void a_pay_is_bounded_by_the_time_that_others_saw(void **state)
{
    struct linear_op ops[] = {
        op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 100),
        op_at(LINEAR_PAY, 60, 61, ORDERSCHED_OK, ORDERSCHED_PAID, 100),
    };

    (void)state;
    ops[1].now_min_ms = 99;
    assert_int_equal(result_of(ops, 2, false), LINEAR_YES);
    ops[1].now_min_ms = 100;
    assert_int_equal(result_of(ops, 2, false), LINEAR_NO);
}

static void what_is_too_much_is_said_to_be_undecided(void **state)
{
    static struct linear_op ops[LINEAR_OPEN_MAX + 2];
    struct linear_report report;
    size_t n = sizeof ops / sizeof ops[0];

    (void)state;
    ops[0] = op_at(LINEAR_SCHEDULE, 0, 1, ORDERSCHED_OK, ORDERSCHED_PENDING, 1000);
    for (size_t i = 1; i < n; i++) {
        ops[i] = op_at(LINEAR_EXTEND, 2 + (int64_t)i, LINEAR_NEVER, 0, 0, 1000 + i);
    }
    linear_check(ops, n, false, BUDGET, &report);
    assert_int_equal(report.result, LINEAR_TOO_MANY);
    ops[n - 1] = op_at(LINEAR_GET, 200, 201, ORDERSCHED_OK, ORDERSCHED_PENDING, 1030);
    linear_check(ops + 0, n - 1, false, BUDGET, &report);
    assert_int_equal(report.result, LINEAR_YES);
    ops[n - 2] = ops[n - 1];
    linear_check(ops, n - 1, false, 1000, &report);
    assert_int_equal(report.result, LINEAR_BUDGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_agrees_with_a_naive_one),
        cmocka_unit_test(an_operation_without_answer_may_happen_much_later_or_never),
        cmocka_unit_test(only_a_veto_pays_an_order_behind_its_deadline),
        cmocka_unit_test(an_extend_that_expects_a_version_meets_it),
        cmocka_unit_test(an_extend_never_leads_back),
        cmocka_unit_test(an_extend_that_nobody_saw_tells_the_time),
        cmocka_unit_test(an_extend_was_before_a_deadline_that_nobody_saw),
        cmocka_unit_test(a_decision_that_nobody_saw_was_before_the_deadline),
        cmocka_unit_test(a_pay_is_bounded_by_the_time_that_others_saw),
        cmocka_unit_test(what_is_too_much_is_said_to_be_undecided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
