/* judge_time.c - see judge_time.h. */
#include "judge_time.h"

#include <stdlib.h>
#include <string.h>

static int by_to(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;

    return (x->to_ns > y->to_ns) - (x->to_ns < y->to_ns);
}

static int by_from(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;

    return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

/* What an answer tells of the time at which it was given. */
static bool sight_answer(const struct history_call *c, struct sighting *s)
{
    const struct history_answer *a = &c->answer;
    bool answered = c->end == CALL_OK || history_is_decided(c);

    /* A repeated answer is the recorded one, but what remains is as of now. */
    if (!answered || a->deadline_ms == 0 || a->remaining_ms > a->deadline_ms) {
        return false;
    }
    *s = (struct sighting){.from_ns = c->invoked_ns,
                           .to_ns = c->ended_ns,
                           .now_ms = a->deadline_ms - a->remaining_ms,
                           .exact = a->remaining_ms > 0,
                           .line = c->end_line};
    return true;
}

/* A relative deadline tells the time at which it was decided: in this call, or in an earlier one
 * with the same request id. */
static bool sight_delay(const struct history_call *c, int64_t first_ns, struct sighting *s)
{
    if (c->end != CALL_OK || !c->relative || (c->f != CALL_SCHEDULE && c->f != CALL_EXTEND) ||
        c->answer.deadline_ms < c->time_ms) {
        return false;
    }
    *s = (struct sighting){.from_ns = first_ns,
                           .to_ns = c->ended_ns,
                           .now_ms = c->answer.deadline_ms - c->time_ms,
                           .exact = true,
                           .line = c->end_line};
    return true;
}

/* By request: when it was first made. */
static int64_t *first_invocations(const struct history *h)
{
    int64_t *first = judge_alloc(h->names.n, sizeof *first);

    for (size_t i = h->n_calls; i > 0; i--) {
        const struct history_call *c = &h->calls[i - 1];
        if (c->request != NAME_NONE) {
            first[c->request] = c->invoked_ns;
        }
    }
    return first;
}

static void cumulate(struct cluster_time *t)
{
    for (size_t i = 1; i < t->n_to; i++) {
        const struct sighting *before = &t->by_to[i - 1];
        if (before->now_ms > t->by_to[i].now_ms) {
            t->by_to[i].now_ms = before->now_ms;
            t->by_to[i].line = before->line;
            t->by_to[i].exact = before->exact;
        }
    }
    for (size_t i = t->n_from; i > 1; i--) {
        const struct sighting *after = &t->by_from[i - 1];
        if (after->now_ms < t->by_from[i - 2].now_ms) {
            t->by_from[i - 2].now_ms = after->now_ms;
            t->by_from[i - 2].line = after->line;
        }
    }
}

void cluster_time_of(struct cluster_time *t, const struct history *h)
{
    int64_t *first = first_invocations(h);
    struct sighting s;

    *t = (struct cluster_time){.by_to = judge_alloc(2 * h->n_calls, sizeof *t->by_to),
                               .by_from = judge_alloc(2 * h->n_calls, sizeof *t->by_from)};
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct history_call *c = &h->calls[i];
        if (sight_answer(c, &s)) {
            t->by_to[t->n_to++] = s;
        }
        if (c->request != NAME_NONE && sight_delay(c, first[c->request], &s)) {
            t->by_to[t->n_to++] = s;
        }
    }
    free(first);
    for (size_t i = 0; i < t->n_to; i++) {
        if (t->by_to[i].exact) {
            t->by_from[t->n_from++] = t->by_to[i];
        }
    }
    if (t->n_to > 0) {
        qsort(t->by_to, t->n_to, sizeof *t->by_to, by_to);
        qsort(t->by_from, t->n_from, sizeof *t->by_from, by_from);
    }
    t->raw = judge_alloc(t->n_to, sizeof *t->raw);
    memcpy(t->raw, t->by_to, t->n_to * sizeof *t->raw);
    cumulate(t);
}

void cluster_time_free(struct cluster_time *t)
{
    free(t->by_to);
    free(t->by_from);
    free(t->raw);
    *t = (struct cluster_time){0};
}

const struct sighting *cluster_time_floor(const struct cluster_time *t, int64_t ns)
{
    size_t low = 0, high = t->n_to;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->by_to[middle].to_ns < ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? &t->by_to[low - 1] : NULL;
}

const struct sighting *cluster_time_ceiling(const struct cluster_time *t, int64_t ns)
{
    size_t low = 0, high = t->n_from;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->by_from[middle].from_ns <= ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < t->n_from ? &t->by_from[low] : NULL;
}

int64_t cluster_time_reached_ns(const struct cluster_time *t, uint64_t now_ms)
{
    size_t low = 0, high = t->n_to;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->by_to[middle].now_ms < now_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < t->n_to ? t->by_to[low].to_ns : HISTORY_NEVER;
}
