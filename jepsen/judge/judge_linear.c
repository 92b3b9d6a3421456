/* judge_linear.c - see judge_linear.h: the search. The model is in judge_linear_model.c. */
#include "judge_linear.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "judge_linear_model.h"
#include "judge_names.h"

struct configuration {
    struct linear_state state;
    uint64_t done; /* slots of open operations that have had their moment */
    size_t last;   /* operation that changed the state last; not part of what it is */
};

/* A set of configurations. */
struct config_set {
    struct configuration *all;
    size_t n;
    size_t cap;
    uint32_t *slots; /* place + 1 */
    size_t n_slots;
};

struct search {
    const struct linear_op *ops;
    size_t n_ops;
    bool veto;
    uint64_t budget;
    struct linear_report *report;
    size_t open[LINEAR_OPEN_MAX]; /* operation in each slot; n_ops: free */
    struct config_set now;
    struct config_set visited; /* while an answer is explained */
    struct config_set next;
};

static void set_clear(struct config_set *s)
{
    s->n = 0;
    if (s->n_slots > 0) {
        memset(s->slots, 0, s->n_slots * sizeof *s->slots);
    }
}

static void set_free(struct config_set *s)
{
    free(s->all);
    free(s->slots);
}

static uint64_t configuration_hash(const struct configuration *c)
{
    uint64_t parts[6] = {(uint64_t)c->state.state << 1 | c->state.unseen,
                         c->state.deadline_ms,
                         c->state.highest_ms,
                         c->state.delay_ms,
                         c->state.version,
                         c->done};

    return XXH3_64bits(parts, sizeof parts);
}

/* But for the time: of two that differ in it alone, the one with the lower can do all that the
 * other can. */
static bool configuration_is(const struct configuration *a, const struct configuration *b)
{
    return a->state.state == b->state.state && a->state.unseen == b->state.unseen &&
           a->state.deadline_ms == b->state.deadline_ms &&
           a->state.highest_ms == b->state.highest_ms && a->state.delay_ms == b->state.delay_ms &&
           a->state.version == b->state.version && a->done == b->done;
}

/* Where it, or one like it, is or belongs. */
static size_t slot_for(const struct config_set *s, const struct configuration *c)
{
    size_t at = configuration_hash(c) & (s->n_slots - 1);

    while (s->slots[at] != 0 && !configuration_is(&s->all[s->slots[at] - 1], c)) {
        at = (at + 1) & (s->n_slots - 1);
    }
    return at;
}

static void set_grow(struct config_set *s)
{
    free(s->slots);
    s->n_slots = s->n_slots > 0 ? 2 * s->n_slots : 64;
    s->slots = judge_alloc(s->n_slots, sizeof *s->slots);
    for (size_t i = s->n; i > 0; i--) { /* the best of those that are alike came last */
        size_t at = slot_for(s, &s->all[i - 1]);
        if (s->slots[at] == 0) {
            s->slots[at] = (uint32_t)i;
        }
    }
}

/* False: it, or a better one, was there already. A better one is added behind the other, which is
 * of no more use but does no harm. */
static bool set_add(struct config_set *s, const struct configuration *c)
{
    if (2 * (s->n + 1) > s->n_slots) {
        set_grow(s);
    }
    size_t at = slot_for(s, c);
    if (s->slots[at] != 0 && s->all[s->slots[at] - 1].state.now_ms <= c->state.now_ms) {
        return false;
    }
    *JUDGE_ADD(s->all, s->n, s->cap) = *c;
    s->slots[at] = (uint32_t)s->n;
    return true;
}

/* Give the operation in a slot its moment. False: its answer does not allow it now. */
static bool step(const struct search *s, const struct configuration *c, unsigned slot,
                 struct configuration *out)
{
    size_t op = s->open[slot];

    if (op == s->n_ops || (c->done & (UINT64_C(1) << slot)) != 0) {
        return false;
    }
    *out = *c;
    out->done |= UINT64_C(1) << slot;
    if (!linear_apply(&out->state, &s->ops[op], s->veto)) {
        return false;
    }
    if (s->ops[op].kind != LINEAR_GET && s->ops[op].error == 0) {
        out->last = op;
    }
    return true;
}

/* The operation in `slot` was answered: find every configuration in which it has had its moment,
 * last of all, and free its slot. False: the budget is used up. */
