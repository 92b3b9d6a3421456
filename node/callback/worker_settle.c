/* worker_settle.c - what workers say of their reservations: longer, or settled. See
 * worker.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/work.h"
#include "../dispatch/delivery.h"
#include "../../raft/mutant.h"
#include "worker.h"

/* A SETTLE whose outcomes are on their way through the log. */
struct worker_settle {
    struct worker_settle *next;
    struct inbound *in;
    uint64_t ticket; /* of the last outcome that it waits for */
    uint32_t n;
    struct settle_report {
        struct reservation *reservation; /* NULL: stale */
        enum outcome outcome;
    } reports[]; /* in their order */
};

void callback_worker_lease(struct callback_worker *w, struct inbound *in,
                           const struct operation *op)
{
    uint64_t now_us = w->host.monotonic_us(w->host.arg);
    struct cursor c;

    cursor_init(&c, op->tokens.data, op->tokens.len);
    buffer_reset(&w->body);
    write_array(&w->body, op->n_tokens);
    for (uint32_t i = 0; i < op->n_tokens; i++) {
        struct reservation *r = worker_leases_find(&w->leases, work_read_token(&c));
        bool leased = r != NULL && r->state == RESERVATION_LEASED && r->until_us > now_us;
        if (leased) {
            worker_leases_extend(&w->leases, r, now_us + r->lease_us);
        }
        write_uint(&w->body, leased ? ORDERSCHED_OK : ORDERSCHED_STALE_RESERVATION);
    }
    struct result result = {.body = {w->body.data, w->body.len}};
    w->host.answer(w->host.arg, in, &result);
}

/* The worker's word becomes the delivery's, and goes into the log. */
static void worker_report(struct callback_worker *w, struct reservation *r,
                          const struct work_report *report)
{
    struct delivery *d = r->delivery;

    r->outcome = d->outcome = report->outcome;
    d->delay_ms = report->outcome == OUTCOME_LATER || report->outcome == OUTCOME_FAILED
                      ? report->delay_ms
                      : 0;
    d->reason[0] = '\0';
    if (report->outcome == OUTCOME_FAILED) {
        snprintf(d->reason, sizeof d->reason, "%.*s", (int)report->reason.len,
                 (const char *)report->reason.data);
    }
    /* The outcome is the first operation that follows from the report, not always the last: a route
     * that was changed meanwhile has its order delivered at once. */
    uint64_t ticket = w->host.ticket(w->host.arg) + 1;
    d->done(d, d->done_arg);
    assert(w->host.ticket(w->host.arg) >= ticket);
    worker_leases_settling(&w->leases, r, ticket);
}

/* The reservation that a report is about, or NULL: stale. */
static struct reservation *worker_take_report(struct callback_worker *w, uint64_t now_us,
                                              const struct work_report *report)
{
    struct reservation *r = worker_leases_find(&w->leases, report->token);

    if (r == NULL || (r->state == RESERVATION_LEASED && r->until_us <= now_us)) {
        return NULL;
    }
    if (r->state == RESERVATION_LEASED) {
        worker_report(w, r, report);
    }
    r->waiters++;
    return r;
}

/* What became of a report. A second word on a reservation that says the same is a copy, and gets
 * the first one's answer; one that says something else was not recorded, and must not pass for it. */
static struct work_result settle_result(const struct reservation *r, enum outcome outcome)
{
    struct work_result one = {r->error, r->order_state, r->index};

    if (r->error == ORDERSCHED_OK && outcome != r->outcome) {
        one.error = r->outcome == OUTCOME_EXPIRED || r->outcome == OUTCOME_PAID
                        ? ORDERSCHED_DECIDED
                        : ORDERSCHED_STALE_RESERVATION;
    }
    return one;
}

static void settle_answer(struct callback_worker *w, struct worker_settle *settle)
{
    buffer_reset(&w->body);
    write_array(&w->body, settle->n);
    for (uint32_t i = 0; i < settle->n; i++) {
        struct reservation *r = settle->reports[i].reservation;
        struct work_result one = {.error = ORDERSCHED_STALE_RESERVATION};
        if (r != NULL) {
            assert(r->state == RESERVATION_SETTLED || MUTANT(REPORT_BEFORE_COMMIT) ||
                   MUTANT(HAZARD_GROUPED_APPLY));
            one = settle_result(r, settle->reports[i].outcome);
            if (MUTANT(REPORT_BEFORE_COMMIT)) {
                one = (struct work_result){.state = ORDERSCHED_EXPIRED};
            }
            assert(r->waiters > 0);
            r->waiters--;
        }
        work_write_result(&w->body, &one);
    }
    must_hold(!w->body.failed);
    struct result result = {.body = {w->body.data, w->body.len}};
    w->host.answer(w->host.arg, settle->in, &result);
    free(settle);
}

void callback_worker_settle(struct callback_worker *w, struct inbound *in,
                            const struct operation *op)
{
    uint64_t now_us = w->host.monotonic_us(w->host.arg);
    struct worker_settle *settle = must_have(
        calloc(1, sizeof *settle + op->n_tokens * sizeof *settle->reports));
    struct cursor c;

    settle->in = in;
    settle->n = op->n_tokens;
    cursor_init(&c, op->tokens.data, op->tokens.len);
    for (uint32_t i = 0; i < op->n_tokens; i++) {
        struct work_report report;
        work_read_report(&c, &report);
        struct reservation *r = worker_take_report(w, now_us, &report);
        settle->reports[i] = (struct settle_report){r, report.outcome};
        if (r != NULL && r->ticket > settle->ticket) {
            settle->ticket = r->ticket;
        }
    }
    if (settle->ticket <= w->applied_ticket || MUTANT(REPORT_BEFORE_COMMIT)) {
        settle_answer(w, settle); /* nothing new in it */
        return;
    }
    *w->settles_last = settle;
    w->settles_last = &settle->next;
}

void callback_worker_ticket(struct callback_worker *w, uint64_t ticket, const struct result *result)
{
    assert(ticket > w->applied_ticket);
    worker_leases_settled(&w->leases, ticket, result);
    w->applied_ticket = ticket;
}

static struct worker_settle *settle_pop(struct callback_worker *w)
{
    struct worker_settle *settle = w->settles;

    w->settles = settle->next;
    if (w->settles == NULL) {
        w->settles_last = &w->settles;
    }
    return settle;
}

void callback_worker_applied(struct callback_worker *w)
{
    while (w->settles != NULL && w->settles->ticket <= w->applied_ticket) {
        settle_answer(w, settle_pop(w));
    }
}

void callback_worker_leave(struct callback_worker *w, int error)
{
    struct reservation *r;

    callback_worker_stop(w, error);
    while (w->settles != NULL) {
        struct worker_settle *settle = settle_pop(w);
        for (uint32_t i = 0; i < settle->n; i++) {
            if (settle->reports[i].reservation != NULL) {
                settle->reports[i].reservation->waiters--;
            }
        }
        w->host.refuse(w->host.arg, settle->in, ORDERSCHED_UNKNOWN_OUTCOME, NULL);
        free(settle);
    }
    worker_leases_forget(&w->leases);
    while ((r = worker_leases_first(&w->leases)) != NULL) {
        struct delivery *d = worker_leases_end(&w->leases, r);
        delivery_fail(d, "the leadership is over");
        d->done(d, d->done_arg);
    }
    assert(w->leases.settling == NULL && w->leases.n_settled == 0);
}
