/* check_trace.c - TRACE: an order has the traceparent that its schedule stated, or none if that stated none: in
 * every read, and in each attempt to deliver it, whoever leads.
 *
 * Copies of a schedule may state different ones, of which the first to be decided counts, and which that was is not
 * known: all that an order shows must be one of these, and always the same. Over HTTP it is the asked node that
 * takes the header, as soon as it knows that a route carries such; one that was struck may have to learn it anew
 * (docs/http.md). */
#include <stdlib.h>

#include "judge.h"

#define MS 1000000

/* Where an order shows its traceparent. */
struct shown {
    uint32_t trace;
    uint32_t line;
};

struct traces {
    const struct judged *j;
    struct verdict *v;
    uint32_t order;
    bool has_first;
    struct shown first;
    int64_t stated, reads, deliveries;
};

static bool was_struck_before(const struct history *h, const struct history_call *c)
{
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct history_fault *f = &h->faults[i];
        if ((f->nodes & UINT64_C(1) << c->node) != 0 && f->begin_ns <= c->ended_ns) {
            return true;
        }
    }
    return false;
}

/* May the asked node not have known yet that routes carry traceparents? They are put before the load begins. */
static bool may_be_ignored(const struct traces *t, const struct history_call *c)
{
    const struct history *h = t->j->h;
    const struct history_note *load = history_phase(h, "load");
    int64_t known_ns = load != NULL ? load->time_ns + (int64_t)h->header.lateness_bound_ms * MS
                                    : HISTORY_NEVER;

    return c->node != 0 && (c->invoked_ns < known_ns || was_struck_before(h, c));
}

/* Did a schedule that may have made the order state this one? */
static bool is_stated(const struct traces *t, uint32_t trace)
{
    const struct history *h = t->j->h;
    const struct history_list *calls = &h->orders[t->order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &h->calls[calls->at[i]];
        if (c->f == CALL_SCHEDULE && (c->end == CALL_OK || c->end == CALL_INFO) &&
            (c->trace == trace || (trace == NAME_NONE && may_be_ignored(t, c)))) {
            return true;
        }
    }
    return false;
}

static const char *trace_text(const struct traces *t, uint32_t trace)
{
    return trace != NAME_NONE ? names_text(&t->j->h->names, trace) : "no traceparent";
}

static void look_at(struct traces *t, struct shown shown, const char *where)
{
    const char *name = history_order_name(t->j->h, t->order);

    if (!t->has_first) {
        t->has_first = true;
        t->first = shown;
        if (!is_stated(t, shown.trace)) {
            verdict_violation(t->v, "TRACE", t->order, VERDICT_LINES(shown.line),
                              "%s has %s in %s (index %u), and no schedule that may have made it "
                              "said so",
                              name, trace_text(t, shown.trace), where, shown.line);
        }
    } else if (shown.trace != t->first.trace) {
        verdict_violation(t->v, "TRACE", t->order, VERDICT_LINES(t->first.line, shown.line),
                          "%s has %s (index %u), and in %s (index %u) %s", name,
                          trace_text(t, t->first.trace), t->first.line, where, shown.line,
                          trace_text(t, shown.trace));
    }
}

static void check_order(struct traces *t)
{
    const struct history *h = t->j->h;
    const struct history_order *o = &h->orders[t->order];

    t->has_first = false;
    for (uint32_t i = 0; i < o->calls.n; i++) {
        const struct history_call *c = &h->calls[o->calls.at[i]];
        t->stated += c->f == CALL_SCHEDULE && c->trace != NAME_NONE;
        if (c->f == CALL_GET && c->answer.error == ORDERSCHED_OK && c->end == CALL_OK) {
            t->reads += c->answer.trace != NAME_NONE;
            look_at(t, (struct shown){c->answer.trace, c->end_line}, "a read");
        }
    }
    for (uint32_t i = 0; i < o->deliveries.n; i++) {
        const struct history_delivery *d = &h->deliveries[o->deliveries.at[i]];
        /* Of what was not even read the journal tells little. */
        if (d->has_fence) {
            t->deliveries += d->trace != NAME_NONE;
            look_at(t, (struct shown){d->trace, d->line}, "a delivery");
        }
    }
}

void check_trace(const struct judged *j, struct verdict *v)
{
    struct traces t = {.j = j, .v = v};

    if (!j->h->header.traces) {
        return;
    }
    for (t.order = 0; t.order < j->h->n_orders; t.order++) {
        check_order(&t);
    }
    verdict_figure(v, "schedules with a traceparent", t.stated);
    verdict_figure(v, "reads that show one", t.reads);
    verdict_figure(v, "deliveries that have one", t.deliveries);
}