static bool explain(struct search *s, unsigned slot)
{
    uint64_t bit = UINT64_C(1) << slot;
    struct configuration out;

    set_clear(&s->visited);
    set_clear(&s->next);
    for (size_t i = 0; i < s->now.n; i++) {
        set_add(&s->visited, &s->now.all[i]);
    }
    for (size_t i = 0; i < s->visited.n; i++) {
        struct configuration c = s->visited.all[i]; /* adding may move them */
        if ((c.done & bit) != 0) {
            c.done &= ~bit;
            set_add(&s->next, &c);
            continue;
        }
        for (unsigned other = 0; other < LINEAR_OPEN_MAX; other++) {
            if (step(s, &c, other, &out) && set_add(&s->visited, &out)) {
                s->report->steps++;
            }
        }
        if (s->report->steps > s->budget) {
            return false;
        }
    }
    return true;
}

/* What the answer could meet, for the report. */
static void remember_failure(struct search *s, size_t op)
{
    struct linear_report *r = s->report;

    r->result = LINEAR_NO;
    r->failed = op;
    r->last = s->now.n > 0 ? s->now.all[0].last : s->n_ops;
    for (size_t i = 0; i < s->now.n && r->n_before < 3; i++) {
        r->before[r->n_before++] = s->now.all[i].state;
    }
}

/* Calls and answers in order of time; a call before the answers of the same moment, so that they
 * are concurrent. */
struct event {
    int64_t ns;
    bool answer;
    size_t op;
};

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;

    if (x->ns != y->ns) {
        return x->ns < y->ns ? -1 : 1;
    }
    if (x->answer != y->answer) {
        return x->answer ? 1 : -1;
    }
    return (x->op > y->op) - (x->op < y->op);
}

static size_t make_events(const struct search *s, struct event *events)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_ops; i++) {
        events[n++] = (struct event){.ns = s->ops[i].from_ns, .op = i};
        if (s->ops[i].to_ns != LINEAR_NEVER) {
            events[n++] = (struct event){.ns = s->ops[i].to_ns, .answer = true, .op = i};
        }
    }
    qsort(events, n, sizeof *events, by_time);
    return n;
}

static unsigned slot_of(const struct search *s, size_t op)
{
    unsigned slot = 0;

    while (slot < LINEAR_OPEN_MAX && s->open[slot] != op) {
        slot++;
    }
    return slot;
}

/* False: the end is reached, and the result known. */
static bool take_event(struct search *s, const struct event *e)
{
    unsigned slot = slot_of(s, e->answer ? e->op : s->n_ops);

    if (slot == LINEAR_OPEN_MAX) {
        s->report->result = LINEAR_TOO_MANY;
        return false;
    }
    if (!e->answer) {
        s->open[slot] = e->op;
        unsigned open = 0;
        for (unsigned i = 0; i < LINEAR_OPEN_MAX; i++) {
            open += s->open[i] != s->n_ops;
        }
        s->report->open_max = open > s->report->open_max ? open : s->report->open_max;
        return true;
    }
    if (!explain(s, slot)) {
        s->report->result = LINEAR_BUDGET;
        return false;
    }
    if (s->next.n == 0) {
        remember_failure(s, e->op);
        return false;
    }
    s->open[slot] = s->n_ops;
    struct config_set kept = s->now;
    s->now = s->next;
    s->next = kept;
    return true;
}

void linear_check(const struct linear_op *ops, size_t n_ops, bool veto, uint64_t budget,
                  struct linear_report *report)
{
    struct search s = {
        .ops = ops, .n_ops = n_ops, .veto = veto, .budget = budget, .report = report};
    struct event *events = judge_alloc(2 * n_ops, sizeof *events);
    struct configuration start = {.last = n_ops};
    size_t n = make_events(&s, events);

    *report = (struct linear_report){.result = LINEAR_YES};
    for (unsigned i = 0; i < LINEAR_OPEN_MAX; i++) {
        s.open[i] = n_ops;
    }
    set_add(&s.now, &start);
    for (size_t i = 0; i < n && take_event(&s, &events[i]); i++) {
    }
    set_free(&s.now);
    set_free(&s.visited);
    set_free(&s.next);
    free(events);
}
