/* judge.c - see judge.h. */
#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "../../ordersched.h"

#define EXPLAIN_MAX 20

/* What the journal says of one order. */
struct deliveries {
    uint64_t n;
    uint64_t effects;
    uint64_t duplicates;
    uint64_t early;
    uint64_t first_ms;
    bool vetoed;
};

struct court {
    struct verdict *v;
    FILE *explain;
    unsigned explained;
    uint64_t *late_ms; /* one for each expired order with a delivery */
};

static void judge_explain(struct court *c, const struct judge_order *o, const char *kind,
                          const char *why)
{
    if (c->explain == NULL || c->explained > EXPLAIN_MAX) {
        return;
    }
    if (c->explained++ == EXPLAIN_MAX) {
        fprintf(c->explain, "... and more\n");
        return;
    }
    fprintf(c->explain, "%s: order %s: %s (schedule %s, pay %s, end %s)\n", kind, o->id, why,
            o->schedule.answered ? ordersched_error_name(o->schedule.error) : "unanswered",
            !o->pay.sent      ? "not sent"
            : o->pay.answered ? ordersched_error_name(o->pay.error)
                              : "unanswered",
            ordersched_state_name(o->final.state));
}

static bool call_is_unknown(const struct judge_call *call)
{
    return call->sent &&
           (!call->answered || ordersched_error_class(call->error) == ORDERSCHED_UNKNOWN);
}

static bool call_is_ok(const struct judge_call *call)
{
    return call->sent && call->answered && call->error == ORDERSCHED_OK;
}

/* The deadline that was promised; after an unknown outcome, the one that holds. */
static uint64_t deadline_of(const struct judge_order *o)
{
    return call_is_ok(&o->schedule) ? o->schedule.deadline_ms : o->final.deadline_ms;
}

/* ---- the journal ---- */

static int compare_events(const void *a, const void *b)
{
    const struct judge_event *x = a;
    const struct judge_event *y = b;

    if (x->order != y->order) {
        return x->order < y->order ? -1 : 1;
    }
    int by_id = strcmp(x->webhook_id, y->webhook_id);
    if (by_id != 0) {
        return by_id;
    }
    return (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
}

/* The events of one order, sorted by webhook-id and time. */
static struct deliveries judge_gather(const struct judge_order *o, const struct judge_event *events,
                                      size_t n)
{
    struct deliveries d = {.first_ms = UINT64_MAX};
    uint64_t deadline_ms = deadline_of(o);
    const char *last_id = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct judge_event *e = &events[i];
        if (e->kind == JUDGE_EFFECT) {
            d.effects++;
            continue;
        }
        d.n++;
        d.duplicates += last_id != NULL && strcmp(last_id, e->webhook_id) == 0;
        last_id = e->webhook_id;
        d.early += e->t_ms < deadline_ms || e->t_ms < e->deadline_ms;
        d.vetoed = d.vetoed || e->said_paid;
        d.first_ms = e->t_ms < d.first_ms ? e->t_ms : d.first_ms;
    }
    return d;
}

/* ---- one order ---- */

/* PAID at the end. NULL, or what is wrong with that. */
static const char *judge_paid(struct court *c, const struct judge_order *o,
                              const struct deliveries *d)
{
    const struct judge_call *pay = &o->pay;

    if (call_is_ok(pay) && pay->index != o->final.index) {
        return "the pay was acknowledged at another log index";
    }
    if (!call_is_ok(pay) && d->vetoed) {
        c->v->vetoed++;
        return NULL;
    }
    if (!call_is_ok(pay) && !call_is_unknown(pay)) {
        return "it is paid, but no pay was acknowledged";
    }
    if (pay->sent_ms >= deadline_of(o)) {
        return "a pay that was sent after the deadline was taken";
    }
    if (!o->expect_paid && !o->expect_either) {
        c->v->stretched++;
    }
    return NULL;
}

/* EXPIRED at the end. NULL, or what is wrong with that. */
static const char *judge_expired(struct court *c, const struct judge_order *o)
{
    const struct judge_call *pay = &o->pay;

    if (call_is_ok(pay)) {
        return "its pay was acknowledged";
    }
    if (pay->answered && pay->state == ORDERSCHED_EXPIRED && pay->index != o->final.index) {
        return "the pay was told another log index for the expiry";
    }
    if (pay->answered && pay->state != ORDERSCHED_EXPIRED && pay->state != ORDERSCHED_CLOSING &&
        pay->error == ORDERSCHED_TOO_LATE) {
        return "the pay was answered TOO_LATE with a state that is neither CLOSING nor EXPIRED";
    }
    if (pay->answered && pay->error == ORDERSCHED_NOT_FOUND && call_is_ok(&o->schedule)) {
        return "the pay did not find the acknowledged order";
    }
    if (pay->answered && pay->error == ORDERSCHED_DECIDED) {
        return "the pay was told that it had been decided otherwise";
    }
    if (!o->expect_paid || o->expect_either) {
        return NULL;
    }
    if (!pay->sent) {
        return "it was to be paid, but no pay was sent";
    }
    if (pay->due_ms >= deadline_of(o)) {
        return "its deadline lies before the payment that was expected in time";
    }
    if (pay->answered && pay->error == ORDERSCHED_TOO_LATE) {
        c->v->contested++;
    } else {
        c->v->unpaid++;
    }
    return NULL;
}

