/* check_sequence.c - I2, across orders: the log indexes of decisions agree with real time, and with
 * the cluster's time.
 *
 * An order that was open at some moment is decided behind everything that was decided, and told to
 * somebody, before that moment. And the cluster's time grows along the log: an order that was paid
 * or cancelled before its deadline stands before any that expired at a later one. */
#include <stdlib.h>

#include "judge.h"

/* A decided order. */
struct decision {
    uint32_t order;
    uint64_t index;
    int state;
    uint64_t deadline_ms;
    int64_t told_ns; /* when the first answer that shows it ended */
    uint32_t told_line;
    int64_t open_ns; /* the latest moment at which it was open still; HISTORY_NEVER: not known */
    uint32_t open_line;
};

static int by_index(const void *a, const void *b)
{
    const struct decision *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

static int by_told(const void *a, const void *b)
{
    const struct decision *x = a, *y = b;

    return (x->told_ns > y->told_ns) - (x->told_ns < y->told_ns);
}

/* When the first copy of the call's request was made. */
static int64_t first_copy_ns(const struct history *h, const struct history_list *calls,
                             const struct history_call *c)
{
    for (uint32_t i = 0; i < calls->n && c->request != NAME_NONE; i++) {
        if (h->calls[calls->at[i]].request == c->request) {
            return h->calls[calls->at[i]].invoked_ns;
        }
    }
    return c->invoked_ns;
}

/* The latest moment before the decision was told at which the order was open. (What comes after
 * is the order's own affair, and check_linearizable.c's.) */
static void find_open(const struct history *h, struct decision *d)
{
    const struct history_list *calls = &h->orders[d->order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &h->calls[calls->at[i]];
        if (!history_saw_state(c) || c->answer.index > 0) {
            continue;
        }
        int64_t ns = first_copy_ns(h, calls, c);
        if (ns < d->told_ns && (d->open_ns == HISTORY_NEVER || ns > d->open_ns)) {
            d->open_ns = ns;
            d->open_line = c->line;
        }
    }
}

/* False: no answer shows a decision of the order. */
static bool find_decision(const struct history *h, uint32_t order, struct decision *d)
{
    const struct history_list *calls = &h->orders[order].calls;

    *d = (struct decision){.order = order,
                           .told_ns = HISTORY_NEVER,
                           .open_ns = HISTORY_NEVER,
                           .open_line = HISTORY_NO_LINE};
    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &h->calls[calls->at[i]];
        if (history_saw_state(c) && c->answer.index > 0 && c->ended_ns < d->told_ns) {
            d->index = c->answer.index;
            d->state = c->answer.state;
            d->deadline_ms = c->answer.deadline_ms;
            d->told_ns = c->ended_ns;
            d->told_line = c->end_line;
        }
    }
    find_open(h, d);
    return d->index > 0;
}

static bool has_veto(const struct judged *j, uint32_t order)
{
    const struct history_list *list = &j->h->orders[order].deliveries;
    bool veto = !j->receivers_told;

    for (uint32_t i = 0; i < list->n; i++) {
        veto = veto || j->h->deliveries[list->at[i]].verdict == VERDICT_PAID;
    }
    return veto;
}

/* Of all that were told before it was open for the last time, none may stand behind it. */
static void check_real_time(const struct judged *j, const struct decision *told, size_t n,
                            const struct decision *d, struct verdict *v)
{
    const struct decision *highest = NULL;
    size_t low = 0, high = n;

    if (d->open_ns == HISTORY_NEVER) {
        return;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (told[middle].told_ns < d->open_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    highest = low > 0 ? &told[low - 1] : NULL; /* they carry the highest index so far */
    if (highest != NULL && highest->index >= d->index) {
        verdict_violation(v, "I2", d->order,
                          VERDICT_LINES(highest->told_line, d->open_line, d->told_line),
                          "%s was open (index %u) after %s had been decided at log index %llu "
                          "(index %u), and was then decided at log index %llu (index %u)",
                          history_order_name(j->h, d->order), d->open_line,
                          history_order_name(j->h, highest->order),
                          (unsigned long long)highest->index, highest->told_line,
                          (unsigned long long)d->index, d->told_line);
    }
}

/* Along the log: how late it had become, by what had expired. */
static void check_cluster_time(const struct judged *j, const struct decision *all, size_t n,
                               struct verdict *v)
{
    const struct decision *latest = NULL; /* expired, with the latest deadline so far */

    for (size_t i = 0, next = 0; i < n; i++) {
        for (; next < n && all[next].index <= all[i].index; next++) {
            if (all[next].state == ORDERSCHED_EXPIRED &&
                (latest == NULL || all[next].deadline_ms > latest->deadline_ms)) {
                latest = &all[next];
            }
        }
        const struct decision *d = &all[i];
        bool in_time = d->state == ORDERSCHED_CANCELLED ||
                       (d->state == ORDERSCHED_PAID && !has_veto(j, d->order));
        if (in_time && latest != NULL && latest->deadline_ms >= d->deadline_ms) {
            verdict_violation(v, "I2", d->order, VERDICT_LINES(latest->told_line, d->told_line),
                              "%s was %s at log index %llu (index %u), before its deadline %llu, "
                              "though %s had expired at %llu (index %u), after its deadline %llu",
                              history_order_name(j->h, d->order), ordersched_state_name(d->state),
                              (unsigned long long)d->index, d->told_line,
                              (unsigned long long)d->deadline_ms,
                              history_order_name(j->h, latest->order),
                              (unsigned long long)latest->index, latest->told_line,
                              (unsigned long long)latest->deadline_ms);
        }
    }
}

/* Each one carries the highest index of those told before it, and whose it is. */
static void cumulate(struct decision *told, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (told[i].index < told[i - 1].index) {
            told[i].index = told[i - 1].index;
            told[i].order = told[i - 1].order;
            told[i].told_line = told[i - 1].told_line;
        }
    }
}

void check_sequence(const struct judged *j, struct verdict *v)
{
    struct decision *all = judge_alloc(j->h->n_orders, sizeof *all);
    struct decision *told = judge_alloc(j->h->n_orders, sizeof *told);
    size_t n = 0;

    for (uint32_t order = 0; order < j->h->n_orders; order++) {
        n += find_decision(j->h, order, &all[n]);
    }
    for (size_t i = 0; i < n; i++) {
        told[i] = all[i];
    }
    if (n > 0) {
        qsort(all, n, sizeof *all, by_index);
        qsort(told, n, sizeof *told, by_told);
    }
    cumulate(told, n);
    for (size_t i = 0; i < n; i++) {
        check_real_time(j, told, n, &all[i], v);
    }
    check_cluster_time(j, all, n, v);
    verdict_figure(v, "decisions", (int64_t)n);
    free(all);
    free(told);
}
