/* check_phantom.c - I4: nothing is read or delivered that nobody asked for, and what failed for
 * certain never becomes visible: orders, decisions, deadlines. */
#include <stdlib.h>

#include "judge.h"

struct wishes {
    bool by_f[CALL_FS]; /* somebody asked, and it may have happened */
    bool unseen;        /* a delay that no answer told the deadline of: it may lie anywhere */
    bool veto;          /* a receiver said "paid", or may have */
};

static struct wishes wishes_of(const struct judged *j, uint32_t order)
{
    const struct history *h = j->h;
    const struct history_order *o = &h->orders[order];
    struct wishes w = {.veto = !j->receivers_told};

    for (uint32_t i = 0; i < o->calls.n; i++) {
        const struct history_call *c = &h->calls[o->calls.at[i]];
        /* A decided refusal is not an effect; a copy of it has none either. */
        if (c->end == CALL_OK || c->end == CALL_INFO) {
            w.by_f[c->f] = true;
            w.unseen = w.unseen || (c->relative && c->end == CALL_INFO);
        }
    }
    for (uint32_t i = 0; i < o->deliveries.n; i++) {
        w.veto = w.veto || h->deliveries[o->deliveries.at[i]].verdict == VERDICT_PAID;
    }
    return w;
}

static bool was_asked(const struct history *h, uint32_t order, uint64_t deadline_ms)
{
    const struct history_list *calls = &h->orders[order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &h->calls[calls->at[i]];
        if ((c->f == CALL_SCHEDULE || c->f == CALL_EXTEND) && c->end != CALL_FAIL &&
            deadline_ms == (c->relative ? c->answer.deadline_ms : c->time_ms)) {
            return true;
        }
    }
    return false;
}

struct phantom {
    const struct judged *j;
    struct verdict *v;
    uint32_t order;
    struct wishes wishes;
    unsigned told; /* kinds of violations of this order that were reported: once is enough */
};

enum { PHANTOM_ORDER = 1, PHANTOM_PAID = 2, PHANTOM_CANCELLED = 4, PHANTOM_DEADLINE = 8 };

/* Is this kind the first of its order? */
static bool is_news(struct phantom *p, unsigned kind)
{
    bool news = (p->told & kind) == 0;

    p->told |= kind;
    return news;
}

/* The order shows itself in a state (NONE: by a delivery), with a deadline if one is known. */
static void look_at(struct phantom *p, int state, uint64_t deadline_ms, uint32_t line,
                    const char *where)
{
    const char *name = history_order_name(p->j->h, p->order);
    const struct wishes *w = &p->wishes;

    if (!w->by_f[CALL_SCHEDULE] && is_news(p, PHANTOM_ORDER)) {
        verdict_violation(p->v, "I4", p->order, VERDICT_LINES(line),
                          "%s is in %s (index %u), and no schedule of it can have happened", name,
                          where, line);
    }
    if (state == ORDERSCHED_PAID && !w->by_f[CALL_PAY] && !w->veto && is_news(p, PHANTOM_PAID)) {
        verdict_violation(p->v, "I4", p->order, VERDICT_LINES(line),
                          "%s is PAID in %s (index %u), and no pay can have happened, nor did a "
                          "receiver say so",
                          name, where, line);
    }
    if (state == ORDERSCHED_CANCELLED && !w->by_f[CALL_CANCEL] && is_news(p, PHANTOM_CANCELLED)) {
        verdict_violation(p->v, "I4", p->order, VERDICT_LINES(line),
                          "%s is CANCELLED in %s (index %u), and no cancel can have happened", name,
                          where, line);
    }
    if (deadline_ms > 0 && !w->unseen && w->by_f[CALL_SCHEDULE] &&
        !was_asked(p->j->h, p->order, deadline_ms) && is_news(p, PHANTOM_DEADLINE)) {
        verdict_violation(p->v, "I4", p->order, VERDICT_LINES(line),
                          "%s has the deadline %llu in %s (index %u), which nobody asked for", name,
                          (unsigned long long)deadline_ms, where, line);
    }
}

static void check_order(struct phantom *p)
{
    const struct history *h = p->j->h;
    const struct history_order *o = &h->orders[p->order];

    for (uint32_t i = 0; i < o->calls.n; i++) {
        const struct history_call *c = &h->calls[o->calls.at[i]];
        if (history_saw_state(c) && c->answer.state != ORDERSCHED_STATE_NONE) {
            look_at(p, c->answer.state, c->answer.deadline_ms, c->end_line, "an answer");
        }
    }
    for (uint32_t i = 0; i < o->finals.n; i++) {
        const struct history_final_order *f = &h->final_orders[o->finals.at[i]];
        look_at(p, f->state, f->deadline_ms, f->line, "a final read");
    }
    for (uint32_t i = 0; i < o->deliveries.n; i++) {
        const struct history_delivery *d = &h->deliveries[o->deliveries.at[i]];
        look_at(p, ORDERSCHED_STATE_NONE, d->deadline_ms, d->line, "a delivery");
    }
    for (uint32_t i = 0; i < o->effects.n; i++) {
        const struct history_delivery *e = &h->effects[o->effects.at[i]];
        look_at(p, ORDERSCHED_STATE_NONE, e->deadline_ms, e->line, "an effect");
    }
}

void check_phantom(const struct judged *j, struct verdict *v)
{
    struct phantom p = {.j = j, .v = v};
    int64_t asked = 0;

    for (p.order = 0; p.order < j->h->n_orders; p.order++) {
        p.told = 0;
        p.wishes = wishes_of(j, p.order);
        asked += p.wishes.by_f[CALL_SCHEDULE];
        check_order(&p);
    }
    verdict_figure(v, "orders seen", (int64_t)j->h->n_orders);
    verdict_figure(v, "orders asked for", asked);
}