static const char *judge_ending(struct court *c, const struct judge_order *o,
                                const struct deliveries *d)
{
    if (call_is_ok(&o->schedule) && o->schedule.deadline_ms != o->final.deadline_ms) {
        return "its deadline is not the acknowledged one";
    }
    if (o->final.state == ORDERSCHED_PAID) {
        c->v->paid++;
        return judge_paid(c, o, d);
    }
    if (o->final.state == ORDERSCHED_EXPIRED) {
        c->v->expired++;
        return judge_expired(c, o);
    }
    return "nobody asked for this end";
}

static bool is_undecided(const struct judge_order *o)
{
    int state = o->final.state;

    return o->final.error == ORDERSCHED_NOT_FOUND || state == ORDERSCHED_STATE_NONE ||
           state == ORDERSCHED_PENDING || state == ORDERSCHED_CLOSING || state == ORDERSCHED_DEAD;
}

static void judge_order_alone(struct court *c, const struct judge_order *o,
                              const struct deliveries *d)
{
    struct verdict *v = c->v;
    bool there = o->final.error == ORDERSCHED_OK;

    if (!call_is_ok(&o->schedule) && !call_is_unknown(&o->schedule)) {
        v->refused++;
        v->wrong++;
        judge_explain(c, o, "refused",
                      o->schedule.error == ORDERSCHED_EXISTS
                          ? "it is known from an earlier run: use another --prefix"
                          : "its schedule was not taken");
        return;
    }
    if (call_is_unknown(&o->schedule) && !there) {
        bool heard_of = d->n > 0 || call_is_ok(&o->pay);
        v->unresolved += !heard_of;
        v->lost += heard_of;
        if (heard_of) {
            judge_explain(c, o, "lost", "it was there, as a delivery or its pay tells");
        }
        return;
    }
    if (is_undecided(o)) {
        v->lost++;
        judge_explain(c, o, "lost", "it has not ended");
        return;
    }
    const char *why = judge_ending(c, o, d);
    if (why != NULL) {
        v->wrong++;
        judge_explain(c, o, "wrong", why);
    }
    if (v->has_journal && o->final.state == ORDERSCHED_EXPIRED && d->effects == 0) {
        v->lost++;
        judge_explain(c, o, "lost", "it expired, and the receiver knows nothing of it");
    }
}

static void judge_deliveries(struct court *c, const struct judge_order *o,
                             const struct deliveries *d)
{
    struct verdict *v = c->v;

    v->deliveries += d->n;
    v->effects += d->effects;
    v->duplicate_deliveries += d->duplicates;
    v->early += d->early;
    if (d->early > 0) {
        judge_explain(c, o, "early", "a delivery came before the deadline");
    }
    if (d->effects > 1 || (d->effects == 1 && o->final.state == ORDERSCHED_PAID)) {
        v->double_effects++;
        judge_explain(c, o, "double",
                      d->effects > 1 ? "it had more than one effect"
                                     : "it had an effect although it was paid");
    }
    if (o->final.state == ORDERSCHED_EXPIRED && d->n > 0) {
        uint64_t deadline_ms = deadline_of(o);
        c->late_ms[v->late_n++] = d->first_ms > deadline_ms ? d->first_ms - deadline_ms : 0;
    }
}

/* ---- all orders ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that `percent` of all values do not exceed. */
static uint64_t percentile(const uint64_t *sorted, uint64_t n, unsigned percent)
{
    uint64_t rank = (n * percent + 99) / 100;

    return n == 0 ? 0 : sorted[rank > 0 ? rank - 1 : 0];
}

static bool verdict_passes(const struct verdict *v)
{
    if (v->wrong > 0 || v->lost > 0 || v->early > 0 || v->double_effects > 0) {
        return false;
    }
    return v->failovers > 0 ||
           (v->contested == 0 && v->paid >= v->expected_paid && v->expired >= v->expected_expired &&
            v->paid + v->expired == v->orders);
}

int judge(const struct judge_evidence *evidence, FILE *out, struct verdict *v)
{
    struct court c = {.v = v, .explain = out};
    size_t at = 0;

    *v = (struct verdict){.orders = evidence->n_orders,
                          .failovers = evidence->failovers,
                          .has_journal = evidence->has_journal};
    c.late_ms = calloc(evidence->n_orders + 1, sizeof *c.late_ms);
    if (c.late_ms == NULL) {
        return -1;
    }
    if (evidence->n_events > 0) {
        qsort(evidence->events, evidence->n_events, sizeof *evidence->events, compare_events);
    }
    for (size_t i = 0; i < evidence->n_orders; i++) {
        const struct judge_order *o = &evidence->orders[i];
        size_t begin = at;
        while (at < evidence->n_events && evidence->events[at].order == i) {
            at++;
        }
        struct deliveries d = judge_gather(o, evidence->events + begin, at - begin);
        v->expected_either += o->expect_either;
        v->expected_paid += o->expect_paid && !o->expect_either;
        v->expected_expired += !o->expect_paid && !o->expect_either;
        v->unknown_outcomes += (uint64_t)call_is_unknown(&o->schedule) + call_is_unknown(&o->pay);
        judge_order_alone(&c, o, &d);
        judge_deliveries(&c, o, &d);
    }
    qsort(c.late_ms, v->late_n, sizeof *c.late_ms, compare_u64);
    v->late_p50_ms = percentile(c.late_ms, v->late_n, 50);
    v->late_p99_ms = percentile(c.late_ms, v->late_n, 99);
    v->late_max_ms = percentile(c.late_ms, v->late_n, 100);
    free(c.late_ms);
    v->passed = verdict_passes(v);
    return 0;
}
