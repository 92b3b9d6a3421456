/* check_extend.c - I8: after an acknowledged extend nothing expires for an older deadline: no
 * delivery carries one, no order is found past one, and none ends with one.
 *
 * Deadlines only grow, and an order can be extended before its deadline only, so this holds for
 * all deliveries, those before the acknowledgement too. */
#include "judge.h"

struct extended {
    const struct judged *j;
    struct verdict *v;
    uint32_t order;
    const struct history_call *last; /* the acknowledged extend to the latest deadline */
};

static void check_deadline(const struct extended *e, uint64_t deadline_ms, uint32_t line,
                           const char *what)
{
    if (deadline_ms > 0 && deadline_ms < e->last->answer.deadline_ms) {
        verdict_violation(e->v, "I8", e->order, VERDICT_LINES(e->last->end_line, line),
                          "%s was extended to %llu (index %u), and %s (index %u) has the deadline "
                          "%llu",
                          history_order_name(e->j->h, e->order),
                          (unsigned long long)e->last->answer.deadline_ms, e->last->end_line, what,
                          line, (unsigned long long)deadline_ms);
    }
}

static void find_last(struct extended *e, int64_t *extends)
{
    const struct history *h = e->j->h;
    const struct history_list *calls = &h->orders[e->order].calls;

    e->last = NULL;
    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &h->calls[calls->at[i]];
        if (c->f == CALL_EXTEND && c->end == CALL_OK) {
            (*extends)++;
            if (e->last == NULL || c->answer.deadline_ms > e->last->answer.deadline_ms) {
                e->last = c;
            }
        }
    }
}

static void check_order(const struct extended *e)
{
    const struct history *h = e->j->h;
    const struct history_order *o = &h->orders[e->order];

    for (uint32_t i = 0; i < o->deliveries.n; i++) {
        const struct history_delivery *d = &h->deliveries[o->deliveries.at[i]];
        check_deadline(e, d->deadline_ms, d->line, "a delivery");
    }
    for (uint32_t i = 0; i < o->effects.n; i++) {
        const struct history_delivery *d = &h->effects[o->effects.at[i]];
        check_deadline(e, d->deadline_ms, d->line, "an effect");
    }
    for (uint32_t i = 0; i < o->finals.n; i++) {
        const struct history_final_order *f = &h->final_orders[o->finals.at[i]];
        check_deadline(e, f->deadline_ms, f->line, "a final read");
    }
    for (uint32_t i = 0; i < o->calls.n; i++) {
        const struct history_call *c = &h->calls[o->calls.at[i]];
        if (history_saw_state(c) &&
            (c->answer.state == ORDERSCHED_CLOSING || c->answer.state == ORDERSCHED_EXPIRED)) {
            check_deadline(e, c->answer.deadline_ms, c->end_line, "an answer of its expiry");
        }
    }
}

void check_extend(const struct judged *j, struct verdict *v)
{
    struct extended e = {.j = j, .v = v};
    int64_t extends = 0, orders = 0;

    for (e.order = 0; e.order < j->h->n_orders; e.order++) {
        find_last(&e, &extends);
        if (e.last != NULL) {
            orders++;
            check_order(&e);
        }
    }
    verdict_figure(v, "extends acknowledged", extends);
    verdict_figure(v, "orders extended", orders);
}
