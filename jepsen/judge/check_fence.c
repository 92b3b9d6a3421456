/* check_fence.c - I9: the fence never decreases for an order, and all its deliveries have
 * one key.
 *
 * Deliveries may overtake one another: what a deposed leader had on its way can arrive behind its
 * successor's. That is what the token is for, and the receiver refuses it. So four things are
 * held: what a receiver takes never decreases; the token grows with the attempt, whatever the
 * order of arrival, because an attempt begins behind the log entry that ended the one before; a
 * receiver has nothing to refuse where no fault made a leader linger; and nothing comes from a
 * leadership whose node has been stopped. */
#include <stdlib.h>
#include <string.h>

#include "judge.h"

#define MS INT64_C(1000000)
/* What was on its way has arrived by then, and no new leader can be elected sooner. */
#define KILLING_MS 500
#define CUTTING_MS 1500 /* of all nodes, where it is not told when they were stopped */
#define NEIGHBOURS 16   /* deliveries of an order that each one is compared with */

struct fence {
    const struct judged *j;
    struct verdict *v;
    uint32_t order;
    bool reported; /* of this order: once is enough */
    int64_t refused, repeated_keys;
};

static int compare(const struct history_delivery *a, const struct history_delivery *b)
{
    if (a->fence_epoch != b->fence_epoch) {
        return a->fence_epoch < b->fence_epoch ? -1 : 1;
    }
    return (a->fence_index > b->fence_index) - (a->fence_index < b->fence_index);
}

static void report(struct fence *f, const struct history_delivery *first,
                   const struct history_delivery *then, const char *rule)
{
    if (f->reported) {
        return;
    }
    f->reported = true;
    verdict_violation(f->v, "I9", f->order, VERDICT_LINES(first->line, then->line),
                      "%s was delivered with fence %llu.%llu, attempt %u (index %u), and with "
                      "%llu.%llu, attempt %u (index %u): %s",
                      history_order_name(f->j->h, f->order), (unsigned long long)first->fence_epoch,
                      (unsigned long long)first->fence_index, first->attempt, first->line,
                      (unsigned long long)then->fence_epoch, (unsigned long long)then->fence_index,
                      then->attempt, then->line, rule);
}

/* `b` came behind `a`, as far as one receiver saw both. */
static void check_pair(struct fence *f, const struct history_delivery *a,
                       const struct history_delivery *b)
{
    const struct history *h = f->j->h;
    bool both = a->has_fence && b->has_fence && a->receiver == b->receiver;

    if (a->key != NAME_NONE && b->key != NAME_NONE && a->key != b->key && !f->reported) {
        f->reported = true;
        verdict_violation(f->v, "I9", f->order, VERDICT_LINES(a->line, b->line),
                          "%s was delivered with the key %s (index %u), and with %s (index %u)",
                          history_order_name(h, f->order), names_text(&h->names, a->key), a->line,
                          names_text(&h->names, b->key), b->line);
        return;
    }
    if (both && compare(a, b) > 0 && a->verdict != VERDICT_REFUSED &&
        b->verdict != VERDICT_REFUSED) {
        report(f, a, b, "a receiver took a lower one");
    } else if (a->has_fence && b->has_fence && a->attempt > 0 && a->attempt < b->attempt &&
               compare(a, b) >= 0) {
        report(f, a, b, "a later attempt must have a higher one");
    } else if (a->has_fence && b->has_fence && b->attempt > 0 && b->attempt < a->attempt &&
               compare(b, a) >= 0) {
        report(f, b, a, "a later attempt must have a higher one");
    }
}

/* A receiver refused a fence that is lower than one it had seen. */
static void check_refused(struct fence *f, const struct history_delivery *d,
                          const struct history_delivery *highest)
{
    const struct history *h = f->j->h;
    int64_t at_ns = history_wall_ns(h, d->at_ms);
    int64_t bound_ns = (int64_t)h->header.lateness_bound_ms * MS;

    if (d->verdict != VERDICT_REFUSED || highest == NULL || !d->has_fence ||
        compare(d, highest) >= 0) {
        return;
    }
    f->refused++;
    if (!windows_touch(&f->j->windows, at_ns - bound_ns, at_ns)) {
        report(f, highest, d, "the receiver refused it, and no fault explains the lower one");
    }
}

static void check_order(struct fence *f)
{
    const struct history *h = f->j->h;
    const struct history_list *list = &h->orders[f->order].deliveries;
    const struct history_delivery *highest = NULL;

    f->reported = false;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct history_delivery *d = &h->deliveries[list->at[i]];
        check_refused(f, d, highest);
        if (d->has_fence && d->verdict != VERDICT_REFUSED &&
            (highest == NULL || compare(highest, d) < 0)) {
            highest = d;
        }
        /* The latest are enough: a decrease or another key shows against the one before. */
        for (uint32_t k = i > NEIGHBOURS ? i - NEIGHBOURS : 0; k < i; k++) {
            check_pair(f, &h->deliveries[list->at[k]], d);
        }
        f->repeated_keys += i > 0;
    }
}

