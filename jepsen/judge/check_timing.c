/* check_timing.c - I6: no delivery before its deadline, by the cluster's own time always, and by
 * the harness's clock where no fault moved clocks. I7: outside faults and the recovery from them
 * no delivery later than the bound, and none that never comes.
 *
 * The cluster's time is known by sightings (judge_time.h): if any answer to a call that began after
 * the delivery shows a time before the deadline, the delivery was early, whatever any clock said.
 * The other way round, an order is late if its deadline was seen to have passed too long ago. */
#include <stdlib.h>

#include "judge.h"

#define SAMPLING_MS 2 /* two clock readings are rounded to milliseconds */
#define MS INT64_C(1000000)

struct timing {
    const struct judged *j;
    struct verdict *v;
    int64_t judged, excused, undelivered;
    int64_t worst_quiet_ms, worst_ms, earliest_ms;
};

/* ---- I6 ---- */

static void check_early(struct timing *t, const struct history_delivery *d)
{
    const struct history *h = t->j->h;
    const char *name = history_order_name(h, d->order);
    int64_t error_ms = SAMPLING_MS + h->header.clock_error_ms;
    /* By then it had certainly arrived. */
    const struct sighting *s = cluster_time_ceiling(&t->j->time,
                                                    history_wall_ns(h, d->at_ms + 1 + SAMPLING_MS));

    if (s != NULL && s->now_ms < d->deadline_ms) {
        verdict_violation(t->v, "I6", d->order, VERDICT_LINES(d->line, s->line),
                          "%s was delivered (index %u) when the cluster's time was %lld ms before "
                          "its deadline %llu, as index %u shows",
                          name, d->line, (long long)(d->deadline_ms - s->now_ms),
                          (unsigned long long)d->deadline_ms, s->line);
    } else if (d->committed_ms != 0 && d->committed_ms < d->deadline_ms) {
        verdict_violation(t->v, "I6", d->order, VERDICT_LINES(d->line),
                          "%s was delivered (index %u) with the cluster's time %llu, before its "
                          "deadline %llu",
                          name, d->line, (unsigned long long)d->committed_ms,
                          (unsigned long long)d->deadline_ms);
    } else if (!h->header.clock_faults && (int64_t)d->at_ms + error_ms < (int64_t)d->deadline_ms) {
        verdict_violation(t->v, "I6", d->order, VERDICT_LINES(d->line),
                          "%s was delivered (index %u) %lld ms before its deadline %llu", name,
                          d->line, (long long)(d->deadline_ms - d->at_ms),
                          (unsigned long long)d->deadline_ms);
    }
}

/* ---- I7 ---- */

/* When the deadline passed: by the wall clock, or when an answer first showed it. */
static int64_t passed_ns(const struct timing *t, uint64_t deadline_ms)
{
    return t->j->h->header.clock_faults ? cluster_time_reached_ns(&t->j->time, deadline_ms)
                                        : history_wall_ns(t->j->h, deadline_ms);
}

static int64_t bound_ns(const struct timing *t)
{
    return (int64_t)t->j->h->header.lateness_bound_ms * MS;
}

/* A first delivery: how late, and was that allowed? */
static void check_late(struct timing *t, const struct history_delivery *d)
{
    const struct history *h = t->j->h;
    int64_t due_ns = passed_ns(t, d->deadline_ms);
    int64_t came_ns = history_wall_ns(h, d->at_ms);

    if (due_ns == HISTORY_NEVER) {
        return;
    }
    int64_t late_ms = (came_ns - due_ns) / MS;
    int64_t until_ns = windows_after(&t->j->unrest, due_ns, bound_ns(t));
    bool quiet = until_ns == due_ns + bound_ns(t);
    t->worst_ms = late_ms > t->worst_ms ? late_ms : t->worst_ms;
    t->earliest_ms = late_ms < t->earliest_ms ? late_ms : t->earliest_ms;
    if (quiet) {
        t->judged++;
        t->worst_quiet_ms = late_ms > t->worst_quiet_ms ? late_ms : t->worst_quiet_ms;
    } else {
        t->excused++;
    }
    if (came_ns > until_ns) {
        verdict_violation(t->v, "I7", d->order, VERDICT_LINES(d->line),
                          "%s was delivered (index %u) %lld ms after its deadline %llu, %lld ms "
                          "later than faults and the bound of %llu ms explain",
                          history_order_name(h, d->order), d->line, (long long)late_ms,
                          (unsigned long long)d->deadline_ms,
                          (long long)((came_ns - until_ns) / MS),
                          (unsigned long long)h->header.lateness_bound_ms);
    }
}

