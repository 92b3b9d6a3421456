/* judge_linear_model.c - see judge_linear_model.h.
 *
 * A state stands for all that the order may have become unseen: PENDING for "pending, or closing,
 * or settled by now", at any time from now_ms on. What an answer tells narrows it. */
#include "judge_linear_model.h"

#include "../../client/ordersched.h"

/* The time has passed `ms`. False: it cannot have, at this operation. */
static bool pass(struct linear_state *s, const struct linear_op *op, uint64_t ms)
{
    if (s->now_ms < ms) {
        s->now_ms = ms;
    }
    return s->now_ms <= op->now_max_ms;
}

static void set_seen(struct linear_state *s, uint64_t deadline_ms)
{
    s->unseen = false;
    s->deadline_ms = deadline_ms;
    s->highest_ms = s->delay_ms = 0;
}

/* An answer names the deadline. */
static bool see_deadline(struct linear_state *s, const struct linear_op *op)
{
    if (!s->unseen) {
        return s->deadline_ms == op->deadline_ms;
    }
    if (op->deadline_ms < s->deadline_ms || op->deadline_ms > s->highest_ms) {
        return false;
    }
    bool fits = pass(s, op, op->deadline_ms - s->delay_ms); /* when it was counted from */
    set_seen(s, op->deadline_ms);
    return fits;
}

/* Is it still before the deadline? */
static bool is_before_deadline(const struct linear_state *s)
{
    uint64_t deadline_ms = s->unseen ? s->highest_ms : s->deadline_ms;

    return s->state == ORDERSCHED_PENDING && s->now_ms < deadline_ms;
}

/* A closing order was settled by its receiver, or given up. */
static bool settle(struct linear_state *s, const struct linear_op *op, int state)
{
    if (s->state != ORDERSCHED_PENDING || !pass(s, op, s->deadline_ms)) {
        return false;
    }
    s->state = state;
    return true;
}

/* The answer shows this state and deadline. */
static bool see(struct linear_state *s, const struct linear_op *op, bool veto)
{
    if (op->state == ORDERSCHED_STATE_NONE || s->state == ORDERSCHED_STATE_NONE) {
        return op->state == s->state && op->deadline_ms == 0;
    }
    if (!see_deadline(s, op)) {
        return false;
    }
    switch (op->state) {
        case ORDERSCHED_PENDING: return is_before_deadline(s);
        case ORDERSCHED_CLOSING:
            return s->state == ORDERSCHED_PENDING && pass(s, op, s->deadline_ms);
        case ORDERSCHED_PAID:
            return s->state == ORDERSCHED_PAID || (veto && settle(s, op, ORDERSCHED_PAID));
        case ORDERSCHED_CANCELLED: return s->state == ORDERSCHED_CANCELLED;
        case ORDERSCHED_EXPIRED:
        case ORDERSCHED_DEAD: return s->state == op->state || settle(s, op, op->state);
        default: return false;
    }
}