/* Since when the nodes are stopped for good; HISTORY_NEVER: they were not. */
static int64_t stopped_ns(const struct history *h, const struct history_fault *f)
{
    const char *name = names_text(&h->names, f->f);
    bool kills = strcmp(name, "kill") == 0 || strcmp(name, "restart-all") == 0;
    bool cuts = strcmp(name, "power-cut") == 0;

    if (!kills && !cuts) {
        return HISTORY_NEVER;
    }
    if (f->struck_ns != HISTORY_NEVER) { /* on a busy machine it takes its time */
        return f->struck_ns + KILLING_MS * MS;
    }
    return f->begin_ns + (kills ? KILLING_MS : CUTTING_MS) * MS;
}

/* The delivery with the highest epoch that came before. NULL: none. */
static const struct history_delivery *highest_before(const struct history *h, int64_t ns)
{
    const struct history_delivery *highest = NULL;

    for (size_t i = 0; i < h->n_deliveries; i++) {
        const struct history_delivery *d = &h->deliveries[i];
        if (d->has_fence && history_wall_ns(h, d->at_ms) < ns &&
            (highest == NULL || d->fence_epoch > highest->fence_epoch)) {
            highest = d;
        }
    }
    return highest;
}

/* A leadership ends with its node: when all nodes were stopped, every epoch seen by then is over,
 * and when the leader of a term was, that one is. */
static void check_ended_leaderships(const struct fence *f, const struct history_fault *fault)
{
    const struct history *h = f->j->h;
    const struct history_delivery *last = fault->all_nodes ? highest_before(h, fault->begin_ns)
                                                           : NULL;
    uint64_t up_to = last != NULL ? last->fence_epoch : 0;
    bool *reported = judge_alloc(h->n_orders, sizeof *reported);

    for (size_t i = 0; i < h->n_deliveries; i++) {
        const struct history_delivery *d = &h->deliveries[i];
        bool over = d->has_fence &&
                    (d->fence_epoch <= up_to || (fault->term > 0 && d->fence_epoch == fault->term));
        if (over && !reported[d->order] && history_wall_ns(h, d->at_ms) > stopped_ns(h, fault)) {
            reported[d->order] = true;
            verdict_violation(f->v, "I9", d->order, VERDICT_LINES(fault->line, d->line),
                              "%s was delivered (index %u) with fence %llu.%llu, %lld ms after the "
                              "leader of epoch %llu had been stopped (index %u)",
                              history_order_name(h, d->order), d->line,
                              (unsigned long long)d->fence_epoch,
                              (unsigned long long)d->fence_index,
                              (long long)((history_wall_ns(h, d->at_ms) - fault->begin_ns) / MS),
                              (unsigned long long)d->fence_epoch, fault->line);
        }
    }
    free(reported);
}

/* A key belongs to one order. */
static void check_owners(const struct fence *f)
{
    const struct history *h = f->j->h;
    uint32_t *owner = judge_alloc(h->names.n, sizeof *owner); /* by key: delivery + 1 */

    for (uint32_t i = 0; i < h->n_deliveries; i++) {
        const struct history_delivery *d = &h->deliveries[i];
        if (d->key == NAME_NONE) {
            continue;
        }
        const struct history_delivery *first = owner[d->key] > 0 ? &h->deliveries[owner[d->key] - 1]
                                                                 : NULL;
        if (first == NULL) {
            owner[d->key] = i + 1;
        } else if (first->order != d->order) {
            verdict_violation(f->v, "I9", d->order, VERDICT_LINES(first->line, d->line),
                              "%s (index %u) and %s (index %u) have the same key %s",
                              history_order_name(h, first->order), first->line,
                              history_order_name(h, d->order), d->line,
                              names_text(&h->names, d->key));
        }
    }
    free(owner);
}

void check_fence(const struct judged *j, struct verdict *v)
{
    struct fence f = {.j = j, .v = v};
    int64_t leaderships = 0;

    for (f.order = 0; f.order < j->h->n_orders; f.order++) {
        check_order(&f);
    }
    check_owners(&f);
    for (size_t i = 0; i < j->h->n_faults; i++) {
        if (stopped_ns(j->h, &j->h->faults[i]) != HISTORY_NEVER) {
            leaderships += j->h->faults[i].all_nodes || j->h->faults[i].term > 0;
            check_ended_leaderships(&f, &j->h->faults[i]);
        }
    }
    verdict_figure(v, "deliveries", (int64_t)j->h->n_deliveries);
    verdict_figure(v, "redeliveries", f.repeated_keys);
    verdict_figure(v, "lower fences refused", f.refused);
    verdict_figure(v, "leaders stopped", leaderships);
}