/* Does any node know how the order ended? The others are behind then, which is not lateness. */
static bool is_ended(const struct history *h, const struct history_order *o)
{
    for (uint32_t i = 0; i < o->finals.n; i++) {
        int state = h->final_orders[o->finals.at[i]].state;
        if (state != ORDERSCHED_CLOSING && state != ORDERSCHED_PENDING) {
            return true;
        }
    }
    return false;
}

/* An order that is open in the end, and was never delivered though it is due. */
static void check_never(struct timing *t, uint32_t order)
{
    const struct history *h = t->j->h;
    const struct history_order *o = &h->orders[order];

    for (uint32_t i = 0; i < o->finals.n && o->deliveries.n == 0 && !is_ended(h, o); i++) {
        const struct history_final_order *f = &h->final_orders[o->finals.at[i]];
        int64_t due_ns = passed_ns(t, f->deadline_ms);
        int64_t until_ns = due_ns == HISTORY_NEVER || f->deadline_ms == 0
                               ? HISTORY_NEVER
                               : windows_after(&t->j->unrest, due_ns, bound_ns(t));
        if (until_ns < h->finals[f->final].time_ns) {
            t->undelivered++;
            verdict_violation(t->v, "I7", order, VERDICT_LINES(f->line),
                              "%s is %s in the end (index %u), %lld ms after its deadline %llu, "
                              "and was never delivered",
                              history_order_name(h, order), ordersched_state_name(f->state),
                              f->line, (long long)((h->finals[f->final].time_ns - due_ns) / MS),
                              (unsigned long long)f->deadline_ms);
            return;
        }
    }
}

/* The delivery that came first, by the receivers' clock. */
static const struct history_delivery *first_delivery(const struct history *h, uint32_t order)
{
    const struct history_list *list = &h->orders[order].deliveries;
    const struct history_delivery *first = NULL;

    for (uint32_t i = 0; i < list->n; i++) {
        const struct history_delivery *d = &h->deliveries[list->at[i]];
        if (d->deadline_ms > 0 && (first == NULL || d->at_ms < first->at_ms)) {
            first = d;
        }
    }
    return first;
}

void check_timing(const struct judged *j, struct verdict *v)
{
    struct timing t = {.j = j, .v = v, .earliest_ms = INT64_MAX};
    /* Receivers that are slow on purpose make others of their route wait. */
    bool patient = names_find(&j->h->names, "delivery", 8) != j->h->header.workload;

    for (size_t i = 0; i < j->h->n_deliveries; i++) {
        if (j->h->deliveries[i].deadline_ms > 0) {
            check_early(&t, &j->h->deliveries[i]);
        }
    }
    for (uint32_t order = 0; order < j->h->n_orders && patient; order++) {
        const struct history_delivery *d = first_delivery(j->h, order);
        if (d != NULL) {
            check_late(&t, d);
        }
        check_never(&t, order);
    }
    verdict_figure(v, "deliveries", (int64_t)j->h->n_deliveries);
    verdict_figure(v, "first ones in quiet times", t.judged);
    verdict_figure(v, "first ones under faults", t.excused);
    if (t.judged + t.excused > 0) {
        verdict_figure(v, "worst lateness in quiet times, ms", t.worst_quiet_ms);
        verdict_figure(v, "worst lateness, ms", t.worst_ms);
        verdict_figure(v, "least lateness, ms", t.earliest_ms);
    }
    verdict_figure(v, "never delivered", t.undelivered);
}