static uint64_t add_ms(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

/* A deadline that no answer names: counted from a moment before `before_ms`, and not below
 * `lowest_ms`. False: there is none such. */
static bool set_unseen(struct linear_state *s, const struct linear_op *op, uint64_t lowest_ms,
                       uint64_t before_ms)
{
    uint64_t at_least_ms = add_ms(s->now_ms, op->time_ms);

    s->unseen = true;
    s->deadline_ms = lowest_ms > at_least_ms ? lowest_ms : at_least_ms;
    s->highest_ms = add_ms(before_ms - 1, op->time_ms);
    s->delay_ms = op->time_ms;
    s->now_ms = s->deadline_ms - op->time_ms; /* it was counted from no earlier moment */
    return s->deadline_ms <= s->highest_ms;
}

/* The deadline is as the answer says, or as was asked; false if these contradict. */
static bool set_deadline(struct linear_state *s, const struct linear_op *op, bool answered)
{
    if (!op->relative) {
        set_seen(s, op->time_ms);
        return !answered || op->deadline_ms == op->time_ms;
    }
    set_seen(s, op->deadline_ms);
    uint64_t counted_ms = op->deadline_ms - op->time_ms;
    return op->deadline_ms >= op->time_ms && counted_ms >= s->now_ms && pass(s, op, counted_ms);
}

static bool apply_schedule(struct linear_state *s, const struct linear_op *op, bool answered)
{
    if (s->state != ORDERSCHED_STATE_NONE || (answered && op->state != ORDERSCHED_PENDING)) {
        return false;
    }
    *s = (struct linear_state){.state = ORDERSCHED_PENDING, .version = 1, .now_ms = s->now_ms};
    if (op->relative && !answered) {
        return set_unseen(s, op, 0, UINT64_MAX) && op->time_ms > 0;
    }
    return set_deadline(s, op, answered) && is_before_deadline(s);
}

/* An extend's new deadline had not come, as it is no earlier than the one before, which had not. Of one that nobody saw
 * that is not known otherwise. */
static bool is_to_come(const struct linear_state *s)
{
    return s->now_ms < s->deadline_ms;
}

/* Before the present deadline, and to none before it; of the version that is expected. */
static bool apply_extend(struct linear_state *s, const struct linear_op *op, bool answered)
{
    struct linear_state before = *s;

    if (!is_before_deadline(s) || (answered && op->state != ORDERSCHED_PENDING) ||
        (op->version != 0 && op->version != s->version)) {
        return false;
    }
    s->version++;
    if (op->relative && !answered) {
        return set_unseen(s, op, before.deadline_ms,
                          before.unseen ? before.highest_ms : before.deadline_ms) &&
               is_to_come(s);
    }
    if (!set_deadline(s, op, answered)) {
        return false;
    }
    before.now_ms = s->now_ms; /* a delay may have been counted from later than the lowest time */
    return s->deadline_ms >= before.deadline_ms && is_before_deadline(&before) && is_to_come(s);
}

/* Pay or cancel: decides a pending order; of one that is decided so already it is OK again. */
static bool apply_decision(struct linear_state *s, const struct linear_op *op, bool answered,
                           bool veto)
{
    int decision = op->kind == LINEAR_PAY ? ORDERSCHED_PAID : ORDERSCHED_CANCELLED;

    if (answered && op->state != decision) {
        return false;
    }
    if (is_before_deadline(s)) {
        struct linear_state before = *s;
        if (!answered || (see_deadline(s, op) && is_before_deadline(s))) {
            if (s->unseen && s->deadline_ms <= s->now_ms) {
                s->deadline_ms = s->now_ms + 1; /* it was before the deadline, so that is later */
            }
            s->state = decision;
            return true;
        }
        *s = before;
    }
    return answered && see(s, op, veto);
}

/* What it saw, or met, fits the version. */
static bool version_fits(const struct linear_state *s, const struct linear_op *op)
{
    if (op->version == 0 ||
        (op->kind == LINEAR_EXTEND && op->error != ORDERSCHED_VERSION_CHANGED)) {
        return true;
    }
    return (op->version == s->version) == (op->kind == LINEAR_GET);
}

static bool refusal_fits(const struct linear_op *op)
{
    switch (op->error) {
        case ORDERSCHED_VERSION_CHANGED:
            return op->kind == LINEAR_EXTEND && op->version != 0 && op->state == ORDERSCHED_PENDING;
        case ORDERSCHED_NOT_FOUND:
            return op->kind != LINEAR_SCHEDULE && op->state == ORDERSCHED_STATE_NONE;
        case ORDERSCHED_EXISTS:
            return op->kind == LINEAR_SCHEDULE && op->state != ORDERSCHED_STATE_NONE;
        case ORDERSCHED_TOO_LATE:
            return op->state == ORDERSCHED_CLOSING || op->state == ORDERSCHED_EXPIRED ||
                   op->state == ORDERSCHED_DEAD;
        case ORDERSCHED_DECIDED:
            return (op->state == ORDERSCHED_PAID && op->kind != LINEAR_PAY) ||
                   (op->state == ORDERSCHED_CANCELLED && op->kind != LINEAR_CANCEL);
        default: return false;
    }
}

bool linear_apply(struct linear_state *s, const struct linear_op *op, bool veto)
{
    bool answered = op->to_ns != LINEAR_NEVER;

    if (!pass(s, op, op->now_min_ms)) {
        return false;
    }
    if (op->error != ORDERSCHED_OK || op->kind == LINEAR_GET) {
        return (op->kind == LINEAR_GET || refusal_fits(op)) && version_fits(s, op) &&
               see(s, op, veto);
    }
    switch (op->kind) {
        case LINEAR_SCHEDULE: return apply_schedule(s, op, answered);
        case LINEAR_EXTEND: return apply_extend(s, op, answered);
        default: return apply_decision(s, op, answered, veto);
    }
}
